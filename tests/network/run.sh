#!/usr/bin/env bash
# A mesh over a network of its own: three hosts and an intruder as network namespaces, cables (veth pairs) to a switch (a
# bridge in a namespace, too). A cable is cut for a while and mended, then another for good; who has another secret stays out.
# Needs root, ip and iptables (Debian: iproute2, iptables), python3; says so and does nothing where they are missing. Touches
# no namespace, link or rule that it did not make, and removes those however it ends. Takes about 45 s.
#
#   tests/network/run.sh [CLOCKLAB]      the program [default: the release build of this package]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
package=$(cd "$here/../.." && pwd)
clocklab=$(realpath "${1:-${CARGO_TARGET_DIR:-$package/target}/release/clocklab}")

skip() { echo "skipped: $*"; exit 0; }
[ "$(id -u)" = 0 ] || skip "the network test makes network namespaces, which needs root"
for tool in ip iptables python3; do
    command -v "$tool" >/dev/null || skip "the network test needs $tool (apt-get install iproute2 iptables python3)"
done
[ -x "$clocklab" ] || { echo "$clocklab is no program: build it first" >&2; exit 1; }

name=clocklab-$$
work=$(mktemp -d)
namespaces=()
processes=()
tidy_up() {
    local process space
    for process in "${processes[@]}"; do
        kill "$process" 2>/dev/null && wait "$process"
    done
    # Links and rules go with the namespaces that they are in.
    for space in "${namespaces[@]}"; do
        ip netns del "$space" || true
    done
    rm -rf "$work"
}
trap 'status=$?; set +e; tidy_up; exit $status' EXIT
trap 'exit 130' INT TERM HUP
fail() {
    echo "network test: $*" >&2
    tail -n 5 "$work"/*.err >&2 || true
    exit 1
}
say() { printf '%s\n' "-- $*"; }

# The network: hosts 0 to 2 and, as 3, the intruder; host i has the address 10.77.0.(i + 1).
space() { echo "$name-$1"; }
add_space() {
    ip netns add "$(space "$1")" 2>"$work/netns.err" || skip "no network namespaces here: $(cat "$work/netns.err")"
    namespaces+=("$(space "$1")")
    ip -n "$(space "$1")" link set lo up
}
add_space switch
ip -n "$(space switch)" link add bridge type bridge 2>"$work/bridge.err" || skip "no bridges here: $(cat "$work/bridge.err")"
ip -n "$(space switch)" link set bridge up
for host in 0 1 2 3; do
    add_space "$host"
    ip link add "cable$host" netns "$(space switch)" type veth peer name eth0 netns "$(space "$host")"
    ip -n "$(space switch)" link set "cable$host" master bridge up
    ip -n "$(space "$host")" address add "10.77.0.$((host + 1))/24" dev eth0
    ip -n "$(space "$host")" link set eth0 up
done
on() { ip netns exec "$(space "$1")" "${@:2}"; }
exec_on() { exec ip netns exec "$(space "$1")" "${@:2}"; }
on 0 iptables -L INPUT -n >/dev/null 2>"$work/iptables.err" || skip "no iptables in a namespace: $(cat "$work/iptables.err")"

for host in 0 1 2; do echo "$host 10.77.0.$((host + 1)):17100"; done >"$work/hosts.txt"
"$clocklab" secret --output "$work/secret" >/dev/null
"$clocklab" secret --output "$work/other" >/dev/null

# start HOST ID RUN DURATION SECRET: a machine in the background, with logs of its own as a host has them.
start() {
    # `exec`, so that the id is that of timeout itself, which passes a signal on.
    exec_on "$1" timeout --kill-after=5 60 "$clocklab" machine --id "$2" --hosts "$work/hosts.txt" --bind "10.77.0.$(($1 + 1))" \
        --secret-file "$work/$5" --rates 40,40,40 --draw 4 --seed 7 --run "$3" --duration "$4" --connect-timeout 20s \
        --logs "$work/host-$1" 2>"$work/$3-$1.err" &
    processes+=($!)
    started=$!
}
# ended PROCESS STATUS WHO: waits for a machine and judges its exit code.
ended() {
    local status=0
    wait "$1" || status=$?
    [ "$status" = "$2" ] || fail "$3 ended with $status instead of $2"
}
# until_logs RUN WORDS: waits until each of the three logs of a run has a line with the words.
until_logs() {
    for _ in $(seq 200); do
        [ "$(cat "$work"/host-?/"$1"/machine-?.log 2>/dev/null | grep -c "$2" || true)" -ge 3 ] && return
        sleep 0.1
    done
    fail "no '$2' in the logs of $1 after 20 s"
}
# gathered RUN: the logs of all hosts in one folder.
gathered() {
    mkdir -p "$work/all/$1"
    cp "$work"/host-?/"$1"/machine-?.log "$work/all/$1"
    echo "$work/all/$1"
}
now() { date +%s.%N; }

say "an intruder with another secret, as machine 2, while machines 0 and 1 wait for it"
start 0 0 cable 20s secret; zero=$started
start 1 1 cable 20s secret; one=$started
start 3 2 cable 20s other; intruder=$started
ended "$intruder" 3 "the intruder"
grep -q "not_authenticated" "$work/cable-3.err" || fail "the intruder was not told why"
kill -0 "$zero" && kill -0 "$one" || fail "the intruder ended those who waited"
[ ! -e "$work/host-3/cable" ] || fail "the intruder has a log"
start 2 2 cable 20s secret; two=$started
until_logs cable "clock="
# Commands come over the network, too, from whoever knows the secret.
for host in 0 1 2; do [ -e "$work/host-$host/cable/run.json" ] && run=$work/host-$host/cable; done
on 3 "$clocklab" control "$run" status --secret-file "$work/secret" || fail "no status over the network"
status=0
on 3 "$clocklab" control "$run" pause --secret-file "$work/other" >"$work/other.txt" || status=$?
[ "$status" = 3 ] || fail "the intruder's command ended with $status instead of 3"
grep -q "do not have the same secret" "$work/other.txt" || fail "the intruder's command: $(cat "$work/other.txt")"

say "the cable between hosts 0 and 1 is cut for 3 s: TCP sends again what did not arrive"
sleep 3
cut=$(now)
on 1 iptables -A INPUT -s 10.77.0.1 -j DROP
on 1 iptables -A OUTPUT -d 10.77.0.1 -j DROP
sleep 3
mended=$(now)
on 1 iptables -F INPUT
on 1 iptables -F OUTPUT
ended "$zero" 0 "machine 0"
ended "$one" 0 "machine 1"
ended "$two" 0 "machine 2"
folder=$(gathered cable)
"$clocklab" check "$folder" | tee "$work/check.txt" || fail "the run with a cut cable is not valid"
grep -q "every rule held" "$work/check.txt" && ! grep -q "as far as the logs go" "$work/check.txt" || fail "something is missing in the run"
python3 "$here/judge.py" late "$folder" "$cut" "$mended" || fail "the cut does not show in the logs"

say "the cable of host 1 is pulled for good: nobody is lost, everybody ends at their time"
start 0 0 pulled 8s secret; zero=$started
start 1 1 pulled 8s secret; one=$started
start 2 2 pulled 8s secret; two=$started
until_logs pulled "clock="
sleep 3
ip -n "$(space switch)" link set cable1 down
cut=$(now)
ended "$zero" 0 "machine 0"
ended "$one" 0 "machine 1"
ended "$two" 0 "machine 2"
folder=$(gathered pulled)
"$clocklab" check "$folder" || fail "the run with a pulled cable is not valid as far as it goes"
python3 "$here/judge.py" pulled "$folder" "$cut" || fail "the run with a pulled cable did not end as protocol.md says"
say "the network test passed"
