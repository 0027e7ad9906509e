/* config.h - the configuration as the race sees it: one immutable snapshot, made and freed by
 * control, shared by all workers. (pure)
 *
 * Strings are NUL-terminated and owned by the snapshot; pointers between its parts are stable. */
#ifndef HEDGEROW_APPLIANCE_RACE_CONFIG_H
#define HEDGEROW_APPLIANCE_RACE_CONFIG_H

#include "core/limits.h"
#include "providers/provider.h"

struct cert_client;
struct cert_server;
struct quota_shared;
struct learner;

enum hedge_mode { HEDGE_MODE_OFF, HEDGE_MODE_FIXED, HEDGE_MODE_ADAPTIVE, HEDGE_MODE_RACE };
enum config_strategy { STRATEGY_FASTEST, STRATEGY_ORDERED, STRATEGY_WEIGHTED, STRATEGY_CHEAPEST };
enum config_affinity { AFFINITY_NONE, AFFINITY_PREFIX, AFFINITY_USER };
enum config_on_stall { ON_STALL_FAIL, ON_STALL_CONTINUE, ON_STALL_RESTART };
enum config_cancel { CANCEL_UNKNOWN, CANCEL_STOPS_BILLING, CANCEL_BILLS_ON };

/* USD per million tokens in pico-dollars per token (1 USD per million = 1e6 pico-dollars per
 * token). */
struct config_price {
    bool known;
    uint64_t input_pico, cached_input_pico, output_pico;
};

struct config_hedge {
    enum hedge_mode mode;
    uint64_t delay_ns;
    unsigned max_attempts;     /* 1..ATTEMPTS_MAX: the first, hedges and retries together */
    double request_budget;     /* 0..1 extra attempts per request */
    bool request_budget_given; /* the operator set it: then it binds FIXED too, not only ADAPTIVE */
    double cost_budget;        /* 0..1 */
    double target;             /* quantile 0..1 */
    uint64_t max_delay_ns;     /* of a learnt delay; 0: none */
    double sample;             /* share of requests hedged at once to keep knowledge fresh, 0..1 */
    bool queue;                /* a hedge that finds no token waits for one, the oldest first */
    enum config_on_stall on_stall;
    bool commit_on_reasoning; /* reasoning counts as content (default true) */
};

struct config_timeouts {
    uint64_t connect_ns, tls_ns, head_ns, first_token_ns, idle_ns, total_ns;
};

struct config_provider {
    struct provider provider;
    unsigned index;          /* in config.providers */
    struct cert_client *tls; /* NULL: clear text; counted reference owned by the snapshot */
    const char *server_name; /* name checked and sent as SNI: tls.server_name or host */
    unsigned pool_min_idle, pool_max_connections;
    uint64_t limit_rpm, limit_tpm, limit_concurrency; /* 0: none */
    struct quota_shared *shared; /* of all workers and across reloads; NULL: it has no limits */
    enum config_cancel cancel;
    /* What stands before the rest of a path that is passed through, and the fields; path empty: its
     * kind has nothing to pass to. */
    struct provider_target pass;
};

struct config_backend {
    const struct config_provider *provider;
    const char *model;      /* the provider's name for it */
    const char *base_model; /* by which its abilities and price are known: `model`, unless told */
    unsigned weight;
    struct config_price price;
    /* by enum provider_service; path empty: this provider's kind has no such service */
    struct provider_target *targets;
    unsigned index;       /* within its model */
    unsigned id;          /* over the whole configuration: index of statistics and health */
    unsigned model_index; /* whose it is: in config.models */
};

struct config_model {
    const char *name;
    unsigned index;
    struct config_backend *backends;
    unsigned backend_count;
    enum config_strategy strategy;
    enum config_affinity affinity;
    struct config_hedge hedge;
    struct config_timeouts timeouts;
    const struct config_model **fallback;
    unsigned fallback_count;
    const char **aliases;
    unsigned alias_count;
    bool lenient; /* what a backend cannot express is left out rather than refused */
};

struct config_key {
    const char *name;
    uint8_t sha256[32];
    const char **models; /* glob patterns; none: all */
    unsigned model_count;
    const char *residency; /* region tag required, or NULL */
    uint64_t limit_rpm, limit_tpm, limit_concurrency;
    unsigned *in_flight; /* requests of all workers, counted atomically; NULL without a limit */
};

struct config_listener {
    const char *host;        /* IP literal without brackets; "" = all */
    uint16_t port;           /* 0: the kernel picks; the bound one is logged in the ready line */
    struct cert_server *tls; /* NULL: clear text */
    bool proxy_protocol;
};

/* One place of the table of names and aliases, which config_index fills; name NULL: empty. */
struct config_slot {
    const char *name;
    const struct config_model *model;
};

struct config {
    struct config_provider *providers;
    unsigned provider_count;
    struct config_model *models;
    unsigned model_count;
    struct config_slot *slots; /* names and aliases, by hash; filled by config_index */
    unsigned slot_count;       /* a power of two */
    unsigned backend_count;    /* over all models; ids are 0..backend_count-1 */
    struct config_key *keys;
    unsigned key_count;
    struct config_listener *listeners;
    unsigned listener_count;
    struct config_listener admin;         /* host NULL: none */
    unsigned worker_count;                /* 0: one per core */
    uint8_t worker_cpus[WORKERS_MAX / 8]; /* bitmap when the operator gave a CPU list */
    bool worker_cpus_given;
    uint64_t body_max_bytes, header_max_bytes, connections_max;
    uint64_t request_timeout_ns, drain_timeout_ns;
    const struct config_provider *passthrough; /* of /v1 paths that name no model; NULL: none */
    const char *access_log_path;               /* "-", a path, or NULL for none */
    struct learner *learner; /* shared by the workers, control's; NULL: each worker has its own */
    void *holder;            /* control's own: who counts the users of this snapshot */
    uint64_t generation;     /* counts reloads, from 1 */
};

/* How many slots config_index wants for the models of this configuration: a power of two, at least
 * twice the names, so that a search is short and always ends at an empty slot. */
unsigned config_index_slots(const struct config *);
/* Enters every model's name and aliases into `slots`, config_index_slots() of them, which belong to
 * the snapshot from then on. Control calls it once, when the models are complete and before the
 * snapshot is shared. 0, or -EEXIST with the name that stands twice in *twice (then the snapshot is
 * not to be used). */
int config_index(struct config *, struct config_slot *slots, const char **twice);
/* The model of that name or alias (as the client spelled it, exact), or NULL. O(1). */
const struct config_model *config_model_find(const struct config *, struct span name);
/* The model, or the backend, of an earlier configuration that is the same as this one of another: by name
 * (not by an alias); by provider, address and the provider's name of the model. NULL: there is none. */
const struct config_model *config_model_same(const struct config *, const struct config_model *);
const struct config_backend *config_backend_same(const struct config_model *,
                                                 const struct config_backend *);
/* May this key (NULL: no keys configured, everybody may) ask for that model? Its patterns are held
 * against the model's name and aliases: all of them are names of the same thing. */
bool config_key_allows(const struct config_key *, const struct config_model *);

#endif
