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
    health_on_end(&world.health, id, why, 0, now_ns);
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
    health_on_content(&world.health, 0);
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
        health_on_end(&world.health, 0, FAIL_RESET, 0, MS(1001));
    uint64_t until = b0()->open_until_ns;
    for (int i = 0; i < 3; i++)
        health_on_end(&world.health, 0, FAIL_RESET, 0, MS(1500));
    EXPECT_EQ(b0()->open_until_ns, until);
    EXPECT_EQ(b0()->ejections, 1);
    EXPECT_EQ(b0()->in_flight, 0);
}

TEST(health_tick_half_opens) {
    setup();
    uint64_t until = eject(0, MS(1000));
    health_tick(&world.health, until - 1);
    EXPECT_EQ(b0()->state, HEALTH_OPEN);
    health_tick(&world.health, until);
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
        health_on_end(&world.health, 0, rows[i].why, rows[i].retry_after_ms, now);
        EXPECT(rows[i].cool_ms == 0 || !health_usable(&world.health, 0, back - 1));
        EXPECT(health_usable(&world.health, 0, back));
        EXPECT_EQ(b0()->state, HEALTH_CLOSED);
    }
    /* A later, shorter one does not shorten the first. */
    setup();
    health_on_start(&world.health, 0, 0);
    health_on_start(&world.health, 0, 0);
    health_on_end(&world.health, 0, FAIL_RATE_LIMITED, 9000, MS(1));
    health_on_end(&world.health, 0, FAIL_RATE_LIMITED, 1000, MS(2));
    EXPECT_EQ(b0()->cool_until_ns, MS(9001));
}

TEST(health_refuses_nonsense) {
    setup();
    EXPECT_ABORT(health_on_end(&world.health, 0, FAIL_NONE, 0, 0));
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
        uint64_t now = 0;
        unsigned flying = 0;
        for (int i = 0; i < 2000; i++) {
            now += rand_below(&rand, MS(400));
            if (flying < 64 && rand_below(&rand, 2)) {
                health_on_start(&world.health, 0, now);
                flying++;
            } else if (flying > 0) {
                flying--;
                bool content = rand_below(&rand, 2);
                enum fail why = content && rand_below(&rand, 2)
                                    ? FAIL_NONE
                                    : (enum fail)(1 + rand_below(&rand, FAIL_COUNT - 1));
                if (content)
                    health_on_content(&world.health, 0);
                health_on_end(&world.health, 0, why, rand_below(&rand, 3000), now);
            }
            if (rand_below(&rand, 8) == 0)
                health_tick(&world.health, now);
            EXPECT_EQ(b0()->in_flight, flying);
            EXPECT(b0()->recent >= b0()->recent_failed && b0()->recent_failed >= 0);
            EXPECT(b0()->state != HEALTH_OPEN || b0()->open_until_ns <= now + MS(66000));
            EXPECT(b0()->probing == false || b0()->state == HEALTH_HALF_OPEN);
        }
        while (flying-- > 0)
            health_on_end(&world.health, 0, FAIL_CANCELLED, 0, now);
        EXPECT(health_usable(&world.health, 0, now + MS(121000)));
    }
}
