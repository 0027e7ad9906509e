/* latency.c - first-token times; see latency.h. */
#include "bench/latency.h"
#include "bench/bytes.h"
#include "bench/units.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A lognormal has no largest value; a simulated cloud that answers next week helps no one. */
static const double LATENCY_MAX_NS = 3600e9;

static uint64_t bounded(double ns) { return (uint64_t)(ns < LATENCY_MAX_NS ? ns : LATENCY_MAX_NS); }

uint64_t latency_draw(const struct latency *l, struct dice *d) {
    switch (l->dist) {
    case LATENCY_CONSTANT: return bounded((double)l->value_ns);
    case LATENCY_LOGNORMAL: return bounded((double)l->value_ns * exp(l->sigma * dice_normal(d)));
    case LATENCY_BIMODAL: {
        double median_ns = (double)(dice_chance(d, l->slow_share) ? l->slow_ns : l->value_ns);
        return bounded(median_ns * exp(l->sigma * dice_normal(d)));
    }
    case LATENCY_CSV: return l->samples_count ? l->samples_ns[dice_below(d, l->samples_count)] : 0;
    }
    return 0;
}

/* Nanoseconds per unit of a column, told by the end of its name; 0 when it does not tell. */
static double column_unit_ns(const char *column) {
    static const struct {
        const char *suffix;
        double ns;
    } units[] = {{"_ms", 1e6}, {"_us", 1e3}, {"_ns", 1}, {"_s", 1e9}};
    size_t len = strlen(column);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t suffix_len = strlen(units[i].suffix);
        if (len > suffix_len && !strcmp(column + len - suffix_len, units[i].suffix))
            return units[i].ns;
    }
    return 0;
}

/* The field number `index` of a line, cut out in place (the line is written to); NULL past the
 * end. */
static char *csv_field(char *line, int index) {
    for (; index > 0; index--) {
        line = strchr(line, ',');
        if (!line)
            return NULL;
        line++;
    }
    return line;
}

static int csv_column(char *header, const char *name) {
    size_t len = strlen(name);
    int index = 0;
    for (char *f = header; f; f = strchr(f, ','), f = f ? f + 1 : NULL, index++)
        if (!strncmp(f, name, len) && (f[len] == ',' || !f[len]))
            return index;
    return -1;
}

struct csv_rows {
    FILE *file;
    char *line;
    size_t line_capacity;
    unsigned long number;
};

static bool csv_next(struct csv_rows *rows) {
    ssize_t len = getline(&rows->line, &rows->line_capacity, rows->file);
    if (len < 0)
        return false;
    rows->number++;
    rows->line[strcspn(rows->line, "\r\n")] = 0;
    return true;
}

static bool field_is(const char *field, const char *text) {
    size_t len = strlen(text);
    return field && !strncmp(field, text, len) && (field[len] == ',' || !field[len]);
}

/* Adds the row's sample; false when its field is not a number. */
static bool csv_take(struct latency *l, char *field, double unit_ns, size_t *capacity) {
    double value;
    if (!field || *field == ',' || !*field)
        return true;
    field[strcspn(field, ",")] = 0;
    if (!units_number(field, &value))
        return false;
    if (l->samples_count == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 1024;
        uint64_t *grown = bytes_alloc(*capacity, sizeof *grown);
        if (l->samples_count)
            memcpy(grown, l->samples_ns, l->samples_count * sizeof *grown);
        free(l->samples_ns);
        l->samples_ns = grown;
    }
    l->samples_ns[l->samples_count++] = bounded(value * unit_ns);
    return true;
}

static bool csv_read(struct latency *l, struct csv_rows *rows, const char *file, const char *column,
                     const char *backend, char *error, size_t error_size) {
    double unit_ns = column_unit_ns(column);
    size_t capacity = 0;
    if (!csv_next(rows)) {
        snprintf(error, error_size, "%s: the file is empty", file);
        return false;
    }
    int value_at = csv_column(rows->line, column);
    int backend_at = backend ? csv_column(rows->line, "backend") : -1;
    if (value_at < 0 || (backend && backend_at < 0)) {
        snprintf(error, error_size, "%s:1: there is no column \"%s\"", file,
                 value_at < 0 ? column : "backend");
        return false;
    }
    while (csv_next(rows)) {
        if (backend && !field_is(csv_field(rows->line, backend_at), backend))
            continue;
        char *field = csv_field(rows->line, value_at);
        if (!csv_take(l, field, unit_ns, &capacity)) {
            snprintf(error, error_size, "%s:%lu: \"%.40s\" is not a number", file, rows->number,
                     field);
            return false;
        }
    }
    if (!l->samples_count)
        snprintf(error, error_size, "%s: no row has a %s%s%s", file, column,
                 backend ? " for backend " : "", backend ? backend : "");
    return l->samples_count > 0;
}

bool latency_load_csv(struct latency *l, const char *file, const char *column, const char *backend,
                      char *error, size_t error_size) {
    struct latency loaded = {.dist = LATENCY_CSV};
    if (column_unit_ns(column) == 0) {
        snprintf(error, error_size, "%s: the column \"%s\" does not end in _ms, _us, _ns or _s",
                 file, column);
        return false;
    }
    struct csv_rows rows = {.file = fopen(file, "r")};
    if (!rows.file) {
        snprintf(error, error_size, "%s: %s", file, strerror(errno));
        return false;
    }
    bool ok = csv_read(&loaded, &rows, file, column, backend, error, error_size);
    fclose(rows.file);
    free(rows.line);
    if (ok)
        *l = loaded;
    else
        latency_free(&loaded);
    return ok;
}

void latency_free(struct latency *l) {
    free(l->samples_ns);
    l->samples_ns = NULL;
    l->samples_count = 0;
}
