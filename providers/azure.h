/* azure.h - Azure OpenAI: the OpenAI dialect under other URLs. (pure) */
#ifndef HEDGEROW_PROVIDERS_AZURE_H
#define HEDGEROW_PROVIDERS_AZURE_H

#include "providers/provider.h"

/* With api_version the deployment style,
 * PREFIX/openai/deployments/MODEL/chat/completions?api-version=VERSION (and the like for the other
 * services; Responses stands at PREFIX/openai/responses); without it the v1 style,
 * PREFIX/openai/v1/chat/completions, where the deployment's name stands in the body. PREFIX may
 * already end with /openai or /openai/v1, as the portal shows endpoints. Contract as
 * provider_kind.target. */
int azure_target(const struct provider *, enum provider_service, struct span model, struct arena *,
                 struct provider_target *out, struct span *why);
/* Paths that are passed through go behind PREFIX/openai/v1; with api_version to nothing, for there each
 * has its own deployment. Contract as provider_kind.pass. */
int azure_pass(const struct provider *, struct arena *, struct provider_target *out,
               struct span *why);
/* Does this api_version know `stream_options`? It came with 2024-09-01-preview; older ones answer
 * 400 to it. */
bool azure_knows_stream_options(struct span api_version);

#endif
