/* metrics_samples.c - the samples about requests, attempts, hedging and money. See
 * metrics_samples.h.
 *
 * `provider` is the operator's name of a provider, gen_ai_provider_name what OpenTelemetry calls its
 * kind. Beside a provider, the model is what that provider calls it, as in the access log's attempts
 * and the header x-hedgerow-model; else it is the name that clients ask for. Series of failures
 * appear with the first one, all others are there from the start. */
#include "appliance/control/metrics_samples.h"

#include <stdio.h>
#include <string.h>

#include "appliance/race/hedge.h"
#include "core/base.h"

#define L  METRICS_LABELS
#define MS NS_PER_MS
#define US NS_PER_US

/* Money is counted in pico-dollars, times in nanoseconds, budgets shown in thousandths. */
#define PICO_DECIMALS  12
#define NS_DECIMALS    9
#define MILLI_DECIMALS 3

/* gen_ai.client.operation.duration, .time_to_first_chunk and gen_ai.server.request.duration. */
static const struct metrics_bounds duration_bounds = {
    {10 * MS, 20 * MS, 40 * MS, 80 * MS, 160 * MS, 320 * MS, 640 * MS, 1280 * MS, 2560 * MS,
     5120 * MS, 10240 * MS, 20480 * MS, 40960 * MS, 81920 * MS},
    14};
static const struct metrics_bounds first_token_bounds = {
    {1 * MS, 5 * MS, 10 * MS, 20 * MS, 40 * MS, 60 * MS, 80 * MS, 100 * MS, 250 * MS, 500 * MS,
     750 * MS, 1000 * MS, 2500 * MS, 5000 * MS, 7500 * MS, 10000 * MS},
    16};
static const struct metrics_bounds per_token_bounds = {
    {10 * MS, 25 * MS, 50 * MS, 75 * MS, 100 * MS, 150 * MS, 200 * MS, 300 * MS, 400 * MS, 500 * MS,
     750 * MS, 1000 * MS, 2500 * MS},
    13};
/* Ours: from what a short request costs to what would be a fault. */
static const struct metrics_bounds overhead_bounds = {{5 * US, 10 * US, 25 * US, 50 * US, 100 * US,
                                                       250 * US, 500 * US, 1 * MS, 2500 * US,
                                                       5 * MS, 10 * MS, 25 * MS, 100 * MS},
                                                      13};

/* --- OpenTelemetry's: requests as clients see them --- */

static void server_hist(struct metrics_out *out, const struct metrics_model *row, const char *error,
                        const struct hist *hist, const struct metrics_bounds *bounds) {
    metrics_out_hist(out,
                     L({"gen_ai_operation_name", "chat"}, {"gen_ai_request_model", row->name},
                       {"error_type", error}),
                     hist, bounds);
}

METRICS_SAMPLES(request_duration) {
    for (unsigned i = 0; i < view->model_count; i++) {
        const struct metrics_model *row = &view->models[i];
        server_hist(out, row, NULL, &row->stats.duration, &duration_bounds);
        if (row->stats.duration_failed.count)
            server_hist(out, row, "failed", &row->stats.duration_failed, &duration_bounds);
    }
}

METRICS_SAMPLES(first_token) {
    for (unsigned i = 0; i < view->model_count; i++)
        server_hist(out, &view->models[i], NULL, &view->models[i].stats.ttft, &first_token_bounds);
}

METRICS_SAMPLES(per_token) {
    for (unsigned i = 0; i < view->model_count; i++)
        server_hist(out, &view->models[i], NULL, &view->models[i].stats.per_token,
                    &per_token_bounds);
}

/* --- OpenTelemetry's: attempts at providers --- */

static struct metrics_labels client_labels(const struct metrics_backend *row) {
    return (struct metrics_labels){{{"gen_ai_operation_name", "chat"},
                                    {"gen_ai_provider_name", row->otel_name},
                                    {"gen_ai_request_model", row->model},
                                    {"provider", row->provider}}};
}

METRICS_SAMPLES(attempt_duration) {
    for (unsigned i = 0; i < view->backend_count; i++) {
        const struct hist *durations = view->backends[i].stats.duration;
        struct metrics_labels labels = client_labels(&view->backends[i]);
        metrics_out_hist(out, &labels, &durations[OUTCOME_WON], &duration_bounds);
        for (unsigned k = OUTCOME_WON + 1; k < OUTCOME_COUNT; k++) {
            labels.of[4] =
                (struct metrics_label){"error_type", race_outcome_name((enum race_outcome)k)};
            if (durations[k].count)
                metrics_out_hist(out, &labels, &durations[k], &duration_bounds);
        }
    }
}

METRICS_SAMPLES(first_chunk) {
    for (unsigned i = 0; i < view->backend_count; i++) {
        struct metrics_labels labels = client_labels(&view->backends[i]);
        metrics_out_hist(out, &labels, &view->backends[i].stats.ttft, &duration_bounds);
    }
}

METRICS_SAMPLES(token_usage) {
    for (unsigned i = 0; i < view->backend_count; i++) {
        struct metrics_labels labels = client_labels(&view->backends[i]);
        labels.of[4] = (struct metrics_label){"gen_ai_token_type", "input"};
        metrics_out_tokens(out, &labels, &view->backends[i].stats.input);
        labels.of[4].value = "output";
        metrics_out_tokens(out, &labels, &view->backends[i].stats.output);
    }
}

/* --- requests and attempts --- */

/* Only statuses that were seen, but for 200: a series that begins with its first increment hides
 * it from rate(). */
static void request_counts(struct metrics_out *out, const char *model, const uint64_t *requests) {
    for (unsigned status = 0; status < RACE_STATUS_MAX; status++) {
        char text[12];
        if (!requests[status] && status != 200)
            continue;
        snprintf(text, sizeof text, "%u", status);
        metrics_out_count(out, L({"model", model}, {"status", text}), requests[status]);
    }
}

METRICS_SAMPLES(requests) {
    for (unsigned i = 0; i < view->model_count; i++)
        request_counts(out, view->models[i].name, view->models[i].stats.requests);
    request_counts(out, NULL, view->unmatched);
}

METRICS_SAMPLES(attempts) {
    for (unsigned i = 0; i < view->backend_count; i++) {
        const struct metrics_backend *row = &view->backends[i];
        for (unsigned k = 0; k < OUTCOME_COUNT; k++)
            metrics_out_count(out,
                              L({"provider", row->provider}, {"model", row->model},
                                {"outcome", race_outcome_name((enum race_outcome)k)}),
                              row->stats.attempts[k]);
    }
}

METRICS_SAMPLES(attempt_failures) {
    for (unsigned i = 0; i < view->backend_count; i++) {
        const struct metrics_backend *row = &view->backends[i];
        for (unsigned why = 0; why < FAIL_COUNT; why++)
            if (row->stats.failures[why] && race_outcome_of((enum fail)why) == OUTCOME_FAILED)
                metrics_out_count(out,
                                  L({"provider", row->provider}, {"model", row->model},
                                    {"reason", fail_name((enum fail)why)}),
                                  row->stats.failures[why]);
    }
}

METRICS_SAMPLES(attempts_in_flight) {
    for (unsigned i = 0; i < view->backend_count; i++) {
        const struct metrics_backend *row = &view->backends[i];
        metrics_out_count(out, L({"provider", row->provider}, {"model", row->model}),
                          row->in_flight);
    }
}

METRICS_SAMPLES(backend_state) {
    for (unsigned i = 0; i < view->backend_count; i++) {
        const struct metrics_backend *row = &view->backends[i];
        metrics_out_count(out, L({"provider", row->provider}, {"model", row->model}), row->state);
    }
}

/* --- hedging --- */

METRICS_SAMPLES(hedges_started) {
    for (unsigned i = 0; i < view->model_count; i++) {
        const struct metrics_model *row = &view->models[i];
        for (unsigned k = HEDGE_DELAY; k < countof(row->stats.hedges_started); k++)
            metrics_out_count(
                out,
                L({"model", row->name}, {"trigger", hedge_trigger_name((enum hedge_trigger)k)}),
                row->stats.hedges_started[k]);
    }
}

METRICS_SAMPLES(hedges_won) {
    for (unsigned i = 0; i < view->model_count; i++) {
        const struct metrics_model *row = &view->models[i];
        uint64_t won = 0;
        for (unsigned k = HEDGE_DELAY; k < countof(row->stats.hedges_won); k++)
            won += row->stats.hedges_won[k];
        metrics_out_count(out, L({"model", row->name}), won);
    }
}

METRICS_SAMPLES(hedges_suppressed) {
    for (unsigned k = 0; k < SUPPRESS_COUNT; k++) {
        uint64_t sum = 0;
        for (unsigned i = 0; i < view->model_count; i++)
            sum += view->models[i].stats.suppressed[k];
        metrics_out_count(out, L({"reason", suppress_name((enum suppress)k)}), sum);
    }
}

METRICS_SAMPLES(hedge_budget) {
    for (unsigned i = 0; i < view->model_count; i++)
        metrics_out_decimal(out, L({"model", view->models[i].name}),
                            (uint64_t)(view->models[i].budget_tokens * 1000), MILLI_DECIMALS);
}

METRICS_SAMPLES(hedge_delay) {
    for (unsigned i = 0; i < view->backend_count; i++) {
        const struct metrics_backend *row = &view->backends[i];
        if (row->delay_count)
            metrics_out_decimal(out, L({"model", row->model}, {"provider", row->provider}),
                                row->delay_sum_ns / row->delay_count, NS_DECIMALS);
    }
}

/* --- limits --- */

METRICS_SAMPLES(ratelimit_remaining) {
    for (unsigned i = 0; i < view->backend_count; i++) {
        const struct metrics_backend *row = &view->backends[i];
        for (unsigned q = 0; q < RATELIMIT_QUANTITIES; q++)
            if (row->remaining[q] != UINT64_MAX)
                metrics_out_count(out,
                                  L({"provider", row->provider}, {"model", row->model},
                                    {"kind", ratelimit_quantity_name((enum ratelimit_quantity)q)}),
                                  row->remaining[q]);
    }
}

METRICS_SAMPLES(quota_denied) {
    for (unsigned i = 0; i < view->provider_count; i++)
        for (unsigned k = QUOTA_ROOM + 1; k < QUOTA_VERDICTS; k++)
            metrics_out_count(out,
                              L({"provider", view->providers[i].name},
                                {"reason", quota_verdict_name((enum quota_verdict)k)}),
                              view->providers[i].denied[k]);
}

/* --- what it costs --- */

METRICS_SAMPLES(wasted_tokens) {
    for (unsigned i = 0; i < view->model_count; i++)
        metrics_out_count(out, L({"model", view->models[i].name}),
                          view->models[i].stats.wasted_tokens);
}

METRICS_SAMPLES(cost) {
    for (unsigned i = 0; i < view->backend_count; i++) {
        const struct metrics_backend *row = &view->backends[i];
        if (row->priced)
            metrics_out_decimal(out, L({"provider", row->provider}, {"model", row->model}),
                                row->stats.cost_pico, PICO_DECIMALS);
    }
}

METRICS_SAMPLES(wasted_cost) {
    for (unsigned i = 0; i < view->model_count; i++) {
        const struct metrics_model *row = &view->models[i];
        if (row->priced)
            metrics_out_decimal(out, L({"model", row->name}), row->stats.wasted_pico,
                                PICO_DECIMALS);
    }
}

METRICS_SAMPLES(overhead) {
    struct hist sum = {0};
    for (unsigned i = 0; i < view->model_count; i++)
        hist_merge(&sum, &view->models[i].stats.overhead);
    metrics_out_hist(out, METRICS_NO_LABELS, &sum, &overhead_bounds);
}
