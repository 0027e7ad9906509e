/* replay_command.h - `hedgerow replay`: reads the options and the trace, runs the policies, prints. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_REPLAY_COMMAND_H
#define HEDGEROW_APPLIANCE_CONTROL_REPLAY_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "appliance/replay/replay.h"

/* As given on the command line, borrowed; NULL: not given. */
struct replay_options {
    const char *trace;       /* a CSV file, or "-" for standard input */
    const char *budget;      /* "5%": extra requests */
    const char *cost_budget; /* "5%": extra money */
    const char *target;      /* "p99" */
    const char *policy;      /* names, separated by commas */
    const char *delay;       /* "400ms": of `fixed` */
    const char *queue;       /* "on" or "off" */
    const char *seed;
    const char *plot; /* an SVG file to be written */
    bool json;
};

/* What to run, read from them: settings that were not given are replay_defaults(), policies (bits
 * 1 << enum replay_policy) all of them. False: `why` (why_size bytes) names the option, says what is wrong with
 * its value and what to write. */
bool replay_command_settings(const struct replay_options *, struct replay_settings *settings,
                             unsigned *policies, char *why, size_t why_size);

/* Runs the policies over the trace and prints the table, or JSON, on standard output, and writes the
 * plot. False: could not, and said why on standard error. */
bool replay_command_run(const struct trace *, const struct replay_settings *, unsigned policies,
                        const struct replay_options *);

/* The whole command. True: done. False: failed, having said why. */
bool replay_command_main(const struct replay_options *, const struct replay_settings *,
                         unsigned policies);

#endif
