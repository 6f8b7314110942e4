// The diagram as a whole: its elements, its state, its loop. Everything is drawn in one animation frame, and only
// if something changed.

/** How long switching the axis takes, in milliseconds. */
const SWITCH_MS = 350;

const OVERVIEW_HEIGHT = 46;

/** Frames over which the cost of drawing is averaged. */
const FRAMES_KEPT = 60;

/** The colours of an element's theme, resolved. */
function readColours(element) {
  const probe = make("span");
  // Not as an attribute, which a page's policy may forbid.
  probe.style.display = "none";
  element.append(probe);
  const read = (name) => {
    probe.style.color = `var(--cl-${name})`;
    return getComputedStyle(probe).color;
  };
  const names = ["ground", "ink", "soft", "grid", "past", "future", "concurrent", "found", "bad"];
  const colours = Object.fromEntries(names.map((name) => [name, read(name)]));
  colours.rows = Array.from({ length: 8 }, (_, i) => read(`row-${i}`));
  colours.font = getComputedStyle(element).fontFamily;
  probe.remove();
  return colours;
}

function sizeCanvas(canvas, width, height) {
  const ratio = Math.min(window.devicePixelRatio || 1, 3);
  const [w, h] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
  canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
}

/**
 * Draws a diagram into an element. `data` is what `clocklab draw` embeds. Options, all texts: `axis` (time, clock),
 * `theme` (auto, light, dark), `pinned` (an event's name), `wheel` (zoom, ctrl: only with the control key), `keys`
 * (element, page: also where nothing is focused).
 * Gives a handle: state, relation, screenOf, waiting, chain, look, setTheme, pin, update, destroy.
 */
function mountDiagram(element, data, options = {}) {
  let model = buildModel(data);
  let causality = null;
  let scene = makeScene(model);
  let colours;
  const show = { messages: true, queues: true, internal: true };
  const state = { hovered: -1, focused: -1, pins: [], found: [], foundAt: -1, query: "" };
  const cache = { borders: null, order: null };
  const told = { isDense: false, messagesLeftOut: false };
  const costs = [];
  let [dirtyBase, dirtyOver, dirtyStrip, frame, firstPaintMs, frames] = [true, true, true, 0, null, 0];
  /** How often a person has moved the view. */
  let moves = 0;

  const base = make("canvas", { class: "cl-base", "aria-hidden": "true" });
  const over = make("canvas", {
    class: "cl-over",
    tabindex: "0",
    role: "application",
    "aria-roledescription": "space-time diagram",
  });
  const strip = make("canvas", { class: "cl-overview", "aria-hidden": "true", title: "The whole run; drag to move the view" });
  const status = make("p", { class: "cl-status", role: "status" });
  const stage = make("div", { class: "cl-stage" }, base, over, status);
  const panel = make("aside", { class: "cl-details", "aria-label": "Selected event", tabindex: "0" });
  const announced = make("p", { class: "cl-hidden", "aria-live": "polite" });
  const help = buildHelp();
  const foot = make("footer", { class: "cl-foot" });
  const title = make("h1", { class: "cl-title" });

  const getCausality = () => (causality ??= buildCausality(model));
  const subject = () => {
    const { hovered, focused, pins } = state;
    if (hovered >= 0) return hovered;
    // Of two pins the first is the one that past and future are shown of.
    return focused >= 0 && !(cache.order && pins.includes(focused)) ? focused : pins[0] ?? focused;
  };
  const bordersFor = (event) => {
    if (cache.borders?.event !== event) cache.borders = bordersOf(getCausality(), event);
    return cache.borders;
  };
  const redraw = (what) => {
    if (what !== "over") dirtyBase = true;
    dirtyOver = true;
    if (!frame) frame = requestAnimationFrame(draw);
  };

  /** Does what a person wants of the view, and counts it if the view is another one then. */
  const byHand = (change) => {
    const { from, until } = scene.view;
    change();
    if (scene.view.from !== from || scene.view.until !== until) moves++;
    redraw();
  };

  const actions = {
    options,
    hover(event) {
      if (event === state.hovered) return;
      state.hovered = event;
      over.style.cursor = event >= 0 ? "pointer" : "";
      selected();
    },
    pin(event) {
      const { pins } = state;
      if (pins.includes(event)) pins.splice(pins.indexOf(event), 1);
      else if (pins.length < 2) pins.push(event);
      else pins[1] = event;
      state.focused = pins.includes(event) ? event : pins[0] ?? -1;
      cache.order = pins.length === 2 ? orderOf(model, getCausality(), pins[0], pins[1]) : null;
      selected();
      announce();
    },
    pinFocused: () => state.focused >= 0 && actions.pin(state.focused),
    clear() {
      Object.assign(state, { pins: [], focused: -1, hovered: -1 });
      cache.order = null;
      selected();
      over.focus();
    },
    pan(x, y) {
      byHand(() => {
        if (x !== 0) scene.pan(x);
        scene.scroll(y);
      });
    },
    zoom: (factor, at = (scene.left + scene.right) / 2) => byHand(() => scene.zoom(factor, at)),
    fit: () => byHand(() => scene.fit()),
    look: (from, until) => byHand(() => scene.setView(from, until)),
    go(event) {
      state.focused = event;
      byHand(() => scene.reveal(event));
      selected();
    },
    /** To another machine, or along the machine. */
    step(rows, events) {
      const at = state.focused >= 0 ? state.focused : state.pins[0] ?? scene.eventAt((scene.left + scene.right) / 2, scene.yOf(0), 1e9);
      if (at < 0) return;
      const row = model.rows[model.row[at]];
      let next = Math.min(Math.max(at + events, row.start), row.end - 1);
      for (let place = model.row[at] + rows; rows !== 0 && model.rows[place]; place += rows) {
        const { start, end } = model.rows[place];
        if (start === end) continue;
        next = Math.min(lowerBound(scene.axis.x, scene.axis.x[at], start, end), end - 1);
        break;
      }
      actions.go(next);
      announce();
    },
    follow() {
      const at = state.focused >= 0 ? state.focused : state.pins[0] ?? -1;
      if (at < 0) return;
      const { bySend, byReceive, send, receive } = model.messages;
      const ends = [...messagesOf(byReceive, at)].map((message) => send[message]);
      ends.push(...[...messagesOf(bySend, at)].map((message) => receive[message]));
      const next = ends.find((event) => event >= 0 && event < model.count);
      if (next !== undefined) actions.go(next);
      announce();
    },
    setAxis(name) {
      if (scene.axis.name === name || (name === "time" && !scene.hasTime)) return;
      const old = { axis: scene.axis, view: scene.view };
      const moves = scene.eventsInView() <= MOVING_MAX && !matchMedia("(prefers-reduced-motion: reduce)").matches;
      const target = buildAxisOf(name);
      const view = scene.viewOn(target);
      scene.setAxis(name);
      scene.setView(view.from, view.until);
      scene.moving = moves ? { ...old, part: 0, since: performance.now() } : null;
      dirtyStrip = true;
      showAxis();
      redraw();
    },
    switchAxis: () => actions.setAxis(scene.axis.name === "time" ? "clock" : "time"),
    toggle(key, value) {
      show[key] = value;
      redraw();
    },
    search(query) {
      const { events, error } = search(model, query);
      Object.assign(state, { query, found: events, foundAt: -1 });
      bar.search.setAttribute("aria-invalid", error ? "true" : "false");
      bar.found.textContent = query.trim() === "" ? "" : error ? "?" : `${thousands(events.length)} found`;
      bar.found.title = error;
      redraw("over");
    },
    findNext(by) {
      const { found } = state;
      if (found.length === 0) return;
      state.foundAt = state.foundAt < 0 ? (by > 0 ? 0 : found.length - 1) : (state.foundAt + by + found.length) % found.length;
      bar.found.textContent = `${thousands(state.foundAt + 1)} of ${thousands(found.length)}`;
      actions.go(found[state.foundAt]);
      announce();
    },
    switchTheme() {
      const isDark = getComputedStyle(element).getPropertyValue("--cl-is-dark").trim() === "1";
      setTheme(isDark ? "light" : "dark");
    },
    focusSearch: () => bar.search.focus(),
    help: () => help.showModal(),
  };

  const bar = buildBar(model, actions);

  function buildAxisOf(name) {
    const kept = scene.axis;
    const view = scene.view;
    scene.setAxis(name);
    const target = scene.axis;
    scene.axis = kept;
    scene.view = view;
    return target;
  }

  function showAxis() {
    bar.time.setAttribute("aria-pressed", String(scene.axis.name === "time"));
    bar.clock.setAttribute("aria-pressed", String(scene.axis.name === "clock"));
  }

  function setTheme(theme) {
    element.dataset.theme = theme;
    colours = readColours(element);
    dirtyStrip = true;
    redraw();
  }

  /** The panel follows what is hovered, pinned or focused. */
  function selected() {
    const event = subject();
    const content = [];
    if (cache.order) content.push(orderPanel(model, cache.order, actions.go));
    if (event >= 0) content.push(eventTable(model, bordersFor(event), event, actions.go));
    else {
      content.push(
        make("p", null, "Point at an event to see what happened before it, after it, and at the same time in the sense of causality. Click to pin it; pin a second one to see their order. Press ? for the keys."),
        counts(),
      );
    }
    panel.replaceChildren(...content);
    redraw("over");
  }

  function counts() {
    const table = make("table", { class: "cl-table" });
    table.append(make("caption", null, "Shown"));
    tableRow(table, "Machines", thousands(model.rows.length));
    tableRow(table, "Events", `${thousands(model.count)} of ${thousands(model.data.events)}`);
    tableRow(table, "Messages", `${thousands(model.messages.count)} of ${thousands(model.data.messages_of_run)}`);
    if (model.data.start) tableRow(table, "Start", model.data.start);
    return table;
  }

  /** Says for screen readers what is selected. */
  function announce() {
    const event = state.focused;
    if (event < 0) return;
    const { past, future, concurrent } = bordersFor(event).counts;
    const order = cache.order;
    const between = order ? ` ${nameOf(model, order.a)} ${order.relation === "concurrent" ? "is concurrent with" : "happened before"} ${nameOf(model, order.b)}.` : "";
    announced.textContent = `${nameOf(model, event)}, ${kindWord(model, event)}: past ${past}, future ${future}, concurrent ${concurrent}.${between}`;
  }

  function draw(now) {
    frame = 0;
    const start = performance.now();
    if (scene.moving) {
      const part = Math.min(1, Math.max(0, (now - scene.moving.since) / SWITCH_MS));
      scene.moving.part = part * part * (3 - 2 * part);
      if (part >= 1) scene.moving = null;
      dirtyBase = true;
    }
    if (dirtyBase) Object.assign(told, paintBase(base.getContext("2d"), scene, colours, show));
    if (dirtyOver || dirtyBase) drawOver();
    if (dirtyStrip) paintOverview(stripCache.getContext("2d"), scene, colours, scene.width, OVERVIEW_HEIGHT);
    drawStrip();
    tellStatus();
    dirtyBase = dirtyOver = dirtyStrip = false;
    costs.push(performance.now() - start);
    if (costs.length > FRAMES_KEPT) costs.shift();
    frames++;
    firstPaintMs ??= performance.now();
    if (scene.moving) redraw();
  }

  function drawOver() {
    const context = over.getContext("2d");
    context.clearRect(0, 0, scene.width, scene.height);
    const event = subject();
    base.classList.toggle("cl-dimmed", event >= 0);
    if (event >= 0) paintHighlight(context, scene, colours, bordersFor(event), show);
    paintFound(context, scene, colours, state.found);
    if (cache.order?.chain && (state.hovered < 0 || state.pins.includes(state.hovered))) paintChain(context, scene, colours, cache.order.a, cache.order.chain);
    const rings = [...new Set([event, state.focused, ...state.pins])].filter((other) => other >= 0);
    for (const ring of rings) paintRing(context, scene, colours, ring, ring === state.pins[1]);
    paintFrame(context, scene, colours);
  }

  const stripCache = document.createElement("canvas");
  function drawStrip() {
    const context = strip.getContext("2d");
    const { min, max } = scene.axis;
    context.clearRect(0, 0, scene.width, OVERVIEW_HEIGHT);
    context.drawImage(stripCache, 0, 0, scene.width, OVERVIEW_HEIGHT);
    const at = (value) => 8 + ((value - min) / (max - min)) * (scene.width - 16);
    const [from, until] = [at(scene.view.from), at(scene.view.until)];
    context.fillStyle = colours.ground;
    context.globalAlpha = 0.68;
    context.fillRect(0, 0, from, OVERVIEW_HEIGHT);
    context.fillRect(until, 0, scene.width - until, OVERVIEW_HEIGHT);
    context.globalAlpha = 1;
    context.strokeStyle = colours.ink;
    context.lineWidth = 1.5;
    context.strokeRect(from, 1, Math.max(3, until - from), OVERVIEW_HEIGHT - 2);
  }

  function tellStatus() {
    const lines = [];
    const fitting = Math.floor((scene.bottom - TOP) / scene.laneHeight);
    if (fitting < model.rows.length) lines.push(`${fitting} of ${model.rows.length} machines in view: drag up or down.`);
    if (told.isDense) lines.push("Zoomed out: bars show events a pixel.");
    if (told.messagesLeftOut) lines.push(`More than ${thousands(MESSAGES_DRAWN_MAX)} messages in view: zoom in to see them.`);
    const text = lines.join(" ");
    if (status.textContent !== text) status.textContent = text;
  }

  function resize() {
    const box = stage.getBoundingClientRect();
    scene.resize(box.width, box.height);
    for (const canvas of [base, over]) sizeCanvas(canvas, box.width, box.height);
    for (const canvas of [strip, stripCache]) sizeCanvas(canvas, box.width, OVERVIEW_HEIGHT);
    dirtyStrip = true;
    redraw();
  }

  function describe() {
    title.textContent = `Run ${model.data.run}`;
    over.setAttribute("aria-label", `Space-time diagram of run ${model.data.run}: ${model.rows.length} machines, ${model.count} events. Arrow keys, comma and full stop move along it.`);
    const lines = [...model.data.told, ...model.data.notes].map((text) => make("p", { class: "cl-told" }, text));
    foot.replaceChildren(legend(model), ...lines);
  }

  element.classList.add("cl-diagram");
  element.dataset.theme = options.theme ?? "auto";
  const head = make("header", { class: "cl-head" }, title, bar.bar);
  element.replaceChildren(head, make("div", { class: "cl-main" }, stage, panel), strip, foot, help, announced);
  colours = readColours(element);
  scene.setAxis(options.axis ?? "time");
  describe();
  showAxis();
  const pinned = options.pinned ? findEvent(model, options.pinned) : -1;
  if (pinned >= 0) actions.pin(pinned);
  else selected();
  bindPointers(over, new Proxy({}, { get: (_, key) => scene[key] }), actions);
  bindOverview(strip, new Proxy({}, { get: (_, key) => scene[key] }), actions);
  const unbindKeys = bindKeys(element, actions);
  const observer = new ResizeObserver(resize);
  observer.observe(stage);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const themeChanged = () => setTheme(element.dataset.theme);
  dark.addEventListener("change", themeChanged);
  resize();

  const eventOf = (name) => {
    const event = findEvent(model, name);
    if (event < 0) throw new Error(`${name}: no such event in this diagram`);
    return event;
  };
  const WORDS = { past: "after", future: "before", concurrent: "concurrent", same: "same" };
  const handle = {
    /** What can be seen, as plain values. */
    get state() {
      const event = subject();
      const mean = costs.reduce((sum, cost) => sum + cost, 0) / Math.max(1, costs.length);
      return {
        axis: scene.axis.name,
        view: [scene.view.from, scene.view.until],
        rows: model.rows.length,
        events: model.count,
        eventsInView: scene.eventsInView(),
        messages: model.messages.count,
        isDense: told.isDense,
        messagesLeftOut: told.messagesLeftOut,
        isMoving: scene.moving !== null,
        moves,
        selected: event >= 0 ? nameOf(model, event) : null,
        counts: event >= 0 ? { ...bordersFor(event).counts } : null,
        pinned: state.pins.map((pin) => nameOf(model, pin)),
        query: state.query,
        found: state.found.length,
        theme: element.dataset.theme,
        frames,
        firstPaintMs,
        drawMs: mean,
      };
    },
    /** How the first of two events stands to the second: before, after, concurrent or same. */
    relation: (a, b) => WORDS[relationTo(model, bordersFor(eventOf(a)), eventOf(b))],
    /** Where an event's mark is on the page, in CSS pixels. */
    screenOf(name) {
      const event = eventOf(name);
      const box = over.getBoundingClientRect();
      return { x: box.left + scene.xOf(event), y: box.top + scene.yOf(model.row[event]) };
    },
    /** The queue of a process at a time in microseconds since the start. */
    waiting: (name, at) => scene.waitingAt(model.rows.findIndex((row) => row.name === name), at),
    /** The hops of the shortest chain from an event to another, as names; null if there is none. */
    chain(a, b) {
      const chain = chainOf(getCausality(), eventOf(a), eventOf(b));
      return chain && chain.hops.map((hop) => hop.map((event) => nameOf(model, event)));
    },
    /** Shows a part of the axis, as a page wants it: no move of a person. */
    look(from, until) {
      scene.setView(from, until);
      redraw();
    },
    /** auto, light or dark, for a page with a switch of its own. */
    setTheme,
    pin: (name) => actions.pin(eventOf(name)),
    /** Shows other data, such as a run that has gone on: the view stays, or follows the end if it was there. */
    update(data) {
      const { view, axis, top } = scene;
      const names = state.pins.map((pin) => nameOf(model, pin));
      const [hovered, focused] = [state.hovered, state.focused].map((event) => (event < 0 ? null : nameOf(model, event)));
      const atEnd = view.until >= axis.max;
      const all = atEnd && view.from <= axis.min;
      model = buildModel(data);
      causality = null;
      Object.assign(cache, { borders: null, order: null });
      scene = makeScene(model);
      Object.assign(state, { hovered: -1, focused: -1, pins: [], found: [], foundAt: -1 });
      scene.setAxis(axis.name);
      const by = atEnd ? scene.axis.max - view.until : 0;
      if (!all) scene.setView(view.from + by, view.until + by);
      resize();
      scene.scroll(top);
      for (const name of names) if (findEvent(model, name) >= 0) actions.pin(findEvent(model, name));
      if (hovered !== null) state.hovered = findEvent(model, hovered);
      if (focused !== null) state.focused = findEvent(model, focused);
      if (state.query) actions.search(state.query);
      describe();
      selected();
    },
    destroy() {
      observer.disconnect();
      unbindKeys();
      dark.removeEventListener("change", themeChanged);
      cancelAnimationFrame(frame);
      element.replaceChildren();
      if (mounted === handle) mounted = null;
    },
  };
  mounted ??= handle;
  return handle;
}

/** The first diagram of the page: what `clocklab.state` and its like speak of. */
let mounted = null;

window.clocklab = Object.freeze({
  mountDiagram,
  get state() {
    return mounted?.state ?? null;
  },
  relation: (a, b) => mounted.relation(a, b),
  screenOf: (name) => mounted.screenOf(name),
  waiting: (name, at) => mounted.waiting(name, at),
  chain: (a, b) => mounted.chain(a, b),
  look: (from, until) => mounted.look(from, until),
});
