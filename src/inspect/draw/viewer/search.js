// Searching: words that all have to hold, such as `0:17`, `receive queue>5` or `machine=2 clock>=100`.

const SEARCH_HELP =
  "0:17, send, receive, internal, queue>5, clock>=100, machine=2, line=40, time<3 (seconds), waited>0.5 (seconds), " +
  "waiting, dropped, lost, unknown; several words must all hold";

const COMPARE = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  "=": (a, b) => a === b,
  ">=": (a, b) => a >= b,
  ">": (a, b) => a > b,
};

function waitedOf(model, event) {
  let longest = NaN;
  for (const message of messagesOf(model.messages.byReceive, event)) {
    const waited = model.messages.waited[message];
    if (waited >= 0 && !(longest > waited)) longest = waited;
  }
  return longest;
}

function valueOf(model, key, event) {
  switch (key) {
    case "queue":
      return model.queue[event] < 0 ? NaN : model.queue[event];
    case "clock":
      return model.clock[event];
    case "line":
      return model.line[event];
    case "time":
      return model.data.times ? model.at[event] / 1e6 : NaN;
    default:
      return waitedOf(model, event) / 1e6;
  }
}

/** The test that a word stands for; null if it stands for none. */
function wordTest(model, word) {
  const compared = /^(queue|clock|line|time|waited)(<=|>=|=|:|<|>)([0-9.]+)s?$/.exec(word);
  if (compared) {
    const [, key, sign, text] = compared;
    const [compare, wanted] = [COMPARE[sign === ":" ? "=" : sign], Number(text)];
    return Number.isNaN(wanted) ? null : (event) => compare(valueOf(model, key, event), wanted);
  }
  const field = /^(machine|host|kind)[=:](.+)$/.exec(word);
  if (field && field[1] !== "kind") return (event) => model.rows[model.row[event]].name === field[2];
  const kind = Object.entries(KIND_WORDS).find(([, other]) => other === (field ? field[2] : word));
  if (kind) return (event) => model.kind[event] === kind[0].charCodeAt(0);
  if (field) return null;
  const fate = Object.entries(FATE_WORDS).find(([, other]) => other === word);
  if (fate) {
    const { bySend, fate: fates } = model.messages;
    return (event) => messagesOf(bySend, event).some((message) => fates[message] === fate[0].charCodeAt(0));
  }
  const named = findEvent(model, word);
  if (named >= 0) return (event) => event === named;
  if (/^[^:]+:[0-9]+$/.test(word)) return () => false;
  const hasTexts = model.rows.some((row) => row.texts.length > 0);
  return hasTexts ? (event) => textOf(model, event).toLowerCase().includes(word.toLowerCase()) : null;
}

/** The events that a query finds, in the order of their numbers, or an error in words. */
function search(model, query) {
  const words = query.trim().split(/\s+/).filter(Boolean);
  const tests = [];
  for (const word of words) {
    const test = wordTest(model, word);
    if (!test) return { events: [], error: `“${word}” is not understood; try ${SEARCH_HELP}` };
    tests.push(test);
  }
  const events = [];
  if (tests.length > 0) {
    for (let event = 0; event < model.count; event++) {
      if (tests.every((test) => test(event))) events.push(event);
    }
  }
  return { events, error: "" };
}
