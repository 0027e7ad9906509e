/* advise.h - what the board means for one request: which backend is asked second, and when. (pure) */
#ifndef HEDGEROW_APPLIANCE_RACE_ADVISE_H
#define HEDGEROW_APPLIANCE_RACE_ADVISE_H

#include "appliance/race/learn.h"

/* The delay is spread by so much to either side, lest the hedges of requests that stall together go
 * out together. */
#define ADVISE_JITTER 0.05

struct advise {
    unsigned second;   /* backend in its model */
    uint64_t delay_ns; /* the advice's; or when it is late for anything; UINT64_MAX: not known */
    bool fair;         /* drawn by chance, not for being late */
};

/* Of the backends in the set `seconds` (bit b = backend b; `first` is ignored) the one that promises the
 * shortest tail behind `first`, the lowest number among equals, in *second; NULL when the set is empty. */
const struct learn_advice *advise_second(const struct learn_board *, unsigned first, unsigned kind,
                                         uint32_t seconds, unsigned *second);

/* For a request of this kind whose first backend is `first`: advise_second, and its delay if the coin falls
 * so; or, seldom, any of the set at once, to know its times. `random` is uniform, the request's own. */
struct advise advise(const struct learn_board *, unsigned first, unsigned kind, uint32_t seconds,
                     uint64_t random);

#endif
