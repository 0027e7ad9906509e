/* plan.h - what a request may do, settled before its first attempt: which backends in which order,
 * when to hedge, how long everything may take. (pure) */
#ifndef HEDGEROW_APPLIANCE_RACE_PLAN_H
#define HEDGEROW_APPLIANCE_RACE_PLAN_H

#include "appliance/race/config.h"
#include "appliance/race/health.h"
#include "appliance/race/route.h"

#define PLAN_BACKENDS_MAX (BACKENDS_MAX * 2)

/* The backends, in the order in which they are asked (hedge_backend says which attempt went where;
 * each is asked once, but for a second try after a broken connection):
 *
 *     own, usable | own, ejected or cooling | of fallback models
 *     <------------ own_count ------------->
 *                  <---- ejected_count ---->
 *     hedges go      after failure only        after failure only, when no own attempt is left
 */
struct plan {
    const struct config_model *model;
    const struct config_backend *backends[PLAN_BACKENDS_MAX];
    unsigned backend_count, own_count, ejected_count;
    unsigned attempts_max;      /* hedges and retries and the first */
    unsigned fallback_attempts; /* on top of them, for backends of fallback models only */
    enum hedge_mode mode;
    uint64_t delay_ns; /* from one start to the next by delay; UINT64_MAX: never by delay */
    bool fair;         /* hedged by chance, not for being late (advise.h) */
    bool confined;     /* residency leaves it nobody to hedge with, who would be there */
    struct config_timeouts timeouts; /* 0: no limit */
    enum config_on_stall on_stall;
    bool commit_on_reasoning;
};

/* What the request itself asks for; from headers (INTERFACE.md "Headers"). Zeroed: nothing. */
struct plan_wish {
    bool mode_given;
    enum hedge_mode mode;
    uint64_t delay_ns;     /* with FIXED; 0: the model's */
    struct span backends;  /* comma-separated provider names, or empty */
    struct span residency; /* region tag, or empty */
    uint64_t total_ns;     /* 0: the model's, which is also the most */
};

/* Fills *plan, which borrows from the configuration snapshot. `key`: NULL when the configuration
 * has none. Returns FAIL_NONE, or
 *   FAIL_BAD_REQUEST  x-hedgerow-backends names none of the model's providers;
 *   FAIL_RESIDENCY    none of them is in the region that the key and the request ask for (both
 *                     must hold: a request cannot talk its key out of its region).
 * That all are ejected is no failure: then the one that is back first is asked.
 *
 * Fallback models that the key may not use are left out, and so are their backends outside the
 * region or the named providers. Each of the others may have one attempt more than the model's
 * max_attempts: those may be used up by the model's own backends before there is a reason to fall
 * back. */
enum fail plan_make(struct plan *plan, const struct config_model *model,
                    const struct config_key *key, const struct plan_wish *wish,
                    const struct health *health, struct route_dice dice, uint64_t now_ns);

/* Keeps the backends of the providers named by `keep` (each returning true), in order, and never
 * hedges or falls back: the state that the request refers to is nowhere else. False, with the plan
 * unchanged, when none is left. */
bool plan_pin(struct plan *plan, bool (*keep)(const struct config_backend *, void *owner),
              void *owner);

#endif
