/* config.c - questions to the configuration snapshot: which model has this name, who may use it.
 * (pure)
 *
 * Owns:     nothing; the table's memory comes from control and belongs to the snapshot.
 * Promises: a lookup reads const memory only, so that all workers share one snapshot; it ends at an
 *           empty slot whatever name a client sends.
 * Refuses:  two models of one name. */
#include "appliance/race/config.h"

#include <errno.h>
#include <string.h>

#include "core/base.h"

/* The slot where `name` stands or would stand: open addressing, linear probing. Clients choose the
 * names that are looked up but not those that are entered, so they cannot make a run longer. */
static struct config_slot *slot_of(struct config_slot *slots, unsigned count, struct span name) {
    unsigned mask = count - 1, at = (unsigned)span_hash(name) & mask;
    while (slots[at].name && !span_eq(span_str(slots[at].name), name))
        at = (at + 1) & mask;
    return &slots[at];
}

unsigned config_index_slots(const struct config *config) {
    unsigned names = 0, slots = 2;
    for (unsigned i = 0; i < config->model_count; i++)
        names += 1 + config->models[i].alias_count;
    while (slots < 2 * names)
        slots *= 2;
    return slots;
}

static int enter(struct config *config, const char *name, const struct config_model *model,
                 const char **twice) {
    struct config_slot *slot = slot_of(config->slots, config->slot_count, span_str(name));
    if (slot->name) {
        *twice = name;
        return -EEXIST;
    }
    *slot = (struct config_slot){.name = name, .model = model};
    return 0;
}

int config_index(struct config *config, struct config_slot *slots, const char **twice) {
    config->slots = slots;
    config->slot_count = config_index_slots(config);
    memset(slots, 0, config->slot_count * sizeof *slots);
    for (unsigned i = 0; i < config->model_count; i++) {
        const struct config_model *model = &config->models[i];
        int error = enter(config, model->name, model, twice);
        for (unsigned a = 0; !error && a < model->alias_count; a++)
            error = enter(config, model->aliases[a], model, twice);
        if (error)
            return error;
    }
    return 0;
}

const struct config_model *config_model_find(const struct config *config, struct span name) {
    CHECK(config->slots); /* config_index comes before the first request */
    return slot_of(config->slots, config->slot_count, name)->model;
}

static bool pattern_names(struct span pattern, const struct config_model *model) {
    if (span_glob(pattern, span_str(model->name)))
        return true;
    for (unsigned i = 0; i < model->alias_count; i++)
        if (span_glob(pattern, span_str(model->aliases[i])))
            return true;
    return false;
}

bool config_key_allows(const struct config_key *key, const struct config_model *model) {
    if (!key || key->model_count == 0)
        return true;
    for (unsigned i = 0; i < key->model_count; i++)
        if (pattern_names(span_str(key->models[i]), model))
            return true;
    return false;
}

const struct config_model *config_model_same(const struct config *config,
                                             const struct config_model *wanted) {
    const struct config_model *model = config_model_find(config, span_str(wanted->name));
    return model && strcmp(model->name, wanted->name) == 0 ? model : NULL;
}

const struct config_backend *config_backend_same(const struct config_model *model,
                                                 const struct config_backend *wanted) {
    const struct provider *provider = &wanted->provider->provider;
    for (unsigned i = 0; i < model->backend_count; i++) {
        const struct config_backend *backend = &model->backends[i];
        const struct provider *other = &backend->provider->provider;
        if (strcmp(other->name, provider->name) == 0 &&
            strcmp(backend->model, wanted->model) == 0 &&
            strcmp(other->host, provider->host) == 0 && other->port == provider->port)
            return backend;
    }
    return NULL;
}
