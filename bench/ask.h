/* ask.h (pure) - reads a chat completion request as strictly as the provider does, and takes from
 * it what a simulated answer depends on.
 *
 * Owns:     copies of the few texts it keeps.
 * Promises: every refusal is the provider's: status, type, code, the parameter's name and a
 *           message like the real one. The order of checks is JSON, unknown members, types, then
 *           meaning.
 * Refuses:  unknown members, wrong types, numbers out of range, roles and tool choices that do not
 *           exist.
 */
#ifndef BENCH_ASK_H
#define BENCH_ASK_H

#include "bench/bytes.h"

#include <stdbool.h>
#include <stddef.h>

enum ask_mode {
    ASK_TEXT, /* made-up words */
    ASK_ECHO, /* the last user message began with "echo:" */
    ASK_TOOLS /* tool calls */
};

enum { ASK_TOOL_CALLS_MAX = 2 };

/* Zero it before the first ask_read(); it may be read into again and again. */
struct ask {
    bool stream, include_usage, include_obfuscation;
    enum ask_mode mode;
    unsigned choices;            /* n */
    unsigned max_tokens;         /* 0: not limited */
    unsigned tool_calls;         /* ASK_TOOLS: how many in each choice */
    unsigned prompt_tokens;      /* a guess from the size of the messages */
    struct bytes model;          /* "" when the body has none (Azure's deployment style) */
    struct bytes echo;           /* ASK_ECHO: the text behind "echo:" and one blank */
    struct bytes tool_name;      /* ASK_TOOLS */
    struct bytes tool_arguments; /* ASK_TOOLS: a JSON object that fits the tool's parameters */
    struct bytes sim_file;       /* metadata.sim_file: which recording to replay; "" if none */
};

/* A refusal. `type` and `code` are constants or "" (null in JSON). */
struct ask_error {
    int status;
    const char *type, *code;
    char param[96]; /* "" is null */
    char message[400];
};

/* Reads the body. `model_in_path`: the deployment comes with the path, "model" may be missing.
 * Returns false with *error filled; *ask then has no meaning. */
bool ask_read(struct ask *ask, const char *body, size_t size, bool model_in_path,
              struct ask_error *error);
void ask_free(struct ask *ask);

#endif
