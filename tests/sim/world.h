/* world.h - one seed's world: the configuration, the engine, the clouds and the clients, from start to stop. */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "appliance/race/config.h"
#include "tests/sim/ledger.h"
#include "tests/sim/wire.h"

#define CLOUDS_MAX        4
#define MODELS_MAX        2
#define CLOUD_IP(i)       (UINT32_C(0x0a000001) + (i))
#define CLOUD_PORT(i)     ((uint16_t)(8001 + (i)))
#define CLIENT_KEY        "ck-open-sesame"
#define CLIENT_KEY_NARROW "ck-narrow" /* may use the last model only */

enum cloud_kind { CLOUD_OPENAI, CLOUD_ANTHROPIC, CLOUD_GEMINI, CLOUD_BEDROCK };

/* What was drawn for a model; with a reload, the loosest of both configurations. */
struct world_model {
    char name[8];
    unsigned index, backends;
    unsigned modes;  /* bit m: mode m is in force in one of the configurations */
    unsigned stalls; /* the same for on_stall */
    uint64_t delay_min_ns;
    unsigned attempts_max, attempts_min; /* without those of its fallback */
    unsigned fallbacks;
    double budget_max, cost_budget_max;
    bool fixed_is_bound; /* by the budget, in all configurations */
    uint64_t head_ns, first_token_ns, connect_ns, idle_ns, total_min_ns; /* the shortest */
    uint64_t idle_max_ns, total_ns;                                      /* the longest */
};

/* What happens in the midst of a world of weather.c. */
enum episode {
    EPISODE_NONE,
    EPISODE_ALL_SLOW, /* every cloud at once */
    EPISODE_ONE_SLOW,
    EPISODE_SILENT, /* one cloud accepts and says nothing */
    EPISODE_ALL_FAIL,
    EPISODE_COUNT
};

struct scenario;

struct world {
    const struct scenario *scenario; /* NULL: all is drawn */
    unsigned cloud_count, model_count, client_count;
    struct world_model models[MODELS_MAX];
    uint64_t faults_until_ns;              /* from then on all clouds are healthy */
    uint64_t reload_ns, drain_ns, stop_ns; /* UINT64_MAX: not */
    uint64_t piece_ns;                     /* pieces of a request are so far apart at most */
    double fault_share;                    /* of requests, in the time of faults */
    bool mixed; /* clouds of all kinds, clients of all formats; else OpenAI's chat alone */
    bool keys;
    bool limited; /* limits of providers are drawn; `limits`: some are, in one configuration */
    bool limits;
    /* Of each cloud: attempts at a time, requests a minute; UINT64_MAX: a configuration sets none. */
    uint64_t concurrency_max[CLOUDS_MAX], rpm_max[CLOUDS_MAX];
    bool tight_memory, few_exchanges, few_connections;
    bool draining, stopped;
    uint64_t drained_ns, stopped_ns, reloaded_ns;
    bool weather; /* its clouds' latencies can be learnt (weather.c) */
    enum episode episode;
    unsigned episode_cloud;
    uint64_t episode_from_ns, episode_until_ns;
    bool priced;    /* clouds cost money */
    bool zoned;     /* the first cloud is in another region than the others */
    bool fallback;  /* the first model falls back to the second */
    bool busy_core; /* the engine's thread is said to be at work nearly all of the time */
    size_t body_max_bytes;
    uint64_t idle_ns; /* the server closes idle clients after it */
};
extern struct world world;

/* A world that is not drawn: each cloud is asked in its turn, after a failure or the delay of a hedge, and does what it
 * is told; one client asks once, or many once each. */
struct scenario {
    unsigned cloud_count;
    enum cloud_kind kinds[CLOUDS_MAX];
    enum script scripts[CLOUDS_MAX];
    enum format format; /* the client's */
    bool stream;
    enum config_on_stall on_stall;
    bool go_on; /* clouds go on with an unfinished turn, where their kind can */
    /* A storm: 0 clients: none. Half of them come before recover_ns, from which on all clouds are healthy. */
    unsigned clients, attempts_max;
    uint64_t recover_ns;
    bool refuses; /* connections, until then */
    bool fallback;
    enum hedge_mode mode;
};
/* Until an answer of a scenario counts as stalled. */
#define SCENARIO_IDLE_NS      SIM_MS(500)
#define SCENARIO_DELAY_NS     SIM_MS(200)
#define SCENARIO_PIPE_BYTES   32768 /* a request fits into one */
#define SCENARIO_STORM_BUDGET 0.05

/* Runs one seed from beginning to end; scenario: NULL, or what is not to be drawn. */
void world_run(uint64_t seed, const struct scenario *scenario, bool verbose);
/* Requests in flight by the engine's own count, and retired configurations. */
unsigned world_in_flight(void);

/* clouds.c */
struct cloud {
    unsigned index;
    char key[32], name[16], authority[32];
    uint64_t latency_ns;
    double fault_share, dial_fault_share;
    bool closes_idle;
    bool goes_on; /* with an unfinished turn; Gemini's never do */
    enum cloud_kind kind;
    /* It takes so many requests a minute, as many at once, and says so; 0: as many as come. */
    unsigned limit;
    double left; /* of them, at left_ns */
    uint64_t left_ns;
    uint64_t requests; /* so far */
    bool told;         /* always to follow `script` */
    enum script script;
    /* Of weather.c: its usual first-token time, and how often and how many times longer it takes. */
    uint64_t usual_ns;
    double tail_share, tail_times;
    struct config_price price;
};
extern struct cloud clouds[CLOUDS_MAX];
void clouds_begin(void);
const char *cloud_model(const struct cloud *, unsigned model); /* its name for the model */
const char *cloud_zone(const struct cloud *);                  /* NULL: not told */

/* clients.c */
void clients_begin(void);
/* Have all of them gone? */
bool clients_done(void);
/* For the failure message: who has not. */
void clients_dump(void);

#endif
