/* test_learn.c - what is made of samples: speeds, advice, memory and its end. How it all behaves in
 * traffic is in test_learn_traffic.c. */
#include "tests/test.h"

#include <math.h>

#include "appliance/race/learn.h"
#include "core/rand.h"

#define MS(ms) ((uint64_t)(ms)*NS_PER_MS)
#define AT(s)  ((uint64_t)(s)*NS_PER_S)
/* Histogram bins are 5 % wide: a quantile is right to that. */
#define WITHIN(ns) ((double)(ns)*0.06)
#define BACKENDS   3
#define KIND       9 /* of 4 Ki .. 16 Ki tokens, streamed */

static struct world {
    struct learn learn;
    _Alignas(64) char memory[1 << 20];
} world, other;

static void setup_as(struct world *w, struct learn_settings settings) {
    CHECK(learn_size(BACKENDS) <= sizeof w->memory);
    learn_init(&w->learn, &settings, BACKENDS, w->memory, 0);
}

static const struct learn_settings usual = {
    .request_budget = 0.05, .cost_budget = 1, .target = 0.99, .delay_ns = MS(400)};

static void setup(void) { setup_as(&world, usual); }

static void sample(unsigned backend, uint64_t value_ns, bool cut) {
    learn_take(&world.learn, &(struct learn_sample){.value_ns = value_ns,
                                                    .backend = (uint16_t)backend,
                                                    .behind = LEARN_NOBODY,
                                                    .kind = KIND,
                                                    .cut = cut});
}

static void answer(unsigned backend, uint64_t value_ns) { sample(backend, value_ns, false); }
static void cut(unsigned backend, uint64_t age_ns) { sample(backend, age_ns, true); }
static void compute(uint64_t now_ns) { learn_compute(&world.learn, NULL, 0, now_ns); }

static const struct learn_speed *speed(unsigned backend) {
    return learn_speed(&world.learn.board, backend, KIND);
}
static const struct learn_advice *advice(unsigned first, unsigned second) {
    return learn_advice(&world.learn.board, first, KIND, second);
}

TEST(learn_kind_rows) {
    static const struct {
        uint64_t tokens;
        unsigned size;
    } rows[] = {{0, 0},     {64, 0},     {65, 1},     {256, 1},       {257, 2},   {1024, 2},
                {1025, 3},  {4096, 3},   {4097, 4},   {16384, 4},     {16385, 5}, {65536, 5},
                {65537, 6}, {262144, 6}, {262145, 7}, {UINT64_MAX, 7}};
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%llu tokens", (unsigned long long)rows[i].tokens);
        EXPECT_EQ(learn_kind(rows[i].tokens, false), rows[i].size * 2);
        EXPECT_EQ(learn_kind(rows[i].tokens, true), rows[i].size * 2 + 1);
    }
}

/* Below 20 samples nothing is learnt, from 100 on nothing is configured, and between it leans. */
TEST(learn_delay_needs_samples) {
    static const struct {
        unsigned samples;
        bool leans, learnt;
    } rows[] = {{0, false, false}, {19, false, false}, {21, true, false},
                {60, true, false}, {90, true, false},  {120, true, true}};
    double before = 400;
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%u samples", rows[i].samples);
        setup();
        /* Slow ones that the second would spare: the learnt delay is near 1000 ms. */
        for (unsigned n = 0; n < rows[i].samples; n++) {
            answer(0, n % 20 < 19 ? MS(900) : MS(60000));
            answer(1, MS(100));
        }
        compute(MS(250));
        EXPECT_NEAR(speed(0)->samples, rows[i].samples, 0.5);
        EXPECT_EQ(speed(0)->p50_ns > 0, rows[i].samples > 0);
        double delay = (double)advice(0, 1)->delay_ns / 1e6;
        EXPECT_EQ(delay > 401, rows[i].leans);
        EXPECT_EQ(delay > 880, rows[i].learnt);
        EXPECT(delay >= before - 1);
        before = delay;
    }
}

/* 1 .. 1000 ms, all equally often, and a few that stall; the second answers in 50 ms. The budget is used
 * up, but for hedges sooner than the median; more of it never means later. */
TEST(learn_delay_follows_the_budget) {
    static const struct {
        double budget, spent;
    } rows[] = {{0.05, 0.05}, {0.1, 0.1}, {0.25, 0.25}, {0.4, 0.4}, {0.6, 0.5}, {1, 0.5}};
    uint64_t before = UINT64_MAX;
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("budget %g", rows[i].budget);
        struct learn_settings settings = usual;
        settings.request_budget = rows[i].budget;
        settings.target = 0.9;
        setup_as(&world, settings);
        for (unsigned ms = 1; ms <= 1000; ms++) {
            answer(0, MS(ms));
            answer(1, MS(50));
        }
        for (unsigned n = 0; n < 30; n++)
            answer(0, MS(30000));
        compute(MS(250));
        EXPECT_NEAR((double)speed(0)->p50_ns, (double)MS(505), WITHIN(MS(505)));
        EXPECT_NEAR((double)speed(0)->p90_ns, (double)MS(909), WITHIN(MS(909)));
        EXPECT(advice(0, 1)->delay_ns >= speed(0)->p50_ns);
        EXPECT((double)advice(0, 1)->extra <= rows[i].budget + 1e-6);
        EXPECT_NEAR((double)advice(0, 1)->extra, rows[i].spent, 0.1 * rows[i].spent);
        EXPECT((double)advice(0, 1)->delay_ns <= 1.05 * (double)before);
        before = advice(0, 1)->delay_ns;
    }
}

/* The heart of censoring: losers are cut off, and the estimate is to be that of the uncut times. Left
 * out, or taken for answers, they would make the backend look faster than it is. */
TEST(learn_losers_are_censored) {
    struct rand rand;
    double naive = 0, seen = 0;
    rand_init(&rand, 11);
    setup();
    for (int i = 0; i < 4000; i++) {
        /* Uniform in 100 .. 1100 ms; one in two is cut off somewhere between 600 and 1600 ms. */
        uint64_t ttft = MS(100) + rand_below(&rand, MS(1000));
        uint64_t cut_at = rand_below(&rand, 2) ? MS(600) + rand_below(&rand, MS(1000)) : MS(9999);
        if (ttft <= cut_at) {
            answer(0, ttft);
            seen++;
            naive += ttft > MS(1000);
        } else {
            cut(0, cut_at);
        }
    }
    compute(MS(250));
    EXPECT_NEAR((double)speed(0)->p50_ns, (double)MS(600), WITHIN(MS(600)));
    EXPECT_NEAR((double)speed(0)->p90_ns, (double)MS(1000), WITHIN(MS(1000)));
    EXPECT(naive / seen < 0.09); /* what the answers alone would say of the slowest tenth */
}

TEST(learn_cut_off_counts) {
    /* 40 answers at 100 ms and 10 attempts that were cut off: those show that one in five takes longer,
     * so that the 90 % quantile is not 100 ms, when they were cut off after it. */
    static const struct {
        uint64_t cut_ms;
        bool counts;
    } rows[] = {{2000, true}, {200, true}, {20, false}};
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("cut off after %llu ms", (unsigned long long)rows[i].cut_ms);
        setup();
        for (int n = 0; n < 40; n++)
            answer(0, MS(100));
        for (int n = 0; n < 10; n++)
            cut(0, MS(rows[i].cut_ms));
        compute(MS(250));
        EXPECT_NEAR((double)speed(0)->p50_ns, (double)MS(100), WITHIN(MS(100)));
        EXPECT_EQ(speed(0)->p90_ns > MS(110), rows[i].counts);
    }
}

TEST(learn_mostly_stalled_is_slow_not_fast) {
    setup();
    for (int n = 0; n < 30; n++)
        answer(0, MS(100));
    for (int n = 0; n < 60; n++)
        cut(0, MS(5000));
    compute(MS(250));
    EXPECT(speed(0)->p50_ns > MS(100000));
}

/* What waits now is a sample too, of its own kind and backend, and only for this once. */
TEST(learn_ages_count) {
    struct learn_sample ages[20];
    setup();
    for (int n = 0; n < 60; n++) {
        answer(0, MS(100));
        answer(1, MS(100));
    }
    for (size_t i = 0; i < countof(ages); i++)
        ages[i] = (struct learn_sample){
            .value_ns = MS(5000), .behind = LEARN_NOBODY, .kind = KIND, .cut = true};
    learn_compute(&world.learn, ages, countof(ages), MS(250));
    EXPECT_NEAR((double)speed(0)->p50_ns, (double)MS(105), WITHIN(MS(105)));
    EXPECT(speed(0)->p90_ns > MS(100000));
    EXPECT_NEAR((double)speed(1)->p90_ns, (double)MS(100), WITHIN(MS(100)));
    /* They are gone, whether one of them has answered or none: nothing of the ages is left. */
    for (unsigned tick = 2; tick < 3 + LEARN_TURNS; tick++)
        compute(tick * MS(250));
    for (unsigned kind = 0; kind <= LEARN_ANY; kind++) {
        ROW("kind %u", kind);
        EXPECT_NEAR((double)learn_speed(&world.learn.board, 0, kind)->p90_ns, (double)MS(100),
                    WITHIN(MS(100)));
    }
}

/* A kind of its own with few samples borrows, one with none reads all of them, one with many is itself. */
TEST(learn_kinds_borrow) {
    static const struct {
        unsigned own; /* samples of 1000 ms of the kind, beside 1000 of 100 ms of another */
        uint64_t p50_ms;
    } rows[] = {{0, 100}, {10, 100}, {200, 1000}};
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%u of its own", rows[i].own);
        setup();
        for (unsigned n = 0; n < rows[i].own; n++)
            answer(0, MS(1000));
        for (unsigned n = 0; n < 1000; n++)
            learn_take(&world.learn, &(struct learn_sample){.value_ns = MS(100),
                                                            .behind = LEARN_NOBODY,
                                                            .kind = KIND + 2});
        compute(MS(250));
        EXPECT_NEAR((double)speed(0)->p50_ns, (double)MS(rows[i].p50_ms),
                    WITHIN(MS(rows[i].p50_ms)));
        /* Nine in a hundred of the borrowed hundred are its own. */
        EXPECT_EQ(speed(0)->p90_ns > MS(500), rows[i].own >= 10);
    }
    /* Kinds that nobody asked for read what is known of any. */
    const struct learn_board *board = &world.learn.board;
    for (unsigned kind = 0; kind < LEARN_KINDS; kind++) {
        if (kind == KIND || kind == KIND + 2)
            continue;
        EXPECT_EQ(learn_speed(board, 0, kind)->p50_ns, learn_speed(board, 0, LEARN_ANY)->p50_ns);
        EXPECT_EQ(learn_advice(board, 0, kind, 1)->delay_ns,
                  learn_advice(board, 0, LEARN_ANY, 1)->delay_ns);
    }
}

/* The second one by how it answers when the first is late, not by how it answers in general. */
TEST(learn_shared_causes) {
    static const struct {
        const char *name;
        uint64_t behind_ms; /* its answers when the first was late */
        bool hedges;
    } rows[] = {{"independent", 400, true}, {"slow together", 12000, false}};
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        setup();
        for (unsigned n = 0; n < 1000; n++) {
            answer(0, n % 50 ? MS(400) : MS(10000));
            answer(1, MS(400));
        }
        for (unsigned n = 0; n < 100; n++)
            learn_take(&world.learn, &(struct learn_sample){.value_ns = MS(rows[i].behind_ms),
                                                            .backend = 1,
                                                            .behind = 0,
                                                            .kind = KIND});
        compute(MS(250));
        EXPECT_EQ(advice(0, 1)->delay_ns != UINT64_MAX, rows[i].hedges);
        /* That it answers late then says nothing of its own speed. */
        EXPECT_NEAR((double)speed(1)->p90_ns, (double)MS(400), WITHIN(MS(400)));
    }
}

/* Money: hedges that cost as much as an answer each have the cost budget for their share. */
TEST(learn_money_bounds_the_share) {
    static const struct {
        double cost_budget, wasted; /* of a winner, by each hedge */
        double extra;
    } rows[] = {{1, 1, 0.05}, {0.02, 1, 0.02}, {0.02, 0.5, 0.04}, {0.02, 0, 0.05}, {0, 1, 0}};
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("cost budget %g, a hedge costs %g", rows[i].cost_budget, rows[i].wasted);
        struct learn_settings settings = usual;
        settings.cost_budget = rows[i].cost_budget;
        setup_as(&world, settings);
        for (unsigned n = 0; n < 2000; n++) {
            answer(0, MS(100 + n));
            answer(1, MS(50));
            answer(0, n % 100 ? MS(100) : MS(40000));
            learn_cost(&world.learn, 100, n % 10 ? 0 : 100 * rows[i].wasted, 1, n % 10 == 0);
        }
        compute(MS(250));
        EXPECT((double)advice(0, 1)->extra <= rows[i].extra + 1e-6);
        EXPECT((double)advice(0, 1)->extra >= rows[i].extra * 0.5);
    }
}

/* Whatever was learnt: no advice spends more than the budget, nor fires sooner than the median or later
 * than the maximum. */
TEST(learn_advice_keeps_the_bounds) {
    struct rand rand;
    rand_init(&rand, 12);
    for (int round = 0; round < 60; round++) {
        struct learn_settings settings = usual;
        settings.request_budget = 0.2 * rand_double(&rand);
        settings.sample = 0.005;
        settings.delay_max_ns = rand_below(&rand, 2) ? MS(900) : 0;
        setup_as(&world, settings);
        unsigned count = 10 + (unsigned)rand_below(&rand, 400);
        double sigma = rand_double(&rand);
        for (unsigned n = 0; n < count; n++)
            for (unsigned b = 0; b < BACKENDS; b++)
                sample(b, (uint64_t)(4e8 * exp(sigma * rand_normal(&rand))),
                       rand_below(&rand, 10) == 0);
        compute(MS(250));
        ROW("round %d: %u samples, sigma %.2f, budget %.3f", round, count, sigma,
            settings.request_budget);
        for (unsigned first = 0; first < BACKENDS; first++)
            for (unsigned second = 0; second < BACKENDS; second++) {
                const struct learn_advice *a = advice(first, second);
                if (first == second || count < (unsigned)LEARN_KNOWN * 2)
                    continue;
                EXPECT((double)a->extra <= settings.request_budget + 1e-6);
                EXPECT(a->probability >= 0 && a->probability <= 1);
                EXPECT(a->with_ns <= a->without_ns);
                if (a->delay_ns == UINT64_MAX || count < 140)
                    continue;
                EXPECT(a->delay_ns >= speed(first)->p50_ns);
                EXPECT(settings.delay_max_ns == 0 ||
                       a->delay_ns <= max_u64(settings.delay_max_ns, speed(first)->p50_ns));
            }
    }
}

TEST(learn_same_samples_same_board) {
    struct world *worlds[] = {&world, &other};
    for (size_t w = 0; w < countof(worlds); w++) {
        struct rand rand;
        rand_init(&rand, 13);
        setup_as(worlds[w], usual);
        for (unsigned n = 0; n < 5000; n++) {
            struct learn_sample s = {.value_ns = (uint64_t)(4e8 * exp(0.6 * rand_normal(&rand))),
                                     .backend = (uint16_t)rand_below(&rand, BACKENDS),
                                     .behind = LEARN_NOBODY,
                                     .kind = (uint8_t)rand_below(&rand, LEARN_KINDS),
                                     .cut = rand_below(&rand, 9) == 0};
            s.behind = rand_below(&rand, 5) ? LEARN_NOBODY : (uint16_t)((s.backend + 1) % BACKENDS);
            learn_take(&worlds[w]->learn, &s);
            if (n % 25 == 24)
                learn_compute(&worlds[w]->learn, &s, 1, n * MS(10));
        }
    }
    EXPECT_MEM(world.learn.board.advice, learn_board_size(BACKENDS), other.learn.board.advice,
               learn_board_size(BACKENDS));
    EXPECT(world.learn.board.advice != other.learn.board.advice);
}

/* The board is a third of the kinds old at most: what is asked is told after LEARN_TURNS ticks. */
TEST(learn_every_kind_has_its_turn) {
    setup();
    for (unsigned kind = 0; kind < LEARN_KINDS; kind++)
        for (unsigned n = 0; n < 200; n++)
            learn_take(&world.learn, &(struct learn_sample){.value_ns = MS(100),
                                                            .behind = LEARN_NOBODY,
                                                            .kind = (uint8_t)kind});
    compute(MS(250));
    for (unsigned kind = 0; kind < LEARN_KINDS; kind++)
        for (unsigned n = 0; n < 100; n++)
            learn_take(&world.learn, &(struct learn_sample){.value_ns = MS(100),
                                                            .behind = LEARN_NOBODY,
                                                            .kind = (uint8_t)kind});
    for (unsigned tick = 2; tick < 2 + LEARN_TURNS; tick++)
        compute(tick * MS(250));
    for (unsigned kind = 0; kind < LEARN_KINDS; kind++) {
        ROW("kind %u", kind);
        EXPECT(learn_speed(&world.learn.board, 0, kind)->samples > 290);
    }
    EXPECT(learn_speed(&world.learn.board, 0, LEARN_ANY)->samples > LEARN_KINDS * 290);
}

/* One long step is as many short ones: nobody asks at night, and no tick is missed for it. */
TEST(learn_time_passes_alike) {
    struct world *worlds[] = {&world, &other};
    static const uint64_t last_ns = AT(3600);
    for (size_t w = 0; w < countof(worlds); w++) {
        setup_as(worlds[w], usual);
        for (unsigned n = 0; n < 3000; n++)
            learn_take(&worlds[w]->learn, &(struct learn_sample){.value_ns = MS(200 + n % 100),
                                                                 .behind = LEARN_NOBODY,
                                                                 .kind = KIND});
        uint64_t step_ns = w == 0 ? MS(250) : last_ns - MS(1000);
        for (uint64_t at = MS(250); at <= MS(1000); at += MS(250))
            learn_compute(&worlds[w]->learn, NULL, 0, at);
        for (uint64_t at = MS(1000) + step_ns; at <= last_ns; at += step_ns)
            learn_compute(&worlds[w]->learn, NULL, 0, at);
        const struct learn_backend *b = &worlds[w]->learn.backends[0];
        EXPECT_NEAR(decay_weight(&b->all, b->clock_ns), LEARN_KEEP, 0.01);
        EXPECT_NEAR(decay_weight(&b->recent, b->recent_clock_ns), LEARN_KEEP_RECENT, 0.01);
        EXPECT(worlds[w]->learn.board.stale[0]);
    }
    EXPECT_NEAR((double)world.learn.backends[0].clock_ns, (double)other.learn.backends[0].clock_ns,
                (double)MS(1));
}

/* Who was asked for itself is told to have been tried, while it waits, when it is cut off, and for a
 * while after; a hedge at it is no such try. */
TEST(learn_tried) {
    setup();
    const bool *tried = world.learn.board.tried;
    struct learn_sample waits = {
        .value_ns = MS(100), .backend = 0, .behind = LEARN_NOBODY, .kind = KIND, .cut = true};
    struct learn_sample hedge = {
        .value_ns = MS(100), .backend = 1, .behind = 0, .kind = KIND, .cut = true};
    learn_take(&world.learn, &hedge);
    compute(MS(250));
    EXPECT(!tried[0] && !tried[1] && !tried[2]);
    const struct learn_sample ages[] = {waits, hedge};
    learn_compute(&world.learn, ages, countof(ages), MS(500));
    EXPECT(tried[0] && !tried[1] && !tried[2]);
    compute(MS(500) + LEARN_STALE_NS - 1);
    EXPECT(tried[0]);
    compute(MS(500) + LEARN_STALE_NS);
    EXPECT(!tried[0]);
    cut(2, MS(400));
    compute(AT(100));
    EXPECT(tried[2] && !tried[1] && speed(2)->p50_ns == 0);
    /* It is heard of as long as it is hedged with, but that does not put off the next try. */
    learn_take(&world.learn,
               &(struct learn_sample){.value_ns = MS(9), .backend = 2, .behind = 0, .kind = KIND});
    compute(AT(100) + LEARN_STALE_NS);
    EXPECT(!tried[2] && !world.learn.board.stale[2]);
    /* The workers are told so too. */
    static _Alignas(64) char memory[1 << 18];
    struct learn_board board;
    CHECK(learn_board_size(BACKENDS) <= sizeof memory);
    learn_board_init(&board, &usual, BACKENDS, memory);
    cut(1, MS(400));
    compute(AT(200));
    learn_board_copy(&board, &world.learn.board);
    EXPECT(board.tried[1] && !board.tried[0]);
}

TEST(learn_board_of_nothing_known) {
    setup();
    compute(MS(250));
    for (unsigned second = 1; second < BACKENDS; second++) {
        EXPECT_EQ(advice(0, second)->delay_ns, MS(400));
        EXPECT_NEAR((double)advice(0, second)->probability, 1, 0);
    }
    EXPECT_EQ(speed(0)->p50_ns, 0);
    EXPECT(!world.learn.board.slowdown);
    EXPECT(!world.learn.board.stale[0]);
    compute(MS(250) + LEARN_STALE_NS);
    EXPECT(world.learn.board.stale[0]);
    /* Of a small budget samples take a tenth at most. */
    struct learn_settings settings = usual;
    settings.sample = 0.02;
    setup_as(&world, settings);
    EXPECT_NEAR(world.learn.board.sample, 0.005, 1e-12);
}

TEST(learn_copies_are_whole) {
    setup();
    for (unsigned n = 0; n < 300; n++)
        answer(0, MS(100 + n));
    compute(MS(250));
    setup_as(&other, usual);
    learn_board_copy(&other.learn.board, &world.learn.board);
    EXPECT_MEM(world.learn.board.advice, learn_board_size(BACKENDS), other.learn.board.advice,
               learn_board_size(BACKENDS));
    setup_as(&other, usual);
    learn_copy(&other.learn, &world.learn);
    learn_compute(&other.learn, NULL, 0, MS(500));
    EXPECT_EQ(learn_speed(&other.learn.board, 0, KIND)->p50_ns, speed(0)->p50_ns);
    /* After a reload it is another number among others, and known at once. */
    setup_as(&other, usual);
    learn_inherit(&other.learn, &world.learn, (uint16_t[BACKENDS]){LEARN_NOBODY, LEARN_NOBODY, 0});
    learn_compute(&other.learn, NULL, 0, MS(500));
    EXPECT_EQ(learn_speed(&other.learn.board, 2, KIND)->p50_ns, speed(0)->p50_ns);
    EXPECT_EQ(learn_speed(&other.learn.board, 0, KIND)->p50_ns, 0);
}

/* After a reload clouds share their causes as before, and a hedge costs what it did. */
TEST(learn_inherits_pairs_and_money) {
    setup();
    for (unsigned n = 0; n < 1000; n++) {
        answer(0, n % 50 ? MS(400) : MS(10000));
        answer(1, MS(400));
        learn_cost(&world.learn, 100, n % 10 ? 0 : 500, 1, n % 10 == 0);
    }
    for (unsigned n = 0; n < 100; n++)
        learn_take(
            &world.learn,
            &(struct learn_sample){.value_ns = MS(12000), .backend = 1, .behind = 0, .kind = KIND});
    compute(MS(250));
    EXPECT_EQ(advice(0, 1)->delay_ns, UINT64_MAX);
    setup_as(&other, usual);
    learn_inherit(&other.learn, &world.learn, (uint16_t[BACKENDS]){1, LEARN_NOBODY, 0});
    learn_compute(&other.learn, NULL, 0, MS(500));
    EXPECT_EQ(learn_advice(&other.learn.board, 2, KIND, 0)->delay_ns, UINT64_MAX);
    EXPECT(learn_advice(&other.learn.board, 2, KIND, 1)->delay_ns != UINT64_MAX); /* a new one */
    EXPECT_NEAR(other.learn.wasted / other.learn.won, 0.5, 1e-9);
    EXPECT_NEAR(other.learn.hedges / other.learn.requests, 0.1, 1e-9);
    /* Nobody stays: their prices went with them. */
    setup_as(&other, usual);
    learn_inherit(&other.learn, &world.learn,
                  (uint16_t[BACKENDS]){LEARN_NOBODY, LEARN_NOBODY, LEARN_NOBODY});
    EXPECT_NEAR(other.learn.requests, 0, 0);
}

TEST(learn_refuses_nonsense) {
    setup();
    EXPECT_ABORT(sample(BACKENDS, MS(1), false));
    EXPECT_ABORT(learn_take(&world.learn,
                            &(struct learn_sample){.kind = LEARN_KINDS, .behind = LEARN_NOBODY}));
    EXPECT_ABORT(learn_take(&world.learn, &(struct learn_sample){.behind = BACKENDS}));
    EXPECT_ABORT(learn_inherit(&world.learn, &world.learn, (uint16_t[BACKENDS]){0, BACKENDS, 1}));
}
