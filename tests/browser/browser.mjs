// Starts the browser, and opens pages that fail a test when they complain or ask for anything.
import { createRequire } from "node:module";
import { join } from "node:path";

const { chromium } = createRequire(join(process.env.WORK, "/"))("playwright-core");

const FLAGS =
  "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM, args: FLAGS.split(" ") });
}

/** Opens a file; `complaints` fills with console errors, exceptions and requests for anything but the file. */
export async function open(browser, file, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 700 }, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => {
    // The tests themselves read canvases back.
    const ours = message.text().includes("willReadFrequently");
    if (["error", "warning"].includes(message.type()) && !ours) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.stack ?? String(error)));
  page.on("request", (request) => request.url() !== `file://${file}` && complaints.push(`asks for ${request.url()}`));
  await page.goto(`file://${file}`);
  await page.waitForFunction(() => window.clocklab?.state?.firstPaintMs > 0);
  return { page, complaints, close: () => context.close() };
}
