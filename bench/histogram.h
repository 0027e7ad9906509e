/* histogram.h (pure) - a log-linear histogram of durations: every power of two is cut into 1024
 * equal slots, so that any value is known to better than 0.1 % over the whole range, as
 * HdrHistogram does it.
 *
 *     value   0..1023        1024..2047     2048..4095     4096..8191  ...
 *     slots   1024 of 1      1024 of 1      1024 of 2      1024 of 4
 *
 * Promises: counts are exact; quantiles are the upper end of their slot, never more than the
 *           maximum seen.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_BITS = 10, /* 2^10 slots per power of two */
    HISTOGRAM_SLOTS = (64 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS
};

/* A zeroed one is empty. */
struct histogram {
    uint64_t count, max, min; /* min has no meaning while count is 0 */
    double sum;
    uint64_t slots[HISTOGRAM_SLOTS];
};

void histogram_add(struct histogram *h, uint64_t value);
/* The value which `share` (0..1) of the recorded ones do not exceed; 0 when empty. */
uint64_t histogram_quantile(const struct histogram *h, double share);
double histogram_mean(const struct histogram *h);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The slot of a value, and the largest value of a slot: for tests and for printing. */
unsigned histogram_slot(uint64_t value);
uint64_t histogram_slot_max(unsigned slot);

#endif
