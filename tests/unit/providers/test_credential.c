/* test_credential.c - the cell of changing credentials, and what their sources answer. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "core/base.h"
#include "core/json.h"
#include "core/slab.h"
#include "providers/credential_read.h"
#include "tests/test.h"

struct bench {
    struct memory memory;
    struct arena arena;
};

static void bench_init(struct bench *b) {
    memory_init(&b->memory, (size_t)1 << 20, (size_t)1 << 20);
    arena_init(&b->arena, &b->memory);
}

static void bench_fini(struct bench *b) {
    arena_fini(&b->arena);
    memory_fini(&b->memory);
}

static void expect_span(struct span got, const char *want) {
    EXPECT_MEM(got.p, got.n, want, strlen(want));
}

/* --- the cell --- */

TEST(cell_gives_what_was_published) {
    static struct credential_cell cell;
    static char longest[CREDENTIAL_TEXT_MAX + 1];
    struct bench b;
    struct credential out = {.kind = CREDENTIAL_AWS};
    struct credential one = {CREDENTIAL_AWS, 77, SPAN("token"), SPAN("key id"), SPAN("secret")};
    bench_init(&b);
    memset(longest, 'x', sizeof longest);
    EXPECT(!credential_read(&cell, &b.arena, &out));
    EXPECT(credential_publish(&cell, &one));
    EXPECT(credential_read(&cell, &b.arena, &out));
    EXPECT_EQ(out.kind, CREDENTIAL_AWS);
    EXPECT_EQ(out.expires_s, 77);
    expect_span(out.token, "token");
    expect_span(out.key_id, "key id");
    expect_span(out.secret, "secret");
    /* One byte too many, in one text or in all of them: what was there stays. */
    one = (struct credential){.kind = CREDENTIAL_BEARER, .token = span_of(longest, sizeof longest)};
    EXPECT(!credential_publish(&cell, &one));
    one.token.n--;
    one.secret = SPAN("s");
    EXPECT(!credential_publish(&cell, &one));
    EXPECT(credential_read(&cell, &b.arena, &out) && out.kind == CREDENTIAL_AWS);
    one.secret.n = 0;
    EXPECT(credential_publish(&cell, &one));
    EXPECT(credential_read(&cell, &b.arena, &out));
    EXPECT_MEM(out.token.p, out.token.n, longest, CREDENTIAL_TEXT_MAX);
    EXPECT_EQ(out.secret.n + out.key_id.n, 0);
    /* No older text stays anywhere in the cell. */
    one = (struct credential){.kind = CREDENTIAL_BEARER, .token = SPAN("y")};
    EXPECT(credential_publish(&cell, &one));
    EXPECT(memchr(&cell, 'x', sizeof cell) == NULL);
    EXPECT(credential_read(&cell, &b.arena, &out));
    expect_span(out.token, "y");
    /* Nothing at all may be published too. */
    one = (struct credential){.kind = CREDENTIAL_NONE};
    EXPECT(credential_publish(&cell, &one));
    EXPECT(credential_read(&cell, &b.arena, &out));
    EXPECT(out.kind == CREDENTIAL_NONE && out.token.n == 0);
    bench_fini(&b);
}

/* A writer that was stopped in the middle of its work: readers get the older one, at once. */
TEST(readers_do_not_wait) {
    static struct credential_cell cell;
    struct bench b;
    struct credential out, one = {CREDENTIAL_BEARER, 5, SPAN("old"), SPAN(""), SPAN("")};
    bench_init(&b);
    EXPECT(credential_publish(&cell, &one));
    struct credential_copy *next = &cell.copies[(cell.generation + 1) % 2];
    memset(next->text, 'Z', sizeof next->text / 2);
    next->token_n = UINT64_MAX;
    EXPECT(credential_read(&cell, &b.arena, &out));
    expect_span(out.token, "old");
    EXPECT_EQ(out.expires_s, 5);
    bench_fini(&b);
}

TEST(cell_without_memory) {
    static struct credential_cell cell;
    struct memory memory;
    struct arena arena;
    struct credential out, one = {CREDENTIAL_BEARER, 5, SPAN("token"), SPAN(""), SPAN("")};
    memory_init(&memory, 100, 0);
    arena_init(&arena, &memory);
    EXPECT(credential_publish(&cell, &one));
    EXPECT(!credential_read(&cell, &arena, &out));
    memory_fini(&memory);
}

#define PUBLISHED     20000
#define PUBLISHED_MAX (PUBLISHED * 500)
#define READERS       2

/* A credential that can be checked: number i, all lengths and bytes follow from it. */
static struct credential numbered(int64_t i, char *text) {
    size_t token_n = 1 + (size_t)(i * 37 % 3000), key_n = (size_t)(i * 11 % 40);
    size_t secret_n = (size_t)(i * 5 % 64);
    memset(text, 'a' + (int)(i % 26), token_n + key_n + secret_n);
    return (struct credential){.kind = i % 2 ? CREDENTIAL_AWS : CREDENTIAL_BEARER,
                               .expires_s = i,
                               .token = span_of(text, token_n),
                               .key_id = span_of(text + token_n, key_n),
                               .secret = span_of(text + token_n + key_n, secret_n)};
}

struct hammer {
    struct credential_cell cell;
    bool stop; /* atomic: the writer is done */
};

struct hammer_reader {
    struct hammer *hammer;
    pthread_t thread;
    unsigned long reads, torn, backwards, changes;
};

static void *hammer_read(void *argument) {
    struct hammer_reader *reader = argument;
    char text[4096];
    int64_t last = 0;
    struct bench b;
    bench_init(&b);
    while (!__atomic_load_n(&reader->hammer->stop, __ATOMIC_ACQUIRE)) {
        struct credential got;
        if (!credential_read(&reader->hammer->cell, &b.arena, &got))
            continue;
        struct credential want = numbered(got.expires_s, text);
        reader->reads++;
        reader->torn += got.kind != want.kind || !span_eq(got.token, want.token) ||
                        !span_eq(got.key_id, want.key_id) || !span_eq(got.secret, want.secret);
        reader->backwards += got.expires_s < last;
        if (got.expires_s != last)
            __atomic_add_fetch(&reader->changes, 1, __ATOMIC_RELAXED);
        last = got.expires_s;
        arena_fini(&b.arena);
    }
    bench_fini(&b);
    return NULL;
}

/* Has each reader seen some of what was published? On a busy machine that takes its time. */
static bool all_have_read(const struct hammer_reader *readers) {
    for (unsigned i = 0; i < READERS; i++)
        if (__atomic_load_n(&readers[i].changes, __ATOMIC_RELAXED) <= 10)
            return false;
    return true;
}

TEST(two_threads_hammering) {
    static struct hammer hammer;
    struct hammer_reader readers[READERS] = {{.hammer = &hammer}, {.hammer = &hammer}};
    char text[4096];
    for (unsigned i = 0; i < READERS; i++)
        REQUIRE(pthread_create(&readers[i].thread, NULL, hammer_read, &readers[i]) == 0);
    for (int64_t i = 1; i <= PUBLISHED || (i <= PUBLISHED_MAX && !all_have_read(readers)); i++) {
        struct credential one = numbered(i, text);
        EXPECT(credential_publish(&hammer.cell, &one));
        if (i > PUBLISHED)
            sched_yield();
    }
    __atomic_store_n(&hammer.stop, true, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < READERS; i++) {
        ROW("reader %u", i);
        pthread_join(readers[i].thread, NULL);
        EXPECT(readers[i].changes > 10); /* or nothing was tested */
        EXPECT_EQ(readers[i].torn, 0);
        EXPECT_EQ(readers[i].backwards, 0);
    }
}

/* --- tokens --- */

TEST(oauth_answers) {
    static const struct {
        const char *json;
        const char *token; /* NULL: refused, with this in the reason: */
        int64_t expires_s;
        const char *why;
    } rows[] = {
        {"{\"access_token\":\"ya29.x\",\"expires_in\":3599,\"token_type\":\"Bearer\"}", "ya29.x",
         4599, NULL},
        {"{\"access_token\":\"t\",\"expires_in\":\"3599\",\"token_type\":\"bearer\"}", "t", 4599,
         NULL},
        {"{\"access_token\":\"t\",\"refresh_token\":\"\",\"expires_in\":\"86399\",\"expires_on\":"
         "\"1506484173\",\"not_before\":\"1506397473\",\"resource\":\"https://"
         "management.azure.com/\",\"token_type\":\"Bearer\"}",
         "t", 1506484173, NULL},
        {"{\"access_token\":\"t\",\"expires_on\":1506484173}", "t", 1506484173, NULL},
        {"{\"access_token\":\"t\",\"expires_on\":\"\",\"expires_in\":10}", "t", 1010, NULL},
        {"{\"access_token\":\"t\",\"expires_in\":1.5e1}", "t", 1015, NULL},
        {"{\"access_token\":\"t\",\"expires_in\":null}", "t", 0, NULL},
        {"{\"access_token\":\"a\\/b\\u002b\"}", "a/b+", 0, NULL},
        {"{\"accessToken\":\"t\",\"expireTime\":\"2026-11-21T06:00:00Z\"}", "t", 1795240800, NULL},
        {"{\"accessToken\":\"t\",\"expireTime\":\"soon\"}", NULL, 0, "expireTime is not a date"},
        {"{\"access_token\":\"t\",\"expires_in\":-1}", NULL, 0, "expires_in"},
        {"{\"access_token\":\"t\",\"expires_in\":1e300}", NULL, 0, "expires_in"},
        {"{\"access_token\":\"t\",\"expires_in\":\"soon\"}", NULL, 0, "expires_in"},
        {"{\"access_token\":\"t\",\"expires_in\":true}", NULL, 0, "expires_in"},
        {"{\"access_token\":\"t\",\"token_type\":\"mac\"}", NULL, 0, "Bearer"},
        {"{\"access_token\":\"SECRET\\r\\nx: y\"}", NULL, 0, "control characters"},
        {"{\"access_token\":\"SECRET with blanks\"}", NULL, 0, "blanks"},
        {"{\"access_token\":\"SECRET\\u00fc\"}", NULL, 0, "access_token"},
        {"{\"access_token\":\"SECRET\\ud800\"}", NULL, 0, "cannot be read"},
        {"{\"access_token\":\"\"}", NULL, 0, "missing"},
        {"{\"access_token\":7}", NULL, 0, "missing"},
        {"{\"id_token\":\"SECRET\"}", NULL, 0, "missing"},
        {"{\"access_token\":\"SECRET\"", NULL, 0, "not a JSON object"},
        {"{\"access_token\":\"SECRET\"} x", NULL, 0, "not a JSON object"},
        {"[\"SECRET\"]", NULL, 0, "not a JSON object"},
        {"<html>SECRET</html>", NULL, 0, "not a JSON object"},
        {"", NULL, 0, "not a JSON object"},
        {"{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT SECRET\"}", NULL, 0,
         "answered invalid_grant"},
        {"{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid client "
         "SECRET provided\",\"error_codes\":[7000215]}",
         NULL, 0, "answered invalid_client (AADSTS7000215)"},
        {"{\"error\":\"SECRET with blanks\"}", NULL, 0, "without a readable name"},
        {"{\"error\":{\"code\":403,\"message\":\"SECRET\",\"status\":\"PERMISSION_DENIED\"}}", NULL,
         0, "answered PERMISSION_DENIED"},
        {"{\"error\":{\"code\":403}}", NULL, 0, "without a readable name"},
        {"{\"error\":\"invalid_grant\",\"access_token\":\"SECRET\"}", NULL, 0, "invalid_grant"},
        {"{\"error\":null,\"access_token\":\"t\"}", "t", 0, NULL},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct bench b;
        struct credential out = {.kind = CREDENTIAL_NONE};
        struct span why = SPAN("");
        ROW("%s", rows[i].json);
        bench_init(&b);
        int rc = credential_read_oauth(span_str(rows[i].json), 1000, &b.arena, &out, &why);
        EXPECT_EQ(rc, rows[i].token ? 0 : -EINVAL);
        EXPECT_EQ(out.kind, rc ? CREDENTIAL_NONE : CREDENTIAL_BEARER);
        EXPECT_EQ(out.expires_s, rows[i].expires_s);
        if (rows[i].token)
            expect_span(out.token, rows[i].token);
        else
            EXPECT(span_search(why, span_str(rows[i].why)) < why.n);
        EXPECT(why.n == 0 || span_search(why, SPAN("SECRET")) == why.n);
        bench_fini(&b);
    }
}

/* The answer of Google that was recorded. */
TEST(oauth_recorded) {
    size_t n = 0;
    struct bench b;
    struct credential out;
    struct span why;
    const char *path =
        test_shared("fixtures/gcp-oauth/"
                    "google__google_model_armor_prompt_template_text_gets_blocked.1.resp.json");
    if (!path)
        SKIP("needs ../shared/fixtures");
    char *text = test_file(path, &n);
    bench_init(&b);
    EXPECT_EQ(credential_read_oauth(span_of(text, n), 1000, &b.arena, &out, &why), 0);
    expect_span(out.token, "scrubbed");
    EXPECT_EQ(out.expires_s, 4599);
    bench_fini(&b);
    free(text);
}

TEST(aws_answers) {
    static const struct {
        const char *json;
        int64_t expires_s; /* -1: refused */
        const char *token, *why;
    } rows[] = {
        {"{\"Code\":\"Success\",\"LastUpdated\":\"2012-04-26T16:39:16Z\",\"Type\":\"AWS-HMAC\","
         "\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"s3\",\"Token\":\"t//=\",\"Expiration\":"
         "\"2026-11-21T06:00:00Z\"}",
         1795240800, "t//=", NULL},
        {"{\"RoleArn\":\"arn\",\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"s3\",\"Token\":\"t\","
         "\"Expiration\":\"2026-11-21T06:00:00Z\"}",
         1795240800, "t", NULL},
        {"{\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"s3\"}", 0, "", NULL},
        {"{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"SECRET\"}", -1, NULL,
         "answered AssumeRoleUnauthorizedAccess"},
        {"{\"code\":\"NoIdInRequest\",\"message\":\"CredentialRequest: SECRET\"}", -1, NULL,
         "answered NoIdInRequest"},
        {"{\"Code\":\"Success\"}", -1, NULL, "AccessKeyId is missing"},
        {"{\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"\"}", -1, NULL,
         "SecretAccessKey is missing"},
        {"{\"AccessKeyId\":\"A\\nB\",\"SecretAccessKey\":\"SECRET\"}", -1, NULL, "AccessKeyId"},
        {"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"SECRET\",\"Token\":\"a\\r\\nb\"}", -1, NULL,
         "Token"},
        {"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"SECRET\",\"Expiration\":\"later\"}", -1,
         NULL, "Expiration"},
        {"my-role-name", -1, NULL, "not a JSON object"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct bench b;
        struct credential out = {.kind = CREDENTIAL_NONE};
        struct span why = SPAN("");
        ROW("%s", rows[i].json);
        bench_init(&b);
        int rc = credential_read_aws(span_str(rows[i].json), &b.arena, &out, &why);
        EXPECT_EQ(rc, rows[i].expires_s < 0 ? -EINVAL : 0);
        if (rc == 0 && rows[i].token) {
            EXPECT_EQ(out.kind, CREDENTIAL_AWS);
            EXPECT_EQ(out.expires_s, rows[i].expires_s);
            expect_span(out.key_id, "AKID");
            expect_span(out.secret, "s3");
            expect_span(out.token, rows[i].token);
        } else {
            EXPECT_EQ(out.kind, CREDENTIAL_NONE);
            EXPECT(rows[i].why && span_search(why, span_str(rows[i].why)) < why.n);
        }
        EXPECT(why.n == 0 || span_search(why, SPAN("SECRET")) == why.n);
        bench_fini(&b);
    }
}

#define STS_HEAD                                                                              \
    "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">" \
    "<AssumeRoleWithWebIdentityResult>"
#define STS_TAIL                                                                   \
    "</AssumeRoleWithWebIdentityResult><ResponseMetadata><RequestId>r</RequestId>" \
    "</ResponseMetadata></AssumeRoleWithWebIdentityResponse>"
#define STS_KEYS "<SecretAccessKey>s&amp;3</SecretAccessKey><AccessKeyId>AKID</AccessKeyId>"
#define STS_TIME "<Expiration>2026-11-21T06:00:00Z</Expiration>"

TEST(sts_answers) {
    static const struct {
        const char *what, *xml;
        const char *token; /* NULL: refused */
        const char *why;
    } rows[] = {
        {"as documented",
         "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" STS_HEAD "\n  <Audience>a@b</Audience>\n"
         "  <AssumedRoleUser><Arn>arn:aws:sts::1:x</Arn><AssumedRoleId>A:b</AssumedRoleId>\n"
         "  </AssumedRoleUser>\n  <Credentials>\n  <SessionToken>AQ//=</SessionToken>\n" STS_KEYS
         "\n" STS_TIME "\n</Credentials><Provider>www.amazon.com</Provider>\n" STS_TAIL "\n",
         "AQ//=", NULL},
        {"entities",
         STS_HEAD "<Credentials><SessionToken>&lt;&gt;&quot;&apos;&#65;&#x42;&amp;amp;"
                  "</SessionToken>" STS_KEYS STS_TIME "</Credentials>" STS_TAIL,
         "<>\"'AB&amp;", NULL},
        {"comments and empty elements",
         STS_HEAD "<!-- <Credentials> --><Empty/><E a='>' /><Credentials><SessionToken >t"
                  "</SessionToken >" STS_KEYS STS_TIME "</Credentials>" STS_TAIL "<!-- end -->",
         "t", NULL},
        {"error",
         "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n<Error>\n"
         "<Type>Sender</Type><Code>ExpiredTokenException</Code><Message>SECRET &lt;&gt; é</Message>"
         "</Error><RequestId>r</RequestId></ErrorResponse>",
         NULL, "answered ExpiredTokenException"},
        {"error without a name",
         "<ErrorResponse><Error><Code>SECRET x</Code></Error></ErrorResponse>", NULL,
         "without a readable name"},
        {"no token", STS_HEAD "<Credentials>" STS_KEYS STS_TIME "</Credentials>" STS_TAIL, NULL,
         "no credentials"},
        {"keys elsewhere",
         STS_HEAD "<Other><SessionToken>SECRET</SessionToken>" STS_KEYS STS_TIME
                  "</Other>" STS_TAIL,
         NULL, "no credentials"},
        {"deeper than they are",
         STS_HEAD "<Credentials><X><SessionToken>t</SessionToken>" STS_KEYS STS_TIME
                  "</X></Credentials>" STS_TAIL,
         NULL, "no credentials"},
        {"inside of the right name",
         STS_HEAD "<Credentials><SessionToken><X>t</X></SessionToken>" STS_KEYS STS_TIME
                  "</Credentials>" STS_TAIL,
         NULL, "no credentials"},
        {"no date",
         STS_HEAD "<Credentials><SessionToken>t</SessionToken>" STS_KEYS "</Credentials>" STS_TAIL,
         NULL, "no date"},
        {"unknown entity",
         STS_HEAD "<Credentials><SessionToken>&e;</SessionToken>" STS_KEYS STS_TIME
                  "</Credentials>" STS_TAIL,
         NULL, "no credentials"},
        {"entity of a line end",
         STS_HEAD "<Credentials><SessionToken>a&#13;&#10;b</SessionToken>" STS_KEYS STS_TIME
                  "</Credentials>" STS_TAIL,
         NULL, "no credentials"},
        {"entity without end",
         STS_HEAD "<Credentials><SessionToken>a&amp</SessionToken>" STS_KEYS STS_TIME
                  "</Credentials>" STS_TAIL,
         NULL, "no credentials"},
        {"huge entity",
         STS_HEAD "<Credentials><SessionToken>&#4294967361;</SessionToken>" STS_KEYS STS_TIME
                  "</Credentials>" STS_TAIL,
         NULL, "no credentials"},
        {"crossed", "<a><b></a></b>", NULL, "not XML"},
        {"two roots", "<a></a><b></b>", NULL, "not XML"},
        {"cut", STS_HEAD "<Credentials>", NULL, "not XML"},
        {"doctype", "<!DOCTYPE a [<!ENTITY x \"y\">]><a></a>", NULL, "not XML"},
        {"cdata", "<a><![CDATA[SECRET]]></a>", NULL, "not XML"},
        {"text around", "SECRET <a></a>", NULL, "not XML"},
        {"mixed", "<a>x<b></b></a>", NULL, "not XML"},
        {"deep", "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>", NULL, "not XML"},
        {"json", "{\"SECRET\":1}", NULL, "not XML"},
        {"empty", "", NULL, "not XML"},
        {"other root", "<a></a>", NULL, "no credentials"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct bench b;
        struct credential out = {.kind = CREDENTIAL_NONE};
        struct span why = SPAN("");
        ROW("%s", rows[i].what);
        bench_init(&b);
        int rc = credential_read_sts(span_str(rows[i].xml), &b.arena, &out, &why);
        EXPECT_EQ(rc, rows[i].token ? 0 : -EINVAL);
        if (rc == 0 && rows[i].token) {
            EXPECT_EQ(out.kind, CREDENTIAL_AWS);
            EXPECT_EQ(out.expires_s, 1795240800);
            expect_span(out.key_id, "AKID");
            expect_span(out.secret, "s&3");
            expect_span(out.token, rows[i].token);
        } else {
            EXPECT_EQ(out.kind, CREDENTIAL_NONE);
            EXPECT(rows[i].why && span_search(why, span_str(rows[i].why)) < why.n);
        }
        EXPECT(why.n == 0 || span_search(why, SPAN("SECRET")) == why.n);
        bench_fini(&b);
    }
}

TEST(dates) {
    static const struct {
        const char *text;
        int64_t want; /* -1: refused */
    } rows[] = {
        {"2026-11-21T06:00:00Z", 1795240800},
        {"2026-11-21t06:00:00z", 1795240800},
        {"2026-11-21T06:00:00.123456789Z", 1795240800},
        {"2026-11-21T07:00:00+01:00", 1795240800},
        {"2026-11-21T07:00:00+0100", 1795240800},
        {"2026-11-21T00:30:00.5-05:30", 1795240800},
        {"1970-01-01T00:00:00Z", 0},
        {"2024-02-29T00:00:00Z", 1709164800},
        {"2016-12-31T23:59:60Z", 1483228800},
        {"2023-02-29T00:00:00Z", -1},
        {"2023-04-31T00:00:60Z", -1},
        {"2026-13-01T00:00:00Z", -1},
        {"2026-00-01T00:00:00Z", -1},
        {"2026-11-00T00:00:00Z", -1},
        {"2026-11-21T24:00:00Z", -1},
        {"2026-11-21T06:60:00Z", -1},
        {"2026-11-21T06:00:00", -1},
        {"2026-11-21T06:00:00.Z", -1},
        {"2026-11-21T06:00:00Zx", -1},
        {"2026-11-21T06:00:00+1:00", -1},
        {"2026-11-21T06:00:00+01:00x", -1},
        {"2026-11-21 06:00:00Z", -1},
        {"26-11-21T06:00:00Z", -1},
        {"2026-11-21", -1},
        {"+026-11-21T06:00:00Z", -1},
        {"", -1},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        int64_t got = -1;
        ROW("%s", rows[i].text);
        EXPECT_EQ(credential_iso8601(span_str(rows[i].text), &got), rows[i].want >= 0);
        EXPECT_EQ(got, rows[i].want);
    }
}

/* --- Google's files --- */

static void expect_google(const struct credential_google *got,
                          const struct credential_google *want) {
    /* All members but the kind are spans, one behind the other. */
    const struct span *g = &got->token_url, *w = &want->token_url;
    size_t count = (sizeof *got - offsetof(struct credential_google, token_url)) / sizeof *g;
    EXPECT_EQ(got->kind, want->kind);
    for (size_t i = 0; i < count; i++)
        EXPECT_MEM(g[i].p, g[i].n, w[i].p, w[i].n);
}

TEST(google_files) {
    static const struct {
        const char *json;
        struct credential_google want;
    } rows[] = {
        {"{\"type\":\"service_account\",\"project_id\":\"p\",\"private_key_id\":\"k\","
         "\"private_key\":\"-----BEGIN\\nMIIE\\n-----END\\n\",\"client_email\":\"a@b\","
         "\"client_id\":\"1\",\"token_uri\":\"https://oauth2.googleapis.com/token\"}",
         {.kind = CREDENTIAL_GOOGLE_SERVICE_ACCOUNT,
          .token_url = SPAN_CONST("https://oauth2.googleapis.com/token"),
          .client_email = SPAN_CONST("a@b"),
          .private_key_id = SPAN_CONST("k"),
          .private_key = SPAN_CONST("-----BEGIN\nMIIE\n-----END\n"),
          .project_id = SPAN_CONST("p")}},
        {"{\"type\":\"authorized_user\",\"client_id\":\"i\",\"client_secret\":\"s\","
         "\"refresh_token\":\"r\",\"quota_project_id\":\"q\"}",
         {.kind = CREDENTIAL_GOOGLE_USER,
          .token_url = SPAN_CONST("https://oauth2.googleapis.com/token"),
          .client_id = SPAN_CONST("i"),
          .client_secret = SPAN_CONST("s"),
          .refresh_token = SPAN_CONST("r"),
          .quota_project_id = SPAN_CONST("q")}},
        {"{\"type\":\"external_account\",\"audience\":\"//iam.googleapis.com/x\","
         "\"subject_token_type\":\"urn:ietf:params:oauth:token-type:jwt\",\"token_url\":"
         "\"https://sts.googleapis.com/v1/token\",\"credential_source\":{\"file\":\"/var/my "
         "token\",\"format\":{\"type\":\"json\",\"subject_token_field_name\":\"access\"}},"
         "\"service_account_impersonation_url\":\"https://iamcredentials.googleapis.com/v1/"
         "projects/-/serviceAccounts/a@b.iam.gserviceaccount.com:generateAccessToken\"}",
         {.kind = CREDENTIAL_GOOGLE_EXTERNAL,
          .token_url = SPAN_CONST("https://sts.googleapis.com/v1/token"),
          .audience = SPAN_CONST("//iam.googleapis.com/x"),
          .subject_token_type = SPAN_CONST("urn:ietf:params:oauth:token-type:jwt"),
          .subject_file = SPAN_CONST("/var/my token"),
          .subject_field = SPAN_CONST("access"),
          .impersonation_url =
              SPAN_CONST("https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
                         "a@b.iam.gserviceaccount.com:generateAccessToken")}},
        {"{\"type\":\"service_account\",\"private_key\":\"k\",\"client_email\":\"a@b\","
         "\"token_uri\":\"http://127.0.0.1:8080/token\"}",
         {.kind = CREDENTIAL_GOOGLE_SERVICE_ACCOUNT,
          .token_url = SPAN_CONST("http://127.0.0.1:8080/token"),
          .client_email = SPAN_CONST("a@b"),
          .private_key = SPAN_CONST("k")}},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct bench b;
        struct credential_google out;
        struct span why = SPAN("");
        ROW("row %zu", i);
        bench_init(&b);
        EXPECT_EQ(credential_read_service_account(span_str(rows[i].json), &b.arena, &out, &why), 0);
        EXPECT_BYTES(why.p, why.n, "");
        expect_google(&out, &rows[i].want);
        bench_fini(&b);
    }
}

TEST(google_files_refused) {
    static const struct {
        const char *json, *why;
    } rows[] = {
        {"-----BEGIN PRIVATE KEY-----SECRET", "not a JSON object"},
        {"{}", "type is none of"},
        {"{\"type\":\"SECRET\"}", "type is none of"},
        {"{\"type\":\"service_account\",\"private_key\":\"SECRET\"}", "client_email is missing"},
        {"{\"type\":\"service_account\",\"client_email\":\"a@b\"}", "private_key is missing"},
        {"{\"type\":\"service_account\",\"client_email\":\"a@b\",\"private_key\":\"SECRET\","
         "\"token_uri\":\"http://evil.example/token\"}",
         "token_uri is not an https URL"},
        {"{\"type\":\"service_account\",\"client_email\":\"a@b\",\"private_key\":\"SECRET\","
         "\"token_uri\":\"http://127.0.0.1.evil.example/token\"}",
         "token_uri is not an https URL"},
        {"{\"type\":\"service_account\",\"client_email\":\"a@b\",\"private_key\":\"SECRET\","
         "\"token_uri\":\"http://127.0.0.1@evil.example/token\"}",
         "token_uri is not an https URL"},
        {"{\"type\":\"service_account\",\"client_email\":\"a@b\",\"private_key\":\"SECRET\","
         "\"token_uri\":\"https://\"}",
         "token_uri is not an https URL"},
        {"{\"type\":\"authorized_user\",\"client_id\":\"i\",\"client_secret\":\"SECRET\"}",
         "refresh_token is missing"},
        {"{\"type\":\"external_account\",\"audience\":\"a\",\"subject_token_type\":\"t\","
         "\"credential_source\":{\"url\":\"http://169.254.169.254/\"}}",
         "no file"},
        {"{\"type\":\"external_account\",\"audience\":\"a\",\"subject_token_type\":\"t\","
         "\"credential_source\":{\"file\":\"/etc/x\\u0000y\"}}",
         "no file"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct bench b;
        struct credential_google out;
        struct span why = SPAN("");
        ROW("%s", rows[i].json);
        bench_init(&b);
        EXPECT_EQ(credential_read_service_account(span_str(rows[i].json), &b.arena, &out, &why),
                  -EINVAL);
        EXPECT(span_search(why, span_str(rows[i].why)) < why.n);
        EXPECT(span_search(why, SPAN("SECRET")) == why.n);
        bench_fini(&b);
    }
}

/* --- which of AWS's sources --- */

/* The string at a path of a JSON text without escapes, or empty. */
static struct span raw_at(struct span json, const char *a, const char *b, const char *c) {
    struct span path[] = {span_str(a), span_str(b), span_str(c)};
    struct json_token token;
    if (!json_find(json, path, c ? 3 : 2, &token) || token.kind != JSON_STRING)
        return SPAN("");
    return token.raw;
}

static struct span raw4_at(struct span json, const char *last) {
    struct span path[] = {SPAN("given"), SPAN("explicit"), SPAN("aws"), span_str(last)};
    struct json_token token;
    return json_find(json, path, 4, &token) ? token.raw : SPAN("");
}

/* What the cases call mode and source; "" for an error. */
static const struct {
    enum aws_source source;
    const char *mode, *named;
} case_names[] = {
    {AWS_SOURCE_CONFLICT, "", ""},
    {AWS_SOURCE_CONFIG_BEARER, "bearer", "explicit"},
    {AWS_SOURCE_CONFIG_KEYS, "sigv4", "static"},
    {AWS_SOURCE_PROFILE, "sigv4", "profile"},
    {AWS_SOURCE_ENV_BEARER, "bearer", "environment"},
    {AWS_SOURCE_IMDS, "sigv4", "default"},
};

static void run_selection(struct span json) {
    struct aws_settings settings = {
        .bearer = raw_at(json, "given", "explicit", "bearer"),
        .profile = raw_at(json, "given", "explicit", "profile"),
        .key_id = raw4_at(json, "access_key_id"),
        .secret = raw4_at(json, "secret_access_key"),
        .env_bearer = raw_at(json, "given", "environment", "AWS_BEARER_TOKEN_BEDROCK")};
    enum aws_source got = credential_aws_source(&settings);
    for (size_t i = 0; i < countof(case_names); i++)
        if (case_names[i].source == got) {
            expect_span(raw_at(json, "expected", "auth_mode", NULL), case_names[i].mode);
            expect_span(raw_at(json, "expected", "auth_source", NULL), case_names[i].named);
            return;
        }
    FAIL_TEST("source %s is none of the cases'", credential_aws_source_name(got));
}

TEST(aws_source_of_the_cases) {
    static const struct span cases[] = {SPAN_CONST("cases")};
    struct json json;
    struct json_token token;
    struct span value;
    size_t n = 0;
    unsigned count = 0;
    const char *path = test_shared("fixtures/sigv4/bedrock-auth-cases.json");
    if (!path)
        SKIP("needs ../shared/fixtures");
    char *text = test_file(path, &n);
    REQUIRE(json_find(span_of(text, n), cases, 1, &token));
    json_init(&json, token.raw);
    json_next(&json, &token);
    while (json_value(&json, &value)) {
        struct span name = SPAN("kind");
        if (!json_find(value, &name, 1, &token) || !json_is(&token, SPAN("auth_selection")))
            continue;
        name = SPAN("id");
        json_find(value, &name, 1, &token);
        ROW("%.*s", (int)token.raw.n, token.raw.p);
        run_selection(value);
        count++;
    }
    ROW("all");
    EXPECT_EQ(count, 7);
    free(text);
}

TEST(aws_source_chain) {
    static const struct {
        struct aws_settings settings;
        enum aws_source want;
    } rows[] = {
        {{.env_role_arn = SPAN_CONST("arn")}, AWS_SOURCE_IMDS},
        {{.env_role_arn = SPAN_CONST("arn"), .env_identity_file = SPAN_CONST("/f")},
         AWS_SOURCE_WEB_IDENTITY},
        {{.env_key_id = SPAN_CONST("k"),
          .env_secret = SPAN_CONST("s"),
          .env_role_arn = SPAN_CONST("arn"),
          .env_identity_file = SPAN_CONST("/f")},
         AWS_SOURCE_ENV_KEYS},
        {{.env_role_arn = SPAN_CONST("arn"),
          .env_identity_file = SPAN_CONST("/f"),
          .env_full_uri = SPAN_CONST("http://169.254.170.23/v1/credentials")},
         AWS_SOURCE_WEB_IDENTITY},
        {{.env_full_uri = SPAN_CONST("http://169.254.170.23/v1/credentials")},
         AWS_SOURCE_CONTAINER},
        {{.env_relative_uri = SPAN_CONST("/v2/x"), .env_metadata_disabled = SPAN_CONST("true")},
         AWS_SOURCE_CONTAINER},
        {{.env_metadata_disabled = SPAN_CONST("TRUE")}, AWS_SOURCE_NONE},
        {{.env_metadata_disabled = SPAN_CONST("false")}, AWS_SOURCE_IMDS},
        {{.key_id = SPAN_CONST("k")}, AWS_SOURCE_INCOMPLETE},
        {{.env_secret = SPAN_CONST("s")}, AWS_SOURCE_INCOMPLETE},
        {{.profile = SPAN_CONST("p"), .key_id = SPAN_CONST("k"), .secret = SPAN_CONST("s")},
         AWS_SOURCE_CONFLICT},
        {{.env_bearer = SPAN_CONST("b"), .env_key_id = SPAN_CONST("k")}, AWS_SOURCE_ENV_BEARER},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("row %zu", i);
        EXPECT_STR(credential_aws_source_name(credential_aws_source(&rows[i].settings)),
                   credential_aws_source_name(rows[i].want));
    }
}

TEST(container_urls) {
    static const struct {
        const char *relative, *full, *url; /* NULL: refused */
    } rows[] = {
        {"/v2/credentials/x", "", "http://169.254.170.2/v2/credentials/x"},
        {"/a", "https://b/", "http://169.254.170.2/a"},
        {"", "http://169.254.170.23/v1/credentials", "http://169.254.170.23/v1/credentials"},
        {"", "http://[fd00:ec2::23]/v1", "http://[fd00:ec2::23]/v1"},
        {"", "http://[fd00:ec2::23]:80/v1", "http://[fd00:ec2::23]:80/v1"},
        {"", "http://localhost:1234/x", "http://localhost:1234/x"},
        {"", "https://anywhere.example/x", "https://anywhere.example/x"},
        {"@evil.example/", "", NULL},
        {"/a b", "", NULL},
        {"", "http://10.0.0.1/x", NULL},
        {"", "http://169.254.169.254/latest/", NULL},
        {"", "http://169.254.170.2.evil.example/", NULL},
        {"", "http://169.254.170.2@evil.example/", NULL},
        {"", "http://evil.example#@169.254.170.2/", NULL},
        {"", "http://localhost\\@evil.example/", NULL},
        {"", "https:///x", NULL},
        {"", "file:///etc/passwd", NULL},
        {"", "", NULL},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct bench b;
        struct span why = SPAN("");
        struct aws_settings settings = {.env_relative_uri = span_str(rows[i].relative),
                                        .env_full_uri = span_str(rows[i].full)};
        ROW("%s %s", rows[i].relative, rows[i].full);
        bench_init(&b);
        struct span url = credential_container_url(&settings, &b.arena, &why);
        if (rows[i].url)
            expect_span(url, rows[i].url);
        else
            EXPECT(!url.p && why.n);
        bench_fini(&b);
    }
}

/* --- bodies --- */

TEST(forms) {
    struct bench b;
    struct arena *arena = &b.arena;
    bench_init(&b);
    struct credential_form_refresh refresh = {SPAN("i d"), SPAN("s&="), SPAN("1//r")};
    expect_span(
        credential_form_refresh(&refresh, arena),
        "grant_type=refresh_token&client_id=i+d&client_secret=s%26%3D&refresh_token=1%2F%2Fr");
    struct credential_form_entra entra = {.client_id = SPAN("id"),
                                          .scope =
                                              SPAN("https://cognitiveservices.azure.com/.default"),
                                          .client_secret = SPAN("a~b*c-d.e_f")};
    expect_span(credential_form_entra(&entra, arena),
                "grant_type=client_credentials&client_id=id&scope=https%3A%2F%2F"
                "cognitiveservices.azure.com%2F.default&client_secret=a%7Eb*c-d.e_f");
    entra.client_assertion = SPAN("e.y-J_");
    expect_span(credential_form_entra(&entra, arena),
                "grant_type=client_credentials&client_id=id&scope=https%3A%2F%2F"
                "cognitiveservices.azure.com%2F.default&client_assertion_type=urn%3Aietf%3Aparams%"
                "3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=e.y-J_");
    struct credential_form_sts sts = {SPAN("arn:aws:iam::1:role/r"), SPAN("hedgerow"),
                                      SPAN("to.k-en")};
    expect_span(credential_form_sts(&sts, arena),
                "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%"
                "3A1%3Arole%2Fr&RoleSessionName=hedgerow&WebIdentityToken=to.k-en");
    struct credential_form_exchange exchange = {.audience = SPAN("//iam"),
                                                .scope = SPAN("s"),
                                                .subject_token = SPAN("t\n\xc3\xa9"),
                                                .subject_token_type =
                                                    SPAN("urn:ietf:params:oauth:token-type:jwt")};
    expect_span(credential_form_exchange(&exchange, arena),
                "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&audience=%2F%"
                "2Fiam&scope=s&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%"
                "3Aaccess_token&subject_token=t%0A%C3%A9&subject_token_type=urn%3Aietf%3Aparams%"
                "3Aoauth%3Atoken-type%3Ajwt");
    expect_span(credential_form_impersonate(SPAN("https://s"), arena),
                "{\"scope\":[\"https://s\"],\"lifetime\":\"3600s\"}");
    bench_fini(&b);
    /* No memory. */
    memory_init(&b.memory, 100, 0);
    arena_init(&b.arena, &b.memory);
    EXPECT(!credential_form_google_jwt(SPAN("j"), arena).p);
    EXPECT(!credential_form_sts(&sts, arena).p);
    memory_fini(&b.memory);
}
