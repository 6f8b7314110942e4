// Injected faults: a shade over the lane of the machine that they are on, with a line and its words where each begins.

/** Parts of a lane's height that the shade takes above and beneath the line. */
const FAULT_ABOVE = 0.56;
const FAULT_BENEATH = 0.22;

/** Pixels from one line of words to the next. */
const FAULT_WORDS_HEIGHT = 12;

/** The faults of a row that are in view, with the pixels where each begins and ends: only against time. */
function faultsInView(scene, row) {
  if (scene.axis.name !== "time" || scene.moving) return [];
  const { faults, ended } = scene.model.rows[row];
  const { from, until } = scene.view;
  const last = ended ?? until;
  return faults
    .map((fault) => ({ ...fault, until: fault.until ?? last }))
    .filter((fault) => fault.from <= until && fault.until >= from)
    .map((fault) => ({ ...fault, x: scene.toX(fault.from), end: Math.max(scene.toX(fault.until), scene.toX(fault.from)) }));
}

/** The faults of a row, beneath everything else on it. */
function paintFaults(context, scene, row, colours) {
  const faults = faultsInView(scene, row);
  if (faults.length === 0) return;
  const y = scene.yOf(row);
  const top = y - scene.laneHeight * FAULT_ABOVE;
  const height = scene.laneHeight * (FAULT_ABOVE + FAULT_BENEATH);
  const ends = [];
  context.font = `10.5px ${colours.font}`;
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  context.fillStyle = context.strokeStyle = colours.bad;
  context.lineWidth = 1;
  for (const { x, end, text } of faults) {
    context.globalAlpha = 0.07;
    context.fillRect(x, top, end - x, height);
    context.globalAlpha = 0.8;
    context.beginPath();
    context.moveTo(x, top);
    context.lineTo(x, top + height);
    context.stroke();
    context.globalAlpha = 1;
    // Words of a fault that began before the view stand at its edge.
    const start = Math.max(x, scene.left) + 3;
    let place = ends.findIndex((taken) => taken < start);
    if (place < 0) place = ends.length;
    const base = top + FAULT_WORDS_HEIGHT * (place + 1) - 3;
    if (base > y - 6) continue;
    ends[place] = start + context.measureText(text).width + 8;
    context.fillText(text, start, base);
  }
  context.globalAlpha = 1;
}

/** A flash of lightning around a point: what a fault lost. */
function traceFlash(context, x, y, r) {
  const corners = [[0.5, -1.5], [-0.9, 0.25], [-0.1, 0.25], [-0.5, 1.5], [0.9, -0.25], [0.1, -0.25]];
  corners.forEach(([dx, dy], place) => {
    if (place === 0) context.moveTo(x + dx * r, y + dy * r);
    else context.lineTo(x + dx * r, y + dy * r);
  });
  context.closePath();
}
