/* openai_chat_read.c - reads chat.completion.chunk events and chat.completion bodies of all the
 * providers that speak them; and text_completion ones, which differ inside a choice only. (pure)
 *
 * Owns:     nothing; what is known of the answer so far is in struct chat_reader, its memory is the
 *           arena's.
 * Promises: one pass over an event once content has been seen, no allocation for an event without
 *           news. Text is handed out as it is written. Before the first content each event's choices
 *           and what follows them are read through first: half an event must not win the race. After
 *           ERROR or DONE nothing is given any more.
 * Refuses:  what is not a chunk: ERROR with BAD_EVENT. What is a chunk with a known fault is mended
 *           and said to be so (CHAT_REWRITE); the faults and who makes them are in PROVIDERS.md 3.2
 *           and the fixtures. */
#include "providers/openai_chat.h"

#include "core/base.h"

enum {
    CHOICES,
    USAGE,
    ERROR,
    X_GROQ,
    /* from here on: said once per answer, or nothing to us */
    ID,
    MODEL,
    CREATED,
    SERVICE_TIER,
    SYSTEM_FINGERPRINT,
    OBJECT,
    OBFUSCATION, /* padding against traffic analysis, of one chunk */
    TOP_COUNT
};
static const struct span top_names[TOP_COUNT] = {
    [CHOICES] = SPAN_CONST("choices"),
    [USAGE] = SPAN_CONST("usage"),
    [ERROR] = SPAN_CONST("error"),
    [X_GROQ] = SPAN_CONST("x_groq"),
    [ID] = SPAN_CONST("id"),
    [MODEL] = SPAN_CONST("model"),
    [CREATED] = SPAN_CONST("created"),
    [SERVICE_TIER] = SPAN_CONST("service_tier"),
    [SYSTEM_FINGERPRINT] = SPAN_CONST("system_fingerprint"),
    [OBJECT] = SPAN_CONST("object"),
    [OBFUSCATION] = SPAN_CONST("obfuscation"),
};

bool openai_says_something(struct span json_text) {
    struct json json;
    struct json_token token;
    if (!json_text.n)
        return false;
    json_init(&json, json_text);
    switch (json_next(&json, &token)) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        json_next(&json, &token);
        return token.kind != JSON_OBJECT_END && token.kind != JSON_ARRAY_END;
    case JSON_STRING: return token.raw.n > 0;
    case JSON_NUMBER:
    case JSON_TRUE:
    case JSON_FALSE: return true;
    case JSON_NULL:
    case JSON_ERROR:
    case JSON_END:
    case JSON_KEY:
    case JSON_OBJECT_END:
    case JSON_ARRAY_END: return false;
    }
    return false;
}

void openai_chat_reader_init(struct chat_reader *reader, struct arena *arena) {
    *reader = (struct chat_reader){.arena = arena};
}

/* --- giving events --- */

/* Would the writer of a stream say it? What is said of the answer as a whole is not a chunk of its
 * own. */
static bool is_said(const struct chat_event *event) {
    switch (event->kind) {
    case CHAT_TEXT:
    case CHAT_REASONING:
    case CHAT_REFUSAL:
    case CHAT_TOOL_START:
    case CHAT_TOOL_ARGS:
    case CHAT_MEDIA:
    case CHAT_FINISH: return true;
    case CHAT_EXTRA: return event->place == CHAT_OF_MESSAGE || event->place == CHAT_OF_TOOL;
    case CHAT_START:
    case CHAT_SIGNATURE:
    case CHAT_REDACTED:
    case CHAT_USAGE:
    case CHAT_DONE:
    case CHAT_ERROR:
    case CHAT_OTHER: return false;
    }
    return false;
}

void openai_give(struct openai_read *x, struct chat_event *event) {
    struct chat_reader *reader = x->reader;
    event->answer = &reader->answer;
    if (is_said(event)) {
        struct chat_choice *choice = &reader->choices[event->choice];
        event->continued = choice->role;
        choice->said_here = x->said = true;
    }
    if (chat_event_is_content(event))
        reader->content = true;
    if (event->kind == CHAT_DONE || event->kind == CHAT_ERROR)
        reader->ended = true;
    x->sink.event(x->sink.owner, event);
}

static void give_error(struct openai_read *x, enum fail why, struct span message) {
    if (!x->reader->ended)
        openai_give(x, &(struct chat_event){.kind = CHAT_ERROR, .error = why, .message = message});
}

/* --- who is speaking --- */

/* Notes a member of the answer as it will be written again: a string's content, `created` as
 * digits, the fingerprint with its quotes for it may be null. Anything else is left out. */
static void note_answer(struct openai_read *x, unsigned member, struct span value) {
    bool text = value.p[0] == '"';
    struct span content = text ? span_of(value.p + 1, value.n - 2) : SPAN("");
    switch (member) {
    case ID: x->answer.id = content; break;
    case MODEL: x->answer.model = content; break;
    case SERVICE_TIER: x->answer.service_tier = content; break;
    case CREATED:
        if (value.p[0] >= '0' && value.p[0] <= '9')
            x->answer.created = value;
        break;
    case SYSTEM_FINGERPRINT:
        if (text || span_eq(value, SPAN("null")))
            x->answer.system_fingerprint = value;
        break;
    }
}

/* Reads from the choices, which come next, to the end of the text without giving anything: it must
 * be whole, and some providers name themselves behind the choices. */
static bool look_ahead(struct openai_read *x, const struct json *json) {
    struct json ahead = *json;
    struct json_token token;
    struct span value;
    if (!json_value(&ahead, &value))
        return false;
    x->choices = openai_says_something(value);
    while (json_next(&ahead, &token) == JSON_KEY) {
        unsigned member = openai_member(&token, top_names, TOP_COUNT);
        if (!json_value(&ahead, &value))
            return false;
        note_answer(x, member, value);
    }
    return token.kind == JSON_OBJECT_END && json_next(&ahead, &token) == JSON_END;
}

/* Says who is speaking at the first chunk that has choices: Azure's first has none, and empty
 * names. */
static void start(struct openai_read *x) {
    struct chat_reader *reader = x->reader;
    struct arena *arena = reader->arena;
    reader->started = true;
    reader->answer = (struct chat_answer){
        .id = arena_copy(arena, x->answer.id),
        .model = arena_copy(arena, x->answer.model),
        .created = arena_copy(arena, x->answer.created),
        .service_tier = arena_copy(arena, x->answer.service_tier),
        .system_fingerprint = arena_copy(arena, x->answer.system_fingerprint),
    };
    openai_give(x, &(struct chat_event){
                       .kind = CHAT_START, .id = reader->answer.id, .name = reader->answer.model});
}

/* --- the object --- */

static bool read_choices(struct openai_read *x, struct json *json) {
    struct chat_reader *reader = x->reader;
    if (!reader->content && !look_ahead(x, json))
        return false;
    if (!reader->started && x->choices)
        start(x);
    return openai_read_choices(x, json);
}

static bool read_member(struct openai_read *x, struct json *json, const struct json_token *key) {
    unsigned member = openai_member(key, top_names, TOP_COUNT);
    struct span value;
    if (member == CHOICES)
        return read_choices(x, json);
    if (!json_value(json, &value))
        return false;
    if (!x->reader->started)
        note_answer(x, member, value);
    switch (member) {
    case USAGE: x->usage = value; break;
    case ERROR: x->error = value; break;
    case X_GROQ: {
        static const struct span path[] = {SPAN_CONST("usage")};
        struct json_token usage;
        if (json_find(value, path, countof(path), &usage) && usage.kind == JSON_OBJECT)
            x->choice_usage = usage.raw;
        break;
    }
    case TOP_COUNT:
        x->other = true;
        if (openai_says_something(value))
            openai_give(x, &(struct chat_event){.kind = CHAT_EXTRA,
                                                .place = CHAT_OF_ANSWER,
                                                .name = key->raw,
                                                .text = value});
        break;
    }
    return true;
}

/* The whole text of one chunk or body; false when it is not one. */
static bool read_object(struct openai_read *x, struct span data) {
    struct json json;
    struct json_token token;
    json_init(&json, data);
    if (json_next(&json, &token) != JSON_OBJECT)
        return false;
    while (json_next(&json, &token) == JSON_KEY)
        if (!read_member(x, &json, &token))
            return false;
    return token.kind == JSON_OBJECT_END && json_next(&json, &token) == JSON_END;
}

/* --- usage --- */

static uint64_t number_at(struct span object, const struct span *path, unsigned count) {
    struct json_token token;
    uint64_t number = 0;
    if (json_find(object, path, count, &token) && token.kind == JSON_NUMBER)
        span_u64(token.raw, UINT64_MAX / 4, &number);
    return number;
}
#define NUMBER_AT(object, ...)                              \
    number_at((object), (const struct span[]){__VA_ARGS__}, \
              countof(((const struct span[]){__VA_ARGS__})))

static void read_usage(struct openai_read *x, struct span object) {
    struct chat_usage usage = {
        .known = true,
        .input_tokens = NUMBER_AT(object, SPAN("prompt_tokens")),
        .output_tokens = NUMBER_AT(object, SPAN("completion_tokens")),
        .cached_tokens = NUMBER_AT(object, SPAN("prompt_tokens_details"), SPAN("cached_tokens")),
        .cache_write_tokens =
            NUMBER_AT(object, SPAN("prompt_tokens_details"), SPAN("cache_write_tokens")),
        .reasoning_tokens =
            NUMBER_AT(object, SPAN("completion_tokens_details"), SPAN("reasoning_tokens")),
    };
    uint64_t total = NUMBER_AT(object, SPAN("total_tokens"));
    if (!usage.cached_tokens)
        usage.cached_tokens = NUMBER_AT(object, SPAN("prompt_cache_hit_tokens")); /* DeepSeek */
    if (!usage.cached_tokens)
        usage.cached_tokens = NUMBER_AT(object, SPAN("cached_tokens")); /* Kimi */
    /* xAI leaves reasoning out of completion_tokens, but not out of the total. */
    if (total == usage.input_tokens + usage.output_tokens + usage.reasoning_tokens)
        usage.output_tokens += usage.reasoning_tokens;
    struct chat_reader *reader = x->reader;
    if (!chat_text_set(&reader->usage_text, reader->arena, object)) {
        x->failed = FAIL_OVERLOAD;
        return;
    }
    usage.raw = chat_text_span(&reader->usage_text);
    reader->usage = usage;
    openai_give(x, &(struct chat_event){.kind = CHAT_USAGE, .usage = usage});
}

/* Usage comes in a chunk of its own, on the finish chunk, on each chunk so far (vLLM, Gemini),
 * inside a choice (Kimi) or in x_groq: the last one wins, they are never added up. */
static void take_usage(struct openai_read *x) {
    struct span usage = openai_says_something(x->usage) ? x->usage : x->choice_usage;
    if (!usage.n || usage.p[0] != '{' || !openai_says_something(usage))
        return;
    x->usage_told = usage.p == x->usage.p;
    read_usage(x, usage);
}

/* --- what becomes of the event --- */

static bool all_finished(const struct chat_reader *reader) {
    bool any = false;
    for (unsigned i = 0; i < reader->choice_count; i++) {
        if (reader->choices[i].seen && reader->choices[i].finish == CHAT_FINISH_NONE)
            return false;
        any |= reader->choices[i].seen;
    }
    return any;
}

static bool is_error(struct span error) {
    return openai_says_something(error) && !span_eq(error, SPAN("false"));
}

/* The event is an error, or no chunk at all: gives ERROR. */
static bool read_failure(struct openai_read *x, struct span name, struct span data) {
    bool named = span_eq(name, SPAN("error"));
    /* {"code","message"}, {"detail"}, {"statusCode","message"}: an object that can only be an
     * error. */
    bool bare = x->other && !x->choices && !x->usage.n;
    struct chat_error error;
    if (!is_error(x->error) && !named && !bare && x->failed == FAIL_NONE)
        return false;
    openai_read_error(data, &error);
    if (!is_error(x->error) && !named && x->failed == FAIL_NONE && !error.message.n &&
        !error.code.n)
        return false; /* an object we do not know, without a complaint: not ours to fail on */
    enum fail why = openai_error_fail(&error, true);
    if (why == FAIL_NONE)
        why = x->failed != FAIL_NONE ? x->failed : FAIL_ERROR_EVENT;
    give_error(x, why, error.message);
    return true;
}

static enum chat_relay settle(struct openai_read *x, struct span data) {
    struct chat_reader *reader = x->reader;
    enum chat_relay relay = CHAT_AS_IS;

    if (!x->choices && x->usage_told) {
        /* Before the end, or a second time, it would not be the last word; the writer says that. */
        bool last = reader->want_usage && reader->finished && !reader->usage_chunk;
        reader->usage_chunk |= last;
        relay = last ? CHAT_AS_IS : CHAT_DROP;
    } else if (!x->choices) {
        relay = CHAT_DROP;
    } else if (x->mend || (x->usage_told && reader->want_usage && !reader->keep_usage)) {
        relay = x->said ? CHAT_REWRITE : CHAT_DROP;
    }
    /* Data joined from several lines cannot stand in one; it is white space that is in it. */
    if (relay == CHAT_AS_IS && memchr(data.p, '\n', data.n))
        relay = x->said ? CHAT_REWRITE : CHAT_DROP;

    for (unsigned i = 0; i < reader->choice_count; i++) {
        struct chat_choice *choice = &reader->choices[i];
        if (relay == CHAT_AS_IS ? choice->role_here : relay == CHAT_REWRITE && choice->said_here)
            choice->role = true;
        choice->role_here = choice->said_here = false;
    }
    return relay;
}

static enum chat_relay drop_other(struct openai_read *x) {
    openai_give(x, &(struct chat_event){.kind = CHAT_OTHER});
    return CHAT_DROP;
}

/* The stream is over, by its end mark or its last byte. */
static void end(struct openai_read *x) {
    struct chat_reader *reader = x->reader;
    if (reader->ended)
        return;
    if (reader->finished)
        openai_give(x, &(struct chat_event){.kind = CHAT_DONE});
    else
        give_error(x, reader->content ? FAIL_INCOMPLETE : FAIL_EMPTY, SPAN(""));
}

static bool read_data(struct openai_read *x, struct span data) {
    bool whole = read_object(x, data);
    x->reader->finished = all_finished(x->reader);
    return whole;
}

/* What is wrong with data that cannot be read: cut off at its end, as the last line of a broken
 * stream is, or no JSON at all. */
static enum fail fault_of(const struct openai_read *x, struct span name, struct span data) {
    size_t at;
    if (x->failed != FAIL_NONE)
        return x->failed;
    if (span_eq(name, SPAN("error")))
        return FAIL_ERROR_EVENT; /* its text need not be JSON */
    return json_check(data, &at, NULL) < 0 && at == data.n ? FAIL_INCOMPLETE : FAIL_BAD_EVENT;
}

enum chat_relay openai_read_event(struct chat_reader *reader, enum openai_form form,
                                  struct span name, struct span data, struct chat_sink sink) {
    struct openai_read x = {.reader = reader, .sink = sink, .form = form};
    data = span_trim(data);
    if (reader->ended)
        return CHAT_DROP;
    if (!data.n || data.p[0] == ':')
        return drop_other(&x); /* keep-alives wrapped in data lines: Vertex partner models */
    if (span_eq(data, SPAN("[DONE]"))) {
        end(&x);
        return CHAT_DROP;
    }
    if (!read_data(&x, data)) {
        give_error(&x, fault_of(&x, name, data), SPAN(""));
        return CHAT_DROP;
    }
    take_usage(&x);
    bool failed = read_failure(&x, name, data);
    if (failed)
        return x.said ? CHAT_REWRITE : CHAT_DROP;
    if (!x.choices && !x.usage.n)
        return drop_other(&x);
    return settle(&x, data);
}

enum chat_relay openai_chat_read_event(struct chat_reader *reader, struct span name,
                                       struct span data, struct chat_sink sink) {
    return openai_read_event(reader, OPENAI_CHAT, name, data, sink);
}

void openai_chat_read_end(struct chat_reader *reader, struct chat_sink sink) {
    end(&(struct openai_read){.reader = reader, .sink = sink});
}

/* A body is one value, so that a choice in it is whole even if nobody says why it finished. */
static void end_body(struct openai_read *x) {
    struct chat_reader *reader = x->reader;
    if (reader->ended)
        return;
    if (reader->content || reader->finished)
        openai_give(x, &(struct chat_event){.kind = CHAT_DONE});
    else
        give_error(x, FAIL_EMPTY, SPAN(""));
}

void openai_read_body(struct chat_reader *reader, enum openai_form form, struct span body,
                      struct chat_sink sink) {
    struct openai_read x = {.reader = reader, .sink = sink, .form = form, .whole = true};
    struct chat_error error;
    if (reader->ended)
        return;
    while (body.n && strchr(" \t\r\n", body.p[0]) && body.p[0])
        body = span_from(body, 1);
    if (!body.n) {
        end_body(&x);
        return;
    }
    if (body.p[0] == '{' && read_data(&x, body)) {
        take_usage(&x);
        if (!read_failure(&x, SPAN(""), body))
            end_body(&x);
        return;
    }
    /* HTML, an array (Gemini without alt=sse), half a body: an error among them says what it is. */
    openai_read_error(body, &error);
    enum fail why = openai_error_fail(&error, true);
    if (why == FAIL_NONE)
        why = x.failed != FAIL_NONE ? x.failed
              : error.message.n     ? FAIL_ERROR_EVENT
                                    : FAIL_BAD_EVENT;
    give_error(&x, why, error.message);
}

void openai_chat_read_body(struct chat_reader *reader, struct span body, struct chat_sink sink) {
    openai_read_body(reader, OPENAI_CHAT, body, sink);
}
