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
 * The items, their parts and their events: openai_responses_say.c.
 *
 * Owns:     nothing; what was said is in struct openai_responses_writing, its memory the arena's.
 * Promises: the terminal event comes once and last, and its output equals the deltas. `out` is NULL
 *           for whoever collects: the state goes the same way.
 * Refuses:  to end a stream by itself: that comes of write_done or DONE only. */
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

/* --- the end --- */

static void write_terminal(const struct openai_responses_output *x) {
    if (x->own->ended)
        return;
    openai_responses_write_created(x);
    openai_responses_close_all(x);
    x->own->ended = true;
    bool incomplete =
        x->own->finish == CHAT_FINISH_LENGTH || x->own->finish == CHAT_FINISH_CONTENT_FILTER;
    openai_responses_write_response(
        x, incomplete ? SPAN("response.incomplete") : SPAN("response.completed"), false);
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

static void say(const struct openai_responses_output *x, const struct chat_event *event) {
    if (x->writer->full || x->own->ended || event->choice > 0)
        return;
    take_answer(x->writer, event);
    switch (event->kind) {
    case CHAT_TEXT:
    case CHAT_REFUSAL:
    case CHAT_REASONING:
        openai_responses_write_created(x);
        openai_responses_say_text(x, event);
        break;
    case CHAT_TOOL_START:
    case CHAT_TOOL_ARGS:
        openai_responses_write_created(x);
        openai_responses_say_call(x, event);
        break;
    case CHAT_REDACTED:
    case CHAT_SIGNATURE:
        openai_responses_write_created(x);
        openai_responses_say_sealed(x, event);
        break;
    case CHAT_START: openai_responses_write_created(x); break;
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
        say(&(struct openai_responses_output){writer, writer->own, out}, event);
}

void openai_responses_write_done(struct chat_writer *writer, const struct chat_reader *reader,
                                 struct json_out *out) {
    if (!writer->own || reader->end_relayed)
        return;
    struct chat_event done = {.kind = CHAT_DONE, .answer = &reader->answer};
    take_usage(writer, &reader->usage);
    say(&(struct openai_responses_output){writer, writer->own, out}, &done);
}

void openai_responses_collect(struct chat_writer *writer, const struct chat_event *event) {
    if (writer->own)
        say(&(struct openai_responses_output){writer, writer->own, NULL}, event);
}

void openai_responses_write_body(struct chat_writer *writer, struct json_out *out) {
    if (!writer->own || openai_responses_write_merged(writer, out)) {
        writer->full |= out->full;
        return;
    }
    struct openai_responses_writing *own = writer->own;
    openai_responses_close_all(&(struct openai_responses_output){writer, own, NULL});
    openai_responses_write_object(writer, false, out);
    writer->full |= out->full;
}
