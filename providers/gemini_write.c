/* gemini_write.c - writes canonical events as GenerateContentResponse: a stream's events, the way
 * Google's SDKs read them, or one whole body. (pure)
 *
 *     data: {"candidates":[{"content":{"role":"model","parts":[{"text":".."}]},"index":0}],..}
 *     data: ... parts:[{"functionCall":{..}}, ..]          when their arguments are whole
 *     data: ... finishReason of all candidates, usageMetadata
 *
 * There is no end mark. The finish is held until the end, so that late usage goes with it.
 *
 * Promises: a function call's arguments are a JSON object, whatever the model produced; calls that
 *           came interleaved come out one by one, in order; a signature only goes to whom it is of
 *           use.
 * Refuses:  audio of other families, whose format their events do not tell; members without an equal
 *           (log probabilities, annotations): left out. */
#include "providers/gemini.h"

#include "core/limits.h"

#define EVENT_END SPAN("\r\n\r\n")

void gemini_writer_init(struct chat_writer *writer, struct arena *arena,
                        const struct chat_request *req) {
    *writer = (struct chat_writer){.arena = arena, .include_usage = true};
    writer->model = gemini_escape(req->model, arena);
    writer->own = arena_zalloc(arena, sizeof(struct gemini_writer));
    writer->full = !writer->model.p || !writer->own;
}

struct gemini_said *gemini_said(struct chat_writer *writer, unsigned index) {
    struct gemini_writer *own = writer->own;
    if (!own || index >= CHOICES_MAX) {
        writer->full = true;
        return NULL;
    }
    if (index >= own->max) {
        unsigned max = own->max ? own->max : 1;
        while (max <= index)
            max *= 2;
        struct gemini_said *said = arena_zalloc(writer->arena, max * sizeof *said);
        if (!said) {
            writer->full = true;
            return NULL;
        }
        if (own->count)
            memcpy(said, own->said, own->count * sizeof *said);
        own->said = said;
        own->max = max;
    }
    if (index >= own->count)
        own->count = index + 1;
    own->said[index].seen = true;
    return &own->said[index];
}

void gemini_keep(struct chat_writer *writer, struct chat_text *text, struct span piece) {
    writer->collected_bytes += piece.n;
    if (writer->collected_bytes > ANSWER_MAX_BYTES || !chat_text_add(text, writer->arena, piece))
        writer->full = true;
}

static void take_answer(struct chat_writer *writer, const struct chat_event *event) {
    const struct chat_answer *answer = event->answer;
    if (writer->started || !answer || (!answer->id.n && !answer->model.n))
        return;
    writer->started = true;
    writer->answer.id = arena_copy(writer->arena, answer->id);
    writer->answer.model = arena_copy(writer->arena, answer->model);
}

static struct span keep_copy(struct chat_writer *writer, struct span text) {
    struct span copy = arena_copy(writer->arena, text);
    writer->collected_bytes += text.n;
    if (!copy.p && text.n)
        writer->full = true;
    return copy;
}

/* --- tools --- */

static struct gemini_said_tool *tool_of(struct chat_writer *writer, struct gemini_said *said,
                                        unsigned tool) {
    for (unsigned i = said->tool_count; i-- > 0;)
        if (said->tools[i].tool == tool)
            return &said->tools[i];
    if (said->tool_count == TOOL_CALLS_MAX) {
        writer->full = true;
        return NULL;
    }
    if (said->tool_count == said->tool_max) {
        unsigned max = said->tool_max ? said->tool_max * 2 : 4;
        struct gemini_said_tool *tools = arena_zalloc(writer->arena, max * sizeof *tools);
        if (!tools) {
            writer->full = true;
            return NULL;
        }
        if (said->tool_count)
            memcpy(tools, said->tools, said->tool_count * sizeof *tools);
        said->tools = tools;
        said->tool_max = max;
    }
    said->tools[said->tool_count] = (struct gemini_said_tool){.tool = tool};
    return &said->tools[said->tool_count++];
}

static void take_tool(struct chat_writer *writer, const struct chat_event *event) {
    struct gemini_said *said = gemini_said(writer, event->choice);
    struct gemini_said_tool *tool = said ? tool_of(writer, said, event->tool) : NULL;
    if (!tool)
        return;
    if (event->kind == CHAT_SIGNATURE) {
        tool->signature = keep_copy(writer, event->text);
        return;
    }
    if (event->kind == CHAT_TOOL_START) {
        tool->id = keep_copy(writer, event->id);
        tool->name = keep_copy(writer, event->name);
        tool->custom = event->custom;
    }
    gemini_keep(writer, &tool->args, event->text);
}

static void write_args(struct chat_writer *writer, const struct gemini_said_tool *tool,
                       struct json_out *out) {
    struct span raw = chat_text_span(&tool->args);
    struct span object =
        tool->custom ? span_of(NULL, 0) : gemini_object(raw, writer->arena, &writer->full);
    if (object.p) {
        json_out_value(out, object);
        return;
    }
    json_out_object(out);
    if (tool->custom || !chat_is_blank(raw)) {
        /* What is no object (a model's slip, or free text) is not thrown away. */
        json_out_key(out, tool->custom ? SPAN("input") : SPAN("arguments"));
        json_out_escaped(out, raw);
    }
    json_out_object_end(out);
}

static void write_call(struct chat_writer *writer, unsigned choice,
                       const struct gemini_said_tool *tool, struct json_out *out) {
    char made[CHAT_CALL_ID_BYTES];
    struct span answer = writer->answer.id.n ? writer->answer.id : writer->id;
    json_out_object(out);
    json_out_key(out, SPAN("functionCall"));
    json_out_object(out);
    json_out_key(out, SPAN("id"));
    json_out_escaped(out, tool->id.n ? tool->id : chat_call_id(answer, choice, tool->tool, made));
    json_out_key(out, SPAN("name"));
    json_out_escaped(out, tool->name);
    json_out_key(out, SPAN("args"));
    write_args(writer, tool, out);
    json_out_object_end(out);
    if (tool->signature.n) {
        json_out_key(out, SPAN("thoughtSignature"));
        json_out_escaped(out, tool->signature);
    }
    json_out_object_end(out);
}

/* --- parts --- */

static void write_text(struct span text, bool thought, struct span signature,
                       struct json_out *out) {
    json_out_object(out);
    json_out_key(out, SPAN("text"));
    json_out_escaped(out, text);
    if (thought) {
        json_out_key(out, SPAN("thought"));
        json_out_bool(out, true);
    }
    if (signature.n) {
        json_out_key(out, SPAN("thoughtSignature"));
        json_out_escaped(out, signature);
    }
    json_out_object_end(out);
}

/* inlineData of each image of a CHAT_MEDIA "images"; returns how many. */
static unsigned write_images(const struct chat_event *event, struct json_out *out) {
    struct json json;
    struct json_token image, holder, url;
    struct span type, data;
    unsigned count = 0;
    if (!span_eq(event->name, SPAN("images")) || !event->text.n || event->text.p[0] != '[')
        return 0;
    gemini_open(&json, event->text);
    while (gemini_item(&json, &image)) {
        if (!gemini_find(image.raw, SPAN("imageUrl"), &holder) ||
            !gemini_find(holder.raw, SPAN("url"), &url) || url.kind != JSON_STRING ||
            !chat_data_url(url.raw, &type, &data))
            continue;
        count++;
        json_out_object(out);
        json_out_key(out, SPAN("inlineData"));
        json_out_object(out);
        json_out_key(out, SPAN("mimeType"));
        json_out_escaped(out, type);
        json_out_key(out, SPAN("data"));
        json_out_escaped(out, data);
        json_out_object_end(out);
        json_out_object_end(out);
    }
    return count;
}

/* The parts that an event is at once; false when it is none. */
static bool write_part(const struct chat_event *event, struct json_out *out) {
    switch (event->kind) {
    case CHAT_TEXT:
    case CHAT_REFUSAL:
    case CHAT_REASONING:
        if (!event->text.n)
            return false;
        write_text(event->text, event->kind == CHAT_REASONING, SPAN(""), out);
        return true;
    case CHAT_SIGNATURE: write_text(SPAN(""), false, event->text, out); return true;
    case CHAT_MEDIA: return write_images(event, out) > 0;
    case CHAT_START:
    case CHAT_REDACTED:
    case CHAT_TOOL_START:
    case CHAT_TOOL_ARGS:
    case CHAT_EXTRA:
    case CHAT_FINISH:
    case CHAT_USAGE:
    case CHAT_DONE:
    case CHAT_ERROR:
    case CHAT_OTHER: return false;
    }
    return false;
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
        write_call(writer, index, &said->tools[i], out);
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
    take_answer(writer, event);
    switch (event->kind) {
    case CHAT_TEXT:
    case CHAT_REASONING:
    case CHAT_REFUSAL:
    case CHAT_MEDIA:
    case CHAT_SIGNATURE: {
        if (event->kind == CHAT_SIGNATURE && event->signer != CHAT_SIGNER_GOOGLE)
            break;
        if (event->kind == CHAT_SIGNATURE && event->of_tool) {
            take_tool(writer, event);
            break;
        }
        gemini_said(writer, event->choice);
        struct json_out before = *out;
        chunk_begin(out);
        candidate_begin(out);
        if (!write_part(event, out)) {
            out->n = before.n; /* nothing to say after all */
            out->comma = before.comma;
            break;
        }
        candidate_end(event->choice, NULL, out);
        chunk_end(writer, out);
        break;
    }
    case CHAT_TOOL_START:
    case CHAT_TOOL_ARGS: take_tool(writer, event); break;
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
    take_answer(writer, &(struct chat_event){.kind = CHAT_DONE, .answer = &reader->answer});
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
        write_text(SPAN(""), false, SPAN(""), out);
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
    write_text(chat_text_span(&said->text), said->thought, said->signature, &out);
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
        take_tool(writer, event);
        return;
    }
    said = gemini_said(writer, event->choice);
    if (!said)
        return;
    if (said->signature.n)
        gemini_close_text(writer, said);
    said->signature = keep_copy(writer, event->text);
}

static void collect_media(struct chat_writer *writer, const struct chat_event *event) {
    struct gemini_said *said = gemini_said(writer, event->choice);
    struct json_out out;
    if (!said)
        return;
    part_begin(writer, &out);
    if (!write_images(event, &out))
        return;
    gemini_close_text(writer, said);
    part_end(writer, said, &out);
}

void gemini_collect(struct chat_writer *writer, const struct chat_event *event) {
    struct gemini_said *said;
    if (writer->full)
        return;
    take_answer(writer, event);
    switch (event->kind) {
    case CHAT_TEXT:
    case CHAT_REFUSAL:
    case CHAT_REASONING: collect_text(writer, event); break;
    case CHAT_SIGNATURE: collect_signature(writer, event); break;
    case CHAT_MEDIA: collect_media(writer, event); break;
    case CHAT_TOOL_START:
    case CHAT_TOOL_ARGS: take_tool(writer, event); break;
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
        write_call(writer, index, &said->tools[i], out);
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
