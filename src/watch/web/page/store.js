// The store: the latest events of each machine as columns that grow, and how each machine is. Older events are let
// go; `clocklab draw` has them all. Times are microseconds since 1970.

/** Events that are kept to look back at, of all machines together. */
const KEPT_MAX = 100_000;

/** Beyond this part more, the oldest are let go. */
const KEPT_SLACK = 1.3;

/** How many seconds of totals the events a second are counted from. */
const RATE_SECONDS = 3;

/** Faults of one machine that the diagram is told of. */
const FAULTS_MAX = 200;

const [SEND_CODE, RECEIVE_CODE] = [..."sr"].map((letter) => letter.charCodeAt(0));

/** The first place of a sorted array whose value is not below `value`. */
function placeOf(array, value) {
  let [from, until] = [0, array.length];
  while (from < until) {
    const middle = (from + until) >> 1;
    if (array[middle] < value) from = middle + 1;
    else until = middle;
  }
  return from;
}

const COLUMNS = ["at", "clock", "line", "tick", "kind", "to", "odd", "from", "sent", "queue", "waited", "text"];

function makeLane() {
  return Object.fromEntries(COLUMNS.map((name) => [name, []]));
}

/** What the page has of a run. */
function makeStore() {
  const store = { lanes: new Map(), states: new Map(), faults: new Map(), restarts: new Map() };

  /** Forgets everything: what comes is not continued from what was. */
  store.reset = () => {
    store.lanes.clear();
    store.states.clear();
    store.faults.clear();
    store.restarts.clear();
    Object.assign(store, {
      run: null,
      folder: null,
      machines: 0,
      start: null,
      /** Event lines in the logs, by what the server says, and messages. */
      events: 0,
      messages: 0,
      /** Events before the first that this page was given, and those that it was. */
      leftOut: 0,
      received: 0,
      /** Events in the columns. */
      kept: 0,
      newest: null,
      more: true,
      ended: false,
      noControl: "connecting",
      totals: [],
      /** The earliest event that the diagram has not shown; null if it has shown all. */
      unshown: null,
    });
  };

  /** Takes a batch; gives its remarks. */
  store.take = (batch) => {
    if (batch.fresh) store.reset();
    Object.assign(store, {
      run: batch.run,
      folder: batch.folder ?? store.folder,
      machines: batch.machines,
      start: batch.start,
      events: batch.events,
      messages: batch.messages,
      more: batch.more,
      ended: batch.ended,
      noControl: batch.no_control,
    });
    for (const remark of batch.remarks) takeFault(store, remark);
    if (batch.left_out !== undefined) store.leftOut = batch.left_out;
    for (const state of batch.states) store.states.set(state.id, state);
    for (const columns of batch.columns) takeColumns(store, columns);
    store.totals.push([batch.now, batch.events]);
    while (store.totals.length > 2 && store.totals[0][0] < batch.now - RATE_SECONDS * 1e6) store.totals.shift();
    if (store.kept > KEPT_MAX * KEPT_SLACK) letGo(store);
    return batch.remarks;
  };

  /** Events a second, of the last seconds. */
  store.rate = () => {
    const { totals } = store;
    if (totals.length < 2) return 0;
    const [[from, before], [until, after]] = [totals[0], totals[totals.length - 1]];
    return until > from ? ((after - before) * 1e6) / (until - from) : 0;
  };

  /** Ids of machines with events or a state, in order. */
  store.ids = () => [...new Set([...store.states.keys(), ...store.lanes.keys()])].sort((a, b) => a - b);

  /** Ids of all machines: of a store's run those that have said something, which are any numbers; else also those to come. */
  store.allIds = () => {
    const ids = store.ids();
    return ids.some((id) => id >= store.machines) ? ids : Array.from({ length: store.machines }, (_, id) => id);
  };

  store.reset();
  return store;
}

/** When faults were on a machine: they end when they are mended, or with the process. */
function takeFault(store, { machine, what, at, fault, instant, text }) {
  if (!["fault", "mended", "restarted", "ended"].includes(what)) return;
  if (what === "restarted") store.restarts.set(machine, [...(store.restarts.get(machine) ?? []), at]);
  const faults = store.faults.get(machine) ?? [];
  store.faults.set(machine, faults);
  for (const other of faults) if (other.until === null && (fault === undefined || fault === other.id)) other.until = at;
  if (what !== "fault") return;
  const words = text.replace(/^fault \d+ begins: /, "");
  faults.push({ id: fault, from: at, until: instant ? at : null, text: words });
  if (faults.length > FAULTS_MAX) faults.shift();
}

function takeColumns(store, columns) {
  if (!store.lanes.has(columns.machine)) store.lanes.set(columns.machine, makeLane());
  const lane = store.lanes.get(columns.machine);
  const odd = new Map(columns.odd.map((entry) => [entry.place, entry]));
  const texts = new Map(columns.texts ?? []);
  if (texts.size > 0) lane.hasTexts = true;
  let [at, clock, line, send, receive] = [0, 0, 0, 0, 0];
  for (let i = 0; i < columns.kinds.length; i++) {
    at += columns.at_steps[i];
    clock += columns.clock_steps[i];
    line += columns.line_steps[i];
    const kind = columns.kinds.charCodeAt(i);
    const takes = kind === RECEIVE_CODE;
    lane.at.push(at);
    lane.clock.push(clock);
    lane.line.push(line);
    lane.tick.push(columns.tick + i);
    lane.kind.push(kind);
    lane.to.push(kind === SEND_CODE ? columns.to[send++] : null);
    lane.odd.push(odd.get(i) ?? null);
    lane.from.push(takes ? columns.from[receive] : -1);
    lane.sent.push(takes ? columns.sent[receive] : -1);
    lane.queue.push(takes ? columns.queues[receive] : -1);
    lane.waited.push(takes ? columns.waited[receive++] : -1);
    lane.text.push(texts.get(i) ?? "");
    if (store.unshown === null || at < store.unshown) store.unshown = at;
  }
  if (store.newest === null || at > store.newest) store.newest = at;
  store.received += columns.kinds.length;
  store.kept += columns.kinds.length;
}

/** Lets go of the oldest events, at one moment on all machines, as evenly as time has them. */
function letGo(store) {
  const times = [];
  // One in so many is enough to find the moment.
  for (const lane of store.lanes.values()) for (let i = 0; i < lane.at.length; i += 50) times.push(lane.at[i]);
  times.sort((a, b) => a - b);
  const moment = times[Math.max(0, times.length - Math.floor(KEPT_MAX / 50))] ?? 0;
  store.kept = 0;
  for (const lane of store.lanes.values()) {
    const first = placeOf(lane.at, moment);
    if (first > 0) for (const name of COLUMNS) lane[name] = lane[name].slice(first);
    store.kept += lane.at.length;
  }
}
