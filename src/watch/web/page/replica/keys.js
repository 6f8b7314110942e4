// The keys: a page of them as this replica has them now, what is under one, and writes. The list is no part of the
// session; opening a key is a read of it, and writes carry its token.

/** Keys of a page of the list. */
const PAGE_KEYS = 12;

/** How often a list is read again in which values end by themselves, in milliseconds. */
const ENDING_MS = 1000;

/** What can be written, and how the field for it is called. */
const TYPES = {
  text: { words: "text", label: "Value" },
  json: { words: "JSON", label: "Value, as JSON" },
  counter: { words: "counter", label: "By how much" },
  set: { words: "set", label: "Elements, one a line" },
};

/** As what one writes what a key holds: all else is JSON. */
const TYPE_OF = { bytes: "text", counter: "counter", set: "set" };

/** How long the names of what was read may take beyond the value, in milliseconds. */
const WHY_MS = 2000;

/** An element of a set that a person typed: JSON if it is that, else a text. */
function elementText(line) {
  try {
    JSON.parse(line);
    return line;
  } catch {
    return JSON.stringify(line);
  }
}

/** The browser of keys. `announce` says something to screen readers, `point` shows a write in the diagram, if it can. */
function makeKeys(element, session, announce, point) {
  const state = { prefix: "", after: [], items: [], next: null, isRounded: false, opened: null, access: null };
  let [readAt, known, isReading, opens] = [0, "", false, 0];

  const prefix = el("input", { type: "text", id: "prefix", size: 16, spellcheck: "false", autocomplete: "off", oninput: () => turn([]) });
  const list = el("ul", { class: "keys", id: "key-list" });
  const back = el("button", { type: "button", id: "back", onclick: () => turn(state.after.slice(0, -1)) }, "Previous");
  const forth = el("button", { type: "button", id: "forth", onclick: () => turn([...state.after, state.next]) }, "Next");
  const words = el("p", { class: "note", id: "list-words", role: "status" });
  const opened = el("div", { id: "opened", role: "region", "aria-label": "What is under the key", tabindex: "-1" });

  const key = el("input", { type: "text", id: "key", size: 18, required: true, spellcheck: "false", autocomplete: "off" });
  const type = el("select", { id: "type" }, ...Object.entries(TYPES).map(([name, { words: text }]) => el("option", { value: name }, text)));
  const label = el("label", { for: "value" });
  const value = el("textarea", { id: "value", rows: 2, spellcheck: "false" });
  const amount = el("input", { type: "text", id: "amount", value: "1", size: 6, inputmode: "numeric" });
  const lasts = el("input", { type: "text", id: "lasts", size: 5, placeholder: "ever", title: "such as 30s or 2h; empty: until it is written again", spellcheck: "false" });
  const beside = el("input", { type: "checkbox", id: "beside" });
  const unchanged = el("input", { type: "checkbox", id: "unchanged" });
  const copies = el("select", { id: "copies", title: "how many replicas have it on their disks before the answer" }, ...["pushed", "1", "2", "majority"].map((one) => el("option", { value: one }, one)));
  const button = (name, title, operation) => el("button", { type: "button", id: name.toLowerCase(), title, onclick: () => write(name.toLowerCase(), operation) }, name);
  const buttons = {
    put: button("Put", "hold this value", putText),
    add: button("Add", "to the counter", () => ({ add: amount.value.trim() })),
    insert: button("Insert", "into the set", () => ({ insert: elementsText() })),
    remove: button("Remove", "out of the set", () => ({ remove: elementsText() })),
    delete: button("Delete", "hold nothing", () => ({ delete: "true" })),
  };
  const fields = {
    value: el("p", { class: "value-field" }, label, value),
    amount: el("p", null, el("label", { class: "field" }, "By how much", amount)),
    lasts: el("label", { class: "field" }, "lasts", lasts),
    beside: el("label", { class: "box", title: "what is there and this session has not seen stays, as a sibling" }, beside, "beside what I have not seen"),
  };
  const form = el("fieldset", { id: "write" }, el("legend", null, "Write"),
    el("p", null, el("label", { class: "field" }, "Key", key), " ", el("label", { class: "field" }, "Type", type)),
    fields.value, fields.amount,
    el("p", { class: "row" }, fields.lasts, el("label", { class: "field" }, "copies", copies), fields.beside, el("label", { class: "box", title: "since it was read here: else 412" }, unchanged, "only if unchanged")),
    el("p", { class: "row" }, ...Object.values(buttons)),
  );
  const may = el("p", { class: "note", id: "may", hidden: true });
  const came = el("p", { id: "came", class: "note", role: "status" });
  element.replaceChildren(
    el("p", { class: "row" }, el("label", { class: "field" }, "Begin with", prefix), el("span", { class: "joined" }, back, forth)),
    list, words, opened, form, may, came,
  );
  opened.hidden = back.disabled = forth.disabled = true;
  type.addEventListener("change", showType);
  key.addEventListener("input", showType);
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target === value || event.target.tagName !== "INPUT") return;
    event.preventDefault();
    (type.value === "counter" ? buttons.add : type.value === "set" ? buttons.insert : buttons.put).click();
  });
  showType();

  /** Whether the field names the key that is opened. */
  const isOpened = () => state.opened !== null && keyText(state.opened.key) === key.value;

  function showType() {
    const isValue = type.value === "text" || type.value === "json";
    setText(label, TYPES[type.value].label);
    fields.value.hidden = type.value === "counter";
    fields.amount.hidden = type.value !== "counter";
    fields.lasts.hidden = fields.beside.hidden = buttons.put.hidden = !isValue;
    buttons.add.hidden = type.value !== "counter";
    buttons.insert.hidden = buttons.remove.hidden = type.value !== "set";
    const isRead = state.opened?.etag && isOpened();
    unchanged.disabled = !isRead;
    if (!isRead) unchanged.checked = false;
  }

  function turn(after) {
    state.after = after;
    state.prefix = prefix.value;
    known = "";
    void read();
  }

  /** Reads the page of the list, beside the session: a look at the replica, on which nothing will depend. */
  async function read() {
    if (isReading) return;
    isReading = true;
    readAt = performance.now();
    const after = state.after.at(-1);
    const wanted = `${state.prefix}|${after ?? ""}`;
    const query = after ?? `/v1/keys?prefix=${encodeURIComponent(state.prefix)}&limit=${PAGE_KEYS}`;
    const said = await ask("GET", query, { read: exact });
    await unpressed();
    isReading = false;
    if (wanted !== `${state.prefix}|${state.after.at(-1) ?? ""}`) return void read();
    if (said.error) {
      known = "";
      setText(words, said.error);
      return;
    }
    Object.assign(state, { items: said.body.items, next: said.body.next, isRounded: rounded.has(said.body) });
    show();
  }

  /** Rows by key: one is made once, and stays as long as its key is in the list. */
  const rows = new Map();

  function makeRow(name) {
    const [line, badges] = [el("span"), el("span", { class: "badges" })];
    const shown = el("button", { type: "button", "data-key": keyText(name), onclick: () => open(name) }, el("b", null, keyText(name)), line, badges);
    return { element: el("li", null, shown), button: shown, text: line, badges };
  }

  function show() {
    const names = state.items.map(({ key: name }) => keyText(name));
    for (const item of state.items) {
      const name = keyText(item.key);
      if (!rows.has(name)) rows.set(name, makeRow(item.key));
      const row = rows.get(name);
      const isOpen = state.opened && keyText(state.opened.key) === name;
      const newer = isOpen && state.opened.wasRead && state.opened.etag !== item.etag;
      const badges = [];
      if (item.siblings) badges.push(el("span", { class: "badge", "data-mood": "held" }, `${item.siblings.length} siblings`));
      if (item.type !== "bytes" && item.type !== "json") badges.push(el("span", { class: "badge" }, item.type));
      if (item.ends_us) badges.push(el("small", null, endsText(item.ends_us)));
      if (newer) badges.push(el("small", { class: "off" }, "changed since you read it"));
      if (isOpen) row.button.setAttribute("aria-current", "true");
      else row.button.removeAttribute("aria-current");
      setText(row.text, shortText(item));
      const said = badges.map((badge) => badge.textContent).join("|");
      if (row.said !== said) row.badges.replaceChildren(...badges);
      row.said = said;
    }
    for (const name of rows.keys()) if (!names.includes(name)) rows.delete(name);
    arrange(list, names.map((name) => rows.get(name).element));
    const isEmpty = state.items.length === 0;
    const page = state.after.length > 0 ? `page ${state.after.length + 1}` : "";
    const roundedWords = state.isRounded ? "a value nests too deep: numbers may be rounded here" : "";
    setText(words, isEmpty ? (state.prefix ? "no key begins so" : "no keys yet: write one below") : [page, roundedWords].filter(Boolean).join(", "));
    back.disabled = state.after.length === 0;
    forth.disabled = !state.next;
  }

  /** Reads a key, as a part of the session. */
  async function open(name) {
    const text = keyText(name);
    const mine = ++opens;
    const [keyBefore, typeBefore] = [key.value, type.value];
    const said = isPlain(name)
      ? await session.ask("GET", `/v1/keys/${keyPath(name)}?siblings=true`, { read: exact })
      : await session.ask("GET", `/v1/keys?prefix=${keyPath(name)}&limit=1`, { read: exact });
    await unpressed();
    let item = said.body;
    if (!isPlain(name) && !said.error) {
      item = said.body.items.find((one) => one.key === name);
      if (!item) Object.assign(said, { status: 404, error: "there is nothing under the key" });
    }
    const outcome = session.note(`get ${text}`, said, said.error ? "" : shortText(item));
    const why = isPlain(name) && !said.error ? await ask("GET", `/v1/why/${keyPath(name)}`, { withinMs: WHY_MS }) : null;
    await unpressed();
    // The key that was pressed last is the one that shows.
    if (mine !== opens) return;
    announce(`${text}: ${outcome}`);
    state.opened = { key: name, etag: said.error ? null : item.etag, wasRead: !said.error || said.status === 404 };
    // What somebody has begun to write meanwhile stays.
    if (key.value === keyBefore) {
      key.value = text;
      if (!said.error && type.value === typeBefore) type.value = TYPE_OF[item.type] ?? "json";
    }
    const again = el("button", { type: "button", id: "again", onclick: () => open(name) }, "Read again");
    const head = el("p", { class: "row" }, el("b", null, text), said.error ? null : el("span", { class: "badge" }, item.type === "bytes" ? "text" : item.type), again);
    const missing = (said.body?.missing ?? []).map((one) => el("li", null, missingWords(one)));
    const parts = said.error ? [el("p", { class: said.status === 404 ? "note" : "off" }, `${said.status || "–"}: ${said.error}`), missing.length > 0 ? el("ul", { class: "dots" }, ...missing) : ""] : readParts(item, why?.body?.present, showDot);
    if (!said.error && rounded.has(said.body)) parts.push(el("p", { class: "note" }, "It nests too deep for this page to keep its numbers as they were written: they may be rounded."));
    opened.replaceChildren(head, ...parts);
    opened.hidden = false;
    showType();
    show();
  }

  /** A write's name: pressed, it shows the write in the diagram. */
  function showDot(dot) {
    const shown = el("button", { type: "button", class: "dot", title: "show it in the diagram, with its past and its future", onclick: () => {
      if (!point(dot)) announce(shown.title = "its event is in no log that this page follows, or was too long ago");
    } }, dot);
    return shown;
  }

  function putText() {
    const put = type.value === "json" ? { put: value.value.trim() || "null" } : { put_base64: JSON.stringify(base64Of(value.value)) };
    if (type.value === "json") JSON.parse(put.put);
    return { ...put, ...(lasts.value.trim() ? { ttl: JSON.stringify(lasts.value.trim()) } : {}), ...(beside.checked ? { siblings: "true" } : {}) };
  }

  const elementsText = () => `[${value.value.split("\n").map((line) => line.trim()).filter(Boolean).map(elementText).join(",")}]`;

  /** Writes, as a part of the session: a batch of one operation, whose JSON goes out as it was typed. */
  async function write(name, operation) {
    if (!key.reportValidity()) return;
    const shown = key.value;
    const wanted = isOpened() ? state.opened.key : keyOf(shown);
    let members;
    try {
      members = operation();
    } catch (error) {
      setText(came, `This is no JSON: ${error.message}`);
      return;
    }
    const named = typeof wanted === "string" ? { key: JSON.stringify(wanted) } : { key_base64: JSON.stringify(wanted.base64) };
    const condition = unchanged.checked && state.opened?.etag ? { if_match: JSON.stringify(state.opened.etag) } : {};
    const texts = Object.entries({ ...named, ...members, ...condition }).map(([member, text]) => `"${member}":${text}`);
    const said = await session.ask("POST", `/v1/batch?w=${copies.value}`, {
      headers: { "content-type": "application/json" },
      body: `{"operations":[{${texts.join(",")}}]}`,
    });
    await unpressed();
    const dot = said.body?.write;
    const text = session.note(`${name} ${shown}`, said, dot ? `${said.body.done?.[0]}: ${writeWords(dot)}` : "nothing to change");
    came.replaceChildren(said.error ? `${said.status || "–"}: ${text}` : `${text} `, dot ? showDot(dot) : "");
    came.className = said.error ? "off" : "note";
    // What was read is not what is there now.
    if (!said.error) unchanged.checked = false;
    announce(text);
    turn(state.after);
  }

  return {
    state,
    /** What the bearer token lets this page do. */
    allow(access) {
      state.access = access;
      const mayWrite = access && access.scope !== "read";
      form.hidden = !mayWrite;
      may.hidden = !access || (mayWrite && access.prefix === "");
      setText(may, !access ? "" : `${mayWrite ? "This token reads and writes" : "This token reads"} ${access.prefix ? `keys that begin with ${access.prefix}` : "only"}.`);
      if (access?.prefix && !prefix.value.startsWith(access.prefix)) {
        prefix.value = access.prefix;
        turn([]);
      }
    },
    /** The replica has this now: the list is read again if it is another state. */
    refresh(status, now) {
      // What is under way may be of an older state than this: the next time decides.
      if (isReading) return;
      const next = JSON.stringify(status.known);
      const ends = state.items.some((item) => item.ends_us) && now - readAt > ENDING_MS;
      if (next === known && !ends) return;
      known = next;
      void read();
    },
  };
}
