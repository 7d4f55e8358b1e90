import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { sessions } from "../../db/schema.ts";
import * as accounts from "../../src/domain/accounts.ts";
import type { Passwords } from "../../src/domain/core.ts";
import { createMailSender } from "../../src/domain/mails.ts";
import { eventually } from "../adapters/eventually.ts";
import { startTestApp, type TestApp } from "../support/app.ts";

const PASSWORD = "Correct-Horse-1";
const OTHER = "Another-Horse-2";

let app: TestApp;
beforeEach(async () => {
  app = await startTestApp();
});
afterEach(() => app.close());

const register = (email: string, username: string) =>
  app.call("POST", "/api/auth/register", {
    body: { email, username, password: PASSWORD, full_name: "Some Body" },
  });
const login = (username: string, password = PASSWORD) =>
  app.call("POST", "/api/auth/login", { body: { username, password } });

/** Lets the hash be verified and then waits, as the semaphore's queue does, until it is let go. */
function holdVerification(): { readonly reached: Promise<void>; release(): void } {
  const passwords = app.core.passwords as { verify: Passwords["verify"] };
  const verify = passwords.verify;
  const reached = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  passwords.verify = async (password, hash) => {
    const matches = await verify(password, hash);
    passwords.verify = verify;
    reached.resolve();
    await gate.promise;
    return matches;
  };
  return { reached: reached.promise, release: gate.resolve };
}

/** The tokens in the mails that were sent, newest last. */
async function mailedTokens(to: string): Promise<string[]> {
  const sender = createMailSender(app.core);
  sender.start();
  await eventually(async () => (await app.core.db.query.mails.findMany()).length === 0);
  await sender.stop(1_000);
  return app.mailed
    .filter((mail) => mail.to === to && mail.text.includes("reset-password?token="))
    .map((mail) => /token=([\w-]+)/.exec(mail.text)?.[1] ?? "");
}

async function forgot(email: string): Promise<void> {
  const before = await app.core.db.query.mailedSecrets.findMany();
  await app.call("POST", "/api/auth/forgot-password", { body: { email } });
  await eventually(async () => (await app.core.db.query.mailedSecrets.findMany()).length > before.length);
}

describe("a password that ends while somebody signs in with it", () => {
  test("by a reset: the sign-in is refused and leaves no session", async () => {
    await register("ann@example.org", "ann");
    await forgot("ann@example.org");
    const [token = ""] = await mailedTokens("ann@example.org");
    const held = holdVerification();
    const signingIn = login("ann");
    await held.reached;
    const body = { token, password: OTHER, confirm_password: OTHER };
    expect((await app.call("POST", "/api/auth/reset-password", { body })).status).toBe(200);
    held.release();
    const refused = await signingIn;
    expect([refused.status, refused.body.error.code]).toEqual([401, "INVALID_CREDENTIALS"]);
    expect(await app.core.db.select().from(sessions)).toEqual([]);
    expect((await login("ann", OTHER)).status).toBe(200);
  });

  test("by a deactivation: no session wakes up with the account later", async () => {
    const { id } = (await register("ann@example.org", "ann")).body.data;
    const account = await accounts.getActiveByUsername(app.core, "ann");
    expect(account.uuid).toBe(id);
    const held = holdVerification();
    const signingIn = login("ann");
    await held.reached;
    await accounts.deactivate(app.core, null, account.id);
    held.release();
    expect((await signingIn).status).toBe(401);
    expect(await app.core.db.select().from(sessions)).toEqual([]);
  });

  test("by a reset, while it is being changed: the reset's password stays", async () => {
    await register("ann@example.org", "ann");
    const { access_token } = (await login("ann")).body;
    await forgot("ann@example.org");
    const [token = ""] = await mailedTokens("ann@example.org");
    const held = holdVerification();
    const changing = app.call("POST", "/api/auth/change-password", {
      token: access_token,
      body: { current_password: PASSWORD, password: "Third-Horse-3", confirm_password: "Third-Horse-3" },
    });
    await held.reached;
    const body = { token, password: OTHER, confirm_password: OTHER };
    expect((await app.call("POST", "/api/auth/reset-password", { body })).status).toBe(200);
    held.release();
    expect((await changing).status).toBe(401);
    expect((await login("ann", "Third-Horse-3")).status).toBe(401);
    expect((await login("ann", OTHER)).status).toBe(200);
  });
});

describe("addresses", () => {
  test("nobody can push an owner out of the mails that go to their address", async () => {
    for (let number = 0; number < 6; number++) {
      await register("target@example.org", `squatter${number}`);
      const { access_token, user } = (await login(`squatter${number}`)).body;
      const body = { email: `away${number}@example.org` };
      expect((await app.call("PUT", `/api/users/${user.id}`, { token: access_token, body })).status).toBe(
        200,
      );
    }
    expect((await register("target@example.org", "owner")).status).toBe(201);
    await forgot("target@example.org");
    const tokens = await mailedTokens("target@example.org");
    const [first = ""] = tokens;
    const body = { token: first, password: OTHER, confirm_password: OTHER };
    expect((await app.call("POST", "/api/auth/reset-password", { body })).status).toBe(200);
    expect((await login("owner", OTHER)).status).toBe(200);
  });

  test("a changed address is mailed five times an hour, not for every change", async () => {
    await register("ann@example.org", "ann");
    const { access_token: token, user } = (await login("ann")).body;
    const move = (number: number) =>
      app.call("PUT", `/api/users/${user.id}`, { token, body: { email: `ann${number}@example.org` } });
    const statuses = [];
    for (let number = 0; number < 7; number++) statuses.push((await move(number)).status);
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429, 429]);
    app.now += 60 * 60_000;
    expect((await move(8)).status).toBe(200);
  });

  test("a long address without an end costs no time", async () => {
    const startedAt = performance.now();
    for (const email of [`${"@".repeat(60_000)} `, `${"a@".repeat(30_000)} `]) {
      expect((await app.call("POST", "/api/auth/forgot-password", { body: { email } })).status).toBe(400);
    }
    // It was seconds; no measure of speed, but of a pattern that goes wrong.
    expect(performance.now() - startedAt).toBeLessThan(500);
  });
});

test("a constraint that nobody foresaw is the database's error, without its words", async () => {
  await register("ann@example.org", "ann");
  const { access_token: token, user } = (await login("ann")).body;
  await app.core.db.run(
    "CREATE TRIGGER refuse BEFORE UPDATE OF company ON accounts BEGIN INSERT INTO games (account_id, role, result, duration_seconds, played_at) VALUES (4711, 'x', 'win', 1, 1); END",
  );
  const answer = await app.call("PUT", `/api/users/${user.id}`, { token, body: { company: "x" } });
  expect([answer.status, answer.body.error.code]).toEqual([500, "DATABASE_ERROR"]);
  expect(JSON.stringify(answer.body)).not.toContain("FOREIGN");
});

test("a password is in no answer, log line, mail or audit row, whichever API it came through", async () => {
  const secret = "Unmistakable-Horse-9";
  const answers = [
    await app.call("POST", "/api/auth/register", {
      body: { email: "a@example.org", username: "a", password: secret, full_name: "Some Body" },
    }),
    await app.call("POST", "/users", { body: { username: "b", password: secret, email: "b@example.org" } }),
    await app.call("POST", "/account/registration", {
      body: {
        login: "cccc",
        password: secret,
        email: "c@example.org",
        first_name: "Анна",
        last_name: "Иванова",
      },
    }),
    await login("a", secret),
    await login("a", `${secret}x`),
    await app.call("POST", "/login", { body: { username: "b", password: secret } }),
    await app.call("POST", "/login", { body: { username: secret, password: secret } }),
    await app.call("POST", "/account/login", { body: { login: "cccc", password: secret } }),
    await app.call("POST", "/account/login", { body: { login: secret, password: secret } }),
    await app.call("POST", "/api/auth/register", { body: { email: 1, password: `${secret} `.repeat(20) } }),
  ];
  await forgot("a@example.org");
  const [token = ""] = await mailedTokens("a@example.org");
  const body = { token, password: `${secret}!`, confirm_password: `${secret}!` };
  answers.push(await app.call("POST", "/api/auth/reset-password", { body }));
  await mailedTokens("a@example.org");
  expect(answers.map(({ status }) => status)).toEqual([
    201, 201, 200, 200, 401, 200, 401, 200, 403, 400, 200,
  ]);
  const kept = {
    answers: answers.map((answer) => answer.body),
    logged: app.logged,
    mailed: app.mailed,
    audit: await app.core.db.query.auditEntries.findMany(),
  };
  expect(app.mailed.length).toBeGreaterThan(3);
  expect(JSON.stringify(kept)).not.toContain("Unmistakable");
});
