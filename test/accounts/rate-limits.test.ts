import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate, openDatabase } from "../../db/open.ts";
import { rateLimits } from "../../db/schema.ts";
import { createApp } from "../../src/app.ts";
import type { Core } from "../../src/domain/core.ts";
import { delayAfter } from "../../src/domain/sign-in-failures.ts";
import { createAddressOf, network } from "../../src/http/address.ts";
import { createOrigins } from "../../src/http/origins.ts";
import { createRateLimiter, type Limits } from "../../src/http/rate-limit.ts";
import { eventually } from "../adapters/eventually.ts";
import {
  type Answer,
  type Call,
  fetchThrough,
  NO_TOPICS,
  PUBLIC_URL,
  send,
  startTestApp,
  type TestApp,
} from "../support/app.ts";
import { player, statsUser } from "../support/people.ts";
import { me, member, must, PASSWORD, refusal, signIn } from "./people.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
// As the document has them.
const LIMITS: Limits = {
  register: { points: 3, windowMs: HOUR_MS },
  signIn: { points: 10, windowMs: 15 * MINUTE_MS },
  forgotPassword: { points: 3, windowMs: HOUR_MS },
  requests: { points: 100, windowMs: MINUTE_MS },
};

let app: TestApp;
afterEach(() => app.close());
const start = async (options: Parameters<typeof startTestApp>[0] = {}) => {
  app = await startTestApp({ limits: LIMITS, ...options });
};

const limitsOf = ({ headers }: Answer) =>
  ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"].map((name) => headers.get(name));
const ask = (call: Call = {}) => app.call("GET", "/api/users/me", call);
const login = (body: object = { email: "nobody@example.com", password: PASSWORD }, call: Call = {}) =>
  app.call("POST", "/api/auth/login", { body, ...call });
const times = async (count: number, one: () => Promise<Answer>): Promise<Answer[]> => {
  const answers: Answer[] = [];
  for (let time = 0; time < count; time++) answers.push(await one());
  return answers;
};
const from = (address: string): Call => ({ headers: { "X-Forwarded-For": address } });

describe("100 requests a minute", () => {
  test("are answered, the 101st is 429 with the documented body and headers", async () => {
    await start();
    const reset = String((app.now + MINUTE_MS) / SECOND_MS);
    const answers = await times(100, () => ask());
    expect(answers.map((answer) => answer.status)).toEqual(Array(100).fill(401));
    expect(answers.map(limitsOf)).toEqual(
      Array.from({ length: 100 }, (_, index) => ["100", String(99 - index), reset]),
    );
    const refused = await ask();
    expect(refused.status).toBe(429);
    expect(refused.body).toEqual({
      error: {
        code: "RATE_LIMIT_EXCEEDED",
        message: "Too many requests. Try again in 60 seconds.",
        retry_after: 60,
      },
    });
    expect(limitsOf(refused)).toEqual(["100", "0", reset]);
    expect(refused.headers.get("Retry-After")).toBe("60");
    expect(answers[0]?.headers.get("Retry-After")).toBeNull();
  });

  test("the window has a fixed end: waiting is told, a refused request does not prolong it", async () => {
    await start();
    await times(100, () => ask());
    app.now += MINUTE_MS - 500;
    const almost = await ask();
    expect([almost.status, almost.headers.get("Retry-After"), almost.body.error.retry_after]).toEqual([
      429,
      "1",
      1,
    ]);
    app.now += 500;
    const fresh = await ask();
    expect([fresh.status, fresh.headers.get("X-RateLimit-Remaining")]).toEqual([401, "99"]);
  });

  test("at once, 150 of them: exactly 100 are answered", async () => {
    await start();
    const answers = await Promise.all(Array.from({ length: 150 }, () => ask()));
    expect(answers.filter((answer) => answer.status === 429)).toHaveLength(50);
  });

  test("count by account where one is signed in, whatever the session and the API; else by address", async () => {
    await start();
    const user = await member(app, "user");
    const other = await signIn(app, user.email);
    await times(60, () => ask({ token: user.token }));
    await times(40, () => app.call("GET", "/users", { headers: { Cookie: `a=b; jwt=${other.token}` } }));
    const refused = await ask({ headers: { Authorization: user.token } });
    expect(refused.status).toBe(429);
    expect((await ask()).status).toBe(401);
    expect((await ask({ token: "junk" })).headers.get("X-RateLimit-Remaining")).toBe("98");
    const expired = await ask({ token: user.refreshToken });
    expect(expired.headers.get("X-RateLimit-Remaining")).toBe("97");
  });
});

test("the headers are on every answer of the APIs, whatever its status, and on no other", async () => {
  await start();
  const { token } = await member(app, "user");
  for (const [method, path, call, status] of [
    ["GET", "/api/users/me", { token }, 200],
    ["GET", "/api/users/me", {}, 401],
    ["GET", "/api/users", { token }, 403],
    ["GET", "/api/nothing", {}, 404],
    ["PATCH", "/api/users/me", {}, 405],
    ["POST", "/api/auth/refresh", { raw: "{", headers: { "Content-Type": "application/json" } }, 400],
    ["POST", "/api/auth/refresh", { raw: "a", headers: { "Content-Type": "text/plain" } }, 415],
    ["POST", "/api/auth/refresh", { body: { refresh_token: "x".repeat(70_000) } }, 413],
    ["GET", "/users", {}, 200],
    ["GET", "/users/0", {}, 404],
    ["GET", "/account/me", {}, 401],
    ["GET", "/info/users", {}, 200],
    ["GET", "/api/stats/tasks/1", { token }, 404],
    ["GET", "/api/blogs/posts", {}, 200],
    ["GET", "/api/admin/audit", { token }, 403],
  ] as [string, string, Call, number][]) {
    const answer = await app.call(method, path, call);
    expect([path, answer.status]).toEqual([path, status]);
    const [limit, remaining, reset] = limitsOf(answer).map(Number);
    expect([path, limit]).toEqual([path, 100]);
    expect(remaining).toBeGreaterThan(0);
    expect(reset).toBe((app.now + MINUTE_MS) / SECOND_MS);
  }
  for (const path of ["/healthz", "/openapi.json", "/", "/avatars/none.svg", "/documents/none.pdf"]) {
    expect([path, limitsOf(await app.call("GET", path))]).toEqual([path, [null, null, null]]);
  }
});

describe("each API refuses in its own words", () => {
  const message = "Too many requests. Try again in 60 seconds.";
  const own = { error: { code: "RATE_LIMIT_EXCEEDED", message, retry_after: 60 } };
  test.each([
    ["GET", "/api/users/me", own],
    ["GET", "/api/nothing", own],
    ["PATCH", "/api/users/me", own],
    ["GET", "/api/users/myself", own],
    ["GET", "/api/stats/tasks/1", own],
    ["GET", "/api/blogs/posts", own],
    ["GET", "/users", { success: false, message }],
    ["DELETE", "/users", { success: false, message }],
    ["GET", "/info/users", { errorMessage: message }],
    ["GET", "/account/nothing", { errorMessage: message }],
  ])("%s %s", async (method, path, body) => {
    await start();
    await times(100, () => ask());
    const answer = await app.call(method, path);
    expect([answer.status, answer.body, answer.headers.get("Retry-After")]).toEqual([429, body, "60"]);
  });
});

describe("sign-in, registration and forgotten passwords", () => {
  const form = (name: string) => ({
    email: `${name}@example.org`,
    password: PASSWORD,
    full_name: "John Doe",
  });
  const registrations = [
    () => app.call("POST", "/api/auth/register", { body: form("accounts") }),
    () => app.call("POST", "/api/auth/register/", { body: { username: "s", email: "s@e.org", sex: "x" } }),
    () => app.call("POST", "/users", { body: { username: "p", password: PASSWORD, email: "p@e.org" } }),
    () => app.call("POST", "/account/registration", { body: {} }),
  ];
  const signIns = [
    () => login(),
    () => app.call("POST", "/api/auth/login/", { body: { username: "nobody", password: PASSWORD } }),
    () => app.call("POST", "/login", { body: { username: "nobody", password: PASSWORD } }),
    () => app.call("POST", "/account/login", { body: { login: "nobody", password: PASSWORD } }),
  ];

  test.each([0, 1, 2, 3])("form %d is the fourth registration of the hour, and refused", async (last) => {
    await start();
    const [a, b, c, d] = registrations;
    if (!a || !b || !c || !d) throw new Error("no forms");
    for (const register of registrations) {
      if (register !== registrations[last]) expect((await register()).status).not.toBe(429);
    }
    const refused = await registrations[last]?.();
    expect([refused?.status, refused?.headers.get("Retry-After")]).toEqual([429, "3600"]);
    expect(refused && limitsOf(refused)).toEqual(["3", "0", String((app.now + HOUR_MS) / SECOND_MS)]);
    app.now += HOUR_MS;
    expect((await registrations[last]?.())?.status).not.toBe(429);
  });

  test.each([0, 1, 2, 3])("form %d is the eleventh sign-in of 15 minutes, and refused", async (last) => {
    await start();
    for (let time = 0; time < 10; time++) {
      const answer = await signIns[(last + 1 + time) % signIns.length]?.();
      expect([401, 403]).toContain(answer?.status ?? 0);
      expect(answer?.headers.get("X-RateLimit-Remaining")).toBe(String(9 - time));
    }
    const refused = await signIns[last]?.();
    expect([refused?.status, refused?.headers.get("Retry-After")]).toEqual([429, "900"]);
    app.now += 15 * MINUTE_MS;
    expect((await signIns[last]?.())?.status).not.toBe(429);
  });

  test("three forgotten passwords an hour", async () => {
    await start();
    const forgotten = (path = "/api/auth/forgot-password") =>
      app.call("POST", path, { body: { email: "user@example.com" } });
    for (const answer of await times(3, () => forgotten())) expect(answer.status).toBe(200);
    expect((await forgotten("/api/auth/forgot-password/")).status).toBe(429);
    expect((await forgotten()).body).toEqual({
      error: {
        code: "RATE_LIMIT_EXCEEDED",
        message: "Too many requests. Try again in 3600 seconds.",
        retry_after: 3_600,
      },
    });
  });

  test("count by address, a token or not; the buckets are apart, and from the 100 too", async () => {
    await start();
    const { token } = await member(app, "user");
    await times(5, () => login());
    const answers = await times(5, () => login(undefined, { token }));
    expect(answers.at(-1)?.status).toBe(429);
    expect((await ask()).headers.get("X-RateLimit-Remaining")).toBe("99");
    const body = { email: "user@example.com" };
    expect((await app.call("POST", "/api/auth/forgot-password", { body })).status).toBe(200);
  });

  test("reading the same address counts as any request", async () => {
    await start();
    for (const [method, path] of [
      ["GET", "/users"],
      ["GET", "/api/auth/login"],
      ["PUT", "/api/auth/register"],
    ] as const) {
      expect((await app.call(method, path)).headers.get("X-RateLimit-Limit")).toBe("100");
    }
  });

  // The routers decode a path before they match it.
  test.each(["/api/auth/logi%6e", "/api/auth/%6Cogin", "/api/%61uth/login/", "/api/auth/lo%67in"])(
    "an encoded path is the same path: %s",
    async (path) => {
      await start();
      await times(10, () => login());
      const answer = await app.call("POST", path, { body: { username: "nobody", password: PASSWORD } });
      expect(answer.status).toBe(429);
    },
  );
});

describe("the caller's address", () => {
  test("is the peer's: X-Forwarded-For of a stranger is not looked at", async () => {
    await start();
    for (let time = 0; time < 10; time++) await login(undefined, from(`203.0.113.${time}`));
    expect((await login(undefined, from("203.0.113.200"))).status).toBe(429);
  });

  test("is the one before our proxies, whatever the caller put there himself", async () => {
    await start({ trustProxy: ["192.0.2.0/24", "2001:db8::/32"] });
    for (let time = 0; time < 10; time++) {
      await login(undefined, from(`198.51.100.${time}, 203.0.113.7, 192.0.2.9`));
    }
    expect((await login(undefined, from("203.0.113.7"))).status).toBe(429);
    expect((await login(undefined, from("203.0.113.8"))).status).toBe(401);
    expect((await login(undefined, from("198.51.100.1"))).status).toBe(401);
    expect((await login(undefined, from("203.0.113.7, junk"))).status).toBe(401);
    expect((await login(undefined, from("203.0.113.7, 2001:db8::1"))).status).toBe(429);
  });

  test("is kept with the session", async () => {
    await start({ trustProxy: ["192.0.2.1"] });
    const { email } = await member(app, "user");
    const body = { email, password: PASSWORD };
    const { access_token: token } = must(await login(body, from("::ffff:203.0.113.7")), 200).body;
    const { body: list } = await app.call("GET", "/api/auth/sessions", { token });
    const current = list.data.find((row: { current: boolean }) => row.current);
    expect(current.address).toBe("203.0.113.7");
  });

  test("of IPv6 counts by its /64", async () => {
    await start({ trustProxy: ["192.0.2.1"] });
    for (let time = 0; time < 10; time++) await login(undefined, from(`2001:db8:0:1::${time.toString(16)}`));
    expect((await login(undefined, from("2001:db8:0:1:ffff:ffff:ffff:ffff"))).status).toBe(429);
    expect((await login(undefined, from("2001:0DB8:0000:0001::9"))).status).toBe(429);
    expect((await login(undefined, from("2001:db8:0:2::1"))).status).toBe(401);
  });

  test.each([
    ["192.0.2.1", "192.0.2.1"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["::", "0:0:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["1:2:3:4:5:6:7:8", "1:2:3:4::/64"],
    ["1:2:3::", "1:2:3:0::/64"],
    ["::5:6:7:8", "0:0:0:0::/64"],
    ["64:ff9b::192.0.2.1", "64:ff9b:0:0::/64"],
    ["unknown", "unknown"],
  ])("the network of %s is %s", async (address, expected) => {
    await start();
    expect(network(address)).toBe(expected);
  });

  test.each([
    [[], "192.0.2.1", "203.0.113.7", "192.0.2.1"],
    [["192.0.2.1"], "192.0.2.1", null, "192.0.2.1"],
    [["192.0.2.1"], "192.0.2.1", "", "192.0.2.1"],
    [["192.0.2.1"], "::ffff:192.0.2.1", "203.0.113.7", "203.0.113.7"],
    [["192.0.2.1"], "192.0.2.2", "203.0.113.7", "192.0.2.2"],
    [["192.0.2.1"], "192.0.2.1", "evil, 203.0.113.7", "203.0.113.7"],
    [["192.0.2.1"], "192.0.2.1", "203.0.113.7, evil", "192.0.2.1"],
    [["192.0.2.0/24"], "192.0.2.1", "192.0.2.2, 192.0.2.3", "192.0.2.2"],
    [["::1"], "::1", "2001:db8::7", "2001:db8::7"],
  ] as const)("proxies %j, peer %s, header %p: %s", async (trusted, peer, header, expected) => {
    await start();
    expect(createAddressOf(trusted)(peer, header)).toBe(expected);
  });

  test.each(["proxy", "192.0.2.1/33", "192.0.2.1/x", "::1/129", ""])(
    "a proxy %p is refused",
    async (entry) => {
      await start();
      expect(() => createAddressOf([entry])).toThrow("neither an address nor a CIDR");
    },
  );
});

describe("what is kept", () => {
  /** The app of a process that starts over this database file. */
  async function process(file: string) {
    const db = await openDatabase(`file:${file}`);
    await migrate(db);
    const core: Core = { ...app.core, db };
    const restarted = createApp({
      core,
      origins: createOrigins({ publicUrl: PUBLIC_URL, port: 8080, allowed: [] }),
      addressOf: createAddressOf([]),
      verifyLink: () => false,
      topics: NO_TOPICS,
      limits: LIMITS,
    });
    const fetch = fetchThrough(restarted, "192.0.2.1");
    return {
      call: (method: string, path: string, call?: Call) => send(fetch, method, PUBLIC_URL + path, call),
      close: () => db.close(),
    };
  }

  test("sign-ins, registrations, forgotten passwords and failures hold across a restart, requests do not", async () => {
    await start();
    const folder = mkdtempSync(join(tmpdir(), "guildhall-limits-"));
    const file = join(folder, "test.db");
    const form = { email: "user@example.com", password: PASSWORD, full_name: "John Doe" };
    const wrong = { email: form.email, password: "Wrong-Password1" };
    const before = await process(file);
    must(await before.call("POST", "/api/auth/register", { body: form }), 201);
    for (let time = 0; time < 10; time++) await before.call("POST", "/api/auth/login", { body: wrong });
    for (let time = 0; time < 3; time++) {
      await before.call("POST", "/api/auth/register", { body: {} });
      await before.call("POST", "/api/auth/forgot-password", { body: { email: "nobody@example.com" } });
    }
    for (let time = 0; time < 100; time++) await before.call("GET", "/api/users/me");
    expect((await before.call("GET", "/api/users/me")).status).toBe(429);
    await before.close();

    const after = await process(file);
    for (const [path, body] of [
      ["/api/auth/login", form],
      ["/api/auth/register", form],
      ["/api/auth/forgot-password", { email: form.email }],
    ] as const) {
      expect([path, (await after.call("POST", path, { body })).status]).toEqual([path, 429]);
    }
    expect((await after.call("GET", "/api/users/me")).status).toBe(401);
    // A forgotten password waits a moment by chance, a sign-in for seconds.
    expect(app.slept.filter((ms) => ms >= 1_000)).toEqual([]);
    app.now += 15 * MINUTE_MS - 1;
    app.slept.length = 0;
    app.now += 1;
    expect((await after.call("POST", "/api/auth/login", { body: form })).status).toBe(200);
    await after.close();
    await rm(folder, { recursive: true, force: true });
  });

  test("100,000 addresses leave at most 50,000 counters in memory: the one silent the longest goes first", async () => {
    await start();
    const limiter = createRateLimiter(app.core, LIMITS);
    const count = async (key: string) => (await limiter.consume("requests", key)).remaining;
    expect(await count("first")).toBe(99);
    expect(await count("lively")).toBe(99);
    for (let address = 0; address < 100_000; address++) {
      await limiter.consume(
        "requests",
        `2001:db8:${(address >> 16).toString(16)}:${address.toString(16)}::/64`,
      );
      if (address === 49_000) expect(await count("first")).toBe(98);
      if (address % 40_000 === 0) await count("lively");
    }
    expect(await count("first")).toBe(99);
    expect(await count("lively")).toBe(95);
    expect(await count(`2001:db8:0:${(0).toString(16)}::/64`)).toBe(99);
    expect(await count(`2001:db8:1:${(99_999).toString(16)}::/64`)).toBe(98);
  });

  test("counters in the database go when their window has ended, faster than new ones come", async () => {
    await start();
    const limiter = createRateLimiter(app.core, LIMITS);
    for (let from_ = 0; from_ < 3_000; from_ += 100) {
      await Promise.all(
        Array.from({ length: 100 }, (_, index) => limiter.consume("signIn", `a${from_ + index}`)),
      );
    }
    expect(await app.core.db.$count(rateLimits)).toBe(3_000);
    app.now += 15 * MINUTE_MS;
    for (let round = 0; round < 16; round++) {
      await Promise.all(
        Array.from({ length: 100 }, (_, index) => limiter.consume("signIn", `b${round}-${index}`)),
      );
    }
    await eventually(async () => (await app.core.db.$count(rateLimits)) <= 1_600);
  });
});

test("RATE_LIMIT off: no header, no limit, no waiting and no counter", async () => {
  app = await startTestApp();
  const settings = app.core.settings as { limitSignIns: boolean };
  settings.limitSignIns = false;
  await member(app, "user");
  const answers = await times(30, () => login({ email: "user@example.com", password: "Wrong-Password1" }));
  expect(answers.map((answer) => answer.status)).toEqual(Array(30).fill(401));
  expect(answers.map(limitsOf)).toEqual(Array(30).fill([null, null, null]));
  for (const answer of await times(101, () => ask())) expect(answer.status).toBe(401);
  expect([app.slept, await app.core.db.$count(rateLimits)]).toEqual([[], 0]);
});

describe("failed sign-ins of one account", () => {
  const wrong = { email: "user@example.com", password: "Wrong-Password1" };
  const right = { email: "user@example.com", password: PASSWORD };

  test("cost a growing wait after the tenth, up to 30 seconds; the right password still gets in", async () => {
    app = await startTestApp();
    await member(app, "user");
    await times(10, () => login(wrong));
    expect(app.slept).toEqual([]);
    await times(8, () => login(wrong));
    expect(app.slept).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    const answer = await login(right);
    expect([answer.status, app.slept.at(-1)]).toEqual([200, 30_000]);
    expect((await me(app, answer.body.access_token)).status).toBe(200);
    app.slept.length = 0;
    app.now += 15 * MINUTE_MS;
    expect((await login(right)).status).toBe(200);
    expect(app.slept).toEqual([]);
  });

  test("count together by whatever name and API, and for nobody else", async () => {
    app = await startTestApp();
    await member(app, "user");
    await player(app, "other");
    for (let time = 0; time < 5; time++) {
      await login(wrong);
      await login({ username: "USER", password: "Wrong-Password1" });
    }
    await app.call("POST", "/login", { body: { username: "user", password: "Wrong-Password1" } });
    expect(app.slept).toEqual([1_000]);
    await app.call("POST", "/login", { body: { username: "other", password: "Secret-123" } });
    expect(app.slept).toEqual([1_000]);
  });

  test("cost the same for a name that nobody has, so that waiting tells nothing", async () => {
    app = await startTestApp();
    await statsUser(app, "winner");
    for (const body of [
      { email: "nobody@example.com", password: PASSWORD },
      { username: "nobody", password: PASSWORD },
      { username: "winner", password: PASSWORD },
    ]) {
      app.slept.length = 0;
      await times(12, () => login(body));
      expect(app.slept).toEqual([1_000, 2_000]);
    }
  });

  test("keep nothing of what was typed, and little of a long name", async () => {
    app = await startTestApp();
    await login({ username: `Password-In-The-Wrong-Field-1${"x".repeat(60_000)}`, password: PASSWORD });
    const rows = JSON.stringify(await app.core.db.select().from(rateLimits));
    expect(rows).not.toContain("password-in-the-wrong-field");
    expect(rows.length).toBeLessThan(300);
  });

  test("make no more than 100 of one account wait at a time; others are not concerned", async () => {
    app = await startTestApp();
    await member(app, "user");
    await member(app, "other");
    const ofOther = (password: string) => login({ email: "other@example.com", password });
    await times(10, () => login(wrong));
    await times(10, () => ofOther("wrong"));
    const gate = Promise.withResolvers<void>();
    const core = app.core as { sleep: Core["sleep"] };
    let waiting = 0;
    core.sleep = async () => {
      waiting += 1;
      if (waiting <= 100) await gate.promise;
    };
    const held = Array.from({ length: 100 }, () => login({ ...wrong, password: "" }));
    await eventually(() => waiting === 100);
    const refused = await login(right);
    expect([refused.status, refused.body, refused.headers.get("Retry-After")]).toEqual([
      503,
      refusal("SERVICE_UNAVAILABLE"),
      "30",
    ]);
    expect((await ofOther(PASSWORD)).status).toBe(200);
    expect(waiting).toBe(101);
    gate.resolve();
    await Promise.all(held);
    expect((await login(right)).status).toBe(200);
  });

  test("at once count as much as one after the other", async () => {
    app = await startTestApp();
    await member(app, "user");
    await Promise.all(Array.from({ length: 30 }, () => login(wrong)));
    expect(app.slept).toHaveLength(20);
    expect(Math.max(...app.slept)).toBe(30_000);
    app.slept.length = 0;
    expect((await login(right)).status).toBe(200);
    expect(app.slept).toEqual([30_000]);
  });

  test("wait 2^n seconds, never more than 30, never a lock-out", async () => {
    app = await startTestApp();
    expect([0, 9, 10, 11, 12, 14, 15, 40, 1_000, 1e6].map(delayAfter)).toEqual([
      0, 0, 1_000, 2_000, 4_000, 16_000, 30_000, 30_000, 30_000, 30_000,
    ]);
  });
});
