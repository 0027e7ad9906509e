/* stage.h - the clients and the clouds of the measurement, in one thread that never sleeps.
 *
 *      client link -> | the program measured | -> cloud link
 *         (connects)                               (accepted by a cloud's listener)
 *
 * Both ends being here, a closed loop of a known number of requests or events passes through the
 * program, and nothing else runs on its processor. The stage spins: a peer that slept would have to be
 * woken by the program, on its account.
 *
 * Owns:     all descriptors and TLS states of both sides.
 * Promises: what a client got is checked: status, end of the stream, number of events.
 * Refuses:  to go on after anything unexpected; yard_die() ends the program, for a number measured on
 *           failing requests is worse than none. */
#ifndef BENCH_YARD_STAGE_H
#define BENCH_YARD_STAGE_H

#include "bench/yard/scan.h"

#include <openssl/base.h>
#include <stdbool.h>
#include <stdint.h>

/* The upstreams: clear text, clear text and slow to answer, TLS. */
enum cloud_name { CLOUD_CLEAR, CLOUD_SLOW, CLOUD_TLS, CLOUDS };

/* What clouds answer to requests from now on. */
enum stage_answer {
    STAGE_WHOLE, /* the whole stream in one write */
    STAGE_OPEN   /* its head and first event; stage_event() and stage_finish() follow */
};

enum { STAGE_LINKS_MAX = 65536, STAGE_HELD_MAX = 4096 };

/* Nothing here takes longer. */
#define STAGE_PATIENCE_NS UINT64_C(10000000000)

struct link {
    int fd;
    SSL *ssl;     /* owned; NULL for clear text */
    bool client;  /* else of a cloud */
    bool up;      /* greeted, with TLS */
    bool busy;    /* client: awaits an answer. cloud: owes one */
    bool counted; /* client: this answer's first event has been reported */
    enum cloud_name cloud;
    uint16_t port;   /* client: of the program */
    uint64_t due_ns; /* client: when its request was to be sent, for the owner's use */
    uint64_t number; /* cloud: the how manieth it accepted */
    int held;        /* index in `held` of a slow cloud's answer, -1: none */
    struct scan scan;
};

struct cloud {
    int fd;
    uint16_t port;
    SSL_CTX *tls; /* owned; NULL: clear text */
    uint64_t delay_ns;
    uint64_t requests, left_early; /* left_early: closed by the other side before the answer */
};

struct stage {
    int epoll_fd;
    struct cloud clouds[CLOUDS];
    SSL_CTX *tls; /* owned: of clients */
    const char *host;
    enum stage_answer answer;
    struct link *links[STAGE_LINKS_MAX]; /* by descriptor; owned */
    struct link
        *streams[STAGE_LINKS_MAX]; /* cloud links with an open stream; borrowed from links */
    unsigned stream_count;
    struct { /* answers of the slow cloud in the order they are due */
        struct link *link;
        uint64_t due_ns;
    } held[STAGE_HELD_MAX];
    unsigned held_first, held_end; /* wrap at STAGE_HELD_MAX */
    uint64_t accepted;             /* by all clouds */
    uint64_t events, replies;      /* that clients got, of all */
    void *owner;
    /* May be NULL. A client has got the first event of an answer; has got all of it. */
    void (*first_event)(struct stage *, struct link *);
    void (*replied)(struct stage *, struct link *);
};

/* Ends the program with a message on standard error. */
void yard_die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* CLOCK_MONOTONIC. */
uint64_t yard_clock_ns(void);

/* Listens on free loopback ports. The certificate for `host` is made in the folder, which also serves
 * the programs measured (bench/authority.h). */
void stage_open(struct stage *, const char *tls_folder, const char *host, uint64_t slow_ns);
/* Serves what is ready; returns at once when nothing is. */
void stage_turn(struct stage *);

/* A new client link, connected and greeted. */
struct link *stage_connect(struct stage *, uint16_t port, bool tls);
/* Closes the client links and serves for a moment what follows from that. */
void stage_disconnect(struct stage *, struct link **clients, unsigned count);
/* Closes the clouds' idle links that were accepted after so many others. */
void stage_hang_up(struct stage *, uint64_t after);
/* Sends the bytes on a link. False if the other side has closed it. */
bool stage_send(struct link *, const char *bytes, size_t n);
/* Sends an event, or the end of the stream, on open stream `index`; the latter forgets all of them. */
void stage_event(struct stage *, unsigned index);
void stage_finish(struct stage *);

#endif
