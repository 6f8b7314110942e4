#!/bin/sh
# The viewer in headless Chromium: time to the first paint, frames a second while panning; aims: under 1 s and 30
# frames/s at 100,000 events. EVENTS=400000 for the largest page. Needs what tests/browser/run.sh needs.
set -eu
cd "$(dirname "$0")/.."
cargo build --release --locked --quiet
echo "$(nproc) cores, load $(cut -d' ' -f1-3 /proc/loadavg)"
exec tests/browser/run.sh "${CARGO_TARGET_DIR:-target}/release/clocklab" speed
