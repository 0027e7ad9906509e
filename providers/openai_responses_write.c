/* openai_responses_write.c - writes canonical events as the events of a Responses stream, and
 * collects them for a whole response. (pure)
 *
 *     response.created, response.in_progress
 *     response.output_item.added                                    an item opens
 *       response.content_part.added, output_text.delta ..,
 *       output_text.done, response.content_part.done                a message
 *       response.reasoning_summary_part.added, .._text.delta ..     reasoning
 *       response.function_call_arguments.delta .., ..done           a call
 *     response.output_item.done                                     it closes
 *     response.completed | response.incomplete                      all of it once more; no [DONE]
 *
 * One message or reasoning item is open at a time. Calls may stay open beside it: their arguments
 * may come interleaved, and a call closes early only when its arguments are a whole JSON object.
 *
 * Owns:     nothing; what was said is in struct openai_responses_writing, its memory the arena's.
 * Promises: sequence_number from 0 without gaps; output_index rises; added before delta before done;
 *           the terminal event's output equals the deltas. `out` is NULL for whoever collects: the
 *           state goes the same way.
 * Refuses:  answers larger than ANSWER_MAX_BYTES: `full` is set. */
#include "providers/openai_chat.h"
#include "providers/openai_responses.h"

void openai_responses_writer_init(struct chat_writer *writer, struct arena *arena,
                                  const struct chat_request *req) {
    struct json_out model;
    *writer = (struct chat_writer){.arena = arena, .include_usage = true};
    struct openai_responses_writing *own = arena_zalloc(arena, sizeof *own);
    json_out_arena(&model, arena, req->model.n + 2);
    json_out_string(&model, req->model);
    writer->own = own;
    writer->full = model.full || !own;
    struct span quoted = json_out_span(&model);
    writer->model = model.full ? SPAN("") : span_of(quoted.p + 1, quoted.n - 2);
    if (!own)
        return;
    own->request = req->body;
    own->last_item = &own->items;
}

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

struct output {
    struct chat_writer *writer;
    struct openai_responses_writing *own;
    struct json_out *out; /* NULL: nothing is written */
};

/* Up to the members that make this event different. */
static void event_begin(const struct output *x, struct span type) {
    json_out_raw(x->out, SPAN("event: "));
    json_out_raw(x->out, type);
    json_out_raw(x->out, SPAN("\ndata: "));
    json_out_object(x->out);
    json_out_key(x->out, SPAN("type"));
    json_out_escaped(x->out, type);
    json_out_key(x->out, SPAN("sequence_number"));
    json_out_int(x->out, (int64_t)x->own->sequence++);
}

static void event_end(const struct output *x) {
    json_out_object_end(x->out);
    json_out_raw(x->out, SPAN("\n\n"));
}

static void write_text(const struct output *x, struct span key, struct span raw) {
    json_out_key(x->out, key);
    json_out_escaped(x->out, raw);
}

static void write_index(const struct output *x, struct span key, uint64_t index) {
    json_out_key(x->out, key);
    json_out_int(x->out, (int64_t)index);
}

/* An event about an item that is open. */
static void item_begin(const struct output *x, struct span type,
                       const struct openai_responses_said *item) {
    event_begin(x, type);
    json_out_key(x->out, SPAN("item_id"));
    openai_responses_write_id(x->writer, item, x->out);
    write_index(x, SPAN("output_index"), item->index);
}

static void part_begin(const struct output *x, struct span type,
                       const struct openai_responses_said *item) {
    item_begin(x, type, item);
    write_index(x,
                item->kind == RESPONSES_REASONING ? SPAN("summary_index") : SPAN("content_index"),
                item->part->index);
}

static void write_response(const struct output *x, struct span type, bool begun) {
    if (!x->out)
        return;
    event_begin(x, type);
    json_out_key(x->out, SPAN("response"));
    openai_responses_write_object(x->writer, begun, x->out);
    event_end(x);
}

static void write_created(const struct output *x) {
    if (x->own->created)
        return;
    x->own->created = true;
    write_response(x, SPAN("response.created"), true);
    write_response(x, SPAN("response.in_progress"), true);
}

static void write_item_event(const struct output *x, struct span type,
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
static void write_logprobs(const struct output *x, const struct part_words *words) {
    if (words != &text_words)
        return;
    json_out_key(x->out, SPAN("logprobs"));
    json_out_array(x->out);
    json_out_array_end(x->out);
}

static void write_part(const struct output *x, struct span type,
                       const struct openai_responses_said *item, bool begun) {
    part_begin(x, type, item);
    json_out_key(x->out, SPAN("part"));
    openai_responses_write_part(item->part, item->kind == RESPONSES_REASONING, begun, x->out);
    event_end(x);
}

static void close_part(const struct output *x, struct openai_responses_said *item) {
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

static bool open_part(const struct output *x, struct openai_responses_said *item, bool refusal) {
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

static void close_item(const struct output *x, struct openai_responses_said *item) {
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

static struct openai_responses_said *open_item(const struct output *x,
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
static struct openai_responses_said *item_of(const struct output *x,
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

static void say_text(const struct output *x, const struct chat_event *event) {
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

/* What is sealed belongs to the reasoning before it, or stands for reasoning that is not shown. Of
 * another maker it is carried with a mark. */
static void say_sealed(const struct output *x, const struct chat_event *event) {
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

static struct openai_responses_said **call_at(const struct output *x, unsigned index) {
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

static void say_arguments(const struct output *x, struct openai_responses_said *call,
                          struct span text) {
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

static void say_call(const struct output *x, const struct chat_event *event) {
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

/* --- the end --- */

static void close_all(const struct output *x) {
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

static void write_terminal(const struct output *x) {
    if (x->own->ended)
        return;
    write_created(x);
    close_all(x);
    x->own->ended = true;
    bool incomplete =
        x->own->finish == CHAT_FINISH_LENGTH || x->own->finish == CHAT_FINISH_CONTENT_FILTER;
    write_response(x, incomplete ? SPAN("response.incomplete") : SPAN("response.completed"), false);
}

/* Who is speaking, from the first event that knows. Other dialects' ids become ours by their prefix
 * (openai_responses_name). */
static void take_answer(struct chat_writer *writer, const struct chat_event *event) {
    const struct chat_answer *answer = event->answer;
    struct arena *arena = writer->arena;
    if (writer->started || !answer || !(answer->id.n || answer->model.n))
        return;
    writer->started = true;
    writer->answer = (struct chat_answer){
        .id = arena_copy(arena, answer->id),
        .model = arena_copy(arena, answer->model),
        .created = arena_copy(arena, answer->created),
        .service_tier = arena_copy(arena, answer->service_tier),
    };
}

/* The last one wins. Another dialect's own words for it are of no use here. */
static void take_usage(struct chat_writer *writer, const struct chat_usage *usage) {
    if (!usage->known)
        return;
    writer->usage = *usage;
    writer->usage.raw = span_of(NULL, 0);
}

static void say(const struct output *x, const struct chat_event *event) {
    if (x->writer->full || x->own->ended || event->choice > 0)
        return;
    take_answer(x->writer, event);
    switch (event->kind) {
    case CHAT_TEXT:
    case CHAT_REFUSAL:
    case CHAT_REASONING:
        write_created(x);
        say_text(x, event);
        break;
    case CHAT_TOOL_START:
    case CHAT_TOOL_ARGS:
        write_created(x);
        say_call(x, event);
        break;
    case CHAT_REDACTED:
    case CHAT_SIGNATURE:
        write_created(x);
        say_sealed(x, event);
        break;
    case CHAT_START: write_created(x); break;
    case CHAT_FINISH: x->own->finish = event->finish; break;
    case CHAT_USAGE: take_usage(x->writer, &event->usage); break;
    case CHAT_DONE:
        x->writer->done = true;
        write_terminal(x);
        break;
    case CHAT_MEDIA:
    case CHAT_EXTRA:
    case CHAT_ERROR:
    case CHAT_OTHER: break;
    }
    if (x->out && x->out->full)
        x->writer->full = true;
}

void openai_responses_write_event(struct chat_writer *writer, const struct chat_event *event,
                                  struct json_out *out) {
    if (writer->own)
        say(&(struct output){writer, writer->own, out}, event);
}

void openai_responses_write_done(struct chat_writer *writer, const struct chat_reader *reader,
                                 struct json_out *out) {
    if (!writer->own || reader->end_relayed)
        return;
    struct chat_event done = {.kind = CHAT_DONE, .answer = &reader->answer};
    take_usage(writer, &reader->usage);
    say(&(struct output){writer, writer->own, out}, &done);
}

void openai_responses_collect(struct chat_writer *writer, const struct chat_event *event) {
    if (writer->own)
        say(&(struct output){writer, writer->own, NULL}, event);
}

void openai_responses_write_body(struct chat_writer *writer, struct json_out *out) {
    if (!writer->own || openai_responses_write_merged(writer, out)) {
        writer->full |= out->full;
        return;
    }
    struct openai_responses_writing *own = writer->own;
    close_all(&(struct output){writer, own, NULL});
    openai_responses_write_object(writer, false, out);
    writer->full |= out->full;
}
