/* episodes.c - see the header. (pure) */
#include "bench/replay/episodes.h"

/* They begin 150 s apart on average, last 10 to 30 s, and all takes 3 to 5 times as long. */
static const double GAP_S = 150, LENGTH_MIN_S = 10, LENGTH_MAX_S = 30;
static const double FACTOR_MIN = 3, FACTOR_MAX = 5;

static double between(struct dice *d, double low, double high) {
    return low + (high - low) * dice_unit(d);
}

static void draw_next(struct episodes *e) {
    e->from_s = e->to_s + GAP_S * dice_exponential(&e->dice);
    e->to_s = e->from_s + between(&e->dice, LENGTH_MIN_S, LENGTH_MAX_S);
    e->factor = between(&e->dice, FACTOR_MIN, FACTOR_MAX);
}

void episodes_init(struct episodes *e, uint64_t seed, uint64_t stream) {
    *e = (struct episodes){.to_s = 0};
    dice_init(&e->dice, seed, stream);
    draw_next(e);
}

double episodes_factor(struct episodes *e, double now_s) {
    while (now_s >= e->to_s)
        draw_next(e);
    return now_s >= e->from_s ? e->factor : 1;
}
