/* tally.h (pure) - numbers of repeated runs, the rows made of them, and how they are shown.
 *
 * A ratio is the median of the ratios of runs of the same repetition: what disturbs a machine for seconds
 * disturbs both, and they cancel. Beside it stands the ratio of the minima. */
#ifndef BENCH_YARD_TALLY_H
#define BENCH_YARD_TALLY_H

#include <stdbool.h>
#include <stdio.h>

enum { TALLY_RUNS_MAX = 64, TALLY_ROWS_MAX = 96, TALLY_NAME = 48 };

struct tally_series {
    unsigned count;
    double values[TALLY_RUNS_MAX];
};

struct tally_row {
    char name[TALLY_NAME];
    const char *unit;
    double value, min;       /* median and minimum */
    double spread;           /* half the distance of the outer quartiles over the median */
    double ratio, ratio_min; /* 0: there is nothing to relate it to */
    double wakeups;          /* of the program, for each thing done; < 0: not counted */
    bool limited;            /* there is a target: */
    double limit;            /* of the ratio, or of the value when there is no ratio */
    const char *limit_is;    /* what the limit was taken from; NULL: a table */
};

struct tally {
    unsigned count;
    struct tally_row rows[TALLY_ROWS_MAX];
};

void tally_add(struct tally_series *, double value);
/* Between two values where the share falls between them; 0 of nothing. */
double tally_quantile(const struct tally_series *, double share);
double tally_median(const struct tally_series *);
double tally_min(const struct tally_series *);

/* A row of a series, related to `yardstick` unless that is NULL (then ratio is 0). The name is
 * "SUBJECT_MEASURE", or "MEASURE" alone when subject is NULL. */
struct tally_row *tally_row(struct tally *, const char *subject, const char *measure,
                            const char *unit, const struct tally_series *,
                            const struct tally_series *yardstick);
/* Sets the row's target: a bound of its ratio, or of its value when it has none. */
void tally_limit(struct tally_row *, double limit, const char *what);
/* The row of that name, NULL if there is none. */
struct tally_row *tally_find(struct tally *, const char *name);

/* One line per row; how many targets were missed. */
unsigned tally_print(const struct tally *, FILE *);
void tally_json(const struct tally *, const char *machine, FILE *);

#endif
