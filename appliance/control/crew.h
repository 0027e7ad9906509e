/* crew.h - the workers of the process: each with its loop, mailbox, resolver cache, race and
 * servers.
 *
 * The main thread talks to them by messages only: another configuration, drain, stop. Numbers are
 * read where they are (single writer). */
#ifndef HEDGEROW_APPLIANCE_CONTROL_CREW_H
#define HEDGEROW_APPLIANCE_CONTROL_CREW_H

#include <stdatomic.h>

#include "appliance/control/config_hold.h"
#include "appliance/race/race.h"
#include "core/mailbox.h"
#include "core/worker.h"
#include "net/resolve.h"
#include "net/server.h"

struct access_log;
struct access_log_writer;
struct credentials;

/* As many as config_parts.h lets a file have. */
#define CREW_LISTENERS_MAX 64

struct crew_member {
    struct worker worker;
    struct crew *crew;
    struct loop loop;
    struct mailbox mailbox;
    struct resolve resolve;
    struct race race;
    struct server_settings settings;
    struct server *servers; /* one per listener */
    int *listen_fds;        /* given by the main thread, taken over by the servers */
    unsigned server_count;
    struct timer drain_limit;
    struct access_log_writer *log;
    uint64_t allocated_start_bytes;
    bool draining, stopping;
    atomic_bool ready, ended;
    atomic_int failed; /* -errno of what kept it from starting */
    atomic_ullong
        heap_calls; /* of core/heap.h, and misses of net/tls_memory.h; refreshed as below */
    atomic_ullong heap_bytes; /* allocated by this thread since it began (jemalloc
                                 thread.allocated), refreshed every tick */
    struct timer sample;
    /* Held by the worker while race.current changes, and by who reads what it points to on another
     * thread: the worker may then have to wait, but only to be reconfigured or stopped. */
    pthread_mutex_t view;
};

struct crew {
    struct crew_member *members;
    unsigned count;
    struct resolver *resolver; /* made by the caller of crew_start, freed by crew_join */
    struct access_log *access_log;
    struct credentials *credentials; /* borrowed, for metrics and readiness; NULL: none */
    struct config_hold *current;     /* the main thread's */
    struct sticky *sticky;           /* who made which response; shared by the workers */
    uint64_t start_wall_ns;
    atomic_bool draining;
};

/* Starts `count` workers on these cpus with the configuration and its listeners already bound:
 * listen_fds[worker][listener]. 0 or -errno, after which crew_stop and crew_join must still be
 * called. */
int crew_start(struct crew *, struct config *config, unsigned count, const int *cpus,
               int (*listen_fds)[CREW_LISTENERS_MAX], struct access_log *log);
/* All workers use it from now on; the one before is freed when the last has let go. */
void crew_reconfigure(struct crew *, struct config *config);
/* No new connections; requests in flight finish within the configuration's drain_timeout. */
void crew_drain(struct crew *);
/* Cuts everything off. */
void crew_stop(struct crew *);
/* True when every worker has ended. */
bool crew_ended(const struct crew *);
/* For another thread's look at a worker's counters: the upstreams in use, or NULL when the worker
 * has none (not started, or stopping). They stay until crew_view_end, which must follow in either
 * case, and soon. */
const struct upstreams *crew_view(struct crew_member *);
void crew_view_end(struct crew_member *);
/* Joins the threads and frees what they had. */
void crew_join(struct crew *);

#endif
