// test_report.mjs - what hedging saved and cost: /admin/report and `hedgerow report` over two simulated clouds, the
// first of which stalls now and then. The report of the running process, that of its access log, the metrics and this
// file's own arithmetic over the log must agree: counts and money exactly, times within the histogram's bins.
import { spawnSync } from "node:child_process";
import { appendFileSync, copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { chat, check, finish, records, request, root, same, startClouds, startProxy, test, until, work } from "./lib.mjs";

const hedgerow = resolve(process.env.HEDGEROW || join(root, "build/hedgerow"));
const REQUESTS = 500, AT_ONCE = 20, STALL_MS = 900, STALL_SHARE = 4, SEEN_STALLS = 2;
// A bin of core/hist.h is 6.25 % wide at most; of the learner's (core/hist.h DECAY_RATIO) 5 %.
const BIN = 0.0626;

const stalling = { dist: "bimodal", fast: "25ms", slow: `${STALL_MS}ms`, slow_share: `${STALL_SHARE}%`, sigma: 0.2 };
const clouds = await startClouds([
    { name: "stalling", api_key: "k", ttft: stalling, tokens: { count: 6, interval: "1ms" } },
    { name: "steady", api_key: "k", ttft: { dist: "lognormal", median: "35ms", sigma: 0.2 }, tokens: { count: 6, interval: "1ms" } },
]);
const price = { input: 1, cached_input: 0.5, output: 10 };
const at = (...names) => names.map(name => ({ provider: name, model: `${name}-model`, price }));
const provider = (name, more) => ({ kind: "openai", base_url: `http://127.0.0.1:${clouds[name].port}/v1`, api_key: "k", ...more });
const proxy = await startProxy({
    listeners: [{ address: "127.0.0.1:0" }],
    workers: "2",
    providers: { stalling: provider("stalling"), steady: provider("steady", { cancel: "bills_on" }) },
    models: {
        hedged: { backends: at("stalling", "steady"), strategy: "ordered", hedge: { mode: "adaptive", delay: "100ms", request_budget: "30%", cost_budget: "100%" } },
        unhedged: { backends: at("stalling", "steady"), strategy: "weighted", hedge: { mode: "off" } },
        alone: { backends: [{ provider: "steady", model: "steady-model" }], hedge: { mode: "off" } },
        unused: { backends: at("steady"), hedge: { mode: "off" } },
    },
});

// ---- asking ----

const report = async (query = "", headers = {}) => request("GET", `${proxy.admin}/admin/report${query}`, undefined, headers);
const ask = (model, i, headers) =>
    chat(proxy.urls[0], { model, stream: i % 2 === 0, messages: [{ role: "user", content: `question ${i}` }] }, headers);
const json = async () => JSON.parse((await report()).text);
const run = (...args) => spawnSync(hedgerow, ["report", ...args], { encoding: "utf8", timeout: 20_000 });
const rowOf = (whole, name) => whole.models.find(model => model.model === name);
async function load(model, count) {
    let left = count, wrong = 0;
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
        while (left > 0) wrong += (await ask(model, left--)).status !== 200;
    }));
    same(`${model}_all_answered`, wrong, 0);
}
await load("hedged", REQUESTS);
// Every stall above was cut off by its hedge: how long it had lasted nobody knows. A few that were not hedged tell.
await clouds.stalling.tune({ ttft: { dist: "constant", value: `${STALL_MS}ms` } });
await Promise.all(Array.from({ length: SEEN_STALLS }, (_, i) => ask("hedged", i, { "x-hedgerow-hedge": "off" })));
await clouds.stalling.tune({ ttft: stalling });
await load("unhedged", REQUESTS);
await load("alone", 12);
// A name that nobody has configured is of no model.
await chat(proxy.urls[0], { model: "no-such-model", messages: [] });
await until(() => records(proxy).length === 2 * REQUESTS + SEEN_STALLS + 13);
const lines = records(proxy);
const ofLog = JSON.parse(run("--log", proxy.log, "--json").stdout);
// The learner takes up what the workers saw within some ticks.
await until(async () => rowOf(await json(), "unhedged").would);
const ofAdmin = await json();
const metrics = (await request("GET", `${proxy.admin}/metrics`)).text;

// ---- the three accounts ----

// The sum of the samples of a metric whose labels hold all that is given.
function metric(name, labels = {}) {
    let sum = 0;
    for (const [, of, value] of metrics.matchAll(new RegExp(`^${name}\\{([^}]*)\\} (\\S+)$`, "gm")))
        if (Object.entries(labels).every(([key, want]) => of.includes(`${key}="${want}"`))) sum += Number(value);
    return sum;
}
const sum = numbers => numbers.reduce((a, b) => a + b, 0);
const pico = usd => Math.round(usd * 1e12);
const MODELS = ["hedged", "unhedged", "alone"];

same("admin_lists_every_model", ofAdmin.models.map(row => row.model).sort(), [...MODELS, "unused"].sort());
same("log_lists_those_that_were_asked", ofLog.models.map(row => row.model).sort(), [...MODELS].sort());
for (const name of MODELS) {
    const admin = rowOf(ofAdmin, name), log = rowOf(ofLog, name), mine = lines.filter(line => line.model === name);
    const attempts = mine.flatMap(line => line.attempts);
    const count = trigger => attempts.filter(attempt => attempt.trigger === trigger).length;
    same(`${name}_requests`, [admin.requests, log.requests, metric("hedgerow_requests_total", { model: name })], Array(3).fill(mine.length));
    for (const trigger of ["delay", "failure", "stall"])
        same(`${name}_started_by_${trigger}`, [admin.hedges.started[trigger], log.hedges.started[trigger], metric("hedgerow_hedges_started_total", { model: name, trigger })], Array(3).fill(count(trigger)));
    const won = mine.filter(line => line.attempts.some(attempt => attempt.outcome === "won" && attempt.trigger !== "first")).length;
    same(`${name}_won`, [admin.hedges.won, log.hedges.won, metric("hedgerow_hedges_won_total", { model: name })], Array(3).fill(won));
    same(`${name}_lost`, [admin.hedges.lost, log.hedges.lost], Array(2).fill(count("delay") - won));
    const tokens = sum(attempts.filter(attempt => attempt.outcome !== "won").map(attempt => attempt.tokens ?? 0));
    same(`${name}_wasted_tokens`, [admin.wasted_tokens, log.wasted_tokens, metric("hedgerow_wasted_tokens_total", { model: name }), sum(mine.map(line => line.wasted_tokens))], Array(4).fill(tokens));
    if (name === "alone") {
        same("alone_has_no_price", [admin.cost_usd, admin.wasted_usd, admin.extra_cost, log.cost_usd], [null, null, null, null]);
        continue;
    }
    const wasted = sum(attempts.filter(attempt => attempt.outcome !== "won").map(attempt => pico(attempt.cost_usd)));
    const all = sum(attempts.map(attempt => pico(attempt.cost_usd)));
    same(`${name}_wasted_usd`, [admin.wasted_usd, log.wasted_usd, metric("hedgerow_wasted_cost_usd_total", { model: name }), sum(mine.map(line => line.wasted_usd))].map(pico), Array(4).fill(wasted));
    same(`${name}_cost_usd`, [admin.cost_usd, log.cost_usd].map(pico), Array(2).fill(all - wasted));
}
same("cost_of_all", pico(metric("hedgerow_cost_usd_total")), sum(lines.flatMap(line => line.attempts).map(attempt => pico(attempt.cost_usd ?? 0))));
for (const reason of Object.keys(ofAdmin.models[0].suppressed))
    same(`suppressed_${reason}`, sum(ofAdmin.models.map(row => row.suppressed[reason])), metric("hedgerow_hedges_suppressed_total", { reason }));
same("log_does_not_know_what_was_held_back", rowOf(ofLog, "hedged").suppressed, null);
check("losers_have_cost", rowOf(ofAdmin, "hedged").wasted_usd > 0 && rowOf(ofAdmin, "hedged").wasted_tokens > 0, rowOf(ofAdmin, "hedged"));

// ---- times: Kaplan and Meier over the log, without bins ----

// samples: {t, cut}; the smallest t at which so small a share is left.
function quantileOf(samples, q) {
    const sorted = [...samples].sort((a, b) => a.t - b.t || a.cut - b.cut);
    let left = 1;
    for (const [i, { t, cut }] of sorted.entries()) {
        if (!cut) left *= 1 - 1 / (sorted.length - i);
        if (left <= 1 - q + 1e-12) return t;
    }
    return null;
}
function withoutHedges(line) {
    const first = line.attempts[0];
    if (!line.attempts.some(attempt => attempt.trigger === "delay")) return { t: line.ttft_ms, cut: 0 };
    return first.first_token_ms === null ? { t: first.end_ms, cut: 1 } : { t: first.first_token_ms, cut: 0 };
}
const near = (got, want, within) => got !== null && want !== null && Math.abs(got - want) <= within * want;
const QUANTILES = { p50_ms: 0.5, p95_ms: 0.95, p99_ms: 0.99 };
for (const name of ["hedged", "unhedged"]) {
    const admin = rowOf(ofAdmin, name), log = rowOf(ofLog, name), mine = lines.filter(line => line.model === name);
    for (const [key, q] of Object.entries(QUANTILES)) {
        const without = quantileOf(mine.map(withoutHedges), q), having = quantileOf(mine.map(line => ({ t: line.ttft_ms, cut: 0 })), q);
        check(`${name}_without_${key}`, near(admin.without[key], without, BIN), `${admin.without[key]} for ${without}`);
        check(`${name}_with_${key}`, near(admin.with[key], having, BIN), `${admin.with[key]} for ${having}`);
        // The log has microseconds: a sample may fall on the other side of an edge.
        check(`${name}_log_without_${key}`, near(log.without[key], admin.without[key], 0.01), `${log.without[key]} for ${admin.without[key]}`);
        check(`${name}_log_with_${key}`, near(log.with[key], admin.with[key], 0.01), `${log.with[key]} for ${admin.with[key]}`);
    }
    same(`${name}_p999_takes_more_requests`, [admin.without.p999_ms, admin.with.p999_ms, admin.saved.p999_ms], [null, null, null]);
}
{
    const { without, saved, hedges } = rowOf(ofAdmin, "hedged"), having = rowOf(ofAdmin, "hedged").with;
    check("hedging_saved", without.p99_ms > 0.8 * STALL_MS && having.p99_ms < 0.6 * STALL_MS, { without, having });
    check("saved_is_the_difference", Math.abs(saved.p99_ms - (without.p99_ms - having.p99_ms)) < 0.002, saved);
    check("within_its_budget", hedges.started.delay > 0 && hedges.extra_requests < 0.4, hedges);
    const off = rowOf(ofAdmin, "unhedged");
    same("nothing_saved_when_off", off.saved, { p50_ms: 0, p95_ms: 0, p99_ms: 0, p999_ms: null });
}

// ---- what it would have saved ----

await test("off_says_what_adaptive_would_save", () => {
    for (const [where, whole] of [["admin", ofAdmin], ["log", ofLog]]) {
        const { would, without } = rowOf(whole, "unhedged");
        check(`${where}_would_save`, would.with.p99_ms < 0.7 * would.without.p99_ms && would.extra_requests > 0 && would.extra_requests <= 0.08, would);
        check(`${where}_would_starts_from_what_was`, near(would.without.p99_ms, without.p99_ms, 0.12), [would.without, without]);
        check(`${where}_says_so`, whole.words.some(line => /^unhedged: adaptive hedging would have cut p99 from .* to .* \(-\d+ %\) for .* more requests/.test(line)), whole.words);
    }
    same("adaptive_is_not_asked", [rowOf(ofAdmin, "hedged").would, rowOf(ofLog, "hedged").would], [null, null]);
});
await test("words", () => {
    const say = pattern => check(`says ${pattern.source}`, ofAdmin.words.some(line => pattern.test(line)), ofAdmin.words);
    say(/^hedged: hedging cut p99 from .* to .* \(-\d+ %\) for [\d.]+ % more requests and [\d.]+ % more money\.$/);
    say(/^hedged: of \d+ hedges \d+ answered first\.$/);
    say(/^hedged: p99\.9 is not told: it takes 2000 requests, and there are 502\.$/);
    say(/^unhedged: hedging is off; p99 is \d+ ms\.$/);
    say(/^alone: it has one backend: there is nobody to hedge with\.$/);
    say(/^alone: no price is configured/);
    say(/^unused: no request was sent to a backend\.$/);
    const advice = rowOf(ofAdmin, "hedged").advice;
    same("advice_by_backend", advice.map(row => [row.first, row.second]), [["stalling", "steady"], ["steady", "stalling"]]);
    check("advice_for_the_one_that_stalls", advice[0].delay_ms > 20 && advice[0].delay_ms < STALL_MS && advice[0].with_ms < advice[0].without_ms, advice);
});

// ---- the command ----

await test("command_asks_the_process", async () => {
    const address = new URL(proxy.admin).host, text = run("--admin", address);
    same("exit", [text.status, text.stderr], [0, ""]);
    check("text", /^hedged {2}adaptive, 502 requests in /m.test(text.stdout) && /^ {2}hedged: hedging cut p99/m.test(text.stdout), text.stdout);
    const plain = await report("", { accept: "text/plain" }), asked = await report("?format=text");
    for (const answer of [plain, asked]) check("text_by_http", answer.headers["content-type"].startsWith("text/plain") && /^hedged {2}adaptive/m.test(answer.text), answer.text);
    const whole = run("--admin", address, "--json");
    same("json", JSON.parse(whole.stdout).models.map(row => row.requests), ofAdmin.models.map(row => row.requests));
    const nobody = run("--admin", "127.0.0.1:1");
    check("nobody_there", nobody.status === 1 && nobody.stdout === "" && /is hedgerow running/.test(nobody.stderr), nobody.stderr);
    const other = run("--admin", new URL(proxy.urls[0]).host);
    check("somebody_else_there", other.status === 1 && /admin listener/.test(other.stderr), other.stderr);
});
await test("command_usage", () => {
    for (const args of [["--admin", "127.0.0.1:9901", "--log", proxy.log], ["--trace", "x.csv"], ["--model", "hedged"], ["--admin", "nonsense"], ["--log"], ["surplus"]]) {
        const wrong = run(...args);
        check(`usage ${args.join(" ")}`, wrong.status === 2 && wrong.stdout === "" && /usage:/.test(wrong.stderr), wrong);
    }
    const missing = run("--log", join(work, "no.log"));
    check("no_such_log", missing.status === 1 && /no\.log: No such file/.test(missing.stderr), missing.stderr);
});
await test("command_reads_broken_logs", () => {
    const file = join(work, "broken.log"), text = readFileSync(proxy.log, "utf8");
    copyFileSync(proxy.log, file);
    appendFileSync(file, `not json\n\n{"time":1}\n${lines.length ? text.split("\n")[0].slice(0, 200) : ""}`);
    const got = run("--log", file, "--json"), whole = JSON.parse(got.stdout), at = text.split("\n").length - 1;
    same("exit", got.status, 0);
    same("same_figures", whole.models, ofLog.models);
    same("counted", whole.lines_not_read, 3);
    for (const number of [at + 1, at + 3, at + 4]) check(`told ${number}`, got.stderr.includes(`broken.log:${number}: `), got.stderr);
    writeFileSync(file, "nothing of ours\n");
    same("nothing_to_tell", run("--log", file).status, 1);
    const piped = spawnSync(hedgerow, ["report", "--log", "-", "--json"], { encoding: "utf8", input: text.replaceAll("\n", "\r\n") });
    same("from_standard_input", JSON.parse(piped.stdout).models, ofLog.models);
});
await test("command_writes_a_trace", () => {
    const file = join(work, "own.csv"), several = run("--log", proxy.log, "--trace", file);
    check("one_model_at_a_time", several.status === 2 && /--model/.test(several.stderr) && !existsSync(file), several);
    for (const [model, tail] of [["hedged", 0.6], ["unhedged", 0.15]]) {
        const written = run("--log", proxy.log, "--model", model, "--trace", file);
        same(`${model}_written`, written.status, 0);
        const replay = spawnSync(hedgerow, ["replay", "--trace", file, "--policy", "none,adaptive", "--json"], { encoding: "utf8" });
        same(`${model}_replayed`, replay.status, 0);
        const [none, adaptive] = JSON.parse(replay.stdout).policies, { without } = rowOf(ofAdmin, model);
        // What was cut off is drawn from the few that were not: the trace has the estimate's tail, roughly.
        check(`${model}_none_is_without`, near(none.p99_ms, without.p99_ms, tail), [none, without]);
        check(`${model}_adaptive_helps`, adaptive.p99_ms < 0.8 * none.p99_ms, [none, adaptive]);
    }
});

// ---- a reload forgets nothing ----

await test("survives_a_reload", async () => {
    proxy.child.kill("SIGHUP");
    const generation = async () => /^hedgerow_config_generation (\d+)$/m.exec((await request("GET", `${proxy.admin}/metrics`)).text)[1];
    check("reloaded", await until(async () => (await generation()) === "2"), await generation());
    const after = await json();
    for (const name of MODELS) {
        const { requests, raced, without, hedges, cost_usd } = rowOf(ofAdmin, name), now = rowOf(after, name);
        same(`${name}_after_a_reload`, [now.requests, now.raced, now.without, now.hedges, now.cost_usd], [requests, raced, without, hedges, cost_usd]);
    }
});
await finish();
