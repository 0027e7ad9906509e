/* credentials_source.h - one source of changing credentials: tries, publishes, tries again in time.
 *
 *     start --> TRYING --have--> RESTING --early before the end--> TRYING
 *                  |               ^
 *                  +---fail--------+ (1, 2, 4 ... 60 s, with jitter)
 *
 * One try at a time and one source for equal recipes, so that nothing is asked twice at once. What is
 * published stays until something newer takes its place: a failing refresh takes nothing away.
 * Belongs to the thread of credentials.c; what others look at is changed under the host's lock. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_CREDENTIALS_SOURCE_H
#define HEDGEROW_APPLIANCE_CONTROL_CREDENTIALS_SOURCE_H

#include <pthread.h>

#include "appliance/control/credentials_try.h"
#include "net/fetch.h"

struct credentials_source;

/* What sources have in common. Outlives them. */
struct credentials_host {
    struct loop *loop;
    struct resolve *resolve;
    struct cert_client *tls; /* NULL: there is no trust store, tls_why says why */
    char tls_why[256];
    pthread_mutex_t lock; /* of what other threads read: see credentials_source */
    void (*settled)(struct credentials_host *); /* a try has ended; not under the lock */
    void (*home)(struct credentials_host *, struct credentials_source *); /* may be freed */
};

enum credentials_state {
    CREDENTIALS_GOOD,    /* there is one, and the last try gave it */
    CREDENTIALS_AGING,   /* there is one, but the last try failed */
    CREDENTIALS_EXPIRED, /* the one that there is has expired; it is sent all the same */
    CREDENTIALS_MISSING, /* there never was one */
};
/* "good" ... Static. */
const char *credentials_state_name(enum credentials_state);

enum credentials_phase {
    CREDENTIALS_RESTING, /* the timer is armed for the next try */
    CREDENTIALS_TRYING,  /* a fetch is under way */
    CREDENTIALS_LEAVING, /* stopped; the fetch is on its way home */
};

/* A cell that gets what the source gets. */
struct credentials_bind {
    struct credential_cell *cell; /* in a snapshot that credentials.c holds */
    const char *provider;         /* its name, there too */
};

struct credentials_source {
    struct list link; /* of the owner */
    struct credentials_host *host;
    struct memory memory;
    struct arena arena; /* the recipe and the binds' array live as long as the source */
    struct credentials_recipe recipe;
    enum credentials_phase phase;
    struct fetch fetch;
    struct arena try_arena;
    struct credentials_try try;
    struct timer due;
    uint64_t due_ns, due_wall_ns; /* of the next try: whichever clock comes there first */
    /* Written under the lock. */
    struct credential_cell value;   /* the last that was got, for cells that come later */
    struct credentials_bind *binds; /* owned */
    unsigned bind_count;
    bool settled;                  /* a try has ended since the start */
    unsigned failures;             /* tries in a row */
    int64_t expires_s;             /* of what was got; 0: never */
    uint64_t got, failed;          /* tries by outcome */
    char why[CREDENTIALS_WHY_MAX]; /* of the last try, when it failed */
    enum credentials_state said;   /* the state that was last talked of */
};

/* A source for the recipe, which is copied. Not yet started. */
struct credentials_source *credentials_source_new(struct credentials_host *,
                                                  const struct credentials_recipe *recipe);
/* Begins the first try. */
void credentials_source_start(struct credentials_source *);
/* Forgets all cells. Under the lock. */
void credentials_source_unbind(struct credentials_source *);
/* One more cell; it gets what there is at once. Under the lock. */
void credentials_source_bind(struct credentials_source *, struct credential_cell *cell,
                             const char *provider);
/* Ends it; host->home is called, maybe at once. Cells must have been unbound. */
void credentials_source_stop(struct credentials_source *);
/* After home. */
void credentials_source_free(struct credentials_source **);
/* Under the lock. */
enum credentials_state credentials_source_state(const struct credentials_source *, int64_t now_s);

/* How long after a credential with life_s to live was got it is refreshed (pure): early_ns before its
 * end, or when a quarter of its life is left, whichever is later; never later than that of one that
 * lives 30 days, since nobody knows what ten years mean. `dice` (0..1) brings it forward by up to a tenth
 * of that, so that many instances do not ask at once. At least a second. */
uint64_t credentials_source_refresh_ns(int64_t life_s, uint64_t early_ns, double dice);
/* How long after a failure it is tried again (pure): 1, 2, 4 ... 60 s, less up to a quarter, but never
 * less than a second. failures >= 1. */
uint64_t credentials_source_retry_ns(unsigned failures, double dice);

#endif
