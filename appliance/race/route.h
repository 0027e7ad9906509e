/* route.h - the order in which a model's backends are asked: strategy, weights, health, what is
 * learnt of their speed, warm prompt caches. (pure)
 *
 * Never an order of addresses or of time of arrival: the same arguments give the same order on
 * every machine. */
#ifndef HEDGEROW_APPLIANCE_RACE_ROUTE_H
#define HEDGEROW_APPLIANCE_RACE_ROUTE_H

#include "appliance/race/config.h"
#include "appliance/race/health.h"

/* One request in so many asks a backend of unknown speed first, where others are known. */
#define ROUTE_EXPLORE_ONE_IN 16
/* With `fastest`, affinity chooses among the backends whose median time to first token is at most
 * so many times the fastest's: a warm prompt cache is worth that much, not more. */
#define ROUTE_AFFINITY_SLOWER_MAX 2

/* Chance and affinity, drawn by the caller so that the decision stays pure. */
struct route_dice {
    uint64_t random;        /* uniform */
    uint64_t affinity_hash; /* of what is to stay together; 0: nothing */
};

/* Writes the backends of `model` that the request may use into order[] (room for BACKENDS_MAX),
 * best first, and returns how many.
 *
 * A backend may be used if its provider's region is `residency` (empty: any; exact but for case:
 * tags are the operator's words, and a region such as eu-west-2 is not in the EU for beginning with
 * "eu") and its provider's name is in the comma-separated `only` (empty: all).
 *
 *   fastest   median time to first token; unknown ones after the known, in config order, but one
 *             request in ROUTE_EXPLORE_ONE_IN asks one of the unknown first
 *   ordered   config order
 *   weighted  drawn at random by weight, each next one from the rest; weight 0 last
 *   cheapest  price of an input and an output token; unknown prices last
 *
 * Ties: config order. Ejected and cooling backends (health_usable) come behind all others, the one
 * that is back first before those which are back later.
 *
 * With the model's affinity and an affinity_hash the first place goes to the hash's own backend
 * (rendezvous hashing over provider and model names: the others stay where they are when one comes
 * or goes, also across reloads and nodes) among those the strategy thinks as good as its best: all
 * by weight, the equally cheap, the not much slower ones and those of unknown speed. `ordered` is
 * not changed by affinity. */
unsigned route_order(const struct config_model *model, struct span residency, struct span only,
                     const struct health *health, struct route_dice dice, uint64_t now_ns,
                     const struct config_backend **order);

#endif
