/* test_auth.c - signatures and tokens as the simulated clouds verify them (bench/auth_*.c): the vendors'
 * vectors are good, and each change of one makes it bad. */
#include "tests/test.h"

#include "bench/auth.h"
#include "bench/fields.h"
#include "bench/tokens.h"

#include <dirent.h>
#include <openssl/evp.h>
#include <time.h>
#include <yyjson.h>

/* ---- requests as text ---- */

struct parsed {
    char method[16], target[512];
    struct bytes headers;
    struct auth_request request;
};

static void add_field(struct bytes *headers, const char *name, size_t name_len, const char *value,
                      size_t value_len) {
    while (value_len && strchr(" \t\r", value[value_len - 1]))
        value_len--;
    while (value_len && strchr(" \t", *value)) {
        value++;
        value_len--;
    }
    for (size_t i = 0; i < name_len; i++) {
        char lower = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] | 0x20) : name[i];
        bytes_add(headers, &lower, 1);
    }
    bytes_add(headers, "", 1);
    bytes_add(headers, value, value_len);
    bytes_add(headers, "", 1);
}

/* The vectors' request files: lines end with LF, a folded value goes on after blanks. */
static void parse(const char *text, size_t size, struct parsed *out) {
    *out = (struct parsed){0};
    const char *end = text + size, *line = strchr(text, '\n');
    const char *last = line, *blank = text;
    for (const char *c = text; c < line; c++)
        last = *c == ' ' ? c : last;
    while (*blank != ' ')
        blank++;
    snprintf(out->method, sizeof out->method, "%.*s", (int)(blank - text), text);
    snprintf(out->target, sizeof out->target, "%.*s", (int)(last - blank - 1), blank + 1);
    for (line++; line < end && *line != '\n';) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        stop = stop ? stop : end;
        while (stop + 1 < end && (stop[1] == ' ' || stop[1] == '\t')) {
            const char *next = memchr(stop + 1, '\n', (size_t)(end - stop - 1));
            stop = next ? next : end;
        }
        const char *colon = memchr(line, ':', (size_t)(stop - line));
        char value[1024];
        snprintf(value, sizeof value, "%.*s", (int)(stop - colon - 1), colon + 1);
        for (char *c = value; *c; c++)
            *c = *c == '\n' ? ' ' : *c;
        add_field(&out->headers, line, (size_t)(colon - line), value, strlen(value));
        line = stop + 1;
    }
    out->request = (struct auth_request){.method = out->method,
                                         .target = out->target,
                                         .headers = &out->headers,
                                         .body = line < end ? line + 1 : end,
                                         .body_len = line < end ? (size_t)(end - line - 1) : 0};
}

/* ---- AWS ---- */

static const int64_t VECTORS_S = 1440938160; /* 2015-08-30T12:36:00Z */

static char *vector_file(const char *folder, const char *name, size_t *size) {
    char path[9000];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return test_file(path, size);
}

static bool verify(const struct auth_request *r, const struct auth_sigv4_keys *keys,
                   struct auth_refusal *why) {
    struct auth_sigv4 claim;
    return auth_sigv4_read(r, &claim, why) && auth_sigv4_check(r, &claim, keys, why);
}

static void try_vector(const char *folder, unsigned *tried) {
    size_t size = 0, context_size = 0;
    char *text = vector_file(folder, "header-signed-request.txt", &size);
    char *context = vector_file(folder, "context.json", &context_size);
    yyjson_doc *doc = context ? yyjson_read(context, context_size, 0) : NULL;
    yyjson_val *root = yyjson_doc_get_root(doc);
    /* AWS's other services than S3 take all paths for normalized. */
    if (text && yyjson_is_true(yyjson_obj_get(root, "normalize"))) {
        struct parsed p;
        struct auth_refusal why = {.message = ""};
        yyjson_val *credentials = yyjson_obj_get(root, "credentials");
        const char *token = yyjson_get_str(yyjson_obj_get(credentials, "token"));
        struct auth_sigv4_keys keys = {
            .secret = yyjson_get_str(yyjson_obj_get(credentials, "secret_access_key")),
            .session = token ? token : "",
            .region = "us-east-1",
            .service = "service",
            .now_s = VECTORS_S};
        parse(text, size, &p);
        if (!fields_find(&p.headers, "x-amz-security-token"))
            keys.session = "";
        ROW("%s", strrchr(folder, '/') + 1);
        ++*tried;
        if (!verify(&p.request, &keys, &why) &&
            /* One vector signs before it adds the token: AWS's own services refuse that. */
            !strstr(folder, "sts-header-after"))
            FAIL_TEST("%s", why.message);
        keys.secret = "another";
        EXPECT(!verify(&p.request, &keys, &why));
        bytes_free(&p.headers);
    }
    yyjson_doc_free(doc);
    free(context);
    free(text);
}

TEST(bench_auth_sigv4_vectors) {
    const char *root = test_shared("fixtures/sigv4/aws-c-auth");
    char folder[4096], path[8192];
    unsigned tried = 0;
    if (!root)
        SKIP("needs ../shared");
    snprintf(folder, sizeof folder, "%s", root);
    DIR *dir = opendir(folder);
    for (struct dirent *d; dir && (d = readdir(dir));) {
        snprintf(path, sizeof path, "%s/%s", folder, d->d_name);
        if (d->d_name[0] != '.')
            try_vector(path, &tried);
    }
    if (dir)
        closedir(dir);
    EXPECT(tried >= 20);
}

TEST(bench_auth_sigv4_double_encoding) {
    struct bytes headers = {0}, out = {0};
    struct auth_request r = {.method = "POST",
                             .target = "/model/a.b-v1%3A0/converse?b=2&a=%7E1&a=",
                             .headers = &headers,
                             .body = "{}",
                             .body_len = 2};
    add_field(&headers, "Host", 4, "h:8443", 6);
    add_field(&headers, "X-A", 3, "  b   c ", 8);
    auth_sigv4_canonical(&r, "host;x-a", &out);
    EXPECT(strstr(bytes_text(&out), "POST\n/model/a.b-v1%253A0/converse\na=&a=~1&b=2\n"
                                    "host:h:8443\nx-a:b c\n\nhost;x-a\n"));
    bytes_free(&headers);
    bytes_free(&out);
}

TEST(bench_auth_sigv4_refusals) {
    const char *folder = test_shared("fixtures/sigv4/aws-c-auth/post-x-www-form-urlencoded");
    size_t size = 0;
    struct parsed p;
    struct auth_refusal why;
    if (!folder)
        SKIP("needs ../shared");
    char *text = vector_file(folder, "header-signed-request.txt", &size);
    parse(text, size, &p);
    static const struct {
        const char *name, *secret, *session, *region, *service, *body, *target;
        int64_t off_s;
        const char *type; /* NULL: good */
    } rows[] = {
        {"good", NULL, "", "us-east-1", "service", NULL, NULL, 0, NULL},
        {"any scope", NULL, "", "", "", NULL, NULL, 299, NULL},
        {"wrong key", "x", "", "", "", NULL, NULL, 0, "InvalidSignatureException"},
        {"wrong body", NULL, "", "", "", "Param1=value2", NULL, 0, "InvalidSignatureException"},
        {"wrong path", NULL, "", "", "", NULL, "/x", 0, "InvalidSignatureException"},
        {"wrong query", NULL, "", "", "", NULL, "/?a=1", 0, "InvalidSignatureException"},
        {"stale", NULL, "", "", "", NULL, NULL, 301, "InvalidSignatureException"},
        {"of the future", NULL, "", "", "", NULL, NULL, -301, "InvalidSignatureException"},
        {"other region", NULL, "", "eu-west-1", "", NULL, NULL, 0, "InvalidSignatureException"},
        {"other service", NULL, "", "", "bedrock", NULL, NULL, 0, "InvalidSignatureException"},
        {"session missing", NULL, "tok", "", "", NULL, NULL, 0, "UnrecognizedClientException"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct auth_request r = p.request;
        ROW("%s", rows[i].name);
        if (rows[i].body) {
            r.body = rows[i].body;
            r.body_len = strlen(rows[i].body);
        }
        r.target = rows[i].target ? rows[i].target : r.target;
        struct auth_sigv4_keys keys = {
            .secret = rows[i].secret ? rows[i].secret : "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            .session = rows[i].session,
            .region = rows[i].region,
            .service = rows[i].service,
            .now_s = VECTORS_S + rows[i].off_s};
        bool ok = verify(&r, &keys, &why);
        EXPECT_EQ(ok, !rows[i].type);
        if (rows[i].type && !ok)
            EXPECT_STR(why.type, rows[i].type);
    }
    /* A field that AWS reads and the signature does not cover. */
    struct auth_sigv4_keys keys = {"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "", "", "",
                                   VECTORS_S};
    ROW("unsigned x-amz field");
    add_field(&p.headers, "X-Amz-Target", 12, "x", 1);
    EXPECT(!verify(&p.request, &keys, &why));
    bytes_free(&p.headers);
    free(text);
}

TEST(bench_auth_sigv4_broken_headers) {
    static const char *const values[] = {
        "",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=x",
        "AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request, Signature=x",
        "AWS4-HMAC-SHA256 Credential=a/20150830/r/s/other, SignedHeaders=host, Signature=x",
        "AWS4-ECDSA-P256 Credential=a/20150830/r/s/aws4_request, SignedHeaders=host, Signature=x"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct bytes headers = {0};
        struct auth_request r = {"POST", "/", &headers, "", 0};
        struct auth_sigv4 claim;
        struct auth_refusal why;
        ROW("%s", values[i]);
        add_field(&headers, "authorization", 13, values[i], strlen(values[i]));
        EXPECT(!auth_sigv4_read(&r, &claim, &why));
        EXPECT_STR(why.type, "IncompleteSignatureException");
        bytes_free(&headers);
    }
}

/* ---- Google's token ---- */

static EVP_PKEY *public_key(void) {
    const char *path = test_shared("fixtures/gcp-oauth/generated/test-only-rsa2048.pub.pem");
    char error[200];
    return path ? auth_key_load(path, error, sizeof error) : NULL;
}

TEST(bench_auth_jwt) {
    const char *path = test_shared("fixtures/gcp-oauth/generated/service-account-jwt.json");
    size_t size = 0;
    if (!path)
        SKIP("needs ../shared");
    char *text = test_file(path, &size);
    yyjson_doc *doc = yyjson_read(text, size, 0);
    yyjson_val *root = yyjson_doc_get_root(doc), *json = yyjson_obj_get(root, "claims_json");
    yyjson_doc *inner = yyjson_read(yyjson_get_str(json), yyjson_get_len(json), 0);
    yyjson_val *claims = yyjson_doc_get_root(inner);
    const char *jwt = yyjson_get_str(yyjson_obj_get(root, "jwt"));
    EVP_PKEY *key = public_key();
    REQUIRE(jwt && key && claims);
    int64_t iat = yyjson_get_sint(yyjson_obj_get(claims, "iat"));
    const char *iss = yyjson_get_str(yyjson_obj_get(claims, "iss")),
               *aud = yyjson_get_str(yyjson_obj_get(claims, "aud"));
    char broken[4096];
    snprintf(broken, sizeof broken, "%s", jwt);
    broken[strlen(broken) - 5] ^= 1;
    struct {
        const char *name, *token, *issuer, *audience;
        int64_t now_s, most_s;
        bool good;
    } rows[] = {{"good", jwt, iss, aud, iat, 3600, true},
                {"any", jwt, "", "", iat + 1, 0, true},
                {"issuer", jwt, "x", aud, iat, 3600, false},
                {"audience", jwt, iss, "x", iat, 3600, false},
                {"expired", jwt, iss, aud, iat + 3601, 3600, false},
                {"not yet", jwt, iss, aud, iat - 301, 3600, false},
                {"too long a life", jwt, iss, aud, iat, 60, false},
                {"signature", broken, iss, aud, iat, 3600, false},
                {"two parts", "a.b", "", "", iat, 0, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct auth_refusal why;
        struct auth_jwt_rules rules = {key, rows[i].issuer, rows[i].audience, rows[i].now_s,
                                       rows[i].most_s};
        ROW("%s", rows[i].name);
        EXPECT_EQ(auth_jwt_check(rows[i].token, &rules, &why), rows[i].good);
    }
    EVP_PKEY_free(key);
    yyjson_doc_free(inner);
    yyjson_doc_free(doc);
    free(text);
}

/* ---- OCI ---- */

TEST(bench_auth_oci) {
    static const char key_id[] = "ocid1.tenancy.oc1..example/ocid1.user.oc1..example/"
                                 "20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34";
    static const char date[] = "Sat, 21 Nov 2026 01:02:03 GMT";
    const char *path = test_shared("fixtures/oci/generated/request-signature.json");
    size_t size = 0;
    struct tm tm = {0};
    if (!path)
        SKIP("needs ../shared");
    char *text = test_file(path, &size);
    yyjson_doc *doc = yyjson_read(text, size, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    const char *body = yyjson_get_str(yyjson_obj_get(root, "body"));
    const char *authorization = yyjson_get_str(yyjson_obj_get(root, "authorization"));
    EVP_PKEY *key = public_key();
    REQUIRE(body && authorization && key);
    strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    int64_t then_s = (int64_t)timegm(&tm);
    struct {
        const char *name, *host, *body, *key_id;
        int64_t now_s;
        bool good;
    } rows[] = {{"good", NULL, body, key_id, then_s + 299, true},
                {"stale", NULL, body, key_id, then_s + 301, false},
                {"wrong body", NULL, "{}", key_id, then_s, false},
                {"wrong host", "other", body, key_id, then_s, false},
                {"wrong keyId", NULL, body, "a/b/c", then_s, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes headers = {0};
        struct auth_refusal why;
        const char *host = rows[i].host
                               ? rows[i].host
                               : "inference.generativeai.eu-frankfurt-1.oci.oraclecloud.com";
        const char *hash = "1hRxb336ZlNTwjMK87tDctF8+GU3xn44jqUukC+k2E0=";
        ROW("%s", rows[i].name);
        add_field(&headers, "date", 4, date, strlen(date));
        add_field(&headers, "host", 4, host, strlen(host));
        add_field(&headers, "content-length", 14, "273", 3);
        add_field(&headers, "content-type", 12, "application/json", 16);
        add_field(&headers, "x-content-sha256", 16, hash, strlen(hash));
        add_field(&headers, "authorization", 13, authorization, strlen(authorization));
        struct auth_request r = {"POST", "/20231130/actions/chat", &headers, rows[i].body,
                                 strlen(rows[i].body)};
        EXPECT_EQ(auth_oci_check(&r, key, rows[i].key_id, rows[i].now_s, &why), rows[i].good);
        bytes_free(&headers);
    }
    EVP_PKEY_free(key);
    yyjson_doc_free(doc);
    free(text);
}

/* ---- what was issued ---- */

TEST(bench_tokens_expire) {
    struct tokens t;
    struct token got;
    tokens_open(&t);
    for (int i = 0; i < 1000; i++) {
        struct token token = {.expires_s = 100 + i};
        snprintf(token.id, sizeof token.id, "t%d", i);
        snprintf(token.secret, sizeof token.secret, "s%d", i);
        tokens_add(&t, &token);
    }
    EXPECT(tokens_find(&t, "t7", 106, &got));
    EXPECT_STR(got.secret, "s7");
    EXPECT(!tokens_find(&t, "t7", 107, NULL));
    EXPECT(tokens_find(&t, "t999", 107, NULL));
    EXPECT(!tokens_find(&t, "t1000", 0, NULL));
    EXPECT(!tokens_find(&t, "", 0, NULL));
    tokens_close(&t);
}
