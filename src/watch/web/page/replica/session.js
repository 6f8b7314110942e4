// The session: what its requests have seen, carried as a token from each answer to the next request, here or at another
// replica; and the list of these requests.

/** Whether one that stands so takes part. */
const isMember = (standing) => !["removed", "left", "lost"].includes(standing);

/** Where the session's token is kept. */
const SESSION = "clocklab-session";

/** Entries of the list that are kept. */
const LOG_MAX = 100;

/** Letters of a token that are shown. */
const TOKEN_SHOWN = 26;

/** What waits are offered, in seconds. */
const WAITS = [0, 2, 10];

/** The session. `changed` is called when its token is another one. */
function makeSession(element, logElement, changed) {
  // Another replica's page leads here with its session.
  const [, carried] = /^#token=([\w-]+)$/.exec(location.hash) ?? [];
  if (carried) history.replaceState(null, "", location.pathname);
  const session = { token: carried ?? kept(SESSION), log: [] };
  /** What its requests since it began have in common: its token, and the last of them, as a promise. */
  let life = { token: session.token, last: Promise.resolve() };
  const text = el("code", { id: "token" });
  const copy = el("button", { type: "button", title: "the token, as Clocklab-Token takes it", onclick: copyToken }, "Copy");
  const fresh = el("button", { type: "button", id: "fresh", title: "forget what was seen: the next request depends on nothing", onclick: begin }, "Start anew");
  const wait = el("select", { id: "wait" }, ...WAITS.map((seconds) => el("option", { value: seconds }, seconds === 0 ? "not at all: 503" : `up to ${seconds} s`)));
  const seen = el("ul", { id: "seen", class: "dots" });
  const onward = el("p", { id: "onward" });
  element.replaceChildren(
    el("p", { class: "note" }, "Each answer brings a token: what this session has seen. It goes with the next request, and a replica that lacks some of it says so, or waits."),
    el("p", { class: "row" }, text, copy, fresh),
    el("p", null, el("label", { class: "field" }, "If something is missing here, wait", wait)),
    onward, seen,
  );

  function set(token) {
    session.token = token;
    keep(SESSION, token);
    showToken();
    changed();
  }

  /** What was asked before is of another session: it goes on with its own token, and its answer adds nothing to this one. */
  function begin() {
    life = { token: "", last: Promise.resolve() };
    set("");
  }

  function copyToken() {
    // Only pages of this computer, or of HTTPS, may write to the clipboard.
    if (navigator.clipboard) return void navigator.clipboard.writeText(session.token);
    setText(text, session.token);
    getSelection().selectAllChildren(text);
  }

  function showToken() {
    const { token } = session;
    setText(text, token === "" ? "no token yet" : token.length > TOKEN_SHOWN ? `${token.slice(0, TOKEN_SHOWN)}…` : token);
    text.title = token;
    copy.disabled = fresh.disabled = token === "";
  }

  /**
   * Asks as a part of the session, and takes the token of the answer. One at a time: each goes with what those before it have
   * seen, and no answer takes the place of a later one.
   */
  session.ask = (method, path, options = {}) => {
    // As it stands when it is asked, whenever its turn comes.
    const [mine, seconds] = [life, Number(wait.value)];
    const next = mine.last.then(() => askNext(mine, seconds, method, path, options));
    // One that fails keeps back none of the others.
    mine.last = next.catch(() => {});
    return next;
  };

  async function askNext(mine, seconds, method, path, options) {
    const joined = path.includes("?") ? "&" : "?";
    const headers = { ...options.headers, ...(mine.token ? { "clocklab-token": mine.token } : {}) };
    const said = await ask(method, seconds > 0 ? `${path}${joined}wait=${seconds}s` : path, { ...options, headers, waitMs: seconds * 1000 });
    const next = said.headers.get("clocklab-token");
    if (next) {
      mine.token = next;
      if (mine === life) set(next);
    }
    return said;
  }

  /** Writes a request down: what was asked, the status, and what came of it. */
  session.note = (what, said, words) => {
    const missing = said.body?.missing ?? [];
    const text = said.error ? [said.error, ...missing.map((one) => `not here yet: ${missingWords(one)}`)].join("; ") : words;
    const kind = said.error && said.status !== 404 ? "refused" : "accepted";
    const status = said.status === 0 ? "–" : String(said.status);
    session.log.unshift({ what, status: said.status, text });
    session.log.splice(LOG_MAX);
    logElement.prepend(el("li", { "data-kind": kind }, el("time", null, status), el("b", null, what), el("span", null, text)));
    while (logElement.children.length > LOG_MAX) logElement.lastElementChild.remove();
    return text;
  };

  /** What the token says, as the replica reads it; and where the session can go on. */
  session.show = (why, members) => {
    const lines = Object.entries(why?.token ?? {}).map(([origin, number]) => {
      const [machine] = origin.split(".");
      const lack = why.unmet.find(({ write }) => write.startsWith(`${origin}.`));
      const words = `replica ${machine}: its writes up to ${whole(number)}`;
      return el("li", { title: `life ${origin.split(".")[1]}` }, words, lack ? el("b", { class: "off" }, ` not here yet: ${whole(lack.have)} are`) : "");
    });
    const said = JSON.stringify([why?.token, why?.unmet, session.token, members]);
    if (said === session.shown) return;
    session.shown = said;
    seen.replaceChildren(...(session.token === "" ? [el("li", { class: "note" }, "has seen nothing, so it depends on nothing")] : lines));
    const links = members.filter(({ standing }) => standing !== "myself" && isMember(standing)).map(({ id, address }) =>
      el("a", { href: `http://${address}/${session.token ? `#token=${session.token}` : ""}`, target: "_blank", rel: "noopener noreferrer" }, `replica ${id}`));
    onward.replaceChildren(...(links.length > 0 ? ["Go on with this session at ", ...links.flatMap((link, i) => (i > 0 ? [", ", link] : [link]))] : []));
  };

  if (carried) keep(SESSION, carried);
  showToken();
  return session;
}
