/* replay_fixture.h - small traces for the tests of the replay, written out or drawn. */
#ifndef TESTS_UNIT_REPLAY_REPLAY_FIXTURE_H
#define TESTS_UNIT_REPLAY_REPLAY_FIXTURE_H

#include "appliance/replay/trace.h"
#include "core/base.h"
#include "core/rand.h"

#define MS(n) ((uint64_t)(n)*NS_PER_MS)

/* One request at at_ms with 100 input and 10 output tokens; times in ms, two backends. */
static inline void fixture_add(struct trace *t, uint64_t at_ms, uint64_t first_ms,
                               uint64_t second_ms) {
    uint64_t ttft_ns[TRACE_BACKENDS_MAX] = {MS(first_ms), MS(second_ms)};
    trace_add(t, MS(at_ms), 0, 100, 10, ttft_ns);
}

/* 2 to 4 backends, up to `most` requests over a few windows, with equal times, times that never come,
 * unknown tokens and any primary among them: what a hand-written trace forgets. */
static inline void fixture_draw(struct trace *t, struct rand *dice, size_t most) {
    unsigned backends = 2 + (unsigned)rand_below(dice, 3);
    size_t count = 1 + (size_t)rand_below(dice, most);
    uint64_t at_ns = 0, range = rand_below(dice, 2) ? 8 : 1000;
    trace_init(t, "drawn", backends, count);
    for (size_t i = 0; i < count; i++) {
        uint64_t ttft_ns[TRACE_BACKENDS_MAX];
        for (unsigned b = 0; b < backends; b++)
            ttft_ns[b] = rand_below(dice, 20) ? MS(1 + rand_below(dice, range)) : UINT64_MAX;
        unsigned primary = rand_below(dice, 3) ? 0 : (unsigned)rand_below(dice, backends);
        at_ns += rand_below(dice, 2 * NS_PER_S);
        trace_add(t, at_ns, primary, (uint32_t)rand_below(dice, 100),
                  (uint32_t)rand_below(dice, 100), ttft_ns);
    }
}

#endif
