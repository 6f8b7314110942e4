// What every page of ours is made with: elements, texts, numbers as people read them.

/** An element with attributes and children; texts become text, never markup. */
function el(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const byId = (id) => document.getElementById(id);

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Makes these the element's children. What is there already and stays is not taken out: a press or a focus on it would be lost. */
function arrange(element, children) {
  const wanted = new Set(children);
  for (const child of [...element.children]) if (!wanted.has(child)) child.remove();
  for (const [i, child] of children.entries()) if (element.children[i] !== child) element.insertBefore(child, element.children[i] ?? null);
}

const whole = (number) => Math.round(number).toLocaleString("en-US");

/** Seconds as people read them: 7.3 s, 2:05. */
function clockText(us) {
  const seconds = Math.max(0, us / 1e6);
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const [minutes, rest] = [Math.floor(seconds / 60), Math.floor(seconds % 60)];
  if (minutes < 60) return `${minutes}:${String(rest).padStart(2, "0")}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${String(rest).padStart(2, "0")}`;
}

/** Machines in words: machine 2; machines 0, 2 to 19. */
function machinesText(ids) {
  const parts = [];
  const sorted = [...ids].sort((a, b) => a - b);
  for (let i = 0; i < sorted.length; ) {
    let end = i;
    while (sorted[end + 1] === sorted[end] + 1) end++;
    if (end - i < 2) end = i;
    parts.push(end > i ? `${sorted[i]} to ${sorted[end]}` : `${sorted[i]}`);
    i = end + 1;
  }
  return `machine${ids.length === 1 ? "" : "s"} ${parts.join(", ")}`;
}

const SVG = "http://www.w3.org/2000/svg";

/** A line of the latest values, as wide as so many of them; `add` takes the next one. The values are said elsewhere. */
function makeSpark(count, floor, colour) {
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("class", colour);
  const element = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${count} 18`, preserveAspectRatio: "none", "aria-hidden": "true", class: "spark" })) element.setAttribute(name, value);
  element.append(line);
  const values = [];
  const add = (value) => {
    values.push(value);
    if (values.length > count) values.shift();
    const high = Math.max(floor, ...values);
    const points = values.map((one, i) => `${count - values.length + i},${(17 - (one / high) * 16).toFixed(1)}`);
    line.setAttribute("points", points.join(" "));
  };
  return { element, add };
}
