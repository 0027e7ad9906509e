/* test_config.c - the table of model names, and which key may use which model. */
#include "tests/test.h"

#include <errno.h>

#include "tests/unit/race/race_fixture.h"

static struct config_slot slots[4096];

static const char *found(const char *name) {
    const struct config_model *model = config_model_find(&world.config, span_str(name));
    return model ? model->name : NULL;
}

TEST(config_model_find_rows) {
    static const char *aliases[] = {"gpt-5.5-2026-04-23", "big"};
    static const struct {
        const char *name, *model;
    } rows[] = {
        {"gpt-5.5", "gpt-5.5"}, {"gpt-5.5-2026-04-23", "gpt-5.5"},
        {"big", "gpt-5.5"},     {"gpt-5.5-mini", "gpt-5.5-mini"},
        {"gpt-5", NULL},        {"gpt-5.55", NULL},
        {"GPT-5.5", NULL},      {"", NULL},
    };
    world_init();
    struct config_model *model = world_model("gpt-5.5");
    world_model("gpt-5.5-mini");
    model->aliases = aliases;
    model->alias_count = countof(aliases);
    const char *twice = NULL;
    REQUIRE(config_index_slots(&world.config) <= countof(slots));
    EXPECT_EQ(config_index(&world.config, slots, &twice), 0);
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        EXPECT_STR(found(rows[i].name), rows[i].model);
    }
    EXPECT(config_model_find(&world.config, span_of("big\0", 4)) == NULL);
    EXPECT(config_model_find(&world.config, span_of(NULL, 0)) == NULL);
}

TEST(config_index_refuses_a_name_twice) {
    static const char *same[] = {"x", "b"};
    world_init();
    world_model("a")->aliases = same;
    world_model("b");
    world.models[0].alias_count = 1;
    const char *twice = NULL;
    EXPECT_EQ(config_index(&world.config, slots, &twice), 0);
    world.models[0].alias_count = 2;
    EXPECT_EQ(config_index(&world.config, slots, &twice), -EEXIST);
    EXPECT_STR(twice, "b");
}

TEST(config_index_many) {
    enum { MANY = 1000 };
    static struct config_model models[MANY];
    static char names[MANY][16];
    struct config config = {.models = models, .model_count = MANY};
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "model-%d", i);
        models[i].name = names[i];
    }
    const char *twice = NULL;
    REQUIRE(config_index_slots(&config) <= countof(slots));
    EXPECT(config_index_slots(&config) >= 2 * MANY);
    REQUIRE(config_index(&config, slots, &twice) == 0);
    for (int i = 0; i < MANY; i++)
        EXPECT(config_model_find(&config, span_str(names[i])) == &models[i]);
    EXPECT(config_model_find(&config, SPAN("model-1000")) == NULL);
}

TEST(config_index_stays_within_its_slots) {
    /* Small tables of many names: searches run past the last slot and go on at the first. */
    char names[2][16];
    for (int i = 0; i < 300; i++) {
        ROW("pair %d", i);
        world_init();
        for (int n = 0; n < 2; n++) {
            snprintf(names[n], sizeof names[n], "%c-%d", "xy"[n], n ? i * i : i);
            world_model(names[n]);
        }
        unsigned count = config_index_slots(&world.config);
        REQUIRE(count == 4);
        slots[count] = (struct config_slot){.name = "beyond"};
        const char *twice = NULL;
        REQUIRE(config_index(&world.config, slots, &twice) == 0);
        EXPECT_STR(found(names[0]), names[0]);
        EXPECT_STR(found(names[1]), names[1]);
        unsigned used = 0;
        for (unsigned k = 0; k < count; k++)
            used += slots[k].name != NULL;
        EXPECT_EQ(used, 2);
        EXPECT_STR(slots[count].name, "beyond");
    }
}

TEST(config_without_models) {
    struct config config = {0};
    const char *twice = NULL;
    EXPECT_ABORT((void)config_model_find(&config, SPAN("x"))); /* not indexed */
    EXPECT_EQ(config_index(&config, slots, &twice), 0);
    EXPECT(config_model_find(&config, SPAN("x")) == NULL);
}

TEST(config_key_allows_rows) {
    static const struct {
        const char *patterns[2];
        unsigned count;
        bool allows;
    } rows[] = {
        {{0}, 0, true},        {{"*"}, 1, true},
        {{"gpt-*"}, 1, true},  {{"claude-*", "gpt-5.5"}, 2, true},
        {{"gpt-5"}, 1, false}, {{"claude-*"}, 1, false},
        {{"big"}, 1, true}, /* its alias */
        {{""}, 1, false},
    };
    static const char *aliases[] = {"big"};
    struct config_model model = {.name = "gpt-5.5", .aliases = aliases, .alias_count = 1};
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%u %s", rows[i].count, rows[i].count ? rows[i].patterns[0] : "");
        const char *patterns[2] = {rows[i].patterns[0], rows[i].patterns[1]};
        struct config_key key = {.models = patterns, .model_count = rows[i].count};
        EXPECT_EQ(config_key_allows(&key, &model), rows[i].allows);
    }
    EXPECT(config_key_allows(NULL, &model));
}
