// recording_decode.mjs - what recorded provider streams mean, read straight from the vendors' formats and knowing
// nothing of the proxy.
//
//   decode(format, bytes) -> {text, reasoning, calls: [[name, args]], finish, usage: {input, output, cached} | null,
//                             error: null | why}
//
// finish is one of stop, length, tools, filter. usage.input holds cached tokens too, usage.output reasoning.
// error: the stream says so itself, breaks its own format, or ends before it says that it is finished; then the
// other members hold what came before. abandoned: true when an error is as good an answer as this one.
//
// Formats: "anthropic", "converse", "gemini", "responses", "chat". formatOf(bytes) tells which of them a stream is.
import { emptyAnswer, readObject, sseData } from "./lib.mjs";

function nothing() {
    return { text: "", reasoning: "", calls: [], finish: null, usage: null, error: null };
}
// A call is collected as text, for it comes in pieces; "" is how all vendors say "no arguments".
function closeCalls(answer, calls) {
    answer.calls = calls.map(({ name, json, args }) => {
        if (args) return [name, args];
        try {
            return [name, JSON.parse(json || "{}")];
        } catch {
            answer.error ??= `arguments of ${name} are no JSON: ${json}`;
            return [name, json];
        }
    });
    return answer;
}
const saidSomething = answer => Boolean(answer.text || answer.reasoning);

// ---- SSE of JSON ----

function jsonEvents(bytes) {
    return sseData(bytes.toString("utf8")).filter(data => data.trim() && data !== "[DONE]").map(data => JSON.parse(data));
}

// ---- application/vnd.amazon.eventstream ----

const CRC_TABLE = Array.from({ length: 256 }, (_, n) => {
    for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
    return n >>> 0;
});
function crc32(bytes) {
    let crc = 0xffffffff;
    for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
    return (crc ^ 0xffffffff) >>> 0;
}
const PRELUDE_BYTES = 12, CRC_BYTES = 4, TYPE_STRING = 7;

// Only string headers matter here; all others have a size by their type.
function headersOf(bytes) {
    const sizes = { 0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16 }, headers = {};
    for (let at = 0; at < bytes.length; ) {
        const nameEnd = at + 1 + bytes[at], name = bytes.toString("utf8", at + 1, nameEnd), type = bytes[nameEnd];
        const counted = type === 6 || type === TYPE_STRING;
        const start = nameEnd + 1 + (counted ? 2 : 0), size = counted ? bytes.readUInt16BE(nameEnd + 1) : sizes[type];
        if (type === TYPE_STRING) headers[name] = bytes.toString("utf8", start, start + size);
        at = start + size;
    }
    return headers;
}
// The frames up to the first one that is not whole or has a wrong checksum, which `broken` tells.
export function frames(bytes) {
    const list = [];
    let broken = null;
    for (let at = 0; at < bytes.length && !broken; ) {
        const size = bytes.length - at < PRELUDE_BYTES ? Infinity : bytes.readUInt32BE(at);
        if (at + size > bytes.length) broken = "the bytes end inside a frame";
        else if (bytes.readUInt32BE(at + 8) !== crc32(bytes.subarray(at, at + 8))) broken = "wrong checksum of a prelude";
        else if (bytes.readUInt32BE(at + size - CRC_BYTES) !== crc32(bytes.subarray(at, at + size - CRC_BYTES))) broken = "wrong checksum of a frame";
        else {
            const body = at + PRELUDE_BYTES + bytes.readUInt32BE(at + 4);
            list.push({ headers: headersOf(bytes.subarray(at + PRELUDE_BYTES, body)), payload: bytes.toString("utf8", body, at + size - CRC_BYTES) });
            at += size;
        }
    }
    return { list, broken };
}
// One event as a frame, for recordings that keep the JSON alone.
export function frame(eventType, payload) {
    const header = (name, value) => Buffer.concat([Buffer.from([name.length]), Buffer.from(name), Buffer.from([TYPE_STRING, value.length >> 8, value.length & 255]), Buffer.from(value)]);
    const headers = Buffer.concat([header(":event-type", eventType), header(":content-type", "application/json"), header(":message-type", "event")]);
    const body = Buffer.from(payload), size = PRELUDE_BYTES + headers.length + body.length + CRC_BYTES;
    const prelude = Buffer.alloc(PRELUDE_BYTES), end = Buffer.alloc(CRC_BYTES);
    prelude.writeUInt32BE(size, 0);
    prelude.writeUInt32BE(headers.length, 4);
    prelude.writeUInt32BE(crc32(prelude.subarray(0, 8)), 8);
    const most = Buffer.concat([prelude, headers, body]);
    end.writeUInt32BE(crc32(most), 0);
    return Buffer.concat([most, end]);
}

// ---- Anthropic messages ----

const ANTHROPIC_FINISH = {
    end_turn: "stop", stop_sequence: "stop", pause_turn: "stop", compaction: "stop", max_tokens: "length", model_context_window_exceeded: "length",
    tool_use: "tools", refusal: "filter",
};
// Where a message begins anew inside a call (a server that fell back to another model), what came before was given up.
// A client that streams has been told half a call by then, so that an error is as right as the second message alone.
function decodeAnthropic(bytes) {
    const answer = nothing();
    let calls = [], open = {}, counts = null, over = false;
    const count = usage => usage && (counts = { ...counts, ...Object.fromEntries(Object.entries(usage).filter(([, value]) => typeof value === "number")) });
    const finished = reason => reason && (answer.finish = ANTHROPIC_FINISH[reason] ?? "stop");
    const begin = (index, block) => {
        if (block.type === "text") answer.text += block.text ?? "";
        if (block.type === "thinking") answer.reasoning += block.thinking ?? "";
        if (block.type !== "tool_use") return;
        calls.push((open[index] = { name: block.name, json: "" }));
        if (Object.keys(block.input ?? {}).length) open[index].json = JSON.stringify(block.input);
    };
    const pieces = {
        message_start({ message }) {
            if (Object.keys(open).length) Object.assign(answer, nothing(), { abandoned: true }), (calls = []);
            open = {};
            count(message.usage);
            (message.content ?? []).forEach((block, index) => begin(index, block));
            open = {};
            finished(message.stop_reason);
        },
        content_block_start: ({ index, content_block: block }) => begin(index, block),
        content_block_delta({ index, delta }) {
            if (delta.type === "text_delta") answer.text += delta.text;
            if (delta.type === "thinking_delta") answer.reasoning += delta.thinking;
            if (delta.type === "input_json_delta" && open[index]) open[index].json += delta.partial_json;
        },
        content_block_stop: ({ index }) => delete open[index],
        message_delta: ({ delta, usage }) => (finished(delta.stop_reason), count(usage)),
        message_stop: () => (over = true),
        error: event => (answer.error ??= event.error?.message ?? "error"),
    };
    for (const event of jsonEvents(bytes)) pieces[event.type]?.(event);
    if (!over || !answer.finish) answer.error ??= "no message_stop";
    if (counts) {
        const cached = counts.cache_read_input_tokens ?? 0;
        answer.usage = { input: counts.input_tokens + (counts.cache_creation_input_tokens ?? 0) + cached, output: counts.output_tokens, cached };
    }
    return closeCalls(answer, calls);
}

// ---- Bedrock ConverseStream ----

const CONVERSE_FINISH = {
    end_turn: "stop", stop_sequence: "stop", max_tokens: "length", model_context_window_exceeded: "length", tool_use: "tools",
    guardrail_intervened: "filter", content_filtered: "filter",
};
const CONVERSE_MALFORMED = ["malformed_model_output", "malformed_tool_use"];
function decodeConverse(bytes) {
    const answer = nothing(), calls = [], blocks = {}, { list, broken } = frames(bytes);
    const pieces = {
        contentBlockStart({ contentBlockIndex, start }) {
            if (start?.toolUse) calls.push((blocks[contentBlockIndex] = { name: start.toolUse.name, json: "" }));
        },
        contentBlockDelta({ contentBlockIndex, delta }) {
            answer.text += delta.text ?? "";
            answer.reasoning += delta.reasoningContent?.text ?? "";
            if (delta.toolUse && blocks[contentBlockIndex]) blocks[contentBlockIndex].json += delta.toolUse.input ?? "";
        },
        messageStop({ stopReason }) {
            answer.finish = CONVERSE_FINISH[stopReason] ?? "stop";
            if (CONVERSE_MALFORMED.includes(stopReason) && !saidSomething(answer)) answer.error ??= stopReason;
        },
        metadata({ usage }) {
            if (!usage) return;
            const cached = usage.cacheReadInputTokens ?? 0;
            answer.usage = { input: usage.inputTokens + cached + (usage.cacheWriteInputTokens ?? 0), output: usage.outputTokens, cached };
        },
    };
    for (const { headers, payload } of list) {
        const failed = /^(exception|error)$/.test(headers[":message-type"]); // some leave out the type of events
        if (!failed) pieces[headers[":event-type"]]?.(JSON.parse(payload));
        else answer.error ??= headers[":exception-type"] ?? headers[":error-code"] ?? "an exception";
    }
    // Behind messageStop only the usage can be lost.
    if (!answer.finish) answer.error ??= broken ?? "no messageStop";
    return closeCalls(answer, calls);
}

// ---- Gemini generateContent ----

const GEMINI_FINISH = {
    STOP: "stop", MAX_TOKENS: "length", SAFETY: "filter", RECITATION: "filter", LANGUAGE: "filter", BLOCKLIST: "filter", PROHIBITED_CONTENT: "filter",
    SPII: "filter", IMAGE_SAFETY: "filter", IMAGE_PROHIBITED_CONTENT: "filter", IMAGE_RECITATION: "filter",
};
// The value at a path such as $.recipe.items[0].name is made, or a string there goes on.
function putAt(root, path, value) {
    const steps = [...path.matchAll(/\.([^.[\]]+)|\['([^']*)'\]|\[(\d+)\]/g)].map(([, a, b, index]) => (index === undefined ? (a ?? b) : Number(index)));
    const last = steps.pop();
    let at = root;
    steps.forEach((step, i) => (at = at[step] ??= typeof (steps[i + 1] ?? last) === "number" ? [] : {}));
    at[last] = typeof at[last] === "string" && typeof value === "string" ? at[last] + value : value;
}
function geminiCall(state, call) {
    if (!state.open) state.calls.push((state.open = { name: call.name, args: {} }));
    Object.assign(state.open.args, call.args);
    for (const piece of call.partialArgs ?? []) putAt(state.open.args, piece.jsonPath, piece.stringValue ?? piece.numberValue ?? piece.boolValue ?? null);
    if (!call.willContinue) state.open = null;
}
function decodeGemini(bytes) {
    const answer = nothing(), state = { calls: [], open: null };
    let reason = null, blocked = null;
    for (const event of jsonEvents(bytes)) {
        if (event.error) answer.error ??= event.error.message ?? "error";
        blocked ??= event.promptFeedback?.blockReason ?? null;
        const candidate = event.candidates?.find(({ index }) => !index);
        for (const part of candidate?.content?.parts ?? []) {
            if (part.text && part.thought) answer.reasoning += part.text;
            else if (part.text) answer.text += part.text;
            if (part.functionCall) geminiCall(state, part.functionCall);
        }
        if (candidate?.finishReason) reason = candidate.finishReason;
        const usage = event.usageMetadata;
        if (usage)
            answer.usage = {
                input: (usage.promptTokenCount ?? 0) + (usage.toolUsePromptTokenCount ?? 0),
                output: (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0), cached: usage.cachedContentTokenCount ?? 0,
            };
    }
    if (blocked && !reason) reason = "SAFETY";
    if (!reason) answer.error ??= "no finishReason";
    else answer.finish = GEMINI_FINISH[reason] ?? "stop";
    if (reason && !(reason in GEMINI_FINISH) && !saidSomething(answer) && !state.calls.length) answer.error ??= reason;
    return closeCalls(answer, state.calls);
}

// ---- OpenAI responses ----

function decodeResponses(bytes) {
    const answer = nothing(), items = {};
    let last = null;
    const pieces = {
        "response.output_text.delta": event => (answer.text += event.delta),
        "response.reasoning_summary_text.delta": event => (answer.reasoning += event.delta),
        "response.output_item.added"({ output_index, item }) {
            if (item.type === "function_call") items[output_index] = { name: item.name, json: item.arguments ?? "" };
        },
        "response.function_call_arguments.delta": event => items[event.output_index] && (items[event.output_index].json += event.delta),
        "response.output_item.done"({ output_index, item }) {
            if (item.type === "function_call") items[output_index] = { name: item.name, json: item.arguments };
        },
        "response.completed": event => (last = event.response),
        "response.incomplete": event => (last = event.response),
        "response.failed": event => (answer.error ??= event.response.error?.message ?? "failed"),
        error: event => (answer.error ??= event.message ?? event.error?.message ?? "error"),
    };
    for (const event of jsonEvents(bytes)) pieces[event.type]?.(event);
    if (!last) answer.error ??= "no response.completed";
    else if (last.status === "incomplete") answer.finish = last.incomplete_details?.reason === "content_filter" ? "filter" : "length";
    else answer.finish = "stop";
    // The response at the end is what counts, where it has any text.
    const said = (last?.output ?? []).flatMap(item => (item.type === "message" ? item.content : [])).map(part => part.text ?? "").join("");
    answer.text = said || answer.text;
    const usage = last?.usage;
    if (usage) answer.usage = { input: usage.input_tokens, output: usage.output_tokens, cached: usage.input_tokens_details?.cached_tokens ?? 0 };
    return closeCalls(answer, Object.values(items));
}

// ---- OpenAI chat completions ----

const CHAT_FINISH = { stop: "stop", length: "length", tool_calls: "tools", function_call: "tools", content_filter: "filter" };
// Some providers count reasoning apart from the other output tokens, which shows in the total; DeepSeek has a name of
// its own for cached tokens.
export function chatUsage(usage) {
    const reasoning = usage.completion_tokens_details?.reasoning_tokens ?? 0;
    const apart = reasoning && usage.total_tokens === usage.prompt_tokens + usage.completion_tokens + reasoning;
    return {
        input: usage.prompt_tokens, output: usage.completion_tokens + (apart ? reasoning : 0),
        cached: usage.prompt_tokens_details?.cached_tokens ?? usage.prompt_cache_hit_tokens ?? 0,
    };
}
function decodeChat(bytes) {
    const answer = nothing(), read = emptyAnswer();
    for (const event of jsonEvents(bytes)) readObject(read, event, "delta");
    const choice = read.choices[0];
    if (choice) Object.assign(answer, { text: choice.text, reasoning: choice.reasoning });
    if (read.error) answer.error = read.error.message ?? "error";
    if (choice?.finish) answer.finish = CHAT_FINISH[choice.finish] ?? "stop";
    else answer.error ??= "no finish_reason";
    if (read.usage) answer.usage = chatUsage(read.usage);
    return closeCalls(answer, (choice?.calls ?? []).map(call => ({ name: call.name, json: call.arguments })));
}

const decoders = { anthropic: decodeAnthropic, converse: decodeConverse, gemini: decodeGemini, responses: decodeResponses, chat: decodeChat };
function decodeWhole(format, bytes) {
    try {
        return decoders[format](bytes);
    } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        return { ...nothing(), error: `an event is no JSON: ${error.message}` };
    }
}
export function decode(format, bytes) {
    const answer = decodeWhole(format, bytes);
    // Whoever calls tools has finished with them, whatever word the provider has for it.
    if (answer.finish === "stop" && answer.calls.length) answer.finish = "tools";
    return answer;
}

// ---- which format ----

const CONVERSE_EVENTS = /^(messageStart|contentBlockStart|contentBlockDelta|contentBlockStop|messageStop|metadata)$/;
function formatOfFrames(bytes) {
    const { list } = frames(bytes), types = list.map(({ headers }) => headers[":event-type"] ?? "");
    if (types.some(type => CONVERSE_EVENTS.test(type))) return "converse";
    const failed = list.some(({ headers }) => [":exception-type", ":error-code"].some(name => name in headers));
    return failed && list.every(({ headers }) => /^(exception|error)$/.test(headers[":message-type"])) ? "converse" : null;
}
function formatOfJson(event) {
    if (!event || typeof event !== "object") return null;
    if (/^(response\.|error$)/.test(event.type) && ("sequence_number" in event || event.response)) return "responses";
    if (/^(message_start|content_block_start)$/.test(event.type)) return "anthropic";
    if (event.candidates || event.promptFeedback || event.responseId) return "gemini";
    if (event.object ? event.object === "chat.completion.chunk" : Array.isArray(event.choices)) return "chat";
    return Object.keys(event).some(key => CONVERSE_EVENTS.test(key)) ? "converse" : null;
}
// null: none of them. `bytes` as they stand in the file; .chunks.txt has one JSON text a line.
export function formatOf(bytes, isFrames) {
    if (isFrames) return formatOfFrames(bytes);
    const text = bytes.toString("utf8"), lines = /^\s*\{/.test(text) ? text.split("\n") : sseData(text);
    const first = lines.find(line => line.trim().startsWith("{"));
    try {
        return formatOfJson(JSON.parse(first));
    } catch {
        return null;
    }
}
