/* openai_chat_choice.c - what stands inside a choice of the OpenAI chat dialect: deltas and
 * messages, roles, finish reasons. (pure)
 *
 * Owns:     nothing; the state of a choice is the reader's, its memory the arena's.
 * Promises: text is handed out as it is written; a finish reason is given once per choice, and only
 *           one that clients know. Known faults are mended and said to be so (x->mend).
 * Refuses:  an index out of bounds, and what is no choice at all. Tool calls are read in
 *           openai_chat_tools.c. */
#include "providers/openai_chat.h"

#include "core/base.h"
#include "core/limits.h"

enum { INDEX, DELTA, MESSAGE, TEXT, FINISH_REASON, CHOICE_USAGE, CHOICE_COUNT };
static const struct span choice_names[CHOICE_COUNT] = {
    [INDEX] = SPAN_CONST("index"),
    [DELTA] = SPAN_CONST("delta"),
    [MESSAGE] = SPAN_CONST("message"),
    [TEXT] = SPAN_CONST("text"),
    [FINISH_REASON] = SPAN_CONST("finish_reason"),
    [CHOICE_USAGE] = SPAN_CONST("usage"),
};

enum {
    CONTENT,
    ROLE,
    REASONING,
    REASONING_CONTENT,
    REFUSAL,
    TOOL_CALLS,
    FUNCTION_CALL,
    AUDIO,
    IMAGES,
    DELTA_COUNT
};
static const struct span delta_names[DELTA_COUNT] = {
    [CONTENT] = SPAN_CONST("content"),
    [ROLE] = SPAN_CONST("role"),
    [REASONING] = SPAN_CONST("reasoning"),
    [REASONING_CONTENT] = SPAN_CONST("reasoning_content"),
    [REFUSAL] = SPAN_CONST("refusal"),
    [TOOL_CALLS] = SPAN_CONST("tool_calls"),
    [FUNCTION_CALL] = SPAN_CONST("function_call"),
    [AUDIO] = SPAN_CONST("audio"),
    [IMAGES] = SPAN_CONST("images"),
};

/* Finish reasons: the five of the specification, and foreign spellings seen in the wild. A row with
 * a failure says that the answer did not finish at all. What is in no row counts as "stop": several
 * SDKs fail on a value they do not know. */
static const struct {
    struct span name;
    enum chat_finish finish;
    enum fail failed;
} finish_rows[] = {
    {SPAN_CONST("stop"), CHAT_FINISH_STOP, FAIL_NONE},
    {SPAN_CONST("length"), CHAT_FINISH_LENGTH, FAIL_NONE},
    {SPAN_CONST("tool_calls"), CHAT_FINISH_TOOL_CALLS, FAIL_NONE},
    {SPAN_CONST("content_filter"), CHAT_FINISH_CONTENT_FILTER, FAIL_NONE},
    {SPAN_CONST("function_call"), CHAT_FINISH_FUNCTION_CALL, FAIL_NONE},
    {SPAN_CONST("error"), CHAT_FINISH_NONE, FAIL_ERROR_EVENT},         /* OpenRouter, Mistral */
    {SPAN_CONST("network_error"), CHAT_FINISH_NONE, FAIL_ERROR_EVENT}, /* Z.ai */
    {SPAN_CONST("insufficient_system_resource"), CHAT_FINISH_NONE, FAIL_OVERLOADED}, /* DeepSeek */
    {SPAN_CONST("abort"), CHAT_FINISH_NONE, FAIL_ERROR_EVENT}, /* vLLM, SGLang */
    {SPAN_CONST("max_tokens"), CHAT_FINISH_LENGTH, FAIL_NONE}, /* Gemini, gateways */
    {SPAN_CONST("MAX_TOKENS"), CHAT_FINISH_LENGTH, FAIL_NONE},
    {SPAN_CONST("model_length"), CHAT_FINISH_LENGTH, FAIL_NONE},                  /* Mistral */
    {SPAN_CONST("model_context_window_exceeded"), CHAT_FINISH_LENGTH, FAIL_NONE}, /* Claude, Z.ai */
    {SPAN_CONST("tool_use"), CHAT_FINISH_TOOL_CALLS, FAIL_NONE}, /* Claude behind gateways */
    {SPAN_CONST("tool_call"), CHAT_FINISH_TOOL_CALLS, FAIL_NONE},
    {SPAN_CONST("safety"), CHAT_FINISH_CONTENT_FILTER, FAIL_NONE}, /* Gemini */
    {SPAN_CONST("SAFETY"), CHAT_FINISH_CONTENT_FILTER, FAIL_NONE},
    {SPAN_CONST("recitation"), CHAT_FINISH_CONTENT_FILTER, FAIL_NONE},
    {SPAN_CONST("RECITATION"), CHAT_FINISH_CONTENT_FILTER, FAIL_NONE},
    {SPAN_CONST("sensitive"), CHAT_FINISH_CONTENT_FILTER, FAIL_NONE},            /* Z.ai */
    {SPAN_CONST("refusal"), CHAT_FINISH_CONTENT_FILTER, FAIL_NONE},              /* Claude */
    {SPAN_CONST("guardrail_intervened"), CHAT_FINISH_CONTENT_FILTER, FAIL_NONE}, /* Bedrock */
};

static void give_text(struct openai_read *x, enum chat_event_kind kind, unsigned index,
                      struct span text) {
    if (text.n)
        openai_give(x, &(struct chat_event){.kind = kind, .choice = index, .text = text});
}

/* The state of choice `index`, made when it is new; false when the index is out of bounds or memory
 * is used up. */
static bool choice_at(struct openai_read *x, unsigned index) {
    struct chat_reader *reader = x->reader;
    if (index >= CHOICES_MAX) {
        x->failed = FAIL_BAD_EVENT;
        return false;
    }
    if (index >= reader->choice_max) {
        unsigned max = reader->choice_max ? reader->choice_max : 1;
        while (max <= index)
            max *= 2;
        struct chat_choice *choices = arena_zalloc(reader->arena, max * sizeof *choices);
        if (!choices) {
            x->failed = FAIL_OVERLOAD;
            return false;
        }
        if (reader->choice_count)
            memcpy(choices, reader->choices, reader->choice_count * sizeof *choices);
        reader->choices = choices;
        reader->choice_max = max;
    }
    if (index >= reader->choice_count)
        reader->choice_count = index + 1;
    reader->choices[index].seen = true;
    return true;
}

/* A part of a content array, behind its brace: {"type":"text","text":".."} or
 * {"type":"thinking","thinking":[parts]}. */
static bool read_part(struct openai_read *x, struct json *json, unsigned index,
                      enum chat_event_kind kind) {
    struct json_token key, value;
    while (json_next(json, &key) == JSON_KEY) {
        bool text = json_is(&key, SPAN("text")), thinking = json_is(&key, SPAN("thinking"));
        json_next(json, &value);
        if (value.kind == JSON_STRING && (text || thinking)) {
            give_text(x, thinking ? CHAT_REASONING : kind, index, value.raw);
        } else if (value.kind == JSON_ARRAY && thinking) {
            while (json_next(json, &value) == JSON_OBJECT)
                if (!read_part(x, json, index, CHAT_REASONING))
                    return false;
            if (value.kind != JSON_ARRAY_END)
                return false;
        } else if (!openai_skip(json, &value)) {
            return false;
        }
    }
    return key.kind == JSON_OBJECT_END;
}

/* Content as an array of parts: Mistral's reasoning models. Clients want a string, so that the
 * chunk is written anew. */
static bool read_parts(struct openai_read *x, struct json *json, unsigned index) {
    struct json_token token;
    x->mend = true;
    while (json_next(json, &token) == JSON_OBJECT)
        if (!read_part(x, json, index, CHAT_TEXT))
            return false;
    return token.kind == JSON_ARRAY_END;
}

static bool read_text(struct openai_read *x, struct json *json, unsigned index, unsigned member) {
    struct json_token value;
    json_next(json, &value);
    if (value.kind == JSON_ARRAY && member == CONTENT)
        return read_parts(x, json, index);
    if (value.kind != JSON_STRING || !value.raw.n)
        return openai_skip(json, &value);
    if (member == CONTENT || member == REFUSAL) {
        give_text(x, member == CONTENT ? CHAT_TEXT : CHAT_REFUSAL, index, value.raw);
        return true;
    }
    /* Servers in transition say the same under both names. */
    if (!x->reasoned)
        openai_give(x, &(struct chat_event){.kind = CHAT_REASONING,
                                            .choice = index,
                                            .text = value.raw,
                                            .name = delta_names[member]});
    x->reasoned = true;
    return true;
}

/* Does an audio or function_call delta bring sound or words? Its first often brings an id only. */
static bool is_media(unsigned member, struct span value) {
    static const struct span paths[][1] = {{SPAN_CONST("data")},
                                           {SPAN_CONST("transcript")},
                                           {SPAN_CONST("name")},
                                           {SPAN_CONST("arguments")}};
    struct json_token token;
    if (member == IMAGES)
        return true;
    for (unsigned i = 0; i < countof(paths); i++)
        if (json_find(value, paths[i], 1, &token) && token.kind == JSON_STRING && token.raw.n)
            return true;
    return false;
}

/* audio, images, function_call, and members that we do not know. Unknown numbers and strings tell
 * how the piece was cut (Groq's `channel`, Mistral's `index`) and are not part of the message. */
static bool read_other(struct openai_read *x, struct json *json, unsigned index, unsigned member,
                       struct span name) {
    struct span value;
    if (!json_value(json, &value))
        return false;
    if ((value.p[0] != '{' && value.p[0] != '[') || !openai_says_something(value))
        return true;
    struct chat_event event = {.kind = CHAT_EXTRA, .choice = index, .name = name, .text = value};
    if (member != DELTA_COUNT && is_media(member, value))
        event.kind = CHAT_MEDIA;
    openai_give(x, &event);
    return true;
}

static bool read_delta_member(struct openai_read *x, struct json *json, unsigned index,
                              const struct json_token *key) {
    unsigned member = openai_member(key, delta_names, DELTA_COUNT);
    struct json_token value;
    switch (member) {
    case CONTENT:
    case REASONING:
    case REASONING_CONTENT:
    case REFUSAL: return read_text(x, json, index, member);
    case ROLE:
        json_next(json, &value);
        if (value.kind == JSON_STRING && value.raw.n)
            x->reader->choices[index].role_here = true;
        return openai_skip(json, &value);
    case TOOL_CALLS:
        json_next(json, &value);
        return value.kind == JSON_ARRAY ? openai_read_tool_calls(x, json, index)
                                        : openai_skip(json, &value);
    }
    return read_other(x, json, index, member, key->raw);
}

/* A delta or a message, as the next value. */
static bool read_delta(struct openai_read *x, struct json *json, unsigned index) {
    struct json_token token;
    if (json_next(json, &token) != JSON_OBJECT) {
        /* Azure's asynchronous filter sends choices without a delta, on which clients fall. */
        x->mend = true;
        return openai_skip(json, &token);
    }
    while (json_next(json, &token) == JSON_KEY)
        if (!read_delta_member(x, json, index, &token))
            return false;
    return token.kind == JSON_OBJECT_END;
}

static void finish(struct openai_read *x, unsigned index, struct span raw) {
    struct chat_choice *choice = &x->reader->choices[index];
    enum chat_finish finish = CHAT_FINISH_STOP;
    for (unsigned i = 0; i < countof(finish_rows); i++) {
        if (!span_eq(raw, finish_rows[i].name))
            continue;
        finish = finish_rows[i].finish;
        if (finish_rows[i].failed != FAIL_NONE) {
            x->failed = finish_rows[i].failed;
            x->mend = true;
            return;
        }
    }
    if (choice->finish != CHAT_FINISH_NONE) {
        x->mend = true; /* OpenRouter says it twice */
        return;
    }
    openai_finish_tools(x, index);
    if (finish == CHAT_FINISH_STOP && choice->started_count)
        finish = CHAT_FINISH_TOOL_CALLS;
    if (!span_eq(raw, span_str(chat_finish_name(finish))))
        x->mend = true;
    choice->finish = finish;
    openai_give(x, &(struct chat_event){.kind = CHAT_FINISH, .choice = index, .finish = finish});
}

/* What the choice's index is, looked up ahead because Azure and Qwen write it last; `position` when
 * it is not said. */
static bool choice_index(struct openai_read *x, const struct json *json, unsigned position,
                         unsigned *index) {
    struct json ahead = *json;
    struct json_token key, value;
    *index = position;
    while (json_next(&ahead, &key) == JSON_KEY) {
        json_next(&ahead, &value);
        if (openai_member(&key, choice_names, 1) == INDEX) {
            uint64_t number;
            if (value.kind != JSON_NUMBER || !span_u64(value.raw, CHOICES_MAX - 1, &number))
                return false;
            *index = (unsigned)number;
            return true;
        }
        if (!openai_skip(&ahead, &value))
            return false;
    }
    x->mend = true;
    return true;
}

/* A role is told once per choice: missing in the first delta or said again later is a fault.
 * Python's SDK adds up "assistantassistant". */
static void check_role(struct openai_read *x, const struct chat_choice *choice) {
    if (choice->role == choice->role_here)
        x->mend = true;
}

/* Is it a member that has no meaning to us? A chat's `text` has none. */
static bool is_foreign(const struct openai_read *x, unsigned member) {
    return member == CHOICE_COUNT || (member == TEXT && x->form == OPENAI_CHAT);
}

/* The member of a choice that holds what the model says. */
static unsigned said_in(const struct openai_read *x) {
    if (x->form == OPENAI_COMPLETION)
        return TEXT;
    return x->whole ? MESSAGE : DELTA;
}

static bool read_choice_member(struct openai_read *x, struct json *json, unsigned index,
                               const struct json_token *key, struct json_token *reason) {
    unsigned member = openai_member(key, choice_names, CHOICE_COUNT);
    struct span value;
    if (member == said_in(x))
        return member == TEXT ? read_text(x, json, index, CONTENT) : read_delta(x, json, index);
    if (member == FINISH_REASON) {
        json_next(json, reason);
        return openai_skip(json, reason);
    }
    if (!json_value(json, &value))
        return false;
    if (member == CHOICE_USAGE)
        x->choice_usage = value;
    else if (is_foreign(x, member) && openai_says_something(value))
        openai_give(x, &(struct chat_event){.kind = CHAT_EXTRA,
                                            .choice = index,
                                            .place = CHAT_OF_CHOICE,
                                            .name = key->raw,
                                            .text = value});
    return true;
}

/* A choice, behind its brace. */
static bool read_choice(struct openai_read *x, struct json *json, unsigned position) {
    struct json_token key, reason = {.kind = JSON_NULL};
    unsigned index;
    if (!choice_index(x, json, position, &index) || !choice_at(x, index))
        return false;
    bool said = false;
    x->reasoned = false;
    while (json_next(json, &key) == JSON_KEY) {
        said |= json_is(&key, choice_names[said_in(x)]);
        if (!read_choice_member(x, json, index, &key, &reason))
            return false;
    }
    if (key.kind != JSON_OBJECT_END)
        return false;
    if (!said)
        x->mend = true;
    if (x->form == OPENAI_CHAT)
        check_role(x, &x->reader->choices[index]);
    if (reason.kind == JSON_STRING && reason.raw.n)
        finish(x, index, reason.raw);
    else if (reason.kind != JSON_NULL)
        x->mend = true; /* "" and worse: neither an end nor null */
    return true;
}

bool openai_read_choices(struct openai_read *x, struct json *json) {
    struct json_token token;
    json_next(json, &token);
    if (token.kind != JSON_ARRAY)
        return openai_skip(json, &token);
    for (unsigned position = 0; json_next(json, &token) == JSON_OBJECT; position++) {
        x->choices = true;
        if (!read_choice(x, json, position))
            return false;
    }
    return token.kind == JSON_ARRAY_END;
}
