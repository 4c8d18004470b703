#!/usr/bin/env bash
# Install the pinned npm packages of the interop tests outside the tree's sources: npm_packages.sh DIRECTORY.
# A registry that cannot be reached leaves the directory empty, and the test that needs it says so and skips; where CI
# is set this fails at once.
set -uo pipefail

cd "$(dirname "$0")/.." || exit 1
mkdir -p "$1"
cp tests/interop/node/package.json tests/interop/node/package-lock.json "$1/"
cd "$1" || exit 1
if ! npm ci --no-audit --no-fund --loglevel=error; then
    rm -rf node_modules
    case "${CI:-}" in
    '' | 0 | false | no) printf 'npm packages: NOT INSTALLED; tests that need them will skip\n' >&2 ;;
    *) exit 1 ;;
    esac
fi
