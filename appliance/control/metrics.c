/* metrics.c - the page: every row of metrics.def with its samples. See metrics.h. */
#include "appliance/control/metrics.h"

#include "appliance/control/metrics_samples.h"
#include "core/base.h"

static const struct {
    const char *name, *type, *help;
    void (*samples)(struct metrics_out *, const struct metrics_view *);
} metrics[] = {
#define METRIC(name, type, samples, help) {#name, #type, help, metrics_samples_##samples},
#include "appliance/control/metrics.def"
#undef METRIC
};

char *metrics_text(struct crew *crew, size_t *length) {
    struct metrics_view *view = metrics_view_new(crew);
    struct metrics_out out;
    metrics_out_init(&out);
    for (unsigned i = 0; i < countof(metrics); i++) {
        metrics_out_metric(&out, metrics[i].name, metrics[i].type, metrics[i].help);
        metrics[i].samples(&out, view);
    }
    metrics_view_free(&view);
    return metrics_out_take(&out, length);
}
