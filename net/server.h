/* server.h - the accepting side: listening sockets, their connections, and the streams on them.
 *
 * One per worker and listener. HTTP/1.1 sessions are h1_server.c; HTTP/2 joins behind the same
 * struct stream. */
#ifndef HEDGEROW_NET_SERVER_H
#define HEDGEROW_NET_SERVER_H

#include "core/loop.h"
#include "net/cert.h"
#include "net/stream.h"

struct server_settings {
    size_t head_max_bytes;
    uint64_t head_ns; /* a request head must be whole in this time from its first byte (from the
                         accept for the first) */
    uint64_t body_ns; /* and its body must make progress at least this often */
    uint64_t idle_ns; /* a kept-alive connection without request is closed after it */
    uint64_t handshake_ns; /* TLS */
    unsigned connections_max;
};

struct server_stats { /* single writer */
    uint64_t accepted, refused, requests, handshakes, handshakes_resumed, handshakes_failed,
        bad_requests;
};

struct server {
    struct loop *loop;
    const struct server_settings *settings; /* outlives the server */
    struct cert_server *tls;                /* counted reference; NULL: clear text */
    /* A request has begun: the callee must call stream_use before it returns; on->head follows at
     * once. */
    void (*opened)(struct server *, struct stream *);
    void *owner;
    int fd;
    struct op accept, close;
    struct timer again;   /* accepting stopped for lack of descriptors or connections: try again */
    struct list sessions; /* struct h1_server */
    struct slab sessions_slab;
    unsigned session_count;
    bool draining, stopped;
    struct server_stats stats;
    int64_t date_s; /* the second that date[] shows */
    char date[30];  /* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7) */
};

/* Takes a listening descriptor (ring_listen) and starts accepting. tls: NULL or held by the server
 * until server_fini. */
void server_init(struct server *, struct loop *loop, const struct server_settings *settings, int fd,
                 struct cert_server *tls);
/* Stops accepting and closes idle connections; those with a request finish it with "connection:
 * close". */
void server_drain(struct server *);
/* Swaps the certificates for connections accepted from now on. */
void server_set_tls(struct server *, struct cert_server *tls);
/* Cuts off every connection: streams get gone(FAIL_DRAINING). */
void server_stop(struct server *);
/* No session and no op is left. */
bool server_done(const struct server *);
void server_fini(struct server *);

/* For h1_server.c: the current date field value, refreshed once a second. */
struct span server_date(struct server *);
/* A session has ended and is out of the list: its slot may be used for a connection that waits. */
void server_released(struct server *);

#endif
