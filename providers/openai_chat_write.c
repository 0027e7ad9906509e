/* openai_chat_write.c - writes canonical events as chat.completion.chunk events, the way the OpenAI
 * SDKs read them. (pure)
 *
 *     data: {id,object,created,model,choices:[{index,delta:{role,content:""},finish_reason:null}]}
 *     data: ... delta:{content:".."} ...                one chunk per canonical event
 *     data: ... delta:{},finish_reason:"stop" ...
 *     data: ... choices:[],usage:{..}                   only if the client asked
 *     data: [DONE]
 *
 * No event:, id: or retry: lines, which some of those SDKs fall on (PROVIDERS.md 3.1).
 *
 * Promises: id, created and model are the same in all chunks of an answer, also behind chunks that
 *           were relayed as they came; a role is told once per choice; only finish reasons of the
 *           specification.
 * Refuses:  members which chunks do not have: they are left out here, and kept in the whole body
 *           (openai_chat_collect.c). */
#include "providers/openai_chat.h"

#include "core/base.h"
#include "core/limits.h"

/* A made-up tool call id ends with this much of the answer's id. */
#define CALL_ID_TAIL 24

#define CHUNK SPAN("chat.completion.chunk")

/* --- shared with the whole body --- */

void openai_chat_writer_init(struct chat_writer *writer, struct arena *arena,
                             const struct chat_request *req) {
    struct json_out model;
    *writer = (struct chat_writer){.arena = arena, .include_usage = req->include_usage};
    json_out_arena(&model, arena, req->model.n + 2);
    json_out_string(&model, req->model);
    writer->full = model.full;
    struct span quoted = json_out_span(&model);
    writer->model = model.full ? SPAN("") : span_of(quoted.p + 1, quoted.n - 2);
    writer->id = SPAN("chatcmpl");
}

struct chat_said *openai_said(struct chat_writer *writer, unsigned index) {
    if (index >= CHOICES_MAX) {
        writer->full = true;
        return NULL;
    }
    if (index >= writer->choice_max) {
        unsigned max = writer->choice_max ? writer->choice_max : 1;
        while (max <= index)
            max *= 2;
        struct chat_said *choices = arena_zalloc(writer->arena, max * sizeof *choices);
        if (!choices) {
            writer->full = true;
            return NULL;
        }
        if (writer->choice_count)
            memcpy(choices, writer->choices, writer->choice_count * sizeof *choices);
        writer->choices = choices;
        writer->choice_max = max;
    }
    if (index >= writer->choice_count)
        writer->choice_count = index + 1;
    writer->choices[index].seen = true;
    return &writer->choices[index];
}

void openai_take_answer(struct chat_writer *writer, const struct chat_event *event) {
    const struct chat_answer *answer = event->answer;
    struct arena *arena = writer->arena;
    if (writer->started)
        return;
    if (answer && (answer->id.n || answer->model.n)) {
        writer->started = true;
        writer->answer = (struct chat_answer){
            .id = arena_copy(arena, answer->id),
            .model = arena_copy(arena, answer->model),
            .created = arena_copy(arena, answer->created),
            .service_tier = arena_copy(arena, answer->service_tier),
            .system_fingerprint = arena_copy(arena, answer->system_fingerprint),
        };
    } else if (event->kind == CHAT_START) {
        writer->started = true;
        writer->answer.id = arena_copy(arena, event->id);
        writer->answer.model = arena_copy(arena, event->name);
    }
}

void openai_take_usage(struct chat_writer *writer, const struct chat_usage *usage) {
    if (!usage->known)
        return;
    writer->usage = *usage;
    if (!chat_text_set(&writer->usage_text, writer->arena, usage->raw))
        writer->full = true;
    writer->usage.raw = chat_text_span(&writer->usage_text);
}

static void write_member(struct json_out *out, struct span key, struct span raw) {
    json_out_key(out, key);
    json_out_escaped(out, raw);
}

void openai_write_head(const struct chat_writer *writer, struct span object, struct json_out *out) {
    const struct chat_answer *answer = &writer->answer;
    write_member(out, SPAN("id"), answer->id.n ? answer->id : writer->id);
    write_member(out, SPAN("object"), object);
    json_out_key(out, SPAN("created"));
    if (answer->created.n)
        json_out_value(out, answer->created);
    else
        json_out_int(out, writer->created_s);
    write_member(out, SPAN("model"), answer->model.n ? answer->model : writer->model);
}

void openai_write_tail(const struct chat_writer *writer, struct json_out *out) {
    const struct chat_answer *answer = &writer->answer;
    if (answer->service_tier.n)
        write_member(out, SPAN("service_tier"), answer->service_tier);
    if (answer->system_fingerprint.n) {
        json_out_key(out, SPAN("system_fingerprint"));
        json_out_value(out, answer->system_fingerprint);
    }
}

static void write_count(struct json_out *out, struct span key, uint64_t count) {
    json_out_key(out, key);
    json_out_int(out, (int64_t)count);
}

void openai_write_usage(const struct chat_usage *usage, struct json_out *out) {
    if (usage->raw.n) {
        json_out_value(out, usage->raw);
        return;
    }
    json_out_object(out);
    write_count(out, SPAN("prompt_tokens"), usage->input_tokens);
    write_count(out, SPAN("completion_tokens"), usage->output_tokens);
    write_count(out, SPAN("total_tokens"), usage->input_tokens + usage->output_tokens);
    json_out_key(out, SPAN("prompt_tokens_details"));
    json_out_object(out);
    write_count(out, SPAN("cached_tokens"), usage->cached_tokens);
    write_count(out, SPAN("cache_write_tokens"), usage->cache_write_tokens);
    json_out_object_end(out);
    json_out_key(out, SPAN("completion_tokens_details"));
    json_out_object(out);
    write_count(out, SPAN("reasoning_tokens"), usage->reasoning_tokens);
    json_out_object_end(out);
    json_out_object_end(out);
}

void openai_write_call_id(const struct chat_writer *writer, unsigned choice, unsigned tool,
                          struct json_out *out) {
    struct span id = writer->answer.id.n ? writer->answer.id : writer->id;
    char text[CALL_ID_TAIL + 40], *p = text + CALL_ID_TAIL, numbers[32];
    /* From the end of the id, where ids differ, and only what any client takes. */
    for (size_t i = id.n; i-- > 0 && p > text;) {
        char c = id.p[i];
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            *--p = c;
    }
    unsigned numbers_len = 0;
    unsigned parts[] = {choice, tool};
    for (unsigned i = 0; i < countof(parts); i++) {
        char digits[12], *d = digits + sizeof digits;
        unsigned value = parts[i];
        do
            *--d = (char)('0' + value % 10);
        while (value /= 10);
        numbers[numbers_len++] = '_';
        memcpy(numbers + numbers_len, d, (size_t)(digits + sizeof digits - d));
        numbers_len += (unsigned)(digits + sizeof digits - d);
    }
    json_out_string_begin(out);
    json_out_string_part(out, SPAN("call_"), true);
    json_out_string_part(out, span_of(p, (size_t)(text + CALL_ID_TAIL - p)), true);
    json_out_string_part(out, span_of(numbers, numbers_len), true);
    json_out_string_end(out);
}

/* --- chunks --- */

/* Up to and with the opening brace of the choice's delta. */
static void chunk_begin(const struct chat_writer *writer, unsigned choice, struct json_out *out) {
    json_out_raw(out, SPAN("data: "));
    json_out_object(out);
    openai_write_head(writer, CHUNK, out);
    openai_write_tail(writer, out);
    json_out_key(out, SPAN("choices"));
    json_out_array(out);
    json_out_object(out);
    write_count(out, SPAN("index"), choice);
    json_out_key(out, SPAN("delta"));
    json_out_object(out);
}

static void chunk_end(const struct chat_writer *writer, struct span logprobs,
                      enum chat_finish finish, struct json_out *out) {
    json_out_object_end(out);
    json_out_key(out, SPAN("logprobs"));
    json_out_value(out, logprobs);
    json_out_key(out, SPAN("finish_reason"));
    if (finish == CHAT_FINISH_NONE)
        json_out_null(out);
    else
        json_out_escaped(out, span_str(chat_finish_name(finish)));
    json_out_object_end(out);
    json_out_array_end(out);
    if (writer->include_usage) {
        json_out_key(out, SPAN("usage"));
        json_out_null(out);
    }
    json_out_object_end(out);
    json_out_raw(out, SPAN("\n\n"));
}

static void chunk_end_plain(const struct chat_writer *writer, struct json_out *out) {
    chunk_end(writer, SPAN("null"), CHAT_FINISH_NONE, out);
}

/* The first chunk of a choice. Content is "" before text, and null before what stands instead of
 * text. */
static void write_role(struct chat_writer *writer, const struct chat_event *event,
                       struct json_out *out) {
    struct chat_said *said = openai_said(writer, event->choice);
    if (!said || said->role)
        return;
    said->role = true;
    if (event->continued)
        return;
    chunk_begin(writer, event->choice, out);
    write_member(out, SPAN("role"), SPAN("assistant"));
    json_out_key(out, SPAN("content"));
    if (event->kind == CHAT_TEXT)
        json_out_escaped(out, SPAN(""));
    else
        json_out_null(out);
    chunk_end_plain(writer, out);
}

static void write_text(const struct chat_writer *writer, const struct chat_event *event,
                       struct span key, struct json_out *out) {
    chunk_begin(writer, event->choice, out);
    write_member(out, key, event->text);
    chunk_end_plain(writer, out);
}

/* {"tool_calls":[{"index":..., up to what makes this piece different. */
static void tool_begin(const struct chat_writer *writer, const struct chat_event *event,
                       struct json_out *out) {
    chunk_begin(writer, event->choice, out);
    json_out_key(out, SPAN("tool_calls"));
    json_out_array(out);
    json_out_object(out);
    write_count(out, SPAN("index"), event->tool);
}

static void tool_end(const struct chat_writer *writer, struct json_out *out) {
    json_out_object_end(out);
    json_out_array_end(out);
    chunk_end_plain(writer, out);
}

static void write_tool(const struct chat_writer *writer, const struct chat_event *event,
                       struct json_out *out) {
    bool start = event->kind == CHAT_TOOL_START;
    tool_begin(writer, event, out);
    if (start) {
        json_out_key(out, SPAN("id"));
        if (event->id.n)
            json_out_escaped(out, event->id);
        else
            openai_write_call_id(writer, event->choice, event->tool, out);
        write_member(out, SPAN("type"), event->custom ? SPAN("custom") : SPAN("function"));
    }
    json_out_key(out, event->custom ? SPAN("custom") : SPAN("function"));
    json_out_object(out);
    if (start)
        write_member(out, SPAN("name"), event->name);
    write_member(out, event->custom ? SPAN("input") : SPAN("arguments"), event->text);
    json_out_object_end(out);
    tool_end(writer, out);
}

/* A member's name comes from the provider, who may have escaped it. */
static void write_raw_member(struct json_out *out, const struct chat_event *event) {
    json_out_key(out, event->name);
    json_out_value(out, event->text);
}

static void write_extra(struct chat_writer *writer, const struct chat_event *event,
                        struct json_out *out) {
    switch (event->place) {
    case CHAT_OF_MESSAGE:
        write_role(writer, event, out);
        chunk_begin(writer, event->choice, out);
        write_raw_member(out, event);
        chunk_end_plain(writer, out);
        break;
    case CHAT_OF_CHOICE:
        if (!span_eq(event->name, SPAN("logprobs")))
            break;
        write_role(writer, event, out);
        chunk_begin(writer, event->choice, out);
        chunk_end(writer, event->text, CHAT_FINISH_NONE, out);
        break;
    case CHAT_OF_TOOL:
        write_role(writer, event, out);
        tool_begin(writer, event, out);
        write_raw_member(out, event);
        tool_end(writer, out);
        break;
    case CHAT_OF_ANSWER: break;
    }
}

static void write_usage_chunk(const struct chat_writer *writer, const struct chat_usage *usage,
                              struct json_out *out) {
    json_out_raw(out, SPAN("data: "));
    json_out_object(out);
    openai_write_head(writer, CHUNK, out);
    openai_write_tail(writer, out);
    json_out_key(out, SPAN("choices"));
    json_out_array(out);
    json_out_array_end(out);
    json_out_key(out, SPAN("usage"));
    openai_write_usage(usage, out);
    json_out_object_end(out);
    json_out_raw(out, SPAN("\n\n"));
}

static void write_end(const struct chat_writer *writer, const struct chat_usage *usage,
                      struct json_out *out) {
    if (writer->include_usage && usage->known)
        write_usage_chunk(writer, usage, out);
    json_out_raw(out, SPAN("data: [DONE]\n\n"));
}

void openai_chat_write_event(struct chat_writer *writer, const struct chat_event *event,
                             struct json_out *out) {
    openai_take_answer(writer, event);
    switch (event->kind) {
    case CHAT_TEXT:
        write_role(writer, event, out);
        write_text(writer, event, SPAN("content"), out);
        break;
    case CHAT_REASONING:
        write_role(writer, event, out);
        write_text(writer, event, event->name.n ? event->name : SPAN("reasoning_content"), out);
        break;
    case CHAT_REFUSAL:
        write_role(writer, event, out);
        write_text(writer, event, SPAN("refusal"), out);
        break;
    case CHAT_TOOL_START:
    case CHAT_TOOL_ARGS:
        write_role(writer, event, out);
        write_tool(writer, event, out);
        break;
    case CHAT_MEDIA:
        write_role(writer, event, out);
        chunk_begin(writer, event->choice, out);
        write_raw_member(out, event);
        chunk_end_plain(writer, out);
        break;
    case CHAT_EXTRA: write_extra(writer, event, out); break;
    case CHAT_FINISH:
        write_role(writer, event, out);
        chunk_begin(writer, event->choice, out);
        chunk_end(writer, SPAN("null"), event->finish, out);
        break;
    case CHAT_USAGE: openai_take_usage(writer, &event->usage); break;
    case CHAT_DONE: write_end(writer, &writer->usage, out); break;
    case CHAT_START:
    case CHAT_ERROR:
    case CHAT_OTHER: break;
    }
    writer->full |= out->full;
}

void openai_chat_write_done(struct chat_writer *writer, const struct chat_reader *reader,
                            struct json_out *out) {
    static const struct chat_usage none;
    openai_take_answer(writer, &(struct chat_event){.kind = CHAT_DONE, .answer = &reader->answer});
    write_end(writer, reader->usage_chunk ? &none : &reader->usage, out);
    writer->full |= out->full;
}
