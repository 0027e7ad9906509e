/* openai_responses_turns.c - the turns of a canonical prompt as `instructions` and items of `input`.
 * (pure)
 *
 *     system turns that lead     instructions, joined by blank lines
 *     system turns further down  {"role":"developer","content":[..]}
 *     user                       {"role":"user","content":[input_text, input_image, input_file]}
 *     assistant                  {"role":"assistant","content":[output_text, refusal]},
 *                                {"type":"reasoning",..}, {"type":"function_call",..}, in order
 *     tool                       {"type":"function_call_output",..} each
 *
 * Owns:     nothing; writes to `out`.
 * Promises: texts as they were written; a call and its result keep one id.
 * Refuses:  audio, which the API's input does not have. Reasoning that another maker wrote is left
 *           out without asking, but for backends that want it back: it is no part of what was said,
 *           and cannot be proved here. */
#include "core/limits.h"
#include "providers/openai_chat.h"
#include "providers/openai_responses.h"
#include "providers/provider.h"

/* The API's bound on call_id. */
#define CALL_ID_MAX 64

struct writing {
    const struct chat_prompt *prompt;
    const struct chat_spell *spell;
    struct arena *arena;
    struct json_out *out;
    bool failed; /* memory */
    /* Ids of the newest calls of custom tools, a ring: as many as one answer has. */
    struct span custom[TOOL_CALLS_MAX];
    unsigned custom_count; /* of all */
};

static bool lose(const struct writing *x, const struct chat_message *turn,
                 const struct chat_part *part, const char *why) {
    return chat_lose_part(x->spell->losses, x->arena, turn, part, span_str(why));
}

static void write_escaped(struct json_out *out, struct span key, struct span raw) {
    json_out_key(out, key);
    json_out_escaped(out, raw);
}

/* --- content parts --- */

static void write_text_part(struct json_out *out, struct span type, struct span text) {
    json_out_object(out);
    write_escaped(out, SPAN("type"), type);
    write_escaped(out, SPAN("text"), text);
    json_out_object_end(out);
}

static void write_image(struct json_out *out, const struct chat_part *part) {
    json_out_object(out);
    write_escaped(out, SPAN("type"), SPAN("input_image"));
    if (part->url.n)
        write_escaped(out, SPAN("image_url"), part->url);
    else
        chat_write_data_url(out, SPAN("image_url"), part);
    if (part->detail.n)
        write_escaped(out, SPAN("detail"), part->detail);
    json_out_object_end(out);
}

static void write_document(struct json_out *out, const struct chat_part *part) {
    if (part->text.n) {
        write_text_part(out, SPAN("input_text"), part->text);
        return;
    }
    json_out_object(out);
    write_escaped(out, SPAN("type"), SPAN("input_file"));
    if (part->url.n) {
        write_escaped(out, SPAN("file_url"), part->url);
    } else {
        /* A name is demanded, and its ending looked at. */
        bool pdf = span_eq(part->media_type, SPAN("application/pdf"));
        bool text = span_eq(part->media_type, SPAN("text/plain"));
        write_escaped(out, SPAN("filename"),
                      part->name.n ? part->name
                      : pdf        ? SPAN("document.pdf")
                      : text       ? SPAN("document.txt")
                                   : SPAN("document"));
        chat_write_data_url(out, SPAN("file_data"), part);
    }
    json_out_object_end(out);
}

/* A part of a user's turn or of a tool's result. False when it may not be lost. */
static bool write_part(const struct writing *x, const struct chat_message *turn,
                       const struct chat_part *top, const struct chat_part *part) {
    switch (part->kind) {
    case CHAT_PART_TEXT:
        if (part->text.n)
            write_text_part(x->out, SPAN("input_text"), part->text);
        return true;
    case CHAT_PART_IMAGE: write_image(x->out, part); return true;
    case CHAT_PART_DOCUMENT: write_document(x->out, part); return true;
    case CHAT_PART_AUDIO: return lose(x, turn, top, "the Responses API has no audio input");
    case CHAT_PART_REASONING:
    case CHAT_PART_REDACTED:
    case CHAT_PART_REFUSAL:
    case CHAT_PART_TOOL_CALL:
    case CHAT_PART_TOOL_RESULT: return true; /* not of such turns */
    }
    return true;
}

/* --- turns --- */

static bool write_user(const struct writing *x, const struct chat_message *turn) {
    json_out_object(x->out);
    write_escaped(x->out, SPAN("role"),
                  turn->role == CHAT_SYSTEM ? SPAN("developer") : SPAN("user"));
    json_out_key(x->out, SPAN("content"));
    json_out_array(x->out);
    for (const struct chat_part *part = turn->parts; part; part = part->next)
        if (!write_part(x, turn, part, part))
            return false;
    json_out_array_end(x->out);
    json_out_object_end(x->out);
    return true;
}

static bool is_said(const struct chat_part *part) {
    return (part->kind == CHAT_PART_TEXT || part->kind == CHAT_PART_REFUSAL) && part->text.n;
}

/* A run of text and refusals as one message; returns the part behind it. */
static const struct chat_part *write_said(const struct writing *x, const struct chat_part *part) {
    struct json_out *out = x->out;
    json_out_object(out);
    write_escaped(out, SPAN("role"), SPAN("assistant"));
    json_out_key(out, SPAN("content"));
    json_out_array(out);
    for (; part && is_said(part); part = part->next) {
        if (part->kind == CHAT_PART_TEXT) {
            write_text_part(out, SPAN("output_text"), part->text);
            continue;
        }
        json_out_object(out);
        write_escaped(out, SPAN("type"), SPAN("refusal"));
        write_escaped(out, SPAN("refusal"), part->text);
        json_out_object_end(out);
    }
    json_out_array_end(out);
    json_out_object_end(out);
    return part;
}

/* Reasoning from `part` on that ends with what its maker sealed; NULL when it is not so, or another's.
 */
static const struct chat_part *sealed_of(const struct chat_part *part) {
    while (part && part->kind == CHAT_PART_REASONING && part->signer == CHAT_SIGNER_OPENAI)
        part = part->next;
    return part && part->kind == CHAT_PART_REDACTED && part->signer == CHAT_SIGNER_OPENAI ? part
                                                                                          : NULL;
}

static void write_reasoning(struct writing *x, const struct chat_part *part,
                            const struct chat_part *sealed) {
    struct json_out *out = x->out;
    struct span id = sealed->id;
    if (!id.n) {
        /* It is demanded, and looked at by nobody when nothing is stored. */
        id = arena_printf(x->arena, "rs_%016llx", (unsigned long long)span_hash(sealed->data));
        x->failed |= !id.p;
    }
    json_out_object(out);
    write_escaped(out, SPAN("type"), SPAN("reasoning"));
    write_escaped(out, SPAN("id"), id);
    json_out_key(out, SPAN("summary"));
    json_out_array(out);
    for (; part != sealed; part = part->next)
        write_text_part(out, SPAN("summary_text"), part->text);
    json_out_array_end(out);
    write_escaped(out, SPAN("encrypted_content"), sealed->data);
    json_out_object_end(out);
}

/* Open models have nothing to seal, and some want their thoughts back beside their calls (DeepSeek).
 */
static void write_thought(struct writing *x, const struct chat_part *part) {
    struct json_out *out = x->out;
    struct span id =
        arena_printf(x->arena, "rs_%016llx", (unsigned long long)span_hash(part->text));
    x->failed |= !id.p;
    json_out_object(out);
    write_escaped(out, SPAN("type"), SPAN("reasoning"));
    write_escaped(out, SPAN("id"), id);
    json_out_key(out, SPAN("summary"));
    json_out_array(out);
    json_out_array_end(out);
    json_out_key(out, SPAN("content"));
    json_out_array(out);
    write_text_part(out, SPAN("reasoning_text"), part->text);
    json_out_array_end(out);
    json_out_object_end(out);
}

static void write_call_id(struct writing *x, struct span id) {
    struct span safe = chat_safe_id(id, CALL_ID_MAX, x->arena);
    x->failed |= !safe.p;
    write_escaped(x->out, SPAN("call_id"), safe);
}

static void write_call(struct writing *x, const struct chat_part *part) {
    struct json_out *out = x->out;
    json_out_object(out);
    write_escaped(out, SPAN("type"),
                  part->custom ? SPAN("custom_tool_call") : SPAN("function_call"));
    write_call_id(x, part->id);
    write_escaped(out, SPAN("name"), part->name);
    if (part->custom) {
        write_escaped(out, SPAN("input"), part->text);
        x->custom[x->custom_count++ % TOOL_CALLS_MAX] = part->id;
    } else {
        json_out_key(out, SPAN("arguments"));
        json_out_string(out, part->input.n ? part->input : SPAN("{}"));
    }
    json_out_object_end(out);
}

/* What is neither said nor sealed reasoning. */
static bool write_other(struct writing *x, const struct chat_message *turn,
                        const struct chat_part *part) {
    switch (part->kind) {
    case CHAT_PART_TOOL_CALL: write_call(x, part); return true;
    case CHAT_PART_REASONING:
        if (part->text.n && part->signer == CHAT_SIGNER_NONE &&
            x->spell->quirks & QUIRK_REASONING_BACK)
            write_thought(x, part);
        return true;
    case CHAT_PART_IMAGE:
    case CHAT_PART_DOCUMENT:
    case CHAT_PART_AUDIO:
        return lose(x, turn, part, "the Responses API takes text only from the assistant");
    case CHAT_PART_TEXT:
    case CHAT_PART_REFUSAL:
    case CHAT_PART_REDACTED:
    case CHAT_PART_TOOL_RESULT: break;
    }
    return true;
}

static bool write_assistant(struct writing *x, const struct chat_message *turn) {
    const struct chat_part *part = turn->parts;
    while (part) {
        const struct chat_part *sealed = sealed_of(part);
        if (sealed) {
            write_reasoning(x, part, sealed);
            part = sealed->next;
        } else if (is_said(part)) {
            part = write_said(x, part);
        } else {
            if (!write_other(x, turn, part))
                return false;
            part = part->next;
        }
    }
    return true;
}

static bool answers_custom(const struct writing *x, const struct chat_part *result) {
    unsigned count = x->custom_count < TOOL_CALLS_MAX ? x->custom_count : TOOL_CALLS_MAX;
    for (unsigned i = 0; i < count; i++)
        if (span_eq(x->custom[i], result->id))
            return true;
    return result->custom;
}

/* One text stands as a string; a failure is said in words, for there is no member for it. */
static bool write_result(struct writing *x, const struct chat_message *turn,
                         const struct chat_part *result) {
    struct json_out *out = x->out;
    const struct chat_part *first = result->parts;
    json_out_object(out);
    write_escaped(out, SPAN("type"),
                  answers_custom(x, result) ? SPAN("custom_tool_call_output")
                                            : SPAN("function_call_output"));
    write_call_id(x, result->id);
    json_out_key(out, SPAN("output"));
    if (!first || (first->kind == CHAT_PART_TEXT && !first->next)) {
        json_out_string_begin(out);
        if (chat_needs_error_word(result))
            json_out_string_part(out, SPAN("Error: "), true);
        if (first)
            json_out_string_part(out, first->text, true);
        json_out_string_end(out);
        json_out_object_end(out);
        return true;
    }
    json_out_array(out);
    if (chat_needs_error_word(result))
        write_text_part(out, SPAN("input_text"), SPAN("Error:"));
    for (const struct chat_part *part = first; part; part = part->next)
        if (!write_part(x, turn, result, part))
            return false;
    json_out_array_end(out);
    json_out_object_end(out);
    return true;
}

static bool write_turn(struct writing *x, const struct chat_message *turn) {
    switch (turn->role) {
    case CHAT_SYSTEM:
    case CHAT_USER: return write_user(x, turn);
    case CHAT_ASSISTANT: return write_assistant(x, turn);
    case CHAT_TOOL:
        for (const struct chat_part *part = turn->parts; part; part = part->next)
            if (part->kind == CHAT_PART_TOOL_RESULT && !write_result(x, turn, part))
                return false;
        return true;
    }
    return true;
}

/* The texts of the system's turns that lead; *rest is the first turn behind them. */
static bool write_instructions(const struct writing *x, const struct chat_message **rest) {
    const struct chat_message *turn = x->prompt->messages;
    bool more = false;
    for (; turn && turn->role == CHAT_SYSTEM; turn = turn->next)
        for (const struct chat_part *part = turn->parts; part; part = part->next) {
            bool text =
                part->kind == CHAT_PART_TEXT || (part->kind == CHAT_PART_DOCUMENT && part->text.n);
            if (!text && !lose(x, turn, part, "instructions are text only"))
                return false;
            if (!text || !part->text.n)
                continue;
            if (!more) {
                json_out_key(x->out, SPAN("instructions"));
                json_out_string_begin(x->out);
            }
            chat_write_joined(x->out, part->text, more);
            more = true;
        }
    if (more)
        json_out_string_end(x->out);
    *rest = turn;
    return true;
}

int openai_responses_write_turns(const struct chat_prompt *prompt, const struct chat_spell *spell,
                                 struct arena *arena, struct json_out *out) {
    struct writing x = {.prompt = prompt, .spell = spell, .arena = arena, .out = out};
    const struct chat_message *turn;
    if (!write_instructions(&x, &turn))
        return -FAIL_UNSUPPORTED;
    json_out_key(out, SPAN("input"));
    json_out_array(out);
    for (; turn; turn = turn->next)
        if (!write_turn(&x, turn))
            return -FAIL_UNSUPPORTED;
    /* Input is demanded: instructions alone, and turns that say nothing, have an empty question. */
    if (!out->comma)
        write_user(&x, &(struct chat_message){.role = CHAT_USER});
    json_out_array_end(out);
    return x.failed ? -FAIL_OVERLOAD : 0;
}
