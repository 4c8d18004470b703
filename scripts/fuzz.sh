#!/usr/bin/env bash
# Let libFuzzer search: fuzz.sh SECONDS [TARGET…]; all targets without a name. Ends with 1 if one finds something.
# Stable Rust: SanitizerCoverage is an LLVM pass, and passes are options of the stable compiler.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=$1
shift
[ $# -gt 0 ] || set -- $(sed -n 's/^ *Target { name: "\([a-z0-9_]*\)".*/\1/p' rust/fuzz/src/lib.rs)

host=$(rustc -vV | sed -n 's/^host: //p')
out=target/fuzz
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares"
RUSTFLAGS=${RUSTFLAGS//$'\n'/ }
# `--target` keeps the instrumentation out of build scripts and procedural macros.
cargo build --quiet --release --manifest-path rust/fuzz/engine/Cargo.toml --target "$host" --target-dir "$out"

mkdir -p "$out/findings"
found=0
for target in "$@"; do
    mkdir -p "$out/corpus/$target"
    log=$out/$target.log
    printf '%-22s' "$target"
    if FUZZ_TARGET=$target "$out/$host/release/sfu-fuzz-engine" "$out/corpus/$target" "rust/fuzz/corpus/$target" \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$out/findings/$target-" >"$log" 2>&1; then
        sed -n 's/^stat::number_of_executed_units: */runs /p; s/^stat::peak_rss_mb: */peak MB /p' "$log" | paste -sd ' '
    else
        found=1
        printf 'FOUND something; the end of %s:\n' "$log"
        tail -n 20 "$log"
    fi
done
exit "$found"
