// test_across.mjs - one request, clouds of three families: the first never answers, the second answers with an error
// event, the third wins (and the other way round), while the client speaks any dialect. The official SDK sees one
// clean answer of the winner, the headers say who it was, and the losers are cut off.
//
// Each request asks a model of its own, so that no cloud is ejected for its failures.
import { ok, bad, check, finish, records, startClouds, startProxy, until } from "./lib.mjs";

// The SDKs take fetch when they are loaded or made, and most keep the headers to themselves.
let headers = null;
const plainFetch = globalThis.fetch;
globalThis.fetch = async (...args) => {
    const response = await plainFetch(...args);
    headers = response.headers;
    return response;
};
const { clients } = await import("./clients.mjs");

const TEXT = "h\u00e9llo \"quoted\" \\ back \ud83c\udf0a and\nanother line", DELAY_MS = 30;
const weather = {
    name: "get_weather", description: "The weather of a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false },
};
const want = (held, why) => {
    if (!held) throw new Error(typeof why === "string" ? why : JSON.stringify(why));
};

// ---- set-up: each family three times ----

const kinds = ["openai", "anthropic", "bedrock", "gemini"];
const faults = { "": {}, "-silent": { no_answer: 1 }, "-failing": { error_event: 1 } };
const clouds = await startClouds(kinds.flatMap(kind => Object.entries(faults).map(([way, fault]) =>
    ({ name: kind + way, kind, faults: fault, ttft: { dist: "constant", value: "5ms" }, tokens: { count: 6, interval: "1ms" } }))));
const settings = (kind, url) => ({
    openai: { base_url: `${url}/v1`, api_key: "k" }, anthropic: { base_url: url, api_key: "k" }, gemini: { base_url: `${url}/v1beta`, api_key: "k" },
    bedrock: { base_url: url, region: "us-east-1", access_key_id: "AKIDEXAMPLE", secret_access_key: "secret" },
})[kind];
const providers = {};
for (const kind of kinds)
    for (const way in faults) providers[kind + way] = { kind, ...settings(kind, `http://127.0.0.1:${clouds[kind + way].port}`) };

// The winner, and two of the other families in both roles and both orders.
const races = kinds.flatMap(winner => {
    const others = kinds.filter(kind => kind !== winner);
    return others.flatMap(silent => others.filter(kind => kind !== silent).flatMap(failing => [
        [`${silent}-silent`, `${failing}-failing`, winner], [`${failing}-failing`, `${silent}-silent`, winner],
    ]));
});
const questions = {
    "text stream": { text: `echo: ${TEXT}`, stream: true }, "text whole": { text: `echo: ${TEXT}` },
    "tools stream": { text: "weather?", tools: [weather], choice: "required", stream: true },
};
const runs = races.flatMap((backends, race) => Object.keys(clients).map((client, i) => {
    const form = Object.keys(questions)[(race + i) % Object.keys(questions).length];
    return { model: `${backends.join(",")} for ${client}`, backends, client, form };
}));
// The one of the acceptance list, in every form.
const usual = ["openai-silent", "bedrock-failing", "gemini"];
for (const form in questions) runs.push({ model: `usual ${form}`, backends: usual, client: "anthropic", form });

const hedge = { mode: "fixed", delay: `${DELAY_MS}ms`, max_attempts: 3, request_budget: "100%" }, models = {};
for (const { model, backends } of runs)
    models[model.replaceAll(/[ ,]/g, "_")] = { backends: backends.map(provider => ({ provider, model: "m" })), strategy: "ordered", hedge };
const proxy = await startProxy({ listeners: [{ address: "127.0.0.1:0" }], workers: 1, providers, models });
const ask = Object.fromEntries(Object.entries(clients).map(([client, make]) => [client, make(proxy.urls[0])]));

// ---- one after the other, for the headers are those of the last answer ----

const FINISHED = ["stop", "completed", "end_turn", "STOP"], CALLED = ["tool_calls", "completed", "tool_use", "STOP"];
const cancelledBy = async name => (await clouds[name].stats()).cancelled;

async function run({ model, backends, client, form }) {
    const winner = backends[2], silent = backends.find(name => name.endsWith("-silent")), before = await cancelledBy(silent);
    const answer = await ask[client]({ ...questions[form], model: model.replaceAll(/[ ,]/g, "_") });
    if (form.startsWith("text")) {
        want(answer.text === TEXT && !answer.calls.length && FINISHED.includes(answer.finish), answer);
    } else {
        want(answer.calls.length > 0 && CALLED.includes(answer.finish), answer);
        for (const call of answer.calls) want(call.name === "get_weather" && typeof call.args.city === "string", answer.calls);
    }
    want(answer.usage.input > 0 && answer.usage.output > 0, answer.usage);
    const told = ["provider", "attempts", "hedge"].map(name => headers.get(`x-hedgerow-${name}`));
    want(told.join() === `${winner},3,won`, told);
    want(await until(async () => (await cancelledBy(silent)) === before + 1), `${silent} still has a request`);
}
for (const one of runs) await run(one).then(() => ok(`across: ${one.model}, ${one.form}`), error => bad(`across: ${one.model}, ${one.form}`, error.stack));

// What the log says of it: who won, what became of the others, and no answer was paid for twice.
await until(() => records(proxy).length >= runs.length);
const log = records(proxy);
check("across: one record a request", log.length === runs.length, log.length);
const wrong = log.filter(record => {
    const outcomes = record.attempts.map(({ provider, outcome }) => [provider, outcome]);
    const should = ([provider, outcome]) => outcome === (provider.endsWith("-silent") ? "lost" : provider.endsWith("-failing") ? "failed" : "won");
    return record.status !== 200 || outcomes.length !== 3 || !outcomes.every(should);
});
check("across: the log knows what became of each attempt", !wrong.length, wrong[0]);
await finish();
