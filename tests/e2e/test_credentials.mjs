// test_credentials.mjs - credentials that change: every way to obtain one, from a simulated token endpoint whose tokens
// live a few seconds, with requests that go on over several refreshes and must all succeed.
//
// The clouds verify what they are sent (signatures, tokens that were issued and have not expired), so that a request
// that succeeds had a good credential.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bad, check, finish, request, same, sleep, startClouds, startProxy, test, until, work } from "./lib.mjs";

const LIFE_S = 6, RUN_MS = 15_000, EVERY_MS = 100, REFRESHES = 2, SKEW = "10m";
const quick = { ttft: { dist: "constant", value: "2ms" }, tokens: { count: 2, interval: "1ms" } };

// ---- secrets: none of these may ever be written anywhere ----

const secrets = {
    access: "AKIDEXAMPLE0SECRET", secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", session: "session//token==", web: "web.identity.token-secret", container: "container-authorization-secret",
    refresh: "1//refresh-token-secret", client: "entra-client-secret", google: "google-client-secret",
};
const aws = { access_key_id: secrets.access, secret_access_key: secrets.secret, session_token: secrets.session };
const pem = name => {
    const key = join(work, `${name}.pem`), pub = join(work, `${name}.pub`);
    execFileSync("openssl", ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key], { stdio: "ignore" });
    execFileSync("openssl", ["pkey", "-in", key, "-pubout", "-out", pub], { stdio: "ignore" });
    return { key, pub, text: readFileSync(key, "utf8") };
};
const account = pem("account"), oci = pem("oci");
const tokenFile = join(work, "web-identity-token");
writeFileSync(tokenFile, secrets.web);

// ---- clouds ----

const role = "arn:aws:iam::123456789012:role/hedgerow";
const identity = { kind: "identity", expires_in: `${LIFE_S}s` };
const entra = { tenant: "tenant-1", client_id: "client-1", client_secret: secrets.client };
const clouds = await startClouds([
    { name: "id", ...identity, credentials: { public_key: account.pub, issuer: "hedgerow@p.iam.gserviceaccount.com", web_identity_token: secrets.web, authorization: secrets.container } },
    { name: "id-user", ...identity, credentials: { client_id: "google-client", client_secret: secrets.google, refresh_token: secrets.refresh } },
    { name: "id-entra", ...identity, credentials: entra },
    { name: "id-failing", ...identity, credentials: entra },
    { name: "bedrock", kind: "bedrock", identity: "id", credentials: { region: "eu-central-1", service: "bedrock" }, ...quick },
    { name: "bedrock-fixed", kind: "bedrock", credentials: { ...aws, region: "eu-central-1" }, ...quick },
    { name: "bedrock-ahead", kind: "bedrock", clock_skew: SKEW, credentials: { ...aws, region: "eu-central-1" }, ...quick },
    { name: "bedrock-behind", kind: "bedrock", clock_skew: `-${SKEW}`, credentials: { ...aws, region: "eu-central-1" }, ...quick },
    { name: "vertex", kind: "vertex-anthropic", identity: "id", ...quick },
    { name: "vertex-user", kind: "vertex-anthropic", identity: "id-user", ...quick },
    { name: "azure", kind: "azure", identity: "id-entra", ...quick },
    { name: "azure-mi", kind: "azure", identity: "id", ...quick },
    { name: "azure-failing", kind: "azure", identity: "id-failing", ...quick },
    { name: "oci", kind: "oci", credentials: { public_key: oci.pub, key_id: "ocid1.tenancy/ocid1.user/aa:bb" }, ...quick },
]);
const base = (name, path = "") => `http://127.0.0.1:${clouds[name].port}${path}`;

const accountFile = join(work, "account.json"), userFile = join(work, "user.json");
writeFileSync(accountFile, JSON.stringify({
    type: "service_account", project_id: "p", private_key_id: "kid-1", private_key: account.text,
    client_email: "hedgerow@p.iam.gserviceaccount.com", token_uri: base("id", "/token"),
}));
writeFileSync(userFile, JSON.stringify({
    type: "authorized_user", client_id: "google-client", client_secret: secrets.google, refresh_token: secrets.refresh, token_uri: base("id-user", "/token"),
}));

// ---- proxies, each with an environment of its own ----

for (const name of Object.keys(process.env))
    if (/^(AWS|AZURE|GOOGLE|GCE|IDENTITY)_/.test(name)) delete process.env[name];
const bedrock = name => ({ kind: "bedrock", base_url: base(name), region: "eu-central-1" });
const vertex = name => ({ kind: "vertex-anthropic", base_url: base(name), project: "p", location: "europe-west4" });
const azure = (name, more) => ({ kind: "azure", endpoint: base(name), ...more });
const entraSettings = { tenant_id: "tenant-1", client_id: "client-1", client_secret: secrets.client };
const upstream = { bedrock: "us.anthropic.claude-haiku-4-5-v1:0", "vertex-anthropic": "claude-haiku-4-5", azure: "deployment", oci: "xai.grok-4" };

// One proxy for `providers`, each the only backend of the model of its name.
async function start(name, providers, environment = {}) {
    const models = {};
    for (const [provider, { kind }] of Object.entries(providers))
        models[provider] = { backends: [{ provider, model: upstream[kind] }], hedge: { mode: "off" } };
    Object.assign(process.env, environment);
    const proxy = await startProxy({ listeners: [{ address: "127.0.0.1:0" }], workers: "1", providers, models }, name);
    for (const key in environment) delete process.env[key];
    return Object.assign(proxy, { name, models: Object.keys(models) });
}
const proxies = [
    await start("fixed", {
        env_keys: bedrock("bedrock-fixed"),
        service_account: { ...vertex("vertex"), credentials: accountFile },
        user: { ...vertex("vertex-user"), credentials: userFile },
        entra: azure("azure", { ...entraSettings, authority: base("id-entra") }),
        oci: { kind: "oci", base_url: base("oci", "/openai/v1"), region: "eu-frankfurt-1", compartment: "c", tenancy: "ocid1.tenancy", user: "ocid1.user", fingerprint: "aa:bb", private_key: oci.key },
    }, { AWS_ACCESS_KEY_ID: secrets.access, AWS_SECRET_ACCESS_KEY: secrets.secret, AWS_SESSION_TOKEN: secrets.session }),
    await start("web", { web_identity: { ...bedrock("bedrock"), sts_url: base("id", "/") } }, { AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile, AWS_ROLE_ARN: role }),
    await start("container", { container: bedrock("bedrock") }, { AWS_CONTAINER_CREDENTIALS_FULL_URI: base("id", "/ecs-credentials"), AWS_CONTAINER_AUTHORIZATION_TOKEN: secrets.container }),
    await start("metadata", { imds: bedrock("bedrock"), gce: vertex("vertex"), managed: azure("azure-mi", { managed_identity: true }) },
        { AWS_EC2_METADATA_SERVICE_ENDPOINT: base("id"), GCE_METADATA_HOST: `127.0.0.1:${clouds.id.port}`, AZURE_POD_IDENTITY_AUTHORITY_HOST: base("id") }),
];
const failing = await start("failing", { failing: azure("azure-failing", { ...entraSettings, authority: base("id-failing") }) });
const skewed = await start("skewed", { ahead: bedrock("bedrock-ahead"), behind: bedrock("bedrock-behind") },
    { AWS_ACCESS_KEY_ID: secrets.access, AWS_SECRET_ACCESS_KEY: secrets.secret, AWS_SESSION_TOKEN: secrets.session });

async function ask(proxy, model, stream = false) {
    const body = JSON.stringify({ model, stream, messages: [{ role: "user", content: "echo: hi" }] });
    const answer = await request("POST", `${proxy.urls[0]}/v1/chat/completions`, body, { "content-type": "application/json" });
    return { status: answer.status, text: answer.text, good: answer.status === 200 && !answer.broken && /hi/.test(answer.text) };
}
// The value of one sample on /metrics.
async function metric(proxy, name, labels) {
    const { text } = await request("GET", `${proxy.admin}/metrics`);
    const line = text.split("\n").find(sample => sample.startsWith(`${name}{`) && labels.every(label => sample.includes(label)));
    return line && Number(line.split(" ").at(-1));
}
const state = async (proxy, provider) => metric(proxy, "hedgerow_credential_state", [`provider="${provider}"`]);
const ready = proxy => request("GET", `${proxy.admin}/readyz`);

// ---- the ways, over several refreshes ----

const CHANGING = ["service_account", "user", "entra", "web_identity", "container", "imds", "gce", "managed"];
async function refreshes() {
    const wrong = {}, done = {}, running = [];
    for (const end = Date.now() + RUN_MS; Date.now() < end; await sleep(EVERY_MS))
        for (const proxy of proxies)
            for (const model of proxy.models)
                running.push(ask(proxy, model, running.length % 2 === 1).then(answer => {
                    done[model] = (done[model] ?? 0) + 1;
                    if (!answer.good) (wrong[model] ??= []).push(`${answer.status} ${answer.text.slice(0, 200)}`);
                }, error => (wrong[model] ??= []).push(String(error))));
    await Promise.all(running);
    for (const proxy of proxies)
        for (const model of proxy.models) {
            check(`${model}_every_request_succeeds`, done[model] > RUN_MS / EVERY_MS / 2 && !wrong[model], `${wrong[model]?.length} of ${done[model]}: ${wrong[model]?.[0]}`);
            if (!CHANGING.includes(model)) continue;
            const labels = [`provider="${model}"`], good = await metric(proxy, "hedgerow_credential_refreshes_total", [...labels, 'outcome="good"']);
            check(`${model}_was_refreshed`, good > REFRESHES, `${good} times got`);
            same(`${model}_no_refresh_failed`, [await metric(proxy, "hedgerow_credential_refreshes_total", [...labels, 'outcome="failed"']), await state(proxy, model)], [0, 0]);
            const expires = await metric(proxy, "hedgerow_credential_expires_seconds", labels), now = Date.now() / 1000;
            check(`${model}_expires_in_time`, expires > now - 1 && expires <= now + LIFE_S + 1, `${expires - now} s from now`);
        }
    for (const proxy of proxies) same(`${proxy.name}_is_ready`, [(await ready(proxy)).status, (await ready(proxy)).text], [200, "ok\n"]);
    for (const name of ["bedrock", "vertex", "vertex-user", "azure", "azure-mi", "bedrock-fixed", "oci"])
        same(`${name}_refused_nobody`, (await clouds[name].stats()).unauthorized, 0);
}

// ---- a token endpoint that fails ----

async function failure() {
    check("good_at_first", (await ask(failing, "failing")).good && (await state(failing, "failing")) === 0, await state(failing, "failing"));
    const expires = await metric(failing, "hedgerow_credential_expires_seconds", ['provider="failing"']);
    await clouds["id-failing"].tune({ faults: { error_503: 1 } });
    // The refresh that follows may still have been under way.
    check("aging", await until(async () => (await state(failing, "failing")) === 1), `state ${await state(failing, "failing")}`);
    const kept = await ask(failing, "failing");
    check("the_old_one_is_kept", kept.good, kept.text);
    same("still_ready", (await ready(failing)).status, 200);
    check("expired", await until(async () => (await state(failing, "failing")) === 2, 2 * LIFE_S * 1000), `state ${await state(failing, "failing")}`);
    check("not_before_its_end", Date.now() / 1000 >= expires - 0.1, `${expires - Date.now() / 1000} s too early`);
    const { status, text } = await ready(failing);
    check("readyz_says_so", status === 503 && /provider failing: credential expired/.test(text) && /no model has a backend/.test(text), `${status} ${text}`);
    const failed = () => metric(failing, "hedgerow_credential_refreshes_total", ['provider="failing"', 'outcome="failed"']);
    check("it_is_tried_again", await until(async () => (await failed()) >= 3), `${await failed()} failures`);
    check("readyz_shows_no_secret", !text.includes(secrets.client), text);
    const refused = await ask(failing, "failing");
    check("requests_fail_as_ours", refused.status === 502, `${refused.status} ${refused.text}`);
    await clouds["id-failing"].tune({ faults: {} });
    check("good_again", await until(async () => (await state(failing, "failing")) === 0, 40_000), `state ${await state(failing, "failing")}`);
    const again = await until(async () => (await ask(failing, "failing")).good, 35_000);
    check("requests_succeed_again", again, (await ask(failing, "failing")).text);
    same("ready_again", (await ready(failing)).status, 200);
    const said = failing.texts().err;
    check("the_log_tells_the_story", /provider failing: its credential could not be refreshed/.test(said) && /provider failing: its credential has expired/.test(said) && /provider failing: its credential was obtained/.test(said), said);
}

// ---- clocks ----

async function clocks() {
    for (const model of ["ahead", "behind"]) {
        const cloud = clouds[`bedrock-${model}`], first = await ask(skewed, model), refused = (await cloud.stats()).unauthorized;
        same(`${model}_one_refusal`, refused, 1);
        let good = 0;
        await until(async () => (await ask(skewed, model)).good, 35_000); // an ejected backend rests a while
        for (let i = 0; i < 10; i++) good += (await ask(skewed, model, i % 2 === 1)).good;
        same(`${model}_corrected`, [good, (await cloud.stats()).unauthorized], [10, 1]);
        if (!first.good) check(`${model}_first_told`, first.status === 502, `${first.status} ${first.text}`);
    }
}

await Promise.all([test("every_way_over_several_refreshes", refreshes), test("a_failing_endpoint", failure), test("clocks_that_differ", clocks)]);

// ---- nothing is written ----

await test("no_secret_is_ever_written", async () => {
    // What was issued, too: the last that each cloud saw.
    const issued = [];
    for (const name of ["bedrock", "vertex", "azure", "azure-mi"])
        for (const [field, value] of (await clouds[name].last()).headers)
            if (/^(authorization|x-amz-security-token)$/.test(field)) issued.push(value.replace(/^Bearer /, ""));
    check("tokens_were_sent", issued.length >= 4 && issued.every(value => value.length > 20), issued.length);
    for (const proxy of [...proxies, failing, skewed]) {
        const { out, err } = proxy.texts(), metrics = (await request("GET", `${proxy.admin}/metrics`)).text;
        const written = readFileSync(proxy.log, "utf8") + out + err + metrics + (await ready(proxy)).text;
        for (const [name, secret] of Object.entries(secrets)) if (written.includes(secret)) bad(`${proxy.name}_writes_${name}`, "it is in the logs");
        check(`${proxy.name}_writes_no_token`, !issued.some(value => written.includes(value)) && !/BEGIN (RSA )?PRIVATE|ya29\.|eyJ0eXAi|ASIA[A-Z2-7]{16}/.test(written), "a token is in the logs");
    }
});
await finish();
