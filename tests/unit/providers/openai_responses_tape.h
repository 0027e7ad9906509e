/* openai_responses_tape.h - reads an answer through the Responses dialect, writes down what it gave,
 * and relays, translates and collects it the way the proxy does. For tests of that dialect.
 *
 * The log has one word per event:
 *     start(ID,MODEL) text(..) reason(..) refusal(..) call0(ID,NAME,ARGS) custom0(..) args0(..)
 *     sealed(ID,..) media(NAME=JSON) finish(stop) usage(IN,OUT,CACHED,WRITTEN,REASONING) done
 *     error(FAIL,MESSAGE) other */
#ifndef TESTS_UNIT_PROVIDERS_OPENAI_RESPONSES_TAPE_H
#define TESTS_UNIT_PROVIDERS_OPENAI_RESPONSES_TAPE_H

#include "core/slab.h"
#include "net/sse.h"
#include "providers/provider.h"
#include "tests/test.h"

#define RESPONSES       (&dialect_openai_responses)
#define TAPE_EVENTS_MAX 4096

struct tape {
    struct memory memory;
    struct arena arena;
    struct chat_request req;
    struct chat_reader reader;
    struct chat_writer stream, body, merged;
    struct chat_event events[TAPE_EVENTS_MAX]; /* of the data being read */
    unsigned event_count;
    struct json_out log, relayed, written;
    char verdicts[20000]; /* A, D or R for each event read */
    size_t verdict_count;
    bool ended;
    unsigned contents;
    enum fail error;
};

static inline void tape_say(struct tape *t, const char *before, struct span text,
                            const char *after) {
    json_out_raw(&t->log, span_str(before));
    json_out_raw(&t->log, text);
    json_out_raw(&t->log, span_str(after));
}

static inline void tape_log_event(struct tape *t, const struct chat_event *e) {
    char number[200];
    if (t->log.n)
        json_out_raw(&t->log, SPAN(" "));
    switch (e->kind) {
    case CHAT_START:
        tape_say(t, "start(", e->id, ",");
        tape_say(t, "", e->name, ")");
        break;
    case CHAT_TEXT: tape_say(t, "text(", e->text, ")"); break;
    case CHAT_REASONING: tape_say(t, "reason(", e->text, ")"); break;
    case CHAT_REFUSAL: tape_say(t, "refusal(", e->text, ")"); break;
    case CHAT_SIGNATURE: tape_say(t, "signature(", e->text, ")"); break;
    case CHAT_REDACTED:
        EXPECT_EQ(e->signer, CHAT_SIGNER_OPENAI);
        tape_say(t, "sealed(", e->id, ",");
        tape_say(t, "", e->text, ")");
        break;
    case CHAT_TOOL_START:
        snprintf(number, sizeof number, "%s%u(", e->custom ? "custom" : "call", e->tool);
        tape_say(t, number, e->id, ",");
        tape_say(t, "", e->name, ",");
        tape_say(t, "", e->text, ")");
        break;
    case CHAT_TOOL_ARGS:
        snprintf(number, sizeof number, "args%u(", e->tool);
        tape_say(t, number, e->text, ")");
        break;
    case CHAT_MEDIA:
    case CHAT_EXTRA:
        tape_say(t, e->kind == CHAT_MEDIA ? "media(" : "extra(", e->name, "=");
        tape_say(t, "", e->text, ")");
        break;
    case CHAT_FINISH: tape_say(t, "finish(", span_str(chat_finish_name(e->finish)), ")"); break;
    case CHAT_USAGE:
        snprintf(number, sizeof number, "usage(%llu,%llu,%llu,%llu,%llu)",
                 (unsigned long long)e->usage.input_tokens,
                 (unsigned long long)e->usage.output_tokens,
                 (unsigned long long)e->usage.cached_tokens,
                 (unsigned long long)e->usage.cache_write_tokens,
                 (unsigned long long)e->usage.reasoning_tokens);
        tape_say(t, number, SPAN(""), "");
        break;
    case CHAT_DONE: tape_say(t, "done", SPAN(""), ""); break;
    case CHAT_ERROR:
        tape_say(t, "error(", span_str(fail_name(e->error)), ",");
        tape_say(t, "", e->message, ")");
        break;
    case CHAT_OTHER: tape_say(t, "other", SPAN(""), ""); break;
    }
}

static inline void tape_on_event(void *owner, const struct chat_event *event) {
    struct tape *t = owner;
    EXPECT(!t->ended);
    EXPECT(event->answer == &t->reader.answer);
    EXPECT_EQ(event->choice, 0);
    tape_log_event(t, event);
    t->contents += chat_event_is_content(event);
    t->ended |= event->kind == CHAT_DONE || event->kind == CHAT_ERROR;
    if (event->kind == CHAT_ERROR)
        t->error = event->error;
    if (t->event_count < TAPE_EVENTS_MAX)
        t->events[t->event_count++] = *event;
    else
        FAIL_TEST("more than %d events at once", TAPE_EVENTS_MAX);
}

static inline struct chat_sink tape_sink(struct tape *t) {
    return (struct chat_sink){.event = tape_on_event, .owner = t};
}

/* `body`: the client's request, or empty. */
static inline struct tape *tape_new(struct span body) {
    struct tape *t = calloc(1, sizeof *t);
    struct span why, param;
    memory_init(&t->memory, (size_t)512 << 20, 0);
    arena_init(&t->arena, &t->memory);
    t->req = (struct chat_request){.model = SPAN("asked")};
    if (body.n)
        EXPECT_EQ(RESPONSES->read_request(body, &t->arena, &t->req, &why, &param), 0);
    RESPONSES->reader_init(&t->reader, &t->arena);
    RESPONSES->writer_init(&t->stream, &t->arena, &t->req);
    RESPONSES->writer_init(&t->body, &t->arena, &t->req);
    RESPONSES->writer_init(&t->merged, &t->arena, &t->req);
    t->stream.created_s = t->body.created_s = t->merged.created_s = 1700000000;
    json_out_arena(&t->log, &t->arena, 0);
    json_out_arena(&t->relayed, &t->arena, 0);
    json_out_arena(&t->written, &t->arena, 0);
    return t;
}

static inline void tape_free(struct tape *t) {
    arena_fini(&t->arena);
    memory_fini(&t->memory);
    free(t);
}

/* What the engine does with the events of one step: a translated stream, and one body. */
static inline void tape_settle(struct tape *t) {
    for (unsigned i = 0; i < t->event_count; i++) {
        const struct chat_event *e = &t->events[i];
        RESPONSES->collect(&t->body, e);
        if (e->kind == CHAT_DONE) {
            /* As between dialects: the terminal event is the writer's. */
            struct chat_reader other = t->reader;
            other.end_relayed = false;
            RESPONSES->write_done(&t->stream, &other, &t->written);
        } else if (e->kind == CHAT_ERROR) {
            RESPONSES->write_error_event(e->error, SPAN(""), &t->written);
            RESPONSES->write_error_event(e->error, SPAN(""), &t->relayed);
        } else {
            RESPONSES->write_event(&t->stream, e, &t->written);
        }
    }
    t->event_count = 0;
}

static inline void tape_data(struct tape *t, struct span name, struct span data) {
    enum chat_relay relay = RESPONSES->read_event(&t->reader, name, data, tape_sink(t));
    if (t->verdict_count + 1 < sizeof t->verdicts)
        t->verdicts[t->verdict_count++] = "ADR"[relay];
    RESPONSES->merge(&t->merged, name, data);
    if (relay == CHAT_AS_IS) {
        json_out_raw(&t->relayed, SPAN("event: "));
        json_out_raw(&t->relayed, name);
        json_out_raw(&t->relayed, SPAN("\ndata: "));
        json_out_raw(&t->relayed, data);
        json_out_raw(&t->relayed, SPAN("\n\n"));
    }
    tape_settle(t);
}

static inline void tape_end(struct tape *t) {
    RESPONSES->read_end(&t->reader, tape_sink(t));
    tape_settle(t);
}

static inline void tape_body(struct tape *t, struct span body) {
    RESPONSES->read_body(&t->reader, body, tape_sink(t));
    RESPONSES->merge(&t->merged, SPAN(""), body);
    tape_settle(t);
}

/* A whole stream that comes in two parts, cut at `cut`. */
static inline void tape_stream(struct tape *t, struct span bytes, size_t cut) {
    struct sse sse = {0};
    struct sse_event event;
    size_t at = 0;
    const size_t ends[] = {cut < bytes.n ? cut : bytes.n, bytes.n};
    for (int part = 0; part < 2; part++) {
        long used;
        /* A copy of exactly these bytes, so that a read behind them is seen. */
        size_t n = ends[part] - at, from = 0;
        char *copy = malloc(n ? n : 1);
        memcpy(copy, bytes.p + at, n);
        while ((used = sse_next(&sse, span_of(copy + from, n - from), &event)) > 0 ||
               (part == 1 && (used = sse_last(&sse, span_of(copy + from, n - from), &event)) > 0)) {
            if (event.data_lines == 1)
                tape_data(t, event.name, event.data);
            EXPECT(event.data_lines <= 1);
            from += (size_t)used;
        }
        at += from;
        free(copy);
    }
    tape_end(t);
}

static inline const char *tape_text(struct json_out *out) {
    json_out_raw(out, span_of("", 1));
    out->n--;
    return out->p;
}

#endif
