/* anthropic_body.c - puts an answer's events together to one Message. (pure)
 *
 * Owns:     nothing; what is collected is in the writer's arena.
 * Promises: the blocks a stream would have, in the same order.
 * Refuses:  answers larger than ANSWER_MAX_BYTES: `full` is set. */
#include "providers/anthropic.h"

void anthropic_collect(struct chat_writer *writer, const struct chat_event *event) {
    if (writer->full || !writer->own)
        return;
    anthropic_take(writer, event);
    writer->done |= event->kind == CHAT_DONE;
    struct anthropic_block *block = anthropic_block_for(writer, event);
    if (block && event->text.n)
        anthropic_keep(writer, event->kind == CHAT_SIGNATURE ? &block->signature : &block->text,
                       event->text);
}

static void write_member(struct json_out *out, struct span key, struct span raw) {
    json_out_key(out, key);
    json_out_escaped(out, raw);
}

/* The input as the object that it is the text of. Cut off by the limit of tokens it is none: the API
 * itself then gives what it could read of it, and here that is nothing. */
static void write_input(struct chat_writer *writer, const struct anthropic_block *block,
                        struct json_out *out) {
    struct span raw = chat_text_span(&block->text);
    char *text = raw.n ? arena_alloc(writer->arena, raw.n) : NULL;
    long n = text ? json_decode(raw, true, text, raw.n) : 0;
    struct span object = span_trim(span_of(text, n > 0 ? (size_t)n : 0));
    writer->full |= raw.n && !text;
    json_out_key(out, SPAN("input"));
    if (object.n && object.p[0] == '{' && json_check(object, NULL, NULL) == 0)
        json_out_value(out, object);
    else
        json_out_value(out, SPAN("{}"));
}

static void write_block(struct chat_writer *writer, const struct anthropic_block *block,
                        struct json_out *out) {
    struct span text = chat_text_span(&block->text);
    json_out_object(out);
    switch (block->kind) {
    case ANTHROPIC_TEXT:
        write_member(out, SPAN("type"), SPAN("text"));
        write_member(out, SPAN("text"), text);
        break;
    case ANTHROPIC_THINKING:
        write_member(out, SPAN("type"), SPAN("thinking"));
        write_member(out, SPAN("thinking"), text);
        write_member(out, SPAN("signature"), chat_text_span(&block->signature));
        break;
    case ANTHROPIC_REDACTED:
        write_member(out, SPAN("type"), SPAN("redacted_thinking"));
        write_member(out, SPAN("data"), text);
        break;
    case ANTHROPIC_TOOL:
        write_member(out, SPAN("type"), SPAN("tool_use"));
        write_member(out, SPAN("id"), block->id);
        write_member(out, SPAN("name"), block->name);
        write_input(writer, block, out);
        break;
    }
    json_out_object_end(out);
}

static void write_collected(struct chat_writer *writer, struct json_out *out) {
    const struct anthropic_saying *own = writer->own;
    json_out_object(out);
    anthropic_write_head(writer, out);
    json_out_key(out, SPAN("content"));
    json_out_array(out);
    for (const struct anthropic_block *block = own->blocks; block; block = block->next)
        write_block(writer, block, out);
    json_out_array_end(out);
    anthropic_write_stop(writer, out);
    json_out_key(out, SPAN("usage"));
    anthropic_write_usage(&writer->usage, out);
    json_out_object_end(out);
}

void anthropic_write_body(struct chat_writer *writer, struct json_out *out) {
    const struct anthropic_saying *own = writer->own;
    if (!own)
        return; /* writer->full is set */
    if (own->merge)
        anthropic_write_merged(writer, out);
    else
        write_collected(writer, out);
    writer->full |= out->full;
}
