import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { launchChromium, signIn, type Visitor, violations, visitor } from "../support/browser.ts";
import { type Community, community } from "../support/community.ts";
import { type RunningServer, startServer, temporaryFolder } from "../support/server.ts";
import { requireTool } from "../support/tools.ts";

const LIMIT_MS = 120_000;
const MAX_FIRST_SCRIPTS_BYTES = 60 * 1024;
const isThere = requireTool("chromium");

// What a hostile text would do if it could.
const HOSTILE = `<img src=x onerror="globalThis.hit=1"><script>globalThis.hit=1</script><svg onload="globalThis.hit=1">`;

describe.skipIf(!isThere)("in a browser", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let server: RunningServer;
  let browser: Browser;
  let there: Community;

  beforeAll(async () => {
    folder = temporaryFolder();
    const dataDir = join(folder.path, "data");
    [server, browser] = await Promise.all([
      startServer({ dataDir }),
      launchChromium(join(folder.path, "home")),
    ]);
    there = await community(server, dataDir);
  }, LIMIT_MS);
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    await folder?.remove();
  });

  /** The views by their paths, and what is pressed to open the rest of one. */
  const views = (): readonly (readonly [path: string, press?: string])[] => [
    ["/"],
    ["/players"],
    [`/players/${there.ada}`],
    [`/players/${there.ada}`, "Record a game"],
    ["/blog"],
    ["/blog?search=nothing+like+it"],
    ["/blog?drafts=1"],
    [`/blog/${there.post}`],
    [`/blog/${there.post}`, "Delete"],
    ["/blog/new"],
    [`/blog/edit/${there.post}`, "Preview"],
    ["/profile"],
    ["/profile/security"],
    ["/profile/security", "Delete my account and data"],
    ["/admin/users"],
    ["/admin/users", "Manage: Grace Hopper"],
    ["/admin/roles"],
    ["/admin/roles", "New role"],
    ["/admin/groups"],
    ["/admin/invitations"],
    ["/admin/tasks"],
    ["/admin/audit"],
    ["/blog/01900000-0000-7000-8000-000000000000"],
    ["/blog/nothing/here"],
    ["/chat"],
    ["/chat", "New room"],
    [`/chat/${there.room}`],
    [`/chat/${there.room}`, "Settings of the room"],
    ["/chat/nothing"],
    ["/admin/rooms"],
  ];
  const outside = [
    "/",
    "/login",
    "/login?sign-up=1",
    "/reset-password",
    "/reset-password?token=x",
    "/verify-email?token=x",
    "/players",
    "/blog",
    "/profile",
  ];

  async function enter(options = {}): Promise<Visitor> {
    return visitor(browser, server.url, options);
  }

  /** Waits until everything that the view reads is there. */
  async function settled(page: Page, path: string, press?: string): Promise<void> {
    const isThere = async () => {
      await page.locator("h1").first().waitFor();
      await page.locator(".loading, .prose.source").first().waitFor({ state: "detached" });
    };
    await page.goto(path);
    await isThere();
    if (press === undefined) return;
    await page.getByRole("button", { name: press, exact: true }).first().click();
    await isThere();
  }

  for (const colorScheme of ["light", "dark"] as const) {
    test(
      `axe finds nothing on any view in ${colorScheme}, and no view complains`,
      async () => {
        const { page, wrongs, context } = await enter({ colorScheme, reducedMotion: "reduce" });
        const found: string[] = [];
        for (const path of outside) {
          await settled(page, path);
          found.push(...(await violations(page)).map((line) => `${path} ${line}`));
        }
        await signIn(page, "Ada");
        await page.getByRole("heading", { name: "Hello, Ada" }).waitFor();
        for (const [path, press] of views()) {
          await settled(page, path, press);
          found.push(...(await violations(page)).map((line) => `${path} ${press ?? ""} ${line}`));
        }
        expect(found).toEqual([]);
        // The one post that is not there, in two requests.
        expect(wrongs.filter((wrong) => !wrong.includes("status of 404 "))).toEqual([]);
        await context.close();
      },
      LIMIT_MS,
    );
  }

  test(
    "at 360 pixels no view scrolls sideways, in Russian neither",
    async () => {
      const { page, context } = await enter({ viewport: { width: 360, height: 740 }, locale: "ru-RU" });
      const wide: string[] = [];
      async function look(path: string): Promise<void> {
        await settled(page, path);
        if ((await page.evaluate("document.documentElement.scrollWidth")) !== 360) wide.push(path);
      }
      for (const path of outside) await look(path);
      await page.goto("/login");
      await page.locator("[name=email]").fill("ada@example.org");
      await page.locator("[name=password]").fill("Correct-Horse-1");
      await page.locator("main button[type=submit]").click();
      await page.getByRole("heading", { name: "Здравствуйте, Ada" }).waitFor();
      for (const [path] of views()) await look(path);
      expect(wide).toEqual([]);
      await context.close();
    },
    LIMIT_MS,
  );

  test(
    "what people write runs nothing and loads nothing from elsewhere, wherever it is shown",
    async () => {
      const { page, wrongs, context } = await enter();
      await signIn(page, "Ada");
      await page.getByRole("heading", { name: "Hello, Ada" }).waitFor();
      const markdown = [
        HOSTILE,
        "[press](javascript:globalThis.hit=1) [data](data:text/html,x) ![picture](https://tracker.example.org/x.png)",
        `<a href="javascript:globalThis.hit=1" onclick="globalThis.hit=1">raw</a><style>body{display:none}</style>`,
        "[broken](https://example.org:99999/) # a",
        "# ![in a heading](https://tracker.example.org/h.png)",
        `<form action="https://evil.example.org"><input name=a></form><iframe srcdoc="<script>top.hit=1</script>"></iframe>`,
        "```html\n<script>globalThis.hit=1</script>\n```",
      ].join("\n\n");
      const mallory = await there.join(HOSTILE.slice(0, 99), "mallory");
      const named = await server.call("PUT", `/api/users/${mallory.uuid}`, {
        token: mallory.token,
        body: {
          username: "<img src=x onerror=globalThis.hit=1>",
          avatar_url: "https://tracker.example.org/avatars/x.png",
        },
      });
      expect(named.status).toBe(200);
      await server.call("POST", `/users/${mallory.id}/games`, {
        token: mallory.token,
        body: { role: HOSTILE.slice(0, 60), result: "win", duration: 1 },
      });
      const post = await server.call("POST", "/api/blogs/posts", {
        token: mallory.token,
        body: { title: HOSTILE, content: markdown, status: "published" },
      });
      await server.call("POST", `/api/blogs/posts/${post.body.id}/comments`, {
        token: mallory.token,
        body: { content: HOSTILE },
      });
      const room = await server.call("POST", "/ws/create-room", {
        token: mallory.token,
        body: { name: HOSTILE.slice(0, 99) },
      });
      for (const content of [HOSTILE, "javascript:globalThis.hit=1 https://example.org/<b>bold</b>"]) {
        await server.call("POST", `/ws/rooms/${room.body.id}/messages`, {
          token: mallory.token,
          body: { content },
        });
      }
      const paths = [
        "/chat",
        `/chat/${room.body.id}`,
        "/admin/rooms",
        "/",
        "/players",
        `/players/${mallory.id}`,
        "/blog",
        `/blog/${post.body.id}`,
        "/admin/users",
        "/admin/audit",
      ];
      for (const path of paths) {
        await settled(page, path);
        if (path.startsWith("/chat/")) await page.getByText("bold").waitFor();
        expect([path, await page.evaluate("globalThis.hit")]).toEqual([path, undefined]);
      }
      await page.goto(`/blog/${post.body.id}`);
      const press = page.getByText("press", { exact: true });
      await press.waitFor();
      expect(
        await page.locator(".prose script, .prose style, .prose iframe, .prose form, .prose img").count(),
      ).toBe(0);
      await press.click();
      expect(await page.evaluate("globalThis.hit")).toBeUndefined();
      await page.getByRole("link", { name: "Picture: picture" }).waitFor();
      await page.getByRole("heading", { name: "Picture: in a heading" }).waitFor();
      const broken = page.getByText("broken", { exact: true });
      expect(await broken.getAttribute("href")).toBeNull();
      await broken.click();
      expect(wrongs).toEqual([]);
      await context.close();
    },
    LIMIT_MS,
  );

  test(
    "by keyboard alone somebody signs in, opens a post and comments",
    async () => {
      const { page, wrongs, context } = await enter();
      await page.goto("/");
      await page.getByRole("heading", { name: "Latest posts" }).waitFor();
      await page.keyboard.press("Tab");
      expect(await page.evaluate("document.activeElement.textContent")).toBe("Skip to the content");
      await tabTo(page, "Sign in");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "Sign in" }).waitFor();
      await tabTo(page, "email");
      await page.keyboard.type("grace@example.org");
      await page.keyboard.press("Tab");
      await page.keyboard.type("Correct-Horse-1");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "Hello, Grace Hopper" }).waitFor();
      await tabTo(page, "Notes on the Engine");
      await page.keyboard.press("Enter");
      await page.getByLabel("Your comment").waitFor();
      await tabTo(page, "content");
      await page.keyboard.type("Typed, not pressed.");
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      await page.getByText("Typed, not pressed.").waitFor();
      await page.locator("textarea:focus").waitFor();
      expect(wrongs).toEqual([]);
      await context.close();
    },
    LIMIT_MS,
  );

  /** Presses Tab until what has the focus has this name or text. */
  async function tabTo(page: Page, wanted: string): Promise<void> {
    for (let presses = 0; presses < 60; presses++) {
      await page.keyboard.press("Tab");
      const now = await page.evaluate("document.activeElement.name || document.activeElement.textContent");
      if (now === wanted) return;
    }
    throw new Error(`${wanted} is not reached by Tab`);
  }

  test(
    "the first load is below 60 KB of compressed scripts, signed in too",
    async () => {
      const { page, context } = await enter();
      const sizes = async () => {
        await page.waitForLoadState("networkidle");
        return (await page.evaluate(
          "performance.getEntriesByType('resource').filter((one) => one.name.endsWith('.js')).reduce((sum, one) => sum + one.encodedBodySize, 0)",
        )) as number;
      };
      await page.goto("/");
      const signedOut = await sizes();
      expect(signedOut).toBeGreaterThan(5_000);
      expect(signedOut).toBeLessThan(MAX_FIRST_SCRIPTS_BYTES);
      await signIn(page, "Ada");
      await page.getByRole("heading", { name: "Hello, Ada" }).waitFor();
      for (const path of ["/", `/blog/${there.post}`, "/admin"]) {
        await page.goto(path);
        expect(await sizes()).toBeLessThan(MAX_FIRST_SCRIPTS_BYTES);
      }
      await context.close();
    },
    LIMIT_MS,
  );

  test(
    "a server that is away is told in words, and the colours and the sign-in stay",
    async () => {
      const { page, context } = await enter();
      await signIn(page, "Grace");
      await page.getByRole("heading", { name: "Hello, Grace Hopper" }).waitFor();
      await page.getByRole("button", { name: /^Colours/ }).click();
      await page.getByRole("button", { name: /^Colours: light/ }).click();
      expect(await page.locator("html").getAttribute("data-theme")).toBe("dark");
      await page.getByRole("link", { name: "Blog", exact: true }).click();
      await page.getByRole("link", { name: "Notes on the Engine" }).waitFor();
      await context.setOffline(true);
      await page.getByRole("searchbox").fill("unheard-of");
      await page.getByRole("button", { name: "Search" }).click();
      await page.getByText("The server cannot be reached.").waitFor();
      await context.setOffline(false);
      await page.getByRole("button", { name: "Try again" }).click();
      await page.getByText("Nothing was found.").waitFor();
      await page.reload();
      await page.getByRole("button", { name: /^Colours: dark/ }).waitFor();
      await page.getByRole("link", { name: "Profile: grace" }).waitFor();
      await context.close();
    },
    LIMIT_MS,
  );

  test(
    "by keyboard alone a dialog is opened and left, and the focus returns to where it was",
    async () => {
      const { page, context } = await enter();
      await signIn(page, "Ada");
      await page.getByRole("heading", { name: "Hello, Ada" }).waitFor();
      await page.goto("/admin/roles");
      await page.getByRole("button", { name: "New role" }).waitFor();
      await tabTo(page, "New role");
      await page.keyboard.press("Enter");
      await page.getByRole("dialog", { name: "New role" }).waitFor();
      await tabTo(page, "name");
      await page.keyboard.type("librarian");
      await page.keyboard.press("Escape");
      // Not by its role: the browser hides it before the app takes it away.
      await page.locator("dialog").waitFor({ state: "detached" });
      await page.waitForFunction("document.activeElement.textContent === 'New role'");
      await page.keyboard.press("Enter");
      await tabTo(page, "name");
      await page.keyboard.type("librarian");
      await page.keyboard.press("Enter");
      await page.getByRole("listitem").filter({ hasText: "librarian" }).waitFor();
      await context.close();
    },
    LIMIT_MS,
  );

  test(
    "a text that would become millions of elements is shown without them, and what is around it works",
    async () => {
      const { page, wrongs, context } = await enter();
      const { token } = await there.join("Tess Table", "tess");
      const texts = [
        ["A huge table", `${"a|".repeat(5_000)}\n${"-|".repeat(5_000)}\n${"b\n".repeat(14_000)}`],
        ["Many tables", `${"a|".repeat(60)}\n${"-|".repeat(60)}\n${"b\n".repeat(60)}\n`.repeat(150)],
        ["Many links", `[a]: /${"x".repeat(3_000)}\n\n${"[a] ".repeat(12_000)}`],
        ["Many quotations", ">".repeat(50_000)],
      ];
      for (const [title, content] of texts) {
        const post = await server.call("POST", "/api/blogs/posts", {
          token,
          body: { title, content, status: "published" },
        });
        expect(post.status).toBe(201);
        await settled(page, `/blog/${post.body.id}`);
        await page.getByText("No comments yet.").waitFor();
        expect(await page.locator(".prose *").count()).toBeLessThan(40_000);
        await page.getByRole("link", { name: "Home" }).click();
        await page.getByRole("heading", { name: "Latest posts" }).waitFor();
      }
      expect(wrongs).toEqual([]);
      await context.close();
    },
    LIMIT_MS,
  );

  test(
    "a username of digits is found by its name, and more roles than a page holds are all kept",
    async () => {
      const { page, wrongs, context } = await enter();
      const named = await there.join("Nought One", "1");
      await page.goto("/players");
      await page.getByRole("searchbox").fill("1");
      await page.getByRole("button", { name: "Find" }).click();
      await page.getByRole("heading", { name: "1", exact: true }).waitFor();
      expect(new URL(page.url()).pathname).toBe(`/players/${named.id}`);

      const signedIn = await server.call("POST", "/api/auth/login", {
        body: { email: "ada@example.org", password: "Correct-Horse-1" },
      });
      const token = signedIn.body.access_token;
      const all: number[] = [];
      for (let role = 0; role < 105; role++) {
        const made = await server.call("POST", "/api/admin/roles", {
          token,
          body: { name: `role ${role}`, permissions: ["audit.read"] },
        });
        expect([role, made.status]).toEqual([role, 201]);
        all.push(made.body.id);
      }
      // Those of the second page.
      const ids = all.slice(-10);
      const held = `/api/admin/users/${named.uuid}/roles`;
      expect((await server.call("PUT", held, { token, body: { ids } })).status).toBe(200);
      await signIn(page, "Ada");
      await page.getByRole("heading", { name: "Hello, Ada" }).waitFor();
      await page.goto("/admin/users");
      await page.getByRole("button", { name: "Manage: Nought One" }).click();
      await page.getByRole("form", { name: "Roles" }).getByRole("button", { name: "Save" }).click();
      await page.getByText("Saved.").waitFor();
      expect((await server.call("GET", held, { token })).body.data).toHaveLength(10);
      expect(wrongs).toEqual([]);
      await context.close();
    },
    LIMIT_MS,
  );
});
