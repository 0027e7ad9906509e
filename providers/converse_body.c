/* converse_body.c - reads a whole Converse answer, for backends that are asked without a stream. (pure)
 *
 *     {"output":{"message":{"role","content":[..]}},"stopReason","usage","metrics",...}
 *
 * Owns:     nothing; arguments of tool calls, which are JSON objects here and strings everywhere
 *           else, are escaped into the arena.
 * Promises: the same events as the stream of the same answer would give. The text of citations is
 *           text.
 * Refuses:  what is no answer: the error in it, or BAD_EVENT. */
#include "providers/converse.h"

#include <limits.h>

#define SHAPE_END \
    { {NULL, 0}, NULL, 0 }

enum { CONTENT, STOP_REASON, RESPONSE_FIELDS, USAGE, BODY_COUNT };

static const struct converse_shape message_shape[] = {
    {SPAN_CONST("content"), NULL, CONTENT},
    SHAPE_END,
};
static const struct converse_shape output_shape[] = {
    {SPAN_CONST("message"), message_shape, 0},
    SHAPE_END,
};
static const struct converse_shape body_shape[] = {
    {SPAN_CONST("output"), output_shape, 0},
    {SPAN_CONST("stopReason"), NULL, STOP_REASON},
    {SPAN_CONST("additionalModelResponseFields"), NULL, RESPONSE_FIELDS},
    {SPAN_CONST("usage"), NULL, USAGE},
    SHAPE_END,
};

enum {
    TEXT,
    TOOL_ID,
    TOOL_NAME,
    TOOL_TYPE,
    TOOL_INPUT,
    REASONING,
    SIGNATURE,
    REDACTED,
    CITED,
    BLOCK_COUNT
};

static const struct converse_shape tool_shape[] = {
    {SPAN_CONST("toolUseId"), NULL, TOOL_ID},
    {SPAN_CONST("name"), NULL, TOOL_NAME},
    {SPAN_CONST("type"), NULL, TOOL_TYPE},
    {SPAN_CONST("input"), NULL, TOOL_INPUT},
    SHAPE_END,
};
static const struct converse_shape reasoning_text_shape[] = {
    {SPAN_CONST("text"), NULL, REASONING},
    {SPAN_CONST("signature"), NULL, SIGNATURE},
    SHAPE_END,
};
static const struct converse_shape reasoning_shape[] = {
    {SPAN_CONST("reasoningText"), reasoning_text_shape, 0},
    {SPAN_CONST("redactedContent"), NULL, REDACTED},
    SHAPE_END,
};
static const struct converse_shape citations_shape[] = {
    {SPAN_CONST("content"), NULL, CITED},
    SHAPE_END,
};
static const struct converse_shape block_shape[] = {
    {SPAN_CONST("text"), NULL, TEXT},
    {SPAN_CONST("toolUse"), tool_shape, 0},
    {SPAN_CONST("reasoningContent"), reasoning_shape, 0},
    {SPAN_CONST("citationsContent"), citations_shape, 0},
    SHAPE_END,
};

/* citationsContent.content: [{"text":".."}] */
static void read_cited(struct converse_read *x, const struct json_token *array) {
    static const struct span path[] = {SPAN_CONST("text")};
    struct json json;
    struct json_token token;
    struct span value;
    if (array->kind != JSON_ARRAY)
        return;
    json_init(&json, array->raw);
    json_next(&json, &token);
    while (json_value(&json, &value))
        if (json_find(value, path, 1, &token))
            converse_give_text(x, CHAT_TEXT, converse_text(&token));
}

static void read_call(struct converse_read *x, const struct json_token *fields) {
    struct span id = converse_text(&fields[TOOL_ID]), name = converse_text(&fields[TOOL_NAME]);
    struct span input = SPAN("{}");
    if ((!id.n && !name.n) || span_eq(converse_text(&fields[TOOL_TYPE]), SPAN("server_tool_use")))
        return;
    if (converse_has_object(&fields[TOOL_INPUT]))
        input = converse_escape(x->reader->arena, fields[TOOL_INPUT].raw);
    unsigned position = input.p ? converse_give_call(x, id, name, SPAN("")) : UINT_MAX;
    if (!input.p)
        converse_give_error(x, FAIL_OVERLOAD, SPAN(""));
    if (position != UINT_MAX)
        converse_give(
            x, &(struct chat_event){.kind = CHAT_TOOL_ARGS, .tool = position, .text = input});
}

static void read_block(struct converse_read *x, struct span text) {
    struct json_token fields[BLOCK_COUNT] = {{.kind = JSON_ERROR}};
    if (!converse_fields(text, block_shape, fields))
        return; /* the body is JSON, so that this is no object: nothing we know */
    converse_give_text(x, CHAT_REASONING, converse_text(&fields[REASONING]));
    converse_give_signature(x, converse_text(&fields[SIGNATURE]));
    converse_give_redacted(x, &fields[REDACTED]);
    converse_give_text(x, CHAT_TEXT, converse_text(&fields[TEXT]));
    read_cited(x, &fields[CITED]);
    read_call(x, fields);
}

static void read_answer(struct converse_read *x, const struct json_token *fields) {
    struct json json;
    struct json_token token;
    struct span block;
    if (fields[CONTENT].kind == JSON_ARRAY) {
        json_init(&json, fields[CONTENT].raw);
        json_next(&json, &token);
        while (!x->reader->ended && json_value(&json, &block))
            read_block(x, block);
    }
    converse_finish(x, converse_text(&fields[STOP_REASON]),
                    converse_has_object(&fields[RESPONSE_FIELDS]) ? fields[RESPONSE_FIELDS].raw
                                                                  : span_of(NULL, 0));
    if (converse_has_object(&fields[USAGE]))
        converse_give_usage(x, fields[USAGE].raw);
    converse_give(x, &(struct chat_event){.kind = CHAT_DONE});
}

/* An error with status 200, or no JSON at all. */
static void read_failure(struct converse_read *x, struct span body) {
    struct chat_error error;
    converse_read_error(body, &error);
    struct span type = error.type.n ? error.type : error.code;
    enum fail why = converse_error_fail(type, error.message, 0);
    if (why == FAIL_NONE)
        why = error.message.n ? FAIL_ERROR_EVENT : FAIL_BAD_EVENT;
    converse_give_error(x, why, error.message);
}

static bool is_blank(struct span text) {
    size_t i = 0;
    while (i < text.n && text.p[i] && strchr(" \t\r\n", text.p[i]))
        i++;
    return i == text.n;
}

void converse_read_body(struct chat_reader *reader, struct span body, struct chat_sink sink) {
    struct converse_read x = {.reader = reader, .own = reader->own, .sink = sink};
    struct json_token fields[BODY_COUNT] = {{.kind = JSON_ERROR}};
    if (reader->ended)
        return;
    if (!x.own)
        converse_give_error(&x, FAIL_OVERLOAD, SPAN(""));
    else if (is_blank(body))
        converse_give_error(&x, FAIL_EMPTY, SPAN(""));
    else if (converse_fields(body, body_shape, fields) &&
             (fields[CONTENT].kind == JSON_ARRAY || fields[STOP_REASON].kind == JSON_STRING))
        read_answer(&x, fields);
    else
        read_failure(&x, body);
}
