// Painting the scene on a canvas: bands, lines, messages, marks; and the highlight above them.

/** Pixels that an upright arrow over other lanes is bent aside for each, so that it does not hide behind others. */
const BEND = 7;

/** How far the stub of a lost message goes, as a part of a lane, and aside for each lane on its way, in pixels. */
const STUB_PART = 0.36;
const STUB_ASIDE = 7;

/** The radius of all marks, by the row that has most of them. */
function markRadius(scene) {
  let most = 1;
  const [first, last] = scene.rowsInView();
  for (let row = first; row < last; row++) {
    const [start, end] = scene.rangeOf(row);
    if (!scene.isDense(row)) most = Math.max(most, end - start);
  }
  const spacing = (scene.right - scene.left) / most;
  return Math.min(5, Math.max(1.6, spacing * 0.4), scene.laneHeight / 8);
}

/** The base: everything but labels and highlight. Says what it could not show singly. */
function paintBase(context, scene, colours, show) {
  context.clearRect(0, 0, scene.width, scene.height);
  paintGrid(context, scene, colours);
  context.save();
  clipToLanes(context, scene);
  const [first, end] = scene.rowsInView();
  const dense = [];
  for (let row = first; row < end; row++) {
    const colour = colours.rows[row % colours.rows.length];
    paintFaults(context, scene, row, colours);
    if (show.queues) paintQueue(context, scene, row, colour);
    paintLine(context, scene, row, colour, colours);
    dense[row] = scene.isDense(row);
    if (dense[row]) paintDensity(context, scene, row, colour, show);
  }
  const messages = show.messages ? scene.messagesInView(MESSAGES_DRAWN_MAX) : [];
  const single = messages.length <= MESSAGES_DRAWN_MAX;
  if (single) paintMessages(context, scene, colours, messages, show);
  const radius = markRadius(scene);
  for (let row = first; row < end; row++) {
    if (dense[row]) continue;
    const colour = colours.rows[row % colours.rows.length];
    const [from, until] = scene.rangeOf(row);
    for (let event = from; event < until; event++) {
      if (!show.internal && scene.model.kind[event] === INTERNAL) continue;
      paintMark(context, scene, colours, event, colour, radius, null);
    }
  }
  context.restore();
  return { isDense: dense.some(Boolean), messagesLeftOut: show.messages && !single };
}

function clipToLanes(context, scene) {
  context.beginPath();
  context.rect(scene.left - 6, 0, scene.right - scene.left + 12, scene.bottom);
  context.clip();
}

function axisTicks(scene) {
  const { view, axis, left, right } = scene;
  const count = Math.max(2, Math.floor((right - left) / 70));
  return axis.name === "time"
    ? niceTicks(view.from, view.until, count, 1e6, false)
    : niceTicks(view.from, view.until, count, 1, true);
}

function paintGrid(context, scene, colours) {
  context.strokeStyle = colours.grid;
  context.lineWidth = 1;
  context.beginPath();
  for (const tick of axisTicks(scene)) {
    const x = Math.round(scene.toX(tick.value)) + 0.5;
    context.moveTo(x, 0);
    context.lineTo(x, scene.bottom + 5);
  }
  context.stroke();
}

/** Steps of a queue in view beyond which it is painted in columns of whole pixels, the highest of each. */
const STEPS_MAX = 400;

/** The queue as a step function; on the logical axis what the log says behind each receive. */
function paintQueue(context, scene, row, colour) {
  const { left, messageHeight } = scene;
  const isTime = scene.axis.name === "time" && !scene.moving;
  const points = isTime ? queueSteps(scene, row) : queueCounts(scene, row);
  if (points.length === 0) return;
  const y = scene.yOf(row);
  const { ended } = scene.model.rows[row];
  const last = points[points.length - 1].x;
  const end = Math.max(last, isTime ? Math.min(ended === null ? last : scene.toX(ended), scene.right + 6) : last);
  context.fillStyle = context.strokeStyle = colour;
  if (points.length > STEPS_MAX) {
    paintColumns(context, scene, y, points, end);
    return;
  }
  context.beginPath();
  context.moveTo(left - 6, y);
  let level = points[0].before;
  context.lineTo(left - 6, y - level * messageHeight);
  for (const { x, waiting } of points) {
    context.lineTo(x, y - level * messageHeight);
    context.lineTo(x, y - waiting * messageHeight);
    level = waiting;
  }
  context.lineTo(end, y - level * messageHeight);
  context.lineTo(end, y);
  context.closePath();
  context.globalAlpha = 0.22;
  context.fill();
  context.globalAlpha = 0.6;
  context.lineWidth = 0.8;
  context.stroke();
  context.globalAlpha = 1;
}

/** Of each column of pixels the highest queue; equal neighbours as one rectangle, since a long path costs more. */
function paintColumns(context, scene, y, points, end) {
  const first = Math.floor(scene.left - 6);
  const heights = new Float64Array(Math.max(1, Math.ceil(end) - first));
  let [level, column] = [points[0].before, 0];
  const raise = (until, waiting) => {
    for (let place = Math.max(0, column); place <= Math.min(until, heights.length - 1); place++) {
      heights[place] = Math.max(heights[place], waiting);
    }
  };
  for (const { x, waiting } of points) {
    raise(Math.floor(x) - first, level);
    column = Math.max(0, Math.floor(x) - first);
    level = waiting;
    raise(column, level);
  }
  raise(heights.length - 1, level);
  context.globalAlpha = 0.4;
  for (let place = 0; place < heights.length; ) {
    let next = place + 1;
    while (next < heights.length && heights[next] === heights[place]) next++;
    const height = heights[place] * scene.messageHeight;
    if (height > 0) context.fillRect(first + place, y - height, next - place, height);
    place = next;
  }
  context.globalAlpha = 1;
}

function queueSteps(scene, row) {
  const { queueAt, queueWaiting, hasQueue } = scene.model.rows[row];
  if (!hasQueue) return [];
  const { from, until } = scene.view;
  const start = lowerBound(queueAt, from, 0, queueAt.length);
  const end = upperBound(queueAt, until, 0, queueAt.length);
  const points = [{ x: scene.left - 6, before: scene.waitingAt(row, from - 1), waiting: scene.waitingAt(row, from - 1) }];
  for (let i = start; i < end; i++) points.push({ x: scene.toX(queueAt[i]), waiting: queueWaiting[i] });
  return points;
}

function queueCounts(scene, row) {
  const { model } = scene;
  const [from, until] = scene.rangeOf(row);
  const isModel = model.rows[row].texts.length === 0;
  const points = [];
  for (let event = from; event < until; event++) {
    const takes = model.kind[event] === RECEIVE || model.kind[event] === EXCHANGE;
    if (takes ? model.queue[event] < 0 : !isModel) continue;
    const waiting = takes ? model.queue[event] : 0;
    if (points.length === 0) points.push({ x: scene.xOf(event), before: 0, waiting });
    else points.push({ x: scene.xOf(event), waiting });
  }
  return points;
}

/** From where to where a row's process ran, in pixels. */
function lineEnds(scene, row) {
  const { started, ended, start, end } = scene.model.rows[row];
  if (start === end && started === null) return [0, 0, false];
  const isTime = scene.axis.name === "time" && !scene.moving;
  const from = isTime && started !== null ? scene.toX(started) : start < end ? scene.xOf(start) : 0;
  const until = isTime && ended !== null ? scene.toX(ended) : start < end ? scene.xOf(end - 1) : from;
  return [Math.max(from, scene.left - 6), Math.min(until, scene.right + 6), isTime && ended !== null];
}

function paintLine(context, scene, row, colour, colours) {
  const y = scene.yOf(row);
  const [from, until, ended] = lineEnds(scene, row);
  stroke(context, scene.left - 6, scene.right + 6, y, colours.grid, 1, []);
  if (until <= from) return;
  stroke(context, from, until, y, colour, 2, []);
  if (!ended || until > scene.right) return;
  context.beginPath();
  context.moveTo(until, y - 6);
  context.lineTo(until, y + 6);
  context.stroke();
}

function stroke(context, from, until, y, colour, width, dash) {
  if (until <= from) return;
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.setLineDash(dash);
  context.beginPath();
  context.moveTo(from, y);
  context.lineTo(until, y);
  context.stroke();
  context.setLineDash([]);
}

/** Events a pixel as bars beneath the line: sends dark, receives lighter, internal events lightest. */
function paintDensity(context, scene, row, colour, show) {
  const { model, axis, left, right, view } = scene;
  const width = 2;
  const bins = Math.ceil((right - left) / width) + 1;
  const counts = [new Uint32Array(bins), new Uint32Array(bins), new Uint32Array(bins)];
  const scale = (right - left) / (view.until - view.from) / width;
  const [from, until] = scene.rangeOf(row);
  let most = 1;
  for (let event = from; event < until; event++) {
    const bin = Math.floor((axis.x[event] - view.from) * scale);
    if (bin < 0 || bin >= bins) continue;
    const kind = model.kind[event];
    const group = kind === SEND || kind === EXCHANGE ? 0 : kind === RECEIVE ? 1 : 2;
    if (group === 2 && !show.internal) continue;
    counts[group][bin]++;
    const sum = counts[0][bin] + counts[1][bin] + counts[2][bin];
    if (sum > most) most = sum;
  }
  const y = Math.round(scene.yOf(row)) + 2;
  const height = scene.laneHeight * (1 - LINE_PART) - 5;
  const start = Math.round(left);
  context.fillStyle = colour;
  const offsets = new Float32Array(bins);
  [0.95, 0.6, 0.3].forEach((alpha, group) => {
    context.globalAlpha = alpha;
    for (let bin = 0; bin < bins; bin++) {
      const part = (counts[group][bin] / most) * height;
      if (part === 0) continue;
      context.fillRect(start + bin * width, y + offsets[bin], width, part);
      offsets[bin] += part;
    }
  });
  context.globalAlpha = 1;
}

/** Messages in batches of one colour and style, since a stroke costs more than a line. */
function paintMessages(context, scene, colours, messages, show) {
  const { model } = scene;
  const groups = new Map();
  for (const message of messages) {
    const key = model.row[model.messages.send[message]];
    const group = groups.get(key) ?? [];
    group.push(message);
    groups.set(key, group);
  }
  const heads = messages.length < 1500;
  context.lineWidth = messages.length > 800 ? 0.7 : 1.2;
  context.globalAlpha = messages.length > 800 ? 0.55 : 0.85;
  for (const [row, group] of groups) {
    context.strokeStyle = context.fillStyle = colours.rows[row % colours.rows.length];
    paintGroup(context, scene, colours, group, heads, show.queues);
  }
  context.globalAlpha = 1;
}

/** Messages in the current colours: arrows, then stubs, then waits. */
function paintGroup(context, scene, colours, group, heads, waits) {
  const { messages } = scene.model;
  context.beginPath();
  for (const message of group) if (messages.receive[message] >= 0) traceArrow(context, scene, message);
  context.stroke();
  if (heads) {
    context.beginPath();
    for (const message of group) if (messages.receive[message] >= 0) traceHead(context, scene, message);
    context.fill();
  }
  for (const message of group) if (messages.receive[message] < 0) paintStub(context, scene, message, colours);
  if (!waits || scene.axis.name !== "time" || scene.moving) return;
  context.setLineDash([1.5, 2]);
  context.beginPath();
  for (const message of group) if (messages.receive[message] >= 0) traceWait(context, scene, message);
  context.stroke();
  context.setLineDash([]);
}

/** The ends of a message's arrow, and how far it is bent. */
function arrowOf(scene, message) {
  const { model } = scene;
  const send = model.messages.send[message];
  const [x, y] = [scene.xOf(send), scene.yOf(model.row[send])];
  const [tipX, tipY] = [scene.arrivalX(message), scene.yOf(model.messages.to[message])];
  const lanes = Math.abs(model.row[send] - model.messages.to[message]);
  const bend = lanes > 1 && Math.abs(tipX - x) < 12 ? Math.min(28, BEND * (lanes - 1)) : 0;
  return { x, y, tipX, tipY, controlX: (x + tipX) / 2 + 2 * bend, controlY: (y + tipY) / 2 };
}

function traceArrow(context, scene, message) {
  const { x, y, tipX, tipY, controlX, controlY } = arrowOf(scene, message);
  context.moveTo(x, y);
  context.quadraticCurveTo(controlX, controlY, tipX, tipY);
}

function traceHead(context, scene, message) {
  const { tipX, tipY, controlX, controlY } = arrowOf(scene, message);
  traceTriangle(context, tipX, tipY, tipX - controlX, tipY - controlY, 8);
}

/** A triangle with its tip at a point, along a direction. */
function traceTriangle(context, x, y, directionX, directionY, long) {
  const length = Math.hypot(directionX, directionY);
  if (length < 1e-6) return;
  const [dx, dy] = [directionX / length, directionY / length];
  const half = long * 0.42;
  context.moveTo(x, y);
  context.lineTo(x - dx * long - dy * half, y - dy * long + dx * half);
  context.lineTo(x - dx * long + dy * half, y - dy * long - dx * half);
  context.closePath();
}

/** The way through the queue: from its place in the band at the arrival to the line where it is taken. */
function traceWait(context, scene, message) {
  const { model, axis } = scene;
  const [x, taken] = [scene.arrivalX(message), scene.xOf(model.messages.receive[message])];
  if (taken - x < 0.5) return;
  const row = model.messages.to[message];
  const y = scene.yOf(row);
  const place = model.messages.waited[message] >= 0 ? scene.waitingAt(row, axis.arrived[message]) : 0;
  context.moveTo(x, y - place * scene.messageHeight);
  context.lineTo(taken, y);
}

/** A message that nobody took: dashed to a ring (waits), a cross (dropped) or a flash (lost), dotted to a head (unknown). */
function paintStub(context, scene, message, colours) {
  const { model } = scene;
  const send = model.messages.send[message];
  const fate = model.messages.fate[message];
  const [x, y] = [scene.xOf(send), scene.yOf(model.row[send])];
  const way = scene.yOf(model.messages.to[message]) - y;
  const side = Math.sign(way);
  const radius = 3.4;
  const waits = fate === WAITING;
  // A lost message turns aside, so that it does not hide behind one that arrived.
  const lanes = Math.abs(model.row[send] - model.messages.to[message]);
  const endX = waits ? x : x + Math.min(4, lanes) * STUB_ASIDE;
  const end = waits ? y + way - side * radius : y + side * scene.laneHeight * STUB_PART;
  context.setLineDash(waits || fate === DROPPED || fate === LOST ? [4, 2.5] : [1.2, 3]);
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(endX, end);
  context.stroke();
  context.setLineDash([]);
  context.beginPath();
  if (waits) {
    context.arc(x, end + side * radius, radius, 0, 2 * Math.PI);
    context.stroke();
  } else if (fate === DROPPED) {
    for (const turn of [-1, 1]) {
      context.moveTo(endX - radius, end - turn * radius);
      context.lineTo(endX + radius, end + turn * radius);
    }
    context.stroke();
  } else if (fate === LOST) {
    const own = context.fillStyle;
    traceFlash(context, endX, end, radius + 0.6);
    context.fillStyle = colours.bad;
    context.fill();
    context.fillStyle = own;
  } else {
    traceTriangle(context, endX, end + side * 4, endX - x, end - y, 7);
    context.fill();
  }
}

/** A mark: disc for a send, square for a receive, ring for an internal event, diamond for both, cross for others. */
function paintMark(context, scene, colours, event, colour, radius, relation) {
  const kind = scene.model.kind[event];
  const [x, y] = [scene.xOf(event), scene.yOf(scene.model.row[event])];
  let [size, filled, width] = kind === INTERNAL ? [radius * 0.68, false, 1.2] : [radius, true, 0];
  if (relation === "past") filled = true;
  if (relation === "future") [size, filled, width] = [size * 0.9, false, Math.max(1.2, radius * 0.42)];
  if (relation === "concurrent") [size, filled, width] = [size * 0.72, false, 0.8];
  if (relation === "same") size = radius * 1.25;
  context.beginPath();
  traceShape(context, kind, x, y, size);
  context.fillStyle = filled ? colour : colours.ground;
  context.fill();
  if (width > 0 || kind === OTHER) {
    context.strokeStyle = colour;
    context.lineWidth = Math.max(width, 0.8);
    context.stroke();
  }
}

function traceShape(context, kind, x, y, size) {
  if (kind === RECEIVE) {
    context.rect(x - size * 0.9, y - size * 0.9, size * 1.8, size * 1.8);
  } else if (kind === EXCHANGE) {
    const far = size * 1.25;
    context.moveTo(x - far, y);
    context.lineTo(x, y - far);
    context.lineTo(x + far, y);
    context.lineTo(x, y + far);
    context.closePath();
  } else if (kind === OTHER) {
    context.moveTo(x - size, y);
    context.lineTo(x + size, y);
    context.moveTo(x, y - size);
    context.lineTo(x, y + size);
  } else {
    context.arc(x, y, size, 0, 2 * Math.PI);
  }
}
