/* test_advise.c - which second, and when, by rows and by many coins. */
#include "tests/test.h"

#include "appliance/race/advise.h"
#include "core/rand.h"

#define MS(ms)   ((uint64_t)(ms)*NS_PER_MS)
#define NEVER    UINT64_MAX
#define BACKENDS 4
#define KIND     3

static struct {
    struct learn_board board;
    _Alignas(8) char memory[1 << 16];
} world;

static void setup(double sample) {
    struct learn_settings settings = {.request_budget = 1, .delay_ns = MS(400), .sample = sample};
    CHECK(learn_board_size(BACKENDS) <= sizeof world.memory);
    learn_board_init(&world.board, &settings, BACKENDS, world.memory);
}

static struct learn_advice *at(unsigned first, unsigned second) {
    return (struct learn_advice *)learn_advice(&world.board, first, KIND, second);
}

TEST(advise_second_rows) {
    /* Of backends 1, 2 and 3 behind backend 0: each one's delay and promised quantile, ms. */
    static const struct {
        const char *name;
        uint64_t delay_ms[3], with_ms[3];
        uint32_t seconds;
        unsigned second;
        uint64_t delay;
    } rows[] = {
        {"the shortest tail", {300, 300, 300}, {900, 700, 800}, 0xf, 2, 300},
        {"the lowest number among equals", {300, 200, 100}, {900, 900, 900}, 0xf, 1, 300},
        {"only those of the set", {300, 300, 310}, {900, 700, 800}, 0xa, 3, 310},
        {"a gain before none", {0, 0, 300}, {900, 700, 800}, 0xf, 3, 300},
        {"no gain anywhere", {0, 0, 0}, {900, 700, 800}, 0xf, 1, 0},
        {"the first is no second", {300, 300, 300}, {900, 700, 800}, 0x9, 3, 300},
        {"nobody", {300, 300, 300}, {900, 700, 800}, 0x1, 0, 0},
        {"an empty set", {300, 300, 300}, {900, 700, 800}, 0, 0, 0},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        setup(0);
        for (unsigned b = 1; b < BACKENDS; b++)
            *at(0, b) = (struct learn_advice){
                .delay_ns = rows[i].delay_ms[b - 1] ? MS(rows[i].delay_ms[b - 1]) : NEVER,
                .with_ns = MS(rows[i].with_ms[b - 1]),
                .probability = 1};
        struct advise got = advise(&world.board, 0, KIND, rows[i].seconds, 1);
        EXPECT_EQ(got.second, rows[i].second);
        EXPECT(!got.fair);
        if (rows[i].delay == 0)
            EXPECT(got.delay_ns == NEVER);
        else
            EXPECT_NEAR((double)got.delay_ns, (double)MS(rows[i].delay),
                        (double)MS(rows[i].delay) * ADVISE_JITTER);
    }
}

/* The coin falls as often as it is told to, the fair sample too, and the delay is spread evenly. */
TEST(advise_coins) {
    static const struct {
        double probability, sample;
    } rows[] = {{1, 0}, {0.5, 0}, {0.1, 0.05}, {0, 0.1}, {0, 0}, {0.9, 0.005}};
    enum { ROUNDS = 20000 };
    struct rand rand;
    rand_init(&rand, 5);
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("probability %g, sample %g", rows[i].probability, rows[i].sample);
        setup(rows[i].sample);
        *at(0, 1) =
            (struct learn_advice){.delay_ns = MS(1000), .probability = (float)rows[i].probability};
        double hedged = 0, fair = 0, sum = 0, least = 1e18, most = 0;
        for (int n = 0; n < ROUNDS; n++) {
            struct advise got = advise(&world.board, 0, KIND, 2, rand_u64(&rand));
            EXPECT_EQ(got.second, 1);
            EXPECT(!got.fair || got.delay_ns == 0);
            fair += got.fair;
            if (got.fair || got.delay_ns == NEVER)
                continue;
            hedged++;
            sum += (double)got.delay_ns;
            least = (double)got.delay_ns < least ? (double)got.delay_ns : least;
            most = (double)got.delay_ns > most ? (double)got.delay_ns : most;
        }
        /* Four standard deviations of a coin at most. */
        EXPECT_NEAR(fair / ROUNDS, rows[i].sample, 2. / 141);
        EXPECT_EQ(fair > 0, rows[i].sample > 0);
        EXPECT_NEAR(hedged / (ROUNDS - fair), rows[i].probability, 2. / 141);
        if (hedged == 0)
            continue;
        EXPECT_NEAR(sum / hedged, (double)MS(1000), (double)MS(3));
        EXPECT_NEAR(least, (double)MS(950), (double)MS(1));
        EXPECT_NEAR(most, (double)MS(1050), (double)MS(1));
    }
}

/* Also the ones that promise nothing are known from time to time, in equal parts; others never. */
TEST(advise_fair_draws_are_of_all) {
    enum { ROUNDS = 30000 };
    struct rand rand;
    double drawn[BACKENDS] = {0}, fair = 0;
    rand_init(&rand, 6);
    setup(0.1);
    for (int n = 0; n < ROUNDS; n++) {
        struct advise got = advise(&world.board, 2, KIND, 0xf, rand_u64(&rand));
        if (!got.fair)
            continue;
        fair++;
        drawn[got.second]++;
    }
    EXPECT_NEAR(fair / ROUNDS, 0.1, 0.007);
    for (unsigned i = 0; i < BACKENDS; i++)
        EXPECT_NEAR(drawn[i] / fair, i == 2 ? 0 : 1. / 3, i == 2 ? 0 : 0.035);
}

TEST(advise_same_number_same_answer) {
    setup(0.1);
    for (uint64_t n = 0; n < 100; n++) {
        struct advise one = advise(&world.board, 1, KIND, 0xf, n);
        struct advise two = advise(&world.board, 1, KIND, 0xf, n);
        EXPECT_EQ(one.second, two.second);
        EXPECT_EQ(one.delay_ns, two.delay_ns);
        EXPECT_EQ(one.fair, two.fair);
    }
}
