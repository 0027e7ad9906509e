/* report_view.c - counters to report. See the header.
 *
 * Counters are of all workers, since they started, across reloads. What a model is set to, and what its
 * learner knows, is of one worker's configuration: that of the first which has one. */
#include "appliance/control/report_view.h"

#include <math.h>
#include <string.h>

#include "appliance/control/metrics_view.h"
#include "appliance/race/advise.h"
#include "core/base.h"
#include "core/heap.h"

static const char *mode_name(enum hedge_mode mode) {
    switch (mode) {
    case HEDGE_MODE_OFF: return "off";
    case HEDGE_MODE_FIXED: return "fixed";
    case HEDGE_MODE_ADAPTIVE: return "adaptive";
    case HEDGE_MODE_RACE: return "race";
    }
    return NULL;
}

/* --- what was counted --- */

static void take_counters(struct report_model *model, const struct metrics_model *row) {
    const struct race_model_stats *stats = &row->stats;
    for (unsigned i = 0; i < RACE_STATUS_MAX; i++)
        model->requests += stats->requests[i];
    model->with = stats->ttft;
    model->with_cut = stats->ttft_cut;
    model->without = stats->without;
    model->without_cut = stats->without_cut;
    model->raced = stats->without.count + stats->without_cut.count;
    memcpy(model->started, stats->hedges_started, sizeof model->started);
    memcpy(model->won, stats->hedges_won, sizeof model->won);
    memcpy(model->suppressed, stats->suppressed, sizeof model->suppressed);
    model->suppressed_known = true;
    model->won_pico = stats->won_pico;
    model->wasted_pico = stats->wasted_pico;
    model->wasted_tokens = stats->wasted_tokens;
    model->priced = row->priced;
}

/* --- what is known --- */

/* By its provider, and the model there too when several of the model's backends are at that provider. */
static char *backend_name(const struct config_model *config, const struct config_backend *backend) {
    const char *provider = backend->provider->provider.name;
    char text[512];
    bool alone = true;
    for (unsigned i = 0; i < config->backend_count; i++)
        alone &= i == backend->index || config->backends[i].provider != backend->provider;
    int n = snprintf(text, sizeof text, "%s%s%s", provider, alone ? "" : "/",
                     alone ? "" : backend->model);
    return heap_text(text, min_size((size_t)n, sizeof text - 1));
}

static void take_advice(struct report_model *model, const struct config_model *config,
                        const struct learn *learn) {
    if (config->backend_count < 2)
        return;
    model->advice = heap_alloc(config->backend_count * sizeof *model->advice);
    for (unsigned first = 0; first < config->backend_count; first++) {
        unsigned second = first;
        const struct learn_advice *best =
            advise_second(&learn->board, first, LEARN_ANY, UINT32_MAX, &second);
        if (!best)
            continue;
        model->advice[model->advice_count++] =
            (struct report_advice){.first = backend_name(config, &config->backends[first]),
                                   .second = backend_name(config, &config->backends[second]),
                                   .delay_ns = best->delay_ns,
                                   .probability = (double)best->probability,
                                   .extra = (double)best->extra,
                                   .without_ns = best->without_ns,
                                   .with_ns = best->with_ns};
    }
}

static void take_would(struct report_would *out, const struct learn *learn) {
    static const enum report_would_state states[] = {[WOULD_KNOWN] = REPORT_WOULD_KNOWN,
                                                     [WOULD_ALONE] = REPORT_WOULD_ALONE,
                                                     [WOULD_FEW] = REPORT_WOULD_FEW,
                                                     [WOULD_UNSEEN] = REPORT_WOULD_UNSEEN};
    struct would would;
    would_find(learn, report_quantiles, REPORT_QUANTILES, &would);
    *out = (struct report_would){.state = states[would.state], .extra_cost = NAN};
    if (would.state != WOULD_KNOWN)
        return;
    out->extra_requests = would.extra;
    for (unsigned q = 0; q < REPORT_QUANTILES; q++) {
        bool few = would.samples * (1 - report_quantiles[q]) < REPORT_BEYOND_MIN;
        out->without_ns[q] = few ? REPORT_FEW : would.without_ns[q];
        out->with_ns[q] = few ? REPORT_FEW : would.with_ns[q];
    }
}

static void take_model(struct report_model *model, const struct config_model *config,
                       struct learner *learner) {
    struct learn_settings settings = learner_settings(config);
    struct learn learn;
    void *memory = heap_alloc(learn_size(config->backend_count));
    unsigned priced = 0;
    learn_init(&learn, &settings, config->backend_count, memory, 0);
    learner_copy(learner, config->index, &learn);
    model->mode = mode_name(config->hedge.mode);
    model->request_budget = config->hedge.request_budget;
    model->target = config->hedge.target;
    take_advice(model, config, &learn);
    if (config->hedge.mode != HEDGE_MODE_ADAPTIVE)
        take_would(&model->would, &learn);
    for (unsigned i = 0; i < config->backend_count; i++)
        priced += config->backends[i].price.known;
    model->part_priced = priced > 0 && priced < config->backend_count;
    heap_free(&memory);
}

static struct report_model *find(struct report *report, const char *name) {
    for (unsigned i = 0; i < report->count; i++)
        if (strcmp(report->models[i].name, name) == 0)
            return &report->models[i];
    return NULL;
}

/* False: this worker has no configuration. */
static bool take_upstreams(struct report *report, struct crew_member *member) {
    const struct upstreams *upstreams = crew_view(member);
    struct learner *learner =
        !upstreams ? NULL
                   : (upstreams->config->learner ? upstreams->config->learner : upstreams->learner);
    for (unsigned i = 0; learner && i < upstreams->config->model_count; i++) {
        const struct config_model *config = &upstreams->config->models[i];
        struct report_model *model = find(report, config->name);
        if (model)
            take_model(model, config, learner);
    }
    crew_view_end(member);
    return learner != NULL;
}

struct report report_view(struct crew *crew) {
    struct report report = {.count = 0};
    struct metrics_view *view = metrics_view_new(crew);
    uint64_t now_ns = ring_wall(NULL);
    if (now_ns > view->start_wall_ns)
        report.since_s = (double)(now_ns - view->start_wall_ns) / (double)NS_PER_S;
    for (unsigned i = 0; i < view->model_count; i++)
        take_counters(report_add(&report, span_str(view->models[i].name)), &view->models[i]);
    metrics_view_free(&view);
    for (unsigned i = 0; i < crew->count; i++)
        if (take_upstreams(&report, &crew->members[i]))
            break;
    report_settle(&report);
    return report;
}
