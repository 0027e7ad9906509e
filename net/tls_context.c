/* tls_context.c - the policy of all TLS, in one place.
 *
 * Promises: TLS 1.2 and 1.3 only; forward secrecy and AEAD only (RFC 9325 4.2, RFC 9113 9.2.2);
 *           tickets, no session cache shared by threads; no early data (a replayed request is a
 *           request paid twice), no renegotiation.
 * Refuses:  to know files, hosts and sockets.
 */
#include "net/tls_context.h"

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "core/base.h"
#include "net/tls_resume.h"

/* TLS 1.2; those of 1.3 are the library's and all fine. AES first: every server that matters has
 * AES instructions. */
static const char ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                              "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                              "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

/* ALPN names with their lengths (RFC 7301 3.1), by preference: with h2 a client multiplexes instead
 * of dialling. */
static const uint8_t protocols[] = "\x02h2\x08http/1.1";
enum { PROTOCOLS_ALL = sizeof protocols - 1, PROTOCOLS_H1 = PROTOCOLS_ALL - 3 };

#ifdef SSL_GROUP_X25519_MLKEM768
static bool context_set_groups(SSL_CTX *ctx) {
    static const uint16_t groups[] = {SSL_GROUP_X25519_MLKEM768, SSL_GROUP_X25519,
                                      SSL_GROUP_SECP256R1, SSL_GROUP_SECP384R1};
    return SSL_CTX_set1_group_ids(ctx, groups, countof(groups));
}
#else
static bool context_set_groups(SSL_CTX *ctx) {
    static const int groups[] = {NID_X25519, NID_X9_62_prime256v1, NID_secp384r1};
    return SSL_CTX_set1_curves(ctx, groups, countof(groups));
}
#endif

/* Called for an offer of ours that the client may choose from. No overlap ends the handshake with
 * the alert no_application_protocol (RFC 7301 3.2); a client without ALPN never comes here and
 * speaks HTTP/1.1. */
static int context_choose_protocol(SSL *ssl, const uint8_t **out, uint8_t *out_len,
                                   const uint8_t *in, unsigned in_len, void *http2) {
    (void)ssl;
    const uint8_t *ours = http2 ? protocols : protocols + (PROTOCOLS_ALL - PROTOCOLS_H1);
    unsigned ours_len = http2 ? PROTOCOLS_ALL : PROTOCOLS_H1;
    if (SSL_select_next_proto((uint8_t **)out, out_len, ours, ours_len, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    return SSL_TLSEXT_ERR_OK;
}

/* The names a certificate is good for, as many as fit: for whoever has to find out which machine
 * answered. */
static void certificate_names(X509 *certificate, char *out, size_t max) {
    size_t n = 0;
    out[0] = 0;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (size_t i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS)
            continue;
        int len = ASN1_STRING_length(name->d.dNSName);
        if (len <= 0 || n + (size_t)len + 3 > max)
            break;
        n += (size_t)snprintf(out + n, max - n, "%s%.*s", n ? ", " : "", len,
                              (const char *)ASN1_STRING_get0_data(name->d.dNSName));
    }
    GENERAL_NAMES_free(names);
}

/* Writes what is wrong into peer->why: whose certificate, the verifier's words, and which
 * certificate of the chain. */
static void context_explain(struct tls_peer *peer, X509_STORE_CTX *store) {
    int code = X509_STORE_CTX_get_error(store), depth = X509_STORE_CTX_get_error_depth(store);
    X509 *at = X509_STORE_CTX_get_current_cert(store);
    char about[128] = "";
    bool mismatch = code == X509_V_ERR_HOSTNAME_MISMATCH || code == X509_V_ERR_IP_ADDRESS_MISMATCH;
    if (mismatch && X509_STORE_CTX_get0_cert(store))
        certificate_names(X509_STORE_CTX_get0_cert(store), about, sizeof about);
    else if (at)
        X509_NAME_oneline(X509_get_subject_name(at), about, sizeof about);
    if (peer->host)
        snprintf(peer->why, sizeof peer->why,
                 "the certificate of %s was refused: %s%s%s%s (X509 error %d at depth %d)",
                 peer->host, X509_verify_cert_error_string(code), *about ? ": " : "",
                 mismatch && *about ? "it names " : "", about, code, depth);
    else
        snprintf(peer->why, sizeof peer->why,
                 "the client's certificate was refused: %s%s%s (X509 error %d at depth %d)",
                 X509_verify_cert_error_string(code), *about ? ": " : "", about, code, depth);
    /* Names come from the peer and go to the log: one line, printable. */
    for (char *c = peer->why; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
}

/* Stands where the library would call X509_verify_cert itself, to keep the reason while it is
 * known. */
static int context_verify(X509_STORE_CTX *store, void *unused) {
    (void)unused;
    int ok = X509_verify_cert(store);
    if (ok > 0)
        return ok;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_peer *peer = ssl ? SSL_get_app_data(ssl) : NULL;
    if (peer)
        context_explain(peer, store);
    return ok;
}

/* A server gave a ticket. Returns 1 when the reference is ours now. */
static int context_keep_session(SSL *ssl, SSL_SESSION *session) {
    const struct tls_peer *peer = SSL_get_app_data(ssl);
    return peer && peer->resume && tls_resume_give(peer->resume, peer->bound, session);
}

static SSL_CTX *context_new(void) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    if (!ctx)
        return NULL;
    /* The lists are ours: that the library does not take them is a mistake of ours, or no memory at
     * start. */
    CHECK(SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION));
    CHECK(SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION));
    CHECK(SSL_CTX_set_strict_cipher_list(ctx, ciphers));
    CHECK(context_set_groups(ctx));
    SSL_CTX_set_early_data_enabled(ctx, 0);
    SSL_CTX_set_cert_verify_callback(ctx, context_verify, NULL);
    return ctx;
}

SSL_CTX *tls_context_server(bool http2) {
    SSL_CTX *ctx = context_new();
    if (!ctx)
        return NULL;
    /* Tickets alone: the cache by session id is a locked table that all workers would share. The
     * library makes the ticket keys and changes them every two days, keeping the former for as
     * long. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(ctx, context_choose_protocol, http2 ? ctx : NULL);
    return ctx;
}

SSL_CTX *tls_context_client(bool http2) {
    SSL_CTX *ctx = context_new();
    if (!ctx)
        return NULL;
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, context_keep_session);
    /* Returns 0 on success, unlike its neighbours. */
    CHECK(SSL_CTX_set_alpn_protos(ctx,
                                  http2 ? protocols : protocols + (PROTOCOLS_ALL - PROTOCOLS_H1),
                                  http2 ? PROTOCOLS_ALL : PROTOCOLS_H1) == 0);
    return ctx;
}
