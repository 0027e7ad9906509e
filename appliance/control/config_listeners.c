/* config_listeners.c - where clients and operators connect, and who serves them: listeners, admin,
 * workers.
 *
 * Promises: no two of the addresses are the same, and admin is none of them. */
#include "appliance/control/config_parts.h"
#include "appliance/control/config_value.h"
#include "net/cert.h"

/* What net/cert says about a file it could not use. */
#define WHY_MAX 512

static bool read_address(struct config_reader *r, const struct config_node *map, const char *where,
                         const char *text, struct config_listener *out) {
    struct config_address address;
    const char *why;
    const struct config_node *node = config_node_find(map, SPAN("address"));
    if (!config_value_address(span_str(text), &address, &why)) {
        config_setting_error(r, node, "%s.address: \"%.*s\" %s", where, CONFIG_SHOWN(node), why);
        return false;
    }
    out->host = config_setting_keep(r, address.host);
    out->port = address.port;
    return true;
}

static bool same_address(const struct config_listener *a, const struct config_listener *b) {
    /* Port 0 is another one each time. */
    return a->port != 0 && a->port == b->port && a->host && b->host &&
           strcmp(a->host, b->host) == 0;
}

static unsigned read_pairs(struct config_reader *r, const struct config_node *list,
                           const char *where, struct cert_pair *pairs, unsigned max) {
    unsigned count = 0;
    for (const struct config_entry *e = list->first; e && count < max; e = e->next) {
        const char *item = config_setting_item(r, where, count);
        if (!config_setting_read(r, CONFIG_SECTION_certificate, e->value, item, &pairs[count]))
            return 0;
        count++;
    }
    return count;
}

/* The certificates of a tls map, in the scratch arena; 0 after an error was reported. */
static unsigned read_certificates(struct config_reader *r, const struct config_node *map,
                                  const char *where, const struct config_listener_tls *tls,
                                  struct cert_pair **pairs) {
    bool one = tls->certificate || tls->private_key;
    unsigned room =
        tls->certificates ? config_count(r, tls->certificates, where, CONFIG_CERTIFICATES_MAX) : 1;
    *pairs = arena_zalloc(r->scratch, (room + 1) * sizeof **pairs);
    CHECK(*pairs);
    if (one && tls->certificates) {
        config_setting_error(
            r, map, "%s has both certificate and certificates; put all into certificates", where);
        return 0;
    }
    if (tls->certificates)
        return read_pairs(r, tls->certificates,
                          config_setting_where(r, where, SPAN("certificates")), *pairs, room);
    if (!tls->certificate || !tls->private_key) {
        config_setting_error(r, map, "%s needs certificate and private_key, both PEM files", where);
        return 0;
    }
    (*pairs)[0] = (struct cert_pair){.certificate_path = tls->certificate,
                                     .private_key_path = tls->private_key};
    return 1;
}

static void read_tls(struct config_reader *r, const struct config_node *map, const char *where,
                     struct config_listener *listener) {
    struct config_listener_tls tls = {.certificates = NULL};
    struct cert_pair *pairs;
    unsigned errors = r->report->counts[CONFIG_ERROR];
    char why[WHY_MAX];
    if (!config_setting_read(r, CONFIG_SECTION_listener_tls, map, where, &tls))
        return;
    unsigned count = read_certificates(r, map, where, &tls, &pairs);
    if (count == 0 || r->report->counts[CONFIG_ERROR] > errors)
        return;
    struct cert_server_options options = {
        .pairs = pairs, .pair_count = count, .client_ca_path = tls.client_ca, .http2 = false};
    if (cert_server_new(&listener->tls, &options, why, sizeof why) != 0)
        config_setting_error(r, map, "%s: %s", where, why);
}

static void read_listener(struct config_reader *r, const struct config_node *map, const char *where,
                          struct config_listener *listener) {
    struct config_listener_draft draft = {.address = NULL};
    config_setting_defaults(r, CONFIG_SECTION_listener, &draft);
    if (!config_setting_read(r, CONFIG_SECTION_listener, map, where, &draft))
        return;
    listener->proxy_protocol = draft.proxy_protocol;
    if (draft.tls)
        read_tls(r, draft.tls, config_setting_where(r, where, SPAN("tls")), listener);
    if (!read_address(r, map, where, draft.address, listener))
        return;
    for (const struct config_listener *other = r->config->listeners; other < listener; other++)
        if (same_address(other, listener))
            config_setting_error(r, config_node_find(map, SPAN("address")),
                                 "%s.address: another listener has this address already", where);
}

void config_listeners_read(struct config_reader *r, const struct config_node *list) {
    unsigned count = config_count(r, list, "listeners", CONFIG_LISTENERS_MAX), at = 0;
    r->config->listeners = config_setting_alloc(r, count * sizeof *r->config->listeners);
    r->config->listener_count = count;
    for (const struct config_entry *e = list->first; e && at < count; e = e->next, at++)
        read_listener(r, e->value, config_setting_item(r, "listeners", at),
                      &r->config->listeners[at]);
}

void config_admin_read(struct config_reader *r, const struct config_node *map) {
    struct config_listener_draft draft = {.address = NULL};
    struct config_listener *admin = &r->config->admin;
    if (!config_setting_read(r, CONFIG_SECTION_admin, map, "admin", &draft) ||
        !read_address(r, map, "admin", draft.address, admin))
        return;
    for (unsigned i = 0; i < r->config->listener_count; i++)
        if (same_address(admin, &r->config->listeners[i]))
            config_setting_error(
                r, config_node_find(map, SPAN("address")),
                "admin.address: listeners[%u] has this address; what operators see is never "
                "shown on a listener of clients",
                i);
}

void config_workers_read(struct config_reader *r, const struct config_node *node,
                         const char *text) {
    struct config *config = r->config;
    struct config_cpus cpus;
    uint64_t count;
    const char *why;
    if (strcmp(text, "auto") == 0)
        return;
    if (span_u64(span_str(text), UINT64_MAX, &count)) {
        if (count == 0 || count > WORKERS_MAX)
            config_setting_error(r, node, "workers: there may be 1 to %d, or auto for one per core",
                                 WORKERS_MAX);
        else
            config->worker_count = (unsigned)count;
        return;
    }
    if (!config_value_cpus(span_str(text), &cpus, &why)) {
        config_setting_error(r, node, "workers: \"%.*s\" is not auto or a number, and %s",
                             CONFIG_SHOWN(node), why);
        return;
    }
    memcpy(config->worker_cpus, cpus.bitmap, sizeof config->worker_cpus);
    config->worker_cpus_given = true;
    config->worker_count = cpus.count;
}
