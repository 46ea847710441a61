#!/bin/sh
# Fails when the library without features needs 20 crates of others or more: every user compiles and trusts them.
# Usage: check-dependency-budget.sh [CARGO OPTION]...
set -eu
cd "$(dirname "$0")/.."
limit=20

# Ours are listed with a path in parentheses.
tree=$(cargo tree -p envel --edges normal --no-default-features --prefix none --format '{p}' "$@")
crates=$(echo "$tree" | grep -v '(/' | cut -d ' ' -f 1,2 | sort -u)
count=$(echo "$crates" | wc -l)
if [ "$count" -ge "$limit" ]; then
    echo "envel without features needs $count crates of others; the limit is below $limit:" >&2
    echo "$crates" >&2
    exit 1
fi
echo "envel without features needs $count crates of others, fewer than $limit"
