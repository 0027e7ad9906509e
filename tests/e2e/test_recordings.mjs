// test_recordings.mjs - every recorded stream of ../shared/fixtures, replayed by a simulated cloud of its kind and
// asked for through the proxy by the official SDK of every client dialect, streaming and whole: what the SDK makes of
// the answer is what the recording means (recording_decode.mjs, which knows nothing of the proxy).
//
// A recording that ends in an error, breaks its format or was cut is an error of the SDK, never an answer. Whole ones
// are also broken off in the middle, and played by clouds that send a few bytes at a time. One line for each recording,
// and one for each client and form that got it wrong. Where provider and client speak one dialect the stream is passed
// on as it came: there it is enough that the SDK reads what it would have read without the proxy.
//
// Needs ../shared (or HEDGEROW_SHARED); without it one line says so.
import OpenAI from "openai";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { clients } from "./clients.mjs";
import { bad, check, finish, ok, shared, skip, startClouds, startProxy, work } from "./lib.mjs";
import { chatUsage, decode, formatOf, frame, frames } from "./recording_decode.mjs";

const folder = join(shared, "fixtures");
if (!existsSync(folder)) {
    skip("recordings", "needs ../shared/fixtures");
    await finish();
}
const only = process.env.HEDGEROW_RECORDINGS; // a part of the names, to look at some alone
const AT_ONCE = 16;
const CUT_BYTES = 3; // a send, for the clouds that cut: lines, frames and letters are torn apart

// ---- what must be the same, and where dialects differ ----

// How each client's dialect says how an answer ended. Tool calls end Responses and Gemini answers like any other.
// `blocked` is a prompt that Gemini refuses; FAKE_ENUM stands in a recording for reasons that are yet to come, which a
// client of the same dialect is told as they are and others as "stop".
const FINISH = {
    "openai chat": { stop: "stop", length: "length", tool_calls: "tools", content_filter: "filter" },
    "openai responses": { completed: "stop", max_output_tokens: "length", content_filter: "filter" },
    anthropic: {
        end_turn: "stop", stop_sequence: "stop", pause_turn: "stop", compaction: "stop", max_tokens: "length", model_context_window_exceeded: "length",
        tool_use: "tools", refusal: "filter",
    },
    gemini: {
        STOP: "stop", MAX_TOKENS: "length", SAFETY: "filter", RECITATION: "filter", LANGUAGE: "filter", BLOCKLIST: "filter", PROHIBITED_CONTENT: "filter",
        SPII: "filter", IMAGE_SAFETY: "filter", blocked: "filter", FAKE_ENUM: "stop",
    },
};
// Usage that the provider did not give: absent, or zero where the dialect's schema demands numbers.
const USAGE_IS_NEEDED = ["anthropic"];
// Only clients of the Responses dialect are served by an upstream's Responses endpoint; all other requests to those
// providers go to chat completions (providers/kinds.def). Where a kind has both, its recordings of chat completions
// are played to clients of Responses as those of a kind that has chat completions only.
const CLIENTS_OF = { responses: ["openai responses"] };
const CHAT_ONLY = ["deepseek", "dashscope", "moonshot", "mistral", "ollama"], ANY_CHAT_ONLY = "together";

// Which kind of cloud plays a format, and which kind of provider asks it. Chat: by the folder's name.
const CLOUD_OF = { anthropic: "anthropic", converse: "bedrock", gemini: "gemini", responses: "openai", chat: "openai" };
const CHAT_KINDS = {
    azure: "azure", deepseek: "deepseek", groq: "groq", qwen: "dashscope", moonshot: "moonshot", openrouter: "openrouter", xai: "xai", mistral: "mistral",
    ollama: "ollama",
};
// How many recordings of a format there have to be, so that none gets lost on the way.
const AT_LEAST = { anthropic: 30, converse: 50, gemini: 35, responses: 50, chat: 50 };

// Recordings left out, and why. What is not in one of the formats at all is listed at the end.
const LEFT_OUT = [
    [/^sse-quirks\//, "they follow, with what their manifest expects"],
    [/starting_after_vcr\.2/, "the second half of an answer that was fetched in the background"],
];

// ---- recordings ----

function filesBelow(path) {
    return readdirSync(path).sort().flatMap(name => {
        const whole = join(path, name);
        if (statSync(whole).isDirectory()) return filesBelow(whole);
        return /\.(sse|chunks\.txt|bin)$|^streaming-.*\.txt$/.test(name) ? [whole] : [];
    });
}
// A recording as its cloud sends it: .chunks.txt has one JSON text a line, without the framing.
function wireBytes(lines, format) {
    if (format === "converse") return Buffer.concat(lines.map(line => frame(...Object.entries(JSON.parse(line)).map(([type, body]) => [type, JSON.stringify(body)])[0])));
    const named = format === "anthropic" || format === "responses";
    const events = lines.map(line => `${named ? `event: ${JSON.parse(line).type}\n` : ""}data: ${line}\n\n`).join("");
    return Buffer.from(format === "chat" ? `${events}data: [DONE]\n\n` : events);
}

// The answers of a file: some of .chunks.txt hold those of several requests one behind the other.
function answersOf(file, format) {
    const bytes = readFileSync(file);
    if (!file.endsWith(".chunks.txt")) return [bytes];
    const answers = [[]], end = /^\{"type":"(message_stop|response\.completed)"/;
    for (const line of bytes.toString("utf8").split("\n").filter(text => text.trim())) {
        if (end.test(answers.at(-1).at(-1))) answers.push([]);
        answers.at(-1).push(line);
    }
    return answers.map(lines => wireBytes(lines, format));
}

const recordings = [], strangers = [];
function add(name, format, bytes, want = decode(format, bytes)) {
    const played = `${recordings.length}.${format === "converse" ? "bin" : "sse"}`, top = name.split("/")[0];
    writeFileSync(join(work, "recordings", played), bytes);
    const model = format === "chat" ? (CHAT_KINDS[top] ?? "openai") : format === "gemini" && top === "vertex" ? "vertex" : CLOUD_OF[format];
    recordings.push({ name, format, played, model, want });
}
mkdirSync(join(work, "recordings"));
for (const file of filesBelow(folder)) {
    const name = relative(folder, file), gemini = /\/firebase\//.test(name) ? "gemini" : null; // some hold no candidate at all
    const format = formatOf(readFileSync(file), file.endsWith(".bin")) ?? gemini;
    if (LEFT_OUT.some(([pattern]) => pattern.test(name))) continue;
    if (!format) {
        strangers.push(name);
        continue;
    }
    const answers = answersOf(file, format);
    answers.forEach((bytes, i) => add(answers.length > 1 ? `${name} #${i + 1}` : name, format, bytes));
}
for (const [format, least] of Object.entries(AT_LEAST)) {
    const found = recordings.filter(recording => recording.format === format).length;
    check(`recordings_${format}`, found >= least, `only ${found}`);
}
for (const { file, expect_text: text, expect_finish, expect_error: error } of JSON.parse(readFileSync(join(folder, "sse-quirks/manifest.json"), "utf8"))) {
    const foreign = file.startsWith("json-array"); // another dialect's, there to be told from this one
    const want = { text, finish: FINISH["openai chat"][expect_finish], error: foreign ? "no stream" : error };
    add(`sse-quirks/${file}`, "chat", readFileSync(join(folder, "sse-quirks", file)), want);
}

// No recorded stream ran into its token limit: one of each format is told that it did.
const LENGTH = {
    anthropic: text => text.replace('"end_turn"', '"max_tokens"'),
    converse: text => text.replace('"end_turn"', '"max_tokens"'),
    gemini: text => text.replaceAll('"STOP"', '"MAX_TOKENS"'),
    chat: text => text.replace('"finish_reason":"stop"', '"finish_reason":"length"'),
};
function cutShort({ format, played }) {
    const bytes = readFileSync(join(work, "recordings", played)), edit = LENGTH[format];
    if (format !== "converse") return Buffer.from(edit(bytes.toString("utf8")));
    return Buffer.concat(frames(bytes).list.map(({ headers, payload }) => frame(headers[":event-type"], edit(payload))));
}
for (const format in LENGTH) {
    const whole = recordings.find(recording => recording.format === format && recording.want.finish === "stop" && recording.want.text && !recording.want.error);
    add(`${whole.name} at its token limit`, format, cutShort(whole));
    check(`length_${format}`, recordings.at(-1).want.finish === "length", recordings.at(-1).want.finish);
}
// And every whole one is broken off in the middle, for two of the clients and forms.
const BROKEN_OFF_AT = 0.6;
for (const { name, format, played, want } of recordings.filter(recording => !recording.want.error && recording.want.calls)) {
    const bytes = readFileSync(join(work, "recordings", played)), part = bytes.subarray(0, bytes.length * BROKEN_OFF_AT);
    const half = decode(format, part);
    if (half.error && !want.abandoned) add(`${name} broken off`, format, part, { ...half, few: true });
}

// ---- set-up ----

const kinds = ["openai", "azure", "anthropic", "bedrock", "gemini", "vertex"], recorded = join(work, "recordings");
const clouds = await startClouds(kinds.flatMap(kind => [
    { name: kind, kind, ttft: { dist: "constant", value: "1ms" }, replay: { folder: recorded } },
    { name: `${kind}-cut`, kind, ttft: { dist: "constant", value: "1ms" }, replay: { folder: recorded, cut: CUT_BYTES } },
]));
const at = (name, prefix = "") => `http://127.0.0.1:${clouds[name].port}${prefix}`;
const aws = { region: "us-east-1", access_key_id: "AKIDEXAMPLE", secret_access_key: "secret" };
const providers = {}, models = {};
for (const way of ["", "-cut"]) {
    const settings = {
        azure: { endpoint: at(`azure${way}`), api_key: "k" },
        anthropic: { base_url: at(`anthropic${way}`), api_key: "k" },
        bedrock: { base_url: at(`bedrock${way}`), ...aws },
        gemini: { base_url: at(`gemini${way}`, "/v1beta"), api_key: "k" },
        vertex: { base_url: at(`vertex${way}`), project: "p", location: "europe-west4", api_key: "k" },
    };
    for (const kind of [...kinds, ANY_CHAT_ONLY, ...Object.values(CHAT_KINDS)]) {
        providers[kind + way] = { kind, ...(settings[kind] ?? { base_url: at(`openai${way}`, "/v1"), api_key: "k" }) };
        models[kind + way] = { backends: [{ provider: kind + way, model: "m" }], hedge: { mode: "off" } };
    }
}
const proxy = await startProxy({ listeners: [{ address: "127.0.0.1:0" }], providers, models });

// ---- one recording, one client ----

// The SDK's own accumulator of chat chunks, beside the plain reading of clients.mjs.
function chatHelper(url) {
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "sk-client", maxRetries: 0 });
    return async ({ model, text }) => {
        const stream = client.chat.completions.stream({ model, messages: [{ role: "user", content: text }], stream_options: { include_usage: true } });
        const { choices, usage } = await stream.finalChatCompletion(), { message, finish_reason } = choices[0];
        return {
            text: message.content ?? "", finish: finish_reason, reasoning: null,
            calls: (message.tool_calls ?? []).map(call => ({ name: call.function.name, args: JSON.parse(call.function.arguments) })),
            usage: usage && chatUsage(usage),
        };
    };
}
const forms = Object.entries(clients).flatMap(([client, make]) => {
    const send = make(proxy.urls[0]);
    return [false, true].map(stream => ({ client, form: stream ? "stream" : "whole", ask: question => send({ ...question, stream }) }));
});
forms.push({ client: "openai chat", form: "stream helper", ask: chatHelper(proxy.urls[0]) });

// Objects with their members in one order, for SDKs may change it.
function ordered(value) {
    if (Array.isArray(value)) return value.map(ordered);
    if (!value || typeof value !== "object") return value;
    return Object.fromEntries(Object.keys(value).sort().map(key => [key, ordered(value[key])]));
}
function meaningOf(client, answer) {
    const calls = answer.calls.map(call => [call.name, call.args ?? {}]), said = FINISH[client][answer.finish] ?? `unknown: ${answer.finish}`;
    return { text: answer.text, reasoning: answer.reasoning, calls, finish: said === "stop" && calls.length ? "tools" : said, usage: answer.usage };
}
function differences(client, got, want) {
    const wrong = [], unknown = USAGE_IS_NEEDED.includes(client) ? { input: 0, output: 0, cached: 0 } : undefined;
    const compare = (member, is, should) => {
        const [a, b] = [is, should].map(value => JSON.stringify(ordered(value)) ?? "absent");
        if (a !== b) wrong.push(`${member}: wanted ${b.slice(0, 200)}, got ${a.slice(0, 200)}`);
    };
    compare("text", got.text, want.text);
    compare("finish", got.finish, want.finish);
    if (!want.calls) return wrong; // a manifest tells no more
    compare("calls", got.calls, want.calls);
    compare("usage", got.usage ?? undefined, want.usage ?? unknown);
    if (got.reasoning !== null) compare("reasoning", got.reasoning, want.reasoning);
    return wrong;
}
// An SDK's error says so by its class; anything else would be the SDK stumbling over the answer.
function isSdkError(error) {
    return error.status >= 400 || /^(API|OpenAI|Anthropic)/.test(error.constructor.name) || /^(ApiError|terminated|failed: )/.test(error.name + error.message);
}
function modelFor(client, { format, model }) {
    return format === "chat" && client === "openai responses" && !CHAT_ONLY.includes(model) ? ANY_CHAT_ONLY : model;
}
// What the SDK makes of the stream straight from the provider, where both speak its dialect.
const OWN = { anthropic: "anthropic", gemini: "gemini", responses: "openai responses" };
const outcome = promise => promise.then(answer => ({ answer }), error => ({ error }));
async function straight({ client, form }, { format, played, model }) {
    if (OWN[format] !== client || form !== "stream") return null;
    return outcome(clients[client](at(model))({ model: "m", text: `replay:${played}`, stream: true }));
}
const told = ({ answer, error }) => (error ? `${error.constructor.name} ${error.message}` : JSON.stringify(ordered(answer)));

async function play(form, recording) {
    const { client, ask } = form, { played, want } = recording, model = modelFor(client, recording);
    const got = await outcome(ask({ model: model + (form.way ?? ""), text: `replay:${played}` }));
    const wrong = judge(client, got, want);
    if (!wrong.length) return wrong;
    // A recording that the SDK itself cannot read, or reads otherwise, is none the worse for the proxy.
    const direct = await straight(form, recording);
    return direct && told(direct) === told(got) ? [] : wrong;
}
function judge(client, got, want) {
    if (got.error && (want.error || want.abandoned)) return isSdkError(got.error) ? [] : [`not an error that the SDK knows: ${got.error.stack}`];
    if (got.error) return [`${got.error.status ?? ""} ${got.error.constructor.name} ${got.error.message}`];
    if (want.error) return [`an answer, though the recording fails (${want.error}): ${JSON.stringify(got.answer).slice(0, 200)}`];
    return differences(client, meaningOf(client, got.answer), want);
}

// ---- all ----

let pairs = 0;
// Every client and form, and one of them once more, in turn, from the cloud that cuts.
function formsFor({ format, played, want }) {
    const mine = forms.filter(({ client }) => (CLIENTS_OF[format] ?? Object.keys(clients)).includes(client));
    const turn = i => mine[(parseInt(played) + i) % mine.length];
    return want.few ? [turn(0), turn(1)] : [...mine, { ...turn(0), way: "-cut" }];
}
async function playToAll(recording) {
    const mine = formsFor(recording);
    let failures = 0;
    for (const form of mine) {
        const wrong = await play(form, recording);
        pairs++;
        if (!wrong.length) continue;
        failures++;
        bad(`${recording.name} for ${form.client}, ${form.form}${form.way ?? ""}`, wrong.join("; "));
    }
    if (!failures) ok(`${recording.name} for ${mine.length} clients and forms${recording.want.error ? " (fails as it must)" : ""}`);
}
const jobs = recordings.filter(({ name }) => !only || name.includes(only));
async function worker() {
    for (let job; (job = jobs.shift()); ) await playToAll(job);
}
await Promise.all(Array.from({ length: AT_ONCE }, worker));
const folders = strangers.map(name => name.slice(0, name.lastIndexOf("/")));
const counted = [...new Set(folders)].map(path => `${folders.filter(other => other === path).length} of ${path}`);
console.log(`# ${pairs} answers to SDKs; left out, for they are no streams of a chat: ${counted.join(", ")}`);
await finish();
