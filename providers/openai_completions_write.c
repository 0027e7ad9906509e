/* openai_completions_write.c - canonical events as text_completion objects. (pure)
 *
 *     data: {id,object,created,model,choices:[{text:"..",index,logprobs:null,finish_reason:null}]}
 *     data: ... choices:[{text:"",...,finish_reason:"stop"}] ...
 *     data: ... choices:[],usage:{..}                   only if the client asked
 *     data: [DONE]
 *
 * What is collected for a whole body is collected by the chat dialect's files.
 *
 * Promises: finish reasons of this API only: stop, length, content_filter.
 * Refuses:  reasoning, calls, sound: they are left out. A refusal is text, for there is no other
 *           place to say it. */
#include "providers/openai_completions.h"

#define OBJECT    SPAN("text_completion")
#define ID_PREFIX SPAN("cmpl-")

enum chat_relay openai_completions_read_event(struct chat_reader *reader, struct span name,
                                              struct span data, struct chat_sink sink) {
    return openai_read_event(reader, OPENAI_COMPLETION, name, data, sink);
}

void openai_completions_read_body(struct chat_reader *reader, struct span body,
                                  struct chat_sink sink) {
    openai_read_body(reader, OPENAI_COMPLETION, body, sink);
}

void openai_completions_writer_init(struct chat_writer *writer, struct arena *arena,
                                    const struct chat_request *req) {
    openai_chat_writer_init(writer, arena, req);
    writer->id = SPAN("cmpl");
}

static void write_finish(enum chat_finish finish, struct json_out *out) {
    json_out_key(out, SPAN("finish_reason"));
    switch (finish) {
    case CHAT_FINISH_NONE: json_out_null(out); return;
    case CHAT_FINISH_STOP:
    case CHAT_FINISH_LENGTH:
    case CHAT_FINISH_CONTENT_FILTER: break;
    /* No calls were asked for: a model that tries has come to its end. */
    case CHAT_FINISH_TOOL_CALLS:
    case CHAT_FINISH_FUNCTION_CALL: finish = CHAT_FINISH_STOP; break;
    }
    json_out_escaped(out, span_str(chat_finish_name(finish)));
}

/* --- the stream --- */

static void write_chunk(const struct chat_writer *writer, unsigned choice, struct span text,
                        struct span logprobs, enum chat_finish finish, struct json_out *out) {
    json_out_raw(out, SPAN("data: "));
    json_out_object(out);
    openai_write_head(writer, OBJECT, out);
    openai_write_tail(writer, out);
    json_out_key(out, SPAN("choices"));
    json_out_array(out);
    json_out_object(out);
    json_out_key(out, SPAN("text"));
    json_out_escaped(out, text);
    json_out_key(out, SPAN("index"));
    json_out_int(out, choice);
    json_out_key(out, SPAN("logprobs"));
    json_out_value_line(out, logprobs);
    write_finish(finish, out);
    json_out_object_end(out);
    json_out_array_end(out);
    if (writer->include_usage) {
        json_out_key(out, SPAN("usage"));
        json_out_null(out);
    }
    json_out_object_end(out);
    json_out_raw(out, SPAN("\n\n"));
}

static bool is_logprobs(const struct chat_event *event) {
    return event->kind == CHAT_EXTRA && event->place == CHAT_OF_CHOICE &&
           span_eq(event->name, SPAN("logprobs"));
}

void openai_completions_write_event(struct chat_writer *writer, const struct chat_event *event,
                                    struct json_out *out) {
    openai_take_answer(writer, event, ID_PREFIX);
    switch (event->kind) {
    case CHAT_TEXT:
    case CHAT_REFUSAL:
        write_chunk(writer, event->choice, event->text, SPAN("null"), CHAT_FINISH_NONE, out);
        break;
    case CHAT_EXTRA:
        if (is_logprobs(event))
            write_chunk(writer, event->choice, SPAN(""), event->text, CHAT_FINISH_NONE, out);
        break;
    case CHAT_FINISH:
        write_chunk(writer, event->choice, SPAN(""), SPAN("null"), event->finish, out);
        break;
    case CHAT_USAGE: openai_take_usage(writer, &event->usage); break;
    case CHAT_DONE: openai_write_end(writer, &writer->usage, OBJECT, out); break;
    case CHAT_START:
    case CHAT_REASONING:
    case CHAT_SIGNATURE:
    case CHAT_REDACTED:
    case CHAT_TOOL_START:
    case CHAT_TOOL_ARGS:
    case CHAT_MEDIA:
    case CHAT_ERROR:
    case CHAT_OTHER: break;
    }
    writer->full |= out->full;
}

void openai_completions_write_done(struct chat_writer *writer, const struct chat_reader *reader,
                                   struct json_out *out) {
    static const struct chat_usage none;
    openai_take_answer(writer, &(struct chat_event){.kind = CHAT_DONE, .answer = &reader->answer},
                       ID_PREFIX);
    openai_write_end(writer, reader->usage_chunk ? &none : &reader->usage, OBJECT, out);
}

/* --- the whole body --- */

void openai_completions_collect(struct chat_writer *writer, const struct chat_event *event) {
    struct chat_event text;
    openai_take_answer(writer, event, ID_PREFIX);
    switch (event->kind) {
    case CHAT_REFUSAL:
        text = *event;
        text.kind = CHAT_TEXT;
        openai_chat_collect(writer, &text);
        break;
    case CHAT_START:
    case CHAT_TEXT:
    case CHAT_EXTRA:
    case CHAT_FINISH:
    case CHAT_USAGE:
    case CHAT_DONE:
    case CHAT_ERROR:
    case CHAT_OTHER: openai_chat_collect(writer, event); break;
    case CHAT_REASONING:
    case CHAT_SIGNATURE:
    case CHAT_REDACTED:
    case CHAT_TOOL_START:
    case CHAT_TOOL_ARGS:
    case CHAT_MEDIA: break;
    }
}

static void write_choice(const struct chat_writer *writer, unsigned index, struct json_out *out) {
    const struct chat_said *said = &writer->choices[index];
    /* A provider's own whole body may lack a reason, and clients want one. */
    enum chat_finish finish =
        said->finish == CHAT_FINISH_NONE && writer->done ? CHAT_FINISH_STOP : said->finish;
    json_out_object(out);
    json_out_key(out, SPAN("text"));
    json_out_escaped(out, chat_text_span(&said->text));
    json_out_key(out, SPAN("index"));
    json_out_int(out, index);
    if (!openai_has_member(said->choice_extras, SPAN("logprobs"))) {
        json_out_key(out, SPAN("logprobs"));
        json_out_null(out);
    }
    openai_write_members(said->choice_extras, out);
    write_finish(finish, out);
    json_out_object_end(out);
}

void openai_completions_write_body(struct chat_writer *writer, struct json_out *out) {
    json_out_object(out);
    openai_write_head(writer, OBJECT, out);
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
