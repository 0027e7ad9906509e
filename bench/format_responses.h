/* format_responses.h (pure) - OpenAI's Responses format, shared by its two halves. */
#ifndef BENCH_FORMAT_RESPONSES_H
#define BENCH_FORMAT_RESPONSES_H

#include "bench/format_openai.h"

bool format_responses_read(struct ask *ask, const struct format_request *request,
                           struct ask_error *e);

#endif
