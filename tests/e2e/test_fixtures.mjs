// test_fixtures.mjs - recorded streams of real providers, replayed by simulated clouds through the proxy: the client
// gets the same text, reasoning, tool calls, finish reason and usage as a reading of the recording that knows nothing
// of the proxy. Whole over TLS, and cut at every byte; to clients that stream and to clients that do not. Then the set
// of SSE quirks, as its manifest says.
//
// Needs ../shared (or HEDGEROW_SHARED); without it one line says so.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import http from "node:http";
import { join, relative } from "node:path";
import { bad, chat, check, finish, readBody, readStream, same, shared, skip, sseData, startClouds, startProxy } from "./lib.mjs";

const folder = join(shared, "fixtures");
if (!existsSync(folder)) {
    skip("fixtures", "needs ../shared/fixtures");
    await finish();
}

// Folder of recordings -> kind of the provider they are replayed as.
const kinds = { openai: "openai", azure: "azure", deepseek: "deepseek", groq: "groq", qwen: "dashscope", moonshot: "moonshot", openrouter: "openrouter", xai: "xai" };
const CUT_BYTES_MAX = 100_000; // longer ones are cut for the streaming client only: a send for each byte takes its time
const AT_ONCE = 4;

// ---- recordings ----

// A recording as the cloud sends it: .sse as it is, .chunks.txt one JSON text a line.
function wireText(file) {
    const text = readFileSync(file, "utf8");
    if (!file.endsWith(".chunks.txt")) return text;
    return text.split("\n").filter(Boolean).map(line => `data: ${line}\n\n`).join("") + "data: [DONE]\n\n";
}
// Other dialects are recorded in the same folders: responses, completions.
function isChat(text) {
    const first = sseData(text).find(data => data.startsWith("{")) ?? "";
    const kind = /"object"\s*:\s*"([^"]*)"/.exec(first)?.[1];
    return kind ? kind === "chat.completion.chunk" : first.includes('"choices"');
}
function filesBelow(path) {
    return readdirSync(path).sort().flatMap(name => {
        const whole = join(path, name);
        if (statSync(whole).isDirectory()) return filesBelow(whole);
        return name.endsWith(".sse") || name.endsWith(".chunks.txt") ? [whole] : [];
    });
}

// What clients are promised beyond the recording: a tool call without arguments has "{}", and an answer that calls
// tools has finished with "tool_calls".
function promised(answer) {
    return answer.choices.map(choice => ({
        text: choice.text,
        reasoning: choice.reasoning,
        calls: choice.calls.map(call => ({ ...call, arguments: call.arguments || (choice.finish ? "{}" : "") })),
        finish: choice.calls.length && choice.finish === "stop" ? "tool_calls" : choice.finish,
    }));
}
// Some providers count reasoning apart from the other output tokens, which shows in the total.
function tokens(usage) {
    if (!usage) return null;
    const reasoning = usage.completion_tokens_details?.reasoning_tokens ?? 0;
    const apart = usage.total_tokens === usage.prompt_tokens + usage.completion_tokens + reasoning;
    return [usage.prompt_tokens, usage.completion_tokens + (apart ? reasoning : 0)];
}

// ---- set-up ----

const fast = { dist: "constant", value: "1ms" };
const clouds = await startClouds([
    { name: "openai-whole", tls: true, host: "openai.test", ttft: fast, replay: { folder } },
    { name: "azure-whole", kind: "azure", tls: true, host: "azure.test", ttft: fast, replay: { folder } },
    { name: "openai-cut", ttft: fast, replay: { folder, cut: 1 } },
    { name: "azure-cut", kind: "azure", ttft: fast, replay: { folder, cut: 1 } },
    { name: "openai-closed", ttft: fast, replay: { folder, framing: "close" } },
]);
const providers = {}, models = {};
for (const [name, kind] of Object.entries(kinds))
    for (const way of ["whole", "cut"]) {
        const cloud = clouds[`${kind === "azure" ? "azure" : "openai"}-${way}`];
        const scheme = way === "whole" ? "https" : "http";
        const url = kind === "azure" ? { endpoint: `${scheme}://127.0.0.1:${cloud.port}` } : { base_url: `${scheme}://127.0.0.1:${cloud.port}/v1` };
        const tls = way === "whole" ? { tls: { ca: cloud.ca, server_name: cloud.host } } : {};
        providers[`${name}-${way}`] = { kind, ...url, ...tls, api_key: "k" };
        models[`${name}-${way}`] = { backends: [{ provider: `${name}-${way}`, model: "m" }], hedge: { mode: "off" } };
    }
providers["openai-closed"] = { kind: "openai", base_url: `http://127.0.0.1:${clouds["openai-closed"].port}/v1`, api_key: "k" };
models["openai-closed"] = { backends: [{ provider: "openai-closed", model: "m" }], hedge: { mode: "off" } };
const proxy = await startProxy({ listeners: [{ address: "127.0.0.1:0" }], providers, models });
const agent = new http.Agent({ keepAlive: true });

const ask = (model, file, stream) =>
    chat(proxy.urls[0], {
        model, stream, ...(stream ? { stream_options: { include_usage: true } } : {}),
        messages: [{ role: "user", content: "hi" }], metadata: { sim_file: file },
    }, {}, { agent, timeoutMs: 40_000 });

// ---- recordings through the proxy ----

function compare(name, got, want, wantsDone) {
    same(`${name}: choices`, promised(got), promised(want));
    if (want.usage) same(`${name}: usage`, tokens(got.usage), tokens(want.usage));
    if (wantsDone && !got.done) bad(name, "the stream has no [DONE]");
    if (got.error) bad(name, `an error was said: ${JSON.stringify(got.error)}`);
}
// A recording that ends in an error: never a whole answer, and all that was said before it for a client that streams.
function compareFailed(name, answer, stream, want) {
    const hadContent = want.choices.some(choice => choice.text || choice.reasoning || choice.calls.length);
    if (!stream || !hadContent) {
        check(`${name}: status`, answer.status >= 400 && "error" in JSON.parse(answer.text), `${answer.status} ${answer.text}`);
        return;
    }
    const got = readStream(answer.text);
    check(`${name}: error event`, got.error && !got.done, answer.text.slice(-300));
    same(`${name}: text before the error`, got.choices[0]?.text, want.choices[0]?.text);
}
async function replay(model, file, stream, want) {
    const answer = await ask(model, file, stream);
    const name = `${model} ${stream ? "stream" : "whole body"} ${file}`;
    if (want.error) return compareFailed(name, answer, stream, want);
    if (answer.status !== 200 || answer.broken) return bad(name, `${answer.status} ${answer.broken ?? ""} ${answer.text.slice(0, 300)}`);
    compare(name, stream ? readStream(answer.text) : readBody(answer.text), want, stream);
}

let played = 0;
const jobs = [];
for (const name of Object.keys(kinds)) {
    let found = 0;
    for (const path of filesBelow(join(folder, name))) {
        const text = wireText(path);
        if (!isChat(text)) continue;
        found++;
        const want = readStream(text), file = relative(folder, path);
        for (const stream of [true, false]) {
            jobs.push(() => replay(`${name}-whole`, file, stream, want));
            if (stream || text.length <= CUT_BYTES_MAX) jobs.push(() => replay(`${name}-cut`, file, stream, want));
        }
    }
    check(`recordings_${name}`, found > 0, "there is no recorded stream");
    played += found;
}
check("recordings_total", played >= 30, `only ${played}`);

async function work() {
    for (let job; (job = jobs.shift()); ) await job();
}
await Promise.all(Array.from({ length: AT_ONCE }, work));

// ---- the quirks ----

const manifest = JSON.parse(readFileSync(join(folder, "sse-quirks/manifest.json"), "utf8"));
// Of another dialect, in the set to be recognised as a mistake.
const foreign = new Set(["json-array-gemini.sse"]);

async function quirk(entry, model, stream) {
    const answer = await ask(model, `sse-quirks/${entry.file}`, stream);
    const name = `quirk ${entry.file} ${model} ${stream ? "stream" : "whole body"}`;
    const shown = `${answer.status} ${answer.text}`;
    if (foreign.has(entry.file)) return check(name, answer.status >= 500, shown);
    if (!entry.expect_error) {
        if (answer.status !== 200) return bad(name, shown);
        const got = stream ? readStream(answer.text) : readBody(answer.text), choice = promised(got)[0];
        return same(name, [choice?.text, choice?.finish, !stream || got.done, got.error], [entry.expect_text, entry.expect_finish, true, null]);
    }
    // After its first token a stream that breaks says so and does not look finished; before it there is no stream.
    if (!stream || entry.expect_text === "") return check(name, answer.status >= 500 || answer.status === 429, shown);
    const got = readStream(answer.text);
    check(name, answer.status === 200 && got.choices[0]?.text === entry.expect_text && got.error && !got.done, shown);
}
for (const entry of manifest)
    for (const model of ["openai-whole", "openai-cut", "openai-closed"])
        for (const stream of [true, false]) await quirk(entry, model, stream);
await finish();
