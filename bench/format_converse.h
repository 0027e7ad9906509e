/* format_converse.h (pure) - Amazon Bedrock's Converse format, shared by its two halves. */
#ifndef BENCH_FORMAT_CONVERSE_H
#define BENCH_FORMAT_CONVERSE_H

#include "bench/format.h"

bool format_converse_read(struct ask *ask, const struct format_request *request,
                          struct ask_error *e);

#endif
