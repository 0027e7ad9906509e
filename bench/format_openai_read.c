/* format_openai_read.c (pure) - reads a chat completion request as strictly as OpenAI does.
 *
 * Promises: every refusal is the provider's: status, type, code, the parameter's name and a message
 *           like the real one. The order of checks is JSON, unknown members, types, then meaning.
 * Refuses:  unknown members, wrong types, numbers out of range, roles and tool choices that do not
 *           exist.
 */
#include "bench/ask_check.h"
#include "bench/format_openai.h"

#include <stdio.h>
#include <string.h>

static const struct ask_param params[] = {
#define PARAM(name, types, lowest, highest) {#name, types, lowest, highest},
#include "bench/ask_param.def"
#undef PARAM
};

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

/* Here a tool is called only when the text says "use tool" (or "use tools"), or tool_choice says so:
 * most tests of this format want a text in spite of tools. */
static void take_mode(struct ask *ask, yyjson_val *root, const struct ask_tool_choice *choice) {
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
    bool wished = strstr(bytes_text(&text), "use tool") && last == last_user && !choice->forbidden;
    yyjson_val *function =
        choice->function ? choice->function : ask_tool_find(ask_given(root, "tools"), NULL);
    /* Mistral's and DeepSeek's word for it, Moonshot's and DashScope's, and vLLM's. */
    bool goes_on = yyjson_is_true(yyjson_obj_get(last, "prefix")) ||
                   yyjson_is_true(yyjson_obj_get(last, "partial")) ||
                   yyjson_is_true(yyjson_obj_get(root, "continue_final_message"));
    struct ask_wish wish = {.said = &text,
                            .begun = goes_on ? last : NULL,
                            .called = choice->forced || wished,
                            .single = yyjson_is_false(ask_given(root, "parallel_tool_calls")),
                            .name = yyjson_obj_get(function, "name"),
                            .schema = yyjson_obj_get(function, "parameters")};
    ask_take_wish(ask, &wish);
    bytes_free(&text);
}

static bool read_root(struct ask *ask, yyjson_val *root, bool model_in_path, struct ask_error *e) {
    yyjson_val *v;
    struct ask_tool_choice choice = {0};
    if (!yyjson_is_obj(root))
        return ask_refuse(e, "", "",
                          "We could not parse the JSON body of your request. (HINT: The OpenAI "
                          "API expects a JSON object, but what was sent was %s.)",
                          ask_value_name(root));
    if (!ask_check_params(root, params, sizeof params / sizeof params[0], e))
        return false;
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
    ask_take_text(&ask->model, ask_given(root, "model"));
    ask_take_text(&ask->sim_file, yyjson_obj_get(ask_given(root, "metadata"), "sim_file"));
    take_mode(ask, root, &choice);
    return true;
}

bool format_openai_read(struct ask *ask, const struct format_request *request,
                        struct ask_error *e) {
    ask_clear(ask);
    yyjson_doc *doc = yyjson_read(request->body, request->size, YYJSON_READ_NOFLAG);
    if (!doc)
        return ask_refuse_json(e);
    bool ok = read_root(ask, yyjson_doc_get_root(doc), request->model_in_path, e);
    ask->prompt_tokens = (unsigned)(request->size / ASK_BYTES_PER_TOKEN + 1);
    yyjson_doc_free(doc);
    return ok;
}
