/* tally.c - see tally.h. */
#include "bench/yard/tally.h"

#include <stdlib.h>
#include <string.h>

void tally_add(struct tally_series *s, double value) {
    if (s->count < TALLY_RUNS_MAX)
        s->values[s->count++] = value;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double tally_quantile(const struct tally_series *s, double share) {
    struct tally_series sorted = *s;
    if (!s->count)
        return 0;
    qsort(sorted.values, sorted.count, sizeof sorted.values[0], ascending);
    double at = share * (sorted.count - 1);
    unsigned below = (unsigned)at, above = below + 1 < sorted.count ? below + 1 : below;
    return sorted.values[below] + (at - below) * (sorted.values[above] - sorted.values[below]);
}

double tally_median(const struct tally_series *s) { return tally_quantile(s, 0.5); }
double tally_min(const struct tally_series *s) { return tally_quantile(s, 0); }

static void relate(struct tally_row *row, const struct tally_series *s,
                   const struct tally_series *yardstick) {
    struct tally_series ratios = {.count = 0};
    for (unsigned i = 0; i < s->count && i < yardstick->count; i++)
        if (yardstick->values[i] > 0)
            tally_add(&ratios, s->values[i] / yardstick->values[i]);
    row->ratio = tally_median(&ratios);
    if (tally_min(yardstick) > 0)
        row->ratio_min = tally_min(s) / tally_min(yardstick);
}

struct tally_row *tally_row(struct tally *t, const char *subject, const char *measure,
                            const char *unit, const struct tally_series *s,
                            const struct tally_series *yardstick) {
    if (t->count == TALLY_ROWS_MAX)
        abort();
    struct tally_row *row = &t->rows[t->count++];
    *row = (struct tally_row){
        .unit = unit, .value = tally_median(s), .min = tally_min(s), .wakeups = -1};
    snprintf(row->name, sizeof row->name, "%s%s%s", subject ? subject : "", subject ? "_" : "",
             measure);
    if (row->value > 0)
        row->spread = (tally_quantile(s, 0.75) - tally_quantile(s, 0.25)) / 2 / row->value;
    if (yardstick)
        relate(row, s, yardstick);
    return row;
}

void tally_limit(struct tally_row *row, double limit, const char *what) {
    row->limited = true;
    row->limit = limit;
    row->limit_is = what;
}

struct tally_row *tally_find(struct tally *t, const char *name) {
    for (unsigned i = 0; i < t->count; i++)
        if (!strcmp(t->rows[i].name, name))
            return &t->rows[i];
    return NULL;
}

static bool missed(const struct tally_row *row) {
    /* To what is printed: two digits of a ratio. */
    return row->limited && (row->ratio > 0 ? row->ratio : row->value) > row->limit + 0.005;
}

static void row_print(const struct tally_row *row, FILE *out) {
    char ratio[16] = "", ratio_min[16] = "", wakeups[16] = "";
    if (row->ratio > 0)
        snprintf(ratio, sizeof ratio, "%.2f", row->ratio);
    if (row->ratio_min > 0)
        snprintf(ratio_min, sizeof ratio_min, "%.2f", row->ratio_min);
    if (row->wakeups >= 0)
        snprintf(wakeups, sizeof wakeups, "%.3f", row->wakeups);
    fprintf(out, "%-32s %9.2f %9.2f %-6s %4.0f%% %7s %7s %8s", row->name, row->value, row->min,
            row->unit, row->spread * 100, ratio, ratio_min, wakeups);
    if (row->limited)
        fprintf(out, "  <= %.2f%s%s: %s", row->limit, row->limit_is ? ", " : "",
                row->limit_is ? row->limit_is : "", missed(row) ? "MISSED" : "met");
    fputc('\n', out);
}

unsigned tally_print(const struct tally *t, FILE *out) {
    unsigned misses = 0;
    fprintf(out, "%-32s %9s %9s %-6s %5s %7s %7s %8s  %s\n", "row", "median", "min", "unit", "+-",
            "ratio", "of min", "wake-ups", "target");
    for (unsigned i = 0; i < t->count; i++) {
        row_print(&t->rows[i], out);
        misses += missed(&t->rows[i]);
    }
    return misses;
}

void tally_json(const struct tally *t, const char *machine, FILE *out) {
    fputs("{\"machine\":\"", out);
    for (const char *p = machine; *p; p++)
        if (*p != '"' && *p != '\\' && (unsigned char)*p >= ' ')
            fputc(*p, out);
    fputs("\",\"rows\":[", out);
    for (unsigned i = 0; i < t->count; i++) {
        const struct tally_row *row = &t->rows[i];
        fprintf(out, "%s\n  {\"name\":\"%s\",", i ? "," : "", row->name);
        if (row->ratio > 0)
            fprintf(out, "\"ratio\":%.4f,\"ratio_of_minima\":%.4f,", row->ratio, row->ratio_min);
        else
            fputs("\"ratio\":null,\"ratio_of_minima\":null,", out);
        fprintf(out, "\"value\":%.4f,\"min\":%.4f,\"unit\":\"%s\",\"spread\":%.4f", row->value,
                row->min, row->unit, row->spread);
        if (row->wakeups >= 0)
            fprintf(out, ",\"wakeups\":%.4f", row->wakeups);
        if (row->limited)
            fprintf(out, ",\"limit\":%.4f,\"met\":%s", row->limit, missed(row) ? "false" : "true");
        fputc('}', out);
    }
    fputs("\n]}\n", out);
}
