#!/bin/bash
# test_mutants.sh [SEEDS [NAME...]] - judges the simulator: each planted bug of mutants.list is put into a copy of the
# tree, and some seed must find it. One line a mutant: `ok mutant NAME caught by seed K: what`, or `not ok mutant NAME
# survived`. The copy lies under build/mutants and keeps its objects between runs.
set -u
cd "$(dirname "$0")/../.." || exit 1
seeds=${1:-5000}
[ $# = 0 ] || shift
tree=$PWD/build/mutants
jobs=${JOBS:-$(nproc)}
seed_limit_s=120

# The copy, whole before anything is changed in it: the tree may be worked on meanwhile.
mkdir -p "$tree/build/release" "$tree/mutants"
rm -rf "$tree"/{core,net,providers,appliance,tests,mutants}/
mkdir -p "$tree/tests" "$tree/mutants"
cp -a Makefile core net providers appliance "$tree/"
cp -a tests/sim tests/test.h "$tree/tests/"
ln -sfn ../../deps "$tree/build/deps"
[ -e "$tree/build/release/libhedgerow.a" ] || cp -a build/release "$tree/build/"
if ! make -C "$tree" -j"$jobs" build/release/sim >"$tree/make.log" 2>&1; then
    echo "not ok mutants_build: $(grep -m 1 error "$tree/make.log" || tail -n 1 "$tree/make.log")"
    exit 1
fi
# How the Makefile compiles and links; a mutated object in front of the archive takes the place of its member.
said() { make -C "$tree" -s --no-print-directory "print-$1" MODE=release; }
COMPILE=$(said COMPILE)
LINK="$(said LINK) $(said RPATH_tests | tr ' ' '\n' | sed 's/^/-Wl,-rpath,/' | tr '\n' ' ')"
LIBS="$(said LIBS_test) $(said LIBS_tls) $(said LIBS_system) -lm"
export COMPILE LINK LIBS tree seeds seed_limit_s

# mutant NAME FILE OLD NEW: one of them, in a folder of its own.
mutant() {
    local name=$1 file=$2 dir=$tree/mutants/$1 status what
    cd "$tree" || return
    if [ "$(grep -cF -- "$3" "$file")" != 1 ]; then
        echo "not ok mutant $name: its line does not stand in $file exactly once"
        return
    fi
    mkdir -p "$dir"
    OLD=$3 NEW=$4 perl -0pe 's/\Q$ENV{OLD}\E/$ENV{NEW}/' "$file" >"$dir/mutated.c"
    # shellcheck disable=SC2086 # words of make
    if ! { $COMPILE -c "$dir/mutated.c" -o "$dir/mutated.o" &&
        $LINK build/release/tests/sim/*.o "$dir/mutated.o" build/release/libhedgerow.a $LIBS -o "$dir/sim"; } \
        >"$dir/log" 2>&1; then
        echo "not ok mutant $name: does not build: $(grep -m 1 error "$dir/log")"
        return
    fi
    # A bug may also hang the simulation or end it by a signal: both are found out.
    timeout "$seed_limit_s" "$dir/sim" --seeds-only --seeds "$seeds" >"$dir/out" 2>&1
    status=$?
    what=$(grep -m 1 -a 'not ok' "$dir/out" | sed 's/^not ok sim //' | cut -c 1-130)
    case $status in
    0) echo "not ok mutant $name survived $seeds seeds" ;;
    124) echo "ok mutant $name caught: the simulation hangs" ;;
    *) echo "ok mutant $name caught by ${what:-the end of the program, status $status}" ;;
    esac
    rm -f "$dir/sim" "$dir/mutated.o"
}
export -f mutant

wanted() {
    [ $# = 1 ] || [[ " ${*:2} " == *" $1 "* ]]
}

# The list as NUL-separated quadruples, for xargs.
name="" file="" old=""
while IFS= read -r line; do
    case $line in
    '#'* | '') name="" file="" ;;
    '- '*) old=${line#- } ;;
    '+ '*) wanted "$name" "$@" && printf '%s\0' "$name" "$file" "$old" "${line#+ }" ;;
    *) if [ -z "$name" ]; then name=$line; else file=$line; fi ;;
    esac
done <tests/sim/mutants.list |
    xargs -0 -n 4 -P "$jobs" bash -c 'mutant "$@"' mutant | tee "$tree/result"
[ -s "$tree/result" ] && ! grep -q '^not ok' "$tree/result"
