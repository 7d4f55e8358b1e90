import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { createSigner } from "fast-jwt";
import { sessions } from "../../db/schema.ts";
import { JWT_SECRET, startTestApp, type TestApp } from "../support/app.ts";
import { player, statsUser } from "../support/people.ts";
import { admin, auditRows, delivered, JWT, me, member, must, refusal, signIn } from "./people.ts";

let app: TestApp;
beforeEach(async () => {
  app = await startTestApp();
});
afterEach(() => app.close());

const SECOND_MS = 1_000;
const DAY_MS = 24 * 60 * 60 * SECOND_MS;
const GRACE_MS = 10 * SECOND_MS;

const refresh = (refresh_token: unknown) =>
  app.call("POST", "/api/auth/refresh", { body: { refresh_token } });
const rotated = async (token: string): Promise<{ access_token: string; refresh_token: string }> =>
  must(await refresh(token), 200).body;
const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
const resigned = (token: string, more: object) =>
  createSigner({ key: JWT_SECRET, algorithm: "HS256" })({ ...claimsOf(token), ...more });

describe("a refresh token", () => {
  test("is exchanged for a new pair of the same session, again and again", async () => {
    const { id, token, refreshToken } = await member(app, "user");
    const seen = new Set([refreshToken]);
    let current = refreshToken;
    for (let time = 0; time < 5; time++) {
      app.now += 60 * SECOND_MS;
      const answer = await refresh(current);
      expect(answer.status).toBe(200);
      expect(answer.body).toEqual({
        access_token: JWT,
        refresh_token: JWT,
        token_type: "Bearer",
        expires_in: 86_400,
      });
      expect(answer.headers.get("Cache-Control")).toBe("no-store");
      current = answer.body.refresh_token;
      seen.add(current);
      expect((await me(app, answer.body.access_token)).body.id).toBe(id);
      expect(claimsOf(current).sid).toBe(claimsOf(refreshToken).sid);
    }
    expect(seen.size).toBe(6);
    expect((await me(app, token)).status).toBe(200);
    expect(await app.core.db.$count(sessions)).toBe(1);
  });

  test("used again within 10 seconds gives the same child, and nobody is told", async () => {
    const { refreshToken } = await member(app, "user");
    await delivered(app);
    const first = await rotated(refreshToken);
    app.now += GRACE_MS;
    const second = await rotated(refreshToken);
    expect(second.refresh_token).toBe(first.refresh_token);
    for (const { access_token } of [first, second]) expect((await me(app, access_token)).status).toBe(200);
    await rotated(second.refresh_token);
    expect(await delivered(app)).toEqual([]);
    expect((await auditRows(app)).some((row) => row.action === "refresh.reused")).toBe(false);
  });

  test("used again later ends the session: stored, recorded, mailed, access tokens dead", async () => {
    const { id, token, refreshToken, email } = await member(app, "user");
    const other = await signIn(app, email);
    await delivered(app);
    const child = await rotated(refreshToken);
    app.now += GRACE_MS + 1;
    const replay = await refresh(refreshToken);
    expect([replay.status, replay.body]).toEqual([401, refusal("UNAUTHORIZED")]);

    const { sid } = claimsOf(token);
    const [row] = await app.core.db.select().from(sessions).where(eq(sessions.id, sid));
    expect(row?.revokedAt).toBe(app.now);
    for (const dead of [token, child.access_token]) {
      const read = await me(app, dead);
      expect([read.status, read.body]).toEqual([401, refusal("UNAUTHORIZED")]);
    }
    expect((await refresh(child.refresh_token)).status).toBe(401);
    const [entry, ...more] = (await auditRows(app)).filter((found) => found.action === "refresh.reused");
    expect([entry?.target, entry?.address, more]).toEqual([`session:${sid}`, "192.0.2.1", []]);
    expect((await delivered(app)).map(({ to, subject }) => [to, subject])).toEqual([
      [email, "A Guildhall session was ended for safety"],
    ]);
    expect((await me(app, other.token)).body.id).toBe(id);
  });

  test("20 late replays at once end the session once: one entry, one mail", async () => {
    const { refreshToken } = await member(app, "user");
    await rotated(refreshToken);
    await delivered(app);
    app.now += GRACE_MS + 1;
    const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(refreshToken)));
    expect(answers.map((answer) => answer.status)).toEqual(Array(20).fill(401));
    expect((await auditRows(app)).filter((row) => row.action === "refresh.reused")).toHaveLength(1);
    expect(await delivered(app)).toHaveLength(1);
  });

  test("used by 20 at once has one successor, which works", async () => {
    const { refreshToken } = await member(app, "user");
    const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(refreshToken)));
    expect(answers.map((answer) => answer.status)).toEqual(Array(20).fill(200));
    const children = new Set(answers.map((answer) => answer.body.refresh_token));
    expect(children.size).toBe(1);
    expect((await refresh([...children][0])).status).toBe(200);
  });

  test("the grandparent is a replay even within 10 seconds", async () => {
    const { refreshToken } = await member(app, "user");
    const child = await rotated(refreshToken);
    const grandchild = await rotated(child.refresh_token);
    expect((await refresh(refreshToken)).status).toBe(401);
    expect((await refresh(grandchild.refresh_token)).status).toBe(401);
  });

  test("the 10 seconds begin with the exchange, not with the last replay", async () => {
    const { refreshToken } = await member(app, "user");
    await rotated(refreshToken);
    app.now += 6 * SECOND_MS;
    await rotated(refreshToken);
    app.now += 6 * SECOND_MS;
    expect((await refresh(refreshToken)).status).toBe(401);
  });

  test("ends after 7 days, without ending the session of a newer one", async () => {
    const { refreshToken } = await member(app, "user");
    app.now += 7 * DAY_MS - SECOND_MS;
    const child = await rotated(refreshToken);
    app.now += SECOND_MS;
    const answer = await refresh(refreshToken);
    expect([answer.status, answer.body]).toEqual([401, refusal("TOKEN_EXPIRED")]);
    expect((await refresh(child.refresh_token)).status).toBe(200);
  });

  test("ends with the session after 30 days, however often it was exchanged", async () => {
    const { token, refreshToken } = await member(app, "user");
    const startedAt = app.now;
    let current = refreshToken;
    let access = token;
    for (let day = 6; day < 30; day += 6) {
      app.now = startedAt + day * DAY_MS;
      const next = await rotated(current);
      current = next.refresh_token;
      access = next.access_token;
    }
    app.now = startedAt + 30 * DAY_MS - SECOND_MS;
    const last = await rotated(current);
    expect(claimsOf(last.refresh_token).exp * SECOND_MS).toBe(startedAt + 30 * DAY_MS);
    app.now += SECOND_MS;
    expect((await refresh(last.refresh_token)).status).toBe(401);
    expect((await me(app, last.access_token)).status).toBe(401);
    expect((await me(app, access)).status).toBe(401);
  });
});

describe("is no refresh token of this API", () => {
  test.each([
    ["text", "text"],
    ["nothing", ""],
    ["two parts", "a.b"],
    ["four parts", "a.b.c.d"],
    ["parts with blanks", "a b.c.d"],
    ["five thousand characters", `${"a".repeat(5_000)}.b.c`],
    ["with the scheme before it", "Bearer a.b.c"],
  ])("what is no JWT: %s", async (_name, token) => {
    const answer = await refresh(token);
    expect([answer.status, answer.body]).toEqual([400, refusal("MALFORMED_TOKEN")]);
  });

  test.each([
    [undefined, "MISSING_REFRESH_TOKEN"],
    [null, "INVALID_REFRESH_TOKEN_FORMAT"],
    [7, "INVALID_REFRESH_TOKEN_FORMAT"],
    [["a.b.c"], "INVALID_REFRESH_TOKEN_FORMAT"],
  ])("what is no text: %p", async (token, code) => {
    const answer = await refresh(token);
    expect([answer.status, answer.body]).toEqual([400, refusal(code, { field: "refresh_token" })]);
  });

  test("a token of another purpose, and each purpose counts in its own place alone", async () => {
    const { token, refreshToken } = await member(app, "user");
    const stats = await statsUser(app, "winner");
    const playing = await player(app, "player");
    for (const other of [token, stats.token, stats.refreshToken, playing.token]) {
      const answer = await refresh(other);
      expect([answer.status, answer.body]).toEqual([401, refusal("INVALID_TOKEN")]);
    }
    const issue = await app.call("POST", "/api/auth/issue-access-token", { token: refreshToken });
    expect([issue.status, issue.body]).toEqual([401, refusal("INVALID_TOKEN")]);
    expect((await me(app, refreshToken)).body).toEqual(refusal("INVALID_TOKEN"));
    expect((await refresh(refreshToken)).status).toBe(200);
    expect(
      (await app.call("POST", "/api/auth/issue-access-token", { token: stats.refreshToken })).status,
    ).toBe(200);
  });

  test("one that is signed for another account, session, key or purpose; the session lives on", async () => {
    const user = await member(app, "user");
    const other = await member(app, "other");
    const { refreshToken } = user;
    const [header, , signature] = refreshToken.split(".");
    const payload = Buffer.from(JSON.stringify({ ...claimsOf(refreshToken), sub: other.id })).toString(
      "base64url",
    );
    for (const [forged, code] of [
      [resigned(refreshToken, { sub: other.id }), "UNAUTHORIZED"],
      [resigned(refreshToken, { sid: claimsOf(other.refreshToken).sid }), "UNAUTHORIZED"],
      [resigned(refreshToken, { sid: crypto.randomUUID() }), "UNAUTHORIZED"],
      [resigned(refreshToken, { purpose: "anything" }), "INVALID_TOKEN"],
      [resigned(refreshToken, { purpose: ["refresh"] }), "INVALID_TOKEN"],
      [resigned(refreshToken, { iss: "somebody else" }), "INVALID_TOKEN"],
      [resigned(refreshToken, { iat: app.now / SECOND_MS + 3_600 }), "INVALID_TOKEN"],
      [createSigner({ key: Buffer.alloc(40, 1) })(claimsOf(refreshToken)), "INVALID_TOKEN"],
      [`${header}.${payload}.${signature}`, "INVALID_TOKEN"],
      [`${header}.${payload}.`, "INVALID_TOKEN"],
    ] as const) {
      const answer = await refresh(forged);
      expect([answer.status, answer.body]).toEqual([401, refusal(code)]);
    }
    expect((await refresh(refreshToken)).status).toBe(200);
    expect((await refresh(other.refreshToken)).status).toBe(200);
  });

  test("one of a deactivated account, not after it is active again either", async () => {
    const { id, token, refreshToken } = await member(app, "user");
    const boss = await admin(app);
    must(await app.call("DELETE", `/api/users/${id}`, { token }), 204);
    const answer = await refresh(refreshToken);
    expect([answer.status, answer.body]).toEqual([401, refusal("UNAUTHORIZED")]);
    must(await app.call("POST", `/api/admin/users/${id}/activate`, { token: boss.token }), 200);
    expect((await refresh(refreshToken)).status).toBe(401);
  });

  test("one of a session that was logged out, within the 10 seconds too", async () => {
    const { refreshToken } = await member(app, "user");
    const child = await rotated(refreshToken);
    must(await app.call("POST", "/api/auth/logout", { token: child.access_token }), 200);
    for (const dead of [refreshToken, child.refresh_token]) {
      const answer = await refresh(dead);
      expect([answer.status, answer.body]).toEqual([401, refusal("UNAUTHORIZED")]);
    }
    expect((await auditRows(app)).some((row) => row.action === "refresh.reused")).toBe(false);
  });
});
