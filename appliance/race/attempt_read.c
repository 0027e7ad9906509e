/* attempt_read.c - decoding answers. See attempt_read.h.
 *
 * Three ways to the client: of the same dialect the provider's bytes go on as they came, wherever its
 * reader allows; of another dialect, or mended, canonical events are written anew; for a client that
 * waits for one body they are collected, or merged where the dialect can do that with its own. An
 * attempt that takes over from a stalled one (rescue.h) is always written anew, by that one's writer.
 *
 * Promises: an event is judged before what follows it is read; nothing of an attempt that is not
 *           committed reaches the client, nor a writer that the client has heard. */
#include "appliance/race/attempt_read.h"

#include "appliance/race/exchange.h"
#include "appliance/race/pin.h"
#include "appliance/race/rescue.h"
#include "core/limits.h"
#include "providers/embeddings.h"
#include "providers/prefill.h"

/* What the dialects write around the text of one event, generously: ids, names, usage. */
#define TEXT_PER_EVENT 2048

static struct loop *loop_of(const struct attempt *attempt) { return attempt->exchange->race->loop; }

static bool client_streams(const struct attempt *attempt) { return attempt->exchange->req.stream; }

/* --- what the client will hear --- */

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
    if (!attempt->paused || !attempt->stream || attempt->state == ATTEMPT_ENDED)
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
    if (attempt->takes_over) {
        attempt->writer = attempt->behind->writer;
        attempt->said = attempt->behind->said;
    }
    if (client_streams(attempt))
        say(attempt, json_out_span(&attempt->held));
}

/* --- events --- */

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

static struct chat_sink sink_to(struct attempt *attempt, struct gathered *gathered) {
    *gathered = (struct gathered){.events = attempt->exchange->race->events};
    return (struct chat_sink){.event = gather, .owner = gathered};
}

/* Writes the events in the client's dialect: into the worker's scratch, or when they turn out long
 * (a writer may have kept things back) in the arena. */
static void rewrite(struct attempt *attempt, const struct gathered *gathered) {
    struct race *race = attempt->exchange->race;
    const struct dialect *dialect = attempt->exchange->dialect;
    struct json_out out;
    json_out_spill(&out, race->text, RACE_TEXT_SIZE, &attempt->exchange->arena);
    for (unsigned i = 0; i < gathered->count; i++) {
        enum chat_event_kind kind = gathered->events[i].kind;
        if (kind != CHAT_DONE && kind != CHAT_ERROR)
            dialect->write_event(&attempt->writer, &gathered->events[i], &out);
    }
    if (out.full)
        attempt->writer.full = true;
    if (attempt->writer.full)
        return; /* what there was no memory for is not said by half: judge ends the attempt */
    say(attempt, json_out_span(&out));
}

static void collect(struct attempt *attempt, const struct gathered *gathered) {
    for (unsigned i = 0; i < gathered->count; i++)
        attempt->exchange->dialect->collect(&attempt->writer, &gathered->events[i]);
}

/* The client waits for one body, and its dialect can put its own events together without loss. */
static bool merges(const struct attempt *attempt) {
    return !client_streams(attempt) && !attempt->encoded->translated && !attempt->takes_over &&
           attempt->exchange->dialect->merge;
}

/* Events that are not relayed as they came. */
static void tell(struct attempt *attempt, const struct gathered *gathered) {
    if (client_streams(attempt))
        rewrite(attempt, gathered);
    else if (!merges(attempt))
        collect(attempt, gathered);
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
        attempt_end(attempt, FAIL_NONE);
    else
        attempt_end(attempt, finish == CHAT_FINISH_CONTENT_FILTER ? FAIL_POLICY : FAIL_EMPTY);
}

static void report_content(struct attempt *attempt) {
    if (!attempt->content || attempt->reported)
        return;
    attempt->reported = true;
    attempt->first_token_ns = loop_of(attempt)->now_ns;
    exchange_on_content(attempt->exchange, attempt);
}

/* What the events of one step mean for the race. */
static void judge(struct attempt *attempt, const struct gathered *gathered) {
    bool content = false, done = false;
    enum fail error = FAIL_NONE;
    for (unsigned i = 0; i < gathered->count; i++) {
        const struct chat_event *event = &gathered->events[i];
        if (attempt->reader.keep)
            stall_hear(&attempt->said, event, &attempt->exchange->arena);
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
        attempt_end(attempt, error);
        return;
    }
    report_content(attempt);
    if (done && attempt->state != ATTEMPT_ENDED)
        finish(attempt, attempt->finish);
}

/* What is said to a client who was told its beginning by another: the answer has begun, the usage is
 * that of the whole, and white space that the request had to leave out is not said twice. */
static void adapt(struct attempt *attempt, const struct gathered *gathered) {
    for (unsigned i = 0; i < gathered->count; i++) {
        struct chat_event *event = &gathered->events[i];
        if (event->kind == CHAT_START)
            event->kind = CHAT_OTHER;
        if (event->kind == CHAT_USAGE)
            event->usage = rescue_usage(attempt, &event->usage);
        if (event->kind != CHAT_TEXT || attempt->lost.n == 0)
            continue;
        size_t again = prefill_repeated(attempt->lost, event->text);
        event->text = span_from(event->text, again);
        attempt->lost = event->text.n ? span_of(NULL, 0) : span_from(attempt->lost, again);
    }
}

/* Is it said by events that would be the first that the client hears of it? */
static bool begins(const struct gathered *gathered) {
    bool begins = false;
    for (unsigned i = 0; i < gathered->count; i++) {
        const struct chat_event *event = &gathered->events[i];
        if (event->kind == CHAT_ERROR)
            return false;
        begins |= chat_event_is_content(event) || event->kind == CHAT_SIGNATURE ||
                  event->kind == CHAT_REDACTED;
    }
    return begins && !gathered->overflow;
}

/* Before its commit nothing of it is written, for it is not its own writer that would be changed; what
 * commits it is written at once. */
static void take_over(struct attempt *attempt, const struct gathered *gathered) {
    adapt(attempt, gathered);
    if (!attempt->committed && begins(gathered)) {
        attempt->content = true;
        report_content(attempt);
    }
    if (attempt->committed)
        tell(attempt, gathered);
    judge(attempt, gathered);
}

static void tell_and_judge(struct attempt *attempt, const struct gathered *gathered) {
    if (attempt->takes_over) {
        take_over(attempt, gathered);
        return;
    }
    tell(attempt, gathered);
    judge(attempt, gathered);
}

/* --- streams --- */

/* What is to be relayed as it came, so far: neighbouring events are queued in one piece. */
struct run {
    struct span bytes;
};

static void run_say(struct attempt *attempt, struct run *run) {
    say(attempt, run->bytes);
    run->bytes = span_of(NULL, 0);
}

static void run_add(struct run *run, struct span raw) {
    run->bytes = run->bytes.n ? span_of(run->bytes.p, run->bytes.n + raw.n) : raw;
}

/* One message of a stream, whatever its framing. */
struct framed {
    struct span name, data;
    struct span raw; /* as received, when it can be relayed like that; else empty */
};

/* The same words in clean framing: for what came with odd line ends or fields. */
static void say_framed(struct attempt *attempt, const struct framed *message) {
    if (attempt->exchange->dialect->named_events && message->name.n) {
        say(attempt, SPAN("event: "));
        say(attempt, message->name);
        say(attempt, SPAN("\n"));
    }
    say(attempt, SPAN("data: "));
    say(attempt, message->data);
    say(attempt, SPAN("\n\n"));
}

static bool decides(const struct attempt *attempt, const struct gathered *gathered) {
    bool decides = !attempt->reported || gathered->overflow;
    for (unsigned i = 0; i < gathered->count && !decides; i++)
        decides = gathered->events[i].kind == CHAT_DONE || gathered->events[i].kind == CHAT_ERROR;
    return decides;
}

static void read_message(struct attempt *attempt, const struct framed *message, struct run *run) {
    struct gathered gathered;
    struct chat_sink sink = sink_to(attempt, &gathered);
    enum chat_relay verdict =
        attempt->encoded->dialect->read_event(&attempt->reader, message->name, message->data, sink);
    if (gathered.count)
        attempt->last_event_ns = loop_of(attempt)->now_ns;
    if (attempt->takes_over) {
        take_over(attempt, &gathered);
        return;
    }
    if (attempt->encoded->translated)
        verdict = CHAT_REWRITE;
    bool plain = verdict == CHAT_AS_IS && message->raw.n && client_streams(attempt);
    if (!plain)
        run_say(attempt, run);
    if (merges(attempt))
        attempt->exchange->dialect->merge(&attempt->writer, message->name, message->data);
    else if (!client_streams(attempt))
        collect(attempt, &gathered);
    else if (plain)
        run_add(run, message->raw);
    else if (verdict == CHAT_AS_IS)
        say_framed(attempt, message);
    else if (verdict == CHAT_REWRITE)
        rewrite(attempt, &gathered);
    if (decides(attempt, &gathered))
        run_say(attempt, run);
    judge(attempt, &gathered);
}

/* An event with several data lines, joined; false after it ended the attempt. */
static bool join_data(struct attempt *attempt, const struct sse_event *event, struct span *data) {
    struct json_out *joined = &attempt->joined;
    if (!joined->p)
        json_out_arena(joined, &attempt->exchange->arena, event->raw.n);
    joined->n = 0;
    json_out_raw(joined, event->raw); /* makes the room; one memory for all such events */
    if (joined->full) {
        attempt_end(attempt, FAIL_OVERLOAD);
        return false;
    }
    *data = span_of(joined->p, (size_t)sse_join(event, joined->p, joined->n));
    /* It goes on as one line. A line end in JSON is white space between tokens, nothing else. */
    for (size_t i = 0; i < data->n; i++)
        if (joined->p[i] == '\n' || joined->p[i] == '\r')
            joined->p[i] = ' ';
    return true;
}

static void read_sse_event(struct attempt *attempt, const struct sse_event *event,
                           struct run *run) {
    bool named = attempt->exchange->dialect->named_events;
    struct framed message = {.name = event->name, .data = event->data};
    if (event->data_lines > 1 && !join_data(attempt, event, &message.data))
        return;
    if (event->plain || (named && event->named))
        message.raw = event->raw;
    read_message(attempt, &message, run);
}

/* Each of these takes one message off the front of `in`: the bytes consumed, 0 when it is not whole
 * yet, -FAIL_X. */
static long read_sse(struct attempt *attempt, struct span in, struct run *run) {
    struct sse_event event;
    long n = sse_next(&attempt->sse, in, &event);
    if (n <= 0)
        return n;
    if (event.data_lines > 0 || event.name.n > 0)
        read_sse_event(attempt, &event, run);
    else
        run_say(attempt, run); /* comments and blank lines are not relayed: the run is cut */
    return n;
}

static long read_frame(struct attempt *attempt, struct span in, struct run *run) {
    struct eventstream_message frame;
    long n = eventstream_next(&attempt->frames, in, &frame);
    if (n <= 0)
        return n;
    struct framed message = {.name = frame.event_type, .data = frame.payload};
    if (span_eq(frame.message_type, SPAN("exception")))
        message.name = frame.exception_type;
    if (span_eq(frame.message_type, SPAN("error")))
        message = (struct framed){.name = frame.error_code, .data = frame.error_message};
    read_message(attempt, &message, run);
    return n;
}

void attempt_read_stream(struct attempt *attempt, struct span in) {
    struct memory *memory = &loop_of(attempt)->memory;
    struct run run = {.bytes = {NULL, 0}};
    struct span joined;
    size_t consumed = 0;
    if (!carry_join(&attempt->carry, memory, in, SSE_EVENT_MAX + LOOP_SCRATCH_SIZE, &joined)) {
        attempt_end(attempt, FAIL_TOO_LARGE);
        return;
    }
    while (attempt->state == ATTEMPT_STREAMING) {
        struct span rest = span_from(joined, consumed);
        long n = attempt->framed ? read_frame(attempt, rest, &run) : read_sse(attempt, rest, &run);
        if (n == 0)
            break;
        if (n < 0) {
            attempt_end(attempt, (enum fail) - n);
            break;
        }
        consumed += (size_t)n;
    }
    if (attempt->state != ATTEMPT_STREAMING) {
        carry_drop(&attempt->carry, memory);
        return;
    }
    run_say(attempt, &run);
    if (!carry_keep(&attempt->carry, memory, joined, consumed))
        attempt_end(attempt, FAIL_OVERLOAD);
}

/* The last event of a stream may lack its empty line; the last frame of an event stream may not. */
static void read_rest(struct attempt *attempt) {
    struct span rest =
        span_of(attempt->carry.p + attempt->carry.begin, carry_bytes(&attempt->carry));
    struct run run = {.bytes = {NULL, 0}};
    struct sse_event event;
    if (rest.n == 0 || attempt->framed || sse_last(&attempt->sse, rest, &event) <= 0 ||
        event.data_lines == 0)
        return;
    event.plain = event.named = false; /* its end must be mended for the client */
    read_sse_event(attempt, &event, &run);
}

void attempt_finish_stream(struct attempt *attempt) {
    read_rest(attempt);
    if (attempt->state != ATTEMPT_STREAMING)
        return;
    struct gathered gathered;
    struct chat_sink sink = sink_to(attempt, &gathered);
    attempt->encoded->dialect->read_end(&attempt->reader, sink);
    tell_and_judge(attempt, &gathered);
    if (attempt->state != ATTEMPT_ENDED)
        attempt_end(attempt, FAIL_INCOMPLETE);
}

/* --- whole bodies: errors, answers that are never streamed, and backends that did not stream --- */

void attempt_read_body(struct attempt *attempt, struct span in) {
    bool failed = attempt_failed_status(attempt);
    size_t max = failed ? ERROR_BODY_MAX_BYTES : ANSWER_MAX_BYTES;
    struct memory *memory = &loop_of(attempt)->memory;
    size_t have = carry_bytes(&attempt->carry);
    struct span joined;
    if (have + in.n > max) {
        if (!failed) {
            attempt_end(attempt, FAIL_TOO_LARGE);
            return;
        }
        in.n = max - have; /* the beginning of an error says enough */
        if (in.n == 0)
            return;
    }
    if (!carry_join(&attempt->carry, memory, in, max, &joined) ||
        !carry_keep(&attempt->carry, memory, joined, 0))
        attempt_end(attempt, FAIL_OVERLOAD);
}

static void finish_error(struct attempt *attempt) {
    const struct provider *provider = &attempt->backend->provider->provider;
    struct http_head head;
    head.status = attempt->status;
    head.field_count = 0;
    if (attempt->error_type.n)
        head.fields[head.field_count++] =
            (struct http_field){SPAN("x-amzn-errortype"), attempt->error_type};
    struct provider_verdict verdict = {.why = FAIL_UPSTREAM_5XX};
    provider->kind->classify(provider, &head, attempt->body, &verdict);
    attempt->error_message = verdict.error.message;
    if (!attempt->retry_after_ms)
        attempt->retry_after_ms = verdict.retry_after_ms;
    if (verdict.why == FAIL_NONE)
        verdict.why = FAIL_UPSTREAM_5XX;
    if (verdict.why == FAIL_REFUSED && pin_unknown_there(attempt->exchange, attempt))
        verdict.why = FAIL_UNSUPPORTED;
    attempt_end(attempt, verdict.why);
}

/* Embeddings: the provider's body, or where its API is its own, the same in the client's words. */
static int finish_embeddings(struct attempt *attempt) {
    struct exchange *exchange = attempt->exchange;
    struct chat_usage *usage = &attempt->reader.usage;
    enum embeddings_api api = attempt->encoded->embeddings;
    struct json_out text;
    if (api == EMBEDDINGS_OPENAI)
        return embeddings_check_body(attempt->body, usage);
    json_out_arena(&text, &exchange->arena, attempt->body.n + TEXT_PER_EVENT);
    int rc = embeddings_read(attempt->body, api, &exchange->embeddings,
                             span_str(attempt->backend->model), &text, usage);
    if (rc < 0)
        return rc;
    if (text.full)
        return -FAIL_OVERLOAD;
    attempt->body = json_out_span(&text);
    return 0;
}

/* Embeddings and counts of tokens: nothing but the whole body is an answer. */
static void finish_plain(struct attempt *attempt) {
    int rc = attempt->exchange->endpoint.kind == ENDPOINT_EMBEDDINGS
                 ? finish_embeddings(attempt)
                 : exchange_check_count(attempt->body);
    if (rc < 0) {
        attempt_end(attempt, (enum fail) - rc);
        return;
    }
    attempt->content = true;
    attempt->verbatim = true;
    report_content(attempt);
    if (attempt->state != ATTEMPT_ENDED)
        finish(attempt, CHAT_FINISH_STOP);
}

void attempt_finish_body(struct attempt *attempt) {
    attempt->body = span_of(attempt->carry.p ? attempt->carry.p + attempt->carry.begin : "",
                            carry_bytes(&attempt->carry));
    if (attempt_failed_status(attempt)) {
        finish_error(attempt);
        return;
    }
    if (!attempt->encoded->dialect) {
        finish_plain(attempt);
        return;
    }
    struct gathered gathered;
    struct chat_sink sink = sink_to(attempt, &gathered);
    attempt->encoded->dialect->read_body(&attempt->reader, attempt->body, sink);
    attempt->verbatim = merges(attempt); /* the provider's own body is what the client asked for */
    tell_and_judge(attempt, &gathered);
    if (attempt->state != ATTEMPT_ENDED)
        attempt_end(attempt, FAIL_INCOMPLETE);
}
