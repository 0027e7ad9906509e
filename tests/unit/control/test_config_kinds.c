/* test_config_kinds.c - each kind of provider: the least that it needs, what it becomes, and what is said
 * when something is missing or belongs to another kind. */
#include "tests/unit/control/config_file.h"

#include <stdlib.h>

/* Nothing of the machine's own environment takes part. */
static void clear_environment(void) {
    static const char *const names[] = {"AWS_REGION",
                                        "AWS_DEFAULT_REGION",
                                        "AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_BEARER_TOKEN_BEDROCK",
                                        "AWS_ROLE_ARN",
                                        "AWS_WEB_IDENTITY_TOKEN_FILE",
                                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                        "AWS_EC2_METADATA_DISABLED",
                                        "AZURE_FEDERATED_TOKEN_FILE",
                                        "AZURE_TENANT_ID",
                                        "AZURE_CLIENT_ID",
                                        "GOOGLE_APPLICATION_CREDENTIALS",
                                        "GOOGLE_CLOUD_PROJECT"};
    for (size_t i = 0; i < countof(names); i++)
        unsetenv(names[i]);
}

/* Line 3 is the provider, line 4 the model. */
static struct config *load_provider(const char *settings, const char *more, char **messages) {
    char yaml[1024];
    clear_environment();
    snprintf(yaml, sizeof yaml, HEAD "providers: {p: {%s}}\n" MODELS "%s", settings, more);
    return load(yaml, messages);
}

TEST(the_least_of_each_kind) {
    static const struct {
        const char *settings, *authority, *path; /* of a chat's service, with its model "x" */
        bool pass;
    } rows[] = {
        {"kind: openai, api_key: k", "api.openai.com", "/v1/chat/completions", true},
        {"kind: azure, endpoint: \"https://r.example\", api_key: k", "r.example",
         "/openai/v1/chat/completions", true},
        {"kind: azure, endpoint: \"https://r.example\", api_key: k, api_version: 2024-10-21",
         "r.example", "/openai/deployments/x/chat/completions?api-version=2024-10-21", false},
        {"kind: anthropic, api_key: k", "api.anthropic.com", "/v1/messages", true},
        {"kind: bedrock, region: us-east-1, api_key: k", "bedrock-runtime.us-east-1.amazonaws.com",
         "/model/x/converse-stream", false},
        {"kind: bedrock, region: cn-north-1, api_key: k",
         "bedrock-runtime.cn-north-1.amazonaws.com.cn", "/model/x/converse-stream", false},
        {"kind: bedrock-openai, region: us-east-1, api_key: k",
         "bedrock-runtime.us-east-1.amazonaws.com", "/openai/v1/chat/completions", false},
        {"kind: gemini, api_key: k", "generativelanguage.googleapis.com",
         "/v1beta/models/x:streamGenerateContent?alt=sse", false},
        {"kind: vertex, project: q, api_key: k", "aiplatform.googleapis.com",
         "/v1/projects/q/locations/global/publishers/google/models/x:streamGenerateContent?alt=sse",
         false},
        {"kind: vertex, project: q, location: europe-west4, api_key: k",
         "europe-west4-aiplatform.googleapis.com",
         "/v1/projects/q/locations/europe-west4/publishers/google/models/"
         "x:streamGenerateContent?alt=sse",
         false},
        {"kind: vertex-anthropic, project: q, location: us-east5, api_key: k",
         "us-east5-aiplatform.googleapis.com",
         "/v1/projects/q/locations/us-east5/publishers/anthropic/models/x:streamRawPredict", false},
        {"kind: vertex-openai, project: q, location: us-central1, api_key: k",
         "us-central1-aiplatform.googleapis.com",
         "/v1/projects/q/locations/us-central1/endpoints/openapi/chat/completions", false},
        {"kind: deepseek, api_key: k", "api.deepseek.com", "/v1/chat/completions", true},
        {"kind: moonshot, api_key: k", "api.moonshot.ai", "/v1/chat/completions", true},
        {"kind: dashscope, api_key: k", "dashscope.aliyuncs.com",
         "/compatible-mode/v1/chat/completions", true},
        {"kind: oci, region: eu-frankfurt-1, api_key: k",
         "inference.generativeai.eu-frankfurt-1.oci.oraclecloud.com", "/openai/v1/chat/completions",
         false},
        {"kind: openrouter, api_key: k", "openrouter.ai", "/api/v1/chat/completions", true},
        {"kind: groq, api_key: k", "api.groq.com", "/openai/v1/chat/completions", true},
        {"kind: mistral, api_key: k", "api.mistral.ai", "/v1/chat/completions", true},
        {"kind: xai, api_key: k", "api.x.ai", "/v1/chat/completions", true},
        {"kind: together, api_key: k", "api.together.xyz", "/v1/chat/completions", true},
        {"kind: vllm", "127.0.0.1:8000", "/v1/chat/completions", true},
        {"kind: ollama", "127.0.0.1:11434", "/v1/chat/completions", true},
    };
    unsigned kinds = 0, seen = 0;
    while (provider_kinds[kinds])
        kinds++;
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].settings);
        char *messages;
        struct config *config = load_provider(rows[i].settings, "", &messages);
        EXPECT_STR(messages, "");
        free(messages);
        if (!config)
            continue;
        const struct config_provider *provider = &config->providers[0];
        const struct provider_kind *kind = provider->provider.kind;
        const struct config_backend *backend = &config->models[0].backends[0];
        EXPECT_STR(provider->provider.authority, rows[i].authority);
        struct span path = backend->targets[kind->service].path;
        EXPECT_BYTES(path.p, path.n, rows[i].path);
        /* What it can be asked for has a path, and nothing else. */
        for (unsigned s = 0; s < SERVICE_COUNT; s++)
            EXPECT_EQ(backend->targets[s].path.n > 0, (kind->services >> s & 1u) != 0);
        EXPECT_EQ(provider->pass.path.p != NULL, rows[i].pass);
        bool first = true;
        for (size_t k = 0; k < i; k++)
            first &=
                strncmp(rows[k].settings, rows[i].settings, strcspn(rows[i].settings, ",")) != 0 ||
                strcspn(rows[k].settings, ",") != strcspn(rows[i].settings, ",");
        seen += first;
        config_free(&config);
    }
    EXPECT_EQ(seen, kinds); /* a new kind wants a row */
}

#define NO_KEY                                                                              \
    "t.yaml:3:16: providers.p.api_key is missing: the credential, best as \"${NAME}\"; or " \
    "none to send none\n"
#define NO_AZURE                                                                        \
    "t.yaml:3:16: providers.p has no credential: give api_key (none to send none), or " \
    "tenant_id, client_id and client_secret, or managed_identity: true; for workload "  \
    "identity AZURE_FEDERATED_TOKEN_FILE, AZURE_TENANT_ID and AZURE_CLIENT_ID must be set\n"
#define NO_PROJECT \
    "t.yaml:4:25: models.m.backends[0]: project is missing: name the Google Cloud project\n"
#define OCI_PART(part)                                                                       \
    "t.yaml:3:16: providers.p." part " is missing: requests are signed with tenancy, user, " \
    "fingerprint and private_key together\n"

TEST(what_a_kind_needs) {
    static const struct {
        const char *settings, *want;
    } rows[] = {
        {"kind: openai", NO_KEY},
        {"kind: anthropic", NO_KEY},
        {"kind: gemini", NO_KEY},
        {"kind: deepseek", NO_KEY},
        {"kind: moonshot", NO_KEY},
        {"kind: dashscope", NO_KEY},
        {"kind: openrouter", NO_KEY},
        {"kind: groq", NO_KEY},
        {"kind: mistral", NO_KEY},
        {"kind: xai", NO_KEY},
        {"kind: together", NO_KEY},
        {"kind: azure, endpoint: \"https://r.example\"", NO_AZURE},
        {"kind: azure, api_key: k",
         "t.yaml:3:16: providers.p needs endpoint (https://RESOURCE.openai.azure.com), since kind "
         "azure has no address of its own\n"},
        {"kind: azure, endpoint: \"https://r.example\", client_secret: s",
         "t.yaml:3:76: providers.p.client_secret needs tenant_id beside it\n"},
        {"kind: bedrock, api_key: k",
         "t.yaml:3:16: providers.p: region is missing: name the AWS region, such as us-east-1, or "
         "give base_url\n"},
        {"kind: bedrock-openai, api_key: k",
         "t.yaml:3:16: providers.p: region is missing: name the AWS region, such as us-east-1, or "
         "give base_url\n"},
        {"kind: bedrock, base_url: \"https://h\", access_key_id: i, secret_access_key: s",
         "t.yaml:3:16: providers.p.region is missing: the AWS region that requests are signed for, "
         "such as us-east-1 (AWS_REGION is not set either)\n"},
        {"kind: bedrock, region: us-east-1, access_key_id: i",
         "t.yaml:3:66: providers.p: the credential needs both access_key_id and "
         "secret_access_key\n"},
        {"kind: vertex, api_key: k", NO_PROJECT},
        {"kind: vertex-openai, api_key: k", NO_PROJECT},
        {"kind: vertex-anthropic, api_key: k", NO_PROJECT},
        {"kind: oci, api_key: k", "t.yaml:3:16: providers.p: oci needs a region or a base_url\n"},
        {"kind: oci, region: r, compartment: c",
         "t.yaml:3:16: providers.p has no credential: give api_key (none to send none), or "
         "tenancy, user, fingerprint and private_key\n"},
        {"kind: oci, region: r, compartment: c, tenancy: t",
         OCI_PART("user") OCI_PART("fingerprint") OCI_PART("private_key")},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].settings);
        char *messages;
        struct config *config = load_provider(rows[i].settings, "", &messages);
        EXPECT(!config);
        EXPECT_STR(messages, rows[i].want);
        free(messages);
        if (config)
            config_free(&config);
    }
}

TEST(what_belongs_to_another_kind) {
    static const struct {
        const char *settings, *want;
    } rows[] = {
        {"kind: openai, api_key: k, location: l",
         "t.yaml:3:53: providers.p.location: only kinds vertex, vertex-openai and "
         "vertex-anthropic have one\n"},
        {"kind: mistral, api_key: k, api_version: v",
         "t.yaml:3:57: providers.p.api_version: only kind azure has one\n"},
        {"kind: openai, api_key: k, s3_locations: true",
         "t.yaml:3:57: providers.p.s3_locations: only kind bedrock has them\n"},
        {"kind: openai, api_key: k, endpoint: \"https://h\"",
         "t.yaml:3:53: providers.p.endpoint: only kind azure has one; use base_url\n"},
        {"kind: gemini, api_key: k, tenancy: t",
         "t.yaml:3:52: providers.p.tenancy: only kind oci has one\n"},
        {"kind: anthropic, api_key: k, access_key_id: i",
         "t.yaml:3:61: providers.p.access_key_id: only kinds bedrock and bedrock-openai have "
         "one\n"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].settings);
        char *messages;
        struct config *config = load_provider(rows[i].settings, "", &messages);
        EXPECT(!config);
        EXPECT_STR(messages, rows[i].want);
        free(messages);
        if (config)
            config_free(&config);
    }
}

TEST(who_can_be_passed_through_to) {
    static const struct {
        const char *settings, *more, *want; /* "": it can */
    } rows[] = {
        {"kind: openai, api_key: k", "passthrough: p\n", ""},
        {"kind: anthropic, api_key: k", "passthrough: p\n", ""},
        {"kind: azure, endpoint: \"https://r.example\", api_key: k", "passthrough: p\n", ""},
        {"kind: azure, endpoint: \"https://r.example\", api_key: k, api_version: 2024-10-21",
         "passthrough: p\n",
         "t.yaml:5:14: passthrough: nothing can be passed through to kind azure with "
         "api_version\n"},
        {"kind: bedrock, region: us-east-1, api_key: k", "passthrough: p\n",
         "t.yaml:5:14: passthrough: nothing can be passed through to kind bedrock\n"},
        {"kind: vertex, project: q, api_key: k", "passthrough: p\n",
         "t.yaml:5:14: passthrough: nothing can be passed through to kind vertex\n"},
        {"kind: openai, api_key: k", "passthrough: q\n",
         "t.yaml:5:14: passthrough: there is no \"q\" under providers\n"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s, %s", rows[i].settings, rows[i].more);
        char *messages;
        struct config *config = load_provider(rows[i].settings, rows[i].more, &messages);
        EXPECT_STR(messages, rows[i].want);
        EXPECT_EQ(config != NULL, *rows[i].want == 0);
        if (config) {
            EXPECT(config->passthrough == &config->providers[0]);
            config_free(&config);
        }
        free(messages);
    }
}
