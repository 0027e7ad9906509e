/* metrics_view.c - the workers' counters, added up. See metrics_view.h. */
#include "appliance/control/metrics_view.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "appliance/control/access_log.h"
#include "appliance/race/advise.h"
#include "core/heap.h"
#include "core/limits.h"

/* Rows are added one by one, a power of two at a time; new ones are zero. */
static void *grow(void *rows, unsigned count, size_t size) {
    if (count & (count - 1))
        return rows;
    size_t max = count ? (size_t)count * 2 : 1;
    char *grown = heap_realloc(rows, max * size);
    memset(grown + count * size, 0, (max - count) * size);
    return grown;
}

static char *copy_text(const char *text) { return heap_text(text, strlen(text)); }

/* --- rows by name --- */

/* The workers list the same things in the same order but during a reload, so that the search begins
 * at `guess` and mostly ends there. */
static struct metrics_model *model_row(struct metrics_view *view, const char *name,
                                       unsigned guess) {
    for (unsigned k = 0; k < view->model_count; k++) {
        struct metrics_model *row = &view->models[(guess + k) % view->model_count];
        if (strcmp(row->name, name) == 0)
            return row;
    }
    view->models = grow(view->models, view->model_count, sizeof *view->models);
    struct metrics_model *row = &view->models[view->model_count++];
    row->name = copy_text(name);
    return row;
}

static struct metrics_backend *backend_row(struct metrics_view *view,
                                           const struct config_backend *backend) {
    const struct provider *provider = &backend->provider->provider;
    for (unsigned k = 0; k < view->backend_count; k++) {
        struct metrics_backend *row = &view->backends[(backend->id + k) % view->backend_count];
        if (strcmp(row->provider, provider->name) == 0 && strcmp(row->model, backend->model) == 0)
            return row;
    }
    view->backends = grow(view->backends, view->backend_count, sizeof *view->backends);
    struct metrics_backend *row = &view->backends[view->backend_count++];
    row->provider = copy_text(provider->name);
    row->model = copy_text(backend->model);
    row->otel_name = provider->kind->otel_name;
    memset(row->remaining, 0xff, sizeof row->remaining);
    return row;
}

static struct metrics_provider *provider_row(struct metrics_view *view, const char *name,
                                             unsigned guess) {
    for (unsigned k = 0; k < view->provider_count; k++) {
        struct metrics_provider *row = &view->providers[(guess + k) % view->provider_count];
        if (strcmp(row->name, name) == 0)
            return row;
    }
    view->providers = grow(view->providers, view->provider_count, sizeof *view->providers);
    struct metrics_provider *row = &view->providers[view->provider_count++];
    row->name = copy_text(name);
    return row;
}

static void add_memory(struct metrics_view *view, const char *kind, uint64_t bytes) {
    unsigned i = 0;
    while (i < view->memory_count && strcmp(view->memory[i].kind, kind) != 0)
        i++;
    CHECK(i < METRICS_MEMORY_MAX);
    if (i == view->memory_count)
        view->memory[view->memory_count++].kind = kind;
    view->memory[i].bytes += bytes;
}

static void add_slab(struct metrics_view *view, const struct slab *slab) {
    add_memory(view, slab->name, (uint64_t)slab->count * slab->size);
}

/* --- one worker --- */

static unsigned severity(enum health_state state) {
    switch (state) {
    case HEALTH_CLOSED: return 0;
    case HEALTH_HALF_OPEN: return 1;
    case HEALTH_OPEN: return 2;
    }
    return 0;
}

/* After how long a request that goes to this backend first is hedged; false: it is not. */
static bool hedge_delay(const struct config_model *model, const struct upstreams *upstreams,
                        unsigned first, uint64_t *delay_ns) {
    const struct learn_advice *advice;
    unsigned second;
    *delay_ns = 0;
    if (model->backend_count < 2)
        return false;
    switch (model->hedge.mode) {
    case HEDGE_MODE_OFF: return false;
    case HEDGE_MODE_FIXED: *delay_ns = model->hedge.delay_ns; return true;
    case HEDGE_MODE_ADAPTIVE:
        advice = advise_second(&upstreams->batch.boards[model->index], first, LEARN_ANY, UINT32_MAX,
                               &second);
        *delay_ns = advice ? advice->delay_ns : UINT64_MAX;
        return *delay_ns != UINT64_MAX; /* it is not worth a hedge */
    case HEDGE_MODE_RACE: return true;
    }
    return false;
}

static void add_backend(struct metrics_view *view, const struct upstreams *upstreams,
                        const struct config_model *model, const struct config_backend *backend) {
    const struct health_backend *health = &upstreams->health.backends[backend->id];
    struct metrics_backend *row = backend_row(view, backend);
    uint64_t delay_ns;
    race_stats_merge_backend(&row->stats, &upstreams->backends[backend->id]);
    row->priced |= backend->price.known;
    row->state = severity(health->state) > row->state ? severity(health->state) : row->state;
    row->in_flight += health->in_flight;
    for (unsigned q = 0; q < RATELIMIT_QUANTITIES; q++) {
        uint64_t left, now_ns = ring_now(NULL);
        if (quota_remaining(&upstreams->quota.backends[backend->id], (enum ratelimit_quantity)q,
                            now_ns, &left))
            row->remaining[q] = min_u64(row->remaining[q], left);
    }
    if (!hedge_delay(model, upstreams, backend->index, &delay_ns))
        return;
    row->delay_sum_ns += delay_ns;
    row->delay_count++;
}

static void add_provider(struct metrics_view *view, const struct upstreams *upstreams,
                         const char *name, unsigned index) {
    const struct pool_origin *pool = &upstreams->pools[index];
    struct metrics_provider *row = provider_row(view, name, index);
    quota_merge_denied(row->denied, upstreams->quota.providers[index].denied);
    race_stats_merge_pool(&row->stats, &pool->stats);
    row->waiting += pool->waiting_count;
    view->upstream_idle += pool->idle_count;
    view->upstream_busy += pool->busy_count;
    view->upstream_opening += pool->opening_count;
    add_slab(view, &pool->sessions);
    add_slab(view, &pool->dials);
}

static void add_upstreams(struct metrics_view *view, const struct upstreams *upstreams) {
    const struct config *config = upstreams->config;
    for (unsigned i = 0; i < config->model_count; i++) {
        const struct config_model *model = &config->models[i];
        struct metrics_model *row = model_row(view, model->name, i);
        race_stats_merge_model(&row->stats, &upstreams->models[i]);
        row->budget_tokens += upstreams->budgets[i].tokens;
        for (unsigned k = 0; k < model->backend_count; k++) {
            add_backend(view, upstreams, model, &model->backends[k]);
            row->priced |= model->backends[k].price.known;
        }
    }
    for (unsigned i = 0; i < config->provider_count; i++)
        add_provider(view, upstreams, config->providers[i].provider.name, i);
    view->samples_dropped += upstreams->batch.dropped;
    view->generation = min_u64(view->generation, config->generation);
}

static void add_server(struct metrics_view *view, const struct server *server) {
    view->client_open += server->session_count;
    view->server.accepted += server->stats.accepted;
    view->server.refused += server->stats.refused;
    view->server.requests += server->stats.requests;
    view->server.handshakes += server->stats.handshakes;
    view->server.handshakes_resumed += server->stats.handshakes_resumed;
    view->server.handshakes_failed += server->stats.handshakes_failed;
    view->server.bad_requests += server->stats.bad_requests;
    add_slab(view, &server->sessions_slab);
}

static void add_member(struct metrics_view *view, struct crew_member *member) {
    struct metrics_worker *row = &view->workers[member->worker.index];
    const struct upstreams *upstreams = crew_view(member);
    if (upstreams) {
        add_upstreams(view, upstreams);
        for (unsigned i = 0; i < member->server_count; i++)
            add_server(view, &member->servers[i]);
        for (unsigned i = 0; i < RACE_STATUS_MAX; i++)
            view->unmatched[i] += member->race.unmatched[i];
        view->in_flight += member->race.exchange_count;
        add_slab(view, &member->race.exchange_slab);
        add_slab(view, &member->race.attempt_slab);
        add_memory(view, "blocks_used", member->loop.memory.used_bytes);
        add_memory(view, "blocks_cached", member->loop.memory.cached_bytes);
        add_memory(view, "receive_buffers", (uint64_t)RING_BUFS * RING_BUF_SIZE);
        row->loop = member->loop.stats;
        row->heap_calls = atomic_load_explicit(&member->heap_calls, memory_order_relaxed);
        row->heap_bytes = atomic_load_explicit(&member->heap_bytes, memory_order_relaxed);
    }
    crew_view_end(member);
}

/* --- the process --- */

/* Resident pages are the second number (proc_pid_statm(5)). */
static void add_resident(struct metrics_view *view) {
    unsigned long long size, resident;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return;
    if (fscanf(file, "%llu %llu", &size, &resident) == 2)
        add_memory(view, "resident", resident * (uint64_t)sysconf(_SC_PAGESIZE));
    fclose(file);
}

struct metrics_view *metrics_view_new(struct crew *crew) {
    struct metrics_view *view = heap_alloc(sizeof *view);
    view->workers = heap_alloc(crew->count * sizeof *view->workers + 1);
    view->worker_count = crew->count;
    view->generation = UINT64_MAX;
    for (unsigned i = 0; i < crew->count; i++)
        add_member(view, &crew->members[i]);
    if (view->generation == UINT64_MAX)
        view->generation = 0; /* no worker has one */
    add_resident(view);
    view->credentials = credentials_rows(crew->credentials, &view->credential_count);
    view->log_dropped = crew->access_log ? access_log_dropped(crew->access_log) : 0;
    view->start_wall_ns = crew->start_wall_ns;
    return view;
}

void metrics_view_free(struct metrics_view **pointer) {
    struct metrics_view *view = *pointer;
    for (unsigned i = 0; i < view->model_count; i++)
        heap_free(&view->models[i].name);
    for (unsigned i = 0; i < view->backend_count; i++) {
        heap_free(&view->backends[i].provider);
        heap_free(&view->backends[i].model);
    }
    for (unsigned i = 0; i < view->provider_count; i++)
        heap_free(&view->providers[i].name);
    credentials_rows_free(&view->credentials, view->credential_count);
    heap_free(&view->models);
    heap_free(&view->backends);
    heap_free(&view->providers);
    heap_free(&view->workers);
    heap_free(pointer);
}
