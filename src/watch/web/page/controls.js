// The controls: time in hand, and faults. What they send is text that the command line understands too.

/** How a fault of each kind is put together. */
const KINDS = {
  partition: { words: "Partition: nothing gets through", links: true, fields: ["hold"], lasts: "5s" },
  loss: { words: "Loss: some messages vanish", links: true, fields: ["percent"], percent: "30%", lasts: "10s" },
  delay: { words: "Delay: messages are under way longer", links: true, fields: ["latency", "reorder"], lasts: "10s" },
  duplicate: { words: "Duplicate: some messages come twice", links: true, fields: ["percent"], percent: "20%", lasts: "10s" },
  bandwidth: { words: "Bandwidth: bytes take their time", links: true, fields: ["bytes"], lasts: "10s" },
  kill: { words: "Kill: the process dies, and starts again after", fields: [], lasts: "3s" },
  restart: { words: "Restart: dies and starts again at once", fields: [], lasts: "" },
  pause: { words: "Pause the process: it stands still", fields: [], lasts: "3s" },
  rate: { words: "Rate: ticks a second change", fields: ["rate"], lasts: "10s" },
  jump: { words: "Jump: a clock is moved", fields: ["far"], lasts: "" },
};

/** Machines up to which sides are chosen by boxes. */
const BOXES_MAX = 16;

/** The controls; `send` gives {command} or {fault}, `machine` a number or nothing. */
function makeControls(element, store, send) {
  const button = (text, title, onclick) => el("button", { type: "button", title, onclick }, text);
  const field = (label, input) => el("label", { class: "field" }, `${label} `, input);
  const text = (value, title, size) => el("input", { type: "text", value, title, size, spellcheck: "false", autocomplete: "off" });
  const pause = button("Pause all", "no more ticks by time; messages still arrive", () => send({ command: "pause" }));
  const step = button("Step all", "each paused machine does its next tick", () => send({ command: `step ${steps.value || 1}` }));
  const resume = button("Resume", "ticks by time again", () => send({ command: "resume" }));
  const steps = el("input", { type: "number", min: 1, max: 10000, value: 1, "aria-label": "ticks of a step" });

  const kind = el("select", { id: "kind" }, ...Object.entries(KINDS).map(([key, { words }]) => el("option", { value: key }, words)));
  const inputs = {
    from: text("0", "machines of one side, such as 0,1", 8),
    to: text("1", "machines of the other side, such as 2", 8),
    percent: text("30%", "part of the messages", 5),
    latency: text("uniform:200ms-800ms", "constant:TIME, uniform:TIME-TIME or exponential:MEAN", 18),
    bytes: text("100", "bytes a second", 6),
    rate: text("3", "ticks a second", 4),
    far: text("100", "ticks ahead of the logical clock, such as 100; or of the physical clock, such as 250ms or -2s", 8),
    lasts: text("5s", "such as 5s or 500ms; empty: until it is mended", 5),
    hold: el("input", { type: "checkbox" }),
    reorder: el("input", { type: "checkbox" }),
    machine: el("select", null),
    way: el("select", null, el("option", { value: "/" }, "both ways"), el("option", { value: "to" }, "one way"), el("option", { value: "all" }, "every link")),
  };
  const sides = { from: el("span", { class: "boxes", role: "group", "aria-label": "one side" }), to: el("span", { class: "boxes", role: "group", "aria-label": "the other side" }) };
  const parts = {
    links: el("div", { class: "links" }, field("Direction", inputs.way), el("span", { class: "sides" }, sides.from, el("span", { class: "note" }, "from / to"), sides.to)),
    machine: field("Machine", inputs.machine),
    percent: field("Part", inputs.percent),
    latency: field("How long", inputs.latency),
    reorder: el("label", { class: "field" }, inputs.reorder, " may overtake"),
    hold: el("label", { class: "field" }, inputs.hold, " hold back instead of losing"),
    bytes: field("Bytes a second", inputs.bytes),
    rate: field("Ticks a second", inputs.rate),
    far: field("How far", inputs.far),
  };
  const lasts = field("For", inputs.lasts);
  const preview = el("code", { id: "preview" });
  const inject = button("Break it", "begin this fault", () => send({ fault: faultText() }));
  inject.className = "strong";
  const mend = button("Mend all", "end every fault that can be mended", () => send({ command: "mend all" }));
  const on = el("ul", { class: "on", "aria-label": "Faults that are on" });
  element.replaceChildren(
    el("fieldset", null, el("legend", null, "Time"), pause, el("span", { class: "joined" }, step, steps), resume),
    el("fieldset", null, el("legend", null, "Break"), el("label", { class: "field wide-field" }, el("span", { class: "cl-hidden" }, "Fault"), kind), ...Object.values(parts), lasts, el("p", { class: "preview" }, preview), el("span", { class: "joined" }, inject, mend), on),
  );

  const chosen = (side) => [...sides[side].querySelectorAll("input:checked")].map((box) => box.value).join(",");
  const isBoxed = () => store.allIds().length <= BOXES_MAX;
  const side = (name) => (isBoxed() ? chosen(name) : inputs[name].value.replace(/\s+/g, ""));

  function faultText() {
    const name = kind.value;
    const { links, fields } = KINDS[name];
    const words = [name];
    if (links) words.push(...(inputs.way.value === "all" ? ["all"] : [side("from"), inputs.way.value, side("to")]));
    else words.push(inputs.machine.value);
    for (const key of fields) {
      if (key === "hold" || key === "reorder") words.push(inputs[key].checked ? key : "");
      else words.push(inputs[key].value.trim());
    }
    const time = inputs.lasts.value.trim();
    if (time && !lasts.hidden) words.push("for", time);
    return words.filter(Boolean).join(" ");
  }

  function showPreview() {
    const said = faultText();
    const [fault, time] = said.split(" for ");
    setText(preview, `clocklab fault ${fault}${time ? ` --for ${time}` : ""}`);
    const { links } = KINDS[kind.value];
    const isWhole = !links || inputs.way.value === "all" || (side("from") && side("to"));
    inject.dataset.incomplete = isWhole ? "" : "choose a machine on each side";
    showReasons();
  }

  function showKind() {
    const { links, fields, percent, lasts: time } = KINDS[kind.value];
    parts.links.hidden = !links;
    parts.machine.hidden = Boolean(links);
    for (const key of ["percent", "latency", "reorder", "hold", "bytes", "rate", "far"]) parts[key].hidden = !fields.includes(key);
    if (percent) inputs.percent.value = percent;
    inputs.lasts.value = time;
    lasts.hidden = !time;
    showPreview();
  }

  let shown = "";
  /** Boxes for the machines that there are. */
  function showMachines() {
    const ids = store.allIds().map(String);
    if (shown === ids.join()) return;
    shown = ids.join();
    inputs.machine.replaceChildren(...ids.map((id) => el("option", { value: id }, id)));
    for (const name of ["from", "to"]) {
      const other = name === "from" ? "to" : "from";
      const boxes = ids.map((id) => {
        const isFirst = (name === "to") === (id === ids.at(-1));
        const box = el("input", { type: "checkbox", value: id, checked: isFirst, onchange: () => {
          // A machine stands on one side.
          const twin = [...sides[other].querySelectorAll("input")].find((input) => input.value === id);
          if (box.checked && twin) twin.checked = false;
        } });
        return el("label", { class: "box" }, box, id);
      });
      sides[name].replaceChildren(...(isBoxed() ? boxes : [inputs[name]]));
    }
    showPreview();
  }

  let [why, told] = ["connecting", ""];
  function showReasons() {
    const isPaused = [...store.states.values()].some((state) => state.paused);
    const reasons = [
      [pause, why],
      [step, why ?? (isPaused ? "" : "pause first: steps are for a paused run")],
      [resume, why ?? (isPaused ? "" : "nothing is paused")],
      [steps, why ?? (isPaused ? "" : "pause first")],
      [mend, why],
      [inject, why ?? inject.dataset.incomplete],
      ...[...on.querySelectorAll("button")].map((one) => [one, why]),
    ];
    for (const [control, reason] of reasons) {
      control.disabled = Boolean(reason);
      control.dataset.title ??= control.title;
      control.title = reason || control.dataset.title;
    }
  }

  /** Faults that are on, by number: each machine's log tells its own part. */
  function showFaults() {
    const faults = new Map();
    for (const state of store.states.values()) {
      for (const fault of state.faults) {
        const known = faults.get(fault.id) ?? { text: fault.text, machines: [] };
        known.machines.push(state.id);
        faults.set(fault.id, known);
      }
    }
    const said = JSON.stringify([...faults]);
    if (said === told) return;
    told = said;
    const items = [...faults].sort(([a], [b]) => a - b).map(([id, { text: words, machines: who }]) =>
      el("li", null, el("b", null, `fault ${id}`), ` ${words}, on ${machinesText(who)} `, button("mend", `end fault ${id}`, () => send({ command: `mend ${id}` }))));
    on.replaceChildren(...items);
  }

  element.addEventListener("input", showPreview);
  element.addEventListener("change", showPreview);
  kind.addEventListener("change", showKind);
  showKind();
  return (reason) => {
    why = reason;
    showMachines();
    showFaults();
    showReasons();
  };
}
