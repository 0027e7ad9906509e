/* config_credentials_google.c - how requests to Vertex are authorised. See config_credentials.h. */
#include "appliance/control/config_credentials.h"
#include "appliance/control/config_expand.h"
#include "appliance/control/credentials_try.h"
#include "providers/credential_read.h"

#define SCOPE    "https://www.googleapis.com/auth/cloud-platform"
#define METADATA "metadata.google.internal"
/* A time to sign with when a key is tried out; any does. */
#define TRIAL_S 1700000000

static void google_account(struct config_credentials *p, const struct credential_google *google,
                           const struct config_node *node, const char *path) {
    const char **text = config_credentials_plan(p, CREDENTIALS_GOOGLE_ACCOUNT), *why = "";
    text[CREDENTIALS_URL] = config_credentials_keep(p, google->token_url);
    text[CREDENTIALS_ID] = config_credentials_keep(p, google->client_email);
    text[CREDENTIALS_KEY_ID] = config_credentials_keep(p, google->private_key_id);
    text[CREDENTIALS_SECRET] = config_credentials_keep(p, google->private_key);
    text[CREDENTIALS_SCOPE] = SCOPE;
    /* A key that cannot sign is found here and not in the night. */
    if (!gcp_jwt(google->client_email, google->private_key_id, google->private_key, SPAN(SCOPE),
                 google->token_url, TRIAL_S, p->r->scratch, &why)
             .p)
        config_setting_error(p->r, node, "%s.credentials: %s: %s", p->where, path, why);
}

static void google_user(struct config_credentials *p, const struct credential_google *google) {
    const char **text = config_credentials_plan(p, CREDENTIALS_GOOGLE_USER);
    text[CREDENTIALS_URL] = config_credentials_keep(p, google->token_url);
    text[CREDENTIALS_ID] = config_credentials_keep(p, google->client_id);
    text[CREDENTIALS_SECRET] = config_credentials_keep(p, google->client_secret);
    text[CREDENTIALS_TOKEN] = config_credentials_keep(p, google->refresh_token);
}

static void google_external(struct config_credentials *p, const struct credential_google *google) {
    const char **text = config_credentials_plan(p, CREDENTIALS_GOOGLE_EXTERNAL);
    text[CREDENTIALS_URL] = config_credentials_keep(p, google->token_url);
    text[CREDENTIALS_FILE] = config_credentials_keep(p, google->subject_file);
    text[CREDENTIALS_AUDIENCE] = config_credentials_keep(p, google->audience);
    text[CREDENTIALS_TOKEN_TYPE] = config_credentials_keep(p, google->subject_token_type);
    text[CREDENTIALS_SCOPE] = SCOPE;
    if (google->subject_field.n)
        text[CREDENTIALS_FIELD] = config_credentials_keep(p, google->subject_field);
    if (google->impersonation_url.n)
        text[CREDENTIALS_SECOND_URL] = config_credentials_keep(p, google->impersonation_url);
}

static void google_file(struct config_credentials *p, const char *path,
                        const struct config_node *node) {
    struct credential_google google;
    struct span json, reason = {NULL, 0};
    const char *why;
    if (!config_expand_file(path, CREDENTIALS_FILE_MAX, p->r->scratch, &json, &why)) {
        config_setting_error(p->r, node, "%s.credentials: %s cannot be read: %s", p->where, path,
                             why);
        return;
    }
    if (credential_read_service_account(json, p->r->scratch, &google, &reason) != 0) {
        config_setting_error(p->r, node, "%s.credentials: %s: %.*s", p->where, path, (int)reason.n,
                             reason.p);
        return;
    }
    if (!p->provider->project && google.project_id.n)
        p->provider->project = config_credentials_keep(p, google.project_id);
    switch (google.kind) {
    case CREDENTIAL_GOOGLE_SERVICE_ACCOUNT: google_account(p, &google, node, path); break;
    case CREDENTIAL_GOOGLE_USER: google_user(p, &google); break;
    case CREDENTIAL_GOOGLE_EXTERNAL: google_external(p, &google); break;
    }
    const char **text = p->plan->recipe.text;
    config_credentials_url(p, node, "the token's URL", text[CREDENTIALS_URL], true);
    if (text[CREDENTIALS_SECOND_URL])
        config_credentials_url(p, node, "the impersonation URL", text[CREDENTIALS_SECOND_URL],
                               true);
}

void config_credentials_google(struct config_credentials *p) {
    const char *path = p->d->credentials, *host = config_credentials_env("GCE_METADATA_HOST");
    if (!p->d->api_key && !path)
        path = config_credentials_env("GOOGLE_APPLICATION_CREDENTIALS");
    if (path) {
        google_file(p, path, config_credentials_node(p, "credentials"));
    } else if (!p->d->api_key) {
        const char **text = config_credentials_plan(p, CREDENTIALS_GOOGLE_INSTANCE);
        text[CREDENTIALS_URL] = config_credentials_keep(
            p, arena_printf(p->r->scratch, "http://%s", host ? host : METADATA));
        config_credentials_url(p, p->map, "GCE_METADATA_HOST", text[CREDENTIALS_URL], false);
    }
    if (!p->provider->project && config_credentials_env("GOOGLE_CLOUD_PROJECT"))
        p->provider->project =
            config_credentials_keep(p, span_str(config_credentials_env("GOOGLE_CLOUD_PROJECT")));
}
