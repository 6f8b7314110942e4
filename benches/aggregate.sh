#!/usr/bin/env bash
# The same aggregate with clocklab, DuckDB and Polars, on one core and on all. Options pass through to the bench `aggregate`.
# Needs python3 with venv; installs the peers in a folder that is removed afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.0 polars==2.1.0
cargo build --quiet --locked --profile bench --bench aggregate
for cores in 0 "0-$(($(nproc) - 1))"; do
    taskset -c "$cores" cargo bench --quiet --locked --bench aggregate -- --python "$work/venv/bin/python" "$@"
    echo
done
