/* dial.h - a name becomes a connected socket: resolve, then happy eyeballs (RFC 8305): the next
 * address is tried when the one before has failed or has not answered for 250 ms; the first to
 * connect wins, the others are closed. Embedded in its owner. */
#ifndef HEDGEROW_NET_DIAL_H
#define HEDGEROW_NET_DIAL_H

#include "net/resolve.h"

#include "core/fail.h"

struct dial;

struct dial_try {
    struct dial *dial; /* the dial it is part of */
    struct op connect, close;
    int fd; /* -1: not begun, or closed */
};

struct dial {
    struct loop *loop;
    struct resolve *resolve;
    /* fd >= 0: connected, now the owner's. Otherwise why says why not. Never called from inside
     * dial_start; the last call, except that the struct must live until dial_idle (losing sockets
     * are still being closed): then `idle` is called. */
    void (*done)(struct dial *, int fd, enum fail why);
    void (*idle)(struct dial *);
    struct resolve_ask ask;
    struct defer begin, finish;
    struct timer limit, next;
    struct addr_list addrs;
    struct dial_try tries[ADDR_LIST_MAX];
    unsigned begun, running;
    const char *host; /* borrowed from the caller of dial_start */
    uint16_t port;
    bool asking, over;
    enum fail why;
    int won_fd;
};

/* Starts; the owner sets done and idle before. limit_ns: for resolving and connecting together. */
void dial_start(struct dial *, struct loop *loop, struct resolve *resolve, const char *host,
                uint16_t port, uint64_t limit_ns);
/* Gives up: done is not called any more, idle is. */
void dial_cancel(struct dial *);

#endif
