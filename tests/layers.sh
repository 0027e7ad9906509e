#!/bin/bash
# layers.sh - checks the lines of the architecture which the compiler does not:
#   * which layer may include which (README, "Layers"), and that includes are written from the root;
#   * that files headed `(pure)` include neither the loop nor what stands on it;
#   * that liburing, BoringSSL, the clock, dice, the heap and sleep are used in the files that own them.
#
#   tests/layers.sh [FOLDER]      checks the sources below FOLDER (default: the project); status 1 and
#                                 one line FILE:LINE: why for each violation
#   tests/layers.sh --self-test   plants one violation of each kind and expects to find exactly those
set -euo pipefail
shopt -s nullglob

# Reads C files; comments and the insides of strings do not count, except in #include lines.
read -r -d '' checks <<'AWK' || true
BEGIN {
    # Calls: the names, the files that own them, what to say. Everything below core, net, providers and
    # appliance is held to these; bench and tests are not.
    rule("clock_gettime gettimeofday timespec_get time clock", \
         "^core/(ring_uring|clock)\\.c$", "the clock belongs to core/ring_uring.c and core/clock.c")
    rule("rand random srand srandom rand_r drand48 lrand48 getrandom getentropy arc4random " \
         "arc4random_buf arc4random_uniform", \
         "^core/(rand|ring_uring)\\.c$", "dice belong to core/rand.c")
    rule("malloc calloc realloc reallocarray free strdup strndup aligned_alloc posix_memalign asprintf " \
         "vasprintf getline", \
         "^(core/heap\\.c|net/(tls|tls_[a-z_]+|cert|resolve)\\.c|appliance/control/[a-z_]+\\.c)$", \
         "the heap belongs to core/heap.c; the data path takes from slabs and arenas")
    rule("sleep usleep nanosleep clock_nanosleep", "^$", "nothing sleeps; arm a timer")
}

function rule(names, owners, why,    n, i, word) {
    n = split(names, word, " ")
    for (i = 1; i <= n; i++) {
        rule_owners[word[i]] = owners
        rule_why[word[i]] = why
    }
}

function report(why) {
    print path ":" FNR ": " why
    violations++
}

function layer_of(name) {
    if (name ~ /^(core|net|providers|bench|tests)\//)
        return substr(name, 1, index(name, "/") - 1)
    if (name ~ /^appliance\/(race|replay|control)\//) {
        sub(/^appliance\//, "", name)
        return substr(name, 1, index(name, "/") - 1)
    }
    return ""
}

# May a file of layer `from` include `name`?
function may_include(from, name,    to) {
    to = layer_of(name)
    if (from == "core") return to == "core"
    if (from == "net") return to ~ /^(core|net)$/
    if (from == "providers")
        return to ~ /^(core|providers)$/ || name == "net/http.h" || name == "net/sse.h"
    if (from == "race") return to ~ /^(core|net|providers|race)$/
    if (from == "replay") return to ~ /^(core|race|replay)$/
    if (from == "control") return to ~ /^(core|net|providers|race|replay|control)$/
    return to != ""
}

function check_include(line,    name) {
    name = line
    if (line ~ /"/) {
        gsub(/^[^"]*"|".*$/, "", name)
        if (layer_of(name) == "") {
            # The tests may put a folder of their own first.
            if (product) report("\"" name "\" is not written from the root of the project")
        } else if (!may_include(layer, name))
            report("layer " layer " may not include \"" name "\"")
        if (pure && name ~ /^core\/(loop|io|ring|worker|mailbox|timer)\.h$/)
            report("the file is headed (pure) and includes \"" name "\"")
        return
    }
    gsub(/^[^<]*<|>.*$/, "", name)
    if (name ~ /^liburing(\.h|\/)/ && path !~ /^(core\/ring_uring\.c|bench\/)/ && layer != "tests")
        report("<" name "> belongs to core/ring_uring.c")
    if (name ~ /^openssl\// && product && \
        path !~ /^net\/(tls|tls_[a-z_]+|cert)\.[ch]$/ && \
        path !~ /^providers\/(sigv4|gcp_token|oci)\.c$/ && path != "appliance/control/keys.c")
        report("<" name "> belongs to the TLS, certificate, signing and token files")
}

function check_calls(code,    rest, at, word, before) {
    rest = code
    before = ""
    while (match(rest, /[A-Za-z_][A-Za-z0-9_]*/)) {
        word = substr(rest, RSTART, RLENGTH)
        before = before substr(rest, 1, RSTART - 1)
        rest = substr(rest, RSTART + RLENGTH)
        # A member of that name is somebody's own function.
        if ((word in rule_owners) && rest ~ /^[ \t]*\(/ && before !~ /(\.|->)[ \t]*$/ && \
            path !~ rule_owners[word])
            report(word "(): " rule_why[word])
        before = before word
    }
}

# The line without comments, and with "" for every string and '' for every character. An #include keeps
# its name. Keeps `in_comment` from line to line, and gathers the text of the file's first comment.
function strip(line,    out, two, c, i, n, quote) {
    out = ""
    n = length(line)
    for (i = 1; i <= n; i++) {
        two = substr(line, i, 2)
        c = substr(line, i, 1)
        if (in_comment) {
            if (comments == 1 && !code_seen) first_comment = first_comment c
            if (two == "*/") { in_comment = 0; i++; out = out " " }
        } else if (two == "/*") {
            in_comment = 1; comments++; i++
        } else if (two == "//") {
            break
        } else if ((c == "\"" && out !~ /^[ \t]*#[ \t]*include/) || c == "'") {
            quote = c
            for (i++; i <= n && substr(line, i, 1) != quote; i++)
                if (substr(line, i, 1) == "\\") i++
            out = out quote quote
        } else
            out = out c
    }
    return out
}

FNR == 1 {
    path = FILENAME
    sub(/^\.\//, "", path)
    layer = layer_of(path)
    product = layer !~ /^(bench|tests)$/
    in_comment = comments = code_seen = pure = 0
    first_comment = ""
}
{
    code = strip($0)
    # The heading is over with the first line of code.
    if (code ~ /[^ \t]/) {
        if (!code_seen && first_comment ~ /\(pure\)/) pure = 1
        code_seen = 1
    }
    if (code ~ /^[ \t]*#[ \t]*include/) check_include(code)
    else if (product) check_calls(code)
}
END { exit violations > 0 }
AWK

sources_of() {
    find core net providers appliance bench tests -name '*.[ch]' 2>/dev/null | sort
}

check() (
    cd "$1"
    mapfile -t files < <(sources_of)
    [ ${#files[@]} -gt 0 ] || { echo "layers: no sources below $1" >&2 && return 1; }
    awk "$checks" "${files[@]}"
)

self_test() {
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    mkdir -p "$folder"/{core,net,providers,appliance/race,appliance/replay,appliance/control,bench,tests}
    cd "$folder"

    # What must be found: the file, a tab, its only line of offence (the heading comes before it).
    while IFS=$'\t' read -r file line; do
        printf '/* planted */\n%s\n' "$line" >"$file"
        echo "$file:2" >>expected
    done <<'END'
core/a.c	#include "net/conn.h"
core/b.c	#include "bench/wire.h"
core/c.c	#include <liburing.h>
core/d.c	int f(void) { return malloc (3) ? 1 : 0; }
net/a.c	#include "providers/chat.h"
net/b.c	#include "conn.h"
net/c.c	long f(void) { /* why */ return time(NULL); }
net/d.c	void f(void) { "a \" string"; usleep(3); }
net/conn.c	#include <openssl/ssl.h>
providers/a.c	#include "net/conn.h"
providers/b.c	#include "appliance/race/plan.h"
providers/c.c	int f(void) { return random(); }
appliance/race/a.c	#include "appliance/control/serve.h"
appliance/race/b.c	void f(char *p) { free(p); }
appliance/race/d.c	#include "appliance/replay/replay.h"
appliance/replay/a.c	#include "appliance/control/serve.h"
appliance/replay/b.c	#include "providers/chat.h"
appliance/replay/c.c	void *f(void) { return malloc(3); }
appliance/race/c.c	#include "tests/test.h"
appliance/control/a.c	#include "bench/wire.h"
appliance/control/b.c	void f(void) { getrandom(0, 0, 0); }
appliance/control/c.c	void f(void) { clock_gettime(0, 0); }
appliance/control/d.c	#include <openssl/sha.h>
END
    printf '/* e.c - sums (pure)\n * and so on. */\n#include "core/loop.h"\n' >core/e.c
    printf '/* e.h (pure) */\n\n#include "core/io.h"\n' >net/e.h
    printf '/* x.c (pure) */\n#include "core/ring.h"\n' >providers/x.c
    printf 'core/e.c:3\nnet/e.h:3\nproviders/x.c:2\n' >>expected

    # What must not be found.
    printf '/* malloc(3), random()\n#include "net/x.h"\n*/ // sleep(1)\nchar *s = "free(x)";\n%s\n%s\n' \
        'int f(struct s *s) { return s->free(1) + s.time(2) + heap_free(0) + uptime(1); }' \
        '#include "core/fail.def"' >core/good.c
    printf '#include <liburing.h>\nlong f(void) { return clock_gettime(0, 0); }\n' >core/ring_uring.c
    printf 'void *heap_alloc(void) { return malloc(3); }\n' >core/heap.c
    printf '#include <openssl/ssl.h>\nvoid f(void *p) { free(p); }\n' >net/tls_x.c
    printf '#include "net/sse.h"\n#include "net/http.h"\n#include "core/a.h"\n' >providers/good.c
    printf '#include "core/x.h"\n/* not the heading: (pure) */\n#include "core/loop.h"\n' >net/good.c
    printf '#include "core/x.h"\n#include <liburing.h>\nvoid f(void) { sleep(rand()); }\n' >bench/good.c
    printf '#include "core/x.h"\n#include "appliance/race/x.h"\n' >appliance/replay/good.c
    printf '#include "appliance/replay/x.h"\n' >appliance/control/good.c
    printf '#include "appliance/control/x.h"\n#include "race_fixture.h"\n' >tests/good.c

    status=0
    check "$folder" >report || status=$?
    cut -d : -f 1,2 report | sort >found
    sort -o expected expected
    if ! diff expected found >difference; then
        echo "layers: the self-test failed (< not found, > found without cause):"
        cat difference report
        return 1
    fi
    [ "$status" = 1 ] || { echo "layers: violations do not fail the check" && return 1; }
    echo "layers: the self-test found all $(wc -l <expected) planted violations"
}

case ${1:-} in
--self-test) self_test ;;
*) check "${1:-$(dirname "$0")/..}" ;;
esac
