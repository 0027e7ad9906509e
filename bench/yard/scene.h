/* scene.h - what is measured: one scene at a time through one program at a time.
 *
 * The loops are closed: the next request or round follows when the one before has arrived, so that a run
 * is a known number of things done and nothing waits for a clock. Only scene_latency is open: there
 * requests are due at random times, and latency counts from then. */
#ifndef BENCH_YARD_SCENE_H
#define BENCH_YARD_SCENE_H

#include "bench/yard/cost.h"
#include "bench/yard/stage.h"
#include "bench/yard/text.h"

enum { SCENE_CONNECTIONS = 64 };

/* A program under measurement, clear text or TLS on both sides. */
struct subject {
    const char *name;
    uint16_t port, admin_port; /* admin_port: 0 if it has none */
    bool tls, direct;          /* direct: no program, the clients ask the cloud */
    bool races;                /* understands x-hedgerow-hedge */
    struct cost_meter meter;
    struct link *clients[SCENE_CONNECTIONS]; /* borrowed from the stage */
};

/* What one run has cost, divided by what was done. */
struct scene_result {
    double cpu_us, cycles, instructions, wakeups;
    double per_second; /* done, by the clock */
};

/* Opens the subject's connections, which stay for the whole run. */
void scene_open(struct stage *, struct subject *);
/* `count` requests, each with a whole answer. */
struct scene_result scene_requests(struct stage *, struct subject *, const struct text *request,
                                   unsigned count);
/* `rounds` of one event on each of `ready` of the subject's open streams (1..SCENE_CONNECTIONS). */
struct scene_result scene_events(struct stage *, struct subject *, const struct text *request,
                                 unsigned ready, unsigned rounds);
/* Requests due at `rate` per second, Poisson arrivals, for duration_ns. Writes the time from due to
 * first event in ns of each into latencies[max], sorted; returns how many. */
unsigned scene_latency(struct stage *, struct subject *, const struct text *request, double rate,
                       uint64_t duration_ns, double *latencies, unsigned max);
/* What a lost attempt costs at the least, in us of processor time: a bare process, on the processor of
 * the subject, connects to the slow cloud, sends the request and closes, `count` times. */
double scene_lost_attempt(struct stage *, const struct subject *, const struct text *request,
                          unsigned count);
/* Private memory of the program in bytes, now. */
double scene_bytes(struct subject *);
struct scene_memory {
    double before, idle, stream; /* private memory of the program in bytes */
};
/* The same before, and with `count` more connections, idle; then with a stream open on each. */
struct scene_memory scene_memory(struct stage *, struct subject *, const struct text *request,
                                 unsigned count);

#endif
