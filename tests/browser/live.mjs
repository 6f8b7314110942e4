// `clocklab watch --web` in a real browser, beside a real run: only who has the address gets in, events arrive as they
// are logged, a reload and a server that was away lose none, pointing at an event shows its past, and the controls say
// what they do, or why not.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { launch } from "./browser.mjs";
import { past, readRun } from "./oracle.mjs";

const { CLOCKLAB, WORK } = process.env;
const RUN = "live";
const SECONDS = 24;
const PATIENCE_MS = 15_000;
const folder = join(WORK, "logs", RUN);
const here = new URL(".", import.meta.url).pathname;

/** Starts the server; gives the address that it prints, the page's own, and how to end it. */
async function serve(port) {
  const server = spawn(CLOCKLAB, ["watch", "--web", "--port", String(port), folder], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface({ input: server.stdout }), "line");
  const address = /(http:\/\/127\.0\.0\.1:(\d+)\/)\?key=[0-9a-f]+/.exec(line);
  assert.ok(address, line);
  const ended = once(server, "exit");
  const stop = async () => {
    server.kill("SIGINT");
    const [code] = await ended;
    assert.equal(code, 0, "Ctrl-C ends it in order");
  };
  return { printed: address[0], url: address[1], port: Number(address[2]), stop };
}

/** Opens the page as it is printed; `complaints` fills with console errors, exceptions and requests for anything else. */
async function open(browser, { printed, url }, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1300, height: 1000 }, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => {
    // A server that is away is what one of the tests is about.
    const isAway = /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|status of 403/.test(message.text());
    if (["error", "warning"].includes(message.type()) && !isAway) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.stack ?? String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith("data:")) complaints.push(`asks for ${request.url()}`);
  });
  await page.goto(printed);
  // The key does not stay in the address bar.
  await page.waitForURL(url);
  return { context, page, complaints, close: () => context.close() };
}

const live = (page) => page.evaluate(() => window.clocklabLive.state);
const diagram = (page) => page.evaluate(() => window.clocklab.state);
const until = (page, condition, argument) => page.waitForFunction(condition, argument, { timeout: PATIENCE_MS });

/** Waits until the page has events beyond a number, and everything that the server knew. */
async function grown(page, beyond) {
  await until(page, (count) => {
    const { received, leftOut, more } = window.clocklabLive.state;
    return !more && received + leftOut > count && window.clocklab.state?.events > 0;
  }, beyond);
  return live(page);
}

/** Without the address that was printed nothing is served; with it also by a link on another site. */
async function keys(browser, { printed, url }) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const refused = await page.goto(url);
  assert.equal(refused.status(), 403);
  assert.match(await page.textContent("body"), /the address that `clocklab watch --web` printed/);
  const elsewhere = createServer((_, answer) => answer.setHeader("content-type", "text/html").end(`<a href="${printed}">watch</a>`));
  await once(elsewhere.listen(0, "127.0.0.1"), "listening");
  await page.goto(`http://localhost:${elsewhere.address().port}/`);
  await page.click("a");
  await page.waitForURL(url);
  await grown(page, 0);
  await page.reload();
  await grown(page, 0);
  elsewhere.close();
  await context.close();
}

async function test(browser, served) {
  await keys(browser, served);
  const { context, page, complaints, close } = await open(browser, served);

  // It grows: numbers, table and diagram.
  const first = await grown(page, 10);
  assert.equal(first.run, RUN);
  assert.equal(first.machines, 3);
  const second = await grown(page, first.received + 20);
  assert.equal(second.leftOut, 0);
  assert.ok((await diagram(page)).events > 20);
  const rows = await page.$$eval("tr[data-machine]", (all) => all.map((row) => row.children[0].textContent.trim()));
  assert.deepEqual(rows, ["0", "1", "2"]);
  assert.equal(await page.textContent("#state"), "running");
  assert.equal(await page.textContent("#connection"), "connected");

  // A reload begins anew and has everything.
  await page.reload();
  const reloaded = await grown(page, second.received);
  assert.equal(reloaded.leftOut, 0);
  assert.ok(reloaded.received >= second.received);

  // The server goes away and another one comes: the page says what to do, and goes on where it was, without beginning
  // anew, as soon as somebody has opened the new address.
  const beforehand = await live(page);
  await page.evaluate(() => (document.body.dataset.mark = "same page"));
  await served.stop();
  await until(page, () => window.clocklabLive.state.connection.startsWith("lost"));
  assert.match(await page.textContent("#why-not"), /lost its server/);
  assert.ok(await page.isDisabled("text=Pause all"));
  Object.assign(served, await serve(served.port));
  await until(page, () => window.clocklabLive.state.connection === "refused");
  assert.match(await page.textContent("#why-not"), /open the address/);
  const opener = await context.newPage();
  await opener.goto(served.printed);
  await opener.waitForURL(served.url);
  await opener.close();
  await until(page, () => window.clocklabLive.state.connection === "connected");
  const after = await grown(page, beforehand.received + 10);
  assert.equal(after.leftOut, 0);
  assert.equal(await page.evaluate(() => document.body.dataset.mark), "same page");

  await hidden(page, context, served);

  // Frozen, the run goes on and the diagram stands still; pointing shows the past that the logs say.
  await until(page, () => window.clocklabLive.state.follows);
  await page.click("#follow");
  assert.equal((await live(page)).follows, false);
  const still = await diagram(page);
  await grown(page, (await live(page)).received + 5);
  assert.equal((await diagram(page)).events, still.events);
  assert.deepEqual((await diagram(page)).view, still.view);
  const events = readRun(folder);
  const shown = await page.evaluate((names) => names.filter((name) => {
    try {
      return clocklab.screenOf(name).x > 0;
    } catch {
      return false;
    }
  }), [...events.keys()]);
  assert.equal(shown.length, still.events, "every event of the diagram is one of the logs");
  const receives = shown.filter((name) => events.get(name).kind === "receive");
  const name = receives[Math.floor(receives.length / 2)];
  await page.evaluate(() => clocklab.look(...[clocklab.state.view[1] - 60e6, clocklab.state.view[1]]));
  const { x, y } = await page.evaluate((event) => clocklab.screenOf(event), name);
  await page.locator("#space-time").scrollIntoViewIfNeeded();
  const spot = await page.evaluate((event) => clocklab.screenOf(event), name);
  assert.ok(Number.isFinite(x + y));
  await page.mouse.move(spot.x, spot.y);
  await until(page, (event) => clocklab.state.selected === event, name);
  const { counts } = await diagram(page);
  assert.equal(counts.past, past(events.get(name)).size);
  await page.mouse.move(5, 5);
  await page.click("#follow");
  await until(page, (count) => clocklab.state.events > count, 0);

  // A hand on the diagram stops it from following.
  await page.locator("#space-time .cl-over").focus();
  await page.keyboard.press("ArrowLeft");
  await until(page, () => !window.clocklabLive.state.follows);
  // Also one that is quicker than the first picture of what it follows, and with it the view goes where the hand wants.
  const [before, now] = await page.evaluate(() => {
    document.getElementById("follow").click();
    const { view } = clocklab.state;
    document.querySelector("#space-time .cl-over").dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
    document.querySelector("#space-time .cl-over").dispatchEvent(new KeyboardEvent("keydown", { key: "+", bubbles: true }));
    return [view, clocklab.state.view];
  });
  assert.notDeepEqual(now, before);
  await until(page, () => !window.clocklabLive.state.follows);
  assert.deepEqual((await diagram(page)).view, now);
  await page.click("#follow");

  await commands(page);

  // Dark and light.
  const ground = (selector) => page.evaluate((of) => getComputedStyle(document.querySelector(of)).backgroundColor, selector);
  const light = await ground("body");
  await page.click("#theme");
  assert.notEqual(await ground("body"), light);
  assert.equal(await ground("#space-time"), await ground("body"));

  // The end: everything that the logs hold came exactly once, and what cannot be done says why.
  await page.waitForFunction(() => window.clocklabLive.state.ended, null, { timeout: (SECONDS + 15) * 1000 });
  const names = [...readRun(folder).keys()].sort();
  const logged = names.length;
  await until(page, (count) => window.clocklabLive.state.received === count, logged);
  assert.deepEqual((await page.evaluate(() => clocklabLive.names)).sort(), names);
  await until(page, () => document.getElementById("why-not").textContent.includes("the run has ended"));
  for (const button of ["Pause all", "Resume", "Mend all", "Break it"]) {
    assert.ok(await page.isDisabled(`button:text-is("${button}")`), button);
    assert.match(await page.getAttribute(`button:text-is("${button}")`, "title"), /the run has ended/, button);
  }
  // The next frame draws the end, and stands still.
  await until(page, () => !window.clocklabLive.state.follows);
  assert.equal((await diagram(page)).events, logged);
  assert.deepEqual(complaints, []);
  await close();

  // A phone that comes late: nothing is wider than the screen.
  const phone = await open(browser, served, { viewport: { width: 390, height: 800 }, colorScheme: "dark" });
  const late = await grown(phone.page, 0);
  assert.equal(late.received + late.leftOut, logged);
  assert.equal(await phone.page.evaluate(() => document.documentElement.scrollWidth), 390);
  assert.deepEqual(phone.complaints, []);
  await phone.close();
}

/** A tab that nobody sees takes none of the browser's six connections, and misses nothing. */
async function hidden(page, context, { url }) {
  const hide = (one, isHidden) => one.evaluate((value) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => value });
    document.dispatchEvent(new Event("visibilitychange"));
  }, isHidden);
  const others = [];
  for (let i = 0; i < 6; i++) {
    const other = await context.newPage();
    others.push(other);
    await other.goto(url);
    await until(other, () => window.clocklabLive.state.connection === "connected");
    await hide(other, true);
  }
  await hide(page, true);
  const { received, connection } = await live(page);
  assert.equal(connection, "resting");
  // While another tab sees the run go on.
  await hide(others[0], false);
  await grown(others[0], received + 10);
  assert.equal((await live(page)).received, received);
  await hide(page, false);
  const back = await grown(page, received + 10);
  assert.deepEqual([back.leftOut, back.connection], [0, "connected"]);
  assert.equal(await page.evaluate(() => document.body.dataset.mark), "same page");
  for (const other of others) await other.close();
}

/** Time in hand, on the real machines: pause, one tick of one, of all, resume; and a fault with its number. */
async function commands(page) {
  await until(page, () => window.clocklabLive.state.noControl === null);
  await page.click('button:text-is("Pause all")');
  await until(page, () => document.getElementById("state").textContent.startsWith("paused"));
  const { received } = await live(page);
  await page.click('tr[data-machine="2"] button');
  await until(page, (count) => window.clocklabLive.state.received === count, received + 1);
  await page.click('button:text-is("Step all")');
  await until(page, (count) => window.clocklabLive.state.received === count, received + 4);
  await page.click('button:text-is("Resume")');
  await until(page, () => !document.getElementById("state").textContent.startsWith("paused"));
  await grown(page, received + 10);

  await page.selectOption("#kind", "loss");
  assert.match(await page.textContent("#preview"), /^clocklab fault loss 0,1 \/ 2 30% --for 10s$/);
  await page.click('button:text-is("Break it")');
  await until(page, () => document.querySelectorAll(".on li").length === 1);
  assert.match(await page.textContent("#state"), /1 fault on/);
  await page.click('.on li button');
  await until(page, () => document.querySelectorAll(".on li").length === 0);

  // A jump is over as soon as it is done.
  await page.selectOption("#kind", "jump");
  assert.match(await page.textContent("#preview"), /^clocklab fault jump 0 100$/);
  await page.click('button:text-is("Break it")');
  await until(page, () => document.getElementById("log").textContent.includes("jumps ahead by 100"));
  await until(page, () => document.getElementById("state").textContent === "running");
  assert.equal(await page.locator(".on li").count(), 0);
  const said = await page.$$eval("#log li", (all) => all.map((item) => item.textContent));
  for (const part of ["pause", "step 1", "resume", "begins: loss", "is over"]) assert.ok(said.some((text) => text.includes(part)), part);
}

const port = execFileSync(process.execPath, [join(here, "free-ports.mjs"), "3"], { encoding: "utf8" }).trim();
const run = spawn(CLOCKLAB, ["run", "--duration", `${SECONDS}s`, "--rates", "6,4,1", "--draw", "5", "--seed", "7", "--run", RUN, "--base-port", port, "--logs", join(WORK, "logs")], { stdio: ["ignore", "ignore", "inherit"] });
const ended = once(run, "exit");
const served = await serve(0);
const browser = await launch();
try {
  await test(browser, served);
  console.log("live page: everything as it should be");
} finally {
  await browser.close();
  await served.stop();
  if (run.exitCode === null) run.kill("SIGINT");
  await ended;
}
