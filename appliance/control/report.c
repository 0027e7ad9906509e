/* report.c - the figures that a report is made of. See report.h. */
#include "appliance/control/report.h"

#include <math.h>
#include <string.h>

#include "appliance/race/hedge.h"
#include "core/base.h"
#include "core/heap.h"

#define MODELS_FIRST 8

const double report_quantiles[REPORT_QUANTILES] = {0.5, 0.95, 0.99, 0.999};
const char *const report_quantile_names[REPORT_QUANTILES] = {"p50", "p95", "p99", "p999"};

struct report_model *report_add(struct report *report, struct span name) {
    if (report->count == report->max) {
        report->max = report->max ? 2 * report->max : MODELS_FIRST;
        report->models = heap_realloc(report->models, report->max * sizeof *report->models);
    }
    struct report_model *model = &report->models[report->count++];
    memset(model, 0, sizeof *model);
    model->name = heap_text(name.p, name.n);
    return model;
}

void report_free(struct report *report) {
    for (unsigned i = 0; i < report->count; i++) {
        struct report_model *model = &report->models[i];
        for (unsigned a = 0; a < model->advice_count; a++) {
            heap_free(&model->advice[a].first);
            heap_free(&model->advice[a].second);
        }
        heap_free(&model->advice);
        heap_free(&model->name);
    }
    heap_free(&report->models);
    *report = (struct report){.count = 0};
}

/* --- times --- */

static void quantiles(const struct hist *seen, const struct hist *cut,
                      uint64_t out_ns[REPORT_QUANTILES]) {
    double count = (double)(seen->count + cut->count);
    for (unsigned q = 0; q < REPORT_QUANTILES; q++) {
        const double rounding = 1e-9;
        bool few = count * (1 - report_quantiles[q]) + rounding < REPORT_BEYOND_MIN;
        uint64_t here_ns = hist_quantile_cut(seen, cut, report_quantiles[q]);
        out_ns[q] = few ? REPORT_FEW : max_u64(here_ns, 1);
    }
}

void report_settle(struct report *report) {
    for (unsigned i = 0; i < report->count; i++) {
        struct report_model *model = &report->models[i];
        quantiles(&model->without, &model->without_cut, model->without_ns);
        quantiles(&model->with, &model->with_cut, model->with_ns);
    }
}

unsigned report_headline(double target, const uint64_t without_ns[REPORT_QUANTILES],
                         const uint64_t with_ns[REPORT_QUANTILES]) {
    unsigned best = 0;
    for (unsigned q = 1; q < REPORT_QUANTILES; q++)
        if (fabs(report_quantiles[q] - target) < fabs(report_quantiles[best] - target))
            best = q;
    for (unsigned q = best + 1; q-- > 0;)
        if (with_ns[q] != REPORT_FEW && without_ns[q] != REPORT_FEW)
            return q;
    return best;
}

double report_change(uint64_t without_ns, uint64_t with_ns) {
    if (without_ns == REPORT_FEW || without_ns == REPORT_BEYOND || with_ns == REPORT_FEW ||
        with_ns == REPORT_BEYOND)
        return NAN;
    return 1 - (double)with_ns / (double)without_ns;
}

/* --- load and money --- */

double report_extra_requests(const struct report_model *model) {
    return model->raced ? (double)model->started[HEDGE_DELAY] / (double)model->raced : 0;
}

double report_extra_cost(const struct report_model *model) {
    if (!model->priced || model->won_pico == 0)
        return NAN;
    return (double)model->wasted_pico / (double)model->won_pico;
}
