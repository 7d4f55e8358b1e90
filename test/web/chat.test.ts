import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import {
  addressOf,
  launchChromium,
  PASSWORD,
  signUp,
  type Visitor,
  violations,
  visitor,
} from "../support/browser.ts";
import { runCommand } from "../support/command.ts";
import { type RunningServer, startServer, temporaryFolder } from "../support/server.ts";
import { requireTool } from "../support/tools.ts";

const LIMIT_MS = 120_000;
// More than is replayed to who was away.
const LONG_ABSENCE = 320;
// More than is kept of a room whose end is shown.
const LONG_TALK = 1_120;
// More than one page of the API, and than the app asks for at first.
const LONG_LIST = 320;
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
  const NETWORK = [
    /^Failed to load resource: net::ERR_(INTERNET_DISCONNECTED|CONNECTION_REFUSED)$/,
    /^WebSocket connection to 'ws:\/\/[^']+\/ws\/join-room\/[^']+' failed: .+$/,
  ];
  const isOurs = (wrong: string) => !NETWORK.some((known) => known.test(wrong));
  const FORBIDDEN = "Failed to load resource: the server responded with a status of 403 (Forbidden)";

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
      await say(grace.page, "from afar, first");
      await say(grace.page, "from afar, second");
      await grace.page.getByText("waiting to be sent").nth(1).waitFor();
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

  test(
    "scrolling back goes beyond a thousand messages, while others talk, and nothing that is read moves",
    async () => {
      const address = ada.page.url();
      // Whoever looks on makes it slower.
      await Promise.all([ada.page.goto("/blog"), grace.page.goto("/blog")]);
      await sayMuch(ada.page, LONG_TALK, address);
      await Promise.all([ada.page.goto(address), grace.page.goto(address)]);
      await shown(grace.page, `line ${LONG_TALK}`);
      const lines = Array.from({ length: LONG_TALK }, (_, line) => `line ${line + 1}`);
      const meanwhile: string[] = [];
      while ((await log(grace.page).getByText("line 1", { exact: true }).count()) === 0) {
        await log(grace.page).evaluate((list) => {
          list.scrollTop = 0;
        });
        if (meanwhile.length < 30) {
          meanwhile.push(`meanwhile ${meanwhile.length}`);
          await post(ada.page, meanwhile.at(-1) ?? "");
        }
        await grace.page.waitForTimeout(20);
      }
      await shown(grace.page, meanwhile.at(-1) ?? "");
      expect(await said(grace.page)).toEqual([...lines, ...meanwhile]);

      await log(grace.page).evaluate((list) => {
        list.scrollTop = 300;
      });
      await grace.page.waitForTimeout(100);
      const top = () => log(grace.page).getByText("line 9", { exact: true }).boundingBox();
      const before = await top();
      await say(ada.page, "at the end");
      await shown(grace.page, "at the end");
      expect(await top()).toEqual(before);
      expect(await said(grace.page)).toEqual([...lines, ...meanwhile, "at the end"]);
    },
    LIMIT_MS,
  );

  test(
    "an earlier page leaves what is being read where it was",
    async () => {
      await sayMuch(ada.page, 120);
      await grace.page.reload();
      await shown(grace.page, "line 120");
      await log(grace.page).evaluate((list) => {
        list.scrollTop = 0;
      });
      const mark = log(grace.page).getByText("line 75", { exact: true });
      const before = await mark.boundingBox();
      await shown(grace.page, "line 21");
      expect((await mark.boundingBox())?.y).toBeCloseTo(before?.y ?? 0, 0);
    },
    LIMIT_MS,
  );

  /** With the page's own token, over REST. */
  async function ask(
    page: Page,
    method: string,
    rest: string,
    body: unknown,
    status: number,
    address = page.url(),
  ) {
    const stored = await page.evaluate("localStorage.getItem('guildhall.tokens')");
    const { access } = JSON.parse(String(stored)) as { readonly access: string };
    const room = new URL(address).pathname.split("/").at(-1);
    const answer = await server.call(method, `/ws/rooms/${room}${rest}`, { token: access, body });
    expect(answer.status).toBe(status);
    return answer.body;
  }
  const post = (page: Page, content: string, address?: string) =>
    ask(page, "POST", "/messages", { content }, 201, address);

  async function sayMuch(page: Page, count: number, address?: string): Promise<void> {
    for (let line = 1; line <= count; line++) await post(page, `line ${line}`, address);
  }

  test(
    "a server that answers nothing is noticed, and what was said to it is sent once",
    async () => {
      server.kill("SIGSTOP");
      try {
        await say(grace.page, "hello?");
        await grace.page.getByText("No connection. What you say waits").waitFor();
        await grace.page.getByRole("button", { name: "Connect now" }).click();
        await grace.page.getByText("Connecting", { exact: true }).waitFor();
        // The next attempt has its limit too.
        await grace.page.evaluate(`new Promise((done) => {
          const look = () => document.querySelector(".connection.lost") ? done(null) : setTimeout(look, 20);
          look();
        })`);
      } finally {
        server.kill("SIGCONT");
      }
      await connected(grace.page);
      await shown(ada.page, "hello?");
      await grace.page.getByText("waiting to be sent").waitFor({ state: "detached" });
      expect(await said(grace.page)).toEqual(["hello?"]);
      expect(await said(ada.page)).toEqual(["hello?"]);
    },
    LIMIT_MS,
  );

  test(
    "a tab too many is told so, and comes in when another was closed",
    async () => {
      const others: Page[] = [];
      for (let tab = 2; tab <= 5; tab++) {
        const other = await grace.context.newPage();
        await other.goto(grace.page.url());
        await connected(other);
        others.push(other);
      }
      const sixth = await grace.context.newPage();
      await sixth.goto(grace.page.url());
      await sixth.getByText("This room is open in too many tabs").waitFor();
      await others[0]?.close();
      await sixth.getByRole("button", { name: "Come back" }).click();
      await connected(sixth);
      expect([...ada.wrongs, ...grace.wrongs].filter(isOurs)).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    "who is too fast for slow mode is told so, and each message goes out by itself",
    async () => {
      await ask(ada.page, "PATCH", "", { slow_mode_seconds: 3 }, 204);
      await say(grace.page, "first");
      await shown(ada.page, "first");
      await say(grace.page, "second");
      await grace.page.getByText("waiting to be sent: slow mode, one message in 3 s").waitFor();
      await say(grace.page, "third");
      await shown(ada.page, "third");
      expect(await said(ada.page)).toEqual(["first", "second", "third"]);
      await grace.page.getByText("waiting to be sent").waitFor({ state: "detached" });
    },
    LIMIT_MS,
  );

  test(
    "a message that waits though it was stored and removed is dropped in words",
    async () => {
      const stored = await ask(grace.page, "POST", "/messages", { content: "gone", key: "k1" }, 201);
      await ask(grace.page, "DELETE", `/messages/${stored.id}`, undefined, 204);
      const room = new URL(grace.page.url()).pathname.split("/").at(-1);
      await grace.page.evaluate(
        ([place, message]) => localStorage.setItem(place ?? "", message ?? ""),
        [
          `guildhall.outbox.${stored.userId}.${room}.k1`,
          JSON.stringify({ key: "k1", content: "gone", at: 1, refusal: null }),
        ],
      );
      await grace.page.reload();
      await grace.page.getByText("A message that waited had arrived after all").waitFor();
      expect(await log(grace.page).getByText("gone").count()).toBe(0);
      await say(grace.page, "still here");
      await shown(ada.page, "still here");
    },
    LIMIT_MS,
  );

  test(
    "a text too long by code points is not cut, and what waits does not outlive signing out",
    async () => {
      await say(grace.page, "\u{1f642}".repeat(4_001));
      await grace.page.getByText("A message has at most 4,000 characters; this is 1 too many.").waitFor();
      await say(grace.page, "\u{1f642}".repeat(4_000));
      await shown(ada.page, "\u{1f642}".repeat(4_000));

      await grace.context.setOffline(true);
      await grace.page.getByText("No connection. What you say waits").waitFor();
      await say(grace.page, "private");
      const places = () =>
        grace.page.evaluate("Object.keys(localStorage).filter((place) => /outbox/.test(place)).length");
      expect(await places()).toBe(1);
      await grace.page.evaluate("localStorage.removeItem('guildhall.tokens')");
      await grace.context.setOffline(false);
      const elsewhere = await grace.context.newPage();
      await elsewhere.goto("/");
      await elsewhere.evaluate("localStorage.setItem('guildhall.tokens', 'x')");
      await grace.page.getByRole("heading", { name: "Sign in first" }).waitFor();
      expect(await places()).toBe(0);
    },
    LIMIT_MS,
  );

  test(
    "on a narrow screen the list of people leads to moderation",
    async () => {
      await ada.page.setViewportSize({ width: 360, height: 740 });
      await ada.page.getByRole("button", { name: "People" }).click();
      await ada.page
        .getByRole("dialog", { name: "People" })
        .getByRole("button", { name: `Moderate: grace_${round}` })
        .click();
      const moderation = ada.page.getByRole("dialog", { name: `grace_${round}: moderation` });
      await moderation.getByRole("button", { name: "Mute", exact: true }).click();
      await moderation.getByText("Mute: Done.").waitFor();
      await ada.page.keyboard.press("Escape");
      await moderation.waitFor({ state: "detached" });
      expect(ada.wrongs).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    "who moderates a room sees how it is and who is what in it, and takes it back there",
    async () => {
      const join = async (name: string) => {
        const body = {
          username: `${name}_${round}`,
          email: `${name}.${round}@example.org`,
          password: PASSWORD,
        };
        return (await server.call("POST", "/api/users/signup", { body })).body.id as number;
      };
      const [mel, moe] = [await join("mel"), await join("moe")];
      const put = (path: string, body = {}) => ask(ada.page, "PUT", path, body, 204);
      const { userId: graceId } = await post(grace.page, "Hello");
      await put(`/bans/${mel}`, { until: "2130-01-02T12:00:00Z" });
      await put(`/members/${mel}`);
      await put(`/moderators/${moe}`);
      await put(`/mutes/${graceId}`);
      await ask(ada.page, "PATCH", "", { slow_mode_seconds: 7, read_only: true }, 204);

      await ada.page.setViewportSize({ width: 360, height: 740 });
      await ada.page.getByRole("button", { name: "Settings of the room" }).click();
      const settings = ada.page.getByRole("dialog", { name: "Settings of the room" });
      await settings.getByLabel("Slow mode").waitFor();
      expect(await settings.getByLabel("Slow mode").locator("option:checked").textContent()).toBe(
        "7 seconds",
      );
      expect(await settings.getByLabel("Only moderators speak").isChecked()).toBe(true);
      const list = settings.getByRole("region", { name: "People of this room" });
      const one = (name: string) => list.getByRole("listitem").filter({ hasText: `${name}_${round}` });
      const badges = async (name: string) => one(name).locator(".badge").allTextContents();
      const undoes = async (name: string) => one(name).getByRole("button").allTextContents();
      await one("mel").waitFor();
      expect(await list.getByRole("listitem").count()).toBe(4);
      expect([await badges("ada"), await undoes("ada")]).toEqual([["Owner"], []]);
      expect([await badges("grace"), await undoes("grace")]).toEqual([["Muted for ever"], ["Unmute"]]);
      expect([await badges("moe"), await undoes("moe")]).toEqual([
        ["Moderator"],
        ["Take the moderator role"],
      ]);
      expect(await badges("mel")).toEqual(["Member", expect.stringMatching(/^Banned until .*\b2130\b/)]);
      expect(await undoes("mel")).toEqual(["Lift the ban", "Take the access"]);
      expect(await settings.evaluate((dialog) => dialog.scrollWidth - dialog.clientWidth)).toBe(0);
      expect(await violations(ada.page)).toEqual([]);

      await list.getByLabel("Who is shown").selectOption("Banned");
      await one("grace").waitFor({ state: "detached" });
      // By keyboard: the focus is then where the next one is, or at the heading when there is none.
      await list.getByRole("button", { name: `Lift the ban: mel_${round}` }).press("Enter");
      await list.getByText("Nobody.").waitFor();
      await list.getByText(`mel_${round}, Lift the ban: Done.`).waitFor();
      await settings.locator("h3:focus").waitFor();
      await list.getByLabel("Who is shown").selectOption("All");
      await list.getByRole("button", { name: `Unmute: grace_${round}` }).press("Enter");
      await one("grace").waitFor({ state: "detached" });
      await settings.locator("li:focus").waitFor();
      expect(await badges("mel")).toEqual(["Member"]);
      const told = await ask(ada.page, "GET", "/people", undefined, 200);
      expect(told.people.map(({ username }: { username: string }) => username)).toEqual(
        ["ada", "mel", "moe"].map((name) => `${name}_${round}`),
      );

      await settings.getByLabel("Only moderators speak").uncheck();
      await settings.getByRole("button", { name: "Save" }).click();
      await settings.waitFor({ state: "detached" });
      expect(await ask(ada.page, "GET", "", undefined, 200)).toMatchObject({
        name: `Engine ${round}`,
        read_only: false,
        slow_mode_seconds: 7,
        private: false,
      });
      expect([...ada.wrongs, ...grace.wrongs]).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    "who gives up the moderator role in the settings of a room is led out of them",
    async () => {
      const own = `/moderators/${(await post(grace.page, "Hello")).userId}`;
      const opener = grace.page.getByRole("button", { name: "Settings of the room" });
      const settings = grace.page.getByRole("dialog", { name: "Settings of the room" });
      const give = settings.getByRole("button", { name: `Take the moderator role: grace_${round}` });
      await ask(ada.page, "PUT", own, {}, 204);
      await opener.click();
      await give.press("Enter");
      await settings.waitFor({ state: "detached" });
      await opener.waitFor({ state: "detached" });
      expect(grace.wrongs).toEqual([]);

      // Of a private room not even its name may be read then.
      await ask(ada.page, "PUT", own, {}, 204);
      await ask(ada.page, "PATCH", "", { private: true }, 204);
      await opener.click();
      await give.press("Enter");
      await settings.waitFor({ state: "detached" });

      // Who moderates all of chat stays.
      await ask(ada.page, "PUT", own, {}, 204);
      const grant = ["user", "grant", addressOf(`Grace ${round}`), "admin"];
      expect(await runCommand(grant, { dataDir: join(folder.path, "data") })).toMatchObject({ code: 0 });
      await grace.page.reload();
      await opener.click();
      await give.press("Enter");
      await give.waitFor({ state: "detached" });
      await settings.getByText(`grace_${round}, Take the moderator role: Done.`).waitFor();
      expect(await settings.getByRole("listitem").locator(".person-name").allTextContents()).toEqual([
        `ada_${round}`,
      ]);
      expect([...ada.wrongs, ...grace.wrongs].filter((wrong) => wrong !== FORBIDDEN)).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    "while something is taken back the rest waits, and the focus stays with who moved it",
    async () => {
      for (const id of [-4, -3, -2, -1]) await ask(ada.page, "PUT", `/bans/${id}`, {}, 204);
      await ada.page.getByRole("button", { name: "Settings of the room" }).click();
      const list = ada.page.getByRole("region", { name: "People of this room" });
      const lift = (guest: string) => list.getByRole("button", { name: `Lift the ban: ${guest}` });
      const gone = (guest: string) => lift(guest).waitFor({ state: "detached" });
      const who = list.getByLabel("Who is shown");
      const people = "**/people?*";

      const act = await held(ada.page, "**/bans/-4");
      await lift("guest4").press("Enter");
      await list.locator("li button:disabled").nth(2).waitFor();
      expect(await list.locator("li button:not(:disabled)").count()).toBe(1);
      await list.locator("li button[aria-busy=true]:focus").waitFor();
      act();
      await gone("guest4");
      expect(await list.locator("li:focus .person-name").textContent()).toBe("guest3");
      expect(await list.locator("li button:disabled").count()).toBe(0);

      const reload = await held(ada.page, people);
      await lift("guest3").press("Enter");
      await list.getByText("guest3, Lift the ban: Done.").waitFor();
      await who.focus();
      reload();
      await gone("guest3");
      expect(await list.locator("select:focus").count()).toBe(1);

      await ada.page.route(people, (route) => route.fulfill({ status: 503, body: "{}" }));
      await lift("guest2").press("Enter");
      const retry = list.getByRole("button", { name: "Try again" });
      await retry.waitFor();
      await ada.page.unroute(people);
      // What was pressed before the failure moves the focus no more.
      await retry.press("Enter");
      await gone("guest2");
      expect(await list.locator(":focus").count()).toBe(0);

      const late = await held(ada.page, people);
      await lift("guest1").press("Enter");
      await list.getByText("guest1, Lift the ban: Done.").waitFor();
      await who.selectOption("Banned");
      await ada.page.evaluate("document.activeElement.blur()");
      late();
      await list.getByText("Nobody.").waitFor();
      expect(await list.locator(":focus").count()).toBe(0);
      const refused =
        "Failed to load resource: the server responded with a status of 503 (Service Unavailable)";
      expect(ada.wrongs).toEqual([refused]);
    },
    LIMIT_MS,
  );

  /** Requests to there wait for the function that this gives. */
  async function held(page: Page, url: string): Promise<() => void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    await page.route(url, async (route) => {
      await promise;
      // The page may have given it up meanwhile.
      await route.continue().catch(() => {});
    });
    return resolve;
  }

  test(
    "a long list of people is shown piece by piece to its end",
    async () => {
      const guests = Array.from({ length: LONG_LIST }, (_, guest) => -1 - guest);
      await Promise.all(guests.map((id) => ask(ada.page, "PUT", `/bans/${id}`, {}, 204)));
      await ada.page.getByRole("button", { name: "Settings of the room" }).click();
      const list = ada.page.getByRole("region", { name: "People of this room" });
      const names = () => list.locator("li .person-name").allTextContents();
      const shown = [50, 100, 200];
      for (const count of shown) {
        await list.locator(`li:nth-child(${count})`).waitFor();
        expect(await names()).toHaveLength(count);
        await list.getByRole("button", { name: "Show more" }).click();
      }
      await list.getByText(`ada_${round}`).waitFor();
      const all = guests.toReversed().map((id) => `guest${-id}`);
      expect(await names()).toEqual([...all, `ada_${round} (you)`]);
      expect(await list.getByRole("button", { name: "Show more" }).count()).toBe(0);
      expect(ada.wrongs).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    "moderation offers what fits the person, and what was pressed keeps the focus",
    async () => {
      await ada.page.getByRole("button", { name: `Moderate: grace_${round}` }).click();
      const moderation = ada.page.getByRole("dialog", { name: `grace_${round}: moderation` });
      const acts = moderation.locator(".acts button");
      const badge = moderation.locator(".badge");
      await acts.first().waitFor();
      expect(await acts.allTextContents()).toEqual(["Mute", "Put out", "Ban", "Make moderator", "Let in"]);
      expect(await badge.count()).toBe(0);
      await moderation.getByRole("button", { name: "Mute", exact: true }).press("Enter");
      await moderation.getByRole("button", { name: "Unmute" }).waitFor();
      expect(await acts.allTextContents()).toEqual(["Unmute", "Put out", "Ban", "Make moderator", "Let in"]);
      expect(await badge.textContent()).toMatch(/^Muted until /);
      expect(await violations(ada.page)).toEqual([]);
      expect(await moderation.locator("button:focus").textContent()).toBe("Unmute");
      await ada.page.keyboard.press("Enter");
      await badge.waitFor({ state: "detached" });
      await moderation.getByRole("button", { name: "Make moderator" }).press("Enter");
      await moderation.getByText("Moderator", { exact: true }).waitFor();
      expect(await acts.allTextContents()).toEqual(["Mute", "Put out", "Ban", "Take the moderator role"]);
      await ada.page.keyboard.press("Escape");

      // She ranks below the owner, and sees what that one is.
      await grace.page.getByRole("button", { name: `Moderate: ada_${round}` }).click();
      const above = grace.page.getByRole("dialog", { name: `ada_${round}: moderation` });
      await above.getByText("There is nothing here that you may do to this person.").waitFor();
      expect(await above.locator(".badge").allTextContents()).toEqual(["Owner"]);
      expect([...ada.wrongs, ...grace.wrongs]).toEqual([]);
    },
    LIMIT_MS,
  );

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
      await ada.page.getByLabel("Only moderators speak").check();
      await ada.page.getByRole("button", { name: "Save" }).click();
      await ada.page.getByRole("heading", { name: `Mill ${round}` }).waitFor();
      await ada.page.getByRole("button", { name: "Settings of the room" }).click();
      await ada.page.getByLabel("Username").fill(`grace_${round}`);
      await ada.page.getByRole("button", { name: "Find" }).click();
      await ada.page.getByRole("button", { name: "Lift the ban", exact: true }).click();
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
      expect(
        [...ada.wrongs, ...grace.wrongs].filter((wrong) => wrong !== FORBIDDEN && isOurs(wrong)),
      ).toEqual([]);
    },
    LIMIT_MS,
  );
});
