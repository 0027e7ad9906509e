/* resolve.h - host names to addresses, cached. One resolver per process does the work on c-ares'
 * own thread; each worker has a cache.
 *
 * A literal address needs neither. Failures are cached for a second, so that a missing name is not
 * asked for by every request. A name that cannot be refreshed keeps its old addresses for up to an
 * hour (better an old address than no answer; logged). */
#ifndef HEDGEROW_NET_RESOLVE_H
#define HEDGEROW_NET_RESOLVE_H

#include "core/loop.h"
#include "core/mailbox.h"
#include "net/addr.h"

struct resolver; /* of the process */

/* Starts c-ares with its event thread. 0 or -errno. */
int resolver_new(struct resolver **out);
void resolver_free(struct resolver **);

/* A worker's cache. */
struct resolve {
    struct loop *loop;
    struct resolver *resolver; /* borrowed; NULL: literals only (simulation) */
    struct mailbox *mailbox;   /* borrowed: where answers arrive */
    struct list names;         /* struct resolve_name, most recently used first */
    unsigned name_count;
    uint64_t hits, misses, failures;
};

struct resolve_ask {
    /* count == 0: the name could not be resolved. The list is valid during the call. Never called
     * from inside resolve_get. */
    void (*done)(struct resolve_ask *, const struct addr_list *);
    struct list link;
};

void resolve_init(struct resolve *, struct loop *loop, struct resolver *resolver,
                  struct mailbox *mailbox);
/* Addresses of `host` with `port` into *out if they are known now: true. Otherwise false, and
 * ask->done comes later (unless cancelled). host: NUL-terminated, lives until done or cancel. */
bool resolve_get(struct resolve *, const char *host, uint16_t port, struct resolve_ask *ask,
                 struct addr_list *out);
void resolve_cancel(struct resolve_ask *);
/* Frees the cache; no ask may be waiting, answers still on their way are dropped. */
void resolve_fini(struct resolve *);

#endif
