/* format_openai.c (pure) - chat completions as OpenAI and Azure answer them: chunks or one body. Facts:
 * OpenAI API specification 2.3.0 and the recordings of both.
 *
 *     preface   Azure: choices [] with prompt_filter_results; OpenAI: nothing
 *     role      delta {role, content ""} for each choice
 *     pieces    one content or tool call delta per event, for each choice
 *     finish    delta {} and finish_reason, for each choice
 *     usage     choices [] and the usage, if the ask wants it
 *     done      data: [DONE]
 */
#include "bench/format_openai.h"

#include <string.h>

enum { OBFUSCATION_MAX = 16 };

static const char FILTERS[] = "{\"hate\":{\"filtered\":false,\"severity\":\"safe\"},"
                              "\"self_harm\":{\"filtered\":false,\"severity\":\"safe\"},"
                              "\"sexual\":{\"filtered\":false,\"severity\":\"safe\"},"
                              "\"violence\":{\"filtered\":false,\"severity\":\"safe\"}}";

static const char *finish_reason(const struct answer *a) {
    static const char *const reasons[] = {
        [ANSWER_STOPPED] = "stop", [ANSWER_CUT] = "length", [ANSWER_CALLED] = "tool_calls"};
    return reasons[a->end];
}

/* ---- chunks ---- */

/* Everything of a chunk in front of its choices (OpenAI), in the order of the recordings. */
static void chunk_open(struct answer *a, struct bytes *out) {
    if (a->kind == SIM_AZURE) {
        bytes_str(out, "data: {\"choices\":[");
        return;
    }
    bytes_fmt(
        out,
        "data: {\"id\":\"%s\",\"object\":\"chat.completion.chunk\",\"created\":%ld,\"model\":\"",
        a->id, a->created_s);
    bytes_json(out, bytes_at(&a->model), bytes_len(&a->model));
    bytes_fmt(out, "\",\"service_tier\":\"default\",\"system_fingerprint\":\"%s\",\"choices\":[",
              a->fingerprint);
}

static void chunk_usage(struct answer *a, struct bytes *out) {
    bytes_fmt(out,
              "{\"prompt_tokens\":%u,\"completion_tokens\":%u,\"total_tokens\":%u,"
              "\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},"
              "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0,"
              "\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}",
              a->prompt_tokens, a->completion_tokens, a->prompt_tokens + a->completion_tokens);
}

static void chunk_close(struct answer *a, struct bytes *out, bool with_usage) {
    bytes_str(out, "]");
    if (a->kind == SIM_AZURE) {
        bytes_fmt(out, ",\"created\":%ld,\"id\":\"%s\",\"model\":\"", a->created_s, a->id);
        bytes_json(out, bytes_at(&a->model), bytes_len(&a->model));
        bytes_fmt(out, "\",\"object\":\"chat.completion.chunk\",\"system_fingerprint\":\"%s\"",
                  a->fingerprint);
    }
    if (with_usage) {
        bytes_str(out, ",\"usage\":");
        chunk_usage(a, out);
    } else if (a->usage) {
        bytes_str(out, ",\"usage\":null");
    }
    if (a->obfuscation) {
        bytes_str(out, ",\"obfuscation\":\"");
        answer_padding(a, OBFUSCATION_MAX, out);
        bytes_str(out, "\"");
    }
    bytes_str(out, "}\n\n");
}

/* A choice's frame around a delta whose inside the caller writes between open and close. */
static void choice_open(struct answer *a, struct bytes *out, unsigned index, bool filtered) {
    chunk_open(a, out);
    if (a->kind == SIM_AZURE)
        bytes_fmt(out, "{\"content_filter_results\":%s,\"delta\":{", filtered ? FILTERS : "{}");
    else
        bytes_fmt(out, "{\"index\":%u,\"delta\":{", index);
}

static void choice_close(struct answer *a, struct bytes *out, unsigned index, const char *finish) {
    const char *quote = finish ? "\"" : "";
    if (a->kind == SIM_AZURE)
        bytes_fmt(out, "},\"finish_reason\":%s%s%s,\"index\":%u,\"logprobs\":null}", quote,
                  finish ? finish : "null", quote, index);
    else
        bytes_fmt(out, "},\"logprobs\":null,\"finish_reason\":%s%s%s}", quote,
                  finish ? finish : "null", quote);
    chunk_close(a, out, false);
}

static void write_preface(struct answer *a, struct bytes *out) {
    if (a->kind == SIM_AZURE)
        bytes_fmt(
            out,
            "data: {\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\","
            "\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":%s}]}\n\n",
            FILTERS);
}

static void write_role(struct answer *a, struct bytes *out) {
    bool tools = a->pieces_count && a->pieces[0].kind == ANSWER_TOOL_HEAD;
    for (unsigned choice = 0; choice < a->choices; choice++) {
        choice_open(a, out, choice, false);
        if (tools)
            bytes_str(out, "\"role\":\"assistant\",\"content\":null");
        else if (a->kind == SIM_AZURE)
            bytes_str(out, "\"content\":\"\",\"role\":\"assistant\"");
        else
            bytes_str(out, "\"role\":\"assistant\",\"content\":\"\",\"refusal\":null");
        choice_close(a, out, choice, NULL);
    }
}

static void write_delta(struct answer *a, const struct answer_piece *p, struct bytes *out) {
    const char *text = a->text.data + p->start;
    switch (p->kind) {
    case ANSWER_TEXT:
        bytes_str(out, "\"content\":\"");
        bytes_json(out, text, p->len);
        bytes_str(out, "\"");
        break;
    case ANSWER_TOOL_HEAD:
        bytes_fmt(out,
                  "\"tool_calls\":[{\"index\":%u,\"id\":\"%s\",\"type\":\"function\","
                  "\"function\":{\"name\":\"%.*s\",\"arguments\":\"\"}}]",
                  p->tool, a->tool_id[p->tool], (int)bytes_len(&a->tool_name),
                  bytes_at(&a->tool_name));
        break;
    case ANSWER_THINKING:
    case ANSWER_SIGNATURE: break; /* this format's requests cannot ask for them */
    case ANSWER_TOOL_ARGUMENTS:
        bytes_fmt(out, "\"tool_calls\":[{\"index\":%u,\"function\":{\"arguments\":\"", p->tool);
        bytes_json(out, text, p->len);
        bytes_str(out, "\"}}]");
        break;
    }
}

static void openai_piece(struct answer *a, size_t index, struct bytes *out) {
    for (unsigned choice = 0; choice < a->choices; choice++) {
        choice_open(a, out, choice, true);
        write_delta(a, &a->pieces[index], out);
        choice_close(a, out, choice, NULL);
    }
}

static void write_finish(struct answer *a, struct bytes *out) {
    for (unsigned choice = 0; choice < a->choices; choice++) {
        choice_open(a, out, choice, false);
        choice_close(a, out, choice, finish_reason(a));
    }
}

static void write_usage(struct answer *a, struct bytes *out) {
    if (!a->usage)
        return;
    chunk_open(a, out);
    chunk_close(a, out, true);
}

static void write_done(struct bytes *out) { bytes_str(out, "data: [DONE]\n\n"); }

/* ---- the whole body ---- */

static void whole_tool_calls(struct answer *a, struct bytes *out) {
    bytes_str(out, "[");
    for (size_t i = 0; i < a->pieces_count; i++) {
        const struct answer_piece *p = &a->pieces[i];
        bool last = i + 1 == a->pieces_count || a->pieces[i + 1].kind == ANSWER_TOOL_HEAD;
        if (p->kind == ANSWER_TOOL_HEAD)
            bytes_fmt(out,
                      "%s{\"id\":\"%s\",\"type\":\"function\",\"function\":{\"name\":\"%.*s\","
                      "\"arguments\":\"",
                      i ? "," : "", a->tool_id[p->tool], (int)bytes_len(&a->tool_name),
                      bytes_at(&a->tool_name));
        else
            bytes_json(out, a->text.data + p->start, p->len);
        if (last)
            bytes_str(out, "\"}}");
    }
    bytes_str(out, "]");
}

static void whole_choice(struct answer *a, unsigned index, struct bytes *out) {
    bool tools = a->pieces_count && a->pieces[0].kind == ANSWER_TOOL_HEAD;
    bytes_fmt(out, "%s{", index ? "," : "");
    if (a->kind == SIM_AZURE)
        bytes_fmt(out, "\"content_filter_results\":%s,", FILTERS);
    bytes_fmt(out, "\"index\":%u,\"message\":{\"role\":\"assistant\",\"content\":", index);
    if (tools) {
        bytes_str(out, "null,\"tool_calls\":");
        whole_tool_calls(a, out);
    } else {
        bytes_str(out, "\"");
        bytes_json(out, a->text.data + a->text.start, bytes_len(&a->text));
        bytes_str(out, "\"");
    }
    bytes_fmt(out,
              ",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"%s\"}",
              finish_reason(a));
}

static void openai_whole(struct answer *a, struct bytes *out) {
    bytes_fmt(out, "{\"id\":\"%s\",\"object\":\"chat.completion\",\"created\":%ld,\"model\":\"",
              a->id, a->created_s);
    bytes_json(out, bytes_at(&a->model), bytes_len(&a->model));
    bytes_str(out, "\",\"choices\":[");
    for (unsigned choice = 0; choice < a->choices; choice++)
        whole_choice(a, choice, out);
    bytes_str(out, "],");
    if (a->kind == SIM_AZURE)
        bytes_fmt(out,
                  "\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":%s}],",
                  FILTERS);
    bytes_str(out, "\"usage\":");
    chunk_usage(a, out);
    bytes_fmt(out, "%s,\"system_fingerprint\":\"%s\"}\n",
              a->kind != SIM_AZURE ? ",\"service_tier\":\"default\"" : "", a->fingerprint);
}

/* ---- the format ---- */

static void openai_open(struct answer *a, struct bytes *out) {
    write_preface(a, out);
    write_role(a, out);
}

static void openai_close(struct answer *a, struct bytes *out) {
    write_finish(a, out);
    write_usage(a, out);
    write_done(out);
}

void format_openai_error(struct bytes *out) {
    bytes_str(out,
              "{\"error\":{\"message\":\"The server had an error while processing your request. "
              "Sorry about that!\",\"type\":\"server_error\",\"param\":null,\"code\":null}}");
}

void format_openai_error_event(struct answer *a, bool late, struct bytes *out) {
    (void)a;
    (void)late;
    bytes_str(out, "data: ");
    format_openai_error(out);
    bytes_str(out, "\n\n");
}

void format_openai_done(struct bytes *out) { write_done(out); }

void format_broken_event(struct answer *a, struct bytes *out) {
    (void)a;
    bytes_str(out, "data: {\"broken\":\n\n");
}

const struct format format_openai = {
    .name = "openai",
    .stream_type = "text/event-stream; charset=utf-8",
    .id_prefix = "chatcmpl-",
    .id_letters = 29, /* as recorded */
    .tool_prefix = "call_",
    .tool_letters = 24,
    .read = format_openai_read,
    .open = openai_open,
    .piece = openai_piece,
    .close = openai_close,
    .nothing = format_openai_done,
    .error_event = format_openai_error_event,
    .garbage = format_broken_event,
    .whole = openai_whole,
    .error_body = format_openai_error,
};
