/* crew_fixture.h - a crew without threads, for what reads workers' counters: metrics and readiness.
 *
 * Owns:     one crew of FIXTURE_WORKERS members over the world of race_fixture.h, each with
 *           upstreams whose counters the test fills in by hand. All static; crew_world_end frees
 *           what crew_world took.
 * Refuses:  to run: no member has a loop or a socket. */
#ifndef TESTS_UNIT_CONTROL_CREW_FIXTURE_H
#define TESTS_UNIT_CONTROL_CREW_FIXTURE_H

#include "appliance/control/crew.h"
#include "core/heap.h"
#include "tests/unit/race/race_fixture.h"

#define FIXTURE_WORKERS 2

static struct {
    struct crew crew;
    struct crew_member members[FIXTURE_WORKERS];
    struct upstreams upstreams[FIXTURE_WORKERS];
    struct server servers[FIXTURE_WORKERS];
    struct pool_origin pools[FIXTURE_WORKERS][FIXTURE_IDS];
} crew_world;

static inline void crew_world_member(unsigned i) {
    struct crew_member *member = &crew_world.members[i];
    struct upstreams *upstreams = &crew_world.upstreams[i];
    member->crew = &crew_world.crew;
    member->worker.index = i;
    pthread_mutex_init(&member->view, NULL);
    atomic_store(&member->ready, true);
    member->servers = &crew_world.servers[i];
    member->server_count = 1;
    slab_init(&crew_world.servers[i].sessions_slab, "server_session", 64, 0);
    slab_init(&member->race.exchange_slab, "exchange", 128, 0);
    slab_init(&member->race.attempt_slab, "attempt", 128, 0);
    upstreams->race = &member->race;
    upstreams->config = &world.config;
    upstreams->pools = crew_world.pools[i];
    for (unsigned p = 0; p < FIXTURE_IDS; p++) {
        slab_init(&crew_world.pools[i][p].sessions, "pool_session", 64, 0);
        slab_init(&crew_world.pools[i][p].dials, "pool_dial", 64, 0);
    }
    upstreams->models = heap_alloc(FIXTURE_MODELS * sizeof *upstreams->models);
    upstreams->backends = heap_alloc(FIXTURE_IDS * sizeof *upstreams->backends);
    upstreams->budgets = heap_alloc(FIXTURE_MODELS * sizeof *upstreams->budgets);
    health_init(&upstreams->health, heap_alloc(FIXTURE_IDS * sizeof *upstreams->health.backends),
                FIXTURE_IDS, 0);
    quota_init(&upstreams->quota, &world.config,
               heap_alloc(FIXTURE_IDS * sizeof *upstreams->quota.providers),
               heap_alloc(FIXTURE_IDS * sizeof *upstreams->quota.backends), FIXTURE_WORKERS);
    member->race.current = upstreams;
}

/* To be called when the world has its models: every provider becomes one of kind openai. */
static inline struct crew *crew_world_begin(void) {
    memset(&crew_world, 0, sizeof crew_world);
    world.config.generation = 1;
    for (unsigned i = 0; i < world.config.provider_count; i++)
        world.providers[i].provider.kind = provider_kind_find(SPAN("openai"));
    for (unsigned i = 0; i < FIXTURE_WORKERS; i++)
        crew_world_member(i);
    crew_world.crew.members = crew_world.members;
    crew_world.crew.count = FIXTURE_WORKERS;
    return &crew_world.crew;
}

static inline void crew_world_end(void) {
    for (unsigned i = 0; i < FIXTURE_WORKERS; i++) {
        struct upstreams *upstreams = &crew_world.upstreams[i];
        pthread_mutex_destroy(&crew_world.members[i].view);
        heap_free(&upstreams->models);
        heap_free(&upstreams->backends);
        heap_free(&upstreams->budgets);
        heap_free(&upstreams->health.backends);
        heap_free(&upstreams->quota.providers);
        heap_free(&upstreams->quota.backends);
    }
}

#endif
