/* report_command.h - `hedgerow report`: what hedging saved and cost, of a running process or of a log. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_REPORT_COMMAND_H
#define HEDGEROW_APPLIANCE_CONTROL_REPORT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

/* As given on the command line, borrowed; NULL: not given. */
struct report_options {
    const char *admin; /* address of a running process's admin listener; NULL: the default one */
    const char *log;   /* an access log, or "-" for standard input */
    const char *model; /* of the log, this one alone */
    const char *trace; /* a CSV file to be written from the log */
    bool json;
};

/* Do they go together? False: `why` says which do not, and what to write. */
bool report_command_check(const struct report_options *, char *why, size_t why_size);

enum report_end { REPORT_DONE, REPORT_FAILED, REPORT_USAGE };
/* Prints the report on standard output; says on standard error what went wrong. USAGE: the log has several
 * models, and a trace is of one. */
enum report_end report_command_main(const struct report_options *);

#endif
