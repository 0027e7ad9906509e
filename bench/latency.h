/* latency.h - first-token times to draw from: constant, lognormal, bimodal (a fast body with a slow
 * tail), or the recorded ones of a CSV file.
 *
 * Owns:     the samples read from a CSV.
 * Promises: a draw depends on nothing but the distribution and the dice.
 * Refuses:  CSV columns without a unit in their name (_ms, _us, _s): milliseconds are never
 *           assumed.
 */
#ifndef BENCH_LATENCY_H
#define BENCH_LATENCY_H

#include "bench/dice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum latency_dist { LATENCY_CONSTANT, LATENCY_LOGNORMAL, LATENCY_BIMODAL, LATENCY_CSV };

struct latency {
    enum latency_dist dist;
    uint64_t value_ns;    /* constant; median of the lognormal; median of the fast part */
    uint64_t slow_ns;     /* bimodal: median of the slow part */
    double sigma;         /* of the logarithm; 0 makes each part constant */
    double slow_share;    /* bimodal: 0..1 */
    uint64_t *samples_ns; /* csv: owned */
    size_t samples_count;
};

/* A draw in nanoseconds, at most an hour. */
uint64_t latency_draw(const struct latency *l, struct dice *d);

/* Reads a column of a CSV file (comma separated, header in the first line, no quoting) into `l`,
 * which becomes LATENCY_CSV. Only rows whose column "backend" equals `backend` count; NULL takes
 * all rows. Rows with an empty field are left out. On failure returns false and says why in
 * error[error_size], beginning with FILE or FILE:LINE. */
bool latency_load_csv(struct latency *l, const char *file, const char *column, const char *backend,
                      char *error, size_t error_size);
void latency_free(struct latency *l);

#endif
