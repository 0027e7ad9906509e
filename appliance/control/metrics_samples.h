/* metrics_samples.h - the samples of each metric of metrics.def. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_METRICS_SAMPLES_H
#define HEDGEROW_APPLIANCE_CONTROL_METRICS_SAMPLES_H

#include "appliance/control/metrics_out.h"
#include "appliance/control/metrics_view.h"

/* Each writes the samples of the metric that was begun with metrics_out_metric. */
#define METRIC(name, type, samples, help) \
    void metrics_samples_##samples(struct metrics_out *, const struct metrics_view *);
#include "appliance/control/metrics.def"
#undef METRIC

/* The head of each of their definitions. */
#define METRICS_SAMPLES(samples) \
    void metrics_samples_##samples(struct metrics_out *out, const struct metrics_view *view)

#endif
