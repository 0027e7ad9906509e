/* plan.c - configuration, health and the request's own wishes become one plan. (pure)
 *
 * Owns:     nothing; the plan is the caller's and borrows from the snapshot.
 * Promises: no backend outside the required region; attempts within ATTEMPTS_MAX; a delay only
 *           where there is a second healthy backend to hedge with.
 * Refuses:  a request that no backend of its model may serve. */
#include "appliance/race/plan.h"

#include "appliance/race/advise.h"
#include "core/base.h"

/* What backends of any model must satisfy for this request. */
struct demand {
    struct span residency, only;
    const struct health *health;
    struct route_dice dice;
    uint64_t now_ns;
};

static unsigned order(const struct config_model *model, const struct demand *demand,
                      const struct config_backend **out) {
    return route_order(model, demand->residency, demand->only, demand->health, demand->dice,
                       demand->now_ns, out);
}

static enum fail plan_own(struct plan *plan, const struct demand *demand) {
    plan->own_count = plan->backend_count = order(plan->model, demand, plan->backends);
    if (plan->own_count == 0) {
        struct demand anywhere = *demand;
        anywhere.residency = span_of(NULL, 0);
        return order(plan->model, &anywhere, plan->backends) ? FAIL_RESIDENCY : FAIL_BAD_REQUEST;
    }
    for (unsigned i = 0; i < plan->own_count; i++)
        if (!health_usable(demand->health, plan->backends[i]->id, demand->now_ns))
            plan->ejected_count++;
    return FAIL_NONE;
}

/* Is it for the region alone that there is nobody to hedge with? */
static bool is_confined(const struct plan *plan, const struct demand *demand) {
    const struct config_backend *backends[BACKENDS_MAX];
    struct demand anywhere = *demand;
    anywhere.residency = span_of(NULL, 0);
    if (demand->residency.n == 0 || plan->own_count > 1)
        return false;
    return order(plan->model, &anywhere, backends) > 1;
}

static void plan_fallback(struct plan *plan, const struct config_key *key,
                          const struct demand *demand) {
    for (unsigned i = 0; i < plan->model->fallback_count; i++) {
        const struct config_model *other = plan->model->fallback[i];
        const struct config_backend *backends[BACKENDS_MAX];
        if (other == plan->model || !config_key_allows(key, other))
            continue;
        unsigned count = order(other, demand, backends);
        if (count > 0 && plan->attempts_max + plan->fallback_attempts < ATTEMPTS_MAX)
            plan->fallback_attempts++;
        for (unsigned b = 0; b < count && plan->backend_count < PLAN_BACKENDS_MAX; b++)
            plan->backends[plan->backend_count++] = backends[b];
    }
}

static void swap(const struct config_backend **a, const struct config_backend **b) {
    const struct config_backend *was = *a;
    *a = *b;
    *b = was;
}

/* Who may be asked second: of the model's usable backends behind the first those with room for a hedge,
 * or all, where none has it: it may have when the delay is over. */
static uint32_t seconds_of(const struct plan *plan, const struct demand *demand) {
    const struct route_dice *dice = &demand->dice;
    uint32_t all = 0, with_room = 0;
    for (unsigned i = 1; i < plan->own_count - plan->ejected_count; i++) {
        const struct config_backend *backend = plan->backends[i];
        uint32_t bit = UINT32_C(1) << backend->index;
        all |= bit;
        if (!dice->quota || quota_has_spare(dice->quota, backend, dice->need, demand->now_ns))
            with_room |= bit;
    }
    return with_room ? with_room : all;
}

/* Who is asked second, and when: by what has been learnt of the two. */
static uint64_t adaptive_delay_ns(struct plan *plan, const struct demand *demand) {
    const struct config_model *model = plan->model;
    unsigned second = 1;
    if (!demand->dice.boards)
        return model->hedge.delay_ns;
    /* Other dice than route's: it has seen the same number. */
    struct advise says = advise(&demand->dice.boards[model->index], plan->backends[0]->index,
                                demand->dice.kind, seconds_of(plan, demand), ~demand->dice.random);
    while (plan->backends[second]->index != says.second)
        second++;
    swap(&plan->backends[1], &plan->backends[second]);
    plan->fair = says.fair;
    return says.delay_ns;
}

static uint64_t delay_ns(struct plan *plan, const struct plan_wish *wish,
                         const struct demand *demand) {
    if (plan->own_count - plan->ejected_count < 2)
        return UINT64_MAX;
    switch (plan->mode) {
    case HEDGE_MODE_OFF: return UINT64_MAX;
    case HEDGE_MODE_FIXED:
        return wish->mode_given && wish->delay_ns ? wish->delay_ns : plan->model->hedge.delay_ns;
    case HEDGE_MODE_ADAPTIVE: return adaptive_delay_ns(plan, demand);
    case HEDGE_MODE_RACE: return 0;
    }
    return UINT64_MAX;
}

static uint64_t shorter_limit_ns(uint64_t a_ns, uint64_t b_ns) {
    if (a_ns == 0 || b_ns == 0)
        return a_ns + b_ns; /* 0 is no limit: the other one */
    return min_u64(a_ns, b_ns);
}

enum fail plan_make(struct plan *plan, const struct config_model *model,
                    const struct config_key *key, const struct plan_wish *wish,
                    const struct health *health, struct route_dice dice, uint64_t now_ns) {
    CHECK(model->hedge.max_attempts >= 1);
    *plan = (struct plan){
        .model = model,
        .attempts_max = model->hedge.max_attempts,
        .mode = wish->mode_given ? wish->mode : model->hedge.mode,
        .timeouts = model->timeouts,
        .on_stall = model->hedge.on_stall,
        .commit_on_reasoning = model->hedge.commit_on_reasoning,
    };
    if (plan->attempts_max > ATTEMPTS_MAX)
        plan->attempts_max = ATTEMPTS_MAX;
    plan->timeouts.total_ns = shorter_limit_ns(model->timeouts.total_ns, wish->total_ns);

    struct span of_key = span_str(key ? key->residency : NULL);
    if (of_key.n > 0 && wish->residency.n > 0 && !span_eq_nocase(of_key, wish->residency))
        return FAIL_RESIDENCY;
    struct demand demand = {
        .residency = of_key.n > 0 ? of_key : wish->residency,
        .only = wish->backends,
        .health = health,
        .dice = dice,
        .now_ns = now_ns,
    };
    enum fail why = plan_own(plan, &demand);
    if (why != FAIL_NONE)
        return why;
    plan_fallback(plan, key, &demand);
    plan->delay_ns = delay_ns(plan, wish, &demand);
    plan->confined = plan->mode != HEDGE_MODE_OFF && is_confined(plan, &demand);
    return FAIL_NONE;
}

bool plan_pin(struct plan *plan, bool (*keep)(const struct config_backend *, void *owner),
              void *owner) {
    const struct config_backend *kept[PLAN_BACKENDS_MAX];
    unsigned count = 0, ejected = 0;
    for (unsigned i = 0; i < plan->own_count; i++) {
        if (!keep(plan->backends[i], owner))
            continue;
        kept[count++] = plan->backends[i];
        ejected += i >= plan->own_count - plan->ejected_count;
    }
    if (count == 0)
        return false;
    memcpy(plan->backends, kept, count * sizeof kept[0]);
    plan->backend_count = plan->own_count = count;
    plan->ejected_count = ejected;
    plan->fallback_attempts = 0;
    plan->mode = HEDGE_MODE_OFF;
    plan->delay_ns = UINT64_MAX;
    return true;
}
