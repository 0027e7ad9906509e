/* learning.c - computes the learner in use. See learning.h.
 *
 * Owns:     one thread.
 * Promises: a configuration is held while its learner is computed; a stop ends the wait at once. */
#include "appliance/control/learning.h"

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "appliance/race/learner.h"
#include "core/heap.h"
#include "core/ring.h"

#define TICK_NS (250 * NS_PER_MS)

struct learning {
    unsigned workers;
    bool started;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;   /* stop was set */
    struct config_hold *hold; /* under lock */
    bool stop;                /* under lock */
};

static struct timespec at(uint64_t time_ns) {
    return (struct timespec){.tv_sec = (time_t)(time_ns / NS_PER_S),
                             .tv_nsec = (long)(time_ns % NS_PER_S)};
}

/* The configuration to compute, held; NULL when it is time to end. */
static struct config_hold *next(struct learning *learning, uint64_t until_ns) {
    struct timespec until = at(until_ns);
    struct config_hold *hold = NULL;
    pthread_mutex_lock(&learning->lock);
    while (!learning->stop && ring_now(NULL) < until_ns)
        pthread_cond_timedwait(&learning->changed, &learning->lock, &until);
    if (!learning->stop)
        hold = config_hold_take(learning->hold->config);
    pthread_mutex_unlock(&learning->lock);
    return hold;
}

static void *run(void *owner) {
    struct learning *learning = owner;
    struct config_hold *hold;
    pthread_setname_np(pthread_self(), "learning");
    while ((hold = next(learning, ring_now(NULL) + TICK_NS))) {
        learner_compute(hold->config->learner, ring_now(NULL));
        config_hold_drop(&hold);
    }
    return NULL;
}

struct learning *learning_new(unsigned workers) {
    struct learning *learning = heap_alloc(sizeof *learning);
    pthread_condattr_t clock;
    learning->workers = workers;
    pthread_mutex_init(&learning->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&learning->changed, &clock);
    pthread_condattr_destroy(&clock);
    return learning;
}

int learning_use(struct learning *learning, struct config *config) {
    config->learner = learner_new(config, learning->workers, ring_now(NULL));
    struct config_hold *before = learning->hold; /* written by this thread alone */
    if (before) {
        learner_inherit(config->learner, before->config->learner);
        /* So that the first requests of the new configuration read what is known already. */
        learner_compute(config->learner, ring_now(NULL));
    }
    pthread_mutex_lock(&learning->lock);
    learning->hold = config_hold_take(config);
    pthread_mutex_unlock(&learning->lock);
    if (before)
        config_hold_drop(&before);
    if (learning->started)
        return 0;
    int error = pthread_create(&learning->thread, NULL, run, learning);
    learning->started = error == 0;
    return -error;
}

void learning_free(struct learning **pointer) {
    struct learning *learning = *pointer;
    pthread_mutex_lock(&learning->lock);
    learning->stop = true;
    pthread_cond_broadcast(&learning->changed);
    pthread_mutex_unlock(&learning->lock);
    if (learning->started)
        pthread_join(learning->thread, NULL);
    if (learning->hold)
        config_hold_drop(&learning->hold);
    pthread_cond_destroy(&learning->changed);
    pthread_mutex_destroy(&learning->lock);
    heap_free(pointer);
}
