// test_race.mjs - clouds that go wrong before their first token, and one that is healthy but second: every request
// succeeds, in time, and what lost is cut off at once.
//
// Each request asks a model of its own (ordered: the bad cloud first, the healthy one second, fixed delay), so that no
// cloud is ejected for its failures and each request really runs into the fault. From sending the request to the
// client's first byte at most
//
//     hedge delay + the healthy cloud's time to first token + 20 ms
//
// may pass. The machine may be shared, so that two controls run beside the requests. One asks the healthy cloud
// without the proxy, the hedge delay after each request was sent: how long the same way takes at that moment. The other
// one are sleepers, one of them on the processor of the proxy's worker, which notice when they were woken late. A
// request that is late by no more than the controls are is asked again, and counted in the last line; a proxy that is
// late by itself is late while they are not.
import { spawn } from "node:child_process";
import http from "node:http";
import { readFileSync } from "node:fs";
import { chat, check, finish, nowNs, readBody, readStream, records, request, same, startClouds, startProxy, sleep, until } from "./lib.mjs";

const ROUNDS = 25, DELAY_MS = 40, HEALTHY_MS = 60, EXTRA_MS = 20, CLOSED_WITHIN_MS = 50;
const BOUND_MS = DELAY_MS + HEALTHY_MS + EXTRA_MS;
const PAUSE_MS = 2, AGAIN_MAX = 50;
const ms = ns => Number(ns) / 1e6;

// `starts`: what makes the hedge start; `cut`: the attempt is still running at the commit and must be cut off;
// otherwise its answer had come to an end, and its connection was closed or is idle in the pool.
const bads = {
    silent: { fault: { accept_silent: 1 }, trigger: "delay", cut: true },
    unanswered: { fault: { no_answer: 1 }, trigger: "delay", cut: true },
    error_event: { fault: { error_event: 1 }, trigger: "failure", cut: false },
    done_at_once: { fault: { empty_stream: 1 }, trigger: "failure", cut: false },
    role_then_stall: { fault: { role_then_stall: 1 }, trigger: "delay", cut: true },
};

// ---- the machine's pauses: [from, to] in ns, as sleepers of a millisecond see them ----

const pauses = [];
const sleeper = `
    const cell = new Int32Array(new SharedArrayBuffer(4));
    let last = process.hrtime.bigint();
    for (;;) {
        Atomics.wait(cell, 0, 0, 1);
        const now = process.hrtime.bigint();
        if (now - last > ${PAUSE_MS}000000n) require("fs").writeSync(1, last + " " + now + "\\n");
        last = now;
    }`;
// The first processor that we may use is where a single worker runs.
const processor = /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))[1];
for (const [program, ...args] of [[process.execPath], ["taskset", "-c", processor, process.execPath]]) {
    const child = spawn(program, [...args, "-e", sleeper], { stdio: ["ignore", "pipe", "ignore"] });
    let rest = "";
    child.stdout.on("data", text => {
        const lines = (rest + text).split("\n");
        rest = lines.pop();
        for (const line of lines) pauses.push(line.split(" ").map(BigInt));
    });
    child.on("error", () => {}); // no taskset: one sleeper less
    process.on("exit", () => child.kill("SIGKILL"));
}
// How long one of them was not woken within [from, to], beyond its millisecond.
function pausedMs(from, to) {
    let sum = 0, end = from;
    for (const [a, b] of pauses.filter(([a, b]) => b > from && a < to).sort((x, y) => (x[0] < y[0] ? -1 : 1))) {
        const begin = a > end ? a : end;
        end = b < to ? b : to;
        if (end > begin) sum += Math.max(0, ms(end - begin) - 1);
    }
    return sum;
}

// ---- set-up ----

const healthy = { dist: "constant", value: `${HEALTHY_MS}ms` };
const clouds = await startClouds([
    { name: "beside", ttft: healthy, tokens: { count: 5, interval: "1ms" } },
    { name: "healthy", ttft: healthy, tls: true, host: "healthy.test", tokens: { count: 5, interval: "1ms" } },
    ...Object.entries(bads).map(([name, { fault }]) =>
        ({ name, tls: true, host: `${name}.test`.replaceAll("_", "-"), faults: fault, head_delay: "5ms" })),
]);
const providers = {};
for (const [name, cloud] of Object.entries(clouds).filter(([name]) => name !== "beside"))
    providers[name] = {
        kind: "openai", api_key: "k", base_url: `https://127.0.0.1:${cloud.port}/v1`,
        tls: { ca: cloud.ca, server_name: cloud.host },
    };
const models = {}, hedge = { mode: "fixed", delay: `${DELAY_MS}ms`, max_attempts: 2 };
const backends = name => [{ provider: name, model: "m" }, { provider: "healthy", model: "m" }];
for (const name of Object.keys(bads))
    for (let i = 0; i < ROUNDS + AGAIN_MAX; i++) models[`${name}-${i}`] = { backends: backends(name), strategy: "ordered", hedge };
models.ejected = { backends: backends("error_event"), strategy: "ordered", hedge };
models.alone = { backends: backends("healthy").slice(1), hedge };
// One worker: its connections to the healthy cloud are warm after the first request.
const proxy = await startProxy({ listeners: [{ address: "127.0.0.1:0" }], workers: 1, providers, models });
const agent = new http.Agent({ keepAlive: true });
let sent = 0;
const ask = (model, stream, id) => (sent++,
    chat(proxy.urls[0], { model, stream, messages: [{ role: "user", content: "echo: the answer" }] }, { "x-request-id": id }, { agent }));

for (let i = 0; i < 5; i++) await ask("alone", true, `warm-${i}`);

// The same way without the proxy: the hedge delay, then the healthy cloud.
const directAgent = new http.Agent({ keepAlive: true });
async function control() {
    const from = nowNs();
    await sleep(DELAY_MS);
    const body = { model: "m", stream: true, messages: [{ role: "user", content: "echo: the answer" }] };
    const answer = await chat(clouds.beside.url, body, {}, { agent: directAgent });
    return ms(answer.firstByteNs - from);
}
await control();

// ---- the requests ----

const worst = {}, asked = {};
let again = 0, latestControlMs = 0, worstPauseMs = 0;
// null: the machine was late, ask again.
async function one(name, number, stream) {
    const id = `${name}-${number}`, [answer, controlMs] = await Promise.all([ask(id, stream, id), control()]);
    const tookMs = ms(answer.firstByteNs - answer.sentNs);
    // The whole answer of a client that does not stream also takes the healthy cloud's other tokens.
    const boundMs = BOUND_MS + (stream ? 0 : 4);
    if (tookMs > boundMs) {
        await sleep(5); // the sleepers' reports come in
        const pauseMs = pausedMs(answer.sentNs, answer.firstByteNs);
        const excuseMs = Math.max(pauseMs, controlMs - DELAY_MS - HEALTHY_MS);
        worstPauseMs = Math.max(worstPauseMs, pauseMs);
        latestControlMs = Math.max(latestControlMs, controlMs);
        if (tookMs - excuseMs <= boundMs && again < AGAIN_MAX) {
            again++;
            return null;
        }
    }
    return { id, answer, tookMs, boundMs };
}

for (const [name, { trigger }] of Object.entries(bads)) {
    let late = "", wrong = "", number = 0;
    asked[name] = [];
    for (let i = 0; i < ROUNDS; i++) {
        let result = null;
        while (!result) result = await one(name, number++, i % 5 !== 4);
        const { answer, tookMs, boundMs, id } = result;
        const content = i % 5 !== 4 ? readStream(answer.text) : readBody(answer.text);
        if (answer.status !== 200 || answer.broken || content.choices[0]?.text !== "the answer" || content.error)
            wrong ||= `${id}: ${answer.status} ${answer.text.slice(0, 200)}`;
        const told = [answer.headers["x-hedgerow-provider"], answer.headers["x-hedgerow-attempts"], answer.headers["x-hedgerow-hedge"]].join();
        if (told !== "healthy,2,won") wrong ||= `${id}: provider, attempts, hedge are ${told}`;
        if (tookMs > boundMs) late ||= `${id}: first byte after ${tookMs.toFixed(1)} ms, the bound is ${boundMs} ms`;
        worst[name] = Math.max(worst[name] ?? 0, tookMs);
        asked[name].push(result);
    }
    check(`race_${name}_all_succeed`, !wrong, wrong);
    check(`race_${name}_in_time`, !late, late);
    const lines = () => records(proxy).filter(record => asked[name].some(({ id }) => id === record.id));
    await until(() => lines().length === ROUNDS);
    // On a late machine even a failure at once may come after the hedge delay.
    const other = lines().find(({ attempts: [first, second] }) =>
        second?.trigger !== (trigger === "failure" && first.end_ms < DELAY_MS ? "failure" : "delay"));
    check(`race_${name}_trigger`, !other, other);
}

// ---- what became of the losers ----

for (const [name, { cut }] of Object.entries(bads)) {
    const cloud = clouds[name];
    let stats, why = "", slowest = -Infinity;
    // Every attempt of a silent cloud is a connection of its own, which carries no request and so no id.
    const closeOf = (id, at) => stats.close_seen_ns.find(close => close.request_id === id)
        ?? (name === "silent" ? stats.close_seen_ns.find(close => BigInt(close.ns) > at) : undefined);
    await until(async () => {
        stats = await cloud.stats();
        return !cut || stats.closes >= ROUNDS;
    }, 1000);
    for (const { id, answer } of asked[name]) {
        // The commit comes before the client's first byte, by the loopback's delay: well under a millisecond.
        const close = closeOf(id, answer.sentNs);
        if (!close) {
            if (cut) why ||= `${id}: its connection was not seen closed`;
            continue;
        }
        const afterMs = ms(BigInt(close.ns) - answer.firstByteNs);
        slowest = Math.max(slowest, afterMs);
        if (afterMs > CLOSED_WITHIN_MS) why ||= `${id}: closed ${afterMs.toFixed(1)} ms after the commit`;
        if (cut && name !== "silent" && !close.cancelled) why ||= `${id}: ${JSON.stringify(close)}`;
    }
    check(`losers_${name}_closed_within_${CLOSED_WITHIN_MS}ms`, !why, why);
    // Nothing goes on running at the cloud: what is open is idle in the pool.
    const pooled = name === "silent" ? 1 : 2;
    check(`losers_${name}_none_left`, stats.connections_open <= pooled, `${stats.connections_open} connections are open`);
    worst[name] = { first_byte_ms: worst[name], loser_closed_ms: slowest };
}

// ---- a cloud that keeps failing is not asked first any more ----

for (let i = 0; i < 12; i++) await ask("ejected", true, `ejected-${i}`);
const last = await ask("ejected", true, "ejected-last");
same("ejected_is_asked_last", [last.headers["x-hedgerow-provider"], last.headers["x-hedgerow-attempts"]], ["healthy", "1"]);

// ---- the account is right ----

await until(() => records(proxy).length === sent);
const log = records(proxy).flatMap(record => record.attempts);
const metrics = (await request("GET", `${proxy.admin}/metrics`)).text;
const total = pattern => [...metrics.matchAll(pattern)].reduce((sum, match) => sum + Number(match[1]), 0);
for (const trigger of ["delay", "failure"])
    same(`metrics_hedges_by_${trigger}`, total(new RegExp(`^hedgerow_hedges_started_total\\{[^}]*trigger="${trigger}"[^}]*\\} (\\d+)$`, "gm")),
        log.filter(attempt => attempt.trigger === trigger).length);
for (const outcome of ["won", "lost", "failed"])
    same(`metrics_attempts_${outcome}`, total(new RegExp(`^hedgerow_attempts_total\\{[^}]*outcome="${outcome}"[^}]*\\} (\\d+)$`, "gm")),
        log.filter(attempt => attempt.outcome === outcome).length);
check("metrics_saw_them_all", log.filter(attempt => attempt.outcome === "lost").length >= 2 * ROUNDS, `${log.length} attempts`);

for (const [name, w] of Object.entries(worst))
    console.log(`# ${name}: slowest first byte ${w.first_byte_ms.toFixed(1)} ms of ${BOUND_MS} allowed; ` +
        (w.loser_closed_ms > -Infinity ? `loser closed at most ${w.loser_closed_ms.toFixed(1)} ms after it` : "losers had ended"));
console.log(`# ${again} requests asked again because the machine was late (without the proxy ${latestControlMs.toFixed(1)} ms, sleepers ${worstPauseMs.toFixed(1)} ms)`);
await finish();
