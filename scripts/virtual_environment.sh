#!/usr/bin/env bash
# Make the virtual environment with the first Python of at least 3.11 on the path: virtual_environment.sh DIRECTORY.
set -euo pipefail

for candidate in python3 python3.11 python3.12 python3.13 python3.14 /usr/bin/python3; do
    command -v "$candidate" >/dev/null || continue
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        exec "$candidate" -m venv "$1"
    fi
done
printf 'no Python of version 3.11 or newer with the venv module was found\n' >&2
exit 1
