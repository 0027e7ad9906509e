/* conn.c - one connected socket. See conn.h. */
#include "net/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

#include "core/limits.h"

/* A reader that takes nothing for so long while OUT_HIGH_BYTES wait for it is gone or hostile. */
#define BLOCKED_LIMIT_NS (60 * NS_PER_S)
/* How long a lingering close waits for the peer to read our last bytes and end its side: as long as
 * it goes on sending (most HTTP libraries send a whole body before they read why it is refused), but
 * not for ever. */
#define LINGER_LIMIT_NS (2 * NS_PER_S)
#define LINGER_TOTAL_NS (30 * NS_PER_S)
/* After a send failed the receive ends at once; this is for a kernel that thinks otherwise. */
#define BROKEN_LIMIT_NS (1 * NS_PER_S)
/* Largest record: less per-record work for bulk; one event never fills it. */
#define RECORD_MAX_BYTES TLS_RECORD_MAX

static void conn_begin(struct defer *defer);
static void conn_flush(struct defer *defer);
static void conn_recv_done(struct op *op, int res, unsigned flags);
static void conn_send_done(struct op *op, int res, unsigned flags);
static void conn_close_done(struct op *op, int res, unsigned flags);
static void conn_clock_fired(struct timer *timer);

static void conn_set_state(struct conn *conn, enum conn_state state) {
    static const unsigned allowed[] = {
        [CONN_NEW] = 1u << CONN_HANDSHAKE | 1u << CONN_OPEN | 1u << CONN_CLOSING,
        [CONN_HANDSHAKE] = 1u << CONN_OPEN | 1u << CONN_CLOSING,
        [CONN_OPEN] = 1u << CONN_FINISHING | 1u << CONN_CLOSING,
        [CONN_FINISHING] = 1u << CONN_LINGERING | 1u << CONN_CLOSING,
        [CONN_LINGERING] = 1u << CONN_CLOSING,
        [CONN_CLOSING] = 0,
    };
    CHECK(allowed[conn->state] & 1u << state);
    conn->state = state;
}

void conn_init(struct conn *conn, struct loop *loop, int fd, const struct conn_on *on) {
    *conn = (struct conn){.loop = loop, .on = on, .fd = fd, .wanted = true};
    op_init(&conn->recv, conn_recv_done);
    op_init(&conn->send, conn_send_done);
    op_init(&conn->close, conn_close_done);
    defer_init(&conn->flush, conn_flush);
    defer_init(&conn->begin, conn_begin);
    timer_init(&conn->clock, conn_clock_fired);
}

static bool tls_write_out(void *owner, struct span bytes) {
    struct conn *conn = owner;
    if (!outq_add(&conn->cipher, &conn->loop->memory, bytes))
        return false;
    loop_defer_last(conn->loop, &conn->flush);
    return true;
}

struct tls_out conn_tls_out(struct conn *conn) {
    return (struct tls_out){.write = tls_write_out, .owner = conn};
}

void conn_start(struct conn *conn) { loop_defer(conn->loop, &conn->begin); }

void conn_start_tls(struct conn *conn, struct tls **tls, uint64_t limit_ns) {
    conn->tls = *tls;
    *tls = NULL;
    conn_set_state(conn, CONN_HANDSHAKE);
    loop_arm(conn->loop, &conn->clock, limit_ns);
    loop_defer(conn->loop, &conn->begin);
}

static void handshake(struct conn *conn);

static void conn_begin(struct defer *defer) {
    struct conn *conn = container_of(defer, struct conn, begin);
    if (conn->state == CONN_CLOSING)
        return;
    io_recv(conn->loop, &conn->recv, conn->fd);
    if (conn->tls) {
        handshake(conn);
        return;
    }
    conn_set_state(conn, CONN_OPEN);
    conn->on->open(conn);
}

/* An alert that says why may be queued: it is tried once, without waiting, so that the peer sees
 * more than a reset. */
static void fail_handshake(struct conn *conn, enum fail why) {
    struct span alert = outq_front(&conn->cipher);
    if (alert.n > 0 && !conn->send.armed)
        ring_send_now(conn->loop->ring, conn->fd, alert.p, alert.n);
    conn_stop(conn, why);
}

/* Drives the handshake; tells the owner once when data may flow. */
static void handshake(struct conn *conn) {
    switch (tls_step(conn->tls)) {
    case TLS_HANDSHAKE: break;
    case TLS_CLOSED: fail_handshake(conn, FAIL_TLS); break;
    case TLS_FAILED: fail_handshake(conn, tls_fail(conn->tls)); break;
    case TLS_OPEN:
        loop_disarm(conn->loop, &conn->clock);
        conn_set_state(conn, CONN_OPEN);
        conn->on->open(conn);
        break;
    }
}

static void decrypt(struct conn *conn, struct span cipher) {
    tls_feed(conn->tls, cipher);
    if (conn->state == CONN_HANDSHAKE)
        handshake(conn);
    while (conn->state == CONN_OPEN) {
        long n = tls_read(conn->tls, conn->loop->scratch, LOOP_SCRATCH_SIZE);
        if (n < 0) {
            conn_stop(conn, (enum fail) - n);
        } else if (n > 0) {
            conn->on->bytes(conn, span_of(conn->loop->scratch, (size_t)n));
        } else {
            bool ended = tls_state(conn->tls) == TLS_CLOSED;
            if (ended && !conn->ended) {
                conn->ended = true;
                conn->on->end(conn);
            }
            return;
        }
    }
    tls_feed(
        conn->tls,
        span_of("",
                0)); /* the owner ended it: what is left is not wanted and will not stay valid */
}

static void linger_on(struct conn *conn) {
    uint64_t now_ns = conn->loop->now_ns, until_ns = conn->linger_until_ns;
    if (until_ns > now_ns)
        loop_arm(conn->loop, &conn->clock, min_u64(LINGER_LIMIT_NS, until_ns - now_ns));
}

static void received(struct conn *conn, struct span bytes) {
    conn->received_bytes += bytes.n;
    switch (conn->state) {
    case CONN_HANDSHAKE: decrypt(conn, bytes); break;
    case CONN_OPEN:
        if (conn->tls)
            decrypt(conn, bytes);
        else
            conn->on->bytes(conn, bytes);
        break;
    case CONN_LINGERING: linger_on(conn); break;
    case CONN_NEW:
    case CONN_FINISHING: /* nobody wants it any more */
    case CONN_CLOSING: break;
    }
}

static void ended(struct conn *conn) {
    bool before = conn->ended;
    conn->ended = true;
    switch (conn->state) {
    case CONN_HANDSHAKE: conn_stop(conn, FAIL_TLS); break;
    case CONN_OPEN:
        /* Under TLS only close_notify is a clean end (RFC 8446 6.1); a bare FIN may be an
         * attacker's cut. */
        if (conn->broken)
            conn_stop(conn, FAIL_RESET); /* the failed send took the error with it */
        else if (conn->tls)
            conn_stop(conn, before ? FAIL_NONE : FAIL_CLOSED);
        else if (!before)
            conn->on->end(conn);
        break;
    case CONN_LINGERING: conn_stop(conn, FAIL_NONE); break;
    case CONN_NEW:
    case CONN_FINISHING:
    case CONN_CLOSING: break;
    }
}

static void conn_join(struct conn *conn);

static void conn_recv_done(struct op *op, int res, unsigned flags) {
    struct conn *conn = container_of(op, struct conn, recv);
    if (res > 0) {
        received(conn, span_of(io_bytes(conn->loop, flags), (size_t)res));
        io_bytes_give(conn->loop, flags);
    } else if (res == 0) {
        ended(conn);
    } else if (res != -ECANCELED && conn->state != CONN_CLOSING) {
        conn_stop(conn, FAIL_RESET);
    }
    if (conn->state == CONN_CLOSING) {
        conn_join(conn);
    } else if (!op->armed && res != 0 && conn->wanted) {
        io_recv(conn->loop, &conn->recv,
                conn->fd); /* a multishot ends for many reasons: overflow, no buffer, conn_more */
    }
}

bool conn_write(struct conn *conn, struct span bytes) {
    if (!conn_is_open(conn))
        return true;
    if (!outq_add(&conn->plain, &conn->loop->memory, bytes)) {
        conn_stop(conn, FAIL_OVERLOAD);
        return false;
    }
    loop_defer_last(conn->loop, &conn->flush);
    return true;
}

bool conn_borrow(struct conn *conn, struct span bytes) {
    if (!conn_is_open(conn))
        return true;
    if (!outq_borrow(&conn->plain, &conn->loop->memory, bytes)) {
        conn_stop(conn, FAIL_OVERLOAD);
        return false;
    }
    loop_defer_last(conn->loop, &conn->flush);
    return true;
}

char *conn_reserve(struct conn *conn, size_t n) {
    if (!conn_is_open(conn))
        return NULL;
    char *room = outq_room(&conn->plain, &conn->loop->memory, n);
    if (!room)
        conn_stop(conn, FAIL_OVERLOAD);
    return room;
}

void conn_filled(struct conn *conn, size_t n) {
    outq_filled(&conn->plain, n);
    loop_defer_last(conn->loop, &conn->flush);
}

static size_t waiting_bytes(const struct conn *conn) {
    return conn->plain.bytes + conn->cipher.bytes;
}

size_t conn_room(struct conn *conn) {
    size_t waiting = waiting_bytes(conn);
    if (waiting < OUT_HIGH_BYTES)
        return OUT_HIGH_BYTES - waiting;
    if (!conn->blocked && conn_is_open(conn)) {
        conn->blocked = true;
        loop_arm(conn->loop, &conn->clock, BLOCKED_LIMIT_NS);
    }
    return 0;
}

/* Seals as much of the plaintext as keeps the ciphertext queue bounded. */
static void seal(struct conn *conn) {
    while (conn->plain.bytes > 0 && conn->cipher.bytes < OUT_HIGH_BYTES) {
        struct span front = outq_front(&conn->plain);
        front.n = min_size(front.n, OUT_HIGH_BYTES);
        int error = tls_write(conn->tls, front, RECORD_MAX_BYTES);
        if (error < 0) {
            conn_stop(conn, (enum fail) - error);
            return;
        }
        outq_sent(&conn->plain, &conn->loop->memory, front.n);
    }
}

/* All output is sent: the second half of conn_finish. */
static void finished(struct conn *conn) {
    if (!conn->linger || conn->ended) {
        conn_stop(conn, FAIL_NONE);
        return;
    }
    conn_set_state(conn, CONN_LINGERING);
    ring_shutdown(conn->loop->ring, conn->fd);
    conn->linger_until_ns = conn->loop->now_ns + LINGER_TOTAL_NS;
    linger_on(conn);
    conn_more(conn, true);
}

static void drop_output(struct conn *conn) {
    outq_drop(&conn->plain, &conn->loop->memory);
    outq_drop(&conn->cipher, &conn->loop->memory);
}

static void conn_flush(struct defer *defer) {
    struct conn *conn = container_of(defer, struct conn, flush);
    if (conn->state == CONN_CLOSING)
        return;
    if (conn->send.armed) {
        if (conn->send.eager) /* what was added since waits for it */
            loop_hurry(conn->loop);
        return;
    }
    if (conn->broken)
        drop_output(conn);
    if (conn->tls && (conn->state == CONN_OPEN || conn->state == CONN_FINISHING)) {
        seal(conn);
        if (conn->state == CONN_CLOSING)
            return;
        if (conn->state == CONN_FINISHING && conn->plain.bytes == 0)
            tls_shutdown(conn->tls);
    }
    struct outq *queue = conn->tls ? &conn->cipher : &conn->plain;
    if (queue->bytes == 0) {
        if (conn->state == CONN_FINISHING)
            finished(conn);
        return;
    }
    struct span front = outq_front(queue);
    io_send(conn->loop, &conn->send, conn->fd, front.p, front.n);
    /* More bytes, the end, or a producer: they wait for this send. */
    if (waiting_bytes(conn) > front.n || conn->state == CONN_FINISHING || conn->blocked)
        loop_hurry(conn->loop);
}

/* The peer takes no more. What it said before may be the reason, an answer to half a request (RFC
 * 9112 9.5): it lies in the receive buffer, and the end of the connection behind it. */
static void send_failed(struct conn *conn) {
    if (!conn_is_open(conn) || !conn->recv.armed) {
        conn_stop(conn, FAIL_RESET);
        return;
    }
    conn->broken = true;
    drop_output(conn);
    loop_arm(conn->loop, &conn->clock, BROKEN_LIMIT_NS);
}

static void conn_send_done(struct op *op, int res, unsigned flags) {
    struct conn *conn = container_of(op, struct conn, send);
    (void)flags;
    if (conn->state == CONN_CLOSING) {
        conn_join(conn);
        return;
    }
    if (res < 0) {
        send_failed(conn);
        return;
    }
    conn->sent_bytes += (uint64_t)res;
    outq_sent(conn->tls ? &conn->cipher : &conn->plain, &conn->loop->memory, (size_t)res);
    if (waiting_bytes(conn) > 0 || conn->state == CONN_FINISHING)
        loop_defer_last(conn->loop, &conn->flush);
    if (conn->state == CONN_FINISHING) { /* however slowly it reads, it reads */
        loop_arm(conn->loop, &conn->clock, BLOCKED_LIMIT_NS);
        return;
    }
    if (!conn->blocked)
        return;
    if (waiting_bytes(conn) > OUT_LOW_BYTES) {
        loop_arm(conn->loop, &conn->clock, BLOCKED_LIMIT_NS);
        return;
    }
    conn->blocked = false;
    loop_disarm(conn->loop, &conn->clock);
    if (conn_is_open(conn))
        conn->on->room(conn);
}

void conn_more(struct conn *conn, bool wanted) {
    if (conn->wanted == wanted || conn->state == CONN_CLOSING)
        return;
    conn->wanted = wanted;
    if (!wanted && conn->recv.armed)
        io_cancel(conn->loop, &conn->recv);
    else if (wanted && !conn->recv.armed && conn->state != CONN_NEW)
        io_recv(conn->loop, &conn->recv, conn->fd);
}

static void conn_clock_fired(struct timer *timer) {
    struct conn *conn = container_of(timer, struct conn, clock);
    switch (conn->state) {
    case CONN_HANDSHAKE: conn_stop(conn, FAIL_TLS_TIMEOUT); break;
    case CONN_OPEN:
    case CONN_FINISHING: conn_stop(conn, conn->broken ? FAIL_RESET : FAIL_SLOW_READER); break;
    case CONN_LINGERING: conn_stop(conn, FAIL_NONE); break;
    case CONN_NEW:
    case CONN_CLOSING: break;
    }
}

void conn_finish(struct conn *conn, bool linger) {
    if (conn->state != CONN_OPEN) {
        conn_stop(conn, FAIL_NONE);
        return;
    }
    conn->linger = linger;
    conn_set_state(conn, CONN_FINISHING);
    loop_arm(conn->loop, &conn->clock, BLOCKED_LIMIT_NS);
    loop_defer_last(conn->loop, &conn->flush);
}

void conn_stop(struct conn *conn, enum fail why) {
    if (conn->state == CONN_CLOSING)
        return;
    conn_set_state(conn, CONN_CLOSING);
    conn->why = why;
    loop_disarm(conn->loop, &conn->clock);
    loop_undefer(&conn->flush);
    loop_undefer(&conn->begin);
    io_send_last(&conn->send);
    io_recv_last(conn->loop, &conn->recv);
    io_close(conn->loop, &conn->close, conn->fd);
}

static void conn_close_done(struct op *op, int res, unsigned flags) {
    struct conn *conn = container_of(op, struct conn, close);
    (void)res;
    (void)flags;
    conn_join(conn);
}

/* The last op home frees what the connection holds and tells the owner. */
static void conn_join(struct conn *conn) {
    CHECK(conn->state == CONN_CLOSING);
    if (conn->recv.armed || conn->send.armed || conn->close.armed)
        return;
    outq_drop(&conn->plain, &conn->loop->memory);
    outq_drop(&conn->cipher, &conn->loop->memory);
    if (conn->tls)
        tls_free(&conn->tls);
    conn->fd = -1;
    conn->on->closed(conn, conn->why);
}

const char *conn_peer(struct conn *conn, char *out, size_t max) {
    struct sockaddr_storage address;
    char text[INET6_ADDRSTRLEN] = "?";
    unsigned port = 0;
    if (ring_name(conn->loop->ring, conn->fd, true, &address) == 0) {
        if (address.ss_family == AF_INET6) {
            struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
            inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
            port = ntohs(v6->sin6_port);
        } else if (address.ss_family == AF_INET) {
            struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
            inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
            port = ntohs(v4->sin_port);
        }
    }
    snprintf(out, max, address.ss_family == AF_INET6 ? "[%s]:%u" : "%s:%u", text, port);
    return out;
}
