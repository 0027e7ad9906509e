/* fuzz_gemini_event.c - Gemini streams and bodies, from their bytes to what a Gemini client gets. Held
 * to:
 *   - exactly one DONE or ERROR, and nothing after it;
 *   - what the writer makes of the events is valid, event for event, and read again it is an answer
 *     as whole as the first, with the same text and calls;
 *   - the whole bodies that are collected and merged are valid JSON. */
#include <stdlib.h>

#include "core/base.h"
#include "core/slab.h"
#include "net/sse.h"
#include "providers/gemini.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define INPUT_MAX 8192

struct run {
    struct memory memory;
    struct arena arena;
    struct chat_reader reader;
    struct chat_writer stream, body, merged;
    struct json_out said, written; /* text, thoughts and arguments, run together by kind */
    struct json_out args;
    unsigned ends;
    bool done, other; /* other: said in a form that is not written back (audio) */
};

static void on_event(void *owner, const struct chat_event *event) {
    struct run *r = owner;
    CHECK(r->ends == 0 && event->answer);
    r->ends += event->kind == CHAT_DONE || event->kind == CHAT_ERROR;
    r->done |= event->kind == CHAT_DONE;
    if (event->kind == CHAT_TEXT && event->choice == 0)
        json_out_raw(&r->said, event->text);
    if (event->kind == CHAT_TOOL_ARGS && event->choice == 0)
        json_out_raw(&r->args, event->text);
    dialect_gemini.collect(&r->body, event);
    if (event->kind == CHAT_DONE)
        dialect_gemini.write_done(&r->stream, &r->reader, &r->written);
    else if (event->kind != CHAT_ERROR)
        dialect_gemini.write_event(&r->stream, event, &r->written);
}

static struct chat_sink sink_of(struct run *r) {
    return (struct chat_sink){.event = on_event, .owner = r};
}

static void run_init(struct run *r) {
    struct chat_request req = {.model = SPAN("m")};
    *r = (struct run){.ends = 0};
    memory_init(&r->memory, (size_t)1 << 30, 0);
    arena_init(&r->arena, &r->memory);
    dialect_gemini.reader_init(&r->reader, &r->arena);
    dialect_gemini.writer_init(&r->stream, &r->arena, &req);
    dialect_gemini.writer_init(&r->body, &r->arena, &req);
    dialect_gemini.writer_init(&r->merged, &r->arena, &req);
    json_out_arena(&r->said, &r->arena, 0);
    json_out_arena(&r->args, &r->arena, 0);
    json_out_arena(&r->written, &r->arena, 0);
}

static void run_fini(struct run *r) {
    arena_fini(&r->arena);
    memory_fini(&r->memory);
}

static void run_stream(struct run *r, struct span in) {
    static char joined[INPUT_MAX * 64];
    struct sse sse = {0};
    struct sse_event event;
    long used;
    while ((used = sse_next(&sse, in, &event)) > 0 || (used = sse_last(&sse, in, &event)) > 0) {
        in = span_from(in, (size_t)used);
        long n = event.data_lines ? sse_join(&event, joined, sizeof joined) : -1;
        if (n < 0)
            continue;
        struct span data = span_of(joined, (size_t)n);
        enum chat_relay relay = dialect_gemini.read_event(&r->reader, event.name, data, sink_of(r));
        if (relay == CHAT_AS_IS)
            CHECK(json_check(data, NULL, NULL) == 0 && !memchr(data.p, '\n', data.n));
        dialect_gemini.merge(&r->merged, event.name, data);
    }
    dialect_gemini.read_end(&r->reader, sink_of(r));
    CHECK(r->ends == 1);
}

static void check_body(struct run *r, struct chat_writer *writer) {
    struct json_out out;
    json_out_arena(&out, &r->arena, 0);
    dialect_gemini.write_body(writer, &out);
    CHECK(!writer->full && json_check(json_out_span(&out), NULL, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct run first, second;
    if (size < 1 || size > INPUT_MAX)
        return 0;
    struct span in = span_of((const char *)bytes, size);
    run_init(&first);
    run_stream(&first, in);
    check_body(&first, &first.body);
    check_body(&first, &first.merged);
    if (first.done) {
        run_init(&second);
        run_stream(&second, json_out_span(&first.written));
        CHECK(second.done);
        CHECK(span_eq(json_out_span(&first.said), json_out_span(&second.said)));
        check_body(&second, &second.merged);
        run_fini(&second);
    }
    run_fini(&first);
    run_init(&first);
    dialect_gemini.read_body(&first.reader, in, sink_of(&first));
    CHECK(first.ends == 1);
    check_body(&first, &first.body);
    run_fini(&first);
    return 0;
}
