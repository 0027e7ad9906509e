/* metrics_out.c - the Prometheus text format. See metrics_out.h.
 *
 * Promises: numbers are exact, whatever the locale; buckets are cumulative, never fall, and the
 *           last one equals the count, also when the workers count on meanwhile. */
#include "appliance/control/metrics_out.h"

#include <stdio.h>
#include <string.h>

#include "core/base.h"
#include "core/heap.h"
#include "core/span.h"

#define TEXT_START_BYTES (64u * 1024)
/* Nanoseconds are billionths of the seconds that Prometheus wants. */
#define NS_DECIMALS 9
/* 20 digits, a point, a zero, the NUL. */
#define NUMBER_MAX 32

void metrics_out_init(struct metrics_out *out) {
    *out = (struct metrics_out){.p = heap_alloc(TEXT_START_BYTES), .max = TEXT_START_BYTES};
}

static void put(struct metrics_out *out, struct span text) {
    while (text.n > out->max - out->n) {
        out->max *= 2;
        out->p = heap_realloc(out->p, out->max);
    }
    memcpy(out->p + out->n, text.p, text.n);
    out->n += text.n;
}

static void put_str(struct metrics_out *out, const char *text) { put(out, span_str(text)); }

/* Backslash, quote and line feed are escaped, all else stands as it is. */
static void put_escaped(struct metrics_out *out, const char *text) {
    for (; *text; text++) {
        if (*text == '\n')
            put_str(out, "\\n");
        else if (*text == '"' || *text == '\\')
            put(out, span_of((char[]){'\\', *text}, 2));
        else
            put(out, span_of(text, 1));
    }
}

/* Without the zeros that end a fraction: 2500000000 with 9 decimals is "2.5", 3000000000 is "3". */
static const char *decimal(uint64_t value, unsigned decimals, char text[NUMBER_MAX]) {
    char *p = text + NUMBER_MAX - 1;
    bool fraction = false;
    *p = 0;
    for (unsigned i = 0; i < decimals; i++, value /= 10) {
        fraction |= value % 10 != 0;
        if (fraction)
            *--p = (char)('0' + value % 10);
    }
    if (fraction)
        *--p = '.';
    do
        *--p = (char)('0' + value % 10);
    while (value /= 10);
    return p;
}

/* {model="x",le="0.5"}, or nothing. `le` may be NULL. */
static void put_labels(struct metrics_out *out, const struct metrics_labels *labels,
                       const char *le) {
    const char *before = "{";
    for (unsigned i = 0; i < METRICS_LABELS_MAX; i++) {
        const struct metrics_label *label = &labels->of[i];
        if (!label->value || !*label->value)
            continue;
        put_str(out, before);
        put_str(out, label->name);
        put_str(out, "=\"");
        put_escaped(out, label->value);
        put_str(out, "\"");
        before = ",";
    }
    if (le) {
        put_str(out, before);
        put_str(out, "le=\"");
        put_str(out, le);
        put_str(out, "\"");
        before = ",";
    }
    if (*before == ',')
        put_str(out, "}");
}

static void put_sample(struct metrics_out *out, const char *suffix,
                       const struct metrics_labels *labels, const char *le, const char *value) {
    put_str(out, out->name);
    put_str(out, suffix);
    put_labels(out, labels, le);
    put_str(out, " ");
    put_str(out, value);
    put_str(out, "\n");
}

void metrics_out_metric(struct metrics_out *out, const char *name, const char *type,
                        const char *help) {
    out->name = name;
    put_str(out, "# HELP ");
    put_str(out, name);
    put_str(out, " ");
    put_str(out, help);
    put_str(out, "\n# TYPE ");
    put_str(out, name);
    put_str(out, " ");
    put_str(out, type);
    put_str(out, "\n");
}

void metrics_out_decimal(struct metrics_out *out, const struct metrics_labels *labels,
                         uint64_t value, unsigned decimals) {
    char text[NUMBER_MAX];
    put_sample(out, "", labels, NULL, decimal(value, decimals, text));
}

void metrics_out_count(struct metrics_out *out, const struct metrics_labels *labels,
                       uint64_t value) {
    metrics_out_decimal(out, labels, value, 0);
}

static void put_totals(struct metrics_out *out, const struct metrics_labels *labels, uint64_t count,
                       const char *sum) {
    char text[NUMBER_MAX];
    put_sample(out, "_bucket", labels, "+Inf", decimal(count, 0, text));
    put_sample(out, "_sum", labels, NULL, sum);
    put_sample(out, "_count", labels, NULL, decimal(count, 0, text));
}

void metrics_out_hist(struct metrics_out *out, const struct metrics_labels *labels,
                      const struct hist *hist, const struct metrics_bounds *bounds) {
    char le[NUMBER_MAX], value[NUMBER_MAX];
    /* Of the bins, not hist->count: the copy may have been taken between the two. */
    uint64_t count = hist_below(hist, UINT64_MAX);
    for (unsigned i = 0; i < bounds->count; i++) {
        uint64_t below = min_u64(hist_below(hist, bounds->at[i]), count);
        put_sample(out, "_bucket", labels, decimal(bounds->at[i], NS_DECIMALS, le),
                   decimal(below, 0, value));
    }
    put_totals(out, labels, count, decimal(hist->sum_ns, NS_DECIMALS, value));
}

void metrics_out_tokens(struct metrics_out *out, const struct metrics_labels *labels,
                        const struct race_tokens *tokens) {
    char le[NUMBER_MAX], value[NUMBER_MAX];
    uint64_t below = 0;
    for (unsigned i = 0; i + 1 < RACE_TOKEN_BUCKETS; i++) {
        below += tokens->buckets[i];
        put_sample(out, "_bucket", labels, decimal(UINT64_C(1) << (2 * i), 0, le),
                   decimal(below, 0, value));
    }
    put_totals(out, labels, below + tokens->buckets[RACE_TOKEN_BUCKETS - 1],
               decimal(tokens->sum, 0, value));
}

char *metrics_out_take(struct metrics_out *out, size_t *length) {
    *length = out->n;
    put(out, span_of("", 1));
    char *text = out->p;
    *out = (struct metrics_out){0};
    return text;
}
