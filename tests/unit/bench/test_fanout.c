/* test_fanout.c - the fan-out of The Tail at Scale (bench/replay/fanout.c): the fits, and the draw against
 * the formulas. */
#include "tests/test.h"

#include <math.h>

#include "bench/replay/fanout.h"

TEST(fanout_shapes_are_fitted_to_the_published_figures) {
    unsigned by_extra = 0;
    for (unsigned k = 0; fanout_name(k); k++) {
        ROW("%s", fanout_name(k));
        EXPECT_NEAR(fanout_quantile_ms(k, false, 0.999), FANOUT_PAPER_MS, 0.5);
        if (!strstr(fanout_what(k), "2 %"))
            continue;
        by_extra++;
        EXPECT_NEAR(fanout_longer(k, FANOUT_DELAY_MS), FANOUT_PAPER_EXTRA, 1e-9);
    }
    EXPECT_EQ(by_extra, 3);
    EXPECT(fanout_what(5) == NULL);
}

TEST(fanout_survival_falls_from_one_to_nothing) {
    for (unsigned k = 0; fanout_name(k); k++) {
        double last = 1;
        ROW("%s", fanout_name(k));
        EXPECT_NEAR(fanout_longer(k, 1e-12), 1, 0.01);
        for (double ms = 1e-6; ms < 1e7; ms *= 1.1) {
            double share = fanout_longer(k, ms);
            EXPECT(share <= last && share >= 0);
            last = share;
        }
        EXPECT(last < 1e-6);
    }
}

/* The second of two independent reads is sent after 10 ms: S(t) S(t - 10). By hand for the Pareto shape: the
 * share 1.0005e-5 of reads is late, so S near sqrt of it, 3.16e-3, at about 35 ms + half of the delay. */
TEST(fanout_formula_by_hand) {
    double index = log(0.02 / 1.000495e-5) / log(180);
    double t = fanout_quantile_ms(0, true, 0.999);
    double s1 = 0.02 * pow(10 / t, index), s2 = 0.02 * pow(10 / (t - 10), index);
    EXPECT_STR(fanout_name(0), "Pareto");
    EXPECT_NEAR(s1 * s2 / 1.000495e-5, 1, 1e-3);
}

TEST(fanout_draws_what_the_formulas_say) {
    enum { REQUESTS = 30000 };
    for (unsigned k = 0; fanout_name(k); k++) {
        struct fanout_figures f;
        fanout_run(k, REQUESTS, 1, &f);
        ROW("%s", fanout_name(k));
        EXPECT_NEAR(f.p50_ms / fanout_quantile_ms(k, false, 0.5), 1, 0.03);
        EXPECT_NEAR(f.hedged_p50_ms / fanout_quantile_ms(k, true, 0.5), 1, 0.03);
        /* Thirty requests are beyond: a heavy tail tells its place to some 15 %. */
        EXPECT_NEAR(f.p999_ms / FANOUT_PAPER_MS, 1, 0.45);
        EXPECT_NEAR(f.hedged_p999_ms / fanout_quantile_ms(k, true, 0.999), 1, 0.25);
        double extra = fanout_longer(k, FANOUT_DELAY_MS);
        EXPECT_NEAR(f.extra, extra, 5 * sqrt(extra / (REQUESTS * 100.0)));
    }
}

TEST(fanout_is_the_same_for_the_same_seed) {
    struct fanout_figures a, b, c;
    fanout_run(1, 500, 3, &a);
    fanout_run(1, 500, 3, &b);
    fanout_run(1, 500, 4, &c);
    EXPECT_MEM(&a, sizeof a, &b, sizeof b);
    EXPECT(memcmp(&a, &c, sizeof a) != 0);
}
