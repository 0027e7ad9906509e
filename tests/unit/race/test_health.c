/* test_health.c - ejection, probes, cool-down and learnt delays, in virtual time. */
#include "tests/test.h"

#include "core/rand.h"
#include "tests/unit/race/race_fixture.h"

static struct health_backend *b0(void) { return &world.memory[0]; }

static void setup(void) {
    static const char *const names[] = {"a", "b", "c"};
    world_init();
    world_backends(world_model("m"), names, countof(names));
}

/* One attempt at backend `id` which ends at once. */
static void outcome(unsigned id, enum fail why, uint64_t now_ns) {
    health_on_start(&world.health, id, now_ns);
    health_on_end(&world.health, id, why, why == FAIL_NONE, 0, 0, now_ns);
}

TEST(health_ejection_rows) {
    /* Outcomes of one backend, a millisecond apart: . well  x sick  r refused  l rate limited
     * t lost. */
    static const struct {
        const char *name, *outcomes;
        enum health_state state;
    } rows[] = {
        {"nothing yet", "", HEALTH_CLOSED},
        {"four in a row", "xxxx", HEALTH_CLOSED},
        {"five in a row", "xxxxx", HEALTH_OPEN},
        {"a row that is broken", "xxxx.xxxx", HEALTH_CLOSED},
        {"a refusal is an answer", "xxxxrxxxx", HEALTH_CLOSED},
        {"a rate limit says nothing", "xxxxlx", HEALTH_OPEN},
        {"rate limits do not eject", "llllllllllllllllllllllll", HEALTH_CLOSED},
        {"a lost race says nothing", "xxxxtttx", HEALTH_OPEN},
        {"a third of many", "x..x..x..x..x..x..x..x..x..", HEALTH_CLOSED},
        {"more than half of too few", "xxx.xxx.xxx.xxx.", HEALTH_CLOSED},
        {"more than half of enough", "xxx.xxx.xxx.xxx.xxx.xxx", HEALTH_OPEN},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        setup();
        uint64_t now = MS(1000);
        for (const char *c = rows[i].outcomes; *c; c++, now += MS(1))
            outcome(0,
                    *c == '.'   ? FAIL_NONE
                    : *c == 'x' ? FAIL_UPSTREAM_5XX
                    : *c == 'r' ? FAIL_REFUSED
                    : *c == 'l' ? FAIL_RATE_LIMITED
                                : FAIL_LOST,
                    now);
        EXPECT_EQ(b0()->state, rows[i].state);
        EXPECT_EQ(health_usable(&world.health, 0, now), rows[i].state == HEALTH_CLOSED);
        EXPECT_EQ(b0()->in_flight, 0);
        EXPECT(health_usable(&world.health, 1, now));
    }
}

TEST(health_old_failures_are_forgotten) {
    setup();
    /* Three in four fail, but only one in two seconds: never twenty recent ones at a time. */
    for (unsigned i = 0; i < 400; i++)
        outcome(0, i % 4 == 3 ? FAIL_NONE : FAIL_RESET, MS(4000) * i);
    EXPECT_EQ(b0()->state, HEALTH_CLOSED);
    EXPECT(b0()->recent < HEALTH_SHARE_RECENT_MIN);
}

static uint64_t eject(unsigned id, uint64_t now_ns) {
    for (int i = 0; i < HEALTH_ROW_MAX; i++)
        outcome(id, FAIL_CONNECT, now_ns);
    return world.memory[id].open_until_ns;
}

TEST(health_probe) {
    setup();
    uint64_t until = eject(0, MS(5000));
    EXPECT_EQ(b0()->state, HEALTH_OPEN);
    EXPECT_EQ(health_back_ns(&world.health, 0), until);
    EXPECT(!health_usable(&world.health, 0, until - 1));
    EXPECT(health_usable(&world.health, 0, until));
    EXPECT_EQ(b0()->state, HEALTH_OPEN); /* asking changes nothing */
    health_on_start(&world.health, 0, until);
    EXPECT_EQ(b0()->state, HEALTH_HALF_OPEN);
    EXPECT(!health_usable(&world.health, 0, until)); /* one probe at a time */
    /* Its first token is enough, the whole answer takes minutes. */
    health_on_content(&world.health, 0, MS(300), until + MS(300));
    EXPECT_EQ(b0()->state, HEALTH_CLOSED);
    EXPECT(health_usable(&world.health, 0, until + MS(300)));
    EXPECT_EQ(b0()->failures_in_a_row, 0);
    /* One failure after the return is one, not the sixth. */
    outcome(0, FAIL_RESET, until + MS(400));
    EXPECT_EQ(b0()->state, HEALTH_CLOSED);
}

TEST(health_readmitted_with_a_clean_record) {
    setup();
    for (int i = 0; i < 30; i++)
        outcome(0, i % 4 == 3 ? FAIL_NONE : FAIL_RESET, MS(1000));
    EXPECT_EQ(b0()->state, HEALTH_OPEN); /* by its share of the recent ones */
    outcome(0, FAIL_NONE, b0()->open_until_ns);
    EXPECT_EQ(b0()->state, HEALTH_CLOSED);
    outcome(0, FAIL_RESET, b0()->open_until_ns);
    EXPECT_EQ(b0()->state, HEALTH_CLOSED);
}

TEST(health_probe_outcome_rows) {
    static const struct {
        enum fail why;
        enum health_state state;
        bool usable;
    } rows[] = {
        {FAIL_NONE, HEALTH_CLOSED, true},         {FAIL_REFUSED, HEALTH_CLOSED, true},
        {FAIL_RESET, HEALTH_OPEN, false},         {FAIL_FIRST_TOKEN, HEALTH_OPEN, false},
        {FAIL_LOST, HEALTH_HALF_OPEN, true},      {FAIL_CLIENT_LEFT, HEALTH_HALF_OPEN, true},
        {FAIL_POOL, HEALTH_HALF_OPEN, true},      {FAIL_RATE_LIMITED, HEALTH_HALF_OPEN, true},
        {FAIL_UPSTREAM_AUTH, HEALTH_OPEN, false},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", fail_name(rows[i].why));
        setup();
        uint64_t until = eject(0, MS(5000));
        outcome(0, rows[i].why, until);
        EXPECT_EQ(b0()->state, rows[i].state);
        EXPECT_EQ(health_usable(&world.health, 0, until), rows[i].usable);
    }
}

TEST(health_ejection_doubles_to_a_minute) {
    setup();
    uint64_t now = MS(1000), until = eject(0, now);
    static const unsigned want_s[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
    for (size_t i = 0; i < countof(want_s); i++) {
        ROW("ejection %zu", i + 1);
        EXPECT_NEAR((double)(until - now) / NS_PER_S, want_s[i],
                    want_s[i] * HEALTH_OPEN_JITTER + 1e-6);
        now = until;
        outcome(0, FAIL_CONNECT, now); /* the probe */
        until = b0()->open_until_ns;
    }
    /* Well for a minute: forgiven. */
    now = until;
    outcome(0, FAIL_NONE, now);
    EXPECT_EQ(b0()->state, HEALTH_CLOSED);
    now += HEALTH_OPEN_MAX_NS;
    EXPECT_NEAR((double)(eject(0, now) - now) / NS_PER_S, 1, HEALTH_OPEN_JITTER + 1e-6);
    /* Well for a moment only: not. */
    now = b0()->open_until_ns;
    outcome(0, FAIL_NONE, now);
    now += MS(5000);
    EXPECT_NEAR((double)(eject(0, now) - now) / NS_PER_S, 2, 2 * HEALTH_OPEN_JITTER + 1e-6);
}

TEST(health_jitter_parts_backends_and_repeats) {
    setup();
    uint64_t a = eject(0, MS(1000)), b = eject(1, MS(1000)), c = eject(2, MS(1000));
    EXPECT(a != b && b != c && a != c);
    setup();
    EXPECT_EQ(eject(0, MS(1000)), a);
}

TEST(health_ejection_is_not_lengthened) {
    setup();
    for (int i = 0; i < 8; i++)
        health_on_start(&world.health, 0, MS(1000));
    for (int i = 0; i < 5; i++)
        health_on_end(&world.health, 0, FAIL_RESET, false, MS(1), 0, MS(1001));
    uint64_t until = b0()->open_until_ns;
    for (int i = 0; i < 3; i++)
        health_on_end(&world.health, 0, FAIL_RESET, false, MS(500), 0, MS(1500));
    EXPECT_EQ(b0()->open_until_ns, until);
    EXPECT_EQ(b0()->ejections, 1);
    EXPECT_EQ(b0()->in_flight, 0);
}

TEST(health_tick_half_opens) {
    setup();
    uint64_t until = eject(0, MS(1000));
    health_tick(&world.health, &world.config, until - 1);
    EXPECT_EQ(b0()->state, HEALTH_OPEN);
    health_tick(&world.health, &world.config, until);
    EXPECT_EQ(b0()->state, HEALTH_HALF_OPEN);
    EXPECT(health_usable(&world.health, 0, until));
}

TEST(health_cool_down_rows) {
    static const struct {
        const char *name;
        enum fail why;
        uint64_t retry_after_ms, cool_ms;
    } rows[] = {
        {"429", FAIL_RATE_LIMITED, 2500, 2500},
        {"503", FAIL_OVERLOADED, 1000, 1000},
        {"none given", FAIL_RATE_LIMITED, 0, 0},
        {"too long", FAIL_RATE_LIMITED, 3600 * 1000, 120 * 1000},
        {"absurd", FAIL_RATE_LIMITED, UINT64_MAX, 120 * 1000},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        setup();
        uint64_t now = MS(1000), back = now + MS(rows[i].cool_ms);
        health_on_start(&world.health, 0, now);
        health_on_end(&world.health, 0, rows[i].why, false, 0, rows[i].retry_after_ms, now);
        EXPECT(rows[i].cool_ms == 0 || !health_usable(&world.health, 0, back - 1));
        EXPECT(health_usable(&world.health, 0, back));
        EXPECT_EQ(b0()->state, HEALTH_CLOSED);
    }
    /* A later, shorter one does not shorten the first. */
    setup();
    health_on_start(&world.health, 0, 0);
    health_on_start(&world.health, 0, 0);
    health_on_end(&world.health, 0, FAIL_RATE_LIMITED, false, 0, 9000, MS(1));
    health_on_end(&world.health, 0, FAIL_RATE_LIMITED, false, 0, 1000, MS(2));
    EXPECT_EQ(b0()->cool_until_ns, MS(9001));
}

static void answer(unsigned id, uint64_t ttft_ns, uint64_t now_ns) {
    health_on_start(&world.health, id, now_ns);
    health_on_content(&world.health, id, ttft_ns, now_ns);
    health_on_end(&world.health, id, FAIL_NONE, true, 2 * ttft_ns, 0, now_ns);
}

static void cut(unsigned id, enum fail why, uint64_t age_ns, uint64_t now_ns) {
    health_on_start(&world.health, id, now_ns);
    health_on_end(&world.health, id, why, false, age_ns, 0, now_ns);
}

/* Histogram bins are 5 % wide: a quantile is right to that. */
#define WITHIN(ns) ((double)(ns)*0.06)

TEST(health_delay_needs_samples) {
    setup();
    health_tick(&world.health, &world.config, MS(1));
    EXPECT_EQ(b0()->ttft_p50_ns, 0);
    EXPECT_EQ(b0()->delay_ns, 0);
    for (int i = 0; i < 19; i++)
        answer(0, MS(200), MS(1));
    health_tick(&world.health, &world.config, MS(1));
    EXPECT_NEAR((double)b0()->ttft_p50_ns, (double)MS(200), WITHIN(MS(200)));
    EXPECT_NEAR(b0()->samples, 19, 1e-3);
    EXPECT_EQ(b0()->delay_ns, 0);
    for (int i = 0; i < 2; i++)
        answer(0, MS(200), MS(1));
    health_tick(&world.health, &world.config, MS(1));
    EXPECT_NEAR((double)b0()->delay_ns, (double)MS(200), WITHIN(MS(200)));
    EXPECT_EQ(world.memory[1].ttft_p50_ns, 0);
    /* Nobody asks for ten minutes: it is unknown again. */
    health_tick(&world.health, &world.config, MS(600 * 1000));
    EXPECT_EQ(b0()->ttft_p50_ns, 0);
    EXPECT_EQ(b0()->delay_ns, 0);
}

TEST(health_delay_follows_the_budget) {
    /* 1 .. 1000 ms, all equally often. */
    static const struct {
        double budget;
        unsigned delay_ms;
    } rows[] = {{0.05, 950}, {0.1, 900}, {0.25, 750}, {0.5, 500}, {0.9, 500}, {1, 500}};
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("budget %g", rows[i].budget);
        setup();
        world.models[0].hedge.request_budget = rows[i].budget;
        for (unsigned ms = 1; ms <= 1000; ms++)
            answer(0, MS(ms), MS(1000));
        health_tick(&world.health, &world.config, MS(1000));
        EXPECT_NEAR((double)b0()->delay_ns, (double)MS(rows[i].delay_ms),
                    WITHIN(MS(rows[i].delay_ms)));
        EXPECT_NEAR((double)b0()->ttft_p90_ns, (double)MS(900), WITHIN(MS(900)));
        EXPECT(b0()->delay_ns >= b0()->ttft_p50_ns);
    }
}

/* The heart of censoring: hedge at d, the losers are cut off, and the estimate is to be that of the
 * uncut distribution. */
TEST(health_losers_are_censored) {
    setup();
    world.models[0].hedge.request_budget = 0.1;
    struct rand rand;
    rand_init(&rand, 11);
    double naive = 0, seen = 0;
    for (int i = 0; i < 4000; i++) {
        /* Uniform in 100 .. 1100 ms; one in two is cut off somewhere between 600 and 1600 ms. */
        uint64_t ttft = MS(100) + rand_below(&rand, MS(1000));
        uint64_t cut_at = rand_below(&rand, 2) ? MS(600) + rand_below(&rand, MS(1000)) : MS(9999);
        if (ttft <= cut_at) {
            answer(0, ttft, MS(1));
            seen++;
            naive += ttft > MS(1000);
        } else {
            cut(0, FAIL_LOST, cut_at, MS(1));
        }
    }
    health_tick(&world.health, &world.config, MS(1));
    EXPECT_NEAR((double)b0()->delay_ns, (double)MS(1000), WITHIN(MS(1000)));
    EXPECT(naive / seen < 0.09); /* what the answers alone would say of the slowest tenth */
}

TEST(health_cut_off_rows) {
    /* 40 answers at 100 ms and 10 attempts that end otherwise after 2 s: do these show that one in
     * five takes longer, so that the 90 % quantile is not 100 ms? */
    static const struct {
        enum fail why;
        bool had_content, counts;
    } rows[] = {
        {FAIL_LOST, false, true},        {FAIL_CANCELLED, false, true},
        {FAIL_CLIENT_LEFT, false, true}, {FAIL_TOTAL, false, true},
        {FAIL_FIRST_TOKEN, false, true}, {FAIL_HEAD_TIMEOUT, false, true},
        {FAIL_LOST, true, false},        {FAIL_CLIENT_LEFT, true, false},
        {FAIL_RESET, false, false},      {FAIL_RATE_LIMITED, false, false},
        {FAIL_REFUSED, false, false},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s%s", fail_name(rows[i].why), rows[i].had_content ? " after content" : "");
        setup();
        for (int n = 0; n < 40; n++)
            answer(0, MS(100), MS(1));
        for (int n = 0; n < 10; n++) {
            health_on_start(&world.health, 0, MS(1));
            health_on_end(&world.health, 0, rows[i].why, rows[i].had_content, MS(2000), 0, MS(1));
        }
        health_tick(&world.health, &world.config, MS(1));
        EXPECT_NEAR((double)b0()->ttft_p50_ns, (double)MS(100), WITHIN(MS(100)));
        EXPECT_EQ(b0()->ttft_p90_ns > MS(200), rows[i].counts);
        /* Nobody was seen to answer later: hedge right behind those who do. */
        EXPECT_NEAR((double)b0()->delay_ns, (double)MS(100), WITHIN(MS(100)));
    }
}

TEST(health_mostly_stalled_is_slow_not_fast) {
    setup();
    for (int n = 0; n < 30; n++)
        answer(0, MS(100), MS(1));
    for (int n = 0; n < 60; n++)
        cut(0, FAIL_LOST, MS(5000), MS(1));
    health_tick(&world.health, &world.config, MS(1));
    EXPECT(b0()->ttft_p50_ns > MS(100000));
    EXPECT_NEAR((double)b0()->delay_ns, (double)MS(100), WITHIN(MS(100)));
}

TEST(health_refuses_nonsense) {
    setup();
    EXPECT_ABORT(health_on_end(&world.health, 0, FAIL_NONE, true, 0, 0, 0));
    EXPECT_ABORT(health_on_start(&world.health, 3, 0));
    EXPECT_ABORT((void)health_usable(&world.health, 99, 0));
    EXPECT_STR(health_state_name(HEALTH_HALF_OPEN), "half_open");
}

/* Whatever happens: an ejection ends, and the flight count returns to nothing. */
TEST(health_any_sequence) {
    struct rand rand;
    rand_init(&rand, 3);
    for (int round = 0; round < 30; round++) {
        setup();
        uint64_t now = 0, begin[64];
        unsigned flying = 0;
        for (int i = 0; i < 2000; i++) {
            now += rand_below(&rand, MS(400));
            if (flying < countof(begin) && rand_below(&rand, 2)) {
                health_on_start(&world.health, 0, now);
                begin[flying++] = now;
            } else if (flying > 0) {
                uint64_t age = now - begin[--flying];
                bool content = rand_below(&rand, 2);
                enum fail why = content && rand_below(&rand, 2)
                                    ? FAIL_NONE
                                    : (enum fail)(1 + rand_below(&rand, FAIL_COUNT - 1));
                if (content)
                    health_on_content(&world.health, 0, age, now);
                health_on_end(&world.health, 0, why, content, age, rand_below(&rand, 3000), now);
            }
            if (rand_below(&rand, 8) == 0)
                health_tick(&world.health, &world.config, now);
            EXPECT_EQ(b0()->in_flight, flying);
            EXPECT(b0()->recent >= b0()->recent_failed && b0()->recent_failed >= 0);
            EXPECT(b0()->state != HEALTH_OPEN || b0()->open_until_ns <= now + MS(66000));
            EXPECT(b0()->probing == false || b0()->state == HEALTH_HALF_OPEN);
        }
        while (flying > 0)
            health_on_end(&world.health, 0, FAIL_CANCELLED, true, now - begin[--flying], 0, now);
        EXPECT(health_usable(&world.health, 0, now + MS(121000)));
    }
}
