#!/bin/sh
# Installs the official SDKs that the interoperability tests talk to: the Python one where there is
# python3, and the JavaScript one where there is npm.
# Usage: install.sh [DIRECTORY]    default: target/peers of this workspace, where the tests look
set -eu
sources=$(cd "$(dirname "$0")" && pwd)
directory=${1:-$sources/../../../target/peers}
mkdir -p "$directory"

# The copied list says what is installed; it is written last, so that an interrupted installation is done again.
if ! command -v python3 >/dev/null; then
    echo "no python3: the Python SDK is not installed and its tests will be skipped" >&2
elif ! cmp -s "$sources/requirements.txt" "$directory/python/requirements.txt"; then
    rm -rf "$directory/python"
    python3 -m venv "$directory/python"
    "$directory/python/bin/pip" install --quiet --disable-pip-version-check --requirement "$sources/requirements.txt"
    cp "$sources/requirements.txt" "$directory/python/requirements.txt"
fi

if ! command -v npm >/dev/null; then
    echo "no npm: the JavaScript SDK is not installed and its tests will be skipped" >&2
elif ! cmp -s "$sources/package-lock.json" "$directory/node/installed-lock.json"; then
    rm -rf "$directory/node"
    mkdir -p "$directory/node"
    cp "$sources/package.json" "$sources/package-lock.json" "$sources/.npmrc" "$directory/node/"
    (cd "$directory/node" && npm ci --silent --no-audit --no-fund)
    cp "$sources/package-lock.json" "$directory/node/installed-lock.json"
fi
