/* loop.c - the turn. See loop.h. */
#include "core/loop.h"

#include <string.h>

#include "core/heap.h"
#include "core/limits.h"

/* With nothing urgent and many completions a turn, waiting this long for more makes batches
 * (PERFORMANCE.md A.6: 7-14 % between 10k and 40k events a second, nothing below). */
#define LINGER_NS               (100 * NS_PER_US)
#define LINGER_FROM_COMPLETIONS 16
/* Blocks kept for reuse, of those that the worker may hand out. */
#define MEMORY_CACHED_SHARE 4

int loop_open(struct loop *loop, const struct ring_options *options, size_t memory_max) {
    memset(loop, 0, sizeof *loop);
    int error = ring_open(&loop->ring, options);
    if (error < 0)
        return error;
    loop->now_ns = ring_now(loop->ring);
    timers_init(&loop->timers, loop->now_ns);
    list_init(&loop->deferred);
    list_init(&loop->last);
    list_init(&loop->eager);
    list_init(&loop->eager_sent);
    list_init(&loop->starved);
    memory_init(&loop->memory, memory_max, memory_max / MEMORY_CACHED_SHARE);
    rand_init(&loop->rand, ring_seed(loop->ring));
    loop->scratch = heap_alloc(LOOP_SCRATCH_SIZE);
    return 0;
}

void loop_close(struct loop *loop) {
    CHECK(loop->armed == 0);
    CHECK(list_empty(&loop->deferred) && list_empty(&loop->last));
    heap_free(&loop->scratch);
    memory_fini(&loop->memory);
    ring_close(&loop->ring);
}

/* All completions that the wait brought; those that handlers cause meanwhile belong to the next
 * turn. */
static unsigned dispatch(struct loop *loop) {
    struct io_uring_cqe *cqes[LOOP_BATCH_MAX];
    unsigned total = 0, count;
    do {
        count = ring_peek(loop->ring, cqes, LOOP_BATCH_MAX);
        for (unsigned i = 0; i < count; i++)
            io_dispatch(loop, cqes[i]);
        ring_advance(loop->ring, count);
        total += count;
    } while (count == LOOP_BATCH_MAX);
    return total;
}

static void run_list(struct list *head) {
    struct list *node;
    while ((node = list_pop(head))) {
        struct defer *defer = container_of(node, struct defer, link);
        defer->run(defer);
    }
}

static void run_deferred(struct loop *loop) {
    do {
        run_list(&loop->deferred);
        run_list(&loop->last);
    } while (!list_empty(&loop->deferred));
}

static void move_all(struct list *to, struct list *from) {
    struct list *node;
    while ((node = list_pop(from)))
        list_push_back(to, node);
}

int loop_turn(struct loop *loop, uint64_t until_ns) {
    /* Work deferred outside a turn (at start, by a test) must not sleep. */
    run_deferred(loop);
    io_rearm_starved(loop);
    move_all(&loop->eager_sent, &loop->eager);
    uint64_t wake_ns = loop->hurried ? 0 : min_u64(until_ns, timers_next(&loop->timers));
    loop->hurried = false;
    bool linger = loop->lingering && loop->urgent == 0;
    int error = ring_wait(loop->ring, wake_ns, linger ? LINGER_NS : 0);
    if (error < 0)
        return error;
    loop->now_ns = ring_now(loop->ring);
    unsigned completions = dispatch(loop);
    if (ring_overflowed(loop->ring))
        loop->stats.overflows++; /* a failed eager send may be among those still to come */
    else
        io_finish_eager(loop);
    loop->stats.timers += timers_run(&loop->timers, loop->now_ns);
    run_deferred(loop);
    loop->lingering = completions >= LINGER_FROM_COMPLETIONS;
    loop->stats.turns++;
    loop->stats.completions += completions;
    return 0;
}

void loop_defer(struct loop *loop, struct defer *defer) {
    if (!list_linked(&defer->link))
        list_push_back(&loop->deferred, &defer->link);
}

void loop_defer_last(struct loop *loop, struct defer *defer) {
    if (!list_linked(&defer->link))
        list_push_back(&loop->last, &defer->link);
}

void loop_undefer(struct defer *defer) { list_remove(&defer->link); }
