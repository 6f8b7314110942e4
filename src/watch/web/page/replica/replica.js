// The page of a replica as a whole: it asks how the replica is twice a second while somebody looks, follows the event
// logs, and gives both to its parts.

/** How often the replica is asked, in milliseconds. */
const POLL_MS = 500;

/** A replica that takes longer to say how it is does not answer, in milliseconds. */
const POLL_WITHIN_MS = 3000;

/** How long a write is looked for at others, and what is shown around it at least, in microseconds. */
const SPREAD_US = 60e6;
const MARGIN_US = 1000;

/** Words for what a replica cannot do now. */
const NOT_READY = "not ready: it is no member, or does not have the data yet";

const announce = (text) => setText(byId("announce"), text);
const store = makeStore();
let [status, why, access, skew, logsAre, polls, polling, failed, isSilent] = [null, null, null, null, ["connecting", ""], 0, 0, "", false];

/** The logs' time: that of the computer they are read on, in microseconds since 1970. */
const nowUs = () => Date.now() * 1000 - (skew ?? 0);

const diagram = makeDiagram(byId("space-time"), store, nowUs);
const facts = makeFacts(byId("facts"));
const replicas = makeReplicas(byId("replicas"));
const vectors = makeVectors(byId("vectors"));
const session = makeSession(byId("session"), byId("log"), () => void poll());
const keys = makeKeys(byId("keys"), session, announce, pointAt);

const follow = makeFollower((batch) => {
  const age = Date.now() * 1000 - batch.now;
  skew = skew === null ? age : Math.min(skew, age);
  store.take(batch);
  if (batch.fresh) diagram.begun();
  if (batch.columns.length > 0 || batch.states.length > 0) diagram.isDirty = true;
}, (what, words) => {
  logsAre = [what, words];
});

/** Asks how the replica is, and what waits; shows it. One question at a time. */
async function poll() {
  if (polling > 0) {
    polling = 2;
    return;
  }
  polling = 1;
  const headers = session?.token ? { "clocklab-token": session.token } : {};
  const asked = bearer;
  const [said, waits] = await Promise.all([ask("GET", "/v1/status", { withinMs: POLL_WITHIN_MS }), ask("GET", "/v1/why", { headers, withinMs: POLL_WITHIN_MS })]);
  await unpressed();
  const isAgain = polling === 2;
  polling = 0;
  if (asked === bearer) {
    polls++;
    failed = said.error ?? "";
    isSilent = said.status === 0;
    const isLocked = said.status === 401 || said.status === 403;
    if (!said.error) status = said.body;
    if (!waits.error) why = waits.body;
    if (isLocked) lock(said.error);
    else if (!said.error && !access) await unlock();
    show();
  }
  if (isAgain) void poll();
}

/** The replica needs a token, or another one. */
function lock(detail) {
  access = null;
  status = null;
  byId("bearer").hidden = false;
  byId("main").hidden = byId("facts").hidden = true;
  setText(byId("bearer-why"), bearer ? `The token does not open this replica (${detail}).` : "This replica needs a token.");
  follow(false);
}

/** The replica lets this page in: what may it do? */
async function unlock() {
  const said = await ask("GET", "/v1/access");
  if (said.error) return;
  access = said.body;
  byId("bearer").hidden = true;
  byId("main").hidden = byId("facts").hidden = false;
  keys.allow(access);
  const holder = byId("holder");
  holder.hidden = access.name === null;
  if (access.name !== null) {
    const forget = el("button", { type: "button", id: "forget", onclick: () => useBearer("") }, "Forget it");
    holder.replaceChildren(`Token ${access.name}: ${access.scope}${access.prefix ? `, keys that begin with ${access.prefix}` : ""}. `, forget);
  }
  follow(!document.hidden);
}

function useBearer(text) {
  setBearer(text);
  access = null;
  void poll();
}

byId("bearer").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = byId("bearer-text");
  useBearer(field.value.trim());
  field.value = "";
});

function stateWords() {
  if (failed && status) return [isSilent ? "does not answer" : "answers with an error", "bad"];
  if (!status) return ["connecting", "plain"];
  if (status.disk_trouble) return ["reads only", "bad"];
  return status.is_ready ? ["ready", "good"] : ["not ready", "held"];
}

function show() {
  const state = stateWords();
  if (byId("state").textContent !== state[0]) announce(`replica ${state[0]}`);
  facts(failed ? null : status, performance.now(), state);
  if (!status) return;
  const [machine, life] = status.origin.split(".");
  const title = `Replica ${machine}`;
  setText(byId("title"), title);
  document.title = `${title}, clocklab`;
  setText(byId("who"), `${status.address}, life ${life}`);
  const trouble = failed ? `${isSilent ? "The replica does not answer" : "The replica answers with an error"} (${failed}); this is what it said last.` : status.disk_trouble ? `Its disk takes nothing any more: ${status.disk_trouble}` : status.is_ready ? "" : `It is ${NOT_READY}.`;
  byId("trouble").hidden = trouble === "";
  setText(byId("trouble"), trouble);
  document.body.classList.toggle("stale", failed !== "");
  replicas(status);
  const shown = status.members.filter(({ standing }) => isMember(standing) && standing !== "suspected");
  setText(byId("view"), `The view, as GET /view tells it: ${shown.map(({ address }) => address).join(", ") || "empty"}.`);
  vectors(status);
  showBuffered(byId("buffered"), status, why);
  showCounts(byId("counts"), status);
  session.show(why, status.members);
  showLogs();
  if (!failed) keys.refresh(status, performance.now());
}

/** Whose events the diagram shows, and where the others are. */
function showLogs() {
  const [what, words] = logsAre;
  const element = byId("logs");
  const has = what === "following" && store.run !== null;
  const ids = new Set(store.ids());
  const others = has && !store.more ? status.members.filter(({ id, standing }) => isMember(standing) && !ids.has(id)) : [];
  const said = JSON.stringify([what, words, has, store.run, others.map(({ id }) => id)]);
  byId("space-time").hidden = byId("follow").parentElement.hidden = what === "none";
  if (element.dataset.said === said) return;
  element.dataset.said = said;
  if (what === "none") element.replaceChildren(`No diagram: ${words}.`);
  else if (what !== "following") element.replaceChildren(what === "connecting" ? "Reading the event logs…" : `No events now: ${words}.`);
  else if (!has) element.replaceChildren("The event log has not begun yet.");
  else {
    const text = `From the event logs of run ${store.run}: a message with writes is an arrow; point at an event to see which writes, its past and its future.`;
    const links = others.flatMap(({ id, address }, i) => [i > 0 ? ", " : "", el("a", { href: `http://${address}/`, target: "_blank", rel: "noopener noreferrer" }, `replica ${id} at ${address}`)]);
    const many = others.length > 1;
    element.replaceChildren(text, ...(others.length > 0 ? [el("b", null, ` The log${many ? "s" : ""} of ${many ? "these are" : "this one is"} not on this computer, and ${many ? "their events are" : "its events are"} not drawn: `), ...links, "."] : []));
  }
}

/** Shows the event of a write in the diagram, and how far it spread; whether the page has it. */
function pointAt(dot) {
  const [machine, life, number] = dot.split(".").map(Number);
  const lane = store.lanes.get(machine);
  const place = lane?.text.findLastIndex((text) => {
    const [, , of, first, last] = /wrote (\d+)\.(\d+)\.(\d+)(?:-(\d+))?$/.exec(text) ?? [];
    return Number(of) === life && Number(first) <= number && number <= Number(last ?? first);
  }) ?? -1;
  if (place < 0) return false;
  const [clock, at] = [lane.clock[place], lane.at[place]];
  let until = at;
  for (const other of store.lanes.values()) {
    for (let i = placeOf(other.at, at); i < other.at.length && other.at[i] < at + SPREAD_US; i++) {
      if (other.from[i] === machine && other.sent[i] === clock) until = Math.max(until, other.at[i]);
    }
  }
  const margin = Math.max((until - at) * 0.6, MARGIN_US);
  return diagram.point(`${machine}:${clock}`, at - margin, until + margin);
}

function frame(now) {
  if (!byId("space-time").hidden) diagram.frame(now);
  requestAnimationFrame(frame);
}

/** A tab that nobody sees asks for nothing. */
function wake() {
  if (document.hidden) follow(false);
  else if (access) follow(true);
}

window.clocklabReplica = Object.freeze({
  /** What the page has and shows, as plain values. */
  get state() {
    const { run, events, received, leftOut, kept, more, ended } = store;
    return { status, why, access, failed, polls, logs: logsAre[0], run, events, received, leftOut, kept, more, ended, follows: diagram.follows, token: session.token, log: session.log, opened: keys.state.opened, keys: keys.state.items.map(({ key }) => keyText(key)) };
  },
  /** The events that it keeps, by name. */
  get names() {
    return [...store.lanes].flatMap(([id, { clock }]) => clock.map((value) => `${id}:${value}`));
  },
});

document.addEventListener("visibilitychange", wake);
byId("counts").parentElement.addEventListener("toggle", () => status && showCounts(byId("counts"), status));
setInterval(() => !document.hidden && void poll(), POLL_MS);
void poll();
requestAnimationFrame(frame);
