// test_storm.mjs - every cloud of a model fails at once, under load: retries are paid for by answers, so that the
// clouds see no more than a constant on top of the requests, whatever max_attempts and fallback allow; and when they
// are well again everything is served.
//
// What is counted is counted by the clouds themselves (/sim/stats) and compared with the proxy's log and metrics. A
// worker that has not been paid yet has BUDGET_RETRIES of each model (appliance/race/budget.h):
//
//     attempts <= requests + workers x BUDGET_RETRIES + answers
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chat, check, finish, records, request, root, same, startClouds, startProxy, test, until } from "./lib.mjs";

const WORKERS = 2, REQUESTS = 300, BACK = 80;
const RETRIES = Number(/BUDGET_RETRIES (\d+)/.exec(readFileSync(join(root, "appliance/race/budget.h"), "utf8"))[1]);
const SPARE = WORKERS * RETRIES; // the constant

// ---- three clouds of the model, one of the model that it falls back to ----

const own = ["one", "two", "three"], names = [...own, "last"];
const clouds = await startClouds(names.map(name =>
    ({ name, kind: "openai", ttft: { dist: "constant", value: "5ms" }, tokens: { count: 3, interval: "1ms" } })));
const providers = Object.fromEntries(names.map(name =>
    [name, { kind: "openai", base_url: `http://127.0.0.1:${clouds[name].port}/v1`, api_key: "k" }]));
const backends = list => list.map(provider => ({ provider, model: "m" }));
const proxy = await startProxy({
    listeners: [{ address: "127.0.0.1:0" }], workers: String(WORKERS), providers,
    models: {
        m: { backends: backends(own), strategy: "ordered", hedge: { mode: "adaptive", max_attempts: 8, delay: "5s", sample: "0%" }, fallback: ["reserve"] },
        reserve: { backends: backends(["last"]) },
    },
});

// ---- what the clouds, the log and the metrics say ----

const seen = async () => {
    let sum = 0;
    for (const name of names) sum += (await clouds[name].stats()).requests;
    return sum;
};
const resetAll = () => Promise.all(names.map(name => clouds[name].reset()));
const tuneAll = faults => Promise.all(names.map(name => clouds[name].tune({ faults })));
// The sum of a metric's samples that have these labels, in all workers.
async function metric(name, labels) {
    const { text } = await request("GET", `${proxy.admin}/metrics`);
    return text.split("\n").filter(line => line.startsWith(`${name}{`) && labels.every(label => line.includes(label)))
        .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}
const retried = () => metric("hedgerow_hedges_started_total", ['model="m"', 'trigger="failure"']);
const refused = () => metric("hedgerow_hedges_suppressed_total", ['reason="retries"']);

// All at once, each on a connection of its own, so that the kernel spreads them over the workers.
let asked = 0;
async function burst(count) {
    const before = asked;
    asked += count;
    const answers = await Promise.all(Array.from({ length: count }, (_, i) =>
        chat(proxy.urls[0], { model: "m", stream: i % 2 === 0, messages: [{ role: "user", content: `${i}` }] }, {}, { agent: false })));
    await until(() => records(proxy).length >= asked);
    const lines = records(proxy).slice(before);
    return { answers, attempts: lines.reduce((sum, line) => sum + line.attempts.length, 0), lines };
}
const statuses = answers => [...new Set(answers.map(({ status }) => status))].sort().join(" ");

// ---- the storm ----

await test("storm_of_500", async () => {
    await tuneAll({ error_500: 1 });
    const { answers, attempts } = await burst(REQUESTS), atClouds = await seen(), retries = await retried();
    console.log(`# ${REQUESTS} requests, all clouds answer 500: ${atClouds} attempts at the clouds, at most ${REQUESTS + SPARE}; ` +
        `${retries} retries, ${await refused()} refused (max_attempts 8 over 3 clouds and a fallback would allow ${REQUESTS * 4})`);
    check("storm_500_is_told", answers.every(({ status }) => status >= 500), statuses(answers));
    check("storm_500_clouds_see_no_more", atClouds <= REQUESTS + SPARE, `${atClouds} attempts`);
    same("storm_500_log_and_clouds_agree", attempts, atClouds);
    same("storm_500_retries_are_the_constant", retries, SPARE);
    // Each failure makes a retry due: it is paid for, or refused, or nobody is left, which takes three retries.
    check("storm_500_refusals_are_counted", (await refused()) <= REQUESTS && (await refused()) >= REQUESTS - SPARE / 3, `${await refused()}`);
});

await test("storm_of_resets", async () => {
    // A request on a connection that was used before may have met its end: it goes out once more, on a new one.
    let pooled = 0;
    for (const name of names) pooled += (await clouds[name].stats()).connections_open;
    await resetAll();
    await tuneAll({ reset_before_head: 1 });
    const { answers, attempts } = await burst(REQUESTS), atClouds = await seen();
    console.log(`# ${REQUESTS} requests, all clouds reset: ${atClouds} requests at the clouds, ${attempts} attempts, ${pooled} pooled before`);
    check("storm_resets_are_told", answers.every(({ status }) => status >= 500), statuses(answers));
    same("storm_resets_nothing_pays", attempts, REQUESTS);
    check("storm_resets_clouds_see_no_more", atClouds <= REQUESTS + pooled, `${atClouds} requests, ${pooled} pooled`);
    same("storm_resets_no_retry", await retried(), SPARE);
});

await test("storm_is_over", async () => {
    await resetAll();
    await tuneAll({});
    const before = await retried();
    const { answers, attempts, lines } = await burst(BACK);
    same("storm_over_all_succeed", statuses(answers), "200");
    same("storm_over_one_attempt_each", [attempts, await seen()], [BACK, BACK]);
    check("storm_over_no_retry_was_needed", (await retried()) === before && lines.every(({ reason }) => reason === null),
        JSON.stringify(lines.find(({ reason }) => reason)));
});

// Whoever was ejected is asked again when its time is over, and is first again.
await test("storm_ejections_end", async () => {
    const isBack = async () => (await burst(1)).lines[0].winner === "one";
    let rounds = 0;
    for (let row = 0; row < 10; rounds++) row = (await until(isBack)) ? row + 1 : Infinity; // on both workers
    check("storm_first_is_back", rounds === 10, `round ${rounds}`);
});

// Answers have paid: one failing cloud among healthy ones costs nobody an answer.
await test("storm_one_cloud_fails", async () => {
    await clouds.one.tune({ faults: { error_500: 1 } });
    await resetAll();
    const before = await retried();
    const { answers, attempts } = await burst(BACK / 4);
    const retries = (await retried()) - before;
    same("one_fails_all_succeed", statuses(answers), "200");
    same("one_fails_attempts", [attempts, await seen()], [BACK / 4 + retries, BACK / 4 + retries]);
    check("one_fails_was_met", retries > 0 && (await clouds.one.stats()).faults.error_500 === retries, `${retries} retries`);
});

await finish();
