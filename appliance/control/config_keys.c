/* config_keys.c - the clients' keys in the configuration: digests and what each may do. The lookup
 * is in keys.c.
 *
 * Promises: no two have one name or one digest; no message holds a digest, which may be the key
 *           itself, pasted. */
#include "appliance/control/config_names.h"
#include "appliance/control/config_parts.h"
#include "appliance/control/config_value.h"

static bool names_a_model(const struct config *config, struct span pattern) {
    for (unsigned i = 0; i < config->model_count; i++) {
        const struct config_model *model = &config->models[i];
        if (span_glob(pattern, span_str(model->name)))
            return true;
        for (unsigned a = 0; a < model->alias_count; a++)
            if (span_glob(pattern, span_str(model->aliases[a])))
                return true;
    }
    return false;
}

/* A plain name that no model has is a mistake; a pattern may wait for models to come. */
static void check_pattern(struct config_reader *r, const struct config_node *node,
                          const char *where, const char *pattern) {
    struct config_nearest nearest = {.wanted = span_str(pattern)};
    char hint[CONFIG_NEAREST_TEXT];
    if (names_a_model(r->config, span_str(pattern)))
        return;
    if (strchr(pattern, '*')) {
        config_setting_warning(r, node, "%s: no model matches \"%.*s\"", where, CONFIG_SHOWN(node));
        return;
    }
    for (unsigned i = 0; i < r->config->model_count; i++)
        config_nearest_offer(&nearest, span_str(r->config->models[i].name));
    config_setting_error(r, node, "%s: there is no model \"%.*s\"%s", where, CONFIG_SHOWN(node),
                         config_nearest_text(&nearest, hint, sizeof hint));
}

static void check_residency(struct config_reader *r, const struct config_node *map,
                            const char *where, const char *residency) {
    struct config_nearest nearest = {.wanted = span_str(residency)};
    char hint[CONFIG_NEAREST_TEXT];
    for (unsigned i = 0; i < r->config->provider_count; i++) {
        const char *region = r->config->providers[i].provider.region;
        if (region && strcmp(region, residency) == 0)
            return;
        config_nearest_offer(&nearest, span_str(region));
    }
    const struct config_node *node = config_node_find(map, SPAN("residency"));
    config_setting_error(
        r, node,
        "%s.residency: no provider has region \"%.*s\", so every request would be refused%s", where,
        CONFIG_SHOWN(node), config_nearest_text(&nearest, hint, sizeof hint));
}

static void read_models(struct config_reader *r, const struct config_node *list, const char *where,
                        struct config_key *key) {
    const struct config_node **nodes;
    where = config_setting_where(r, where, SPAN("models"));
    key->models = config_texts(r, list, where, CONFIG_KEY_MODELS_MAX, &key->model_count, &nodes);
    for (unsigned i = 0; i < key->model_count; i++)
        check_pattern(r, nodes[i], where, key->models[i]);
}

static void read_key(struct config_reader *r, const struct config_node *map, const char *where,
                     struct config_key *key) {
    struct config_key_draft draft = {.name = NULL};
    struct config_limits limits = {.concurrency = 0};
    const char *why;
    bool good = config_setting_read(r, CONFIG_SECTION_key, map, where, &draft);
    if (draft.models)
        read_models(r, draft.models, where, key);
    if (draft.residency)
        check_residency(r, map, where, draft.residency);
    if (draft.limits)
        config_setting_read(r, CONFIG_SECTION_key_limits, draft.limits,
                            config_setting_where(r, where, SPAN("limits")), &limits);
    key->residency = draft.residency;
    key->limit_concurrency = limits.concurrency;
    if (limits.concurrency)
        key->in_flight = config_setting_alloc(r, sizeof *key->in_flight);
    key->name = draft.name;
    if (good && !config_value_sha256(span_str(draft.sha256), key->sha256, &why))
        config_setting_error(r, config_node_find(map, SPAN("sha256")), "%s.sha256 %s", where, why);
}

void config_keys_read(struct config_reader *r, const struct config_node *list) {
    unsigned count, at = 0;
    struct config_names names, digests;
    /* Left out means open to all; emptied by a template it would mean the same by accident. */
    if (list->count == 0) {
        config_setting_error(
            r, list, "keys is empty; give at least one, or remove it to let every client in");
        return;
    }
    count = config_count(r, list, "keys", CONFIG_KEYS_MAX);
    struct config_key *keys = config_setting_alloc(r, count * sizeof *keys);
    r->config->keys = keys;
    r->config->key_count = count;
    config_names_init(&names, r->scratch, count);
    config_names_init(&digests, r->scratch, count);
    for (const struct config_entry *e = list->first; e && at < count; e = e->next, at++) {
        const char *where = config_setting_item(r, "keys", at);
        unsigned errors = r->report->counts[CONFIG_ERROR];
        read_key(r, e->value, where, &keys[at]);
        if (r->report->counts[CONFIG_ERROR] > errors)
            continue;
        if (config_names_put(&names, span_str(keys[at].name), e->value))
            config_setting_error(r, e->value, "%s: there is another key of the name %.*s", where,
                                 CONFIG_SHOWN(config_node_find(e->value, SPAN("name"))));
        const struct config_node *other = config_names_put(
            &digests, span_of((const char *)keys[at].sha256, sizeof keys[at].sha256), e->value);
        if (other)
            config_setting_error(r, e->value, "%s: the key in line %u has the same sha256", where,
                                 other->line);
    }
}
