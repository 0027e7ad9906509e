/* plan.h - which scenes run, in which order, through which programs, and which rows come of it.
 *
 * One repetition runs every scene through every program, program after program, so that what disturbs
 * the machine for a while disturbs all of them alike; each repetition begins with another program. */
#ifndef BENCH_YARD_PLAN_H
#define BENCH_YARD_PLAN_H

#include "bench/yard/scene.h"
#include "bench/yard/tally.h"

enum { PLAN_SUBJECTS_MAX = 8, PLAN_MEASURES = 7 };

struct plan_series {
    struct tally_series cpu_us, cycles, instructions, wakeups, per_second;
};

struct plan {
    struct stage *stage; /* borrowed */
    bool brief;          /* fewer repetitions, fewer things in each */
    unsigned repetitions;
    struct subject subjects[PLAN_SUBJECTS_MAX]; /* of one name clear text comes before TLS */
    unsigned count;
    struct text request, race; /* what clients send */
    struct plan_series series[PLAN_MEASURES][PLAN_SUBJECTS_MAX];
    struct tally_series lost_attempt;
    double rate;                          /* of the latency scene */
    unsigned memory_connections;          /* of the memory scene */
    double base_bytes[PLAN_SUBJECTS_MAX]; /* private memory before the first connection */
    struct tally tally;
};

/* Runs all of it, a few minutes, and fills the tally. Talks on standard error. */
void plan_run(struct plan *);

#endif
