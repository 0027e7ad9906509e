// test_sdks.mjs - clients that people really use, beside the vendors' own: LangChain and Vercel's AI SDK in the
// dialects they speak, through the proxy, over one cloud of each family. And before them Amazon's SDK against the
// simulated Bedrock itself, without the proxy: it proves the cloud that stands for Bedrock in all other tests.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand } from "@aws-sdk/client-bedrock-runtime";
import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { ChatOpenAI } from "@langchain/openai";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { check, finish, same, shared, skip, startClouds, startProxy, test } from "./lib.mjs";
import { decode, formatOf } from "./recording_decode.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false; // it does not know our models' names
const TEXT = "h\u00e9llo \"quoted\" \\ back \ud83c\udf0a and\nanother line";
const want = (held, why) => {
    if (!held) throw new Error(typeof why === "string" ? why : JSON.stringify(why));
};

// ---- set-up ----

const folder = join(shared, "fixtures");

const quick = { ttft: { dist: "constant", value: "2ms" }, tokens: { count: 6, interval: "1ms" } };
const aws = { access_key_id: "AKIDEXAMPLE", secret_access_key: "secret/of+the=cloud", session_token: "token//session==" };
const clouds = await startClouds([
    { name: "openai", api_key: "k-openai", ...quick },
    { name: "anthropic", kind: "anthropic", api_key: "k-anthropic", ...quick },
    { name: "bedrock", kind: "bedrock", credentials: { ...aws, region: "us-east-1", service: "bedrock" }, ...quick },
    { name: "gemini", kind: "gemini", api_key: "k-gemini", ...quick },
    ...(existsSync(folder) ? [{ name: "recorded", kind: "bedrock", ttft: { dist: "constant", value: "1ms" }, replay: { folder } }] : []),
]);
const at = (name, prefix = "") => `http://127.0.0.1:${clouds[name].port}${prefix}`;
const providers = {
    openai: { kind: "openai", base_url: at("openai", "/v1"), api_key: "k-openai" },
    anthropic: { kind: "anthropic", base_url: at("anthropic"), api_key: "k-anthropic" },
    bedrock: { kind: "bedrock", base_url: at("bedrock"), region: "us-east-1", ...aws },
    gemini: { kind: "gemini", base_url: at("gemini", "/v1beta"), api_key: "k-gemini" },
};
const names = { openai: "gpt-5.5", anthropic: "claude-sonnet-4-5", bedrock: "us.anthropic.claude-sonnet-4-5-v1:0", gemini: "gemini-2.5-flash" };
const models = {};
for (const kind in providers) models[`via-${kind}`] = { backends: [{ provider: kind, model: names[kind] }], hedge: { mode: "off" } };
const proxy = await startProxy({ listeners: [{ address: "127.0.0.1:0" }], providers, models });
const url = proxy.urls[0];

// ---- Amazon's SDK and the simulated Bedrock ----

// HTTP/1.1: left alone the SDK speaks HTTP/2 for the sake of its one bidirectional operation.
function bedrock(secret = {}, cloud = "bedrock") {
    return new BedrockRuntimeClient({
        region: "us-east-1", endpoint: at(cloud), maxAttempts: 1, requestHandler: new NodeHttpHandler(),
        credentials: { accessKeyId: aws.access_key_id, secretAccessKey: aws.secret_access_key, sessionToken: aws.session_token, ...secret },
    });
}
const said = text => ({ modelId: names.bedrock, messages: [{ role: "user", content: [{ text }] }] });
const weather = { toolSpec: { name: "get_weather", inputSchema: { json: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } } } };
async function converseStream(input, client = bedrock()) {
    const answer = { text: "", inputs: {}, name: null, stop: null, usage: null, events: 0 };
    for await (const event of (await client.send(new ConverseStreamCommand(input))).stream) {
        answer.events++;
        const begun = event.contentBlockStart, delta = event.contentBlockDelta;
        answer.name ??= begun?.start?.toolUse?.name ?? null;
        if (begun?.start?.toolUse) answer.inputs[begun.contentBlockIndex] = "";
        answer.text += delta?.delta.text ?? "";
        if (delta?.delta.toolUse) answer.inputs[delta.contentBlockIndex] += delta.delta.toolUse.input;
        answer.stop ??= event.messageStop?.stopReason ?? null;
        answer.usage ??= event.metadata?.usage ?? null;
    }
    answer.args = Object.values(answer.inputs).map(json => (answer.stop ? JSON.parse(json || "{}") : json));
    return answer;
}
const failure = promise => promise.then(answer => ({ name: "none", answer }), error => error);

await test("aws: Converse", async () => {
    const answer = await bedrock().send(new ConverseCommand(said(`echo: ${TEXT}`)));
    same("aws: Converse gives the text", [answer.output.message.content[0].text, answer.stopReason], [TEXT, "end_turn"]);
    want(answer.usage.totalTokens === answer.usage.inputTokens + answer.usage.outputTokens && answer.usage.outputTokens > 0, answer.usage);
});
await test("aws: ConverseStream", async () => {
    const answer = await converseStream(said(`echo: ${TEXT}`));
    same("aws: ConverseStream gives the text", [answer.text, answer.stop], [TEXT, "end_turn"]);
    want(answer.events > 4 && answer.usage.outputTokens > 0, answer);
});
await test("aws: tools", async () => {
    const ask = { ...said("weather?"), toolConfig: { tools: [weather], toolChoice: { any: {} } } };
    const streamed = await converseStream(ask), whole = await bedrock().send(new ConverseCommand(ask));
    const block = whole.output.message.content.find(({ toolUse }) => toolUse);
    same("aws: tools have a name and end with tool_use", [streamed.name, streamed.stop, block.toolUse.name, whole.stopReason], ["get_weather", "tool_use", "get_weather", "tool_use"]);
    want(typeof streamed.args[0].city === "string" && typeof block.toolUse.input.city === "string", [streamed, block]);
    const results = [{ toolResult: { toolUseId: block.toolUse.toolUseId, content: [{ text: "sunny" }] } }];
    const turns = [...ask.messages, whole.output.message, { role: "user", content: [...results, { text: "echo: warm" }] }];
    same("aws: after the result there is text", (await converseStream({ ...ask, messages: turns, toolConfig: { tools: [weather] } })).text, "warm");
    const orphan = await failure(bedrock().send(new ConverseCommand({ ...ask, messages: turns.slice(0, 2) })));
    want(orphan.name === "ValidationException", `a call without its result is taken: ${orphan.name}`);
});
for (const [what, secret, error] of [
    ["wrong secret", { secretAccessKey: "another" }, "InvalidSignatureException"],
    ["unknown key", { accessKeyId: "AKIDOTHER" }, "UnrecognizedClientException"],
    ["wrong session", { sessionToken: "another" }, "UnrecognizedClientException"],
])
    await test(`aws: ${what}`, async () => {
        for (const Command of [ConverseCommand, ConverseStreamCommand]) {
            const got = await failure(bedrock(secret).send(new Command(said("hi"))));
            want(got.name === error && got.$metadata.httpStatusCode === 403, `${got.name} ${got.message}`);
        }
    });
await test("aws: errors have their types", async () => {
    await clouds.bedrock.tune({ next: ["rate_limit", "error_event_late", "truncate", "garbled"] });
    const rate = await failure(converseStream(said("hi")));
    want(rate.name === "ThrottlingException" && rate.$metadata.httpStatusCode === 429, `${rate.name} ${rate.message}`);
    const late = await failure(converseStream(said("hi")));
    want(/Exception$/.test(late.name), `${late.name} ${late.message}`);
    for (const fault of ["truncate", "garbled"]) {
        const broken = await failure(converseStream(said("hi")));
        want(broken.name !== "none" || broken.answer.stop === null, `${fault}: ${JSON.stringify(broken.answer)}`);
    }
});

// What recording_decode.mjs says of recorded streams is what Amazon's own SDK reads in them.
const sets = ["bedrock", "bedrock-eventstream/generated"];
if (!existsSync(folder)) skip("aws: recorded streams", "needs ../shared/fixtures");
else
    await test("aws: recorded streams", async () => {
        const files = sets.flatMap(set => readdirSync(join(folder, set)).filter(name => name.endsWith(".bin")).map(name => `${set}/${name}`));
        const client = bedrock({}, "recorded");
        let whole = 0;
        for (const file of files) {
            const bytes = readFileSync(join(folder, file));
            if (formatOf(bytes, true) !== "converse") continue;
            const means = decode("converse", bytes), read = await converseStream(said(`replay:${file}`), client).catch(error => ({ error }));
            if (means.error) {
                want(read.error || read.stop === null, `${file}: ${means.error}, and the SDK knows nothing of it`);
                continue;
            }
            whole++;
            want(!read.error && read.text === means.text && isDeepStrictEqual(read.args, means.calls.map(([, args]) => args)), [file, String(read.error), read, means]);
            want((read.usage?.outputTokens ?? null) === (means.usage?.output ?? null), [file, read.usage, means.usage]);
        }
        want(whole >= 15 && files.length - whole >= 15, `${whole} of ${files.length}`);
    });

// ---- LangChain ----

const langTool = { type: "function", function: { name: "get_weather", description: "The weather of a city", parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } } };
const textOf = message => (typeof message.content === "string" ? message.content : message.content.filter(block => block.type === "text").map(block => block.text).join(""));

async function langChain(kind, useResponsesApi) {
    const model = new ChatOpenAI({ model: `via-${kind}`, apiKey: "sk-client", configuration: { baseURL: `${url}/v1` }, maxRetries: 0, useResponsesApi, streamUsage: true });
    const whole = await model.invoke(`echo: ${TEXT}`);
    want(textOf(whole) === TEXT, whole.content);
    want(whole.usage_metadata.output_tokens > 0, whole.usage_metadata);
    let streamed = null, chunks = 0;
    for await (const chunk of await model.stream(`echo: ${TEXT}`)) {
        streamed = streamed ? streamed.concat(chunk) : chunk;
        chunks++;
    }
    want(textOf(streamed) === TEXT && chunks > 2, `${chunks} chunks: ${JSON.stringify(streamed.content)}`);
    want(streamed.usage_metadata?.output_tokens === whole.usage_metadata.output_tokens, [streamed.usage_metadata, whole.usage_metadata]);

    const bound = model.bindTools([langTool], { tool_choice: "required" });
    let parts = null;
    for await (const chunk of await bound.stream("weather?")) parts = parts ? parts.concat(chunk) : chunk;
    for (const answer of [await bound.invoke("weather?"), parts]) {
        want(answer.tool_calls.length > 0 && answer.tool_calls.every(call => call.name === "get_weather" && typeof call.args.city === "string"), answer.tool_calls);
        const results = answer.tool_calls.map(call => new ToolMessage({ tool_call_id: call.id, content: "sunny" }));
        const after = await model.bindTools([langTool]).invoke([new HumanMessage("weather?"), answer, ...results, new HumanMessage("echo: warm")]);
        want(textOf(after) === "warm", after.content);
    }
}

// ---- Vercel's AI SDK ----

const vercel = {
    "openai chat": name => createOpenAI({ baseURL: `${url}/v1`, apiKey: "sk-client" }).chat(name),
    "openai responses": name => createOpenAI({ baseURL: `${url}/v1`, apiKey: "sk-client" }).responses(name),
    anthropic: name => createAnthropic({ baseURL: `${url}/v1`, apiKey: "sk-client" })(name),
};
const cities = [];
const tools = {
    get_weather: tool({
        description: "The weather of a city", inputSchema: z.object({ city: z.string() }),
        execute: async ({ city }) => (cities.push(city), { weather: "sunny" }),
    }),
};
const known = ({ inputTokens, outputTokens }) => inputTokens > 0 && outputTokens > 0;

async function vercelText(model) {
    const whole = await generateText({ model, prompt: `echo: ${TEXT}`, maxRetries: 0 });
    want(whole.text === TEXT && whole.finishReason === "stop" && known(whole.usage), [whole.text, whole.finishReason, whole.usage]);
    const errors = [], streamed = streamText({ model, prompt: `echo: ${TEXT}`, maxRetries: 0, onError: ({ error }) => errors.push(String(error)) });
    let text = "", pieces = 0;
    for await (const piece of streamed.textStream) (text += piece), pieces++;
    want(!errors.length, errors);
    want(text === TEXT && pieces > 1 && (await streamed.finishReason) === "stop", [text, pieces, await streamed.finishReason]);
    want(known(await streamed.usage), await streamed.usage);
}
// The SDK asks, runs the tool, and asks again with its result: until there is text.
async function vercelTools(model) {
    const prepareStep = ({ stepNumber }) => ({ toolChoice: stepNumber ? "auto" : "required" });
    const ask = { model, tools, prompt: "weather?", prepareStep, stopWhen: stepCountIs(3), maxRetries: 0 };
    cities.length = 0;
    const whole = await generateText(ask);
    want(whole.steps.length === 2 && whole.steps[0].finishReason === "tool-calls" && whole.text.length > 0, whole.steps.map(step => [step.finishReason, step.text]));
    const streamed = streamText({ ...ask, onError: ({ error }) => cities.push(error) });
    await streamed.consumeStream();
    const steps = await streamed.steps;
    want(steps.length === 2 && steps[0].finishReason === "tool-calls" && (await streamed.text).length > 0, steps.map(step => [step.finishReason, step.text]));
    want(cities.length >= 2 && cities.every(city => typeof city === "string" && city.length > 0), cities.map(String));
}
// Where the SDK does not know the model it forces a call instead, whose arguments are not the echo, and forbids other
// calls beside it: Gemini cannot do that, which the refusal has to say.
async function vercelObject(model, kind) {
    const output = Output.object({ schema: z.object({ city: z.string() }) });
    const got = await generateText({ model, output, prompt: 'echo: {"city":"Oslo"}', maxRetries: 0 }).catch(error => ({ error }));
    if (kind === "gemini" && got.error) return want(got.error.statusCode === 400 && /gemini: parallel_tool_calls/.test(got.error.message), got.error.message);
    if (got.error) throw got.error;
    want(typeof got.output.city === "string" && Object.keys(got.output).length === 1, got.output);
}
// What goes wrong after the first token is an error of the stream, not its end.
async function vercelBroken(model, cloud) {
    for (const fault of ["error_event_late", "truncate"]) {
        await cloud.tune({ next: [fault] });
        const errors = [], streamed = streamText({ model, prompt: "hi", maxRetries: 0, onError: ({ error }) => errors.push(error) });
        for await (const piece of streamed.textStream) void piece;
        want(errors.length > 0, `${fault}: no error, finish ${await streamed.finishReason}`);
    }
}

for (const kind in providers) {
    await test(`langchain chat over ${kind}`, () => langChain(kind, false));
    await test(`langchain responses over ${kind}`, () => langChain(kind, true));
    for (const [dialect, make] of Object.entries(vercel)) {
        const model = make(`via-${kind}`), name = `ai sdk ${dialect} over ${kind}`;
        await test(`${name}: text`, () => vercelText(model));
        await test(`${name}: tools`, () => vercelTools(model));
        await test(`${name}: object`, () => vercelObject(model, kind));
        await test(`${name}: broken streams`, () => vercelBroken(model, clouds[kind]));
    }
}
check("every cloud was asked", (await Promise.all(Object.keys(providers).map(kind => clouds[kind].stats()))).every(stats => stats.requests > 10), "one was not");
await finish();
