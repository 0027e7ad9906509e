/* dice.c (pure) - seeded chance; see dice.h. */
#include "bench/dice.h"

#include <math.h>

/* splitmix64: spreads seeds that differ by one bit over the whole state (Steele, Lea, Flood 2014).
 */
static uint64_t mix(uint64_t *x) {
    uint64_t z = *x += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

void dice_init(struct dice *d, uint64_t seed, uint64_t stream) {
    uint64_t x = seed, y = stream;
    uint64_t start = mix(&x) ^ (mix(&y) << 1);
    for (unsigned i = 0; i < 4; i++)
        d->state[i] = mix(&start);
}

static uint64_t rotate(uint64_t x, unsigned by) { return x << by | x >> (64 - by); }

uint64_t dice_u64(struct dice *d) {
    uint64_t *s = d->state, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double dice_unit(struct dice *d) { return (double)(dice_u64(d) >> 11) * 0x1p-53; }

uint64_t dice_below(struct dice *d, uint64_t bound) {
    return (uint64_t)((unsigned __int128)dice_u64(d) * bound >> 64);
}

bool dice_chance(struct dice *d, double share) { return dice_unit(d) < share; }

double dice_normal(struct dice *d) {
    /* Box-Muller; 1 - unit keeps the logarithm's argument above zero. */
    double radius = sqrt(-2 * log(1 - dice_unit(d)));
    return radius * cos(2 * 3.14159265358979323846 * dice_unit(d));
}

double dice_exponential(struct dice *d) { return -log(1 - dice_unit(d)); }

void dice_name(struct dice *d, char *out, unsigned len) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for (unsigned i = 0; i < len; i++)
        out[i] = letters[dice_below(d, sizeof letters - 1)];
    out[len] = 0;
}
