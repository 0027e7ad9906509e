/* test_replay.c - the plain policies and what is counted of them, against what is written out by hand
 * and against slow ways of computing the same. */
#include "tests/test.h"

#include <math.h>

#include "appliance/replay/replay_figures.h"
#include "appliance/replay/replay_parts.h"
#include "appliance/replay/replay_recent.h"
#include "core/heap.h"
#include "tests/unit/replay/replay_fixture.h"

static struct replay_result run(enum replay_policy policy, const struct trace *t,
                                const struct replay_settings *s) {
    struct replay_result r;
    replay_result_init(&r, policy, t->count);
    replay_run(policy, t, s, &r);
    return r;
}

TEST(replay_policies_have_the_documented_names) {
    static const char *const names[] = {
        "none",          "fixed",           "race",       "p95-delay", "adaptive",
        "oracle-single", "oracle-windowed", "clairvoyant"};
    EXPECT_EQ(countof(names), REPLAY_POLICIES);
    for (unsigned p = 0; p < countof(names); p++) {
        EXPECT_STR(replay_policy_name((enum replay_policy)p), names[p]);
        EXPECT_EQ(replay_policy_find(names[p]), p);
    }
    EXPECT_EQ(replay_policy_find("None"), REPLAY_POLICIES);
    EXPECT_EQ(replay_policy_find(""), REPLAY_POLICIES);
}

/* Four requests, a delay of 100 ms: what each policy makes of them. */
TEST(replay_by_hand) {
    static const struct {
        uint64_t first_ms, second_ms, fixed_ms, race_ms;
        bool hedged;
    } rows[] = {
        {100, 10, 100, 10, false}, /* answers at the very moment: no hedge */
        {101, 10, 101, 10, true},  /* too late to help */
        {500, 50, 150, 50, true},
        {90, 300, 90, 90, false},
    };
    struct replay_settings s = replay_defaults();
    struct trace t;
    s.fixed_delay_ns = MS(100);
    s.input_price = 1;
    s.output_price = 5;
    trace_init(&t, "hand", 2, countof(rows));
    for (size_t i = 0; i < countof(rows); i++)
        fixture_add(&t, i, rows[i].first_ms, rows[i].second_ms);
    struct replay_result none = run(REPLAY_NONE, &t, &s), fixed = run(REPLAY_FIXED, &t, &s);
    struct replay_result race = run(REPLAY_RACE, &t, &s);
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("request %zu", i);
        EXPECT_EQ(none.ttft_ns[i], MS(rows[i].first_ms));
        EXPECT(none.delay_ns[i] == UINT64_MAX);
        EXPECT_EQ(fixed.ttft_ns[i], MS(rows[i].fixed_ms));
        EXPECT(fixed.delay_ns[i] == (rows[i].hedged ? MS(100) : UINT64_MAX));
        EXPECT_EQ(race.ttft_ns[i], MS(rows[i].race_ms));
        EXPECT_EQ(race.delay_ns[i], 0);
    }
    EXPECT_EQ(none.hedges, 0);
    EXPECT_EQ(fixed.hedges, 2);
    EXPECT_EQ(race.hedges, 4);
    /* A winner is 100 x 1 + 10 x 5, a loser its input. */
    EXPECT_NEAR(none.extra_cost, 0, 0);
    EXPECT_NEAR(fixed.extra_cost, 200.0 / 600, 1e-12);
    EXPECT_NEAR(race.extra_cost, 400.0 / 600, 1e-12);
    replay_result_fini(&none);
    replay_result_fini(&fixed);
    replay_result_fini(&race);
    trace_fini(&t);
}

TEST(replay_race_counts_each_request_beyond_the_first) {
    struct replay_settings s = replay_defaults();
    struct trace t;
    trace_init(&t, "three", 3, 1);
    trace_add(&t, 0, 1, 10, 0, (uint64_t[]){MS(30), UINT64_MAX, MS(20)});
    struct replay_result r = run(REPLAY_RACE, &t, &s);
    EXPECT_EQ(r.hedges, 2);
    EXPECT_EQ(r.ttft_ns[0], MS(20));
    EXPECT_NEAR(r.extra_cost, 2, 1e-12);
    replay_result_fini(&r);
    trace_fini(&t);
}

TEST(replay_knows_no_cost_where_no_tokens_are_known) {
    struct replay_settings s = replay_defaults();
    struct trace t;
    trace_init(&t, "unknown", 2, 1);
    trace_add(&t, 0, 0, 0, 0, (uint64_t[]){MS(30), MS(20)});
    struct replay_result r = run(REPLAY_RACE, &t, &s);
    EXPECT(isnan(r.extra_cost));
    replay_result_fini(&r);
    trace_fini(&t);
}

/* ---- p95-delay ---- */

struct came {
    uint64_t at_ns, took_ns;
};
static int by_coming(const void *a, const void *b) {
    const struct came *left = a, *right = b;
    return (left->at_ns > right->at_ns) - (left->at_ns < right->at_ns);
}
static int by_time(const void *a, const void *b) {
    const struct came *left = a, *right = b;
    return (left->took_ns > right->took_ns) - (left->took_ns < right->took_ns);
}

/* The 95th percentile of the last thousand answers of `backend` that came until now, from the answers
 * themselves. */
static uint64_t slow_p95(const struct trace *t, const uint64_t *waited_ns, const unsigned *winner,
                         const uint64_t *took_ns, size_t before, unsigned backend) {
    struct came *came = heap_alloc((before + 1) * sizeof *came);
    size_t n = 0;
    for (size_t k = 0; k < before; k++)
        if (winner[k] == backend && waited_ns[k] != UINT64_MAX &&
            t->time_ns[k] + waited_ns[k] <= t->time_ns[before])
            came[n++] = (struct came){t->time_ns[k] + waited_ns[k], took_ns[k]};
    qsort(came, n, sizeof *came, by_coming);
    size_t kept = min_size(n, 1000);
    qsort(came + (n - kept), kept, sizeof *came, by_time);
    uint64_t p95 = UINT64_MAX;
    if (kept >= 20)
        p95 = came[n - kept + (size_t)ceil(0.95 * (double)kept - 1e-9) - 1].took_ns;
    heap_free(&came);
    return p95;
}

TEST(replay_p95_delay_goes_by_the_answers_that_came) {
    enum { COUNT = 3000 };
    static uint64_t waited_ns[COUNT], took_ns[COUNT];
    static unsigned winner[COUNT];
    struct replay_settings s = replay_defaults();
    struct rand dice;
    struct trace t;
    size_t hedges = 0;
    rand_init(&dice, 3);
    trace_init(&t, "p95", 2, COUNT);
    uint64_t at_ns = 0;
    for (size_t i = 0; i < COUNT; i++) {
        at_ns += rand_below(&dice, 20 * NS_PER_MS);
        uint64_t times[2];
        for (unsigned b = 0; b < 2; b++)
            times[b] = (uint64_t)(4e8 * exp(0.6 * rand_normal(&dice)));
        trace_add(&t, at_ns, rand_below(&dice, 10) == 0, 1, 1, times);
    }
    struct replay_result r = run(REPLAY_P95_DELAY, &t, &s);
    for (size_t i = 0; i < COUNT; i++) {
        unsigned first = t.primary[i];
        uint64_t first_ns = trace_ttft_ns(&t, i, first), second_ns = trace_ttft_ns(&t, i, !first);
        uint64_t delay_ns = slow_p95(&t, waited_ns, winner, took_ns, i, first);
        bool hedged = first_ns > delay_ns;
        waited_ns[i] = hedged ? min_u64(first_ns, delay_ns + second_ns) : first_ns;
        winner[i] = waited_ns[i] == first_ns ? first : !first;
        took_ns[i] = trace_ttft_ns(&t, i, winner[i]);
        hedges += hedged;
        ROW("request %zu", i);
        EXPECT_EQ(r.ttft_ns[i], waited_ns[i]);
        EXPECT(r.delay_ns[i] == (hedged ? delay_ns : UINT64_MAX));
    }
    EXPECT_EQ(r.hedges, hedges);
    /* So much that the losers' missing times pull it down is told in replay.c. */
    EXPECT(hedges > COUNT / 25 && hedges < COUNT / 8);
    replay_result_fini(&r);
    trace_fini(&t);
}

/* ---- all policies ---- */

TEST(replay_every_policy_waits_between_the_race_and_the_primary) {
    struct rand dice;
    rand_init(&dice, 5);
    for (int round = 0; round < 200; round++) {
        struct trace t;
        struct replay_settings s = replay_defaults();
        fixture_draw(&t, &dice, 80);
        s.request_budget = rand_double(&dice);
        s.seed = (uint64_t)round;
        s.fixed_delay_ns = MS(rand_below(&dice, 500));
        struct replay_result none = run(REPLAY_NONE, &t, &s), race = run(REPLAY_RACE, &t, &s);
        for (unsigned p = 0; p < REPLAY_POLICIES; p++) {
            struct replay_result r = run((enum replay_policy)p, &t, &s);
            size_t hedged = 0;
            ROW("%s, round %d", replay_policy_name((enum replay_policy)p), round);
            for (size_t i = 0; i < t.count; i++) {
                hedged += r.delay_ns[i] != UINT64_MAX;
                EXPECT(r.ttft_ns[i] >= race.ttft_ns[i] && r.ttft_ns[i] <= none.ttft_ns[i]);
                /* Nobody gains, and nobody hedges late, without a hedge before the answer. */
                EXPECT(r.ttft_ns[i] == none.ttft_ns[i] || r.delay_ns[i] < none.ttft_ns[i]);
            }
            EXPECT_EQ(r.hedges, hedged * (p == REPLAY_RACE ? t.backends - 1 : 1));
            replay_result_fini(&r);
        }
        replay_result_fini(&none);
        replay_result_fini(&race);
        trace_fini(&t);
    }
}

TEST(replay_is_the_same_for_the_same_seed) {
    struct rand dice;
    struct trace t;
    struct replay_settings s = replay_defaults();
    rand_init(&dice, 9);
    trace_init(&t, "seeded", 2, 20000);
    for (size_t i = 0; i < 20000; i++)
        trace_add(&t, i * 10 * NS_PER_MS, 0, 100, 10,
                  (uint64_t[]){(uint64_t)(4e8 * exp(0.6 * rand_normal(&dice))),
                               (uint64_t)(4e8 * exp(0.6 * rand_normal(&dice)))});
    for (unsigned p = 0; p < REPLAY_POLICIES; p++) {
        struct replay_result a = run((enum replay_policy)p, &t, &s);
        struct replay_result b = run((enum replay_policy)p, &t, &s);
        ROW("%s", replay_policy_name((enum replay_policy)p));
        EXPECT_MEM(a.ttft_ns, t.count * 8, b.ttft_ns, t.count * 8);
        EXPECT_MEM(a.delay_ns, t.count * 8, b.delay_ns, t.count * 8);
        replay_result_fini(&a);
        replay_result_fini(&b);
    }
    trace_fini(&t);
}

/* With one backend there is nobody to hedge with; the adaptive policy must not even try. */
TEST(replay_hedges_nothing_with_one_backend) {
    struct replay_settings s = replay_defaults();
    struct trace t;
    trace_init(&t, "one", 1, 50);
    for (size_t i = 0; i < 50; i++)
        trace_add(&t, i * NS_PER_S, 0, 1, 1, (uint64_t[]){MS(100 + i)});
    for (unsigned p = 0; p < REPLAY_POLICIES; p++) {
        struct replay_result r = run((enum replay_policy)p, &t, &s);
        ROW("%s", replay_policy_name((enum replay_policy)p));
        EXPECT_EQ(r.hedges, 0);
        EXPECT_EQ(r.ttft_ns[49], MS(149));
        replay_result_fini(&r);
    }
    trace_fini(&t);
}

/* ---- what is counted ---- */

TEST(replay_quantile_is_the_ceil_of_q_times_count_th) {
    enum { COUNT = 1000 };
    static uint64_t scratch[COUNT];
    static const struct {
        double q;
        uint64_t want;
    } rows[] = {{0, 1},      {0.001, 1},  {0.0011, 2},  {0.5, 500},
                {0.95, 950}, {0.99, 990}, {0.999, 999}, {1, 1000}};
    struct replay_result r;
    struct rand dice;
    rand_init(&dice, 2);
    replay_result_init(&r, REPLAY_NONE, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        size_t at = (size_t)rand_below(&dice, i + 1);
        r.ttft_ns[i] = r.ttft_ns[at];
        r.ttft_ns[at] = i + 1;
    }
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%g", rows[i].q);
        EXPECT_EQ(replay_quantile(&r, rows[i].q, scratch), rows[i].want);
    }
    replay_result_fini(&r);
}

static double slow_worst_10s(const struct trace *t, const struct replay_result *r) {
    uint64_t end_s = t->time_ns[t->count - 1] / NS_PER_S + 1;
    double worst = 0;
    for (uint64_t from_s = 0; from_s == 0 || from_s + 10 <= end_s; from_s++) {
        unsigned requests = 0, hedges = 0;
        for (size_t i = 0; i < t->count; i++) {
            uint64_t at_s = t->time_ns[i] / NS_PER_S, hedge_s = UINT64_MAX;
            if (r->delay_ns[i] != UINT64_MAX)
                hedge_s = (t->time_ns[i] + r->delay_ns[i]) / NS_PER_S;
            requests += at_s >= from_s && at_s < from_s + 10;
            hedges += hedge_s >= from_s && hedge_s < from_s + 10;
        }
        if (requests >= 20)
            worst = fmax(worst, (double)hedges / requests);
    }
    return worst;
}

TEST(replay_worst_10s_by_counting) {
    struct rand dice;
    rand_init(&dice, 4);
    for (int round = 0; round < 100; round++) {
        struct replay_settings s = replay_defaults();
        struct trace t;
        uint64_t at_ns = rand_below(&dice, 3 * NS_PER_S);
        trace_init(&t, "worst", 2, 300);
        for (size_t i = 0; i < 300; i++) {
            /* Now and then a gap of a minute. */
            at_ns += rand_below(&dice, 50) ? rand_below(&dice, NS_PER_S / 3) : 60 * NS_PER_S;
            trace_add(&t, at_ns, 0, 1, 1,
                      (uint64_t[]){MS(rand_below(&dice, 3000)), MS(rand_below(&dice, 1000))});
        }
        s.fixed_delay_ns = MS(rand_below(&dice, 3000));
        struct replay_result r = run(REPLAY_FIXED, &t, &s);
        ROW("round %d", round);
        EXPECT_NEAR(replay_worst_10s(&t, &r), slow_worst_10s(&t, &r), 1e-12);
        replay_result_fini(&r);
        trace_fini(&t);
    }
}

/* Two bursts a year apart: what goes second by second must not. */
TEST(replay_passes_over_a_year_without_requests) {
    enum { EACH = 30 };
    static const uint64_t YEAR_NS = 365ull * 86400 * NS_PER_S;
    struct replay_settings s = replay_defaults();
    struct replay_figures figures[REPLAY_POLICIES];
    struct trace t;
    s.fixed_delay_ns = MS(100);
    trace_init(&t, "gap", 2, 2 * EACH);
    for (size_t i = 0; i < 2 * EACH; i++) {
        uint64_t burst_ns = i < EACH ? 0 : YEAR_NS;
        trace_add(&t, burst_ns + MS(100 * i), 0, 1, 1,
                  (uint64_t[]){MS(i == 40 ? 500 : 50), MS(50)});
    }
    unsigned policies = 1u << REPLAY_FIXED | 1u << REPLAY_ADAPTIVE | 1u << REPLAY_ORACLE_WINDOWED;
    EXPECT_EQ(replay_figures_run(&t, &s, policies, figures), 3);
    /* The worst 10 s end in the second burst, with its first 20 requests and the hedge. */
    EXPECT_NEAR(figures[0].worst_10s_extra, 1.0 / 20, 1e-12);
    trace_fini(&t);
}

TEST(replay_figures_hold_what_the_results_say) {
    enum { COUNT = 2000 };
    static uint64_t scratch[COUNT];
    struct replay_settings s = replay_defaults();
    struct replay_figures f, all[REPLAY_POLICIES];
    struct rand dice;
    struct trace t;
    rand_init(&dice, 6);
    trace_init(&t, "figures", 2, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        fixture_add(&t, 10 * i, 1 + rand_below(&dice, 100000), 1 + rand_below(&dice, 100000));
    struct replay_result r = run(REPLAY_NONE, &t, &s);
    replay_figures_take(&t, &r, scratch, &f);
    EXPECT_EQ(f.count, COUNT);
    EXPECT_EQ(f.p99_ns, replay_quantile(&r, 0.99, scratch));
    EXPECT(f.curve_count > 60 && f.curve_count <= REPLAY_CURVE_MAX);
    for (unsigned k = 0; k < f.curve_count; k++) {
        size_t longer = 0;
        for (size_t i = 0; i < COUNT; i++)
            longer += r.ttft_ns[i] >= f.curve[k].ttft_ns;
        ROW("point %u", k);
        /* Equal times are all counted: at least the share, and more only by them. */
        EXPECT((double)longer / COUNT >= f.curve[k].share - 1e-12);
        EXPECT((double)longer / COUNT <= f.curve[k].share + 0.005);
        if (k > 0)
            EXPECT(f.curve[k].share < f.curve[k - 1].share &&
                   f.curve[k].ttft_ns >= f.curve[k - 1].ttft_ns);
    }
    unsigned ran = replay_figures_run(&t, &s, 1u << REPLAY_RACE | 1u << REPLAY_NONE, all);
    EXPECT_EQ(ran, 2);
    EXPECT_EQ(all[0].policy, REPLAY_NONE);
    EXPECT(replay_figures_find(all, ran, REPLAY_RACE) == &all[1]);
    EXPECT(replay_figures_find(all, ran, REPLAY_FIXED) == NULL);
    replay_result_fini(&r);
    trace_fini(&t);
}
