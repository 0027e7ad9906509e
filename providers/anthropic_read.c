/* anthropic_read.c - reads the events of a Messages stream, and whole messages. (pure)
 *
 *     message_start  (content_block_start  content_block_delta*  content_block_stop)*
 *     message_delta  message_stop          ping and what is new: anywhere
 *
 * Owns:     nothing; what is known of the answer is in struct chat_reader and behind its `own`, all
 *           in the arena.
 * Promises: an event is read whole before anything of it is given; one allocation per block at most,
 *           none per delta. A second message_start (a server's fallback to another model) begins the
 *           block indexes anew and changes neither identity nor the numbers of tools.
 * Refuses:  what is not JSON: ERROR with BAD_EVENT. Unknown events, blocks and deltas are passed on to
 *           clients of the same dialect and mean nothing otherwise (PROVIDERS.md 3.3). */
#include "providers/anthropic.h"

void anthropic_reader_init(struct chat_reader *reader, struct arena *arena) {
    *reader = (struct chat_reader){.arena = arena};
    reader->own = arena_zalloc(arena, sizeof(struct anthropic_reading));
}

/* --- giving events --- */

void anthropic_give(struct anthropic_event *x, struct chat_event *event) {
    struct chat_reader *reader = x->reader;
    if (reader->ended)
        return;
    event->answer = &reader->answer;
    if (chat_event_is_content(event))
        reader->content = true;
    if (event->kind == CHAT_DONE || event->kind == CHAT_ERROR)
        reader->ended = true;
    x->sink.event(x->sink.owner, event);
}

void anthropic_give_error(struct anthropic_event *x, enum fail why, struct span message) {
    anthropic_give(x, &(struct chat_event){.kind = CHAT_ERROR, .error = why, .message = message});
}

struct span anthropic_member_string(struct span object, struct span name) {
    struct json_token token;
    return json_find(object, &name, 1, &token) ? anthropic_string(&token) : span_of(NULL, 0);
}

/* --- usage --- */

static void take_usage(struct anthropic_event *x, struct span object) {
    struct anthropic_usage *usage = &x->own->usage;
    anthropic_take_usage(usage, object);
    if (!usage->known)
        return;
    x->reader->usage = (struct chat_usage){
        .known = true,
        .input_tokens = usage->input + usage->cache_read + usage->cache_write,
        .output_tokens = usage->output,
        .cached_tokens = usage->cache_read,
        .cache_write_tokens = usage->cache_write,
        .reasoning_tokens = usage->thinking,
    };
}

static void give_usage(struct anthropic_event *x) {
    if (x->reader->usage.known)
        anthropic_give(x, &(struct chat_event){.kind = CHAT_USAGE, .usage = x->reader->usage});
}

/* --- identity --- */

static void read_identity(struct anthropic_event *x, struct span message) {
    struct chat_reader *reader = x->reader;
    if (reader->started)
        return;
    reader->started = true;
    reader->answer = (struct chat_answer){
        .id = arena_copy(reader->arena, anthropic_member_string(message, SPAN("id"))),
        .model = arena_copy(reader->arena, anthropic_member_string(message, SPAN("model"))),
    };
    anthropic_give(x, &(struct chat_event){.kind = CHAT_START,
                                           .id = reader->answer.id,
                                           .name = reader->answer.model});
}

/* --- messages --- */

static bool give_finish(struct anthropic_event *x, struct span object) {
    struct span reason = anthropic_member_string(object, SPAN("stop_reason"));
    if (!reason.n || x->reader->finished)
        return false;
    x->reader->finished = true;
    anthropic_end_tools(x);
    anthropic_give(x, &(struct chat_event){
                          .kind = CHAT_FINISH,
                          .finish = anthropic_finish(reason),
                          .text = anthropic_member_string(object, SPAN("stop_sequence")),
                      });
    return true;
}

static void read_message_delta(struct anthropic_event *x) {
    take_usage(x, x->usage);
    give_finish(x, x->delta);
    give_usage(x);
}

/* Usually empty, but a turn that a hosted program's calls make up comes whole in its first event,
 * content and stop_reason included. */
static void read_message_start(struct anthropic_event *x) {
    static const struct span usage_path[] = {SPAN_CONST("usage")},
                             content_path[] = {SPAN_CONST("content")};
    struct json_token token;
    if (json_find(x->message, usage_path, countof(usage_path), &token))
        take_usage(x, token.raw);
    if (!anthropic_begin_blocks(x)) {
        anthropic_give_error(x, FAIL_BAD_EVENT, SPAN("the message began anew inside a tool call"));
        return;
    }
    read_identity(x, x->message);
    if (json_find(x->message, content_path, countof(content_path), &token))
        anthropic_read_content(x, token.raw);
    if (give_finish(x, x->message))
        give_usage(x);
}

static void end(struct anthropic_event *x) {
    struct chat_reader *reader = x->reader;
    if (reader->finished)
        anthropic_give(x, &(struct chat_event){.kind = CHAT_DONE});
    else
        anthropic_give_error(x, reader->content ? FAIL_INCOMPLETE : FAIL_EMPTY, SPAN(""));
}

/* --- events --- */

enum { TYPE, INDEX, DELTA, BLOCK, MESSAGE, USAGE, ERROR, TOP_COUNT };
static const struct span top_names[TOP_COUNT] = {
    [TYPE] = SPAN_CONST("type"),       [INDEX] = SPAN_CONST("index"),
    [DELTA] = SPAN_CONST("delta"),     [BLOCK] = SPAN_CONST("content_block"),
    [MESSAGE] = SPAN_CONST("message"), [USAGE] = SPAN_CONST("usage"),
    [ERROR] = SPAN_CONST("error"),
};

/* Takes the members apart; false when the data is not one valid object. */
static bool read_members(struct anthropic_event *x, struct span data) {
    struct json json;
    struct json_token key, value;
    struct span text;
    json_init(&json, data);
    if (json_next(&json, &key) != JSON_OBJECT)
        return false;
    while (json_next(&json, &key) == JSON_KEY) {
        unsigned member = anthropic_member(&key, top_names, TOP_COUNT);
        if (member == TYPE) {
            json_next(&json, &value);
            x->type = anthropic_string(&value);
            if (!anthropic_skip(&json, &value))
                return false;
            continue;
        }
        if (!json_value(&json, &text))
            return false;
        switch (member) {
        case INDEX: span_u64(text, UINT32_MAX, &x->index); break;
        case DELTA: x->delta = text; break;
        case BLOCK: x->block = text; break;
        case MESSAGE: x->message = text; break;
        case USAGE: x->usage = text; break;
        case ERROR: x->error = text; break;
        }
    }
    return key.kind == JSON_OBJECT_END && json_next(&json, &key) == JSON_END;
}

/* What is wrong with data that cannot be read: cut off at its end, as the last line of a broken
 * stream is, or no JSON at all. */
static enum fail fault_of(struct span name, struct span data) {
    size_t at;
    if (span_eq(name, SPAN("error")))
        return FAIL_ERROR_EVENT; /* its text need not be JSON */
    return json_check(data, &at, NULL) < 0 && at == data.n ? FAIL_INCOMPLETE : FAIL_BAD_EVENT;
}

static void read_failure(struct anthropic_event *x, struct span data) {
    struct chat_error error;
    anthropic_read_error(data, &error);
    anthropic_give_error(x, anthropic_error_fail(&error), error.message);
}

/* What a known event says; false when it is none of those. */
static bool read_known(struct anthropic_event *x) {
    if (span_eq(x->type, SPAN("content_block_delta")))
        anthropic_read_delta(x);
    else if (span_eq(x->type, SPAN("content_block_start")))
        anthropic_start_block(x, x->block, x->index);
    else if (span_eq(x->type, SPAN("content_block_stop")))
        anthropic_stop_block(x, x->index);
    else if (span_eq(x->type, SPAN("message_start")))
        read_message_start(x);
    else if (span_eq(x->type, SPAN("message_delta")))
        read_message_delta(x);
    else if (span_eq(x->type, SPAN("message_stop")))
        end(x);
    else
        return false;
    return true;
}

static enum chat_relay drop_other(struct anthropic_event *x) {
    anthropic_give(x, &(struct chat_event){.kind = CHAT_OTHER});
    return CHAT_DROP;
}

enum chat_relay anthropic_read_event(struct chat_reader *reader, struct span name, struct span data,
                                     struct chat_sink sink) {
    struct anthropic_event x = {.reader = reader, .own = reader->own, .sink = sink};
    data = span_trim(data);
    if (reader->ended)
        return CHAT_DROP;
    if (!x.own) {
        anthropic_give_error(&x, FAIL_OVERLOAD, SPAN(""));
        return CHAT_DROP;
    }
    /* Gateways wrap keep-alives in data lines, and add the mark of another dialect. */
    if (!data.n || data.p[0] == ':' || span_eq(data, SPAN("[DONE]")))
        return drop_other(&x);
    if (!read_members(&x, data)) {
        anthropic_give_error(&x, fault_of(name, data), SPAN(""));
        return CHAT_DROP;
    }
    if (!x.type.n)
        x.type = name;
    if (span_eq(x.type, SPAN("error")) || (x.error.n && !span_eq(x.error, SPAN("null")))) {
        read_failure(&x, data);
        return CHAT_DROP;
    }
    if (!reader->started && span_eq(x.type, SPAN("message_start")))
        x.own->nameless = !span_eq(name, x.type);
    bool known = read_known(&x);
    if (x.failed != FAIL_NONE)
        anthropic_give_error(&x, x.failed, SPAN(""));
    if (reader->ended)
        return CHAT_DROP; /* message_stop: the writer ends a stream that is whole */
    if (!known || span_eq(x.type, SPAN("ping")))
        anthropic_give(&x, &(struct chat_event){.kind = CHAT_OTHER});
    /* Before the content a ping would commit to nothing; after it clients expect some. */
    if (span_eq(x.type, SPAN("ping")) && !reader->content)
        return CHAT_DROP;
    return x.own->nameless ? CHAT_REWRITE : CHAT_AS_IS;
}

void anthropic_read_end(struct chat_reader *reader, struct chat_sink sink) {
    struct anthropic_event x = {.reader = reader, .own = reader->own, .sink = sink};
    if (!reader->ended)
        end(&x);
}

/* --- whole bodies --- */

static void read_message(struct anthropic_event *x, struct span body) {
    static const struct span content_path[] = {SPAN_CONST("content")};
    struct json_token content;
    take_usage(x, x->usage);
    read_identity(x, body);
    if (json_find(body, content_path, countof(content_path), &content))
        anthropic_read_content(x, content.raw);
    if (x->failed != FAIL_NONE) {
        anthropic_give_error(x, x->failed, SPAN(""));
        return;
    }
    give_finish(x, body);
    give_usage(x);
    /* A body is one value: content in it is whole even if nobody says why it ended. */
    if (x->reader->content || x->reader->finished)
        anthropic_give(x, &(struct chat_event){.kind = CHAT_DONE});
    else
        anthropic_give_error(x, FAIL_EMPTY, SPAN(""));
}

void anthropic_read_body(struct chat_reader *reader, struct span body, struct chat_sink sink) {
    struct anthropic_event x = {.reader = reader, .own = reader->own, .sink = sink};
    struct chat_error error;
    if (reader->ended)
        return;
    if (!x.own) {
        anthropic_give_error(&x, FAIL_OVERLOAD, SPAN(""));
        return;
    }
    while (body.n &&
           (body.p[0] == ' ' || body.p[0] == '\n' || body.p[0] == '\r' || body.p[0] == '\t'))
        body = span_from(body, 1);
    if (!body.n) {
        anthropic_give_error(&x, FAIL_EMPTY, SPAN(""));
        return;
    }
    bool object = read_members(&x, body);
    if (object && span_eq(x.type, SPAN("message"))) {
        read_message(&x, body);
        return;
    }
    /* HTML, another dialect, half a body: an error among them says what it is. */
    anthropic_read_error(body, &error);
    if (error.type.n || error.message.n || error.code.n)
        anthropic_give_error(&x, anthropic_error_fail(&error), error.message);
    else
        anthropic_give_error(&x, fault_of(SPAN(""), body), SPAN(""));
}
