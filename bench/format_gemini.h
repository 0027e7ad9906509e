/* format_gemini.h (pure) - Google's generateContent format, shared by its two halves. */
#ifndef BENCH_FORMAT_GEMINI_H
#define BENCH_FORMAT_GEMINI_H

#include "bench/format.h"

bool format_gemini_read(struct ask *ask, const struct format_request *request, struct ask_error *e);

#endif
