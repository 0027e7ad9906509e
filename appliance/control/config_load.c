/* config_load.c - from a configuration file to the snapshot that the race works with.
 *
 * Owns:     the snapshot's memory: everything that a struct config points to is in one arena,
 *           except the TLS contexts, which are counted references, and OCI's signing keys.
 * Promises: a snapshot that is handed out is whole; after an error nothing is. */
#include "appliance/control/config_load.h"

#include <errno.h>

#include "appliance/control/config_expand.h"
#include "appliance/control/config_names.h"
#include "appliance/control/config_parts.h"
#include "appliance/control/config_quota.h"
#include "appliance/control/config_value.h"
#include "appliance/control/keys.h"
#include "appliance/race/learner.h"
#include "core/heap.h"
#include "core/slab.h"
#include "net/cert.h"

/* LiteLLM's has 1.6 MB. */
#define PRICES_FILE_MAX_BYTES ((size_t)64 * 1024 * 1024)

struct snapshot {
    struct config config;
    struct keys_table keys; /* over config.keys */
    struct memory memory;
    struct arena arena;
};

const struct config_key *keys_find(const struct config *config, struct span presented) {
    const struct snapshot *snapshot = container_of(config, struct snapshot, config);
    return keys_lookup(&snapshot->keys, presented);
}

unsigned config_count(struct config_reader *r, const struct config_node *list, const char *where,
                      unsigned max) {
    if (list->count == 0)
        config_setting_error(r, list, "%s is empty; give at least one", where);
    if (list->count > max)
        config_setting_error(r, list, "%s has %u entries; there may be %u", where, list->count,
                             max);
    return (unsigned)min_u64(list->count, max);
}

const char **config_texts(struct config_reader *r, const struct config_node *list,
                          const char *where, unsigned max, unsigned *count,
                          const struct config_node ***nodes) {
    unsigned room = config_count(r, list, where, max), seen = 0;
    const char **texts = config_setting_alloc(r, (room + 1) * sizeof *texts);
    struct config_names names;
    config_names_init(&names, r->scratch, room);
    *nodes = arena_zalloc(r->scratch, (room + 1) * sizeof **nodes);
    CHECK(*nodes);
    *count = 0;
    for (const struct config_entry *e = list->first; e && seen < room; e = e->next, seen++) {
        const char *text =
            config_setting_text(r, e->value, config_setting_item(r, where, seen), false);
        if (!text)
            continue;
        if (config_names_put(&names, span_str(text), e)) {
            config_setting_error(r, e->value, "%s: \"%.*s\" is given twice", where,
                                 CONFIG_SHOWN(e->value));
            continue;
        }
        (*nodes)[*count] = e->value;
        texts[(*count)++] = text;
    }
    return texts;
}

static void read_defaults(struct config_reader *r, const struct config_node *map) {
    struct config_defaults defaults = {.hedge = NULL};
    config_setting_read(r, CONFIG_SECTION_defaults, map, "defaults", &defaults);
    if (defaults.hedge)
        config_hedge_read(r, defaults.hedge, "defaults.hedge", &r->hedge);
    if (defaults.timeouts)
        config_setting_read(r, CONFIG_SECTION_timeouts, defaults.timeouts, "defaults.timeouts",
                            &r->timeouts);
}

static void read_telemetry(struct config_reader *r, const struct config_node *map) {
    struct config_telemetry telemetry = {.access_log = NULL};
    struct config_access_log log = {.path = NULL};
    config_setting_defaults(r, CONFIG_SECTION_access_log, &log);
    if (map)
        config_setting_read(r, CONFIG_SECTION_telemetry, map, "telemetry", &telemetry);
    if (telemetry.access_log)
        config_setting_read(r, CONFIG_SECTION_access_log, telemetry.access_log,
                            "telemetry.access_log", &log);
    if (strcmp(log.path, "-") == 0)
        r->config->access_log_path = log.path;
    else if (strcmp(log.path, "none") != 0)
        r->config->access_log_path = config_expand_path(span_str(log.path), r->directory, r->keep);
}

static void read_prices(struct config_reader *r, const struct config_node *node, const char *path) {
    struct span text;
    const char *why;
    size_t at;
    if (!config_expand_file(path, PRICES_FILE_MAX_BYTES, r->scratch, &text, &why))
        config_setting_error(r, node, "prices: %s cannot be read: %s", path, why);
    else if (prices_read(text, r->scratch, &r->prices, &at, &why) != 0)
        config_setting_error(r, node, "prices: %s at byte %zu: %s", path, at, why);
}

/* The provider of the paths that are passed through, among those that can be passed to. */
static void read_passthrough(struct config_reader *r, const struct config_node *node,
                             const char *name) {
    for (unsigned i = 0; i < r->config->provider_count; i++) {
        const struct config_provider *provider = &r->config->providers[i];
        if (strcmp(provider->provider.name, name) != 0)
            continue;
        r->config->passthrough = provider;
        if (provider->provider.kind && provider->provider.host && !provider->pass.path.p)
            config_setting_error(r, node, "passthrough: nothing can be passed through to kind %s%s",
                                 provider->provider.kind->name,
                                 provider->provider.api_version ? " with api_version" : "");
        return;
    }
    config_setting_error(r, node, "passthrough: there is no \"%.*s\" under providers",
                         CONFIG_SHOWN(node));
}

/* The order is that of references: providers before models before keys. */
static void read_root(struct config_reader *r, const struct config_node *map) {
    struct config_root root = {.version = 0};
    config_setting_defaults(r, CONFIG_SECTION_root, &root);
    config_setting_defaults(r, CONFIG_SECTION_limits, r->config);
    config_setting_defaults(r, CONFIG_SECTION_hedge, &r->hedge);
    config_setting_defaults(r, CONFIG_SECTION_timeouts, &r->timeouts);
    config_setting_read(r, CONFIG_SECTION_root, map, "", &root);
    if (map->kind != CONFIG_MAP)
        return;
    if (root.listeners)
        config_listeners_read(r, root.listeners);
    if (root.admin)
        config_admin_read(r, root.admin);
    config_workers_read(r, config_node_find(map, SPAN("workers")), root.workers);
    if (root.limits)
        config_setting_read(r, CONFIG_SECTION_limits, root.limits, "limits", r->config);
    read_telemetry(r, root.telemetry);
    if (root.state)
        config_setting_read(r, CONFIG_SECTION_state, root.state, "state",
                            &(struct config_state){.nothing = 0});
    if (root.defaults)
        read_defaults(r, root.defaults);
    if (root.prices)
        read_prices(r, config_node_find(map, SPAN("prices")), root.prices);
    if (root.providers)
        config_providers_read(r, root.providers);
    if (root.passthrough)
        read_passthrough(r, config_node_find(map, SPAN("passthrough")), root.passthrough);
    if (root.models)
        config_models_read(r, root.models);
    if (root.keys)
        config_keys_read(r, root.keys);
}

/* The tables that make lookups quick. Names and digests are known to be different by now. */
static void make_tables(struct snapshot *snapshot) {
    struct config *config = &snapshot->config;
    const char *twice;
    struct config_slot *slots =
        arena_alloc(&snapshot->arena, config_index_slots(config) * sizeof *slots);
    CHECK(slots);
    CHECK(config_index(config, slots, &twice) == 0);
    keys_init(&snapshot->keys, config->keys, config->key_count, &snapshot->arena);
}

static const char *directory_of(const char *path, struct arena *arena) {
    const char *slash = strrchr(path, '/');
    if (!slash)
        return ".";
    /* "/x" is in "/", which config_expand_path's own slash makes whole. */
    char *copy = arena_zalloc(arena, (size_t)(slash - path) + 1);
    CHECK(copy);
    memcpy(copy, path, (size_t)(slash - path));
    return copy;
}

static void read_file(struct snapshot *snapshot, const char *path, struct arena *scratch,
                      struct config_report *report) {
    struct span yaml;
    const char *why;
    if (!config_expand_file(path, CONFIG_FILE_MAX_BYTES, scratch, &yaml, &why)) {
        config_report_add(report, CONFIG_ERROR, 0, 0, "cannot be read: %s", why);
        return;
    }
    const struct config_node *root = config_node_read(yaml, scratch, report);
    if (!root)
        return;
    struct config_reader reader = {.directory = directory_of(path, scratch),
                                   .report = report,
                                   .keep = &snapshot->arena,
                                   .scratch = scratch,
                                   .config = &snapshot->config};
    read_root(&reader, root);
}

int config_load(const char *path, struct config **out, struct config_report *report) {
    struct snapshot *snapshot = heap_alloc(sizeof *snapshot);
    struct memory memory;
    struct arena scratch;
    config_report_init(report, path);
    memory_init(&snapshot->memory, SIZE_MAX, 0);
    arena_init(&snapshot->arena, &snapshot->memory);
    memory_init(&memory, SIZE_MAX, 0);
    arena_init(&scratch, &memory);
    read_file(snapshot, path, &scratch, report);
    arena_fini(&scratch);
    memory_fini(&memory);
    *out = &snapshot->config;
    if (report->counts[CONFIG_ERROR] > 0) {
        config_free(out);
        return -EINVAL;
    }
    make_tables(snapshot);
    snapshot->config.generation = 1;
    return 0;
}

static void drop_listeners(struct config *config) {
    for (unsigned i = 0; i < config->listener_count; i++)
        if (config->listeners[i].tls)
            cert_server_drop(&config->listeners[i].tls);
    config->listener_count = 0;
}

bool config_listen(struct config *config, const char *address, const char **why) {
    struct snapshot *snapshot = container_of(config, struct snapshot, config);
    struct config_address found;
    if (!config_value_address(span_str(address), &found, why))
        return false;
    drop_listeners(config);
    struct config_listener *listener = arena_zalloc(&snapshot->arena, sizeof *listener);
    char *host = arena_zalloc(&snapshot->arena, found.host.n + 1);
    CHECK(listener && host);
    if (found.host.n)
        memcpy(host, found.host.p, found.host.n);
    *listener = (struct config_listener){.host = host, .port = found.port};
    config->listeners = listener;
    config->listener_count = 1;
    return true;
}

void config_free(struct config **config) {
    if (!*config)
        return;
    struct snapshot *snapshot = container_of(*config, struct snapshot, config);
    for (unsigned i = 0; i < snapshot->config.provider_count; i++)
        if (snapshot->config.providers[i].tls)
            cert_client_drop(&snapshot->config.providers[i].tls);
    for (unsigned i = 0; i < snapshot->config.provider_count; i++)
        if (snapshot->config.providers[i].shared)
            config_quota_drop(&snapshot->config.providers[i].shared);
    for (unsigned i = 0; i < snapshot->config.provider_count; i++)
        if (snapshot->config.providers[i].provider.oci_key)
            oci_key_free(&snapshot->config.providers[i].provider.oci_key);
    if (snapshot->config.learner)
        learner_free(&snapshot->config.learner);
    drop_listeners(&snapshot->config);
    arena_fini(&snapshot->arena);
    memory_fini(&snapshot->memory);
    heap_free(&snapshot);
    *config = NULL;
}
