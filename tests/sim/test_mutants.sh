#!/bin/bash
# test_mutants.sh [SEEDS] - judges the simulator: each planted bug of mutants.list is put into a copy of the tree, and
# some seed must find it. One line a mutant; the copy lies under build/mutants and keeps its objects between runs.
set -u
cd "$(dirname "$0")/../.." || exit 1
seeds=${1:-800}
tree=build/mutants
failed=0

# The copy, with its objects: only the mutated file is compiled again.
mkdir -p "$tree/build"
rm -rf "${tree:?}"/{core,net,providers,appliance,tests,bench}
cp -a Makefile core net providers appliance "$tree/"
mkdir -p "$tree/tests"
cp -a tests/sim tests/test.h "$tree/tests/"
ln -sfn ../../deps "$tree/build/deps"
[ -d "$tree/build/release" ] || cp -a build/release "$tree/build/"
say() { echo "$1 mutant $2$3"; }
sim_make() { make -C "$tree" build/release/sim >"$tree/make.log" 2>&1; }
if ! sim_make; then
    echo "not ok mutants_build: $(tail -n 3 "$tree/make.log" | tr '\n' ' ')"
    exit 1
fi

# mutate NAME FILE OLD NEW
mutate() {
    local file=$tree/$2 out=$tree/sim.out
    if [ "$(grep -cF -- "$3" "$file")" != 1 ]; then
        say "not ok" "$1" ": its line does not stand in $2 exactly once"
        return 1
    fi
    OLD=$3 NEW=$4 perl -0pi -e 's/\Q$ENV{OLD}\E/$ENV{NEW}/' "$file"
    if sim_make; then
        # A bug may also hang the simulation or end it by a signal: both are found out.
        timeout 60 "$tree/build/release/sim" --seeds "$seeds" >"$out" 2>&1
        case $? in
        0) say "not ok" "$1" " survived $seeds seeds"; set -- "$@" survived ;;
        124) say ok "$1" " caught: the simulation hangs" ;;
        *) say ok "$1" " caught: $(grep -m 1 -aE 'not ok|CHECK|check' "$out" | cut -c 1-150)" ;;
        esac
    else
        say "not ok" "$1" ": does not compile: $(grep -m 1 error "$tree/make.log")"
        set -- "$@" broken
    fi
    cp -p "$2" "$file"
    touch "$file"
    [ $# = 4 ]
}

name="" file="" old=""
while IFS= read -r line; do
    case $line in
    '#'* | '') name="" file="" ;;
    '- '*) old=${line#- } ;;
    '+ '*) mutate "$name" "$file" "${old#"${old%%[! ]*}"}" "${line#+ }" </dev/null || failed=1 ;;
    *) if [ -z "$name" ]; then name=$line; else file=$line; fi ;;
    esac
done <tests/sim/mutants.list
exit $failed
