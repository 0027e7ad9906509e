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
    unsigned modes; /* bit m: mode m is in force in one of the configurations */
    uint64_t delay_min_ns;
    unsigned attempts_max, attempts_min;
    double budget_max;
    uint64_t head_ns, first_token_ns, connect_ns, idle_ns, total_min_ns; /* the shortest */
    uint64_t idle_max_ns, total_ns;                                      /* the longest */
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
    bool limits; /* a provider takes only so many attempts at a time */
    bool tight_memory, few_exchanges, few_connections;
    bool draining, stopped;
    uint64_t drained_ns, stopped_ns, reloaded_ns;
    size_t body_max_bytes;
    uint64_t idle_ns; /* the server closes idle clients after it */
};
extern struct world world;

/* A world that is not drawn: each cloud is asked in its turn, after a failure or the delay of a hedge, and does what it
 * is told; one client asks once. */
struct scenario {
    unsigned cloud_count;
    enum cloud_kind kinds[CLOUDS_MAX];
    enum script scripts[CLOUDS_MAX];
    enum format format; /* the client's */
    bool stream;
};
#define SCENARIO_DELAY_NS   SIM_MS(200)
#define SCENARIO_PIPE_BYTES 32768 /* a request fits into one */

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
    enum cloud_kind kind;
    bool told; /* always to follow `script` */
    enum script script;
};
extern struct cloud clouds[CLOUDS_MAX];
void clouds_begin(void);
const char *cloud_model(const struct cloud *, unsigned model); /* its name for the model */

/* clients.c */
void clients_begin(void);
/* Have all of them gone? */
bool clients_done(void);
/* For the failure message: who has not. */
void clients_dump(void);

#endif
