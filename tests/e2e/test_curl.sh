#!/bin/bash
# test_curl.sh - the running proxy between curl and simulated clouds over TLS: answers, headers, refusals, keys,
# certificates, cancelling, the access log, reload and drain.
#
# Prints "ok NAME" or "not ok NAME: why" lines; exit 1 when one failed.
. "$(dirname "$0")/lib.sh"
e2e_begin

digest() { printf %s "$1" | sha256sum | cut -c1-64; }
prompt_secret=prompt-fa51c0de answer_secret=answer-0ddba11
client_key=sk-client-7a3f90d1 admin_key=sk-operations-55aa

cat >"$work/clouds.yaml" <<YAML
seed: 5
tls_dir: $work/ca
clouds:
  - name: first
    listen: 127.0.0.1:0
    tls: true
    host: api.first.test
    api_key: sk-first-cloud
    models: [gpt-real]
    ttft: {dist: constant, value: 20ms}
    tokens: {count: 6, interval: 2ms}
  - name: second
    kind: azure
    listen: 127.0.0.1:0
    tls: true
    host: second.openai.test
    api_key: az-second-cloud
    models: {dep-1: gpt-azure}
    ttft: {dist: constant, value: 20ms}
    tokens: {count: 6, interval: 2ms}
YAML
clouds_start "$work/clouds.yaml" main
first=$(cloud main first port) second=$(cloud main second port)
first_control=$(cloud main first control) second_control=$(cloud main second control)
ca=$work/ca/ca.pem

# write_config FILE MODEL: the configuration of the main proxy; MODEL is the name of its third model.
write_config() {
    cat >"$1" <<YAML
version: 1
listeners:
  - address: 127.0.0.1:0
    tls: {certificate: $work/ca/api.first.test.pem, private_key: $work/ca/api.first.test.key}
  - address: 127.0.0.1:0
admin: {address: 127.0.0.1:0}
workers: 2
providers:
  first:  {kind: openai, base_url: "https://127.0.0.1:$first/v1", api_key: sk-first-cloud, region: us, tls: {ca: $ca, server_name: api.first.test}}
  second: {kind: azure, endpoint: "https://127.0.0.1:$second", api_key: az-second-cloud, region: eu, tls: {ca: $ca, server_name: second.openai.test}}
models:
  gpt:
    backends: [{provider: first, model: gpt-real}, {provider: second, model: dep-1}]
    strategy: ordered
    hedge: {mode: off}
    aliases: [gpt-alias]
  gpt-azure:
    backends: [{provider: second, model: dep-1}]
    hedge: {mode: off}
  $2:
    backends: [{provider: first, model: gpt-real}]
    hedge: {mode: off}
keys:
  - {name: team-a, sha256: $(digest $client_key), models: ["gpt*"]}
  - {name: operations, sha256: $(digest $admin_key)}
  - {name: europe, sha256: $(digest sk-europe), residency: eu}
limits: {body: 64KiB, drain_timeout: 8s}
telemetry: {access_log: {path: $work/access.log}}
YAML
}
write_config "$work/hedgerow.yaml" internal
proxy_start "$work/hedgerow.yaml" main
tls_url=${proxy_urls[0]} url=${proxy_urls[1]} main_pid=$proxy_pid main_admin=$proxy_admin

json='content-type: application/json'
type=$json
auth="authorization: Bearer $client_key"
body_of() { printf '{"model":"%s","stream":%s,"messages":[{"role":"user","content":"%s"}]}' "$1" "$2" "$3"; }
# ask MODEL STREAM PROMPT [CURL-OPTION...]: body in $work/body, head in $work/head, status in $code.
ask() {
    local body
    body=$(body_of "$1" "$2" "$3")
    shift 3
    post "$body" "$@"
}
# post BODY [CURL-OPTION...]
post() {
    local body=$1
    shift
    code=$(curl -s -m 15 --cacert "$ca" -o "$work/body" -D "$work/head" -w '%{http_code}' -H "$type" -H "$auth" \
        -d "$body" "$@" "$tls_url/v1/chat/completions")
    reply=$(cat "$work/body" 2>/dev/null)
}
# refusal NAME STATUS TYPE-OR-CODE: of the last request, in the dialect's shape and with a message.
refusal() {
    verdict "$1_status" "$2" "$code"
    if [[ $reply == '{"error":{"message":"'?*'","type":"'*'","param":'*',"code":'*'}}' && $reply == *"$3"* ]]; then
        ok "$1_body"
    else
        bad "$1_body" "no error body with $3: $reply"
    fi
}

# ---- answers ----

echo_prompt="echo: $prompt_secret $answer_secret one  two"
ask gpt true "$echo_prompt" -H 'x-request-id: my-id-1'
verdict stream_status 200 "$code"
verdict stream_text "$prompt_secret $answer_secret one  two" "$(text_of <<<"$reply")"
contains stream_done 'data: [DONE]' "$reply"
verdict stream_type 'text/event-stream; charset=utf-8' "$(head_field content-type "$work/head")"
verdict stream_no_usage_unasked 0 "$(grep -c '"prompt_tokens"' <<<"$reply")"
verdict header_request_id my-id-1 "$(head_field x-request-id "$work/head")"
verdict header_provider first "$(head_field x-hedgerow-provider "$work/head")"
verdict header_model gpt-real "$(head_field x-hedgerow-model "$work/head")"
verdict header_attempts 1 "$(head_field x-hedgerow-attempts "$work/head")"
verdict header_hedge none "$(head_field x-hedgerow-hedge "$work/head")"
contains header_upstream_id req_ "$(head_field x-upstream-request-id "$work/head")"
timing=$(head_field server-timing "$work/head")
if [[ $timing =~ ^queue\;dur=[0-9.]+,\ upstream\;desc=\"first\"\;dur=[0-9.]+,\ ttft\;dur=[0-9.]+,\ overhead\;dur=[0-9.]+$ ]]; then
    ok header_server_timing
else
    bad header_server_timing "$timing"
fi
sent=$(curl -s -m 5 "$first_control/sim/last")
contains upstream_key '["authorization","Bearer sk-first-cloud"]' "$sent"
contains upstream_request_id '["x-request-id","my-id-1"]' "$sent"
contains upstream_model '\"model\":\"gpt-real\"' "$sent"
lacks upstream_no_client_key "$client_key" "$sent"

post '{"model":"gpt","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}'
verdict stream_usage_asked 1 "$(grep -c '"prompt_tokens"' <<<"$reply")"

ask gpt false "$echo_prompt"
verdict whole_status 200 "$code"
contains whole_text "\"content\":\"$prompt_secret $answer_secret one  two\"" "$reply"
contains whole_object '"object":"chat.completion"' "$reply"
contains whole_usage '"usage":{"prompt_tokens":' "$reply"
contains whole_type application/json "$(head_field content-type "$work/head")"
verdict whole_provider first "$(head_field x-hedgerow-provider "$work/head")"
id=$(head_field x-request-id "$work/head")
if [[ $id =~ ^[0-9a-f]{32}$ ]]; then ok header_request_id_made; else bad header_request_id_made "$id"; fi

tool='"tool_choice":"required","tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]'
post "{\"model\":\"gpt\",$tool,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
contains tools_whole '"function":{"name":"get_weather","arguments":"{' "$reply"
contains tools_whole_finish '"finish_reason":"tool_calls"' "$reply"
post "{\"model\":\"gpt\",\"stream\":true,$tool,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
contains tools_stream '"name":"get_weather"' "$reply"
contains tools_stream_finish '"finish_reason":"tool_calls"' "$reply"

ask gpt-azure true 'echo: from azure'
verdict azure_stream_text 'from azure' "$(text_of <<<"$reply")"
verdict azure_provider second "$(head_field x-hedgerow-provider "$work/head")"
contains azure_key '["api-key","az-second-cloud"]' "$(curl -s -m 5 "$second_control/sim/last")"
ask gpt-alias false 'echo: aliased'
contains alias_text '"content":"aliased"' "$reply"

long=$(head -c 40000 /dev/zero | tr '\0' x)
body_of gpt false "echo: $long" >"$work/long.json"
post "@$work/long.json" -H 'Transfer-Encoding: chunked' -H 'Expect: 100-continue'
contains chunked_upload "\"content\":\"$long\"" "$reply"
verdict keep_alive '1 0 ' "$(curl -s -m 10 -o /dev/null -o /dev/null -w '%{num_connects} ' --cacert "$ca" -H "$json" -H "$auth" \
    -d "$(body_of gpt true hi)" "$tls_url/v1/chat/completions" "$tls_url/v1/chat/completions")"
code=$(curl -s -m 10 -o "$work/body" -w '%{http_code}' -H "$json" -H "$auth" -d "$(body_of gpt false 'echo: clear')" "$url/chat/completions")
contains clear_listener_short_path '"content":"clear"' "$(cat "$work/body")"
contains tls_1_2 TLSv1.2 "$(curl -sv -m 5 --tls-max 1.2 --cacert "$ca" "$tls_url/health" 2>&1)"
contains tls_1_3 TLSv1.3 "$(curl -sv -m 5 --cacert "$ca" "$tls_url/health" 2>&1)"

# ---- what the client may wish ----

ask gpt true hi -H 'x-hedgerow-backends: second' -H 'x-hedgerow-tags: team=a' -H 'x-hedgerow-timeout: 9s'
verdict wish_backends second "$(head_field x-hedgerow-provider "$work/head")"
lacks wish_not_sent_upstream x-hedgerow "$(curl -s -m 5 "$second_control/sim/last")"
ask gpt true hi -H 'x-hedgerow-residency: eu'
verdict wish_residency second "$(head_field x-hedgerow-provider "$work/head")"
ask gpt true hi -H 'x-hedgerow-residency: mars'
refusal wish_residency_nobody 403 residency
ask gpt true hi -H 'x-hedgerow-hedge: sometimes'
refusal wish_hedge_wrong 400 x-hedgerow-hedge
tune "$first_control" '{"ttft":{"dist":"constant","value":"2s"}}'
ask gpt true hi -H 'x-hedgerow-hedge: fixed=30ms'
verdict wish_hedge_won won "$(head_field x-hedgerow-hedge "$work/head")"
verdict wish_hedge_attempts 2 "$(head_field x-hedgerow-attempts "$work/head")"
verdict wish_hedge_provider second "$(head_field x-hedgerow-provider "$work/head")"
ask gpt false hi -H 'x-hedgerow-hedge: race'
verdict wish_race_provider second "$(head_field x-hedgerow-provider "$work/head")"
ask gpt true hi -H 'x-hedgerow-timeout: 150ms'
refusal wish_timeout 504 error
tune "$first_control" '{"ttft":{"dist":"constant","value":"20ms"}}'
auth='authorization: Bearer sk-europe'
ask gpt true hi
verdict key_residency second "$(head_field x-hedgerow-provider "$work/head")"

# ---- refusals ----

auth='accept: */*'
ask gpt true hi
refusal no_key 401 invalid_api_key
ask gpt true hi -H 'authorization: Bearer sk-wrong'
refusal wrong_key 401 invalid_api_key
ask gpt true hi -H "x-api-key: $client_key"
verdict key_by_x_api_key 200 "$code"
ask gpt true hi -H "api-key: $client_key"
verdict key_by_api_key 200 "$code"
auth="authorization: Bearer $client_key"
ask no-such-model true hi
refusal unknown_model 404 model_not_found
ask internal true hi
refusal forbidden_model 403 model_not_allowed
post '{"model":"gpt","messages":'
refusal malformed_json 400 invalid_request_error
post '{"messages":[{"role":"user","content":"hi"}]}'
refusal missing_model 400 '"param":"model"'
post '{"model":"gpt"}'
verdict missing_messages 400 "$code"
post '{"model":"gpt","temperature":9,"messages":[{"role":"user","content":"hi"}]}'
refusal refused_by_provider 400 temperature
verdict refused_by_provider_not_retried 1 "$(head_field x-hedgerow-attempts "$work/head")"
code=$(curl -s -m 5 --cacert "$ca" -o "$work/body" -D "$work/head" -w '%{http_code}' -H "$auth" "$tls_url/v1/chat/completions")
reply=$(cat "$work/body")
refusal wrong_method 405 POST
verdict wrong_method_allow POST "$(head_field allow "$work/head")"
code=$(curl -s -m 5 --cacert "$ca" -o "$work/body" -w '%{http_code}' -H "$auth" -H "$json" -d '{}' "$tls_url/v1/no-such-thing")
reply=$(cat "$work/body")
refusal unknown_path 404 path
head -c 80000 /dev/zero | tr '\0' x | sed 's/^/{"model":"gpt","messages":[{"role":"user","content":"/; s/$/"}]}/' >"$work/big.json"
post "@$work/big.json"
refusal large_body 413 'limits.body'
post "@$work/big.json" -H 'Transfer-Encoding: chunked'
verdict large_body_chunked 413 "$code"
type='content-type: text/plain'
post '{"model":"gpt"}'
refusal media_type 415 application/json
type=$json
post '' -X POST
verdict no_body 411 "$code"
bad_http() { printf '%b' "$1" | timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/'"${url##*:}"'; cat >&3; head -n 1 <&3' | tr -d '\r'; }
contains smuggling_refused 'HTTP/1.1 400' "$(bad_http 'POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n')"

# ---- answers from the configuration, the admin listener ----

models=$(curl -s -m 5 --cacert "$ca" -H "$auth" "$tls_url/v1/models")
contains models_list '{"object":"list","data":[{"id":"gpt","object":"model"' "$models"
lacks models_only_allowed '"internal"' "$models"
contains models_all '"internal"' "$(curl -s -m 5 --cacert "$ca" -H "authorization: Bearer $admin_key" "$tls_url/v1/models")"
contains model_one '{"id":"gpt-azure","object":"model"' "$(curl -s -m 5 --cacert "$ca" -H "$auth" "$tls_url/v1/models/gpt-azure")"
verdict model_unknown 404 "$(curl -s -m 5 --cacert "$ca" -o /dev/null -w '%{http_code}' -H "$auth" "$tls_url/v1/models/none")"
verdict models_need_key 401 "$(curl -s -m 5 --cacert "$ca" -o /dev/null -w '%{http_code}' "$tls_url/v1/models")"
verdict health 200 "$(curl -s -m 5 --cacert "$ca" -o /dev/null -w '%{http_code}' "$tls_url/health")"
for page in livez readyz metrics; do
    verdict admin_$page 200 "$(curl -s -m 5 -o "$work/$page" -w '%{http_code}' "$proxy_admin/$page")"
done
verdict admin_not_on_data_listener 404 "$(curl -s -m 5 -o /dev/null -w '%{http_code}' "$url/metrics")"
verdict admin_unknown 404 "$(curl -s -m 5 -o /dev/null -w '%{http_code}' "$proxy_admin/nothing")"
for name in 'hedgerow_requests_total{model="gpt",status="200"} ' 'hedgerow_requests_total{model="gpt",status="400"} 1' \
    'hedgerow_attempts_total{provider="first",model="gpt-real",outcome="won"} ' 'hedgerow_hedges_won_total' \
    'hedgerow_hedges_started_total{model="gpt",trigger="delay"} ' 'gen_ai_server_time_to_first_token_seconds_bucket{' \
    'gen_ai_server_request_duration_seconds_count{' hedgerow_overhead_seconds hedgerow_backend_state \
    hedgerow_connections hedgerow_upstream_handshakes_total hedgerow_memory_bytes hedgerow_build_info; do
    contains "metrics_${name%%[{ ]*}" "$name" "$(cat "$work/metrics")"
done
# Text format 0.0.4: comments, or NAME{LABELS} VALUE.
verdict metrics_syntax '' "$(grep -vE '^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{([a-z_]+="[^"]*",?)*\})? ([0-9.e+-]+|[+-]Inf|NaN))$' "$work/metrics" | head -n 3)"

# ---- failover ----

tune "$first_control" '{"next":["error_500"]}'
ask gpt true 'echo: after a failure'
verdict failover_text 'after a failure' "$(text_of <<<"$reply")"
verdict failover_attempts 2 "$(head_field x-hedgerow-attempts "$work/head")"
tune "$first_control" '{"next":["rate_limit"]}'
ask gpt true hi -H 'x-hedgerow-backends: first'
refusal rate_limited 429 rate_limit
verdict rate_limited_retry_after 1 "$(head_field retry-after "$work/head")"
verdict rate_limited_retry_after_ms 750 "$(head_field retry-after-ms "$work/head")"
tune "$first_control" '{"next":["truncate"]}'
ask gpt true hi -H 'x-hedgerow-backends: first'
contains truncated_error_event '"error":{' "$(tail -n 3 "$work/body")"
lacks truncated_not_finished '[DONE]' "$reply"
tune "$first_control" '{"next":["truncate"]}'
ask gpt false hi -H 'x-hedgerow-backends: first'
refusal truncated_whole 502 error

# ---- a client that leaves ----

tune "$first_control" '{"ttft":{"dist":"constant","value":"30s"}}'
for stream in true false; do
    before=$(counter "$first_control" cancelled)
    ask gpt $stream hi -m 0.3 -H "x-request-id: leaver-$stream" -H 'x-hedgerow-backends: first'
    if until_true cancelled_is "$first_control" $((before + 1)); then
        ok "client_left_before_first_token_stream_$stream"
    else
        bad "client_left_before_first_token_stream_$stream" "cancelled: $(counter "$first_control" cancelled), before $before"
    fi
done
tune "$first_control" '{"ttft":{"dist":"constant","value":"20ms"},"tokens":{"count":400,"interval":"50ms"}}'
before=$(counter "$first_control" cancelled)
ask gpt true hi -m 0.5 -H 'x-request-id: leaver-midway' -H 'x-hedgerow-backends: first'
contains client_left_midway_had_tokens '"content"' "$reply"
if until_true cancelled_is "$first_control" $((before + 1)); then ok client_left_midway; else
    bad client_left_midway "cancelled: $(counter "$first_control" cancelled), before $before"
fi
tune "$first_control" '{"tokens":{"count":6,"interval":"2ms"}}'

# ---- certificates ----

cat >"$work/ca.cnf" <<CNF
[ca]
default_ca = d
[d]
database = $work/index
serial = $work/serial
new_certs_dir = $work
default_md = sha256
policy = p
unique_subject = no
[p]
commonName = supplied
[leaf]
subjectAltName = DNS:api.first.test
CNF
: >"$work/index"
echo 01 >"$work/serial"
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/old.key" -out "$work/old.csr" \
    -subj /CN=api.first.test 2>"$work/openssl.err" &&
    openssl ca -batch -config "$work/ca.cnf" -extensions leaf -cert "$ca" -keyfile "$work/ca/ca.key" \
        -startdate 20200101000000Z -enddate 20200201000000Z -in "$work/old.csr" -out "$work/old.pem" 2>>"$work/openssl.err" ||
    bad expired_certificate_made "$(cat "$work/openssl.err")"
openssl s_server -accept 127.0.0.1:0 -cert "$work/old.pem" -key "$work/old.key" -www >"$work/s_server" 2>&1 &
e2e_pids+=($!)
until_true grep -q '^ACCEPT 127' "$work/s_server"
expired=$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' "$work/s_server" | head -n 1)
# In the issuer's place the system's store: nobody there has signed the clouds' certificates.
cat >"$work/certificates.yaml" <<YAML
version: 1
listeners: [{address: 127.0.0.1:0}]
providers:
  expired:    {kind: openai, base_url: "https://127.0.0.1:$expired/v1", api_key: k, tls: {ca: $ca, server_name: api.first.test}}
  wrong-host: {kind: openai, base_url: "https://127.0.0.1:$first/v1", api_key: k, tls: {ca: $ca, server_name: api.other.test}}
  unknown-ca: {kind: openai, base_url: "https://127.0.0.1:$first/v1", api_key: k, tls: {server_name: api.first.test}}
  unchecked:  {kind: openai, base_url: "https://127.0.0.1:$first/v1", api_key: sk-first-cloud, tls: {insecure_skip_verify: true}}
models:
  expired:    {backends: [{provider: expired, model: gpt-real}]}
  wrong-host: {backends: [{provider: wrong-host, model: gpt-real}]}
  unknown-ca: {backends: [{provider: unknown-ca, model: gpt-real}]}
  unchecked:  {backends: [{provider: unchecked, model: gpt-real}]}
telemetry: {access_log: {path: $work/certificates.log}}
YAML
proxy_start "$work/certificates.yaml" certificates
requests_before=$(counter "$first_control" requests)
for model in expired wrong-host unknown-ca; do
    code=$(curl -s -m 5 -o "$work/body" -w '%{http_code}' -H "$json" -H "x-request-id: certificate-$model" \
        -d "$(body_of $model true hi)" "$proxy_url/v1/chat/completions")
    reply=$(cat "$work/body")
    refusal "certificate_${model}" 502 certificate
    contains "certificate_${model}_log" '"reason":"tls_certificate"' \
        "$(until_true grep -q "certificate-$model" "$work/certificates.log" && grep "certificate-$model" "$work/certificates.log")"
done
verdict certificate_nothing_sent "$requests_before" "$(counter "$first_control" requests)"
verdict certificate_unchecked 200 "$(curl -s -m 5 -o /dev/null -w '%{http_code}' -H "$json" -d "$(body_of unchecked false hi)" "$proxy_url/v1/chat/completions")"

# ---- reload ----

"$bench" load --url "$url" --key $client_key --model gpt --stream --rate 100 --duration 3s --timeout 10s \
    --json "$work/load.json" >"$work/load.err" 2>&1 &
load_pid=$!
e2e_pids+=("$load_pid")
reloads() { [ "$(grep -c "reload: $1" "$work/main.err")" -ge "$2" ]; }
for round in 1 2 3; do
    sleep 0.3
    write_config "$work/hedgerow.yaml" "internal-$round"
    kill -HUP "$main_pid"
    until_true reloads 'configuration' $round
    echo 'nonsense: [' >"$work/hedgerow.yaml"
    kill -HUP "$main_pid"
    until_true reloads 'refused' $round
done
contains reload_said_so 'reload: configuration' "$(cat "$work/main.err")"
contains reload_bad_says_where 'hedgerow.yaml:2:1: ' "$(cat "$work/main.err")"
contains reload_last_good_in_use '"internal-3"' \
    "$(curl -s -m 5 --cacert "$ca" -H "authorization: Bearer $admin_key" "$tls_url/v1/models")"
ended $load_pid 15 || bad reload_load "the load did not end"
number reload_load_ran "$(grep -o '"requests":[0-9]*' "$work/load.json" | head -n 1 | sed 's/.*://')" -ge 150
verdict reload_no_request_failed '"failed":0' "$(grep -o '"failed":[0-9]*' "$work/load.json" | head -n 1)"

# ---- drain ----

tune "$first_control" '{"tokens":{"count":40,"interval":"50ms"}}'
curl -sN -m 15 -o "$work/drained" -H "$json" -H "$auth" -d "$(body_of gpt true hi)" "$url/v1/chat/completions" &
stream_pid=$!
e2e_pids+=("$stream_pid")
until_true grep -q '"content"' "$work/drained" 2>/dev/null
kill -TERM "$main_pid"
until_true grep -q 'draining' "$work/main.err"
refused_now() { ! curl -s -m 2 -o /dev/null "$url/health"; }
if until_true refused_now; then ok drain_refuses_new_connections; else bad drain_refuses_new_connections "still accepted"; fi
verdict drain_not_ready 503 "$(curl -s -m 5 -o /dev/null -w '%{http_code}' "$main_admin/readyz")"
if ended "$stream_pid" 10; then verdict drain_stream_curl 0 $status; else bad drain_stream_curl "the stream did not end"; fi
contains drain_stream_finished 'data: [DONE]' "$(cat "$work/drained")"
if ended "$main_pid" 5; then verdict drain_exit 0 $status; else bad drain_exit "the proxy did not end"; fi

# ---- the access log ----

cat >"$work/log.mjs" <<'JS'
import { readFileSync } from "node:fs";
const lines = readFileSync(process.argv[2], "utf8").split("\n");
const say = (name, why) => console.log(why ? `not ok ${name}: ${why}` : `ok ${name}`);
say("log_ends_whole", lines.pop() === "" ? "" : "the last line has no end");
const records = [];
let broken = "";
for (const line of lines) try { records.push(JSON.parse(line)); } catch (e) { broken ||= `${e.message}: ${line}`; }
say("log_lines_are_json", broken || (records.length > 200 ? "" : `only ${records.length} lines`));
const wanted = ["time", "id", "model", "status", "stream", "bytes_in", "bytes_out", "total_ms", "reason", "attempts"];
const find = id => records.find(r => r.id === id) ?? {};
const answered = find("my-id-1");
say("log_has_members", wanted.filter(name => !(name in answered)).join(" "));
say("log_key_name", answered.key === "team-a" ? "" : `key is ${answered.key}`);
say("log_winner", answered.winner === "first" && answered.status === 200 ? "" : JSON.stringify(answered));
say("log_ttft", answered.ttft_ms >= 15 && answered.ttft_ms <= answered.total_ms ? "" : JSON.stringify(answered));
const attempt = answered.attempts?.[0] ?? {};
say("log_attempt", ["provider", "model", "trigger", "start_ms", "reused", "head_ms", "first_token_ms", "end_ms", "outcome", "status"]
    .filter(name => !(name in attempt)).join(" "));
say("log_attempt_outcome", attempt.outcome === "won" && attempt.provider === "first" ? "" : JSON.stringify(attempt));
for (const id of ["leaver-true", "leaver-false"])
    say(`log_${id}`, find(id).status === 499 ? "" : `status ${find(id).status}: ${JSON.stringify(find(id))}`);
JS
node "$work/log.mjs" "$work/access.log" >"$work/log.result"
cat "$work/log.result"
! grep -q '^not ok' "$work/log.result" || failed=1
for secret in "$client_key" "$admin_key" sk-first-cloud az-second-cloud "$prompt_secret" "$answer_secret" "$(digest $client_key)"; do
    lacks "log_without_${secret:0:9}" "$secret" "$(cat "$work/access.log" "$work/main.err" "$work/metrics")"
done
exit $failed
