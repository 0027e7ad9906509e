/* check.c - is the configuration right, and what does it come to?
 *
 * Promises: prints no api_key, no header value and no digest. */
#include "appliance/control/check.h"

#include <inttypes.h>

#include "appliance/control/config_load.h"
#include "appliance/control/credentials_recipe.h"

/* Each writes one value as the operator would, in the largest unit that leaves it whole. */
static void put_duration(uint64_t ns, FILE *out) {
    static const struct {
        uint64_t ns;
        const char *name;
    } units[] = {{3600 * NS_PER_S, "h"},
                 {60 * NS_PER_S, "m"},
                 {NS_PER_S, "s"},
                 {NS_PER_MS, "ms"},
                 {NS_PER_US, "us"}};
    for (size_t i = 0; i < countof(units); i++) {
        if (ns == 0 || ns % units[i].ns)
            continue;
        fprintf(out, "%" PRIu64 "%s", ns / units[i].ns, units[i].name);
        return;
    }
    fprintf(out, ns ? "%" PRIu64 "ns" : "%" PRIu64 "s", ns);
}

static void put_size(uint64_t bytes, FILE *out) {
    static const char *const units[] = {"", "KiB", "MiB", "GiB"};
    size_t unit = 0;
    while (unit + 1 < countof(units) && bytes && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    fprintf(out, "%" PRIu64 "%s", bytes, units[unit]);
}

/* Pico-dollars per token are millionths of a dollar per million tokens. */
static void put_price(uint64_t pico, FILE *out) {
    char text[40];
    int n = snprintf(text, sizeof text, "%" PRIu64 ".%06" PRIu64, pico / 1000000, pico % 1000000);
    while (text[n - 1] == '0')
        n--;
    if (text[n - 1] == '.')
        n--;
    fprintf(out, "%.*s", n, text);
}

static void put_address(const struct config_listener *listener, FILE *out) {
    bool ipv6 = strchr(listener->host, ':') != NULL;
    fprintf(out, ipv6 ? "[%s]:%u" : "%s:%u", *listener->host ? listener->host : "*",
            listener->port);
}

static void put_texts(const char *label, const char *const *texts, unsigned count, FILE *out) {
    fputs(label, out);
    for (unsigned i = 0; i < count; i++)
        fprintf(out, "%s%s", i ? ", " : "", texts[i]);
}

static void plan_listeners(const struct config *config, FILE *out) {
    fputs("listeners\n", out);
    for (unsigned i = 0; i < config->listener_count; i++) {
        fputs("  ", out);
        put_address(&config->listeners[i], out);
        fputs(config->listeners[i].tls ? "  TLS\n" : "  clear text\n", out);
    }
    fputs("admin\n  ", out);
    if (config->admin.host)
        put_address(&config->admin, out);
    else
        fputs("none", out);
    fputs("\nworkers\n  ", out);
    if (config->worker_count == 0)
        fputs("one per core", out);
    else
        fprintf(out, "%u", config->worker_count);
    if (config->worker_cpus_given) {
        fputs(", pinned to CPUs", out);
        for (unsigned cpu = 0; cpu < WORKERS_MAX; cpu++)
            if (config->worker_cpus[cpu / 8] & 1u << cpu % 8)
                fprintf(out, " %u", cpu);
    }
    fputs("\n", out);
}

static void put_authorisation(const struct provider *provider, FILE *out) {
    if (provider->credential)
        fprintf(out, "credentials from %s",
                credentials_way_text(credentials_plan_of(provider->credential)->recipe.way));
    else if (provider->oci_key)
        fputs("with a signing key", out);
    else
        fputs(provider->api_key ? "with a key" : "without a key", out);
}

static void plan_provider(const struct config_provider *p, FILE *out) {
    static const char *const cancels[] = {"unknown", "stops_billing", "bills_on"};
    const struct provider *provider = &p->provider;
    fprintf(out, "  %s\n    kind %s, %s://%s%s\n    ", provider->name, provider->kind->name,
            provider->tls ? "https" : "http", provider->authority, provider->path_prefix);
    put_authorisation(provider, out);
    if (provider->region)
        fprintf(out, ", region %s", provider->region);
    if (provider->residency)
        fprintf(out, ", residency %s", provider->residency);
    if (provider->api_version)
        fprintf(out, ", api_version %s", provider->api_version);
    if (p->tls && strcmp(p->server_name, provider->host) != 0)
        fprintf(out, ", certificate for %s", p->server_name);
    if (provider->header_count)
        fprintf(out, ", %u extra headers", provider->header_count);
    fprintf(out, "\n    each worker keeps %u warm connections, at most %u; cancelling: %s",
            p->pool_min_idle, p->pool_max_connections, cancels[p->cancel]);
    if (p->limit_concurrency)
        fprintf(out, "; at most %" PRIu64 " requests at once", p->limit_concurrency);
    if (p->limit_rpm)
        fprintf(out, "; at most %" PRIu64 " requests a minute", p->limit_rpm);
    if (p->limit_tpm)
        fprintf(out, "; at most %" PRIu64 " tokens a minute", p->limit_tpm);
    fputs("\n", out);
}

static void plan_backend(const struct config_backend *backend, FILE *out) {
    const struct provider *provider = &backend->provider->provider;
    struct span path = backend->targets[provider->kind->service].path;
    fprintf(out, "    %u. %s: %s  %s%.*s", backend->index + 1, provider->name, backend->model,
            provider->authority, (int)path.n, path.p);
    if (backend->weight != 1)
        fprintf(out, "  weight %u", backend->weight);
    if (backend->price.known) {
        fputs("  USD per million ", out);
        put_price(backend->price.input_pico, out);
        fputs(" in, ", out);
        put_price(backend->price.cached_input_pico, out);
        fputs(" cached, ", out);
        put_price(backend->price.output_pico, out);
        fputs(" out", out);
    }
    fputs("\n", out);
}

static void plan_hedge(const struct config_hedge *hedge, FILE *out) {
    static const char *const modes[] = {"off", "fixed", "adaptive", "race"};
    static const char *const stalls[] = {"fail", "continue", "restart"};
    fprintf(out, "    hedge %s", modes[hedge->mode]);
    if (hedge->mode == HEDGE_MODE_FIXED || hedge->mode == HEDGE_MODE_ADAPTIVE) {
        fputs(hedge->mode == HEDGE_MODE_FIXED ? " after " : ", at first after ", out);
        put_duration(hedge->delay_ns, out);
    }
    if (hedge->mode == HEDGE_MODE_ADAPTIVE)
        fprintf(out, ", for p%g", hedge->target * 100);
    fprintf(out, "; at most %u attempts", hedge->max_attempts);
    if (hedge->mode == HEDGE_MODE_ADAPTIVE) {
        fputs(" and never later than after ", out);
        put_duration(hedge->max_delay_ns, out);
    }
    if (hedge->mode != HEDGE_MODE_OFF)
        fprintf(out, ", %g%% extra requests, %g%% extra money; %s counts as an answer",
                hedge->request_budget * 100, hedge->cost_budget * 100,
                hedge->commit_on_reasoning ? "reasoning" : "only content");
    fprintf(out, "; on a stall: %s\n", stalls[hedge->on_stall]);
}

static void plan_timeouts(const struct config_timeouts *timeouts, FILE *out) {
    const struct {
        const char *name;
        uint64_t ns;
    } rows[] = {{"connect", timeouts->connect_ns}, {"tls", timeouts->tls_ns},
                {"head", timeouts->head_ns},       {"first token", timeouts->first_token_ns},
                {"idle", timeouts->idle_ns},       {"total", timeouts->total_ns}};
    fputs("    timeouts", out);
    for (size_t i = 0; i < countof(rows); i++) {
        fprintf(out, "%s %s ", i ? "," : "", rows[i].name);
        put_duration(rows[i].ns, out);
    }
    fputs("\n", out);
}

static void plan_model(const struct config_model *model, FILE *out) {
    static const char *const strategies[] = {"fastest", "ordered", "weighted", "cheapest"};
    static const char *const affinities[] = {"none", "prefix", "user"};
    fprintf(out, "  %s", model->name);
    if (model->alias_count)
        put_texts("  alias ", model->aliases, model->alias_count, out);
    fputs("\n", out);
    for (unsigned i = 0; i < model->backend_count; i++)
        plan_backend(&model->backends[i], out);
    fprintf(out, "    strategy %s, affinity %s", strategies[model->strategy],
            affinities[model->affinity]);
    for (unsigned i = 0; i < model->fallback_count; i++)
        fprintf(out, "%s%s", i ? ", " : ", fallback ", model->fallback[i]->name);
    fputs("\n", out);
    plan_hedge(&model->hedge, out);
    plan_timeouts(&model->timeouts, out);
}

static void plan_key(const struct config_key *key, FILE *out) {
    fprintf(out, "  %s", key->name);
    if (key->model_count)
        put_texts("  models ", key->models, key->model_count, out);
    else
        fputs("  all models", out);
    if (key->residency)
        fprintf(out, "  residency %s", key->residency);
    if (key->limit_concurrency)
        fprintf(out, "  at most %" PRIu64 " requests at once", key->limit_concurrency);
    fputs("\n", out);
}

static void plan_limits(const struct config *config, FILE *out) {
    fputs("limits\n  body ", out);
    put_size(config->body_max_bytes, out);
    fputs(", header ", out);
    put_size(config->header_max_bytes, out);
    fprintf(out, ", %" PRIu64 " connections, request within ", config->connections_max);
    put_duration(config->request_timeout_ns, out);
    fputs(", drain ", out);
    put_duration(config->drain_timeout_ns, out);
    fputs("\naccess log\n  ", out);
    if (!config->access_log_path)
        fputs("none\n", out);
    else if (strcmp(config->access_log_path, "-") == 0)
        fputs("standard output, json\n", out);
    else
        fprintf(out, "%s, json\n", config->access_log_path);
}

void check_plan(const struct config *config, FILE *out) {
    plan_listeners(config, out);
    fputs("providers\n", out);
    for (unsigned i = 0; i < config->provider_count; i++)
        plan_provider(&config->providers[i], out);
    fputs("models\n", out);
    for (unsigned i = 0; i < config->model_count; i++)
        plan_model(&config->models[i], out);
    fputs("keys\n", out);
    if (config->key_count == 0)
        fputs("  none: every client may call everything\n", out);
    for (unsigned i = 0; i < config->key_count; i++)
        plan_key(&config->keys[i], out);
    plan_limits(config, out);
}

int check_main(const char *config_path) {
    struct config *config;
    struct config_report report;
    int error = config_load(config_path, &config, &report);
    config_report_write(&report, stderr);
    config_report_fini(&report);
    if (error)
        return 1;
    check_plan(config, stdout);
    config_free(&config);
    return 0;
}
