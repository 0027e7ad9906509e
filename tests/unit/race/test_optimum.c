/* test_optimum.c - the chosen delay against all others, on curves drawn by chance. */
#include "tests/test.h"

#include <math.h>

#include "appliance/race/optimum.h"
#include "core/rand.h"

#define MS(ms) ((uint64_t)(ms)*NS_PER_MS)

/* Log-normal with a share of stalls, ms. */
struct shape {
    double median, sigma, stalls, stall_ms;
};

static double tail_of(double t, double median, double sigma) {
    return erfc(log(t / median) / (sigma * sqrt(2))) / 2;
}

static void draw_curve(const struct shape *shape, double curve[DECAY_BINS + 1]) {
    for (unsigned i = 0; i <= DECAY_BINS; i++) {
        double t = (double)decay_edge(i) / (double)NS_PER_MS;
        curve[i] = (1 - shape->stalls) * tail_of(t, shape->median, shape->sigma) +
                   shape->stalls * tail_of(t, shape->stall_ms, 0.2);
    }
    curve[0] = 1;
}

static struct shape draw_shape(struct rand *rand) {
    return (struct shape){.median = 100 + 900 * rand_double(rand),
                          .sigma = 0.1 + 0.9 * rand_double(rand),
                          .stalls = rand_below(rand, 2) ? 0.05 * rand_double(rand) : 0,
                          .stall_ms = 5000 + 20000 * rand_double(rand)};
}

/* What is minimised: HEDGING.md "choose delay d", and the deeper quantile for a quarter. */
static double score(const struct optimum_ask *ask, uint64_t delay_ns, double probability) {
    double deeper = 1 - (1 - ask->target) / 10;
    return log((double)optimum_quantile(ask, delay_ns, probability, ask->target)) +
           0.25 * log((double)optimum_quantile(ask, delay_ns, probability, deeper));
}

/* The quantile by its definition: the first time, in steps of 0.1 %, with P(T > t) <= 1 - q. */
static double slow_quantile(const struct optimum_ask *ask, uint64_t delay_ns, double probability,
                            double q) {
    for (double t = (double)DECAY_MIN_NS; t < (double)decay_edge(DECAY_BINS); t *= 1.001) {
        double s = decay_curve_at(ask->first, (uint64_t)t);
        if (t > (double)delay_ns)
            s *=
                1 - probability + probability * decay_curve_at(ask->second, (uint64_t)t - delay_ns);
        if (s <= 1 - q)
            return t;
    }
    return (double)decay_edge(DECAY_BINS);
}

TEST(optimum_quantile_by_definition) {
    struct rand rand;
    rand_init(&rand, 1);
    for (int round = 0; round < 200; round++) {
        struct shape one = draw_shape(&rand), two = draw_shape(&rand);
        double first[DECAY_BINS + 1], second[DECAY_BINS + 1];
        draw_curve(&one, first);
        draw_curve(&two, second);
        struct optimum_ask ask = {.first = first, .second = second};
        uint64_t delay_ns = MS(rand_below(&rand, 3000));
        double probability = rand_double(&rand), q = 0.5 + 0.499 * rand_double(&rand);
        double want = slow_quantile(&ask, delay_ns, probability, q);
        ROW("round %d", round);
        /* A bin is 5 % wide, and within the delay's own bin the curve bends. */
        EXPECT_NEAR((double)optimum_quantile(&ask, delay_ns, probability, q), want, 0.05 * want);
    }
}

/* No (d, q) that the share pays for is better by more than what a bin can tell. */
TEST(optimum_against_brute_force) {
    struct rand rand;
    rand_init(&rand, 2);
    unsigned hedged = 0, refused = 0;
    for (int round = 0; round < 300; round++) {
        struct shape one = draw_shape(&rand), two = draw_shape(&rand);
        double first[DECAY_BINS + 1], second[DECAY_BINS + 1];
        draw_curve(&one, first);
        draw_curve(&two, second);
        struct optimum_ask ask = {.first = first,
                                  .second = second,
                                  .share = 0.01 + 0.1 * rand_double(&rand),
                                  .target = rand_below(&rand, 2) ? 0.99 : 0.95,
                                  .min_ns = MS(one.median)};
        struct optimum got = optimum_find(&ask);
        ROW("round %d: median %.0f sigma %.2f stalls %.3f", round, one.median, one.sigma,
            one.stalls);
        EXPECT(got.extra <= ask.share + 1e-9);
        double best = score(&ask, UINT64_MAX, 0);
        for (unsigned bin = decay_bin(ask.min_ns) + 1; bin < DECAY_BINS; bin++)
            for (double q = 0.1; q < 1.05; q += 0.1) {
                double late = decay_curve_at(first, decay_edge(bin));
                double spent = fmin(q, ask.share / late);
                best = fmin(best, score(&ask, decay_edge(bin), spent));
            }
        if (got.delay_ns == UINT64_MAX) {
            refused++;
            /* Then nothing gains a tenth of both quantiles. */
            EXPECT(best >= score(&ask, UINT64_MAX, 0) + 1.25 * log(1 - OPTIMUM_GAIN_MIN) - 0.03 ||
                   got.without_ns < OPTIMUM_GAIN_MIN_NS * 10);
            continue;
        }
        hedged++;
        EXPECT(score(&ask, got.delay_ns, got.probability) <= best + 0.015);
        EXPECT(got.delay_ns >= ask.min_ns);
        EXPECT(got.with_ns <= got.without_ns);
        EXPECT(got.deep_with_ns <= got.deep_without_ns);
        double late = decay_curve_at(first, got.delay_ns);
        EXPECT_NEAR(got.extra, got.probability * late, 1e-9);
    }
    EXPECT(hedged > 100);
    EXPECT(refused > 20);
}

TEST(optimum_rows) {
    static const struct {
        const char *name;
        struct shape first, second;
        double share;
        bool hedges;
    } rows[] = {
        {"a light tail gains nothing", {400, 0.15, 0, 1}, {400, 0.15, 0, 1}, 0.05, false},
        {"a heavy tail", {400, 0.6, 0, 1}, {450, 0.6, 0, 1}, 0.05, true},
        {"rare stalls", {400, 0.2, 0.02, 10000}, {450, 0.2, 0.02, 10000}, 0.05, true},
        {"a slow second one", {400, 0.6, 0, 1}, {9000, 0.3, 0, 1}, 0.05, false},
        {"no budget", {400, 0.6, 0, 1}, {450, 0.6, 0, 1}, 0, false},
        {"less than no budget", {400, 0.6, 0, 1}, {450, 0.6, 0, 1}, -0.01, false},
        {"a tenth of a little", {20, 0.6, 0, 1}, {20, 0.6, 0, 1}, 0.05, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ROW("%s", rows[i].name);
        double first[DECAY_BINS + 1], second[DECAY_BINS + 1];
        draw_curve(&rows[i].first, first);
        draw_curve(&rows[i].second, second);
        struct optimum_ask ask = {.first = first,
                                  .second = second,
                                  .share = rows[i].share,
                                  .target = 0.99,
                                  .min_ns = MS(rows[i].first.median)};
        struct optimum got = optimum_find(&ask);
        EXPECT_EQ(got.delay_ns != UINT64_MAX, rows[i].hedges);
        EXPECT_EQ(got.probability > 0, rows[i].hedges);
        EXPECT_EQ(got.with_ns < got.without_ns, rows[i].hedges);
        EXPECT_EQ(got.extra > 0, rows[i].hedges);
    }
}

TEST(optimum_keeps_the_bounds) {
    static const struct {
        const char *name;
        uint64_t min_ms, max_ms, low_ms, high_ms;
    } rows[] = {
        {"none", 0, 0, 400, 1000},
        {"no later than", 0, 300, 0, 300},
        {"no sooner than", 1500, 0, 1500, 1500},
        {"they cross: no sooner than", 1500, 300, 1500, 1500},
    };
    struct shape shape = {400, 0.6, 0.01, 20000};
    double curve[DECAY_BINS + 1];
    draw_curve(&shape, curve);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ROW("%s", rows[i].name);
        struct optimum_ask ask = {.first = curve,
                                  .second = curve,
                                  .share = 0.1,
                                  .target = 0.99,
                                  .min_ns = MS(rows[i].min_ms),
                                  .max_ns = MS(rows[i].max_ms)};
        struct optimum got = optimum_find(&ask);
        EXPECT(got.delay_ns >= MS(rows[i].low_ms));
        EXPECT(got.delay_ns <= MS(rows[i].high_ms));
        EXPECT(got.extra <= 0.1 + 1e-9);
    }
}

/* Curves that never fall: nothing is known, or nothing ever answers. */
TEST(optimum_of_curves_without_an_end) {
    double flat[DECAY_BINS + 1], gone[DECAY_BINS + 1];
    for (unsigned i = 0; i <= DECAY_BINS; i++) {
        flat[i] = 1;
        gone[i] = i == 0;
    }
    struct optimum_ask ask = {.first = flat, .second = flat, .share = 0.05, .target = 0.99};
    EXPECT_EQ(optimum_find(&ask).delay_ns == UINT64_MAX, true);
    EXPECT_EQ(optimum_find(&ask).without_ns, decay_edge(DECAY_BINS));
    /* All of the first stand still; the second answers at once, but the share pays for one in twenty. */
    ask.second = gone;
    EXPECT(optimum_find(&ask).delay_ns == UINT64_MAX);
    ask.share = 1;
    struct optimum got = optimum_find(&ask);
    EXPECT(got.delay_ns != UINT64_MAX);
    EXPECT_NEAR(got.probability, 1, 1e-9);
    /* The first answers at once: no hedge has anything to gain. */
    ask.first = gone;
    ask.second = flat;
    EXPECT(optimum_find(&ask).delay_ns == UINT64_MAX);
}
