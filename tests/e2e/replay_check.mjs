// replay_check.mjs - reads what `hedgerow replay` writes, by other means than it was written with.
//
//   node replay_check.mjs json FILE [POLICY...]   the document of INTERFACE.md with exactly these policies
//   node replay_check.mjs svg FILE                a well-formed SVG of less than 60,000 bytes that needs nothing from outside
//
// Prints "ok", or what is wrong, and exits with 1.
import { readFileSync } from "node:fs";

const members = ["name", "p50_ms", "p95_ms", "p99_ms", "p999_ms", "extra_requests", "extra_cost", "worst_10s_extra"];

function wrong(why) {
    console.log(why);
    process.exit(1);
}

function checkPolicy(policy) {
    if (Object.keys(policy).join() !== members.join()) wrong(`${policy.name} has ${Object.keys(policy)}`);
    for (const member of members.slice(1)) {
        const value = policy[member];
        if (value !== null && !(typeof value === "number" && value >= 0)) wrong(`${policy.name}.${member} is ${value}`);
    }
    if (policy.p50_ms > policy.p95_ms || policy.p95_ms > policy.p99_ms || policy.p99_ms > policy.p999_ms)
        wrong(`${policy.name}: quantiles fall`);
}

function checkJson(text, names) {
    const document = JSON.parse(text);
    if (!(document.requests > 0)) wrong(`requests is ${document.requests}`);
    const got = document.policies.map((policy) => policy.name);
    if (got.join() !== names.join()) wrong(`policies are ${got}`);
    document.policies.forEach(checkPolicy);
}

// XML 1.0, as far as this file uses it: elements, quoted attributes, text, five entities.
function checkSvg(text) {
    const open = [];
    const token = /<\/([a-z]+)>|<([a-z]+)((?:\s+[a-zA-Z-]+="[^"<]*")*)\s*(\/?)>|([^<]+)/gy;
    let at = 0;
    for (let match; at < text.length && (match = token.exec(text)); at = token.lastIndex) {
        const [, closed, opened, attributes = "", empty, content = ""] = match;
        if (closed && open.pop() !== closed) wrong(`</${closed}> at ${match.index} closes nothing`);
        if (opened && !open.length && at > 0) wrong(`<${opened}> beside the root`);
        if (opened && !empty) open.push(opened);
        const names = [...attributes.matchAll(/([a-zA-Z-]+)="/g)].map((name) => name[1]);
        if (new Set(names).size !== names.length) wrong(`<${opened}> has an attribute twice`);
        if (/&(?!(lt|gt|amp|quot|apos);)/.test(attributes + content)) wrong(`an "&" at ${match.index} that begins no entity`);
    }
    if (at < text.length) wrong(`not XML at byte ${at}: ${text.slice(at, at + 40)}`);
    if (open.length) wrong(`<${open.pop()}> is never closed`);
    if (!text.startsWith('<svg xmlns="http://www.w3.org/2000/svg"')) wrong("the root is no <svg>");
    if (/href|url\(|@import|<script|<image/.test(text)) wrong("it asks for something outside");
    if (/NaN|Infinity|\bnan\b|\binf\b/.test(text)) wrong("it holds a number that is none");
    if (text.length >= 60000) wrong(`${text.length} bytes`);
}

const [kind, file, ...names] = process.argv.slice(2);
const text = readFileSync(file, "utf8");
if (kind === "json") checkJson(text, names);
else checkSvg(text);
console.log("ok");
