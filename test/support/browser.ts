import axe, { type AxeResults } from "axe-core";
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from "playwright-core";

export const PASSWORD = "Correct-Horse-1";

/** Debian's Chromium without a window; `home` is where it keeps its files. */
export const launchChromium = (home: string): Promise<Browser> =>
  chromium.launch({
    executablePath: Bun.which("chromium") ?? "",
    args: [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
    env: { PATH: process.env.PATH ?? "", HOME: home },
  });

export type Visitor = {
  readonly context: BrowserContext;
  readonly page: Page;
  /** What the pages complained about so far, and what they asked of other hosts. */
  readonly wrongs: string[];
};

/** A browser of somebody's own: no cookie, token or cache of anybody else. */
export async function visitor(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Visitor> {
  const context = await browser.newContext({ baseURL: url, locale: "en-GB", ...options });
  const wrongs: string[] = [];
  context.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") wrongs.push(message.text());
  });
  context.on("weberror", (error) => void wrongs.push(String(error.error())));
  context.on("request", (request) => {
    const asked = request.url();
    // The browser's own pages, such as its PDF viewer, are no other host.
    if (!asked.startsWith(`${url}/`) && !/^(data|blob|chrome|chrome-extension):/.test(asked)) {
      wrongs.push(`a request to ${asked}`);
    }
  });
  await context.addInitScript(() => {
    globalThis.addEventListener("securitypolicyviolation", (event) => {
      const { effectiveDirective, blockedURI } = event as Event & Record<string, unknown>;
      console.error(`the policy forbids: ${effectiveDirective} ${blockedURI}`);
    });
  });
  const page = await context.newPage();
  return { context, page, wrongs };
}

/** What axe finds on the page, in words, one line each. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const found = (await page.evaluate("axe.run()")) as AxeResults;
  return found.violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" | ")}`,
  );
}

/** Signs somebody up by the form, which signs them in. */
export async function signUp(page: Page, name: string): Promise<void> {
  await page.goto("/login?sign-up=1");
  await page.getByLabel("Full name").fill(name);
  await page.getByLabel("Username").fill(usernameOf(name));
  await page.getByLabel("E-mail address").fill(addressOf(name));
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("main").getByRole("button", { name: "Sign up" }).click();
  await page.getByRole("heading", { name: `Hello, ${name}` }).waitFor();
}

export async function signIn(page: Page, name: string, password: string = PASSWORD): Promise<void> {
  await page.goto("/login");
  await signInHere(page, name, password);
}

/** On the form that is shown. */
export async function signInHere(page: Page, name: string, password: string = PASSWORD): Promise<void> {
  await page.getByLabel("E-mail address or username").fill(addressOf(name));
  await page.getByLabel("Password").fill(password);
  await page.getByRole("main").getByRole("button", { name: "Sign in" }).click();
}

export const usernameOf = (name: string): string => name.toLowerCase().replace(/\W+/g, "_");
export const addressOf = (name: string): string => `${usernameOf(name)}@example.org`;
