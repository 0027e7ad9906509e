/* advise.c - reads the board for one request. See advise.h. (pure) */
#include "appliance/race/advise.h"

#include "core/rand.h"

const struct learn_advice *advise_second(const struct learn_board *board, unsigned first,
                                         unsigned kind, uint32_t seconds, unsigned *second) {
    const struct learn_advice *best = NULL;
    for (unsigned i = 0; i < board->count; i++) {
        const struct learn_advice *here = learn_advice(board, first, kind, i);
        if (i == first || !(seconds >> i & 1))
            continue;
        bool better = best && here->delay_ns != UINT64_MAX &&
                      (best->delay_ns == UINT64_MAX || here->with_ns < best->with_ns);
        if (best && !better)
            continue;
        best = here;
        *second = i;
    }
    return best;
}

/* Any of the set alike: the best alone would be the only one whose times are ever known. */
static unsigned any_second(const struct learn_board *board, unsigned first, uint32_t seconds,
                           struct rand *rand) {
    unsigned backends[BACKENDS_MAX], count = 0;
    for (unsigned i = 0; i < board->count; i++)
        if (i != first && seconds >> i & 1)
            backends[count++] = i;
    return backends[rand_below(rand, count)];
}

struct advise advise(const struct learn_board *board, unsigned first, unsigned kind,
                     uint32_t seconds, uint64_t random) {
    struct advise out = {.second = first, .delay_ns = UINT64_MAX};
    const struct learn_advice *best = advise_second(board, first, kind, seconds, &out.second);
    if (!best)
        return out;
    struct rand rand;
    rand_init(&rand, random);
    out.fair = rand_double(&rand) < board->sample;
    double coin = rand_double(&rand), spread = 2 * rand_double(&rand) - 1;
    if (out.fair) {
        out.delay_ns = 0;
        out.second = any_second(board, first, seconds, &rand);
    } else if (best->delay_ns != UINT64_MAX && coin < (double)best->probability) {
        out.delay_ns = (uint64_t)((double)best->delay_ns * (1 + ADVISE_JITTER * spread));
    } else if (best->late_ns) {
        out.delay_ns = (uint64_t)((double)best->late_ns * (1 + ADVISE_JITTER * spread));
    }
    return out;
}
