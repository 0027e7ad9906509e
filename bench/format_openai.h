/* format_openai.h (pure) - what OpenAI's formats (chat, completions, responses, embeddings) share. */
#ifndef BENCH_FORMAT_OPENAI_H
#define BENCH_FORMAT_OPENAI_H

#include "bench/format.h"

bool format_openai_read(struct ask *ask, const struct format_request *request, struct ask_error *e);
/* {"error":{...}} of a server error, the same as an event, and the event that ends a stream. */
void format_openai_error(struct bytes *out);
void format_openai_error_event(struct answer *a, bool late, struct bytes *out);
void format_openai_done(struct bytes *out);

#endif
