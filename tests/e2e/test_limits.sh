#!/bin/bash
# test_limits.sh - requests in flight of a key, over all workers: those above the limit are refused with 429, and the slot is
# free again when one has ended.
. "$(dirname "$0")/lib.sh"
e2e_begin
cat >"$work/clouds.yaml" <<YAML
tls_dir: $work/ca
clouds:
  - {name: plain, kind: openai, listen: "127.0.0.1:0", tls: false, host: plain.test, api_key: k, ttft: {dist: constant, value: 500ms}, tokens: {count: 3, interval: 1ms}}
YAML
clouds_start "$work/clouds.yaml" main
cat >"$work/proxy.yaml" <<YAML
version: 1
listeners:
  - address: 127.0.0.1:0
admin: {address: 127.0.0.1:0}
providers:
  plain: {kind: openai, base_url: "http://127.0.0.1:$(cloud main plain port)/v1", api_key: k}
models:
  m: {backends: [{provider: plain, model: gpt-4o}], hedge: {mode: off}}
keys:
  - {name: a, sha256: "$(printf %s ka | sha256sum | cut -d' ' -f1)", limits: {concurrency: 2}}
YAML
proxy_start "$work/proxy.yaml" main
ask() {
    curl -s -m 5 -o "$work/answer.$1" -w '%{http_code}\n' "$proxy_url/v1/chat/completions" -H 'Authorization: Bearer ka' \
        -H 'Content-Type: application/json' -d '{"model":"m","messages":[{"role":"user","content":"x"}]}'
}

pids=()
for i in 1 2 3 4 5; do
    ask "$i" >"$work/status.$i" &
    pids+=($!)
done
wait "${pids[@]}"
verdict limits_key_concurrency "200 200 429 429 429" "$(cat "$work"/status.* | sort | tr '\n' ' ' | sed 's/ $//')"
contains limits_key_says_why "as many requests in flight as it may" "$(cat "$work"/answer.*)"
verdict limits_key_slot_is_given_back 200 "$(ask 6)"
exit $failed
