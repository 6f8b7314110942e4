// The model: what the data's columns say, as typed arrays. Events are numbered row by row; behind the shown ones
// stand those `beyond` the selection that messages begin or end at.

const FORMAT = "clocklab-diagram 1";

const KIND_WORDS = { i: "internal", s: "send", r: "receive", x: "exchange", o: "other" };
const FATE_WORDS = { r: "received", w: "waiting", d: "dropped", l: "lost", u: "unknown" };
const [INTERNAL, SEND, RECEIVE, EXCHANGE, OTHER] = [..."isrxo"].map((letter) => letter.charCodeAt(0));
const [RECEIVED, WAITING, DROPPED, LOST] = [..."rwdl"].map((letter) => letter.charCodeAt(0));

/** Adds up a column of differences into `target`, from `place` on. */
function addUp(steps, target, place) {
  let value = 0;
  for (let i = 0; i < steps.length; i++) {
    value += steps[i];
    target[place + i] = value;
  }
}

/** For each event, where its messages stand in a list that is sorted by event. */
function grouped(keys, events) {
  const starts = new Int32Array(events + 1);
  for (const key of keys) if (key >= 0) starts[key + 1]++;
  for (let i = 0; i < events; i++) starts[i + 1] += starts[i];
  const list = new Int32Array(starts[events]);
  const next = starts.slice();
  for (let i = 0; i < keys.length; i++) if (keys[i] >= 0) list[next[keys[i]]++] = i;
  return { list, starts };
}

function buildRow(process, start) {
  const count = process.kinds.length;
  const isNumber = /^[0-9]+$/.test(process.name);
  const row = {
    name: process.name,
    label: isNumber ? `machine ${process.name}` : process.name,
    rate: process.rate,
    file: process.file,
    events: process.events,
    first: process.first,
    started: process.started,
    ended: process.ended,
    waiting: process.waiting,
    hasQueue: process.queue !== null,
    queueBefore: process.queue ?? 0,
    queueAt: new Float64Array(process.queue_at_steps.length),
    queueWaiting: Int32Array.from(process.queue_waiting),
    queueMax: process.queue ?? 0,
    texts: process.texts,
    faults: process.faults ?? [],
    start,
    end: start + count,
  };
  addUp(process.queue_at_steps, row.queueAt, 0);
  for (const waiting of row.queueWaiting) row.queueMax = Math.max(row.queueMax, waiting);
  return row;
}

/** The model of a data text that was parsed. Throws if it is not for this viewer. */
function buildModel(data) {
  if (data?.format !== FORMAT) {
    throw new Error(`this viewer reads data of the format "${FORMAT}", not "${data?.format}"`);
  }
  const rows = [];
  let count = 0;
  for (const process of data.processes) {
    rows.push(buildRow(process, count));
    count = rows[rows.length - 1].end;
  }
  const total = count + data.beyond.row.length;
  const model = {
    data,
    rows,
    count,
    total,
    row: new Uint32Array(total),
    index: new Uint32Array(total),
    at: new Float64Array(data.times ? total : 0),
    clock: new Float64Array(total),
    position: null,
    line: new Uint32Array(total),
    kind: new Uint8Array(total),
    queue: new Int32Array(total).fill(-1),
  };
  model.position = data.clocks ? model.clock : new Float64Array(total);
  data.processes.forEach((process, place) => fillRow(model, process, rows[place], place));
  fillBeyond(model, data.beyond, count);
  model.messages = buildMessages(model, data);
  return model;
}

function fillRow(model, process, row, place) {
  model.row.fill(place, row.start, row.end);
  addUp(process.at_steps, model.at, row.start);
  addUp(process.clock_steps, model.clock, row.start);
  if (!model.data.clocks) addUp(process.position_steps, model.position, row.start);
  addUp(process.line_steps, model.line, row.start);
  let receive = 0;
  for (let i = 0; i < process.kinds.length; i++) {
    const kind = process.kinds.charCodeAt(i);
    model.index[row.start + i] = row.first + i;
    model.kind[row.start + i] = kind;
    if (kind === RECEIVE || kind === EXCHANGE) model.queue[row.start + i] = process.queues[receive++];
  }
}

function fillBeyond(model, beyond, count) {
  for (let i = 0; i < beyond.row.length; i++) {
    model.row[count + i] = beyond.row[i];
    model.index[count + i] = beyond.index[i];
    if (model.data.times) model.at[count + i] = beyond.at[i];
    model.clock[count + i] = beyond.clock[i];
    model.position[count + i] = beyond.position[i];
    model.line[count + i] = beyond.line[i];
    model.kind[count + i] = OTHER;
  }
}

function buildMessages(model, data) {
  const columns = data.messages;
  const count = columns.fates.length;
  const messages = {
    count,
    send: new Int32Array(count),
    to: Uint32Array.from(columns.to),
    fate: new Uint8Array(count),
    receive: new Int32Array(count).fill(-1),
    waited: new Float64Array(count).fill(-1),
  };
  addUp(columns.send_steps, messages.send, 0);
  let received = 0;
  let receive = 0;
  for (let i = 0; i < count; i++) {
    messages.fate[i] = columns.fates.charCodeAt(i);
    if (messages.fate[i] !== RECEIVED) continue;
    receive += columns.receive_steps[received];
    messages.receive[i] = receive;
    messages.waited[i] = columns.waited[received++];
  }
  messages.bySend = grouped(messages.send, model.total);
  messages.byReceive = grouped(messages.receive, model.total);
  return messages;
}

/** The messages that an event sends (`bySend`) or takes (`byReceive`). */
function messagesOf(group, event) {
  return group.list.subarray(group.starts[event], group.starts[event + 1]);
}

/** The message from one event to another, or -1. */
function messageBetween(model, send, receive) {
  return messagesOf(model.messages.bySend, send).find((message) => model.messages.receive[message] === receive) ?? -1;
}

function nameOf(model, event) {
  return `${model.rows[model.row[event]].name}:${model.clock[event]}`;
}

/** The shown event of a name such as 0:17, or -1. */
function findEvent(model, name) {
  const colon = name.lastIndexOf(":");
  const clock = Number(name.slice(colon + 1));
  const row = model.rows.find((other) => other.name === name.slice(0, colon));
  if (colon < 1 || !row || name.slice(colon + 1).trim() === "" || !Number.isFinite(clock)) return -1;
  const place = lowerBound(model.clock, clock, row.start, row.end);
  if (place < row.end && model.clock[place] === clock) return place;
  // A log that breaks the clock rule may not rise: then look at each.
  const found = model.clock.subarray(row.start, row.end).indexOf(clock);
  return found < 0 ? -1 : row.start + found;
}

function textOf(model, event) {
  const row = model.rows[model.row[event]];
  return event < row.end ? row.texts[event - row.start] ?? "" : "";
}

function kindWord(model, event) {
  return KIND_WORDS[String.fromCharCode(model.kind[event])] ?? "other";
}

/** The first place in [from, until) of a sorted array whose value is not below `value`. */
function lowerBound(array, value, from, until) {
  while (from < until) {
    const middle = (from + until) >> 1;
    if (array[middle] < value) from = middle + 1;
    else until = middle;
  }
  return from;
}

/** The first place in [from, until) of a sorted array whose value is above `value`. */
function upperBound(array, value, from, until) {
  while (from < until) {
    const middle = (from + until) >> 1;
    if (array[middle] <= value) from = middle + 1;
    else until = middle;
  }
  return from;
}
