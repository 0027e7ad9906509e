#!/bin/bash
# test_check.sh - the commands that do not serve: check, version, help, and what is said to wrong calls.
#
#   HEDGEROW=build/hedgerow tests/e2e/test_check.sh
#
# Prints "ok NAME" or "not ok NAME: why" lines (TAP-like, as the unit tests); exit 1 when one failed.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
hedgerow=$(realpath -m "${HEDGEROW:-$root/build/hedgerow}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

if [ ! -x "$hedgerow" ]; then
    echo "not ok check_binary: $hedgerow is not there; run make"
    exit 1
fi
cd "$work" || exit 1

# run NAME EXIT_CODE COMMAND...: runs it with output in $work/out and $work/err; compares the exit code.
run() {
    local want=$2
    name=$1 why=
    shift 2
    "$@" >out 2>err </dev/null
    local got=$?
    [ "$got" = "$want" ] || why="exit $got, not $want: $(head -c 200 err | tr '\n' ' ')"
}
# out_has TEXT, err_has TEXT, out_lacks TEXT: the last run's output, by fixed strings.
out_has() { grep -qF -- "$1" out || why="${why:-standard output lacks \"$1\"}"; }
err_has() { grep -qF -- "$1" err || why="${why:-standard error lacks \"$1\"}"; }
lacks() { ! grep -qF -- "$1" out err || why="${why:-the output shows \"$1\"}"; }
is_empty() { [ ! -s "$1" ] || why="${why:-$1 is not empty: $(head -c 200 "$1" | tr '\n' ' ')}"; }
done_with() {
    if [ -z "$why" ]; then
        echo "ok $name"
    else
        echo "not ok $name: $why"
        failed=1
    fi
}

# --- check ---

digest() { printf %s "$1" | sha256sum | cut -c1-64; }
example=$root/appliance/deploy/hedgerow.yaml
example_env=(OPENAI_API_KEY=hush-openai AZURE_OPENAI_API_KEY=hush-azure
    ANTHROPIC_API_KEY=hush-anthropic GEMINI_API_KEY=hush-gemini
    "TEAM_A_KEY_SHA256=$(digest a)" "OPERATIONS_KEY_SHA256=$(digest b)")

run check_example 0 env "${example_env[@]}" "$hedgerow" check --config "$example"
is_empty err
out_has "  127.0.0.1:8080  clear text"
out_has "kind azure, https://contoso.openai.azure.com"
out_has "1. openai: gpt-5.5  api.openai.com/v1/chat/completions  USD per million 1.25 in, 0.125 cached, 10 out"
out_has "2. azure-eu: gpt55-prod  contoso.openai.azure.com/openai/v1/chat/completions  weight 2"
out_has "team-a  models gpt-*  residency eu  at most 50 requests at once"
out_has "kind bedrock, https://bedrock-runtime.us-east-1.amazonaws.com"
out_has "credentials from the instance metadata service, region us-east-1, residency us"
out_has "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream"
lacks hush
lacks "$(digest a)"
done_with

run check_example_without_environment 1 env -u OPENAI_API_KEY -u AZURE_OPENAI_API_KEY \
    -u TEAM_A_KEY_SHA256 -u OPERATIONS_KEY_SHA256 "$hedgerow" check --config "$example"
is_empty out
# shellcheck disable=SC2016
err_has 'providers.openai.api_key: ${OPENAI_API_KEY} is not set in the environment'
# shellcheck disable=SC2016
err_has 'keys[1].sha256: ${OPERATIONS_KEY_SHA256} is not set in the environment'
done_with

cat >small.yaml <<'END'
version: 1
listeners: [{address: 127.0.0.1:8080}]
providers: {p: {kind: openai, api_key: k}}
models: {m: {backends: [{provider: p, model: x}]}}
END
run check_small 0 "$hedgerow" check --config=small.yaml
out_has "one per core"
done_with

run check_from_a_pipe 0 bash -c '"$1" check --config <(cat small.yaml)' - "$hedgerow"
out_has "  m"
done_with

sed 's/model: x/modle: x/' small.yaml >wrong.yaml
run check_wrong 1 "$hedgerow" check --config wrong.yaml
is_empty out
err_has 'wrong.yaml:4:39: models.m.backends[0]: unknown key "modle"; did you mean "model"?'
done_with

run check_absent 1 "$hedgerow" check --config absent.yaml
err_has "absent.yaml: cannot be read: No such file or directory"
done_with

sed 's/api_key: k/api_key: k, base_url: "http:\/\/10.0.0.1"/' small.yaml >warned.yaml
run check_warns_and_succeeds 0 "$hedgerow" check --config warned.yaml
err_has "warned.yaml:3:40: warning: providers.p.api_key will be sent in clear text: its URL is http"
done_with

if command -v openssl >/dev/null; then
    for host in a.example b.example; do
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$host" \
            -addext "subjectAltName=DNS:$host" -keyout "$host.key" -out "$host.crt" 2>/dev/null
    done
    mkdir -p etc
    mv ./*.key ./*.crt etc/
    sed 's/.*listeners.*/listeners:\
  - address: ":8443"\
    tls: {certificates: [{certificate: a.example.crt, private_key: a.example.key}, {certificate: b.example.crt, private_key: b.example.key}]}\
  - {address: ":8444", tls: {certificate: a.example.crt, private_key: a.example.key, client_ca: b.example.crt}}/' \
        small.yaml >etc/tls.yaml
    # Paths begin at the file's own folder, not here.
    run check_certificates 0 "$hedgerow" check --config etc/tls.yaml
    out_has "  *:8443  TLS"
    done_with
    sed 's/private_key: b.example.key/private_key: a.example.key/' etc/tls.yaml >etc/mixed.yaml
    run check_certificate_with_another_key 1 "$hedgerow" check --config etc/mixed.yaml
    err_has "etc/mixed.yaml:4:10: listeners[0].tls: "
    done_with
    sed 's/client_ca: b.example.crt/client_ca: absent.pem/' etc/tls.yaml >etc/absent.yaml
    run check_certificate_absent 1 "$hedgerow" check --config etc/absent.yaml
    err_has "etc/absent.yaml:5:29: listeners[1].tls: "
    err_has "absent.pem"
    done_with
else
    echo "skip check_certificates: needs openssl"
fi

# --- version and help ---

run version 0 "$hedgerow" version
out_has "hedgerow 0.1.0"
[ "$(wc -l <out)" = 1 ] || why="${why:-more than one line}"
done_with

run version_build 0 "$hedgerow" version --build
for library in BoringSSL io_uring jemalloc compiler; do out_has "$library"; done
done_with

run help 0 "$hedgerow" help
for command in serve check replay version help; do out_has "  $command "; done
is_empty err
done_with

run help_settings 0 "$hedgerow" help settings
out_has "models.NAME.hedge.max_attempts: number 1..8, default 2"
out_has "keys[].sha256: secret, required"
done_with

for command in serve check replay version help; do
    run "help_of_$command" 0 "$hedgerow" "$command" --help
    out_has "usage: hedgerow $command"
    is_empty err
    done_with
done

# --- wrong calls: usage on standard error, exit 2 ---

# wrong NAME TEXT ARGUMENT...
wrong() {
    local text=$2
    run "wrong_$1" 2 "$hedgerow" "${@:3}"
    is_empty out
    err_has "$text"
    err_has "usage: hedgerow"
    done_with
}
wrong nothing "usage: hedgerow COMMAND"
wrong command 'unknown command "chekc"' chekc --config small.yaml
wrong option "unknown option --confg" check --confg small.yaml
wrong short_option "unknown option -c" check -c small.yaml
wrong missing_value "a value is missing behind --config" check --config
wrong missing_option "missing option --config" serve
wrong argument "unexpected argument small.yaml" check --config small.yaml small.yaml
wrong workers "--workers wants a number from 1 to 256, not 0" serve --config small.yaml --workers 0
wrong listen "--listen does not begin with an IP address" serve --config small.yaml --listen localhost:80
wrong help_topic 'unknown command "nothing"' help nothing

run full_disk 1 bash -c '"$1" check --config small.yaml >/dev/full' - "$hedgerow"
err_has "standard output"
done_with

exit $failed
