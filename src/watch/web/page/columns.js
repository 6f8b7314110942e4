// From the store to the diagram: a stretch of time as the data that the viewer reads (the report's format), with
// messages matched by sender and clock, and queues as far as they are known by now.

/** Faults under which a message that was sent has not arrived for long. */
const DELAYING = new Set(["delay", "bandwidth", "partition"]);

/** A column of differences. */
function stepsOf(values) {
  let last = 0;
  return values.map((value) => {
    const step = value - last;
    last = value;
    return step;
  });
}

/** The place in a lane of the event of a clock, or -1. */
function eventOf(lane, clock) {
  if (!lane) return -1;
  const place = placeOf(lane.clock, clock);
  return lane.clock[place] === clock ? place : -1;
}

/** What the log says of the queue behind an event: machines do something else only while nothing waits. */
function queueBehind(lane, place) {
  return lane.kind[place] === RECEIVE_CODE ? lane.queue[place] : 0;
}

/** The data of everything kept since `from`, for the viewer; `until` is where its time ends. */
function dataOf(store, from, until) {
  const { start } = store;
  const ids = store.ids();
  const rowOf = new Map(ids.map((id, row) => [id, row]));
  const parts = [];
  let count = 0;
  for (const id of ids) {
    const lane = store.lanes.get(id) ?? makeLane();
    const first = placeOf(lane.at, from);
    parts.push({ id, lane, first, base: count, arrivals: [] });
    count += lane.at.length - first;
  }
  const { messages, beyond } = messagesOfParts(store, parts, rowOf, count);
  const told = [];
  const { speed } = [...store.states.values()][0] ?? {};
  if (speed !== undefined && speed !== 1) told.push(`Time passes at ${speed} of real time: rates are scaled.`);
  return {
    format: "clocklab-diagram 1",
    live: true,
    run: store.run ?? "",
    source: store.folder ?? "",
    times: true,
    clocks: true,
    start: start === null ? null : new Date(start / 1000).toISOString(),
    end: null,
    window: [from - start, until - start],
    told,
    notes: [],
    events: store.events,
    messages_of_run: store.messages,
    processes: parts.map((part) => rowOfPart(store, part, from)),
    messages,
    beyond,
    via: { from: [], to: [] },
  };
}

/** Messages that begin or end in what is shown; notes when each arrived, for the queues. */
function messagesOfParts(store, parts, rowOf, count) {
  const [send, to, receive, waited] = [[], [], [], []];
  let fates = "";
  const beyond = { row: [], index: [], at: [], clock: [], position: [], line: [] };
  const numbers = new Map();
  const outside = (row, lane, place) => {
    const key = `${row}:${place}`;
    if (!numbers.has(key)) {
      numbers.set(key, count + numbers.size);
      beyond.row.push(row);
      beyond.index.push(lane.tick[place] - 1);
      beyond.at.push(lane.at[place] - store.start);
      beyond.clock.push(lane.clock[place]);
      beyond.position.push(lane.clock[place]);
      beyond.line.push(lane.line[place]);
    }
    return numbers.get(key);
  };
  /** By number of the send event and recipient: copies that were taken. */
  const taken = new Map();
  for (const [row, { lane, first, base, arrivals }] of parts.entries()) {
    for (let place = first; place < lane.at.length; place++) {
      if (lane.kind[place] !== RECEIVE_CODE) continue;
      if (lane.waited[place] >= 0) arrivals.push(lane.at[place] - lane.waited[place]);
      const sender = rowOf.get(lane.from[place]);
      if (sender === undefined) continue;
      const other = parts[sender];
      const sent = eventOf(other.lane, lane.sent[place]);
      // The line of its send event has not been read yet, or was let go.
      if (sent < 0) continue;
      const number = sent >= other.first ? other.base + sent - other.first : outside(sender, other.lane, sent);
      const key = number * parts.length + row;
      taken.set(key, (taken.get(key) ?? 0) + 1);
      send.push(number);
      to.push(row);
      fates += "r";
      receive.push(base + place - first);
      waited.push(lane.waited[place]);
    }
  }
  for (const { id, lane, first, base } of parts) {
    const slow = new Set();
    for (const fault of store.states.get(id)?.faults ?? []) if (DELAYING.has(fault.kind)) for (const peer of fault.to) slow.add(peer);
    for (let place = first; place < lane.at.length; place++) {
      if (lane.kind[place] !== SEND_CODE) continue;
      const odd = lane.odd[place];
      const number = base + place - first;
      for (const peer of lane.to[place]) {
        const row = rowOf.get(peer);
        if (row === undefined) continue;
        const add = (fate) => {
          send.push(number);
          to.push(row);
          fates += fate;
        };
        if (odd?.lost.includes(peer)) add("l");
        else if (odd?.dropped.includes(peer)) add("d");
        else {
          const copies = odd?.duplicated.includes(peer) ? 2 : 1;
          for (let i = taken.get(number * parts.length + row) ?? 0; i < copies; i++) {
            add("w");
            // On loopback it has arrived; when is not in the log before it is taken.
            if (!slow.has(peer)) parts[row].arrivals.push(lane.at[place]);
          }
        }
      }
    }
  }
  const messages = { send_steps: stepsOf(send), to, fates, receive_steps: stepsOf(receive), waited };
  return { messages, beyond };
}

/** The queue as steps, exact behind each event; between two events by what is known to have arrived. What waits when a
 * process dies dies with it: at the last event of that life the queue is empty. */
function queueOf(store, { id, lane, first, arrivals }, from) {
  arrivals.sort((a, b) => a - b);
  const steps = [];
  let level = first > 0 ? queueBehind(lane, first - 1) : 0;
  const since = first > 0 ? lane.at[first - 1] : -Infinity;
  let arrival = placeOf(arrivals, since);
  let before = null;
  const put = (at, waiting) => {
    if (at < from) {
      level = waiting;
      return;
    }
    before ??= level;
    if (waiting !== level) steps.push([at, waiting]);
    level = waiting;
  };
  const restarts = (store.restarts.get(id) ?? []).filter((at) => at > since);
  const restartUntil = (until, last) => {
    while (restarts.length > 0 && restarts[0] <= until) {
      const restart = restarts.shift();
      while (arrival < arrivals.length && arrivals[arrival] <= restart) arrival++;
      put(last, 0);
    }
  };
  for (let place = first; place < lane.at.length; place++) {
    restartUntil(lane.at[place], place > 0 ? lane.at[place - 1] : from);
    for (; arrival < arrivals.length && arrivals[arrival] <= lane.at[place]; arrival++) put(arrivals[arrival], level + 1);
    put(lane.at[place], queueBehind(lane, place));
  }
  restartUntil(Infinity, lane.at.at(-1) ?? from);
  for (; arrival < arrivals.length; arrival++) put(arrivals[arrival], level + 1);
  const queue = before ?? level;
  return { queue, queue_at_steps: stepsOf(steps.map(([at]) => at - store.start)), queue_waiting: steps.map(([, waiting]) => waiting) };
}

function rowOfPart(store, part, from) {
  const { id, lane, first } = part;
  const state = store.states.get(id);
  const column = (name) => (first === 0 ? lane[name] : lane[name].slice(first));
  const { start } = store;
  return {
    name: String(id),
    rate: state?.rate ?? null,
    file: state?.file ?? `machine-${id}.log`,
    events: state?.tick ?? 0,
    first: first < lane.tick.length ? lane.tick[first] - 1 : state?.tick ?? 0,
    started: state ? state.started - start : null,
    ended: state?.ended_at ? state.ended_at - start : null,
    waiting: state?.ended ? state.queue : null,
    ...queueOf(store, part, from),
    at_steps: stepsOf(column("at").map((at) => at - start)),
    clock_steps: stepsOf(column("clock")),
    position_steps: [],
    line_steps: stepsOf(column("line")),
    kinds: column("kind").map((code) => String.fromCharCode(code)).join(""),
    queues: column("kind").flatMap((kind, i) => (kind === RECEIVE_CODE ? [lane.queue[first + i]] : [])),
    texts: lane.hasTexts ? column("text") : [],
    faults: (store.faults.get(id) ?? []).map((fault) => ({ ...fault, from: fault.from - start, until: fault.until === null ? null : fault.until - start })),
  };
}
