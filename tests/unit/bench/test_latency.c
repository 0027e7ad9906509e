/* test_latency.c - dice and distributions of bench/: moments and quantiles against their formulas.
 */
#include "tests/test.h"

#include "bench/latency.h"

#include <math.h>

enum { DRAWS = 200000 };

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t draws[DRAWS];

static void draw_all(const struct latency *l) {
    struct dice dice;
    dice_init(&dice, 1, 2);
    for (int i = 0; i < DRAWS; i++)
        draws[i] = latency_draw(l, &dice);
    qsort(draws, DRAWS, sizeof draws[0], by_value);
}

TEST(bench_dice_are_repeatable_and_streams_differ) {
    struct dice a, b, c;
    dice_init(&a, 5, 1);
    dice_init(&b, 5, 1);
    dice_init(&c, 5, 2);
    unsigned same = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t x = dice_u64(&a);
        EXPECT_EQ(x, dice_u64(&b));
        same += x == dice_u64(&c);
    }
    EXPECT_EQ(same, 0);
}

TEST(bench_dice_moments) {
    struct dice d;
    double uniform = 0, normal = 0, square = 0, exponential = 0;
    unsigned chances = 0, below[6] = {0};
    dice_init(&d, 11, 0);
    for (int i = 0; i < DRAWS; i++) {
        double u = dice_unit(&d), n = dice_normal(&d);
        if (u < 0 || u >= 1)
            FAIL_TEST("unit gave %g", u);
        uniform += u;
        normal += n;
        square += n * n;
        exponential += dice_exponential(&d);
        chances += dice_chance(&d, 0.03);
        below[dice_below(&d, 6)]++;
    }
    /* Five standard errors and more. */
    EXPECT_NEAR(uniform / DRAWS, 0.5, 0.004);
    EXPECT_NEAR(normal / DRAWS, 0, 0.012);
    EXPECT_NEAR(square / DRAWS, 1, 0.02);
    EXPECT_NEAR(exponential / DRAWS, 1, 0.012);
    EXPECT_NEAR((double)chances / DRAWS, 0.03, 0.002);
    for (int i = 0; i < 6; i++)
        EXPECT_NEAR((double)below[i] / DRAWS, 1.0 / 6, 0.005);
}

TEST(bench_latency_constant) {
    draw_all(&(struct latency){.dist = LATENCY_CONSTANT, .value_ns = 50});
    EXPECT_EQ(draws[0], 50);
    EXPECT_EQ(draws[DRAWS - 1], 50);
}

TEST(bench_latency_lognormal_quantiles) {
    double median = 2e8, sigma = 0.5;
    draw_all(
        &(struct latency){.dist = LATENCY_LOGNORMAL, .value_ns = (uint64_t)median, .sigma = sigma});
    EXPECT_NEAR((double)draws[DRAWS / 2] / median, 1, 0.01);
    /* z(0.99) = 2.326, z(0.05) = -1.645 */
    EXPECT_NEAR((double)draws[DRAWS / 100 * 99] / (median * exp(2.326 * sigma)), 1, 0.03);
    EXPECT_NEAR((double)draws[DRAWS / 20] / (median * exp(-1.645 * sigma)), 1, 0.02);
}

TEST(bench_latency_bimodal_has_its_share_of_slow_ones) {
    struct latency l = {
        .dist = LATENCY_BIMODAL, .value_ns = 100, .slow_ns = 5000, .slow_share = 0.03};
    draw_all(&l);
    unsigned slow = 0;
    for (int i = 0; i < DRAWS; i++) {
        slow += draws[i] == 5000;
        if (draws[i] != 100 && draws[i] != 5000)
            FAIL_TEST("%llu is neither", (unsigned long long)draws[i]);
    }
    EXPECT_NEAR((double)slow / DRAWS, 0.03, 0.002);
}

TEST(bench_latency_is_bounded) {
    draw_all(&(struct latency){.dist = LATENCY_LOGNORMAL, .value_ns = 1000000000, .sigma = 20});
    EXPECT_EQ(draws[DRAWS - 1], 3600000000000);
}

/* ---- CSV ---- */

static char csv_path[] = "/tmp/hedgerow-test-csv-XXXXXX";

static bool csv_with(const char *text) {
    memcpy(csv_path + sizeof csv_path - 7, "XXXXXX", 6);
    int fd = mkstemp(csv_path);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return ok;
}

TEST(bench_latency_csv) {
    static const struct {
        const char *name, *text, *column, *backend;
        size_t samples; /* 0: refused */
        uint64_t first_ns;
        const char *error; /* part of the message */
    } rows[] = {
        {"one column", "ttft_ms\n1.5\n2\n", "ttft_ms", NULL, 2, 1500000, NULL},
        {"by backend", "backend,ttft_ms\na,1\nb,2\nbb,3\n", "ttft_ms", "b", 1, 2000000, NULL},
        {"CRLF", "x,ttft_us\r\n0,7\r\n", "ttft_us", NULL, 1, 7000, NULL},
        {"empty field", "a,t_s\n1,\n1,2\n", "t_s", NULL, 1, 2000000000, NULL},
        {"short row", "a,t_s\n1\n1,2\n", "t_s", NULL, 1, 2000000000, NULL},
        {"no unit", "ttft\n1\n", "ttft", NULL, 0, 0, "_ms"},
        {"no column", "a_ms\n1\n", "b_ms", NULL, 0, 0, ":1: there is no column \"b_ms\""},
        {"prefix of a column", "ttft_msx\n1\n", "ttft_ms", NULL, 0, 0, "no column"},
        {"no backend column", "t_ms\n1\n", "t_ms", "a", 0, 0, "no column \"backend\""},
        {"no rows", "backend,t_ms\nb,1\n", "t_ms", "a", 0, 0, "no row"},
        {"not a number", "t_ms\n1\nx\n", "t_ms", NULL, 0, 0, ":3: \"x\" is not a number"},
        {"empty", "", "t_ms", NULL, 0, 0, "empty"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct latency l = {0};
        char error[300] = "";
        ROW("%s", rows[i].name);
        REQUIRE(csv_with(rows[i].text));
        bool ok =
            latency_load_csv(&l, csv_path, rows[i].column, rows[i].backend, error, sizeof error);
        unlink(csv_path);
        EXPECT_EQ(ok, rows[i].samples > 0);
        EXPECT_EQ(l.samples_count, rows[i].samples);
        if (ok)
            EXPECT_EQ(l.samples_ns[0], rows[i].first_ns);
        else
            EXPECT(strstr(error, rows[i].error) != NULL);
        latency_free(&l);
    }
}

TEST(bench_latency_csv_draws_recorded_values_only) {
    struct latency l = {0};
    char error[300];
    REQUIRE(csv_with("t_ms\n1\n2\n3\n"));
    EXPECT(latency_load_csv(&l, csv_path, "t_ms", NULL, error, sizeof error));
    unlink(csv_path);
    draw_all(&l);
    EXPECT_EQ(draws[0], 1000000);
    EXPECT_EQ(draws[DRAWS - 1], 3000000);
    EXPECT_EQ(draws[DRAWS / 2], 2000000);
    latency_free(&l);
}
