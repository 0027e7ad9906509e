/* openai_responses_toolbox.c - the members `tools` and `tool_choice` of a client's Responses request.
 * (pure)
 *
 *     {"type":"function","name":..}, {"type":"custom","name":..}   tools of the client
 *     {"type":"web_search"}                                        a hosted one, kept as it is
 *
 * Promises: a hosted tool is kept whole, for its own API alone can say it.
 * Refuses:  tools without a name; a choice among no tools, which would else be one among all. */
#include "providers/openai_chat.h"
#include "providers/openai_responses.h"

static const struct span choice_name = SPAN_CONST("tool_choice");

enum { TYPE, NAME, DESCRIPTION, PARAMETERS, STRICT, FORMAT, TOOL_COUNT };
static const struct span tool_names[TOOL_COUNT] = {
    [TYPE] = SPAN_CONST("type"),
    [NAME] = SPAN_CONST("name"),
    [DESCRIPTION] = SPAN_CONST("description"),
    [PARAMETERS] = SPAN_CONST("parameters"),
    [STRICT] = SPAN_CONST("strict"),
    [FORMAT] = SPAN_CONST("format"),
};

static int read_tool(struct openai_responses_prompting *x, struct span value, unsigned index) {
    struct json_token members[TOOL_COUNT];
    struct span where = arena_printf(x->arena, "tools[%u]", index);
    if (!openai_responses_members(value, tool_names, TOOL_COUNT, members) ||
        !openai_responses_string(&members[TYPE]).n)
        return openai_responses_refuse_kind(x, where, "an object with a `type`");
    struct chat_tool *tool = chat_add_tool(x->prompt, x->arena);
    if (!tool)
        return openai_responses_refuse_memory(x);
    bool function = json_is(&members[TYPE], SPAN("function"));
    tool->custom = json_is(&members[TYPE], SPAN("custom"));
    if (!function && !tool->custom) {
        tool->hosted = members[TYPE].raw;
        tool->schema = value;
        return 0;
    }
    tool->name = chat_plain(&members[NAME], x->arena);
    if (members[NAME].kind != JSON_STRING || !tool->name.n)
        return openai_responses_refuse_kind(x, where, "an object with a `name`, beside its `type`");
    tool->description = openai_responses_string(&members[DESCRIPTION]);
    const struct json_token *schema = &members[tool->custom ? FORMAT : PARAMETERS];
    if (schema->kind != JSON_NULL && schema->kind != JSON_OBJECT)
        return openai_responses_refuse_kind(x, where,
                                            "an object whose `parameters` are a JSON schema");
    tool->schema = schema->kind == JSON_OBJECT ? schema->raw : span_of(NULL, 0);
    return openai_responses_read_flag(x, &members[STRICT], SPAN("tools.strict"), &tool->strict);
}

int openai_responses_read_tools(struct openai_responses_prompting *x,
                                const struct json_token *value) {
    struct json json;
    struct json_token token;
    struct span element;
    int rc = 0;
    if (value->kind == JSON_NULL)
        return 0;
    if (value->kind != JSON_ARRAY)
        return openai_responses_refuse_kind(x, SPAN("tools"), "an array of tools");
    json_init(&json, value->raw);
    json_next(&json, &token);
    for (unsigned index = 0; rc == 0 && json_value(&json, &element); index++)
        rc = read_tool(x, element, index);
    return rc;
}

/* allowed_tools: {"type","mode":"auto"|"required","tools":[{"type","name"}]}. */
static int read_allowed(struct openai_responses_prompting *x, struct span value) {
    static const struct span names[] = {SPAN_CONST("mode"), SPAN_CONST("tools")},
                             name_path[] = {SPAN_CONST("name")};
    struct json_token members[countof(names)], token;
    struct json json;
    struct span element;
    if (!openai_responses_members(value, names, countof(names), members) ||
        members[1].kind != JSON_ARRAY)
        return openai_responses_refuse_kind(x, choice_name,
                                            "allowed_tools with `mode` and `tools`");
    bool required = members[0].kind == JSON_STRING && json_is(&members[0], SPAN("required"));
    x->prompt->choose = required ? CHAT_CHOOSE_ANY : CHAT_CHOOSE_AUTO;
    json_init(&json, members[1].raw);
    json_next(&json, &token);
    while (json_value(&json, &element)) {
        struct span name = {NULL, 0};
        if (json_find(element, name_path, 1, &token) && token.kind == JSON_STRING)
            name = chat_plain(&token, x->arena);
        if (name.n && x->prompt->allowed_count == CHAT_ALLOWED_MAX)
            return openai_responses_refuse_kind(x, choice_name,
                                                "allowed_tools with at most 256 `tools`");
        if (name.n && !chat_allow(x->prompt, x->arena, name))
            return openai_responses_refuse_memory(x);
    }
    /* Without a list all tools may be chosen, which is the opposite of none. */
    return x->prompt->allowed
               ? 0
               : openai_responses_refuse_kind(x, choice_name,
                                              "allowed_tools with at least one `name` in `tools`");
}

int openai_responses_read_choice(struct openai_responses_prompting *x,
                                 const struct json_token *value) {
    struct json_token members[TOOL_COUNT];
    struct chat_prompt *prompt = x->prompt;
    if (value->kind == JSON_NULL)
        return 0;
    if (value->kind == JSON_STRING) {
        prompt->choose = json_is(value, SPAN("auto"))       ? CHAT_CHOOSE_AUTO
                         : json_is(value, SPAN("none"))     ? CHAT_CHOOSE_NONE
                         : json_is(value, SPAN("required")) ? CHAT_CHOOSE_ANY
                                                            : CHAT_CHOOSE_UNSAID;
        if (prompt->choose != CHAT_CHOOSE_UNSAID)
            return 0;
    }
    if (value->kind != JSON_OBJECT ||
        !openai_responses_members(value->raw, tool_names, TOOL_COUNT, members) ||
        members[TYPE].kind != JSON_STRING)
        return openai_responses_refuse_kind(x, choice_name,
                                            "auto, none, required, or an object that names a tool");
    if (json_is(&members[TYPE], SPAN("allowed_tools")))
        return read_allowed(x, value->raw);
    if (!json_is(&members[TYPE], SPAN("function")) && !json_is(&members[TYPE], SPAN("custom")))
        return openai_responses_add_extra(x, choice_name, value, false); /* a hosted tool */
    prompt->choose = CHAT_CHOOSE_NAMED;
    prompt->choose_name = chat_plain(&members[NAME], x->arena);
    return members[NAME].kind == JSON_STRING && prompt->choose_name.n
               ? 0
               : openai_responses_refuse_kind(x, choice_name, "an object with the tool's `name`");
}
