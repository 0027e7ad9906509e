#!/bin/bash
# run.sh - what a request and an event cost, beside the raw relay and nginx: `make bench`, `make bench-short`.
#
#   bench/run.sh [--short]
#
# Owns:     the programs measured and their configurations, in a folder of its own below build/.
# Promises: the proxies share the first processor and take turns there, the clients and clouds of
#           bench-yard have the last one; nothing leaves loopback; every process it started is gone
#           when it ends, however it ends. Writes build/bench.json; a few minutes (--short: one).
# Refuses:  machines with one processor. A target that is missed is no failure: the table says so.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "bench: $*" >&2; }
die() {
    say "$*"
    exit 1
}

# A network of our own where that is allowed: nobody else's ports and packets, and reno, whose cost does
# not depend on timers as bbr's does.
if [ -z "${BENCH_NETWORK:-}" ]; then
    export BENCH_NETWORK=shared
    flags=-n
    [ "$(id -u)" = 0 ] || flags=-rn
    if command -v ip >/dev/null && unshare $flags ip link set lo up 2>/dev/null; then
        BENCH_NETWORK=own exec unshare $flags "$0" "$@"
    fi
fi
if [ "$BENCH_NETWORK" = own ]; then
    ip link set lo up
    echo reno >/proc/sys/net/ipv4/tcp_congestion_control || true
fi

processors=$(awk '/^Cpus_allowed_list/ { print $2 }' /proc/self/status)
proxy_processor=${processors%%[-,]*}
yard_processor=${processors##*[-,]}
[ "$proxy_processor" != "$yard_processor" ] || die "needs two processors, one of them for the proxy alone"
command -v nginx >/dev/null || PATH=$PATH:/usr/sbin
command -v nginx >/dev/null || die "nginx is missing (appliance/deploy/deps.sh bench)"
ulimit -n "$(ulimit -Hn)"

# Where that is allowed, what else runs on this machine waits; it is the same for all programs.
renice -n -19 -p $$ >/dev/null 2>&1 || true

work=$(mktemp -d "$PWD/build/bench.XXXXXX")
started=() # process ids, the newest last

# shellcheck disable=SC2317 # called by the trap
clean_up() {
    local status=$? pid
    trap - EXIT INT TERM
    for pid in "${started[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    # hedgerow drains on the first signal; the second ends it.
    sleep 0.2
    for pid in "${started[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    [ $status = 0 ] || tail -n 5 "$work"/*.log >&2 || true
    rm -rf "$work"
    exit $status
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# start NAME COMMAND...: in the background on the proxies' processor. The yard's pipes are not for it.
start() {
    local name=$1
    shift
    taskset -c "$proxy_processor" "$@" </dev/null >"$work/$name.log" 2>&1 {to_yard}>&- {from_yard}<&- &
    started+=($!)
}

await_port() {
    local name=$1 port=$2 try
    for ((try = 0; try < 200; try++)); do
        if (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return; fi
        kill -0 "${started[-1]}" 2>/dev/null || die "$name has ended"
        sleep 0.05
    done
    die "$name does not listen on port $port"
}

# ---- configurations ----

# nginx_conf PORT UPSTREAM_SCHEME UPSTREAM_PORT LISTEN_OPTIONS
nginx_conf() {
    cat <<END
$([ "$(id -u)" != 0 ] || echo "user root;")
daemon off;
worker_processes 1;
pid $work/nginx-$1.pid;
events { worker_connections 22000; } # what the memory rows need, and no more: it allocates them all
http {
    access_log off;
    client_body_temp_path $work/nginx-$1-body;
    proxy_temp_path $work/nginx-$1-proxy;
    fastcgi_temp_path $work/nginx-$1-fastcgi;
    uwsgi_temp_path $work/nginx-$1-uwsgi;
    scgi_temp_path $work/nginx-$1-scgi;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    upstream cloud {
        server 127.0.0.1:$3;
        keepalive 4096;
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
    }
    server {
        listen 127.0.0.1:$1 backlog=4096 $4;
        ssl_certificate $work/tls/yard.test.pem;
        ssl_certificate_key $work/tls/yard.test.key;
        ssl_protocols TLSv1.2 TLSv1.3;
        location / {
            proxy_pass $2://cloud;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_read_timeout 1h;
            proxy_ssl_server_name on;
            proxy_ssl_name yard.test;
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate $work/tls/ca.pem;
            proxy_ssl_protocols TLSv1.2 TLSv1.3;
        }
    }
}
END
}

# hedgerow_conf PORT ADMIN_PORT LISTENER_TLS FIRST_URL SECOND_URL
hedgerow_conf() {
    local tls="tls: {ca: $work/tls/ca.pem, server_name: yard.test},"
    case $4 in http:*) tls= ;; esac
    cat <<END
version: 1
listeners:
  - {address: "127.0.0.1:$1"$3}
admin: {address: "127.0.0.1:$2"}
providers:
  first: {kind: openai, base_url: "$4/v1", api_key: sk-bench, $tls pool: {max_connections: 100000}}
  second: {kind: openai, base_url: "$5/v1", api_key: sk-bench, $tls pool: {max_connections: 100000}}
models:
  bench:
    strategy: ordered
    backends: [{provider: first, model: bench-1}, {provider: second, model: bench-1}]
    hedge: {mode: "off", max_attempts: 2, request_budget: 100%}
    timeouts: {idle: 10m}
telemetry: {access_log: {path: none}}
END
}

# haproxy_conf PORT UPSTREAM_PORT
haproxy_conf() {
    cat <<END
global
    nbthread 1
defaults
    mode http
    option http-no-delay
    http-reuse always
    timeout connect 10s
    timeout client 1h
    timeout server 1h
frontend clients
    bind 127.0.0.1:$1
    default_backend cloud
backend cloud
    server cloud 127.0.0.1:$2 pool-max-conn -1
END
}

# ---- the run ----

machine="$(awk -F ': ' '/^model name/ { print $2; exit }' /proc/cpuinfo), $(nproc) processors, Linux $(uname -r), \
$(nginx -v 2>&1 | awk '{ print $3 }'), network $BENCH_NETWORK"

short=
[ "${1:-}" != --short ] || short=--short

mkfifo "$work/to_yard" "$work/from_yard"
taskset -c "$yard_processor" build/bench-yard --tls "$work/tls" --json build/bench.json \
    --machine "$machine" $short <"$work/to_yard" >"$work/from_yard" &
yard=$!
started+=("$yard")
exec {to_yard}>"$work/to_yard" {from_yard}<"$work/from_yard"
read -r -u "$from_yard" _ clear_port slow_port tls_port || die "the yard does not start"
mapfile -t ports < <(build/bench-yard ports 8)

subject() { echo "subject $*" >&"$to_yard"; }

start relay build/raw-relay "${ports[0]}" "$clear_port"
await_port relay "${ports[0]}"
subject relay clear "${ports[0]}" 0 plain "${started[-1]}"

# With the worker's process id; the master does nothing.
nginx_start() {
    local mode=$1 port=$2 scheme=$3 upstream_port=$4 options=$5
    nginx_conf "$port" "$scheme" "$upstream_port" "$options" >"$work/nginx-$mode.conf"
    start "nginx-$mode" nginx -e stderr -p "$work" -c "$work/nginx-$mode.conf"
    await_port nginx "$port"
    subject nginx "$mode" "$port" 0 plain "$(pgrep -P "${started[-1]}")"
}
hedgerow_start() {
    local mode=$1 port=$2 admin_port=$3 races=$4
    shift 4
    hedgerow_conf "$port" "$admin_port" "$@" >"$work/hedgerow-$mode.yaml"
    start "hedgerow-$mode" build/hedgerow serve --config "$work/hedgerow-$mode.yaml" --workers 1
    await_port hedgerow "$port"
    subject hedgerow "$mode" "$port" "$admin_port" "$races" "${started[-1]}"
}

nginx_start clear "${ports[1]}" http "$clear_port" ""
if command -v haproxy >/dev/null; then
    haproxy_conf "${ports[2]}" "$clear_port" >"$work/haproxy.cfg"
    start haproxy haproxy -db -f "$work/haproxy.cfg"
    await_port haproxy "${ports[2]}"
    subject haproxy clear "${ports[2]}" 0 plain "${started[-1]}"
else
    say "haproxy is not installed: left out"
fi
hedgerow_start clear "${ports[3]}" "${ports[4]}" races "" "http://127.0.0.1:$clear_port" \
    "http://127.0.0.1:$slow_port"
nginx_start tls "${ports[5]}" https "$tls_port" ssl
hedgerow_start tls "${ports[6]}" "${ports[7]}" plain \
    ", tls: {certificate: $work/tls/yard.test.pem, private_key: $work/tls/yard.test.key}" \
    "https://127.0.0.1:$tls_port" "https://127.0.0.1:$tls_port"

echo run >&"$to_yard"
exec {to_yard}>&-
cat <&"$from_yard"
wait "$yard" || die "the measurement failed"
say "build/bench.json written"
