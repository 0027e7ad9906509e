/* test_saved.c - what a request would have waited without hedges: rows for one request, the estimate
 * against the truth for many, and what adaptive would give by what a learner knows. */
#include "tests/test.h"

#include <math.h>

#include "appliance/race/race.h"
#include "appliance/race/exchange.h"
#include "appliance/race/saved.h"
#include "appliance/race/would.h"
#include "core/heap.h"
#include "core/rand.h"

#define MS(n) ((uint64_t)(n)*NS_PER_MS)
#define NEVER SAVED_NEVER

TEST(one_request) {
    static const struct {
        const char *what;
        struct saved_try tries[3];
        unsigned count;
        uint64_t ttft_ms, end_ms; /* ttft 0: no answer */
        uint64_t with_ms, without_ms;
        bool with_cut, without_cut;
    } rows[] = {
        {"answered by the first", {{false, MS(80), MS(90)}}, 1, 80, 90, 80, 80, false, false},
        {"nobody answered", {{false, NEVER, MS(90)}}, 1, 0, 95, 95, 95, true, true},
        {"by a retry",
         {{false, NEVER, MS(20)}, {false, MS(70), MS(99)}},
         2,
         70,
         99,
         70,
         70,
         false,
         false},
        {"the hedge won",
         {{false, NEVER, MS(70)}, {true, MS(70), MS(99)}},
         2,
         70,
         99,
         70,
         70,
         false,
         true},
        {"the hedge lost",
         {{false, MS(80), MS(99)}, {true, NEVER, MS(80)}},
         2,
         80,
         99,
         80,
         80,
         false,
         false},
        /* Both came within one turn of the loop: the first's time is known though it did not win. */
        {"the first came too",
         {{false, MS(71), MS(71)}, {true, MS(70), MS(99)}},
         2,
         70,
         99,
         70,
         71,
         false,
         false},
        /* Without the hedge a retry had begun at 40, and not answered before that. */
        {"the first failed behind the hedge",
         {{false, NEVER, MS(40)}, {true, MS(70), MS(99)}},
         2,
         70,
         99,
         70,
         40,
         false,
         true},
        {"a retry was hedged",
         {{false, NEVER, MS(10)}, {false, NEVER, MS(70)}, {true, MS(70), MS(99)}},
         3,
         70,
         99,
         70,
         70,
         false,
         true},
        {"a retry behind the hedge won",
         {{false, NEVER, MS(50)}, {true, NEVER, MS(70)}, {false, MS(70), MS(99)}},
         3,
         70,
         99,
         70,
         50,
         false,
         true},
        {"hedged in vain",
         {{false, NEVER, MS(90)}, {true, NEVER, MS(90)}},
         2,
         0,
         91,
         91,
         90,
         true,
         true},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        struct saved_request request = {.tries = rows[i].tries,
                                        .count = rows[i].count,
                                        .ttft_ns = rows[i].ttft_ms ? MS(rows[i].ttft_ms) : NEVER,
                                        .end_ns = MS(rows[i].end_ms)};
        struct saved_time with = saved_with(&request), without = saved_without(&request);
        ROW("%s", rows[i].what);
        EXPECT_EQ(with.value_ns, MS(rows[i].with_ms));
        EXPECT_EQ(with.cut, rows[i].with_cut);
        EXPECT_EQ(without.value_ns, MS(rows[i].without_ms));
        EXPECT_EQ(without.cut, rows[i].without_cut);
    }
}

/* An exchange as it is at its end, on a clock that does not begin at 0. */
TEST(counts_an_exchange) {
    static struct exchange exchange;
    static struct attempt attempts[2];
    static struct race_model_stats stats;
    exchange = (struct exchange){.begin_ns = MS(1000),
                                 .commit_ns = MS(1070),
                                 .end_ns = MS(1099),
                                 .attempts = {&attempts[0], &attempts[1]},
                                 .attempt_count = 2};
    attempts[0] = (struct attempt){.start_ns = MS(1001), .end_ns = MS(1070), .why = FAIL_LOST};
    attempts[1] = (struct attempt){.trigger = HEDGE_DELAY,
                                   .start_ns = MS(1040),
                                   .first_token_ns = MS(1070),
                                   .end_ns = MS(1099)};
    saved_count(&exchange, &stats);
    EXPECT(stats.without.count == 0 && stats.without_cut.count == 1);
    EXPECT_EQ(stats.without_cut.max_ns, MS(70));
    EXPECT_EQ(stats.ttft_cut.count, 0); /* its ttft was counted at the commit */
    exchange.commit_ns = 0;
    exchange.attempt_count = 1;
    attempts[0].why = FAIL_CANCELLED;
    saved_count(&exchange, &stats);
    EXPECT(stats.ttft_cut.count == 1 && stats.ttft_cut.max_ns == MS(99));
    EXPECT(stats.without_cut.count == 2 && stats.without_cut.max_ns == MS(99));
    /* A retry is no hedge: without one it had been the same. */
    exchange.commit_ns = MS(1070);
    exchange.attempt_count = 2;
    attempts[0].why = FAIL_RESET;
    attempts[1].trigger = HEDGE_FAILURE;
    saved_count(&exchange, &stats);
    EXPECT(stats.without.count == 1 && stats.without.max_ns == MS(70));
}

/* ---- the estimate ---- */

static const double asked[] = {0.05, 0.5, 0.9, 0.95, 0.99, 0.999};

TEST(nothing_cut_is_the_plain_quantile) {
    static struct hist seen, cut;
    struct rand rand;
    rand_init(&rand, 4);
    EXPECT(hist_quantile_cut(&seen, &cut, 0.5) == UINT64_MAX);
    EXPECT_NEAR(hist_above_cut(&seen, &cut, MS(1)), 1, 0);
    for (unsigned n = 0; n < 3000; n++) {
        hist_add(&seen, (uint64_t)exp(16 + 2 * rand_normal(&rand)));
        for (unsigned i = 0; i < countof(asked) && n % 97 == 0; i++) {
            double plain = (double)hist_quantile(&seen, asked[i]);
            double here = (double)hist_quantile_cut(&seen, &cut, asked[i]);
            EXPECT(fabs(here - plain) <= 2 + 1e-9 * plain);
            EXPECT_NEAR(hist_above_cut(&seen, &cut, (uint64_t)here), 1 - asked[i], 2.0 / (n + 1));
        }
    }
    EXPECT_EQ(hist_quantile_cut(&seen, &cut, 1), seen.max_ns);
    EXPECT_EQ(hist_quantile_cut(&seen, &cut, 0), hist_quantile(&seen, 0));
}

/* Freireich's leukaemia trial, the textbook's example: weeks of remission under 6-MP, those with a plus
 * cut off (Cox and Oakes, Analysis of Survival Data, 1984, table 1.1). Each week is 15 % beyond the one
 * before, so that no two share a bin. */
static uint64_t week_ns(double week) { return (uint64_t)(1e9 * pow(1.15, week)); }

TEST(the_textbook) {
    static const struct {
        unsigned week;
        bool cut;
    } rows[] = {{6, 0},  {6, 0},  {6, 0},  {6, 1},  {7, 0},  {9, 1},  {10, 0},
                {10, 1}, {11, 1}, {13, 0}, {16, 0}, {17, 1}, {19, 1}, {20, 1},
                {22, 0}, {23, 0}, {25, 1}, {32, 1}, {32, 1}, {34, 1}, {35, 1}};
    static const struct {
        unsigned week;
        double left;
    } want[] = {{5, 1},      {6, 0.857},  {7, 0.807},  {10, 0.753}, {13, 0.690},
                {16, 0.627}, {22, 0.538}, {23, 0.448}, {40, 0.448}};
    static struct hist seen, cut;
    for (unsigned i = 0; i < countof(rows); i++)
        hist_add(rows[i].cut ? &cut : &seen, week_ns(rows[i].week));
    for (unsigned i = 0; i < countof(want); i++) {
        ROW("week %u", want[i].week);
        /* Behind its bin, and before the next week's. */
        EXPECT_NEAR(hist_above_cut(&seen, &cut, week_ns(want[i].week + 0.5)), want[i].left, 0.0006);
    }
    EXPECT_NEAR((double)hist_quantile_cut(&seen, &cut, 0.5) / (double)week_ns(23), 1, 0.0625);
    EXPECT(hist_quantile_cut(&seen, &cut, 0.6) == UINT64_MAX); /* 44.8 % were never seen to end */
}

/* Requests hedged after a delay; what is counted of them, and what they would have taken. */
struct world_of_requests {
    struct hist seen, cut, answers;
    uint64_t *truth;
    unsigned count;
};

static uint64_t draw(struct rand *rand, double stall) {
    double normal = rand_normal(rand);
    return (uint64_t)((rand_double(rand) < stall ? 1.2e9 : 8e7) * exp(0.35 * normal));
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void run(struct world_of_requests *w, unsigned count, double stall, double probability) {
    struct rand rand;
    rand_init(&rand, 11 + count);
    *w = (struct world_of_requests){.truth = heap_alloc(count * sizeof *w->truth), .count = count};
    for (unsigned i = 0; i < count; i++) {
        uint64_t first = draw(&rand, stall), second = draw(&rand, stall);
        /* The delay is the learner's: not always the same. */
        uint64_t delay = MS(100) + rand_below(&rand, MS(150));
        bool hedged = first > delay && rand_double(&rand) < probability;
        bool won = hedged && delay + second < first;
        struct saved_try tries[2] = {{false, won ? NEVER : first, won ? delay + second : first},
                                     {true, won ? delay + second : NEVER, first}};
        struct saved_request request = {.tries = tries,
                                        .count = hedged ? 2 : 1,
                                        .ttft_ns = won ? delay + second : first,
                                        .end_ns = MS(9000)};
        struct saved_time without = saved_without(&request);
        hist_add(without.cut ? &w->cut : &w->seen, without.value_ns);
        w->truth[i] = first;
    }
    qsort(w->truth, count, sizeof *w->truth, by_value);
}

TEST(estimate_is_the_truth_within_noise) {
    enum { COUNT = 200000 };
    static struct world_of_requests w;
    static const double stalls[] = {0.02, 0.08};
    for (unsigned s = 0; s < countof(stalls); s++) {
        static const struct hist none;
        run(&w, COUNT, stalls[s], 0.8);
        EXPECT(w.cut.count > COUNT * stalls[s] * 0.7);
        for (unsigned i = 0; i < countof(asked); i++) {
            double truth = (double)w.truth[(size_t)(asked[i] * COUNT)];
            double estimate = (double)hist_quantile_cut(&w.seen, &w.cut, asked[i]);
            ROW("%g stalls, quantile %g", stalls[s], asked[i]);
            EXPECT(fabs(estimate - truth) < 0.07 * truth);
        }
        /* Dropping the losers' times, or taking them for answers, hides most of the tail. */
        static struct hist answers;
        answers = w.seen;
        hist_merge(&answers, &w.cut);
        double truth = (double)w.truth[(size_t)(0.99 * COUNT)];
        ROW("%g stalls", stalls[s]);
        EXPECT((double)hist_quantile_cut(&w.seen, &none, 0.99) < 0.8 * truth);
        EXPECT((double)hist_quantile_cut(&answers, &none, 0.99) < 0.8 * truth);
        heap_free(&w.truth);
    }
}

TEST(beyond_when_every_stall_was_cut_off) {
    static struct world_of_requests w;
    run(&w, 5000, 0.03, 1);
    EXPECT(hist_quantile_cut(&w.seen, &w.cut, 0.5) < MS(100));
    /* A hedge that stalls too lets a few be seen: one in thirty. */
    EXPECT(hist_quantile_cut(&w.seen, &w.cut, 0.9999) >= MS(1000));
    static struct hist seen, cut;
    for (unsigned i = 0; i < 97; i++)
        hist_add(&seen, MS(50 + i % 10));
    for (unsigned i = 0; i < 3; i++)
        hist_add(&cut, MS(120));
    EXPECT(hist_quantile_cut(&seen, &cut, 0.97) < MS(62));
    EXPECT(hist_quantile_cut(&seen, &cut, 0.98) == UINT64_MAX);
    heap_free(&w.truth);
}

/* ---- what adaptive would give ---- */

static struct learn *learn_of(unsigned backends, double budget) {
    struct learn *learn = heap_alloc(sizeof *learn + learn_size(backends));
    struct learn_settings settings = {
        .request_budget = budget, .cost_budget = 1, .target = 0.99, .delay_ns = MS(400)};
    learn_init(learn, &settings, backends, learn + 1, NS_PER_S);
    return learn;
}

static void teach(struct learn *learn, unsigned backend, unsigned count, double stall,
                  struct rand *rand) {
    for (unsigned i = 0; i < count; i++)
        learn_take(learn, &(struct learn_sample){.value_ns = draw(rand, stall),
                                                 .backend = (uint16_t)backend,
                                                 .behind = LEARN_NOBODY,
                                                 .kind = (uint8_t)learn_kind(100, true)});
}

TEST(would_by_what_is_known) {
    static const struct {
        const char *what;
        unsigned backends, known[2];
        enum would_state want;
    } rows[] = {
        {"one backend", 1, {500, 0}, WOULD_ALONE},
        {"nothing yet", 2, {0, 0}, WOULD_FEW},
        {"too little", 2, {40, 40}, WOULD_FEW},
        {"one that was never asked", 2, {500, 0}, WOULD_UNSEEN},
        {"one that was hardly asked", 2, {500, 10}, WOULD_UNSEEN},
        {"both", 2, {500, 500}, WOULD_KNOWN},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        struct learn *learn = learn_of(rows[i].backends, 0.05);
        struct rand rand;
        struct would would;
        rand_init(&rand, 5);
        for (unsigned b = 0; b < rows[i].backends; b++)
            teach(learn, b, rows[i].known[b], 0.03, &rand);
        would_find(learn, asked, countof(asked), &would);
        ROW("%s", rows[i].what);
        EXPECT_EQ(would.state, rows[i].want);
        heap_free(&learn);
    }
}

TEST(would_within_the_budget) {
    static const double budgets[] = {0, 0.02, 0.05, 0.2};
    static const double p99 = 0.99;
    double before_ns = INFINITY;
    for (unsigned i = 0; i < countof(budgets); i++) {
        struct learn *learn = learn_of(2, budgets[i]);
        struct rand rand;
        struct would would;
        rand_init(&rand, 6);
        teach(learn, 0, 20000, 0.03, &rand);
        teach(learn, 1, 20000, 0, &rand);
        would_find(learn, &p99, 1, &would);
        ROW("budget %g", budgets[i]);
        EXPECT_EQ(would.state, WOULD_KNOWN);
        EXPECT(would.extra <= budgets[i] + 1e-9);
        EXPECT((double)would.with_ns[0] <= before_ns * 1.001);
        EXPECT_EQ(would.extra > 0, budgets[i] > 0);
        before_ns = (double)would.with_ns[0];
        if (budgets[i] == 0)
            EXPECT_EQ(would.with_ns[0], would.without_ns[0]);
        heap_free(&learn);
    }
}

/* The prediction is compared with drawing pairs, as early as the median allows: there the optimum has no
 * choice but how often. */
TEST(would_is_what_pairs_give) {
    enum { COUNT = 100000 };
    static uint64_t times[COUNT];
    static const struct {
        double budget, coin; /* half of the requests are late by the median */
    } rows[] = {{1, 1}, {0.3, 0.6}};
    static const double p95 = 0.95;
    for (unsigned r = 0; r < countof(rows); r++) {
        struct learn *learn = learn_of(2, rows[r].budget);
        struct rand rand;
        struct would would;
        rand_init(&rand, 7);
        learn->settings.delay_max_ns = 1;
        teach(learn, 0, 50000, 0.05, &rand);
        teach(learn, 1, 50000, 0.05, &rand);
        would_find(learn, &p95, 1, &would);
        for (unsigned i = 0; i < COUNT; i++) {
            uint64_t first = draw(&rand, 0.05), second = MS(82) + draw(&rand, 0.05);
            times[i] = rand_double(&rand) < rows[r].coin ? min_u64(first, second) : first;
        }
        qsort(times, COUNT, sizeof *times, by_value);
        double truth = (double)times[(size_t)(p95 * COUNT)];
        ROW("budget %g", rows[r].budget);
        EXPECT(fabs((double)would.with_ns[0] - truth) < 0.05 * truth);
        EXPECT_NEAR(would.extra, rows[r].coin / 2, 0.03);
        heap_free(&learn);
    }
}

/* Of two that may go second the one that stalls less. */
TEST(would_take_the_better_second) {
    for (unsigned better = 1; better <= 2; better++) {
        struct learn *learn = learn_of(3, 0.1);
        struct rand rand;
        struct would would;
        static const double p99 = 0.99;
        rand_init(&rand, 8);
        teach(learn, 0, 20000, 0.03, &rand);
        teach(learn, better, 200, 0, &rand);
        teach(learn, 3 - better, 200, 0.6, &rand);
        would_find(learn, &p99, 1, &would);
        ROW("better is %u", better);
        EXPECT_EQ(would.state, WOULD_KNOWN);
        EXPECT(would.with_ns[0] < MS(400));
        heap_free(&learn);
    }
}
