/* optimum.h - the delay and the probability of a hedge that make the tail shortest for a given number of
 * extra requests. (pure)
 *
 * A request is asked of the first backend; when it has not answered after d, a coin that falls with
 * probability q sends it to the second one too (SingleR: Kaler, He, Elnikety, "Optimal Reissue Policies
 * for Reducing Tail Latency", SPAA 2017). For t > d
 *
 *     P(T > t) = S1(t) x (1 - q + q x S2(t - d))        extra requests = q x S1(d)
 *
 * where S1 is the first one's survival curve and S2 that of the second one *when the first is late*. */
#ifndef HEDGEROW_APPLIANCE_RACE_OPTIMUM_H
#define HEDGEROW_APPLIANCE_RACE_OPTIMUM_H

#include <stdbool.h>

#include "core/base.h"
#include "core/hist.h"

/* A hedge must take at least so much off the target quantile, or off the deeper one: a tenth of the
 * target's share (HEDGING.md "Know when not to hedge"). */
#define OPTIMUM_GAIN_MIN    0.10
#define OPTIMUM_GAIN_MIN_NS (50 * 1000000ull)

struct optimum_ask {
    const double *first, *second; /* curves as of decay_curve: [DECAY_BINS + 1] */
    double share;                 /* extra requests per request that may be spent, 0..1 */
    double target;                /* the quantile to make small, 0..1 */
    uint64_t min_ns, max_ns;      /* the delay's bounds; max 0: none */
};

struct optimum {
    uint64_t delay_ns;            /* UINT64_MAX: no hedge is worth it */
    double probability;           /* of a hedge once the delay is over */
    uint64_t without_ns, with_ns; /* the target quantile */
    uint64_t deep_without_ns, deep_with_ns;
    double extra; /* requests per request that it will spend */
};

/* The best delay between the bounds and what the share allows, on the edges of the bins and where the
 * share is used up exactly. Quantiles that a curve never reaches count as its end (120 s). */
struct optimum optimum_find(const struct optimum_ask *);
/* The quantile of the time that a client waits with that delay and probability, ns. */
uint64_t optimum_quantile(const struct optimum_ask *, uint64_t delay_ns, double probability,
                          double q);

#endif
