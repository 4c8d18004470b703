#!/usr/bin/env bash
# Check the dependencies against RustSec's advisories: advisories.sh CARGO-DENY.
# The database is a git repository; where it cannot be fetched the check is skipped with a word, never silently.
set -uo pipefail

database=https://github.com/RustSec/advisory-db
if ! reason=$(timeout 20 git ls-remote --exit-code "$database" HEAD 2>&1 >/dev/null); then
    printf 'advisories: SKIPPED, %s cannot be reached (%s)\n' "$database" "$(tail -n 1 <<<"$reason")"
    exit 0
fi
exec "$1" --log-level error check --hide-inclusion-graph advisories
