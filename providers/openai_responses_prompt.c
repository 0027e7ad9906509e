/* openai_responses_prompt.c - a client's Responses request as the canonical prompt. (pure)
 *
 * Owns:     nothing; lists are in the arena, texts in the client's body.
 * Promises: every member is said, or an extra. The order of members does not matter: `instructions`
 *           come first, then the items of `input` (openai_responses_input.c).
 * Refuses:  requests that stand on what one provider remembers; members of the wrong kind. */
#include <limits.h>

#include "net/http.h"
#include "providers/openai_chat.h"
#include "providers/openai_responses.h"

enum {
    MODEL,
    STREAM,
    INPUT,
    INSTRUCTIONS,
    PREVIOUS_RESPONSE_ID,
    CONVERSATION,
    PROMPT,
    TOOLS,
    TOOL_CHOICE,
    PARALLEL_TOOL_CALLS,
    MAX_OUTPUT_TOKENS,
    TEMPERATURE,
    TOP_P,
    TOP_LOGPROBS,
    TEXT,
    REASONING,
    METADATA,
    SERVICE_TIER,
    PROMPT_CACHE_KEY,
    SAFETY_IDENTIFIER,
    USER,
    INCLUDE,
    TRUNCATION,
    BACKGROUND,
    /* from here on: what costs, is kept or is padded, never the answer */
    STORE,
    STREAM_OPTIONS,
    MAX_TOOL_CALLS, /* of hosted tools, which are extras themselves */
    PROMPT_CACHE_RETENTION,
    PROMPT_CACHE_OPTIONS,
    TOP_COUNT
};
#define FIRST_HINT STORE
static const struct span top_names[TOP_COUNT] = {
    [MODEL] = SPAN_CONST("model"),
    [STREAM] = SPAN_CONST("stream"),
    [INPUT] = SPAN_CONST("input"),
    [INSTRUCTIONS] = SPAN_CONST("instructions"),
    [PREVIOUS_RESPONSE_ID] = SPAN_CONST("previous_response_id"),
    [CONVERSATION] = SPAN_CONST("conversation"),
    [PROMPT] = SPAN_CONST("prompt"),
    [TOOLS] = SPAN_CONST("tools"),
    [TOOL_CHOICE] = SPAN_CONST("tool_choice"),
    [PARALLEL_TOOL_CALLS] = SPAN_CONST("parallel_tool_calls"),
    [MAX_OUTPUT_TOKENS] = SPAN_CONST("max_output_tokens"),
    [TEMPERATURE] = SPAN_CONST("temperature"),
    [TOP_P] = SPAN_CONST("top_p"),
    [TOP_LOGPROBS] = SPAN_CONST("top_logprobs"),
    [TEXT] = SPAN_CONST("text"),
    [REASONING] = SPAN_CONST("reasoning"),
    [METADATA] = SPAN_CONST("metadata"),
    [SERVICE_TIER] = SPAN_CONST("service_tier"),
    [PROMPT_CACHE_KEY] = SPAN_CONST("prompt_cache_key"),
    [SAFETY_IDENTIFIER] = SPAN_CONST("safety_identifier"),
    [USER] = SPAN_CONST("user"),
    [INCLUDE] = SPAN_CONST("include"),
    [TRUNCATION] = SPAN_CONST("truncation"),
    [BACKGROUND] = SPAN_CONST("background"),
    [STORE] = SPAN_CONST("store"),
    [STREAM_OPTIONS] = SPAN_CONST("stream_options"),
    [MAX_TOOL_CALLS] = SPAN_CONST("max_tool_calls"),
    [PROMPT_CACHE_RETENTION] = SPAN_CONST("prompt_cache_retention"),
    [PROMPT_CACHE_OPTIONS] = SPAN_CONST("prompt_cache_options"),
};

int openai_responses_refuse(struct openai_responses_prompting *x, struct span param,
                            struct span why) {
    *x->param = param;
    *x->why = why;
    return why.p ? -FAIL_BAD_REQUEST : openai_responses_refuse_memory(x);
}

int openai_responses_refuse_memory(struct openai_responses_prompting *x) {
    *x->param = SPAN("");
    *x->why = SPAN("There is no memory for this request; try again later.");
    return -FAIL_OVERLOAD;
}

int openai_responses_refuse_kind(struct openai_responses_prompting *x, struct span name,
                                 const char *what) {
    return openai_responses_refuse(
        x, name, arena_printf(x->arena, "Give `%.*s` as %s.", (int)name.n, name.p, what));
}

int openai_responses_add_extra(struct openai_responses_prompting *x, struct span name,
                               const struct json_token *value, bool hint) {
    /* A string's text stands between its quotes. */
    struct span json =
        value->kind == JSON_STRING ? span_of(value->raw.p - 1, value->raw.n + 2) : value->raw;
    return name.p && chat_add_extra(x->prompt, x->arena, name, json, hint)
               ? 0
               : openai_responses_refuse_memory(x);
}

/* --- simple members --- */

static int read_knob(struct openai_responses_prompting *x, const struct json_token *value,
                     unsigned member, struct chat_knob *knob) {
    if (value->kind == JSON_NULL)
        return 0;
    if (value->kind != JSON_NUMBER)
        return openai_responses_refuse_kind(x, top_names[member], "a number");
    *knob = (struct chat_knob){.value = value->raw, .name = top_names[member].p};
    return 0;
}

int openai_responses_read_flag(struct openai_responses_prompting *x, const struct json_token *value,
                               struct span name, enum chat_flag *flag) {
    if (value->kind == JSON_NULL)
        return 0;
    if (value->kind != JSON_TRUE && value->kind != JSON_FALSE)
        return openai_responses_refuse_kind(x, name, "true or false");
    *flag = value->kind == JSON_TRUE ? CHAT_YES : CHAT_NO;
    return 0;
}

static int read_word(struct openai_responses_prompting *x, const struct json_token *value,
                     struct span name, struct span *out) {
    if (value->kind == JSON_NULL)
        return 0;
    if (value->kind != JSON_STRING)
        return openai_responses_refuse_kind(x, name, "a string");
    *out = value->raw;
    return 0;
}

static int read_instructions(struct openai_responses_prompting *x, const struct json_token *value) {
    struct span text = {NULL, 0};
    int rc = read_word(x, value, top_names[INSTRUCTIONS], &text);
    if (rc < 0 || !text.n)
        return rc;
    struct chat_message *turn = chat_add_message(x->prompt, x->arena, CHAT_SYSTEM);
    struct chat_part *part = turn ? chat_add_part(&turn->parts, x->arena, CHAT_PART_TEXT) : NULL;
    if (!part)
        return openai_responses_refuse_memory(x);
    turn->at = UINT_MAX;
    part->text = text;
    return 0;
}

/* --- text and reasoning --- */

/* Visits the members of an object that no row names: they are extras, "reasoning.context". */
static int add_inner_extras(struct openai_responses_prompting *x, struct span object,
                            struct span outer, const struct span *known, unsigned count) {
    struct json json;
    struct json_token key, value;
    json_init(&json, object);
    json_next(&json, &key);
    while (json_next(&json, &key) == JSON_KEY) {
        struct json ahead = json;
        struct span text;
        json_next(&ahead, &value);
        if (!json_value(&json, &text))
            break;
        if (openai_member(&key, known, count) < count || value.kind == JSON_NULL)
            continue;
        struct span name = arena_printf(x->arena, "%.*s.%.*s", (int)outer.n, outer.p,
                                        (int)min_size(key.raw.n, 64), key.raw.p);
        /* "auto" is what is meant by saying nothing. */
        bool hint = value.kind == JSON_STRING && json_is(&value, SPAN("auto"));
        if (!name.p || !chat_add_extra(x->prompt, x->arena, name, text, hint))
            return openai_responses_refuse_memory(x);
    }
    return 0;
}

static int read_format(struct openai_responses_prompting *x, const struct json_token *value) {
    static const struct span names[] = {SPAN_CONST("type"), SPAN_CONST("name"),
                                        SPAN_CONST("schema"), SPAN_CONST("strict"),
                                        SPAN_CONST("description")};
    struct json_token members[countof(names)];
    struct chat_format *format = &x->prompt->format;
    if (value->kind == JSON_NULL)
        return 0;
    if (value->kind != JSON_OBJECT ||
        !openai_responses_members(value->raw, names, countof(names), members) ||
        members[0].kind != JSON_STRING)
        return openai_responses_refuse_kind(x, SPAN("text.format"), "an object with a `type`");
    if (json_is(&members[0], SPAN("text"))) {
        format->kind = CHAT_FORMAT_TEXT;
        return 0;
    }
    if (json_is(&members[0], SPAN("json_object"))) {
        format->kind = CHAT_FORMAT_OBJECT;
        return 0;
    }
    if (!json_is(&members[0], SPAN("json_schema")))
        return openai_responses_add_extra(x, SPAN("text.format"), value, false);
    if (members[2].kind != JSON_OBJECT)
        return openai_responses_refuse_kind(x, SPAN("text.format.schema"), "a JSON schema");
    format->kind = CHAT_FORMAT_SCHEMA;
    format->name = members[1].kind == JSON_STRING ? chat_plain(&members[1], x->arena) : SPAN("");
    format->schema = members[2].raw;
    format->description = openai_responses_string(&members[4]);
    return openai_responses_read_flag(x, &members[3], SPAN("text.format.strict"), &format->strict);
}

static int read_text(struct openai_responses_prompting *x, const struct json_token *value) {
    static const struct span names[] = {SPAN_CONST("format"), SPAN_CONST("verbosity")};
    struct json_token members[countof(names)];
    if (value->kind == JSON_NULL)
        return 0;
    if (value->kind != JSON_OBJECT ||
        !openai_responses_members(value->raw, names, countof(names), members))
        return openai_responses_refuse_kind(x, top_names[TEXT], "an object");
    int rc = read_format(x, &members[0]);
    if (rc == 0 && members[1].kind != JSON_NULL && !openai_responses_string(&members[1]).n)
        rc = openai_responses_refuse_kind(x, SPAN("text.verbosity"), "a word such as \"low\"");
    if (rc == 0 && members[1].kind == JSON_STRING)
        x->prompt->verbosity = (struct chat_knob){
            .value = span_of(members[1].raw.p - 1, members[1].raw.n + 2), .name = "text.verbosity"};
    return rc < 0 ? rc : add_inner_extras(x, value->raw, top_names[TEXT], names, countof(names));
}

static int read_thinking(struct openai_responses_prompting *x, const struct json_token *value) {
    enum { EFFORT, SUMMARY, GENERATE_SUMMARY, COUNT };
    static const struct span names[COUNT] = {SPAN_CONST("effort"), SPAN_CONST("summary"),
                                             SPAN_CONST("generate_summary")};
    struct json_token members[COUNT];
    struct chat_thinking *thinking = &x->prompt->thinking;
    if (value->kind == JSON_NULL)
        return 0;
    if (value->kind != JSON_OBJECT ||
        !openai_responses_members(value->raw, names, countof(names), members))
        return openai_responses_refuse_kind(x, top_names[REASONING], "an object");
    struct span effort = SPAN("reasoning.effort");
    int rc = read_word(x, &members[EFFORT], effort, &thinking->effort);
    if (rc < 0)
        return rc;
    if (thinking->effort.n && !http_is_token(thinking->effort))
        return openai_responses_refuse_kind(x, effort, "a word such as \"low\"");
    if (thinking->effort.n)
        thinking->wanted = span_eq(thinking->effort, SPAN("none")) ? CHAT_NO : CHAT_YES;
    if (openai_responses_string(&members[SUMMARY]).n ||
        openai_responses_string(&members[GENERATE_SUMMARY]).n)
        thinking->shown = CHAT_YES;
    return add_inner_extras(x, value->raw, top_names[REASONING], names, countof(names));
}

/* --- include, truncation --- */

static int read_include(struct openai_responses_prompting *x, const struct json_token *value) {
    /* What is added to the answer about hosted tools, or about the input: without them, nothing. */
    static const struct span hints[] = {
        SPAN_CONST("reasoning.encrypted_content"),
        SPAN_CONST("file_search_call.results"),
        SPAN_CONST("web_search_call.results"),
        SPAN_CONST("web_search_call.action.sources"),
        SPAN_CONST("code_interpreter_call.outputs"),
        SPAN_CONST("message.input_image.image_url"),
        SPAN_CONST("computer_call_output.output.image_url"),
    };
    struct json json;
    struct json_token token;
    bool known = true;
    if (value->kind == JSON_NULL)
        return 0;
    if (value->kind != JSON_ARRAY)
        return openai_responses_refuse_kind(x, top_names[INCLUDE], "an array of strings");
    json_init(&json, value->raw);
    json_next(&json, &token);
    while (json_next(&json, &token) == JSON_STRING) {
        if (json_is(&token, SPAN("message.output_text.logprobs"))) {
            x->prompt->logprobs = (struct chat_knob){.value = SPAN("true"), .name = "include"};
            continue;
        }
        unsigned i = 0;
        while (i < countof(hints) && !json_is(&token, hints[i]))
            i++;
        known &= i < countof(hints);
    }
    if (token.kind != JSON_ARRAY_END)
        return openai_responses_refuse_kind(x, top_names[INCLUDE], "an array of strings");
    return known ? 0 : openai_responses_add_extra(x, top_names[INCLUDE], value, false);
}

static int read_truncation(struct openai_responses_prompting *x, const struct json_token *value) {
    if (value->kind == JSON_NULL)
        return 0;
    bool hint = value->kind == JSON_STRING && json_is(value, SPAN("disabled"));
    return openai_responses_add_extra(x, top_names[TRUNCATION], value, hint);
}

static int read_member(struct openai_responses_prompting *x, unsigned member,
                       const struct json_token *value) {
    struct chat_prompt *prompt = x->prompt;
    switch (member) {
    case INSTRUCTIONS: return read_instructions(x, value);
    case INPUT: return openai_responses_read_input(x, value);
    case TOOLS: return openai_responses_read_tools(x, value);
    case TOOL_CHOICE: return openai_responses_read_choice(x, value);
    case PARALLEL_TOOL_CALLS:
        return openai_responses_read_flag(x, value, top_names[member], &prompt->parallel_tools);
    case TEMPERATURE: return read_knob(x, value, member, &prompt->temperature);
    case TOP_P: return read_knob(x, value, member, &prompt->top_p);
    case TOP_LOGPROBS: return read_knob(x, value, member, &prompt->top_logprobs);
    case TEXT: return read_text(x, value);
    case REASONING: return read_thinking(x, value);
    case SERVICE_TIER: return read_word(x, value, top_names[member], &prompt->service_tier);
    case PROMPT_CACHE_KEY: return read_word(x, value, top_names[member], &prompt->cache_key);
    case INCLUDE: return read_include(x, value);
    case TRUNCATION: return read_truncation(x, value);
    case METADATA:
        if (value->kind != JSON_NULL && value->kind != JSON_OBJECT)
            return openai_responses_refuse_kind(x, top_names[member], "an object of strings");
        prompt->metadata = value->kind == JSON_OBJECT ? value->raw : span_of(NULL, 0);
        return 0;
    }
    if (member >= FIRST_HINT && value->kind != JSON_NULL)
        return openai_responses_add_extra(x, top_names[member], value, true);
    return 0; /* read by read_request */
}

/* Members that we do not know: what they mean only their own API can say. */
static int read_unknown(struct openai_responses_prompting *x, struct span body) {
    struct json json;
    struct json_token key;
    struct span value;
    json_init(&json, body);
    json_next(&json, &key);
    while (json_next(&json, &key) == JSON_KEY && json_value(&json, &value))
        if (openai_member(&key, top_names, TOP_COUNT) == TOP_COUNT &&
            !span_eq(value, SPAN("null")) &&
            !chat_add_extra(x->prompt, x->arena, key.raw, value, false))
            return openai_responses_refuse_memory(x);
    return 0;
}

static int check_state(struct openai_responses_prompting *x, const struct json_token *members) {
    static const unsigned states[] = {PREVIOUS_RESPONSE_ID, CONVERSATION, PROMPT};
    for (unsigned i = 0; i < countof(states); i++) {
        const struct json_token *value = &members[states[i]];
        struct span name = top_names[states[i]];
        if (value->kind != JSON_NULL && !(value->kind == JSON_STRING && !value->raw.n))
            return openai_responses_refuse(
                x, name,
                arena_printf(x->arena,
                             "`%.*s` is known to the provider that made it only, and this model's "
                             "backend speaks another API; send the whole conversation as `input`.",
                             (int)name.n, name.p));
    }
    return 0;
}

int openai_responses_read_prompt(const struct chat_request *req, struct arena *arena,
                                 struct chat_prompt *prompt, struct span *why, struct span *param) {
    /* Instructions first, whatever the order of members; the rest is a set. */
    static const unsigned order[] = {
        INSTRUCTIONS,
        INPUT,
        TOOLS,
        TOOL_CHOICE,
        PARALLEL_TOOL_CALLS,
        TEMPERATURE,
        TOP_P,
        TEXT,
        REASONING,
        TOP_LOGPROBS,
        METADATA,
        INCLUDE,
        TRUNCATION,
        SERVICE_TIER,
        PROMPT_CACHE_KEY,
        STORE,
        STREAM_OPTIONS,
        MAX_TOOL_CALLS,
        PROMPT_CACHE_RETENTION,
        PROMPT_CACHE_OPTIONS,
    };
    struct openai_responses_prompting x = {
        .arena = arena, .prompt = prompt, .why = why, .param = param};
    struct json_token members[TOP_COUNT];
    *why = *param = SPAN("");
    chat_prompt_init(prompt);
    prompt->max_output_name = "max_output_tokens";
    prompt->format_name = "text.format";
    prompt->thinking_name = "reasoning";
    prompt->max_output_tokens = req->max_output_tokens;
    prompt->user = req->user;
    prompt->stream = req->stream;
    prompt->include_usage = true;
    /* read_request has checked the body as JSON. */
    bool whole = openai_responses_members(req->body, top_names, TOP_COUNT, members);
    CHECK(whole);
    int rc = check_state(&x, members);
    for (unsigned i = 0; rc == 0 && i < countof(order); i++)
        rc = read_member(&x, order[i], &members[order[i]]);
    return rc < 0 ? rc : read_unknown(&x, req->body);
}
