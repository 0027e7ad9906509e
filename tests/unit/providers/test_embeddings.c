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
