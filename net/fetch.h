/* fetch.h - one HTTP/1.1 request with its whole answer: for token endpoints and metadata servers.
 *
 *   fetch_start --> dial --> TLS --> head, body --> answer whole --> connection closed --> done
 *
 * For the control plane: a connection of its own for each request, the answer kept in memory of the
 * caller's. Promises: done comes exactly once for each start, from the loop, and by then nothing of
 * the fetch is in flight any more, so that it may be started again, or freed, inside of done.
 * Refuses: to follow redirects (a credential must not go where an answer says), and answers longer
 * than the caller's memory. */
#ifndef HEDGEROW_NET_FETCH_H
#define HEDGEROW_NET_FETCH_H

#include "net/pool.h"

/* Longest value of an answer's field that is kept. */
#define FETCH_FIELD_MAX 128

/* All that it points to is borrowed until done. */
struct fetch_request {
    enum http_method method; /* GET, POST or PUT; the latter two have a body, maybe an empty one */
    struct cert_client *tls; /* NULL: clear text */
    const char *host;        /* name or IP literal without brackets; checked in the certificate */
    uint16_t port;
    struct span authority; /* for the field Host */
    struct span target;    /* path and query, never empty */
    const struct http_field *fields;
    unsigned field_count;
    struct span body;
    uint64_t connect_ns; /* for resolving and connecting, and again for the TLS handshake */
    uint64_t total_ns;   /* for all of it */
    struct span wanted;  /* name of the one field of the answer that is kept; empty: none */
    char *memory;        /* for the answer's body */
    size_t memory_bytes; /* FAIL_TOO_LARGE when the body is longer */
};

struct fetch_answer {
    enum fail why;   /* FAIL_NONE: the answer is whole, whatever its status */
    unsigned status; /* 0: there was no head */
    struct span
        field;        /* value of the wanted field; empty: absent, or longer than FETCH_FIELD_MAX */
    struct span body; /* in request.memory */
};

enum fetch_state {
    FETCH_NONE,    /* not started, or done */
    FETCH_OPENING, /* a connection is being made */
    FETCH_ASKING,  /* the request is sent, the answer is arriving */
    FETCH_ENDING,  /* the outcome is known; the connection is being closed */
};

/* Embedded in its owner, zeroed before the first start. */
struct fetch {
    struct loop *loop;
    void (*done)(struct fetch *, const struct fetch_answer *answer);
    enum fetch_state state;
    struct fetch_request request;
    struct fetch_answer answer;
    bool whole; /* the answer's end has come */
    char field[FETCH_FIELD_MAX];
    struct pool_origin origin;
    struct pool_ask ask;
    struct stream *stream; /* the pool's; NULL before and after */
    struct timer limit, home;
};

/* Starts. `done` gets the answer, which it may use until it returns; never called from inside of
 * fetch_start. The request's struct is copied, not what it points to. Not while it runs. */
void fetch_start(struct fetch *, struct loop *loop, struct resolve *resolve,
                 const struct fetch_request *request,
                 void (*done)(struct fetch *, const struct fetch_answer *answer));
/* Ends it: done comes soon, with FAIL_CANCELLED unless the outcome was known before. Nothing when it
 * is not running. */
void fetch_cancel(struct fetch *);
static inline bool fetch_running(const struct fetch *fetch) { return fetch->state != FETCH_NONE; }

#endif
