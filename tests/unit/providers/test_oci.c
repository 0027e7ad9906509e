/* test_oci.c - Oracle Cloud: the signature against its vector and against a verifier, keys,
 * targets. */
#include <errno.h>
#include <openssl/base64.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include "core/base.h"
#include "core/fail.h"
#include "core/json.h"
#include "core/slab.h"
#include "providers/oci.h"
#include "tests/test.h"

struct bench {
    struct memory memory;
    struct arena arena;
    struct http_head head;
    struct span body;
    struct sign_call call;
};

static void bench_init(struct bench *b) {
    memset(b, 0, sizeof *b);
    memory_init(&b->memory, (size_t)1 << 20, 0);
    arena_init(&b->arena, &b->memory);
    b->head.fields[b->head.field_count++] =
        (struct http_field){SPAN("content-type"), SPAN("application/json")};
    b->body = SPAN("{\"messages\":[]}");
    b->call = (struct sign_call){.method = SPAN("POST"),
                                 .path = SPAN("/openai/v1/chat/completions"),
                                 .authority = SPAN("inference.example"),
                                 .now_s = 1795222923,
                                 .pieces = &b->body,
                                 .piece_count = 1,
                                 .arena = &b->arena,
                                 .head = &b->head};
}

static void bench_fini(struct bench *b) {
    arena_fini(&b->arena);
    memory_fini(&b->memory);
}

static struct span text_at(struct bench *b, struct span json, const char *name) {
    struct span path = span_str(name);
    struct json_token token;
    if (!json_find(json, &path, 1, &token) || token.kind != JSON_STRING)
        return SPAN("");
    char *out = arena_alloc(&b->arena, token.raw.n + 1);
    return span_of(out, (size_t)json_decode(token.raw, false, out, token.raw.n));
}

static void expect_span(struct span got, struct span want) {
    EXPECT_MEM(got.p, got.n, want.p, want.n);
}

TEST(vector) {
    char *text, *pem;
    size_t n = 0, pem_n = 0;
    struct bench b;
    const char *why = NULL, *path = test_shared("fixtures/oci/generated/request-signature.json");
    if (!path)
        SKIP("needs ../shared/fixtures");
    text = test_file(path, &n);
    path = test_shared("fixtures/gcp-oauth/generated/test-only-rsa2048.pem");
    REQUIRE(path != NULL);
    pem = test_file(path, &pem_n);
    bench_init(&b);
    struct span json = span_of(text, n);
    struct span want = text_at(&b, json, "authorization");
    struct span url = span_from(text_at(&b, json, "url"), sizeof "https://" - 1);
    struct span key_id = span_from(want, span_search(want, SPAN("keyId=\"")) + 7);
    key_id.n = span_find(key_id, '"', 0);
    struct oci_key *key = oci_key_new(key_id, span_of(pem, pem_n), &why);
    REQUIRE(key != NULL);
    b.call.authority = span_of(url.p, span_find(url, '/', 0));
    b.call.path = span_from(url, b.call.authority.n);
    b.body = text_at(&b, json, "body");
    EXPECT_EQ(oci_sign(&b.call, key), 0);
    expect_span(http_field(&b.head, SPAN("authorization")), want);
    expect_span(http_field(&b.head, SPAN("date")), SPAN("Sat, 21 Nov 2026 01:02:03 GMT"));
    struct span to_sign = text_at(&b, json, "signing_string");
    expect_span(http_field(&b.head, SPAN("x-content-sha256")),
                span_from(to_sign, span_search(to_sign, SPAN("sha256: ")) + 8));
    EXPECT_EQ(b.head.field_count, 4);
    /* In pieces and once more: the same, and each field once. */
    struct span pieces[] = {span_of(b.body.p, 7), {NULL, 0}, span_from(b.body, 7)};
    b.call.pieces = pieces;
    b.call.piece_count = countof(pieces);
    EXPECT_EQ(oci_sign(&b.call, key), 0);
    expect_span(http_field(&b.head, SPAN("authorization")), want);
    EXPECT_EQ(b.head.field_count, 4);
    oci_key_free(&key);
    EXPECT(key == NULL);
    oci_key_free(&key);
    bench_fini(&b);
    free(text);
    free(pem);
}

/* --- keys --- */

static RSA *new_rsa(int bits) {
    RSA *rsa = RSA_new();
    BIGNUM *e = BN_new();
    EXPECT(rsa && e && BN_set_word(e, RSA_F4) && RSA_generate_key_ex(rsa, bits, e, NULL));
    BN_free(e);
    return rsa;
}

/* What was written, with a NUL; the caller frees it. Closes the BIO. */
static char *text_of(BIO *bio) {
    const uint8_t *bytes;
    size_t n;
    EXPECT(BIO_mem_contents(bio, &bytes, &n));
    char *copy = malloc(n + 1); /* the BIO's bytes have no NUL, which strndup may look for */
    if (!copy)
        abort();
    memcpy(copy, bytes, n);
    copy[n] = 0;
    BIO_free(bio);
    return copy;
}

/* Not const: older BoringSSL has the password so. */
static char *pem_pkcs8(EVP_PKEY *key, char *password) {
    BIO *bio = BIO_new(BIO_s_mem());
    EXPECT(PEM_write_bio_PKCS8PrivateKey(bio, key, password ? EVP_aes_256_cbc() : NULL, password,
                                         password ? (int)strlen(password) : 0, NULL, NULL));
    return text_of(bio);
}

static char *pem_rsa(RSA *rsa, char *password) {
    BIO *bio = BIO_new(BIO_s_mem());
    EXPECT(PEM_write_bio_RSAPrivateKey(bio, rsa, password ? EVP_aes_128_cbc() : NULL,
                                       (uint8_t *)password, password ? (int)strlen(password) : 0,
                                       NULL, NULL));
    return text_of(bio);
}

static bool verifies(RSA *rsa, const char *text, const uint8_t *signature, size_t n) {
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256((const uint8_t *)text, strlen(text), digest);
    return RSA_verify(NID_sha256, digest, sizeof digest, signature, n, rsa);
}

/* Both forms of PEM give the same key, with what else may stand in the file. */
TEST(keys_taken) {
    RSA *rsa = new_rsa(2048);
    EVP_PKEY *pkey = EVP_PKEY_new();
    EXPECT(EVP_PKEY_set1_RSA(pkey, rsa));
    char *pkcs8 = pem_pkcs8(pkey, NULL), *pkcs1 = pem_rsa(rsa, NULL), *labelled, *windows;
    /* The console appends a line; editors change line ends. */
    EXPECT(asprintf(&labelled, "%sOCI_API_KEY\n", pkcs8) > 0);
    windows = calloc(2, strlen(pkcs1) + 1);
    for (size_t i = 0, n = 0; pkcs1[i]; i++) {
        if (pkcs1[i] == '\n')
            windows[n++] = '\r';
        windows[n++] = pkcs1[i];
    }
    EXPECT(strstr(pkcs8, "BEGIN PRIVATE KEY") && strstr(pkcs1, "BEGIN RSA PRIVATE KEY"));
    const char *rows[] = {pkcs8, pkcs1, labelled, windows};
    for (size_t i = 0; i < countof(rows); i++) {
        uint8_t signature[OCI_SIGNATURE_MAX];
        const char *why = "";
        ROW("form %zu", i);
        struct oci_key *key = oci_key_new(SPAN("t/u/f"), span_str(rows[i]), &why);
        EXPECT(key != NULL);
        if (!key)
            continue;
        size_t n = oci_key_sign(key, SPAN("text"), signature);
        EXPECT_EQ(n, 256);
        EXPECT(verifies(rsa, "text", signature, n));
        EXPECT(!verifies(rsa, "texT", signature, n));
        oci_key_free(&key);
    }
    free(pkcs8), free(pkcs1), free(labelled), free(windows);
    EVP_PKEY_free(pkey);
    RSA_free(rsa);
}

TEST(keys_refused) {
    RSA *rsa = new_rsa(2048), *weak = new_rsa(1024);
    EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    EVP_PKEY *pkey = EVP_PKEY_new(), *ec_pkey = EVP_PKEY_new();
    EXPECT(ec && EC_KEY_generate_key(ec) && EVP_PKEY_set1_EC_KEY(ec_pkey, ec));
    EXPECT(EVP_PKEY_set1_RSA(pkey, rsa));
    char password[] = "secret";
    struct {
        const char *what, *key_id, *why;
        char *pem;
    } rows[] = {
        {"encrypted, PKCS#8", "id", "encrypted", pem_pkcs8(pkey, password)},
        {"encrypted, PKCS#1", "id", "encrypted", pem_rsa(rsa, password)},
        {"elliptic", "id", "not an RSA key", pem_pkcs8(ec_pkey, NULL)},
        {"1024 bits", "id", "2048", pem_rsa(weak, NULL)},
        {"empty", "id", "not a PEM", strdup("")},
        {"a path", "id", "not a PEM", strdup("/etc/oci/key.pem")},
        {"no end", "id", "not a PEM", strdup("-----BEGIN PRIVATE KEY-----\nMIIE\n")},
        {"rubbish inside", "id", "not a PEM",
         strdup("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n")},
        {"quote in the id", "a\"b", "key id", pem_rsa(rsa, NULL)},
        {"line end in the id", "a\r\nb: c", "key id", pem_rsa(rsa, NULL)},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        const char *why = "";
        ROW("%s", rows[i].what);
        EXPECT(oci_key_new(span_str(rows[i].key_id), span_str(rows[i].pem), &why) == NULL);
        EXPECT(strstr(why, rows[i].why) != NULL);
        free(rows[i].pem);
    }
    EVP_PKEY_free(pkey), EVP_PKEY_free(ec_pkey);
    EC_KEY_free(ec);
    RSA_free(rsa), RSA_free(weak);
}

/* --- the provider --- */

TEST(urls) {
    static const struct {
        const char *region, *url; /* or a part of the reason */
        bool fine;
    } rows[] = {
        {"eu-frankfurt-1",
         "https://inference.generativeai.eu-frankfurt-1.oci.oraclecloud.com/openai/v1", true},
        {"us-chicago-1",
         "https://inference.generativeai.us-chicago-1.oci.oraclecloud.com/openai/v1", true},
        {"eu-frankfurt-2",
         "https://inference.generativeai.eu-frankfurt-2.oci.oraclecloud.eu/openai/v1", true},
        {"us-gov-ashburn-1",
         "https://inference.generativeai.us-gov-ashburn-1.oci.oraclegovcloud.com/openai/v1", true},
        {NULL, "needs a region", false},
        {"", "needs a region", false},
        {"evil.example/", "not the name", false},
        {"Ashburn", "not the name", false},
        {"-x", "not the name", false},
        {"x@y", "not the name", false},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct bench b;
        struct provider provider = {.region = rows[i].region};
        struct span why = SPAN("");
        ROW("%s", rows[i].region ? rows[i].region : "NULL");
        bench_init(&b);
        struct span url = oci_url(&provider, &b.arena, &why);
        if (rows[i].fine)
            expect_span(url, span_str(rows[i].url));
        else
            EXPECT(!url.p && span_search(why, span_str(rows[i].url)) < why.n);
        bench_fini(&b);
    }
}

TEST(targets) {
    static const struct provider_kind kind = {.name = "oci", .auth = PROVIDER_AUTH_BEARER};
    static const struct http_field own = {SPAN_CONST("compartmentid"), SPAN_CONST("mine")};
    static const struct {
        const char *what, *key, *compartment;
        enum provider_service service;
        bool own;
        const char *path, *authorization, *id, *opc; /* path NULL: a part of the reason in `id` */
    } rows[] = {
        {"signed", NULL, "ocid1.c", SERVICE_CHAT, false, "/openai/v1/chat/completions", "",
         "ocid1.c", "ocid1.c"},
        {"responses", NULL, "ocid1.c", SERVICE_RESPONSES, false, "/openai/v1/responses", "",
         "ocid1.c", "ocid1.c"},
        {"key", "sk-1", NULL, SERVICE_CHAT, false, "/openai/v1/chat/completions", "Bearer sk-1", "",
         ""},
        {"key and compartment", "sk-1", "ocid1.c", SERVICE_CHAT, false,
         "/openai/v1/chat/completions", "Bearer sk-1", "ocid1.c", "ocid1.c"},
        {"operator's own", NULL, "ocid1.c", SERVICE_CHAT, true, "/openai/v1/chat/completions", "",
         "mine", "ocid1.c"},
        {"no compartment", NULL, NULL, SERVICE_CHAT, false, NULL, NULL, "needs a compartment", ""},
        {"bad compartment", NULL, "a b", SERVICE_CHAT, false, NULL, NULL, "blanks", ""},
        {"line end", "k", "a\nb", SERVICE_CHAT, false, NULL, NULL, "control", ""},
        {"embeddings", NULL, "ocid1.c", SERVICE_EMBEDDINGS, false, NULL, NULL, "only", ""},
        {"messages", NULL, "ocid1.c", SERVICE_MESSAGES, false, NULL, NULL, "only", ""},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct bench b;
        struct provider_target target;
        struct span why = SPAN("");
        struct provider provider = {.kind = &kind,
                                    .path_prefix = "/openai/v1",
                                    .api_key = rows[i].key,
                                    .compartment = rows[i].compartment,
                                    .headers = &own,
                                    .header_count = rows[i].own};
        ROW("%s", rows[i].what);
        bench_init(&b);
        int rc = oci_target(&provider, rows[i].service, SPAN("m"), &b.arena, &target, &why);
        EXPECT_EQ(rc, rows[i].path ? 0 : -EINVAL);
        if (rc == 0 && rows[i].path) {
            memcpy(b.head.fields, target.fields, sizeof target.fields);
            b.head.field_count = target.field_count;
            expect_span(target.path, span_str(rows[i].path));
            expect_span(http_field(&b.head, SPAN("authorization")),
                        span_str(rows[i].authorization));
            expect_span(http_field(&b.head, SPAN("CompartmentId")), span_str(rows[i].id));
            expect_span(http_field(&b.head, SPAN("opc-compartment-id")), span_str(rows[i].opc));
        } else {
            EXPECT(span_search(why, span_str(rows[i].id)) < why.n);
        }
        bench_fini(&b);
    }
}

TEST(errors) {
    static const struct {
        unsigned status;
        const char *body;
        enum fail why;
    } rows[] = {
        {200, "{\"code\":\"LimitExceeded\"}", FAIL_NONE},
        {400, "{\"code\":\"InvalidParameter\",\"message\":\"m\"}", FAIL_REFUSED},
        {400, "{\"code\":\"LimitExceeded\",\"message\":\"m\"}", FAIL_QUOTA},
        {400, "{\"code\":\"QuotaExceeded\",\"message\":\"m\"}", FAIL_QUOTA},
        {400, "{\"code\":\"RelatedResourceNotAuthorizedOrNotFound\"}", FAIL_UPSTREAM_MODEL},
        {401, "{\"code\":\"NotAuthenticated\",\"message\":\"m\"}", FAIL_UPSTREAM_AUTH},
        {404, "{\"code\":\"NotAuthorizedOrNotFound\",\"message\":\"m\"}", FAIL_UPSTREAM_AUTH},
        {404, "{\"code\":\"NotFound\",\"message\":\"m\"}", FAIL_UPSTREAM_MODEL},
        {404, "{\"error\":{\"message\":\"m\",\"code\":\"404\"}}", FAIL_UPSTREAM_MODEL},
        {429, "{\"code\":\"TooManyRequests\",\"message\":\"m\"}", FAIL_RATE_LIMITED},
        {500, "{\"code\":\"InternalServerError\",\"message\":\"m\"}", FAIL_UPSTREAM_5XX},
        {503, "", FAIL_OVERLOADED},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct http_head head = {.status = rows[i].status};
        struct provider_verdict verdict;
        ROW("%u %s", rows[i].status, rows[i].body);
        oci_classify(NULL, &head, span_str(rows[i].body), &verdict);
        EXPECT_EQ(verdict.why, rows[i].why);
    }
}

TEST(signs_or_leaves_the_key) {
    RSA *rsa = new_rsa(2048);
    char *pem = pem_rsa(rsa, NULL);
    const char *why = NULL;
    struct oci_key *key = oci_key_new(SPAN("t/u/f"), span_str(pem), &why);
    struct bench b;
    REQUIRE(key != NULL);
    struct provider provider = {.api_key = "sk-1", .oci_key = key};
    bench_init(&b);
    EXPECT_EQ(oci_provider_sign(&provider, NULL, &b.call), 0);
    EXPECT_EQ(b.head.field_count, 1);
    provider.api_key = NULL;
    EXPECT_EQ(oci_provider_sign(&provider, NULL, &b.call), 0);
    EXPECT(span_starts(http_field(&b.head, SPAN("authorization")),
                       SPAN("Signature version=\"1\",keyId=\"t/u/f\",algorithm=\"rsa-sha256\"")));
    provider.oci_key = NULL;
    EXPECT_EQ(oci_provider_sign(&provider, NULL, &b.call), -FAIL_CREDENTIAL);
    /* No room: refused, and the head is as it was. */
    b.head.field_count = HTTP_FIELDS_MAX - 2;
    EXPECT_EQ(oci_sign(&b.call, key), -FAIL_OVERLOAD);
    EXPECT_EQ(b.head.field_count, HTTP_FIELDS_MAX - 2);
    bench_fini(&b);
    oci_key_free(&key);
    free(pem);
    RSA_free(rsa);
}

TEST(memory_used_up) {
    RSA *rsa = new_rsa(2048);
    char *pem = pem_rsa(rsa, NULL);
    const char *why = NULL;
    struct oci_key *key = oci_key_new(SPAN("t/u/f"), span_str(pem), &why);
    unsigned done = 0, refused = 0;
    REQUIRE(key != NULL);
    for (size_t room = 0; room < 1600; room += 40) {
        struct bench b;
        ROW("%zu bytes", room);
        bench_init(&b);
        b.memory.used_max = ARENA_BLOCK_SIZE;
        arena_alloc(&b.arena, 8);
        arena_alloc(&b.arena, (size_t)(b.arena.end - b.arena.at) - room);
        int rc = oci_sign(&b.call, key);
        EXPECT(rc == 0 || rc == -FAIL_OVERLOAD);
        EXPECT_EQ(b.head.field_count, rc ? 1 : 4);
        done += rc == 0, refused += rc != 0;
        bench_fini(&b);
    }
    EXPECT(done > 3 && refused > 3);
    oci_key_free(&key);
    free(pem);
    RSA_free(rsa);
}
