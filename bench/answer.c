/* answer.c (pure) - simulated answers, composed piece by piece; see answer.h. */
#include "bench/answer.h"
#include "bench/format.h"

#include <stdlib.h>
#include <string.h>

enum {
    FINGERPRINT_LETTERS = 10,
    ARGUMENTS_BYTES = 7, /* of a piece of tool arguments */
    THOUGHTS = 4,        /* pieces of thinking, when it is shown */
    SIGNATURE_LETTERS = 64
};

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
    struct answer_piece piece = {kind, tool, (uint32_t)a->text.end, (uint32_t)len, 0, 0, 0};
    bytes_add(&a->text, text, len);
    add_piece(a, piece);
}

/* Words of different lengths, some of them beyond ASCII and one that JSON must escape. */
static void compose_words(struct answer *a, enum answer_piece_kind kind, uint64_t count) {
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
        add_text(a, kind, 0, text + skip, strlen(text) - skip);
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
    size_t skip = strlen(a->format->tool_prefix);
    bytes_add(&a->tool_name, bytes_at(&name), bytes_len(&name));
    for (unsigned tool = 0; tool < ask->tool_calls; tool++) {
        memcpy(a->tool_id[tool], a->format->tool_prefix, skip);
        dice_name(&a->dice, a->tool_id[tool] + skip, a->format->tool_letters);
        add_piece(a,
                  (struct answer_piece){ANSWER_TOOL_HEAD, tool, (uint32_t)a->text.end, 0, 0, 0, 0});
        for (size_t at = 0; at < bytes_len(&arguments);) {
            const char *rest = bytes_at(&arguments) + at;
            size_t len = cut_arguments(rest, bytes_len(&arguments) - at, ARGUMENTS_BYTES);
            add_text(a, ANSWER_TOOL_ARGUMENTS, tool, rest, len);
            at += len;
        }
    }
}

static void compose_thoughts(struct answer *a, bool hidden) {
    char signature[SIGNATURE_LETTERS + 1];
    size_t skip = strlen(a->format->signature_prefix);
    if (!hidden)
        compose_words(a, ANSWER_THINKING, THOUGHTS);
    a->thinking_tokens = THOUGHTS;
    memcpy(signature, a->format->signature_prefix, skip);
    /* A multiple of four letters: readers may take it for base64. */
    dice_name(&a->dice, signature + skip, SIGNATURE_LETTERS - (unsigned)skip);
    add_text(a, ANSWER_SIGNATURE, 0, signature, SIGNATURE_LETTERS);
}

/* ---- blocks ---- */

static bool begins_block(const struct answer_piece *p, const struct answer_piece *before) {
    return p->kind == ANSWER_TOOL_HEAD || (p->kind == ANSWER_TEXT && before->kind != ANSWER_TEXT) ||
           (p->kind == ANSWER_THINKING && before->kind != ANSWER_THINKING);
}

static void mark_blocks(struct answer *a) {
    unsigned block = 0;
    for (size_t i = 0; i < a->pieces_count; i++) {
        struct answer_piece *p = &a->pieces[i];
        p->first = i == 0 || begins_block(p, p - 1);
        block += i && p->first;
        p->block = block;
        if (i)
            p[-1].last = p->first;
        p->last = i + 1 == a->pieces_count;
    }
}

size_t answer_block_end(const struct answer *a, size_t index) {
    while (index < a->pieces_count && !a->pieces[index].last)
        index++;
    return index + 1;
}

void answer_block_json(const struct answer *a, size_t index, struct bytes *out) {
    for (size_t end = answer_block_end(a, index); index < end; index++)
        if (a->pieces[index].kind != ANSWER_SIGNATURE)
            bytes_json(out, answer_text(a, &a->pieces[index]), a->pieces[index].len);
}

void answer_block_raw(const struct answer *a, size_t index, struct bytes *out) {
    for (size_t end = answer_block_end(a, index); index < end; index++)
        if (a->pieces[index].kind != ANSWER_SIGNATURE)
            bytes_add(out, answer_text(a, &a->pieces[index]), a->pieces[index].len);
}

bool answer_calls(const struct answer *a) { return a->end == ANSWER_CALLED; }

void answer_padding(struct answer *a, unsigned most, struct bytes *out) {
    unsigned len = 1 + (unsigned)dice_below(&a->dice, most);
    dice_name(&a->dice, bytes_room(out, len + 1), len);
    out->end += len;
}

/* ---- the whole ---- */

static void take_settings(struct answer *a, const struct ask *ask,
                          const struct answer_settings *settings, const struct dice *dice) {
    struct bytes previous = ask->previous, inputs = ask->inputs;
    a->format = settings->format;
    a->kind = settings->kind;
    a->usage = ask->include_usage;
    a->obfuscation =
        settings->kind != SIM_AZURE && settings->obfuscation && ask->include_obfuscation;
    a->array = ask->array;
    a->base64 = ask->base64;
    a->store = ask->store;
    a->dimensions = ask->dimensions;
    a->choices = ask->choices;
    a->prompt_tokens = ask->prompt_tokens;
    a->created_s = settings->created_s;
    a->dice = *dice;
    a->sequence = a->thinking_tokens = 0;
    a->pieces_count = 0;
    bytes_clear(&a->text);
    bytes_clear(&a->model);
    bytes_clear(&a->tool_name);
    bytes_clear(&a->previous);
    bytes_clear(&a->inputs);
    bytes_str(&a->model, settings->model);
    bytes_add(&a->previous, bytes_at(&previous), bytes_len(&previous));
    bytes_add(&a->inputs, bytes_at(&inputs), bytes_len(&inputs));
    size_t skip = strlen(a->format->id_prefix);
    memcpy(a->id, a->format->id_prefix, skip);
    dice_name(&a->dice, a->id + skip, a->format->id_letters);
    memcpy(a->fingerprint, "fp_", 3);
    dice_name(&a->dice, a->fingerprint + 3, FINGERPRINT_LETTERS);
}

static void compose_content(struct answer *a, const struct ask *ask, uint64_t tokens) {
    a->end = ANSWER_STOPPED;
    if (ask->thinking)
        compose_thoughts(a, ask->thinking_hidden);
    switch (ask->mode) {
    case ASK_TEXT: compose_words(a, ANSWER_TEXT, tokens); break;
    case ASK_ECHO: compose_echo(a, ask->echo.data + ask->echo.start, bytes_len(&ask->echo)); break;
    case ASK_TOOLS:
        compose_tools(a, ask);
        a->end = ANSWER_CALLED;
        break;
    }
    if (ask->mode != ASK_TOOLS && ask->max_tokens && a->pieces_count > ask->max_tokens) {
        const struct answer_piece *last = &a->pieces[ask->max_tokens - 1];
        a->pieces_count = ask->max_tokens;
        a->text.end = last->start + last->len;
        a->end = ANSWER_CUT;
    }
}

void answer_compose(struct answer *a, const struct ask *ask, const struct answer_settings *settings,
                    const struct dice *dice) {
    take_settings(a, ask, settings, dice);
    if (settings->empty)
        a->end = ANSWER_STOPPED;
    else
        compose_content(a, ask, settings->tokens);
    mark_blocks(a);
    a->completion_tokens = (unsigned)a->pieces_count * a->choices;
}

void answer_free(struct answer *a) {
    bytes_free(&a->model);
    bytes_free(&a->tool_name);
    bytes_free(&a->previous);
    bytes_free(&a->inputs);
    bytes_free(&a->text);
    free(a->pieces);
    *a = (struct answer){0};
}
