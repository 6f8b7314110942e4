// A store's replica's page in a browser, and what a person does on it.

export const PATIENCE_MS = 20_000;

/** How many requests the page has noted. */
export const noted = (page) => page.evaluate(() => document.querySelectorAll("#log li").length);

/** Opens a page; `complaints` fills with console errors, exceptions and requests for anything else. */
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => {
    // A browser says so of every answer that is no 2xx, and here some are asked for.
    const isAnswer = /status of (401|403|404|409|412|503)|ERR_CONNECTION|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_EMPTY_RESPONSE/.test(message.text());
    if (["error", "warning"].includes(message.type()) && !isAnswer) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.stack ?? String(error)));
  page.on("dialog", (dialog) => complaints.push(`a dialog: ${dialog.message()}`));
  const origin = new URL(url).origin;
  page.on("request", (request) => {
    if (!request.url().startsWith(`${origin}/`) && !request.url().startsWith("data:")) complaints.push(`asks for ${request.url()}`);
  });
  await page.goto(url);
  const state = () => page.evaluate(() => window.clocklabReplica.state);
  const until = (condition, argument) => page.waitForFunction(condition, argument, { timeout: PATIENCE_MS }).catch(async (error) => {
    const { log, keys, opened, polls, failed } = await state();
    const has = JSON.stringify({ log: log.slice(0, 5), keys, opened, polls, failed }, null, 1);
    throw new Error(`${error.message}\nwaited for ${condition}\nwith ${JSON.stringify(argument)}; the page has ${has}`);
  });
  return { page, complaints, state, until, close: () => context.close() };
}

/** Writes by the page's form; gives the newest entry of its list of requests. */
export async function write({ page, until }, button, key, { type = "text", value, amount, beside = false, lasts = "", copies = "pushed", unchanged = false } = {}) {
  const before = await noted(page);
  await page.fill("#key", key);
  if (button !== "delete") await page.selectOption("#type", type);
  if (value !== undefined) await page.fill("#value", value);
  if (amount !== undefined) await page.fill("#amount", amount);
  if (type === "text" || type === "json") {
    await page.setChecked("#beside", beside);
    await page.fill("#lasts", lasts);
  }
  if (unchanged) await page.check("#unchanged");
  await page.selectOption("#copies", copies);
  await page.click(`#${button}`);
  await until((count) => document.querySelectorAll("#log li").length > count, before);
  return page.evaluate(() => window.clocklabReplica.state.log[0]);
}

/** Opens a key of the list, as a part of the session. */
export async function read({ page, until }, key) {
  const before = await noted(page);
  // What shows is another element afterwards, of the same key too.
  await page.evaluate(() => document.querySelector("#opened b")?.classList.add("before"));
  await page.locator(`#key-list button[data-key="${key}"]`).click({ timeout: PATIENCE_MS });
  await until((count) => document.querySelectorAll("#log li").length > count, before);
  await until((name) => document.querySelector("#opened b:not(.before)")?.textContent === name, key);
  return page.evaluate(() => ({ ...window.clocklabReplica.state.log[0], shown: document.getElementById("opened").innerText }));
}

export const rowText = ({ page }, key) => page.locator(`#key-list button[data-key="${key}"]`).innerText({ timeout: PATIENCE_MS });
