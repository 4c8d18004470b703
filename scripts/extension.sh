#!/usr/bin/env bash
# Build the extension module and put it where the package in the tree finds it: extension.sh [--release].
# What maturin does on `develop`, with the very cargo call that checks and tests share their crates with.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=debug
[ "${1:-}" != --release ] || folder=release
cargo build --package sfu-python --lib --locked --quiet "$@"

built="${CARGO_TARGET_DIR:-target}/$folder/lib_core.so"
installed=python/sfu/_core.abi3.so
if ! cmp -s "$built" "$installed"; then
    # Beside it and then over it: a server that runs keeps the file that it has mapped.
    cp "$built" "$installed.new"
    mv "$installed.new" "$installed"
fi
