// The interactive figures, drawn with uPlot from the data that data.rs describes.
//
// Figures over time share their x axis: zooming one zooms all, and the cursor of one shows in all. The two
// histograms stand for themselves. Everything is built anew when the theme or the machines shown change, which
// takes some milliseconds and leaves nothing of the old colours behind.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("figures-data").textContent);
  const HEIGHT = 260;

  const number = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : String(+value.toPrecision(3)));
  function duration(us) {
    if (us === 0) return "0";
    if (us < 1000) return `${number(us)} µs`;
    return us < 1e6 ? `${number(us / 1000)} ms` : `${number(us / 1e6)} s`;
  }
  const seconds = (value) => duration(value * 1e6);

  // What each figure over time shows.
  const LINES = {
    clock: { unit: "clock", show: number, empty: "No machine has an event." },
    drift: { unit: "clock steps", show: number, empty: "No machine has an event." },
    queue: { unit: "messages waiting", show: number, stepped: true, empty: "No machine has an event." },
    tick_error_us: {
      unit: "late", show: duration, logarithmic: true,
      empty: "No tick has a deadline: these logs say no rate, or no phase.",
    },
    age_s: { unit: "age", show: seconds, empty: "No message was taken whose send is in these logs." },
    waited_s: {
      unit: "time in the queue", show: seconds,
      empty: "These logs do not say when messages arrived (no waited_us), or none was taken.",
    },
  };

  const bound = (index) => (index < data.lateness_bounds_us.length ? `< ${duration(data.lateness_bounds_us[index])}` : "≥ 1 s");
  const BARS = {
    jumps: {
      unit: "% of events", of: "jump",
      name: (size) => (size >= data.jump_max ? `${size} +` : String(size)),
      empty: "No machine has an event.",
    },
    lateness: {
      unit: "% of ticks", of: "late", name: bound,
      empty: "No tick has a deadline: these logs say no rate, or no phase.",
    },
  };

  const shown = data.machines.map((machine) => machine.shown);
  const window_ = { min: 0, max: Math.max(data.seconds, 0.1) };
  const whole = { ...window_ };
  let plots = new Map();
  let building = false;

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = (place) => css(`--line-${data.machines[place].colour}`);
  const label = (machine) => `machine ${machine.machine}`;

  function axis(unit, extra) {
    return {
      stroke: css("--ink"), label: unit, labelSize: 20, labelFont: "12px system-ui, sans-serif",
      font: "12px system-ui, sans-serif",
      grid: { stroke: css("--grid"), width: 1 }, ticks: { stroke: css("--grid"), width: 1 }, ...extra,
    };
  }

  function series(machine, place, extra) {
    return {
      label: label(machine), stroke: colour(place), width: 2, dash: machine.dashes, show: shown[place],
      points: { size: 5, fill: colour(place) }, ...extra,
    };
  }

  // The index of the last value at or before `index`, else of the first one: what held at that moment.
  function held(places, index) {
    let [low, high] = [0, places.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (places[middle] <= index) low = middle + 1;
      else high = middle;
    }
    return places.length ? places[Math.max(low - 1, 0)] : null;
  }

  function size(element) {
    return { width: Math.max(element.clientWidth, 240), height: HEIGHT };
  }

  function lines(name, element) {
    const { unit, show, stepped, logarithmic } = LINES[name];
    const tables = data.machines.map(({ [name]: [xs, ys] }) => [apart(xs), logarithmic ? ys.map((y) => Math.max(y, 1)) : ys]);
    // The whole run in every figure, whenever its first and last points are.
    const joined = uPlot.join([[[0, data.seconds]], ...tables]);
    const places = joined.slice(1).map((ys) => ys.flatMap((y, index) => (y == null ? [] : [index])));
    const plot = new uPlot({
      ...size(element),
      cursor: {
        sync: { key: "clocklab-run", scales: ["x", null], setSeries: false, filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } },
        drag: { x: true, y: false }, focus: { prox: 12 },
        dataIdx: (_, at, index, x) => (at === 0 ? index : held(places[at - 1], joined[0][index] > x ? index - 1 : index)),
      },
      focus: { alpha: 0.35 },
      legend: { live: true },
      scales: {
        x: { time: false, range: (_, min, max) => (min == null ? [whole.min, whole.max] : [min, max]) },
        y: logarithmic ? { distr: 3 } : { range: range(name !== "clock") },
      },
      axes: [
        axis("seconds since the start"),
        axis(unit, {
          size: logarithmic || name.endsWith("_s") ? 72 : 56,
          values: (_, splits) => splits.map((split) => (split == null ? "" : show(split))),
        }),
      ],
      series: [
        { label: "at", value: (self) => (self.cursor.left >= 0 ? `${self.posToVal(self.cursor.left, "x").toFixed(3)} s` : "–") },
        ...data.machines.map((machine, place) => series(machine, place, {
          value: (_, value) => (value == null ? "–" : show(value)),
          paths: stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
        })),
      ],
      hooks: { setScale: [(self, key) => key === "x" && !building && zoom(self.scales.x.min, self.scales.x.max)] },
    }, joined, element);
    plot.setScale("x", { min: window_.min, max: window_.max });
    return plot;
  }

  // uPlot knows one value a moment. Of two at the same, before and after an event, the first comes half a rounding
  // step earlier.
  function apart(xs) {
    return xs.map((x, index) => (x === xs[index + 1] ? x - 5e-5 : x));
  }

  function range(fromZero) {
    return (_, min, max) => {
      if (min == null) return [0, 1];
      const low = fromZero ? Math.min(min, 0) : min;
      const room = (max - low || 1) * 0.05;
      return [fromZero ? low : Math.max(low - room, Math.min(low, 0)), max + room];
    };
  }

  // All figures over time show the same stretch of it.
  function zoom(min, max) {
    if (min === window_.min && max === window_.max) return;
    building = true;
    Object.assign(window_, { min, max });
    for (const [name, plot] of plots) {
      if (name in LINES && (plot.scales.x.min !== min || plot.scales.x.max !== max)) plot.setScale("x", { min, max });
    }
    // uPlot changes scales in a microtask.
    queueMicrotask(() => queueMicrotask(() => { building = false; }));
  }

  function bars(name, element) {
    const { unit, of, name: nameOf } = BARS[name];
    const at = data.machines.flatMap((_, place) => (shown[place] ? [place] : []));
    const width = 0.8 / Math.max(at.length, 1);
    const shares = at.map((place, order) => {
      const counts = data.machines[place][name];
      const all = counts.reduce((sum, [, count]) => sum + count, 0) || 1;
      const x = (order - (at.length - 1) / 2) * width;
      return [counts.map(([size]) => size + x), counts.map(([, count]) => (100 * count) / all)];
    });
    const classes = at.flatMap((place) => data.machines[place][name].map(([size]) => size));
    if (!classes.length) return null;
    const [first, last] = [Math.min(...classes), Math.max(...classes, name === "jumps" ? 5 : 0)];
    const joined = uPlot.join(shares);
    // Where each machine's bar of a class lies among the joined values.
    const places = joined.slice(1).map((ys) => new Map(ys.flatMap((y, index) => (y == null ? [] : [[Math.round(joined[0][index]), index]]))));
    return new uPlot({
      ...size(element),
      cursor: {
        y: false, drag: { x: false, y: false }, points: { show: false },
        dataIdx: (self, series, index) => (series === 0 ? index : places[series - 1].get(Math.round(self.posToVal(self.cursor.left, "x"))) ?? null),
      },
      legend: { live: true },
      scales: {
        x: { time: false, range: [first - 0.5, last + 0.5] },
        y: { range: (_, __, max) => [0, Math.min((max || 1) * 1.05, 100)] },
      },
      axes: [
        axis(of === "late" ? "late, less than" : "clock steps", {
          splits: () => Array.from({ length: last - first + 1 }, (_, index) => first + index),
          values: (self, splits) => {
            const each = Math.ceil((splits.length * (of === "late" ? 52 : 26)) / self.width);
            return splits.map((split, index) => (index % each ? "" : nameOf(split).replace("< ", "")));
          },
        }),
        axis(unit, { size: 56 }),
      ],
      series: [
        { label: of, value: (self) => (self.cursor.left >= 0 ? nameOf(Math.round(self.posToVal(self.cursor.left, "x"))) : "–") },
        ...at.map((place) => series(data.machines[place], place, {
          fill: colour(place), width: 0, dash: [], points: { show: false },
          paths: barPaths(width * 0.92),
          value: (_, value) => (value == null ? "–" : `${number(value)} %`),
        })),
      ],
    }, joined, element);
  }

  // uPlot's own bars take their width from the distance of a series' values, of which there may be one.
  function barPaths(width) {
    return (self, series, from, to) => {
      const path = new Path2D();
      const bottom = self.valToPos(0, "y", true);
      for (let index = from; index <= to; index++) {
        const y = self.data[series][index];
        if (y == null) continue;
        const x = self.data[0][index];
        const left = self.valToPos(x - width / 2, "x", true);
        const top = self.valToPos(y, "y", true);
        path.rect(left, top, self.valToPos(x + width / 2, "x", true) - left, bottom - top);
      }
      return { stroke: null, fill: path, clip: null, band: null, gaps: null, flags: 1 };
    };
  }

  function build() {
    building = true;
    for (const plot of plots.values()) plot.destroy();
    plots = new Map();
    for (const figure of document.querySelectorAll("[data-figure]")) {
      const name = figure.dataset.figure;
      const element = figure.querySelector(".plot");
      element.replaceChildren();
      const has = data.machines.some((machine) => (name in LINES ? machine[name][0] : machine[name]).length);
      const plot = has ? (name in LINES ? lines(name, element) : bars(name, element)) : null;
      if (plot) {
        plots.set(name, plot);
      } else {
        const words = document.createElement("p");
        words.className = "empty";
        words.textContent = has ? "No machine is chosen that has a value here." : (LINES[name] ?? BARS[name]).empty;
        element.append(words);
      }
    }
    setTimeout(() => { building = false; });
  }

  // A button a machine, and one for all of them.
  function buttons() {
    const group = document.getElementById("machines");
    const all = data.machines.map((machine, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.innerHTML = `<svg class="sample" viewBox="0 0 26 8" width="26" height="8" aria-hidden="true"><path d="M0 4H26" stroke="var(--line-${machine.colour})" stroke-dasharray="${machine.dashes.join(" ")}"/></svg>`;
      button.append(label(machine) + (machine.rate == null ? "" : `, ${machine.rate}/s`));
      button.addEventListener("click", () => { shown[place] = !shown[place]; change(); });
      return button;
    });
    const every = document.createElement("button");
    every.type = "button";
    every.addEventListener("click", () => { shown.fill(!shown.every(Boolean)); change(); });
    function change() {
      tell();
      build();
    }
    function tell() {
      all.forEach((button, place) => button.setAttribute("aria-pressed", String(shown[place])));
      every.textContent = shown.every(Boolean) ? "none" : "all";
    }
    tell();
    group.replaceChildren(...all, every);
  }

  // Arrows, + and −, 0, in the figure that has the focus.
  function keys(event) {
    const plot = plots.get(event.currentTarget.closest("[data-figure]").dataset.figure);
    if (!plot || event.ctrlKey || event.metaKey || event.altKey) return;
    const width = plot.over.clientWidth;
    const step = event.shiftKey ? width / 10 : width / 100;
    const left = plot.cursor.left >= 0 ? plot.cursor.left : width / 2;
    const move = (to) => plot.setCursor({ left: Math.min(Math.max(to, 0), width - 1), top: plot.over.clientHeight / 2 }, true, true);
    const isTime = event.currentTarget.closest("[data-figure]").dataset.figure in LINES;
    const around = (factor) => {
      const [middle, half] = [plot.posToVal(left, "x"), ((window_.max - window_.min) * factor) / 2];
      zoom(Math.max(middle - half, whole.min), Math.min(middle + half, whole.max));
    };
    const actions = {
      ArrowLeft: () => move(left - step), ArrowRight: () => move(left + step),
      Home: () => move(0), End: () => move(width - 1),
      ...(isTime && { "+": () => around(0.5), "-": () => around(2), 0: () => zoom(whole.min, whole.max) }),
    };
    if (!(event.key in actions)) return;
    actions[event.key]();
    event.preventDefault();
  }

  buttons();
  build();
  document.addEventListener("clocklab-theme", build);
  for (const element of document.querySelectorAll("[data-figure] .plot")) {
    element.addEventListener("keydown", keys);
    // Only the width: a legend that wraps changes the height and nothing else.
    let width = element.clientWidth;
    new ResizeObserver(() => {
      const plot = plots.get(element.closest("[data-figure]").dataset.figure);
      if (plot && element.clientWidth !== width) plot.setSize(size(element));
      width = element.clientWidth;
    }).observe(element);
  }

  // What tests may look at.
  window.clocklabFigures = {
    names: () => [...plots.keys()],
    lines: (name) => plots.get(name).series.slice(1).filter((one) => one.show).map((one) => one.label),
    legend: (name) => [...plots.get(name).root.querySelectorAll(".u-series:not(.u-off)")].map((row) => row.textContent),
    window: (name) => [plots.get(name).scales.x.min, plots.get(name).scales.x.max],
    background: () => css("--background"),
  };
})();
