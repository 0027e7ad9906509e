/* config_providers.c - the APIs that requests can go to.
 *
 * Owns:     nothing; the trust stores belong to the snapshot.
 * Promises: no message holds an api_key or the value of a header; a key is never sent in clear text
 *           to another machine without a warning; providers with the same trust settings share one
 *           trust store. */
#include "appliance/control/config_names.h"
#include "appliance/control/config_parts.h"
#include "appliance/control/config_quota.h"
#include "appliance/control/config_url.h"
#include "net/cert.h"

#define WHY_MAX 512

/* Fields that are the proxy's own business: a configured one would contradict the framing or the
 * connection. */
static const char *const reserved_headers[] = {
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "content-type",
    "content-encoding",
    "accept-encoding",
};

/* What is read of one provider. */
struct draft {
    struct config_provider_draft d;
    struct config_provider_tls tls;
    const struct config_node *map;
    const char *where;
};

static const struct config_node *node_of(const struct draft *draft, const char *key) {
    const struct config_node *node = config_node_find(draft->map, span_str(key));
    return node ? node : draft->map;
}

static void unknown_kind(struct config_reader *r, const struct draft *draft) {
    char has[256], hint[CONFIG_NEAREST_TEXT];
    size_t n = 0;
    struct span kind = span_str(draft->d.kind);
    struct config_nearest nearest = {.wanted = kind};
    has[0] = 0;
    for (size_t i = 0; provider_kinds[i]; i++) {
        config_nearest_offer(&nearest, span_str(provider_kinds[i]->name));
        n += (size_t)snprintf(has + n, sizeof has - n, "%s%s", i ? ", " : "",
                              provider_kinds[i]->name);
        n = min_size(n, sizeof has - 1);
    }
    config_nearest_text(&nearest, hint, sizeof hint);
    config_setting_error(r, node_of(draft, "kind"), "%s.kind: there is no kind \"%.*s\"%s%s",
                         draft->where, CONFIG_SHOWN(node_of(draft, "kind")),
                         *hint ? hint : "; there are ", *hint ? "" : has);
}

/* The URL that the kind makes of region or location. */
static const char *made_url(struct config_reader *r, const struct draft *draft,
                            const struct provider *provider) {
    struct span why = {NULL, 0}, url = provider->kind->url(provider, r->scratch, &why);
    if (url.p)
        return config_setting_keep(r, url);
    config_setting_error(r, draft->map, "%s: %.*s", draft->where, (int)min_size(why.n, 256),
                         why.p ? why.p : "");
    return NULL;
}

/* The URL's text and the key it came from; NULL after an error was reported. */
static const char *choose_url(struct config_reader *r, const struct draft *draft,
                              const struct provider *provider, const char **key) {
    const struct config_provider_draft *d = &draft->d;
    const struct provider_kind *kind = provider->kind;
    bool azure = strcmp(kind->name, "azure") == 0;
    *key = d->endpoint ? "endpoint" : "base_url";
    if (d->endpoint && !azure)
        config_setting_error(r, node_of(draft, "endpoint"),
                             "%s.endpoint: only kind azure has one; use base_url", draft->where);
    else if (d->endpoint && d->base_url)
        config_setting_error(r, node_of(draft, "base_url"),
                             "%s has both endpoint and base_url; remove one", draft->where);
    else if (d->endpoint || d->base_url)
        return d->endpoint ? d->endpoint : d->base_url;
    else if (kind->base_url)
        return kind->base_url;
    else if (kind->url)
        return made_url(r, draft, provider);
    else
        config_setting_error(
            r, draft->map, "%s needs %s, since kind %s has no address of its own", draft->where,
            azure ? "endpoint (https://RESOURCE.openai.azure.com)" : "base_url", kind->name);
    return NULL;
}

/* The host in lower case: it is compared with certificates and keys of pools. */
static const char *keep_host(struct config_reader *r, struct span host) {
    char *text = config_setting_alloc(r, host.n + 1);
    for (size_t i = 0; i < host.n; i++)
        text[i] = host.p[i] >= 'A' && host.p[i] <= 'Z' ? (char)(host.p[i] | 0x20) : host.p[i];
    return text;
}

static const char *keep_authority(struct config_reader *r, const struct config_url *url,
                                  const char *host) {
    bool standard_port = url->port == (url->tls ? 443 : 80);
    size_t max = strlen(host) + sizeof "[]:65535";
    char *text = config_setting_alloc(r, max);
    int n = snprintf(text, max, url->ipv6 ? "[%s]" : "%s", host);
    if (!standard_port)
        snprintf(text + n, max - (size_t)n, ":%u", url->port);
    return text;
}

static bool read_url(struct config_reader *r, const struct draft *draft, struct provider *provider,
                     bool *loopback) {
    const char *key, *why, *text = choose_url(r, draft, provider, &key);
    struct config_url url;
    if (!text)
        return false;
    if (!config_url_parse(span_str(text), &url, &why)) {
        config_setting_error(r, node_of(draft, key), "%s.%s %s", draft->where, key, why);
        return false;
    }
    provider->tls = url.tls;
    provider->host = keep_host(r, url.host);
    provider->port = url.port;
    provider->authority = keep_authority(r, &url, provider->host);
    provider->path_prefix = config_setting_keep(r, url.prefix);
    *loopback = config_url_loopback(&url);
    return true;
}

static bool key_sendable(const char *key) {
    for (const char *c = key; *c; c++)
        if (*c <= ' ' || *c >= 0x7f)
            return false;
    return true;
}

/* The fixed key, unless config_credentials_read has found what authorises. */
static void read_key(struct config_reader *r, const struct draft *draft, struct provider *provider,
                     bool loopback) {
    const char *key = draft->d.api_key;
    const struct config_node *given = config_node_find(draft->map, SPAN("api_key"));
    if (!given && !provider->kind->key_optional)
        config_setting_error(r, draft->map,
                             "%s.api_key is missing: the credential, best as \"${NAME}\"; or "
                             "none to send none",
                             draft->where);
    if (given && key && strcmp(key, "none") != 0) {
        if (!key_sendable(key)) {
            config_setting_error(r, given,
                                 "%s.api_key holds blanks or characters that cannot be sent in a "
                                 "header",
                                 draft->where);
            return;
        }
        provider->api_key = key;
    }
    if ((provider->api_key || provider->credential) && !provider->tls && !loopback)
        config_setting_warning(r, given ? given : draft->map,
                               "%s%s will be sent in clear text: its URL is http", draft->where,
                               given ? ".api_key" : ": its credential");
}

static bool header_reserved(struct config_reader *r, const struct draft *draft, struct span name,
                            const struct config_node *node, const struct provider *provider) {
    const char *why = NULL;
    for (size_t i = 0; i < countof(reserved_headers); i++)
        if (span_eq_nocase(name, span_str(reserved_headers[i])))
            why = "is set by the proxy itself; remove it";
    if (span_starts_nocase(name, SPAN("x-hedgerow-")))
        why = "is never sent upstream; remove it";
    bool credential =
        span_eq_nocase(name, SPAN("authorization")) || span_eq_nocase(name, SPAN("api-key"));
    if (credential && provider->api_key)
        why = "carries the credential; use api_key, or set api_key: none to send this instead";
    if (why)
        config_setting_error(r, node, "%s.headers: %.*s %s", draft->where,
                             (int)min_size(name.n, 64), name.p, why);
    return why != NULL;
}

static void read_headers(struct config_reader *r, const struct draft *draft,
                         struct provider *provider) {
    const struct config_node *map = draft->d.headers;
    if (!map)
        return;
    struct http_field *fields = config_setting_alloc(r, (map->count + 1) * sizeof *fields);
    const char *where = config_setting_where(r, draft->where, SPAN("headers"));
    struct config_names seen;
    config_names_init(&seen, r->scratch, map->count);
    if (map->count > CONFIG_HEADERS_MAX) {
        config_setting_error(r, map, "%s: there may be %d", where, CONFIG_HEADERS_MAX);
        return;
    }
    for (const struct config_entry *e = map->first; e; e = e->next) {
        struct span name = span_str(keep_host(r, e->key->text));
        const char *value =
            config_setting_text(r, e->value, config_setting_where(r, where, e->key->text), true);
        if (!http_is_token(name))
            config_setting_error(r, e->key, "%s: this is not a header's name", where);
        else if (!value || header_reserved(r, draft, name, e->key, provider))
            continue;
        else if (!http_is_value(span_str(value)))
            config_setting_error(r, e->value, "%s.%s: the value cannot be sent in a header", where,
                                 name.p);
        else if (config_names_put(&seen, name, e))
            config_setting_error(r, e->key, "%s: %s is given twice in another case", where, name.p);
        else
            fields[provider->header_count++] =
                (struct http_field){.name = name, .value = span_str(value)};
    }
    provider->headers = fields;
}

static bool same_trust(const struct config_provider_tls *a, const struct config_provider_tls *b) {
    bool same_ca = a->ca && b->ca ? strcmp(a->ca, b->ca) == 0 : a->ca == b->ca;
    return same_ca && a->insecure == b->insecure;
}

/* Loads the trust store of drafts[index], or holds one loaded for an earlier provider. */
static void read_trust(struct config_reader *r, const struct draft *drafts, unsigned index) {
    const struct draft *draft = &drafts[index];
    struct config_provider *provider = &r->config->providers[index];
    char why[WHY_MAX];
    for (unsigned i = 0; i < index; i++) {
        if (r->config->providers[i].tls && same_trust(&drafts[i].tls, &draft->tls)) {
            provider->tls = cert_client_hold(r->config->providers[i].tls);
            return;
        }
    }
    struct cert_client_options options = {
        .ca_path = draft->tls.ca, .insecure = draft->tls.insecure, .http2 = false};
    if (cert_client_new(&provider->tls, &options, why, sizeof why) != 0)
        config_setting_error(r, node_of(draft, "tls"), "%s.tls: %s", draft->where, why);
}

static void read_tls(struct config_reader *r, struct draft *drafts, unsigned index) {
    struct draft *draft = &drafts[index];
    struct config_provider *provider = &r->config->providers[index];
    const struct config_node *map = draft->d.tls;
    unsigned errors = r->report->counts[CONFIG_ERROR];
    provider->server_name = provider->provider.host;
    if (map && !provider->provider.tls) {
        config_setting_error(
            r, map, "%s.tls: its URL is http, so nothing is checked; remove tls or write https",
            draft->where);
        return;
    }
    if (map)
        config_setting_read(r, CONFIG_SECTION_provider_tls, map,
                            config_setting_where(r, draft->where, SPAN("tls")), &draft->tls);
    if (draft->tls.server_name)
        provider->server_name = draft->tls.server_name;
    if (map && draft->tls.insecure)
        config_setting_warning(
            r, map,
            "%s.tls.insecure_skip_verify: anybody on the way can read and change what is "
            "sent to it",
            draft->where);
    if (provider->provider.tls && r->report->counts[CONFIG_ERROR] == errors)
        read_trust(r, drafts, index);
}

static void read_bounds(struct config_reader *r, const struct draft *draft,
                        struct config_provider *provider) {
    struct config_pool pool = {.min_idle = 0};
    struct config_limits limits = {.concurrency = 0};
    config_setting_defaults(r, CONFIG_SECTION_pool, &pool);
    if (draft->d.pool)
        config_setting_read(r, CONFIG_SECTION_pool, draft->d.pool,
                            config_setting_where(r, draft->where, SPAN("pool")), &pool);
    if (draft->d.limits)
        config_setting_read(r, CONFIG_SECTION_provider_limits, draft->d.limits,
                            config_setting_where(r, draft->where, SPAN("limits")), &limits);
    if (draft->d.pool && pool.min_idle > pool.max_connections)
        config_setting_error(r, draft->d.pool,
                             "%s.pool: min_idle is more than max_connections (%u)", draft->where,
                             pool.max_connections);
    provider->pool_min_idle = pool.min_idle;
    provider->pool_max_connections = pool.max_connections;
    provider->limit_rpm = limits.rpm;
    provider->limit_tpm = limits.tpm;
    provider->limit_concurrency = limits.concurrency;
    if (limits.rpm || limits.tpm || limits.concurrency)
        provider->shared = config_quota_new();
}

/* Where paths go that are passed through to it. */
static void read_pass(struct config_reader *r, const struct draft *draft,
                      struct config_provider *out) {
    const struct provider *provider = &out->provider;
    struct span why = {NULL, 0};
    if (provider->kind->pass && provider->kind->pass(provider, r->keep, &out->pass, &why) != 0)
        config_setting_error(r, draft->map, "%s: %.*s", draft->where, (int)min_size(why.n, 256),
                             why.p ? why.p : "");
}

static void read_provider(struct config_reader *r, struct draft *drafts, unsigned index) {
    struct draft *draft = &drafts[index];
    struct config_provider *out = &r->config->providers[index];
    bool loopback = false;
    config_setting_defaults(r, CONFIG_SECTION_provider, &draft->d);
    bool good =
        config_setting_read(r, CONFIG_SECTION_provider, draft->map, draft->where, &draft->d);
    if (draft->map->kind != CONFIG_MAP)
        return;
    read_bounds(r, draft, out);
    if (!good)
        return;
    out->provider.kind = provider_kind_find(span_str(draft->d.kind));
    if (!out->provider.kind) {
        unknown_kind(r, draft);
        return;
    }
    out->cancel = draft->d.cancel;
    out->provider.region = draft->d.region;
    out->provider.residency = draft->d.residency;
    out->provider.s3_locations = draft->d.s3_locations;
    if (draft->d.s3_locations && strcmp(draft->d.kind, "bedrock") != 0)
        config_setting_error(r, node_of(draft, "s3_locations"),
                             "%s.s3_locations: only kind bedrock has them", draft->where);
    out->provider.api_version = draft->d.api_version;
    if (draft->d.api_version && strcmp(draft->d.kind, "azure") != 0)
        config_setting_error(r, node_of(draft, "api_version"),
                             "%s.api_version: only kind azure has one", draft->where);
    config_credentials_read(r, draft->map, draft->where, &draft->d, &out->provider);
    if (!read_url(r, draft, &out->provider, &loopback))
        return;
    read_key(r, draft, &out->provider, loopback);
    read_headers(r, draft, &out->provider);
    read_tls(r, drafts, index);
    read_pass(r, draft, out);
}

void config_providers_read(struct config_reader *r, const struct config_node *map) {
    unsigned count = config_count(r, map, "providers", CONFIG_PROVIDERS_MAX), at = 0;
    struct draft *drafts = arena_zalloc(r->scratch, (count + 1) * sizeof *drafts);
    CHECK(drafts);
    r->config->providers = config_setting_alloc(r, count * sizeof *r->config->providers);
    r->config->provider_count = count;
    for (const struct config_entry *e = map->first; e && at < count; e = e->next, at++) {
        struct config_provider *provider = &r->config->providers[at];
        provider->index = at;
        /* A hole for a bad name would make every backend that uses it wrong too. */
        const char *name = config_setting_key(r, e->key, "providers", true);
        provider->provider.name = name ? name : "";
        drafts[at] = (struct draft){.map = e->value,
                                    .where = config_setting_where(r, "providers", e->key->text)};
        read_provider(r, drafts, at);
    }
}
