/* config_quota.h - what the workers share of a provider's limits (race/quota.h): counted, for it
 * outlives the configuration that first had the limits. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_CONFIG_QUOTA_H
#define HEDGEROW_APPLIANCE_CONTROL_CONFIG_QUOTA_H

#include "appliance/race/config.h"

/* Everything is there, nothing in flight; one hold, the caller's. Never NULL. */
struct quota_shared *config_quota_new(void);
/* Gives a hold back and nulls the pointer; the last one frees. Any thread. */
void config_quota_drop(struct quota_shared **);
/* Providers of `next` that had limits in `was` too, by name, go on with the same buckets and the same
 * count in flight: a reload is no way around a limit. Before any worker sees `next`. */
void config_quota_inherit(struct config *next, const struct config *was);

#endif
