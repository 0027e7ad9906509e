/* format_gemini.c (pure) - answers as the Gemini API and Vertex AI give them. Facts: recordings of
 * both, and python-genai's types.
 *
 * Each event is a whole GenerateContentResponse; lines end with CRLF; the end is that of the body.
 * Without alt=sse the stream is one JSON array, cut anywhere. Function calls come whole, at the place
 * of the call's first piece.
 */
#include "bench/format_gemini.h"

#include <string.h>

/* The frame of one response in the stream. */
static void event(struct answer *a, struct bytes *out) {
    if (!a->array)
        bytes_str(out, "data: ");
    else
        bytes_str(out, a->sequence ? ",\r\n" : "[");
    a->sequence++;
}

static void event_end(struct answer *a, struct bytes *out) {
    if (!a->array)
        bytes_str(out, "\r\n\r\n");
}

static const char *finish_reason(const struct answer *a) {
    return a->end == ANSWER_CUT ? "MAX_TOKENS" : "STOP";
}

static void write_usage(struct answer *a, struct bytes *out, bool final) {
    unsigned shown = final ? a->completion_tokens : 0;
    unsigned thoughts = a->thinking_tokens * a->choices;
    unsigned candidates = shown > thoughts ? shown - thoughts : 0;
    bytes_fmt(out, "\"usageMetadata\": {\"promptTokenCount\": %u,", a->prompt_tokens);
    if (final)
        bytes_fmt(out, "\"candidatesTokenCount\": %u,", candidates);
    bytes_fmt(out,
              "\"totalTokenCount\": %u,\"promptTokensDetails\": [{\"modality\": \"TEXT\","
              "\"tokenCount\": %u}]",
              a->prompt_tokens + candidates + thoughts, a->prompt_tokens);
    if (thoughts)
        bytes_fmt(out, ",\"thoughtsTokenCount\": %u", thoughts);
    if (a->kind != SIM_GEMINI)
        bytes_str(out, ",\"trafficType\": \"ON_DEMAND\"");
    bytes_str(out, "}");
}

static void write_tail(struct answer *a, struct bytes *out, bool final) {
    bytes_str(out, "],");
    write_usage(a, out, final);
    bytes_str(out, ",\"modelVersion\": \"");
    bytes_json(out, bytes_at(&a->model), bytes_len(&a->model));
    bytes_fmt(out, "\",\"responseId\": \"%s\"}", a->id);
}

/* ---- parts ---- */

/* The first call of a turn carries the signature that has to come back with it. */
static void write_call(struct answer *a, size_t index, struct bytes *out) {
    const struct answer_piece *p = &a->pieces[index];
    bytes_fmt(out,
              "{\"functionCall\": {\"name\": \"%.*s\",\"args\": ", (int)bytes_len(&a->tool_name),
              bytes_at(&a->tool_name));
    answer_block_raw(a, index, out);
    if (a->kind == SIM_GEMINI)
        bytes_fmt(out, ",\"id\": \"%s\"", a->tool_id[p->tool]);
    bytes_str(out, "}");
    if (p->tool == 0)
        bytes_fmt(out, ",\"thoughtSignature\": \"" FORMAT_SIGNED_GEMINI "%s\"", a->fingerprint + 5);
    bytes_str(out, "}");
}

static void write_text(const char *text, size_t len, bool thought, struct bytes *out) {
    bytes_str(out, "{\"text\": \"");
    bytes_json(out, text, len);
    bytes_str(out, thought ? "\",\"thought\": true}" : "\"}");
}

/* One part, or nothing where the piece is not shown by itself. */
static bool write_part(struct answer *a, size_t index, struct bytes *out) {
    const struct answer_piece *p = &a->pieces[index];
    switch (p->kind) {
    case ANSWER_TOOL_HEAD: write_call(a, index, out); return true;
    case ANSWER_TOOL_ARGUMENTS: return false;
    case ANSWER_SIGNATURE:
        /* Gemini 3: an empty text that only carries the signature. */
        bytes_fmt(out, "{\"text\": \"\",\"thoughtSignature\": \"%.*s\"}", (int)p->len,
                  answer_text(a, p));
        return true;
    case ANSWER_THINKING:
    case ANSWER_TEXT: break;
    }
    write_text(answer_text(a, p), p->len, p->kind == ANSWER_THINKING, out);
    return true;
}

static void gemini_nothing_yet(struct answer *a, struct bytes *out) {
    (void)a;
    (void)out;
}

static void gemini_piece(struct answer *a, size_t index, struct bytes *out) {
    if (a->pieces[index].kind == ANSWER_TOOL_ARGUMENTS)
        return;
    for (unsigned choice = 0; choice < a->choices; choice++) {
        event(a, out);
        bytes_str(out, "{\"candidates\": [{\"content\": {\"parts\": [");
        write_part(a, index, out);
        bytes_fmt(out, "],\"role\": \"model\"},\"index\": %u}", choice);
        write_tail(a, out, false);
        event_end(a, out);
    }
}

static void gemini_close(struct answer *a, struct bytes *out) {
    for (unsigned choice = 0; choice < a->choices; choice++) {
        event(a, out);
        bytes_fmt(out,
                  "{\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"\"}],\"role\": "
                  "\"model\"},\"finishReason\": \"%s\",\"index\": %u}",
                  finish_reason(a), choice);
        write_tail(a, out, true);
        event_end(a, out);
    }
    if (a->array)
        bytes_str(out, "\r\n]");
}

/* ---- errors ---- */

static void gemini_error_body(struct bytes *out) {
    bytes_str(out, "{\r\n  \"error\": {\r\n    \"code\": 503,\r\n    \"message\": \"The model is "
                   "overloaded. Please try again later.\",\r\n    \"status\": \"UNAVAILABLE\"\r\n"
                   "  }\r\n}\r\n");
}

/* Behind content the error comes as it was recorded: bare JSON over several lines, not an event. */
static void gemini_error_event(struct answer *a, bool late, struct bytes *out) {
    if (a->array || !late)
        event(a, out);
    if (late) {
        gemini_error_body(out);
    } else {
        bytes_str(out, "{\"error\": {\"code\": 503,\"message\": \"The model is overloaded. Please "
                       "try again later.\",\"status\": \"UNAVAILABLE\"}}");
        event_end(a, out);
    }
    if (a->array)
        bytes_str(out, "]");
}

static void gemini_garbage(struct answer *a, struct bytes *out) {
    event(a, out);
    bytes_str(out, "{\"broken\":");
    event_end(a, out);
}

/* ---- the whole body ---- */

static void write_block(struct answer *a, size_t at, struct bytes *out) {
    const struct answer_piece *p = &a->pieces[at];
    const struct answer_piece *last = &a->pieces[answer_block_end(a, at) - 1];
    if (p->kind == ANSWER_TOOL_HEAD) {
        write_call(a, at, out);
        return;
    }
    bytes_str(out, "{\"text\": \"");
    answer_block_json(a, at, out);
    bytes_str(out, "\"");
    if (p->kind == ANSWER_THINKING)
        bytes_str(out, ",\"thought\": true");
    if (last->kind == ANSWER_SIGNATURE)
        bytes_fmt(out, ",\"thoughtSignature\": \"%.*s\"", (int)last->len, answer_text(a, last));
    bytes_str(out, "}");
}

static void gemini_whole(struct answer *a, struct bytes *out) {
    bytes_str(out, "{\"candidates\": [");
    for (unsigned choice = 0; choice < a->choices; choice++) {
        bytes_str(out, choice ? ",{\"content\": {\"parts\": [" : "{\"content\": {\"parts\": [");
        for (size_t at = 0; at < a->pieces_count; at = answer_block_end(a, at)) {
            bytes_str(out, at ? "," : "");
            write_block(a, at, out);
        }
        bytes_fmt(out, "],\"role\": \"model\"},\"finishReason\": \"%s\",\"index\": %u}",
                  finish_reason(a), choice);
    }
    write_tail(a, out, true);
    bytes_str(out, "\n");
}

const struct format format_gemini = {
    .name = "gemini",
    .stream_type = "text/event-stream",
    .id_prefix = "",
    .id_letters = 22,
    .tool_prefix = "",
    .tool_letters = 8,
    .signature_prefix = FORMAT_SIGNED_GEMINI,
    .read = format_gemini_read,
    .open = gemini_nothing_yet,
    .piece = gemini_piece,
    .close = gemini_close,
    .error_event = gemini_error_event,
    .garbage = gemini_garbage,
    .whole = gemini_whole,
    .error_body = gemini_error_body,
};
