import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type Call, startTestApp, type TestApp } from "../support/app.ts";
import { statsUser } from "../support/people.ts";
import { auditRows, me, member, must, NOW, PASSWORD, refusal, settled, signIn, UUID } from "./people.ts";

let app: TestApp;
beforeEach(async () => {
  app = await startTestApp();
});
afterEach(() => app.close());

const list = async (token: string) => must(await app.call("GET", "/api/auth/sessions", { token }), 200).body;
const idOf = (token: string): string =>
  JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()).sid;
const revoke = (token: string, id: string, call: Call = {}) =>
  app.call("DELETE", `/api/auth/sessions/${id}`, { token, ...call });

describe("the list of sessions", () => {
  test("tells when, from where and by what each was made, and which one this is", async () => {
    const headers = { "User-Agent": `curl/8.0 ${"x".repeat(300)}`, browser: "Firefox 124.0" };
    await member(app, "user");
    app.now += 60_000;
    const body = { email: "user@example.com", password: PASSWORD };
    const { access_token: token } = must(
      await app.call("POST", "/api/auth/login", { body, headers }),
      200,
    ).body;
    const answer = await app.call("GET", "/api/auth/sessions", { token });
    expect(answer.headers.get("Cache-Control")).toBe("no-store");
    expect(answer.body).toEqual({
      data: [
        {
          id: idOf(token),
          created_at: "2026-04-14T10:31:00Z",
          last_used_at: "2026-04-14T10:31:00Z",
          address: "192.0.2.1",
          user_agent: headers["User-Agent"].slice(0, 256),
          browser: "Firefox 124.0",
          current: true,
        },
        {
          id: UUID,
          created_at: NOW,
          last_used_at: NOW,
          address: "192.0.2.1",
          user_agent: null,
          browser: null,
          current: false,
        },
      ],
    });
    expect(Object.keys(answer.body.data[0])).toEqual([
      "id",
      "created_at",
      "last_used_at",
      "address",
      "user_agent",
      "browser",
      "current",
    ]);
  });

  test("holds those of the other APIs, of nobody else, the last used first", async () => {
    const first = await member(app, "user");
    await member(app, "other");
    app.now += 1_000;
    const signedIn = await app.call("POST", "/login", { body: { username: "user", password: PASSWORD } });
    const playing: string = must(signedIn, 200).body.token;
    app.now += 1_000;
    const second = await signIn(app, first.email);
    const ids = async (token: string) => (await list(token)).data.map(({ id }: { id: string }) => id);
    expect(await ids(first.token)).toEqual([second.token, playing, first.token].map(idOf));

    app.now += 61_000;
    must(await me(app, first.token), 200);
    await settled();
    expect(await ids(second.token)).toEqual([first.token, second.token, playing].map(idOf));
    const { data } = await list(playing);
    expect(data.map((row: { current: boolean }) => row.current)).toEqual([false, false, true]);
  });

  test("leaves out what was revoked or has expired", async () => {
    const first = await member(app, "user");
    must(await app.call("POST", "/login", { body: { username: "user", password: PASSWORD } }), 200);
    const second = await signIn(app, first.email);
    must(await app.call("POST", "/api/auth/logout", { token: second.token }), 200);
    expect((await list(first.token)).data).toHaveLength(2);
    app.now += 24 * 60 * 60_000;
    const third = await signIn(app, first.email);
    expect((await list(third.token)).data.map(({ id }: { id: string }) => id)).toEqual([
      idOf(third.token),
      idOf(first.token),
    ]);
  });
});

describe("revoking", () => {
  test("one ends it with the next request, both of its tokens and no other session", async () => {
    const first = await member(app, "user");
    const second = await signIn(app, first.email);
    const answer = await revoke(first.token, idOf(second.token));
    expect([answer.status, answer.body]).toEqual([204, ""]);
    expect((await me(app, second.token)).body).toEqual(refusal("UNAUTHORIZED"));
    const body = { refresh_token: second.refreshToken };
    expect((await app.call("POST", "/api/auth/refresh", { body })).status).toBe(401);
    expect((await me(app, first.token)).status).toBe(200);
    const entry = (await auditRows(app)).at(-1);
    expect([entry?.action, entry?.target, entry?.address]).toEqual([
      "session.revoked",
      `session:${idOf(second.token)}`,
      "192.0.2.1",
    ]);
  });

  test("the own one is a log-out", async () => {
    const { token } = await member(app, "user");
    expect((await revoke(token, idOf(token))).status).toBe(204);
    expect((await me(app, token)).status).toBe(401);
  });

  test("the session that a stats refresh token lives by ends that too", async () => {
    const { token, refreshToken } = await statsUser(app, "winner");
    expect((await revoke(token, idOf(refreshToken))).status).toBe(204);
    const issue = await app.call("POST", "/api/auth/issue-access-token", { token: refreshToken });
    expect([issue.status, issue.body]).toEqual([401, refusal("UNAUTHORIZED")]);
  });

  test("what is not one's own, or lives no more, is 404 and leaves no entry", async () => {
    const user = await member(app, "user");
    const other = await member(app, "other");
    const ended = await signIn(app, user.email);
    must(await revoke(user.token, idOf(ended.token)), 204);
    const playing = await app.call("POST", "/login", { body: { username: "user", password: PASSWORD } });
    app.now += 24 * 60 * 60_000 - 1_000;
    const { token } = await signIn(app, user.email);
    app.now += 1_000;
    const before = (await auditRows(app)).length;
    for (const id of [
      idOf(other.token),
      idOf(ended.token),
      idOf(playing.body.token),
      crypto.randomUUID(),
      "all-others",
      "%25",
      "__proto__",
      `${idOf(token)}%00`,
      "x".repeat(5_000),
    ]) {
      const answer = await revoke(token, id);
      expect([id, answer.status, answer.body]).toEqual([id, 404, refusal("NOT_FOUND")]);
    }
    expect((await auditRows(app)).length).toBe(before);
    expect((await list((await signIn(app, other.email)).token)).data).toHaveLength(2);
  });

  test("twice at once ends it once", async () => {
    const first = await member(app, "user");
    const second = await signIn(app, first.email);
    const answers = await Promise.all([1, 2, 3].map(() => revoke(first.token, idOf(second.token))));
    expect(answers.map((answer) => answer.status).sort()).toEqual([204, 404, 404]);
  });

  test("all others leaves this one, and those of other people", async () => {
    const first = await member(app, "user");
    const second = await signIn(app, first.email);
    const other = await member(app, "other");
    const playing = await app.call("POST", "/login", { body: { username: "user", password: PASSWORD } });
    const answer = await app.call("DELETE", "/api/auth/sessions", { token: second.token });
    expect([answer.status, answer.body]).toEqual([204, ""]);
    for (const [token, status] of [
      [first.token, 401],
      [playing.body.token, 401],
      [second.token, 200],
      [other.token, 200],
    ] as const) {
      expect((await me(app, token)).status).toBe(status);
    }
    expect((await list(second.token)).data).toHaveLength(1);
  });

  test("by the cookie it must come from a page of ours", async () => {
    const { token } = await member(app, "user");
    for (const path of ["/api/auth/sessions", `/api/auth/sessions/${idOf(token)}`]) {
      const headers = { Cookie: `jwt=${token}`, Origin: "https://evil.example" };
      const answer = await app.call("DELETE", path, { headers });
      expect([answer.status, answer.body]).toEqual([403, refusal("FORBIDDEN")]);
    }
    expect((await me(app, token)).status).toBe(200);
  });
});
