// What a person does: pointers, wheel, keys, buttons. Each becomes a call of the diagram's actions.

const KEYS = [
  ["drag, ← →", "pan"],
  ["wheel, pinch, + −", "zoom"],
  ["0", "show everything"],
  ["click, Enter", "pin the event; two pins show their order"],
  [", .", "the previous or next event of the machine"],
  ["↑ ↓", "the machine above or below"],
  ["m", "along the message to its other end"],
  ["a", "physical or logical time"],
  ["/", "search"],
  ["n, Shift+n", "next or previous event found"],
  ["Esc", "let go of the pins"],
  ["?", "this help"],
];

/** How far a pointer may move and still have clicked, in pixels. */
const CLICK_SLACK = 5;

/** How near a pointer has to be to an event, in pixels; fingers are broader. */
const REACH = { mouse: 16, pen: 16, touch: 30 };

function bindPointers(canvas, scene, actions) {
  const pointers = new Map();
  let moved = 0;
  let pinch = 0;
  const point = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const reach = (event) => REACH[event.pointerType] ?? REACH.mouse;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, point(event));
    if (pointers.size === 1) moved = 0;
    pinch = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const at = point(event);
    const before = pointers.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== "touch") actions.hover(scene.eventAt(at.x, at.y, reach(event)));
      return;
    }
    pointers.set(event.pointerId, at);
    moved += Math.abs(at.x - before.x) + Math.abs(at.y - before.y);
    if (pointers.size === 1) {
      if (moved > CLICK_SLACK) actions.pan(before.x - at.x, before.y - at.y);
      return;
    }
    const [a, b] = [...pointers.values()];
    const distance = Math.max(10, Math.hypot(a.x - b.x, a.y - b.y));
    if (pinch > 0) actions.zoom(pinch / distance, (a.x + b.x) / 2);
    pinch = distance;
  });
  const release = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    pinch = 0;
    if (event.type === "pointerup" && pointers.size === 0 && moved <= CLICK_SLACK) {
      const at = point(event);
      const found = scene.eventAt(at.x, at.y, reach(event));
      if (found >= 0) actions.pin(found);
    }
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => actions.hover(-1));
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (actions.options.wheel === "ctrl" && !event.ctrlKey) return;
      event.preventDefault();
      const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 200 : 1;
      const across = event.shiftKey ? event.deltaY : event.deltaX;
      if (Math.abs(across) > Math.abs(event.shiftKey ? 0 : event.deltaY)) actions.pan(across * unit, 0);
      else actions.zoom(Math.exp(event.deltaY * unit * (event.ctrlKey ? 0.01 : 0.0016)), point(event).x);
    },
    { passive: false },
  );
}

function bindKeys(element, actions) {
  const keys = {
    ArrowLeft: () => actions.pan(-120, 0),
    ArrowRight: () => actions.pan(120, 0),
    ArrowUp: () => actions.step(-1, 0),
    ArrowDown: () => actions.step(1, 0),
    ",": () => actions.step(0, -1),
    ".": () => actions.step(0, 1),
    "+": () => actions.zoom(0.7),
    "=": () => actions.zoom(0.7),
    "-": () => actions.zoom(1 / 0.7),
    0: () => actions.fit(),
    Home: () => actions.fit(),
    m: () => actions.follow(),
    a: () => actions.switchAxis(),
    n: () => actions.findNext(1),
    N: () => actions.findNext(-1),
    Enter: () => actions.pinFocused(),
    Escape: () => actions.clear(),
    "/": () => actions.focusSearch(),
    "?": () => actions.help(),
  };
  const pressed = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    // An open dialog has the keys; Escape closes it.
    if (element.querySelector("dialog[open]")) return;
    // In a field, and on a button, keys mean what they always mean.
    const inField = event.target instanceof HTMLInputElement && event.target.type === "search";
    if (inField && event.key !== "Escape") return;
    if (event.key === "Enter" && event.target instanceof HTMLButtonElement) return;
    const action = keys[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  };
  // A diagram that is the whole page takes keys also where nothing is focused.
  const fromPage = (event) => event.target === document.body && pressed(event);
  element.addEventListener("keydown", pressed);
  if (actions.options.keys === "page") document.addEventListener("keydown", fromPage);
  return () => {
    element.removeEventListener("keydown", pressed);
    document.removeEventListener("keydown", fromPage);
  };
}

/** The strip: a click or a drag moves the view there. */
function bindOverview(canvas, scene, actions) {
  let held = false;
  const move = (event) => {
    const box = canvas.getBoundingClientRect();
    const { min, max } = scene.axis;
    const part = (event.clientX - box.left - 8) / Math.max(1, box.width - 16);
    const { from, until } = scene.view;
    const middle = min + part * (max - min);
    actions.look(middle - (until - from) / 2, middle + (until - from) / 2);
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    held = true;
    move(event);
  });
  canvas.addEventListener("pointermove", (event) => held && move(event));
  canvas.addEventListener("pointerup", () => (held = false));
  canvas.addEventListener("pointercancel", () => (held = false));
}

/** The bar of buttons. */
function buildBar(model, actions) {
  const button = (text, label, onclick, attributes) =>
    make("button", { type: "button", title: label, "aria-label": label, onclick, ...attributes }, text);
  const parts = {};
  parts.time = button("Time", "Against physical time", () => actions.setAxis("time"), { disabled: !model.data.times });
  parts.clock = button("Clock", "Against logical time", () => actions.setAxis("clock"));
  const toggle = (key, text) => {
    const input = make("input", { type: "checkbox", checked: true, onchange: () => actions.toggle(key, input.checked) });
    return make("label", { class: "cl-toggle" }, input, text);
  };
  parts.search = make("input", {
    type: "search",
    placeholder: "Search: 0:17, receive queue>5 …",
    title: SEARCH_HELP,
    "aria-label": "Search events",
    spellcheck: "false",
    oninput: () => actions.search(parts.search.value),
    onkeydown: (event) => event.key === "Enter" && actions.findNext(event.shiftKey ? -1 : 1),
  });
  parts.found = make("output", { class: "cl-found", "aria-live": "polite" });
  parts.theme = button("◐", "Dark or light", () => actions.switchTheme());
  parts.bar = make(
    "div",
    { class: "cl-bar", role: "toolbar", "aria-label": "Diagram controls" },
    make("span", { class: "cl-group", role: "group", "aria-label": "Axis" }, parts.time, parts.clock),
    make(
      "span",
      { class: "cl-group", role: "group", "aria-label": "Zoom" },
      button("−", "Zoom out", () => actions.zoom(1 / 0.7)),
      button("+", "Zoom in", () => actions.zoom(0.7)),
      button("All", "Show everything", () => actions.fit()),
    ),
    make("span", { class: "cl-toggles" }, toggle("messages", "messages"), toggle("queues", "queues"), toggle("internal", "internal")),
    make("span", { class: "cl-searching" }, parts.search, button("↑", "Previous found", () => actions.findNext(-1)), button("↓", "Next found", () => actions.findNext(1)), parts.found),
    make("span", { class: "cl-group" }, parts.theme, button("?", "Keys and search words", () => actions.help())),
  );
  return parts;
}

function buildHelp() {
  const table = make("table", { class: "cl-table" });
  for (const [key, meaning] of KEYS) tableRow(table, key, meaning);
  const dialog = make("dialog", { class: "cl-help", "aria-label": "Help" });
  dialog.append(
    make("h2", null, "Keys"),
    table,
    make("h2", null, "Search words"),
    make("p", null, SEARCH_HELP),
    make("form", { method: "dialog" }, make("button", null, "Close")),
  );
  return dialog;
}
