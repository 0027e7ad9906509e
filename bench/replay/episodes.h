/* episodes.h - times at which all backends are slow together, as when they share a cause: a network, a
 * region, a wave of load. (pure) */
#ifndef BENCH_REPLAY_EPISODES_H
#define BENCH_REPLAY_EPISODES_H

#include "bench/dice.h"

struct episodes {
    struct dice dice;
    double from_s, to_s, factor; /* the one that runs, or comes next */
};

/* The first one is drawn from the seed and the stream. */
void episodes_init(struct episodes *, uint64_t seed, uint64_t stream);
/* How many times its usual time an answer takes that is asked for now; 1 outside of them. now_s never
 * falls. */
double episodes_factor(struct episodes *, double now_s);

#endif
