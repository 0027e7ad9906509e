/* test_replay_adaptive.c - the live decision code over traces: what must hold on any, and the hard ones. */
#include "tests/test.h"

#include <math.h>
#include <string.h>

#include "appliance/race/budget.h"
#include "appliance/replay/replay.h"
#include "tests/unit/replay/replay_fixture.h"

#define NEVER  UINT64_MAX
#define DAY_MS (24 * 3600 * 1000ull)

static void run(const struct trace *t, const struct replay_settings *s, struct replay_result *r) {
    replay_result_init(r, REPLAY_ADAPTIVE, t->count);
    replay_run(REPLAY_ADAPTIVE, t, s, r);
}

/* Every wait is that of its delay, every hedge is counted, and the hard bound holds from the start to any
 * request of the trace. */
TEST(adaptive_holds_on_any_trace) {
    struct rand dice;
    rand_init(&dice, 31);
    for (int round = 0; round < 100; round++) {
        struct trace t;
        struct replay_result r, again;
        struct replay_settings s = replay_defaults();
        fixture_draw(&t, &dice, 400);
        s.seed = (uint64_t)round;
        s.queue = round % 2;
        s.request_budget = round % 5 ? 0.05 * (round % 5) : 0;
        ROW("round %d", round);
        run(&t, &s, &r);
        size_t hedges = 0;
        for (size_t i = 0; i < t.count; i++) {
            uint64_t first_ns = trace_ttft_ns(&t, i, t.primary[i]);
            if (r.delay_ns[i] == NEVER) {
                EXPECT(r.ttft_ns[i] == first_ns);
                continue;
            }
            hedges++;
            bool found = r.ttft_ns[i] == first_ns;
            for (unsigned b = 0; b < t.backends; b++) {
                uint64_t second_ns = trace_ttft_ns(&t, i, b);
                uint64_t wait = second_ns == NEVER ? NEVER : r.delay_ns[i] + second_ns;
                found |= b != t.primary[i] && r.ttft_ns[i] == min_u64(first_ns, wait);
            }
            EXPECT(found);
            EXPECT(r.delay_ns[i] < first_ns);
        }
        EXPECT_EQ(r.hedges, hedges);
        EXPECT((double)hedges <=
               (s.request_budget > 0 ? BUDGET_BURST : 0) + s.request_budget * (double)t.count);
        run(&t, &s, &again);
        EXPECT_MEM(r.ttft_ns, t.count * sizeof *r.ttft_ns, again.ttft_ns,
                   t.count * sizeof *r.ttft_ns);
        EXPECT_MEM(r.delay_ns, t.count * sizeof *r.delay_ns, again.delay_ns,
                   t.count * sizeof *r.delay_ns);
        replay_result_fini(&r);
        replay_result_fini(&again);
        trace_fini(&t);
    }
}

/* The primary answers one in ten never, the second always at once: the hedges save those, and none of
 * those that are not saved is an age for ever. */
TEST(adaptive_never_answered) {
    enum { REQUESTS = 4000 };
    struct trace t;
    struct replay_result r;
    struct replay_settings s = replay_defaults();
    size_t never = 0, left = 0;
    trace_init(&t, "never", 2, REQUESTS);
    for (size_t i = 0; i < REQUESTS; i++) {
        uint64_t ttft_ns[] = {i % 10 ? MS(100) : NEVER, MS(200)};
        trace_add(&t, MS(i * 50), 0, 100, 10, ttft_ns);
    }
    s.request_budget = 0.2;
    run(&t, &s, &r);
    for (size_t i = 0; i < REQUESTS; i++) {
        never += i % 10 == 0;
        left += r.ttft_ns[i] == NEVER;
        EXPECT(r.ttft_ns[i] == NEVER || r.ttft_ns[i] <= MS(1000));
    }
    EXPECT(left <= never / 20);
    EXPECT((double)r.hedges <= BUDGET_BURST + 0.2 * REQUESTS);
    replay_result_fini(&r);
    trace_fini(&t);
    /* Neither of the two ever answers one in ten: a hedge does not help, nor do the rest suffer. */
    trace_init(&t, "nobody", 2, REQUESTS);
    for (size_t i = 0; i < REQUESTS; i++) {
        uint64_t ttft_ns[] = {i % 10 ? MS(100) : NEVER, i % 10 ? MS(100) : NEVER};
        trace_add(&t, MS(i * 50), 0, 100, 10, ttft_ns);
    }
    run(&t, &s, &r);
    for (size_t i = 0; i < REQUESTS; i++)
        EXPECT(i % 10 ? r.ttft_ns[i] == MS(100) : r.ttft_ns[i] == NEVER);
    replay_result_fini(&r);
    trace_fini(&t);
}

/* A quiet trace for a minute, then nothing for years, again and again: what was learnt is kept, and the
 * time between costs nothing (two million ticks a week, were they made). */
TEST(adaptive_gaps_cost_nothing) {
    enum { BURSTS = 50, BURST = 600 };
    struct trace t;
    struct replay_result r;
    struct replay_settings s = replay_defaults();
    trace_init(&t, "gaps", 2, BURSTS * BURST);
    for (uint64_t b = 0; b < BURSTS; b++)
        for (uint64_t i = 0; i < BURST; i++)
            fixture_add(&t, b * 365 * DAY_MS + i * 100, i % 50 ? 400 + i % 100 : 9000, 450);
    run(&t, &s, &r);
    size_t late = 0;
    for (size_t i = BURST; i < t.count; i++)
        late += r.ttft_ns[i] > MS(3000); /* a third of a stall: some wait for a token */
    /* Of the stalls, 2 % of the requests, nine in ten are saved also in the first seconds of a burst. */
    EXPECT((double)late < 0.002 * (double)t.count);
    replay_result_fini(&r);
    trace_fini(&t);
}
