// What happened before what: borders of past and future, and the chain that proves an order. Of each channel only
// the messages that no other one overtakes matter, so an answer costs the number of rows, not of events.

/** The channels of a model: by sending and by receiving row, hops that rise at both ends. */
function buildCausality(model) {
  const size = model.rows.length;
  const channels = new Map();
  const add = (send, receive) => {
    const key = model.row[send] * size + model.row[receive];
    const channel = channels.get(key) ?? { hops: [] };
    channel.hops.push([send, receive]);
    channels.set(key, channel);
  };
  const { messages } = model;
  for (let i = 0; i < messages.count; i++) {
    const [send, receive] = [messages.send[i], messages.receive[i]];
    if (receive >= 0 && receive < model.count && send < model.count) add(send, receive);
  }
  const { via } = model.data;
  via.from.forEach((from, i) => add(from, via.to[i]));
  const out = Array.from({ length: size }, () => []);
  const into = Array.from({ length: size }, () => []);
  for (const [key, { hops }] of channels) {
    hops.sort((a, b) => a[0] - b[0] || b[1] - a[1]);
    const front = [];
    for (const hop of hops) {
      while (front.length > 0 && front[front.length - 1][1] >= hop[1]) front.pop();
      if (front.length === 0 || front[front.length - 1][0] < hop[0]) front.push(hop);
    }
    const channel = {
      from: Math.floor(key / size),
      to: key % size,
      sends: Int32Array.from(front, (hop) => hop[0]),
      receives: Int32Array.from(front, (hop) => hop[1]),
    };
    out[channel.from].push(channel);
    into[channel.to].push(channel);
  }
  return { model, out, into };
}

/** By row: the last event of the past (the event itself on its own row) and the first of the future. */
function bordersOf(causality, event) {
  const { model, out, into } = causality;
  const past = Int32Array.from(model.rows, (row) => row.start - 1);
  const future = Int32Array.from(model.rows, (row) => row.end);
  past[model.row[event]] = event;
  future[model.row[event]] = event;
  const open = [event];
  while (open.length > 0) {
    const at = open.pop();
    for (const { from, sends, receives } of into[model.row[at]]) {
      const place = upperBound(receives, at, 0, receives.length) - 1;
      if (place >= 0 && sends[place] > past[from]) open.push((past[from] = sends[place]));
    }
  }
  open.push(event);
  while (open.length > 0) {
    const at = open.pop();
    for (const { to, sends, receives } of out[model.row[at]]) {
      const place = lowerBound(sends, at, 0, sends.length);
      if (place < sends.length && receives[place] < future[to]) open.push((future[to] = receives[place]));
    }
  }
  let [before, after] = [-1, -1];
  model.rows.forEach((row, i) => {
    before += past[i] - row.start + 1;
    after += row.end - future[i];
  });
  return { event, past, future, counts: { past: before, future: after, concurrent: model.count - 1 - before - after } };
}

/** How `other` stands to the event of `borders`: "same", "past", "future" or "concurrent". */
function relationTo(model, borders, other) {
  if (other === borders.event) return "same";
  const row = model.row[other];
  // An event beyond the selection lies before the first or behind the last that is shown.
  if (other >= model.count) {
    const { first, start, end } = model.rows[row];
    const place = start + model.index[other] - first;
    if (place < start) return borders.past[row] >= start ? "past" : "concurrent";
    return borders.future[row] < end ? "future" : "concurrent";
  }
  if (other <= borders.past[row]) return "past";
  return other >= borders.future[row] ? "future" : "concurrent";
}

/** The chain from `a` to `b` with the fewest messages, of those the earliest; null if there is none. */
function chainOf(causality, a, b) {
  const { model, out } = causality;
  const target = model.row[b];
  const best = new Int32Array(model.rows.length).fill(0x7fffffff);
  let layer = new Map([[model.row[a], { at: a, hop: null, before: null }]]);
  best[model.row[a]] = a;
  while (layer.size > 0) {
    const end = layer.get(target);
    if (end && end.at <= b) return stepsOf(end, b);
    const next = new Map();
    for (const entry of layer.values()) {
      for (const { to, sends, receives } of out[model.row[entry.at]]) {
        const place = lowerBound(sends, entry.at, 0, sends.length);
        if (place === sends.length || receives[place] >= best[to]) continue;
        best[to] = receives[place];
        next.set(to, { at: receives[place], hop: [sends[place], receives[place]], before: entry });
      }
    }
    layer = next;
  }
  return null;
}

/** The hops of a chain, in order. */
function stepsOf(end, b) {
  const hops = [];
  for (let entry = end; entry.hop; entry = entry.before) hops.unshift(entry.hop);
  return { hops, end: b };
}
