/* test_budget.c - the bucket's bound, by rows and by chance. */
#include "tests/test.h"

#include "appliance/race/budget.h"
#include "core/rand.h"

TEST(budget_rows) {
    /* Every request asks for a hedge: how many get one? */
    static const struct {
        const char *name;
        double share;
        unsigned requests, taken;
    } rows[] = {
        {"one request brings the burst", 0.05, 1, 1},
        {"the burst", 0.05, 10, 10},
        {"after the burst one in twenty", 0.05, 210, 20},
        {"a share that is no binary fraction", 0.01, 10000, 109},
        {"everything", 1, 500, 500},
        {"nothing, not even the burst", 0, 500, 0},
        {"less than one in a life", 0.001, 500, 10},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ROW("%s", rows[i].name);
        struct budget budget;
        budget_init(&budget);
        unsigned taken = 0;
        for (unsigned n = 0; n < rows[i].requests; n++) {
            budget_on_request(&budget, rows[i].share);
            taken += budget_take(&budget);
        }
        EXPECT_EQ(taken, rows[i].taken);
        EXPECT_EQ(budget.taken, taken);
        EXPECT_EQ(budget.refused, rows[i].requests - taken);
        EXPECT_EQ(budget.requests, rows[i].requests);
    }
}

TEST(budget_burst_is_capped) {
    struct budget budget;
    budget_init(&budget);
    for (int i = 0; i < 100000; i++)
        budget_on_request(&budget, 0.05);
    unsigned taken = 0;
    while (budget_take(&budget))
        taken++;
    EXPECT_EQ(taken, (unsigned)BUDGET_BURST);
}

TEST(budget_nothing_before_the_first_request) {
    struct budget budget;
    budget_init(&budget);
    EXPECT(!budget_take(&budget));
}

TEST(budget_so_many_requests_are_one_hedge) {
    /* Also where the sum of the shares falls short of 1 by rounding, as ten times 0.1 does. */
    static const struct {
        double share;
        int requests;
    } rows[] = {{0.05, 20}, {0.1, 10}, {0.01, 100}, {1. / 3, 3}, {0.02, 50}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ROW("share %g", rows[i].share);
        struct budget budget;
        budget_init(&budget);
        budget_on_request(&budget, rows[i].share);
        while (budget_take(&budget))
            continue;
        for (int hedge = 0; hedge < 1000; hedge++) {
            for (int n = 1; n < rows[i].requests; n++)
                budget_on_request(&budget, rows[i].share);
            EXPECT(!budget_take(&budget));
            budget_on_request(&budget, rows[i].share);
            EXPECT(budget_take(&budget));
        }
    }
}

TEST(budget_reload_to_nothing) {
    struct budget budget;
    budget_init(&budget);
    budget_on_request(&budget, 0.05);
    EXPECT(budget_take(&budget));
    budget_on_request(&budget, 0);
    EXPECT(!budget_take(&budget));
}

TEST(budget_put_gives_back) {
    struct budget budget;
    budget_init(&budget);
    budget_on_request(&budget, 0.05);
    for (int i = 0; i < 10; i++)
        EXPECT(budget_take(&budget));
    EXPECT(!budget_take(&budget));
    budget_put(&budget);
    EXPECT_EQ(budget.taken, 9);
    EXPECT(budget_take(&budget));
    EXPECT(!budget_take(&budget));
}

TEST(budget_bound_holds_at_every_moment) {
    struct rand rand;
    rand_init(&rand, 7);
    for (int round = 0; round < 50; round++) {
        double share = rand_double(&rand), asking = rand_double(&rand), allowed = BUDGET_BURST;
        struct budget budget;
        budget_init(&budget);
        for (int i = 0; i < 2000; i++) {
            budget_on_request(&budget, share);
            allowed += share;
            while (rand_double(&rand) < asking && budget_take(&budget))
                if (rand_below(&rand, 8) == 0)
                    budget_put(&budget);
            if ((double)budget.taken > allowed + 1e-6)
                FAIL_TEST("round %d: %llu hedges, %.3f allowed", round,
                          (unsigned long long)budget.taken, allowed);
            EXPECT(budget.tokens >= 0 && budget.tokens <= BUDGET_BURST);
        }
    }
}

TEST(budget_refuses_nonsense) {
    struct budget budget;
    budget_init(&budget);
    EXPECT_ABORT(budget_on_request(&budget, 5));
    EXPECT_ABORT(budget_on_request(&budget, -0.1));
    EXPECT_ABORT(budget_put(&budget));
}
