/* gemini_say.c - canonical events as the parts of a candidate's content, for a stream and for a whole
 * body. (pure)
 *
 * Owns:     nothing; what was said, and calls that wait for their arguments, are in the writer's arena.
 * Promises: a function call's arguments are a JSON object, whatever the model produced.
 * Refuses:  audio of other families, whose format their events do not tell: left out. Answers larger
 *           than ANSWER_MAX_BYTES: `full` is set. */
#include "providers/gemini.h"

#include "core/limits.h"

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

void gemini_take_answer(struct chat_writer *writer, const struct chat_event *event) {
    const struct chat_answer *answer = event->answer;
    if (writer->started || !answer || (!answer->id.n && !answer->model.n))
        return;
    writer->started = true;
    writer->answer.id = arena_copy(writer->arena, answer->id);
    writer->answer.model = arena_copy(writer->arena, answer->model);
}

struct span gemini_keep_copy(struct chat_writer *writer, struct span text) {
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

void gemini_take_tool(struct chat_writer *writer, const struct chat_event *event) {
    struct gemini_said *said = gemini_said(writer, event->choice);
    struct gemini_said_tool *tool = said ? tool_of(writer, said, event->tool) : NULL;
    if (!tool)
        return;
    if (event->kind == CHAT_SIGNATURE) {
        tool->signature = gemini_keep_copy(writer, event->text);
        return;
    }
    if (event->kind == CHAT_TOOL_START) {
        tool->id = gemini_keep_copy(writer, event->id);
        tool->name = gemini_keep_copy(writer, event->name);
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
        json_out_value_line(out, object);
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

void gemini_say_call(struct chat_writer *writer, unsigned choice,
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

void gemini_say_text(struct span text, bool thought, struct span signature, struct json_out *out) {
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

/* Room for what stands before the data in a data: URL. */
#define URL_HEAD_MAX 256

/* The image in a data: URL, as written in JSON: its data, raw, and its type, in `room`. The type is
 * decoded, for "image\/png" is one too; the data, which is large, need not be. */
static bool image_of(struct span raw, char *room, struct span *type, struct span *data) {
    size_t comma = span_find(raw, ',', 0);
    if (comma == raw.n || comma >= URL_HEAD_MAX)
        return false;
    long n = json_decode(span_of(raw.p, comma), false, room, URL_HEAD_MAX - 1);
    if (n < 0)
        return false;
    room[n] = ',';
    if (!chat_data_url(span_of(room, (size_t)n + 1), type, data))
        return false;
    *data = span_from(raw, comma + 1);
    return data->n > 0;
}

unsigned gemini_say_images(const struct chat_event *event, struct json_out *out) {
    struct json json;
    struct json_token image, holder, url;
    struct span type, data;
    char room[URL_HEAD_MAX];
    unsigned count = 0;
    if (!span_eq(event->name, SPAN("images")) || !event->text.n || event->text.p[0] != '[')
        return 0;
    gemini_open(&json, event->text);
    while (gemini_item(&json, &image)) {
        if (!gemini_find(image.raw, SPAN("imageUrl"), &holder) ||
            !gemini_find(holder.raw, SPAN("url"), &url) || url.kind != JSON_STRING ||
            !image_of(url.raw, room, &type, &data))
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

bool gemini_say_part(const struct chat_event *event, struct json_out *out) {
    switch (event->kind) {
    case CHAT_TEXT:
    case CHAT_REFUSAL:
    case CHAT_REASONING:
        if (!event->text.n)
            return false;
        gemini_say_text(event->text, event->kind == CHAT_REASONING, SPAN(""), out);
        return true;
    case CHAT_SIGNATURE: gemini_say_text(SPAN(""), false, event->text, out); return true;
    case CHAT_MEDIA: return gemini_say_images(event, out) > 0;
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
