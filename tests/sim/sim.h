/* sim.h - what all parts of the simulated world share: the seed, virtual time and its events, the trace, marks, and the
 * end of a seed that found something wrong.
 *
 *     clients.c --wire.c--+                              +--wire.c-- clouds.c
 *                         |   ring_sim.c (core/ring.h)   |
 *                         +-- the real engine on a loop -+
 *
 * Everything runs in one thread; the world's events run inside the engine's ring_wait, as the rest of the world does
 * while a real thread sleeps in the kernel. One seed, one world: nothing outlives it, its memory is given back whole.
 * Two dice: the kernel's and the world's, so that a change of the one does not reshuffle the other. */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "core/base.h"
#include "core/rand.h"
#include "core/span.h"

/* ---- rare branches that the default seeds must reach ---- */

enum sim_mark {
#define MARK(name, text) MARK_##name,
#include "tests/sim/marks.def"
#undef MARK
    MARK_COUNT
};

/* ---- an event in virtual time ---- */

struct event {
    void (*fire)(struct event *);
    uint64_t at_ns, order; /* of two at the same time the one that was set first comes first */
    unsigned place;        /* in the heap, from 1; 0: not set */
};

static inline void event_init(struct event *event, void (*fire)(struct event *)) {
    *event = (struct event){.fire = fire};
}
static inline bool event_is_set(const struct event *event) { return event->place != 0; }
/* Sets or moves it. A time that has passed fires with the next events. */
void event_set(struct event *, uint64_t at_ns);
void event_clear(struct event *);
/* When the first event is due; UINT64_MAX: none is set. */
uint64_t event_next(void);
/* Fires all events due by sim.now_ns, also those that these set. */
void event_run(void);

/* ---- the seed ---- */

struct sim_counts { /* over all seeds of a run, for the last line */
    uint64_t requests, attempts, hedges, commits, cancels, answers, errors, broken, left, turns,
        virtual_s;
};

struct sim {
    const char *what; /* the seed is a number of; NULL: a seed */
    uint64_t seed, now_ns;
    uint64_t wall_ns;          /* added to now_ns: the wall clock */
    struct rand kernel, world; /* dice */
    bool verbose;
    uint64_t digest;            /* of all turns: the same seed must give the same */
    uint64_t marks[MARK_COUNT]; /* how often each was reached, over all seeds */
    struct sim_counts counts;
    /* Faults of the simulated kernel in this seed, each a probability. */
    double short_send, early_end, no_descriptor, late_cancel, slow_turn;
};
extern struct sim sim;

/* Virtual time begins here: 0 would be taken for "not yet" by those who keep times. */
#define SIM_BEGIN_NS (1000 * NS_PER_S)
#define SIM_MS(n)    ((uint64_t)(n)*NS_PER_MS)

/* Starts a seed: nothing is set, time is at its beginning. */
void sim_begin(uint64_t seed, bool verbose);
/* Ends it: its memory is given back. */
void sim_end(void);
/* Memory of this seed, zeroed; never NULL, never freed singly. */
void *sim_alloc(size_t n);
/* A text that grows in it. */
struct text {
    char *p;
    size_t n, max;
};
void text_add(struct text *, const char *p, size_t n);
void text_printf(struct text *, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void text_str(struct text *text, const char *str) {
    text_add(text, str, strlen(str));
}
static inline struct span text_span(const struct text *text) { return span_of(text->p, text->n); }
/* Drops the first n bytes. */
void text_drop(struct text *, size_t n);

/* One line of the story, with --verbose. */
#define sim_trace(...)                   \
    do {                                 \
        if (sim.verbose)                 \
            sim_trace_line(__VA_ARGS__); \
    } while (0)
void sim_trace_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* `checker` found something wrong: says so with the seed and ends the program. */
_Noreturn void sim_fail(const char *checker, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static inline void sim_mark(enum sim_mark mark) { sim.marks[mark]++; }

/* ---- dice of the world ---- */

static inline uint64_t world_below(uint64_t bound) { return rand_below(&sim.world, bound); }
static inline bool world_chance(double p) { return rand_double(&sim.world) < p; }
/* low .. high, both included */
static inline uint64_t world_between(uint64_t low, uint64_t high) {
    return low + world_below(high - low + 1);
}
static inline bool kernel_chance(double p) { return rand_double(&sim.kernel) < p; }

#endif
