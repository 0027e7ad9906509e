/* table.c - see the header. */
#include "bench/replay/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/heap.h"

#define POLICIES                                                          \
    (1u << REPLAY_NONE | 1u << REPLAY_P95_DELAY | 1u << REPLAY_ADAPTIVE | \
     1u << REPLAY_ORACLE_WINDOWED)
static const double TAIL = 0.999;

void table_init(struct table *t, const struct replay_settings *settings) {
    memset(t, 0, sizeof *t);
    t->settings = *settings;
}

void table_fini(struct table *t) {
    for (unsigned i = 0; i < t->trace_count; i++)
        heap_free(&t->traces[i].seeds);
    t->trace_count = 0;
}

unsigned table_add(struct table *t, const char *name, const char *what, bool judged) {
    CHECK(t->trace_count < TABLE_TRACES_MAX);
    struct table_trace *row = &t->traces[t->trace_count];
    *row = (struct table_trace){.name = name, .what = what, .judged = judged};
    row->seeds = heap_alloc(TABLE_SEEDS_MAX * sizeof *row->seeds);
    return t->trace_count++;
}

const struct replay_figures *table_run(struct table *t, unsigned row_number,
                                       const struct trace *trace, uint64_t seed) {
    CHECK(row_number < t->trace_count);
    struct table_trace *row = &t->traces[row_number];
    CHECK(row->seed_count < TABLE_SEEDS_MAX);
    struct judge_seed *out = &row->seeds[row->seed_count++];
    struct replay_settings s = t->settings;
    s.seed = seed;
    /* The policies come in the order of their enum, which is the order of enum judge_run. */
    unsigned ran = replay_figures_run(trace, &s, POLICIES, out->of);
    CHECK(ran == JUDGE_ORACLE_P999 && out->of[JUDGE_ADAPTIVE].policy == REPLAY_ADAPTIVE);
    s.target = TAIL;
    replay_figures_run(trace, &s, 1u << REPLAY_ORACLE_WINDOWED, &out->of[JUDGE_ORACLE_P999]);
    row->requests = trace->count;
    return out->of;
}

/* ---- figures over the seeds ---- */

static int by_value(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

struct over_seeds {
    double median, worst;
};

/* NAN if there is one among them. */
static struct over_seeds sum_up(double *values, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        if (isnan(values[i]))
            return (struct over_seeds){NAN, NAN};
    qsort(values, count, sizeof *values, by_value);
    return (struct over_seeds){.median = (values[count / 2] + values[(count - 1) / 2]) / 2,
                               .worst = values[count - 1]};
}

enum quantity { P50, P99, P999, EXTRA, WORST_10S };

static double ms_of(uint64_t ns) {
    return ns == UINT64_MAX ? (double)INFINITY : (double)ns / (double)NS_PER_MS;
}

static double take(const struct replay_figures *f, enum quantity q) {
    switch (q) {
    case P50: return ms_of(f->p50_ns);
    case P99: return ms_of(f->p99_ns);
    case P999: return ms_of(f->p999_ns);
    case EXTRA: return f->extra_requests;
    case WORST_10S: return f->worst_10s_extra;
    }
    return NAN;
}

static struct over_seeds of_run(const struct table_trace *row, enum judge_run run,
                                enum quantity q) {
    double values[TABLE_SEEDS_MAX];
    for (unsigned i = 0; i < row->seed_count; i++)
        values[i] = take(&row->seeds[i].of[run], q);
    return sum_up(values, row->seed_count);
}

static struct over_seeds of_figure(const struct table *t, const struct table_trace *row,
                                   enum judge_figure figure) {
    double values[TABLE_SEEDS_MAX];
    for (unsigned i = 0; i < row->seed_count; i++)
        values[i] = judge_figure(figure, &row->seeds[i], t->settings.request_budget);
    return sum_up(values, row->seed_count);
}

/* ---- the times ---- */

static void put_ms(double ms, FILE *out) {
    if (isinf(ms))
        fputs("never", out);
    else
        fprintf(out, "%.*f", ms < 10 ? 2 : ms < 100 ? 1 : 0, ms);
}

static void put_times(const struct table_trace *row, enum judge_run run, FILE *out) {
    static const enum quantity quantiles[] = {P50, P99, P999};
    fputs(" | ", out);
    for (size_t i = 0; i < countof(quantiles); i++) {
        fputs(i ? " / " : "", out);
        put_ms(of_run(row, run, quantiles[i]).median, out);
    }
    if (run != JUDGE_NONE)
        fprintf(out, ", +%.1f %%", 100 * of_run(row, run, EXTRA).median);
}

static void print_times(const struct table *t, FILE *out) {
    fputs("| trace | what it is like | requests | none | p95-delay | adaptive | oracle-windowed "
          "|\n|---|---|---:|---|---|---|---|\n",
          out);
    for (unsigned i = 0; i < t->trace_count; i++) {
        const struct table_trace *row = &t->traces[i];
        fprintf(out, "| %s | %s | %u x %zu", row->name, row->what, row->seed_count, row->requests);
        for (unsigned run = JUDGE_NONE; run <= JUDGE_ORACLE; run++)
            put_times(row, (enum judge_run)run, out);
        fputs(" |\n", out);
    }
}

/* ---- the verdicts ---- */

static void put_ratio(const struct table *t, const struct table_trace *row,
                      enum judge_figure figure, FILE *out) {
    struct over_seeds f = of_figure(t, row, figure);
    if (isnan(f.median))
        fputs(" | -", out);
    else
        fprintf(out, " | %.2f (%.2f)", f.median, f.worst);
}

/* In percent, to a tenth; without the sign that a rounded zero would have. */
static double signed_percent(double share) { return round(1000 * share) / 10 + 0.0; }

static void put_share(struct over_seeds f, FILE *out) {
    fprintf(out, " | %.1f (%.1f) %%", 100 * f.median, 100 * f.worst);
}

/* The last column. False: a criterion is missed. */
static bool put_verdict(const struct table *t, const struct table_trace *row, FILE *out) {
    bool missed = false;
    fputs(" | ", out);
    if (!row->judged) {
        fputs("shown only", out);
        return true;
    }
    for (unsigned k = 0; k < JUDGE_FIGURES; k++) {
        enum judge_figure figure = (enum judge_figure)k;
        unsigned misses =
            judge_misses(figure, row->seeds, row->seed_count, t->settings.request_budget);
        if (!judge_asks(row->name, figure) || misses == 0)
            continue;
        fprintf(out, "%s%s %.3f, limit %g (%u of %u seeds)", missed ? "; " : "**FAIL** ",
                judge_figure_name(figure), of_figure(t, row, figure).worst, judge_limit(figure),
                misses, row->seed_count);
        missed = true;
    }
    if (!missed)
        fprintf(out, "pass: %s", judge_asked(row->name));
    return !missed;
}

static unsigned print_verdicts(const struct table *t, FILE *out) {
    static const enum judge_figure ratios[] = {JUDGE_P99_RATIO, JUDGE_P999_RATIO,
                                               JUDGE_P999_OWN_RATIO, JUDGE_HEDGES_RATIO};
    unsigned missed = 0;
    fputs("| trace", out);
    for (size_t i = 0; i < countof(ratios); i++)
        fprintf(out, " | %s", judge_figure_name(ratios[i]));
    fputs(" | p50, p99 over none | worst 10 s of p95-delay | of adaptive | verdict "
          "|\n|---|---|---|---|---|---|---|---|---|\n",
          out);
    for (unsigned i = 0; i < t->trace_count; i++) {
        const struct table_trace *row = &t->traces[i];
        fprintf(out, "| %s", row->name);
        for (size_t k = 0; k < countof(ratios); k++)
            put_ratio(t, row, ratios[k], out);
        fprintf(out, " | %+.1f, %+.1f %%",
                signed_percent(of_figure(t, row, JUDGE_P50_WORSE).median),
                signed_percent(of_figure(t, row, JUDGE_P99_WORSE).median));
        put_share(of_run(row, JUDGE_P95_DELAY, WORST_10S), out);
        put_share(of_run(row, JUDGE_ADAPTIVE, WORST_10S), out);
        missed += !put_verdict(t, row, out);
        fputs(" |\n", out);
    }
    return missed;
}

unsigned table_print(const struct table *t, FILE *out) {
    print_times(t, out);
    fputc('\n', out);
    return print_verdicts(t, out);
}
