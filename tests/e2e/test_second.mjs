// test_second.mjs - between a request's plan and its hedge the second cloud fills up, or is ejected: the hedge goes to the
// third at once, nothing is sent to the second, and nothing counts as suppressed; where the third takes none either, one does.
import { chat, check, finish, records, request, same, sleep, startClouds, startProxy, test, until } from "./lib.mjs";

const DELAY_MS = 600, ROW = 5; // failures in a row eject (appliance/race/health.h)
const constant = value => ({ dist: "constant", value });
const names = ["late", "second", "third"];
const clouds = await startClouds(names.map(name =>
    ({ name, kind: "openai", ttft: constant(name === "late" ? "4s" : "5ms"), tokens: { count: 3, interval: "1ms" } })));
const provider = name => ({
    kind: "openai", base_url: `http://127.0.0.1:${clouds[name].port}/v1`, api_key: "k",
    ...(name === "late" ? {} : { limits: { concurrency: 1 } }),
});
const proxy = await startProxy({
    listeners: [{ address: "127.0.0.1:0" }], workers: "1",
    providers: Object.fromEntries(names.map(name => [name, provider(name)])),
    models: {
        m: {
            backends: names.map(name => ({ provider: name, model: "m" })), strategy: "ordered",
            hedge: { mode: "fixed", delay: `${DELAY_MS}ms`, max_attempts: 2 },
        },
    },
});

const ask = (headers = {}) =>
    chat(proxy.urls[0], { model: "m", stream: false, messages: [{ role: "user", content: "x" }] }, headers, { agent: false });
const only = name => ask({ "x-hedgerow-backends": name });
async function suppressed() {
    const { text } = await request("GET", `${proxy.admin}/metrics`);
    return text.split("\n").filter(line => line.startsWith('hedgerow_hedges_suppressed_total{'))
        .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}
// One request; `meanwhile` happens behind its plan and before its hedge is due. Its line of the log, and how many
// attempts count as suppressed by it.
async function race(meanwhile) {
    const before = await suppressed(), asked = records(proxy).length, answer = ask();
    await sleep(DELAY_MS / 6);
    const others = await meanwhile();
    same("race_is_answered", (await answer).status, 200);
    await Promise.all(others);
    let line;
    await until(() => (line = records(proxy).slice(asked).find(({ attempts }) => attempts[0].provider === "late")));
    return [line.attempts.map(({ provider }) => provider), line.winner, (await suppressed()) - before];
}
const fill = async list => {
    await Promise.all(list.map(name => clouds[name].tune({ ttft: constant("1500ms") })));
    return list.map(only);
};

await test("second_is_well", async () =>
    same("second_well_wins", await race(async () => []), [["late", "second"], "second", 0]));

await test("second_is_full", async () =>
    same("second_full_third_wins", await race(() => fill(["second"])), [["late", "third"], "third", 0]));

await test("all_others_are_full", async () =>
    same("all_full_counts_once", await race(() => fill(["second", "third"])), [["late"], "late", 1]));

await test("second_is_ejected", async () => {
    await Promise.all(["second", "third"].map(name => clouds[name].tune({ ttft: constant("5ms") })));
    const eject = async () => {
        await clouds.second.tune({ ttft: constant("5ms"), faults: { error_500: 1 } });
        for (let i = 0; i < ROW; i++) check("second_fails", (await only("second")).status >= 500);
        return [];
    };
    same("second_ejected_third_wins", await race(eject), [["late", "third"], "third", 0]);
});

await finish();
