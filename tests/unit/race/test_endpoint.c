/* test_endpoint.c - paths, and the models that stand in them. */
#include "appliance/race/endpoint.h"

#include "core/slab.h"
#include "tests/test.h"

TEST(paths) {
    static const struct {
        const char *path;
        enum endpoint_kind kind;
        const struct dialect *dialect;
        const char *model;
        bool stream;
    } rows[] = {
        {"/v1/chat/completions", ENDPOINT_CHAT, &dialect_openai_chat, "", false},
        {"/chat/completions", ENDPOINT_CHAT, &dialect_openai_chat, "", false},
        {"/v1/completions", ENDPOINT_CHAT, &dialect_openai_completions, "", false},
        {"/v1/responses", ENDPOINT_CHAT, &dialect_openai_responses, "", false},
        {"/responses", ENDPOINT_CHAT, &dialect_openai_responses, "", false},
        {"/v1/messages", ENDPOINT_CHAT, &dialect_anthropic, "", false},
        {"/messages", ENDPOINT_CHAT, &dialect_anthropic, "", false},
        {"/v1/messages/count_tokens", ENDPOINT_COUNT_TOKENS, &dialect_anthropic, "", false},
        {"/v1/embeddings", ENDPOINT_EMBEDDINGS, &dialect_openai_chat, "", false},
        {"/v1beta/models/gemini-3-pro:generateContent", ENDPOINT_CHAT, &dialect_gemini,
         "gemini-3-pro", false},
        {"/v1beta/models/gemini-3-pro:streamGenerateContent", ENDPOINT_CHAT, &dialect_gemini,
         "gemini-3-pro", true},
        {"/v1/models/m:streamGenerateContent", ENDPOINT_CHAT, &dialect_gemini, "m", true},
        {"/models/m:generateContent", ENDPOINT_CHAT, &dialect_gemini, "m", false},
        {"/v1beta/models/a%2Fb:generateContent", ENDPOINT_CHAT, &dialect_gemini, "a%2Fb", false},
        {"/v1beta/models/a/b:generateContent", ENDPOINT_CHAT, &dialect_gemini, "a/b", false},
        {"/v1beta1/projects/p/locations/l/publishers/google/models/m:generateContent",
         ENDPOINT_CHAT, &dialect_gemini, "m", false},
        {"/v1beta/models/:generateContent", ENDPOINT_MODELS, &dialect_gemini, ":generateContent",
         false},
        {"/v2/models/m:generateContent", ENDPOINT_NONE, &dialect_openai_chat, "", false},
        {"/v1/models", ENDPOINT_MODELS, &dialect_openai_chat, "", false},
        {"/models/x", ENDPOINT_MODELS, &dialect_openai_chat, "x", false},
        {"/v1/models/x/y", ENDPOINT_MODELS, &dialect_openai_chat, "x/y", false},
        {"/v1beta/models", ENDPOINT_MODELS, &dialect_gemini, "", false},
        {"/v1/modelsx", ENDPOINT_PASS, &dialect_openai_chat, "", false},
        {"/v1/files", ENDPOINT_PASS, &dialect_openai_chat, "", false},
        {"/v1/", ENDPOINT_NONE, &dialect_openai_chat, "", false},
        {"/files", ENDPOINT_NONE, &dialect_openai_chat, "", false},
        {"/", ENDPOINT_NONE, &dialect_openai_chat, "", false},
        {"", ENDPOINT_NONE, &dialect_openai_chat, "", false},
        {"/health", ENDPOINT_HEALTH, &dialect_openai_chat, "", false},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ROW("%s", rows[i].path);
        struct endpoint endpoint = endpoint_of(span_str(rows[i].path));
        EXPECT_EQ(endpoint.kind, rows[i].kind);
        EXPECT(endpoint.dialect == rows[i].dialect);
        EXPECT_BYTES(endpoint.model.p, endpoint.model.n, rows[i].model);
        EXPECT_EQ(endpoint.stream, rows[i].stream);
    }
}

TEST(models_are_decoded) {
    static const struct {
        const char *text, *model; /* NULL: refused */
    } rows[] = {{"m", "m"},   {"a%2Fb", "a/b"}, {"%61%62", "ab"}, {"a%3a0", "a:0"},
                {"a%", NULL}, {"a%2", NULL},    {"%zz", NULL},    {"100%25", "100%"}};
    struct memory memory;
    struct arena arena;
    memory_init(&memory, (size_t)1 << 20, 0);
    arena_init(&arena, &memory);
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ROW("%s", rows[i].text);
        struct span model = endpoint_decode(span_str(rows[i].text), &arena);
        EXPECT(!model.p == !rows[i].model);
        if (rows[i].model)
            EXPECT_BYTES(model.p, model.n, rows[i].model);
    }
    arena_fini(&arena);
    memory_fini(&memory);
}
