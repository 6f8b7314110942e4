// What is under a key, as people read it. Keys and values become text, never markup.

/** Letters of a value in the list. */
const SHORT = 60;

/** Letters of a value in full: beyond it the rest is left to the command line. */
const FULL = 20_000;

/** What stands for a value that a browser cannot write. */
const TOO_DEEP = "nests too deep to be shown here";

/** One value as text: JSON as it was written, bytes as text or base64. */
function valueText(value, type, indent) {
  if (type === "bytes" || type === "text") return typeof value === "string" ? value : BYTES + value.base64;
  try {
    return JSON.stringify(value, null, indent) ?? "";
  } catch (error) {
    // The stack is not deep enough, or with its blanks the text is too long.
    if (!(error instanceof RangeError)) throw error;
    return indent ? valueText(value, type) : TOO_DEEP;
  }
}

/** A key's content in a line. */
function shortText({ type, value }) {
  const text = type === "set" ? value.map((element) => valueText(element, "json")).join(", ") : valueText(value, type);
  const line = text.replace(/\s+/g, " ");
  return line.length > SHORT ? `${line.slice(0, SHORT)}…` : line;
}

/** When a value ends, in words. */
function endsText(endsUs) {
  const left = Number(endsUs.rawJSON ?? endsUs) - Date.now() * 1000;
  return left > 0 ? `ends in ${clockText(left)}` : "has ended";
}

/** The dots that an entity tag names. */
const dotsOf = (etag) => etag.replaceAll('"', "").split(",").filter((dot) => dot !== "-");

/** Whether these writes are what the entity tag names: of each life the greatest. */
function isOf(present, etag) {
  const greatest = new Map();
  for (const { write } of present) {
    const [machine, life, number] = write.split(".");
    const origin = `${machine}.${life}`;
    greatest.set(origin, Math.max(greatest.get(origin) ?? 0, Number(number)));
  }
  const dots = dotsOf(etag);
  return dots.length === greatest.size && dots.every((dot) => {
    const [machine, life, number] = dot.split(".");
    return greatest.get(`${machine}.${life}`) === Number(number);
  });
}

/** A value in full, bounded. */
function fullValue(text) {
  const more = text.length - FULL;
  return el("pre", { class: "value" }, more > 0 ? `${text.slice(0, FULL)}…\n(${whole(more)} more characters)` : text);
}

/** What was read: the value by its type, its writes and their stamps. `showDot` shows a write's name. */
function readParts({ type, value, siblings, etag, ends_us: ends }, present, showDot) {
  const dots = present && isOf(present, etag) ? present : null;
  const name = (dot, stamp) => el("p", { class: "note" }, `${writeWords(dot)}, stamp ${whole(stamp)}, dot `, showDot(dot));
  const parts = [];
  if (siblings) {
    parts.push(el("p", null, el("b", null, `${siblings.length} siblings`), ": written concurrently, neither knew of the other. Those who do not ask for siblings are given the first, whose (stamp, origin) is the greatest."));
    const items = siblings.map((one, i) => el("li", null, fullValue(valueText(one, typeof one === "string" ? type : "json", 2)), dots?.[i] ? name(dots[i].write, dots[i].stamp) : null));
    parts.push(el("ol", { class: "siblings" }, ...items));
  } else if (type === "set") {
    const items = value.map((element) => el("li", null, el("code", null, valueText(element, "json"))));
    parts.push(el("p", { class: "note" }, `a set of ${value.length}; concurrent inserts and removes merge`), el("ul", { class: "set" }, ...items));
  } else {
    parts.push(fullValue(valueText(value, type, 2)));
    if (type === "counter") parts.push(el("p", { class: "note" }, "a counter: concurrent additions all count"));
    else if (dots) parts.push(name(dots[0].write, dots[0].stamp));
  }
  const isMerged = type === "counter" || type === "set";
  if (isMerged || !dots) parts.push(el("p", { class: "note" }, "dots ", ...dotsOf(etag).flatMap((dot) => [showDot(dot), " "])));
  if (ends) parts.push(el("p", { class: "note" }, endsText(ends)));
  return parts;
}
