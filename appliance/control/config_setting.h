/* config_setting.h - reads one map of the configuration into one C struct by the rows of
 * config_settings.def.
 *
 * The structs below are what a section is read into where the snapshot has none of its own; texts
 * point into the snapshot's arena, nodes into the tree. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_CONFIG_SETTING_H
#define HEDGEROW_APPLIANCE_CONTROL_CONFIG_SETTING_H

#include <stdio.h>

#include "appliance/control/config_node.h"
#include "appliance/control/config_report.h"
#include "appliance/race/config.h"
#include "net/cert.h"
#include "providers/prices.h"

/* What all the readers of a file share. */
struct config_reader {
    const char *directory; /* of the file: relative paths begin there */
    struct config_report *report;
    struct arena *keep;              /* the snapshot's: texts and arrays that live on */
    struct arena *scratch;           /* gone when the file is read: the tree, messages, drafts */
    size_t text_bytes;               /* all values so far, against CONFIG_TEXT_MAX_BYTES */
    struct config *config;           /* being made */
    struct config_hedge hedge;       /* `defaults`, filled in before the models */
    struct config_timeouts timeouts; /* the same */
    struct prices prices;            /* of the price file, in scratch; empty when there is none */
};

/* All values together after replacement: ${file:} and aliases multiply, this bounds the product. */
#define CONFIG_TEXT_MAX_BYTES (16u * 1024 * 1024)

enum config_section {
#define SECTION(section, path) CONFIG_SECTION_##section,
#include "appliance/control/config_settings.def"
    CONFIG_SECTION_COUNT
};

struct config_root {
    unsigned version;
    const char *workers, *passthrough, *prices;
    const struct config_node *listeners, *admin, *providers, *models, *defaults, *keys, *limits,
        *telemetry, *state;
};
struct config_listener_draft {
    const char *address;
    const struct config_node *tls;
    bool proxy_protocol, http2;
};
struct config_listener_tls {
    const char *certificate, *private_key, *client_ca;
    const struct config_node *certificates;
};
struct config_provider_draft {
    const char *kind, *base_url, *endpoint, *api_key, *api_version, *region, *residency;
    const char *project, *location, *credentials; /* Google */
    const char *access_key_id, *secret_access_key, *session_token, *bearer_token,
        *sts_url;                                                          /* AWS */
    const char *tenant_id, *client_id, *client_secret, *authority, *scope; /* Azure */
    const char *tenancy, *user, *fingerprint, *private_key, *compartment;  /* OCI */
    bool managed_identity;                                                 /* Azure */
    bool s3_locations;                                                     /* AWS */
    const struct config_node *tls, *pool, *headers, *limits;
    enum config_cancel cancel;
};
struct config_provider_tls {
    const char *ca, *server_name;
    bool insecure;
};
struct config_pool {
    unsigned min_idle, max_connections;
    bool http2;
};
struct config_limits {
    uint64_t rpm, tpm, concurrency;
};
struct config_model_draft {
    const struct config_node *backends, *hedge, *timeouts, *fallback, *aliases;
    bool lenient;
    enum config_strategy strategy;
    enum config_affinity affinity;
};
struct config_backend_draft {
    const char *provider, *model, *base_model;
    const struct config_node *price;
    unsigned weight;
};
struct config_defaults {
    const struct config_node *hedge, *timeouts;
};
struct config_key_draft {
    const char *name, *sha256, *residency;
    const struct config_node *models, *limits;
};
struct config_telemetry {
    const struct config_node *access_log;
};
enum config_log_format { CONFIG_LOG_JSON };
struct config_access_log {
    const char *path;
    enum config_log_format format;
};
struct config_state {
    char nothing; /* C wants a member; this version keeps no state */
};

/* Writes the defaults of a section into its struct; members without one are left alone. */
void config_setting_defaults(struct config_reader *, enum config_section section, void *target);
/* Reads the map into the section's struct, over what is there. `where` names the map in messages,
 * "" at the top. Errors go to the report; a member with an error keeps what it had. False when the
 * node is not a map or a required key is missing or unusable: then the struct is not good enough to
 * go on with. */
bool config_setting_read(struct config_reader *, enum config_section section,
                         const struct config_node *map, const char *where, void *target);
/* One text of a LIST or of a map whose keys are the operator's: expanded, checked for control
 * characters, at most 1024 bytes, in the snapshot. NULL after an error was reported. `secret`: it
 * is never shown. */
const char *config_setting_text(struct config_reader *, const struct config_node *node,
                                const char *where, bool secret);
/* A key of the operator's own (a model, a provider): as config_setting_text, but nothing is
 * replaced in it. `name`: only letters, digits, '.', '_' and '-' are allowed. */
const char *config_setting_key(struct config_reader *, const struct config_node *key,
                               const char *where, bool name);
/* "where.key", or "key" at the top. In the scratch arena, NUL-terminated. */
const char *config_setting_where(struct config_reader *, const char *where, struct span key);
/* "where[index]". */
const char *config_setting_item(struct config_reader *, const char *where, unsigned index);
/* A NUL-terminated copy in the snapshot. */
const char *config_setting_keep(struct config_reader *, struct span text);
/* `n` zeroed bytes in the snapshot. Never NULL. */
void *config_setting_alloc(struct config_reader *, size_t n);
/* Lists every setting with type, default, range and meaning. */
void config_setting_list(FILE *);

/* A scalar as it stands in the file, for "%.*s": what a variable or file brought in must not be
 * shown. */
#define CONFIG_SHOWN_MAX   64
#define CONFIG_SHOWN(node) (int)min_size((node)->text.n, CONFIG_SHOWN_MAX), (node)->text.p

#define config_setting_error(reader, node, ...) \
    config_report_add((reader)->report, CONFIG_ERROR, (node)->line, (node)->column, __VA_ARGS__)
#define config_setting_warning(reader, node, ...) \
    config_report_add((reader)->report, CONFIG_WARNING, (node)->line, (node)->column, __VA_ARGS__)

#endif
