// test_pass.mjs - paths that are passed through: streamed both ways whatever their size, byte for byte, with nothing of
// one connection and no credential but the provider's own.
//
// The big bodies come from and go to the simulator. A server of a few lines stands beside it, which tells what it was
// sent to the byte, and misbehaves at will.
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { join, resolve } from "node:path";
import { check, finish, records, request, root, same, sleep, startClouds, startProxy, test, until, work } from "./lib.mjs";

const MIB = 1 << 20, BIG = 200_000_000;
// Of the proxy's own memory while BIG bytes pass, and of what a server gets rid of while nobody reads: the kernel's
// buffers of two connections (tcp_rmem and tcp_wmem allow 6 and 4 MiB each) and ours.
const MEMORY_BYTES = 32 * MIB, STALLED_BYTES = 48 * MIB;
const hex = text => createHash("sha256").update(text).digest("hex");

// ---- the mirror: a server that tells what it was sent ----

const open = new Set(); // requests that are being answered, by their x-tag
let poured = 0, heard = 0, deaf = null;
function tell(incoming, response, body) {
    const { method, url, rawHeaders } = incoming, headers = [];
    for (let i = 0; i < rawHeaders.length; i += 2) headers.push([rawHeaders[i].toLowerCase(), rawHeaders[i + 1]]);
    const text = JSON.stringify({ method, url, headers, size: body.length, sha256: hex(body), text: body.toString("latin1").slice(0, 4096) });
    response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
    response.end(text);
}
function drained(response) {
    return new Promise(done => {
        const go = () => (response.off("drain", go).off("close", go), done());
        response.on("drain", go).on("close", go);
    });
}
const misbehaviours = {
    // Half of what was announced, or of a chunked body.
    "die-length": (incoming, response) => {
        response.writeHead(200, { "content-length": 1000 });
        response.write("half", () => response.socket.destroy());
    },
    "die-chunked": (incoming, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write("data: half\n\n", () => response.socket.destroy());
    },
    "die-silent": incoming => incoming.socket.destroy(),
    // The end of the connection is the end of the body (RFC 9112 6.3).
    "until-close": (incoming, response) => response.socket.end("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nall of it"),
    hang: () => {},
    early: (incoming, response) => {
        response.writeHead(413, { "content-type": "application/json", connection: "close" });
        response.end('{"error":{"message":"too much"}}');
    },
    headers: (incoming, response) => {
        response.writeHead(201, [
            ["Content-Type", "text/plain"], ["X-Kept", "one"], ["X-Kept", "two"], ["Connection", "keep-alive, x-hop"], ["X-Hop", "no"],
            ["Keep-Alive", "timeout=5"], ["Set-Cookie", "s=1"], ["Content-Encoding", "identity"], ["X-Request-Id", "theirs"], ["Proxy-Authenticate", "Basic"],
        ].flat());
        response.end("ok");
    },
    pour: async (incoming, response) => {
        const piece = Buffer.alloc(256 * 1024, "x");
        response.writeHead(200, { "content-type": "application/octet-stream" });
        for (poured = 0; poured < BIG && !response.destroyed; poured += piece.length)
            if (!response.write(piece)) await drained(response);
        response.end();
    },
    // Takes what comes and says nothing before the end.
    swallow: (incoming, response) => {
        heard = 0;
        incoming.on("data", piece => (heard += piece.length));
        incoming.on("end", () => response.end(String(heard)));
    },
    // Reads nothing until it is told to.
    deaf: incoming => (incoming.pause(), (deaf = incoming)),
};
const mirror = http.createServer((incoming, response) => {
    const name = /\/v1\/(?:odd\/)?([a-z-]+)/.exec(incoming.url)?.[1], tag = incoming.headers["x-tag"], status = /\/status\/(\d+)/.exec(incoming.url)?.[1];
    if (tag) open.add(tag), incoming.socket.on("close", () => open.delete(tag));
    incoming.on("error", () => {});
    if (misbehaviours[name]) return void misbehaviours[name](incoming, response);
    const pieces = [];
    incoming.on("data", piece => pieces.push(piece));
    incoming.on("end", () => {
        if (!status) return tell(incoming, response, Buffer.concat(pieces));
        response.writeHead(+status, { "content-type": "application/json", "retry-after": "7", "x-ratelimit-remaining-requests": "0" });
        response.end(`{"error":{"message":"the provider's own ${status}"}}`);
    });
});
mirror.keepAliveTimeout = 60_000;
await new Promise(up => mirror.listen(0, "127.0.0.1", up));
const mirrorUrl = `http://127.0.0.1:${mirror.address().port}`;

// ---- set-up ----

const clouds = await startClouds([
    { name: "files", api_key: "sk-files" },
    { name: "first", api_key: "sk-first" },
    { name: "second", api_key: "sk-second" },
]);
const base = name => `http://127.0.0.1:${clouds[name].port}/v1`;
const providers = {
    mirror: { kind: "openai", base_url: `${mirrorUrl}/v1`, api_key: "sk-mirror", region: "us", headers: { "x-operator": "hedgerow", "x-replaced": "operator" } },
    files: { kind: "openai", base_url: base("files"), api_key: "sk-files" },
    first: { kind: "openai", base_url: base("first"), api_key: "sk-first", region: "us" },
    second: { kind: "openai", base_url: base("second"), api_key: "sk-second", region: "eu" },
    claude: { kind: "anthropic", base_url: mirrorUrl, api_key: "sk-claude" },
};
const models = {
    painter: { backends: [{ provider: "first", model: "gpt-image-real" }, { provider: "second", model: "gpt-image-eu" }], aliases: ["painter-alias"] },
    secret: { backends: [{ provider: "first", model: "secret-real" }] },
};
const keys = [
    { name: "bound", sha256: hex("client-bound"), models: ["painter"] },
    { name: "regional", sha256: hex("client-regional"), residency: "eu" },
    { name: "free", sha256: hex("client-free") },
    { name: "single", sha256: hex("client-single"), limits: { concurrency: 1 } },
];
const listeners = [{ address: "127.0.0.1:0" }];
const common = { listeners, providers, models, workers: "1" };
const through = await startProxy({ ...common, passthrough: "mirror" }, "through");
const toFiles = await startProxy({ ...common, passthrough: "files" }, "to_files");
const keyed = await startProxy({ ...common, keys, passthrough: "mirror" }, "keyed");
const toClaude = await startProxy({ ...common, keys, passthrough: "claude" }, "to_claude");
const nowhere = await startProxy(common, "nowhere");
const url = through.urls[0];

const ask = async (method, path, body, headers, where = url, options) => {
    const answer = await request(method, where + path, body, headers, options);
    return { ...answer, told: answer.status === 200 && answer.text.startsWith("{") ? JSON.parse(answer.text) : {} };
};
const field = (told, name) => told.headers?.filter(([key]) => key === name).map(([, value]) => value);
const peak = proxy => 1024 * +/VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${proxy.child.pid}/status`, "utf8"))[1];

// ---- bodies of any size ----

// Sends BIG bytes of `piece`; as fast as they are taken.
function upload(where, path, headers) {
    return new Promise((done, fail) => {
        const sending = http.request(where + path, { method: "POST", headers }, incoming => {
            let text = "";
            incoming.on("data", data => (text += data)).on("end", () => done({ status: incoming.statusCode, text })).on("error", fail);
        });
        const piece = Buffer.alloc(1_000_000, "y");
        let left = BIG;
        const go = () => {
            while (left > 0) {
                left -= piece.length;
                if (!sending.write(piece)) return;
            }
            sending.end();
        };
        sending.on("drain", go).on("error", fail);
        go();
    });
}
for (const [name, headers] of [["chunked", {}], ["with_length", { "content-length": BIG }]])
    await test(`upload_of_200_mb_${name}`, async () => {
        const before = peak(toFiles), earlier = (await clouds.files.stats()).bytes_received;
        const answer = await upload(toFiles.urls[0], "/v1/files", { "content-type": "application/octet-stream", ...headers });
        same(`upload_${name}_answer`, [answer.status, JSON.parse(answer.text).bytes], [200, BIG]);
        same(`upload_${name}_received`, (await clouds.files.stats()).bytes_received - earlier, BIG);
        const grown = peak(toFiles) - before;
        check(`upload_${name}_memory_stays_flat`, grown < MEMORY_BYTES, `${grown} bytes more`);
    });

// Opens a GET on a bare connection that is read only when told.
function slowReader(where, path) {
    const { hostname, port } = new URL(where), socket = net.connect(port, hostname), reader = { socket, got: 0, tail: "" };
    socket.pause();
    socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-tag: slow\r\n\r\n`);
    socket.on("data", data => {
        reader.got += data.length;
        reader.tail = (reader.tail + data.subarray(-16).toString("latin1")).slice(-16);
    });
    reader.closed = new Promise(done => socket.on("close", done));
    socket.on("error", () => {});
    return reader;
}
await test("download_to_a_slow_reader", async () => {
    const before = peak(through), reader = slowReader(url, "/v1/pour");
    let last = -1;
    check("the_server_is_held_up", await until(async () => {
        const still = poured > 0 && poured === last;
        last = poured;
        await sleep(300);
        return still;
    }), `${poured} bytes and going on`);
    check("what_is_under_way_is_bounded", poured < STALLED_BYTES, `${poured} bytes while nobody reads`);
    reader.socket.resume();
    await reader.closed;
    check("the_whole_came", reader.got > BIG && reader.tail.endsWith("\r\n0\r\n\r\n"), `${reader.got} bytes, then ${JSON.stringify(reader.tail)}`);
    check("download_memory_stays_flat", peak(through) - before < MEMORY_BYTES, `${peak(through) - before} bytes more`);
});
await test("download_of_200_mb", async () => {
    const before = peak(toFiles), reader = slowReader(toFiles.urls[0], `/v1/files/x/content?bytes=${BIG}`);
    await sleep(500);
    reader.socket.resume();
    await reader.closed;
    check("all_bytes_and_a_head", reader.got > BIG && reader.got < BIG * 1.01, reader.got);
    check("download_of_200_mb_memory", peak(toFiles) - before < MEMORY_BYTES, `${peak(toFiles) - before} bytes more`);
});
await test("upload_to_a_server_that_does_not_read", async () => {
    const before = peak(through), { hostname, port } = new URL(url), socket = net.connect(port, hostname);
    socket.on("error", () => {});
    socket.write("POST /v1/deaf HTTP/1.1\r\nhost: x\r\nx-tag: deaf\r\ncontent-length: 200000000\r\n\r\n");
    const piece = Buffer.alloc(MIB);
    let sent = 0, last = -1;
    const go = () => { while (sent < BIG - MIB) { sent += MIB; if (!socket.write(piece)) return; } };
    socket.on("drain", go);
    go();
    await until(async () => {
        const still = sent === last;
        last = sent;
        await sleep(300);
        return still;
    });
    check("the_client_is_held_up", sent < STALLED_BYTES, `${sent} bytes taken of nobody's`);
    check("upload_memory_stays_flat", peak(through) - before < MEMORY_BYTES, `${peak(through) - before} bytes more`);
    socket.destroy();
    await sleep(100);
    deaf.resume(); // it would not notice otherwise
    check("and_given_up_with_it", await until(() => !open.has("deaf")), "the provider's connection is still open");
});

// ---- what is sent on ----

await test("multipart_byte_for_byte", async () => {
    const data = randomBytes(300_000), body = Buffer.concat([Buffer.from('--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'), data, Buffer.from("\r\n--b--\r\n")]);
    const type = "multipart/form-data; boundary=b";
    for (const headers of [{ "content-type": type }, { "content-type": type, "transfer-encoding": "chunked" }]) {
        const { told } = await ask("POST", "/v1/audio/transcriptions?language=de&x=%2F%20y", body, headers);
        same("multipart", [told.method, told.url, told.size, told.sha256, field(told, "content-type")], ["POST", "/v1/audio/transcriptions?language=de&x=%2F%20y", body.length, hex(body), [type]]);
    }
});
await test("methods_and_queries", async () => {
    for (const [method, body] of [["GET"], ["DELETE"], ["PUT", "put"], ["PATCH", "patch"]]) {
        const { told, headers } = await ask(method, "/v1/files/file-1?after=a&limit=2", body, body && { "content-type": "text/plain" });
        same(`method_${method}`, [told.method, told.url, told.text], [method, "/v1/files/file-1?after=a&limit=2", body ?? ""]);
        same(`provider_of_${method}`, headers["x-hedgerow-provider"], "mirror");
    }
    const head = await ask("HEAD", "/v1/files/file-1"), again = await ask("GET", "/v1/files/file-1");
    same("head", [head.status, head.text, head.headers["content-type"], again.status], [200, "", "application/json", 200]);
    const length = +head.headers["content-length"];
    check("head_tells_of_the_body", Math.abs(length - again.text.length) < 32, `${length} for ${again.text.length}`);
});
await test("request_headers", async () => {
    const { told } = await ask("POST", "/v1/files", "x", {
        connection: "keep-alive, x-hop", "x-hop": "no", "keep-alive": "timeout=1", te: "trailers", "proxy-authorization": "Basic no",
        authorization: "Bearer client-key", "x-api-key": "client-key", "api-key": "client-key", "x-goog-api-key": "client-key", cookie: "client-key",
        "x-hedgerow-hedge": "off", "x-hedgerow-tags": "team=a", "x-request-id": "client-id-1", traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "content-type": "text/plain", "openai-organization": "org-1", "idempotency-key": "i-1", "x-replaced": "client", "user-agent": "mine/1", "accept-encoding": "gzip",
    });
    same("the_providers_key", field(told, "authorization"), ["Bearer sk-mirror"]);
    check("no_key_of_the_client", !JSON.stringify(told.headers).includes("client-key"), told.headers);
    for (const name of ["x-hop", "keep-alive", "te", "proxy-authorization", "cookie", "x-api-key", "api-key", "x-goog-api-key", "x-hedgerow-hedge", "x-hedgerow-tags"])
        same(`not_sent_${name}`, field(told, name), []);
    for (const [name, value] of Object.entries({ "x-request-id": "client-id-1", traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "openai-organization": "org-1", "idempotency-key": "i-1", "x-operator": "hedgerow", "x-replaced": "operator", "user-agent": "mine/1", "accept-encoding": "gzip", host: mirrorUrl.slice(7) }))
        same(`sent_${name}`, field(told, name), [value]);
});
await test("a_key_in_the_query_stays_here", async () => {
    const { status, told } = await ask("GET", "/v1/files?limit=1&key=client-free&after=b", undefined, {}, keyed.urls[0]);
    same("query_without_the_key", [status, told.url], [200, "/v1/files?limit=1&after=b"]);
    const alone = await ask("GET", "/v1/files?key=client-free", undefined, {}, keyed.urls[0]);
    same("query_of_the_key_alone", [alone.status, alone.told.url], [200, "/v1/files"]);
});
await test("response_headers", async () => {
    const answer = await ask("GET", "/v1/headers");
    same("status_and_body", [answer.status, answer.text], [201, "ok"]);
    const raw = await new Promise(done => http.get(`${url}/v1/headers`, incoming => (incoming.resume(), done(incoming.rawHeaders))));
    same("one_date", raw.filter(name => name.toLowerCase() === "date").length, 1);
    same("kept", [answer.headers["x-kept"], answer.headers["content-type"]], ["one, two", "text/plain"]);
    for (const name of ["x-hop", "set-cookie", "proxy-authenticate"]) same(`not_passed_${name}`, answer.headers[name], undefined);
    check("our_own_id", answer.headers["x-request-id"]?.length === 32, answer.headers);
    same("the_providers_id", answer.headers["x-upstream-request-id"], "theirs");
});
await test("errors_of_the_provider", async () => {
    for (const status of [400, 401, 404, 429, 500, 503]) {
        const answer = await ask("GET", `/v1/status/${status}`);
        same(`status_${status}`, [answer.status, answer.text, answer.headers["retry-after"], answer.headers["x-ratelimit-remaining-requests"]], [status, `{"error":{"message":"the provider's own ${status}"}}`, "7", "0"]);
    }
    clouds.files.tune({ next: ["rate_limit"] });
    const limited = await ask("POST", "/v1/files", "x", {}, toFiles.urls[0]);
    same("simulated_429", [limited.status, !!limited.headers["retry-after"], "error" in JSON.parse(limited.text)], [429, true, true]);
});

// ---- bodies that name a model ----

const named = (path, body, headers, where) => ask("POST", path, typeof body === "string" ? body : JSON.stringify(body), { "content-type": "application/json", ...headers }, where);
await test("a_model_decides", async () => {
    for (const path of ["/v1/images/generations", "/v1/moderations"])
        for (const model of ["painter", "painter-alias"]) {
            const body = { prompt: "a \"hedge\"\n", nested: { model: "kept" }, model, n: 1 };
            const answer = await named(path, body), last = await clouds.first.last();
            same(`${path}_${model}`, [answer.status, last.target, last.body], [404, path, JSON.stringify({ ...body, model: "gpt-image-real" })]);
            same(`${path}_${model}_key`, last.headers.find(([name]) => name === "authorization")?.[1], "Bearer sk-first");
        }
    const unknown = JSON.stringify({ model: "nobody's", "a": [1, 2] });
    same("another_model_goes_to_the_passthrough", (await named("/v1/moderations", unknown)).told.text, unknown);
    same("no_model", (await named("/v1/batches", '{"input_file_id":"x"}')).told.text, '{"input_file_id":"x"}');
    same("not_even_json", (await named("/v1/batches", '{"model":')).told.text, '{"model":');
    const chunked = await named("/v1/moderations", { model: "painter" }, { "transfer-encoding": "chunked" });
    same("chunked", [chunked.status, (await clouds.first.last()).body], [404, '{"model":"gpt-image-real"}']);
    same("residency", [(await named("/v1/moderations", { model: "painter" }, { "x-hedgerow-residency": "eu" })).status, (await clouds.second.last()).body], [404, '{"model":"gpt-image-eu"}']);
    const large = await named("/v1/batches", JSON.stringify({ a: "x".repeat(40 * MIB) }));
    same("a_body_above_the_limit", large.status, 413);
});

// ---- who may ----

await test("keys", async () => {
    const where = keyed.urls[0], as = key => ({ authorization: `Bearer ${key}` });
    const rows = [
        ["no key", () => ask("GET", "/v1/files", undefined, {}, where), 401],
        ["a wrong key", () => ask("GET", "/v1/files", undefined, as("wrong"), where), 401],
        ["a free key", () => ask("GET", "/v1/files", undefined, as("client-free"), where), 200],
        ["bound to models: a path without", () => ask("GET", "/v1/files", undefined, as("client-bound"), where), 403],
        ["bound: no model named", () => named("/v1/batches", {}, as("client-bound"), where), 403],
        ["bound: another model", () => named("/v1/moderations", { model: "secret" }, as("client-bound"), where), 403],
        ["bound: an unknown one", () => named("/v1/moderations", { model: "x" }, as("client-bound"), where), 403],
        ["bound: its own", () => named("/v1/moderations", { model: "painter" }, as("client-bound"), where), 404],
        ["bound: its own and then another", () => named("/v1/moderations", '{"model":"painter","model":"secret-real"}', as("client-bound"), where), 400],
        ["bound: the same with an escape", () => named("/v1/moderations", '{"model":"painter","mod\\u0065l":"secret-real"}', as("client-bound"), where), 400],
        ["bound: a form", () => ask("POST", "/v1/audio/transcriptions", "x", { ...as("client-bound"), "content-type": "multipart/form-data; boundary=x" }, where), 403],
        ["a region elsewhere", () => ask("GET", "/v1/files", undefined, as("client-regional"), where), 403],
        ["a wish elsewhere", () => ask("GET", "/v1/files", undefined, { ...as("client-free"), "x-hedgerow-residency": "eu" }, where), 403],
        ["a wish that is met", () => ask("GET", "/v1/files", undefined, { ...as("client-free"), "x-hedgerow-residency": "us" }, where), 200],
        ["a wish against the key", () => named("/v1/moderations", { model: "painter" }, { ...as("client-regional"), "x-hedgerow-residency": "us" }, where), 403],
    ];
    for (const [name, go, status] of rows) {
        const answer = await go();
        same(`keys: ${name}`, answer.status, status);
        if (status < 500 && status >= 400 && status !== 404) check(`keys: ${name}: says why`, JSON.parse(answer.text).error.message.length > 10, answer.text);
    }
    const { hostname, port } = new URL(where), socket = net.connect(port, hostname);
    socket.write("GET /v1/hang HTTP/1.1\r\nhost: x\r\nauthorization: Bearer client-single\r\nx-tag: single\r\n\r\n");
    await until(() => open.has("single"));
    same("a_limit_on_requests_in_flight", (await ask("GET", "/v1/files", undefined, as("client-single"), where)).status, 429);
    socket.destroy();
    check("and_it_is_given_back", await until(async () => (await ask("GET", "/v1/files", undefined, as("client-single"), where)).status === 200), "still 429");
    const seen = (await clouds.second.stats()).requests;
    same("a_region_by_its_model", [(await named("/v1/moderations", { model: "painter" }, as("client-regional"), where)).status, (await clouds.second.stats()).requests - seen], [404, 1]);
});
await test("no_passthrough", async () => {
    const answer = await ask("GET", "/v1/files", undefined, {}, nowhere.urls[0]), error = JSON.parse(answer.text).error;
    check("says_so", answer.status === 404 && error.message.includes("passthrough"), answer.text);
    same("but_a_model_has_a_backend", (await named("/v1/moderations", { model: "painter" }, {}, nowhere.urls[0])).status, 404);
    same("which_was_asked", (await clouds.first.last()).body, '{"model":"gpt-image-real"}');
});
await test("anthropic", async () => {
    const where = toClaude.urls[0];
    const { told } = await ask("GET", "/v1/messages/batches?limit=3", undefined, { "x-api-key": "client-free", "anthropic-beta": "files-api-2025-04-14", "anthropic-version": "2023-06-01" }, where);
    same("target", [told.method, told.url], ["GET", "/v1/messages/batches?limit=3"]);
    same("anthropic_fields", ["x-api-key", "authorization", "anthropic-version", "anthropic-beta"].map(name => field(told, name)), [["sk-claude"], [], ["2023-06-01"], ["files-api-2025-04-14"]]);
    const plain = (await ask("GET", "/v1/files", undefined, { authorization: "Bearer client-free" }, where)).told;
    same("a_bearer_key_becomes_the_providers", [field(plain, "x-api-key"), field(plain, "authorization")], [["sk-claude"], []]);
});
await test("azure_with_a_dated_version_has_nothing_to_pass_to", async () => {
    const file = join(work, "azure.yaml"), program = resolve(process.env.HEDGEROW || join(root, "build/hedgerow"));
    const azure = version => ({ kind: "azure", endpoint: "https://x.openai.azure.com", api_key: "k", ...version });
    const checked = provider => {
        writeFileSync(file, JSON.stringify({ version: 1, listeners, providers: { az: provider }, models: { m: { backends: [{ provider: "az", model: "d" }] } }, passthrough: "az" }));
        try {
            return [0, execFileSync(program, ["check", "--config", file], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })];
        } catch (error) {
            return [error.status, error.stderr + error.stdout];
        }
    };
    const [status, text] = checked(azure({ api_version: "2024-10-21" }));
    check("check_refuses", status === 1 && /azure\.yaml:\d+:\d+: .*passthrough/.test(text), `${status}: ${text}`);
    same("check_accepts_v1", checked(azure({}))[0], 0);
});

// ---- ends that are none ----

await test("the_client_leaves", async () => {
    for (const path of ["hang", "pour"]) {
        const { hostname, port } = new URL(url), socket = net.connect(port, hostname), tag = `left-${path}`;
        socket.on("error", () => {});
        socket.write(`GET /v1/${path} HTTP/1.1\r\nhost: x\r\nx-tag: ${tag}\r\n\r\n`);
        check(`${path}_has_begun`, await until(() => open.has(tag)), "the mirror was not asked");
        socket.destroy();
        check(`${path}_is_cancelled`, await until(() => !open.has(tag), 2000), "the provider's connection is still open");
    }
    const { hostname, port } = new URL(url), socket = net.connect(port, hostname);
    socket.on("error", () => {});
    socket.write("POST /v1/swallow HTTP/1.1\r\nhost: x\r\nx-tag: half\r\ncontent-length: 1000\r\n\r\nhalf of it");
    check("the_half_arrived", await until(() => heard > 0), "the mirror has heard nothing");
    socket.destroy();
    check("the_upload_is_cancelled", await until(() => !open.has("half"), 2000), "the provider still waits for the rest");
    check("the_log_says_499", await until(() => records(through).filter(record => record.status === 499).length >= 3), records(through).slice(-4));
});
await test("the_provider_dies", async () => {
    for (const path of ["die-length", "die-chunked"]) {
        const answer = await ask("GET", `/v1/${path}`);
        check(`${path}_is_cut`, answer.status === 200 && answer.broken, `${answer.status}, ended cleanly with ${JSON.stringify(answer.text)}`);
    }
    const silent = await ask("GET", "/v1/die-silent");
    check("before_its_head", silent.status === 502 && JSON.parse(silent.text).error.message.includes("mirror"), silent.text);
    const closing = await ask("GET", "/v1/until-close");
    same("until_close_is_whole", [closing.status, closing.text, closing.broken], [200, "all of it", null]);
});
await test("answered_before_the_body_is_whole", async () => {
    const { hostname, port } = new URL(url);
    for (const framing of ["content-length: 50000000", "transfer-encoding: chunked"]) {
        const socket = net.connect(port, hostname);
        let text = "", closed = false, sent = 0;
        socket.on("error", () => {}).on("close", () => (closed = true)).on("data", data => (text += data));
        socket.write(`POST /v1/early HTTP/1.1\r\nhost: x\r\ncontent-type: application/octet-stream\r\n${framing}\r\n\r\n`);
        const piece = framing.startsWith("t") ? Buffer.from(`8000\r\n${"z".repeat(0x8000)}\r\n`) : Buffer.alloc(0x8000);
        // A client that goes on sending until it was answered.
        await until(() => {
            if (!closed && sent < 1000 && socket.write(piece)) sent++;
            return text.includes("too much") || closed;
        });
        check(`early_with_${framing.split(":")[0]}`, /^HTTP\/1\.1 413 /.test(text) && text.includes('{"error":{"message":"too much"}}'), text || `nothing, closed: ${closed}`);
        socket.destroy();
    }
    same("and_the_next_one_is_well", (await ask("GET", "/v1/files")).status, 200);
});
await test("expect_100_continue", async () => {
    const answer = await new Promise((done, fail) => {
        const sending = http.request(`${url}/v1/files`, { method: "POST", headers: { expect: "100-continue", "content-length": 5 } }, incoming => {
            let text = "";
            incoming.on("data", data => (text += data)).on("end", () => done(JSON.parse(text)));
        });
        sending.on("continue", () => sending.end("hello")).on("error", fail).setTimeout(5000, () => sending.destroy(new Error("no 100")));
        sending.flushHeaders();
    });
    same("expectation_met_here", [answer.text, field(answer, "expect")], ["hello", []]);
});
await test("the_log_has_no_key", async () => {
    for (const proxy of [through, keyed, toClaude, toFiles]) {
        const text = (existsSync(proxy.log) ? readFileSync(proxy.log, "utf8") : "") + proxy.texts().err + proxy.texts().out;
        check(`no_key_in_log_${proxy.admin}`, !/sk-mirror|sk-files|sk-claude|sk-first|client-(key|free|bound|regional|single)/.test(text), text.match(/.{40}(sk-|client-).{20}/)?.[0]);
    }
});
mirror.closeAllConnections();
mirror.close();
await finish();
