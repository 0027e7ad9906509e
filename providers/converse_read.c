/* converse_read.c - reads the messages of a ConverseStream. (pure)
 *
 *     messageStart  ( [contentBlockStart] contentBlockDelta* contentBlockStop )*  messageStop  metadata
 *
 * Owns:     nothing; what is known of the answer so far is in struct converse_own, in the arena.
 * Promises: a message is read whole before anything of it is given; text is handed out as it is
 *           written. Texts and reasoning have no contentBlockStart, blocks of tool calls may
 *           interleave, and calls are counted by themselves, not by contentBlockIndex. The end is
 *           messageStop with metadata, or with the end of the bytes when metadata is missing.
 * Refuses:  to end well without messageStop. Messages, members and values that came after this was
 *           written are read over. */
#include "providers/converse.h"

#include <limits.h>

/* --- the fields of all messages of a stream --- */

enum {
    INDEX,
    TOOL_ID,
    TOOL_NAME,
    TOOL_TYPE,
    TOOL_INPUT,
    TEXT,
    REASONING,
    SIGNATURE,
    REDACTED,
    STOP_REASON,
    RESPONSE_FIELDS,
    USAGE,
    ERROR_TEXT,
    ERROR_TEXT_CAPITAL,
    ERROR_STATUS,
    FIELD_COUNT
};

#define SHAPE_END \
    { {NULL, 0}, NULL, 0 }
static const struct converse_shape tool_start_shape[] = {
    {SPAN_CONST("toolUseId"), NULL, TOOL_ID},
    {SPAN_CONST("name"), NULL, TOOL_NAME},
    {SPAN_CONST("type"), NULL, TOOL_TYPE},
    SHAPE_END,
};
static const struct converse_shape start_shape[] = {
    {SPAN_CONST("toolUse"), tool_start_shape, 0},
    SHAPE_END,
};
static const struct converse_shape tool_delta_shape[] = {
    {SPAN_CONST("input"), NULL, TOOL_INPUT},
    SHAPE_END,
};
static const struct converse_shape reasoning_shape[] = {
    {SPAN_CONST("text"), NULL, REASONING},
    {SPAN_CONST("signature"), NULL, SIGNATURE},
    {SPAN_CONST("redactedContent"), NULL, REDACTED},
    SHAPE_END,
};
static const struct converse_shape delta_shape[] = {
    {SPAN_CONST("text"), NULL, TEXT},
    {SPAN_CONST("toolUse"), tool_delta_shape, 0},
    {SPAN_CONST("reasoningContent"), reasoning_shape, 0},
    SHAPE_END,
};
/* One shape for all messages: their members have different names. */
static const struct converse_shape message_shape[] = {
    {SPAN_CONST("contentBlockIndex"), NULL, INDEX},
    {SPAN_CONST("start"), start_shape, 0},
    {SPAN_CONST("delta"), delta_shape, 0},
    {SPAN_CONST("stopReason"), NULL, STOP_REASON},
    {SPAN_CONST("additionalModelResponseFields"), NULL, RESPONSE_FIELDS},
    {SPAN_CONST("usage"), NULL, USAGE},
    {SPAN_CONST("message"), NULL, ERROR_TEXT},
    {SPAN_CONST("Message"), NULL, ERROR_TEXT_CAPITAL},
    {SPAN_CONST("originalStatusCode"), NULL, ERROR_STATUS},
    SHAPE_END,
};

/* --- giving events --- */

void converse_reader_init(struct chat_reader *reader, struct arena *arena) {
    *reader = (struct chat_reader){.arena = arena};
    reader->own = arena_zalloc(arena, sizeof(struct converse_own));
}

static void give(struct converse_read *x, struct chat_event *event) {
    struct chat_reader *reader = x->reader;
    event->answer = &reader->answer;
    if (chat_event_is_content(event))
        reader->content = true;
    if (event->kind == CHAT_DONE || event->kind == CHAT_ERROR)
        reader->ended = true;
    x->said = true;
    x->sink.event(x->sink.owner, event);
}

static void give_start(struct converse_read *x) {
    x->reader->started = true;
    /* Converse says neither an id nor the model. */
    give(x, &(struct chat_event){.kind = CHAT_START});
}

void converse_give(struct converse_read *x, struct chat_event *event) {
    if (x->reader->ended)
        return;
    if (!x->reader->started && event->kind != CHAT_ERROR && event->kind != CHAT_OTHER)
        give_start(x);
    give(x, event);
}

void converse_give_error(struct converse_read *x, enum fail why, struct span message) {
    converse_give(x, &(struct chat_event){.kind = CHAT_ERROR, .error = why, .message = message});
}

void converse_give_text(struct converse_read *x, enum chat_event_kind kind, struct span text) {
    if (text.n)
        converse_give(x, &(struct chat_event){.kind = kind, .text = text});
}

void converse_give_signature(struct converse_read *x, struct span signature) {
    if (signature.n)
        converse_give(x, &(struct chat_event){.kind = CHAT_SIGNATURE,
                                              .text = signature,
                                              .signer = CHAT_SIGNER_ANTHROPIC});
}

void converse_give_redacted(struct converse_read *x, const struct json_token *redacted) {
    if (redacted->kind != JSON_STRING || !redacted->raw.n)
        return;
    /* Java writes the slashes of base64 as "\/". */
    struct span inner = converse_unwrap(chat_plain(redacted, x->reader->arena), x->reader->arena);
    converse_give(
        x, &(struct chat_event){.kind = CHAT_REDACTED,
                                .text = inner.n ? inner : redacted->raw,
                                .signer = inner.n ? CHAT_SIGNER_ANTHROPIC : CHAT_SIGNER_NONE});
}

unsigned converse_give_call(struct converse_read *x, struct span id, struct span name,
                            struct span arguments) {
    if (x->own->calls == TOOL_CALLS_MAX) {
        converse_give_error(x, FAIL_TOO_LARGE, SPAN(""));
        return UINT_MAX;
    }
    unsigned position = x->own->calls++;
    converse_give(
        x,
        &(struct chat_event){
            .kind = CHAT_TOOL_START, .tool = position, .id = id, .name = name, .text = arguments});
    return position;
}

/* --- the end of the answer --- */

/* What is in no row counts as "stop": several SDKs fail on a value they do not know. A row that
 * failed is an error when nothing was said before it. */
static const struct {
    struct span name;
    enum chat_finish finish;
    bool failed;
} stop_rows[] = {
    {SPAN_CONST("end_turn"), CHAT_FINISH_STOP, false},
    {SPAN_CONST("stop_sequence"), CHAT_FINISH_STOP, false},
    {SPAN_CONST("tool_use"), CHAT_FINISH_TOOL_CALLS, false},
    {SPAN_CONST("max_tokens"), CHAT_FINISH_LENGTH, false},
    {SPAN_CONST("model_context_window_exceeded"), CHAT_FINISH_LENGTH, false},
    {SPAN_CONST("guardrail_intervened"), CHAT_FINISH_CONTENT_FILTER, false},
    {SPAN_CONST("content_filtered"), CHAT_FINISH_CONTENT_FILTER, false},
    {SPAN_CONST("refusal"), CHAT_FINISH_CONTENT_FILTER, false}, /* Claude's, passed on */
    {SPAN_CONST("malformed_model_output"), CHAT_FINISH_STOP, true},
    {SPAN_CONST("malformed_tool_use"), CHAT_FINISH_STOP, true},
};

/* The stop sequence among additionalModelResponseFields: under the pointer that was asked for. */
static struct span stop_sequence(struct span fields) {
    static const struct span paths[][2] = {
        {SPAN_CONST("stop_sequence"), SPAN_CONST("")},
        {SPAN_CONST("delta"), SPAN_CONST("stop_sequence")},
    };
    struct json_token token;
    for (unsigned i = 0; fields.n && i < countof(paths); i++)
        if (json_find(fields, paths[i], i + 1, &token) && token.kind == JSON_STRING)
            return token.raw;
    return span_of(NULL, 0);
}

static void end_calls(struct converse_read *x);

void converse_finish(struct converse_read *x, struct span reason, struct span fields) {
    enum chat_finish finish = CHAT_FINISH_STOP;
    bool failed = false;
    for (unsigned i = 0; i < countof(stop_rows); i++)
        if (span_eq(reason, stop_rows[i].name)) {
            finish = stop_rows[i].finish;
            failed = stop_rows[i].failed;
        }
    if (failed && !x->reader->content) {
        converse_give_error(x, FAIL_ERROR_EVENT, reason);
        return;
    }
    end_calls(x);
    /* Calls are to be answered whatever the model says; without any there is nothing to answer
     * (tools that Bedrock runs itself). A malformed call is no call. */
    if (finish == CHAT_FINISH_STOP && x->own->calls && !failed)
        finish = CHAT_FINISH_TOOL_CALLS;
    else if (finish == CHAT_FINISH_TOOL_CALLS && !x->own->calls)
        finish = CHAT_FINISH_STOP;
    x->own->stop_seen = x->reader->finished = true;
    converse_give(x, &(struct chat_event){
                         .kind = CHAT_FINISH, .finish = finish, .text = stop_sequence(fields)});
}

enum { INPUT, OUTPUT, CACHE_READ, CACHE_WRITE, USAGE_COUNT };

static uint64_t number_of(const struct json_token *field) {
    uint64_t number = 0;
    if (field->kind == JSON_NUMBER)
        span_u64(field->raw, UINT64_MAX / 4, &number);
    return number;
}

void converse_give_usage(struct converse_read *x, struct span object) {
    static const struct converse_shape shape[] = {
        {SPAN_CONST("inputTokens"), NULL, INPUT},
        {SPAN_CONST("outputTokens"), NULL, OUTPUT},
        {SPAN_CONST("cacheReadInputTokens"), NULL, CACHE_READ},
        {SPAN_CONST("cacheWriteInputTokens"), NULL, CACHE_WRITE},
        SHAPE_END,
    };
    struct json_token fields[USAGE_COUNT] = {{.kind = JSON_ERROR}};
    if (!converse_fields(object, shape, fields))
        return;
    struct chat_usage usage = {
        .known = true,
        .cached_tokens = number_of(&fields[CACHE_READ]),
        .cache_write_tokens = number_of(&fields[CACHE_WRITE]),
        .output_tokens = number_of(&fields[OUTPUT]),
    };
    /* inputTokens are those that the cache had nothing to do with. */
    usage.input_tokens = number_of(&fields[INPUT]) + usage.cached_tokens + usage.cache_write_tokens;
    x->reader->usage = usage;
    x->own->usage_seen = true;
    converse_give(x, &(struct chat_event){.kind = CHAT_USAGE, .usage = usage});
}

/* --- content blocks of tool calls --- */

static unsigned index_of(const struct json_token *field) {
    uint64_t index;
    if (field->kind != JSON_NUMBER || !span_u64(field->raw, UINT_MAX - 1, &index))
        return UINT_MAX;
    return (unsigned)index;
}

/* The open block of that index; of UINT_MAX, which nobody said, the last open one. */
static struct converse_block *find_block(struct converse_own *own, unsigned index) {
    for (unsigned i = own->block_count; i-- > 0;) {
        struct converse_block *block = &own->blocks[i];
        if (!block->stopped && (index == UINT_MAX || block->index == index))
            return block;
    }
    return NULL;
}

/* A new block; NULL when there are too many or memory is used up (ERROR was given). */
static struct converse_block *add_block(struct converse_read *x) {
    struct converse_own *own = x->own;
    if (own->block_count == TOOL_CALLS_MAX) {
        converse_give_error(x, FAIL_TOO_LARGE, SPAN(""));
        return NULL;
    }
    if (own->block_count == own->block_max) {
        unsigned max = own->block_max ? own->block_max * 2 : 4;
        struct converse_block *blocks = arena_alloc(x->reader->arena, max * sizeof *blocks);
        if (!blocks) {
            converse_give_error(x, FAIL_OVERLOAD, SPAN(""));
            return NULL;
        }
        if (own->block_count)
            memcpy(blocks, own->blocks, own->block_count * sizeof *blocks);
        own->blocks = blocks;
        own->block_max = max;
    }
    struct converse_block *block = &own->blocks[own->block_count++];
    *block = (struct converse_block){.index = UINT_MAX};
    return block;
}

/* A call without any input is one with an empty object. */
static void stop_block(struct converse_read *x, struct converse_block *block) {
    block->stopped = true;
    if (!block->hidden && !block->arguments)
        converse_give(x, &(struct chat_event){
                             .kind = CHAT_TOOL_ARGS, .tool = block->position, .text = SPAN("{}")});
}

static void end_calls(struct converse_read *x) {
    for (unsigned i = 0; i < x->own->block_count; i++)
        if (!x->own->blocks[i].stopped)
            stop_block(x, &x->own->blocks[i]);
}

static void read_block_start(struct converse_read *x, const struct json_token *fields) {
    struct span id = converse_text(&fields[TOOL_ID]), name = converse_text(&fields[TOOL_NAME]);
    if (!id.n && !name.n)
        return; /* a text, an image, the result of a tool that Bedrock ran */
    unsigned index = index_of(&fields[INDEX]);
    struct converse_block *older = index == UINT_MAX ? NULL : find_block(x->own, index);
    if (older)
        stop_block(x, older);
    struct converse_block *block = add_block(x);
    if (!block)
        return;
    block->index = index;
    block->hidden = span_eq(converse_text(&fields[TOOL_TYPE]), SPAN("server_tool_use"));
    if (!block->hidden)
        block->position = converse_give_call(x, id, name, SPAN(""));
}

/* A piece of arguments. One that belongs to no call would be lost: the stream is not what it says. */
static void read_input(struct converse_read *x, unsigned index, struct span text) {
    struct converse_block *block = find_block(x->own, index);
    if (!block) {
        converse_give_error(x, FAIL_BAD_EVENT, SPAN(""));
        return;
    }
    if (!text.n || block->hidden)
        return;
    block->arguments = true;
    converse_give(
        x, &(struct chat_event){.kind = CHAT_TOOL_ARGS, .tool = block->position, .text = text});
}

/* --- messages --- */

static void read_start(struct converse_read *x, const struct json_token *fields) {
    (void)fields;
    if (!x->reader->started)
        give_start(x);
}

static void read_delta(struct converse_read *x, const struct json_token *fields) {
    converse_give_text(x, CHAT_TEXT, converse_text(&fields[TEXT]));
    converse_give_text(x, CHAT_REASONING, converse_text(&fields[REASONING]));
    converse_give_signature(x, converse_text(&fields[SIGNATURE]));
    converse_give_redacted(x, &fields[REDACTED]);
    if (fields[TOOL_INPUT].kind == JSON_STRING)
        read_input(x, index_of(&fields[INDEX]), fields[TOOL_INPUT].raw);
}

static void read_block_stop(struct converse_read *x, const struct json_token *fields) {
    unsigned index = index_of(&fields[INDEX]);
    struct converse_block *block = index == UINT_MAX ? NULL : find_block(x->own, index);
    if (block)
        stop_block(x, block);
}

/* The answer is whole when both of its last messages came; in which order, nobody promised. */
static void settle(struct converse_read *x) {
    if (x->own->stop_seen && x->own->usage_seen)
        converse_give(x, &(struct chat_event){.kind = CHAT_DONE});
}

static void read_stop(struct converse_read *x, const struct json_token *fields) {
    struct span more = converse_has_object(&fields[RESPONSE_FIELDS]) ? fields[RESPONSE_FIELDS].raw
                                                                     : span_of(NULL, 0);
    converse_finish(x, converse_text(&fields[STOP_REASON]), more);
    settle(x);
}

static void read_metadata(struct converse_read *x, const struct json_token *fields) {
    if (converse_has_object(&fields[USAGE]))
        converse_give_usage(x, fields[USAGE].raw);
    /* It is the last message, also when it says nothing of usage. */
    x->own->usage_seen = true;
    settle(x);
}

static const struct {
    struct span name;
    void (*read)(struct converse_read *, const struct json_token *fields);
    bool last; /* read behind messageStop, too */
} message_rows[] = {
    {SPAN_CONST("contentBlockDelta"), read_delta, false},
    {SPAN_CONST("contentBlockStart"), read_block_start, false},
    {SPAN_CONST("contentBlockStop"), read_block_stop, false},
    {SPAN_CONST("messageStart"), read_start, false},
    {SPAN_CONST("messageStop"), read_stop, false},
    {SPAN_CONST("metadata"), read_metadata, true},
};

static bool is_error_name(struct span name) {
    return span_ends(name, SPAN("Exception")) || span_ends(name, SPAN("Error")) ||
           span_ends(name, SPAN("Failure"));
}

/* Exceptions, errors (whose data is plain text), and messages that are new. */
static void read_other(struct converse_read *x, struct span name, struct span data) {
    struct json_token fields[FIELD_COUNT] = {{.kind = JSON_ERROR}};
    bool object = converse_fields(data, message_shape, fields);
    if (!is_error_name(name) && (object || !data.n))
        return;
    struct span message = converse_text(&fields[ERROR_TEXT]);
    if (!message.n)
        message = converse_text(&fields[ERROR_TEXT_CAPITAL]);
    if (!object)
        message = converse_escape(x->reader->arena, data);
    uint64_t status = number_of(&fields[ERROR_STATUS]);
    enum fail why = converse_error_fail(converse_error_type(name), message,
                                        status > 599 ? 0 : (unsigned)status);
    converse_give_error(x, why == FAIL_NONE ? FAIL_ERROR_EVENT : why, message);
}

static void read_message(struct converse_read *x, struct span name, struct span data) {
    struct json_token fields[FIELD_COUNT] = {{.kind = JSON_ERROR}};
    unsigned i = 0;
    while (i < countof(message_rows) && !span_eq(name, message_rows[i].name))
        i++;
    if (i == countof(message_rows))
        read_other(x, name, data);
    else if (!converse_fields(data, message_shape, fields))
        converse_give_error(x, FAIL_BAD_EVENT, SPAN(""));
    else if (!x->own->stop_seen || message_rows[i].last)
        message_rows[i].read(x, fields);
}

enum chat_relay converse_read_event(struct chat_reader *reader, struct span name, struct span data,
                                    struct chat_sink sink) {
    struct converse_read x = {.reader = reader, .own = reader->own, .sink = sink};
    if (reader->ended)
        return CHAT_DROP;
    if (!x.own)
        converse_give_error(&x, FAIL_OVERLOAD, SPAN(""));
    else
        read_message(&x, name, data);
    if (!x.said)
        converse_give(&x, &(struct chat_event){.kind = CHAT_OTHER});
    /* No client speaks this dialect, so that nothing can be relayed as it came. */
    return CHAT_REWRITE;
}

void converse_read_end(struct chat_reader *reader, struct chat_sink sink) {
    struct converse_read x = {.reader = reader, .own = reader->own, .sink = sink};
    if (reader->finished)
        converse_give(&x, &(struct chat_event){.kind = CHAT_DONE});
    else
        converse_give_error(&x, reader->content ? FAIL_INCOMPLETE : FAIL_EMPTY, SPAN(""));
}
