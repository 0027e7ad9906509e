/* conn.h - one connected socket, clear or TLS: bytes in, bytes out, stop, join, close.
 *
 *   ring buffer --[tls_read into loop->scratch]--> on->bytes
 *   conn_write --> plain queue --[tls_write]--> cipher queue --> one send
 *
 * Embedded in its owner (an h1 or h2 session). Output is collected and sent once at the end of the
 * loop's turn. The owner is told on->closed exactly once, as the last call, from the loop and never
 * from inside one of its own calls; then it may free the memory. */
#ifndef HEDGEROW_NET_CONN_H
#define HEDGEROW_NET_CONN_H

#include "core/buf.h"
#include "core/fail.h"
#include "core/loop.h"
#include "net/tls.h"

struct conn;

struct conn_on {
    /* Data may flow: at once for clear text (from the loop), after the handshake for TLS. */
    void (*open)(struct conn *);
    /* Received plaintext, valid during the call; all of it must be taken. */
    void (*bytes)(struct conn *, struct span bytes);
    /* The peer has ended its side cleanly (FIN; close_notify under TLS). */
    void (*end)(struct conn *);
    /* Output fell below OUT_LOW_BYTES after conn_room had said 0. */
    void (*room)(struct conn *);
    void (*closed)(struct conn *, enum fail why);
};

enum conn_state {
    CONN_NEW,       /* conn_init was called; no op armed */
    CONN_HANDSHAKE, /* TLS handshake; owner hears nothing */
    CONN_OPEN,      /* data flows both ways */
    CONN_FINISHING, /* the rest of the output is being sent; input is dropped */
    CONN_LINGERING, /* our side is shut; waiting for the peer's end so that a RST does not eat our
                       last bytes */
    CONN_CLOSING,   /* cancel and close submitted; waiting for the ops to come home */
};

struct conn {
    struct loop *loop;
    const struct conn_on *on;
    struct tls *tls; /* owned; NULL: clear text */
    int fd;          /* owned */
    enum conn_state state;
    enum fail why; /* of CLOSING */
    bool wanted;   /* the owner wants more input */
    bool blocked;  /* conn_room said 0 and room is owed */
    bool ended;    /* the peer has ended its side: nothing more will come */
    bool broken;   /* a send failed: what the peer said before is still read, its end is a reset */
    bool linger;   /* FINISHING: go through LINGERING */
    struct op recv, send, close;
    struct defer flush, begin;
    struct timer clock; /* handshake, blocked reader, lingering */
    uint64_t linger_until_ns;
    struct outq plain, cipher;
    uint64_t received_bytes, sent_bytes;
};

void conn_init(struct conn *, struct loop *loop, int fd, const struct conn_on *on);
/* Clear text: on->open comes in this turn. */
void conn_start(struct conn *);
/* TLS as server or client, finished within limit_ns or closed with FAIL_TLS_TIMEOUT. Takes
 * ownership of *tls, which must have been made with conn_tls_out. */
void conn_start_tls(struct conn *, struct tls **tls, uint64_t limit_ns);
struct tls_out conn_tls_out(struct conn *);
static inline bool conn_is_open(const struct conn *conn) { return conn->state == CONN_OPEN; }
/* Queues bytes (copied). False when memory is used up: the connection is being stopped. Ignored
 * unless OPEN. */
bool conn_write(struct conn *, struct span bytes);
/* As conn_write; large ones are not copied and must live until they are sent or on->closed. */
bool conn_borrow(struct conn *, struct span bytes);
/* Room for n bytes to be filled in place and told with conn_filled; n <= 16 KiB. NULL as
 * conn_write's false. */
char *conn_reserve(struct conn *, size_t n);
void conn_filled(struct conn *, size_t n);
/* Bytes that may be queued before on->room must be waited for. */
size_t conn_room(struct conn *);
/* Starts or stops receiving. Stopped, at most what the kernel has already completed still arrives.
 */
void conn_more(struct conn *, bool wanted);
/* Sends what is queued, then closes: with `linger` only after the peer's end, or when it has sent
 * nothing more for two seconds, or after half a minute. on->closed(FAIL_NONE) follows. */
void conn_finish(struct conn *, bool linger);
/* Cancels everything and closes at once; on->closed(why) follows. The first reason stays. */
void conn_stop(struct conn *, enum fail why);
/* Address of the peer as text "1.2.3.4:567"; returns out. */
const char *conn_peer(struct conn *, char *out, size_t max);

#endif
