/* fuzz_openai_chat_event.c - provider streams, from their bytes to what the client gets. The first
 * byte of the input says whether the client asked for usage, and whether it is a chat or one of the
 * old completions, which are read by the same files. Held to:
 *   - the same events and the same relayed bytes however the stream is cut in two;
 *   - exactly one DONE or ERROR, and nothing after it;
 *   - what is relayed is valid JSON, event for event, and read again there is nothing left to mend
 *   and the same to say; - the whole body made of it is valid JSON. */
#include <stdlib.h>

#include "core/base.h"
#include "core/slab.h"
#include "providers/provider.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Bits of the first byte. */
#define USAGE      1
#define COMPLETION 2

#define INPUT_MAX  2048
#define EVENTS_MAX (INPUT_MAX * 2)

static const struct dialect *dialect; /* of the input at hand */

struct run {
    struct memory memory;
    struct arena arena;
    struct chat_reader reader;
    struct chat_writer writer, body;
    struct chat_event events[EVENTS_MAX]; /* of the SSE event being read */
    unsigned event_count;
    struct json_out log, relayed;
    unsigned ends, rewrites;
    bool nameless; /* a call without a name cannot be mended */
};

static void log_span(struct run *r, struct span text) {
    json_out_raw(&r->log, text);
    json_out_raw(&r->log, SPAN("\x01"));
}

static void on_event(void *owner, const struct chat_event *event) {
    struct run *r = owner;
    CHECK(r->ends == 0);
    r->ends += event->kind == CHAT_DONE || event->kind == CHAT_ERROR;
    r->nameless |= event->kind == CHAT_TOOL_START && event->name.n == 0;
    /* Comments and merged members may come in other portions; what is said may not. */
    if (event->kind != CHAT_OTHER && event->kind != CHAT_EXTRA && event->kind != CHAT_USAGE &&
        event->kind != CHAT_START) {
        json_out_raw(&r->log, span_str(chat_event_name(event->kind)));
        json_out_int(&r->log, event->choice * 1000 + event->tool);
        log_span(r, event->text);
        log_span(r, event->name);
        json_out_raw(&r->log, span_str(chat_finish_name(event->finish)));
    }
    dialect->collect(&r->body, event);
    CHECK(r->event_count < EVENTS_MAX);
    r->events[r->event_count++] = *event;
}

static struct chat_sink sink_of(struct run *r) {
    return (struct chat_sink){.event = on_event, .owner = r};
}

static void run_init(struct run *r, bool usage) {
    struct chat_request req = {.model = SPAN("m"), .include_usage = usage};
    memory_init(&r->memory, (size_t)1 << 30, 0);
    arena_init(&r->arena, &r->memory);
    dialect->reader_init(&r->reader, &r->arena);
    r->reader.want_usage = usage;
    r->reader.strip_usage = !usage;
    dialect->writer_init(&r->writer, &r->arena, &req);
    dialect->writer_init(&r->body, &r->arena, &req);
    json_out_arena(&r->log, &r->arena, 0);
    json_out_arena(&r->relayed, &r->arena, 0);
    r->event_count = r->ends = r->rewrites = 0;
    r->nameless = false;
}

static void run_fini(struct run *r) {
    arena_fini(&r->arena);
    memory_fini(&r->memory);
}

static void finish_events(struct run *r) {
    for (unsigned i = 0; i < r->event_count; i++) {
        if (r->events[i].kind == CHAT_DONE)
            dialect->write_done(&r->writer, &r->reader, &r->relayed);
        if (r->events[i].kind == CHAT_ERROR)
            dialect->write_error_event(r->events[i].error, SPAN(""), &r->relayed);
    }
    r->event_count = 0;
}

static void read_one(struct run *r, const struct sse_event *event) {
    static char joined[INPUT_MAX * 64];
    if (event->data_lines == 0 && event->name.n == 0)
        return;
    long n = sse_join(event, joined, sizeof joined);
    CHECK(n >= 0);
    struct span data = span_of(joined, (size_t)n);
    enum chat_relay relay = dialect->read_event(&r->reader, event->name, data, sink_of(r));
    if (relay == CHAT_AS_IS) {
        CHECK(json_check(data, NULL, NULL) == 0 && !memchr(data.p, '\n', data.n));
        json_out_raw(&r->relayed, SPAN("data: "));
        json_out_raw(&r->relayed, data);
        json_out_raw(&r->relayed, SPAN("\n\n"));
    }
    r->rewrites += relay == CHAT_REWRITE;
    for (unsigned i = 0; relay == CHAT_REWRITE && i < r->event_count; i++)
        dialect->write_event(&r->writer, &r->events[i], &r->relayed);
    finish_events(r);
}

static void run_stream(struct run *r, struct span in, size_t cut) {
    struct sse sse = {0};
    struct sse_event event;
    size_t at = 0;
    long used;
    while ((used = sse_next(&sse, span_of(in.p + at, cut - at), &event)) > 0) {
        read_one(r, &event);
        at += (size_t)used;
    }
    while ((used = sse_next(&sse, span_of(in.p + at, in.n - at), &event)) > 0) {
        read_one(r, &event);
        at += (size_t)used;
    }
    while ((used = sse_last(&sse, span_of(in.p + at, in.n - at), &event)) > 0) {
        read_one(r, &event);
        at += (size_t)used;
    }
    dialect->read_end(&r->reader, sink_of(r));
    finish_events(r);
    CHECK(r->ends == 1);
}

static void check_same(struct span a, struct span b) { CHECK(span_eq(a, b)); }

static void check_relayed(struct span relayed) {
    struct sse sse = {0};
    struct sse_event event;
    long used;
    for (; (used = sse_next(&sse, relayed, &event)) > 0;
         relayed = span_from(relayed, (size_t)used)) {
        CHECK(event.data_lines == 1 && event.name.n == 0 && !event.foreign);
        CHECK(span_eq(event.data, SPAN("[DONE]")) || json_check(event.data, NULL, NULL) == 0);
    }
    CHECK(relayed.n == 0 && sse.foreign == 0);
}

static void check_body(struct run *r) {
    struct json_out out;
    json_out_arena(&out, &r->arena, 0);
    dialect->write_body(&r->body, &out);
    CHECK(!r->body.full && json_check(json_out_span(&out), NULL, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct run whole, other;
    if (size < 1 || size > INPUT_MAX)
        return 0;
    bool usage = bytes[0] & USAGE;
    dialect = bytes[0] & COMPLETION ? &dialect_openai_completions : &dialect_openai_chat;
    struct span in = span_of((const char *)bytes + 1, size - 1);
    run_init(&whole, usage);
    run_stream(&whole, in, in.n);
    struct span log = json_out_span(&whole.log), relayed = json_out_span(&whole.relayed);
    check_relayed(relayed);
    check_body(&whole);
    for (size_t cut = 0; cut < in.n; cut++) {
        run_init(&other, usage);
        run_stream(&other, in, cut);
        check_same(json_out_span(&other.log), log);
        check_same(json_out_span(&other.relayed), relayed);
        run_fini(&other);
    }
    if (!whole.nameless) {
        run_init(&other, usage);
        run_stream(&other, relayed, relayed.n);
        CHECK(other.rewrites == 0);
        run_fini(&other);
    }
    /* As one body it is some error or an answer, and that is all. */
    run_init(&other, usage);
    dialect->read_body(&other.reader, in, sink_of(&other));
    CHECK(other.ends == 1);
    check_body(&other);
    run_fini(&other);
    run_fini(&whole);
    return 0;
}
