/* google.h - the kinds gemini, vertex, vertex-openai and vertex-anthropic: where their endpoints are
 * and what their errors mean. (pure) */
#ifndef HEDGEROW_PROVIDERS_GOOGLE_H
#define HEDGEROW_PROVIDERS_GOOGLE_H

#include "providers/provider.h"

/* Contracts in provider.h, struct provider_kind.
 *     gemini  PREFIX/models/M:streamGenerateContent?alt=sse, whole :generateContent;
 *             PREFIX/openai/chat/completions and /embeddings with the key as a bearer token
 *     vertex  PREFIX/v1/projects/P/locations/L/publishers/google/models/M:...
 *             .../endpoints/openapi/chat/completions
 *             .../publishers/anthropic/models/M:streamRawPredict, whole :rawPredict */
int gemini_target(const struct provider *, enum provider_service, struct span model, struct arena *,
                  struct provider_target *out, struct span *why);
int vertex_target(const struct provider *, enum provider_service, struct span model, struct arena *,
                  struct provider_target *out, struct span *why);
/* https://HOST by the location: "global" (and none), "us" and "eu", a region (PROVIDERS.md 1.1). */
struct span vertex_url(const struct provider *, struct arena *, struct span *why);
/* Google's error bodies, RetryInfo.retryDelay, HTML pages; those of Anthropic's models on Vertex are
 * Anthropic's or Google's. */
void google_classify(const struct provider *, const struct http_head *, struct span body,
                     struct provider_verdict *out);

#endif
