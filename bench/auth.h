/* auth.h (pure) - the providers' ways to prove who sends a request, verified from the received bytes.
 *
 *     auth_sigv4.c   AWS Signature Version 4, the Authorization header form
 *     auth_jwt.c     RS256 tokens (RFC 7515, RFC 7519) and the PEM files that verify them
 *     auth_oci.c     OCI's request signature (an HTTP signature of the draft-cavage family)
 *
 * Promises: everything is computed anew from what came over the wire; comparisons of secrets take the
 *           same time for every difference.
 */
#ifndef BENCH_AUTH_H
#define BENCH_AUTH_H

#include "bench/bytes.h"

#include <openssl/base.h>
#include <stdbool.h>
#include <stdint.h>

enum { AUTH_SKEW_S = 300 }; /* how far a signed date may be off, at AWS and OCI */

struct auth_request {
    const char *method, *target; /* the target as received, not decoded */
    const struct bytes *headers; /* fields.h */
    const char *body;
    size_t body_len;
};

/* Why not: the provider's name for it, and its words. */
struct auth_refusal {
    const char *type;
    char message[400];
};

/* Sets *why and returns false. */
bool auth_refuse(struct auth_refusal *why, const char *type, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool auth_same(const void *a, size_t a_len, const void *b, size_t b_len);

/* ---- AWS ---- */

/* What the Authorization header claims. */
struct auth_sigv4 {
    char access_key[128], date[16], region[64], service[64], signed_headers[1024], signature[80];
};

struct auth_sigv4_keys {
    const char *secret, *session; /* session "": none is to be sent */
    const char *region, *service; /* "": any */
    int64_t now_s;
};

bool auth_sigv4_read(const struct auth_request *r, struct auth_sigv4 *out,
                     struct auth_refusal *why);
bool auth_sigv4_check(const struct auth_request *r, const struct auth_sigv4 *claim,
                      const struct auth_sigv4_keys *keys, struct auth_refusal *why);
/* Appends the canonical request (for tests with the vendor's vectors). */
void auth_sigv4_canonical(const struct auth_request *r, const char *signed_headers,
                          struct bytes *out);

/* ---- tokens signed with RSA ---- */

/* The public key of a PEM file: a public key, a certificate, or a private key. NULL with a reason in
 * error[error_size]; the caller frees with EVP_PKEY_free(). */
EVP_PKEY *auth_key_load(const char *path, char *error, size_t error_size);
bool auth_rsa_sha256(EVP_PKEY *key, const void *data, size_t len, const void *signature,
                     size_t signature_len);

struct auth_jwt_rules {
    EVP_PKEY *key;                 /* NULL: the signature is not looked at */
    const char *issuer, *audience; /* "": any */
    int64_t now_s;
    int64_t lifetime_max_s; /* of exp - iat; 0: any */
};
bool auth_jwt_check(const char *token, const struct auth_jwt_rules *rules,
                    struct auth_refusal *why);

/* ---- OCI ---- */

bool auth_oci_check(const struct auth_request *r, EVP_PKEY *key, const char *key_id, int64_t now_s,
                    struct auth_refusal *why);

#endif
