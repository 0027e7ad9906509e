/* worker.c - threads on cores. See worker.h. */
#include "core/worker.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>

unsigned worker_cpus(int *cpus) {
    cpu_set_t set;
    unsigned count = 0;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        for (int cpu = 0; cpu < CPU_SETSIZE && count < WORKERS_MAX; cpu++)
            if (CPU_ISSET(cpu, &set))
                cpus[count++] = cpu;
    if (count == 0)
        cpus[count++] = -1;
    return count;
}

static void *thread_main(void *argument) {
    struct worker *worker = argument;
    if (worker->cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(worker->cpu, &set);
        /* Refused by some sandboxes: then the scheduler places the thread, which costs speed, not
         * correctness. */
        (void)pthread_setaffinity_np(pthread_self(), sizeof set, &set);
    }
    worker->run(worker);
    return NULL;
}

int worker_start(struct worker *worker) {
    sigset_t all, before;
    char name[16];
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&worker->thread, NULL, thread_main, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return -error;
    snprintf(name, sizeof name, "hedgerow/%u", worker->index % 1000);
    pthread_setname_np(worker->thread, name);
    return 0;
}

void worker_join(struct worker *worker) { pthread_join(worker->thread, NULL); }
