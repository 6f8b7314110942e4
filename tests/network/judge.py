"""Judges by the logs alone what a cut cable did to a run (tests/network/run.sh).

    judge.py late FOLDER CUT MENDED     between machines 0 and 1 nothing arrived during the cut, everything after it
    judge.py pulled FOLDER CUT          machine 1 was cut off for good: no goodbye from it, nor to it
"""

import sys
from datetime import datetime
from pathlib import Path

# What was under way at the cut may still arrive, and a mended cable needs a moment.
SLACK = 0.2
# A message that nothing holds up: on one computer it takes well under a millisecond.
PROMPT = 0.5


def seconds(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def read(folder):
    """The events and the footer of each machine: (time, kind, fields)."""
    logs = {}
    for path in sorted(Path(folder).glob("machine-*.log")):
        events, footer = [], None
        for line in path.read_text().splitlines():
            words = line.split(" ")
            if line.startswith("# ended="):
                footer = dict(word.split("=", 1) for word in words[1:])
            elif line and not line.startswith("#"):
                fields = dict(word.split("=", 1) for word in words[2:])
                events.append((seconds(words[0]), words[1], fields))
        assert footer, f"{path} has no end"
        logs[int(path.stem.split("-")[1])] = (events, footer)
    assert sorted(logs) == [0, 1, 2], f"logs of {sorted(logs)}"
    return logs


def messages(logs):
    """Each message: (from, to, sent, arrived); arrived is None for one that no log took."""
    taken = {}
    for machine, (events, _) in logs.items():
        for time, kind, fields in events:
            if kind == "receive":
                arrived = time - int(fields["waited_us"]) / 1e6
                taken[int(fields["from"]), machine, int(fields["sent"])] = arrived
    for machine, (events, _) in logs.items():
        for time, kind, fields in events:
            if kind == "send":
                assert "dropped" not in fields, f"machine {machine} dropped a message: {fields}"
                for to in map(int, fields["to"].split(",")):
                    yield machine, to, time, taken.get((machine, to, int(fields["clock"])))


def late(logs, cut, mended):
    across, beside = [], []
    for sender, receiver, sent, arrived in messages(logs):
        if cut + SLACK < sent < mended - SLACK and arrived is not None:
            (across if {sender, receiver} == {0, 1} else beside).append((sent, arrived))
    assert len(across) >= 20 and len(beside) >= 20, f"{len(across)} across, {len(beside)} beside"
    for sent, arrived in across:
        assert arrived >= mended - 0.05, f"sent {sent:.3f}, arrived {arrived:.3f}, before the cable was mended at {mended:.3f}"
    for sent, arrived in beside:
        assert arrived - sent < PROMPT, f"sent {sent:.3f} on a whole cable, arrived {arrived - sent:.3f} s later"
    for machine, (_, footer) in logs.items():
        assert footer["reason"] == "duration", f"machine {machine}: {footer}"
        peers = ",".join(str(peer) for peer in range(3) if peer != machine)
        assert footer["goodbye"] == peers, f"machine {machine}: {footer}"
    held = max(arrived - sent for sent, arrived in across)
    print(f"{len(across)} messages across the cut arrived after it, the first sent {held:.1f} s late; "
          f"{len(beside)} beside it at once")


def pulled(logs, cut):
    missing = {(sender, receiver) for sender, receiver, sent, arrived in messages(logs)
               if sent > cut + SLACK and arrived is None}
    reached = [(sender, receiver) for sender, receiver, sent, arrived in messages(logs)
               if sent > cut + SLACK and arrived is not None and 1 in (sender, receiver)]
    assert not reached, f"{len(reached)} messages passed a pulled cable"
    assert {(0, 1), (1, 0), (1, 2), (2, 1)} <= missing, f"missing on {sorted(missing)}"
    for machine, (_, footer) in logs.items():
        assert footer["reason"] == "duration", f"machine {machine}: {footer}"
        expected = {0: "2", 1: "", 2: "0"}[machine]
        assert footer.get("goodbye", "") == expected, f"machine {machine}: {footer}"
    print("each machine ended at its time; what was sent across the pulled cable is an unknown tail")


if __name__ == "__main__":
    what, folder, *times = sys.argv[1:]
    {"late": late, "pulled": pulled}[what](read(folder), *map(float, times))
