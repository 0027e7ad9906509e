/* credentials_source.c - one source of changing credentials. See credentials_source.h. */
#include "appliance/control/credentials_source.h"

#include <stdio.h>

#include "core/heap.h"

#define RETRY_FIRST_NS (1 * NS_PER_S)
#define RETRY_MOST_NS  (60 * NS_PER_S)
/* Of a token whose answer names no end: what most have. */
#define LIFE_UNKNOWN_S 3600
#define LIFE_MOST_S    (30 * 86400)
/* The wall clock may jump, and the other one stands still while the machine is suspended: both are
 * looked at so often. */
#define LOOK_NS (30 * NS_PER_S)
/* A credential's texts stay small; memory for them has no other bound than this. */
#define MEMORY_BYTES ((size_t)4 << 20)

struct way {
    enum credentials_do (*step)(struct credentials_try *);
    uint64_t early_ns, connect_ns, total_ns;
};

static const struct way ways[CREDENTIALS_WAY_COUNT] = {
#define WAY(name, function, text, early_s, connect_s, total_s)                                \
    [CREDENTIALS_##name] = {credentials_##function, early_s * NS_PER_S, connect_s * NS_PER_S, \
                            total_s * NS_PER_S},
#include "appliance/control/credentials_ways.def"
#undef WAY
};

const char *credentials_state_name(enum credentials_state state) {
    switch (state) {
    case CREDENTIALS_GOOD: return "good";
    case CREDENTIALS_AGING: return "aging";
    case CREDENTIALS_EXPIRED: return "expired";
    case CREDENTIALS_MISSING: return "missing";
    }
    CHECK(!"a state");
    return NULL;
}

uint64_t credentials_source_refresh_ns(int64_t life_s, uint64_t early_ns, double dice) {
    uint64_t life_ns = life_s > 0 ? min_u64((uint64_t)life_s, LIFE_MOST_S) * NS_PER_S : 0;
    uint64_t early = min_u64(early_ns, life_ns / 4);
    uint64_t jitter = (uint64_t)((double)early * dice / 10);
    return max_u64(life_ns - early - jitter, NS_PER_S);
}

uint64_t credentials_source_retry_ns(unsigned failures, double dice) {
    CHECK(failures >= 1);
    uint64_t wait_ns = RETRY_MOST_NS;
    if (failures - 1 < 6) /* 2^6 s are past the most */
        wait_ns = RETRY_FIRST_NS << (failures - 1);
    wait_ns -= (uint64_t)((double)wait_ns * dice / 4);
    return max_u64(wait_ns, RETRY_FIRST_NS);
}

static int64_t wall_s(const struct credentials_source *source) {
    return (int64_t)(ring_wall(source->host->loop->ring) / NS_PER_S);
}

enum credentials_state credentials_source_state(const struct credentials_source *source,
                                                int64_t now_s) {
    if (source->got == 0)
        return CREDENTIALS_MISSING;
    if (source->expires_s && source->expires_s <= now_s)
        return CREDENTIALS_EXPIRED;
    return source->failures ? CREDENTIALS_AGING : CREDENTIALS_GOOD;
}

/* --- the time of the next try --- */

static void rest(struct credentials_source *source, uint64_t wait_ns) {
    struct loop *loop = source->host->loop;
    source->phase = CREDENTIALS_RESTING;
    source->due_ns = loop->now_ns + wait_ns;
    source->due_wall_ns = ring_wall(loop->ring) + wait_ns;
    loop_arm(loop, &source->due, min_u64(wait_ns, LOOK_NS));
}

static void begin_try(struct credentials_source *source);

static void due_fired(struct timer *timer) {
    struct credentials_source *source = container_of(timer, struct credentials_source, due);
    struct loop *loop = source->host->loop;
    uint64_t wall_ns = ring_wall(loop->ring);
    if (loop->now_ns >= source->due_ns || wall_ns >= source->due_wall_ns) {
        begin_try(source);
        return;
    }
    uint64_t left_ns = min_u64(source->due_ns - loop->now_ns, source->due_wall_ns - wall_ns);
    loop_arm(loop, &source->due, min_u64(left_ns, LOOK_NS));
}

/* --- the outcome of a try --- */

/* One line on standard error at each change for the worse or back; what stays as it was is not
 * repeated. */
static void talk(struct credentials_source *source) {
    enum credentials_state state = credentials_source_state(source, wall_s(source));
    if (state == source->said && source->got + source->failed > 1)
        return;
    bool first = source->got + source->failed == 1;
    source->said = state;
    const char *way = credentials_way_text(source->recipe.way);
    for (unsigned i = 0; i < source->bind_count; i++) {
        const char *provider = source->binds[i].provider;
        switch (state) {
        case CREDENTIALS_GOOD:
            if (!first)
                fprintf(stderr, "hedgerow: provider %s: its credential was obtained from %s\n",
                        provider, way);
            break;
        case CREDENTIALS_AGING:
            fprintf(stderr,
                    "hedgerow: provider %s: its credential could not be refreshed from %s: %s; the "
                    "one in use stays, trying again\n",
                    provider, way, source->why);
            break;
        case CREDENTIALS_EXPIRED:
            fprintf(stderr,
                    "hedgerow: provider %s: its credential has expired, and could not be refreshed "
                    "from %s: %s; trying again\n",
                    provider, way, source->why);
            break;
        case CREDENTIALS_MISSING:
            fprintf(stderr,
                    "hedgerow: provider %s: no credential could be obtained from %s: %s; trying "
                    "again\n",
                    provider, way, source->why);
            break;
        }
    }
}

static void publish(struct credentials_source *source) {
    const struct credential *got = &source->try.got;
    for (unsigned i = 0; i < source->bind_count; i++)
        CHECK(credential_publish(source->binds[i].cell, got));
    source->expires_s = got->expires_s;
    source->got++;
    source->failures = 0;
    source->why[0] = 0;
}

static void record_failure(struct credentials_source *source) {
    source->failed++;
    source->failures++;
    memcpy(source->why, source->try.why, sizeof source->why);
}

static uint64_t next_ns(struct credentials_source *source) {
    const struct way *way = &ways[source->recipe.way];
    double dice = rand_double(&source->host->loop->rand);
    int64_t expires_s = source->expires_s;
    if (source->failures)
        return credentials_source_retry_ns(source->failures, dice);
    int64_t life_s = expires_s ? expires_s - wall_s(source) : LIFE_UNKNOWN_S;
    return credentials_source_refresh_ns(life_s, way->early_ns, dice);
}

/* The texts of the try are gone after it. */
static void end_try(struct credentials_source *source, enum credentials_do what) {
    struct credentials_try *try = &source->try;
    if (what == CREDENTIALS_HAVE && try->got.expires_s && try->got.expires_s <= try->now_s)
        what = credentials_try_fail(try, "what was given has expired already; is the clock of this "
                                         "machine right?");
    pthread_mutex_lock(&source->host->lock);
    if (what == CREDENTIALS_HAVE && !credential_publish(&source->value, &try->got))
        what = credentials_try_fail(try, "the credential is longer than %d bytes",
                                    CREDENTIAL_TEXT_MAX);
    if (what == CREDENTIALS_HAVE)
        publish(source);
    else
        record_failure(source);
    source->settled = true;
    pthread_mutex_unlock(&source->host->lock);
    talk(source);
    arena_fini(&source->try_arena);
    rest(source, next_ns(source));
    source->host->settled(source->host);
}

/* --- a try --- */

static void fetch_done(struct fetch *fetch, const struct fetch_answer *answer);

/* False when the URL is none, or wants TLS that there is not. */
static bool ask(struct credentials_source *source) {
    struct credentials_try *try = &source->try;
    const struct way *way = &ways[source->recipe.way];
    struct credentials_url url;
    const char *why;
    if (!credentials_url_parse(try->url, &url, &why)) {
        credentials_try_fail(try, "the URL %s", why);
        return false;
    }
    if (url.tls && !source->host->tls) {
        credentials_try_fail(try, "no TLS: %s", source->host->tls_why);
        return false;
    }
    char *host = arena_zalloc(&source->try_arena, url.host.n + 1);
    char *memory = arena_alloc(&source->try_arena, CREDENTIALS_ANSWER_MAX);
    if (!host || !memory) {
        credentials_try_fail(try, "memory is used up");
        return false;
    }
    memcpy(host, url.host.p, url.host.n);
    struct fetch_request request = {.method = try->method,
                                    .tls = url.tls ? source->host->tls : NULL,
                                    .host = host,
                                    .port = url.port,
                                    .authority = url.authority,
                                    .target = url.target,
                                    .fields = try->fields,
                                    .field_count = try->field_count,
                                    .body = try->request_body,
                                    .connect_ns = way->connect_ns,
                                    .total_ns = way->total_ns,
                                    .wanted = try->wanted,
                                    .memory = memory,
                                    .memory_bytes = CREDENTIALS_ANSWER_MAX};
    fetch_start(&source->fetch, source->host->loop, source->host->resolve, &request, fetch_done);
    return true;
}

static void step(struct credentials_source *source) {
    source->try.now_s = wall_s(source);
    enum credentials_do what = ways[source->recipe.way].step(&source->try);
    if (what == CREDENTIALS_ASK && ask(source))
        return;
    end_try(source, what == CREDENTIALS_ASK ? CREDENTIALS_FAIL : what);
}

static void begin_try(struct credentials_source *source) {
    source->phase = CREDENTIALS_TRYING;
    arena_init(&source->try_arena, &source->memory);
    source->try = (struct credentials_try){.recipe = &source->recipe, .arena = &source->try_arena};
    step(source);
}

static void fetch_done(struct fetch *fetch, const struct fetch_answer *answer) {
    struct credentials_source *source = container_of(fetch, struct credentials_source, fetch);
    if (source->phase == CREDENTIALS_LEAVING) {
        arena_fini(&source->try_arena);
        source->host->home(source->host, source);
        return;
    }
    source->try.step++;
    source->try.fail = answer->why;
    source->try.status = answer->status;
    source->try.body = answer->body;
    source->try.field = answer->field;
    step(source);
}

/* --- life --- */

struct credentials_source *credentials_source_new(struct credentials_host *host,
                                                  const struct credentials_recipe *recipe) {
    struct credentials_source *source = heap_alloc(sizeof *source);
    CHECK(recipe->way != CREDENTIALS_FIXED);
    source->host = host;
    list_init(&source->link);
    memory_init(&source->memory, MEMORY_BYTES, 0);
    arena_init(&source->arena, &source->memory);
    credentials_recipe_copy(&source->recipe, recipe, &source->arena);
    timer_init(&source->due, due_fired);
    source->phase = CREDENTIALS_RESTING;
    source->said = CREDENTIALS_MISSING;
    return source;
}

void credentials_source_start(struct credentials_source *source) {
    CHECK(source->phase == CREDENTIALS_RESTING);
    rest(source, 0);
}

void credentials_source_unbind(struct credentials_source *source) {
    heap_free(&source->binds);
    source->bind_count = 0;
}

void credentials_source_bind(struct credentials_source *source, struct credential_cell *cell,
                             const char *provider) {
    unsigned at = source->bind_count++;
    source->binds = heap_realloc(source->binds, source->bind_count * sizeof *source->binds);
    source->binds[at] = (struct credentials_bind){.cell = cell, .provider = provider};
    struct arena arena;
    struct credential value;
    arena_init(&arena, &source->memory);
    if (credential_read(&source->value, &arena, &value))
        CHECK(credential_publish(cell, &value));
    arena_fini(&arena);
}

void credentials_source_stop(struct credentials_source *source) {
    CHECK(source->phase != CREDENTIALS_LEAVING && source->bind_count == 0);
    bool trying = source->phase == CREDENTIALS_TRYING;
    source->phase = CREDENTIALS_LEAVING;
    loop_disarm(source->host->loop, &source->due);
    if (trying)
        fetch_cancel(&source->fetch);
    else
        source->host->home(source->host, source);
}

void credentials_source_free(struct credentials_source **pointer) {
    struct credentials_source *source = *pointer;
    CHECK(!fetch_running(&source->fetch));
    heap_free(&source->binds);
    arena_fini(&source->arena);
    memory_fini(&source->memory);
    explicit_bzero(&source->value, sizeof source->value);
    heap_free(pointer);
}
