/* test_route.c - orders of backends: strategies, restrictions, health, affinity. */
#include "tests/test.h"

#include "core/rand.h"
#include "tests/unit/race/race_fixture.h"

static struct config_model *setup(enum config_strategy strategy, unsigned count) {
    static const char *const names[BACKENDS_MAX] = {"a", "b", "c", "d", "e", "f", "g", "h",
                                                    "i", "j", "k", "l", "m", "n", "o", "p"};
    static const char *const regions[] = {"eu", "us", NULL, "EU"};
    world_init();
    struct config_model *model = world_model("m");
    model->strategy = strategy;
    for (unsigned i = 0; i < count; i++)
        world_backend(model, names[i], regions[i % countof(regions)]);
    return model;
}

/* The order as a string of provider names, valid until the next call. */
static const char *order_of(const struct config_model *model, const char *residency,
                            const char *only, struct route_dice dice, uint64_t now_ns) {
    static char text[BACKENDS_MAX + 1];
    const struct config_backend *order[BACKENDS_MAX];
    dice.boards = world.boards;
    unsigned count =
        route_order(model, span_str(residency), span_str(only), &world.health, dice, now_ns, order);
    for (unsigned i = 0; i < count; i++)
        text[i] = order[i]->provider->provider.name[0];
    text[count] = 0;
    return text;
}

static struct route_dice dice_of(struct rand *rand) {
    return (struct route_dice){.random = rand_u64(rand)};
}

/* What a request gets that neither chance nor affinity touches: the most frequent of many. */
static const char *usual_order(const struct config_model *model) {
    static char usual[BACKENDS_MAX + 1];
    struct rand rand;
    rand_init(&rand, 1);
    unsigned votes = 0;
    for (int i = 0; i < 101; i++) {
        const char *order = order_of(model, "", "", dice_of(&rand), 0);
        if (votes == 0)
            memcpy(usual, order, sizeof usual);
        if (strcmp(order, usual) == 0)
            votes++;
        else
            votes--;
    }
    return usual;
}

TEST(route_restriction_rows) {
    /* Regions: a eu, b us, c none, d EU. */
    static const struct {
        const char *residency, *only, *order;
    } rows[] = {
        {"", "", "abcd"},      {"eu", "", "ad"},    {"EU", "", "ad"},  {"us", "", "b"},
        {"e", "", ""},         {"eu-west", "", ""}, {"", "b", "b"},    {"", "c,a", "ac"},
        {"", " c , a ", "ac"}, {"", "d,,d,x", "d"}, {"", "x", ""},     {"", "ab", ""},
        {"", ",", ""},         {"eu", "a,b", "a"},  {"eu", "b,c", ""}, {"", "A", ""},
    };
    struct config_model *model = setup(STRATEGY_ORDERED, 4);
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("residency '%s' only '%s'", rows[i].residency, rows[i].only);
        EXPECT_STR(order_of(model, rows[i].residency, rows[i].only, (struct route_dice){0}, 0),
                   rows[i].order);
    }
}

TEST(route_fastest_rows) {
    /* Median time to first token in ms, 0 unknown. */
    static const struct {
        const char *name;
        unsigned p50_ms[4];
        const char *order;
    } rows[] = {
        {"nothing known", {0, 0, 0, 0}, "abcd"},
        {"all known", {400, 100, 300, 200}, "bdca"},
        {"ties in config order", {200, 100, 200, 100}, "bdac"},
        {"unknown behind known", {0, 300, 0, 200}, "dbac"},
        {"one known, and slow", {9000, 0, 0, 0}, "abcd"},
    };
    struct config_model *model = setup(STRATEGY_FASTEST, 4);
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        for (unsigned b = 0; b < 4; b++)
            world_speed(model, b, MS(rows[i].p50_ms[b]));
        EXPECT_STR(usual_order(model), rows[i].order);
    }
}

TEST(route_fastest_explores) {
    struct config_model *model = setup(STRATEGY_FASTEST, 4);
    world_speed(model, 1, MS(100));
    world_speed(model, 2, MS(200));
    enum { DRAWS = 16000 };
    unsigned first[4] = {0};
    struct rand rand;
    rand_init(&rand, 5);
    for (int i = 0; i < DRAWS; i++)
        first[order_of(model, "", "", dice_of(&rand), 0)[0] - 'a']++;
    EXPECT_NEAR(first[0], DRAWS / 32, DRAWS / 32 / 5);
    EXPECT_NEAR(first[3], DRAWS / 32, DRAWS / 32 / 5);
    EXPECT_EQ(first[2], 0);
    /* When all are known there is nothing to find out, and when none is, no reason to change. */
    for (int round = 0; round < 2; round++) {
        for (unsigned b = 0; b < 4; b++)
            world_speed(model, b, round ? 0 : MS(100 + b));
        for (int i = 0; i < 1000; i++)
            EXPECT_STR(order_of(model, "", "", dice_of(&rand), 0), "abcd");
    }
}

/* Of whom nothing was heard for long may have become faster. */
TEST(route_fastest_explores_the_stale) {
    struct config_model *model = setup(STRATEGY_FASTEST, 3);
    enum { DRAWS = 16000 };
    unsigned first[3] = {0};
    struct rand rand;
    rand_init(&rand, 6);
    for (unsigned b = 0; b < 3; b++)
        world_speed(model, b, MS(100 + b));
    world.boards[0].stale[2] = true;
    for (int i = 0; i < DRAWS; i++)
        first[order_of(model, "", "", dice_of(&rand), 0)[0] - 'a']++;
    EXPECT_NEAR(first[2], DRAWS / 16, DRAWS / 16 / 5);
    EXPECT_EQ(first[0] + first[2], DRAWS);
}

/* Who was asked lately and has not answered is not asked on by chance or affinity: it may hang. */
TEST(route_fastest_does_not_explore_who_says_nothing) {
    struct config_model *model = setup(STRATEGY_FASTEST, 4);
    enum { DRAWS = 16000 };
    struct rand rand;
    rand_init(&rand, 7);
    world_speed(model, 0, MS(50));
    world_speed(model, 1, MS(51));
    world.boards[0].tried[2] = true;
    for (int affine = 0; affine < 2; affine++) {
        ROW("affinity %d", affine);
        unsigned first[4] = {0};
        model->affinity = affine ? AFFINITY_USER : AFFINITY_NONE;
        for (int i = 0; i < DRAWS; i++) {
            struct route_dice dice = {.random = rand_u64(&rand),
                                      .affinity_hash = rand_u64(&rand) | 1};
            first[order_of(model, "", "", dice, 0)[0] - 'a']++;
        }
        unsigned of_unknown = affine ? DRAWS / 3 : DRAWS / 16; /* d was never asked */
        EXPECT_EQ(first[2], 0);
        EXPECT_NEAR(first[3], of_unknown, of_unknown / 5);
    }
}

TEST(route_cheapest_rows) {
    /* Input and output price in USD per million tokens; -1: unknown. */
    static const struct {
        const char *name;
        double input[4], output[4];
        const char *order;
    } rows[] = {
        {"none known", {-1, -1, -1, -1}, {0}, "abcd"},
        {"by the sum", {1, 2, 3, 0.5}, {10, 4, 2, 8}, "cbda"},
        {"unknown last", {-1, 2, 1, -1}, {0, 1, 1, 0}, "cbad"},
        {"ties in config order", {2, 1, 1, 2}, {1, 1, 1, 1}, "bcad"},
        {"free", {1, 0, 1, 1}, {1, 0, 1, 1}, "bacd"},
    };
    struct config_model *model = setup(STRATEGY_CHEAPEST, 4);
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        for (unsigned b = 0; b < 4; b++)
            model->backends[b].price = (struct config_price){
                .known = rows[i].input[b] >= 0,
                .input_pico = rows[i].input[b] >= 0 ? (uint64_t)(rows[i].input[b] * 1e6) : 0,
                .output_pico = (uint64_t)(rows[i].output[b] * 1e6),
            };
        EXPECT_STR(usual_order(model), rows[i].order);
    }
}

TEST(route_weighted_shares) {
    struct config_model *model = setup(STRATEGY_WEIGHTED, 4);
    static const unsigned weights[] = {1, 6, 0, 3};
    for (unsigned b = 0; b < 4; b++)
        model->backends[b].weight = weights[b];
    enum { DRAWS = 20000 };
    unsigned first[4] = {0}, second_after_b[4] = {0}, b_first = 0;
    struct rand rand;
    rand_init(&rand, 9);
    for (int i = 0; i < DRAWS; i++) {
        const char *order = order_of(model, "", "", dice_of(&rand), 0);
        first[order[0] - 'a']++;
        EXPECT_EQ(order[3], 'c'); /* weight 0: only when nothing else is left */
        if (order[0] == 'b') {
            b_first++;
            second_after_b[order[1] - 'a']++;
        }
    }
    EXPECT_NEAR(first[0], DRAWS * 0.1, DRAWS * 0.01);
    EXPECT_NEAR(first[1], DRAWS * 0.6, DRAWS * 0.01);
    EXPECT_NEAR(first[3], DRAWS * 0.3, DRAWS * 0.01);
    /* The rest is drawn by weight too. */
    EXPECT_NEAR(second_after_b[3] / (double)b_first, 0.75, 0.02);
}

TEST(route_health_rows) {
    /* Per backend: . well, o open until 9 s, h half-open, p half-open with its probe under way,
     * c cooling until 8 s, 1 open until 1 s. */
    static const struct {
        const char *health;
        unsigned now_ms;
        const char *order;
    } rows[] = {
        {"....", 2000, "abcd"}, {"o...", 2000, "bcda"}, {"oc..", 2000, "cdba"},
        {"cooo", 2000, "abcd"}, {"oooc", 2000, "dabc"}, {"h...", 2000, "abcd"},
        {"p...", 2000, "bcda"}, {"op.c", 2000, "cbda"}, {"1...", 500, "bcda"},
        {"1...", 2000, "abcd"}, {"c...", 7999, "bcda"}, {"c...", 8000, "abcd"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s at %u ms", rows[i].health, rows[i].now_ms);
        struct config_model *model = setup(STRATEGY_ORDERED, 4);
        for (unsigned b = 0; b < 4; b++) {
            struct health_backend *h = &world.memory[b];
            char c = rows[i].health[b];
            h->state = c == 'o' || c == '1'   ? HEALTH_OPEN
                       : c == 'h' || c == 'p' ? HEALTH_HALF_OPEN
                                              : HEALTH_CLOSED;
            h->open_until_ns = c == 'o' ? MS(9000) : c == '1' ? MS(1000) : 0;
            h->cool_until_ns = c == 'c' ? MS(8000) : 0;
            h->probing = c == 'p';
        }
        EXPECT_STR(order_of(model, "", "", (struct route_dice){0}, MS(rows[i].now_ms)),
                   rows[i].order);
    }
}

TEST(route_health_outranks_speed) {
    struct config_model *model = setup(STRATEGY_FASTEST, 3);
    for (unsigned b = 0; b < 3; b++)
        world_speed(model, b, MS(100 + 100 * b));
    world.memory[0].cool_until_ns = MS(5000);
    EXPECT_STR(usual_order(model), "bca");
}

/* ---- affinity ---- */

static char first_for(const struct config_model *model, uint64_t hash, struct rand *rand) {
    struct route_dice dice = {.random = rand_u64(rand), .affinity_hash = hash};
    return order_of(model, "", "", dice, 0)[0];
}

TEST(route_affinity_is_steady_and_even) {
    static const enum config_strategy strategies[] = {STRATEGY_FASTEST, STRATEGY_CHEAPEST,
                                                      STRATEGY_WEIGHTED};
    enum { HASHES = 4000 };
    struct rand rand;
    rand_init(&rand, 21);
    for (size_t s = 0; s < countof(strategies); s++) {
        ROW("strategy %d", (int)strategies[s]);
        struct config_model *model = setup(strategies[s], 4);
        model->affinity = AFFINITY_PREFIX;
        unsigned first[4] = {0};
        for (int i = 0; i < HASHES; i++) {
            uint64_t hash = rand_u64(&rand) | 1;
            char a = first_for(model, hash, &rand), b = first_for(model, hash, &rand);
            EXPECT_EQ(a, b);
            first[a - 'a']++;
        }
        for (unsigned b = 0; b < 4; b++)
            EXPECT_NEAR(first[b], HASHES / 4, HASHES / 4 * 0.12);
    }
}

TEST(route_affinity_keeps_the_others_in_place) {
    struct config_model *model = setup(STRATEGY_FASTEST, 5);
    model->affinity = AFFINITY_USER;
    struct rand rand;
    rand_init(&rand, 22);
    char heirs[] = ".....";
    for (int i = 0; i < 2000; i++) {
        uint64_t hash = rand_u64(&rand) | 1;
        world.memory[2].cool_until_ns = 0;
        char before = first_for(model, hash, &rand);
        world.memory[2].cool_until_ns = MS(1000);
        char without = first_for(model, hash, &rand);
        EXPECT(before == 'c' ? without != 'c' : without == before);
        if (before == 'c')
            heirs[without - 'a'] = without;
    }
    EXPECT_STR(heirs, "ab.de"); /* its conversations are spread over all the others */
}

TEST(route_affinity_survives_a_reload) {
    /* Another model and a backend come in front: indexes and ids move, names stay. */
    char before[200];
    for (int round = 0; round < 2; round++) {
        world_init();
        if (round)
            world_backend(world_model("other"), "z", NULL);
        struct config_model *model = world_model("m");
        model->strategy = STRATEGY_FASTEST;
        model->affinity = AFFINITY_PREFIX;
        static const char *const names[2][3] = {{"a", "b", "c"}, {"c", "a", "b"}};
        world_backends(model, names[round], 3);
        struct rand rand;
        rand_init(&rand, 23);
        for (size_t i = 0; i < sizeof before; i++) {
            char first = first_for(model, rand_u64(&rand) | 1, &rand);
            EXPECT(round == 0 || first == before[i]);
            before[i] = first;
        }
    }
}

TEST(route_affinity_rows) {
    /* Which backends are ever first, of a b c d? */
    static const struct {
        const char *name;
        enum config_strategy strategy;
        enum config_affinity affinity;
        bool hash;
        unsigned p50_ms[4];
        unsigned price[4];
        unsigned weight[4];
        const char *firsts;
    } rows[] = {
        {"much slower ones are left out",
         STRATEGY_FASTEST,
         AFFINITY_PREFIX,
         true,
         {300, 100, 199, 201},
         {0},
         {1, 1, 1, 1},
         ".bc."},
        {"unknown ones are tried",
         STRATEGY_FASTEST,
         AFFINITY_PREFIX,
         true,
         {300, 100, 0, 201},
         {0},
         {1, 1, 1, 1},
         ".bc."},
        {"only equally cheap ones",
         STRATEGY_CHEAPEST,
         AFFINITY_USER,
         true,
         {0},
         {2, 1, 1, 3},
         {1, 1, 1, 1},
         ".bc."},
        {"never weight 0", STRATEGY_WEIGHTED, AFFINITY_USER, true, {0}, {0}, {1, 0, 1, 0}, "a.c."},
        {"ordered stays", STRATEGY_ORDERED, AFFINITY_PREFIX, true, {0}, {0}, {1, 1, 1, 1}, "a..."},
        {"no affinity", STRATEGY_CHEAPEST, AFFINITY_NONE, true, {0}, {0}, {1, 1, 1, 1}, "a..."},
        {"nothing to keep",
         STRATEGY_CHEAPEST,
         AFFINITY_USER,
         false,
         {0},
         {0},
         {1, 1, 1, 1},
         "a..."},
    };
    struct rand rand;
    rand_init(&rand, 24);
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        struct config_model *model = setup(rows[i].strategy, 4);
        model->affinity = rows[i].affinity;
        for (unsigned b = 0; b < 4; b++) {
            world_speed(model, b, MS(rows[i].p50_ms[b]));
            model->backends[b].weight = rows[i].weight[b];
            model->backends[b].price =
                (struct config_price){.known = true, .input_pico = rows[i].price[b]};
        }
        char firsts[] = "....";
        for (int n = 0; n < 300; n++) {
            char first = first_for(model, rows[i].hash ? rand_u64(&rand) | 1 : 0, &rand);
            firsts[first - 'a'] = first;
        }
        EXPECT_STR(firsts, rows[i].firsts);
    }
}

TEST(route_affinity_by_weight) {
    struct config_model *model = setup(STRATEGY_WEIGHTED, 2);
    model->affinity = AFFINITY_PREFIX;
    model->backends[0].weight = 9;
    struct rand rand;
    rand_init(&rand, 25);
    unsigned first_a = 0;
    for (int i = 0; i < 10000; i++)
        first_a += first_for(model, rand_u64(&rand) | 1, &rand) == 'a';
    EXPECT_NEAR(first_a, 9000, 150);
}

/* ---- room ---- */

static struct quota quota;
static struct quota_provider quota_providers[FIXTURE_IDS];
static struct quota_backend quota_backends[FIXTURE_IDS];

static void room_begin(void) {
    memset(quota_providers, 0, sizeof quota_providers);
    memset(quota_backends, 0, sizeof quota_backends);
    quota_init(&quota, &world.config, quota_providers, quota_backends, 1);
}

/* The provider of backend `id` has said that no request is left. */
static void spend(unsigned id) {
    quota_backends[id].told[RATELIMIT_REQUESTS] =
        (struct quota_told){.known = true, .reset_ns = UINT64_MAX, .forget_ns = MS(1000000)};
}

TEST(route_room_rows) {
    /* Per backend: . well, s its limit spent, o open, b both; strategy fastest by 100, 200, 300,
     * 400 ms. */
    static const struct {
        const char *state, *order;
    } rows[] = {
        {"....", "abcd"}, {"s...", "bcda"}, {"ss..", "cdab"}, {"s.o.", "bdac"}, {"ssss", "abcd"},
        {"so.s", "cadb"}, {"soss", "acdb"}, {"b..s", "bcda"}, {"oooo", "abcd"}, {"bsso", "bcad"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].state);
        struct config_model *model = setup(STRATEGY_FASTEST, 4);
        room_begin();
        for (unsigned b = 0; b < 4; b++) {
            char c = rows[i].state[b];
            world_speed(model, b, MS(100 + 100 * b));
            if (c == 's' || c == 'b')
                spend(b);
            if (c == 'o' || c == 'b') {
                world.memory[b].state = HEALTH_OPEN;
                world.memory[b].open_until_ns = MS(9000 + b);
            }
        }
        struct route_dice dice = {.random = 2, .quota = &quota};
        EXPECT_STR(order_of(model, "", "", dice, MS(2000)), rows[i].order);
    }
}

/* Affinity and exploration choose among those with room, and as evenly as if there were no others. */
TEST(route_room_outranks_affinity_and_exploring) {
    enum { DRAWS = 16000 };
    unsigned affine[4] = {0}, explored[4] = {0};
    struct rand rand;
    rand_init(&rand, 41);
    for (int i = 0; i < DRAWS; i++) {
        struct config_model *model = setup(STRATEGY_FASTEST, 4);
        room_begin();
        spend(0);
        struct route_dice dice = {
            .random = rand_u64(&rand), .affinity_hash = rand_u64(&rand) | 1, .quota = &quota};
        model->affinity = AFFINITY_PREFIX;
        affine[order_of(model, "", "", dice, MS(10))[0] - 'a']++;
        model->affinity = AFFINITY_NONE;
        world_speed(model, 1, MS(100));
        world_speed(model, 2, MS(200));
        explored[order_of(model, "", "", dice, MS(10))[0] - 'a']++;
    }
    for (unsigned b = 1; b < 4; b++)
        EXPECT_NEAR(affine[b], DRAWS / 3, DRAWS / 3 * 0.06);
    EXPECT_NEAR(explored[3], DRAWS / 16, DRAWS / 16 * 0.15);
    EXPECT_EQ(explored[1] + explored[3], DRAWS);
    EXPECT_EQ(affine[0], 0);
}

TEST(route_affinity_holds_where_none_has_room) {
    struct rand rand;
    rand_init(&rand, 42);
    for (int i = 0; i < 300; i++) {
        struct config_model *model = setup(STRATEGY_FASTEST, 4);
        model->affinity = AFFINITY_PREFIX;
        struct route_dice dice = {.random = rand_u64(&rand), .affinity_hash = rand_u64(&rand) | 1};
        char well = order_of(model, "", "", dice, MS(10))[0];
        room_begin();
        for (unsigned b = 0; b < 4; b++)
            spend(b);
        dice.quota = &quota;
        EXPECT_EQ(order_of(model, "", "", dice, MS(10))[0], well);
    }
}

/* Residency and x-hedgerow-backends are no ranks: whatever the state of those who may answer, nobody
 * else is in the order, and they all are. */
TEST(route_never_holds_a_forbidden_backend) {
    static const char *const regions[] = {NULL, "eu", "EU", "us", "eu-west-2", "e"};
    static const char *const demands[] = {"", "eu", "us", "EU-WEST-2", "e"};
    static const char *const lists[] = {"", "a", "b,d", " c , a", "p,o,n,m", "x", "a,b,c,d,e,f,g"};
    struct rand rand;
    rand_init(&rand, 43);
    unsigned full = 0, empty = 0;
    for (int round = 0; round < 20000; round++) {
        unsigned count = 1 + (unsigned)rand_below(&rand, BACKENDS_MAX);
        struct config_model *model = setup((enum config_strategy)rand_below(&rand, 4), count);
        model->affinity = (enum config_affinity)rand_below(&rand, 3);
        const char *residency = demands[rand_below(&rand, countof(demands))];
        const char *only = lists[rand_below(&rand, countof(lists))];
        room_begin();
        unsigned allowed = 0;
        for (unsigned b = 0; b < count; b++) {
            struct health_backend *h = &world.memory[b];
            const char *region = regions[rand_below(&rand, countof(regions))];
            world.providers[b].provider.region = region;
            h->state = (enum health_state)rand_below(&rand, 3);
            h->open_until_ns = rand_below(&rand, MS(20));
            world_speed(model, b, rand_below(&rand, 3) ? MS(rand_below(&rand, 900)) : 0);
            if (rand_below(&rand, 2))
                spend(b);
            bool there = !*residency || (region && strcasecmp(region, residency) == 0);
            bool named = !*only || strchr(only, 'a' + (int)b);
            allowed |= there && named ? 1u << b : 0;
        }
        struct route_dice dice = {
            .random = rand_u64(&rand), .affinity_hash = rand_u64(&rand), .quota = &quota};
        unsigned seen = 0;
        for (const char *c = order_of(model, residency, only, dice, MS(10)); *c; c++) {
            EXPECT(!(seen >> (*c - 'a') & 1));
            seen |= 1u << (*c - 'a');
        }
        EXPECT_EQ(seen, allowed);
        full += allowed == (1u << count) - 1;
        empty += allowed == 0;
    }
    EXPECT(full > 100 && empty > 100 && full + empty < 15000); /* the draw is not one-sided */
}

/* Whatever health, speed, prices and dice: every allowed backend once, the usable ones in front. */
TEST(route_any_order_is_a_permutation) {
    struct rand rand;
    rand_init(&rand, 31);
    for (int round = 0; round < 3000; round++) {
        unsigned count = 1 + (unsigned)rand_below(&rand, BACKENDS_MAX);
        struct config_model *model = setup((enum config_strategy)rand_below(&rand, 4), count);
        model->affinity = (enum config_affinity)rand_below(&rand, 3);
        for (unsigned b = 0; b < count; b++) {
            struct health_backend *h = &world.memory[b];
            h->state = (enum health_state)rand_below(&rand, 3);
            h->open_until_ns = rand_below(&rand, MS(20));
            h->cool_until_ns = rand_below(&rand, 2) ? 0 : rand_below(&rand, MS(20));
            h->probing = h->state == HEALTH_HALF_OPEN && rand_below(&rand, 2);
            world_speed(model, b, rand_below(&rand, 3) ? MS(rand_below(&rand, 900)) : 0);
            model->backends[b].weight = (unsigned)rand_below(&rand, 4);
            model->backends[b].price.known = rand_below(&rand, 2);
            model->backends[b].price.input_pico = rand_below(&rand, 5);
        }
        struct route_dice dice = {
            .random = rand_u64(&rand), .affinity_hash = rand_u64(&rand), .boards = world.boards};
        const struct config_backend *order[BACKENDS_MAX], *again[BACKENDS_MAX];
        struct span any = {NULL, 0};
        unsigned n = route_order(model, any, any, &world.health, dice, MS(10), order);
        EXPECT_EQ(n, count);
        bool seen[BACKENDS_MAX] = {0}, unusable = false;
        for (unsigned i = 0; i < n; i++) {
            EXPECT(!seen[order[i]->index]);
            seen[order[i]->index] = true;
            bool usable = health_usable(&world.health, order[i]->id, MS(10));
            EXPECT(!(usable && unusable));
            unusable |= !usable;
        }
        EXPECT_EQ(route_order(model, any, any, &world.health, dice, MS(10), again), n);
        EXPECT_MEM(order, n * sizeof *order, again, n * sizeof *again);
    }
}
