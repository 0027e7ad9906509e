#!/bin/bash
# demo.sh - what hedgerow does, in a minute: three simulated clouds over TLS, the proxy in front of them, a chat
# completion streamed through it with curl, and the same load with hedging off, adaptive and racing.
#
#   tests/e2e/demo.sh          make demo
#   tests/e2e/demo.sh run      make run: the clouds and the proxy, kept running until Ctrl-C
#
# From the environment: DEMO_REQUESTS (of each mode) and DEMO_RATE a second; PORT of `run` (8080); NO_COLOR.
cd "$(dirname "$0")/../.." || exit 1
command -v curl >/dev/null || appliance/deploy/deps.sh test || exit 1
. tests/e2e/lib.sh

requests=${DEMO_REQUESTS:-600}
rate=${DEMO_RATE:-40}
client_key=sk-demo

bold='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
fi
title() { printf '\n%s%s%s\n\n' "$bold" "$1" "$plain"; }
note() { printf '%s%s%s\n' "$dim" "$1" "$plain"; }

# ---- clouds and proxy ----

# provider NAME KIND URL-MEMBER PATH KEY: a line of the configuration for a running cloud.
provider() {
    printf '  %s: {kind: %s, %s: "https://127.0.0.1:%s%s", api_key: %s, tls: {ca: %s, server_name: %s}}\n' \
        "$1" "$2" "$3" "$(cloud demo "$1" port)" "$4" "$5" "$(realpath "$(cloud demo "$1" ca)")" "$(cloud demo "$1" host)"
}

# write_config PORT
write_config() {
    cat >"$work/hedgerow.yaml" <<YAML
version: 1
listeners:
  - address: 127.0.0.1:$1
admin: {address: 127.0.0.1:0}
providers:
$(provider openai-sim openai base_url /v1 sk-sim-openai)
$(provider azure-sim azure endpoint "" sim-azure-key)
$(provider compatible-sim openai base_url /openai/v1 sk-sim-compatible)
models:
  gpt-5.5:
    backends:
      - {provider: openai-sim, model: gpt-5.5}
      - {provider: azure-sim, model: gpt55-prod}
      - {provider: compatible-sim, model: openai/gpt-5.5}
    strategy: ordered
    hedge: {mode: adaptive, request_budget: 5%, max_attempts: 2}
keys:
  - {name: demo, sha256: $(printf %s $client_key | sha256sum | cut -c1-64)}
telemetry: {access_log: {path: $work/access.log}}
YAML
}

start_all() {
    clouds_start bench/demo/clouds.yaml demo
    write_config "$1"
    proxy_start "$work/hedgerow.yaml" demo
}

# ---- one completion, shown as it arrives ----

# show_stream PROMPT
show_stream() {
    local body="{\"model\":\"gpt-5.5\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"$1\"}]}"
    note "\$ curl -N $proxy_url/v1/chat/completions -H 'Authorization: Bearer $client_key' -H 'Content-Type: application/json' \\"
    note "      -d '$body'"
    echo
    curl -sN -m 30 -D "$work/head" "$proxy_url/v1/chat/completions" -H "Authorization: Bearer $client_key" \
        -H 'Content-Type: application/json' -d "$body" |
        while IFS= read -r line; do
            case $line in
            *'"delta":{"content":"'*) printf '%s' "$(text_of <<<"$line")" ;;
            'data: [DONE]'*) printf '\n\n' ;;
            esac
        done
    tr -d '\r' <"$work/head" | grep -E '^(x-hedgerow-|server-timing)'
}

# ---- the table ----

# value OBJECT MEMBER: of the report in $report; OBJECT '' is the report itself.
value() {
    local text=$report
    [ -z "$1" ] || text=$(grep -o "\"$1\":{[^}]*}" <<<"$report" | sed "s/^\"$1\"://")
    grep -o "\"$2\":[0-9.]*" <<<"$text" | head -n 1 | sed 's/.*://'
}

# measure LABEL HEDGE: one run of load, one row.
measure() {
    "$bench" load --url "$proxy_url" --key $client_key --model gpt-5.5 --stream --rate "$rate" --requests "$requests" \
        --duration 10m --warmup 40 --header "x-hedgerow-hedge: $2" --seed 7 --json "$work/load.json" >"$work/load.txt" 2>&1 || {
        bad demo_load "$(cat "$work/load.txt")"
        exit 1
    }
    report=$(cat "$work/load.json")
    printf '  %-10s %8.0f %8.0f %8.0f %8.0f %9s %6s %9s %8s\n' "$1" "$(value ttft_ms p50)" "$(value ttft_ms p95)" \
        "$(value ttft_ms p99)" "$(value ttft_ms p999)" "$(value hedge started)" "$(value hedge won)" \
        "$(awk "BEGIN { printf \"%.1f%%\", 100 * $(value '' extra_requests_share) }")" "$(value '' failed)"
}

# ---- the two ways ----

demo() {
    start_all 0
    local control
    control=$(cloud demo openai-sim control)
    title "Three simulated clouds over TLS, hedgerow in front of them"
    printf '  %s\n' "$(cloud demo openai-sim url)  openai-sim      60 ms to the first token, 3 in 100 wait 2 s" \
        "$(cloud demo azure-sim url)  azure-sim       80 ms" \
        "$(cloud demo compatible-sim url)  compatible-sim  90 ms, 1 in 100 waits 1 s" \
        "$proxy_url   hedgerow        asks them in this order; metrics at $proxy_admin/metrics"

    title "A completion, streamed"
    tune "$control" '{"tokens":{"count":24,"interval":"60ms"}}'
    show_stream "Say something, slowly."

    title "The same, while the first cloud accepts the request and never answers"
    for name in openai-sim azure-sim; do tune "$(cloud demo $name control)" '{"tokens":{"count":24,"interval":"60ms"}}'; done
    tune "$control" '{"next":["no_answer"]}'
    show_stream "Say something else."
    for name in openai-sim azure-sim; do tune "$(cloud demo $name control)" '{"tokens":{"count":24,"interval":"8ms"}}'; done

    title "Time to first token of $requests requests at $rate a second, in ms"
    printf '  %s%-10s %8s %8s %8s %8s %9s %6s %9s %8s%s\n' "$bold" hedging p50 p95 p99 p99.9 'hedges' won extra failed "$plain"
    measure off off
    measure adaptive adaptive
    measure race race
    cat <<'TEXT'

  off       only the first cloud is asked
  adaptive  a second one too when the first is late, by what was learnt; 5 % extra requests and a burst of ten
  race      two clouds at once: what the extra requests could buy at most
TEXT
}

keep_running() {
    local port=${PORT:-8080}
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        note "port $port is taken; PORT=N chooses another one"
        port=0
    fi
    start_all "$port"
    title "Running; Ctrl-C ends it"
    cat <<TEXT
  curl -N $proxy_url/v1/chat/completions -H 'Authorization: Bearer $client_key' -H 'Content-Type: application/json' \\
      -d '{"model":"gpt-5.5","stream":true,"messages":[{"role":"user","content":"hi"}]}'

  base URL for SDKs   $proxy_url/v1, key $client_key, model gpt-5.5
  metrics             $proxy_admin/metrics
  access log          $work/access.log
  configuration       $work/hedgerow.yaml (edit, then: kill -HUP $proxy_pid)
  make the first cloud fail:
      curl -d '{"faults":{"error_500":0.5}}' $(cloud demo openai-sim control)/sim/faults
TEXT
    wait "$proxy_pid"
    cat "$work/demo.err" >&2
}

e2e_begin
case ${1:-} in
'') demo ;;
run | --keep) keep_running ;;
*)
    echo "usage: $0 [run]" >&2
    exit 2
    ;;
esac
exit $failed
