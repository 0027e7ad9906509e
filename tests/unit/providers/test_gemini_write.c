/* test_gemini_write.c - answers of any family written for Gemini clients: streams, whole bodies, merged
 * ones, errors. */
#include "tests/unit/providers/test_gemini_bench.h"

#define ANSWER ",\"modelVersion\":\"m\",\"responseId\":\"r\"}"

static const struct chat_answer answer = {.id = SPAN_CONST("r"), .model = SPAN_CONST("m")};

/* Events to be written, as rows. */
#define TEXT(t) \
    { .kind = CHAT_TEXT, .text = SPAN_CONST(t) }
#define REASON(t) \
    { .kind = CHAT_REASONING, .text = SPAN_CONST(t) }
#define CALL(n, i, f, a)                                                                \
    {                                                                                   \
        .kind = CHAT_TOOL_START, .tool = n, .id = SPAN_CONST(i), .name = SPAN_CONST(f), \
        .text = SPAN_CONST(a)                                                           \
    }
#define ARGS(n, a) \
    { .kind = CHAT_TOOL_ARGS, .tool = n, .text = SPAN_CONST(a) }
#define SIGN(who, t) \
    { .kind = CHAT_SIGNATURE, .signer = CHAT_SIGNER_##who, .text = SPAN_CONST(t) }
#define FINISH(f) \
    { .kind = CHAT_FINISH, .finish = CHAT_FINISH_##f }
#define USAGE(i, o, c, r)              \
    {                                  \
        .kind = CHAT_USAGE, .usage = { \
            .known = true,             \
            .input_tokens = i,         \
            .output_tokens = o,        \
            .cached_tokens = c,        \
            .reasoning_tokens = r      \
        }                              \
    }
#define DONE \
    { .kind = CHAT_DONE }

#define PART(p) \
    "{\"candidates\":[{\"content\":{\"parts\":[" p "],\"role\":\"model\"},\"index\":0}]" ANSWER
#define LAST(f, u)                                                                    \
    "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}],\"role\":\"model\"}," \
    "\"finishReason\":\"" f "\",\"index\":0}]" u ANSWER
#define WHOLE(p, f)                                                                              \
    "{\"candidates\":[{\"content\":{\"parts\":[" p "],\"role\":\"model\"},\"finishReason\":\"" f \
    "\",\"index\":0}]" ANSWER

TEST(events) {
    static const struct {
        const char *name;
        struct chat_event events[9];
        const char *want[5]; /* of the stream, event for event */
        const char *whole;
    } rows[] = {
        {"text",
         {TEXT("a\\n"), TEXT("b"), FINISH(STOP), DONE},
         {PART("{\"text\":\"a\\n\"}"), PART("{\"text\":\"b\"}"), LAST("STOP", "")},
         WHOLE("{\"text\":\"a\\nb\"}", "STOP")},
        {"usage after the finish",
         {TEXT("a"), FINISH(LENGTH), USAGE(9, 7, 4, 2), DONE},
         {PART("{\"text\":\"a\"}"),
          LAST("MAX_TOKENS",
               ",\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":5,"
               "\"thoughtsTokenCount\":2,\"cachedContentTokenCount\":4,\"totalTokenCount\":16}")},
         NULL},
        {"thoughts",
         {REASON("h"), SIGN(GOOGLE, "S"), TEXT("a"), FINISH(STOP), DONE},
         {PART("{\"text\":\"h\",\"thought\":true}"),
          PART("{\"text\":\"\",\"thoughtSignature\":\"S\"}"), PART("{\"text\":\"a\"}"),
          LAST("STOP", "")},
         WHOLE("{\"text\":\"h\",\"thought\":true,\"thoughtSignature\":\"S\"},{\"text\":\"a\"}",
               "STOP")},
        {"another's signature",
         {REASON("h"), SIGN(ANTHROPIC, "S"), FINISH(STOP), DONE},
         {PART("{\"text\":\"h\",\"thought\":true}"), LAST("STOP", "")},
         WHOLE("{\"text\":\"h\",\"thought\":true}", "STOP")},
        {"interleaved calls",
         {CALL(0, "x", "f", ""), ARGS(0, "{\\\"a\\\":"), CALL(1, "y", "g", ""), ARGS(1, ""),
          ARGS(0, "1}"), FINISH(TOOL_CALLS), DONE},
         {PART("{\"functionCall\":{\"id\":\"x\",\"name\":\"f\",\"args\":{\"a\":1}}},{"
               "\"functionCall\":{\"id\":"
               "\"y\",\"name\":\"g\",\"args\":{}}}"),
          LAST("STOP", "")},
         WHOLE("{\"functionCall\":{\"id\":\"x\",\"name\":\"f\",\"args\":{\"a\":1}}},{"
               "\"functionCall\":{\"id\":"
               "\"y\",\"name\":\"g\",\"args\":{}}}",
               "STOP")},
        {"arguments on several lines", /* each of which would be a line of the event */
         {CALL(0, "x", "f", "{\\n \\\"a\\\":\\r\\n\\\"\\\\n\\\"\\r}"), FINISH(TOOL_CALLS), DONE},
         {PART("{\"functionCall\":{\"id\":\"x\",\"name\":\"f\",\"args\":{  \"a\":  \"\\n\" }}}"),
          LAST("STOP", "")},
         WHOLE("{\"functionCall\":{\"id\":\"x\",\"name\":\"f\",\"args\":{  \"a\":  \"\\n\" }}}",
               "STOP")},
        {"arguments that are no object",
         {CALL(0, "x", "f", "{\\\"a\\\":"), FINISH(TOOL_CALLS), DONE},
         {PART("{\"functionCall\":{\"id\":\"x\",\"name\":\"f\",\"args\":{\"arguments\":\"{"
               "\\\"a\\\":\"}}}"),
          LAST("STOP", "")},
         NULL},
        {"arguments of another kind",
         {CALL(0, "x", "f", "[1]"), FINISH(TOOL_CALLS), DONE},
         {PART("{\"functionCall\":{\"id\":\"x\",\"name\":\"f\",\"args\":{\"arguments\":\"[1]\"}}}"),
          LAST("STOP", "")},
         NULL},
        {"images",
         {{.kind = CHAT_MEDIA,
           .name = SPAN_CONST("images"),
           .text = SPAN_CONST("[{\"image_url\":{\"url\":\"data:image/png;base64,AA\"}},{\"x\":1},"
                              "{\"image_url\":{\"url\":\"data:image\\/gif;base64,A\\/A\"}},"
                              "{\"image_url\":{\"url\":\"data:;base64,g;base64,AA\"}},"
                              "{\"image_url\":{\"url\":\"data:image/png;base64,\"}}]")},
          {.kind = CHAT_MEDIA,
           .name = SPAN_CONST("audio"),
           .text = SPAN_CONST("{\"data\":\"AA\"}")},
          FINISH(STOP),
          DONE},
         {PART("{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"AA\"}},{\"inlineData\":{"
               "\"mimeType\":\"image/gif\",\"data\":\"A\\/A\"}}"),
          LAST("STOP", "")},
         WHOLE("{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"AA\"}},{\"inlineData\":{"
               "\"mimeType\":\"image/gif\",\"data\":\"A\\/A\"}}",
               "STOP")},
        {"filtered, empty",
         {FINISH(CONTENT_FILTER), DONE},
         {LAST("SAFETY", "")},
         WHOLE("", "SAFETY")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench *b = bench_new();
        struct json_out out;
        struct sse sse = {0};
        struct sse_event event;
        ROW("%s", rows[i].name);
        for (unsigned e = 0; e == 0 || rows[i].events[e - 1].kind != CHAT_DONE; e++) {
            struct chat_event said = rows[i].events[e];
            said.answer = &answer;
            dialect_gemini.collect(&b->body, &said);
            if (said.kind == CHAT_DONE)
                dialect_gemini.write_done(&b->stream, &b->reader, &b->written);
            else
                dialect_gemini.write_event(&b->stream, &said, &b->written);
        }
        struct span rest = json_out_span(&b->written);
        for (unsigned e = 0; e < 5 && rows[i].want[e]; e++) {
            long used = sse_next(&sse, rest, &event);
            EXPECT(used > 0 && event.plain);
            rest = span_from(rest, used > 0 ? (size_t)used : 0);
            EXPECT_JSON(event.data, span_str(rows[i].want[e]));
        }
        EXPECT_EQ(rest.n, 0);
        if (rows[i].whole) {
            json_out_arena(&out, &b->arena, 0);
            dialect_gemini.write_body(&b->body, &out);
            EXPECT_JSON(json_out_span(&out), span_str(rows[i].whole));
        }
        bench_free(b);
    }
}

TEST(merged) {
    static const struct {
        const char *name, *events[5], *want;
    } rows[] = {
        {"text of one kind is joined",
         {"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"h\",\"thought\":true}]}}]}",
          "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"m\",\"thought\":true},{\"text\":"
          "\"a\"}]}}]}",
          "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"b\\n\"}]},\"finishReason\":"
          "\"STOP\"}]}"},
         "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hm\",\"thought\":true},{\"text\":"
         "\"ab\\n\"}],"
         "\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0}]}"},
        {"other parts and members stay, the last of each counts",
         {"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"},{\"executableCode\":{\"n\":1."
          "50}}]},"
          "\"groundingMetadata\":{\"x\":1},\"safetyRatings\":[1]}],\"usageMetadata\":{\"t\":1}}",
          "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"b\",\"videoMetadata\":{}},{"
          "\"text\":\"c\"}]},"
          "\"groundingMetadata\":{\"x\":2}}],\"usageMetadata\":{\"t\":2},\"modelVersion\":\"m\"}"},
         "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"},{\"executableCode\":{\"n\":1."
         "50}},"
         "{\"text\":\"b\",\"videoMetadata\":{}},{\"text\":\"c\"}],\"role\":\"model\"},"
         "\"groundingMetadata\":"
         "{\"x\":2},\"safetyRatings\":[1],\"index\":0}],\"usageMetadata\":{\"t\":2},"
         "\"modelVersion\":\"m\"}"},
        {"a signature closes its part",
         {"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}",
          "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\",\"thoughtSignature\":\"S\"}]}}]"
          "}",
          "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"b\"}]}}]}"},
         "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\",\"thoughtSignature\":\"S\"},{"
         "\"text\":"
         "\"b\"}],\"role\":\"model\"},\"index\":0}]}"},
        {"two candidates",
         {"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"index\":1},{\"content\":{"
          "\"parts\":"
          "[{\"text\":\"b\"}]},\"index\":0}]}",
          "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"c\"}]},\"index\":1}]}"},
         "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"b\"}],\"role\":\"model\"},"
         "\"index\":0},"
         "{\"content\":{\"parts\":[{\"text\":\"ac\"}],\"role\":\"model\"},\"index\":1}]}"},
        {"blocked",
         {"{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}"},
         "{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}"},
        {"an empty line before", {"\n{\"a\":1}"}, "{\"a\":1}"},
        {"not JSON", {"{", "{\"candidates\":{\"a\":1}}"}, "{\"candidates\":{\"a\":1}}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench *b = bench_new();
        struct json_out out;
        ROW("%s", rows[i].name);
        for (unsigned e = 0; e < 5 && rows[i].events[e]; e++)
            dialect_gemini.merge(&b->body, SPAN(""), span_str(rows[i].events[e]));
        json_out_arena(&out, &b->arena, 0);
        dialect_gemini.write_body(&b->body, &out);
        EXPECT_JSON(json_out_span(&out), span_str(rows[i].want));
        bench_free(b);
    }
}

/* Of the same dialect the events go on as they came, and the end adds nothing. */
TEST(relayed_streams_get_no_end) {
    struct bench *b = bench_new();
    struct json_out out;
    bench_data(b,
               SPAN("{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"finishReason\":"
                    "\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":1}}"));
    struct chat_writer fresh;
    struct chat_request req = {.model = SPAN("m")};
    dialect_gemini.writer_init(&fresh, &b->arena, &req);
    json_out_arena(&out, &b->arena, 0);
    dialect_gemini.write_done(&fresh, &b->reader, &out);
    EXPECT_EQ(json_out_span(&out).n, 0);
    bench_free(b);
}

TEST(errors) {
    static const struct {
        enum fail why;
        const char *message, *param, *want;
    } rows[] = {
        {FAIL_BAD_REQUEST, "Say \"x\".", "contents",
         "{\"error\":{\"code\":400,\"message\":\"Say \\\"x\\\".\",\"status\":\"INVALID_ARGUMENT\","
         "\"details\":[{\"@type\":\"type.googleapis.com/"
         "google.rpc.BadRequest\",\"fieldViolations\":"
         "[{\"field\":\"contents\"}]}]}}"},
        {FAIL_KEY, "m", "",
         "{\"error\":{\"code\":401,\"message\":\"m\",\"status\":\"UNAUTHENTICATED\"}}"},
        {FAIL_FORBIDDEN, "m", "",
         "{\"error\":{\"code\":403,\"message\":\"m\",\"status\":\"PERMISSION_DENIED\"}}"},
        {FAIL_NO_MODEL, "m", "",
         "{\"error\":{\"code\":404,\"message\":\"m\",\"status\":\"NOT_FOUND\"}}"},
        {FAIL_RATE_LIMITED, "m", "",
         "{\"error\":{\"code\":429,\"message\":\"m\",\"status\":\"RESOURCE_EXHAUSTED\"}}"},
        {FAIL_UPSTREAM_AUTH, "m", "",
         "{\"error\":{\"code\":502,\"message\":\"m\",\"status\":\"UNAVAILABLE\"}}"},
        {FAIL_OVERLOADED, "m", "",
         "{\"error\":{\"code\":503,\"message\":\"m\",\"status\":\"UNAVAILABLE\"}}"},
        {FAIL_FIRST_TOKEN, "m", "",
         "{\"error\":{\"code\":504,\"message\":\"m\",\"status\":\"DEADLINE_EXCEEDED\"}}"},
        {FAIL_INTERNAL, "", "",
         "{\"error\":{\"code\":500,\"message\":\"hedgerow could not do "
         "it\",\"status\":\"INTERNAL\"}}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[600];
        struct json_out out;
        struct chat_error error;
        ROW("%s", fail_name(rows[i].why));
        json_out_init(&out, text, sizeof text);
        dialect_gemini.write_error(rows[i].why, span_str(rows[i].message), span_str(rows[i].param),
                                   &out);
        EXPECT_JSON(json_out_span(&out), span_str(rows[i].want));
        dialect_gemini.read_error(json_out_span(&out), &error);
        EXPECT(error.message.n > 0 && error.status.n > 0 && error.code.n == 3);
    }
    char text[300];
    struct json_out out;
    json_out_init(&out, text, sizeof text);
    dialect_gemini.write_error_event(FAIL_IDLE, SPAN("m"), &out);
    EXPECT_BYTES(
        out.p, out.n,
        "data: {\"error\":{\"code\":504,\"message\":\"m\",\"status\":\"DEADLINE_EXCEEDED\"}}"
        "\r\n\r\n");
}
