// The live page of a fast run: 10 machines of 1000 ticks a second. Prints how far a real browser is behind, and what
// the server costs; fails only if an event was lost, since a busy machine is no error.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { launch } from "./browser.mjs";

const { CLOCKLAB, WORK } = process.env;
const MACHINES = Number(process.env.MACHINES ?? 10);
const RATE = Number(process.env.RATE ?? 1000);
const SECONDS = Number(process.env.SECONDS ?? 30);
const SAMPLE_MS = 500;
const here = new URL(".", import.meta.url).pathname;
const folder = join(WORK, "logs", "live-speed");

/** Seconds of processor time that a process has used. */
function processorSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
}

function eventLines() {
  let count = 0;
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".log"))) {
    for (const line of readFileSync(join(folder, file), "utf8").split("\n")) if (line !== "" && !line.startsWith("#")) count++;
  }
  return count;
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const middle = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

const browser = await launch();
const server = spawn(CLOCKLAB, ["watch", "--web", "--port", "0", folder], { stdio: ["ignore", "pipe", "inherit"] });
const gone = once(server, "exit");
let run = null;
try {
  const [line] = await once(createInterface({ input: server.stdout }), "line");
  const page = await (await browser.newContext({ viewport: { width: 1400, height: 900 } })).newPage();
  await page.goto(/http:\S+/.exec(line)[0]);
  const port = execFileSync(process.execPath, [join(here, "free-ports.mjs"), String(MACHINES)], { encoding: "utf8" }).trim();
  const rates = Array(MACHINES).fill(RATE).join(",");
  run = spawn(CLOCKLAB, ["run", "--duration", `${SECONDS}s`, "--rates", rates, "--seed", "1", "--run", "live-speed", "--base-port", port, "--logs", join(WORK, "logs")], { stdio: ["ignore", "ignore", "inherit"] });
  const ended = once(run, "exit");
  await page.waitForFunction(() => window.clocklabLive.state.received > 0, null, { timeout: 30_000 });
  // The first seconds are those of the start.
  await sleep(3000);
  const before = [performance.now(), processorSeconds(server.pid), await page.evaluate(() => clocklabLive.state)];
  const behind = [];
  while (performance.now() - before[0] < (SECONDS - 8) * 1000) {
    await sleep(SAMPLE_MS);
    const { behind: us } = await page.evaluate(() => clocklabLive.state);
    if (us !== null) behind.push(us / 1000);
  }
  const after = [performance.now(), processorSeconds(server.pid), await page.evaluate(() => clocklabLive.state)];
  const seconds = (after[0] - before[0]) / 1000;
  const rate = (after[2].received - before[2].received) / seconds;
  const share = ((after[1] - before[1]) / seconds) * 100;
  const pictures = (after[2].updates - before[2].updates) / seconds;
  await ended;
  const logged = eventLines();
  await page.waitForFunction((count) => clocklabLive.state.received + clocklabLive.state.leftOut >= count, logged, { timeout: 30_000 });
  const { received, leftOut } = await page.evaluate(() => clocklabLive.state);
  console.log(`figure: ${MACHINES} machines of rate ${RATE}: ${rate.toFixed(0)} events/s in the browser, ${pictures.toFixed(1)} pictures/s of ${after[2].updateMs.toFixed(0)} ms`);
  console.log(`figure: behind, the longest of each second: median ${middle(behind).toFixed(0)} ms, largest ${Math.max(...behind).toFixed(0)} ms (aim: 250 ms)`);
  console.log(`figure: server: ${share.toFixed(1)} % of a core (aim: under 50 %)`);
  console.log(`figure: events received ${received}, left out ${leftOut}, in the logs ${logged}`);
  assert.equal(received + leftOut, logged, "no event is lost");
  assert.equal(leftOut, 0);
} finally {
  await browser.close();
  server.kill("SIGINT");
  await gone;
  if (run && run.exitCode === null) run.kill("SIGINT");
}
