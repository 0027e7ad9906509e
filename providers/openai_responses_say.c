/* openai_responses_say.c - canonical events as output items: which item an event belongs to, and the
 * events that open, fill and close it. (pure)
 *
 * One message or reasoning item is open at a time. Calls may stay open beside it: their arguments
 * may come interleaved, and a call closes early only when its arguments are a whole JSON object.
 *
 * Owns:     nothing; items and parts are in the writer's arena, under openai_responses_writing.
 * Promises: sequence_number from 0 without gaps; output_index rises; added before delta before done.
 * Refuses:  answers larger than ANSWER_MAX_BYTES or of more than RESPONSE_ITEMS_MAX items: `full` is
 *           set. */
#include "providers/openai_responses.h"

bool openai_responses_may_keep(struct chat_writer *writer, size_t n) {
    writer->collected_bytes += n;
    if (writer->collected_bytes > ANSWER_MAX_BYTES)
        writer->full = true;
    return !writer->full;
}

static void keep(struct chat_writer *writer, struct chat_text *text, struct span piece) {
    if (openai_responses_may_keep(writer, piece.n) && !chat_text_add(text, writer->arena, piece))
        writer->full = true;
}

/* --- framing --- */

/* Up to the members that make this event different. */
static void event_begin(const struct openai_responses_output *x, struct span type) {
    json_out_raw(x->out, SPAN("event: "));
    json_out_raw(x->out, type);
    json_out_raw(x->out, SPAN("\ndata: "));
    json_out_object(x->out);
    json_out_key(x->out, SPAN("type"));
    json_out_escaped(x->out, type);
    json_out_key(x->out, SPAN("sequence_number"));
    json_out_int(x->out, (int64_t)x->own->sequence++);
}

static void event_end(const struct openai_responses_output *x) {
    json_out_object_end(x->out);
    json_out_raw(x->out, SPAN("\n\n"));
}

static void write_text(const struct openai_responses_output *x, struct span key, struct span raw) {
    json_out_key(x->out, key);
    json_out_escaped(x->out, raw);
}

static void write_index(const struct openai_responses_output *x, struct span key, uint64_t index) {
    json_out_key(x->out, key);
    json_out_int(x->out, (int64_t)index);
}

/* An event about an item that is open. */
static void item_begin(const struct openai_responses_output *x, struct span type,
                       const struct openai_responses_said *item) {
    event_begin(x, type);
    json_out_key(x->out, SPAN("item_id"));
    openai_responses_write_id(x->writer, item, x->out);
    write_index(x, SPAN("output_index"), item->index);
}

static void part_begin(const struct openai_responses_output *x, struct span type,
                       const struct openai_responses_said *item) {
    item_begin(x, type, item);
    write_index(x,
                item->kind == RESPONSES_REASONING ? SPAN("summary_index") : SPAN("content_index"),
                item->part->index);
}

void openai_responses_write_response(const struct openai_responses_output *x, struct span type,
                                     bool begun) {
    if (!x->out)
        return;
    event_begin(x, type);
    json_out_key(x->out, SPAN("response"));
    openai_responses_write_object(x->writer, begun, x->out);
    event_end(x);
}

void openai_responses_write_created(const struct openai_responses_output *x) {
    if (x->own->created)
        return;
    x->own->created = true;
    openai_responses_write_response(x, SPAN("response.created"), true);
    openai_responses_write_response(x, SPAN("response.in_progress"), true);
}

static void write_item_event(const struct openai_responses_output *x, struct span type,
                             const struct openai_responses_said *item, bool begun) {
    if (!x->out)
        return;
    event_begin(x, type);
    write_index(x, SPAN("output_index"), item->index);
    json_out_key(x->out, SPAN("item"));
    openai_responses_write_item(x->writer, item, begun, x->out);
    event_end(x);
}

/* --- parts --- */

/* What the events of a part are called. */
struct part_words {
    struct span added, delta, done, part_done, text;
};
static const struct part_words text_words = {
    SPAN_CONST("response.content_part.added"), SPAN_CONST("response.output_text.delta"),
    SPAN_CONST("response.output_text.done"), SPAN_CONST("response.content_part.done"),
    SPAN_CONST("text")};
static const struct part_words refusal_words = {
    SPAN_CONST("response.content_part.added"), SPAN_CONST("response.refusal.delta"),
    SPAN_CONST("response.refusal.done"), SPAN_CONST("response.content_part.done"),
    SPAN_CONST("refusal")};
static const struct part_words summary_words = {SPAN_CONST("response.reasoning_summary_part.added"),
                                                SPAN_CONST("response.reasoning_summary_text.delta"),
                                                SPAN_CONST("response.reasoning_summary_text.done"),
                                                SPAN_CONST("response.reasoning_summary_part.done"),
                                                SPAN_CONST("text")};

static const struct part_words *words_of(const struct openai_responses_said *item) {
    if (item->kind == RESPONSES_REASONING)
        return &summary_words;
    return item->part->refusal ? &refusal_words : &text_words;
}

/* Text events have log probabilities, empty when nobody asked. */
static void write_logprobs(const struct openai_responses_output *x,
                           const struct part_words *words) {
    if (words != &text_words)
        return;
    json_out_key(x->out, SPAN("logprobs"));
    json_out_array(x->out);
    json_out_array_end(x->out);
}

static void write_part(const struct openai_responses_output *x, struct span type,
                       const struct openai_responses_said *item, bool begun) {
    part_begin(x, type, item);
    json_out_key(x->out, SPAN("part"));
    openai_responses_write_part(item->part, item->kind == RESPONSES_REASONING, begun, x->out);
    event_end(x);
}

static void close_part(const struct openai_responses_output *x,
                       struct openai_responses_said *item) {
    if (!item->part || item->part->closed)
        return;
    item->part->closed = true;
    if (!x->out)
        return;
    const struct part_words *words = words_of(item);
    part_begin(x, words->done, item);
    write_text(x, words->text, chat_text_span(&item->part->text));
    write_logprobs(x, words);
    event_end(x);
    write_part(x, words->part_done, item, false);
}

static bool open_part(const struct openai_responses_output *x, struct openai_responses_said *item,
                      bool refusal) {
    if (item->part && !item->part->closed && item->part->refusal == refusal)
        return true;
    close_part(x, item);
    struct openai_responses_part *part = arena_zalloc(x->writer->arena, sizeof *part);
    /* Text and refusals taking turns must not grow without bound. */
    if (!part || !openai_responses_may_keep(x->writer, sizeof *part)) {
        x->writer->full = true;
        return false;
    }
    part->refusal = refusal;
    part->index = item->part ? item->part->index + 1 : 0;
    if (item->part)
        item->part->next = part;
    else
        item->parts = part;
    item->part = part;
    if (x->out)
        write_part(x, words_of(item)->added, item, true);
    return true;
}

/* --- items --- */

static void close_item(const struct openai_responses_output *x,
                       struct openai_responses_said *item) {
    if (item->closed)
        return;
    close_part(x, item);
    if (item->kind == RESPONSES_REASONING && !item->sealed.n)
        keep(x->writer, &item->sealed, openai_responses_mark(CHAT_SIGNER_NONE, false));
    if (x->out && (item->kind == RESPONSES_CALL || item->kind == RESPONSES_CUSTOM)) {
        bool custom = item->kind == RESPONSES_CUSTOM;
        item_begin(x,
                   custom ? SPAN("response.custom_tool_call_input.done")
                          : SPAN("response.function_call_arguments.done"),
                   item);
        if (!custom)
            write_text(x, SPAN("name"), item->name);
        write_text(x, custom ? SPAN("input") : SPAN("arguments"), chat_text_span(&item->arguments));
        event_end(x);
    }
    item->closed = true;
    if (x->own->open == item)
        x->own->open = NULL;
    write_item_event(x, SPAN("response.output_item.done"), item, false);
}

/* A call whose arguments are a whole JSON object can only be followed by white space. The text is
 * the content of a JSON string: escaped quotes make it a check of the decoded text, which needs
 * room. */
static bool is_whole_call(struct chat_writer *writer, const struct openai_responses_said *item) {
    struct span raw = chat_text_span(&item->arguments);
    if (item->kind != RESPONSES_CALL || raw.n < 2 || raw.p[0] != '{' || raw.p[raw.n - 1] != '}')
        return false;
    if (!memchr(raw.p, '\\', raw.n))
        return json_check(raw, NULL, NULL) == 0;
    char *text =
        openai_responses_may_keep(writer, raw.n) ? arena_alloc(writer->arena, raw.n) : NULL;
    long n = text ? json_decode(raw, true, text, raw.n) : -1;
    return n > 0 && json_check(span_of(text, (size_t)n), NULL, NULL) == 0;
}

static struct openai_responses_said *open_item(const struct openai_responses_output *x,
                                               enum openai_responses_kind kind) {
    struct openai_responses_writing *own = x->own;
    struct chat_writer *writer = x->writer;
    if (own->open)
        close_item(x, own->open);
    /* Each call is looked at once: one that goes on now may go on later too. */
    for (struct openai_responses_said *call = own->items; call; call = call->next) {
        if (call->closed || call->looked)
            continue;
        call->looked = true;
        if (is_whole_call(writer, call))
            close_item(x, call);
    }
    struct openai_responses_said *item =
        own->item_count < RESPONSE_ITEMS_MAX ? arena_zalloc(writer->arena, sizeof *item) : NULL;
    if (!item) {
        writer->full = true;
        return NULL;
    }
    item->index = own->item_count++;
    item->kind = kind;
    *own->last_item = item;
    own->last_item = &item->next;
    return item;
}

/* The message or reasoning item that is open, or a new one. */
static struct openai_responses_said *item_of(const struct openai_responses_output *x,
                                             enum openai_responses_kind kind) {
    if (x->own->open && x->own->open->kind == kind)
        return x->own->open;
    struct openai_responses_said *item = open_item(x, kind);
    if (!item)
        return NULL;
    x->own->open = item;
    write_item_event(x, SPAN("response.output_item.added"), item, true);
    return item;
}

void openai_responses_say_text(const struct openai_responses_output *x,
                               const struct chat_event *event) {
    bool reasoning = event->kind == CHAT_REASONING;
    if (!event->text.n)
        return;
    struct openai_responses_said *item =
        item_of(x, reasoning ? RESPONSES_REASONING : RESPONSES_MESSAGE);
    if (!item || !open_part(x, item, event->kind == CHAT_REFUSAL))
        return;
    keep(x->writer, &item->part->text, event->text);
    if (!x->out)
        return;
    const struct part_words *words = words_of(item);
    part_begin(x, words->delta, item);
    write_text(x, SPAN("delta"), event->text);
    write_logprobs(x, words);
    event_end(x);
}

void openai_responses_say_sealed(const struct openai_responses_output *x,
                                 const struct chat_event *event) {
    struct span mark = openai_responses_mark(event->signer, event->kind == CHAT_REDACTED);
    if (event->of_tool || !event->text.n || (!mark.n && event->signer != CHAT_SIGNER_OPENAI))
        return;
    struct openai_responses_said *item = item_of(x, RESPONSES_REASONING);
    if (!item)
        return;
    keep(x->writer, &item->sealed, mark);
    keep(x->writer, &item->sealed, event->text);
    close_item(x, item);
}

/* --- calls --- */

static struct openai_responses_said **call_at(const struct openai_responses_output *x,
                                              unsigned index) {
    struct openai_responses_writing *own = x->own;
    if (index >= TOOL_CALLS_MAX) {
        x->writer->full = true;
        return NULL;
    }
    if (index >= own->call_max) {
        unsigned max = own->call_max ? own->call_max : 2;
        while (max <= index)
            max *= 2;
        struct openai_responses_said **calls = arena_zalloc(x->writer->arena, max * sizeof *calls);
        if (!calls) {
            x->writer->full = true;
            return NULL;
        }
        if (own->call_max)
            memcpy(calls, own->calls, own->call_max * sizeof *calls);
        own->calls = calls;
        own->call_max = max;
    }
    return &own->calls[index];
}

static void say_arguments(const struct openai_responses_output *x,
                          struct openai_responses_said *call, struct span text) {
    /* Behind a whole object nothing can follow that means something. */
    if (!text.n || call->closed)
        return;
    keep(x->writer, &call->arguments, text);
    if (!x->out)
        return;
    item_begin(x,
               call->kind == RESPONSES_CUSTOM ? SPAN("response.custom_tool_call_input.delta")
                                              : SPAN("response.function_call_arguments.delta"),
               call);
    write_text(x, SPAN("delta"), text);
    event_end(x);
}

void openai_responses_say_call(const struct openai_responses_output *x,
                               const struct chat_event *event) {
    struct chat_writer *writer = x->writer;
    struct openai_responses_said **call = call_at(x, event->tool);
    if (!call)
        return;
    if (!*call && event->kind == CHAT_TOOL_START) {
        struct openai_responses_said *item =
            open_item(x, event->custom ? RESPONSES_CUSTOM : RESPONSES_CALL);
        if (!item)
            return;
        char made[CHAT_CALL_ID_BYTES];
        struct span id =
            event->id.n ? event->id : chat_call_id(writer->answer.id, 0, event->tool, made);
        item->id = arena_copy(writer->arena, id);
        item->name = arena_copy(writer->arena, event->name);
        if (!openai_responses_may_keep(writer, id.n + event->name.n) || !item->id.p)
            writer->full = true;
        *call = item;
        write_item_event(x, SPAN("response.output_item.added"), item, true);
    }
    if (*call)
        say_arguments(x, *call, event->text);
}

void openai_responses_close_open(const struct openai_responses_output *x) {
    if (x->own->open)
        close_item(x, x->own->open);
}

void openai_responses_close_all(const struct openai_responses_output *x) {
    struct openai_responses_writing *own = x->own;
    bool cut = own->finish == CHAT_FINISH_LENGTH || own->finish == CHAT_FINISH_CONTENT_FILTER;
    for (struct openai_responses_said *item = own->items; item; item = item->next) {
        if (item->closed)
            continue;
        if (item->kind == RESPONSES_CALL && !item->arguments.n && !cut)
            say_arguments(x, item, SPAN("{}"));
        item->cut = cut;
        close_item(x, item);
    }
}
