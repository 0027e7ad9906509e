// clients.mjs - the official SDKs behind one face: a question in neutral words goes out in each SDK's own, and what
// the SDK makes of the answer comes back in neutral words again.
//
//   question: {model, text, system, image, tools, choice, schema, effort, history, stop, temperature, maxTokens, stream}
//   answer:   {text, reasoning, calls: [{id, name, args}], finish, usage: {input, output, cached}, raw}
//
// `history` is the answer of an earlier question and the results of its calls: {question, answer, results: [text]}.
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import OpenAI from "openai";
import { chatUsage } from "./recording_decode.mjs";

export const PNG =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

const KEY = "sk-client";

// ---- OpenAI, chat completions ----

function openaiUser({ text, image }) {
    if (!image) return { role: "user", content: text };
    return { role: "user", content: [{ type: "image_url", image_url: { url: `data:image/png;base64,${image}` } }, { type: "text", text }] };
}
function openaiBody(question) {
    const { model, system, tools, choice, schema, effort, history, stop, temperature, maxTokens } = question;
    const messages = system ? [{ role: "system", content: system }] : [];
    if (history) {
        messages.push(openaiUser(history.question), history.answer.raw);
        history.answer.calls.forEach((call, i) => messages.push({ role: "tool", tool_call_id: call.id, content: history.results[i] }));
    }
    messages.push(openaiUser(question));
    return {
        model, messages,
        ...(tools && { tools: tools.map(({ name, description, parameters }) => ({ type: "function", function: { name, description, parameters } })) }),
        ...(choice && { tool_choice: choice }),
        ...(schema && { response_format: { type: "json_schema", json_schema: { name: "answer", schema, strict: true } } }),
        ...(effort && { reasoning_effort: effort }),
        ...(stop && { stop }), ...(temperature !== undefined && { temperature }), ...(maxTokens && { max_completion_tokens: maxTokens }),
    };
}
function openaiAnswer(completion) {
    const [{ message, finish_reason }] = completion.choices, usage = completion.usage;
    return {
        text: message.content ?? "", reasoning: message.reasoning_content ?? message.reasoning ?? "", finish: finish_reason, raw: message,
        calls: (message.tool_calls ?? []).map(call => ({ id: call.id, name: call.function.name, args: JSON.parse(call.function.arguments) })),
        usage: usage && chatUsage(usage),
    };
}
// The SDK's own accumulator knows the fields of its types only.
async function openaiStream(stream) {
    const message = { role: "assistant", content: null }, calls = [];
    let finish = null, usage = null, reasoning = "", chunks = 0;
    for await (const chunk of stream) {
        usage = chunk.usage ?? usage;
        const choice = chunk.choices[0];
        if (!choice) continue;
        chunks++;
        finish = choice.finish_reason ?? finish;
        if (choice.delta.content) message.content = (message.content ?? "") + choice.delta.content;
        reasoning += choice.delta.reasoning_content ?? choice.delta.reasoning ?? "";
        for (const blocks of choice.delta.thinking_blocks ?? []) (message.thinking_blocks ??= []).push(blocks);
        for (const delta of choice.delta.tool_calls ?? []) {
            const call = (calls[delta.index] ??= { id: "", type: "function", function: { name: "", arguments: "" } });
            if (delta.id) call.id = delta.id;
            if (delta.extra_content) call.extra_content = delta.extra_content;
            call.function.name += delta.function?.name ?? "";
            call.function.arguments += delta.function?.arguments ?? "";
        }
    }
    if (calls.length) message.tool_calls = calls;
    if (reasoning) message.reasoning_content = reasoning;
    return { ...openaiAnswer({ choices: [{ message, finish_reason: finish }], usage }), chunks };
}
function openaiChat(url) {
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: KEY, maxRetries: 0 });
    return async question => {
        const body = openaiBody(question);
        if (!question.stream) return openaiAnswer(await client.chat.completions.create(body));
        return openaiStream(await client.chat.completions.create({ ...body, stream: true, stream_options: { include_usage: true } }));
    };
}

// ---- OpenAI, responses ----

function responsesUser({ text, image }) {
    const content = [{ type: "input_text", text }];
    if (image) content.unshift({ type: "input_image", image_url: `data:image/png;base64,${image}`, detail: "auto" });
    return { role: "user", content };
}
function responsesBody(question) {
    const { model, system, tools, choice, schema, effort, history, temperature, maxTokens } = question;
    const input = [];
    if (history) {
        input.push(responsesUser(history.question), ...history.answer.raw);
        history.answer.calls.forEach((call, i) => input.push({ type: "function_call_output", call_id: call.id, output: history.results[i] }));
    }
    input.push(responsesUser(question));
    return {
        model, input, store: false,
        ...(system && { instructions: system }),
        ...(tools && { tools: tools.map(tool => ({ type: "function", strict: false, ...tool })) }),
        ...(choice && { tool_choice: choice }),
        ...(schema && { text: { format: { type: "json_schema", name: "answer", schema, strict: true } } }),
        ...(effort && { reasoning: { effort, summary: "auto" } }),
        ...(temperature !== undefined && { temperature }), ...(maxTokens && { max_output_tokens: maxTokens }),
    };
}
function responsesUsage(usage) {
    return { input: usage.input_tokens, output: usage.output_tokens, cached: usage.input_tokens_details?.cached_tokens ?? 0 };
}
function responsesAnswer(response) {
    if (response.status === "failed") throw new Error(`failed: ${JSON.stringify(response.error)}`);
    const of = type => response.output.filter(item => item.type === type);
    return {
        text: response.output_text, finish: response.incomplete_details?.reason ?? response.status,
        reasoning: of("reasoning").flatMap(item => item.summary.map(part => part.text)).join(""),
        calls: of("function_call").map(call => ({ id: call.call_id, name: call.name, args: JSON.parse(call.arguments) })),
        usage: response.usage && responsesUsage(response.usage), raw: response.output,
    };
}
function openaiResponses(url) {
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: KEY, maxRetries: 0 });
    return async question => {
        const body = responsesBody(question);
        if (!question.stream) return responsesAnswer(await client.responses.create(body));
        let chunks = 0;
        const stream = client.responses.stream(body); // checks the order of events by building the response of them
        for await (const event of stream) chunks += event.type.endsWith(".delta") ? 1 : 0;
        return { ...responsesAnswer(await stream.finalResponse()), chunks };
    };
}

// ---- Anthropic, messages ----

function anthropicUser({ text, image }) {
    const content = [{ type: "text", text }];
    if (image) content.unshift({ type: "image", source: { type: "base64", media_type: "image/png", data: image } });
    return { role: "user", content };
}
function anthropicBody(question) {
    const { model, system, tools, choice, schema, effort, history, stop, temperature, maxTokens } = question;
    const messages = [];
    if (history) {
        messages.push(anthropicUser(history.question), { role: "assistant", content: history.answer.raw });
        const results = history.answer.calls.map((call, i) => ({ type: "tool_result", tool_use_id: call.id, content: history.results[i] }));
        messages.push({ role: "user", content: [...results, ...anthropicUser(question).content] });
    } else {
        messages.push(anthropicUser(question));
    }
    return {
        model, messages, max_tokens: maxTokens ?? 4000,
        ...(system && { system }),
        ...(tools && { tools: tools.map(({ name, description, parameters }) => ({ name, description, input_schema: parameters })) }),
        ...(choice && { tool_choice: { type: choice === "required" ? "any" : choice } }),
        ...(schema && { output_config: { format: { type: "json_schema", schema } } }),
        ...(effort && { thinking: { type: "enabled", budget_tokens: 1024 } }),
        ...(stop && { stop_sequences: stop }), ...(temperature !== undefined && { temperature }),
    };
}
function anthropicUsage({ input_tokens, cache_creation_input_tokens: written, cache_read_input_tokens: read, output_tokens }) {
    return { input: input_tokens + (written ?? 0) + (read ?? 0), output: output_tokens, cached: read ?? 0 };
}
function anthropicAnswer(message) {
    const of = type => message.content.filter(block => block.type === type);
    return {
        text: of("text").map(block => block.text).join(""), reasoning: of("thinking").map(block => block.thinking).join(""),
        finish: message.stop_reason, raw: message.content,
        calls: of("tool_use").map(call => ({ id: call.id, name: call.name, args: call.input })),
        usage: anthropicUsage(message.usage),
    };
}
function anthropic(url) {
    const client = new Anthropic({ baseURL: url, apiKey: KEY, maxRetries: 0 });
    return async question => {
        const body = anthropicBody(question);
        if (!question.stream) return anthropicAnswer(await client.messages.create(body));
        let chunks = 0;
        const stream = client.messages.stream(body);
        stream.on("streamEvent", event => (chunks += event.type === "content_block_delta" ? 1 : 0));
        return { ...anthropicAnswer(await stream.finalMessage()), chunks };
    };
}

// ---- Google, generateContent ----

function googleParts({ text, image }) {
    return [...(image ? [{ inlineData: { mimeType: "image/png", data: image } }] : []), { text }];
}
function googleBody(question) {
    const { model, system, tools, choice, schema, effort, history, stop, temperature, maxTokens } = question;
    const contents = [];
    if (history) {
        contents.push({ role: "user", parts: googleParts(history.question) }, history.answer.raw);
        contents.push({ role: "user", parts: history.answer.calls.map((call, i) => ({
            functionResponse: { ...(call.id && { id: call.id }), name: call.name, response: { output: history.results[i] } } })) });
    }
    contents.push({ role: "user", parts: googleParts(question) });
    return {
        model, contents,
        config: {
            ...(system && { systemInstruction: system }),
            ...(tools && { tools: [{ functionDeclarations: tools.map(({ name, description, parameters }) => ({ name, description, parametersJsonSchema: parameters })) }] }),
            ...(choice && { toolConfig: { functionCallingConfig: { mode: choice === "required" ? "ANY" : choice.toUpperCase() } } }),
            ...(schema && { responseMimeType: "application/json", responseJsonSchema: schema }),
            ...(effort && { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } }),
            ...(stop && { stopSequences: stop }), ...(temperature !== undefined && { temperature }), ...(maxTokens && { maxOutputTokens: maxTokens }),
        },
    };
}
function googleUsage(usage) {
    return {
        input: (usage.promptTokenCount ?? 0) + (usage.toolUsePromptTokenCount ?? 0),
        output: (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0), cached: usage.cachedContentTokenCount ?? 0,
    };
}
function googleAnswer(responses) {
    // A part that says nothing is refused when it is sent back.
    const parts = responses.flatMap(response => response.candidates?.[0]?.content?.parts ?? [])
        .filter(part => part.text !== "" || part.thoughtSignature);
    const blocked = responses.some(r => r.promptFeedback?.blockReason); // the prompt: there is no candidate then
    const last = responses.at(-1), usage = responses.map(r => r.usageMetadata).filter(Boolean).at(-1);
    return {
        text: parts.filter(part => part.text && !part.thought).map(part => part.text).join(""),
        reasoning: parts.filter(part => part.thought).map(part => part.text ?? "").join(""),
        calls: parts.filter(part => part.functionCall).map(({ functionCall: call }) => ({ id: call.id, name: call.name, args: call.args })),
        finish: responses.map(r => r.candidates?.[0]?.finishReason).filter(Boolean).at(-1) ?? (blocked ? "blocked" : undefined), model: last.modelVersion,
        usage: usage && googleUsage(usage),
        raw: { role: "model", parts },
    };
}
function google(url) {
    const client = new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: url } });
    return async question => {
        const body = googleBody(question);
        if (!question.stream) return googleAnswer([await client.models.generateContent(body)]);
        const responses = [];
        for await (const response of await client.models.generateContentStream(body)) responses.push(response);
        return { ...googleAnswer(responses), chunks: responses.length };
    };
}

export const clients = { "openai chat": openaiChat, "openai responses": openaiResponses, anthropic, gemini: google };
