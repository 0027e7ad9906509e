/* oci.c - Oracle Cloud: request signatures and the OpenAI-compatible endpoint. (pure: the time is
 * given)
 *
 * Owns:     private keys, from oci_key_new to oci_key_free; a target's memory is the arena's.
 * Promises: a region's name cannot change the host's domain; the body is hashed where it lies.
 * Refuses:  keys that are encrypted, not RSA, or too short for Oracle and Google. */
#include "providers/oci.h"

#include <errno.h>
#include <limits.h>
#include <openssl/base64.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include "core/base.h"
#include "core/fail.h"
#include "core/heap.h"
#include "providers/openai_target.h"

#define KEY_BITS_MIN 2048
#define KEY_BITS_MAX (8 * OCI_SIGNATURE_MAX)
/* A PEM of 8192 bits has 6 KiB. */
#define PEM_MAX_BYTES 65536
/* "Sat, 21 Nov 2026 01:02:03 GMT" */
#define HTTP_DATE_SIZE 29
/* Fields that signing adds: date, x-content-sha256, authorization. */
#define FIELDS_ADDED       3
#define BASE64_SHA256_SIZE (4 * ((SHA256_DIGEST_LENGTH + 2) / 3))
/* EVP_EncodeBlock ends what it writes with a NUL. */
#define BASE64_MAX(n) (4 * (((n) + 2) / 3) + 1)

/* --- keys --- */

struct oci_key {
    RSA *rsa; /* owned */
    char *id; /* owned; "TENANCY/USER/FINGERPRINT" */
};

/* PEM_read_bio_PrivateKey asks for a password where the file wants one; there is nobody to say it.
 */
static int no_password(char *out, int max, int writing, void *asked) {
    (void)out, (void)max, (void)writing;
    *(bool *)asked = true;
    return -1;
}

/* The caller owns the result; NULL with the reason. */
static RSA *parse(struct span pem, const char **why) {
    bool encrypted = span_search(pem, SPAN("ENCRYPTED")) < pem.n;
    *why = "the private key is not a PEM text";
    if (pem.n == 0 || pem.n > PEM_MAX_BYTES)
        return NULL;
    BIO *bio = BIO_new_mem_buf(pem.p, (ossl_ssize_t)pem.n);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, &encrypted) : NULL;
    RSA *rsa = key ? EVP_PKEY_get1_RSA(key) : NULL;
    if (encrypted)
        *why = "the private key is encrypted; give it without a passphrase";
    else if (key && !rsa)
        *why = "the private key is not an RSA key";
    EVP_PKEY_free(key);
    BIO_free(bio);
    /* Nobody else looks into this thread's queue of errors. */
    ERR_clear_error();
    return rsa;
}

struct oci_key *oci_key_new(struct span key_id, struct span pem, const char **why) {
    if (!http_is_value(key_id) || memchr(key_id.p ? key_id.p : "", '"', key_id.n)) {
        *why = "the key id holds quotes or control characters";
        return NULL;
    }
    RSA *rsa = parse(pem, why);
    if (!rsa)
        return NULL;
    if (RSA_bits(rsa) < KEY_BITS_MIN || RSA_bits(rsa) > KEY_BITS_MAX) {
        *why = "the private key must have 2048 to 8192 bits";
        RSA_free(rsa);
        return NULL;
    }
    struct oci_key *key = heap_alloc(sizeof *key);
    *key = (struct oci_key){.rsa = rsa, .id = heap_text(key_id.p ? key_id.p : "", key_id.n)};
    return key;
}

void oci_key_free(struct oci_key **key) {
    if (!*key)
        return;
    /* BoringSSL wipes the numbers that it frees. */
    RSA_free((*key)->rsa);
    heap_free(&(*key)->id);
    heap_free(key);
}

size_t oci_key_sign(const struct oci_key *key, struct span text, uint8_t out[OCI_SIGNATURE_MAX]) {
    uint8_t digest[SHA256_DIGEST_LENGTH];
    unsigned n = 0;
    SHA256((const uint8_t *)text.p, text.n, digest);
    /* RSA_sign says that it changes the key: its blinding, under a lock of its own. */
    if (!RSA_sign(NID_sha256, digest, sizeof digest, out, &n, key->rsa)) {
        ERR_clear_error();
        return 0;
    }
    return n;
}

/* --- the signature --- */

/* The form of RFC 9110 5.6.7. */
static struct span http_date(int64_t now_s, struct arena *arena) {
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct sign_calendar now;
    if (!sign_calendar(now_s, &now))
        return span_of(NULL, 0);
    return arena_printf(arena, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[now.weekday], now.day,
                        months[now.month - 1], now.year, now.hour, now.minute, now.second);
}

/* Base64 of the body's SHA-256, and its length. */
static struct span hash_body(const struct sign_call *call, uint64_t *length) {
    SHA256_CTX sha;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    *length = 0;
    SHA256_Init(&sha);
    for (unsigned i = 0; i < call->piece_count; i++) {
        SHA256_Update(&sha, call->pieces[i].p, call->pieces[i].n);
        *length += call->pieces[i].n;
    }
    SHA256_Final(digest, &sha);
    uint8_t *out = arena_alloc(call->arena, BASE64_MAX(sizeof digest));
    if (!out)
        return span_of(NULL, 0);
    size_t n = EVP_EncodeBlock(out, digest, sizeof digest);
    CHECK(n == BASE64_SHA256_SIZE);
    return span_of((const char *)out, n);
}

/* The method in small letters, as Oracle wants it in (request-target). */
static struct span small(struct span method, struct arena *arena) {
    char *out = arena_alloc(arena, method.n);
    for (size_t i = 0; out && i < method.n; i++)
        out[i] =
            method.p[i] >= 'A' && method.p[i] <= 'Z' ? (char)(method.p[i] | 0x20) : method.p[i];
    return span_of(out, out ? method.n : 0);
}

/* One line for each signed field, the last one without its end. */
static struct span text_to_sign(const struct sign_call *call, struct span date, struct span hash,
                                uint64_t length) {
    struct span method = small(call->method, call->arena);
    struct span type = http_field(call->head, SPAN("content-type"));
    if (!method.p)
        return span_of(NULL, 0);
    return arena_printf(call->arena,
                        "date: %.*s\n(request-target): %.*s %.*s\nhost: %.*s\n"
                        "content-length: %llu\ncontent-type: %.*s\nx-content-sha256: %.*s",
                        (int)date.n, date.p, (int)method.n, method.p, (int)call->path.n,
                        call->path.p, (int)call->authority.n, call->authority.p,
                        (unsigned long long)length, (int)type.n, type.p, (int)hash.n, hash.p);
}

int oci_sign(struct sign_call *call, const struct oci_key *key) {
    uint8_t signature[OCI_SIGNATURE_MAX], base64[BASE64_MAX(OCI_SIGNATURE_MAX)];
    uint64_t length;
    /* Targets always have one; a signature without it is refused. */
    CHECK(http_field(call->head, SPAN("content-type")).n);
    if (call->head->field_count + FIELDS_ADDED > HTTP_FIELDS_MAX)
        return -FAIL_OVERLOAD;
    struct span date = http_date(call->now_s, call->arena);
    struct span hash = hash_body(call, &length);
    if (!date.p || !hash.p)
        return -FAIL_OVERLOAD;
    struct span text = text_to_sign(call, date, hash, length);
    if (!text.p)
        return -FAIL_OVERLOAD;
    size_t n = oci_key_sign(key, text, signature);
    if (n == 0)
        return -FAIL_CREDENTIAL;
    EVP_EncodeBlock(base64, signature, n);
    struct span authorization =
        arena_printf(call->arena,
                     "Signature version=\"1\",keyId=\"%s\",algorithm=\"rsa-sha256\","
                     "headers=\"date (request-target) host content-length content-type "
                     "x-content-sha256\",signature=\"%s\"",
                     key->id, (const char *)base64);
    if (!authorization.p)
        return -FAIL_OVERLOAD;
    sign_set_field(call->head, SPAN("date"), date);
    sign_set_field(call->head, SPAN("x-content-sha256"), hash);
    sign_set_field(call->head, SPAN("authorization"), authorization);
    return 0;
}

/* --- the provider --- */

/* Realms with a domain of their own; all other regions are in oraclecloud.com. A region is the
 * first row's that it begins with. */
static const struct realm {
    struct span region, domain;
} realms[] = {
    {SPAN_CONST("eu-frankfurt-2"), SPAN_CONST("oraclecloud.eu")},
    {SPAN_CONST("eu-madrid-2"), SPAN_CONST("oraclecloud.eu")},
    {SPAN_CONST("us-gov-"), SPAN_CONST("oraclegovcloud.com")},
    {SPAN_CONST("us-langley-"), SPAN_CONST("oraclegovcloud.com")},
    {SPAN_CONST("us-luke-"), SPAN_CONST("oraclegovcloud.com")},
    {SPAN_CONST("uk-gov-"), SPAN_CONST("oraclegovcloud.uk")},
};

static struct span domain_of(struct span region) {
    for (unsigned i = 0; i < countof(realms); i++)
        if (span_starts(region, realms[i].region))
            return realms[i].domain;
    return SPAN("oraclecloud.com");
}

/* "eu-frankfurt-1": it becomes one label of a host's name. */
static bool is_region(struct span region) {
    for (size_t i = 0; i < region.n; i++) {
        char c = region.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && i > 0)))
            return false;
    }
    return region.n > 0 && region.n < 64;
}

struct span oci_url(const struct provider *provider, struct arena *arena, struct span *why) {
    struct span region = span_str(provider->region);
    if (!is_region(region)) {
        *why = region.n ? SPAN("region is not the name of an OCI region")
                        : SPAN("oci needs a region or a base_url");
        return span_of(NULL, 0);
    }
    struct span domain = domain_of(region);
    struct span url = arena_printf(arena, "https://inference.generativeai.%.*s.oci.%.*s/openai/v1",
                                   (int)region.n, region.p, (int)domain.n, domain.p);
    if (!url.p)
        *why = SPAN("there is no memory for it");
    return url;
}

/* The compartment's two fields, unless the operator gave them himself. 0 or -EINVAL. */
static int add_compartment(const struct provider *provider, struct arena *arena,
                           struct provider_target *out, struct span *why) {
    static const struct span names[] = {SPAN_CONST("CompartmentId"),
                                        SPAN_CONST("opc-compartment-id")};
    struct span compartment = arena_copy(arena, span_str(provider->compartment));
    if (!compartment.n && !span_str(provider->api_key).n) {
        *why = SPAN("oci needs a compartment when requests are signed");
        return -EINVAL;
    }
    if (!http_is_value(compartment) || memchr(compartment.p, ' ', compartment.n)) {
        *why = SPAN("compartment holds blanks or control characters");
        return -EINVAL;
    }
    for (unsigned i = 0; i < countof(names) && compartment.n; i++) {
        bool there = false;
        for (unsigned k = 0; k < out->field_count; k++)
            there = there || span_eq_nocase(out->fields[k].name, names[i]);
        if (there)
            continue;
        if (out->field_count == countof(out->fields)) {
            *why = SPAN("there are too many headers");
            return -EINVAL;
        }
        out->fields[out->field_count++] = (struct http_field){names[i], compartment};
    }
    return 0;
}

int oci_target(const struct provider *provider, enum provider_service service, struct span model,
               struct arena *arena, struct provider_target *out, struct span *why) {
    (void)model; /* stands in the body */
    *out = (struct provider_target){.field_count = 0};
    const char *name = openai_service_path(service);
    if (!name || (service != SERVICE_CHAT && service != SERVICE_RESPONSES)) {
        *why = SPAN("oci has chat completions and responses only");
        return -EINVAL;
    }
    int rc =
        openai_target_path(out, arena_printf(arena, "%s/%s", provider->path_prefix, name), why);
    if (rc == 0)
        rc = openai_target_fields(provider, arena, out, why);
    return rc < 0 ? rc : add_compartment(provider, arena, out, why);
}

int oci_provider_sign(const struct provider *provider, const struct credential *credential,
                      struct sign_call *call) {
    (void)credential; /* no source of OCI credentials changes with time */
    if (span_str(provider->api_key).n)
        return 0;
    return provider->oci_key ? oci_sign(call, provider->oci_key) : -FAIL_CREDENTIAL;
}

/* --- what an answer means --- */

void oci_classify(const struct provider *provider, const struct http_head *head, struct span body,
                  struct provider_verdict *out) {
    /* "API Errors" of Oracle's documentation, where code and status disagree. */
    static const struct {
        struct span code;
        enum fail why;
    } rows[] = {
        {SPAN_CONST("LimitExceeded"), FAIL_QUOTA}, /* 400 */
        {SPAN_CONST("QuotaExceeded"), FAIL_QUOTA}, /* 400 */
        /* 404: of what is in the URI, which the model is not: no policy lets this user in. */
        {SPAN_CONST("NotAuthorizedOrNotFound"), FAIL_UPSTREAM_AUTH},
        /* 400: of what is in the body, which the model is. */
        {SPAN_CONST("RelatedResourceNotAuthorizedOrNotFound"), FAIL_UPSTREAM_MODEL},
    };
    provider_classify_openai(provider, head, body, out);
    for (unsigned i = 0; i < countof(rows) && out->why != FAIL_NONE; i++)
        if (span_eq(out->error.code, rows[i].code)) {
            out->why = rows[i].why;
            return;
        }
}
