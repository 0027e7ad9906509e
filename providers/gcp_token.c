/* gcp_token.c - the JWT that a Google service account signs, to be changed for an access token or
 * used as one. (pure: the time is given)
 *
 * Owns:     nothing; the JWT is in the arena, the parsed key is gone on return.
 * Promises: names and scopes are escaped as JSON, whatever is in them.
 * Refuses:  what providers/oci.c refuses of a private key: encrypted, not RSA, too short. */
#include <openssl/base64.h>

#include "core/json.h"
#include "providers/oci.h"

/* Google takes no JWT that is valid for longer (PROVIDERS.md 1.5). */
#define JWT_LIFE_S 3600
/* Header and claims have about 400 bytes. */
#define JSON_EXPECT 512

static void member(struct json_out *out, struct span name, struct span text) {
    json_out_key(out, name);
    json_out_string(out, text);
}

/* {NULL, 0}: no memory. */
static struct span header_of(struct span key_id, struct arena *arena) {
    struct json_out out;
    json_out_arena(&out, arena, JSON_EXPECT);
    json_out_object(&out);
    member(&out, SPAN("alg"), SPAN("RS256"));
    member(&out, SPAN("typ"), SPAN("JWT"));
    if (key_id.n)
        member(&out, SPAN("kid"), key_id);
    json_out_object_end(&out);
    return out.full ? span_of(NULL, 0) : json_out_span(&out);
}

static struct span claims_of(struct span email, struct span scope, struct span audience,
                             int64_t now_s, struct arena *arena) {
    struct json_out out;
    json_out_arena(&out, arena, JSON_EXPECT);
    json_out_object(&out);
    member(&out, SPAN("iss"), email);
    if (scope.n)
        member(&out, SPAN("scope"), scope);
    else /* a JWT that is a bearer token itself says for whom (Google AIP-4111) */
        member(&out, SPAN("sub"), email);
    member(&out, SPAN("aud"), audience);
    json_out_key(&out, SPAN("iat"));
    json_out_int(&out, now_s);
    json_out_key(&out, SPAN("exp"));
    json_out_int(&out, now_s + JWT_LIFE_S);
    json_out_object_end(&out);
    return out.full ? span_of(NULL, 0) : json_out_span(&out);
}

/* RFC 7515 2: base64 with '-' and '_', without '='. */
static void put_base64url(struct json_out *out, struct span bytes, struct arena *arena) {
    char *text = arena_alloc(arena, 4 * ((bytes.n + 2) / 3) + 1);
    if (!text) {
        out->full = true;
        return;
    }
    size_t n = EVP_EncodeBlock((uint8_t *)text, (const uint8_t *)bytes.p, bytes.n);
    while (n > 0 && text[n - 1] == '=')
        n--;
    for (size_t i = 0; i < n; i++)
        text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    json_out_raw(out, span_of(text, n));
}

struct span gcp_jwt(struct span client_email, struct span key_id, struct span private_key_pem,
                    struct span scope, struct span audience, int64_t now_s, struct arena *arena,
                    const char **why) {
    uint8_t signature[OCI_SIGNATURE_MAX];
    struct json_out out;
    struct oci_key *key = oci_key_new(SPAN(""), private_key_pem, why);
    if (!key)
        return span_of(NULL, 0);
    *why = "there is no memory for it";
    struct span header = header_of(key_id, arena);
    struct span claims = claims_of(client_email, scope, audience, now_s, arena);
    json_out_arena(&out, arena, 4 * JSON_EXPECT);
    out.full = out.full || !header.p || !claims.p;
    if (!out.full) {
        put_base64url(&out, header, arena);
        json_out_raw(&out, SPAN("."));
        put_base64url(&out, claims, arena);
    }
    size_t n = out.full ? 0 : oci_key_sign(key, json_out_span(&out), signature);
    oci_key_free(&key);
    if (n == 0) {
        *why = out.full ? *why : "the private key cannot sign";
        return span_of(NULL, 0);
    }
    json_out_raw(&out, SPAN("."));
    put_base64url(&out, span_of((const char *)signature, n), arena);
    return out.full ? span_of(NULL, 0) : json_out_span(&out);
}
