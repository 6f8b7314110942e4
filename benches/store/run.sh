#!/usr/bin/env bash
# The causal store beside etcd and Redis, in turn, on this machine: HTTP by wrk, writes by the wire beside redis-benchmark,
# one connection, a partition, a restart with a million keys. One table of medians at the end.
# Needs python3, nodejs, and Debian's wrk, etcd-server, redis-server and redis-tools. `--rounds`, `--seconds`, `--only` and
# more are passed on (measure.py --help). Everything is on loopback, in a folder of its own, and ends here.
set -euo pipefail
cd "$(dirname "$0")/../.."
for tool in wrk etcd redis-server redis-benchmark node python3; do
    command -v "$tool" >/dev/null || {
        echo "$tool is missing: apt-get install wrk etcd-server redis-server redis-tools nodejs python3" >&2
        exit 2
    }
done
if [ -z "${CLOCKLAB:-}" ]; then
    cargo build --release --locked --quiet
    CLOCKLAB=${CARGO_TARGET_DIR:-target}/release/clocklab
fi
exec python3 benches/store/measure.py "$CLOCKLAB" "$(node tests/browser/free-ports.mjs 12)" "$@"
