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

/* left[i]: the share that is at least as long as the lower edge of bin i; left[HIST_BINS]: that is longer
 * than all that was seen. */
static void share_left(const struct hist *seen, const struct hist *cut,
                       double left[HIST_BINS + 1]) {
    uint64_t at_risk = 0, here[HIST_BINS];
    for (unsigned i = 0; i < HIST_BINS; i++) {
        here[i] = counter_read(&seen->bins[i]);
        at_risk += here[i] + counter_read(&cut->bins[i]);
    }
    left[0] = 1;
    for (unsigned i = 0; i < HIST_BINS; i++) {
        /* The writer may have counted one more since: then a few are left over at the end, no matter. */
        uint64_t known = min_u64(here[i] + counter_read(&cut->bins[i]), at_risk);
        double hazard = here[i] > 0 && at_risk > 0 ? (double)here[i] / (double)at_risk : 0;
        left[i + 1] = left[i] * (1 - fmin(hazard, 1));
        at_risk -= known;
    }
}

uint64_t hist_quantile_cut(const struct hist *seen, const struct hist *cut, double q) {
    const double rounding = 1e-12; /* of a product of some hundred factors */
    double left[HIST_BINS + 1], wanted = 1 - fmin(fmax(q, 0), 1);
    share_left(seen, cut, left);
    for (unsigned i = 0; i < HIST_BINS; i++) {
        if (left[i + 1] == left[i] || left[i + 1] > wanted + rounding)
            continue;
        double share = fmin(fmax((left[i] - wanted) / (left[i] - left[i + 1]), 0), 1);
        uint64_t last = bin_last(seen, i) - bin_edge(i);
        return bin_edge(i) + min_u64((uint64_t)((double)last * share), last);
    }
    return UINT64_MAX;
}

double hist_above_cut(const struct hist *seen, const struct hist *cut, uint64_t value_ns) {
    double left[HIST_BINS + 1];
    unsigned bin = bin_of(value_ns);
    CHECK(bin < HIST_BINS);
    share_left(seen, cut, left);
    uint64_t last = bin_last(seen, bin);
    if (value_ns >= last)
        return left[bin + 1];
    double passed = (double)(value_ns - bin_edge(bin)) / (double)(last - bin_edge(bin));
    return left[bin] + (left[bin + 1] - left[bin]) * passed;
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

/* Powers and logarithms are too dear for every sample, so they are taken once. Any value's first six
 * binary digits name a cell; a cell is 3.1 % wide at most and a bin 5 %, so that one edge at most lies
 * within it: the bin of the cell's lower end, or the next. */
#define CELL_BITS   5
#define CELLS       (1u << CELL_BITS)
#define CELL_POWER  22 /* 2^22 ns is below the first edge */
#define CELL_POWERS 16
static uint64_t edges[DECAY_BINS + 1];
static double per_width[DECAY_BINS]; /* 1 / (edges[i + 1] - edges[i]) */
static uint8_t cells[CELL_POWERS << CELL_BITS];
static_assert(DECAY_BINS <= 256, "bins fit a byte");
static_assert((UINT64_C(1) << CELL_POWER) < DECAY_MIN_NS, "the first cell is below the first edge");

__attribute__((constructor)) static void make_tables(void) {
    for (unsigned i = 0; i <= DECAY_BINS; i++)
        edges[i] = (uint64_t)llround((double)DECAY_MIN_NS * pow(DECAY_RATIO, i));
    for (unsigned i = 0; i < DECAY_BINS; i++)
        per_width[i] = 1 / (double)(edges[i + 1] - edges[i]);
    unsigned bin = 0;
    for (unsigned i = 0; i < countof(cells); i++) {
        uint64_t from = (uint64_t)(CELLS + i % CELLS) << (CELL_POWER - CELL_BITS + i / CELLS);
        while (bin < DECAY_BINS - 1 && edges[bin + 1] <= from)
            bin++;
        cells[i] = (uint8_t)bin;
    }
    CHECK(bin == DECAY_BINS - 1); /* the cells reach the last bin */
}

uint64_t decay_edge(unsigned bin) {
    CHECK(bin <= DECAY_BINS);
    return edges[bin];
}

/* In line: half of the time of a decision goes into asking curves. */
static inline unsigned decay_bin_of(uint64_t value_ns) {
    if (value_ns < DECAY_MIN_NS)
        return 0;
    if (value_ns >= edges[DECAY_BINS - 1])
        return DECAY_BINS - 1;
    unsigned power = 63u - (unsigned)__builtin_clzll(value_ns);
    unsigned sub = (unsigned)(value_ns >> (power - CELL_BITS)) & (CELLS - 1);
    unsigned bin = cells[(power - CELL_POWER) << CELL_BITS | sub];
    return bin + (value_ns >= edges[bin + 1]);
}

unsigned decay_bin(uint64_t value_ns) { return decay_bin_of(value_ns); }

void decay_init(struct decay *decay, uint64_t half_life_ns, uint64_t now_ns) {
    CHECK(half_life_ns > 0);
    memset(decay, 0, sizeof *decay);
    decay->origin_ns = decay->weight_ns = now_ns;
    decay->half_life_ns = half_life_ns;
    decay->weight = 1;
    decay->low = DECAY_BINS - 1;
}

/* Half-lives from the origin to a time, which may lie before it. */
static double half_lives(const struct decay *decay, uint64_t time_ns) {
    return (double)(int64_t)(time_ns - decay->origin_ns) / (double)decay->half_life_ns;
}

/* What a sample weighs at that time. */
static double weight_at(const struct decay *decay, uint64_t time_ns) {
    return time_ns == decay->weight_ns ? decay->weight : exp2(half_lives(decay, time_ns));
}

/* The sum and the range anew: what was kept up sample by sample has gathered rounding errors, and
 * what was forgotten has left empty bins. */
static void recount(struct decay *decay) {
    decay->seen_sum = 0;
    decay->low = DECAY_BINS - 1;
    decay->high = 0;
    for (unsigned i = 0; i < DECAY_BINS; i++) {
        if (decay->seen[i] <= 0 && decay->censored[i] <= 0)
            continue;
        decay->seen_sum += (double)decay->seen[i];
        decay->low = (uint8_t)(i < decay->low ? i : decay->low);
        decay->high = (uint8_t)i;
    }
}

static void scale_all(struct decay *decay, float scale) {
    for (unsigned i = decay->low; i <= decay->high; i++) {
        decay->seen[i] *= scale;
        decay->censored[i] *= scale;
        if (decay->seen[i] < FORGET_WEIGHT)
            decay->seen[i] = 0;
        if (decay->censored[i] < FORGET_WEIGHT)
            decay->censored[i] = 0;
    }
    recount(decay);
}

/* Moves the origin; every weight keeps its meaning. */
static void origin_set(struct decay *decay, uint64_t origin_ns) {
    scale_all(decay, (float)exp2(-half_lives(decay, origin_ns)));
    decay->origin_ns = decay->weight_ns = origin_ns;
    decay->weight = 1;
}

/* The weight of a sample taken now, once there is room for it. */
static float weight_now(struct decay *decay, uint64_t now_ns) {
    if (now_ns == decay->weight_ns)
        return (float)decay->weight;
    if (half_lives(decay, now_ns) > RESCALE_HALF_LIVES)
        origin_set(decay, now_ns);
    decay->weight = weight_at(decay, now_ns);
    decay->weight_ns = now_ns;
    return (float)decay->weight;
}

/* The range reaches to that bin from here on. */
static void reach(struct decay *decay, unsigned bin) {
    if (bin < decay->low)
        decay->low = (uint8_t)bin;
    if (bin > decay->high)
        decay->high = (uint8_t)bin;
}

void decay_add(struct decay *decay, uint64_t value_ns, uint64_t now_ns) {
    unsigned bin = decay_bin(value_ns);
    float weight = weight_now(decay, now_ns);
    decay->seen[bin] += weight;
    decay->seen_sum += (double)weight;
    reach(decay, bin);
}

void decay_add_censored(struct decay *decay, uint64_t value_ns, uint64_t now_ns) {
    unsigned bin = decay_bin(value_ns);
    decay->censored[bin] += weight_now(decay, now_ns);
    reach(decay, bin);
}

double decay_weight(const struct decay *decay, uint64_t now_ns) {
    return decay->seen_sum / weight_at(decay, now_ns);
}

double decay_weight_censored(const struct decay *decay, uint64_t now_ns) {
    double sum = 0;
    for (unsigned i = decay->low; i <= decay->high; i++)
        sum += (double)decay->censored[i];
    return sum / weight_at(decay, now_ns);
}

void decay_curve(const struct decay *decay, double curve[DECAY_BINS + 1]) {
    /* First curve[i + 1] = hazard of bin i, from the top down because the number at risk is a sum
     * over the bins above; adding small to large would lose what the tail is made of. */
    double at_risk = 0;
    unsigned low = decay->low, end = decay->high + 1u;
    for (unsigned i = end; i-- > low;) {
        double seen = (double)decay->seen[i];
        at_risk += seen + (double)decay->censored[i];
        curve[i + 1] = seen > 0 ? seen / at_risk : 0;
    }
    for (unsigned i = 0; i <= low; i++)
        curve[i] = 1;
    for (unsigned i = low; i < end; i++)
        curve[i + 1] = curve[i] * (1 - curve[i + 1]);
    unsigned last = low < end ? end : low;
    for (unsigned i = last; i < DECAY_BINS; i++)
        curve[i + 1] = curve[last];
}

double decay_curve_at(const double curve[DECAY_BINS + 1], uint64_t t_ns) {
    if (t_ns <= DECAY_MIN_NS)
        return 1;
    if (t_ns >= edges[DECAY_BINS])
        return curve[DECAY_BINS];
    unsigned bin = decay_bin_of(t_ns);
    double share = (double)(t_ns - edges[bin]) * per_width[bin];
    return curve[bin] + (curve[bin + 1] - curve[bin]) * share;
}

double decay_survival(const struct decay *decay, uint64_t t_ns) {
    double curve[DECAY_BINS + 1];
    decay_curve(decay, curve);
    return decay_curve_at(curve, t_ns);
}

uint64_t decay_curve_quantile(const double curve[DECAY_BINS + 1], double q) {
    /* A curve of up to 208 factors is wrong by some 1e-14; asking for q = 0.9 must not miss a bin
     * that ends at 0.1 for that. */
    const double rounding = 1e-12;
    double wanted = 1 - q + rounding;
    if (!(q > 0))
        return 0;
    if (curve[DECAY_BINS] > wanted)
        return UINT64_MAX;
    unsigned low = 0, high = DECAY_BINS; /* curve[low] > wanted >= curve[high] */
    while (high - low > 1) {
        unsigned middle = (low + high) / 2;
        if (curve[middle] > wanted)
            low = middle;
        else
            high = middle;
    }
    double share = fmax((curve[low] - (1 - q)) / (curve[low] - curve[high]), 0);
    return edges[low] + (uint64_t)ceil((double)(edges[high] - edges[low]) * fmin(share, 1));
}

uint64_t decay_quantile(const struct decay *decay, double q) {
    double curve[DECAY_BINS + 1];
    if (!(q > 0))
        return 0;
    decay_curve(decay, curve);
    return decay_curve_quantile(curve, q);
}

/* Two histograms, hence restrict: the sums are made four at a time. */
static void add_scaled(float *restrict into, const float *restrict from, float factor) {
    for (unsigned i = 0; i < DECAY_BINS; i++)
        into[i] += from[i] * factor;
}

void decay_mix(struct decay *into, const struct decay *from, double scale) {
    CHECK(into != from && into->half_life_ns == from->half_life_ns && scale >= 0);
    /* The later origin wins, so that the factor below is at most `scale`. */
    if ((int64_t)(from->origin_ns - into->origin_ns) > 0)
        origin_set(into, from->origin_ns);
    double factor = scale * exp2(half_lives(into, from->origin_ns));
    add_scaled(into->seen, from->seen, (float)factor);
    add_scaled(into->censored, from->censored, (float)factor);
    into->seen_sum += from->seen_sum * factor;
    if (from->low <= from->high) {
        reach(into, from->low);
        reach(into, from->high);
    }
}

void decay_fade(struct decay *decay, double scale) {
    CHECK(scale >= 0 && scale <= 1);
    scale_all(decay, (float)scale);
}
