import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import {
  addressOf,
  launchChromium,
  PASSWORD,
  signIn,
  signInHere,
  signUp,
  usernameOf,
  type Visitor,
  visitor,
} from "../support/browser.ts";
import { type RunningServer, startServer, temporaryFolder } from "../support/server.ts";
import { requireTool } from "../support/tools.ts";

const LIMIT_MS = 120_000;
// 20 s, since a mail is sent by the way.
const MAIL_TRIES = 400;
const isThere = requireTool("chromium");

describe.skipIf(!isThere)("in a browser", () => {
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
    await Promise.all(open.splice(0).map(({ context }) => context.close()));
  });

  async function enter(options = {}): Promise<Visitor> {
    const entered = await visitor(browser, server.url, options);
    open.push(entered);
    return entered;
  }

  const main = (page: Page) => page.getByRole("main");

  test(
    "somebody signs up, records a game, and reads and downloads the finished PDF",
    async () => {
      const { page, wrongs } = ada;
      await page.goto("/");
      await main(page).getByRole("link", { name: "Sign up" }).click();
      await signUp(page, "Ada Player");
      await page.getByRole("navigation").getByRole("link", { name: "Players" }).click();
      await page.getByRole("link", { name: "My page" }).click();
      await page.getByRole("button", { name: "Record a game" }).click();
      await page.getByLabel("Role").fill("medic");
      await page.getByRole("combobox", { name: "Result" }).selectOption("win");
      await page.getByLabel("Duration in minutes").fill("95");
      await page.getByRole("button", { name: "Record", exact: true }).click();
      await page.getByRole("img", { name: "1 won, 0 lost, 0 drawn of the last 1 games" }).waitFor();
      expect(await page.getByRole("listitem").filter({ hasText: "medic" }).textContent()).toContain("1h 35m");

      await page.getByRole("button", { name: "Make the PDF" }).click();
      await page.getByRole("listitem").filter({ hasText: "Finished" }).and(page.locator(".done")).waitFor();
      const shown = await page.locator("iframe").getAttribute("src");
      expect(shown).toStartWith(`blob:${server.url}/`);
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("link", { name: "Download" }).click(),
      ]);
      expect(download.suggestedFilename()).toBe("ada_player.pdf");
      const bytes = await Bun.file(await download.path()).bytes();
      expect(new TextDecoder().decode(bytes.subarray(0, 5))).toBe("%PDF-");

      // In a bucket it is another host's, which the page does not talk to: the server hands it out.
      await page.route("**/api/stats/tasks/*/events", (route) =>
        route.fulfill({
          contentType: "text/event-stream",
          body: `data: {"result":{"id":"1","status":"DONE","document_url":"https://bucket.example.org/stats-1.pdf"}}\n\n`,
        }),
      );
      await page.getByRole("button", { name: "Make the PDF" }).click();
      await page.locator(`iframe:not([src="${shown}"])`).waitFor();
      expect(wrongs).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    "a post is drafted, looked at, published, found, read and commented on",
    async () => {
      const { page, wrongs } = ada;
      await signUp(page, "Ada Author");
      await page.goto("/blog");
      await page.getByRole("link", { name: "Write a post" }).click();
      await page.getByLabel("Title").fill("On weaving");
      await page.getByLabel("Text").fill("# Patterns\n\nThe engine weaves **algebraic** patterns.");
      await page.getByRole("button", { name: "Preview" }).click();
      await main(page).locator("strong", { hasText: "algebraic" }).waitFor();
      await page.getByRole("button", { name: "Save as a draft" }).click();
      await page.getByRole("heading", { name: "On weaving" }).waitFor();

      const reader = await enter();
      await signUp(reader.page, "Grace Reader");
      await reader.page.goto("/blog");
      await reader.page.getByText("No posts yet.").waitFor();

      await page.goto("/blog?drafts=1");
      await page.getByRole("link", { name: "On weaving" }).click();
      await page.getByRole("link", { name: "Edit" }).click();
      await page.getByRole("button", { name: "Publish" }).click();
      await page.getByRole("heading", { name: "Patterns" }).waitFor();

      await reader.page.getByRole("searchbox", { name: "Search the posts" }).fill("algebr");
      await reader.page.getByRole("button", { name: "Search" }).click();
      await reader.page.getByRole("link", { name: "On weaving" }).click();
      await reader.page.getByLabel("Your comment").fill("Could it play chess?");
      await reader.page.getByRole("button", { name: "Comment" }).click();
      await reader.page.getByText("Could it play chess?").waitFor();
      expect(await reader.page.getByLabel("Your comment").inputValue()).toBe("");

      await page.reload();
      await page.getByRole("button", { name: "Like: 0 likes" }).click();
      await page.getByRole("button", { name: "Like: 1 like", pressed: true }).click();
      await page.getByRole("button", { name: "Like: 0 likes", pressed: false }).waitFor();
      expect([...wrongs, ...reader.wrongs]).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    "a forgotten password is set anew by the mailed link, and the old one is refused in words",
    async () => {
      const { page, wrongs } = ada;
      await signUp(page, "Ada Forgetful");
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.goto("/login");
      await page.getByRole("link", { name: "Forgot the password?" }).click();
      await page.getByLabel("E-mail address").fill(addressOf("Ada Forgetful"));
      await page.getByRole("button", { name: "Send the link" }).click();
      await page.getByText("the link is on its way").waitFor();
      const link = await mailedLink("/reset-password", addressOf("Ada Forgetful"));
      await page.goto(link);
      await page.getByLabel("New password").fill("Battery-Staple-2");
      await page.getByLabel("The same again").fill("Battery-Staple-3");
      await page.getByRole("button", { name: "Set the password" }).click();
      await page.getByText("The passwords do not match.").waitFor();
      expect(new URL(page.url()).search).toBe("");
      await page.getByLabel("The same again").fill("Battery-Staple-2");
      await page.getByRole("button", { name: "Set the password" }).click();
      await page.getByText("The new password is set").waitFor();

      wrongs.length = 0;
      await signIn(page, "Ada Forgetful");
      const refusal = page.getByRole("alert");
      await refusal.waitFor();
      expect(await refusal.textContent()).toMatch(/password.*Request [\w-]{36}/s);
      // The browser itself notes that an answer was 401.
      expect(wrongs.splice(0)).toEqual([expect.stringContaining("status of 401 ")]);
      await signIn(page, "Ada Forgetful", "Battery-Staple-2");
      await page.getByRole("heading", { name: "Hello, Ada Forgetful" }).waitFor();
      expect(wrongs).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    "the mailed link confirms an address",
    async () => {
      const { page, wrongs } = ada;
      await signUp(page, "Ada Confirmed");
      await page.goto("/profile");
      await page.getByText("not confirmed yet").waitFor();
      await page.getByLabel("E-mail address", { exact: true }).fill("ada.confirmed@example.org");
      await main(page).getByRole("button", { name: "Save" }).first().click();
      await page.getByText("Saved.").waitFor();
      await page.goto(await mailedLink("/verify-email", "ada.confirmed@example.org"));
      await main(page).getByRole("button", { name: "Confirm the e-mail address" }).click();
      await page.getByText("the address is confirmed").waitFor();
      await page.goto("/profile");
      await page.getByText("confirmed", { exact: true }).waitFor();
      expect(wrongs).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    "an administrator gives a role and deactivates an account, whose open page signs out by itself",
    async () => {
      const { page, wrongs } = ada;
      await signUp(page, "Ada Boss");
      await grantAdmin(addressOf("Ada Boss"));
      const other = await enter();
      await signUp(other.page, "Grace Gone");
      await other.page.goto("/profile");
      await other.page.getByRole("heading", { name: "Profile" }).waitFor();

      await page.goto("/admin");
      await page.getByRole("searchbox", { name: "Name or e-mail address" }).fill("grace gone");
      await page.getByRole("button", { name: "Search" }).click();
      await page.getByRole("button", { name: "Manage: Grace Gone" }).click();
      await page.getByLabel("moderator").check();
      await page.getByRole("form", { name: "Roles" }).getByRole("button", { name: "Save" }).click();
      await page.getByText("Saved.").waitFor();
      await page.getByRole("button", { name: "Close" }).click();
      await page.getByRole("button", { name: "Manage: Grace Gone" }).click();
      await page.getByRole("checkbox", { name: "moderator", checked: true }).waitFor();
      await page.getByRole("button", { name: "Deactivate" }).click();
      await page
        .getByRole("dialog", { name: "Deactivate Grace Gone?" })
        .getByRole("button", { name: "Deactivate" })
        .click();
      await page.getByRole("button", { name: "Activate", exact: true }).waitFor();

      await other.page.getByText("You have been signed out").waitFor();
      await other.page.getByRole("heading", { name: "Sign in first" }).waitFor();
      expect(wrongs).toEqual([]);
      expect(other.wrongs.filter((wrong) => !/status of 40[13] /.test(wrong))).toEqual([]);

      await page.getByRole("button", { name: "Activate", exact: true }).click();
      await page.getByRole("button", { name: "Deactivate" }).waitFor();
      await signIn(other.page, "Grace Gone");
      await other.page.getByRole("heading", { name: "Hello, Grace Gone" }).waitFor();
    },
    LIMIT_MS,
  );

  test(
    "an administrator deletes an account by its username; who may not is not offered it, or told so",
    async () => {
      const { page, wrongs } = ada;
      await signUp(page, "Ada Chief");
      await grantAdmin(addressOf("Ada Chief"));
      const gone = await enter();
      await signUp(gone.page, "Grace Written");
      await gone.page.goto("/profile");
      await gone.page.getByRole("heading", { name: "Profile" }).waitFor();
      const helper = await enter();
      await signUp(helper.page, "Hal Helper");
      const may = await givesPermissions("Ada Chief", "Hal Helper");

      const manage = async (by: Page, name: string) => {
        await by.goto("/admin/users");
        await by.getByRole("button", { name: `Manage: ${name}` }).click();
        const user = by.getByRole("dialog", { name, exact: true });
        await user.getByText(`${usernameOf(name)} · `).waitFor();
        return user.getByRole("button", { name: "Delete the account and data" });
      };
      const asked = (by: Page, name: string) =>
        by.getByRole("dialog", { name: `Delete ${name} and everything in the account?` });

      await may(["users.read"]);
      expect(await (await manage(helper.page, "Ada Chief")).count()).toBe(0);
      await may(["users.read", "users.write"]);
      expect(await (await manage(helper.page, "Hal Helper")).count()).toBe(0);
      await (await manage(helper.page, "Ada Chief")).click();
      const refused = asked(helper.page, "Ada Chief");
      await refused.getByLabel("Type the username ada_chief to confirm").fill("ada_chief");
      await refused.getByRole("button", { name: "Delete everything" }).click();
      expect(await refused.getByRole("alert").textContent()).toContain("permissions that you do not have");

      await (await manage(page, "Grace Written")).click();
      const dialog = asked(page, "Grace Written");
      await dialog.getByText("Nobody can undo this").waitFor();
      await dialog.getByText("rooms that they made").waitFor();
      await dialog.getByLabel("Type the username").fill("grace written");
      await dialog.getByRole("button", { name: "Delete everything" }).click();
      expect(await dialog.getByRole("alert").textContent()).toContain("not the username of this account");
      expect(wrongs).toEqual([]);
      await dialog.getByLabel("Type the username").fill(" grace_written ");
      await dialog.getByRole("button", { name: "Delete everything" }).click();
      await page.getByRole("dialog").first().waitFor({ state: "detached" });
      await page.getByRole("button", { name: "Manage: Grace Written" }).waitFor({ state: "detached" });
      await page.getByRole("button", { name: "Manage: Hal Helper" }).waitFor();

      await gone.page.getByText("You have been signed out").waitFor();
      await gone.page.getByRole("heading", { name: "Sign in first" }).waitFor();
      await signIn(gone.page, "Grace Written");
      await gone.page.getByRole("alert").waitFor();
      expect(wrongs).toEqual([]);
      const others = [...helper.wrongs, ...gone.wrongs];
      // The browser itself notes that an answer was 401 or 403.
      expect(others.filter((wrong) => !/status of 40[13] /.test(wrong))).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    "somebody deletes their account and data by keyboard, after a wrong password",
    async () => {
      const { page, wrongs } = ada;
      await signUp(page, "Ada Erased");
      await page.goto("/profile/security");
      const opener = page.getByRole("button", { name: "Delete my account and data" });
      await opener.focus();
      await page.keyboard.press("Enter");
      const dialog = page.getByRole("dialog", { name: "Delete your account and everything in it?" });
      await dialog.getByText("Nobody can undo this").waitFor();
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "hidden" });
      await opener.and(page.locator(":focus")).waitFor();

      await page.keyboard.press("Enter");
      await dialog.getByText("Nobody can undo this").waitFor();
      const password = dialog.getByLabel("Current password");
      // From the button that closes it.
      await page.keyboard.press("Tab");
      await password.and(page.locator(":focus")).waitFor();
      await page.keyboard.type("Wrong-Pass1");
      await page.keyboard.press("Enter");
      await dialog.getByRole("alert").waitFor();
      expect(await dialog.getByRole("alert").textContent()).toContain("The current password is wrong.");
      // The browser itself notes that an answer was 401.
      expect(wrongs.splice(0).filter((wrong) => !/status of 401 /.test(wrong))).toEqual([]);

      await password.fill(PASSWORD);
      await page.keyboard.press("Enter");
      await page.getByRole("link", { name: "Sign in" }).first().waitFor();
      expect(new URL(page.url()).pathname).toBe("/");
      await signIn(page, "Ada Erased");
      await page.getByRole("alert").waitFor();
      expect(wrongs.filter((wrong) => !/status of 401 /.test(wrong))).toEqual([]);
      await signUp(page, "Ada Erased");
    },
    LIMIT_MS,
  );

  test(
    "a session is signed out from another one, and a sign-out in one tab counts in the other",
    async () => {
      const { page } = ada;
      await signUp(page, "Ada Twice");
      const elsewhere = await enter();
      await signIn(elsewhere.page, "Ada Twice");
      await elsewhere.page.getByRole("heading", { name: "Hello, Ada Twice" }).waitFor();
      await page.goto("/profile/security");
      await page.getByRole("button", { name: "Sign out there" }).click();
      await page.getByRole("button", { name: "Sign out there" }).waitFor({ state: "detached" });
      await elsewhere.page.getByText("You have been signed out").waitFor();

      const tab = await ada.context.newPage();
      await tab.goto("/profile");
      await tab.getByRole("heading", { name: "Profile" }).waitFor();
      await page.getByRole("button", { name: "Sign out", exact: true }).click();
      await tab.getByRole("heading", { name: "Sign in first" }).waitFor();
    },
    LIMIT_MS,
  );

  test(
    "tokens that have ended are renewed, in two tabs at once too, and the session lives on",
    async () => {
      const { page, wrongs, context } = ada;
      await signUp(page, "Ada Later");
      const tab = await context.newPage();
      await tab.goto("/profile/security");
      await tab.getByText("This one").waitFor();
      const age = `{
        const kept = JSON.parse(localStorage.getItem("guildhall.tokens"));
        localStorage.setItem("guildhall.tokens", JSON.stringify({ ...kept, expiresAt: 0 }));
      }`;
      await page.evaluate(age);
      await Promise.all([page.goto("/profile/security"), tab.reload()]);
      await Promise.all([page, tab].map((one) => one.getByText("This one").waitFor()));
      expect(await page.getByRole("button", { name: "Sign out there" }).count()).toBe(0);
      // A token that is none, such as after its secret was replaced.
      await page.evaluate(age.replace("expiresAt: 0", 'access: "gone"'));
      await page.reload();
      await page.getByText("This one").waitFor();
      expect(wrongs.filter((wrong) => !wrong.includes("status of 401 "))).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    "who signs in is led to where they came from, and never to another site",
    async () => {
      const { page } = ada;
      await signUp(page, "Ada Led");
      await page.getByRole("button", { name: "Sign out", exact: true }).click();
      await page.goto("/blog?drafts=1");
      await page.goto("/profile/security");
      await page.getByRole("main").getByRole("link", { name: "Sign in" }).click();
      await signInHere(page, "Ada Led");
      await page.getByRole("heading", { name: "Your sessions" }).waitFor();
      for (const next of [
        "//evil.example.org",
        "https://evil.example.org/",
        "/\\evil.example.org",
        "/users/1",
      ]) {
        await page.getByRole("button", { name: "Sign out", exact: true }).click();
        await page.goto(`/login?next=${encodeURIComponent(next)}`);
        await signInHere(page, "Ada Led");
        await page.getByRole("heading", { name: "Hello, Ada Led" }).waitFor();
        expect([next, page.url()]).toEqual([next, `${server.url}/`]);
      }
    },
    LIMIT_MS,
  );

  test(
    "the account's language is spoken, and its picture shown",
    async () => {
      const { page, wrongs } = ada;
      await signUp(page, "Ada Russian");
      await page.goto("/profile");
      await page.getByLabel("Language").selectOption("ru");
      await main(page).getByRole("button", { name: "Save" }).first().click();
      await page.getByRole("heading", { name: "Профиль" }).waitFor();
      expect(await page.locator("html").getAttribute("lang")).toBe("ru");
      await page.locator("input[type=file]").setInputFiles({
        name: "dot.png",
        mimeType: "image/png",
        buffer: Buffer.from(DOT, "base64"),
      });
      await page.locator('header img[src$=".png"]').waitFor();
      await page.reload();
      await page.getByRole("heading", { name: "Профиль" }).waitFor();
      expect(wrongs).toEqual([]);
    },
    LIMIT_MS,
  );

  /** The newest mail to this address has it; waits for the mail. */
  async function mailedLink(path: string, address: string): Promise<string> {
    const outbox = join(folder.path, "data/outbox");
    for (let tries = 0; tries < MAIL_TRIES; tries++) {
      const names = (await readdir(outbox).catch(() => [])).filter((name) => name.endsWith(".eml")).sort();
      for (const name of names.reverse()) {
        const mail = (await Bun.file(join(outbox, name)).text())
          .replace(/=\r?\n/g, "")
          .replaceAll("=3D", "=");
        const token = new RegExp(`${path}\\?token=([\\w%-]+)`).exec(mail)?.[1];
        if (token !== undefined && mail.includes(address)) return `${path}?token=${token}`;
      }
      await Bun.sleep(50);
    }
    throw new Error(`no mail with a link to ${path} came for ${address}`);
  }

  /** A role of somebody's alone, whose permissions an administrator replaces. */
  async function givesPermissions(boss: string, holder: string) {
    const signedIn = async (name: string) => {
      const body = { email: addressOf(name), password: PASSWORD };
      return (await server.call("POST", "/api/auth/login", { body })).body;
    };
    const { access_token: token } = await signedIn(boss);
    const does = async (method: string, path: string, body: object) => {
      const answer = await server.call(method, `/api/admin${path}`, { token, body });
      if (answer.status >= 300) throw new Error(JSON.stringify(answer.body));
      return answer.body;
    };
    const name = `role of ${holder}`;
    const { id } = await does("POST", "/roles", { name, permissions: [] });
    await does("PUT", `/users/${(await signedIn(holder)).user.id}/roles`, { ids: [id] });
    return (permissions: readonly string[]) => does("PUT", `/roles/${id}`, { name, permissions });
  }

  async function grantAdmin(address: string): Promise<void> {
    const command = [
      "bun",
      "src/main.ts",
      "user",
      "grant",
      address,
      "admin",
      "--data-dir",
      join(folder.path, "data"),
    ];
    const granted = Bun.spawn(command, {
      cwd: join(import.meta.dir, "../.."),
      stdout: "ignore",
      stderr: "inherit",
    });
    expect(await granted.exited).toBe(0);
  }
});

// One black point.
const DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==";
