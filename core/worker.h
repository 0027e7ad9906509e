/* worker.h - a thread on a core. What it runs is the owner's. */
#ifndef HEDGEROW_CORE_WORKER_H
#define HEDGEROW_CORE_WORKER_H

#include <pthread.h>
#include <stdint.h>

#include "core/base.h"
#include "core/limits.h"

struct worker {
    pthread_t thread;
    unsigned index;
    int cpu; /* to be pinned to, or -1 */
    void (*run)(struct worker *);
};

/* The processors this process may run on, ascending, at most WORKERS_MAX. Returns how many (>= 1).
 * sched_getaffinity(2), so that a container's cpuset and taskset count. */
unsigned worker_cpus(int *cpus);
/* Starts the thread with all signals blocked (the main thread takes them) and name
 * "hedgerow/INDEX". 0 or -errno. */
int worker_start(struct worker *);
void worker_join(struct worker *);

#endif
