/* test_plan.c - what a request may do: residency, restriction, fallback, mode, delay, limits. */
#include "appliance/race/advise.h"
#include "tests/test.h"

#include "tests/unit/race/race_fixture.h"

/* Model "m" at a (eu) b (us) c (eu); fallbacks "f" at d (eu) e (us) and "g" at a second h (us). */
static struct config_model *setup(void) {
    static const struct config_model *fallback[2];
    world_init();
    struct config_model *m = world_model("m"), *f = world_model("f"), *g = world_model("g");
    world_backend(m, "a", "eu");
    world_backend(m, "b", "us");
    world_backend(m, "c", "eu");
    world_backend(f, "d", "eu");
    world_backend(f, "e", "us");
    world_backend(g, "h", "us");
    fallback[0] = f;
    fallback[1] = g;
    m->fallback = fallback;
    return m;
}

static const char *order_of(const struct plan *plan) {
    static char text[PLAN_BACKENDS_MAX + 2];
    unsigned n = 0;
    for (unsigned i = 0; i < plan->backend_count; i++) {
        if (i == plan->own_count)
            text[n++] = '/';
        text[n++] = plan->backends[i]->provider->provider.name[0];
    }
    text[n] = 0;
    return text;
}

static const struct plan_wish no_wish;
static const struct route_dice no_dice = {.boards = world.boards};

TEST(plan_backend_rows) {
    static const struct {
        const char *key_residency, *wish_residency, *only, *key_models;
        unsigned fallbacks;
        enum fail why;
        const char *order;
    } rows[] = {
        {NULL, "", "", NULL, 0, FAIL_NONE, "abc"},
        {NULL, "", "", NULL, 1, FAIL_NONE, "abc/de"},
        {NULL, "", "", NULL, 2, FAIL_NONE, "abc/deh"},
        {"eu", "", "", NULL, 2, FAIL_NONE, "ac/d"},
        {NULL, "us", "", NULL, 2, FAIL_NONE, "b/eh"},
        {"eu", "EU", "", NULL, 2, FAIL_NONE, "ac/d"},
        {"eu", "us", "", NULL, 2, FAIL_RESIDENCY, NULL}, /* both must hold */
        {"", "us", "", NULL, 0, FAIL_NONE, "b"},
        {NULL, "ch", "", NULL, 2, FAIL_RESIDENCY, NULL},
        {"ch", "", "", NULL, 2, FAIL_RESIDENCY, NULL},
        {NULL, "", "b,c", NULL, 2, FAIL_NONE, "bc"}, /* also the fallbacks' */
        {NULL, "", "b,e", NULL, 2, FAIL_NONE, "b/e"},
        {NULL, "", "nobody", NULL, 2, FAIL_BAD_REQUEST, NULL},
        {NULL, "", "d", NULL, 2, FAIL_BAD_REQUEST, NULL}, /* not one of the model's own */
        {"eu", "", "b", NULL, 2, FAIL_RESIDENCY, NULL},
        {"eu", "", "b,c", NULL, 0, FAIL_NONE, "c"},
        {NULL, "", "", "m", 2, FAIL_NONE, "abc"}, /* a key gets no model by way of a fallback */
        {NULL, "", "", "?", 2, FAIL_NONE, "abc"}, /* not a wildcard: only '*' is */
        {NULL, "", "", "*", 2, FAIL_NONE, "abc/deh"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("row %zu", i);
        struct config_model *model = setup();
        model->fallback_count = rows[i].fallbacks;
        const char *patterns[] = {rows[i].key_models};
        struct config_key key = {.residency = rows[i].key_residency,
                                 .models = patterns,
                                 .model_count = rows[i].key_models != NULL};
        struct plan_wish wish = {.residency = span_str(rows[i].wish_residency),
                                 .backends = span_str(rows[i].only)};
        struct plan plan;
        enum fail why = plan_make(&plan, model, &key, &wish, &world.health, no_dice, 0);
        EXPECT_STR(fail_name(why), fail_name(rows[i].why));
        if (why == FAIL_NONE)
            EXPECT_STR(order_of(&plan), rows[i].order);
    }
}

TEST(plan_without_key) {
    struct config_model *model = setup();
    model->fallback_count = 2;
    model->fallback[1] = model; /* itself: skipped */
    struct plan plan;
    EXPECT_EQ(plan_make(&plan, model, NULL, &no_wish, &world.health, no_dice, 0), FAIL_NONE);
    EXPECT_STR(order_of(&plan), "abc/de");
    EXPECT(plan.model == model);
}

TEST(plan_delay_rows) {
    enum { NEVER = -1 };
    static const struct {
        const char *name;
        enum hedge_mode mode;
        bool given;
        enum hedge_mode wish;
        unsigned wish_ms, learnt_ms;
        const char *only;
        enum hedge_mode want;
        int delay_ms;
    } rows[] = {
        {"off", HEDGE_MODE_OFF, false, 0, 0, 50, "", HEDGE_MODE_OFF, NEVER},
        {"fixed: the model's", HEDGE_MODE_FIXED, false, 0, 0, 50, "", HEDGE_MODE_FIXED, 100},
        {"fixed: a wish that is not given", HEDGE_MODE_FIXED, false, HEDGE_MODE_OFF, 300, 50, "",
         HEDGE_MODE_FIXED, 100},
        {"fixed: the request's", HEDGE_MODE_ADAPTIVE, true, HEDGE_MODE_FIXED, 300, 50, "",
         HEDGE_MODE_FIXED, 300},
        {"fixed: asked without a time", HEDGE_MODE_OFF, true, HEDGE_MODE_FIXED, 0, 50, "",
         HEDGE_MODE_FIXED, 100},
        {"adaptive: learnt", HEDGE_MODE_ADAPTIVE, false, 0, 0, 700, "", HEDGE_MODE_ADAPTIVE, 700},
        {"adaptive: not yet", HEDGE_MODE_ADAPTIVE, false, 0, 0, 0, "", HEDGE_MODE_ADAPTIVE, 100},
        {"asked to be adaptive", HEDGE_MODE_OFF, true, HEDGE_MODE_ADAPTIVE, 300, 700, "",
         HEDGE_MODE_ADAPTIVE, 700},
        {"asked to be off", HEDGE_MODE_FIXED, true, HEDGE_MODE_OFF, 0, 0, "", HEDGE_MODE_OFF,
         NEVER},
        {"race", HEDGE_MODE_RACE, false, 0, 0, 700, "", HEDGE_MODE_RACE, 0},
        {"asked to race", HEDGE_MODE_OFF, true, HEDGE_MODE_RACE, 0, 0, "", HEDGE_MODE_RACE, 0},
        {"nobody to hedge with", HEDGE_MODE_FIXED, false, 0, 0, 0, "b", HEDGE_MODE_FIXED, NEVER},
        {"nobody to race", HEDGE_MODE_RACE, false, 0, 0, 0, "b", HEDGE_MODE_RACE, NEVER},
        {"two are enough", HEDGE_MODE_FIXED, false, 0, 0, 0, "b,a", HEDGE_MODE_FIXED, 100},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        struct config_model *model = setup();
        model->hedge.mode = rows[i].mode;
        model->fallback_count = 1; /* its backends are not hedged with */
        world_advice(
            model, 0, 1,
            (struct learn_advice){.delay_ns = MS(rows[i].learnt_ms ? rows[i].learnt_ms : 100),
                                  .probability = 1,
                                  .with_ns = MS(1)});
        world_advice(model, 0, 2, (struct learn_advice){.delay_ns = MS(50), .with_ns = MS(2)});
        world_advice(model, 1, 0, (struct learn_advice){.delay_ns = MS(123456)});
        struct plan_wish wish = {.mode_given = rows[i].given,
                                 .mode = rows[i].wish,
                                 .delay_ns = MS(rows[i].wish_ms),
                                 .backends = span_str(rows[i].only)};
        struct plan plan;
        REQUIRE(plan_make(&plan, model, NULL, &wish, &world.health, no_dice, 0) == FAIL_NONE);
        EXPECT_EQ(plan.mode, rows[i].want);
        if (rows[i].delay_ms == NEVER)
            EXPECT(plan.delay_ns == UINT64_MAX);
        else if (rows[i].want == HEDGE_MODE_ADAPTIVE)
            EXPECT_NEAR((double)plan.delay_ns / NS_PER_MS, rows[i].delay_ms,
                        rows[i].delay_ms * ADVISE_JITTER);
        else
            EXPECT_EQ(plan.delay_ns, MS(rows[i].delay_ms));
    }
}

/* The best second has no room for a hedge: the next best that has it, or the best where none has. */
TEST(plan_adaptive_second_has_room) {
    static const struct {
        const char *name;
        uint64_t left[3]; /* requests of 100, as providers a b c tell */
        char second;
    } rows[] = {
        {"the best", {100, 100, 100}, 'b'},       {"nothing is left of it", {100, 0, 100}, 'c'},
        {"only the reserve", {100, 10, 11}, 'c'}, {"just more", {100, 11, 100}, 'b'},
        {"nobody has room", {100, 3, 3}, 'b'},    {"all others", {100, 100, 0}, 'b'},
    };
    static struct quota quota;
    static struct quota_provider providers[FIXTURE_IDS];
    static struct quota_backend backends[FIXTURE_IDS];
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        struct config_model *model = setup();
        model->hedge.mode = HEDGE_MODE_ADAPTIVE;
        for (unsigned b = 1; b < 3; b++)
            world_advice(model, 0, b,
                         (struct learn_advice){
                             .delay_ns = MS(100 * b), .probability = 1, .with_ns = MS(500 + b)});
        memset(providers, 0, sizeof providers);
        memset(backends, 0, sizeof backends);
        quota_init(&quota, &world.config, providers, backends, 1);
        for (unsigned b = 0; b < 3; b++)
            backends[b].told[RATELIMIT_REQUESTS] = (struct quota_told){.known = true,
                                                                       .limit = 100,
                                                                       .remaining = rows[i].left[b],
                                                                       .reset_ns = UINT64_MAX,
                                                                       .forget_ns = MS(1000000)};
        struct route_dice dice = {.random = 2, .quota = &quota, .boards = world.boards};
        struct plan plan;
        REQUIRE(plan_make(&plan, model, NULL, &no_wish, &world.health, dice, MS(1)) == FAIL_NONE);
        EXPECT_EQ(plan.backends[1]->provider->provider.name[0], rows[i].second);
        EXPECT_NEAR((double)plan.delay_ns / NS_PER_MS, rows[i].second == 'b' ? 100 : 200, 20);
    }
}

TEST(plan_adaptive_delay_is_spread) {
    struct config_model *model = setup();
    model->hedge.mode = HEDGE_MODE_ADAPTIVE;
    uint64_t least = UINT64_MAX, most = 0, sum = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        struct plan plan;
        struct route_dice dice = {.random = i * UINT64_C(0x9e3779b97f4a7c15),
                                  .boards = world.boards};
        REQUIRE(plan_make(&plan, model, NULL, &no_wish, &world.health, dice, 0) == FAIL_NONE);
        least = min_u64(least, plan.delay_ns);
        most = max_u64(most, plan.delay_ns);
        sum += plan.delay_ns;
    }
    EXPECT(least >= MS(95) && least < MS(96));
    EXPECT(most <= MS(105) && most > MS(104));
    EXPECT_NEAR((double)sum / 1000, (double)MS(100), (double)MS(1));
}

TEST(plan_ejected_rows) {
    /* Cooling backends of a b c; how many may be hedged with? */
    static const struct {
        const char *cooling, *order;
        unsigned ejected;
        bool by_delay;
    } rows[] = {
        {"", "abc", 0, true},    {"a", "bca", 1, true},    {"ab", "cab", 2, false},
        {"bc", "abc", 2, false}, {"abc", "abc", 3, false},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("cooling '%s'", rows[i].cooling);
        struct config_model *model = setup();
        for (const char *c = rows[i].cooling; *c; c++)
            world.memory[*c - 'a'].cool_until_ns = MS(1000);
        struct plan plan;
        EXPECT_EQ(plan_make(&plan, model, NULL, &no_wish, &world.health, no_dice, MS(500)),
                  FAIL_NONE);
        EXPECT_STR(order_of(&plan), rows[i].order);
        EXPECT_EQ(plan.ejected_count, rows[i].ejected);
        EXPECT_EQ(plan.delay_ns != UINT64_MAX, rows[i].by_delay);
    }
}

TEST(plan_attempt_rows) {
    static const struct {
        unsigned max, fallbacks, attempts, fallback_attempts;
    } rows[] = {{1, 0, 1, 0}, {2, 0, 2, 0}, {2, 1, 2, 1},  {2, 2, 2, 2},
                {7, 2, 7, 1}, {8, 2, 8, 0}, {99, 2, 8, 0}, {1, 2, 1, 2}};
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%u attempts, %u fallbacks", rows[i].max, rows[i].fallbacks);
        struct config_model *model = setup();
        model->hedge.max_attempts = rows[i].max;
        model->fallback_count = rows[i].fallbacks;
        struct plan plan;
        EXPECT_EQ(plan_make(&plan, model, NULL, &no_wish, &world.health, no_dice, 0), FAIL_NONE);
        EXPECT_EQ(plan.attempts_max, rows[i].attempts);
        EXPECT_EQ(plan.fallback_attempts, rows[i].fallback_attempts);
    }
    /* A fallback of which nothing may be used brings no attempt. */
    struct config_model *model = setup();
    model->fallback_count = 2;
    struct plan_wish wish = {.backends = SPAN("a,h")};
    struct plan plan;
    EXPECT_EQ(plan_make(&plan, model, NULL, &wish, &world.health, no_dice, 0), FAIL_NONE);
    EXPECT_STR(order_of(&plan), "a/h");
    EXPECT_EQ(plan.fallback_attempts, 1);
}

TEST(plan_total_rows) {
    static const struct {
        unsigned model_ms, wish_ms, want_ms;
    } rows[] = {{600, 0, 600}, {600, 20, 20}, {600, 900, 600}, {0, 20, 20}, {0, 0, 0}};
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("model %u wish %u", rows[i].model_ms, rows[i].wish_ms);
        struct config_model *model = setup();
        model->timeouts.total_ns = MS(rows[i].model_ms);
        struct plan_wish wish = {.total_ns = MS(rows[i].wish_ms)};
        struct plan plan;
        EXPECT_EQ(plan_make(&plan, model, NULL, &wish, &world.health, no_dice, 0), FAIL_NONE);
        EXPECT_EQ(plan.timeouts.total_ns, MS(rows[i].want_ms));
        EXPECT_EQ(plan.timeouts.first_token_ns, model->timeouts.first_token_ns);
    }
}

TEST(plan_takes_over_the_rest) {
    struct config_model *model = setup();
    model->hedge.on_stall = ON_STALL_RESTART;
    model->hedge.commit_on_reasoning = true;
    struct plan plan;
    EXPECT_EQ(plan_make(&plan, model, NULL, &no_wish, &world.health, no_dice, 0), FAIL_NONE);
    EXPECT_EQ(plan.on_stall, ON_STALL_RESTART);
    EXPECT(plan.commit_on_reasoning);
}

TEST(plan_room_for_the_most) {
    static const struct config_model *fallback[3];
    static const char *const names[BACKENDS_MAX] = {"a", "b", "c", "d", "e", "f", "g", "h",
                                                    "i", "j", "k", "l", "m", "n", "o", "p"};
    static const char *const order = "abcdefghijklmnop/abcdefghijklmnop";
    world_init();
    struct config_model *model = world_model("m");
    world_backends(model, names, BACKENDS_MAX);
    for (unsigned i = 0; i < 3; i++) {
        struct config_model *other = world_model("f");
        world_backends(other, names, BACKENDS_MAX);
        fallback[i] = other;
    }
    model->fallback = fallback;
    model->fallback_count = 3;
    struct plan plan;
    EXPECT_EQ(plan_make(&plan, model, NULL, &no_wish, &world.health, no_dice, 0), FAIL_NONE);
    EXPECT_EQ(plan.backend_count, PLAN_BACKENDS_MAX);
    EXPECT_STR(order_of(&plan), order);
}
