/* route.c - ranks a model's backends and sorts them. (pure)
 *
 * Owns:     nothing.
 * Promises: every backend that may be used is in the order, once; those in good health and with room
 *           come first.
 * Refuses:  a backend outside the required region, whatever else holds. */
#include "appliance/race/route.h"

#include <math.h>

#include "core/base.h"
#include "core/rand.h"

/* Ranks: less is asked earlier. Strategies give 0 .. INFINITY; in front of them stand the one that
 * affinity or exploration chose. */
#define RANK_CHOSEN (-1.0)

/* What comes before any strategy. */
enum tier { TIER_ROOM, TIER_NO_ROOM, TIER_UNUSABLE };

struct candidate {
    const struct config_backend *backend;
    enum tier tier;
    double rank;
};

static bool listed(struct span list, struct span name) {
    if (list.n == 0)
        return true;
    while (list.n > 0)
        if (span_eq(span_trim(span_cut(&list, ',')), name))
            return true;
    return false;
}

static bool allowed(const struct config_backend *backend, struct span residency, struct span only) {
    const struct provider *provider = &backend->provider->provider;
    if (residency.n > 0 && !span_eq_nocase(provider_residency(provider), residency))
        return false;
    return listed(only, span_str(provider->name));
}

/* A draw from the exponential distribution whose rate is the weight: the least of several is the
 * i-th one's with the probability weight_i / sum, and so on among the rest (Efraimidis and
 * Spirakis, weighted sampling without replacement; with a hash for the dice it is weighted
 * rendezvous). */
static double draw(uint64_t seed, double weight) {
    if (weight <= 0)
        return INFINITY;
    struct rand rand;
    rand_init(&rand, seed);
    return -log1p(-rand_double(&rand)) / weight;
}

static double median_of(const struct config_model *model, const struct config_backend *backend,
                        struct route_dice dice) {
    if (!dice.boards)
        return INFINITY;
    const struct learn_speed *speed =
        learn_speed(&dice.boards[model->index], backend->index, dice.kind);
    return speed->p50_ns ? (double)speed->p50_ns : INFINITY;
}

static double rank_of(const struct config_model *model, const struct candidate *c,
                      struct route_dice dice) {
    const struct config_price *price = &c->backend->price;
    switch (model->strategy) {
    case STRATEGY_FASTEST: return median_of(model, c->backend, dice);
    case STRATEGY_ORDERED: return 0;
    case STRATEGY_WEIGHTED:
        return draw(dice.random + c->backend->index, (double)c->backend->weight);
    case STRATEGY_CHEAPEST:
        return price->known ? (double)price->input_pico + (double)price->output_pico : INFINITY;
    }
    return 0;
}

static bool before(const struct candidate *a, const struct candidate *b) {
    if (a->tier != b->tier)
        return a->tier < b->tier;
    if (a->rank != b->rank)
        return a->rank < b->rank;
    return a->backend->index < b->backend->index;
}

/* Insertion: at most BACKENDS_MAX, and mostly two or three. */
static void sort(struct candidate *all, unsigned count) {
    for (unsigned i = 1; i < count; i++) {
        struct candidate moved = all[i];
        unsigned at = i;
        for (; at > 0 && before(&moved, &all[at - 1]); at--)
            all[at] = all[at - 1];
        all[at] = moved;
    }
}

/* Is it unknown for never having been asked? One that was and has not answered may hang: then each
 * request that finds that out waits for its hedge. */
static bool is_untried(const struct config_model *model, const struct candidate *c,
                       struct route_dice dice) {
    return c->rank == INFINITY &&
           !(dice.boards && dice.boards[model->index].tried[c->backend->index]);
}

/* Is `c` as good as the best by its strategy, so that affinity may choose it? `all` is sorted. */
static bool is_peer(const struct config_model *model, const struct candidate *all,
                    const struct candidate *c, struct route_dice dice) {
    if (c->tier != all[0].tier)
        return false;
    switch (model->strategy) {
    case STRATEGY_FASTEST:
        return is_untried(model, c, dice) || c->rank <= ROUTE_AFFINITY_SLOWER_MAX * all[0].rank;
    case STRATEGY_CHEAPEST: return c->rank == all[0].rank;
    case STRATEGY_WEIGHTED: return c->rank < INFINITY;
    case STRATEGY_ORDERED: return false;
    }
    return false;
}

/* What a backend is called does not change when the configuration is reloaded; its id may. */
static uint64_t affinity_seed(const struct config_backend *backend, uint64_t affinity_hash) {
    uint64_t provider = span_hash(span_str(backend->provider->provider.name));
    uint64_t model = span_hash(span_str(backend->model));
    return affinity_hash ^ (provider + (model << 1 | model >> 63));
}

static void choose_by_affinity(const struct config_model *model, struct candidate *all,
                               unsigned count, struct route_dice dice) {
    struct candidate *chosen = NULL;
    double least = INFINITY;
    for (unsigned i = 0; i < count; i++) {
        if (!is_peer(model, all, &all[i], dice))
            continue;
        double weight = model->strategy == STRATEGY_WEIGHTED ? all[i].backend->weight : 1;
        double drawn = draw(affinity_seed(all[i].backend, dice.affinity_hash), weight);
        if (drawn < least) {
            least = drawn;
            chosen = &all[i];
        }
    }
    if (chosen)
        chosen->rank = RANK_CHOSEN;
}

/* Without it, whoever was never first would never be known to be faster, or to be so again. */
static void choose_by_exploring(const struct config_model *model, struct candidate *all,
                                unsigned count, struct route_dice dice) {
    struct rand rand;
    rand_init(&rand, dice.random);
    if (all[0].rank == INFINITY || rand_below(&rand, ROUTE_EXPLORE_ONE_IN) != 0)
        return;
    struct candidate *unknown[BACKENDS_MAX];
    unsigned unknown_count = 0;
    for (unsigned i = 0; i < count; i++) {
        bool stale = dice.boards && dice.boards[model->index].stale[all[i].backend->index];
        if (all[i].tier == all[0].tier && (stale || is_untried(model, &all[i], dice)))
            unknown[unknown_count++] = &all[i];
    }
    if (unknown_count > 0)
        unknown[rand_below(&rand, unknown_count)]->rank = RANK_CHOSEN;
}

static enum tier tier_of(const struct health *health, const struct config_backend *backend,
                         const struct route_dice *dice, uint64_t now_ns) {
    CHECK(backend->id < health->count);
    if (!health_usable(health, backend->id, now_ns))
        return TIER_UNUSABLE;
    bool room = !dice->quota || quota_has_room(dice->quota, backend, dice->need, now_ns);
    return room ? TIER_ROOM : TIER_NO_ROOM;
}

unsigned route_order(const struct config_model *model, struct span residency, struct span only,
                     const struct health *health, struct route_dice dice, uint64_t now_ns,
                     const struct config_backend **order) {
    CHECK(model->backend_count <= BACKENDS_MAX);
    struct candidate all[BACKENDS_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < model->backend_count; i++) {
        const struct config_backend *backend = &model->backends[i];
        if (!allowed(backend, residency, only))
            continue;
        struct candidate *c = &all[count++];
        *c =
            (struct candidate){.backend = backend, .tier = tier_of(health, backend, &dice, now_ns)};
        c->rank = c->tier == TIER_UNUSABLE ? (double)health_back_ns(health, backend->id)
                                           : rank_of(model, c, dice);
    }
    if (count == 0)
        return 0;
    sort(all, count);
    bool usable = all[0].tier != TIER_UNUSABLE;
    if (usable && model->affinity != AFFINITY_NONE && dice.affinity_hash != 0)
        choose_by_affinity(model, all, count, dice);
    else if (usable && model->strategy == STRATEGY_FASTEST)
        choose_by_exploring(model, all, count, dice);
    sort(all, count);
    for (unsigned i = 0; i < count; i++)
        order[i] = all[i].backend;
    return count;
}
