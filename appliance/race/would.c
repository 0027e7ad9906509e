/* would.c - the mixture of the backends' survival curves, without hedges and with the best ones. See
 * the header. (pure) */
#include "appliance/race/would.h"

#include <string.h>

#include "appliance/race/optimum.h"

/* Of the requests: less would tell of a few odd ones. */
#define PAIRED_MIN 0.5

struct curves {
    double without[DECAY_BINS + 1], with[DECAY_BINS + 1]; /* sums over the backends, by weight */
    double weight, extra;
    double paired; /* of the weight: that has somebody known to hedge with */
};

static double weight_of(const struct learn *learn, unsigned backend) {
    const struct learn_backend *b = &learn->backends[backend];
    return decay_weight(&b->all, b->clock_ns);
}

static struct optimum_ask ask_of(const struct learn *learn, const double *first,
                                 const double *second) {
    uint64_t median_ns = decay_curve_quantile(first, 0.5);
    return (struct optimum_ask){.first = first,
                                .second = second,
                                .share = learn->settings.request_budget,
                                .target = learn->settings.target,
                                .min_ns = median_ns == UINT64_MAX ? 0 : median_ns,
                                .max_ns = learn->settings.delay_max_ns};
}

/* The best hedge behind `first`, with its second's curve; false: nothing is known of any other. */
static bool best_hedge(const struct learn *learn, unsigned first, const double *curve,
                       struct optimum *best, double second[DECAY_BINS + 1]) {
    bool found = false;
    for (unsigned i = 0; i < learn->count; i++) {
        double other[DECAY_BINS + 1];
        if (i == first || !learn_second_curve(learn, first, i, other))
            continue;
        struct optimum_ask ask = ask_of(learn, curve, other);
        struct optimum here = optimum_find(&ask);
        if (found && here.with_ns >= best->with_ns)
            continue;
        *best = here;
        memcpy(second, other, sizeof other);
        found = true;
    }
    return found;
}

static void add_first(const struct learn *learn, unsigned first, struct curves *sum) {
    double weight = weight_of(learn, first), curve[DECAY_BINS + 1], second[DECAY_BINS + 1];
    struct optimum best = {.delay_ns = UINT64_MAX};
    if (weight < 1)
        return;
    decay_curve(&learn->backends[first].all, curve);
    bool paired = best_hedge(learn, first, curve, &best, second);
    sum->paired += paired ? weight : 0;
    sum->weight += weight;
    sum->extra += weight * best.extra;
    for (unsigned i = 0; i <= DECAY_BINS; i++) {
        uint64_t t_ns = decay_edge(i);
        double both = 1;
        if (paired && best.delay_ns != UINT64_MAX && t_ns > best.delay_ns)
            both = 1 - best.probability +
                   best.probability * decay_curve_at(second, t_ns - best.delay_ns);
        sum->without[i] += weight * curve[i];
        sum->with[i] += weight * curve[i] * both;
    }
}

void would_find(const struct learn *learn, const double *quantiles, unsigned count,
                struct would *out) {
    struct curves sum = {.weight = 0};
    CHECK(count <= WOULD_QUANTILES_MAX);
    *out = (struct would){.state = WOULD_ALONE};
    if (learn->count < 2)
        return;
    for (unsigned i = 0; i < learn->count; i++)
        add_first(learn, i, &sum);
    out->samples = sum.weight;
    out->state = sum.weight < LEARN_FULL                ? WOULD_FEW
                 : sum.paired < PAIRED_MIN * sum.weight ? WOULD_UNSEEN
                                                        : WOULD_KNOWN;
    if (out->state != WOULD_KNOWN)
        return;
    for (unsigned i = 0; i <= DECAY_BINS; i++) {
        sum.without[i] /= sum.weight;
        sum.with[i] /= sum.weight;
    }
    out->extra = sum.extra / sum.weight;
    for (unsigned q = 0; q < count; q++) {
        out->without_ns[q] = decay_curve_quantile(sum.without, quantiles[q]);
        out->with_ns[q] = decay_curve_quantile(sum.with, quantiles[q]);
    }
}
