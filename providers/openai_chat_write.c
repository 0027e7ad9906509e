/* openai_chat_write.c - writes canonical events as chat.completion.chunk events, the way the OpenAI
 * SDKs read them. (pure)
 *
 *     data: {id,object,created,model,choices:[{index,delta:{role,content:""},finish_reason:null}]}
 *     data: ... delta:{content:".."} ...                one chunk per canonical event
 *     data: ... delta:{thinking_blocks:[{type,thinking:"",signature}]} ...      what Claude wants
 *     data: ... delta:{tool_calls:[{index,extra_content:{google:{thought_signature}}}]} ... back,
 *                                                       and Gemini, in the spelling of their gateways
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

/* A foreign answer's id that is longer is no id: it is cut, the same in each chunk. */
#define ANSWER_ID_MAX 256

#define CHUNK     SPAN("chat.completion.chunk")
#define ID_PREFIX SPAN("chatcmpl-")

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

/* The id of another dialect's answer (msg_..., Gemini's) in the form that clients of this one know.
 * Who speaks this dialect says when it was created, and his id must stay: chunks with it may have
 * been relayed as they came. */
static struct span own_id(struct chat_writer *writer, const struct chat_answer *answer,
                          struct span prefix) {
    if (!answer->id.n || answer->created.n || span_starts(answer->id, prefix))
        return arena_copy(writer->arena, answer->id);
    struct span id = arena_printf(writer->arena, "%.*s%.*s", (int)prefix.n, prefix.p,
                                  (int)min_size(answer->id.n, ANSWER_ID_MAX), answer->id.p);
    writer->full |= !id.p;
    return id;
}

void openai_take_answer(struct chat_writer *writer, const struct chat_event *event,
                        struct span id_prefix) {
    const struct chat_answer *answer = event->answer;
    struct arena *arena = writer->arena;
    if (writer->started)
        return;
    if (answer && (answer->id.n || answer->model.n)) {
        writer->started = true;
        writer->answer = (struct chat_answer){
            .id = own_id(writer, answer, id_prefix),
            .model = arena_copy(arena, answer->model),
            .created = arena_copy(arena, answer->created),
            .service_tier = arena_copy(arena, answer->service_tier),
            .system_fingerprint = arena_copy(arena, answer->system_fingerprint),
        };
    } else if (event->kind == CHAT_START) {
        writer->started = true;
        writer->answer.id = own_id(writer, &(struct chat_answer){.id = event->id}, id_prefix);
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
        json_out_value_line(out, usage->raw);
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

void openai_write_call_id(const struct chat_writer *writer, struct span id, unsigned choice,
                          unsigned tool, struct json_out *out) {
    char text[CHAT_CALL_ID_BYTES];
    json_out_key(out, SPAN("id"));
    if (!id.n)
        id = chat_call_id(writer->answer.id.n ? writer->answer.id : writer->id, choice, tool, text);
    json_out_escaped(out, id);
}

void openai_write_thinking(const struct openai_thought *thought, struct span thinking,
                           struct json_out *out) {
    json_out_object(out);
    if (thought->redacted) {
        write_member(out, SPAN("type"), SPAN("redacted_thinking"));
        write_member(out, SPAN("data"), thought->proof);
    } else {
        write_member(out, SPAN("type"), SPAN("thinking"));
        write_member(out, SPAN("thinking"), thinking);
        write_member(out, SPAN("signature"), thought->proof);
    }
    json_out_object_end(out);
}

void openai_write_thought_signature(struct span signature, struct json_out *out) {
    json_out_key(out, SPAN("extra_content"));
    json_out_object(out);
    json_out_key(out, SPAN("google"));
    json_out_object(out);
    write_member(out, SPAN("thought_signature"), signature);
    json_out_object_end(out);
    json_out_object_end(out);
}

bool openai_keeps_proof(const struct chat_event *event) {
    if (event->signer == CHAT_SIGNER_ANTHROPIC)
        return event->kind == CHAT_REDACTED || !event->of_tool;
    return event->signer == CHAT_SIGNER_GOOGLE && event->kind == CHAT_SIGNATURE && event->of_tool;
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
    json_out_value_line(out, logprobs);
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
        openai_write_call_id(writer, event->id, event->choice, event->tool, out);
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
    json_out_value_line(out, event->text);
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

/* What its maker wants back with the next request. */
static void write_proof(struct chat_writer *writer, const struct chat_event *event,
                        struct json_out *out) {
    if (!openai_keeps_proof(event))
        return;
    write_role(writer, event, out);
    if (event->of_tool) {
        tool_begin(writer, event, out);
        /* Some clients do not take a piece of a call without its function. */
        json_out_key(out, SPAN("function"));
        json_out_object(out);
        write_member(out, SPAN("arguments"), SPAN(""));
        json_out_object_end(out);
        openai_write_thought_signature(event->text, out);
        tool_end(writer, out);
        return;
    }
    struct openai_thought thought = {.redacted = event->kind == CHAT_REDACTED,
                                     .proof = event->text};
    chunk_begin(writer, event->choice, out);
    json_out_key(out, SPAN("thinking_blocks"));
    json_out_array(out);
    openai_write_thinking(&thought, SPAN(""), out);
    json_out_array_end(out);
    chunk_end_plain(writer, out);
}

static void write_usage_chunk(const struct chat_writer *writer, const struct chat_usage *usage,
                              struct span object, struct json_out *out) {
    json_out_raw(out, SPAN("data: "));
    json_out_object(out);
    openai_write_head(writer, object, out);
    openai_write_tail(writer, out);
    json_out_key(out, SPAN("choices"));
    json_out_array(out);
    json_out_array_end(out);
    json_out_key(out, SPAN("usage"));
    openai_write_usage(usage, out);
    json_out_object_end(out);
    json_out_raw(out, SPAN("\n\n"));
}

void openai_write_end(struct chat_writer *writer, const struct chat_usage *usage,
                      struct span object, struct json_out *out) {
    if (writer->include_usage && usage->known)
        write_usage_chunk(writer, usage, object, out);
    json_out_raw(out, SPAN("data: [DONE]\n\n"));
    writer->full |= out->full;
}

void openai_chat_write_event(struct chat_writer *writer, const struct chat_event *event,
                             struct json_out *out) {
    openai_take_answer(writer, event, ID_PREFIX);
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
    case CHAT_SIGNATURE:
    case CHAT_REDACTED: write_proof(writer, event, out); break;
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
    case CHAT_DONE: openai_write_end(writer, &writer->usage, CHUNK, out); break;
    case CHAT_START:
    case CHAT_ERROR:
    case CHAT_OTHER: break;
    }
    writer->full |= out->full;
}

void openai_chat_write_done(struct chat_writer *writer, const struct chat_reader *reader,
                            struct json_out *out) {
    static const struct chat_usage none;
    openai_take_answer(writer, &(struct chat_event){.kind = CHAT_DONE, .answer = &reader->answer},
                       ID_PREFIX);
    openai_write_end(writer, reader->usage_chunk ? &none : &reader->usage, CHUNK, out);
}
