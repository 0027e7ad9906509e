/* timer.c - the wheel. Level l holds timers that are due within 64^(l+1) ticks, in slots of 64^l
 * ticks; when the lower levels have gone round, a slot of the level above is spread over them
 * (cascade). */
#include "core/timer.h"

#include <string.h>

#define SLOT_BITS 6
#define SLOT_MASK (TIMER_SLOTS - 1)
/* Furthest a timer can be placed; what is due later waits there and is placed again. */
#define TICKS_MAX ((UINT64_C(1) << (SLOT_BITS * TIMER_LEVELS)) - 1)

/* First tick at which a timer due at at_ns may fire: never early. */
static uint64_t tick_after(uint64_t at_ns) {
    uint64_t tick = at_ns >> TIMER_TICK_SHIFT;
    return (at_ns & ((UINT64_C(1) << TIMER_TICK_SHIFT) - 1)) ? tick + 1 : tick;
}

void timers_init(struct timers *timers, uint64_t now_ns) {
    memset(timers, 0, sizeof *timers);
    timers->tick = now_ns >> TIMER_TICK_SHIFT;
    for (unsigned level = 0; level < TIMER_LEVELS; level++)
        for (unsigned slot = 0; slot < TIMER_SLOTS; slot++)
            list_init(&timers->slots[level][slot]);
}

static void place(struct timers *timers, struct timer *timer) {
    uint64_t due = max_u64(tick_after(timer->at_ns), timers->tick + 1);
    uint64_t ahead = min_u64(due - timers->tick, TICKS_MAX);
    due = timers->tick + ahead;
    /* The level is given by the highest digit in which due differs from now, so that a slot is
     * cascaded exactly when the wheel's hand enters it. */
    uint64_t differs = due ^ timers->tick;
    unsigned level = (unsigned)(63 - __builtin_clzll(differs)) / SLOT_BITS;
    if (level >= TIMER_LEVELS)
        level = TIMER_LEVELS - 1;
    unsigned slot = (unsigned)(due >> (SLOT_BITS * level)) & SLOT_MASK;
    timers->filled[level] |= UINT64_C(1) << slot;
    list_push_back(&timers->slots[level][slot], &timer->link);
}

void timer_arm(struct timers *timers, struct timer *timer, uint64_t at_ns) {
    timer_disarm(timers, timer);
    timer->at_ns = at_ns;
    timers->armed++;
    place(timers, timer);
}

void timer_disarm(struct timers *timers, struct timer *timer) {
    if (!timer_armed(timer))
        return;
    list_remove(&timer->link);
    CHECK(timers->armed > 0);
    timers->armed--;
}

/* The next tick at which a slot of `level` is entered, or UINT64_MAX. */
static uint64_t next_of_level(const struct timers *timers, unsigned level) {
    uint64_t filled = timers->filled[level];
    if (!filled)
        return UINT64_MAX;
    unsigned shift = SLOT_BITS * level;
    unsigned hand = (unsigned)(timers->tick >> shift) & SLOT_MASK;
    /* Slots behind the hand belong to the next round of this level. */
    unsigned turn = (hand + 1) & SLOT_MASK;
    uint64_t rotated = turn ? (filled >> turn) | (filled << (TIMER_SLOTS - turn)) : filled;
    uint64_t distance = (uint64_t)__builtin_ctzll(rotated) + 1;
    return ((timers->tick >> shift) + distance) << shift;
}

static uint64_t next_tick(const struct timers *timers) {
    uint64_t next = UINT64_MAX;
    for (unsigned level = 0; level < TIMER_LEVELS; level++)
        next = min_u64(next, next_of_level(timers, level));
    return next;
}

uint64_t timers_next(const struct timers *timers) {
    if (timers->armed == 0)
        return UINT64_MAX;
    uint64_t tick = next_tick(timers);
    return tick > UINT64_MAX >> TIMER_TICK_SHIFT ? UINT64_MAX : tick << TIMER_TICK_SHIFT;
}

static void cascade(struct timers *timers, unsigned level) {
    unsigned slot = (unsigned)(timers->tick >> (SLOT_BITS * level)) & SLOT_MASK;
    struct list due;
    list_init(&due);
    struct list *head = &timers->slots[level][slot], *node;
    timers->filled[level] &= ~(UINT64_C(1) << slot);
    while ((node = list_pop(head)))
        list_push_back(&due, node);
    while ((node = list_pop(&due))) {
        struct timer *timer = container_of(node, struct timer, link);
        /* Due in this very tick: it belongs into the slot that is about to be run. */
        if (tick_after(timer->at_ns) <= timers->tick) {
            unsigned now = (unsigned)timers->tick & SLOT_MASK;
            timers->filled[0] |= UINT64_C(1) << now;
            list_push_back(&timers->slots[0][now], &timer->link);
        } else {
            place(timers, timer);
        }
    }
}

static unsigned run_slot(struct timers *timers) {
    unsigned slot = (unsigned)timers->tick & SLOT_MASK, fired = 0;
    struct list due, *node;
    list_init(&due);
    timers->filled[0] &= ~(UINT64_C(1) << slot);
    while ((node = list_pop(&timers->slots[0][slot])))
        list_push_back(&due, node);
    while ((node = list_pop(&due))) {
        struct timer *timer = container_of(node, struct timer, link);
        timers->armed--;
        fired++;
        timer->fired(timer);
    }
    return fired;
}

unsigned timers_run(struct timers *timers, uint64_t now_ns) {
    uint64_t target = now_ns >> TIMER_TICK_SHIFT;
    unsigned fired = 0;
    while (timers->tick < target) {
        uint64_t next = timers->armed ? next_tick(timers) : UINT64_MAX;
        if (next > target) {
            timers->tick = target;
            break;
        }
        timers->tick = next;
        for (unsigned level = TIMER_LEVELS - 1; level > 0; level--)
            if ((timers->tick & ((UINT64_C(1) << (SLOT_BITS * level)) - 1)) == 0)
                cascade(timers, level);
        fired += run_slot(timers);
    }
    return fired;
}
