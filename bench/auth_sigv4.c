/* auth_sigv4.c (pure) - AWS Signature Version 4 verified; see auth.h. Facts: AWS General Reference
 * "Signature Version 4 signing process" and aws-c-auth's vectors. */
#include "bench/auth.h"
#include "bench/fields.h"

#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HEX_BYTES = SHA256_DIGEST_LENGTH * 2 + 1, QUERY_MAX = 128, SEGMENTS_MAX = 256 };

static const char ALGORITHM[] = "AWS4-HMAC-SHA256";

bool auth_refuse(struct auth_refusal *why, const char *type, const char *format, ...) {
    va_list args;
    why->type = type;
    va_start(args, format);
    vsnprintf(why->message, sizeof why->message, format, args);
    va_end(args);
    return false;
}

bool auth_same(const void *a, size_t a_len, const void *b, size_t b_len) {
    return a_len == b_len && CRYPTO_memcmp(a, b, a_len) == 0;
}

static void hex(const uint8_t *data, size_t len, char *out) {
    for (size_t i = 0; i < len; i++)
        snprintf(out + 2 * i, 3, "%02x", data[i]);
}

static void hash_hex(const void *data, size_t len, char out[HEX_BYTES]) {
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256(data, len, digest);
    hex(digest, sizeof digest, out);
}

/* ---- the claim ---- */

/* Copies the value of `name`= up to a comma or the end; false when absent or too long. */
static bool take_part(const char *from, const char *name, char *out, size_t size) {
    const char *at = strstr(from, name);
    if (!at)
        return false;
    at += strlen(name);
    size_t len = strcspn(at, ", ");
    if (!len || len >= size)
        return false;
    memcpy(out, at, len);
    out[len] = 0;
    return true;
}

static bool take_scope(char *scope, struct auth_sigv4 *out) {
    char *save = NULL, *part[6] = {0};
    size_t count = 0;
    for (char *p = strtok_r(scope, "/", &save); p && count < 6; p = strtok_r(NULL, "/", &save))
        part[count++] = p;
    if (count != 5 || strcmp(part[4], "aws4_request"))
        return false;
    snprintf(out->access_key, sizeof out->access_key, "%s", part[0]);
    snprintf(out->date, sizeof out->date, "%s", part[1]);
    snprintf(out->region, sizeof out->region, "%s", part[2]);
    snprintf(out->service, sizeof out->service, "%s", part[3]);
    return true;
}

bool auth_sigv4_read(const struct auth_request *r, struct auth_sigv4 *out,
                     struct auth_refusal *why) {
    const char *text = fields_find(r->headers, "authorization");
    char scope[sizeof out->access_key + sizeof out->region + sizeof out->service + 32];
    if (!text)
        return auth_refuse(why, "MissingAuthenticationTokenException",
                           "Missing Authentication Token");
    if (strncmp(text, ALGORITHM, sizeof ALGORITHM - 1) || text[sizeof ALGORITHM - 1] != ' ' ||
        !take_part(text, "Credential=", scope, sizeof scope) || !take_scope(scope, out) ||
        !take_part(text, "SignedHeaders=", out->signed_headers, sizeof out->signed_headers) ||
        !take_part(text, "Signature=", out->signature, sizeof out->signature))
        return auth_refuse(why, "IncompleteSignatureException",
                           "Authorization header requires 'Credential', 'Signature' and "
                           "'SignedHeaders' parameters in the form of %s.",
                           ALGORITHM);
    return true;
}

/* ---- the canonical request ---- */

/* Takes out "." and "" segments and resolves "..": all services but S3 do it. */
static void canonical_path(const char *path, size_t len, struct bytes *out) {
    struct {
        const char *at;
        size_t len;
    } kept[SEGMENTS_MAX];
    size_t count = 0;
    const char *end = path + len;
    bool slash = len && end[-1] == '/';
    while (path < end) {
        const char *stop = memchr(path, '/', (size_t)(end - path));
        size_t part = (size_t)((stop ? stop : end) - path);
        if (part == 2 && !memcmp(path, "..", 2))
            count -= count > 0;
        else if (part && !(part == 1 && *path == '.') && count < SEGMENTS_MAX) {
            kept[count].at = path;
            kept[count++].len = part;
        }
        slash |= !stop && (part <= 2 && part && *path == '.');
        path += part + 1;
    }
    for (size_t i = 0; i < count; i++) {
        bytes_str(out, "/");
        /* The wire's path is encoded already; it is encoded once more: %3A becomes %253A. */
        fields_encode(out, kept[i].at, kept[i].len);
    }
    if (slash || !count)
        bytes_str(out, "/");
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "name\1value": sorts by name, then by value, as no encoded text holds \1. */
static char *query_pair(const char *at, size_t len) {
    const char *equals = memchr(at, '=', len);
    size_t name_len = equals ? (size_t)(equals - at) : len;
    char *name = bytes_dup(at, name_len);
    char *value = equals ? bytes_dup(equals + 1, len - name_len - 1) : bytes_dup("", 0);
    struct bytes pair = {0};
    fields_decode(name, false);
    fields_decode(value, false);
    fields_encode(&pair, name, strlen(name));
    bytes_str(&pair, "\1");
    fields_encode(&pair, value, strlen(value));
    char *text = bytes_dup(bytes_at(&pair), bytes_len(&pair));
    bytes_free(&pair);
    free(name);
    free(value);
    return text;
}

static void canonical_query(const char *query, struct bytes *out) {
    char *pairs[QUERY_MAX];
    size_t count = 0;
    while (*query && count < QUERY_MAX) {
        size_t len = strcspn(query, "&");
        if (len)
            pairs[count++] = query_pair(query, len);
        query += len + (query[len] == '&');
    }
    qsort(pairs, count, sizeof *pairs, by_text);
    for (size_t i = 0; i < count; i++) {
        char *mark = strchr(pairs[i], '\1');
        *mark = '=';
        bytes_str(out, i ? "&" : "");
        bytes_str(out, pairs[i]);
        free(pairs[i]);
    }
}

/* Trimmed, runs of blanks folded into one. */
static void add_folded(struct bytes *out, const char *value) {
    value += strspn(value, " \t");
    while (*value) {
        size_t word = strcspn(value, " \t");
        bytes_add(out, value, word);
        value += word;
        value += strspn(value, " \t");
        bytes_str(out, *value ? " " : "");
    }
}

static void canonical_header(const struct bytes *headers, const char *name, struct bytes *out) {
    bool first = true;
    bytes_fmt(out, "%s:", name);
    for (const char *at = NULL; (at = fields_next(headers, at));) {
        if (strcmp(at, name))
            continue;
        bytes_str(out, first ? "" : ",");
        add_folded(out, fields_value(at));
        first = false;
    }
    bytes_str(out, "\n");
}

void auth_sigv4_canonical(const struct auth_request *r, const char *signed_headers,
                          struct bytes *out) {
    size_t path_len = strcspn(r->target, "?");
    char body_hash[HEX_BYTES];
    char *names = bytes_dup(signed_headers, strlen(signed_headers)), *save = NULL;
    bytes_fmt(out, "%s\n", r->method);
    canonical_path(r->target, path_len, out);
    bytes_str(out, "\n");
    canonical_query(r->target + path_len + (r->target[path_len] == '?'), out);
    bytes_str(out, "\n");
    for (char *name = strtok_r(names, ";", &save); name; name = strtok_r(NULL, ";", &save))
        canonical_header(r->headers, name, out);
    free(names);
    hash_hex(r->body, r->body_len, body_hash);
    bytes_fmt(out, "\n%s\n%s", signed_headers, body_hash);
}

/* ---- the signature ---- */

static void hmac(const void *key, size_t key_len, const char *text,
                 uint8_t out[SHA256_DIGEST_LENGTH]) {
    unsigned len = SHA256_DIGEST_LENGTH;
    HMAC(EVP_sha256(), key, key_len, (const uint8_t *)text, strlen(text), out, &len);
}

static void signature(const struct auth_sigv4 *claim, const char *secret, const char *string,
                      char out[HEX_BYTES]) {
    uint8_t key[SHA256_DIGEST_LENGTH];
    struct bytes first = {0};
    bytes_fmt(&first, "AWS4%s", secret);
    hmac(bytes_at(&first), bytes_len(&first), claim->date, key);
    bytes_free(&first);
    hmac(key, sizeof key, claim->region, key);
    hmac(key, sizeof key, claim->service, key);
    hmac(key, sizeof key, "aws4_request", key);
    hmac(key, sizeof key, string, key);
    hex(key, sizeof key, out);
}

static bool signed_list_has(const char *list, const char *name) {
    size_t len = strlen(name);
    for (const char *at = list; *at;) {
        size_t part = strcspn(at, ";");
        if (part == len && !memcmp(at, name, len))
            return true;
        at += part + (at[part] == ';');
    }
    return false;
}

/* All that AWS itself reads of the request has to be signed. */
static bool check_signed(const struct auth_request *r, const struct auth_sigv4 *claim,
                         struct auth_refusal *why) {
    for (const char *at = NULL; (at = fields_next(r->headers, at));)
        if ((!strncmp(at, "x-amz-", 6) || !strcmp(at, "host")) &&
            !signed_list_has(claim->signed_headers, at))
            return auth_refuse(why, "InvalidSignatureException",
                               "'%.60s' must be a 'SignedHeader' in the AWS Authorization.", at);
    return true;
}

static bool check_date(const struct auth_sigv4 *claim, const char *date, int64_t now_s,
                       struct auth_refusal *why) {
    struct tm tm = {0};
    if (!date || strlen(date) != 16 || !strptime(date, "%Y%m%dT%H%M%SZ", &tm))
        return auth_refuse(why, "IncompleteSignatureException",
                           "Date must be in ISO-8601 'basic format'.");
    if (strncmp(date, claim->date, 8) || strlen(claim->date) != 8)
        return auth_refuse(why, "InvalidSignatureException",
                           "Date in Credential scope does not match YYYYMMDD from ISO-8601 version "
                           "of date from HTTP: '%s' != '%.8s'.",
                           claim->date, date);
    int64_t signed_s = (int64_t)timegm(&tm);
    if (signed_s < now_s - AUTH_SKEW_S || signed_s > now_s + AUTH_SKEW_S)
        return auth_refuse(why, "InvalidSignatureException",
                           "Signature %s: %s is off the server's time by %lld seconds (5 min.)",
                           signed_s < now_s ? "expired" : "not yet current", date,
                           (long long)(signed_s - now_s));
    return true;
}

static bool check_scope(const struct auth_sigv4 *claim, const struct auth_sigv4_keys *keys,
                        struct auth_refusal *why) {
    if (*keys->region && strcmp(keys->region, claim->region))
        return auth_refuse(why, "InvalidSignatureException",
                           "Credential should be scoped to a valid region.");
    if (*keys->service && strcmp(keys->service, claim->service))
        return auth_refuse(why, "InvalidSignatureException",
                           "Credential should be scoped to correct service: '%s'.", keys->service);
    return true;
}

bool auth_sigv4_check(const struct auth_request *r, const struct auth_sigv4 *claim,
                      const struct auth_sigv4_keys *keys, struct auth_refusal *why) {
    const char *session = fields_find(r->headers, "x-amz-security-token");
    const char *date = fields_find(r->headers, "x-amz-date");
    const char *sent_hash = fields_find(r->headers, "x-amz-content-sha256");
    char hash[HEX_BYTES], expected[HEX_BYTES];
    if (!auth_same(session ? session : "", session ? strlen(session) : 0, keys->session,
                   strlen(keys->session)))
        return auth_refuse(why, "UnrecognizedClientException",
                           "The security token included in the request is invalid.");
    if (!check_date(claim, date, keys->now_s, why) || !check_scope(claim, keys, why) ||
        !check_signed(r, claim, why))
        return false;
    hash_hex(r->body, r->body_len, hash);
    if (sent_hash && strcmp(sent_hash, hash))
        return auth_refuse(why, "InvalidSignatureException",
                           "The provided 'x-amz-content-sha256' header does not match what was "
                           "computed.");
    struct bytes text = {0};
    auth_sigv4_canonical(r, claim->signed_headers, &text);
    hash_hex(bytes_at(&text), bytes_len(&text), hash);
    bytes_clear(&text);
    bytes_fmt(&text, "%s\n%s\n%s/%s/%s/aws4_request\n%s", ALGORITHM, date, claim->date,
              claim->region, claim->service, hash);
    signature(claim, keys->secret, bytes_text(&text), expected);
    bytes_free(&text);
    return auth_same(expected, strlen(expected), claim->signature, strlen(claim->signature)) ||
           auth_refuse(why, "InvalidSignatureException",
                       "The request signature we calculated does not match the signature you "
                       "provided. Check your AWS Secret Access Key and signing method. Consult the "
                       "service documentation for details.");
}
