/* wire.h - one TCP connection of a bench program, clear or TLS, server or client side.
 *
 * Owns:     the descriptor, the TLS state and three buffers:
 *
 *              socket -> [recv] -> TLS -> in      (plaintext, waits for the owner)
 *              socket <- [send] <- sealed <- TLS <- out   (plaintext, appended by the owner)
 *
 * Promises: nothing blocks; the peer's close is reported as soon as epoll says so, whatever else
 *           the connection waits for. With `cut` set every send carries that many plaintext bytes
 *           (over TLS: one record each).
 * Refuses:  to call back: wire_ready() returns what happened and the owner acts on it, so that the
 *           owner may free the wire whenever it likes.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include "bench/bytes.h"
#include "bench/poller.h"

#include <openssl/base.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum wire_state {
    WIRE_CLOSED,     /* no descriptor; also before the start */
    WIRE_CONNECTING, /* client: connect() runs */
    WIRE_GREETING,   /* TLS handshake runs */
    WIRE_UP          /* bytes flow */
};

/* What wire_ready() reports; several may come at once. */
enum wire_event {
    WIRE_ON_UP = 1,   /* connected and, with TLS, greeted */
    WIRE_ON_DATA = 2, /* `in` has more bytes than before */
    WIRE_ON_SENT = 4, /* all that was handed over has left for the kernel */
    WIRE_ON_SHUT = 8, /* the peer will send no more: FIN, close_notify or a reset; see `error` */
    WIRE_ON_FAIL = 16 /* the connection cannot go on; `error` or `tls_error` says why */
};

struct wire {
    struct poller *poller; /* borrowed, outlives the wire */
    struct watch watch;    /* its `ready` is set by the owner */
    enum wire_state state;
    SSL *ssl;             /* owned; NULL for clear text */
    struct bytes in, out; /* plaintext */
    struct bytes sealed;  /* TLS records on their way out */
    size_t cut;           /* plaintext bytes per send; 0: no limit */
    int error;            /* errno of the failure or reset, 0 for a clean close */
    bool tls_failed;      /* the failure came from TLS: alert, bad certificate */
    bool paused;          /* reading is off; only the peer's close is noticed */
    char tls_error[120];  /* text of the TLS failure */
};

/* Takes over an accepted, non-blocking descriptor. `ctx` NULL: clear text. watch.ready is set
 * already. */
void wire_accept(struct wire *w, struct poller *p, int fd, SSL_CTX *ctx);
/* Starts a connection; `name` is sent as SNI and checked against the certificate if ctx verifies.
 * The result comes as WIRE_ON_UP or WIRE_ON_FAIL; returns 0, or -errno when it failed on the spot.
 */
int wire_connect(struct wire *w, struct poller *p, const struct sockaddr *to, socklen_t to_len,
                 SSL_CTX *ctx, const char *name);

/* To be called from watch.ready. Returns enum wire_event bits. */
unsigned wire_ready(struct wire *w, uint32_t events);

/* Sends what lies in `out`, as far as the kernel takes it; the rest follows from wire_ready().
 * Returns WIRE_ON_SENT when all went out, WIRE_ON_FAIL on failure, else 0. */
unsigned wire_flush(struct wire *w);

/* Stops or resumes reading; the peer's close is noticed in any case. Resuming serves what has been
 * decrypted already only when the kernel has more, so owners look at `in` first. */
void wire_pause(struct wire *w, bool paused);

/* Closes: with FIN (and close_notify), or with a reset (RST). Buffers are freed. */
void wire_close(struct wire *w);
void wire_reset(struct wire *w);

bool wire_resumed(const struct wire *w);

#endif
