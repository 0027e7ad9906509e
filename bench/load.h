/* load.h - the load generator: its options, its counters, and the parts that make it up.
 *
 *     load_options.c   the command line
 *     load_prepare.c   the request's bytes, the server's address
 *     load.c           arrivals, connections, deadlines: one thread, one poller
 *     load_reply.c     one response, from bytes to "first content", "finish", "error"  (pure)
 *     load_report.c    the table and the JSON
 *
 * Open loop: requests are due at times drawn beforehand (Poisson or a fixed rate) and are late
 * when the server or a connection is slow; every latency counts from the time a request was due,
 * so a server that stops for a second is charged for everything that should have happened in it
 * (no coordinated omission).
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "bench/bytes.h"
#include "bench/histogram.h"

#include <llhttp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

/* ---- options ---- */

struct load_options {
    bool tls, insecure, constant, closed, stream;
    double rate;          /* requests per second, open loop */
    uint64_t connections; /* at most; in the closed loop exactly */
    uint64_t duration_ns; /* 0: `requests` ends the run */
    uint64_t requests;    /* 0: the duration ends the run */
    uint64_t warmup;      /* first requests that are sent but not reported */
    uint64_t timeout_ns;  /* of one request, from the time it was due */
    uint64_t prompt_bytes, seed;
    char host[256], port[8], path[1024]; /* of the URL */
    char host_header[272];
    const char *model, *key, *ca, *body_file,
        *json_file;       /* borrowed from argv; NULL if not given */
    struct bytes headers; /* further header lines, each with CRLF */
};

/* Reads the command line. Returns an exit status, or -1 to go on; says on stderr what was wrong. */
int load_options_read(struct load_options *o, int argc, char **argv);
void load_options_free(struct load_options *o);
/* Takes an URL apart: http or https, host, port (default by scheme), path. A path that is empty or
 * ends in /v1 gets /chat/completions behind it. Returns false when it is none. */
bool load_options_url(struct load_options *o, const char *url);

/* ---- load_prepare.c ---- */

/* Writes the request, head and body, that is sent again and again. Says on stderr why it cannot. */
bool load_prepare_request(const struct load_options *o, struct bytes *out);
/* Resolves the host (blocking, before the run). Says on stderr why it cannot. */
bool load_prepare_address(const struct load_options *o, struct sockaddr_storage *to,
                          socklen_t *to_len);

/* ---- results ---- */

enum load_error {
#define LOAD_ERROR(name, prose) LOAD_ERROR_##name,
#include "bench/load_error.def"
#undef LOAD_ERROR
    LOAD_ERRORS,
    LOAD_ERROR_NONE = LOAD_ERRORS
};

extern const char *const load_error_names[LOAD_ERRORS];

enum { LOAD_STATUSES = 600, LOAD_PROVIDERS = 32, LOAD_PROVIDER_BYTES = 48 };

struct load_provider {
    char name[LOAD_PROVIDER_BYTES];
    uint64_t requests;
};

struct load_results {
    uint64_t started_ns, ended_ns;  /* of the reported part */
    uint64_t requests, ok, retried; /* requests: finished, good or bad */
    uint64_t connections_opened, connections_resumed;
    uint64_t statuses[LOAD_STATUSES], errors[LOAD_ERRORS];
    uint64_t hedged, hedge_won, hedge_lost; /* x-hedgerow-hedge: won or lost */
    uint64_t attempts_known, attempts;      /* responses with x-hedgerow-attempts, and their sum */
    struct load_provider providers[LOAD_PROVIDERS];
    size_t providers_count;
    /* Nanoseconds, from the time due, of good requests. `lag`: from due to sent, of all. */
    struct histogram ttft, gap, total, lag;
};

/* ---- load_reply.c ---- */

enum load_hedge { LOAD_HEDGE_UNKNOWN, LOAD_HEDGE_NONE, LOAD_HEDGE_WON, LOAD_HEDGE_LOST };

/* A response as far as it has come. */
struct load_reply {
    llhttp_t parser;
    int status;                     /* 0: no head yet */
    bool any, complete, keep_alive; /* any: at least one byte came */
    bool malformed, stream, content, finish, done, error;
    enum load_hedge hedge;
    unsigned attempts; /* 0: not told */
    char provider[LOAD_PROVIDER_BYTES];
    uint64_t now_ns;            /* of the bytes being fed */
    uint64_t first_ns, last_ns; /* of content */
    struct histogram *gaps;     /* borrowed: where times between content events go; may be NULL */
    struct bytes field, value, line, event, body;
};

/* Begins a response; buffers of an earlier one are reused (zero it before the first).
 * `parser.data` is the reply: it must not move until the response is complete. */
void load_reply_start(struct load_reply *r, struct histogram *gaps);
/* Takes received bytes. Returns false once nothing more belongs to this response: complete or
 * malformed. */
bool load_reply_feed(struct load_reply *r, const char *data, size_t len, uint64_t now_ns);
/* The connection ended: a body without length is complete by it. */
void load_reply_eof(struct load_reply *r);
/* What is wrong with a complete or broken-off response; LOAD_ERROR_NONE if nothing. */
enum load_error load_reply_verdict(const struct load_reply *r);
void load_reply_free(struct load_reply *r);

/* ---- load_report.c ---- */

void load_report_text(FILE *to, const struct load_options *o, const struct load_results *r);
void load_report_json(struct bytes *out, const struct load_options *o,
                      const struct load_results *r);

#endif
