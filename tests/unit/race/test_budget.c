/* test_budget.c - the buckets' bounds, by rows and by chance, in virtual time. */
#include "tests/test.h"

#include <math.h>

#include "appliance/race/budget.h"
#include "core/base.h"
#include "core/rand.h"

#define AT(s) ((uint64_t)(s)*NS_PER_S)

/* Requests are spread over time so far that haste never sets in: what is left is the plain bucket. */
#define APART_NS AT(20)

static bool take(struct budget *budget, uint64_t now_ns) {
    double reserved;
    bool money;
    return budget_take(budget, &reserved, &money, now_ns);
}

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
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        struct budget budget;
        budget_init(&budget);
        unsigned taken = 0;
        for (unsigned n = 0; n < rows[i].requests; n++) {
            budget_on_request(&budget, rows[i].share, n * APART_NS);
            taken += take(&budget, n * APART_NS);
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
    for (unsigned i = 0; i < 100000; i++)
        budget_on_request(&budget, 0.05, AT(1));
    unsigned taken = 0;
    while (take(&budget, AT(1)))
        taken++;
    EXPECT_EQ(taken, (unsigned)BUDGET_BURST);
}

TEST(budget_nothing_before_the_first_request) {
    struct budget budget;
    budget_init(&budget);
    EXPECT(!take(&budget, 0));
    EXPECT(!budget_ready(&budget, 0));
}

TEST(budget_so_many_requests_are_one_hedge) {
    /* Also where the sum of the shares falls short of 1 by rounding, as ten times 0.1 does. */
    static const struct {
        double share;
        unsigned requests;
    } rows[] = {{0.05, 20}, {0.1, 10}, {0.01, 100}, {1. / 3, 3}, {0.02, 50}};
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("share %g", rows[i].share);
        struct budget budget;
        uint64_t now = 0;
        budget_init(&budget);
        budget_on_request(&budget, rows[i].share, now);
        for (int n = 0; n < BUDGET_BURST; n++)
            EXPECT(take(&budget, now += APART_NS));
        for (int hedge = 0; hedge < 1000; hedge++) {
            for (unsigned n = 1; n < rows[i].requests; n++)
                budget_on_request(&budget, rows[i].share, now += APART_NS);
            EXPECT(!budget_ready(&budget, now));
            EXPECT(!take(&budget, now));
            budget_on_request(&budget, rows[i].share, now += APART_NS);
            EXPECT(budget_ready(&budget, now));
            EXPECT(take(&budget, now));
        }
    }
}

TEST(budget_reload_to_nothing) {
    struct budget budget;
    budget_init(&budget);
    budget_on_request(&budget, 0.05, 0);
    EXPECT(take(&budget, 0));
    budget_on_request(&budget, 0, 0);
    EXPECT(!take(&budget, 0));
}

TEST(budget_put_gives_back) {
    struct budget budget;
    double reserved;
    bool money;
    budget_init(&budget);
    budget_on_request(&budget, 0.05, 0);
    budget_on_end(&budget, true, 1, 1000, 400, 0);
    for (int i = 0; i < 10; i++)
        budget_on_end(&budget, true, 1, 1000, 0, 0);
    uint64_t now = 0;
    for (int i = 0; i < 9; i++)
        EXPECT(take(&budget, now += APART_NS));
    now += APART_NS;
    double before = budget.money;
    EXPECT(budget_take(&budget, &reserved, &money, now));
    EXPECT_NEAR(reserved, 400, 1e-9);
    EXPECT_NEAR(budget.money, before - 400, 1e-9);
    EXPECT(!budget_ready(&budget, now));
    budget_put(&budget, reserved, now);
    EXPECT_NEAR(budget.money, before, 1e-9);
    EXPECT_EQ(budget.taken, 9);
    EXPECT(take(&budget, now));
    EXPECT(!take(&budget, now));
}

/* hedges <= burst + share x requests, whoever asks and whenever, with haste and without. */
TEST(budget_bound_holds_at_every_moment) {
    struct rand rand;
    rand_init(&rand, 7);
    for (int round = 0; round < 50; round++) {
        double share = rand_double(&rand), asking = rand_double(&rand), allowed = BUDGET_BURST;
        uint64_t now = 0, apart = rand_below(&rand, 3) ? rand_below(&rand, NS_PER_S) : APART_NS;
        struct budget budget;
        double reserved;
        bool money;
        budget_init(&budget);
        for (int i = 0; i < 2000; i++) {
            now += rand_below(&rand, apart + 1);
            budget_on_request(&budget, share, now);
            allowed += share;
            while (rand_double(&rand) < asking && budget_take(&budget, &reserved, &money, now))
                if (rand_below(&rand, 8) == 0)
                    budget_put(&budget, reserved, now);
            if ((double)budget.taken > allowed + 1e-6)
                FAIL_TEST("round %d: %llu hedges, %.3f allowed", round,
                          (unsigned long long)budget.taken, allowed);
            EXPECT(budget.tokens >= 0 && budget.tokens <= BUDGET_BURST);
        }
    }
}

/* Every backend fails: however many tries a request may have, retries stop after a constant. */
TEST(budget_retry_storms_are_impossible) {
    for (unsigned attempts_max = 2; attempts_max <= 16; attempts_max *= 2) {
        ROW("max_attempts %u", attempts_max);
        struct budget budget;
        unsigned retries = 0;
        budget_init(&budget);
        for (unsigned i = 0; i < 1000; i++) {
            budget_on_request(&budget, 0.05, i * NS_PER_MS);
            for (unsigned n = 1; n < attempts_max && budget_take_retry(&budget); n++)
                retries++;
            budget_on_end(&budget, false, 1, 0, 0, 0);
        }
        EXPECT_EQ(retries, (unsigned)BUDGET_RETRIES);
    }
}

TEST(budget_retries_are_paid_by_answers) {
    struct rand rand;
    rand_init(&rand, 8);
    for (int round = 0; round < 50; round++) {
        double failing = rand_double(&rand);
        double answers = 0, retries = 0;
        struct budget budget;
        budget_init(&budget);
        for (int i = 0; i < 2000; i++) {
            bool answered = rand_double(&rand) >= failing;
            for (int n = 1; !answered && n < 3 && budget_take_retry(&budget); n++) {
                /* One that found no backend after all. */
                if (rand_below(&rand, 10) == 0) {
                    budget_put_retry(&budget);
                    continue;
                }
                retries++;
                answered = rand_double(&rand) >= failing;
            }
            answers += answered;
            budget_on_end(&budget, answered, 1, 0, 0, 0);
            EXPECT(retries <= BUDGET_RETRIES + answers);
            EXPECT(budget.retries >= 0 && budget.retries <= BUDGET_RETRIES);
        }
        /* One failing backend of two costs nobody an answer. */
        if (failing < 0.4)
            EXPECT(budget.retries >= 1);
    }
}

/* While hedges of ten seconds are more than twice their share, requests add half. */
TEST(budget_haste_halves) {
    static const struct {
        const char *name;
        uint64_t rest_ns; /* between the burst and the requests that are counted */
        double tokens;    /* that 20 requests add */
    } rows[] = {
        {"at once", 0, 0.5},
        {"nine seconds later", AT(9), 0.5},
        {"when they are out of sight", AT(10), 1},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        struct budget budget;
        budget_init(&budget);
        for (int n = 0; n < 60; n++)
            budget_on_request(&budget, 0.05, AT(100));
        for (int n = 0; n < BUDGET_BURST; n++)
            EXPECT(take(&budget, AT(100)));
        double before = budget.tokens;
        for (int n = 0; n < 20; n++)
            budget_on_request(&budget, 0.05, AT(100) + rows[i].rest_ns);
        EXPECT_NEAR(budget.tokens - before, rows[i].tokens, 1e-9);
    }
    /* The same burst among requests enough is no haste. */
    struct budget budget;
    budget_init(&budget);
    for (int n = 0; n < 1000; n++)
        budget_on_request(&budget, 0.05, AT(5));
    while (take(&budget, AT(5)))
        continue;
    double before = budget.tokens;
    for (int n = 0; n < 20; n++)
        budget_on_request(&budget, 0.05, AT(5));
    EXPECT_NEAR(budget.tokens - before, 1, 1e-9);
}

/* When a hedge starts, those of the last ten seconds are not more than four times their share, and one at least: also where so few requests come
 * that the burst is a large part of them. */
TEST(budget_worst_ten_seconds) {
    static const double rates[] = {0.02, 0.5, 3, 12, 100};
    struct rand rand;
    rand_init(&rand, 12);
    for (size_t i = 0; i < countof(rates); i++) {
        ROW("%g requests a second", rates[i]);
        struct budget budget;
        unsigned requests[600] = {0}, hedges[600] = {0}, most = 0;
        budget_init(&budget);
        for (double s = 0; s < 600; s += -log1p(-rand_double(&rand)) / rates[i]) {
            uint64_t now = (uint64_t)(s * 1e9);
            bool stalling =
                (unsigned)s / 30 % 2; /* every request wants one, then for a while none */
            budget_on_request(&budget, 0.05, now);
            unsigned last = (unsigned)s, r = 0, h = 0;
            requests[last]++;
            if (!stalling || !take(&budget, now))
                continue;
            hedges[last]++;
            for (unsigned n = 0; n < BUDGET_SECONDS && n <= last; n++) {
                r += requests[last - n];
                h += hedges[last - n];
            }
            EXPECT(h <= fmax(BUDGET_WORST * 0.05 * r, 1) + 1e-6);
            most = h > most ? h : most;
        }
        EXPECT(most >= 1);
    }
}

/* Losers cost at most the share of what winners did, the burst, and what the last estimates were short:
 * those of the hedges under way. */
TEST(budget_money_bound) {
    static const struct {
        const char *name;
        double cost_share, loser_low, loser_high; /* of a winner's cost */
    } rows[] = {
        {"losers as dear as winners", 0.05, 1, 1},
        {"cheap losers", 0.05, 0.1, 0.3},
        {"a cost share that binds first", 0.01, 0.5, 1.5},
        {"losers dearer than expected", 0.05, 0.1, 8},
        {"no money", 0, 1, 1},
    };
    struct rand rand;
    rand_init(&rand, 9);
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        struct budget budget;
        double won = 0, wasted = 0, short_of = 0, dearest = 0, hedges = 0;
        budget_init(&budget);
        for (int n = 0; n < 20000; n++) {
            uint64_t now = (uint64_t)n * 10 * NS_PER_MS;
            double reserved = 0, price = 500 + (double)rand_below(&rand, 1000), loser = 0;
            bool money;
            budget_on_request(&budget, 0.25, now);
            if (budget_take(&budget, &reserved, &money, now)) {
                double span = rows[i].loser_high - rows[i].loser_low;
                loser = price * (rows[i].loser_low + span * rand_double(&rand));
                hedges++;
            }
            won += price;
            wasted += loser;
            dearest = loser > dearest ? loser : dearest;
            short_of = loser > reserved ? loser - reserved : 0;
            budget_on_end(&budget, true, rows[i].cost_share, (uint64_t)price, (uint64_t)loser,
                          reserved);
            EXPECT(wasted <= rows[i].cost_share * won + dearest * 2 + short_of + 1);
        }
        /* And what may be spent is: the bound is no refusal of all. */
        if (rows[i].cost_share > 0)
            EXPECT(wasted >= 0.8 * fmin(rows[i].cost_share, 0.25 * rows[i].loser_low) * won);
        EXPECT(hedges > 0);
    }
}

TEST(budget_says_what_was_missing) {
    struct budget budget;
    double reserved;
    bool money = false;
    budget_init(&budget);
    budget_on_request(&budget, 0.05, 0);
    EXPECT(budget_take(&budget, &reserved, &money, 0));
    EXPECT_NEAR(reserved, 0, 0); /* nothing is known of prices */
    budget_on_end(&budget, true, 0.05, 1000, 1000, reserved);
    EXPECT(!budget_take(&budget, &reserved, &money, AT(20)));
    EXPECT(money);
    EXPECT_NEAR(reserved, 0, 0);
    EXPECT(budget_ready(&budget, AT(20)));
    /* Nineteen more winners pay for the first loser, another twenty for the next hedge. */
    for (int i = 0; i < 38; i++)
        budget_on_end(&budget, true, 0.05, 1000, 0, 0);
    EXPECT(!budget_take(&budget, &reserved, &money, AT(40)));
    budget_on_end(&budget, true, 0.05, 1000, 0, 0);
    budget_on_end(&budget, true, 0.05, 1000, 0, 0);
    EXPECT(budget_take(&budget, &reserved, &money, AT(40)));
    EXPECT_NEAR(reserved, 1000, 1e-6);
    EXPECT(!money);
}

TEST(budget_failing_rows) {
    static const struct {
        const char *name;
        unsigned attempts, failures;
        uint64_t later_ns;
        bool failing;
    } rows[] = {
        {"nothing", 0, 0, 0, false},
        {"too few to tell", 19, 19, 0, false},
        {"a tenth", 100, 10, 0, false},
        {"more than a tenth", 100, 11, 0, true},
        {"all of twenty", 20, 20, 0, true},
        {"nine seconds ago", 100, 50, AT(9), true},
        {"ten seconds ago", 100, 50, AT(10), false},
        {"before the clock's wrap of the table", 100, 50, AT(20), false},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        struct budget budget;
        budget_init(&budget);
        for (unsigned n = 0; n < rows[i].attempts; n++)
            budget_on_attempt(&budget, n < rows[i].failures, AT(50));
        EXPECT_EQ(budget_failing(&budget, AT(50) + rows[i].later_ns), rows[i].failing);
    }
}

TEST(budget_refuses_nonsense) {
    struct budget budget;
    budget_init(&budget);
    EXPECT_ABORT(budget_on_request(&budget, 5, 0));
    EXPECT_ABORT(budget_on_request(&budget, -0.1, 0));
    EXPECT_ABORT(budget_put(&budget, 0, 0));
}
