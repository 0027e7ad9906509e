/* gemini_write.c - writes canonical events as GenerateContentResponse: a stream's events, the way
 * Google's SDKs read them, or one whole body. (pure)
 *
 *     data: {"candidates":[{"content":{"role":"model","parts":[{"text":".."}]},"index":0}],..}
 *     data: ... parts:[{"functionCall":{..}}, ..]          when their arguments are whole
 *     data: ... finishReason of all candidates, usageMetadata
 *
 * There is no end mark. The finish is held until the end, so that late usage goes with it.
 *
 * Promises: calls that came interleaved come out one by one, in order; a signature only goes to whom
 *           it is of use.
 * Refuses:  members without an equal (log probabilities, annotations): left out. */
#include "providers/gemini.h"

#define EVENT_END SPAN("\r\n\r\n")

void gemini_writer_init(struct chat_writer *writer, struct arena *arena,
                        const struct chat_request *req) {
    *writer = (struct chat_writer){.arena = arena, .include_usage = true};
    writer->model = gemini_escape(req->model, arena);
    writer->own = arena_zalloc(arena, sizeof(struct gemini_writer));
    writer->full = !writer->model.p || !writer->own;
}

/* --- a stream --- */

static void write_tail(const struct chat_writer *writer, struct json_out *out) {
    struct span id = writer->answer.id.n ? writer->answer.id : writer->id;
    json_out_key(out, SPAN("modelVersion"));
    json_out_escaped(out, writer->answer.model.n ? writer->answer.model : writer->model);
    if (id.n) {
        json_out_key(out, SPAN("responseId"));
        json_out_escaped(out, id);
    }
}

static void chunk_begin(struct json_out *out) {
    json_out_raw(out, SPAN("data: "));
    json_out_object(out);
    json_out_key(out, SPAN("candidates"));
    json_out_array(out);
}

static void candidate_begin(struct json_out *out) {
    json_out_object(out);
    json_out_key(out, SPAN("content"));
    json_out_object(out);
    json_out_key(out, SPAN("parts"));
    json_out_array(out);
}

static void candidate_end(unsigned index, const char *finish, struct json_out *out) {
    json_out_array_end(out);
    json_out_key(out, SPAN("role"));
    json_out_escaped(out, SPAN("model"));
    json_out_object_end(out);
    if (finish) {
        json_out_key(out, SPAN("finishReason"));
        json_out_escaped(out, span_str(finish));
    }
    json_out_key(out, SPAN("index"));
    json_out_int(out, index);
    json_out_object_end(out);
}

static void chunk_end(const struct chat_writer *writer, struct json_out *out) {
    json_out_array_end(out);
    write_tail(writer, out);
    json_out_object_end(out);
    json_out_raw(out, EVENT_END);
}

static const char *finish_word(enum chat_finish finish) {
    switch (finish) {
    case CHAT_FINISH_LENGTH: return "MAX_TOKENS";
    case CHAT_FINISH_CONTENT_FILTER: return "SAFETY";
    case CHAT_FINISH_NONE: /* the answer is whole, its maker did not say why */
    case CHAT_FINISH_STOP:
    case CHAT_FINISH_TOOL_CALLS:
    case CHAT_FINISH_FUNCTION_CALL: return "STOP";
    }
    return "STOP";
}

static void flush_tools(struct chat_writer *writer, unsigned index, struct json_out *out) {
    struct gemini_said *said = gemini_said(writer, index);
    if (!said || !said->tool_count)
        return;
    chunk_begin(out);
    candidate_begin(out);
    for (unsigned i = 0; i < said->tool_count; i++)
        gemini_say_call(writer, index, &said->tools[i], out);
    candidate_end(index, NULL, out);
    chunk_end(writer, out);
    said->tool_count = 0;
}

static void write_usage(const struct chat_usage *usage, struct json_out *out) {
    const struct {
        struct span name;
        uint64_t count;
        bool always;
    } counts[] = {
        {SPAN("promptTokenCount"), usage->input_tokens, true},
        {SPAN("candidatesTokenCount"),
         usage->output_tokens - min_u64(usage->reasoning_tokens, usage->output_tokens), true},
        {SPAN("thoughtsTokenCount"), usage->reasoning_tokens, false},
        {SPAN("cachedContentTokenCount"), usage->cached_tokens, false},
        {SPAN("totalTokenCount"), usage->input_tokens + usage->output_tokens, true},
    };
    json_out_key(out, SPAN("usageMetadata"));
    json_out_object(out);
    for (unsigned i = 0; i < countof(counts); i++) {
        if (!counts[i].always && !counts[i].count)
            continue;
        json_out_key(out, counts[i].name);
        json_out_int(out, (int64_t)counts[i].count);
    }
    json_out_object_end(out);
}

void gemini_write_event(struct chat_writer *writer, const struct chat_event *event,
                        struct json_out *out) {
    struct gemini_said *said;
    gemini_take_answer(writer, event);
    switch (event->kind) {
    case CHAT_TEXT:
    case CHAT_REASONING:
    case CHAT_REFUSAL:
    case CHAT_MEDIA:
    case CHAT_SIGNATURE: {
        if (event->kind == CHAT_SIGNATURE && event->signer != CHAT_SIGNER_GOOGLE)
            break;
        if (event->kind == CHAT_SIGNATURE && event->of_tool) {
            gemini_take_tool(writer, event);
            break;
        }
        gemini_said(writer, event->choice);
        struct json_out before = *out;
        chunk_begin(out);
        candidate_begin(out);
        if (!gemini_say_part(event, out)) {
            out->n = before.n; /* nothing to say after all */
            out->comma = before.comma;
            break;
        }
        candidate_end(event->choice, NULL, out);
        chunk_end(writer, out);
        break;
    }
    case CHAT_TOOL_START:
    case CHAT_TOOL_ARGS: gemini_take_tool(writer, event); break;
    case CHAT_FINISH:
        said = gemini_said(writer, event->choice);
        if (said)
            said->finish = event->finish;
        flush_tools(writer, event->choice, out);
        break;
    case CHAT_USAGE:
        if (event->usage.known)
            writer->usage = event->usage;
        break;
    case CHAT_START:
    case CHAT_REDACTED:
    case CHAT_EXTRA:
    case CHAT_DONE:
    case CHAT_ERROR:
    case CHAT_OTHER: break;
    }
    writer->full |= out->full;
}

void gemini_write_done(struct chat_writer *writer, const struct chat_reader *reader,
                       struct json_out *out) {
    struct gemini_writer *own = writer->own;
    /* Nothing was written anew: the provider's own last event has said it all. */
    if (!own || !own->count)
        return;
    gemini_take_answer(writer, &(struct chat_event){.kind = CHAT_DONE, .answer = &reader->answer});
    for (unsigned i = 0; i < own->count; i++)
        flush_tools(writer, i, out);
    const struct chat_usage *usage = reader->usage.known ? &reader->usage : &writer->usage;
    bool any = false; /* a finish that was held, not one that was relayed as it came */
    for (unsigned i = 0; i < own->count; i++)
        any |= own->said[i].finish != CHAT_FINISH_NONE;
    if (!any)
        return;
    chunk_begin(out);
    for (unsigned i = 0; i < own->count; i++) {
        if (!own->said[i].seen)
            continue;
        candidate_begin(out);
        gemini_say_text(SPAN(""), false, SPAN(""), out);
        candidate_end(i, finish_word(own->said[i].finish), out);
    }
    json_out_array_end(out);
    if (usage->known)
        write_usage(usage, out);
    write_tail(writer, out);
    json_out_object_end(out);
    json_out_raw(out, EVENT_END);
    writer->full |= out->full;
}

/* --- a whole body --- */

/* A part more of a whole body, written by its caller into `out` between these two. */
static void part_begin(struct chat_writer *writer, struct json_out *out) {
    json_out_arena(out, writer->arena, 256);
}

static void part_end(struct chat_writer *writer, struct gemini_said *said,
                     const struct json_out *out) {
    writer->full |= out->full;
    if (said->parts.n)
        gemini_keep(writer, &said->parts, SPAN(","));
    gemini_keep(writer, &said->parts, json_out_span(out));
}

void gemini_close_text(struct chat_writer *writer, struct gemini_said *said) {
    struct json_out out;
    if (!said->text.n && !said->signature.n)
        return;
    part_begin(writer, &out);
    gemini_say_text(chat_text_span(&said->text), said->thought, said->signature, &out);
    part_end(writer, said, &out);
    said->text.n = 0;
    said->signature = SPAN("");
}

static void collect_text(struct chat_writer *writer, const struct chat_event *event) {
    struct gemini_said *said = gemini_said(writer, event->choice);
    bool thought = event->kind == CHAT_REASONING;
    if (!said)
        return;
    if (said->thought != thought || said->signature.n)
        gemini_close_text(writer, said);
    said->thought = thought;
    gemini_keep(writer, &said->text, event->text);
}

static void collect_signature(struct chat_writer *writer, const struct chat_event *event) {
    struct gemini_said *said;
    if (event->signer != CHAT_SIGNER_GOOGLE)
        return;
    if (event->of_tool) {
        gemini_take_tool(writer, event);
        return;
    }
    said = gemini_said(writer, event->choice);
    if (!said)
        return;
    if (said->signature.n)
        gemini_close_text(writer, said);
    said->signature = gemini_keep_copy(writer, event->text);
}

static void collect_media(struct chat_writer *writer, const struct chat_event *event) {
    struct gemini_said *said = gemini_said(writer, event->choice);
    struct json_out out;
    if (!said)
        return;
    part_begin(writer, &out);
    if (!gemini_say_images(event, &out))
        return;
    gemini_close_text(writer, said);
    part_end(writer, said, &out);
}

void gemini_collect(struct chat_writer *writer, const struct chat_event *event) {
    struct gemini_said *said;
    if (writer->full)
        return;
    gemini_take_answer(writer, event);
    switch (event->kind) {
    case CHAT_TEXT:
    case CHAT_REFUSAL:
    case CHAT_REASONING: collect_text(writer, event); break;
    case CHAT_SIGNATURE: collect_signature(writer, event); break;
    case CHAT_MEDIA: collect_media(writer, event); break;
    case CHAT_TOOL_START:
    case CHAT_TOOL_ARGS: gemini_take_tool(writer, event); break;
    case CHAT_FINISH:
        said = gemini_said(writer, event->choice);
        if (said)
            said->finish = event->finish;
        break;
    case CHAT_USAGE:
        if (event->usage.known)
            writer->usage = event->usage;
        break;
    case CHAT_DONE: writer->done = true; break;
    case CHAT_START:
    case CHAT_REDACTED:
    case CHAT_EXTRA:
    case CHAT_ERROR:
    case CHAT_OTHER: break;
    }
}

static void write_candidate(struct chat_writer *writer, unsigned index, struct json_out *out) {
    struct gemini_said *said = gemini_said(writer, index);
    bool whole = writer->done || said->finish != CHAT_FINISH_NONE;
    gemini_close_text(writer, said);
    candidate_begin(out);
    if (said->parts.n)
        json_out_value(out, chat_text_span(&said->parts));
    for (unsigned i = 0; i < said->tool_count; i++)
        gemini_say_call(writer, index, &said->tools[i], out);
    candidate_end(index, whole ? finish_word(said->finish) : NULL, out);
}

void gemini_write_body(struct chat_writer *writer, struct json_out *out) {
    struct gemini_writer *own = writer->own;
    if (!own)
        return;
    if (own->merged) {
        gemini_write_merged(writer, out);
        return;
    }
    json_out_object(out);
    json_out_key(out, SPAN("candidates"));
    json_out_array(out);
    for (unsigned i = 0; i < own->count; i++)
        if (own->said[i].seen)
            write_candidate(writer, i, out);
    json_out_array_end(out);
    if (writer->usage.known)
        write_usage(&writer->usage, out);
    write_tail(writer, out);
    json_out_object_end(out);
    writer->full |= out->full;
}
