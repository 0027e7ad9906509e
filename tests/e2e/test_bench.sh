#!/bin/bash
# test_bench.sh - the simulated clouds and the load generator, driven with curl: wire format, keys, faults,
# replay, cancelling, reports. Prints "ok NAME", "not ok NAME: why", "skip NAME: why"; fails when one failed.
#
# HEDGEROW_BENCH names the program (default build/hedgerow-bench), HEDGEROW_SHARED the shared data.
set -u
bench=${HEDGEROW_BENCH:-build/hedgerow-bench}
shared=${HEDGEROW_SHARED:-../shared}
work=$(mktemp -d)
failed=0
pids=()

finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
    wait 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT

# ok NAME, bad NAME WHY; verdict NAME WANT GOT compares.
ok() { echo "ok $1"; }
bad() {
    echo "not ok $1: $2"
    failed=1
}
verdict() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1" "wanted '$2', got '${3:0:300}'"; fi; }
contains() { case $3 in *"$2"*) ok "$1" ;; *) bad "$1" "no '$2' in '${3:0:400}'" ;; esac }

if [ ! -x "$bench" ]; then
    bad bench_program "$bench is not there; make builds it"
    exit 1
fi

# start_clouds CONFIG TAG: runs the clouds in the background until "ready"; their lines are in $work/TAG.out.
start_clouds() {
    "$bench" clouds --config "$1" --ready-fd 3 >"$work/$2.out" 2>"$work/$2.err" 3>"$work/$2.ready" &
    clouds_pid=$!
    pids+=("$clouds_pid")
    for _ in $(seq 100); do
        [ -s "$work/$2.ready" ] && return 0
        kill -0 "$clouds_pid" 2>/dev/null || break
        sleep 0.05
    done
    bad "bench_start_$2" "$(cat "$work/$2.err")"
    exit 1
}
# member NAME FILE LINE: a member of the JSON line of a cloud.
member() { sed -n "$3p" "$2" | sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }
# counter NAME CONTROL-URL: one of /sim/stats.
counter() { curl -s -m 5 "$2/sim/stats" | grep -o "\"$1\":[0-9]\+" | head -1 | sed 's/.*://'; }
tune() { curl -s -m 5 -o /dev/null -w '%{http_code}' -d "$2" "$1/sim/faults"; }
# The content deltas of a stream on standard input, put together.
text_of() { sed -n 's/^data: .*"delta":{"content":"\(\([^"\\]\|\\.\)*\)"},".*/\1/p' | tr -d '\n'; }

cat >"$work/clouds.yaml" <<YAML
seed: 5
tls_dir: $work/ca
clouds:
  - name: openai-sim
    listen: 127.0.0.1:0
    tls: true
    host: api.openai.test
    api_key: sk-right
    models: {gpt-a: gpt-a-2026, gpt-b: gpt-b}
    ttft: {dist: constant, value: 20ms}
    tokens: {count: 6, interval: 2ms}
  - name: azure-sim
    kind: azure
    listen: 127.0.0.1:0
    api_key: az-right
    models: {dep-1: gpt-real}
    ttft: {dist: constant, value: 10ms}
    tokens: {count: 4, interval: 1ms}
YAML
start_clouds "$work/clouds.yaml" main
main_pid=$clouds_pid
port=$(member port "$work/main.out" 1)
control=$(member control "$work/main.out" 1)
ca=$(member ca "$work/main.out" 1)
azure=$(member url "$work/main.out" 2)
base=https://api.openai.test:$port/v1
tls=(--cacert "$ca" --resolve "api.openai.test:$port:127.0.0.1")
json='content-type: application/json'
key='authorization: Bearer sk-right'
hello='{"model":"gpt-a","stream":true,"messages":[{"role":"user","content":"hi"}]}'
ask() { curl -s -m 5 "${tls[@]}" -H "$json" -H "$key" "$@" "$base/chat/completions"; }

# ---- wire format ----
echo_body='{"model":"gpt-a","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"echo: one  two three"}]}'
out=$(ask -d "$echo_body")
verdict bench_stream_text "one  two three" "$(text_of <<<"$out")"
verdict bench_stream_first_event 1 "$(head -1 <<<"$out" | grep -c '"delta":{"role":"assistant","content":"","refusal":null}')"
verdict bench_stream_usage_last 1 "$(grep -v '^$' <<<"$out" | tail -2 | head -1 | grep -c '"choices":\[\],"usage":{"prompt_tokens"')"
verdict bench_stream_done "data: [DONE]" "$(grep -v '^$' <<<"$out" | tail -1)"
verdict bench_stream_one_id 1 "$(grep -o '"id":"chatcmpl-[^"]*"' <<<"$out" | sort -u | wc -l)"
contains bench_stream_answered_model '"model":"gpt-a-2026"' "$out"
out=$(ask -d "${echo_body//\"include_usage\":true/\"include_usage\":false}")
verdict bench_stream_no_usage_unasked 0 "$(grep -c usage <<<"$out")"
out=$(ask -d '{"model":"gpt-a","messages":[{"role":"user","content":"echo: \"a\"\nb"}]}')
contains bench_whole_text '"content":"\"a\"\nb"' "$out"
out=$(ask -d '{"model":"gpt-a","stream":true,"tool_choice":"required","tools":[{"type":"function","function":{"name":"get_it","parameters":{"properties":{"n":{"type":"integer"}}}}}],"messages":[{"role":"user","content":"hi"}]}')
contains bench_stream_tool_call '"type":"function","function":{"name":"get_it","arguments":""}' "$out"
contains bench_stream_tool_finish '"finish_reason":"tool_calls"' "$out"
out=$(ask -i -H 'x-request-id: mine' -d "$hello")
contains bench_head_type 'Content-Type: text/event-stream' "$out"
contains bench_head_id 'x-request-id: req_' "$out"
contains bench_head_limits 'x-ratelimit-remaining-requests: ' "$out"
contains bench_last_request '["x-request-id","mine"]' "$(curl -s -m 5 "$control/sim/last")"

azure_ask() { curl -s -m 5 -H "$json" -H 'api-key: az-right' "$@"; }
azure_body='{"stream":true,"messages":[{"role":"user","content":"echo:deployment style"}]}'
out=$(azure_ask -d "$azure_body" "$azure/openai/deployments/dep-1/chat/completions?api-version=2024-10-21")
verdict bench_azure_deployment_text "deployment style" "$(text_of <<<"$out")"
verdict bench_azure_prompt_filter_first 1 "$(head -1 <<<"$out" | grep -c '"choices":\[\].*prompt_filter_results')"
contains bench_azure_model '"model":"gpt-real"' "$out"
out=$(azure_ask -d '{"model":"dep-1","messages":[{"role":"user","content":"echo:v1 style"}]}' "$azure/openai/v1/chat/completions")
contains bench_azure_v1_text '"content":"v1 style"' "$out"
out=$(azure_ask -w '%{http_code}' -d "$azure_body" "$azure/openai/deployments/dep-1/chat/completions")
verdict bench_azure_needs_version '{"error":{"code":"404","message":"Resource not found"}}404' "$out"
out=$(azure_ask -w '%{http_code}' -d "$azure_body" "$azure/openai/deployments/dep-2/chat/completions?api-version=1")
contains bench_azure_unknown_deployment '{"error":{"code":"DeploymentNotFound"' "$out"
out=$(curl -s -m 5 -H "$json" -H 'api-key: wrong' -w '%{http_code}' -d "$azure_body" "$azure/openai/v1/chat/completions")
contains bench_azure_wrong_key '{"error":{"code":"401","message":"Access denied' "$out"
verdict bench_azure_wrong_key_status 401 "${out: -3}"

# ---- refusals ----
refused() { curl -s -m 5 "${tls[@]}" -H "$json" -w ' %{http_code}' "$@"; }
contains bench_wrong_key '"code":"invalid_api_key"}} 401' "$(refused -H 'authorization: Bearer no' -d "$hello" "$base/chat/completions")"
contains bench_no_key "You didn't provide an API key" "$(refused -d "$hello" "$base/chat/completions")"
contains bench_unknown_model '"code":"model_not_found"}} 404' "$(refused -H "$key" -d "${hello/gpt-a/gpt-z}" "$base/chat/completions")"
contains bench_unknown_member '"param":"colour","code":"unknown_parameter"}} 400' "$(refused -H "$key" -d '{"model":"gpt-a","colour":1,"messages":[]}' "$base/chat/completions")"
contains bench_bad_json 'We could not parse the JSON body' "$(refused -H "$key" -d '{"model":' "$base/chat/completions")"
contains bench_wrong_path 'Invalid URL (POST /v1/chat)' "$(refused -H "$key" -d '{}' "$base/chat")"
contains bench_wrong_method '"code":"method_not_supported"}} 405' "$(refused -H "$key" "$base/chat/completions")"
contains bench_models '"id":"gpt-a","object":"model"' "$(refused -H "$key" "$base/models")"
contains bench_model '{"id":"gpt-b","object":"model"' "$(refused -H "$key" "$base/models/gpt-b")"

# ---- HTTP and TLS ----
out=$(ask -v -H 'Expect: 100-continue' -H 'Transfer-Encoding: chunked' -d "$hello" 2>&1)
contains bench_expect_continue 'HTTP/1.1 100 Continue' "$out"
contains bench_alpn 'server accepted http/1.1' "$out"
contains bench_chunked_request '[DONE]' "$out"
contains bench_tls12 '[DONE]' "$(ask --tls-max 1.2 -d "$hello")"
contains bench_http10 '[DONE]' "$(ask --no-alpn --http1.0 -d "$hello")"
before=$(counter keepalive_reuse "$control")
curl -s -m 5 "${tls[@]}" -H "$json" -H "$key" -d "$hello" "$base/chat/completions" "$base/chat/completions" >/dev/null
verdict bench_keepalive 1 "$(($(counter keepalive_reuse "$control") - before))"
head -c 3000000 /dev/zero | tr '\0' 'x' | sed 's/^/{"model":"gpt-a","messages":[{"role":"user","content":"/; s/$/"}]}/' >"$work/big.json"
contains bench_large_body '"object":"chat.completion"' "$(ask -d "@$work/big.json")"

# ---- a limit of requests: two at once, the third is refused; what is left is told ----
verdict bench_set_rpm 200 "$(tune "$control" '{"rpm":2}')"
contains bench_rpm_tells_what_is_left 'x-ratelimit-remaining-requests: 1' "$(ask -i -d "$hello")"
contains bench_rpm_takes_as_many 'HTTP/1.1 200 ' "$(ask -i -d "$hello")"
out=$(ask -i -d "$hello")
contains bench_rpm_refuses_the_others 'HTTP/1.1 429 ' "$out"
contains bench_rpm_is_spent 'x-ratelimit-remaining-requests: 0' "$out"
contains bench_rpm_reset 'x-ratelimit-reset-requests: 59' "$out"
verdict bench_unset_rpm 200 "$(tune "$control" '{"rpm":0}')"

# ---- faults ----
# fault NAME: makes it certain. result: curl's exit status, HTTP status and whether text, finish, DONE came.
fault() { verdict "bench_set_$1" 200 "$(tune "$control" "{\"faults\":{\"$1\":\"100%\"}}")"; }
result() {
    local code
    out=$(ask -m "${1:-2}" -w '\nstatus=%{http_code}' -d "$hello")
    code=$?
    echo "$code $(sed -n 's/^status=//p' <<<"$out") text=$(text_of <<<"$out" | grep -c .) finish=$(grep -c '"finish_reason":"stop"' <<<"$out") done=$(grep -c '^data: \[DONE\]' <<<"$out")"
}
fault rate_limit
out=$(ask -i -d "$hello")
contains bench_fault_rate_limit 'HTTP/1.1 429 ' "$out"
contains bench_fault_rate_limit_seconds 'retry-after: 1' "$out"
contains bench_fault_rate_limit_ms 'retry-after-ms: 750' "$out"
contains bench_fault_rate_limit_body '"code":"rate_limit_exceeded"' "$out"
fault error_500
contains bench_fault_error_500 '"type":"server_error"' "$(ask -d "$hello")"
fault reset_before_head
case $(result) in 5[26]' 000 text=0'*) ok bench_fault_reset_before_head ;; *) bad bench_fault_reset_before_head "$(result)" ;; esac
fault reset_after_head
case $(result) in 56' 200 text=0 finish=0 done=0') ok bench_fault_reset_after_head ;; *) bad bench_fault_reset_after_head "$(result)" ;; esac
fault truncate
case $(result) in 18' 200 text=1 finish=0 done=0' | 56' 200 text=1 finish=0 done=0') ok bench_fault_truncate ;; *) bad bench_fault_truncate "$(result)" ;; esac
fault truncate_clean
verdict bench_fault_truncate_clean "0 200 text=1 finish=0 done=0" "$(result)"
fault error_event
verdict bench_fault_error_event "0 200 text=0 finish=0 done=0" "$(result)"
verdict bench_fault_error_event_first 1 "$(ask -d "$hello" | head -1 | grep -c '^data: {"error":{"message":')"
fault error_event_late
verdict bench_fault_error_event_late "0 200 text=1 finish=0 done=0" "$(result)"
fault empty_stream
verdict bench_fault_empty_stream "data: [DONE]" "$(ask -d "$hello" | head -1)"
fault stall
verdict bench_fault_stall "28 200 text=1 finish=0 done=0" "$(result 0.5)"
fault role_then_stall
verdict bench_fault_role_then_stall "28 200 text=0 finish=0 done=0" "$(result 0.5)"
fault no_answer
verdict bench_fault_no_answer "28 000 text=0 finish=0 done=0" "$(result 0.5)"
fault accept_silent
verdict bench_fault_accept_silent "28 000 text=0 finish=0 done=0" "$(result 0.5)"
verdict bench_fault_counted 1 "$(counter accept_silent "$control")"
closes=$(curl -s -m 5 "$control/sim/stats")
contains bench_close_of_silent_seen '"phase":"silent","cancelled":false' "$closes"
contains bench_close_of_stalled_seen '"phase":"stalled","cancelled":true' "$closes"
tune "$control" '{"faults":{"slow_handshake":"100%"},"handshake_delay":"300ms"}' >/dev/null
took=$(ask -o /dev/null -w '%{time_appconnect}' -d "$hello")
verdict bench_fault_slow_handshake 1 "$(awk -v t="$took" 'BEGIN {print (t >= 0.3 && t < 2)}')"
tune "$control" '{"faults":{},"next":["none","error_500"]}' >/dev/null
verdict bench_next_faults "200 500 200" "$(for _ in 1 2 3; do ask -o /dev/null -w '%{http_code} ' -d "$hello"; done | sed 's/ $//')"
verdict bench_bad_fault 400 "$(tune "$control" '{"faults":{"explode":"1%"}}')"
contains bench_tune_on_data_port '{"ok":true}' "$(curl -s -m 5 "${tls[@]}" -d '{"faults":{}}' "https://api.openai.test:$port/sim/faults")"

# ---- cancelling ----
tune "$control" '{"ttft":{"dist":"constant","value":"60s"}}' >/dev/null
cancelled=$(counter cancelled "$control")
requests=$(counter requests "$control")
curl -s -m 30 "${tls[@]}" -H "$json" -H "$key" -H 'x-request-id: cancel-me' -d "$hello" "$base/chat/completions" >/dev/null &
victim=$!
for _ in $(seq 100); do
    [ "$(counter requests "$control")" -gt "$requests" ] && break
    sleep 0.02
done
start_ns=$(counter now_ns "$control")
kill "$victim"
wait "$victim" 2>/dev/null
for _ in $(seq 100); do
    [ "$(counter cancelled "$control")" -gt "$cancelled" ] && break
    sleep 0.02
done
seen=$(curl -s -m 5 "$control/sim/stats" | grep -o '{"ns":[0-9]*,"request_id":"cancel-me","phase":"answering","cancelled":true' | sed 's/{"ns":\([0-9]*\).*/\1/')
if [ -z "$seen" ]; then
    bad bench_cancel_seen "no such close in /sim/stats"
else
    verdict bench_cancel_seen 1 "$(awk -v a="$start_ns" -v b="$seen" 'BEGIN {d = (b - a) / 1e6; print (d >= 0 && d < 250)}')"
fi
tune "$control" '{"ttft":{"dist":"constant","value":"5ms"}}' >/dev/null

# ---- replay ----
printf 'data: {"choices":[{"index":0,"delta":{"content":"\xc3\xa9\xf0\x9f\x8c\xb3"}}]}\r\n\r\n: comment\n\ndata: [DONE]\n\n' >"$work/one.sse"
printf '{"a":1}\n{"b":2}' >"$work/two.chunks.txt"
printf 'data: {"a":1}\n\ndata: {"b":2}\n\ndata: [DONE]\n\n' >"$work/two.sse.expected"
for cut in 0 1 3; do
    for framing in chunked close; do
        tune "$control" "{\"replay\":{\"file\":\"$work/one.sse\",\"cut\":$cut,\"framing\":\"$framing\"}}" >/dev/null
        ask -d "$hello" >"$work/got"
        if cmp -s "$work/got" "$work/one.sse"; then ok "bench_replay_cut_${cut}_$framing"; else bad "bench_replay_cut_${cut}_$framing" "$(head -c 200 "$work/got")"; fi
    done
done
tune "$control" "{\"replay\":{\"file\":\"$work/one.sse\",\"cut\":1,\"framing\":\"chunked\"}}" >/dev/null
verdict bench_replay_cut_makes_chunks "$(stat -c %s "$work/one.sse")" "$(ask --raw -d "$hello" | tr -d '\r' | grep -a -c '^1$')"
tune "$control" "{\"replay\":{\"folder\":\"$work\",\"cut\":0}}" >/dev/null
ask -H 'x-sim-file: two.chunks.txt' -d "$hello" >"$work/got"
if cmp -s "$work/got" "$work/two.sse.expected"; then ok bench_replay_by_header; else bad bench_replay_by_header "$(cat "$work/got")"; fi
ask -d "${hello/\{/\{\"metadata\":\{\"sim_file\":\"one.sse\"\},}" >"$work/got"
if cmp -s "$work/got" "$work/one.sse"; then ok bench_replay_by_metadata; else bad bench_replay_by_metadata "$(cat "$work/got")"; fi
contains bench_replay_stays_inside 'may not lead out of its folder' "$(ask -H 'x-sim-file: ../x.sse' -d "$hello")"
tune "$control" '{"replay":{"folder":""}}' >/dev/null
contains bench_replay_off '"model":"gpt-a-2026"' "$(ask -d "$hello")"
fixture=openai/chat__chat_async_streaming.2.resp.sse
if [ -r "$shared/fixtures/$fixture" ]; then
    tune "$control" "{\"replay\":{\"folder\":\"$shared/fixtures\",\"cut\":1}}" >/dev/null
    ask -H "x-sim-file: $fixture" -d "$hello" >"$work/got"
    if cmp -s "$work/got" "$shared/fixtures/$fixture"; then ok bench_replay_fixture; else bad bench_replay_fixture "differs"; fi
else
    echo "skip bench_replay_fixture: needs ../shared"
fi
kill "$main_pid"
wait "$main_pid"
verdict bench_clouds_end 0 $?

# ---- load ----
cp "$work/ca/ca.pem" "$work/ca.before"
cat >"$work/load.yaml" <<YAML
tls_dir: $work/ca
clouds:
  - name: target
    listen: 127.0.0.1:0
    tls: true
    host: api.openai.test
    api_key: k
    ttft: {dist: constant, value: 30ms}
    tokens: {count: 5, interval: 10ms}
YAML
start_clouds "$work/load.yaml" load
url=$(member url "$work/load.out" 1)
control=$(member control "$work/load.out" 1)
verdict bench_ca_used_again 0 "$(cmp "$work/ca/ca.pem" "$work/ca.before" >/dev/null; echo $?)"
load() { "$bench" load --url "$url" --ca "$work/ca/ca.pem" --key k "$@"; }
field() { sed -n "s/.*\"$2\":{[^}]*\"$3\":\([0-9.]*\).*/\1/p" <<<"$1"; }
out=$(load --stream --rate 100 --requests 200 --json -)
verdict bench_load_exit 0 $?
verdict bench_load_ok 200 "$(sed -n 's/.*"ok":\([0-9]*\).*/\1/p' <<<"$out")"
verdict bench_load_ttft 1 "$(awk -v v="$(field "$out" ttft_ms p50)" 'BEGIN {print (v >= 30 && v < 60)}')"
verdict bench_load_gap 1 "$(awk -v v="$(field "$out" inter_token_ms p50)" 'BEGIN {print (v > 8 && v < 15)}')"
verdict bench_load_total 1 "$(awk -v v="$(field "$out" total_ms p50)" 'BEGIN {print (v >= 70 && v < 110)}')"
verdict bench_load_resumes 1 "$(awk -v v="$(sed -n 's/.*"connections_resumed":\([0-9]*\).*/\1/p' <<<"$out")" 'BEGIN {print (v > 0)}')"
out=$(load --closed --connections 3 --requests 30)
contains bench_load_closed '3 connections opened' "$out"
contains bench_load_table 'status         200: 30' "$out"
# Coordinated omission: one connection, 10 requests due within 50 ms, each of which takes 70 ms. The last
# one must be charged for its wait: 10 x 70 ms - 45 ms.
out=$(load --stream --constant --rate 200 --requests 10 --connections 1 --json -)
verdict bench_load_counts_from_due 1 "$(awk -v v="$(field "$out" total_ms max)" 'BEGIN {print (v > 600)}')"
for fault in rate_limit:http error_500:http reset_before_head:reset truncate:truncated error_event:error_event empty_stream:empty; do
    tune "$control" "{\"faults\":{\"${fault%:*}\":\"100%\"}}" >/dev/null
    out=$(load --stream --closed --connections 2 --requests 10 --json - 2>/dev/null)
    verdict "bench_load_fault_${fault%:*}" "1 10" "$? $(field "$out" errors "${fault#*:}")"
done
tune "$control" '{"faults":{"no_answer":"100%"}}' >/dev/null
out=$(load --stream --closed --connections 2 --requests 4 --timeout 0.2 --json - 2>/dev/null)
verdict bench_load_timeout 4 "$(field "$out" errors timeout)"
out=$("$bench" load --url "$url" --requests 2 --rate 100 --json - 2>/dev/null)
verdict bench_load_unknown_ca 2 "$(field "$out" errors tls)"
kill "$clouds_pid"
wait "$clouds_pid"
out=$("$bench" load --url http://127.0.0.1:1 --requests 2 --rate 100 --json - 2>/dev/null)
verdict bench_load_refused "1 2" "$? $(field "$out" errors connect)"

# ---- determinism ----
sed 's/tls: true/tls: false/' "$work/load.yaml" >"$work/plain.yaml"
for run in 1 2; do
    start_clouds "$work/plain.yaml" "plain$run"
    url=$(member url "$work/plain$run.out" 1)
    for _ in 1 2 3; do
        curl -s -m 5 -H "$json" -H 'authorization: Bearer k' -d "$hello" "$url/v1/chat/completions"
    done | sed 's/"created":[0-9]*//' >"$work/answers$run"
    kill "$clouds_pid"
    wait "$clouds_pid"
done
if [ -s "$work/answers1" ] && cmp -s "$work/answers1" "$work/answers2"; then ok bench_same_seed_same_answers; else bad bench_same_seed_same_answers "they differ"; fi

# ---- command line ----
"$bench" --help >/dev/null && "$bench" clouds --help >/dev/null && "$bench" load --help >/dev/null
verdict bench_help 0 $?
for usage in "" "nonsense" "clouds" "clouds --config x y" "load" "load --url x" "load --url http://h --rate no" "clouds --colour"; do
    # shellcheck disable=SC2086
    "$bench" $usage >/dev/null 2>&1
    verdict "bench_usage_${usage// /_}" 2 $?
done
printf 'clouds:\n  - {name: a, listen: 127.0.0.1:0, colour: 1}\n' >"$work/bad.yaml"
out=$("$bench" clouds --config "$work/bad.yaml" 2>&1)
verdict bench_config_error "1 $work/bad.yaml:2:36: unknown key" "$? ${out%% \"colour\"*}"
exit $failed
