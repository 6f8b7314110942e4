// Questions to the replica's /v1: with the bearer token where one is needed, and JSON as it was written.

/** Where the bearer token is kept: in this tab, and gone with it. */
const BEARER = "clocklab-bearer";

/** How long an answer may take beyond what the question waits for, in milliseconds. */
const ANSWER_MS = 10_000;

/** What this tab keeps over a reload; a browser that lets nothing be kept keeps nothing. */
function keep(name, text) {
  try {
    if (text) sessionStorage.setItem(name, text);
    else sessionStorage.removeItem(name);
  } catch {
    // The page works without.
  }
}

function kept(name) {
  try {
    return sessionStorage.getItem(name) ?? "";
  } catch {
    return "";
  }
}

let bearer = kept(BEARER);

function setBearer(text) {
  bearer = text;
  keep(BEARER, text);
}

/** The headers that let a request in. */
const letIn = () => (bearer ? { authorization: `Bearer ${bearer}` } : {});

/** What was read with numbers as the browser has them, since something in it nests too deep for more. */
const rounded = new WeakSet();

/** JSON whose numbers stay as they were written, where the browser can: 1.0 and 12345678901234567890 too. */
function exact(text) {
  const keepSource = (_, value, context) => {
    const isNumber = typeof value === "number" && context?.source !== undefined && JSON.rawJSON;
    return isNumber && String(value) !== context.source ? JSON.rawJSON(context.source) : value;
  };
  try {
    return JSON.parse(text, keepSource);
  } catch (error) {
    // A browser goes down into what it has read on its stack; what only reads does not.
    if (!(error instanceof RangeError)) throw error;
    const all = JSON.parse(text);
    if (all !== null && typeof all === "object") rounded.add(all);
    return all;
  }
}

/** The JSON of an answer, or what is wrong with it in words. */
function readJson(read, text) {
  try {
    return { body: read(text) };
  } catch (error) {
    return { body: null, error: `the answer is no JSON that this browser can read (${error.message})` };
  }
}

/**
 * Asks; `read` reads the JSON. Gives `status` (0: there was no answer), `headers`, `text`, and `body`, the JSON of it. What went wrong says
 * `error` in words.
 */
async function ask(method, path, { headers = {}, body, waitMs = 0, withinMs = ANSWER_MS, read = JSON.parse } = {}) {
  const signal = AbortSignal.timeout(withinMs + waitMs);
  try {
    const answer = await fetch(path, { method, headers: { ...letIn(), ...headers }, body, signal, cache: "no-store" });
    const text = await answer.text();
    const isJson = /[/+]json/.test(answer.headers.get("content-type") ?? "");
    const said = { status: answer.status, headers: answer.headers, text, ...(isJson && text ? readJson(read, text) : { body: null }) };
    if (!answer.ok && answer.status !== 304) said.error = said.body?.detail ?? `${answer.status} ${answer.statusText}`;
    return said;
  } catch (error) {
    const text = error.name === "TimeoutError" ? "no answer in time" : "no answer: is the replica down?";
    return { status: 0, headers: new Headers(), text: "", body: null, error: text };
  }
}

/** Bytes of a base64 text. */
const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

/** Base64 of a text's UTF-8. */
function base64Of(text) {
  const bytes = new TextEncoder().encode(text);
  let letters = "";
  for (const byte of bytes) letters += String.fromCharCode(byte);
  return btoa(letters);
}

/** A key, as the store's JSON has it (a text, or {base64}), in an address: every byte that means something there is masked. */
function keyPath(key) {
  if (typeof key === "string") return encodeURIComponent(key);
  return [...bytesOf(key.base64)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
}

/** What the base64 of a key's bytes stands behind, where the page shows it and a person types it. */
const BYTES = "base64:";

/**
 * A key for people, each another text: what is no text stands as its bytes, and so does what would be read as that, and what a
 * field of one line would change.
 */
function keyText(key) {
  if (typeof key !== "string") return BYTES + key.base64;
  return key.startsWith(BYTES) || /[\r\n]/.test(key) ? BYTES + base64Of(key) : key;
}

/** The same key, read from what a person typed or the page showed. */
const keyOf = (text) => (text.startsWith(BYTES) ? { base64: text.slice(BYTES.length) } : text);

/** Whether a browser leaves the key alone in an address: `.` and `..` it takes for steps, however they are masked. */
const isPlain = (key) => key !== "." && key !== "..";

/** A write's name in words: write 17 of replica 0. */
function writeWords(dot) {
  const [machine, , number] = dot.split(".");
  return `write ${whole(Number(number))} of replica ${machine}`;
}

/** Writes that are not here, in words. */
function missingWords({ write, have, seen_by: seen }) {
  const who = seen.length === 0 ? "nobody here knows who has it" : `replica${seen.length > 1 ? "s" : ""} ${seen.join(", ")} ${seen.length > 1 ? "have" : "has"} it`;
  return `${writeWords(write)} (${whole(have)} of its life are here; ${who})`;
}

/** Microseconds as people read them. */
function agoText(us) {
  if (us < 1000) return `${us} µs`;
  if (us < 1e6) return `${Math.round(us / 1000)} ms`;
  return clockText(us);
}
