/* ask_check.c (pure) - the parts of a chat completion request, checked as the provider checks
 * them, and the refusals in its words; see ask_check.h. */
#include "bench/ask_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    TOOL_NAME_MAX = 64, /* OpenAI: [a-zA-Z0-9_-], at most 64 */
    STOP_MAX = 4
};

/* ---- refusals ---- */

bool ask_refuse(struct ask_error *e, const char *code, const char *param, const char *format, ...) {
    *e = (struct ask_error){.status = 400, .type = "invalid_request_error", .code = code};
    snprintf(e->param, sizeof e->param, "%s", param);
    va_list args;
    va_start(args, format);
    vsnprintf(e->message, sizeof e->message, format, args);
    va_end(args);
    return false;
}

const char *ask_value_name(yyjson_val *v) {
    switch (yyjson_get_type(v)) {
    case YYJSON_TYPE_NULL: return "null";
    case YYJSON_TYPE_BOOL: return "a boolean";
    case YYJSON_TYPE_NUM: return yyjson_is_int(v) ? "an integer" : "a decimal";
    case YYJSON_TYPE_STR: return "a string";
    case YYJSON_TYPE_ARR: return "an array";
    case YYJSON_TYPE_OBJ: return "an object";
    }
    return "nothing";
}

bool ask_has_type(yyjson_val *v, unsigned types) {
    return (types & ASK_STRING && yyjson_is_str(v)) || (types & ASK_BOOLEAN && yyjson_is_bool(v)) ||
           (types & ASK_INTEGER && yyjson_is_int(v)) || (types & ASK_NUMBER && yyjson_is_num(v)) ||
           (types & ASK_ARRAY && yyjson_is_arr(v)) || (types & ASK_OBJECT && yyjson_is_obj(v));
}

static const char *types_name(unsigned types) {
    switch (types) {
    case ASK_STRING: return "a string";
    case ASK_BOOLEAN: return "a boolean";
    case ASK_INTEGER: return "an integer";
    case ASK_NUMBER: return "a decimal";
    case ASK_ARRAY: return "an array";
    case ASK_OBJECT: return "an object";
    case ASK_STRING | ASK_OBJECT: return "one of a string or object";
    case ASK_STRING | ASK_ARRAY: return "one of a string or array of strings";
    }
    return "another type";
}

bool ask_refuse_type(struct ask_error *e, const char *param, unsigned types, yyjson_val *got) {
    return ask_refuse(e, "invalid_type", param,
                      "Invalid type for '%s': expected %s, but got %s instead.", param,
                      types_name(types), ask_value_name(got));
}

bool ask_refuse_missing(struct ask_error *e, const char *param) {
    return ask_refuse(e, "missing_required_parameter", param, "Missing required parameter: '%s'.",
                      param);
}

bool ask_refuse_json(struct ask_error *e) {
    return ask_refuse(
        e, "", "",
        "We could not parse the JSON body of your request. (HINT: This likely means you "
        "aren't using your HTTP library correctly. The OpenAI API expects a JSON "
        "payload, but what was sent was not valid JSON.)");
}

/* A member that is given and not null; NULL otherwise. */
yyjson_val *ask_given(yyjson_val *object, const char *name) {
    yyjson_val *v = yyjson_obj_get(object, name);
    return yyjson_is_null(v) ? NULL : v;
}

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

static bool check_param(const struct ask_param *params, size_t count, yyjson_val *key,
                        yyjson_val *v, struct ask_error *e) {
    const char *name = yyjson_get_str(key);
    for (size_t i = 0; i < count; i++) {
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

bool ask_check_params(yyjson_val *root, const struct ask_param *params, size_t count,
                      struct ask_error *e) {
    yyjson_val *key, *v;
    size_t i, max;
    yyjson_obj_foreach(root, i, max, key,
                       v) if (!check_param(params, count, key, v, e)) return false;
    return true;
}

/* ---- messages ---- */

static bool check_parts(yyjson_val *parts, const char *where, struct ask_error *e) {
    static const struct {
        const char *type, *member;
    } kinds[] = {{"text", "text"},
                 {"image_url", "image_url"},
                 {"input_audio", "input_audio"},
                 {"file", "file"},
                 {"refusal", "refusal"}};
    size_t i, max;
    yyjson_val *part;
    yyjson_arr_foreach(parts, i, max, part) {
        char param[96];
        const char *type = yyjson_get_str(yyjson_obj_get(part, "type"));
        size_t kind = 0, count = sizeof kinds / sizeof kinds[0];
        while (type && kind < count && strcmp(kinds[kind].type, type))
            kind++;
        snprintf(param, sizeof param, "%.60s[%zu].type", where, i);
        if (!type)
            return ask_refuse_missing(e, param);
        if (kind == count)
            return ask_refuse(e, "invalid_value", param,
                              "Invalid value: '%.40s'. Supported values are: 'text', 'image_url', "
                              "'input_audio', 'refusal', and 'file'.",
                              type);
        snprintf(param, sizeof param, "%.60s[%zu].%s", where, i, kinds[kind].member);
        if (!yyjson_obj_get(part, kinds[kind].member))
            return ask_refuse_missing(e, param);
    }
    return true;
}

static bool check_content(yyjson_val *message, const char *role, size_t index,
                          struct ask_error *e) {
    char param[64];
    yyjson_val *content = ask_given(message, "content");
    snprintf(param, sizeof param, "messages[%zu].content", index);
    if (!content) {
        bool may_lack = !strcmp(role, "assistant") &&
                        (ask_given(message, "tool_calls") || ask_given(message, "function_call") ||
                         ask_given(message, "refusal") || ask_given(message, "audio"));
        return may_lack || !strcmp(role, "function") ||
               ask_refuse(e, "", param,
                          "Invalid value for 'content': expected a string, got null.");
    }
    if (!ask_has_type(content, ASK_STRING | ASK_ARRAY))
        return ask_refuse(
            e, "invalid_type", param,
            "Invalid type for '%s': expected one of a string or array of objects, but got "
            "%s instead.",
            param, ask_value_name(content));
    return !yyjson_is_arr(content) || check_parts(content, param, e);
}

static bool check_tool_calls(yyjson_val *message, size_t index, struct ask_error *e) {
    yyjson_val *calls = ask_given(message, "tool_calls"), *call;
    char param[96];
    size_t i, max;
    snprintf(param, sizeof param, "messages[%zu].tool_calls", index);
    if (!calls)
        return true;
    if (!yyjson_is_arr(calls))
        return ask_refuse_type(e, param, ASK_ARRAY, calls);
    if (!yyjson_arr_size(calls))
        return ask_refuse(
            e, "empty_array", param,
            "Invalid '%s': empty array. Expected an array with minimum length 1, but got an "
            "empty array instead.",
            param);
    yyjson_arr_foreach(calls, i, max, call) {
        yyjson_val *function = yyjson_obj_get(call, "function");
        const char *missing = !yyjson_is_str(yyjson_obj_get(call, "id"))         ? "id"
                              : !yyjson_is_str(yyjson_obj_get(call, "type"))     ? "type"
                              : !yyjson_is_str(yyjson_obj_get(function, "name")) ? "function.name"
                              : !yyjson_is_str(yyjson_obj_get(function, "arguments"))
                                  ? "function.arguments"
                                  : NULL;
        if (missing) {
            snprintf(param, sizeof param, "messages[%zu].tool_calls[%zu].%s", index, i, missing);
            return ask_refuse_missing(e, param);
        }
    }
    return true;
}

static bool check_message(yyjson_val *message, size_t index, struct ask_error *e) {
    static const char *const roles[] = {"system",   "assistant", "user",
                                        "function", "tool",      "developer"};
    char param[64];
    snprintf(param, sizeof param, "messages[%zu]", index);
    if (!yyjson_is_obj(message))
        return ask_refuse_type(e, param, ASK_OBJECT, message);
    snprintf(param, sizeof param, "messages[%zu].role", index);
    yyjson_val *role_value = yyjson_obj_get(message, "role");
    if (!role_value)
        return ask_refuse_missing(e, param);
    if (!yyjson_is_str(role_value))
        return ask_refuse_type(e, param, ASK_STRING, role_value);
    const char *role = yyjson_get_str(role_value);
    size_t known = 0;
    while (known < sizeof roles / sizeof roles[0] && strcmp(roles[known], role))
        known++;
    if (known == sizeof roles / sizeof roles[0])
        return ask_refuse(
            e, "invalid_value", param,
            "Invalid value: '%.40s'. Supported values are: 'system', 'assistant', 'user', "
            "'function', 'tool', and 'developer'.",
            role);
    snprintf(param, sizeof param, "messages[%zu].tool_call_id", index);
    if (!strcmp(role, "tool") && !yyjson_is_str(yyjson_obj_get(message, "tool_call_id")))
        return ask_refuse_missing(e, param);
    return check_content(message, role, index, e) && check_tool_calls(message, index, e);
}

bool ask_check_messages(yyjson_val *root, struct ask_error *e) {
    yyjson_val *messages = ask_given(root, "messages"), *message;
    size_t i, max;
    if (!messages)
        return ask_refuse_missing(e, "messages");
    if (!yyjson_arr_size(messages))
        return ask_refuse(
            e, "empty_array", "messages",
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but "
            "got an empty array instead.");
    yyjson_arr_foreach(messages, i, max, message) if (!check_message(message, i, e)) return false;
    return true;
}

/* ---- tools ---- */

static bool check_tool(yyjson_val *tool, size_t index, struct ask_error *e) {
    char param[64];
    const char *type = yyjson_get_str(yyjson_obj_get(tool, "type"));
    snprintf(param, sizeof param, "tools[%zu].type", index);
    if (!type)
        return ask_refuse_missing(e, param);
    if (!strcmp(type, "custom"))
        return true;
    if (strcmp(type, "function"))
        return ask_refuse(e, "invalid_value", param,
                          "Invalid value: '%.40s'. Supported values are: 'function' and 'custom'.",
                          type);
    const char *name = yyjson_get_str(yyjson_obj_get(yyjson_obj_get(tool, "function"), "name"));
    snprintf(param, sizeof param, "tools[%zu].function.name", index);
    if (!name)
        return ask_refuse_missing(e, param);
    if (!*name || strlen(name) > TOOL_NAME_MAX ||
        name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")])
        return ask_refuse(
            e, "invalid_value", param,
            "Invalid '%s': string does not match pattern. Expected a string that matches "
            "the pattern '^[a-zA-Z0-9_-]+$'.",
            param);
    return true;
}

yyjson_val *ask_tool_find(yyjson_val *tools, const char *name) {
    size_t i, max;
    yyjson_val *tool;
    yyjson_arr_foreach(tools, i, max, tool) {
        yyjson_val *function = yyjson_obj_get(tool, "function");
        if (function && (!name || yyjson_equals_str(yyjson_obj_get(function, "name"), name)))
            return function;
    }
    return NULL;
}

static bool read_tool_choice(yyjson_val *root, struct ask_tool_choice *out, struct ask_error *e) {
    yyjson_val *choice = ask_given(root, "tool_choice"), *tools = ask_given(root, "tools");
    if (!choice)
        return true;
    if (!tools)
        return ask_refuse(
            e, "", "tool_choice",
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are "
            "specified.");
    if (yyjson_is_str(choice)) {
        out->forced = yyjson_equals_str(choice, "required");
        out->forbidden = yyjson_equals_str(choice, "none");
        return out->forced || out->forbidden || yyjson_equals_str(choice, "auto") ||
               ask_refuse(
                   e, "invalid_value", "tool_choice",
                   "Invalid value: '%.40s'. Supported values are: 'none', 'auto', and 'required'.",
                   yyjson_get_str(choice));
    }
    const char *name = yyjson_get_str(yyjson_obj_get(yyjson_obj_get(choice, "function"), "name"));
    if (!yyjson_equals_str(yyjson_obj_get(choice, "type"), "function"))
        return true; /* allowed_tools and custom tools do not force a function */
    if (!name)
        return ask_refuse_missing(e, "tool_choice.function.name");
    out->forced = true;
    out->function = ask_tool_find(tools, name);
    return out->function ||
           ask_refuse(e, "", "tool_choice",
                      "Invalid value for 'tool_choice': no function named '%.64s' was "
                      "specified in the 'tools' parameter.",
                      name);
}

bool ask_check_tools(yyjson_val *root, struct ask_tool_choice *choice, struct ask_error *e) {
    yyjson_val *tools = ask_given(root, "tools"), *tool;
    size_t i, max;
    if (tools && !yyjson_arr_size(tools))
        return ask_refuse(
            e, "empty_array", "tools",
            "Invalid 'tools': empty array. Expected an array with minimum length 1, but got "
            "an empty array instead.");
    yyjson_arr_foreach(tools, i, max, tool) if (!check_tool(tool, i, e)) return false;
    if (ask_given(root, "parallel_tool_calls") && !tools)
        return ask_refuse(
            e, "", "parallel_tool_calls",
            "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed "
            "when 'tools' are specified.");
    return read_tool_choice(root, choice, e);
}

/* ---- stop ---- */

bool ask_check_stop(yyjson_val *root, struct ask_error *e) {
    yyjson_val *stop = ask_given(root, "stop"), *item;
    size_t i, max;
    if (yyjson_is_arr(stop) && yyjson_arr_size(stop) > STOP_MAX)
        return ask_refuse(
            e, "array_above_max_length", "stop",
            "Invalid 'stop': array too long. Expected an array with maximum length %d, but "
            "got an array with length %zu instead.",
            STOP_MAX, yyjson_arr_size(stop));
    yyjson_arr_foreach(stop, i, max, item) if (!yyjson_is_str(item)) {
        char param[32];
        snprintf(param, sizeof param, "stop[%zu]", i);
        return ask_refuse_type(e, param, ASK_STRING, item);
    }
    return true;
}
