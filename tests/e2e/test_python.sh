#!/bin/bash
# test_python.sh - the official Python SDKs against the proxy, and what the proxy sends against their vendors' own types
# (python_sdks.py). They are installed into build/venv; without python's venv or pip one line says so.
set -euo pipefail
cd "$(dirname "$0")/../.."

venv=build/venv
if ! cmp -s tests/e2e/requirements.txt "$venv/installed"; then
    rm -rf "$venv"
    if ! python3 -m venv "$venv" >build/venv.log 2>&1 ||
        ! "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/e2e/requirements.txt \
            >>build/venv.log 2>&1; then
        echo "skip python_sdks: they cannot be installed: $(tail -n 1 build/venv.log)"
        exit 0
    fi
    cp tests/e2e/requirements.txt "$venv/installed"
fi
exec "$venv/bin/python" tests/e2e/python_sdks.py
