// The page as a whole: the stream of batches, the loop, and commands.

/** How often numbers that people read change, in milliseconds. */
const TEXT_MS = 250;

/** How soon to come back where the browser does not do it by itself, in milliseconds. */
const RETRY_MS = 1000;

/** Behind this, the page says so in colour, in microseconds. */
const BEHIND_US = 250_000;

/** What the connection is called while there is none, and why no command can be given then. */
const [LOST, REFUSED, RESTING] = ["lost: trying again", "refused", "resting"];
const WHY = {
  [REFUSED]: "the server was started anew: open the address that `clocklab watch --web` printed, and this page goes on",
  [RESTING]: "this page rests while it is hidden",
};

const store = makeStore();
let [connection, skew, wasEnded, lastId, texts, batches] = ["connecting", null, false, "", 0, 0];
let [source, retry] = [null, 0];

/** The server's time, in microseconds since 1970. */
const nowUs = () => Date.now() * 1000 - (skew ?? 0);

const diagram = makeDiagram(byId("space-time"), store, nowUs);
const log = makeLog(byId("log"), store);
const table = makeTable(byId("lanes"), (id) => send({ command: "step 1", machine: id }));
const controls = makeControls(byId("controls"), store, send);

/** Says something to screen readers. */
function announce(text) {
  setText(byId("announce"), text);
}

function setConnection(text, words) {
  if (connection === text) return;
  connection = text;
  setText(byId("connection"), text);
  byId("connection").dataset.mood = text === "connected" ? "good" : "bad";
  announce(words ?? text);
  showHead();
}

function take(event) {
  const batch = JSON.parse(event.data);
  if (event.lastEventId) lastId = event.lastEventId;
  batches++;
  const age = Date.now() * 1000 - batch.now;
  skew = skew === null ? age : Math.min(skew, age);
  if (batch.fresh) log.clear();
  const wasFresh = batch.fresh;
  log.remarks(store.take(batch));
  if (wasFresh) {
    wasEnded = false;
    diagram.begun();
  }
  if (batch.columns.length > 0 || batch.states.length > 0) diagram.isDirty = true;
}

/** Listens; the browser comes back by itself with the id of the last batch, and where it does not, we do. */
function connect() {
  clearTimeout(retry);
  source?.close();
  source = null;
  // A browser has six connections to a server for all its tabs: one that nobody sees keeps none.
  if (document.hidden) {
    setConnection(RESTING, "");
    return;
  }
  const mine = new EventSource(lastId ? `/events?after=${encodeURIComponent(lastId)}` : "/events");
  source = mine;
  mine.onopen = () => setConnection("connected", connection === RESTING ? "" : undefined);
  mine.onmessage = take;
  mine.onerror = async () => {
    if (mine.readyState !== EventSource.CLOSED) {
      setConnection(LOST, "connection lost, trying again");
      return;
    }
    // A server that was started anew has another key.
    const isRefused = await fetch("/state").then(({ status }) => status === 403, () => false);
    if (source !== mine) return;
    if (isRefused) setConnection(REFUSED, WHY[REFUSED]);
    else setConnection(LOST, "connection lost, trying again");
    retry = setTimeout(connect, RETRY_MS);
  };
}

/** Gives a command and writes down what each machine answered. */
async function send(order) {
  const who = order.machine === undefined ? "" : `machine ${order.machine}: `;
  log.command(nowUs(), who + (order.command ?? `fault ${order.fault}`));
  let said;
  try {
    const answer = await fetch("/command", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(order) });
    const text = await answer.text();
    try {
      said = JSON.parse(text);
    } catch {
      said = { error: text.trim() };
    }
  } catch (error) {
    said = { error: `the server of this page cannot be reached: ${error.message}` };
  }
  if (said.error) {
    log.answer(nowUs(), "not done", said.error, false);
    announce(said.error);
    return;
  }
  for (const { machine, accepted, text } of said.answers) log.answer(nowUs(), `machine ${machine} answers`, text || "done", accepted);
  const refused = said.answers.filter(({ accepted }) => !accepted).length;
  announce(refused > 0 ? `${refused} of ${said.answers.length} machines refused` : `done: ${said.command}`);
}

function showHead() {
  const { run, start, newest, machines } = store;
  if (run) {
    setText(byId("title"), `Run ${run}`);
    document.title = `Run ${run}, live`;
  } else if (store.folder) {
    setText(byId("title"), `Waiting for a run in ${store.folder}`);
  }
  const states = [...store.states.values()];
  const [text, mood] = stateOfRun(states, machines);
  const badge = byId("state");
  if (badge.textContent !== text && run) announce(`run ${text}`);
  setText(badge, text);
  badge.dataset.mood = mood;
  const until = store.ended ? newest : nowUs();
  setText(byId("elapsed"), start === null ? "–" : clockText((until ?? start) - start));
  setText(byId("events"), whole(store.events));
  setText(byId("rate"), store.ended ? "–" : store.rate() < 10 ? store.rate().toFixed(1) : whole(store.rate()));
  const { behind } = diagram;
  const isLive = diagram.follows && !store.ended && behind !== null;
  setText(byId("behind"), isLive ? `${whole(behind / 1000)} ms` : diagram.follows ? "–" : "standing still");
  byId("behind").dataset.mood = isLive && behind > BEHIND_US ? "bad" : "plain";
  const reason = connection === "connected" ? store.noControl : WHY[connection] ?? "this page has lost its server";
  setText(byId("why-not"), reason ? `No commands now: ${reason}.` : "");
  controls(reason);
  table(store, performance.now(), !reason);
}

function stateOfRun(states, machines) {
  if (states.length === 0) return ["waiting", "plain"];
  if (store.more && states.length === 0) return ["reading the logs", "plain"];
  if (store.ended) return ["ended", "plain"];
  if (states.length < machines) return [`${states.length} of ${machines} machines have started`, "held"];
  const faults = new Set(states.flatMap((state) => state.faults.map((fault) => fault.id)));
  const paused = states.filter((state) => state.paused).length;
  // Of one that stands still the fault is on.
  const down = states.filter((state) => state.down && state.faults.length === 0).length;
  const counted = (count, one, several) => (count === 0 ? "" : count === 1 ? `, 1 ${one}` : `, ${count} ${several}`);
  const on = counted(down, "machine down", "machines down") + counted(faults.size, "fault on", "faults on");
  if (paused > 0) return [paused === states.length ? `paused${on}` : `${paused} of ${states.length} machines paused${on}`, "held"];
  return [`running${on}`, on ? "bad" : "good"];
}

function frame(now) {
  diagram.frame(now);
  if (now - texts >= TEXT_MS) {
    texts = now;
    showHead();
    if (store.ended && !wasEnded && !store.more && diagram.handle && !diagram.isDirty) {
      wasEnded = true;
      diagram.ended();
    }
  }
  requestAnimationFrame(frame);
}

window.clocklabLive = Object.freeze({
  /** What the page has and shows, as plain values. */
  get state() {
    const { run, events, messages, received, leftOut, kept, ended, more, noControl, machines } = store;
    const { follows, updates, behind, updateMs, dataMs } = diagram;
    return { run, events, messages, received, leftOut, kept, ended, more, noControl, machines, follows, updates, behind, updateMs, dataMs, connection, batches, lastId };
  },
  /** The events that it keeps, by name. */
  get names() {
    return [...store.lanes].flatMap(([id, { clock }]) => clock.map((value) => `${id}:${value}`));
  },
});

document.addEventListener("visibilitychange", connect);
connect();
requestAnimationFrame(frame);
