/* test_embeddings.c - requests for embeddings, and which answers to them are whole. */
#include <glob.h>

#include <yyjson.h>

#include "core/slab.h"
#include "providers/embeddings.h"
#include "providers/provider.h"
#include "tests/test.h"

struct desk {
    struct memory memory;
    struct arena arena;
    struct embeddings_request req;
    struct span why, param;
};

static void desk_init(struct desk *d) {
    memset(d, 0, sizeof *d);
    memory_init(&d->memory, (size_t)16 << 20, 0);
    arena_init(&d->arena, &d->memory);
}

static void desk_fini(struct desk *d) {
    arena_fini(&d->arena);
    memory_fini(&d->memory);
}

static int read_request(struct desk *d, const char *body) {
    return embeddings_read_request(span_str(body), &d->arena, &d->req, &d->why, &d->param);
}

TEST(reads_requests) {
    static const struct {
        const char *body;
        enum embeddings_input input;
        unsigned inputs;
        uint64_t estimate, dimensions;
        const char *value, *format, *user;
    } rows[] = {
        {"{\"model\":\"m\\u0031\",\"input\":\"0123456789\"}", EMBEDDINGS_TEXT, 1, 2, 0,
         "\"0123456789\"", "", ""},
        {" {\"input\" : [ \"0123\" , \"4567\" , \"89\" ] ,\"model\":\"m1\",\"encoding_format\":"
         "\"base64\",\"dimensions\":256,\"user\":\"u\"} ",
         EMBEDDINGS_TEXTS, 3, 2, 256, "[ \"0123\" , \"4567\" , \"89\" ]", "base64", "u"},
        {"{\"model\":\"m1\",\"input\":[1,2,3]}", EMBEDDINGS_TOKENS, 1, 3, 0, "[1,2,3]", "", ""},
        {"{\"model\":\"m1\",\"input\":[[1,2],[3]],\"dimensions\":null,\"encoding_format\":null}",
         EMBEDDINGS_TOKEN_LISTS, 2, 3, 0, "[[1,2],[3]]", "", ""},
        {"{\"model\":\"m1\",\"input\":\"a\",\"input_type\":\"query\",\"x\":[{}]}", EMBEDDINGS_TEXT,
         1, 1, 0, "\"a\"", "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct desk d;
        ROW("%s", rows[i].body);
        desk_init(&d);
        EXPECT_EQ(read_request(&d, rows[i].body), 0);
        EXPECT_BYTES(d.req.model.p, d.req.model.n, "m1");
        EXPECT_EQ(d.req.input, rows[i].input);
        EXPECT_EQ(d.req.inputs, rows[i].inputs);
        EXPECT_EQ(d.req.input_tokens_estimate, rows[i].estimate);
        EXPECT_EQ(d.req.dimensions, rows[i].dimensions);
        EXPECT_BYTES(d.req.input_value.p, d.req.input_value.n, rows[i].value);
        EXPECT_BYTES(d.req.encoding_format.p, d.req.encoding_format.n, rows[i].format);
        EXPECT_BYTES(d.req.user.p, d.req.user.n, rows[i].user);
        desk_fini(&d);
    }
}

TEST(refuses_with_a_sentence_and_the_member) {
    static const struct {
        const char *body, *param, *why;
    } rows[] = {
        {"", "", "not valid JSON"},
        {"[]", "", "not a JSON object"},
        {"{\"model\":\"m\",\"input\":\"a\"", "", "not valid JSON"},
        {"{\"model\":\"m\",\"input\":[\"a\"", "", "not valid JSON"},
        {"{\"model\":\"m\",\"input\":[1,}", "", "not valid JSON"},
        {"{\"model\":\"m\",\"input\":\"a\"} x", "", "not valid JSON"},
        {"{\"input\":\"a\"}", "model", "missing"},
        {"{\"model\":\"\",\"input\":\"a\"}", "model", "as a string"},
        {"{\"model\":3,\"input\":\"a\"}", "model", "as a string"},
        {"{\"model\":\"m\",\"model\":\"m\",\"input\":\"a\"}", "model", "twice"},
        {"{\"model\":\"m\"}", "input", "missing"},
        {"{\"model\":\"m\",\"input\":\"\"}", "input", "none of them empty"},
        {"{\"model\":\"m\",\"input\":null}", "input", "none of them empty"},
        {"{\"model\":\"m\",\"input\":{}}", "input", "none of them empty"},
        {"{\"model\":\"m\",\"input\":[]}", "input", "none of them empty"},
        {"{\"model\":\"m\",\"input\":[\"a\",1]}", "input", "none of them empty"},
        {"{\"model\":\"m\",\"input\":[\"a\",\"\"]}", "input", "none of them empty"},
        {"{\"model\":\"m\",\"input\":[1,\"a\"]}", "input", "none of them empty"},
        {"{\"model\":\"m\",\"input\":[1.5]}", "input", "none of them empty"},
        {"{\"model\":\"m\",\"input\":[-1]}", "input", "none of them empty"},
        {"{\"model\":\"m\",\"input\":[[]]}", "input", "none of them empty"},
        {"{\"model\":\"m\",\"input\":[[1],2]}", "input", "none of them empty"},
        {"{\"model\":\"m\",\"input\":[[1],[\"a\"]]}", "input", "none of them empty"},
        {"{\"model\":\"m\",\"input\":[{}]}", "input", "none of them empty"},
        {"{\"model\":\"m\",\"input\":\"a\",\"dimensions\":0}", "dimensions", "at least 1"},
        {"{\"model\":\"m\",\"input\":\"a\",\"dimensions\":\"9\"}", "dimensions", "at least 1"},
        {"{\"model\":\"m\",\"input\":\"a\",\"encoding_format\":1}", "encoding_format", "a string"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct desk d;
        ROW("%s", rows[i].body);
        desk_init(&d);
        EXPECT_EQ(read_request(&d, rows[i].body), -FAIL_BAD_REQUEST);
        EXPECT_BYTES(d.param.p, d.param.n, rows[i].param);
        EXPECT(span_search(d.why, span_str(rows[i].why)) < d.why.n);
        desk_fini(&d);
    }
}

TEST(a_full_memory_is_told) {
    struct desk d;
    memset(&d, 0, sizeof d);
    memory_init(&d.memory, 100, 0);
    arena_init(&d.arena, &d.memory);
    EXPECT_EQ(read_request(&d, "{\"model\":\"\\u006d\",\"input\":\"a\"}"), -FAIL_OVERLOAD);
    desk_fini(&d);
}

TEST(the_backends_name_for_the_model) {
    static const struct {
        const char *model;
        unsigned quirks;
        const char *want;
    } rows[] = {
        {"b/\"2", 0, "{\"input\":\"a\", \"model\" : \"b/\\\"2\" }"},
        {"m", 0, "{\"input\":\"a\", \"model\" : \"m\" }"},
        {"b", QUIRK_MODEL_IN_PATH, "{\"input\":\"a\", \"model\" : \"m\" }"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static const char body[] = "{\"input\":\"a\", \"model\" : \"m\" }";
        struct chat_edit edits[CHAT_EDITS_MAX];
        struct desk d;
        char got[200];
        ROW("%s", rows[i].want);
        desk_init(&d);
        EXPECT_EQ(read_request(&d, body), 0);
        int count =
            embeddings_edit(&d.req, span_str(rows[i].model), rows[i].quirks, &d.arena, edits);
        EXPECT_EQ(count, strcmp(body, rows[i].want) != 0);
        if (count != 1)
            edits[0] = (struct chat_edit){.at = 0};
        snprintf(got, sizeof got, "%.*s%.*s%s", (int)edits[0].at, body, (int)edits[0].insert.n,
                 edits[0].insert.n ? edits[0].insert.p : "", body + edits[0].at + edits[0].remove);
        EXPECT_STR(got, rows[i].want);
        desk_fini(&d);
    }
}

#define DATA "\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":[0.1,-2e-3]}]"

TEST(answers) {
    static const struct {
        const char *body;
        int want;
        uint64_t input_tokens;
    } rows[] = {
        {"{\"object\":\"list\"," DATA ",\"usage\":{\"prompt_tokens\":8,\"total_tokens\":9}}", 0, 8},
        {"{\"usage\":{\"total_tokens\":9}," DATA "}", 0, 9},
        {"\r\n{" DATA "}\n", 0, 0},
        {"{" DATA ",\"usage\":null,\"error\":null}", 0, 0},
        {"{\"data\":[{\"embedding\":\"AAAA\"},{\"embedding\":[1]}]}", 0, 0},
        {"", -FAIL_EMPTY, 0},
        {" \n", -FAIL_EMPTY, 0},
        {"{\"data\":[]}", -FAIL_EMPTY, 0},
        {"{\"data\":null}", -FAIL_EMPTY, 0},
        {"{}", -FAIL_BAD_EVENT, 0},
        {"[]", -FAIL_BAD_EVENT, 0},
        {"<html>", -FAIL_BAD_EVENT, 0},
        {"\"data\"", -FAIL_BAD_EVENT, 0},
        {"{\"data\":{}}", -FAIL_BAD_EVENT, 0},
        {"{\"data\":[3]}", -FAIL_BAD_EVENT, 0},
        {"{\"data\":[{}]}", -FAIL_BAD_EVENT, 0},
        {"{\"data\":[{\"embedding\":[]}]}", -FAIL_BAD_EVENT, 0},
        {"{\"data\":[{\"embedding\":\"\"}]}", -FAIL_BAD_EVENT, 0},
        {"{\"data\":[{\"embedding\":[\"a\"]}]}", -FAIL_BAD_EVENT, 0},
        {"{\"data\":[{\"embedding\":[1]},{\"embedding\":null}]}", -FAIL_BAD_EVENT, 0},
        {"{" DATA "} x", -FAIL_BAD_EVENT, 0},
        {"{" DATA ",", -FAIL_INCOMPLETE, 0},
        {"{\"data\":[{\"embedding\":[1,", -FAIL_INCOMPLETE, 0},
        {"{\"error\":{\"message\":\"no\"}}", -FAIL_ERROR_EVENT, 0},
        {"{" DATA ",\"error\":{\"message\":\"no\"}}", -FAIL_ERROR_EVENT, 0},
        {"{\"error\":true}", -FAIL_ERROR_EVENT, 0},
        {"{\"error\":{\"message\":\"no\",\"code\":\"rate_limit_exceeded\"}}", -FAIL_RATE_LIMITED,
         0},
        {"{\"message\":\"no\"}", -FAIL_ERROR_EVENT, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct chat_usage usage;
        ROW("%s", rows[i].body);
        EXPECT_EQ(embeddings_check_body(span_str(rows[i].body), &usage), rows[i].want);
        if (rows[i].want == 0) {
            EXPECT_EQ(usage.known, rows[i].input_tokens > 0);
            EXPECT_EQ(usage.input_tokens, rows[i].input_tokens);
            EXPECT_EQ(usage.output_tokens, 0);
        }
    }
}

/* Half an answer is none, wherever it is cut. */
TEST(half_an_answer) {
    static const char body[] = "{" DATA ",\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}";
    for (size_t n = 0; n + 1 < sizeof body; n++) {
        struct chat_usage usage;
        char *copy = malloc(n + 1);
        ROW("%zu bytes", n);
        memcpy(copy, body, n);
        EXPECT_EQ(embeddings_check_body(span_of(copy, n), &usage),
                  n ? -FAIL_INCOMPLETE : -FAIL_EMPTY);
        free(copy);
    }
}

/* --- APIs that are not OpenAI's --- */

TEST(which_api) {
    static const struct {
        const char *kind, *model;
        enum embeddings_api want;
    } rows[] = {
        {"openai", "text-embedding-3-small", EMBEDDINGS_OPENAI},
        {"openai", "amazon.titan-embed-text-v2:0", EMBEDDINGS_OPENAI},
        {"gemini", "gemini-embedding-001", EMBEDDINGS_OPENAI},
        {"bedrock", "amazon.titan-embed-text-v2:0", EMBEDDINGS_TITAN},
        {"bedrock", "amazon.titan-embed-text-v1", EMBEDDINGS_TITAN_V1},
        {"bedrock", "amazon.titan-embed-g1-text-02", EMBEDDINGS_TITAN_V1},
        {"bedrock", "amazon.titan-embed-image-v1", EMBEDDINGS_UNKNOWN},
        {"bedrock", "cohere.embed-english-v3", EMBEDDINGS_COHERE_V3},
        {"bedrock", "cohere.embed-multilingual-v3", EMBEDDINGS_COHERE_V3},
        {"bedrock", "us.cohere.embed-v4:0", EMBEDDINGS_COHERE},
        {"bedrock", "anthropic.claude-sonnet-4-5", EMBEDDINGS_UNKNOWN},
        {"bedrock", "", EMBEDDINGS_UNKNOWN},
        {"vertex", "text-embedding-005", EMBEDDINGS_VERTEX},
        {"vertex", "gemini-embedding-001", EMBEDDINGS_VERTEX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ROW("%s %s", rows[i].kind, rows[i].model);
        EXPECT_EQ(embeddings_api_of(span_str(rows[i].kind), span_str(rows[i].model)), rows[i].want);
    }
}

#define ASKED(more) "{\"model\":\"m\",\"input\":\"a\\u0062 \\\"c\"" more "}"
#define TEXTS(more) "{\"model\":\"m\",\"input\":[ \"a\\n\" , \"b\" ]" more "}"

TEST(writes_requests) {
    static const struct {
        const char *body;
        enum embeddings_api api;
        const char *want;
    } rows[] = {
        {ASKED(""), EMBEDDINGS_TITAN_V1, "{\"inputText\":\"a\\u0062 \\\"c\"}"},
        {ASKED(",\"user\":\"u\",\"x\":null"), EMBEDDINGS_TITAN,
         "{\"inputText\":\"a\\u0062 \\\"c\",\"normalize\":true}"},
        {"{\"model\":\"m\",\"input\":[\"one\"],\"dimensions\":256}", EMBEDDINGS_TITAN,
         "{\"inputText\":\"one\",\"dimensions\":256,\"normalize\":true}"},
        {ASKED(""), EMBEDDINGS_COHERE_V3,
         "{\"texts\":[\"a\\u0062 \\\"c\"],\"input_type\":\"search_document\"}"},
        {TEXTS(",\"dimensions\":512,\"encoding_format\":\"base64\""), EMBEDDINGS_COHERE,
         "{\"texts\":[\"a\\n\",\"b\"],\"input_type\":\"search_document\",\"output_dimension\":"
         "512}"},
        {TEXTS(",\"input_type\":\"search_query\""), EMBEDDINGS_COHERE,
         "{\"texts\":[\"a\\n\",\"b\"],\"input_type\":\"search_query\"}"},
        {ASKED(",\"encoding_format\":\"float\""), EMBEDDINGS_VERTEX,
         "{\"instances\":[{\"content\":\"a\\u0062 \\\"c\"}],\"parameters\":{\"autoTruncate\":"
         "false}}"},
        {TEXTS(",\"dimensions\":9,\"task_type\":\"CLUSTERING\""), EMBEDDINGS_VERTEX,
         "{\"instances\":[{\"content\":\"a\\n\",\"task_type\":\"CLUSTERING\"},{\"content\":\"b\","
         "\"task_type\":\"CLUSTERING\"}],\"parameters\":{\"autoTruncate\":false,"
         "\"outputDimensionality\":9}}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct chat_losses losses = {.lenient = false};
        struct json_out out;
        struct desk d;
        ROW("%s", rows[i].want);
        desk_init(&d);
        json_out_arena(&out, &d.arena, 0);
        EXPECT_EQ(read_request(&d, rows[i].body), 0);
        EXPECT_EQ(embeddings_write(&d.req, rows[i].api, &losses, &out), 0);
        EXPECT_BYTES(out.p, out.n, rows[i].want);
        EXPECT_EQ(losses.count, 0);
        desk_fini(&d);
    }
}

/* Lenient leaves out what it can, and says so; never the input. */
TEST(what_an_api_cannot_say) {
    static const struct {
        const char *body;
        enum embeddings_api api;
        int strict, lenient;
        const char *field, *why;
    } rows[] = {
        {TEXTS(""), EMBEDDINGS_TITAN, -FAIL_UNSUPPORTED, -FAIL_UNSUPPORTED, "input", "one text"},
        {"{\"model\":\"m\",\"input\":[1]}", EMBEDDINGS_TITAN, -FAIL_UNSUPPORTED, -FAIL_UNSUPPORTED,
         "input", "tokens"},
        {"{\"model\":\"m\",\"input\":[[1],[2]]}", EMBEDDINGS_COHERE, -FAIL_UNSUPPORTED,
         -FAIL_UNSUPPORTED, "input", "tokens"},
        {"{\"model\":\"m\",\"input\":[1]}", EMBEDDINGS_VERTEX, -FAIL_UNSUPPORTED, -FAIL_UNSUPPORTED,
         "input", "tokens"},
        {ASKED(",\"dimensions\":2"), EMBEDDINGS_TITAN_V1, -FAIL_UNSUPPORTED, 0, "dimensions",
         "one length"},
        {ASKED(",\"dimensions\":2"), EMBEDDINGS_COHERE_V3, -FAIL_UNSUPPORTED, 0, "dimensions",
         "one length"},
        {ASKED(",\"zz\":0"), EMBEDDINGS_COHERE, -FAIL_UNSUPPORTED, 0, "zz", "no such member"},
        {ASKED(",\"input_type\":\"a\""), EMBEDDINGS_TITAN, -FAIL_UNSUPPORTED, 0, "input_type",
         "no such member"},
        {ASKED(",\"task_type\":{}"), EMBEDDINGS_VERTEX, -FAIL_UNSUPPORTED, 0, "task_type",
         "no such member"},
        {ASKED(",\"encoding_format\":\"hex\""), EMBEDDINGS_VERTEX, -FAIL_BAD_REQUEST,
         -FAIL_BAD_REQUEST, "encoding_format", "float or base64"},
    };
    for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
        bool lenient = i % 2;
        int want = lenient ? rows[i / 2].lenient : rows[i / 2].strict;
        struct chat_losses losses = {.lenient = lenient};
        struct json_out out;
        struct desk d;
        ROW("%s, %s", rows[i / 2].body, lenient ? "lenient" : "strict");
        desk_init(&d);
        json_out_arena(&out, &d.arena, 0);
        EXPECT_EQ(read_request(&d, rows[i / 2].body), 0);
        EXPECT_EQ(embeddings_write(&d.req, rows[i / 2].api, &losses, &out), want);
        struct span field = want ? losses.field : losses.names[0];
        EXPECT_BYTES(field.p, field.n, rows[i / 2].field);
        EXPECT_EQ(losses.count, want == 0);
        if (want)
            EXPECT(span_search(losses.why, span_str(rows[i / 2].why)) < losses.why.n);
        else
            EXPECT(json_check(json_out_span(&out), NULL, NULL) == 0 &&
                   span_search(json_out_span(&out), span_str(rows[i / 2].field)) == out.n);
        desk_fini(&d);
    }
}

TEST(cohere_takes_96_texts) {
    for (unsigned count = 96; count <= 97; count++) {
        struct chat_losses losses = {.lenient = false};
        struct json_out body, out;
        struct desk d;
        ROW("%u", count);
        desk_init(&d);
        json_out_arena(&body, &d.arena, 0);
        json_out_arena(&out, &d.arena, 0);
        json_out_raw(&body, SPAN("{\"model\":\"m\",\"input\":[\"a\""));
        for (unsigned i = 1; i < count; i++)
            json_out_raw(&body, SPAN(",\"a\""));
        json_out_raw(&body, SPAN("]}"));
        EXPECT_EQ(embeddings_read_request(json_out_span(&body), &d.arena, &d.req, &d.why, &d.param),
                  0);
        EXPECT_EQ(embeddings_write(&d.req, EMBEDDINGS_COHERE, &losses, &out),
                  count > 96 ? -FAIL_UNSUPPORTED : 0);
        desk_fini(&d);
    }
}

/* Reads `body` as the answer to a request for `inputs` embeddings. */
static int respell(struct desk *d, enum embeddings_api api, struct span body, unsigned inputs,
                   const char *format, struct json_out *out, struct chat_usage *usage) {
    d->req = (struct embeddings_request){.inputs = inputs, .encoding_format = span_str(format)};
    json_out_arena(out, &d->arena, 0);
    return embeddings_read(body, api, &d->req, SPAN("the \"model\""), out, usage);
}

#define ITEM(index, vector) \
    "{\"object\":\"embedding\",\"index\":" index ",\"embedding\":" vector "}"
#define LIST(items, tokens)                                                                \
    "{\"object\":\"list\",\"data\":[" items "],\"model\":\"the \\\"model\\\"\",\"usage\":" \
    "{\"prompt_tokens\":" tokens ",\"total_tokens\":" tokens "}}"
#define PREDICTION(vector, tokens) \
    "{\"embeddings\":{\"statistics\":{\"token_count\":" tokens "},\"values\":" vector "}}"

TEST(respells_answers) {
    static const struct {
        enum embeddings_api api;
        const char *body;
        unsigned inputs;
        const char *format;
        uint64_t tokens; /* 0: not known */
        const char *want;
    } rows[] = {
        {EMBEDDINGS_TITAN,
         " {\"embedding\": [ -0.10 , 1e-05,3 ],\"x\":[{}],\"inputTextTokenCount\":7}\n", 1, "", 7,
         LIST(ITEM("0", "[-0.10,1e-05,3]"), "7")},
        {EMBEDDINGS_TITAN_V1, "{\"inputTextTokenCount\":null,\"embedding\":[0]}", 1, "float", 0,
         LIST(ITEM("0", "[0]"), "0")},
        /* 1.0f is 00 00 80 3f, -2.0f is 00 00 00 c0, 0.5f is 00 00 00 3f. */
        {EMBEDDINGS_TITAN, "{\"embedding\":[1]}", 1, "base64", 0,
         LIST(ITEM("0", "\"AACAPw==\""), "0")},
        {EMBEDDINGS_TITAN, "{\"embedding\":[1,-2]}", 1, "base64", 0,
         LIST(ITEM("0", "\"AACAPwAAAMA=\""), "0")},
        {EMBEDDINGS_TITAN, "{\"embedding\":[1,-2,0.5]}", 1, "base64", 0,
         LIST(ITEM("0", "\"AACAPwAAAMAAAAA/\""), "0")},
        {EMBEDDINGS_TITAN, "{\"embedding\":[1,-2,0.5,1]}", 1, "base64", 0,
         LIST(ITEM("0", "\"AACAPwAAAMAAAAA/AACAPw==\""), "0")},
        {EMBEDDINGS_COHERE_V3, "{\"embeddings\":[[1.50],[2]],\"texts\":[\"a\",\"b\"]}", 2, "", 0,
         LIST(ITEM("0", "[1.50]") "," ITEM("1", "[2]"), "0")},
        {EMBEDDINGS_COHERE, "{\"embeddings\":{\"int8\":[[1]],\"float\":[[1,2]]}}", 1, "", 0,
         LIST(ITEM("0", "[1,2]"), "0")},
        {EMBEDDINGS_VERTEX,
         "{\"predictions\":[" PREDICTION("[1]", "4") "," PREDICTION(
             "[2]", "5.0") "],\"metadata\":{\"billableCharacterCount\":12}}",
         2, "", 9, LIST(ITEM("0", "[1]") "," ITEM("1", "[2]"), "9")},
        {EMBEDDINGS_VERTEX, "{\"predictions\":[{\"embeddings\":{\"values\":[1]}}]}", 1, "base64", 0,
         LIST(ITEM("0", "\"AACAPw==\""), "0")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct chat_usage usage, checked;
        struct json_out out;
        struct desk d;
        ROW("%s %s", rows[i].body, rows[i].format);
        desk_init(&d);
        EXPECT_EQ(respell(&d, rows[i].api, span_str(rows[i].body), rows[i].inputs, rows[i].format,
                          &out, &usage),
                  0);
        EXPECT_BYTES(out.p, out.n, rows[i].want);
        EXPECT_EQ(usage.known, rows[i].tokens > 0);
        EXPECT_EQ(usage.input_tokens, rows[i].tokens);
        EXPECT_EQ(embeddings_check_body(json_out_span(&out), &checked), 0);
        desk_fini(&d);
    }
}

TEST(answers_that_are_none) {
    static const struct {
        enum embeddings_api api;
        const char *body;
        int want;
        const char *format;
    } rows[] = {
        {EMBEDDINGS_TITAN, "", -FAIL_EMPTY, ""},
        {EMBEDDINGS_TITAN, "{}", -FAIL_BAD_EVENT, ""},
        {EMBEDDINGS_TITAN, "[]", -FAIL_BAD_EVENT, ""},
        {EMBEDDINGS_TITAN, "<html>", -FAIL_BAD_EVENT, ""},
        {EMBEDDINGS_TITAN, "{\"embedding\":[1,", -FAIL_INCOMPLETE, ""},
        {EMBEDDINGS_TITAN, "{\"embedding\":[1]} x", -FAIL_BAD_EVENT, ""},
        {EMBEDDINGS_TITAN, "{\"embedding\":[]}", -FAIL_BAD_EVENT, ""},
        {EMBEDDINGS_TITAN, "{\"embedding\":null}", -FAIL_BAD_EVENT, ""},
        {EMBEDDINGS_TITAN, "{\"embedding\":[1,\"2\"]}", -FAIL_BAD_EVENT, ""},
        {EMBEDDINGS_TITAN, "{\"embedding\":[1,null]}", -FAIL_BAD_EVENT, ""},
        {EMBEDDINGS_TITAN, "{\"embedding\":[1],\"embedding\":[2]}", -FAIL_BAD_EVENT, ""},
        {EMBEDDINGS_TITAN, "{\"embedding\":[1e39]}", -FAIL_BAD_EVENT, "base64"},
        {EMBEDDINGS_TITAN, "{\"embedding\":[1e999]}", -FAIL_BAD_EVENT, "base64"},
        {EMBEDDINGS_TITAN, "{\"message\":\"no\"}", -FAIL_ERROR_EVENT, ""},
        {EMBEDDINGS_TITAN, "{\"data\":[{\"embedding\":[1]}]}", -FAIL_BAD_EVENT, ""},
        {EMBEDDINGS_COHERE, "{\"embeddings\":[]}", -FAIL_EMPTY, ""},
        {EMBEDDINGS_COHERE, "{\"embeddings\":[[1],[2]]}", -FAIL_BAD_EVENT, ""},
        {EMBEDDINGS_COHERE, "{\"embeddings\":[[]]}", -FAIL_BAD_EVENT, ""},
        {EMBEDDINGS_COHERE, "{\"embeddings\":[1]}", -FAIL_BAD_EVENT, ""},
        {EMBEDDINGS_COHERE, "{\"embeddings\":{\"int8\":[[1]]}}", -FAIL_BAD_EVENT, ""},
        {EMBEDDINGS_COHERE, "{\"embeddings\":{\"float\":[]},\"embeddings\":[[1]]}", -FAIL_BAD_EVENT,
         ""},
        {EMBEDDINGS_VERTEX, "{\"predictions\":[]}", -FAIL_EMPTY, ""},
        {EMBEDDINGS_VERTEX, "{\"predictions\":[{}]}", -FAIL_BAD_EVENT, ""},
        {EMBEDDINGS_VERTEX, "{\"predictions\":[{\"embeddings\":{\"values\":[1],\"values\":[1]}}]}",
         -FAIL_BAD_EVENT, ""},
        {EMBEDDINGS_VERTEX, "{\"predictions\":[{\"embeddings\":[1]}]}", -FAIL_BAD_EVENT, ""},
        {EMBEDDINGS_VERTEX, "{\"error\":{\"code\":503,\"message\":\"no\"}}", -FAIL_OVERLOADED, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct chat_usage usage;
        struct json_out out;
        struct desk d;
        ROW("%s", rows[i].body);
        desk_init(&d);
        EXPECT_EQ(respell(&d, rows[i].api, span_str(rows[i].body), 1, rows[i].format, &out, &usage),
                  rows[i].want);
        EXPECT(!usage.known);
        desk_fini(&d);
    }
    struct chat_usage usage;
    struct json_out out;
    struct desk d;
    desk_init(&d);
    EXPECT_EQ(respell(&d, EMBEDDINGS_COHERE, SPAN("{\"embeddings\":[[1]]}"), 2, "", &out, &usage),
              -FAIL_BAD_EVENT); /* fewer than asked for */
    desk_fini(&d);
}

TEST(half_an_answer_of_their_own) {
    static const char body[] =
        "{\"predictions\":[" PREDICTION("[1,2]", "4") "],\"metadata\":{\"x\":1}}";
    for (size_t n = 0; n + 1 < sizeof body; n++) {
        struct chat_usage usage;
        struct json_out out;
        struct desk d;
        char *copy = malloc(n + 1);
        ROW("%zu bytes", n);
        memcpy(copy, body, n);
        desk_init(&d);
        EXPECT_EQ(respell(&d, EMBEDDINGS_VERTEX, span_of(copy, n), 1, n % 2 ? "base64" : "", &out,
                          &usage),
                  n ? -FAIL_INCOMPLETE : -FAIL_EMPTY);
        desk_fini(&d);
        free(copy);
    }
}

/* --- recordings --- */

static void expect_request(const char *path) {
    struct desk d;
    size_t size = 0;
    char *bytes = test_file(path, &size);
    yyjson_doc *doc = yyjson_read(bytes, size, 0);
    yyjson_val *body = yyjson_obj_get(yyjson_doc_get_root(doc), "body");
    yyjson_val *input = yyjson_obj_get(body, "input");
    char *text = yyjson_val_write(body, 0, NULL);
    desk_init(&d);
    EXPECT_EQ(read_request(&d, text), 0);
    EXPECT_BYTES(d.req.model.p, d.req.model.n, yyjson_get_str(yyjson_obj_get(body, "model")));
    EXPECT_EQ(d.req.inputs, yyjson_is_arr(input) ? yyjson_arr_size(input) : 1);
    desk_fini(&d);
    free(text);
    yyjson_doc_free(doc);
    free(bytes);
}

/* An answer with a status of 200 is whole, with its usage; the others are none. */
static void expect_answer(const char *path, const char *meta_path) {
    struct chat_usage usage;
    size_t size = 0, meta_size = 0;
    char *bytes = test_file(path, &size), *meta = test_file(meta_path, &meta_size);
    yyjson_doc *doc = yyjson_read(bytes, size, 0), *about = yyjson_read(meta, meta_size, 0);
    long long status = yyjson_get_sint(yyjson_obj_get(yyjson_doc_get_root(about), "status"));
    int rc = embeddings_check_body(span_of(bytes, size), &usage);
    EXPECT(status >= 200);
    EXPECT_EQ(rc == 0, status == 200);
    if (rc == 0)
        EXPECT_EQ(usage.input_tokens, yyjson_get_sint(yyjson_ptr_get(yyjson_doc_get_root(doc),
                                                                     "/usage/prompt_tokens")));
    yyjson_doc_free(doc);
    yyjson_doc_free(about);
    free(meta);
    free(bytes);
}

TEST(recordings) {
    static const char *const folders[] = {"fixtures/openai", "fixtures/azure"};
    unsigned count = 0;
    for (size_t f = 0; f < sizeof folders / sizeof folders[0]; f++) {
        char path[5000];
        glob_t found;
        const char *folder = test_shared(folders[f]);
        if (!folder)
            SKIP("needs ../shared");
        snprintf(path, sizeof path, "%s/embeddings__*.req.json", folder);
        EXPECT_EQ(glob(path, 0, NULL, &found), 0);
        for (size_t i = 0; i < found.gl_pathc; i++) {
            char meta[5000];
            const char *name = found.gl_pathv[i];
            int stem = (int)(strlen(name) - strlen("req.json"));
            ROW("%s", strrchr(name, '/') + 1);
            expect_request(name);
            snprintf(path, sizeof path, "%.*sresp.json", stem, name);
            snprintf(meta, sizeof meta, "%.*smeta.json", stem, name);
            expect_answer(path, meta);
            count++;
        }
        globfree(&found);
    }
    EXPECT(count >= 12);
}

/* The vectors of a recorded answer of a cloud with an API of its own, in order; NULL behind the last. */
static yyjson_val *recorded_vector(yyjson_val *root, size_t i) {
    char path[80];
    yyjson_val *list = yyjson_obj_get(root, "embeddings");
    if (yyjson_obj_get(root, "embedding"))
        return i ? NULL : yyjson_obj_get(root, "embedding");
    if (yyjson_is_obj(list))
        list = yyjson_obj_get(list, "float");
    if (list)
        return yyjson_arr_get(list, i);
    snprintf(path, sizeof path, "/predictions/%zu/embeddings/values", i);
    return yyjson_ptr_get(root, path);
}

/* The recorded model, decoded: what stands between "/model/" or "/models/" and the verb. */
static enum embeddings_api recorded_api(const char *url, const char *kind) {
    char model[200] = "";
    const char *at = strstr(url, "/models/");
    at = at ? at + strlen("/models/") : strstr(url, "/model/") + strlen("/model/");
    snprintf(model, sizeof model, "%.*s", (int)strcspn(at, "/:"), at);
    return embeddings_api_of(span_str(kind), span_str(model));
}

/* Every vector goes over with its numbers; in base64 they are the nearest floats. */
static void expect_respelt(const char *path, enum embeddings_api api, const char *format) {
    struct chat_usage usage;
    struct json_out out;
    struct desk d;
    size_t size = 0, count = 0;
    char *bytes = test_file(path, &size);
    desk_init(&d);
    yyjson_doc *doc = yyjson_read(bytes, size, YYJSON_READ_NUMBER_AS_RAW);
    yyjson_val *root = yyjson_doc_get_root(doc), *vector;
    while (recorded_vector(root, count))
        count++;
    EXPECT(count > 0);
    EXPECT_EQ(respell(&d, api, span_of(bytes, size), (unsigned)count, format, &out, &usage), 0);
    EXPECT_EQ(usage.known,
              api == EMBEDDINGS_TITAN || api == EMBEDDINGS_TITAN_V1 || api == EMBEDDINGS_VERTEX);
    yyjson_doc *got = yyjson_read(out.p, out.n, YYJSON_READ_NUMBER_AS_RAW);
    yyjson_val *data = yyjson_obj_get(yyjson_doc_get_root(got), "data");
    EXPECT_EQ(yyjson_arr_size(data), count);
    for (size_t i = 0; (vector = recorded_vector(root, i)); i++) {
        yyjson_val *embedding = yyjson_obj_get(yyjson_arr_get(data, i), "embedding");
        if (!*format)
            EXPECT(yyjson_equals(embedding, vector));
        else
            EXPECT_EQ(yyjson_get_len(embedding), (yyjson_arr_size(vector) * 4 + 2) / 3 * 4);
    }
    yyjson_doc_free(got);
    yyjson_doc_free(doc);
    desk_fini(&d);
    free(bytes);
}

TEST(recordings_of_other_apis) {
    static const char *const kinds[] = {"bedrock", "vertex"};
    unsigned count = 0;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        char path[5000], folder[40];
        glob_t found;
        snprintf(folder, sizeof folder, "fixtures/%s", kinds[k]);
        if (!test_shared(folder))
            SKIP("needs ../shared");
        snprintf(path, sizeof path, "%s/embeddings__*.req.json", test_shared(folder));
        EXPECT_EQ(glob(path, 0, NULL, &found), 0);
        for (size_t i = 0; i < found.gl_pathc; i++) {
            const char *name = found.gl_pathv[i];
            size_t size = 0;
            char *bytes = test_file(name, &size);
            yyjson_doc *doc = yyjson_read(bytes, size, 0);
            enum embeddings_api api = recorded_api(
                yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "url")), kinds[k]);
            ROW("%s", strrchr(name, '/') + 1);
            snprintf(path, sizeof path, "%.*sresp.json", (int)(strlen(name) - strlen("req.json")),
                     name);
            if (api != EMBEDDINGS_UNKNOWN) { /* Nova, and ids that do not tell the model */
                expect_respelt(path, api, "");
                expect_respelt(path, api, "base64");
                count++;
            }
            yyjson_doc_free(doc);
            free(bytes);
        }
        globfree(&found);
    }
    EXPECT(count >= 20);
}
