/* budget.h - the hard limit on extra attempts: a token bucket per model. (pure)
 *
 * One request adds `share` tokens, one hedge takes a whole one, a small burst is kept. Whatever
 * happens,
 *
 *     hedges taken <= BUDGET_BURST + share x requests
 *
 * Worker-local: each worker sees its own share of the requests, so the sum over the workers holds
 * to the same share, with one burst each. */
#ifndef HEDGEROW_APPLIANCE_RACE_BUDGET_H
#define HEDGEROW_APPLIANCE_RACE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

/* Tokens at most. Ten let a short stall of one provider be hedged in full, and let the first
 * requests after a start be hedged at all: at 5 % an empty bucket would take twenty for each. */
#define BUDGET_BURST 10.0

struct budget {
    double tokens;                     /* 0 .. BUDGET_BURST */
    uint64_t requests, taken, refused; /* since start, for metrics */
};

/* Nothing was seen yet: the first request brings the burst with it. */
void budget_init(struct budget *);
/* A request of the model has begun. share: 0..1 extra attempts per request; 0 allows none at all,
 * not even the burst. */
void budget_on_request(struct budget *, double share);
/* Takes one token for a hedge; false, and counted, when there is none. */
bool budget_take(struct budget *);
/* Gives the token back of a hedge that was not started after all. */
void budget_put(struct budget *);

#endif
