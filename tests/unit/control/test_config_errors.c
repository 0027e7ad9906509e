/* test_config_errors.c - configuration files that are wrong, by rows: every message, whole, with
 * its place. */
#include "tests/unit/control/config_file.h"

/* want: all messages; one that ends with '*' is compared up to there. */
struct row {
    const char *name, *yaml, *want;
};

static void expect_messages(const char *messages, const char *want) {
    size_t n = strlen(want);
    if (n == 0 || want[n - 1] != '*')
        EXPECT_STR(messages, want);
    else
        EXPECT_BYTES(messages, min_size(n - 1, strlen(messages)),
                     span_text(span_of(want, n - 1), (char[600]){0}, 600));
}

static void check_messages(const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char *messages;
        ROW("%s", rows[i].name);
        struct config *config = load(rows[i].yaml, &messages);
        expect_messages(messages, rows[i].want);
        config_free(&config);
        free(messages);
    }
}

TEST(unknown_and_duplicate_keys) {
    static const struct row rows[] = {
        {"unknown key", ALL "limits: {bodi: 1MiB}\n",
         "t.yaml:5:10: limits: unknown key \"bodi\"; did you mean \"body\"?\n"},
        {"unknown key, nothing near", ALL "limits: {zzz: 1MiB}\n",
         "t.yaml:5:10: limits: unknown key \"zzz\"; `hedgerow help settings` lists all\n"},
        {"unknown section", ALL "limit: {body: 1MiB}\n",
         "t.yaml:5:1: unknown key \"limit\"; did you mean \"limits\"?\n"},
        {"unknown key deep",
         HEAD PROVIDERS "models:\n"
                        "  m:\n"
                        "    backends: [{provider: p, model: x}]\n"
                        "    hedge:\n"
                        "      mod: off\n",
         "t.yaml:8:7: models.m.hedge: unknown key \"mod\"; did you mean \"mode\"?\n"},
        {"duplicate key", ALL "limits: {body: 1MiB, body: 2MiB}\n",
         "t.yaml:5:22: \"body\" is given twice; the first is in line 5\n"},
        {"duplicate section", ALL "version: 1\n",
         "t.yaml:5:1: \"version\" is given twice; the first is in line 1\n"},
        {"duplicate model",
         HEAD PROVIDERS "models:\n"
                        "  m: {backends: [{provider: p, model: x}]}\n"
                        "  m: {backends: [{provider: p, model: y}]}\n",
         "t.yaml:6:3: \"m\" is given twice; the first is in line 5\n"},
    };
    check_messages(rows, sizeof rows / sizeof rows[0]);
}

TEST(values_of_a_wrong_kind) {
    static const struct row rows[] = {
        {"list for a map", ALL "limits: [body]\n",
         "t.yaml:5:9: limits is a list; it must be a map (lines of key: value, or {key: value})\n"},
        {"map for a list", HEAD PROVIDERS "models: {m: {backends: {provider: p}}}\n",
         "t.yaml:4:24: models.m.backends is a map; it must be a list (lines of - item, or [a, "
         "b])\n"},
        {"scalar for a map", ALL "limits: 5\n",
         "t.yaml:5:9: limits is a value; it must be a map (lines of key: value, or {key: "
         "value})\n"},
        {"nothing for a map", ALL "limits:\n",
         "t.yaml:5:8: limits is nothing; it must be a map (lines of key: value, or {key: "
         "value})\n"},
        {"list for a value", ALL "limits: {body: [1]}\n",
         "t.yaml:5:16: limits.body is a list; it must be one value\n"},
        {"nothing for a value", ALL "limits: {body: }\n",
         "t.yaml:5:16: limits.body has no value; give it one or remove the line\n"},
        {"empty text", HEAD MODELS "providers: {p: {kind: openai, api_key: \"\"}}\n",
         "t.yaml:4:40: providers.p.api_key is empty; write none if there is no key\n"},
        {"duration without unit", ALL "limits: {request_timeout: 10}\n",
         "t.yaml:5:27: limits.request_timeout: \"10\" has no unit; write it like 250ms, 10s, 5m or "
         "1h\n"},
        {"size in KB", ALL "limits: {body: 64KB}\n",
         "t.yaml:5:16: limits.body: \"64KB\" has an unknown unit; sizes are in bytes, KiB, MiB or "
         "GiB (1 KiB = 1024 bytes)\n"},
        {"out of range", ALL "limits: {body: 1GiB}\n",
         "t.yaml:5:16: limits.body: 1GiB is out of range; it may be 1KiB to 256MiB\n"},
        {"below range", ALL "limits: {body: 10}\n",
         "t.yaml:5:16: limits.body: 10 is out of range; it may be 1KiB to 256MiB\n"},
        {"too many attempts", ALL "defaults: {hedge: {max_attempts: 9}}\n",
         "t.yaml:5:34: defaults.hedge.max_attempts: 9 is out of range; it may be 1 to 8\n"},
        {"share without percent", ALL "defaults: {hedge: {request_budget: 0.05}}\n",
         "t.yaml:5:36: defaults.hedge.request_budget: \"0.05\" has no % sign; write shares like 5% "
         "or 0.5%\n"},
        {"share above all", ALL "defaults: {hedge: {request_budget: 101%}}\n",
         "t.yaml:5:36: defaults.hedge.request_budget: \"101%\" is more than 100%\n"},
        {"quantile", ALL "defaults: {hedge: {target: 99%}}\n",
         "t.yaml:5:28: defaults.hedge.target: \"99%\" is not a quantile; write it like p50, p99 or "
         "p99.9\n"},
        {"quantile out of range", ALL "defaults: {hedge: {target: p20}}\n",
         "t.yaml:5:28: defaults.hedge.target: p20 is out of range; it may be p50 to p99.99\n"},
        {"wrong word", ALL "defaults: {hedge: {mode: adaptiv}}\n",
         "t.yaml:5:26: defaults.hedge.mode: \"adaptiv\" is not one of off, fixed, adaptive, race; "
         "did you mean \"adaptive\"?\n"},
    };
    check_messages(rows, sizeof rows / sizeof rows[0]);
}

TEST(what_is_missing) {
    static const struct row rows[] = {
        {"wrong version",
         PROVIDERS MODELS "listeners: [{address: \":0\"}]\n"
                          "version: 2\n",
         "t.yaml:4:10: version: 2 is not supported; it must be 1\n"},
        {"missing required", "version: 1\n",
         "t.yaml:1:1: listeners is missing: where clients connect\n"
         "t.yaml:1:1: providers is missing: the APIs that requests can go to, by name\n"
         "t.yaml:1:1: models is missing: the names that clients ask for\n"},
        {"missing in a list",
         HEAD PROVIDERS "models:\n"
                        "  m:\n"
                        "    backends:\n"
                        "      - provider: p\n"
                        "      - model: x\n",
         "t.yaml:7:9: models.m.backends[0].model is missing: the provider's name for the model "
         "(azure: the deployment)\n"
         "t.yaml:8:9: models.m.backends[1].provider is missing: a name under providers\n"},
        {"unset variable", HEAD MODELS "providers: {p: {kind: openai, api_key: \"${HR_UNSET}\"}}\n",
         "t.yaml:4:40: providers.p.api_key: ${HR_UNSET} is not set in the environment\n"},
        {"missing file",
         HEAD MODELS "providers: {p: {kind: openai, api_key: \"${file:absent}\"}}\n",
         "t.yaml:4:40: providers.p.api_key: ${file:absent} cannot be read: No such file or "
         "directory\n"},
        {"unquoted reference", HEAD MODELS "providers: {p: {kind: openai, api_key: ${HR_UNSET}}}\n",
         "t.yaml:4:41: not YAML: did not find expected ',' or '}'; put quotes around values that "
         "hold ${...}\n"},
    };
    check_messages(rows, sizeof rows / sizeof rows[0]);
}

TEST(providers_that_cannot_be) {
    static const struct row rows[] = {
        {"unknown provider", HEAD PROVIDERS "models: {m: {backends: [{provider: q, model: x}]}}\n",
         "t.yaml:4:36: models.m.backends[0].provider: there is no \"q\" under providers\n"},
        {"mistyped provider",
         HEAD "providers: {openai: {kind: openai, api_key: k}}\n"
              "models: {m: {backends: [{provider: opnai, model: x}]}}\n",
         "t.yaml:4:36: models.m.backends[0].provider: there is no \"opnai\" under providers; did "
         "you mean \"openai\"?\n"},
        {"unknown kind", HEAD MODELS "providers: {p: {kind: opnai, api_key: k}}\n",
         "t.yaml:4:23: providers.p.kind: there is no kind \"opnai\"; did you mean \"openai\"?\n"},
        {"no api_key", HEAD MODELS "providers: {p: {kind: openai}}\n",
         "t.yaml:4:16: providers.p.api_key is missing: the credential, best as \"${NAME}\"; or "
         "none to send none\n"},
        {"api_key with blanks",
         HEAD MODELS "providers: {p: {kind: openai, api_key: \"sk secret\"}}\n",
         "t.yaml:4:40: providers.p.api_key holds blanks or characters that cannot be sent in a "
         "header\n"},
        {"azure without endpoint", HEAD MODELS "providers: {p: {kind: azure, api_key: k}}\n",
         "t.yaml:4:16: providers.p needs endpoint (https://RESOURCE.openai.azure.com), since kind "
         "azure has no address of its own\n"},
        {"endpoint of another kind",
         HEAD MODELS "providers: {p: {kind: openai, api_key: k, endpoint: \"https://h\"}}\n",
         "t.yaml:4:53: providers.p.endpoint: only kind azure has one; use base_url\n"},
        {"endpoint and base_url",
         HEAD MODELS "providers: {p: {kind: azure, api_key: k, endpoint: \"https://h\", base_url: "
                     "\"https://i\"}}\n",
         "t.yaml:4:75: providers.p has both endpoint and base_url; remove one\n"},
        {"no base_url", HEAD MODELS "providers: {p: {kind: bedrock-openai, api_key: k}}\n",
         "t.yaml:4:16: providers.p: region is missing: name the AWS region, such as us-east-1, or "
         "give base_url\n"},
        {"api_version of another kind",
         HEAD MODELS "providers: {p: {kind: openai, api_key: k, api_version: 2024-10-21}}\n",
         "t.yaml:4:56: providers.p.api_version: only kind azure has one\n"},
        {"url with credentials",
         HEAD MODELS
         "providers: {p: {kind: openai, api_key: k, base_url: \"https://u:secret@h/v1\"}}\n",
         "t.yaml:4:53: providers.p.base_url holds credentials; remove them and use api_key or "
         "headers\n"},
        {"url without scheme",
         HEAD MODELS "providers: {p: {kind: openai, api_key: k, base_url: api.openai.com}}\n",
         "t.yaml:4:53: providers.p.base_url does not begin with https:// or http://\n"},
        {"tls of a clear URL",
         HEAD MODELS "providers: {p: {kind: openai, api_key: none, base_url: \"http://h\", tls: "
                     "{server_name: x}}}\n",
         "t.yaml:4:73: providers.p.tls: its URL is http, so nothing is checked; remove tls or "
         "write https\n"},
        {"key in clear text",
         HEAD MODELS
         "providers: {p: {kind: openai, api_key: k, base_url: \"http://10.0.0.1/v1\"}}\n",
         "t.yaml:4:40: warning: providers.p.api_key will be sent in clear text: its URL is http\n"},
        {"nothing verified",
         HEAD MODELS
         "providers: {p: {kind: openai, api_key: k, tls: {insecure_skip_verify: true}}}\n",
         "t.yaml:4:48: warning: providers.p.tls.insecure_skip_verify: anybody on the way can read "
         "and change what is sent to it\n"},
        {"pool upside down",
         HEAD MODELS
         "providers: {p: {kind: openai, api_key: k, pool: {min_idle: 10, max_connections: 5}}}\n",
         "t.yaml:4:49: providers.p.pool: min_idle is more than max_connections (5)\n"},
        {"reserved header",
         HEAD MODELS "providers: {p: {kind: openai, api_key: k, headers: {Host: x}}}\n",
         "t.yaml:4:53: providers.p.headers: host is set by the proxy itself; remove it\n"},
        {"credential header",
         HEAD MODELS
         "providers: {p: {kind: openai, api_key: k, headers: {Authorization: Bearer secret}}}\n",
         "t.yaml:4:53: providers.p.headers: authorization carries the credential; use api_key, or "
         "set api_key: none to send this instead\n"},
        {"broken header",
         HEAD MODELS
         "providers: {p: {kind: openai, api_key: k, headers: {\"a b\": x, c: \"d\\ne\"}}}\n",
         "t.yaml:4:53: providers.p.headers: this is not a header's name\n"
         "t.yaml:4:66: providers.p.headers.c holds a control character\n"},
        {"header twice",
         HEAD MODELS "providers: {p: {kind: openai, api_key: k, headers: {X-A: x, x-a: y}}}\n",
         "t.yaml:4:61: providers.p.headers: x-a is given twice in another case\n"},
        {"provider's name",
         HEAD MODELS
         "providers: {\"p q\": {kind: openai, api_key: k}, p: {kind: openai, api_key: k}}\n",
         "t.yaml:4:13: providers: the name may hold only letters, digits, '.', '_' and '-'\n"},
    };
    check_messages(rows, sizeof rows / sizeof rows[0]);
}

TEST(models_that_cannot_be) {
    static const struct row rows[] = {
        {"backend twice",
         HEAD PROVIDERS
         "models: {m: {backends: [{provider: p, model: x}, {provider: p, model: x}]}}\n",
         "t.yaml:4:50: models.m.backends[1]: backends[0] is the same provider and model; hedging "
         "against oneself gains nothing, remove one\n"},
        {"no backend", HEAD PROVIDERS "models: {m: {backends: []}}\n",
         "t.yaml:4:24: models.m.backends is empty; give at least one\n"},
        {"too many backends",
         HEAD PROVIDERS
         "models: {m: {backends: [{provider: p, model: x0}, {provider: p, model: x1}, {provider: "
         "p, model: x2}, {provider: p, model: x3}, {provider: p, model: x4}, {provider: p, model: "
         "x5}, {provider: p, model: x6}, {provider: p, model: x7}, {provider: p, model: x8}, "
         "{provider: p, model: x9}, {provider: p, model: x10}, {provider: p, model: x11}, "
         "{provider: p, model: x12}, {provider: p, model: x13}, {provider: p, model: x14}, "
         "{provider: p, model: x15}, {provider: p, model: x16}]}}\n",
         "t.yaml:4:24: models.m.backends has 17 entries; there may be 16\n"},
        {"price without output",
         HEAD PROVIDERS "models: {m: {backends: [{provider: p, model: x, price: {input: 1}}]}}\n",
         "t.yaml:4:56: models.m.backends[0].price.output is missing: USD per million tokens\n"},
        {"price with sign",
         HEAD PROVIDERS
         "models: {m: {backends: [{provider: p, model: x, price: {input: $1, output: 2}}]}}\n",
         "t.yaml:4:64: models.m.backends[0].price.input: \"$1\" is not a price; write USD per "
         "million tokens in digits, like 1.25\n"},
        {"cheapest without price",
         HEAD PROVIDERS "models: {m: {strategy: cheapest, backends: [{provider: p, model: x}]}}\n",
         "t.yaml:4:24: models.m.strategy: cheapest needs the price of every backend; backends[0] "
         "has none\n"},
        {"alias of a model",
         HEAD PROVIDERS "models:\n"
                        "  m: {backends: [{provider: p, model: x}], aliases: [n]}\n"
                        "  n: {backends: [{provider: p, model: y}]}\n",
         "t.yaml:5:54: models.m.aliases: \"n\" is a name of model n already\n"},
        {"alias twice",
         HEAD PROVIDERS "models:\n"
                        "  m: {backends: [{provider: p, model: x}], aliases: [a]}\n"
                        "  n: {backends: [{provider: p, model: y}], aliases: [b, a]}\n",
         "t.yaml:6:57: models.n.aliases: \"a\" is a name of model m already\n"},
        {"alias of itself",
         HEAD PROVIDERS "models: {m: {backends: [{provider: p, model: x}], aliases: [m, b, b]}}\n",
         "t.yaml:4:67: models.m.aliases: \"b\" is given twice\n"},
        {"unknown fallback",
         HEAD PROVIDERS "models:\n"
                        "  gpt-large: {backends: [{provider: p, model: x}], fallback: [gpt-smal]}\n"
                        "  gpt-small: {backends: [{provider: p, model: y}]}\n",
         "t.yaml:5:63: models.gpt-large.fallback: there is no model \"gpt-smal\"; did you mean "
         "\"gpt-small\"?\n"},
        {"fallback on itself",
         HEAD PROVIDERS "models: {m: {backends: [{provider: p, model: x}], fallback: [m]}}\n",
         "t.yaml:4:62: models.m.fallback: the model cannot be its own fallback\n"},
    };
    check_messages(rows, sizeof rows / sizeof rows[0]);
}

TEST(keys_that_cannot_be) {
    static const struct row rows[] = {
        {"digest", ALL "keys: [{name: a, sha256: sk-secret}]\n",
         "t.yaml:5:26: keys[0].sha256 is not a SHA-256 digest of 64 hex digits; make one with: "
         "printf %s KEY | sha256sum\n"},
        {"keys emptied", ALL "keys: []\n",
         "t.yaml:5:7: keys is empty; give at least one, or remove it to let every client in\n"},
        {"key's model", ALL "keys: [{name: a, sha256: " SHA_A ", models: [n]}]\n",
         "t.yaml:5:101: keys[0].models: there is no model \"n\"\n"},
        {"pattern without a model",
         ALL "keys: [{name: a, sha256: " SHA_A ", models: [\"gpt-*\"]}]\n",
         "t.yaml:5:101: warning: keys[0].models: no model matches \"gpt-*\"\n"},
        {"residency",
         HEAD MODELS "providers: {p: {kind: openai, api_key: k, region: eu}}\n"
                     "keys: [{name: a, sha256: " SHA_A ", residency: us}]\n",
         "t.yaml:5:103: keys[0].residency: no provider has region \"us\", so every request would "
         "be refused\n"},
        {"key twice",
         ALL "keys:\n"
             "  - {name: a, sha256: " SHA_A "}\n"
             "  - {name: b, sha256: " SHA_A "}\n",
         "t.yaml:7:5: keys[1]: the key in line 6 has the same sha256\n"},
        {"key's name twice",
         ALL "keys:\n"
             "  - {name: a, sha256: " SHA_A "}\n"
             "  - {name: a, sha256: "
             "0000000000000000000000000000000000000000000000000000000000000000}\n",
         "t.yaml:7:5: keys[1]: there is another key of the name a\n"},
        {"key without digest", ALL "keys: [{name: a}]\n",
         "t.yaml:5:8: keys[0].sha256 is missing: SHA-256 of the key that the client sends, 64 hex "
         "digits\n"},
    };
    check_messages(rows, sizeof rows / sizeof rows[0]);
}

TEST(listeners_and_workers_that_cannot_be) {
    static const struct row rows[] = {
        {"listener's address",
         PROVIDERS MODELS "version: 1\n"
                          "listeners: [{address: \"localhost:80\"}]\n",
         "t.yaml:4:23: listeners[0].address: \"localhost:80\" does not begin with an IP address; "
         "names are not looked up here, write 127.0.0.1 for this machine alone or 0.0.0.0 for all "
         "addresses\n"},
        {"listener twice",
         PROVIDERS MODELS "version: 1\n"
                          "listeners: [{address: \":80\"}, {address: \":80\"}]\n",
         "t.yaml:4:41: listeners[1].address: another listener has this address already\n"},
        {"admin on a listener", ALL "admin: {address: 127.0.0.1:8080}\n",
         "t.yaml:5:18: admin.address: listeners[0] has this address; what operators see is never "
         "shown on a listener of clients\n"},
        {"no listeners",
         PROVIDERS MODELS "version: 1\n"
                          "listeners: []\n",
         "t.yaml:4:12: listeners is empty; give at least one\n"},
        {"half a certificate",
         PROVIDERS MODELS "version: 1\n"
                          "listeners: [{address: \":80\", tls: {certificate: a.crt}}]\n",
         "t.yaml:4:35: listeners[0].tls needs certificate and private_key, both PEM files\n"},
        {"both ways of certificates",
         PROVIDERS MODELS "version: 1\n"
                          "listeners: [{address: \":80\", tls: {certificate: a, private_key: b, "
                          "certificates: [{certificate: a, private_key: b}]}}]\n",
         "t.yaml:4:35: listeners[0].tls has both certificate and certificates; put all into "
         "certificates\n"},
        {"workers", ALL "workers: many\n",
         "t.yaml:5:10: workers: \"many\" is not auto or a number, and is not a CPU list; write it "
         "like 2-5 or 0,2,4-7 (CPUs 0 to 255)\n"},
        {"too many workers", ALL "workers: 257\n",
         "t.yaml:5:10: workers: there may be 1 to 256, or auto for one per core\n"},
        {"no workers", ALL "workers: 0\n",
         "t.yaml:5:10: workers: there may be 1 to 256, or auto for one per core\n"},
    };
    check_messages(rows, sizeof rows / sizeof rows[0]);
}

TEST(settings_of_a_later_version_are_refused) {
    static const struct row rows[] = {
        {"later: redis", ALL "state: {redis: \\\"redis://h/0\\\"}\n",
         "t.yaml:5:9: state.redis is not supported by this version; remove it\n"},
        {"later: ledger", ALL "state: {ledger: l.db}\n",
         "t.yaml:5:9: state.ledger is not supported by this version; remove it\n"},
        {"later: otlp", ALL "telemetry: {otlp: {endpoint: x}}\n",
         "t.yaml:5:13: telemetry.otlp is not supported by this version; remove it\n"},
        {"later: budget",
         ALL "keys: [{name: a, sha256: " SHA_A ", limits: {budget: {usd: 1, every: 30d}}}]\n",
         "t.yaml:5:101: keys[0].limits.budget is not supported by this version; remove it\n"},
        {"later: rpm", ALL "keys: [{name: a, sha256: " SHA_A ", limits: {rpm: 1, tpm: 2}}]\n",
         "t.yaml:5:101: keys[0].limits.rpm is not supported by this version; remove it\n"
         "t.yaml:5:109: keys[0].limits.tpm is not supported by this version; remove it\n"},
        {"later: tags", ALL "keys: [{name: a, sha256: " SHA_A ", tags: {team: a}}]\n",
         "t.yaml:5:92: keys[0].tags is not supported by this version; remove it\n"},
        {"later: provider's http2",
         HEAD MODELS
         "providers: {p: {kind: openai, api_key: k, limits: {rpm: 1}, pool: {http2: true}}}\n",
         "t.yaml:4:75: providers.p.pool.http2: only false is supported by this version; remove the "
         "line\n"},
        {"later: proxy_protocol, http2",
         PROVIDERS MODELS "version: 1\n"
                          "listeners: [{address: \":80\", proxy_protocol: true, http2: true}]\n",
         "t.yaml:4:46: listeners[0].proxy_protocol: only false is supported by this version; "
         "remove the line\n"
         "t.yaml:4:59: listeners[0].http2: only false is supported by this version; remove the "
         "line\n"},
    };
    check_messages(rows, sizeof rows / sizeof rows[0]);
}

TEST(files_that_are_not_a_configuration) {
    static const struct row rows[] = {
        {"not YAML", ALL "limits: {body: 1MiB\n",
         "t.yaml:6:1: not YAML: did not find expected ',' or '}', while parsing a flow mapping "
         "that began in line 5\n"},
        {"tabs",
         ALL "limits:\n"
             "\tbody: 1MiB\n",
         "t.yaml:6:1: not YAML: found character that cannot start any token; indent with blanks, "
         "not with tabs\n"},
        {"empty file", "# nothing\n",
         "t.yaml:1:1: the file is empty; it needs version, listeners, providers and models\n"},
        {"a list", "- version\n",
         "t.yaml:1:1: the file is a list; it must be a map (lines of key: value, or {key: "
         "value})\n"},
        {"two documents",
         ALL "---\n"
             "version: 1\n",
         "t.yaml:5:1: a second document begins; a configuration is one document\n"},
        {"merge key", ALL "limits: {<<: *x, body: 1MiB}\n",
         "t.yaml:5:10: merge keys (<<) are not supported; use an alias for the whole value, or "
         "`defaults`\n"
         "t.yaml:5:14: there is no anchor &x above this alias\n"},
        {"merge key proper",
         ALL "x: &x {body: 1MiB}\n"
             "limits: {<<: *x}\n",
         "t.yaml:5:1: unknown key \"x\"; `hedgerow help settings` lists all\n"
         "t.yaml:6:10: merge keys (<<) are not supported; use an alias for the whole value, or "
         "`defaults`\n"},
        {"unknown alias", ALL "limits: *x\n",
         "t.yaml:5:9: there is no anchor &x above this alias\n"},
        {"alias inside its anchor", ALL "limits: &x {body: *x}\n",
         "t.yaml:5:19: the alias *x stands inside its own anchor\n"},
        {"tag", ALL "limits: {body: !include x}\n",
         "t.yaml:5:16: the tag !include is not known; remove it\n"
         "t.yaml:5:16: limits.body: \"x\" is not a size; write it like 65536, 64KiB or 32MiB\n"},
        {"key that is a list",
         ALL "? [a]\n"
             ": b\n",
         "t.yaml:5:3: a key must be plain text, not a list or a map\n"},
        {"nested too deep",
         ALL "limits: "
             "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n",
         "t.yaml:5:40: nested deeper than 32\n"},
        {"several at once, in order",
         PROVIDERS MODELS "workers: x\n"
                          "version: 3\n"
                          "listeners: [{addres: \":80\"}]\n"
                          "limits: {body: x}\n",
         "t.yaml:3:10: workers: \"x\" is not auto or a number, and is not a CPU list; write it "
         "like 2-5 or 0,2,4-7 (CPUs 0 to 255)\n"
         "t.yaml:4:10: version: 3 is not supported; it must be 1\n"
         "t.yaml:5:13: listeners[0].address is missing: ADDRESS:PORT; IPv6 in brackets; no "
         "address: all; port 0: any free one\n"
         "t.yaml:5:14: listeners[0]: unknown key \"addres\"; did you mean \"address\"?\n"
         "t.yaml:6:16: limits.body: \"x\" is not a size; write it like 65536, 64KiB or 32MiB\n"},
    };
    check_messages(rows, sizeof rows / sizeof rows[0]);
}

/* What is not text at all, or text that YAML cannot hold. */
TEST(bytes_that_are_not_text) {
    static const struct {
        const char *name, *bytes;
        size_t n;
        const char *want;
    } rows[] = {
        {"not UTF-8", "version: \xff\n", 11,
         "t.yaml: byte 9: invalid leading UTF-8 octet; the file must be UTF-8 text\n"},
        {"NUL in the file", "version: 1\0\n", 12,
         "t.yaml: byte 10: control characters are not allowed; the file must be UTF-8 text\n"},
        {"no byte", "", 0,
         "t.yaml:1:1: the file is empty; it needs version, listeners, providers and models\n"},
        {"an escape for NUL",
         "version: \"1\\0\"\n" PROVIDERS MODELS "listeners: [{address: \":0\"}]\n",
         sizeof "version: \"1\\0\"\n" PROVIDERS MODELS "listeners: [{address: \":0\"}]\n" - 1, "*"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *messages;
        ROW("%s", rows[i].name);
        struct config *config = load_bytes(rows[i].bytes, rows[i].n, &messages);
        EXPECT(config == NULL);
        expect_messages(messages, rows[i].want);
        config_free(&config);
        free(messages);
    }
}

/* Ten anchors, each of ten aliases of the one before: ten thousand million values in a small file. */
TEST(aliases_cannot_multiply) {
    char yaml[4096] = ALL "limits:\n  body: &a0 1MiB\n", *messages;
    size_t n = strlen(yaml);
    for (unsigned level = 1; level <= 10; level++) {
        n += (size_t)snprintf(yaml + n, sizeof yaml - n, "  x%u: &a%u [", level, level);
        for (unsigned i = 0; i < 10; i++)
            n += (size_t)snprintf(yaml + n, sizeof yaml - n, "*a%u,", level - 1);
        n += (size_t)snprintf(yaml + n, sizeof yaml - n, "]\n");
    }
    struct config *config = load(yaml, &messages);
    EXPECT(config == NULL);
    EXPECT(strstr(messages, "t.yaml:7:3: limits: unknown key \"x1\""));
    free(messages);
}

/* Lists within their bounds, but each item a large file: patterns, so that nothing else is wrong. */
TEST(values_cannot_multiply_without_bound) {
    static char yaml[256 * 1024];
    char large[4000], *messages;
    size_t n = (size_t)snprintf(yaml, sizeof yaml, "%s", ALL "keys:\n");
    memset(large, 'x', sizeof large);
    write_file("key", large, sizeof large);
    for (unsigned key = 0; key < 20; key++) {
        n += (size_t)snprintf(yaml + n, sizeof yaml - n, "  - {name: k%u, sha256: %064u, models: [",
                              key, key);
        for (unsigned i = 0; i < 256; i++)
            n += (size_t)snprintf(yaml + n, sizeof yaml - n, "\"${file:key}%u*\",", i);
        n += (size_t)snprintf(yaml + n, sizeof yaml - n, "]}\n");
    }
    struct config *config = load(yaml, &messages);
    EXPECT(config == NULL);
    const char *said = strstr(messages, ": all values together are longer than 16 MiB\n");
    REQUIRE(said);
    EXPECT(!strstr(said + 1, ": all values together"));
    free(messages);
}
