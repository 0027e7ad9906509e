/* log_line.h - one line of the access log, read back (INTERFACE.md "Access log"). (pure)
 *
 * Times are ns since the request began, money in pico-dollars: as precise as the log is. Spans point into
 * the line and are escaped as it has them. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_LOG_LINE_H
#define HEDGEROW_APPLIANCE_CONTROL_LOG_LINE_H

#include "appliance/race/hedge.h"
#include "appliance/race/race.h"
#include "core/limits.h"
#include "core/span.h"

#define LOG_NEVER UINT64_MAX

struct log_attempt {
    struct span provider, model, reason; /* reason: empty when there is none */
    enum hedge_trigger trigger;
    enum race_outcome outcome;
    uint64_t start_ns, first_ns, end_ns; /* first: LOG_NEVER when no token came */
    uint64_t tokens;                     /* 0: not known */
    bool priced;
    uint64_t pico;
};

struct log_line {
    uint64_t time_ms;  /* since 1970 */
    struct span model; /* empty: none was named */
    unsigned status;
    uint64_t input_tokens, output_tokens; /* 0: not known */
    uint64_t ttft_ns, total_ns;           /* LOG_NEVER: no answer; not known */
    bool won_priced, wasted_priced;
    uint64_t won_pico, wasted_pico;
    bool wasted_counted;
    uint64_t wasted_tokens;
    struct log_attempt attempts[ATTEMPTS_MAX];
    unsigned attempt_count;
};

/* Reads one line without its end. NULL, or why it is not one (static text): *out is then undefined.
 * Members that it does not know are passed over. */
const char *log_line_read(struct span line, struct log_line *out);

#endif
