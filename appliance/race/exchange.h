/* exchange.h - one client request from its head to its last byte. Owns the arena, the body and the
 * attempts; asks hedge what to do and does it.
 *
 * Ends when the client's stream is gone and every attempt is home: exchange_drop at zero holds
 * frees it, in one place. */
#ifndef HEDGEROW_APPLIANCE_RACE_EXCHANGE_H
#define HEDGEROW_APPLIANCE_RACE_EXCHANGE_H

#include "appliance/race/attempt.h"
#include "appliance/race/encode.h"
#include "appliance/race/endpoint.h"
#include "appliance/race/hedge.h"
#include "appliance/race/pass.h"
#include "appliance/race/plan.h"
#include "appliance/race/race.h"
#include "providers/embeddings.h"

enum exchange_state {
    EXCHANGE_REQUEST,  /* the request is arriving */
    EXCHANGE_RACING,   /* attempts run, nothing was said to the client */
    EXCHANGE_RELAYING, /* an attempt is committed; the head was sent */
    EXCHANGE_PASSING,  /* passed through to one provider */
    EXCHANGE_ANSWERED, /* the client's answer is queued whole, or its stream was reset */
};

struct exchange {
    struct race *race;
    struct upstreams *upstreams; /* held */
    struct list link;
    struct stream *client; /* NULL once gone */
    struct arena arena;
    enum exchange_state state;
    unsigned holds;  /* the client's stream, and each attempt */
    enum fail why;   /* how the request ended, for the log; FAIL_NONE: answered */
    unsigned status; /* sent to the client; 0: none */

    /* request */
    char *body; /* from race->loop->memory, body_size bytes of it */
    size_t body_n, body_size, body_max;
    struct endpoint endpoint;      /* spans in `path` */
    const struct dialect *dialect; /* the client's; errors are told in it */
    struct chat_request req;
    struct embeddings_request embeddings; /* of an embeddings request, beside req */
    struct chat_prompt *prompt;           /* NULL until a backend of another dialect needs it */
    struct span unable, unable_field;     /* why the last backend that cannot express it cannot */
    uint64_t room_wait_ns; /* a backend that might have taken it had no room for so long; 0: none */
    bool denied;           /* a backend that might have taken it was busy, or there was no memory */
    const struct config_model *model;
    const struct config_key *key;
    struct plan_wish wish;
    struct span id, traceparent, tags, authorization; /* in the arena */
    bool key_slot;                                    /* counted in key->in_flight */
    bool raced; /* a request to be raced; otherwise answered from configuration */
    struct span path;
    struct pass *pass; /* of a path that is passed through; in the arena */
    struct quota_ticket pass_quota;
    bool passing; /* it was started, and is not home */
    bool pinned;  /* it refers to what one provider keeps (pin.h) */

    /* race */
    struct plan plan;
    struct hedge hedge;
    struct attempt *attempts[ATTEMPTS_MAX];
    unsigned attempt_count;
    struct attempt *winner;
    struct stall_verdict stall; /* of the winner that ended too early; zeroed: none did */
    struct timer wake;
    struct list racing;           /* race->racing, while EXCHANGE_RACING */
    struct list waiting;          /* upstreams->waiting: its hedge waits for a token */
    double reserved_pico;         /* money set aside for its hedges (budget.h) */
    double reserved_last_pico;    /* ... of them for the latest */
    unsigned refused_at_failures; /* so many attempts had ended when a retry was last refused */
    unsigned kind;                /* learn_kind */
    bool stepping;

    /* for the log */
    uint64_t begin_ns, whole_ns, first_start_ns, commit_ns, first_byte_ns, end_ns, begin_wall_ns;
    uint64_t bytes_in, bytes_out;
    uint64_t overhead_ns; /* see race_model_stats */
    unsigned hedges;      /* started by delay, failure or stall */
    struct hist *gaps;    /* unused unless inter-token times are asked for */
};

/* Begins on a stream just opened. Refuses with 503 by itself when there is no room. */
void exchange_open(struct race *, struct stream *client);

/* Cuts the client off: everything else follows from its stream's gone. */
void exchange_cut(struct exchange *, enum fail why);
/* The status for log and metrics: what was sent; 499 when the client left, also behind a head that
 * was sent; else what the reason stands for. */
unsigned exchange_status(const struct exchange *);
/* Sets up the hedge timer of a zeroed exchange. */
void exchange_init_wake(struct exchange *);

/* A token has come for its hedge, which was due before. */
void exchange_hedge_again(struct exchange *);

/* --- from attempts --- */
void exchange_on_head(struct exchange *, struct attempt *);
void exchange_on_content(struct exchange *, struct attempt *);
/* Its end, settled in attempt->why. */
void exchange_on_end(struct exchange *, struct attempt *);
/* Its stream is gone: it may be counted home. */
void exchange_attempt_home(struct exchange *, struct attempt *);
/* Bytes for the client of a streamed answer. */
void exchange_relay(struct exchange *, struct span bytes);

/* Answers with an error of our own; and: the answer was given. For intake.c. */
void exchange_refuse(struct exchange *, enum fail why, struct span message, struct span param);
void exchange_answered(struct exchange *);
/* May its key have one more request in flight? Counts it, until the client's stream is gone. */
bool exchange_take_slot(struct exchange *);
/* From pass.c: it was started; it is home (its stream is gone), which may free the exchange. */
void exchange_passing(struct exchange *);
void exchange_pass_home(struct exchange *);
/* Is it a whole count_tokens answer? 0, or -FAIL_BAD_EVENT. */
int exchange_check_count(struct span body);

/* --- relay.c: what is said to the client --- */
/* Head of a won answer; SSE or a whole body follows. */
void relay_begin(struct exchange *, struct attempt *winner);
/* The winner's answer is whole: end mark or body, end of stream. */
void relay_finish(struct exchange *, struct attempt *winner);
/* The winner failed after the commit: in-stream error event, end of stream without an end mark; a
 * whole body becomes a 502. */
void relay_break(struct exchange *, struct attempt *winner);
/* No attempt won: an error answer. `shown` may be NULL. */
void relay_fail(struct exchange *, enum fail why, struct attempt *shown);
/* An error of our own in the client's dialect, before any attempt. message: plain text, what to do.
 */
void relay_refuse(struct exchange *, enum fail why, struct span message, struct span param);
/* A small JSON answer from configuration: GET /v1/models, /health. */
void relay_json(struct exchange *, unsigned status, struct span json);
/* GET /v1/models, or of one model: those that the key may use, as the client's dialect lists them.
 * `anthropic`: in that of Anthropic, whose path is OpenAI's. */
void relay_models(struct exchange *, bool anthropic);

#endif
