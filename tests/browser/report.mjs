// report.html in a real browser: numbers as in the text report, figures with a line a machine, values under the
// cursor, zoom, keyboard, the diagram of the same run, dark mode, and no word from or to anywhere else.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { launch, open } from "./browser.mjs";
import { readRun } from "./oracle.mjs";

const { CLOCKLAB, WORK } = process.env;
const LINES = ["clock", "drift", "queue", "tick_error_us", "age_s", "waited_s"];
const BARS = ["jumps", "lateness"];

/// The numbers of the text report's first table: a row a machine, expected ones left out.
function textRows(text) {
  const lines = text.split("\n");
  const heading = lines.findIndex((line) => /^ *machine +rate +ticks/.test(line));
  const rows = lines.slice(heading + 1, lines.indexOf("", heading));
  return rows.map((row) => row.replace(/\([^)]*\)/g, "").trim().split(/ +/));
}

/// Loads the page, figures and diagram.
async function openReport(browser, file, options) {
  const opened = await open(browser, file, options);
  await opened.page.waitForFunction(() => window.clocklabFigures?.names().length > 0);
  return opened;
}

const settle = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
const legend = (page, name) => page.evaluate((figure) => window.clocklabFigures.legend(figure), name);
const stretch = (page, name) => page.evaluate((figure) => window.clocklabFigures.window(figure), name);

/// The clock of a machine `seconds` after the run's earliest start, from its log.
function clockAt(logs, machine, seconds) {
  const texts = logs.map((log) => readFileSync(log, "utf8"));
  const start = Math.min(...texts.map((text) => microseconds(/started=(\S+)/.exec(text)[1])));
  let clock = 0;
  for (const line of texts[machine].split("\n")) {
    const found = /^(\S+Z) .*\bclock=(\d+)/.exec(line);
    if (found && (microseconds(found[1]) - start) / 1e6 <= seconds) clock = Number(found[2]);
  }
  return clock;
}

function microseconds(time) {
  return Date.parse(time.slice(0, 19) + "Z") * 1000 + Number(time.slice(20, 26));
}

async function test(browser) {
  const run = join(WORK, "logs", "browser");
  const file = join(WORK, "report.html");
  const text = execFileSync(CLOCKLAB, ["report", run, "--html", file], { encoding: "utf8" });
  const { page, complaints, close } = await openReport(browser, file, { viewport: { width: 1280, height: 900 }, colorScheme: "light" });

  // The table says what the text report says.
  const rows = await page.$$eval("tr[data-machine]", (all) => all.map((row) => [...row.children].slice(0, 9).map((cell) => cell.firstChild.nodeName === "#text" ? cell.firstChild.data.trim() : cell.textContent.trim())));
  assert.deepEqual(rows, textRows(text));
  assert.equal(await page.textContent(".verdict strong"), "valid");

  // Every figure has a line a machine.
  assert.deepEqual((await page.evaluate(() => window.clocklabFigures.names())).sort(), [...LINES, ...BARS].sort());
  for (const name of [...LINES, ...BARS]) {
    const lines = await page.evaluate((figure) => window.clocklabFigures.lines(figure), name);
    assert.deepEqual(lines, ["machine 0", "machine 1", "machine 2"], name);
  }

  // The cursor over one shows the values of its moment in all, and they are the logs'.
  const logs = [0, 1, 2].map((id) => join(run, `machine-${id}.log`));
  const over = page.locator("[data-figure=clock] .u-over");
  await over.scrollIntoViewIfNeeded();
  const box = await over.boundingBox();
  await page.mouse.move(box.x + box.width * 0.6, box.y + box.height / 2);
  await settle(page);
  const [at, ...values] = await legend(page, "clock");
  const seconds = Number(/([\d.]+) s/.exec(at)[1]);
  assert.ok(seconds > 2.5 && seconds < 3.5, at);
  values.forEach((value, machine) => {
    // Within what the moment is rounded to.
    const near = [clockAt(logs, machine, seconds - 0.002), clockAt(logs, machine, seconds + 0.002)];
    const shown = Number(value.replace(/^machine \d:?\s*/, ""));
    assert.ok(near[0] <= shown && shown <= near[1], `${value} at ${seconds} s, the log says ${near}`);
  });
  for (const name of LINES) {
    const [moment] = await legend(page, name);
    assert.ok(Math.abs(Number(/([\d.]+) s/.exec(moment)[1]) - seconds) < 0.05, `${name}: ${moment}`);
  }

  // Dragging zooms all of them, a double click shows all again.
  const before = await stretch(page, "queue");
  await page.mouse.move(box.x + box.width * 0.25, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.75, box.y + 20, { steps: 5 });
  await page.mouse.up();
  await settle(page);
  for (const name of LINES) {
    const [min, max] = await stretch(page, name);
    assert.ok(min > 0.5 && max < 4.6 && max - min < 3.2, `${name} shows ${min} to ${max}`);
    assert.deepEqual([min, max], await stretch(page, "clock"), name);
  }
  await page.mouse.dblclick(box.x + box.width / 2, box.y + 20);
  await settle(page);
  for (const name of LINES) assert.deepEqual(await stretch(page, name), before, name);

  // The keyboard does the same.
  await page.focus("[data-figure=drift] .plot");
  await page.keyboard.press("+");
  await settle(page);
  const [min, max] = await stretch(page, "clock");
  assert.ok(Math.abs((max - min) / (before[1] - before[0]) - 0.5) < 0.01, `${min} to ${max}`);
  await page.keyboard.press("0");
  await settle(page);
  assert.deepEqual(await stretch(page, "clock"), before);
  await page.keyboard.press("Home");
  await page.keyboard.press("Shift+ArrowRight");
  await settle(page);
  assert.match((await legend(page, "drift"))[0], /[\d.]+ s/);

  // A machine's button takes its line from every figure.
  const button = page.getByRole("button", { name: "machine 1" });
  await button.click();
  assert.equal(await button.getAttribute("aria-pressed"), "false");
  for (const name of [...LINES, ...BARS]) {
    const lines = await page.evaluate((figure) => window.clocklabFigures.lines(figure), name);
    assert.deepEqual(lines, ["machine 0", "machine 2"], name);
  }
  await button.click();

  // The diagram is of this run, whole; the wheel over it scrolls the page.
  const events = readRun(run);
  const diagram = () => page.evaluate(() => window.clocklab.state);
  assert.equal((await diagram()).events, events.size);
  assert.equal((await diagram()).rows, 3);
  const first = [...events.values()].find((event) => event.cause);
  assert.equal(await page.evaluate(([a, b]) => window.clocklab.relation(a, b), [first.cause.name, first.name]), "before");
  await page.locator("#space-time").scrollIntoViewIfNeeded();
  const spot = await page.evaluate((name) => window.clocklab.screenOf(name), first.name);
  await page.mouse.click(spot.x, spot.y);
  assert.deepEqual((await diagram()).pinned, [first.name]);
  const view = (await diagram()).view;
  const top = await page.evaluate(() => window.scrollY);
  await page.mouse.wheel(0, -200);
  await page.waitForFunction((before) => window.scrollY < before, top);
  assert.deepEqual((await diagram()).view, view);

  // Dark and light again, page and diagram.
  const ground = (selector) => page.evaluate((of) => getComputedStyle(document.querySelector(of)).backgroundColor, selector);
  const light = await ground("body");
  assert.equal(await ground("#space-time"), light);
  await page.click("#theme");
  const dark = await ground("body");
  assert.notEqual(dark, light);
  assert.equal((await diagram()).theme, "dark");
  assert.equal(await ground("#space-time"), dark);
  await page.click("#theme");
  assert.equal((await diagram()).theme, "light");
  assert.deepEqual([await ground("body"), await ground("#space-time")], [light, light]);
  await page.emulateMedia({ colorScheme: "dark" });
  assert.deepEqual([await ground("body"), await ground("#space-time")], [light, light], "the button has the last word");
  assert.deepEqual(complaints, []);
  await close();

  // A phone: nothing is wider than the screen; the system's dark mode is heard.
  const phone = await openReport(browser, file, { viewport: { width: 390, height: 800 }, colorScheme: "dark" });
  assert.equal(await phone.page.evaluate(() => document.documentElement.scrollWidth), 390);
  for (const part of ["body", "#space-time"]) {
    const colour = await phone.page.evaluate((of) => getComputedStyle(document.querySelector(of)).backgroundColor, part);
    assert.equal(colour, dark, part);
  }
  assert.equal(await phone.page.evaluate(() => window.clocklab.state.theme), "auto");
  assert.deepEqual(phone.complaints, []);
  await phone.close();
}

const browser = await launch();
try {
  await test(browser);
  console.log("report: everything as it should be");
} finally {
  await browser.close();
}
