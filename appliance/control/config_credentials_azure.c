/* config_credentials_azure.c - how requests to Azure are authorised, if not by a key. See
 * config_credentials.h. */
#include "appliance/control/config_credentials.h"

#define METADATA  "http://169.254.169.254"
#define AUTHORITY "https://login.microsoftonline.com"
#define SCOPE     "https://cognitiveservices.azure.com/.default"

/* What a token is wanted for: clients name a scope, managed identities a resource. */
static const char *azure_scope(const struct config_credentials *p, bool resource) {
    struct span scope = span_str(p->d->scope ? p->d->scope : SCOPE), suffix = SPAN("/.default");
    if (resource && span_ends(scope, suffix))
        scope.n -= suffix.n;
    return config_credentials_keep(p, scope);
}

static void azure_identity(struct config_credentials *p) {
    const char *endpoint = config_credentials_env("IDENTITY_ENDPOINT"),
               *header = config_credentials_env("IDENTITY_HEADER");
    const char *base = config_credentials_env("AZURE_POD_IDENTITY_AUTHORITY_HOST");
    bool service = endpoint && header;
    const char **text = config_credentials_plan(p, service ? CREDENTIALS_AZURE_SERVICE
                                                           : CREDENTIALS_AZURE_INSTANCE);
    text[CREDENTIALS_SCOPE] = azure_scope(p, true);
    text[CREDENTIALS_ID] = p->d->client_id;
    if (service) {
        text[CREDENTIALS_URL] = config_credentials_keep(p, span_str(endpoint));
        text[CREDENTIALS_SECRET] = config_credentials_keep(p, span_str(header));
    } else {
        text[CREDENTIALS_URL] =
            config_credentials_keep(p, config_credentials_base(base ? base : METADATA));
    }
    config_credentials_url(p, p->map,
                           service ? "IDENTITY_ENDPOINT" : "AZURE_POD_IDENTITY_AUTHORITY_HOST",
                           text[CREDENTIALS_URL], false);
}

/* A client's: with its secret, or with the token in a file. */
static void azure_client(struct config_credentials *p, const char *tenant, const char *client,
                         const char *file) {
    const char *host = config_credentials_env("AZURE_AUTHORITY_HOST");
    const char *authority = p->d->authority ? p->d->authority : host ? host : AUTHORITY;
    const char **text =
        config_credentials_plan(p, file ? CREDENTIALS_AZURE_WORKLOAD : CREDENTIALS_AZURE_SECRET);
    struct span base = config_credentials_base(authority);
    text[CREDENTIALS_URL] = config_credentials_keep(
        p, arena_printf(p->r->scratch, "%.*s/%s/oauth2/v2.0/token", (int)base.n, base.p, tenant));
    text[CREDENTIALS_ID] = config_credentials_keep(p, span_str(client));
    text[CREDENTIALS_SCOPE] = azure_scope(p, false);
    if (file)
        text[CREDENTIALS_FILE] = config_credentials_keep(p, span_str(file));
    else
        text[CREDENTIALS_SECRET] = p->d->client_secret;
    config_credentials_url(p, config_credentials_node(p, "authority"), "authority",
                           text[CREDENTIALS_URL], true);
}

void config_credentials_azure(struct config_credentials *p) {
    const struct config_provider_draft *d = p->d;
    const char *file = config_credentials_env("AZURE_FEDERATED_TOKEN_FILE");
    const char *tenant = d->tenant_id ? d->tenant_id : config_credentials_env("AZURE_TENANT_ID");
    const char *client = d->client_id ? d->client_id : config_credentials_env("AZURE_CLIENT_ID");
    if (d->api_key)
        return;
    if (d->managed_identity && (d->client_secret || d->tenant_id))
        config_setting_error(p->r, config_credentials_node(p, "managed_identity"),
                             "%s.managed_identity: it has no %s; remove one", p->where,
                             d->client_secret ? "client_secret" : "tenant_id");
    else if (d->managed_identity)
        azure_identity(p);
    else if (d->client_secret && (!d->tenant_id || !d->client_id))
        config_setting_error(p->r, config_credentials_node(p, "client_secret"),
                             "%s.client_secret needs %s beside it", p->where,
                             d->tenant_id ? "client_id" : "tenant_id");
    else if (d->client_secret)
        azure_client(p, tenant, client, NULL);
    else if (file && tenant && client)
        azure_client(p, tenant, client, file);
    else
        config_setting_error(
            p->r, p->map,
            "%s has no credential: give api_key (none to send none), or tenant_id, client_id and "
            "client_secret, or managed_identity: true; for workload identity "
            "AZURE_FEDERATED_TOKEN_FILE, AZURE_TENANT_ID and AZURE_CLIENT_ID must be set",
            p->where);
}
