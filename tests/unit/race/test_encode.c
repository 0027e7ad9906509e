/* test_encode.c - the client's request as each kind of backend wants it: which service, edited or
 * translated, with which path and fields; what cannot be expressed, and what `compat: lenient` leaves
 * out. */
#include "appliance/race/encode.h"

#include "appliance/race/exchange.h"
#include "core/base.h"
#include "core/slab.h"
#include "providers/anthropic.h"
#include "tests/test.h"

#define MEMORY_BYTES ((size_t)8 << 20)
#define NOW_S        1700000000

/* One request and one backend, filled in by hand as intake and control would. */
static struct {
    struct memory memory;
    struct exchange exchange;
    struct upstreams upstreams;
    struct upstreams_provider own;
    struct config_model model;
    struct config_provider provider;
    struct config_backend backend;
    struct provider_target targets[SERVICE_COUNT];
    struct credential_cell cell;
    struct encoded *encoded;
    struct span why, field;
    int rc;
} world;

static void setup(void) {
    memset(&world, 0, sizeof world);
    memory_init(&world.memory, MEMORY_BYTES, 0);
    arena_init(&world.exchange.arena, &world.memory);
    world.upstreams.providers = &world.own;
    world.model = (struct config_model){.name = "m"};
    world.exchange.upstreams = &world.upstreams;
    world.exchange.model = &world.model;
    world.exchange.id = SPAN("id-1");
}

static void teardown(void) {
    arena_fini(&world.exchange.arena);
    memory_fini(&world.memory);
}

/* A backend of that kind, under a name that says where it is. */
static void at(const char *kind, const char *model) {
    struct arena *arena = &world.exchange.arena;
    struct provider *p = &world.provider.provider;
    struct span why = {NULL, 0};
    *p = (struct provider){.name = kind,
                           .kind = provider_kind_find(span_str(kind)),
                           .host = "h",
                           .authority = "h",
                           .path_prefix = "",
                           .region = "us-east-1",
                           .project = "p",
                           .location = "l",
                           .compartment = "c"};
    REQUIRE(p->kind);
    /* These have a cell instead. */
    bool keyless = strcmp(kind, "bedrock") == 0 || strcmp(kind, "vertex-openai") == 0;
    p->api_key = keyless ? NULL : "k";
    world.backend = (struct config_backend){
        .provider = &world.provider, .model = model, .targets = world.targets};
    memset(world.targets, 0, sizeof world.targets);
    for (unsigned i = 0; i < SERVICE_COUNT; i++)
        if (p->kind->services & 1u << i)
            REQUIRE(p->kind->target(p, (enum provider_service)i, span_str(model), arena,
                                    &world.targets[i], &why) == 0);
}

/* The client asks for `path` with that body. */
static void asks(const char *path, const char *body) {
    struct exchange *exchange = &world.exchange;
    struct span why = {NULL, 0}, param = {NULL, 0}, text = span_str(body);
    exchange->endpoint = endpoint_of(span_str(path));
    exchange->dialect = exchange->endpoint.dialect;
    exchange->req = (struct chat_request){.path_model = exchange->endpoint.model,
                                          .path_stream = exchange->endpoint.stream,
                                          .betas = exchange->req.betas};
    exchange->prompt = NULL;
    int rc = 0;
    if (exchange->endpoint.kind == ENDPOINT_EMBEDDINGS)
        rc = embeddings_read_request(text, &exchange->arena, &exchange->embeddings, &why, &param);
    else if (exchange->endpoint.kind == ENDPOINT_COUNT_TOKENS)
        rc = anthropic_read_count_request(text, &exchange->arena, &exchange->req, &why, &param);
    else
        rc = exchange->dialect->read_request(text, &exchange->arena, &exchange->req, &why, &param);
    EXPECT_EQ(rc, 0);
    exchange->req.body = text;
    world.rc = encode_request(exchange, &world.backend, &world.encoded, &world.why, &world.field);
}

/* The pieces in one. */
static struct span body(void) {
    struct json_out out;
    json_out_arena(&out, &world.exchange.arena, 64);
    for (unsigned i = 0; i < world.encoded->piece_count; i++)
        json_out_raw(&out, world.encoded->pieces[i]);
    EXPECT_EQ(out.n, world.encoded->length);
    EXPECT_EQ(json_check(json_out_span(&out), NULL, NULL), 0);
    return json_out_span(&out);
}

static bool body_has(const char *text) {
    struct span whole = body();
    return span_search(whole, span_str(text)) < whole.n;
}

static const char chat[] =
    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
static const char messages[] = "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\","
                               "\"content\":\"hi\"}]}";
static const char responses[] = "{\"model\":\"m\",\"input\":\"hi\"}";
static const char generate[] = "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hi\"}]}]}";
static const char completion[] = "{\"model\":\"m\",\"prompt\":\"hi\"}";
static const char embeddings[] = "{\"model\":\"m\",\"input\":\"hi\"}";

#define GENERATE "/v1beta/models/m:generateContent"

TEST(services_of_kinds) {
    static const struct {
        const char *path, *body, *kind;
        enum provider_service service;
        bool translated;
    } rows[] = {
        {"/v1/chat/completions", chat, "openai", SERVICE_CHAT, false},
        {"/v1/chat/completions", chat, "deepseek", SERVICE_CHAT, false},
        {"/v1/chat/completions", chat, "anthropic", SERVICE_MESSAGES, true},
        {"/v1/chat/completions", chat, "vertex-anthropic", SERVICE_MESSAGES, true},
        {"/v1/chat/completions", chat, "bedrock", SERVICE_CONVERSE, true},
        {"/v1/chat/completions", chat, "bedrock-openai", SERVICE_CHAT, false},
        {"/v1/chat/completions", chat, "gemini", SERVICE_GENERATE, true},
        {"/v1/chat/completions", chat, "vertex", SERVICE_GENERATE, true},
        {"/v1/chat/completions", chat, "vertex-openai", SERVICE_CHAT, false},
        {"/v1/responses", responses, "openai", SERVICE_RESPONSES, false},
        {"/v1/responses", responses, "azure", SERVICE_RESPONSES, false},
        {"/v1/responses", responses, "mistral", SERVICE_CHAT, true},
        {"/v1/responses", responses, "anthropic", SERVICE_MESSAGES, true},
        {"/v1/responses", responses, "bedrock", SERVICE_CONVERSE, true},
        {"/v1/messages", messages, "anthropic", SERVICE_MESSAGES, false},
        {"/v1/messages", messages, "vertex-anthropic", SERVICE_MESSAGES, false},
        {"/v1/messages", messages, "openai", SERVICE_CHAT, true},
        {"/v1/messages", messages, "gemini", SERVICE_GENERATE, true},
        {GENERATE, generate, "gemini", SERVICE_GENERATE, false},
        {GENERATE, generate, "vertex", SERVICE_GENERATE, false},
        {GENERATE, generate, "openai", SERVICE_CHAT, true},
        {GENERATE, generate, "anthropic", SERVICE_MESSAGES, true},
        {"/v1/completions", completion, "openai", SERVICE_COMPLETIONS, false},
        {"/v1/completions", completion, "groq", SERVICE_CHAT, true},
        {"/v1/completions", completion, "anthropic", SERVICE_MESSAGES, true},
        {"/v1/embeddings", embeddings, "openai", SERVICE_EMBEDDINGS, false},
        {"/v1/embeddings", embeddings, "ollama", SERVICE_EMBEDDINGS, false},
        {"/v1/messages/count_tokens", messages, "anthropic", SERVICE_COUNT_TOKENS, false},
        {"/v1/messages/count_tokens", messages, "vertex-anthropic", SERVICE_COUNT_TOKENS, false},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s over %s", rows[i].path, rows[i].kind);
        setup();
        at(rows[i].kind, "backends-own");
        asks(rows[i].path, rows[i].body);
        EXPECT_EQ(world.rc, 0);
        if (world.rc == 0) {
            bool plain =
                rows[i].service == SERVICE_EMBEDDINGS || rows[i].service == SERVICE_COUNT_TOKENS;
            EXPECT_EQ(world.encoded->service, rows[i].service);
            EXPECT_EQ(world.encoded->translated, rows[i].translated);
            EXPECT(world.encoded->target == &world.targets[rows[i].service]);
            EXPECT(world.encoded->path.n > 0);
            EXPECT(plain ? !world.encoded->dialect
                         : world.encoded->dialect == provider_service_dialect(rows[i].service));
            EXPECT(body_has("hi"));
            EXPECT(!body_has("\"m\"")); /* the client's name for the model */
            struct span path = world.encoded->path;
            EXPECT(body_has("\"backends-own\"") ||
                   span_search(path, SPAN("backends-own")) < path.n);
        }
        teardown();
    }
}

TEST(services_that_a_kind_has_not) {
    static const struct {
        const char *path, *body, *kind;
    } rows[] = {
        {"/v1/embeddings", embeddings, "anthropic"},
        {"/v1/embeddings", embeddings, "bedrock"},
        {"/v1/embeddings", embeddings, "groq"},
        {"/v1/messages/count_tokens", messages, "openai"},
        {"/v1/messages/count_tokens", messages, "gemini"},
        {"/v1/messages/count_tokens", messages, "bedrock"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s over %s", rows[i].path, rows[i].kind);
        setup();
        at(rows[i].kind, "x");
        asks(rows[i].path, rows[i].body);
        EXPECT_EQ(world.rc, -FAIL_UNSUPPORTED);
        EXPECT(world.why.n > 0);
        EXPECT_EQ(world.field.n, 0);
        teardown();
    }
}

/* In one dialect the client's bytes stay what they are, unknown members, order and blanks included. */
TEST(edits_keep_the_clients_bytes) {
    setup();
    at("openai", "gpt-real");
    asks("/v1/chat/completions",
         "{ \"unknown\" : [1, 2.50],\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
         "\"h\\u0069\"}],\"stream\":true,\"stream_options\":{\"include_usage\":true} }");
    EXPECT_EQ(world.rc, 0);
    EXPECT(!world.encoded->translated);
    EXPECT(body_has("{ \"unknown\" : [1, 2.50],\"model\":\"gpt-real\",\"messages\":[{\"role\":"
                    "\"user\",\"content\":\"h\\u0069\"}]"));
    teardown();
    setup();
    at("openai", "embed-real");
    asks("/v1/embeddings",
         "{\"x\":{},  \"input\":[\"a\", \"b\"],\"model\":\"m\",\"dimensions\":4}");
    EXPECT_EQ(world.rc, 0);
    EXPECT_BYTES(body().p, body().n,
                 "{\"x\":{},  \"input\":[\"a\", \"b\"],\"model\":\"embed-real\",\"dimensions\":4}");
    teardown();
}

TEST(streams_and_whole_answers_have_their_paths) {
    static const struct {
        const char *kind, *part;
    } rows[] = {
        {"bedrock", "/converse-stream"},
        {"gemini", ":streamGenerateContent"},
        {"vertex", ":streamGenerateContent"},
        {"vertex-anthropic", ":streamRawPredict"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].kind);
        setup();
        at(rows[i].kind, "x");
        asks("/v1/chat/completions", chat);
        EXPECT_EQ(world.rc, 0);
        struct span path = world.encoded->path;
        EXPECT(span_search(path, span_str(rows[i].part)) < path.n);
        /* What cannot be streamed is asked for whole. */
        world.exchange.req.whole_only = true;
        world.rc = encode_request(&world.exchange, &world.backend, &world.encoded, &world.why,
                                  &world.field);
        EXPECT_EQ(world.rc, 0);
        EXPECT_BYTES(world.encoded->path.p, world.encoded->path.n,
                     span_text(world.encoded->target->whole_path, (char[512]){0}, 512));
        teardown();
    }
}

TEST(what_cannot_be_expressed) {
    static const struct {
        const char *kind, *member, *field;
    } rows[] = {
        {"anthropic", "\"seed\":7", "seed"},
        {"anthropic", "\"logit_bias\":{\"1\":2}", "logit_bias"},
        {"anthropic", "\"n\":2", "n"},
        {"bedrock", "\"seed\":7", "seed"},
        {"bedrock", "\"frequency_penalty\":1", "frequency_penalty"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s: %s", rows[i].kind, rows[i].member);
        char text[256];
        snprintf(text, sizeof text,
                 "{\"model\":\"m\",%s,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
                 rows[i].member);
        setup();
        at(rows[i].kind, "claude-haiku-4-5");
        asks("/v1/chat/completions", text);
        EXPECT_EQ(world.rc, -FAIL_UNSUPPORTED);
        EXPECT_BYTES(world.field.p, world.field.n, rows[i].field);
        EXPECT(world.why.n > 0);
        /* The same client at a backend of its own dialect. */
        at("openai", "gpt");
        asks("/v1/chat/completions", text);
        EXPECT_EQ(world.rc, 0);
        EXPECT(body_has(rows[i].member));
        teardown();
    }
}

TEST(lenient_leaves_out_and_says_so) {
    setup();
    world.model.lenient = true;
    at("anthropic", "claude-haiku-4-5");
    asks("/v1/chat/completions", "{\"model\":\"m\",\"seed\":7,\"logit_bias\":{\"1\":2},"
                                 "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}");
    EXPECT_EQ(world.rc, 0);
    EXPECT(!body_has("seed") && !body_has("logit_bias"));
    const struct chat_losses *losses = &world.encoded->losses;
    EXPECT_EQ(losses->count, 2);
    bool seed = false, bias = false;
    for (unsigned i = 0; i < losses->count; i++) {
        seed |= span_eq(losses->names[i], SPAN("seed"));
        bias |= span_eq(losses->names[i], SPAN("logit_bias"));
    }
    EXPECT(seed && bias);
    asks("/v1/chat/completions", chat);
    EXPECT_EQ(world.rc, 0);
    EXPECT_EQ(world.encoded->losses.count, 0);
    teardown();
}

/* The prompt is read for the first backend that needs it, and for no other. */
TEST(the_prompt_is_read_once) {
    setup();
    at("openai", "gpt");
    asks("/v1/chat/completions", chat);
    EXPECT(!world.exchange.prompt);
    at("anthropic", "claude-haiku-4-5");
    world.rc =
        encode_request(&world.exchange, &world.backend, &world.encoded, &world.why, &world.field);
    const struct chat_prompt *first = world.exchange.prompt;
    EXPECT(world.rc == 0 && first);
    at("bedrock", "claude-haiku-4-5");
    world.rc =
        encode_request(&world.exchange, &world.backend, &world.encoded, &world.why, &world.field);
    EXPECT(world.rc == 0 && world.exchange.prompt == first);
    teardown();
}

/* --- heads --- */

static struct http_head head;

static struct span head_of(const char *name) { return http_field(&head, span_str(name)); }

static int make_head(void) {
    memset(&head, 0, sizeof head);
    return encode_head(&world.exchange, &world.backend, world.encoded, NOW_S, &head);
}

TEST(betas_that_a_cloud_knows) {
    static const struct {
        const char *kind, *given, *want;
    } rows[] = {
        {"anthropic", "", ""},
        {"anthropic", "files-api-2025-04-14", "files-api-2025-04-14"},
        {"anthropic", " a , b,c ", "a,b,c"},
        {"anthropic", ",,", ""},
        {"anthropic", "not a token, fine", "fine"},
        {"vertex-anthropic", "nobody-knows-2020-01-01", ""},
        {"vertex-anthropic", "nobody-knows-2020-01-01, context-1m-2025-08-07",
         "context-1m-2025-08-07"},
        {"openai", "context-1m-2025-08-07", ""},
        {"bedrock", "context-1m-2025-08-07", ""},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s at %s", rows[i].given, rows[i].kind);
        setup();
        at(rows[i].kind, "claude-haiku-4-5");
        world.exchange.req.betas = span_str(rows[i].given);
        asks("/v1/messages", messages);
        EXPECT_EQ(world.rc, 0);
        EXPECT_EQ(make_head(), 0);
        EXPECT_BYTES(head_of("anthropic-beta").p, head_of("anthropic-beta").n, rows[i].want);
        teardown();
    }
}

TEST(heads_are_whole) {
    setup();
    at("openai", "gpt");
    world.exchange.traceparent = SPAN("00-a-b-01");
    asks("/v1/chat/completions", chat);
    EXPECT_EQ(make_head(), 0);
    EXPECT_EQ(head.method, HTTP_POST);
    EXPECT_BYTES(head.target.p, head.target.n, "/chat/completions");
    EXPECT_BYTES(head.authority.p, head.authority.n, "h");
    EXPECT_EQ(head.body, HTTP_BODY_LENGTH);
    EXPECT_EQ(head.body_length, world.encoded->length);
    EXPECT_BYTES(head_of("authorization").p, head_of("authorization").n, "Bearer k");
    EXPECT_BYTES(head_of("x-request-id").p, head_of("x-request-id").n, "id-1");
    EXPECT_BYTES(head_of("traceparent").p, head_of("traceparent").n, "00-a-b-01");
    teardown();
}

/* A cell without a credential, with one of the wrong sort, with the right one. */
TEST(credentials_in_cells) {
    struct credential bearer = {.kind = CREDENTIAL_BEARER, .token = SPAN("t1")};
    struct credential keys = {
        .kind = CREDENTIAL_AWS, .key_id = SPAN("AKID"), .secret = SPAN("s"), .token = SPAN("x")};
    setup();
    at("vertex-openai", "m");
    world.provider.provider.credential = &world.cell;
    asks("/v1/chat/completions", chat);
    EXPECT_EQ(world.rc, 0);
    EXPECT_EQ(make_head(), -FAIL_CREDENTIAL);
    EXPECT(credential_publish(&world.cell, &keys));
    EXPECT_EQ(make_head(), -FAIL_CREDENTIAL);
    EXPECT(credential_publish(&world.cell, &bearer));
    EXPECT_EQ(make_head(), 0);
    EXPECT(span_search(head_of("authorization"), SPAN("Bearer t1")) == 0);
    teardown();
    setup();
    at("bedrock", "us.anthropic.claude-haiku-4-5-v1:0");
    world.provider.provider.credential = &world.cell;
    EXPECT(credential_publish(&world.cell, &keys));
    asks("/v1/chat/completions", chat);
    EXPECT_EQ(make_head(), 0);
    EXPECT_BYTES(head_of("x-amz-date").p, head_of("x-amz-date").n, "20231114T221320Z");
    EXPECT_BYTES(head_of("x-amz-security-token").p, head_of("x-amz-security-token").n, "x");
    EXPECT(span_search(head_of("authorization"), SPAN("Credential=AKID/20231114/us-east-1/")) <
           head_of("authorization").n);
    /* A clock that was found to be ten minutes ahead. */
    world.own.skew_s = 600;
    EXPECT_EQ(make_head(), 0);
    EXPECT_BYTES(head_of("x-amz-date").p, head_of("x-amz-date").n, "20231114T222320Z");
    teardown();
}

/* ---- the rest of an answer ---- */

#define CHAT_ASK \
    "{\"model\":\"m\",\"max_tokens\":50,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
#define MESSAGES_ASK \
    "{\"model\":\"m\",\"max_tokens\":50,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"

TEST(encode_rest_by_kind) {
    static const struct {
        const char *name, *kind, *model, *prefix, *path, *ask;
        enum provider_service service;
        int rc;
        const char *has, *lost;
    } rows[] = {
        {"prefix, edited", "mistral", "m", "", "/v1/chat/completions", CHAT_ASK, SERVICE_CHAT, 0,
         "{\"role\":\"assistant\",\"content\":\"So \\\"far\\\" \\n\",\"prefix\":true}]", ""},
        {"prefix, written", "mistral", "m", "", "/v1/messages", MESSAGES_ASK, SERVICE_CHAT, 0,
         "{\"role\":\"assistant\",\"content\":\"So \\\"far\\\" \\n\",\"prefix\":true}]", ""},
        {"its beta endpoint", "deepseek", "m", "/beta", "/v1/chat/completions", CHAT_ASK,
         SERVICE_CHAT, 0, "\"prefix\":true}]", ""},
        {"not its ordinary one", "deepseek", "m", "/v1", "/v1/chat/completions", CHAT_ASK,
         SERVICE_CHAT, -FAIL_UNSUPPORTED, NULL, NULL},
        {"partial, edited", "moonshot", "m", "", "/v1/chat/completions", CHAT_ASK, SERVICE_CHAT, 0,
         "\\n\",\"partial\":true}]", ""},
        {"partial, written", "dashscope", "m", "", "/v1/messages", MESSAGES_ASK, SERVICE_CHAT, 0,
         "\\n\",\"partial\":true}]", ""},
        {"final, edited", "vllm", "m", "", "/v1/chat/completions", CHAT_ASK, SERVICE_CHAT, 0,
         "{\"add_generation_prompt\":false,\"continue_final_message\":true,", ""},
        {"final, written", "vllm", "m", "", "/v1/messages", MESSAGES_ASK, SERVICE_CHAT, 0,
         ",\"add_generation_prompt\":false,\"continue_final_message\":true}", ""},
        {"Responses are gone on with as a chat", "vllm", "m", "", "/v1/responses",
         "{\"model\":\"m\",\"input\":\"hi\"}", SERVICE_CHAT, 0, "\"continue_final_message\":true}",
         ""},
        {"plain, edited", "groq", "m", "", "/v1/chat/completions", CHAT_ASK, SERVICE_CHAT, 0,
         "{\"role\":\"assistant\",\"content\":\"So \\\"far\\\"\"}]", " \\n"},
        {"Claude, edited", "anthropic", "claude-sonnet-4-5", "", "/v1/messages", MESSAGES_ASK,
         SERVICE_MESSAGES, 0, "{\"role\":\"assistant\",\"content\":\"So \\\"far\\\"\"}]", " \\n"},
        {"Claude, written", "anthropic", "claude-sonnet-4-5", "", "/v1/chat/completions", CHAT_ASK,
         SERVICE_MESSAGES, 0,
         "{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"So \\\"far\\\"\"}]}]",
         " \\n"},
        {"Claude on Bedrock", "bedrock", "anthropic.claude-sonnet-4-5-v1:0", "",
         "/v1/chat/completions", CHAT_ASK, SERVICE_CONVERSE, 0,
         "{\"role\":\"assistant\",\"content\":[{\"text\":\"So \\\"far\\\"\"}]}]", " \\n"},
        {"Claude that refuses", "anthropic", "claude-opus-4-8", "", "/v1/messages", MESSAGES_ASK,
         SERVICE_MESSAGES, -FAIL_UNSUPPORTED, NULL, NULL},
        {"not Claude, on Bedrock", "bedrock", "amazon.nova-pro-v1:0", "", "/v1/chat/completions",
         CHAT_ASK, SERVICE_CONVERSE, -FAIL_UNSUPPORTED, NULL, NULL},
        {"OpenAI", "openai", "m", "", "/v1/chat/completions", CHAT_ASK, SERVICE_CHAT,
         -FAIL_UNSUPPORTED, NULL, NULL},
        {"OpenAI's Responses", "openai", "m", "", "/v1/responses",
         "{\"model\":\"m\",\"input\":\"hi\"}", SERVICE_RESPONSES, -FAIL_UNSUPPORTED, NULL, NULL},
        {"Gemini", "gemini", "gemini-2.5-pro", "", "/v1/chat/completions", CHAT_ASK,
         SERVICE_GENERATE, -FAIL_UNSUPPORTED, NULL, NULL},
        {"a body that says itself how its last turn is meant", "vllm", "m", "",
         "/v1/chat/completions",
         "{\"model\":\"m\",\"continue_final_message\":true,\"messages\":[{\"role\":\"user\","
         "\"content\":\"hi\"}]}",
         SERVICE_CHAT, -FAIL_UNSUPPORTED, NULL, NULL},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        static char said_text[] = "So \\\"far\\\" \\n";
        struct stall_said said = {
            .text = {.p = said_text, .n = sizeof said_text - 1}, .spoke = true, .pieces = 3};
        ROW("%s", rows[i].name);
        setup();
        at(rows[i].kind, rows[i].model);
        world.backend.base_model = rows[i].model;
        world.provider.provider.path_prefix = rows[i].prefix;
        asks(rows[i].path, rows[i].ask);
        world.encoded = NULL;
        int rc = encode_rest(&world.exchange, &world.backend, &said, &world.encoded, &world.why,
                             &world.field);
        EXPECT_EQ(rc, rows[i].rc);
        if (rc == 0 && rows[i].rc == 0) {
            EXPECT_EQ(world.encoded->service, rows[i].service);
            EXPECT(world.encoded->goes_on);
            EXPECT_BYTES(world.encoded->lost.p, world.encoded->lost.n, rows[i].lost);
            if (!body_has(rows[i].has))
                FAIL_TEST("%.*s", (int)body().n, body().p);
            bool limited = strstr(rows[i].ask, "max_tokens") != NULL;
            EXPECT_EQ(body_has(":47"), limited); /* three of fifty are used up */
        }
        teardown();
    }
}

/* The request as it was is not touched: another backend may be asked from the start. */
TEST(encode_rest_leaves_the_prompt_alone) {
    static char text[] = "Hello";
    struct stall_said said = {.text = {.p = text, .n = 5}, .spoke = true, .pieces = 60};
    setup();
    at("anthropic", "claude-sonnet-4-5");
    world.backend.base_model = "claude-sonnet-4-5";
    asks("/v1/chat/completions", CHAT_ASK);
    REQUIRE(encode_rest(&world.exchange, &world.backend, &said, &world.encoded, &world.why,
                        &world.field) == 0);
    EXPECT(body_has("Hello") && body_has("\"max_tokens\":1,")); /* never none */
    REQUIRE(encode_request(&world.exchange, &world.backend, &world.encoded, &world.why,
                           &world.field) == 0);
    EXPECT(!body_has("Hello") && body_has("\"max_tokens\":50"));
    EXPECT(!world.encoded->goes_on);
    EXPECT(world.exchange.prompt->last_message->role == CHAT_USER);
    teardown();
}
