/* saved.h - what hedging saved: of each request the time to its first token as it was, and as it would have
 * been had no hedge been started by delay. (pure)
 *
 *     first  |--------------------------x            cut off at the hedge's answer: without a hedge the
 *     hedge            |----------------* answer     client had waited longer than that
 *
 * The second is known when no hedge was started, and when one was and the first answered all the same;
 * else it is known that it is longer (right-censored). Leaving those out, or counting them as answers,
 * would make hedging look useless exactly where it helped: hist_quantile_cut estimates from both.
 * It assumes that the hedge's time does not depend on how long the first would still have taken.
 *
 * Retries after a failure happen without hedging too, and so are on both sides. */
#ifndef HEDGEROW_APPLIANCE_RACE_SAVED_H
#define HEDGEROW_APPLIANCE_RACE_SAVED_H

#include <stdbool.h>
#include <stdint.h>

struct exchange;
struct race_model_stats;

#define SAVED_NEVER UINT64_MAX

/* Times are ns since the request began. */
struct saved_try {
    bool hedge;        /* started by delay */
    uint64_t first_ns; /* its first token; SAVED_NEVER: none came */
    uint64_t end_ns;
};

struct saved_request {
    const struct saved_try *tries; /* in the order of their starts; at least one */
    unsigned count;
    uint64_t ttft_ns; /* when the client's answer began; SAVED_NEVER: it never did */
    uint64_t end_ns;
};

struct saved_time {
    uint64_t value_ns;
    bool cut; /* longer than that is all that is known */
};

/* As it was, and without hedges by delay. */
struct saved_time saved_with(const struct saved_request *);
struct saved_time saved_without(const struct saved_request *);
/* Counts a request that is over, with at least one attempt, into stats->ttft_cut, .without and
 * .without_cut. (stats->ttft was counted at its commit.) */
void saved_count(const struct exchange *, struct race_model_stats *);

#endif
