/* fuzz_converse_event.c - answers of Bedrock Converse. The first byte of the input says whether the
 * rest is a whole body ('b'), an error body ('e'), or lines of "NAME DATA", a message each. Held to:
 *   - START first and once, exactly one DONE or ERROR, and nothing after it; DONE behind a FINISH;
 *   - texts are what can stand in a JSON string; calls are counted from 0, each begun once before its
 *     arguments, and of a call that ended well the arguments are not empty. */
#include <stdlib.h>

#include "core/base.h"
#include "core/slab.h"
#include "providers/dialect.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define INPUT_MAX 4096
#define CALLS_MAX TOOL_CALLS_MAX

struct run {
    unsigned starts, ends, finishes, calls;
    bool arguments[CALLS_MAX];
};

static void check_raw(struct span raw) {
    struct json_out out;
    static char text[INPUT_MAX * 8];
    json_out_init(&out, text, sizeof text);
    json_out_escaped(&out, raw);
    CHECK(!out.full && json_check(json_out_span(&out), NULL, NULL) == 0);
}

static void on_event(void *owner, const struct chat_event *event) {
    struct run *r = owner;
    CHECK(r->ends == 0 && event->choice == 0 && event->answer);
    CHECK(event->kind != CHAT_REFUSAL && event->kind != CHAT_MEDIA && event->kind != CHAT_EXTRA);
    check_raw(event->text);
    check_raw(event->id);
    check_raw(event->name);
    check_raw(event->message);
    r->starts += event->kind == CHAT_START;
    r->ends += event->kind == CHAT_DONE || event->kind == CHAT_ERROR;
    CHECK(r->starts <= 1);
    CHECK(r->starts == 1 || event->kind == CHAT_ERROR || event->kind == CHAT_OTHER);
    if (event->kind == CHAT_TOOL_START)
        CHECK(event->tool == r->calls++ && r->calls <= CALLS_MAX);
    if (event->kind == CHAT_TOOL_ARGS) {
        CHECK(event->tool < r->calls && event->text.n > 0);
        r->arguments[event->tool] = true;
    }
    if (event->kind == CHAT_FINISH) {
        CHECK(r->finishes++ == 0 && event->finish != CHAT_FINISH_NONE);
        for (unsigned i = 0; i < r->calls; i++)
            CHECK(r->arguments[i]);
    }
    CHECK(event->kind != CHAT_DONE || r->finishes == 1);
    CHECK(event->kind != CHAT_ERROR || event->error != FAIL_NONE);
}

/* Hands over copies without a byte to spare. */
static void read_lines(struct chat_reader *reader, struct chat_sink sink, struct span rest) {
    while (rest.n) {
        struct span line = span_cut(&rest, '\n');
        struct span name = span_cut(&line, ' ');
        char *data = malloc(line.n ? line.n : 1);
        if (line.n)
            memcpy(data, line.p, line.n);
        dialect_converse.read_event(reader, name, span_of(data, line.n), sink);
        free(data);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct memory memory;
    struct arena arena;
    struct chat_reader reader;
    struct run run = {.starts = 0};
    struct chat_sink sink = {.event = on_event, .owner = &run};
    if (size < 1 || size > INPUT_MAX)
        return 0;
    struct span in = span_of((const char *)bytes + 1, size - 1);
    memory_init(&memory, (size_t)1 << 30, 0);
    arena_init(&arena, &memory);
    dialect_converse.reader_init(&reader, &arena);
    if (bytes[0] == 'e') {
        struct chat_error error;
        dialect_converse.read_error(in, &error);
        check_raw(error.message);
        check_raw(error.type);
    } else {
        if (bytes[0] == 'b')
            dialect_converse.read_body(&reader, in, sink);
        else
            read_lines(&reader, sink, in);
        CHECK(bytes[0] != 'b' || run.ends == 1);
        dialect_converse.read_end(&reader, sink);
        CHECK(run.ends == 1 && reader.ended);
    }
    arena_fini(&arena);
    memory_fini(&memory);
    return 0;
}
