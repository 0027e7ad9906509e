/* report_log.h - a report from the access log, with what hedging would have done when it was off.
 *
 *     lines --log_line--> counters of each model
 *                    \--> rows of a trace (log_rows.h) --replay--> what adaptive would have given
 *
 * Read as a stream: memory is that of the models, and of one row an attempt where a replay needs it. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_REPORT_LOG_H
#define HEDGEROW_APPLIANCE_CONTROL_REPORT_LOG_H

#include <stdio.h>

#include "appliance/control/log_rows.h"
#include "appliance/control/report.h"

/* Models of a log; lines of others are counted as not read. */
#define REPORT_LOG_MODELS_MAX 1024
/* Lines that are told in full; of the others only the number is. */
#define REPORT_LOG_TOLD_MAX 10

struct report_log {
    const char *name; /* of the file, for messages; borrowed */
    struct span only; /* a model, or empty: all */
    bool keep_rows;   /* all rows, for a trace, also where hedges were started */
    FILE *talk;       /* broken lines are told here, "NAME:LINE: why" */
    struct report report;
    struct log_rows *rows; /* [report.count] */
    uint64_t lines;        /* read, without empty ones */
    uint64_t first_ms, last_ms;
};

/* Reads `in` whole into log->report. 0, or -errno of reading. The rest of *log was zeroed but for name, only, keep_rows and
 * talk. */
int report_log_read(struct report_log *log, FILE *in);
/* Replays each model that started no hedge by delay. */
void report_log_replay(struct report_log *log);
/* The model's row, or NULL. */
struct log_rows *report_log_rows(struct report_log *log, struct span model);
void report_log_free(struct report_log *log);

#endif
