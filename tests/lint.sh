#!/bin/bash
# lint.sh - what is checked without running the program; called by `make lint`. All steps run, then the
# status is 1 if any of them found something.
set -euo pipefail
cd "$(dirname "$0")/.."

# clang-format's versions disagree in details. The sources are formatted by Debian 12's.
format_version=14

run_make() {
    local slots
    slots=-j$(nproc)
    case ${MAKEFLAGS:-} in *-j*) slots= ;; esac
    # shellcheck disable=SC2086 # empty or one word
    "${MAKE:-make}" --no-print-directory $slots -k "$@"
}

format() {
    local have
    have=$(clang-format --version | grep -oE '[0-9]+' | head -n 1)
    if [ "$have" != $format_version ]; then
        echo "not checked: this is clang-format $have, the sources are formatted by $format_version"
        return
    fi
    find core net providers appliance bench tests -name '*.[ch]' -print0 |
        xargs -0 clang-format --dry-run -Werror --ferror-limit=3
}

# A script with a syntax error is found here and not in the one case that runs it.
scripts() {
    local script status=0
    while read -r script; do
        bash -n "$script" || status=1
    done < <(find appliance bench tests .ci -name '*.sh' -not -path '*/node_modules/*' -o -path .ci/run)
    return $status
}

layers() {
    tests/layers.sh --self-test && tests/layers.sh
}

# The commands of the build are only of interest when they fail.
warnings_gcc() { run_make MODE=release objects >build/lint-gcc.log 2>&1 || failed_log build/lint-gcc.log; }
warnings_clang() { run_make MODE=lint objects >build/lint-clang.log 2>&1 || failed_log build/lint-clang.log; }
analysis() { run_make MODE=lint tidy >build/lint-tidy.log 2>&1 || failed_log build/lint-tidy.log; }

failed_log() {
    grep -vE '^(cc|ar|ld|tidy)  ' "$1" | head -n 200
    return 1
}

mkdir -p build
status=0
for step in format scripts layers warnings_gcc warnings_clang analysis; do
    started=$SECONDS
    echo "lint: $step"
    # In a subshell of its own, with -e on: a function called in a condition runs with it off.
    set +e
    (
        set -e
        $step
    )
    [ $? = 0 ] && result=clean || { result=FAILED && status=1; }
    set -e
    echo "lint: $step: $result ($((SECONDS - started)) s)"
done
exit $status
