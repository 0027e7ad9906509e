/* log_line.c - see the header. (pure)
 *
 * Promises: any bytes are read to the end or refused with a reason; a line that was cut, or that is of
 *           another kind, is never taken for a request. */
#include "appliance/control/log_line.h"

#include <assert.h>

#include "core/base.h"
#include "core/json.h"

/* ms to ns, USD to pico-dollars. */
#define MS_DECIMALS  6
#define USD_DECIMALS 12
/* A day, as a trace for replay has it: no request takes longer. */
#define TIME_NS_MAX (UINT64_C(86400) * NS_PER_S)
/* Later ones are no log's, and would not fit where replay keeps its times. */
#define YEAR_MAX     2199
#define USD_PICO_MAX (UINT64_C(1000000) * UINT64_C(1000000000000))

/* --- values --- */

/* A decimal without exponent as a whole number of 10^-decimals; digits beyond are refused. */
static bool read_decimal(struct span text, unsigned decimals, uint64_t max, uint64_t *out) {
    struct span fraction = text, whole = span_cut(&fraction, '.');
    uint64_t value, part = 0;
    if (!span_u64(whole, UINT64_MAX / 10, &value) || fraction.n > decimals)
        return false;
    if (fraction.p && !span_u64(fraction, UINT64_MAX / 10, &part))
        return false;
    for (unsigned i = 0; i < decimals; i++)
        if (__builtin_mul_overflow(value, 10, &value))
            return false;
    for (size_t i = fraction.n; i < decimals; i++)
        part *= 10;
    if (value > max || part > max - value)
        return false;
    *out = value + part;
    return true;
}

static bool read_digits(struct span text, size_t at, size_t n, unsigned *out) {
    uint64_t value;
    if (at + n > text.n || !span_u64(span_of(text.p + at, n), UINT32_MAX, &value))
        return false;
    *out = (unsigned)value;
    return true;
}

/* "2026-11-21T10:48:23.007Z" (RFC 3339, as access_log_line.c writes it). Days by counting years from
 * March, so that the leap day is the last of one. */
static bool read_time(struct span text, uint64_t *time_ms) {
    static const char form[] = "0000-00-00T00:00:00.000Z";
    unsigned year, month, day, hour, minute, second, ms;
    if (text.n != sizeof form - 1)
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (form[i] != '0' && text.p[i] != form[i])
            return false;
    if (!read_digits(text, 0, 4, &year) || !read_digits(text, 5, 2, &month) ||
        !read_digits(text, 8, 2, &day) || !read_digits(text, 11, 2, &hour) ||
        !read_digits(text, 14, 2, &minute) || !read_digits(text, 17, 2, &second) ||
        !read_digits(text, 20, 3, &ms))
        return false;
    if (year < 1970 || year > YEAR_MAX || month < 1 || month > 12 || day < 1 || day > 31 ||
        hour > 23 || minute > 59 || second > 60)
        return false;
    uint64_t y = year - (month <= 2), m = month > 2 ? month - 3 : month + 9;
    uint64_t days = y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
    *time_ms = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms;
    return true;
}

/* --- members --- */

enum wanted { TEXT, COUNT, MS, USD };

struct member {
    struct span name;
    enum wanted wanted;
    bool may_be_null;
    size_t at;       /* of the value in its struct */
    size_t known_at; /* of a bool that is set; 0: none */
};
#define KEYS_MAX 32

static bool read_value(const struct member *member, const struct json_token *token, char *into) {
    uint64_t value;
    if (token->kind == JSON_NULL)
        return member->may_be_null;
    if (member->wanted == TEXT) {
        memcpy(into + member->at, &token->raw, sizeof token->raw);
        return token->kind == JSON_STRING;
    }
    if (token->kind != JSON_NUMBER)
        return false;
    if (member->wanted == COUNT ? !span_u64(token->raw, INT64_MAX, &value)
        : member->wanted == MS  ? !read_decimal(token->raw, MS_DECIMALS, TIME_NS_MAX, &value)
                                : !read_decimal(token->raw, USD_DECIMALS, USD_PICO_MAX, &value))
        return false;
    memcpy(into + member->at, &value, sizeof value);
    if (member->known_at)
        memcpy(into + member->known_at, &(bool){true}, sizeof(bool));
    return true;
}

/* One member behind its key. *seen: bit i, members[i] was there. */
static bool read_member(struct json *json, const struct json_token *key,
                        const struct member *members, unsigned count, unsigned *seen, void *into) {
    struct json_token token;
    for (unsigned i = 0; i < count; i++) {
        if (!json_is(key, members[i].name))
            continue;
        json_next(json, &token);
        *seen |= 1u << i;
        return read_value(&members[i], &token, into);
    }
    struct span skipped;
    return json_value(json, &skipped);
}

static bool has_all(const struct member *members, unsigned count, unsigned seen) {
    for (unsigned i = 0; i < count; i++)
        if (!members[i].may_be_null && !(seen & 1u << i))
            return false;
    return true;
}

/* --- attempts --- */

struct raw_attempt { /* as the table reads it */
    struct span provider, model, trigger, outcome, reason;
    uint64_t start_ns, first_ns, end_ns, tokens, pico;
    bool priced;
};

#define AT(member) offsetof(struct raw_attempt, member)
static const struct member attempt_members[] = {
    {SPAN_CONST("provider"), TEXT, false, AT(provider), 0},
    {SPAN_CONST("model"), TEXT, false, AT(model), 0},
    {SPAN_CONST("trigger"), TEXT, false, AT(trigger), 0},
    {SPAN_CONST("outcome"), TEXT, false, AT(outcome), 0},
    {SPAN_CONST("reason"), TEXT, true, AT(reason), 0},
    {SPAN_CONST("start_ms"), MS, false, AT(start_ns), 0},
    {SPAN_CONST("first_token_ms"), MS, true, AT(first_ns), 0},
    {SPAN_CONST("end_ms"), MS, true, AT(end_ns), 0},
    {SPAN_CONST("tokens"), COUNT, true, AT(tokens), 0},
    {SPAN_CONST("cost_usd"), USD, true, AT(pico), AT(priced)},
};
#undef AT
static_assert(countof(attempt_members) <= KEYS_MAX, "they fit the set");

static bool find_trigger(struct span name, enum hedge_trigger *out) {
    for (unsigned k = HEDGE_FIRST; k <= HEDGE_STALL; k++) {
        *out = (enum hedge_trigger)k;
        if (span_eq(name, span_str(hedge_trigger_name(*out))))
            return true;
    }
    return false;
}

static bool find_outcome(struct span name, enum race_outcome *out) {
    for (unsigned k = 0; k < OUTCOME_COUNT; k++) {
        *out = (enum race_outcome)k;
        if (span_eq(name, span_str(race_outcome_name(*out))))
            return true;
    }
    return false;
}

/* Behind its '{'. */
static const char *read_attempt(struct json *json, struct log_attempt *out) {
    struct raw_attempt raw = {.first_ns = LOG_NEVER, .end_ns = LOG_NEVER};
    struct json_token token;
    unsigned seen = 0;
    while (json_next(json, &token) == JSON_KEY)
        if (!read_member(json, &token, attempt_members, countof(attempt_members), &seen, &raw))
            return json->error ? json->error
                               : "a member of an attempt has a value that it cannot have";
    if (token.kind != JSON_OBJECT_END)
        return json->error;
    if (!has_all(attempt_members, countof(attempt_members), seen))
        return "an attempt has no provider, model, trigger, outcome or start_ms";
    *out = (struct log_attempt){.provider = raw.provider,
                                .model = raw.model,
                                .reason = raw.reason,
                                .start_ns = raw.start_ns,
                                .first_ns = raw.first_ns,
                                .end_ns = raw.end_ns == LOG_NEVER ? raw.start_ns : raw.end_ns,
                                .tokens = raw.tokens,
                                .priced = raw.priced,
                                .pico = raw.pico};
    if (!find_trigger(raw.trigger, &out->trigger) || !find_outcome(raw.outcome, &out->outcome))
        return "an attempt's trigger or outcome is none that there is";
    if (out->end_ns < out->start_ns ||
        (out->first_ns != LOG_NEVER && out->first_ns < out->start_ns))
        return "an attempt ends before it starts";
    return NULL;
}

static const char *read_attempts(struct json *json, struct log_line *out) {
    struct json_token token;
    if (json_next(json, &token) != JSON_ARRAY)
        return json->error ? json->error : "attempts is no array";
    while (json_next(json, &token) == JSON_OBJECT) {
        if (out->attempt_count == ATTEMPTS_MAX)
            return "it has more attempts than a request can have";
        const char *why = read_attempt(json, &out->attempts[out->attempt_count++]);
        if (why)
            return why;
    }
    if (token.kind != JSON_ARRAY_END)
        return json->error ? json->error : "an attempt is no object";
    return NULL;
}

/* --- the line --- */

struct raw_line {
    struct span time, model;
    uint64_t status, input_tokens, output_tokens, ttft_ns, total_ns, won_pico, wasted_pico,
        wasted_tokens;
    bool won_priced, wasted_priced, wasted_counted;
};

#define AT(member) offsetof(struct raw_line, member)
static const struct member line_members[] = {
    {SPAN_CONST("time"), TEXT, false, AT(time), 0},
    {SPAN_CONST("model"), TEXT, true, AT(model), 0},
    {SPAN_CONST("status"), COUNT, false, AT(status), 0},
    {SPAN_CONST("input_tokens"), COUNT, true, AT(input_tokens), 0},
    {SPAN_CONST("output_tokens"), COUNT, true, AT(output_tokens), 0},
    {SPAN_CONST("ttft_ms"), MS, true, AT(ttft_ns), 0},
    {SPAN_CONST("total_ms"), MS, true, AT(total_ns), 0},
    {SPAN_CONST("cost_usd"), USD, true, AT(won_pico), AT(won_priced)},
    {SPAN_CONST("wasted_usd"), USD, true, AT(wasted_pico), AT(wasted_priced)},
    {SPAN_CONST("wasted_tokens"), COUNT, true, AT(wasted_tokens), AT(wasted_counted)},
};
#undef AT
static_assert(countof(line_members) <= KEYS_MAX, "they fit the set");

static const char *settle(const struct raw_line *raw, struct log_line *out) {
    if (!read_time(raw->time, &out->time_ms))
        return "time is not written as 2026-11-21T10:48:23.007Z";
    if (raw->status >= RACE_STATUS_MAX)
        return "status is none of HTTP";
    out->model = raw->model;
    out->status = (unsigned)raw->status;
    out->input_tokens = raw->input_tokens;
    out->output_tokens = raw->output_tokens;
    out->ttft_ns = raw->ttft_ns;
    out->total_ns = raw->total_ns;
    out->won_priced = raw->won_priced;
    out->won_pico = raw->won_pico;
    out->wasted_priced = raw->wasted_priced;
    out->wasted_pico = raw->wasted_pico;
    out->wasted_counted = raw->wasted_counted;
    out->wasted_tokens = raw->wasted_tokens;
    return NULL;
}

const char *log_line_read(struct span line, struct log_line *out) {
    struct raw_line raw = {.ttft_ns = LOG_NEVER, .total_ns = LOG_NEVER};
    struct json json;
    struct json_token token;
    unsigned seen = 0;
    bool has_attempts = false;
    *out = (struct log_line){.attempt_count = 0};
    json_init(&json, line);
    if (json_next(&json, &token) != JSON_OBJECT)
        return json.error ? json.error : "it is no JSON object";
    while (json_next(&json, &token) == JSON_KEY) {
        const char *why = NULL;
        if (json_is(&token, SPAN("attempts"))) {
            why = has_attempts ? "it has attempts twice" : read_attempts(&json, out);
            has_attempts = true;
        } else if (!read_member(&json, &token, line_members, countof(line_members), &seen, &raw)) {
            why = json.error ? json.error : "a member has a value that it cannot have";
        }
        if (why)
            return why;
    }
    if (token.kind != JSON_OBJECT_END || json_next(&json, &token) != JSON_END)
        return json.error ? json.error : "it goes on behind the object";
    if (!has_attempts || !has_all(line_members, countof(line_members), seen))
        return "it has no time, status or attempts: not a line of the access log";
    return settle(&raw, out);
}
