/* tape.h - reads an answer through a dialect, writes down what it gave, and relays it the way the
 * proxy does. For tests of dialects.
 *
 * The log has one word per event:
 *     start(ID,MODEL) text0(..) reason0(..) refusal0(..) call0.1(ID,NAME,ARGS) args0.1(..)
 *     signature0(..) redacted0(..) media0(NAME=JSON) extra0(NAME=JSON) finish0(stop) usage(IN,OUT,CACHED,REASONING) done
 *     error(FAIL,MESSAGE) other */
#ifndef TESTS_UNIT_PROVIDERS_TAPE_H
#define TESTS_UNIT_PROVIDERS_TAPE_H

#include "core/slab.h"
#include "net/sse.h"
#include "providers/provider.h"
#include "tests/test.h"

#define TAPE_EVENTS_MAX 600

struct tape {
    const struct dialect *dialect;
    struct memory memory;
    struct arena arena;
    struct chat_reader reader;
    struct chat_writer writer;                 /* of the relayed stream */
    struct chat_writer body;                   /* of the whole body */
    struct chat_event events[TAPE_EVENTS_MAX]; /* of the event being read */
    unsigned event_count;
    struct json_out log, relayed;
    char verdicts[200000]; /* A, D or R for each event read */
    size_t verdict_count;
    bool ended;
    unsigned contents; /* events of content */
    enum fail error;
};

static inline void tape_log(struct tape *t, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_out_raw(&t->log, span_of(text, (size_t)n));
}

static inline void tape_log_span(struct tape *t, struct span text, const char *then) {
    json_out_raw(&t->log, text);
    json_out_raw(&t->log, span_str(then));
}

static inline void tape_log_event(struct tape *t, const struct chat_event *e) {
    if (t->log.n)
        tape_log(t, " ");
    switch (e->kind) {
    case CHAT_START:
        tape_log(t, "start(");
        tape_log_span(t, e->id, ",");
        tape_log_span(t, e->name, ")");
        break;
    case CHAT_TEXT:
        tape_log(t, "text%u(", e->choice);
        tape_log_span(t, e->text, ")");
        break;
    case CHAT_REASONING:
        tape_log(t, "reason%u(", e->choice);
        tape_log_span(t, e->text, ")");
        break;
    case CHAT_REFUSAL:
        tape_log(t, "refusal%u(", e->choice);
        tape_log_span(t, e->text, ")");
        break;
    case CHAT_SIGNATURE:
        tape_log(t, "signature%u(", e->choice);
        tape_log_span(t, e->text, ")");
        break;
    case CHAT_REDACTED:
        tape_log(t, "redacted%u(", e->choice);
        tape_log_span(t, e->text, ")");
        break;
    case CHAT_TOOL_START:
        tape_log(t, "%s%u.%u(", e->custom ? "custom" : "call", e->choice, e->tool);
        tape_log_span(t, e->id, ",");
        tape_log_span(t, e->name, ",");
        tape_log_span(t, e->text, ")");
        break;
    case CHAT_TOOL_ARGS:
        tape_log(t, "args%u.%u(", e->choice, e->tool);
        tape_log_span(t, e->text, ")");
        break;
    case CHAT_MEDIA:
    case CHAT_EXTRA:
        tape_log(t, "%s%u(", e->kind == CHAT_MEDIA ? "media" : "extra", e->choice);
        tape_log_span(t, e->name, "=");
        tape_log_span(t, e->text, ")");
        break;
    case CHAT_FINISH: tape_log(t, "finish%u(%s)", e->choice, chat_finish_name(e->finish)); break;
    case CHAT_USAGE:
        tape_log(t, "usage(%llu,%llu,%llu,%llu)", (unsigned long long)e->usage.input_tokens,
                 (unsigned long long)e->usage.output_tokens,
                 (unsigned long long)e->usage.cached_tokens,
                 (unsigned long long)e->usage.reasoning_tokens);
        break;
    case CHAT_DONE: tape_log(t, "done"); break;
    case CHAT_ERROR:
        tape_log(t, "error(%s,", fail_name(e->error));
        tape_log_span(t, e->message, ")");
        break;
    case CHAT_OTHER: tape_log(t, "other"); break;
    }
}

static inline void tape_on_event(void *owner, const struct chat_event *event) {
    struct tape *t = owner;
    EXPECT(!t->ended);
    EXPECT(event->answer != NULL);
    tape_log_event(t, event);
    t->contents += chat_event_is_content(event);
    t->ended |= event->kind == CHAT_DONE || event->kind == CHAT_ERROR;
    if (event->kind == CHAT_ERROR)
        t->error = event->error;
    t->dialect->collect(&t->body, event);
    if (t->event_count < TAPE_EVENTS_MAX)
        t->events[t->event_count++] = *event;
    else
        FAIL_TEST("more than %d events at once", TAPE_EVENTS_MAX);
}

static inline struct chat_sink tape_sink(struct tape *t) {
    return (struct chat_sink){.event = tape_on_event, .owner = t};
}

/* usage: the client asked for the usage chunk. */
static inline struct tape *tape_of(const struct dialect *dialect, bool usage) {
    struct tape *t = calloc(1, sizeof *t);
    t->dialect = dialect;
    struct chat_request req = {.model = SPAN("asked"), .include_usage = usage};
    memory_init(&t->memory, (size_t)256 << 20, 0);
    arena_init(&t->arena, &t->memory);
    t->dialect->reader_init(&t->reader, &t->arena);
    t->reader.want_usage = usage;
    t->reader.strip_usage = !usage;
    t->dialect->writer_init(&t->writer, &t->arena, &req);
    t->dialect->writer_init(&t->body, &t->arena, &req);
    t->writer.created_s = t->body.created_s = 1700000000;
    json_out_arena(&t->log, &t->arena, 0);
    json_out_arena(&t->relayed, &t->arena, 0);
    return t;
}

static inline struct tape *tape_new(bool usage) { return tape_of(&dialect_openai_chat, usage); }

static inline void tape_free(struct tape *t) {
    arena_fini(&t->arena);
    memory_fini(&t->memory);
    free(t);
}

static inline void tape_close(struct tape *t) {
    for (unsigned i = 0; i < t->event_count; i++) {
        if (t->events[i].kind == CHAT_DONE)
            t->dialect->write_done(&t->writer, &t->reader, &t->relayed);
        if (t->events[i].kind == CHAT_ERROR)
            t->dialect->write_error_event(t->events[i].error, SPAN(""), &t->relayed);
    }
    t->event_count = 0;
}

/* One event's data, and what the relay does with it. */
static inline void tape_data(struct tape *t, struct span name, struct span data) {
    enum chat_relay relay = t->dialect->read_event(&t->reader, name, data, tape_sink(t));
    t->verdicts[t->verdict_count++] = "ADR"[relay];
    if (relay == CHAT_AS_IS) {
        json_out_raw(&t->relayed, SPAN("data: "));
        json_out_raw(&t->relayed, data);
        json_out_raw(&t->relayed, SPAN("\n\n"));
    }
    for (unsigned i = 0; relay == CHAT_REWRITE && i < t->event_count; i++)
        t->dialect->write_event(&t->writer, &t->events[i], &t->relayed);
    tape_close(t);
}

static inline void tape_end(struct tape *t) {
    t->dialect->read_end(&t->reader, tape_sink(t));
    tape_close(t);
}

static inline void tape_body(struct tape *t, struct span body) {
    t->dialect->read_body(&t->reader, body, tape_sink(t));
    t->event_count = 0;
}

static inline void tape_sse_event(struct tape *t, const struct sse_event *event) {
    char *joined = NULL;
    struct span data = event->data;
    if (event->data_lines == 0 && event->name.n == 0)
        return;
    if (event->data_lines > 1) {
        joined = malloc(event->raw.n);
        long n = sse_join(event, joined, event->raw.n);
        EXPECT(n >= 0);
        data = span_of(joined, (size_t)n);
    }
    tape_data(t, event->name, data);
    free(joined);
}

/* A whole stream that comes in two parts, cut at `cut`; a body that is no event stream is read as
 * one. */
static inline void tape_stream(struct tape *t, struct span bytes, size_t cut) {
    struct sse sse = {0};
    struct sse_event event;
    size_t at = 0;
    const size_t ends[] = {cut < bytes.n ? cut : bytes.n, bytes.n};
    for (int part = 0; part < 2; part++) {
        long used;
        /* A copy of exactly these bytes, so that a read behind them is seen. */
        size_t n = ends[part] - at;
        char *copy = malloc(n ? n : 1);
        size_t from = 0;
        memcpy(copy, bytes.p + at, n);
        while ((used = sse_next(&sse, span_of(copy + from, n - from), &event)) > 0) {
            tape_sse_event(t, &event);
            from += (size_t)used;
        }
        while (part == 1 && (used = sse_last(&sse, span_of(copy + from, n - from), &event)) > 0) {
            tape_sse_event(t, &event);
            from += (size_t)used;
        }
        at += from;
        free(copy);
    }
    if (sse.foreign && !t->verdict_count)
        tape_body(t, bytes);
    else
        tape_end(t);
}

static inline const char *tape_text(struct json_out *out) {
    json_out_raw(out, span_of("", 1));
    out->n--;
    return out->p;
}

#endif
