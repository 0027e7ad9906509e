/* auth_oci.c (pure) - OCI's request signature verified; see auth.h. Facts: OCI documentation "Request
 * Signatures" (draft-cavage-http-signatures-08, rsa-sha256 only). */
#include "bench/auth.h"
#include "bench/fields.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LIST_MAX = 512, SIGNATURE_MAX = 2048 };

static const char DENIED[] = "NotAuthenticated";

static bool refuse(struct auth_refusal *why, const char *detail) {
    return auth_refuse(
        why, DENIED,
        "The required information to complete authentication was not provided or was "
        "incorrect. (%s)",
        detail);
}

/* Copies the quoted value of `name`="..."; false when absent or too long. */
static bool take_quoted(const char *from, const char *name, char *out, size_t size) {
    size_t name_len = strlen(name);
    for (const char *at = from; (at = strstr(at, name)); at++) {
        bool whole = at == from || strchr(", ", at[-1]);
        if (!whole || strncmp(at + name_len, "=\"", 2))
            continue;
        at += name_len + 2;
        size_t len = strcspn(at, "\"");
        if (!at[len] || len >= size)
            return false;
        memcpy(out, at, len);
        out[len] = 0;
        return true;
    }
    return false;
}

/* The names a signature must cover: of every request, and of one with a body. */
static bool covers(const char *list, bool body) {
    static const char *const needed[] = {"date",           "(request-target)", "host",
                                         "content-length", "content-type",     "x-content-sha256"};
    char padded[LIST_MAX + 2], name[40];
    snprintf(padded, sizeof padded, " %s ", list);
    for (size_t i = 0; i < (body ? 6 : 3); i++) {
        snprintf(name, sizeof name, " %s ", needed[i]);
        /* x-date stands in for date where a client cannot set it. */
        if (!strstr(padded, name) && (i || !strstr(padded, " x-date ")))
            return false;
    }
    return true;
}

static bool write_string(const struct auth_request *r, char *list, struct bytes *out) {
    char *save = NULL;
    for (char *name = strtok_r(list, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
        bytes_str(out, bytes_len(out) ? "\n" : "");
        const char *value = fields_find(r->headers, name);
        if (!strcmp(name, "(request-target)")) {
            bytes_str(out, "(request-target): ");
            for (const char *m = r->method; *m; m++)
                bytes_add(out, (char[]){(char)(*m | 0x20)}, 1);
            bytes_fmt(out, " %s", r->target);
        } else if (value) {
            bytes_fmt(out, "%s: %s", name, value);
        } else {
            return false;
        }
    }
    return true;
}

static bool check_date(const struct auth_request *r, int64_t now_s, struct auth_refusal *why) {
    const char *date = fields_find(r->headers, "x-date");
    struct tm tm = {0};
    date = date ? date : fields_find(r->headers, "date");
    if (!date || !strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm))
        return refuse(why, "date");
    int64_t signed_s = (int64_t)timegm(&tm);
    if (signed_s < now_s - AUTH_SKEW_S || signed_s > now_s + AUTH_SKEW_S)
        return refuse(why, "clock skew above 5 minutes");
    return true;
}

static bool check_body(const struct auth_request *r, struct auth_refusal *why) {
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char expected[SHA256_DIGEST_LENGTH * 2];
    const char *sent = fields_find(r->headers, "x-content-sha256");
    SHA256((const uint8_t *)r->body, r->body_len, digest);
    EVP_EncodeBlock((uint8_t *)expected, digest, sizeof digest);
    return (sent && !strcmp(sent, expected)) || refuse(why, "x-content-sha256");
}

static bool check_signature(const struct auth_request *r, EVP_PKEY *key, char *list,
                            const char *text, struct auth_refusal *why) {
    uint8_t signature[SIGNATURE_MAX];
    size_t len = 0;
    struct bytes string = {0};
    bool ok =
        EVP_DecodeBase64(signature, &len, sizeof signature, (const uint8_t *)text, strlen(text)) &&
        write_string(r, list, &string) &&
        auth_rsa_sha256(key, bytes_text(&string), bytes_len(&string), signature, len);
    bytes_free(&string);
    return ok || refuse(why, "signature");
}

bool auth_oci_check(const struct auth_request *r, EVP_PKEY *key, const char *key_id, int64_t now_s,
                    struct auth_refusal *why) {
    const char *text = fields_find(r->headers, "authorization");
    char sent_id[LIST_MAX], list[LIST_MAX], algorithm[32], version[8], signature[SIGNATURE_MAX];
    bool body = strcmp(r->method, "GET") != 0;
    if (!text || strncmp(text, "Signature ", 10) ||
        !take_quoted(text + 10, "keyId", sent_id, sizeof sent_id) ||
        !take_quoted(text + 10, "headers", list, sizeof list) ||
        !take_quoted(text + 10, "algorithm", algorithm, sizeof algorithm) ||
        !take_quoted(text + 10, "version", version, sizeof version) ||
        !take_quoted(text + 10, "signature", signature, sizeof signature))
        return refuse(why, "Authorization");
    if (strcmp(algorithm, "rsa-sha256") || strcmp(version, "1"))
        return refuse(why, "algorithm");
    if (*key_id && strcmp(sent_id, key_id))
        return refuse(why, "keyId");
    if (!covers(list, body))
        return refuse(why, "headers");
    return check_date(r, now_s, why) && (!body || check_body(r, why)) &&
           check_signature(r, key, list, signature, why);
}
