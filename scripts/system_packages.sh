#!/usr/bin/env bash
# Install the Debian packages that are missing, by subject: system_packages.sh build browsers gstreamer guard node trace.
# Nothing missing: no apt call at all. Another distribution: says what to install and goes on.
set -euo pipefail

declare -A packages=(
    # AWS-LC is C and assembly; the virtual environment needs ensurepip; the GStreamer tests call openssl; the database of
    # advisories is a git repository.
    [build]="gcc g++ libc6-dev binutils make pkg-config ca-certificates openssl git python3-venv"
    # The fonts are for the pictures that the tests take; iproute2 and nftables make network namespaces.
    [browsers]="chromium firefox-esr fonts-dejavu-core fonts-noto-color-emoji iproute2 nftables"
    [gstreamer]="python3-gi python3-gst-1.0 gir1.2-gst-plugins-bad-1.0 gir1.2-gst-plugins-base-1.0 gstreamer1.0-nice
        gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly"
    [guard]="valgrind"
    [node]=""
    [trace]="strace"
)
# Node comes from many places; what counts is that its commands are there.
command -v node >/dev/null && command -v npm >/dev/null || packages[node]="nodejs npm"

wanted=()
for subject in "$@"; do
    read -r -a names <<<"${packages[$subject]//$'\n'/ }"
    wanted+=("${names[@]}")
done

if ! command -v dpkg-query >/dev/null; then
    printf 'not a Debian system; please see that these are installed: %s\n' "${wanted[*]}" >&2
    exit 0
fi

missing=()
for package in "${wanted[@]}"; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
done

if ! command -v cargo >/dev/null; then
    printf 'Rust is missing: install it from https://rustup.rs and run this again\n' >&2
    exit 1
fi
for component in rustfmt clippy; do
    command -v "cargo-${component/rustfmt/fmt}" >/dev/null || rustup component add "$component"
done

[ "${#missing[@]}" -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        printf 'neither root nor sudo; please have these packages installed: %s\n' "${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
printf '== system packages: %s\n' "${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
