/* converse_part.c - content blocks: texts, images, documents, tool calls, their results, reasoning.
 * (pure)
 *
 * Promises: what a block cannot say is found out before it is begun (judge), so that nothing is left
 *           half written. Names of documents are those of the client, cleaned, and no two alike.
 * Refuses:  images by URL (nothing is fetched here), audio. */
#include "providers/converse.h"
#include "providers/provider.h"

#include <limits.h>

/* ToolUseId, DocumentBlockNameString of the service model. */
#define ID_BYTES_MAX   64
#define NAME_BYTES_MAX 200
/* Room for "-4294967295" behind a name. */
#define NAME_BYTES_CUT (NAME_BYTES_MAX - 11)
#define NAME_DEFAULT   SPAN("document")

struct media {
    struct span type, format;
};
static const struct media image_rows[] = {
#define CONVERSE_IMAGE(type, format) {SPAN_CONST(type), SPAN_CONST(format)},
#define CONVERSE_DOCUMENT(type, format)
#include "providers/converse_media.def"
#undef CONVERSE_IMAGE
#undef CONVERSE_DOCUMENT
    {{NULL, 0}, {NULL, 0}},
};
static const struct media document_rows[] = {
#define CONVERSE_IMAGE(type, format)
#define CONVERSE_DOCUMENT(type, format) {SPAN_CONST(type), SPAN_CONST(format)},
#include "providers/converse_media.def"
#undef CONVERSE_IMAGE
#undef CONVERSE_DOCUMENT
    {{NULL, 0}, {NULL, 0}},
};

/* --- what can be written --- */

static struct span format_of_type(const struct media *rows, struct span type) {
    type = span_trim(span_of(type.p, span_find(type, ';', 0)));
    while (rows->type.p && !span_eq_nocase(rows->type, type))
        rows++;
    return rows->format;
}

/* By the end of an object's name: "jpg" is found behind the slash of "image/jpg". */
static struct span format_of_name(const struct media *rows, struct span name) {
    size_t dot = name.n;
    while (dot > 0 && name.p[dot - 1] != '.')
        dot--;
    struct span end = span_from(name, dot);
    for (; rows->type.p && dot > 0; rows++)
        if (span_eq_nocase(end, rows->format) ||
            span_eq_nocase(end, span_from(rows->type, span_find(rows->type, '/', 0) + 1)))
            return rows->format;
    return span_of(NULL, 0);
}

/* An image or document, as it is to be written. */
struct source {
    struct span format;    /* empty: it cannot be */
    struct span bytes, s3; /* one of them, or the part's text */
};

static bool is_image(const struct chat_part *part) { return part->kind == CHAT_PART_IMAGE; }

/* An S3 object is read with the operator's role: clients may name one only where the operator lets
 * them. */
static struct source source_of(const struct converse_write *w, const struct chat_part *part) {
    const struct media *rows = is_image(part) ? image_rows : document_rows;
    struct source source = {.bytes = part->data};
    bool s3 = w->spell->quirks & QUIRK_S3_LOCATIONS;
    if (s3 && !source.bytes.n && span_starts(part->url, SPAN("s3://")))
        source.s3 = part->url;
    if (!source.bytes.n && !source.s3.n && part->text.n && !is_image(part))
        source.format = SPAN("txt");
    if (source.bytes.n || source.s3.n)
        source.format = format_of_type(rows, part->media_type);
    if (source.s3.n && !source.format.n)
        source.format = format_of_name(rows, source.s3);
    return source;
}

static const char *why_no_source(const struct chat_part *part, const struct source *source) {
    if (source->format.n)
        return NULL;
    if (!is_image(part))
        return source->bytes.n || source->s3.n
                   ? "Bedrock takes pdf, csv, doc, docx, xls, xlsx, html, txt and md documents"
                   : "Bedrock fetches nothing; send the document's bytes as base64";
    return source->bytes.n || source->s3.n
               ? "Bedrock takes png, jpeg, gif and webp images"
               : "Bedrock fetches nothing; send the image as a data: URL";
}

/* Images and documents stand in the user's turns only, as what a user or a tool shows. */
static const char *why_not(const struct converse_write *w, const struct chat_message *m,
                           const struct chat_part *part) {
    struct source source;
    switch (part->kind) {
    case CHAT_PART_TEXT:
    case CHAT_PART_REFUSAL:
    case CHAT_PART_REASONING:
    case CHAT_PART_REDACTED:
    case CHAT_PART_TOOL_RESULT: return NULL;
    case CHAT_PART_IMAGE:
    case CHAT_PART_DOCUMENT:
        source = source_of(w, part);
        return m->role == CHAT_ASSISTANT ? "stands in the assistant's turn, where Bedrock has none"
                                         : why_no_source(part, &source);
    case CHAT_PART_AUDIO: return "Bedrock has no audio input";
    case CHAT_PART_TOOL_CALL:
        return part->custom ? "a custom tool's call, whose input is no JSON object"
               : !chat_is_tool_name(part->name)
                   ? "Bedrock takes tool names of 1 to 64 letters, digits, _ and -"
                   : NULL;
    }
    return NULL;
}

/* Only Claude can read what Claude has signed; of others nothing is sent back, as their own APIs
 * demand of nobody. */
static bool is_readable(const struct converse_write *w, const struct chat_message *m,
                        const struct chat_part *part) {
    return w->claude && m->role == CHAT_ASSISTANT && part->signer == CHAT_SIGNER_ANTHROPIC;
}

bool converse_has_block(const struct converse_write *w, const struct chat_message *m,
                        const struct chat_part *part) {
    switch (part->kind) {
    case CHAT_PART_TEXT:
    case CHAT_PART_REFUSAL: return !chat_is_blank(part->text);
    case CHAT_PART_REASONING: return part->signature.n && is_readable(w, m, part);
    case CHAT_PART_REDACTED: return part->data.n && is_readable(w, m, part);
    /* The turn that a call stands in is not the same without it: it is written as it can be. */
    case CHAT_PART_TOOL_CALL:
    case CHAT_PART_TOOL_RESULT: return true;
    case CHAT_PART_IMAGE:
    case CHAT_PART_DOCUMENT:
    case CHAT_PART_AUDIO: break;
    }
    return !why_not(w, m, part);
}

bool converse_judge_part(struct converse_write *w, const struct chat_message *m,
                         const struct chat_part *part, bool *take) {
    const char *why = why_not(w, m, part);
    *take = converse_has_block(w, m, part);
    return !why || chat_lose_part(w->spell->losses, w->arena, m, part, span_str(why));
}

/* --- images and documents --- */

static bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("()[]", c));
}

/* Does a name end as if it had been numbered here? */
static bool is_numbered(struct span name) {
    size_t at = name.n;
    while (at > 0 && name.p[at - 1] >= '0' && name.p[at - 1] <= '9')
        at--;
    return at > 0 && at < name.n && name.p[at - 1] == '-';
}

/* Letters, digits, brackets; runs of anything else become one blank or hyphen. From the second on
 * they are numbered, whether or not a name came twice, so that a conversation which grows keeps the
 * names of its beginning, by which the provider's prompt cache finds it again. */
static bool write_name(struct converse_write *w, struct span raw) {
    char name[NAME_BYTES_MAX], *text = arena_alloc(w->arena, raw.n + 1);
    size_t n = 0;
    long text_n = text ? json_decode(raw, true, text, raw.n) : 0;
    if (!text)
        return converse_full(w);
    for (long i = 0; i < text_n && n < NAME_BYTES_CUT; i++) {
        bool gap = n > 0 && (name[n - 1] == ' ' || name[n - 1] == '-');
        if (is_name_char(text[i]))
            name[n++] = text[i];
        else if (!gap && n > 0)
            name[n++] = text[i] == ' ' ? ' ' : '-';
    }
    while (n > 0 && (name[n - 1] == ' ' || name[n - 1] == '-'))
        n--;
    struct span clean = n ? span_of(name, n) : NAME_DEFAULT;
    w->documents++;
    if (w->documents > 1 || is_numbered(clean))
        clean = arena_printf(w->arena, "%.*s-%u", (int)clean.n, clean.p, w->documents);
    if (!clean.p)
        return converse_full(w);
    converse_write_text(w->out, SPAN("name"), clean);
    return true;
}

/* The bytes of a plain text in base64: sources of kind `text` are newer than many models. */
static bool write_text_bytes(struct converse_write *w, struct span raw) {
    char *text = arena_alloc(w->arena, raw.n + 1);
    long n = text ? json_decode(raw, true, text, raw.n) : -1;
    if (!text)
        return converse_full(w);
    json_out_key(w->out, SPAN("bytes"));
    converse_write_wrapped(w->out, span_of(text, n > 0 ? (size_t)n : 0));
    return true;
}

static bool write_source(struct converse_write *w, const struct chat_part *part) {
    struct source source = source_of(w, part);
    bool ok = true;
    converse_open_block(w->out, is_image(part) ? SPAN("image") : SPAN("document"));
    converse_write_text(w->out, SPAN("format"), source.format);
    if (!is_image(part) && !write_name(w, part->name))
        return false;
    converse_open(w->out, SPAN("source"));
    if (source.bytes.n) {
        converse_write_text(w->out, SPAN("bytes"), source.bytes);
    } else if (source.s3.n) {
        converse_open(w->out, SPAN("s3Location"));
        converse_write_text(w->out, SPAN("uri"), source.s3);
        json_out_object_end(w->out);
    } else {
        ok = write_text_bytes(w, part->text);
    }
    json_out_object_end(w->out);
    json_out_object_end(w->out);
    json_out_object_end(w->out);
    return ok;
}

/* --- texts --- */

static void write_text(struct converse_write *w, struct span raw) {
    json_out_object(w->out);
    converse_write_text(w->out, SPAN("text"), raw);
    json_out_object_end(w->out);
}

/* --- tool calls and results --- */

/* ToolUseId of the service model: dots and colons, too. Kimi makes its ids of them, and wants them
 * back; Claude refuses them behind Converse as it does elsewhere. */
static bool is_tool_id(const struct converse_write *w, struct span id) {
    if (w->claude || id.n == 0 || id.n > ID_BYTES_MAX)
        return false;
    for (size_t i = 0; i < id.n; i++) {
        struct span byte = span_of(id.p + i, 1);
        if (!chat_is_tool_name(byte) && *byte.p != '.' && *byte.p != ':')
            return false;
    }
    return true;
}

static bool write_id(struct converse_write *w, struct span id) {
    struct span safe = is_tool_id(w, id) ? id : chat_safe_id(id, ID_BYTES_MAX, w->arena);
    if (!safe.p)
        return converse_full(w);
    converse_write_text(w->out, SPAN("toolUseId"), safe);
    return true;
}

/* A name that Bedrock takes, of one that it does not and that chat_lose let pass. */
static struct span safe_name(struct converse_write *w, struct span name) {
    if (chat_is_tool_name(name))
        return name;
    return chat_safe_id(name, ID_BYTES_MAX, w->arena);
}

static bool write_call(struct converse_write *w, const struct chat_part *part) {
    struct span name = safe_name(w, part->name);
    converse_open_block(w->out, SPAN("toolUse"));
    if (!write_id(w, part->id) || !name.p)
        return converse_full(w);
    converse_write_text(w->out, SPAN("name"), name);
    json_out_key(w->out, SPAN("input"));
    if (part->custom) {
        json_out_object(w->out);
        json_out_key(w->out, SPAN("input"));
        json_out_escaped(w->out, part->text);
        json_out_object_end(w->out);
    } else {
        json_out_value(w->out, part->input.n ? part->input : SPAN("{}"));
    }
    json_out_object_end(w->out);
    json_out_object_end(w->out);
    return true;
}

static bool write_result(struct converse_write *w, const struct chat_message *m,
                         const struct chat_part *result) {
    bool status = w->claude || w->nova; /* other families answer 400 to it */
    converse_open_block(w->out, SPAN("toolResult"));
    if (!write_id(w, result->id))
        return false;
    json_out_key(w->out, SPAN("content"));
    json_out_array(w->out);
    if (!status && chat_needs_error_word(result))
        write_text(w, SPAN("Error:"));
    for (const struct chat_part *part = result->parts; part; part = part->next) {
        bool take;
        if (!converse_judge_part(w, m, part, &take))
            return false;
        /* Results hold what a tool can show; a call inside of one is nothing of ours. */
        if (take && part->kind != CHAT_PART_TOOL_CALL && part->kind != CHAT_PART_TOOL_RESULT &&
            !converse_write_part(w, m, part))
            return false;
    }
    json_out_array_end(w->out);
    if (result->is_error && status)
        converse_write_text(w->out, SPAN("status"), SPAN("error"));
    json_out_object_end(w->out);
    json_out_object_end(w->out);
    return true;
}

/* --- reasoning --- */

static void write_reasoning(struct converse_write *w, const struct chat_part *part) {
    converse_open_block(w->out, SPAN("reasoningContent"));
    if (part->kind == CHAT_PART_REDACTED) {
        json_out_key(w->out, SPAN("redactedContent"));
        converse_write_wrapped(w->out, part->data);
    } else {
        converse_open(w->out, SPAN("reasoningText"));
        /* Also when it is empty: models that do not show their thinking sign it all the same. */
        json_out_key(w->out, SPAN("text"));
        json_out_escaped(w->out, part->text);
        converse_write_text(w->out, SPAN("signature"), part->signature);
        json_out_object_end(w->out);
    }
    json_out_object_end(w->out);
    json_out_object_end(w->out);
}

bool converse_write_part(struct converse_write *w, const struct chat_message *m,
                         const struct chat_part *part) {
    switch (part->kind) {
    case CHAT_PART_TEXT:
    case CHAT_PART_REFUSAL:
        write_text(w, part == w->prefill ? chat_trim_end(part->text) : part->text);
        return true;
    case CHAT_PART_IMAGE:
    case CHAT_PART_DOCUMENT: return write_source(w, part);
    case CHAT_PART_REASONING:
    case CHAT_PART_REDACTED: write_reasoning(w, part); return true;
    case CHAT_PART_TOOL_CALL: return write_call(w, part);
    case CHAT_PART_TOOL_RESULT: return write_result(w, m, part);
    case CHAT_PART_AUDIO: break;
    }
    return true;
}
