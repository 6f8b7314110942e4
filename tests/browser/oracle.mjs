// What the logs say, by brute force: lines into events, messages by identity, past and future by walking all
// causes and effects one by one. Shares nothing with what it judges.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export function readRun(folder) {
  const events = new Map();
  for (const file of readdirSync(folder).filter((name) => /^machine-[0-9]+\.log$/.test(name))) {
    const machine = /[0-9]+/.exec(file)[0];
    let before = null;
    readFileSync(join(folder, file), "utf8")
      .split("\n")
      .forEach((line, place) => {
        if (line === "" || line.startsWith("#")) return;
        const [time, kind, ...pairs] = line.split(" ");
        const keys = Object.fromEntries(pairs.map((pair) => pair.split("=")));
        const name = `${machine}:${keys.clock}`;
        const at = Date.parse(`${time.slice(0, 19)}Z`) * 1000 + Number(time.slice(20, 26));
        const event = { name, machine, kind, keys, at, line: place + 1, causes: [], effects: [], cause: null };
        if (before) link(before, event);
        events.set(name, event);
        before = event;
      });
  }
  for (const event of events.values()) {
    if (event.kind !== "receive") continue;
    const send = events.get(`${event.keys.from}:${event.keys.sent}`);
    if (!send) continue;
    event.cause = send;
    link(send, event);
  }
  return events;
}

function link(cause, effect) {
  cause.effects.push(effect);
  effect.causes.push(cause);
}

function reached(event, next) {
  const found = new Set();
  const open = [event];
  while (open.length > 0) {
    for (const other of open.pop()[next]) {
      if (found.has(other)) continue;
      found.add(other);
      open.push(other);
    }
  }
  return found;
}

export const past = (event) => reached(event, "causes");
export const future = (event) => reached(event, "effects");

/** The fewest messages of a chain from one event to another; Infinity if there is none. */
export function fewestMessages(from, to) {
  const cost = new Map([[from, 0]]);
  const open = [from];
  // Along a line costs nothing, a message one: cheaper ones first.
  while (open.length > 0) {
    open.sort((a, b) => cost.get(a) - cost.get(b));
    const event = open.shift();
    for (const effect of event.effects) {
      const sum = cost.get(event) + (effect.cause === event && effect.machine !== event.machine ? 1 : 0);
      if (sum >= (cost.get(effect) ?? Infinity)) continue;
      cost.set(effect, sum);
      open.push(effect);
    }
  }
  return cost.get(to) ?? Infinity;
}
