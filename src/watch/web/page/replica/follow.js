// The stream of the event logs, by fetch: it can carry a bearer token, which an EventSource cannot.

/** How soon to come back after the stream ended, in milliseconds; and where there was no place. */
const RETRY_MS = 1000;
const FULL_MS = 5000;

/**
 * Follows `/v1/events`. `take` gets each batch, `tell` what became of the stream: `following`, `none` (there is no log),
 * `full`, `refused` or `lost`, with words. Gives a switch: on or off.
 */
function makeFollower(take, tell) {
  let [controller, timer, lastId] = [null, 0, ""];

  async function listen(mine) {
    const answer = await fetch(lastId ? `/v1/events?after=${encodeURIComponent(lastId)}` : "/v1/events", { headers: letIn(), signal: mine.signal, cache: "no-store" });
    if (!answer.ok) {
      const words = (await answer.json().catch(() => null))?.detail ?? `${answer.status}`;
      if (answer.status === 404) return void tell("none", words);
      if (answer.status === 401 || answer.status === 403) return void tell("refused", words);
      tell(answer.status === 429 ? "full" : "lost", words);
      return FULL_MS;
    }
    tell("following", "");
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return RETRY_MS;
      rest += value;
      // A message ends with an empty line; its lines are `id:` and `data:`, and what is neither is passed over.
      for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
        const lines = rest.slice(0, end).split("\n");
        rest = rest.slice(end + 2);
        const field = (name) => lines.find((line) => line.startsWith(`${name}:`))?.slice(name.length + 1).trimStart();
        const data = field("data");
        // The last one: the token was revoked, or there is one now and this page has none.
        if (field("event") === "problem") return void tell("refused", JSON.parse(data).detail);
        lastId = field("id") ?? lastId;
        if (data) take(JSON.parse(data));
      }
    }
  }

  return (isOn) => {
    clearTimeout(timer);
    controller?.abort();
    controller = null;
    if (!isOn) return;
    const mine = new AbortController();
    controller = mine;
    const again = (wait) => {
      if (controller === mine && wait) timer = setTimeout(() => follow(mine), wait);
    };
    const follow = (one) => listen(one).then(again, (error) => {
      if (controller !== mine) return;
      if (!(error instanceof TypeError)) console.error(error);
      tell("lost", "the replica does not answer");
      again(RETRY_MS);
    });
    void follow(mine);
  };
}
