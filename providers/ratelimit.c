/* ratelimit.c - the remainder of a provider's rate limit, from a response's head. See ratelimit.h.
 * (pure)
 *
 * Owns:     nothing; the head's spans are looked at and not kept.
 * Promises: no number from outside overflows: digits are counted up to a bound and no further. */
#include "providers/ratelimit.h"

#include "core/base.h"
#include "providers/credential_read.h"
#include "providers/provider.h"

enum form { FORM_COUNT, FORM_DURATION, FORM_MS, FORM_EPOCH_MS, FORM_DATE };
enum member { MEMBER_LIMIT, MEMBER_REMAINING, MEMBER_RESET };

static const struct row {
    struct span name;
    unsigned dialects;
    enum ratelimit_quantity quantity;
    enum member member;
    enum form form;
} rows[] = {
#define PLAIN      RATELIMIT_PLAIN
#define AZURE      RATELIMIT_AZURE
#define ANTHROPIC  RATELIMIT_ANTHROPIC
#define OPENROUTER RATELIMIT_OPENROUTER
#define RATELIMIT(dialects, name, quantity, member, form) \
    {SPAN_CONST(name), dialects, RATELIMIT_##quantity, MEMBER_##member, FORM_##form},
#include "providers/ratelimit.def"
#undef PLAIN
#undef AZURE
#undef ANTHROPIC
#undef OPENROUTER
};

const char *ratelimit_quantity_name(enum ratelimit_quantity quantity) {
    static const char *const names[] = {[RATELIMIT_REQUESTS] = "requests",
                                        [RATELIMIT_TOKENS] = "tokens",
                                        [RATELIMIT_INPUT] = "input_tokens",
                                        [RATELIMIT_OUTPUT] = "output_tokens"};
    CHECK((unsigned)quantity < countof(names));
    return names[quantity];
}

enum ratelimit_dialect ratelimit_dialect_of(struct span kind) {
    static const struct {
        struct span kind;
        enum ratelimit_dialect dialect;
    } kinds[] = {
#define RATELIMIT_KIND(kind, dialect) {SPAN_CONST(kind), RATELIMIT_##dialect},
#include "providers/ratelimit.def"
    };
    for (size_t i = 0; i < countof(kinds); i++)
        if (span_eq(kinds[i].kind, kind))
            return kinds[i].dialect;
    return RATELIMIT_PLAIN;
}

/* ---- values ---- */

/* Takes digits off the front of *text. The value stops growing at `max`; false: there are none. */
static bool take_digits(struct span *text, uint64_t max, uint64_t *out) {
    size_t n = 0;
    uint64_t value = 0;
    for (; n < text->n && text->p[n] >= '0' && text->p[n] <= '9'; n++)
        value = min_u64(value * 10 + (uint64_t)(text->p[n] - '0'), max);
    if (n == 0)
        return false;
    *text = span_from(*text, n);
    *out = value;
    return true;
}

/* ".25" in billionths; what is finer is dropped. Nothing is zero billionths. */
static bool take_fraction(struct span *text, uint64_t *out_billionths) {
    uint64_t unit = NS_PER_S, value = 0;
    *out_billionths = 0;
    if (text->n == 0 || text->p[0] != '.')
        return true;
    size_t n = 1;
    for (; n < text->n && text->p[n] >= '0' && text->p[n] <= '9'; n++) {
        unit /= 10;
        value += unit * (uint64_t)(text->p[n] - '0');
    }
    *out_billionths = value;
    *text = span_from(*text, n);
    return n > 1;
}

/* Takes a unit of time off the front; longer names first, as "m" begins "ms". 0: there is none. */
static uint64_t take_unit_ns(struct span *text) {
    static const struct {
        struct span name;
        uint64_t ns;
    } units[] = {
        {SPAN_CONST("ms"), NS_PER_MS},        {SPAN_CONST("us"), NS_PER_US},
        {SPAN_CONST("\xc2\xb5s"), NS_PER_US}, {SPAN_CONST("ns"), 1},
        {SPAN_CONST("s"), NS_PER_S},          {SPAN_CONST("m"), 60 * NS_PER_S},
        {SPAN_CONST("h"), 3600 * NS_PER_S},   {SPAN_CONST("d"), 86400 * NS_PER_S},
    };
    for (size_t i = 0; i < countof(units); i++) {
        if (!span_starts(*text, units[i].name))
            continue;
        *text = span_from(*text, units[i].name.n);
        return units[i].ns;
    }
    return 0;
}

bool ratelimit_duration(struct span text, uint64_t *out_ns) {
    uint64_t sum_ns = 0;
    bool first = true;
    if (text.n == 0)
        return false;
    while (text.n > 0) {
        uint64_t whole, billionths;
        /* A whole part of at most a day in nanoseconds: times any unit it stays below 2^64. */
        if (!take_digits(&text, RATELIMIT_RESET_MAX_NS, &whole) ||
            !take_fraction(&text, &billionths))
            return false;
        uint64_t unit_ns = first && text.n == 0 ? NS_PER_S : take_unit_ns(&text);
        if (unit_ns == 0)
            return false;
        whole = min_u64(whole, RATELIMIT_RESET_MAX_NS / unit_ns + 1);
        sum_ns += whole * unit_ns + (uint64_t)((double)billionths / 1e9 * (double)unit_ns);
        sum_ns = min_u64(sum_ns, RATELIMIT_RESET_MAX_NS);
        first = false;
    }
    *out_ns = sum_ns;
    return true;
}

/* The list form of the draft says more behind the first number: policies, windows. */
static bool read_count(struct span text, uint64_t *out) {
    uint64_t value;
    if (!take_digits(&text, RATELIMIT_COUNT_MAX, &value))
        return false;
    text = span_trim(text);
    if (text.n > 0 && text.p[0] != ',' && text.p[0] != ';')
        return false;
    *out = value;
    return true;
}

/* A point in time, from now; what has passed is now. */
static uint64_t from_now_ns(int64_t at_ms, int64_t now_ms) {
    if (at_ms <= now_ms)
        return 0;
    uint64_t ms = min_u64((uint64_t)(at_ms - now_ms), RATELIMIT_RESET_MAX_NS / NS_PER_MS);
    return ms * NS_PER_MS;
}

static bool read_reset(struct span text, enum form form, int64_t now_ms, uint64_t *out_ns) {
    uint64_t number;
    int64_t at_s;
    switch (form) {
    case FORM_COUNT: return false;
    case FORM_DURATION: return ratelimit_duration(text, out_ns);
    case FORM_MS:
        if (!take_digits(&text, RATELIMIT_RESET_MAX_NS / NS_PER_MS, &number) || text.n > 0)
            return false;
        *out_ns = number * NS_PER_MS;
        return true;
    case FORM_EPOCH_MS:
        if (!span_u64(text, RATELIMIT_COUNT_MAX, &number))
            return false;
        *out_ns = from_now_ns((int64_t)number, now_ms);
        return true;
    case FORM_DATE:
        if (!credential_iso8601(text, &at_s))
            return false;
        *out_ns = from_now_ns(at_s * 1000, now_ms);
        return true;
    }
    return false;
}

/* ---- fields ---- */

/* Most fields of a head are none of these: told by their first letters. */
static bool may_be(struct span name) {
    return span_starts_nocase(name, SPAN("x-ratelimit-")) ||
           span_starts_nocase(name, SPAN("anthropic-ratelimit-")) ||
           span_starts_nocase(name, SPAN("ratelimit-"));
}

static const struct row *row_of(struct span name, enum ratelimit_dialect dialect) {
    for (size_t i = 0; i < countof(rows); i++)
        if (rows[i].dialects & dialect && span_eq_nocase(rows[i].name, name))
            return &rows[i];
    return NULL;
}

struct reading {
    struct ratelimit *out;
    int64_t now_ms;
    unsigned seen[RATELIMIT_QUANTITIES]; /* bits of enum member */
};

static void read_field(struct reading *reading, const struct row *row, struct span value) {
    struct ratelimit_told *told = &reading->out->of[row->quantity];
    unsigned bit = 1u << row->member;
    bool good = false;
    if (reading->seen[row->quantity] & bit)
        return;
    switch (row->member) {
    case MEMBER_LIMIT: good = read_count(value, &told->limit); break;
    case MEMBER_REMAINING: good = read_count(value, &told->remaining); break;
    case MEMBER_RESET: good = read_reset(value, row->form, reading->now_ms, &told->reset_ns); break;
    }
    reading->seen[row->quantity] |= good ? bit : 0;
}

/* What the fields of one quantity say together. */
static void settle(struct ratelimit_told *told, unsigned seen, enum ratelimit_dialect dialect) {
    bool limited = seen & 1u << MEMBER_LIMIT;
    told->known = seen & 1u << MEMBER_REMAINING;
    if ((limited && told->limit == 0) ||
        (dialect == RATELIMIT_AZURE && !limited && told->remaining == 0))
        told->known = false;
    if (!told->known)
        *told = (struct ratelimit_told){.reset_ns = UINT64_MAX};
    if (told->limit && told->limit < told->remaining)
        told->limit = told->remaining; /* raised for a while: bursts are allowed by some */
}

bool ratelimit_read(const struct http_head *head, enum ratelimit_dialect dialect, int64_t now_ms,
                    struct ratelimit *out) {
    struct reading reading = {.out = out, .now_ms = now_ms};
    bool any = false;
    int64_t date_s;
    *out = (struct ratelimit){0};
    for (unsigned q = 0; q < RATELIMIT_QUANTITIES; q++)
        out->of[q].reset_ns = UINT64_MAX;
    if (dialect == RATELIMIT_NONE)
        return false;
    /* A date means the server's clock; what it calls now is in the same head. */
    bool dated = dialect == RATELIMIT_ANTHROPIC || dialect == RATELIMIT_OPENROUTER;
    if (dated && provider_http_date(http_field(head, SPAN("date")), &date_s))
        reading.now_ms = date_s * 1000;
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct row *row =
            may_be(head->fields[i].name) ? row_of(head->fields[i].name, dialect) : NULL;
        if (row)
            read_field(&reading, row, head->fields[i].value);
    }
    for (unsigned q = 0; q < RATELIMIT_QUANTITIES; q++) {
        settle(&out->of[q], reading.seen[q], dialect);
        any |= out->of[q].known;
    }
    return any;
}
