/* bedrock.h - Amazon Bedrock: where its endpoints are, how requests to them are authorised, and what
 * their errors mean. (pure)
 *
 *     bedrock          https://bedrock-runtime.REGION.amazonaws.com/model/MODEL/converse-stream
 *     bedrock-openai   https://bedrock-runtime.REGION.amazonaws.com/openai/v1/chat/completions, or what
 *                      the operator gave: the Mantle endpoint, https://bedrock-mantle.REGION.api.aws/v1
 *
 * Formats: endpoint rules and service model of bedrock-runtime, 2023-09-30 (botocore 1.44.5). */
#ifndef HEDGEROW_PROVIDERS_BEDROCK_H
#define HEDGEROW_PROVIDERS_BEDROCK_H

#include "providers/provider.h"

/* Base URLs of a region, in the arena; contract as provider_kind.url. */
struct span bedrock_url(const struct provider *, struct arena *, struct span *why);
struct span bedrock_openai_url(const struct provider *, struct arena *, struct span *why);
/* The two paths of SERVICE_CONVERSE. MODEL is a model's or inference profile's id, or its ARN, and
 * stays one segment. Contract as provider_kind.target. (Targets of bedrock-openai are those of
 * provider_target_openai.) */
int bedrock_target(const struct provider *, enum provider_service, struct span model,
                   struct arena *, struct provider_target *out, struct span *why);
/* Signature Version 4, or a Bedrock API key that came by a credential; contract as
 * provider_kind.sign. Without region in the settings it is taken from the host's name. */
int bedrock_sign(const struct provider *, const struct credential *, struct sign_call *);
/* Of both kinds: errors of AWS by x-amzn-ErrorType or __type, all others as OpenAI's. Contract as
 * provider_kind.classify. */
void bedrock_classify(const struct provider *, const struct http_head *, struct span body,
                      struct provider_verdict *out);

#endif
