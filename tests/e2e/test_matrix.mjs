// test_matrix.mjs - every client dialect over every upstream kind: the official SDKs ask the same questions of each
// kind of simulated cloud through the proxy, and get the same answers. Prints a table with a mark for each feature:
//
//   +  works            -  wrong             .  cannot be expressed there, and is refused by name
//
// The clouds check what they are sent as strictly as their vendors (keys, signatures, unknown members, pairing of
// tool calls and results), so that a `+` is also said of the request.
import { clients, PNG } from "./clients.mjs";
import { bad, check, finish, ok, startClouds, startProxy, work } from "./lib.mjs";
import { execFileSync } from "node:child_process";

// ---- set-up ----

const quick = { ttft: { dist: "constant", value: "5ms" }, tokens: { count: 6, interval: "1ms" } };
const aws = { access_key_id: "AKIDEXAMPLE", secret_access_key: "secret/of+the=cloud", session_token: "token//session==" };
const ociKey = `${work}/oci.pem`, ociPublic = `${work}/oci.pub`;
execFileSync("openssl", ["genrsa", "-out", ociKey, "2048"], { stdio: "ignore" });
execFileSync("openssl", ["rsa", "-in", ociKey, "-pubout", "-out", ociPublic], { stdio: "ignore" });

const clouds = await startClouds([
    { name: "openai", api_key: "k-openai", ...quick },
    { name: "azure", kind: "azure", api_key: "k-azure", ...quick },
    { name: "anthropic", kind: "anthropic", api_key: "k-anthropic", ...quick },
    { name: "bedrock", kind: "bedrock", credentials: { ...aws, region: "us-east-1", service: "bedrock" }, ...quick },
    { name: "gemini", kind: "gemini", api_key: "k-gemini", ...quick },
    { name: "vertex", kind: "vertex", api_key: "k-vertex", ...quick },
    { name: "vertex-anthropic", kind: "vertex-anthropic", api_key: "k-vertex", ...quick },
    { name: "oci", kind: "oci", credentials: { public_key: ociPublic, key_id: "t/u/f" }, ...quick },
]);
const base = (name, prefix = "") => `http://127.0.0.1:${clouds[name].port}${prefix}`;
const google = { project: "p", location: "europe-west4", api_key: "k-vertex" };
const providers = {
    openai: { kind: "openai", base_url: base("openai", "/v1"), api_key: "k-openai" },
    azure: { kind: "azure", endpoint: base("azure"), api_key: "k-azure" },
    anthropic: { kind: "anthropic", base_url: base("anthropic"), api_key: "k-anthropic" },
    bedrock: { kind: "bedrock", base_url: base("bedrock"), region: "us-east-1", ...aws },
    gemini: { kind: "gemini", base_url: base("gemini", "/v1beta"), api_key: "k-gemini" },
    vertex: { kind: "vertex", base_url: base("vertex"), ...google },
    "vertex-anthropic": { kind: "vertex-anthropic", base_url: base("vertex-anthropic"), ...google },
    deepseek: { kind: "deepseek", base_url: base("openai", "/v1"), api_key: "k-openai" },
    oci: { kind: "oci", base_url: base("oci", "/openai/v1"), region: "eu-frankfurt-1", compartment: "c", tenancy: "t", user: "u", fingerprint: "f", private_key: ociKey },
};
const names = {
    openai: "gpt-5.5", azure: "gpt55-prod", anthropic: "claude-sonnet-4-5", bedrock: "us.anthropic.claude-sonnet-4-5-v1:0",
    gemini: "gemini-2.5-flash", vertex: "gemini-3-pro-preview", "vertex-anthropic": "claude-sonnet-4-5@20250929", deepseek: "deepseek-chat", oci: "xai.grok-4",
};
const models = {};
for (const kind in providers)
    models[`via-${kind}`] = { backends: [{ provider: kind, model: names[kind] }], hedge: { mode: "off" } };
const proxy = await startProxy({ listeners: [{ address: "127.0.0.1:0" }], providers, models });

// ---- features ----

const TEXT = "h\u00e9llo \"quoted\" \\ back \ud83c\udf0a and\nanother line";
const weather = {
    name: "get_weather", description: "The weather of a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false },
};
const schema = { type: "object", properties: { a: { type: "integer" } }, required: ["a"], additionalProperties: false };

class Wrong extends Error {}
const want = (held, why) => {
    if (!held) throw new Wrong(typeof why === "string" ? why : JSON.stringify(why));
};
const called = answer => {
    want(answer.calls.length > 0, answer);
    for (const call of answer.calls) want(call.name === "get_weather" && typeof call.args.city === "string", answer.calls);
    return answer;
};
const echoes = (answer, text = TEXT) => want(answer.text === text, answer.text || answer);

const features = {
    text: async ask => echoes(await ask({ text: `echo: ${TEXT}` })),
    stream: async ask => {
        const answer = await ask({ text: `echo: ${TEXT}`, stream: true });
        echoes(answer);
        want(answer.chunks > 1, `${answer.chunks} chunks`);
    },
    usage: async ask => {
        const whole = await ask({ text: "echo: one two three" }), streamed = await ask({ text: "echo: one two three", stream: true });
        want(whole.usage?.input > 0 && whole.usage?.output > 0, whole.usage);
        want(JSON.stringify(whole.usage) === JSON.stringify(streamed.usage), [whole.usage, streamed.usage]);
    },
    system: async ask => echoes(await ask({ text: `echo: ${TEXT}`, system: "Be terse.", temperature: 0.5, maxTokens: 300 })),
    // Responses has no stop sequences: there the mark says only that the request goes through.
    stop: async ask => echoes(await ask({ text: `echo: ${TEXT}`, stop: ["\n\nHuman:"] })),
    tools: async ask => called(await ask({ text: "weather?", tools: [weather], choice: "required" })),
    "tools stream": async ask => called(await ask({ text: "weather?", tools: [weather], choice: "required", stream: true })),
    "tool turn": async ask => {
        for (const stream of [false, true]) {
            const question = { text: "weather?", tools: [weather], choice: "required", stream };
            const answer = called(await ask(question));
            const history = { question, answer, results: answer.calls.map(() => "sunny") };
            echoes(await ask({ text: "echo: warm", tools: [weather], history, stream }), "warm");
        }
    },
    image: async ask => echoes(await ask({ text: "echo: seen", image: PNG }), "seen"),
    schema: async ask => echoes(await ask({ text: 'echo: {"a":1}', schema }), '{"a":1}'),
    effort: async ask => echoes(await ask({ text: "echo: thought", effort: "low", stream: true }), "thought"),
    "not found": async (ask, client) => {
        const error = await ask({ text: "hi", model: "no-such-model" }).then(() => null, error => error);
        want(error?.status === 404 && error.message.length > 10, `${client}: ${error?.status} ${error?.message}`);
    },
};

// What a pair of dialects cannot express: then a refusal that names the member is right.
function refusedByName(error) {
    return error.status === 400 && /no backend of this model can take the request/.test(error.message);
}

// ---- the table ----

const table = [];
for (const [client, make] of Object.entries(clients)) {
    const send = make(proxy.urls[0]);
    for (const kind in providers) {
        const row = { client, kind };
        for (const [feature, run] of Object.entries(features)) {
            const name = `${client} over ${kind}: ${feature}`;
            try {
                await run(question => send({ model: `via-${kind}`, ...question }), client);
                row[feature] = "+";
                ok(name);
            } catch (error) {
                const expected = refusedByName(error) && refusals(client, kind, feature);
                row[feature] = expected ? "." : "-";
                expected ? ok(`${name} is refused by name`) : bad(name, `${error.status ?? ""} ${error.message}`);
            }
        }
        table.push(row);
    }
}

// The pairs that may be refused: all others are wrong.
function refusals(client, kind, feature) {
    return feature === "schema" && kind === "deepseek" && client !== "openai chat";
}

const columns = Object.keys(features);
console.log(`# ${"client".padEnd(17)}${"upstream".padEnd(17)}${columns.map(name => name.padEnd(name.length + 2)).join("")}`);
for (const row of table)
    console.log(`# ${row.client.padEnd(17)}${row.kind.padEnd(17)}${columns.map(name => row[name].padEnd(name.length + 2)).join("")}`);
check("matrix_is_whole", table.length === Object.keys(clients).length * Object.keys(providers).length, table.length);
await finish();
