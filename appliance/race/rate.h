/* rate.h - so many units a minute, for all threads of the process together. (pure)
 *
 *   struct rate        one per limit, shared: a bucket that refills steadily (GCRA, as ATM Forum
 *                      TM 4.0 has it: one number says when the bucket would be full again)
 *   struct rate_lease  one per limit and worker: what it took ahead, so that most requests touch no
 *                      memory of other cores
 *   struct rate_terms  the limit, as one configuration has it; a reload brings others for the same
 *                      bucket
 *
 * Promises: in any 60 seconds no more than limit + limit / RATE_BURST_PART units are taken (but for
 *           an overdraft, below), however many workers take them and whatever is given back
 *           meanwhile. That is: bucket + all leases <= the burst. With u units used and o units
 *           leased and unused, u(a..b) = net(a..b) + o(a) - o(b); the bucket lets through
 *           net(a..b) <= (b - a) x rate + its depth; hence u <= minute + depth + leases, and
 *           rate_terms_of makes depth + leases the burst.
 * Refuses:  clocks: the caller says when it is. Threads may disagree by a turn of their loops: who
 *           is behind gets less. */
#ifndef HEDGEROW_APPLIANCE_RACE_RATE_H
#define HEDGEROW_APPLIANCE_RACE_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base.h"

#define RATE_PERIOD_NS (60 * NS_PER_S)
/* The burst is a tenth of the limit, six seconds' worth, and at least one unit: Azure counts in
 * slices of one to ten seconds (PROVIDERS.md 5.3), so that what comes at once may not be more. */
#define RATE_BURST_PART 10
/* Of the bucket, this part is kept from hedges: the last of it is for requests without an answer. */
#define RATE_RESERVE_PART 4
/* All leases together take at most this part of the burst; where a worker's share of that is less
 * than two units, there are none, and each unit comes from the bucket. */
#define RATE_LEASE_PART 4
/* A minute's units at most; any more are as good as no limit. */
#define RATE_LIMIT_MAX UINT64_C(1000000000000)

struct rate {
    uint64_t full_at_ns; /* when the bucket is full again; atomic; zeroed: full */
};

struct rate_lease {
    uint64_t units; /* taken from the bucket, not used yet; its worker's own */
};

struct rate_terms {
    uint64_t limit;    /* units a minute; 0: no limit, everything may be taken */
    uint64_t depth_ns; /* of the bucket */
    uint64_t ahead;    /* units that a lease takes beyond what is asked for; 0: none */
    /* Units come in lots that may be larger than the bucket is deep: such a lot may be taken when
     * the bucket is half full, and what is missing is made up for before the next. The promise is
     * then limit + half the burst + the largest lot. */
    bool overdraft;
};

/* workers: how many threads may hold a lease at a time; 0: not known, no leases. limit is cut to
 * RATE_LIMIT_MAX. */
struct rate_terms rate_terms_of(uint64_t limit, unsigned workers, bool overdraft);
/* Takes `units` (at most the limit of them are counted) for use now. spare: they are for a hedge,
 * which leaves a reserve. False: *wait_ns is how long until they may be there, > 0. */
bool rate_take(struct rate *, const struct rate_terms *, struct rate_lease *, uint64_t units,
               bool spare, uint64_t now_ns, uint64_t *wait_ns);
/* Would rate_take succeed now? Takes nothing. */
bool rate_has(const struct rate *, const struct rate_terms *, const struct rate_lease *,
              uint64_t units, bool spare, uint64_t now_ns);
/* Gives units back that were taken and not used, or counted too many. */
void rate_put(struct rate *, const struct rate_terms *, uint64_t units);
/* Takes units that are used already, whether they are there or not. */
void rate_charge(struct rate *, const struct rate_terms *, uint64_t units, uint64_t now_ns);
/* Gives back what the lease holds. */
void rate_lease_return(struct rate *, const struct rate_terms *, struct rate_lease *);

#endif
