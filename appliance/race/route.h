/* route.h - the order in which a model's backends are asked: strategy, weights, health, room in their
 * limits, what is learnt of their speed, warm prompt caches. (pure)
 *
 * Never an order of addresses or of time of arrival: the same arguments give the same order on
 * every machine. */
#ifndef HEDGEROW_APPLIANCE_RACE_ROUTE_H
#define HEDGEROW_APPLIANCE_RACE_ROUTE_H

#include "appliance/race/config.h"
#include "appliance/race/health.h"
#include "appliance/race/learn.h"
#include "appliance/race/quota.h"

/* One request in so many asks a backend of unknown speed first, where others are known. */
#define ROUTE_EXPLORE_ONE_IN 16
/* With `fastest`, affinity chooses among the backends whose median time to first token is at most
 * so many times the fastest's: a warm prompt cache is worth that much, not more. */
#define ROUTE_AFFINITY_SLOWER_MAX 2

/* What the caller has found out, so that the decision stays pure: chance, affinity, room. */
struct route_dice {
    uint64_t random;           /* uniform */
    uint64_t affinity_hash;    /* of what is to stay together; 0: nothing */
    const struct quota *quota; /* borrowed for the call; NULL: there is room everywhere */
    struct quota_need need;    /* what the request takes of it */
    const struct learn_board
        *boards;   /* [model]: how fast they are, borrowed for the call; NULL: unknown */
    unsigned kind; /* of the request (learn_kind) */
};

/* Writes the backends of `model` that the request may use into order[] (room for BACKENDS_MAX),
 * best first, and returns how many.
 *
 * A backend may be used if its provider's region is `residency` (empty: any; exact but for case:
 * tags are the operator's words, and a region such as eu-west-2 is not in the EU for beginning with
 * "eu") and its provider's name is in the comma-separated `only` (empty: all).
 *
 *   fastest   median time to first token for this kind of request; unknown ones after the known, in config
 *             order, but one request in ROUTE_EXPLORE_ONE_IN asks one of the unknown, or of those of which
 *             nothing was heard for a while, first; not who was asked lately and has not answered
 *   ordered   config order
 *   weighted  drawn at random by weight, each next one from the rest; weight 0 last
 *   cheapest  price of an input and an output token; unknown prices last
 *
 * Ties: config order. Backends without room for the request (quota_has_room) come behind those which
 * have it, in the strategy's order among themselves. Ejected and cooling ones (health_usable) come
 * behind all others, the one that is back first before those which are back later. Residency and
 * `only` are no such ranks: whatever the state of the others, a forbidden backend is never in it.
 *
 * With the model's affinity and an affinity_hash the first place goes to the hash's own backend
 * (rendezvous hashing over provider and model names: the others stay where they are when one comes
 * or goes, also across reloads and nodes) among those the strategy thinks as good as its best: all
 * by weight, the equally cheap, the not much slower ones and those that were not asked yet; one without room
 * only where none has it. `ordered` is not changed by affinity. */
unsigned route_order(const struct config_model *model, struct span residency, struct span only,
                     const struct health *health, struct route_dice dice, uint64_t now_ns,
                     const struct config_backend **order);

#endif
