// The scene: which part of the model is in view, and where it stands in pixels. No drawing.

const LANE_MIN = 26;
const LANE_MAX = 190;
const AXIS_HEIGHT = 40;

/** Pixels above the first lane, where the status stands. */
const TOP = 26;
const LINE_PART = 0.7;
const BAND_PART = 0.52;

/** Most pixels that one waiting message is high. */
const MESSAGE_HEIGHT_MAX = 9;

/** Pixels an event below which a row is drawn as a density band instead of marks. */
const MARK_SPACING_MIN = 3;

/** Most messages that are drawn singly. */
const MESSAGES_DRAWN_MAX = 3000;

/** Most events that move when the axis is switched; beyond that it switches at once. */
const MOVING_MAX = 3000;

/** How deep one can look: the shortest view, in microseconds or clock steps. */
const VIEW_MIN = { time: 20, clock: 2 };

function makeScene(model) {
  const axes = {};
  const axisOf = (name) => (axes[name] ??= buildAxis(model, name));
  const queueMax = model.rows.reduce((most, row) => Math.max(most, row.queueMax), 1);
  const scene = {
    model,
    axis: null,
    view: { from: 0, until: 1 },
    top: 0,
    width: 0,
    height: 0,
    left: 0,
    right: 1,
    bottom: 1,
    laneHeight: LANE_MAX,
    queueMax,
    messageHeight: 1,
    /** While the axis is being switched: the old axis and view, and how far it is, 0 to 1. */
    moving: null,
    hasTime: model.data.times && model.count > 0,
  };

  scene.resize = (width, height) => {
    Object.assign(scene, { width, height, bottom: Math.max(1, height - AXIS_HEIGHT) });
    scene.left = width < 620 ? 66 : 132;
    scene.right = Math.max(scene.left + 1, width - 14);
    const fitting = (scene.bottom - TOP - 4) / Math.max(1, model.rows.length);
    scene.laneHeight = Math.min(LANE_MAX, Math.max(LANE_MIN, fitting));
    scene.messageHeight = Math.min(MESSAGE_HEIGHT_MAX, (scene.laneHeight * BAND_PART) / queueMax);
    scene.scroll(0);
  };

  /** Scrolls down by pixels, as far as there are lanes. */
  scene.scroll = (by) => {
    const most = Math.max(0, model.rows.length * scene.laneHeight + TOP - scene.bottom);
    scene.top = Math.min(most, Math.max(0, scene.top + by));
  };

  scene.setAxis = (name) => {
    scene.axis = axisOf(name === "time" && scene.hasTime ? "time" : "clock");
    scene.fit();
  };

  scene.fit = () => scene.setView(scene.axis.min, scene.axis.max);

  /** Sets the view, moved and stretched to what the axis allows. */
  scene.setView = (from, until) => {
    const { min, max, name } = scene.axis;
    let span = Math.min(Math.max(until - from, VIEW_MIN[name]), Math.max(max - min, VIEW_MIN[name]));
    if (!Number.isFinite(span)) span = max - min;
    const start = Math.min(Math.max(from, min), Math.max(min, max - span));
    scene.view = { from: start, until: start + span };
  };

  scene.zoom = (factor, at) => {
    const { from, until } = scene.view;
    const anchor = from + ((at - scene.left) / (scene.right - scene.left)) * (until - from);
    const { min, max, name } = scene.axis;
    const span = Math.min(Math.max((until - from) * factor, VIEW_MIN[name]), max - min);
    const start = anchor - ((at - scene.left) / (scene.right - scene.left)) * span;
    scene.setView(start, start + span);
  };

  scene.pan = (pixels) => {
    const { from, until } = scene.view;
    const by = (pixels / (scene.right - scene.left)) * (until - from);
    scene.setView(from + by, until + by);
  };

  /** Makes an event visible, with something around it. */
  scene.reveal = (event) => {
    const { from, until } = scene.view;
    const x = scene.axis.x[event];
    const room = (until - from) * 0.08;
    if (x < from + room || x > until - room) scene.setView(x - (until - from) / 2, x + (until - from) / 2);
    const y = scene.yOf(model.row[event]);
    if (y < 20) scene.scroll(y - 60);
    if (y > scene.bottom - 10) scene.scroll(y - scene.bottom + 60);
  };

  const place = (value, view) => scene.left + ((value - view.from) / (view.until - view.from)) * (scene.right - scene.left);

  /** From a value of the axis to pixels. */
  scene.toX = (value) => place(value, scene.view);

  /** Where an event is, also while the axis is being switched. */
  scene.xOf = (event) => {
    const x = place(scene.axis.x[event], scene.view);
    const { moving } = scene;
    if (!moving) return x;
    return x * moving.part + place(moving.axis.x[event], moving.view) * (1 - moving.part);
  };

  scene.arrivalX = (message) => {
    const x = place(scene.axis.arrived[message], scene.view);
    const { moving } = scene;
    if (!moving) return x;
    return x * moving.part + place(moving.axis.arrived[message], moving.view) * (1 - moving.part);
  };

  /** The height of a row's line. */
  scene.yOf = (row) => row * scene.laneHeight + scene.laneHeight * LINE_PART + TOP - scene.top;

  scene.rowAt = (y) => {
    const row = Math.floor((y + scene.top - TOP) / scene.laneHeight);
    return row >= 0 && row < model.rows.length ? row : -1;
  };

  /** Rows that can be seen, from and up to. */
  scene.rowsInView = () => [
    Math.max(0, Math.floor(scene.top / scene.laneHeight) - 1),
    Math.min(model.rows.length, Math.ceil((scene.top + scene.bottom) / scene.laneHeight) + 1),
  ];

  /** The events of a row in view; while the axis is being switched, those of both views. */
  scene.rangeOf = (row) => {
    const { axis, view, moving } = scene;
    const range = rangeOf(model, axis, row, view.from, view.until);
    if (!moving) return range;
    const other = rangeOf(model, moving.axis, row, moving.view.from, moving.view.until);
    return [Math.min(range[0], other[0]), Math.max(range[1], other[1])];
  };

  scene.messagesInView = (most) => {
    const { axis, view, moving } = scene;
    const found = messagesBetween(axis, view.from, view.until, most);
    if (!moving) return found;
    return [...new Set([...found, ...messagesBetween(moving.axis, moving.view.from, moving.view.until, most)])];
  };

  /** Messages waiting at a moment, the ones that arrive then included. */
  scene.waitingAt = (row, at) => {
    const { queueAt, queueWaiting, queueBefore } = model.rows[row];
    const behind = upperBound(queueAt, at, 0, queueAt.length);
    return behind > 0 ? queueWaiting[behind - 1] : queueBefore;
  };

  /** The view of the other axis that shows the same events. */
  scene.viewOn = (axis) => {
    let [from, until] = [Infinity, -Infinity];
    for (let row = 0; row < model.rows.length; row++) {
      const [start, end] = scene.rangeOf(row);
      if (start === end) continue;
      from = Math.min(from, axis.x[start]);
      until = Math.max(until, axis.x[end - 1]);
    }
    if (!(until >= from)) return { from: axis.min, until: axis.max };
    const room = Math.max((until - from) * 0.02, axis.name === "time" ? 1000 : 0.6);
    return { from: from - room, until: until + room };
  };

  scene.eventsInView = () => {
    let count = 0;
    for (let row = 0; row < model.rows.length; row++) {
      const [start, end] = scene.rangeOf(row);
      count += end - start;
    }
    return count;
  };

  scene.isDense = (row) => {
    const [start, end] = scene.rangeOf(row);
    return end - start > (scene.right - scene.left) / MARK_SPACING_MIN;
  };

  /** The nearest event within reach of a point, or -1. */
  scene.eventAt = (x, y, reach) => {
    const row = scene.rowAt(y);
    if (row < 0 || x < scene.left - reach || x > scene.right + reach || y > scene.bottom) return -1;
    const [start, end] = scene.rangeOf(row);
    let [nearest, distance] = [-1, reach];
    let [from, until] = [start, end];
    if (scene.axis.sorted[row]) {
      const { view, left, right } = scene;
      const value = view.from + ((x - left) / (right - left)) * (view.until - view.from);
      const middle = lowerBound(scene.axis.x, value, start, end);
      [from, until] = [Math.max(start, middle - 2), Math.min(end, middle + 2)];
    }
    for (let event = from; event < until; event++) {
      const away = Math.abs(scene.xOf(event) - x);
      if (away < distance) [nearest, distance] = [event, away];
    }
    return nearest;
  };

  return scene;
}
