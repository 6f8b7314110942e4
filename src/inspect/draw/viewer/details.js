// The panel beside the diagram: the selected event as a table, its messages, and the order of two pinned ones.

/** Messages of one event that the panel lists. */
const MESSAGES_LISTED_MAX = 12;

/** Hops of a chain that the panel lists. */
const HOPS_LISTED_MAX = 40;

/** An element with attributes and children; texts become text, never markup. */
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function timeText(model, at) {
  return model.data.times ? `${(at / 1e6).toFixed(6)} s` : "not in the log";
}

/** A button that goes to an event. */
function eventLink(model, event, go) {
  const name = nameOf(model, event);
  if (event >= model.count) return make("span", { class: "cl-name", title: "outside of what is shown" }, name);
  return make("button", { type: "button", class: "cl-name", onclick: () => go(event) }, name);
}

function tableRow(table, head, ...cells) {
  table.append(make("tr", null, make("th", { scope: "row" }, head), make("td", null, ...cells)));
}

/** The table of an event, which is also the diagram's alternative in text. */
function eventTable(model, borders, event, go) {
  const row = model.rows[model.row[event]];
  const table = make("table", { class: "cl-table" });
  table.append(make("caption", null, `${nameOf(model, event)}: ${kindWord(model, event)}`));
  tableRow(table, "Machine", row.rate === null ? row.name : `${row.name}, ${row.rate} ticks/s`);
  tableRow(table, "Time", timeText(model, model.at[event]));
  tableRow(table, "Clock", `${model.clock[event]}`);
  if (!model.data.clocks) tableRow(table, "Lamport", `${model.position[event]}, computed`);
  if (model.queue[event] >= 0) tableRow(table, "Queue", `${model.queue[event]} waiting behind it`);
  tableRow(table, "Log", `${row.file}:${model.line[event]}`);
  const text = textOf(model, event);
  if (text) tableRow(table, "Text", text);
  const { past, future, concurrent } = borders.counts;
  tableRow(table, "Past", make("b", { class: "cl-past" }, thousands(past)), " events");
  tableRow(table, "Future", make("b", { class: "cl-future" }, thousands(future)), " events");
  tableRow(table, "Concurrent", make("b", { class: "cl-concurrent" }, thousands(concurrent)), " events");
  const sent = messagesOf(model.messages.bySend, event);
  const taken = messagesOf(model.messages.byReceive, event);
  for (const message of taken.subarray(0, MESSAGES_LISTED_MAX)) messageRow(table, model, message, "Takes", go);
  for (const message of sent.subarray(0, MESSAGES_LISTED_MAX)) messageRow(table, model, message, "Sends", go);
  const more = Math.max(0, sent.length - MESSAGES_LISTED_MAX) + Math.max(0, taken.length - MESSAGES_LISTED_MAX);
  if (more > 0) tableRow(table, "", `and ${more} more messages`);
  return table;
}

/** A message's three moments. */
function messageRow(table, model, message, head, go) {
  const { messages } = model;
  const [send, receive, waited] = [messages.send[message], messages.receive[message], messages.waited[message]];
  const to = model.rows[messages.to[message]];
  if (receive < 0) {
    const became = {
      w: "waits in the queue at the end; its arrival is not logged",
      d: "dropped: the link was down",
      l: "lost by an injected fault",
      u: "what became of it is not in the logs",
    }[String.fromCharCode(messages.fate[message])];
    tableRow(table, head, `to ${to.label}: ${became}`);
    return;
  }
  const moments = make("ol", { class: "cl-moments" });
  const step = (...content) => moments.append(make("li", null, ...content));
  const hasTimes = model.data.times;
  step("sent ", eventLink(model, send, go), hasTimes ? ` at ${timeText(model, model.at[send])}` : "");
  if (hasTimes && waited >= 0) {
    const transit = model.at[receive] - waited - model.at[send];
    step(`arrived ${transit < 0 ? `${duration(-transit)} before (clocks differ)` : `${duration(transit)} later`}`);
    step("taken ", eventLink(model, receive, go), ` after ${duration(waited)} in the queue`);
  } else {
    step("taken ", eventLink(model, receive, go), hasTimes ? ` at ${timeText(model, model.at[receive])}` : "");
  }
  tableRow(table, head, moments);
}

/** The order of two pinned events, with the chain that proves it. */
function orderOf(model, causality, first, second) {
  const borders = bordersOf(causality, first);
  const relation = relationTo(model, borders, second);
  const [a, b] = relation === "past" ? [second, first] : [first, second];
  return { relation, a, b, chain: relation === "concurrent" ? null : chainOf(causality, a, b) };
}

function orderPanel(model, order, go) {
  const { relation, a, b, chain } = order;
  const panel = make("section", { class: "cl-order" });
  if (relation === "concurrent" || !chain) {
    panel.append(
      make("h3", null, eventLink(model, a, go), " and ", eventLink(model, b, go), " are concurrent"),
      make("p", null, "No chain of events and messages leads from either to the other."),
    );
    return panel;
  }
  panel.append(make("h3", null, eventLink(model, a, go), " happened before ", eventLink(model, b, go)));
  const list = make("ol", { class: "cl-chain" });
  let at = a;
  for (const [send, receive] of chain.hops.slice(0, HOPS_LISTED_MAX)) {
    const way = make("li", null);
    if (send !== at) way.append("along ", `${model.rows[model.row[send]].label} to `, eventLink(model, send, go), "; ");
    way.append(messageBetween(model, send, receive) >= 0 ? "message to " : "through what is not shown to ", eventLink(model, receive, go));
    list.append(way);
    at = receive;
  }
  if (chain.hops.length > HOPS_LISTED_MAX) {
    list.append(make("li", null, `… ${chain.hops.length - HOPS_LISTED_MAX} more messages …`));
  } else if (at !== b) {
    list.append(make("li", null, `along ${model.rows[model.row[b]].label} to `, eventLink(model, b, go)));
  }
  const count = chain.hops.length;
  panel.append(make("p", null, `The shortest proof has ${count} message${count === 1 ? "" : "s"}:`), list);
  return panel;
}

/** What the marks and lines mean. */
function legend(model) {
  const has = (kind) => model.kind.subarray(0, model.count).includes(kind);
  const hasFate = (fate) => model.messages.fate.includes(fate.charCodeAt(0));
  const items = [
    [has(SEND), "●", "send"],
    [has(RECEIVE), "■", "receive: taken from the queue"],
    [has(INTERNAL), "○", "internal event"],
    [has(EXCHANGE), "◆", "takes and sends"],
    [has(OTHER), "+", "other kind"],
    [model.messages.count > 0, "→", model.data.times ? "message: sent, arrived" : "message: sent, received"],
    [model.messages.waited.some((waited) => waited >= 0), "┈", "in the queue until taken"],
    [model.rows.some((row) => row.queueMax > 0), "▟", "messages waiting"],
    [hasFate("w"), "╌○", "still waits at the end"],
    [hasFate("d"), "╌✕", "dropped"],
    [hasFate("l"), "╌ϟ", "lost by a fault", "cl-bad"],
    [model.rows.some((row) => row.faults.length > 0), "▕▒", "injected fault, on the sender", "cl-bad"],
    [hasFate("u"), "┈▸", "unknown"],
    [true, "━", "causal past", "cl-past"],
    [true, "┅", "causal future", "cl-future"],
    [true, "─", "concurrent", "cl-concurrent"],
  ];
  const list = make("ul", { class: "cl-legend", "aria-label": "Legend" });
  for (const [shown, sign, text, colour] of items) {
    const sample = make("span", { "aria-hidden": "true", class: colour }, sign);
    if (shown) list.append(make("li", null, sample, text));
  }
  return list;
}
