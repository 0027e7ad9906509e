/* access_log_line.h - one request as a line of JSON (INTERFACE.md "Access log"). (pure)
 *
 * What is not known is null. Times are counted from the request's first byte: start_ms, head_ms,
 * first_token_ms and end_ms of an attempt too, so that all lie on one line; connect_ms is how long
 * its connection took (TCP and TLS), null when it was there before. input_tokens and output_tokens
 * are what the client was told: the winner's as its provider counted them, and of an answer that was
 * gone on with after a stall the input once and all of the output; an attempt that was cut off before
 * it gave a count shows the content that came, an estimate. cost_usd is of all attempts that gave a
 * part of the answer (mostly one), wasted_usd and wasted_tokens what the others cost and said. winner is a provider, the last that
 * gave a part; reason and an attempt's reason are names of core/fail.def. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_ACCESS_LOG_LINE_H
#define HEDGEROW_APPLIANCE_CONTROL_ACCESS_LOG_LINE_H

#include "appliance/race/exchange.h"

/* A line at most, its end included: on the worker's stack. Ten times an ordinary one. */
#define ACCESS_LOG_LINE_MAX 8192

/* Writes the line of an exchange that has ended, with its '\n'. Returns its length. Texts are cut
 * at 256 bytes, and attempts that do not fit are left out and counted in attempts_omitted: the line
 * is valid JSON whatever the client sent. */
size_t access_log_line(const struct exchange *, char line[ACCESS_LOG_LINE_MAX]);

#endif
