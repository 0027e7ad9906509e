/* sim.c - virtual time, memory of a seed, trace and verdict. See sim.h. */
#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* More events than any seed sets at a time; a world that needs more has gone wrong. */
#define EVENTS_MAX  65536
#define BLOCK_BYTES (4u << 20)

struct sim sim;

/* ---- events: a binary heap by (at_ns, order) ---- */

static struct {
    struct event *heap[EVENTS_MAX + 1]; /* from 1 */
    unsigned count;
    uint64_t orders;
} events;

static bool before(const struct event *a, const struct event *b) {
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void put(unsigned place, struct event *event) {
    events.heap[place] = event;
    event->place = place;
}

static void rise(struct event *event) {
    unsigned place = event->place;
    for (; place > 1 && before(event, events.heap[place / 2]); place /= 2)
        put(place, events.heap[place / 2]);
    put(place, event);
}

static void sink(struct event *event) {
    unsigned place = event->place, child;
    for (; (child = 2 * place) <= events.count; place = child) {
        if (child < events.count && before(events.heap[child + 1], events.heap[child]))
            child++;
        if (!before(events.heap[child], event))
            break;
        put(place, events.heap[child]);
    }
    put(place, event);
}

void event_clear(struct event *event) {
    if (!event->place)
        return;
    struct event *last = events.heap[events.count--];
    unsigned place = event->place;
    event->place = 0;
    if (last == event)
        return;
    put(place, last);
    rise(last);
    sink(last);
}

void event_set(struct event *event, uint64_t at_ns) {
    event_clear(event);
    CHECK(events.count < EVENTS_MAX);
    event->at_ns = at_ns;
    event->order = ++events.orders;
    put(++events.count, event);
    rise(event);
}

uint64_t event_next(void) { return events.count ? events.heap[1]->at_ns : UINT64_MAX; }

void event_run(void) {
    while (event_next() <= sim.now_ns) {
        struct event *event = events.heap[1];
        event_clear(event);
        event->fire(event);
    }
}

/* ---- memory: blocks that are kept from seed to seed ---- */

struct block {
    struct block *next;
    size_t size;
    _Alignas(16) char bytes[];
};

static struct block *blocks, *current;
static size_t current_used;

void *sim_alloc(size_t n) {
    n = (n + 15) & ~(size_t)15;
    while (!current || current->size - current_used < n) {
        struct block *next = current ? current->next : blocks;
        if (!next || next->size < n) {
            size_t size = n > BLOCK_BYTES ? n : BLOCK_BYTES;
            struct block *fresh = malloc(sizeof *fresh + size);
            CHECK(fresh);
            *fresh = (struct block){.next = next, .size = size};
            if (current)
                current->next = fresh;
            else
                blocks = fresh;
            next = fresh;
        }
        current = next;
        current_used = 0;
    }
    void *p = current->bytes + current_used;
    current_used += n;
    return memset(p, 0, n);
}

/* One byte more, for a NUL that is not counted: what is built can be printed. */
static void text_room(struct text *text, size_t n) {
    if (text->n + n < text->max)
        return;
    size_t max = text->max ? text->max : 64;
    while (max <= text->n + n)
        max *= 2;
    char *p = sim_alloc(max);
    if (text->n)
        memcpy(p, text->p, text->n);
    text->p = p;
    text->max = max;
}

void text_add(struct text *text, const char *p, size_t n) {
    if (n == 0)
        return;
    text_room(text, n);
    memcpy(text->p + text->n, p, n);
    text->n += n;
    text->p[text->n] = 0;
}

void text_printf(struct text *text, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    CHECK(n >= 0);
    text_room(text, (size_t)n);
    vsnprintf(text->p + text->n, (size_t)n + 1, format, again);
    text->n += (size_t)n;
    va_end(again);
    va_end(args);
}

void text_drop(struct text *text, size_t n) {
    CHECK(n <= text->n);
    if (n == 0)
        return;
    memmove(text->p, text->p + n, text->n - n);
    text->n -= n;
    text->p[text->n] = 0;
}

/* ---- a seed ---- */

void sim_begin(uint64_t seed, bool verbose) {
    sim.seed = seed;
    sim.now_ns = SIM_BEGIN_NS;
    sim.verbose = verbose;
    sim.digest = 0;
    rand_init(&sim.world, seed * 2);
    rand_init(&sim.kernel, seed * 2 + 1);
    sim.wall_ns = UINT64_C(1767225600) * NS_PER_S + world_below(86400 * 365) * NS_PER_S;
}

void sim_end(void) {
    while (events.count)
        event_clear(events.heap[events.count]);
    events.orders = 0;
    current = NULL;
    current_used = 0;
}

static double seconds(void) { return (double)(sim.now_ns - SIM_BEGIN_NS) / 1e9; }

void sim_trace_line(const char *format, ...) {
    va_list args;
    va_start(args, format);
    printf("%11.6f  ", seconds());
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

void sim_fail(const char *checker, const char *format, ...) {
    va_list args;
    va_start(args, format);
    printf("not ok sim %s %llu: %s: ", sim.what ? sim.what : "seed", (unsigned long long)sim.seed,
           checker);
    vprintf(format, args);
    printf(" (at %.6f s)\n", seconds());
    va_end(args);
    fflush(stdout);
    _exit(1);
}
