/* hist.c - the two histograms of hist.h. (pure)
 *
 *   struct hist    2^9                 2^10                          2^40
 *          | bin 0 | 1 | 2 | ... | 16 | 17  | ...                      | last
 *                  `- 16 of equal width, then 16 of twice that width, and so on
 *
 * Promises: constant time to add, one pass over the bins to ask; no allocation. */
#include "core/hist.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/base.h"

#define SUBS (1u << HIST_SUB_BITS)
static_assert(HIST_BINS == 498, "31 powers of two by 16, and the two ends");

/* The writer is alone, so a plain load, add, store does; relaxed atomics are only there to promise
 * the reader on another thread whole numbers. */
static void counter_add(uint64_t *counter, uint64_t n) {
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static uint64_t counter_read(const uint64_t *counter) {
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static unsigned bin_of(uint64_t value_ns) {
    if (value_ns < UINT64_C(1) << HIST_MIN_BITS)
        return 0;
    if (value_ns >= UINT64_C(1) << HIST_MAX_BITS)
        return HIST_BINS - 1;
    unsigned power = 63u - (unsigned)__builtin_clzll(value_ns);
    unsigned sub = (unsigned)(value_ns >> (power - HIST_SUB_BITS)) & (SUBS - 1);
    return 1 + (power - HIST_MIN_BITS) * SUBS + sub;
}

/* The smallest value of a bin; that of bin HIST_BINS - 1 is 2^HIST_MAX_BITS. */
static uint64_t bin_edge(unsigned bin) {
    if (bin == 0)
        return 0;
    unsigned power = HIST_MIN_BITS + (bin - 1) / SUBS, sub = (bin - 1) % SUBS;
    return (uint64_t)(SUBS + sub) << (power - HIST_SUB_BITS);
}

/* The largest value that can be in a bin: where the largest of all is in it, that one. */
static uint64_t bin_last(const struct hist *hist, unsigned bin) {
    uint64_t max_ns = counter_read(&hist->max_ns);
    return bin == bin_of(max_ns) ? max_ns : bin_edge(bin + 1) - 1;
}

void hist_add(struct hist *hist, uint64_t value_ns) {
    counter_add(&hist->bins[bin_of(value_ns)], 1);
    counter_add(&hist->count, 1);
    counter_add(&hist->sum_ns, value_ns);
    if (value_ns > hist->max_ns)
        __atomic_store_n(&hist->max_ns, value_ns, __ATOMIC_RELAXED);
}

void hist_merge(struct hist *into, const struct hist *from) {
    for (unsigned i = 0; i < HIST_BINS; i++)
        counter_add(&into->bins[i], counter_read(&from->bins[i]));
    counter_add(&into->count, counter_read(&from->count));
    counter_add(&into->sum_ns, counter_read(&from->sum_ns));
    uint64_t max_ns = counter_read(&from->max_ns);
    if (max_ns > into->max_ns)
        __atomic_store_n(&into->max_ns, max_ns, __ATOMIC_RELAXED);
}

uint64_t hist_quantile(const struct hist *hist, double q) {
    /* The bins are added up rather than `count` read: a writer may be between the two. */
    uint64_t total = 0;
    for (unsigned i = 0; i < HIST_BINS; i++)
        total += counter_read(&hist->bins[i]);
    double rank = fmin(fmax(q, 0), 1) * (double)total, below = 0;
    uint64_t max_ns = counter_read(&hist->max_ns), value_ns = 0;
    for (unsigned i = 0; i < HIST_BINS; i++) {
        double here = (double)counter_read(&hist->bins[i]);
        if (here == 0)
            continue;
        uint64_t last = bin_last(hist, i) - bin_edge(i);
        double share = fmin((rank - below) / here, 1);
        value_ns = bin_edge(i) + min_u64((uint64_t)((double)last * share), last);
        below += here;
        if (below >= rank)
            break;
    }
    return min_u64(value_ns, max_ns);
}

uint64_t hist_below(const struct hist *hist, uint64_t value_ns) {
    unsigned bin = bin_of(value_ns);
    uint64_t below = 0;
    for (unsigned i = 0; i < bin; i++)
        below += counter_read(&hist->bins[i]);
    uint64_t here = counter_read(&hist->bins[bin]);
    uint64_t edge = bin_edge(bin), last = bin_last(hist, bin);
    if (value_ns >= last)
        return below + here;
    double share = (double)(value_ns - edge + 1) / ((double)(last - edge) + 1);
    return below + (uint64_t)((double)here * share);
}

/* ---- the one that forgets ---- */

/* Half-lives after which the weights are scaled down. A float holds 2^127; 2^32 leaves room for
 * 2^95 samples of that weight. */
#define RESCALE_HALF_LIVES 32
/* Weights smaller than this are forgotten: they could change no decision, and sums of denormal
 * floats are slow. */
#define FORGET_WEIGHT 1e-20f

uint64_t decay_edge(unsigned bin) {
    CHECK(bin <= DECAY_BINS);
    return (uint64_t)llround((double)DECAY_MIN_NS * pow(DECAY_RATIO, bin));
}

unsigned decay_bin(uint64_t value_ns) {
    if (value_ns < DECAY_MIN_NS)
        return 0;
    double steps = log((double)value_ns / (double)DECAY_MIN_NS) / log(DECAY_RATIO);
    unsigned bin = steps < DECAY_BINS - 1 ? (unsigned)steps : DECAY_BINS - 1;
    /* The logarithm may land a hair beside an edge, and decay_edge rounds: the edges decide. */
    if (bin > 0 && value_ns < decay_edge(bin))
        bin--;
    if (bin < DECAY_BINS - 1 && value_ns >= decay_edge(bin + 1))
        bin++;
    return bin;
}

void decay_init(struct decay *decay, uint64_t half_life_ns, uint64_t now_ns) {
    CHECK(half_life_ns > 0);
    memset(decay, 0, sizeof *decay);
    decay->origin_ns = now_ns;
    decay->half_life_ns = half_life_ns;
}

/* Half-lives from the origin to a time, which may lie before it. */
static double half_lives(const struct decay *decay, uint64_t time_ns) {
    return (double)(int64_t)(time_ns - decay->origin_ns) / (double)decay->half_life_ns;
}

/* Moves the origin; every weight keeps its meaning. */
static void origin_set(struct decay *decay, uint64_t origin_ns) {
    float scale = (float)exp2(-half_lives(decay, origin_ns));
    for (unsigned i = 0; i < DECAY_BINS; i++) {
        decay->seen[i] *= scale;
        decay->censored[i] *= scale;
        if (decay->seen[i] < FORGET_WEIGHT)
            decay->seen[i] = 0;
        if (decay->censored[i] < FORGET_WEIGHT)
            decay->censored[i] = 0;
    }
    decay->origin_ns = origin_ns;
}

/* The weight of a sample taken now, once there is room for it. */
static float weight_now(struct decay *decay, uint64_t now_ns) {
    if (half_lives(decay, now_ns) > RESCALE_HALF_LIVES)
        origin_set(decay, now_ns);
    return (float)exp2(half_lives(decay, now_ns));
}

void decay_add(struct decay *decay, uint64_t value_ns, uint64_t now_ns) {
    decay->seen[decay_bin(value_ns)] += weight_now(decay, now_ns);
}

void decay_add_censored(struct decay *decay, uint64_t value_ns, uint64_t now_ns) {
    decay->censored[decay_bin(value_ns)] += weight_now(decay, now_ns);
}

double decay_weight(const struct decay *decay, uint64_t now_ns) {
    double sum = 0;
    for (unsigned i = 0; i < DECAY_BINS; i++)
        sum += (double)decay->seen[i];
    return sum * exp2(-half_lives(decay, now_ns));
}

void decay_curve(const struct decay *decay, double curve[DECAY_BINS + 1]) {
    /* First curve[i + 1] = hazard of bin i, from the top down because the number at risk is a sum
     * over the bins above; adding small to large would lose what the tail is made of. */
    double at_risk = 0;
    for (unsigned i = DECAY_BINS; i-- > 0;) {
        double seen = (double)decay->seen[i];
        at_risk += seen + (double)decay->censored[i];
        curve[i + 1] = seen > 0 ? seen / at_risk : 0;
    }
    curve[0] = 1;
    for (unsigned i = 0; i < DECAY_BINS; i++)
        curve[i + 1] = curve[i] * (1 - curve[i + 1]);
}

double decay_survival(const struct decay *decay, uint64_t t_ns) {
    double curve[DECAY_BINS + 1];
    if (t_ns <= DECAY_MIN_NS)
        return 1;
    decay_curve(decay, curve);
    if (t_ns >= decay_edge(DECAY_BINS))
        return curve[DECAY_BINS];
    unsigned bin = decay_bin(t_ns);
    uint64_t edge = decay_edge(bin);
    double share = (double)(t_ns - edge) / (double)(decay_edge(bin + 1) - edge);
    return curve[bin] + (curve[bin + 1] - curve[bin]) * share;
}

uint64_t decay_quantile(const struct decay *decay, double q) {
    /* A curve of up to 208 factors is wrong by some 1e-14; asking for q = 0.9 must not miss a bin
     * that ends at 0.1 for that. */
    const double rounding = 1e-12;
    double curve[DECAY_BINS + 1], wanted = 1 - q + rounding;
    if (!(q > 0))
        return 0;
    decay_curve(decay, curve);
    if (curve[DECAY_BINS] > wanted)
        return UINT64_MAX;
    unsigned bin = 0;
    while (curve[bin + 1] > wanted)
        bin++;
    /* curve[bin] > wanted >= curve[bin + 1]: the line between the two is crossed once. */
    double share = fmax((curve[bin] - (1 - q)) / (curve[bin] - curve[bin + 1]), 0);
    uint64_t edge = decay_edge(bin);
    return edge + (uint64_t)ceil((double)(decay_edge(bin + 1) - edge) * fmin(share, 1));
}

void decay_merge(struct decay *into, const struct decay *from) {
    CHECK(into->half_life_ns == from->half_life_ns);
    /* The later origin wins, so that the factor below is at most 1. */
    if ((int64_t)(from->origin_ns - into->origin_ns) > 0)
        origin_set(into, from->origin_ns);
    float scale = (float)exp2(half_lives(into, from->origin_ns));
    for (unsigned i = 0; i < DECAY_BINS; i++) {
        into->seen[i] += from->seen[i] * scale;
        into->censored[i] += from->censored[i] * scale;
    }
}
