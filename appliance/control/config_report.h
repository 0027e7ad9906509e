/* config_report.h - what is wrong with a configuration file, all of it, with its places.
 *
 *   hedgerow.yaml:12:20: models.m.hedge.mode: "adaptiv" is not one of off, fixed,
 *       adaptive, race; did you mean "adaptive"?   (one line)
 *
 * Errors refuse the file; warnings do not. At most CONFIG_PROBLEMS_MAX of each are kept, the rest
 * is counted: nobody reads further, and one misplaced line can cause thousands. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_CONFIG_REPORT_H
#define HEDGEROW_APPLIANCE_CONTROL_CONFIG_REPORT_H

#include <stdio.h>

#include "core/base.h"

#define CONFIG_PROBLEMS_MAX 50

enum config_severity { CONFIG_ERROR, CONFIG_WARNING };

struct config_problem {
    unsigned line, column; /* from 1; 0: the file as a whole */
    char *text;            /* owned */
};

struct config_report {
    char *path; /* owned; as the operator gave it */
    struct config_problem problems[CONFIG_WARNING + 1][CONFIG_PROBLEMS_MAX];
    unsigned counts[CONFIG_WARNING + 1]; /* all of them, also those not kept */
};

/* An empty report on the file at `path`, which is copied. */
void config_report_init(struct config_report *, const char *path);
void config_report_fini(struct config_report *);
/* Adds a problem; line and column from 1, or 0 and 0 for the file as a whole. The text never holds
 * a secret: that is the caller's duty. Characters that would break the line are shown as '?'. */
void config_report_add(struct config_report *, enum config_severity, unsigned line, unsigned column,
                       const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Writes one line a problem in the order of the file, errors as "FILE:LINE:COL: text", warnings
 * with "warning: " before the text; then how many were left out, if any. */
void config_report_write(const struct config_report *, FILE *);

#endif
