/* answer.c (pure) - simulated answers in the providers' wire formats; see answer.h. */
#include "bench/answer.h"

#include <stdlib.h>
#include <string.h>

enum {
    ID_LETTERS = 29,     /* chatcmpl- and 29 letters, as recorded */
    CALL_LETTERS = 24,   /* call_ and 24 letters */
    ARGUMENTS_BYTES = 7, /* of a piece of tool arguments */
    OBFUSCATION_MAX = 16
};

static const char FILTERS[] = "{\"hate\":{\"filtered\":false,\"severity\":\"safe\"},"
                              "\"self_harm\":{\"filtered\":false,\"severity\":\"safe\"},"
                              "\"sexual\":{\"filtered\":false,\"severity\":\"safe\"},"
                              "\"violence\":{\"filtered\":false,\"severity\":\"safe\"}}";

/* ---- composing ---- */

static void add_piece(struct answer *a, struct answer_piece piece) {
    if (a->pieces_count == a->pieces_capacity) {
        size_t capacity = a->pieces_capacity ? a->pieces_capacity * 2 : 64;
        struct answer_piece *grown = bytes_alloc(capacity, sizeof *grown);
        if (a->pieces_count)
            memcpy(grown, a->pieces, a->pieces_count * sizeof *grown);
        free(a->pieces);
        a->pieces = grown;
        a->pieces_capacity = capacity;
    }
    a->pieces[a->pieces_count++] = piece;
}

static void add_text(struct answer *a, enum answer_piece_kind kind, unsigned tool, const char *text,
                     size_t len) {
    struct answer_piece piece = {kind, tool, (uint32_t)a->text.end, (uint32_t)len};
    bytes_add(&a->text, text, len);
    add_piece(a, piece);
}

/* Words of different lengths, some of them beyond ASCII and one that JSON must escape. */
static void compose_words(struct answer *a, uint64_t count) {
    static const char *const words[] = {"the",
                                        "first",
                                        "token",
                                        "wins",
                                        "while",
                                        "others",
                                        "wait",
                                        "quietly",
                                        "in",
                                        "a",
                                        "hedge",
                                        "of",
                                        "clouds",
                                        "na\xc3\xafve",
                                        "caf\xc3\xa9",
                                        "\"quoted\"",
                                        "streams",
                                        "run",
                                        "\xe6\x97\xa5\xe6\x9c\xac",
                                        "dry",
                                        "and",
                                        "\xf0\x9f\x8c\xb3",
                                        "grow",
                                        "again"};
    for (uint64_t i = 0; i < count; i++) {
        const char *word = words[dice_below(&a->dice, sizeof words / sizeof words[0])];
        char text[32] = " ";
        memcpy(text + 1, word, strlen(word) + 1);
        size_t skip = i ? 0 : 1; /* no blank in front of the first word */
        add_text(a, ANSWER_TEXT, 0, text + skip, strlen(text) - skip);
    }
}

/* The words of the text, each with the blanks in front of it: put together they are the text. */
static void compose_echo(struct answer *a, const char *text, size_t len) {
    for (size_t at = 0; at < len;) {
        size_t end = at;
        while (end < len && (text[end] == ' ' || text[end] == '\n'))
            end++;
        while (end < len && text[end] != ' ' && text[end] != '\n')
            end++;
        add_text(a, ANSWER_TEXT, 0, text + at, end - at);
        at = end;
    }
}

/* Cuts behind `most` bytes at the latest, never inside a UTF-8 character: each delta is a JSON
 * string. */
static size_t cut_arguments(const char *text, size_t len, size_t most) {
    if (len <= most)
        return len;
    while (most && ((unsigned char)text[most] & 0xc0) == 0x80)
        most--;
    return most;
}

static void compose_tools(struct answer *a, const struct ask *ask) {
    struct bytes name = ask->tool_name, arguments = ask->tool_arguments;
    bytes_add(&a->tool_name, bytes_at(&name), bytes_len(&name));
    for (unsigned tool = 0; tool < ask->tool_calls; tool++) {
        memcpy(a->tool_id[tool], "call_", 5);
        dice_name(&a->dice, a->tool_id[tool] + 5, CALL_LETTERS);
        add_piece(a, (struct answer_piece){ANSWER_TOOL_HEAD, tool, 0, 0});
        for (size_t at = 0; at < bytes_len(&arguments);) {
            const char *rest = bytes_at(&arguments) + at;
            size_t len = cut_arguments(rest, bytes_len(&arguments) - at, ARGUMENTS_BYTES);
            add_text(a, ANSWER_TOOL_ARGUMENTS, tool, rest, len);
            at += len;
        }
    }
}

void answer_compose(struct answer *a, const struct ask *ask, const struct answer_settings *settings,
                    const struct dice *dice) {
    a->kind = settings->kind;
    a->usage = ask->include_usage;
    a->obfuscation =
        settings->kind == SIM_OPENAI && settings->obfuscation && ask->include_obfuscation;
    a->choices = ask->choices;
    a->prompt_tokens = ask->prompt_tokens;
    a->created_s = settings->created_s;
    a->dice = *dice;
    a->pieces_count = 0;
    bytes_clear(&a->text);
    bytes_clear(&a->model);
    bytes_clear(&a->tool_name);
    bytes_str(&a->model, settings->model);
    memcpy(a->id, "chatcmpl-", 9);
    dice_name(&a->dice, a->id + 9, ID_LETTERS);
    memcpy(a->fingerprint, "fp_", 3);
    dice_name(&a->dice, a->fingerprint + 3, 10);
    a->finish_reason = "stop";
    switch (ask->mode) {
    case ASK_TEXT: compose_words(a, settings->tokens); break;
    case ASK_ECHO: compose_echo(a, ask->echo.data + ask->echo.start, bytes_len(&ask->echo)); break;
    case ASK_TOOLS:
        compose_tools(a, ask);
        a->finish_reason = "tool_calls";
        break;
    }
    if (ask->mode != ASK_TOOLS && ask->max_tokens && a->pieces_count > ask->max_tokens) {
        const struct answer_piece *last = &a->pieces[ask->max_tokens - 1];
        a->pieces_count = ask->max_tokens;
        a->text.end = last->start + last->len;
        a->finish_reason = "length";
    }
    a->completion_tokens = (unsigned)a->pieces_count * a->choices;
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
        char padding[OBFUSCATION_MAX + 1];
        dice_name(&a->dice, padding, 1 + (unsigned)dice_below(&a->dice, OBFUSCATION_MAX));
        bytes_fmt(out, ",\"obfuscation\":\"%s\"", padding);
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

void answer_preface(struct answer *a, struct bytes *out) {
    if (a->kind == SIM_AZURE)
        bytes_fmt(
            out,
            "data: {\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\","
            "\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":%s}]}\n\n",
            FILTERS);
}

void answer_role(struct answer *a, struct bytes *out) {
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

static void write_piece(struct answer *a, const struct answer_piece *p, struct bytes *out) {
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
    case ANSWER_TOOL_ARGUMENTS:
        bytes_fmt(out, "\"tool_calls\":[{\"index\":%u,\"function\":{\"arguments\":\"", p->tool);
        bytes_json(out, text, p->len);
        bytes_str(out, "\"}}]");
        break;
    }
}

void answer_piece(struct answer *a, size_t index, struct bytes *out) {
    for (unsigned choice = 0; choice < a->choices; choice++) {
        choice_open(a, out, choice, true);
        write_piece(a, &a->pieces[index], out);
        choice_close(a, out, choice, NULL);
    }
}

void answer_finish(struct answer *a, struct bytes *out) {
    for (unsigned choice = 0; choice < a->choices; choice++) {
        choice_open(a, out, choice, false);
        choice_close(a, out, choice, a->finish_reason);
    }
}

void answer_usage(struct answer *a, struct bytes *out) {
    if (!a->usage)
        return;
    chunk_open(a, out);
    chunk_close(a, out, true);
}

void answer_done(struct bytes *out) { bytes_str(out, "data: [DONE]\n\n"); }

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
              a->finish_reason);
}

void answer_whole(struct answer *a, struct bytes *out) {
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
              a->kind == SIM_OPENAI ? ",\"service_tier\":\"default\"" : "", a->fingerprint);
}

void answer_free(struct answer *a) {
    bytes_free(&a->model);
    bytes_free(&a->tool_name);
    bytes_free(&a->text);
    free(a->pieces);
    *a = (struct answer){0};
}
