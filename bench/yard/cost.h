/* cost.h - what a program costs: processor time of its own threads, and what the processor counted for
 * them where the kernel gives its counters.
 *
 * Processor time is the scheduler's, in ns (/proc/PID/task/TID/schedstat, Linux 2.6.9): unlike
 * rusage it is not sampled. Cycles and instructions, user and kernel, come from perf_event_open(2)
 * for every thread that runs when the meter is opened; virtual machines often have none.
 *
 * Owns:     the descriptors of the counters.
 * Promises: cost_read() returns when the threads sleep, so that nothing of the work is missing. */
#ifndef BENCH_YARD_COST_H
#define BENCH_YARD_COST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { COST_PROCESSES_MAX = 8, COST_COUNTERS_MAX = 64 };

struct cost {
    double cpu_ns;
    double wakeups; /* times a thread was given the processor */
    double cycles, instructions;
    double bytes; /* private memory of the processes: anonymous and shared, in RAM */
};

struct cost_meter {
    pid_t pids[COST_PROCESSES_MAX];
    unsigned processes;
    bool counting; /* cycles and instructions are there for all threads */
    unsigned counters;
    int cycles[COST_COUNTERS_MAX], instructions[COST_COUNTERS_MAX]; /* owned */
};

/* `list`: process ids with commas between. False if one of them is not running. */
bool cost_open(struct cost_meter *, const char *list);
void cost_close(struct cost_meter *);
/* The sums so far, once nothing moves any more (at most 50 ms). False if a process has ended. */
bool cost_read(struct cost_meter *, struct cost *);

#endif
