#!/bin/sh
# The live page beside a run of 10 machines with 1000 ticks a second: how far a headless Chromium is behind, and what
# the server costs; aims: no event lost, 250 ms, half a core. SECONDS=60 for a longer run. Needs what
# tests/browser/run.sh needs, and a machine that does nothing else: the browser draws without a graphics card.
set -eu
cd "$(dirname "$0")/.."
cargo build --release --locked --quiet
echo "$(nproc) cores, load $(cut -d' ' -f1-3 /proc/loadavg)"
exec tests/browser/run.sh "${CARGO_TARGET_DIR:-target}/release/clocklab" live-speed
