/* cloud.h - a running simulated cloud: one thread, one listener for its API, one for its control,
 * and the connections ("peers") on both.
 *
 *     cloud.c        the thread, the listeners
 *     peer.c         one connection: TLS and HTTP/1.1 in, heads and bodies out
 *     serving.c      which answer a request gets, the same for all vendors
 *     vendor_X.c     a vendor's paths, keys, header lines and errors (vendor.h)
 *     format_X.c     a wire format (format.h)
 *     identity.c     the token endpoints
 *     play.c         the answer in time: first token, pacing, faults, replay
 *     sim_control.c  /sim/stats, /sim/faults, /sim/last, /sim/reset
 *
 * Owns:     everything of its thread; clouds share nothing.
 * Promises: the peer's close is seen and time-stamped at once, also while nothing is to be sent.
 */
#ifndef BENCH_CLOUD_H
#define BENCH_CLOUD_H

#include "bench/answer.h"
#include "bench/ask.h"
#include "bench/format.h"
#include "bench/limit.h"
#include "bench/recording.h"
#include "bench/sim_config.h"
#include "bench/tokens.h"
#include "bench/wire.h"

#include <llhttp.h>
#include <openssl/base.h>
#include <pthread.h>

enum {
    PEER_HEADER_BYTES = 64 << 10,
    PEER_BODY_BYTES = 64 << 20,
    SIM_CLOSES = 1000, /* remembered */
    SIM_REQUEST_ID_BYTES = 80
};

/* ---- statistics ---- */

/* A close by the other side. */
struct sim_close {
    uint64_t seen_ns;                      /* CLOCK_MONOTONIC */
    const char *phase;                     /* what the connection was doing */
    bool cancelled;                        /* an answer was not finished */
    bool reset;                            /* RST rather than FIN */
    char request_id[SIM_REQUEST_ID_BYTES]; /* x-request-id of the request, "" if none */
};

struct sim_stats {
#define STAT(name, prose) uint64_t name;
#include "bench/sim_stat.def"
#undef STAT
    uint64_t faults[SIM_FAULTS];
    uint64_t
        closes_count; /* all; the last SIM_CLOSES are in `closes`, at index count % SIM_CLOSES */
    struct sim_close closes[SIM_CLOSES];
};

/* ---- one connection ---- */

struct request {
    struct bytes target, headers,
        body;           /* headers: name, NUL, value, NUL, ... in the order received */
    const char *method; /* constant of llhttp */
    bool complete, keep_alive, http10, expect_continue;
    bool counted; /* the body is counted and not kept */
    uint64_t counted_bytes;
    const char *refusal; /* why the parser's callbacks gave up; NULL if they did not */
    int refusal_status;
};

enum peer_state {
    PEER_ASLEEP,    /* fault slow_handshake: not read from until the alarm */
    PEER_SILENT,    /* fault accept_silent: never read from */
    PEER_READING,   /* a request is awaited or half read; between requests too */
    PEER_ANSWERING, /* the play goes on by alarms */
    PEER_STALLED,   /* the answer was begun, or not, and nothing more will come */
    PEER_CLOSING,   /* closed once everything is sent */
    PEER_RESETTING  /* reset at the end of this turn */
};

/* The answer in progress. */
struct play {
    const struct format *format; /* borrowed: a constant; NULL: `prepared` is the answer */
    struct ask ask;
    struct answer answer;
    struct dice dice;
    enum sim_fault fault;
    const struct recording *recording; /* borrowed from the cloud; NULL: the answer is made up */
    struct bytes scratch;              /* events on their way into the body */
    struct bytes prepared, headers;    /* a body made beforehand, and its own header lines */
    const char *prepared_type;
    int prepared_status;
    uint64_t pour_left;                    /* bytes of a file still to be sent */
    uint64_t started_ns, head_ns, next_ns; /* request complete; head due; next event due */
    uint64_t ttft_ns;                      /* drawn for this request */
    size_t at, strike_at;    /* next piece; the piece before which the fault strikes */
    bool head_sent, blocked; /* blocked: waits for the client to read */
};

struct peer {
    struct cloud *cloud; /* its owner */
    struct peer *next, **link;
    struct wire wire;
    struct alarm alarm;
    enum peer_state state;
    bool control;      /* of the control listener */
    bool framed;       /* the body under way is chunked */
    bool close_after;  /* the response under way ends the connection */
    unsigned answered; /* responses finished on this connection */
    llhttp_t parser;
    struct request request;
    struct play play;
};

struct cloud {
    struct sim_cloud *config; /* borrowed; its `tune` is changed by this thread alone */
    uint64_t seed;
    SSL_CTX *tls; /* owned; NULL: clear text */
    struct poller poller;
    struct watch listener, control, stop;
    uint16_t port, control_port;
    struct peer *peers;
    uint64_t connections_seen, requests_seen; /* the streams of the dice */
    struct limit limit;
    struct recordings recordings;
    struct sim_stats stats;
    struct tokens issued;  /* identity: tokens; others: ids of answers that may be referred to */
    struct tokens *issuer; /* borrowed from the cloud of `identity`; NULL: none */
    EVP_PKEY *key;         /* owned; of credentials.public_key; NULL: none */
    struct bytes last;     /* the last provider request, as JSON for /sim/last */
    pthread_t thread;
};

/* Opens the listeners and the TLS settings; `index` tells clouds' dice apart. Returns false with a
 * reason in error[error_size]. cloud_close() is due either way. */
bool cloud_open(struct cloud *c, struct sim_cloud *config, const char *tls_dir, uint64_t seed,
                unsigned index, char *error, size_t error_size);
/* Starts and ends the thread. */
bool cloud_start(struct cloud *c);
void cloud_stop(struct cloud *c);
void cloud_close(struct cloud *c);
/* What this cloud takes for the time, Unix seconds. */
int64_t cloud_now_s(const struct cloud *c);

/* ---- peer.c ---- */

/* Takes over an accepted descriptor. */
void peer_open(struct cloud *c, int fd, bool control);
void peer_free(struct peer *p);
/* Sets the fault of the request in work, counted once. */
void peer_fault(struct peer *p, enum sim_fault fault);

/* A response head. `type` NULL: no body. length < 0: unknown, chunked or up to the close. `extra`
 * holds further header lines, each with CRLF. */
void peer_head(struct peer *p, int status, const char *type, long long length, const char *extra);
/* Body bytes, framed and cut as the head promised. */
void peer_body(struct peer *p, const char *data, size_t len);
/* The regular end of the body: the next request may come. */
void peer_done(struct peer *p);
/* A whole JSON response: head, body, end. */
void peer_json(struct peer *p, int status, const char *extra, const char *body, size_t len);
/* The first value of a request header field (name in lower case); NULL if absent. */
const char *peer_header(const struct peer *p, const char *name);
void peer_set_state(struct peer *p, enum peer_state state);
const char *peer_state_name(enum peer_state state);

/* ---- serving.c ---- */

/* Answers the complete request of `p`, or begins to. */
void serving_request(struct peer *p);
/* The head of a request is there: decides whether its body is kept. */
void serving_head(struct peer *p);
/* HTTP itself is broken: the refusal of the vendor's front end. */
void serving_broken(struct peer *p, int status, const char *why);
/* The vendor's header lines of any answer. */
void serving_headers(struct peer *p, struct bytes *out);
/* The vendor's refusal: a JSON response with its header lines and `extra` ones. Takes the body's
 * content and frees it. */
void serving_refuse(struct peer *p, int status, struct bytes *body, const char *extra);
/* Called when an answer went out to its regular end. */
void serving_completed(struct peer *p);

/* ---- play.c ---- */

/* Draws the fault of the request. Returns false when the fault is its whole answer. */
bool play_admit(struct peer *p, const struct format *format);
/* After play_admit(): begins the answer to p->play.ask; `model` is the name told back. */
void play_start(struct peer *p, const char *model);
/* After play_admit(): sends p->play.prepared, in its time, with p->play.headers. */
void play_prepared(struct peer *p, int status, const char *type);
/* Sends `size` bytes of a file, as fast as they are read. */
void play_pour(struct peer *p, uint64_t size);
/* Goes on: from the alarm, or when the client has read what was sent. */
void play_step(struct peer *p);
/* Forgets the answer, keeps the memory. */
void play_free(struct play *play);

/* ---- sim_control.c ---- */

void sim_control_request(struct peer *p);

#endif
