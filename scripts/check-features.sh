#!/bin/sh
# Checks that each crate compiles with no feature and with each feature alone: features only add.
# Usage: check-features.sh [CARGO OPTION]...
set -eu
cd "$(dirname "$0")/.."

while read -r crate features; do
    echo "cargo check -p $crate --no-default-features --features '$features'"
    cargo check --quiet -p "$crate" --no-default-features --features "$features" "$@" </dev/null
done <<END
envel-core
envel-core argon2
envel
envel tokio
envel-kms
envel-kms sqlite
envel-ops
envel-cli
END
