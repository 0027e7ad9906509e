/* optimum.c - the best delay and probability, by trying those that can matter. (pure)
 *
 * Owns:     nothing.
 * Promises: never spends more than the share; a later delay is never better with the same probability,
 *           so that only delays at which the share is used up are tried: fewer than DECAY_BINS / 2 + 4.
 * Refuses:  to hedge where nothing noticeable is gained. */
#include "appliance/race/optimum.h"

#include <math.h>

#include "core/base.h"

/* The deeper quantile counts too, for less: among delays that give nearly the same target the one is
 * taken that also cuts what lies beyond. */
#define DEEP_SHARE 0.1
/* Scores this near are the same within what a bin can tell: then the later delay, which needs fewer
 * hedges. */
#define SCORE_TIE 0.995
/* First every other bin (10 %), then those around the best of them. Every fourth was a tenth faster, and
 * one time in a thousand missed the optimum by 5 %. */
#define COARSE 2

static double survival(const struct optimum_ask *ask, uint64_t delay_ns, double q, unsigned bin) {
    uint64_t t_ns = decay_edge(bin);
    if (t_ns <= delay_ns)
        return ask->first[bin];
    return ask->first[bin] * (1 - q + q * decay_curve_at(ask->second, t_ns - delay_ns));
}

/* The quantile; *hint: a bin to begin at, and then the one that it was found in. Steps twice as far each
 * time until it is passed, then halves: the quantiles of neighbouring delays lie near each other, so that
 * three or four looks do where halving the whole takes eight. */
static uint64_t find_quantile(const struct optimum_ask *ask, const struct optimum *o, double q,
                              unsigned *hint) {
    double wanted = 1 - q + 1e-12;
    unsigned low = 0, high = DECAY_BINS, at = *hint;
    double above = 1, below = survival(ask, o->delay_ns, o->probability, DECAY_BINS);
    if (below > wanted)
        return decay_edge(DECAY_BINS);
    for (unsigned step = 1; high - low > 1; step *= 2) { /* above > wanted >= below */
        double here = survival(ask, o->delay_ns, o->probability, at);
        if (here > wanted) {
            low = at;
            above = here;
        } else {
            high = at;
            below = here;
        }
        if (low == 0 && high > step)
            at = high - step;
        else if (high == DECAY_BINS && low + step < high)
            at = low + step;
        else
            at = (low + high) / 2;
    }
    *hint = low > 0 ? low : 1;
    double share = above > below ? (above - (1 - q)) / (above - below) : 1;
    share = share < 0 ? 0 : share > 1 ? 1 : share;
    return decay_edge(low) + (uint64_t)((double)(decay_edge(high) - decay_edge(low)) * share);
}

uint64_t optimum_quantile(const struct optimum_ask *ask, uint64_t delay_ns, double probability,
                          double q) {
    struct optimum o = {.delay_ns = delay_ns, .probability = probability};
    unsigned hint = DECAY_BINS / 2;
    return find_quantile(ask, &o, q, &hint);
}

static double deeper(double target) { return 1 - (1 - target) * DEEP_SHARE; }

/* One computation. */
struct search {
    const struct optimum_ask *ask;
    unsigned hint, deep_hint; /* bins of the last quantiles found */
    struct optimum best;
    double least; /* the score of the best */
};

/* The time, and the fourth root of the deeper one: what that gains counts a quarter. */
static double score(struct search *s, struct optimum *o) {
    o->with_ns = find_quantile(s->ask, o, s->ask->target, &s->hint);
    o->deep_with_ns = find_quantile(s->ask, o, deeper(s->ask->target), &s->deep_hint);
    return (double)o->with_ns * sqrt(sqrt((double)o->deep_with_ns));
}

/* The delay, and as much probability as the share pays for. */
static struct optimum spend(const struct optimum_ask *ask, uint64_t delay_ns) {
    double late = decay_curve_at(ask->first, delay_ns);
    double q = late > ask->share ? ask->share / late : 1;
    return (struct optimum){.delay_ns = delay_ns, .probability = q, .extra = q * late};
}

static bool is_gain(uint64_t without_ns, uint64_t with_ns) {
    uint64_t least =
        max_u64((uint64_t)((double)without_ns * OPTIMUM_GAIN_MIN), OPTIMUM_GAIN_MIN_NS);
    return with_ns + least <= without_ns;
}

/* Takes the best of the bins first, first + step, .. up to last, if it is better than what was found
 * before. Later ones first: they need fewer hedges. */
static void try_bins(struct search *s, unsigned first, unsigned last, unsigned step) {
    for (unsigned n = (last - first) / step + 1; n-- > 0;) {
        struct optimum next = spend(s->ask, decay_edge(first + n * step));
        double here = score(s, &next);
        if (here < s->least * SCORE_TIE) {
            s->best = next;
            s->least = here;
        }
    }
}

/* The last delay that matters is where the share pays for every hedge. */
static uint64_t last_delay(const struct optimum_ask *ask) {
    uint64_t last_ns = decay_curve_quantile(ask->first, 1 - ask->share);
    last_ns = min_u64(last_ns, decay_edge(DECAY_BINS - 1));
    if (ask->max_ns)
        last_ns = min_u64(last_ns, ask->max_ns);
    return max_u64(last_ns, ask->min_ns);
}

static struct optimum search(const struct optimum_ask *ask) {
    uint64_t last_ns = last_delay(ask);
    unsigned last = decay_bin(last_ns);
    unsigned first = decay_bin(ask->min_ns) + 1;
    unsigned middle = last > 0 ? last : 1;
    struct search s = {
        .ask = ask, .hint = middle, .deep_hint = middle, .best = spend(ask, last_ns)};
    s.least = score(&s, &s.best);
    if (first > last)
        return s.best;
    try_bins(&s, first, last, COARSE);
    unsigned here = decay_bin(s.best.delay_ns);
    try_bins(&s, here > first + COARSE ? here - COARSE + 1 : first,
             (unsigned)min_u64(here + COARSE - 1, last), 1);
    return s.best;
}

struct optimum optimum_find(const struct optimum_ask *ask) {
    struct optimum none = {.delay_ns = UINT64_MAX};
    none.without_ns = none.with_ns = optimum_quantile(ask, UINT64_MAX, 0, ask->target);
    none.deep_without_ns = none.deep_with_ns =
        optimum_quantile(ask, UINT64_MAX, 0, deeper(ask->target));
    if (ask->share <= 0)
        return none;
    struct optimum best = search(ask);
    best.without_ns = none.without_ns;
    best.deep_without_ns = none.deep_without_ns;
    if (is_gain(best.without_ns, best.with_ns) || is_gain(best.deep_without_ns, best.deep_with_ns))
        return best;
    return none;
}
