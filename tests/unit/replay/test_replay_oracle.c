/* test_replay_oracle.c - the oracles against every choice there is, on small traces: they never go beyond
 * their budget, and nothing within it is better. */
#include "tests/test.h"

#include <math.h>

#include "appliance/replay/replay_parts.h"
#include "core/heap.h"
#include "tests/unit/replay/replay_fixture.h"

enum { MOST = 40, ROUNDS = 1500 };

static struct replay_settings draw_settings(struct rand *dice, uint64_t seed) {
    struct replay_settings s = replay_defaults();
    s.request_budget = rand_double(dice);
    s.cost_budget = rand_below(dice, 2) ? 1 : 0.3 * rand_double(dice);
    s.target = rand_below(dice, 2) ? 0.9 : 0.5;
    s.seed = seed;
    return s;
}

static struct replay_result run(enum replay_policy policy, const struct trace *t,
                                const struct replay_settings *s) {
    struct replay_result r;
    replay_result_init(&r, policy, t->count);
    replay_run(policy, t, s, &r);
    return r;
}

static int by_value(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* What an oracle goes by: the target first, then p99.9, then hedges. */
struct merit {
    uint64_t target_ns, tail_ns;
    size_t hedges;
};

static struct merit merit_of(const uint64_t *waited_ns, size_t count, double target,
                             size_t hedges) {
    uint64_t sorted[MOST];
    memcpy(sorted, waited_ns, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_value);
    return (struct merit){.target_ns = sorted[replay_rank(target, count)],
                          .tail_ns = sorted[replay_rank(0.999, count)],
                          .hedges = hedges};
}

static bool is_better(struct merit a, struct merit b) {
    if (a.target_ns != b.target_ns)
        return a.target_ns < b.target_ns;
    if (a.tail_ns != b.tail_ns)
        return a.tail_ns < b.tail_ns;
    return a.hedges < b.hedges;
}

/* ---- oracle-windowed ---- */

struct coin {
    uint64_t value;
    size_t request;
};
static int by_coin(const void *a, const void *b) {
    const struct coin *left = a, *right = b;
    return (left->value > right->value) - (left->value < right->value);
}

/* Coins as replay_oracle.c draws them: in the order of the primary's times, the longest first. */
static void draw_coins(const struct trace *t, const struct replay_settings *s, size_t from,
                       size_t to, struct coin *coins) {
    struct rand dice;
    size_t order[MOST], n = to - from;
    for (size_t i = 0; i < n; i++) {
        size_t at = i;
        for (; at > 0 && replay_primary_ns(t, order[at - 1]) < replay_primary_ns(t, from + i); at--)
            order[at] = order[at - 1];
        order[at] = from + i;
    }
    rand_init(&dice, s->seed + (t->time_ns[from] / REPLAY_WINDOW_NS << 32));
    for (size_t i = 0; i < n; i++)
        coins[i] = (struct coin){rand_u64(&dice) >> 24 << 24 | i, order[i]};
    qsort(coins, n, sizeof *coins, by_coin);
}

/* Hedged after delay_ns: of the candidates those with the smallest coins, as the budgets allow. */
static struct merit try_delay(const struct trace *t, const struct replay_settings *s, size_t from,
                              size_t to, const struct coin *coins, unsigned shift,
                              uint64_t delay_ns) {
    uint64_t waited_ns[MOST];
    size_t hedges = 0, allowed = replay_allowance(s->request_budget, to - from);
    double money = 0, spent = 0;
    for (size_t i = from; i < to; i++) {
        waited_ns[i - from] = replay_primary_ns(t, i);
        money += replay_winner_cost(t, s, i);
    }
    for (size_t k = 0; k < to - from && hedges < allowed; k++) {
        size_t i = coins[k].request;
        if (replay_primary_ns(t, i) <= delay_ns)
            continue;
        spent += replay_loser_cost(t, s, i);
        if (s->cost_budget < 1 && spent > money * s->cost_budget)
            break;
        waited_ns[i - from] = replay_wait_ns(replay_primary_ns(t, i), delay_ns,
                                             trace_ttft_ns(t, i, replay_second(t, i, shift)));
        hedges++;
    }
    return merit_of(waited_ns, to - from, s->target, hedges);
}

static struct merit best_of_window(const struct trace *t, const struct replay_settings *s,
                                   size_t from, size_t to) {
    struct coin coins[MOST];
    draw_coins(t, s, from, to, coins);
    struct merit best = try_delay(t, s, from, to, coins, 1, UINT64_MAX);
    for (unsigned shift = 1; shift < t->backends; shift++)
        for (size_t d = from; d <= to; d++) {
            uint64_t delay_ns = d < to ? replay_primary_ns(t, d) : 0;
            struct merit m = try_delay(t, s, from, to, coins, shift, delay_ns);
            best = is_better(m, best) ? m : best;
        }
    return best;
}

/* Also holds the hedges of the window, and their money, against the budgets. */
static struct merit merit_of_window(const struct trace *t, const struct replay_settings *s,
                                    const struct replay_result *r, size_t from, size_t to) {
    size_t hedges = 0;
    double money = 0, spent = 0;
    for (size_t i = from; i < to; i++) {
        money += replay_winner_cost(t, s, i);
        if (r->delay_ns[i] == UINT64_MAX)
            continue;
        hedges++;
        spent += replay_loser_cost(t, s, i);
    }
    EXPECT((double)hedges <= s->request_budget * (double)(to - from) + 1e-6);
    EXPECT(s->cost_budget >= 1 || spent <= money * s->cost_budget + 1e-6);
    return merit_of(r->ttft_ns + from, to - from, s->target, hedges);
}

static size_t window_end(const struct trace *t, size_t from) {
    size_t to = from;
    while (to < t->count &&
           t->time_ns[to] / REPLAY_WINDOW_NS == t->time_ns[from] / REPLAY_WINDOW_NS)
        to++;
    return to;
}

TEST(replay_oracle_windowed_is_the_best_single_r_of_each_window) {
    struct rand dice;
    size_t windows = 0, hedges = 0;
    rand_init(&dice, 7);
    for (int round = 0; round < ROUNDS; round++) {
        struct replay_settings s = draw_settings(&dice, (uint64_t)round);
        struct trace t;
        fixture_draw(&t, &dice, MOST);
        struct replay_result r = run(REPLAY_ORACLE_WINDOWED, &t, &s);
        for (size_t from = 0, to; from < t.count; from = to) {
            to = window_end(&t, from);
            struct merit want = best_of_window(&t, &s, from, to);
            struct merit got = merit_of_window(&t, &s, &r, from, to);
            ROW("round %d, window at %zu", round, from);
            EXPECT_EQ(got.target_ns, want.target_ns);
            EXPECT_EQ(got.tail_ns, want.tail_ns);
            EXPECT_EQ(got.hedges, want.hedges);
            windows++;
            hedges += got.hedges;
        }
        replay_result_fini(&r);
        trace_fini(&t);
    }
    EXPECT(windows > ROUNDS && hedges > ROUNDS);
}

/* ---- oracle-single ---- */

TEST(replay_oracle_single_is_the_best_delay_within_the_budget) {
    struct rand dice;
    size_t hedges = 0;
    rand_init(&dice, 8);
    for (int round = 0; round < ROUNDS; round++) {
        struct replay_settings s = draw_settings(&dice, (uint64_t)round);
        struct trace t;
        s.cost_budget = 1;
        fixture_draw(&t, &dice, MOST);
        size_t allowed = replay_allowance(s.request_budget, t.count);
        struct replay_result r = run(REPLAY_ORACLE_SINGLE, &t, &s);
        struct merit got = merit_of(r.ttft_ns, t.count, s.target, r.hedges);
        ROW("round %d", round);
        EXPECT(r.hedges <= allowed);
        hedges += r.hedges;
        for (unsigned shift = 1; shift < t.backends; shift++)
            for (size_t d = 0; d <= t.count; d++) {
                uint64_t waited_ns[MOST], delay_ns = d < t.count ? replay_primary_ns(&t, d) : 0;
                size_t used = 0;
                for (size_t i = 0; i < t.count; i++) {
                    uint64_t first_ns = replay_primary_ns(&t, i);
                    bool hedged = first_ns > delay_ns;
                    uint64_t second_ns = trace_ttft_ns(&t, i, replay_second(&t, i, shift));
                    waited_ns[i] =
                        hedged ? replay_wait_ns(first_ns, delay_ns, second_ns) : first_ns;
                    used += hedged;
                }
                if (used <= allowed)
                    EXPECT(got.target_ns <= merit_of(waited_ns, t.count, s.target, used).target_ns);
            }
        replay_result_fini(&r);
        trace_fini(&t);
    }
    EXPECT(hedges > ROUNDS);
}

TEST(replay_oracle_single_keeps_the_budget_of_money) {
    struct rand dice;
    size_t hedges = 0;
    rand_init(&dice, 12);
    for (int round = 0; round < ROUNDS; round++) {
        struct replay_settings s = draw_settings(&dice, (uint64_t)round);
        struct trace t;
        fixture_draw(&t, &dice, MOST);
        struct replay_result r = run(REPLAY_ORACLE_SINGLE, &t, &s);
        ROW("round %d", round);
        merit_of_window(&t, &s, &r, 0, t.count);
        hedges += r.hedges;
        replay_result_fini(&r);
        trace_fini(&t);
    }
    EXPECT(hedges > ROUNDS);
}

/* ---- clairvoyant ---- */

/* What the hedge gains where the second is the fastest of the others. */
static uint64_t gain_ns(const struct trace *t, size_t i) {
    uint64_t first_ns = replay_primary_ns(t, i), best_ns = UINT64_MAX;
    for (unsigned shift = 1; shift < t->backends; shift++)
        best_ns = min_u64(best_ns, trace_ttft_ns(t, i, replay_second(t, i, shift)));
    return first_ns > best_ns ? first_ns - best_ns : 0;
}

TEST(replay_clairvoyant_hedges_at_once_who_gains_most) {
    struct rand dice;
    rand_init(&dice, 9);
    for (int round = 0; round < ROUNDS; round++) {
        struct replay_settings s = draw_settings(&dice, (uint64_t)round);
        struct trace t;
        uint64_t least_ns = UINT64_MAX, most_left_ns = 0;
        s.cost_budget = 1;
        fixture_draw(&t, &dice, MOST);
        size_t gainers = 0, allowed = replay_allowance(s.request_budget, t.count);
        struct replay_result r = run(REPLAY_CLAIRVOYANT, &t, &s);
        ROW("round %d", round);
        for (size_t i = 0; i < t.count; i++) {
            uint64_t gain = gain_ns(&t, i);
            gainers += gain > 0;
            if (r.delay_ns[i] == UINT64_MAX) {
                most_left_ns = max_u64(most_left_ns, gain);
                continue;
            }
            EXPECT_EQ(r.delay_ns[i], 0);
            EXPECT_EQ(r.ttft_ns[i], replay_primary_ns(&t, i) - gain);
            least_ns = min_u64(least_ns, gain);
        }
        EXPECT_EQ(r.hedges, min_size(allowed, gainers));
        EXPECT(least_ns >= most_left_ns);
        replay_result_fini(&r);
        trace_fini(&t);
    }
}

/* The clairvoyant's sum of waits is a floor for all who keep the same budget. */
TEST(replay_clairvoyant_is_a_floor_of_the_mean) {
    static const enum replay_policy others[] = {REPLAY_ORACLE_SINGLE, REPLAY_ORACLE_WINDOWED};
    struct rand dice;
    rand_init(&dice, 10);
    for (int round = 0; round < 30; round++) {
        struct replay_settings s = replay_defaults();
        struct trace t;
        s.request_budget = 0.05 + 0.3 * rand_double(&dice);
        trace_init(&t, "floor", 3, 2000);
        for (size_t i = 0; i < t.max; i++) {
            uint64_t ns[3];
            for (unsigned b = 0; b < 3; b++)
                ns[b] = (uint64_t)(4e8 * exp(rand_normal(&dice)));
            trace_add(&t, i * NS_PER_S / 10, 0, 1, 1, ns);
        }
        struct replay_result floor = run(REPLAY_CLAIRVOYANT, &t, &s);
        double floor_sum = 0;
        for (size_t i = 0; i < t.count; i++)
            floor_sum += (double)floor.ttft_ns[i];
        for (size_t k = 0; k < countof(others); k++) {
            struct replay_result r = run(others[k], &t, &s);
            double sum = 0;
            for (size_t i = 0; i < t.count; i++)
                sum += (double)r.ttft_ns[i];
            ROW("round %d, %s", round, replay_policy_name(others[k]));
            EXPECT(sum >= floor_sum);
            EXPECT(r.hedges <= replay_allowance(s.request_budget, t.count));
            replay_result_fini(&r);
        }
        replay_result_fini(&floor);
        trace_fini(&t);
    }
}
