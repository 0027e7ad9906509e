/* anthropic_merge.c - merges a provider's own Messages stream into the one Message that the API would
 * have given without `stream`, so that what has no canonical form is not lost: hosted tools and their
 * results, citations, containers, what is yet to come. (pure)
 *
 * The rules are those of the vendor's SDKs, made general:
 *
 *     message_start        the message, to begin with
 *     content_block_start  a block, as it is
 *     content_block_delta  text and thinking are appended, partial_json is joined to `input`,
 *                          a citation is added to `citations`; any other member replaces the block's
 *     message_delta        members of its delta and its own replace the message's; in `usage` those
 *                          that are not null
 *
 * A second message_start (a server fell back to another model) begins the message anew: what the first
 * one said was given up.
 *
 * Owns:     nothing; copies are in the writer's arena.
 * Promises: members in the order they came, unknown ones as they were written.
 * Refuses:  answers larger than ANSWER_MAX_BYTES: `full` is set. What is not JSON adds nothing; the
 *           reader has then ended the answer. */
#include "core/limits.h"
#include "providers/anthropic.h"

/* A member whose value was replaced or added. */
struct change {
    struct change *next;
    struct span name;
    struct chat_text value; /* JSON text */
};

struct merged_block {
    struct merged_block *next;
    uint64_t index;
    struct span start;               /* the block's JSON */
    struct chat_text text, thinking; /* appended, as raw string content */
    struct chat_text input;          /* the same of the input's JSON text */
    struct chat_text citations;      /* elements of an array, with their commas */
    struct change *changes;
};

struct anthropic_merge {
    struct span message; /* of message_start, or a whole body */
    bool whole;          /* it is a whole body: nothing is to be merged */
    struct merged_block *blocks, *last;
    unsigned block_count;
    struct change *changes; /* of the message */
    struct change *usage;   /* of its usage */
};

/* --- keeping --- */

static struct span keep(struct chat_writer *writer, struct span text) {
    writer->collected_bytes += text.n;
    struct span copy = span_of(NULL, 0);
    if (writer->collected_bytes <= ANSWER_MAX_BYTES)
        copy = arena_copy(writer->arena, text);
    writer->full |= !copy.p && text.n;
    return copy;
}

static void *make(struct chat_writer *writer, size_t n) {
    writer->collected_bytes += n;
    void *p = writer->collected_bytes <= ANSWER_MAX_BYTES ? arena_zalloc(writer->arena, n) : NULL;
    writer->full |= !p;
    return p;
}

static struct change *change_of(struct change *list, struct span name) {
    while (list && !span_eq(list->name, name))
        list = list->next;
    return list;
}

static struct change *change_new(struct chat_writer *writer, struct change **list,
                                 struct span name) {
    unsigned count = 0;
    for (; *list; list = &(*list)->next)
        count++;
    if (count == ANTHROPIC_CHANGES_MAX) {
        writer->full = true;
        return NULL;
    }
    *list = make(writer, sizeof **list);
    if (*list)
        (*list)->name = keep(writer, name);
    return *list;
}

static void set(struct chat_writer *writer, struct change **list, struct span name,
                struct span value) {
    struct change *change = change_of(*list, name);
    if (!change && !(change = change_new(writer, list, name)))
        return;
    writer->collected_bytes += value.n > change->value.max ? value.n : 0;
    if (writer->collected_bytes > ANSWER_MAX_BYTES ||
        !chat_text_set(&change->value, writer->arena, value))
        writer->full = true;
}

/* Replaces by each member of an object that is not among `but`. */
static void set_all(struct chat_writer *writer, struct change **list, struct span object,
                    const struct span *but, unsigned but_count, bool nulls) {
    struct json json;
    struct json_token key;
    struct span value;
    json_init(&json, object);
    if (!object.n || json_next(&json, &key) != JSON_OBJECT)
        return;
    while (json_next(&json, &key) == JSON_KEY && json_value(&json, &value))
        if (anthropic_member(&key, but, but_count) == but_count &&
            (nulls || !span_eq(value, SPAN("null"))))
            set(writer, list, key.raw, value);
}

/* --- events --- */

static bool find(struct span object, struct span name, struct json_token *token) {
    return json_find(object, &name, 1, token);
}

static struct span string_of(struct span object, struct span name) {
    struct json_token token;
    return find(object, name, &token) ? anthropic_string(&token) : span_of(NULL, 0);
}

static struct span object_of(struct span object, struct span name) {
    struct json_token token;
    return find(object, name, &token) && token.kind == JSON_OBJECT ? token.raw : span_of(NULL, 0);
}

static void start_message(struct chat_writer *writer, struct anthropic_merge *merge,
                          struct span data) {
    struct span message = object_of(data, SPAN("message"));
    if (message.n)
        *merge = (struct anthropic_merge){.message = keep(writer, message)};
}

static uint64_t index_of(struct span data) {
    struct json_token token;
    uint64_t index = 0;
    if (find(data, SPAN("index"), &token) && token.kind == JSON_NUMBER)
        span_u64(token.raw, UINT32_MAX, &index);
    return index;
}

static void start_block(struct chat_writer *writer, struct anthropic_merge *merge,
                        struct span data) {
    struct span start = object_of(data, SPAN("content_block"));
    if (!start.n)
        return;
    struct merged_block *block = make(writer, sizeof *block);
    writer->full |= merge->block_count == ANTHROPIC_BLOCKS_MAX;
    if (writer->full)
        return;
    merge->block_count++;
    block->index = index_of(data);
    block->start = keep(writer, start);
    if (merge->blocks)
        merge->last->next = block;
    else
        merge->blocks = block;
    merge->last = block;
}

static struct merged_block *block_at(const struct anthropic_merge *merge, uint64_t index) {
    struct merged_block *found = NULL;
    if (merge->blocks && merge->last->index == index)
        return merge->last; /* as good as always */
    for (struct merged_block *block = merge->blocks; block; block = block->next)
        if (block->index == index)
            found = block;
    return found;
}

static void add_citation(struct chat_writer *writer, struct merged_block *block,
                         struct span delta) {
    struct span citation = object_of(delta, SPAN("citation"));
    if (!citation.n)
        return;
    if (block->citations.n)
        anthropic_keep(writer, &block->citations, SPAN(","));
    anthropic_keep(writer, &block->citations, citation);
}

static void merge_delta(struct chat_writer *writer, struct anthropic_merge *merge,
                        struct span data) {
    static const struct span type_name[] = {SPAN_CONST("type")};
    struct merged_block *block = block_at(merge, index_of(data));
    struct span delta = object_of(data, SPAN("delta")), type = string_of(delta, SPAN("type"));
    if (!block || !delta.n)
        return;
    if (span_eq(type, SPAN("text_delta")))
        anthropic_keep(writer, &block->text, string_of(delta, SPAN("text")));
    else if (span_eq(type, SPAN("thinking_delta")))
        anthropic_keep(writer, &block->thinking, string_of(delta, SPAN("thinking")));
    else if (span_eq(type, SPAN("input_json_delta")))
        anthropic_keep(writer, &block->input, string_of(delta, SPAN("partial_json")));
    else if (span_eq(type, SPAN("citations_delta")))
        add_citation(writer, block, delta);
    else
        set_all(writer, &block->changes, delta, type_name, countof(type_name), true);
}

static void merge_message(struct chat_writer *writer, struct anthropic_merge *merge,
                          struct span data) {
    static const struct span apart[] = {SPAN_CONST("type"), SPAN_CONST("delta"),
                                        SPAN_CONST("usage")};
    set_all(writer, &merge->changes, object_of(data, SPAN("delta")), NULL, 0, true);
    set_all(writer, &merge->changes, data, apart, countof(apart), true);
    set_all(writer, &merge->usage, object_of(data, SPAN("usage")), NULL, 0, false);
}

void anthropic_merge(struct chat_writer *writer, struct span name, struct span data) {
    struct anthropic_saying *own = writer->own;
    data = span_trim(data);
    if (writer->full || !own || !data.n || json_check(data, NULL, NULL) < 0)
        return;
    if (!own->merge && !(own->merge = make(writer, sizeof *own->merge)))
        return;
    struct anthropic_merge *merge = own->merge;
    struct span type = string_of(data, SPAN("type"));
    if (!type.n)
        type = name;
    if (span_eq(type, SPAN("content_block_delta")))
        merge_delta(writer, merge, data);
    else if (span_eq(type, SPAN("content_block_start")))
        start_block(writer, merge, data);
    else if (span_eq(type, SPAN("message_delta")))
        merge_message(writer, merge, data);
    else if (span_eq(type, SPAN("message_start")))
        start_message(writer, merge, data);
    else if (span_eq(type, SPAN("message"))) /* the backend did not stream */
        *merge = (struct anthropic_merge){.message = keep(writer, data), .whole = true};
}

/* --- writing --- */

/* A string of what the block began with and what was appended. */
static void write_joined(struct span begun, const struct chat_text *more, struct json_out *out) {
    json_out_string_begin(out);
    if (begun.n >= 2 && begun.p[0] == '"')
        json_out_string_part(out, span_of(begun.p + 1, begun.n - 2), true);
    json_out_string_part(out, chat_text_span(more), true);
    json_out_string_end(out);
}

/* The joined input, if it is JSON; an answer cut off leaves half of one, and then the block keeps what
 * it began with. */
static void write_input(struct chat_writer *writer, struct span begun,
                        const struct merged_block *block, struct json_out *out) {
    struct span raw = chat_text_span(&block->input);
    char *text = arena_alloc(writer->arena, raw.n);
    long n = text ? json_decode(raw, true, text, raw.n) : 0;
    struct span input = span_of(text, n > 0 ? (size_t)n : 0);
    writer->full |= !text;
    json_out_value(out, input.n && json_check(input, NULL, NULL) == 0 ? input
                        : begun.n                                     ? begun
                                                                      : SPAN("{}"));
}

/* The elements of an array, if it is one, into an array that is open in `out`. */
static void write_elements(struct span array, struct json_out *out) {
    struct json json;
    struct json_token token;
    struct span element;
    json_init(&json, array);
    if (array.n && json_next(&json, &token) == JSON_ARRAY)
        while (json_value(&json, &element))
            json_out_value(out, element);
}

/* The elements of an array, then `more`. */
static void write_array(struct span begun, const struct chat_text *more, struct json_out *out) {
    json_out_array(out);
    write_elements(begun, out);
    json_out_value(out, chat_text_span(more));
    json_out_array_end(out);
}

enum { TEXT, THINKING, INPUT, CITATIONS, JOINED_COUNT };
static const struct span joined_names[JOINED_COUNT] = {
    [TEXT] = SPAN_CONST("text"),
    [THINKING] = SPAN_CONST("thinking"),
    [INPUT] = SPAN_CONST("input"),
    [CITATIONS] = SPAN_CONST("citations"),
};

static const struct chat_text *joined_of(const struct merged_block *block, unsigned member) {
    switch (member) {
    case TEXT: return &block->text;
    case THINKING: return &block->thinking;
    case INPUT: return &block->input;
    case CITATIONS: return &block->citations;
    }
    return NULL;
}

static void write_joined_member(struct chat_writer *writer, const struct merged_block *block,
                                unsigned member, struct span begun, struct json_out *out) {
    if (member == INPUT)
        write_input(writer, begun, block, out);
    else if (member == CITATIONS)
        write_array(begun, &block->citations, out);
    else
        write_joined(begun, joined_of(block, member), out);
}

static void write_changes(const struct change *list, struct span but_of, struct json_out *out) {
    for (; list; list = list->next) {
        struct json_token token;
        /* Those the object had were written where they stood. */
        if (but_of.n && find(but_of, list->name, &token))
            continue;
        json_out_key(out, list->name);
        json_out_value(out, chat_text_span(&list->value));
    }
}

static void write_block(struct chat_writer *writer, const struct merged_block *block,
                        struct json_out *out) {
    struct json json;
    struct json_token key;
    struct span value;
    unsigned written = 0;
    json_init(&json, block->start);
    json_next(&json, &key);
    json_out_object(out);
    while (json_next(&json, &key) == JSON_KEY && json_value(&json, &value)) {
        const struct change *change = change_of(block->changes, key.raw);
        unsigned member = anthropic_member(&key, joined_names, JOINED_COUNT);
        json_out_key(out, key.raw);
        if (member < JOINED_COUNT && joined_of(block, member)->n && !(written & 1u << member)) {
            written |= 1u << member;
            write_joined_member(writer, block, member, value, out);
        } else {
            json_out_value(out, change ? chat_text_span(&change->value) : value);
        }
    }
    for (unsigned i = 0; i < JOINED_COUNT; i++)
        if (joined_of(block, i)->n && !(written & 1u << i)) {
            json_out_key(out, joined_names[i]);
            write_joined_member(writer, block, i, span_of(NULL, 0), out);
        }
    write_changes(block->changes, block->start, out);
    json_out_object_end(out);
}

/* What the message began with, then what came. */
static void write_content(struct chat_writer *writer, const struct anthropic_merge *merge,
                          struct span begun, struct json_out *out) {
    json_out_key(out, SPAN("content"));
    json_out_array(out);
    write_elements(begun, out);
    for (const struct merged_block *block = merge->blocks; block; block = block->next)
        write_block(writer, block, out);
    json_out_array_end(out);
}

static void write_usage(const struct anthropic_merge *merge, struct span begun,
                        struct json_out *out) {
    struct json json;
    struct json_token key;
    struct span value;
    json_init(&json, begun);
    json_out_key(out, SPAN("usage"));
    json_out_object(out);
    if (begun.n && json_next(&json, &key) == JSON_OBJECT)
        while (json_next(&json, &key) == JSON_KEY && json_value(&json, &value)) {
            const struct change *change = change_of(merge->usage, key.raw);
            json_out_key(out, key.raw);
            json_out_value(out, change ? chat_text_span(&change->value) : value);
        }
    write_changes(merge->usage, begun, out);
    json_out_object_end(out);
}

void anthropic_write_merged(struct chat_writer *writer, struct json_out *out) {
    const struct anthropic_saying *own = writer->own;
    const struct anthropic_merge *merge = own->merge;
    struct json json;
    struct json_token key;
    struct span value;
    bool content = false, usage = false;
    if (merge->whole) {
        json_out_value(out, merge->message);
        return;
    }
    json_out_object(out);
    json_init(&json, merge->message);
    if (merge->message.n && json_next(&json, &key) == JSON_OBJECT)
        while (json_next(&json, &key) == JSON_KEY && json_value(&json, &value)) {
            const struct change *change = change_of(merge->changes, key.raw);
            if (!content && json_is(&key, SPAN("content"))) {
                content = true;
                write_content(writer, merge, value, out);
            } else if (!usage && json_is(&key, SPAN("usage"))) {
                usage = true;
                write_usage(merge, value, out);
            } else {
                json_out_key(out, key.raw);
                json_out_value(out, change ? chat_text_span(&change->value) : value);
            }
        }
    if (!content)
        write_content(writer, merge, span_of(NULL, 0), out);
    if (!usage && merge->usage)
        write_usage(merge, span_of(NULL, 0), out);
    write_changes(merge->changes, merge->message, out);
    json_out_object_end(out);
}
