/* anthropic_open.c - reads what stands in a Messages stream's content blocks: which are open, what their
 * starts and deltas say. (pure)
 *
 *     content_block_start {"index":1,"content_block":{"type":"tool_use",..}}
 *     content_block_delta {"index":1,"delta":{"type":"input_json_delta",..}}   any number of them
 *     content_block_stop  {"index":1}
 *
 * Owns:     nothing; the open blocks are in struct anthropic_reading.
 * Promises: one allocation per block at most, none per delta; each call gets arguments, "{}" when its
 *           maker says none.
 * Refuses:  more than OPEN_BLOCKS_MAX open blocks: BAD_EVENT. */
#include "core/limits.h"
#include "providers/anthropic.h"

/* Blocks of one message that are open at once: one, by the rules. */
#define OPEN_BLOCKS_MAX 1024

static void give_text(struct anthropic_event *x, enum chat_event_kind kind, struct span text) {
    if (text.n)
        anthropic_give(
            x, &(struct chat_event){.kind = kind, .text = text, .signer = CHAT_SIGNER_ANTHROPIC});
}

/* --- blocks --- */

static struct anthropic_open *block_at(const struct anthropic_reading *own, uint64_t index) {
    for (unsigned i = own->open_count; i-- > 0;)
        if (own->open[i].index == index)
            return &own->open[i];
    return NULL;
}

/* The state of block `index`, which begins; NULL with x->failed set. One that is open at that index
 * ends here: its call gets its arguments. */
static struct anthropic_open *block_new(struct anthropic_event *x, uint64_t index) {
    struct anthropic_reading *own = x->own;
    anthropic_stop_block(x, index);
    if (own->open_count == OPEN_BLOCKS_MAX) {
        x->failed = FAIL_BAD_EVENT;
        return NULL;
    }
    if (own->open_count == own->open_max) {
        unsigned max = own->open_max ? own->open_max * 2 : 4;
        struct anthropic_open *open = arena_alloc(x->reader->arena, max * sizeof *open);
        if (!open) {
            x->failed = FAIL_OVERLOAD;
            return NULL;
        }
        if (own->open_count)
            memcpy(open, own->open, own->open_count * sizeof *open);
        own->open = open;
        own->open_max = max;
    }
    struct anthropic_open *block = &own->open[own->open_count++];
    *block = (struct anthropic_open){.index = index};
    own->next_index = max_u64(own->next_index, index + 1);
    return block;
}

/* An object as raw string content, as arguments are given. */
static struct span as_string(struct anthropic_event *x, struct span object) {
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
static void start_tool(struct anthropic_event *x, struct anthropic_open *block,
                       struct span object) {
    static const struct span path[] = {SPAN_CONST("input")};
    struct json_token input;
    if (x->own->tool_count == TOOL_CALLS_MAX) {
        x->failed = FAIL_BAD_EVENT;
        return;
    }
    block->kind = ANTHROPIC_OPEN_TOOL;
    block->tool = x->own->tool_count++;
    if (json_find(object, path, countof(path), &input) && input.kind == JSON_OBJECT &&
        input.raw.n > 2)
        block->input = as_string(x, input.raw);
    anthropic_give(x, &(struct chat_event){
                          .kind = CHAT_TOOL_START,
                          .tool = block->tool,
                          .id = anthropic_member_string(object, SPAN("id")),
                          .name = anthropic_member_string(object, SPAN("name")),
                      });
}

void anthropic_start_block(struct anthropic_event *x, struct span object, uint64_t index) {
    struct span type = anthropic_member_string(object, SPAN("type"));
    struct anthropic_open *block = block_new(x, index);
    if (!block)
        return;
    if (span_eq(type, SPAN("text"))) {
        give_text(x, CHAT_TEXT, anthropic_member_string(object, SPAN("text")));
    } else if (span_eq(type, SPAN("thinking"))) {
        block->thinks = true;
        give_text(x, CHAT_REASONING, anthropic_member_string(object, SPAN("thinking")));
        give_text(x, CHAT_SIGNATURE, anthropic_member_string(object, SPAN("signature")));
    } else if (span_eq(type, SPAN("redacted_thinking"))) {
        block->thinks = true;
        give_text(x, CHAT_REDACTED, anthropic_member_string(object, SPAN("data")));
    } else if (span_eq(type, SPAN("tool_use"))) {
        start_tool(x, block, object);
    } else {
        /* A hosted tool's call, what it found, a compaction: nothing a client of ours can answer. */
        block->kind = ANTHROPIC_OPEN_OTHER;
        x->reader->opaque = true;
    }
}

static void give_arguments(struct anthropic_event *x, struct anthropic_open *block,
                           struct span text) {
    block->arguments = true;
    anthropic_give(x,
                   &(struct chat_event){.kind = CHAT_TOOL_ARGS, .tool = block->tool, .text = text});
}

static void end_tool(struct anthropic_event *x, struct anthropic_open *block) {
    if (block->kind == ANTHROPIC_OPEN_TOOL && !block->arguments)
        give_arguments(x, block, block->input.n ? block->input : SPAN("{}"));
}

void anthropic_end_tools(struct anthropic_event *x) {
    for (unsigned i = 0; i < x->own->open_count; i++)
        end_tool(x, &x->own->open[i]);
}

bool anthropic_begin_blocks(struct anthropic_event *x) {
    for (unsigned i = 0; i < x->own->open_count; i++)
        if (x->own->open[i].kind == ANTHROPIC_OPEN_TOOL && x->own->open[i].arguments)
            return false;
    anthropic_end_tools(x); /* of a message that was given up */
    x->own->open_count = 0;
    x->own->next_index = 0;
    return true;
}

void anthropic_stop_block(struct anthropic_event *x, uint64_t index) {
    struct anthropic_reading *own = x->own;
    struct anthropic_open *block = block_at(own, index);
    if (!block)
        return;
    end_tool(x, block);
    *block = own->open[--own->open_count];
}

void anthropic_read_content(struct anthropic_event *x, struct span content) {
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
        anthropic_start_block(x, block, index);
        anthropic_stop_block(x, index);
    }
}

/* --- deltas --- */

void anthropic_read_delta(struct anthropic_event *x) {
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
    struct span type = anthropic_member_string(x->delta, SPAN("type"));
    struct anthropic_open *block = block_at(x->own, x->index);
    unsigned i = 0;
    while (i < countof(rows) && !span_eq(type, rows[i].type))
        i++;
    x->reader->opaque |= i == countof(rows); /* a citation, or what is new */
    if (i == countof(rows) || (block && block->kind == ANTHROPIC_OPEN_OTHER))
        return;
    struct span text = anthropic_member_string(x->delta, rows[i].member);
    if (rows[i].kind != CHAT_TOOL_ARGS)
        give_text(x, rows[i].kind, text);
    else if (block && block->kind == ANTHROPIC_OPEN_TOOL && text.n)
        give_arguments(x, block, text);
}
