/* embeddings.h - requests for embeddings in OpenAI's shape, and whether an answer to one is whole.
 * (pure)
 *
 * To a backend of OpenAI's shape a request goes as the client's own bytes with another model, and
 * the answer comes back as the provider's. For clouds with an API of their own (Bedrock, Vertex)
 * the request is written anew and the answer respelt, number by number as it was written.
 * Embeddings of different models are not exchangeable, so that what races must be the same model
 * (PROVIDERS.md 4.2).
 *
 * Formats: OpenAI API specification 2.3.0, CreateEmbeddingRequest and -Response; the model
 * parameters of Titan text embeddings and Cohere Embed at Bedrock (InvokeModel); text embeddings of
 * Vertex AI (:predict). */
#ifndef HEDGEROW_PROVIDERS_EMBEDDINGS_H
#define HEDGEROW_PROVIDERS_EMBEDDINGS_H

#include "providers/chat.h"

enum embeddings_input {
    EMBEDDINGS_TEXT,        /* "input": "text" */
    EMBEDDINGS_TEXTS,       /* "input": ["one","two"] */
    EMBEDDINGS_TOKENS,      /* "input": [1,2,3]; at OpenAI and Azure only, as the next */
    EMBEDDINGS_TOKEN_LISTS, /* "input": [[1,2],[3]] */
};

/* The API that a backend's embeddings are asked for in: embeddings_apis.def. */
enum embeddings_api {
    EMBEDDINGS_OPENAI,    /* embeddings_edit, embeddings_check_body */
    EMBEDDINGS_UNKNOWN,   /* none that is known */
    EMBEDDINGS_TITAN_V1,  /* {"inputText":...}, its vectors have one length */
    EMBEDDINGS_TITAN,     /* with dimensions */
    EMBEDDINGS_COHERE_V3, /* {"texts":[...],"input_type":...}, its vectors have one length */
    EMBEDDINGS_COHERE,    /* with output_dimension */
    EMBEDDINGS_VERTEX,    /* {"instances":[{"content":...}],"parameters":{...}} */
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

/* --- embeddings_spell.c: APIs that are not OpenAI's --- */

/* Of a kind's model, by the name that its abilities are known by. */
enum embeddings_api embeddings_api_of(struct span kind, struct span base_model);
/* Writes the request's body in that API (not OPENAI or UNKNOWN). `user` is a hint and left out;
 * `input_type` (Cohere) and `task_type` (Vertex) say what the vectors are for and are taken over.
 * 0; -FAIL_UNSUPPORTED with losses->field and ->why: the API cannot say it (what it can leave out
 * with `compat: lenient` goes by chat_lose, but never the input); -FAIL_BAD_REQUEST likewise. Look
 * at out->full. */
int embeddings_write(const struct embeddings_request *, enum embeddings_api,
                     struct chat_losses *losses, struct json_out *out);
/* Writes the whole body of a 200, `body`, as OpenAI's answer to the request: an embedding for each
 * input, numbers as they were written, or with encoding_format base64 as little-endian 32-bit
 * floats; `model` is the provider's name. 0 with *usage (known false: the body does not count, as
 * Cohere's; the answer then says 0 tokens), or an error of embeddings_check_body; an answer with
 * more or fewer embeddings than were asked for is -FAIL_BAD_EVENT. Look at out->full. */
int embeddings_read(struct span body, enum embeddings_api, const struct embeddings_request *,
                    struct span model, struct json_out *out, struct chat_usage *usage);

#endif
