/* rand.c - xoshiro256** and what is made of it. (pure) */
#include "core/rand.h"

#include <math.h>

#include "core/base.h"

/* splitmix64: a bijection of its counter, so that four outputs in a row are never all zero, the one
 * state that xoshiro cannot leave. */
static uint64_t split_mix(uint64_t *counter) {
    uint64_t z = *counter += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void rand_init(struct rand *rand, uint64_t seed) {
    for (unsigned i = 0; i < countof(rand->s); i++)
        rand->s[i] = split_mix(&seed);
}

static uint64_t rotate_left(uint64_t x, unsigned bits) { return (x << bits) | (x >> (64 - bits)); }

uint64_t rand_u64(struct rand *rand) {
    uint64_t *s = rand->s;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t rand_below(struct rand *rand, uint64_t bound) {
    CHECK(bound > 0);
    /* The high word of chance * bound is the result; low words below 2^64 mod bound belong to the
     * results that would come up once too often (Lemire, ACM TOMACS 29, 2019). The division is
     * reached only when the low word is small, about never for small bounds. */
    for (;;) {
        unsigned __int128 product = (unsigned __int128)rand_u64(rand) * bound;
        uint64_t low = (uint64_t)product;
        if (low >= bound || low >= -bound % bound)
            return (uint64_t)(product >> 64);
    }
}

double rand_double(struct rand *rand) { return (double)(rand_u64(rand) >> 11) * 0x1p-53; }

double rand_normal(struct rand *rand) {
    /* The method makes two; the second is thrown away, since keeping it would be state that a
     * reader of a seed's sequence has to know about. */
    for (;;) {
        double x = 2 * rand_double(rand) - 1, y = 2 * rand_double(rand) - 1;
        double square = x * x + y * y;
        if (square > 0 && square < 1)
            return x * sqrt(-2 * log(square) / square);
    }
}

void rand_hex(struct rand *rand, char *out, unsigned n) {
    uint64_t chance = 0;
    for (unsigned i = 0; i < n; i++) {
        /* One word of chance is 16 digits. */
        if (i % 16 == 0)
            chance = rand_u64(rand);
        out[i] = "0123456789abcdef"[chance >> 60];
        chance <<= 4;
    }
}
