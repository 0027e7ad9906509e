#!/bin/bash
# test_heap.sh - in steady state neither a request nor a relayed event asks the general heap for anything, in clear text and over
# TLS on both sides, streamed or whole, hedged or not. Counted twice:
# by core/heap.c and the hooks that serve BoringSSL (calls), and by jemalloc (bytes ever allocated by the worker's thread).
. "$(dirname "$0")/lib.sh"
e2e_begin

cat >"$work/clouds.yaml" <<YAML
seed: 1
tls_dir: $work/ca
clouds:
  - {name: plain, kind: openai, listen: "127.0.0.1:0", tls: false, host: plain.test, api_key: k, ttft: {dist: constant, value: 1ms}, tokens: {count: 30, interval: 1ms}}
  - {name: secure, kind: openai, listen: "127.0.0.1:0", tls: true, host: secure.test, api_key: k, ttft: {dist: constant, value: 1ms}, tokens: {count: 30, interval: 1ms}}
  - {name: slow, kind: openai, listen: "127.0.0.1:0", tls: true, host: slow.test, api_key: k, ttft: {dist: constant, value: 300ms}, tokens: {count: 30, interval: 1ms}}
YAML
clouds_start "$work/clouds.yaml" main
cat >"$work/proxy.yaml" <<YAML
version: 1
listeners:
  - address: 127.0.0.1:0
  - address: 127.0.0.1:0
    tls: {certificate: $work/ca/secure.test.pem, private_key: $work/ca/secure.test.key}
admin: {address: 127.0.0.1:0}
workers: 1
providers:
  plain: {kind: openai, base_url: "http://127.0.0.1:$(cloud main plain port)/v1", api_key: k}
  secure: {kind: openai, base_url: "https://127.0.0.1:$(cloud main secure port)/v1", api_key: k, tls: {ca: $work/ca/ca.pem, server_name: secure.test}}
  slow: {kind: openai, base_url: "https://127.0.0.1:$(cloud main slow port)/v1", api_key: k, tls: {ca: $work/ca/ca.pem, server_name: slow.test}}
models:
  plain: {backends: [{provider: plain, model: gpt-4o}], hedge: {mode: off}}
  secure: {backends: [{provider: secure, model: gpt-4o}], hedge: {mode: off}}
  hedged: {backends: [{provider: slow, model: gpt-4o}, {provider: secure, model: gpt-4o}], strategy: ordered, hedge: {mode: fixed, delay: 5ms}}
telemetry: {access_log: {path: $work/access.log}}
YAML
proxy_start "$work/proxy.yaml" main

# heap METRIC: of the one worker, once its tick has sampled it.
heap() {
    sleep 0.6
    metric "hedgerow_heap_$1_total{worker=\"0\"}"
}
# drive URL MODEL N STREAM: N requests over a few connections.
drive() {
    local stream=()
    [ "$4" = true ] && stream=(--stream)
    timeout 30 "$bench" load --url "$1" --closed --connections 8 --requests "$3" --model "$2" --key k --insecure --json "$work/load.json" "${stream[@]}" >/dev/null 2>"$work/load.err" || bad "drive_$2" "$(cat "$work/load.err")"
}

for case in "plain 0 true" "plain 0 false" "secure 1 true" "secure 1 false" "hedged 1 true"; do
    read -r model listener stream <<<"$case"
    name=heap_${model}_$([ "$stream" = true ] && echo stream || echo whole)
    url=${proxy_urls[$listener]}/v1/chat/completions
    drive "$url" "$model" 300 "$stream" # pools and caches grow to what this load needs
    drive "$url" "$model" 300 "$stream"
    bytes=$(heap allocated_bytes)
    calls=$(heap calls)
    drive "$url" "$model" 400 "$stream"
    bytes=$(($(heap allocated_bytes) - bytes))
    calls=$(($(heap calls) - calls))
    echo "# $name: $calls calls of the heap by hedgerow, $bytes bytes in all, in 400 requests of 33 events" >&2
    # A single allocation in each request would show as hundreds; a pool that grows once more, as chance has more requests at
    # once than before, is not one.
    number "${name}_calls" "$calls" -le 8
    # BoringSSL takes one buffer for each record from malloc itself, whatever its hooks say, and gives it back at once.
    [ "$model" = plain ] && number "${name}_bytes" "$bytes" -lt 70000
done
exit $failed
