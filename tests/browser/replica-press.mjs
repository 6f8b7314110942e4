// What comes while somebody presses or types on the page of a replica: no press is lost, and no late answer takes the place of
// what is newer.
import assert from "node:assert/strict";
import { noted, open, write } from "./replica-page.mjs";

/** A wide window, and one of a phone. */
const VIEWPORTS = [{ width: 1280, height: 900 }, { width: 390, height: 800 }];

/** Waits until the page has noted so many requests. */
const hasNoted = (one, count) => one.until((least) => document.querySelectorAll("#log li").length >= least, count);

const newest = async (one) => (await one.state()).log[0].what;

const rowOf = (key) => `#key-list button[data-key="${key}"]`;

/** Requests of a session are one after the other: no answer takes the place of a later one, nor comes into a new session. */
export async function overlap(one, base) {
  let before = await noted(one.page);
  let wait = 1000;
  await one.page.route("**/v1/batch*", async (route) => {
    const answer = await route.fetch();
    const late = wait;
    wait = 0;
    await new Promise((resolve) => setTimeout(resolve, late));
    await route.fulfill({ response: answer });
  });
  await one.page.selectOption("#type", "text");
  for (const key of ["overlap-1", "overlap-2"]) {
    await one.page.fill("#key", key);
    await one.page.click("#put");
  }
  await hasNoted(one, before + 2);
  const { token, log } = await one.state();
  assert.deepEqual(log.slice(0, 2).map(({ what, status }) => [what, status]), [["put overlap-2", 200], ["put overlap-1", 200]]);
  const [, number] = /write ([\d,]+) of replica 0/.exec(log[0].text);
  const seen = await fetch(`http://127.0.0.1:${base}/v1/why`, { headers: { "clocklab-token": token } }).then((answer) => answer.json());
  assert.deepEqual(Object.values(seen.token), [Number(number.replaceAll(",", ""))]);
  [before, wait] = [await noted(one.page), 1000];
  await one.page.click("#put");
  await one.page.click("#fresh");
  await hasNoted(one, before + 1);
  assert.equal((await one.state()).token, "");
  await one.page.unroute("**/v1/batch*");
  for (const key of ["overlap-1", "overlap-2"]) assert.equal((await write(one, "delete", key)).status, 200);
}

/** Holds the answers to such requests back until it is called; gives their requests, too. */
async function holdBack(page, pattern) {
  let release;
  const released = new Promise((resolve) => (release = resolve));
  const requests = [];
  await page.route(pattern, async (route) => {
    requests.push(route.request());
    const answer = await route.fetch();
    await released;
    await route.fulfill({ response: answer });
  });
  return { requests, release, end: () => page.unroute(pattern) };
}

/** Waits until so many of the requests that are held back were made. */
async function asked({ requests }, page, count) {
  while (requests.length < count) await page.waitForEvent("request");
}

/** Writes beside the page; gives the life that it is a write of, and its number. */
async function change(url, operation) {
  const answer = await fetch(`${url}/v1/batch`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ operations: [operation] }) });
  const { write: dot } = await answer.json();
  const [, origin, number] = /(.*)\.(\d+)/.exec(dot);
  return { origin, number: Number(number) };
}

/** Answers that come late change nothing that is newer than they are. */
export async function late(one, base) {
  const { page, until } = one;
  const url = `http://127.0.0.1:${base}`;

  // A list that was read before a write, and answered after the page knows of the write, is read again.
  await page.fill("#prefix", "late");
  await until(() => window.clocklabReplica.state.keys.length === 0);
  let held = await holdBack(page, "**/v1/keys?prefix=*");
  await change(url, { key: "late-1", put: "x" });
  await asked(held, page, 1);
  const second = await change(url, { key: "late-2", put: "x" });
  await until(({ origin, number }) => window.clocklabReplica.state.status.known[origin] >= number, second);
  const { polls } = await one.state();
  await until((count) => window.clocklabReplica.state.polls > count, polls);
  held.release();
  await until(() => window.clocklabReplica.state.keys.join() === "late-1,late-2");
  await held.end();

  // A key and a type that somebody has chosen while a read was under way stay.
  await page.fill("#key", "");
  await page.selectOption("#type", "text");
  held = await holdBack(page, "**/v1/keys/late-1?*");
  await page.click(rowOf("late-1"));
  await asked(held, page, 1);
  await page.fill("#key", "typed meanwhile");
  await page.selectOption("#type", "set");
  held.release();
  await until(() => document.querySelector("#opened b")?.textContent === "late-1");
  assert.deepEqual([await page.inputValue("#key"), await page.inputValue("#type")], ["typed meanwhile", "set"]);
  await held.end();

  // What was read is noted, whatever becomes of the question for its writes.
  held = await holdBack(page, "**/v1/why/*");
  let before = await noted(page);
  await page.click(rowOf("late-2"));
  await asked(held, page, 1);
  await hasNoted(one, before + 1);
  assert.equal(await newest(one), "get late-2");
  assert.equal(held.requests[0].failure(), null, "it is noted while the page still asks for its writes");
  held.release();
  await until(() => document.querySelector("#opened b")?.textContent === "late-2");
  await held.end();

  // What waits its turn when the session begins anew goes as it was pressed, and is no part of the new one.
  await write(one, "put", "late-1", { value: "seen" });
  const { token } = await one.state();
  before = await noted(page);
  held = await holdBack(page, "**/v1/batch*");
  for (const key of ["late-3", "late-4"]) {
    await page.fill("#key", key);
    await page.click("#put");
  }
  await asked(held, page, 1);
  await page.click("#fresh");
  await page.selectOption("#wait", "10");
  held.release();
  await hasNoted(one, before + 2);
  const [sent, waited] = held.requests;
  assert.equal(sent.headers()["clocklab-token"], token);
  assert.ok(waited.headers()["clocklab-token"], "the token of the session that it was pressed in");
  assert.ok(!waited.url().includes("wait="), waited.url());
  assert.equal((await one.state()).token, "");
  await page.selectOption("#wait", "0");
  await held.end();

  // One that fails in the page itself keeps back none of the others.
  const wrong = one.complaints.length;
  await page.evaluate(() => {
    const get = Headers.prototype.get;
    Headers.prototype.get = function (name) {
      if (name !== "clocklab-token") return get.call(this, name);
      Headers.prototype.get = get;
      throw new Error("once");
    };
  });
  await page.click("#put");
  while (one.complaints.length === wrong) await page.waitForEvent("pageerror");
  assert.match(one.complaints.splice(wrong).join(), /once/);
  assert.equal((await write(one, "put", "late-5", { value: "x" })).status, 200);
  for (let i = 1; i <= 5; i++) await change(url, { key: `late-${i}`, delete: true });
  await page.fill("#prefix", "");
  await until(() => window.clocklabReplica.state.keys.length === 12);
}

/** Nothing above the list changes its place, and no press on it is lost that something comes or goes meanwhile. */
export async function stays(browser, base) {
  const url = `http://127.0.0.1:${base}`;
  for (const viewport of VIEWPORTS) {
    const one = await open(browser, `${url}/`, { viewport });
    const { page } = one;
    await page.fill("#prefix", "spr");
    await one.until(() => window.clocklabReplica.state.keys.join() === "spread");
    const [before, after] = await page.evaluate(() => {
      const top = () => document.getElementById("key-list").getBoundingClientRect().top + scrollY;
      const had = top();
      Object.assign(document.getElementById("trouble"), { hidden: false, textContent: "trouble ".repeat(40) });
      document.getElementById("seen").append(document.createElement("li"), "a further life");
      document.getElementById("state").textContent = "answers with an error";
      for (const number of document.querySelectorAll("#facts dd > span:first-child:not(#state), #facts .rate > span")) number.textContent = "1,234,567,890, 12.3 MB";
      document.querySelector("#replicas td:nth-child(5)").append(document.createElement("br"), "for 3 ms", document.createElement("br"), "and more");
      document.getElementById("list-words").textContent = "a note";
      return [had, top()];
    });
    assert.equal(after, before, `the list's place at ${viewport.width}`);

    const press = async (what, meanwhile) => {
      const count = await noted(page);
      const row = page.locator(rowOf("spread"));
      await row.scrollIntoViewIfNeeded();
      const box = await row.boundingBox();
      await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
      await page.mouse.down();
      await meanwhile();
      await page.mouse.up();
      await hasNoted(one, count + 1).catch((error) => assert.fail(`${what} at ${viewport.width}: ${error.message}`));
      assert.equal(await newest(one), "get spread", `${what} at ${viewport.width}`);
    };
    await press("another line of what was seen", () => page.evaluate(() => document.getElementById("seen").append(document.createElement("li"), "a further life")));
    // Three times as long as the page takes to ask how the replica is, and a third of what a press holds it up at most. That nothing
    // shows meanwhile cannot be waited for.
    const shown = async (operation) => {
      await change(url, operation);
      await page.waitForTimeout(1500);
    };
    await press("a key that comes before it", () => shown({ key: "spray", put: "x" }));
    await one.until(() => window.clocklabReplica.state.keys.join() === "spray,spread");
    await press("a key that goes before it", () => shown({ key: "spray", delete: true }));
    await one.until(() => window.clocklabReplica.state.keys.join() === "spread");
    // By keyboard a press lasts as long as the key is down.
    const count = await noted(page);
    await page.focus(rowOf("spread"));
    await page.keyboard.down("Space");
    await change(url, { key: "spray", put: "x" });
    await one.until(() => window.clocklabReplica.state.keys.join() === "spray,spread");
    await page.keyboard.up("Space");
    await hasNoted(one, count + 1);
    assert.equal(await newest(one), "get spread");
    await change(url, { key: "spray", delete: true });
    assert.deepEqual(one.complaints, []);
    await one.close();
  }
}

/** A key that is written to all the time, beside one that comes and goes, can be pressed all the same. */
export async function pressed(browser, base) {
  for (const viewport of VIEWPORTS) {
    const one = await open(browser, `http://127.0.0.1:${base}/`, { viewport });
    await one.page.fill("#prefix", "spread");
    // The list of before would move away under the press.
    await one.until(() => window.clocklabReplica.state.keys.every((key) => key.startsWith("spread")));
    let isOn = true;
    const ask = (at, key, method, body) => fetch(`http://127.0.0.1:${base + at}/v1/keys/${key}?w=1`, { method, body }).catch(() => {});
    const writing = (async () => {
      for (let i = 0; isOn; i++) {
        await ask(i % 2, "spread", "PUT", String(i));
        if (i % 50 === 0) await ask(1, "spreads", i % 100 === 0 ? "PUT" : "DELETE", i % 100 === 0 ? "x" : undefined);
      }
      await ask(1, "spreads", "DELETE");
    })();
    const before = await noted(one.page);
    for (let i = 1; i <= 8; i++) {
      // Where its badges come and go.
      const position = await one.page.evaluate((row) => {
        const button = document.querySelector(row);
        const [outer, inner] = [button, button.querySelector(".badges")].map((element) => element.getBoundingClientRect());
        return inner.width === 0 ? undefined : { x: inner.x + Math.min(20, inner.width / 2) - outer.x, y: inner.y + inner.height / 2 - outer.y };
      }, rowOf("spread"));
      await one.page.locator(rowOf("spread")).click({ delay: 200, position });
      await hasNoted(one, before + i);
      assert.equal(await newest(one), "get spread");
    }
    isOn = false;
    await writing;
    assert.equal(await noted(one.page), before + 8);
    assert.deepEqual(one.complaints, []);
    await one.close();
  }
}
