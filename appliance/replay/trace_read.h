/* trace_read.h - traces from CSV.
 *
 * Two forms, told by the header line:
 *
 *     time_ms,request,backend,input_tokens,ttft_ms,output_tokens    a row for each time that is known
 *     time_ms,backend,prompt_tokens,ttft_ms,output_tokens           one row a request
 *
 * Rows of one request stand together and give one time_ms; the first names its primary. Times
 * are decimal, of any origin, in any order of requests. ttft_ms may be `never`: the backend was asked and did not
 * answer. Tokens may be empty: unknown. White space around commas, CRLF, a byte order mark and empty
 * lines are passed over; fields are not quoted. */
#ifndef HEDGEROW_APPLIANCE_REPLAY_TRACE_READ_H
#define HEDGEROW_APPLIANCE_REPLAY_TRACE_READ_H

#include <stdbool.h>
#include <stdio.h>

#include "appliance/replay/trace.h"

/* Rows in a file; as many are held in memory while it is read, 32 bytes each. */
#define TRACE_ROWS_MAX TRACE_REQUESTS_MAX

/* Reads `in` whole. `name` is the file's, for messages and for the trace, borrowed as long as that.
 * The time of a backend for which a request has no row is that of a row of the same backend near in time,
 * drawn by `seed`. True: *out is made (trace_fini frees it). False: *out is untouched, and `why`
 * (why_size bytes) holds "NAME:LINE: what is wrong and what was meant". */
bool trace_read(FILE *in, const char *name, uint64_t seed, struct trace *out, char *why,
                size_t why_size);
/* Writes the long form, which trace_read reads as the same trace, but for the names of requests
 * and the order of backends. */
void trace_write(const struct trace *, FILE *out);

#endif
