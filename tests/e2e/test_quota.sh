#!/bin/bash
# test_quota.sh - limits of providers, with two workers: requests a minute and at a time hold for both together, what has no
# room goes to the next backend or is told when to come again, a reload changes nothing of what was counted, and a cloud
# whose own limit is nearly spent is asked last and gets no hedges.
. "$(dirname "$0")/lib.sh"
e2e_begin
cat >"$work/clouds.yaml" <<YAML
tls_dir: $work/ca
clouds:
  - {name: first, kind: openai, listen: "127.0.0.1:0", tls: false, host: first.test, api_key: k, ttft: {dist: constant, value: 5ms}, tokens: {count: 3, interval: 1ms}}
  - {name: second, kind: openai, listen: "127.0.0.1:0", tls: false, host: second.test, api_key: k, ttft: {dist: constant, value: 5ms}, tokens: {count: 3, interval: 1ms}}
  - {name: slow, kind: openai, listen: "127.0.0.1:0", tls: false, host: slow.test, api_key: k, ttft: {dist: constant, value: 400ms}, tokens: {count: 3, interval: 1ms}}
  - {name: scarce, kind: openai, listen: "127.0.0.1:0", tls: false, host: scarce.test, api_key: k, rpm: 20, ttft: {dist: constant, value: 5ms}, tokens: {count: 3, interval: 1ms}}
  - {name: tight, kind: openai, listen: "127.0.0.1:0", tls: false, host: tight.test, api_key: k, rpm: 20, ttft: {dist: constant, value: 5ms}, tokens: {count: 3, interval: 1ms}}
YAML
clouds_start "$work/clouds.yaml" main
url() { echo "http://127.0.0.1:$(cloud main "$1" port)/v1"; }
# seen CLOUD: complete requests that it got.
seen() { counter "$(cloud main "$1" control)" requests; }
# config RPM CONCURRENCY TPM
config() {
    cat >"$work/proxy.yaml" <<YAML
version: 1
workers: 2
listeners:
  - address: 127.0.0.1:0
admin: {address: 127.0.0.1:0}
providers:
  first: {kind: openai, base_url: "$(url first)", api_key: k, limits: {rpm: $1}}
  second: {kind: openai, base_url: "$(url second)", api_key: k}
  slow: {kind: openai, base_url: "$(url slow)", api_key: k, limits: {concurrency: $2}}
  counted: {kind: openai, base_url: "$(url second)", api_key: k, limits: {tpm: $3}}
  tight: {kind: openai, base_url: "$(url tight)", api_key: k}
  passed: {kind: openai, base_url: "$(url second)", api_key: k, limits: {rpm: 10}}
  scarce: {kind: openai, base_url: "$(url scarce)", api_key: k}
passthrough: passed
defaults: {hedge: {mode: off}}
models:
  alone: {backends: [{provider: first, model: a}]}
  overflow: {strategy: ordered, backends: [{provider: first, model: b}, {provider: second, model: b}]}
  parallel: {backends: [{provider: slow, model: c}]}
  tokens: {backends: [{provider: counted, model: d}]}
  told: {strategy: ordered, backends: [{provider: tight, model: e}, {provider: second, model: e}]}
  hedged: {strategy: ordered, backends: [{provider: slow, model: f}, {provider: scarce, model: f}], hedge: {mode: fixed, delay: 20ms, max_attempts: 2}}
YAML
}
config 60 5 6000
proxy_start "$work/proxy.yaml" main

# ask MODEL [MEMBERS]: status and who answered. Each on a connection of its own, so that both workers have some.
ask() {
    curl -s -m 5 -o "$work/answer" -D "$work/head" -w '%{http_code}' "$proxy_url/v1/chat/completions" -H 'Content-Type: application/json' \
        -d "{\"model\":\"$1\",${2:-}\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"
    echo " $(head_field x-hedgerow-provider "$work/head")"
}
# many N MODEL: the statuses of so many at once, counted: "200:6 429:24".
many() {
    local i pids=()
    rm -f "$work"/status.*
    for i in $(seq "$1"); do
        curl -s -m 10 -o "$work/body.$i" -D "$work/head.$i" -w '%{http_code}\n' "$proxy_url/v1/chat/completions" \
            -H 'Content-Type: application/json' -d "{\"model\":\"$2\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}" \
            >"$work/status.$i" &
        pids+=($!)
    done
    wait "${pids[@]}"
    cat "$work"/status.* | sort | uniq -c | awk '{ printf "%s%s:%s", (NR > 1 ? " " : ""), $2, $1 }'
}

# ---- requests a minute: 60, so 6 at once and one more each second ----
began=$(date +%s)
statuses=$(many 30 alone)
took=$(($(date +%s) - began + 1))
got=$(seen first)
number quota_rpm_lets_the_burst_through "$got" -ge 6
number quota_rpm_holds_over_both_workers "$got" -le $((6 + took))
verdict quota_rpm_refuses_the_others "200:$got 429:$((30 - got))" "$statuses"
refused=$(grep -l 429 "$work"/status.* | head -n 1)
refused=${refused##*.}
contains quota_says_why "at a limit that is configured for it" "$(cat "$work/body.$refused")"
contains quota_error_type '"type":"rate_limit_error"' "$(cat "$work/body.$refused")"
number quota_retry_after "$(head_field retry-after "$work/head.$refused")" -le 2
number quota_retry_after_ms "$(head_field retry-after-ms "$work/head.$refused")" -ge 1
number quota_retry_after_ms_of_the_next "$(head_field retry-after-ms "$work/head.$refused")" -le 1001
number quota_metric "$(metric 'hedgerow_quota_denied_total{provider="first",reason="rpm"}')" -ge $((30 - got))

# ---- what has no room goes to the next backend, without an attempt ----
statuses=$(many 20 overflow)
verdict quota_overflow_is_answered 200:20 "$statuses"
number quota_overflow_went_to_the_second "$(seen second)" -ge 16
verdict quota_overflow_is_no_attempt 1 "$(head_field x-hedgerow-attempts "$work/head.1")"

# ---- a reload is no way around it ----
config 60 5 6000
sed -i 's/tpm: 6000/tpm: 6001/' "$work/proxy.yaml"
got=$(seen first)
began=$(date +%s)
kill -HUP "$proxy_pid"
reloaded() { [ "$(metric hedgerow_config_generation)" = 2 ]; }
until_true reloaded
many 20 alone >/dev/null
took=$(($(date +%s) - began + 2))
number quota_reload_gives_nothing_new "$(seen first)" -le $((got + took + 1))
number quota_metric_survives_the_reload "$(metric 'hedgerow_quota_denied_total{provider="first",reason="rpm"}')" -ge 40

# ---- at a time, over both workers ----
verdict quota_concurrency "200:5 429:7" "$(many 12 parallel)"
verdict quota_concurrency_reached_the_cloud 5 "$(seen slow)"
verdict quota_slots_are_given_back "200:5" "$(many 5 parallel)"

# ---- tokens a minute: 6001; a request that allows 5000 of output takes most of them, and gives them back ----
verdict quota_tokens_first "200 counted" "$(ask tokens '"max_tokens":5000,')"
verdict quota_tokens_are_set_right "200 counted" "$(ask tokens '"max_tokens":5000,')"
tune "$(cloud main second control)" '{"ttft":{"dist":"constant","value":"600ms"}}'
ask tokens '"max_tokens":100000,' >"$work/large" &
large=$!
sleep 0.2
verdict quota_tokens_are_reserved "429 " "$(ask tokens '"max_tokens":500,')"
wait "$large"
verdict quota_tokens_of_the_large_one "200" "$(cut -d' ' -f1 "$work/large")"
verdict quota_tokens_come_back "200 counted" "$(ask tokens '"max_tokens":500,')"
tune "$(cloud main second control)" '{"ttft":{"dist":"constant","value":"5ms"}}'

# ---- what a cloud tells of its own limit (20 a minute): asked last when it is spent, and hedges leave a tenth ----
for _ in $(seq 30); do ask told; done | sort | uniq -c | awk '{ print $2, $3, $1 }' >"$work/told"
verdict quota_told_all_answered 200 "$(cut -d' ' -f1 "$work/told" | sort -u)"
number quota_told_uses_the_first "$(awk '$2 == "tight" { print $3 }' "$work/told")" -ge 10
number quota_told_goes_on_elsewhere "$(awk '$2 == "second" { print $3 }' "$work/told")" -ge 5
left=$(metric 'hedgerow_ratelimit_remaining{provider="tight",model="e",kind="requests"}')
number quota_told_metric "${left:-x}" -le 3
# Somebody else has used 17 of its 20: each worker's first hedge hears of it, the next ones stay away.
for _ in $(seq 17); do
    curl -s -m 5 -o /dev/null "$(url scarce)/chat/completions" -H 'Content-Type: application/json' -H 'Authorization: Bearer k' \
        -d '{"model":"f","messages":[{"role":"user","content":"x"}]}'
done
before=$(seen scarce)
for _ in $(seq 6); do ask hedged; done >"$work/hedged"
suppressed=$(metric 'hedgerow_quota_denied_total{provider="scarce",reason="remaining"}')
hedges=$(($(seen scarce) - before))
number quota_hedge_is_sent_while_nothing_is_known "$hedges" -ge 1
number quota_hedge_leaves_the_last_for_firsts "$hedges" -le 3
verdict quota_hedge_is_kept_away_when_it_is $((6 - hedges)) "$suppressed"

# ---- what is passed through counts too: 10 a minute, one at once ----
pass() { curl -s -m 5 -o "$work/answer" -D "$work/head" -w '%{http_code}' "$proxy_url/v1/files"; }
lacks quota_pass_goes_through 429 "$(pass)"
verdict quota_pass_has_its_limit 429 "$(pass)"
number quota_pass_retry_after "$(head_field retry-after "$work/head")" -ge 5
number quota_pass_is_counted "$(metric 'hedgerow_quota_denied_total{provider="passed",reason="rpm"}')" -ge 1

# ---- the plan of the check says it ----
out=$("$hedgerow" check --config "$work/proxy.yaml" 2>&1)
contains quota_check_rpm "at most 60 requests a minute" "$out"
contains quota_check_tpm "at most 6001 tokens a minute" "$out"
exit $failed
