#!/usr/bin/env bash
# The causal store beside etcd and Redis, in turn, on this machine: HTTP by wrk at 32 connections, pipelined writes by
# `clocklab kv bench` and redis-benchmark. Needs Debian's wrk, etcd-server, redis-server and redis-tools.
# ROUNDS=3 and TIME=5 (seconds each) unless told otherwise. Everything is on loopback, in a folder of its own, and ends here.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${ROUNDS:-3}
time=${TIME:-5}
for tool in wrk etcd redis-server redis-benchmark node; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: apt-get install wrk etcd-server redis-server redis-tools nodejs" >&2; exit 2; }
done
cargo build --release --locked --quiet
clocklab=${CARGO_TARGET_DIR:-target}/release/clocklab
place=$(mktemp -d)
children=()
finish() {
    for child in "${children[@]}"; do kill "$child" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$place"
}
trap finish EXIT
base=$(node tests/browser/free-ports.mjs 12)
redis_port=$((base + 10))
echo "$(nproc) cores, load $(cut -d' ' -f1-3 /proc/loadavg), $rounds rounds of $time s"

# Ends the children that are running.
end_children() {
    for child in "${children[@]}"; do kill "$child" 2>/dev/null || true; done
    for child in "${children[@]}"; do wait "$child" 2>/dev/null || true; done
    children=()
}

# Waits until a port of loopback answers.
await() {
    for _ in $(seq 200); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return; fi
        sleep 0.05
    done
    echo "nobody listens on port $1" >&2
    exit 3
}

start_clocklab() { # further words of `kv run`
    "$clocklab" kv run --base-port "$base" --no-log --data "$place/kv-$RANDOM" "$@" >"$place/kv.out" 2>&1 &
    children+=($!)
    for port in "$base" $((base + 1)) $((base + 2)); do await "$port"; done
    sleep 2
}

start_etcd() {
    local cluster="a=http://127.0.0.1:$((base + 6)),b=http://127.0.0.1:$((base + 7)),c=http://127.0.0.1:$((base + 8))" number=0
    rm -rf "$place"/etcd-*
    for name in a b c; do
        etcd --name "$name" --data-dir "$place/etcd-$name" --log-level error \
            --listen-client-urls "http://127.0.0.1:$((base + 3 + number))" --advertise-client-urls "http://127.0.0.1:$((base + 3 + number))" \
            --listen-peer-urls "http://127.0.0.1:$((base + 6 + number))" --initial-advertise-peer-urls "http://127.0.0.1:$((base + 6 + number))" \
            --initial-cluster "$cluster" --initial-cluster-state new >"$place/etcd.out" 2>&1 &
        children+=($!)
        number=$((number + 1))
    done
    for port in 3 4 5; do await $((base + port)); done
    sleep 2
}

start_redis() { # further words of redis-server
    rm -rf "$place/redis" && mkdir "$place/redis"
    redis-server --port "$redis_port" --bind 127.0.0.1 --dir "$place/redis" --save "" "$@" >"$place/redis.out" 2>&1 &
    children+=($!)
    await "$redis_port"
}

# Requests a second by wrk, and its latencies; anything that was no success is shown.
by_wrk() { # script, port, connections, action
    ACTION=$4 wrk -t1 -c"$3" -d"${time}s" --latency -s "benches/store/$1.lua" "http://127.0.0.1:$2" >"$place/wrk.out"
    grep -E "Non-2xx|Socket errors" "$place/wrk.out" >&2 || true
    awk '/Requests\/sec/ {rate = $2} /50%/ {half = $2} /99%/ {most = $2} END {printf "%.0f/s (p50 %s, p99 %s)", rate, half, most}' "$place/wrk.out"
}

# SETs a second of 100,000 keys and 100 bytes, one connection, 32 in flight.
by_redis() { # requests
    redis-benchmark -p "$redis_port" -c 1 -P 32 -r 100000 -d 100 -n "$1" -t set --csv |
        tail -1 | awk -F '","' '{printf "%.0f/s (p50 %s ms, p99 %s ms)", $2, $5, $7}'
}

for round in $(seq "$rounds"); do
    echo "round $round"
    start_clocklab
    echo "  clocklab  HTTP PUT, 32 connections: $(by_wrk clocklab "$base" 32 put)"
    echo "  clocklab  HTTP GET, 32 connections: $(by_wrk clocklab "$base" 32 get)"
    echo "  clocklab  wire, fsync:  $("$clocklab" kv bench --at "127.0.0.1:$base" --pipeline 32 --duration "${time}s" --line)"
    end_children
    start_etcd
    echo "  etcd      HTTP PUT, 32 connections: $(by_wrk etcd $((base + 3)) 32 put)"
    echo "  etcd      HTTP GET, 32 connections: $(by_wrk etcd $((base + 3)) 32 get)"
    end_children
    start_redis --appendonly yes --appendfsync always
    echo "  redis     fsync always: $(by_redis 500000)"
    end_children
    start_clocklab --sync never
    echo "  clocklab  one connection, HTTP PUT: $(by_wrk clocklab "$base" 1 put)"
    echo "  clocklab  wire, no fsync: $("$clocklab" kv bench --at "127.0.0.1:$base" --pipeline 32 --duration "${time}s" --line)"
    end_children
    start_redis --appendonly no
    echo "  redis     no persistence: $(by_redis 1000000)"
    end_children
done
