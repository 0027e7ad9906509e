/* config_quota.c - the shared part of providers' limits. See config_quota.h. */
#include "appliance/control/config_quota.h"

#include <stdatomic.h>
#include <string.h>

#include "appliance/race/quota.h"
#include "core/base.h"
#include "core/heap.h"

/* Every worker writes to it at every attempt: no line of it belongs to anything else. */
#define CACHE_LINE_BYTES 64

struct counted {
    char before[CACHE_LINE_BYTES];
    struct quota_shared shared;
    char behind[CACHE_LINE_BYTES];
    atomic_uint holds;
};

struct quota_shared *config_quota_new(void) {
    struct counted *counted = heap_alloc(sizeof *counted);
    atomic_init(&counted->holds, 1);
    return &counted->shared;
}

static struct quota_shared *hold(struct quota_shared *shared) {
    atomic_fetch_add(&container_of(shared, struct counted, shared)->holds, 1);
    return shared;
}

void config_quota_drop(struct quota_shared **pointer) {
    struct counted *counted = container_of(*pointer, struct counted, shared);
    *pointer = NULL;
    if (atomic_fetch_sub(&counted->holds, 1) == 1)
        heap_free(&counted);
}

static struct quota_shared *find(const struct config *config, const char *name) {
    for (unsigned i = 0; i < config->provider_count; i++)
        if (strcmp(config->providers[i].provider.name, name) == 0)
            return config->providers[i].shared;
    return NULL;
}

void config_quota_inherit(struct config *next, const struct config *was) {
    for (unsigned i = 0; i < next->provider_count; i++) {
        struct config_provider *provider = &next->providers[i];
        struct quota_shared *shared = find(was, provider->provider.name);
        if (!provider->shared || !shared || provider->shared == shared)
            continue;
        config_quota_drop(&provider->shared);
        provider->shared = hold(shared);
    }
}
