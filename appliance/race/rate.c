/* rate.c - so many units a minute. See rate.h. (pure)
 *
 * Owns:     nothing.
 * Promises: one atomic word is all that threads share; who loses a race for it looks again. Times
 *           are rounded against the taker. */
#include "appliance/race/rate.h"

#include <assert.h>

static_assert(RATE_LIMIT_MAX < UINT64_MAX / 2, "a lease and a lot fit into one number");

/* How long the bucket takes to refill by so many units; at most a minute's worth. `rounding` is
 * added to the dividend. */
static uint64_t refill_ns(const struct rate_terms *terms, uint64_t units, uint64_t rounding) {
    unsigned __int128 ns = (unsigned __int128)min_u64(units, terms->limit) * RATE_PERIOD_NS;
    return (uint64_t)((ns + rounding) / terms->limit);
}

/* What a taking costs: rounded up, and what giving back brings (rate_put) down, else much back and
 * forth would make units of nothing. */
static uint64_t time_of_ns(const struct rate_terms *terms, uint64_t units) {
    return refill_ns(terms, units, terms->limit - 1);
}

struct rate_terms rate_terms_of(uint64_t limit, unsigned workers, bool overdraft) {
    struct rate_terms terms = {.limit = min_u64(limit, RATE_LIMIT_MAX), .overdraft = overdraft};
    if (limit == 0)
        return terms;
    uint64_t burst = max_u64(1, terms.limit / RATE_BURST_PART);
    uint64_t ahead = workers ? burst / RATE_LEASE_PART / workers : 0;
    if (ahead >= 2)
        terms.ahead = ahead;
    terms.depth_ns = time_of_ns(&terms, burst - terms.ahead * workers);
    return terms;
}

/* By how much the bucket is short of full. */
static uint64_t missing_ns(uint64_t full_at_ns, uint64_t now_ns) {
    return full_at_ns > now_ns ? full_at_ns - now_ns : 0;
}

/* How much may be missing before `cost_ns` is taken. A full bucket always has enough. */
static uint64_t allowed_ns(const struct rate_terms *terms, uint64_t cost_ns, bool spare) {
    uint64_t allowed = cost_ns < terms->depth_ns ? terms->depth_ns - cost_ns : 0;
    if (terms->overdraft)
        allowed = max_u64(allowed, terms->depth_ns / 2);
    uint64_t reserve = spare ? terms->depth_ns / RATE_RESERVE_PART : 0;
    return allowed > reserve ? allowed - reserve : 0;
}

/* What has to come from the bucket. */
static uint64_t needed(const struct rate_terms *terms, const struct rate_lease *lease,
                       uint64_t units) {
    units = min_u64(units, terms->limit);
    return units > lease->units ? units - lease->units : 0;
}

bool rate_take(struct rate *rate, const struct rate_terms *terms, struct rate_lease *lease,
               uint64_t units, bool spare, uint64_t now_ns, uint64_t *wait_ns) {
    if (terms->limit == 0)
        return true;
    uint64_t need = needed(terms, lease, units), taken;
    units = min_u64(units, terms->limit);
    if (need == 0 && !spare) {
        lease->units -= units;
        return true;
    }
    uint64_t full_at_ns = __atomic_load_n(&rate->full_at_ns, __ATOMIC_RELAXED), next_ns;
    do {
        uint64_t missing = missing_ns(full_at_ns, now_ns);
        uint64_t allowed = allowed_ns(terms, time_of_ns(terms, need), spare);
        if (missing > allowed) {
            *wait_ns = missing - allowed;
            return false;
        }
        /* Ahead only while there is plenty: what one worker keeps, another may miss. */
        bool plenty = missing + time_of_ns(terms, need + terms->ahead) <= terms->depth_ns / 2;
        taken = need > 0 && plenty ? need + terms->ahead : need;
        next_ns = now_ns + missing + time_of_ns(terms, taken);
    } while (!__atomic_compare_exchange_n(&rate->full_at_ns, &full_at_ns, next_ns, false,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    lease->units = lease->units + taken - units;
    return true;
}

bool rate_has(const struct rate *rate, const struct rate_terms *terms,
              const struct rate_lease *lease, uint64_t units, bool spare, uint64_t now_ns) {
    if (terms->limit == 0)
        return true;
    uint64_t need = needed(terms, lease, units);
    if (need == 0 && !spare)
        return true;
    uint64_t full_at_ns = __atomic_load_n(&rate->full_at_ns, __ATOMIC_RELAXED);
    return missing_ns(full_at_ns, now_ns) <= allowed_ns(terms, time_of_ns(terms, need), spare);
}

void rate_put(struct rate *rate, const struct rate_terms *terms, uint64_t units) {
    if (terms->limit == 0 || units == 0)
        return;
    uint64_t refund_ns = refill_ns(terms, units, 0), next_ns;
    uint64_t full_at_ns = __atomic_load_n(&rate->full_at_ns, __ATOMIC_RELAXED);
    do
        next_ns = full_at_ns > refund_ns ? full_at_ns - refund_ns : 0;
    while (!__atomic_compare_exchange_n(&rate->full_at_ns, &full_at_ns, next_ns, false,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

void rate_charge(struct rate *rate, const struct rate_terms *terms, uint64_t units,
                 uint64_t now_ns) {
    if (terms->limit == 0 || units == 0)
        return;
    uint64_t cost_ns = time_of_ns(terms, units), next_ns;
    uint64_t full_at_ns = __atomic_load_n(&rate->full_at_ns, __ATOMIC_RELAXED);
    do
        next_ns = max_u64(full_at_ns, now_ns) + cost_ns;
    while (!__atomic_compare_exchange_n(&rate->full_at_ns, &full_at_ns, next_ns, false,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

void rate_lease_return(struct rate *rate, const struct rate_terms *terms,
                       struct rate_lease *lease) {
    rate_put(rate, terms, lease->units);
    lease->units = 0;
}
