/* stream.h - one request and its response in flight. The same for HTTP/1.1 and HTTP/2, server and
 * client side.
 *
 *   server side:  on->head (request), on->body*, on->end
 *                 send_head (response), send_body*, send_end
 *   client side:  send_head (request), send_body*, send_end
 *                 on->head (response), on->body*, on->end
 *
 * Rules, for both sides:
 *  - The protocol (h1.c, h2.c) owns the struct; the user has a pointer to it from the moment it is
 *    given until on->gone was called, which comes exactly once, is the last call, and comes from
 *    the loop, never from inside a send_*, stream_reset or stream_more call made by the user: a
 *    user never finds itself freed inside its own call.
 *  - on->gone(FAIL_NONE): both directions ended well. Anything else: why it did not. After gone
 *    the user forgets the stream.
 *  - on->end means the peer's message is whole. gone without end means that it was cut.
 *  - Spans in on->body are valid only during the call. All of them must be taken: back-pressure is
 *    stream_more.
 *  - stream_reset ends it at once in both directions (H1: cancel and close the connection; H2:
 *    RST_STREAM). Still gone is called later.
 *  - After on->gone no memory that was given with stream_send_borrowed is referenced any more. */
#ifndef HEDGEROW_NET_STREAM_H
#define HEDGEROW_NET_STREAM_H

#include "core/fail.h"
#include "net/http.h"

struct stream;

struct stream_on {
    /* Head of the peer's message; spans valid during the call. 1xx responses are not reported. */
    void (*head)(struct stream *, const struct http_head *head);
    void (*body)(struct stream *, struct span bytes);
    void (*end)(struct stream *);
    /* Output has drained below OUT_LOW_BYTES after stream_room had returned 0. */
    void (*room)(struct stream *);
    void (*gone)(struct stream *, enum fail why);
};

struct stream_ops { /* implemented by h1.c and h2.c */
    int (*send_head)(struct stream *, const struct http_head *head);
    int (*send_body)(struct stream *, struct span bytes);
    int (*send_borrowed)(struct stream *, struct span bytes);
    int (*send_end)(struct stream *);
    size_t (*room)(const struct stream *);
    void (*more)(struct stream *, bool wanted);
    void (*reset)(struct stream *, enum fail why);
};

/* What a client-side stream knows of its connection, for logs. */
struct stream_times {
    uint64_t asked_ns;     /* pool_get was called */
    uint64_t connected_ns; /* TCP done; 0: reused connection */
    uint64_t secured_ns;   /* TLS done; 0: reused, or clear text */
    bool reused, resumed;
};

struct stream {
    const struct stream_ops *ops;
    const struct stream_on *on; /* the user's; set by stream_use before anything is reported */
    void *user;                 /* the user's; not touched by net */
    struct stream_times times;  /* client side */
};

static inline void stream_use(struct stream *s, const struct stream_on *on, void *user) {
    s->on = on;
    s->user = user;
}
/* Starts this side's message. On the server side the protocol adds connection fields; the caller
 * gives status, fields, body kind and length (HTTP_BODY_CHUNKED for a stream of unknown length:
 * HTTP/1.0 clients then get it until close). On the client side: method, target, authority, fields,
 * body kind and length; `host` is written by the protocol from authority. The head is copied out
 * during the call. 0, or -EPIPE when the stream is ending (gone follows). */
static inline int stream_send_head(struct stream *s, const struct http_head *head) {
    return s->ops->send_head(s, head);
}
/* Queues body bytes (copied). They are sent together at the end of the loop's turn. Always takes
 * all; a caller that cares looks at stream_room first. 0 or -EPIPE (gone follows), -ENOBUFS when
 * memory is used up (the stream is then reset by the protocol; gone follows). */
static inline int stream_send_body(struct stream *s, struct span bytes) {
    return s->ops->send_body(s, bytes);
}
/* As stream_send_body, but not copied when large: `bytes` must stay valid until on->gone. */
static inline int stream_send_borrowed(struct stream *s, struct span bytes) {
    return s->ops->send_borrowed(s, bytes);
}
/* This side's message is whole. */
static inline int stream_send_end(struct stream *s) { return s->ops->send_end(s); }
/* Bytes that may be queued before the reader counts as slow: OUT_HIGH_BYTES minus what waits; 0 =
 * wait for on->room. */
static inline size_t stream_room(const struct stream *s) { return s->ops->room(s); }
/* May the peer send more body? true at the beginning. With false at most one loop turn's worth
 * still arrives. */
static inline void stream_more(struct stream *s, bool wanted) { s->ops->more(s, wanted); }
static inline void stream_reset(struct stream *s, enum fail why) { s->ops->reset(s, why); }

#endif
