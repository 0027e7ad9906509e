/* sim_config.c - the configuration of simulated clouds; see sim_config.h. */
#include "bench/sim_config.h"
#include "bench/bytes.h"
#include "bench/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT_OF_CLOUDS_MAX = 64, TOKENS_MAX = 100000, MODELS_MAX = 1000 };

static const char DEFAULT_TLS_DIR[] = "build/demo-ca";
static const uint64_t DEFAULT_HANDSHAKE_DELAY_NS = 3ull * UNITS_NS_PER_S;

const struct sim_fault_info sim_fault_info[SIM_FAULTS] = {
#define FAULT(name, scope, prose) [SIM_FAULT_##name] = {#name, SIM_SCOPE_##scope, prose},
#include "bench/sim_fault.def"
#undef FAULT
};

const char *const sim_kind_name[SIM_KINDS] = {
#define KIND(constant, name, prefix) [SIM_##constant] = name,
#include "bench/sim_kind.def"
#undef KIND
};

static const char *const kind_prefix[SIM_KINDS] = {
#define KIND(constant, name, prefix) [SIM_##constant] = prefix,
#include "bench/sim_kind.def"
#undef KIND
};

#define KEYS(table) table, sizeof table / sizeof table[0]

int sim_fault_named(const char *name) {
    for (int i = 0; i < SIM_FAULTS; i++)
        if (!strcmp(sim_fault_info[i].name, name))
            return i;
    return strcmp(name, "none") ? -1 : SIM_FAULT_NONE;
}

/* ---- first-token times ---- */

/* A distribution as written: which keys are needed depends on `dist`. */
struct ttft_text {
    char *dist, *file, *column, *backend;
    uint64_t median_ns, value_ns, fast_ns, slow_ns;
    double sigma, slow_share;
};

static const struct conf_key ttft_keys[] = {
    {"dist", conf_string, offsetof(struct ttft_text, dist), true},
    {"value", conf_duration, offsetof(struct ttft_text, value_ns), false},
    {"median", conf_duration, offsetof(struct ttft_text, median_ns), false},
    {"sigma", conf_number, offsetof(struct ttft_text, sigma), false},
    {"fast", conf_duration, offsetof(struct ttft_text, fast_ns), false},
    {"slow", conf_duration, offsetof(struct ttft_text, slow_ns), false},
    {"slow_share", conf_share, offsetof(struct ttft_text, slow_share), false},
    {"file", conf_string, offsetof(struct ttft_text, file), false},
    {"column", conf_string, offsetof(struct ttft_text, column), false},
    {"backend", conf_string, offsetof(struct ttft_text, backend), false},
};

static const struct {
    const char *name;
    enum latency_dist dist;
    const char *needed[3], *allowed[3];
} dists[] = {
    {"constant", LATENCY_CONSTANT, {"value"}, {0}},
    {"lognormal", LATENCY_LOGNORMAL, {"median", "sigma"}, {0}},
    {"bimodal", LATENCY_BIMODAL, {"fast", "slow", "slow_share"}, {"sigma"}},
    {"csv", LATENCY_CSV, {"file", "column"}, {"backend"}},
};

static bool name_in(const char *name, const char *const list[3]) {
    for (int i = 0; i < 3 && list[i]; i++)
        if (!strcmp(list[i], name))
            return true;
    return false;
}

/* Checks the keys against the distribution's list; returns its index or -1. */
static int dist_find(struct conf *c, const yaml_node_t *node, const struct ttft_text *t) {
    size_t which = 0, count = sizeof dists / sizeof dists[0];
    while (which < count && strcmp(dists[which].name, t->dist))
        which++;
    if (which == count) {
        conf_fail(c, conf_value(c, node, "dist"),
                  "dist is constant, lognormal, bimodal or csv, not \"%.40s\"", t->dist);
        return -1;
    }
    for (int i = 0; i < 3 && dists[which].needed[i]; i++)
        if (!conf_value(c, node, dists[which].needed[i])) {
            conf_fail(c, node, "\"%s\" is missing; %s needs it", dists[which].needed[i], t->dist);
            return -1;
        }
    for (size_t i = 1; i < sizeof ttft_keys / sizeof ttft_keys[0]; i++) {
        const char *key = ttft_keys[i].name;
        const yaml_node_t *value = conf_value(c, node, key);
        if (value && !name_in(key, dists[which].needed) && !name_in(key, dists[which].allowed)) {
            conf_fail(c, value, "\"%s\" has no meaning for %s", key, t->dist);
            return -1;
        }
    }
    return (int)which;
}

static bool ttft_build(struct conf *c, const yaml_node_t *node, const struct ttft_text *t,
                       struct latency *out) {
    int which = dist_find(c, node, t);
    if (which < 0)
        return false;
    struct latency l = {.dist = dists[which].dist, .sigma = t->sigma};
    char why[CONF_ERROR_MAX / 2];
    switch (l.dist) {
    case LATENCY_CONSTANT: l.value_ns = t->value_ns; break;
    case LATENCY_LOGNORMAL: l.value_ns = t->median_ns; break;
    case LATENCY_BIMODAL:
        l.value_ns = t->fast_ns;
        l.slow_ns = t->slow_ns;
        l.slow_share = t->slow_share;
        break;
    case LATENCY_CSV:
        if (!latency_load_csv(&l, t->file, t->column, t->backend, why, sizeof why))
            return conf_fail(c, conf_value(c, node, "file"), "%s", why);
        break;
    }
    *out = l;
    return true;
}

/* The old samples are not freed here: struct sim_tune's owner does it, when the whole text was
 * good. */
static bool read_ttft(struct conf *c, const yaml_node_t *node, void *target) {
    struct ttft_text t = {0};
    bool ok = conf_map(c, node, KEYS(ttft_keys), &t) && ttft_build(c, node, &t, target);
    free(t.dist);
    free(t.file);
    free(t.column);
    free(t.backend);
    return ok;
}

/* ---- tokens, faults, replay ---- */

static bool read_token_count(struct conf *c, const yaml_node_t *node, void *target) {
    uint64_t *count = target;
    if (!conf_count(c, node, target))
        return false;
    return (*count >= 1 && *count <= TOKENS_MAX) ||
           conf_fail(c, node, "1 to %d tokens are possible", TOKENS_MAX);
}

static bool read_tokens(struct conf *c, const yaml_node_t *node, void *target) {
    static const struct conf_key keys[] = {
        {"count", read_token_count, offsetof(struct sim_tokens, count), false},
        {"interval", conf_duration, offsetof(struct sim_tokens, interval_ns), false},
        {"align", conf_bool, offsetof(struct sim_tokens, align), false},
    };
    return conf_map(c, node, KEYS(keys), target);
}

static bool read_faults(struct conf *c, const yaml_node_t *node, void *target) {
    static const struct conf_key keys[] = {
#define FAULT(name, scope, prose) {#name, conf_share, sizeof(double) * SIM_FAULT_##name, false},
#include "bench/sim_fault.def"
#undef FAULT
    };
    double *faults = target, sum = 0;
    memset(faults, 0, sizeof(double) * SIM_FAULTS);
    if (!conf_map(c, node, KEYS(keys), faults))
        return false;
    /* Requests throw one die for all their faults, so the shares lie side by side in 0..1. */
    for (int i = 0; i < SIM_FAULTS; i++)
        sum += sim_fault_info[i].scope == SIM_SCOPE_REQUEST ? faults[i] : 0;
    return sum <= 1.0 + 1e-9 ||
           conf_fail(c, node, "the faults of a request add up to %.4g%%, more than 100%%",
                     sum * 100);
}

static bool read_framing(struct conf *c, const yaml_node_t *node, void *target) {
    const char *text = conf_text(c, node);
    if (!text)
        return false;
    *(bool *)target = !strcmp(text, "chunked");
    return *(bool *)target || !strcmp(text, "close") ||
           conf_fail(c, node, "framing is chunked or close, not \"%.40s\"", text);
}

/* Unlike conf_string() this leaves the old string alone: it still belongs to the running sim_tune.
 */
static bool read_new_string(struct conf *c, const yaml_node_t *node, void *target) {
    *(char **)target = NULL;
    return conf_string(c, node, target);
}

static bool read_replay(struct conf *c, const yaml_node_t *node, void *target) {
    static const struct conf_key keys[] = {
        {"file", read_new_string, offsetof(struct sim_replay, file), false},
        {"folder", read_new_string, offsetof(struct sim_replay, folder), false},
        {"cut", conf_count, offsetof(struct sim_replay, cut), false},
        {"framing", read_framing, offsetof(struct sim_replay, chunked), false},
    };
    if (!conf_map(c, node, KEYS(keys), target))
        return false;
    return !conf_value(c, node, "file") || !conf_value(c, node, "folder") ||
           conf_fail(c, node, "replay takes a file or a folder, not both");
}

static bool next_fault(struct conf *c, const yaml_node_t *node, void *context) {
    struct sim_next *next = context;
    const char *name = conf_text(c, node);
    if (!name)
        return false;
    int fault = sim_fault_named(name);
    if (fault < 0 || (fault < SIM_FAULTS && sim_fault_info[fault].scope != SIM_SCOPE_REQUEST))
        return conf_fail(c, node, "\"%.40s\" is not a fault of requests", name);
    if (next->count == SIM_NEXT_MAX)
        return conf_fail(c, node, "at most %d faults can be told in advance", SIM_NEXT_MAX);
    next->fault[next->count++] = (enum sim_fault)fault;
    return true;
}

static bool read_next(struct conf *c, const yaml_node_t *node, void *target) {
    *(struct sim_next *)target = (struct sim_next){0};
    return conf_each(c, node, next_fault, target);
}

#define TUNE_KEYS(base)                                                                            \
    {"ttft", read_ttft, (base) + offsetof(struct sim_tune, ttft), false},                          \
        {"tokens", read_tokens, (base) + offsetof(struct sim_tune, tokens), false},                \
        {"faults", read_faults, (base) + offsetof(struct sim_tune, faults), false},                \
        {"replay", read_replay, (base) + offsetof(struct sim_tune, replay), false},                \
        {"rpm", conf_count, (base) + offsetof(struct sim_tune, rpm), false},                       \
        {"head_delay", conf_duration, (base) + offsetof(struct sim_tune, head_delay_ns), false},   \
        {"handshake_delay", conf_duration, (base) + offsetof(struct sim_tune, handshake_delay_ns), \
         false},                                                                                   \
    {                                                                                              \
        "next", read_next, (base) + offsetof(struct sim_tune, next), false                         \
    }

/* Frees what `a` owns and `b` does not. */
static void tune_free_unlike(struct sim_tune *a, const struct sim_tune *b) {
    if (a->ttft.samples_ns != b->ttft.samples_ns)
        latency_free(&a->ttft);
    if (a->replay.file != b->replay.file)
        free(a->replay.file);
    if (a->replay.folder != b->replay.folder)
        free(a->replay.folder);
}

bool sim_tune_read(struct sim_tune *tune, const char *text, size_t size, char *error,
                   size_t error_size) {
    static const struct conf_key keys[] = {TUNE_KEYS(0)};
    struct sim_tune changed = *tune;
    struct conf c;
    bool ok = conf_open(&c, "body", text, size);
    const yaml_node_t *root = conf_root(&c);
    if (ok && !root)
        ok = conf_fail(&c, NULL, "is empty");
    ok = ok && conf_map(&c, root, KEYS(keys), &changed);
    /* A file named after a folder was in force (or the other way round) takes its place. */
    const yaml_node_t *replay = ok ? conf_value(&c, root, "replay") : NULL;
    if (replay && conf_value(&c, replay, "file"))
        changed.replay.folder = NULL;
    if (replay && conf_value(&c, replay, "folder"))
        changed.replay.file = NULL;
    snprintf(error, error_size, "%s", c.error);
    conf_close(&c);
    if (!ok) {
        tune_free_unlike(&changed, tune);
        return false;
    }
    tune_free_unlike(tune, &changed);
    *tune = changed;
    return true;
}

/* ---- clouds ---- */

static bool read_kind(struct conf *c, const yaml_node_t *node, void *target) {
    const char *text = conf_text(c, node);
    if (!text)
        return false;
    for (int kind = 0; kind < SIM_KINDS; kind++)
        if (!strcmp(text, sim_kind_name[kind])) {
            *(enum sim_kind *)target = (enum sim_kind)kind;
            return true;
        }
    char known[200] = "";
    for (int kind = 0; kind < SIM_KINDS; kind++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s",
                 kind == 0               ? ""
                 : kind + 1 == SIM_KINDS ? " or "
                                         : ", ",
                 sim_kind_name[kind]);
    return conf_fail(c, node, "kind is %s, not \"%.40s\"", known, text);
}

static bool read_credentials(struct conf *c, const yaml_node_t *node, void *target) {
    static const struct conf_key keys[] = {
#define CREDENTIAL(name, prose) {#name, conf_string, offsetof(struct sim_credentials, name), false},
#include "bench/sim_credential.def"
#undef CREDENTIAL
    };
    return conf_map(c, node, KEYS(keys), target);
}

/* A duration that may also point backwards: "-10m". */
static bool read_skew(struct conf *c, const yaml_node_t *node, void *target) {
    const char *text = conf_text(c, node);
    uint64_t skew_ns;
    if (!text)
        return false;
    bool behind = *text == '-';
    if (!units_duration_ns(text + behind, &skew_ns))
        return conf_fail(c, node, "a duration such as 10m or -10m is expected, not \"%.40s\"",
                         text);
    int64_t skew_s = (int64_t)(skew_ns / UNITS_NS_PER_S);
    *(int64_t *)target = behind ? -skew_s : skew_s;
    return true;
}

static bool read_address(struct conf *c, const yaml_node_t *node, void *target) {
    const char *text = conf_text(c, node);
    return text && (units_address(text, target) ||
                    conf_fail(c, node,
                              "a numeric address such as 127.0.0.1:8443 is expected, "
                              "not \"%.60s\"",
                              text));
}

static bool add_model(struct conf *c, const yaml_node_t *at, struct sim_cloud *cloud,
                      const char *asked, const char *answered) {
    if (cloud->models_count == MODELS_MAX)
        return conf_fail(c, at, "at most %d models are possible", MODELS_MAX);
    cloud->models[cloud->models_count++] =
        (struct sim_model){bytes_dup(asked, strlen(asked)), bytes_dup(answered, strlen(answered))};
    return true;
}

static bool model_item(struct conf *c, const yaml_node_t *node, void *context) {
    const char *name = conf_text(c, node);
    return name && add_model(c, node, context, name, name);
}

static bool model_pair(struct conf *c, const yaml_node_t *key, const yaml_node_t *value,
                       void *context) {
    const char *answered = conf_text(c, value);
    return answered && add_model(c, key, context, (const char *)key->data.scalar.value, answered);
}

static bool read_models(struct conf *c, const yaml_node_t *node, void *target) {
    struct sim_cloud *cloud =
        (struct sim_cloud *)((char *)target - offsetof(struct sim_cloud, models));
    cloud->models = bytes_alloc(MODELS_MAX, sizeof *cloud->models);
    return node->type == YAML_MAPPING_NODE ? conf_pairs(c, node, model_pair, cloud)
                                           : conf_each(c, node, model_item, cloud);
}

static const struct conf_key cloud_keys[] = {
    {"name", conf_string, offsetof(struct sim_cloud, name), true},
    {"kind", read_kind, offsetof(struct sim_cloud, kind), false},
    {"listen", read_address, offsetof(struct sim_cloud, listen), true},
    {"control", read_address, offsetof(struct sim_cloud, control), false},
    {"tls", conf_bool, offsetof(struct sim_cloud, tls), false},
    {"host", conf_string, offsetof(struct sim_cloud, host), false},
    {"api_key", conf_string, offsetof(struct sim_cloud, api_key), false},
    {"credentials", read_credentials, offsetof(struct sim_cloud, credentials), false},
    {"identity", conf_string, offsetof(struct sim_cloud, identity), false},
    {"clock_skew", read_skew, offsetof(struct sim_cloud, clock_skew_s), false},
    {"expires_in", conf_duration, offsetof(struct sim_cloud, expires_in_ns), false},
    {"prefix", conf_string, offsetof(struct sim_cloud, prefix), false},
    {"models", read_models, offsetof(struct sim_cloud, models), false},
    {"obfuscation", conf_bool, offsetof(struct sim_cloud, obfuscation), false},
    TUNE_KEYS(offsetof(struct sim_cloud, tune)),
};

static void cloud_defaults(struct sim_cloud *cloud) {
    *cloud = (struct sim_cloud){
        .kind = SIM_OPENAI,
        .obfuscation = true,
        .host = bytes_dup("localhost", strlen("localhost")),
        .api_key = bytes_dup("", 0),
        .identity = bytes_dup("", 0),
        .expires_in_ns = 3600ull * UNITS_NS_PER_S,
        .tune = {.ttft = {.dist = LATENCY_CONSTANT, .value_ns = 50ull * UNITS_NS_PER_MS},
                 .tokens = {.count = 20, .interval_ns = 10ull * UNITS_NS_PER_MS},
                 .replay = {.chunked = true},
                 .head_delay_ns = SIM_WITH_FIRST_TOKEN,
                 .handshake_delay_ns = DEFAULT_HANDSHAKE_DELAY_NS},
    };
    units_address("127.0.0.1:0", &cloud->control);
#define CREDENTIAL(name, prose) cloud->credentials.name = bytes_dup("", 0);
#include "bench/sim_credential.def"
#undef CREDENTIAL
}

static void cloud_free(struct sim_cloud *cloud) {
    for (size_t i = 0; i < cloud->models_count; i++) {
        free(cloud->models[i].asked);
        free(cloud->models[i].answered);
    }
    free(cloud->models);
    free(cloud->name);
    free(cloud->host);
    free(cloud->api_key);
    free(cloud->prefix);
    free(cloud->identity);
#define CREDENTIAL(name, prose) free(cloud->credentials.name);
#include "bench/sim_credential.def"
#undef CREDENTIAL
    tune_free_unlike(&cloud->tune, &(struct sim_tune){0});
}

static bool cloud_item(struct conf *c, const yaml_node_t *node, void *context) {
    struct sim_config *config = context;
    if (config->clouds_count == COUNT_OF_CLOUDS_MAX)
        return conf_fail(c, node, "at most %d clouds are possible", COUNT_OF_CLOUDS_MAX);
    struct sim_cloud *cloud = &config->clouds[config->clouds_count++];
    cloud_defaults(cloud);
    if (!conf_map(c, node, KEYS(cloud_keys), cloud))
        return false;
    bool fixed = cloud->kind == SIM_AZURE || cloud->kind == SIM_IDENTITY;
    if (fixed && conf_value(c, node, "prefix"))
        return conf_fail(c, conf_value(c, node, "prefix"), "an %s cloud's paths are fixed",
                         sim_kind_name[cloud->kind]);
    if (!cloud->prefix)
        cloud->prefix = bytes_dup(kind_prefix[cloud->kind], strlen(kind_prefix[cloud->kind]));
    for (const struct sim_cloud *other = config->clouds; other < cloud; other++)
        if (!strcmp(other->name, cloud->name))
            return conf_fail(c, conf_value(c, node, "name"), "two clouds are called \"%s\"",
                             cloud->name);
    return true;
}

/* The clouds' `identity` names, once all are known. */
static bool find_identity(struct conf *c, const yaml_node_t *node, void *context) {
    struct sim_config *config = context;
    const yaml_node_t *name = conf_value(c, node, "name"), *at = conf_value(c, node, "identity");
    struct sim_cloud *cloud = config->clouds;
    if (!at)
        return true;
    while (strcmp(cloud->name, conf_text(c, name)))
        cloud++;
    for (size_t i = 0; i < config->clouds_count; i++)
        if (!strcmp(config->clouds[i].name, cloud->identity) &&
            config->clouds[i].kind == SIM_IDENTITY) {
            cloud->identity_at = i;
            return true;
        }
    return conf_fail(c, at, "there is no cloud \"%s\" of kind identity", cloud->identity);
}

static bool read_clouds(struct conf *c, const yaml_node_t *node, void *target) {
    struct sim_config *config =
        (struct sim_config *)((char *)target - offsetof(struct sim_config, clouds));
    config->clouds = bytes_alloc(COUNT_OF_CLOUDS_MAX, sizeof *config->clouds);
    return conf_each(c, node, cloud_item, config) &&
           (config->clouds_count || conf_fail(c, node, "there is no cloud in the list")) &&
           conf_each(c, node, find_identity, config);
}

static bool config_take(struct sim_config *out, struct conf *c, char *error, size_t error_size) {
    static const struct conf_key keys[] = {
        {"seed", conf_count, offsetof(struct sim_config, seed), false},
        {"tls_dir", conf_string, offsetof(struct sim_config, tls_dir), false},
        {"clouds", read_clouds, offsetof(struct sim_config, clouds), true},
    };
    *out = (struct sim_config){.seed = 1,
                               .tls_dir = bytes_dup(DEFAULT_TLS_DIR, strlen(DEFAULT_TLS_DIR))};
    const yaml_node_t *root = conf_root(c);
    bool ok = !c->error[0];
    if (ok && !root)
        ok = conf_fail(c, NULL, "is empty; \"clouds\" is expected");
    ok = ok && conf_map(c, root, KEYS(keys), out);
    snprintf(error, error_size, "%s", c->error);
    conf_close(c);
    if (!ok)
        sim_config_free(out);
    return ok;
}

bool sim_config_read(struct sim_config *out, const char *file, const char *text, size_t size,
                     char *error, size_t error_size) {
    struct conf c;
    conf_open(&c, file, text, size);
    return config_take(out, &c, error, error_size);
}

bool sim_config_load(struct sim_config *out, const char *file, char *error, size_t error_size) {
    struct conf c;
    conf_open_file(&c, file);
    return config_take(out, &c, error, error_size);
}

void sim_config_free(struct sim_config *config) {
    for (size_t i = 0; i < config->clouds_count; i++)
        cloud_free(&config->clouds[i]);
    free(config->clouds);
    free(config->tls_dir);
    *config = (struct sim_config){0};
}

const char *sim_model_answered(const struct sim_cloud *cloud, const char *asked) {
    if (!cloud->models_count)
        return asked;
    for (size_t i = 0; i < cloud->models_count; i++)
        if (!strcmp(cloud->models[i].asked, asked))
            return cloud->models[i].answered;
    return NULL;
}
