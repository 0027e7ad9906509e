/* config_value.c - how the values of a configuration are spelled. (pure)
 *
 * Owns:     nothing.
 * Promises: exact results: what cannot be held exactly in the value's unit is refused, not rounded.
 * Refuses:  signs, exponents, blanks inside, unknown units: a typing error must not become a
 *           number. */
#include "appliance/control/config_value.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* Fractions are read in billionths: enough for a nanosecond of a second. */
#define FRACTION_DIGITS 9
#define FRACTION        UINT64_C(1000000000)
/* Whole parts beyond this mean nothing in any unit and would overflow in billionths. */
#define WHOLE_MAX UINT64_C(10000000000)

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit duration_units[] = {
    {"us", NS_PER_US},    {"ms", NS_PER_MS},      {"s", NS_PER_S},
    {"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S}, {"d", 24 * 3600 * NS_PER_S},
};

static const struct unit size_units[] = {
    {"", 1}, {"B", 1}, {"KiB", 1024}, {"MiB", 1024 * 1024}, {"GiB", 1024 * 1024 * 1024},
};

static bool no(const char **why, const char *reason) {
    *why = reason;
    return false;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Reads "12.5" from the front of *text, in billionths, and moves *text behind it. False when there
 * is no number, when a digit could not be kept, or when it is beyond WHOLE_MAX. */
static bool take_decimal(struct span *text, uint64_t *billionths) {
    size_t at = 0, digits = 0;
    uint64_t whole = 0, fraction = 0;
    for (; at < text->n && is_digit(text->p[at]); at++) {
        whole = whole * 10 + (uint64_t)(text->p[at] - '0');
        if (whole > WHOLE_MAX)
            return false;
    }
    if (at == 0)
        return false;
    if (at < text->n && text->p[at] == '.') {
        for (at++; at < text->n && is_digit(text->p[at]); at++, digits++) {
            if (digits == FRACTION_DIGITS)
                return false;
            fraction = fraction * 10 + (uint64_t)(text->p[at] - '0');
        }
        if (digits == 0)
            return false;
    }
    for (; digits < FRACTION_DIGITS; digits++)
        fraction *= 10;
    *billionths = whole * FRACTION + fraction;
    *text = span_from(*text, at);
    return true;
}

static const struct unit *unit_find(const struct unit *units, size_t count, struct span name) {
    for (size_t i = 0; i < count; i++)
        if (span_eq(span_str(units[i].name), name))
            return &units[i];
    return NULL;
}

/* billionths * factor / FRACTION, when that is whole and fits. */
static bool scale(uint64_t billionths, uint64_t factor, uint64_t *out) {
    unsigned __int128 product = (unsigned __int128)billionths * factor;
    if (product % FRACTION != 0 || product / FRACTION > INT64_MAX)
        return false;
    *out = (uint64_t)(product / FRACTION);
    return true;
}

bool config_value_duration(struct span text, uint64_t *ns, const char **why) {
    uint64_t billionths;
    if (!take_decimal(&text, &billionths))
        return no(why, "is not a duration; write it like 250ms, 10s, 5m or 1h");
    if (text.n == 0)
        return no(why, "has no unit; write it like 250ms, 10s, 5m or 1h");
    const struct unit *unit = unit_find(duration_units, countof(duration_units), text);
    if (!unit)
        return no(why, "has an unknown unit; durations are in us, ms, s, m, h or d, one unit each");
    if (!scale(billionths, unit->factor, ns))
        return no(why, "is finer than a nanosecond or longer than 290 years");
    return true;
}

bool config_value_size(struct span text, uint64_t *bytes, const char **why) {
    uint64_t billionths;
    if (!take_decimal(&text, &billionths))
        return no(why, "is not a size; write it like 65536, 64KiB or 32MiB");
    const struct unit *unit = unit_find(size_units, countof(size_units), text);
    if (!unit)
        return no(why,
                  "has an unknown unit; sizes are in bytes, KiB, MiB or GiB (1 KiB = 1024 bytes)");
    if (!scale(billionths, unit->factor, bytes))
        return no(why, "is not a whole number of bytes");
    return true;
}

bool config_value_count(struct span text, uint64_t *count, const char **why) {
    if (!span_u64(text, INT64_MAX, count))
        return no(why, "is not a whole number; write it in digits only");
    return true;
}

bool config_value_share(struct span text, double *share, const char **why) {
    uint64_t billionths;
    if (!take_decimal(&text, &billionths))
        return no(why, "is not a share; write it like 5% or 0.5%");
    if (!span_eq(text, SPAN("%")))
        return no(why, "has no % sign; write shares like 5% or 0.5%");
    if (billionths > 100 * FRACTION)
        return no(why, "is more than 100%");
    /* One correctly rounded division: 5% is the same double as 0.05. */
    *share = (double)billionths / (100.0 * (double)FRACTION);
    return true;
}

bool config_value_quantile(struct span text, double *quantile, const char **why) {
    static const char *const wrong = "is not a quantile; write it like p50, p99 or p99.9";
    uint64_t billionths;
    if (text.n < 2 || text.p[0] != 'p')
        return no(why, wrong);
    text = span_from(text, 1);
    if (!take_decimal(&text, &billionths) || text.n != 0)
        return no(why, wrong);
    if (billionths == 0 || billionths >= 100 * FRACTION)
        return no(why, "must be above p0 and below p100");
    *quantile = (double)billionths / (100.0 * (double)FRACTION);
    return true;
}

bool config_value_price(struct span text, uint64_t *pico, const char **why) {
    uint64_t billionths;
    if (!take_decimal(&text, &billionths) || text.n != 0)
        return no(why, "is not a price; write USD per million tokens in digits, like 1.25");
    if (billionths % (FRACTION / 1000000) != 0)
        return no(why, "is finer than a millionth of a dollar per million tokens");
    *pico = billionths / (FRACTION / 1000000);
    return true;
}

bool config_value_bool(struct span text, bool *out, const char **why) {
    if (!span_eq(text, SPAN("true")) && !span_eq(text, SPAN("false")))
        return no(why, "is neither true nor false");
    *out = text.n == 4;
    return true;
}

static void cpus_add(struct config_cpus *cpus, unsigned cpu) {
    uint8_t bit = (uint8_t)(1u << (cpu % 8));
    if (cpus->bitmap[cpu / 8] & bit)
        return;
    cpus->bitmap[cpu / 8] |= bit;
    cpus->count++;
}

bool config_value_cpus(struct span text, struct config_cpus *cpus, const char **why) {
    struct config_cpus found = {.count = 0};
    struct span rest = text;
    do {
        struct span last = span_cut(&rest, ','), first = span_cut(&last, '-');
        uint64_t from, to;
        if (!span_u64(first, WORKERS_MAX - 1, &from))
            return no(why, "is not a CPU list; write it like 2-5 or 0,2,4-7 (CPUs 0 to 255)");
        to = from;
        if (last.p && !span_u64(last, WORKERS_MAX - 1, &to))
            return no(why, "is not a CPU list; write it like 2-5 or 0,2,4-7 (CPUs 0 to 255)");
        if (to < from)
            return no(why, "has a range whose end comes before its beginning");
        for (uint64_t cpu = from; cpu <= to; cpu++)
            cpus_add(&found, (unsigned)cpu);
    } while (rest.p);
    *cpus = found;
    return true;
}

/* Splits "HOST:PORT" or "[HOST]:PORT" at the colon before the port. */
static bool address_split(struct span text, struct span *host, struct span *port, bool *bracketed) {
    *bracketed = text.n > 0 && text.p[0] == '[';
    size_t colon = *bracketed ? span_find(text, ']', 0) + 1 : span_find(text, ':', 0);
    if (colon >= text.n || text.p[colon] != ':')
        return false;
    *host = *bracketed ? span_of(text.p + 1, colon - 2) : span_of(text.p, colon);
    *port = span_from(text, colon + 1);
    return true;
}

bool config_value_address(struct span text, struct config_address *address, const char **why) {
    struct span host, port_text;
    bool bracketed;
    uint64_t port;
    if (!address_split(text, &host, &port_text, &bracketed))
        return no(why, "is not ADDRESS:PORT; write it like 127.0.0.1:8080 or \"[::]:8443\"");
    if (span_find(port_text, ':', 0) < port_text.n)
        return no(why, "needs brackets around its IPv6 address; write it like \"[::]:8443\"");
    if (!span_u64(port_text, UINT16_MAX, &port))
        return no(why, "has no port from 0 to 65535 behind its colon");
    char literal[INET6_ADDRSTRLEN];
    struct in6_addr scratch;
    if (host.n >= sizeof literal)
        return no(why, "does not begin with an IP address");
    span_text(host, literal, sizeof literal);
    bool all = host.n == 0 && !bracketed;
    if (!all && inet_pton(bracketed ? AF_INET6 : AF_INET, literal, &scratch) != 1)
        return no(why, "does not begin with an IP address; names are not looked up here, write "
                       "127.0.0.1 for this machine alone or 0.0.0.0 for all addresses");
    address->host = host;
    address->port = (uint16_t)port;
    return true;
}

static int hex_digit(char c) {
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool config_value_sha256(struct span text, uint8_t digest[32], const char **why) {
    static const char *const wrong =
        "is not a SHA-256 digest of 64 hex digits; make one with: printf %s KEY | sha256sum";
    uint8_t bytes[32];
    if (text.n != 2 * sizeof bytes)
        return no(why, wrong);
    for (size_t i = 0; i < sizeof bytes; i++) {
        int high = hex_digit(text.p[2 * i]), low = hex_digit(text.p[2 * i + 1]);
        if (high < 0 || low < 0)
            return no(why, wrong);
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    memcpy(digest, bytes, sizeof bytes);
    return true;
}
