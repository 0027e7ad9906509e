/* sim_config.h - what `hedgerow-bench clouds` is told: the clouds, and what they do.
 *
 * Owns:     all strings and samples of the configuration.
 * Promises: defaults for everything but name and listen; errors with FILE:LINE:COL.
 *
 *     seed: 1                     draws of all clouds follow from it
 *     tls_dir: build/demo-ca      certification authority and certificates, made when missing
 *     clouds:
 *       - name: openai-sim
 *         kind: openai            any of sim_kind.def
 *         listen: 127.0.0.1:0     port 0: any free one, told on standard output
 *         control: 127.0.0.1:0    clear-text listener for /sim/... alone, never subject to faults
 *         tls: true
 *         host: api.openai.test   the certificate's name
 *         api_key: sk-sim         no api_key, credentials or identity: every key is accepted
 *         credentials: {...}      other proofs: keys of sim_credential.def
 *         identity: NAME          tokens and keys issued by that cloud (kind identity) are good too
 *         clock_skew: 10m         how far this cloud's clock is ahead (-10m: behind)
 *         expires_in: 1h          identity: life of what it issues
 *         prefix: /v1             what stands before the paths, by default as in sim_kind.def
 *         models: [a, b]          absent: every model; {asked: answered} renames in the answer
 *         obfuscation: true       openai: the padding member on stream chunks
 *         rpm: 600                requests a minute that it takes, the others get 429; absent: all
 *         ttft: ..., tokens: ..., faults: ..., replay: ..., head_delay:, handshake_delay:, next:
 *
 * The last two lines are struct sim_tune: it may also be changed while the cloud runs (POST
 * /sim/faults). */
#ifndef BENCH_SIM_CONFIG_H
#define BENCH_SIM_CONFIG_H

#include "bench/latency.h"
#include "bench/units.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sim_kind {
#define KIND(constant, name, prefix) SIM_##constant,
#include "bench/sim_kind.def"
#undef KIND
    SIM_KINDS
};

extern const char *const sim_kind_name[SIM_KINDS];

/* All owned; "" when not given. */
struct sim_credentials {
#define CREDENTIAL(name, prose) char *name;
#include "bench/sim_credential.def"
#undef CREDENTIAL
};

enum sim_fault {
#define FAULT(name, scope, prose) SIM_FAULT_##name,
#include "bench/sim_fault.def"
#undef FAULT
    SIM_FAULTS,
    SIM_FAULT_NONE = SIM_FAULTS
};

enum sim_fault_scope { SIM_SCOPE_CONNECTION, SIM_SCOPE_REQUEST };

struct sim_fault_info {
    const char *name;
    enum sim_fault_scope scope;
    const char *prose;
};
extern const struct sim_fault_info sim_fault_info[SIM_FAULTS];

struct sim_tokens {
    uint64_t count;       /* content events of an answer */
    uint64_t interval_ns; /* between them */
    bool align; /* events fall on multiples of the interval: all streams are ready at once */
};

struct sim_replay {
    char *file;   /* owned; NULL or "": none */
    char *folder; /* owned; NULL or "": none */
    uint64_t cut; /* bytes per TCP send, 0: as much as fits; holds for generated answers too */
    bool chunked; /* false: the stream ends with the connection (Connection: close) */
};

enum { SIM_NEXT_MAX = 64 };
struct sim_next {
    size_t count, taken;
    enum sim_fault fault[SIM_NEXT_MAX]; /* SIM_FAULT_NONE is a healthy answer */
};

/* The behaviour of a cloud, changeable at run time. */
struct sim_tune {
    struct latency ttft;
    struct sim_tokens tokens;
    double faults[SIM_FAULTS]; /* probabilities */
    struct sim_replay replay;
    uint64_t
        head_delay_ns; /* head and role chunk go out this early; SIM_WITH_FIRST_TOKEN: with it */
    uint64_t handshake_delay_ns;
    uint64_t rpm;         /* 0: no limit */
    struct sim_next next; /* faults of the coming requests, before any dice are thrown */
};

static const uint64_t SIM_WITH_FIRST_TOKEN = UINT64_MAX;

struct sim_model {
    char *asked, *answered; /* owned */
};

struct sim_cloud {
    char *name, *host, *api_key, *prefix; /* owned */
    enum sim_kind kind;
    struct units_address listen, control;
    struct sim_credentials credentials;
    char *identity;       /* owned; "": none */
    size_t identity_at;   /* index of that cloud */
    int64_t clock_skew_s; /* ahead of the real time */
    uint64_t expires_in_ns;
    bool tls, obfuscation;
    struct sim_model *models; /* owned; none: every model is known */
    size_t models_count;
    struct sim_tune tune;
};

struct sim_config {
    uint64_t seed;
    char *tls_dir;            /* owned */
    struct sim_cloud *clouds; /* owned */
    size_t clouds_count;
};

/* Reads a file. On failure returns false, error[error_size] says FILE:LINE:COL: why, *out is
 * empty. */
bool sim_config_load(struct sim_config *out, const char *file, char *error, size_t error_size);
/* The same for a text in memory; `file` is the name for messages. */
bool sim_config_read(struct sim_config *out, const char *file, const char *text, size_t size,
                     char *error, size_t error_size);
void sim_config_free(struct sim_config *config);

/* Changes a running cloud's behaviour by a JSON or YAML text with the keys of struct sim_tune.
 * "faults", when given, replaces all of them. All or nothing: on failure `tune` is as before and
 * error says why. */
bool sim_tune_read(struct sim_tune *tune, const char *text, size_t size, char *error,
                   size_t error_size);

/* The fault with this name, SIM_FAULT_NONE for "none", -1 for an unknown one. */
int sim_fault_named(const char *name);

/* What the cloud answers as `model` for the asked one; NULL when it knows models and not this one.
 */
const char *sim_model_answered(const struct sim_cloud *cloud, const char *asked);

#endif
