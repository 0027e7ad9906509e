/* h1_client.c - HTTP/1.1, the client's half: one request at a time on a connection of the pool.
 *
 * The connection is given back when request and response are both whole and may be kept alive;
 * otherwise it is closed. Bytes that come without a request being in flight end it: a server's
 * good-bye, or an attack (RFC 9112 6.3, response smuggling). */
#include <errno.h>

#include "core/limits.h"
#include "net/h1.h"
#include "net/pool.h"

static struct h1_client *of_h1(struct h1 *h1) { return container_of(h1, struct h1_client, h1); }
static struct h1_client *of_conn(struct conn *conn) { return of_h1(h1_of_conn(conn)); }

static void owe_gone(struct h1 *h1, enum fail why) {
    if (!h1->in_use || list_linked(&h1->gone.link))
        return;
    h1->why = why;
    loop_defer(h1->conn.loop, &h1->gone);
}

/* Nothing more will be said on this connection. The user hears of it when the last op is home, so
 * that what it lent is free. */
static void stop(struct h1 *h1, enum fail why) { conn_stop(&h1->conn, why); }

/* --- reading --- */

static void response_done(struct h1 *h1) {
    if (h1->in != H1_IN_DONE || h1->out != H1_OUT_DONE) {
        /* An early answer: the rest of the request is not wanted, and the connection cannot be used
         * again. */
        if (h1->in == H1_IN_DONE)
            stop(h1, FAIL_NONE);
        return;
    }
    owe_gone(h1, FAIL_NONE);
}

static bool begin_response(struct h1_client *c, const struct http_head *head) {
    struct h1 *h1 = &c->h1;
    h1->keep_alive = head->keep_alive && head->body != HTTP_BODY_UNTIL_CLOSE;
    h1_begin_body(h1, head);
    h1->stream.on->head(&h1->stream, head);
    if (!conn_is_open(&h1->conn) || h1->in != H1_IN_BODY)
        return false;
    if (h1->in_body == HTTP_BODY_NONE || (h1->in_body == HTTP_BODY_LENGTH && h1->in_left == 0)) {
        h1->in = H1_IN_DONE;
        h1->stream.on->end(&h1->stream);
    }
    return true;
}

static long read_head(struct h1_client *c, struct span in) {
    struct h1 *h1 = &c->h1;
    struct http_head head;
    long n = h1_parse_response(in, HTTP_HEAD_MAX, &h1->scanned, c->head_request, &head);
    if (n < 0) {
        stop(h1, (enum fail) - n);
        return -1;
    }
    if (n == 0)
        return 0;
    h1->scanned = 0;
    if (head.status < 200)
        return n; /* 100, 102, 103: not an answer yet */
    return begin_response(c, &head) ? n : -1;
}

static long read_some(struct h1_client *c, struct span in) {
    struct h1 *h1 = &c->h1;
    switch (h1->in) {
    case H1_IN_HEAD: return in.n ? read_head(c, in) : 0;
    case H1_IN_BODY: {
        if (in.n == 0)
            return 0;
        long n = h1_read_body(h1, in);
        if (n < 0)
            stop(h1, FAIL_PROTOCOL);
        return n;
    }
    case H1_IN_DONE: break;
    }
    return 0;
}

static void on_bytes(struct conn *conn, struct span in) {
    struct h1_client *c = of_conn(conn);
    struct h1 *h1 = &c->h1;
    struct memory *memory = &conn->loop->memory;
    if (!h1->in_use) {
        stop(h1, FAIL_PROTOCOL);
        return;
    }
    struct span joined;
    size_t consumed = 0;
    if (!carry_join(&h1->carry, memory, in, HTTP_HEAD_MAX + LOOP_SCRATCH_SIZE, &joined)) {
        stop(h1, FAIL_PROTOCOL);
        return;
    }
    while (conn_is_open(conn)) {
        long n = read_some(c, span_from(joined, consumed));
        if (n <= 0)
            break;
        consumed += (size_t)n;
    }
    if (!conn_is_open(conn)) {
        carry_drop(&h1->carry, memory);
        return;
    }
    if (h1->in == H1_IN_DONE && consumed < joined.n)
        h1->keep_alive = false; /* more than was asked for */
    if (h1->in == H1_IN_DONE)
        consumed = joined.n;
    if (!carry_keep(&h1->carry, memory, joined, consumed))
        stop(h1, FAIL_OVERLOAD);
    else if (h1->in == H1_IN_DONE)
        response_done(h1);
}

static void on_open(struct conn *conn) { pool_opened(of_conn(conn)); }

static void on_end(struct conn *conn) {
    struct h1 *h1 = h1_of_conn(conn);
    h1->keep_alive = false;
    if (!h1->in_use) {
        stop(h1, FAIL_NONE);
    } else if (h1->in == H1_IN_BODY && h1->in_body == HTTP_BODY_UNTIL_CLOSE) {
        h1->in = H1_IN_DONE;
        h1->stream.on->end(&h1->stream);
        if (conn_is_open(conn))
            response_done(h1);
    } else if (h1->in != H1_IN_DONE) {
        stop(h1, FAIL_CLOSED);
    }
}

static void on_room(struct conn *conn) {
    struct h1 *h1 = h1_of_conn(conn);
    if (h1->in_use && h1->out == H1_OUT_BODY)
        h1->stream.on->room(&h1->stream);
}

static void on_closed(struct conn *conn, enum fail why) {
    struct h1_client *c = of_conn(conn);
    struct h1 *h1 = &c->h1;
    carry_drop(&h1->carry, &conn->loop->memory);
    if (h1->in_use) {
        /* A gone that was owed already says how it ended; the connection's own end came after. */
        if (!list_linked(&h1->gone.link))
            h1->why = why;
        loop_undefer(&h1->gone);
        h1->in_use = false;
        h1->stream.on->gone(&h1->stream, h1->why);
    }
    pool_closed(c, why);
}

static const struct conn_on client_conn_on = {
    .open = on_open, .bytes = on_bytes, .end = on_end, .room = on_room, .closed = on_closed};

/* --- writing --- */

static int send_head(struct stream *stream, const struct http_head *head) {
    struct h1 *h1 = h1_of_stream(stream);
    if (!h1->in_use || !conn_is_open(&h1->conn))
        return -EPIPE;
    CHECK(h1->out == H1_OUT_NONE);
    size_t room = 512 + head->target.n + head->authority.n;
    for (unsigned i = 0; i < head->field_count; i++)
        room += head->fields[i].name.n + head->fields[i].value.n + 4;
    char *p = conn_reserve(&h1->conn, room);
    if (!p)
        return -ENOBUFS;
    long n = h1_write_request(head, p, room);
    CHECK(n > 0);
    conn_filled(&h1->conn, (size_t)n);
    of_h1(h1)->head_request = head->method == HTTP_HEAD;
    h1->out = H1_OUT_BODY;
    h1->out_body = head->body;
    h1->out_left = head->body == HTTP_BODY_LENGTH ? head->body_length : 0;
    return 0;
}

static int send_end(struct stream *stream) {
    struct h1 *h1 = h1_of_stream(stream);
    if (!h1->in_use || !conn_is_open(&h1->conn))
        return -EPIPE;
    return h1_finish_body(h1) ? 0 : -EPIPE;
}

/* Cutting off a loser is the ordinary end of a hedge: without the reset each would leave a port in
 * TIME_WAIT for a minute, and some 470 a second to one address would use them all up. */
static void reset(struct stream *stream, enum fail why) {
    struct h1 *h1 = h1_of_stream(stream);
    if (h1->conn.state != CONN_CLOSING)
        ring_abort(h1->conn.loop->ring, h1->conn.fd);
    stop(h1, why);
}

static const struct stream_ops client_stream_ops = {.send_head = send_head,
                                                    .send_body = h1_send_body,
                                                    .send_borrowed = h1_send_borrowed,
                                                    .send_end = send_end,
                                                    .room = h1_room,
                                                    .more = h1_more,
                                                    .reset = reset};

/* Request and response are whole: the user is told, the connection goes back or is closed. */
static void gone(struct defer *defer) {
    struct h1 *h1 = container_of(defer, struct h1, gone);
    struct h1_client *c = of_h1(h1);
    /* Lent bytes may still be on their way out although the answer is whole: then the end of the
     * connection brings gone. */
    if (h1->conn.plain.bytes > 0 && conn_is_open(&h1->conn)) {
        stop(h1, FAIL_NONE);
        return;
    }
    h1->in_use = false;
    h1->stream.on->gone(&h1->stream, h1->why);
    if (!conn_is_open(&h1->conn))
        return;
    if (!h1->keep_alive || h1->conn.broken) {
        stop(h1, FAIL_NONE);
        return;
    }
    conn_more(&h1->conn, true);
    pool_returned(c);
}

void h1_client_init(struct h1_client *c, struct pool_origin *origin, struct loop *loop, int fd) {
    struct h1 *h1 = &c->h1;
    c->origin = origin;
    h1->stream.ops = &client_stream_ops;
    defer_init(&h1->gone, gone);
    list_init(&h1->link);
    conn_init(&h1->conn, loop, fd, &client_conn_on);
}

struct stream *h1_client_use(struct h1_client *c) {
    struct h1 *h1 = &c->h1;
    CHECK(!h1->in_use && conn_is_open(&h1->conn));
    h1->in_use = true;
    h1->in = H1_IN_HEAD;
    h1->out = H1_OUT_NONE;
    h1->scanned = 0;
    h1->why = FAIL_NONE;
    h1->stream.times = (struct stream_times){.reused = c->used};
    if (!c->used) {
        h1->stream.times.connected_ns = c->connected_ns;
        h1->stream.times.secured_ns = c->secured_ns;
        h1->stream.times.resumed = h1->conn.tls && tls_resumed(h1->conn.tls);
    }
    c->used = true;
    return &h1->stream;
}
