// Axes: where events and messages stand on them, what of it a view shows, and round numbers.

/** Positions of a model on an axis ("time" or "clock"), and messages sorted by where they begin. */
function buildAxis(model, name) {
  const x = name === "time" ? model.at : model.position;
  const { messages } = model;
  const arrived = new Float64Array(messages.count);
  const [left, right] = [new Float64Array(messages.count), new Float64Array(messages.count)];
  for (let i = 0; i < messages.count; i++) {
    const sent = x[messages.send[i]];
    const taken = messages.receive[i] < 0 ? sent : x[messages.receive[i]];
    const knows = name === "time" && messages.waited[i] >= 0;
    arrived[i] = knows ? taken - messages.waited[i] : taken;
    left[i] = Math.min(sent, arrived[i], taken);
    right[i] = Math.max(sent, arrived[i], taken);
  }
  const order = Int32Array.from({ length: messages.count }, (_, i) => i).sort((a, b) => left[a] - left[b]);
  const lefts = Float64Array.from(order, (message) => left[message]);
  const furthest = new Float64Array(messages.count);
  order.forEach((message, place) => {
    furthest[place] = Math.max(right[message], place > 0 ? furthest[place - 1] : -Infinity);
  });
  const axis = { name, x, arrived, right, order, lefts, furthest, sorted: [], ...extentOf(model, x, name) };
  for (const row of model.rows) axis.sorted.push(rises(x, row.start, row.end));
  return axis;
}

function rises(x, start, end) {
  for (let i = start + 1; i < end; i++) if (x[i] < x[i - 1]) return false;
  return true;
}

/** What the whole axis spans, with a little room at both ends. */
function extentOf(model, x, name) {
  let [min, max] = [Infinity, -Infinity];
  for (let i = 0; i < model.count; i++) {
    min = Math.min(min, x[i]);
    max = Math.max(max, x[i]);
  }
  if (!(max >= min)) [min, max] = [0, 1];
  const { window, end } = model.data;
  if (name === "time") {
    min = Math.min(min, window ? window[0] : 0);
    max = Math.max(max, window ? window[1] : end ?? max);
  }
  const room = Math.max((max - min) * 0.01, name === "time" ? 1000 : 1);
  return { min: min - room, max: max + room };
}

/** The events of a row between two values, as a range of numbers. A row that does not rise is given whole. */
function rangeOf(model, axis, row, from, until) {
  const { start, end } = model.rows[row];
  if (!axis.sorted[row]) return [start, end];
  return [lowerBound(axis.x, from, start, end), upperBound(axis.x, until, start, end)];
}

/** The messages that touch [from, until], one way or another; stops at `most` + 1. */
function messagesBetween(axis, from, until, most) {
  const found = [];
  const { order, lefts, furthest, right } = axis;
  const end = upperBound(lefts, until, 0, lefts.length);
  for (let place = lowerBound(furthest, from, 0, end); place < end && found.length <= most; place++) {
    if (right[order[place]] >= from) found.push(order[place]);
  }
  return found;
}

/** Round values between two, `unit` of them to one of the label; at most about `count`. */
function niceTicks(from, until, count, unit, whole) {
  const least = (until - from) / unit / Math.max(count, 1);
  if (!(least > 0) || !Number.isFinite(least)) return [];
  const power = 10 ** Math.floor(Math.log10(least));
  let step = power * ([1, 2, 5, 10].find((factor) => factor * power >= least * (1 - 1e-9)) ?? 10);
  if (whole) step = Math.max(step, 1);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks = [];
  const first = Math.ceil(from / unit / step - 1e-9);
  // Counted, because of clocks beyond 2^53 the next whole number may be the same.
  for (let i = 0; i <= count + 1; i++) {
    const value = (first + i) * step;
    if (value > (until / unit) * (1 + 1e-12) + 1e-12) break;
    ticks.push({ value: value * unit, label: (value + 0).toFixed(decimals) });
  }
  return ticks;
}

/** Microseconds as people read them: 12.345678 s, 3.2 ms, 40 µs. */
function duration(us) {
  if (us < 1000) return `${us} µs`;
  if (us < 1_000_000) return `${Number((us / 1000).toFixed(3))} ms`;
  return `${Number((us / 1e6).toFixed(6))} s`;
}

function thousands(count) {
  return count.toLocaleString("en-US");
}
