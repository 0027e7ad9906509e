/* log_rows.h - the attempts of a log as a trace for replay.
 *
 * An attempt that was cut off has no time, only "longer than that". Left out it would make its backend look
 * faster than it is, so it is given a time: one drawn from those of the same backend that are longer,
 * by their Kaplan-Meier estimate. Attempts that failed have none, and the request is taken to have gone to
 * the next one first. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_LOG_ROWS_H
#define HEDGEROW_APPLIANCE_CONTROL_LOG_ROWS_H

#include <stdio.h>

#include "appliance/control/log_line.h"
#include "appliance/replay/trace_rows.h"

struct log_backend {
    char *provider, *model; /* owned; escaped as in the log */
    uint64_t known;         /* rows with a time of their own */
};

/* Zeroed: nothing. */
struct log_rows {
    struct trace_rows rows;
    struct log_backend backends[TRACE_BACKENDS_MAX];
    unsigned backend_count;
    bool many;      /* more backends or rows than a trace holds: it is not whole */
    bool settled;   /* all rows have times */
    uint64_t drawn; /* rows whose time was drawn */
};

/* Takes the attempts of one line. */
void log_rows_add(struct log_rows *, const struct log_line *);
/* All are in: draws what is missing, by `seed`, and gives the backends their names. */
void log_rows_settle(struct log_rows *, uint64_t seed);
/* Settled rows as CSV for `hedgerow replay` (INTERFACE.md). Errors are the stream's. */
void log_rows_write(const struct log_rows *, FILE *out);
void log_rows_fini(struct log_rows *);

#endif
