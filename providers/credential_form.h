/* credential_form.h - the bodies of requests for credentials. (pure)
 *
 * All are application/x-www-form-urlencoded, but the last. They hold secrets: whoever sends one
 * wipes it with its arena. {NULL, 0}: no memory. */
#ifndef HEDGEROW_PROVIDERS_CREDENTIAL_FORM_H
#define HEDGEROW_PROVIDERS_CREDENTIAL_FORM_H

#include "core/arena.h"
#include "core/json.h"
#include "core/span.h"

/* Appends "name=value", with '&' before it when something stands there already. `value` is any
 * bytes: all but letters, digits, '*', '-', '.' and '_' are percent-encoded, a blank is '+' (WHATWG
 * URL 5.2). `name` is one of ours. */
void credential_form_add(struct json_out *, struct span name, struct span value);

/* Google, a service account: RFC 7523 2.1. `jwt` is gcp_jwt's. */
struct span credential_form_google_jwt(struct span jwt, struct arena *);

/* A refresh token: RFC 6749 6. */
struct credential_form_refresh {
    struct span client_id, client_secret, refresh_token;
};
struct span credential_form_refresh(const struct credential_form_refresh *, struct arena *);

/* Entra: RFC 6749 4.4.2 with the secret, or, when there is an assertion, RFC 7523 2.2 with it. */
struct credential_form_entra {
    struct span client_id, scope;
    struct span client_secret;
    struct span client_assertion; /* a JWT: the federated token of a workload */
};
struct span credential_form_entra(const struct credential_form_entra *, struct arena *);

/* AWS STS AssumeRoleWithWebIdentity, version 2011-06-15; not signed. */
struct credential_form_sts {
    struct span role_arn;
    struct span session_name; /* 2 to 64 of letters, digits and "=,.@-_" */
    struct span token;        /* the file's text, without white space around it */
};
struct span credential_form_sts(const struct credential_form_sts *, struct arena *);

/* RFC 8693 2.1, for an access token; Google's workload identity federation. */
struct credential_form_exchange {
    struct span audience, scope;
    struct span subject_token, subject_token_type;
};
struct span credential_form_exchange(const struct credential_form_exchange *, struct arena *);

/* JSON: iamcredentials' generateAccessToken, for an hour. */
struct span credential_form_impersonate(struct span scope, struct arena *);

#endif
