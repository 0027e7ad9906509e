#!/bin/bash
# test_replay.sh - `hedgerow replay` and `hedgerow-bench replay` as a user calls them: wrong calls, broken files, the table, the
# JSON, the plot, the same again for the same seed; a trace made of an access log; the short form of the README's tables
# with their criteria.
. "$(dirname "$0")/lib.sh"
e2e_begin
here=$(cd "$(dirname "$0")" && pwd)
cd "$work" || exit 1

check() { node "$here/replay_check.mjs" "$@" 2>&1; }
all=(none fixed race p95-delay adaptive oracle-single oracle-windowed clairvoyant)

# run ARGUMENT...: the command's output and exit status, in $out, $err and $status.
run() {
    timeout 60 "$hedgerow" replay "$@" >out 2>err </dev/null
    status=$?
    out=$(cat out) err=$(cat err)
}

"$bench" replay --trace bimodal --requests 20000 --write good.csv || bad write_trace "exit $?"
verdict write_trace "time_ms,request,backend,input_tokens,ttft_ms,output_tokens" "$(head -n 1 good.csv)"

# --- wrong calls: what is wrong and the usage on standard error, exit 2 ---

# wrong NAME TEXT ARGUMENT...
wrong() {
    local name=$1 text=$2
    run "${@:3}"
    if [ $status != 2 ] || [ -s out ]; then
        bad "wrong_$name" "exit $status, standard output '$out'"
        return
    fi
    case $err in
    *"$text"*"usage: hedgerow replay --trace"*) ok "wrong_$name" ;;
    *) bad "wrong_$name" "$err" ;;
    esac
}
wrong no_trace "missing option --trace"
wrong argument "unexpected argument good.csv" --trace good.csv good.csv
wrong option "unknown option --budgt" --trace good.csv --budgt 5%
wrong budget '--budget "5" has no % sign; write shares like 5% or 0.5%' --trace good.csv --budget 5
wrong cost_budget '--cost-budget "lots"' --trace good.csv --cost-budget lots
wrong target '--target "99"' --trace good.csv --target 99
wrong delay '--delay "400"' --trace good.csv --delay 400
wrong queue '--queue "yes" is neither on nor off' --trace good.csv --queue yes
wrong seed '--seed "one"' --trace good.csv --seed one
wrong policy '--policy "none,fast" names a policy that does not exist; there are none, fixed, race, p95-delay' \
    --trace good.csv --policy none,fast
wrong empty_policy '--policy ""' --trace good.csv --policy ""

# --- files that cannot be used: FILE:LINE and what was meant, exit 1 ---

# broken NAME TEXT ARGUMENT...
broken() {
    local name=$1 text=$2
    run "${@:3}"
    if [ $status = 1 ] && [ ! -s out ]; then
        contains "broken_$name" "$text" "$err"
    else
        bad "broken_$name" "exit $status, standard output '$out'"
    fi
}
broken absent "absent.csv: No such file or directory" --trace absent.csv
broken folder "$work" --trace "$work"
: >empty.csv
broken empty "empty.csv:1: the file is empty; it wants the header time_ms,request,backend" --trace empty.csv
printf 'time;backend\n1;a\n' >header.csv
broken header 'header.csv:1: the header is "time;backend"; it must be time_ms,request' --trace header.csv
head -n 100 good.csv >cut.csv
printf '2000,r7777,a,12,oops,3\n' >>cut.csv
broken line 'cut.csv:101: ttft_ms is "oops"; write the time to the first token in milliseconds' --trace cut.csv
printf 'time_ms,backend,prompt_tokens,ttft_ms,output_tokens\n1,only,5,300,5\n2,only,5,310,5\n' >one.csv
broken one_backend 'all rows are of backend "only"; hedging needs times of a second one' --trace one.csv
head -c 200000 /dev/urandom >noise.csv
broken noise "noise.csv:1: " --trace noise.csv

run --trace good.csv --policy none --plot "$work/absent/p.svg"
verdict plot_nowhere 1 $status
contains plot_nowhere_says "absent/p.svg: No such file or directory" "$err"
"$hedgerow" replay --trace good.csv --policy none >/dev/full 2>err
verdict full_disk 1 $?

# --- the table ---

run --trace good.csv
verdict table 0 "$status"
contains table_heading "good.csv: 20000 requests in " "$out"
for policy in "${all[@]}"; do contains "table_$policy" "
$policy " "
$out"; done
run --trace good.csv --policy none,adaptive
verdict table_of_two 2 "$(grep -cE '^(none|adaptive) ' out)"
verdict table_of_two_only 0 "$(grep -cE '^(race|fixed|clairvoyant|oracle)' out)"

# --- JSON ---

run --trace good.csv --json
verdict json_exit 0 $status
verdict json ok "$(check json out "${all[@]}")"
run --trace good.csv --json --policy "race, none"
verdict json_policies ok "$(check json out none race)"
run --trace good.csv --json --budget 2% --target p99.9 --cost-budget 1% --delay 600ms --queue off
verdict json_settings ok "$(check json out "${all[@]}")"

# What is said of `good.csv` here must be what its own times say: p99 of the primary, by another program.
p99=$(awk -F, 'NR > 1 && $3 == "a" { print $5 }' good.csv | sort -n | sed -n 19800p)
run --trace good.csv --json --policy none
contains json_p99 "\"p99_ms\":$p99," "$out"

# --- the same again ---

run --trace good.csv --json --seed 5
cp out first
run --trace good.csv --json --seed 5
verdict same_seed "$(cat first)" "$out"
run --trace good.csv --json --seed 6
[ "$out" != "$(cat first)" ] && ok other_seed || bad other_seed "the seed changes nothing"
"$hedgerow" replay --trace - --json --seed 5 <good.csv >piped 2>err
verdict piped "$(sed 's/"trace":"good.csv"/"trace":"stdin"/' first)" "$(cat piped)"

# --- the plot ---

run --trace good.csv --plot p.svg --json
verdict plot_exit 0 $status
verdict plot ok "$(check svg p.svg)"
cp good.csv '<&".csv'
run --trace '<&".csv' --plot q.svg --policy none,race
verdict plot_of_a_strange_name ok "$(check svg q.svg)"
contains plot_has_the_name '>&lt;&amp;".csv</text>' "$(cat q.svg)"
# The check itself: files that are no SVG.
printf '<svg xmlns="http://www.w3.org/2000/svg"><path d="M1 2"></svg>' >r.svg
contains plot_check_can_fail "closes nothing" "$(check svg r.svg)"

# --- what a user has ---

cat >short.csv <<END
time_ms, backend, prompt_tokens, ttft_ms, output_tokens
$(for i in $(seq 1 400); do echo "$((i * 250)), $([ $((i % 3)) = 0 ] && echo azure || echo openai), 800, $((300 + i * 37 % 211)).5, "; done)
END
run --trace short.csv --json
verdict short_form ok "$(check json out "${all[@]}")"
contains short_form_requests '"requests":400,' "$out"

# --- the README's tables, short ---

tables=$(HEDGEROW_BENCH=$bench timeout 100 "$e2e_root/bench/replay.sh" --short 2>tables.err)
verdict tables_exit 0 $?
for trace in stationary drift bimodal; do
    contains "criteria_$trace" "pass: tail, hedges, burst" "$(grep "^| $trace " <<<"$tables" | tail -n 1)"
done
for trace in light correlated shared-tail; do
    contains "criteria_$trace" "pass: no harm, burst" "$(grep "^| $trace " <<<"$tables" | tail -n 1)"
done
for trace in pareto diurnal silent three; do
    contains "criteria_$trace" "pass: burst" "$(grep "^| $trace " <<<"$tables" | tail -n 1)"
done
contains tables_fan_out "| published | | 1800 | 74 |" "$tables"
if [ -d "${HEDGEROW_SHARED:-$e2e_root/../shared}/traces" ]; then
    contains tables_recorded "| rec-stalls " "$tables"
else
    contains tables_without_recordings "no recordings" "$(cat tables.err)"
fi

# At three requests a second ten tokens of burst are more than four budgets: that must be a FAIL and exit 1.
tables=$("$bench" replay --table --trace pareto --rate 3 --requests 5000 --seeds 2 2>err)
verdict table_fails 1 $?
contains table_names_the_criterion "**FAIL** worst 10 s / budget" "$tables"

for arguments in "--trace nothing" "--requests 0" "--rate -1" "--seeds 3" "--table --seeds 0" "--table --plot x.svg" "--write x.csv" \
    "--trace bigtable --json --table" "word"; do
    # shellcheck disable=SC2086 # words
    "$bench" replay $arguments >out 2>err
    verdict "bench_wrong_${arguments// /_}" 2 $?
done
"$bench" replay --trace rec-light --recorded "$work" >out 2>err
verdict bench_recordings_absent 1 $?
contains bench_recordings_absent_says "llmperf_ttft.csv: No such file" "$(cat err)"

exit $failed
