/* loop.h - one turn after another: submit and wait, dispatch completions, timers, deferred work.
 *
 *   ring_wait -> completions: op->done() -> eager sends that succeeded -> timers -> deferred work
 *
 * A loop belongs to one thread. It owns the ring, the timers, the dice and the worker's memory;
 * what runs on it borrows them. */
#ifndef HEDGEROW_CORE_LOOP_H
#define HEDGEROW_CORE_LOOP_H

#include "core/io.h"
#include "core/rand.h"
#include "core/slab.h"
#include "core/timer.h"

/* Work for the end of this turn. Linked at most once; run once. */
struct defer {
    void (*run)(struct defer *);
    struct list link;
};

static inline void defer_init(struct defer *defer, void (*run)(struct defer *)) {
    defer->run = run;
    list_init(&defer->link);
}

struct loop_stats { /* single writer; read by metrics */
    uint64_t turns, completions, sends_eager, sends_waiting, starved, overflows, timers;
};

struct loop {
    struct ring *ring; /* owned */
    struct timers timers;
    struct list deferred; /* struct defer */
    struct list last; /* struct defer run after all of `deferred`: flushes, so that one send carries
                         the turn's bytes */
    struct list eager;      /* struct op: eager sends queued in this turn */
    struct list eager_sent; /* struct op: eager sends submitted by the last wait */
    struct list starved;    /* struct op: receives that found no buffer */
    struct memory memory;
    struct rand rand;
    uint64_t now_ns; /* taken once a turn, after the wait */
    unsigned armed;  /* ops in flight */
    unsigned urgent; /* > 0: a first token is awaited, do not linger for batches */
    bool lingering;  /* the last turn was busy enough that waiting for a batch pays */
    bool hurried;    /* loop_hurry was called: the next wait only submits and looks */
    struct loop_stats stats;
    char *
        scratch; /* LOOP_SCRATCH_SIZE bytes for decrypted records, valid within one callback only */
};
#define LOOP_SCRATCH_SIZE 32768

/* memory_max: bytes of blocks the worker may hand out. 0 or -errno of ring_open. */
int loop_open(struct loop *, const struct ring_options *options, size_t memory_max);
/* Nothing may be armed. */
void loop_close(struct loop *);
/* One turn: waits until the first completion, the next timer or until_ns (UINT64_MAX: no limit). 0
 * or -errno of the wait. */
int loop_turn(struct loop *, uint64_t until_ns);
/* Runs defer->run at the end of this turn; nothing if it is already waiting. */
void loop_defer(struct loop *, struct defer *);
/* As loop_defer, behind everything deferred: for flushing. */
void loop_defer_last(struct loop *, struct defer *);
void loop_undefer(struct defer *);
/* Something is to follow on an eager send: its success makes no completion, so that a sleeping loop
 * would not see it before something else happened. */
static inline void loop_hurry(struct loop *loop) { loop->hurried = true; }
static inline void loop_arm(struct loop *loop, struct timer *timer, uint64_t in_ns) {
    timer_arm(&loop->timers, timer,
              in_ns > UINT64_MAX - loop->now_ns ? UINT64_MAX : loop->now_ns + in_ns);
}
static inline void loop_disarm(struct loop *loop, struct timer *timer) {
    timer_disarm(&loop->timers, timer);
}

#endif
