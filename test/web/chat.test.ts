import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { launchChromium, PASSWORD, signUp, type Visitor, visitor } from "../support/browser.ts";
import { type RunningServer, startServer, temporaryFolder } from "../support/server.ts";
import { requireTool } from "../support/tools.ts";

const LIMIT_MS = 60_000;
// More than is replayed to who was away.
const LONG_ABSENCE = 320;
const isThere = requireTool("chromium");

describe.skipIf(!isThere)("in two browsers", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let server: RunningServer;
  let browser: Browser;
  let ada: Visitor;
  let grace: Visitor;
  let round = 0;

  const start = (...args: string[]) =>
    startServer({ dataDir: join(folder.path, "data"), args: ["--no-worker", ...args] });

  beforeAll(async () => {
    folder = temporaryFolder();
    [server, browser] = await Promise.all([start(), launchChromium(join(folder.path, "home"))]);
  }, LIMIT_MS);
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    await folder?.remove();
  });

  // Two people in a room of Ada's, whose name is new each time.
  beforeEach(async () => {
    round += 1;
    ada = await visitor(browser, server.url);
    grace = await visitor(browser, server.url);
    await Promise.all([signUp(ada.page, `Ada ${round}`), signUp(grace.page, `Grace ${round}`)]);
    await ada.page.goto("/chat");
    await ada.page.getByRole("button", { name: "New room" }).click();
    await ada.page.getByLabel("Name of the room").fill(`Engine ${round}`);
    await ada.page.getByRole("dialog").getByRole("button", { name: "New room" }).click();
    await ada.page.getByRole("heading", { name: `Engine ${round}` }).waitFor();
    await grace.page.goto("/chat");
    await grace.page.getByRole("link", { name: `Engine ${round}` }).click();
    await Promise.all([connected(ada.page), connected(grace.page)]);
  }, LIMIT_MS);
  afterEach(async () => {
    await Promise.all([ada?.context.close(), grace?.context.close()]);
  });

  const connected = (page: Page) => page.getByText("Connected", { exact: true }).waitFor();
  const log = (page: Page) => page.getByRole("log");
  const said = (page: Page) => log(page).locator("article:not(.waiting) .message-text").allTextContents();

  async function say(page: Page, text: string): Promise<void> {
    await page.getByLabel("Message", { exact: true }).fill(text);
    await page.getByLabel("Message", { exact: true }).press("Enter");
  }
  const shown = (page: Page, text: string) => log(page).getByText(text, { exact: true }).waitFor();

  /** What the browser notes itself about a network that is away. */
  const isOurs = (wrong: string) =>
    !/ERR_INTERNET_DISCONNECTED|ERR_CONNECTION_REFUSED|WebSocket connection/.test(wrong);

  test(
    "what one says the other reads at once, sees who is here and who types, and counts what is unread",
    async () => {
      await Promise.all(
        [ada, grace].flatMap(({ page }) => [
          page.getByLabel("People").getByText(`ada_${round}`).waitFor(),
          page.getByLabel("People").getByText(`grace_${round}`).waitFor(),
        ]),
      );
      await ada.page.getByLabel("Message", { exact: true }).pressSequentially("Hello");
      await grace.page.getByText(`ada_${round} is typing`).waitFor();
      await ada.page.getByLabel("Message", { exact: true }).press("Enter");
      await shown(grace.page, "Hello");
      await say(grace.page, "Hello yourself\u{1f642}");
      await shown(ada.page, "Hello yourself\u{1f642}");

      await grace.page.getByRole("link", { name: "Blog", exact: true }).click();
      await ada.page.getByLabel("People").getByText(`grace_${round}`).waitFor({ state: "detached" });
      await say(ada.page, "Are you there?");
      await shown(ada.page, "Are you there?");
      await grace.page.getByRole("link", { name: "Home" }).click();
      await grace.page.getByText("1 unread message").waitFor();
      await grace.page.getByRole("link", { name: "Chat 1 unread" }).click();
      await grace.page.getByRole("link", { name: `Engine ${round}` }).click();
      await shown(grace.page, "Are you there?");
      await grace.page.getByRole("link", { name: "Chat", exact: true }).waitFor();
      await grace.page.reload();
      await grace.page.getByRole("link", { name: "Chat", exact: true }).waitFor();

      await ada.page.getByRole("button", { name: "Delete: Are you there?" }).click();
      await ada.page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
      await log(grace.page).getByText("Are you there?").waitFor({ state: "detached" });
      expect([...ada.wrongs, ...grace.wrongs]).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    "who loses the connection sees it, and catches up exactly; what was said meanwhile is sent once",
    async () => {
      await say(ada.page, "one");
      await say(ada.page, "two");
      await shown(grace.page, "two");
      await grace.context.setOffline(true);
      await grace.page.getByText("No connection. What you say waits").waitFor();
      await ada.page.getByLabel("People").getByText(`grace_${round}`).waitFor({ state: "detached" });
      await say(grace.page, "from afar, first");
      await say(grace.page, "from afar, second");
      expect(await grace.page.getByText("waiting to be sent").count()).toBe(2);
      await say(ada.page, "three");
      await say(ada.page, "four");
      await shown(ada.page, "four");
      await ada.page.getByRole("button", { name: "Delete: one" }).click();
      await ada.page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
      await log(ada.page).getByText("one", { exact: true }).waitFor({ state: "detached" });

      await grace.context.setOffline(false);
      await connected(grace.page);
      await shown(ada.page, "from afar, second");
      await grace.page.getByText("waiting to be sent").first().waitFor({ state: "detached" });
      const all = ["two", "three", "four", "from afar, first", "from afar, second"];
      expect(await said(grace.page)).toEqual(all);
      expect(await said(ada.page)).toEqual(all);
      expect([...ada.wrongs, ...grace.wrongs].filter(isOurs)).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    "what waits outlives the page",
    async () => {
      await grace.context.setOffline(true);
      await grace.page.getByText("No connection. What you say waits").waitFor();
      await say(grace.page, "kept");
      await grace.page.getByText("waiting to be sent").waitFor();
      const address = grace.page.url();
      await grace.page.close();
      await grace.context.setOffline(false);
      const again = await grace.context.newPage();
      await again.goto(address);
      await shown(ada.page, "kept");
      expect(await said(ada.page)).toEqual(["kept"]);
    },
    LIMIT_MS,
  );

  test(
    "after a long absence the newest are there, and scrolling back leaves no hole",
    async () => {
      await say(ada.page, "before");
      await shown(grace.page, "before");
      await grace.context.setOffline(true);
      await grace.page.getByText("No connection. What you say waits").waitFor();
      await sayMuch(ada.page, LONG_ABSENCE);
      await shown(ada.page, `line ${LONG_ABSENCE}`);
      await grace.context.setOffline(false);
      await shown(grace.page, `line ${LONG_ABSENCE}`);
      while ((await log(grace.page).getByText("before", { exact: true }).count()) === 0) {
        await log(grace.page).evaluate((list) => {
          list.scrollTop = 0;
        });
        await grace.page.waitForTimeout(20);
      }
      const lines = Array.from({ length: LONG_ABSENCE }, (_, line) => `line ${line + 1}`);
      expect(await said(grace.page)).toEqual(["before", ...lines]);
      expect([...ada.wrongs, ...grace.wrongs].filter(isOurs)).toEqual([]);
    },
    LIMIT_MS,
  );

  /** With the page's own token, over REST. */
  async function sayMuch(page: Page, count: number): Promise<void> {
    const stored = await page.evaluate("localStorage.getItem('guildhall.tokens')");
    const { access } = JSON.parse(String(stored)) as { readonly access: string };
    const room = new URL(page.url()).pathname.split("/").at(-1);
    for (let line = 1; line <= count; line++) {
      const body = { content: `line ${line}` };
      const answer = await server.call("POST", `/ws/rooms/${room}/messages`, { token: access, body });
      expect(answer.status).toBe(201);
    }
  }

  test(
    "whose session is ended elsewhere is signed out at once",
    async () => {
      const body = { username: `grace_${round}`, password: PASSWORD };
      const { body: elsewhere } = await server.call("POST", "/api/auth/login", { body });
      const ended = await server.call("DELETE", "/api/auth/sessions", { token: elsewhere.access_token });
      expect(ended.status).toBe(204);
      await grace.page.getByText("You have been signed out").waitFor();
      await grace.page.getByRole("heading", { name: "Sign in first" }).waitFor();
      await ada.page.getByLabel("People").getByText(`grace_${round}`).waitFor({ state: "detached" });
    },
    LIMIT_MS,
  );

  test(
    "a server that restarts is waited for",
    async () => {
      await say(ada.page, "before the restart");
      await shown(grace.page, "before the restart");
      const { port } = new URL(server.url);
      await server.stop();
      await Promise.all(
        [ada, grace].map(({ page }) => page.getByText("No connection. What you say waits").waitFor()),
      );
      await say(ada.page, "meanwhile");
      server = await start("--port", port);
      await Promise.all([connected(ada.page), connected(grace.page)]);
      await shown(grace.page, "meanwhile");
      expect(await said(grace.page)).toEqual(["before the restart", "meanwhile"]);
      expect([...ada.wrongs, ...grace.wrongs].filter(isOurs)).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    "who owns a room mutes, puts out and shuts out somebody, who is told so",
    async () => {
      const moderation = ada.page.getByRole("dialog", { name: `grace_${round}: moderation` });
      await ada.page.getByRole("button", { name: `Moderate: grace_${round}` }).click();
      await moderation.getByLabel("Reason").fill("too loud");
      await moderation.getByRole("button", { name: "Mute", exact: true }).click();
      await moderation.getByText("Mute: Done.").waitFor();
      await grace.page.getByText(`grace_${round} was muted: too loud`).waitFor();
      await say(grace.page, "hm");
      await grace.page.getByText("Not sent: you are muted here.").waitFor();
      await moderation.getByRole("button", { name: "Unmute" }).click();
      await grace.page.getByText(`grace_${round} may speak again`).waitFor();
      await grace.page.getByRole("button", { name: "Try again" }).click();
      await shown(ada.page, "hm");

      await moderation.getByRole("button", { name: "Put out" }).click();
      await grace.page.getByText("You have been removed from this room.").waitFor();
      await grace.page.getByRole("button", { name: "Come back" }).click();
      await connected(grace.page);
      await moderation.getByRole("button", { name: "Ban", exact: true }).click();
      await grace.page.getByText("You have been removed from this room.").waitFor();
      await grace.page.getByRole("button", { name: "Come back" }).click();
      await grace.page.getByText("You may not enter this room.").waitFor();
      expect(await grace.page.getByRole("alert").textContent()).toContain("banned");

      await ada.page.getByRole("button", { name: "Close" }).click();
      await ada.page.getByRole("button", { name: "Settings of the room" }).click();
      await ada.page.getByLabel("Name of the room").fill(`Mill ${round}`);
      await ada.page.getByLabel("Only moderators speak").selectOption("Yes");
      await ada.page.getByRole("button", { name: "Save" }).click();
      await ada.page.getByRole("heading", { name: `Mill ${round}` }).waitFor();
      await ada.page.getByRole("button", { name: "Settings of the room" }).click();
      await ada.page.getByLabel("Username").fill(`grace_${round}`);
      await ada.page.getByRole("button", { name: "Find" }).click();
      await ada.page.getByRole("button", { name: "Lift the ban" }).click();
      await ada.page.getByText("Lift the ban: Done.").waitFor();
      await grace.page.reload();
      await connected(grace.page);
      await say(grace.page, "may I?");
      await grace.page.getByText("Not sent: only moderators speak here.").waitFor();
      await grace.page.getByRole("button", { name: "Discard" }).click();

      await ada.page.getByRole("button", { name: "Delete the room" }).click();
      await ada.page
        .getByRole("dialog", { name: /^Delete the room Mill/ })
        .getByRole("button", { name: "Delete the room" })
        .click();
      await grace.page.getByText("This room is gone.").waitFor();
      await ada.page.getByText("Choose a room, or make one.").waitFor();
      // The two refusals that were asked for: of the banned one's way back.
      expect([...ada.wrongs, ...grace.wrongs].filter((wrong) => !/403/.test(wrong) && isOurs(wrong))).toEqual(
        [],
      );
    },
    LIMIT_MS,
  );
});
