/* format_anthropic_check.c (pure) - the rules of a Messages request beyond its shape: turns, calls and
 * their results, tools, thinking and sampling, with messages like the real ones. */
#include "bench/format_anthropic.h"

#include <stdio.h>
#include <string.h>

enum {
    TOOL_NAME_MAX = 128,
    CALLS_MAX = 64 /* of one turn that the check follows */
};

static const char NAME_LETTERS[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

/* Models that take no sampling parameters and only adaptive thinking. */
static const char *const FIXED_SAMPLING[] = {"opus-4-7", "opus-4-8", "opus-5",
                                             "sonnet-5", "fable-5",  "mythos-5"};
static const size_t FIXED_COUNT = sizeof FIXED_SAMPLING / sizeof FIXED_SAMPLING[0];

#define REFUSE(...) ask_error_set(e, 400, "invalid_request_error", __VA_ARGS__)

/* ---- messages ---- */

static bool is_type(yyjson_val *v, const char *type) {
    return yyjson_equals_str(yyjson_obj_get(v, "type"), type);
}

static bool is_role(yyjson_val *m, const char *role) {
    return yyjson_equals_str(yyjson_obj_get(m, "role"), role);
}

static bool check_roles(yyjson_val *messages, struct ask_error *e) {
    yyjson_val *m;
    size_t i, max;
    if (!yyjson_arr_size(messages))
        return REFUSE("messages: at least one message is required");
    yyjson_arr_foreach(
        messages, i, max,
        m) if (!is_role(m, "user") &&
               !is_role(m, "assistant")) return REFUSE("messages.%zu.role: Input should be 'user' "
                                                       "or 'assistant'",
                                                       i);
    return is_role(yyjson_arr_get_first(messages), "user") ||
           REFUSE("messages: first message must use the \"user\" role");
}

static bool all_blank(const char *s) { return !s[strspn(s, " \t\r\n")]; }

static bool check_block(yyjson_val *b, size_t i, size_t j, bool user, struct ask_error *e) {
    const char *said = yyjson_get_str(yyjson_obj_get(b, "text"));
    const char *id =
        yyjson_get_str(yyjson_obj_get(b, is_type(b, "tool_use") ? "id" : "tool_use_id"));
    if (is_type(b, "text") && !*said)
        return REFUSE("messages: text content blocks must be non-empty");
    if (is_type(b, "text") && all_blank(said))
        return REFUSE("messages: text content blocks must contain non-whitespace text");
    if (id && (!*id || id[strspn(id, NAME_LETTERS)]))
        return REFUSE("messages.%zu.content.%zu.%s.%s: String should match pattern "
                      "'^[a-zA-Z0-9_-]+$'",
                      i, j, is_type(b, "tool_use") ? "tool_use" : "tool_result",
                      is_type(b, "tool_use") ? "id" : "tool_use_id");
    if (is_type(b, "tool_use") && user)
        return REFUSE("messages.%zu: `tool_use` blocks can only be in `assistant` messages", i);
    if (is_type(b, "tool_result") && !user)
        return REFUSE("messages.%zu: `tool_result` blocks can only be in `user` messages", i);
    if (is_type(b, "thinking")) {
        const char *signature = yyjson_get_str(yyjson_obj_get(b, "signature"));
        if (user)
            return REFUSE("messages.%zu.content.%zu: `thinking` blocks can only be in `assistant` "
                          "messages",
                          i, j);
        if (strncmp(signature, FORMAT_SIGNED_CLAUDE, strlen(FORMAT_SIGNED_CLAUDE)))
            return REFUSE("messages.%zu.content.%zu: Invalid `signature` in `thinking` block", i,
                          j);
    }
    return true;
}

static bool check_texts(yyjson_val *messages, struct ask_error *e) {
    yyjson_val *m, *b;
    size_t i, j, max, blocks_max;
    yyjson_arr_foreach(messages, i, max, m) {
        yyjson_val *content = yyjson_obj_get(m, "content");
        bool user = is_role(m, "user"), last = i + 1 == max;
        bool empty = !yyjson_get_len(content) && !yyjson_arr_size(content);
        if (empty && (user || !last))
            return REFUSE("messages.%zu: all messages must have non-empty content except for the "
                          "optional final assistant message",
                          i);
        yyjson_arr_foreach(content, j, blocks_max,
                           b) if (!check_block(b, i, j, user, e)) return false;
        if (user || !last)
            continue;
        b = yyjson_is_str(content) ? content : yyjson_obj_get(yyjson_arr_get_last(content), "text");
        size_t len = yyjson_get_len(b);
        if (len && strchr(" \t\r\n", yyjson_get_str(b)[len - 1]))
            return REFUSE("messages: final assistant content cannot end with trailing whitespace");
    }
    return true;
}

/* The calls of the assistant turn before, and which of them have been answered. */
struct calls {
    const char *id[CALLS_MAX];
    bool answered[CALLS_MAX];
    size_t count;
};

static void calls_note(struct calls *c, yyjson_val *content) {
    yyjson_val *b;
    size_t i, max;
    yyjson_arr_foreach(content, i, max, b) if (is_type(b, "tool_use") && c->count < CALLS_MAX) {
        c->answered[c->count] = false;
        c->id[c->count++] = yyjson_get_str(yyjson_obj_get(b, "id"));
    }
}

static bool calls_answer(struct calls *c, yyjson_val *content, size_t message_index, bool *others,
                         struct ask_error *e) {
    yyjson_val *b;
    size_t i, max;
    yyjson_arr_foreach(content, i, max, b) {
        const char *id = yyjson_get_str(yyjson_obj_get(b, "tool_use_id"));
        size_t at = 0;
        if (!is_type(b, "tool_result")) {
            *others = true;
            continue;
        }
        while (at < c->count && strcmp(c->id[at], id))
            at++;
        /* Results behind other content count as missing: they have to come first. */
        if (at == c->count || *others)
            return REFUSE("messages.%zu.content.%zu: unexpected `tool_use_id` found in "
                          "`tool_result` blocks: %.64s. Each `tool_result` block must have a "
                          "corresponding `tool_use` block in the previous message.",
                          message_index, i, id);
        if (c->answered[at])
            return REFUSE("messages.%zu.content.%zu: each tool_use must have a single result. "
                          "Found multiple `tool_result` blocks with id: %.64s",
                          message_index, i, id);
        c->answered[at] = true;
    }
    return true;
}

static bool calls_all_answered(const struct calls *c, size_t message_index, struct ask_error *e) {
    for (size_t i = 0; i < c->count; i++)
        if (!c->answered[i])
            return REFUSE("messages.%zu: `tool_use` ids were found without `tool_result` blocks "
                          "immediately after: %.64s. Each `tool_use` block must have a "
                          "corresponding `tool_result` block in the next message.",
                          message_index, c->id[i]);
    return true;
}

/* Messages of one role in a row are one turn: the vendor joins them. */
static bool check_pairs(yyjson_val *messages, struct ask_error *e) {
    struct calls calls = {.count = 0};
    bool was_user = true, others = false;
    yyjson_val *m;
    size_t i, max, called_at = 0;
    yyjson_arr_foreach(messages, i, max, m) {
        bool user = is_role(m, "user");
        yyjson_val *content = yyjson_obj_get(m, "content");
        if (!user && was_user) {
            if (!calls_all_answered(&calls, called_at, e))
                return false;
            calls.count = 0;
            called_at = i;
        }
        if (user && !was_user)
            others = false;
        if (user)
            others |= yyjson_is_str(content);
        if (!(user ? calls_answer(&calls, content, i, &others, e) : true))
            return false;
        if (!user)
            calls_note(&calls, content);
        was_user = user;
    }
    return calls_all_answered(&calls, called_at, e);
}

/* ---- tools ---- */

static yyjson_val *tool_named(yyjson_val *tools, const char *name) {
    yyjson_val *tool;
    size_t i, max;
    yyjson_arr_foreach(tools, i, max,
                       tool) if (!name ||
                                 yyjson_equals_str(yyjson_obj_get(tool, "name"), name)) return tool;
    return NULL;
}

static bool check_tool(yyjson_val *tools, yyjson_val *tool, size_t i, struct ask_error *e) {
    static const char *const known[] = {
        "type",   "name",          "description",    "input_schema",    "cache_control",
        "strict", "defer_loading", "input_examples", "allowed_callers", "eager_input_streaming"};
    const char *type = yyjson_get_str(yyjson_obj_get(tool, "type"));
    const char *name = yyjson_get_str(yyjson_obj_get(tool, "name"));
    yyjson_val *schema = yyjson_obj_get(tool, "input_schema"), *key, *v;
    size_t at, max;
    if (type && strcmp(type, "custom"))
        return true; /* a tool that runs at the vendor */
    if (!name)
        return REFUSE("tools.%zu.custom.name: Field required", i);
    if (!*name || strlen(name) > TOOL_NAME_MAX || name[strspn(name, NAME_LETTERS)])
        return REFUSE("tools.%zu.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'",
                      i);
    if (tool_named(tools, name) != tool)
        return REFUSE("tools: Tool names must be unique.");
    if (!yyjson_is_obj(schema))
        return REFUSE("tools.%zu.custom.input_schema: Field required", i);
    if (!is_type(schema, "object"))
        return REFUSE("tools.%zu.custom.input_schema.type: Input should be 'object'", i);
    yyjson_obj_foreach(tool, at, max, key, v) {
        size_t k = 0;
        while (k < sizeof known / sizeof known[0] && !yyjson_equals_str(key, known[k]))
            k++;
        if (k == sizeof known / sizeof known[0])
            return REFUSE("tools.%zu.custom.%.40s: Extra inputs are not permitted", i,
                          yyjson_get_str(key));
    }
    return true;
}

static bool check_tools(yyjson_val *root, struct ask_error *e) {
    yyjson_val *tools = yyjson_obj_get(root, "tools"), *tool;
    yyjson_val *chosen = yyjson_obj_get(root, "tool_choice");
    size_t i, max;
    yyjson_arr_foreach(tools, i, max, tool) if (!check_tool(tools, tool, i, e)) return false;
    if (!yyjson_is_obj(chosen))
        return true;
    if (!yyjson_arr_size(tools))
        return REFUSE("tool_choice: `tool_choice` may only be specified while providing `tools`.");
    const char *name = yyjson_get_str(yyjson_obj_get(chosen, "name"));
    return !is_type(chosen, "tool") || tool_named(tools, name) ||
           REFUSE("tool_choice: Tool '%.64s' not found in provided tools", name);
}

/* ---- thinking and sampling ---- */

static bool model_in(const char *model, const char *const *list, size_t list_count) {
    for (size_t i = 0; i < list_count; i++)
        if (strstr(model, list[i]))
            return true;
    return false;
}

static bool check_sampling(yyjson_val *root, const char *model, struct ask_error *e) {
    yyjson_val *temperature = yyjson_obj_get(root, "temperature"),
               *top_p = yyjson_obj_get(root, "top_p"), *top_k = yyjson_obj_get(root, "top_k");
    yyjson_val *stop = yyjson_obj_get(root, "stop_sequences"), *item;
    size_t i, max;
    yyjson_arr_foreach(stop, i, max, item) {
        if (!yyjson_is_str(item))
            return REFUSE("stop_sequences.%zu: Input should be a valid string", i);
        if (all_blank(yyjson_get_str(item)))
            return REFUSE("stop_sequences: each stop sequence must contain non-whitespace");
    }
    bool fixed = model_in(model, FIXED_SAMPLING, FIXED_COUNT);
    if (fixed && (temperature || top_p || top_k))
        return REFUSE("`%s` is not supported for this model.", temperature ? "temperature"
                                                               : top_p     ? "top_p"
                                                                           : "top_k");
    if (temperature && top_p && !strncmp(model, "claude-", 7) && strncmp(model, "claude-3", 8))
        return REFUSE("`temperature` and `top_p` cannot both be specified for this model. Please "
                      "use only one.");
    if (fixed && is_type(yyjson_obj_get(root, "thinking"), "enabled"))
        return REFUSE("\"thinking.type.enabled\" is not supported for this model. Use "
                      "\"thinking.type.adaptive\" and \"output_config.effort\" to control thinking "
                      "behavior.");
    return true;
}

/* With thinking on, the turn that called tools must come back with its thoughts in front. */
static bool check_last_thoughts(yyjson_val *messages, struct ask_error *e) {
    size_t count_of = yyjson_arr_size(messages);
    yyjson_val *last = count_of > 1 ? yyjson_arr_get(messages, count_of - 2) : NULL;
    yyjson_val *content = yyjson_obj_get(last, "content"), *b;
    size_t i, max;
    bool calls = false;
    yyjson_arr_foreach(content, i, max, b) calls |= is_type(b, "tool_use");
    yyjson_val *first = yyjson_arr_get_first(content);
    if (!is_role(last, "assistant") || !calls || is_type(first, "thinking") ||
        is_type(first, "redacted_thinking"))
        return true;
    return REFUSE("messages.%zu.content.0.type: Expected `thinking` or `redacted_thinking`, but "
                  "found `%s`. When `thinking` is enabled, a final `assistant` message must start "
                  "with a thinking block (preceeding the lastmost set of `tool_use` and "
                  "`tool_result` blocks).",
                  count_of - 2, yyjson_get_str(yyjson_obj_get(first, "type")));
}

static bool check_thinking(yyjson_val *root, struct ask_error *e) {
    yyjson_val *wanted = yyjson_obj_get(root, "thinking"),
               *chosen = yyjson_obj_get(root, "tool_choice"),
               *temperature = yyjson_obj_get(root, "temperature"),
               *max_tokens = yyjson_obj_get(root, "max_tokens");
    if (!wanted || is_type(wanted, "disabled"))
        return true;
    yyjson_val *budget = yyjson_obj_get(wanted, "budget_tokens");
    if (budget && max_tokens && yyjson_get_sint(budget) >= yyjson_get_sint(max_tokens))
        return REFUSE("`max_tokens` must be greater than `thinking.budget_tokens`.");
    if (temperature && yyjson_get_num(temperature) < 1)
        return REFUSE("`temperature` may only be set to 1 when thinking is enabled.");
    if (yyjson_obj_get(root, "top_k"))
        return REFUSE("`top_k` must be unset when thinking is enabled.");
    bool forced = is_type(chosen, "any") || is_type(chosen, "tool");
    if (forced && is_type(wanted, "enabled")) /* adaptive thinking is left out then */
        return REFUSE("Thinking may not be enabled when tool_choice forces tool use.");
    return check_last_thoughts(yyjson_obj_get(root, "messages"), e);
}

/* ---- all of them ---- */

bool format_anthropic_check(yyjson_val *root, const char *model, struct ask_error *e) {
    yyjson_val *messages = yyjson_obj_get(root, "messages");
    return check_roles(messages, e) && check_texts(messages, e) && check_pairs(messages, e) &&
           check_tools(root, e) && check_sampling(root, model, e) && check_thinking(root, e);
}

bool format_anthropic_hides_thoughts(const char *model) {
    return model_in(model, FIXED_SAMPLING, FIXED_COUNT);
}

yyjson_val *format_anthropic_tool(yyjson_val *tools, const char *name) {
    return tool_named(tools, name);
}
