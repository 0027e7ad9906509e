/* auth_jwt.c (pure) - RS256 tokens verified; see auth.h. RFC 7515 (signature), RFC 7519 (claims). */
#include "bench/auth.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

static const char INVALID[] = "invalid_grant";

/* ---- keys ---- */

EVP_PKEY *auth_key_load(const char *path, char *error, size_t error_size) {
    FILE *f = fopen(path, "r");
    if (!f) {
        snprintf(error, error_size, "%s: cannot be opened", path);
        return NULL;
    }
    EVP_PKEY *key = PEM_read_PUBKEY(f, NULL, NULL, NULL);
    rewind(f);
    X509 *certificate = key ? NULL : PEM_read_X509(f, NULL, NULL, NULL);
    rewind(f);
    if (certificate)
        key = X509_get_pubkey(certificate);
    else if (!key)
        key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    X509_free(certificate);
    fclose(f);
    ERR_clear_error();
    if (!key)
        snprintf(error, error_size, "%s: neither a public key nor a certificate in PEM", path);
    return key;
}

bool auth_rsa_sha256(EVP_PKEY *key, const void *data, size_t len, const void *signature,
                     size_t signature_len) {
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = md && EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestVerify(md, signature, signature_len, data, len) == 1;
    EVP_MD_CTX_free(md);
    ERR_clear_error();
    return ok;
}

/* ---- parts ---- */

/* base64url without padding (RFC 7515, 2). Returns malloc()ed bytes with a NUL behind, NULL if the
 * text is not that. */
static char *decode(const char *text, size_t len, size_t *out_len) {
    size_t padded = (len + 3) / 4 * 4;
    char *plain = bytes_alloc(padded + 1, 1), *out = bytes_alloc(padded + 1, 1);
    for (size_t i = 0; i < padded; i++)
        plain[i] = i >= len ? '=' : text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
    bool ok = len % 4 != 1 && !memchr(text, '+', len) && !memchr(text, '/', len) &&
              EVP_DecodeBase64((uint8_t *)out, out_len, padded, (const uint8_t *)plain, padded);
    free(plain);
    if (ok) {
        out[*out_len] = 0;
        return out;
    }
    free(out);
    return NULL;
}

static yyjson_doc *decode_json(const char *text, size_t len) {
    size_t size = 0;
    char *json = decode(text, len, &size);
    yyjson_doc *doc = json ? yyjson_read(json, size, YYJSON_READ_NOFLAG) : NULL;
    free(json);
    return doc;
}

static bool audience_is(yyjson_val *aud, const char *wanted) {
    yyjson_val *item;
    size_t i, max;
    yyjson_arr_foreach(aud, i, max, item) if (yyjson_equals_str(item, wanted)) return true;
    return yyjson_equals_str(aud, wanted);
}

static bool check_claims(yyjson_val *claims, const struct auth_jwt_rules *rules,
                         struct auth_refusal *why) {
    yyjson_val *exp = yyjson_obj_get(claims, "exp"), *iat = yyjson_obj_get(claims, "iat");
    if (*rules->issuer && !yyjson_equals_str(yyjson_obj_get(claims, "iss"), rules->issuer))
        return auth_refuse(why, INVALID, "Invalid grant: account not found");
    if (*rules->audience && !audience_is(yyjson_obj_get(claims, "aud"), rules->audience))
        return auth_refuse(why, INVALID, "Invalid JWT: Failed audience check.");
    if (!yyjson_is_int(exp) || !yyjson_is_int(iat))
        return auth_refuse(why, INVALID, "Invalid JWT: iat and exp must be numbers.");
    if (rules->lifetime_max_s &&
        yyjson_get_sint(exp) > yyjson_get_sint(iat) + rules->lifetime_max_s)
        return auth_refuse(why, INVALID,
                           "Invalid JWT: Token must be a short-lived token (60 minutes) and in a "
                           "reasonable timeframe. Check your iat and exp values in the JWT claim.");
    if (yyjson_get_sint(exp) <= rules->now_s || yyjson_get_sint(iat) > rules->now_s + AUTH_SKEW_S)
        return auth_refuse(why, INVALID,
                           "Invalid JWT: Token is expired or not valid yet. Check your iat and exp "
                           "values in the JWT claim.");
    return true;
}

static bool check_signature(const char *token, size_t signed_len, EVP_PKEY *key,
                            struct auth_refusal *why) {
    size_t len = 0;
    const char *text = token + signed_len + 1;
    char *signature = decode(text, strlen(text), &len);
    bool ok = signature && auth_rsa_sha256(key, token, signed_len, signature, len);
    free(signature);
    return ok || auth_refuse(why, INVALID, "Invalid JWT Signature.");
}

bool auth_jwt_check(const char *token, const struct auth_jwt_rules *rules,
                    struct auth_refusal *why) {
    const char *dot = strchr(token, '.'), *second = dot ? strchr(dot + 1, '.') : NULL;
    if (!second || strchr(second + 1, '.'))
        return auth_refuse(why, INVALID, "Invalid JWT: not three parts.");
    yyjson_doc *head = decode_json(token, (size_t)(dot - token));
    yyjson_doc *body = decode_json(dot + 1, (size_t)(second - dot - 1));
    bool rs256 = yyjson_equals_str(yyjson_obj_get(yyjson_doc_get_root(head), "alg"), "RS256");
    bool ok = body && rs256
                  ? true
                  : auth_refuse(why, INVALID, "Invalid JWT: must be JSON with alg RS256.");
    ok = ok && (!rules->key || check_signature(token, (size_t)(second - token), rules->key, why)) &&
         check_claims(yyjson_doc_get_root(body), rules, why);
    yyjson_doc_free(head);
    yyjson_doc_free(body);
    return ok;
}
