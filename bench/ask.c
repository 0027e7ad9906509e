/* ask.c (pure) - chat completion requests, read strictly; see ask.h. */
#include "bench/ask.h"
#include "bench/ask_check.h"

#include <stdio.h>
#include <string.h>

static const struct ask_param {
    const char *name;
    unsigned types;
    double lowest, highest;
} params[] = {
#define PARAM(name, types, lowest, highest) {#name, types, lowest, highest},
#include "bench/ask_param.def"
#undef PARAM
};

enum { PROMPT_BYTES_PER_TOKEN = 4 }; /* the usual rule of thumb for English */

/* ---- members of the top level ---- */

static bool check_range(const struct ask_param *p, yyjson_val *v, struct ask_error *e) {
    double value = yyjson_get_num(v);
    const char *kind = p->types & ASK_INTEGER ? "integer" : "decimal";
    if (!yyjson_is_num(v) || p->lowest > p->highest)
        return true;
    if (value < p->lowest)
        return ask_refuse(
            e, p->types & ASK_INTEGER ? "integer_below_min_value" : "decimal_below_min_value",
            p->name,
            "Invalid '%s': %s below minimum value. Expected a value >= %g, but got %g "
            "instead.",
            p->name, kind, p->lowest, value);
    if (value > p->highest)
        return ask_refuse(
            e, p->types & ASK_INTEGER ? "integer_above_max_value" : "decimal_above_max_value",
            p->name,
            "Invalid '%s': %s above maximum value. Expected a value <= %g, but got %g "
            "instead.",
            p->name, kind, p->highest, value);
    return true;
}

static bool check_member(yyjson_val *key, yyjson_val *v, struct ask_error *e) {
    const char *name = yyjson_get_str(key);
    for (size_t i = 0; i < sizeof params / sizeof params[0]; i++) {
        if (strcmp(params[i].name, name))
            continue;
        if (yyjson_is_null(v))
            return true;
        return ask_has_type(v, params[i].types) ? check_range(&params[i], v, e)
                                                : ask_refuse_type(e, name, params[i].types, v);
    }
    char shown[80];
    snprintf(shown, sizeof shown, "%s", name);
    return ask_refuse(e, "unknown_parameter", shown, "Unknown parameter: '%s'.", shown);
}

/* ---- what the answer depends on ---- */

/* A value that a JSON schema would accept, for the common simple schemas. */
static void write_sample(struct bytes *out, yyjson_val *schema) {
    yyjson_val *first = yyjson_arr_get_first(yyjson_obj_get(schema, "enum"));
    yyjson_val *type = yyjson_obj_get(schema, "type");
    if (yyjson_is_str(first)) {
        bytes_str(out, "\"");
        bytes_json(out, yyjson_get_str(first), yyjson_get_len(first));
        bytes_str(out, "\"");
    } else if (yyjson_equals_str(type, "integer") || yyjson_equals_str(type, "number")) {
        bytes_str(out, "42");
    } else if (yyjson_equals_str(type, "boolean")) {
        bytes_str(out, "true");
    } else if (yyjson_equals_str(type, "array")) {
        bytes_str(out, "[]");
    } else if (yyjson_equals_str(type, "object")) {
        bytes_str(out, "{}");
    } else {
        bytes_str(out, "\"San Francisco, \xe2\x80\x9c"
                       "CA\xe2\x80\x9d\"");
    }
}

static void take_tool(struct ask *ask, yyjson_val *root, yyjson_val *function, bool several) {
    yyjson_val *parallel = ask_given(root, "parallel_tool_calls"), *key, *schema;
    yyjson_val *name = yyjson_obj_get(function, "name");
    size_t i, max;
    ask->mode = ASK_TOOLS;
    ask->tool_calls = several && !yyjson_is_false(parallel) ? ASK_TOOL_CALLS_MAX : 1;
    bytes_add(&ask->tool_name, yyjson_get_str(name), yyjson_get_len(name));
    bytes_str(&ask->tool_arguments, "{");
    yyjson_obj_foreach(yyjson_obj_get(yyjson_obj_get(function, "parameters"), "properties"), i, max,
                       key, schema) {
        bytes_str(&ask->tool_arguments, i ? ",\"" : "\"");
        bytes_json(&ask->tool_arguments, yyjson_get_str(key), yyjson_get_len(key));
        bytes_str(&ask->tool_arguments, "\":");
        write_sample(&ask->tool_arguments, schema);
    }
    bytes_str(&ask->tool_arguments, "}");
}

/* ---- what remains ---- */

static bool check_stream_options(struct ask *ask, yyjson_val *root, struct ask_error *e) {
    yyjson_val *options = ask_given(root, "stream_options"), *key, *v;
    size_t i, max;
    ask->include_obfuscation = true;
    if (!options)
        return true;
    if (!ask->stream)
        return ask_refuse(
            e, "", "stream_options",
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.");
    yyjson_obj_foreach(options, i, max, key, v) {
        const char *name = yyjson_get_str(key);
        bool usage = yyjson_equals_str(key, "include_usage");
        char param[96];
        snprintf(param, sizeof param, "stream_options.%.60s", name ? name : "");
        if (!usage && !yyjson_equals_str(key, "include_obfuscation"))
            return ask_refuse(e, "unknown_parameter", param, "Unknown parameter: '%s'.", param);
        if (yyjson_is_null(v))
            continue;
        if (!yyjson_is_bool(v))
            return ask_refuse_type(e, param, ASK_BOOLEAN, v);
        *(usage ? &ask->include_usage : &ask->include_obfuscation) = yyjson_get_bool(v);
    }
    return true;
}

/* The text of a message: its string, or its text parts in a row. */
static void content_text(yyjson_val *message, struct bytes *out) {
    yyjson_val *content = yyjson_obj_get(message, "content"), *part;
    size_t i, max;
    if (yyjson_is_str(content))
        bytes_add(out, yyjson_get_str(content), yyjson_get_len(content));
    yyjson_arr_foreach(content, i, max, part) {
        yyjson_val *text = yyjson_obj_get(part, "text");
        if (yyjson_is_str(text))
            bytes_add(out, yyjson_get_str(text), yyjson_get_len(text));
    }
}

static void take_mode(struct ask *ask, yyjson_val *root, const struct ask_tool_choice *choice) {
    static const char echo[] = "echo:";
    yyjson_val *messages = yyjson_obj_get(root, "messages"), *message, *last_user = NULL,
               *last = NULL;
    size_t i, max;
    yyjson_arr_foreach(messages, i, max, message) {
        last = message;
        if (yyjson_equals_str(yyjson_obj_get(message, "role"), "user"))
            last_user = message;
    }
    struct bytes text = {0};
    content_text(last_user, &text);
    const char *said = bytes_text(&text);
    bool wished = strstr(said, "use tool") && last == last_user && !choice->forbidden;
    yyjson_val *function =
        choice->function ? choice->function : ask_tool_find(ask_given(root, "tools"), NULL);
    ask->mode = ASK_TEXT;
    if (function && (choice->forced || wished)) {
        take_tool(ask, root, function, strstr(said, "use tools"));
    } else if (!strncmp(said, echo, sizeof echo - 1)) {
        size_t skip = sizeof echo - 1;
        skip += said[skip] == ' ';
        ask->mode = ASK_ECHO;
        bytes_add(&ask->echo, said + skip, bytes_len(&text) - skip);
    }
    bytes_free(&text);
}

static void take_text(struct bytes *out, yyjson_val *v) {
    if (yyjson_is_str(v))
        bytes_add(out, yyjson_get_str(v), yyjson_get_len(v));
}

static bool read_root(struct ask *ask, yyjson_val *root, bool model_in_path, struct ask_error *e) {
    yyjson_val *key, *v;
    size_t i, max;
    struct ask_tool_choice choice = {0};
    if (!yyjson_is_obj(root))
        return ask_refuse(e, "", "",
                          "We could not parse the JSON body of your request. (HINT: The OpenAI "
                          "API expects a JSON object, but what was sent was %s.)",
                          ask_value_name(root));
    yyjson_obj_foreach(root, i, max, key, v) if (!check_member(key, v, e)) return false;
    if (!ask_given(root, "model") && !model_in_path)
        return ask_refuse(e, "", "", "you must provide a model parameter");
    if (!ask_check_messages(root, e))
        return false;
    ask->stream = yyjson_get_bool(yyjson_obj_get(root, "stream"));
    if (!check_stream_options(ask, root, e) || !ask_check_tools(root, &choice, e) ||
        !ask_check_stop(root, e))
        return false;
    v = ask_given(root, "max_completion_tokens");
    if (v && ask_given(root, "max_tokens"))
        return ask_refuse(
            e, "invalid_parameter_combination", "max_tokens",
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not "
            "supported.");
    v = v ? v : ask_given(root, "max_tokens");
    ask->max_tokens = (unsigned)yyjson_get_uint(v);
    v = ask_given(root, "n");
    ask->choices = v ? (unsigned)yyjson_get_uint(v) : 1;
    take_text(&ask->model, ask_given(root, "model"));
    take_text(&ask->sim_file, yyjson_obj_get(ask_given(root, "metadata"), "sim_file"));
    take_mode(ask, root, &choice);
    return true;
}

static void ask_clear(struct ask *ask) {
    bytes_clear(&ask->model);
    bytes_clear(&ask->echo);
    bytes_clear(&ask->tool_name);
    bytes_clear(&ask->tool_arguments);
    bytes_clear(&ask->sim_file);
    ask->stream = ask->include_usage = ask->include_obfuscation = false;
}

bool ask_read(struct ask *ask, const char *body, size_t size, bool model_in_path,
              struct ask_error *error) {
    ask_clear(ask);
    yyjson_doc *doc = yyjson_read(body, size, YYJSON_READ_NOFLAG);
    if (!doc)
        return ask_refuse(
            error, "", "",
            "We could not parse the JSON body of your request. (HINT: This likely means you "
            "aren't using your HTTP library correctly. The OpenAI API expects a JSON "
            "payload, but what was sent was not valid JSON.)");
    bool ok = read_root(ask, yyjson_doc_get_root(doc), model_in_path, error);
    ask->prompt_tokens = (unsigned)(size / PROMPT_BYTES_PER_TOKEN + 1);
    yyjson_doc_free(doc);
    return ok;
}

void ask_free(struct ask *ask) {
    bytes_free(&ask->model);
    bytes_free(&ask->echo);
    bytes_free(&ask->tool_name);
    bytes_free(&ask->tool_arguments);
    bytes_free(&ask->sim_file);
}
