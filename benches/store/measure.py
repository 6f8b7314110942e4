"""The causal store beside etcd and Redis; started by run.sh, which says what is needed.

Every peer is started anew for its figure, in turn, and ended: nobody runs beside the one that is measured but the
client. Processor time is that of the servers alone, from /proc. Printed at the end: a table of medians, with the worst
and the best round.
"""

import argparse
import http.client
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("clocklab")
parser.add_argument("base", type=int, help="the first of 12 free ports")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--seconds", type=int, default=5, help="how long each load lasts")
parser.add_argument("--partition-seconds", type=int, default=10)
parser.add_argument("--partition-writes", type=int, default=100_000, help="on each side")
parser.add_argument("--keys", type=int, default=1_000_000, help="of the restart")
parser.add_argument("--only", default="", help="parts, separated by commas: http, wire, single, partition, restart")
options = parser.parse_args()

place = Path(tempfile.mkdtemp(prefix="clocklab-store-"))
children = []
figures = {}


def say(text):
    print(text, flush=True)


def note(name, aim, value, unit="/s"):
    """Takes one round's value of a figure."""
    figures.setdefault(name, (aim, unit, []))[2].append(value)
    say(f"  {name}: {shown(value)}{unit}")


def shown(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def start(command, name):
    log = open(place / f"{name}.out", "ab")
    child = subprocess.Popen([str(word) for word in command], stdout=log, stderr=subprocess.STDOUT)
    children.append(child)
    return child


def end(all_of=None):
    for child in list(all_of or children):
        child.send_signal(signal.SIGINT)
    for child in list(all_of or children):
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        children.remove(child)


def until(what, holds, seconds=60.0, pause=0.02):
    """Waits until something holds, and says how long it took."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > seconds:
            sys.exit(f"{what}: not within {seconds} s; see {place}")
        time.sleep(pause)
    return time.monotonic() - began


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def get(port, path):
    """Status and body of an HTTP GET; status 0 if nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except OSError:
        return 0, b""
    finally:
        connection.close()


def ready(port):
    return get(port, "/readyz")[0] == 200


def start_store(*words, replicas=3, data="data", log=False):
    data = place / data
    logs = ["--logs", place / "logs", "--run", "bench"] if log else ["--no-log"]
    command = [options.clocklab, "kv", "run", "--base-port", options.base, "--replicas", replicas, *logs, *words]
    child = start(command if "--memory" in words else [*command, "--data", data], "store")
    for port in range(options.base, options.base + replicas):
        until(f"a replica at port {port}", lambda port=port: ready(port))
    return child


def servers(child):
    """The processes that serve: the launcher's children."""
    return [int(pid) for pid in Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()]


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def resident_mb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def clear(name):
    shutil.rmtree(place / name, ignore_errors=True)


def by_bench(*words):
    """A load by `clocklab kv bench`: answers, answers a second, median in milliseconds."""
    command = [options.clocklab, "kv", "bench", "--line", *words]
    text = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True).stdout
    found = re.match(r"(\d+)/s \(p50 ([\d.]+) ms, p99 ([\d.]+) ms\) (\d+)", text)
    return int(found[4]), float(found[1]), float(found[2])


def by_wrk(script, port, connections, action):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{options.seconds}s", "--latency", "-s", HERE / f"{script}.lua",
               f"http://127.0.0.1:{port}"]
    run = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True,
                         env={**os.environ, "ACTION": action})
    for trouble in re.findall(r".*(?:Non-2xx|Socket errors).*", run.stdout):
        say(f"  {script} {action}: {trouble.strip()}")
    half = re.search(r"50%\s+([\d.]+)(us|ms|s)", run.stdout)
    scale = {"us": 0.001, "ms": 1, "s": 1000}[half[2]]
    return float(re.search(r"Requests/sec:\s+([\d.]+)", run.stdout)[1]), float(half[1]) * scale


def by_redis(port, connections):
    requests = 100_000 * options.seconds if connections == 1 else 200_000 * options.seconds
    command = ["redis-benchmark", "-p", port, "-c", connections, "-P", 32, "-r", 100_000, "-d", 100, "-n", requests,
               "-t", "set", "--csv"]
    text = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True).stdout
    return float(text.strip().splitlines()[-1].split('","')[1])


def start_redis(*words):
    clear("redis")
    (place / "redis").mkdir()
    return restart_redis(*words)


def restart_redis(*words):
    port = options.base + 10
    child = start(["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", place / "redis", "--save", "", *words], "redis")
    until("redis", lambda: listens(port))
    return child


def start_etcd():
    base, names = options.base, "abc"
    cluster = ",".join(f"{name}=http://127.0.0.1:{base + 6 + number}" for number, name in enumerate(names))
    for number, name in enumerate(names):
        clear(f"etcd-{name}")
        client, peer = f"http://127.0.0.1:{base + 3 + number}", f"http://127.0.0.1:{base + 6 + number}"
        start(["etcd", "--name", name, "--data-dir", place / f"etcd-{name}", "--log-level", "error",
               "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
               "--initial-advertise-peer-urls", peer, "--initial-cluster", cluster, "--initial-cluster-state", "new"], "etcd")
    for number in range(3):
        until("etcd", lambda number=number: get(base + 3 + number, "/health")[0] == 200)


def fill_for_wrk():
    """The keys that wrk reads: one that is not there would be an error."""
    for first in range(0, 10_000, 1000):
        operations = [{"key": f"key-{key:06d}", "put": "x" * 100} for key in range(first, first + 1000)]
        connection = http.client.HTTPConnection("127.0.0.1", options.base, timeout=10)
        connection.request("POST", "/v1/batch", json.dumps({"operations": operations}))
        if connection.getresponse().status != 200:
            sys.exit("the keys for wrk cannot be written")
        connection.close()


def http_part():
    rates = {}
    clear("data")
    start_store()
    fill_for_wrk()
    rates["put"], _ = by_wrk("clocklab", options.base, 32, "put")
    rates["get"], _ = by_wrk("clocklab", options.base, 32, "get")
    note("HTTP PUT, 32 connections", "15,000", rates["put"])
    note("HTTP GET, 32 connections", "40,000", rates["get"])
    end()
    start_etcd()
    for action in ("put", "get"):
        rate, _ = by_wrk("etcd", options.base + 3, 32, action)
        note(f"etcd {action.upper()}, 32 connections", "", rate)
        note(f"HTTP {action.upper()} beside etcd", "3", rates[action] / rate, " times")
    end()


def wire_part():
    kinds = [
        ("fsync", [], ["--appendonly", "yes", "--appendfsync", "always"]),
        ("without fsync", ["--sync", "never"], ["--appendonly", "no"]),
    ]
    for name, words, redis_words in kinds:
        for connections in (1, 50):
            how = f"{name}, {connections} x 32 in flight"
            clear("data")
            store = start_store(*words)
            load = ["--at", f"127.0.0.1:{options.base}", "--connections", connections, "--duration"]
            by_bench(*load, "1s")
            before = cpu_seconds(servers(store))
            count, rate, _ = by_bench(*load, f"{options.seconds}s")
            note(f"wire, {how}", "", rate)
            time.sleep(0.5)
            note(f"wire, {how}: processor time of three replicas", "", 1e6 * (cpu_seconds(servers(store)) - before) / count, " us/write")
            end()
            start_redis(*redis_words)
            peer = by_redis(options.base + 10, connections)
            note(f"Redis, {how}", "", peer)
            note(f"wire beside Redis, {how}", "1", rate / peer, " times")
            end()


class Watch(threading.Thread):
    """Follows the changes at a replica: when each was told."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.connection.request("GET", "/v1/watch?prefix=lag/")
        self.answer = self.connection.getresponse()
        self.told = {}

    def run(self):
        try:
            while line := self.answer.readline():
                if line.startswith(b"data: {"):
                    now = time.monotonic()
                    for change in json.loads(line[6:]).get("changes", []):
                        self.told[change["key"]] = now
        except (OSError, ValueError, http.client.HTTPException):
            pass


def single_part():
    clear("data")
    start_store("--sync", "never")
    at = ["--at", f"127.0.0.1:{options.base}", "--pipeline", 1, "--copies", "pushed", "--duration", f"{options.seconds}s"]
    note("write at one connection, pushed to two peers, sync never: median", "under 1", by_bench(*at)[2], " ms")
    note("the same by HTTP, sync never", "", by_wrk("clocklab", options.base, 1, "put")[1], " ms")
    # Lag: from the moment a write is sent to the moment a watch at another replica is told, while another client writes.
    watches = [Watch(options.base + 1), Watch(options.base + 2)]
    for watch in watches:
        watch.start()
    load = subprocess.Popen([options.clocklab, "kv", "bench", "--line", *[str(word) for word in at]], stdout=subprocess.DEVNULL)
    writer, sent = http.client.HTTPConnection("127.0.0.1", options.base), {}
    until_time = time.monotonic() + options.seconds - 0.5
    while time.monotonic() < until_time:
        key = f"lag/{len(sent)}"
        sent[key] = time.monotonic()
        writer.request("PUT", f"/v1/keys/{key}", b"x")
        writer.getresponse().read()
        time.sleep(0.002)
    load.wait()
    until("the last writes at the others", lambda: all(len(watch.told) == len(sent) for watch in watches))
    lags = sorted(1000 * (watch.told[key] - begun) for watch in watches for key, begun in sent.items())
    note("replication lag, until a watch is told, sync never: p99", "under 20", lags[len(lags) * 99 // 100], " ms")
    note("replication lag, until a watch is told, sync never: median", "", statistics.median(lags), " ms")
    end()


def known(port):
    status, body = get(port, "/v1/status")
    return json.loads(body)["known"] if status == 200 else None


def partition_part():
    clear("data")
    clear("logs")
    start_store(log=True)
    run = place / "logs" / "bench"
    fault = [options.clocklab, "fault", "--run", str(run)]
    subprocess.run([*fault, "partition", "0 / 1,2"], check=True, capture_output=True)
    began = time.monotonic()
    fill = [options.clocklab, "kv", "bench", "--line", "--fill", "--keys", str(options.partition_writes), "--at"]
    sides = [subprocess.Popen([*fill, f"127.0.0.1:{options.base + side}"], stdout=subprocess.DEVNULL) for side in (0, 1)]
    for side in sides:
        if side.wait() != 0:
            sys.exit("a write in the partition was refused")
    took = time.monotonic() - began
    time.sleep(max(0.0, options.partition_seconds - took))
    subprocess.run([*fault, "mend", "all"], check=True, capture_output=True)
    ports = range(options.base, options.base + 3)

    def is_equal():
        all_known = [known(port) for port in ports]
        total = sum(all_known[0].values()) if all_known[0] else 0
        return all_known[0] == all_known[1] == all_known[2] and total >= 2 * options.partition_writes

    converged = until("the partition's sides to be one again", is_equal, 60, 0.05)
    note(f"{options.partition_writes:,} writes on each side of a partition: converged in", "under 5", converged, " s")
    end()
    # A tenth of the events would do; it is a proof that nothing was lost or out of order.
    checked = subprocess.run([options.clocklab, "check", str(run)], capture_output=True, text=True)
    if checked.returncode != 0:
        sys.exit(f"the logs of the partition are wrong:\n{checked.stdout}")


def restart_part():
    clear("data")
    store = start_store(replicas=1)
    fill = ["--fill", "--keys", options.keys, "--at", f"127.0.0.1:{options.base}", "--pipeline", 512]
    by_bench(*fill)
    note(f"{options.keys:,} keys of 100 bytes, just written: resident", "under 600", resident_mb(servers(store)[0]), " MB")
    end()
    last = f"/v1/keys/bench-{options.keys - 1}"
    began = time.monotonic()
    command = [options.clocklab, "kv", "run", "--base-port", options.base, "--replicas", 1, "--no-log", "--data", place / "data"]
    store = start(command, "store")
    until("the restart", lambda: get(options.base, last)[0] == 200)
    note(f"{options.keys:,} keys, restarted and serving in", "under 5", time.monotonic() - began, " s")
    note(f"{options.keys:,} keys, restarted: resident", "under 600", resident_mb(servers(store)[0]), " MB")
    end()
    port = options.base + 10
    redis = start_redis("--appendonly", "yes", "--appendfsync", "everysec")
    load = ["redis-benchmark", "-p", port, "-P", 512, "-r", options.keys, "-d", 100, "-n", 3 * options.keys, "-t", "set", "-q"]
    subprocess.run([str(word) for word in load], check=True, capture_output=True)
    end()
    began = time.monotonic()
    redis = restart_redis("--appendonly", "yes", "--appendfsync", "everysec")

    def serves():
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")

    until("redis", serves)
    note("Redis (append-only file), restarted and serving in", "", time.monotonic() - began, " s")
    note("Redis, restarted: resident", "", resident_mb(redis.pid), " MB")
    end()


def main():
    parts = {"http": http_part, "wire": wire_part, "single": single_part, "partition": partition_part, "restart": restart_part}
    wanted = [name for name in options.only.split(",") if name] or list(parts)
    load = " ".join(Path("/proc/loadavg").read_text().split()[:3])
    say(f"{os.cpu_count()} cores, load {load}, {options.rounds} rounds of {options.seconds} s")
    for number in range(options.rounds):
        say(f"round {number + 1}")
        for name in wanted:
            parts[name]()
    say("\n| figure | aim | median | worst to best |\n|---|---|---|---|")
    for name, (aim, unit, values) in figures.items():
        low, high = shown(min(values)), shown(max(values))
        say(f"| {name} | {aim + unit if aim else '–'} | {shown(statistics.median(values))}{unit} | {low} to {high} |")


try:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    main()
finally:
    end()
    shutil.rmtree(place, ignore_errors=True)
