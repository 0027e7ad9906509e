/* anthropic_prompt.c - reads a Messages body into the canonical prompt, for backends of another
 * dialect. (pure)
 *
 * Owns:     nothing; texts are the body's, what had to be decoded lies in the arena.
 * Promises: each member has one of three fates: it has a canonical meaning, it is a hint, or it is an
 *           extra that a writer must lose aloud.
 * Refuses:  what read_request let pass unread and is not of the API's shape. */
#include <limits.h>

#include "net/http.h"
#include "providers/anthropic.h"

enum {
    MODEL,
    STREAM,
    SYSTEM,
    MESSAGES,
    MAX_TOKENS,
    TEMPERATURE,
    TOP_P,
    TOP_K,
    STOP_SEQUENCES,
    TOOLS,
    TOOL_CHOICE,
    THINKING,
    OUTPUT_CONFIG,
    OUTPUT_FORMAT, /* the older spelling of output_config.format */
    METADATA,
    SERVICE_TIER,
    CACHE_CONTROL, /* of the whole request: where to cache is the provider's choice */
    VERSION,
    TOP_COUNT
};
static const struct span top_names[TOP_COUNT] = {
    [MODEL] = SPAN_CONST("model"),
    [STREAM] = SPAN_CONST("stream"),
    [SYSTEM] = SPAN_CONST("system"),
    [MESSAGES] = SPAN_CONST("messages"),
    [MAX_TOKENS] = SPAN_CONST("max_tokens"),
    [TEMPERATURE] = SPAN_CONST("temperature"),
    [TOP_P] = SPAN_CONST("top_p"),
    [TOP_K] = SPAN_CONST("top_k"),
    [STOP_SEQUENCES] = SPAN_CONST("stop_sequences"),
    [TOOLS] = SPAN_CONST("tools"),
    [TOOL_CHOICE] = SPAN_CONST("tool_choice"),
    [THINKING] = SPAN_CONST("thinking"),
    [OUTPUT_CONFIG] = SPAN_CONST("output_config"),
    [OUTPUT_FORMAT] = SPAN_CONST("output_format"),
    [METADATA] = SPAN_CONST("metadata"),
    [SERVICE_TIER] = SPAN_CONST("service_tier"),
    [CACHE_CONTROL] = SPAN_CONST("cache_control"),
    [VERSION] = SPAN_CONST("anthropic_version"),
};

int anthropic_refuse_memory(struct anthropic_prompting *x) {
    *x->param = SPAN("");
    *x->why = SPAN("There is no memory for this request; try again later.");
    return -FAIL_OVERLOAD;
}

int anthropic_refuse(struct anthropic_prompting *x, struct span param, const char *what) {
    if (!param.p)
        return anthropic_refuse_memory(x);
    *x->param = param;
    *x->why = arena_printf(x->arena, "%.*s: %s.", (int)param.n, param.p, what);
    return x->why->p ? -FAIL_BAD_REQUEST : anthropic_refuse_memory(x);
}

bool anthropic_read_mark(struct anthropic_prompting *x, struct span value, bool *cache,
                         struct span *ttl) {
    static const struct span path[] = {SPAN_CONST("ttl")};
    struct json_token token;
    if (span_eq(value, SPAN("null")))
        return true;
    if (value.p[0] != '{')
        return false;
    *cache = true;
    if (json_find(value, path, countof(path), &token) && token.kind == JSON_STRING)
        *ttl = chat_plain(&token, x->arena);
    return true;
}

static int add_extra(struct anthropic_prompting *x, struct span name, struct span value,
                     bool hint) {
    if (!name.p || !chat_add_extra(x->prompt, x->arena, name, value, hint))
        return anthropic_refuse_memory(x);
    return 0;
}

/* null, false: as if it had not been said. */
static bool is_nothing(struct span value) {
    return span_eq(value, SPAN("null")) || span_eq(value, SPAN("false"));
}

/* --- simple members --- */

static int read_knob(struct anthropic_prompting *x, struct span value, unsigned member) {
    struct chat_knob *knob = member == TEMPERATURE ? &x->prompt->temperature
                             : member == TOP_P     ? &x->prompt->top_p
                                                   : &x->prompt->top_k;
    double number;
    if (span_eq(value, SPAN("null")))
        return 0;
    if (!span_double(value, &number))
        return anthropic_refuse(x, top_names[member], "give a number");
    *knob = (struct chat_knob){.value = value, .name = top_names[member].p};
    return 0;
}

static int read_stops(struct anthropic_prompting *x, struct span value) {
    struct json json;
    struct json_token token;
    json_init(&json, value);
    if (json_next(&json, &token) == JSON_NULL)
        return 0;
    if (token.kind != JSON_ARRAY)
        return anthropic_refuse(x, top_names[STOP_SEQUENCES], "give an array of strings");
    while (json_next(&json, &token) == JSON_STRING)
        if (!chat_add_word(&x->prompt->stop, x->arena, token.raw))
            return anthropic_refuse_memory(x);
    return token.kind == JSON_ARRAY_END
               ? 0
               : anthropic_refuse(x, top_names[STOP_SEQUENCES], "give an array of strings");
}

static int read_max_tokens(struct anthropic_prompting *x, struct span value) {
    if (!span_u64(value, UINT64_MAX / 4, &x->prompt->max_output_tokens))
        return anthropic_refuse(x, top_names[MAX_TOKENS], "give a whole number");
    return 0;
}

/* The raw string at `name` of an object; empty when it is no string, or not there. */
static struct span string_of(struct span object, struct span name) {
    struct json_token token;
    return json_find(object, &name, 1, &token) ? anthropic_string(&token) : span_of(NULL, 0);
}

/* --- reasoning and output --- */

static int read_thinking(struct anthropic_prompting *x, struct span value) {
    struct chat_thinking *thinking = &x->prompt->thinking;
    struct span type = string_of(value, SPAN("type")), display = string_of(value, SPAN("display"));
    struct json_token budget;
    struct span name = SPAN("budget_tokens");
    x->prompt->thinking_name = top_names[THINKING].p;
    if (span_eq(type, SPAN("disabled"))) {
        thinking->wanted = CHAT_NO;
        return 0;
    }
    if (!span_eq(type, SPAN("enabled")) && !span_eq(type, SPAN("adaptive")))
        return add_extra(x, top_names[THINKING], value, false);
    thinking->wanted = CHAT_YES;
    thinking->adaptive = span_eq(type, SPAN("adaptive"));
    thinking->shown = span_eq(display, SPAN("summarized")) ? CHAT_YES
                      : span_eq(display, SPAN("omitted"))  ? CHAT_NO
                                                           : CHAT_UNSAID;
    if (thinking->adaptive)
        return 0;
    if (!json_find(value, &name, 1, &budget) || budget.kind != JSON_NUMBER ||
        !span_u64(budget.raw, UINT64_MAX / 4, &thinking->budget_tokens) ||
        thinking->budget_tokens < ANTHROPIC_BUDGET_MIN)
        return anthropic_refuse(x, SPAN("thinking.budget_tokens"),
                                "give a whole number that is at least 1024");
    thinking->budget_given = true;
    return 0;
}

static int read_format(struct anthropic_prompting *x, struct span value, const char *name) {
    struct chat_format *format = &x->prompt->format;
    struct span path = SPAN("schema");
    struct json_token schema;
    if (span_eq(value, SPAN("null")))
        return 0;
    if (!span_eq(string_of(value, SPAN("type")), SPAN("json_schema")) ||
        !json_find(value, &path, 1, &schema) || schema.kind != JSON_OBJECT)
        return add_extra(x, span_str(name), value, false);
    format->kind = CHAT_FORMAT_SCHEMA;
    format->schema = schema.raw;
    format->strict = CHAT_YES; /* this API knows no other */
    x->prompt->format_name = name;
    return 0;
}

static int read_output_config(struct anthropic_prompting *x, struct span value) {
    struct json json;
    struct json_token key, token;
    struct span text;
    json_init(&json, value);
    if (json_next(&json, &key) == JSON_NULL)
        return 0;
    if (key.kind != JSON_OBJECT)
        return anthropic_refuse(x, top_names[OUTPUT_CONFIG], "give an object");
    while (json_next(&json, &key) == JSON_KEY && anthropic_value(&json, &token, &text)) {
        int rc = 0;
        if (json_is(&key, SPAN("effort")) && token.kind == JSON_STRING) {
            x->prompt->thinking.effort = token.raw;
            if (!http_is_token(token.raw))
                rc = anthropic_refuse(x, SPAN("output_config.effort"),
                                      "give a word such as \"low\"");
            if (x->prompt->thinking.wanted == CHAT_UNSAID)
                x->prompt->thinking_name = "output_config.effort";
        } else if (json_is(&key, SPAN("format"))) {
            rc = read_format(x, text, "output_config.format");
        } else if (!is_nothing(text)) {
            rc = add_extra(x,
                           arena_printf(x->arena, "output_config.%.*s", (int)key.raw.n, key.raw.p),
                           text, false);
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int read_metadata(struct anthropic_prompting *x, struct span value) {
    x->prompt->user = string_of(value, SPAN("user_id"));
    return 0;
}

/* --- tools --- */

enum { NAME, DESCRIPTION, SCHEMA, STRICT, MARK, TYPE, STREAMING, CALLERS, TOOL_COUNT };
static const struct span tool_names[TOOL_COUNT] = {
    [NAME] = SPAN_CONST("name"),
    [DESCRIPTION] = SPAN_CONST("description"),
    [SCHEMA] = SPAN_CONST("input_schema"),
    [STRICT] = SPAN_CONST("strict"),
    [MARK] = SPAN_CONST("cache_control"),
    [TYPE] = SPAN_CONST("type"),
    [STREAMING] = SPAN_CONST("eager_input_streaming"), /* how the answer is cut into events */
    [CALLERS] = SPAN_CONST("allowed_callers"),
};

static int refuse_tool(struct anthropic_prompting *x, unsigned number, const char *member,
                       const char *what) {
    return anthropic_refuse(x, arena_printf(x->arena, "tools[%u]%s", number, member), what);
}

static int read_tool_member(struct anthropic_prompting *x, struct chat_tool *tool, unsigned number,
                            const struct json_token *key, const struct json_token *value,
                            struct span text) {
    switch (anthropic_member(key, tool_names, TOOL_COUNT)) {
    case NAME:
        tool->name = value->kind == JSON_STRING ? chat_plain(value, x->arena) : SPAN("");
        return tool->name.n ? 0 : refuse_tool(x, number, ".name", "give the name of a tool");
    case DESCRIPTION: tool->description = anthropic_string(value); return 0;
    case SCHEMA:
        if (value->kind != JSON_OBJECT)
            return refuse_tool(x, number, ".input_schema", "give a JSON schema");
        tool->schema = text;
        return 0;
    case STRICT:
        tool->strict = value->kind == JSON_TRUE    ? CHAT_YES
                       : value->kind == JSON_FALSE ? CHAT_NO
                                                   : CHAT_UNSAID;
        return 0;
    case MARK:
        return anthropic_read_mark(x, text, &tool->cache, &tool->cache_ttl)
                   ? 0
                   : refuse_tool(x, number, ".cache_control", "give an object");
    case TYPE:
    case STREAMING: return 0;
    case CALLERS:
        if (span_eq(text, SPAN("[\"direct\"]")))
            return 0; /* the default */
        break;
    }
    if (is_nothing(text))
        return 0;
    return add_extra(x,
                     arena_printf(x->arena, "tools[%u].%.*s", number, (int)key->raw.n, key->raw.p),
                     text, false);
}

static int read_tool(struct anthropic_prompting *x, struct span object, unsigned number) {
    struct chat_tool *tool = chat_add_tool(x->prompt, x->arena);
    struct span type = string_of(object, SPAN("type")), text;
    struct json json;
    struct json_token key, value;
    if (!tool)
        return anthropic_refuse_memory(x);
    if (type.n && !span_eq(type, SPAN("custom"))) {
        tool->hosted = type;
        tool->schema = object;
        tool->name = string_of(object, SPAN("name"));
        return 0;
    }
    json_init(&json, object);
    json_next(&json, &key);
    while (json_next(&json, &key) == JSON_KEY && anthropic_value(&json, &value, &text)) {
        int rc = read_tool_member(x, tool, number, &key, &value, text);
        if (rc < 0)
            return rc;
    }
    return tool->name.n ? 0 : refuse_tool(x, number, ".name", "is missing");
}

static int read_tools(struct anthropic_prompting *x, struct span value) {
    struct json json;
    struct json_token token;
    unsigned count = 0;
    json_init(&json, value);
    if (json_next(&json, &token) == JSON_NULL)
        return 0;
    for (;;) {
        struct span text;
        struct json ahead = json;
        if (json_next(&ahead, &token) == JSON_ARRAY_END)
            return 0;
        if (token.kind != JSON_OBJECT || !json_value(&json, &text))
            return refuse_tool(x, count, "", "give an object");
        int rc = read_tool(x, text, count++);
        if (rc < 0)
            return rc;
    }
}

static int read_tool_choice(struct anthropic_prompting *x, struct span value) {
    static const struct {
        struct span type;
        enum chat_choose choose;
    } rows[] = {
        {SPAN_CONST("auto"), CHAT_CHOOSE_AUTO},
        {SPAN_CONST("any"), CHAT_CHOOSE_ANY},
        {SPAN_CONST("tool"), CHAT_CHOOSE_NAMED},
        {SPAN_CONST("none"), CHAT_CHOOSE_NONE},
    };
    struct chat_prompt *prompt = x->prompt;
    struct span type = string_of(value, SPAN("type")), name = SPAN("name"),
                single = SPAN("disable_parallel_tool_use");
    struct json_token token;
    if (span_eq(value, SPAN("null")))
        return 0;
    for (unsigned i = 0; i < countof(rows); i++)
        if (span_eq(type, rows[i].type))
            prompt->choose = rows[i].choose;
    if (prompt->choose == CHAT_CHOOSE_UNSAID)
        return anthropic_refuse(x, top_names[TOOL_CHOICE],
                                "give an object with type \"auto\", \"any\", \"tool\" or \"none\"");
    if (prompt->choose == CHAT_CHOOSE_NAMED) {
        if (!json_find(value, &name, 1, &token) || token.kind != JSON_STRING ||
            !(prompt->choose_name = chat_plain(&token, x->arena)).n)
            return anthropic_refuse(x, SPAN("tool_choice.name"), "give the name of a tool");
    }
    if (json_find(value, &single, 1, &token) && token.kind == JSON_TRUE)
        prompt->parallel_tools = CHAT_NO;
    return 0;
}

/* --- the whole --- */

static int read_member(struct anthropic_prompting *x, unsigned member, struct span value) {
    switch (member) {
    case SYSTEM: return anthropic_read_system(x, value);
    case MESSAGES: return anthropic_read_messages(x, value);
    case MAX_TOKENS: return read_max_tokens(x, value);
    case TEMPERATURE:
    case TOP_P:
    case TOP_K: return read_knob(x, value, member);
    case STOP_SEQUENCES: return read_stops(x, value);
    case TOOLS: return read_tools(x, value);
    case TOOL_CHOICE: return read_tool_choice(x, value);
    case THINKING: return span_eq(value, SPAN("null")) ? 0 : read_thinking(x, value);
    case OUTPUT_CONFIG: return read_output_config(x, value);
    case OUTPUT_FORMAT: return read_format(x, value, "output_format");
    case METADATA: return read_metadata(x, value);
    case SERVICE_TIER:
        x->prompt->service_tier = value.p[0] == '"' ? span_of(value.p + 1, value.n - 2) : SPAN("");
        return 0;
    case CACHE_CONTROL: return add_extra(x, top_names[CACHE_CONTROL], value, true);
    case MODEL:
    case STREAM:
    case VERSION: break;
    }
    return 0;
}

int anthropic_read_prompt(const struct chat_request *req, struct arena *arena,
                          struct chat_prompt *prompt, struct span *why, struct span *param) {
    struct anthropic_prompting x = {.arena = arena, .prompt = prompt, .why = why, .param = param};
    struct span values[TOP_COUNT] = {{NULL, 0}}, value;
    struct json json;
    struct json_token key;
    int rc = 0;
    *why = *param = SPAN("");
    chat_prompt_init(prompt);
    prompt->max_output_name = "max_tokens";
    prompt->stop_name = "stop_sequences";
    prompt->format_name = "output_config.format";
    prompt->thinking_name = "thinking";
    prompt->stream = req->stream;
    prompt->include_usage = true;
    json_init(&json, req->body);
    json_next(&json, &key);
    while (json_next(&json, &key) == JSON_KEY && json_value(&json, &value)) {
        unsigned member = anthropic_member(&key, top_names, TOP_COUNT);
        if (member < TOP_COUNT)
            values[member] = value;
        else if (!is_nothing(value) && (rc = add_extra(&x, key.raw, value, false)) < 0)
            return rc;
    }
    /* In our order, for the system prompt comes before the messages wherever it stands. */
    for (unsigned i = 0; i < TOP_COUNT; i++)
        if (values[i].p && (rc = read_member(&x, i, values[i])) < 0)
            return rc;
    return 0;
}
