import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { launchChromium, PASSWORD, visitor } from "../test/support/browser.ts";
import { type Community, community } from "../test/support/community.ts";
import { startServer, temporaryFolder } from "../test/support/server.ts";

// Writes docs/screenshots/*.png, of a server of its own with a small community in it.

const TARGET = join(import.meta.dir, "../docs/screenshots");
const WIDE = { viewport: { width: 1200, height: 750 } } as const;
const PHONE = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, locale: "ru-RU" } as const;

type Shot = {
  readonly name: string;
  readonly options: BrowserContextOptions;
  readonly path: (there: Community) => string;
  /** What is done before the picture is taken. */
  readonly prepare?: (page: Page) => Promise<unknown>;
};

const SHOTS: readonly Shot[] = [
  {
    name: "chat",
    options: WIDE,
    path: ({ room }) => `/chat/${room}`,
    prepare: (page) => page.getByText("is typing").waitFor(),
  },
  { name: "chat-phone", options: PHONE, path: ({ room }) => `/chat/${room}` },
  {
    name: "document",
    options: WIDE,
    path: ({ ada }) => `/players/${ada}`,
    async prepare(page) {
      await page.getByRole("button", { name: "Make the PDF" }).click();
      await page.locator("iframe").waitFor();
      await page
        .getByRole("heading", { name: "Statistics document" })
        .evaluate((title) => title.scrollIntoView());
      await page.mouse.wheel(0, -90);
      // The browser's own viewer tells nobody when it is done.
      await page.waitForTimeout(2_500);
    },
  },
  { name: "post-dark", options: { ...WIDE, colorScheme: "dark" }, path: ({ post }) => `/blog/${post}` },
  { name: "home-phone", options: { ...PHONE, colorScheme: "dark" }, path: () => "/" },
  {
    name: "administration",
    options: WIDE,
    path: () => "/admin/users",
    async prepare(page) {
      await page.getByRole("button", { name: "Manage: Grace Hopper" }).click();
      await page.getByRole("checkbox", { name: "moderator" }).waitFor();
    },
  },
];

async function signedIn(
  browser: Browser,
  url: string,
  who: string,
  options: BrowserContextOptions,
): Promise<Page> {
  const { page } = await visitor(browser, url, options);
  await page.goto("/login");
  await page.locator("[name=email]").fill(who);
  await page.locator("[name=password]").fill(PASSWORD);
  await page.locator("main button[type=submit]").click();
  await page.locator("a.me").waitFor();
  return page;
}

const folder = temporaryFolder();
const dataDir = join(folder.path, "data");
const server = await startServer({ dataDir });
const browser = await launchChromium(join(folder.path, "home"));
try {
  await mkdir(TARGET, { recursive: true });
  const there = await community(server, dataDir);
  const grace = await signedIn(browser, server.url, "grace", WIDE);
  await grace.goto(`/chat/${there.room}`);
  const typing = grace.getByRole("textbox");
  await typing.waitFor();
  for (const { name, options, path, prepare } of SHOTS) {
    const page = await signedIn(browser, server.url, "ada", { locale: "en-GB", ...options });
    await page.goto(path(there));
    await page.locator(".loading, .prose.source").first().waitFor({ state: "detached" });
    await page.waitForLoadState("networkidle");
    if (name === "chat") await typing.pressSequentially("Card ");
    await prepare?.(page);
    await page.screenshot({ path: join(TARGET, `${name}.png`) });
    await page.context().close();
    process.stdout.write(`${name}.png\n`);
  }
} finally {
  await browser.close();
  await server.stop();
  await folder.remove();
}
