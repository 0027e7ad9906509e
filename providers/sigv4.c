/* sigv4.c - AWS Signature Version 4: who asks, for what, with which body, in fifteen minutes only.
 * (pure: the time is given)
 *
 *     canonical request = method, path, query, fields, names of the fields, hash of the body
 *     string to sign    = "AWS4-HMAC-SHA256", time, scope, hash of the canonical request
 *     key               = HMAC(HMAC(HMAC(HMAC("AWS4" secret, day), region), service), TYPE)
 *     signature         = HMAC(key, string to sign); TYPE is "aws4_request"
 *
 * Owns:     nothing; texts are in the arena of the request, the cache belongs to the worker.
 * Promises: memory from the arena alone; the body is hashed where it lies, piece by piece; no key
 *           material stays on the stack.
 * Refuses:  credentials with bytes that could end a field.
 *
 * Source: "Signature Version 4 signing process" of the AWS General Reference, where it is silent
 * aws-c-auth and botocore, whose test vectors are the tests. */
#include "providers/sigv4.h"

#include <openssl/mem.h>
#include <openssl/sha.h>

#include "core/base.h"
#include "core/fail.h"

#define HASH_SIZE  32
#define HASH_BLOCK 64 /* of SHA-256, for HMAC */
#define HEX_SIZE   (2 * HASH_SIZE)
#define DATE_SIZE  16 /* "20261121T010203Z" */
#define DAY_SIZE   8  /* "20261121" */
/* Fields that signing adds: x-amz-date, x-amz-security-token, authorization. */
#define FIELDS_ADDED 3

/* --- hashes --- */

static struct span hex(const uint8_t hash[HASH_SIZE], struct arena *arena) {
    static const char digits[] = "0123456789abcdef";
    char *out = arena_alloc(arena, HEX_SIZE);
    if (!out)
        return span_of(NULL, 0);
    for (unsigned i = 0; i < HASH_SIZE; i++) {
        out[2 * i] = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 15];
    }
    return span_of(out, HEX_SIZE);
}

static struct span hash_body(const struct sign_call *call) {
    SHA256_CTX sha;
    uint8_t hash[HASH_SIZE];
    SHA256_Init(&sha);
    for (unsigned i = 0; i < call->piece_count; i++)
        SHA256_Update(&sha, call->pieces[i].p, call->pieces[i].n);
    SHA256_Final(hash, &sha);
    return hex(hash, call->arena);
}

static void hash_text(struct span text, uint8_t out[HASH_SIZE]) {
    SHA256((const uint8_t *)text.p, text.n, out);
}

/* RFC 2104. By hand, as BoringSSL's own may take from the heap. */
static void hmac(struct span key, struct span text, uint8_t out[HASH_SIZE]) {
    uint8_t pad[HASH_BLOCK] = {0};
    SHA256_CTX sha;
    if (key.n > HASH_BLOCK)
        hash_text(key, pad);
    else if (key.n)
        memcpy(pad, key.p, key.n);
    for (unsigned i = 0; i < HASH_BLOCK; i++)
        pad[i] ^= 0x36;
    SHA256_Init(&sha);
    SHA256_Update(&sha, pad, sizeof pad);
    SHA256_Update(&sha, text.p, text.n);
    SHA256_Final(out, &sha);
    for (unsigned i = 0; i < HASH_BLOCK; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    SHA256_Init(&sha);
    SHA256_Update(&sha, pad, sizeof pad);
    SHA256_Update(&sha, out, HASH_SIZE);
    SHA256_Final(out, &sha);
    OPENSSL_cleanse(pad, sizeof pad);
    OPENSSL_cleanse(&sha, sizeof sha);
}

static struct span hash_span(const uint8_t hash[HASH_SIZE]) {
    return span_of((const char *)hash, HASH_SIZE);
}

/* False: no memory. */
static bool derive(const struct sigv4_signing *s, uint8_t key[HASH_SIZE]) {
    struct span secret = s->credential->secret;
    size_t n = sizeof "AWS4" - 1 + secret.n;
    char *first = arena_alloc(s->call->arena, n);
    if (!first)
        return false;
    memcpy(first, "AWS4", sizeof "AWS4" - 1);
    memcpy(first + sizeof "AWS4" - 1, secret.p, secret.n);
    hmac(span_of(first, n), span_of(s->parts->date.p, DAY_SIZE), key);
    OPENSSL_cleanse(first, n);
    hmac(hash_span(key), s->region, key);
    hmac(hash_span(key), s->service, key);
    hmac(hash_span(key), SPAN("aws4_request"), key);
    return true;
}

/* The key for this day, region, service and secret: from the cache, or derived and put there.
 * False: no memory. */
static bool signing_key(const struct sigv4_signing *s, uint8_t key[HASH_SIZE]) {
    struct sigv4_cache *cache = s->call->cache;
    uint8_t secret_sha256[HASH_SIZE];
    if (!cache || s->scope.n >= sizeof cache->scope)
        return derive(s, key);
    hash_text(s->credential->secret, secret_sha256);
    if (cache->valid && span_eq(span_str(cache->scope), s->scope) &&
        CRYPTO_memcmp(cache->secret_sha256, secret_sha256, HASH_SIZE) == 0) {
        memcpy(key, cache->key, HASH_SIZE);
        return true;
    }
    if (!derive(s, key))
        return false;
    memcpy(cache->secret_sha256, secret_sha256, HASH_SIZE);
    memcpy(cache->key, key, HASH_SIZE);
    span_text(s->scope, cache->scope, sizeof cache->scope);
    cache->valid = true;
    return true;
}

/* --- the signature --- */

/* 0 or -FAIL_OVERLOAD. Needs the canonical request. */
static int make_signature(const struct sigv4_signing *s) {
    struct sigv4_parts *parts = s->parts;
    struct arena *arena = s->call->arena;
    struct span key_id = s->credential->key_id;
    uint8_t hash[HASH_SIZE], key[HASH_SIZE];
    hash_text(parts->canonical, hash);
    struct span canonical_hex = hex(hash, arena);
    if (!canonical_hex.p)
        return -FAIL_OVERLOAD;
    parts->to_sign = arena_printf(arena, "%s\n%.*s\n%.*s\n%.*s", SIGV4_ALGORITHM,
                                  (int)parts->date.n, parts->date.p, (int)s->scope.n, s->scope.p,
                                  (int)canonical_hex.n, canonical_hex.p);
    if (!parts->to_sign.p || !signing_key(s, key))
        return -FAIL_OVERLOAD;
    hmac(hash_span(key), parts->to_sign, hash);
    OPENSSL_cleanse(key, sizeof key);
    parts->signature = hex(hash, arena);
    if (!parts->signature.p)
        return -FAIL_OVERLOAD;
    parts->authorization = arena_printf(
        arena, "%s Credential=%.*s/%.*s, SignedHeaders=%.*s, Signature=%.*s", SIGV4_ALGORITHM,
        (int)key_id.n, key_id.p, (int)s->scope.n, s->scope.p, (int)parts->signed_names.n,
        parts->signed_names.p, (int)parts->signature.n, parts->signature.p);
    return parts->authorization.p ? 0 : -FAIL_OVERLOAD;
}

static bool is_usable(const struct credential *credential) {
    return credential && credential->kind == CREDENTIAL_AWS && credential->key_id.n &&
           credential->secret.n && http_is_value(credential->key_id) &&
           http_is_value(credential->token);
}

int sigv4_parts(struct sign_call *call, const struct credential *credential, struct span region,
                struct span service, const struct sigv4_options *options, struct sigv4_parts *out) {
    struct sign_calendar now;
    struct sigv4_signing s = {call, credential, region, service, options, .parts = out};
    *out = (struct sigv4_parts){.date = {NULL, 0}};
    if (!is_usable(credential) || !sign_calendar(call->now_s, &now))
        return -FAIL_CREDENTIAL;
    out->date = arena_printf(call->arena, "%04u%02u%02uT%02u%02u%02uZ", now.year, now.month,
                             now.day, now.hour, now.minute, now.second);
    out->payload_hex = hash_body(call);
    if (!out->date.p || !out->payload_hex.p)
        return -FAIL_OVERLOAD;
    s.scope = arena_printf(call->arena, "%.*s/%.*s/%.*s/aws4_request", DAY_SIZE, out->date.p,
                           (int)region.n, region.p, (int)service.n, service.p);
    if (!s.scope.p)
        return -FAIL_OVERLOAD;
    int rc = sigv4_canonical(&s);
    return rc < 0 ? rc : make_signature(&s);
}

int sigv4_sign(struct sign_call *call, const struct credential *credential, struct span region,
               struct span service) {
    static const struct sigv4_options options = {.normalise = true, .double_encode = true};
    struct sigv4_parts parts;
    if (call->head->field_count + FIELDS_ADDED > HTTP_FIELDS_MAX)
        return -FAIL_OVERLOAD;
    int rc = sigv4_parts(call, credential, region, service, &options, &parts);
    if (rc < 0)
        return rc;
    sign_set_field(call->head, SPAN("x-amz-date"), parts.date);
    if (credential->token.n)
        sign_set_field(call->head, SPAN("x-amz-security-token"), credential->token);
    sign_set_field(call->head, SPAN("authorization"), parts.authorization);
    return 0;
}

bool sigv4_skew(const struct http_head *head, int64_t now_s, int64_t *skew_s) {
    int64_t date_s;
    if (!provider_http_date(http_field(head, SPAN("date")), &date_s))
        return false;
    int64_t skew = date_s - now_s, off = skew < 0 ? -skew : skew;
    if (off <= SIGV4_SKEW_MIN_S || off > SIGV4_SKEW_MAX_S)
        return false;
    *skew_s = skew;
    return true;
}
