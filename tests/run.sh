#!/bin/bash
# run.sh - builds and runs the tests and adds up what they say.
#
#   tests/run.sh [PART...]     parts: unit asan sim fuzz e2e (default: all of them)
#
# A program says on its standard output, line by line, `ok NAME`, `not ok NAME: why`, `skip NAME: why`;
# the last line here is `N passed, N failed`, with `, N skipped` when there are any, and the status is 1
# when anything failed. One more failure is: a program that exits non-zero or runs into its time limit
# without a `not ok`; a program that says nothing; a part that does not build. What a program said is kept
# in build/test-logs/PROGRAM.out and .err.
#
# From the environment: FUZZ_SECONDS for each fuzz target, FUZZ_SEED (default 1: the same inputs each time;
# 0 draws one, as `make fuzz` does), SEEDS for the simulation, JOBS at once,
# HEDGEROW_SHARED the folder of recorded streams (default ../shared; tests that need it skip without).
set -euo pipefail
cd "$(dirname "$0")/.."
shopt -s nullglob

logs=build/test-logs
jobs=${JOBS:-$(nproc)}
fuzz_seconds=${FUZZ_SECONDS:-3}
fuzz_seed=${FUZZ_SEED:-1}
seeds=${SEEDS:-2000}
unit_limit_s=120
sim_limit_s=900
script_limit_s=300
programs=() # in the order of their start

export HEDGEROW_SHARED=${HEDGEROW_SHARED:-$(realpath -m ../shared)}
export HEDGEROW=$PWD/build/hedgerow HEDGEROW_BENCH=$PWD/build/hedgerow-bench
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:${ASAN_OPTIONS:-}
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:${UBSAN_OPTIONS:-}

# The results of a program that has ended: passed, failed, skipped, and why beyond its own lines.
results_of() {
    local out=$logs/$1.out status passed failed skipped why=
    status=$(cat "$logs/$1.status")
    passed=$(grep -c '^ok ' "$out" || true)
    failed=$(grep -c '^not ok ' "$out" || true)
    skipped=$(grep -c '^skip ' "$out" || true)
    if [ "$status" != 0 ] && [ "$failed" = 0 ]; then
        failed=1
        why="exit status $status"
        case $status in 124 | 137) why="time limit" ;; esac
    elif [ $((passed + failed + skipped)) = 0 ]; then
        failed=1
        why="it printed no result"
    fi
    echo "$passed $failed $skipped $why"
}

# One write, so that the reports of programs that end at the same time do not mix.
report() {
    local passed failed skipped why text
    read -r passed failed skipped why < <(results_of "$1")
    text="$1: $passed ok"
    if [ "$failed" != 0 ]; then
        text+=", $failed FAILED${why:+ ($why)}"
        [ -n "$why" ] || text+=$'\n'$(grep '^not ok ' "$logs/$1.out" | sed 's/^/    /')
        [ ! -s "$logs/$1.err" ] || text+=$'\n'$(tail -n 40 "$logs/$1.err" | sed 's/^/    | /')
    fi
    if [ "$skipped" != 0 ]; then
        text+=", $skipped skipped"$'\n'$(grep '^skip ' "$logs/$1.out" | sed 's/^/    /')
    fi
    printf '%s\n' "$text"
}

# start NAME LIMIT_S COMMAND...: runs it beside at most $jobs - 1 others.
start() {
    local name=$1 limit_s=$2
    shift 2
    programs+=("$name")
    mkdir -p "$(dirname "$logs/$name")"
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
        wait -n || true
    done
    {
        status=0
        timeout -k 5 "$limit_s" "$@" >"$logs/$name.out" 2>"$logs/$name.err" </dev/null 9>&- ||
            status=$?
        echo $status >"$logs/$name.status"
        report "$name"
    } &
}

# A result which is not a program's: record NAME LINE [DETAILS], LINE as a program would print it.
record() {
    programs+=("$1")
    mkdir -p "$(dirname "$logs/$1")"
    echo "$2" >"$logs/$1.out"
    printf '%s' "${3:-}" >"$logs/$1.err"
    echo 0 >"$logs/$1.status"
    report "$1"
}

run_make() {
    # A make above us lends its job slots; without one we take our own.
    local slots=-j$jobs
    case ${MAKEFLAGS:-} in *-j*) slots= ;; esac
    # shellcheck disable=SC2086 # empty or one word
    "${MAKE:-make}" --no-print-directory $slots "$@"
}

# build MODE TARGET: goes on past errors, so that one broken test does not hide the others.
build() {
    local mode=$1 target=$2 name=build/$1-$2
    mkdir -p $logs/build
    run_make -k MODE="$mode" "$target" >"$logs/$name.log" 2>&1 ||
        record "$name" "not ok make MODE=$mode $target" \
            "$(grep -vE '^(cc|ar|ld)  ' "$logs/$name.log" | head -n 40)"
}

# The programs of a make variable in a mode, as far as they were built.
built() {
    local program
    for program in $(run_make -s MODE="$1" "print-$2"); do
        [ ! -x "$program" ] || echo "$program"
    done
}

run_units() {
    build "$1" unit
    local program
    for program in $(built "$1" UNIT); do
        start "$1/${program#build/*/tests/}" $unit_limit_s "$program"
    done
    wait
}

# The simulation in the release build, and a tenth of the seeds under the sanitizers.
run_sim() {
    local program script
    build release sim-program
    for program in $(built release SIM); do
        start release/sim $sim_limit_s "$program" --seeds "$seeds"
    done
    build asan sim-program
    for program in $(built asan SIM); do
        start asan/sim $sim_limit_s "$program" --seeds $((seeds / 10 + 1))
    done
    for script in tests/sim/test_*.sh; do
        start "sim/$(basename "$script")" $sim_limit_s "$script"
    done
    wait
}

# First every corpus with gcc's sanitizers, then libFuzzer for a while. New inputs go to build/, a crash
# to the logs: what is worth keeping is copied to tests/fuzz/corpus by hand.
run_fuzz() {
    local program name corpus
    build asan fuzzers
    for program in $(built asan FUZZ); do
        name=$(basename "$program")
        corpus=tests/fuzz/corpus/${name#fuzz_}
        if [ -n "$(find "$corpus" -type f -print -quit 2>/dev/null)" ]; then
            start "corpus/$name" $unit_limit_s "$program" "$corpus"
        else
            record "corpus/$name" "not ok $name: $corpus has no input"
        fi
    done
    wait
    if ! command -v clang >/dev/null; then
        record fuzz/clang "skip fuzz: clang is not installed"
        return
    fi
    build fuzz fuzzers
    for program in $(built fuzz FUZZ); do
        name=$(basename "$program")
        corpus=tests/fuzz/corpus/${name#fuzz_}
        mkdir -p "build/fuzz-corpus/$name" "$logs/fuzz"
        # shellcheck disable=SC2016 # expanded by the inner shell
        start "fuzz/$name" $((fuzz_seconds + 60)) bash -c '
            program=$1 name=$2 seconds=$3 seed=$4 crashes=$5
            shift 5
            if "$program" -seed="$seed" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
                -artifact_prefix="$crashes" "$@"; then
                echo "ok $name"
            else
                echo "not ok $name: see the input named on standard error"
            fi' - "$program" "$name" "$fuzz_seconds" "$fuzz_seed" "$logs/fuzz/$name-" \
            "build/fuzz-corpus/$name" $([ ! -d "$corpus" ] || echo "$corpus")
    done
    wait
}

# One after the other: they measure time.
run_e2e() {
    local script runner jobs=1
    build release all
    if [ -e tests/e2e/package-lock.json ] &&
        [ tests/e2e/package-lock.json -nt tests/e2e/node_modules/.package-lock.json ]; then
        (cd tests/e2e && npm ci --no-audit --no-fund) >$logs/npm.log 2>&1 ||
            record e2e/npm "not ok npm ci" "$(tail -n 20 $logs/npm.log)"
    fi
    for script in tests/e2e/test_*.sh tests/e2e/test_*.mjs; do
        case $script in
        *.mjs) runner=node ;;
        *) runner=bash ;;
        esac
        start "e2e/$(basename "$script")" $script_limit_s $runner "$script"
    done
    wait
}

total() {
    local name passed=0 failed=0 skipped=0 p f s
    for name in "${programs[@]}"; do
        read -r p f s _ < <(results_of "$name")
        passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    done
    # Nothing at all is not a success.
    [ $((passed + failed + skipped)) -gt 0 ] || failed=1
    echo "$passed passed, $failed failed$([ $skipped = 0 ] || echo ", $skipped skipped")"
    [ $failed = 0 ]
}

# Two runs in one tree would write to the same logs.
mkdir -p build
exec 9>build/.test-lock
flock -n 9 || { echo "run.sh: waiting for another run in this tree" && flock 9; }
rm -rf $logs
mkdir -p $logs
[ $# -gt 0 ] || set -- unit asan sim fuzz e2e
for part in "$@"; do
    case $part in
    unit) run_units release ;;
    asan) run_units asan ;;
    sim) run_sim ;;
    fuzz) run_fuzz ;;
    e2e) run_e2e ;;
    *) echo "run.sh: no such part: $part" >&2 && exit 2 ;;
    esac
done
total
