// What stands around the diagram: the head's numbers, a row a machine, and the list of faults and commands.

/** Queue lengths that a sparkline shows, and how often one is taken, in milliseconds. */
const SPARKS = 60;
const SPARK_MS = 250;

/** Entries of the list that are kept. */
const LOG_MAX = 300;

/** Remarks of several machines that say the same within this are one, in microseconds. */
const SAME_US = 500_000;

/** A machine's state in words, and how it is shown: good, bad, held or plain. */
function stateOf(state, store) {
  if (state.ended) return [`ended: ${state.ended}`, "plain"];
  if (state.down) return [state.down, "bad"];
  if (state.paused) return ["paused", "held"];
  const lost = state.lost.length > 0 ? `, link to ${state.lost.join(", ")} lost` : "";
  const faults = state.faults.length > 0 ? `, ${state.faults.map((fault) => fault.text).join(", ")}` : "";
  if (lost || faults) return [`running${lost}${faults}`, "bad"];
  return [store.machines > store.states.size ? "started" : "running", "good"];
}

/** The table of machines. `step` is called with a machine's id. */
function makeTable(element, step) {
  const head = ["Machine", "State", "Clock", "Drift", "Rate", "Queue", "", "Life", ""];
  const titles = {
    Clock: "Lamport's clock after the last event",
    Drift: "clock steps behind the foremost clock of the run",
    Rate: "ticks a second",
    Queue: "messages waiting behind the last event, and sent since",
    Life: "1, and one more for each restart",
  };
  const body = el("tbody");
  const cells = head.map((text) => el("th", { scope: "col", title: titles[text] }, text || el("span", { class: "cl-hidden" }, "actions")));
  cells[6].replaceChildren(el("span", { class: "cl-hidden" }, "Queue over the last seconds"));
  element.replaceChildren(el("table", { class: "lanes" }, el("thead", null, el("tr", null, ...cells)), body));
  const rows = new Map();

  function makeRow(id) {
    const row = {
      state: el("td", { class: "state" }),
      clock: el("td"),
      drift: el("td"),
      rate: el("td"),
      queue: el("b"),
      bar: el("span"),
      life: el("td", { class: "life" }),
      step: el("button", { type: "button", onclick: () => step(id), title: `one tick of machine ${id}` }, "step"),
      spark: makeSpark(SPARKS, 4, `line-${id % 8}`),
    };
    const meter = el("span", { class: "bar", "aria-hidden": "true" }, row.bar);
    const place = id % 8;
    const name = el("th", { scope: "row" }, el("span", { class: `key line-${place}`, "aria-hidden": "true" }), String(id));
    row.bar.className = `line-${place}`;
    row.element = el("tr", { "data-machine": id }, name, row.state, row.clock, row.drift, row.rate, el("td", { class: "queue" }, row.queue, meter), el("td", { class: "spark" }, row.spark.element), row.life, el("td", null, row.step));
    return row;
  }

  let sparked = 0;
  return (store, now, mayStep) => {
    const ids = store.ids();
    const states = ids.map((id) => store.states.get(id)).filter(Boolean);
    const foremost = Math.max(0, ...states.map((state) => state.clock));
    const longest = Math.max(5, ...states.map((state) => state.queue));
    const isSpark = now - sparked >= SPARK_MS;
    if (isSpark) sparked = now;
    for (const [id, row] of rows) {
      if (store.states.has(id)) continue;
      row.element.remove();
      rows.delete(id);
    }
    for (const state of states) {
      if (!rows.has(state.id)) {
        rows.set(state.id, makeRow(state.id));
        const ordered = [...rows.keys()].sort((a, b) => a - b);
        arrange(body, ordered.map((id) => rows.get(id).element));
      }
      const row = rows.get(state.id);
      const [text, mood] = stateOf(state, store);
      setText(row.state, text);
      row.state.dataset.mood = mood;
      row.state.title = text;
      setText(row.clock, whole(state.clock));
      row.clock.title = state.vector ? `vector ${state.vector.join(", ")}` : state.hybrid ? `hybrid ${state.hybrid}` : "";
      setText(row.drift, foremost > state.clock ? whole(foremost - state.clock) : "0");
      const speed = state.speed === 1 ? "" : ` × ${state.speed}`;
      setText(row.rate, state.rate === null ? "–" : `${state.rate}/s${speed}`);
      setText(row.queue, whole(state.queue));
      row.bar.style.width = `${(state.queue / longest) * 100}%`;
      setText(row.life, String(state.incarnation));
      row.life.classList.toggle("again", state.incarnation > 1);
      row.step.disabled = !(mayStep && state.paused);
      if (isSpark) row.spark.add(state.queue);
    }
  };
}

/** The list of what was done to the run, newest first. */
function makeLog(element, store) {
  const add = (at, who, text, kind) => {
    const time = at === null || store.start === null ? "" : `${((at - store.start) / 1e6).toFixed(2)} s`;
    element.prepend(el("li", { "data-kind": kind }, el("time", null, time), el("b", null, who), el("span", null, text)));
    while (element.children.length > LOG_MAX) element.lastElementChild.remove();
  };
  return {
    clear: () => element.replaceChildren(),
    /** What logs say, in the order of time; what several say at nearly the same moment is said once. */
    remarks(remarks) {
      const groups = [];
      for (const remark of [...remarks].sort((a, b) => a.at - b.at)) {
        const same = groups.find((group) => group.text === remark.text && group.what === remark.what && remark.at - group.at < SAME_US);
        if (same && !same.machines.includes(remark.machine)) same.machines.push(remark.machine);
        else groups.push({ ...remark, machines: [remark.machine] });
      }
      for (const { at, machines, text, what } of groups) add(at, machinesText(machines), text, what);
    },
    command: (at, text) => add(at, "you", text, "command"),
    answer: (at, who, text, accepted) => add(at, who, text, accepted ? "accepted" : "refused"),
  };
}
