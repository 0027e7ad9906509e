/* test_bedrock.c - Bedrock's URLs, targets, signatures and errors, by rows and by the signature
 * vectors. */
#include "providers/bedrock.h"

#include <errno.h>
#include <yyjson.h>

#include "core/fail.h"
#include "core/slab.h"
#include "tests/test.h"

static const struct provider_kind kind = {.name = "bedrock", .auth = PROVIDER_AUTH_BEARER};

struct stand {
    struct memory memory;
    struct arena arena;
};

static void stand_init(struct stand *s) {
    memory_init(&s->memory, (size_t)16 << 20, 0);
    arena_init(&s->arena, &s->memory);
}

static void stand_fini(struct stand *s) {
    arena_fini(&s->arena);
    memory_fini(&s->memory);
}

TEST(urls) {
    static const struct {
        const char *region, *url, *openai;
        const char *why; /* a word of it */
    } rows[] = {
        {"us-east-1", "https://bedrock-runtime.us-east-1.amazonaws.com",
         "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1", NULL},
        {"us-gov-west-1", "https://bedrock-runtime.us-gov-west-1.amazonaws.com",
         "https://bedrock-runtime.us-gov-west-1.amazonaws.com/openai/v1", NULL},
        {"cn-north-1", "https://bedrock-runtime.cn-north-1.amazonaws.com.cn",
         "https://bedrock-runtime.cn-north-1.amazonaws.com.cn/openai/v1", NULL},
        {"eusc-de-east-1", "https://bedrock-runtime.eusc-de-east-1.amazonaws.eu",
         "https://bedrock-runtime.eusc-de-east-1.amazonaws.eu/openai/v1", NULL},
        {"eu-central-1", "https://bedrock-runtime.eu-central-1.amazonaws.com",
         "https://bedrock-runtime.eu-central-1.amazonaws.com/openai/v1", NULL},
        {"us-iso-east-1", "https://bedrock-runtime.us-iso-east-1.c2s.ic.gov",
         "https://bedrock-runtime.us-iso-east-1.c2s.ic.gov/openai/v1", NULL},
        {"us-isob-east-1", "https://bedrock-runtime.us-isob-east-1.sc2s.sgov.gov",
         "https://bedrock-runtime.us-isob-east-1.sc2s.sgov.gov/openai/v1", NULL},
        {NULL, NULL, NULL, "region is missing"},
        {"", NULL, NULL, "region is missing"},
        {"us-east-1.evil.com/", NULL, NULL, "not the name"},
        {"US-EAST-1", NULL, NULL, "not the name"},
        {"a-name-that-is-much-longer-than-any-region-is", NULL, NULL, "not the name"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct stand s;
        struct provider provider = {.kind = &kind, .region = rows[i].region};
        struct span why = {NULL, 0};
        stand_init(&s);
        ROW("%s", rows[i].region ? rows[i].region : "(none)");
        struct span url = bedrock_url(&provider, &s.arena, &why);
        if (rows[i].why) {
            EXPECT(url.p == NULL);
            EXPECT(span_search(why, span_str(rows[i].why)) < why.n);
            EXPECT(bedrock_openai_url(&provider, &s.arena, &why).p == NULL);
        } else {
            EXPECT_BYTES(url.p, url.n, rows[i].url);
            url = bedrock_openai_url(&provider, &s.arena, &why);
            EXPECT_BYTES(url.p, url.n, rows[i].openai);
        }
        stand_fini(&s);
    }
}

static struct span field(const struct provider_target *target, const char *name) {
    for (unsigned i = 0; i < target->field_count; i++)
        if (span_eq_nocase(target->fields[i].name, span_str(name)))
            return target->fields[i].value;
    return SPAN("(none)");
}

TEST(targets) {
    static const struct {
        const char *prefix, *model, *stream, *whole;
    } rows[] = {
        {"", "anthropic.claude-v2", "/model/anthropic.claude-v2/converse-stream",
         "/model/anthropic.claude-v2/converse"},
        {"", "a.b-v1:0", "/model/a.b-v1%3A0/converse-stream", "/model/a.b-v1%3A0/converse"},
        {"/behind/it", "a", "/behind/it/model/a/converse-stream", "/behind/it/model/a/converse"},
        {"", "../x?y#z", "/model/..%2Fx%3Fy%23z/converse-stream", "/model/..%2Fx%3Fy%23z/converse"},
        {"", "", NULL, NULL},
        {"", ".", NULL, NULL},
        {"", "..", NULL, NULL},
        {"/with blank", "a", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct stand s;
        struct provider provider = {.kind = &kind, .path_prefix = rows[i].prefix, .api_key = "k"};
        struct provider_target target;
        struct span why = {NULL, 0};
        stand_init(&s);
        ROW("%s %s", rows[i].prefix, rows[i].model);
        int rc = bedrock_target(&provider, SERVICE_CONVERSE, span_str(rows[i].model), &s.arena,
                                &target, &why);
        EXPECT_EQ(rc, rows[i].stream ? 0 : -EINVAL);
        if (rc == 0) {
            EXPECT_BYTES(target.path.p, target.path.n, rows[i].stream);
            EXPECT_BYTES(target.whole_path.p, target.whole_path.n, rows[i].whole);
        } else {
            EXPECT(why.n > 0);
        }
        stand_fini(&s);
    }
}

TEST(fields) {
    static const struct http_field own[] = {{SPAN_CONST("Accept"), SPAN_CONST("x/y")},
                                            {SPAN_CONST("x-amz-a"), SPAN_CONST("b")}};
    struct stand s;
    struct provider provider = {.kind = &kind, .path_prefix = "", .api_key = "bedrock-key"};
    struct provider_target target;
    struct span why, value;
    stand_init(&s);
    EXPECT_EQ(bedrock_target(&provider, SERVICE_CONVERSE, SPAN("m"), &s.arena, &target, &why), 0);
    value = field(&target, "authorization");
    EXPECT_BYTES(value.p, value.n, "Bearer bedrock-key");
    value = field(&target, "content-type");
    EXPECT_BYTES(value.p, value.n, "application/json");
    value = field(&target, "accept");
    EXPECT_BYTES(value.p, value.n, "application/vnd.amazon.eventstream, application/json");

    provider.api_key = NULL;
    provider.headers = own;
    provider.header_count = 2;
    EXPECT_EQ(bedrock_target(&provider, SERVICE_CONVERSE, SPAN("m"), &s.arena, &target, &why), 0);
    value = field(&target, "authorization");
    EXPECT_BYTES(value.p, value.n, "(none)");
    value = field(&target, "accept");
    EXPECT_BYTES(value.p, value.n, "x/y");
    value = field(&target, "x-amz-a");
    EXPECT_BYTES(value.p, value.n, "b");
    stand_fini(&s);
}

TEST(no_memory_for_a_target) {
    struct memory none;
    struct arena arena;
    struct provider provider = {.kind = &kind, .path_prefix = "", .region = "us-east-1"};
    struct provider_target target;
    struct span why = {NULL, 0};
    memory_init(&none, 0, 0);
    arena_init(&arena, &none);
    EXPECT_EQ(bedrock_target(&provider, SERVICE_CONVERSE, SPAN("m"), &arena, &target, &why),
              -EINVAL);
    EXPECT(why.n > 0);
    EXPECT(bedrock_url(&provider, &arena, &why).p == NULL);
    arena_fini(&arena);
    memory_fini(&none);
}

/* --- signatures --- */

/* 20261121T010203Z */
#define VECTOR_TIME_S INT64_C(1795222923)

static struct span text_at(yyjson_val *value, const char *name) {
    return span_str(yyjson_get_str(yyjson_obj_get(value, name)));
}

/* The target of a model, signed: its path and its authorization are those of the vector. */
static void check_path(yyjson_val *vector) {
    struct stand s;
    struct sigv4_cache cache = {.valid = false};
    struct span model = text_at(vector, "model"), why, body = text_at(vector, "body");
    struct span wire = text_at(vector, "wire_path");
    struct provider provider = {.kind = &kind,
                                .path_prefix = "",
                                .host = "bedrock-runtime.us-east-1.amazonaws.com",
                                .region = "us-east-1"};
    struct credential credential = {.kind = CREDENTIAL_AWS,
                                    .key_id = text_at(vector, "access_key_id"),
                                    .secret = text_at(vector, "secret_access_key"),
                                    .token = text_at(vector, "session_token")};
    struct provider_target target;
    static struct http_head head;
    stand_init(&s);
    EXPECT_EQ(bedrock_target(&provider, SERVICE_CONVERSE, model, &s.arena, &target, &why), 0);
    if (span_ends(wire, SPAN("/converse")))
        EXPECT_MEM(target.whole_path.p, target.whole_path.n, wire.p, wire.n);
    if (span_ends(wire, SPAN("/converse-stream")))
        EXPECT_MEM(target.path.p, target.path.n, wire.p, wire.n);
    head.field_count = target.field_count;
    memcpy(head.fields, target.fields, target.field_count * sizeof *target.fields);
    struct sign_call call = {.method = SPAN("POST"),
                             .path = wire,
                             .authority = span_str(provider.host),
                             .pieces = &body,
                             .piece_count = 1,
                             .now_s = VECTOR_TIME_S,
                             .cache = &cache,
                             .arena = &s.arena,
                             .head = &head};
    EXPECT_EQ(bedrock_sign(&provider, &credential, &call), 0);
    struct span got = http_field(&head, SPAN("authorization"));
    struct span want = text_at(yyjson_obj_get(vector, "expect"), "authorization");
    EXPECT_MEM(got.p, got.n, want.p, want.n);
    stand_fini(&s);
}

TEST(paths_and_signatures_of_the_vectors) {
    size_t n = 0, i, max;
    yyjson_val *vector;
    const char *path = test_shared("fixtures/sigv4/generated/bedrock-paths.json");
    if (!path)
        SKIP("needs ../shared");
    char *text = test_file(path, &n);
    yyjson_doc *doc = yyjson_read(text, n, 0);
    EXPECT(yyjson_arr_size(yyjson_doc_get_root(doc)) >= 4);
    yyjson_arr_foreach(yyjson_doc_get_root(doc), i, max, vector) {
        ROW("%zu", i);
        check_path(vector);
    }
    yyjson_doc_free(doc);
    free(text);
}

TEST(what_is_signed_for) {
    static const struct {
        const char *name, *host, *region;
        enum credential_kind kind;
        const char *want; /* a piece of authorization; NULL: there is none */
        int rc;
    } rows[] = {
        {"region of the settings", "x.example", "eu-west-1", CREDENTIAL_AWS,
         "/20261121/eu-west-1/bedrock/aws4_request", 0},
        {"of the host", "bedrock-runtime.ap-south-1.amazonaws.com", NULL, CREDENTIAL_AWS,
         "/20261121/ap-south-1/bedrock/aws4_request", 0},
        {"of a VPC endpoint", "vpce-1-x.bedrock-runtime.us-west-2.vpce.amazonaws.com", NULL,
         CREDENTIAL_AWS, "/20261121/us-west-2/bedrock/aws4_request", 0},
        {"Mantle", "bedrock-mantle.us-east-1.api.aws", NULL, CREDENTIAL_AWS,
         "/20261121/us-east-1/bedrock-mantle/aws4_request", 0},
        {"a residency tag is no region", "bedrock-runtime.eu-west-3.amazonaws.com", "EU",
         CREDENTIAL_AWS, "/20261121/eu-west-3/bedrock/aws4_request", 0},
        {"no region", "x.example", NULL, CREDENTIAL_AWS, NULL, -FAIL_CREDENTIAL},
        {"bearer", "x.example", NULL, CREDENTIAL_BEARER, "Bearer token-1", 0},
        {"not obtained yet", "x.example", "eu-west-1", CREDENTIAL_NONE, NULL, -FAIL_CREDENTIAL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct stand s;
        struct span body = SPAN("{}");
        struct provider provider = {
            .kind = &kind, .path_prefix = "", .host = rows[i].host, .region = rows[i].region};
        struct credential credential = {
            .kind = rows[i].kind, .key_id = SPAN("AKIDEXAMPLE"), .secret = SPAN("secret")};
        static struct http_head head;
        if (rows[i].kind == CREDENTIAL_BEARER)
            credential.token = SPAN("token-1");
        stand_init(&s);
        ROW("%s", rows[i].name);
        head.field_count = 0;
        struct sign_call call = {.method = SPAN("POST"),
                                 .path = SPAN("/model/m/converse-stream"),
                                 .authority = span_str(rows[i].host),
                                 .pieces = &body,
                                 .piece_count = 1,
                                 .now_s = VECTOR_TIME_S,
                                 .arena = &s.arena,
                                 .head = &head};
        EXPECT_EQ(bedrock_sign(&provider, &credential, &call), rows[i].rc);
        struct span got = http_field(&head, SPAN("authorization"));
        if (rows[i].want)
            EXPECT(span_search(got, span_str(rows[i].want)) < got.n);
        else
            EXPECT_EQ(head.field_count, 0);
        EXPECT_EQ(bedrock_sign(&provider, NULL, &call), 0);
        stand_fini(&s);
    }
}

TEST(bad_bearers) {
    static const char *const tokens[] = {"", "a\r\nb: c"};
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
        struct stand s;
        struct provider provider = {.kind = &kind};
        struct credential credential = {.kind = CREDENTIAL_BEARER, .token = span_str(tokens[i])};
        static struct http_head head;
        stand_init(&s);
        ROW("%zu", i);
        struct sign_call call = {.arena = &s.arena, .head = &head};
        EXPECT_EQ(bedrock_sign(&provider, &credential, &call), -FAIL_CREDENTIAL);
        EXPECT_EQ(head.field_count, 0);
        head.field_count = HTTP_FIELDS_MAX;
        credential.token = SPAN("t");
        EXPECT_EQ(bedrock_sign(&provider, &credential, &call), -FAIL_OVERLOAD);
        head.field_count = 0;
        stand_fini(&s);
    }
}

/* --- errors --- */

TEST(classification) {
    static const struct {
        unsigned status;
        const char *type, *body;
        enum fail why;
        const char *message;
    } rows[] = {
        {200, NULL, "{}", FAIL_NONE, ""},
        {429, "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/",
         "{\"message\":\"Too many requests\"}", FAIL_RATE_LIMITED, "Too many requests"},
        {429, "ThrottlingException", "{\"message\":\"Too many tokens per day, please wait\"}",
         FAIL_QUOTA, "Too many tokens per day, please wait"},
        {429, NULL, "{\"message\":\"Too many requests\"}", FAIL_RATE_LIMITED, "Too many requests"},
        {429, "ModelNotReadyException", "{\"message\":\"m\"}", FAIL_OVERLOADED, "m"},
        {400, "ServiceQuotaExceededException", "{\"message\":\"m\"}", FAIL_QUOTA, "m"},
        {408, "ModelTimeoutException", "{\"message\":\"m\"}", FAIL_UPSTREAM_TIMEOUT, "m"},
        {424, "ModelErrorException", "{\"message\":\"m\"}", FAIL_UPSTREAM_5XX, "m"},
        {424, "ModelStreamErrorException", "{\"message\":\"m\"}", FAIL_UPSTREAM_5XX, "m"},
        {500, "InternalServerException", "{\"message\":\"m\"}", FAIL_UPSTREAM_5XX, "m"},
        {503, "ServiceUnavailableException", "{\"message\":\"m\"}", FAIL_OVERLOADED, "m"},
        {503, NULL, "<html>", FAIL_OVERLOADED, ""},
        {502, NULL, "", FAIL_UPSTREAM_5XX, ""},
        {404, "ResourceNotFoundException", "{\"message\":\"m\"}", FAIL_UPSTREAM_MODEL, "m"},
        {404, "UnknownOperationException", "{}", FAIL_UPSTREAM_MODEL, ""},
        {403, "AccessDeniedException", "{\"Message\":\"m\"}", FAIL_UPSTREAM_AUTH, "m"},
        {403, NULL, "{\"Message\":\"m\"}", FAIL_UPSTREAM_AUTH, NULL},
        {403, "UnrecognizedClientException", "{\"message\":\"m\"}", FAIL_UPSTREAM_AUTH, "m"},
        {403, "ExpiredTokenException", "{\"message\":\"m\"}", FAIL_UPSTREAM_AUTH, "m"},
        {400, "ExpiredTokenException", "{\"message\":\"m\"}", FAIL_UPSTREAM_AUTH, "m"},
        {403, "InvalidSignatureException", "{\"message\":\"m\"}", FAIL_UPSTREAM_AUTH, "m"},
        {400, NULL,
         "{\"__type\":\"com.amazon.coral.service#UnrecognizedClientException\","
         "\"message\":\"m\"}",
         FAIL_UPSTREAM_AUTH, "m"},
        {400, "ValidationException", "{\"message\":\"messages.0: bad\"}", FAIL_REFUSED,
         "messages.0: bad"},
        {400, "ValidationException:", "{\"message\":\"Input is too long for requested model.\"}",
         FAIL_REFUSED, "Input is too long for requested model."},
        {400, "ValidationException",
         "{\"message\":\"Invocation of model ID x with on-demand throughput isn\xe2\x80\x99t "
         "supported. Retry your request with an inference profile.\"}",
         FAIL_UPSTREAM_MODEL, NULL},
        {400, "ValidationException", "{\"message\":\"The provided model identifier is invalid.\"}",
         FAIL_UPSTREAM_MODEL, NULL},
        {400, NULL, "{\"message\":\"The provided model identifier is invalid.\"}",
         FAIL_UPSTREAM_MODEL, "The provided model identifier is invalid."},
        {400, "SomethingNew", "{\"message\":\"m\"}", FAIL_REFUSED, "m"},
        {409, "ConflictException", "{\"message\":\"m\"}", FAIL_UPSTREAM_CONFLICT, "m"},
        {413, NULL, "", FAIL_REFUSED, ""},
        /* the OpenAI-shaped endpoints */
        {429, NULL, "{\"error\":{\"message\":\"m\",\"type\":\"rate_limit_error\",\"code\":null}}",
         FAIL_RATE_LIMITED, "m"},
        {404, NULL, "{\"error\":{\"message\":\"m\",\"code\":\"model_not_found\"}}",
         FAIL_UPSTREAM_MODEL, "m"},
        {400, NULL, "{\"error\":{\"message\":\"m\",\"code\":\"content_filter\"}}", FAIL_POLICY,
         "m"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static struct http_head head;
        struct provider provider = {.kind = &kind};
        struct provider_verdict verdict;
        ROW("%u %s %s", rows[i].status, rows[i].type ? rows[i].type : "-", rows[i].body);
        head = (struct http_head){.status = rows[i].status};
        if (rows[i].type)
            head.fields[head.field_count++] =
                (struct http_field){SPAN("x-amzn-ErrorType"), span_str(rows[i].type)};
        bedrock_classify(&provider, &head, span_str(rows[i].body), &verdict);
        EXPECT_STR(fail_name(verdict.why), fail_name(rows[i].why));
        if (rows[i].message)
            EXPECT_BYTES(verdict.error.message.p, verdict.error.message.n, rows[i].message);
    }
}

TEST(waits) {
    static struct http_head head = {
        .status = 429,
        .field_count = 2,
        .fields = {{SPAN_CONST("x-amzn-errortype"), SPAN_CONST("ThrottlingException")},
                   {SPAN_CONST("retry-after"), SPAN_CONST("3")}}};
    struct provider provider = {.kind = &kind};
    struct provider_verdict verdict;
    bedrock_classify(&provider, &head, SPAN("{}"), &verdict);
    EXPECT_EQ(verdict.why, FAIL_RATE_LIMITED);
    EXPECT_EQ(verdict.retry_after_ms, 3000);
    EXPECT_BYTES(verdict.error.type.p, verdict.error.type.n, "ThrottlingException");
}

/* The recorded errors came without their heads. */
TEST(recorded_errors) {
    static const char *const files[] = {"bedrock__bedrock_error.1",
                                        "bedrock__bedrock_streaming_error.1"};
    if (!test_shared("fixtures/bedrock"))
        SKIP("needs ../shared");
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char relative[200];
        size_t n = 0;
        static struct http_head head = {.status = 400};
        struct provider provider = {.kind = &kind};
        struct provider_verdict verdict;
        ROW("%s", files[i]);
        snprintf(relative, sizeof relative, "fixtures/bedrock/%s.resp.json", files[i]);
        char *body = test_file(test_shared(relative), &n);
        REQUIRE(body != NULL);
        bedrock_classify(&provider, &head, span_of(body, n), &verdict);
        EXPECT_EQ(verdict.why, FAIL_UPSTREAM_MODEL);
        EXPECT(verdict.error.message.n > 0);
        free(body);
    }
}
