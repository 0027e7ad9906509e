/* dial.c - happy eyeballs on the ring. See dial.h. */
#include "net/dial.h"

#include <errno.h>

/* Connection Attempt Delay (RFC 8305 5). */
#define NEXT_NS (250 * NS_PER_MS)

static void dial_begin(struct defer *defer);
static void dial_finish(struct defer *defer);
static void dial_resolved(struct resolve_ask *ask, const struct addr_list *addrs);
static void dial_limit_fired(struct timer *timer);
static void dial_next_fired(struct timer *timer);

static bool try_busy(const struct dial_try *try) { return try->connect.armed || try->close.armed; }

static void close_try(struct dial *dial, struct dial_try *try) {
    if (try->fd < 0)
        return;
    io_close(dial->loop, &try->close, try->fd);
    try->fd = -1;
}

/* Settles the outcome once; the owner hears of it at the end of the turn. */
static void settle(struct dial *dial, int fd, enum fail why) {
    if (dial->over)
        return;
    dial->over = true;
    dial->won_fd = fd;
    dial->why = why;
    loop_disarm(dial->loop, &dial->limit);
    loop_disarm(dial->loop, &dial->next);
    if (dial->asking)
        resolve_cancel(&dial->ask);
    dial->asking = false;
    for (unsigned i = 0; i < dial->begun; i++)
        close_try(dial, &dial->tries[i]);
    loop_defer(dial->loop, &dial->finish);
}

static void dial_finish(struct defer *defer) {
    struct dial *dial = container_of(defer, struct dial, finish);
    if (dial->done) {
        void (*done)(struct dial *, int, enum fail) = dial->done;
        dial->done = NULL;
        done(dial, dial->won_fd, dial->why);
    }
    for (unsigned i = 0; i < dial->begun; i++)
        if (try_busy(&dial->tries[i]))
            return;
    dial->idle(dial);
}

static void try_joined(struct dial *dial) {
    if (dial->over)
        loop_defer(dial->loop, &dial->finish);
}

static void dial_start_next(struct dial *dial);

static void dial_connect_done(struct op *op, int res, unsigned flags) {
    struct dial_try *try = container_of(op, struct dial_try, connect);
    struct dial *dial = try->dial;
    (void)flags;
    dial->running--;
    if (dial->over) {
        try_joined(dial);
        return;
    }
    if (res == 0) {
        int fd = try->fd;
        try->fd = -1;
        settle(dial, fd, FAIL_NONE);
        return;
    }
    close_try(dial, try);
    dial_start_next(dial); /* a failure is answered by the next address at once (RFC 8305 5) */
}

static void dial_close_done(struct op *op, int res, unsigned flags) {
    struct dial_try *try = container_of(op, struct dial_try, close);
    (void)res;
    (void)flags;
    try_joined(try->dial);
}

static void dial_start_next(struct dial *dial) {
    while (dial->begun < dial->addrs.count) {
        struct addr *addr = &dial->addrs.addrs[dial->begun];
        struct dial_try *try = &dial->tries[dial->begun++];
        op_init(&try->connect, dial_connect_done);
        op_init(&try->close, dial_close_done);
        try->dial = dial;
        try->fd = ring_socket(dial->loop->ring, addr->any.sa_family);
        if (try->fd < 0) {
            try->fd = -1; /* no such family here, or out of descriptors */
            continue;
        }
        dial->running++;
        io_connect(dial->loop, &try->connect, try->fd, &addr->any, addr->length);
        if (dial->begun < dial->addrs.count)
            loop_arm(dial->loop, &dial->next, NEXT_NS);
        return;
    }
    if (dial->running == 0)
        settle(dial, -1, FAIL_CONNECT);
}

static void have_addrs(struct dial *dial, const struct addr_list *addrs) {
    dial->addrs = *addrs;
    for (unsigned i = 0; i < dial->addrs.count; i++)
        addr_set_port(&dial->addrs.addrs[i], dial->port);
    addr_interleave(&dial->addrs);
    if (dial->addrs.count == 0)
        settle(dial, -1, FAIL_DNS);
    else
        dial_start_next(dial);
}

static void dial_begin(struct defer *defer) {
    struct dial *dial = container_of(defer, struct dial, begin);
    struct addr_list addrs;
    dial->asking = !resolve_get(dial->resolve, dial->host, dial->port, &dial->ask, &addrs);
    if (!dial->asking)
        have_addrs(dial, &addrs);
}

static void dial_resolved(struct resolve_ask *ask, const struct addr_list *addrs) {
    struct dial *dial = container_of(ask, struct dial, ask);
    dial->asking = false;
    if (!dial->over)
        have_addrs(dial, addrs);
}

static void dial_limit_fired(struct timer *timer) {
    struct dial *dial = container_of(timer, struct dial, limit);
    settle(dial, -1, dial->asking ? FAIL_DNS : FAIL_CONNECT_TIMEOUT);
}

static void dial_next_fired(struct timer *timer) {
    dial_start_next(container_of(timer, struct dial, next));
}

void dial_start(struct dial *dial, struct loop *loop, struct resolve *resolve, const char *host,
                uint16_t port, uint64_t limit_ns) {
    void (*done)(struct dial *, int, enum fail) = dial->done;
    void (*idle)(struct dial *) = dial->idle;
    *dial = (struct dial){
        .loop = loop, .resolve = resolve, .host = host, .port = port, .done = done, .idle = idle};
    for (unsigned i = 0; i < ADDR_LIST_MAX; i++)
        dial->tries[i].fd = -1;
    dial->ask.done = dial_resolved;
    list_init(&dial->ask.link);
    defer_init(&dial->begin, dial_begin);
    defer_init(&dial->finish, dial_finish);
    timer_init(&dial->limit, dial_limit_fired);
    timer_init(&dial->next, dial_next_fired);
    loop_arm(loop, &dial->limit, limit_ns);
    loop_defer(loop, &dial->begin);
}

void dial_cancel(struct dial *dial) {
    int fd = dial->over ? dial->won_fd : -1;
    bool undelivered = dial->done != NULL;
    dial->done = NULL;
    loop_undefer(&dial->begin);
    settle(dial, -1, FAIL_CANCELLED);
    if (undelivered && fd >= 0)
        ring_close_fd(dial->loop->ring, fd);
    dial->won_fd = -1;
}
