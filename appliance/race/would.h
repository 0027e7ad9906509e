/* would.h - what adaptive hedging would make of a model's first-token times, by what its learner knows:
 * for reports while hedging is off, or set by hand. (pure) */
#ifndef HEDGEROW_APPLIANCE_RACE_WOULD_H
#define HEDGEROW_APPLIANCE_RACE_WOULD_H

#include "appliance/race/learn.h"

/* Quantiles asked at a time. */
#define WOULD_QUANTILES_MAX 8

enum would_state {
    WOULD_KNOWN,  /* the figures below hold; extra 0: no hedge is worth it */
    WOULD_ALONE,  /* there is one backend: nobody to hedge with */
    WOULD_FEW,    /* too few answers of late to say anything */
    WOULD_UNSEEN, /* only one backend was asked of late: nothing is known of the others */
};

struct would {
    enum would_state state;
    double samples; /* effective: answers of late of those that are asked first */
    double extra;   /* requests per request */
    /* Of the time from an attempt's start, without and with hedges; UINT64_MAX: beyond what was seen. */
    uint64_t without_ns[WOULD_QUANTILES_MAX], with_ns[WOULD_QUANTILES_MAX];
};

/* Backends go first as often as they have of late; behind each goes the one that makes the target's
 * quantile shortest, after the best delay within the budget. quantiles[count]: each 0..1. */
void would_find(const struct learn *, const double *quantiles, unsigned count, struct would *out);

#endif
