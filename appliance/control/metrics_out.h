/* metrics_out.h - writes the Prometheus text format, version 0.0.4: metrics with their help and
 * type, samples with their labels, histograms with their buckets. Owns the text it grows. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_METRICS_OUT_H
#define HEDGEROW_APPLIANCE_CONTROL_METRICS_OUT_H

#include "appliance/race/race.h"
#include "core/hist.h"

struct metrics_out {
    char *p; /* from the heap */
    size_t n, max;
    const char *name; /* of the metric whose samples are being written; static */
};

#define METRICS_LABELS_MAX 6
/* Labels of one sample; those with an empty or no value are left out, for the format holds them
 * equal to absent ones. Names are ours, values any text. */
struct metrics_label {
    const char *name, *value;
};
struct metrics_labels {
    struct metrics_label of[METRICS_LABELS_MAX];
};
#define METRICS_LABELS(...) (&(struct metrics_labels){{__VA_ARGS__}})
#define METRICS_NO_LABELS   (&(struct metrics_labels){0})

/* Upper bounds of buckets, rising; in ns where the samples are times. */
struct metrics_bounds {
    uint64_t at[24];
    unsigned count;
};

void metrics_out_init(struct metrics_out *);
/* Begins a metric. type: "counter", "gauge", "histogram". */
void metrics_out_metric(struct metrics_out *, const char *name, const char *type, const char *help);
void metrics_out_count(struct metrics_out *, const struct metrics_labels *, uint64_t value);
/* A value in units of 10^-decimals, written exactly: 1500000000 with 9 decimals is 1.5. */
void metrics_out_decimal(struct metrics_out *, const struct metrics_labels *, uint64_t value,
                         unsigned decimals);
/* Buckets, sum and count in seconds. */
void metrics_out_hist(struct metrics_out *, const struct metrics_labels *, const struct hist *hist,
                      const struct metrics_bounds *bounds);
/* The same of tokens. */
void metrics_out_tokens(struct metrics_out *, const struct metrics_labels *,
                        const struct race_tokens *tokens);
/* The text and its length without the NUL behind it; the caller's, to be freed with heap_free. */
char *metrics_out_take(struct metrics_out *, size_t *length);

#endif
