/* openai_target.h - the parts of a target that OpenAI-shaped providers share, for the kinds that
 * differ in the path. (pure) */
#ifndef HEDGEROW_PROVIDERS_OPENAI_TARGET_H
#define HEDGEROW_PROVIDERS_OPENAI_TARGET_H

#include "providers/provider.h"

/* Fields that are added besides the operator's own. */
#define OPENAI_FIELDS_MAX 5

/* "chat/completions", "responses" ...: what stands behind the prefix; NULL: not one of OpenAI's
 * services. Static. */
const char *openai_service_path(enum provider_service);
/* Sets the path, which must be origin-form (RFC 9112 3.2.1) and live as long as the target. 0, or
 * -EINVAL with a sentence in *why. */
int openai_target_path(struct provider_target *out, struct span path, struct span *why);
/* Adds the operator's fields, the credential as the kind wants it, and what every request to a chat
 * endpoint has. `host` is not among them: the connection writes it. 0, or -EINVAL with a sentence
 * in *why. */
int openai_target_fields(const struct provider *, struct arena *, struct provider_target *out,
                         struct span *why);

#endif
