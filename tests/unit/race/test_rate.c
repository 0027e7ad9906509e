/* test_rate.c - units a minute over many workers: never more in any minute than promised, and not
 * much less. */
#include "tests/test.h"

#include "appliance/race/rate.h"
#include "core/rand.h"

#define WORKERS 8
#define MS(n)   ((uint64_t)(n)*NS_PER_MS)

/* When each taking was, and how many units. */
static struct {
    uint64_t at_ns[200000], units[200000];
    unsigned count;
} taken;

static void note(uint64_t at_ns, uint64_t units) {
    CHECK(taken.count < countof(taken.at_ns));
    taken.at_ns[taken.count] = at_ns;
    taken.units[taken.count++] = units;
}

/* The most that any minute holds, its ends included. */
static uint64_t worst_minute(void) {
    uint64_t sum = 0, worst = 0;
    for (unsigned from = 0, to = 0; to < taken.count; to++) {
        sum += taken.units[to];
        while (taken.at_ns[to] - taken.at_ns[from] > RATE_PERIOD_NS)
            sum -= taken.units[from++];
        worst = max_u64(worst, sum);
    }
    return worst;
}

TEST(rate_terms_rows) {
    static const struct {
        uint64_t limit;
        unsigned workers;
        uint64_t ahead, depth_units;
    } rows[] = {
        {1, 1, 0, 1},      {9, 1, 0, 1},          {10, 1, 0, 1},   {100, 1, 2, 8},
        {100, 2, 0, 10},   {600, 1, 15, 45},      {600, 8, 0, 60}, {6000, 8, 18, 456},
        {6000, 0, 0, 600}, {60000, 256, 5, 4720},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%llu a minute, %u workers", (unsigned long long)rows[i].limit, rows[i].workers);
        struct rate_terms terms = rate_terms_of(rows[i].limit, rows[i].workers, false);
        EXPECT_EQ(terms.ahead, rows[i].ahead);
        EXPECT_NEAR((double)terms.depth_ns,
                    (double)rows[i].depth_units * (double)RATE_PERIOD_NS / (double)rows[i].limit,
                    1);
    }
}

TEST(rate_without_limit_has_everything) {
    struct rate rate = {0};
    struct rate_lease lease = {0};
    struct rate_terms terms = rate_terms_of(0, 4, true);
    uint64_t wait_ns = 7;
    for (int i = 0; i < 1000; i++)
        EXPECT(rate_take(&rate, &terms, &lease, UINT64_MAX, true, 5, &wait_ns));
    rate_put(&rate, &terms, 5);
    rate_charge(&rate, &terms, 5, 5);
    EXPECT_EQ(rate.full_at_ns, 0);
    EXPECT_EQ(wait_ns, 7);
}

TEST(rate_one_a_minute) {
    struct rate rate = {0};
    struct rate_lease lease = {0};
    struct rate_terms terms = rate_terms_of(1, 1, false);
    uint64_t wait_ns = 0, now_ns = MS(500);
    EXPECT(rate_take(&rate, &terms, &lease, 1, false, now_ns, &wait_ns));
    EXPECT(!rate_take(&rate, &terms, &lease, 1, false, now_ns, &wait_ns));
    EXPECT(!rate_has(&rate, &terms, &lease, 1, false, now_ns));
    EXPECT_NEAR((double)wait_ns, (double)RATE_PERIOD_NS, 10);
    EXPECT(!rate_take(&rate, &terms, &lease, 1, false, now_ns + wait_ns - 1, &(uint64_t){0}));
    EXPECT(rate_has(&rate, &terms, &lease, 1, false, now_ns + wait_ns));
    EXPECT(rate_take(&rate, &terms, &lease, 1, false, now_ns + wait_ns, &wait_ns));
}

TEST(rate_hedges_leave_a_reserve) {
    struct rate rate = {0};
    struct rate_lease lease = {0};
    struct rate_terms terms = rate_terms_of(600, 0, false); /* 60 deep, 15 of them reserved */
    uint64_t wait_ns, now_ns = MS(1);
    unsigned hedges = 0, firsts = 0;
    while (rate_take(&rate, &terms, &lease, 1, true, now_ns, &wait_ns))
        hedges++;
    EXPECT_EQ(hedges, 45);
    EXPECT(!rate_has(&rate, &terms, &lease, 1, true, now_ns));
    while (rate_take(&rate, &terms, &lease, 1, false, now_ns, &wait_ns))
        firsts++;
    EXPECT_EQ(firsts, 15);
    /* What a lease holds is no way around the reserve. */
    struct rate full = {0};
    struct rate_terms leased = rate_terms_of(600, 1, false);
    EXPECT(rate_take(&full, &leased, &lease, 1, false, now_ns, &wait_ns));
    EXPECT_EQ(lease.units, 15);
    rate_charge(&full, &leased, 30, now_ns);
    EXPECT(!rate_take(&full, &leased, &lease, 1, true, now_ns, &wait_ns));
    EXPECT(rate_take(&full, &leased, &lease, 1, false, now_ns, &wait_ns));
}

TEST(rate_large_lots_go_in_debt) {
    struct rate rate = {0};
    struct rate_lease lease = {0};
    struct rate_terms terms = rate_terms_of(6000, 0, true); /* 600 deep */
    uint64_t wait_ns, now_ns = MS(1);
    EXPECT(rate_take(&rate, &terms, &lease, 3000, false, now_ns, &wait_ns));
    EXPECT(!rate_take(&rate, &terms, &lease, 1, false, now_ns, &wait_ns));
    EXPECT_NEAR((double)wait_ns, 2401.0 * 10e6, 1e6);
    EXPECT(!rate_take(&rate, &terms, &lease, 3000, false, now_ns, &wait_ns));
    EXPECT_NEAR((double)wait_ns, 2700.0 * 10e6, 1e6);
    EXPECT(rate_take(&rate, &terms, &lease, 3000, false, now_ns + wait_ns, &wait_ns));
    /* What is larger than a minute's worth costs a minute. */
    struct rate other = {0};
    EXPECT(rate_take(&other, &terms, &lease, UINT64_MAX, false, now_ns, &wait_ns));
    EXPECT_NEAR((double)(other.full_at_ns - now_ns), (double)RATE_PERIOD_NS, 10);
    EXPECT_EQ(lease.units, 0);
}

TEST(rate_put_gives_back_no_more_than_was_taken) {
    struct rate rate = {0};
    struct rate_lease lease = {0};
    struct rate_terms terms = rate_terms_of(7, 1, false); /* a minute is no multiple of it */
    uint64_t wait_ns, now_ns = MS(1);
    for (int i = 0; i < 1000; i++) {
        EXPECT(rate_take(&rate, &terms, &lease, 1, false, now_ns, &wait_ns));
        uint64_t before_ns = rate.full_at_ns;
        rate_put(&rate, &terms, 1);
        EXPECT(rate.full_at_ns >= now_ns && rate.full_at_ns < before_ns);
        now_ns++;
    }
    /* More than there ever was: full, and no more. */
    rate_put(&rate, &terms, 7);
    rate_put(&rate, &terms, 7);
    EXPECT(rate_take(&rate, &terms, &lease, 1, false, now_ns, &wait_ns));
    EXPECT(!rate_take(&rate, &terms, &lease, 1, false, now_ns, &wait_ns));
}

struct drawn {
    uint64_t limit;
    unsigned workers;
    bool overdraft;
    uint64_t units_max;
    double put_share, spare_share;
};

static struct drawn draw(struct rand *rand) {
    static const uint64_t limits[] = {1, 3, 10, 60, 137, 600, 3500, 20000, 90000};
    struct drawn d = {.limit = limits[rand_below(rand, countof(limits))],
                      .workers = 1 + (unsigned)rand_below(rand, WORKERS),
                      .put_share = rand_below(rand, 2) ? 0 : 0.3,
                      .spare_share = rand_below(rand, 2) ? 0 : 0.5,
                      .units_max = 1};
    d.overdraft = rand_below(rand, 3) == 0;
    if (d.overdraft)
        d.units_max = 1 + rand_below(rand, d.limit);
    return d;
}

/* Three minutes of workers that take in bursts and pauses, return their leases now and then and put
 * some back; one may be replaced (a reload): its lease goes back and it goes on without. */
static void play(const struct drawn *d, struct rand *rand) {
    struct rate rate = {0};
    struct rate_lease leases[WORKERS] = {0};
    struct rate_terms terms = rate_terms_of(d->limit, d->workers, d->overdraft);
    uint64_t now_ns = 1 + rand_below(rand, RATE_PERIOD_NS), end_ns = now_ns + 3 * RATE_PERIOD_NS;
    uint64_t pause_ns = RATE_PERIOD_NS / d->limit, wait_ns;
    taken.count = 0;
    while (now_ns < end_ns) {
        struct rate_lease *lease = &leases[rand_below(rand, d->workers)];
        uint64_t units = 1 + rand_below(rand, d->units_max);
        bool spare = rand_double(rand) < d->spare_share;
        bool has = rate_has(&rate, &terms, lease, units, spare, now_ns);
        bool got = rate_take(&rate, &terms, lease, units, spare, now_ns, &wait_ns);
        EXPECT_EQ(got, has);
        EXPECT(got || wait_ns > 0);
        if (got && rand_double(rand) < d->put_share)
            rate_put(&rate, &terms, units);
        else if (got)
            note(now_ns, units);
        uint64_t die = rand_below(rand, 1000);
        if (die < 20)
            rate_lease_return(&rate, &terms, lease);
        now_ns += die == 20   ? rand_below(rand, RATE_PERIOD_NS)
                  : die < 300 ? rand_below(rand, 2 * pause_ns + 2)
                              : 0;
        if (!got)
            now_ns += rand_below(rand, pause_ns + 2);
    }
}

TEST(rate_no_minute_holds_more_than_limit_and_burst) {
    struct rand rand;
    rand_init(&rand, 4711);
    for (int round = 0; round < 400; round++) {
        struct drawn d = draw(&rand);
        ROW("round %d: %llu a minute, %u workers, lots up to %llu", round,
            (unsigned long long)d.limit, d.workers, (unsigned long long)d.units_max);
        play(&d, &rand);
        uint64_t burst = max_u64(1, d.limit / RATE_BURST_PART), most = d.limit + burst;
        if (d.overdraft)
            most = max_u64(most, d.limit + burst / 2 + d.units_max);
        EXPECT(worst_minute() <= most);
    }
}

/* Who asks all the time gets all there is, on any number of workers. */
TEST(rate_gives_what_there_is) {
    for (unsigned workers = 1; workers <= WORKERS; workers++) {
        ROW("%u workers", workers);
        struct rate rate = {0};
        struct rate_lease leases[WORKERS] = {0};
        struct rate_terms terms = rate_terms_of(6000, workers, false);
        uint64_t wait_ns, got = 0;
        for (uint64_t now_ns = 1; now_ns < RATE_PERIOD_NS; now_ns += MS(5))
            for (unsigned w = 0; w < workers; w++)
                got += rate_take(&rate, &terms, &leases[w], 1, false, now_ns, &wait_ns);
        EXPECT(got <= 6600);
        EXPECT(got >= 6400);
    }
}

/* ---- threads ---- */

#include <pthread.h>

static struct rate shared;
static uint64_t sums[WORKERS];

static void *hammer(void *owner) {
    uint64_t *sum = owner, wait_ns;
    struct rate_lease lease = {0};
    struct rate_terms terms = rate_terms_of(60000, WORKERS, false);
    for (unsigned i = 0; i < 200000; i++) {
        *sum += rate_take(&shared, &terms, &lease, 1, false, NS_PER_S, &wait_ns);
        if (i % 64 == 0)
            rate_lease_return(&shared, &terms, &lease);
    }
    rate_lease_return(&shared, &terms, &lease);
    return NULL;
}

TEST(rate_is_exact_under_contention) {
    pthread_t threads[WORKERS];
    memset(sums, 0, sizeof sums);
    shared = (struct rate){0};
    for (unsigned i = 0; i < WORKERS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, hammer, &sums[i]) == 0);
    uint64_t sum = 0;
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
        sum += sums[i];
    }
    /* One moment, eight threads: the depth of the bucket, a lease's worth more at most, and no less
     * than that without the rounding of what was given back. */
    struct rate_terms terms = rate_terms_of(60000, WORKERS, false);
    uint64_t depth = terms.depth_ns / (RATE_PERIOD_NS / 60000);
    EXPECT(sum <= depth);
    EXPECT(sum >= depth - depth / 100);
}
