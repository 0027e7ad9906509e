/* test_config.c - configuration files that are right: what each comes to; and what holds for all
 * of them. Those that are wrong are in test_config_errors.c. */
#include "tests/unit/control/config_file.h"

#include "appliance/control/check.h"
#include "appliance/control/config_quota.h"
#include "appliance/control/keys.h"
#include "appliance/race/quota.h"

/* A file that must be right, without a warning. NULL when it is not. */
static struct config *load_good(const char *yaml) {
    char *messages;
    struct config *config = load(yaml, &messages);
    EXPECT_STR(messages, "");
    free(messages);
    return config;
}

TEST(defaults_are_filled_in) {
    struct config *config = load_good(ALL);
    REQUIRE(config);
    const struct config_model *model = config_model_find(config, SPAN("m"));
    EXPECT_EQ(config->generation, 1);
    EXPECT_EQ(config->listener_count, 1);
    EXPECT_STR(config->listeners[0].host, "127.0.0.1");
    EXPECT_EQ(config->listeners[0].port, 8080);
    EXPECT(!config->listeners[0].tls && !config->listeners[0].proxy_protocol);
    EXPECT(config->admin.host == NULL);
    EXPECT_EQ(config->worker_count, 0);
    EXPECT(!config->worker_cpus_given);
    EXPECT_EQ(config->body_max_bytes, 32 * 1024 * 1024);
    EXPECT_EQ(config->header_max_bytes, 32 * 1024);
    EXPECT_EQ(config->connections_max, 100000);
    EXPECT_EQ(config->request_timeout_ns, 600 * NS_PER_S);
    EXPECT_EQ(config->drain_timeout_ns, 30 * NS_PER_S);
    EXPECT_STR(config->access_log_path, "-");
    EXPECT_EQ(config->key_count, 0);
    EXPECT_EQ(config->backend_count, 1);
    REQUIRE(model);
    EXPECT_EQ(model->strategy, STRATEGY_FASTEST);
    EXPECT_EQ(model->affinity, AFFINITY_NONE);
    EXPECT_EQ(model->hedge.mode, HEDGE_MODE_ADAPTIVE);
    EXPECT_EQ(model->hedge.delay_ns, 400 * NS_PER_MS);
    EXPECT_EQ(model->hedge.max_attempts, 2);
    EXPECT(model->hedge.request_budget == 0.05 && model->hedge.cost_budget == 0.05);
    EXPECT(model->hedge.max_delay_ns == 30 * NS_PER_S && model->hedge.sample == 0.005);
    EXPECT(model->hedge.queue);
    EXPECT(model->hedge.target == 0.99 && model->hedge.commit_on_reasoning);
    EXPECT_EQ(model->hedge.on_stall, ON_STALL_FAIL);
    EXPECT_EQ(model->timeouts.connect_ns, NS_PER_S);
    EXPECT_EQ(model->timeouts.tls_ns, 2 * NS_PER_S);
    EXPECT_EQ(model->timeouts.head_ns, 30 * NS_PER_S);
    EXPECT_EQ(model->timeouts.first_token_ns, 30 * NS_PER_S);
    EXPECT_EQ(model->timeouts.idle_ns, 15 * NS_PER_S);
    EXPECT_EQ(model->timeouts.total_ns, 600 * NS_PER_S);
    EXPECT_EQ(model->backends[0].weight, 1);
    EXPECT(!model->backends[0].price.known);
    EXPECT(model->backends[0].provider == &config->providers[0]);
    EXPECT_EQ(config->providers[0].pool_min_idle, 1);
    EXPECT_EQ(config->providers[0].pool_max_connections, 1000);
    EXPECT_EQ(config->providers[0].cancel, CANCEL_UNKNOWN);
    EXPECT(config->providers[0].tls != NULL);
    EXPECT_STR(config->providers[0].server_name, "api.openai.com");
    config_free(&config);
    EXPECT(config == NULL);
}

TEST(listeners_workers_and_limits) {
    struct config *config = load_good(
        "version: 1\n"
        "listeners: [{address: \":8080\"}, {address: \"[::1]:0\"}, {address: \"[::1]:0\"}]\n"
        "admin: {address: \"127.0.0.1:9901\"}\n"
        "workers: 2-5,8\n"
        "limits: {body: 256MiB, drain_timeout: 0s, connections: 5}\n"
        "telemetry: {access_log: {path: logs/a.log, format: json}}\n" PROVIDERS MODELS);
    REQUIRE(config);
    EXPECT_EQ(config->listener_count, 3);
    EXPECT_STR(config->listeners[0].host, "");
    EXPECT_STR(config->listeners[2].host, "::1");
    EXPECT_EQ(config->listeners[2].port, 0);
    EXPECT_STR(config->admin.host, "127.0.0.1");
    EXPECT_EQ(config->admin.port, 9901);
    EXPECT_EQ(config->worker_count, 5);
    EXPECT(config->worker_cpus_given);
    EXPECT_EQ(config->worker_cpus[0], 0x3c);
    EXPECT_EQ(config->worker_cpus[1], 0x01);
    EXPECT_EQ(config->body_max_bytes, 256 * 1024 * 1024);
    EXPECT_EQ(config->drain_timeout_ns, 0);
    EXPECT_EQ(config->connections_max, 5);
    EXPECT_STR(config->access_log_path, "./logs/a.log");
    const char *why;
    EXPECT(!config_listen(config, "nonsense", &why));
    EXPECT_EQ(config->listener_count, 3);
    EXPECT(config_listen(config, "[::]:81", &why));
    EXPECT_EQ(config->listener_count, 1);
    EXPECT_STR(config->listeners[0].host, "::");
    EXPECT_EQ(config->listeners[0].port, 81);
    config_free(&config);
    config = load_good(ALL "workers: 3\ntelemetry: {access_log: {path: none}}\n");
    REQUIRE(config);
    EXPECT_EQ(config->worker_count, 3);
    EXPECT(!config->worker_cpus_given);
    EXPECT(config->access_log_path == NULL);
    config_free(&config);
}

TEST(providers_by_their_urls) {
    static const struct {
        const char *settings, *host, *authority, *prefix;
        unsigned port;
        bool tls;
    } rows[] = {
        {"kind: openai, api_key: k", "api.openai.com", "api.openai.com", "/v1", 443, true},
        {"kind: openai, api_key: k, base_url: \"https://LLM.Example:8443/a/v1/\"", "llm.example",
         "llm.example:8443", "/a/v1", 8443, true},
        {"kind: openai, api_key: none, base_url: \"http://127.0.0.1/v1\"", "127.0.0.1", "127.0.0.1",
         "/v1", 80, false},
        {"kind: openai, api_key: none, base_url: \"http://[2001:DB8::1]:8000\"", "2001:db8::1",
         "[2001:db8::1]:8000", "", 8000, false},
        {"kind: openai, api_key: k, base_url: \"https://h:80\"", "h", "h:80", "", 80, true},
        {"kind: azure, api_key: k, endpoint: \"https://contoso.openai.azure.com/\"",
         "contoso.openai.azure.com", "contoso.openai.azure.com", "", 443, true},
        {"kind: vllm, base_url: \"http://localhost:8000/v1\"", "localhost", "localhost:8000", "/v1",
         8000, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char yaml[600];
        ROW("%s", rows[i].settings);
        snprintf(yaml, sizeof yaml, HEAD MODELS "providers: {p: {%s}}\n", rows[i].settings);
        struct config *config = load_good(yaml);
        if (!config)
            continue;
        const struct provider *provider = &config->providers[0].provider;
        EXPECT_STR(provider->name, "p");
        EXPECT_STR(provider->host, rows[i].host);
        EXPECT_STR(provider->authority, rows[i].authority);
        EXPECT_STR(provider->path_prefix, rows[i].prefix);
        EXPECT_EQ(provider->port, rows[i].port);
        EXPECT_EQ(provider->tls, rows[i].tls);
        EXPECT_EQ(config->providers[0].tls != NULL, rows[i].tls);
        EXPECT(config->models[0].backends[0].targets[SERVICE_CHAT].path.n > 0);
        config_free(&config);
    }
}

TEST(providers_with_everything) {
    write_file("key", "sk-from-file\n", 13);
    setenv("HR_REGION", "eu", 1);
    struct config *config = load_good(
        HEAD MODELS "providers:\n"
                    "  p:\n"
                    "    kind: azure\n"
                    "    endpoint: https://contoso.openai.azure.com\n"
                    "    api_key: ${file:key}\n"
                    "    api_version: 2024-10-21\n"
                    "    region: ${HR_REGION}\n"
                    "    cancel: bills_on\n"
                    "    tls: {server_name: other.example}\n"
                    "    pool: {min_idle: 0, max_connections: 7}\n"
                    "    headers: {X-Team: \"a b\", x-cost: $$5}\n"
                    "    limits: {concurrency: 9, rpm: 600, tpm: 200000}\n"
                    "  q: {kind: openai, api_key: \"Bearer-${file:key}-${HR_REGION}\"}\n");
    REQUIRE(config);
    const struct config_provider *p = &config->providers[0];
    EXPECT_STR(p->provider.api_key, "sk-from-file");
    EXPECT_STR(p->provider.api_version, "2024-10-21");
    EXPECT_STR(p->provider.region, "eu");
    EXPECT_EQ(p->cancel, CANCEL_BILLS_ON);
    EXPECT_STR(p->server_name, "other.example");
    EXPECT_EQ(p->pool_min_idle, 0);
    EXPECT_EQ(p->pool_max_connections, 7);
    EXPECT_EQ(p->limit_concurrency, 9);
    EXPECT_EQ(p->limit_rpm, 600);
    EXPECT_EQ(p->limit_tpm, 200000);
    EXPECT(p->shared && !config->providers[1].shared);
    EXPECT_EQ(p->provider.header_count, 2);
    EXPECT_BYTES(p->provider.headers[0].name.p, p->provider.headers[0].name.n, "x-team");
    EXPECT_BYTES(p->provider.headers[0].value.p, p->provider.headers[0].value.n, "a b");
    EXPECT_BYTES(p->provider.headers[1].value.p, p->provider.headers[1].value.n, "$5");
    EXPECT_EQ(config->providers[1].index, 1);
    EXPECT_STR(config->providers[1].provider.api_key, "Bearer-sk-from-file-eu");
    EXPECT(config->providers[1].tls == p->tls); /* one trust store for both */
    config_free(&config);
}

TEST(models_inherit_from_defaults_and_refer_to_each_other) {
    struct config *config = load_good(
        HEAD "models:\n"
             "  large:\n"
             "    backends:\n"
             "      - {provider: p, model: x, price: {input: 1.25, output: 10}}\n"
             "      - {provider: q, model: x, weight: 5, price: {input: 2, cached_input: 0.2, "
             "output: 8.000001}}\n"
             "    strategy: cheapest\n"
             "    affinity: user\n"
             "    hedge: {mode: fixed, delay: 300ms, commit_on: content}\n"
             "    timeouts: {idle: 3s}\n"
             "    fallback: [tiny]\n"
             "    aliases: [big, \"large 2\"]\n"
             "  small: {backends: [{provider: q, model: y}], aliases: [tiny], hedge: {mode: off}}\n"
             "defaults:\n"
             "  hedge: {mode: race, max_attempts: 4, request_budget: 12.5%, target: p99.9}\n"
             "  timeouts: {idle: 7s, total: 1m}\n"
             "providers:\n"
             "  p: {kind: openai, api_key: k}\n"
             "  q: {kind: openai, api_key: k, base_url: \"https://q.example/v1\"}\n");
    REQUIRE(config);
    const struct config_model *large = config_model_find(config, SPAN("large 2"));
    const struct config_model *small = config_model_find(config, SPAN("small"));
    REQUIRE(large && small);
    EXPECT(config_model_find(config, SPAN("big")) == large);
    EXPECT(config_model_find(config, SPAN("Large")) == NULL);
    EXPECT_EQ(large->hedge.mode, HEDGE_MODE_FIXED);
    EXPECT_EQ(large->hedge.delay_ns, 300 * NS_PER_MS);
    EXPECT(!large->hedge.commit_on_reasoning);
    EXPECT_EQ(large->hedge.max_attempts, 4);
    EXPECT(large->hedge.request_budget == 0.125 && large->hedge.target == 0.999);
    EXPECT_EQ(small->hedge.mode, HEDGE_MODE_OFF);
    EXPECT_EQ(large->timeouts.idle_ns, 3 * NS_PER_S);
    EXPECT_EQ(small->timeouts.idle_ns, 7 * NS_PER_S);
    EXPECT_EQ(small->timeouts.total_ns, 60 * NS_PER_S);
    EXPECT_EQ(large->strategy, STRATEGY_CHEAPEST);
    EXPECT_EQ(large->affinity, AFFINITY_USER);
    EXPECT_EQ(large->fallback_count, 1);
    EXPECT(large->fallback[0] == small);
    EXPECT(large->backends[0].price.known);
    EXPECT_EQ(large->backends[0].price.input_pico, 1250000);
    EXPECT_EQ(large->backends[0].price.cached_input_pico, 1250000); /* as input: none was given */
    EXPECT_EQ(large->backends[1].price.cached_input_pico, 200000);
    EXPECT_EQ(large->backends[1].price.output_pico, 8000001);
    EXPECT_EQ(large->backends[1].weight, 5);
    EXPECT_EQ(config->backend_count, 3);
    EXPECT_EQ(large->backends[1].id, 1);
    EXPECT_EQ(small->backends[0].id, 2);
    EXPECT_EQ(small->backends[0].index, 0);
    config_free(&config);
}

TEST(keys_are_found_and_limited_to_their_models) {
    struct config *config =
        load_good(HEAD "providers: {p: {kind: openai, api_key: k, region: eu}}\n"
                       "models:\n"
                       "  gpt-5: {backends: [{provider: p, model: x}]}\n"
                       "  llama: {backends: [{provider: p, model: y}], aliases: [gpt-oss]}\n"
                       "  qwen: {backends: [{provider: p, model: z}]}\n"
                       "keys:\n"
                       "  - {name: a, sha256: " SHA_A
                       ", models: [\"gpt-*\"], residency: eu, limits: {concurrency: 3}}\n"
                       "  - {name: b, sha256: "
                       "3E23E8160039594A33894F6564E1B1348BBD7A0088D42C4ACB73EEAED59C009D}\n");
    REQUIRE(config);
    const struct config_key *a = keys_find(config, SPAN("a")), *b = keys_find(config, SPAN("b"));
    REQUIRE(a && b);
    EXPECT(keys_find(config, SPAN("c")) == NULL);
    EXPECT_STR(a->name, "a");
    EXPECT_STR(b->name, "b");
    EXPECT_STR(a->residency, "eu");
    EXPECT_EQ(a->limit_concurrency, 3);
    EXPECT_EQ(b->limit_concurrency, 0);
    EXPECT(b->residency == NULL);
    EXPECT(config_key_allows(a, config_model_find(config, SPAN("gpt-5"))));
    EXPECT(config_key_allows(a, config_model_find(config, SPAN("llama"))));
    EXPECT(!config_key_allows(a, config_model_find(config, SPAN("qwen"))));
    EXPECT(config_key_allows(b, config_model_find(config, SPAN("qwen"))));
    config_free(&config);
}

/* A reload is no way around a limit: who is limited goes on with what was counted. */
TEST(limits_are_inherited_by_name) {
    static const char *const limits[] = {
        "{p: {kind: openai, api_key: k, limits: {rpm: 10}}, q: {kind: openai, api_key: k, limits: "
        "{tpm: 5}}, r: {kind: openai, api_key: k}}\n",
        "{r: {kind: openai, api_key: k, limits: {rpm: 1}}, q: {kind: openai, api_key: k}, p: "
        "{kind: "
        "openai, api_key: k, limits: {concurrency: 3}}}\n"};
    struct config *configs[2];
    for (int i = 0; i < 2; i++) {
        char text[1024];
        snprintf(text, sizeof text, "%s%sproviders: %s", HEAD, MODELS, limits[i]);
        configs[i] = load_good(text);
        REQUIRE(configs[i]);
    }
    struct config *was = configs[0], *next = configs[1];
    struct quota_shared *of_p = was->providers[0].shared, *of_r = next->providers[0].shared;
    of_p->in_flight = 2;
    config_quota_inherit(next, was);
    EXPECT(next->providers[2].shared == of_p);
    EXPECT(next->providers[1].shared == NULL);
    EXPECT(next->providers[0].shared == of_r && of_r->in_flight == 0);
    config_quota_inherit(next, was); /* once is enough */
    config_free(&was);
    EXPECT_EQ(next->providers[2].shared->in_flight, 2);
    config_free(&next);
}

TEST(plain_aliases_stand_for_their_anchors) {
    struct config *config =
        load_good(HEAD PROVIDERS
                  "models:\n"
                  "  a: {backends: &b [{provider: p, model: &name x}], hedge: &h {mode: race}}\n"
                  "  c: {backends: *b, hedge: *h, aliases: [*name]}\n");
    REQUIRE(config);
    EXPECT_EQ(config->models[1].hedge.mode, HEDGE_MODE_RACE);
    EXPECT_STR(config->models[1].backends[0].model, "x");
    EXPECT_EQ(config->models[1].backends[0].id, 1);
    EXPECT_STR(config->models[1].aliases[0], "x");
    config_free(&config);
}

TEST(settings_equal_to_what_this_version_does_are_accepted) {
    struct config *config =
        load_good("version: 1\n"
                  "listeners: [{address: 127.0.0.1:8080, proxy_protocol: false, http2: false}]\n"
                  "providers: {p: {kind: openai, api_key: k, pool: {http2: false}}}\n" MODELS
                  "defaults: {hedge: {cost_budget: 5.0%, on_stall: fail}}\n"
                  "state: {}\n");
    EXPECT(config != NULL);
    config_free(&config);
}

/* ---- what holds for every file ---- */

TEST(of_very_many_errors_fifty_are_shown) {
    char yaml[8192] = ALL, *messages;
    size_t n = strlen(yaml);
    for (unsigned i = 0; i < 60; i++)
        n += (size_t)snprintf(yaml + n, sizeof yaml - n, "wrong%u: 1\n", i);
    struct config *config = load(yaml, &messages);
    EXPECT(config == NULL);
    unsigned lines = 0;
    for (const char *c = messages; *c; c++)
        lines += *c == '\n';
    EXPECT_EQ(lines, CONFIG_PROBLEMS_MAX + 1);
    EXPECT(strstr(messages, "t.yaml:54:1: ") && !strstr(messages, "t.yaml:55:1: "));
    EXPECT(strstr(messages, "t.yaml: and 10 more errors\n"));
    free(messages);
}

TEST(a_file_that_cannot_be_read) {
    struct config *config;
    struct config_report report;
    EXPECT_EQ(config_load("/nonexistent/x.yaml", &config, &report), -22);
    EXPECT(config == NULL);
    EXPECT_EQ(report.counts[CONFIG_ERROR], 1);
    EXPECT_EQ(report.problems[CONFIG_ERROR][0].line, 0);
    EXPECT_STR(report.problems[CONFIG_ERROR][0].text, "cannot be read: No such file or directory");
    config_report_fini(&report);
}

/* A secret may stand at the wrong place, with a wrong setting beside it: no message and no plan ever shows it. */
TEST(secrets_are_never_shown) {
    static const char *const rows[] = {
        HEAD MODELS "providers: {p: {kind: openai, api_key: hush-1}}\n",
        HEAD MODELS "providers: {p: {kind: openai, api_key: \"hush 1\"}}\n",
        HEAD MODELS "providers: {p: {kind: openai, api_key: \"hush\\n1\"}}\n",
        HEAD MODELS "providers: {p: {kind: openai, api_key: [hush-1]}}\n",
        HEAD MODELS "providers: {p: {kind: openai, api_key: \"${hush-1}\"}}\n",
        HEAD MODELS
        "providers: {p: {kind: openai, api_key: \"${HR_SECRET}\", base_url: \"${HR_SECRET}\"}}\n",
        HEAD MODELS "providers: {p: {kind: openai, api_key: k, base_url: \"https://u:hush@h\"}}\n",
        HEAD MODELS
        "providers: {p: {kind: openai, api_key: k, base_url: \"https://h?key=hush\"}}\n",
        HEAD MODELS
        "providers: {p: {kind: openai, api_key: k, headers: {x-a: hush, x-b: \"hush\\n\"}}}\n",
        HEAD MODELS
        "providers: {p: {kind: openai, api_key: k, pool: {min_idle: \"${HR_SECRET}\"}}}\n",
        HEAD MODELS "providers: {p: {kind: openai, api_key: k, region: \"${HR_SECRET} x\"}}\n",
        HEAD MODELS "providers: {p: {kind: \"${HR_SECRET}\", api_key: k}}\n",
        HEAD PROVIDERS "models: {m: {aliases: [\"${HR_SECRET}\", \"${HR_SECRET}\"], fallback: "
                       "[\"${HR_SECRET}\"],\n"
                       "  backends: [{provider: \"${HR_SECRET}\", model: x}]}}\n",
        HEAD PROVIDERS "models: {m: {backends: [{provider: \"${HR_SECRET}\", model: x}]}}\n",
        ALL "keys: [{name: a, sha256: hush, models: [\"${HR_SECRET}\"], residency: "
            "\"${HR_SECRET}\"}]\n",
        ALL "workers: \"${HR_SECRET}\"\nadmin: {address: \"${HR_SECRET}\"}\n",
        ALL "limits: {body: \"${HR_SECRET}\"}\n",
    };
    setenv("HR_SECRET", "hush-hush", 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *messages, *plan;
        size_t n;
        ROW("%zu", i);
        struct config *config = load(rows[i], &messages);
        EXPECT(!strstr(messages, "hush"));
        FILE *out = open_memstream(&plan, &n);
        if (config)
            check_plan(config, out);
        fclose(out);
        EXPECT(!strstr(plan, "hush"));
        EXPECT(config || *messages);
        config_free(&config);
        free(messages);
        free(plan);
    }
}

TEST(the_plan_says_what_will_be_done) {
    static const char *const lines[] = {
        "  [::1]:8443  clear text\n",
        "  2, pinned to CPUs 1 3\n",
        "    kind openai, https://api.openai.com/v1\n",
        "  m  alias n\n",
        "    1. p: x  api.openai.com/v1/chat/completions  USD per million 1.25 in, 1.25 cached, 10 "
        "out\n",
        "    hedge fixed after 1500ms; at most 3 attempts, 5% extra requests, 5% extra money; "
        "reasoning counts as an "
        "answer; on a stall: fail\n",
        "    timeouts connect 1500us, tls 2s, head 30s, first token 30s, idle 15s, total 10m\n",
        "    each worker keeps 1 warm connections, at most 1000; cancelling: unknown; at most 9 "
        "requests at once; at most 600 requests a minute; at most 200000 tokens a minute\n",
        "  a  models m, n*  at most 4 requests at once\n",
        "  body 32MiB, header 1KiB, 100000 connections, request within 10m, drain 0s\n",
    };
    char *plan;
    size_t n;
    struct config *config = load_good(
        "version: 1\nlisteners: [{address: \"[::1]:8443\"}]\nworkers: 1,3\n"
        "providers: {p: {kind: openai, api_key: k, limits: {rpm: 600, tpm: 200000, concurrency: "
        "9}}}\n"
        "models: {m: {aliases: [n], backends: [{provider: p, model: x, price: {input: 1.25, "
        "output: 10}}],\n"
        "  hedge: {mode: fixed, delay: 1500ms, max_attempts: 3}, timeouts: {connect: 1500us}}}\n"
        "keys: [{name: a, sha256: " SHA_A ", models: [m, \"n*\"], limits: {concurrency: 4}}]\n"
        "limits: {drain_timeout: 0s, header: 1KiB}\n");
    REQUIRE(config);
    FILE *out = open_memstream(&plan, &n);
    check_plan(config, out);
    fclose(out);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        ROW("%s", lines[i]);
        EXPECT(strstr(plan, lines[i]) != NULL);
    }
    free(plan);
    config_free(&config);
}
