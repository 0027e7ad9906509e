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
#include "core/limits.h"
#include "providers/anthropic.h"

/* Blocks of one message that are open at once: one, by the rules. */
#define OPEN_BLOCKS_MAX 1024

enum block_kind { OPEN_TEXT, OPEN_TOOL, OPEN_OTHER };

struct open_block {
    uint64_t index; /* the provider's */
    enum block_kind kind;
    unsigned tool;     /* TOOL: position among the answer's calls */
    bool arguments;    /* TOOL: some that are not empty were given */
    struct span input; /* TOOL: raw string content of the input that came with the start */
};

/* reader->own */
struct anthropic_reading {
    struct open_block *open;
    unsigned open_count, open_max;
    unsigned tool_count;
    struct anthropic_usage usage;
    bool nameless; /* the `event:` lines, which clients go by, are missing: all is written anew */
};

/* The reading of one event. */
struct event {
    struct chat_reader *reader;
    struct anthropic_reading *own;
    struct chat_sink sink;
    enum fail failed;
    /* its members; an empty span: not there */
    struct span type, message, block, delta, usage, error;
    uint64_t index;
};

void anthropic_reader_init(struct chat_reader *reader, struct arena *arena) {
    *reader = (struct chat_reader){.arena = arena};
    reader->own = arena_zalloc(arena, sizeof(struct anthropic_reading));
}

/* --- giving events --- */

static void give(struct event *x, struct chat_event *event) {
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

static void give_error(struct event *x, enum fail why, struct span message) {
    give(x, &(struct chat_event){.kind = CHAT_ERROR, .error = why, .message = message});
}

static void give_text(struct event *x, enum chat_event_kind kind, struct span text) {
    if (text.n)
        give(x, &(struct chat_event){.kind = kind, .text = text, .signer = CHAT_SIGNER_ANTHROPIC});
}

/* --- small parts --- */

static struct span string_of(struct span object, struct span name) {
    struct json_token token;
    return json_find(object, &name, 1, &token) ? anthropic_string(&token) : span_of(NULL, 0);
}

/* --- usage --- */

static void take_usage(struct event *x, struct span object) {
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

static void give_usage(struct event *x) {
    if (x->reader->usage.known)
        give(x, &(struct chat_event){.kind = CHAT_USAGE, .usage = x->reader->usage});
}

/* --- identity --- */

static void read_identity(struct event *x, struct span message) {
    struct chat_reader *reader = x->reader;
    if (reader->started)
        return;
    reader->started = true;
    reader->answer = (struct chat_answer){
        .id = arena_copy(reader->arena, string_of(message, SPAN("id"))),
        .model = arena_copy(reader->arena, string_of(message, SPAN("model"))),
    };
    give(x, &(struct chat_event){
                .kind = CHAT_START, .id = reader->answer.id, .name = reader->answer.model});
}

/* --- blocks --- */

static struct open_block *block_at(const struct anthropic_reading *own, uint64_t index) {
    for (unsigned i = own->open_count; i-- > 0;)
        if (own->open[i].index == index)
            return &own->open[i];
    return NULL;
}

/* The state of block `index`, which begins; NULL with x->failed set. */
static struct open_block *block_new(struct event *x, uint64_t index) {
    struct anthropic_reading *own = x->own;
    struct open_block *block = block_at(own, index);
    if (!block && own->open_count == OPEN_BLOCKS_MAX) {
        x->failed = FAIL_BAD_EVENT;
        return NULL;
    }
    if (!block && own->open_count == own->open_max) {
        unsigned max = own->open_max ? own->open_max * 2 : 4;
        struct open_block *open = arena_alloc(x->reader->arena, max * sizeof *open);
        if (!open) {
            x->failed = FAIL_OVERLOAD;
            return NULL;
        }
        if (own->open_count)
            memcpy(open, own->open, own->open_count * sizeof *open);
        own->open = open;
        own->open_max = max;
    }
    if (!block)
        block = &own->open[own->open_count++];
    *block = (struct open_block){.index = index};
    return block;
}

/* An object as raw string content, as arguments are given. */
static struct span as_string(struct event *x, struct span object) {
    struct json_out out;
    json_out_arena(&out, x->reader->arena, object.n + object.n / 4 + 2);
    json_out_string(&out, object);
    if (out.full) {
        x->failed = FAIL_OVERLOAD;
        return span_of(NULL, 0);
    }
    struct span quoted = json_out_span(&out);
    return span_of(quoted.p + 1, quoted.n - 2);
}

/* A tool call begins. Its input usually comes in deltas, but may come with the start, whole, and then
 * be repeated in deltas: it is given when none came. */
static void start_tool(struct event *x, struct open_block *block, struct span object) {
    static const struct span path[] = {SPAN_CONST("input")};
    struct json_token input;
    if (x->own->tool_count == TOOL_CALLS_MAX) {
        x->failed = FAIL_BAD_EVENT;
        return;
    }
    block->kind = OPEN_TOOL;
    block->tool = x->own->tool_count++;
    if (json_find(object, path, countof(path), &input) && input.kind == JSON_OBJECT &&
        input.raw.n > 2)
        block->input = as_string(x, input.raw);
    give(x, &(struct chat_event){
                .kind = CHAT_TOOL_START,
                .tool = block->tool,
                .id = string_of(object, SPAN("id")),
                .name = string_of(object, SPAN("name")),
            });
}

static void start_block(struct event *x, struct span object, uint64_t index) {
    struct span type = string_of(object, SPAN("type"));
    struct open_block *block = block_new(x, index);
    if (!block)
        return;
    if (span_eq(type, SPAN("text"))) {
        give_text(x, CHAT_TEXT, string_of(object, SPAN("text")));
    } else if (span_eq(type, SPAN("thinking"))) {
        give_text(x, CHAT_REASONING, string_of(object, SPAN("thinking")));
        give_text(x, CHAT_SIGNATURE, string_of(object, SPAN("signature")));
    } else if (span_eq(type, SPAN("redacted_thinking"))) {
        give_text(x, CHAT_REDACTED, string_of(object, SPAN("data")));
    } else if (span_eq(type, SPAN("tool_use"))) {
        start_tool(x, block, object);
    } else {
        /* A hosted tool's call, what it found, a compaction: nothing a client of ours can answer. */
        block->kind = OPEN_OTHER;
    }
}

static void give_arguments(struct event *x, struct open_block *block, struct span text) {
    block->arguments = true;
    give(x, &(struct chat_event){.kind = CHAT_TOOL_ARGS, .tool = block->tool, .text = text});
}

static void end_tool(struct event *x, struct open_block *block) {
    if (block->kind == OPEN_TOOL && !block->arguments)
        give_arguments(x, block, block->input.n ? block->input : SPAN("{}"));
}

static void end_tools(struct event *x) {
    for (unsigned i = 0; i < x->own->open_count; i++)
        end_tool(x, &x->own->open[i]);
}

static void stop_block(struct event *x, uint64_t index) {
    struct anthropic_reading *own = x->own;
    struct open_block *block = block_at(own, index);
    if (!block)
        return;
    end_tool(x, block);
    *block = own->open[--own->open_count];
}

/* Blocks that come whole, in an array. */
static void read_content(struct event *x, struct span content) {
    struct json json;
    struct json_token token;
    json_init(&json, content);
    if (json_next(&json, &token) != JSON_ARRAY)
        return;
    for (uint64_t index = 0; x->failed == FAIL_NONE; index++) {
        struct json ahead = json;
        struct span block;
        if (json_next(&ahead, &token) == JSON_ARRAY_END || !json_value(&json, &block))
            return;
        start_block(x, block, index);
        stop_block(x, index);
    }
}

/* --- deltas --- */

static void read_delta(struct event *x) {
    /* Looked for in the order of their frequency; a delta has one of them. */
    static const struct {
        struct span type, member;
        enum chat_event_kind kind;
    } rows[] = {
        {SPAN_CONST("text_delta"), SPAN_CONST("text"), CHAT_TEXT},
        {SPAN_CONST("input_json_delta"), SPAN_CONST("partial_json"), CHAT_TOOL_ARGS},
        {SPAN_CONST("thinking_delta"), SPAN_CONST("thinking"), CHAT_REASONING},
        {SPAN_CONST("signature_delta"), SPAN_CONST("signature"), CHAT_SIGNATURE},
    };
    struct span type = string_of(x->delta, SPAN("type"));
    struct open_block *block = block_at(x->own, x->index);
    unsigned i = 0;
    while (i < countof(rows) && !span_eq(type, rows[i].type))
        i++;
    if (i == countof(rows) || (block && block->kind == OPEN_OTHER))
        return;
    struct span text = string_of(x->delta, rows[i].member);
    if (rows[i].kind != CHAT_TOOL_ARGS)
        give_text(x, rows[i].kind, text);
    else if (block && block->kind == OPEN_TOOL && text.n)
        give_arguments(x, block, text);
}

/* --- messages --- */

static bool give_finish(struct event *x, struct span object) {
    struct span reason = string_of(object, SPAN("stop_reason"));
    if (!reason.n || x->reader->finished)
        return false;
    x->reader->finished = true;
    end_tools(x);
    give(x, &(struct chat_event){
                .kind = CHAT_FINISH,
                .finish = anthropic_finish(reason),
                .text = string_of(object, SPAN("stop_sequence")),
            });
    return true;
}

static void read_message_delta(struct event *x) {
    take_usage(x, x->usage);
    give_finish(x, x->delta);
    give_usage(x);
}

/* Usually empty, but a turn that a hosted program's calls make up comes whole in its first event,
 * content and stop_reason included. */
static void read_message_start(struct event *x) {
    static const struct span usage_path[] = {SPAN_CONST("usage")},
                             content_path[] = {SPAN_CONST("content")};
    struct json_token token;
    if (json_find(x->message, usage_path, countof(usage_path), &token))
        take_usage(x, token.raw);
    /* A client that was told half a call cannot be told to forget it. */
    for (unsigned i = 0; i < x->own->open_count; i++)
        if (x->own->open[i].kind == OPEN_TOOL && x->own->open[i].arguments) {
            give_error(x, FAIL_BAD_EVENT, SPAN("the message began anew inside a tool call"));
            return;
        }
    end_tools(x); /* of a message that was given up */
    x->own->open_count = 0;
    read_identity(x, x->message);
    if (json_find(x->message, content_path, countof(content_path), &token))
        read_content(x, token.raw);
    if (give_finish(x, x->message))
        give_usage(x);
}

static void end(struct event *x) {
    struct chat_reader *reader = x->reader;
    if (reader->finished)
        give(x, &(struct chat_event){.kind = CHAT_DONE});
    else
        give_error(x, reader->content ? FAIL_INCOMPLETE : FAIL_EMPTY, SPAN(""));
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
static bool read_members(struct event *x, struct span data) {
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

static void read_failure(struct event *x, struct span data) {
    struct chat_error error;
    anthropic_read_error(data, &error);
    give_error(x, anthropic_error_fail(&error), error.message);
}

/* What a known event says; false when it is none of those. */
static bool read_known(struct event *x) {
    if (span_eq(x->type, SPAN("content_block_delta")))
        read_delta(x);
    else if (span_eq(x->type, SPAN("content_block_start")))
        start_block(x, x->block, x->index);
    else if (span_eq(x->type, SPAN("content_block_stop")))
        stop_block(x, x->index);
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

static enum chat_relay drop_other(struct event *x) {
    give(x, &(struct chat_event){.kind = CHAT_OTHER});
    return CHAT_DROP;
}

enum chat_relay anthropic_read_event(struct chat_reader *reader, struct span name, struct span data,
                                     struct chat_sink sink) {
    struct event x = {.reader = reader, .own = reader->own, .sink = sink};
    data = span_trim(data);
    if (reader->ended)
        return CHAT_DROP;
    if (!x.own) {
        give_error(&x, FAIL_OVERLOAD, SPAN(""));
        return CHAT_DROP;
    }
    /* Gateways wrap keep-alives in data lines, and add the mark of another dialect. */
    if (!data.n || data.p[0] == ':' || span_eq(data, SPAN("[DONE]")))
        return drop_other(&x);
    if (!read_members(&x, data)) {
        give_error(&x, fault_of(name, data), SPAN(""));
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
        give_error(&x, x.failed, SPAN(""));
    if (reader->ended)
        return CHAT_DROP; /* message_stop: the writer ends a stream that is whole */
    if (!known || span_eq(x.type, SPAN("ping")))
        give(&x, &(struct chat_event){.kind = CHAT_OTHER});
    /* Before the content a ping would commit to nothing; after it clients expect some. */
    if (span_eq(x.type, SPAN("ping")) && !reader->content)
        return CHAT_DROP;
    return x.own->nameless ? CHAT_REWRITE : CHAT_AS_IS;
}

void anthropic_read_end(struct chat_reader *reader, struct chat_sink sink) {
    struct event x = {.reader = reader, .own = reader->own, .sink = sink};
    if (!reader->ended)
        end(&x);
}

/* --- whole bodies --- */

static void read_message(struct event *x, struct span body) {
    static const struct span content_path[] = {SPAN_CONST("content")};
    struct json_token content;
    take_usage(x, x->usage);
    read_identity(x, body);
    if (json_find(body, content_path, countof(content_path), &content))
        read_content(x, content.raw);
    if (x->failed != FAIL_NONE) {
        give_error(x, x->failed, SPAN(""));
        return;
    }
    give_finish(x, body);
    give_usage(x);
    /* A body is one value: content in it is whole even if nobody says why it ended. */
    if (x->reader->content || x->reader->finished)
        give(x, &(struct chat_event){.kind = CHAT_DONE});
    else
        give_error(x, FAIL_EMPTY, SPAN(""));
}

void anthropic_read_body(struct chat_reader *reader, struct span body, struct chat_sink sink) {
    struct event x = {.reader = reader, .own = reader->own, .sink = sink};
    struct chat_error error;
    if (reader->ended)
        return;
    if (!x.own) {
        give_error(&x, FAIL_OVERLOAD, SPAN(""));
        return;
    }
    while (body.n &&
           (body.p[0] == ' ' || body.p[0] == '\n' || body.p[0] == '\r' || body.p[0] == '\t'))
        body = span_from(body, 1);
    if (!body.n) {
        give_error(&x, FAIL_EMPTY, SPAN(""));
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
        give_error(&x, anthropic_error_fail(&error), error.message);
    else
        give_error(&x, fault_of(SPAN(""), body), SPAN(""));
}
