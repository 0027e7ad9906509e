/* quota.h - is there room for one more attempt at a backend: what the operator allows its provider
 * (limits: rpm, tpm, concurrency), and what the provider itself says is left. (pure)
 *
 *   struct quota_shared    one per provider with limits and process: its buckets, its attempts in
 *                          flight. Outlives reloads (control hands it on by the provider's name).
 *   struct quota           one per worker and configuration
 *   struct quota_ticket    one per attempt: what it was given, to be given back or made exact
 *
 *               quota_take                quota_heard            quota_end
 *     (empty) ------------> TICKET HELD ------------> ... ------------------> (empty)
 *                                \------- quota_put: nothing was sent ------>
 *
 * The operator's limits are hard and hold for all workers together: an attempt that does not fit is
 * not started. Tokens are counted when an attempt starts, as its input's estimate and the output that
 * the client allows, and set right when it ends. What providers tell is advice: it orders backends
 * (route.h) and keeps hedges away, but a request that has nowhere else to go is sent all the same.
 *
 * Firsts before hedges: a hedge is denied when it would leave less than a tenth of a limit that the
 * provider tells (QUOTA_RESERVE_PART), the last quarter of a bucket (rate.h), or the last tenth of the
 * concurrency. */
#ifndef HEDGEROW_APPLIANCE_RACE_QUOTA_H
#define HEDGEROW_APPLIANCE_RACE_QUOTA_H

#include "appliance/race/config.h"
#include "appliance/race/rate.h"
#include "providers/ratelimit.h"

/* The output of a request that sets no limit to it: what a long chat answer has. */
#define QUOTA_OUTPUT_TOKENS 1024
/* What one client may claim of a bucket before its answer is counted, if tokens are limited: more
 * than any context window, less than what would keep a bucket empty for hours. */
#define QUOTA_TOKENS_MAX 4000000
/* Of a limit that is told, hedges leave this part. */
#define QUOTA_RESERVE_PART 10
/* A remainder is believed until its limit is whole again, a minute when that is not told, and no
 * longer than ten: a provider that errs is asked again in the end. */
#define QUOTA_TOLD_NS     (60 * NS_PER_S)
#define QUOTA_TOLD_MAX_NS (600 * NS_PER_S)
/* When another attempt will end nobody knows: the wait that a client is told. */
#define QUOTA_SLOT_WAIT_NS NS_PER_S

enum quota_verdict {
    QUOTA_ROOM,
    QUOTA_CONCURRENCY, /* limits.concurrency */
    QUOTA_RPM,         /* limits.rpm */
    QUOTA_TPM,         /* limits.tpm */
    QUOTA_RETRY_AFTER, /* it asked for a rest, which is not over (health.h) */
    QUOTA_REMAINING,   /* a hedge would spend what it says is left */
    QUOTA_VERDICTS
};
/* "room" "concurrency" "rpm" "tpm" "retry_after" "remaining". Static. */
const char *quota_verdict_name(enum quota_verdict);

/* Shared by threads, each member atomic. Zeroed: all is there. */
struct quota_shared {
    struct rate requests, tokens;
    unsigned in_flight;
};

/* What an attempt takes of the limits. */
struct quota_need {
    uint64_t input_tokens, output_tokens; /* estimates */
};
/* max_output: of each of the `choices`, 0: the client does not say. */
struct quota_need quota_need_of(uint64_t input_tokens, uint64_t max_output_tokens,
                                unsigned choices);

/* What one provider told of one quantity. */
struct quota_told {
    bool known;
    uint64_t limit;            /* 0: not told */
    uint64_t remaining;        /* at at_ns, and less what was sent since and has not told anew */
    uint64_t at_ns, forget_ns; /* when it was told; from then on it says nothing */
    uint64_t reset_ns;         /* from at_ns until `limit` is whole; UINT64_MAX: not told */
    uint64_t unheard;          /* taken by attempts whose heads have not come */
};

struct quota_backend { /* index: config_backend.id */
    enum ratelimit_dialect dialect;
    struct quota_told told[RATELIMIT_QUANTITIES];
};

struct quota_provider {          /* index: config_provider.index */
    struct quota_shared *shared; /* of the process; NULL: it has no limits */
    struct rate_terms requests, tokens;
    struct rate_lease requests_lease, tokens_lease;
    uint64_t limit_concurrency;
    uint64_t denied[QUOTA_VERDICTS]; /* single writer; attempts that were not started, by why */
};

struct quota {
    struct quota_provider *providers;
    struct quota_backend *backends;
    unsigned provider_count, backend_count;
};

/* Zeroed: holds nothing. The pointers are valid as long as the quota that filled them. */
struct quota_ticket {
    struct quota_provider *provider; /* NULL: empty */
    struct quota_backend *backend;   /* NULL: a request that is passed through */
    struct quota_need need;
    uint64_t tokens; /* counted against limits.tpm */
    bool unheard;    /* its head has not come */
};

/* `providers` and `backends` are zeroed, as many as the configuration has, and belong to the caller.
 * workers: of the process, 0: not known. */
void quota_init(struct quota *, const struct config *config, struct quota_provider *providers,
                struct quota_backend *backends, unsigned workers);
/* Could an attempt for a first or after a failure start there now, by all that is known? Takes
 * nothing. Also false when it would spend what the provider says is left. */
bool quota_has_room(const struct quota *, const struct config_backend *backend,
                    struct quota_need need, uint64_t now_ns);
/* As quota_has_room, for a hedge. */
bool quota_has_spare(const struct quota *, const struct config_backend *backend,
                     struct quota_need need, uint64_t now_ns);
/* Takes room for an attempt. spare: it is a hedge, to which what the provider tells and the reserves
 * apply too. QUOTA_ROOM fills *ticket (which was empty); any other verdict is counted as denied, and
 * *wait_ns is after how long it may be otherwise. */
enum quota_verdict quota_take(struct quota *, const struct config_backend *backend,
                              struct quota_need need, bool spare, uint64_t now_ns,
                              struct quota_ticket *ticket, uint64_t *wait_ns);
/* The same for a request that is passed through: it counts as a request, its tokens are not known. */
enum quota_verdict quota_take_pass(struct quota *, const struct config_provider *provider,
                                   uint64_t now_ns, struct quota_ticket *ticket, uint64_t *wait_ns);
/* The attempt's request is sent once more (a dead pooled connection): one more request of the limit.
 * False: there is none. An empty ticket needs none. */
bool quota_again(struct quota_ticket *ticket, uint64_t now_ns);
/* Counts a denial that somebody else found (QUOTA_RETRY_AFTER). */
void quota_deny(struct quota *, const struct config_provider *provider, enum quota_verdict verdict);
/* The attempt's response head has come, and tells this. Only the first call counts. */
void quota_heard(struct quota_ticket *ticket, const struct ratelimit *told, uint64_t now_ns);
/* The attempt has ended having used so many tokens, as far as is known. Empties the ticket; nothing
 * happens to an empty one. */
void quota_end(struct quota_ticket *ticket, uint64_t used_tokens, uint64_t now_ns);
/* Nothing was sent: all is given back. Empties the ticket. */
void quota_put(struct quota_ticket *ticket, uint64_t now_ns);
/* The statistics tick: leases go back, so that a worker without requests keeps none from the others. */
void quota_tick(struct quota *);
/* As quota_tick, for good: nothing is leased ahead any more (a configuration that is replaced). */
void quota_retire(struct quota *);
/* A backend that stays across a reload: what its provider told. */
void quota_inherit(struct quota_backend *, const struct quota_backend *was);
/* Adds the denials of `from`, whose writer may be another thread, into `into`. */
void quota_merge_denied(uint64_t into[QUOTA_VERDICTS], const uint64_t from[QUOTA_VERDICTS]);
/* What is left of a quantity by what was told, as far as that is fresh; false: not known. */
bool quota_remaining(const struct quota_backend *, enum ratelimit_quantity, uint64_t now_ns,
                     uint64_t *out);

#endif
