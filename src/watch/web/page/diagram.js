// The diagram while the run goes on: it follows the end, or stands still to be looked at.

/** The diagram is made anew no more often than this, in milliseconds, and takes no larger part of the time. */
const UPDATE_MS = 50;
const UPDATE_PART = 0.3;

/** The view glides from picture to picture where drawing one costs less than this, in milliseconds. */
const GLIDE_COST_MS = 7;
const GLIDE_MS = 30;

/** How far the time axis reaches beyond now, in microseconds, so that a view may glide on. */
const AHEAD_US = 400_000;

const SPANS = [1, 2, 5, 10, 20, 30, 60, 120];

/** Events that the chosen stretch should hold: more are hard to see and slow to draw. */
const SPAN_EVENTS = 1500;

/** Events that the diagram holds while it stands still. */
const LOOK_BACK_MAX = 60_000;

/** Makes the diagram's keeper. `nowUs` tells the server's time. */
function makeDiagram(element, store, nowUs) {
  const root = document.documentElement;
  const theme = () => root.dataset.theme ?? "auto";
  const button = byId("follow");
  const select = byId("span");
  const words = byId("following");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  select.append(el("option", { value: "0" }, "auto"), ...SPANS.map((seconds) => el("option", { value: seconds }, `${seconds} s`)));
  /** Since when somebody sees every event as it comes: what was written before is not late. */
  let seenSince = nowUs();
  document.addEventListener("visibilitychange", () => (seenSince = nowUs()));
  const keeper = { handle: null, follows: true, isDirty: false, updates: 0, behind: null, dataMs: 0, updateMs: 0 };
  /** Whether the view on the time axis is the one that was chosen here, and the moves that were seen of a person. */
  let [looks, moves] = [false, 0];
  let [updated, cost, glided, spanUs, wasAt] = [0, 10, 0, 10e6, []];

  function autoSpan() {
    const rate = Math.max(store.rate(), 0.1);
    const fitting = SPANS.filter((seconds) => seconds <= 30 && seconds * rate <= SPAN_EVENTS);
    const next = (fitting[fitting.length - 1] ?? SPANS[0]) * 1e6;
    // One step up is taken only with room to spare, so that it does not go to and fro.
    if (next > spanUs && next * rate > SPAN_EVENTS * 0.8e6) return spanUs;
    return next;
  }

  /** Where time stands in the diagram: now, or the end of a run that has ended. */
  const edge = () => (store.ended || store.newest === null || nowUs() - store.newest > 60e6 ? store.newest ?? nowUs() : nowUs());

  /** Where the stretch that ends at a moment begins; a young run fills it from its start. */
  const leftOf = (until) => Math.max(until - spanUs, Math.min(store.start, until - 2e6));

  function update(from, until) {
    const began = performance.now();
    const data = dataOf(store, from, until);
    keeper.dataMs = performance.now() - began;
    if (keeper.handle) keeper.handle.update(data);
    else keeper.handle = clocklab.mountDiagram(element, data, { theme: theme(), wheel: "ctrl", keys: "element" });
    cost = cost * 0.8 + (performance.now() - began) * 0.2;
    keeper.isDirty = false;
    keeper.updateMs = cost;
    keeper.updates++;
    updated = performance.now();
  }

  /** Shows a stretch on the time axis, in microseconds since 1970. */
  function look(from, until) {
    keeper.handle.look(from - store.start, until - store.start);
    looks = true;
  }

  /** Whether a person has moved the view on the time axis. On the other one moving it does not end the following. */
  function wasMoved() {
    if (!keeper.handle) return false;
    const { axis, moves: now } = keeper.handle.state;
    const isNew = now !== moves;
    moves = now;
    return isNew && axis === "time";
  }

  /** From when on everything is shown that is kept and not too much: one moment for all machines. */
  function lookBack() {
    const each = Math.floor(LOOK_BACK_MAX / store.lanes.size);
    let from = store.leftOut > 0 ? -Infinity : store.start;
    for (const { at } of store.lanes.values()) {
      // A lane that has let go of events, or that has too many of them.
      if (at.length > each) from = Math.max(from, at[at.length - each]);
      else if (store.leftOut > 0 || store.kept < store.received) from = Math.max(from, at[0] ?? from);
    }
    return Number.isFinite(from) ? from : store.start;
  }

  function setFollow(follows) {
    keeper.follows = follows;
    button.setAttribute("aria-pressed", String(follows));
    select.disabled = !follows;
    keeper.isDirty = true;
    if (follows) {
      seenSince = nowUs();
      // What is moved from now on is moved by somebody who sees that it follows, drawn or not.
      moves = keeper.handle?.state.moves ?? 0;
      looks = false;
      setText(words, "");
      return;
    }
    // Everything that is kept, to look back at; the view stays where it is.
    if (!keeper.handle || store.newest === null) return;
    const { axis, view } = keeper.handle.state;
    const from = lookBack();
    update(from, store.newest);
    if (axis === "time") keeper.handle.look(view[0], view[1]);
    const seconds = ((store.newest - from) / 1e6).toFixed(0);
    const rest = store.ended ? "The run has ended" : "The run goes on";
    const part = from > store.start ? `the last ${seconds} s of it (the whole run: clocklab draw)` : "all of it so far";
    setText(words, `${rest}; here is ${part}, standing still.`);
  }

  button.addEventListener("click", () => setFollow(!keeper.follows));
  select.addEventListener("change", () => (keeper.isDirty = true));
  document.addEventListener("clocklab-theme", () => keeper.handle?.setTheme(theme()));

  /** Once a frame. */
  keeper.frame = (now) => {
    if (store.newest === null || store.start === null || store.more) return;
    if (!keeper.follows) return;
    if (wasMoved()) {
      setFollow(false);
      return;
    }
    const chosen = Number(select.value) * 1e6;
    const isDue = keeper.isDirty && now - updated >= Math.max(UPDATE_MS, cost / UPDATE_PART);
    if (isDue) {
      spanUs = chosen || autoSpan();
      const until = edge();
      const from = leftOf(until);
      const unshown = store.unshown;
      store.unshown = null;
      update(from - spanUs * 0.02, until + AHEAD_US);
      if (keeper.handle.state.axis === "time") look(from, until);
      else looks = false;
      if (unshown !== null && unshown >= seenSince) wasAt.push([now, nowUs() - unshown]);
      wasAt = wasAt.filter(([at]) => now - at < 1000);
      keeper.behind = wasAt.length > 0 ? Math.max(...wasAt.map(([, us]) => us)) : null;
      return;
    }
    const glides = !calm.matches && !store.ended && keeper.handle && now - glided >= GLIDE_MS;
    if (!glides || !looks || keeper.handle.state.axis !== "time" || keeper.handle.state.drawMs > GLIDE_COST_MS) return;
    glided = now;
    const until = Math.min(nowUs(), store.start + keeper.handle.state.view[1] + AHEAD_US);
    look(leftOf(until), until);
  };

  /** Stands still, with one event pinned, on the stretch given. Whether the event is still kept. */
  keeper.point = (name, from, until) => {
    setFollow(false);
    const { handle } = keeper;
    if (!handle) return false;
    for (const pinned of handle.state.pinned) handle.pin(pinned);
    try {
      handle.pin(name);
    } catch {
      return false;
    }
    if (handle.state.axis === "time") handle.look(from - store.start, until - store.start);
    element.scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
    return true;
  };

  /** The run has ended, or begun anew. */
  keeper.ended = () => {
    if (keeper.follows) setFollow(false);
  };
  keeper.begun = () => setFollow(true);
  return keeper;
}
