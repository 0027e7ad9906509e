/* openai_chat_turns.c - the messages of a client's chat request as canonical turns; what stands in
 * their content is read by openai_chat_parts.c. (pure)
 *
 *     system, developer   CHAT_SYSTEM, where they stand
 *     assistant           reasoning first, then what was said, then the calls: the order in which
 *                         the APIs that have one want them back
 *     tool, function      one CHAT_TOOL turn for all results that follow each other
 *
 * Owns:     nothing; texts stay in the body, what had to be decoded is in the arena.
 * Promises: arguments of calls are JSON objects; calls and results have ids.
 * Refuses:  what has no canonical form: stored audio, unknown roles. */
#include "core/limits.h"
#include "providers/openai_chat_prompt.h"

enum {
    ROLE,
    CONTENT,
    NAME,
    REFUSAL,
    TOOL_CALLS,
    TOOL_CALL_ID,
    FUNCTION_CALL,
    AUDIO,
    REASONING_CONTENT,
    REASONING,
    THINKING_BLOCKS,
    REASONING_DETAILS,
    CACHE_CONTROL,
    MEMBER_COUNT
};
static const struct span member_names[MEMBER_COUNT] = {
    [ROLE] = SPAN_CONST("role"),
    [CONTENT] = SPAN_CONST("content"),
    [NAME] = SPAN_CONST("name"),
    [REFUSAL] = SPAN_CONST("refusal"),
    [TOOL_CALLS] = SPAN_CONST("tool_calls"),
    [TOOL_CALL_ID] = SPAN_CONST("tool_call_id"),
    [FUNCTION_CALL] = SPAN_CONST("function_call"),
    [AUDIO] = SPAN_CONST("audio"),
    [REASONING_CONTENT] = SPAN_CONST("reasoning_content"),
    [REASONING] = SPAN_CONST("reasoning"),
    [THINKING_BLOCKS] = SPAN_CONST("thinking_blocks"),
    [REASONING_DETAILS] = SPAN_CONST("reasoning_details"),
    [CACHE_CONTROL] = SPAN_CONST("cache_control"),
};

/* --- reasoning of earlier answers --- */

/* Calls `read` for each object of an array; other elements are skipped. */
static int each_object(struct openai_turn *t, struct span array,
                       int (*read)(struct openai_turn *, struct span element, unsigned index)) {
    struct json json;
    struct json_token token;
    struct span element;
    json_init(&json, array);
    if (json_next(&json, &token) != JSON_ARRAY)
        return 0;
    for (unsigned index = 0; json_value(&json, &element); index++) {
        int rc = element.p[0] == '{' ? read(t, element, index) : 0;
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* OpenRouter says whose reasoning it is; without a word it is Claude's. */
static enum chat_signer signer_of(struct span format) {
    struct json_token token;
    if (!openai_string(format, &token) || span_starts(token.raw, SPAN("anthropic")))
        return CHAT_SIGNER_ANTHROPIC;
    if (span_starts(token.raw, SPAN("google")))
        return CHAT_SIGNER_GOOGLE;
    return span_starts(token.raw, SPAN("openai")) ? CHAT_SIGNER_OPENAI : CHAT_SIGNER_NONE;
}

static int read_detail(struct openai_turn *t, struct span element, unsigned index) {
    enum { TYPE, TEXT, SUMMARY, SIGNATURE, DATA, FORMAT, ID, COUNT };
    static const struct span names[COUNT] = {
        [TYPE] = SPAN_CONST("type"),       [TEXT] = SPAN_CONST("text"),
        [SUMMARY] = SPAN_CONST("summary"), [SIGNATURE] = SPAN_CONST("signature"),
        [DATA] = SPAN_CONST("data"),       [FORMAT] = SPAN_CONST("format"),
        [ID] = SPAN_CONST("id"),
    };
    struct span values[COUNT];
    struct json_token token;
    (void)index;
    int rc = openai_prompt_members(t->x, element, names, COUNT, values, NULL);
    if (rc < 0)
        return rc;
    bool redacted = openai_is_word(values[TYPE], SPAN("reasoning.encrypted"));
    struct chat_part *part = chat_add_part(&t->message->parts, t->x->arena,
                                           redacted ? CHAT_PART_REDACTED : CHAT_PART_REASONING);
    if (!part)
        return openai_prompt_memory(t->x);
    if (openai_string(values[TEXT], &token) || openai_string(values[SUMMARY], &token))
        part->text = token.raw;
    if (openai_string(values[DATA], &token))
        part->data = token.raw;
    if (openai_string(values[SIGNATURE], &token))
        part->signature = token.raw;
    if (openai_string(values[ID], &token))
        part->id = token.raw;
    part->signer = redacted || part->signature.n ? signer_of(values[FORMAT]) : CHAT_SIGNER_NONE;
    return 0;
}

/* Clients that keep more than one spelling keep the same reasoning in them: the one with proofs is
 * taken. */
static int read_reasoning(struct openai_turn *t) {
    int rc = each_object(t, t->values[THINKING_BLOCKS], openai_turn_thought);
    if (rc == 0 && !t->message->parts)
        rc = each_object(t, t->values[REASONING_DETAILS], read_detail);
    if (rc == 0 && !t->message->parts)
        rc = openai_turn_text(t, &t->message->parts, CHAT_PART_REASONING,
                              t->values[REASONING_CONTENT]);
    if (rc == 0 && !t->message->parts)
        rc = openai_turn_text(t, &t->message->parts, CHAT_PART_REASONING, t->values[REASONING]);
    return rc;
}

/* --- calls --- */

/* Arguments: a text of JSON, or the object itself as some clients have it. */
static int read_arguments(struct openai_turn *t, struct span value, struct span where,
                          struct span *out) {
    struct arena *arena = t->x->arena;
    struct json_token token;
    *out = SPAN("{}");
    if (value.n && value.p[0] == '{') {
        *out = value;
        return 0;
    }
    if (value.n && !openai_string(value, &token))
        return openai_prompt_refuse(t->x, where, "give a JSON object as text");
    if (!value.n || !token.raw.n)
        return 0;
    char *text = arena_alloc(arena, token.raw.n);
    if (!text)
        return openai_prompt_memory(t->x);
    long n = json_decode(token.raw, true, text, token.raw.n);
    struct json json;
    json_init(&json, span_of(text, n > 0 ? (size_t)n : 0));
    /* One object and nothing behind it: the value that json_value cuts out has no blanks around. */
    if (!json_value(&json, out) || out->p[0] != '{' || json_next(&json, &token) != JSON_END)
        return openai_prompt_refuse(t->x, where,
                                    "give a JSON object as text, such as \"{\\\"city\\\":1}\"");
    return 0;
}

/* Where a call keeps the proof of Gemini's reasoning: Google's own endpoint, and LiteLLM. */
static struct span thought_signature(struct span extra_content, struct span specific) {
    static const struct span path[] = {SPAN_CONST("google"), SPAN_CONST("thought_signature")};
    struct json_token token;
    if (extra_content.n && json_find(extra_content, path, 2, &token) && token.kind == JSON_STRING)
        return token.raw;
    if (specific.n && json_find(specific, path + 1, 1, &token) && token.kind == JSON_STRING)
        return token.raw;
    return SPAN("");
}

/* {"name","arguments"} or {"name","input"}. */
static int read_function(struct openai_turn *t, struct span text, struct span where,
                         struct chat_part *part) {
    enum { F_NAME, F_ARGUMENTS, F_INPUT, F_COUNT };
    static const struct span names[F_COUNT] = {
        [F_NAME] = SPAN_CONST("name"),
        [F_ARGUMENTS] = SPAN_CONST("arguments"),
        [F_INPUT] = SPAN_CONST("input"),
    };
    struct openai_others others = {.where = where};
    struct span values[F_COUNT];
    struct json_token token;
    int rc = openai_prompt_members(t->x, text, names, F_COUNT, values, &others);
    if (rc == 0)
        rc = openai_prompt_plain(t->x, values[F_NAME],
                                 openai_prompt_at(t->x, "%.*s.name", (int)where.n, where.p),
                                 &part->name);
    if (rc < 0)
        return rc;
    part->input = SPAN("{}");
    if (!part->custom)
        return read_arguments(t, values[F_ARGUMENTS],
                              openai_prompt_at(t->x, "%.*s.arguments", (int)where.n, where.p),
                              &part->input);
    if (openai_string(values[F_INPUT], &token))
        part->text = token.raw;
    return 0;
}

static int read_call(struct openai_turn *t, struct span element, unsigned index) {
    enum { C_ID, C_TYPE, C_FUNCTION, C_CUSTOM, C_EXTRA_CONTENT, C_SPECIFIC, C_CACHE, C_COUNT };
    static const struct span names[C_COUNT] = {
        [C_ID] = SPAN_CONST("id"),
        [C_TYPE] = SPAN_CONST("type"),
        [C_FUNCTION] = SPAN_CONST("function"),
        [C_CUSTOM] = SPAN_CONST("custom"),
        [C_EXTRA_CONTENT] = SPAN_CONST("extra_content"),
        [C_SPECIFIC] = SPAN_CONST("provider_specific_fields"),
        [C_CACHE] = SPAN_CONST("cache_control"),
    };
    struct openai_others others = {.take = openai_turn_other,
                                   .where = openai_turn_at_element(t, "tool_calls", index, "")};
    struct span values[C_COUNT];
    int rc = openai_prompt_members(t->x, element, names, C_COUNT, values, &others);
    if (rc < 0)
        return rc;
    struct chat_part *part = chat_add_part(&t->message->parts, t->x->arena, CHAT_PART_TOOL_CALL);
    if (!part)
        return openai_prompt_memory(t->x);
    part->custom = openai_is_word(values[C_TYPE], SPAN("custom"));
    part->signature = thought_signature(values[C_EXTRA_CONTENT], values[C_SPECIFIC]);
    part->signer = part->signature.n ? CHAT_SIGNER_GOOGLE : CHAT_SIGNER_NONE;
    rc = openai_prompt_plain(t->x, values[C_ID],
                             openai_turn_at_element(t, "tool_calls", index, ".id"), &part->id);
    if (rc == 0)
        rc = openai_prompt_cache(t->x, values[C_CACHE], &part->cache, &part->cache_ttl);
    if (rc < 0)
        return rc;
    return read_function(
        t, values[part->custom ? C_CUSTOM : C_FUNCTION],
        openai_turn_at_element(t, "tool_calls", index, part->custom ? ".custom" : ".function"),
        part);
}

static struct span function_id(struct openai_prompt *x, unsigned number) {
    return arena_printf(x->arena, "call_function_%u", number);
}

/* The deprecated call has no id; it and its result are paired by their order. */
static int read_function_call(struct openai_turn *t) {
    if (!t->values[FUNCTION_CALL].n)
        return 0;
    struct chat_part *part = chat_add_part(&t->message->parts, t->x->arena, CHAT_PART_TOOL_CALL);
    if (!part || !(part->id = function_id(t->x, t->x->function_calls + 1)).p)
        return openai_prompt_memory(t->x);
    t->x->function_calls++;
    return read_function(t, t->values[FUNCTION_CALL], openai_turn_at(t, "function_call"), part);
}

/* Through OpenRouter the signature of a Gemini call comes as encrypted reasoning with its id. */
static void give_signatures(struct chat_message *message) {
    /* As many as an answer has calls: each call is looked for among them. */
    const struct chat_part *sealed[TOOL_CALLS_MAX];
    unsigned count = 0;
    for (const struct chat_part *part = message->parts; part; part = part->next)
        if (part->kind == CHAT_PART_REDACTED && part->signer == CHAT_SIGNER_GOOGLE && part->id.n &&
            count < TOOL_CALLS_MAX)
            sealed[count++] = part;
    for (struct chat_part *call = message->parts; call; call = call->next) {
        if (call->kind != CHAT_PART_TOOL_CALL || call->signature.n)
            continue;
        for (unsigned i = 0; i < count; i++) {
            if (!span_eq(sealed[i]->id, call->id))
                continue;
            call->signature = sealed[i]->data;
            call->signer = CHAT_SIGNER_GOOGLE;
        }
    }
}

/* --- turns --- */

static int read_assistant(struct openai_turn *t) {
    int rc = read_reasoning(t);
    if (rc < 0)
        return rc;
    if (openai_says_something(t->values[AUDIO]))
        return openai_prompt_refuse(t->x, openai_turn_at(t, "audio"),
                                    "the audio is stored at one provider and this request goes to "
                                    "others; send its transcript as `content`");
    rc = openai_turn_content(t, t->values[CONTENT], &t->message->parts);
    if (rc == 0)
        rc = openai_turn_text(t, &t->message->parts, CHAT_PART_REFUSAL, t->values[REFUSAL]);
    if (rc == 0)
        rc = each_object(t, t->values[TOOL_CALLS], read_call);
    if (rc == 0)
        rc = read_function_call(t);
    give_signatures(t->message);
    return rc;
}

/* A result, of a call with an id or of the last function called. */
static int read_result(struct openai_turn *t, bool function) {
    struct chat_part *part = chat_add_part(&t->message->parts, t->x->arena, CHAT_PART_TOOL_RESULT);
    if (!part)
        return openai_prompt_memory(t->x);
    if (function && !t->x->function_calls)
        return openai_prompt_refuse(t->x, openai_turn_at(t, "role"),
                                    "a function's result must follow a `function_call`");
    if (function && !(part->id = function_id(t->x, t->x->function_calls)).p)
        return openai_prompt_memory(t->x);
    int rc = function ? 0
                      : openai_prompt_plain(t->x, t->values[TOOL_CALL_ID],
                                            openai_turn_at(t, "tool_call_id"), &part->id);
    if (rc == 0 && t->values[NAME].n)
        rc = openai_prompt_plain(t->x, t->values[NAME], openai_turn_at(t, "name"), &part->name);
    return rc < 0 ? rc : openai_turn_content(t, t->values[CONTENT], &part->parts);
}

static int read_said(struct openai_turn *t) {
    int rc = 0;
    if (t->values[NAME].n)
        rc = openai_prompt_plain(t->x, t->values[NAME], openai_turn_at(t, "name"),
                                 &t->message->name);
    if (rc < 0)
        return rc;
    return t->message->role == CHAT_ASSISTANT
               ? read_assistant(t)
               : openai_turn_content(t, t->values[CONTENT], &t->message->parts);
}

/* A mark on the message stands behind its last part. */
static int read_mark(struct openai_turn *t) {
    struct chat_part *last = t->message->parts ? t->message->parts->last : NULL;
    return last
               ? openai_prompt_cache(t->x, t->values[CACHE_CONTROL], &last->cache, &last->cache_ttl)
               : 0;
}

static const struct {
    struct span name;
    enum chat_role role;
} roles[] = {
    {SPAN_CONST("system"), CHAT_SYSTEM}, {SPAN_CONST("developer"), CHAT_SYSTEM},
    {SPAN_CONST("user"), CHAT_USER},     {SPAN_CONST("assistant"), CHAT_ASSISTANT},
    {SPAN_CONST("tool"), CHAT_TOOL},     {SPAN_CONST("function"), CHAT_TOOL},
};

static int read_turn(struct openai_prompt *x, struct span text, unsigned number) {
    struct span values[MEMBER_COUNT];
    struct openai_turn t = {.x = x, .number = number, .values = values};
    struct openai_others others = {.take = openai_turn_other,
                                   .where = openai_prompt_at(x, "messages[%u]", number)};
    int rc = openai_prompt_members(x, text, member_names, MEMBER_COUNT, values, &others);
    if (rc < 0)
        return rc;
    unsigned i = 0;
    while (i < countof(roles) && !openai_is_word(values[ROLE], roles[i].name))
        i++;
    if (i == countof(roles))
        return openai_prompt_refuse(
            x, openai_turn_at(&t, "role"),
            "give \"system\", \"developer\", \"user\", \"assistant\" or \"tool\"");
    struct chat_message *last = x->prompt->last_message;
    if (roles[i].role == CHAT_TOOL && last && last->role == CHAT_TOOL)
        t.message = last;
    else
        t.message = chat_add_message(x->prompt, x->arena, roles[i].role);
    if (!t.message)
        return openai_prompt_memory(x);
    if (t.message != last)
        t.message->at = number;
    rc = roles[i].role == CHAT_TOOL
             ? read_result(&t, openai_is_word(values[ROLE], SPAN("function")))
             : read_said(&t);
    return rc < 0 ? rc : read_mark(&t);
}

int openai_prompt_messages(struct openai_prompt *x, struct span messages) {
    struct json json;
    struct json_token token;
    struct span element;
    json_init(&json, messages);
    json_next(&json, &token);
    for (unsigned number = 0; json_value(&json, &element); number++) {
        int rc = read_turn(x, element, number);
        if (rc < 0)
            return rc;
    }
    return 0;
}
