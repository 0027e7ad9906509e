/* race.h - what one worker has for answering requests: the current configuration's upstreams, pools
 * of structs, counters.
 *
 *   struct race       one per worker, lives as long as it
 *   struct upstreams  one per worker and configuration: connection pools, health, budgets, counters
 *
 * A reload makes new upstreams; the old ones live until their last exchange has ended. Health and
 * counters of backends that stay are taken over. */
#ifndef HEDGEROW_APPLIANCE_RACE_RACE_H
#define HEDGEROW_APPLIANCE_RACE_RACE_H

#include "appliance/race/budget.h"
#include "appliance/race/config.h"
#include "appliance/race/health.h"
#include "appliance/race/learner.h"
#include "appliance/race/quota.h"
#include "appliance/race/sticky.h"
#include "appliance/race/suppress.h"
#include "core/hist.h"
#include "core/loop.h"
#include "net/pool.h"

struct exchange;
struct attempt;
struct stream;
struct server;
struct race;

/* How an attempt ended, for metrics. */
enum race_outcome { OUTCOME_WON, OUTCOME_LOST, OUTCOME_FAILED, OUTCOME_CANCELLED, OUTCOME_COUNT };
const char *race_outcome_name(enum race_outcome);
/* The outcome of an attempt that ended for this reason. */
enum race_outcome race_outcome_of(enum fail why);

#define RACE_STATUS_MAX 600

/* Tokens of an answer by powers of four, as OpenTelemetry's gen_ai.client.token.usage wants them:
 * bucket i holds those up to 4^i, the last one the rest. */
#define RACE_TOKEN_BUCKETS 15
struct race_tokens {
    uint64_t count, sum, buckets[RACE_TOKEN_BUCKETS];
};

struct race_model_stats { /* single writer; index: config_model.index */
    uint64_t requests[RACE_STATUS_MAX];
    uint64_t hedges_started[4]; /* by enum hedge_trigger; [HEDGE_FIRST] stays 0 */
    uint64_t hedges_won[4];     /* ... of requests that they answered */
    uint64_t suppressed[SUPPRESS_COUNT];
    uint64_t input_tokens, output_tokens, wasted_tokens;
    uint64_t won_pico;    /* pico-dollars that the attempts have cost whose answers clients got */
    uint64_t wasted_pico; /* ... and all others */
    struct hist ttft, per_token;
    /* For reports (saved.h): how long requests waited in vain; what the first token would have taken
     * without hedges, and how long it had not come by then when the hedge was faster. */
    struct hist ttft_cut, without, without_cut;
    struct hist duration, duration_failed; /* of whole requests: answered, and all others */
    struct hist
        overhead; /* what this process added: request read to request sent, and first content
                             read to first content relayed */
};

struct race_backend_stats { /* index: config_backend.id */
    uint64_t attempts[OUTCOME_COUNT];
    uint64_t failures[FAIL_COUNT];
    struct hist ttft, duration[OUTCOME_COUNT];
    struct race_tokens input, output; /* of attempts whose provider counted them */
    uint64_t cost_pico;               /* of all attempts, those that lost too */
};
void race_stats_add_tokens(struct race_tokens *, uint64_t count);
/* Adds `from`, whose writer may be another thread, into `into`, which is the caller's. */
void race_stats_merge_model(struct race_model_stats *into, const struct race_model_stats *from);
void race_stats_merge_backend(struct race_backend_stats *into,
                              const struct race_backend_stats *from);
void race_stats_merge_pool(struct pool_stats *into, const struct pool_stats *from);

/* What one provider has on this worker beside its backends. */
struct upstreams_provider {
    struct sigv4_cache cache;
    int64_t skew_s; /* its clock minus ours, once it has refused a signature for that */
};

struct upstreams {
    struct race *race;
    const struct config *config; /* counted by control: released through race->release */
    struct pool_origin *pools;   /* index: config_provider.index */
    struct health health;
    struct quota quota;
    struct budget *budgets; /* index: config_model.index */
    struct list *waiting;   /* [model]: struct exchange whose hedge found no token, oldest first */
    struct learner_batch batch;
    struct learner *learner; /* its own, when the configuration brings none */
    struct race_model_stats *models;
    struct race_backend_stats *backends;
    struct upstreams_provider *providers; /* index: config_provider.index */
    unsigned holds;   /* exchanges that use it, and the race while it is current */
    struct list link; /* race->retired */
    bool stopping;
};

struct race {
    struct loop *loop;
    struct resolve *resolve;
    struct upstreams *current;
    struct list retired;   /* struct upstreams */
    struct list exchanges; /* struct exchange, oldest first */
    struct list racing;    /* those of them that race */
    unsigned exchange_count, exchange_max;
    struct slab exchange_slab, attempt_slab;
    struct chat_event
        *events; /* scratch: canonical events of one provider event; RACE_EVENTS_MAX of them */
    char *
        text; /* scratch: what is written for the client of one provider event; RACE_TEXT_SIZE bytes */
    struct timer tick;
    uint64_t tick_wall_ns, tick_cpu_ns; /* of the last tick */
    bool busy;                          /* the core was nearly used up since */
    bool draining;
    uint64_t unmatched[RACE_STATUS_MAX]; /* requests that named no configured model, by status */

    /* Given by control before race_start. */
    /* The key that a client presented (without "Bearer "), or NULL. */
    const struct config_key *(*key_find)(const struct config *, struct span presented);
    /* An exchange has ended: write its log line. All of it is valid during the call. */
    void (*finished)(struct race *, const struct exchange *);
    /* No exchange uses this configuration any more on this worker. */
    void (*release)(struct race *, const struct config *);
    unsigned workers;      /* of the process, which share providers' limits; 0: not known */
    struct sticky *sticky; /* of the process, shared by its workers; NULL: nothing is remembered */
    void *owner;
};
#define RACE_EVENTS_MAX 512
#define RACE_TEXT_SIZE  65536
#define RACE_TICK_NS    (250 * NS_PER_MS)

/* `config` is the first snapshot. exchange_max: requests in flight at most; beyond it 503. */
void race_init(struct race *, struct loop *loop, struct resolve *resolve,
               const struct config *config, unsigned exchange_max);
/* Uses another snapshot from now on; exchanges in flight finish with theirs. */
void race_reconfigure(struct race *, const struct config *config);
/* server.opened: begins an exchange on the stream. */
void race_opened(struct server *, struct stream *);
/* New requests are refused with 503 from now on (their connections close by the server's drain). */
void race_drain(struct race *);
/* Cuts off every exchange and closes the upstream pools. */
void race_stop(struct race *);
/* Nothing is left: no exchange, no pooled connection. */
bool race_done(const struct race *);
void race_fini(struct race *);

void upstreams_hold(struct upstreams *);
void upstreams_drop(struct upstreams *);

#endif
