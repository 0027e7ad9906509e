/* sign.h - what authorising one request needs, and the ways that need more than a fixed header.
 * (pure: the time is given) */
#ifndef HEDGEROW_PROVIDERS_SIGN_H
#define HEDGEROW_PROVIDERS_SIGN_H

#include "net/http.h"
#include "providers/credential.h"

/* Body pieces to be sent one behind the other: at most CHAT_EDITS_MAX edits and what is between. */
#define SIGN_PIECES_MAX 160

/* A Signature Version 4 key that was derived before: one per worker and provider. Zero it to begin;
 * owned by the worker, holds key material. */
struct sigv4_cache {
    uint8_t secret_sha256[32]; /* of which secret */
    char scope[96];            /* "20261121/us-east-1/bedrock/aws4_request", NUL-terminated */
    uint8_t key[32];
    bool valid;
};

/* One request about to be sent. */
struct sign_call {
    struct span method;        /* "POST" */
    struct span path;          /* as on the wire, with query */
    struct span authority;     /* as in Host */
    const struct span *pieces; /* the body */
    unsigned piece_count;
    int64_t now_s;             /* Unix time, already corrected by the provider's clock skew */
    struct sigv4_cache *cache; /* of the calling worker; may be NULL */
    struct arena *arena;       /* for the values of added fields; outlives the request's head */
    struct http_head *head;    /* fields so far; signing appends to it */
};

/* AWS Signature Version 4 of `call` (headers form) for `service` in `region`: appends x-amz-date,
 * x-amz-security-token (when there is a session token) and authorization; signs host, content-type
 * and every x-amz-* field that stands in the head. The canonical URI is the wire's path encoded
 * once more (PROVIDERS.md 1.4). 0, -FAIL_OVERLOAD when memory is used up, -FAIL_CREDENTIAL when the
 * credential is no AWS one. */
int sigv4_sign(struct sign_call *call, const struct credential *credential, struct span region,
               struct span service);
/* What one signature was made of; all in the arena. */
struct sigv4_parts {
    struct span date;         /* "20261121T010203Z", the value of x-amz-date */
    struct span payload_hex;  /* SHA-256 of the body */
    struct span signed_names; /* "content-type;host;x-amz-date" */
    struct span canonical;    /* the canonical request */
    struct span to_sign;
    struct span signature; /* hex */
    struct span authorization;
};
/* The choices that Signature Version 4 leaves to a service, and to its test vectors. */
struct sigv4_options {
    bool normalise;     /* RFC 3986 dot segments are removed (all services but S3) */
    bool double_encode; /* the path is encoded once more */
    bool sign_all;      /* every field of the head is signed, but those of the connection */
    bool sign_body;     /* x-amz-content-sha256 is added and signed */
    bool omit_token;    /* x-amz-security-token is added after signing */
    bool query;         /* the query form (presigned URL): expires_s below */
    unsigned expires_s;
};
/* As sigv4_sign without touching the head. */
int sigv4_parts(struct sign_call *call, const struct credential *, struct span region,
                struct span service, const struct sigv4_options *, struct sigv4_parts *out);

/* AWS refuses signatures whose time is 5 minutes off (PROVIDERS.md 1.4); above this the provider's
 * clock is taken for the right one. */
#define SIGV4_SKEW_MIN_S 240
/* More than a year is no clock, and would not get past the certificates. */
#define SIGV4_SKEW_MAX_S (366 * 86400)
/* How far the provider's clock is ahead of ours (before: less than 0), from the Date of its answer;
 * false, with *skew_s untouched, when it has none, is near enough, or is no clock at all. `now_s`
 * is our own clock's time, uncorrected. */
bool sigv4_skew(const struct http_head *head, int64_t now_s, int64_t *skew_s);

/* The field once, with this value, whether it was there or not: a head that is signed again, for
 * another connection, must not have two. There must be room for it. */
void sign_set_field(struct http_head *head, struct span name, struct span value);

/* Unix time as a calendar has it, in UTC. Not gmtime_r(3), which takes a lock of the whole process.
 */
struct sign_calendar {
    unsigned year, month, day; /* month and day count from 1 */
    unsigned hour, minute, second;
    unsigned weekday; /* 0: Sunday */
};
/* False when the year would not have four digits, or before 1970. */
bool sign_calendar(int64_t unix_s, struct sign_calendar *out);

/* OCI request signature, version 1 (RSA-SHA256; PROVIDERS.md 1.6) over date, (request-target),
 * host, content-length, content-type and x-content-sha256: appends date, x-content-sha256 and
 * authorization. Content-Length must go on the wire as the decimal length of the body, and
 * content-type must stand in the head. `key` is a private key that was parsed before (oci_key_new).
 * 0, -FAIL_OVERLOAD, or -FAIL_CREDENTIAL when signing fails. One signature with a key of 2048 bits
 * costs about half a millisecond of processor time, and BoringSSL takes memory for it. */
struct oci_key;
int oci_sign(struct sign_call *call, const struct oci_key *key);
/* Parses a PEM private key (PKCS#8 or PKCS#1, RSA, not encrypted, 2048 to 8192 bits). `key_id` is
 * "TENANCY/USER/FINGERPRINT", copied. NULL with a sentence in *why (static). Const afterwards, may
 * be used by all threads at once. Takes from the heap: for start and control. */
struct oci_key *oci_key_new(struct span key_id, struct span pem, const char **why);
/* Frees *key and nulls it; NULL is fine. No thread may be signing with it. */
void oci_key_free(struct oci_key **key);

/* A Google service account's JWT (RFC 7523; PROVIDERS.md 1.5): header {alg RS256, typ JWT, kid},
 * claims iss, scope, aud, iat, exp = iat + 3600, base64url, signed. {NULL,0} with *why (static)
 * when it cannot be. In the arena. The order of members is that of the fixture's vector. An empty
 * scope or key id is left out: a JWT that is used as a bearer token itself has none. Parses the key
 * anew each time: for control, once an hour. */
struct span gcp_jwt(struct span client_email, struct span key_id, struct span private_key_pem,
                    struct span scope, struct span audience, int64_t now_s, struct arena *,
                    const char **why);

#endif
