/* test_gemini_read.c - reading Gemini answers: rows, and the recorded streams and bodies against a
 * decoding with yyjson that knows nothing of the product; both written again, and merged. */
#include "tests/unit/providers/test_gemini_bench.h"

#define TEXT_MAX  100000
#define CALLS_MAX 16

/* --- rows --- */

#define T(text)   "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"" text "\"}]},\"index\":0}]}"
#define P(parts)  "{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[" parts "]}}]}"
#define F(reason) "{\"candidates\":[{\"finishReason\":\"" reason "\"}]}"
/* The id that is made for a call without one, of choice 0, tool 0 of an answer without id. */
#define ID0 "call_cbf29ce48422232500000000"
#define ID1 "call_cbf29ce48422232500000001"

TEST(streams) {
    static const struct {
        const char *name, *events[6];
        const char *log, *verdicts;
    } rows[] = {
        {"text",
         {T("Hel"), T("lo"), F("STOP")},
         "start(,) text0(Hel) text0(lo) finish0(stop) done",
         "AAA"},
        {"identity",
         {"{\"responseId\":\"r1\",\"modelVersion\":\"gemini-3\",\"candidates\":[{\"content\":"
          "{\"parts\":[{\"text\":\"a\"}]},\"finishReason\":\"STOP\"}]}"},
         "start(r1,gemini-3) text0(a) finish0(stop) done",
         "A"},
        {"escapes stay",
         {T("a\\\"b\\u00e9"), F("STOP")},
         "start(,) text0(a\\\"b\\u00e9) finish0(stop) done",
         "AA"},
        {"thoughts",
         {P("{\"text\":\"hm\",\"thought\":true}"), T("ok"), F("STOP")},
         "start(,) reason0(hm) text0(ok) finish0(stop) done",
         "AAA"},
        {"signature alone",
         {T("ok"), P("{\"text\":\"\",\"thoughtSignature\":\"S\"}"), F("STOP")},
         "start(,) text0(ok) sign0(S) finish0(stop) done",
         "AAA"},
        {"call and STOP apart",
         {P("{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\":\"b\"}}}"), F("STOP")},
         "start(,) call0.0(" ID0 ",f) args0.0({\\\"a\\\":\\\"b\\\"}) finish0(tool_calls) done",
         "AA"},
        {"call without arguments",
         {P("{\"functionCall\":{\"name\":\"f\"}}"), F("STOP")},
         "start(,) call0.0(" ID0 ",f) args0.0({}) finish0(tool_calls) done",
         "AA"},
        {"parallel calls, one signed",
         {P("{\"functionCall\":{\"id\":\"x\",\"name\":\"f\",\"args\":{}},\"thoughtSignature\":"
            "\"S\"},"
            "{\"functionCall\":{\"name\":\"g\",\"args\":{}}}"),
          F("STOP")},
         "start(,) call0.0(x,f) args0.0({}) signcall0.0(S) call0.1(" ID1 ",g) args0.1({}) "
         "finish0(tool_calls) done",
         "AA"},
        {"streamed arguments",
         {P("{\"functionCall\":{\"name\":\"f\",\"willContinue\":true}}"),
          P("{\"functionCall\":{\"partialArgs\":[{\"jsonPath\":\"$.b[0].c\",\"stringValue\":\"x\","
            "\"willContinue\":true}],\"willContinue\":true}}"),
          P("{\"functionCall\":{\"partialArgs\":[{\"jsonPath\":\"$.n\",\"numberValue\":1.50}],"
            "\"willContinue\":true}}"),
          P("{\"functionCall\":{\"partialArgs\":[{\"jsonPath\":\"$.b[0].c\",\"stringValue\":\"y\"}]"
            ","
            "\"willContinue\":true}}"),
          P("{\"functionCall\":{}}"), F("STOP")},
         "start(,) call0.0(" ID0 ",f) other other other "
         "args0.0({\\\"b\\\":[{\\\"c\\\":\\\"xy\\\"}],\\\"n\\\":1.50}) finish0(tool_calls) done",
         "AAAAAA"},
        {"quoted paths, null, bool, end by finish",
         {P("{\"functionCall\":{\"name\":\"f\",\"willContinue\":true,\"partialArgs\":["
            "{\"jsonPath\":\"$['a.b']\",\"boolValue\":true},{\"jsonPath\":\"$.n\",\"nullValue\":"
            "\"NULL_VALUE\"}]}}"),
          F("STOP")},
         "start(,) call0.0(" ID0 ",f) args0.0({\\\"a.b\\\":true,\\\"n\\\":null}) "
         "finish0(tool_calls) done",
         "AA"},
        {"bad path",
         {P("{\"functionCall\":{\"name\":\"f\",\"partialArgs\":[{\"jsonPath\":\"x\"}]}}")},
         "start(,) call0.0(" ID0 ",f) error(bad_event,)",
         "D"},
        {"image",
         {P("{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"AAAA\"}}"), F("STOP")},
         "start(,) media0(images=[{\"type\":\"image_url\",\"image_url\":{\"url\":"
         "\"data:image/png;base64,AAAA\"}}]) finish0(stop) done",
         "AA"},
        {"a type with an escape, and no type at all",
         {P("{\"inlineData\":{\"mimeType\":\"image\\/png\",\"data\":\"AA\\/A\"}}"),
          P("{\"inlineData\":{\"mimeType\":\";base64,g\",\"data\":\"AAAA\"}}"), F("STOP")},
         "start(,) media0(images=[{\"type\":\"image_url\",\"image_url\":{\"url\":"
         "\"data:image/png;base64,AA\\/A\"}}]) other finish0(stop) done",
         "AAA"},
        {"code",
         {P("{\"executableCode\":{\"code\":\"1\"}}"), T("a"), F("STOP")},
         "start(,) other text0(a) finish0(stop) done",
         "AAA"},
        {"length", {T("a"), F("MAX_TOKENS")}, "start(,) text0(a) finish0(length) done", "AA"},
        {"safety", {T("a"), F("SAFETY")}, "start(,) text0(a) finish0(content_filter) done", "AA"},
        {"recitation first", {F("RECITATION")}, "start(,) finish0(content_filter) done", "A"},
        {"malformed, nothing said",
         {"{\"candidates\":[{\"finishReason\":\"MALFORMED_FUNCTION_CALL\",\"finishMessage\":"
          "\"why\"}]}"},
         "start(,) error(error_event,why)",
         "D"},
        {"malformed later",
         {T("a"), F("MALFORMED_FUNCTION_CALL")},
         "start(,) text0(a) finish0(stop) done",
         "AA"},
        {"unknown reason", {F("NEW_REASON")}, "start(,) error(error_event,)", "D"},
        {"empty answer", {F("STOP")}, "start(,) finish0(stop) done", "A"},
        {"STOP in each chunk",
         {T("a"), F("STOP"), T("b"), F("STOP")},
         "start(,) text0(a) finish0(stop) text0(b) other done",
         "AAAA"},
        {"blocked prompt",
         {"{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}"},
         "start(,) finish0(content_filter) done",
         "A"},
        {"usage",
         {T("a"),
          "{\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":"
          "10,"
          "\"toolUsePromptTokenCount\":3,\"candidatesTokenCount\":5,\"thoughtsTokenCount\":7,"
          "\"cachedContentTokenCount\":4,\"totalTokenCount\":25}}"},
         "start(,) text0(a) finish0(stop) usage(13,12,4,7) done",
         "AA"},
        {"usage without counts",
         {T("a"), "{\"usageMetadata\":{\"trafficType\":\"X\"}}", F("STOP")},
         "start(,) text0(a) other finish0(stop) done",
         "AAA"},
        {"two candidates",
         {"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"index\":1},{\"content\":"
          "{\"parts\":[{\"text\":\"b\"}]},\"index\":0}]}",
          "{\"candidates\":[{\"index\":0,\"finishReason\":\"STOP\"}]}",
          "{\"candidates\":[{\"index\":1,\"finishReason\":\"STOP\"}]}"},
         "start(,) text1(a) text0(b) finish0(stop) finish1(stop) done",
         "AAA"},
        {"one of two candidates cut",
         {"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"index\":1},{\"content\":"
          "{\"parts\":[{\"text\":\"b\"}]},\"index\":0,\"finishReason\":\"STOP\"}]}"},
         "start(,) text1(a) text0(b) finish0(stop) error(incomplete,)",
         "A"},
        {"cut", {T("a")}, "start(,) text0(a) error(incomplete,)", "A"},
        {"nothing", {NULL}, "error(empty,)", ""},
        {"error first",
         {"{\"error\":{\"code\":429,\"message\":\"slow\",\"status\":\"RESOURCE_EXHAUSTED\"}}"},
         "error(rate_limited,slow)",
         "D"},
        {"error later",
         {T("a"), "{\"error\":{\"code\":503,\"status\":\"UNAVAILABLE\"}}"},
         "start(,) text0(a) error(overloaded,)",
         "AD"},
        {"error by code", {"{\"error\":{\"code\":404}}"}, "error(upstream_model,)", "D"},
        {"nothing follows an error",
         {"{\"error\":{\"code\":500}}", T("a")},
         "error(upstream_5xx,)",
         "DD"},
        {"no JSON", {T("a"), "{\"candidates\":]"}, "start(,) text0(a) error(bad_event,)", "AD"},
        {"half JSON", {"{\"candidates\":[{\"content\""}, "error(incomplete,)", "D"},
        {"not an object", {"[1]"}, "error(bad_event,)", "D"},
        {"odd kinds",
         {"{\"candidates\":{\"a\":1},\"usageMetadata\":[],\"promptFeedback\":3}",
          "{\"candidates\":[3,{\"content\":[],\"index\":\"0\"},{\"content\":{\"parts\":[null,4]}}]"
          "}"},
         "other start(,) error(empty,)",
         "AA"},
        {"keep-alive",
         {": ping", T("a"), F("STOP"), "[DONE]"},
         "other start(,) text0(a) finish0(stop) other done",
         "DAAD"},
        {"index out of bounds",
         {"{\"candidates\":[{\"index\":128}]}"},
         "start(,) error(bad_event,)",
         "D"},
        {"two lines",
         {"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]},\n\"finishReason\":"
          "\"STOP\"}]}"},
         "start(,) text0(a) finish0(stop) done",
         "R"},
        {"an empty line before",
         {"\n" T("a"), F("STOP")},
         "start(,) text0(a) finish0(stop) done",
         "RA"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench *b = bench_new();
        ROW("%s", rows[i].name);
        for (unsigned e = 0; e < 6 && rows[i].events[e]; e++)
            bench_data(b, span_str(rows[i].events[e]));
        bench_end(b);
        EXPECT_STR(bench_text(&b->log), rows[i].log);
        EXPECT_STR(b->verdicts, rows[i].verdicts);
        bench_free(b);
    }
}

TEST(bodies) {
    static const struct {
        const char *body, *log;
    } rows[] = {
        {T("a"), "start(,) text0(a) done"},
        {"\r\n [" T("a") ",\r\n" F("STOP") "]", "start(,) text0(a) finish0(stop) done"},
        {"[" T("a") "]", "start(,) text0(a) error(incomplete,)"},
        {"[" T("a") ",{\"error\":{\"code\":503,\"message\":\"m\",\"status\":\"UNAVAILABLE\"}}]",
         "start(,) text0(a) error(overloaded,m)"},
        {"[{\"error\":{\"code\":400,\"status\":\"INVALID_ARGUMENT\"}}]", "error(refused,)"},
        {"{\"error\":{\"code\":403,\"message\":\"no\",\"status\":\"PERMISSION_DENIED\"}}",
         "error(upstream_auth,no)"},
        {"", "error(empty,)"},
        {"{}", "error(empty,)"},
        {"[]", "error(empty,)"},
        {"<html>", "error(bad_event,)"},
        {"{\"candidates\":[", "error(incomplete,)"},
        {"\"x\"", "error(bad_event,)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench *b = bench_new();
        ROW("%s", rows[i].body);
        bench_body(b, span_str(rows[i].body));
        EXPECT_STR(bench_text(&b->log), rows[i].log);
        bench_free(b);
    }
}

TEST(no_memory_is_an_overload) {
    struct bench *b = bench_new();
    b->reader.own = NULL;
    bench_data(b, SPAN(T("a")));
    EXPECT_STR(bench_text(&b->log), "error(overload,)");
    bench_free(b);
}

/* --- the decoding that knows nothing of the product --- */

struct call {
    char name[200];
    yyjson_mut_val *args;
};
struct answer {
    char text[TEXT_MAX], thoughts[TEXT_MAX], finish[60];
    char names[CALLS_MAX][200], args[CALLS_MAX][20000];
    unsigned calls, candidates, images;
    long long in, out;
    bool error, partial, blocked;
};

static void add(char *to, yyjson_val *value) {
    const char *text = yyjson_get_str(value);
    if (text && strlen(to) + strlen(text) < TEXT_MAX)
        strcat(to, text);
}

static void decode_part(struct answer *a, yyjson_val *part) {
    yyjson_val *call = yyjson_obj_get(part, "functionCall");
    const char *name = yyjson_get_str(yyjson_obj_get(call, "name"));
    a->images += yyjson_obj_get(part, "inlineData") != NULL;
    a->partial |= yyjson_obj_get(call, "partialArgs") || yyjson_obj_get(call, "willContinue");
    if (name && a->calls < CALLS_MAX) {
        char *args = yyjson_val_write(yyjson_obj_get(call, "args"), 0, NULL);
        snprintf(a->names[a->calls], sizeof a->names[0], "%s", name);
        snprintf(a->args[a->calls++], sizeof a->args[0], "%s", args ? args : "{}");
        free(args);
    }
    if (!call)
        add(yyjson_is_true(yyjson_obj_get(part, "thought")) ? a->thoughts : a->text,
            yyjson_obj_get(part, "text"));
}

static void decode_object(struct answer *a, const char *json, size_t n) {
    yyjson_doc *doc = yyjson_read(json, n, 0);
    yyjson_val *root = yyjson_doc_get_root(doc), *item, *part;
    size_t i, count, j, parts;
    EXPECT(doc != NULL);
    a->error |= yyjson_obj_get(root, "error") != NULL;
    yyjson_arr_foreach(yyjson_obj_get(root, "candidates"), i, count, item) {
        a->candidates++;
        yyjson_arr_foreach(yyjson_obj_get(yyjson_obj_get(item, "content"), "parts"), j, parts,
                           part) {
            decode_part(a, part);
        }
        const char *finish = yyjson_get_str(yyjson_obj_get(item, "finishReason"));
        if (finish)
            snprintf(a->finish, sizeof a->finish, "%s", finish);
    }
    a->blocked |= yyjson_obj_get(yyjson_obj_get(root, "promptFeedback"), "blockReason") != NULL;
    yyjson_val *usage = yyjson_obj_get(root, "usageMetadata");
    if (yyjson_obj_get(usage, "promptTokenCount")) {
        a->in = yyjson_get_sint(yyjson_obj_get(usage, "promptTokenCount")) +
                yyjson_get_sint(yyjson_obj_get(usage, "toolUsePromptTokenCount"));
        a->out = yyjson_get_sint(yyjson_obj_get(usage, "candidatesTokenCount")) +
                 yyjson_get_sint(yyjson_obj_get(usage, "thoughtsTokenCount"));
    }
    yyjson_doc_free(doc);
}

static struct answer *decode_stream(const char *bytes, size_t n) {
    struct answer *a = calloc(1, sizeof *a);
    char *copy = strndup(bytes, n), *line = copy;
    while (line) {
        char *end = strchr(line, '\n');
        if (end)
            *end = 0;
        if (strncmp(line, "data: {", 7) == 0)
            decode_object(a, line + 6, strcspn(line + 6, "\r"));
        line = end ? end + 1 : NULL;
    }
    free(copy);
    return a;
}

static struct answer *decode_body(struct span body) {
    struct answer *a = calloc(1, sizeof *a);
    decode_object(a, body.p, body.n);
    return a;
}

/* What the finish of the original is for another writer. */
static const char *finish_again(const struct answer *a) {
    if (!*a->finish)
        return a->blocked ? "SAFETY" : "";
    if (strcmp(a->finish, "MAX_TOKENS") == 0)
        return "MAX_TOKENS";
    static const char *const filtered[] = {
        "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE"};
    for (size_t i = 0; i < sizeof filtered / sizeof filtered[0]; i++)
        if (strcmp(a->finish, filtered[i]) == 0)
            return "SAFETY";
    return "STOP";
}

static void expect_same(const struct answer *got, const struct answer *want, const char *finish) {
    EXPECT_STR(got->text, want->text);
    EXPECT_STR(got->thoughts, want->thoughts);
    EXPECT_STR(got->finish, finish);
    EXPECT_EQ(got->calls, want->calls);
    EXPECT_EQ(got->images, want->images);
    for (unsigned i = 0; i < got->calls && i < want->calls; i++) {
        EXPECT_STR(got->names[i], want->names[i]);
        if (!want->partial)
            EXPECT_STR(got->args[i], want->args[i]);
    }
    EXPECT_EQ(got->in, want->in);
    EXPECT_EQ(got->out, want->out);
}

/* --- streams --- */

static void merge_stream(struct bench *b, struct span bytes) {
    struct sse sse = {0};
    struct sse_event event;
    long used;
    while ((used = sse_next(&sse, bytes, &event)) > 0 ||
           (used = sse_last(&sse, bytes, &event)) > 0) {
        bytes = span_from(bytes, (size_t)used);
        if (event.data_lines == 1)
            dialect_gemini.merge(&b->body, event.name, event.data);
    }
}

static void check_whole(struct bench *b, const struct answer *want, const char *finish) {
    struct json_out out;
    json_out_arena(&out, &b->arena, 0);
    dialect_gemini.write_body(&b->body, &out);
    EXPECT(!b->body.full);
    struct answer *got = decode_body(json_out_span(&out));
    expect_same(got, want, finish);
    free(got);
}

static void run_stream(const char *bytes, size_t n, unsigned *good, unsigned *bad) {
    struct answer *want = decode_stream(bytes, n), *again;
    struct bench *b = bench_new(), *merged;
    bench_stream(b, span_of(bytes, n));
    EXPECT(b->ended);
    if (!b->done) {
        /* Failed streams: an error was said, or nobody said why it ended. */
        EXPECT(want->error || (!*want->finish && !want->blocked) || *bytes == '{');
        (*bad)++;
    } else {
        const char *finish = finish_again(want);
        EXPECT(!want->error);
        for (unsigned i = 0; i < b->verdict_count; i++)
            EXPECT_EQ(b->verdicts[i], 'A');
        struct span written = json_out_span(&b->written);
        again = decode_stream(written.p, written.n);
        expect_same(again, want, finish);
        EXPECT(span_ends(written, SPAN("}\r\n\r\n")));
        check_whole(b, want, finish);
        free(again);
        /* What was written is an answer as good as the first. */
        struct bench *second = bench_new();
        bench_stream(second, written);
        EXPECT(second->done);
        bench_free(second);
        if (want->candidates && !want->partial) {
            merged = bench_new();
            merge_stream(merged, span_of(bytes, n));
            check_whole(merged, want, want->finish);
            bench_free(merged);
        }
        (*good)++;
    }
    free(want);
    bench_free(b);
}

static char *framed(const char *bytes, size_t n, size_t *out_n) {
    char *out = malloc(n * 2 + 100);
    *out_n = 0;
    for (size_t at = 0; at < n;) {
        const char *end = memchr(bytes + at, '\n', n - at);
        size_t length = end ? (size_t)(end - bytes) - at : n - at;
        if (length)
            *out_n += (size_t)sprintf(out + *out_n, "data: %.*s\r\n\r\n", (int)length, bytes + at);
        at += length + 1;
    }
    return out;
}

TEST(recorded_streams) {
    static const char *const patterns[] = {"gemini/*.sse", "gemini/firebase/streaming-*.txt",
                                           "vertex/firebase/streaming-*.txt",
                                           "gemini/vercel/google-*.chunks.txt"};
    unsigned good = 0, bad = 0;
    if (!test_shared("fixtures"))
        SKIP("needs ../shared");
    for (size_t p = 0; p < sizeof patterns / sizeof patterns[0]; p++) {
        char path[5000];
        glob_t found;
        snprintf(path, sizeof path, "%s/%s", test_shared("fixtures"), patterns[p]);
        if (glob(path, 0, NULL, &found) != 0)
            continue;
        for (size_t i = 0; i < found.gl_pathc; i++) {
            size_t n = 0;
            char *bytes = test_file(found.gl_pathv[i], &n);
            ROW("%s", strrchr(found.gl_pathv[i], '/'));
            if (strstr(found.gl_pathv[i], ".chunks.txt")) {
                char *lines = bytes;
                bytes = framed(lines, n, &n);
                free(lines);
            }
            run_stream(bytes, n, &good, &bad);
            free(bytes);
        }
        globfree(&found);
    }
    ROW("streams");
    EXPECT(good >= 34);
    EXPECT(bad >= 6);
}

/* Failures by class: it decides on the next attempt. */
TEST(recorded_failures) {
    static const struct {
        const char *file, *log_end;
    } rows[] = {
        {"streaming-failure-error-mid-stream.txt",
         "error(upstream_5xx,The operation was cancelled.)"},
        {"streaming-failure-http-error.txt", "error(upstream_auth,$grpcMessage)"},
        {"streaming-failure-image-rejected.txt",
         "error(refused,Request contains an invalid argument.)"},
        {"streaming-failure-invalid-json.txt", "error(empty,)"},
        {"streaming-failure-empty-content.txt", "error(empty,)"},
        {"streaming-failure-malformed-content.txt", "error(empty,)"},
        {"streaming-failure-prompt-blocked-safety.txt", "finish0(content_filter) done"},
        {"streaming-failure-finish-reason-safety.txt", "usage(10,66,0,0) done"},
    };
    if (!test_shared("fixtures"))
        SKIP("needs ../shared");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[300];
        size_t n = 0;
        snprintf(path, sizeof path, "fixtures/vertex/firebase/%s", rows[i].file);
        char *bytes = test_file(test_shared(path), &n);
        struct bench *b = bench_new();
        struct span in = span_of(bytes, n);
        /* Bare JSON behind events is collected by the proxy's reader of streams (sse: foreign). */
        size_t bare = span_search(in, SPAN("\n{\n"));
        ROW("%s", rows[i].file);
        if (bare < n && bare > 0) {
            struct sse sse = {0};
            struct sse_event event;
            struct span head = span_of(bytes, bare);
            long used;
            while ((used = sse_next(&sse, head, &event)) > 0) {
                head = span_from(head, (size_t)used);
                bench_data(b, event.data);
            }
            bench_data(b, span_from(in, bare));
        } else {
            bench_stream(b, in);
        }
        const char *log = bench_text(&b->log);
        if (!span_ends(span_str(log), span_str(rows[i].log_end)))
            FAIL_TEST("%.200s", log + (strlen(log) > 200 ? strlen(log) - 200 : 0));
        else
            EXPECT(true);
        free(bytes);
        bench_free(b);
    }
}

TEST(recorded_bodies) {
    static const char *const patterns[] = {"gemini/*.resp.json", "vertex/*.resp.json",
                                           "gemini/firebase/unary-*.json",
                                           "vertex/firebase/unary-success-*.json"};
    unsigned count = 0;
    if (!test_shared("fixtures"))
        SKIP("needs ../shared");
    for (size_t p = 0; p < sizeof patterns / sizeof patterns[0]; p++) {
        char path[5000];
        glob_t found;
        snprintf(path, sizeof path, "%s/%s", test_shared("fixtures"), patterns[p]);
        if (glob(path, 0, NULL, &found) != 0)
            continue;
        for (size_t i = 0; i < found.gl_pathc; i++) {
            size_t n = 0;
            char *bytes = test_file(found.gl_pathv[i], &n);
            ROW("%s", strrchr(found.gl_pathv[i], '/'));
            if (strstr(bytes, "\"candidates\"") && !strstr(bytes, "\"id\": \"v1_")) {
                struct answer *want = decode_body(span_of(bytes, n));
                struct bench *b = bench_new();
                bench_body(b, span_of(bytes, n));
                if (b->done) {
                    const char *finish = finish_again(want);
                    check_whole(b, want, *finish ? finish : "STOP");
                    count++;
                } else {
                    EXPECT(b->error == FAIL_EMPTY || b->error == FAIL_ERROR_EVENT);
                }
                free(want);
                bench_free(b);
            }
            free(bytes);
        }
        globfree(&found);
    }
    ROW("bodies");
    EXPECT(count >= 80);
}

/* The nested recipe that Vertex streamed, as one object. */
TEST(streamed_arguments_make_one_object) {
    size_t n = 0;
    if (!test_shared("fixtures"))
        SKIP("needs ../shared");
    char *lines = test_file(test_shared("fixtures/gemini/vercel/google-vertex-stream-tool-call-"
                                        "arguments-nested.1.chunks.txt"),
                            &n);
    char *bytes = framed(lines, n, &n);
    struct bench *b = bench_new();
    bench_stream(b, span_of(bytes, n));
    struct json_out out;
    json_out_arena(&out, &b->arena, 0);
    dialect_gemini.write_body(&b->body, &out);
    struct answer *got = decode_body(json_out_span(&out));
    EXPECT_EQ(got->calls, 1);
    yyjson_doc *doc = yyjson_read(got->args[0], strlen(got->args[0]), 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    EXPECT_STR(yyjson_get_str(yyjson_ptr_get(root, "/recipe/ingredients/9/name")), "Pepper");
    EXPECT_STR(yyjson_get_str(yyjson_ptr_get(root, "/recipe/name")), "Lasagna");
    EXPECT_STR(yyjson_get_str(yyjson_ptr_get(root, "/recipe/steps/4")),
               "In a 9x13 baking dish, spread a thin layer of meat sauce.");
    EXPECT_EQ(yyjson_arr_size(yyjson_ptr_get(root, "/recipe/steps")), 10);
    EXPECT_EQ(yyjson_arr_size(yyjson_ptr_get(root, "/recipe/ingredients")), 10);
    yyjson_doc_free(doc);
    free(got);
    free(lines);
    free(bytes);
    bench_free(b);
}
