/* replay_recent.c - see the header. (pure) */
#include "appliance/replay/replay_recent.h"

#include <string.h>

#include "appliance/replay/replay_parts.h"
#include "core/heap.h"

enum { DUE_FIRST = 1024 };

void recent_init(struct recent *r, unsigned backends) {
    memset(r, 0, sizeof *r);
    r->backends = heap_alloc(backends * sizeof *r->backends);
}

void recent_fini(struct recent *r) {
    heap_free(&r->backends);
    heap_free(&r->due);
}

void recent_expect(struct recent *r, unsigned backend, uint64_t at_ns, uint64_t took_ns) {
    if (r->due_count == r->due_max) {
        r->due_max = r->due_max ? 2 * r->due_max : DUE_FIRST;
        r->due = heap_realloc(r->due, r->due_max * sizeof *r->due);
    }
    size_t at = r->due_count++;
    for (size_t parent; at > 0; at = parent) {
        parent = (at - 1) / 2;
        if (r->due[parent].at_ns <= at_ns)
            break;
        r->due[at] = r->due[parent];
    }
    r->due[at] = (struct recent_answer){.at_ns = at_ns, .took_ns = took_ns, .backend = backend};
}

static struct recent_answer take_first(struct recent *r) {
    struct recent_answer first = r->due[0], last = r->due[--r->due_count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < r->due_count; at = child) {
        if (child + 1 < r->due_count && r->due[child + 1].at_ns < r->due[child].at_ns)
            child++;
        if (last.at_ns <= r->due[child].at_ns)
            break;
        r->due[at] = r->due[child];
    }
    r->due[at] = last;
    return first;
}

/* Where `value` is in the sorted values, or would be put. */
static unsigned place_of(const struct recent_backend *b, uint64_t value) {
    unsigned low = 0, high = b->count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (b->sorted_ns[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void add(struct recent_backend *b, uint64_t took_ns) {
    uint64_t *sorted = b->sorted_ns;
    if (b->count == RECENT_MAX) {
        unsigned gone = place_of(b, b->came_ns[b->next]);
        b->count--;
        memmove(&sorted[gone], &sorted[gone + 1], (b->count - gone) * sizeof *sorted);
    }
    unsigned place = place_of(b, took_ns);
    memmove(&sorted[place + 1], &sorted[place], (b->count - place) * sizeof *sorted);
    sorted[place] = took_ns;
    b->count++;
    b->came_ns[b->next] = took_ns;
    b->next = (b->next + 1) % RECENT_MAX;
}

void recent_until(struct recent *r, uint64_t now_ns) {
    while (r->due_count && r->due[0].at_ns <= now_ns) {
        struct recent_answer answer = take_first(r);
        add(&r->backends[answer.backend], answer.took_ns);
    }
}

uint64_t recent_quantile(const struct recent *r, unsigned backend, double q) {
    const struct recent_backend *b = &r->backends[backend];
    return b->count < RECENT_MIN ? REPLAY_NEVER : b->sorted_ns[replay_rank(q, b->count)];
}
