/* test_hist.c - core/hist.c against sorted samples, a textbook, and Kaplan-Meier written a second
 * time the slow way. The dice are seeded. */
#include "core/hist.h"

#include <math.h>

#include "core/base.h"
#include "core/rand.h"
#include "tests/test.h"

/* ---- counting ---- */

TEST(hist_bins_hold_what_they_say) {
    struct rand rand;
    rand_init(&rand, 1);
    for (int i = 0; i < 5000; i++) {
        /* Every magnitude is as likely, and the ends are met. */
        uint64_t value = rand_u64(&rand) >> rand_below(&rand, 64);
        struct hist hist = {0};
        hist_add(&hist, value);
        ROW("value %llu", (unsigned long long)value);
        EXPECT_EQ(hist_below(&hist, value), 1);
        uint64_t middle = hist_quantile(&hist, 0.5);
        EXPECT(middle <= value);
        if (value >= 512 && value < UINT64_C(1) << HIST_MAX_BITS) {
            EXPECT((double)(value - middle) <= 0.0625 * (double)value);
            EXPECT_EQ(hist_below(&hist, value - value / 16 - 1), 0);
        }
        EXPECT_EQ(hist.count, 1);
        EXPECT(hist.sum_ns == value && hist.max_ns == value);
    }
}

TEST(hist_is_exact_at_the_ends_of_bins) {
    struct hist hist = {0};
    /* 100 in the bin 1024..1087, 100 in 1088..1151, one below all and one above all. */
    for (int i = 0; i < 100; i++) {
        hist_add(&hist, 1024 + (uint64_t)i % 64);
        hist_add(&hist, 1088 + (uint64_t)i % 64);
    }
    hist_add(&hist, 3);
    hist_add(&hist, UINT64_C(1) << 50);
    static const struct {
        uint64_t value, below;
    } rows[] = {{2, 0},           {511, 1},    {1023, 1},
                {1055, 51},       {1087, 101}, {1119, 151},
                {1151, 201},      {9999, 201}, {UINT64_C(1) << 50, 202},
                {UINT64_MAX, 202}};
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("below %llu", (unsigned long long)rows[i].value);
        EXPECT_EQ(hist_below(&hist, rows[i].value), rows[i].below);
    }
    EXPECT_EQ(hist_quantile(&hist, 1), INT64_C(1) << 50);
    EXPECT_EQ(hist_quantile(&hist, 101.0 / 202), 1087);
    EXPECT_EQ(hist_quantile(&hist, 51.0 / 202), 1055);
    hist_add(&hist, UINT64_MAX);
    EXPECT(hist_quantile(&hist, 1) == UINT64_MAX);
    EXPECT_EQ(hist_below(&hist, UINT64_MAX), 203);
    EXPECT_EQ(hist_quantile(&hist, 7), hist_quantile(&hist, 1));
    EXPECT_EQ(hist_quantile(&hist, -7), hist_quantile(&hist, 0));
}

static int compare_u64(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

TEST(hist_quantiles_follow_sorted_samples) {
    enum { SAMPLES = 20001 };
    static uint64_t values[SAMPLES];
    static struct hist hist, halves[2], merged;
    struct rand rand;
    rand_init(&rand, 2);
    for (int i = 0; i < SAMPLES; i++) {
        values[i] = (uint64_t)(exp(13 + 2 * rand_normal(&rand)));
        hist_add(&hist, values[i]);
        hist_add(&halves[i % 2], values[i]);
    }
    qsort(values, SAMPLES, sizeof values[0], compare_u64);
    static const double qs[] = {0.001, 0.01, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999};
    for (size_t i = 0; i < countof(qs); i++) {
        double want = (double)values[(size_t)(qs[i] * (SAMPLES - 1))];
        ROW("q %g", qs[i]);
        EXPECT_NEAR((double)hist_quantile(&hist, qs[i]), want, 0.0625 * want);
    }
    uint64_t before = 0;
    for (uint64_t value = 1; value < UINT64_C(1) << 42; value += 1 + value / 50) {
        uint64_t below = hist_below(&hist, value);
        EXPECT(below >= before);
        before = below;
    }
    EXPECT_EQ(before, SAMPLES);
    hist_merge(&merged, &halves[0]);
    hist_merge(&merged, &halves[1]);
    EXPECT_MEM(&merged, sizeof merged, &hist, sizeof hist);
}

TEST(hist_empty_answers_zero) {
    static const struct hist hist;
    EXPECT_EQ(hist_quantile(&hist, 0.5), 0);
    EXPECT_EQ(hist_quantile(&hist, 1), 0);
    EXPECT_EQ(hist_below(&hist, UINT64_MAX), 0);
}

/* ---- forgetting ---- */

/* Long enough that no weight changes within a test that is not about time. */
#define FOREVER_NS (NS_PER_S * 1000000000)
#define MINUTE_NS  (60 * NS_PER_S)

/* A value in the middle of a bin. */
static uint64_t in_bin(unsigned bin) { return (decay_edge(bin) + decay_edge(bin + 1)) / 2; }

TEST(decay_bins_tile_the_range) {
    EXPECT_EQ(decay_edge(0), 5 * NS_PER_MS);
    EXPECT_EQ(decay_edge(1), 5250000);
    EXPECT(decay_edge(DECAY_BINS - 1) > 120 * NS_PER_S);
    EXPECT(decay_edge(DECAY_BINS - 2) < 120 * NS_PER_S);
    for (unsigned bin = 0; bin < DECAY_BINS; bin++) {
        ROW("bin %u", bin);
        EXPECT_NEAR((double)decay_edge(bin + 1) / (double)decay_edge(bin), 1.05, 1e-6);
        EXPECT_EQ(decay_bin(decay_edge(bin)), bin);
        EXPECT_EQ(decay_bin(decay_edge(bin) - 1), bin ? bin - 1 : 0);
        EXPECT_EQ(decay_bin(decay_edge(bin) + 1), bin);
        EXPECT_EQ(decay_bin(in_bin(bin)), bin);
    }
    EXPECT_EQ(decay_bin(0), 0);
    EXPECT_EQ(decay_bin(UINT64_MAX), DECAY_BINS - 1);
    EXPECT_ABORT(decay_edge(DECAY_BINS + 1));
}

/* Remission in weeks of 21 patients on 6-MP (Freireich et al., Blood 21, 1963), the example of most
 * textbooks; negative: censored. The survival is printed in Kleinbaum and Klein, "Survival
 * Analysis", 3rd edition, table 2.3. */
TEST(decay_survival_of_the_textbook) {
    static const int weeks[] = {6,   6,   6,   -6, 7,  -9,  10,  -10, -11, 13, 16,
                                -17, -19, -20, 22, 23, -25, -32, -32, -34, -35};
    static const struct {
        unsigned week;
        double survival;
    } rows[] = {{5, 1},       {6, 0.8571},  {7, 0.8067},  {9, 0.8067},  {10, 0.7529}, {13, 0.6902},
                {16, 0.6275}, {20, 0.6275}, {22, 0.5378}, {23, 0.4482}, {35, 0.4482}};
    struct decay decay;
    decay_init(&decay, FOREVER_NS, 0);
    /* A week is three bins: what counts is the order, and that ties are ties. */
    for (size_t i = 0; i < countof(weeks); i++) {
        if (weeks[i] > 0)
            decay_add(&decay, in_bin(3 * (unsigned)weeks[i]), 0);
        else
            decay_add_censored(&decay, in_bin(3 * (unsigned)-weeks[i]), 0);
    }
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("week %u", rows[i].week);
        EXPECT_NEAR(decay_survival(&decay, decay_edge(3 * rows[i].week + 1)), rows[i].survival,
                    0.00005);
    }
    /* Median: the first week with S <= 0.5. The curve never falls to 0.4. */
    EXPECT_EQ(decay_bin(decay_quantile(&decay, 0.5)), 3 * 23);
    EXPECT(decay_quantile(&decay, 0.6) == UINT64_MAX);
    EXPECT_NEAR(decay_weight(&decay, 0), 9, 1e-6);
}

TEST(decay_knows_what_it_does_not_know) {
    struct decay decay;
    decay_init(&decay, MINUTE_NS, 0);
    EXPECT_NEAR(decay_survival(&decay, NS_PER_S), 1, 0);
    EXPECT(decay_quantile(&decay, 0.5) == UINT64_MAX);
    EXPECT_EQ(decay_quantile(&decay, 0), 0);
    EXPECT_NEAR(decay_weight(&decay, MINUTE_NS), 0, 0);
    /* Only cut off attempts: still nobody has seen an answer. */
    for (int i = 0; i < 100; i++)
        decay_add_censored(&decay, NS_PER_S, 0);
    EXPECT_NEAR(decay_survival(&decay, 2 * NS_PER_S), 1, 0);
    EXPECT(decay_quantile(&decay, 0.001) == UINT64_MAX);
    EXPECT_NEAR(decay_weight(&decay, 0), 0, 0);
    /* One answer later than all of them takes the curve to 0: all who were left answered. */
    decay_add(&decay, 5 * NS_PER_S, 0);
    EXPECT_NEAR(decay_survival(&decay, 4 * NS_PER_S), 1, 0);
    EXPECT_NEAR(decay_survival(&decay, 6 * NS_PER_S), 0, 0);
    EXPECT_EQ(decay_quantile(&decay, 1), decay_edge(decay_bin(5 * NS_PER_S) + 1));
    /* One that is off the scale stays in the last bin. */
    decay_add(&decay, 500 * NS_PER_S, 0);
    EXPECT_NEAR(decay_survival(&decay, 100 * NS_PER_S), 0.5, 1e-6);
    EXPECT_NEAR(decay_survival(&decay, 500 * NS_PER_S), 0, 0);
    EXPECT(decay_quantile(&decay, 0.9) <= decay_edge(DECAY_BINS));
    EXPECT_ABORT(decay_init(&decay, 0, 0));
}

struct sample {
    unsigned bin;
    bool censored;
    double weight;
};

/* Kaplan-Meier from its definition, sample by sample: S = prod over bins (1 - deaths / at risk). */
static double slow_survival(const struct sample *samples, size_t count, unsigned bins_below) {
    double survival = 1;
    for (unsigned bin = 0; bin < bins_below; bin++) {
        double died = 0, at_risk = 0;
        for (size_t i = 0; i < count; i++) {
            if (samples[i].bin >= bin)
                at_risk += samples[i].weight;
            if (samples[i].bin == bin && !samples[i].censored)
                died += samples[i].weight;
        }
        if (died > 0)
            survival *= 1 - died / at_risk;
    }
    return survival;
}

/* Samples of many ages, over more half-lives than a float has powers of two: the weights must come
 * out as if they had been kept as doubles and never been rescaled. */
TEST(decay_agrees_with_the_slow_way) {
    enum { SAMPLES = 300 };
    static const struct {
        const char *name;
        double half_lives; /* from the first sample to the last */
        double censored;
        unsigned bin_low, bin_high;
    } rows[] = {
        {"all of one age", 0, 0.3, 20, 180},       {"nothing censored", 3, 0, 20, 180},
        {"nearly all censored", 3, 0.95, 20, 180}, {"few bins, many ties", 2, 0.5, 100, 105},
        {"the ends", 1, 0.4, 0, DECAY_BINS - 1},   {"rescaled on the way", 40, 0.4, 50, 120},
        {"longer than floats", 400, 0.4, 50, 120},
    };
    struct rand rand;
    rand_init(&rand, 3);
    for (size_t r = 0; r < countof(rows); r++) {
        ROW("%s", rows[r].name);
        struct sample samples[SAMPLES];
        struct decay decay, whole[2];
        double curve[DECAY_BINS + 1], seen = 0;
        uint64_t now = 12345, step = (uint64_t)(rows[r].half_lives * MINUTE_NS / SAMPLES);
        uint64_t last = now + step * (SAMPLES - 1);
        decay_init(&decay, MINUTE_NS, now);
        decay_init(&whole[0], MINUTE_NS, now);
        decay_init(&whole[1], MINUTE_NS, now);
        for (size_t i = 0; i < SAMPLES; i++, now += step) {
            struct sample *s = &samples[i];
            s->bin = rows[r].bin_low +
                     (unsigned)rand_below(&rand, rows[r].bin_high - rows[r].bin_low + 1);
            s->censored = rand_double(&rand) < rows[r].censored;
            s->weight = exp2(-(double)(last - now) / (double)MINUTE_NS);
            seen += s->censored ? 0 : s->weight;
            void (*add)(struct decay *, uint64_t, uint64_t) =
                s->censored ? decay_add_censored : decay_add;
            add(&decay, in_bin(s->bin), now);
            /* The early half into one, the late half into the other, which begins later. */
            if (i == SAMPLES / 2)
                decay_init(&whole[1], MINUTE_NS, now);
            add(&whole[i >= SAMPLES / 2], in_bin(s->bin), now);
        }
        decay_curve(&decay, curve);
        for (unsigned bin = 0; bin <= DECAY_BINS; bin++) {
            double want = slow_survival(samples, SAMPLES, bin);
            EXPECT_NEAR(curve[bin], want, 1e-5);
            EXPECT_NEAR(decay_survival(&decay, decay_edge(bin)), want, 1e-5);
        }
        EXPECT_NEAR(decay_weight(&decay, last) / seen, 1, 1e-5);
        EXPECT_NEAR(decay_weight(&decay, last + MINUTE_NS) / seen, 0.5, 1e-5);
        /* Merged either way round it is the same. */
        struct decay early = whole[0];
        decay_mix(&early, &whole[1], 1);
        decay_mix(&whole[1], &whole[0], 1);
        EXPECT_NEAR(decay_weight(&early, last) / seen, 1, 1e-5);
        EXPECT_NEAR(decay_weight(&whole[1], last) / seen, 1, 1e-5);
        for (unsigned bin = 0; bin <= DECAY_BINS; bin += 8) {
            EXPECT_NEAR(decay_survival(&early, decay_edge(bin)), curve[bin], 1e-5);
            EXPECT_NEAR(decay_survival(&whole[1], decay_edge(bin)), curve[bin], 1e-5);
        }
    }
}

TEST(decay_quantile_inverts_survival) {
    struct rand rand;
    struct decay decay;
    rand_init(&rand, 4);
    decay_init(&decay, FOREVER_NS, 0);
    for (int i = 0; i < 2000; i++) {
        uint64_t value = (uint64_t)(exp(19.5 + rand_normal(&rand)));
        (i % 4 ? decay_add : decay_add_censored)(&decay, value, 0);
    }
    for (double q = 0.005; q < 0.95; q += 0.005) {
        uint64_t t = decay_quantile(&decay, q);
        ROW("q %g", q);
        EXPECT(decay_survival(&decay, t) <= 1 - q + 1e-9);
        EXPECT(decay_survival(&decay, t - 2) >= 1 - q - 1e-9);
    }
}

/* A provider whose time to first token is exponential with mean 1 s; the race cuts an attempt off
 * at a time of its own, exponential with mean 2 s. Then P(T > t) = exp(-t), whatever was cut
 * off. */
TEST(decay_recovers_quantiles_behind_censoring) {
    struct rand rand;
    struct decay right, dropped, taken_as_answers;
    rand_init(&rand, 5);
    decay_init(&right, FOREVER_NS, 0);
    decay_init(&dropped, FOREVER_NS, 0);
    decay_init(&taken_as_answers, FOREVER_NS, 0);
    for (int i = 0; i < 400000; i++) {
        double answer_s = -log(1 - rand_double(&rand)), cut_s = -2 * log(1 - rand_double(&rand));
        uint64_t time_ns = (uint64_t)(fmin(answer_s, cut_s) * NS_PER_S);
        decay_add(&taken_as_answers, time_ns, 0);
        if (answer_s <= cut_s) {
            decay_add(&right, time_ns, 0);
            decay_add(&dropped, time_ns, 0);
        } else {
            decay_add_censored(&right, time_ns, 0);
        }
    }
    static const double qs[] = {0.25, 0.5, 0.75, 0.9, 0.95, 0.99};
    for (size_t i = 0; i < countof(qs); i++) {
        double want = -log(1 - qs[i]) * NS_PER_S;
        ROW("q %g", qs[i]);
        /* A bin is 5 % wide; at the last of them 1 in 1000 is left at risk. */
        EXPECT_NEAR((double)decay_quantile(&right, qs[i]), want, 0.05 * want);
        /* Both ways to forget what was cut off see the minimum of two exponentials: rate 1.5,
         * a third too short. If these passed as right, the test above would prove nothing. */
        EXPECT_NEAR((double)decay_quantile(&dropped, qs[i]), want / 1.5, 0.05 * want);
        EXPECT_NEAR((double)decay_quantile(&taken_as_answers, qs[i]), want / 1.5, 0.05 * want);
    }
}

/* As above, cut off at one fixed delay, the usual hedge: up to there the curve is right, beyond it
 * nothing is known, and it says so instead of making something up. */
TEST(decay_stops_where_every_attempt_was_cut_off) {
    struct rand rand;
    struct decay decay;
    rand_init(&rand, 6);
    decay_init(&decay, FOREVER_NS, 0);
    for (int i = 0; i < 20000; i++) {
        double answer_s = -log(1 - rand_double(&rand));
        if (answer_s <= 1)
            decay_add(&decay, (uint64_t)(answer_s * NS_PER_S), 0);
        else
            decay_add_censored(&decay, NS_PER_S + NS_PER_S / 10, 0);
    }
    EXPECT_NEAR(decay_survival(&decay, NS_PER_S / 2), exp(-0.5), 0.02);
    EXPECT_NEAR(decay_survival(&decay, 2 * NS_PER_S), exp(-1), 0.02);
    EXPECT_NEAR(decay_survival(&decay, 90 * NS_PER_S), exp(-1), 0.02);
    EXPECT(decay_quantile(&decay, 0.9) == UINT64_MAX);
}

TEST(decay_follows_a_change) {
    struct decay decay;
    uint64_t now = 0;
    decay_init(&decay, MINUTE_NS, now);
    for (int i = 0; i < 600; i++, now += NS_PER_S)
        decay_add(&decay, 100 * NS_PER_MS, now);
    /* Slow from here on. After one half-life of it half of the weight is slow, after three 7/8. */
    for (int i = 0; i < 60; i++, now += NS_PER_S)
        decay_add(&decay, 900 * NS_PER_MS, now);
    EXPECT_NEAR(decay_survival(&decay, 500 * NS_PER_MS), 0.5, 0.01);
    for (int i = 0; i < 120; i++, now += NS_PER_S)
        decay_add(&decay, 900 * NS_PER_MS, now);
    EXPECT_NEAR(decay_survival(&decay, 500 * NS_PER_MS), 0.875, 0.01);
    /* A steady sample a second weighs 60 / ln 2 together. */
    EXPECT_NEAR(decay_weight(&decay, now), 60 / log(2), 1);
    /* A silence longer than any float can express forgets all of it, and the next one counts. */
    now += 1000 * MINUTE_NS;
    EXPECT_NEAR(decay_weight(&decay, now), 0, 1e-9);
    decay_add(&decay, 300 * NS_PER_MS, now);
    EXPECT_NEAR(decay_weight(&decay, now), 1, 1e-6);
    EXPECT_NEAR(decay_survival(&decay, 500 * NS_PER_MS), 0, 1e-9);
}

/* The table of cells against the edges themselves, all over the range and beyond its ends. */
TEST(decay_bin_agrees_with_the_edges) {
    struct rand rand;
    rand_init(&rand, 21);
    for (int i = 0; i < 200000; i++) {
        uint64_t value = (uint64_t)exp(10 + 20 * rand_double(&rand)); /* 22 us .. 3 h */
        unsigned bin = decay_bin(value);
        bool above = value >= decay_edge(bin) || bin == 0;
        bool below = value < decay_edge(bin + 1) || bin == DECAY_BINS - 1;
        if (!above || !below)
            FAIL_TEST("%llu ns in bin %u", (unsigned long long)value, bin);
    }
    EXPECT_EQ(decay_bin(decay_edge(DECAY_BINS)), DECAY_BINS - 1);
}

/* A curve of some answers and some that were cut off, made anew for each seed. */
static void fill(struct decay *decay, struct rand *rand, int count, uint64_t now_ns) {
    for (int i = 0; i < count; i++) {
        uint64_t value = (uint64_t)(exp(19.5 + rand_normal(rand)));
        (rand_below(rand, 4) ? decay_add : decay_add_censored)(decay, value, now_ns);
    }
}

TEST(decay_curve_between_and_beyond) {
    struct rand rand;
    struct decay decay;
    double curve[DECAY_BINS + 1];
    rand_init(&rand, 22);
    decay_init(&decay, MINUTE_NS, 0);
    fill(&decay, &rand, 500, 0);
    decay_curve(&decay, curve);
    EXPECT_NEAR(decay_curve_at(curve, 0), 1, 0);
    EXPECT_NEAR(decay_curve_at(curve, decay_edge(0)), 1, 0);
    EXPECT_NEAR(decay_curve_at(curve, decay_edge(DECAY_BINS)), curve[DECAY_BINS], 0);
    EXPECT_NEAR(decay_curve_at(curve, UINT64_MAX), curve[DECAY_BINS], 0);
    for (unsigned bin = 0; bin < DECAY_BINS; bin++) {
        ROW("bin %u", bin);
        EXPECT(curve[bin + 1] <= curve[bin]);
        EXPECT_NEAR(decay_curve_at(curve, decay_edge(bin)), curve[bin], 1e-12);
        EXPECT_NEAR(decay_curve_at(curve, in_bin(bin)), (curve[bin] + curve[bin + 1]) / 2, 1e-6);
    }
    /* Any curve that does not rise may be asked. */
    for (unsigned bin = 0; bin <= DECAY_BINS; bin++)
        curve[bin] = 1 - (double)bin / (2 * DECAY_BINS);
    EXPECT_EQ(decay_curve_quantile(curve, 0.25), decay_edge(DECAY_BINS / 2));
    EXPECT_EQ(decay_curve_quantile(curve, 0.5), decay_edge(DECAY_BINS));
    EXPECT(decay_curve_quantile(curve, 0.51) == UINT64_MAX);
    EXPECT_EQ(decay_curve_quantile(curve, 0), 0);
    for (double q = 0.01; q < 0.5; q += 0.01) {
        uint64_t t = decay_curve_quantile(curve, q);
        EXPECT_NEAR(decay_curve_at(curve, t), 1 - q, 1e-6);
    }
}

/* Half of two times as much is as much; and what is mixed weighs as it says. */
TEST(decay_mix_and_fade_weigh) {
    static const struct {
        double scale;
        uint64_t later_ns; /* that the second one began */
    } rows[] = {{1, 0}, {0.5, 0}, {0, 0}, {3, 0}, {1, MINUTE_NS}, {0.25, 30 * MINUTE_NS}};
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("scale %g, %llu s later", rows[i].scale,
            (unsigned long long)(rows[i].later_ns / NS_PER_S));
        struct rand rand;
        struct decay a, b, mixed;
        uint64_t now = rows[i].later_ns;
        rand_init(&rand, 23 + i);
        decay_init(&a, MINUTE_NS, 0);
        decay_init(&b, MINUTE_NS, now);
        fill(&a, &rand, 300, 0);
        fill(&b, &rand, 200, now);
        mixed = a;
        decay_mix(&mixed, &b, rows[i].scale);
        double want = decay_weight(&a, now) + rows[i].scale * decay_weight(&b, now);
        EXPECT_NEAR(decay_weight(&mixed, now) / want, 1, 1e-5);
        double cut =
            decay_weight_censored(&a, now) + rows[i].scale * decay_weight_censored(&b, now);
        EXPECT_NEAR(decay_weight_censored(&mixed, now) / cut, 1, 1e-5);
        /* The weight that is kept up is that of the bins. */
        double sum = 0;
        for (unsigned bin = 0; bin < DECAY_BINS; bin++)
            sum += (double)mixed.seen[bin];
        EXPECT_NEAR(mixed.seen_sum / sum, 1, 1e-5);
        /* The other way round it is the same curve. */
        struct decay other = b;
        decay_fade(&other, fmin(rows[i].scale, 1));
        if (rows[i].scale > 1)
            continue;
        decay_mix(&other, &a, 1);
        double one[DECAY_BINS + 1], two[DECAY_BINS + 1];
        decay_curve(&mixed, one);
        decay_curve(&other, two);
        for (unsigned bin = 0; bin <= DECAY_BINS; bin++)
            EXPECT_NEAR(one[bin], two[bin], 1e-5);
    }
}

TEST(decay_fade_keeps_the_curve) {
    struct rand rand;
    struct decay decay;
    double before[DECAY_BINS + 1], after[DECAY_BINS + 1];
    rand_init(&rand, 24);
    decay_init(&decay, MINUTE_NS, 0);
    fill(&decay, &rand, 300, 0);
    decay_curve(&decay, before);
    double weight = decay_weight(&decay, 0), cut = decay_weight_censored(&decay, 0);
    decay_fade(&decay, 0.25);
    decay_curve(&decay, after);
    EXPECT_NEAR(decay_weight(&decay, 0), weight / 4, 1e-3);
    EXPECT_NEAR(decay_weight_censored(&decay, 0), cut / 4, 1e-3);
    for (unsigned bin = 0; bin <= DECAY_BINS; bin++)
        EXPECT_NEAR(after[bin], before[bin], 1e-6);
    decay_fade(&decay, 0);
    EXPECT_NEAR(decay_weight(&decay, 0), 0, 0);
    EXPECT_NEAR(decay_survival(&decay, MINUTE_NS), 1, 0);
    decay_add(&decay, NS_PER_S, 0);
    EXPECT_NEAR(decay_weight(&decay, 0), 1, 1e-6);
    EXPECT_NEAR(decay_survival(&decay, 2 * NS_PER_S), 0, 0);
    EXPECT_ABORT(decay_fade(&decay, 1.5));
    EXPECT_ABORT(decay_fade(&decay, -0.1));
}

/* What has been forgotten altogether is empty: its place, its sums and its curve. */
TEST(decay_forgets_its_ends) {
    struct decay decay;
    decay_init(&decay, MINUTE_NS, 0);
    for (unsigned bin = 0; bin < DECAY_BINS; bin += DECAY_BINS - 1) {
        decay_add(&decay, in_bin(bin), 0);
        decay_add_censored(&decay, in_bin(bin), 0);
    }
    uint64_t later = 200 * MINUTE_NS;
    decay_add(&decay, in_bin(100), later);
    EXPECT_EQ(decay.low, 100);
    EXPECT_EQ(decay.high, 100);
    EXPECT_NEAR(decay_weight(&decay, later), 1, 1e-6);
    EXPECT_NEAR(decay_weight_censored(&decay, later), 0, 0);
    EXPECT_NEAR(decay_survival(&decay, decay_edge(101)), 0, 0);
    EXPECT_NEAR(decay_survival(&decay, decay_edge(100)), 1, 0);
}

/* Times may come in any order, also that of the origin again. */
TEST(decay_weighs_at_any_time) {
    struct decay decay;
    decay_init(&decay, MINUTE_NS, 0);
    decay_add(&decay, NS_PER_S, MINUTE_NS);
    EXPECT_NEAR(decay_weight(&decay, 0), 2, 1e-6);
    EXPECT_NEAR(decay_weight(&decay, MINUTE_NS), 1, 1e-6);
    decay_add(&decay, NS_PER_S, 0);
    EXPECT_NEAR(decay_weight(&decay, MINUTE_NS), 1.5, 1e-6);
    EXPECT_NEAR(decay_weight(&decay, 2 * MINUTE_NS), 0.75, 1e-6);
}

TEST(decay_mix_wants_one_half_life) {
    struct decay a, b;
    decay_init(&a, MINUTE_NS, 0);
    decay_init(&b, 2 * MINUTE_NS, 0);
    EXPECT_ABORT(decay_mix(&a, &b, 1));
    EXPECT_ABORT(decay_mix(&a, &a, 1));
}
