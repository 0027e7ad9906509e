/* openai_chat_say.c - canonical turns as the messages of a chat completion. (pure)
 *
 *     CHAT_SYSTEM     {"role":"system","content":"one\n\ntwo"}, where it stands
 *     CHAT_USER       {"role":"user","content":"text" or [parts]}
 *     CHAT_ASSISTANT  {"role":"assistant","content":..,"tool_calls":[..]}
 *     CHAT_TOOL       {"role":"tool","tool_call_id":..,"content":".."} for each result, then one
 *                     {"role":"user"} with the images and files that were in them
 *
 * Owns:     nothing.
 * Promises: results stand directly behind the turn that called for them, as the API demands; plain
 *           strings wherever they can say it, for many servers know no arrays of text parts.
 * Refuses:  parts that the role cannot say, by chat_lose with their place. */
#include "providers/openai_chat_spell.h"

#include "providers/provider.h"

/* OpenAI's limit; ids of other dialects are at most 64 bytes. */
#define CALL_ID_MAX 40
/* Mistral's length, neither more nor less, of letters and digits. */
#define CALL_ID_SHORT 9

static void write_word(struct json_out *out, struct span key, struct span raw) {
    json_out_key(out, key);
    json_out_escaped(out, raw);
}

static bool lose_part(struct openai_spell *x, const struct chat_message *message,
                      const struct chat_part *part, const char *why) {
    return chat_lose_part(x->spell->losses, x->arena, message, part, span_str(why));
}

/* Is it a letter or a digit of ASCII? */
static bool is_plain(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The id if it is of Mistral's form, else one made from its hash in `text`, the same for a call and
 * its result. 62^9 of them: two calls of one request meet by accident in one of a billion requests
 * with thousands of calls. */
static struct span short_id(struct span id, char text[CALL_ID_SHORT]) {
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint64_t hash = span_hash(id);
    size_t plain = 0;
    while (plain < id.n && is_plain(id.p[plain]))
        plain++;
    if (id.n == CALL_ID_SHORT && plain == id.n)
        return id;
    for (unsigned i = 0; i < CALL_ID_SHORT; i++, hash /= sizeof letters - 1)
        text[i] = letters[hash % (sizeof letters - 1)];
    return span_of(text, CALL_ID_SHORT);
}

static void write_call_id(struct openai_spell *x, struct span key, struct span id) {
    char text[CALL_ID_SHORT];
    if (x->spell->quirks & QUIRK_CALL_IDS_9) {
        write_word(x->out, key, short_id(id, text));
        return;
    }
    /* Letters are free here, only the length is not: Kimi relies on ids with colons and points. */
    struct span fits = id.n <= CALL_ID_MAX ? id : chat_safe_id(id, CALL_ID_MAX, x->arena);
    x->memory |= !fits.p;
    write_word(x->out, key, fits);
}

/* --- parts of user messages --- */

static bool is_text(const struct chat_part *part) {
    return part->kind == CHAT_PART_TEXT || (part->kind == CHAT_PART_DOCUMENT && part->text.n);
}

static void write_text(struct json_out *out, struct span raw) {
    json_out_object(out);
    write_word(out, SPAN("type"), SPAN("text"));
    write_word(out, SPAN("text"), raw);
    json_out_object_end(out);
}

static bool write_image(struct openai_spell *x, const struct chat_message *message,
                        const struct chat_part *part) {
    struct json_out *out = x->out;
    if (part->url.n && x->spell->quirks & QUIRK_NO_REMOTE_IMAGES)
        return lose_part(x, message, part, "this backend takes no images by URL; send the data");
    json_out_object(out);
    write_word(out, SPAN("type"), SPAN("image_url"));
    json_out_key(out, SPAN("image_url"));
    json_out_object(out);
    if (part->url.n)
        write_word(out, SPAN("url"), part->url);
    else
        chat_write_data_url(out, SPAN("url"), part);
    if (part->detail.n)
        write_word(out, SPAN("detail"), part->detail);
    json_out_object_end(out);
    json_out_object_end(out);
    return true;
}

static bool write_document(struct openai_spell *x, const struct chat_message *message,
                           const struct chat_part *part) {
    struct json_out *out = x->out;
    bool pdf = span_eq(part->media_type, SPAN("application/pdf"));
    if (part->url.n)
        return lose_part(x, message, part, "this backend takes no documents by URL; send the data");
    json_out_object(out);
    write_word(out, SPAN("type"), SPAN("file"));
    json_out_key(out, SPAN("file"));
    json_out_object(out);
    /* A name is demanded with the data, and its end is looked at. */
    write_word(out, SPAN("filename"),
               part->name.n ? part->name
               : pdf        ? SPAN("document.pdf")
                            : SPAN("document"));
    chat_write_data_url(out, SPAN("file_data"), part);
    json_out_object_end(out);
    json_out_object_end(out);
    return true;
}

static const struct {
    struct span media_type, format;
} audio_formats[] = {
    {SPAN_CONST("audio/wav"), SPAN_CONST("wav")},
    {SPAN_CONST("audio/x-wav"), SPAN_CONST("wav")},
    {SPAN_CONST("audio/mp3"), SPAN_CONST("mp3")},
    {SPAN_CONST("audio/mpeg"), SPAN_CONST("mp3")},
};

static bool write_audio(struct openai_spell *x, const struct chat_message *message,
                        const struct chat_part *part) {
    struct json_out *out = x->out;
    unsigned i = 0;
    while (i < countof(audio_formats) &&
           !span_eq_nocase(part->media_type, audio_formats[i].media_type))
        i++;
    if (i == countof(audio_formats) || !part->data.n)
        return lose_part(x, message, part, "this backend takes audio as WAV or MP3 data");
    json_out_object(out);
    write_word(out, SPAN("type"), SPAN("input_audio"));
    json_out_key(out, SPAN("input_audio"));
    json_out_object(out);
    write_word(out, SPAN("data"), part->data);
    write_word(out, SPAN("format"), audio_formats[i].format);
    json_out_object_end(out);
    json_out_object_end(out);
    return true;
}

/* A part in an array of parts. */
static bool write_part(struct openai_spell *x, const struct chat_message *message,
                       const struct chat_part *part) {
    switch (part->kind) {
    case CHAT_PART_TEXT: write_text(x->out, part->text); return true;
    case CHAT_PART_IMAGE: return write_image(x, message, part);
    case CHAT_PART_DOCUMENT:
        if (!is_text(part))
            return write_document(x, message, part);
        write_text(x->out, part->text);
        return true;
    case CHAT_PART_AUDIO: return write_audio(x, message, part);
    case CHAT_PART_REASONING:
    case CHAT_PART_REDACTED:
    case CHAT_PART_REFUSAL:
    case CHAT_PART_TOOL_CALL:
    case CHAT_PART_TOOL_RESULT: break;
    }
    return lose_part(x, message, part, "this backend cannot be told this in such a message");
}

/* Ends an array of parts. One that lost all of them still needs one. */
static void parts_end(struct openai_spell *x) {
    if (!x->out->comma)
        write_text(x->out, SPAN("(left out)"));
    json_out_array_end(x->out);
}

/* --- messages --- */

static void message_begin(struct openai_spell *x, const struct chat_message *message,
                          struct span role) {
    json_out_object(x->out);
    write_word(x->out, SPAN("role"), role);
    if (message->name.n)
        write_word(x->out, SPAN("name"), message->name);
}

/* The texts of a list, one behind the other with blank lines; what is no text is left to the
 * caller. */
static void write_texts(struct openai_spell *x, const struct chat_part *parts, struct span prefix) {
    bool more = false;
    json_out_key(x->out, SPAN("content"));
    json_out_string_begin(x->out);
    json_out_string_part(x->out, prefix, true);
    for (const struct chat_part *part = parts; part; part = part->next) {
        if (!is_text(part) || !part->text.n)
            continue;
        chat_write_joined(x->out, part->text, more);
        more = true;
    }
    json_out_string_end(x->out);
}

static bool write_system(struct openai_spell *x, const struct chat_message *message) {
    bool developer = x->spell->facts->facts & MODEL_MAX_COMPLETION &&
                     !(x->spell->quirks & QUIRK_NO_DEVELOPER_ROLE);
    for (const struct chat_part *part = message->parts; part; part = part->next)
        if (!is_text(part) &&
            !lose_part(x, message, part, "this backend takes text only in system messages"))
            return false;
    message_begin(x, message, developer ? SPAN("developer") : SPAN("system"));
    write_texts(x, message->parts, SPAN(""));
    json_out_object_end(x->out);
    return true;
}

static bool write_user(struct openai_spell *x, const struct chat_message *message) {
    const struct chat_part *first = message->parts;
    message_begin(x, message, SPAN("user"));
    if (!first || (!first->next && is_text(first))) {
        write_word(x->out, SPAN("content"), first ? first->text : SPAN(""));
        json_out_object_end(x->out);
        return true;
    }
    json_out_key(x->out, SPAN("content"));
    json_out_array(x->out);
    for (const struct chat_part *part = first; part; part = part->next)
        if (!write_part(x, message, part))
            return false;
    parts_end(x);
    json_out_object_end(x->out);
    return true;
}

/* --- answers of the model --- */

static void write_call(struct openai_spell *x, const struct chat_part *part) {
    struct json_out *out = x->out;
    struct span type = part->custom ? SPAN("custom") : SPAN("function");
    json_out_object(out);
    write_call_id(x, SPAN("id"), part->id);
    write_word(out, SPAN("type"), type);
    json_out_key(out, type);
    json_out_object(out);
    write_word(out, SPAN("name"), part->name);
    if (part->custom) {
        write_word(out, SPAN("input"), part->text);
    } else {
        json_out_key(out, SPAN("arguments"));
        json_out_string(out, part->input.n ? part->input : SPAN("{}"));
    }
    json_out_object_end(out);
    json_out_object_end(out);
}

/* All parts of one kind, as one text: neighbours belong together (citations cut them), what stood
 * around something else gets a blank line between. */
static void write_kind(struct openai_spell *x, struct span key, const struct chat_part *parts,
                       enum chat_part_kind kind) {
    bool more = false, apart = false;
    json_out_key(x->out, key);
    json_out_string_begin(x->out);
    for (const struct chat_part *part = parts; part; part = part->next) {
        if (part->kind != kind) {
            apart = true;
            continue;
        }
        chat_write_joined(x->out, part->text, more && apart && part->text.n);
        more |= part->text.n > 0;
        apart = false;
    }
    json_out_string_end(x->out);
}

/* What an assistant's turn holds. */
struct holds {
    bool texts, refusals, calls, reasonings;
};

static bool look_through(struct openai_spell *x, const struct chat_message *message,
                         struct holds *holds) {
    for (const struct chat_part *part = message->parts; part; part = part->next) {
        switch (part->kind) {
        case CHAT_PART_TEXT: holds->texts |= part->text.n > 0; break;
        case CHAT_PART_REFUSAL: holds->refusals |= part->text.n > 0; break;
        case CHAT_PART_TOOL_CALL: holds->calls = true; break;
        case CHAT_PART_REASONING: holds->reasonings |= part->text.n > 0; break;
        case CHAT_PART_REDACTED: break;
        case CHAT_PART_IMAGE:
        case CHAT_PART_DOCUMENT:
        case CHAT_PART_AUDIO:
        case CHAT_PART_TOOL_RESULT:
            if (!lose_part(x, message, part, "this backend takes text only from the assistant"))
                return false;
            break;
        }
    }
    return true;
}

/* The last message is an answer to be gone on with. */
static void write_unfinished(struct openai_spell *x) {
    struct span name = x->spell->prefill == CHAT_PREFILL_PREFIX    ? SPAN("prefix")
                       : x->spell->prefill == CHAT_PREFILL_PARTIAL ? SPAN("partial")
                                                                   : SPAN("");
    if (!name.n)
        return;
    json_out_key(x->out, name);
    json_out_bool(x->out, true);
}

static bool write_assistant(struct openai_spell *x, const struct chat_message *message) {
    struct holds holds = {.texts = false};
    struct json_out *out = x->out;
    if (!look_through(x, message, &holds))
        return false;
    message_begin(x, message, SPAN("assistant"));
    if (holds.texts || (!holds.calls && !holds.refusals)) {
        write_kind(x, SPAN("content"), message->parts, CHAT_PART_TEXT);
    } else {
        json_out_key(out, SPAN("content"));
        json_out_null(out);
    }
    if (holds.refusals)
        write_kind(x, SPAN("refusal"), message->parts, CHAT_PART_REFUSAL);
    /* DeepSeek asks for it in turns with calls, and refuses it in others. */
    if (holds.reasonings && holds.calls && x->spell->quirks & QUIRK_REASONING_BACK)
        write_kind(x, SPAN("reasoning_content"), message->parts, CHAT_PART_REASONING);
    if (holds.calls) {
        json_out_key(out, SPAN("tool_calls"));
        json_out_array(out);
        for (const struct chat_part *part = message->parts; part; part = part->next)
            if (part->kind == CHAT_PART_TOOL_CALL)
                write_call(x, part);
        json_out_array_end(out);
    }
    if (!message->next)
        write_unfinished(x);
    json_out_object_end(out);
    return true;
}

/* --- results --- */

static void write_result(struct openai_spell *x, const struct chat_part *result,
                         const struct chat_message *message, bool *media) {
    bool text = false, other = false;
    for (const struct chat_part *part = result->parts; part; part = part->next) {
        text |= is_text(part);
        other |= !is_text(part);
    }
    message_begin(x, message, SPAN("tool"));
    write_call_id(x, SPAN("tool_call_id"), result->id);
    if (other && !text)
        write_word(x->out, SPAN("content"),
                   result->is_error ? SPAN("Error: what came of it is in the next user message.")
                                    : SPAN("The result is in the next user message."));
    else
        write_texts(x, result->parts, chat_needs_error_word(result) ? SPAN("Error: ") : SPAN(""));
    json_out_object_end(x->out);
    *media |= other;
}

/* Images and files of results have no place in a tool message. */
static bool write_media(struct openai_spell *x, const struct chat_message *message) {
    message_begin(x, message, SPAN("user"));
    json_out_key(x->out, SPAN("content"));
    json_out_array(x->out);
    for (const struct chat_part *result = message->parts; result; result = result->next)
        for (const struct chat_part *part = result->parts; part; part = part->next)
            if (!is_text(part) && !write_part(x, message, part))
                return false;
    parts_end(x);
    json_out_object_end(x->out);
    return true;
}

static bool write_results(struct openai_spell *x, const struct chat_message *message) {
    bool media = false;
    for (const struct chat_part *part = message->parts; part; part = part->next)
        if (part->kind == CHAT_PART_TOOL_RESULT)
            write_result(x, part, message, &media);
    return !media || write_media(x, message);
}

/* A message is demanded, and all that there was may have been left out: a full stop says nothing. */
static void write_placeholder(struct json_out *out) {
    json_out_object(out);
    write_word(out, SPAN("role"), SPAN("user"));
    write_word(out, SPAN("content"), SPAN("."));
    json_out_object_end(out);
}

bool openai_spell_messages(struct openai_spell *x) {
    bool said = true;
    json_out_key(x->out, SPAN("messages"));
    json_out_array(x->out);
    for (const struct chat_message *message = x->prompt->messages; message && said;
         message = message->next) {
        switch (message->role) {
        case CHAT_SYSTEM: said = write_system(x, message); break;
        case CHAT_USER: said = write_user(x, message); break;
        case CHAT_ASSISTANT: said = write_assistant(x, message); break;
        case CHAT_TOOL: said = write_results(x, message); break;
        }
    }
    if (!x->out->comma)
        write_placeholder(x->out);
    json_out_array_end(x->out);
    return said;
}
