// test_openai_sdk.mjs - the official `openai` package against the proxy over TLS, with clouds over TLS behind it:
// what works against the provider works the same here.
//
// Runs itself a second time with NODE_EXTRA_CA_CERTS, the way by which users make node trust an authority of their own:
// node reads it only when it starts.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { bad, check, finish, request, same, startClouds, startProxy, test, until, work } from "./lib.mjs";

const KEY = "sk-client-of-the-sdk", LIMITED_KEY = "sk-limited";

if (!process.env.SDK_TEST) await outer();
else await inner(JSON.parse(process.env.SDK_TEST));

// ---- outside: clouds and proxy ----

async function outer() {
    const { createHash } = await import("node:crypto");
    const digest = key => createHash("sha256").update(key).digest("hex");
    const quick = { ttft: { dist: "constant", value: "10ms" }, tokens: { count: 8, interval: "2ms" } };
    const clouds = await startClouds([
        { name: "openai-sim", tls: true, host: "api.openai.test", api_key: "sk-cloud", models: ["gpt-real"], ...quick },
        { name: "azure-sim", kind: "azure", tls: true, host: "azure.openai.test", api_key: "az-cloud", models: ["dep-1"], ...quick },
        { name: "slow-sim", tls: true, host: "slow.test", api_key: "sk-slow", ttft: { dist: "constant", value: "30s" } },
        { name: "pacing-sim", tls: true, host: "pacing.test", ttft: { dist: "constant", value: "10ms" }, tokens: { count: 1000, interval: "20ms" } },
        { name: "limited-sim", tls: true, host: "limited.test", faults: { rate_limit: 1 } },
        { name: "broken-sim", tls: true, host: "broken.test", ...quick, faults: { truncate: 1 } },
    ]);
    const tls = cloud => ({ tls: { ca: cloud.ca, server_name: cloud.host } });
    const openai = (cloud, key) => ({ kind: "openai", base_url: `https://127.0.0.1:${cloud.port}/v1`, api_key: key, ...tls(cloud) });
    const providers = {
        openai: openai(clouds["openai-sim"], "sk-cloud"),
        azure: { kind: "azure", endpoint: `https://127.0.0.1:${clouds["azure-sim"].port}`, api_key: "az-cloud", ...tls(clouds["azure-sim"]) },
        slow: openai(clouds["slow-sim"], "sk-slow"),
        pacing: openai(clouds["pacing-sim"], "k"),
        limited: openai(clouds["limited-sim"], "k"),
        broken: openai(clouds["broken-sim"], "k"),
    };
    const off = { hedge: { mode: "off" } };
    const only = (provider, model) => ({ backends: [{ provider, model }], ...off });
    const models = {
        "gpt-test": { backends: [{ provider: "openai", model: "gpt-real" }, { provider: "azure", model: "dep-1" }], strategy: "ordered", ...off },
        "gpt-azure": only("azure", "dep-1"),
        "gpt-slow": only("slow", "m"), "gpt-pacing": only("pacing", "m"), "gpt-limited": only("limited", "m"), "gpt-broken": only("broken", "m"),
        "gpt-hedged": { backends: [{ provider: "slow", model: "m" }, { provider: "azure", model: "dep-1" }], strategy: "ordered", hedge: { mode: "fixed", delay: "30ms" } },
    };
    const proxy = await startProxy({
        listeners: [{ address: "127.0.0.1:0", tls: { certificate: `${work}/ca/api.openai.test.pem`, private_key: `${work}/ca/api.openai.test.key` } }],
        providers, models,
        keys: [{ name: "sdk", sha256: digest(KEY) }, { name: "limited", sha256: digest(LIMITED_KEY), models: ["gpt-azure"] }],
    });
    const told = { url: proxy.urls[0], controls: Object.fromEntries(Object.values(clouds).map(c => [c.name, c.control])) };
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
        stdio: "inherit",
        env: { ...process.env, SDK_TEST: JSON.stringify(told), NODE_EXTRA_CA_CERTS: clouds["openai-sim"].ca },
    });
    const code = await new Promise(done => child.on("exit", done));
    if (code) process.exit(1);
    await finish();
}

// ---- inside: the package ----

async function inner({ url, controls }) {
    const { default: OpenAI } = await import("openai").catch(async error => {
        bad("openai_package", `${error.message}; run npm ci in tests/e2e`);
        await finish();
    });
    const make = (options = {}) => new OpenAI({ apiKey: KEY, baseURL: `${url}/v1`, maxRetries: 0, timeout: 15_000, ...options });
    const client = make();
    const say = content => ({ messages: [{ role: "user", content }] });
    const stats = async name => JSON.parse((await request("GET", `${controls[name]}/sim/stats`)).text);
    // The error that the promise ends with.
    const failure = promise => promise.then(value => ({ value: JSON.stringify(value)?.slice(0, 200) }), error => error);

    await test("sdk_whole", async () => {
        const { data, response } = await client.chat.completions.create({ model: "gpt-test", ...say("echo: one two  three") }).withResponse();
        same("sdk_whole_text", data.choices[0].message, { role: "assistant", content: "one two  three", refusal: null });
        same("sdk_whole_finish", data.choices[0].finish_reason, "stop");
        check("sdk_whole_usage", data.usage.prompt_tokens > 0 && data.usage.total_tokens === data.usage.prompt_tokens + data.usage.completion_tokens, data.usage);
        same("sdk_whole_provider", response.headers.get("x-hedgerow-provider"), "openai");
        check("sdk_request_id", /^[0-9a-f]{32}$/.test(data._request_id), data._request_id);
    });

    await test("sdk_stream", async () => {
        const stream = await client.chat.completions.create({ model: "gpt-test", stream: true, ...say("echo: one two  three") });
        let text = "", chunks = 0, usage = 0, finishes = [];
        for await (const chunk of stream) {
            chunks++;
            text += chunk.choices[0]?.delta.content ?? "";
            if (chunk.choices[0]?.finish_reason) finishes.push(chunk.choices[0].finish_reason);
            usage += Boolean(chunk.usage);
        }
        same("sdk_stream_text", text, "one two  three");
        same("sdk_stream_finish", finishes, ["stop"]);
        check("sdk_stream_in_pieces", chunks >= 4, `${chunks} chunks`);
        same("sdk_stream_no_usage_unasked", usage, 0);
    });

    for (const model of ["gpt-test", "gpt-azure"])
        await test(`sdk_stream_usage_${model}`, async () => {
            const stream = await client.chat.completions.create({ model, stream: true, stream_options: { include_usage: true }, ...say("echo: a b") });
            let last;
            for await (const chunk of stream) last = chunk;
            same(`sdk_stream_usage_alone_${model}`, last.choices, []);
            check(`sdk_stream_usage_${model}_numbers`, last.usage.prompt_tokens > 0 && last.usage.completion_tokens > 0, last.usage);
        });

    await test("sdk_several_choices", async () => {
        const body = { model: "gpt-test", n: 2, ...say("echo: twice") };
        const whole = await client.chat.completions.create(body);
        same("sdk_several_choices_whole", whole.choices.map(c => [c.index, c.message.content]), [[0, "twice"], [1, "twice"]]);
        const texts = ["", ""];
        for await (const chunk of await client.chat.completions.create({ ...body, stream: true }))
            for (const choice of chunk.choices) texts[choice.index] += choice.delta.content ?? "";
        same("sdk_several_choices_stream", texts, ["twice", "twice"]);
    });

    // ---- tools ----

    const tool = { type: "function", function: { name: "get_weather", parameters: { type: "object", properties: { city: { type: "string" }, days: { type: "integer" } }, required: ["city"] } } };
    await test("sdk_tools_whole", async () => {
        const whole = await client.chat.completions.create({ model: "gpt-test", tools: [tool], tool_choice: "required", ...say("weather?") });
        const [call] = whole.choices[0].message.tool_calls;
        same("sdk_tools_whole_call", [whole.choices[0].finish_reason, call.type, call.function.name, typeof JSON.parse(call.function.arguments).city],
            ["tool_calls", "function", "get_weather", "string"]);
    });
    await test("sdk_tools_stream", async () => {
        // The package's own accumulator puts the deltas together and checks their order.
        const runner = client.chat.completions.stream({ model: "gpt-azure", tools: [tool], tool_choice: "required", ...say("weather?") });
        const done = [];
        runner.on("tool_calls.function.arguments.done", event => done.push(event.name));
        const whole = await runner.finalChatCompletion();
        const [call] = whole.choices[0].message.tool_calls;
        same("sdk_tools_stream_call", [whole.choices[0].finish_reason, call.function.name, typeof JSON.parse(call.function.arguments).city],
            ["tool_calls", "get_weather", "string"]);
        check("sdk_tools_stream_events", done.includes("get_weather"), done);
    });
    await test("sdk_run_tools", async () => {
        const given = [];
        const runner = client.chat.completions.runTools({
            model: "gpt-test", stream: true, tool_choice: "required", ...say("weather?"),
            tools: [{ type: "function", function: { ...tool.function, parse: JSON.parse, function: args => (given.push(args), "echo: sunny") } }],
        }, { maxChatCompletions: 2 });
        await runner.done().catch(error => bad("sdk_run_tools_ends", error));
        check("sdk_run_tools_called", given.length > 0 && typeof given[0].city === "string", given);
        check("sdk_run_tools_result_sent", runner.messages.some(m => m.role === "tool" && m.content === "echo: sunny"), runner.messages);
    });

    // ---- a hedge is invisible to the client, but for its headers ----

    await test("sdk_hedged", async () => {
        const { data, response } = await client.chat.completions.create({ model: "gpt-hedged", stream: true, ...say("echo: hedged") }).withResponse();
        let text = "";
        for await (const chunk of data) text += chunk.choices[0]?.delta.content ?? "";
        same("sdk_hedged_text", text, "hedged");
        same("sdk_hedged_headers", ["provider", "attempts", "hedge"].map(h => response.headers.get(`x-hedgerow-${h}`)), ["azure", "2", "won"]);
        check("sdk_hedged_loser_cancelled", await until(async () => (await stats("slow-sim")).cancelled === 1), await stats("slow-sim"));
    });

    // ---- abort ----

    async function cancelled(name, cloud, act) {
        const { cancelled: before, requests } = await stats(cloud);
        // What `act` may wait for: that the cloud has the request.
        await act(() => until(async () => (await stats(cloud)).requests > requests));
        check(name, await until(async () => (await stats(cloud)).cancelled === before + 1), `cancelled ${(await stats(cloud)).cancelled}, before ${before}`);
    }
    await test("sdk_abort", async () => {
        for (const stream of [true, false])
            await cancelled(`sdk_abort_before_first_token_stream_${stream}_cancels_upstream`, "slow-sim", async arrived => {
                const abort = new AbortController();
                const answer = failure(client.chat.completions.create({ model: "gpt-slow", stream, ...say("hi") }, { signal: abort.signal }));
                await arrived();
                abort.abort();
                check(`sdk_abort_before_first_token_stream_${stream}`, (await answer) instanceof OpenAI.APIUserAbortError, String(await answer));
            });
        await cancelled("sdk_abort_midway_cancels_upstream", "pacing-sim", async () => {
            const abort = new AbortController();
            const stream = await client.chat.completions.create({ model: "gpt-pacing", stream: true, ...say("hi") }, { signal: abort.signal });
            let tokens = 0;
            for await (const chunk of stream) if (chunk.choices[0]?.delta.content && ++tokens === 5) abort.abort();
            same("sdk_abort_midway_tokens", tokens >= 5 && tokens < 50, true);
        });
        await cancelled("sdk_break_cancels_upstream", "pacing-sim", async () => {
            for await (const chunk of await client.chat.completions.create({ model: "gpt-pacing", stream: true, ...say("hi") }))
                if (chunk.choices[0]?.delta.content) break;
        });
        await cancelled("sdk_timeout_cancels_upstream", "slow-sim", async () => {
            const error = await failure(client.chat.completions.create({ model: "gpt-slow", ...say("hi") }, { timeout: 200 }));
            check("sdk_timeout", error instanceof OpenAI.APIConnectionTimeoutError, String(error));
        });
    });

    // ---- errors are the package's own classes ----

    await test("sdk_errors", async () => {
        const rows = [
            ["wrong_key", () => make({ apiKey: "sk-wrong" }).chat.completions.create({ model: "gpt-test", ...say("hi") }), OpenAI.AuthenticationError, 401, "invalid_api_key"],
            ["forbidden", () => make({ apiKey: LIMITED_KEY }).chat.completions.create({ model: "gpt-test", ...say("hi") }), OpenAI.PermissionDeniedError, 403, "model_not_allowed"],
            ["unknown_model", () => client.chat.completions.create({ model: "gpt-none", ...say("hi") }), OpenAI.NotFoundError, 404, "model_not_found"],
            ["bad_request", () => client.chat.completions.create({ model: "gpt-test", messages: [] }), OpenAI.BadRequestError, 400, undefined],
            ["refused_upstream", () => client.chat.completions.create({ model: "gpt-test", temperature: 9, ...say("hi") }), OpenAI.BadRequestError, 400, undefined],
            ["unknown_path", () => client.post("/no-such-thing", { body: {} }), OpenAI.NotFoundError, 404, undefined],
            ["rate_limit", () => client.chat.completions.create({ model: "gpt-limited", ...say("hi") }), OpenAI.RateLimitError, 429, undefined],
            ["rate_limit_stream", () => client.chat.completions.create({ model: "gpt-limited", stream: true, ...say("hi") }), OpenAI.RateLimitError, 429, undefined],
            ["broken_whole", () => client.chat.completions.create({ model: "gpt-broken", ...say("hi") }), OpenAI.InternalServerError, 502, undefined],
        ];
        for (const [name, act, type, status, code] of rows) {
            const error = await failure(act());
            check(`sdk_error_${name}`, error instanceof type && error.status === status && error.message.length > 8 && (!code || error.code === code),
                `${error?.constructor?.name} ${error.status} ${error.code}: ${error.message ?? error.value}`);
        }
        const limited = await failure(client.chat.completions.create({ model: "gpt-limited", ...say("hi") }));
        check("sdk_error_rate_limit_retry_after", Number(limited.headers?.get("retry-after")) >= 1 && Number(limited.headers.get("retry-after-ms")) > 0, String(limited));
        const broken = await failure((async () => {
            for await (const _ of await client.chat.completions.create({ model: "gpt-broken", stream: true, ...say("hi") }));
        })());
        check("sdk_error_broken_stream", broken instanceof OpenAI.APIError && broken.message.length > 8, String(broken));
        // The package retries by itself, after the time that it was told.
        const before = (await stats("limited-sim")).requests, from = Date.now();
        await failure(make({ maxRetries: 1 }).chat.completions.create({ model: "gpt-limited", ...say("hi") }));
        same("sdk_retries_after_told_time", [(await stats("limited-sim")).requests - before, Date.now() - from >= 700], [2, true]);
    });

    await test("sdk_models", async () => {
        const ids = [];
        for await (const model of client.models.list()) ids.push(model.id);
        check("sdk_models_list", ids.includes("gpt-test") && ids.includes("gpt-hedged"), ids);
        same("sdk_models_retrieve", (await client.models.retrieve("gpt-azure")).id, "gpt-azure");
    });

    await test("sdk_concurrent", async () => {
        const texts = await Promise.all(Array.from({ length: 100 }, async (_, i) => {
            const whole = await client.chat.completions.create({ model: i % 2 ? "gpt-azure" : "gpt-test", ...say(`echo: number ${i}`) });
            return whole.choices[0].message.content;
        }));
        same("sdk_concurrent_texts", texts.filter((text, i) => text !== `number ${i}`), []);
    });
    await finish();
}
