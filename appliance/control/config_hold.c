/* config_hold.c - how many hold a configuration snapshot. See config_hold.h. */
#include "appliance/control/config_hold.h"

#include "appliance/control/config_load.h"
#include "core/heap.h"

struct config_hold *config_hold_take(struct config *config) {
    struct config_hold *hold = config->holder;
    if (hold) {
        atomic_fetch_add(&hold->holds, 1);
        return hold;
    }
    hold = heap_alloc(sizeof *hold);
    hold->config = config;
    atomic_init(&hold->holds, 1);
    config->holder = hold;
    return hold;
}

void config_hold_drop(struct config_hold **pointer) {
    struct config_hold *hold = *pointer;
    *pointer = NULL;
    if (atomic_fetch_sub(&hold->holds, 1) != 1)
        return;
    config_free(&hold->config);
    heap_free(&hold);
}
