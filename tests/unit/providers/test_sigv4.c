/* test_sigv4.c - Signature Version 4 against the vectors of aws-c-auth and openai-python, and
 * against its own promises: memory, pieces, the cache of keys, clocks. */
#include <dirent.h>
#include <openssl/hmac.h>
#include <time.h>

#include "core/base.h"
#include "core/fail.h"
#include "core/heap.h"
#include "core/json.h"
#include "core/slab.h"
#include "providers/provider.h"
#include "tests/test.h"

#define SUITE "fixtures/sigv4/aws-c-auth"

/* One signature and all that it is made in. */
struct bench {
    struct memory memory;
    struct arena arena;
    struct http_head head;
    struct span body;
    struct credential credential;
    struct sign_call call;
    struct sigv4_parts parts;
};

static void bench_init(struct bench *b) {
    memset(b, 0, sizeof *b);
    memory_init(&b->memory, (size_t)1 << 20, 0);
    arena_init(&b->arena, &b->memory);
    b->credential.kind = CREDENTIAL_AWS;
    b->call = (struct sign_call){
        .pieces = &b->body, .piece_count = 1, .arena = &b->arena, .head = &b->head};
}

static void bench_fini(struct bench *b) {
    arena_fini(&b->arena);
    memory_fini(&b->memory);
}

static void add(struct bench *b, struct span name, struct span value) {
    b->head.fields[b->head.field_count++] = (struct http_field){name, value};
}

/* The decoded string at a path of two names of a JSON text, in the arena; "" when it is not there.
 */
static struct span text_at(struct bench *b, struct span json, const char *outer,
                           const char *inner) {
    struct span path[] = {span_str(outer), span_str(inner)};
    struct json_token token;
    if (!json_find(json, path, inner ? 2 : 1, &token))
        return SPAN("");
    if (token.kind != JSON_STRING)
        return token.raw;
    char *out = arena_alloc(&b->arena, token.raw.n + 1);
    return span_of(out, (size_t)json_decode(token.raw, false, out, token.raw.n));
}

static bool flag_at(struct bench *b, struct span json, const char *name) {
    return span_eq(text_at(b, json, name, NULL), SPAN("true"));
}

/* "2015-08-30T12:36:00Z" or "20150830T123600Z". */
static int64_t unix_of(struct span text) {
    struct tm when = {0};
    char copy[64];
    span_text(text, copy, sizeof copy);
    if (!strptime(copy, "%Y-%m-%dT%H:%M:%S", &when))
        EXPECT(strptime(copy, "%Y%m%dT%H%M%SZ", &when) != NULL);
    return timegm(&when);
}

static struct span file_in(struct bench *b, const char *folder, const char *name) {
    char path[5000];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    char *bytes = test_file(path, &n);
    EXPECT(bytes != NULL);
    struct span copy = arena_copy(&b->arena, span_of(bytes, bytes ? n : 0));
    free(bytes);
    return copy;
}

/* The head of the vectors: no CR, values continued in lines that begin with blanks, no version
 * check. Writes over `text`, which is in the arena. */
static void read_request(struct bench *b, struct span text) {
    char *p = (char *)text.p;
    size_t end = span_search(text, SPAN("\n\n"));
    struct span head = span_of(text.p, end);
    b->body = span_from(text, end + 2);
    for (size_t i = 0; i + 1 < head.n; i++)
        if (p[i] == '\n' && p[i + 1] == ' ')
            p[i] = ' ';
    struct span line = span_cut(&head, '\n');
    b->call.method = span_cut(&line, ' ');
    /* A path of the vectors holds blanks. */
    b->call.path = span_of(line.p, span_search(line, SPAN(" HTTP/1.1")));
    while (head.p) {
        line = span_cut(&head, '\n');
        struct span name = span_cut(&line, ':');
        if (span_eq_nocase(name, SPAN("host")))
            b->call.authority = span_trim(line);
        else if (name.n)
            add(b, name, line);
    }
}

static void expect_span(struct span got, struct span want) {
    EXPECT_MEM(got.p, got.n, want.p, want.n);
}

static void run_form(struct bench *b, const char *folder, struct span context, bool query) {
    struct sigv4_options options = {.normalise = flag_at(b, context, "normalize"),
                                    .double_encode = true,
                                    .sign_all = true,
                                    .sign_body = flag_at(b, context, "sign_body"),
                                    .omit_token = flag_at(b, context, "omit_session_token"),
                                    .query = query,
                                    .expires_s = 3600};
    const char *form = query ? "query" : "header";
    char name[64];
    int rc = sigv4_parts(&b->call, &b->credential, text_at(b, context, "region", NULL),
                         text_at(b, context, "service", NULL), &options, &b->parts);
    EXPECT_EQ(rc, 0);
    snprintf(name, sizeof name, "%s-canonical-request.txt", form);
    expect_span(b->parts.canonical, file_in(b, folder, name));
    snprintf(name, sizeof name, "%s-string-to-sign.txt", form);
    expect_span(b->parts.to_sign, file_in(b, folder, name));
    snprintf(name, sizeof name, "%s-signature.txt", form);
    expect_span(b->parts.signature, file_in(b, folder, name));
    if (query)
        return;
    struct span signed_request = file_in(b, folder, "header-signed-request.txt");
    struct span line = arena_printf(&b->arena, "Authorization:%.*s\n",
                                    (int)b->parts.authorization.n, b->parts.authorization.p);
    EXPECT(span_search(signed_request, line) < signed_request.n);
}

static void run_case(const char *folder) {
    struct bench b;
    bench_init(&b);
    struct span context = file_in(&b, folder, "context.json");
    b.credential.key_id = text_at(&b, context, "credentials", "access_key_id");
    b.credential.secret = text_at(&b, context, "credentials", "secret_access_key");
    b.credential.token = text_at(&b, context, "credentials", "token");
    b.call.now_s = unix_of(text_at(&b, context, "timestamp", NULL));
    read_request(&b, file_in(&b, folder, "request.txt"));
    run_form(&b, folder, context, false);
    run_form(&b, folder, context, true);
    bench_fini(&b);
}

TEST(aws_c_auth_vectors) {
    struct dirent **entries;
    char suite[4096], folder[4600];
    if (!test_shared(SUITE))
        SKIP("needs ../shared/%s", SUITE);
    snprintf(suite, sizeof suite, "%s", test_shared(SUITE));
    int count = scandir(suite, &entries, NULL, alphasort), cases = 0;
    for (int i = 0; i < count; i++) {
        snprintf(folder, sizeof folder, "%s/%s/context.json", suite, entries[i]->d_name);
        if (access(folder, R_OK) == 0) {
            folder[strlen(folder) - sizeof "/context.json" + 1] = 0;
            ROW("%s", entries[i]->d_name);
            run_case(folder);
            cases++;
        }
        free(entries[i]);
    }
    free(entries);
    ROW("all");
    EXPECT_EQ(cases, 38);
}

/* The parts of "https://HOST/PATH". */
static void set_url(struct bench *b, struct span url) {
    struct span rest = span_from(url, sizeof "https://" - 1);
    size_t n = span_find(rest, '/', 0);
    b->call.authority = span_of(rest.p, n);
    b->call.path = span_from(rest, n);
}

/* The value that signing put into the head. */
static void expect_field(const struct bench *b, const char *name, struct span want) {
    expect_span(http_field(&b->head, span_str(name)), want);
}

static void run_path(struct bench *b, struct span json) {
    b->call.method = text_at(b, json, "method", NULL);
    set_url(b, text_at(b, json, "url", NULL));
    expect_span(b->call.path, text_at(b, json, "wire_path", NULL));
    b->credential.key_id = text_at(b, json, "access_key_id", NULL);
    b->credential.secret = text_at(b, json, "secret_access_key", NULL);
    struct span token = text_at(b, json, "session_token", NULL);
    b->credential.token = span_eq(token, SPAN("null")) ? SPAN("") : token;
    b->body = text_at(b, json, "body", NULL);
    b->call.now_s = unix_of(text_at(b, json, "amz_date", NULL));
    /* Fields of the connection that are in every real head, and must not be signed. */
    add(b, SPAN("user-agent"), SPAN("hedgerow"));
    add(b, SPAN("Content-Type"), SPAN("application/json"));
    add(b, SPAN("accept"), SPAN("application/vnd.amazon.eventstream"));
    struct span region = text_at(b, json, "region", NULL);
    struct span service = text_at(b, json, "service", NULL);
    EXPECT_EQ(sigv4_sign(&b->call, &b->credential, region, service), 0);
    expect_field(b, "x-amz-date", text_at(b, json, "amz_date", NULL));
    expect_field(b, "x-amz-security-token", b->credential.token);
    expect_field(b, "authorization", text_at(b, json, "expect", "authorization"));
    EXPECT_EQ(b->head.field_count, b->credential.token.n ? 6 : 5);
    struct sigv4_options options = {.normalise = true, .double_encode = true};
    EXPECT_EQ(sigv4_parts(&b->call, &b->credential, region, service, &options, &b->parts), 0);
    expect_span(b->parts.canonical, text_at(b, json, "expect", "canonical_request"));
    expect_span(b->parts.to_sign, text_at(b, json, "expect", "string_to_sign"));
}

TEST(bedrock_paths) {
    const char *path = test_shared("fixtures/sigv4/generated/bedrock-paths.json");
    struct json json;
    struct json_token token;
    struct span value;
    size_t n = 0;
    unsigned count = 0;
    if (!path)
        SKIP("needs ../shared/fixtures");
    char *text = test_file(path, &n);
    json_init(&json, span_of(text, n));
    REQUIRE(json_next(&json, &token) == JSON_ARRAY);
    while (json_value(&json, &value)) {
        struct bench b;
        ROW("case %u", count++);
        bench_init(&b);
        run_path(&b, value);
        bench_fini(&b);
    }
    ROW("all");
    EXPECT_EQ(count, 4);
    free(text);
}

TEST(bedrock_mantle) {
    const char *path = test_shared("fixtures/sigv4/bedrock-sigv4.json");
    struct bench b;
    size_t n = 0;
    if (!path)
        SKIP("needs ../shared/fixtures");
    char *text = test_file(path, &n);
    struct span json = span_of(text, n);
    struct sigv4_options options = {.normalise = true, .double_encode = true, .sign_body = true};
    bench_init(&b);
    b.credential.key_id = text_at(&b, json, "credentials", "accessKeyId");
    b.credential.secret = text_at(&b, json, "credentials", "secretAccessKey");
    b.credential.token = text_at(&b, json, "credentials", "sessionToken");
    b.call.method = text_at(&b, json, "request", "method");
    set_url(&b, text_at(&b, json, "request", "url"));
    b.body = text_at(&b, json, "request", "body");
    add(&b, SPAN("content-type"), text_at(&b, json, "request", "contentType"));
    b.call.now_s = unix_of(text_at(&b, json, "signingDate", NULL));
    EXPECT_EQ(sigv4_parts(&b.call, &b.credential, text_at(&b, json, "region", NULL),
                          text_at(&b, json, "service", NULL), &options, &b.parts),
              0);
    expect_span(b.parts.date, text_at(&b, json, "expected", "date"));
    expect_span(b.parts.payload_hex, text_at(&b, json, "expected", "payloadHash"));
    expect_span(b.parts.authorization, text_at(&b, json, "expected", "authorization"));
    /* With the hash put into the head by somebody else it is signed as any x-amz- field. */
    add(&b, SPAN("X-Amz-Content-Sha256"), b.parts.payload_hex);
    EXPECT_EQ(sigv4_sign(&b.call, &b.credential, text_at(&b, json, "region", NULL),
                         text_at(&b, json, "service", NULL)),
              0);
    expect_field(&b, "authorization", text_at(&b, json, "expected", "authorization"));
    bench_fini(&b);
    free(text);
}

/* `given` of a case of kind sigv4; the body is known by its hash. */
static void run_auth_case(struct bench *b, struct span json) {
    static const struct span given_path[] = {SPAN_CONST("given")};
    static const struct span wanted_path[] = {SPAN_CONST("expected")};
    struct json_token given, wanted;
    struct sigv4_options options = {
        .normalise = true, .double_encode = true, .sign_all = true, .sign_body = true};
    EXPECT(json_find(json, given_path, 1, &given) && json_find(json, wanted_path, 1, &wanted));
    struct span in = given.raw;
    b->credential.key_id = text_at(b, in, "credentials", "access_key_id");
    b->credential.secret = text_at(b, in, "credentials", "secret_access_key");
    b->credential.token = text_at(b, in, "credentials", "session_token");
    b->call.method = text_at(b, in, "request", "method");
    set_url(b, text_at(b, in, "request", "url"));
    b->body = SPAN("{\"input\":\"hello\",\"model\":\"openai.gpt-oss-120b\"}");
    add(b, SPAN("content-length"), SPAN("47"));
    add(b, SPAN("content-type"), SPAN("application/json"));
    b->call.now_s = unix_of(text_at(b, in, "signing", "timestamp"));
    EXPECT_EQ(sigv4_parts(&b->call, &b->credential, text_at(b, in, "signing", "region"),
                          text_at(b, in, "signing", "service"), &options, &b->parts),
              0);
    expect_span(b->parts.payload_hex, text_at(b, wanted.raw, "payload_sha256", NULL));
    expect_span(b->parts.date, text_at(b, wanted.raw, "headers", "x-amz-date"));
    expect_span(b->parts.authorization, text_at(b, wanted.raw, "headers", "authorization"));
}

TEST(openai_sdk_cases) {
    static const struct span cases_path[] = {SPAN_CONST("cases")};
    const char *path = test_shared("fixtures/sigv4/bedrock-auth-cases.json");
    struct json json;
    struct json_token token;
    struct span value;
    size_t n = 0;
    unsigned count = 0;
    if (!path)
        SKIP("needs ../shared/fixtures");
    char *text = test_file(path, &n);
    REQUIRE(json_find(span_of(text, n), cases_path, 1, &token));
    json_init(&json, token.raw);
    json_next(&json, &token);
    while (json_value(&json, &value)) {
        struct bench b;
        bench_init(&b);
        if (span_eq(text_at(&b, value, "kind", NULL), SPAN("sigv4"))) {
            ROW("case %u", count++);
            run_auth_case(&b, value);
        }
        bench_fini(&b);
    }
    ROW("all");
    EXPECT_EQ(count, 2);
    free(text);
}

/* --- own promises --- */

static void set_plain(struct bench *b) {
    bench_init(b);
    b->credential.key_id = SPAN("AKIDEXAMPLE");
    b->credential.secret = SPAN("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    b->credential.token = SPAN("session");
    b->call.method = SPAN("POST");
    b->call.path = SPAN("/model/a%3A0/converse-stream?b=2&a=1&a=%7e");
    b->call.authority = SPAN("bedrock-runtime.eu-central-1.amazonaws.com");
    b->call.now_s = 1795225323;
    b->body = SPAN("{\"messages\":[]}");
    add(b, SPAN("content-type"), SPAN("application/json"));
}

static int sign(struct bench *b) {
    return sigv4_sign(&b->call, &b->credential, SPAN("eu-central-1"), SPAN("bedrock"));
}

static struct span authorization(const struct bench *b) {
    return http_field(&b->head, SPAN("authorization"));
}

TEST(canonical_forms) {
    static const struct {
        const char *path, *uri, *query;
    } rows[] = {
        {"", "/", ""},
        {"/", "/", ""},
        {"/a/b/..", "/a", ""},
        {"/a/b/../", "/a/", ""},
        {"/../../a", "/a", ""},
        {"/a/./b", "/a/b", ""},
        {"/...", "/...", ""},
        {"/model/x%2Fy%3A0/converse", "/model/x%252Fy%253A0/converse", ""},
        {"/a?", "/a", ""},
        {"/a?b", "/a", "b="},
        {"/a?b=%7E&b=%2f&b=", "/a", "b=&b=%2F&b=~"},
        {"/a?x=a=b&&y=%zz%2", "/a", "x=a%3Db&y=%25zz%252"},
        {"/a?B=1&a=1&A=1", "/a", "A=1&B=1&a=1"},
    };
    static const struct sigv4_options options = {.normalise = true, .double_encode = true};
    for (size_t i = 0; i < countof(rows); i++) {
        struct bench b;
        ROW("%s", rows[i].path);
        set_plain(&b);
        b.call.path = span_str(rows[i].path);
        EXPECT_EQ(sigv4_parts(&b.call, &b.credential, SPAN("r"), SPAN("s"), &options, &b.parts), 0);
        struct span rest = b.parts.canonical;
        span_cut(&rest, '\n');
        expect_span(span_cut(&rest, '\n'), span_str(rows[i].uri));
        expect_span(span_cut(&rest, '\n'), span_str(rows[i].query));
        bench_fini(&b);
    }
}

/* With sign_all, too, what the connection or somebody on the way may change is left out. */
TEST(fields_that_are_signed) {
    static const char *const fields[] = {
        "Connection",    "transfer-encoding", "USER-AGENT", "te",     "x-amzn-trace-id",
        "authorization", "x-amz-date",        "host",       "accept", "X-Amz-Target"};
    static const struct {
        bool all;
        const char *names;
    } rows[] = {
        {true, "accept;content-type;host;x-amz-date;x-amz-security-token;x-amz-target"},
        {false, "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct sigv4_options options = {.sign_all = rows[i].all};
        struct bench b;
        ROW("row %zu", i);
        set_plain(&b);
        for (size_t k = 0; k < countof(fields); k++)
            add(&b, span_str(fields[k]), SPAN("v"));
        EXPECT_EQ(sigv4_parts(&b.call, &b.credential, SPAN("r"), SPAN("s"), &options, &b.parts), 0);
        expect_span(b.parts.signed_names, span_str(rows[i].names));
        bench_fini(&b);
    }
}

/* The signature once more, by BoringSSL's HMAC; with secrets on both sides of HMAC's block. */
TEST(secrets_of_any_length) {
    static const size_t lengths[] = {1, 40, 59, 60, 61, 64, 65, 200};
    static const struct sigv4_options options = {.normalise = true};
    char secret[4 + 200] = "AWS4";
    memset(secret + 4, 's', sizeof secret - 4);
    for (size_t i = 0; i < countof(lengths); i++) {
        const char *words[] = {"20261121", "r", "s", "aws4_request"};
        uint8_t key[EVP_MAX_MD_SIZE];
        char hex[65];
        unsigned n = 0;
        struct bench b;
        ROW("%zu bytes", lengths[i]);
        set_plain(&b);
        b.credential.secret = span_of(secret + 4, lengths[i]);
        EXPECT_EQ(sigv4_parts(&b.call, &b.credential, SPAN("r"), SPAN("s"), &options, &b.parts), 0);
        HMAC(EVP_sha256(), secret, 4 + lengths[i], (const uint8_t *)words[0], 8, key, &n);
        for (unsigned k = 1; k < countof(words); k++) {
            uint8_t last[EVP_MAX_MD_SIZE];
            memcpy(last, key, n);
            HMAC(EVP_sha256(), last, n, (const uint8_t *)words[k], strlen(words[k]), key, &n);
        }
        uint8_t signature[EVP_MAX_MD_SIZE];
        HMAC(EVP_sha256(), key, n, (const uint8_t *)b.parts.to_sign.p, b.parts.to_sign.n, signature,
             &n);
        for (unsigned k = 0; k < n; k++)
            snprintf(hex + 2 * k, 3, "%02x", signature[k]);
        expect_span(b.parts.signature, span_str(hex));
        bench_fini(&b);
    }
}

TEST(body_in_pieces) {
    struct bench b;
    set_plain(&b);
    EXPECT_EQ(sign(&b), 0);
    struct span whole = authorization(&b);
    for (size_t cut = 0; cut <= b.body.n; cut++) {
        struct span pieces[] = {span_of(b.body.p, cut), {NULL, 0}, span_from(b.body, cut)};
        ROW("cut at %zu", cut);
        b.call.pieces = pieces;
        b.call.piece_count = countof(pieces);
        EXPECT_EQ(sign(&b), 0);
        expect_span(authorization(&b), whole);
    }
    bench_fini(&b);
}

TEST(signing_again_replaces) {
    struct bench b;
    set_plain(&b);
    EXPECT_EQ(sign(&b), 0);
    struct span first = arena_copy(&b.arena, authorization(&b));
    EXPECT_EQ(b.head.field_count, 4);
    b.call.now_s += 5;
    b.credential.token = SPAN("other");
    EXPECT_EQ(sign(&b), 0);
    EXPECT_EQ(b.head.field_count, 4);
    EXPECT(!span_eq(authorization(&b), first));
    expect_field(&b, "x-amz-security-token", SPAN("other"));
    expect_field(&b, "x-amz-date", SPAN("20261121T014208Z"));
    b.call.now_s -= 5;
    b.credential.token = SPAN("session");
    EXPECT_EQ(sign(&b), 0);
    expect_span(authorization(&b), first);
    bench_fini(&b);
}

/* A cached key gives the same signatures as a derived one, is used, and is not used for another
 * secret, day or region. */
TEST(cache_of_keys) {
    struct sigv4_cache cache = {.valid = false};
    struct bench b;
    set_plain(&b);
    EXPECT_EQ(sign(&b), 0);
    struct span derived = authorization(&b);
    b.call.cache = &cache;
    EXPECT_EQ(sign(&b), 0);
    expect_span(authorization(&b), derived);
    EXPECT(cache.valid);
    EXPECT_STR(cache.scope, "20261121/eu-central-1/bedrock/aws4_request");
    EXPECT_EQ(sign(&b), 0);
    expect_span(authorization(&b), derived);
    static const struct {
        const char *secret, *region;
        int64_t later_s;
        bool cached;
    } rows[] = {
        {"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "eu-central-1", 60, true},
        {"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEZ", "eu-central-1", 0, false},
        {"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "eu-central-2", 0, false},
        {"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "eu-central-1", 86400, false},
        {"a secret that is longer than the block of sixty-four bytes which HMAC hashes at once",
         "eu-central-1", 0, false},
    };
    struct sigv4_cache full = cache;
    for (size_t i = 0; i < countof(rows); i++) {
        struct sigv4_cache poisoned = full;
        ROW("row %zu", i);
        poisoned.key[0] ^= 1;
        b.credential.secret = span_str(rows[i].secret);
        b.call.now_s = 1795225323 + rows[i].later_s;
        b.call.cache = NULL;
        EXPECT_EQ(sigv4_sign(&b.call, &b.credential, span_str(rows[i].region), SPAN("bedrock")), 0);
        struct span without = authorization(&b);
        b.call.cache = &poisoned;
        EXPECT_EQ(sigv4_sign(&b.call, &b.credential, span_str(rows[i].region), SPAN("bedrock")), 0);
        /* The wrong key shows whether it was taken from the cache. */
        EXPECT_EQ(span_eq(authorization(&b), without), !rows[i].cached);
    }
    bench_fini(&b);
}

TEST(refuses) {
    static const struct {
        const char *why;
        struct credential credential;
        int64_t now_s;
        int want;
    } rows[] = {
        {"bearer", {.kind = CREDENTIAL_BEARER, .token = SPAN_CONST("t")}, 1, -FAIL_CREDENTIAL},
        {"none", {.kind = CREDENTIAL_NONE}, 1, -FAIL_CREDENTIAL},
        {"no secret", {.kind = CREDENTIAL_AWS, .key_id = SPAN_CONST("AKID")}, 1, -FAIL_CREDENTIAL},
        {"line end",
         {.kind = CREDENTIAL_AWS, .key_id = SPAN_CONST("A\r\nB"), .secret = SPAN_CONST("s")},
         1,
         -FAIL_CREDENTIAL},
        {"line end in the token",
         {.kind = CREDENTIAL_AWS,
          .key_id = SPAN_CONST("A"),
          .secret = SPAN_CONST("s"),
          .token = SPAN_CONST("a\nb")},
         1,
         -FAIL_CREDENTIAL},
        {"before 1970",
         {.kind = CREDENTIAL_AWS, .key_id = SPAN_CONST("A"), .secret = SPAN_CONST("s")},
         -1,
         -FAIL_CREDENTIAL},
        {"year 10000",
         {.kind = CREDENTIAL_AWS, .key_id = SPAN_CONST("A"), .secret = SPAN_CONST("s")},
         INT64_C(253402300800),
         -FAIL_CREDENTIAL},
        {"fine",
         {.kind = CREDENTIAL_AWS, .key_id = SPAN_CONST("A"), .secret = SPAN_CONST("s")},
         1,
         0},
    };
    struct bench b;
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].why);
        set_plain(&b);
        b.credential = rows[i].credential;
        b.call.now_s = rows[i].now_s;
        EXPECT_EQ(sign(&b), rows[i].want);
        EXPECT_EQ(b.head.field_count, rows[i].want ? 1 : 3);
        bench_fini(&b);
    }
    ROW("no credential at all");
    set_plain(&b);
    EXPECT_EQ(sigv4_sign(&b.call, NULL, SPAN("r"), SPAN("s")), -FAIL_CREDENTIAL);
    ROW("no room in the head");
    while (b.head.field_count < HTTP_FIELDS_MAX - 2)
        add(&b, SPAN("x-amz-meta"), SPAN("v"));
    EXPECT_EQ(sign(&b), -FAIL_OVERLOAD);
    b.head.field_count--;
    EXPECT_EQ(sign(&b), 0);
    bench_fini(&b);
}

/* With less and less memory: refused, the head as it was, and nothing written past the end. */
TEST(memory_used_up) {
    unsigned refused = 0, done = 0;
    for (size_t room = 0; room < 6000; room += 24) {
        struct bench b;
        set_plain(&b);
        b.memory.used_max = ARENA_BLOCK_SIZE;
        ROW("%zu bytes", room);
        /* All of the one block but `room`. */
        arena_alloc(&b.arena, 8);
        arena_alloc(&b.arena, (size_t)(b.arena.end - b.arena.at) - room);
        int rc = sign(&b);
        EXPECT(rc == 0 || rc == -FAIL_OVERLOAD);
        EXPECT_EQ(b.head.field_count, rc ? 1 : 4);
        refused += rc != 0;
        done += rc == 0;
        /* Once there is enough, more is enough too. */
        EXPECT(rc == 0 || !done);
        bench_fini(&b);
    }
    ROW("all");
    EXPECT(refused > 20 && done > 20);
}

TEST(asks_the_arena_alone) {
    struct bench b;
    struct sigv4_cache cache = {.valid = false};
    set_plain(&b);
    b.call.cache = &cache;
    arena_alloc(&b.arena, 8);
    uint64_t before = heap_calls();
    EXPECT_EQ(sign(&b), 0);
    EXPECT_EQ(heap_calls(), before);
    EXPECT(b.arena.used_bytes < ARENA_BLOCK_SIZE);
    bench_fini(&b);
}

TEST(calendar) {
    struct sign_calendar got;
    /* Every 11 hours and a bit, over all years that have four digits up to 2400, then by months. */
    unsigned wrong = 0;
    for (int64_t at = 0; at < INT64_C(253402300800);
         at += at < INT64_C(13569465600) ? 39607 : 2600011) {
        time_t unix_s = at;
        struct tm want;
        gmtime_r(&unix_s, &want);
        wrong += !sign_calendar(at, &got) || got.year != (unsigned)want.tm_year + 1900 ||
                 got.month != (unsigned)want.tm_mon + 1 || got.day != (unsigned)want.tm_mday ||
                 got.hour != (unsigned)want.tm_hour || got.minute != (unsigned)want.tm_min ||
                 got.second != (unsigned)want.tm_sec || got.weekday != (unsigned)want.tm_wday;
    }
    EXPECT_EQ(wrong, 0);
    EXPECT(sign_calendar(INT64_C(253402300799), &got) && got.year == 9999 && got.second == 59);
    EXPECT(!sign_calendar(INT64_C(253402300800), &got));
    EXPECT(!sign_calendar(-1, &got));
}

TEST(clock_skew) {
    static const struct {
        const char *date;
        int64_t now_s;
        bool skewed;
        int64_t skew_s;
    } rows[] = {
        {"Sat, 21 Nov 2026 01:42:03 GMT", 1795225323, false, 7},
        {"Sat, 21 Nov 2026 01:46:03 GMT", 1795225323, false, 7},
        {"Sat, 21 Nov 2026 01:46:04 GMT", 1795225323, true, 241},
        {"Sat, 21 Nov 2026 01:38:02 GMT", 1795225323, true, -241},
        {"Sat, 21 Nov 2026 07:42:03 GMT", 1795225323, true, 21600},
        {"Fri, 31 Dec 9999 23:59:59 GMT", 1795225323, false, 7},
        {"21 Nov 2026", 1795225323, false, 7},
        {"", 1795225323, false, 7},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct http_head head = {.field_count = 0};
        int64_t skew_s = 7;
        ROW("%s", rows[i].date);
        if (*rows[i].date)
            head.fields[head.field_count++] =
                (struct http_field){SPAN("Date"), span_str(rows[i].date)};
        EXPECT_EQ(sigv4_skew(&head, rows[i].now_s, &skew_s), rows[i].skewed);
        EXPECT_EQ(skew_s, rows[i].skew_s);
    }
}
