/**
 * A real browser, without a screen: Debian's Chromium, or whichever `make/chromium` has found, driven by Playwright's
 * core. Each visit is a profile of its own. What a page complains about, and where it sends requests, is written down.
 */
import axe from "axe-core";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

const CHROMIUM = process.env["CHROMIUM"] ?? "";
const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const STEP_MS_MAX = 20_000;

function executable(): string {
  const found = CHROMIUM === "" ? NAMES.map((name) => Bun.which(name)).find((path) => path !== null) : CHROMIUM;
  if (found === undefined) throw new Error("no Chromium on the path: run make/chromium");
  return found;
}

/** As quiet as it can be told to be: it must not look for updates, speech models or a better network. */
export async function openBrowser(): Promise<Browser> {
  return await chromium.launch({
    executablePath: executable(),
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

export interface Visit extends AsyncDisposable {
  readonly page: Page;
  /** Errors and warnings of the console, and errors that nothing caught. */
  readonly complaints: readonly string[];
  /** Every URL that was asked for. */
  readonly requests: readonly string[];
}

export async function visit(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(STEP_MS_MAX);
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on("console", (message) => {
    // A container that starts or ends elsewhere on the machine changes its network; that is no fault of the page.
    if (message.text().includes("ERR_NETWORK_CHANGED")) return;
    if (["error", "warning"].includes(message.type())) complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`uncaught: ${error.message}`));
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(url);
  return { page, complaints, requests, [Symbol.asyncDispose]: () => context.close() };
}

/** What axe calls serious or critical on a page as it is now. */
export async function faultsByAxe(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = (await page.evaluate("axe.run()")) as axe.AxeResults;
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`));
}
