import { chromium } from "playwright-core";
import { median } from "../quantiles.ts";
import type { Measure } from "./measure.ts";

const VIEWS = 9;
const GOAL = { most: 300 } as const;

/** From the request for the page, on an empty cache, until its lists are on the screen. Only where Chromium is. */
export const firstView: Measure = async (lab) => {
  const executablePath = Bun.which("chromium");
  if (executablePath === null) {
    process.stdout.write("first view: not measured, as there is no chromium\n");
    return [];
  }
  const server = await lab.serve({ dataDir: await lab.folder(), args: ["--no-worker"] });
  const browser = await chromium.launch({
    executablePath,
    args: [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--no-first-run",
      "--disable-background-networking",
    ],
    env: { PATH: process.env.PATH ?? "", HOME: await lab.folder() },
  });
  lab.onClose(() => browser.close());

  /** Of a page that says `shown` once it is complete. */
  async function view(url: string, shown: string): Promise<number> {
    // A context of its own has a cache of its own.
    const context = await browser.newContext({ locale: "en-GB" });
    const page = await context.newPage();
    await page.goto("about:blank");
    const startedAt = performance.now();
    await page.goto(url, { waitUntil: "commit" });
    await page.getByText(shown).first().waitFor();
    const ms = performance.now() - startedAt;
    await context.close();
    return ms;
  }
  async function views(url: string, shown: string): Promise<number> {
    const all: number[] = [];
    // The first one starts parts of the browser, and makes the server bundle the app.
    for (let count = 0; count <= VIEWS; count++) all.push(await view(url, shown));
    return median(all.slice(1));
  }
  const bare = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("Nothing yet.") });
  const limit = { what: "a page of two words", value: await views(`${bare.url}`, "Nothing yet.") };
  await bare.stop(true);
  const home = await views(server.url, "No posts yet.");
  const closed = await views(`${server.url}/admin`, "Sign in first");
  return [
    { name: "first view of the app on an empty cache", unit: "ms", measured: home, limit, goal: GOAL },
    { name: "  of a view with a file of its own", unit: "ms", measured: closed, limit, goal: GOAL },
  ];
};
