/* attempt.c - one try upstream. See attempt.h. */
#include "appliance/race/attempt.h"

#include "appliance/race/attempt_read.h"
#include "appliance/race/encode.h"
#include "appliance/race/exchange.h"
#include "core/limits.h"

/* After the provider's end mark the rest of the HTTP message is waited for, so that the connection
 * can be used again; no longer than this. */
#define TAIL_NS (1 * NS_PER_S)

static const struct stream_on attempt_stream_on;

static struct loop *loop_of(const struct attempt *attempt) { return attempt->exchange->race->loop; }

static struct pool_origin *origin_of(const struct attempt *attempt) {
    return &attempt->exchange->upstreams->pools[attempt->backend->provider->index];
}

static void set_state(struct attempt *attempt, enum attempt_state state) {
    static const unsigned allowed[] = {
        [ATTEMPT_CONNECTING] = 1u << ATTEMPT_WAITING | 1u << ATTEMPT_ENDED,
        [ATTEMPT_WAITING] = 1u << ATTEMPT_STREAMING | 1u << ATTEMPT_COLLECTING |
                            1u << ATTEMPT_CONNECTING | 1u << ATTEMPT_ENDED,
        [ATTEMPT_STREAMING] = 1u << ATTEMPT_COLLECTING | 1u << ATTEMPT_ENDED,
        [ATTEMPT_COLLECTING] = 1u << ATTEMPT_ENDED,
        [ATTEMPT_ENDED] = 0,
    };
    CHECK(allowed[attempt->state] & 1u << state);
    attempt->state = state;
}

/* --- ending --- */

/* Settles how it ended and lets the connection go: back to the pool if the answer was whole, else
 * closed at once. */
static void settle(struct attempt *attempt, enum fail why) {
    struct loop *loop = loop_of(attempt);
    set_state(attempt, ATTEMPT_ENDED);
    attempt->why = why;
    attempt->end_ns = loop->now_ns;
    loop_disarm(loop, &attempt->idle);
    pool_cancel(origin_of(attempt), &attempt->ask);
    if (!attempt->stream || attempt->message_whole)
        return;
    if (attempt->whole) {
        loop_arm(loop, &attempt->idle, TAIL_NS);
        stream_more(attempt->stream,
                    true); /* the tail goes nowhere: a slow client does not matter */
    } else {
        stream_reset(attempt->stream, why == FAIL_NONE ? FAIL_CANCELLED : why);
    }
}

void attempt_end(struct attempt *attempt, enum fail why) {
    if (attempt->state == ATTEMPT_ENDED)
        return;
    settle(attempt, why);
    exchange_on_end(attempt->exchange, attempt);
}

/* An end found inside attempt_start or a homecoming without a stream is told from the loop. */
static void end_later(struct defer *defer) {
    struct attempt *attempt = container_of(defer, struct attempt, end_later);
    if (attempt->state != ATTEMPT_ENDED)
        attempt_end(attempt, attempt->why);
    exchange_attempt_home(attempt->exchange, attempt);
}

void attempt_cancel(struct attempt *attempt, enum fail why) {
    if (attempt->state == ATTEMPT_ENDED)
        return;
    settle(attempt, why);
    if (!attempt->stream)
        loop_defer(loop_of(attempt), &attempt->end_later);
}

/* --- the upstream stream's callbacks --- */

bool attempt_failed_status(const struct attempt *attempt) {
    return attempt->status < 200 || attempt->status > 299;
}

static struct attempt *of_stream(struct stream *stream) { return stream->user; }

static const struct span request_id_fields[] = {
    SPAN_CONST("x-request-id"), SPAN_CONST("apim-request-id"), SPAN_CONST("request-id"),
    SPAN_CONST("x-amzn-requestid"), SPAN_CONST("opc-request-id")};

/* A signature that was refused may be one of a clock that is off: the provider's own is in the answer
 * (PROVIDERS.md 1.4), and the next request is signed by it. */
static void note_skew(struct attempt *attempt, const struct http_head *head, int64_t now_s) {
    const struct config_provider *provider = attempt->backend->provider;
    int64_t skew_s;
    if (provider->provider.kind->sign && sigv4_skew(head, now_s, &skew_s))
        attempt->exchange->upstreams->providers[provider->index].skew_s = skew_s;
}

/* What the provider says is left of its limits; of answers that failed, too. */
static void hear_limits(struct attempt *attempt, const struct http_head *head) {
    struct ratelimit told;
    if (!attempt->quota.backend)
        return;
    int64_t now_ms = (int64_t)(ring_wall(loop_of(attempt)->ring) / NS_PER_MS);
    ratelimit_read(head, attempt->quota.backend->dialect, now_ms, &told);
    quota_heard(&attempt->quota, &told, attempt->head_ns);
}

static void on_head(struct stream *stream, const struct http_head *head) {
    struct attempt *attempt = of_stream(stream);
    if (attempt->state != ATTEMPT_WAITING)
        return;
    struct arena *arena = &attempt->exchange->arena;
    attempt->begun = true;
    attempt->status = head->status;
    attempt->head_ns = loop_of(attempt)->now_ns;
    hear_limits(attempt, head);
    for (unsigned i = 0; i < countof(request_id_fields) && !attempt->upstream_request_id.n; i++) {
        struct span id = http_field(head, request_id_fields[i]);
        if (id.n <=
            REQUEST_ID_MAX) /* it is shown to the client, whose room for heads is not known */
            attempt->upstream_request_id = arena_copy(arena, id);
    }
    struct span type = http_field(head, SPAN("content-type"));
    bool failed = attempt_failed_status(attempt);
    attempt->framed = http_media_type_is(type, SPAN("application/vnd.amazon.eventstream"));
    bool events =
        attempt->encoded->dialect &&
        (type.n == 0 || attempt->framed || http_media_type_is(type, SPAN("text/event-stream")));
    set_state(attempt, events && !failed ? ATTEMPT_STREAMING : ATTEMPT_COLLECTING);
    if (!failed) {
        exchange_on_head(attempt->exchange, attempt);
        return;
    }
    attempt->content_type = arena_copy(arena, type);
    attempt->error_type = arena_copy(arena, http_field(head, SPAN("x-amzn-errortype")));
    int64_t now_s = (int64_t)(ring_wall(loop_of(attempt)->ring) / NS_PER_S);
    attempt->retry_after_ms = provider_retry_after_ms(head, now_s);
    if (attempt->status == 403)
        note_skew(attempt, head, now_s);
}

/* Some providers send an error under 200 and text/event-stream as bare JSON or HTML (PROVIDERS.md 10, 23): no line of a stream
 * of events begins like that, so it is collected and read as a whole body. */
static void look_at_start(struct attempt *attempt, struct span bytes) {
    if (attempt->framed) {
        attempt->body_begun = true;
        return;
    }
    struct span text = span_trim(bytes);
    while (text.n && (text.p[0] == '\r' || text.p[0] == '\n'))
        text = span_trim(span_from(text, 1));
    if (text.n == 0)
        return;
    attempt->body_begun = true;
    if (text.p[0] == '{' || text.p[0] == '[' || text.p[0] == '<')
        set_state(attempt, ATTEMPT_COLLECTING);
}

static void on_body(struct stream *stream, struct span bytes) {
    struct attempt *attempt = of_stream(stream);
    if (attempt->state == ATTEMPT_STREAMING && !attempt->body_begun)
        look_at_start(attempt, bytes);
    if (attempt->state == ATTEMPT_STREAMING)
        attempt_read_stream(attempt, bytes);
    else if (attempt->state == ATTEMPT_COLLECTING)
        attempt_read_body(attempt, bytes);
}

static void on_end(struct stream *stream) {
    struct attempt *attempt = of_stream(stream);
    attempt->message_whole = true;
    if (attempt->state == ATTEMPT_STREAMING)
        attempt_finish_stream(attempt);
    else if (attempt->state == ATTEMPT_COLLECTING)
        attempt_finish_body(attempt);
}

static void on_room(struct stream *stream) { (void)stream; /* the request was queued whole */ }

static void ask(struct attempt *attempt, bool fresh);

static void on_gone(struct stream *stream, enum fail why) {
    struct attempt *attempt = of_stream(stream);
    attempt->stream = NULL;
    bool dead = why == FAIL_RESET || why == FAIL_CLOSED;
    if (attempt->state == ATTEMPT_WAITING && dead && attempt->reused && !attempt->retried_fresh &&
        quota_again(&attempt->quota, loop_of(attempt)->now_ns)) {
        /* The pool's race: the server closed an idle connection just as it was used. Nothing was
         * answered, so the request may be sent once more on a new connection (RFC 9110 9.2.2,
         * PROVIDERS.md 7). */
        attempt->retried_fresh = true;
        set_state(attempt, ATTEMPT_CONNECTING);
        ask(attempt, true);
        return;
    }
    if (attempt->state != ATTEMPT_ENDED)
        attempt_end(attempt, why == FAIL_NONE ? FAIL_CLOSED : why);
    loop_disarm(loop_of(attempt), &attempt->idle);
    exchange_attempt_home(attempt->exchange, attempt);
}

static const struct stream_on attempt_stream_on = {
    .head = on_head, .body = on_body, .end = on_end, .room = on_room, .gone = on_gone};

static void idle_fired(struct timer *timer) {
    struct attempt *attempt = container_of(timer, struct attempt, idle);
    struct loop *loop = loop_of(attempt);
    if (attempt->state == ATTEMPT_ENDED) { /* the tail of a whole answer did not come */
        if (attempt->stream)
            stream_reset(attempt->stream, FAIL_CLOSED);
        return;
    }
    uint64_t idle_ns = attempt->exchange->plan.timeouts.idle_ns;
    uint64_t since_ns = loop->now_ns - attempt->last_event_ns;
    if (attempt->paused)
        since_ns = 0; /* the client is slow, not the provider */
    if (since_ns < idle_ns)
        loop_arm(loop, &attempt->idle, idle_ns - since_ns);
    else
        attempt_end(attempt, FAIL_IDLE);
}

/* --- starting --- */

/* Sends the request as it was encoded. */
static void send_request(struct attempt *attempt) {
    struct http_head head;
    const struct encoded *encoded = attempt->encoded;
    int64_t now_s = (int64_t)(ring_wall(loop_of(attempt)->ring) / NS_PER_S);
    int rc = encode_head(attempt->exchange, attempt->backend, encoded, now_s, &head);
    if (rc < 0) {
        attempt->why = (enum fail) - rc;
        loop_defer(loop_of(attempt), &attempt->end_later);
        return;
    }
    if (stream_send_head(attempt->stream, &head) != 0)
        return;
    for (unsigned i = 0; i < encoded->piece_count; i++)
        stream_send_borrowed(attempt->stream, encoded->pieces[i]);
    stream_send_end(attempt->stream);
}

static void begin(struct attempt *attempt, struct stream *stream) {
    stream_use(stream, &attempt_stream_on, attempt);
    attempt->stream = stream;
    attempt->reused = stream->times.reused;
    attempt->resumed = stream->times.resumed;
    attempt->connected_ns = stream->times.connected_ns;
    attempt->secured_ns = stream->times.secured_ns;
    set_state(attempt, ATTEMPT_WAITING);
    send_request(attempt);
}

static void ready(struct pool_ask *pool_ask, struct stream *stream) {
    begin(container_of(pool_ask, struct attempt, ask), stream);
}

static void failed(struct pool_ask *pool_ask, enum fail why) {
    struct attempt *attempt = container_of(pool_ask, struct attempt, ask);
    attempt->why = why;
    loop_defer(loop_of(attempt), &attempt->end_later);
}

static void ask(struct attempt *attempt, bool fresh) {
    struct stream *stream = pool_get(origin_of(attempt), &attempt->ask, fresh);
    if (stream)
        begin(attempt, stream);
}

static void init_dialects(struct attempt *attempt) {
    struct exchange *exchange = attempt->exchange;
    attempt->encoded->dialect->reader_init(&attempt->reader, &exchange->arena);
    attempt->reader.strip_usage = !exchange->req.include_usage;
    attempt->reader.want_usage = exchange->req.include_usage;
    attempt->reader.keep_usage = exchange->req.continuous_usage;
    attempt->reader.keep = exchange->plan.on_stall != ON_STALL_FAIL;
    exchange->dialect->writer_init(&attempt->writer, &exchange->arena, &exchange->req);
    attempt->writer.created_s = (int64_t)(exchange->begin_wall_ns / NS_PER_S);
}

struct attempt *attempt_start(struct exchange *exchange, unsigned number,
                              const struct config_backend *backend, const struct encoded *encoded,
                              enum hedge_trigger trigger) {
    struct attempt *attempt = slab_new(&exchange->race->attempt_slab);
    if (!attempt)
        return NULL;
    struct loop *loop = exchange->race->loop;
    attempt->exchange = exchange;
    attempt->backend = backend;
    attempt->encoded = encoded;
    attempt->number = number;
    attempt->trigger = trigger;
    attempt->start_ns = loop->now_ns;
    pool_ask_init(&attempt->ask);
    attempt->ask.ready = ready;
    attempt->ask.failed = failed;
    attempt->ask.connect_ns = exchange->plan.timeouts.connect_ns;
    attempt->ask.tls_ns = exchange->plan.timeouts.tls_ns;
    defer_init(&attempt->end_later, end_later);
    timer_init(&attempt->idle, idle_fired);
    json_out_arena(&attempt->held, &exchange->arena, 1024);
    if (encoded->dialect)
        init_dialects(attempt);
    ask(attempt, false);
    return attempt;
}

void attempt_free(struct attempt **pointer) {
    struct attempt *attempt = *pointer;
    CHECK(attempt_home(attempt));
    struct loop *loop = loop_of(attempt);
    loop_disarm(loop, &attempt->idle);
    loop_undefer(&attempt->end_later);
    carry_drop(&attempt->carry, &loop->memory);
    void *memory = attempt;
    slab_free(&attempt->exchange->race->attempt_slab, &memory);
    *pointer = NULL;
}
