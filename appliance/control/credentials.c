/* credentials.c - the thread that obtains credentials. See credentials.h. */
#include "appliance/control/credentials.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "appliance/control/config_hold.h"
#include "core/heap.h"
#include "core/mailbox.h"
#include "core/worker.h"
#include "net/resolve.h"

/* A handful of short requests an hour: the smallest ring does. */
#define SQ_ENTRIES   64
#define CQ_ENTRIES   256
#define BUFS         16
#define MEMORY_BYTES ((size_t)64 << 20)

struct credentials {
    struct credentials_host host;
    struct worker worker;
    struct loop loop;
    struct mailbox mailbox;
    struct resolver *resolver;
    struct resolve resolve;
    bool running;             /* the thread was started; the main thread's */
    bool stopping;            /* the thread's */
    struct list sources;      /* struct credentials_source, under host.lock */
    struct list leaving;      /* the same, stopped */
    struct config_hold *hold; /* the snapshot whose cells are bound; under host.lock */
    pthread_cond_t changed;   /* of what follows, under host.lock */
    unsigned asked, adopted;  /* snapshots, counted */
    bool opened;              /* the thread is ready, or open_error is set */
    int open_error;
};

/* --- the thread --- */

static void settled(struct credentials_host *host) {
    struct credentials *c = container_of(host, struct credentials, host);
    pthread_mutex_lock(&host->lock);
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&host->lock);
}

static void home(struct credentials_host *host, struct credentials_source *source) {
    (void)host;
    list_remove(&source->link);
    credentials_source_free(&source);
}

static struct credentials_source *source_of(struct list *node) {
    return container_of(node, struct credentials_source, link);
}

static struct credentials_source *source_find(struct credentials *c,
                                              const struct credentials_recipe *recipe) {
    list_each (node, &c->sources)
        if (credentials_recipe_equal(&source_of(node)->recipe, recipe))
            return source_of(node);
    return NULL;
}

/* The plan behind a provider's cell; NULL when it does not change. */
static const struct credentials_plan *plan_of(const struct config *config, unsigned index) {
    const struct credential_cell *cell = config->providers[index].provider.credential;
    if (!cell || credentials_plan_of(cell)->recipe.way == CREDENTIALS_FIXED)
        return NULL;
    return credentials_plan_of(cell);
}

static void bind_all(struct credentials *c, const struct config *config) {
    for (unsigned i = 0; i < config->provider_count; i++) {
        const struct credentials_plan *plan = plan_of(config, i);
        if (!plan)
            continue;
        struct credentials_source *source = source_find(c, &plan->recipe);
        if (!source) {
            source = credentials_source_new(&c->host, &plan->recipe);
            list_push_back(&c->sources, &source->link);
            credentials_source_start(source);
        }
        credentials_source_bind(source, config->providers[i].provider.credential,
                                config->providers[i].provider.name);
    }
}

/* Sources that nobody is bound to any more, out of the way of who looks at the others. */
static void leave(struct credentials *c) {
    list_each_safe (node, &c->sources) {
        if (source_of(node)->bind_count)
            continue;
        list_remove(node);
        list_push_back(&c->leaving, node);
    }
}

static void stop_leaving(struct credentials *c) {
    list_each_safe (node, &c->leaving)
        if (source_of(node)->phase != CREDENTIALS_LEAVING)
            credentials_source_stop(source_of(node));
}

/* From one snapshot to the next; `next` NULL: to none. */
static void adopt(struct credentials *c, struct config_hold *next) {
    pthread_mutex_lock(&c->host.lock);
    struct config_hold *before = c->hold;
    list_each (node, &c->sources)
        credentials_source_unbind(source_of(node));
    c->hold = next;
    if (next)
        bind_all(c, next->config);
    leave(c);
    c->adopted++;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->host.lock);
    stop_leaving(c);
    if (before)
        config_hold_drop(&before);
}

struct order {
    struct message message;
    struct config_hold *hold; /* NULL: stop */
};

static void deliver(struct message *message, void *owner) {
    struct order *order = container_of(message, struct order, message);
    struct credentials *c = owner;
    c->stopping = !order->hold;
    adopt(c, order->hold);
    heap_free(&order);
}

static int open_thread(struct credentials *c) {
    struct ring_options options = {.sq_entries = SQ_ENTRIES,
                                   .cq_entries = CQ_ENTRIES,
                                   .buf_count = BUFS,
                                   .buf_size_bytes = RING_BUF_SIZE,
                                   .feature_mask = ~0u};
    int error = loop_open(&c->loop, &options, MEMORY_BYTES);
    if (error < 0)
        return error;
    error = mailbox_open(&c->mailbox, &c->loop, c);
    if (error < 0) {
        loop_close(&c->loop);
        return error;
    }
    resolve_init(&c->resolve, &c->loop, c->resolver, &c->mailbox);
    /* Without a trust store those sources that need none still work; the others say why not. */
    struct cert_client_options trust = {.ca_path = NULL};
    if (cert_client_new(&c->host.tls, &trust, c->host.tls_why, sizeof c->host.tls_why) != 0)
        c->host.tls = NULL;
    return 0;
}

static void run_thread(struct worker *worker) {
    struct credentials *c = container_of(worker, struct credentials, worker);
    int error = open_thread(c);
    pthread_mutex_lock(&c->host.lock);
    c->opened = true;
    c->open_error = error;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->host.lock);
    if (error < 0)
        return;
    bool closed = false;
    while (!closed || !mailbox_closed(&c->mailbox)) {
        error = loop_turn(&c->loop, UINT64_MAX);
        CHECK(error == 0);
        if (!closed && c->stopping && list_empty(&c->leaving)) {
            closed = true;
            mailbox_close(&c->mailbox);
        }
    }
    if (c->host.tls)
        cert_client_drop(&c->host.tls);
    loop_close(&c->loop);
}

/* --- the main thread's side --- */

struct credentials *credentials_new(void) {
    struct credentials *c = heap_alloc(sizeof *c);
    pthread_condattr_t attributes;
    list_init(&c->sources);
    list_init(&c->leaving);
    c->host.loop = &c->loop;
    c->host.resolve = &c->resolve;
    c->host.settled = settled;
    c->host.home = home;
    pthread_mutex_init(&c->host.lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return c;
}

/* Behind the thread, which asks the resolver, and before the mailbox, into which the resolver drops
 * its last answers. */
static void join_thread(struct credentials *c) {
    worker_join(&c->worker);
    resolver_free(&c->resolver);
    if (c->open_error == 0) {
        mailbox_fini(&c->mailbox);
        resolve_fini(&c->resolve);
    }
    c->running = c->opened = false;
}

static int start_thread(struct credentials *c) {
    int error = resolver_new(&c->resolver);
    if (error < 0)
        return error;
    c->worker = (struct worker){.cpu = -1, .run = run_thread};
    error = worker_start(&c->worker);
    if (error < 0) {
        resolver_free(&c->resolver);
        return error;
    }
    pthread_setname_np(c->worker.thread, "hedgerow/cred");
    pthread_mutex_lock(&c->host.lock);
    while (!c->opened)
        pthread_cond_wait(&c->changed, &c->host.lock);
    pthread_mutex_unlock(&c->host.lock);
    c->running = true;
    error = c->open_error;
    if (error < 0)
        join_thread(c);
    return error;
}

static void post(struct credentials *c, struct config_hold *hold) {
    struct order *order = heap_alloc(sizeof *order);
    order->message.deliver = deliver;
    order->hold = hold;
    c->asked++;
    mailbox_post(&c->mailbox, &order->message);
}

static bool all_settled(const struct credentials *c) {
    if (c->adopted < c->asked)
        return false;
    list_each (node, &c->sources)
        if (!source_of(node)->settled)
            return false;
    return true;
}

static void await_settled(struct credentials *c, uint64_t wait_ns) {
    uint64_t until_ns = ring_now(NULL) + wait_ns;
    struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
                             .tv_nsec = (long)(until_ns % NS_PER_S)};
    int error = 0;
    pthread_mutex_lock(&c->host.lock);
    /* What the cells are to hold on return is waited for however long that takes: it asks nobody. */
    while (c->adopted < c->asked)
        pthread_cond_wait(&c->changed, &c->host.lock);
    while (!all_settled(c) && error == 0)
        error = pthread_cond_timedwait(&c->changed, &c->host.lock, &until);
    pthread_mutex_unlock(&c->host.lock);
}

static bool wants_thread(const struct config *config) {
    for (unsigned i = 0; i < config->provider_count; i++)
        if (plan_of(config, i))
            return true;
    return false;
}

int credentials_use(struct credentials *c, struct config *config, uint64_t wait_ns) {
    if (!c->running) {
        if (!wants_thread(config))
            return 0;
        int error = start_thread(c);
        if (error < 0)
            return error;
    }
    post(c, config_hold_take(config));
    await_settled(c, wait_ns);
    return 0;
}

void credentials_free(struct credentials **pointer) {
    struct credentials *c = *pointer;
    if (!c)
        return;
    if (c->running) {
        post(c, NULL);
        join_thread(c);
    }
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->host.lock);
    heap_free(pointer);
}

/* --- rows --- */

static void fill_row(struct credentials_row *row, const struct credentials_source *source,
                     const char *provider, int64_t now_s) {
    row->provider = heap_text(provider, strlen(provider));
    row->way = credentials_way_text(source->recipe.way);
    row->state = credentials_source_state(source, now_s);
    row->expires_s = source->expires_s;
    row->got = source->got;
    row->failed = source->failed;
    memcpy(row->why, source->why, sizeof row->why);
}

struct credentials_row *credentials_rows(struct credentials *c, unsigned *count) {
    *count = 0;
    if (!c)
        return NULL;
    int64_t now_s = (int64_t)(ring_wall(NULL) / NS_PER_S);
    struct credentials_row *rows = NULL;
    pthread_mutex_lock(&c->host.lock);
    const struct config *config = c->hold ? c->hold->config : NULL;
    if (config)
        rows = heap_alloc((config->provider_count + 1) * sizeof *rows);
    for (unsigned i = 0; config && i < config->provider_count; i++) {
        const struct credentials_plan *plan = plan_of(config, i);
        const struct credentials_source *source = plan ? source_find(c, &plan->recipe) : NULL;
        if (source)
            fill_row(&rows[(*count)++], source, config->providers[i].provider.name, now_s);
    }
    pthread_mutex_unlock(&c->host.lock);
    return rows;
}

void credentials_rows_free(struct credentials_row **rows, unsigned count) {
    for (unsigned i = 0; *rows && i < count; i++)
        heap_free(&(*rows)[i].provider);
    heap_free(rows);
}
