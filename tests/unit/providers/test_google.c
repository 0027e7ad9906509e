/* test_google.c - the kinds of Google's clouds: URLs, paths and what errors mean. */
#include "core/slab.h"
#include "providers/google.h"
#include "tests/test.h"

static struct memory memory;
static struct arena arena;

static void begin(void) {
    memory_init(&memory, 64u << 20, 0);
    arena_init(&arena, &memory);
}
static void end(void) {
    arena_fini(&arena);
    memory_fini(&memory);
}

static struct provider provider_of(const char *kind, const char *prefix) {
    return (struct provider){.name = "p",
                             .kind = provider_kind_find(span_str(kind)),
                             .path_prefix = prefix,
                             .project = "my-project",
                             .location = "europe-west4",
                             .api_key = "KEY"};
}

static const char *text(struct span span) {
    static char out[8][600];
    static unsigned next;
    return span_text(span, out[next++ % 8], 600);
}

#define V "/v1/projects/my-project/locations/europe-west4"

TEST(paths) {
    static const struct {
        const char *kind, *prefix;
        enum provider_service service;
        const char *model, *path, *whole;
    } rows[] = {
        {"gemini", "/v1beta", SERVICE_GENERATE, "gemini-3-pro",
         "/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse",
         "/v1beta/models/gemini-3-pro:generateContent"},
        {"gemini", "/v1beta", SERVICE_GENERATE, "models/gemini-3-pro",
         "/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse",
         "/v1beta/models/gemini-3-pro:generateContent"},
        {"gemini", "/v1beta", SERVICE_CHAT, "m", "/v1beta/openai/chat/completions", ""},
        {"gemini", "/v1beta", SERVICE_EMBEDDINGS, "m", "/v1beta/openai/embeddings", ""},
        {"gemini", "", SERVICE_GENERATE, "m", "/models/m:streamGenerateContent?alt=sse",
         "/models/m:generateContent"},
        /* A name cannot choose another URL. */
        {"gemini", "/v1beta", SERVICE_GENERATE, "../x",
         "/v1beta/models/..%2Fx:streamGenerateContent?alt=sse",
         "/v1beta/models/..%2Fx:generateContent"},
        {"gemini", "/v1beta", SERVICE_GENERATE, "a/b",
         "/v1beta/models/a%2Fb:streamGenerateContent?alt=sse",
         "/v1beta/models/a%2Fb:generateContent"},
        {"gemini", "/v1beta", SERVICE_GENERATE, "a?b",
         "/v1beta/models/a%3Fb:streamGenerateContent?alt=sse",
         "/v1beta/models/a%3Fb:generateContent"},
        {"gemini", "/v1beta", SERVICE_GENERATE, "a%2f",
         "/v1beta/models/a%252f:streamGenerateContent?alt=sse",
         "/v1beta/models/a%252f:generateContent"},
        {"gemini", "/v1beta", SERVICE_GENERATE, "a:b\r\nx",
         "/v1beta/models/a%3Ab%0D%0Ax:streamGenerateContent?alt=sse",
         "/v1beta/models/a%3Ab%0D%0Ax:generateContent"},
        {"vertex", "", SERVICE_GENERATE, "gemini-2.5-pro",
         V "/publishers/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
         V "/publishers/google/models/gemini-2.5-pro:generateContent"},
        {"vertex", "", SERVICE_GENERATE, "publishers/google/models/g",
         V "/publishers/google/models/g:streamGenerateContent?alt=sse",
         V "/publishers/google/models/g:generateContent"},
        {"vertex", "", SERVICE_GENERATE, "google/g",
         V "/publishers/google/models/g:streamGenerateContent?alt=sse",
         V "/publishers/google/models/g:generateContent"},
        {"vertex", "", SERVICE_GENERATE, "../../anthropic/models/x",
         V
         "/publishers/google/models/..%2F..%2Fanthropic%2Fmodels%2Fx:streamGenerateContent?alt=sse",
         V "/publishers/google/models/..%2F..%2Fanthropic%2Fmodels%2Fx:generateContent"},
        /* A base_url of the operator's, with and without the version. */
        {"vertex", "/proxy", SERVICE_GENERATE, "g",
         "/proxy" V "/publishers/google/models/g:streamGenerateContent?alt=sse",
         "/proxy" V "/publishers/google/models/g:generateContent"},
        {"vertex", "/v1", SERVICE_GENERATE, "g",
         V "/publishers/google/models/g:streamGenerateContent?alt=sse",
         V "/publishers/google/models/g:generateContent"},
        {"vertex-openai", "", SERVICE_CHAT, "google/gemini-2.5-pro",
         V "/endpoints/openapi/chat/completions", ""},
        {"vertex-anthropic", "", SERVICE_MESSAGES, "claude-opus-4-5@20251101",
         V "/publishers/anthropic/models/claude-opus-4-5%4020251101:streamRawPredict",
         V "/publishers/anthropic/models/claude-opus-4-5%4020251101:rawPredict"},
        {"vertex-anthropic", "", SERVICE_MESSAGES, "publishers/anthropic/models/c",
         V "/publishers/anthropic/models/c:streamRawPredict",
         V "/publishers/anthropic/models/c:rawPredict"},
        {"vertex-anthropic", "", SERVICE_COUNT_TOKENS, "claude",
         V "/publishers/anthropic/models/count-tokens:rawPredict", ""},
    };
    begin();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct provider provider = provider_of(rows[i].kind, rows[i].prefix);
        struct provider_target target;
        struct span why = SPAN("");
        ROW("%s %s %s", rows[i].kind, rows[i].prefix, rows[i].model);
        REQUIRE(provider.kind != NULL);
        EXPECT_EQ(provider.kind->target(&provider, rows[i].service, span_str(rows[i].model), &arena,
                                        &target, &why),
                  0);
        EXPECT_STR(text(target.path), rows[i].path);
        EXPECT_STR(text(target.whole_path), rows[i].whole);
    }
    end();
}

TEST(refused_targets) {
    static const struct {
        const char *kind, *model, *project, *location, *why;
    } rows[] = {
        {"gemini", "", "p", "us", "name of a model"},
        {"gemini", "..", "p", "us", "name of a model"},
        {"gemini", "models/.", "p", "us", "name of a model"},
        {"vertex", "m", NULL, "us", "project is missing"},
        {"vertex", "m", "", "us", "project is missing"},
        {"vertex", "m", "p", "us/../x", "location is not"},
        {"vertex", "m", "p", "evil.example#", "location is not"},
    };
    begin();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct provider provider = provider_of(rows[i].kind, "");
        struct provider_target target;
        struct span why = SPAN("");
        provider.project = rows[i].project;
        provider.location = rows[i].location;
        ROW("%s %s", rows[i].kind, rows[i].why);
        EXPECT(provider.kind->target(&provider, SERVICE_GENERATE, span_str(rows[i].model), &arena,
                                     &target, &why) < 0);
        EXPECT(span_search(why, span_str(rows[i].why)) < why.n);
    }
    end();
}

TEST(hosts_by_location) {
    static const struct {
        const char *location, *url;
    } rows[] = {
        {NULL, "https://aiplatform.googleapis.com"},
        {"", "https://aiplatform.googleapis.com"},
        {"global", "https://aiplatform.googleapis.com"},
        {"us", "https://aiplatform.us.rep.googleapis.com"},
        {"eu", "https://aiplatform.eu.rep.googleapis.com"},
        {"us-central1", "https://us-central1-aiplatform.googleapis.com"},
        {"europe-west4", "https://europe-west4-aiplatform.googleapis.com"},
        {"evil.example/", ""},
        {"-x", ""},
        {"US", ""},
    };
    begin();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct provider provider = provider_of("vertex", "");
        struct span why = SPAN("");
        provider.location = rows[i].location;
        ROW("%s", rows[i].location ? rows[i].location : "(none)");
        EXPECT_STR(text(vertex_url(&provider, &arena, &why)), rows[i].url);
        EXPECT_EQ(why.n > 0, !*rows[i].url);
    }
    end();
}

static const char *field(const struct provider_target *target, const char *name) {
    for (unsigned i = 0; i < target->field_count; i++)
        if (span_eq_nocase(target->fields[i].name, span_str(name)))
            return text(target->fields[i].value);
    return "";
}

TEST(keys_go_where_the_endpoint_looks) {
    struct provider provider = provider_of("gemini", "/v1beta");
    struct http_field own = {SPAN("x-goog-user-project"), SPAN("billing")};
    struct provider_target target;
    struct span why;
    begin();
    provider.headers = &own;
    provider.header_count = 1;
    EXPECT_EQ(gemini_target(&provider, SERVICE_GENERATE, SPAN("m"), &arena, &target, &why), 0);
    EXPECT_STR(field(&target, "x-goog-api-key"), "KEY");
    EXPECT_STR(field(&target, "authorization"), "");
    EXPECT_STR(field(&target, "x-goog-user-project"), "billing");
    EXPECT_EQ(gemini_target(&provider, SERVICE_EMBEDDINGS, SPAN("m"), &arena, &target, &why), 0);
    EXPECT_STR(field(&target, "x-goog-api-key"), "");
    EXPECT_STR(field(&target, "authorization"), "Bearer KEY");
    end();
}

#define E(code, status, message) \
    "{\"error\":{\"code\":" #code ",\"message\":\"" message "\",\"status\":\"" status "\"}}"

TEST(statuses_and_bodies) {
    static const struct {
        unsigned status;
        const char *body;
        enum fail why;
        unsigned retry_ms;
    } rows[] = {
        {200, "", FAIL_NONE, 0},
        {400, E(400, "INVALID_ARGUMENT", "bad"), FAIL_REFUSED, 0},
        {400, "[" E(400, "INVALID_ARGUMENT", "bad") "]", FAIL_REFUSED, 0},
        {400, E(400, "INVALID_ARGUMENT", "API key not valid."), FAIL_UPSTREAM_AUTH, 0},
        {400,
         "{\"error\":{\"status\":\"INVALID_ARGUMENT\",\"details\":[{\"reason\":"
         "\"API_KEY_INVALID\"}]}}",
         FAIL_UPSTREAM_AUTH, 0},
        {400, E(400, "FAILED_PRECONDITION", "User location is not supported"), FAIL_UPSTREAM_AUTH,
         0},
        {401, E(401, "UNAUTHENTICATED", "x"), FAIL_UPSTREAM_AUTH, 0},
        {403, E(403, "PERMISSION_DENIED", "x"), FAIL_UPSTREAM_AUTH, 0},
        {404, E(404, "NOT_FOUND", "x"), FAIL_UPSTREAM_MODEL, 0},
        {404, "<!DOCTYPE html><title>Error 404 (Not Found)</title>", FAIL_UPSTREAM_MODEL, 0},
        {408, "", FAIL_UPSTREAM_TIMEOUT, 0},
        {409, E(409, "ABORTED", "x"), FAIL_UPSTREAM_CONFLICT, 0},
        {413, "<html>", FAIL_REFUSED, 0},
        {429, E(429, "RESOURCE_EXHAUSTED", "x"), FAIL_RATE_LIMITED, 0},
        {429,
         "{\"error\":{\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"@type\":\"t\","
         "\"retryDelay\":\"34.4s\"}]}}",
         FAIL_RATE_LIMITED, 34400},
        {429,
         "{\"error\":{\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"quotaId\":"
         "\"GenerateRequestsPerDayPerProject\"}]}}",
         FAIL_QUOTA, 0},
        {499, E(499, "CANCELLED", "x"), FAIL_UPSTREAM_5XX, 0},
        {500, E(500, "INTERNAL", "x"), FAIL_UPSTREAM_5XX, 0},
        {500, E(500, "UNAVAILABLE", "x"), FAIL_OVERLOADED, 0},
        {502, "<html>", FAIL_UPSTREAM_5XX, 0},
        {503, E(503, "UNAVAILABLE", "x"), FAIL_OVERLOADED, 0},
        {504, E(504, "DEADLINE_EXCEEDED", "x"), FAIL_UPSTREAM_TIMEOUT, 0},
        {529, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}",
         FAIL_OVERLOADED, 0},
    };
    struct provider provider = provider_of("vertex", "");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_head head = {.status = rows[i].status};
        struct provider_verdict verdict;
        ROW("%u %s", rows[i].status, rows[i].body);
        google_classify(&provider, &head, span_str(rows[i].body), &verdict);
        EXPECT_STR(fail_name(verdict.why), fail_name(rows[i].why));
        EXPECT_EQ(verdict.retry_after_ms, rows[i].retry_ms);
    }
}

TEST(recorded_errors) {
    static const struct {
        const char *file;
        unsigned status;
        enum fail why;
    } rows[] = {
        {"vertex/firebase/unary-failure-invalid-location-url-not-found.html", 404,
         FAIL_UPSTREAM_MODEL},
        {"vertex/firebase/unary-failure-unsupported-user-location.json", 400, FAIL_UPSTREAM_AUTH},
        {"vertex/firebase/unary-failure-invalid-context-cache-id.json", 400, FAIL_REFUSED},
        {"vertex/firebase/unary-failure-api-key.json", 400, FAIL_UPSTREAM_AUTH},
        {"vertex/firebase/unary-failure-firebasevertexai-api-not-enabled.json", 403,
         FAIL_UPSTREAM_AUTH},
        {"vertex/firebase/unary-failure-unknown-model.json", 404, FAIL_UPSTREAM_MODEL},
        {"vertex/firebase/unary-failure-image-rejected.json", 400, FAIL_REFUSED},
        {"gemini/firebase/unary-failure-generativelanguage-api-not-enabled.json", 403,
         FAIL_UPSTREAM_AUTH},
    };
    struct provider provider = provider_of("vertex", "");
    unsigned found = 0;
    if (!test_shared("fixtures"))
        SKIP("needs ../shared");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[300];
        size_t n = 0;
        snprintf(path, sizeof path, "fixtures/%s", rows[i].file);
        const char *there = test_shared(path);
        if (!there)
            continue;
        char *body = test_file(there, &n);
        struct http_head head = {.status = rows[i].status};
        struct provider_verdict verdict;
        found++;
        ROW("%s", rows[i].file);
        google_classify(&provider, &head, span_of(body, n), &verdict);
        EXPECT_STR(fail_name(verdict.why), fail_name(rows[i].why));
        free(body);
    }
    EXPECT_EQ(found, sizeof rows / sizeof rows[0]);
}
