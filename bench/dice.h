/* dice.h (pure) - the only source of chance in the bench programs: xoshiro256**, seeded.
 *
 * Promises: the same seed and stream give the same draws on every machine. A stream is one
 *           request, one connection or one arrival process: what concurrent ones draw cannot
 *           disturb each other, which is what makes a run repeatable when the order of packets is
 *           not.
 */
#ifndef BENCH_DICE_H
#define BENCH_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
    uint64_t state[4];
};

void dice_init(struct dice *d, uint64_t seed, uint64_t stream);
uint64_t dice_u64(struct dice *d);
/* Uniform in [0, 1). */
double dice_unit(struct dice *d);
/* Uniform in 0..bound-1; bound is not 0. */
uint64_t dice_below(struct dice *d, uint64_t bound);
/* True with probability `share` (0..1). Always draws once, so that a changed share moves nothing
 * else. */
bool dice_chance(struct dice *d, double share);
/* Standard normal deviate, and exponential with mean 1. */
double dice_normal(struct dice *d);
double dice_exponential(struct dice *d);
/* Fills `len` characters of [A-Za-z0-9] and a NUL behind them. */
void dice_name(struct dice *d, char *out, unsigned len);

#endif
