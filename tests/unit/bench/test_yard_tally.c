/* test_yard_tally.c - the statistics of `make bench` (bench/yard/tally.c). */
#include "tests/test.h"

#include "bench/yard/tally.h"

static struct tally_series series_of(unsigned count, const double *values) {
    struct tally_series s = {.count = 0};
    for (unsigned i = 0; i < count; i++)
        tally_add(&s, values[i]);
    return s;
}
#define SERIES(...) \
    series_of(sizeof((double[]){__VA_ARGS__}) / sizeof(double), (const double[]){__VA_ARGS__})

TEST(bench_yard_tally_quantiles) {
    struct tally_series odd = SERIES(5, 1, 3), even = SERIES(4, 1, 2, 3), none = {.count = 0};
    EXPECT_NEAR(tally_median(&odd), 3, 0);
    EXPECT_NEAR(tally_median(&even), 2.5, 1e-12);
    EXPECT_NEAR(tally_min(&even), 1, 0);
    EXPECT_NEAR(tally_quantile(&odd, 0.25), 2, 1e-12);
    EXPECT_NEAR(tally_quantile(&odd, 1), 5, 0);
    EXPECT_NEAR(tally_median(&none), 0, 0);
}

TEST(bench_yard_tally_keeps_as_many_as_it_has_room_for) {
    struct tally_series s = {.count = 0};
    for (unsigned i = 0; i < TALLY_RUNS_MAX + 10; i++)
        tally_add(&s, i);
    EXPECT_EQ(s.count, TALLY_RUNS_MAX);
    EXPECT_NEAR(s.values[TALLY_RUNS_MAX - 1], TALLY_RUNS_MAX - 1, 0);
}

/* The machine was three times as slow in the second repetition; the ratio does not know. */
TEST(bench_yard_tally_ratio_is_of_runs_of_the_same_repetition) {
    static struct tally t;
    struct tally_series relay = SERIES(10, 30, 10), proxy = SERIES(15, 45, 16);
    struct tally_row *row = tally_row(&t, NULL, "request", "us", &proxy, &relay);
    EXPECT_STR(row->name, "request");
    EXPECT_NEAR(row->ratio, 1.5, 1e-12);
    EXPECT_NEAR(row->ratio_min, 1.5, 1e-12);
    EXPECT_NEAR(row->value, 16, 0);
    EXPECT(tally_find(&t, "request") == row);
    EXPECT(!tally_find(&t, "relay_request"));
}

TEST(bench_yard_tally_targets) {
    static const struct {
        double value, yardstick, limit;
        unsigned missed;
    } rows[] = {
        {16, 10, 1.6, 0}, {16.1, 10, 1.6, 1}, {16.04, 10, 1.6, 0}, /* 1.604 is printed as 1.60 */
        {0, 0, 0, 0},     {1, 0, 0, 1}, /* no ratio: a bound of the value */
    };
    FILE *out = fopen("/dev/null", "w");
    REQUIRE(out);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tally t = {.count = 0};
        struct tally_series s = SERIES(rows[i].value), yardstick = SERIES(rows[i].yardstick);
        ROW("%g over %g", rows[i].value, rows[i].yardstick);
        tally_limit(tally_row(&t, NULL, "x", "us", &s, &yardstick), rows[i].limit, NULL);
        EXPECT_EQ(tally_print(&t, out), rows[i].missed);
    }
    fclose(out);
}

TEST(bench_yard_tally_json) {
    static struct tally t;
    struct tally_series relay = SERIES(10, 10), proxy = SERIES(15, 15);
    char text[1024] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    REQUIRE(out);
    tally_limit(tally_row(&t, "nginx", "event_64", "us", &proxy, &relay), 1.2, NULL);
    tally_row(&t, NULL, "memory", "MiB", &proxy, NULL);
    tally_json(&t, "a \"good\" machine", out);
    fclose(out);
    EXPECT_STR(text, "{\"machine\":\"a good machine\",\"rows\":[\n"
                     "  {\"name\":\"nginx_event_64\",\"ratio\":1.5000,\"ratio_of_minima\":1.5000,"
                     "\"value\":15.0000,\"min\":15.0000,\"unit\":\"us\",\"spread\":0.0000,"
                     "\"limit\":1.2000,\"met\":false},\n"
                     "  {\"name\":\"memory\",\"ratio\":null,\"ratio_of_minima\":null,"
                     "\"value\":15.0000,\"min\":15.0000,\"unit\":\"MiB\",\"spread\":0.0000}\n]}\n");
}
