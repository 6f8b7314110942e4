// A press, from pointer down to click: what comes meanwhile shows after it, so that nothing moves away under the pointer.

/** A press that lasts longer holds nothing up, in milliseconds: some never end, as one on a scroll bar. */
const PRESS_MS = 5000;

/** How long after pointer up a click still comes of a finger's tap, in milliseconds. */
const CLICK_MS = 50;

/** Waits until nobody presses anything. */
const unpressed = (() => {
  let [over, end, timer] = [Promise.resolve(), () => {}, 0];
  const endAfter = (ms) => {
    clearTimeout(timer);
    timer = setTimeout(() => end(), ms);
  };
  addEventListener("pointerdown", ({ isPrimary, button }) => {
    if (!isPrimary || button !== 0) return;
    // Who waits for the press before waits for this one, too.
    end();
    over = new Promise((resolve) => (end = resolve));
    endAfter(PRESS_MS);
  }, true);
  for (const name of ["pointerup", "pointercancel"]) addEventListener(name, ({ isPrimary }) => isPrimary && endAfter(CLICK_MS), true);
  addEventListener("click", () => endAfter(0), true);
  return async () => {
    for (let waited; waited !== over; ) {
      waited = over;
      await waited;
    }
  };
})();
