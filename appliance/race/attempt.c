/* attempt.c - one try upstream. See attempt.h. */
#include "appliance/race/attempt.h"

#include "appliance/race/exchange.h"
#include "core/limits.h"

/* After the provider's end mark the rest of the HTTP message is waited for, so that the connection
 * can be used again; no longer than this. */
#define TAIL_NS (1 * NS_PER_S)

/* What the dialects write around the text of one event, generously: ids, names, usage. */
#define TEXT_PER_EVENT 2048

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

static void end(struct attempt *attempt, enum fail why) {
    if (attempt->state == ATTEMPT_ENDED)
        return;
    settle(attempt, why);
    exchange_on_end(attempt->exchange, attempt);
}

/* An end found inside attempt_start or a homecoming without a stream is told from the loop. */
static void end_later(struct defer *defer) {
    struct attempt *attempt = container_of(defer, struct attempt, end_later);
    if (attempt->state != ATTEMPT_ENDED)
        end(attempt, attempt->why);
    exchange_attempt_home(attempt->exchange, attempt);
}

void attempt_cancel(struct attempt *attempt, enum fail why) {
    if (attempt->state == ATTEMPT_ENDED)
        return;
    settle(attempt, why);
    if (!attempt->stream)
        loop_defer(loop_of(attempt), &attempt->end_later);
}

/* --- what the client will hear --- */

static bool client_streams(const struct attempt *attempt) { return attempt->exchange->req.stream; }

static void say(struct attempt *attempt, struct span bytes) {
    if (bytes.n == 0)
        return;
    if (!attempt->committed) {
        if (attempt->held.n + bytes.n > ANSWER_MAX_BYTES)
            attempt->held.full = true;
        json_out_raw(&attempt->held, bytes);
        return;
    }
    exchange_relay(attempt->exchange, bytes);
    struct stream *client = attempt->exchange->client;
    if (attempt->paused || attempt->state == ATTEMPT_ENDED || !attempt->stream || !client ||
        stream_room(client) > 0)
        return;
    attempt->paused = true;
    stream_more(attempt->stream, false);
}

void attempt_resume(struct attempt *attempt) {
    if (!attempt->paused || !attempt->stream)
        return;
    attempt->paused = false;
    attempt->last_event_ns = loop_of(attempt)->now_ns;
    stream_more(attempt->stream, true);
}

void attempt_commit(struct attempt *attempt) {
    CHECK(!attempt->committed);
    attempt->committed = true;
    attempt->last_event_ns = loop_of(attempt)->now_ns;
    if (attempt->state != ATTEMPT_ENDED)
        loop_arm(loop_of(attempt), &attempt->idle, attempt->exchange->plan.timeouts.idle_ns);
    if (client_streams(attempt))
        say(attempt, json_out_span(&attempt->held));
}

/* --- decoding --- */

struct gathered {
    struct chat_event *events;
    unsigned count;
    bool overflow;
};

static void gather(void *owner, const struct chat_event *event) {
    struct gathered *gathered = owner;
    if (gathered->count == RACE_EVENTS_MAX)
        gathered->overflow = true;
    else
        gathered->events[gathered->count++] = *event;
}

/* Memory for the text of these events: the worker's scratch, or for a large one the arena. */
static void text_begin(struct attempt *attempt, const struct gathered *gathered,
                       struct json_out *out) {
    struct race *race = attempt->exchange->race;
    size_t n = gathered->count * TEXT_PER_EVENT;
    for (unsigned i = 0; i < gathered->count; i++)
        n += gathered->events[i].text.n;
    if (n <= RACE_TEXT_SIZE)
        json_out_init(out, race->text, RACE_TEXT_SIZE);
    else
        json_out_arena(out, &attempt->exchange->arena, n);
}

static void rewrite(struct attempt *attempt, const struct gathered *gathered) {
    const struct dialect *dialect = attempt->exchange->dialect;
    struct json_out out;
    text_begin(attempt, gathered, &out);
    for (unsigned i = 0; i < gathered->count; i++) {
        enum chat_event_kind kind = gathered->events[i].kind;
        if (kind != CHAT_DONE && kind != CHAT_ERROR)
            dialect->write_event(&attempt->writer, &gathered->events[i], &out);
    }
    if (out.full)
        attempt->writer.full = true;
    say(attempt, json_out_span(&out));
}

static void collect(struct attempt *attempt, const struct gathered *gathered) {
    for (unsigned i = 0; i < gathered->count; i++)
        attempt->exchange->dialect->collect(&attempt->writer, &gathered->events[i]);
}

static bool wins(const struct attempt *attempt, const struct chat_event *event) {
    if (event->kind == CHAT_REASONING && !attempt->exchange->plan.commit_on_reasoning)
        return false;
    return chat_event_is_content(event);
}

/* The answer is whole. Without content it wins only if nobody else does; a refusal by policy
 * decides (HEDGING.md). */
static void finish(struct attempt *attempt, enum chat_finish finish) {
    attempt->whole = true;
    if (attempt->committed)
        end(attempt, FAIL_NONE);
    else
        end(attempt, finish == CHAT_FINISH_CONTENT_FILTER ? FAIL_POLICY : FAIL_EMPTY);
}

/* What the events of one step mean for the race. */
static void judge(struct attempt *attempt, const struct gathered *gathered) {
    bool content = false, done = false;
    enum fail error = FAIL_NONE;
    for (unsigned i = 0; i < gathered->count; i++) {
        const struct chat_event *event = &gathered->events[i];
        if (event->kind == CHAT_FINISH)
            attempt->finish = event->finish;
        if (event->kind == CHAT_DONE)
            done = true;
        if (event->kind == CHAT_ERROR) {
            error = event->error;
            attempt->error_message = arena_copy(&attempt->exchange->arena, event->message);
        }
        if (!wins(attempt, event))
            continue;
        content = true;
        attempt->events++;
    }
    if (gathered->overflow || attempt->held.full || attempt->writer.full)
        error = FAIL_TOO_LARGE;
    attempt->content |= content;
    /* Content together with an error: before the commit it is no answer, after it both are said. */
    if (error != FAIL_NONE) {
        end(attempt, error);
        return;
    }
    if (attempt->content && !attempt->reported) {
        attempt->reported = true;
        attempt->first_token_ns = loop_of(attempt)->now_ns;
        exchange_on_content(attempt->exchange, attempt);
    }
    if (done && attempt->state != ATTEMPT_ENDED)
        finish(attempt, attempt->finish);
}

static struct chat_sink sink_to(struct attempt *attempt, struct gathered *gathered) {
    *gathered = (struct gathered){.events = attempt->exchange->race->events};
    return (struct chat_sink){.event = gather, .owner = gathered};
}

/* One SSE event. *run collects neighbouring events that go to the client as they came, so that they
 * are queued in one piece. */
static void read_event(struct attempt *attempt, const struct sse_event *event, struct span *run) {
    const struct dialect *dialect = attempt->backend->provider->provider.kind->dialect;
    struct span data = event->data;
    if (event->data_lines > 1) {
        struct json_out *joined = &attempt->joined;
        if (!joined->p)
            json_out_arena(joined, &attempt->exchange->arena, event->raw.n);
        joined->n = 0;
        json_out_raw(joined, event->raw); /* makes the room; one memory for all such events */
        if (joined->full) {
            end(attempt, FAIL_OVERLOAD);
            return;
        }
        data = span_of(joined->p, (size_t)sse_join(event, joined->p, joined->n));
    }
    struct gathered gathered;
    struct chat_sink sink = sink_to(attempt, &gathered);
    enum chat_relay verdict = dialect->read_event(&attempt->reader, event->name, data, sink);
    if (gathered.count)
        attempt->last_event_ns = loop_of(attempt)->now_ns;
    bool plain = verdict == CHAT_AS_IS && event->plain && client_streams(attempt);
    if (!plain) {
        say(attempt, *run);
        *run = span_of(NULL, 0);
    }
    if (!client_streams(attempt)) {
        collect(attempt, &gathered);
    } else if (plain) {
        *run = run->n ? span_of(run->p, run->n + event->raw.n) : event->raw;
    } else if (verdict == CHAT_AS_IS) {
        say(attempt, SPAN("data: "));
        say(attempt, data);
        say(attempt, SPAN("\n\n"));
    } else if (verdict == CHAT_REWRITE) {
        rewrite(attempt, &gathered);
    }
    bool decides = !attempt->reported || gathered.overflow;
    for (unsigned i = 0; i < gathered.count && !decides; i++)
        decides = gathered.events[i].kind == CHAT_DONE || gathered.events[i].kind == CHAT_ERROR;
    if (decides && run->n) {
        say(attempt, *run);
        *run = span_of(NULL, 0);
    }
    judge(attempt, &gathered);
}

static void read_stream(struct attempt *attempt, struct span in) {
    struct memory *memory = &loop_of(attempt)->memory;
    struct span joined, run = {NULL, 0};
    size_t consumed = 0;
    if (!carry_join(&attempt->carry, memory, in, SSE_EVENT_MAX + LOOP_SCRATCH_SIZE, &joined)) {
        end(attempt, FAIL_TOO_LARGE);
        return;
    }
    while (attempt->state == ATTEMPT_STREAMING) {
        struct sse_event event;
        long n = sse_next(&attempt->sse, span_from(joined, consumed), &event);
        if (n == 0)
            break;
        if (n < 0) {
            end(attempt, (enum fail) - n);
            break;
        }
        consumed += (size_t)n;
        if (event.data_lines > 0 || event.name.n > 0) {
            read_event(attempt, &event, &run);
        } else if (run.n) {
            say(attempt, run); /* comments and blank lines are not relayed: the run is cut */
            run = span_of(NULL, 0);
        }
    }
    if (attempt->state != ATTEMPT_STREAMING) {
        carry_drop(&attempt->carry, memory);
        return;
    }
    say(attempt, run);
    if (!carry_keep(&attempt->carry, memory, joined, consumed))
        end(attempt, FAIL_OVERLOAD);
}

/* The stream's bytes are over: the last event may lack its empty line. */
static void finish_stream(struct attempt *attempt) {
    struct span rest =
        span_of(attempt->carry.p + attempt->carry.begin, carry_bytes(&attempt->carry));
    struct span run = {NULL, 0};
    struct sse_event event;
    if (rest.n && sse_last(&attempt->sse, rest, &event) > 0 && event.data_lines > 0) {
        event.plain = false; /* its end must be mended for the client */
        read_event(attempt, &event, &run);
    }
    if (attempt->state != ATTEMPT_STREAMING)
        return;
    struct gathered gathered;
    struct chat_sink sink = sink_to(attempt, &gathered);
    attempt->backend->provider->provider.kind->dialect->read_end(&attempt->reader, sink);
    if (client_streams(attempt))
        rewrite(attempt, &gathered);
    else
        collect(attempt, &gathered);
    judge(attempt, &gathered);
    if (attempt->state != ATTEMPT_ENDED)
        end(attempt, FAIL_INCOMPLETE);
}

/* --- whole bodies: errors, and backends that did not stream --- */

static bool is_success(const struct attempt *attempt) {
    return attempt->status >= 200 && attempt->status < 300;
}

static void collect_body(struct attempt *attempt, struct span in) {
    size_t max = is_success(attempt) ? ANSWER_MAX_BYTES : ERROR_BODY_MAX_BYTES;
    struct memory *memory = &loop_of(attempt)->memory;
    size_t have = carry_bytes(&attempt->carry);
    struct span joined;
    if (have + in.n > max) {
        if (is_success(attempt)) {
            end(attempt, FAIL_TOO_LARGE);
            return;
        }
        in.n = max - have; /* the beginning of an error says enough */
        if (in.n == 0)
            return;
    }
    if (!carry_join(&attempt->carry, memory, in, max, &joined) ||
        !carry_keep(&attempt->carry, memory, joined, 0))
        end(attempt, FAIL_OVERLOAD);
}

static void finish_body(struct attempt *attempt) {
    const struct provider *provider = &attempt->backend->provider->provider;
    attempt->body = span_of(attempt->carry.p ? attempt->carry.p + attempt->carry.begin : "",
                            carry_bytes(&attempt->carry));
    if (!is_success(attempt)) {
        struct http_head head;
        head.status = attempt->status;
        head.field_count = 0;
        struct provider_verdict verdict = {.why = FAIL_UPSTREAM_5XX};
        provider->kind->classify(provider, &head, attempt->body, &verdict);
        attempt->error_message = verdict.error.message;
        end(attempt, verdict.why == FAIL_NONE ? FAIL_UPSTREAM_5XX : verdict.why);
        return;
    }
    struct gathered gathered;
    struct chat_sink sink = sink_to(attempt, &gathered);
    provider->kind->dialect->read_body(&attempt->reader, attempt->body, sink);
    if (client_streams(attempt))
        rewrite(attempt, &gathered);
    else
        collect(attempt, &gathered);
    judge(attempt, &gathered);
    if (attempt->state != ATTEMPT_ENDED)
        end(attempt, FAIL_INCOMPLETE);
}

/* --- the upstream stream's callbacks --- */

static struct attempt *of_stream(struct stream *stream) { return stream->user; }

static const struct span request_id_fields[] = {
    SPAN_CONST("x-request-id"), SPAN_CONST("apim-request-id"), SPAN_CONST("request-id")};

static void on_head(struct stream *stream, const struct http_head *head) {
    struct attempt *attempt = of_stream(stream);
    if (attempt->state != ATTEMPT_WAITING)
        return;
    struct arena *arena = &attempt->exchange->arena;
    attempt->begun = true;
    attempt->status = head->status;
    attempt->head_ns = loop_of(attempt)->now_ns;
    for (unsigned i = 0; i < countof(request_id_fields) && !attempt->upstream_request_id.n; i++) {
        struct span id = http_field(head, request_id_fields[i]);
        if (id.n <=
            REQUEST_ID_MAX) /* it is shown to the client, whose room for heads is not known */
            attempt->upstream_request_id = arena_copy(arena, id);
    }
    struct span type = http_field(head, SPAN("content-type"));
    bool events =
        is_success(attempt) && (type.n == 0 || http_media_type_is(type, SPAN("text/event-stream")));
    set_state(attempt, events ? ATTEMPT_STREAMING : ATTEMPT_COLLECTING);
    if (is_success(attempt)) {
        exchange_on_head(attempt->exchange, attempt);
        return;
    }
    attempt->content_type = arena_copy(arena, type);
    int64_t now_s = (int64_t)(ring_wall(loop_of(attempt)->ring) / NS_PER_S);
    attempt->retry_after_ms = provider_retry_after_ms(head, now_s);
}

/* Some providers send an error under 200 and text/event-stream as bare JSON or HTML (PROVIDERS.md 10, 23): no line of a stream
 * of events begins like that, so it is collected and read as a whole body. */
static void look_at_start(struct attempt *attempt, struct span bytes) {
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
        read_stream(attempt, bytes);
    else if (attempt->state == ATTEMPT_COLLECTING)
        collect_body(attempt, bytes);
}

static void on_end(struct stream *stream) {
    struct attempt *attempt = of_stream(stream);
    attempt->message_whole = true;
    if (attempt->state == ATTEMPT_STREAMING)
        finish_stream(attempt);
    else if (attempt->state == ATTEMPT_COLLECTING)
        finish_body(attempt);
}

static void on_room(struct stream *stream) { (void)stream; /* the request was queued whole */ }

static void ask(struct attempt *attempt, bool fresh);

static void on_gone(struct stream *stream, enum fail why) {
    struct attempt *attempt = of_stream(stream);
    attempt->stream = NULL;
    bool dead = why == FAIL_RESET || why == FAIL_CLOSED;
    if (attempt->state == ATTEMPT_WAITING && dead && attempt->reused && !attempt->retried_fresh) {
        /* The pool's race: the server closed an idle connection just as it was used. Nothing was
         * answered, so the request may be sent once more on a new connection (RFC 9110 9.2.2,
         * PROVIDERS.md 7). */
        attempt->retried_fresh = true;
        set_state(attempt, ATTEMPT_CONNECTING);
        ask(attempt, true);
        return;
    }
    if (attempt->state != ATTEMPT_ENDED)
        end(attempt, why == FAIL_NONE ? FAIL_CLOSED : why);
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
        end(attempt, FAIL_IDLE);
}

/* --- starting --- */

static void add_field(struct http_head *head, struct span name, struct span value) {
    if (value.n == 0)
        return;
    CHECK(head->field_count < HTTP_FIELDS_MAX);
    head->fields[head->field_count++] = (struct http_field){name, value};
}

static void send_edited(struct stream *stream, struct span body, const struct chat_edit *edits,
                        unsigned count) {
    size_t at = 0;
    for (unsigned i = 0; i < count; i++) {
        stream_send_borrowed(stream, span_of(body.p + at, edits[i].at - at));
        stream_send_borrowed(stream, edits[i].insert);
        at = edits[i].at + edits[i].remove;
    }
    stream_send_borrowed(stream, span_from(body, at));
    stream_send_end(stream);
}

/* Sends the request: the client's own bytes with the few edits that this provider needs. */
static void send_request(struct attempt *attempt) {
    struct exchange *exchange = attempt->exchange;
    const struct provider *provider = &attempt->backend->provider->provider;
    const struct provider_target *target = &attempt->backend->target;
    struct chat_edit edits[CHAT_EDITS_MAX];
    int count =
        provider->kind->dialect->edit_request(&exchange->req, span_str(attempt->backend->model),
                                              provider_quirks(provider), &exchange->arena, edits);
    if (count < 0) {
        attempt->why = (enum fail) - count;
        loop_defer(loop_of(attempt), &attempt->end_later);
        return;
    }
    size_t length = exchange->req.body.n;
    for (int i = 0; i < count; i++)
        length += edits[i].insert.n - edits[i].remove;
    struct http_head head;
    head.method = HTTP_POST;
    head.method_name = SPAN("POST");
    head.target = target->path;
    head.authority = span_str(provider->authority);
    head.minor = 1;
    head.body = HTTP_BODY_LENGTH;
    head.body_length = length;
    head.keep_alive = true;
    head.expect_continue = head.upgrade = false;
    head.field_count = target->field_count;
    memcpy(head.fields, target->fields, target->field_count * sizeof target->fields[0]);
    add_field(&head, SPAN("x-request-id"), exchange->id);
    add_field(&head, SPAN("traceparent"), exchange->traceparent);
    if (stream_send_head(attempt->stream, &head) == 0)
        send_edited(attempt->stream, exchange->req.body, edits, (unsigned)count);
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

struct attempt *attempt_start(struct exchange *exchange, unsigned number,
                              const struct config_backend *backend, enum hedge_trigger trigger) {
    struct attempt *attempt = slab_new(&exchange->race->attempt_slab);
    if (!attempt)
        return NULL;
    struct loop *loop = exchange->race->loop;
    attempt->exchange = exchange;
    attempt->backend = backend;
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
    const struct dialect *dialect = backend->provider->provider.kind->dialect;
    dialect->reader_init(&attempt->reader, &exchange->arena);
    attempt->reader.strip_usage = !exchange->req.include_usage;
    attempt->reader.want_usage = exchange->req.include_usage;
    attempt->reader.keep_usage = exchange->req.continuous_usage;
    exchange->dialect->writer_init(&attempt->writer, &exchange->arena, &exchange->req);
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
