/* test_timer.c - the timer wheel against a plain sorted model, in virtual time. */
#include "tests/test.h"

#include "core/rand.h"
#include "core/timer.h"

#define TICK (UINT64_C(1) << TIMER_TICK_SHIFT)

struct probe {
    struct timer timer;
    struct timers *timers;
    uint64_t *now_ns;
    unsigned fired;
    uint64_t fired_at_ns;
    uint64_t again_ns; /* arms itself once more, so far ahead */
};

static void probe_fired(struct timer *timer) {
    struct probe *probe = container_of(timer, struct probe, timer);
    probe->fired++;
    probe->fired_at_ns = *probe->now_ns;
    if (probe->again_ns) {
        timer_arm(probe->timers, timer, *probe->now_ns + probe->again_ns);
        probe->again_ns = 0;
    }
}

TEST(never_early_and_at_most_a_tick_late) {
    static const uint64_t ahead_ns[] = {
        0,         1,           TICK - 1,    TICK,        63 * TICK,     64 * TICK,
        65 * TICK, 4095 * TICK, 4096 * TICK, 4097 * TICK, 262144 * TICK, 70 * 3600 * NS_PER_S / 70};
    for (size_t start = 0; start < 3; start++) {
        for (size_t i = 0; i < countof(ahead_ns); i++) {
            struct timers timers;
            uint64_t begin_ns = start * 777777777 + 5, now_ns = begin_ns;
            struct probe probe = {.timers = &timers, .now_ns = &now_ns};
            timers_init(&timers, now_ns);
            timer_init(&probe.timer, probe_fired);
            timer_arm(&timers, &probe.timer, begin_ns + ahead_ns[i]);
            unsigned steps = 0;
            while (!probe.fired && steps++ < 100) {
                uint64_t next_ns = timers_next(&timers);
                REQUIRE(next_ns != UINT64_MAX);
                if (next_ns > now_ns)
                    now_ns = next_ns;
                timers_run(&timers, now_ns);
            }
            ROW("start %zu ahead %llu", start, (unsigned long long)ahead_ns[i]);
            EXPECT_EQ(probe.fired, 1);
            EXPECT(probe.fired_at_ns >= begin_ns + ahead_ns[i]);
            EXPECT(probe.fired_at_ns <= begin_ns + ahead_ns[i] + 2 * TICK);
            EXPECT_EQ(timers_next(&timers), UINT64_MAX);
        }
    }
}

TEST(disarmed_and_moved_timers) {
    struct timers timers;
    uint64_t now_ns = 1000 * TICK;
    struct probe a = {.timers = &timers, .now_ns = &now_ns}, b = a, c = a;
    timers_init(&timers, now_ns);
    timer_init(&a.timer, probe_fired);
    timer_init(&b.timer, probe_fired);
    timer_init(&c.timer, probe_fired);
    timer_arm(&timers, &a.timer, now_ns + 10 * TICK);
    timer_arm(&timers, &b.timer, now_ns + 10 * TICK);
    timer_arm(&timers, &c.timer, now_ns + 10 * TICK);
    timer_disarm(&timers, &a.timer);
    timer_arm(&timers, &b.timer, now_ns + 500 * TICK);
    c.again_ns = 20 * TICK;
    now_ns += 12 * TICK;
    EXPECT_EQ(timers_run(&timers, now_ns), 1);
    EXPECT_EQ(a.fired, 0);
    EXPECT_EQ(b.fired, 0);
    EXPECT_EQ(c.fired, 1);
    now_ns += 600 * TICK;
    EXPECT_EQ(timers_run(&timers, now_ns), 2);
    EXPECT_EQ(b.fired, 1);
    EXPECT_EQ(c.fired, 2);
    EXPECT_EQ(timers.armed, 0);
}

/* Many timers, random arms, disarms and steps: each fires once, in time, or not at all when
 * disarmed. */
TEST(against_a_model) {
    enum { COUNT = 300, STEPS = 4000 };
    static struct probe probes[COUNT];
    static uint64_t due_ns[COUNT];
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rand rand;
        struct timers timers;
        uint64_t now_ns = seed * 12345678901;
        rand_init(&rand, seed);
        timers_init(&timers, now_ns);
        for (unsigned i = 0; i < COUNT; i++) {
            probes[i] = (struct probe){.timers = &timers, .now_ns = &now_ns};
            timer_init(&probes[i].timer, probe_fired);
            due_ns[i] = 0;
        }
        for (unsigned step = 0; step < STEPS; step++) {
            unsigned i = (unsigned)rand_below(&rand, COUNT);
            if (rand_below(&rand, 4) == 0) {
                timer_disarm(&timers, &probes[i].timer);
                due_ns[i] = 0;
            } else {
                due_ns[i] = now_ns + rand_below(&rand, UINT64_C(1) << (10 + rand_below(&rand, 32)));
                timer_arm(&timers, &probes[i].timer, due_ns[i]);
            }
            now_ns += rand_below(&rand, UINT64_C(1) << (8 + rand_below(&rand, 27)));
            for (unsigned k = 0; k < COUNT; k++)
                probes[k].fired = 0;
            timers_run(&timers, now_ns);
            ROW("seed %llu step %u", (unsigned long long)seed, step);
            for (unsigned k = 0; k < COUNT; k++) {
                if (probes[k].fired) {
                    if (!due_ns[k] || due_ns[k] > now_ns || probes[k].fired > 1)
                        FAIL_TEST("timer %u fired wrongly", k);
                    due_ns[k] = 0;
                } else if (due_ns[k] && due_ns[k] + 2 * TICK < now_ns) {
                    FAIL_TEST("timer %u is late", k);
                }
            }
            uint64_t next_ns = timers_next(&timers);
            for (unsigned k = 0; k < COUNT; k++)
                if (due_ns[k] && next_ns > due_ns[k] + TICK)
                    FAIL_TEST("timers_next sleeps past timer %u", k);
            if (test_state.failures)
                return;
            EXPECT(true);
        }
    }
}
