/* pool.c - upstream connections by origin. See pool.h. */
#include "net/pool.h"

#include "net/h1.h"

/* Idle connections are looked over, and spares refilled, this often. */
#define TEND_NS (1 * NS_PER_S)
/* After a failed dial no spare is tried for so long; a waiting request dials all the same. */
#define SPARE_BACKOFF_NS (2 * NS_PER_S)
/* Clocks of a spare's dial, which no request waits for. */
#define SPARE_CONNECT_NS (5 * NS_PER_S)
#define SPARE_TLS_NS     (5 * NS_PER_S)

/* One connection being made: dial, then TLS. */
struct pool_dial {
    struct dial dial;
    struct pool_origin *origin;
    struct list link;
    uint64_t tls_ns;
};

static void pool_tend(struct timer *timer);

void pool_init(struct pool_origin *origin, struct loop *loop, struct resolve *resolve,
               const struct pool_settings *settings) {
    *origin = (struct pool_origin){.loop = loop, .resolve = resolve, .settings = *settings};
    list_init(&origin->idle);
    list_init(&origin->busy);
    list_init(&origin->waiting);
    list_init(&origin->opening);
    list_init(&origin->securing);
    timer_init(&origin->tend, pool_tend);
    slab_init(&origin->sessions, "pool_session", sizeof(struct h1_client), 0);
    slab_init(&origin->dials, "pool_dial", sizeof(struct pool_dial), 0);
    if (settings->tls)
        origin->resume = tls_resume_new();
    loop_arm(loop, &origin->tend, 0);
}

static unsigned total(const struct pool_origin *origin) {
    return origin->idle_count + origin->busy_count + origin->opening_count;
}

static struct pool_ask *pop_waiting(struct pool_origin *origin) {
    struct list *node = list_pop(&origin->waiting);
    if (!node)
        return NULL;
    origin->waiting_count--;
    return container_of(node, struct pool_ask, link);
}

/* The oldest ask that this session may serve. */
static struct pool_ask *pop_waiting_for(struct pool_origin *origin,
                                        const struct h1_client *session) {
    list_each (node, &origin->waiting) {
        struct pool_ask *ask = container_of(node, struct pool_ask, link);
        if (session->used && ask->fresh)
            continue;
        list_remove(node);
        origin->waiting_count--;
        return ask;
    }
    return NULL;
}

static void fail_oldest(struct pool_origin *origin, enum fail why) {
    struct pool_ask *ask = pop_waiting(origin);
    if (ask)
        ask->failed(ask, why);
}

static void dial_done(struct dial *dial, int fd, enum fail why);

static void dial_idle(struct dial *dial) {
    struct pool_dial *opening = container_of(dial, struct pool_dial, dial);
    struct pool_origin *origin = opening->origin;
    list_remove(&opening->link);
    void *memory = opening;
    slab_free(&origin->dials, &memory);
}

/* False: the origin is at its limit of connections. */
static bool open_one(struct pool_origin *origin, uint64_t connect_ns, uint64_t tls_ns) {
    if (total(origin) >= origin->settings.max_connections)
        return false;
    struct pool_dial *opening = slab_new(&origin->dials);
    if (!opening)
        return false;
    opening->origin = origin;
    opening->tls_ns = tls_ns;
    opening->dial.done = dial_done;
    opening->dial.idle = dial_idle;
    list_init(&opening->link);
    list_push_back(&origin->opening, &opening->link);
    origin->opening_count++;
    origin->stats.dials++;
    dial_start(&opening->dial, origin->loop, origin->resolve, origin->settings.host,
               origin->settings.port, connect_ns);
    return true;
}

/* Connections for those who wait, and warm spares: so many idle ones that the next request, or
 * hedge, finds one open. */
static void refill(struct pool_origin *origin) {
    if (origin->stopped)
        return;
    while (origin->opening_count <
           origin->waiting_count) /* each dial that fails fails one of them */
        if (!open_one(origin, SPARE_CONNECT_NS, SPARE_TLS_NS))
            return;
    if (origin->loop->now_ns < origin->spare_after_ns)
        return;
    while (origin->idle_count + origin->opening_count <
           origin->settings.min_idle + origin->waiting_count)
        if (!open_one(origin, SPARE_CONNECT_NS, SPARE_TLS_NS))
            return;
}

static void start_session(struct pool_dial *opening, int fd) {
    struct pool_origin *origin = opening->origin;
    struct h1_client *session = slab_new(&origin->sessions);
    if (!session) {
        ring_close_fd(origin->loop->ring, fd);
        origin->opening_count--;
        fail_oldest(origin, FAIL_POOL);
        return;
    }
    h1_client_init(session, origin, origin->loop, fd);
    session->connected_ns = origin->loop->now_ns;
    list_push_back(&origin->securing, &session->h1.link);
    struct conn *conn = &session->h1.conn;
    if (!origin->settings.tls) {
        conn_start(conn);
        return;
    }
    struct tls *tls = tls_connect(origin->settings.tls, origin->settings.tls_name, origin->resume,
                                  conn_tls_out(conn));
    if (tls)
        conn_start_tls(conn, &tls, opening->tls_ns);
    else
        conn_stop(conn, FAIL_OVERLOAD);
}

static void dial_done(struct dial *dial, int fd, enum fail why) {
    struct pool_dial *opening = container_of(dial, struct pool_dial, dial);
    struct pool_origin *origin = opening->origin;
    if (why == FAIL_NONE) {
        start_session(opening, fd);
        return;
    }
    origin->opening_count--;
    origin->stats.dial_failures++;
    origin->spare_after_ns = origin->loop->now_ns + SPARE_BACKOFF_NS;
    fail_oldest(origin, why);
    refill(origin);
}

/* --- called by h1_client.c --- */

static void offer(struct h1_client *session) {
    struct pool_origin *origin = session->origin;
    struct pool_ask *ask = pop_waiting_for(origin, session);
    if (ask) {
        list_remove(&session->h1.link);
        list_push_back(&origin->busy, &session->h1.link);
        origin->busy_count++;
        ask->ready(ask, h1_client_use(session));
        return;
    }
    list_remove(&session->h1.link);
    list_push_front(&origin->idle, &session->h1.link); /* newest first: old ones may be dead */
    origin->idle_count++;
    session->idle_at_ns = origin->loop->now_ns;
    /* At the limit of connections, who waits for a fresh one gets this one's place. */
    if (origin->waiting_count > origin->opening_count)
        conn_stop(&session->h1.conn, FAIL_NONE);
}

/* Connected and secured: until now it counted as opening. */
void pool_opened(struct h1_client *session) {
    struct pool_origin *origin = session->origin;
    origin->opening_count--;
    session->opened = true;
    if (session->h1.conn.tls) {
        session->secured_ns = origin->loop->now_ns;
        origin->stats.handshakes++;
        if (tls_resumed(session->h1.conn.tls))
            origin->stats.handshakes_resumed++;
    }
    offer(session);
}

void pool_returned(struct h1_client *session) {
    session->origin->busy_count--;
    if (session->origin->stopped) {
        session->origin->busy_count++; /* counted down when it is closed */
        conn_stop(&session->h1.conn, FAIL_NONE);
        return;
    }
    offer(session);
}

static bool is_idle(const struct h1_client *session) { return session->idle_at_ns != 0; }

void pool_closed(struct h1_client *session, enum fail why) {
    struct pool_origin *origin = session->origin;
    bool opened = session->opened, given_up = session->given_up, was_idle = is_idle(session);
    list_remove(&session->h1.link);
    if (given_up)
        CHECK(!opened); /* counted down already */
    else if (!opened)
        origin->opening_count--;
    else if (was_idle)
        origin->idle_count--;
    else
        origin->busy_count--;
    void *memory = session;
    slab_free(&origin->sessions, &memory);
    if (!opened && !given_up) {
        origin->stats.dial_failures++;
        origin->spare_after_ns = origin->loop->now_ns + SPARE_BACKOFF_NS;
        fail_oldest(origin, why == FAIL_RESET || why == FAIL_CLOSED ? FAIL_TLS : why);
    } else if (opened && !was_idle && why != FAIL_NONE) {
        origin->stats.lost++;
    }
    refill(origin);
}

/* --- asking --- */

static struct h1_client *of_link(struct list *node) {
    return container_of(container_of(node, struct h1, link), struct h1_client, h1);
}

static struct stream *take_idle(struct pool_origin *origin) {
    struct h1_client *session = NULL;
    list_each (node, &origin->idle) {
        session = of_link(node);
        if (conn_is_open(&session->h1.conn))
            break;
        session = NULL; /* just found dead, not yet home */
    }
    if (!session)
        return NULL;
    list_remove(&session->h1.link);
    origin->idle_count--;
    session->idle_at_ns = 0;
    list_push_back(&origin->busy, &session->h1.link);
    origin->busy_count++;
    if (session->used)
        origin->stats.reused++;
    return h1_client_use(session);
}

struct stream *pool_get(struct pool_origin *origin, struct pool_ask *ask, bool fresh) {
    ask->asked_ns = origin->loop->now_ns;
    ask->fresh = fresh;
    if (!fresh) {
        struct stream *stream = take_idle(origin);
        if (stream) {
            refill(origin);
            return stream;
        }
    }
    list_push_back(&origin->waiting, &ask->link);
    origin->waiting_count++;
    if (origin->stopped)
        loop_arm(origin->loop, &origin->tend, 0); /* fails it, from the loop */
    else if (origin->opening_count < origin->waiting_count + origin->settings.min_idle)
        open_one(origin, ask->connect_ns, ask->tls_ns);
    return NULL;
}

/* Spares to be opened now; none while dials fail. */
static unsigned spares_missing(const struct pool_origin *origin) {
    unsigned min_idle = origin->settings.min_idle;
    if (origin->loop->now_ns < origin->spare_after_ns || origin->idle_count >= min_idle)
        return 0;
    return min_idle - origin->idle_count;
}

/* The newest: it has the least behind it. */
static void give_up_newest(struct pool_origin *origin) {
    for (struct list *node = origin->opening.prev; node != &origin->opening; node = node->prev) {
        struct dial *dial = &container_of(node, struct pool_dial, link)->dial;
        if (!dial->done)
            continue; /* over, its losing sockets are being closed */
        dial_cancel(dial);
        origin->opening_count--;
        return;
    }
    for (struct list *node = origin->securing.prev; node != &origin->securing; node = node->prev) {
        struct h1_client *session = of_link(node);
        if (session->given_up)
            continue;
        session->given_up = true;
        conn_stop(&session->h1.conn, FAIL_CANCELLED);
        origin->opening_count--;
        return;
    }
}

void pool_cancel(struct pool_origin *origin, struct pool_ask *ask) {
    if (!list_linked(&ask->link))
        return;
    list_remove(&ask->link);
    origin->waiting_count--;
    if (origin->opening_count > origin->waiting_count + spares_missing(origin))
        give_up_newest(origin);
}

static void fail_all(struct pool_origin *origin) {
    while (origin->waiting_count > 0)
        fail_oldest(origin, FAIL_POOL);
}

static void pool_tend(struct timer *timer) {
    struct pool_origin *origin = container_of(timer, struct pool_origin, tend);
    uint64_t now_ns = origin->loop->now_ns;
    if (origin->stopped) {
        fail_all(origin);
        return;
    }
    list_each_safe (node, &origin->idle) {
        struct h1_client *session = of_link(node);
        if (now_ns - session->idle_at_ns >= origin->settings.idle_ns)
            conn_stop(&session->h1.conn, FAIL_NONE);
    }
    refill(origin);
    loop_arm(origin->loop, &origin->tend, TEND_NS);
}

void pool_stop(struct pool_origin *origin) {
    if (origin->stopped)
        return;
    origin->stopped = true;
    loop_disarm(origin->loop, &origin->tend);
    list_each_safe (node, &origin->opening)
        dial_cancel(&container_of(node, struct pool_dial, link)->dial);
    list_each_safe (node, &origin->idle)
        conn_stop(&container_of(node, struct h1, link)->conn, FAIL_NONE);
    list_each_safe (node, &origin->securing)
        conn_stop(&container_of(node, struct h1, link)->conn, FAIL_CANCELLED);
    list_each_safe (node, &origin->busy)
        conn_stop(&container_of(node, struct h1, link)->conn, FAIL_CANCELLED);
    fail_all(origin);
}

bool pool_done(const struct pool_origin *origin) {
    return origin->sessions.used == 0 && origin->dials.used == 0 && origin->waiting_count == 0;
}

void pool_fini(struct pool_origin *origin) {
    CHECK(pool_done(origin));
    loop_disarm(origin->loop, &origin->tend);
    if (origin->resume)
        tls_resume_free(&origin->resume);
    slab_fini(&origin->sessions);
    slab_fini(&origin->dials);
}
