/* test_race_stats.c - counters: token buckets, sums, and that a reload neither loses nor repeats
 * what was counted. */
#include "tests/test.h"

#include <assert.h>

#include "appliance/race/race.h"
#include "core/heap.h"
#include "core/limits.h"

TEST(token_buckets) {
    static const struct {
        uint64_t tokens;
        unsigned bucket;
    } rows[] = {
        {0, 0},  {1, 0},    {2, 1},    {4, 1},         {5, 2},         {16, 2},
        {17, 3}, {1024, 5}, {1025, 6}, {67108864, 13}, {67108865, 14}, {UINT64_MAX, 14},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        struct race_tokens tokens = {0};
        race_stats_add_tokens(&tokens, rows[i].tokens);
        ROW("%llu", (unsigned long long)rows[i].tokens);
        EXPECT_EQ(tokens.buckets[rows[i].bucket], 1);
        EXPECT_EQ(tokens.count, 1);
        EXPECT_EQ(tokens.sum, rows[i].tokens);
    }
}

/* Every counter of a struct is added, also one that will be put into it: the structs are made of
 * 64-bit words, so a sum of ones is twos throughout but for the largest values seen. */
TEST(merges_leave_nothing_out) {
    static union {
        struct race_model_stats model;
        struct race_backend_stats backend;
        struct pool_stats pool;
        uint64_t words[8192];
    } into, from;
    static_assert(sizeof into == sizeof into.words, "the words cover all");
    for (unsigned kind = 0; kind < 3; kind++) {
        size_t size = kind == 0   ? sizeof into.model
                      : kind == 1 ? sizeof into.backend
                                  : sizeof into.pool;
        unsigned ones = 0, hists = kind == 0 ? 8 : kind == 1 ? 1 + OUTCOME_COUNT : 0;
        for (unsigned i = 0; i < countof(into.words); i++)
            into.words[i] = from.words[i] = 1;
        if (kind == 0)
            race_stats_merge_model(&into.model, &from.model);
        else if (kind == 1)
            race_stats_merge_backend(&into.backend, &from.backend);
        else
            race_stats_merge_pool(&into.pool, &from.pool);
        for (size_t i = 0; i < size / sizeof into.words[0]; i++) {
            EXPECT(into.words[i] == 1 || into.words[i] == 2);
            ones += into.words[i] == 1;
        }
        ROW("struct %u", kind);
        EXPECT_EQ(ones, hists); /* max_ns of each */
    }
}

/* ---- reloads, with a race on a loop of its own ---- */

struct setup {
    struct config config;
    struct config_provider providers[2];
    struct config_model models[2];
    struct config_backend backends[2];
    struct config_slot slots[8];
};

/* Model i has one backend, at provider names[i]. */
static void set_up(struct setup *setup, const char *const models[2],
                   const char *const providers[2]) {
    *setup = (struct setup){.config = {.providers = setup->providers,
                                       .provider_count = 2,
                                       .models = setup->models,
                                       .model_count = 2,
                                       .backend_count = 2}};
    for (unsigned i = 0; i < 2; i++) {
        setup->providers[i].provider =
            (struct provider){.name = providers[i], .host = "127.0.0.1", .port = 1};
        setup->providers[i].index = i;
        setup->providers[i].pool_max_connections = 1;
        setup->backends[i] =
            (struct config_backend){.provider = &setup->providers[i], .model = "m", .id = i};
        setup->models[i] = (struct config_model){
            .name = models[i], .index = i, .backends = &setup->backends[i], .backend_count = 1};
    }
    const char *twice;
    setup->config.slot_count = config_index_slots(&setup->config);
    CHECK(setup->config.slot_count <= countof(setup->slots));
    CHECK(config_index(&setup->config, setup->slots, &twice) == 0);
}

static struct setup first, second;
static const struct config *released[2];
static unsigned release_count;

static void on_release(struct race *race, const struct config *config) {
    (void)race;
    if (release_count < countof(released))
        released[release_count] = config;
    release_count++;
}

static bool open_loop(struct loop *loop) {
    struct ring_options options = {.sq_entries = 64,
                                   .cq_entries = 128,
                                   .buf_count = 16,
                                   .buf_size_bytes = RING_BUF_SIZE,
                                   .feature_mask = ~0u};
    return loop_open(loop, &options, 1 << 20) == 0;
}

static void turn_until_released(struct loop *loop, unsigned count) {
    uint64_t limit_ns = ring_now(loop->ring) + 10 * NS_PER_S;
    while (release_count < count && ring_now(loop->ring) < limit_ns)
        CHECK(loop_turn(loop, limit_ns) == 0);
    EXPECT_EQ(release_count, count);
}

TEST(reload_moves_counters) {
    static struct loop loop;
    static struct race race;
    if (!open_loop(&loop))
        SKIP("needs io_uring");
    release_count = 0;
    /* "b" moves to another place, "a" becomes "c". */
    set_up(&first, (const char *[]){"a", "b"}, (const char *[]){"x", "y"});
    set_up(&second, (const char *[]){"b", "c"}, (const char *[]){"y", "x"});
    race = (struct race){.release = on_release};
    race_init(&race, &loop, NULL, &first.config, 10);

    struct upstreams *old = race.current;
    old->models[1].requests[200] = 5;
    old->models[0].requests[200] = 100;
    old->backends[1].attempts[OUTCOME_WON] = 6;
    old->pools[1].stats.dials = 3;
    old->health.backends[1].failures_in_a_row = 2;
    upstreams_hold(old); /* a request in flight */
    race_reconfigure(&race, &second.config);
    struct upstreams *now = race.current;
    REQUIRE(now != old);
    EXPECT_EQ(now->models[0].requests[200], 5);
    EXPECT_EQ(now->models[1].requests[200], 0);
    EXPECT_EQ(now->backends[0].attempts[OUTCOME_WON], 6);
    EXPECT_EQ(now->pools[0].stats.dials, 3);
    EXPECT_EQ(now->health.backends[0].failures_in_a_row, 2);

    /* The request ends with the old configuration, which then goes: its count comes over, once. */
    old->models[1].requests[200]++;
    old->backends[1].attempts[OUTCOME_WON]++;
    upstreams_drop(old);
    turn_until_released(&loop, 1);
    EXPECT(released[0] == &first.config);
    EXPECT_EQ(now->models[0].requests[200], 6);
    EXPECT_EQ(now->backends[0].attempts[OUTCOME_WON], 7);

    race_stop(&race);
    turn_until_released(&loop, 2);
    EXPECT(released[1] == &second.config);
    race_fini(&race);
    loop_close(&loop);
}
