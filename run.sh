#!/usr/bin/env bash
# Builds clocklab and makes a run: three machines, a minute. Every option of `clocklab run` passes through; see ./run.sh --help.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cargo build --release --manifest-path "$here/Cargo.toml"
exec "${CARGO_TARGET_DIR:-$here/target}/release/clocklab" run "$@"
