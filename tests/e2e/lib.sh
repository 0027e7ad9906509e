# lib.sh - what the end-to-end scripts share: a working folder, simulated clouds, the proxy, verdicts. To be sourced.
#
# Owns:     $work (a mktemp folder) and every process started here; both are gone when the script ends, whatever
#           ended it.
# Promises: ports are chosen by the kernel; only processes started here are ever signalled, by their pid.
#
#     . "$(dirname "$0")/lib.sh"
#     e2e_begin
#     clouds_start "$work/clouds.yaml" main       # cloud main 1 port, cloud main 1 control, ...
#     proxy_start "$work/hedgerow.yaml" main      # $proxy_pid, $proxy_url, $proxy_admin
#     verdict some_name WANT GOT
#     exit $failed
# shellcheck shell=bash
set -u
export LC_ALL=C.UTF-8 # numbers with a point, whoever runs this

e2e_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
hedgerow=$(realpath -m "${HEDGEROW:-$e2e_root/build/hedgerow}")
bench=$(realpath -m "${HEDGEROW_BENCH:-$e2e_root/build/hedgerow-bench}")
failed=0
e2e_pids=()

# How long anything that must happen may take before it counts as not happening.
patience_s=10

# ---- verdicts ----

ok() { echo "ok $1"; }
# bad NAME WHY: the reason on one line.
bad() {
    echo "not ok $1: $(printf %s "$2" | tr '\n\r' '  ' | head -c 600)"
    failed=1
}
verdict() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1" "wanted '$2', got '${3:0:400}'"; fi; }
contains() { case $3 in *"$2"*) ok "$1" ;; *) bad "$1" "no '$2' in '${3:0:500}'" ;; esac }
lacks() { case $3 in *"$2"*) bad "$1" "'$2' is in '${3:0:500}'" ;; *) ok "$1" ;; esac }
# number NAME GOT OP WANT: by the operators of test(1), for whole numbers.
number() { if [ "${2:-x}" "$3" "$4" ] 2>/dev/null; then ok "$1"; else bad "$1" "$2 is not $3 $4"; fi; }

# ---- life ----

signal_all() {
    local pid
    for pid in "${e2e_pids[@]}"; do kill "-$1" "$pid" 2>/dev/null; done
}
any_left() {
    local pid
    # In a trap a bare `return` gives the status from before the trap, not kill's.
    for pid in "${e2e_pids[@]}"; do kill -0 "$pid" 2>/dev/null && return 0; done
    return 1
}
e2e_finish() {
    local try
    for try in $(seq 150); do
        any_left || break
        case $try in
        1 | 10) signal_all TERM ;; # a proxy that drains is stopped by the second one
        100) signal_all KILL ;;
        esac
        sleep 0.02
    done
    wait 2>/dev/null
    rm -rf "$work"
}

e2e_begin() {
    work=$(mktemp -d)
    trap e2e_finish EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    local program
    for program in "$hedgerow" "$bench"; do
        [ -x "$program" ] && continue
        bad e2e_program "$program is not there; make builds it"
        exit 1
    done
}

# until_true COMMAND...: runs it again and again until it succeeds or patience is over.
until_true() {
    local end=$((SECONDS + patience_s))
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.02
    done
}

# ended PID SECONDS: waits so long for its end; its exit status in $status.
ended() {
    local end=$((SECONDS + $2))
    while kill -0 "$1" 2>/dev/null; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.02
    done
    wait "$1"
    status=$?
}

# ---- simulated clouds ----

# clouds_start CONFIG TAG
clouds_start() {
    "$bench" clouds --config "$1" --ready-fd 3 >"$work/$2.clouds" 2>"$work/$2.clouds.err" 3>"$work/$2.clouds.ready" &
    local pid=$!
    e2e_pids+=("$pid")
    clouds_up() { [ -s "$work/$1.clouds.ready" ] || ! kill -0 "$2" 2>/dev/null; }
    until_true clouds_up "$2" "$pid"
    [ -s "$work/$2.clouds.ready" ] && return
    bad "start_clouds_$2" "$(cat "$work/$2.clouds.err")"
    exit 1
}
# cloud TAG NAME MEMBER: port, url, host, control or ca of a running cloud.
cloud() { grep -F "\"name\":\"$2\"" "$work/$1.clouds" | sed -n "s/.*\"$3\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }
# counter CONTROL-URL NAME: one of /sim/stats.
counter() { curl -s -m 5 "$1/sim/stats" | grep -o "\"$2\":[0-9]\+" | head -n 1 | sed 's/.*://'; }
# tune CONTROL-URL JSON: changes how a cloud behaves.
tune() {
    local said
    said=$(curl -s -m 5 -d "$2" "$1/sim/faults")
    [ "$said" = '{"ok":true}' ] && return
    bad sim_tune "$2: $said"
    exit 1
}
# cancelled_is CONTROL-URL N: for until_true.
cancelled_is() { [ "$(counter "$1" cancelled)" = "$2" ]; }

# ---- the proxy ----

# proxy_start CONFIG TAG [OPTION...]: sets proxy_pid, proxy_urls (all listeners), proxy_url (the first) and proxy_admin.
proxy_start() {
    local config=$1 tag=$2
    shift 2
    "$hedgerow" serve --config "$config" "$@" >"$work/$tag.out" 2>"$work/$tag.err" &
    proxy_pid=$!
    e2e_pids+=("$proxy_pid")
    proxy_up() { grep -qs 'ready: ' "$work/$1.err" || ! kill -0 "$2" 2>/dev/null; }
    until_true proxy_up "$tag" "$proxy_pid"
    local ready
    ready=$(grep 'ready: ' "$work/$tag.err")
    if [ -z "$ready" ]; then
        bad "start_proxy_$tag" "$(cat "$work/$tag.err")"
        exit 1
    fi
    proxy_admin=$(sed -n 's/.*admin \(http:[^ ,]*\).*/\1/p' <<<"$ready")
    mapfile -t proxy_urls < <(sed 's/, admin .*//' <<<"$ready" | grep -o 'https\{0,1\}://[^ ,]*')
    proxy_url=${proxy_urls[0]}
}
# metric NAME: the value of a sample line that begins with NAME (labels included), of the running proxy.
metric() { curl -s -m 5 "$proxy_admin/metrics" | sed -n "s/^$1 //p" | head -n 1; }

# ---- reading answers ----

# The content deltas of a stream on standard input, put together (JSON escapes as they came).
text_of() { sed -n 's/^data: .*"delta":{[^}]*"content":"\(\([^"\\]\|\\.\)*\)".*/\1/p' | tr -d '\n'; }
# head_field NAME FILE: a header field of a head saved with curl -D.
head_field() { tr -d '\r' <"$2" | sed -n "s/^$1: //Ip" | tail -n 1; }
