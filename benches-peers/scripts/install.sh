#!/bin/sh
# Installs rage, a published release, into benches-peers/target/rage: it is measured as a process.
set -eu
cd "$(dirname "$0")/.."
version=0.12.1

if ! target/rage/bin/rage --version 2>/dev/null | grep -q " $version\$"; then
    cargo install --quiet rage --version "$version" --locked --root target/rage --target-dir target/rage-build
fi
