/* crew.c - the workers. See crew.h. */
#include "appliance/control/crew.h"

#include <jemalloc/jemalloc.h>
#include <sched.h>
#include <stdlib.h>

#include "appliance/control/access_log.h"
#include "appliance/control/config_quota.h"
#include "appliance/control/keys.h"
#include "core/heap.h"
#include "core/limits.h"
#include "net/tls_memory.h"

/* Sanitizer builds come without jemalloc: then nothing is counted. */
#pragma weak mallctl

/* A request head must be whole within this time, and a body make progress. Fixed: no client that
 * matters is slower, and a slow one costs a connection each (slowloris). */
#define HEAD_NS      (10 * NS_PER_S)
#define BODY_NS      (30 * NS_PER_S)
#define IDLE_NS      (75 * NS_PER_S)
#define HANDSHAKE_NS (10 * NS_PER_S)
/* Blocks that a worker may hand out: bodies, output queues, arenas. */
#define WORKER_MEMORY_BYTES ((size_t)4 << 30)
#define SAMPLE_NS           (250 * NS_PER_MS)
/* After a stop everything is home within a turn or two; this bounds the wait for a kernel that is
 * not. */
#define EXCHANGES_PER_WORKER 100000

static void race_release(struct race *race, const struct config *config) {
    struct config_hold *hold = config->holder;
    (void)race;
    config_hold_drop(&hold);
}

/* --- messages to a worker --- */

struct order {
    struct message message;
    struct config_hold *hold; /* of a new configuration */
};

static void post(struct crew_member *member, void (*deliver)(struct message *, void *),
                 struct config_hold *hold) {
    struct order *order = heap_alloc(sizeof *order);
    order->message.deliver = deliver;
    order->hold = hold;
    mailbox_post(&member->mailbox, &order->message);
}

static void deliver_config(struct message *message, void *owner) {
    struct order *order = container_of(message, struct order, message);
    struct crew_member *member = owner;
    const struct config *config = order->hold->config;
    if (member->stopping) {
        config_hold_drop(&order->hold);
    } else {
        pthread_mutex_lock(&member->view);
        race_reconfigure(&member->race, config);
        pthread_mutex_unlock(&member->view);
        for (unsigned i = 0; i < member->server_count && i < config->listener_count; i++)
            server_set_tls(&member->servers[i], config->listeners[i].tls);
    }
    heap_free(&order);
}

static void stop_now(struct crew_member *member) {
    if (member->stopping)
        return;
    member->stopping = true;
    loop_disarm(&member->loop, &member->drain_limit);
    for (unsigned i = 0; i < member->server_count; i++)
        server_stop(&member->servers[i]);
    pthread_mutex_lock(&member->view);
    race_stop(&member->race);
    pthread_mutex_unlock(&member->view);
}

static void deliver_stop(struct message *message, void *owner) {
    struct order *order = container_of(message, struct order, message);
    stop_now(owner);
    heap_free(&order);
}

static void drain_limit_fired(struct timer *timer) {
    stop_now(container_of(timer, struct crew_member, drain_limit));
}

static void deliver_drain(struct message *message, void *owner) {
    struct order *order = container_of(message, struct order, message);
    struct crew_member *member = owner;
    heap_free(&order);
    if (member->draining || member->stopping)
        return;
    member->draining = true;
    race_drain(&member->race);
    for (unsigned i = 0; i < member->server_count; i++)
        server_drain(&member->servers[i]);
    loop_arm(&member->loop, &member->drain_limit, member->race.current->config->drain_timeout_ns);
}

/* --- a worker's life --- */

static bool servers_done(const struct crew_member *member) {
    for (unsigned i = 0; i < member->server_count; i++)
        if (!server_done(&member->servers[i]))
            return false;
    return true;
}

static uint64_t allocated_bytes(void) {
    uint64_t bytes = 0;
    size_t size = sizeof bytes;
    if (!mallctl)
        return 0;
    return mallctl("thread.allocated", &bytes, &size, NULL, 0) == 0 ? bytes : 0;
}

static void sample_fired(struct timer *timer) {
    struct crew_member *member = container_of(timer, struct crew_member, sample);
    atomic_store_explicit(&member->heap_bytes, allocated_bytes(), memory_order_relaxed);
    atomic_store_explicit(&member->heap_calls, heap_calls() + tls_memory_misses(),
                          memory_order_relaxed);
    loop_arm(&member->loop, &member->sample, SAMPLE_NS);
}

static void settle_settings(struct crew_member *member, const struct config *config) {
    member->settings = (struct server_settings){.head_max_bytes = config->header_max_bytes,
                                                .head_ns = HEAD_NS,
                                                .body_ns = BODY_NS,
                                                .idle_ns = IDLE_NS,
                                                .handshake_ns = HANDSHAKE_NS};
    uint64_t share = config->connections_max / member->crew->count;
    member->settings.connections_max = share > 0 ? (unsigned)share : 1;
}

/* Lets every test run as if on an older kernel: HEDGEROW_RING_FEATURES=0 hides all that is newer
 * than 6.1. */
static unsigned feature_mask(void) {
    const char *text = getenv("HEDGEROW_RING_FEATURES");
    return text ? (unsigned)strtoul(text, NULL, 0) : ~0u;
}

static int open_member(struct crew_member *member, const struct config *config) {
    struct ring_options options = {.sq_entries = RING_SQ_ENTRIES,
                                   .cq_entries = RING_CQ_ENTRIES,
                                   .buf_count = RING_BUFS,
                                   .buf_size_bytes = RING_BUF_SIZE,
                                   .feature_mask = feature_mask()};
    int error = loop_open(&member->loop, &options, WORKER_MEMORY_BYTES);
    if (error < 0)
        return error;
    error = mailbox_open(&member->mailbox, &member->loop, member);
    if (error < 0)
        return error;
    settle_settings(member, config);
    resolve_init(&member->resolve, &member->loop, member->crew->resolver, &member->mailbox);
    timer_init(&member->drain_limit, drain_limit_fired);
    timer_init(&member->sample, sample_fired);
    loop_arm(&member->loop, &member->sample, SAMPLE_NS);
    member->race.key_find = keys_find;
    member->race.finished = access_log_finished;
    member->race.release = race_release;
    member->race.sticky = member->crew->sticky;
    member->race.workers = member->crew->count;
    member->race.owner = member->log;
    race_init(&member->race, &member->loop, &member->resolve, config, EXCHANGES_PER_WORKER);
    for (unsigned i = 0; i < member->server_count; i++) {
        struct server *server = &member->servers[i];
        server->opened = race_opened;
        server->owner = &member->race;
        server_init(server, &member->loop, &member->settings, member->listen_fds[i],
                    config->listeners[i].tls);
    }
    return 0;
}

static void close_member(struct crew_member *member) {
    for (unsigned i = 0; i < member->server_count; i++)
        server_fini(&member->servers[i]);
    race_fini(&member->race);
    loop_disarm(&member->loop, &member->sample);
    loop_disarm(&member->loop, &member->drain_limit);
}

/* Runs until told to end and everything is home. */
static void run_member(struct worker *worker) {
    struct crew_member *member = container_of(worker, struct crew_member, worker);
    const struct config *config = member->crew->current->config;
    int error = open_member(member, config);
    if (error < 0) {
        atomic_store(&member->failed, error);
        atomic_store(&member->ended, true);
        return;
    }
    atomic_store(&member->ready, true);
    bool closed = false;
    while (!closed || !mailbox_closed(&member->mailbox)) {
        error = loop_turn(&member->loop, UINT64_MAX);
        CHECK(error == 0);
        if (member->draining && !member->stopping && member->race.exchange_count == 0 &&
            servers_done(member))
            stop_now(member);
        if (!closed && member->stopping && servers_done(member) && race_done(&member->race)) {
            closed = true;
            close_member(member);
            mailbox_close(&member->mailbox);
        }
    }
    loop_close(&member->loop);
    atomic_store(&member->ended, true);
}

/* --- the main thread's side --- */

/* Every worker runs or has failed: one that is still on its way would not hear of a stop. Returns
 * the first failure. */
static int await_settled(struct crew *crew) {
    int error = 0;
    for (unsigned i = 0; i < crew->count; i++) {
        struct crew_member *member = &crew->members[i];
        while (!atomic_load(&member->ready) && !atomic_load(&member->ended))
            sched_yield();
        if (error == 0)
            error = atomic_load(&member->failed);
    }
    return error;
}

int crew_start(struct crew *crew, struct config *config, unsigned count, const int *cpus,
               int (*listen_fds)[CREW_LISTENERS_MAX], struct access_log *log) {
    crew->members = heap_alloc(count * sizeof *crew->members);
    crew->count = count;
    crew->access_log = log;
    crew->start_wall_ns = ring_wall(NULL);
    crew->sticky = heap_alloc(sizeof *crew->sticky);
    crew->current = config_hold_take(config);
    atomic_fetch_add(&crew->current->holds, count); /* each worker's race */
    for (unsigned i = 0; i < count; i++) {
        struct crew_member *member = &crew->members[i];
        member->crew = crew;
        member->worker = (struct worker){.index = i, .cpu = cpus[i], .run = run_member};
        member->listen_fds = listen_fds[i];
        member->server_count = config->listener_count;
        member->servers = heap_alloc(config->listener_count * sizeof *member->servers);
        member->log = access_log_writer(log, i);
        pthread_mutex_init(&member->view, NULL);
        int error = worker_start(&member->worker);
        if (error < 0) {
            crew->count = i;
            await_settled(crew);
            return error;
        }
    }
    return await_settled(crew);
}

static bool running(const struct crew_member *member) {
    return atomic_load(&member->ready) && !atomic_load(&member->ended);
}

void crew_reconfigure(struct crew *crew, struct config *config) {
    struct config_hold *before = crew->current;
    config_quota_inherit(config, before->config);
    crew->current = config_hold_take(config);
    for (unsigned i = 0; i < crew->count; i++)
        if (running(&crew->members[i]))
            post(&crew->members[i], deliver_config, config_hold_take(config));
    config_hold_drop(&before);
}

void crew_drain(struct crew *crew) {
    atomic_store(&crew->draining, true);
    for (unsigned i = 0; i < crew->count; i++)
        if (running(&crew->members[i]))
            post(&crew->members[i], deliver_drain, NULL);
}

void crew_stop(struct crew *crew) {
    atomic_store(&crew->draining, true);
    for (unsigned i = 0; i < crew->count; i++)
        if (running(&crew->members[i]))
            post(&crew->members[i], deliver_stop, NULL);
}

bool crew_ended(const struct crew *crew) {
    for (unsigned i = 0; i < crew->count; i++)
        if (!atomic_load(&crew->members[i].ended))
            return false;
    return true;
}

const struct upstreams *crew_view(struct crew_member *member) {
    pthread_mutex_lock(&member->view);
    /* Before `ready` the race may be half made. */
    return atomic_load(&member->ready) ? member->race.current : NULL;
}

void crew_view_end(struct crew_member *member) { pthread_mutex_unlock(&member->view); }

void crew_join(struct crew *crew) {
    for (unsigned i = 0; i < crew->count; i++)
        worker_join(&crew->members[i].worker);
    /* Behind the workers, who ask it, and before their mailboxes, into which it drops its last
     * answers. */
    resolver_free(&crew->resolver);
    for (unsigned i = 0; i < crew->count; i++) {
        struct crew_member *member = &crew->members[i];
        if (!atomic_load(&member->failed)) {
            mailbox_fini(&member->mailbox);
            resolve_fini(&member->resolve);
        }
        pthread_mutex_destroy(&member->view);
        heap_free(&member->servers);
    }
    heap_free(&crew->members);
    heap_free(&crew->sticky);
    config_hold_drop(&crew->current);
}
