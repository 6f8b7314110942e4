#!/usr/bin/env bash
# The pages in a real browser: what diagram, report, live page and a replica's page show against what the logs say, and how
# fast it is.
#
#   tests/browser/run.sh BINARY           everything, on a run that BINARY makes now
#   tests/browser/run.sh BINARY speed     the diagram's figures only; EVENTS=400000 for another size
#   tests/browser/run.sh BINARY live-speed   the live page's figures, beside a run of 10,000 events a second
#
# Needs Node.js and Chromium, and installs Debian's if they are missing; playwright-core comes from the npm
# registry into a temporary folder. CHROMIUM names another browser.
set -euo pipefail
binary=$(realpath "${1:?usage: tests/browser/run.sh BINARY [speed|live-speed]}")
what=${2:-all}
here=$(cd "$(dirname "$0")" && pwd)
export CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
missing=()
[ -x "$CHROMIUM" ] || missing+=(chromium)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
if [ ${#missing[@]} -gt 0 ]; then
    apt-get update -q && apt-get install -y -q --no-install-recommends "${missing[@]}"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
echo '{ "private": true }' >package.json
PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm install --silent --no-audit --no-fund playwright-core@1.65.1
export CLOCKLAB=$binary WORK=$work
if [ "$what" = all ]; then
    # Three ports in a row that are free now, below those that systems hand out.
    port=$(node "$here/free-ports.mjs" 3)
    "$binary" run --duration 5s --rates 6,4,1 --draw 5 --seed 7 --run browser --base-port "$port" --logs "$work/logs" >"$work/run.txt" ||
        { cat "$work/run.txt"; exit 1; }
    node "$here/diagram.mjs"
    node "$here/report.mjs"
    node "$here/live.mjs"
    node "$here/store.mjs"
fi
if [ "$what" = live-speed ]; then
    node "$here/live-speed.mjs"
else
    node "$here/speed.mjs"
fi
