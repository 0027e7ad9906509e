/* fuzz_anthropic_event.c - Messages streams, from their bytes to what clients get. Held to:
 *   - the same events, and the same bytes for clients, however the stream is cut in two;
 *   - exactly one DONE or ERROR, and nothing after it;
 *   - written anew, whatever the order of its events, it is a legal stream, which read again says the
 *     same and merged is a Message;
 *   - the collected and the merged body are valid JSON. */
#include <stdlib.h>

#include "core/base.h"
#include "core/slab.h"
#include "providers/anthropic.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define INPUT_MAX 2048
#define CUTS_MAX  100

struct run {
    struct memory memory;
    struct arena arena;
    struct chat_reader reader;
    struct chat_writer stream, body, merged;
    struct json_out log, streamed, relayed;
    unsigned ends, rewrites;
    bool done;
};

static void on_event(void *owner, const struct chat_event *event) {
    struct run *r = owner;
    CHECK(r->ends == 0 && event->answer);
    r->ends += event->kind == CHAT_DONE || event->kind == CHAT_ERROR;
    r->done |= event->kind == CHAT_DONE;
    if (event->kind != CHAT_OTHER) {
        json_out_raw(&r->log, span_str(chat_event_name(event->kind)));
        json_out_raw(&r->log, span_of((const char *)&event->tool, sizeof event->tool));
        json_out_raw(&r->log, event->text);
        json_out_raw(&r->log, SPAN("\x01"));
        json_out_raw(&r->log, event->name);
        json_out_raw(&r->log, span_str(chat_finish_name(event->finish)));
    }
    dialect_anthropic.collect(&r->body, event);
    if (event->kind != CHAT_ERROR)
        dialect_anthropic.write_event(&r->stream, event, &r->streamed);
}

static struct chat_sink sink_of(struct run *r) {
    return (struct chat_sink){.event = on_event, .owner = r};
}

static void run_init(struct run *r) {
    struct chat_request req = {.model = SPAN("m"), .include_usage = true};
    *r = (struct run){.ends = 0};
    memory_init(&r->memory, (size_t)1 << 30, 0);
    arena_init(&r->arena, &r->memory);
    dialect_anthropic.reader_init(&r->reader, &r->arena);
    dialect_anthropic.writer_init(&r->stream, &r->arena, &req);
    dialect_anthropic.writer_init(&r->body, &r->arena, &req);
    dialect_anthropic.writer_init(&r->merged, &r->arena, &req);
    json_out_arena(&r->log, &r->arena, 0);
    json_out_arena(&r->streamed, &r->arena, 0);
    json_out_arena(&r->relayed, &r->arena, 0);
}

static void run_fini(struct run *r) {
    arena_fini(&r->arena);
    memory_fini(&r->memory);
}

static void read_one(struct run *r, const struct sse_event *event) {
    static char joined[INPUT_MAX * 64];
    if (event->data_lines == 0 && event->name.n == 0)
        return;
    long n = sse_join(event, joined, sizeof joined);
    CHECK(n >= 0);
    struct span data = span_of(joined, (size_t)n);
    enum chat_relay relay = dialect_anthropic.read_event(&r->reader, event->name, data, sink_of(r));
    dialect_anthropic.merge(&r->merged, event->name, data);
    r->rewrites += relay == CHAT_REWRITE;
    if (relay == CHAT_AS_IS) {
        CHECK(json_check(data, NULL, NULL) == 0);
        json_out_raw(&r->relayed, data);
    }
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
    dialect_anthropic.read_end(&r->reader, sink_of(r));
    CHECK(r->ends == 1);
}

/* --- the legal stream, by its events' names and indexes alone --- */

static bool is(struct span name, const char *word) { return span_eq(name, span_str(word)); }

static void check_legal(struct span stream, bool whole) {
    static const struct span index_path[] = {SPAN_CONST("index")};
    enum { BEFORE, BETWEEN, OPEN, ENDING, STOPPED } state = BEFORE;
    struct sse sse = {0};
    struct sse_event event;
    uint64_t next = 0;
    long used;
    for (; stream.n && (used = sse_next(&sse, stream, &event)) > 0;
         stream = span_from(stream, (size_t)used)) {
        struct json_token index;
        uint64_t at = UINT64_MAX;
        CHECK(event.data_lines == 1 && json_check(event.data, NULL, NULL) == 0);
        if (json_find(event.data, index_path, 1, &index))
            CHECK(span_u64(index.raw, UINT32_MAX, &at) && at == next);
        if (is(event.name, "message_start")) {
            CHECK(state == BEFORE);
            state = BETWEEN;
        } else if (is(event.name, "content_block_start")) {
            CHECK(state == BETWEEN && at == next);
            state = OPEN;
        } else if (is(event.name, "content_block_delta")) {
            CHECK(state == OPEN && at == next);
        } else if (is(event.name, "content_block_stop")) {
            CHECK(state == OPEN && at == next++);
            state = BETWEEN;
        } else if (is(event.name, "message_delta")) {
            CHECK(state == BETWEEN);
            state = ENDING;
        } else {
            CHECK(is(event.name, "message_stop") && state == ENDING);
            state = STOPPED;
        }
    }
    CHECK(stream.n == 0 && sse.foreign == 0 && (!whole || state == STOPPED));
}

static void check_body(struct run *r, struct chat_writer *writer) {
    struct json_out out;
    json_out_arena(&out, &r->arena, 0);
    dialect_anthropic.write_body(writer, &out);
    CHECK(writer->full || json_check(json_out_span(&out), NULL, NULL) == 0);
}

static void check_again(struct run *r) {
    static struct run again;
    run_init(&again);
    struct span streamed = json_out_span(&r->streamed);
    run_stream(&again, streamed, streamed.n);
    CHECK(again.done && again.rewrites == 0);
    check_body(&again, &again.merged);
    /* What was written in order is in order when it is written again. */
    CHECK(span_eq(json_out_span(&again.streamed), streamed));
    run_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct run whole, other;
    if (size > INPUT_MAX)
        return 0;
    struct span in = span_of((const char *)bytes, size);
    run_init(&whole);
    run_stream(&whole, in, in.n);
    check_legal(json_out_span(&whole.streamed), whole.done);
    check_body(&whole, &whole.body);
    check_body(&whole, &whole.merged);
    if (whole.done && !whole.stream.full)
        check_again(&whole);
    /* At every byte of short inputs, and evenly spread over long ones. */
    for (size_t cut = 0; cut < in.n; cut += 1 + in.n / CUTS_MAX) {
        run_init(&other);
        run_stream(&other, in, cut);
        CHECK(span_eq(json_out_span(&other.log), json_out_span(&whole.log)));
        CHECK(span_eq(json_out_span(&other.streamed), json_out_span(&whole.streamed)));
        CHECK(span_eq(json_out_span(&other.relayed), json_out_span(&whole.relayed)));
        run_fini(&other);
    }
    /* As one body it is some error or an answer, and that is all. */
    run_init(&other);
    dialect_anthropic.read_body(&other.reader, in, sink_of(&other));
    CHECK(other.ends == 1);
    check_body(&other, &other.body);
    check_legal(json_out_span(&other.streamed), other.done);
    run_fini(&other);
    run_fini(&whole);
    return 0;
}
