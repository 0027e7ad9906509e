/* test_credentials.c - credentials that change, from their sources to the cells: every way once,
 * against fake servers on loopback; expiry, refreshing and failing; sharing, reloading and stopping;
 * what is said of it, and that no secret is. */
#include "tests/unit/control/fake_source.h"

#include <fcntl.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "appliance/control/config_hold.h"
#include "core/ring.h"
#include "net/tls.h"

#define ENOUGH_NS (5 * NS_PER_S)
#define P         "p: {kind: "

static struct fake fake;
static char expires_text[32]; /* in an hour */
static char aws_body[256], aws_old_body[256], sts_body[1024], impersonated_body[256];

static void date(char *out, int from_now_s) {
    time_t at = time(NULL) + from_now_s;
    struct tm when;
    gmtime_r(&at, &when);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &when);
}

__attribute__((constructor)) static void make_bodies(void) {
    char old[32];
    date(expires_text, 3600);
    date(old, -60);
    snprintf(aws_body, sizeof aws_body,
             "{\"Code\":\"Success\",\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"SECRET\","
             "\"Token\":\"SESSION\",\"Expiration\":\"%s\"}",
             expires_text);
    snprintf(aws_old_body, sizeof aws_old_body,
             "{\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"SECRET\",\"Token\":\"OLD\","
             "\"Expiration\":\"%s\"}",
             old);
    snprintf(sts_body, sizeof sts_body,
             "<AssumeRoleWithWebIdentityResponse "
             "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
             "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>AKID</AccessKeyId>"
             "<SecretAccessKey>SECRET</SecretAccessKey><SessionToken>SESSION</SessionToken>"
             "<Expiration>%s</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
             "</AssumeRoleWithWebIdentityResponse>",
             expires_text);
    snprintf(impersonated_body, sizeof impersonated_body,
             "{\"accessToken\":\"ACTED\",\"expireTime\":\"%s\"}", expires_text);
}

#define OAUTH "{\"access_token\":\"TOKEN\",\"expires_in\":3600,\"token_type\":\"Bearer\"}"

/* ---- a source, asked once ---- */

struct once {
    const char *name, *settings, *environment;
    const char *file; /* contents of "key", or NULL */
    struct fake_answer answers[4];
    const char *want;        /* in the cell */
    const char *requests[4]; /* how each begins; NULL: no more */
    const char *holds[4];    /* what each holds besides */
    const char *why;         /* how the reason ends, when want is "" */
    int64_t life_s;
};

static void expect_requests(const struct once *row) {
    unsigned count = 0, asked = fake_asked(&fake);
    pthread_mutex_lock(&fake.lock);
    for (unsigned i = 0; i < 4 && row->requests[i]; i++, count++) {
        EXPECT_BYTES(fake.requests[i], min_size(strlen(row->requests[i]), strlen(fake.requests[i])),
                     row->requests[i]);
        if (row->holds[i] && !strstr(fake.requests[i], row->holds[i]))
            FAIL_TEST("request %u has no %s: %s", i, row->holds[i], fake.requests[i]);
    }
    pthread_mutex_unlock(&fake.lock);
    EXPECT_EQ(asked, count);
}

static void expect_outcome(const struct once *row, struct credentials *credentials,
                           const struct config *config) {
    int64_t expires_s = 0, now_s = time(NULL);
    EXPECT_STR(cell_text(config->providers[0].provider.credential, &expires_s), row->want);
    struct credentials_row seen = first_row(credentials);
    EXPECT_EQ(seen.state, *row->want ? CREDENTIALS_GOOD : CREDENTIALS_MISSING);
    EXPECT_EQ(seen.got, *row->want ? 1 : 0);
    EXPECT_EQ(seen.failed, *row->want ? 0 : 1);
    if (*row->want)
        EXPECT_NEAR((double)(expires_s - now_s), (double)row->life_s, 5.0);
    const char *why = row->why ? row->why : "";
    size_t skip = strlen(seen.why) > strlen(why) ? strlen(seen.why) - strlen(why) : 0;
    EXPECT_STR(seen.why + skip, why);
    EXPECT_EQ(*why == 0, *seen.why == 0);
}

static void run_once(const struct once *row) {
    char contents[4096];
    unsigned answers = 0;
    while (answers < 4 && row->answers[answers].begins)
        answers++;
    fake_open(&fake, row->answers, answers);
    fake_environ(row->environment, fake.port);
    fake_settings(contents, sizeof contents, row->file ? row->file : "", fake.port);
    write_file("key", contents, strlen(contents));
    struct config *config = fake_config(row->settings, fake.port);
    REQUIRE(config);
    struct credentials *credentials = credentials_new();
    int saved = hush();
    EXPECT_EQ(credentials_use(credentials, config, ENOUGH_NS), 0);
    const char *said = unhush(saved);
    expect_outcome(row, credentials, config);
    expect_requests(row);
    if (*row->want)
        EXPECT_STR(said, "");
    else
        EXPECT(strstr(said, "hedgerow: provider p: no credential could be obtained from ") == said);
    credentials_free(&credentials); /* the last to hold the snapshot */
    fake_close(&fake);
}

#define SIX_HOURS "x-aws-ec2-metadata-token-ttl-seconds: 21600\r\n"
#define ROLES     "/latest/meta-data/iam/security-credentials/"
#define IMDS      "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:PORT/"
#define BEDROCK   P "bedrock, region: us-east-1}"
#define WEB                                                                 \
    "AWS_WEB_IDENTITY_TOKEN_FILE=key\nAWS_ROLE_ARN=arn:aws:iam::1:role/r\n" \
    "AWS_ROLE_SESSION_NAME=me"
#define BEDROCK_STS P "bedrock, region: us-east-1, sts_url: \"http://127.0.0.1:PORT/\"}"

TEST(aws) {
    const struct once rows[] = {
        {.name = "web identity",
         .settings = BEDROCK_STS,
         .environment = WEB,
         .file = "a.b+c\n",
         .answers = {{"POST / ", 200, NULL, sts_body}},
         .want = "AKID SECRET SESSION",
         .requests = {"POST / HTTP/1.1\r\n"},
         .holds = {"\r\n\r\nAction=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%"
                   "3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=me&WebIdentityToken=a.b%2Bc"},
         .life_s = 3600},
        {.name = "web identity refused",
         .settings = BEDROCK_STS,
         .environment = WEB,
         .file = "a.b.c",
         .answers = {{"POST / ", 403, NULL,
                      "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
                      "<Message>a.b.c is not wanted</Message></Error></ErrorResponse>"}},
         .want = "",
         .requests = {"POST / "},
         .why = "/: status 403, STS answered AccessDenied"},
        {.name = "web identity without a token",
         .settings = BEDROCK_STS,
         .environment = WEB,
         .file = "\n",
         .want = "",
         .why = "key is empty"},
        {.name = "container",
         .settings = BEDROCK,
         .environment = "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:PORT/c?a=b\n"
                        "AWS_CONTAINER_AUTHORIZATION_TOKEN=Basic abc",
         .answers = {{"GET /c?a=b ", 200, NULL, aws_body}},
         .want = "AKID SECRET SESSION",
         .requests = {"GET /c?a=b "},
         .holds = {"authorization: Basic abc\r\n"},
         .life_s = 3600},
        {.name = "container with its token in a file",
         .settings = P "bedrock-openai, region: us-east-1}",
         .environment = "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:PORT/c\n"
                        "AWS_CONTAINER_AUTHORIZATION_TOKEN=other\n"
                        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=key",
         .file = "from-file",
         .answers = {{"GET /c ", 200, NULL, aws_body}},
         .want = "AKID SECRET SESSION",
         .requests = {"GET /c "},
         .holds = {"authorization: from-file\r\n"},
         .life_s = 3600},
        {.name = "instance, v2",
         .settings = BEDROCK,
         .environment = IMDS,
         .answers = {{"PUT /latest/api/token ", 200, NULL, "tok=en"},
                     {"GET " ROLES " ", 200, NULL, "my-role\n"},
                     {"GET " ROLES "my-role ", 200, NULL, aws_body}},
         .want = "AKID SECRET SESSION",
         .requests = {"PUT ", "GET " ROLES " ", "GET " ROLES "my-role "},
         .holds = {"content-length: 0\r\n", "x-aws-ec2-metadata-token: tok=en\r\n",
                   "x-aws-ec2-metadata-token: tok=en\r\n"},
         .life_s = 3600},
        {.name = "instance, v1",
         .settings = BEDROCK,
         .environment = IMDS,
         .answers = {{"PUT ", 405, NULL, ""},
                     {"GET " ROLES " ", 200, NULL, "r"},
                     {"GET " ROLES "r ", 200, NULL, aws_body}},
         .want = "AKID SECRET SESSION",
         .requests = {"PUT ", "GET " ROLES " ", "GET " ROLES "r "},
         .holds = {SIX_HOURS},
         .life_s = 3600},
        {.name = "instance, v1 where it may not be used",
         .settings = BEDROCK,
         .environment = IMDS "\nAWS_EC2_METADATA_V1_DISABLED=true",
         .answers = {{"PUT ", 405, NULL, ""}},
         .want = "",
         .requests = {"PUT "},
         .why = "/latest/api/token: status 405, it has no session token"},
        {.name = "instance without a role",
         .settings = BEDROCK,
         .environment = IMDS,
         .answers = {{"PUT ", 200, NULL, "t"}},
         .want = "",
         .requests = {"PUT ", "GET "},
         .why = ROLES ": status 404, the instance has no role"},
        {.name = "instance with a fault of AWS: expired, but to be used",
         .settings = BEDROCK,
         .environment = IMDS,
         .answers = {{"PUT ", 200, NULL, "t"},
                     {"GET " ROLES " ", 200, NULL, "r"},
                     {"GET " ROLES "r ", 200, NULL, aws_old_body}},
         .want = "AKID SECRET OLD",
         .requests = {"PUT ", "GET ", "GET "},
         .life_s = 900},
        {.name = "a container must not give expired ones",
         .settings = BEDROCK,
         .environment = "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:PORT/c",
         .answers = {{"GET /c ", 200, NULL, aws_old_body}},
         .want = "",
         .requests = {"GET /c "},
         .why = "has expired already; is the clock of this machine right?"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        run_once(&rows[i]);
    }
}

/* --- Google --- */

static char service_account[4096];

/* A new RSA key as PKCS#8 PEM. */
static void make_pem(char *out, size_t max) {
    RSA *rsa = RSA_new();
    BIGNUM *e = BN_new();
    EVP_PKEY *key = EVP_PKEY_new();
    char *pem;
    BIO *bio = BIO_new(BIO_s_mem());
    CHECK(BN_set_word(e, RSA_F4) && RSA_generate_key_ex(rsa, 2048, e, NULL));
    CHECK(EVP_PKEY_set1_RSA(key, rsa));
    CHECK(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
    long n = BIO_get_mem_data(bio, &pem);
    CHECK(n > 0 && (size_t)n < max);
    memcpy(out, pem, (size_t)n);
    out[n] = 0;
    BIO_free(bio);
    EVP_PKEY_free(key);
    RSA_free(rsa);
    BN_free(e);
}

static void make_service_account(void) {
    char pem[2048];
    make_pem(pem, sizeof pem);
    int at = snprintf(service_account, sizeof service_account,
                      "{\"type\":\"service_account\",\"project_id\":\"proj\",\"private_key_id\":"
                      "\"kid\",\"client_email\":\"a@b.example\",\"token_uri\":\"http://"
                      "127.0.0.1:PORT/token\",\"private_key\":\"");
    for (const char *c = pem; *c; c++)
        at += snprintf(service_account + at, sizeof service_account - (size_t)at,
                       *c == '\n' ? "\\n" : "%c", *c);
    snprintf(service_account + at, sizeof service_account - (size_t)at, "\"}");
}

#define VERTEX P "vertex, project: x, location: us-central1}"
#define FEDERATION(more)                                                                           \
    "{\"type\":\"external_account\",\"audience\":\"//iam/a\",\"subject_token_type\":\"urn:t\","    \
    "\"token_url\":\"http://127.0.0.1:PORT/sts\",\"credential_source\":{\"file\":\"t.token\"" more \
    "}"

TEST(google) {
    make_service_account();
    const struct once rows[] = {
        {.name = "service account",
         .settings = P "vertex, location: us-central1, credentials: key}",
         .environment = "",
         .file = service_account,
         .answers = {{"POST /token ", 200, NULL, OAUTH}},
         .want = "TOKEN",
         .requests = {"POST /token "},
         .holds = {"\r\n\r\ngrant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&"
                   "assertion=eyJ"},
         .life_s = 3600},
        {.name = "service account of the environment, refused",
         .settings = P "vertex-openai, location: us-central1}",
         .environment = "GOOGLE_APPLICATION_CREDENTIALS=key",
         .file = service_account,
         .answers = {{"POST /token ", 400, NULL, "{\"error\":\"invalid_grant\"}"}},
         .want = "",
         .requests = {"POST /token "},
         .why = "/token: status 400, the source answered invalid_grant"},
        {.name = "user",
         .settings = P "vertex-anthropic, project: x, location: us-central1, credentials: key}",
         .environment = "",
         .file = "{\"type\":\"authorized_user\",\"client_id\":\"id\",\"client_secret\":\"s+1\","
                 "\"refresh_token\":\"1//r\",\"token_uri\":\"http://127.0.0.1:PORT/t\"}",
         .answers = {{"POST /t ", 200, NULL, OAUTH}},
         .want = "TOKEN",
         .requests = {"POST /t "},
         .holds = {"\r\n\r\ngrant_type=refresh_token&client_id=id&client_secret=s%2B1&"
                   "refresh_token=1%2F%2Fr"},
         .life_s = 3600},
        {.name = "federation",
         .settings = P "vertex, project: x, location: us-central1, credentials: key}",
         .environment = "",
         .file = FEDERATION("}"),
         .answers = {{"POST /sts ", 200, NULL, OAUTH}},
         .want = "TOKEN",
         .requests = {"POST /sts "},
         .holds = {"&subject_token=%7B%22id%22%3A+%22FOREIGN%22%7D&subject_token_type=urn%3At"},
         .life_s = 3600},
        {.name = "federation, a member of the file, and acting for a service account",
         .settings = P "vertex, project: x, location: us-central1, credentials: key}",
         .environment = "",
         .file = FEDERATION(",\"format\":{\"type\":\"json\",\"subject_token_field_name\":\"id\"}},"
                            "\"service_account_impersonation_url\":\"http://127.0.0.1:PORT/act\""),
         .answers = {{"POST /sts ", 200, NULL, OAUTH},
                     {"POST /act ", 200, NULL, impersonated_body}},
         .want = "ACTED",
         .requests = {"POST /sts ", "POST /act "},
         .holds = {"&subject_token=FOREIGN&", "authorization: Bearer TOKEN\r\n"},
         .life_s = 3600},
        {.name = "federation without that member",
         .settings = P "vertex, project: x, location: us-central1, credentials: key}",
         .environment = "",
         .file = FEDERATION(",\"format\":{\"subject_token_field_name\":\"no\"}}"),
         .want = "",
         .why = "t.token has no member no with a token"},
        {.name = "metadata server",
         .settings = VERTEX,
         .environment = "GCE_METADATA_HOST=127.0.0.1:PORT",
         .answers = {{"GET /computeMetadata/v1/instance/service-accounts/default/token ", 200,
                      "Metadata-Flavor: Google\r\n", OAUTH}},
         .want = "TOKEN",
         .requests = {"GET "},
         .holds = {"metadata-flavor: Google\r\n"},
         .life_s = 3600},
        {.name = "something else at its address",
         .settings = VERTEX,
         .environment = "GCE_METADATA_HOST=127.0.0.1:PORT",
         .answers = {{"GET /", 200, NULL, OAUTH}},
         .want = "",
         .requests = {"GET "},
         .why = "/token: it is not Google's metadata server"},
    };
    const char *token = "{\"id\": \"FOREIGN\"}\n";
    write_file("t.token", token, strlen(token));
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        run_once(&rows[i]);
    }
    unlink("t.token");
}

/* --- Azure --- */

#define AZURE     P "azure, endpoint: \"https://r.example\", "
#define AUTHORITY "authority: \"http://127.0.0.1:PORT/\""
#define RESOURCE  "resource=https%3A%2F%2Fcognitiveservices.azure.com"

TEST(azure) {
    static const struct once rows[] = {
        {.name = "client secret",
         .settings = AZURE "tenant_id: t-1, client_id: c-1, client_secret: \"s 1\", " AUTHORITY "}",
         .environment = "",
         .answers = {{"POST /t-1/oauth2/v2.0/token ", 200, NULL, OAUTH}},
         .want = "TOKEN",
         .requests = {"POST "},
         .holds = {"\r\n\r\ngrant_type=client_credentials&client_id=c-1&scope=https%3A%2F%"
                   "2Fcognitiveservices.azure.com%2F.default&client_secret=s+1"},
         .life_s = 3600},
        {.name = "client secret refused",
         .settings = AZURE
         "tenant_id: t-1, client_id: c-1, client_secret: hush, scope: \"a b\", " AUTHORITY "}",
         .environment = "",
         .answers = {{"POST ", 401, NULL,
                      "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: hush "
                      "is wrong\"}"}},
         .want = "",
         .requests = {"POST "},
         .holds = {"&scope=a+b&"},
         .why = "/token: status 401, the source answered invalid_client (AADSTS7000215)"},
        {.name = "workload identity",
         .settings = P "azure, endpoint: \"https://r.example\"}",
         .environment = "AZURE_FEDERATED_TOKEN_FILE=key\nAZURE_TENANT_ID=t\nAZURE_CLIENT_ID=c\n"
                        "AZURE_AUTHORITY_HOST=http://127.0.0.1:PORT/",
         .file = "J.W.T\n",
         .answers = {{"POST /t/oauth2/v2.0/token ", 200, NULL, OAUTH}},
         .want = "TOKEN",
         .requests = {"POST "},
         .holds = {"jwt-bearer&client_assertion=J.W.T"},
         .life_s = 3600},
        {.name = "managed identity of the machine",
         .settings = AZURE "managed_identity: true, client_id: me}",
         .environment = "AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:PORT",
         .answers = {{"GET /metadata/identity/oauth2/token?api-version=2018-02-01&" RESOURCE
                      "&client_id=me ",
                      200, NULL, "{\"access_token\":\"TOKEN\",\"expires_in\":\"3600\"}"}},
         .want = "TOKEN",
         .requests = {"GET "},
         .holds = {"metadata: true\r\n"},
         .life_s = 3600},
        {.name = "managed identity of an app service",
         .settings = AZURE "managed_identity: true}",
         .environment = "IDENTITY_ENDPOINT=http://127.0.0.1:PORT/msi/token/?x=1\nIDENTITY_HEADER=h",
         .answers = {{"GET /msi/token/?x=1&api-version=2019-08-01&" RESOURCE " ", 200, NULL,
                      OAUTH}},
         .want = "TOKEN",
         .requests = {"GET "},
         .holds = {"x-identity-header: h\r\n"},
         .life_s = 3600},
        {.name = "not JSON",
         .settings = AZURE "managed_identity: true}",
         .environment = "AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:PORT",
         .answers = {{"GET ", 200, NULL, "<html>"}},
         .want = "",
         .requests = {"GET "},
         .why = "/token: the answer is not a JSON object"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        run_once(&rows[i]);
    }
}

/* OCI's requests are signed with a key of the snapshot: no cell, no thread. */
TEST(oci) {
    char pem[2048];
    make_pem(pem, sizeof pem);
    write_file("key", pem, strlen(pem));
    fake_environ("", 0);
    struct config *config =
        fake_config("p: {kind: oci, region: eu-frankfurt-1, compartment: ocid1.c, tenancy: "
                    "ocid1.t, user: ocid1.u, fingerprint: \"aa:bb\", private_key: key}",
                    0);
    REQUIRE(config);
    const struct provider *provider = &config->providers[0].provider;
    EXPECT(provider->oci_key != NULL);
    EXPECT(provider->credential == NULL && provider->api_key == NULL);
    EXPECT_STR(provider->compartment, "ocid1.c");
    config_free(&config); /* and the key with it */
}

/* ---- time ---- */

TEST(when_to_refresh) {
    static const struct {
        int64_t life_s;
        uint64_t early_s;
        double dice;
        uint64_t want_ms;
    } rows[] = {
        {21600, 900, 0, 20700000}, /* early before the end */
        {3600, 900, 0, 2700000},   /* a quarter is as much */
        {3600, 300, 0, 3300000},
        {1200, 900, 0, 900000}, /* a quarter is less */
        {2, 300, 0, 1500},
        {1, 300, 0, 1000},
        {0, 300, 0, 1000},
        {-5, 300, 0, 1000},                  /* never busy */
        {INT64_MAX / 2, 900, 0, 2591100000}, /* no wrapping */

        {3600, 300, 0.5, 3285000},
        {21600, 900, 1, 20610000},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%zu", i);
        uint64_t got_ns =
            credentials_source_refresh_ns(rows[i].life_s, rows[i].early_s * NS_PER_S, rows[i].dice);
        EXPECT_EQ(got_ns / NS_PER_MS, rows[i].want_ms);
    }
    static const unsigned retries_s[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
    for (unsigned i = 0; i < countof(retries_s); i++)
        EXPECT_EQ(credentials_source_retry_ns(i + 1, 0), retries_s[i] * NS_PER_S);
    EXPECT_EQ(credentials_source_retry_ns(1000000, 0), 60 * NS_PER_S);
    EXPECT_EQ(credentials_source_retry_ns(3, 1), 3 * NS_PER_S);
    EXPECT_EQ(credentials_source_retry_ns(1, 1), NS_PER_S);
}

static unsigned lines(const char *text) {
    unsigned count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

#define SECRET_SOURCE \
    AZURE "tenant_id: t, client_id: c, client_secret: \"hush-hush\", " AUTHORITY "}"
#define SHORT "{\"access_token\":\"T%u\",\"expires_in\":2}"
#define LONG  "{\"access_token\":\"T%u\",\"expires_in\":3600}"

/* A credential is replaced in time; a failing refresh takes nothing away, is said once, and again when
 * the credential expires; and when it is over. */
TEST(refreshed_and_failing) {
    static const struct fake_answer good[] = {{"POST ", 200, NULL, SHORT}};
    static const struct fake_answer bad[] = {{"POST ", 500, NULL, "{\"error\":\"hush-hush\"}"}};
    fake_open(&fake, good, 1);
    fake_environ("", 0);
    struct config *config = fake_config(SECRET_SOURCE, fake.port);
    REQUIRE(config);
    const struct credential_cell *cell = config->providers[0].provider.credential;
    struct credentials *credentials = credentials_new();
    int saved = hush();
    EXPECT_EQ(credentials_use(credentials, config, ENOUGH_NS), 0);
    EXPECT_STR(cell_text(cell, NULL), "T0");
    AWAIT(strcmp(cell_text(cell, NULL), "T1") == 0);
    EXPECT_EQ(first_row(credentials).state, CREDENTIALS_GOOD);
    fake_script(&fake, bad, 1);
    AWAIT(first_row(credentials).failed >= 1);
    EXPECT(strcmp(cell_text(cell, NULL), "") != 0);
    AWAIT(first_row(credentials).failed >= 3);
    EXPECT_EQ(first_row(credentials).state, CREDENTIALS_EXPIRED);
    EXPECT(strcmp(cell_text(cell, NULL), "") != 0);
    fake_script(&fake, good, 1);
    AWAIT(first_row(credentials).state == CREDENTIALS_GOOD);
    EXPECT_STR(first_row(credentials).why, "");
    credentials_free(&credentials);
    const char *said = unhush(saved);
    EXPECT(strstr(said, "its credential has expired, and could not be refreshed from the client's "
                        "secret: http://127.0.0.1:") != NULL);
    EXPECT(strstr(said, "status 500") != NULL);
    EXPECT(strstr(said, "hush-hush") == NULL);
    EXPECT(strstr(said, "hedgerow: provider p: its credential was obtained from the client's "
                        "secret\n") != NULL);
    EXPECT(lines(said) == 2 || lines(said) == 3); /* aging may last shorter than a try */
    fake_close(&fake);
}

/* ---- sharing, reloading, stopping ---- */

#define CLIENT(tenant)                                                                     \
    "{kind: azure, endpoint: \"https://r.example\", tenant_id: " tenant ", client_id: c, " \
    "client_secret: \"hush-hush\", " AUTHORITY "}"

static const struct fake_answer two_tenants[] = {
    {"POST /t/", 200, NULL, LONG}, {"POST /other/", 200, NULL, "{\"access_token\":\"OTHER\"}"}};

static const char *cell_of(const struct config *config, unsigned provider) {
    return cell_text(config->providers[provider].provider.credential, NULL);
}

/* Equal settings are one source, whatever the provider's name is, and a reload goes on with it. */
TEST(one_source_for_equal_settings) {
    fake_open(&fake, two_tenants, 2);
    fake_environ("", 0);
    struct config *config = fake_config("p: " CLIENT("t") ", q: " CLIENT("t"), fake.port);
    REQUIRE(config);
    struct credentials *credentials = credentials_new();
    EXPECT_EQ(credentials_use(credentials, config, ENOUGH_NS), 0);
    EXPECT_STR(cell_of(config, 0), "T0");
    EXPECT_STR(cell_of(config, 1), "T0");
    unsigned count;
    struct credentials_row *rows = credentials_rows(credentials, &count);
    EXPECT_EQ(count, 2);
    EXPECT_STR(rows[0].provider, "p");
    EXPECT_STR(rows[1].provider, "q");
    EXPECT_EQ(rows[1].got, 1);
    EXPECT_NEAR((double)(rows[1].expires_s - time(NULL)), 3600, 5);
    credentials_rows_free(&rows, count);
    EXPECT(rows == NULL);
    EXPECT_EQ(fake_asked(&fake), 1);
    credentials_free(&credentials);
    fake_close(&fake);
}

TEST(reloads) {
    fake_open(&fake, two_tenants, 2);
    fake_environ("", 0);
    struct credentials *credentials = credentials_new();
    struct config *config = fake_config("p: {kind: openai, api_key: k}", fake.port);
    REQUIRE(config);
    EXPECT_EQ(credentials_use(credentials, config, ENOUGH_NS), 0); /* wants no thread */
    config_free(&config);
    config = fake_config("p: " CLIENT("t"), fake.port);
    REQUIRE(config);
    EXPECT_EQ(credentials_use(credentials, config, ENOUGH_NS), 0);
    EXPECT_STR(cell_of(config, 0), "T0");
    /* The old snapshot is freed in here; the new one's cell has the value though nobody was asked. */
    config = fake_config("a: {kind: openai, api_key: k}, p: " CLIENT("t"), fake.port);
    REQUIRE(config);
    EXPECT_EQ(credentials_use(credentials, config, ENOUGH_NS), 0);
    EXPECT(config->providers[0].provider.credential == NULL);
    EXPECT_STR(cell_of(config, 1), "T0");
    EXPECT_EQ(fake_asked(&fake), 1);
    /* Other settings are another source; the first one ends. */
    config = fake_config("p: " CLIENT("other"), fake.port);
    REQUIRE(config);
    EXPECT_EQ(credentials_use(credentials, config, ENOUGH_NS), 0);
    EXPECT_STR(cell_of(config, 0), "OTHER");
    EXPECT_EQ(first_row(credentials).expires_s, 0);
    EXPECT_EQ(fake_asked(&fake), 2);
    /* The reader's own hold outlives the thread's. */
    struct config_hold *hold = config_hold_take(config);
    config = fake_config("p: {kind: openai, api_key: k}", fake.port);
    REQUIRE(config);
    EXPECT_EQ(credentials_use(credentials, config, ENOUGH_NS), 0);
    unsigned count;
    struct credentials_row *rows = credentials_rows(credentials, &count);
    EXPECT_EQ(count, 0);
    credentials_rows_free(&rows, count);
    EXPECT_STR(cell_of(hold->config, 0), "OTHER");
    config_hold_drop(&hold);
    EXPECT(hold == NULL);
    credentials_free(&credentials);
    fake_close(&fake);
}

/* A source that does not answer keeps a start waiting for so long and no longer; its cell is filled
 * when it does; and who stops does not wait for it. */
TEST(silent_source) {
    static const struct fake_answer silent[] = {{"POST ", 0, NULL, ""}};
    fake_open(&fake, silent, 1);
    fake_environ("", 0);
    struct config *config = fake_config("p: " CLIENT("t"), fake.port);
    REQUIRE(config);
    struct credentials *credentials = credentials_new();
    uint64_t begin_ns = ring_now(NULL);
    EXPECT_EQ(credentials_use(credentials, config, 50 * NS_PER_MS), 0);
    uint64_t took_ns = ring_now(NULL) - begin_ns;
    EXPECT(took_ns >= 50 * NS_PER_MS && took_ns < 2 * NS_PER_S);
    EXPECT_STR(cell_of(config, 0), "");
    EXPECT_EQ(first_row(credentials).state, CREDENTIALS_MISSING);
    EXPECT_EQ(first_row(credentials).failed, 0);
    AWAIT(fake_asked(&fake) == 1);
    /* Its request is under way when the snapshot goes: the next one, with the same settings, gets what
     * comes of it. */
    struct config *next = fake_config("q: " CLIENT("t") ", p: " CLIENT("t"), fake.port);
    REQUIRE(next);
    EXPECT_EQ(credentials_use(credentials, next, 0), 0);
    EXPECT_EQ(fake_asked(&fake), 1);
    begin_ns = ring_now(NULL);
    credentials_free(&credentials);
    EXPECT(ring_now(NULL) - begin_ns < 2 * NS_PER_S);
    fake_close(&fake);
}
