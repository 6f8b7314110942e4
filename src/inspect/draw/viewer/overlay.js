// Above the base: highlight, chain, pins, what a search found, labels and axis. And the strip with the whole run.

/** Past, future and concurrent of an event, told apart by colour and by form. */
function paintHighlight(context, scene, colours, borders, show) {
  const { model } = scene;
  const [first, end] = scene.rowsInView();
  context.save();
  clipToLanes(context, scene);
  for (let row = first; row < end; row++) paintStretches(context, scene, colours, borders, row);
  if (show.messages) paintRelated(context, scene, colours, borders, show);
  const radius = markRadius(scene);
  for (let row = first; row < end; row++) {
    if (scene.isDense(row)) continue;
    const [from, until] = scene.rangeOf(row);
    for (let event = from; event < until; event++) {
      if (!show.internal && model.kind[event] === INTERNAL && event !== borders.event) continue;
      const relation = relationTo(model, borders, event);
      if (relation !== "same") paintMark(context, scene, colours, event, colours[relation], radius, relation);
    }
  }
  context.restore();
}

/** A line's past thick, its future thick and dashed, what is concurrent thin. */
function paintStretches(context, scene, colours, borders, row) {
  const { start, end } = scene.model.rows[row];
  const y = scene.yOf(row);
  const [from, until] = lineEnds(scene, row);
  const within = (x) => Math.min(Math.max(x, from), until);
  const past = borders.past[row] >= start ? within(scene.xOf(borders.past[row])) : from;
  const future = borders.future[row] < end ? within(scene.xOf(borders.future[row])) : until;
  stroke(context, past, future, y, colours.concurrent, 1.5, []);
  stroke(context, from, past, y, colours.past, 4, []);
  stroke(context, future, until, y, colours.future, 4, [7, 3]);
}

function paintRelated(context, scene, colours, borders, show) {
  const { model } = scene;
  const found = scene.messagesInView(MESSAGES_DRAWN_MAX);
  if (found.length > MESSAGES_DRAWN_MAX) return;
  const groups = { concurrent: [], past: [], future: [] };
  for (const message of found) {
    const receive = model.messages.receive[message];
    const sent = relationTo(model, borders, model.messages.send[message]);
    const taken = receive < 0 ? "none" : relationTo(model, borders, receive);
    if (taken === "past" || taken === "same") groups.past.push(message);
    else if (sent === "future" || sent === "same") groups.future.push(message);
    else groups.concurrent.push(message);
  }
  for (const [relation, group] of Object.entries(groups)) {
    context.strokeStyle = context.fillStyle = colours[relation];
    context.lineWidth = relation === "concurrent" ? 0.8 : 1.9;
    context.globalAlpha = relation === "concurrent" ? 0.35 : 1;
    paintGroup(context, scene, colours, group, true, show.queues);
  }
  context.globalAlpha = 1;
}

/** A ring around an event; a second one for the second of two pins. */
function paintRing(context, scene, colours, event, isSecond) {
  const [x, y] = [scene.xOf(event), scene.yOf(scene.model.row[event])];
  if (x < scene.left - 8 || x > scene.right + 8 || y > scene.bottom) return;
  const radius = Math.max(3, markRadius(scene));
  context.fillStyle = colours.ground;
  context.strokeStyle = colours.ink;
  context.lineWidth = 2.2;
  for (const size of isSecond ? [radius + 7, radius + 4] : [radius + 4]) {
    context.beginPath();
    context.arc(x, y, size, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
  }
  paintMark(context, scene, colours, event, colours.ink, radius, "same");
  const name = nameOf(scene.model, event);
  context.font = `600 12px ${colours.font}`;
  context.textAlign = "center";
  context.lineJoin = "round";
  context.strokeStyle = colours.ground;
  context.lineWidth = 4;
  const above = y - radius - 12 > 14 ? y - radius - 12 : y + radius + 20;
  const width = context.measureText(name).width / 2;
  const middle = Math.min(Math.max(x, width + 2), scene.width - width - 2);
  context.strokeText(name, middle, above);
  context.fillStyle = colours.ink;
  context.fillText(name, middle, above);
}

/** The chain between two pinned events: along lines and arrows. */
function paintChain(context, scene, colours, from, chain) {
  const { model } = scene;
  context.save();
  clipToLanes(context, scene);
  context.strokeStyle = colours.ink;
  context.lineWidth = 3;
  context.lineJoin = "round";
  context.beginPath();
  context.moveTo(scene.xOf(from), scene.yOf(model.row[from]));
  for (const [send, receive] of chain.hops) {
    context.lineTo(scene.xOf(send), scene.yOf(model.row[send]));
    const message = messageBetween(model, send, receive);
    if (message >= 0) context.lineTo(scene.arrivalX(message), scene.yOf(model.row[receive]));
    context.lineTo(scene.xOf(receive), scene.yOf(model.row[receive]));
  }
  context.lineTo(scene.xOf(chain.end), scene.yOf(model.row[chain.end]));
  context.stroke();
  context.restore();
}

/** What a search found: a flag above each event. */
function paintFound(context, scene, colours, found) {
  const { model } = scene;
  context.fillStyle = colours.found;
  context.beginPath();
  let [column, row] = [-1, -1];
  for (const event of found) {
    const x = scene.xOf(event);
    if (x < scene.left - 4 || x > scene.right + 4) continue;
    // Many in one pixel are one flag.
    if (Math.floor(x) === column && model.row[event] === row) continue;
    [column, row] = [Math.floor(x), model.row[event]];
    traceTriangle(context, x, scene.yOf(row) - 7, 0, 1, 9);
  }
  context.fill();
}

/** Labels of rows and of the axis. */
function paintFrame(context, scene, colours) {
  const { model, left, bottom, width } = scene;
  context.textAlign = "left";
  context.save();
  context.beginPath();
  context.rect(0, 0, left - 6, bottom);
  context.clip();
  const [first, end] = scene.rowsInView();
  const narrow = left < 100;
  for (let place = first; place < end; place++) {
    const row = model.rows[place];
    const y = scene.yOf(place);
    context.fillStyle = colours.rows[place % colours.rows.length];
    context.fillRect(8, y - 7, 5, 14);
    const facts = [row.rate === null ? "" : `${row.rate}/s`, row.queueMax > 0 ? `queue ≤ ${row.queueMax}` : ""];
    if (row.start === row.end) facts.push("no events");
    const text = facts.filter(Boolean).join(", ");
    const two = scene.laneHeight > 42 && !narrow && text;
    context.fillStyle = colours.ink;
    context.font = `${narrow ? 12 : 13}px ${colours.font}`;
    context.fillText(fitted(context, narrow ? row.name : row.label, left - 30), 19, two ? y - 2 : y + 4.5);
    if (!two) continue;
    context.fillStyle = colours.soft;
    context.font = `11px ${colours.font}`;
    context.fillText(fitted(context, text, left - 26), 19, y + 13);
  }
  context.restore();
  paintAxisLabels(context, scene, colours, width);
}

/** A text cut to a width. No label has room for more than a hundred characters, however long a host's name is. */
function fitted(context, text, width) {
  const characters = [...text.slice(0, 200)].slice(0, 100);
  if (characters.join("") === text && context.measureText(text).width <= width) return text;
  while (characters.length > 1 && context.measureText(`${characters.join("")}…`).width > width) characters.pop();
  return `${characters.join("")}…`;
}

function paintAxisLabels(context, scene, colours, width) {
  const { left, right, bottom, axis, model } = scene;
  context.strokeStyle = colours.soft;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(left - 6, bottom + 0.5);
  context.lineTo(right + 6, bottom + 0.5);
  context.stroke();
  context.fillStyle = colours.soft;
  context.font = `12px ${colours.font}`;
  context.textAlign = "center";
  let free = 0;
  for (const tick of axisTicks(scene)) {
    const half = context.measureText(tick.label).width / 2;
    const x = Math.min(scene.toX(tick.value), width - half - 2);
    if (x - half < free) continue;
    free = x + half + 8;
    context.fillText(tick.label, x, bottom + 18);
  }
  const names = {
    time: "seconds since the start",
    clock: model.data.clocks ? "logical clock" : "Lamport's clock, computed from the messages",
  };
  context.fillStyle = colours.ink;
  context.fillText(names[axis.name], (left + right) / 2, bottom + 34);
}

/** The strip: events of each row over the whole axis. Painted once for a size and an axis. */
function paintOverview(context, scene, colours, width, height) {
  const { model, axis } = scene;
  context.clearRect(0, 0, width, height);
  const lane = (height - 6) / Math.max(1, model.rows.length);
  const bins = Math.max(1, Math.floor(width - 16));
  const counts = new Uint32Array(bins);
  const scale = bins / (axis.max - axis.min);
  model.rows.forEach((row, place) => {
    counts.fill(0);
    let most = 1;
    for (let event = row.start; event < row.end; event++) {
      const bin = Math.min(bins - 1, Math.max(0, Math.floor((axis.x[event] - axis.min) * scale)));
      if (++counts[bin] > most) most = counts[bin];
    }
    context.fillStyle = colours.rows[place % colours.rows.length];
    context.globalAlpha = 0.75;
    const bottom = 3 + (place + 1) * lane;
    for (let bin = 0; bin < bins; bin++) {
      if (counts[bin] === 0) continue;
      const part = Math.max(1, (lane - Math.min(2, lane / 4)) * (0.3 + (0.7 * counts[bin]) / most));
      context.fillRect(8 + bin, bottom - part, 1, part);
    }
  });
  context.globalAlpha = 1;
}
