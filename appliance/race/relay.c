/* relay.c - what is said to the client: heads, the winner's events, whole bodies, errors.
 * Back-pressure: attempt.c stops its provider when the client's room is used up, and exchange.c
 * lets it go on when the client has read. */
#include <inttypes.h>
#include <stdio.h>

#include "appliance/race/exchange.h"
#include "appliance/race/rescue.h"
#include "core/limits.h"
#include "net/http.h"

#define HEADER_TEXT_MAX 192
/* Of a member's name in x-hedgerow-dropped. */
#define LOSS_NAME_MAX 64

/* --- heads --- */

struct relay_head {
    struct http_head head;
    char attempts[12], timing[HEADER_TEXT_MAX], retry_after[24], retry_after_ms[24];
};

static void add(struct relay_head *out, struct span name, struct span value) {
    if (value.n == 0)
        return;
    CHECK(out->head.field_count < HTTP_FIELDS_MAX);
    out->head.fields[out->head.field_count++] = (struct http_field){name, value};
}

static void begin_head(struct exchange *exchange, struct relay_head *out, unsigned status,
                       struct span type) {
    out->head.status = status;
    out->head.minor = 1;
    out->head.keep_alive = true;
    out->head.field_count = 0;
    exchange->status = status;
    add(out, SPAN("content-type"), type);
    add(out, SPAN("x-request-id"), exchange->id);
}

static uint64_t since(uint64_t from_ns, uint64_t to_ns) {
    return from_ns && to_ns > from_ns ? to_ns - from_ns : 0;
}

/* Milliseconds with three decimals from integers: printing four doubles was a tenth of a request. */
#define MS        "%" PRIu64 ".%03" PRIu64
#define MS_OF(ns) ((ns) / NS_PER_MS), ((ns) / NS_PER_US % 1000)

static struct span hedge_word(const struct exchange *exchange, const struct attempt *winner) {
    if (exchange->hedges == 0)
        return SPAN("none");
    return winner->number > 0 ? SPAN("won") : SPAN("lost");
}

/* What `compat: lenient` left out of the request, by name. */
static void add_losses(struct exchange *exchange, const struct attempt *winner,
                       struct relay_head *out) {
    const struct chat_losses *losses = &winner->encoded->losses;
    struct json_out names;
    if (losses->count == 0)
        return;
    json_out_arena(&names, &exchange->arena, HEADER_TEXT_MAX);
    for (unsigned i = 0; i < losses->count && i < CHAT_LOSSES_MAX; i++) {
        if (i > 0)
            json_out_raw(&names, SPAN(", "));
        struct span name = losses->names[i]; /* a client's own words */
        json_out_raw(&names, span_of(name.p, min_size(name.n, LOSS_NAME_MAX)));
    }
    if (losses->count > CHAT_LOSSES_MAX)
        json_out_raw(&names, SPAN(", ..."));
    if (!names.full && http_is_value(json_out_span(&names)))
        add(out, SPAN("x-hedgerow-dropped"), json_out_span(&names));
}

static void add_winner(struct exchange *exchange, struct relay_head *out,
                       const struct attempt *winner) {
    const char *provider = winner->backend->provider->provider.name;
    int n = snprintf(out->attempts, sizeof out->attempts, "%u", exchange->attempt_count);
    add(out, SPAN("x-hedgerow-provider"), span_str(provider));
    add(out, SPAN("x-hedgerow-model"), span_str(winner->backend->model));
    add(out, SPAN("x-hedgerow-attempts"), span_of(out->attempts, (size_t)n));
    add(out, SPAN("x-hedgerow-hedge"), hedge_word(exchange, winner));
    add(out, SPAN("x-upstream-request-id"), winner->upstream_request_id);
    add_losses(exchange, winner, out);
    /* Up to the first token, or up to now for an answer that has none. */
    uint64_t now_ns = exchange->race->loop->now_ns;
    uint64_t token_ns = winner->first_token_ns ? winner->first_token_ns : now_ns;
    uint64_t queue_ns = since(exchange->whole_ns, exchange->first_start_ns);
    uint64_t total_ns =
        since(exchange->whole_ns, exchange->commit_ns ? exchange->commit_ns : now_ns);
    uint64_t upstream_ns = since(winner->start_ns, token_ns);
    /* Ours: up to the first attempt, and this turn so far, in which the loop's clock stands still. */
    uint64_t overhead_ns = exchange->overhead_ns + ring_now(exchange->race->loop->ring) - now_ns;
    n = snprintf(
        out->timing, sizeof out->timing,
        "queue;dur=" MS ", upstream;desc=\"%.64s\";dur=" MS ", ttft;dur=" MS ", overhead;dur=" MS,
        MS_OF(queue_ns), provider, MS_OF(upstream_ns), MS_OF(total_ns), MS_OF(overhead_ns));
    add(out, SPAN("server-timing"),
        span_of(out->timing, min_size((size_t)n, sizeof out->timing - 1)));
}

static void send_whole(struct exchange *exchange, struct relay_head *out, struct span body) {
    struct stream *client = exchange->client;
    out->head.body = HTTP_BODY_LENGTH;
    out->head.body_length = body.n;
    if (!client || stream_send_head(client, &out->head) != 0)
        return;
    exchange->first_byte_ns = exchange->race->loop->now_ns;
    exchange->bytes_out += body.n;
    if (stream_send_body(client, body) == 0)
        stream_send_end(client);
}

/* --- a won answer --- */

static void note_first_token(struct exchange *exchange) {
    struct race_model_stats *stats = &exchange->upstreams->models[exchange->model->index];
    uint64_t now_ns = exchange->race->loop->now_ns;
    hist_add(&stats->ttft, now_ns - exchange->begin_ns);
}

void relay_begin(struct exchange *exchange, struct attempt *winner) {
    note_first_token(exchange);
    if (!exchange->req.stream || !exchange->client)
        return; /* a whole body has its head when it is whole */
    struct relay_head out;
    begin_head(exchange, &out, 200, SPAN("text/event-stream; charset=utf-8"));
    add(&out, SPAN("cache-control"), SPAN("no-cache"));
    add(&out, SPAN("x-accel-buffering"), SPAN("no"));
    add_winner(exchange, &out, winner);
    out.head.body = HTTP_BODY_CHUNKED;
    out.head.body_length = 0;
    stream_send_head(exchange->client, &out.head);
    exchange->first_byte_ns = exchange->race->loop->now_ns;
}

void exchange_relay(struct exchange *exchange, struct span bytes) {
    if (!exchange->client || bytes.n == 0)
        return;
    exchange->bytes_out += bytes.n;
    stream_send_body(exchange->client, bytes);
}

static void count_tokens(struct exchange *exchange, const struct attempt *winner,
                         const struct chat_usage *usage) {
    struct race_model_stats *stats = &exchange->upstreams->models[exchange->model->index];
    uint64_t now_ns = exchange->race->loop->now_ns;
    uint64_t output = usage->known ? usage->output_tokens : winner->events;
    stats->input_tokens += usage->input_tokens;
    stats->output_tokens += output;
    if (output > 1)
        hist_add(&stats->per_token, (now_ns - exchange->commit_ns) / (output - 1));
}

/* The last words of a stream, and its end. Without memory for them it is cut off: a clean end without
 * them would look like an answer that is whole. */
static void end_stream(struct exchange *exchange, const struct json_out *last) {
    if (!exchange->client)
        return;
    if (last->full) {
        stream_reset(exchange->client, FAIL_OVERLOAD);
        return;
    }
    exchange_relay(exchange, json_out_span(last));
    stream_send_end(exchange->client);
}

/* The provider's own whole body is the client's. */
static void send_verbatim(struct exchange *exchange, struct attempt *winner) {
    struct relay_head out;
    begin_head(exchange, &out, 200, SPAN("application/json"));
    add_winner(exchange, &out, winner);
    send_whole(exchange, &out, winner->body);
}

void relay_finish(struct exchange *exchange, struct attempt *winner) {
    /* What the writer is told of the reading: of the whole answer, and that what was written anew did
     * not go on as it came. */
    struct chat_reader told = winner->reader;
    told.usage = rescue_usage(winner, &winner->reader.usage);
    count_tokens(exchange, winner, &told.usage);
    struct json_out text;
    if (winner->verbatim) {
        send_verbatim(exchange, winner);
        return;
    }
    json_out_arena(&text, &exchange->arena, 1024);
    if (winner->encoded->translated || winner->takes_over)
        told.end_relayed = told.usage_chunk = false;
    if (exchange->req.stream) {
        exchange->dialect->write_done(&winner->writer, &told, &text);
        end_stream(exchange, &text);
        return;
    }
    exchange->dialect->write_body(&winner->writer, &text);
    if (text.full || winner->writer.full) {
        relay_refuse(exchange, FAIL_TOO_LARGE,
                     SPAN("the answer is larger than this server can assemble: ask for a stream"),
                     span_of("", 0));
        return;
    }
    struct relay_head out;
    begin_head(exchange, &out, 200, SPAN("application/json"));
    add_winner(exchange, &out, winner);
    send_whole(exchange, &out, json_out_span(&text));
}

/* --- failures --- */

/* "openai: the provider failed (500); azure-eu: no first token in time". Never the provider's own
 * words: they may hold key parts. */
static struct span list_reasons(struct exchange *exchange) {
    struct json_out text;
    json_out_arena(&text, &exchange->arena, 256);
    for (unsigned i = 0; i < exchange->attempt_count; i++) {
        const struct attempt *attempt = exchange->attempts[i];
        char status[16] = "";
        if (attempt->status && (attempt->status < 200 || attempt->status > 299))
            snprintf(status, sizeof status, " (%u)", attempt->status);
        if (i > 0)
            json_out_raw(&text, SPAN("; "));
        json_out_raw(&text, span_str(attempt->backend->provider->provider.name));
        json_out_raw(&text, SPAN(": "));
        json_out_raw(&text, span_str(fail_text(attempt->why)));
        json_out_raw(&text, span_str(status));
    }
    return json_out_span(&text);
}

void relay_break(struct exchange *exchange, struct attempt *winner) {
    enum stall_why vain = exchange->stall.why;
    bool asked = vain != STALL_NOTHING && vain != STALL_SETTING;
    struct span message =
        arena_printf(&exchange->arena, "%s: %s%s%s", winner->backend->provider->provider.name,
                     fail_text(winner->why), asked ? "; nobody could go on for it: " : "",
                     asked ? stall_why_text(vain) : "");
    if (!exchange->req.stream) {
        relay_refuse(exchange, winner->why, message, span_of("", 0));
        return;
    }
    struct json_out text;
    json_out_arena(&text, &exchange->arena, 512);
    exchange->dialect->write_error_event(winner->why, message, &text);
    end_stream(exchange, &text);
}

/* A refusal in another dialect is told in the client's, with the provider's words: they say what to
 * mend. (What it says of credentials is never a refusal.) */
static bool show_translated(struct exchange *exchange, const struct attempt *shown) {
    struct span raw = shown->error_message;
    char *text = arena_alloc(&exchange->arena, raw.n + 1);
    long n = text && raw.n ? json_decode(raw, true, text, raw.n) : -1;
    if (n <= 0)
        return false;
    struct span message =
        arena_printf(&exchange->arena, "%s: %.*s", shown->backend->provider->provider.name,
                     (int)min_size((size_t)n, 4096), text);
    relay_refuse(exchange, shown->why, message, span_of("", 0));
    return true;
}

/* The provider's own answer to a request that it refused: when the client's dialect is the
 * provider's, it reads it as it is. */
static bool show_refusal(struct exchange *exchange, struct attempt *shown) {
    /* UNSUPPORTED of an answer: state that it does not keep (pin.h), which nobody else had either. */
    bool refused = shown && (shown->why == FAIL_REFUSED || shown->why == FAIL_POLICY ||
                             shown->why == FAIL_UNSUPPORTED);
    if (!refused || shown->status < 400 || shown->body.n == 0 ||
        !http_media_type_is(shown->content_type, SPAN("application/json")))
        return false;
    const struct encoded *encoded = shown->encoded;
    bool foreign = encoded->translated || encoded->embeddings != EMBEDDINGS_OPENAI;
    /* What was cut off, or is no JSON, cannot be shown as it came either. */
    if (foreign || json_check(shown->body, NULL, NULL) != 0)
        return show_translated(exchange, shown);
    struct relay_head out;
    begin_head(exchange, &out, shown->status, SPAN("application/json"));
    add_winner(exchange, &out, shown);
    send_whole(exchange, &out, shown->body);
    return true;
}

static uint64_t smallest_retry_after(const struct exchange *exchange) {
    uint64_t least_ms = UINT64_MAX;
    if (exchange->room_wait_ns)
        least_ms = exchange->room_wait_ns / NS_PER_MS + 1;
    for (unsigned i = 0; i < exchange->attempt_count; i++)
        if (exchange->attempts[i]->retry_after_ms)
            least_ms = min_u64(least_ms, exchange->attempts[i]->retry_after_ms);
    return least_ms == UINT64_MAX ? 1000 : least_ms;
}

/* An error for which there is no memory is told by this one, in memory of its own: a body that is no
 * JSON breaks clients. */
#define NO_MEMORY_MAX 512

static void send_error(struct exchange *exchange, enum fail why, struct span message,
                       struct span param) {
    struct json_out text;
    struct relay_head out;
    unsigned status = (unsigned)fail_status(why);
    if (status == 200 || status == 499)
        status = 502; /* how an attempt ended, not an answer */
    char small[NO_MEMORY_MAX];
    json_out_arena(&text, &exchange->arena, 512);
    exchange->dialect->write_error(why, message, param, &text);
    if (text.full) {
        json_out_init(&text, small, sizeof small);
        exchange->dialect->write_error(FAIL_OVERLOAD,
                                       SPAN("the server is short of memory; try again shortly"),
                                       span_of("", 0), &text);
        status = (unsigned)fail_status(FAIL_OVERLOAD); /* what the error itself says */
    }
    begin_head(exchange, &out, status, SPAN("application/json"));
    if (status == 429 || status == 503) {
        uint64_t after_ms = smallest_retry_after(exchange);
        int n = snprintf(out.retry_after, sizeof out.retry_after, "%llu",
                         (unsigned long long)((after_ms + 999) / 1000));
        add(&out, SPAN("retry-after"), span_of(out.retry_after, (size_t)n));
        n = snprintf(out.retry_after_ms, sizeof out.retry_after_ms, "%llu",
                     (unsigned long long)after_ms);
        add(&out, SPAN("retry-after-ms"), span_of(out.retry_after_ms, (size_t)n));
    }
    if (status == 405)
        add(&out, SPAN("allow"), exchange->endpoint.get ? SPAN("GET, HEAD") : SPAN("POST"));
    int n = snprintf(out.attempts, sizeof out.attempts, "%u", exchange->attempt_count);
    if (exchange->attempt_count)
        add(&out, SPAN("x-hedgerow-attempts"), span_of(out.attempts, (size_t)n));
    send_whole(exchange, &out, json_out_span(&text));
}

void relay_fail(struct exchange *exchange, enum fail why, struct attempt *shown) {
    if (show_refusal(exchange, shown))
        return;
    struct span reasons = list_reasons(exchange);
    struct span message = arena_printf(&exchange->arena,
                                       exchange->attempt_count > 1 ? "every attempt failed: %.*s"
                                                                   : "the attempt failed: %.*s",
                                       (int)min_size(reasons.n, 4096), reasons.p);
    send_error(exchange, why, message, span_of("", 0));
}

void relay_refuse(struct exchange *exchange, enum fail why, struct span message,
                  struct span param) {
    send_error(exchange, why, message, param);
}

/* --- answers from the configuration --- */

void relay_json(struct exchange *exchange, unsigned status, struct span json) {
    struct relay_head out;
    begin_head(exchange, &out, status, SPAN("application/json"));
    send_whole(exchange, &out, json);
}
