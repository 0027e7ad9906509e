/* endpoint.h - what a client's method and path ask for, and in which dialect it wants its answer.
 * (pure) */
#ifndef HEDGEROW_APPLIANCE_RACE_ENDPOINT_H
#define HEDGEROW_APPLIANCE_RACE_ENDPOINT_H

#include "providers/provider.h"

enum endpoint_kind {
    ENDPOINT_NONE,   /* there is no such path */
    ENDPOINT_HEALTH, /* GET /health */
    ENDPOINT_MODELS, /* GET /v1/models, /v1/models/ID; `model` is the ID or empty */
    ENDPOINT_CHAT,   /* a chat in `dialect`: raced, streamed or whole */
    ENDPOINT_EMBEDDINGS,
    ENDPOINT_COUNT_TOKENS,
    ENDPOINT_PASS, /* another path below /v1: passed through */
};

struct endpoint {
    enum endpoint_kind kind;
    const struct dialect *dialect; /* in which errors are told, too; never NULL */
    enum provider_service service; /* CHAT, EMBEDDINGS, COUNT_TOKENS */
    bool get;                      /* it is asked with GET or HEAD, else with POST; not for PASS */
    struct span model;             /* told by the path, still percent-encoded; else empty */
    bool stream;                   /* the path asks for a stream (Gemini) */
};

/* `path` without query, as in the request line. Spans point into it. The model listing is OpenAI's
 * unless the request has an anthropic-version header or the path is Gemini's. */
struct endpoint endpoint_of(struct span path);
/* Percent-decodes a model's name of the path (RFC 3986 2.1); {NULL,0}: a broken escape, or no
 * memory. */
struct span endpoint_decode(struct span text, struct arena *);

#endif
