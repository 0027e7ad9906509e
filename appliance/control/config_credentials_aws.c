/* config_credentials_aws.c - how requests to Bedrock are authorised: the choice that the SDKs make, too.
 * See config_credentials.h. */
#include "appliance/control/config_credentials.h"
#include "providers/credential_read.h"

#define METADATA     "http://169.254.169.254"
#define METADATA_V6  "http://[fd00:ec2::254]"
#define SESSION_NAME "hedgerow"

static void fixed_keys(struct config_credentials *p, struct span key_id, struct span secret,
                       struct span session_token) {
    struct credential fixed = {
        .kind = CREDENTIAL_AWS, .token = session_token, .key_id = key_id, .secret = secret};
    config_credentials_plan(p, CREDENTIALS_FIXED);
    if (!http_is_value(key_id) || !http_is_value(session_token) || !key_id.n)
        config_setting_error(p->r, config_credentials_node(p, "access_key_id"),
                             "%s: the AWS credential holds characters that cannot be sent",
                             p->where);
    else if (!credential_publish(&p->plan->cell, &fixed))
        config_setting_error(p->r, config_credentials_node(p, "access_key_id"),
                             "%s: the AWS credential is longer than %d bytes", p->where,
                             CREDENTIAL_TEXT_MAX);
}

static void aws_web_identity(struct config_credentials *p) {
    const char **text = config_credentials_plan(p, CREDENTIALS_AWS_WEB_IDENTITY);
    const char *region = p->provider->region ? p->provider->region : "us-east-1";
    const char *session = config_credentials_env("AWS_ROLE_SESSION_NAME");
    /* China's partition has a domain of its own. */
    const char *china = strncmp(region, "cn-", 3) == 0 ? ".cn" : "";
    text[CREDENTIALS_FILE] =
        config_credentials_keep(p, span_str(config_credentials_env("AWS_WEB_IDENTITY_TOKEN_FILE")));
    text[CREDENTIALS_ID] =
        config_credentials_keep(p, span_str(config_credentials_env("AWS_ROLE_ARN")));
    text[CREDENTIALS_SESSION] =
        config_credentials_keep(p, span_str(session ? session : SESSION_NAME));
    text[CREDENTIALS_URL] =
        p->d->sts_url
            ? p->d->sts_url
            : config_credentials_keep(
                  p, arena_printf(p->r->scratch, "https://sts.%s.amazonaws.com%s/", region, china));
    config_credentials_url(p, config_credentials_node(p, "sts_url"), "sts_url",
                           text[CREDENTIALS_URL], true);
}

static void aws_container(struct config_credentials *p, const struct aws_settings *aws) {
    const char **text = config_credentials_plan(p, CREDENTIALS_AWS_CONTAINER);
    const char *token = config_credentials_env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    const char *file = config_credentials_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    struct span why = {NULL, 0};
    struct span url = credential_container_url(aws, p->r->scratch, &why);
    if (!url.p) {
        config_setting_error(p->r, p->map, "%s: %.*s", p->where, (int)why.n, why.p);
        return;
    }
    text[CREDENTIALS_URL] = config_credentials_keep(p, url);
    if (file)
        text[CREDENTIALS_FILE] = config_credentials_keep(p, span_str(file));
    else if (token)
        text[CREDENTIALS_TOKEN] = config_credentials_keep(p, span_str(token));
    config_credentials_url(p, p->map, "AWS_CONTAINER_CREDENTIALS_FULL_URI", text[CREDENTIALS_URL],
                           false);
}

static void aws_instance(struct config_credentials *p) {
    const char **text = config_credentials_plan(p, CREDENTIALS_AWS_INSTANCE);
    const char *base = config_credentials_env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *mode = config_credentials_env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    const char *only_v2 = config_credentials_env("AWS_EC2_METADATA_V1_DISABLED");
    if (!base)
        base = mode && strcasecmp(mode, "IPv6") == 0 ? METADATA_V6 : METADATA;
    text[CREDENTIALS_URL] = config_credentials_keep(p, config_credentials_base(base));
    if (only_v2 && strcasecmp(only_v2, "true") == 0)
        text[CREDENTIALS_ONLY_V2] = "true";
    config_credentials_url(p, p->map, "AWS_EC2_METADATA_SERVICE_ENDPOINT", text[CREDENTIALS_URL],
                           false);
}

/* A Bedrock API key is a fixed Bearer token: no cell. */
static void aws_bearer(struct config_credentials *p, struct span token, const char *from) {
    if (!http_is_value(token) || span_find(token, ' ', 0) < token.n)
        config_setting_error(p->r, config_credentials_node(p, from),
                             "%s: %s holds characters that cannot be sent", p->where, from);
    else
        p->provider->api_key = config_credentials_keep(p, token);
}

static void aws_region(struct config_credentials *p) {
    const char *region = config_credentials_env("AWS_REGION");
    if (!region)
        region = config_credentials_env("AWS_DEFAULT_REGION");
    if (!p->provider->region && region)
        p->provider->region = config_credentials_keep(p, span_str(region));
}

/* What credential_aws_source chooses from. */
static struct aws_settings settings_of(const struct config_provider_draft *d) {
    return (struct aws_settings){
        .bearer = span_str(d->api_key ? d->api_key : d->bearer_token),
        .key_id = span_str(d->access_key_id),
        .secret = span_str(d->secret_access_key),
        .token = span_str(d->session_token),
        .env_bearer = span_str(config_credentials_env("AWS_BEARER_TOKEN_BEDROCK")),
        .env_key_id = span_str(config_credentials_env("AWS_ACCESS_KEY_ID")),
        .env_secret = span_str(config_credentials_env("AWS_SECRET_ACCESS_KEY")),
        .env_token = span_str(config_credentials_env("AWS_SESSION_TOKEN")),
        .env_role_arn = span_str(config_credentials_env("AWS_ROLE_ARN")),
        .env_identity_file = span_str(config_credentials_env("AWS_WEB_IDENTITY_TOKEN_FILE")),
        .env_relative_uri =
            span_str(config_credentials_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")),
        .env_full_uri = span_str(config_credentials_env("AWS_CONTAINER_CREDENTIALS_FULL_URI")),
        .env_metadata_disabled = span_str(config_credentials_env("AWS_EC2_METADATA_DISABLED")),
    };
}

static void incomplete(const struct config_credentials *p) {
    bool given = p->d->access_key_id || p->d->secret_access_key;
    const char *key = p->d->access_key_id ? "access_key_id" : "secret_access_key";
    config_setting_error(p->r, given ? config_credentials_node(p, key) : p->map,
                         "%s: the %s needs both %s and %s", p->where,
                         given ? "credential" : "environment",
                         given ? "access_key_id" : "AWS_ACCESS_KEY_ID",
                         given ? "secret_access_key" : "AWS_SECRET_ACCESS_KEY");
}

static void choose(struct config_credentials *p) {
    const struct aws_settings aws = settings_of(p->d);
    switch (credential_aws_source(&aws)) {
    case AWS_SOURCE_CONFLICT:
        config_setting_error(p->r, config_credentials_node(p, "bearer_token"),
                             "%s has both bearer_token and access_key_id; remove one", p->where);
        break;
    case AWS_SOURCE_INCOMPLETE: incomplete(p); break;
    case AWS_SOURCE_CONFIG_BEARER:
        if (p->d->bearer_token)
            aws_bearer(p, aws.bearer, "bearer_token");
        break;
    case AWS_SOURCE_ENV_BEARER: aws_bearer(p, aws.env_bearer, "AWS_BEARER_TOKEN_BEDROCK"); break;
    case AWS_SOURCE_CONFIG_KEYS: fixed_keys(p, aws.key_id, aws.secret, aws.token); break;
    case AWS_SOURCE_ENV_KEYS: fixed_keys(p, aws.env_key_id, aws.env_secret, aws.env_token); break;
    case AWS_SOURCE_WEB_IDENTITY: aws_web_identity(p); break;
    case AWS_SOURCE_CONTAINER: aws_container(p, &aws); break;
    case AWS_SOURCE_IMDS: aws_instance(p); break;
    case AWS_SOURCE_PROFILE: /* there is no such setting */
    case AWS_SOURCE_NONE:
        config_setting_error(p->r, p->map,
                             "%s has no credential: give access_key_id and secret_access_key, or "
                             "api_key; the environment has none, and "
                             "AWS_EC2_METADATA_DISABLED is true",
                             p->where);
        break;
    }
}

void config_credentials_aws(struct config_credentials *p) {
    const struct config_provider_draft *d = p->d;
    aws_region(p);
    if (d->api_key && strcmp(d->api_key, "none") == 0)
        return;
    if (d->session_token && !d->access_key_id && !d->secret_access_key) {
        config_setting_error(p->r, config_credentials_node(p, "session_token"),
                             "%s.session_token: it is of no use without access_key_id and "
                             "secret_access_key",
                             p->where);
        return;
    }
    choose(p);
    if (p->provider->credential && !p->provider->region)
        config_setting_error(p->r, p->map,
                             "%s.region is missing: the AWS region that requests are signed for, "
                             "such as us-east-1 (AWS_REGION is not set either)",
                             p->where);
}
