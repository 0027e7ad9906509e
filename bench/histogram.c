/* histogram.c (pure) - see histogram.h. */
#include "bench/histogram.h"

#include <math.h>

enum { HALF = 1 << HISTOGRAM_BITS };

unsigned histogram_slot(uint64_t value) {
    if (value < HALF)
        return (unsigned)value;
    /* The leading bit chooses the row, the ten bits behind it the slot in the row. */
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_BITS;
    return ((shift + 1) << HISTOGRAM_BITS) + (unsigned)(value >> shift & (HALF - 1));
}

uint64_t histogram_slot_max(unsigned slot) {
    if (slot < HALF)
        return slot;
    unsigned shift = (slot >> HISTOGRAM_BITS) - 1;
    uint64_t first = (uint64_t)(HALF | (slot & (HALF - 1))) << shift;
    return first + ((1ull << shift) - 1);
}

void histogram_add(struct histogram *h, uint64_t value) {
    h->slots[histogram_slot(value)]++;
    if (!h->count || value < h->min)
        h->min = value;
    if (value > h->max)
        h->max = value;
    h->count++;
    h->sum += (double)value;
}

uint64_t histogram_quantile(const struct histogram *h, double share) {
    uint64_t rank = (uint64_t)ceil(share * (double)h->count), seen = 0;
    if (!h->count)
        return 0;
    if (rank == 0)
        return h->min;
    for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++) {
        seen += h->slots[i];
        if (seen >= rank)
            return histogram_slot_max(i) < h->max ? histogram_slot_max(i) : h->max;
    }
    return h->max;
}

double histogram_mean(const struct histogram *h) {
    return h->count ? h->sum / (double)h->count : 0;
}

void histogram_merge(struct histogram *into, const struct histogram *from) {
    if (!from->count)
        return;
    if (!into->count || from->min < into->min)
        into->min = from->min;
    if (from->max > into->max)
        into->max = from->max;
    into->count += from->count;
    into->sum += from->sum;
    for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++)
        into->slots[i] += from->slots[i];
}
