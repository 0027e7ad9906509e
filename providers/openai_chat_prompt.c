/* openai_chat_prompt.c - a client's chat request, whole: the members beside its messages and tools.
 * (pure)
 *
 * Owns:     nothing; texts stay where they are in the body, what had to be decoded lies in the arena.
 * Promises: every member is taken over, is known not to change the answer (a hint), or becomes an
 *           extra that the target has to answer for.
 * Refuses:  what cannot be understood, naming the member. Ranges of numbers are the provider's to
 *           judge. */
#include "providers/openai_chat_prompt.h"

#include <stdarg.h>
#include <stdio.h>

#include "net/http.h"
/* Where a complaint points: "messages[4294967295].tool_calls[4294967295].function.arguments". */
#define WHERE_MAX 160

/* --- refusing --- */

int openai_prompt_refuse(struct openai_prompt *x, struct span param, const char *why) {
    *x->param = param;
    *x->why = arena_printf(x->arena, "`%.*s`: %s.", (int)param.n, param.p, why);
    return -FAIL_BAD_REQUEST;
}

int openai_prompt_memory(struct openai_prompt *x) {
    *x->param = SPAN("");
    *x->why = SPAN("There is no memory for this request; try again later.");
    return -FAIL_OVERLOAD;
}

struct span openai_prompt_at(struct openai_prompt *x, const char *format, ...) {
    char text[WHERE_MAX];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return arena_copy(x->arena, span_of(text, n < 0 ? 0 : min_size((size_t)n, sizeof text - 1)));
}

int openai_prompt_extra(struct openai_prompt *x, struct span name, struct span value, bool hint) {
    if (!openai_says_something(value))
        return 0;
    if (!name.n)
        name = SPAN("(a member without a name)");
    return chat_add_extra(x->prompt, x->arena, name, value, hint) ? 0 : openai_prompt_memory(x);
}

/* --- values --- */

static bool is_null(struct span value) { return span_eq(value, SPAN("null")); }

int openai_prompt_members(struct openai_prompt *x, struct span text, const struct span *names,
                          unsigned count, struct span *values, const struct openai_others *others) {
    struct json json;
    struct json_token key;
    struct span value;
    memset(values, 0, count * sizeof *values);
    json_init(&json, text);
    if (json_next(&json, &key) != JSON_OBJECT)
        return openai_prompt_refuse(x, others ? others->where : SPAN(""), "give an object");
    while (json_next(&json, &key) == JSON_KEY) {
        unsigned member = openai_member(&key, names, count);
        if (!json_value(&json, &value))
            break;
        if (member < count)
            values[member] = is_null(value) ? SPAN("") : value;
        int rc = member == count && others && others->take
                     ? others->take(x, others->where, key.raw, value)
                     : 0;
        if (rc < 0)
            return rc;
    }
    return 0;
}

bool openai_string(struct span value, struct json_token *token) {
    if (value.n < 2 || value.p[0] != '"')
        return false;
    struct span raw = span_of(value.p + 1, value.n - 2);
    *token = (struct json_token){
        .kind = JSON_STRING, .raw = raw, .escaped = raw.n && memchr(raw.p, '\\', raw.n) != NULL};
    return true;
}

int openai_prompt_plain(struct openai_prompt *x, struct span value, struct span where,
                        struct span *out) {
    struct json_token token;
    if (!openai_string(value, &token) || !token.raw.n)
        return openai_prompt_refuse(x, where, "give a string that is not empty");
    *out = chat_plain(&token, x->arena);
    if (out->p)
        return 0;
    /* Either it cannot be, or there was no memory to find out. */
    if (!arena_alloc(x->arena, token.raw.n))
        return openai_prompt_memory(x);
    return openai_prompt_refuse(x, where, "leave out quotes, backslashes and control characters");
}

bool openai_is_word(struct span value, struct span word) {
    struct json_token token;
    return openai_string(value, &token) && json_is(&token, word);
}

int openai_prompt_cache(struct openai_prompt *x, struct span value, bool *cache, struct span *ttl) {
    static const struct span names[] = {SPAN_CONST("ttl")};
    struct span values[countof(names)];
    if (!value.n || value.p[0] != '{')
        return 0;
    int rc = openai_prompt_members(x, value, names, countof(names), values, NULL);
    *cache = true;
    if (rc == 0 && values[0].n)
        rc = openai_prompt_plain(x, values[0], SPAN("cache_control.ttl"), ttl);
    return rc;
}

int openai_prompt_stop(struct openai_prompt *x, struct span value) {
    struct json json;
    struct json_token token;
    if (!value.n)
        return 0;
    json_init(&json, value);
    if (json_next(&json, &token) == JSON_STRING)
        return chat_add_word(&x->prompt->stop, x->arena, token.raw) ? 0 : openai_prompt_memory(x);
    if (token.kind != JSON_ARRAY)
        return openai_prompt_refuse(x, SPAN("stop"), "give a string or an array of strings");
    while (json_next(&json, &token) == JSON_STRING)
        if (!chat_add_word(&x->prompt->stop, x->arena, token.raw))
            return openai_prompt_memory(x);
    return token.kind == JSON_ARRAY_END
               ? 0
               : openai_prompt_refuse(x, SPAN("stop"), "give a string or an array of strings");
}

int openai_prompt_knob(struct openai_prompt *x, struct span value, const char *name,
                       enum openai_knob kind, struct chat_knob *knob) {
    static const char *const wanted[] = {
        [OPENAI_NUMBER] = "give a number",
        [OPENAI_TRUTH] = "give true or false",
        [OPENAI_WORD] = "give a string",
    };
    char c = value.n ? value.p[0] : 0;
    if (!c)
        return 0;
    bool fits = kind == OPENAI_NUMBER  ? c == '-' || (c >= '0' && c <= '9')
                : kind == OPENAI_TRUTH ? c == 't' || c == 'f'
                                       : c == '"' && value.n > 2;
    if (!fits)
        return openai_prompt_refuse(x, span_str(name), wanted[kind]);
    /* "logprobs": false asks for nothing. */
    if (c != 'f')
        *knob = (struct chat_knob){.value = value, .name = name};
    return 0;
}

/* --- the form of the answer --- */

static enum chat_flag flag_of(struct span value) {
    if (span_eq(value, SPAN("true")))
        return CHAT_YES;
    return span_eq(value, SPAN("false")) ? CHAT_NO : CHAT_UNSAID;
}

static int read_schema(struct openai_prompt *x, struct span value, struct chat_format *format) {
    enum { NAME, DESCRIPTION, SCHEMA, STRICT, COUNT };
    static const struct span names[COUNT] = {
        [NAME] = SPAN_CONST("name"),
        [DESCRIPTION] = SPAN_CONST("description"),
        [SCHEMA] = SPAN_CONST("schema"),
        [STRICT] = SPAN_CONST("strict"),
    };
    static const struct openai_others others = {.where = SPAN_CONST("response_format.json_schema")};
    struct span values[COUNT];
    struct json_token token;
    int rc = openai_prompt_members(x, value, names, COUNT, values, &others);
    if (rc == 0 && values[NAME].n)
        rc = openai_prompt_plain(x, values[NAME], SPAN("response_format.json_schema.name"),
                                 &format->name);
    if (rc < 0)
        return rc;
    if (values[SCHEMA].n && values[SCHEMA].p[0] != '{')
        return openai_prompt_refuse(x, SPAN("response_format.json_schema.schema"),
                                    "give a JSON schema as an object");
    if (openai_string(values[DESCRIPTION], &token))
        format->description = token.raw;
    format->strict = flag_of(values[STRICT]);
    format->schema = values[SCHEMA];
    /* A schema is optional there; without one any object will do. */
    format->kind = values[SCHEMA].n ? CHAT_FORMAT_SCHEMA : CHAT_FORMAT_OBJECT;
    return 0;
}

static int read_format(struct openai_prompt *x, struct span value) {
    enum { TYPE, JSON_SCHEMA, COUNT };
    static const struct span names[COUNT] = {
        [TYPE] = SPAN_CONST("type"),
        [JSON_SCHEMA] = SPAN_CONST("json_schema"),
    };
    static const struct openai_others others = {.where = SPAN_CONST("response_format")};
    struct chat_format *format = &x->prompt->format;
    struct span values[COUNT];
    if (!value.n)
        return 0;
    int rc = openai_prompt_members(x, value, names, COUNT, values, &others);
    if (rc < 0)
        return rc;
    if (openai_is_word(values[TYPE], SPAN("json_schema")))
        return read_schema(x, values[JSON_SCHEMA], format);
    if (openai_is_word(values[TYPE], SPAN("json_object")))
        format->kind = CHAT_FORMAT_OBJECT;
    else if (openai_is_word(values[TYPE], SPAN("text")))
        format->kind = CHAT_FORMAT_TEXT;
    else
        return openai_prompt_extra(x, SPAN("response_format"), value, false); /* grammars */
    return 0;
}

/* --- reasoning --- */

static int read_effort(struct openai_prompt *x, struct span value, struct span where) {
    struct chat_thinking *thinking = &x->prompt->thinking;
    if (!value.n)
        return 0;
    int rc = openai_prompt_plain(x, value, where, &thinking->effort);
    if (rc < 0)
        return rc;
    if (!http_is_token(thinking->effort))
        return openai_prompt_refuse(x, where, "give a word such as \"low\"");
    thinking->wanted = span_eq(thinking->effort, SPAN("none")) ? CHAT_NO : CHAT_YES;
    return 0;
}

static int read_budget(struct openai_prompt *x, struct span value, struct span where) {
    struct chat_thinking *thinking = &x->prompt->thinking;
    if (!value.n)
        return 0;
    if (!span_u64(value, UINT32_MAX, &thinking->budget_tokens))
        return openai_prompt_refuse(x, where, "give a whole number of tokens");
    thinking->budget_given = true;
    if (thinking->wanted == CHAT_UNSAID)
        thinking->wanted = thinking->budget_tokens ? CHAT_YES : CHAT_NO;
    return 0;
}

/* Anthropic's member, which DeepSeek, Z.ai and gateways take too: {type, budget_tokens}. */
static int read_thinking(struct openai_prompt *x, struct span value) {
    enum { TYPE, BUDGET, COUNT };
    static const struct span names[COUNT] = {
        [TYPE] = SPAN_CONST("type"),
        [BUDGET] = SPAN_CONST("budget_tokens"),
    };
    static const struct openai_others others = {.where = SPAN_CONST("thinking")};
    struct chat_thinking *thinking = &x->prompt->thinking;
    struct span values[COUNT];
    if (!value.n)
        return 0;
    int rc = openai_prompt_members(x, value, names, COUNT, values, &others);
    if (rc < 0)
        return rc;
    x->prompt->thinking_name = "thinking";
    thinking->adaptive = openai_is_word(values[TYPE], SPAN("adaptive"));
    if (openai_is_word(values[TYPE], SPAN("disabled")))
        thinking->wanted = CHAT_NO;
    else if (thinking->adaptive || openai_is_word(values[TYPE], SPAN("enabled")))
        thinking->wanted = CHAT_YES;
    else
        return openai_prompt_refuse(x, SPAN("thinking.type"),
                                    "give \"enabled\", \"disabled\" or \"adaptive\"");
    return read_budget(x, values[BUDGET], SPAN("thinking.budget_tokens"));
}

/* OpenRouter's member: {effort, max_tokens, exclude, enabled}. */
static int read_reasoning(struct openai_prompt *x, struct span value) {
    enum { EFFORT, MAX_TOKENS, EXCLUDE, ENABLED, COUNT };
    static const struct span names[COUNT] = {
        [EFFORT] = SPAN_CONST("effort"),
        [MAX_TOKENS] = SPAN_CONST("max_tokens"),
        [EXCLUDE] = SPAN_CONST("exclude"),
        [ENABLED] = SPAN_CONST("enabled"),
    };
    static const struct openai_others others = {.where = SPAN_CONST("reasoning")};
    struct chat_thinking *thinking = &x->prompt->thinking;
    struct span values[COUNT];
    if (!value.n)
        return 0;
    int rc = openai_prompt_members(x, value, names, COUNT, values, &others);
    if (rc < 0)
        return rc;
    x->prompt->thinking_name = "reasoning";
    if (values[ENABLED].n)
        thinking->wanted = flag_of(values[ENABLED]);
    if (values[EXCLUDE].n)
        thinking->shown = flag_of(values[EXCLUDE]) == CHAT_YES ? CHAT_NO : CHAT_YES;
    rc = read_effort(x, values[EFFORT], SPAN("reasoning.effort"));
    return rc < 0 ? rc : read_budget(x, values[MAX_TOKENS], SPAN("reasoning.max_tokens"));
}

/* --- the request --- */

enum {
    MESSAGES,
    TOOLS,
    FUNCTIONS,
    TOOL_CHOICE,
    FUNCTION_CALL,
    PARALLEL_TOOL_CALLS,
    RESPONSE_FORMAT,
    REASONING_EFFORT,
    REASONING,
    THINKING,
    STOP,
    USER,
    SAFETY_IDENTIFIER,
    METADATA,
    SERVICE_TIER,
    PROMPT_CACHE_KEY,
    TEMPERATURE,
    TOP_P,
    TOP_K,
    MIN_P,
    SEED,
    FREQUENCY_PENALTY,
    PRESENCE_PENALTY,
    LOGPROBS,
    TOP_LOGPROBS,
    VERBOSITY,
    MODALITIES,
    TOP_COUNT
};
static const struct span top_names[TOP_COUNT] = {
    [MESSAGES] = SPAN_CONST("messages"),
    [TOOLS] = SPAN_CONST("tools"),
    [FUNCTIONS] = SPAN_CONST("functions"),
    [TOOL_CHOICE] = SPAN_CONST("tool_choice"),
    [FUNCTION_CALL] = SPAN_CONST("function_call"),
    [PARALLEL_TOOL_CALLS] = SPAN_CONST("parallel_tool_calls"),
    [RESPONSE_FORMAT] = SPAN_CONST("response_format"),
    [REASONING_EFFORT] = SPAN_CONST("reasoning_effort"),
    [REASONING] = SPAN_CONST("reasoning"),
    [THINKING] = SPAN_CONST("thinking"),
    [STOP] = SPAN_CONST("stop"),
    [USER] = SPAN_CONST("user"),
    [SAFETY_IDENTIFIER] = SPAN_CONST("safety_identifier"),
    [METADATA] = SPAN_CONST("metadata"),
    [SERVICE_TIER] = SPAN_CONST("service_tier"),
    [PROMPT_CACHE_KEY] = SPAN_CONST("prompt_cache_key"),
    [TEMPERATURE] = SPAN_CONST("temperature"),
    [TOP_P] = SPAN_CONST("top_p"),
    [TOP_K] = SPAN_CONST("top_k"),
    [MIN_P] = SPAN_CONST("min_p"),
    [SEED] = SPAN_CONST("seed"),
    [FREQUENCY_PENALTY] = SPAN_CONST("frequency_penalty"),
    [PRESENCE_PENALTY] = SPAN_CONST("presence_penalty"),
    [LOGPROBS] = SPAN_CONST("logprobs"),
    [TOP_LOGPROBS] = SPAN_CONST("top_logprobs"),
    [VERBOSITY] = SPAN_CONST("verbosity"),
    [MODALITIES] = SPAN_CONST("modalities"),
};

/* Members that were read with the request already, and say nothing more. */
static const struct span known_names[] = {
    SPAN_CONST("model"),
    SPAN_CONST("stream"),
    SPAN_CONST("n"),
    SPAN_CONST("max_tokens"),
    SPAN_CONST("max_completion_tokens"),
};

/* Members that change cost, routing, bookkeeping or how the stream is cut, never the answer. */
static const struct span hint_names[] = {
    SPAN_CONST("store"),
    SPAN_CONST("stream_options"),
    SPAN_CONST("prediction"),
    SPAN_CONST("prompt_cache_retention"),
    SPAN_CONST("cache_control"),
    SPAN_CONST("prompt_cache_options"),
    SPAN_CONST("stream_tool_call"),
};

static bool is_among(struct span name, const struct span *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (span_eq(name, names[i]))
            return true;
    return false;
}

static int take_other(struct openai_prompt *x, struct span where, struct span name,
                      struct span value) {
    (void)where;
    if (is_among(name, known_names, countof(known_names)))
        return 0;
    return openai_prompt_extra(x, name, value, is_among(name, hint_names, countof(hint_names)));
}

static int read_knobs(struct openai_prompt *x, const struct span *values) {
    struct chat_prompt *prompt = x->prompt;
    const struct {
        unsigned member;
        enum openai_knob kind;
        struct chat_knob *knob;
    } rows[] = {
        {TEMPERATURE, OPENAI_NUMBER, &prompt->temperature},
        {TOP_P, OPENAI_NUMBER, &prompt->top_p},
        {TOP_K, OPENAI_NUMBER, &prompt->top_k},
        {MIN_P, OPENAI_NUMBER, &prompt->min_p},
        {SEED, OPENAI_NUMBER, &prompt->seed},
        {FREQUENCY_PENALTY, OPENAI_NUMBER, &prompt->frequency_penalty},
        {PRESENCE_PENALTY, OPENAI_NUMBER, &prompt->presence_penalty},
        {LOGPROBS, OPENAI_TRUTH, &prompt->logprobs},
        {TOP_LOGPROBS, OPENAI_NUMBER, &prompt->top_logprobs},
        {VERBOSITY, OPENAI_WORD, &prompt->verbosity},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        int rc = openai_prompt_knob(x, values[rows[i].member], top_names[rows[i].member].p,
                                    rows[i].kind, rows[i].knob);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int read_labels(struct openai_prompt *x, const struct span *values) {
    struct chat_prompt *prompt = x->prompt;
    struct json_token token;
    if (openai_string(values[USER], &token))
        prompt->user = token.raw;
    if (openai_string(values[SAFETY_IDENTIFIER], &token))
        prompt->user = token.raw;
    if (openai_string(values[SERVICE_TIER], &token))
        prompt->service_tier = token.raw;
    if (openai_string(values[PROMPT_CACHE_KEY], &token))
        prompt->cache_key = token.raw;
    if (values[METADATA].n && values[METADATA].p[0] != '{')
        return openai_prompt_refuse(x, top_names[METADATA], "give an object of strings");
    if (openai_says_something(values[METADATA]))
        prompt->metadata = values[METADATA];
    if (!values[MODALITIES].n)
        return 0;
    /* Text is what is answered anyway. */
    struct json json;
    bool text = true;
    json_init(&json, values[MODALITIES]);
    json_next(&json, &token);
    while (json_next(&json, &token) == JSON_STRING)
        text &= json_is(&token, SPAN("text"));
    return openai_prompt_extra(x, top_names[MODALITIES], values[MODALITIES],
                               text && token.kind == JSON_ARRAY_END);
}

static int read_members(struct openai_prompt *x, const struct span *values) {
    int rc = openai_prompt_messages(x, values[MESSAGES]);
    if (rc == 0)
        rc = openai_prompt_tools(x, values[TOOLS], values[FUNCTIONS]);
    if (rc == 0)
        rc = openai_prompt_choice(x, values[TOOL_CHOICE], values[FUNCTION_CALL]);
    if (rc == 0)
        rc = read_format(x, values[RESPONSE_FORMAT]);
    if (rc == 0)
        rc = read_effort(x, values[REASONING_EFFORT], top_names[REASONING_EFFORT]);
    if (rc == 0)
        rc = read_thinking(x, values[THINKING]);
    if (rc == 0)
        rc = read_reasoning(x, values[REASONING]);
    if (rc == 0)
        rc = openai_prompt_stop(x, values[STOP]);
    if (rc == 0)
        rc = read_knobs(x, values);
    return rc < 0 ? rc : read_labels(x, values);
}

int openai_chat_read_prompt(const struct chat_request *req, struct arena *arena,
                            struct chat_prompt *prompt, struct span *why, struct span *param) {
    struct openai_prompt x = {.arena = arena, .prompt = prompt, .why = why, .param = param};
    static const struct openai_others others = {.take = take_other};
    struct span values[TOP_COUNT];
    chat_prompt_init(prompt);
    *why = *param = SPAN("");
    prompt->stream = req->stream;
    prompt->include_usage = req->include_usage;
    prompt->choices = req->choices;
    prompt->max_output_tokens = req->max_output_tokens;
    if (req->max_completion_tokens_key.p)
        prompt->max_output_name = "max_completion_tokens";
    int rc = openai_prompt_members(&x, req->body, top_names, TOP_COUNT, values, &others);
    prompt->parallel_tools = flag_of(values[PARALLEL_TOOL_CALLS]);
    return rc < 0 ? rc : read_members(&x, values);
}
