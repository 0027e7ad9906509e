/* test_anthropic_bench.h - what the tests of the Anthropic dialect share: memory, JSON compared with
 * yyjson, a log of canonical events, and a checker of event streams that knows nothing of the product.
 *
 * The log has one word per event:
 *     start(ID,MODEL) text(..) reason(..) sign(..) redacted(..) call0(ID,NAME) args0(..)
 *     finish(stop[,SEQUENCE]) usage(IN,OUT,CACHED,WRITTEN,REASONING) done error(FAIL,MESSAGE) other */
#ifndef TESTS_UNIT_PROVIDERS_TEST_ANTHROPIC_BENCH_H
#define TESTS_UNIT_PROVIDERS_TEST_ANTHROPIC_BENCH_H

#include <glob.h>
#include <inttypes.h>

#include <yyjson.h>

#include "core/base.h"
#include "core/slab.h"
#include "net/sse.h"
#include "providers/anthropic.h"
#include "tests/test.h"

struct bench {
    struct memory memory;
    struct arena arena;
    struct span why, param;
};

static inline void bench_init(struct bench *b) {
    *b = (struct bench){.why = SPAN("")};
    memory_init(&b->memory, (size_t)256 << 20, 0);
    arena_init(&b->arena, &b->memory);
}

static inline void bench_fini(struct bench *b) {
    arena_fini(&b->arena);
    memory_fini(&b->memory);
}

/* A NUL behind what was written. */
static inline const char *bench_text(struct json_out *out) {
    json_out_raw(out, span_of("", 1));
    out->n--;
    return out->p;
}

/* Equal as JSON values, members in any order. */
static inline bool same_json(const char *a, size_t a_n, const char *b, size_t b_n) {
    yyjson_doc *x = yyjson_read(a, a_n, 0), *y = yyjson_read(b, b_n, 0);
    bool same = x && y && yyjson_equals(yyjson_doc_get_root(x), yyjson_doc_get_root(y));
    yyjson_doc_free(x);
    yyjson_doc_free(y);
    return same;
}

#define EXPECT_JSON(got, want)                                                         \
    do {                                                                               \
        struct span got_ = (got), want_ = (want);                                      \
        if (!same_json(got_.p, got_.n, want_.p, want_.n))                              \
            FAIL_TEST("is %.*s, not %.*s", (int)(got_.n < 900 ? got_.n : 900), got_.p, \
                      (int)(want_.n < 900 ? want_.n : 900), want_.p);                  \
        else                                                                           \
            EXPECT(true);                                                              \
    } while (0)

/* What edits make of a body; checks their order on the way. */
static inline struct span bench_apply(struct bench *b, struct span body,
                                      const struct chat_edit *edits, int count) {
    struct json_out out;
    size_t at = 0;
    json_out_arena(&out, &b->arena, body.n + 1);
    for (int i = 0; i < count; i++) {
        EXPECT(edits[i].at >= at && edits[i].at + edits[i].remove <= body.n);
        json_out_raw(&out, span_of(body.p + at, edits[i].at - at));
        json_out_raw(&out, edits[i].insert);
        at = edits[i].at + edits[i].remove;
    }
    json_out_raw(&out, span_from(body, at));
    bench_text(&out);
    return json_out_span(&out);
}

/* --- reading an answer --- */

enum { KEPT_MAX = 8192 };

struct tape {
    struct bench bench;
    struct chat_reader reader;
    struct chat_writer stream; /* write_event of everything: another dialect's client */
    struct chat_writer relay;  /* of a client of the same dialect */
    struct chat_writer body;   /* collect */
    struct chat_writer merged; /* merge */
    struct json_out log, streamed, relayed;
    struct chat_event events[KEPT_MAX]; /* of the SSE event being read */
    unsigned event_count;
    char verdicts[20000];
    size_t verdict_count;
    unsigned ends, contents;
    enum fail error;
};

static inline void tape_put(struct tape *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static inline void tape_put(struct tape *t, const char *format, ...) {
    char text[400];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_out_raw(&t->log, span_of(text, (size_t)n));
}

static inline void tape_word(struct tape *t, const char *name, struct span text) {
    tape_put(t, "%s(", name);
    json_out_raw(&t->log, text);
    tape_put(t, ")");
}

static inline void tape_log(struct tape *t, const struct chat_event *e) {
    char name[40];
    if (t->log.n)
        tape_put(t, " ");
    switch (e->kind) {
    case CHAT_START:
        tape_put(t, "start(%.*s,%.*s)", (int)e->id.n, e->id.p, (int)e->name.n, e->name.p);
        break;
    case CHAT_TEXT: tape_word(t, "text", e->text); break;
    case CHAT_REASONING: tape_word(t, "reason", e->text); break;
    case CHAT_REFUSAL: tape_word(t, "refusal", e->text); break;
    case CHAT_SIGNATURE:
        EXPECT_EQ(e->signer, CHAT_SIGNER_ANTHROPIC);
        tape_word(t, "sign", e->text);
        break;
    case CHAT_REDACTED:
        EXPECT_EQ(e->signer, CHAT_SIGNER_ANTHROPIC);
        tape_word(t, "redacted", e->text);
        break;
    case CHAT_TOOL_START:
        tape_put(t, "call%u(%.*s,%.*s)", e->tool, (int)e->id.n, e->id.p, (int)e->name.n, e->name.p);
        break;
    case CHAT_TOOL_ARGS:
        snprintf(name, sizeof name, "args%u", e->tool);
        tape_word(t, name, e->text);
        break;
    case CHAT_FINISH:
        tape_put(t, "finish(%s%s%.*s)", chat_finish_name(e->finish), e->text.n ? "," : "",
                 (int)e->text.n, e->text.n ? e->text.p : "");
        break;
    case CHAT_USAGE:
        tape_put(t, "usage(%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ")",
                 e->usage.input_tokens, e->usage.output_tokens, e->usage.cached_tokens,
                 e->usage.cache_write_tokens, e->usage.reasoning_tokens);
        break;
    case CHAT_DONE: tape_put(t, "done"); break;
    case CHAT_ERROR:
        tape_put(t, "error(%s,%.*s)", fail_name(e->error), (int)e->message.n,
                 e->message.n ? e->message.p : "");
        break;
    case CHAT_MEDIA:
    case CHAT_EXTRA:
    case CHAT_OTHER: tape_put(t, "%s", chat_event_name(e->kind)); break;
    }
}

static inline void tape_on_event(void *owner, const struct chat_event *event) {
    struct tape *t = owner;
    EXPECT_EQ(t->ends, 0);
    EXPECT(event->answer != NULL);
    tape_log(t, event);
    t->contents += chat_event_is_content(event);
    t->ends += event->kind == CHAT_DONE || event->kind == CHAT_ERROR;
    if (event->kind == CHAT_ERROR)
        t->error = event->error;
    dialect_anthropic.collect(&t->body, event);
    if (event->kind != CHAT_DONE && event->kind != CHAT_ERROR)
        dialect_anthropic.write_event(&t->stream, event, &t->streamed);
    if (t->event_count < KEPT_MAX)
        t->events[t->event_count++] = *event;
}

static inline struct chat_sink tape_sink(struct tape *t) {
    return (struct chat_sink){.event = tape_on_event, .owner = t};
}

static inline struct tape *tape_new(void) {
    struct tape *t = calloc(1, sizeof *t);
    struct chat_request req = {.model = SPAN("asked"), .include_usage = true};
    bench_init(&t->bench);
    struct arena *arena = &t->bench.arena;
    dialect_anthropic.reader_init(&t->reader, arena);
    dialect_anthropic.writer_init(&t->stream, arena, &req);
    dialect_anthropic.writer_init(&t->relay, arena, &req);
    dialect_anthropic.writer_init(&t->body, arena, &req);
    dialect_anthropic.writer_init(&t->merged, arena, &req);
    json_out_arena(&t->log, arena, 0);
    json_out_arena(&t->streamed, arena, 0);
    json_out_arena(&t->relayed, arena, 0);
    return t;
}

static inline void tape_free(struct tape *t) {
    bench_fini(&t->bench);
    free(t);
}

/* The ends as the relay writes them. */
static inline void tape_close(struct tape *t) {
    for (unsigned i = 0; i < t->event_count; i++) {
        if (t->events[i].kind == CHAT_DONE) {
            dialect_anthropic.write_done(&t->relay, &t->reader, &t->relayed);
            dialect_anthropic.write_done(&t->stream, &t->reader, &t->streamed);
        }
        if (t->events[i].kind == CHAT_ERROR) {
            dialect_anthropic.write_error_event(t->error, SPAN(""), &t->relayed);
            dialect_anthropic.write_error_event(t->error, SPAN(""), &t->streamed);
        }
    }
    t->event_count = 0;
}

static inline void tape_event(struct tape *t, const struct sse_event *event) {
    char *joined = malloc(event->raw.n + 1);
    if (event->data_lines > 0 || event->name.n > 0) {
        long n = sse_join(event, joined, event->raw.n);
        struct span data = span_of(joined, n > 0 ? (size_t)n : 0);
        enum chat_relay verdict =
            dialect_anthropic.read_event(&t->reader, event->name, data, tape_sink(t));
        if (t->verdict_count < sizeof t->verdicts - 1)
            t->verdicts[t->verdict_count++] = "ADR"[verdict];
        dialect_anthropic.merge(&t->merged, event->name, data);
        if (verdict == CHAT_AS_IS)
            json_out_raw(&t->relayed, event->raw);
        for (unsigned i = 0; verdict == CHAT_REWRITE && i < t->event_count; i++)
            if (t->events[i].kind != CHAT_DONE && t->events[i].kind != CHAT_ERROR)
                dialect_anthropic.write_event(&t->relay, &t->events[i], &t->relayed);
        tape_close(t);
    }
    free(joined);
}

/* A stream that comes in pieces of at most `piece` bytes. */
static inline void tape_stream(struct tape *t, struct span bytes, size_t piece) {
    struct sse sse = {0};
    struct sse_event event;
    size_t n = 0, at = 0;
    char *carry = malloc(bytes.n + 1);
    long used;
    while (at < bytes.n) {
        size_t more = min_size(piece, bytes.n - at);
        memcpy(carry + n, bytes.p + at, more);
        at += more;
        n += more;
        while (n && (used = sse_next(&sse, span_of(carry, n), &event)) > 0) {
            tape_event(t, &event);
            n -= (size_t)used;
            memmove(carry, carry + used, n);
        }
    }
    while (n && (used = sse_last(&sse, span_of(carry, n), &event)) > 0) {
        tape_event(t, &event);
        n -= (size_t)used;
        memmove(carry, carry + used, n);
    }
    free(carry);
    dialect_anthropic.read_end(&t->reader, tape_sink(t));
    tape_close(t);
}

static inline void tape_data(struct tape *t, const char *name, const char *data) {
    char text[4000];
    struct sse sse = {0};
    struct sse_event event;
    int n = *name ? snprintf(text, sizeof text, "event: %s\ndata: %s\n\n", name, data)
                  : snprintf(text, sizeof text, "data: %s\n\n", data);
    EXPECT(sse_next(&sse, span_of(text, (size_t)n), &event) == n);
    tape_event(t, &event);
}

static inline struct span tape_body(struct tape *t, struct chat_writer *writer) {
    struct json_out out;
    json_out_arena(&out, &t->bench.arena, 0);
    dialect_anthropic.write_body(writer, &out);
    EXPECT(!writer->full);
    bench_text(&out);
    return json_out_span(&out);
}

/* --- an answer, decoded with yyjson alone --- */

#define ANSWER_TEXT_MAX 400000
#define ANSWER_CALLS    32

struct answer {
    char id[200], model[200], text[ANSWER_TEXT_MAX], thinking[ANSWER_TEXT_MAX];
    char signature[ANSWER_TEXT_MAX], redacted[ANSWER_TEXT_MAX];
    struct {
        char id[200], name[200], input[40000];
        bool began_with_input;
        long long index; /* of its block, while open */
    } calls[ANSWER_CALLS];
    unsigned call_count;
    char stop[60], sequence[200];
    long long input, output, cache_read, cache_write;
    bool stopped, error;
};

static inline void answer_add(char *to, size_t max, yyjson_val *value) {
    const char *text = yyjson_get_str(value);
    if (!text)
        return;
    EXPECT(strlen(to) + strlen(text) < max);
    strncat(to, text, max - strlen(to) - 1);
}

static inline void answer_number(long long *to, yyjson_val *object, const char *name) {
    yyjson_val *value = yyjson_obj_get(object, name);
    if (yyjson_is_num(value))
        *to = yyjson_get_sint(value);
}

static inline void answer_usage(struct answer *a, yyjson_val *usage) {
    answer_number(&a->input, usage, "input_tokens");
    answer_number(&a->output, usage, "output_tokens");
    answer_number(&a->cache_read, usage, "cache_read_input_tokens");
    answer_number(&a->cache_write, usage, "cache_creation_input_tokens");
}

static inline void answer_block(struct answer *a, yyjson_val *block, long long index) {
    const char *type = yyjson_get_str(yyjson_obj_get(block, "type"));
    yyjson_val *input = yyjson_obj_get(block, "input");
    if (!type)
        return;
    if (strcmp(type, "text") == 0)
        answer_add(a->text, ANSWER_TEXT_MAX, yyjson_obj_get(block, "text"));
    if (strcmp(type, "thinking") == 0) {
        answer_add(a->thinking, ANSWER_TEXT_MAX, yyjson_obj_get(block, "thinking"));
        answer_add(a->signature, ANSWER_TEXT_MAX, yyjson_obj_get(block, "signature"));
    }
    if (strcmp(type, "redacted_thinking") == 0)
        answer_add(a->redacted, ANSWER_TEXT_MAX, yyjson_obj_get(block, "data"));
    if (strcmp(type, "tool_use") != 0)
        return;
    EXPECT(a->call_count < ANSWER_CALLS);
    if (a->call_count == ANSWER_CALLS)
        return;
    unsigned call = a->call_count++;
    a->calls[call].index = index;
    answer_add(a->calls[call].id, 200, yyjson_obj_get(block, "id"));
    answer_add(a->calls[call].name, 200, yyjson_obj_get(block, "name"));
    if (yyjson_obj_size(input) > 0) {
        char *text = yyjson_val_write(input, 0, NULL);
        snprintf(a->calls[call].input, sizeof a->calls[call].input, "%s", text);
        a->calls[call].began_with_input = true;
        free(text);
    }
}

static inline void answer_delta(struct answer *a, yyjson_val *delta, long long index) {
    answer_add(a->text, ANSWER_TEXT_MAX, yyjson_obj_get(delta, "text"));
    answer_add(a->thinking, ANSWER_TEXT_MAX, yyjson_obj_get(delta, "thinking"));
    answer_add(a->signature, ANSWER_TEXT_MAX, yyjson_obj_get(delta, "signature"));
    yyjson_val *json = yyjson_obj_get(delta, "partial_json");
    for (unsigned i = a->call_count; json && i-- > 0;)
        if (a->calls[i].index == index) {
            if (a->calls[i].began_with_input && yyjson_get_len(json)) {
                a->calls[i].input[0] = 0;
                a->calls[i].began_with_input = false;
            }
            answer_add(a->calls[i].input, sizeof a->calls[i].input, json);
            break;
        }
}

static inline void answer_stop(struct answer *a, yyjson_val *delta) {
    const char *stop = yyjson_get_str(yyjson_obj_get(delta, "stop_reason"));
    const char *sequence = yyjson_get_str(yyjson_obj_get(delta, "stop_sequence"));
    if (stop)
        snprintf(a->stop, sizeof a->stop, "%s", stop);
    if (sequence)
        snprintf(a->sequence, sizeof a->sequence, "%s", sequence);
}

static inline void answer_event(struct answer *a, yyjson_val *root) {
    const char *type = yyjson_get_str(yyjson_obj_get(root, "type"));
    yyjson_val *message = yyjson_obj_get(root, "message"), *delta = yyjson_obj_get(root, "delta");
    long long index = yyjson_get_sint(yyjson_obj_get(root, "index"));
    yyjson_val *block;
    size_t i, count;
    if (!type)
        return;
    if (strcmp(type, "message_start") == 0) {
        if (!*a->id) {
            answer_add(a->id, sizeof a->id, yyjson_obj_get(message, "id"));
            answer_add(a->model, sizeof a->model, yyjson_obj_get(message, "model"));
        }
        for (i = 0; i < a->call_count; i++)
            a->calls[i].index = -1; /* the indexes begin anew */
        yyjson_arr_foreach(yyjson_obj_get(message, "content"), i, count, block) {
            answer_block(a, block, -1);
        }
        answer_stop(a, message);
        answer_usage(a, yyjson_obj_get(message, "usage"));
    }
    if (strcmp(type, "content_block_start") == 0)
        answer_block(a, yyjson_obj_get(root, "content_block"), index);
    if (strcmp(type, "content_block_delta") == 0)
        answer_delta(a, delta, index);
    if (strcmp(type, "message_delta") == 0) {
        answer_stop(a, delta);
        answer_usage(a, yyjson_obj_get(root, "usage"));
    }
    a->stopped |= strcmp(type, "message_stop") == 0;
    a->error |= strcmp(type, "error") == 0;
}

/* Calls without input get {}, as clients are promised. */
static inline void answer_finish(struct answer *a) {
    for (unsigned i = 0; i < a->call_count; i++)
        if (!*a->calls[i].input)
            strcpy(a->calls[i].input, "{}");
}

/* The lines of a stream that hold data; recorded streams have plain lines. */
static inline struct answer *answer_of_stream(const char *bytes, size_t n) {
    struct answer *a = calloc(1, sizeof *a);
    for (size_t at = 0; at < n;) {
        const char *end = memchr(bytes + at, '\n', n - at);
        size_t length = end ? (size_t)(end - bytes) - at : n - at;
        if (length > 6 && memcmp(bytes + at, "data: ", 6) == 0) {
            yyjson_doc *doc = yyjson_read(bytes + at + 6, length - 6, 0);
            if (doc)
                answer_event(a, yyjson_doc_get_root(doc));
            yyjson_doc_free(doc);
        }
        at += length + 1;
    }
    answer_finish(a);
    return a;
}

static inline struct answer *answer_of_body(const char *bytes, size_t n) {
    struct answer *a = calloc(1, sizeof *a);
    yyjson_doc *doc = yyjson_read(bytes, n, 0);
    yyjson_val *root = yyjson_doc_get_root(doc), *block;
    size_t i, count;
    EXPECT(doc != NULL);
    answer_add(a->id, sizeof a->id, yyjson_obj_get(root, "id"));
    answer_add(a->model, sizeof a->model, yyjson_obj_get(root, "model"));
    yyjson_arr_foreach(yyjson_obj_get(root, "content"), i, count, block) {
        answer_block(a, block, -1);
    }
    answer_stop(a, root);
    answer_usage(a, yyjson_obj_get(root, "usage"));
    a->stopped = true;
    yyjson_doc_free(doc);
    answer_finish(a);
    return a;
}

static inline void expect_input(const char *got, const char *want) {
    /* Equal as text, or, where a whole body was written again, as JSON. */
    if (strcmp(got, want) != 0 && !same_json(got, strlen(got), want, strlen(want)))
        EXPECT_STR(got, want);
    else
        EXPECT(true);
}

static inline void expect_same_answer(const struct answer *got, const struct answer *want) {
    EXPECT_STR(got->id, want->id);
    EXPECT_STR(got->model, want->model);
    EXPECT_STR(got->text, want->text);
    EXPECT_STR(got->thinking, want->thinking);
    EXPECT_STR(got->signature, want->signature);
    EXPECT_STR(got->redacted, want->redacted);
    EXPECT_EQ(got->call_count, want->call_count);
    for (unsigned i = 0; i < want->call_count && i < got->call_count; i++) {
        EXPECT_STR(got->calls[i].id, want->calls[i].id);
        EXPECT_STR(got->calls[i].name, want->calls[i].name);
        expect_input(got->calls[i].input, want->calls[i].input);
    }
    EXPECT_STR(got->stop, want->stop);
    EXPECT_STR(got->sequence, want->sequence);
    EXPECT_EQ(got->input, want->input);
    EXPECT_EQ(got->output, want->output);
    EXPECT_EQ(got->cache_read, want->cache_read);
    EXPECT_EQ(got->cache_write, want->cache_write);
}

/* --- is it a legal stream? --- */

static inline const char *json_word(yyjson_val *object, const char *name) {
    const char *text = yyjson_get_str(yyjson_obj_get(object, name));
    return text ? text : "";
}

/* Goes through a stream as a strict SDK would: names, order, indexes, one block open at a time, deltas
 * that fit their block, one end. */
static inline void expect_legal_stream(struct span stream, bool error) {
    enum { BEFORE, BETWEEN, OPEN, ENDING, STOPPED } state = BEFORE;
    struct sse sse = {0};
    struct sse_event event;
    long long next = 0;
    char open[40] = "";
    long used;
    bool failed = false;
    while (stream.n && (used = sse_next(&sse, stream, &event)) > 0) {
        stream = span_from(stream, (size_t)used);
        EXPECT(event.data_lines == 1 && !event.foreign && !failed);
        yyjson_doc *doc = yyjson_read(event.data.p, event.data.n, 0);
        yyjson_val *root = yyjson_doc_get_root(doc);
        const char *type = json_word(root, "type");
        long long index = yyjson_get_sint(yyjson_obj_get(root, "index"));
        EXPECT_BYTES(event.name.p, event.name.n, type);
        if (strcmp(type, "message_start") == 0) {
            yyjson_val *message = yyjson_obj_get(root, "message");
            EXPECT_EQ(state, BEFORE);
            EXPECT(*json_word(message, "id") && *json_word(message, "model"));
            EXPECT_STR(json_word(message, "role"), "assistant");
            EXPECT(yyjson_is_arr(yyjson_obj_get(message, "content")));
            EXPECT(yyjson_is_num(yyjson_obj_get(yyjson_obj_get(message, "usage"), "input_tokens")));
            state = BETWEEN;
        } else if (strcmp(type, "content_block_start") == 0) {
            EXPECT_EQ(state, BETWEEN);
            EXPECT_EQ(index, next);
            snprintf(open, sizeof open, "%s",
                     json_word(yyjson_obj_get(root, "content_block"), "type"));
            state = OPEN;
        } else if (strcmp(type, "content_block_delta") == 0) {
            static const char *const fits[][2] = {{"text_delta", "text"},
                                                  {"thinking_delta", "thinking"},
                                                  {"signature_delta", "thinking"},
                                                  {"input_json_delta", "tool_use"}};
            const char *delta = json_word(yyjson_obj_get(root, "delta"), "type");
            bool fit = false;
            EXPECT_EQ(state, OPEN);
            EXPECT_EQ(index, next);
            for (size_t i = 0; i < countof(fits); i++)
                fit |= strcmp(delta, fits[i][0]) == 0 && strcmp(open, fits[i][1]) == 0;
            EXPECT(fit);
        } else if (strcmp(type, "content_block_stop") == 0) {
            EXPECT_EQ(state, OPEN);
            EXPECT_EQ(index, next);
            next++;
            state = BETWEEN;
        } else if (strcmp(type, "message_delta") == 0) {
            EXPECT_EQ(state, BETWEEN);
            EXPECT(*json_word(yyjson_obj_get(root, "delta"), "stop_reason"));
            EXPECT(yyjson_is_num(yyjson_obj_get(yyjson_obj_get(root, "usage"), "output_tokens")));
            state = ENDING;
        } else if (strcmp(type, "message_stop") == 0) {
            EXPECT_EQ(state, ENDING);
            state = STOPPED;
        } else if (strcmp(type, "error") == 0) {
            EXPECT(*json_word(yyjson_obj_get(root, "error"), "type"));
            failed = true;
        } else {
            EXPECT_STR(type, "ping");
        }
        yyjson_doc_free(doc);
    }
    EXPECT_EQ(stream.n, 0);
    EXPECT_EQ(failed, error);
    if (!error)
        EXPECT_EQ(state, STOPPED);
}

#endif
