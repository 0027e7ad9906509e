/* access_log_line.c - one request as a line of JSON. See access_log_line.h. (pure)
 *
 * Numbers are written digit by digit: this runs once a request on the worker's thread, and printf
 * would be most of its time. */
#include "appliance/control/access_log_line.h"

#include "appliance/race/cost.h"
#include "appliance/race/rescue.h"
#include "core/base.h"

/* Names of the operator, and what a client called its model: no honest one is longer. */
#define TEXT_MAX 256
/* Kept free for the end of the line. */
#define TAIL_MAX 64
/* Decimals of money: pico-dollars. */
#define PICO_DECIMALS 12

/* --- values --- */

static void put_text(struct json_out *out, struct span key, struct span text) {
    json_out_key(out, key);
    if (text.n == 0)
        json_out_null(out);
    else
        json_out_string(out, span_of(text.p, min_size(text.n, TEXT_MAX)));
}

static void put_count(struct json_out *out, struct span key, bool known, uint64_t value) {
    json_out_key(out, key);
    if (known)
        json_out_int(out, (int64_t)min_u64(value, INT64_MAX));
    else
        json_out_null(out);
}

static void put_bool(struct json_out *out, struct span key, bool value) {
    json_out_key(out, key);
    json_out_bool(out, value);
}

/* `value` with so many of its last digits behind the point, without the zeros that end them. */
static void put_decimal(struct json_out *out, uint64_t value, unsigned decimals) {
    char text[32], *p = text + sizeof text;
    bool fraction = false;
    for (unsigned i = 0; i < decimals; i++, value /= 10) {
        fraction |= value % 10 != 0;
        if (fraction)
            *--p = (char)('0' + value % 10);
    }
    if (fraction)
        *--p = '.';
    do
        *--p = (char)('0' + value % 10);
    while (value /= 10);
    json_out_value(out, span_of(p, (size_t)(text + sizeof text - p)));
}

static void put_usd(struct json_out *out, struct span key, bool known, uint64_t pico) {
    json_out_key(out, key);
    if (known)
        put_decimal(out, pico, PICO_DECIMALS);
    else
        json_out_null(out);
}

/* From one moment to another in ms; null when either is not known or they are the wrong way round:
 * a spare connection was there before it was asked for. */
static void put_ms(struct json_out *out, struct span key, uint64_t from_ns, uint64_t to_ns) {
    json_out_key(out, key);
    if (to_ns && to_ns >= from_ns)
        put_decimal(out, (to_ns - from_ns) / NS_PER_US, 3);
    else
        json_out_null(out);
}

static char *put_digits(char *p, uint64_t value, unsigned count) {
    for (unsigned i = count; i-- > 0; value /= 10)
        p[i] = (char)('0' + value % 10);
    return p + count;
}

/* RFC 3339, UTC. The date from the days since 1970 by counting from March, so that the leap day is
 * a year's last: 400 years have 146097 days, and month m (0: March) begins at day (153 m + 2) / 5. */
static void put_time(struct json_out *out, uint64_t wall_ns) {
    uint64_t s = wall_ns / NS_PER_S, z = s / 86400 + 719468;
    uint64_t day_of_era = z % 146097;
    uint64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t m = (5 * day_of_year + 2) / 153, month = m < 10 ? m + 3 : m - 9;
    uint64_t year = year_of_era + z / 146097 * 400 + (month <= 2);
    char text[] = "0000-00-00T00:00:00.000Z";
    put_digits(text, year, 4);
    put_digits(text + 5, month, 2);
    put_digits(text + 8, day_of_year - (153 * m + 2) / 5 + 1, 2);
    put_digits(text + 11, s / 3600 % 24, 2);
    put_digits(text + 14, s / 60 % 60, 2);
    put_digits(text + 17, s % 60, 2);
    put_digits(text + 20, wall_ns / NS_PER_MS % 1000, 3);
    put_text(out, SPAN("time"), span_of(text, sizeof text - 1));
}

/* The trace id of a traceparent, "00-TRACE-PARENT-FLAGS" (W3C Trace Context 3.2.2); empty when it
 * is none. */
static struct span trace_id(struct span traceparent) {
    static const size_t at = 3, n = 32;
    if (traceparent.n < at + n + 1 || traceparent.p[at - 1] != '-' || traceparent.p[at + n] != '-')
        return span_of(NULL, 0);
    for (size_t i = at; i < at + n; i++) {
        char c = traceparent.p[i];
        if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
            return span_of(NULL, 0);
    }
    return span_of(traceparent.p + at, n);
}

static struct span reason_of(enum fail why) {
    return why == FAIL_NONE ? span_of(NULL, 0) : span_str(fail_name(why));
}

/* --- attempts --- */

static void put_attempt(struct json_out *out, const struct attempt *attempt) {
    struct cost cost = cost_of(attempt);
    uint64_t begin_ns = attempt->exchange->begin_ns;
    uint64_t up_ns = attempt->secured_ns ? attempt->secured_ns : attempt->connected_ns;
    bool well = attempt->status >= 200 && attempt->status < 300;
    json_out_object(out);
    put_text(out, SPAN("provider"), span_str(attempt->backend->provider->provider.name));
    put_text(out, SPAN("model"), span_str(attempt->backend->model));
    put_text(out, SPAN("trigger"), span_str(hedge_trigger_name(attempt->trigger)));
    put_ms(out, SPAN("start_ms"), begin_ns, attempt->start_ns);
    put_ms(out, SPAN("connect_ms"), attempt->start_ns, attempt->reused ? 0 : up_ns);
    put_bool(out, SPAN("reused"), attempt->reused);
    put_ms(out, SPAN("head_ms"), begin_ns, attempt->head_ns);
    put_ms(out, SPAN("first_token_ms"), begin_ns, attempt->first_token_ns);
    put_ms(out, SPAN("end_ms"), begin_ns, attempt->end_ns);
    put_text(out, SPAN("outcome"), span_str(race_outcome_name(race_outcome_of(attempt->why))));
    put_text(out, SPAN("reason"), reason_of(attempt->why));
    put_count(out, SPAN("status"), attempt->status != 0, attempt->status);
    put_count(out, SPAN("tokens"), well || cost.output_tokens, cost.output_tokens);
    put_usd(out, SPAN("cost_usd"), cost.priced, cost.pico);
    json_out_object_end(out);
}

/* As many as fit, whole. */
static void put_attempts(struct json_out *out, const struct exchange *exchange) {
    unsigned written = 0;
    json_out_key(out, SPAN("attempts"));
    json_out_array(out);
    out->max -= TAIL_MAX;
    for (; written < exchange->attempt_count; written++) {
        struct json_out before = *out;
        put_attempt(out, exchange->attempts[written]);
        if (out->full) {
            *out = before;
            break;
        }
    }
    out->max += TAIL_MAX;
    json_out_array_end(out);
    if (written < exchange->attempt_count)
        put_count(out, SPAN("attempts_omitted"), true, exchange->attempt_count - written);
}

/* --- the request --- */

static void put_money(struct json_out *out, const struct exchange *exchange) {
    /* The answer may be of several: of each who gave a part of it. */
    bool answered = false, winners_priced = true, losers_priced = true;
    uint64_t won_pico = 0, wasted_pico = 0, wasted_tokens = 0;
    for (unsigned i = 0; i < exchange->attempt_count; i++) {
        struct cost cost = cost_of(exchange->attempts[i]);
        if (!cost_is_wasted(exchange->attempts[i])) {
            answered = true;
            winners_priced &= cost.priced;
            won_pico += cost.pico;
        } else {
            losers_priced &= cost.priced;
            wasted_pico += cost.pico;
            wasted_tokens += cost.output_tokens;
        }
    }
    put_usd(out, SPAN("cost_usd"), answered && winners_priced, won_pico);
    put_usd(out, SPAN("wasted_usd"), losers_priced, wasted_pico);
    put_count(out, SPAN("wasted_tokens"), true, wasted_tokens);
}

static void put_request(struct json_out *out, const struct exchange *exchange) {
    const struct attempt *winner = exchange->winner;
    bool counted = winner && winner->reader.usage.known;
    struct chat_usage usage = {.known = false};
    if (counted)
        usage = rescue_usage(winner, &winner->reader.usage);
    struct span model = exchange->model ? span_str(exchange->model->name) : exchange->req.model;
    put_time(out, exchange->begin_wall_ns);
    put_text(out, SPAN("id"), exchange->id);
    put_text(out, SPAN("trace"), trace_id(exchange->traceparent));
    put_text(out, SPAN("key"), span_str(exchange->key ? exchange->key->name : NULL));
    put_text(out, SPAN("model"), model);
    put_count(out, SPAN("status"), true, exchange_status(exchange));
    put_bool(out, SPAN("stream"), exchange->req.stream);
    put_count(out, SPAN("bytes_in"), true, exchange->bytes_in);
    put_count(out, SPAN("bytes_out"), true, exchange->bytes_out);
    put_count(out, SPAN("input_tokens"), counted, usage.input_tokens);
    put_count(out, SPAN("output_tokens"), counted, usage.output_tokens);
    put_money(out, exchange);
    put_ms(out, SPAN("ttft_ms"), exchange->begin_ns, exchange->commit_ns);
    put_ms(out, SPAN("total_ms"), exchange->begin_ns, exchange->end_ns);
    put_count(out, SPAN("overhead_us"), exchange->commit_ns != 0,
              exchange->overhead_ns / NS_PER_US);
    json_out_key(out, SPAN("itl_ms"));
    json_out_null(out); /* times between tokens are not kept */
    put_text(out, SPAN("reason"), reason_of(exchange->why));
    put_text(out, SPAN("winner"),
             span_str(winner ? winner->backend->provider->provider.name : NULL));
}

size_t access_log_line(const struct exchange *exchange, char line[ACCESS_LOG_LINE_MAX]) {
    struct json_out out;
    json_out_init(&out, line, ACCESS_LOG_LINE_MAX - 1);
    json_out_object(&out);
    put_request(&out, exchange);
    put_attempts(&out, exchange);
    json_out_object_end(&out);
    CHECK(!out.full); /* TEXT_MAX of a handful of texts, escaped, is far below the room */
    line[out.n++] = '\n';
    return out.n;
}
