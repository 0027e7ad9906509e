/* openai_responses_read.c - reads the events of a Responses stream, and whole responses. (pure)
 *
 *     response.created .. output_item.added .. deltas .. output_item.done .. response.completed
 *       START               TOOL_START         TEXT ...    REDACTED           FINISH USAGE DONE
 *
 * Only the data is looked at: its `type` names the event, for some backends write the event's name
 * behind the data, or not at all.
 *
 * Owns:     nothing; what is known of the answer is in struct openai_responses_reading.
 * Promises: each event is checked as JSON before anything of it is given; every event is relayed as
 *           it came but errors, which the owner says, and what is no event. The end is said by a
 *           terminal event only: [DONE] and the end of bytes are none.
 * Refuses:  what is no object: ERROR with BAD_EVENT. Output items are in openai_responses_items.c. */
#include "providers/openai_chat.h"
#include "providers/openai_responses.h"

enum event {
    TEXT_DELTA,
    ARGUMENTS_DELTA,
    SUMMARY_DELTA,
    THOUGHT_DELTA,
    REFUSAL_DELTA,
    ITEM_ADDED,
    ITEM_DONE,
    TEXT_DONE,
    REFUSAL_DONE,
    ARGUMENTS_DONE,
    SUMMARY_DONE,
    THOUGHT_DONE,
    BEGUN,
    ENDED,
    FAILED,
    OTHER
};
static const struct span event_types[] = {
#define RESPONSES_EVENT(type, what) SPAN_CONST(type),
#include "providers/openai_responses_events.def"
#undef RESPONSES_EVENT
};
static const enum event event_whats[] = {
#define RESPONSES_EVENT(type, what) what,
#include "providers/openai_responses_events.def"
#undef RESPONSES_EVENT
};

enum {
    TYPE,
    DELTA,
    OUTPUT_INDEX,
    CONTENT_INDEX,
    SUMMARY_INDEX,
    TEXT,
    REFUSAL,
    ARGUMENTS,
    INPUT,
    ITEM,
    RESPONSE,
    ERROR,
    MESSAGE,
    CODE,
    SEQUENCE,
    MEMBER_COUNT
};
static const struct span member_names[MEMBER_COUNT] = {
    [TYPE] = SPAN_CONST("type"),
    [DELTA] = SPAN_CONST("delta"),
    [OUTPUT_INDEX] = SPAN_CONST("output_index"),
    [CONTENT_INDEX] = SPAN_CONST("content_index"),
    [SUMMARY_INDEX] = SPAN_CONST("summary_index"),
    [TEXT] = SPAN_CONST("text"),
    [REFUSAL] = SPAN_CONST("refusal"),
    [ARGUMENTS] = SPAN_CONST("arguments"),
    [INPUT] = SPAN_CONST("input"),
    [ITEM] = SPAN_CONST("item"),
    [RESPONSE] = SPAN_CONST("response"),
    [ERROR] = SPAN_CONST("error"),
    [MESSAGE] = SPAN_CONST("message"),
    [CODE] = SPAN_CONST("code"),
    [SEQUENCE] = SPAN_CONST("sequence_number"),
};

enum {
    ID,
    MODEL,
    CREATED_AT,
    SERVICE_TIER,
    STATUS,
    FAULT,
    INCOMPLETE,
    OUTPUT,
    USAGE,
    RESPONSE_COUNT
};
static const struct span response_names[RESPONSE_COUNT] = {
    [ID] = SPAN_CONST("id"),
    [MODEL] = SPAN_CONST("model"),
    [CREATED_AT] = SPAN_CONST("created_at"),
    [SERVICE_TIER] = SPAN_CONST("service_tier"),
    [STATUS] = SPAN_CONST("status"),
    [FAULT] = SPAN_CONST("error"),
    [INCOMPLETE] = SPAN_CONST("incomplete_details"),
    [OUTPUT] = SPAN_CONST("output"),
    [USAGE] = SPAN_CONST("usage"),
};

static const struct {
    struct span code;
    enum fail fail;
} error_rows[] = {
#define RESPONSES_ERROR(code, fail) {SPAN_CONST(code), FAIL_##fail},
#include "providers/openai_responses_errors.def"
#undef RESPONSES_ERROR
};

void openai_responses_reader_init(struct chat_reader *reader, struct arena *arena) {
    *reader = (struct chat_reader){.arena = arena};
    struct openai_responses_reading *own = arena_zalloc(arena, sizeof *own);
    if (own)
        own->last = &own->items;
    reader->own = own; /* NULL: the first event fails */
}

static void give_error(struct openai_responses_read *x, enum fail why, struct span message) {
    openai_responses_give(
        x, &(struct chat_event){.kind = CHAT_ERROR, .error = why, .message = message});
}

/* The bytes are over, or an end mark came, without a terminal event. */
static void end_early(struct openai_responses_read *x) {
    give_error(x, x->reader->content ? FAIL_INCOMPLETE : FAIL_EMPTY, SPAN(""));
}

/* --- errors --- */

static bool says_error(const struct json_token *error) {
    return error->kind == JSON_STRING ? error->raw.n > 0
                                      : error->kind != JSON_FALSE && error->kind != JSON_NULL &&
                                            openai_says_something(error->raw);
}

static void read_failure(struct openai_responses_read *x, struct span text) {
    struct chat_error error;
    openai_read_error(text, &error);
    enum fail why = openai_error_fail(&error, true);
    const struct span words[] = {error.code, error.type};
    for (unsigned w = 0; w < countof(words) && why == FAIL_NONE; w++)
        for (unsigned i = 0; i < countof(error_rows) && why == FAIL_NONE; i++)
            if (span_eq(words[w], error_rows[i].code))
                why = error_rows[i].fail;
    give_error(x, why == FAIL_NONE ? FAIL_ERROR_EVENT : why, error.message);
}

/* --- the response object --- */

/* Whole seconds: some backends write a fraction. */
static struct span seconds_of(const struct json_token *value) {
    size_t n = 0;
    if (value->kind != JSON_NUMBER)
        return SPAN("");
    while (n < value->raw.n && value->raw.p[n] >= '0' && value->raw.p[n] <= '9')
        n++;
    return n == value->raw.n || value->raw.p[n] == '.' ? span_of(value->raw.p, n) : SPAN("");
}

static void take_answer(struct openai_responses_read *x, const struct json_token *response) {
    struct chat_reader *reader = x->reader;
    struct arena *arena = reader->arena;
    if (reader->started)
        return;
    reader->started = true;
    reader->answer = (struct chat_answer){
        .id = arena_copy(arena, openai_responses_string(&response[ID])),
        .model = arena_copy(arena, openai_responses_string(&response[MODEL])),
        .created = arena_copy(arena, seconds_of(&response[CREATED_AT])),
        .service_tier = arena_copy(arena, openai_responses_string(&response[SERVICE_TIER])),
    };
    openai_responses_give(x, &(struct chat_event){.kind = CHAT_START,
                                                  .id = reader->answer.id,
                                                  .name = reader->answer.model});
}

static void take_usage(struct openai_responses_read *x, const struct json_token *value) {
    enum { IN, IN_DETAILS, OUT, OUT_DETAILS, COUNT };
    enum { CACHED, WRITTEN, REASONED, DETAIL_COUNT };
    static const struct span names[COUNT] = {
        SPAN_CONST("input_tokens"), SPAN_CONST("input_tokens_details"), SPAN_CONST("output_tokens"),
        SPAN_CONST("output_tokens_details")};
    static const struct span detail_names[DETAIL_COUNT] = {SPAN_CONST("cached_tokens"),
                                                           SPAN_CONST("cache_write_tokens"),
                                                           SPAN_CONST("reasoning_tokens")};
    struct json_token members[COUNT], in[DETAIL_COUNT], out[DETAIL_COUNT];
    if (value->kind != JSON_OBJECT ||
        !openai_responses_members(value->raw, names, COUNT, members) ||
        members[IN].kind != JSON_NUMBER)
        return;
    openai_responses_members(members[IN_DETAILS].raw, detail_names, DETAIL_COUNT, in);
    openai_responses_members(members[OUT_DETAILS].raw, detail_names, DETAIL_COUNT, out);
    /* `raw` stays empty: what goes on in this dialect is relayed whole, and no other can use it. */
    x->reader->usage = (struct chat_usage){
        .known = true,
        .input_tokens = openai_responses_number(&members[IN], 0),
        .output_tokens = openai_responses_number(&members[OUT], 0),
        .cached_tokens = openai_responses_number(&in[CACHED], 0),
        .cache_write_tokens = openai_responses_number(&in[WRITTEN], 0),
        .reasoning_tokens = openai_responses_number(&out[REASONED], 0),
    };
    openai_responses_give(x, &(struct chat_event){.kind = CHAT_USAGE, .usage = x->reader->usage});
}

static enum chat_finish finish_of(const struct openai_responses_read *x,
                                  const struct json_token *response, bool incomplete) {
    static const struct span path[] = {SPAN_CONST("reason")};
    struct json_token reason;
    if (!incomplete)
        return x->own->call_count ? CHAT_FINISH_TOOL_CALLS : CHAT_FINISH_STOP;
    if (response[INCOMPLETE].kind == JSON_OBJECT &&
        json_find(response[INCOMPLETE].raw, path, countof(path), &reason) &&
        reason.kind == JSON_STRING && json_is(&reason, SPAN("content_filter")))
        return CHAT_FINISH_CONTENT_FILTER;
    return CHAT_FINISH_LENGTH; /* max_output_tokens, and any other limit */
}

static bool status_is(const struct json_token *response, struct span status) {
    return response[STATUS].kind == JSON_STRING && json_is(&response[STATUS], status);
}

/* Arguments that never came: an item may be begun and forgotten. */
static void close_calls(struct openai_responses_read *x) {
    for (struct openai_responses_item *item = x->own->items; item; item = item->next)
        if (item->kind == RESPONSES_CALL)
            openai_responses_arguments(x, item, SPAN("{}"), true);
}

/* The answer is over: `text` is its whole response object. */
static void read_ended(struct openai_responses_read *x, struct span type, struct span text) {
    struct json_token response[RESPONSE_COUNT];
    if (!openai_responses_members(text, response_names, RESPONSE_COUNT, response)) {
        x->failed = FAIL_BAD_EVENT;
        return;
    }
    take_answer(x, response);
    if (says_error(&response[FAULT])) {
        read_failure(x, response[FAULT].raw);
        return;
    }
    if (span_eq(type, SPAN("response.failed")) || status_is(response, SPAN("failed")) ||
        span_eq(type, SPAN("response.cancelled")) || status_is(response, SPAN("cancelled"))) {
        give_error(x, FAIL_ERROR_EVENT, SPAN(""));
        return;
    }
    if (status_is(response, SPAN("in_progress")) || status_is(response, SPAN("queued"))) {
        end_early(x);
        return;
    }
    if (response[OUTPUT].kind == JSON_ARRAY)
        openai_responses_output(x, response[OUTPUT].raw);
    if (x->failed != FAIL_NONE)
        return;
    close_calls(x);
    bool incomplete =
        span_eq(type, SPAN("response.incomplete")) || status_is(response, SPAN("incomplete"));
    x->reader->finished = true;
    openai_responses_give(
        x, &(struct chat_event){.kind = CHAT_FINISH, .finish = finish_of(x, response, incomplete)});
    take_usage(x, &response[USAGE]);
    openai_responses_give(x, &(struct chat_event){.kind = CHAT_DONE});
}

static void read_begun(struct openai_responses_read *x, const struct json_token *value) {
    struct json_token response[RESPONSE_COUNT];
    if (value->kind == JSON_OBJECT &&
        openai_responses_members(value->raw, response_names, RESPONSE_COUNT, response))
        take_answer(x, response);
}

/* --- events --- */

static void read_piece(struct openai_responses_read *x, enum event what,
                       const struct json_token *members) {
    const struct openai_responses_item *current = x->own->current;
    /* Without an index it is the item of the moment. */
    uint64_t index = openai_responses_number(&members[OUTPUT_INDEX], current ? current->index : 0);
    uint64_t part = openai_responses_number(&members[CONTENT_INDEX], 0);
    uint64_t summary = openai_responses_number(&members[SUMMARY_INDEX], 0);
    struct span delta = openai_responses_string(&members[DELTA]);
    struct span text = openai_responses_string(&members[TEXT]);
    struct openai_responses_item *item = openai_responses_item_at(x, index);
    if (!item)
        return;
    switch (what) {
    case TEXT_DELTA: openai_responses_text(x, item, CHAT_TEXT, part, delta, false); break;
    case TEXT_DONE:
        openai_responses_text(x, item, CHAT_TEXT, part, text, true);
        item->part_done = true;
        break;
    case REFUSAL_DELTA: openai_responses_text(x, item, CHAT_REFUSAL, part, delta, false); break;
    case REFUSAL_DONE:
        openai_responses_text(x, item, CHAT_REFUSAL, part,
                              openai_responses_string(&members[REFUSAL]), true);
        break;
    case SUMMARY_DELTA: openai_responses_reasoning(x, item, true, summary, delta, false); break;
    case SUMMARY_DONE:
        openai_responses_reasoning(x, item, true, summary, text, true);
        item->part_done = true;
        break;
    case THOUGHT_DELTA: openai_responses_reasoning(x, item, false, part, delta, false); break;
    case THOUGHT_DONE: openai_responses_reasoning(x, item, false, part, text, true); break;
    case ARGUMENTS_DELTA: openai_responses_arguments(x, item, delta, false); break;
    case ARGUMENTS_DONE:
        openai_responses_arguments(x, item, openai_responses_string(&members[ARGUMENTS]), true);
        openai_responses_arguments(x, item, openai_responses_string(&members[INPUT]), true);
        break;
    case ITEM_ADDED: openai_responses_item_added(x, item, members[ITEM].raw); break;
    case ITEM_DONE:
        openai_responses_item_done(x, item, members[ITEM].raw);
        item->done = true;
        if (x->reader->keep)
            item->json = arena_copy(x->reader->arena, members[ITEM].raw);
        break;
    case BEGUN:
    case ENDED:
    case FAILED:
    case OTHER: break;
    }
}

static enum event event_of(struct span name, const struct json_token *type) {
    struct json_token word = *type;
    if (type->kind != JSON_STRING)
        word = (struct json_token){.kind = JSON_STRING, .raw = name};
    unsigned i = openai_member(&word, event_types, countof(event_types));
    return i < countof(event_types) ? event_whats[i] : OTHER;
}

/* An annotation of the text: a citation, a file. */
static bool is_note(struct span type) {
    return span_eq(type, SPAN("response.output_text.annotation.added"));
}

static void read_object(struct openai_responses_read *x, struct span name, struct span data,
                        const struct json_token *members) {
    enum event what = event_of(name, &members[TYPE]);
    /* {"message","code"} and no type: the error of a gateway. */
    bool bare = members[TYPE].kind != JSON_STRING &&
                (openai_responses_string(&members[MESSAGE]).n || says_error(&members[CODE]));
    if (what == FAILED || says_error(&members[ERROR]) || span_eq(name, SPAN("error")) || bare) {
        read_failure(x, data);
        return;
    }
    switch (what) {
    case BEGUN: read_begun(x, &members[RESPONSE]); break;
    case ENDED: {
        struct span type = openai_responses_string(&members[TYPE]);
        read_ended(x, type.n ? type : name, members[RESPONSE].raw);
        break;
    }
    case TEXT_DELTA:
    case ARGUMENTS_DELTA:
    case SUMMARY_DELTA:
    case THOUGHT_DELTA:
    case REFUSAL_DELTA:
    case ITEM_ADDED:
    case ITEM_DONE:
    case TEXT_DONE:
    case REFUSAL_DONE:
    case ARGUMENTS_DONE:
    case SUMMARY_DONE:
    case THOUGHT_DONE: read_piece(x, what, members); break;
    case FAILED: break;
    case OTHER: x->reader->opaque |= is_note(openai_responses_string(&members[TYPE])); break;
    }
    if (x->failed != FAIL_NONE)
        give_error(x, x->failed, SPAN(""));
}

/* What is wrong with data that cannot be read: cut off at its end, as the last line of a broken
 * stream is, or no JSON object at all. */
static enum fail fault_of(struct span name, struct span data) {
    size_t at;
    if (span_eq(name, SPAN("error")))
        return FAIL_ERROR_EVENT; /* its text need not be JSON */
    return json_check(data, &at, NULL) < 0 && at == data.n ? FAIL_INCOMPLETE : FAIL_BAD_EVENT;
}

static struct openai_responses_read begin(struct chat_reader *reader, struct chat_sink sink) {
    return (struct openai_responses_read){.reader = reader, .own = reader->own, .sink = sink};
}

/* Without memory for the state there is nothing to read into; true when that was so. */
static bool without_state(struct openai_responses_read *x) {
    if (x->own)
        return false;
    x->reader->ended = true;
    x->sink.event(x->sink.owner, &(struct chat_event){.kind = CHAT_ERROR,
                                                      .error = FAIL_OVERLOAD,
                                                      .answer = &x->reader->answer});
    return true;
}

enum chat_relay openai_responses_read_event(struct chat_reader *reader, struct span name,
                                            struct span data, struct chat_sink sink) {
    struct openai_responses_read x = begin(reader, sink);
    struct json_token members[MEMBER_COUNT];
    data = span_trim(data);
    if (reader->ended || without_state(&x))
        return CHAT_DROP;
    if (!data.n || data.p[0] == ':') {
        openai_responses_give(&x, &(struct chat_event){.kind = CHAT_OTHER});
        return CHAT_DROP;
    }
    if (span_eq(data, SPAN("[DONE]"))) {
        end_early(&x);
        return CHAT_DROP;
    }
    if (!openai_responses_members(data, member_names, MEMBER_COUNT, members)) {
        give_error(&x, fault_of(name, data), SPAN(""));
        return CHAT_DROP;
    }
    x.own->sequence = max_u64(x.own->sequence, openai_responses_number(&members[SEQUENCE], 0) + 1);
    read_object(&x, name, data, members);
    if (!x.said)
        openai_responses_give(&x, &(struct chat_event){.kind = CHAT_OTHER});
    if (!reader->ended)
        return CHAT_AS_IS;
    /* The terminal event is the end mark; an error is said by the owner. */
    reader->end_relayed = reader->finished;
    return reader->finished ? CHAT_AS_IS : CHAT_DROP;
}

void openai_responses_read_end(struct chat_reader *reader, struct chat_sink sink) {
    struct openai_responses_read x = begin(reader, sink);
    if (!reader->ended && !without_state(&x))
        end_early(&x);
}

void openai_responses_read_body(struct chat_reader *reader, struct span body,
                                struct chat_sink sink) {
    struct openai_responses_read x = begin(reader, sink);
    struct json_token response[RESPONSE_COUNT];
    struct chat_error error;
    body = span_trim(body);
    if (reader->ended || without_state(&x))
        return;
    if (!body.n) {
        end_early(&x);
        return;
    }
    if (!openai_responses_members(body, response_names, RESPONSE_COUNT, response)) {
        openai_read_error(json_check(body, NULL, NULL) == 0 ? body : SPAN(""), &error);
        if (error.message.n || error.code.n)
            read_failure(&x, body);
        else
            give_error(&x, FAIL_BAD_EVENT, SPAN(""));
        return;
    }
    if (says_error(&response[FAULT])) {
        read_failure(&x, body);
        return;
    }
    bool failed = status_is(response, SPAN("failed")) || status_is(response, SPAN("cancelled"));
    if (response[OUTPUT].kind != JSON_ARRAY && !failed) {
        openai_read_error(body, &error);
        if (error.message.n || error.code.n)
            read_failure(&x, body);
        else
            give_error(&x, FAIL_BAD_EVENT, SPAN(""));
        return;
    }
    read_ended(&x, SPAN(""), body);
    if (x.failed != FAIL_NONE)
        give_error(&x, x.failed, SPAN(""));
}
