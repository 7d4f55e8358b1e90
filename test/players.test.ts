import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { auditEntries, roles } from "../db/schema.ts";
import * as accounts from "../src/domain/accounts.ts";
import * as sessions from "../src/domain/sessions.ts";
import * as tasks from "../src/domain/tasks.ts";
import { createOrigins } from "../src/http/origins.ts";
import { grantRole } from "./support/admin.ts";
import { type Call, PUBLIC_URL, startTestApp, type TestApp } from "./support/app.ts";
import { player, statsUser } from "./support/people.ts";
import { badTokens } from "./support/token-failures.ts";

let app: TestApp;
beforeEach(async () => {
  app = await startTestApp();
});
afterEach(() => app.close());

const refusal = { success: false, message: expect.any(String) };
const JWT = expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/);

describe("the document's examples, from top to bottom", () => {
  async function two() {
    const first = await player(app, "user1", { email: "user1@ggmail.com", gender: "male" });
    const second = await player(app, "user2", { email: "user2@yahooo.org" });
    return { first, second };
  }

  test("GET users", async () => {
    await two();
    const answer = await app.call("GET", "/users");
    expect([answer.status, answer.headers.get("Cache-Control")]).toEqual([200, "no-store"]);
    expect(answer.body).toEqual([
      {
        email: "user1@ggmail.com",
        gender: "male",
        profile_pic: null,
        self: "/users/1",
        stats: "/users/1/stats",
        username: "user1",
      },
      {
        email: "user2@yahooo.org",
        gender: null,
        profile_pic: null,
        self: "/users/2",
        stats: "/users/2/stats",
        username: "user2",
      },
    ]);
  });

  test("GET users/{id} is public", async () => {
    await two();
    const answer = await app.call("GET", "/users/2/");
    expect(answer.status).toBe(200);
    expect(answer.body.username).toBe("user2");
  });

  test("POST users answers the user and a token that works", async () => {
    const answer = await app.call("POST", "/users", {
      body: {
        username: "user1",
        password: "secret",
        email: "user1@ggmail.com",
        profile_pic: "https://e.org/a.png",
      },
    });
    expect(answer.status).toBe(201);
    expect(answer.body).toEqual({
      email: "user1@ggmail.com",
      gender: null,
      profile_pic: "https://e.org/a.png",
      self: "/users/1",
      stats: "/users/1/stats",
      username: "user1",
      token: JWT,
    });
    expect((await app.call("GET", "/users/1/stats", { token: answer.body.token })).status).toBe(200);
  });

  test("GET and PATCH users/{id}/stats", async () => {
    const { second } = await two();
    const counters = { loss_count: 4, session_count: 12, total_time: 5000, victory_count: 8 };
    const zero = { loss_count: 0, session_count: 0, total_time: 0, victory_count: 0 };
    expect((await app.call("GET", "/users/2/stats", second)).body).toEqual(zero);
    const patched = await app.call("PATCH", "/users/2/stats", { ...second, body: counters });
    expect(patched.status).toBe(200);
    expect(patched.body).toEqual(counters);
    expect((await app.call("GET", "/users/2/stats", second)).body).toEqual(counters);
    const put = await app.call("PUT", "/users/2/stats", { ...second, body: { victory_count: 9 } });
    expect(put.body).toEqual({ ...counters, victory_count: 9 });
  });

  test("POST users/{id}/pdf answers where the document will be; it comes there", async () => {
    const { first } = await two();
    const path = "/users/2/pdf";
    const never = await app.call("GET", path, first);
    expect([never.status, never.body]).toEqual([404, refusal]);
    const asked = await app.call("POST", path, first);
    expect(asked.status).toBe(200);
    expect(asked.body).toEqual({ url: "/users/2/pdf" });
    const waiting = await app.call("GET", path, first);
    expect([waiting.status, waiting.body, waiting.headers.get("Retry-After")]).toEqual([202, "", "1"]);

    await finishTask("first bytes");
    const document = await app.call("GET", path, first);
    expect([document.status, document.body]).toEqual([200, "first bytes"]);
    expect(document.headers.get("Content-Type")).toBe("application/pdf");

    await app.call("POST", path, first);
    expect((await app.call("GET", path, first)).body).toBe("first bytes");
    await finishTask("second bytes");
    expect((await app.call("GET", path, first)).body).toBe("second bytes");
  });

  test("POST login", async () => {
    const { first } = await two();
    const answer = await app.call("POST", "/login", { body: { username: "USER1", password: "Secret-123" } });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ success: true, token: JWT, user: `users/${first.id}` });
    expect((await app.call("GET", "/users/1/stats", { token: answer.body.token })).status).toBe(200);
  });

  test.each([
    [{}, 400],
    [{ username: "user1" }, 400],
    [{ password: "Secret-123" }, 400],
    [{ username: "user1", password: 7 }, 400],
    [{ username: "user1", password: "wrong" }, 401],
    [{ username: "user1", password: "x".repeat(200) }, 401],
    [{ username: "nobody", password: "Secret-123" }, 401],
  ])("POST login with %j is refused with %i in the document's words", async (body, status) => {
    await two();
    const answer = await app.call("POST", "/login", { body });
    expect(answer.status).toBe(status);
    expect(answer.body).toEqual({ success: false, message: "Bad username or password" });
  });
});

async function finishTask(text: string): Promise<void> {
  app.now += 1000;
  const task = await tasks.claim(app.core, "a worker");
  if (task === null) throw new Error("nothing was due");
  await app.core.documents.put(tasks.documentKey(task.id), Buffer.from(text), "application/pdf");
  await tasks.complete(app.core, task, "a worker", { bytes: text.length, sha256: "" });
}

describe("users", () => {
  test("PUT and PATCH change only what is sent; null clears what is optional", async () => {
    const { token, id } = await player(app, "user1", { gender: "male", profile_pic: "https://e.org/a.png" });
    const path = `/users/${id}`;
    const before = (await app.call("GET", path, { token })).body;
    for (const method of ["PUT", "PATCH"]) {
      expect((await app.call(method, path, { token, body: {} })).body).toEqual(before);
    }
    const changed = await app.call("PATCH", path, { token, body: { gender: null, username: "User One" } });
    expect(changed.status).toBe(200);
    expect(changed.body).toEqual({ ...before, gender: null, username: "User One" });
    const again = await app.call("PUT", path, {
      token,
      body: { email: "new@example.org", profile_pic: null },
    });
    expect(again.body).toEqual({ ...changed.body, email: "new@example.org", profile_pic: null });
    expect((await app.call("GET", path, { token })).body).toEqual(again.body);
    for (const body of [{ username: null }, { email: null }]) {
      expect((await app.call("PATCH", path, { token, body })).status).toBe(400);
    }
  });

  test("a password changes only with the current one, and the other sessions end", async () => {
    const { token, id } = await player(app, "user1");
    const other = await app.call("POST", "/login", { body: { username: "user1", password: "Secret-123" } });
    const change = (body: object) => app.call("PATCH", `/users/${id}`, { token, body });
    expect((await change({ password: "another" })).status).toBe(401);
    expect((await change({ password: "another", current_password: "wrong" })).status).toBe(401);
    expect((await change({ password: "short", current_password: "Secret-123" })).status).toBe(400);
    expect((await change({ password: "another", current_password: "Secret-123" })).status).toBe(200);
    const login = async (password: string) =>
      (await app.call("POST", "/login", { body: { username: "user1", password } })).status;
    expect([await login("Secret-123"), await login("another")]).toEqual([401, 200]);
    expect((await app.call("GET", `/users/${id}/stats`, { token })).status).toBe(200);
    expect((await app.call("GET", `/users/${id}/stats`, { token: other.body.token })).status).toBe(401);
  });

  test("a holder of a role may not take a weak password", async () => {
    await grantRole(app, "boss", "admin");
    const { token, user } = (
      await app.call("POST", "/login", { body: { username: "boss", password: "Secret-123" } })
    ).body;
    const body = { password: "secret", current_password: "Secret-123" };
    expect((await app.call("PATCH", `/${user}`, { token, body })).status).toBe(400);
  });

  test("DELETE deactivates: gone from public look-ups, signed out, refused at login", async () => {
    const { token, id } = await player(app, "user1");
    const other = await player(app, "user2");
    const gone = await app.call("DELETE", `/users/${id}`, { token });
    expect([gone.status, gone.body]).toEqual([204, ""]);
    expect((await app.call("GET", "/users")).body).toHaveLength(1);
    expect((await app.call("GET", "/users/leaderboard")).body).toEqual([]);
    for (const path of [`/users/${id}`, `/users/${id}/stats`, `/users/${id}/games`, `/users/${id}/pdf`]) {
      const answer = await app.call("GET", path, { token: other.token });
      expect([answer.status, answer.body]).toEqual([404, refusal]);
    }
    expect((await app.call("GET", `/users/${other.id}/stats`, { token })).status).toBe(401);
    const login = { username: "user1", password: "Secret-123" };
    expect((await app.call("POST", "/login", { body: login })).status).toBe(403);
    expect((await app.call("POST", "/login", { body: { ...login, password: "wrong" } })).status).toBe(401);
  });

  test("changing and deleting are for the owner and admins", async () => {
    const owner = await player(app, "owner");
    const other = await player(app, "other");
    await grantRole(app, "boss", "admin");
    const admin = (await app.call("POST", "/login", { body: { username: "boss", password: "Secret-123" } }))
      .body;
    const attempts: [string, string, unknown?][] = [
      ["PUT", `/users/${owner.id}`, { gender: "x" }],
      ["PATCH", `/users/${owner.id}`, { gender: "x" }],
      ["PUT", `/users/${owner.id}/stats`, { loss_count: 1 }],
      ["PATCH", `/users/${owner.id}/stats`, { loss_count: 1 }],
      ["POST", `/users/${owner.id}/games`, { role: "x", result: "win", duration: 1 }],
      ["DELETE", `/users/${owner.id}`],
    ];
    for (const [method, path, body] of attempts) {
      const answer = await app.call(method, path, { token: other.token, body });
      expect([method, path, answer.status, answer.body]).toEqual([method, path, 403, refusal]);
    }
    for (const [method, path, body] of attempts) {
      const answer = await app.call(method, path, { token: admin.token, body });
      expect([method, path, answer.status < 300]).toEqual([method, path, true]);
    }
  });

  test("the last admin cannot be removed, also when two try at once", async () => {
    await grantRole(app, "one", "admin");
    await grantRole(app, "two", "admin");
    const login = async (username: string) =>
      (await app.call("POST", "/login", { body: { username, password: "Secret-123" } })).body;
    const [one, two] = [await login("one"), await login("two")];
    const answers = await Promise.all([
      app.call("DELETE", `/${one.user}`, { token: one.token }),
      app.call("DELETE", `/${two.user}`, { token: two.token }),
    ]);
    expect(answers.map((answer) => answer.status).sort()).toEqual([204, 403]);
  });

  test("an account of the stats API is a player too, and cannot log in without a password", async () => {
    const { token } = await statsUser(app, "passwordless");
    expect((await app.call("GET", "/users/1", { token })).body.username).toBe("passwordless");
    expect((await app.call("POST", "/users/1/pdf", { token })).status).toBe(200);
    const login = await app.call("POST", "/login", { body: { username: "passwordless", password: "x" } });
    expect(login.status).toBe(401);
  });

  test("a password made with older parameters is hashed anew at sign-in", async () => {
    const { id } = await player(app, "user1");
    const stored = async () => {
      const rows = await app.core.db.query.accounts.findMany({ columns: { id: true, passwordHash: true } });
      return rows.find((row) => row.id === id)?.passwordHash;
    };
    const older = await Bun.password.hash("Secret-123", {
      algorithm: "argon2id",
      memoryCost: 16,
      timeCost: 1,
    });
    const { accounts: table } = await import("../db/schema.ts");
    await app.core.db.update(table).set({ passwordHash: older });
    expect(
      (await app.call("POST", "/login", { body: { username: "user1", password: "Secret-123" } })).status,
    ).toBe(200);
    expect(await stored()).toContain("$m=8,t=1,p=1$");
  });

  test("the list comes in pages, by number", async () => {
    for (let number = 1; number <= 5; number++) await player(app, `user${number}`);
    const names = async (query: string) =>
      (await app.call("GET", `/users?${query}`)).body.map((user: { username: string }) => user.username);
    expect(await names("limit=2")).toEqual(["user1", "user2"]);
    expect(await names("limit=2&after=2")).toEqual(["user3", "user4"]);
    expect(await names("limit=2&after=4")).toEqual(["user5"]);
    expect(await names("after=5")).toEqual([]);
    for (const query of ["limit=0", "limit=1001", "limit=x", "after=-1", "limit="]) {
      const answer = await app.call("GET", `/users?${query}`);
      expect([query, answer.status, answer.body]).toEqual([query, 400, refusal]);
    }
  });

  test("the whole list is streamed in pieces, each account once", async () => {
    const { accounts: table } = await import("../db/schema.ts");
    const rows = Array.from({ length: 1_201 }, (_, index) => ({
      uuid: Bun.randomUUIDv7(),
      username: `user${index}`,
      usernameKey: `user${index}`,
      email: "a@example.org",
      emailKey: "a@example.org",
      origin: "stats" as const,
      createdAt: 0,
      updatedAt: 0,
    }));
    for (let from = 0; from < rows.length; from += 300) {
      await app.core.db.insert(table).values(rows.slice(from, from + 300));
    }
    const response = await app.fetch(new Request(`${PUBLIC_URL}/users`));
    const chunks: string[] = [];
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) chunks.push(chunk);
    expect(chunks.length).toBeGreaterThanOrEqual(3);
    const names = JSON.parse(chunks.join("")).map((user: { username: string }) => user.username);
    expect(names).toEqual(rows.map((row) => row.username));
  });

  test("nobody is an empty list", async () => {
    expect((await app.call("GET", "/users")).body).toEqual([]);
  });

  test("an e-mail address of another API's account shows to itself and admins only", async () => {
    const hidden = await accounts.register(app.core, {
      username: "hidden",
      email: "hidden@example.org",
      password: "Secret-123",
      origin: "accounts",
    });
    await grantRole(app, "boss", "admin");
    const login = async (username: string) =>
      (await app.call("POST", "/login", { body: { username, password: "Secret-123" } })).body.token;
    const seenBy = async (token?: string) =>
      (await app.call("GET", `/users/${hidden.id}`, token === undefined ? {} : { token })).body.email;
    expect(await seenBy()).toBeNull();
    expect(await seenBy("junk")).toBeNull();
    expect(await seenBy((await player(app, "other")).token)).toBeNull();
    expect(await seenBy(await login("hidden"))).toBe("hidden@example.org");
    expect(await seenBy(await login("boss"))).toBe("hidden@example.org");
  });
});

describe("games", () => {
  test("a game is recorded and moves the counters with it", async () => {
    const { token, id } = await player(app, "user1");
    const path = `/users/${id}/games`;
    const record = (body: object) => app.call("POST", path, { token, body });
    const played_at = "2026-04-01T12:00:00.000Z";
    const won = await record({ role: "sniper", result: "win", duration: 60, played_at });
    expect(won.status).toBe(201);
    expect(won.body).toEqual({ id: 1, role: "sniper", result: "win", duration: 60, played_at });
    await record({ role: "medic", result: "loss", duration: 30 });
    const drawn = await record({
      role: "medic",
      result: "draw",
      duration: 10,
      played_at: "2026-04-01T14:00:00+02:00",
    });
    expect(drawn.body.played_at).toBe("2026-04-01T12:00:00.000Z");
    expect((await app.call("GET", `/users/${id}/stats`, { token })).body).toEqual({
      loss_count: 1,
      session_count: 3,
      total_time: 100,
      victory_count: 1,
    });
    const ids = async (query: string) =>
      (await app.call("GET", `${path}?${query}`, { token })).body.map((game: { id: number }) => game.id);
    expect(await ids("")).toEqual([3, 2, 1]);
    expect(await ids("limit=2")).toEqual([3, 2]);
    expect(await ids("limit=2&before=2")).toEqual([1]);
  });

  test("another's figures are written by who may do what that one may, and it is recorded", async () => {
    await app.core.db.insert(roles).values({ name: "writer", permissions: ["users.write"] });
    await grantRole(app, "writer", "writer", { origin: "players" });
    await grantRole(app, "boss", "admin", { origin: "players" });
    const { token, id } = await player(app, "user1");
    const tokenOf = async (username: string) =>
      (await app.call("POST", "/login", { body: { username, password: "Secret-123" } })).body.token;
    const writer = await tokenOf("writer");
    const game = { role: "sniper", result: "win", duration: 60 };
    const writes = [
      ["PUT", "stats", { loss_count: 1, session_count: 1, total_time: 1, victory_count: 1 }],
      ["PATCH", "stats", { victory_count: 7 }],
      ["POST", "games", game],
    ] as const;
    const boss = await accounts.getActiveByUsername(app.core, "boss");
    const entries = async () =>
      (await app.core.db.select().from(auditEntries)).filter((entry) => entry.action === "account.changed");
    for (const [method, part, body] of writes) {
      const path = `/users/${boss.id}/${part}`;
      const refused = await app.call(method, path, { token: writer, body });
      expect([method, part, refused.status, refused.body]).toEqual([method, part, 403, refusal]);
      const own = await app.call(method, `/users/${id}/${part}`, { token, body });
      expect(own.status).toBe(method === "POST" ? 201 : 200);
    }
    expect((await app.call("GET", `/users/${boss.id}/stats`, { token })).body.session_count).toBe(0);
    expect(await entries()).toEqual([]);
    for (const [method, part, body] of writes) {
      const answer = await app.call(method, `/users/${id}/${part}`, { token: writer, body });
      expect(answer.status).toBe(method === "POST" ? 201 : 200);
    }
    const user = await accounts.getActiveByUsername(app.core, "user1");
    const actor = await accounts.getActiveByUsername(app.core, "writer");
    const common = { actorId: actor.id, target: `account:${user.uuid}` };
    expect(await entries()).toMatchObject([
      { ...common, details: { fields: expect.arrayContaining(["lossCount", "victoryCount"]) } },
      { ...common, details: { fields: ["victoryCount"] } },
      { ...common, details: { game: { role: "sniper", result: "win", durationSeconds: 60 } } },
    ]);
  });

  test("counters stop at 2^53-1 instead of losing digits", async () => {
    const { token, id } = await player(app, "user1");
    const most = Number.MAX_SAFE_INTEGER;
    const full = { loss_count: most, session_count: most, total_time: most, victory_count: most };
    expect((await app.call("PUT", `/users/${id}/stats`, { token, body: full })).body).toEqual(full);
    await app.call("POST", `/users/${id}/games`, {
      token,
      body: { role: "x", result: "win", duration: most },
    });
    expect((await app.call("GET", `/users/${id}/stats`, { token })).body).toEqual(full);
  });

  test("many at once are all counted", async () => {
    const { token, id } = await player(app, "user1");
    const body = { role: "x", result: "win", duration: 2 };
    await Promise.all(
      Array.from({ length: 50 }, () => app.call("POST", `/users/${id}/games`, { token, body })),
    );
    expect((await app.call("GET", `/users/${id}/stats`, { token })).body).toEqual({
      loss_count: 0,
      session_count: 50,
      total_time: 100,
      victory_count: 50,
    });
  });

  test.each([
    [{ result: "win", duration: 1 }],
    [{ role: "x", result: "victory", duration: 1 }],
    [{ role: "x", result: "win" }],
    [{ role: "x", result: "win", duration: -1 }],
    [{ role: "x", result: "win", duration: 1.5 }],
    [{ role: "", result: "win", duration: 1 }],
    [{ role: "x", result: "win", duration: 1, played_at: "yesterday" }],
  ])("%j is no game", async (body) => {
    const { token, id } = await player(app, "user1");
    const answer = await app.call("POST", `/users/${id}/games`, { token, body });
    expect([answer.status, answer.body]).toEqual([400, refusal]);
    expect((await app.call("GET", `/users/${id}/stats`, { token })).body.session_count).toBe(0);
  });

  test("the leaderboard goes by victories; equal counts share a rank", async () => {
    for (const [name, victories] of [
      ["a", 3],
      ["b", 5],
      ["c", 3],
      ["d", 1],
    ] as const) {
      const { token, id } = await player(app, name);
      await app.call("PUT", `/users/${id}/stats`, { token, body: { victory_count: victories } });
    }
    const answer = await app.call("GET", "/users/leaderboard?limit=4");
    expect(answer.status).toBe(200);
    expect(answer.body[0]).toEqual({
      email: "b@example.org",
      gender: null,
      profile_pic: null,
      self: "/users/2",
      stats: "/users/2/stats",
      username: "b",
      rank: 1,
      victory_count: 5,
    });
    const ranks = answer.body.map((row: { username: string; rank: number }) => [row.username, row.rank]);
    expect(ranks).toEqual([
      ["b", 1],
      ["a", 2],
      ["c", 2],
      ["d", 4],
    ]);
  });
});

describe("documents", () => {
  test("asking many times while one waits makes one task", async () => {
    const { token, id } = await player(app, "user1");
    await Promise.all(Array.from({ length: 20 }, () => app.call("POST", `/users/${id}/pdf`, { token })));
    expect(await app.core.db.query.reportTasks.findMany()).toHaveLength(1);
    await tasks.claim(app.core, "a worker");
    await app.call("POST", `/users/${id}/pdf`, { token });
    expect(await app.core.db.query.reportTasks.findMany()).toHaveLength(2);
  });

  test("one that could not be made says so and can be asked for again", async () => {
    const { token, id } = await player(app, "user1");
    await app.call("POST", `/users/${id}/pdf`, { token });
    for (let attempt = 1; attempt <= tasks.MAX_ATTEMPTS; attempt++) {
      const task = await tasks.claim(app.core, "a worker");
      if (task !== null) await tasks.fail(app.core, task, "a worker", "no", 0);
    }
    const failed = await app.call("GET", `/users/${id}/pdf`, { token });
    expect([failed.status, failed.body.message]).toEqual([
      404,
      "The document could not be made; ask for it again.",
    ]);
    await app.call("POST", `/users/${id}/pdf`, { token });
    expect((await app.call("GET", `/users/${id}/pdf`, { token })).status).toBe(202);
  });
});

const NOBODY = "/users/4711";
const PROTECTED: readonly [method: string, path: string, call?: Call][] = [
  ["PUT", "/users/1", { body: {} }],
  ["PATCH", "/users/1", { body: {} }],
  ["DELETE", "/users/1"],
  ["GET", "/users/1/stats"],
  ["PUT", "/users/1/stats", { body: {} }],
  ["PATCH", "/users/1/stats", { body: {} }],
  ["GET", "/users/1/games"],
  ["POST", "/users/1/games", { body: { role: "x", result: "win", duration: 1 } }],
  ["POST", "/users/1/pdf"],
  ["GET", "/users/1/pdf"],
];

describe("failures", () => {
  test("every protected route refuses every bad token, in the document's shape", async () => {
    const good = await player(app, "good");
    const revoked = await player(app, "revoked");
    const { account, session } = await sessions.authenticate(app.core, revoked.token);
    await sessions.revoke(app.core, account, session.id);
    const gone = await player(app, "gone");
    await app.call("DELETE", `/users/${gone.id}`, { token: gone.token });
    const tokens = await badTokens(app, good.token, { revoked: revoked.token, deactivated: gone.token });
    for (const [method, path, call] of PROTECTED) {
      for (const { name, token } of tokens) {
        const answer = await app.call(method, path, { ...call, ...(token === undefined ? {} : { token }) });
        expect([method, path, name, answer.status, answer.body]).toEqual([method, path, name, 401, refusal]);
      }
    }
  });

  test("an unknown user is 404 for every method, and so is what is no number", async () => {
    const { token } = await player(app, "somebody");
    await grantRole(app, "somebody", "admin");
    for (const id of [
      NOBODY,
      "/users/x",
      "/users/0",
      "/users/-1",
      "/users/1.5",
      "/users/99999999999999999999",
    ]) {
      for (const [method, path, call] of [...PROTECTED, ["GET", "/users/1"] as const]) {
        const answer = await app.call(method, path.replace("/users/1", id), { token, ...call });
        expect([method, path, id, answer.status, answer.body]).toEqual([method, path, id, 404, refusal]);
      }
    }
  });

  const valid = { username: "new", password: "secret", email: "new@example.org" };
  test.each([
    ["no username", { ...valid, username: undefined }],
    ["no password", { ...valid, password: undefined }],
    ["no e-mail", { ...valid, email: undefined }],
    ["five characters of password", { ...valid, password: "12345" }],
    ["129 characters of password", { ...valid, password: "x".repeat(129) }],
    ["a bad e-mail", { ...valid, email: "x" }],
    ["a bad username", { ...valid, username: "a/b" }],
    ["a picture that is no address", { ...valid, profile_pic: "x" }],
    ["a NUL in the gender", { ...valid, gender: "a\0b" }],
    ["half a surrogate pair in the gender", { ...valid, gender: "a\ud800" }],
  ])("POST users with %s is 400", async (_name, body) => {
    const answer = await app.call("POST", "/users", { body });
    expect([answer.status, answer.body]).toEqual([400, refusal]);
    expect(JSON.stringify(answer.body)).not.toContain("12345");
    expect((await app.call("GET", "/users")).body).toEqual([]);
  });

  test.each([
    ["username", { ...valid, email: "other@example.org", username: "NEW" }],
    ["e-mail address", { ...valid, username: "other", email: "New@Example.org" }],
  ])("a %s that is taken is 409, in POST and PUT", async (_name, body) => {
    await app.call("POST", "/users", { body: valid });
    const other = await player(app, "third");
    const posted = await app.call("POST", "/users", { body });
    const put = await app.call("PUT", `/users/${other.id}`, {
      token: other.token,
      body: { username: body.username, email: body.email },
    });
    for (const answer of [posted, put]) expect([answer.status, answer.body]).toEqual([409, refusal]);
  });

  test("of 20 who take one name at once, one gets it", async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        app.call("POST", "/users", { body: { ...valid, email: `user${index}@example.org` } }),
      ),
    );
    expect(answers.filter((answer) => answer.status === 201)).toHaveLength(1);
    expect(answers.filter((answer) => answer.status === 409)).toHaveLength(19);
  });

  test.each([
    [{ loss_count: -1 }],
    [{ loss_count: 1.5 }],
    [{ loss_count: "1" }],
    [{ loss_count: null }],
    [{ victory_count: 2 ** 53 }],
  ])("counters %j are 400 and change nothing", async (body) => {
    const { token, id } = await player(app, "user1");
    const answer = await app.call("PATCH", `/users/${id}/stats`, { token, body });
    expect([answer.status, answer.body]).toEqual([400, refusal]);
  });

  const json = { "Content-Type": "application/json" };
  test.each<[string, Call, number]>([
    ["malformed JSON", { raw: "{", headers: json }, 400],
    ["a form", { raw: "username=a", headers: { "Content-Type": "application/x-www-form-urlencoded" } }, 415],
    ["a body over 64 KiB", { body: { ...valid, gender: "x".repeat(70_000) } }, 413],
    [
      "a body over 64 KiB of unknown length",
      { raw: endless(), headers: { ...json, "Transfer-Encoding": "chunked" } },
      413,
    ],
  ])("%s is refused", async (_name, call, status) => {
    const answer = await app.call("POST", "/users", call);
    expect([answer.status, answer.body]).toEqual([status, refusal]);
  });

  test("wrong methods are 405 with Allow, unknown paths 404", async () => {
    for (const [method, path, allow] of [
      ["POST", "/users/1", "DELETE, GET, HEAD, PATCH, PUT"],
      ["DELETE", "/users", "GET, HEAD, POST"],
      ["POST", "/users/leaderboard/", "GET, HEAD"],
      ["PUT", "/login", "POST"],
    ] as const) {
      const answer = await app.call(method, path);
      expect([answer.status, answer.headers.get("Allow"), answer.body]).toEqual([405, allow, refusal]);
    }
    const unknown = await app.call("GET", "/users/1/nothing");
    expect([unknown.status, unknown.body]).toEqual([404, refusal]);
  });

  test.each([
    ["/", "no-cache"],
    ["/login", "no-store"],
    ["/reset-password", "no-store"],
  ])(
    "%s keeps its address to itself, and is stored only where that can hold no secret",
    async (path, cache) => {
      const { status, headers } = await app.call("GET", path);
      expect([status, headers.get("Referrer-Policy"), headers.get("Cache-Control")]).toEqual([
        200,
        "no-referrer",
        cache,
      ]);
    },
  );

  test.each([
    [undefined, true],
    ["0.0.0.0", true],
    ["::", true],
    ["127.0.0.1", true],
    ["127.0.0.2", true],
    ["::1", true],
    ["localhost", true],
    ["192.0.2.7", false],
    ["2001:db8::1", false],
    ["127.example.org", false],
  ])("listening on %s, localhost is our own origin: %p", (host, isOwn) => {
    const at = host === undefined ? {} : { host };
    const origins = createOrigins({ publicUrl: PUBLIC_URL, port: 8080, allowed: [], ...at });
    for (const name of ["localhost", "127.0.0.1", "[::1]"]) {
      const check = () => origins.requireOwn(new Headers({ Origin: `http://${name}:8080` }));
      if (isOwn) expect(check).not.toThrow();
      else expect(check).toThrow("another site's page");
    }
    expect(() => origins.requireOwn(new Headers({ Origin: PUBLIC_URL }))).not.toThrow();
  });

  test("no password is ever logged", async () => {
    await player(app, "user1", { password: "Correct-Horse-1" });
    await app.call("POST", "/login", { body: { username: "user1", password: "Correct-Horse-1" } });
    await app.call("POST", "/login", { body: { username: "user1", password: "Wrong-Horse-1" } });
    await app.call("POST", "/users", { body: { ...valid, password: "Horse", email: "x" } });
    expect(app.logged.join("")).not.toContain("Horse");
  });
});

function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(new Uint8Array(16_384).fill(0x20));
    },
  });
}
