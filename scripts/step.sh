#!/usr/bin/env bash
# Run one step of the build with its name and its time: step.sh NAME COMMAND….
# `step.sh --start` begins a list of times, `step.sh --sum` prints it.
# A failing step ends the run with the name of the step and the command that repeats it.
set -u
cd "$(dirname "$0")/.." || exit 1
log=.cache/steps
mkdir -p .cache

if [ "$1" = --start ]; then
    rm -f "$log"
    exit 0
fi
if [ "$1" = --sum ]; then
    printf '\n'
    awk -F '\t' '{ printf "  %-22s %5d s\n", $1, $2; all += $2 } END { printf "  %-22s %5d s\n", "all", all }' "$log"
    rm -f "$log"
    exit 0
fi

name=$1
shift
started=$(date +%s)
printf '== %s\n' "$name"
"$@"
code=$?
seconds=$(($(date +%s) - started))
if [ "$code" -ne 0 ]; then
    printf '== %s FAILED after %s s; to repeat it: %s\n' "$name" "$seconds" "$*" >&2
    rm -f "$log"
    exit "$code"
fi
printf '%s\t%s\n' "$name" "$seconds" >>"$log"
