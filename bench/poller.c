/* poller.c - epoll and a heap of alarms; see poller.h. */
#include "bench/poller.h"
#include "bench/bytes.h"
#include "bench/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t poller_clock_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UNITS_NS_PER_S + (uint64_t)t.tv_nsec;
}

int poller_open(struct poller *p) {
    *p = (struct poller){.epoll_fd = epoll_create1(EPOLL_CLOEXEC), .now_ns = poller_clock_ns()};
    return p->epoll_fd < 0 ? -errno : 0;
}

void poller_close(struct poller *p) {
    if (p->epoll_fd >= 0)
        close(p->epoll_fd);
    free(p->heap);
    *p = (struct poller){.epoll_fd = -1};
}

void poller_watch(struct poller *p, struct watch *w, uint32_t events) {
    if (w->events == events)
        return;
    struct epoll_event e = {.events = events, .data.ptr = w};
    if (epoll_ctl(p->epoll_fd, w->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, w->fd, &e) == 0)
        w->events = events;
}

void poller_forget(struct poller *p, struct watch *w) {
    if (!w->events)
        return;
    epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    w->events = 0;
    for (int i = p->batch_at; i < p->batch_count; i++)
        if (p->batch[i].data.ptr == w)
            p->batch[i].data.ptr = NULL;
}

/* ---- the heap: children of i (1-based) are 2i and 2i + 1 ---- */

static void heap_put(struct poller *p, size_t place, struct alarm *a) {
    p->heap[place - 1] = a;
    a->place = place;
}

static void heap_up(struct poller *p, struct alarm *a) {
    size_t at = a->place;
    while (at > 1 && p->heap[at / 2 - 1]->due_ns > a->due_ns) {
        heap_put(p, at, p->heap[at / 2 - 1]);
        at /= 2;
    }
    heap_put(p, at, a);
}

static void heap_down(struct poller *p, struct alarm *a) {
    size_t at = a->place;
    for (;;) {
        size_t child = at * 2;
        if (child < p->alarms && p->heap[child]->due_ns < p->heap[child - 1]->due_ns)
            child++;
        if (child > p->alarms || p->heap[child - 1]->due_ns >= a->due_ns)
            break;
        heap_put(p, at, p->heap[child - 1]);
        at = child;
    }
    heap_put(p, at, a);
}

void poller_set(struct poller *p, struct alarm *a, uint64_t due_ns) {
    a->due_ns = due_ns;
    if (!a->place) {
        if (p->alarms == p->heap_capacity) {
            size_t capacity = p->heap_capacity ? p->heap_capacity * 2 : 64;
            struct alarm **grown = bytes_alloc(capacity, sizeof(struct alarm *));
            if (p->alarms)
                memcpy(grown, p->heap, p->alarms * sizeof(struct alarm *));
            free(p->heap);
            p->heap = grown;
            p->heap_capacity = capacity;
        }
        heap_put(p, ++p->alarms, a);
    }
    heap_up(p, a);
    heap_down(p, a);
}

void poller_unset(struct poller *p, struct alarm *a) {
    size_t place = a->place;
    if (!place)
        return;
    a->place = 0;
    struct alarm *last = p->heap[--p->alarms];
    if (last == a)
        return;
    heap_put(p, place, last);
    heap_up(p, last);
    heap_down(p, last);
}

/* ---- the turn ---- */

static void ring_due(struct poller *p) {
    while (p->alarms && p->heap[0]->due_ns <= p->now_ns) {
        struct alarm *a = p->heap[0];
        poller_unset(p, a);
        a->rang(a);
    }
}

static int wait_for_events(struct poller *p) {
    struct timespec wait, *limit = NULL;
    if (p->alarms) {
        uint64_t now_ns = poller_clock_ns(), due_ns = p->heap[0]->due_ns;
        uint64_t left_ns = due_ns > now_ns ? due_ns - now_ns : 0;
        wait =
            (struct timespec){(time_t)(left_ns / UNITS_NS_PER_S), (long)(left_ns % UNITS_NS_PER_S)};
        limit = &wait;
    }
    return epoll_pwait2(p->epoll_fd, p->batch, POLLER_BATCH, limit, NULL);
}

void poller_turn(struct poller *p) {
    p->batch_count = wait_for_events(p);
    p->now_ns = poller_clock_ns();
    for (p->batch_at = 0; p->batch_at < p->batch_count;) {
        struct epoll_event e = p->batch[p->batch_at++];
        struct watch *w = e.data.ptr;
        if (w)
            w->ready(w, e.events);
    }
    p->batch_count = p->batch_at = 0;
    ring_due(p);
}
