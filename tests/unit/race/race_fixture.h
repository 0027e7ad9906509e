/* race_fixture.h - a small configuration in static memory, for the tests of the race.
 *
 * Owns:     one world: providers, models, backends and their health, all filled in by hand as
 *           control would fill them in. Ids count up over the models in the order of the calls.
 * Refuses:  more than its arrays hold (CHECK). */
#ifndef TESTS_UNIT_RACE_RACE_FIXTURE_H
#define TESTS_UNIT_RACE_RACE_FIXTURE_H

#include <string.h>

#include "appliance/race/plan.h"
#include "appliance/race/learn.h"
#include "core/base.h"

#define FIXTURE_MODELS 4
#define FIXTURE_IDS    (FIXTURE_MODELS * BACKENDS_MAX)
#define MS(n)          ((uint64_t)(n)*NS_PER_MS)

static struct {
    struct config config;
    struct config_provider providers[FIXTURE_IDS];
    struct config_model models[FIXTURE_MODELS];
    struct config_backend backends[FIXTURE_MODELS][BACKENDS_MAX];
    struct health_backend memory[FIXTURE_IDS];
    struct health health;
    struct learn_board boards[FIXTURE_MODELS];
    struct {
        struct learn_advice advice[BACKENDS_MAX * (LEARN_KINDS + 1) * BACKENDS_MAX];
        struct learn_speed speeds[BACKENDS_MAX * (LEARN_KINDS + 1)];
    } learnt[FIXTURE_MODELS];
} world;

static inline void world_init(void) {
    memset(&world, 0, sizeof world);
    world.config.providers = world.providers;
    world.config.models = world.models;
    health_init(&world.health, world.memory, 0, 0);
}

static inline struct config_model *world_model(const char *name) {
    CHECK(world.config.model_count < FIXTURE_MODELS);
    unsigned index = world.config.model_count++;
    struct config_model *model = &world.models[index];
    *model = (struct config_model){
        .name = name,
        .index = index,
        .backends = world.backends[index],
        .strategy = STRATEGY_ORDERED,
        .hedge = {.mode = HEDGE_MODE_FIXED,
                  .delay_ns = MS(100),
                  .max_attempts = 2,
                  .request_budget = 0.05},
        .timeouts = {.first_token_ns = MS(30000), .total_ns = MS(600000)},
    };
    return model;
}

/* A backend at a provider of its own. Its health starts empty. */
static inline struct config_backend *world_backend(struct config_model *model, const char *provider,
                                                   const char *region) {
    CHECK(model->backend_count < BACKENDS_MAX && world.config.backend_count < FIXTURE_IDS);
    unsigned id = world.config.backend_count++;
    struct config_provider *p = &world.providers[id];
    p->index = world.config.provider_count++;
    p->provider.name = provider;
    p->provider.region = region;
    struct config_backend *backend = &model->backends[model->backend_count];
    *backend = (struct config_backend){
        .provider = p, .model = model->name, .weight = 1, .index = model->backend_count, .id = id};
    backend->model_index = model->index;
    model->backend_count++;
    health_init(&world.health, world.memory, world.config.backend_count, 0);
    struct learn_settings settings = {.delay_ns = model->hedge.delay_ns};
    learn_board_init(&world.boards[model->index], &settings, model->backend_count,
                     &world.learnt[model->index]);
    return backend;
}

/* What has been learnt of a backend, for requests of every kind; 0: nothing. */
static inline void world_speed(const struct config_model *model, unsigned index, uint64_t p50_ns) {
    const struct learn_board *board = &world.boards[model->index];
    for (unsigned kind = 0; kind <= LEARN_KINDS; kind++)
        ((struct learn_speed *)learn_speed(board, index, kind))->p50_ns = p50_ns;
}

/* What has been learnt of a hedge at `second` behind `first`. */
static inline void world_advice(const struct config_model *model, unsigned first, unsigned second,
                                struct learn_advice advice) {
    const struct learn_board *board = &world.boards[model->index];
    for (unsigned kind = 0; kind <= LEARN_KINDS; kind++)
        *(struct learn_advice *)learn_advice(board, first, kind, second) = advice;
}

static inline void world_backends(struct config_model *model, const char *const *providers,
                                  unsigned count) {
    for (unsigned i = 0; i < count; i++)
        world_backend(model, providers[i], NULL);
}

#endif
