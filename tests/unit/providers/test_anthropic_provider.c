/* test_anthropic_provider.c - where requests of the Messages API go, what answers mean, and how errors
 * are told. */
#include <errno.h>

#include "tests/unit/providers/test_anthropic_bench.h"

/* --- targets --- */

static struct span field_of(const struct provider_target *target, struct span name) {
    for (unsigned i = 0; i < target->field_count; i++)
        if (span_eq_nocase(target->fields[i].name, name))
            return target->fields[i].value;
    return SPAN("");
}

TEST(targets) {
    static const struct {
        const char *prefix;
        enum provider_service service;
        const char *path;
    } rows[] = {
        {"", SERVICE_MESSAGES, "/v1/messages"},
        {"/v1", SERVICE_MESSAGES, "/v1/messages"},
        {"/anthropic", SERVICE_MESSAGES, "/anthropic/v1/messages"},
        {"/anthropic/v1", SERVICE_MESSAGES, "/anthropic/v1/messages"},
        {"/v1", SERVICE_COUNT_TOKENS, "/v1/messages/count_tokens"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct bench b;
        struct provider_kind kind = {.name = "anthropic", .auth = PROVIDER_AUTH_BEARER};
        struct provider provider = {
            .name = "p", .kind = &kind, .path_prefix = rows[i].prefix, .api_key = "k"};
        struct provider_target target;
        bench_init(&b);
        ROW("%s", rows[i].prefix);
        EXPECT_EQ(
            anthropic_target(&provider, rows[i].service, SPAN("m"), &b.arena, &target, &b.why), 0);
        EXPECT_BYTES(target.path.p, target.path.n, rows[i].path);
        EXPECT_EQ(target.whole_path.n, 0);
        struct span version = field_of(&target, SPAN("anthropic-version"));
        EXPECT_BYTES(version.p, version.n, "2023-06-01");
        struct span key = field_of(&target, SPAN("authorization"));
        EXPECT_BYTES(key.p, key.n, "Bearer k");
        EXPECT(field_of(&target, SPAN("content-type")).n > 0);
        bench_fini(&b);
    }
}

TEST(the_operators_version_wins) {
    struct http_field own[21];
    struct provider_kind kind = {.name = "anthropic", .auth = PROVIDER_AUTH_BEARER};
    struct provider provider = {
        .name = "p", .kind = &kind, .path_prefix = "", .headers = own, .header_count = 1};
    struct provider_target target;
    struct bench b;
    bench_init(&b);
    own[0] = (struct http_field){.name = SPAN("Anthropic-Version"), .value = SPAN("2099-01-01")};
    EXPECT_EQ(anthropic_target(&provider, SERVICE_MESSAGES, SPAN("m"), &b.arena, &target, &b.why),
              0);
    struct span version = field_of(&target, SPAN("anthropic-version"));
    EXPECT_BYTES(version.p, version.n, "2099-01-01");
    /* With as many as there may be, there is room for the version or a refusal, never a crash. */
    for (unsigned count = 2; count <= countof(own); count++) {
        for (unsigned i = 0; i < count; i++)
            own[i] =
                (struct http_field){.name = arena_printf(&b.arena, "x-%u", i), .value = SPAN("v")};
        provider.header_count = count;
        provider.api_key = "k";
        int rc =
            anthropic_target(&provider, SERVICE_MESSAGES, SPAN("m"), &b.arena, &target, &b.why);
        EXPECT(rc == 0 ? field_of(&target, SPAN("anthropic-version")).n > 0
                       : rc == -EINVAL && b.why.n > 0);
    }
    bench_fini(&b);
}

/* --- classify --- */

#define ERROR(type, message) \
    "{\"type\":\"error\",\"error\":{\"type\":\"" type "\",\"message\":\"" message "\"}}"

TEST(what_answers_mean) {
    static const struct {
        unsigned status;
        const char *body;
        enum fail why;
        const char *type, *message;
    } rows[] = {
        {200, "", FAIL_NONE, "", ""},
        {400, ERROR("invalid_request_error", "prompt is too long: 9 > 8"), FAIL_REFUSED,
         "invalid_request_error", "prompt is too long: 9 > 8"},
        {400, ERROR("invalid_request_error", "Your credit balance is too low to access"),
         FAIL_QUOTA, "invalid_request_error", "Your credit balance is too low to access"},
        {400, ERROR("invalid_request_error", "You have reached your specified API usage limits."),
         FAIL_QUOTA, "invalid_request_error", "You have reached your specified API usage limits."},
        {400, ERROR("invalid_request_error", "Output blocked by content filtering policy"),
         FAIL_POLICY, "invalid_request_error", "Output blocked by content filtering policy"},
        {401, ERROR("authentication_error", "invalid x-api-key"), FAIL_UPSTREAM_AUTH,
         "authentication_error", "invalid x-api-key"},
        {402, ERROR("billing_error", "x"), FAIL_QUOTA, "billing_error", "x"},
        {403, ERROR("permission_error", "x"), FAIL_UPSTREAM_AUTH, "permission_error", "x"},
        {404, ERROR("not_found_error", "model: m"), FAIL_UPSTREAM_MODEL, "not_found_error",
         "model: m"},
        {409, ERROR("conflict_error", "x"), FAIL_UPSTREAM_CONFLICT, "conflict_error", "x"},
        {413, ERROR("request_too_large", "x"), FAIL_REFUSED, "request_too_large", "x"},
        {413, "<html>413</html>", FAIL_REFUSED, "", ""},
        {429, ERROR("rate_limit_error", "x"), FAIL_RATE_LIMITED, "rate_limit_error", "x"},
        {500, ERROR("api_error", "x"), FAIL_UPSTREAM_5XX, "api_error", "x"},
        {504, ERROR("timeout_error", "x"), FAIL_UPSTREAM_5XX, "timeout_error", "x"},
        {529, ERROR("overloaded_error", "Overloaded"), FAIL_OVERLOADED, "overloaded_error",
         "Overloaded"},
        {529, "", FAIL_OVERLOADED, "", ""},
        {502, "<html>", FAIL_UPSTREAM_5XX, "", ""},
        /* Vertex */
        {429, "{\"error\":{\"code\":429,\"message\":\"q\",\"status\":\"RESOURCE_EXHAUSTED\"}}",
         FAIL_RATE_LIMITED, "", "q"},
        {404, "[{\"error\":{\"code\":404,\"message\":\"m\",\"status\":\"NOT_FOUND\"}}]",
         FAIL_UPSTREAM_MODEL, "", "m"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct provider_verdict verdict;
        struct http_head head = {.status = rows[i].status};
        ROW("%u %s", rows[i].status, rows[i].body);
        head.field_count = 1;
        head.fields[0] = (struct http_field){.name = SPAN("retry-after"), .value = SPAN("7")};
        anthropic_classify(NULL, &head, span_str(rows[i].body), &verdict);
        EXPECT_STR(fail_name(verdict.why), fail_name(rows[i].why));
        EXPECT_BYTES(verdict.error.type.p, verdict.error.type.n, rows[i].type);
        EXPECT_BYTES(verdict.error.message.p, verdict.error.message.n, rows[i].message);
        EXPECT_EQ(verdict.retry_after_ms, rows[i].why == FAIL_NONE ? 0 : 7000);
    }
}

TEST(recorded_errors) {
    static const struct {
        const char *file;
        unsigned status;
        enum fail why;
    } rows[] = {
        {"anthropic__anthropic_explicit_effort_xhigh_unsupported_model_errors.1", 400,
         FAIL_REFUSED},
        {"anthropic__anthropic_count_tokens_error.1", 404, FAIL_UPSTREAM_MODEL},
    };
    if (!test_shared("fixtures/anthropic"))
        SKIP("needs ../shared");
    for (size_t i = 0; i < countof(rows); i++) {
        char path[300];
        size_t n = 0;
        struct provider_verdict verdict;
        struct http_head head = {.status = rows[i].status};
        ROW("%s", rows[i].file);
        snprintf(path, sizeof path, "fixtures/anthropic/%s.resp.json", rows[i].file);
        const char *found = test_shared(path);
        char *bytes = found ? test_file(found, &n) : NULL;
        EXPECT(bytes != NULL);
        anthropic_classify(NULL, &head, span_of(bytes, n), &verdict);
        EXPECT_STR(fail_name(verdict.why), fail_name(rows[i].why));
        EXPECT(verdict.error.message.n > 0);
        free(bytes);
    }
}

/* --- betas --- */

TEST(betas) {
    static const struct {
        const char *name;
        bool any, vertex;
    } rows[] = {
        {"context-1m-2025-08-07", true, true},
        {"tool-search-tool-2025-10-19", true, true},
        {"interleaved-thinking-2025-05-14", true, true},
        {"files-api-2025-04-14", true, false},
        {"context-1m-2025-08-070", true, false},
        {"", false, false},
        {"a b", false, false},
        {"a\r\nx-api-key: b", false, false},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        EXPECT_EQ(anthropic_beta_any(span_str(rows[i].name)), rows[i].any);
        EXPECT_EQ(anthropic_beta_vertex(span_str(rows[i].name)), rows[i].vertex);
    }
}

/* --- errors to clients --- */

TEST(each_failure_has_a_type_of_the_api) {
    static const char *const types[] = {
        "invalid_request_error", "authentication_error", "permission_error", "not_found_error",
        "request_too_large",     "rate_limit_error",     "api_error",        "timeout_error",
        "overloaded_error"};
    struct bench b;
    bench_init(&b);
    for (unsigned why = FAIL_NONE + 1; why < FAIL_COUNT; why++) {
        struct json_out out;
        bool known = false;
        ROW("%s", fail_name(why));
        json_out_arena(&out, &b.arena, 0);
        dialect_anthropic.write_error(why, SPAN("a \"b\""), SPAN("p"), &out);
        struct span text = json_out_span(&out);
        yyjson_doc *doc = yyjson_read(text.p, text.n, 0);
        yyjson_val *root = yyjson_doc_get_root(doc), *error = yyjson_obj_get(root, "error");
        EXPECT_STR(json_word(root, "type"), "error");
        EXPECT_EQ(yyjson_obj_size(root), 2);
        EXPECT_STR(json_word(error, "message"), "a \"b\"");
        for (size_t i = 0; i < countof(types); i++)
            known |= strcmp(json_word(error, "type"), types[i]) == 0;
        EXPECT(known);
        yyjson_doc_free(doc);
    }
    bench_fini(&b);
}

TEST(failures_keep_their_meaning) {
    static const struct {
        enum fail why;
        const char *event;
    } rows[] = {
        {FAIL_OVERLOADED, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":"
                          "\"overloaded_error\",\"message\":\"the provider is overloaded\"}}\n\n"},
        {FAIL_UPSTREAM_AUTH,
         "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":"
         "\"the provider refused the operator's credential\"}}\n\n"},
        {FAIL_KEY,
         "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":"
         "\"authentication_error\",\"message\":\"the API key is missing or not known\"}}\n\n"},
    };
    struct bench b;
    bench_init(&b);
    for (size_t i = 0; i < countof(rows); i++) {
        struct json_out out;
        json_out_arena(&out, &b.arena, 0);
        dialect_anthropic.write_error_event(rows[i].why, SPAN(""), &out);
        EXPECT_STR(bench_text(&out), rows[i].event);
    }
    bench_fini(&b);
}
