// test_stall.mjs - answers that stop in their middle (hedge.on_stall), with the official SDKs of four dialects as
// clients: go on behind the text at another cloud, start over where nothing but reasoning was sent, or fail.
//
// The clouds that stall say half of their answer. A cloud that is asked to go on says what of the echoed text is left
// behind the unfinished turn, and all of it when it is not asked in the way of its kind: so the whole text, each byte
// once, is only heard when the turn reached it as it should.
//
// Each request asks a model of its own, so that no cloud is ejected for its failures.
import { readFileSync } from "node:fs";
import { clients } from "./clients.mjs";
import { bad, chat, check, finish, ok, request, same, sseData, startClouds, startProxy, until } from "./lib.mjs";

const IDLE_MS = 120;
const TEXT = "one two \"three\" four\nfive caf\u00e9 \\seven eight \ud83c\udf0a ten eleven twelve";
const WORDS = TEXT.split(/[ \n]/).length, SAID = Math.floor(WORDS / 2);
const PRICE = { input: 0, output: 10_000 }; // USD per million: a token of output is a cent, one of input is free

const want = (held, why) => {
    if (!held) throw new Error(typeof why === "string" ? why : JSON.stringify(why));
};
const test = async (name, body) => {
    try {
        await body();
        ok(name);
    } catch (error) {
        bad(name, error.stack || error);
    }
};

// ---- set-up: each family once that stalls, once that breaks off, once that is well ----

const ways = {
    "": {}, "-stalls": { stall: 1 }, "-breaks": { truncate: 1 }, "-errs": { error_event_late: 1 }, "-refuses": { error_500: 1 },
};
const quick = { ttft: { dist: "constant", value: "5ms" }, tokens: { count: 6, interval: "1ms" } };
const clouds = await startClouds(["openai", "anthropic", "bedrock", "gemini"].flatMap(kind =>
    Object.entries(ways).map(([way, faults]) => ({ name: kind + way, kind, faults, ...quick })))
    .concat([{ name: "beta", kind: "openai", prefix: "/beta", ...quick }]));
const settings = (kind, url) => ({
    anthropic: { base_url: url, api_key: "k" }, gemini: { base_url: `${url}/v1beta`, api_key: "k" },
    bedrock: { base_url: url, region: "us-east-1", access_key_id: "AKIDEXAMPLE", secret_access_key: "secret" },
})[kind] ?? { base_url: `${url}/v1`, api_key: "k" };
const providers = {};
for (const [name, cloud] of Object.entries(clouds)) {
    const kind = name.split("-")[0];
    if (kind !== "beta") providers[name] = { kind, ...settings(kind, `http://127.0.0.1:${cloud.port}`) };
}
// Kinds that speak OpenAI's dialect and go on with an unfinished turn, each in its own words.
for (const kind of ["mistral", "vllm", "moonshot", "dashscope"])
    providers[kind] = { kind, ...settings(kind, `http://127.0.0.1:${clouds.openai.port}`) };
providers.deepseek = { kind: "deepseek", base_url: `http://127.0.0.1:${clouds.beta.port}/beta`, api_key: "k" };
providers["deepseek-v1"] = { kind: "deepseek", ...settings("deepseek", `http://127.0.0.1:${clouds.openai.port}`) };

const MODEL = { anthropic: "claude-sonnet-4-5", bedrock: "us.anthropic.claude-sonnet-4-5-v1:0", gemini: "gemini-2.5-flash" };
const NEWEST = { anthropic: "claude-opus-4-8", bedrock: "us.anthropic.claude-opus-4-8-v1:0" }; // they refuse prefills
const backend = (provider, newest) => ({
    provider, price: PRICE, model: (newest && NEWEST[provider.split("-")[0]]) || MODEL[provider.split("-")[0]] || "m",
});
const models = {};
const add = (model, on_stall, names, { newest = false, ...hedge } = {}) => {
    models[model] = {
        backends: names.map(name => backend(name, newest)), strategy: "ordered", timeouts: { idle: `${IDLE_MS}ms`, total: "10s" },
        hedge: { mode: "off", max_attempts: names.length, request_budget: "100%", on_stall, ...hedge },
    };
};

const runs = []; // {name, client, question, check}
const run = (name, client, on_stall, names, question, verdict, options) => {
    add(name, on_stall, names, options);
    runs.push({ name, client, names, question: { model: name, text: `echo: ${TEXT}`, ...question }, verdict, fails: verdict.fails });
};

// ---- verdicts ----

// The lines that are there whole.
const log = () => readFileSync(proxy.log, "utf8").split("\n").slice(0, -1).map(line => JSON.parse(line));
const record = async name => {
    let line;
    await until(() => (line = log().find(({ model }) => model === name)));
    want(line, `${name} is not in the log`);
    return line;
};
const cents = usd => Math.round(usd * 1e8) / 1e6;
// The whole text, each byte once; the usage is one answer's; the log has each attempt with its own.
async function continued(answer, { name, names }) {
    want(answer.text === TEXT, `${answer.text.length} bytes: ${answer.text}`);
    want(answer.calls.length === 0 && answer.reasoning === "", answer);
    want(answer.usage.output === WORDS, `usage ${JSON.stringify(answer.usage)}, said ${WORDS}`);
    const line = await record(name), [first, last] = [line.attempts[0], line.attempts.at(-1)];
    want(line.attempts.length === names.length && line.winner === names.at(-1), line);
    want(first.outcome === "failed" && first.trigger === "first" && first.tokens === SAID, line);
    want(last.outcome === "won" && last.trigger === "stall" && last.tokens === WORDS - SAID, line);
    want(line.output_tokens === WORDS && line.input_tokens === answer.usage.input, line);
    want(cents(line.cost_usd) === WORDS && cents(line.wasted_usd) === 0, line);
    want(line.reason === null && line.status === 200, line);
    return line;
}
// One answer, by the second alone: what the first had thought of is shown, and charged to nobody.
async function restarted(answer, { name, names, question }) {
    want(answer.text === question.text.slice("echo: ".length), answer.text);
    const line = await record(name), [first, last] = line.attempts;
    want(line.attempts.length === 2 && line.winner === names.at(-1) && last.trigger === "stall" && last.outcome === "won", line);
    want(first.outcome === "failed", line);
    want(answer.usage.output === last.tokens && line.output_tokens === last.tokens, [answer.usage, line]);
    want(cents(line.cost_usd) === last.tokens && cents(line.wasted_usd) === first.tokens && first.tokens > 0, line);
    return line;
}
const failed = why => Object.assign(async (answer, { name }) => {
    want(answer.error, `it gave an answer: ${JSON.stringify(answer).slice(0, 300)}`);
    want(String(answer.error.message ?? answer.error).includes(why), `${answer.error.stack}`);
    const line = await record(name);
    want(line.attempts.length === 1 && line.reason === "idle", line);
}, { fails: true });

// ---- what goes on behind the text ----

const words = ["deepseek", "moonshot", "dashscope", "vllm", "anthropic", "bedrock"];
const own = { "openai chat": "openai", "openai responses": "openai", anthropic: "anthropic", gemini: "gemini" };
for (const client of Object.keys(clients))
    for (const stream of [true, false]) {
        const form = stream ? "stream" : "whole";
        for (const to of words) run(`${client} ${form} to ${to}`, client, "continue", [`${own[client]}-stalls`, to], { stream }, continued);
        // Mistral counts without being asked to, which these clouds do not.
        run(`${client} ${form} to mistral`, client, "continue", [`${own[client]}-stalls`, "mistral"], { stream },
            async answer => want(answer.text === TEXT && answer.calls.length === 0, answer.text));
        // Not relayed as it came, but written anew, before the stall.
        for (const from of ["openai", "anthropic", "bedrock", "gemini"])
            run(`${client} ${form} of ${from}`, client, "continue", [`${from}-stalls`, "anthropic"], { stream }, continued);
        run(`${client} ${form} breaks`, client, "continue", [`${own[client]}-breaks`, "moonshot"], { stream }, continued);
        run(`${client} ${form} errs`, client, "continue", [`${own[client]}-errs`, "moonshot"], { stream }, continued);
        // The first to be asked to go on has nothing to say, and the next is not able to.
        run(`${client} ${form} third`, client, "continue", [`${own[client]}-stalls`, "anthropic-refuses", "moonshot"], { stream }, continued);
        // Restart finds text sent, or, where none was, a whole answer.
        run(`${client} ${form} restart`, client, "restart", [`${own[client]}-stalls`, own[client]], { stream },
            stream ? failed("text had been sent") : restarted);
        run(`${client} ${form} fail`, client, "fail", [`${own[client]}-stalls`, own[client]], { stream }, failed("the stream stalled after its first token"));
        run(`${client} ${form} nobody able`, client, "continue", [`${own[client]}-stalls`, "openai", "gemini", "deepseek-v1"], { stream },
            stream ? failed("no backend that is left can go on with it") : async (answer, of) => restarted(answer, { ...of, names: [of.names[0], of.names[1]] }));
        run(`${client} ${form} no attempt left`, client, "continue", [`${own[client]}-stalls`, "moonshot"], { stream },
            failed("no backend that is left can go on with it"), { max_attempts: 1 });
        run(`${client} ${form} no budget`, client, "continue", [`${own[client]}-stalls`, "moonshot"], { stream },
            failed("the budget of hedges and retries is used up"), { request_budget: "0%" });
        run(`${client} ${form} newest`, client, "continue", ["openai-stalls", "anthropic", "bedrock"], { stream },
            stream ? failed("no backend that is left can go on with it") : async (answer, of) => restarted(answer, { ...of, names: of.names.slice(0, 2) }), { newest: true });
        const schema = { type: "object", properties: { a: { type: "string" } }, required: ["a"], additionalProperties: false };
        if (stream && client !== "gemini") run(`${client} ${form} structured`, client, "continue", ["openai-stalls", "moonshot"], { stream, schema }, failed("the answer has to have a given structure"));
    }

// ---- reasoning only: from the start, behind what was shown of it ----

const SHORT = "short answer";
for (const [client, from, to] of [
    ["anthropic", "anthropic", "anthropic"], ["anthropic", "gemini", "anthropic"], ["openai chat", "anthropic", "bedrock"], ["gemini", "gemini", "gemini"],
    ["openai responses", "anthropic", "anthropic"], ["openai responses", "openai", "openai"], ["anthropic", "bedrock", "gemini"],
])
    for (const stream of [true, false])
        for (const on_stall of ["restart", "continue"])
            run(`${client} ${stream ? "stream" : "whole"} ${on_stall} behind reasoning of ${from} by ${to}`, client, on_stall, [`${from}-stalls`, to],
                { stream, effort: "medium", text: `echo: ${SHORT}` }, restarted);

// ---- a tool call that was begun ----

const weather = {
    name: "get_weather", description: "The weather of a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false },
};
for (const client of Object.keys(clients))
    run(`${client} tool call`, client, "continue", ["anthropic-stalls", "moonshot"], { stream: true, tools: [weather], choice: "required", text: "weather?" },
        failed("a tool call had been begun"));

// ---- the bytes of a stream ----

add("raw", "continue", ["openai-stalls", "moonshot"]);
add("raw total", "continue", ["openai-stalls", "moonshot"]);
models["raw total"].timeouts = { idle: "5s", total: "300ms" };
add("raw reasoning", "restart", ["anthropic-stalls", "anthropic"]);
add("raw limit", "continue", ["openai-stalls", "vllm"]);
add("raw twice", "continue", ["openai-stalls", "anthropic-stalls", "vllm"]);

const proxy = await startProxy({ listeners: [{ address: "127.0.0.1:0" }], workers: 1, providers, models });
const ask = Object.fromEntries(Object.entries(clients).map(([name, make]) => [name, make(proxy.urls[0])]));
// A few at a time: each waits for its cloud to be idle.
const queue = [...runs];
await Promise.all(Array.from({ length: 8 }, async () => {
    for (let next; (next = queue.shift());) {
        let answer;
        try {
            answer = await ask[next.client](next.question);
        } catch (error) {
            answer = { error, text: "", calls: [] };
        }
        await test(`stall_${next.name.replaceAll(" ", "_")}`, async () => {
            if (answer.error && !next.fails) throw answer.error;
            await next.verdict(answer, next);
        });
    }
}));

const message = [{ role: "user", content: `echo: ${TEXT}` }];
{
    const body = { model: "raw", stream: true, stream_options: { include_usage: true }, messages: message };
    const answer = await chat(proxy.urls[0], body), chunks = sseData(answer.text).filter(data => data !== "[DONE]").map(data => JSON.parse(data));
    check("raw_comment_names_who_goes_on", answer.text.includes("\n: hedgerow: continued on moonshot\n\n"), answer.text);
    same("raw_one_id_model_and_time", [...new Set(chunks.map(({ id, model, created }) => `${id} ${model} ${created}`))].length, 1);
    same("raw_one_role", chunks.filter(chunk => chunk.choices[0]?.delta.role).length, 1);
    same("raw_one_finish", chunks.filter(chunk => chunk.choices[0]?.finish_reason).map(chunk => chunk.choices[0].finish_reason), ["stop"]);
    same("raw_one_usage", chunks.filter(chunk => chunk.usage).map(({ usage }) => usage.completion_tokens), [WORDS]);
    check("raw_ends_once", answer.text.endsWith("data: [DONE]\n\n") && answer.text.split("[DONE]").length === 2, answer.text.slice(-80));
    // The one that stalled was cut off when it was given up, not when the answer ended.
    const stats = await clouds["openai-stalls"].stats();
    same("raw_stalled_ones_are_cut_off", stats.cancelled, stats.requests);
}
{
    const answer = await chat(proxy.urls[0], { model: "raw total", stream: true, messages: message });
    const error = JSON.parse(sseData(answer.text).at(-1)).error;
    same("raw_total_is_told_alone", error?.message, "openai-stalls: the request took longer than its total time limit");
}
{
    const body = { model: "raw limit", stream: true, max_tokens: 100, messages: message };
    await chat(proxy.urls[0], body);
    const { body: sent } = await clouds.openai.last(), asked = typeof sent === "string" ? JSON.parse(sent) : sent;
    same("raw_limit_is_lowered", [asked.max_tokens, asked.continue_final_message, asked.add_generation_prompt, asked.messages.at(-1).role],
        [100 - SAID, true, false, "assistant"]);
}
{
    const answer = await chat(proxy.urls[0], { model: "raw twice", stream: true, messages: message });
    const text = sseData(answer.text).filter(data => data !== "[DONE]").map(data => JSON.parse(data).choices[0]?.delta.content ?? "").join("");
    same("raw_twice_text", text, TEXT);
    const line = await record("raw twice");
    same("raw_twice_attempts", line.attempts.map(({ trigger, outcome }) => `${trigger} ${outcome}`), ["first failed", "stall failed", "stall won"]);
    same("raw_twice_cost", [cents(line.cost_usd), cents(line.wasted_usd), line.output_tokens], [WORDS, 0, WORDS]);
}
{
    const body = { model: "raw reasoning", stream: true, max_tokens: 4000, thinking: { type: "enabled", budget_tokens: 1024 }, messages: [{ role: "user", content: `echo: ${SHORT}` }] };
    const answer = await request("POST", `${proxy.urls[0]}/v1/messages`, JSON.stringify(body), { "content-type": "application/json" });
    const events = sseData(answer.text).map(data => JSON.parse(data)), of = type => events.filter(event => event.type === type);
    same("raw_reasoning_starts_once", [of("message_start").length, of("message_stop").length], [1, 1]);
    const starts = of("content_block_start").map(event => `${event.index} ${event.content_block.type}`);
    same("raw_reasoning_blocks", starts, ["0 thinking", "1 thinking", "2 text"]);
    same("raw_reasoning_blocks_end", of("content_block_stop").map(event => event.index), [0, 1, 2]);
    // What seals the second's reasoning must not seal the first's.
    same("raw_reasoning_signatures", of("content_block_delta").filter(event => event.delta.type === "signature_delta").map(event => event.index), [1]);
    check("raw_reasoning_comment", answer.text.includes(": hedgerow: restarted on anthropic\n"), answer.text);
}

// ---- the account ----

await until(() => log().length === runs.length + 5);
const lines = log(), attempts = lines.flatMap(line => line.attempts);
const metrics = (await request("GET", `${proxy.admin}/metrics`)).text;
const total = pattern => [...metrics.matchAll(pattern)].reduce((sum, match) => sum + Number(match[1]), 0);
same("metrics_hedges_by_stall", total(/^hedgerow_hedges_started_total\{[^}]*trigger="stall"[^}]*\} (\d+)$/gm),
    attempts.filter(attempt => attempt.trigger === "stall").length);
const usd = pattern => cents([...metrics.matchAll(pattern)].reduce((sum, match) => sum + Number(match[1]), 0));
same("metrics_cost", usd(/^hedgerow_cost_usd_total\{[^}]*\} (\S+)$/gm), cents(attempts.reduce((sum, attempt) => sum + attempt.cost_usd, 0)));
same("metrics_wasted", usd(/^hedgerow_wasted_cost_usd_total\{[^}]*\} (\S+)$/gm), cents(lines.reduce((sum, line) => sum + line.wasted_usd, 0)));
check("metrics_suppressed_by_budget", total(/^hedgerow_hedges_suppressed_total\{[^}]*reason="budget"[^}]*\} (\d+)$/gm) > 0, "none");
await finish();
