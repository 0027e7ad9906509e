/* h1.h - HTTP/1.1 on a conn: the server's session and the client's. (RFC 9112)
 *
 * Both give a struct stream to their user; see net/stream.h for its rules. One request is in flight
 * at a time; pipelined ones wait in the carry until the answer before them is whole. */
#ifndef HEDGEROW_NET_H1_H
#define HEDGEROW_NET_H1_H

#include "net/conn.h"
#include "net/h1_parse.h"
#include "net/stream.h"

struct server;
struct pool_origin;

/* Where the message that is being received stands. */
enum h1_in {
    H1_IN_HEAD, /* waiting for a head, or inside one */
    H1_IN_BODY, /* head reported, body arriving */
    H1_IN_DONE, /* message whole */
};
/* Where the message that is being sent stands. */
enum h1_out {
    H1_OUT_NONE, /* no head yet */
    H1_OUT_BODY, /* head queued */
    H1_OUT_DONE, /* message whole, queued */
};

/* What both halves share. */
struct h1 {
    struct conn conn;
    struct stream stream;
    struct list link; /* server: its sessions; client: the origin's idle or busy list */
    enum h1_in in;
    enum h1_out out;
    bool in_use; /* the stream is in its user's hands: gone is owed */
    bool keep_alive;
    enum fail why; /* of the gone that is owed */
    struct defer gone;
    struct carry carry;
    size_t scanned;
    enum http_body in_body, out_body;
    uint64_t in_left, out_left; /* of a body with a length */
    struct h1_chunked chunked;
    struct timer clock;
};

/* Feeds body bytes upward; returns the bytes consumed or -enum fail. Sets in = H1_IN_DONE when the
 * body is whole (on->end was called). */
long h1_read_body(struct h1 *, struct span in);
/* stream_ops shared by both halves: body framing by out_body. */
int h1_send_body(struct stream *, struct span bytes);
int h1_send_borrowed(struct stream *, struct span bytes);
size_t h1_room(const struct stream *);
void h1_more(struct stream *, bool wanted);
/* Queues the end of the body; false if it was shorter than its length (the connection is stopped).
 */
bool h1_finish_body(struct h1 *);
/* Prepares reading a body framed as in `head`. */
void h1_begin_body(struct h1 *, const struct http_head *head);
static inline struct h1 *h1_of_stream(struct stream *s) {
    return container_of(s, struct h1, stream);
}
static inline struct h1 *h1_of_conn(struct conn *c) { return container_of(c, struct h1, conn); }

/* --- server --- */
struct h1_server {
    struct h1 h1;
    struct server *server;
    bool head_request; /* the response has no body */
    bool http10;       /* the client cannot read chunks */
    bool continue_due; /* Expect: 100-continue not yet answered */
};
/* Starts a session on an accepted descriptor. */
void h1_server_start(struct h1_server *, struct server *, int fd);
/* For draining: closes it if no request is in flight, else after the answer. */
void h1_server_drain(struct h1_server *);

/* --- client --- */
struct h1_client {
    struct h1 h1;
    struct pool_origin *origin;
    bool head_request;
    bool opened;         /* connected and secured; until then it counts as opening */
    bool given_up;       /* closed before it was opened because nobody wanted it any more */
    bool used;           /* carried a request already */
    uint64_t idle_at_ns; /* when it became idle */
    uint64_t connected_ns, secured_ns;
};
/* Prepares a client session on a connected descriptor; the pool starts the conn. */
void h1_client_init(struct h1_client *, struct pool_origin *, struct loop *, int fd);
/* Gives the session's stream to a user: it is idle and open. */
struct stream *h1_client_use(struct h1_client *);

#endif
