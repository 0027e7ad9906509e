/* test_openai_chat_request.c - reading a client's chat request and editing it for a backend. */
#include <inttypes.h>

#include "core/slab.h"
#include "providers/provider.h"
#include "tests/test.h"

#define ANSWER_MAX 70000

/* One arena per test, from a memory of its own. */
struct bench {
    struct memory memory;
    struct arena arena;
    struct chat_request req;
    struct span why, param;
};

static void bench_init(struct bench *b) {
    memory_init(&b->memory, 64u << 20, 0);
    arena_init(&b->arena, &b->memory);
}

static void bench_fini(struct bench *b) {
    arena_fini(&b->arena);
    memory_fini(&b->memory);
}

static int read_request(struct bench *b, const char *body) {
    return dialect_openai_chat.read_request(span_str(body), &b->arena, &b->req, &b->why, &b->param);
}

/* What the edits make of the body; checks their order on the way. */
static const char *apply(struct bench *b, const struct chat_edit *edits, int count) {
    static char out[ANSWER_MAX];
    size_t n = 0, at = 0;
    for (int i = 0; i < count; i++) {
        EXPECT(edits[i].at >= at && edits[i].at + edits[i].remove <= b->req.body.n);
        memcpy(out + n, b->req.body.p + at, edits[i].at - at);
        n += edits[i].at - at;
        memcpy(out + n, edits[i].insert.p, edits[i].insert.n);
        n += edits[i].insert.n;
        at = edits[i].at + edits[i].remove;
    }
    memcpy(out + n, b->req.body.p + at, b->req.body.n - at);
    n += b->req.body.n - at;
    out[n] = 0;
    EXPECT_EQ(json_check(span_of(out, n), NULL, NULL), 0);
    return out;
}

static const char *edited(struct bench *b, const char *body, const char *model, unsigned quirks) {
    struct chat_edit edits[CHAT_EDITS_MAX];
    EXPECT_EQ(read_request(b, body), 0);
    int count =
        dialect_openai_chat.edit_request(&b->req, span_str(model), quirks, &b->arena, edits);
    EXPECT(count >= 0);
    return count >= 0 ? apply(b, edits, count) : "";
}

#define M "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"

TEST(refuses_with_a_sentence_and_the_member) {
    static const struct {
        const char *body, *param, *why;
    } rows[] = {
        {"", "", "not valid JSON"},
        {"[1]", "", "not a JSON object"},
        {"{\"model\":\"m\"," M, "", "not valid JSON"},
        {"{\"model\":\"m\"," M "} x", "", "not valid JSON"},
        {"{\"model\":\"m\"," M ",}", "", "not valid JSON"},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}", "",
         "not valid JSON"},
        {"{}", "model", "missing"},
        {"{" M "}", "model", "missing"},
        {"{\"model\":\"m\"}", "messages", "missing"},
        {"{\"model\":\"\"," M "}", "model", "as a string"},
        {"{\"model\":null," M "}", "model", "as a string"},
        {"{\"model\":7," M "}", "model", "as a string"},
        {"{\"model\":\"\\ud800\"," M "}", "model", "as a string"},
        {"{\"model\":\"a\",\"model\":\"b\"," M "}", "model", "twice"},
        {"{\"model\":\"a\",\"\\u006dodel\":\"b\"," M "}", "model", "twice"},
        {"{\"model\":\"m\"," M "," M "}", "messages", "twice"},
        {"{\"model\":\"m\"," M ",\"stream\":true,\"stream\":false}", "stream", "twice"},
        {"{\"model\":\"m\"," M ",\"n\":1,\"n\":2}", "n", "twice"},
        {"{\"model\":\"m\",\"messages\":[]}", "messages", "at least one"},
        {"{\"model\":\"m\",\"messages\":{}}", "messages", "array of objects"},
        {"{\"model\":\"m\",\"messages\":\"Hi\"}", "messages", "array of objects"},
        {"{\"model\":\"m\",\"messages\":[\"Hi\"]}", "messages[0]", "give an object"},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\"},3]}", "messages[1]", "give an object"},
        {"{\"model\":\"m\",\"messages\":[{\"content\":\"Hi\"}]}", "messages[0].role", "missing"},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\"},{\"role\":null}]}", "messages[1].role",
         "give a string"},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"\"}]}", "messages[0].role", "give a string"},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"role\":\"system\"}]}",
         "messages[0].role", "twice"},
        {"{\"model\":\"m\"," M ",\"stream\":\"true\"}", "stream", "true or false"},
        {"{\"model\":\"m\"," M ",\"stream\":1}", "stream", "true or false"},
        {"{\"model\":\"m\"," M ",\"n\":0}", "n", "from 1 to 128"},
        {"{\"model\":\"m\"," M ",\"n\":129}", "n", "from 1 to 128"},
        {"{\"model\":\"m\"," M ",\"n\":1.5}", "n", "from 1 to 128"},
        {"{\"model\":\"m\"," M ",\"n\":-1}", "n", "from 1 to 128"},
        {"{\"model\":\"m\"," M ",\"n\":\"2\"}", "n", "from 1 to 128"},
        {"{\"model\":\"m\"," M ",\"max_tokens\":0}", "max_tokens", "whole number"},
        {"{\"model\":\"m\"," M ",\"max_tokens\":8,\"max_completion_tokens\":9}", "max_tokens",
         "differ"},
        {"{\"model\":\"m\"," M ",\"max_completion_tokens\":\"9\"}", "max_completion_tokens",
         "whole number"},
        {"{\"model\":\"m\"," M ",\"stream_options\":{\"include_usage\":true}}", "stream_options",
         "\"stream\": true"},
        {"{\"model\":\"m\"," M ",\"stream\":false,\"stream_options\":{\"x\":1}}", "stream_options",
         "\"stream\": true"},
        {"{\"model\":\"m\"," M ",\"stream\":true,\"stream_options\":true}", "stream_options",
         "an object"},
        {"{\"model\":\"m\"," M ",\"stream\":true,\"stream_options\":{\"include_usage\":1}}",
         "stream_options.include_usage", "true or false"},
        {"{\"model\":\"m\"," M
         ",\"stream\":true,\"stream_options\":{\"include_usage\":true,\"include_usage\":false}}",
         "stream_options.include_usage", "once"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench b;
        bench_init(&b);
        ROW("%s", rows[i].body);
        EXPECT_EQ(read_request(&b, rows[i].body), -FAIL_BAD_REQUEST);
        EXPECT_BYTES(b.param.p, b.param.n, rows[i].param);
        EXPECT(span_search(b.why, span_str(rows[i].why)) < b.why.n);
        EXPECT(span_ends(b.why, SPAN(".")));
        bench_fini(&b);
    }
}

TEST(reads_what_the_router_needs) {
    static const struct {
        const char *body, *model;
        bool stream, usage, tools, whole_only;
        unsigned choices;
        uint64_t max, estimate;
        const char *user;
    } rows[] = {
        {"{\"model\":\"gpt\"," M "}", "gpt", false, false, false, false, 1, 0, 1, ""},
        {" {\n\"model\" : \"g\\u0070t\\/5\" ,\n " M " } ", "gpt/5", false, false, false, false, 1,
         0, 1, ""},
        {"{" M ",\"stream\":true,\"n\":3,\"model\":\"m\",\"max_tokens\":64,\"user\":\"u1\"}", "m",
         true, false, false, false, 3, 64, 1, "u1"},
        {"{\"stream_options\":{\"include_usage\":true},\"model\":\"m\"," M ",\"stream\":true}", "m",
         true, true, false, false, 1, 0, 1, ""},
        {"{\"stream_options\":{\"include_usage\":null},\"model\":\"m\"," M ",\"stream\":true}", "m",
         true, false, false, false, 1, 0, 1, ""},
        {"{\"stream_options\":null,\"stream\":null,\"n\":null,\"max_tokens\":null,\"user\":null,"
         "\"tools\":null,\"model\":\"m\"," M "}",
         "m", false, false, false, false, 1, 0, 1, ""},
        {"{\"stream_options\":{ },\"model\":\"m\"," M "}", "m", false, false, false, false, 1, 0, 1,
         ""},
        {"{\"model\":\"m\"," M
         ",\"max_completion_tokens\":128,\"safety_identifier\":\"s\",\"user\":\"u\"}",
         "m", false, false, false, false, 1, 128, 1, "s"},
        {"{\"model\":\"m\"," M ",\"user\":\"u\",\"safety_identifier\":\"s\"}", "m", false, false,
         false, false, 1, 0, 1, "s"},
        {"{\"model\":\"m\"," M ",\"tools\":[]}", "m", false, false, false, false, 1, 0, 1, ""},
        {"{\"model\":\"m\"," M ",\"tools\":[{\"type\":\"function\"}]}", "m", false, false, true,
         false, 1, 0, 5, ""},
        {"{\"model\":\"m\"," M ",\"functions\":[{\"name\":\"f\"}]}", "m", false, false, true, false,
         1, 0, 4, ""},
        /* forty characters of text, and an image that must not be counted as text */
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
         "\"text\":\"0123456789012345678901234567890123456789\"},{\"type\":\"image_url\",\"image_"
         "url\":{\"url\":\"data:image/"
         "png;base64,"
         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
         "\"}}]}]}",
         "m", false, false, false, false, 1, 0, 13, ""},
        {"{\"model\":\"m\"," M
         ",\"modalities\":[\"text\",\"audio\"],\"audio\":{\"voice\":\"a\",\"format\":\"wav\"}}",
         "m", false, false, false, true, 1, 0, 1, ""},
        {"{\"model\":\"m\"," M ",\"audio\":{\"format\":\"pcm16\"}}", "m", false, false, false,
         false, 1, 0, 1, ""},
        {"{\"model\":\"m\"," M ",\"stream\":true,\"audio\":{\"format\":\"wav\"}}", "m", true, false,
         false, false, 1, 0, 1, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench b;
        bench_init(&b);
        ROW("%s", rows[i].body);
        EXPECT_EQ(read_request(&b, rows[i].body), 0);
        EXPECT_BYTES(b.req.model.p, b.req.model.n, rows[i].model);
        EXPECT_EQ(b.req.stream, rows[i].stream);
        EXPECT_EQ(b.req.include_usage, rows[i].usage);
        EXPECT_EQ(b.req.has_tools, rows[i].tools);
        EXPECT_EQ(b.req.whole_only, rows[i].whole_only);
        EXPECT_EQ(b.req.choices, rows[i].choices);
        EXPECT_EQ(b.req.max_output_tokens, rows[i].max);
        EXPECT_EQ(b.req.input_tokens_estimate, rows[i].estimate);
        EXPECT_BYTES(b.req.user.p, b.req.user.n, rows[i].user);
        EXPECT_EQ(b.req.object_empty, false);
        bench_fini(&b);
    }
}

TEST(a_conversation_keeps_its_prefix) {
#define SYSTEM "{\"role\":\"system\",\"content\":\"You are terse.\"}"
#define FIRST  "{\"role\":\"user\",\"content\":\"Hi\"}"
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        {"{\"model\":\"m\",\"messages\":[" SYSTEM "," FIRST "]}",
         "{\"model\":\"m\",\"temperature\":1,\"messages\":[" SYSTEM "," FIRST
         ",{\"role\":\"assistant\",\"content\":\"Hello\"},{\"role\":\"user\",\"content\":\"More\"}]"
         "}",
         true},
        {"{\"model\":\"m\",\"messages\":[" SYSTEM "," FIRST "]}",
         "{\"model\":\"n\",\"messages\":[" SYSTEM "," FIRST "]}", false},
        {"{\"model\":\"m\",\"messages\":[" SYSTEM "," FIRST "]}",
         "{\"model\":\"m\",\"messages\":[" FIRST "]}", false},
        {"{\"model\":\"m\",\"messages\":[" FIRST "]}",
         "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Ho\"}]}", false},
        {"{\"model\":\"m\",\"prompt_cache_key\":\"a\"," M "}",
         "{\"model\":\"m\",\"prompt_cache_key\":\"b\"," M "}", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench a, b;
        bench_init(&a);
        bench_init(&b);
        ROW("%zu", i);
        EXPECT_EQ(read_request(&a, rows[i].a), 0);
        EXPECT_EQ(read_request(&b, rows[i].b), 0);
        EXPECT_EQ(a.req.prefix_hash == b.req.prefix_hash, rows[i].same);
        bench_fini(&a);
        bench_fini(&b);
    }
}

TEST(edits_for_a_backend) {
    enum { ALL = QUIRK_MAX_TOKENS_ONLY | QUIRK_NO_DEVELOPER_ROLE };
    static const struct {
        const char *body, *model;
        unsigned quirks;
        const char *want;
    } rows[] = {
        {"{\"model\":\"a\"," M "}", "b", 0,
         "{\"stream\":true,\"stream_options\":{\"include_usage\":true},\"model\":\"b\"," M "}"},
        {"{\"model\":\"same\"," M ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
         "same", 0,
         "{\"model\":\"same\"," M ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}"},
        {"{ \"model\" : \"a\" , " M " , \"stream\" : false }", "b\"\\", 0,
         "{\"stream_options\":{\"include_usage\":true}, \"model\" : \"b\\\"\\\\\" , " M
         " , \"stream\" : true }"},
        {"{\"model\":\"a\"," M ",\"stream\":null}", "b", QUIRK_NO_STREAM_OPTIONS,
         "{\"model\":\"b\"," M ",\"stream\":true}"},
        {"{\"stream_options\":{},\"model\":\"a\"," M ",\"stream\":true}", "b", 0,
         "{\"stream_options\":{\"include_usage\":true},\"model\":\"b\"," M ",\"stream\":true}"},
        {"{\"stream_options\":{ \"include_obfuscation\":false},\"model\":\"a\"," M
         ",\"stream\":true}",
         "b", 0,
         "{\"stream_options\":{\"include_usage\":true, "
         "\"include_obfuscation\":false},\"model\":\"b\"," M ",\"stream\":true}"},
        {"{\"stream_options\":{\"include_usage\": false ,\"x\":1},\"model\":\"a\"," M
         ",\"stream\":true}",
         "b", 0,
         "{\"stream_options\":{\"include_usage\": true ,\"x\":1},\"model\":\"b\"," M
         ",\"stream\":true}"},
        {"{\"stream_options\":null,\"model\":\"a\"," M ",\"stream\":true}", "b", 0,
         "{\"stream_options\":{\"include_usage\":true},\"model\":\"b\"," M ",\"stream\":true}"},
        /* members cut out: first, in the middle, last, neighbours, at both ends */
        {"{\"stream_options\":{\"a\":[1,2]},\"model\":\"a\"," M ",\"stream\":true}", "a",
         QUIRK_NO_STREAM_OPTIONS, "{\"model\":\"a\"," M ",\"stream\":true}"},
        {"{\"model\":\"a\" , \"stream_options\" : {} , " M ",\"stream\":true}", "a",
         QUIRK_NO_STREAM_OPTIONS, "{\"model\":\"a\" ,  " M ",\"stream\":true}"},
        {"{\"model\":\"a\"," M ",\"stream\":true , \"stream_options\":{} }", "a",
         QUIRK_NO_STREAM_OPTIONS, "{\"model\":\"a\"," M ",\"stream\":true  }"},
        {"{\"model\":\"a\"," M
         ",\"stream\":true,\"max_tokens\":5,\"max_completion_tokens\":5,\"stream_options\":{}}",
         "a", ALL | QUIRK_NO_STREAM_OPTIONS,
         "{\"model\":\"a\"," M ",\"stream\":true,\"max_tokens\":5}"},
        {"{\"model\":\"a\"," M
         ",\"stream\":true,\"max_tokens\":5,\"stream_options\":{},\"max_completion_tokens\":5}",
         "a", ALL | QUIRK_NO_STREAM_OPTIONS,
         "{\"model\":\"a\"," M ",\"stream\":true,\"max_tokens\":5}"},
        {"{\"max_completion_tokens\":5,\"stream_options\":{},\"model\":\"a\"," M
         ",\"stream\":true,\"max_tokens\":5}",
         "a", ALL | QUIRK_NO_STREAM_OPTIONS,
         "{\"model\":\"a\"," M ",\"stream\":true,\"max_tokens\":5}"},
        {"{\"max_completion_tokens\":5,\"model\":\"a\"," M
         ",\"stream\":true,\"max_tokens\":5,\"stream_options\":{}}",
         "a", ALL | QUIRK_NO_STREAM_OPTIONS,
         "{\"model\":\"a\"," M ",\"stream\":true,\"max_tokens\":5}"},
        {"{\"stream_options\":null,\"model\":\"a\"," M "}", "a", QUIRK_NO_STREAM_OPTIONS,
         "{\"stream\":true,\"model\":\"a\"," M "}"},
        /* quirks */
        {"{\"model\":\"a\"," M ",\"max_completion_tokens\":5,\"stream\":true}", "b", ALL,
         "{\"stream_options\":{\"include_usage\":true},\"model\":\"b\"," M
         ",\"max_tokens\":5,\"stream\":true}"},
        {"{\"model\":\"a\"," M ",\"max_tokens\":5,\"stream\":true}", "b", ALL,
         "{\"stream_options\":{\"include_usage\":true},\"model\":\"b\"," M
         ",\"max_tokens\":5,\"stream\":true}"},
        {"{\"messages\":[{\"role\":\"developer\",\"content\":\"developer\"},{\"content\":[],"
         "\"role\":\"d\\u0065veloper\"},{\"role\":\"user\"}],\"model\":\"a\",\"stream\":true}",
         "b", ALL,
         "{\"stream_options\":{\"include_usage\":true},\"messages\":[{\"role\":\"system\","
         "\"content\":\"developer\"},{\"content\":[],\"role\":\"system\"},{\"role\":\"user\"}],"
         "\"model\":\"b\",\"stream\":true}"},
        {"{\"messages\":[{\"role\":\"developer\"}],\"model\":\"a\",\"stream\":true}", "b", 0,
         "{\"stream_options\":{\"include_usage\":true},\"messages\":[{\"role\":\"developer\"}],"
         "\"model\":\"b\",\"stream\":true}"},
        {"{\"model\":\"a\"," M ",\"stream\":true}", "b", QUIRK_MODEL_IN_PATH,
         "{\"stream_options\":{\"include_usage\":true},\"model\":\"a\"," M ",\"stream\":true}"},
        /* cannot be streamed */
        {"{\"model\":\"a\"," M ",\"audio\":{\"format\":\"mp3\"}}", "b", 0,
         "{\"model\":\"b\"," M ",\"audio\":{\"format\":\"mp3\"}}"},
        /* members that nobody knows, and numbers as they are written */
        {"{\"model\":\"a\"," M ",\"x\":1.50e+3,\"chat_template_kwargs\":{\"model\":\"inner\","
         "\"stream\":7},\"stream\":true}",
         "b", 0,
         "{\"stream_options\":{\"include_usage\":true},\"model\":\"b\"," M
         ",\"x\":1.50e+3,\"chat_template_kwargs\":{\"model\":\"inner\",\"stream\":7},\"stream\":"
         "true}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench b;
        bench_init(&b);
        ROW("%s", rows[i].body);
        EXPECT_STR(edited(&b, rows[i].body, rows[i].model, rows[i].quirks), rows[i].want);
        bench_fini(&b);
    }
}

TEST(too_many_edits_are_refused) {
    static char body[ANSWER_MAX];
    struct chat_edit edits[CHAT_EDITS_MAX];
    struct bench b;
    size_t n = (size_t)sprintf(body, "{\"model\":\"a\",\"messages\":[{\"role\":\"user\"}");
    for (int i = 0; i < CHAT_EDITS_MAX; i++)
        n += (size_t)sprintf(body + n, ",{\"role\":\"developer\",\"content\":\"x\"}");
    sprintf(body + n, "]}");
    bench_init(&b);
    EXPECT_EQ(read_request(&b, body), 0);
    EXPECT_EQ(b.req.developer_count, CHAT_EDITS_MAX);
    EXPECT_EQ(dialect_openai_chat.edit_request(&b.req, SPAN("b"), QUIRK_NO_DEVELOPER_ROLE, &b.arena,
                                               edits),
              -FAIL_BAD_REQUEST);
    EXPECT_EQ(dialect_openai_chat.edit_request(&b.req, SPAN("b"), 0, &b.arena, edits), 2);
    bench_fini(&b);
}

/* Every prefix of a body is refused, and refused without reading past it. */
TEST(a_cut_body_is_refused) {
    const char *body = "{\"model\":\"a\",\"messages\":[{\"role\":\"developer\",\"content\":[{"
                       "\"type\":\"text\",\"text\":\"H\\u00e9\"}]}],"
                       "\"stream\":true,\"stream_options\":{\"include_usage\":true},\"n\":2,\"max_"
                       "tokens\":10,\"tools\":[{}]}";
    for (size_t n = 0; n < strlen(body); n++) {
        struct bench b;
        char *cut = malloc(n ? n : 1);
        memcpy(cut, body, n);
        bench_init(&b);
        ROW("%zu", n);
        EXPECT_EQ(
            dialect_openai_chat.read_request(span_of(cut, n), &b.arena, &b.req, &b.why, &b.param),
            -FAIL_BAD_REQUEST);
        bench_fini(&b);
        free(cut);
    }
}

/* No memory is an ordinary refusal, and never blamed on the client. */
TEST(an_arena_at_its_limit_is_survived) {
    for (size_t limit = 0; limit < 5; limit++) {
        struct bench b;
        struct chat_edit edits[CHAT_EDITS_MAX];
        memory_init(&b.memory, limit * 4096, 0);
        arena_init(&b.arena, &b.memory);
        ROW("%zu", limit);
        int rc =
            read_request(&b, "{\"model\":\"\\u0061\",\"messages\":[{\"role\":\"developer\"}]}");
        EXPECT_EQ(rc, limit < 2 ? -FAIL_OVERLOAD : 0);
        rc = read_request(&b, "{\"model\":\"a\",\"messages\":[{\"role\":\"user\"}]}");
        EXPECT_EQ(rc, 0);
        rc = dialect_openai_chat.edit_request(&b.req, SPAN("b"), 0, &b.arena, edits);
        EXPECT_EQ(rc, limit < 2 ? -FAIL_OVERLOAD : 2);
        bench_fini(&b);
    }
}
