/* test_histogram.c - slots and quantiles of bench/histogram.c. */
#include "tests/test.h"

#include "bench/dice.h"
#include "bench/histogram.h"

TEST(bench_histogram_slots_cover_all_values_without_gap) {
    uint64_t last = histogram_slot_max(0);
    EXPECT_EQ(last, 0);
    for (unsigned slot = 1; slot < HISTOGRAM_SLOTS; slot++) {
        uint64_t max = histogram_slot_max(slot);
        if (histogram_slot(last + 1) != slot || histogram_slot(max) != slot)
            FAIL_TEST("slot %u does not hold %llu..%llu", slot, (unsigned long long)last + 1,
                      (unsigned long long)max);
        last = max;
    }
    EXPECT_EQ(last, UINT64_MAX);
}

TEST(bench_histogram_knows_values_to_a_tenth_of_a_percent) {
    struct dice dice;
    dice_init(&dice, 7, 0);
    for (int i = 0; i < 10000; i++) {
        uint64_t value = dice_u64(&dice) >> dice_below(&dice, 64);
        uint64_t told = histogram_slot_max(histogram_slot(value));
        if (told < value || (double)(told - value) > (double)value / 1000)
            FAIL_TEST("%llu is told as %llu", (unsigned long long)value, (unsigned long long)told);
    }
    EXPECT_EQ(histogram_slot_max(histogram_slot(1000)), 1000);
}

TEST(bench_histogram_quantiles_of_1_to_1000) {
    static struct histogram h;
    static const struct {
        double share;
        uint64_t value;
    } rows[] = {{0, 1}, {0.001, 1}, {0.5, 500}, {0.9, 900}, {0.99, 990}, {0.999, 999}, {1, 1000}};
    EXPECT_EQ(histogram_quantile(&h, 0.5), 0);
    for (uint64_t v = 1000; v >= 1; v--)
        histogram_add(&h, v);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ROW("share %g", rows[i].share);
        EXPECT_EQ(histogram_quantile(&h, rows[i].share), rows[i].value);
    }
    EXPECT_EQ(h.count, 1000);
    EXPECT_EQ(h.min, 1);
    EXPECT_EQ(h.max, 1000);
    EXPECT_NEAR(histogram_mean(&h), 500.5, 1e-9);
}

TEST(bench_histogram_never_tells_more_than_the_maximum) {
    static struct histogram h;
    histogram_add(&h, 1234567);
    EXPECT_EQ(histogram_quantile(&h, 0.5), 1234567);
    EXPECT_EQ(histogram_quantile(&h, 1), 1234567);
}

TEST(bench_histogram_merge) {
    static struct histogram a, b, empty;
    histogram_add(&a, 10);
    histogram_add(&b, 3);
    histogram_add(&b, 30);
    histogram_merge(&a, &empty);
    histogram_merge(&a, &b);
    EXPECT_EQ(a.count, 3);
    EXPECT_EQ(a.min, 3);
    EXPECT_EQ(a.max, 30);
    EXPECT_EQ(histogram_quantile(&a, 0.5), 10);
}
