#!/bin/sh
# Time of a clean release build, in a target folder of its own that is removed afterwards. Aim: under three minutes on two cores.
set -eu
cd "$(dirname "$0")/.."
target=$(mktemp -d)
trap 'rm -rf "$target"' EXIT
cargo fetch --locked --quiet
echo "$(nproc) cores, load $(cut -d' ' -f1-3 /proc/loadavg)"
began=$(date +%s)
CARGO_TARGET_DIR=$target cargo build --release --locked --quiet
ended=$(date +%s)
echo "figure: clean release build: $((ended - began)) s (aim: under 180 s on two cores)"
