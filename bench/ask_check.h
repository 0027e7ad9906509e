/* ask_check.h (pure) - the parts of a chat completion request, checked one by one, and refusals in
 * OpenAI's words; for the readers of its formats.
 *
 * Promises: every check returns true, or false with the provider's refusal in *e.
 */
#ifndef BENCH_ASK_CHECK_H
#define BENCH_ASK_CHECK_H

#include "bench/ask.h"

#include <yyjson.h>

/* The types a member may have; several may be or-ed. */
enum ask_type {
    ASK_STRING = 1,
    ASK_BOOLEAN = 2,
    ASK_INTEGER = 4,
    ASK_NUMBER = 8, /* integers too */
    ASK_ARRAY = 16,
    ASK_OBJECT = 32
};

/* What tool_choice says: forced (with the function, if named), forbidden, or neither. */
struct ask_tool_choice {
    bool forced, forbidden;
    yyjson_val *function;
};

/* A 400 with type invalid_request_error; `code` is a constant, "" for null, and so is `param`.
 * Always returns false. */
bool ask_refuse(struct ask_error *e, const char *code, const char *param, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool ask_refuse_type(struct ask_error *e, const char *param, unsigned types, yyjson_val *got);
bool ask_refuse_missing(struct ask_error *e, const char *param);
/* The body is not JSON. */
bool ask_refuse_json(struct ask_error *e);

bool ask_has_type(yyjson_val *v, unsigned types);
/* "a string", "an integer", ...: for messages. */
const char *ask_value_name(yyjson_val *v);
/* A member that is given and not null; NULL otherwise. */
yyjson_val *ask_given(yyjson_val *object, const char *name);

/* A member of the top level: the limits are for numbers; lowest > highest: none. */
struct ask_param {
    const char *name;
    unsigned types;
    double lowest, highest;
};
/* Unknown members, types and ranges. */
bool ask_check_params(yyjson_val *root, const struct ask_param *params, size_t count,
                      struct ask_error *e);
bool ask_check_messages(yyjson_val *root, struct ask_error *e);
/* Also reads tool_choice; *choice is zeroed by the caller. */
bool ask_check_tools(yyjson_val *root, struct ask_tool_choice *choice, struct ask_error *e);
bool ask_check_stop(yyjson_val *root, struct ask_error *e);
/* The function with this name among the tools (NULL: the first function); NULL if there is none. */
yyjson_val *ask_tool_find(yyjson_val *tools, const char *name);

#endif
