/* sigv4.h - what the files of Signature Version 4 share; not for others, who use sign.h. (pure)
 *
 *   sigv4.c             hashes, the key, the signature
 *   sigv4_canonical.c   the canonical request */
#ifndef HEDGEROW_PROVIDERS_SIGV4_H
#define HEDGEROW_PROVIDERS_SIGV4_H

#include "providers/provider.h"

#define SIGV4_ALGORITHM "AWS4-HMAC-SHA256"

/* One signature while it is made; all that it points to is the caller's and outlives it. */
struct sigv4_signing {
    const struct sign_call *call;
    const struct credential *credential;
    struct span region, service;
    const struct sigv4_options *options;
    struct span scope; /* "20261121/us-east-1/bedrock/aws4_request" */
    struct sigv4_parts *parts;
};

/* Makes parts->signed_names and parts->canonical. Needs parts->date and ->payload_hex, and the scope.
 * 0, or -FAIL_OVERLOAD when the arena's memory is used up. */
int sigv4_canonical(const struct sigv4_signing *);

#endif
