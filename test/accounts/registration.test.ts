import { afterEach, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { accounts as accountsTable, invitations, sessions } from "../../db/schema.ts";
import * as accounts from "../../src/domain/accounts.ts";
import type { Registration } from "../../src/domain/core.ts";
import * as roles from "../../src/domain/roles.ts";
import { type Answer, startTestApp, type TestApp } from "../support/app.ts";
import { auditRows, type Member, must, PASSWORD, refusal, signIn } from "./people.ts";

let app: TestApp;
afterEach(() => app.close());

/** An administrator from the shell, which every setting lets in. */
async function start(registration: Registration): Promise<Member> {
  app = await startTestApp({ registration });
  const email = "boss@example.com";
  const boss = await accounts.register(app.core, {
    username: "boss",
    email,
    password: PASSWORD,
    origin: "shell",
  });
  await roles.grant(app.core, boss, "admin");
  return signIn(app, email);
}

type Made = { readonly code: string; readonly uses_left: number };
const invite = async (boss: Member, more: object = {}): Promise<Made> =>
  must(
    await app.call("POST", "/api/admin/invitations", { token: boss.token, body: { uses: 1, ...more } }),
    201,
  ).body;
const usesLeft = async ({ code }: Made) =>
  (await app.core.db.select().from(invitations).where(eq(invitations.code, code)))[0]?.usesLeft;
const total = () => app.core.db.$count(accountsTable);

type Form = {
  readonly status: number;
  readonly refused: unknown;
  register(name: string, more?: object): Promise<Answer>;
};

const post = (path: string, body: object) => app.call("POST", path, { body });
const forms: Record<string, Form> = {
  accounts: {
    status: 201,
    refused: refusal("INVALID_INVITATION", { field: "invitation" }),
    register: (name, more) =>
      post("/api/auth/register", {
        email: `${name}@example.org`,
        password: PASSWORD,
        full_name: "John Doe",
        username: name,
        ...more,
      }),
  },
  stats: {
    status: 200,
    refused: refusal("INVALID_INVITATION", { field: "invitation" }),
    register: (name, more) =>
      post("/api/auth/register", { username: name, email: `${name}@example.org`, sex: "male", ...more }),
  },
  players: {
    status: 201,
    refused: { success: false, message: expect.any(String) },
    register: (name, more) =>
      post("/users", { username: name, password: PASSWORD, email: `${name}@example.org`, ...more }),
  },
  cabinet: {
    status: 200,
    refused: { errorMessage: expect.any(String) },
    register: (name, more) =>
      post("/account/registration", {
        login: name,
        password: PASSWORD,
        email: `${name}@example.org`,
        first_name: "Данила",
        last_name: "Гинда",
        ...more,
      }),
  },
};
const NAMES = Object.keys(forms);

function formOf(name: string): Form {
  const form = forms[name];
  if (form === undefined) throw new Error(`no form ${name}`);
  return form;
}

describe.each(NAMES)("the form of %s", (name) => {
  const form = formOf(name);

  test("open: takes everybody, and still refuses an invitation that is wrong", async () => {
    const boss = await start("open");
    expect((await form.register("plain")).status).toBe(form.status);
    const wrong = await form.register("wrong", { invitation: "made-up" });
    expect([wrong.status, wrong.body]).toEqual([403, form.refused]);
    const made = await invite(boss);
    expect((await form.register("invited", { invitation: made.code })).status).toBe(form.status);
    expect([await usesLeft(made), await total()]).toEqual([0, 3]);
  });

  test("invite: refuses all without a good one, and stores nothing", async () => {
    const boss = await start("invite");
    const used = await invite(boss);
    const expired = await invite(boss, { expires_at: "2026-04-14T10:30:01Z" });
    const deleted = await invite(boss);
    must(await form.register("first", { invitation: used.code }), form.status);
    must(await app.call("DELETE", `/api/admin/invitations/${deleted.code}`, { token: boss.token }), 204);
    app.now += 1_000;
    const before = [await total(), await app.core.db.$count(sessions), (await auditRows(app)).length];
    for (const more of [
      {},
      { invitation: "made-up" },
      { invitation: used.code },
      { invitation: expired.code },
      { invitation: deleted.code },
      { invitation: used.code.toUpperCase() },
      { invitation: "%" },
    ]) {
      const answer = await form.register("refused", more);
      expect([more, answer.status, answer.body]).toEqual([more, 403, form.refused]);
    }
    expect([await total(), await app.core.db.$count(sessions), (await auditRows(app)).length]).toEqual(
      before,
    );
    expect(await usesLeft(expired)).toBe(1);
  });

  test.each<[string, unknown]>([
    ["a number", 7],
    ["a list", ["code"]],
    ["an object", {}],
    ["null", null],
  ])("invite: %s is no invitation", async (_name, invitation) => {
    await start("invite");
    expect((await form.register("refused", { invitation })).status).toBe(400);
    expect(await total()).toBe(1);
  });

  test("closed: refuses everybody, with a good invitation too", async () => {
    const boss = await start("closed");
    const made = await invite(boss);
    for (const more of [{}, { invitation: made.code }]) {
      const answer = await form.register("refused", more);
      const refused = name === "accounts" || name === "stats" ? refusal("REGISTRATION_CLOSED") : form.refused;
      expect([answer.status, answer.body]).toEqual([403, refused]);
    }
    expect([await usesLeft(made), await total()]).toEqual([1, 1]);
  });

  test("a registration that fails for its name uses nothing up", async () => {
    const boss = await start("invite");
    const made = await invite(boss, { uses: 2 });
    must(await form.register("taken", { invitation: made.code }), form.status);
    const answer = await form.register("taken", { invitation: made.code, email: "other@example.org" });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect([await usesLeft(made), await total()]).toEqual([1, 2]);
  });

  test("of 12 at once with 3 uses, exactly 3 get in", async () => {
    const boss = await start("invite");
    const made = await invite(boss, { uses: 3 });
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) => form.register(`user_${index}`, { invitation: made.code })),
    );
    const statuses = answers.map((answer) => answer.status).sort();
    expect(statuses).toEqual([...Array(3).fill(form.status), ...Array(9).fill(403)]);
    expect([await usesLeft(made), await total()]).toEqual([0, 4]);
  });
});

test("an invitation that is gone between the look and the write ends the registration", async () => {
  const boss = await start("invite");
  const made = await invite(boss);
  const { passwords } = app.core;
  const { hash } = passwords;
  passwords.hash = async (password) => {
    must(await app.call("DELETE", `/api/admin/invitations/${made.code}`, { token: boss.token }), 204);
    return hash(password);
  };
  const answer = await formOf("accounts").register("late", { invitation: made.code });
  expect([answer.status, answer.body]).toEqual([403, refusal("INVALID_INVITATION", { field: "invitation" })]);
  expect([await total(), await app.core.db.$count(invitations)]).toEqual([1, 0]);
});

test.each(NAMES)("an invitation without a role dies with its maker too: %s", async (name) => {
  const boss = await start("invite");
  const email = "second@example.com";
  const second = await accounts.register(app.core, {
    username: "second",
    email,
    password: PASSWORD,
    origin: "shell",
  });
  const body = { name: "inviter", permissions: ["invitations.create"] };
  const role = must(await app.call("POST", "/api/admin/roles", { token: boss.token, body }), 201).body;
  await roles.grant(app.core, second, "inviter");
  const maker = await signIn(app, email);
  const made = await invite(maker, { uses: 2 });
  const { register, refused, status } = formOf(name);
  const path = `/api/admin/users/${maker.id}`;
  const give = async (ids: readonly number[]) =>
    must(await app.call("PUT", `${path}/roles`, { token: boss.token, body: { ids } }), 200);

  await give([]);
  const demoted = await register("refused", { invitation: made.code });
  expect([demoted.status, demoted.body]).toEqual([403, refused]);
  await give([role.id]);
  must(await register("welcome", { invitation: made.code }), status);
  must(await app.call("DELETE", `/api/users/${maker.id}`, { token: boss.token }), 204);
  const deactivated = await register("refused", { invitation: made.code });
  expect([deactivated.status, deactivated.body]).toEqual([403, refused]);
  expect([await usesLeft(made), await total()]).toEqual([1, 3]);
});

describe("an invitation to a role", () => {
  test.each(["accounts", "players", "cabinet"])("gives it to who registers with it: %s", async (name) => {
    const boss = await start("invite");
    const made = await invite(boss, { role: "moderator" });
    must(await formOf(name).register("newcomer", { invitation: made.code }), formOf(name).status);
    const account = await accounts.getActiveByUsername(app.core, "newcomer");
    expect(await roles.namesOf(app.core, account.id)).toEqual(["moderator"]);
    const entry = (await auditRows(app)).find(
      (row) => row.action === "roles.assigned" && row.actorId !== null,
    );
    expect([entry?.target, entry?.details]).toEqual([
      `account:${account.uuid}`,
      { granted: "moderator", by: "invitation" },
    ]);
  });

  test("is refused to a weak password and to an account without one, and not used up", async () => {
    const boss = await start("invite");
    const made = await invite(boss, { role: "moderator" });
    const weak = await formOf("players").register("weak", { password: "secret", invitation: made.code });
    const none = await formOf("stats").register("none", { invitation: made.code });
    expect([weak.status, none.status, none.body.error.code]).toEqual([400, 400, "INVALID_PASSWORD_FORMAT"]);
    expect([await usesLeft(made), await total()]).toEqual([1, 1]);
  });

  test("is worth nothing when its maker lost what it gives, or was deactivated", async () => {
    const boss = await start("invite");
    const email = "second@example.com";
    const second = await accounts.register(app.core, {
      username: "second",
      email,
      password: PASSWORD,
      origin: "shell",
    });
    await roles.grant(app.core, second, "admin");
    const maker = await signIn(app, email);
    const toRole = await invite(maker, { role: "moderator" });
    must(
      await app.call("PUT", `/api/admin/users/${maker.id}/roles`, { token: boss.token, body: { ids: [] } }),
      200,
    );
    const { register } = formOf("accounts");
    expect((await register("backdoor", { invitation: toRole.code })).status).toBe(403);
    await roles.grant(app.core, second, "admin");
    must(await app.call("DELETE", `/api/users/${maker.id}`, { token: boss.token }), 204);
    expect((await register("backdoor", { invitation: toRole.code })).status).toBe(403);
    expect(await usesLeft(toRole)).toBe(1);
  });

  test("goes with its role", async () => {
    const boss = await start("invite");
    const body = { name: "passing", permissions: [] };
    const role = must(await app.call("POST", "/api/admin/roles", { token: boss.token, body }), 201).body;
    const made = await invite(boss, { role: "passing" });
    must(await app.call("DELETE", `/api/admin/roles/${role.id}`, { token: boss.token }), 204);
    expect((await formOf("accounts").register("late", { invitation: made.code })).status).toBe(403);
  });
});
