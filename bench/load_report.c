/* load_report.c - what a load run found, as a table and as JSON; see load.h. */
#include "bench/load.h"
#include "bench/units.h"

#include <string.h>

const char *const load_error_names[LOAD_ERRORS] = {
#define LOAD_ERROR(name, prose) [LOAD_ERROR_##name] = #name,
#include "bench/load_error.def"
#undef LOAD_ERROR
};

static const struct {
    const char *head, *name;
    double share;
} columns[] = {{"p50", "p50", 0.5},  {"p90", "p90", 0.9},      {"p95", "p95", 0.95},
               {"p99", "p99", 0.99}, {"p99.9", "p999", 0.999}, {"max", "max", 1}};

enum { COLUMNS = sizeof columns / sizeof columns[0] };

static double in_ms(uint64_t ns) { return (double)ns / UNITS_NS_PER_MS; }

static double took_s(const struct load_results *r) {
    return (double)(r->ended_ns - r->started_ns) / UNITS_NS_PER_S;
}

static double share_of(uint64_t part, uint64_t whole) {
    return whole ? (double)part / (double)whole : 0;
}

/* ---- the table ---- */

static void text_row(FILE *to, const char *name, const struct histogram *h) {
    if (!h->count)
        return;
    fprintf(to, "%-14s", name);
    for (int i = 0; i < COLUMNS; i++)
        fprintf(to, " %9.2f", in_ms(histogram_quantile(h, columns[i].share)));
    fprintf(to, " %9.2f\n", histogram_mean(h) / UNITS_NS_PER_MS);
}

static void text_counts(FILE *to, const struct load_results *r) {
    fprintf(to, "status        ");
    for (int i = 0; i < LOAD_STATUSES; i++)
        if (r->statuses[i])
            fprintf(to, " %d: %llu", i, (unsigned long long)r->statuses[i]);
    fprintf(to, "\nerrors        ");
    bool any = false;
    for (int i = 0; i < LOAD_ERRORS; i++)
        if (r->errors[i]) {
            fprintf(to, " %s: %llu", load_error_names[i], (unsigned long long)r->errors[i]);
            any = true;
        }
    fprintf(to, "%s\n", any ? "" : " none");
}

static void text_hedges(FILE *to, const struct load_results *r) {
    if (r->attempts_known)
        fprintf(to,
                "hedges         started %llu, won %llu, lost %llu; extra requests %llu (%.2f%%)\n",
                (unsigned long long)r->hedged, (unsigned long long)r->hedge_won,
                (unsigned long long)r->hedge_lost,
                (unsigned long long)(r->attempts - r->attempts_known),
                100 * share_of(r->attempts - r->attempts_known, r->attempts_known));
    if (!r->providers_count)
        return;
    fprintf(to, "providers     ");
    for (size_t i = 0; i < r->providers_count; i++)
        fprintf(to, " %s: %llu", r->providers[i].name,
                (unsigned long long)r->providers[i].requests);
    fprintf(to, "\n");
}

void load_report_text(FILE *to, const struct load_options *o, const struct load_results *r) {
    double s = took_s(r);
    fprintf(to, "%llu requests in %.2f s (%.1f/s", (unsigned long long)r->requests, s,
            s > 0 ? (double)r->requests / s : 0);
    if (o->closed)
        fprintf(to, ", closed loop, %llu connections", (unsigned long long)o->connections);
    else
        fprintf(to, ", %.6g/s offered, %s", o->rate, o->constant ? "fixed gaps" : "Poisson");
    fprintf(to, "), %llu ok, %llu failed", (unsigned long long)r->ok,
            (unsigned long long)(r->requests - r->ok));
    fprintf(to, "; %llu connections opened, %llu resumed, %llu retries\n\n",
            (unsigned long long)r->connections_opened, (unsigned long long)r->connections_resumed,
            (unsigned long long)r->retried);
    fprintf(to, "%-14s", "ms");
    for (int i = 0; i < COLUMNS; i++)
        fprintf(to, " %9s", columns[i].head);
    fprintf(to, " %9s\n", "mean");
    text_row(to, "first token", &r->ttft);
    text_row(to, "inter-token", &r->gap);
    text_row(to, "total", &r->total);
    text_row(to, "send lag", &r->lag);
    fprintf(to, "\n");
    text_counts(to, r);
    text_hedges(to, r);
}

/* ---- JSON ---- */

static void json_row(struct bytes *out, const char *name, const struct histogram *h) {
    bytes_fmt(out, ",\"%s\":{\"count\":%llu", name, (unsigned long long)h->count);
    for (int i = 0; i < COLUMNS; i++)
        bytes_fmt(out, ",\"%s\":%.4f", columns[i].name,
                  in_ms(histogram_quantile(h, columns[i].share)));
    bytes_fmt(out, ",\"mean\":%.4f}", histogram_mean(h) / UNITS_NS_PER_MS);
}

static void json_counts(struct bytes *out, const struct load_results *r) {
    const char *comma = "";
    bytes_str(out, ",\"status\":{");
    for (int i = 0; i < LOAD_STATUSES; i++)
        if (r->statuses[i]) {
            bytes_fmt(out, "%s\"%d\":%llu", comma, i, (unsigned long long)r->statuses[i]);
            comma = ",";
        }
    bytes_str(out, "},\"errors\":{");
    for (int i = 0; i < LOAD_ERRORS; i++)
        bytes_fmt(out, "%s\"%s\":%llu", i ? "," : "", load_error_names[i],
                  (unsigned long long)r->errors[i]);
    bytes_str(out, "},\"providers\":{");
    for (size_t i = 0; i < r->providers_count; i++) {
        bytes_str(out, i ? ",\"" : "\"");
        bytes_json(out, r->providers[i].name, strlen(r->providers[i].name));
        bytes_fmt(out, "\":%llu", (unsigned long long)r->providers[i].requests);
    }
    bytes_str(out, "}");
}

void load_report_json(struct bytes *out, const struct load_options *o,
                      const struct load_results *r) {
    double s = took_s(r);
    uint64_t extra = r->attempts - r->attempts_known;
    bytes_fmt(
        out, "{\"loop\":\"%s\",\"requests\":%llu,\"ok\":%llu,\"failed\":%llu,\"retried\":%llu",
        o->closed ? "closed" : "open", (unsigned long long)r->requests, (unsigned long long)r->ok,
        (unsigned long long)(r->requests - r->ok), (unsigned long long)r->retried);
    bytes_fmt(out, ",\"duration_s\":%.3f,\"rate\":%.3f,\"rate_offered\":%.3f", s,
              s > 0 ? (double)r->requests / s : 0, o->closed ? 0 : o->rate);
    bytes_fmt(out, ",\"connections_opened\":%llu,\"connections_resumed\":%llu",
              (unsigned long long)r->connections_opened,
              (unsigned long long)r->connections_resumed);
    json_row(out, "ttft_ms", &r->ttft);
    json_row(out, "inter_token_ms", &r->gap);
    json_row(out, "total_ms", &r->total);
    json_row(out, "send_lag_ms", &r->lag);
    json_counts(out, r);
    bytes_fmt(out,
              ",\"hedge\":{\"started\":%llu,\"won\":%llu,\"lost\":%llu},\"attempts\":%llu,"
              "\"extra_requests\":%llu,\"extra_requests_share\":%.6f}\n",
              (unsigned long long)r->hedged, (unsigned long long)r->hedge_won,
              (unsigned long long)r->hedge_lost, (unsigned long long)r->attempts,
              (unsigned long long)extra, share_of(extra, r->attempts_known));
}
