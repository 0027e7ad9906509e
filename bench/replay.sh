#!/bin/bash
# replay.sh - hedging policies over generated and recorded first-token times: `make replay`.
#
#   bench/replay.sh            five seeds of 200,000 requests: the tables of the README, between their markers, and
#                              bench/replay/plots/*.svg; about a minute
#   bench/replay.sh --short    two seeds of 60,000: prints the tables, writes nothing
#
# Promises: the same sources and recordings give the same tables and plots. Status 1 when a trace misses a
#           criterion (FAIL in its row); the files are written all the same: they tell what is.
# Refuses:  to write without the recordings (HEDGEROW_SHARED, default ../shared): rows would be missing.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8 # numbers with a point, whoever runs this

bench=${HEDGEROW_BENCH:-build/hedgerow-bench}
recorded=${HEDGEROW_SHARED:-../shared}/traces
plots=bench/replay/plots

say() { echo "replay: $*" >&2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

arguments=(--table --seeds 5)
[ "${1:-}" != --short ] || arguments=(--table --seeds 2 --requests 60000)
if [ -d "$recorded" ]; then
    arguments+=(--recorded "$recorded")
fi
if [ "${1:-}" != --short ]; then
    [ -d "$recorded" ] || { say "$recorded is not there: HEDGEROW_SHARED names the folder above it" && exit 1; }
    mkdir -p "$plots" "$work/plots"
    arguments+=(--plots "$work/plots")
fi

status=0
"$bench" replay "${arguments[@]}" >"$work/tables" || status=$?
[ $status -le 1 ] && [ -s "$work/tables" ] || exit $status
fanout=(replay --trace bigtable)
[ "${1:-}" != --short ] || fanout+=(--requests 50000)
"$bench" "${fanout[@]}" >"$work/fanout"

if [ "${1:-}" = --short ]; then
    cat "$work/tables"
    echo
    cat "$work/fanout"
    exit $status
fi

# The tables are three: times, verdicts, the fan-out; each goes between markers of its own.
# fill NAME FILE: replaces what is between the markers of that name in the README.
fill() {
    local begin="<!-- $1: made by \`make replay\` -->" end="<!-- $1: end -->"
    grep -qxF -- "$begin" README.md && grep -qxF -- "$end" README.md ||
        { say "README.md has no lines \"$begin\" and \"$end\"" && exit 1; }
    awk -v begin="$begin" -v end="$end" -v file="$2" '
        $0 == end { inside = 0 }
        !inside { print }
        $0 == begin { inside = 1; print ""; while ((getline line < file) > 0) print line; print "" }
    ' README.md >"$work/README.md"
    cat "$work/README.md" >README.md
}
awk -v first="$work/times" -v second="$work/verdicts" '
    /^$/ { later = 1; next }
    { print > (later ? second : first) }
' "$work/tables"
fill "replay times" "$work/times"
fill "replay verdicts" "$work/verdicts"
fill "replay fan-out" "$work/fanout"
rm -f "$plots"/*.svg
cp "$work"/plots/*.svg "$plots/"
say "README.md and $plots written"
exit $status
