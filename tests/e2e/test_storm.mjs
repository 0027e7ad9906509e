// test_storm.mjs - every cloud of a model fails at once, under load: retries are paid for by answers, so that the
// clouds see no more than a constant on top of the requests, whatever max_attempts and fallback allow; and when they
// are well again everything is served. And one cloud that hangs under a burst: whoever waits for a token is served.
//
// What is counted is counted by the clouds themselves (/sim/stats) and compared with the proxy's log and metrics. A
// worker that has not been paid yet has BUDGET_RETRIES of each model (appliance/race/budget.h):
//
//     attempts <= requests + workers x BUDGET_RETRIES + answers
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chat, check, finish, records, request, root, same, sleep, startClouds, startProxy, test, until } from "./lib.mjs";

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
        unhedged: { backends: backends(own), strategy: "ordered", hedge: { mode: "off", max_attempts: 8, on_stall: "restart" } },
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
async function burst(count, model = "m") {
    const before = asked;
    asked += count;
    const answers = await Promise.all(Array.from({ length: count }, (_, i) =>
        chat(proxy.urls[0], { model, stream: i % 2 === 0, messages: [{ role: "user", content: `${i}` }] }, {}, { agent: false })));
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

// 200 and nothing in it: no answer, and nothing that pays for a retry.
await test("storm_of_empty_answers", async () => {
    for (const fault of ["empty_answer", "empty_stream"]) {
        await resetAll();
        await tuneAll({ [fault]: 1 });
        const { attempts } = await burst(REQUESTS);
        same(`storm_${fault}_nothing_pays`, [attempts, await seen()], [REQUESTS, REQUESTS]);
    }
});

// Every answer breaks off and is to be started over, in a model without a budget for hedges.
await test("storm_of_broken_answers", async () => {
    await resetAll();
    await tuneAll({ truncate_clean: 1 });
    const { attempts } = await burst(REQUESTS, "unhedged"), atClouds = await seen();
    console.log(`# ${REQUESTS} requests, all answers break off: ${atClouds} attempts at the clouds, at most ${REQUESTS + SPARE}`);
    check("storm_broken_clouds_see_no_more", atClouds <= REQUESTS + SPARE, `${atClouds} attempts`);
    same("storm_broken_log_and_clouds_agree", attempts, atClouds);
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

// ---- the queue: who waits for a token is served without further requests, and by the next configuration's too ----

const WAITING = 40, TOKENS_BURST = 10, HASTE_S = 10, TICK_S = 1; // appliance/race/budget.h; the tick is shorter
const pair = ["hung", "spare"];
const calm = await startClouds(pair.map(name =>
    ({ name, kind: "openai", ttft: { dist: "constant", value: "5ms" }, tokens: { count: 3, interval: "1ms" } })), "calm");
const queueing = await startProxy({
    listeners: [{ address: "127.0.0.1:0" }], workers: "1",
    providers: Object.fromEntries(pair.map(name =>
        [name, { kind: "openai", base_url: `http://127.0.0.1:${calm[name].port}/v1`, api_key: "k" }])),
    models: {
        m: { backends: backends(pair), strategy: "ordered", hedge: { mode: "adaptive", delay: "300ms", sample: "0%" },
            timeouts: { head: "25s", first_token: "25s" } },
    },
}, "queueing");
const hang = () => chat(queueing.urls[0], { model: "m", stream: true, messages: [{ role: "user", content: "?" }] }, {}, { agent: false, timeoutMs: 40_000 });
const bring = async count => { // requests that bring tokens, and want none
    for (let i = 0; i < count; i++)
        await chat(queueing.urls[0], { model: "m", messages: [{ role: "user", content: "!" }] }, { "x-hedgerow-backends": "spare" });
};
let served = 0, early = 0, over = 0; // no patience below: after 25 s all of them are asked elsewhere

await test("queue_is_served_without_requests", async () => {
    await calm.hung.tune({ faults: { no_answer: 1 } });
    for (let i = 0; i < WAITING; i++) hang().then(({ status }) => { served += status === 200; }, () => {}).finally(() => over++);
    // Haste holds two of the ten tokens back for ten seconds: four times 5 % of forty requests are eight.
    await until(() => served > 0);
    await sleep(2 * TICK_S * 1000);
    early = served;
    check("queue_waits", early > 0 && early < TOKENS_BURST, `${early} of ${WAITING} answered`);
    await sleep(HASTE_S * 1000);
    check("queue_is_served_by_the_tick", served > early, `${served} of ${WAITING} answered, before ${early}`);
});

// A backend that is at rest costs nobody the place in the queue.
await test("queue_survives_a_refusal", async () => {
    await calm.spare.tune({ faults: { rate_limit: 1 } });
    await bring(100);
    const before = served;
    await calm.spare.tune({ faults: {} });
    await sleep(1500); // the rest that it asked for
    await bring(60);
    check("queue_is_kept", await until(() => served > before, 3000), `${served} of ${WAITING} answered, before ${before}`);
});

await test("queue_of_an_earlier_configuration", async () => {
    const before = served;
    queueing.child.kill("SIGHUP");
    await sleep(500);
    await bring(200);
    check("queue_is_served_after_a_reload", await until(() => served >= before + 5, 3000), `${served} of ${WAITING} answered, before ${before}`);
});
await until(() => over === WAITING, 30_000); // the rest is asked elsewhere when its time for a head is over

await finish();
