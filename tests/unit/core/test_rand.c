/* test_rand.c - core/rand.c against published vectors, and what is made of the bits against what
 * chance allows. The seeds are fixed: a failure is one of the code, never of luck. */
#include "core/rand.h"

#include <math.h>

#include "tests/test.h"

/* splitmix64.c by Vigna for the seed 1234567, as printed on Rosetta Code; rand_init spreads the
 * seed with it. */
TEST(rand_init_is_splitmix64) {
    static const uint64_t want[4] = {UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
                                     UINT64_C(9817491932198370423), UINT64_C(4593380528125082431)};
    struct rand rand;
    rand_init(&rand, 1234567);
    for (int i = 0; i < 4; i++)
        EXPECT(rand.s[i] == want[i]);
    static const uint64_t zero[4] = {UINT64_C(0xe220a8397b1dcdaf), UINT64_C(0x6e789e6aa1b965f4),
                                     UINT64_C(0x06c45d188009454f), UINT64_C(0xf88bb8a8724c81ec)};
    rand_init(&rand, 0);
    for (int i = 0; i < 4; i++)
        EXPECT(rand.s[i] == zero[i]);
}

/* xoshiro256starstar.c by Blackman and Vigna from the state {1, 2, 3, 4}; the same numbers stand in
 * the tests of the Rust crate rand_xoshiro. */
TEST(rand_u64_is_xoshiro256starstar) {
    static const uint64_t want[] = {
        UINT64_C(11520),
        UINT64_C(0),
        UINT64_C(1509978240),
        UINT64_C(1215971899390074240),
        UINT64_C(1216172134540287360),
        UINT64_C(607988272756665600),
        UINT64_C(16172922978634559625),
        UINT64_C(8476171486693032832),
        UINT64_C(10595114339597558777),
        UINT64_C(2904607092377533576),
    };
    struct rand rand = {.s = {1, 2, 3, 4}};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        ROW("number %zu", i);
        EXPECT(rand_u64(&rand) == want[i]);
    }
}

TEST(rand_below_stays_below_and_is_even) {
    static const uint64_t bounds[] = {1, 2, 3, 7, 10, 1000, UINT64_C(1) << 63, UINT64_MAX};
    struct rand rand;
    rand_init(&rand, 1);
    for (size_t b = 0; b < sizeof bounds / sizeof bounds[0]; b++) {
        ROW("bound %llu", (unsigned long long)bounds[b]);
        for (int i = 0; i < 1000; i++)
            EXPECT(rand_below(&rand, bounds[b]) < bounds[b]);
    }
    /* Of 3 * 2^62 results each third is as likely, and each remainder by 3. Taken without rejection
     * `% bound` would give 1/2, 1/4, 1/4 to the thirds, the multiplication to the remainders. */
    unsigned thirds[3] = {0}, remainders[3] = {0};
    for (int i = 0; i < 30000; i++) {
        uint64_t result = rand_below(&rand, UINT64_C(3) << 62);
        thirds[result >> 62]++;
        remainders[result % 3]++;
    }
    for (int i = 0; i < 3; i++) {
        EXPECT_NEAR(thirds[i], 10000, 400); /* five standard deviations */
        EXPECT_NEAR(remainders[i], 10000, 400);
    }
    EXPECT_ABORT(rand_below(&rand, 0));
}

TEST(rand_double_and_normal_have_their_moments) {
    struct rand rand;
    rand_init(&rand, 2);
    double sum = 0, low = 1, high = 0, n = 100000;
    for (int i = 0; i < (int)n; i++) {
        double x = rand_double(&rand);
        sum += x;
        low = fmin(low, x);
        high = fmax(high, x);
    }
    EXPECT(low >= 0 && low < 0.001 && high < 1 && high > 0.999);
    EXPECT_NEAR(sum / n, 0.5, 0.005);
    double moments[5] = {0};
    unsigned beyond_two = 0;
    for (int i = 0; i < (int)n; i++) {
        double x = rand_normal(&rand), power = 1;
        for (int m = 0; m < 5; m++, power *= x)
            moments[m] += power / n;
        beyond_two += fabs(x) > 2;
    }
    EXPECT_NEAR(moments[1], 0, 0.02);
    EXPECT_NEAR(moments[2], 1, 0.03);
    EXPECT_NEAR(moments[3], 0, 0.06);
    EXPECT_NEAR(moments[4], 3, 0.2);
    EXPECT_NEAR(beyond_two / n, 0.0455, 0.004);
}

TEST(rand_hex_writes_n_digits) {
    struct rand rand, same;
    rand_init(&rand, 3);
    same = rand;
    char out[40], want[40];
    memset(out, '.', sizeof out);
    rand_hex(&rand, out, 36);
    for (int i = 0; i < 3; i++) {
        unsigned long long word = rand_u64(&same);
        if (i < 2)
            snprintf(want + 16 * i, 17, "%016llx", word);
        else
            snprintf(want + 32, 5, "%04llx", word >> 48);
    }
    memset(want + 36, '.', 4);
    EXPECT_MEM(out, sizeof out, want, sizeof want);
    rand_hex(&rand, out, 0);
    EXPECT_MEM(out, sizeof out, want, sizeof want);
}
