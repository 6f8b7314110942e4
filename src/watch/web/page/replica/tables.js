// What this replica says of itself and of the others: the head's numbers, a row a replica, and a row a life for vectors.

/** Values of a sparkline: half a minute of polls. */
const SPARKS = 60;

/** Lives of replicas whose vectors are shown: the latest. */
const LIVES_MAX = 24;

/** Suspicion beyond this is no number that anybody reads. */
const PHI_SHOWN_MAX = 1000;

/** Seconds that a rate is counted over. */
const RATE_S = 2;

/** The numbers at the top. */
function makeFacts(element) {
  const fact = (name, title, ...content) => el("div", null, el("dt", { title }, name), el("dd", null, ...content));
  const text = () => el("span", null, "–");
  const facts = { state: el("span", { id: "state", class: "badge" }, "connecting"), keys: text(), tombstones: text(), waiting: text(), logged: text() };
  const rates = {};
  const items = [
    fact("State", undefined, facts.state),
    fact("Keys", "keys that hold something", facts.keys),
    fact("Tombstones", "keys that hold the memory of a delete, until every replica has it", facts.tombstones),
    fact("Requests waiting", "for writes that their sessions have seen and that are not here", facts.waiting),
    fact("Kept to send again", "writes that a peer may still ask for", facts.logged),
  ];
  for (const [name, words, title] of [
    ["writes", "Writes a second", "of clients, accepted here"],
    ["applied", "Applied a second", "writes of other replicas"],
    ["reads", "Reads a second", "of clients, answered here; the list of keys on this page is one"],
  ]) {
    rates[name] = { value: text(), spark: makeSpark(SPARKS, 5, "line-0") };
    items.push(fact(words, title, el("span", { class: "rate" }, rates[name].value, rates[name].spark.element)));
  }
  element.replaceChildren(...items);
  let before = [];
  return (status, now, state) => {
    const [words, mood] = state;
    setText(facts.state, words);
    facts.state.dataset.mood = mood;
    if (!status) return;
    setText(facts.keys, whole(status.keys));
    setText(facts.tombstones, whole(status.tombstones));
    setText(facts.waiting, whole(status.waiting));
    setText(facts.logged, status.logged_writes === 0 ? "0" : `${whole(status.logged_writes)}, ${bytesText(status.logged_bytes)}`);
    before = before.filter(({ at, origin }) => now - at < RATE_S * 1000 && origin === status.origin);
    const first = before[0];
    before.push({ at: now, origin: status.origin, counts: status.counts });
    for (const [name, { value, spark }] of Object.entries(rates)) {
      const rate = first ? ((status.counts[name] - first.counts[name]) * 1000) / (now - first.at) : 0;
      setText(value, rate > 0 && rate < 10 ? rate.toFixed(1) : whole(rate));
      spark.add(rate);
    }
  };
}

function bytesText(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1000).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

const MOODS = { myself: "good", alive: "good", suspected: "bad", draining: "held", removed: "plain", left: "plain", lost: "plain" };

/** A table that is made anew only where its content is another one. */
function makeTable(element, head, titles) {
  const body = el("tbody");
  const row = el("tr");
  element.replaceChildren(el("table", null, el("thead", null, row), body));
  let saidHead = "";
  /** Rows by id, and what each of their cells says: nothing is made anew that somebody may be about to press. */
  const rows = new Map();
  const showHead = (names) => {
    if (saidHead === names.join("|")) return;
    saidHead = names.join("|");
    row.replaceChildren(...names.map((name) => el("th", { scope: "col", title: titles[name] }, name)));
  };
  showHead(head);
  const makeCell = ({ text, note, href, mood, line, off }, i) => {
    const content = href ? el("a", { href, target: "_blank", rel: "noopener noreferrer" }, text) : text;
    const key = line === undefined ? null : el("span", { class: `key line-${line}`, "aria-hidden": "true" });
    return el(i === 0 ? "th" : "td", { scope: i === 0 ? "row" : null, "data-mood": mood, class: off ? "behind" : null }, key, content, note ? el("small", null, note) : null);
  };
  return (wanted, names = head) => {
    showHead(names);
    for (const { id, cells } of wanted) {
      const known = rows.get(id);
      const says = cells.map((cell) => JSON.stringify(cell));
      if (known?.says.length !== says.length) {
        rows.set(id, { element: el("tr", { "data-id": id }, ...cells.map(makeCell)), says });
        continue;
      }
      for (const [i, text] of says.entries()) if (known.says[i] !== text) known.element.children[i].replaceWith(makeCell(cells[i], i));
      known.says = says;
    }
    arrange(body, wanted.map(({ id }) => rows.get(id).element));
    for (const id of rows.keys()) if (!wanted.some((one) => one.id === id)) rows.delete(id);
  };
}

/** The replicas: who they are, and how far each is behind. */
function makeReplicas(element) {
  const head = ["Replica", "Standing", "Suspicion (phi)", "Heard of", "Behind", "Life"];
  const show = makeTable(element, head, {
    Standing: "a decision removes a member; silence only makes it suspected",
    "Suspicion (phi)": "how unlikely its silence would be if it were alive: 8 means one in 10⁸",
    "Heard of": "since its last message",
    Behind: "writes that are here and that it has not said it has, and since when",
    Life: "which life of its process was heard of last",
  });
  element.firstChild.className = "replicas";
  return (status) => {
    const lags = new Map(status.lags.map((lag) => [lag.peer, lag]));
    show(status.members.map(({ id, address, standing, incarnation }) => {
      const lag = !isMember(standing) ? undefined : lags.get(id);
      const name = { text: String(id), note: address, href: standing === "myself" ? null : `http://${address}/`, line: id % 8 };
      const life = { text: incarnation === 0 ? "–" : String(incarnation) };
      const phi = lag && (lag.phi > PHI_SHOWN_MAX ? `over ${whole(PHI_SHOWN_MAX)}` : lag.phi.toFixed(1));
      const is = { text: standing === "myself" ? "this one" : standing, mood: MOODS[standing] };
      if (!lag) return { id, cells: [name, is, ..."–––"].map((cell) => (typeof cell === "string" ? { text: cell } : cell)).concat(life) };
      const behind = lag.writes === 0 ? { text: "0" } : { text: whole(lag.writes), note: lag.behind_us > 0 ? `for ${agoText(lag.behind_us)}` : null, mood: "bad" };
      // A number that changes with every heartbeat says nothing below this.
      const silent = lag.silent_us < 1e6 ? "below 1 s" : clockText(lag.silent_us);
      return { id, cells: [name, is, { text: phi }, { text: silent }, behind, life] };
    }));
  };
}

/** The vectors: a row for each life of a replica, a column for each place. */
function makeVectors(element) {
  const titles = {
    "Writes of": "a replica, and which of its lives",
    "known here": "applied here",
    "kept here": "on this replica's disk",
    stable: "every member is known to have it on its disk",
  };
  const show = makeTable(element, ["Writes of"], titles);
  element.firstChild.className = "vectors";
  return (status) => {
    const lags = status.lags.filter(({ peer }) => status.members.some(({ id, standing }) => id === peer && isMember(standing)));
    const origins = new Set([status.known, ...lags.map(({ known }) => known)].flatMap((vector) => Object.keys(vector)));
    const lives = [...origins].map((origin) => [origin, ...origin.split(".").map(Number)]);
    lives.sort((a, b) => b[2] - a[2]);
    const left = lives.length - LIVES_MAX;
    const shown = lives.slice(0, LIVES_MAX).sort((a, b) => a[1] - b[1] || b[2] - a[2]);
    const rows = shown.map(([origin, machine, incarnation]) => {
      const here = status.known[origin] ?? 0;
      const most = Math.max(here, ...lags.map(({ known }) => known[origin] ?? 0));
      const cell = (number, bound) => ({ text: whole(number), off: number < bound });
      return { id: origin, cells: [
        { text: String(machine), note: `life ${incarnation}`, line: machine % 8 },
        cell(here, most),
        cell(status.kept[origin] ?? 0, here),
        ...lags.map(({ known }) => cell(known[origin] ?? 0, here)),
        cell(status.stable[origin] ?? 0, here),
      ] };
    });
    const empty = { id: "none", cells: [{ text: "nothing was written yet" }] };
    const more = left > 0 ? [{ id: "more", cells: [{ text: `and ${left} earlier lives` }] }] : [];
    show(rows.length > 0 ? [...rows, ...more] : [empty], ["Writes of", "known here", "kept here", ...lags.map(({ peer }) => `at ${peer}`), "stable"]);
  };
}

/** What happened since the start, by name. */
function showCounts(element, status) {
  const said = JSON.stringify(status.counts);
  // Nobody sees what is folded.
  if (!element.parentElement.open || element.dataset.said === said) return;
  element.dataset.said = said;
  element.replaceChildren(...Object.entries(status.counts).map(([name, count]) => el("div", null, el("dt", null, name.replaceAll("_", " ")), el("dd", null, whole(count)))));
}

/** Writes that have arrived and wait for others. */
function showBuffered(element, status, why) {
  const first = why?.buffered ?? [];
  const said = JSON.stringify([status.buffered, first]);
  if (element.dataset.said === said) return;
  element.dataset.said = said;
  if (status.buffered === 0) {
    element.replaceChildren(el("p", { class: "note" }, "No write waits for another one here."));
    return;
  }
  const items = first.map(({ write, missing }) => el("li", null, el("b", null, writeWords(write)), missing.length === 0 ? " is about to be applied" : ` waits for ${missing.map(missingWords).join("; ")}`));
  element.replaceChildren(
    el("p", { class: "off" }, `${whole(status.buffered)} write${status.buffered === 1 ? " has" : "s have"} arrived before what ${status.buffered === 1 ? "it depends" : "they depend"} on; the first of each life:`),
    el("ul", { class: "dots" }, ...items),
  );
}
