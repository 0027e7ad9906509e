/* test_learner.c - what one worker saw is known to the others, and to the next configuration. */
#include "tests/test.h"

#include <pthread.h>

#include "appliance/race/advise.h"
#include "appliance/race/learner.h"
#include "core/rand.h"
#include "tests/unit/race/race_fixture.h"

#define TICK_NS MS(250)
#define KIND    1u /* short and streamed */

static struct config_model *setup(void) {
    world_init();
    struct config_model *model = world_model("m"), *other = world_model("n");
    model->hedge.request_budget = other->hedge.request_budget = 0.05;
    model->hedge.target = other->hedge.target = 0.99;
    world_backend(model, "a", NULL);
    world_backend(model, "b", NULL);
    world_backend(other, "a", NULL);
    for (unsigned i = 0; i < world.config.provider_count; i++)
        world.providers[i].provider.host = "h";
    return model;
}

static void add(struct learner_batch *batch, unsigned model, unsigned backend, uint64_t value_ns) {
    struct learn_sample sample = {
        .value_ns = value_ns, .backend = (uint16_t)backend, .behind = LEARN_NOBODY, .kind = KIND};
    learner_add(batch, model, &sample);
}

static uint64_t median_ns(const struct learner_batch *batch, unsigned model, unsigned backend) {
    return learn_speed(&batch->boards[model], backend, KIND)->p50_ns;
}

TEST(learner_shares_what_one_worker_saw) {
    struct config_model *model = setup();
    struct learner *learner = learner_new(&world.config, 2, 0);
    struct learner_batch one, two;
    learner_open(learner, &one);
    learner_open(learner, &two);
    for (int i = 0; i < 200; i++)
        add(&one, 0, 0, MS(300));
    EXPECT_EQ(median_ns(&two, 0, 0), 0);
    EXPECT_EQ(learn_advice(&two.boards[0], 0, KIND, 1)->delay_ns, model->hedge.delay_ns);
    learner_give(&one);
    learner_compute(learner, TICK_NS);
    learner_give(&two);
    EXPECT_NEAR((double)median_ns(&two, 0, 0), (double)MS(300), (double)MS(300) * 0.06);
    EXPECT_EQ(median_ns(&two, 0, 1), 0);
    EXPECT_EQ(median_ns(&two, 1, 0), 0); /* another model's backend of that number */
    /* The first reads it at its next tick, and both go on from there. */
    EXPECT_EQ(median_ns(&one, 0, 0), 0);
    learner_give(&one);
    EXPECT_EQ(median_ns(&one, 0, 0), median_ns(&two, 0, 0));
    for (int i = 0; i < 2000; i++)
        add(&two, 0, 0, MS(600));
    learner_give(&two);
    for (unsigned tick = 2; tick < 6; tick++) /* a kind's turn comes within a second */
        learner_compute(learner, tick * TICK_NS);
    learner_give(&one);
    EXPECT_NEAR((double)median_ns(&one, 0, 0), (double)MS(600), (double)MS(600) * 0.06);
    learner_close(&one);
    learner_close(&two);
    learner_free(&learner);
}

/* Boards are copied under the lock: only those that are new. */
TEST(learner_copies_what_has_changed) {
    setup();
    struct learner *learner = learner_new(&world.config, 1, 0);
    struct learner_batch batch;
    learner_open(learner, &batch);
    uint64_t now_ns = TICK_NS, idle_from_ns = LEARN_STALE_NS + 10 * TICK_NS;
    add(&batch, 0, 0, MS(300));
    for (; now_ns < idle_from_ns; now_ns += TICK_NS) {
        learner_give(&batch);
        learner_compute(learner, now_ns);
    }
    learner_give(&batch);
    uint64_t seen[] = {batch.seen[0], batch.seen[1]};
    EXPECT(seen[0] > seen[1]);
    EXPECT_EQ(seen[1], 1); /* nobody asked it: it became stale, and that is told */
    EXPECT(batch.boards[1].stale[0]);
    for (; now_ns < idle_from_ns + 100 * TICK_NS; now_ns += TICK_NS)
        learner_compute(learner, now_ns);
    learner_give(&batch);
    EXPECT_EQ(batch.seen[0], seen[0]);
    EXPECT_EQ(batch.seen[1], seen[1]);
    /* An age, too, is news. */
    learner_add_age(
        &batch, 1,
        &(struct learn_sample){.value_ns = MS(300), .behind = LEARN_NOBODY, .cut = true});
    learner_give(&batch);
    learner_compute(learner, now_ns);
    learner_give(&batch);
    EXPECT_EQ(batch.seen[0], seen[0]);
    EXPECT_EQ(batch.seen[1], seen[1] + 1);
    learner_close(&batch);
    learner_free(&learner);
}

/* A backend that has answered nothing yet is known by how long it is waited for; those ages are of one
 * tick, and not counted again at the next. */
TEST(learner_ages_are_replaced) {
    setup();
    struct learner *learner = learner_new(&world.config, 2, 0);
    struct learner_batch one, two;
    learner_open(learner, &one);
    learner_open(learner, &two);
    for (int i = 0; i < 200; i++)
        add(&one, 0, 0, MS(100));
    learner_give(&one);
    learner_compute(learner, TICK_NS);
    for (unsigned tick = 2; tick < 40; tick++) {
        struct learn_sample age = {
            .value_ns = MS(5000), .backend = 0, .behind = LEARN_NOBODY, .kind = KIND, .cut = true};
        for (int i = 0; tick < 20 && i < 1000; i++)
            learner_add_age(tick % 2 ? &one : &two, 0, &age);
        learner_give(&one);
        learner_give(&two);
        learner_compute(learner, tick * TICK_NS);
        learner_give(&one);
        if (tick == 10)
            EXPECT(median_ns(&one, 0, 0) > MS(4000));
    }
    EXPECT_NEAR((double)median_ns(&one, 0, 0), (double)MS(100), (double)MS(100) * 0.06);
    learner_close(&one);
    learner_close(&two);
    learner_free(&learner);
}

TEST(learner_counts_what_it_drops) {
    setup();
    struct learner *learner = learner_new(&world.config, 1, 0);
    struct learner_batch batch;
    learner_open(learner, &batch);
    for (unsigned i = 0; i < LEARNER_BATCH + 7; i++)
        add(&batch, 0, 0, MS(100));
    EXPECT_EQ(batch.dropped, 7);
    learner_give(&batch); /* fills the inbox, which nobody empties */
    for (unsigned i = 0; i < 5; i++)
        add(&batch, 0, 0, MS(100));
    learner_give(&batch);
    EXPECT_EQ(batch.dropped, 12);
    for (unsigned i = 0; i < LEARNER_AGES + 9; i++)
        learner_add_age(&batch, 0, &(struct learn_sample){.behind = LEARN_NOBODY, .cut = true});
    EXPECT_EQ(batch.age_count, LEARNER_AGES);
    EXPECT_ABORT(learner_open(learner, &(struct learner_batch){0})); /* one worker, one end */
    learner_compute(learner, TICK_NS);
    learner_give(&batch);
    EXPECT(median_ns(&batch, 0, 0) > 0);
    learner_close(&batch);
    learner_free(&learner);
}

/* After a reload: backends that stay are known, wherever they stand now; those that moved are not. */
TEST(learner_inherits_by_name) {
    setup();
    struct config old = world.config;
    struct learner *before = learner_new(&old, 1, 0);
    struct learner_batch batch;
    learner_open(before, &batch);
    for (int i = 0; i < 100; i++) {
        add(&batch, 0, 0, MS(100));
        add(&batch, 0, 1, MS(900));
    }
    learner_give(&batch);
    learner_compute(before, TICK_NS);
    learner_close(&batch);

    struct config_provider providers[3] = {world.providers[1], world.providers[0],
                                           world.providers[1]};
    providers[2].provider.port = 99; /* another address */
    struct config_backend backends[3];
    struct config_model model = world.models[0];
    for (unsigned i = 0; i < 3; i++)
        backends[i] =
            (struct config_backend){.provider = &providers[i], .model = "m", .index = i, .id = i};
    model.backends = backends;
    model.backend_count = 3;
    struct config config = {.models = &model, .model_count = 1, .backend_count = 3};
    struct config_slot slots[8];
    const char *twice;
    REQUIRE(config_index_slots(&config) <= countof(slots));
    memset(slots, 0, sizeof slots);
    REQUIRE(config_index(&config, slots, &twice) == 0);
    struct config_slot old_slots[8];
    memset(old_slots, 0, sizeof old_slots);
    REQUIRE(config_index(&old, old_slots, &twice) == 0);

    struct learner *after = learner_new(&config, 1, 2 * TICK_NS);
    learner_inherit(after, before);
    learner_compute(after, 2 * TICK_NS);
    learner_open(after, &batch);
    learner_give(&batch);
    EXPECT_NEAR((double)median_ns(&batch, 0, 0), (double)MS(900), (double)MS(900) * 0.06);
    EXPECT_NEAR((double)median_ns(&batch, 0, 1), (double)MS(100), (double)MS(100) * 0.06);
    EXPECT_EQ(median_ns(&batch, 0, 2), 0);
    learner_close(&batch);
    learner_free(&after);
    learner_free(&before);
}

/* What the operator has set as the longest delay holds, whatever was configured or learnt, also when half
 * of the requests take longer. */
TEST(learner_keeps_the_longest_delay) {
    static const struct {
        const char *name;
        uint64_t delay_ms, most_ms;
    } rows[] = {{"above the median", 60000, 2500}, {"below the median", 60000, 500}};
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        struct config_model *model = setup();
        model->hedge.delay_ns = MS(rows[i].delay_ms);
        model->hedge.max_delay_ns = MS(rows[i].most_ms);
        struct learner *learner = learner_new(&world.config, 1, 0);
        struct learner_batch batch;
        struct rand rand;
        rand_init(&rand, 1);
        learner_open(learner, &batch);
        for (unsigned tick = 1; tick < 400; tick++) {
            for (unsigned n = 0; n < 10; n++)
                for (unsigned b = 0; b < 2; b++) {
                    uint64_t ms = 1300 + rand_below(&rand, 400);
                    add(&batch, 0, b, MS(b == 0 && rand_below(&rand, 50) == 0 ? 30000 : ms));
                }
            for (uint64_t draw = 0; draw < 20; draw++) {
                struct advise says = advise(&batch.boards[0], 0, KIND, UINT32_MAX, rand_u64(&rand));
                EXPECT(says.delay_ns <= MS(rows[i].most_ms));
            }
            learner_give(&batch);
            learner_compute(learner, tick * TICK_NS);
            learner_give(&batch);
        }
        learner_close(&batch);
        learner_free(&learner);
    }
}

/* --- many workers at once --- */

#define WORKERS 4
#define ROUNDS  2000

static struct learner *shared;

static void *work(void *unused) {
    (void)unused;
    struct learner_batch batch;
    struct rand rand;
    learner_open(shared, &batch);
    rand_init(&rand, batch.worker);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 8; i++)
            add(&batch, 0, (unsigned)rand_below(&rand, 2), MS(100) + rand_below(&rand, MS(10)));
        learner_add_money(&batch, 0, 100, 1, 1);
        learner_give(&batch);
        uint64_t median = median_ns(&batch, 0, 0);
        CHECK(median == 0 || (median > MS(90) && median < MS(120)));
    }
    learner_close(&batch);
    return NULL;
}

TEST(learner_many_workers) {
    struct config_model *model = setup();
    pthread_t threads[WORKERS];
    shared = learner_new(&world.config, WORKERS, 0);
    for (unsigned i = 0; i < WORKERS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, work, NULL) == 0);
    for (unsigned tick = 1; tick < 400; tick++)
        learner_compute(shared, tick * TICK_NS);
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    learner_compute(shared, 400 * TICK_NS);
    struct learn copy;
    struct learn_settings settings = learner_settings(model);
    void *memory = calloc(1, learn_size(model->backend_count));
    learn_init(&copy, &settings, model->backend_count, memory, 0);
    learner_copy(shared, 0, &copy);
    EXPECT(learn_speed(&copy.board, 0, KIND)->samples > 100);
    EXPECT_NEAR(copy.wasted / copy.won, 0.01, 1e-9); /* nothing torn, nothing taken twice */
    free(memory);
    learner_free(&shared);
}
