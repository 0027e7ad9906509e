/* trace_rows.h - the rows of a file, between who reads them (trace_read.c of CSV, control's log_rows.c of
 * an access log) and trace_rows.c, which makes a trace of them. (pure) Not for others. */
#ifndef HEDGEROW_APPLIANCE_REPLAY_TRACE_ROWS_H
#define HEDGEROW_APPLIANCE_REPLAY_TRACE_ROWS_H

#include "appliance/replay/trace.h"

#define TRACE_NAME_MAX (sizeof((struct trace *)0)->backend_names[0])

struct trace_row {
    uint64_t time_ns, ttft_ns;
    uint32_t input_tokens, output_tokens;
    uint32_t request; /* rises by one where another request begins, from 0 */
    uint8_t backend;
};

struct trace_rows {
    struct trace_row *rows; /* [max], core/heap's until trace_rows_fini */
    size_t count, max;
    size_t requests;
    unsigned backends;
    char names[TRACE_BACKENDS_MAX][TRACE_NAME_MAX];
};

void trace_rows_fini(struct trace_rows *);
/* Room for one more row, zeroed; valid until the next call. */
struct trace_row *trace_rows_add(struct trace_rows *);
/* Makes the trace: requests in order of time, times from 0, what is missing drawn by `seed`. There is a
 * row of every backend. `name` is borrowed by the trace. */
void trace_rows_build(const struct trace_rows *, const char *name, uint64_t seed,
                      struct trace *out);

#endif
