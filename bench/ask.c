/* ask.c (pure) - what a simulated answer depends on; see ask.h. */
#include "bench/ask.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void ask_clear(struct ask *ask) {
    struct ask old = *ask;
    *ask = (struct ask){.choices = 1,
                        .model = old.model,
                        .echo = old.echo,
                        .tool_name = old.tool_name,
                        .tool_arguments = old.tool_arguments,
                        .sim_file = old.sim_file,
                        .previous = old.previous,
                        .inputs = old.inputs};
    bytes_clear(&ask->model);
    bytes_clear(&ask->echo);
    bytes_clear(&ask->tool_name);
    bytes_clear(&ask->tool_arguments);
    bytes_clear(&ask->sim_file);
    bytes_clear(&ask->previous);
    bytes_clear(&ask->inputs);
}

void ask_free(struct ask *ask) {
    bytes_free(&ask->model);
    bytes_free(&ask->echo);
    bytes_free(&ask->tool_name);
    bytes_free(&ask->tool_arguments);
    bytes_free(&ask->sim_file);
    bytes_free(&ask->previous);
    bytes_free(&ask->inputs);
}

void ask_take_text(struct bytes *out, yyjson_val *v) {
    if (yyjson_is_str(v))
        bytes_add(out, yyjson_get_str(v), yyjson_get_len(v));
}

/* A value that a JSON schema would accept, for the common simple schemas. Gemini spells the types in
 * capitals. */
static void write_sample(struct bytes *out, yyjson_val *schema) {
    yyjson_val *first = yyjson_arr_get_first(yyjson_obj_get(schema, "enum"));
    const char *type = yyjson_get_str(yyjson_obj_get(schema, "type"));
    type = type ? type : "";
    if (yyjson_is_str(first)) {
        bytes_str(out, "\"");
        bytes_json(out, yyjson_get_str(first), yyjson_get_len(first));
        bytes_str(out, "\"");
    } else if (!strcasecmp(type, "integer") || !strcasecmp(type, "number")) {
        bytes_str(out, "42");
    } else if (!strcasecmp(type, "boolean")) {
        bytes_str(out, "true");
    } else if (!strcasecmp(type, "array")) {
        bytes_str(out, "[]");
    } else if (!strcasecmp(type, "object")) {
        bytes_str(out, "{}");
    } else {
        bytes_str(out, "\"San Francisco, \xe2\x80\x9c"
                       "CA\xe2\x80\x9d\"");
    }
}

static void take_call(struct ask *ask, const struct ask_wish *wish, bool several) {
    yyjson_val *key, *schema;
    size_t i, max;
    ask->mode = ASK_TOOLS;
    ask->tool_calls = several && !wish->single ? ASK_TOOL_CALLS_MAX : 1;
    ask_take_text(&ask->tool_name, wish->name);
    bytes_str(&ask->tool_arguments, "{");
    yyjson_obj_foreach(yyjson_obj_get(wish->schema, "properties"), i, max, key, schema) {
        bytes_str(&ask->tool_arguments, i ? ",\"" : "\"");
        bytes_json(&ask->tool_arguments, yyjson_get_str(key), yyjson_get_len(key));
        bytes_str(&ask->tool_arguments, "\":");
        write_sample(&ask->tool_arguments, schema);
    }
    bytes_str(&ask->tool_arguments, "}");
}

/* The text of a message, in any format: its string, or its text parts in a row. */
static void message_text(struct bytes *out, yyjson_val *message) {
    yyjson_val *content = yyjson_obj_get(message, "content"), *part;
    size_t i, max;
    ask_take_text(out, content);
    yyjson_arr_foreach(content, i, max, part) ask_take_text(out, yyjson_obj_get(part, "text"));
}

/* How much of the text stands in the unfinished turn: all of that, or nothing. Some formats refuse white
 * space at its end, which the model then says again. */
static size_t said_before(yyjson_val *begun, const char *text, size_t len) {
    struct bytes said = {0};
    message_text(&said, begun);
    size_t n = bytes_len(&said);
    if (n > len || memcmp(bytes_text(&said), text, n) != 0)
        n = 0;
    bytes_free(&said);
    return n;
}

void ask_take_wish(struct ask *ask, const struct ask_wish *wish) {
    static const char echo[] = "echo:", replay[] = "replay:";
    const char *said = bytes_text(wish->said);
    size_t len = bytes_len(wish->said), skip = sizeof replay - 1;
    ask->mode = ASK_TEXT;
    if (!strncmp(said, replay, skip)) {
        skip += strspn(said + skip, " ");
        bytes_clear(&ask->sim_file);
        bytes_add(&ask->sim_file, said + skip, strcspn(said + skip, " \r\n"));
    } else if (wish->name && wish->called && !wish->results) {
        take_call(ask, wish, strstr(said, "use tools"));
    } else if (!strncmp(said, echo, sizeof echo - 1)) {
        skip = sizeof echo - 1;
        skip += said[skip] == ' ';
        skip += wish->begun ? said_before(wish->begun, said + skip, len - skip) : 0;
        ask->mode = ASK_ECHO;
        bytes_add(&ask->echo, said + skip, len - skip);
    }
}

bool ask_error_set(struct ask_error *e, int status, const char *type, const char *format, ...) {
    *e = (struct ask_error){.status = status, .type = type, .code = ""};
    va_list args;
    va_start(args, format);
    vsnprintf(e->message, sizeof e->message, format, args);
    va_end(args);
    return false;
}
