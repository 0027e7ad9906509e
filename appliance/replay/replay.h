/* replay.h - what a hedging policy would have done to recorded first-token times, in virtual time. (pure)
 *
 * A request of the trace is asked of its primary at its arrival; a policy may ask a second backend d
 * later, unless the primary has answered by then: the client waits min(X_primary, d + X_second). Latencies
 * are the trace's: what a policy does changes no backend's speed, so extra load is told as a figure
 * beside the latencies.
 *
 * Deterministic: the same trace, settings and seed give the same result. */
#ifndef HEDGEROW_APPLIANCE_REPLAY_REPLAY_H
#define HEDGEROW_APPLIANCE_REPLAY_REPLAY_H

#include <stdbool.h>

#include "appliance/replay/trace.h"

enum replay_policy {
    REPLAY_NONE,      /* the primary alone */
    REPLAY_FIXED,     /* a hedge after settings.fixed_delay_ns, no budget */
    REPLAY_RACE,      /* all backends at once */
    REPLAY_P95_DELAY, /* the usual practice: a hedge after the recent 95th percentile of answers seen */
    REPLAY_ADAPTIVE,        /* ours: the live decision code, learning from nothing */
    REPLAY_ORACLE_SINGLE,   /* the best single delay in hindsight under the budget */
    REPLAY_ORACLE_WINDOWED, /* the best SingleR of each 30 s in hindsight, the budget kept in each */
    REPLAY_CLAIRVOYANT,     /* the budget's worth of requests that gain most, hedged at once */
    REPLAY_POLICIES
};
const char *replay_policy_name(enum replay_policy); /* as INTERFACE.md has them */
/* The policy of that name, or REPLAY_POLICIES. */
enum replay_policy replay_policy_find(const char *name);

#define REPLAY_WINDOW_NS (30 * 1000000000ull) /* of the windowed oracle */

struct replay_settings {
    double request_budget;            /* extra requests per request, 0..1 */
    double cost_budget;               /* extra money per money, 0..1; 1: no limit */
    double target;                    /* the quantile that is minimised, 0..1 */
    uint64_t fixed_delay_ns;          /* FIXED; and ADAPTIVE until enough has been learnt */
    double input_price, output_price; /* of one token, in any unit; only ratios matter */
    uint64_t seed;
    bool queue; /* ADAPTIVE: hedges that found no token wait for one, the oldest first */
};
/* 5 %, no limit of money, p99, 400 ms, 1.25 and 10 (USD per million tokens), seed 1, the live default. */
struct replay_settings replay_defaults(void);

/* What came of it, per request; and in sum. */
struct replay_result {
    enum replay_policy policy;
    size_t count;
    uint64_t *ttft_ns;      /* [count] that the client waited */
    uint64_t *delay_ns;     /* [count] after which the hedge went; UINT64_MAX: none did */
    size_t hedges;          /* extra requests: RACE counts each beyond the first */
    double extra_cost;      /* money of losers per money of winners */
    uint64_t suppressed[8]; /* ADAPTIVE: by enum race_suppressed; else 0 */
};
void replay_result_init(struct replay_result *, enum replay_policy, size_t count);
void replay_result_fini(struct replay_result *);

/* Runs one policy over the whole trace. `out` was made by replay_result_init with the trace's count. */
void replay_run(enum replay_policy, const struct trace *, const struct replay_settings *,
                struct replay_result *out);
/* replay_adaptive.c: the live decision code over the trace, for replay_run. */
void replay_adaptive(const struct trace *, const struct replay_settings *,
                     struct replay_result *out);

/* The quantile of the times that the clients waited: the ceil(q x count)-th smallest. Partially sorts
 * `scratch` (count values, overwritten). */
uint64_t replay_quantile(const struct replay_result *, double q, uint64_t *scratch);
/* Extra requests of the worst 10 s (sliding by one second) per request that arrived in them. Windows in which
 * fewer than 20 requests arrived say nothing and are left out. */
double replay_worst_10s(const struct trace *, const struct replay_result *);

#endif
