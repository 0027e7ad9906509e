/* rand.h - the dice: xoshiro256** seeded once per worker; the only source of chance in the
 * program. (pure) Not for secrets: BoringSSL has its own.
 *
 * The generators are those of Blackman and Vigna, "Scrambled linear pseudorandom number generators"
 * (ACM TOMS 47, 2021), and Steele, Lea and Flood, "Fast splittable pseudorandom number generators"
 * (OOPSLA 2014) for the seed. A struct rand belongs to one thread. */
#ifndef HEDGEROW_CORE_RAND_H
#define HEDGEROW_CORE_RAND_H

#include <stdint.h>

struct rand {
    uint64_t s[4]; /* never all zero */
};

/* The same seed gives the same sequence on every machine (splitmix64 spreads it over the state). */
void rand_init(struct rand *, uint64_t seed);
/* 64 bits of chance. */
uint64_t rand_u64(struct rand *);
/* 0 <= result < bound, without bias; bound > 0. */
uint64_t rand_below(struct rand *, uint64_t bound);
/* 0 <= result < 1, 53 bits. */
double rand_double(struct rand *);
/* Standard normal (Marsaglia polar). */
double rand_normal(struct rand *);
/* `n` lower-case hex digits of chance into out (no NUL). */
void rand_hex(struct rand *, char *out, unsigned n);

#endif
