/* judge.h - what the adaptive policy must come to over a trace, as computed criteria. (pure)
 *
 * Every trace: in the worst 10 s at most four times the budget's share of extra requests.
 * Where hedging pays (stationary, drift, bimodal): p99 and p99.9 near the windowed oracle's, which knows
 * all times beforehand, with no more hedges than it. p99.9 is held against two of them: one that minimises p99,
 * as adaptive does, and one that minimises p99.9.
 * Where it cannot pay (light, correlated, shared-tail): p50, p99 and load at most 2 % worse than
 * without hedging. */
#ifndef BENCH_REPLAY_JUDGE_H
#define BENCH_REPLAY_JUDGE_H

#include <stdbool.h>

#include "appliance/replay/replay_figures.h"

/* What is run over each trace. */
enum judge_run {
    JUDGE_NONE,
    JUDGE_P95_DELAY,
    JUDGE_ADAPTIVE,
    JUDGE_ORACLE,      /* windowed, minimises the target, as adaptive does */
    JUDGE_ORACLE_P999, /* windowed, minimises p99.9 */
    JUDGE_RUNS
};
struct judge_seed {
    struct replay_figures of[JUDGE_RUNS];
};

/* What a figure is, by name; it is at most `limit` where it is asked for. */
enum judge_figure {
    JUDGE_P99_RATIO,
    JUDGE_P999_RATIO,
    JUDGE_P999_OWN_RATIO, /* to the oracle that minimises p99.9 */
    JUDGE_HEDGES_RATIO,
    JUDGE_BURST, /* extra requests of the worst 10 s in budgets */
    JUDGE_P50_WORSE,
    JUDGE_P99_WORSE, /* against none, 0.02: 2 % */
    JUDGE_LOAD,      /* extra requests per request */
    JUDGE_FIGURES
};
/* NAN where there is none: a time that never comes. */
double judge_figure(enum judge_figure, const struct judge_seed *, double budget);
const char *judge_figure_name(enum judge_figure);
double judge_limit(enum judge_figure);

/* What is asked of the trace of that name, in a few words. */
const char *judge_asked(const char *trace);
/* Is the figure asked for of the trace of that name? */
bool judge_asks(const char *trace, enum judge_figure);
/* Of so many seeds the number that miss the limit. */
unsigned judge_misses(enum judge_figure, const struct judge_seed *, unsigned seeds, double budget);

#endif
