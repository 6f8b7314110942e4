#!/usr/bin/env bash
# Gives exports of real runs to the programs that they are for. Installs those in a folder that is removed
# afterwards; needs python3 with venv, node with npm, and Graphviz (Debian: apt-get install graphviz).
#
#   tests/consumers/run.sh [CLOCKLAB]      the program [default: the release build of this package]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
package=$(cd "$here/../.." && pwd)
clocklab=${1:-${CARGO_TARGET_DIR:-$package/target}/release/clocklab}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for tool in python3 node npm dot; do
    command -v "$tool" >/dev/null || { echo "$tool is missing; see the head of $0" >&2; exit 1; }
done
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.0 polars==2.1.0 pyarrow==26.0.1
cp "$here"/*.mjs "$work"
(cd "$work" && npm install --silent --no-save --no-audit --no-fund mermaid@11.17.2 >/dev/null)

# Three runs: as the assignment has it, fast and crowded, and one whose last machine is cut off.
real_run() {
    "$clocklab" run "$@" --duration 5s --base-port "$(node "$here/../browser/free-ports.mjs" 6)" --logs "$work/logs" >"$work/run.txt" ||
        { cat "$work/run.txt"; exit 1; }
}
real_run --rates 6,4,1 --seed 7 --run slow
real_run --machines 6 --rates 20-40 --seed 8 --run fast
rm "$work/logs/latest"
mkdir "$work/cut" "$work/runs"
cp "$work"/logs/fast/* "$work/cut"
truncate -s 3000 "$work/cut/machine-5.log"
rm "$work/cut/machine-4.log"

# Event lines of the logs in a folder.
events() { cat "$1"/machine-*.log | grep -c -E '^[0-9].*clock=[0-9]+' || true; }
export_to() { "$clocklab" export "$1" --to "$2" --output "$3" "${@:4}" 2>/dev/null; }

for run in "$work/logs/slow" "$work/logs/fast" "$work/cut"; do
    name=$(basename "$run")
    all=$(export_to "$run" csv "$work/$name.csv" | sed 's/.*: \([0-9]*\) events.*/\1/')
    if [ "$name" != cut ] && [ "$all" != "$(events "$run")" ]; then
        echo "$name: $all rows for $(events "$run") events" >&2
        exit 1
    fi
    for format in shiviz tsviz govector; do
        groups=event,host,clock
        [ "$format" = tsviz ] && groups=$groups,timestamp
        export_to "$run" "$format" "$work/$name.$format" --all >/dev/null
        node "$work/vectors.mjs" "$work/$name.$format" "$groups" "$all"
        count=$(export_to "$run" "$format" "$work/$name-part.$format" --window 1s-2s --machines 0,2 \
            | sed 's/.*: \([0-9]*\) events.*/\1/')
        node "$work/vectors.mjs" "$work/$name-part.$format" "$groups" "$count"
    done
    for options in "" "--internal" "--window 1s-2s --all"; do
        # shellcheck disable=SC2086
        messages=$(export_to "$run" mermaid "$work/$name.mmd" --force $options | sed 's/.*, \([0-9]*\) messages.*/\1/')
        node "$work/diagram.mjs" "$work/$name.mmd" "$messages"
    done
    told=$(export_to "$run" dot "$work/$name.dot")
    dot -Tsvg "$work/$name.dot" -o "$work/$name.svg"
    drawn=$(grep -c '<g id="node' "$work/$name.svg")
    case $told in
        *": $drawn events"*) echo "$name.dot: $drawn nodes drawn" ;;
        *) echo "$name.dot: Graphviz draws $drawn nodes; $told" >&2; exit 1 ;;
    esac
done
for run in "$work"/logs/*/; do
    for format in parquet csv; do
        export_to "$run" "$format" "$work/runs/$(basename "$run").$format" >/dev/null
    done
done
"$work/venv/bin/python" "$here/tables.py" "$work/runs" "$work/logs"

# A checker that refuses nothing proves nothing.
sed '3s/":1/":2/' "$work/slow.shiviz" >"$work/bad.shiviz"
if node "$work/vectors.mjs" "$work/bad.shiviz" event,host,clock "$(events "$work/logs/slow")" 2>/dev/null; then
    echo "a clock that begins with 2 was not refused" >&2
    exit 1
fi
echo "consumers: every export was read as it was written"
