/* pool.h - upstream connections by origin: kept alive, spares kept warm, one replaced at once when
 * it is lost by cancelling.
 *
 * One per worker and provider. HTTP/1.1: one request per connection, so cancelling an attempt costs
 * its connection; a spare takes its place before the next hedge needs it. */
#ifndef HEDGEROW_NET_POOL_H
#define HEDGEROW_NET_POOL_H

#include "net/cert.h"
#include "net/dial.h"
#include "net/stream.h"

struct pool_settings { /* outlive the origin */
    const char *host;  /* to resolve and connect to */
    uint16_t port;
    const char *tls_name;    /* checked against the certificate and sent as SNI */
    struct cert_client *tls; /* borrowed for the origin's life; NULL: clear text */
    unsigned min_idle, max_connections;
    uint64_t idle_ns; /* an unused connection is closed after it */
};

struct pool_stats { /* single writer */
    uint64_t dials, dial_failures, handshakes, handshakes_resumed, reused, lost;
};

struct pool_origin {
    struct loop *loop;
    struct resolve *resolve;
    struct pool_settings settings;
    struct list idle, busy; /* struct h1_client */
    struct list waiting;    /* struct pool_ask, oldest first */
    struct list opening;    /* struct pool_dial, oldest first */
    struct list securing;   /* struct h1_client: connected, the handshake runs; oldest first */
    unsigned idle_count, busy_count, waiting_count;
    unsigned opening_count;    /* dialled or securing, and not given up */
    struct tls_resume *resume; /* owned */
    struct timer tend;         /* closes old idle ones, refills spares */
    uint64_t spare_after_ns;   /* after a failed dial no spare is dialled before this */
    bool stopped;
    struct pool_stats stats;
    struct slab sessions, dials;
};

/* Someone who wants a stream. Embedded in the attempt. */
struct pool_ask {
    void (*ready)(struct pool_ask *, struct stream *stream); /* call stream_use in it */
    void (*failed)(struct pool_ask *, enum fail why);
    uint64_t connect_ns, tls_ns; /* clocks for a connection dialled on its behalf */
    uint64_t asked_ns;
    bool fresh; /* not a connection that was used before */
    struct list link;
};
static inline void pool_ask_init(struct pool_ask *ask) { list_init(&ask->link); }

void pool_init(struct pool_origin *, struct loop *loop, struct resolve *resolve,
               const struct pool_settings *settings);
/* A stream on an idle connection, at once; or NULL: ask->ready or ask->failed comes later, from the
 * loop. `fresh`: not one that was used before (for the one repetition after a reused connection was
 * found dead). */
struct stream *pool_get(struct pool_origin *, struct pool_ask *ask, bool fresh);
/* The ask is no longer wanted. A connection being made for it becomes a spare where one is missing;
 * otherwise it is closed at once, so that a provider which accepts and never answers is left with
 * nothing. */
void pool_cancel(struct pool_origin *, struct pool_ask *ask);
/* Closes idle connections and dials; busy ones are cut off (gone follows). Who asks from now on
 * fails with FAIL_POOL. */
void pool_stop(struct pool_origin *);
bool pool_done(const struct pool_origin *);
void pool_fini(struct pool_origin *);

/* For h1_client.c. */
struct h1_client;
void pool_opened(struct h1_client *);
void pool_returned(struct h1_client *);
void pool_closed(struct h1_client *, enum fail why);

#endif
