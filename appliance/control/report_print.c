/* report_print.c - a report as JSON and as a text. See report.h.
 *
 * What is not known is null in the one, "-" (too few requests) or "?" (beyond what was seen) in the
 * other; report_words.c says why. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "appliance/control/report.h"
#include "appliance/control/report_units.h"
#include "appliance/race/hedge.h"
#include "core/base.h"
#include "core/heap.h"
#include "core/json.h"

#define TEXT_FIRST_BYTES 16384
#define SHARE_DECIMALS   6
#define MS_DECIMALS      3
#define PICO_PER_USD     UINT64_C(1000000000000)

/* --- values --- */

static void put_count(struct json_out *out, struct span key, uint64_t value) {
    json_out_key(out, key);
    json_out_int(out, (int64_t)min_u64(value, INT64_MAX));
}

static void put_share(struct json_out *out, struct span key, double share) {
    json_out_key(out, key);
    json_out_double(out, share, SHARE_DECIMALS);
}

static void put_text(struct json_out *out, struct span key, const char *text) {
    json_out_key(out, key);
    if (text)
        json_out_string(out, span_str(text));
    else
        json_out_null(out);
}

static bool is_known(uint64_t ns) { return ns != REPORT_FEW && ns != REPORT_BEYOND; }

static void put_ms(struct json_out *out, struct span key, uint64_t ns) {
    json_out_key(out, key);
    json_out_double(out, is_known(ns) ? (double)ns / (double)NS_PER_MS : NAN, MS_DECIMALS);
}

/* Exact: 0.000000000123. */
static void put_usd(struct json_out *out, struct span key, bool known, uint64_t pico) {
    char text[40];
    int n = snprintf(text, sizeof text, "%" PRIu64 ".%012" PRIu64, pico / PICO_PER_USD,
                     pico % PICO_PER_USD);
    json_out_key(out, key);
    if (known)
        json_out_value(out, span_of(text, (size_t)n));
    else
        json_out_null(out);
}

static const struct span quantile_keys[REPORT_QUANTILES] = {
    SPAN_CONST("p50_ms"), SPAN_CONST("p95_ms"), SPAN_CONST("p99_ms"), SPAN_CONST("p999_ms")};

static void put_quantiles(struct json_out *out, struct span key,
                          const uint64_t ns[REPORT_QUANTILES]) {
    json_out_key(out, key);
    json_out_object(out);
    for (unsigned q = 0; q < REPORT_QUANTILES; q++)
        put_ms(out, quantile_keys[q], ns[q]);
    json_out_object_end(out);
}

static void put_saved(struct json_out *out, const struct report_model *model) {
    json_out_key(out, SPAN("saved"));
    json_out_object(out);
    for (unsigned q = 0; q < REPORT_QUANTILES; q++) {
        bool known = is_known(model->without_ns[q]) && is_known(model->with_ns[q]);
        double saved_ns = (double)model->without_ns[q] - (double)model->with_ns[q];
        json_out_key(out, quantile_keys[q]);
        json_out_double(out, known ? saved_ns / (double)NS_PER_MS : NAN, MS_DECIMALS);
    }
    json_out_object_end(out);
}

/* --- parts of a model --- */

static uint64_t put_by_trigger(struct json_out *out, struct span key, const uint64_t counts[4]) {
    uint64_t sum = 0;
    json_out_key(out, key);
    json_out_object(out);
    for (unsigned k = HEDGE_DELAY; k <= HEDGE_STALL; k++) {
        put_count(out, span_str(hedge_trigger_name((enum hedge_trigger)k)), counts[k]);
        sum += counts[k];
    }
    json_out_object_end(out);
    return sum;
}

static void put_hedges(struct json_out *out, const struct report_model *model) {
    json_out_key(out, SPAN("hedges"));
    json_out_object(out);
    uint64_t started = put_by_trigger(out, SPAN("started"), model->started);
    uint64_t won = put_by_trigger(out, SPAN("won_by"), model->won);
    put_count(out, SPAN("won"), won);
    put_count(out, SPAN("lost"), started - min_u64(won, started));
    put_share(out, SPAN("extra_requests"), report_extra_requests(model));
    json_out_object_end(out);
    json_out_key(out, SPAN("suppressed"));
    if (!model->suppressed_known) {
        json_out_null(out);
        return;
    }
    json_out_object(out);
    for (unsigned k = 0; k < SUPPRESS_COUNT; k++)
        put_count(out, span_str(suppress_name((enum suppress)k)), model->suppressed[k]);
    json_out_object_end(out);
}

static void put_advice(struct json_out *out, const struct report_model *model) {
    json_out_key(out, SPAN("advice"));
    json_out_array(out);
    for (unsigned i = 0; i < model->advice_count; i++) {
        const struct report_advice *advice = &model->advice[i];
        bool hedge = advice->delay_ns != UINT64_MAX;
        json_out_object(out);
        put_text(out, SPAN("first"), advice->first);
        put_text(out, SPAN("second"), advice->second);
        json_out_key(out, SPAN("delay_ms"));
        json_out_double(out, hedge ? (double)advice->delay_ns / (double)NS_PER_MS : NAN,
                        MS_DECIMALS);
        put_share(out, SPAN("probability"), hedge ? advice->probability : 0);
        put_ms(out, SPAN("without_ms"), advice->without_ns);
        put_ms(out, SPAN("with_ms"), advice->with_ns);
        put_share(out, SPAN("extra"), hedge ? advice->extra : 0);
        json_out_object_end(out);
    }
    json_out_array_end(out);
}

static void put_would(struct json_out *out, const struct report_would *would) {
    json_out_key(out, SPAN("would"));
    if (would->state != REPORT_WOULD_KNOWN) {
        json_out_null(out);
        return;
    }
    json_out_object(out);
    put_quantiles(out, SPAN("without"), would->without_ns);
    put_quantiles(out, SPAN("with"), would->with_ns);
    put_share(out, SPAN("extra_requests"), would->extra_requests);
    put_share(out, SPAN("extra_cost"), would->extra_cost);
    json_out_object_end(out);
}

static void put_model(struct json_out *out, const struct report *report,
                      const struct report_model *model) {
    json_out_object(out);
    put_text(out, SPAN("model"), model->name);
    put_text(out, SPAN("mode"), model->mode);
    put_count(out, SPAN("requests"), model->requests);
    put_count(out, SPAN("raced"), model->raced);
    json_out_key(out, SPAN("since_s"));
    json_out_double(out, report->since_s, MS_DECIMALS);
    json_out_key(out, SPAN("target"));
    json_out_double(out, model->target, SHARE_DECIMALS);
    put_quantiles(out, SPAN("without"), model->without_ns);
    put_quantiles(out, SPAN("with"), model->with_ns);
    put_saved(out, model);
    put_hedges(out, model);
    put_usd(out, SPAN("cost_usd"), model->priced, model->won_pico);
    put_usd(out, SPAN("wasted_usd"), model->priced, model->wasted_pico);
    put_share(out, SPAN("extra_cost"), report_extra_cost(model));
    put_count(out, SPAN("wasted_tokens"), model->wasted_tokens);
    put_advice(out, model);
    put_would(out, &model->would);
    json_out_object_end(out);
}

/* --- JSON --- */

static void say_json(const char *line, void *owner) { json_out_string(owner, span_str(line)); }

static void put_report(struct json_out *out, const struct report *report) {
    json_out_object(out);
    json_out_key(out, SPAN("models"));
    json_out_array(out);
    for (unsigned i = 0; i < report->count; i++)
        put_model(out, report, &report->models[i]);
    json_out_array_end(out);
    json_out_key(out, SPAN("words"));
    json_out_array(out);
    for (unsigned i = 0; i < report->count; i++)
        report_words(report, &report->models[i], say_json, out);
    json_out_array_end(out);
    if (report->of_log)
        put_count(out, SPAN("lines_not_read"), report->lost_lines);
    json_out_object_end(out);
    json_out_raw(out, SPAN("\n"));
}

char *report_json(const struct report *report, size_t *length) {
    struct json_out out;
    /* Written again with twice the room until it fits: reports are short and rare. */
    for (size_t max = TEXT_FIRST_BYTES;; max *= 2) {
        char *text = heap_alloc(max);
        json_out_init(&out, text, max);
        put_report(&out, report);
        *length = out.n;
        if (!out.full)
            return text;
        heap_free(&text);
    }
}

/* --- text --- */

static void print_times(const char *head, const uint64_t ns[REPORT_QUANTILES], FILE *out) {
    char text[REPORT_UNIT_MAX];
    fprintf(out, "  %-18s", head);
    for (unsigned q = 0; q < REPORT_QUANTILES; q++)
        fprintf(out, " %10s", report_time_text(ns[q], text));
    fputc('\n', out);
}

static void say_text(const char *line, void *owner) { fprintf(owner, "  %s\n", line); }

static void print_span(double seconds, FILE *out) {
    if (seconds < 120)
        fprintf(out, "%.0f s", seconds);
    else if (seconds < 7200)
        fprintf(out, "%.0f min", seconds / 60);
    else
        fprintf(out, "%.1f h", seconds / 3600);
}

static void print_advice(const struct report_model *model, const struct report_advice *advice,
                         FILE *out) {
    bool live = model->mode && strcmp(model->mode, "adaptive") == 0;
    char delay[REPORT_UNIT_MAX], share[REPORT_UNIT_MAX];
    if (advice->delay_ns == UINT64_MAX) {
        fprintf(out, "  %s nobody behind %s: it would not help\n",
                live ? "now it asks" : "adaptive would ask", advice->first);
        return;
    }
    fprintf(out, "  %s %s %s behind %s", live ? "now it asks" : "adaptive would ask",
            advice->second, report_time_text(max_u64(advice->delay_ns, 1), delay), advice->first);
    if (advice->probability < 1)
        fprintf(out, ", in %s of the cases", report_share_text(advice->probability, share));
    fputc('\n', out);
}

static void print_model(const struct report *report, const struct report_model *model, FILE *out) {
    fprintf(out, "%s  %s%s%" PRIu64 " requests in ", model->name, model->mode ? model->mode : "",
            model->mode ? ", " : "", model->requests);
    print_span(report->since_s, out);
    fprintf(out, "\n  %-18s %10s %10s %10s %10s\n", "time to first token", "p50", "p95", "p99",
            "p99.9");
    print_times("without hedging", model->without_ns, out);
    print_times("with", model->with_ns, out);
    if (model->would.state == REPORT_WOULD_KNOWN)
        print_times("would be", model->would.with_ns, out);
    fputc('\n', out);
    report_words(report, model, say_text, out);
    for (unsigned i = 0; i < model->advice_count; i++)
        print_advice(model, &model->advice[i], out);
}

void report_text(const struct report *report, FILE *out) {
    if (report->count == 0)
        fputs("no model has had a request\n", out);
    for (unsigned i = 0; i < report->count; i++) {
        if (i > 0)
            fputc('\n', out);
        print_model(report, &report->models[i], out);
    }
    if (report->lost_lines)
        fprintf(out, "\n%" PRIu64 " line%s of the log could not be read\n", report->lost_lines,
                report->lost_lines == 1 ? "" : "s");
}

char *report_text_new(const struct report *report, size_t *length) {
    char *text = NULL; /* the stream's: its buffer grows as it is written */
    FILE *out = open_memstream(&text, length);
    CHECK(out != NULL);
    report_text(report, out);
    CHECK(fclose(out) == 0);
    return text;
}
