/* poller.h - a small event loop of its own: epoll for descriptors, a heap for alarms, one thread.
 *
 * Owns:     the epoll descriptor and the heap's array; watches and alarms lie in their owners.
 * Promises: an alarm rings once, at or after its time, on the thread of poller_turn(); nanosecond
 *           waits (epoll_pwait2, Linux 5.11). After poller_forget() no event of the watch comes
 *           any more, also none already fetched from the kernel, so owners may free themselves at
 *           once.
 *
 * It is not the product's loop, on purpose: what proves the proxy must not share its bugs.
 */
#ifndef BENCH_POLLER_H
#define BENCH_POLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

struct watch {
    int fd;
    uint32_t events; /* what epoll reports now; 0 while not registered */
    void (*ready)(struct watch *, uint32_t events);
};

struct alarm {
    void (*rang)(struct alarm *);
    uint64_t due_ns;
    size_t place; /* 1-based position in the heap; 0 while not set */
};

enum { POLLER_BATCH = 256 };

struct poller {
    int epoll_fd;
    uint64_t now_ns;     /* CLOCK_MONOTONIC at the start of the turn */
    struct alarm **heap; /* owned array of borrowed alarms, heap[0] rings first */
    size_t alarms, heap_capacity;
    struct epoll_event batch[POLLER_BATCH];
    int batch_count, batch_at;
};

/* Returns 0 or -errno. */
int poller_open(struct poller *p);
void poller_close(struct poller *p);

/* Registers the watch or changes what it waits for (EPOLLIN, EPOLLOUT, EPOLLRDHUP; errors always
 * come). Level-triggered. */
void poller_watch(struct poller *p, struct watch *w, uint32_t events);
void poller_forget(struct poller *p, struct watch *w);

/* Sets the alarm to a time of CLOCK_MONOTONIC, moving it if it was set. Unset is allowed at any
 * time. */
void poller_set(struct poller *p, struct alarm *a, uint64_t due_ns);
void poller_unset(struct poller *p, struct alarm *a);

/* Waits for the next event or alarm and serves all that is ready. */
void poller_turn(struct poller *p);

/* CLOCK_MONOTONIC in nanoseconds, read now. */
uint64_t poller_clock_ns(void);

#endif
