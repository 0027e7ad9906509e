/* test_gemini_bench.h - what the tests of the Gemini dialect share: memory, JSON compared with yyjson,
 * and a log of canonical events.
 *
 * The log has one word per event:
 *     start(ID,MODEL) text0(..) reason0(..) sign0(..) signcall0.1(..) call0.1(ID,NAME) args0.1(..)
 *     media0(NAME=JSON) finish0(stop) usage(IN,OUT,CACHED,REASONING) done error(FAIL,MESSAGE) other */
#ifndef TESTS_UNIT_PROVIDERS_TEST_GEMINI_BENCH_H
#define TESTS_UNIT_PROVIDERS_TEST_GEMINI_BENCH_H

#include <glob.h>

#include <yyjson.h>

#include "core/base.h"
#include "core/slab.h"
#include "net/sse.h"
#include "providers/gemini.h"
#include "providers/provider.h"
#include "tests/test.h"

struct bench {
    struct memory memory;
    struct arena arena;
    struct span why, param;
    struct chat_reader reader;
    struct chat_writer stream, body; /* fed with every event */
    struct json_out log, written;
    enum fail error;
    bool done, ended;
    char verdicts[4000];
    unsigned verdict_count;
};

static inline struct bench *bench_new(void) {
    struct bench *b = calloc(1, sizeof *b);
    struct chat_request req = {.model = SPAN("asked")};
    memory_init(&b->memory, (size_t)512 << 20, 0);
    arena_init(&b->arena, &b->memory);
    dialect_gemini.reader_init(&b->reader, &b->arena);
    dialect_gemini.writer_init(&b->stream, &b->arena, &req);
    dialect_gemini.writer_init(&b->body, &b->arena, &req);
    json_out_arena(&b->log, &b->arena, 0);
    json_out_arena(&b->written, &b->arena, 0);
    return b;
}

static inline void bench_free(struct bench *b) {
    arena_fini(&b->arena);
    memory_fini(&b->memory);
    free(b);
}

static inline const char *bench_text(struct json_out *out) {
    json_out_raw(out, span_of("", 1));
    out->n--;
    return out->p;
}

static inline void bench_log(struct bench *b, const char *format, ...) {
    char text[300];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_out_raw(&b->log, span_of(text, (size_t)n));
}

static inline void bench_event(void *owner, const struct chat_event *e) {
    struct bench *b = owner;
    struct span text = e->text;
    EXPECT(!b->ended);
    EXPECT(e->answer != NULL);
    dialect_gemini.collect(&b->body, e);
    if (e->kind != CHAT_DONE && e->kind != CHAT_ERROR)
        dialect_gemini.write_event(&b->stream, e, &b->written);
    if (b->log.n)
        bench_log(b, " ");
    switch (e->kind) {
    case CHAT_START:
        bench_log(b, "start(%.*s,%.*s)", (int)e->id.n, e->id.p, (int)e->name.n, e->name.p);
        return;
    case CHAT_TEXT: bench_log(b, "text%u(", e->choice); break;
    case CHAT_REASONING: bench_log(b, "reason%u(", e->choice); break;
    case CHAT_REFUSAL: bench_log(b, "refusal%u(", e->choice); break;
    case CHAT_SIGNATURE:
        EXPECT_EQ(e->signer, CHAT_SIGNER_GOOGLE);
        if (e->of_tool)
            bench_log(b, "signcall%u.%u(", e->choice, e->tool);
        else
            bench_log(b, "sign%u(", e->choice);
        break;
    case CHAT_TOOL_START:
        bench_log(b, "call%u.%u(%.*s,%.*s", e->choice, e->tool, (int)e->id.n, e->id.p,
                  (int)e->name.n, e->name.p);
        break;
    case CHAT_TOOL_ARGS: bench_log(b, "args%u.%u(", e->choice, e->tool); break;
    case CHAT_MEDIA:
    case CHAT_EXTRA: bench_log(b, "media%u(%.*s=", e->choice, (int)e->name.n, e->name.p); break;
    case CHAT_REDACTED: bench_log(b, "redacted("); break;
    case CHAT_FINISH: bench_log(b, "finish%u(%s)", e->choice, chat_finish_name(e->finish)); return;
    case CHAT_USAGE:
        bench_log(b, "usage(%d,%d,%d,%d)", (int)e->usage.input_tokens, (int)e->usage.output_tokens,
                  (int)e->usage.cached_tokens, (int)e->usage.reasoning_tokens);
        return;
    case CHAT_DONE:
        b->done = b->ended = true;
        dialect_gemini.write_done(&b->stream, &b->reader, &b->written);
        bench_log(b, "done");
        return;
    case CHAT_ERROR:
        b->ended = true;
        b->error = e->error;
        bench_log(b, "error(%s,%.*s)", fail_name(e->error), (int)e->message.n, e->message.p);
        return;
    case CHAT_OTHER: bench_log(b, "other"); return;
    }
    json_out_raw(&b->log, text);
    json_out_raw(&b->log, SPAN(")"));
}

static inline struct chat_sink bench_sink(struct bench *b) {
    return (struct chat_sink){.event = bench_event, .owner = b};
}

static inline enum chat_relay bench_data(struct bench *b, struct span data) {
    /* A copy of exactly these bytes, so that a read behind them, or later, is seen. */
    char *copy = malloc(data.n ? data.n : 1);
    memcpy(copy, data.p, data.n);
    enum chat_relay relay =
        dialect_gemini.read_event(&b->reader, SPAN(""), span_of(copy, data.n), bench_sink(b));
    free(copy);
    if (b->verdict_count < sizeof b->verdicts - 1)
        b->verdicts[b->verdict_count++] = "ADR"[relay];
    return relay;
}

static inline void bench_end(struct bench *b) {
    dialect_gemini.read_end(&b->reader, bench_sink(b));
}

static inline void bench_body(struct bench *b, struct span body) {
    dialect_gemini.read_body(&b->reader, body, bench_sink(b));
}

/* A whole SSE stream; what is no stream is read as a body, as the proxy does. */
static inline void bench_stream(struct bench *b, struct span bytes) {
    struct sse sse = {0};
    struct sse_event event;
    struct span at = bytes;
    long used;
    while (at.n && (at.p[0] == '\r' || at.p[0] == '\n'))
        at = span_from(at, 1);
    if (at.n && (at.p[0] == '{' || at.p[0] == '[' || at.p[0] == '<')) {
        bench_body(b, bytes);
        return;
    }
    at = bytes;
    while ((used = sse_next(&sse, at, &event)) > 0 || (used = sse_last(&sse, at, &event)) > 0) {
        at = span_from(at, (size_t)used);
        if (event.data_lines == 0)
            continue;
        EXPECT(event.data_lines == 1);
        bench_data(b, event.data);
    }
    bench_end(b);
}

static inline bool same_json(struct span a, struct span b) {
    yyjson_doc *x = yyjson_read(a.p, a.n, 0), *y = yyjson_read(b.p, b.n, 0);
    bool same = x && y && yyjson_equals(yyjson_doc_get_root(x), yyjson_doc_get_root(y));
    yyjson_doc_free(x);
    yyjson_doc_free(y);
    return same;
}

#define EXPECT_JSON(got, want)                                                          \
    do {                                                                                \
        struct span got_ = (got), want_ = (want);                                       \
        if (!same_json(got_, want_))                                                    \
            FAIL_TEST("is %.*s, not %.*s", (int)got_.n, got_.p, (int)want_.n, want_.p); \
        else                                                                            \
            EXPECT(true);                                                               \
    } while (0)

#endif
