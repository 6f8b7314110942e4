// report.html in a real browser: numbers as in the text report, figures with a line a machine, values under the
// cursor, zoom, keyboard, dark mode, and no word from or to anywhere else.
//
// Runs alone with `node report.mjs PATH_TO_CLOCKLAB` where playwright-core can be found, and chromium is
// /usr/bin/chromium or what CHROMIUM names.

import { execFileSync } from "node:child_process";
import { createServer } from "node:net";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const LINES = ["clock", "drift", "queue", "tick_error_us", "age_s", "waited_s"];
const BARS = ["jumps", "lateness"];

/// The first of `count` consecutive ports that were free a moment ago.
async function freePorts(count) {
  const isFree = (port) => new Promise((resolve) => {
    const server = createServer().once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
  for (let base = 21000 + (process.pid % 500) * 8; base < 32000; base += 8) {
    const free = await Promise.all(Array.from({ length: count }, (_, index) => isFree(base + index)));
    if (free.every(Boolean)) return base;
  }
  throw new Error("no free ports");
}

/// The numbers of the text report's first table: a row a machine, expected ones left out.
function textRows(text) {
  const lines = text.split("\n");
  const heading = lines.findIndex((line) => /^ *machine +rate +ticks/.test(line));
  const rows = lines.slice(heading + 1, lines.indexOf("", heading));
  return rows.map((row) => row.replace(/\([^)]*\)/g, "").trim().split(/ +/));
}

/// Loads a page and notes everything that it should not do.
async function open(browser, file, options) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
  const wrong = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && wrong.push(message.text()));
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("request", (request) => request.url() !== pathToFileURL(file).href && wrong.push(`asks for ${request.url()}`));
  await page.goto(pathToFileURL(file).href);
  await page.waitForFunction(() => window.clocklabFigures?.names().length > 0);
  return { page, wrong };
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

export async function test({ browser, clocklab, tmp, assert }) {
  const run = join(tmp, "logs", "page");
  const file = join(tmp, "report.html");
  const base = await freePorts(3);
  execFileSync(clocklab, ["run", "--rates", "6,4,1", "--seed", "7", "--duration", "5s", "--run", "page", "--base-port", String(base), "--logs", join(tmp, "logs")]);
  const text = execFileSync(clocklab, ["report", run, "--html", file], { encoding: "utf8" });
  const { page, wrong } = await open(browser, file, { colorScheme: "light" });

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

  // Dark and light again.
  const light = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.click("#theme");
  const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.notEqual(dark, light);
  await page.click("#theme");
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), light);
  await page.emulateMedia({ colorScheme: "dark" });
  assert.deepEqual(wrong, []);
  await page.close();

  // A phone: nothing is wider than the screen; the system's dark mode is heard.
  const phone = await open(browser, file, { viewport: { width: 390, height: 800 }, colorScheme: "dark" });
  assert.equal(await phone.page.evaluate(() => document.documentElement.scrollWidth), 390);
  assert.equal(await phone.page.evaluate(() => getComputedStyle(document.body).backgroundColor), dark);
  assert.deepEqual(phone.wrong, []);
  await phone.page.close();
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { mkdtempSync, rmSync } = await import("node:fs");
  const { tmpdir } = await import("node:os");
  const { createRequire } = await import("node:module");
  const { default: assert } = await import("node:assert/strict");
  // From the folder it is called in, as this one holds no packages.
  const { chromium } = createRequire(join(process.cwd(), "x.js"))("playwright-core");
  const tmp = mkdtempSync(join(tmpdir(), "clocklab-report-"));
  const args = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: args.split(" ") });
  try {
    await test({ browser, clocklab: process.argv[2], tmp, assert });
    console.log("report: everything as it should be");
  } finally {
    await browser.close();
    rmSync(tmp, { recursive: true });
  }
}
