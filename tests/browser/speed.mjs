// How fast a page of many events is: first paint, and frames a second while panning at three depths. Prints
// figures; fails only where something is broken, since a busy machine is no error.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { launch, open } from "./browser.mjs";

const { CLOCKLAB, WORK } = process.env;
const EVENTS = Number(process.env.EVENTS ?? 100_000);
const MACHINES = 5;
const RATE = 1000;
const LOADS = 5;
const FRAMES = 90;

/** The logs of machines at 1000 ticks a second; 30 % of idle ticks send. */
function writeLogs(folder) {
  mkdirSync(folder, { recursive: true });
  const time = (us) => `2026-11-20T23:${String(16 + Math.floor(us / 6e7)).padStart(2, "0")}:${String(Math.floor(us / 1e6) % 60).padStart(2, "0")}.${String(us % 1e6).padStart(6, "0")}Z`;
  const keys = `machines=${MACHINES} rate=${RATE} draw=10 clock=lamport seed=1 run=speed started=${time(0)}`;
  const machines = Array.from({ length: MACHINES }, (_, id) => ({
    lines: [`# clocklab-log 1`, `# machine=${id} ${keys}`],
    clock: 0,
    queue: [],
  }));
  let random = 1;
  const die = () => ((random = (Math.imul(random, 1664525) + 1013904223) >>> 0) >>> 8) % 10;
  for (let tick = 1; tick <= EVENTS / MACHINES; tick++) {
    machines.forEach((machine, id) => {
      const now = tick * 1000 + id * 170;
      if (machine.queue.length > 0 && machine.queue[0].arrived <= now) {
        const { arrived, from, sent } = machine.queue.shift();
        machine.clock = Math.max(machine.clock, sent) + 1;
        const waiting = machine.queue.filter((message) => message.arrived <= now).length;
        machine.lines.push(`${time(now)} receive tick=${tick} clock=${machine.clock} from=${from} sent=${sent} queue=${waiting} waited_us=${now - arrived}`);
        return;
      }
      machine.clock++;
      const face = die();
      const peers = machines.map((_, peer) => peer).filter((peer) => peer !== id);
      const to = face === 0 ? [peers[tick % peers.length]] : face === 1 ? [peers[(tick * 7) % peers.length]] : face === 2 ? peers : [];
      machine.lines.push(`${time(now)} ${to.length > 0 ? "send" : "internal"} tick=${tick} clock=${machine.clock}${to.length > 0 ? ` to=${to.join(",")}` : ""}`);
      for (const peer of to) machines[peer].queue.push({ arrived: now + 90, from: id, sent: machine.clock });
    });
  }
  machines.forEach((machine, id) => writeFileSync(join(folder, `machine-${id}.log`), `${machine.lines.join("\n")}\n`));
}

/** Pans for some frames and gives frames a second, and the longest frame in milliseconds. */
function pan(frames) {
  return new Promise((resolve) => {
    const [from, until] = clocklab.state.view;
    const times = [];
    const step = (now) => {
      times.push(now);
      const by = ((until - from) / 200) * (times.length - frames / 2);
      clocklab.look(from + by, until + by);
      if (times.length <= frames) requestAnimationFrame(step);
      else {
        const gaps = times.slice(1).map((time, i) => time - times[i]);
        resolve({ fps: (1000 * gaps.length) / (times.at(-1) - times[0]), worst: Math.max(...gaps), drawMs: clocklab.state.drawMs });
      }
    };
    requestAnimationFrame(step);
  });
}

const logs = join(WORK, "speed");
const file = join(WORK, "speed.html");
writeLogs(logs);
const began = performance.now();
execFileSync(CLOCKLAB, ["draw", logs, "--output", file, "--force"]);
const drawn = performance.now() - began;
const browser = await launch();
const paints = [];
for (let load = 0; load < LOADS; load++) {
  const { page, complaints, close } = await open(browser, file);
  paints.push((await page.evaluate(() => clocklab.state)).firstPaintMs);
  assert.deepEqual(complaints, []);
  await close();
}
paints.sort((a, b) => a - b);
const { page, close } = await open(browser, file);
const state = await page.evaluate(() => clocklab.state);
assert.equal(state.events, Math.floor(EVENTS / MACHINES) * MACHINES);
const size = (statSync(file).size / 1e6).toFixed(1);
console.log(`page of ${state.events} events, ${state.messages} messages: ${size} MB, written in ${drawn.toFixed(0)} ms`);
console.log(`figure: first paint: ${paints[2].toFixed(0)} ms, of ${LOADS} loads ${paints[0].toFixed(0)} to ${paints.at(-1).toFixed(0)} (aim: under 1000 ms)`);
const whole = state.view;
for (const part of [1, 0.5, 0.07, 0.02, 0.002]) {
  const span = (whole[1] - whole[0]) * part;
  await page.evaluate(([from, until]) => clocklab.look(from, until), [whole[0] + (whole[1] - whole[0]) * 0.4 * (1 - part), whole[0] + (whole[1] - whole[0]) * 0.4 * (1 - part) + span]);
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  const { eventsInView } = await page.evaluate(() => clocklab.state);
  const { fps, worst, drawMs } = await page.evaluate(pan, FRAMES);
  console.log(`figure: panning with ${eventsInView} events in view: ${fps.toFixed(0)} frames/s, longest frame ${worst.toFixed(0)} ms, drawing ${drawMs.toFixed(1)} ms (aim: 30 frames/s)`);
  assert.ok(fps > 3, "it moves");
}
const [hovered] = await page.evaluate(() => {
  const began = performance.now();
  const counts = [];
  for (let clock = 100; clock < 100 + 200; clock++) {
    try { counts.push(clocklab.relation(`0:${clock}`, "1:5000")); } catch { /* no event has this clock */ }
  }
  return [(performance.now() - began) / counts.length];
});
console.log(`figure: past and future of an event: ${hovered.toFixed(2)} ms`);
assert.ok(paints[2] < 20_000, "it paints");
await close();
await browser.close();
