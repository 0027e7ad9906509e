/* anthropic_write.c - writes canonical events as the events of a Messages stream. (pure)
 *
 *     event: message_start        usage as far as it is known
 *     event: content_block_start  index 0, 1, ..; one block is open at a time
 *     event: content_block_delta
 *     event: content_block_stop
 *     event: message_delta        stop_reason, and the usage as it was said last
 *     event: message_stop
 *
 * SDKs put the message together by the indexes and refuse wrong ones (PROVIDERS.md 3.7).
 *
 * Owns:     nothing; blocks that wait for their turn are in the arena (anthropic_say.c).
 * Promises: that order, whatever the order of the events; one message_delta, so late usage is in it.
 * Refuses:  to end a stream by itself: message_stop comes of write_done or DONE only. */
#include "providers/anthropic.h"

/* --- shared with the whole body --- */

void anthropic_writer_init(struct chat_writer *writer, struct arena *arena,
                           const struct chat_request *req) {
    struct json_out model;
    *writer = (struct chat_writer){.arena = arena, .include_usage = true};
    writer->own = arena_zalloc(arena, sizeof(struct anthropic_saying));
    json_out_arena(&model, arena, req->model.n + 2);
    json_out_string(&model, req->model);
    writer->full = model.full || !writer->own;
    struct span quoted = json_out_span(&model);
    writer->model = model.full ? SPAN("") : span_of(quoted.p + 1, quoted.n - 2);
    writer->id = SPAN("msg");
}

static void write_member(struct json_out *out, struct span key, struct span raw) {
    json_out_key(out, key);
    json_out_escaped(out, raw);
}

static void write_null(struct json_out *out, struct span key) {
    json_out_key(out, key);
    json_out_null(out);
}

static void write_count(struct json_out *out, struct span key, uint64_t count) {
    json_out_key(out, key);
    json_out_int(out, (int64_t)count);
}

void anthropic_write_head(const struct chat_writer *writer, struct json_out *out) {
    const struct chat_answer *answer = &writer->answer;
    write_member(out, SPAN("id"), answer->id.n ? answer->id : writer->id);
    write_member(out, SPAN("type"), SPAN("message"));
    write_member(out, SPAN("role"), SPAN("assistant"));
    write_member(out, SPAN("model"), answer->model.n ? answer->model : writer->model);
}

static struct span stop_reason(const struct anthropic_saying *own) {
    if (own->refused)
        return SPAN("refusal");
    switch (own->finish) {
    case CHAT_FINISH_LENGTH: return SPAN("max_tokens");
    case CHAT_FINISH_CONTENT_FILTER: return SPAN("refusal");
    case CHAT_FINISH_TOOL_CALLS:
    case CHAT_FINISH_FUNCTION_CALL:
    case CHAT_FINISH_STOP:
    case CHAT_FINISH_NONE: break;
    }
    /* Clients answer a tool_use by running the calls: there must be some, and then it must be said. */
    if (own->tool_count)
        return SPAN("tool_use");
    return own->stop_sequence.n ? SPAN("stop_sequence") : SPAN("end_turn");
}

void anthropic_write_stop(const struct chat_writer *writer, struct json_out *out) {
    const struct anthropic_saying *own = writer->own;
    struct span reason = stop_reason(own);
    write_member(out, SPAN("stop_reason"), reason);
    if (span_eq(reason, SPAN("stop_sequence")))
        write_member(out, SPAN("stop_sequence"), chat_text_span(&own->stop_sequence));
    else
        write_null(out, SPAN("stop_sequence"));
}

void anthropic_write_usage(const struct chat_usage *usage, struct json_out *out) {
    /* Here the input is without what the cache gave and took. */
    uint64_t cache = usage->cached_tokens + usage->cache_write_tokens;
    json_out_object(out);
    write_count(out, SPAN("input_tokens"),
                usage->input_tokens > cache ? usage->input_tokens - cache : 0);
    write_count(out, SPAN("cache_creation_input_tokens"), usage->cache_write_tokens);
    write_count(out, SPAN("cache_read_input_tokens"), usage->cached_tokens);
    write_count(out, SPAN("output_tokens"), usage->output_tokens);
    if (usage->reasoning_tokens) {
        json_out_key(out, SPAN("output_tokens_details"));
        json_out_object(out);
        write_count(out, SPAN("thinking_tokens"), usage->reasoning_tokens);
        json_out_object_end(out);
    }
    json_out_object_end(out);
}

/* --- events --- */

/* "event: NAME", and the data up to behind its type. */
static void event_begin(struct json_out *out, struct span name) {
    json_out_raw(out, SPAN("event: "));
    json_out_raw(out, name);
    json_out_raw(out, SPAN("\ndata: "));
    json_out_object(out);
    write_member(out, SPAN("type"), name);
}

static void event_end(struct json_out *out) {
    json_out_object_end(out);
    json_out_raw(out, SPAN("\n\n"));
}

static void write_start(struct chat_writer *writer, struct json_out *out) {
    struct anthropic_saying *own = writer->own;
    if (own->started)
        return;
    own->started = true;
    event_begin(out, SPAN("message_start"));
    json_out_key(out, SPAN("message"));
    json_out_object(out);
    anthropic_write_head(writer, out);
    json_out_key(out, SPAN("content"));
    json_out_array(out);
    json_out_array_end(out);
    write_null(out, SPAN("stop_reason"));
    write_null(out, SPAN("stop_sequence"));
    json_out_key(out, SPAN("usage"));
    anthropic_write_usage(&writer->usage, out);
    json_out_object_end(out);
    event_end(out);
}

static void write_delta(const struct anthropic_saying *own, struct span type, struct span member,
                        struct span raw, struct json_out *out) {
    event_begin(out, SPAN("content_block_delta"));
    write_count(out, SPAN("index"), own->index);
    json_out_key(out, SPAN("delta"));
    json_out_object(out);
    write_member(out, SPAN("type"), type);
    write_member(out, member, raw);
    json_out_object_end(out);
    event_end(out);
}

/* A piece of what the open block says. */
static void write_piece(const struct anthropic_saying *own, struct span raw, struct json_out *out) {
    switch (own->blocks->kind) {
    case ANTHROPIC_TEXT: write_delta(own, SPAN("text_delta"), SPAN("text"), raw, out); break;
    case ANTHROPIC_THINKING:
        write_delta(own, SPAN("thinking_delta"), SPAN("thinking"), raw, out);
        break;
    case ANTHROPIC_TOOL:
        write_delta(own, SPAN("input_json_delta"), SPAN("partial_json"), raw, out);
        break;
    case ANTHROPIC_REDACTED: break; /* was said with the start */
    }
}

static void write_signature(const struct anthropic_saying *own, struct span raw,
                            struct json_out *out) {
    write_delta(own, SPAN("signature_delta"), SPAN("signature"), raw, out);
}

/* --- blocks --- */

static void write_block(const struct anthropic_block *block, struct json_out *out) {
    json_out_object(out);
    switch (block->kind) {
    case ANTHROPIC_TEXT:
        write_member(out, SPAN("type"), SPAN("text"));
        write_member(out, SPAN("text"), SPAN(""));
        break;
    case ANTHROPIC_THINKING:
        write_member(out, SPAN("type"), SPAN("thinking"));
        write_member(out, SPAN("thinking"), SPAN(""));
        write_member(out, SPAN("signature"), SPAN(""));
        break;
    case ANTHROPIC_REDACTED:
        write_member(out, SPAN("type"), SPAN("redacted_thinking"));
        write_member(out, SPAN("data"), chat_text_span(&block->text));
        break;
    case ANTHROPIC_TOOL:
        write_member(out, SPAN("type"), SPAN("tool_use"));
        write_member(out, SPAN("id"), block->id);
        write_member(out, SPAN("name"), block->name);
        json_out_key(out, SPAN("input"));
        json_out_value(out, SPAN("{}"));
        break;
    }
    json_out_object_end(out);
}

/* Opens the first block of the list, and says what has waited. */
static void open_block(struct anthropic_saying *own, struct json_out *out) {
    const struct anthropic_block *block = own->blocks;
    own->open = true;
    event_begin(out, SPAN("content_block_start"));
    write_count(out, SPAN("index"), own->index);
    json_out_key(out, SPAN("content_block"));
    write_block(block, out);
    event_end(out);
    if (block->text.n)
        write_piece(own, chat_text_span(&block->text), out);
    if (block->signature.n)
        write_signature(own, chat_text_span(&block->signature), out);
}

static void close_block(struct anthropic_saying *own, struct json_out *out) {
    struct anthropic_block *block = own->blocks;
    if (block->kind == ANTHROPIC_TOOL && own->tools[block->tool] == block)
        own->tools[block->tool] = NULL;
    event_begin(out, SPAN("content_block_stop"));
    write_count(out, SPAN("index"), own->index);
    event_end(out);
    own->index++;
    own->open = false;
    own->blocks = block->next;
    anthropic_block_free(own, block);
}

/* Moves on: the first block is open, and a block that is over and has another behind it is closed.
 * `all`: nothing more will come. */
static void advance(struct anthropic_saying *own, bool all, struct json_out *out) {
    while (own->blocks) {
        const struct anthropic_block *block = own->blocks;
        if (!own->open)
            open_block(own, out);
        bool over = block->kind != ANTHROPIC_TOOL || anthropic_is_whole(&block->scan);
        if (!all && !(over && block->next))
            return;
        close_block(own, out);
    }
}

static void say(struct chat_writer *writer, const struct chat_event *event, struct json_out *out) {
    struct anthropic_saying *own = writer->own;
    struct anthropic_block *block = anthropic_block_for(writer, event);
    bool signature = event->kind == CHAT_SIGNATURE;
    if (!block)
        return;
    write_start(writer, out);
    /* A block whose turn it is says what comes at once; only redacted reasoning is said whole. */
    if (block->kind != ANTHROPIC_REDACTED)
        advance(own, false, out);
    if (block->kind == ANTHROPIC_TOOL)
        anthropic_scan(&block->scan, event->text);
    if (own->open && own->blocks == block) {
        if (signature)
            write_signature(own, event->text, out);
        else if (event->text.n)
            write_piece(own, event->text, out);
        /* That it is signed must be known: more reasoning is a block of its own. */
        if (signature)
            anthropic_keep(writer, &block->signature, event->text);
    } else if (event->text.n) {
        anthropic_keep(writer, signature ? &block->signature : &block->text, event->text);
    }
    advance(own, false, out);
}

/* --- the stream --- */

static void write_end(struct chat_writer *writer, struct json_out *out) {
    struct anthropic_saying *own = writer->own;
    write_start(writer, out);
    advance(own, true, out);
    event_begin(out, SPAN("message_delta"));
    json_out_key(out, SPAN("delta"));
    json_out_object(out);
    anthropic_write_stop(writer, out);
    json_out_object_end(out);
    json_out_key(out, SPAN("usage"));
    anthropic_write_usage(&writer->usage, out);
    event_end(out);
}

static void write_message_stop(struct json_out *out) {
    event_begin(out, SPAN("message_stop"));
    event_end(out);
}

void anthropic_write_event(struct chat_writer *writer, const struct chat_event *event,
                           struct json_out *out) {
    struct anthropic_saying *own = writer->own;
    if (!own)
        return; /* writer->full is set */
    own->told = true;
    anthropic_take(writer, event);
    if (event->kind == CHAT_DONE) {
        write_end(writer, out);
        write_message_stop(out);
    } else {
        say(writer, event, out);
    }
    writer->full |= out->full;
}

void anthropic_write_done(struct chat_writer *writer, const struct chat_reader *reader,
                          struct json_out *out) {
    struct anthropic_saying *own = writer->own;
    if (!own || reader->end_relayed)
        return;
    if (own->told)
        write_end(writer, out);
    write_message_stop(out);
    writer->full |= out->full;
}

/* --- going on behind another's answer --- */

static void write_block_stop(uint64_t index, struct json_out *out) {
    event_begin(out, SPAN("content_block_stop"));
    write_count(out, SPAN("index"), index);
    event_end(out);
}

/* What the client was relayed is not in the writer: an open block of text goes on, others end. */
static bool take_places(struct chat_writer *writer, const struct anthropic_reading *read,
                        struct json_out *out) {
    struct anthropic_saying *own = writer->own;
    const struct anthropic_open *text = NULL;
    for (unsigned i = 0; i < read->open_count; i++) {
        const struct anthropic_open *open = &read->open[i];
        if (open->kind != ANTHROPIC_OPEN_TEXT || open->index >= UINT32_MAX)
            return false;
        if (!open->thinks && open->index + 1 == read->next_index)
            text = open;
    }
    for (unsigned i = 0; i < read->open_count; i++)
        if (&read->open[i] != text)
            write_block_stop(read->open[i].index, out);
    own->started = own->told = true;
    own->blocks = own->last = NULL;
    own->open = false;
    own->index = (unsigned)(text ? text->index : read->next_index);
    if (!text)
        return true;
    own->blocks = own->last = arena_zalloc(writer->arena, sizeof *own->blocks);
    own->open = own->blocks != NULL;
    if (own->blocks)
        own->blocks->kind = ANTHROPIC_TEXT;
    return own->open;
}

bool anthropic_resume(struct chat_writer *writer, const struct chat_reader *relayed,
                      struct json_out *out) {
    struct anthropic_saying *own = writer->own;
    if (!own || (relayed && !relayed->own))
        return false;
    if (relayed)
        return take_places(writer, relayed->own, out);
    /* Its signature did not come, and that of other reasoning is not of it. */
    while (own->open && own->blocks->kind != ANTHROPIC_TEXT && own->blocks->kind != ANTHROPIC_TOOL)
        close_block(writer->own, out);
    return !out->full;
}
