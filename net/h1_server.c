/* h1_server.c - HTTP/1.1, the server's half: requests in, answers out, kept alive, pipelined
 * requests one after another.
 *
 *   accept -> [TLS] -> IN_HEAD -> head parsed: opened, on->head -> IN_BODY -> on->end -> IN_DONE
 *                         ^                        send_head ... send_end -> OUT_DONE |
 *                         +---- both whole and kept alive: gone(NONE), next ---------+
 *
 * What is not valid HTTP is answered here, before there is a stream, and the connection is closed:
 * after a framing error nothing that follows can be trusted (RFC 9112 2.2, 6.3). */
#include <errno.h>
#include <stdio.h>

#include "core/limits.h"
#include "net/h1.h"
#include "net/server.h"

/* Pipelined bytes that wait behind a request in flight before receiving stops. */
#define PIPELINE_MAX_BYTES HTTP_HEAD_MAX
/* What may still come then: all that the kernel had received and put into buffers in one turn. Who
 * has more on its way behind a request in flight is cut off. */
#define PIPELINE_LATE_BYTES (256 * RING_BUF_SIZE)

static struct h1_server *of_h1(struct h1 *h1) { return container_of(h1, struct h1_server, h1); }
static struct h1_server *of_conn(struct conn *conn) { return of_h1(h1_of_conn(conn)); }

static const struct stream_ops server_stream_ops;

/* Settles how the stream ended and has its user told from the loop. The first reason stays. */
static void owe_gone(struct h1_server *s, enum fail why) {
    struct h1 *h1 = &s->h1;
    if (!h1->in_use || list_linked(&h1->gone.link))
        return;
    h1->why = why;
    loop_defer(h1->conn.loop, &h1->gone);
}

static void stop(struct h1_server *s, enum fail why) {
    owe_gone(s, why);
    conn_stop(&s->h1.conn, why);
}

/* --- answers that need no user: bad requests --- */

static void refuse(struct h1_server *s, enum fail why) {
    s->server->stats.bad_requests++;
    char body[256], head[512];
    int body_n = snprintf(body, sizeof body,
                          "{\"error\":{\"message\":\"%s\",\"type\":\"invalid_request_error\","
                          "\"param\":null,\"code\":\"%s\"}}",
                          fail_text(why), fail_name(why));
    int head_n = snprintf(head, sizeof head,
                          "HTTP/1.1 %d %s\r\ndate: %.29s\r\ncontent-type: application/json\r\n"
                          "content-length: %d\r\nconnection: close\r\n\r\n",
                          fail_status(why), http_status_text((unsigned)fail_status(why)),
                          server_date(s->server).p, body_n);
    conn_write(&s->h1.conn, span_of(head, (size_t)head_n));
    conn_write(&s->h1.conn, span_of(body, (size_t)body_n));
    carry_drop(&s->h1.carry, &s->h1.conn.loop->memory);
    conn_finish(&s->h1.conn, true);
}

/* The request cannot be completed: its user is told, and the client too if it has heard nothing
 * yet. */
static void fail_request(struct h1_server *s, enum fail why) {
    owe_gone(s, why);
    if (s->h1.out == H1_OUT_NONE)
        refuse(s, why);
    else
        conn_stop(&s->h1.conn, why);
}

/* --- reading --- */

static void begin_request(struct h1_server *s, const struct http_head *head) {
    struct h1 *h1 = &s->h1;
    struct server *server = s->server;
    h1->keep_alive = head->keep_alive && !server->draining;
    h1->in_use = true;
    h1->out = H1_OUT_NONE;
    s->http10 = head->minor == 0;
    s->head_request = head->method == HTTP_HEAD;
    s->continue_due = head->expect_continue && head->body != HTTP_BODY_NONE;
    server->stats.requests++;
    h1_begin_body(h1, head);
    bool bodiless =
        head->body == HTTP_BODY_NONE || (head->body == HTTP_BODY_LENGTH && !h1->in_left);
    if (bodiless) /* already now: an answer from inside of on->head is then no early one */
        h1->in = H1_IN_DONE;
    loop_disarm(h1->conn.loop, &h1->clock);
    server->opened(server, &h1->stream);
    h1->stream.on->head(&h1->stream, head);
    if (!h1->in_use || !conn_is_open(&h1->conn))
        return;
    if (bodiless)
        h1->stream.on->end(&h1->stream);
    else
        loop_arm(h1->conn.loop, &h1->clock, server->settings->body_ns);
}

/* The user has seen the head and not refused it: let the body come (RFC 9110 10.1.1). */
static void send_continue(struct h1_server *s) {
    if (!s->continue_due || s->h1.out != H1_OUT_NONE || !conn_is_open(&s->h1.conn))
        return;
    s->continue_due = false;
    conn_write(&s->h1.conn, SPAN("HTTP/1.1 100 Continue\r\n\r\n"));
}

/* One head or one run of body off the start of `in`. Bytes consumed; 0: nothing more can be done
 * now; < 0: the connection ended. */
static long read_some(struct h1_server *s, struct span in) {
    struct h1 *h1 = &s->h1;
    struct http_head head;
    long n;
    switch (h1->in) {
    case H1_IN_HEAD:
        if (h1->conn.blocked)
            return 0; /* until the answers before it are read: see next_request */
        if (in.n && h1->scanned == 0)
            loop_arm(h1->conn.loop, &h1->clock, s->server->settings->head_ns);
        n = h1_parse_request(in, s->server->settings->head_max_bytes, &h1->scanned, &head);
        if (n < 0) {
            refuse(s, (enum fail) - n);
            return -1;
        }
        if (n > 0) {
            h1->scanned = 0;
            begin_request(s, &head);
            if ((size_t)n == in.n)
                send_continue(s);
        }
        return n;
    case H1_IN_BODY:
        if (in.n == 0)
            return 0;
        s->continue_due = false; /* the body comes without being asked for */
        n = h1_read_body(h1, in);
        if (n < 0) {
            fail_request(s, FAIL_BAD_HTTP);
            return -1;
        }
        if (h1->in == H1_IN_BODY && h1->conn.wanted)
            loop_arm(h1->conn.loop, &h1->clock, s->server->settings->body_ns);
        else
            loop_disarm(h1->conn.loop, &h1->clock);
        return n;
    case H1_IN_DONE: break;
    }
    return 0;
}

static void read_all(struct h1_server *s, struct span in) {
    struct h1 *h1 = &s->h1;
    struct memory *memory = &h1->conn.loop->memory;
    struct span joined;
    size_t consumed = 0;
    /* Bodies are never carried; a head and the pipelined rest are. */
    if (!carry_join(&h1->carry, memory, in,
                    s->server->settings->head_max_bytes + LOOP_SCRATCH_SIZE + PIPELINE_MAX_BYTES +
                        PIPELINE_LATE_BYTES,
                    &joined)) {
        stop(s, FAIL_OVERLOAD);
        return;
    }
    while (conn_is_open(&h1->conn)) {
        long n = read_some(s, span_from(joined, consumed));
        if (n <= 0)
            break;
        consumed += (size_t)n;
    }
    if (!conn_is_open(&h1->conn)) {
        carry_drop(&h1->carry, memory);
        return;
    }
    if (!carry_keep(&h1->carry, memory, joined, consumed))
        stop(s, FAIL_OVERLOAD);
    bool waits = h1->in == H1_IN_DONE || h1->conn.blocked;
    if (waits && carry_bytes(&h1->carry) > PIPELINE_MAX_BYTES)
        conn_more(&h1->conn, false);
}

static void on_bytes(struct conn *conn, struct span bytes) { read_all(of_conn(conn), bytes); }

static void on_open(struct conn *conn) {
    struct h1_server *s = of_conn(conn);
    if (conn->tls) {
        s->server->stats.handshakes++;
        if (tls_resumed(conn->tls))
            s->server->stats.handshakes_resumed++;
    }
    loop_arm(conn->loop, &s->h1.clock, s->server->settings->head_ns);
}

static void on_end(struct conn *conn) {
    struct h1_server *s = of_conn(conn);
    struct h1 *h1 = &s->h1;
    if (!h1->in_use)
        conn_finish(conn, false); /* with what is left of the last answer */
    else if (list_linked(&h1->gone.link))
        h1->keep_alive = false; /* the answer is whole, and leaves in this turn */
    else
        /* As nginx and Envoy do: a client that ends its side no longer waits for the answer. */
        stop(s, FAIL_CLIENT_LEFT);
}

static void next_request(struct h1_server *s);

static void on_room(struct conn *conn) {
    struct h1 *h1 = h1_of_conn(conn);
    if (h1->in_use && h1->out == H1_OUT_BODY)
        h1->stream.on->room(&h1->stream);
    else if (!h1->in_use && h1->in == H1_IN_HEAD)
        next_request(container_of(h1, struct h1_server, h1));
}

static void on_closed(struct conn *conn, enum fail why) {
    struct h1_server *s = of_conn(conn);
    struct h1 *h1 = &s->h1;
    struct server *server = s->server;
    if (server->tls && h1->in == H1_IN_HEAD &&
        (why == FAIL_TLS || why == FAIL_TLS_TIMEOUT || why == FAIL_TLS_CERTIFICATE))
        server->stats.handshakes_failed++;
    if (h1->in_use) {
        if (!list_linked(&h1->gone.link))
            h1->why = why == FAIL_RESET || why == FAIL_CLOSED || why == FAIL_NONE ? FAIL_CLIENT_LEFT
                                                                                  : why;
        loop_undefer(&h1->gone);
        h1->in_use = false;
        h1->stream.on->gone(&h1->stream, h1->why);
    }
    loop_disarm(conn->loop, &h1->clock);
    carry_drop(&h1->carry, &conn->loop->memory);
    list_remove(&h1->link);
    void *memory = s;
    slab_free(&server->sessions_slab, &memory);
    server->session_count--;
    server_released(server);
}

static const struct conn_on server_conn_on = {
    .open = on_open, .bytes = on_bytes, .end = on_end, .room = on_room, .closed = on_closed};

/* --- writing --- */

static int send_head(struct stream *stream, const struct http_head *wanted) {
    struct h1 *h1 = h1_of_stream(stream);
    struct h1_server *s = of_h1(h1);
    if (!h1->in_use || !conn_is_open(&h1->conn))
        return -EPIPE;
    CHECK(h1->out == H1_OUT_NONE);
    struct http_head head;
    memcpy(&head, wanted,
           offsetof(struct http_head, fields) + wanted->field_count * sizeof wanted->fields[0]);
    CHECK(head.field_count + 2 <= HTTP_FIELDS_MAX);
    head.fields[head.field_count++] = (struct http_field){SPAN("date"), server_date(s->server)};
    if (s->http10 && head.body == HTTP_BODY_CHUNKED)
        head.body = HTTP_BODY_UNTIL_CLOSE;
    /* An answer before the request is whole: what is still on its way would be taken for the next
     * request. */
    if (head.body == HTTP_BODY_UNTIL_CLOSE || h1->in != H1_IN_DONE || s->server->draining)
        h1->keep_alive = false;
    head.keep_alive = h1->keep_alive;
    head.minor = s->http10 ? 0 : 1;
    if (s->http10 && head.keep_alive) /* in HTTP/1.0 keeping alive must be said (RFC 9112 C.2.2) */
        head.fields[head.field_count++] =
            (struct http_field){SPAN("connection"), SPAN("keep-alive")};
    size_t room = OUT_BLOCK_SIZE / 2;
    for (unsigned i = 0; i < head.field_count; i++)
        room += head.fields[i].name.n + head.fields[i].value.n + 4;
    char *p = conn_reserve(&h1->conn, room);
    if (!p)
        return -ENOBUFS;
    long n = h1_write_response(&head, p, room);
    CHECK(n > 0);
    conn_filled(&h1->conn, (size_t)n);
    h1->out = H1_OUT_BODY;
    h1->out_body = s->head_request ? HTTP_BODY_NONE : head.body;
    h1->out_left = head.body == HTTP_BODY_LENGTH ? head.body_length : 0;
    return 0;
}

static int send_end(struct stream *stream) {
    struct h1 *h1 = h1_of_stream(stream);
    if (!h1->in_use || !conn_is_open(&h1->conn))
        return -EPIPE;
    if (!h1_finish_body(h1))
        return -EPIPE;
    owe_gone(of_h1(h1), FAIL_NONE);
    return 0;
}

/* While it is we who do not read, the client is not late. */
static void more(struct stream *stream, bool wanted) {
    struct h1 *h1 = h1_of_stream(stream);
    struct h1_server *s = of_h1(h1);
    h1_more(stream, wanted);
    if (h1->in != H1_IN_BODY || !conn_is_open(&h1->conn))
        return;
    if (wanted)
        loop_arm(h1->conn.loop, &h1->clock, s->server->settings->body_ns);
    else
        loop_disarm(h1->conn.loop, &h1->clock);
}

static void reset(struct stream *stream, enum fail why) { stop(of_h1(h1_of_stream(stream)), why); }

static const struct stream_ops server_stream_ops = {.send_head = send_head,
                                                    .send_body = h1_send_body,
                                                    .send_borrowed = h1_send_body,
                                                    .send_end = send_end,
                                                    .room = h1_room,
                                                    .more = more,
                                                    .reset = reset};

/* Goes on with what the client has sent meanwhile, but not before it has read the answers: requests
 * are small, answers are not, and they would pile up here. The connection has a clock for that. */
static void next_request(struct h1_server *s) {
    struct h1 *h1 = &s->h1;
    const struct server_settings *settings = s->server->settings;
    bool begun = carry_bytes(&h1->carry) > 0;
    if (conn_room(&h1->conn) == 0 || h1->conn.blocked) { /* on_room comes here again */
        loop_disarm(h1->conn.loop, &h1->clock);
        return;
    }
    loop_arm(h1->conn.loop, &h1->clock, begun ? settings->head_ns : settings->idle_ns);
    conn_more(&h1->conn, true);
    if (begun)
        read_all(s, span_of("", 0));
}

/* The answer is queued whole: tell the user, then go on with the next request or close. */
static void gone(struct defer *defer) {
    struct h1 *h1 = container_of(defer, struct h1, gone);
    struct h1_server *s = of_h1(h1);
    h1->in_use = false;
    h1->stream.on->gone(&h1->stream, h1->why);
    if (!conn_is_open(&h1->conn))
        return;
    bool whole = h1->in == H1_IN_DONE;
    if (!h1->keep_alive || !whole || s->server->draining) {
        bool more_comes = !whole || carry_bytes(&h1->carry) > 0;
        carry_drop(&h1->carry, &h1->conn.loop->memory);
        conn_finish(&h1->conn, more_comes);
        return;
    }
    h1->in = H1_IN_HEAD;
    h1->out = H1_OUT_NONE;
    next_request(s);
}

static void clock_fired(struct timer *timer) {
    struct h1 *h1 = container_of(timer, struct h1, clock);
    struct h1_server *s = of_h1(h1);
    if (!conn_is_open(&h1->conn))
        return;
    bool begun = carry_bytes(&h1->carry) > 0;
    if (h1->in == H1_IN_HEAD && !begun)
        conn_finish(&h1->conn, false); /* idle: nothing is owed */
    else if (h1->in == H1_IN_HEAD)
        refuse(s, FAIL_SLOW_REQUEST);
    else
        fail_request(s, FAIL_SLOW_REQUEST);
}

void h1_server_start(struct h1_server *s, struct server *server, int fd) {
    struct h1 *h1 = &s->h1;
    s->server = server;
    h1->stream.ops = &server_stream_ops;
    defer_init(&h1->gone, gone);
    timer_init(&h1->clock, clock_fired);
    list_init(&h1->link);
    conn_init(&h1->conn, server->loop, fd, &server_conn_on);
    if (!server->tls) {
        conn_start(&h1->conn);
        return;
    }
    struct tls *tls = tls_accept(server->tls, conn_tls_out(&h1->conn));
    if (tls)
        conn_start_tls(&h1->conn, &tls, server->settings->handshake_ns);
    else
        conn_stop(&h1->conn, FAIL_OVERLOAD);
}

void h1_server_drain(struct h1_server *s) {
    s->h1.keep_alive = false;
    if (!s->h1.in_use && conn_is_open(&s->h1.conn))
        conn_finish(&s->h1.conn, false);
}
