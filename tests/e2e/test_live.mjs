// test_live.mjs - what `hedgerow replay` promises of adaptive hedging is what the proxy does: the same arrivals, at the
// same time, to two models over the same two simulated clouds, one with hedging off and one adaptive, learning from
// nothing; then the same policies in replay, over other draws from the clouds' distribution.
//
// The figures are of the proxy's access log: the time to first token, and how many attempts were started by delay.
// Replay is run many times with fresh draws, so that what a quantile of so many requests varies by is known and not
// assumed; what the live one varies by is found by drawing its requests anew, with replacement (bootstrap). They agree
// when the interval of the difference contains what the way through two processes and a kernel may add, 0 to WAY_MS.
//
// The machine may be shared. The model without hedging is the control: it shows nothing but the clouds' distribution and
// the machine. Where already that disagrees, the round says nothing of hedging and is made again, with models of its own.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import http from "node:http";
import { join, resolve } from "node:path";
import { chat, check, finish, records, request, root, same, sleep, startClouds, startProxy, test, until, work } from "./lib.mjs";

const RATE = 80, SECONDS = 24, ROUNDS = 3, MEDIAN_MS = 70, SIGMA = 1, BUDGET = 0.1, SEED = 11;
// Six such intervals are looked at: one run in about a hundred would miss one of them by chance.
const REPLAYS = 40, RESAMPLES = 2000, INTERVAL = 0.998, WAY_MS = 10, EXTRA_POINTS = 0.015;
const program = resolve(process.env.HEDGEROW || join(root, "build/hedgerow"));

// ---- dice: mulberry32, and the normal distribution by Box and Muller ----

function dice(seed) {
    let state = seed >>> 0;
    const uniform = () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let t = Math.imul(state ^ (state >>> 15), 1 | state);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
    const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
    return { uniform, normal, ttft: () => MEDIAN_MS * Math.exp(SIGMA * normal()) };
}

// ---- quantiles and what they vary by ----

const ascending = list => Float64Array.from(list).sort();
const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
const mean = list => list.reduce((sum, x) => sum + x, 0) / list.length;
// `count` times a figure of the sample drawn anew.
function resampled(sample, count, figure, { uniform }) {
    return Array.from({ length: count }, () =>
        figure(ascending(Array.from(sample, () => sample[Math.floor(uniform() * sample.length)]))));
}
function interval(list) {
    const sorted = ascending(list);
    return [quantile(sorted, (1 - INTERVAL) / 2), quantile(sorted, (1 + INTERVAL) / 2)];
}

// ---- the same arrivals for both models ----

const latency = { ttft: { dist: "lognormal", median: `${MEDIAN_MS}ms`, sigma: SIGMA }, tokens: { count: 3, interval: "1ms" } };
const clouds = await startClouds(["first", "second"].map(name => ({ name, kind: "openai", ...latency })));
const providers = Object.fromEntries(Object.entries(clouds).map(([name, { port }]) =>
    [name, { kind: "openai", base_url: `http://127.0.0.1:${port}/v1`, api_key: "k", cancel: "bills_on" }]));
const backends = Object.keys(providers).map(provider => ({ provider, model: "m", price: { input: 1, output: 4 } }));
const model = mode => ({
    backends, strategy: "ordered",
    hedge: { mode, request_budget: `${BUDGET * 100}%`, cost_budget: "100%", delay: "400ms" },
});
const models = {};
for (let round = 0; round < ROUNDS; round++) {
    models[`plain${round}`] = model("off");
    models[`hedged${round}`] = model("adaptive");
}
const proxy = await startProxy({ listeners: [{ address: "127.0.0.1:0" }], workers: "1", providers, models });

const { uniform } = dice(SEED);
const arrivals_ms = [];
for (let at = 0; ; ) {
    at += -Math.log(1 - uniform()) / RATE * 1000;
    if (at > SECONDS * 1000) break;
    arrivals_ms.push(at);
}
// Returns the log's lines of both models.
async function live(round) {
    const agent = new http.Agent({ keepAlive: true });
    const names = [`plain${round}`, `hedged${round}`], answers = [], begin = performance.now();
    const lines = () => names.map(name => records(proxy).filter(line => line.model === name));
    for (const due of arrivals_ms) {
        const wait = begin + due - performance.now();
        if (wait > 0) await sleep(wait);
        for (const name of names)
            answers.push(chat(proxy.urls[0], { model: name, stream: true, messages: [{ role: "user", content: "how long?" }] }, {}, { agent }));
    }
    const statuses = new Set((await Promise.all(answers)).map(({ status }) => status));
    await until(() => lines().every(list => list.length === arrivals_ms.length));
    agent.destroy();
    const [plain, hedged] = lines();
    same("live_all_answered", [[...statuses], plain.length, hedged.length], [[200], arrivals_ms.length, arrivals_ms.length]);
    check("live_only_by_delay", hedged.every(({ attempts }) => attempts.slice(1).every(({ trigger }) => trigger === "delay")), "a retry");
    return { plain, hedged };
}
const extra = lines => lines.reduce((sum, { attempts }) => sum + attempts.length - 1, 0) / lines.length;
const times = lines => lines.map(({ ttft_ms }) => ttft_ms);

// ---- the same in replay ----

function replayed(seed) {
    const draws = dice(seed), file = join(work, "trace.csv");
    const rows = ["time_ms,request,backend,input_tokens,ttft_ms,output_tokens"];
    arrivals_ms.forEach((at, i) => {
        for (const name of Object.keys(clouds)) rows.push(`${at.toFixed(3)},${i},${name},10,${draws.ttft().toFixed(3)},3`);
    });
    writeFileSync(file, rows.join("\n") + "\n");
    const options = ["replay", "--trace", file, "--budget", `${BUDGET * 100}%`, "--delay", "400ms", "--policy", "none,adaptive",
        "--seed", String(seed), "--json"];
    const { policies } = JSON.parse(execFileSync(program, options, { encoding: "utf8", timeout: 20_000 }));
    return Object.fromEntries(policies.map(policy => [policy.name, policy]));
}
const replays = Array.from({ length: REPLAYS }, (_, i) => replayed(1000 + i));

// ---- do they agree? ----

const random = dice(SEED + 1);
const figures = { p95_ms: 0.95, p99_ms: 0.99 };
const shown = (value, [low, high]) => `${value.toFixed(1)} [${low.toFixed(1)}, ${high.toFixed(1)}]`.padEnd(27);
// A row of the table; returns what the difference is within.
function compare(sample, policy, figure) {
    const q = figures[figure], here = quantile(ascending(sample), q), said = replays.map(replay => replay[policy][figure]);
    const again = resampled(sample, RESAMPLES, sorted => quantile(sorted, q), random);
    // Replay's mean is known better than any one replay: what one varies by is in the live figure already.
    const means = Array.from({ length: RESAMPLES }, () => mean(said.map(() => said[Math.floor(random.uniform() * said.length)])));
    const range = interval(again.map((x, i) => x - means[i]));
    console.log(`# ${policy.padEnd(9)} ${figure.padEnd(8)} ${shown(here, interval(again))} ${shown(mean(said), interval(said))} ${shown(here - mean(said), range)}`);
    return range;
}
const agree = ([low, high]) => low <= WAY_MS && high >= 0;
const text = ([low, high]) => `the difference is within [${low.toFixed(1)}, ${high.toFixed(1)}] ms`;

console.log(`# ${arrivals_ms.length} requests a model, ${RATE}/s, lognormal ${MEDIAN_MS} ms x e^(${SIGMA} N), budget ${BUDGET * 100}%, ` +
    `${INTERVAL * 100}% intervals; replay: mean of ${REPLAYS}`);
console.log("# policy    figure   live ms [interval]          replay ms [interval]        difference [interval]");
let log, controls, round = 0;
do {
    log = await live(round);
    controls = Object.keys(figures).map(figure => compare(times(log.plain), "none", figure));
} while (++round < ROUNDS && !controls.every(agree));
console.log(`# rounds in which the machine disturbed the control: ${round - 1}`);
Object.keys(figures).forEach((figure, i) => check(`live_agrees_none_${figure}`, agree(controls[i]), text(controls[i])));
for (const figure of Object.keys(figures)) {
    const range = compare(times(log.hedged), "adaptive", figure);
    check(`live_agrees_adaptive_${figure}`, agree(range), text(range));
}

await test("live_hedging_earns_its_keep", async () => {
    const reduction = (before, after) => 1 - after / before;
    const q = name => quantile(ascending(times(log[name])), 0.99);
    const here = reduction(q("plain"), q("hedged")), said = replays.map(({ none, adaptive }) => reduction(none.p99_ms, adaptive.p99_ms));
    const again = resampled(times(log.plain), RESAMPLES, sample => quantile(sample, 0.99), random);
    const after = resampled(times(log.hedged), RESAMPLES, sample => quantile(sample, 0.99), random);
    const range = interval(again.map((x, i) => reduction(x, after[i])));
    console.log(`# p99 is reduced by ${(here * 100).toFixed(1)} % [${range.map(x => (x * 100).toFixed(1)).join(", ")}], in replay by ` +
        `${(mean(said) * 100).toFixed(1)} % [${interval(said).map(x => (x * 100).toFixed(1)).join(", ")}]`);
    check("live_p99_is_reduced", range[0] > 0, `${range}`);
    check("live_reduction_as_replayed", range[0] <= mean(said) && mean(said) <= range[1], `${range} and ${mean(said)}`);
});

await test("live_extra_requests", async () => {
    const here = extra(log.hedged), said = mean(replays.map(({ adaptive }) => adaptive.extra_requests));
    console.log(`# extra requests: live ${(here * 100).toFixed(2)} %, replay ${(said * 100).toFixed(2)} %`);
    same("live_off_has_none", extra(log.plain), 0);
    check("live_extra_as_replayed", Math.abs(here - said) <= EXTRA_POINTS, `${here} and ${said}`);
    check("live_extra_within_budget", here * log.hedged.length <= 10 + BUDGET * log.hedged.length, `${here}`);
});

// What hedging has cost is in the log, attempt by attempt, and in the metrics, and is the same.
await test("live_waste_adds_up", async () => {
    const { text } = await request("GET", `${proxy.admin}/metrics`);
    const metric = name => text.split("\n").filter(line => line.startsWith(`${name}{`)).reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
    const all = records(proxy), sum = pick => all.reduce((total, line) => total + pick(line), 0);
    const attempts = sum(line => line.attempts.reduce((total, { cost_usd }) => total + cost_usd, 0));
    const close = (a, b) => Math.abs(a - b) < 1e-9;
    check("live_waste_log_and_metric", close(sum(line => line.wasted_usd), metric("hedgerow_wasted_cost_usd_total")),
        `${sum(line => line.wasted_usd)} ${metric("hedgerow_wasted_cost_usd_total")}`);
    check("live_cost_log_and_metric", close(attempts, metric("hedgerow_cost_usd_total")), `${attempts} ${metric("hedgerow_cost_usd_total")}`);
    check("live_cost_is_its_parts", close(attempts, sum(line => line.cost_usd + line.wasted_usd)), `${attempts}`);
    // A loser that was cut off before its connection was there has cost nothing.
    const lost = ({ attempts: list }) => list.reduce((total, { outcome, cost_usd }) => total + (outcome === "won" ? 0 : cost_usd), 0);
    check("live_waste_is_the_losers", all.every(line => close(line.wasted_usd, lost(line))) && sum(lost) > 0, `${sum(lost)}`);
});

await finish();
