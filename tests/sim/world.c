/* world.c - one seed from start to stop: draws a world, runs the real engine in it, reloads, drains and stops it, and
 * looks whether anything is left. See world.h. */
#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>

#include "appliance/race/encode.h"
#include "appliance/race/exchange.h"
#include "core/heap.h"
#include "core/loop.h"
#include "net/h1.h"
#include "net/server.h"
#include "tests/sim/kernel.h"
#include "tests/sim/watch.h"
#include "tests/sim/weather.h"

/* By then every client has gone, however slowly it read. */
#define WORLD_LIMIT_NS (600 * NS_PER_S)
/* A stop waits for no peer; the tick that frees what is retired comes every 250 ms. */
#define STOP_LIMIT_NS (1 * NS_PER_S)
/* The peers hear of the last closes. */
#define SETTLE_NS SIM_MS(100)
/* Turns that found nothing to do, in one second of virtual time. */
#define IDLE_TURNS_MAX 200
#define TURNS_MAX      2000000
#define KEYS           2
#define PIECE_NS       SIM_MS(6)
#define SLOW_PIECE_NS  SIM_MS(80)
/* Framing around what one turn brings. */
#define QUEUE_SLACK_BYTES 16384
/* An event of one format to that of another, at most. */
#define EVENT_GROWTH      4
#define RESPONSES_REPEATS 4
#define ESCAPED           2

struct world world;

/* ---- a configuration ---- */

struct snapshot {
    struct config config;
    struct memory memory;
    struct arena arena;
    struct config_provider providers[CLOUDS_MAX];
    struct config_model models[MODELS_MAX];
    struct config_backend backends[MODELS_MAX][CLOUDS_MAX];
    struct config_slot slots[16];
    struct config_key keys[KEYS];
    char hosts[CLOUDS_MAX][16], names[MODELS_MAX][CLOUDS_MAX][24];
    const char *narrow[1];
    const struct config_model *fallback[1];
    bool released;
};

static struct snapshot *snapshots[2];

/* What a process keeps of its providers' limits across reloads. */
static struct quota_shared shared[CLOUDS_MAX];

static void draw_limits(struct config_provider *p) {
    if (world.limited && world_chance(0.4))
        p->limit_concurrency = world_between(1, 4);
    if (world.limited && world_chance(0.5))
        p->limit_rpm = world_between(6, 240);
    if (world.limited && world_chance(0.3))
        p->limit_tpm = world_between(5000, 200000);
    if (p->limit_concurrency || p->limit_rpm || p->limit_tpm) {
        world.limits = true;
        p->shared = &shared[p->index];
    }
    uint64_t *concurrency = &world.concurrency_max[p->index], *rpm = &world.rpm_max[p->index];
    *concurrency = max_u64(*concurrency, p->limit_concurrency ? p->limit_concurrency : UINT64_MAX);
    *rpm = max_u64(*rpm, p->limit_rpm ? p->limit_rpm : UINT64_MAX);
}

static void fill_provider(struct snapshot *s, unsigned i) {
    const struct cloud *cloud = &clouds[i];
    struct config_provider *p = &s->providers[i];
    static const struct {
        const char *kind, *prefix;
    } kinds[] = {
        [CLOUD_OPENAI] = {"openai", "/v1"},
        [CLOUD_ANTHROPIC] = {"anthropic", ""},
        [CLOUD_GEMINI] = {"gemini", "/v1beta"},
        [CLOUD_BEDROCK] = {"bedrock", ""},
    };
    const char *kind = kinds[cloud->kind].kind;
    if (cloud->kind == CLOUD_OPENAI && cloud->goes_on)
        kind = "vllm"; /* speaks as OpenAI, and goes on when it is asked to */
    snprintf(s->hosts[i], sizeof s->hosts[i], "10.0.0.%u", 1 + i);
    p->provider = (struct provider){.name = cloud->name,
                                    .kind = provider_kind_find(span_str(kind)),
                                    .host = s->hosts[i],
                                    .port = CLOUD_PORT(i),
                                    .authority = cloud->authority,
                                    .path_prefix = kinds[cloud->kind].prefix,
                                    .residency = cloud_zone(cloud),
                                    .api_key = cloud->key};
    p->index = i;
    p->server_name = s->hosts[i];
    p->pool_min_idle = world_chance(0.5) ? 0 : (unsigned)world_below(3);
    p->pool_max_connections = world_chance(0.1) ? (unsigned)world_between(1, 4) : 64;
    if (!world.scenario)
        draw_limits(p);
}

/* Of Claude it is known that it goes on. */
static const char *base_model(const struct cloud *cloud, const char *name) {
    bool claude = cloud->kind == CLOUD_ANTHROPIC || cloud->kind == CLOUD_BEDROCK;
    return claude && cloud->goes_on ? "claude-haiku-4-5" : name;
}

static void fill_backend(struct snapshot *s, unsigned m, unsigned i) {
    struct config_backend *b = &s->backends[m][i];
    struct span why = {NULL, 0};
    snprintf(s->names[m][i], sizeof s->names[m][i], "%s", cloud_model(&clouds[i], m));
    *b = (struct config_backend){.provider = &s->providers[i],
                                 .model = s->names[m][i],
                                 .base_model = base_model(&clouds[i], s->names[m][i]),
                                 .weight = (unsigned)world_below(4) + world.weather,
                                 .price = clouds[i].price,
                                 .model_index = m,
                                 .index = i,
                                 .id = m * CLOUDS_MAX + i};
    b->id = m * s->config.provider_count + i;
    const struct provider *provider = &b->provider->provider;
    b->targets = arena_zalloc(&s->arena, SERVICE_COUNT * sizeof *b->targets);
    for (unsigned k = 0; k < SERVICE_COUNT; k++)
        if (provider->kind->services & 1u << k)
            CHECK(provider->kind->target(provider, (enum provider_service)k, span_str(b->model),
                                         &s->arena, &b->targets[k], &why) == 0);
}

static struct config_timeouts draw_timeouts(void) {
    return (struct config_timeouts){
        .connect_ns = SIM_MS(world_between(100, 1000)),
        .tls_ns = SIM_MS(1000),
        .head_ns = SIM_MS(world_between(300, 3000)),
        .first_token_ns = SIM_MS(world_between(400, 4000)),
        .idle_ns = SIM_MS(world_between(500, 2000)),
        .total_ns = SIM_MS(world_between(3000, 8000)),
    };
}

static struct config_hedge draw_hedge(void) {
    return (struct config_hedge){
        .mode = (enum hedge_mode)world_below(HEDGE_MODE_RACE + 1),
        .delay_ns = SIM_MS(world_between(5, 400)),
        .sample = world_chance(0.5) ? 0 : 0.1 * rand_double(&sim.world),
        .queue = world_chance(0.6),
        .cost_budget = world_chance(0.3) ? 0.05 : rand_double(&sim.world),
        .max_attempts = (unsigned)world_between(1, 4),
        .request_budget = world_chance(0.3) ? 0.05 : rand_double(&sim.world),
        .request_budget_given = world_chance(0.3),
        .target = 0.99,
        .on_stall = world_chance(0.4) ? ON_STALL_FAIL : (enum config_on_stall)world_below(3),
        .commit_on_reasoning = true,
    };
}

static uint64_t least(uint64_t known, uint64_t drawn) {
    return known ? min_u64(known, drawn) : drawn;
}

/* The clients' and clouds' view: the loosest of all configurations of this seed. */
static void note_model(struct world_model *w, const struct config_model *model) {
    bool first = w->modes == 0;
    w->modes |= 1u << model->hedge.mode;
    w->stalls |= 1u << model->hedge.on_stall;
    w->delay_min_ns =
        first ? model->hedge.delay_ns : min_u64(w->delay_min_ns, model->hedge.delay_ns);
    w->attempts_max =
        model->hedge.max_attempts > w->attempts_max ? model->hedge.max_attempts : w->attempts_max;
    w->attempts_min = first || model->hedge.max_attempts < w->attempts_min
                          ? model->hedge.max_attempts
                          : w->attempts_min;
    w->budget_max =
        model->hedge.request_budget > w->budget_max ? model->hedge.request_budget : w->budget_max;
    if (model->hedge.cost_budget > w->cost_budget_max)
        w->cost_budget_max = model->hedge.cost_budget;
    bool bound = model->hedge.request_budget_given;
    w->fixed_is_bound = first ? bound : w->fixed_is_bound && bound;
    w->fallbacks = model->fallback_count;
    w->head_ns = least(w->head_ns, model->timeouts.head_ns);
    w->first_token_ns = least(w->first_token_ns, model->timeouts.first_token_ns);
    w->connect_ns = least(w->connect_ns, model->timeouts.connect_ns);
    w->idle_ns = least(w->idle_ns, model->timeouts.idle_ns);
    w->total_min_ns = least(w->total_min_ns, model->timeouts.total_ns);
    w->idle_max_ns = max_u64(w->idle_max_ns, model->timeouts.idle_ns);
    w->total_ns = max_u64(w->total_ns, model->timeouts.total_ns);
}

/* A silent cloud is given up soon: many clients wait for it. */
static void fill_storm(struct config_model *model) {
    model->hedge.mode = world.scenario->mode;
    model->hedge.max_attempts = world.scenario->attempts_max;
    model->hedge.request_budget = SCENARIO_STORM_BUDGET;
    model->hedge.sample = 0;
    model->timeouts.head_ns = model->timeouts.first_token_ns = 2 * SCENARIO_DELAY_NS;
}

static void fill_model(struct snapshot *s, unsigned m) {
    struct config_model *model = &s->models[m];
    *model =
        (struct config_model){.name = world.models[m].name,
                              .index = m,
                              .backends = s->backends[m],
                              .backend_count = s->config.provider_count,
                              .strategy = (enum config_strategy)world_below(STRATEGY_CHEAPEST + 1),
                              .affinity = (enum config_affinity)world_below(AFFINITY_USER + 1),
                              .hedge = draw_hedge(),
                              .timeouts = draw_timeouts()};
    if (world.scenario) {
        model->strategy = STRATEGY_ORDERED;
        model->affinity = AFFINITY_NONE;
        model->hedge.mode = HEDGE_MODE_FIXED;
        model->hedge.delay_ns = SCENARIO_DELAY_NS;
        model->hedge.max_attempts = CLOUDS_MAX;
        model->hedge.request_budget_given = false;
        model->hedge.on_stall = world.scenario->on_stall;
        model->timeouts = (struct config_timeouts){
            .connect_ns = SIM_MS(1000),
            .tls_ns = SIM_MS(1000),
            .head_ns = SIM_MS(20000),
            .first_token_ns = SIM_MS(20000),
            .idle_ns = world.scenario->on_stall == ON_STALL_FAIL ? SIM_MS(20000) : SCENARIO_IDLE_NS,
            .total_ns = SIM_MS(60000)};
    }
    if (world.scenario && world.scenario->clients)
        fill_storm(model);
    if (world.weather)
        weather_model(model);
    if (world.fallback && m == 0) {
        s->fallback[0] = &s->models[1];
        model->fallback = s->fallback;
        model->fallback_count = 1;
    }
    for (unsigned i = 0; i < s->config.provider_count; i++)
        fill_backend(s, m, i);
    note_model(&world.models[m], model);
}

static struct snapshot *snapshot_new(uint64_t generation) {
    struct snapshot *s = calloc(1, sizeof *s);
    CHECK(s);
    const char *twice;
    s->config = (struct config){.providers = s->providers,
                                .provider_count = world.cloud_count,
                                .models = s->models,
                                .model_count = world.model_count,
                                .body_max_bytes = world.body_max_bytes,
                                .generation = generation,
                                .holder = s};
    memory_init(&s->memory, 1 << 24, 0);
    arena_init(&s->arena, &s->memory);
    for (unsigned i = 0; i < world.cloud_count; i++)
        fill_provider(s, i);
    for (unsigned m = 0; m < world.model_count; m++)
        fill_model(s, m);
    s->config.backend_count = world.model_count * world.cloud_count;
    CHECK(config_index_slots(&s->config) <= countof(s->slots));
    CHECK(config_index(&s->config, s->slots, &twice) == 0);
    s->narrow[0] = world.models[world.model_count - 1].name;
    s->keys[0] = (struct config_key){.name = "wide"};
    s->keys[1] = (struct config_key){.name = "narrow", .models = s->narrow, .model_count = 1};
    s->config.keys = s->keys;
    s->config.key_count = world.keys ? KEYS : 0;
    return s;
}

/* Freed for good, so that a late use of it is seen by the sanitizer. */
static void snapshot_free(struct snapshot *s) {
    arena_fini(&s->arena);
    memory_fini(&s->memory);
    free(s);
}

/* ---- the engine ---- */

static struct {
    struct loop loop;
    struct resolve resolve;
    struct race race;
    struct server server;
    struct server_settings settings;
    uint64_t turns, second, idle_turns;
    size_t turn_bytes; /* that fit all provided buffers */
} engine;

static const struct config_key *key_find(const struct config *config, struct span presented) {
    if (span_eq(presented, SPAN(CLIENT_KEY)))
        return &config->keys[0];
    return span_eq(presented, SPAN(CLIENT_KEY_NARROW)) ? &config->keys[1] : NULL;
}

/* NULL: garbage has no number. */
struct request *world_request_of(const struct exchange *exchange) {
    unsigned n;
    char id[32];
    bool numbered = sscanf(span_text(exchange->id, id, sizeof id), "sim-%u", &n) == 1;
    return numbered ? ledger_find(n) : NULL;
}

static void finished(struct race *race, const struct exchange *exchange) {
    (void)race;
    struct request *request = world_request_of(exchange);
    if (!request)
        return;
    if (request->ended)
        sim_fail("exchange", "request %u has ended twice", request->n);
    request->ended = true;
    watch_finished(request, exchange);
    request->commit_ns = exchange->commit_ns;
    request->whole_ns = exchange->whole_ns;
    for (unsigned i = 0; i < exchange->attempt_count; i++)
        request->rescues += exchange->attempts[i]->trigger == HEDGE_STALL;
    for (unsigned i = 0; i < exchange->attempt_count; i++)
        if (exchange->attempts[i]->retried_fresh)
            sim_mark(MARK_POOL_RETRY_FRESH);
    if (exchange->attempt_count)
        hedge_check(&exchange->hedge);
    for (unsigned i = 0; i < exchange->upstreams->quota.provider_count; i++) {
        const uint64_t *denied = exchange->upstreams->quota.providers[i].denied;
        if (denied[QUOTA_RPM])
            sim_mark(MARK_RPM_DENIED);
        if (denied[QUOTA_TPM])
            sim_mark(MARK_TPM_DENIED);
        if (denied[QUOTA_CONCURRENCY])
            sim_mark(MARK_SLOT_DENIED);
        if (denied[QUOTA_REMAINING])
            sim_mark(MARK_HEDGE_SPARED);
    }
    sim_trace("engine: request %u ended: %s, %u attempts", request->n, fail_name(exchange->why),
              exchange->attempt_count);
}

static void release(struct race *race, const struct config *config) {
    struct snapshot *s = config->holder;
    (void)race;
    CHECK(!s->released);
    s->released = true;
    if (!world.stopped)
        sim_mark(MARK_RETIRED_FREED);
}

unsigned world_in_flight(void) { return engine.race.exchange_count; }

static void draw_kernel_faults(void) {
    sim.short_send = world_chance(0.5) ? 0 : 0.2 * rand_double(&sim.world);
    sim.early_end = world_chance(0.5) ? 0 : 0.2 * rand_double(&sim.world);
    sim.no_descriptor = world_chance(0.8) ? 0 : 0.1 * rand_double(&sim.world);
    sim.late_cancel = rand_double(&sim.world);
    sim.slow_turn = world_chance(0.5) ? 0 : 0.01;
    if (world.scenario)
        sim.no_descriptor = sim.slow_turn = 0;
}

static void engine_start(void) {
    static const unsigned sizes[] = {64, 256, 1024, 4096};
    bool small = world_chance(0.3);
    struct ring_options options = {
        .sq_entries = small ? 4u << world_below(3) : 256,
        .cq_entries = small ? 8u << world_below(3) : 512,
        .buf_count = small ? 2u << world_below(3) : 64,
        .buf_size_bytes = sizes[world_below(countof(sizes))],
        .feature_mask = world_chance(0.5) ? ~0u : 0,
    };
    size_t memory_max = world.tight_memory ? world_between(1, 12) * 32768 : 64u << 20;
    memset(&engine, 0, sizeof engine);
    engine.turn_bytes = (size_t)options.buf_count * options.buf_size_bytes;
    draw_kernel_faults();
    CHECK(loop_open(&engine.loop, &options, memory_max) == 0);
    resolve_init(&engine.resolve, &engine.loop, NULL, NULL);
    engine.race.key_find = key_find;
    engine.race.finished = finished;
    engine.race.release = release;
    engine.race.workers = 1;
    snapshots[0] = snapshot_new(1);
    race_init(&engine.race, &engine.loop, &engine.resolve, &snapshots[0]->config,
              world.few_exchanges ? (unsigned)world_between(1, 4) : 256);
    watch_begin(&engine.race);
    engine.settings = (struct server_settings){
        .head_max_bytes = 4096,
        .head_ns = SIM_MS(2000),
        .body_ns = SIM_MS(2000),
        .idle_ns = world.idle_ns,
        .handshake_ns = SIM_MS(1000),
        .connections_max = world.few_connections ? (unsigned)world_between(1, 4) : 256};
    engine.server.opened = race_opened;
    engine.server.owner = &engine.race;
    struct sockaddr_in address = {.sin_family = AF_INET};
    int fd = ring_listen(engine.loop.ring, (struct sockaddr *)&address, sizeof address, true);
    server_init(&engine.server, &engine.loop, &engine.settings, fd, NULL);
}

/* What may wait beyond what a turn's bytes bring as they are: in another format an event is longer; an event that tells a
 * whole text or call at once is kept until it is whole; and a Responses stream tells all of it again, several times. */
static size_t written_bytes(const struct exchange *exchange, size_t turn_bytes) {
    const struct request *request = world_request_of(exchange);
    bool repeats = exchange->dialect == &dialect_openai_responses;
    const struct attempt *winner = exchange->winner;
    bool anew = winner && (winner->encoded->translated || winner->takes_over);
    size_t growth = anew ? EVENT_GROWTH : 1, told = 0;
    for (unsigned i = 0; request && i < request->reply_count; i++) {
        const struct reply *reply = request->replies[i];
        size_t n = repeats ? reply->said.n : 0;
        for (unsigned k = 0; k < reply->call_count; k++)
            n += reply->calls[k].arguments.n;
        told = request->model->stalls > 1u << ON_STALL_FAIL ? told + n : n > told ? n : told;
    }
    return growth * turn_bytes + ESCAPED * (repeats ? RESPONSES_REPEATS : 1) * told;
}

/* A reader that is slow stops its provider: what waits for it stays within the high mark, and what one turn can bring. */
static void check_queues(void) {
    size_t turn_bytes = 2 * engine.turn_bytes + QUEUE_SLACK_BYTES;
    list_each (node, &engine.race.exchanges) {
        const struct exchange *exchange = container_of(node, struct exchange, link);
        if (!exchange->client || !exchange->req.stream || exchange->state != EXCHANGE_RELAYING)
            continue;
        size_t bytes = h1_of_stream(exchange->client)->conn.plain.bytes;
        if (bytes > OUT_HIGH_BYTES + written_bytes(exchange, turn_bytes))
            sim_fail("memory", "%zu bytes wait for one reader of a stream", bytes);
    }
}

/* No more attempts run at a provider than its limit allows, by a count that is not the engine's. */
static void check_limits(void) {
    uint64_t running[CLOUDS_MAX] = {0};
    list_each (node, &engine.race.exchanges) {
        const struct exchange *exchange = container_of(node, struct exchange, link);
        for (unsigned i = 0; i < exchange->attempt_count; i++)
            if (exchange->attempts[i]->state != ATTEMPT_ENDED)
                running[exchange->attempts[i]->backend->provider->index]++;
    }
    for (unsigned i = 0; i < world.cloud_count; i++)
        if (running[i] > world.concurrency_max[i])
            sim_fail("limits", "%llu attempts run at cloud %u, which may have %llu",
                     (unsigned long long)running[i], i,
                     (unsigned long long)world.concurrency_max[i]);
}

/* No turn without work: a loop that spins is alive and useless. */
static void turn(uint64_t until_ns) {
    uint64_t completions = engine.loop.stats.completions, timers = engine.loop.stats.timers;
    watch_before();
    CHECK(loop_turn(&engine.loop, until_ns) == 0);
    watch_after();
    sim.counts.turns++;
    sim.digest =
        (sim.digest ^ sim.now_ns ^ engine.loop.stats.completions) * UINT64_C(0x100000001b3);
    check_queues();
    if (world.limits)
        check_limits();
    if (++engine.turns > TURNS_MAX)
        sim_fail("liveness", "%u turns", TURNS_MAX);
    if (sim.now_ns / NS_PER_S != engine.second) {
        engine.second = sim.now_ns / NS_PER_S;
        engine.idle_turns = 0;
    }
    bool idle = completions == engine.loop.stats.completions &&
                timers == engine.loop.stats.timers && sim.now_ns < until_ns;
    if (idle && ++engine.idle_turns > IDLE_TURNS_MAX)
        sim_fail("liveness", "more than %u turns without work in a second", IDLE_TURNS_MAX);
}

static void reload(void) {
    sim_trace("engine: reload, %u in flight", world_in_flight());
    world.reload_ns = UINT64_MAX;
    if (world.draining)
        return;
    if (world_in_flight())
        sim_mark(MARK_RELOADED);
    world.reloaded_ns = sim.now_ns;
    snapshots[1] = snapshot_new(2);
    race_reconfigure(&engine.race, &snapshots[1]->config);
}

static void drain(void) {
    sim_trace("engine: drain, %u in flight", world_in_flight());
    world.drain_ns = UINT64_MAX;
    world.draining = true;
    world.drained_ns = sim.now_ns;
    if (world_in_flight())
        sim_mark(MARK_DRAIN_STREAM);
    race_drain(&engine.race);
    server_drain(&engine.server);
}

static void stop(void) {
    sim_trace("engine: stop, %u in flight", world_in_flight());
    world.stop_ns = UINT64_MAX;
    world.stopped = true;
    world.stopped_ns = sim.now_ns;
    if (world_in_flight())
        sim_mark(MARK_STOP_STREAM);
    if (kernel_dials())
        sim_mark(MARK_STOP_DIAL);
    server_stop(&engine.server);
    race_stop(&engine.race);
}

static void run_clients(void) {
    while (!clients_done()) {
        if (sim.now_ns >= SIM_BEGIN_NS + WORLD_LIMIT_NS) {
            clients_dump();
            sim_fail("liveness", "clients are still waiting");
        }
        if (sim.now_ns >= world.reload_ns)
            reload();
        if (sim.now_ns >= world.drain_ns)
            drain();
        if (sim.now_ns >= world.stop_ns)
            stop();
        turn(min_u64(min_u64(world.reload_ns, world.drain_ns),
                     min_u64(world.stop_ns, SIM_BEGIN_NS + WORLD_LIMIT_NS)));
    }
}

static bool quiet(void) { return race_done(&engine.race) && server_done(&engine.server); }

/* Peers hear of what was closed last, and nothing is left in the engine. */
static void engine_stop(void) {
    if (!world.draining)
        drain();
    if (!world.stopped)
        stop();
    uint64_t limit_ns = sim.now_ns + STOP_LIMIT_NS;
    while (!quiet()) {
        if (sim.now_ns >= limit_ns)
            sim_fail("leak", "after the stop: %u exchanges, %u sessions, %u ops armed",
                     world_in_flight(), engine.server.session_count, engine.loop.armed);
        turn(limit_ns);
    }
    uint64_t settled_ns = sim.now_ns + SETTLE_NS;
    while (sim.now_ns < settled_ns)
        turn(settled_ns);
    if (engine.server.stats.refused && world.few_connections)
        sim_mark(MARK_SERVER_FULL);
    if (engine.loop.armed)
        sim_fail("leak", "%u ops are armed", engine.loop.armed);
    race_fini(&engine.race);
    server_fini(&engine.server);
    resolve_fini(&engine.resolve);
    if (engine.loop.timers.armed)
        sim_fail("leak", "%u timers are armed", engine.loop.timers.armed);
    for (unsigned i = 0; i < CLOUDS_MAX; i++)
        if (shared[i].in_flight)
            sim_fail("leak", "%u attempts at cloud %u are still counted", shared[i].in_flight, i);
    if (engine.loop.urgent)
        sim_fail("leak", "the loop still thinks that %u first tokens are awaited",
                 engine.loop.urgent);
    if (engine.loop.memory.used_bytes)
        sim_fail("leak", "%zu bytes of blocks are missing", engine.loop.memory.used_bytes);
    loop_close(&engine.loop);
    for (unsigned i = 0; i < countof(snapshots); i++) {
        if (!snapshots[i])
            continue;
        if (!snapshots[i]->released)
            sim_fail("leak", "configuration %u was not released", i + 1);
        snapshot_free(snapshots[i]);
        snapshots[i] = NULL;
    }
}

static void draw_world(void) {
    world = (struct world){
        .cloud_count = (unsigned)world_between(1, CLOUDS_MAX),
        .model_count = (unsigned)world_between(1, MODELS_MAX),
        .client_count = (unsigned)world_between(1, world_chance(0.2) ? 40 : 12),
        .reload_ns = UINT64_MAX,
        .drain_ns = UINT64_MAX,
        .stop_ns = UINT64_MAX,
        .fault_share = world_chance(0.2) ? 0 : rand_double(&sim.world),
        .keys = world_chance(0.6),
        .tight_memory = world_chance(0.05),
        .few_exchanges = world_chance(0.05),
        .few_connections = world_chance(0.05),
        .body_max_bytes = 65536,
        .mixed = world_chance(0.55),
        .limited = world_chance(0.2),
        .piece_ns = PIECE_NS,
        .idle_ns = SIM_MS(world_between(300, 4000)),
    };
    memset(shared, 0, sizeof shared);
    world.faults_until_ns = sim.now_ns + SIM_MS(world_below(9000));
    if (world_chance(0.3))
        world.reload_ns = sim.now_ns + SIM_MS(world_below(5000));
    if (world_chance(0.45))
        world.drain_ns = sim.now_ns + SIM_MS(world_below(world_chance(0.5) ? 2000 : 8000));
    /* Requests that take their time to arrive are met by a drain half way. */
    if (world.drain_ns != UINT64_MAX && world_chance(0.3))
        world.piece_ns = SLOW_PIECE_NS;
    if (world.drain_ns != UINT64_MAX && world_chance(0.7))
        world.stop_ns = world.drain_ns + SIM_MS(world_below(2000));
    for (unsigned m = 0; m < world.model_count; m++) {
        struct world_model *model = &world.models[m];
        model->index = m;
        model->backends = world.cloud_count;
        snprintf(model->name, sizeof model->name, "m%u", m);
    }
}

/* A quiet machine and a quiet world. */
static void set_scenario(const struct scenario *scenario) {
    world.scenario = scenario;
    world.cloud_count = scenario->cloud_count;
    world.model_count = scenario->fallback ? 2 : 1;
    world.client_count = scenario->clients ? scenario->clients : 1;
    world.fallback = scenario->fallback;
    for (unsigned m = 0; m < world.model_count; m++)
        world.models[m].backends = scenario->cloud_count;
    world.reload_ns = world.drain_ns = world.stop_ns = UINT64_MAX;
    world.fault_share = 0;
    world.faults_until_ns = scenario->clients ? sim.now_ns + scenario->recover_ns : 0;
    world.weather = world.priced = world.zoned = world.busy_core = false;
    world.mixed = true;
    world.tight_memory = world.few_exchanges = world.few_connections = false;
    world.idle_ns = SIM_MS(30000);
}

void world_run(uint64_t seed, const struct scenario *scenario, bool verbose) {
    sim_begin(seed, verbose);
    ledger_begin();
    draw_world();
    weather_draw();
    if (scenario)
        set_scenario(scenario);
    clouds_begin();
    engine_start();
    clients_begin();
    run_clients();
    engine_stop();
    ledger_judge();
    sim.counts.virtual_s += (sim.now_ns - SIM_BEGIN_NS) / NS_PER_S;
    sim_end();
}
