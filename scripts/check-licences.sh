#!/bin/sh
# Checks the licences, sources and duplicates of all dependencies against deny.toml, where cargo-deny is installed.
set -eu
cd "$(dirname "$0")/.."

if ! cargo deny --version >/dev/null 2>&1; then
    echo "skipped: cargo-deny is not installed (cargo install --locked cargo-deny)"
    exit 0
fi
cargo deny --all-features check bans licenses sources
