/* attempt.h - one try upstream: borrow a stream, send the request, decode what comes, report.
 *
 *   start -> [connection] -> request sent -> head -> events... -> content -> committed -> done
 *
 * Until it is committed nothing of it reaches the client: what would be said is held, and relayed
 * at the commit. It reports to its exchange: head, content, end. It lives until its stream is gone
 * (its home-coming), which the exchange counts. */
#ifndef HEDGEROW_APPLIANCE_RACE_ATTEMPT_H
#define HEDGEROW_APPLIANCE_RACE_ATTEMPT_H

#include "appliance/race/config.h"
#include "appliance/race/hedge.h"
#include "appliance/race/quota.h"
#include "appliance/race/stall.h"
#include "core/arena.h"
#include "core/buf.h"
#include "net/pool.h"
#include "net/sse.h"
#include "providers/dialect.h"
#include "providers/eventstream.h"

struct encoded;
struct exchange;

enum attempt_state {
    ATTEMPT_CONNECTING, /* asked the pool, no stream yet */
    ATTEMPT_WAITING,    /* request sent, no response head yet */
    ATTEMPT_STREAMING,  /* 200: events are decoded */
    ATTEMPT_COLLECTING, /* not an event stream: its body is collected (error, or a whole answer) */
    ATTEMPT_ENDED, /* how it ended is settled and reported; the stream is on its way home or home */
};

struct attempt {
    struct exchange *exchange; /* owner */
    const struct config_backend *backend;
    const struct encoded *encoded; /* the request; in the exchange's arena */
    unsigned number;               /* position in the exchange's attempts and in hedge */
    enum attempt_state state;
    enum hedge_trigger trigger;
    struct quota_ticket quota;
    struct stream *stream; /* NULL before a connection and after gone */
    struct pool_ask ask;
    struct defer end_later; /* an end found while starting, reported from the loop */
    struct timer idle;
    bool committed;
    bool content;            /* real content was seen */
    bool reported;           /* ... and reported to the exchange */
    bool whole;              /* the provider's answer is whole (DONE) */
    bool message_whole;      /* the HTTP message is whole (on->end) */
    bool counted_home;       /* the exchange has counted its home-coming */
    bool paused;             /* receiving stopped: the client is slow */
    bool retried_fresh;      /* a dead reused connection was replaced once */
    bool body_begun;         /* the first byte of the body that is not white space was seen */
    bool begun;              /* any byte of a response was received */
    bool framed;             /* the stream is framed as AWS event stream, not as SSE */
    bool verbatim;           /* `body` is the answer, and goes to the client as it is */
    enum chat_finish finish; /* the last one seen */
    enum fail why;           /* once ENDED; FAIL_NONE: whole and relayed */
    unsigned status;         /* of the response; 0: none came */
    uint64_t retry_after_ms;
    uint64_t start_ns, connected_ns, secured_ns, head_ns, first_token_ns, last_event_ns, end_ns;
    bool reused, resumed;
    struct span upstream_request_id, error_message; /* in the exchange's arena */
    uint64_t events; /* content events seen, an estimate of output tokens */
    struct sse sse;
    struct eventstream frames;
    struct carry carry; /* the unfinished event, or a body being collected */
    struct chat_reader reader;
    struct chat_writer writer;
    struct json_out held;   /* what will be said to the client at the commit; in the arena */
    struct json_out joined; /* data of an event with several data lines; in the arena */
    struct span body;       /* COLLECTING, ended: the body, in the carry */
    /* It goes on for a winner that stalled (rescue.h). */
    struct attempt *behind;   /* who that was, of the same exchange; NULL: nobody */
    bool takes_over;          /* what it says goes where `behind` has begun: a stream, or a text */
    bool delivered;           /* it stalled, and what it said is part of the answer all the same */
    struct span lost;         /* white space that its request left out, and it may say again */
    struct stall_said said;   /* what the client has heard, kept unless on_stall is fail */
    struct span content_type; /* of a collected body */
    struct span error_type;   /* x-amzn-ErrorType of a failure, or empty */
};

/* Starts attempt `number` of the exchange on `backend`, with the request as it was encoded for it.
 * NULL when memory is used up. */
struct attempt *attempt_start(struct exchange *, unsigned number,
                              const struct config_backend *backend, const struct encoded *encoded,
                              enum hedge_trigger trigger);
/* Cuts it off: the connection is closed at once. Its end is not reported. */
void attempt_cancel(struct attempt *, enum fail why);
/* From now on what it decodes goes to the client; what is held is relayed first. One that takes over
 * goes on with its predecessor's writer. */
void attempt_commit(struct attempt *);
/* The client reads again. */
void attempt_resume(struct attempt *);
/* Frees what it holds; home only. */
void attempt_free(struct attempt **);
static inline bool attempt_home(const struct attempt *attempt) {
    return attempt->state == ATTEMPT_ENDED && !attempt->stream && !list_linked(&attempt->ask.link);
}

#endif
