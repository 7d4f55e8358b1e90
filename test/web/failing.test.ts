import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { launchChromium, signIn, signUp, type Visitor, visitor } from "../support/browser.ts";
import { type RunningServer, startServer, temporaryFolder } from "../support/server.ts";
import { requireTool } from "../support/tools.ts";

const LIMIT_MS = 120_000;
const isThere = requireTool("chromium");

describe.skipIf(!isThere)("when something fails in a browser", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let server: RunningServer;
  let browser: Browser;
  const open: Visitor[] = [];

  beforeAll(async () => {
    folder = temporaryFolder();
    [server, browser] = await Promise.all([
      startServer({ dataDir: join(folder.path, "data") }),
      launchChromium(join(folder.path, "home")),
    ]);
  }, LIMIT_MS);
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    await folder?.remove();
  });

  let ada: Visitor;
  beforeEach(async () => {
    ada = await enter();
  });
  afterEach(async () => {
    server.kill("SIGCONT");
    await Promise.all(open.splice(0).map(({ context }) => context.close()));
  });

  async function enter(): Promise<Visitor> {
    const entered = await visitor(browser, server.url);
    open.push(entered);
    return entered;
  }

  const place = (page: Page, name: string) =>
    page.getByRole("navigation", { name: "Places" }).getByRole("link", { name });
  const tokens = (page: Page) => page.evaluate(`localStorage.getItem("guildhall.tokens")`);

  test(
    "a server that is silent is told within its time, and keeps nobody from signing out",
    async () => {
      const { page } = ada;
      await signUp(page, "Ada Silent");
      await place(page, "Blog").click();
      await page.getByText("No posts yet.").waitFor();
      const session = JSON.parse(String(await tokens(page))).access;
      await page.clock.install();
      server.kill("SIGSTOP");
      await page.getByRole("searchbox").fill("silence");
      await page.getByRole("button", { name: "Search" }).click();
      await page.waitForURL(/silence/);
      await page.clock.runFor(21_000);
      await page.getByText("The server cannot be reached.").first().waitFor();

      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByRole("banner").getByRole("link", { name: "Sign in" }).waitFor();
      expect(await tokens(page)).toBeNull();
      server.kill("SIGCONT");
      const isOver = async () =>
        (await server.call("GET", "/api/users/me", { token: session })).status === 401;
      for (let tries = 0; !(await isOver()); tries++) {
        if (tries > 100) throw new Error("the session has not ended on the server");
        await Bun.sleep(50);
      }
    },
    LIMIT_MS,
  );

  test(
    "a view whose file does not come is told in words and comes when it is asked for again",
    async () => {
      const { page, context } = ada;
      await page.goto("/");
      await page.getByRole("heading", { name: "A home for your community" }).waitFor();
      await context.setOffline(true);
      await place(page, "Players").click();
      await page.getByText("The server cannot be reached.").waitFor();
      // Another view is not to blame.
      await place(page, "Home").click();
      await page.getByRole("heading", { name: "A home for your community" }).waitFor();
      await context.setOffline(false);
      await place(page, "Players").click();
      await page.getByRole("heading", { name: "Leaderboard" }).waitFor();

      const gone = "**/assets/*.js";
      await page.route(gone, (route) => route.fulfill({ status: 404, body: "{}" }));
      await place(page, "Blog").click();
      await page.getByText("the server may have a newer one").waitFor();
      await page.unroute(gone);
      await page.getByRole("button", { name: "Reload the page" }).click();
      await page.getByText("No posts yet.").waitFor();
    },
    LIMIT_MS,
  );

  test(
    "what was written and not saved is back after a reload and after the session has ended",
    async () => {
      const { page } = ada;
      const asked: string[] = [];
      page.on("dialog", (dialog) => {
        asked.push(dialog.type());
        void dialog.accept();
      });
      await signUp(page, "Ada Writer");
      await page.goto("/blog/new");
      await page.getByLabel("Title").fill("A long evening");
      await page.getByLabel("Text").pressSequentially("Much was said.");
      await page.reload();
      await page.getByText("had not saved is back").waitFor();
      expect(asked).toEqual(["beforeunload"]);
      expect(await page.getByLabel("Title").inputValue()).toBe("A long evening");

      const elsewhere = await enter();
      await signIn(elsewhere.page, "Ada Writer");
      await elsewhere.page.getByRole("heading", { name: "Hello, Ada Writer" }).waitFor();
      await elsewhere.page.goto("/profile/security");
      await elsewhere.page.getByRole("button", { name: "Sign out there" }).click();
      await page.getByRole("heading", { name: "Sign in first" }).waitFor();
      await page.getByRole("main").getByRole("link", { name: "Sign in" }).click();
      await page.getByLabel("E-mail address or username").fill("ada_writer");
      await page.getByLabel("Password").fill("Correct-Horse-1");
      await page.getByRole("main").getByRole("button", { name: "Sign in" }).click();
      await page.getByText("had not saved is back").waitFor();
      expect(await page.getByLabel("Text").inputValue()).toBe("Much was said.");

      await page.getByRole("button", { name: "Publish" }).click();
      await page.getByRole("heading", { name: "A long evening" }).waitFor();
      await page.getByLabel("Your comment").fill("Half a thou");
      await page.reload();
      await page.getByText("had not saved is back").waitFor();
      expect(await page.getByLabel("Your comment").inputValue()).toBe("Half a thou");
      await page.goto("/blog/new");
      await page.getByLabel("Title").waitFor();
      expect(await page.getByLabel("Title").inputValue()).toBe("");
      expect(asked).toHaveLength(1);
    },
    LIMIT_MS,
  );

  test(
    "what one account asked for is not repeated for the one that another tab signed in",
    async () => {
      const { page } = ada;
      await signUp(page, "Ada First");
      const answer = await server.call("POST", "/api/blogs/posts", {
        token: JSON.parse(String(await tokens(page))).access,
        body: { title: "Whose is it", content: "?", status: "published" },
      });
      const other = await enter();
      await signUp(other.page, "Grace Second");
      const second = await tokens(other.page);
      await page.goto(`/blog/${answer.body.id}`);
      await page.getByLabel("Your comment").fill("From Ada.");
      let sent = 0;
      await page.route("**/comments", async (route) => {
        if (route.request().method() !== "POST") return route.continue();
        sent += 1;
        await page.evaluate(`localStorage.setItem("guildhall.tokens", ${JSON.stringify(second)})`);
        await route.fulfill({ status: 401, body: "{}" });
      });
      await page.getByRole("button", { name: "Comment" }).click();
      await page.getByRole("link", { name: "Profile: grace_second" }).waitFor();
      await page.getByText("No comments yet.").waitFor();
      expect(sent).toBe(1);
      // Nor does the second one see what the first one wrote.
      expect(await page.getByLabel("Your comment").inputValue()).toBe("");
    },
    LIMIT_MS,
  );

  test(
    "a browser that keeps nothing shows the app, and who signs in stays so until the page is left",
    async () => {
      const { page, context, wrongs } = ada;
      await context.addInitScript(() => {
        for (const name of ["localStorage", "sessionStorage"]) {
          Object.defineProperty(globalThis, name, {
            get() {
              throw new DOMException("blocked", "SecurityError");
            },
          });
        }
      });
      await signUp(page, "Ada Blocked");
      await page.getByRole("button", { name: /^Colours/ }).click();
      await place(page, "Players").click();
      await page.getByRole("link", { name: "My page" }).click();
      await page.getByRole("heading", { name: "ada_blocked" }).waitFor();
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByRole("banner").getByRole("link", { name: "Sign in" }).waitFor();
      expect(wrongs).toEqual([]);
    },
    LIMIT_MS,
  );
});
