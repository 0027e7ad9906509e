/* format_anthropic.h (pure) - Anthropic's Messages format, shared by its parts. */
#ifndef BENCH_FORMAT_ANTHROPIC_H
#define BENCH_FORMAT_ANTHROPIC_H

#include "bench/format.h"

#include <yyjson.h>

/* A request of /v1/messages; with `model_in_path` Vertex's form of it (anthropic_version in the body,
 * no model). */
bool format_anthropic_read(struct ask *ask, const struct format_request *request,
                           struct ask_error *e);
/* The same of /v1/messages/count_tokens, which has no max_tokens and no stream. */
bool format_anthropic_read_count(struct ask *ask, const struct format_request *request,
                                 struct ask_error *e);

/* The rules beyond the shape. Returns false with the refusal. */
bool format_anthropic_check(yyjson_val *root, const char *model, struct ask_error *e);
/* Whether the model takes no sampling parameters and shows its thoughts only when asked to. */
bool format_anthropic_hides_thoughts(const char *model);
/* The tool of this name (NULL: the first one); NULL if there is none. */
yyjson_val *format_anthropic_tool(yyjson_val *tools, const char *name);

#endif
