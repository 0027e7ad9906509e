/* test_sim_config.c - the configuration of simulated clouds: what is read, and every refusal with
 * its place (bench/conf.c, bench/sim_config.c). */
#include "tests/test.h"

#include "bench/sim_config.h"

#include <netinet/in.h>

static bool read_text(struct sim_config *out, const char *text, char error[600]) {
    return sim_config_read(out, "c.yaml", text, strlen(text), error, 600);
}

TEST(bench_config_full) {
    struct sim_config c;
    char error[600];
    REQUIRE(
        read_text(&c,
                  "seed: 7\n"
                  "tls_dir: /tmp/ca\n"
                  "clouds:\n"
                  "  - name: one\n"
                  "    kind: azure\n"
                  "    listen: 127.0.0.1:8443\n"
                  "    control: 127.0.0.1:8444\n"
                  "    tls: true\n"
                  "    host: h.test\n"
                  "    api_key: k\n"
                  "    models: {dep: real}\n"
                  "    ttft: {dist: bimodal, fast: 100ms, slow: 5s, slow_share: 3%, sigma: 0.2}\n"
                  "    tokens: {count: 3, interval: 10ms, align: true}\n"
                  "    faults: {rate_limit: 1%, stall: 0.5%}\n"
                  "    replay: {file: x.sse, cut: 1, framing: close}\n"
                  "    head_delay: 5ms\n"
                  "    next: [none, stall]\n"
                  "  - {name: two, listen: '[::1]:0', models: [a, b], obfuscation: false}\n",
                  error));
    EXPECT_EQ(c.seed, 7);
    EXPECT_EQ(c.clouds_count, 2);
    const struct sim_cloud *one = &c.clouds[0], *two = &c.clouds[1];
    EXPECT_STR(one->name, "one");
    EXPECT_EQ(one->kind, SIM_AZURE);
    EXPECT_EQ(ntohs(((const struct sockaddr_in *)&one->listen.sockaddr)->sin_port), 8443);
    EXPECT_EQ(one->tls, true);
    EXPECT_EQ(one->tune.ttft.dist, LATENCY_BIMODAL);
    EXPECT_EQ(one->tune.ttft.slow_ns, 5000000000);
    EXPECT_EQ(one->tune.tokens.count, 3);
    EXPECT_EQ(one->tune.tokens.align, true);
    EXPECT_NEAR(one->tune.faults[SIM_FAULT_rate_limit], 0.01, 1e-12);
    EXPECT_NEAR(one->tune.faults[SIM_FAULT_stall], 0.005, 1e-12);
    EXPECT_NEAR(one->tune.faults[SIM_FAULT_truncate], 0, 0);
    EXPECT_STR(one->tune.replay.file, "x.sse");
    EXPECT_EQ(one->tune.replay.cut, 1);
    EXPECT_EQ(one->tune.replay.chunked, false);
    EXPECT_EQ(one->tune.head_delay_ns, 5000000);
    EXPECT_EQ(one->tune.next.count, 2);
    EXPECT_EQ(one->tune.next.fault[1], SIM_FAULT_stall);
    EXPECT_STR(sim_model_answered(one, "dep"), "real");
    EXPECT_STR(sim_model_answered(one, "real"), NULL);
    EXPECT_STR(two->prefix, "/v1");
    EXPECT_EQ(two->obfuscation, false);
    EXPECT_EQ(two->tune.replay.chunked, true);
    EXPECT(two->tune.head_delay_ns == SIM_WITH_FIRST_TOKEN);
    EXPECT_STR(sim_model_answered(two, "b"), "b");
    sim_config_free(&c);
}

TEST(bench_config_refusals_name_the_place) {
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"", "c.yaml: is empty; \"clouds\" is expected"},
        {"seed: 1\n", "c.yaml:1:1: \"clouds\" is missing"},
        {"clouds: []\n", "c.yaml:1:9: there is no cloud in the list"},
        {"clouds:\n  - name: a\n", "c.yaml:2:5: \"listen\" is missing"},
        {"clouds:\n  - {name: a, listen: 127.0.0.1:0, colour: red}\n",
         "c.yaml:2:36: unknown key \"colour\"; known here: name, kind"},
        {"clouds:\n  - {name: a, name: b, listen: 127.0.0.1:0}\n",
         "c.yaml:2:15: \"name\" is given twice"},
        {"clouds:\n  - {name: a, listen: localhost:1}\n", "c.yaml:2:23: a numeric address"},
        {"clouds:\n  - {name: a, listen: 127.0.0.1:0, kind: mainframe}\n",
         "c.yaml:2:42: kind is openai, azure, oci, anthropic, gemini, vertex, vertex-anthropic, "
         "bedrock or identity, not \"mainframe\""},
        {"clouds:\n  - {name: a, listen: 127.0.0.1:0, tls: yes}\n",
         "c.yaml:2:41: true or false is expected, not \"yes\""},
        {"clouds:\n  - {name: a, listen: 127.0.0.1:0}\n  - {name: a, listen: 127.0.0.1:0}\n",
         "c.yaml:3:12: two clouds are called \"a\""},
        {"clouds:\n  - {name: a, kind: azure, prefix: /x, listen: 127.0.0.1:0}\n",
         "c.yaml:2:36: an azure cloud's paths are fixed"},
        {"clouds:\n  - name: a\n    listen: 127.0.0.1:0\n    ttft: {dist: gamma}\n",
         "c.yaml:4:18: dist is constant, lognormal, bimodal or csv, not \"gamma\""},
        {"clouds:\n  - name: a\n    listen: 127.0.0.1:0\n    ttft: {dist: lognormal, median: 1s}\n",
         "c.yaml:4:11: \"sigma\" is missing; lognormal needs it"},
        {"clouds:\n  - name: a\n    listen: 127.0.0.1:0\n    ttft: {dist: constant, value: 1s, "
         "slow: 2s}\n",
         "c.yaml:4:45: \"slow\" has no meaning for constant"},
        {"clouds:\n  - name: a\n    listen: 127.0.0.1:0\n    ttft: {dist: constant, value: 50}\n",
         "c.yaml:4:35: a duration such as"},
        {"clouds:\n  - name: a\n    listen: 127.0.0.1:0\n    ttft: {dist: csv, file: /none, "
         "column: t_ms}\n",
         "c.yaml:4:29: /none: No such file"},
        {"clouds:\n  - name: a\n    listen: 127.0.0.1:0\n    tokens: {count: 0}\n",
         "c.yaml:4:21: 1 to 100000 tokens"},
        {"clouds:\n  - name: a\n    listen: 127.0.0.1:0\n    faults: {stall: 60%, truncate: 60%}\n",
         "c.yaml:4:13: the faults of a request add up to 120%"},
        {"clouds:\n  - name: a\n    listen: 127.0.0.1:0\n    faults: {explode: 1%}\n",
         "c.yaml:4:14: unknown key \"explode\""},
        {"clouds:\n  - name: a\n    listen: 127.0.0.1:0\n    next: [accept_silent]\n",
         "c.yaml:4:12: \"accept_silent\" is not a fault of requests"},
        {"clouds:\n  - name: a\n    listen: 127.0.0.1:0\n    replay: {file: a, folder: b}\n",
         "c.yaml:4:13: replay takes a file or a folder, not both"},
        {"clouds:\n  - name: a\n    listen: 127.0.0.1:0\n    replay: {framing: raw}\n",
         "c.yaml:4:23: framing is chunked or close"},
        {"clouds: {}\n", "c.yaml:1:9: a list is expected here, not a mapping"},
        {"[1]\n", "c.yaml:1:1: a mapping is expected here, not a list"},
        {"clouds: [\n", "c.yaml:2:1: "},
        {"seed: x\nclouds: []\n", "c.yaml:1:7: a whole number is expected, not \"x\""},
        {"clouds: [{name: a, listen: 127.0.0.1:0}]\n---\nseed: 1\n",
         "c.yaml:3:1: a second document"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sim_config c;
        char error[600] = "";
        ROW("row %zu", i);
        EXPECT(!read_text(&c, rows[i].text, error));
        if (strncmp(error, rows[i].error, strlen(rows[i].error)))
            EXPECT_STR(error, rows[i].error);
        EXPECT(c.clouds == NULL);
    }
}

TEST(bench_config_missing_file) {
    struct sim_config c;
    char error[600];
    EXPECT(!sim_config_load(&c, "/nonexistent/c.yaml", error, sizeof error));
    EXPECT_STR(error, "/nonexistent/c.yaml: No such file or directory");
}

TEST(bench_tune_is_all_or_nothing) {
    struct sim_config c;
    char error[600];
    REQUIRE(read_text(&c,
                      "clouds:\n  - name: a\n    listen: 127.0.0.1:0\n    faults: {stall: 50%}\n"
                      "    replay: {folder: f}\n",
                      error));
    struct sim_tune *tune = &c.clouds[0].tune;
    static const char good[] =
        "{\"faults\": {\"truncate\": \"10%\"}, \"replay\": {\"file\": \"x.sse\"},"
        "\"ttft\": {\"dist\": \"constant\", \"value\": \"7ms\"}}";
    static const char bad[] =
        "{\"tokens\": {\"count\": 9}, \"replay\": {\"file\": \"y\"}, \"faults\": {\"x\": 1}}";
    EXPECT(!sim_tune_read(tune, bad, sizeof bad - 1, error, sizeof error));
    EXPECT(strstr(error, "unknown key \"x\"") != NULL);
    EXPECT_EQ(tune->tokens.count, 20);
    EXPECT_STR(tune->replay.folder, "f");
    EXPECT_STR(tune->replay.file, NULL);
    EXPECT_NEAR(tune->faults[SIM_FAULT_stall], 0.5, 1e-12);
    EXPECT(sim_tune_read(tune, good, sizeof good - 1, error, sizeof error));
    EXPECT_NEAR(tune->faults[SIM_FAULT_stall], 0, 0);
    EXPECT_NEAR(tune->faults[SIM_FAULT_truncate], 0.1, 1e-12);
    EXPECT_STR(tune->replay.folder, NULL);
    EXPECT_STR(tune->replay.file, "x.sse");
    EXPECT_EQ(tune->ttft.value_ns, 7000000);
    EXPECT(!sim_tune_read(tune, "", 0, error, sizeof error));
    sim_config_free(&c);
}

TEST(bench_every_fault_has_a_name_and_prose) {
    for (int i = 0; i < SIM_FAULTS; i++) {
        ROW("fault %d", i);
        EXPECT_EQ(sim_fault_named(sim_fault_info[i].name), i);
        EXPECT(sim_fault_info[i].prose[0] != 0);
    }
    EXPECT_EQ(sim_fault_named("none"), SIM_FAULT_NONE);
    EXPECT_EQ(sim_fault_named("explode"), -1);
}

TEST(bench_sim_config_kinds) {
    static const char text[] =
        "clouds:\n"
        "  - {name: b, kind: bedrock, listen: 127.0.0.1:0, identity: i, clock_skew: -10m,\n"
        "     credentials: {access_key_id: A, secret_access_key: S, region: r}}\n"
        "  - {name: i, kind: identity, listen: 127.0.0.1:0, expires_in: 90s}\n"
        "  - {name: o, kind: oci, listen: 127.0.0.1:0, clock_skew: 10m}\n";
    struct sim_config config;
    char error[600] = "";
    bool ok = sim_config_read(&config, "c.yaml", text, sizeof text - 1, error, sizeof error);
    EXPECT_STR(error, "");
    REQUIRE(ok);
    EXPECT_EQ(config.clouds[0].kind, SIM_BEDROCK);
    EXPECT_EQ(config.clouds[0].identity_at, 1);
    EXPECT_EQ(config.clouds[0].clock_skew_s, -600);
    EXPECT_STR(config.clouds[0].credentials.secret_access_key, "S");
    EXPECT_STR(config.clouds[0].credentials.session_token, "");
    EXPECT_STR(config.clouds[0].prefix, "");
    EXPECT_EQ(config.clouds[1].expires_in_ns, 90ull * UNITS_NS_PER_S);
    EXPECT_STR(config.clouds[2].prefix, "/openai/v1");
    EXPECT_EQ(config.clouds[2].clock_skew_s, 600);
    sim_config_free(&config);
}

TEST(bench_sim_config_kinds_refused) {
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"clouds:\n  - {name: a, listen: 127.0.0.1:0, identity: b}\n",
         "c.yaml:2:46: there is no cloud \"b\" of kind identity"},
        {"clouds:\n  - {name: a, listen: 127.0.0.1:0, clock_skew: soon}\n",
         "c.yaml:2:48: a duration"},
        {"clouds:\n  - {name: a, listen: 127.0.0.1:0, credentials: {key: x}}\n",
         "c.yaml:2:50: unknown key"},
        {"clouds:\n  - {name: a, listen: 127.0.0.1:0, kind: identity, prefix: /x}\n",
         "c.yaml:2:60: an identity cloud's paths are fixed"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sim_config config;
        char error[600] = "";
        ROW("%s", rows[i].text);
        EXPECT(!sim_config_read(&config, "c.yaml", rows[i].text, strlen(rows[i].text), error,
                                sizeof error));
        if (strncmp(error, rows[i].error, strlen(rows[i].error)))
            FAIL_TEST("%s", error);
    }
}
