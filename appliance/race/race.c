/* race.c - one worker's context and the upstreams of its configurations. See race.h. */
#include "appliance/race/race.h"

#include "appliance/race/permit.h"
#include "appliance/race/teach.h"
#include "core/heap.h"
#include "net/server.h"

/* Pooled connections are closed when unused for so long (PROVIDERS.md 7: the shortest documented
 * idle limits are about 30 to 60 s). */
#define POOL_IDLE_NS (55 * NS_PER_S)
/* A core that is busier than this has no time for hedges (HEDGING.md "When to hedge"). */
#define CORE_BUSY_SHARE 0.80

const char *race_outcome_name(enum race_outcome outcome) {
    static const char *const names[] = {[OUTCOME_WON] = "won",
                                        [OUTCOME_LOST] = "lost",
                                        [OUTCOME_FAILED] = "failed",
                                        [OUTCOME_CANCELLED] = "cancelled"};
    CHECK((unsigned)outcome < OUTCOME_COUNT);
    return names[outcome];
}

enum race_outcome race_outcome_of(enum fail why) {
    if (why == FAIL_NONE)
        return OUTCOME_WON;
    if (why == FAIL_LOST)
        return OUTCOME_LOST;
    return why == FAIL_CANCELLED ? OUTCOME_CANCELLED : OUTCOME_FAILED;
}

/* --- upstreams --- */

static void open_pool(struct upstreams *upstreams, const struct config_provider *provider) {
    struct pool_settings settings = {.host = provider->provider.host,
                                     .port = provider->provider.port,
                                     .tls_name = provider->server_name,
                                     .tls = provider->tls,
                                     .min_idle = provider->pool_min_idle,
                                     .max_connections = provider->pool_max_connections,
                                     .idle_ns = POOL_IDLE_NS};
    pool_init(&upstreams->pools[provider->index], upstreams->race->loop, upstreams->race->resolve,
              &settings);
}

static struct upstreams *upstreams_new(struct race *race, const struct config *config) {
    struct upstreams *upstreams = heap_alloc(sizeof *upstreams);
    uint64_t now_ns = race->loop->now_ns;
    upstreams->race = race;
    upstreams->config = config;
    upstreams->holds = 1; /* the race's own */
    list_init(&upstreams->link);
    upstreams->pools = heap_alloc(config->provider_count * sizeof *upstreams->pools + 1);
    upstreams->budgets = heap_alloc(config->model_count * sizeof *upstreams->budgets + 1);
    upstreams->models = heap_alloc(config->model_count * sizeof *upstreams->models + 1);
    upstreams->backends = heap_alloc(config->backend_count * sizeof *upstreams->backends + 1);
    upstreams->providers = heap_alloc(config->provider_count * sizeof *upstreams->providers + 1);
    struct health_backend *health = heap_alloc(config->backend_count * sizeof *health + 1);
    health_init(&upstreams->health, health, config->backend_count, now_ns);
    struct quota_provider *limits = heap_alloc(config->provider_count * sizeof *limits + 1);
    struct quota_backend *told = heap_alloc(config->backend_count * sizeof *told + 1);
    quota_init(&upstreams->quota, config, limits, told, race->workers);
    upstreams->waiting = heap_alloc(config->model_count * sizeof *upstreams->waiting + 1);
    for (unsigned i = 0; i < config->model_count; i++) {
        budget_init(&upstreams->budgets[i]);
        list_init(&upstreams->waiting[i]);
    }
    if (!config->learner)
        upstreams->learner = learner_new(config, 1, now_ns);
    learner_open(config->learner ? config->learner : upstreams->learner, &upstreams->batch);
    for (unsigned i = 0; i < config->provider_count; i++)
        open_pool(upstreams, &config->providers[i]);
    return upstreams;
}

/* What was learnt stays with the models and backends that stay. */
static void inherit_model(struct upstreams *upstreams, const struct upstreams *old,
                          const struct config_model *model, const struct config_model *was) {
    upstreams->budgets[model->index] = old->budgets[was->index];
    for (unsigned k = 0; k < model->backend_count; k++) {
        const struct config_backend *backend = &model->backends[k], *old_backend;
        old_backend = config_backend_same(was, backend);
        if (!old_backend)
            continue;
        struct health_backend *health = &upstreams->health.backends[backend->id];
        *health = old->health.backends[old_backend->id];
        quota_inherit(&upstreams->quota.backends[backend->id],
                      &old->quota.backends[old_backend->id]);
        health->in_flight = 0; /* what still runs is counted where it began */
        health->probing = false;
    }
}

static void inherit(struct upstreams *upstreams, const struct upstreams *old) {
    if (upstreams->learner && old->learner)
        learner_inherit(upstreams->learner, old->learner);
    teach_tick(upstreams); /* what is known already is read by its first request */
    for (unsigned i = 0; i < upstreams->config->model_count; i++) {
        const struct config_model *model = &upstreams->config->models[i];
        const struct config_model *was = config_model_same(old->config, model);
        if (was)
            inherit_model(upstreams, old, model, was);
    }
}

static void hand_over_model(struct upstreams *to, struct upstreams *from,
                            const struct config_model *model, const struct config_model *was) {
    race_stats_merge_model(&to->models[model->index], &from->models[was->index]);
    memset(&from->models[was->index], 0, sizeof from->models[was->index]);
    for (unsigned k = 0; k < model->backend_count; k++) {
        const struct config_backend *backend = config_backend_same(was, &model->backends[k]);
        if (!backend)
            continue;
        race_stats_merge_backend(&to->backends[model->backends[k].id],
                                 &from->backends[backend->id]);
        memset(&from->backends[backend->id], 0, sizeof from->backends[backend->id]);
    }
}

static void hand_over_provider(struct upstreams *to, struct upstreams *from,
                               const struct config_provider *provider) {
    for (unsigned i = 0; i < from->config->provider_count; i++) {
        if (strcmp(from->config->providers[i].provider.name, provider->provider.name) != 0)
            continue;
        race_stats_merge_pool(&to->pools[provider->index].stats, &from->pools[i].stats);
        memset(&from->pools[i].stats, 0, sizeof from->pools[i].stats);
        uint64_t *denied = from->quota.providers[i].denied;
        quota_merge_denied(to->quota.providers[provider->index].denied, denied);
        memset(denied, 0, sizeof from->quota.providers[i].denied);
    }
}

/* Moves the counters of all that stays: at a reload, and once more when the old configuration goes,
 * for the requests that ended with it meanwhile. So nothing is lost and nothing counted twice. */
static void hand_over(struct upstreams *to, struct upstreams *from) {
    const struct config *config = to->config;
    for (unsigned i = 0; i < config->model_count; i++) {
        const struct config_model *was = config_model_same(from->config, &config->models[i]);
        if (was)
            hand_over_model(to, from, &config->models[i], was);
    }
    for (unsigned i = 0; i < config->provider_count; i++)
        hand_over_provider(to, from, &config->providers[i]);
    to->batch.dropped += from->batch.dropped;
    from->batch.dropped = 0;
}

void upstreams_hold(struct upstreams *upstreams) { upstreams->holds++; }

static bool pools_done(const struct upstreams *upstreams) {
    for (unsigned i = 0; i < upstreams->config->provider_count; i++)
        if (!pool_done(&upstreams->pools[i]))
            return false;
    return true;
}

static void stop_pools(struct upstreams *upstreams) {
    if (upstreams->stopping)
        return;
    upstreams->stopping = true;
    for (unsigned i = 0; i < upstreams->config->provider_count; i++)
        pool_stop(&upstreams->pools[i]);
}

void upstreams_drop(struct upstreams *upstreams) {
    CHECK(upstreams->holds > 0);
    if (--upstreams->holds == 0)
        stop_pools(upstreams); /* freed by the tick, when the connections are home */
}

static void upstreams_free(struct upstreams *upstreams) {
    struct race *race = upstreams->race;
    const struct config *config = upstreams->config;
    if (race->current)
        hand_over(race->current, upstreams);
    for (unsigned i = 0; i < config->provider_count; i++)
        pool_fini(&upstreams->pools[i]);
    heap_free(&upstreams->pools);
    heap_free(&upstreams->budgets);
    heap_free(&upstreams->waiting);
    learner_close(&upstreams->batch);
    if (upstreams->learner)
        learner_free(&upstreams->learner);
    heap_free(&upstreams->models);
    heap_free(&upstreams->backends);
    heap_free(&upstreams->providers);
    heap_free(&upstreams->health.backends);
    heap_free(&upstreams->quota.providers);
    heap_free(&upstreams->quota.backends);
    list_remove(&upstreams->link);
    heap_free(&upstreams);
    if (race->release)
        race->release(race, config);
}

static void free_retired(struct race *race) {
    list_each_safe (node, &race->retired) {
        struct upstreams *upstreams = container_of(node, struct upstreams, link);
        if (upstreams->holds == 0 && pools_done(upstreams))
            upstreams_free(upstreams);
    }
}

/* --- the race --- */

/* The share of the wall's time that this thread has worked since the last tick. */
static void look_at_core(struct race *race) {
    uint64_t wall_ns = ring_now(race->loop->ring), cpu_ns = ring_cpu(race->loop->ring);
    double passed = (double)(wall_ns - race->tick_wall_ns);
    race->busy = (double)(cpu_ns - race->tick_cpu_ns) > CORE_BUSY_SHARE * passed;
    race->tick_wall_ns = wall_ns;
    race->tick_cpu_ns = cpu_ns;
}

static void tick_fired(struct timer *timer) {
    struct race *race = container_of(timer, struct race, tick);
    look_at_core(race);
    if (race->current) {
        health_tick(&race->current->health, race->loop->now_ns);
        teach_tick(race->current);
        quota_tick(&race->current->quota);
    }
    permit_tick(race);
    free_retired(race);
    loop_arm(race->loop, &race->tick, RACE_TICK_NS);
}

void race_init(struct race *race, struct loop *loop, struct resolve *resolve,
               const struct config *config, unsigned exchange_max) {
    race->loop = loop;
    race->resolve = resolve;
    race->exchange_max = exchange_max;
    list_init(&race->retired);
    list_init(&race->exchanges);
    list_init(&race->racing);
    slab_init(&race->exchange_slab, "exchange", sizeof(struct exchange), exchange_max);
    slab_init(&race->attempt_slab, "attempt", sizeof(struct attempt), 0);
    race->events = heap_alloc(RACE_EVENTS_MAX * sizeof *race->events);
    race->text = heap_alloc(RACE_TEXT_SIZE);
    race->current = upstreams_new(race, config);
    race->tick_wall_ns = ring_now(loop->ring);
    race->tick_cpu_ns = ring_cpu(loop->ring);
    timer_init(&race->tick, tick_fired);
    loop_arm(loop, &race->tick, RACE_TICK_NS);
}

static void retire(struct race *race) {
    list_push_back(&race->retired, &race->current->link);
    quota_retire(&race->current->quota);
    upstreams_drop(race->current);
    race->current = NULL;
}

void race_reconfigure(struct race *race, const struct config *config) {
    struct upstreams *next = upstreams_new(race, config);
    inherit(next, race->current);
    hand_over(next, race->current);
    retire(race);
    race->current = next;
}

void race_opened(struct server *server, struct stream *stream) {
    exchange_open(server->owner, stream);
}

void race_drain(struct race *race) { race->draining = true; }

void race_stop(struct race *race) {
    race->draining = true;
    list_each_safe (node, &race->exchanges)
        exchange_cut(container_of(node, struct exchange, link), FAIL_DRAINING);
    if (race->current)
        retire(race);
    /* Those of earlier configurations, too: the tail of an answer may be waited for there. */
    list_each (node, &race->retired)
        stop_pools(container_of(node, struct upstreams, link));
}

bool race_done(const struct race *race) {
    if (race->exchange_count > 0 || race->current)
        return false;
    list_each (node, &race->retired) {
        const struct upstreams *upstreams = container_of(node, struct upstreams, link);
        if (upstreams->holds > 0 || !pools_done(upstreams))
            return false;
    }
    return true;
}

void race_fini(struct race *race) {
    CHECK(race_done(race));
    loop_disarm(race->loop, &race->tick);
    free_retired(race);
    slab_fini(&race->exchange_slab);
    slab_fini(&race->attempt_slab);
    heap_free(&race->events);
    heap_free(&race->text);
}
