/* credential_read.h - what the sources of credentials answer, and which source it is. (pure: no
 * I/O, no clock)
 *
 * Answers come from the network and from files: they are hostile until they are read. Every reader
 * returns 0, or -EINVAL with a sentence in *why (static or in the arena) that names the error the
 * source gave, and never a part of a secret. Texts are decoded, in the arena, and fit to stand in a
 * field of a request: visible ASCII without blanks, or, for keys in PEM and names, as said. */
#ifndef HEDGEROW_PROVIDERS_CREDENTIAL_READ_H
#define HEDGEROW_PROVIDERS_CREDENTIAL_READ_H

#include "providers/credential.h"
#include "providers/credential_form.h"

/* --- tokens --- */

/* The answer of an OAuth 2.0 token endpoint (RFC 6749 5.1, 5.2; Google, Entra, Google's STS), of
 * the metadata servers of Azure and Google, or of iamcredentials' generateAccessToken (accessToken,
 * expireTime): kind BEARER. `now_s` is when it was asked for, since expires_in counts from then;
 * numbers may stand in strings. No time at all: it never expires. */
int credential_read_oauth(struct span json, int64_t now_s, struct arena *, struct credential *out,
                          struct span *why);
/* IMDS, ECS and EKS Pod Identity: AccessKeyId, SecretAccessKey, Token, Expiration, and with IMDS
 * Code = "Success": kind AWS. */
int credential_read_aws(struct span json, struct arena *, struct credential *out, struct span *why);
/* STS AssumeRoleWithWebIdentity, the XML of version 2011-06-15, or its ErrorResponse: kind AWS. */
int credential_read_sts(struct span xml, struct arena *, struct credential *out, struct span *why);
/* RFC 3339 date and time, "2026-11-21T06:00:00Z": fractions are cut off, offsets ("+01:00",
 * "+0100") are taken into account. False, with *unix_s untouched, for anything else. */
bool credential_iso8601(struct span text, int64_t *unix_s);

/* --- Google's JSON files --- */

enum credential_google_kind {
    CREDENTIAL_GOOGLE_SERVICE_ACCOUNT, /* client_email, private_key, private_key_id, token_url */
    CREDENTIAL_GOOGLE_USER,            /* client_id, client_secret, refresh_token, token_url */
    /* audience, subject_token_type, token_url, subject_file and the two below it */
    CREDENTIAL_GOOGLE_EXTERNAL,
};

struct credential_google {
    enum credential_google_kind kind;
    struct span token_url; /* where the token is asked for; https, or http to this machine */
    struct span client_email, private_key_id;
    struct span private_key; /* PEM, with its line ends */
    struct span project_id;  /* service account: may be empty */
    struct span client_id, client_secret, refresh_token;
    struct span quota_project_id; /* x-goog-user-project; may be empty */
    struct span audience, subject_token_type;
    struct span subject_file;  /* credential_source.file: a path, any bytes but NUL */
    struct span subject_field; /* the file is JSON and this its member; empty: all of the file */
    struct span impersonation_url; /* generateAccessToken of a service account; may be empty */
};

/* "type" tells which: service_account, authorized_user, external_account with a file. */
int credential_read_service_account(struct span json, struct arena *, struct credential_google *out,
                                    struct span *why);

/* --- which of AWS's sources --- */

/* Settings of the provider, then the environment's; empty is absent, as the SDKs have it. */
struct aws_settings {
    struct span bearer;                          /* api_key of the configuration */
    struct span key_id, secret, token, profile;  /* of the configuration */
    struct span env_bearer;                      /* AWS_BEARER_TOKEN_BEDROCK */
    struct span env_key_id, env_secret;          /* AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY */
    struct span env_token;                       /* AWS_SESSION_TOKEN */
    struct span env_role_arn, env_identity_file; /* AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE */
    struct span env_relative_uri, env_full_uri; /* AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, _FULL_ */
    struct span env_metadata_disabled;          /* AWS_EC2_METADATA_DISABLED, "true" */
};

enum aws_source {
    AWS_SOURCE_CONFLICT,      /* the configuration says two ways at once */
    AWS_SOURCE_INCOMPLETE,    /* a key id without its secret, or the other way round */
    AWS_SOURCE_CONFIG_BEARER, /* a fixed Bearer token */
    AWS_SOURCE_CONFIG_KEYS,   /* fixed keys */
    AWS_SOURCE_PROFILE,       /* a section of ~/.aws/credentials */
    AWS_SOURCE_ENV_BEARER,
    AWS_SOURCE_ENV_KEYS,
    AWS_SOURCE_WEB_IDENTITY, /* STS, with a token from a file */
    AWS_SOURCE_CONTAINER,    /* ECS, EKS Pod Identity: credential_container_url */
    AWS_SOURCE_IMDS,         /* the machine's metadata service */
    AWS_SOURCE_NONE,         /* there is none, and the metadata service is switched off */
};

/* Explicit settings win over the environment, a Bedrock API key over all other sources there, and
 * the rest is the default chain of the SDKs (PROVIDERS.md 1.4). */
enum aws_source credential_aws_source(const struct aws_settings *);
/* "env keys" ...: for the log. Static. */
const char *credential_aws_source_name(enum aws_source);
/* The URL of AWS_SOURCE_CONTAINER, in the arena. The token in the environment's file is sent there,
 * so that plain http is only for this machine and the link-local addresses that AWS names; {NULL,0}
 * with a sentence in *why otherwise. */
struct span credential_container_url(const struct aws_settings *, struct arena *, struct span *why);

#endif
