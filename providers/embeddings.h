/* embeddings.h - requests for embeddings in OpenAI's shape, and whether an answer to one is whole.
 * (pure)
 *
 * A request goes on as the client's own bytes with another model, and the answer comes back as the
 * provider's: nothing is converted. Embeddings of different models are not exchangeable, so that
 * what races must be the same model (PROVIDERS.md 4.2).
 *
 * Format: OpenAI API specification 2.3.0, CreateEmbeddingRequest and -Response. */
#ifndef HEDGEROW_PROVIDERS_EMBEDDINGS_H
#define HEDGEROW_PROVIDERS_EMBEDDINGS_H

#include "providers/chat.h"

enum embeddings_input {
    EMBEDDINGS_TEXT,        /* "input": "text" */
    EMBEDDINGS_TEXTS,       /* "input": ["one","two"] */
    EMBEDDINGS_TOKENS,      /* "input": [1,2,3]; at OpenAI and Azure only, as the next */
    EMBEDDINGS_TOKEN_LISTS, /* "input": [[1,2],[3]] */
};

/* Spans point into the body, which outlives it, or into the arena. */
struct embeddings_request {
    struct span body;
    struct span model;           /* decoded */
    struct span model_value;     /* with its quotes, for the edit */
    struct span input_value;     /* JSON text */
    struct span encoding_format; /* raw; "float", "base64", or empty: not said */
    struct span user;            /* raw; may be empty */
    enum embeddings_input input;
    unsigned inputs;                /* embeddings that are asked for, at least 1 */
    uint64_t dimensions;            /* 0: not said */
    uint64_t input_tokens_estimate; /* tokens, or bytes of text / 4; at least 1 */
};

/* Reads a client's body. 0, or -FAIL_BAD_REQUEST with *why: a sentence that says what to do, and
 * *param: the member's name (may be empty), both in the arena or static. -FAIL_OVERLOAD when memory
 * is used up. */
int embeddings_read_request(struct span body, struct arena *arena, struct embeddings_request *out,
                            struct span *why, struct span *param);
/* The body for a backend of the same shape, as edits of the client's own: its name for the model,
 * unless quirks (enum provider_quirk) say that the body's is not read. Number of edits, at most
 * CHAT_EDITS_MAX; -FAIL_OVERLOAD. */
int embeddings_edit(const struct embeddings_request *req, struct span model, unsigned quirks,
                    struct arena *arena, struct chat_edit *edits);
/* Is the body of a 200 a whole answer: an object with a `data` array of embeddings? 0 with *usage
 * (usage->raw points into the body; usage->known false: there was none), or
 * -FAIL_EMPTY        no bytes, or no embeddings
 * -FAIL_BAD_EVENT    anything else, HTML for one
 * -FAIL_INCOMPLETE   JSON that ends too early
 * -FAIL_ERROR_EVENT  an `error`, or what it says by its code (openai_errors.def) */
int embeddings_check_body(struct span body, struct chat_usage *usage);

#endif
