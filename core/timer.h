/* timer.h - a hierarchical timer wheel: one per loop, driven by the wait's time limit. (pure)
 *
 * Five levels of 64 slots; a tick is 2^20 ns (about 1 ms). Arm and disarm are O(1). A timer never
 * fires early and at most one tick late plus the loop's own lateness. */
#ifndef HEDGEROW_CORE_TIMER_H
#define HEDGEROW_CORE_TIMER_H

#include "core/list.h"

#define TIMER_TICK_SHIFT 20
#define TIMER_LEVELS     5
#define TIMER_SLOTS      64

struct timer {
    void (*fired)(struct timer *);
    uint64_t at_ns; /* when it is due; meaningful while armed */
    struct list link;
};

struct timers {
    uint64_t tick; /* all ticks <= this one have been run */
    unsigned armed;
    uint64_t filled[TIMER_LEVELS]; /* bit s: slot s of the level may hold timers */
    struct list slots[TIMER_LEVELS][TIMER_SLOTS];
};

static inline void timer_init(struct timer *timer, void (*fired)(struct timer *)) {
    timer->fired = fired;
    timer->at_ns = 0;
    list_init(&timer->link);
}
static inline bool timer_armed(const struct timer *timer) { return list_linked(&timer->link); }

void timers_init(struct timers *, uint64_t now_ns);
/* Arms or moves the timer to at_ns; a time in the past fires in the next timers_run. */
void timer_arm(struct timers *, struct timer *, uint64_t at_ns);
/* Does nothing when not armed. */
void timer_disarm(struct timers *, struct timer *);
/* Fires all timers due at now_ns; each is disarmed before its call and may be armed again in it.
 * Returns how many. */
unsigned timers_run(struct timers *, uint64_t now_ns);
/* No timer fires before this time; UINT64_MAX when none is armed. May be earlier than the first
 * timer (a cascade). */
uint64_t timers_next(const struct timers *);

#endif
