/* wire.c - one TCP connection, clear or TLS; see wire.h. */
#include "bench/wire.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    RECV_BYTES = 64 << 10,     /* one recv call; larger than a TLS record with its head */
    RECORD_BYTES = 16 << 10,   /* plaintext of a full TLS record, RFC 8446, 5.1 */
    SEALED_AT_ONCE = 64 << 10, /* ciphertext gathered before a send */
    CUTS_PER_TURN = 512        /* tiny sends before other connections get their turn */
};

static uint32_t wire_wants(const struct wire *w) {
    uint32_t wants = EPOLLRDHUP;
    if (w->state == WIRE_CONNECTING)
        return wants | EPOLLOUT;
    if (!w->paused)
        wants |= EPOLLIN;
    bool blocked = bytes_len(&w->sealed) || (w->state == WIRE_UP && bytes_len(&w->out));
    return blocked ? wants | EPOLLOUT : wants;
}

static void wire_rearm(struct wire *w) {
    if (w->state != WIRE_CLOSED)
        poller_watch(w->poller, &w->watch, wire_wants(w));
}

static unsigned wire_fail(struct wire *w, int error) {
    if (!w->error)
        w->error = error;
    return WIRE_ON_FAIL;
}

static unsigned wire_fail_tls(struct wire *w) {
    uint32_t code = ERR_peek_error();
    w->tls_failed = true;
    if (code)
        ERR_error_string_n(code, w->tls_error, sizeof w->tls_error);
    else
        snprintf(w->tls_error, sizeof w->tls_error, "TLS failed");
    ERR_clear_error();
    return WIRE_ON_FAIL;
}

/* Gives the wire a TLS engine that reads from and writes to memory. */
static void wire_seal(struct wire *w, SSL_CTX *ctx) {
    w->ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL_set_bio(w->ssl, in, out);
}

static void wire_start(struct wire *w, struct poller *p, int fd) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    w->poller = p;
    w->watch.fd = fd;
}

void wire_accept(struct wire *w, struct poller *p, int fd, SSL_CTX *ctx) {
    wire_start(w, p, fd);
    w->state = ctx ? WIRE_GREETING : WIRE_UP;
    if (ctx) {
        wire_seal(w, ctx);
        SSL_set_accept_state(w->ssl);
    }
    wire_rearm(w);
}

/* Certificates carry names or addresses; which of the two is checked follows from the text. */
static void wire_expect_name(struct wire *w, const char *name) {
    unsigned char address[16];
    X509_VERIFY_PARAM *param = SSL_get0_param(w->ssl);
    if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1) {
        X509_VERIFY_PARAM_set1_ip_asc(param, name);
        return;
    }
    SSL_set_tlsext_host_name(w->ssl, name);
    X509_VERIFY_PARAM_set1_host(param, name, strlen(name));
}

int wire_connect(struct wire *w, struct poller *p, const struct sockaddr *to, socklen_t to_len,
                 SSL_CTX *ctx, const char *name) {
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    wire_start(w, p, fd);
    if (connect(fd, to, to_len) < 0 && errno != EINPROGRESS) {
        int error = errno;
        close(fd);
        return -error;
    }
    w->state = WIRE_CONNECTING;
    if (ctx) {
        wire_seal(w, ctx);
        wire_expect_name(w, name);
        SSL_set_connect_state(w->ssl);
    }
    wire_rearm(w);
    return 0;
}

/* ---- out ---- */

/* Moves the records which TLS wrote into `sealed`. */
static void wire_collect(struct wire *w) {
    BIO *from = SSL_get_wbio(w->ssl);
    size_t len = BIO_pending(from);
    if (!len)
        return;
    int got = BIO_read(from, bytes_room(&w->sealed, len), (int)len);
    if (got > 0)
        w->sealed.end += (size_t)got;
}

/* Sends from the front of `from`, at most `most` bytes. Returns false when it cannot go on now;
 * *failed says whether it never can. */
static bool wire_push(struct wire *w, struct bytes *from, size_t most, bool *failed) {
    size_t len = bytes_len(from) < most ? bytes_len(from) : most;
    ssize_t sent = send(w->watch.fd, bytes_at(from), len, MSG_NOSIGNAL);
    if (sent >= 0) {
        bytes_consume(from, (size_t)sent);
        return (size_t)sent == len;
    }
    *failed = errno != EAGAIN && errno != EINTR;
    if (*failed)
        wire_fail(w, errno);
    return false;
}

static bool wire_encrypt(struct wire *w, size_t len) {
    while (len) {
        size_t piece = len < RECORD_BYTES ? len : RECORD_BYTES;
        int put = SSL_write(w->ssl, bytes_at(&w->out), (int)piece);
        if (put <= 0)
            return false;
        bytes_consume(&w->out, (size_t)put);
        len -= (size_t)put;
    }
    wire_collect(w);
    return true;
}

unsigned wire_flush(struct wire *w) {
    bool failed = false, going = w->state == WIRE_UP || w->state == WIRE_GREETING;
    for (unsigned cuts = 0; going && cuts < CUTS_PER_TURN; cuts++) {
        if (bytes_len(&w->sealed)) {
            going = wire_push(w, &w->sealed, SIZE_MAX, &failed);
            continue;
        }
        size_t len = w->state == WIRE_UP ? bytes_len(&w->out) : 0;
        size_t most = w->cut ? w->cut : w->ssl ? SEALED_AT_ONCE : SIZE_MAX;
        if (!len)
            break;
        if (!w->ssl)
            going = wire_push(w, &w->out, most, &failed);
        else if (!wire_encrypt(w, len < most ? len : most))
            return wire_fail_tls(w);
    }
    if (failed)
        return WIRE_ON_FAIL;
    wire_rearm(w);
    return bytes_len(&w->sealed) || bytes_len(&w->out) ? 0 : WIRE_ON_SENT;
}

/* ---- in ---- */

static unsigned wire_greet(struct wire *w) {
    int done = SSL_do_handshake(w->ssl);
    int why = done == 1 ? SSL_ERROR_NONE : SSL_get_error(w->ssl, done);
    unsigned failed = why == SSL_ERROR_NONE || why == SSL_ERROR_WANT_READ ? 0 : wire_fail_tls(w);
    wire_collect(w);
    if (done == 1)
        w->state = WIRE_UP;
    /* Also after a failure: the alert tells the peer what was wrong. */
    unsigned sent = wire_flush(w);
    return failed | (sent & WIRE_ON_FAIL) | (done == 1 ? WIRE_ON_UP : 0);
}

/* Through a buffer of the thread: with room for a record of its own every idle connection would keep
 * 16 KiB, and there may be ten thousand of them. The same holds for wire_receive(). */
static unsigned wire_decrypt(struct wire *w) {
    static __thread char plain[RECORD_BYTES];
    unsigned events = w->state == WIRE_GREETING ? wire_greet(w) : 0;
    while (w->state == WIRE_UP && !(events & WIRE_ON_FAIL)) {
        int got = SSL_read(w->ssl, plain, sizeof plain);
        if (got > 0) {
            bytes_add(&w->in, plain, (size_t)got);
            events |= WIRE_ON_DATA;
            continue;
        }
        int why = SSL_get_error(w->ssl, got);
        if (why == SSL_ERROR_WANT_READ)
            break;
        events |= why == SSL_ERROR_ZERO_RETURN ? (unsigned)WIRE_ON_SHUT : wire_fail_tls(w);
        break;
    }
    return events;
}

/* Reads what the kernel has. One short read ends it: asking again would only say EAGAIN. */
static unsigned wire_receive(struct wire *w, bool to_the_end) {
    static __thread char raw[RECV_BYTES];
    unsigned events = 0;
    for (;;) {
        ssize_t got = recv(w->watch.fd, raw, sizeof raw, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return events;
        if (got <= 0) {
            w->error = got < 0 ? errno : 0;
            return events | WIRE_ON_SHUT;
        }
        if (w->ssl) {
            BIO_write(SSL_get_rbio(w->ssl), raw, (int)got);
            events |= wire_decrypt(w);
        } else {
            bytes_add(&w->in, raw, (size_t)got);
            events |= WIRE_ON_DATA;
        }
        if (events & (WIRE_ON_FAIL | WIRE_ON_SHUT) || (got < RECV_BYTES && !to_the_end))
            return events;
    }
}

static unsigned wire_connected(struct wire *w) {
    int error = 0;
    socklen_t len = sizeof error;
    getsockopt(w->watch.fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error)
        return wire_fail(w, error);
    w->state = w->ssl ? WIRE_GREETING : WIRE_UP;
    if (w->ssl)
        return wire_greet(w);
    return WIRE_ON_UP | (wire_flush(w) & WIRE_ON_FAIL);
}

unsigned wire_ready(struct wire *w, uint32_t events) {
    unsigned happened = 0;
    bool gone = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    if (w->state == WIRE_CONNECTING)
        return events & (EPOLLOUT | EPOLLERR | EPOLLHUP) ? wire_connected(w) : 0;
    if (gone && w->paused) {
        /* Nothing is read any more; the kernel still knows whether it was a reset. */
        socklen_t len = sizeof w->error;
        getsockopt(w->watch.fd, SOL_SOCKET, SO_ERROR, &w->error, &len);
        return WIRE_ON_SHUT;
    }
    if (gone || events & EPOLLIN)
        happened = wire_receive(w, gone);
    if (events & EPOLLOUT && !(happened & (WIRE_ON_FAIL | WIRE_ON_SHUT)))
        happened |= wire_flush(w);
    return happened;
}

void wire_pause(struct wire *w, bool paused) {
    w->paused = paused;
    wire_rearm(w);
}

/* ---- the end ---- */

static void wire_drop(struct wire *w) {
    if (w->state == WIRE_CLOSED)
        return;
    poller_forget(w->poller, &w->watch);
    close(w->watch.fd);
    if (w->ssl)
        SSL_free(w->ssl);
    w->ssl = NULL;
    bytes_free(&w->in);
    bytes_free(&w->out);
    bytes_free(&w->sealed);
    w->state = WIRE_CLOSED;
}

void wire_close(struct wire *w) {
    if (w->state == WIRE_UP && w->ssl && !w->error && !w->tls_failed) {
        SSL_shutdown(w->ssl);
        ERR_clear_error();
        wire_collect(w);
        wire_flush(w);
    }
    wire_drop(w);
}

void wire_reset(struct wire *w) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (w->state != WIRE_CLOSED)
        setsockopt(w->watch.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    wire_drop(w);
}

bool wire_resumed(const struct wire *w) { return w->ssl && SSL_session_reused(w->ssl); }
