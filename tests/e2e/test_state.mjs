// test_state.mjs - requests beside the plain chat: conversations that one provider keeps, embeddings, counting tokens,
// old completions, listings of models, keys in every client's way, `compat: lenient`, and errors in each dialect.
import { createHash } from "node:crypto";
import OpenAI from "openai";
import { check, finish, records, request, same, sseData, startClouds, startProxy, test } from "./lib.mjs";

const hex = text => createHash("sha256").update(text).digest("hex");
const quick = { ttft: { dist: "constant", value: "2ms" }, tokens: { count: 4, interval: "1ms" } };
const CONVERSATIONS = 20, HEDGE_MS = 30, SLOW_MS = 2000;

// ---- set-up ----

const aws = { access_key_id: "AKIDEXAMPLE", secret_access_key: "secret/of+the=cloud", session_token: "token//session==" };
const clouds = await startClouds([
    { name: "one", api_key: "k-one", ...quick },
    { name: "two", api_key: "k-two", ...quick },
    { name: "limited", api_key: "k-limited", ...quick },
    { name: "claude", kind: "anthropic", api_key: "k-claude", ...quick },
    { name: "vertex", kind: "vertex-anthropic", api_key: "k-vertex", ...quick },
    { name: "gemini", kind: "gemini", api_key: "k-gemini", ...quick },
    // The proxy signs; the key is the test's own.
    { name: "bedrock", kind: "bedrock", api_key: "k-bedrock", credentials: { ...aws, region: "us-east-1", service: "bedrock" }, ...quick },
    { name: "vertex-google", kind: "vertex", api_key: "k-google", ...quick },
]);
const base = (name, prefix = "") => `http://127.0.0.1:${clouds[name].port}${prefix}`;
const providers = {
    one: { kind: "openai", base_url: base("one", "/v1"), api_key: "k-one" },
    two: { kind: "openai", base_url: base("two", "/v1"), api_key: "k-two" },
    limited: { kind: "openai", base_url: base("limited", "/v1"), api_key: "k-limited" },
    claude: { kind: "anthropic", base_url: base("claude"), api_key: "k-claude" },
    "vertex-claude": { kind: "vertex-anthropic", base_url: base("vertex"), api_key: "k-vertex", project: "p", location: "europe-west4" },
    gemini: { kind: "gemini", base_url: base("gemini", "/v1beta"), api_key: "k-gemini" },
};
const off = { hedge: { mode: "off" } }, fixed = { hedge: { mode: "fixed", delay: `${HEDGE_MS}ms` } };
const at = (...names) => ({ backends: names.map(name => ({ provider: name, model: `${name}-model` })), strategy: "ordered" });
const claudeAt = (...names) => ({ backends: names.map(name => ({ provider: name, model: "claude-haiku-4-5" })), strategy: "ordered" });
const models = {
    both: { ...at("one", "two"), strategy: "weighted", hedge: { mode: "race" } },
    ordered: { ...at("one", "two"), ...off },
    hedged: { ...at("one", "two"), ...fixed },
    raced: { ...at("one", "two"), hedge: { mode: "race" } },
    only: { ...at("one"), ...off, aliases: ["only-alias"] },
    claude: { ...claudeAt("claude"), ...off },
    "vertex-claude": { ...claudeAt("vertex-claude"), ...off },
    "lenient-both": { ...claudeAt("claude"), backends: [{ provider: "claude", model: "claude-haiku-4-5" }, { provider: "one", model: "one-model" }], ...off, compat: "lenient" },
    "lenient-claude": { ...claudeAt("claude"), ...off, compat: "lenient" },
    gemini: { backends: [{ provider: "gemini", model: "gemini-2.5-flash" }], ...off },
    limited: { ...at("limited"), ...off },
    // The first cannot express a seed; the second can.
    mixed: { backends: [{ provider: "claude", model: "claude-haiku-4-5" }, { provider: "one", model: "one-model" }], strategy: "ordered", ...off },
    "mixed-hedged": { backends: [{ provider: "one", model: "one-model" }, { provider: "claude", model: "claude-haiku-4-5" }, { provider: "two", model: "two-model" }], strategy: "ordered", ...fixed },
};
const listeners = [{ address: "127.0.0.1:0" }];
const proxy = await startProxy({ listeners, providers, models, workers: "1" }, "open");
const keyed = await startProxy({
    listeners, providers, models, workers: "1",
    keys: [{ name: "team", sha256: hex("client-key"), models: ["only", "claude", "gemini"] }],
}, "keyed");
const url = proxy.urls[0];

const post = async (path, body, headers = {}, where = url) => {
    const answer = await request("POST", where + path, typeof body === "string" ? body : JSON.stringify(body), { "content-type": "application/json", ...headers });
    return { ...answer, json: /^[{[]/.test(answer.text) ? JSON.parse(answer.text) : null };
};
const get = async (path, headers = {}, where = url) => {
    const answer = await request("GET", where + path, undefined, headers);
    return { ...answer, json: JSON.parse(answer.text) };
};
const counts = async () => Object.fromEntries(await Promise.all(Object.entries(clouds).map(async ([name, cloud]) => [name, (await cloud.stats()).requests])));
// How many requests each cloud got during `body`.
async function asked(body) {
    const before = await counts(), value = await body(), after = await counts(), got = {};
    for (const name in after) if (after[name] > before[name]) got[name] = after[name] - before[name];
    return [value, got];
}
const slow = { ttft: { dist: "constant", value: `${SLOW_MS}ms` } }, fast = { ttft: quick.ttft };

// ---- conversations that a provider keeps ----

await test("a_conversation_stays_where_it_is_kept", async () => {
    const made = { one: 0, two: 0 };
    for (let i = 0; i < CONVERSATIONS; i++) {
        const first = await post("/v1/responses", { model: "both", input: `echo: ${i}`, store: true, stream: i % 2 === 1 }, { "x-hedgerow-hedge": "off" });
        same(`conversation_${i}_begins`, first.status, 200);
        let id = first.json?.id, maker = first.headers["x-hedgerow-provider"];
        if (!id) id = sseData(first.text).map(text => JSON.parse(text)).find(event => event.type === "response.completed").response.id;
        made[maker]++;
        for (let turn = 0; turn < 2; turn++) {
            const [next, got] = await asked(() => post("/v1/responses", { model: "both", input: "echo: more", previous_response_id: id, stream: turn === 1 }));
            same(`conversation_${i}_turn_${turn}`, [next.status, next.headers["x-hedgerow-provider"], next.headers["x-hedgerow-attempts"], got], [200, maker, "1", { [maker]: 1 }]);
            if (next.json?.id) id = next.json.id;
        }
    }
    check("both_were_used", made.one > 0 && made.two > 0, made);
});
await test("a_slow_maker_is_not_hedged", async () => {
    const first = await post("/v1/responses", { model: "hedged", input: "echo: a" });
    await clouds.one.tune({ ttft: { dist: "constant", value: `${HEDGE_MS * 8}ms` } });
    const [next, got] = await asked(() => post("/v1/responses", { model: "hedged", input: "echo: b", previous_response_id: first.json.id }));
    await clouds.one.tune(fast);
    same("slow_but_alone", [next.status, next.headers["x-hedgerow-hedge"], got], [200, "none", { one: 1 }]);
});
await test("an_unknown_id_is_looked_for", async () => {
    // Made behind the proxy's back: nobody knows by whom.
    const direct = await post("/responses", { model: "x", input: "echo: a", store: true }, { authorization: "Bearer k-two" }, base("two", "/v1"));
    const [found, got] = await asked(() => post("/v1/responses", { model: "ordered", input: "echo: b", previous_response_id: direct.json.id }));
    same("found_at_the_second", [found.status, found.headers["x-hedgerow-provider"], got], [200, "two", { one: 1, two: 1 }]);
    const [again, second] = await asked(() => post("/v1/responses", { model: "ordered", input: "echo: b", previous_response_id: found.json.id }));
    same("and_known_from_then_on", [again.status, second], [200, { two: 1 }]);
    const [nobody, all] = await asked(() => post("/v1/responses", { model: "ordered", input: "echo: b", previous_response_id: "resp_nobody" }));
    same("known_to_nobody", [nobody.status, all], [400, { one: 1, two: 1 }]);
    check("and_told_so", /resp_nobody|previous/i.test(nobody.json.error.message), nobody.text);
});
await test("nobody_keeps_any", async () => {
    for (const model of ["claude", "gemini"]) {
        const [answer, got] = await asked(() => post("/v1/responses", { model, input: "echo: b", previous_response_id: "resp_1" }));
        same(`${model}_refuses`, [answer.status, answer.json.error.param, got], [400, "previous_response_id", {}]);
        check(`${model}_says_what_to_do`, answer.json.error.message.includes("whole conversation"), answer.text);
    }
});

// ---- embeddings ----

await test("embeddings", async () => {
    const inputs = { text: "one", texts: ["one", "two", "three"], tokens: [1, 2, 3], lists: [[1, 2], [3]] };
    for (const [name, input] of Object.entries(inputs))
        for (const encoding_format of [undefined, "float", "base64"]) {
            const body = { model: "only", input, dimensions: 8, encoding_format };
            const answer = await post("/v1/embeddings", body), direct = await post("/embeddings", { ...body, model: "one-model" }, { authorization: "Bearer k-one" }, base("one", "/v1"));
            same(`embeddings_${name}_${encoding_format}`, [answer.status, answer.text], [200, direct.text]);
            same(`embeddings_${name}_${encoding_format}_request`, (await clouds.one.last()).body, JSON.stringify({ ...body, model: "one-model" }));
        }
    const shown = await post("/embeddings", { model: "only", input: "without /v1", dimensions: 4 });
    same("without_v1", [shown.status, shown.json.data[0].embedding.length], [200, 4]);
});
await test("embeddings_are_raced", async () => {
    await clouds.one.tune(slow);
    for (const model of ["hedged", "raced"]) {
        const body = { model, input: ["a", "b"], dimensions: 16 };
        const [answer, got] = await asked(() => post("/v1/embeddings", body));
        const direct = await post("/embeddings", { ...body, model: "two-model" }, { authorization: "Bearer k-two" }, base("two", "/v1"));
        same(`${model}_second_answers`, [answer.status, answer.headers["x-hedgerow-provider"], answer.headers["x-hedgerow-hedge"], got, answer.text], [200, "two", "won", { one: 1, two: 1 }, direct.text]);
        const took = Number(answer.headNs - answer.sentNs) / 1e6;
        check(`${model}_in_time`, took < SLOW_MS / 2, `${took} ms`);
    }
    await clouds.one.tune({ ...fast, next: ["error_500"] });
    const failed = await post("/v1/embeddings", { model: "ordered", input: "a", dimensions: 4 });
    same("retried_elsewhere", [failed.status, failed.headers["x-hedgerow-provider"]], [200, "two"]);
    const wrong = await post("/v1/embeddings", { model: "only", input: "a", encoding_format: "hex" });
    check("refused_as_invalid", wrong.status === 400 && /encoding_format/.test(wrong.text), wrong.text);
    const nowhere = await post("/v1/embeddings", { model: "claude", input: "a" });
    check("not_by_claude", nowhere.status === 400 && /claude/.test(nowhere.json.error.message), nowhere.text);
});

// ---- embeddings of clouds with an API of their own ----

const TITAN = "amazon.titan-embed-text-v2:0", COHERE = "us.cohere.embed-v4:0", COHERE_3 = "cohere.embed-english-v3", GOOGLE = "text-embedding-005";
const embedAt = (...backends) => ({ backends: backends.map(([provider, model, base_model]) => ({ provider, model, ...(base_model && { base_model }) })), strategy: "ordered", ...off });
const embedder = await startProxy({
    listeners, workers: "1",
    providers: {
        one: providers.one,
        bedrock: { kind: "bedrock", base_url: base("bedrock"), region: "us-east-1", ...aws },
        google: { kind: "vertex", base_url: base("vertex-google"), api_key: "k-google", project: "p", location: "europe-west4" },
    },
    models: {
        titan: embedAt(["bedrock", TITAN]), cohere: embedAt(["bedrock", COHERE]), "cohere-3": embedAt(["bedrock", COHERE_3]),
        "cohere-3-lenient": { ...embedAt(["bedrock", COHERE_3]), compat: "lenient" },
        google: embedAt(["google", GOOGLE]), claude: embedAt(["bedrock", "anthropic.claude-haiku-4-5-v1:0"]),
        // An ARN does not tell the model; base_model does.
        profile: embedAt(["bedrock", "arn:aws:bedrock:us-east-1:1:application-inference-profile/cohere.embed-x", COHERE]),
        hedged: { ...embedAt(["one", "one-model"], ["google", GOOGLE]), ...fixed },
        "titan-or-one": embedAt(["bedrock", TITAN], ["one", "one-model"]),
    },
}, "embedder");
const embedding = (body, headers = {}) => post("/v1/embeddings", body, headers, embedder.urls[0]);
// What the cloud answers to the very request that it got last.
async function again(cloud, key) {
    const last = await clouds[cloud].last();
    return { sent: { target: last.target, body: JSON.parse(last.body) }, ...await post(last.target, last.body, { authorization: `Bearer ${key}` }, base(cloud)) };
}
const vectorsOf = {
    titan: answer => [answer.embedding], cohere: answer => answer.embeddings.float, "cohere-3": answer => answer.embeddings, profile: answer => answer.embeddings.float,
    google: answer => answer.predictions.map(prediction => prediction.embeddings.values),
};
const EMBED_PATHS = {
    titan: "/model/amazon.titan-embed-text-v2%3A0/invoke", cohere: "/model/us.cohere.embed-v4%3A0/invoke", "cohere-3": "/model/cohere.embed-english-v3/invoke",
    google: "/v1/projects/p/locations/europe-west4/publishers/google/models/text-embedding-005:predict",
};
await test("embeddings_of_other_apis", async () => {
    const sdk = new OpenAI({ baseURL: `${embedder.urls[0]}/v1`, apiKey: "sk-client", maxRetries: 0 });
    const said = "h\u00e9llo \"quoted\" \\ \ud83c\udf0a";
    const wanted = {
        titan: input => ({ inputText: input[0], dimensions: 256, normalize: true }),
        cohere: input => ({ texts: input, input_type: "search_document", output_dimension: 256 }),
        google: input => ({ instances: input.map(content => ({ content })), parameters: { autoTruncate: false, outputDimensionality: 256 } }),
    };
    for (const [model, body] of Object.entries(wanted))
        for (const encoding_format of ["float", "base64"]) {
            const input = model === "titan" ? [said] : [said, "two", "three"], cloud = model === "google" ? "vertex-google" : "bedrock";
            // The SDK asks for base64 by itself when nobody says how, and decodes it.
            const got = await sdk.embeddings.create({ model, input, dimensions: 256, user: "u", ...(encoding_format === "float" && { encoding_format }) });
            const direct = await again(cloud, cloud === "bedrock" ? "k-bedrock" : "k-google"), name = `${model}_${encoding_format}`;
            same(`${name}_request`, direct.sent, { target: EMBED_PATHS[model], body: body(input) });
            const vectors = vectorsOf[model](direct.json), narrow = encoding_format === "base64";
            same(`${name}_vectors`, got.data.map(item => item.embedding), narrow ? vectors.map(vector => vector.map(Math.fround)) : vectors);
            same(`${name}_shape`, [got.object, got.data.map(item => [item.object, item.index]), vectors.map(vector => vector.length)], ["list", input.map((_, i) => ["embedding", i]), input.map(() => 256)]);
            const tokens = { titan: direct.json.inputTextTokenCount, cohere: 0, google: direct.json.predictions?.reduce((sum, p) => sum + p.embeddings.statistics.token_count, 0) }[model];
            same(`${name}_usage`, got.usage, { prompt_tokens: tokens, total_tokens: tokens });
            // A text has one vector in all simulated clouds.
            const openai = await post("/embeddings", { model: "one-model", input, dimensions: 256 }, { authorization: "Bearer k-one" }, base("one", "/v1"));
            same(`${name}_as_at_openai`, vectors, openai.json.data.map(item => item.embedding));
        }
    for (const model of ["titan", "cohere", "cohere-3", "google", "profile"]) {
        const got = await embedding({ model, input: "one" }), cloud = model === "google" ? "vertex-google" : "bedrock", direct = await again(cloud, cloud === "bedrock" ? "k-bedrock" : "k-google");
        const digits = text => /\[(-?\d[^\]]*)\]/.exec(text)[1];
        check(`${model}_digit_for_digit`, got.status === 200 && digits(got.text) === digits(direct.text), got.text);
        same(`${model}_path`, direct.sent.target, EMBED_PATHS[model] ?? "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fcohere.embed-x/invoke");
    }
});
await test("embeddings_that_an_api_cannot_say", async () => {
    const refused = [
        ["titan", { input: ["a", "b"] }, "input", /Titan takes one text/], ["cohere", { input: [1, 2] }, "input", /tokens/],
        ["cohere", { input: Array(97).fill("a") }, "input", /96/], ["google", { input: [[1]] }, "input", /tokens/],
        ["cohere-3", { input: "a", dimensions: 8 }, "dimensions", /one length/], ["titan", { input: "a", task: "x" }, "task", /no such member/],
        ["google", { input: "a", encoding_format: "hex" }, "encoding_format", /float or base64/], ["claude", { input: "a" }, null, /no API for embeddings/],
    ];
    for (const [model, body, param, why] of refused) {
        const [answer, got] = await asked(() => embedding({ model, ...body }));
        same(`${model}_${param}_refused`, [answer.status, answer.json.error.param, got], [400, param, {}]);
        check(`${model}_${param}_says_why`, why.test(answer.json.error.message), answer.text);
    }
    const lenient = await embedding({ model: "cohere-3-lenient", input: "a", dimensions: 8 });
    check("lenient_leaves_out_and_says_so", lenient.status === 200 && lenient.json.data[0].embedding.length === 1024 && Object.values(lenient.headers).some(value => /dimensions/.test(value)), lenient.headers);
    const [elsewhere, got] = await asked(() => embedding({ model: "titan-or-one", input: ["a", "b"], dimensions: 256 }));
    same("the_next_backend_can", [elsewhere.status, elsewhere.json.data.length, got], [200, 2, { one: 1 }]);
});
await test("embeddings_are_raced_across_apis", async () => {
    await clouds.one.tune(slow);
    const [answer, got] = await asked(() => embedding({ model: "hedged", input: ["a", "b"], dimensions: 256 }));
    const direct = await again("vertex-google", "k-google");
    await clouds.one.tune(fast);
    same("vertex_wins", [answer.status, answer.headers["x-hedgerow-provider"], answer.headers["x-hedgerow-hedge"], got], [200, "google", "won", { one: 1, "vertex-google": 1 }]);
    same("with_its_vectors", answer.json.data.map(item => item.embedding), vectorsOf.google(direct.json));
    for (const fault of ["error_event", "truncate_clean", "empty_stream", "error_500"]) {
        await clouds.bedrock.tune({ next: [fault] });
        const saved = await embedding({ model: "titan-or-one", input: "a", dimensions: 256 });
        same(`${fault}_is_retried_elsewhere`, [saved.status, saved.headers["x-hedgerow-provider"]], [200, "one"]);
    }
});

// ---- counting tokens ----

const message = { model: "claude", max_tokens: 50, messages: [{ role: "user", content: "echo: hello" }] };
const anthropicHeaders = { "anthropic-version": "2023-06-01" };
await test("count_tokens", async () => {
    const { max_tokens, ...counted } = message;
    for (const model of ["claude", "vertex-claude"])
        for (const path of ["/v1/messages/count_tokens", "/messages/count_tokens"]) {
            const answer = await post(path, { ...counted, model, system: "s" }, anthropicHeaders);
            check(`${model}${path}`, answer.status === 200 && answer.json.input_tokens > 0 && Object.keys(answer.json).length === 1, answer.text);
        }
    for (const model of ["only", "gemini"]) {
        const [answer, got] = await asked(() => post("/v1/messages/count_tokens", { ...counted, model }, anthropicHeaders));
        same(`${model}_cannot`, [answer.status, answer.json.type, answer.json.error.type, got], [400, "error", "invalid_request_error", {}]);
        check(`${model}_by_name`, answer.json.error.message.includes(model === "only" ? "one" : model), answer.text);
    }
});

// ---- old completions ----

const textOf = answer => sseData(answer.text).filter(text => text !== "[DONE]").map(text => JSON.parse(text)).map(chunk => chunk.choices[0]?.text ?? "").join("");
await test("completions", async () => {
    for (const model of ["only", "claude"]) {
        const body = { model, prompt: "echo: once upon a time", max_tokens: 100 };
        const whole = await post("/v1/completions", body), streamed = await post("/v1/completions", { ...body, stream: true });
        same(`${model}_whole`, [whole.status, whole.json.object, whole.json.choices[0].finish_reason], [200, "text_completion", "stop"]);
        check(`${model}_stream_ends`, streamed.status === 200 && /data: \[DONE\]\s*$/.test(streamed.text), streamed.text.slice(-200));
        check(`${model}_has_text`, whole.json.choices[0].text.length > 3 && textOf(streamed) === whole.json.choices[0].text, [whole.text, textOf(streamed)]);
        const usage = whole.json.usage;
        check(`${model}_usage`, usage.prompt_tokens > 0 && usage.completion_tokens > 0 && usage.total_tokens === usage.prompt_tokens + usage.completion_tokens, usage);
    }
    same("translated_text", (await post("/v1/completions", { model: "claude", prompt: "echo: abc", max_tokens: 9 })).json.choices[0].text, "abc");
    const suffix = await post("/v1/completions", { model: "claude", prompt: "a", suffix: "b", max_tokens: 9 });
    same("suffix_is_refused_by_name", [suffix.status, suffix.json.error.param], [400, "suffix"]);
});

// ---- listings and keys ----

await test("models_in_three_forms", async () => {
    const openai = (await get("/v1/models")).json, claude = (await get("/v1/models", anthropicHeaders)).json, gemini = (await get("/v1beta/models")).json, names = Object.keys(models);
    same("openai", [openai.object, openai.data.map(model => model.id).sort()], ["list", names.toSorted()]);
    same("openai_members", Object.keys(openai.data[0]).sort(), ["created", "id", "object", "owned_by"]);
    same("anthropic", [claude.has_more, claude.first_id, claude.last_id, claude.data.map(model => model.id).sort()], [false, claude.data[0].id, claude.data.at(-1).id, names.toSorted()]);
    check("anthropic_members", claude.data.every(model => model.type === "model" && model.display_name && !Number.isNaN(Date.parse(model.created_at))), claude);
    same("gemini", gemini.models.map(model => model.name).sort(), names.map(name => `models/${name}`).toSorted());
    check("gemini_members", gemini.models.every(model => model.displayName && model.supportedGenerationMethods.includes("generateContent")), gemini);
    same("one_openai", (await get("/v1/models/only")).json.id, "only");
    same("one_anthropic", (await get("/v1/models/only", anthropicHeaders)).json.type, "model");
    same("one_gemini", (await get("/v1beta/models/only")).json.name, "models/only");
    const missing = [await get("/v1/models/x"), await get("/v1/models/x", anthropicHeaders), await get("/v1beta/models/x")];
    same("no_such_model", missing.map(answer => [answer.status, answer.json.error.code ?? answer.json.error.type]), [[404, "model_not_found"], [404, "not_found_error"], [404, 404]]);
    const few = (await get("/v1/models", { authorization: "Bearer client-key" }, keyed.urls[0])).json;
    same("those_of_the_key", few.data.map(model => model.id).sort(), ["claude", "gemini", "only"]);
});
await test("keys_in_every_way", async () => {
    const where = keyed.urls[0], ways = { authorization: "Bearer client-key", "x-api-key": "client-key", "api-key": "client-key", "x-goog-api-key": "client-key" };
    const body = { model: "only", messages: [{ role: "user", content: "echo: hi" }] };
    for (const [name, value] of Object.entries(ways)) {
        same(`key_as_${name}`, (await post("/v1/chat/completions", body, { [name]: value }, where)).status, 200);
        same(`wrong_key_as_${name}`, (await post("/v1/chat/completions", body, { [name]: value.replace("client", "other") }, where)).status, 401);
    }
    const generate = { contents: [{ role: "user", parts: [{ text: "echo: hi" }] }] };
    for (const path of ["/v1beta/models/gemini:generateContent?key=client-key", "/v1beta/models/only:generateContent?alt=json&key=client-key"]) {
        const answer = await post(path, generate, {}, where);
        same(`key_in_${path}`, [answer.status, answer.json.candidates?.[0].content.parts[0].text], [200, "hi"]);
    }
    const sent = await clouds.gemini.last();
    check("not_sent_on", sent && !JSON.stringify(sent).includes("client-key"), sent);
    same("wrong_key_in_query", (await post("/v1beta/models/gemini:generateContent?key=client", generate, {}, where)).status, 401);
    same("another_model", (await post("/v1/chat/completions", { ...body, model: "ordered" }, ways, where)).status, 403);
});

// ---- what a backend cannot express ----

const chatBody = (model, more) => ({ model, messages: [{ role: "user", content: "echo: hi" }], ...more });
await test("compat", async () => {
    const strict = await post("/v1/chat/completions", chatBody("claude", { seed: 7 }));
    same("strict", [strict.status, strict.json.error.param, strict.headers["x-hedgerow-dropped"]], [400, "seed", undefined]);
    check("strict_says_who", strict.json.error.message.includes("claude"), strict.text);
    for (const stream of [false, true]) {
        const lenient = await post("/v1/chat/completions", chatBody("lenient-claude", { seed: 7, stream }));
        same(`lenient_${stream}`, [lenient.status, lenient.headers["x-hedgerow-dropped"]], [200, "seed"]);
    }
    const last = JSON.parse((await clouds.claude.last()).body);
    same("it_was_left_out", "seed" in last, false);
    // What the loser would have left out is no matter of the winner's.
    await clouds.claude.tune({ next: ["error_503"] });
    const other = await post("/v1/chat/completions", chatBody("lenient-both", { seed: 7 }));
    same("dropped_is_the_winners", [other.status, other.headers["x-hedgerow-provider"], other.headers["x-hedgerow-dropped"]], [200, "one", undefined]);
    const plain = await post("/v1/chat/completions", chatBody("lenient-claude"));
    same("nothing_dropped", [plain.status, plain.headers["x-hedgerow-dropped"]], [200, undefined]);
});
await test("who_can_answers", async () => {
    const [answer, got] = await asked(() => post("/v1/chat/completions", chatBody("mixed", { seed: 7 })));
    same("the_second_can", [answer.status, answer.headers["x-hedgerow-provider"], got, answer.json.choices[0].message.content], [200, "one", { one: 1 }, "hi"]);
    const [plain, first] = await asked(() => post("/v1/chat/completions", chatBody("mixed")));
    same("both_can", [plain.status, plain.headers["x-hedgerow-provider"], first], [200, "claude", { claude: 1 }]);
    await clouds.one.tune(slow);
    for (const stream of [false, true]) {
        const [hedged, hedges] = await asked(() => post("/v1/chat/completions", chatBody("mixed-hedged", { seed: 7, stream })));
        same(`as_a_hedge_${stream}`, [hedged.status, hedged.headers["x-hedgerow-provider"], hedged.headers["x-hedgerow-hedge"], hedges], [200, "two", "won", { one: 1, two: 1 }]);
    }
    await clouds.one.tune(fast);
});

// ---- errors ----

await test("errors_in_each_dialect", async () => {
    const where = keyed.urls[0], key = { "x-api-key": "client-key" };
    const generate = { contents: [{ role: "user", parts: [{ text: "hi" }] }] };
    const gone = name => clouds[name].tune({ next: Array(8).fill("error_503") }), limit = name => clouds[name].tune({ next: Array(8).fill("rate_limit") }), heal = name => clouds[name].tune({ next: [] });
    const rows = [
        ["no key", 401, {}, "only", {}, ["authentication_error", "invalid_api_key"], "authentication_error", "UNAUTHENTICATED"],
        ["not allowed", 403, key, "ordered", {}, ["permission_error"], "permission_error", "PERMISSION_DENIED"],
        ["no model", 404, key, "nobody", {}, ["invalid_request_error", "model_not_found"], "not_found_error", "NOT_FOUND"],
        ["bad request", 400, key, "only", "broken", ["invalid_request_error"], "invalid_request_error", "INVALID_ARGUMENT"],
    ];
    for (const [name, status, headers, model, broken, [type, code], anthropic, google] of rows) {
        const told = [
            await post("/v1/chat/completions", broken === "broken" ? '{"model":"only"' : chatBody(model), headers, where),
            await post("/v1/responses", broken === "broken" ? '{"model":"only"' : { model, input: "x" }, headers, where),
            await post("/v1/messages", broken === "broken" ? '{"model":"only"' : { ...message, model }, headers, where),
            await post(`/v1beta/models/${model}:generateContent`, broken === "broken" ? "{" : generate, headers, where),
        ];
        same(`${name}: statuses`, told.map(answer => answer.status), [status, status, status, status]);
        for (const answer of told.slice(0, 2)) {
            same(`${name}: openai members`, Object.keys(answer.json.error).sort(), ["code", "message", "param", "type"]);
            same(`${name}: openai type`, [answer.json.error.type, code ? answer.json.error.code : undefined], [type, code]);
        }
        same(`${name}: anthropic`, [told[2].json.type, told[2].json.error.type], ["error", anthropic]);
        same(`${name}: gemini`, [told[3].json.error.code, told[3].json.error.status], [status, google]);
        check(`${name}: says what to do`, told.every(answer => answer.json.error.message.length > 15), told.map(answer => answer.text));
    }
    // What the provider said, in the client's words.
    await limit("limited");
    const limited = [await post("/v1/chat/completions", chatBody("limited")), await post("/v1/messages", { ...message, model: "limited" }), await post("/v1beta/models/limited:generateContent", generate)];
    await heal("limited");
    same("429", limited.map(answer => [answer.status, !!answer.headers["retry-after"]]), Array(3).fill([429, true]));
    same("429 types", [limited[0].json.error.type, limited[1].json.error.type, limited[2].json.error.status], ["rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED"]);
    await gone("claude");
    const down = [await post("/v1/chat/completions", chatBody("claude")), await post("/v1/messages", message), await post("/v1beta/models/claude:generateContent", generate)];
    await heal("claude");
    check("a server that fails", down.every(answer => answer.status >= 500 && answer.status < 600), down.map(answer => answer.text));
    check("anthropic's types only", ["api_error", "overloaded_error"].includes(down[1].json.error.type), down[1].text);
    // A key of ours that the provider refuses is not the client's fault.
    const wrong = await startProxy({ listeners, workers: "1", providers: { claude: { ...providers.claude, api_key: "k-wrong" } }, models: { claude: models.claude } }, "wrong_key");
    const auth = [await post("/v1/chat/completions", chatBody("claude"), {}, wrong.urls[0]), await post("/v1/messages", message, {}, wrong.urls[0])];
    same("our key is wrong", auth.map(answer => answer.status), [502, 502]);
    check("and not shown", !auth.some(answer => answer.text.includes("k-wrong")), auth.map(answer => answer.text));
    // In the stream, after the head.
    await clouds.claude.tune({ next: ["error_event_late"] });
    const late = await post("/v1/messages", { ...message, stream: true, messages: [{ role: "user", content: "hi" }] });
    check("in the stream", late.status === 200 && /event: error\n/.test(late.text) && !/message_stop/.test(late.text), late.text.slice(-300));
    await clouds.claude.tune({ next: ["error_event_late"] });
    const lateChat = await post("/v1/chat/completions", chatBody("claude", { stream: true, messages: [{ role: "user", content: "hi" }] }));
    check("in the stream, translated", lateChat.status === 200 && /"error":/.test(lateChat.text) && !/\[DONE\]/.test(lateChat.text), lateChat.text.slice(-300));
});
await test("the_log", async () => {
    const lines = records(proxy);
    check("every_request_has_a_line", lines.length > 100 && lines.every(line => line.model !== undefined && line.status), lines.length);
    check("no_keys", !JSON.stringify(lines).match(/k-one|k-claude|client-key/), "a key in the log");
});
await finish();
