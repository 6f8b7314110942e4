// The page of a real run: what a person can do with it, judged by the logs alone.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { launch, open } from "./browser.mjs";
import { fewestMessages, future, past, readRun } from "./oracle.mjs";

const { CLOCKLAB, WORK } = process.env;
const logs = join(WORK, "logs", "latest");
const file = join(WORK, "run.html");
console.log(execFileSync(CLOCKLAB, ["draw", logs, "--output", file], { encoding: "utf8" }).trim());

const events = readRun(logs);
const names = [...events.keys()];
assert.ok(names.length > 40, `${names.length} events`);
const browser = await launch();
const tests = [];
const test = (name, body, options) => tests.push({ name, body, options });

const state = (page) => page.evaluate(() => clocklab.state);
const frame = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

async function point(page, name) {
  const { x, y } = await page.evaluate((event) => clocklab.screenOf(event), name);
  await page.mouse.move(x, y);
  await frame(page);
  return { x, y };
}

async function click(page, name) {
  await point(page, name);
  await page.mouse.down();
  await page.mouse.up();
}

/** A send in the middle of the run that has something of everything around it. */
function middle() {
  const fitting = names.filter((name) => {
    const event = events.get(name);
    const [before, after] = [past(event).size, future(event).size];
    return event.kind === "send" && before > 8 && after > 8 && names.length - 1 - before - after > 0;
  });
  return events.get(fitting[Math.floor(fitting.length / 2)]);
}

const countsOf = (event) => {
  const [before, after] = [past(event).size, future(event).size];
  return { past: before, future: after, concurrent: names.length - 1 - before - after };
};

/** The colour of a canvas at a place of the page, as "r,g,b,a". */
const colourAt = (page, selector, { x, y }) =>
  page.evaluate(
    ([canvas, x, y]) => {
      const element = document.querySelector(canvas);
      const box = element.getBoundingClientRect();
      const ratio = element.width / box.width;
      const pixel = element.getContext("2d").getImageData((x - box.left) * ratio, (y - box.top) * ratio, 1, 1);
      return pixel.data.join(",");
    },
    [selector, x, y],
  );

const LIGHT = { past: "0,114,178,255", future: "213,94,0,255", ground: "255,255,255,255" };

test("every pair of events stands as brute force over the logs says", async (page) => {
  const found = await page.evaluate((all) => all.map((a) => all.map((b) => clocklab.relation(a, b))), names);
  names.forEach((a, row) => {
    const [before, after] = [past(events.get(a)), future(events.get(a))];
    names.forEach((b, column) => {
      const other = events.get(b);
      const expected = a === b ? "same" : after.has(other) ? "before" : before.has(other) ? "after" : "concurrent";
      assert.equal(found[row][column], expected, `${a} and ${b}`);
    });
  });
});

test("pointing at an event highlights its past, future and what is concurrent", async (page) => {
  const event = middle();
  await point(page, event.name);
  const { selected, counts } = await state(page);
  assert.deepEqual({ selected, counts }, { selected: event.name, counts: countsOf(event) });
  const [before, after] = [past(event), future(event)];
  for (const other of events.values()) {
    if (other === event || other.kind === "internal") continue;
    const place = await page.evaluate((name) => clocklab.screenOf(name), other.name);
    const colour = await colourAt(page, ".cl-over", place);
    // Past marks are filled; future and concurrent ones are rings. Names stand in the way of a few.
    if (Math.abs(place.x - (await page.evaluate((name) => clocklab.screenOf(name), event.name)).x) < 40) continue;
    if (before.has(other)) assert.equal(colour, LIGHT.past, `${other.name} is past`);
    else if (after.has(other)) assert.notEqual(colour, LIGHT.past, `${other.name} is future`);
    else assert.equal(colour, LIGHT.ground, `${other.name} is concurrent`);
  }
  const panel = await page.textContent(".cl-details");
  const file = `machine-${event.machine}.log:${event.line}`;
  for (const part of [`${event.name}: send`, file, `${countsOf(event).concurrent} events`]) {
    assert.ok(panel.includes(part), `${part} in ${panel}`);
  }
});

test("the panel says the three moments of a message", async (page) => {
  const receive = [...events.values()].find((event) => event.cause && Number(event.keys.waited_us) > 20000);
  await point(page, receive.name);
  const panel = await page.textContent(".cl-details");
  const waited = Number(receive.keys.waited_us);
  const told = waited < 1e6 ? `${Number((waited / 1000).toFixed(3))} ms` : `${Number((waited / 1e6).toFixed(6))} s`;
  const transit = receive.at - waited - receive.cause.at;
  const later = transit < 1000 ? `${transit} µs later` : `${Number((transit / 1000).toFixed(3))} ms later`;
  for (const part of [`sent ${receive.cause.name}`, `arrived ${later}`, `after ${told} in the queue`]) {
    assert.ok(panel.includes(part), `${part} in ${panel}`);
  }
});

test("queues are as the logs count them", async (page) => {
  const start = Math.min(...[0, 1, 2].map((machine) => startOf(machine)));
  for (const event of events.values()) {
    if (event.kind !== "receive") continue;
    const asked = [event.machine, event.at - start];
    const waiting = await page.evaluate(([machine, at]) => clocklab.waiting(machine, at), asked);
    assert.equal(waiting, Number(event.keys.queue), event.name);
  }
});

function startOf(machine) {
  const header = readFileSync(join(logs, `machine-${machine}.log`), "utf8").split("\n")[1];
  const text = /started=(\S+)/.exec(header)[1];
  return Date.parse(`${text.slice(0, 19)}Z`) * 1000 + Number(text.slice(20, 26));
}

test("two pins show their order, with the shortest proof", async (page) => {
  const a = middle();
  const b = [...future(a)].filter((event) => event.machine !== a.machine && event.kind !== "internal").pop();
  await click(page, a.name);
  await click(page, b.name);
  assert.deepEqual((await state(page)).pinned, [a.name, b.name]);
  const heading = await page.textContent(".cl-order h3");
  assert.equal(heading, `${a.name} happened before ${b.name}`);
  const chain = await page.evaluate(([from, to]) => clocklab.chain(from, to), [a.name, b.name]);
  assert.equal(chain.length, fewestMessages(a, b));
  let at = a;
  for (const [send, receive] of chain) {
    assert.equal(events.get(receive).cause, events.get(send));
    assert.ok(at.machine === events.get(send).machine && at.at <= events.get(send).at);
    at = events.get(receive);
  }
  const before = [...past(a)].find((event) => event.machine !== a.machine);
  const concurrent = names.find((name) => name !== a.name && !past(a).has(events.get(name)) && !future(a).has(events.get(name)));
  await click(page, before.name);
  assert.equal(await page.textContent(".cl-order h3"), `${before.name} happened before ${a.name}`);
  await click(page, concurrent);
  assert.match(await page.textContent(".cl-order h3"), /are concurrent/);
  await page.keyboard.press("Escape");
  assert.deepEqual((await state(page)).pinned, []);
});

test("the axis switches to logical time and back", async (page) => {
  await page.click("text=Clock");
  await page.waitForFunction(() => clocklab.state.axis === "clock" && !clocklab.state.isMoving);
  const places = await page.evaluate((all) => all.map((name) => clocklab.screenOf(name).x), names);
  const clocks = names.map((name) => Number(name.split(":")[1]));
  const slope = (places[1] - places[0]) / (clocks[1] - clocks[0]);
  places.forEach((x, i) => assert.ok(Math.abs(x - places[0] - slope * (clocks[i] - clocks[0])) < 0.01, names[i]));
  await page.keyboard.press("a");
  await page.waitForFunction(() => clocklab.state.axis === "time" && !clocklab.state.isMoving);
});

test("a search finds what the logs hold", async (page) => {
  const count = (test) => [...events.values()].filter(test).length;
  for (const [query, expected] of [
    ["receive queue>0", count((event) => event.kind === "receive" && Number(event.keys.queue) > 0)],
    ["kind:send machine=1", count((event) => event.kind === "send" && event.machine === "1")],
    ["internal clock<=9", count((event) => event.kind === "internal" && Number(event.keys.clock) <= 9)],
    ["waited>0.1", count((event) => Number(event.keys.waited_us) > 100000)],
    [middle().name, 1],
    ["0:99999", 0],
  ]) {
    await page.fill("input[type=search]", query);
    assert.equal((await state(page)).found, expected, query);
  }
  await page.fill("input[type=search]", middle().name);
  await page.keyboard.press("Enter");
  assert.equal((await state(page)).selected, middle().name);
  await page.fill("input[type=search]", "queue>>5");
  assert.equal(await page.getAttribute("input[type=search]", "aria-invalid"), "true");
  assert.match(await page.getAttribute(".cl-found", "title"), /“queue>>5” is not understood/);
});

test("wheel, keys, buttons, drags and the strip move the view", async (page) => {
  const whole = (await state(page)).view;
  const name = middle().name;
  const before = await point(page, name);
  // Pages are told whole pixels: what is beside the pointer moves away from it as the view grows.
  const pointer = Math.round(before.x);
  await page.mouse.move(pointer, before.y);
  await page.mouse.wheel(0, -600);
  await frame(page);
  let { view } = await state(page);
  const growth = (whole[1] - whole[0]) / (view[1] - view[0]);
  assert.ok(growth > 1.7, `zoomed in by ${growth}`);
  const after = await page.evaluate((event) => clocklab.screenOf(event), name);
  const expected = pointer + (before.x - pointer) * growth;
  assert.ok(Math.abs(after.x - expected) < 0.5, `what is under the pointer stays there: ${after.x}, expected ${expected}`);
  await page.mouse.move(after.x, 60);
  await page.mouse.down();
  await page.mouse.move(after.x - 150, 60, { steps: 5 });
  await page.mouse.up();
  const moved = await page.evaluate((event) => clocklab.screenOf(event), name);
  assert.ok(Math.abs(moved.x - after.x + 150) < 1.5, `dragged by ${moved.x - after.x}`);
  await page.keyboard.press("0");
  assert.deepEqual((await state(page)).view, whole);
  await page.click("button[title='Zoom in']");
  ({ view } = await state(page));
  assert.ok(view[1] - view[0] < (whole[1] - whole[0]) * 0.8);
  await page.keyboard.press("ArrowRight");
  assert.ok((await state(page)).view[0] > view[0]);
  const strip = await page.locator(".cl-overview").boundingBox();
  await page.mouse.click(strip.x + strip.width * 0.1, strip.y + 20);
  assert.ok((await state(page)).view[0] <= whole[0] + 1);
});

test("two fingers zoom", async (page) => {
  const client = await page.context().newCDPSession(page);
  const whole = (await state(page)).view;
  const touch = (type, spread) =>
    client.send("Input.dispatchTouchEvent", {
      type,
      touchPoints: spread === null ? [] : [-spread, spread].map((by, id) => ({ x: 500 + by, y: 300, id })),
    });
  await touch("touchStart", 50);
  for (const spread of [70, 100, 140, 200]) await touch("touchMove", spread);
  await touch("touchEnd", null);
  await frame(page);
  const { view } = await state(page);
  assert.ok(view[1] - view[0] < (whole[1] - whole[0]) * 0.5, `${view} of ${whole}`);
}, { hasTouch: true });

test("keys walk along a machine, to others, and along messages", async (page) => {
  const send = [...events.values()].find((event) => event.effects.some((effect) => effect.cause === event && effect.machine !== event.machine));
  await click(page, send.name);
  await page.mouse.move(600, 690);
  await page.keyboard.press("m");
  const { selected } = await state(page);
  await page.keyboard.press("Escape");
  const receivers = send.effects.filter((effect) => effect.cause === send).map((effect) => effect.name);
  assert.ok([...receivers, send.name].includes(selected));
  const [first, second] = names.filter((name) => name.startsWith("0:"));
  await click(page, first);
  await page.mouse.move(600, 690);
  await page.keyboard.press(".");
  assert.equal((await state(page)).selected, second);
  await page.keyboard.press("Enter");
  assert.deepEqual((await state(page)).pinned, [first, second]);
  await page.keyboard.press("ArrowDown");
  assert.match((await state(page)).selected, /^1:/);
});

test("dark and light, by the system or by hand", async (page) => {
  const ground = () => page.evaluate(() => getComputedStyle(document.querySelector(".cl-diagram")).backgroundColor);
  const light = await ground();
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await ground();
  assert.notEqual(light, dark);
  await page.click("button[title='Dark or light']");
  assert.equal((await state(page)).theme, "light");
  assert.equal(await ground(), light);
});

test("toggles hide messages, queues and internal events", async (page) => {
  const painted = () => page.evaluate(() => document.querySelector(".cl-base").toDataURL());
  let before = await painted();
  for (const word of ["messages", "queues", "internal"]) {
    await page.uncheck(`label:has-text("${word}") input`);
    await frame(page);
    const after = await painted();
    assert.notEqual(after, before, word);
    before = after;
  }
});

test("it fits a phone, and a tap selects", async (page) => {
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 390);
  const { x, y } = await page.evaluate((name) => clocklab.screenOf(name), names.find((name) => name.startsWith("1:")));
  await page.touchscreen.tap(x, y);
  assert.ok((await state(page)).selected !== null);
}, { viewport: { width: 390, height: 780 }, hasTouch: true });

test("a second diagram can be mounted, updated and removed, and no other global is there", async (page) => {
  const result = await page.evaluate(() => {
    const data = JSON.parse(document.getElementById("diagram-data").textContent);
    const element = document.createElement("div");
    element.style.height = "400px";
    document.body.append(element);
    const handle = clocklab.mountDiagram(element, data, { theme: "dark", axis: "clock", wheel: "ctrl" });
    handle.update({ ...data, told: ["Said again."] });
    const seen = { events: handle.state.events, axis: handle.state.axis, told: element.textContent.includes("Said again.") };
    handle.destroy();
    const frame = document.createElement("iframe");
    document.body.append(frame);
    const usual = new Set(Object.getOwnPropertyNames(frame.contentWindow));
    const globals = Object.getOwnPropertyNames(window).filter((name) => !usual.has(name) && !/^[0-9]+$/.test(name));
    frame.remove();
    let refusal = "";
    try {
      clocklab.mountDiagram(document.createElement("div"), { format: "another 1" });
    } catch (error) {
      refusal = error.message;
    }
    return { ...seen, empty: element.childElementCount === 0, globals, refusal };
  });
  assert.deepEqual(result.globals.filter((name) => !name.startsWith("__")), ["clocklab"]);
  assert.match(result.refusal, /not "another 1"/);
  const { events: count, axis, told, empty } = result;
  assert.deepEqual({ count, axis, told, empty }, { count: names.length, axis: "clock", told: true, empty: true });
});

test("logs without times are shown against logical time, with their texts", async (page) => {
  const result = await page.evaluate(() => {
    const data = JSON.parse(document.getElementById("diagram-data").textContent);
    Object.assign(data, { times: false, clocks: false, start: null, end: null, window: null });
    for (const row of data.processes) {
      Object.assign(row, { position_steps: row.clock_steps, at_steps: [], queue: null, started: null, ended: null });
      Object.assign(row, { queue_at_steps: [], queue_waiting: [], queues: row.queues.map(() => -1) });
      row.texts = [...row.kinds].map((kind, i) => `<b>text</b> ${kind} ${i}`);
    }
    data.messages.waited = data.messages.waited.map(() => -1);
    const element = document.createElement("div");
    element.style.height = "500px";
    document.body.prepend(element);
    const handle = clocklab.mountDiagram(element, data, { axis: "time", pinned: "none:1" });
    const name = `${data.processes[0].name}:${data.processes[0].clock_steps[0]}`;
    handle.pin(name);
    return { axis: handle.state.axis, panel: element.querySelector(".cl-details").textContent, bold: element.querySelector(".cl-table td b:not([class])") };
  });
  await frame(page);
  assert.equal(result.axis, "clock");
  assert.equal(result.bold, null);
  for (const part of ["not in the log", "<b>text</b>", "computed"]) assert.ok(result.panel.includes(part), result.panel);
  await page.screenshot({ path: join(WORK, "without-times.png") });
});

test("clocks beyond what browsers count, and endless names, are drawn all the same", async (page) => {
  const state = await page.evaluate(() => {
    const data = JSON.parse(document.getElementById("diagram-data").textContent);
    for (const row of data.processes) {
      row.clock_steps = row.clock_steps.map((_, place) => (place === 0 ? 2 ** 60 : 1000));
      row.name = `${row.name}${"𝟘".repeat(500_000)}`;
    }
    const element = document.createElement("div");
    element.style.height = "500px";
    document.body.prepend(element);
    const handle = clocklab.mountDiagram(element, data, { axis: "clock" });
    // So near that the ticks are closer than numbers of this size.
    handle.look(2 ** 60, 2 ** 60 + 512);
    return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(handle.state))));
  });
  assert.equal(state.events, names.length);
  assert.ok(state.frames > 0 && state.drawMs < 500, `${state.drawMs} ms a frame`);
});

test("what is broken is shaded, in its words, and told in the legend", async (page) => {
  const shaded = (faults) =>
    page.evaluate(async (faults) => {
      const data = JSON.parse(document.getElementById("diagram-data").textContent);
      if (faults) data.processes[0].faults = faults;
      const element = document.createElement("div");
      element.style.height = "500px";
      document.body.prepend(element);
      clocklab.mountDiagram(element, data, { axis: "time", theme: "light" });
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      const canvas = element.querySelector("canvas");
      const { data: pixels } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      let count = 0;
      for (let i = 0; i < pixels.length; i += 4) {
        const [red, green, alpha] = [pixels[i], pixels[i + 1], pixels[i + 3]];
        // A shade is a colour of little weight, whatever is behind the canvas.
        if (alpha > 10 && alpha < 25 && red > green + 60) count++;
      }
      const legend = element.querySelector(".cl-legend").textContent;
      element.remove();
      return { count, legend };
    }, faults);
  const text = "loss to 1 30%";
  const broken = await shaded([{ id: 1, from: 1e6, until: 3e6, text }, { id: 2, from: 4e6, until: null, text }]);
  const whole = await shaded(null);
  assert.ok(broken.legend.includes("injected fault") && !whole.legend.includes("injected fault"));
  assert.ok(broken.count > 5000 && whole.count < 500, `${broken.count} and ${whole.count} pixels are shaded`);
});

let failed = 0;
for (const { name, body, options } of tests) {
  const { page, complaints, close } = await open(browser, file, options);
  try {
    await body(page);
    assert.deepEqual(complaints, [], "the page complains of nothing and asks for nothing");
    console.log(`ok      ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${name}\n${error.stack}\n${complaints.join("\n")}`);
  }
  await close();
}
await browser.close();
console.log(`${tests.length - failed} of ${tests.length} browser tests hold`);
process.exit(failed === 0 ? 0 : 1);
