/* hist.h - log-linear histograms: one for counting what was (integers, for metrics), one that
 * forgets (floats, for deciding). (pure)
 *
 * A struct hist of zeros is an empty one. It has one writer; a reader on another thread may see a
 * bin a moment before or after the sums, never a torn number. A struct decay has one owner and no
 * other readers: give others a copy. */
#ifndef HEDGEROW_CORE_HIST_H
#define HEDGEROW_CORE_HIST_H

#include <stdint.h>

/* Values are ns. Each power of two is cut into 16 bins of equal width, so that a bin is 6.25 % of
 * its lower edge wide at most. They reach from 2^9 ns (0.5 us) to 2^40 ns (18 min); one more bin at
 * each end catches the rest. */
#define HIST_SUB_BITS 4
#define HIST_MIN_BITS 9
#define HIST_MAX_BITS 40
#define HIST_BINS     (((HIST_MAX_BITS - HIST_MIN_BITS) << HIST_SUB_BITS) + 2)

struct hist {
    uint64_t count, sum_ns, max_ns;
    /* 64 bits: 32 would run over within days in a bin that every token's gap falls into. */
    uint64_t bins[HIST_BINS];
};

/* Counts one value. Constant time, no libm. */
void hist_add(struct hist *, uint64_t value_ns);
/* Adds `from`, which may be another thread's, into `into`, which is ours. */
void hist_merge(struct hist *into, const struct hist *from);
/* The value below which a share q of the samples lies, interpolated within its bin, never above the
 * largest one seen; 0 when empty. q outside 0..1 is taken as the nearer end. */
uint64_t hist_quantile(const struct hist *, double q);
/* The same where `cut` are samples of which only "longer than that" is known (right-censored), by
 * Kaplan and Meier over the bins (J. Am. Stat. Assoc. 53, 1958); within a bin values count as before what
 * was cut off. UINT64_MAX when the estimate never reaches q: the longest ones were all cut off, or there
 * is nothing. With nothing cut it is hist_quantile. */
uint64_t hist_quantile_cut(const struct hist *seen, const struct hist *cut, double q);
/* The share of all, 0..1, that is longer than value_ns by that estimate; 1 where nothing is known. */
double hist_above_cut(const struct hist *seen, const struct hist *cut, uint64_t value_ns);
/* How many samples are <= value_ns, for Prometheus buckets; exact at the last value of a bin and
 * from the largest sample on, interpolated else, and never falls as value_ns grows. */
uint64_t hist_below(const struct hist *, uint64_t value_ns);

/* Decaying histogram with right-censored samples (HEDGING.md): bins of 5 % ratio from 5 ms to
 * 120 s. Bin 0 takes what is shorter too, the last bin what is longer.
 *
 * `seen` are answers, `censored` are attempts that were cut off at that age ("longer than t"): a
 * loser cancelled at 300 ms is not a sample of 300 ms, and leaving it out or counting it as an
 * answer both make the tail look shorter than it is. Within a bin answers count as earlier than
 * what was cut off, as is usual: the estimate leans late, by less than half a bin.
 *
 * Forward decay (Cormode et al., ICDE 2009): old weights are not made smaller, new ones are made
 * larger, 2^((now - origin) / half_life); before the floats run out all are scaled down at once. */
#define DECAY_BINS   208
#define DECAY_MIN_NS (5 * 1000000ull)
#define DECAY_RATIO  1.05

struct decay {
    float seen[DECAY_BINS], censored[DECAY_BINS];
    uint64_t origin_ns;    /* time at which a new sample weighs 1 */
    uint64_t half_life_ns; /* > 0 */
    double seen_sum;       /* of seen[] */
    uint64_t weight_ns; /* a time, and what a sample weighs then: most come in rows of one time */
    double weight;
    uint8_t low, high; /* the bins outside of low .. high are empty; low > high: all are */
};

/* Empties it. half_life_ns > 0. */
void decay_init(struct decay *, uint64_t half_life_ns, uint64_t now_ns);
/* An answer that took value_ns. */
void decay_add(struct decay *, uint64_t value_ns, uint64_t now_ns);
/* An attempt that had no answer at the age value_ns, when it was cut off or looked at. */
void decay_add_censored(struct decay *, uint64_t value_ns, uint64_t now_ns);
/* Sum of the weights of the answers seen, decayed to now: the effective number of samples. */
double decay_weight(const struct decay *, uint64_t now_ns);
/* The same of what was censored. One pass over the bins. */
double decay_weight_censored(const struct decay *, uint64_t now_ns);
/* The line through the points of decay_curve, at t. Any curve that starts at 1 and does not rise. */
double decay_curve_at(const double curve[DECAY_BINS + 1], uint64_t t_ns);
/* Smallest t with curve(t) <= 1 - q; 0 for q <= 0; UINT64_MAX when it never falls that low. */
uint64_t decay_curve_quantile(const double curve[DECAY_BINS + 1], double q);
/* S(t) = P(value > t), Kaplan-Meier over the bins (J. Am. Stat. Assoc. 53, 1958), a straight line
 * within a bin; 1 where nothing is known. Beyond the longest answer it stays where it was: that is
 * above 0 when attempts were cut off later still. Ratios of weights only, hence no `now`. */
double decay_survival(const struct decay *, uint64_t t_ns);
/* The whole curve in one pass, for who needs many points: curve[i] = S(decay_edge(i)), so that
 * curve[0] = 1 and curve[DECAY_BINS] is what is left beyond the last bin. */
void decay_curve(const struct decay *, double curve[DECAY_BINS + 1]);
/* Smallest t with S(t) <= 1 - q; 0 for q <= 0; UINT64_MAX when the estimate never falls that low.
 * Inverse of decay_survival: exact to the width of a bin. */
uint64_t decay_quantile(const struct decay *, double q);
/* Adds `from` into `into`, another one, each sample with the weight it has by its age, times scale
 * (>= 0). Same half-life. */
void decay_mix(struct decay *into, const struct decay *from, double scale);
/* Takes part of every weight away: 0 <= scale <= 1. What is known counts for less against what comes. */
void decay_fade(struct decay *, double scale);
/* Value at the lower edge of bin i, ns; i = DECAY_BINS is the upper edge of the last. */
uint64_t decay_edge(unsigned bin);
/* The bin a value falls into: decay_edge(bin) <= value_ns < decay_edge(bin + 1), but for the
 * ends. */
unsigned decay_bin(uint64_t value_ns);

#endif
