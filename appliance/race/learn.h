/* learn.h - what is known of a model's backends, and when to hedge between them. (pure)
 *
 * First-token times come in as samples, from all workers; now and then (the statistics tick) they are
 * turned into advice, which is all that the request path reads: one delay and one probability for each
 * pair of backends and kind of request.
 *
 *     samples --> struct learn --learn_compute--> struct learn_board --copy--> workers
 *
 * Kinds of request: by powers of four of the prompt's tokens, and streamed or whole. A kind with few
 * samples borrows from its backend's others; a backend with few has the configured delay.
 *
 * Losers are right-censored samples ("longer than t"), and so are the ages of the requests that still
 * wait: a backend that falls silent is slow before anything of it ends. The second backend is known
 * twice: by all its own answers, and by how it answered *when the first was late*, for clouds share
 * causes (HEDGING.md "When to hedge"). */
#ifndef HEDGEROW_APPLIANCE_RACE_LEARN_H
#define HEDGEROW_APPLIANCE_RACE_LEARN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base.h"
#include "core/hist.h"
#include "core/limits.h"

/* Prompts of up to 64, 256, 1 Ki, 4 Ki, 16 Ki, 64 Ki, 256 Ki tokens, and longer ones. */
#define LEARN_SIZES 8
#define LEARN_KINDS (LEARN_SIZES * 2)
/* Advice for a request whose kind has taught too little. */
#define LEARN_ANY LEARN_KINDS

#define LEARN_HALF_LIFE_NS (60 * NS_PER_S)
/* A second memory, short: when it disagrees with the long one, the long one is out of date. */
#define LEARN_RECENT_NS (5 * NS_PER_S)
/* Effective samples. Below KNOWN nothing is learnt; below FULL a kind borrows from its backend, and a
 * backend's delay leans to the configured one; KEEP (and KEEP_RECENT) are never forgotten for their age:
 * more than FULL, so that what was learnt in full stays so where there is a request a minute. */
#define LEARN_KNOWN       20.0
#define LEARN_FULL        100.0
#define LEARN_KEEP        110.0
#define LEARN_KEEP_RECENT 20.0
/* Computations until each kind has had its turn: at a tick of 250 ms no advice is older than a second. */
#define LEARN_TURNS 3
/* After a change of speed: for so long, and until so many samples have come, the long memory forgets so
 * many times as fast, lest the last hundredth of what was before passes for a tail of what is now. */
#define LEARN_SETTLE_NS      (20 * NS_PER_S)
#define LEARN_SETTLE_SAMPLES 800
#define LEARN_SETTLE_SPEED   24
/* The half-life of what counts as a backend's usual median, and how far above it is slow. How its kinds of
 * request compare to each other changes more slowly still. */
#define LEARN_USUAL_NS (300 * NS_PER_S)
#define LEARN_KINDS_NS (4 * LEARN_USUAL_NS)
#define LEARN_SLOW     2.0
/* A time that is usual for its kind is so long in a memory of paces: amid the bins. */
#define LEARN_PACE_NS NS_PER_S

/* After so long without a sample of its own what is known of a backend may be out of date. */
#define LEARN_STALE_NS (60 * NS_PER_S)

#define LEARN_NOBODY UINT16_MAX

struct learn_settings {
    double request_budget, cost_budget; /* 0..1 */
    double target;                      /* quantile, 0..1 */
    uint64_t delay_ns;                  /* until enough has been learnt */
    uint64_t delay_max_ns;              /* 0: none */
    double
        sample; /* share of requests that are hedged at once, whatever is known, within the budget:
                      draws of the second's times that are not chosen by the first's being late */
};

/* One attempt's first-token time, or how long it has been without. */
struct learn_sample {
    uint64_t value_ns;
    uint16_t backend; /* in its model */
    uint16_t behind;  /* it was a hedge by delay: the backend that was late; else LEARN_NOBODY */
    uint8_t kind;     /* learn_kind */
    bool cut;         /* no token had come by then */
};

/* For one order of two backends and one kind of request. */
struct learn_advice {
    uint64_t delay_ns;            /* UINT64_MAX: nothing is gained */
    uint64_t late_ns;             /* without a hedge by then something has happened; 0: unknown */
    float probability;            /* once the delay is over */
    float extra;                  /* requests per request that this will spend */
    uint64_t without_ns, with_ns; /* expected target quantile of the first alone, and so hedged */
};

struct learn_speed {
    uint64_t p50_ns, p90_ns; /* 0: unknown */
    double samples;          /* effective */
    bool slow;               /* much slower than it used to be */
};

/* What the workers read. */
struct learn_board {
    unsigned count;              /* backends */
    struct learn_speed *speeds;  /* [backend * (LEARN_KINDS + 1) + kind] */
    struct learn_advice *advice; /* [(first * (LEARN_KINDS + 1) + kind) * count + second] */
    double sample;               /* as settings.sample, a tenth of the budget at most */
    bool stale[BACKENDS_MAX]; /* nothing was heard of it for LEARN_STALE_NS: it may have changed */
    /* Asked for itself, not as a hedge, within LEARN_STALE_NS: of unknown speed then means that it has
     * not answered. */
    bool tried[BACKENDS_MAX];
    bool slowdown; /* more than half of the backends are slow at once: do not hedge */
};

struct learn_usual { /* of a backend's answers to one kind */
    uint64_t at_ns;  /* of the last one */
    unsigned count;  /* LEARN_FULL at most; 0: unknown */
    double log;      /* mean logarithm of their times, ns */
};

struct learn_backend {
    struct decay all, recent, kinds[LEARN_KINDS];
    /* As `recent`, each time by what is usual for its kind: other prompts are no slowdown. */
    struct decay pace;
    struct learn_usual usual[LEARN_KINDS];
    uint64_t clock_ns, recent_clock_ns; /* their time: stands still rather than forget too much */
    double usual_log;                   /* logarithm of the usual median pace; 0: unknown */
    uint64_t looked_ns;                 /* at its speed, last */
    uint64_t slow_pace_ns;              /* a pace as long is slow; 0: nothing is */
    unsigned fresh, fresh_slow; /* samples since looked_ns, and those of them that were slow */
    bool slow_lately;           /* most of the last such were */
    uint64_t settle_ns;         /* so long, and .. */
    unsigned settle_samples; /* .. until so many have come, it forgets what was before a change */
    bool asked;              /* a sample came since the last computation */
    bool due;                /* .. that changes its advice: hedges change that of who was late */
    unsigned turns;          /* computations until all of its kinds tell what its last sample did */
    bool heard;              /* a sample of its own came since then */
    uint64_t heard_ns;       /* when the last one was taken up */
    bool tried;              /* since then it was asked, not as a hedge */
    uint64_t tried_until_ns; /* .. and for so long after the last time counts as tried */
};

struct learn {
    struct learn_settings settings;
    unsigned count;
    struct learn_backend *backends;
    struct decay *pairs; /* [first * count + second]: the second's times when the first was late */
    uint64_t pair_clocks_ns[BACKENDS_MAX * BACKENDS_MAX]; /* their time, as a backend's */
    struct learn_board board;
    uint64_t computed_ns;
    unsigned turn; /* which of the kinds are computed next */
    /* Money, decayed with LEARN_HALF_LIFE_NS to computed_ns: of answers, and of attempts that lost. */
    double won, requests, wasted, hedges;
};

/* The kind of a request. input_tokens may be an estimate. */
unsigned learn_kind(uint64_t input_tokens, bool stream);

/* Bytes that a learn of `count` backends wants from its owner; and those of a board. */
size_t learn_size(unsigned count);
size_t learn_board_size(unsigned count);
/* `memory` holds learn_size(count) bytes, aligned for any type, and outlives the learn. */
void learn_init(struct learn *, const struct learn_settings *, unsigned count, void *memory,
                uint64_t now_ns);
/* A board of nothing known, in learn_board_size(count) bytes: the configured delay everywhere. */
void learn_board_init(struct learn_board *, const struct learn_settings *, unsigned count,
                      void *memory);
/* Same count. */
void learn_board_copy(struct learn_board *into, const struct learn_board *from);
/* After a reload: what `from` knows of backends that stay, of pairs of which both stay, and of money when
 * any does. was[count]: the number of each in `from`, or LEARN_NOBODY. Before the first sample. */
void learn_inherit(struct learn *, const struct learn *from, const uint16_t *was);

/* All that `from` knows. Same count. */
void learn_copy(struct learn *into, const struct learn *from);

/* Takes one sample. Constant time. */
void learn_take(struct learn *, const struct learn_sample *);
/* So many requests have ended: what their winners and losers have cost, in any unit, and how many extra
 * attempts there were. */
void learn_cost(struct learn *, double won, double wasted, unsigned requests, unsigned hedges);
/* Makes the board anew, where samples have come: a third of the kinds, in turn, or all when a backend has
 * changed its speed or little is known of it. ages[age_count]: the attempts that wait for their first
 * token now, as samples that are cut. Some 2 us for each pair and kind; next to nothing when nobody asks.
 * False: the board is as it was. */
bool learn_compute(struct learn *, const struct learn_sample *ages, size_t age_count,
                   uint64_t now_ns);

/* The second's survival curve when the first is late, for requests of any kind, as advice takes it; false
 * when less than LEARN_KNOWN is known of it. */
bool learn_second_curve(const struct learn *, unsigned first, unsigned second,
                        double curve[DECAY_BINS + 1]);

static inline const struct learn_speed *learn_speed(const struct learn_board *board,
                                                    unsigned backend, unsigned kind) {
    return &board->speeds[backend * (LEARN_KINDS + 1) + kind];
}
static inline const struct learn_advice *
learn_advice(const struct learn_board *board, unsigned first, unsigned kind, unsigned second) {
    return &board->advice[(first * (LEARN_KINDS + 1) + kind) * board->count + second];
}

#endif
