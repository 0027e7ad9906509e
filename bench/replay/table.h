/* table.h - the README's table: policies over many traces, each drawn from several seeds, with a verdict.
 *
 * Promises: rows in the order in which the traces came; medians over the seeds, and the worst seed where a limit
 *           is set; a criterion holds only if it holds for every seed. */
#ifndef BENCH_REPLAY_TABLE_H
#define BENCH_REPLAY_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include "appliance/replay/replay.h"
#include "bench/replay/judge.h"

enum { TABLE_TRACES_MAX = 32, TABLE_SEEDS_MAX = 32 };

struct table_trace {
    const char *name, *what; /* borrowed */
    bool judged;
    size_t requests;
    struct judge_seed *seeds; /* [TABLE_SEEDS_MAX], core/heap's */
    unsigned seed_count;
};

struct table {
    struct replay_settings settings;
    struct table_trace traces[TABLE_TRACES_MAX];
    unsigned trace_count;
};

void table_init(struct table *, const struct replay_settings *);
void table_fini(struct table *);
/* A row for the trace of that name; its number. Rows that are not judged are shown only. */
unsigned table_add(struct table *, const char *name, const char *what, bool judged);
/* Runs the policies over the trace as drawn from `seed`, which their coins are drawn from too. Returns the
 * figures of JUDGE_NONE to JUDGE_ORACLE, for a plot; they are valid until table_fini. */
const struct replay_figures *table_run(struct table *, unsigned row, const struct trace *,
                                       uint64_t seed);
/* Two tables in Markdown. Returns how many judged rows miss a criterion. */
unsigned table_print(const struct table *, FILE *out);

#endif
