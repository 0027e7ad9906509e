/* test_credentials_config.c - from a provider's settings, the environment and the files they name to
 * what authorises it: which way is chosen, and what cannot be. */
#include "tests/unit/control/fake_source.h"

#include "net/tls.h"

/* What a provider came to: "api_key K", "keys ID SECRET TOKEN", "none", or a way with its texts. */
static const char *outcome(const struct provider *provider) {
    static const char *const names[] = {"url",    "second",  "file",   "id",       "secret",
                                        "key_id", "token",   "scope",  "audience", "type",
                                        "field",  "session", "only_v2"};
    static char text[4096];
    _Static_assert(countof(names) == CREDENTIALS_TEXT_COUNT, "one for each text");
    size_t n = 0;
    text[0] = 0;
    if (!provider->credential) {
        snprintf(text, sizeof text, provider->api_key ? "api_key %s" : "none", provider->api_key);
        return text;
    }
    const struct credentials_recipe *recipe = &credentials_plan_of(provider->credential)->recipe;
    if (recipe->way == CREDENTIALS_FIXED) {
        snprintf(text, sizeof text, "keys %s", cell_text(provider->credential, NULL));
        return text;
    }
    n = (size_t)snprintf(text, sizeof text, "%s", credentials_way_text(recipe->way));
    for (unsigned i = 0; i < CREDENTIALS_TEXT_COUNT; i++)
        if (recipe->text[i])
            n += (size_t)snprintf(text + n, sizeof text - n, " %s=%s", names[i], recipe->text[i]);
    return text;
}

struct choice {
    const char *name, *settings, *environment, *want, *region;
};

static void check_choices(const struct choice *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        ROW("%s", rows[i].name);
        fake_environ(rows[i].environment, 0);
        struct config *config = fake_config(rows[i].settings, 0);
        if (!config)
            continue;
        EXPECT_STR(outcome(&config->providers[0].provider), rows[i].want);
        EXPECT_STR(config->providers[0].provider.region, rows[i].region);
        config_free(&config);
    }
}

#define BEDROCK "p: {kind: bedrock, region: us-east-1"
#define KEYS    "AWS_ACCESS_KEY_ID=I\nAWS_SECRET_ACCESS_KEY=S\n"
#define WEB     "AWS_WEB_IDENTITY_TOKEN_FILE=/t\nAWS_ROLE_ARN=R\n"
#define FULL    "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://169.254.170.23/v1\n"
#define BEARER  "AWS_BEARER_TOKEN_BEDROCK=B\n"
#define IMDS    "the instance metadata service url=http://169.254.169.254"

/* Explicit settings, then the environment from its most special to the instance's role. */
TEST(aws_choices) {
    static const struct choice rows[] = {
        {"none to send none", BEDROCK ", api_key: none}", KEYS, "none", "us-east-1"},
        {"api_key", BEDROCK ", api_key: k}", KEYS, "api_key k", "us-east-1"},
        {"bearer_token", BEDROCK ", bearer_token: b}", KEYS BEARER, "api_key b", "us-east-1"},
        {"explicit keys", BEDROCK ", access_key_id: i, secret_access_key: s}", KEYS BEARER,
         "keys i s ", "us-east-1"},
        {"and a session", BEDROCK ", access_key_id: i, secret_access_key: s, session_token: t}", "",
         "keys i s t", "us-east-1"},
        {"bearer of the environment", BEDROCK "}", KEYS BEARER WEB FULL, "api_key B", "us-east-1"},
        {"keys of the environment", BEDROCK "}", KEYS WEB FULL "AWS_SESSION_TOKEN=T", "keys I S T",
         "us-east-1"},
        {"web identity", BEDROCK "}", WEB FULL,
         "web identity and STS url=https://sts.us-east-1.amazonaws.com/ file=/t id=R "
         "session=hedgerow",
         "us-east-1"},
        {"web identity in China", "p: {kind: bedrock, region: cn-north-1}",
         WEB "AWS_ROLE_SESSION_NAME=n",
         "web identity and STS url=https://sts.cn-north-1.amazonaws.com.cn/ file=/t id=R session=n",
         "cn-north-1"},
        {"container", BEDROCK "}", FULL "AWS_CONTAINER_AUTHORIZATION_TOKEN=a",
         "the container's credentials endpoint url=http://169.254.170.23/v1 token=a", "us-east-1"},
        {"container, a path", BEDROCK "}",
         FULL "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/x\n"
              "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/f\nAWS_CONTAINER_AUTHORIZATION_TOKEN=a",
         "the container's credentials endpoint url=http://169.254.170.2/v2/x file=/f", "us-east-1"},
        {"instance", BEDROCK "}", "", IMDS, "us-east-1"},
        {"instance, v2 only", BEDROCK "}", "AWS_EC2_METADATA_V1_DISABLED=True",
         IMDS " only_v2=true", "us-east-1"},
        {"instance, IPv6", BEDROCK "}", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=ipv6",
         "the instance metadata service url=http://[fd00:ec2::254]", "us-east-1"},
        {"region of the environment", "p: {kind: bedrock-openai}",
         "AWS_REGION=eu-west-1\nAWS_DEFAULT_REGION=no", IMDS, "eu-west-1"},
        {"default region", "p: {kind: bedrock}", "AWS_DEFAULT_REGION=eu-west-2", IMDS, "eu-west-2"},
        {"empty is absent", BEDROCK "}", "AWS_BEARER_TOKEN_BEDROCK=\nAWS_ROLE_ARN=\n", IMDS,
         "us-east-1"},
    };
    check_choices(rows, countof(rows));
}

#define AZURE "p: {kind: azure, endpoint: \"https://r.example\""

TEST(other_choices) {
    static const struct choice rows[] = {
        {"azure, api_key", AZURE ", api_key: k}", "AZURE_FEDERATED_TOKEN_FILE=/f", "api_key k",
         NULL},
        {"azure, client", AZURE ", tenant_id: t.example, client_id: c, client_secret: s}",
         "AZURE_FEDERATED_TOKEN_FILE=/f",
         "the client's secret url=https://login.microsoftonline.com/t.example/oauth2/v2.0/token "
         "id=c secret=s scope=https://cognitiveservices.azure.com/.default",
         NULL},
        {"azure, workload", AZURE ", client_id: mine, scope: s}",
         "AZURE_FEDERATED_TOKEN_FILE=/f\nAZURE_TENANT_ID=t\nAZURE_CLIENT_ID=c\n"
         "AZURE_AUTHORITY_HOST=https://login.example/",
         "workload identity url=https://login.example/t/oauth2/v2.0/token file=/f id=mine scope=s",
         NULL},
        {"azure, machine", AZURE ", managed_identity: true}",
         "AZURE_FEDERATED_TOKEN_FILE=/f\nAZURE_TENANT_ID=t\nAZURE_CLIENT_ID=c",
         "the instance's managed identity url=http://169.254.169.254 "
         "scope=https://cognitiveservices.azure.com",
         NULL},
        {"azure, app service",
         AZURE ", managed_identity: true, client_id: u, scope: \"https://ai.azure.com/.default\"}",
         "IDENTITY_ENDPOINT=http://169.254.130.2:8081/msi/token\nIDENTITY_HEADER=h",
         "the app service's managed identity url=http://169.254.130.2:8081/msi/token id=u secret=h "
         "scope=https://ai.azure.com",
         NULL},
        {"vertex, api_key", "p: {kind: vertex, project: x, location: l, api_key: k}",
         "GOOGLE_APPLICATION_CREDENTIALS=/none", "api_key k", NULL},
        {"vertex, machine", "p: {kind: vertex, project: x, location: us-central1}", "",
         "the metadata server url=http://metadata.google.internal", NULL},
        {"oci, api_key", "p: {kind: oci, region: eu-frankfurt-1, api_key: k}", "", "api_key k",
         "eu-frankfurt-1"},
    };
    check_choices(rows, countof(rows));
}

TEST(google_project) {
    static const struct {
        const char *setting, *file, *want;
    } rows[] = {{"project: mine, ", "theirs", "mine"},
                {"", "theirs", "theirs"},
                {"project: mine, ", "", "mine"},
                {"", "", "environment"}};
    fake_environ("GOOGLE_CLOUD_PROJECT=environment", 0);
    for (size_t i = 0; i < countof(rows); i++) {
        char settings[256], file[512];
        ROW("%zu", i);
        snprintf(settings, sizeof settings, "p: {kind: vertex, %slocation: us-east1, %s}",
                 rows[i].setting, *rows[i].file ? "credentials: key" : "cancel: unknown");
        snprintf(file, sizeof file,
                 "{\"type\":\"authorized_user\",\"client_id\":\"i\",\"client_secret\":\"s\","
                 "\"refresh_token\":\"r\",\"project_id\":\"%s\"}",
                 rows[i].file);
        write_file("key", file, strlen(file));
        struct config *config = fake_config(settings, 0);
        if (!config)
            continue;
        /* A user's file names no project. */
        bool named = *rows[i].file && !*rows[i].setting;
        EXPECT_STR(config->providers[0].provider.project, named ? "environment" : rows[i].want);
        EXPECT_STR(config->providers[0].provider.location, "us-east1");
        config_free(&config);
    }
}

/* ---- what cannot be ---- */

struct wrong {
    const char *name, *settings, *environment, *file, *want;
};

static void check_wrongs(const struct wrong *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char yaml[2048], *messages;
        ROW("%s", rows[i].name);
        fake_environ(rows[i].environment ? rows[i].environment : "", 0);
        if (rows[i].file)
            write_file("key", rows[i].file, strlen(rows[i].file));
        snprintf(yaml, sizeof yaml, HEAD MODELS "providers: {%s}\n", rows[i].settings);
        struct config *config = load(yaml, &messages);
        EXPECT_STR(messages, rows[i].want);
        config_free(&config);
        free(messages);
    }
}

TEST(settings_of_other_kinds) {
    static const struct wrong rows[] = {
        {"aws", "p: {kind: openai, api_key: k, access_key_id: i}", NULL, NULL,
         "t.yaml:4:58: providers.p.access_key_id: only kinds bedrock and bedrock-openai have "
         "one\n"},
        {"google", "p: {kind: gemini, api_key: k, project: x, location: y}", NULL, NULL,
         "t.yaml:4:52: providers.p.project: only kinds vertex, vertex-openai and vertex-anthropic "
         "have one\n"
         "t.yaml:4:65: providers.p.location: only kinds vertex, vertex-openai and "
         "vertex-anthropic have one\n"},
        {"azure", "p: {kind: bedrock, region: r, tenant_id: t}", NULL, NULL,
         "t.yaml:4:54: providers.p.tenant_id: only kind azure has one\n"},
        {"oci", "p: {kind: azure, api_key: k, endpoint: \"https://h\", compartment: c}", NULL, NULL,
         "t.yaml:4:78: providers.p.compartment: only kind oci has one\n"},
        {"beside api_key",
         "p: {kind: azure, api_key: k, endpoint: \"https://h\", client_secret: hush}", NULL, NULL,
         "t.yaml:4:80: providers.p has both api_key and client_secret; remove one\n"},
        {"beside none", "p: {kind: oci, region: r, compartment: c, api_key: none, user: u}", NULL,
         NULL, "t.yaml:4:76: providers.p has both api_key and user; remove one\n"},
    };
    check_wrongs(rows, countof(rows));
}

TEST(halves_and_contradictions) {
    static const struct wrong rows[] = {
        {"id alone", BEDROCK ", access_key_id: i}", KEYS, NULL,
         "t.yaml:4:66: providers.p: the credential needs both access_key_id and "
         "secret_access_key\n"},
        {"secret alone", BEDROCK ", secret_access_key: hush}", NULL, NULL,
         "t.yaml:4:70: providers.p: the credential needs both access_key_id and "
         "secret_access_key\n"},
        {"session alone", BEDROCK ", session_token: t}", NULL, NULL,
         "t.yaml:4:66: providers.p.session_token: it is of no use without access_key_id and "
         "secret_access_key\n"},
        {"half in the environment", BEDROCK "}", "AWS_ACCESS_KEY_ID=I", NULL,
         "t.yaml:4:16: providers.p: the environment needs both AWS_ACCESS_KEY_ID and "
         "AWS_SECRET_ACCESS_KEY\n"},
        {"two ways", BEDROCK ", bearer_token: b, access_key_id: i, secret_access_key: s}", NULL,
         NULL, "t.yaml:4:65: providers.p has both bearer_token and access_key_id; remove one\n"},
        {"no way", BEDROCK "}", "AWS_EC2_METADATA_DISABLED=true", NULL,
         "t.yaml:4:16: providers.p has no credential: give access_key_id and secret_access_key, or "
         "api_key; the environment has none, and AWS_EC2_METADATA_DISABLED is true\n"},
        {"container elsewhere", BEDROCK "}", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://10.0.0.1/c",
         NULL,
         "t.yaml:4:16: providers.p: AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an "
         "address of AWS\n"},
        {"metadata service", BEDROCK "}", "AWS_EC2_METADATA_SERVICE_ENDPOINT=169.254.169.254", NULL,
         "t.yaml:4:16: providers.p: AWS_EC2_METADATA_SERVICE_ENDPOINT does not begin with https:// "
         "or http://\n"},
        {"no region", "p: {kind: bedrock, base_url: \"https://h\"}", KEYS, NULL,
         "t.yaml:4:16: providers.p.region is missing: the AWS region that requests are signed for, "
         "such as us-east-1 (AWS_REGION is not set either)\n"},
        {"azure with nothing", AZURE "}", "AZURE_TENANT_ID=t", NULL,
         "t.yaml:4:16: providers.p has no credential: give api_key (none to send none), or "
         "tenant_id, client_id and client_secret, or managed_identity: true; for workload identity "
         "AZURE_FEDERATED_TOKEN_FILE, AZURE_TENANT_ID and AZURE_CLIENT_ID must be set\n"},
        {"azure without tenant", AZURE ", client_id: c, client_secret: hush}", NULL, NULL,
         "t.yaml:4:90: providers.p.client_secret needs tenant_id beside it\n"},
        {"azure twice", AZURE ", client_id: c, client_secret: hush, managed_identity: true}", NULL,
         NULL, "t.yaml:4:114: providers.p.managed_identity: it has no client_secret; remove one\n"},
        {"oci with nothing", "p: {kind: oci, region: eu-frankfurt-1, compartment: c}", NULL, NULL,
         "t.yaml:4:16: providers.p has no credential: give api_key (none to send none), or "
         "tenancy, "
         "user, fingerprint and private_key\n"},
        {"oci in parts",
         "p: {kind: oci, region: eu-frankfurt-1, compartment: c, tenancy: t, private_key: key}",
         NULL, NULL,
         "t.yaml:4:16: providers.p.user is missing: requests are signed with tenancy, user, "
         "fingerprint and private_key together\n"
         "t.yaml:4:16: providers.p.fingerprint is missing: requests are signed with tenancy, user, "
         "fingerprint and private_key together\n"},
    };
    check_wrongs(rows, countof(rows));
}

#define OCI                                                                                        \
    "p: {kind: oci, region: eu-frankfurt-1, compartment: c, tenancy: t, user: u, fingerprint: f, " \
    "private_key: "

TEST(files) {
    static const struct wrong rows[] = {
        {"absent", "p: {kind: vertex, project: x, location: l, credentials: absent}", NULL, NULL,
         "t.yaml:4:69: providers.p.credentials: ./absent cannot be read: No such file or "
         "directory\n"},
        {"absent, by the environment", "p: {kind: vertex, project: x, location: l}",
         "GOOGLE_APPLICATION_CREDENTIALS=/absent", NULL,
         "t.yaml:4:16: providers.p.credentials: /absent cannot be read: No such file or "
         "directory\n"},
        {"not JSON", "p: {kind: vertex, project: x, location: l, credentials: key}", NULL, "hush",
         "t.yaml:4:69: providers.p.credentials: ./key: the file is not a JSON object\n"},
        {"a key that is none", "p: {kind: vertex, project: x, location: l, credentials: key}", NULL,
         "{\"type\":\"service_account\",\"client_email\":\"a@b\",\"private_key\":\"hush\"}",
         "t.yaml:4:69: providers.p.credentials: ./key: the private key is not a PEM text\n"},
        {"absent key", OCI "absent}", NULL, NULL,
         "t.yaml:4:118: providers.p.private_key: ./absent cannot be read: No such file or "
         "directory\n"},
        {"oci's key is none", OCI "key}", NULL, "hush",
         "t.yaml:4:118: providers.p.private_key: ./key: the private key is not a PEM text\n"},
    };
    check_wrongs(rows, countof(rows));
}

/* Secrets in clear text are warned of, but not to this machine. */
TEST(clear_text) {
    static const struct wrong rows[] = {
        {"authority",
         AZURE ", tenant_id: t, client_id: c, client_secret: s, authority: \"http://h\"}", NULL,
         NULL,
         "t.yaml:4:118: warning: providers.p: authority is http: a secret will be sent to it in "
         "clear text\n"},
        {"loopback",
         AZURE ", tenant_id: t, client_id: c, client_secret: s, authority: \"http://127.0.0.1\"}",
         NULL, NULL, ""},
        {"token to the provider",
         "p: {kind: azure, base_url: \"http://h\", managed_identity: true}", NULL, NULL,
         "t.yaml:4:16: warning: providers.p: its credential will be sent in clear text: its URL is "
         "http\n"},
        {"not a URL", AZURE ", tenant_id: t, client_id: c, client_secret: s, authority: h}", NULL,
         NULL, "t.yaml:4:118: providers.p: authority does not begin with https:// or http://\n"},
    };
    check_wrongs(rows, countof(rows));
}

TEST(urls) {
    static const struct {
        const char *text, *host, *authority, *target, *why;
        unsigned port;
        bool tls, loopback;
    } rows[] = {
        {"https://a.example", "a.example", "a.example", "/", NULL, 443, true, false},
        {"http://127.0.0.1:81/x/y/?a=b", "127.0.0.1", "127.0.0.1:81", "/x/y/?a=b", NULL, 81, false,
         true},
        {"http://[::1]:81/", "::1", "[::1]:81", "/", NULL, 81, false, true},
        {.text = "ftp://a", .why = "does not begin with https:// or http://"},
        {.text = "", .why = "does not begin with https:// or http://"},
        {.text = "https://",
         .why = "has no valid host name; write it like "
                "https://api.example.com/v1"},
        {.text = "https://u:p@h/",
         .why = "holds credentials; remove them and use api_key or headers"},
        {.text = "https://h?x",
         .why = "has a path that cannot be sent: it must begin with / and be "
                "percent-encoded"},
        {.text = "https://h/a b",
         .why = "has a path that cannot be sent: it must begin with / and "
                "be percent-encoded"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct credentials_url url;
        const char *why = NULL;
        ROW("%s", rows[i].text);
        EXPECT_EQ(credentials_url_parse(span_str(rows[i].text), &url, &why), !rows[i].why);
        if (rows[i].why) {
            EXPECT_STR(why, rows[i].why);
            continue;
        }
        EXPECT_BYTES(url.host.p, url.host.n, rows[i].host);
        EXPECT_BYTES(url.authority.p, url.authority.n, rows[i].authority);
        EXPECT_BYTES(url.target.p, url.target.n, rows[i].target);
        EXPECT_EQ(url.port, rows[i].port);
        EXPECT_EQ(url.tls, rows[i].tls);
        EXPECT_EQ(url.loopback, rows[i].loopback);
    }
}
