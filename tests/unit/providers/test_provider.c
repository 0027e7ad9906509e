/* test_provider.c - the table of kinds, targets, quirks, and what answers with an error mean. */
#include <errno.h>

#include "core/base.h"
#include "core/slab.h"
#include "providers/azure.h"
#include "providers/provider.h"
#include "tests/test.h"

TEST(kinds_have_names_of_their_own) {
    unsigned count = 0;
    for (; provider_kinds[count]; count++) {
        const struct provider_kind *kind = provider_kinds[count];
        ROW("%s", kind->name);
        EXPECT(provider_kind_find(span_str(kind->name)) == kind);
        EXPECT(kind->otel_name && *kind->otel_name);
        EXPECT(kind->services & 1u << kind->service);
        EXPECT(provider_service_dialect(kind->service)->write_prompt);
        EXPECT(kind->target && kind->classify);
        EXPECT(!kind->base_url ||
               span_starts(span_str(kind->base_url),
                           kind->key_optional ? SPAN("http://127.0.0.1:") : SPAN("https://")));
        EXPECT(!kind->base_url || !span_ends(span_str(kind->base_url), SPAN("/")));
    }
    EXPECT_EQ(count, 20);
    EXPECT(provider_kind_find(SPAN("gpt")) == NULL);
    EXPECT(provider_kind_find(SPAN("")) == NULL);
}

struct target_row {
    const char *kind, *prefix, *version, *key, *model;
    struct http_field own[2];
    unsigned own_count;
    const char *path;              /* NULL: refused */
    const char *fields;            /* "name: value\n" in order; or part of the reason */
    enum provider_service service; /* 0: chat */
};

#define COMMON                                                    \
    "content-type: application/json\naccept: text/event-stream, " \
    "application/json\naccept-encoding: identity\nuser-agent: hedgerow\n"

static void run_target(const struct target_row *row) {
    struct memory memory;
    struct arena arena;
    struct provider_target target;
    struct span why = SPAN("");
    char fields[2000] = "";
    struct provider provider = {.name = "p",
                                .kind = provider_kind_find(span_str(row->kind)),
                                .path_prefix = row->prefix,
                                .api_key = row->key,
                                .api_version = row->version,
                                .headers = row->own,
                                .header_count = row->own_count};
    memory_init(&memory, (size_t)1 << 20, 0);
    arena_init(&arena, &memory);
    int rc =
        provider.kind->target(&provider, row->service, span_str(row->model), &arena, &target, &why);
    EXPECT_EQ(rc, row->path ? 0 : -EINVAL);
    if (rc == 0 && row->path) {
        EXPECT_BYTES(target.path.p, target.path.n, row->path);
        for (unsigned i = 0; i < target.field_count; i++)
            snprintf(fields + strlen(fields), sizeof fields - strlen(fields), "%.*s: %.*s\n",
                     (int)target.fields[i].name.n, target.fields[i].name.p,
                     (int)target.fields[i].value.n, target.fields[i].value.p);
        EXPECT_STR(fields, row->fields);
    } else {
        EXPECT(span_search(why, span_str(row->fields)) < why.n);
    }
    arena_fini(&arena);
    memory_fini(&memory);
}

TEST(targets) {
    static const struct target_row rows[] = {
        {.kind = "openai",
         .prefix = "/v1",
         .key = "sk-1",
         .model = "gpt",
         .service = SERVICE_RESPONSES,
         .path = "/v1/responses",
         .fields = "authorization: Bearer sk-1\n" COMMON},
        {.kind = "vllm",
         .prefix = "/v1",
         .model = "m",
         .service = SERVICE_COMPLETIONS,
         .path = "/v1/completions",
         .fields = COMMON},
        {.kind = "azure",
         .prefix = "",
         .version = "2025-03-01-preview",
         .key = "k",
         .model = "d/1",
         .service = SERVICE_RESPONSES,
         .path = "/openai/responses?api-version=2025-03-01-preview",
         .fields = "api-key: k\n" COMMON},
        {.kind = "azure",
         .prefix = "",
         .version = "2024-10-21",
         .key = "k",
         .model = "d/1",
         .service = SERVICE_EMBEDDINGS,
         .path = "/openai/deployments/d%2F1/embeddings?api-version=2024-10-21",
         .fields = "api-key: k\n" COMMON},
        {"openai",
         "/v1",
         NULL,
         "sk-1",
         "gpt",
         {{{0}, {0}}},
         0,
         "/v1/chat/completions",
         "authorization: Bearer sk-1\n" COMMON,
         SERVICE_CHAT},
        {"vllm", "", NULL, NULL, "m", {{{0}, {0}}}, 0, "/chat/completions", COMMON, SERVICE_CHAT},
        {"openrouter",
         "/api/v1",
         NULL,
         "k",
         "a/b",
         {{SPAN_CONST("HTTP-Referer"), SPAN_CONST("https://x")},
          {SPAN_CONST("User-Agent"), SPAN_CONST("mine")}},
         2,
         "/api/v1/chat/completions",
         "HTTP-Referer: https://x\nUser-Agent: mine\nauthorization: Bearer k\ncontent-type: "
         "application/json\naccept: text/event-stream, application/json\naccept-encoding: "
         "identity\n",
         SERVICE_CHAT},
        {"azure",
         "",
         "2024-10-21",
         "k",
         "gpt55-prod",
         {{{0}, {0}}},
         0,
         "/openai/deployments/gpt55-prod/chat/completions?api-version=2024-10-21",
         "api-key: k\n" COMMON,
         SERVICE_CHAT},
        {"azure",
         "",
         NULL,
         "k",
         "gpt55-prod",
         {{{0}, {0}}},
         0,
         "/openai/v1/chat/completions",
         "api-key: k\n" COMMON,
         SERVICE_CHAT},
        {"azure",
         "/openai/v1",
         NULL,
         "k",
         "d",
         {{{0}, {0}}},
         0,
         "/openai/v1/chat/completions",
         "api-key: k\n" COMMON,
         SERVICE_CHAT},
        {"azure",
         "/gw/openai",
         "2024-10-21",
         "k",
         "d",
         {{{0}, {0}}},
         0,
         "/gw/openai/deployments/d/chat/completions?api-version=2024-10-21",
         "api-key: k\n" COMMON,
         SERVICE_CHAT},
        {"azure",
         "",
         "2024-10-21",
         "k",
         "a/b?c=d#e%f \xc3\xa9",
         {{{0}, {0}}},
         0,
         "/openai/deployments/a%2Fb%3Fc%3Dd%23e%25f%20%C3%A9/chat/"
         "completions?api-version=2024-10-21",
         "api-key: k\n" COMMON,
         SERVICE_CHAT},
        {"azure",
         "",
         "2024&x=1",
         "k",
         "d",
         {{{0}, {0}}},
         0,
         "/openai/deployments/d/chat/completions?api-version=2024%26x%3D1",
         "api-key: k\n" COMMON,
         SERVICE_CHAT},
        {"azure", "", "2024-10-21", "k", "..", {{{0}, {0}}}, 0, NULL, "deployment", SERVICE_CHAT},
        {"azure", "", "2024-10-21", "k", "", {{{0}, {0}}}, 0, NULL, "deployment", SERVICE_CHAT},
        {"openai", "/v1", NULL, "sk 1", "gpt", {{{0}, {0}}}, 0, NULL, "api_key", SERVICE_CHAT},
        {"openai",
         "/v1",
         NULL,
         "sk\r\nx: y",
         "gpt",
         {{{0}, {0}}},
         0,
         NULL,
         "api_key",
         SERVICE_CHAT},
        {"azure", "", NULL, "sk\n", "gpt", {{{0}, {0}}}, 0, NULL, "api_key", SERVICE_CHAT},
        {"openai",
         "/v 1",
         NULL,
         "k",
         "gpt",
         {{{0}, {0}}},
         0,
         NULL,
         "percent-encoded",
         SERVICE_CHAT},
        {"openai",
         "/v1#",
         NULL,
         "k",
         "gpt",
         {{{0}, {0}}},
         0,
         NULL,
         "percent-encoded",
         SERVICE_CHAT},
        {"openai", "v1", NULL, "k", "gpt", {{{0}, {0}}}, 0, NULL, "path", SERVICE_CHAT},
        {"openai",
         "/v1",
         NULL,
         "k",
         "gpt",
         {{SPAN_CONST("Transfer-Encoding"), SPAN_CONST("chunked")}},
         1,
         NULL,
         "set by hedgerow",
         SERVICE_CHAT},
        {"openai",
         "/v1",
         NULL,
         "k",
         "gpt",
         {{SPAN_CONST("HOST"), SPAN_CONST("x")}},
         1,
         NULL,
         "set by hedgerow",
         SERVICE_CHAT},
        {"openai",
         "/v1",
         NULL,
         "k",
         "gpt",
         {{SPAN_CONST("a b"), SPAN_CONST("x")}},
         1,
         NULL,
         "not a field name",
         SERVICE_CHAT},
        {"openai",
         "/v1",
         NULL,
         "k",
         "gpt",
         {{SPAN_CONST("a"), SPAN_CONST("x\r\ny")}},
         1,
         NULL,
         "control",
         SERVICE_CHAT},
        {"openai",
         "/v1",
         NULL,
         "k",
         "gpt",
         {{SPAN_CONST("X-A"), SPAN_CONST("x")}, {SPAN_CONST("x-a"), SPAN_CONST("y")}},
         2,
         NULL,
         "twice",
         SERVICE_CHAT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ROW("%zu %s %s", i, rows[i].kind, rows[i].model);
        run_target(&rows[i]);
    }
}

TEST(more_headers_than_a_target_holds_are_refused) {
    static struct http_field many[HTTP_FIELDS_MAX];
    static char names[HTTP_FIELDS_MAX][8];
    for (unsigned count = 0; count < HTTP_FIELDS_MAX; count++) {
        struct memory memory;
        struct arena arena;
        struct provider_target target;
        struct span why = SPAN("");
        snprintf(names[count], sizeof names[count], "x-%u", count);
        many[count] = (struct http_field){span_str(names[count]), SPAN("v")};
        struct provider provider = {.kind = provider_kind_find(SPAN("openai")),
                                    .path_prefix = "",
                                    .api_key = "k",
                                    .headers = many,
                                    .header_count = count + 1};
        memory_init(&memory, (size_t)1 << 20, 0);
        arena_init(&arena, &memory);
        ROW("%u", count + 1);
        int rc = provider.kind->target(&provider, SERVICE_CHAT, SPAN("m"), &arena, &target, &why);
        EXPECT_EQ(rc, count + 1 <= countof(target.fields) - 5 ? 0 : -EINVAL);
        arena_fini(&arena);
        memory_fini(&memory);
    }
}

TEST(quirks_of_kind_and_settings) {
    static const struct {
        const char *kind, *version;
        unsigned quirks;
    } rows[] = {
        {"openai", NULL, 0},
        {"azure", NULL, 0},
        {"azure", "2024-10-21", 0},
        {"azure", "2024-09-01-preview", 0},
        {"azure", "preview", 0},
        {"azure", "2024-06-01", QUIRK_NO_STREAM_OPTIONS},
        {"azure", "2024-08-01-preview", QUIRK_NO_STREAM_OPTIONS},
        {"openai", "2024-06-01", 0},
        {"deepseek", NULL,
         QUIRK_MAX_TOKENS_ONLY | QUIRK_NO_DEVELOPER_ROLE | QUIRK_USAGE_ON_FINISH | QUIRK_NO_SCHEMA |
             QUIRK_REASONING_BACK},
        {"vertex", NULL, QUIRK_NO_CALL_IDS},
        {"vertex-anthropic", NULL, QUIRK_CLAUDE_ON_VERTEX},
        {"mistral", NULL,
         QUIRK_MAX_TOKENS_ONLY | QUIRK_NO_DEVELOPER_ROLE | QUIRK_NO_STREAM_OPTIONS |
             QUIRK_USAGE_ON_FINISH | QUIRK_CALL_IDS_9},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct provider provider = {.kind = provider_kind_find(span_str(rows[i].kind)),
                                    .api_version = rows[i].version};
        ROW("%s %s", rows[i].kind, rows[i].version ? rows[i].version : "");
        EXPECT_EQ(provider_quirks(&provider), rows[i].quirks);
    }
}

static struct provider_verdict classify(unsigned status, const char *body) {
    struct provider_verdict verdict;
    struct http_head head = {.status = status};
    struct provider provider = {.kind = provider_kind_find(SPAN("openai"))};
    /* Without a byte to spare. */
    size_t n = strlen(body);
    char *copy = malloc(n ? n : 1);
    memcpy(copy, body, n);
    provider.kind->classify(&provider, &head, span_of(copy, n), &verdict);
    /* Spans of the verdict are not used below: the copy can go. */
    free(copy);
    return verdict;
}

TEST(statuses_and_bodies) {
    static const struct {
        unsigned status;
        const char *body;
        enum fail why;
    } rows[] = {
        {200, "{}", FAIL_NONE},
        {204, "", FAIL_NONE},
        {302, "", FAIL_UPSTREAM_5XX},
        {400, "", FAIL_REFUSED},
        {400,
         "{\"error\":{\"message\":\"bad\",\"type\":\"invalid_request_error\",\"param\":null,"
         "\"code\":null}}",
         FAIL_REFUSED},
        {400,
         "{\"error\":{\"code\":\"context_length_exceeded\",\"type\":\"invalid_request_error\","
         "\"message\":\"too long\"}}",
         FAIL_REFUSED},
        {400,
         "{\"error\":{\"code\":\"content_filter\",\"status\":400,\"innererror\":{\"code\":"
         "\"ResponsibleAIPolicyViolation\"},\"message\":\"m\"}}",
         FAIL_POLICY},
        {400, "{\"error\":{\"code\":\"data_inspection_failed\",\"message\":\"m\"}}", FAIL_POLICY},
        {400, "{\"code\":\"Arrearage\",\"message\":\"m\",\"request_id\":\"r\"}", FAIL_QUOTA},
        {400,
         "{\"code\":\"Client specified an invalid argument\",\"error\":\"Incorrect API key "
         "provided: sk***ab.\"}",
         FAIL_UPSTREAM_AUTH},
        {400,
         "{\"error\":{\"code\":400,\"message\":\"API key not "
         "valid.\",\"status\":\"INVALID_ARGUMENT\"}}",
         FAIL_UPSTREAM_AUTH},
        {400,
         "{\"error\":{\"code\":\"model_decommissioned\",\"type\":\"invalid_request_error\","
         "\"message\":\"m\"}}",
         FAIL_UPSTREAM_MODEL},
        {400,
         "{\"error\":{\"code\":\"tool_use_failed\",\"type\":\"invalid_request_error\",\"message\":"
         "\"m\"}}",
         FAIL_ERROR_EVENT},
        {401, "{\"error\":{\"code\":\"invalid_api_key\",\"message\":\"m\"}}", FAIL_UPSTREAM_AUTH},
        {401, "{\"error\":{\"type\":\"invalid_request_error\",\"message\":\"m\"}}",
         FAIL_UPSTREAM_AUTH},
        {402, "{\"error\":{\"message\":\"Insufficient Balance\"}}", FAIL_QUOTA},
        {403, "", FAIL_UPSTREAM_AUTH},
        {403,
         "{\"error\":{\"code\":403,\"message\":\"m\",\"metadata\":{\"reasons\":[\"x\"],\"flagged_"
         "input\":\"bad\"}}}",
         FAIL_POLICY},
        {403, "{\"code\":\"AllocationQuota.FreeTierOnly\",\"message\":\"m\"}", FAIL_QUOTA},
        {404, "{\"error\":{\"code\":\"DeploymentNotFound\",\"message\":\"m\"}}",
         FAIL_UPSTREAM_MODEL},
        {404, "<html>", FAIL_UPSTREAM_MODEL},
        {405, "", FAIL_UPSTREAM_MODEL},
        {408, "", FAIL_UPSTREAM_TIMEOUT},
        {409, "", FAIL_UPSTREAM_CONFLICT},
        {410, "", FAIL_UPSTREAM_MODEL},
        {413, "<html>too large</html>", FAIL_REFUSED},
        {415, "", FAIL_REFUSED},
        {422,
         "{\"object\":\"error\",\"message\":{\"detail\":[{\"msg\":\"Extra inputs are not "
         "permitted\"}]},\"type\":\"invalid_request_error\"}",
         FAIL_REFUSED},
        {424, "", FAIL_UPSTREAM_5XX},
        {425, "", FAIL_UPSTREAM_CONFLICT},
        {429, "", FAIL_RATE_LIMITED},
        {429,
         "{\"error\":{\"message\":\"m\",\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\"}}",
         FAIL_RATE_LIMITED},
        {429,
         "{\"error\":{\"message\":\"m\",\"type\":\"insufficient_quota\",\"code\":\"insufficient_"
         "quota\"}}",
         FAIL_QUOTA},
        {429, "{\"error\":{\"message\":\"m\",\"type\":\"exceeded_current_quota_error\"}}",
         FAIL_QUOTA},
        {429, "{\"error\":{\"message\":\"m\",\"type\":\"engine_overloaded_error\"}}",
         FAIL_OVERLOADED},
        {429, "{ \"statusCode\": 429, \"message\": \"Rate limit is exceeded.\" }",
         FAIL_RATE_LIMITED},
        {498, "", FAIL_RATE_LIMITED},
        {499, "", FAIL_UPSTREAM_5XX},
        {500, "", FAIL_UPSTREAM_5XX},
        {500, "{\"error\":{\"type\":\"overloaded_error\"}}", FAIL_OVERLOADED},
        {500, "{\"error\":{\"type\":\"invalid_request_error\"}}", FAIL_UPSTREAM_5XX},
        {502, "<html>", FAIL_UPSTREAM_5XX},
        {503, "", FAIL_OVERLOADED},
        {504, "", FAIL_UPSTREAM_5XX},
        {520, "", FAIL_UPSTREAM_5XX},
        {524, "", FAIL_UPSTREAM_5XX},
        {529, "", FAIL_OVERLOADED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ROW("%u %s", rows[i].status, rows[i].body);
        EXPECT_STR(fail_name(classify(rows[i].status, rows[i].body).why), fail_name(rows[i].why));
    }
}

TEST(error_bodies_give_their_fields) {
    static const struct {
        const char *body, *message, *type, *code, *param, *status;
    } rows[] = {
        {"{\"error\":{\"message\":\"m \\\"q\\\"\",\"type\":\"t\",\"param\":\"p\",\"code\":\"c\"}}",
         "m \\\"q\\\"", "t", "c", "p", ""},
        {"{\"error\":{\"code\":429,\"message\":\"m\",\"status\":\"RESOURCE_EXHAUSTED\"}}", "m", "",
         "429", "", "RESOURCE_EXHAUSTED"},
        {"[{\"error\":{\"code\":429,\"message\":\"m\"}}\n]", "m", "", "429", "", ""},
        {"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}", "m",
         "overloaded_error", "", "", ""},
        {"{\"detail\":\"Not Found\"}", "Not Found", "", "", "", ""},
        {"{\"detail\":[{\"loc\":[\"body\",\"msg\"],\"msg\":\"field required\"}]}", "field required",
         "", "", "", ""},
        {"{\"statusCode\":401,\"message\":\"Unauthorized\"}", "Unauthorized", "", "", "", "401"},
        {"{\"Message\":\"m\"}", "m", "", "", "", ""},
        {"{\"error\":{\"message\":null,\"type\":null}}", "", "", "", "", ""},
        {"{\"error\":[1]}", "", "", "", "", ""},
        {"<html>", "", "", "", "", ""},
        {"", "", "", "", "", ""},
        {"{\"error\":{\"message\":\"cut", "", "", "", "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct chat_error error;
        ROW("%s", rows[i].body);
        dialect_openai_chat.read_error(span_str(rows[i].body), &error);
        EXPECT_BYTES(error.message.p, error.message.n, rows[i].message);
        EXPECT_BYTES(error.type.p, error.type.n, rows[i].type);
        EXPECT_BYTES(error.code.p, error.code.n, rows[i].code);
        EXPECT_BYTES(error.param.p, error.param.n, rows[i].param);
        EXPECT_BYTES(error.status.p, error.status.n, rows[i].status);
    }
}

TEST(retry_after_in_all_its_forms) {
    enum { NOW = 784111777 }; /* Sun, 06 Nov 1994 08:49:37 GMT */
    static const struct {
        const char *after, *after_ms, *date;
        int64_t now_s;
        uint64_t want;
    } rows[] = {
        {NULL, NULL, NULL, NOW, 0},
        {"3", NULL, NULL, 0, 3000},
        {"1.5", NULL, NULL, 0, 1500},
        {"0", NULL, NULL, 0, 0},
        {"-1", NULL, NULL, 0, 0},
        {"3600", NULL, NULL, 0, 3600000},
        {"3601", NULL, NULL, 0, 0},
        {"1e300", NULL, NULL, 0, 0},
        {"soon", NULL, NULL, NOW, 0},
        {"9", "250", NULL, 0, 250},
        {"9", "x", NULL, 0, 9000},
        {"9", "-1", NULL, 0, 9000},
        {NULL, "12.5", NULL, 0, 12},
        {"Sun, 06 Nov 1994 08:49:40 GMT", NULL, NULL, NOW, 3000},
        {"Sun, 06 Nov 1994 08:49:40 GMT", NULL, NULL, 0, 0},
        {"Sun, 06 Nov 1994 08:49:36 GMT", NULL, NULL, NOW, 0},
        {"Sun, 06 Nov 1994 08:49:40 GMT", NULL, "Sun, 06 Nov 1994 08:49:35 GMT", NOW, 5000},
        {"Wed, 01 Mar 2028 00:00:01 GMT", NULL, "Tue, 29 Feb 2028 23:59:59 GMT", 0, 2000},
        {"Sun, 06 Nov 1994 08:49:40 PST", NULL, NULL, NOW, 0},
        {"Sun, 06 Xxx 1994 08:49:40 GMT", NULL, NULL, NOW, 0},
        {"Sun, 06 Nov 1994 24:49:40 GMT", NULL, NULL, NOW, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_head head = {.status = 429};
        ROW("%zu %s", i, rows[i].after ? rows[i].after : "");
        if (rows[i].after)
            head.fields[head.field_count++] =
                (struct http_field){SPAN("Retry-After"), span_str(rows[i].after)};
        if (rows[i].after_ms)
            head.fields[head.field_count++] =
                (struct http_field){SPAN("retry-after-ms"), span_str(rows[i].after_ms)};
        if (rows[i].date)
            head.fields[head.field_count++] =
                (struct http_field){SPAN("Date"), span_str(rows[i].date)};
        EXPECT_EQ(provider_retry_after_ms(&head, rows[i].now_s), rows[i].want);
    }
}

TEST(google_says_in_the_body_how_long) {
    EXPECT_EQ(classify(429, "{\"error\":{\"code\":429,\"details\":[{\"@type\":\"x\"},{\"@type\":"
                            "\"RetryInfo\",\"retryDelay\":\"34.4s\"}]}}")
                  .retry_after_ms,
              34400);
    EXPECT_EQ(classify(429, "{\"error\":{\"details\":[{\"retryDelay\":\"34\"}]}}").retry_after_ms,
              0);
    EXPECT_EQ(
        classify(429, "{\"error\":{\"details\":[{\"retryDelay\":\"99999s\"}]}}").retry_after_ms, 0);
}
