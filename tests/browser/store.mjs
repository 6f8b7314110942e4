// The page of a store's replica in a real browser, beside real replicas: what is written on one page is seen on another's,
// sessions wait for what they have seen, siblings and who is suspected show, and the diagram has what the logs have.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { launch } from "./browser.mjs";
import { past, readRun } from "./oracle.mjs";
import { PATIENCE_MS, open, read, rowText, write } from "./replica-page.mjs";
import { late, overlap, pressed, stays } from "./replica-press.mjs";

const { CLOCKLAB, WORK } = process.env;
const RUN = "store";

/** Without an event for so long nothing is under way any more, nor waits to be repaired. */
const REPAIRED_MS = 3000;
const folder = join(WORK, "logs", RUN);
const here = new URL(".", import.meta.url).pathname;
const started = [];

const freePorts = (count) => Number(execFileSync(process.execPath, [join(here, "free-ports.mjs"), String(count)], { encoding: "utf8" }));
const clocklab = (...words) => execFileSync(CLOCKLAB, words, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

/** Starts a process that goes on, ended with the test. */
function start(...words) {
  const process = spawn(CLOCKLAB, words, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(process, "exit");
  const one = {
    process,
    async stop() {
      if (process.exitCode === null && process.signalCode === null) process.kill("SIGINT");
      await ended;
    },
  };
  started.push(one);
  return one;
}

/** Waits until a replica serves. */
async function ready(port) {
  for (const begun = Date.now(); Date.now() - begun < PATIENCE_MS; ) {
    const status = await fetch(`http://127.0.0.1:${port}/healthz`).then((answer) => answer.status, () => 0);
    if (status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nobody serves on port ${port}`);
}

async function values(first, second) {
  // Written on one page, seen on another's; the dot is the one that was answered.
  const put = await write(first, "put", "greeting", { value: "hello" });
  assert.equal(put.status, 200);
  assert.match(put.text, /^created: write 1 of replica 0$/);
  assert.match(await rowText(second, "greeting"), /hello/);
  const got = await read(second, "greeting");
  assert.equal(got.status, 200);
  assert.match(got.shown, /write 1 of replica 0, stamp [\d,]+, dot 0\.\d+\.1/);
  assert.match(await second.page.textContent("#seen"), /replica 0: its writes up to 1/);

  // What is not as it was read is not written over.
  await read(first, "greeting");
  await write(second, "put", "greeting", { value: "hello again" });
  await first.until(() => document.querySelector('[data-key="greeting"]').textContent.includes("changed since you read it"));
  assert.equal((await write(first, "put", "greeting", { value: "late", unchanged: true })).status, 412);
  await read(first, "greeting");
  assert.equal((await write(first, "put", "greeting", { value: "in time", unchanged: true })).status, 200);

  // Two sessions that know nothing of each other.
  for (const one of [first, second]) await one.page.click("#fresh");
  await write(first, "put", "cart", { value: "apples", beside: true });
  await write(second, "put", "cart", { value: '["pears"]', type: "json", beside: true });
  for (const one of [first, second]) {
    await one.until(() => document.querySelector('[data-key="cart"]')?.textContent.includes("2 siblings"));
    const { shown } = await read(one, "cart");
    assert.match(shown, /2 siblings/);
    for (const part of ["apples", "pears", "write"]) assert.ok(shown.includes(part), part);
  }
  await write(first, "put", "cart", { value: "both", beside: true });
  await second.until(() => !document.querySelector('[data-key="cart"]').textContent.includes("siblings"));

  // Numbers stay as they were written; counters and sets merge; what lasts a moment ends.
  await write(first, "put", "numbers", { type: "json", value: "[1.0, 12345678901234567890, 1e400]" });
  const { shown } = await read(second, "numbers");
  assert.match(shown, /1\.0,\s+12345678901234567890,\s+1e400/);
  await first.page.selectOption("#type", "json");
  await first.page.fill("#value", "{");
  await first.page.click("#put");
  assert.match(await first.page.textContent("#came"), /no JSON/);
  for (const one of [first, second]) await write(one, "add", "visits", { type: "counter", amount: "2" });
  await first.until(() => document.querySelector('[data-key="visits"] span').textContent === "4");
  assert.equal((await write(first, "add", "greeting", { type: "counter", amount: "2" })).status, 409);
  await write(first, "insert", "tags", { type: "set", value: "a\n<i>b</i>\n7" });
  await write(second, "remove", "tags", { type: "set", value: "7" });
  await first.until(() => document.querySelector('[data-key="tags"] span').textContent === '"<i>b</i>", "a"');
  await write(first, "put", "moment", { value: "soon over", lasts: "2s" });
  assert.match(await rowText(second, "moment"), /ends in/);
  await second.until(() => !document.querySelector('[data-key="moment"]'));

  // Keys and values are texts, whatever is in them.
  const markup = "<img src=x onerror=alert(1)>";
  await write(first, "put", markup, { value: "<script>alert(2)</script>" });
  await second.until((key) => window.clocklabReplica.state.keys.includes(key), markup);
  assert.equal(await second.page.locator("main img, main script").count(), 0);
  await write(first, "delete", markup);
  await second.until((key) => !window.clocklabReplica.state.keys.includes(key), markup);
}

async function oddKeys(first, base) {
  await fetch(`http://127.0.0.1:${base}/v1/keys/%FF%00`, { method: "PUT", body: "bytes" });
  assert.match((await read(first, "base64:/wA=")).shown, /bytes/);
  assert.equal((await write(first, "delete", "base64:/wA=")).status, 200);
  for (const key of [".", "..", "a/../b", "100%41?#"]) {
    assert.equal((await write(first, "put", key, { value: `of ${key}` })).status, 200, key);
    assert.ok((await read(first, key)).shown.includes(`of ${key}`), key);
    assert.equal((await write(first, "delete", key)).status, 200, key);
  }
  // A text that looks like the bytes of another key is not that key; nor is one that a field would make another.
  const bytes = (text) => `base64:${Buffer.from(text).toString("base64")}`;
  for (const [key, looksLike] of [["base64:YQ==", "a"], ["x\ny", "xy"]]) {
    const status = (name) => fetch(`http://127.0.0.1:${base}/v1/keys/${encodeURIComponent(name)}`).then((answer) => answer.status);
    for (const name of [key, looksLike]) await fetch(`http://127.0.0.1:${base}/v1/keys/${encodeURIComponent(name)}`, { method: "PUT", body: `of ${name}` });
    assert.ok((await read(first, bytes(key))).shown.includes(`of ${key}`));
    assert.equal((await write(first, "put", bytes(key), { value: "written" })).status, 200);
    assert.ok((await read(first, bytes(key))).shown.includes("written"));
    const pressed = await first.page.evaluate(() => document.querySelectorAll("#log li").length);
    await first.page.click("#delete");
    await first.until((count) => document.querySelectorAll("#log li").length > count, pressed);
    assert.deepEqual([await status(key), await status(looksLike)], [404, 200]);
    assert.equal((await write(first, "delete", looksLike)).status, 200);
  }
  // Page by page, and back.
  for (let i = 10; i < 40; i++) await fetch(`http://127.0.0.1:${base}/v1/keys/item-${i}`, { method: "PUT", body: String(i) });
  await first.page.fill("#prefix", "item-");
  const pages = [];
  for (let i = 0; i < 3; i++) {
    await first.until((key) => window.clocklabReplica.state.keys[0] === key, `item-${10 + i * 12}`);
    pages.push(...(await first.state()).keys);
    if (i < 2) await first.page.click("#forth");
  }
  assert.deepEqual(pages, Array.from({ length: 30 }, (_, i) => `item-${10 + i}`));
  assert.ok(await first.page.isDisabled("#forth"));
  await first.page.click("#back");
  await first.until(() => window.clocklabReplica.state.keys[0] === "item-22");
  await first.page.fill("#prefix", "");
  await first.until(() => !window.clocklabReplica.state.keys[0].startsWith("item"));
}

/** What nests deep makes nothing else unreadable. */
async function deep(first, base) {
  for (const levels of [3000, 100_000]) {
    const body = `${"[".repeat(levels)}1.0${"]".repeat(levels)}`;
    await fetch(`http://127.0.0.1:${base}/v1/keys/deep-${levels}`, { method: "PUT", headers: { "content-type": "application/json" }, body });
  }
  await fetch(`http://127.0.0.1:${base}/v1/keys/deep`, { method: "PUT", body: "shallow" });
  assert.match(await rowText(first, "deep"), /shallow/);
  assert.match(await rowText(first, "deep-3000"), /\[\[\[/);
  assert.match(await rowText(first, "deep-100000"), /too deep/);
  assert.match(await first.page.textContent("#keys [role=status]"), /may be rounded/);
  const got = await read(first, "deep-100000");
  assert.equal(got.status, 200);
  assert.match(got.shown, /too deep to be shown[^]*write \d+ of replica 0/);
  for (const key of ["deep", "deep-3000", "deep-100000"]) assert.equal((await write(first, "delete", key)).status, 200);
}

/** A session that has seen what another replica lacks is told so there, and served once it is there. */
async function session(browser, first) {
  clocklab("fault", "partition", "0", "/", "1,2", "--for", "6s", "--run", folder);
  await write(first, "put", "order", { value: "sent", copies: "1" });
  await first.until(() => document.querySelectorAll(".vectors td.behind").length >= 2);
  const link = await first.page.getAttribute("#onward a", "href");
  assert.match(link, /^http:\/\/127\.0\.0\.1:\d+\/#token=/);
  const other = await open(browser, link);
  await other.until(() => document.querySelector("#seen .off") !== null);
  assert.equal(await other.page.evaluate(() => location.hash), "");
  const refused = await read(other, "greeting");
  assert.equal(refused.status, 503);
  assert.match(refused.shown, /write \d+ of replica 0 \(\d+ of its life are here/);
  assert.equal((await write(other, "put", "invoice", { value: "x" })).status, 503);
  await other.page.selectOption("#wait", "10");
  await other.page.click("#again");
  await other.until(() => document.querySelectorAll("#log li").length === 3);
  assert.deepEqual((await other.state()).log.map(({ status }) => status), [200, 503, 503]);
  await other.until(() => document.querySelector("#seen .off") === null);
  assert.deepEqual(other.complaints, []);
  await other.close();
}

/** The diagram has every event of the logs once, and knows the past of each. */
async function diagram({ page, until }) {
  let [names, since] = [[], Date.now()];
  for (const begun = Date.now(); Date.now() - begun < PATIENCE_MS; ) {
    const all = [...readRun(folder).keys()].sort();
    const shown = (await page.evaluate(() => clocklabReplica.names)).sort();
    if (all.length !== names.length) since = Date.now();
    names = all;
    // What was cut off is repaired after two seconds: nothing comes any more then.
    if (Date.now() - since > REPAIRED_MS && JSON.stringify(shown) === JSON.stringify(names)) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.deepEqual((await page.evaluate(() => clocklabReplica.names)).sort(), names);
  assert.ok(names.length > 50, "all events, each once");
  await page.click("#follow");
  await until((count) => clocklab.state.events === count, names.length);
  await page.evaluate(() => clocklab.look(clocklab.state.view[1] - 600e6, clocklab.state.view[1]));
  const events = readRun(folder);
  const receives = [...events.values()].filter(({ kind }) => kind === "receive");
  assert.ok(receives.length > 10);
  await page.locator("#space-time").scrollIntoViewIfNeeded();
  const { name } = receives[Math.floor(receives.length / 2)];
  for (let i = 0; i < 8; i++) {
    const { x } = await page.evaluate((event) => clocklab.screenOf(event), name);
    // Nearer, so that no other event is under the pointer.
    await page.evaluate(([event, by]) => {
      const { view } = clocklab.state;
      const box = document.querySelector("#space-time .cl-over").getBoundingClientRect();
      const at = view[0] + ((clocklab.screenOf(event).x - box.left - 60) / (box.width - 80)) * (view[1] - view[0]);
      const half = ((view[1] - view[0]) * by) / 2;
      clocklab.look(at - half, at + half);
    }, [name, 0.3]);
    assert.ok(Number.isFinite(x));
  }
  const spot = await page.evaluate((event) => clocklab.screenOf(event), name);
  await page.mouse.move(spot.x, spot.y);
  await until(() => clocklab.state.selected !== null);
  const { selected, counts } = await page.evaluate(() => clocklab.state);
  assert.equal(counts.past, past(events.get(selected)).size, selected);
  assert.match(await page.textContent(".cl-details"), /(wrote|applied) \d+\.\d+\.\d+/);
  await page.mouse.move(5, 5);
  await page.click("#follow");
}

/** A write's name, pressed, shows its event and those that took it. */
async function spread(one) {
  await one.page.click("#fresh");
  const put = await write(one, "put", "spread", { value: "x" });
  const [, number] = /write (\d+) of replica 0/.exec(put.text);
  const dot = await one.page.textContent("#came button");
  assert.match(dot, new RegExp(`^0\\.\\d+\\.${number}$`));
  await one.until((text) => {
    document.querySelector("#came button").click();
    return document.querySelector(".cl-details").textContent.includes(`wrote ${text}`);
  }, dot);
  const { selected, counts } = await one.page.evaluate(() => clocklab.state);
  const event = readRun(folder).get(selected);
  assert.ok(event.keys.wrote.startsWith(dot), selected);
  assert.equal(counts.past, past(event).size);
  for (const { name } of event.effects) {
    const { x } = await one.page.evaluate((other) => clocklab.screenOf(other), name);
    const box = await one.page.locator("#space-time .cl-over").boundingBox();
    assert.ok(event.machine === name.split(":")[0] || (x > box.x && x < box.x + box.width), `${name} is in sight`);
  }
  await one.page.click("#follow");
}

/** The page's view is that of `GET /view`. */
async function sameView(one, base, headers = {}) {
  const { view: shown } = await fetch(`http://127.0.0.1:${base}/view`, { headers }).then((answer) => answer.json());
  await one.until((text) => document.getElementById("view").textContent.endsWith(`: ${text}.`), shown.join(", "));
}

/** Who is silent is suspected, and says nothing of itself. */
async function killed(first, third, base) {
  clocklab("fault", "kill", "2", "--run", folder);
  await first.until(() => document.querySelector('.replicas tr[data-id="2"]').textContent.includes("suspected"));
  await write(first, "put", "greeting", { value: "without 2" });
  await first.until(() => /[1-9]\d*for \d/.test(document.querySelector('.replicas tr[data-id="2"]').children[4].textContent));
  await third.until(() => document.getElementById("state").textContent === "does not answer");
  assert.ok(await third.page.isVisible("#trouble"));
  const metrics = await fetch(`http://127.0.0.1:${base}/metrics`).then((answer) => answer.text());
  await sameView(first, base);
  assert.ok(Number(/clocklab_kv_peer_behind_seconds\{peer="2"\} ([\d.]+)/.exec(metrics)[1]) > 0);
}

/** A tab that nobody sees asks for nothing; one that comes back has everything. */
async function hidden(first, base) {
  const hide = (isHidden) => first.page.evaluate((value) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => value });
    document.dispatchEvent(new Event("visibilitychange"));
  }, isHidden);
  await hide(true);
  const followers = async () => Number(/clocklab_http_events (\d+)/.exec(await fetch(`http://127.0.0.1:${base}/metrics`).then((answer) => answer.text()))[1]);
  for (const begun = Date.now(); (await followers()) > 0 && Date.now() - begun < PATIENCE_MS; ) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(await followers(), 0);
  const { polls } = await first.state();
  await fetch(`http://127.0.0.1:${base}/v1/keys/hidden`, { method: "PUT", body: "x" });
  await new Promise((resolve) => setTimeout(resolve, 1500));
  assert.ok((await first.state()).polls <= polls + 1);
  await hide(false);
  await first.until(() => window.clocklabReplica.state.keys.includes("hidden"));
  await diagram(first);
}

/** Another site leads here by a link, and gets no part of it. */
async function otherSites(browser, base) {
  const url = `http://127.0.0.1:${base}`;
  const elsewhere = createServer((_, answer) => answer.setHeader("content-type", "text/html").end(`<a href="${url}/">replica</a><iframe src="${url}/"></iframe>`));
  await once(elsewhere.listen(0, "127.0.0.1"), "listening");
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`http://localhost:${elsewhere.address().port}/`);
  const said = await page.evaluate(async (at) => {
    const tries = [];
    for (const [path, options] of [["/v1/events", { mode: "no-cors" }], ["/v1/status", {}], ["/v1/batch", { method: "POST", mode: "no-cors", body: '{"operations":[{"key":"evil","put":1}]}' }]]) {
      tries.push(await fetch(at + path, options).then((answer) => answer.type, () => "refused"));
    }
    return tries;
  }, url);
  assert.equal(said[1], "refused");
  assert.equal(await page.frames()[1].evaluate(() => document.getElementById("keys")).catch(() => null), null, "in no frame");
  await page.click("a");
  await page.waitForFunction(() => window.clocklabReplica?.state.status, null, { timeout: PATIENCE_MS });
  assert.ok(!(await page.evaluate(() => window.clocklabReplica.state.keys)).includes("evil"));
  const site = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" };
  for (const path of ["/v1/events", "/v1/watch", "/v1/status", "/page.js"]) {
    assert.equal((await page.request.get(url + path, { headers: site })).status(), 403, path);
  }
  const head = (await page.request.get(`${url}/`)).headers();
  assert.match(head["content-security-policy"], /default-src 'none'.*frame-ancestors 'none'/);
  elsewhere.close();
  await context.close();
}

/** A replica that wants tokens, alone on its computer: the page asks for one, and says whose logs are not here. */
async function tokens(browser) {
  const port = freePorts(2);
  const data = join(WORK, "alone");
  const view = `0=127.0.0.1:${port},7=127.0.0.1:${port + 1}`;
  const words = ["kv", "replica", "--id", "0", "--listen", `127.0.0.1:${port}`, "--view", view, "--data", data, "--logs", join(WORK, "logs"), "--run", "alone", "--quiet"];
  const replica = start(...words);
  await ready(port);
  const make = (...more) => /clk_\S+/.exec(clocklab("kv", "token", "create", ...more, "--data", data))[0];
  const [reader, writer, boss] = [make("reader", "--scope", "read"), make("writer", "--scope", "write", "--prefix", "app/"), make("boss", "--scope", "admin")];
  for (const begun = Date.now(); Date.now() - begun < PATIENCE_MS; ) {
    if ((await fetch(`http://127.0.0.1:${port}/v1/status`)).status === 401) break;
  }
  const one = await open(browser, `http://127.0.0.1:${port}/`);
  await one.page.waitForSelector("#bearer:not([hidden])");
  assert.ok(await one.page.isHidden("#main"));
  const use = async (token) => {
    await one.page.fill("#bearer-text", token);
    await one.page.keyboard.press("Enter");
  };
  await use("clk_wrong");
  await one.until(() => document.getElementById("bearer-why").textContent.includes("no such token"));
  await use(reader);
  await one.page.waitForSelector("#main:not([hidden])");
  assert.ok(await one.page.isHidden("#write"));
  assert.match(await one.page.textContent("#may"), /reads only/);
  await one.until(() => document.getElementById("logs").textContent.includes("not on this computer"));
  assert.match(await one.page.textContent("#logs"), new RegExp(`replica 7 at 127.0.0.1:${port + 1}`));
  // It stays in the tab, and nowhere else.
  await one.page.reload();
  await one.page.waitForSelector("#main:not([hidden])");
  assert.deepEqual(await one.page.evaluate(() => [localStorage.length, document.cookie]), [0, ""]);
  await one.page.click("#forget");
  await one.page.waitForSelector("#bearer:not([hidden])");
  await use(writer);
  await one.page.waitForSelector("#write:not([hidden])");
  assert.equal(await one.page.inputValue("#prefix"), "app/");
  await one.until(() => document.getElementById("state").textContent === "ready");
  assert.equal((await write(one, "put", "app/a", { value: "1", copies: "1" })).status, 200);
  assert.equal((await write(one, "put", "other", { value: "1", copies: "1" })).status, 403);
  assert.match(await rowText(one, "app/a"), /1/);
  await one.until(() => window.clocklabReplica.names.length > 0);

  // Killed and started again, it goes on where it was: the page needs no reload.
  const had = await one.page.evaluate(() => clocklabReplica.names);
  replica.process.kill("SIGKILL");
  await one.until(() => document.getElementById("state").textContent === "does not answer");
  const again = start(...words);
  await ready(port);
  await one.until(() => document.getElementById("state").textContent !== "does not answer");
  assert.equal((await write(one, "put", "app/b", { value: "2", copies: "1" })).status, 200);
  await one.until((count) => window.clocklabReplica.names.length > count, had.length);
  const names = await one.page.evaluate(() => clocklabReplica.names);
  assert.deepEqual(names.slice(0, had.length), had);
  assert.equal(new Set(names).size, names.length);
  assert.match(await rowText(one, "app/a"), /1/);

  // A second replica with a greater id: the live page's fault boxes name those that there are.
  const other = start("kv", "replica", "--id", "7", "--listen", `127.0.0.1:${port + 1}`, "--view", view, "--memory", "--logs", join(WORK, "logs"), "--run", "alone", "--quiet");
  await ready(port + 1);
  await one.until(() => !document.getElementById("logs").textContent.includes("not on this computer"));
  const watch = start("watch", "--web", "--port", "0", join(WORK, "logs", "alone"));
  const [line] = await once(createInterface({ input: watch.process.stdout }), "line");
  const live = await browser.newPage();
  await live.goto(/http:\S+/.exec(line)[0]);
  await live.waitForFunction(() => document.querySelectorAll('[aria-label="one side"] input').length === 2, null, { timeout: PATIENCE_MS });
  const boxes = await live.$$eval('[aria-label="one side"] input', (all) => all.map(({ value }) => value));
  assert.deepEqual(boxes, ["0", "7"]);
  assert.match(await live.textContent("#preview"), /partition 0 \/ 7/);
  await live.close();
  await watch.stop();

  // It leaves in order: it is in nobody's view any more.
  const headers = { authorization: `Bearer ${boss}` };
  await fetch(`http://127.0.0.1:${port}/v1/members/7/drain`, { method: "POST", headers });
  await one.until(() => window.clocklabReplica.state.status.members.some(({ id, standing }) => id === 7 && standing === "left"));
  await sameView(one, port, headers);
  assert.deepEqual(one.complaints, []);
  await one.close();
  await again.stop();
  await other.stop();
}

/** One that writes no log has a page all the same. */
async function withoutLog(browser) {
  const port = freePorts(1);
  const replica = start("kv", "replica", "--listen", `127.0.0.1:${port}`, "--memory", "--quiet");
  await ready(port);
  const one = await open(browser, `http://127.0.0.1:${port}/`, { viewport: { width: 390, height: 800 }, colorScheme: "dark" });
  await one.until(() => document.getElementById("logs").textContent.startsWith("No diagram"));
  assert.ok(await one.page.isHidden("#space-time"));
  await write(one, "put", "k", { value: "long".repeat(100) });
  await read(one, "k");
  assert.equal(await one.page.evaluate(() => document.documentElement.scrollWidth), 390);
  assert.deepEqual(one.complaints, []);
  await one.close();
  await replica.stop();
}

const base = freePorts(3);
const run = start("kv", "run", "--base-port", String(base), "--data", join(WORK, "kv-data"), "--logs", join(WORK, "logs"), "--run", RUN);
const browser = await launch();
try {
  for (let id = 0; id < 3; id++) await ready(base + id);
  const pages = [];
  for (let id = 0; id < 3; id++) pages.push(await open(browser, `http://127.0.0.1:${base + id}/`));
  const [first, second, third] = pages;
  for (const [id, one] of pages.entries()) {
    await one.until(() => document.getElementById("state").textContent === "ready");
    assert.equal(await one.page.textContent("h1"), `Replica ${id}`);
    await one.until(() => document.querySelectorAll('.replicas td[data-mood="good"]').length === 3);
  }
  await values(first, second);
  await oddKeys(first, base);
  await deep(first, base);
  await overlap(first, base);
  await session(browser, first);
  await diagram(first);
  await spread(first);
  await late(first, base);
  await stays(browser, base);
  await pressed(browser, base);
  await hidden(first, base);
  await otherSites(browser, base);

  // By keyboard alone: a key of the list, and a put.
  await first.page.focus('#key-list button[data-key="greeting"]');
  await first.page.keyboard.press("Enter");
  await first.until(() => document.querySelector("#opened b")?.textContent === "greeting");
  await first.page.fill("#value", "by keyboard");
  await first.page.focus("#lasts");
  await first.page.keyboard.press("Enter");
  await second.until(() => document.querySelector('[data-key="greeting"] span').textContent === "by keyboard");

  // Dark and light, and on a phone nothing is wider than the screen.
  const ground = (selector) => first.page.evaluate((of) => getComputedStyle(document.querySelector(of)).backgroundColor, selector);
  const light = await ground("body");
  await first.page.click("#theme");
  assert.notEqual(await ground("body"), light);
  assert.equal(await ground("#space-time"), await ground("body"));
  const phone = await open(browser, `http://127.0.0.1:${base}/`, { viewport: { width: 390, height: 800 } });
  await phone.until(() => window.clocklab.state?.events > 0);
  await read(phone, "cart");
  assert.equal(await phone.page.evaluate(() => document.documentElement.scrollWidth), 390);

  await killed(first, third, base);
  for (const { complaints } of [...pages, phone]) assert.deepEqual(complaints, []);
  await tokens(browser);
  await withoutLog(browser);
  console.log("store page: everything as it should be");
} finally {
  await browser.close();
  await run.stop();
  for (const one of started) await one.stop();
}
