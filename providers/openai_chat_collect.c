/* openai_chat_collect.c - puts an answer's events together to one chat.completion body. (pure)
 *
 * Upstream is always streamed, so that losers can be cut and time to first token is known; a client
 * that asked for one body gets this. It must not be poorer than the provider's own: members without
 * a canonical meaning are merged as the pieces of a stream are meant to be:
 *
 *     arrays    one behind the other: logprobs.content, annotations, images, reasoning_details
 *     objects   member by member, by these rules; text in pieces (data, transcript, arguments)
 *               is joined
 *     the rest  the last one that is not null
 *
 * Signatures prove the reasoning before them: the reasoning is kept as one text, and a block of
 * `thinking_blocks` is a range of it.
 *
 * Owns:     nothing; what is collected is copied to the writer's arena.
 * Promises: choices in the order of their index, text as it was written.
 * Refuses:  answers larger than ANSWER_MAX_BYTES: `full` is set. */
#include "providers/openai_chat.h"

#include "core/base.h"
#include "core/limits.h"

/* Different members of one merged object: audio has four. Each costs a pass over the pieces. */
#define MERGE_NAMES_MAX 32

/* --- collecting --- */

/* Counts what is about to be kept; false when it is too much. */
static bool may_keep(struct chat_writer *writer, size_t n) {
    writer->collected_bytes += n;
    if (writer->collected_bytes > ANSWER_MAX_BYTES)
        writer->full = true;
    return !writer->full;
}

static void add_text(struct chat_writer *writer, struct chat_text *text, struct span piece) {
    if (may_keep(writer, piece.n) && !chat_text_add(text, writer->arena, piece))
        writer->full = true;
}

static struct chat_member *member_of(struct chat_writer *writer, struct chat_member **list,
                                     struct span name) {
    while (*list && !span_eq((*list)->name, name))
        list = &(*list)->next;
    if (*list)
        return *list;
    struct chat_member *member = arena_zalloc(writer->arena, sizeof *member);
    if (!member || !(member->name = arena_copy(writer->arena, name)).p) {
        writer->full = true;
        return NULL;
    }
    member->last = &member->pieces;
    return *list = member;
}

/* A piece of a member that is to be merged with the others. */
static void add_piece(struct chat_writer *writer, struct chat_member **list,
                      const struct chat_event *event) {
    struct chat_member *member = member_of(writer, list, event->name);
    if (!member || !may_keep(writer, event->text.n + sizeof(struct openai_piece)))
        return;
    struct openai_piece *piece = arena_zalloc(writer->arena, sizeof *piece);
    if (!piece || !(piece->json = arena_copy(writer->arena, event->text)).p) {
        writer->full = true;
        return;
    }
    *member->last = piece;
    member->last = &piece->next;
}

/* A member of which the last value counts: said anew in each chunk, it must not pile up. */
static void set_member(struct chat_writer *writer, struct chat_member **list,
                       const struct chat_event *event) {
    struct chat_member *member = member_of(writer, list, event->name);
    if (member && !chat_text_set(&member->text, writer->arena, event->text))
        writer->full = true;
}

static struct openai_said_tool *said_tool(struct chat_writer *writer, struct chat_said *said,
                                          unsigned index) {
    if (index >= TOOL_CALLS_MAX) {
        writer->full = true;
        return NULL;
    }
    if (index >= said->tool_max) {
        unsigned max = said->tool_max ? said->tool_max : 2;
        while (max <= index)
            max *= 2;
        struct openai_said_tool *tools = arena_zalloc(writer->arena, max * sizeof *tools);
        if (!tools) {
            writer->full = true;
            return NULL;
        }
        if (said->tool_count)
            memcpy(tools, said->tools, said->tool_count * sizeof *tools);
        said->tools = tools;
        said->tool_max = max;
    }
    if (index >= said->tool_count)
        said->tool_count = index + 1;
    return &said->tools[index];
}

static void collect_tool(struct chat_writer *writer, struct chat_said *said,
                         const struct chat_event *event) {
    struct openai_said_tool *tool = said_tool(writer, said, event->tool);
    if (!tool)
        return;
    if (event->kind == CHAT_TOOL_START) {
        tool->id = arena_copy(writer->arena, event->id);
        tool->name = arena_copy(writer->arena, event->name);
        tool->custom = event->custom;
    }
    add_text(writer, &tool->arguments, event->text);
}

static void collect_proof(struct chat_writer *writer, struct chat_said *said,
                          const struct chat_event *event) {
    size_t cost = event->text.n + sizeof(struct openai_thought);
    if (!openai_keeps_proof(event) || !may_keep(writer, cost))
        return;
    struct span proof = arena_copy(writer->arena, event->text);
    writer->full |= !proof.p;
    if (event->of_tool) {
        struct openai_said_tool *tool = said_tool(writer, said, event->tool);
        if (tool)
            tool->signature = proof;
        return;
    }
    struct openai_thought *thought = arena_zalloc(writer->arena, sizeof *thought);
    if (!thought) {
        writer->full = true;
        return;
    }
    *thought = (struct openai_thought){.redacted = event->kind == CHAT_REDACTED,
                                       .from = said->thought_bytes,
                                       .to = said->reasoning.n,
                                       .proof = proof};
    /* Reasoning that nobody signed stays open for the signature that is still to come. */
    if (!thought->redacted)
        said->thought_bytes = said->reasoning.n;
    if (said->last_thought)
        said->last_thought->next = thought;
    else
        said->thoughts = thought;
    said->last_thought = thought;
}

static void collect_extra(struct chat_writer *writer, const struct chat_event *event) {
    struct chat_said *said;
    struct openai_said_tool *tool;
    switch (event->place) {
    case CHAT_OF_ANSWER: set_member(writer, &writer->extras, event); break;
    case CHAT_OF_CHOICE:
        said = openai_said(writer, event->choice);
        if (said && span_eq(event->name, SPAN("logprobs")))
            add_piece(writer, &said->choice_extras, event);
        else if (said)
            set_member(writer, &said->choice_extras, event);
        break;
    case CHAT_OF_MESSAGE:
        said = openai_said(writer, event->choice);
        if (said)
            add_piece(writer, &said->message_extras, event);
        break;
    case CHAT_OF_TOOL:
        said = openai_said(writer, event->choice);
        tool = said ? said_tool(writer, said, event->tool) : NULL;
        if (tool)
            set_member(writer, &tool->extras, event);
        break;
    }
}

static void collect_said(struct chat_writer *writer, const struct chat_event *event) {
    struct chat_said *said = openai_said(writer, event->choice);
    if (!said)
        return;
    switch (event->kind) {
    case CHAT_TEXT: add_text(writer, &said->text, event->text); break;
    case CHAT_REFUSAL: add_text(writer, &said->refusal, event->text); break;
    case CHAT_REASONING:
        if (!said->reasoning.n)
            add_text(writer, &said->reasoning_name, event->name);
        add_text(writer, &said->reasoning, event->text);
        break;
    case CHAT_SIGNATURE:
    case CHAT_REDACTED: collect_proof(writer, said, event); break;
    case CHAT_TOOL_START:
    case CHAT_TOOL_ARGS: collect_tool(writer, said, event); break;
    case CHAT_MEDIA: add_piece(writer, &said->message_extras, event); break;
    case CHAT_FINISH: said->finish = event->finish; break;
    case CHAT_START:
    case CHAT_EXTRA:
    case CHAT_USAGE:
    case CHAT_DONE:
    case CHAT_ERROR:
    case CHAT_OTHER: break;
    }
}

void openai_chat_collect(struct chat_writer *writer, const struct chat_event *event) {
    if (writer->full)
        return;
    openai_take_answer(writer, event, SPAN("chatcmpl-"));
    switch (event->kind) {
    case CHAT_TEXT:
    case CHAT_REASONING:
    case CHAT_REFUSAL:
    case CHAT_SIGNATURE:
    case CHAT_REDACTED:
    case CHAT_TOOL_START:
    case CHAT_TOOL_ARGS:
    case CHAT_MEDIA:
    case CHAT_FINISH: collect_said(writer, event); break;
    case CHAT_EXTRA: collect_extra(writer, event); break;
    case CHAT_USAGE: openai_take_usage(writer, &event->usage); break;
    case CHAT_DONE: writer->done = true; break;
    case CHAT_START:
    case CHAT_ERROR:
    case CHAT_OTHER: break;
    }
}

/* --- merging --- */

/* Text that comes in pieces inside an object; other strings (id, type, format) are said whole,
 * perhaps again. */
static bool is_joined(struct span name) {
    return span_eq(name, SPAN("data")) || span_eq(name, SPAN("transcript")) ||
           span_eq(name, SPAN("arguments"));
}

/* The elements of an array, into an array that is open in `out`. */
static void write_elements(struct span array, struct json_out *out) {
    struct json json;
    struct json_token token;
    json_init(&json, array);
    json_next(&json, &token);
    for (;;) {
        struct json ahead = json;
        struct span element;
        json_next(&ahead, &token);
        if (token.kind == JSON_ARRAY_END || !json_value(&json, &element))
            return;
        json_out_value(out, element);
    }
}

static bool is_null(struct span json) { return span_eq(json, SPAN("null")); }

/* The value of member `name` in a piece that is an object; false when it has none, or null. */
static bool piece_member(const struct openai_piece *piece, struct span name, struct span *value) {
    struct json json;
    struct json_token key;
    json_init(&json, piece->json);
    if (json_next(&json, &key) != JSON_OBJECT)
        return false;
    while (json_next(&json, &key) == JSON_KEY) {
        bool found = span_eq(key.raw, name);
        if (!json_value(&json, value))
            return false;
        if (found)
            return !is_null(*value);
    }
    return false;
}

/* The member `name`, merged over all pieces from the first that has it. */
static void merge_member(const struct openai_piece *first, struct span name, struct json_out *out) {
    struct span value, last = SPAN("null");
    char kind = 0;
    for (const struct openai_piece *piece = first; piece && !kind; piece = piece->next)
        if (piece_member(piece, name, &value))
            kind = value.p[0];
    bool joined = kind == '"' && is_joined(name), array = kind == '[';
    if (joined)
        json_out_string_begin(out);
    if (array)
        json_out_array(out);
    for (const struct openai_piece *piece = first; piece; piece = piece->next) {
        if (!piece_member(piece, name, &value))
            continue;
        if (joined && value.p[0] == '"')
            json_out_string_part(out, span_of(value.p + 1, value.n - 2), true);
        if (array && value.p[0] == '[')
            write_elements(value, out);
        last = value;
    }
    if (joined)
        json_out_string_end(out);
    else if (array)
        json_out_array_end(out);
    else
        json_out_value(out, last);
}

static void merge_objects(const struct openai_piece *first, struct json_out *out) {
    struct span names[MERGE_NAMES_MAX];
    unsigned count = 0;
    struct json json;
    struct json_token key;
    json_out_object(out);
    for (const struct openai_piece *piece = first; piece; piece = piece->next) {
        json_init(&json, piece->json);
        if (json_next(&json, &key) != JSON_OBJECT)
            continue;
        while (json_next(&json, &key) == JSON_KEY) {
            if (openai_member(&key, names, count) == count && count < MERGE_NAMES_MAX) {
                names[count++] = key.raw;
                json_out_key(out, key.raw);
                merge_member(first, key.raw, out);
            }
            if (!json_value(&json, &(struct span){NULL, 0}))
                break;
        }
    }
    json_out_object_end(out);
}

static void write_merged(const struct chat_member *member, struct json_out *out) {
    const struct openai_piece *first = member->pieces;
    if (!first) {
        json_out_value(out, chat_text_span(&member->text));
    } else if (!first->next) {
        json_out_value(out, first->json);
    } else if (first->json.p[0] == '{') {
        merge_objects(first, out);
    } else {
        json_out_array(out);
        for (const struct openai_piece *piece = first; piece; piece = piece->next)
            if (piece->json.p[0] == '[')
                write_elements(piece->json, out);
        json_out_array_end(out);
    }
}

void openai_write_members(const struct chat_member *member, struct json_out *out) {
    for (; member; member = member->next) {
        json_out_key(out, member->name);
        write_merged(member, out);
    }
}

bool openai_has_member(const struct chat_member *member, struct span name) {
    while (member && !span_eq(member->name, name))
        member = member->next;
    return member != NULL;
}

/* --- writing --- */

static void write_text_or_null(struct json_out *out, struct span key,
                               const struct chat_text *text) {
    json_out_key(out, key);
    if (text->n)
        json_out_escaped(out, chat_text_span(text));
    else
        json_out_null(out);
}

static void write_tool_call(const struct chat_writer *writer, unsigned choice, unsigned index,
                            struct json_out *out) {
    const struct openai_said_tool *tool = &writer->choices[choice].tools[index];
    json_out_object(out);
    openai_write_call_id(writer, tool->id, choice, index, out);
    json_out_key(out, SPAN("type"));
    json_out_escaped(out, tool->custom ? SPAN("custom") : SPAN("function"));
    json_out_key(out, tool->custom ? SPAN("custom") : SPAN("function"));
    json_out_object(out);
    json_out_key(out, SPAN("name"));
    json_out_escaped(out, tool->name);
    json_out_key(out, tool->custom ? SPAN("input") : SPAN("arguments"));
    json_out_escaped(out, chat_text_span(&tool->arguments));
    json_out_object_end(out);
    if (tool->signature.n)
        openai_write_thought_signature(tool->signature, out);
    openai_write_members(tool->extras, out);
    json_out_object_end(out);
}

static void write_thoughts(const struct chat_said *said, struct json_out *out) {
    json_out_key(out, SPAN("thinking_blocks"));
    json_out_array(out);
    for (const struct openai_thought *thought = said->thoughts; thought; thought = thought->next) {
        struct span thinking = SPAN("");
        if (!thought->redacted && thought->to > thought->from)
            thinking = span_of(said->reasoning.p + thought->from, thought->to - thought->from);
        openai_write_thinking(thought, thinking, out);
    }
    json_out_array_end(out);
}

static void write_message(const struct chat_writer *writer, unsigned choice, struct json_out *out) {
    const struct chat_said *said = &writer->choices[choice];
    /* "" where the model said nothing, null where something else stands for text. */
    bool instead = said->tool_count || said->refusal.n ||
                   openai_has_member(said->message_extras, SPAN("audio")) ||
                   openai_has_member(said->message_extras, SPAN("function_call"));
    json_out_object(out);
    json_out_key(out, SPAN("role"));
    json_out_escaped(out, SPAN("assistant"));
    if (said->text.n || instead) {
        write_text_or_null(out, SPAN("content"), &said->text);
    } else {
        json_out_key(out, SPAN("content"));
        json_out_escaped(out, SPAN(""));
    }
    write_text_or_null(out, SPAN("refusal"), &said->refusal);
    if (said->reasoning.n)
        write_text_or_null(out,
                           said->reasoning_name.n ? chat_text_span(&said->reasoning_name)
                                                  : SPAN("reasoning_content"),
                           &said->reasoning);
    if (said->thoughts)
        write_thoughts(said, out);
    if (said->tool_count) {
        json_out_key(out, SPAN("tool_calls"));
        json_out_array(out);
        for (unsigned i = 0; i < said->tool_count; i++)
            write_tool_call(writer, choice, i, out);
        json_out_array_end(out);
    }
    openai_write_members(said->message_extras, out);
    json_out_object_end(out);
}

static void write_choice(const struct chat_writer *writer, unsigned choice, struct json_out *out) {
    const struct chat_said *said = &writer->choices[choice];
    /* A provider's own whole body may lack a reason, and clients want one. What is not done stays
     * without. */
    enum chat_finish finish =
        said->finish == CHAT_FINISH_NONE && writer->done ? CHAT_FINISH_STOP : said->finish;
    json_out_object(out);
    json_out_key(out, SPAN("index"));
    json_out_int(out, choice);
    json_out_key(out, SPAN("message"));
    write_message(writer, choice, out);
    if (!openai_has_member(said->choice_extras, SPAN("logprobs"))) {
        json_out_key(out, SPAN("logprobs"));
        json_out_null(out);
    }
    openai_write_members(said->choice_extras, out);
    json_out_key(out, SPAN("finish_reason"));
    if (finish == CHAT_FINISH_NONE)
        json_out_null(out);
    else
        json_out_escaped(out, span_str(chat_finish_name(finish)));
    json_out_object_end(out);
}

void openai_chat_write_body(struct chat_writer *writer, struct json_out *out) {
    json_out_object(out);
    openai_write_head(writer, SPAN("chat.completion"), out);
    json_out_key(out, SPAN("choices"));
    json_out_array(out);
    for (unsigned i = 0; i < writer->choice_count; i++)
        if (writer->choices[i].seen)
            write_choice(writer, i, out);
    json_out_array_end(out);
    if (writer->usage.known) {
        json_out_key(out, SPAN("usage"));
        openai_write_usage(&writer->usage, out);
    }
    openai_write_tail(writer, out);
    openai_write_members(writer->extras, out);
    json_out_object_end(out);
    writer->full |= out->full;
}
