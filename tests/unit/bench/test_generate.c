/* test_generate.c - generated traces (bench/replay/generate.c, episodes.c): each has the trait that it is named for. */
#include "tests/test.h"

#include <math.h>

#include "bench/replay/episodes.h"
#include "bench/replay/generate.h"
#include "core/base.h"
#include "core/heap.h"

enum { REQUESTS = 60000 };

static void make(const char *name, uint64_t seed, struct trace *out) {
    struct generate_options options = generate_defaults();
    int number = generate_find(name);
    options.requests = REQUESTS;
    options.seed = seed;
    CHECK(number >= 0);
    generate_make((unsigned)number, &options, out);
}

static int by_value(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* The q-quantile of a backend's times in ms, over the shares from..to of the requests. */
static double quantile_ms(const struct trace *t, unsigned backend, double q, double from,
                          double to) {
    size_t first = (size_t)(from * (double)t->count),
           count = (size_t)(to * (double)t->count) - first;
    double *ms = heap_alloc(count * sizeof *ms);
    for (size_t i = 0; i < count; i++)
        ms[i] = (double)trace_ttft_ns(t, first + i, backend) / 1e6;
    qsort(ms, count, sizeof *ms, by_value);
    double value = ms[(size_t)(q * (double)(count - 1))];
    heap_free(&ms);
    return value;
}

static double median_ms(const struct trace *t, unsigned backend, double from, double to) {
    return quantile_ms(t, backend, 0.5, from, to);
}

TEST(generate_same_seed_same_trace) {
    for (unsigned k = 0; generate_name(k); k++) {
        struct trace a, b, c;
        make(generate_name(k), 5, &a);
        make(generate_name(k), 5, &b);
        make(generate_name(k), 6, &c);
        size_t bytes = REQUESTS * a.backends * sizeof *a.ttft_ns;
        ROW("%s", generate_name(k));
        EXPECT_EQ(a.count, REQUESTS);
        EXPECT(memcmp(a.ttft_ns, b.ttft_ns, bytes) == 0);
        EXPECT(memcmp(a.time_ns, b.time_ns, REQUESTS * sizeof *a.time_ns) == 0);
        EXPECT(memcmp(a.input_tokens, b.input_tokens, REQUESTS * sizeof *a.input_tokens) == 0);
        EXPECT(memcmp(a.ttft_ns, c.ttft_ns, bytes) != 0);
        trace_fini(&a);
        trace_fini(&b);
        trace_fini(&c);
    }
}

TEST(generate_arrivals_come_at_the_rate) {
    for (unsigned k = 0; generate_name(k); k++) {
        struct trace t;
        make(generate_name(k), 2, &t);
        ROW("%s", generate_name(k));
        /* 60,000 at 100 a second, a whole day of ten minutes: within five standard deviations. */
        EXPECT_NEAR((double)t.time_ns[REQUESTS - 1] / 1e9, 600, 600 * 5 / sqrt(REQUESTS) + 1);
        trace_fini(&t);
    }
}

/* Where the times come from, by trace: quantiles of the primary over a part of the run. The sizes widen
 * all distributions a little: sigma 0.08 x 1.2. */
TEST(generate_times_have_the_trait) {
    static const struct {
        const char *name;
        double q, from, to, low_ms, high_ms;
    } rows[] = {
        {"stationary", 0.5, 0, 1, 390, 410},
        {"stationary", 0.99, 0, 1, 1560, 1760}, /* exp(2.326 x 0.608) */
        {"light", 0.99, 0, 1, 720, 780},
        {"pareto", 0.95, 0, 1, 650, 750},
        {"pareto", 0.999, 0, 1, 6500, 12500},
        {"bimodal", 0.98, 0, 1, 700, 1000},
        {"bimodal", 0.995, 0, 1, 4000, 8500},
        {"drift", 0.5, 0, 0.38, 390, 410},
        {"drift", 0.5, 0.45, 0.69, 1160, 1240},
        {"drift", 0.5, 0.75, 1, 390, 410},
        {"three", 0.5, 0, 1, 390, 415},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct trace t;
        make(rows[i].name, 3, &t);
        double ms = quantile_ms(&t, 0, rows[i].q, rows[i].from, rows[i].to);
        ROW("%s p%g is %g ms", rows[i].name, 100 * rows[i].q, ms);
        EXPECT(ms >= rows[i].low_ms && ms <= rows[i].high_ms);
        EXPECT(t.backends == 2 || strcmp(rows[i].name, "three") == 0);
        trace_fini(&t);
    }
}

TEST(generate_drift_is_the_primarys_alone) {
    struct trace t;
    make("drift", 3, &t);
    EXPECT_NEAR(median_ms(&t, 1, 0.45, 0.69), median_ms(&t, 1, 0, 0.38), 15);
    trace_fini(&t);
}

/* Pearson's correlation of the logarithms of both backends' times. */
static double correlation(const struct trace *t) {
    double n = (double)t->count, x = 0, y = 0, xx = 0, yy = 0, xy = 0;
    for (size_t i = 0; i < t->count; i++) {
        double a = log((double)trace_ttft_ns(t, i, 0)), b = log((double)trace_ttft_ns(t, i, 1));
        x += a, y += b, xx += a * a, yy += b * b, xy += a * b;
    }
    return (xy - x * y / n) / sqrt((xx - x * x / n) * (yy - y * y / n));
}

TEST(generate_backends_are_independent_or_not) {
    static const struct {
        const char *name;
        double low, high;
    } rows[] = {
        {"light", 0.08, 0.18}, /* what the request's size does: (0.08 x 1.2)^2 of 0.25^2 + that */
        {"stationary", 0, 0.05},
        {"shared-tail", 0.94, 0.97},
        {"correlated", 0.4, 0.95},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct trace t;
        make(rows[i].name, 4, &t);
        double r = correlation(&t);
        ROW("%s: %g", rows[i].name, r);
        EXPECT(r >= rows[i].low && r <= rows[i].high);
        trace_fini(&t);
    }
}

/* While a backend stands still nothing of it begins: who asks then waits for the end of it. */
TEST(generate_silent_backends_answer_afterwards) {
    struct trace t;
    make("silent", 3, &t);
    double length_s = REQUESTS / 100.0;
    for (unsigned b = 0; b < 2; b++) {
        double from_s = (b ? 0.7 : 0.4) * length_s, to_s = from_s + 20;
        size_t asked = 0;
        for (size_t i = 0; i < t.count; i++) {
            double at_s = (double)t.time_ns[i] / 1e9,
                   end_s = at_s + (double)trace_ttft_ns(&t, i, b) / 1e9;
            if (at_s <= from_s || at_s >= to_s)
                continue;
            asked++;
            EXPECT(end_s >= to_s);
        }
        ROW("backend %u", b);
        EXPECT(asked > 1500);
    }
    trace_fini(&t);
}

TEST(generate_diurnal_load_has_a_peak_and_a_trough) {
    struct trace t;
    size_t by_quarter[4] = {0};
    make("diurnal", 3, &t);
    for (size_t i = 0; i < t.count; i++)
        by_quarter[(t.time_ns[i] / NS_PER_S) % 600 / 150]++;
    /* sin is positive in the first half of the day: 1 + 0.6 x 2/pi against 1 - that. */
    double ratio =
        (double)(by_quarter[0] + by_quarter[1]) / (double)(by_quarter[2] + by_quarter[3]);
    EXPECT_NEAR(ratio, 1.382 / 0.618, 0.15);
    trace_fini(&t);
}

TEST(episodes_last_and_come_as_documented) {
    struct episodes e;
    double slow_s = 0, last = 1, began_s = 0;
    unsigned count = 0;
    episodes_init(&e, 1, 0);
    for (double now_s = 0; now_s < 100000; now_s += 0.1) {
        double factor = episodes_factor(&e, now_s);
        EXPECT(factor == 1 || (factor >= 3 && factor <= 5));
        slow_s += factor > 1 ? 0.1 : 0;
        if (factor > 1 && last == 1) {
            began_s = now_s;
            count++;
        }
        if (factor == 1 && last > 1)
            EXPECT(now_s - began_s > 9.8 && now_s - began_s < 30.2);
        last = factor;
    }
    /* 150 s of pause and 20 s of slowness on average. */
    EXPECT_NEAR(count, 100000 / 170.0, 80);
    EXPECT_NEAR(slow_s / count, 20, 1.5);
}
