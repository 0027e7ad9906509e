/* config_hold.h - how many hold a configuration snapshot; the last to let go frees it.
 *
 * Holders are the main thread, each worker's race, and the thread that writes credentials into the
 * snapshot's cells. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_CONFIG_HOLD_H
#define HEDGEROW_APPLIANCE_CONTROL_CONFIG_HOLD_H

#include <stdatomic.h>

#include "appliance/race/config.h"

struct config_hold {
    struct config *config;
    atomic_uint holds;
};

/* One more hold. The first begins the count: it is taken by the thread that loaded the snapshot,
 * before any other sees it; the others by whoever has one. Never NULL. */
struct config_hold *config_hold_take(struct config *);
/* Gives one back and nulls the pointer; any thread. */
void config_hold_drop(struct config_hold **);

#endif
