/* openai_chat_toolbox.c - the tools that a client's chat request offers, and which of them the model
 * may choose. (pure)
 *
 *     {"type":"function","function":{name,description,parameters,strict}}
 *     {"type":"custom","custom":{name,description,format}}
 *     {"type":"web_search",...}                   of the provider itself: kept whole
 *     functions: [{name,description,parameters}]  the deprecated spelling
 *
 * Owns:     nothing; spans point into the body.
 * Promises: schemas are taken over as they are written. */
#include "providers/openai_chat_prompt.h"

/* --- tools --- */

/* Members that change how a call is streamed or where prompts are cached, not the answer. */
static int take_tool_member(struct openai_prompt *x, struct span where, struct span name,
                            struct span value) {
    bool hint =
        span_eq(name, SPAN("eager_input_streaming")) || span_eq(name, SPAN("defer_loading"));
    struct span at =
        openai_prompt_at(x, "%.*s.%.*s", (int)where.n, where.p, (int)min_size(name.n, 64), name.p);
    return openai_prompt_extra(x, at, value, hint);
}

/* What is inside `function`, `custom`, or is an element of `functions`. */
static int read_function(struct openai_prompt *x, struct span text, struct span where,
                         struct chat_tool *tool) {
    enum { NAME, DESCRIPTION, PARAMETERS, STRICT, CACHE_CONTROL, FORMAT, TYPE, COUNT };
    static const struct span names[COUNT] = {
        [NAME] = SPAN_CONST("name"),
        [DESCRIPTION] = SPAN_CONST("description"),
        [PARAMETERS] = SPAN_CONST("parameters"),
        [STRICT] = SPAN_CONST("strict"),
        [CACHE_CONTROL] = SPAN_CONST("cache_control"),
        [FORMAT] = SPAN_CONST("format"),
        [TYPE] = SPAN_CONST("type"),
    };
    struct openai_others others = {.take = take_tool_member, .where = where};
    struct span values[COUNT];
    struct json_token token;
    int rc = openai_prompt_members(x, text, names, COUNT, values, &others);
    if (rc == 0)
        rc = openai_prompt_plain(
            x, values[NAME], openai_prompt_at(x, "%.*s.name", (int)where.n, where.p), &tool->name);
    if (rc < 0)
        return rc;
    if (openai_string(values[DESCRIPTION], &token))
        tool->description = token.raw;
    tool->schema = values[tool->custom ? FORMAT : PARAMETERS];
    if (tool->schema.n && tool->schema.p[0] != '{')
        return openai_prompt_refuse(
            x, openai_prompt_at(x, "%.*s.parameters", (int)where.n, where.p), "give an object");
    if (values[STRICT].n)
        tool->strict = span_eq(values[STRICT], SPAN("true")) ? CHAT_YES : CHAT_NO;
    return openai_prompt_cache(x, values[CACHE_CONTROL], &tool->cache, &tool->cache_ttl);
}

static int read_tool(struct openai_prompt *x, struct span text, unsigned index) {
    enum { TYPE, FUNCTION, CUSTOM, CACHE_CONTROL, COUNT };
    static const struct span names[COUNT] = {
        [TYPE] = SPAN_CONST("type"),
        [FUNCTION] = SPAN_CONST("function"),
        [CUSTOM] = SPAN_CONST("custom"),
        [CACHE_CONTROL] = SPAN_CONST("cache_control"),
    };
    struct openai_others others = {.where = openai_prompt_at(x, "tools[%u]", index)};
    struct span values[COUNT], unused[COUNT];
    int rc = openai_prompt_members(x, text, names, COUNT, values, &others);
    if (rc < 0)
        return rc;
    struct chat_tool *tool = chat_add_tool(x->prompt, x->arena);
    if (!tool)
        return openai_prompt_memory(x);
    tool->custom = openai_is_word(values[TYPE], SPAN("custom"));
    if (!tool->custom && !openai_is_word(values[TYPE], SPAN("function"))) {
        tool->schema = text;
        return openai_prompt_plain(x, values[TYPE], openai_prompt_at(x, "tools[%u].type", index),
                                   &tool->hosted);
    }
    /* Now that it is no hosted tool, which keeps all its members, what is unknown must be told. */
    others.take = take_tool_member;
    rc = openai_prompt_members(x, text, names, COUNT, unused, &others);
    if (rc == 0)
        rc = read_function(
            x, values[tool->custom ? CUSTOM : FUNCTION],
            openai_prompt_at(x, "tools[%u].%s", index, tool->custom ? "custom" : "function"), tool);
    return rc < 0 ? rc
                  : openai_prompt_cache(x, values[CACHE_CONTROL], &tool->cache, &tool->cache_ttl);
}

static int read_function_tool(struct openai_prompt *x, struct span text, unsigned index) {
    struct chat_tool *tool = chat_add_tool(x->prompt, x->arena);
    if (!tool)
        return openai_prompt_memory(x);
    return read_function(x, text, openai_prompt_at(x, "functions[%u]", index), tool);
}

static int read_list(struct openai_prompt *x, struct span list, const char *name,
                     int (*read)(struct openai_prompt *, struct span, unsigned)) {
    struct json json;
    struct json_token token;
    struct span element;
    if (!list.n)
        return 0;
    json_init(&json, list);
    if (json_next(&json, &token) != JSON_ARRAY)
        return openai_prompt_refuse(x, span_str(name), "give an array of objects");
    for (unsigned index = 0; json_value(&json, &element); index++) {
        int rc = read(x, element, index);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int openai_prompt_tools(struct openai_prompt *x, struct span tools, struct span functions) {
    int rc = read_list(x, tools, "tools", read_tool);
    return rc < 0 ? rc : read_list(x, functions, "functions", read_function_tool);
}

/* --- the choice among them --- */

static const struct {
    struct span word;
    enum chat_choose choose;
} choice_words[] = {
    {SPAN_CONST("auto"), CHAT_CHOOSE_AUTO},
    {SPAN_CONST("none"), CHAT_CHOOSE_NONE},
    {SPAN_CONST("required"), CHAT_CHOOSE_ANY},
    {SPAN_CONST("any"), CHAT_CHOOSE_ANY}, /* Mistral */
};

static enum chat_choose choice_of_word(struct span value) {
    for (unsigned i = 0; i < countof(choice_words); i++)
        if (openai_is_word(value, choice_words[i].word))
            return choice_words[i].choose;
    return CHAT_CHOOSE_UNSAID;
}

/* {"type":"function","function":{"name"}}, or custom; deprecated and Responses: {"name"}. */
static int read_name(struct openai_prompt *x, struct span text, struct span where,
                     struct span *out) {
    enum { FUNCTION, CUSTOM, NAME, COUNT };
    static const struct span names[COUNT] = {
        [FUNCTION] = SPAN_CONST("function"),
        [CUSTOM] = SPAN_CONST("custom"),
        [NAME] = SPAN_CONST("name"),
    };
    struct openai_others others = {.where = where};
    struct span values[COUNT], inner;
    int rc = openai_prompt_members(x, text, names, COUNT, values, &others);
    inner = values[FUNCTION].n ? values[FUNCTION] : values[CUSTOM];
    if (rc == 0 && inner.n)
        rc = openai_prompt_members(x, inner, names, COUNT, values, &others);
    return rc < 0 ? rc : openai_prompt_plain(x, values[NAME], where, out);
}

/* {"mode":"auto","tools":[{"type":"function","function":{"name"}}]} */
static int read_allowed(struct openai_prompt *x, struct span text) {
    enum { MODE, TOOLS, COUNT };
    static const struct span names[COUNT] = {
        [MODE] = SPAN_CONST("mode"),
        [TOOLS] = SPAN_CONST("tools"),
    };
    static const struct openai_others others = {.where = SPAN_CONST("tool_choice.allowed_tools")};
    struct span values[COUNT], element, name;
    struct json json;
    struct json_token token;
    int rc = openai_prompt_members(x, text, names, COUNT, values, &others);
    if (rc < 0)
        return rc;
    x->prompt->choose = choice_of_word(values[MODE]);
    json_init(&json, values[TOOLS]);
    if (json_next(&json, &token) != JSON_ARRAY || x->prompt->choose == CHAT_CHOOSE_UNSAID)
        return openai_prompt_refuse(x, others.where,
                                    "give `mode` as \"auto\" or \"required\", and `tools`");
    while (json_value(&json, &element)) {
        rc = read_name(x, element, SPAN("tool_choice.allowed_tools.tools"), &name);
        if (rc < 0)
            return rc;
        if (x->prompt->allowed_count == CHAT_ALLOWED_MAX)
            return openai_prompt_refuse(x, others.where, "name fewer tools; 256 are allowed");
        if (!chat_allow(x->prompt, x->arena, name))
            return openai_prompt_memory(x);
    }
    /* Without a list all tools may be chosen, which is the opposite of none. */
    return x->prompt->allowed
               ? 0
               : openai_prompt_refuse(x, others.where, "name at least one tool, or say \"none\"");
}

int openai_prompt_choice(struct openai_prompt *x, struct span tool_choice,
                         struct span function_call) {
    enum { TYPE, ALLOWED, COUNT };
    static const struct span names[COUNT] = {
        [TYPE] = SPAN_CONST("type"),
        [ALLOWED] = SPAN_CONST("allowed_tools"),
    };
    struct span value = tool_choice.n ? tool_choice : function_call;
    struct openai_others others = {.where =
                                       tool_choice.n ? SPAN("tool_choice") : SPAN("function_call")};
    struct span values[COUNT];
    if (!value.n)
        return 0;
    x->prompt->choose = choice_of_word(value);
    if (x->prompt->choose != CHAT_CHOOSE_UNSAID)
        return 0;
    if (value.p[0] != '{')
        return openai_prompt_refuse(x, others.where,
                                    "give \"auto\", \"none\", \"required\" or the name of a tool "
                                    "in an object");
    int rc = openai_prompt_members(x, value, names, COUNT, values, &others);
    if (rc < 0)
        return rc;
    if (openai_is_word(values[TYPE], SPAN("allowed_tools")))
        return read_allowed(x, values[ALLOWED].n ? values[ALLOWED] : value);
    x->prompt->choose = CHAT_CHOOSE_NAMED;
    return read_name(x, value, others.where, &x->prompt->choose_name);
}
