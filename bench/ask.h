/* ask.h (pure) - what a simulated answer depends on, whatever the wire format of the request was.
 *
 *     last user text        the answer
 *     echo: TEXT            TEXT again
 *     replay:NAME           the recording NAME of the cloud's replay folder
 *     ... and behind it     what of TEXT remains, when the turn of the assistant that ends the request is
 *     an unfinished turn    its beginning: a model that goes on with a prefilled turn
 *     anything else         made-up words, or a call of the first tool where the format's reader
 *                           says so
 *
 * Owns:     copies of the few texts it keeps.
 * Promises: the conventions above mean the same in every format; each format's own reader (format.h)
 *           fills the rest.
 */
#ifndef BENCH_ASK_H
#define BENCH_ASK_H

#include "bench/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <yyjson.h>

enum ask_mode {
    ASK_TEXT, /* made-up words */
    ASK_ECHO, /* the last user message began with "echo:" */
    ASK_TOOLS /* tool calls */
};

enum {
    ASK_TOOL_CALLS_MAX = 2,
    ASK_BYTES_PER_TOKEN = 4 /* the usual rule of thumb for English */
};

/* Zero it before the first reading; it may be read into again and again. */
struct ask {
    bool stream, include_usage, include_obfuscation;
    bool array;           /* Gemini without alt=sse: the stream is one JSON array */
    bool thinking;        /* thoughts come in front of the answer */
    bool thinking_hidden; /* of them only the signature is shown */
    bool store;           /* Responses: the answer may be referred to later */
    bool base64;          /* embeddings: not as numbers */
    enum ask_mode mode;
    unsigned choices;            /* n */
    unsigned max_tokens;         /* 0: not limited */
    unsigned tool_calls;         /* ASK_TOOLS: how many in each choice */
    unsigned prompt_tokens;      /* a guess from the size of the messages */
    unsigned dimensions;         /* embeddings */
    struct bytes model;          /* "" when the body has none (it stands in the path) */
    struct bytes echo;           /* ASK_ECHO: the text behind "echo:" and one blank */
    struct bytes tool_name;      /* ASK_TOOLS */
    struct bytes tool_arguments; /* ASK_TOOLS: a JSON object that fits the tool's parameters */
    struct bytes sim_file;       /* which recording to replay; "" if none */
    struct bytes previous;       /* Responses: previous_response_id; "" if none */
    struct bytes inputs;         /* embeddings: a uint64_t of each text, in order */
};

/* A refusal in no provider's shape yet. `type` and `code` are constants or "" (null in JSON). */
struct ask_error {
    int status;
    const char *type, *code;
    char param[96]; /* "" is null */
    char message[400];
};

/* The last user turn and the tools, as a format's reader found them. */
struct ask_wish {
    struct bytes *said; /* the last user text, borrowed */
    yyjson_val *begun;  /* the message that is to be gone on with; NULL: there is none */
    bool results;       /* the last turn brings results of tools: no further call follows */
    bool called;        /* a tool is to be called if there is one */
    bool single;        /* not several calls at once */
    yyjson_val *name;   /* of the tool to call; NULL: there is none */
    yyjson_val *schema; /* of its arguments; NULL: it takes none */
};

/* Forgets what was read, keeps the memory. */
void ask_clear(struct ask *ask);
void ask_free(struct ask *ask);

/* Decides by the conventions above what the answer is; ask_clear() went before. */
void ask_take_wish(struct ask *ask, const struct ask_wish *wish);
/* Appends a JSON string's text; nothing for other values. */
void ask_take_text(struct bytes *out, yyjson_val *v);

/* Sets *e and returns false: a reader's refusal of a request. */
bool ask_error_set(struct ask_error *e, int status, const char *type, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
