/* config_credentials.c - how a provider is authorised where a fixed api_key is not all: from its
 * settings, the environment and the files they name, to a plan (credentials_recipe.h) or a fixed
 * credential.
 *
 * Owns:     nothing; plans, cells and texts are the snapshot's.
 * Promises: asks nobody but files: what the network must say is asked by credentials.c. No message
 *           holds a secret. Two ways at once, or half of one, are errors. */
#include "appliance/control/config_credentials.h"

#include <stdlib.h>

#include "appliance/control/config_expand.h"
#include "appliance/control/config_parts.h"
#include "appliance/control/credentials_try.h"

/* --- which settings belong to which kinds --- */

enum cloud { CLOUD_NONE, CLOUD_AWS, CLOUD_GOOGLE, CLOUD_AZURE, CLOUD_OCI };

#define VERTEX_KINDS "kinds vertex, vertex-openai and vertex-anthropic have"

static const char *const cloud_kinds[] = {
    [CLOUD_AWS] = "kinds bedrock and bedrock-openai have",
    [CLOUD_GOOGLE] = VERTEX_KINDS,
    [CLOUD_AZURE] = "kind azure has",
    [CLOUD_OCI] = "kind oci has",
};

static enum cloud cloud_of(const struct provider_kind *kind) {
    static const struct {
        const char *kind;
        enum cloud cloud;
    } rows[] = {{"bedrock", CLOUD_AWS},
                {"bedrock-openai", CLOUD_AWS},
                {"vertex", CLOUD_GOOGLE},
                {"vertex-openai", CLOUD_GOOGLE},
                {"vertex-anthropic", CLOUD_GOOGLE},
                {"azure", CLOUD_AZURE},
                {"oci", CLOUD_OCI}};
    for (size_t i = 0; i < countof(rows); i++)
        if (strcmp(rows[i].kind, kind->name) == 0)
            return rows[i].cloud;
    return CLOUD_NONE;
}

/* `authorises`: contradicts an api_key. */
static const struct {
    const char *key;
    enum cloud cloud;
    bool authorises;
} settings[] = {
    {"project", CLOUD_GOOGLE, false},       {"location", CLOUD_GOOGLE, false},
    {"credentials", CLOUD_GOOGLE, true},    {"access_key_id", CLOUD_AWS, true},
    {"secret_access_key", CLOUD_AWS, true}, {"session_token", CLOUD_AWS, true},
    {"bearer_token", CLOUD_AWS, true},      {"sts_url", CLOUD_AWS, false},
    {"tenant_id", CLOUD_AZURE, true},       {"client_id", CLOUD_AZURE, true},
    {"client_secret", CLOUD_AZURE, true},   {"managed_identity", CLOUD_AZURE, true},
    {"authority", CLOUD_AZURE, false},      {"scope", CLOUD_AZURE, false},
    {"tenancy", CLOUD_OCI, true},           {"user", CLOUD_OCI, true},
    {"fingerprint", CLOUD_OCI, true},       {"private_key", CLOUD_OCI, true},
    {"compartment", CLOUD_OCI, false},
};

const struct config_node *config_credentials_node(const struct config_credentials *p,
                                                  const char *key) {
    const struct config_node *node = config_node_find(p->map, span_str(key));
    return node ? node : p->map;
}

/* False after a setting that the kind has not, or that an api_key makes meaningless. */
static bool settings_fit(const struct config_credentials *p, enum cloud cloud) {
    bool fit = true;
    for (size_t i = 0; i < countof(settings); i++) {
        const struct config_node *node = config_node_find(p->map, span_str(settings[i].key));
        if (!node)
            continue;
        if (settings[i].cloud != cloud)
            config_setting_error(p->r, node, "%s.%s: only %s one", p->where, settings[i].key,
                                 cloud_kinds[settings[i].cloud]);
        else if (settings[i].authorises && config_node_find(p->map, SPAN("api_key")))
            config_setting_error(p->r, node, "%s has both api_key and %s; remove one", p->where,
                                 settings[i].key);
        else
            continue;
        fit = false;
    }
    return fit;
}

/* --- helpers --- */

const char *config_credentials_env(const char *name) {
    const char *text = getenv(name);
    return text && *text ? text : NULL;
}

const char *config_credentials_keep(const struct config_credentials *p, struct span text) {
    return config_setting_keep(p->r, text);
}

const char **config_credentials_plan(struct config_credentials *p, enum credentials_way way) {
    p->plan = config_setting_alloc(p->r, sizeof *p->plan);
    p->plan->recipe.way = way;
    p->provider->credential = &p->plan->cell;
    return p->plan->recipe.text;
}

void config_credentials_url(const struct config_credentials *p, const struct config_node *node,
                            const char *from, const char *text, bool secret) {
    struct credentials_url url;
    const char *why;
    if (!credentials_url_parse(span_str(text), &url, &why)) {
        config_setting_error(p->r, node, "%s: %s %s", p->where, from, why);
        return;
    }
    if (secret && !url.tls && !url.loopback)
        config_setting_warning(p->r, node,
                               "%s: %s is http: a secret will be sent to it in clear text",
                               p->where, from);
}

struct span config_credentials_base(const char *text) {
    struct span base = span_str(text);
    while (span_ends(base, SPAN("/")))
        base.n--;
    return base;
}

/* --- OCI --- */

static void oci_read_key(struct config_credentials *p) {
    const struct config_provider_draft *d = p->d;
    const struct config_node *node = config_credentials_node(p, "private_key");
    struct span pem;
    const char *why = "";
    if (!config_expand_file(d->private_key, CREDENTIALS_FILE_MAX, p->r->scratch, &pem, &why)) {
        config_setting_error(p->r, node, "%s.private_key: %s cannot be read: %s", p->where,
                             d->private_key, why);
        return;
    }
    const char *id = config_credentials_keep(
        p, arena_printf(p->r->scratch, "%s/%s/%s", d->tenancy, d->user, d->fingerprint));
    p->provider->oci_key = oci_key_new(span_str(id), pem, &why);
    if (!p->provider->oci_key)
        config_setting_error(p->r, node, "%s.private_key: %s: %s", p->where, d->private_key, why);
}

void config_credentials_oci(struct config_credentials *p) {
    const struct config_provider_draft *d = p->d;
    const struct {
        const char *key, *value;
    } parts[] = {{"tenancy", d->tenancy},
                 {"user", d->user},
                 {"fingerprint", d->fingerprint},
                 {"private_key", d->private_key}};
    unsigned given = 0;
    if (d->api_key)
        return;
    for (size_t i = 0; i < countof(parts); i++)
        given += parts[i].value != NULL;
    if (given == 0) {
        config_setting_error(p->r, p->map,
                             "%s has no credential: give api_key (none to send none), or tenancy, "
                             "user, fingerprint and private_key",
                             p->where);
        return;
    }
    for (size_t i = 0; i < countof(parts); i++)
        if (!parts[i].value)
            config_setting_error(p->r, p->map,
                                 "%s.%s is missing: requests are signed with tenancy, user, "
                                 "fingerprint and private_key together",
                                 p->where, parts[i].key);
    if (given == countof(parts))
        oci_read_key(p);
}

void config_credentials_read(struct config_reader *r, const struct config_node *map,
                             const char *where, const struct config_provider_draft *d,
                             struct provider *provider) {
    struct config_credentials p = {
        .r = r, .map = map, .where = where, .d = d, .provider = provider};
    enum cloud cloud = cloud_of(provider->kind);
    provider->project = d->project;
    provider->location = d->location;
    provider->compartment = d->compartment;
    if (!settings_fit(&p, cloud))
        return;
    switch (cloud) {
    case CLOUD_NONE: break;
    case CLOUD_AWS: config_credentials_aws(&p); break;
    case CLOUD_GOOGLE: config_credentials_google(&p); break;
    case CLOUD_AZURE: config_credentials_azure(&p); break;
    case CLOUD_OCI: config_credentials_oci(&p); break;
    }
}
