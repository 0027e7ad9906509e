/* tls.c - one TLS session over one BIO of our own.
 *
 *   tls_feed: in = [header|body][header|bo    BIO read: the 5 bytes of a header, then the body,
 *                   ^ used up from the left   copied out of `in`; "again" when it is empty
 *   out.write <- [sealed record]              BIO write: each record, or the flight of a handshake
 *
 * Owns:     the SSL and its BIO, a hold on the certificates, the words of a failure.
 * Borrows:  the fed span until it is used up; `out` and `resume` for its whole life.
 * Promises: bytes in, bytes out: no socket, no clock, no queue of its own; nothing is left in the
 *           thread's error queue.
 * Refuses:  early data, renegotiation, anything after close_notify or a failure.
 */
#include "net/tls.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "core/base.h"
#include "net/tls_context.h"
#include "net/tls_memory.h"

/* A DNS name or an IP literal, with its NUL. */
#define TLS_HOST_MAX 256

struct tls {
    SSL *ssl;       /* owned */
    struct span in; /* fed and not used up; borrowed */
    struct tls_out out;
    enum tls_state state;
    enum fail fail;             /* FAIL_NONE unless the state is FAILED, or out has just refused */
    struct cert_server *server; /* held; exactly one of the two is there */
    struct cert_client *client;
    struct tls_peer
        peer; /* for the callbacks of the context; its `why` becomes the failure's words */
    char host[TLS_HOST_MAX];
    char version[80];
};

static BIO_METHOD *method; /* made by tls_init, never freed: sessions of all threads use it */

const char *tls_state_name(enum tls_state state) {
    switch (state) {
    case TLS_HANDSHAKE: return "handshake";
    case TLS_OPEN: return "open";
    case TLS_CLOSED: return "closed";
    case TLS_FAILED: return "failed";
    }
    return "?";
}

static void tls_set_state(struct tls *t, enum tls_state to) {
    static const unsigned char allowed[] = {
        [TLS_HANDSHAKE] = 1 << TLS_OPEN | 1 << TLS_FAILED,
        [TLS_OPEN] = 1 << TLS_CLOSED | 1 << TLS_FAILED,
        [TLS_CLOSED] = 1 << TLS_FAILED,
        [TLS_FAILED] = 0,
    };
    CHECK(allowed[t->state] & 1 << to);
    t->state = to;
    if (to == TLS_CLOSED || to == TLS_FAILED)
        t->in = (struct span){0};
}

/* ---- the BIO ---- */

static int bio_read(BIO *bio, char *out, int max) {
    struct tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (t->in.n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t n = min_size(t->in.n, max > 0 ? (size_t)max : 0);
    memcpy(out, t->in.p, n);
    t->in = span_from(t->in, n);
    return (int)n;
}

static int bio_write(BIO *bio, const char *bytes, int n) {
    struct tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (t->fail == FAIL_NONE && !t->out.write(t->out.owner, span_of(bytes, (size_t)n)))
        t->fail = FAIL_OVERLOAD;
    /* Without the retry flag it is an end, not "again": a half-sent flight cannot be mended. */
    return t->fail == FAIL_NONE ? n : -1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH; /* the owner of the queue decides when it leaves */
}

static int bio_create(BIO *bio) {
    BIO_set_init(bio, 1);
    return 1;
}

void tls_init(void) {
    CHECK(!method);
    method = BIO_meth_new(0, "hedgerow");
    CHECK(method && BIO_meth_set_read(method, bio_read) && BIO_meth_set_write(method, bio_write) &&
          BIO_meth_set_ctrl(method, bio_ctrl) && BIO_meth_set_create(method, bio_create));
    /* Named here so that the linker takes tls_memory.o out of the archive: the library's own weak
     * references to it do not. Without the hooks all works, at the price of heap calls per record. */
    (void)tls_memory_hooked();
}

/* ---- failures ---- */

/* The library's reasons that send people the wrong way, in better words. */
static const struct reason_words {
    int reason;
    const char *words;
} reason_words[] = {
    {SSL_R_HTTP_REQUEST, "the peer speaks HTTP in clear text"},
    {SSL_R_HTTPS_PROXY_REQUEST, "the peer asks for a proxy (CONNECT) in clear text"},
    {SSL_R_WRONG_VERSION_NUMBER, "the peer's answer is not TLS: is this a clear-text port?"},
    {SSL_R_UNSUPPORTED_PROTOCOL, "the peer speaks neither TLS 1.2 nor 1.3"},
    {SSL_R_NO_SHARED_CIPHER, "no cipher in common"},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "the client showed no certificate"},
    {SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, "a record was changed on its way"},
};

static const char *words_of(uint32_t error) {
    for (size_t i = 0; i < countof(reason_words); i++)
        if (ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == reason_words[i].reason)
            return reason_words[i].words;
    return NULL;
}

/* The error that says most: the first of the TLS layer, else the first. Empties the queue. */
static uint32_t take_error(void) {
    uint32_t chosen = 0, error;
    while ((error = ERR_get_error()) != 0)
        if (!chosen || (ERR_GET_LIB(chosen) != ERR_LIB_SSL && ERR_GET_LIB(error) == ERR_LIB_SSL))
            chosen = error;
    return chosen;
}

/* The call that returned `result` ended the session: finds out why. */
static void tls_break(struct tls *t, int result) {
    int kind = SSL_get_error(t->ssl, result);
    uint32_t error = take_error();
    const char *reason = ERR_reason_error_string(error), *words = words_of(error);
    bool verify = ERR_GET_LIB(error) == ERR_LIB_SSL &&
                  ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED;
    const char *who = t->client ? t->host : "the client";
    if (t->fail == FAIL_OVERLOAD || ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE) {
        t->fail = FAIL_OVERLOAD;
        snprintf(t->peer.why, sizeof t->peer.why, "TLS with %s: no memory", who);
    } else if (verify && *t->peer.why) {
        t->fail = t->client ? FAIL_TLS_CERTIFICATE : FAIL_TLS; /* peer.why says it already */
    } else {
        t->fail = FAIL_TLS;
        if (kind == SSL_ERROR_ZERO_RETURN)
            reason = "CLOSE_NOTIFY", words = "the peer closed during the handshake";
        else if (!reason)
            reason = "no reason given";
        snprintf(t->peer.why, sizeof t->peer.why, "TLS with %s: %s%s%s%s", who, words ? words : "",
                 words ? " (" : "", reason, words ? ")" : "");
    }
    tls_set_state(t, TLS_FAILED);
}

/* ---- beginning and end ---- */

static struct tls *tls_new(SSL_CTX *context, struct tls_out out) {
    CHECK(method && out.write);
    /* By the library's allocator: its per-thread lists keep connections that come and go off the
     * heap. */
    struct tls *t = OPENSSL_malloc(sizeof *t);
    if (!t)
        return NULL;
    memset(t, 0, sizeof *t);
    t->out = out;
    t->ssl = SSL_new(context);
    BIO *bio = t->ssl ? BIO_new(method) : NULL;
    if (!bio || !SSL_set_app_data(t->ssl, &t->peer)) {
        BIO_free(bio);
        SSL_free(t->ssl);
        OPENSSL_free(t);
        ERR_clear_error();
        return NULL;
    }
    BIO_set_data(bio, t);
    SSL_set_bio(t->ssl, bio, bio); /* takes the one reference for both directions */
    SSL_set_shed_handshake_config(t->ssl, 1);
    return t;
}

struct tls *tls_accept(struct cert_server *server, struct tls_out out) {
    struct tls *t = tls_new(cert_server_context(server), out);
    if (!t)
        return NULL;
    t->server = cert_server_hold(server);
    SSL_set_accept_state(t->ssl);
    return t;
}

/* Copies host into out[TLS_HOST_MAX] as certificates write it. False: it can be nobody's name. */
static bool host_copy(const char *host, char *out) {
    size_t n = strlen(host);
    if (n > 2 && host[0] == '[' && host[n - 1] == ']')
        host++, n -= 2;
    else if (n > 0 && host[n - 1] == '.')
        n--;
    if (n == 0 || n >= TLS_HOST_MAX)
        return false;
    memcpy(out, host, n);
    out[n] = 0;
    return true;
}

/* Says whom the certificate must name, and asks for it by name: SNI never carries addresses (RFC
 * 6066 3). */
static bool tls_expect_host(struct tls *t) {
    X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
    unsigned char address[sizeof(struct in6_addr)];
    /* A name only in the subject is no name (RFC 9525 6.3). */
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (inet_pton(AF_INET, t->host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip(param, address, sizeof(struct in_addr));
    if (inet_pton(AF_INET6, t->host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip(param, address, sizeof(struct in6_addr));
    return X509_VERIFY_PARAM_set1_host(param, t->host, strlen(t->host)) &&
           SSL_set_tlsext_host_name(t->ssl, t->host);
}

static void tls_offer_session(struct tls *t) {
    SSL_SESSION *session = tls_resume_take(t->peer.resume, t->peer.bound);
    if (!session)
        return;
    SSL_set_session(t->ssl,
                    session); /* takes a reference of its own; failure means a full handshake */
    SSL_SESSION_free(session);
}

struct tls *tls_connect(struct cert_client *client, const char *host, struct tls_resume *resume,
                        struct tls_out out) {
    struct tls *t = tls_new(cert_client_context(client), out);
    if (!t)
        return NULL;
    t->client = cert_client_hold(client);
    if (!host_copy(host, t->host) || !tls_expect_host(t)) {
        ERR_clear_error();
        tls_free(&t);
        return NULL;
    }
    t->peer.host = t->host;
    t->peer.resume = resume;
    t->peer.bound = span_hash(span_str(t->host)) ^ cert_client_serial(client);
    SSL_set_connect_state(t->ssl);
    SSL_set_renegotiate_mode(t->ssl, ssl_renegotiate_never);
    if (resume)
        tls_offer_session(t);
    ERR_clear_error();
    return t;
}

void tls_free(struct tls **session) {
    struct tls *t = *session;
    *session = NULL;
    if (!t)
        return;
    SSL_free(t->ssl);
    cert_server_drop(&t->server);
    cert_client_drop(&t->client);
    OPENSSL_free(t);
}

/* ---- the handshake ---- */

void tls_feed(struct tls *t, struct span ciphertext) {
    CHECK(t->in.n == 0 || ciphertext.n == 0);
    if (t->state == TLS_CLOSED || t->state == TLS_FAILED)
        return;
    t->in = ciphertext;
}

size_t tls_pending_in(const struct tls *t) { return t->in.n; }

static void tls_opened(struct tls *t) {
    uint16_t group = SSL_get_curve_id(t->ssl);
    const char *name = group ? SSL_get_curve_name(group) : NULL;
    snprintf(t->version, sizeof t->version, "%s %s %s", SSL_get_version(t->ssl),
             SSL_CIPHER_standard_name(SSL_get_current_cipher(t->ssl)), name ? name : "resumed");
    tls_set_state(t, TLS_OPEN);
}

enum tls_state tls_step(struct tls *t) {
    if (t->state != TLS_HANDSHAKE)
        return t->state;
    int result = SSL_do_handshake(t->ssl);
    if (result == 1)
        tls_opened(t);
    else if (SSL_get_error(t->ssl, result) != SSL_ERROR_WANT_READ)
        tls_break(t, result);
    ERR_clear_error();
    return t->state;
}

enum tls_state tls_state(const struct tls *t) { return t->state; }

/* ---- data ---- */

/* One record's worth at most: > 0 bytes, 0 nothing for now or ever. */
static size_t tls_read_some(struct tls *t, char *out, size_t max) {
    int n = SSL_read(t->ssl, out, (int)min_size(max, INT_MAX));
    if (n > 0)
        return (size_t)n;
    int kind = SSL_get_error(t->ssl, n);
    if (kind == SSL_ERROR_ZERO_RETURN)
        tls_set_state(t, TLS_CLOSED);
    else if (kind != SSL_ERROR_WANT_READ)
        tls_break(t, n);
    ERR_clear_error();
    return 0;
}

long tls_read(struct tls *t, char *out, size_t max) {
    size_t n = 0;
    if (t->state == TLS_HANDSHAKE)
        tls_step(t);
    /* Asks only while there is something to ask for: an empty BIO costs as much as opening a small
     * record. */
    while (t->state == TLS_OPEN && n < max && (t->in.n || SSL_pending(t->ssl))) {
        size_t some = tls_read_some(t, out + n, max - n);
        if (some == 0)
            break;
        n += some;
    }
    if (n == 0 && t->state == TLS_FAILED)
        return -(long)t->fail;
    return (long)n;
}

int tls_write(struct tls *t, struct span plain, size_t record_max) {
    CHECK(t->state != TLS_HANDSHAKE && record_max <= TLS_RECORD_MAX);
    if (t->state == TLS_FAILED)
        return -(int)t->fail;
    if (SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN)
        return -FAIL_CLOSED;
    size_t piece_max = record_max ? record_max : TLS_RECORD_MAX;
    while (plain.n) {
        int piece = (int)min_size(plain.n, piece_max);
        int result = SSL_write(t->ssl, plain.p, piece);
        if (result != piece) {
            tls_break(t, result);
            return -(int)t->fail;
        }
        plain = span_from(plain, (size_t)piece);
    }
    return 0;
}

void tls_shutdown(struct tls *t) {
    bool can = t->state == TLS_OPEN || t->state == TLS_CLOSED;
    if (!can || SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN)
        return;
    SSL_shutdown(
        t->ssl); /* 0: sent, the peer's is outstanding. It is read, if it comes, by tls_read */
    ERR_clear_error();
}

/* ---- questions ---- */

enum fail tls_fail(const struct tls *t) { return t->state == TLS_FAILED ? t->fail : FAIL_NONE; }

const char *tls_error(const struct tls *t) { return t->state == TLS_FAILED ? t->peer.why : ""; }

struct span tls_alpn(const struct tls *t) {
    const uint8_t *name;
    unsigned n;
    SSL_get0_alpn_selected(t->ssl, &name, &n);
    return span_of((const char *)name, n);
}

bool tls_resumed(const struct tls *t) {
    return t->state != TLS_HANDSHAKE && SSL_session_reused(t->ssl);
}

const char *tls_version(const struct tls *t) { return t->version; }
