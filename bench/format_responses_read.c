/* format_responses_read.c (pure) - reads a Responses request as strictly as OpenAI does: members, items
 * of the input by type, calls and their outputs, tools.
 *
 * Refuses:  what needs a state this cloud does not have: conversations, references, background.
 */
#include "bench/ask_check.h"
#include "bench/format_responses.h"

#include <stdio.h>
#include <string.h>

static const struct ask_param params[] = {
#define PARAM(name, types, lowest, highest) {#name, types, lowest, highest},
#include "bench/responses_param.def"
#undef PARAM
};

static bool is_type(yyjson_val *v, const char *type) {
    return yyjson_equals_str(yyjson_obj_get(v, "type"), type);
}

/* ---- items ---- */

/* A message may leave its type out; every other item has one. */
static bool is_message(yyjson_val *item) {
    return is_type(item, "message") ||
           (!yyjson_obj_get(item, "type") && yyjson_obj_get(item, "role"));
}

static bool check_part(yyjson_val *part, const char *where, bool assistant, struct ask_error *e) {
    static const char *const inputs[] = {"input_text", "input_image", "input_file", "input_audio"};
    static const char *const outputs[] = {"output_text", "refusal"};
    const char *const *allowed = assistant ? outputs : inputs;
    size_t count = assistant ? 2 : 4, i = 0;
    char param[96];
    snprintf(param, sizeof param, "%.80s.type", where);
    if (!yyjson_is_str(yyjson_obj_get(part, "type")))
        return ask_refuse_missing(e, param);
    while (i < count && !is_type(part, allowed[i]))
        i++;
    if (i == count)
        return ask_refuse(e, "invalid_value", param,
                          "Invalid value: '%.40s'. Supported values are: '%s' and '%s'.",
                          yyjson_get_str(yyjson_obj_get(part, "type")), allowed[0], allowed[1]);
    snprintf(param, sizeof param, "%.80s.text", where);
    bool text = is_type(part, "input_text") || is_type(part, "output_text");
    return !text || yyjson_is_str(yyjson_obj_get(part, "text")) || ask_refuse_missing(e, param);
}

static bool check_message(yyjson_val *item, size_t index, struct ask_error *e) {
    static const char *const roles[] = {"user", "assistant", "system", "developer"};
    yyjson_val *role = yyjson_obj_get(item, "role"), *content = ask_given(item, "content"), *part;
    size_t known = 0, i, max;
    char param[96];
    while (known < 4 && !yyjson_equals_str(role, roles[known]))
        known++;
    snprintf(param, sizeof param, "input[%zu].role", index);
    if (known == 4)
        return ask_refuse(e, "invalid_value", param,
                          "Invalid value: '%.40s'. Supported values are: 'assistant', 'system', "
                          "'developer', and 'user'.",
                          yyjson_is_str(role) ? yyjson_get_str(role) : "");
    snprintf(param, sizeof param, "input[%zu].content", index);
    if (!content)
        return ask_refuse_missing(e, param);
    if (!ask_has_type(content, ASK_STRING | ASK_ARRAY))
        return ask_refuse_type(e, param, ASK_STRING | ASK_ARRAY, content);
    yyjson_arr_foreach(content, i, max, part) {
        snprintf(param, sizeof param, "input[%zu].content[%zu]", index, i);
        if (!check_part(part, param, known == 1, e))
            return false;
    }
    return true;
}

static bool check_strings(yyjson_val *item, size_t index, const char *const names[3],
                          struct ask_error *e) {
    for (int i = 0; i < 3 && names[i]; i++) {
        char param[96];
        snprintf(param, sizeof param, "input[%zu].%s", index, names[i]);
        if (!yyjson_is_str(yyjson_obj_get(item, names[i])))
            return ask_refuse_missing(e, param);
    }
    return true;
}

static bool check_item(yyjson_val *item, size_t index, struct ask_error *e) {
    static const char *const call[] = {"call_id", "name", "arguments"};
    static const char *const output[] = {"call_id", NULL, NULL};
    char param[64];
    snprintf(param, sizeof param, "input[%zu]", index);
    if (!yyjson_is_obj(item))
        return ask_refuse_type(e, param, ASK_OBJECT, item);
    if (is_message(item))
        return check_message(item, index, e);
    if (is_type(item, "function_call"))
        return check_strings(item, index, call, e);
    if (is_type(item, "function_call_output")) {
        snprintf(param, sizeof param, "input[%zu].output", index);
        return check_strings(item, index, output, e) &&
               (ask_given(item, "output") || ask_refuse_missing(e, param));
    }
    if (is_type(item, "reasoning")) {
        snprintf(param, sizeof param, "input[%zu].summary", index);
        return yyjson_is_arr(yyjson_obj_get(item, "summary")) || ask_refuse_missing(e, param);
    }
    if (is_type(item, "item_reference"))
        return ask_refuse(e, "", "input", "Item with id '%.64s' not found.",
                          yyjson_is_str(yyjson_obj_get(item, "id"))
                              ? yyjson_get_str(yyjson_obj_get(item, "id"))
                              : "");
    snprintf(param, sizeof param, "input[%zu].type", index);
    return ask_refuse(e, "invalid_value", param, "Invalid value: '%.40s'.",
                      yyjson_is_str(yyjson_obj_get(item, "type"))
                          ? yyjson_get_str(yyjson_obj_get(item, "type"))
                          : "");
}

/* Whether the input holds an item of `type` with this call_id. */
static bool has_call(yyjson_val *input, const char *type, yyjson_val *call_id) {
    yyjson_val *item;
    size_t i, max;
    yyjson_arr_foreach(input, i, max, item) if (is_type(item, type) &&
                                                yyjson_equals(yyjson_obj_get(item, "call_id"),
                                                              call_id)) return true;
    return false;
}

static bool check_pairs(yyjson_val *input, bool previous, struct ask_error *e) {
    yyjson_val *item;
    size_t i, max;
    yyjson_arr_foreach(input, i, max, item) {
        yyjson_val *id = yyjson_obj_get(item, "call_id");
        if (is_type(item, "function_call_output") && !previous &&
            !has_call(input, "function_call", id))
            return ask_refuse(e, "", "input",
                              "No tool call found for function call output with call_id %.64s.",
                              yyjson_get_str(id));
        if (is_type(item, "function_call") && !has_call(input, "function_call_output", id))
            return ask_refuse(e, "", "input", "No tool output found for function call %.64s.",
                              yyjson_get_str(id));
    }
    return true;
}

/* ---- tools ---- */

static yyjson_val *tool_named(yyjson_val *tools, const char *name) {
    yyjson_val *tool;
    size_t i, max;
    yyjson_arr_foreach(
        tools, i, max,
        tool) if (is_type(tool, "function") &&
                  (!name || yyjson_equals_str(yyjson_obj_get(tool, "name"), name))) return tool;
    return NULL;
}

/* Unlike in chat completions a function's name stands beside its type. */
static bool check_tools(yyjson_val *root, struct ask_error *e) {
    yyjson_val *tools = ask_given(root, "tools"), *tool, *choice = ask_given(root, "tool_choice");
    size_t i, max;
    yyjson_arr_foreach(tools, i, max, tool) {
        char param[64];
        snprintf(param, sizeof param, "tools[%zu].type", i);
        if (!yyjson_is_str(yyjson_obj_get(tool, "type")))
            return ask_refuse_missing(e, param);
        snprintf(param, sizeof param, "tools[%zu].name", i);
        if (is_type(tool, "function") && !yyjson_get_len(yyjson_obj_get(tool, "name")))
            return ask_refuse_missing(e, param);
    }
    const char *name = yyjson_get_str(yyjson_obj_get(choice, "name"));
    if (is_type(choice, "function") && (!name || !tool_named(tools, name)))
        return ask_refuse(e, "", "tool_choice",
                          "Tool choice 'function' not found in 'tools' parameter.");
    if (yyjson_is_str(choice) && !yyjson_equals_str(choice, "auto") &&
        !yyjson_equals_str(choice, "none") && !yyjson_equals_str(choice, "required"))
        return ask_refuse(
            e, "invalid_value", "tool_choice",
            "Invalid value: '%.40s'. Supported values are: 'none', 'auto', and 'required'.",
            yyjson_get_str(choice));
    return true;
}

/* ---- what the answer depends on ---- */

static void take_said(yyjson_val *input, struct bytes *said, bool *results) {
    yyjson_val *item, *part;
    size_t i, j, max, parts_max;
    ask_take_text(said, input);
    yyjson_arr_foreach(input, i, max, item) {
        yyjson_val *content = yyjson_obj_get(item, "content");
        *results = is_type(item, "function_call_output");
        if (!is_message(item) || !yyjson_equals_str(yyjson_obj_get(item, "role"), "user"))
            continue;
        bytes_clear(said);
        ask_take_text(said, content);
        yyjson_arr_foreach(content, j, parts_max, part)
            ask_take_text(said, yyjson_obj_get(part, "text"));
    }
}

static void take_wish(struct ask *ask, yyjson_val *root) {
    yyjson_val *choice = ask_given(root, "tool_choice");
    const char *name = yyjson_get_str(yyjson_obj_get(choice, "name"));
    yyjson_val *tool = tool_named(ask_given(root, "tools"), name);
    struct bytes said = {0};
    bool results = false;
    take_said(ask_given(root, "input"), &said, &results);
    bool forced = yyjson_equals_str(choice, "required") || is_type(choice, "function");
    struct ask_wish wish = {.said = &said,
                            .results = results,
                            .called = forced || (!yyjson_equals_str(choice, "none") &&
                                                 strncmp(bytes_text(&said), "echo:", 5) != 0),
                            .single = yyjson_is_false(ask_given(root, "parallel_tool_calls")),
                            .name = yyjson_obj_get(tool, "name"),
                            .schema = yyjson_obj_get(tool, "parameters")};
    ask_take_wish(ask, &wish);
    bytes_free(&said);
}

static bool check_state(yyjson_val *root, struct ask_error *e) {
    static const char *const names[] = {"conversation", "background", "prompt"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        yyjson_val *v = ask_given(root, names[i]);
        if (v && !yyjson_is_false(v))
            return ask_refuse(e, "unsupported_parameter", names[i],
                              "Unsupported parameter: '%s' is not supported with this model.",
                              names[i]);
    }
    return true;
}

static bool read_root(struct ask *ask, yyjson_val *root, struct ask_error *e) {
    yyjson_val *input = ask_given(root, "input"), *item, *v;
    size_t i, max;
    if (!ask_check_params(root, params, sizeof params / sizeof params[0], e))
        return false;
    if (!ask_given(root, "model"))
        return ask_refuse(e, "missing_required_parameter", "model",
                          "Missing required parameter: 'model'.");
    if (!input || (!yyjson_arr_size(input) && !yyjson_get_len(input)))
        return ask_refuse(e, "missing_required_parameter", "input",
                          "Missing required parameter: 'input'.");
    yyjson_arr_foreach(input, i, max, item) if (!check_item(item, i, e)) return false;
    v = ask_given(root, "previous_response_id");
    if (!check_pairs(input, v, e) || !check_tools(root, e) || !check_state(root, e))
        return false;
    ask_take_text(&ask->previous, v);
    ask_take_text(&ask->model, ask_given(root, "model"));
    ask->stream = yyjson_get_bool(ask_given(root, "stream"));
    ask->store = !yyjson_is_false(ask_given(root, "store"));
    v = ask_given(root, "stream_options");
    if (v && !ask->stream)
        return ask_refuse(
            e, "", "stream_options",
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.");
    ask->include_obfuscation = !yyjson_is_false(yyjson_obj_get(v, "include_obfuscation"));
    ask->max_tokens = (unsigned)yyjson_get_uint(ask_given(root, "max_output_tokens"));
    ask->thinking = ask_given(ask_given(root, "reasoning"), "summary") != NULL;
    ask_take_text(&ask->sim_file, yyjson_obj_get(ask_given(root, "metadata"), "sim_file"));
    take_wish(ask, root);
    return true;
}

bool format_responses_read(struct ask *ask, const struct format_request *request,
                           struct ask_error *e) {
    ask_clear(ask);
    yyjson_doc *doc = yyjson_read(request->body, request->size, YYJSON_READ_NOFLAG);
    bool ok = yyjson_is_obj(yyjson_doc_get_root(doc)) ? read_root(ask, yyjson_doc_get_root(doc), e)
                                                      : ask_refuse_json(e);
    ask->prompt_tokens = (unsigned)(request->size / ASK_BYTES_PER_TOKEN + 1);
    yyjson_doc_free(doc);
    return ok;
}
