/* replay_recent.h - the answers seen lately, by backend, in virtual time: what the p95-delay policy
 * goes by. (pure)
 *
 * Answers are announced when they are known to come and count from the time at which they come. Of each
 * backend the last RECENT_MAX are kept, sorted, so that a quantile is exact. */
#ifndef HEDGEROW_APPLIANCE_REPLAY_REPLAY_RECENT_H
#define HEDGEROW_APPLIANCE_REPLAY_REPLAY_RECENT_H

#include "appliance/replay/trace.h"

#define RECENT_MAX 1000
/* Fewer answers give no percentile worth the name. */
#define RECENT_MIN 20

struct recent_backend {
    uint64_t came_ns[RECENT_MAX];   /* in order of coming, a ring */
    uint64_t sorted_ns[RECENT_MAX]; /* the same, the shortest first */
    unsigned count, next;           /* filled; the ring's place for the next */
};

struct recent_answer {
    uint64_t at_ns, took_ns;
    unsigned backend;
};

struct recent {
    struct recent_backend *backends;
    struct recent_answer *due; /* a binary heap, the next to come first */
    size_t due_count, due_max;
};

/* Memory is core/heap's until recent_fini. */
void recent_init(struct recent *, unsigned backends);
void recent_fini(struct recent *);
/* An answer of `backend` will come at at_ns, having taken took_ns. */
void recent_expect(struct recent *, unsigned backend, uint64_t at_ns, uint64_t took_ns);
/* What comes until now_ns has come. now_ns never falls. */
void recent_until(struct recent *, uint64_t now_ns);
/* The ceil(q x count)-th smallest of what is kept; UINT64_MAX while there are too few. */
uint64_t recent_quantile(const struct recent *, unsigned backend, double q);

#endif
