/* replay_figures.h - what is told of a policy's run: quantiles, extra load and money, and the survival
 * curve. (pure) */
#ifndef HEDGEROW_APPLIANCE_REPLAY_REPLAY_FIGURES_H
#define HEDGEROW_APPLIANCE_REPLAY_REPLAY_FIGURES_H

#include "appliance/replay/replay.h"

/* Points of a curve: forty to a decade of the share, down to one in a ten thousand. */
#define REPLAY_CURVE_MAX 161

struct replay_point {
    double share;     /* of the requests that waited at least */
    uint64_t ttft_ns; /* UINT64_MAX: for ever */
};

struct replay_figures {
    enum replay_policy policy;
    size_t count;
    uint64_t p50_ns, p95_ns, p99_ns, p999_ns; /* UINT64_MAX: never answered */
    double mean_ns;                           /* of those that were answered */
    size_t hedges;
    double extra_requests;                       /* per request */
    double extra_cost;                           /* money per money; NAN: no tokens are known */
    double worst_10s_extra;                      /* replay_worst_10s */
    uint64_t suppressed[8];                      /* as in struct replay_result */
    struct replay_point curve[REPLAY_CURVE_MAX]; /* the share falls, the time rises */
    unsigned curve_count;
};

/* Takes them of a run's result. `scratch`: count values, overwritten. */
void replay_figures_take(const struct trace *, const struct replay_result *, uint64_t *scratch,
                         struct replay_figures *out);

/* Runs the policies whose bits (1 << enum replay_policy) are set, in the order of the enum; their
 * figures into out[REPLAY_POLICIES], from the start; how many. */
unsigned replay_figures_run(const struct trace *, const struct replay_settings *, unsigned policies,
                            struct replay_figures *out);
/* The figures of that policy, or NULL. */
const struct replay_figures *replay_figures_find(const struct replay_figures *, unsigned count,
                                                 enum replay_policy);

#endif
