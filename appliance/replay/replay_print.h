/* replay_print.h - the figures of the policies as a table for people and as JSON for programs. */
#ifndef HEDGEROW_APPLIANCE_REPLAY_REPLAY_PRINT_H
#define HEDGEROW_APPLIANCE_REPLAY_REPLAY_PRINT_H

#include <stdio.h>

#include "appliance/replay/replay_figures.h"

/* A line on what was replayed, a row for each policy, and what the columns mean. */
void replay_print_text(const struct trace *, const struct replay_settings *,
                       const struct replay_figures *, unsigned count, FILE *out);
/* {"trace","requests","budget","target","policies":[{"name","p50_ms",...}]}: INTERFACE.md. A quantile that
 * is never reached, and a cost that is unknown, are null. */
void replay_print_json(const struct trace *, const struct replay_settings *,
                       const struct replay_figures *, unsigned count, FILE *out);

#endif
