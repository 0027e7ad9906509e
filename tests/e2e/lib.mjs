// lib.mjs - what the end-to-end tests in JavaScript share: a working folder, simulated clouds, the proxy, verdicts.
//
// Owns:     `work` (a temporary folder) and every process started here; both are gone when the test ends, whatever
//           ended it.
// Promises: ports are chosen by the kernel; only processes started here are ever signalled.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync, openSync, closeSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const hedgerow = resolve(process.env.HEDGEROW || join(root, "build/hedgerow"));
const bench = resolve(process.env.HEDGEROW_BENCH || join(root, "build/hedgerow-bench"));
export const shared = resolve(process.env.HEDGEROW_SHARED || join(root, "../shared"));
export const work = mkdtempSync(join(tmpdir(), "hedgerow-e2e-"));

// How long anything that must happen may take before it counts as not happening.
const PATIENCE_MS = 10_000;

// ---- verdicts ----

let failed = 0;
const oneLine = text => String(text).replace(/\s+/g, " ").slice(0, 600);
export function ok(name) {
    console.log(`ok ${name}`);
}
export function bad(name, why) {
    console.log(`not ok ${name}: ${oneLine(why)}`);
    failed++;
}
export function skip(name, why) {
    console.log(`skip ${name}: ${oneLine(why)}`);
}
export function check(name, held, why) {
    held ? ok(name) : bad(name, typeof why === "string" ? why : JSON.stringify(why));
}
export function same(name, got, want) {
    const g = JSON.stringify(got), w = JSON.stringify(want);
    check(name, g === w, `wanted ${w?.slice(0, 250)}, got ${g?.slice(0, 250)}`);
}
// One test: whatever it throws is its failure, and the others still run.
export async function test(name, body) {
    const before = failed;
    try {
        await body();
        if (failed === before) ok(name);
    } catch (error) {
        bad(name, error.stack || error);
    }
}

// ---- life ----

const children = new Set();
const proxies = []; // {name, child}
function stop() {
    for (const child of children) child.kill("SIGKILL");
    rmSync(work, { recursive: true, force: true });
}
process.on("exit", stop);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));
process.on("unhandledRejection", error => {
    bad("unhandled", error?.stack || error);
    process.exit(1);
});
// Ends the proxies as an operator does, which they must survive, and the test.
export async function finish() {
    for (const { name, child } of proxies) {
        const ended = new Promise(done => child.on("exit", (code, signal) => done(signal ?? code)));
        if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
        else bad(`${name}_ended`, `it ended too early: ${child.exitCode ?? child.signalCode}`);
        const how = await Promise.race([ended, sleep(PATIENCE_MS)]);
        check(`${name}_ends_in_order`, how === 0, `exit ${how}: ${readFileSync(join(work, `${name}.err`), "utf8").slice(-400)}`);
    }
    process.exit(failed ? 1 : 0);
}

export const sleep = ms => new Promise(done => setTimeout(done, ms));
// Asks again and again until the answer is true; false when patience is over.
export async function until(condition, patienceMs = PATIENCE_MS) {
    const end = Date.now() + patienceMs;
    while (!(await condition())) {
        if (Date.now() > end) return false;
        await sleep(10);
    }
    return true;
}
// CLOCK_MONOTONIC, the clock of the clouds' time stamps.
export const nowNs = () => process.hrtime.bigint();

async function start(program, args, name, isUp) {
    if (!existsSync(program)) {
        bad(`program_${name}`, `${program} is not there; make builds it`);
        process.exit(1);
    }
    const out = join(work, `${name}.out`), err = join(work, `${name}.err`);
    const fds = [openSync(out, "w"), openSync(err, "w")];
    const child = spawn(program, args, { stdio: ["ignore", ...fds] });
    fds.forEach(closeSync);
    children.add(child);
    let over = false;
    child.on("exit", () => (children.delete(child), (over = true)));
    child.on("error", () => (over = true));
    const texts = () => ({ out: readFileSync(out, "utf8"), err: readFileSync(err, "utf8") });
    await until(() => over || isUp(texts()));
    if (over || !isUp(texts())) {
        bad(`start_${name}`, texts().err);
        process.exit(1);
    }
    return { child, ...texts(), texts };
}

// ---- simulated clouds ----

// Takes the list of clouds as objects (JSON is YAML); returns them by name, each with its port, url, control, ca and
// stats(), tune(object), reset().
export async function startClouds(clouds, name = "clouds") {
    const file = join(work, `${name}.yaml`);
    const config = { seed: 7, tls_dir: join(work, "ca"), clouds: clouds.map(c => ({ listen: "127.0.0.1:0", ...c })) };
    writeFileSync(file, JSON.stringify(config, null, 1));
    const { out } = await start(bench, ["clouds", "--config", file], name, texts => /^ready$/m.test(texts.err));
    const byName = {};
    for (const line of out.trim().split("\n")) {
        const cloud = JSON.parse(line);
        byName[cloud.name] = Object.assign(cloud, {
            stats: async () => JSON.parse((await request("GET", `${cloud.control}/sim/stats`)).text),
            last: async () => JSON.parse((await request("GET", `${cloud.control}/sim/last`)).text),
            reset: () => request("POST", `${cloud.control}/sim/reset`),
            tune: async change => {
                const answer = await request("POST", `${cloud.control}/sim/faults`, JSON.stringify(change));
                if (answer.status !== 200) throw new Error(`tune: ${answer.text}`);
            },
        });
    }
    return byName;
}

// ---- the proxy ----

// Takes the configuration as an object; returns {urls, admin, config(object), texts()}.
export async function startProxy(config, name = "hedgerow") {
    const file = join(work, `${name}.config.yaml`);
    const log = join(work, `${name}.access.log`);
    const whole = { version: 1, admin: { address: "127.0.0.1:0" }, telemetry: { access_log: { path: log } }, ...config };
    writeFileSync(file, JSON.stringify(whole, null, 1));
    const running = await start(hedgerow, ["serve", "--config", file], name, texts => /ready: /.test(texts.err));
    const ready = /ready: .*/.exec(running.err)[0];
    const [listeners, admin] = ready.split(", admin ");
    proxies.push({ name, child: running.child });
    return { urls: listeners.match(/https?:\/\/[^ ,]+/g), admin, log, child: running.child, texts: running.texts };
}
export const records = proxy =>
    readFileSync(proxy.log, "utf8").split("\n").filter(Boolean).map(line => JSON.parse(line));

// ---- a plain HTTP client that takes times ----

// Returns {status, headers, text, sentNs, headNs, firstByteNs, endNs, broken}. `agent` keeps connections.
export function request(method, url, body, headers = {}, { agent, timeoutMs = 20_000 } = {}) {
    return new Promise((done, fail) => {
        const answer = { status: 0, headers: {}, text: "", broken: null };
        const sending = http.request(url, { method, headers, agent }, incoming => {
            answer.headNs = nowNs();
            answer.status = incoming.statusCode;
            answer.headers = incoming.headers;
            const chunks = [];
            incoming.on("data", chunk => {
                answer.firstByteNs ??= nowNs();
                chunks.push(chunk);
            });
            const end = broken => {
                answer.endNs = nowNs();
                answer.broken = broken;
                answer.text = Buffer.concat(chunks).toString("utf8");
                done(answer);
            };
            incoming.on("end", () => end(null));
            incoming.on("error", end);
        });
        sending.setTimeout(timeoutMs, () => sending.destroy(new Error(`no answer in ${timeoutMs} ms`)));
        sending.on("error", error => (answer.headNs ? undefined : fail(error)));
        answer.sentNs = nowNs();
        sending.end(body);
    });
}
export const chat = (url, body, headers = {}, options = {}) =>
    request("POST", `${url}/v1/chat/completions`, JSON.stringify(body),
        { "content-type": "application/json", ...headers }, options);

// ---- an independent reading of OpenAI's wire format ----

// The data of each SSE event (WHATWG HTML, "Server-sent events"): LF, CR or CRLF, several data lines joined.
export function sseData(text) {
    const events = [];
    for (const block of text.replace(/^\ufeff/, "").split(/(?:\r\n|\r|\n){2,}/)) {
        const lines = block.split(/\r\n|\r|\n/).filter(line => line === "data" || line.startsWith("data:"));
        if (lines.length) events.push(lines.map(line => line.slice(5).replace(/^ /, "")).join("\n"));
    }
    return events;
}

// What a client makes of an answer: per choice text, reasoning, tool calls and finish reason; the usage; errors.
export function emptyAnswer() {
    return { choices: [], usage: null, error: null, done: false };
}
function choiceOf(answer, index) {
    return (answer.choices[index] ??= { text: "", reasoning: "", calls: [], open: {}, finish: null });
}
// `at` is the position in its list: what an index that is missing means. An id that is new begins a new call.
function readCall(choice, call, at) {
    const index = call.index ?? at;
    let to = choice.open[index];
    if (!to || (call.id && to.id && call.id !== to.id)) {
        to = choice.open[index] = { id: "", name: "", arguments: "" };
        choice.calls.push(to);
    }
    if (call.id) to.id = call.id;
    if (call.function?.name && !to.name) to.name = call.function.name;
    to.arguments += call.function?.arguments ?? "";
}
export function readObject(answer, object, member) {
    for (const item of object.choices ?? []) {
        const choice = choiceOf(answer, item.index ?? 0), delta = item[member] ?? {};
        if (typeof delta.content === "string") choice.text += delta.content;
        choice.reasoning += delta.reasoning_content ?? delta.reasoning ?? "";
        (delta.tool_calls ?? []).forEach((call, at) => readCall(choice, call, at));
        if (item.finish_reason && item.finish_reason !== "error") choice.finish ??= item.finish_reason;
        if (item.usage) answer.usage = item.usage;
    }
    const usage = object.usage ?? object.x_groq?.usage;
    if (usage) answer.usage = usage;
    if (object.error) answer.error = object.error;
}
export function readStream(text) {
    const answer = emptyAnswer();
    for (const data of sseData(text)) {
        if (data === "[DONE]") answer.done = true;
        else if (data.startsWith("{")) readObject(answer, JSON.parse(data), "delta");
    }
    return answer;
}
export function readBody(text) {
    const answer = emptyAnswer();
    readObject(answer, JSON.parse(text), "message");
    return answer;
}
