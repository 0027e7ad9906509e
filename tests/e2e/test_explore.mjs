// test_explore.mjs - two clouds answer, a third never does: it is asked first until that is seen, not for ever.
import { chat, check, finish, records, same, startClouds, startProxy, test, until } from "./lib.mjs";

const REQUESTS = 1200, AT_ONCE = 8;
const FEW = REQUESTS / 40; // one request in 16 explores: 75 would have met it
const names = ["one", "two", "silent"];
const clouds = await startClouds(names.map(name => ({
    name, kind: "openai", ttft: { dist: "constant", value: name === "silent" ? "300s" : "10ms" }, tokens: { count: 1, interval: "1ms" },
})));
const proxy = await startProxy({
    listeners: [{ address: "127.0.0.1:0" }], workers: "1",
    providers: Object.fromEntries(names.map(name =>
        [name, { kind: "openai", base_url: `http://127.0.0.1:${clouds[name].port}/v1`, api_key: "k" }])),
    models: {
        m: { backends: names.map(provider => ({ provider, model: "m" })), strategy: "fastest", hedge: { mode: "fixed", delay: "100ms" } },
    },
});

await test("silent_cloud_is_left_alone", async () => {
    let left = REQUESTS;
    const statuses = new Set();
    const client = async () => {
        while (left-- > 0)
            statuses.add((await chat(proxy.urls[0], { model: "m", stream: false, messages: [{ role: "user", content: "x" }] })).status);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, client));
    await until(() => records(proxy).length >= REQUESTS);
    const firsts = name => records(proxy).filter(({ attempts }) => attempts[0].provider === name).length;
    console.log(`# first at: ${names.map(name => `${name} ${firsts(name)}`).join(", ")}`);
    same("silent_all_are_answered", [...statuses], [200]);
    check("silent_is_tried", firsts("silent") > 0, "never");
    check("silent_is_not_tried_on", firsts("silent") <= FEW, `${firsts("silent")} of ${REQUESTS}`);
});

await finish();
