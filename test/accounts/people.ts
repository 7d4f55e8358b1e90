import { expect } from "bun:test";
import { asc } from "drizzle-orm";
import { auditEntries, mails } from "../../db/schema.ts";
import * as accounts from "../../src/domain/accounts.ts";
import type { Mail } from "../../src/domain/core.ts";
import { createMailSender } from "../../src/domain/mails.ts";
import * as roles from "../../src/domain/roles.ts";
import { eventually } from "../adapters/eventually.ts";
import type { Answer, TestApp } from "../support/app.ts";

export const PASSWORD = "SecurePassword123!";
export const JWT = expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/);
export const UUID = expect.stringMatching(
  /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
);
/** The clock of a fresh test app, as the API spells it. */
export const NOW = "2026-04-14T10:30:00Z";

/** The accounts API's error body. */
export const refusal = (code: string, details?: object) => ({
  error: { code, message: expect.any(String), ...(details === undefined ? {} : { details }) },
});

export type Member = {
  readonly id: string;
  readonly email: string;
  readonly token: string;
  readonly refreshToken: string;
};

export function must(answer: Answer, status: number): Answer {
  if (answer.status === status) return answer;
  throw new Error(`${answer.status} instead of ${status}: ${JSON.stringify(answer.body)}`);
}

export async function signIn(app: TestApp, email: string, password = PASSWORD): Promise<Member> {
  const { body } = must(await app.call("POST", "/api/auth/login", { body: { email, password } }), 200);
  return { id: body.user.id, email, token: body.access_token, refreshToken: body.refresh_token };
}

/** Signs somebody up and in through the accounts API; the address is `<name>@example.com`. */
export async function member(app: TestApp, name: string, more: object = {}): Promise<Member> {
  const email = `${name}@example.com`;
  const body = { email, password: PASSWORD, full_name: `${name} Doe`, ...more };
  must(await app.call("POST", "/api/auth/register", { body }), 201);
  return signIn(app, email);
}

export const accountOf = (app: TestApp, { email }: { readonly email: string }) =>
  accounts.getByEmail(app.core, email);

export async function admin(app: TestApp, name = "admin"): Promise<Member> {
  const made = await member(app, name);
  await roles.grant(app.core, await accountOf(app, made), "admin");
  return made;
}

/** Somebody with a role of their own that carries these permissions. */
export async function staff(
  app: TestApp,
  boss: Member,
  name: string,
  permissions: readonly string[],
): Promise<Member> {
  const made = await member(app, name);
  const role = { name: `role of ${name}`, permissions };
  const { body } = must(await app.call("POST", "/api/admin/roles", { token: boss.token, body: role }), 201);
  const path = `/api/admin/users/${made.id}/roles`;
  must(await app.call("PUT", path, { token: boss.token, body: { ids: [body.id] } }), 200);
  return made;
}

/** Hands over what waits to be mailed, and answers that alone. */
export async function delivered(app: TestApp): Promise<Mail[]> {
  const sender = createMailSender(app.core);
  sender.start();
  await eventually(async () => (await app.core.db.$count(mails)) === 0);
  await sender.stop(1_000);
  return app.mailed.splice(0);
}

const SETTLE_MS = 30;
const SETTLE_TURNS = 100;

/** Waits for the few statements that a request leaves behind: in turns too, since a machine that stalls has fewer. */
export async function settled(): Promise<void> {
  await Bun.sleep(SETTLE_MS);
  for (let turn = 0; turn < SETTLE_TURNS; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Asks for a new password, which is mailed after the answer; answers the mails. */
export async function forgot(app: TestApp, email: string): Promise<Mail[]> {
  must(await app.call("POST", "/api/auth/forgot-password", { body: { email } }), 200);
  await settled();
  return delivered(app);
}

/** The token in a mail's link. */
export function tokenIn(mail: Mail | undefined): string {
  const token = /\?token=([\w-]+)/.exec(mail?.text ?? "")?.[1];
  if (token === undefined) throw new Error(`no link in ${JSON.stringify(mail)}`);
  return token;
}

export const me = (app: TestApp, token: string) => app.call("GET", "/api/users/me", { token });

export const auditRows = (app: TestApp) =>
  app.core.db.select().from(auditEntries).orderBy(asc(auditEntries.id));

export const actions = async (app: TestApp) => (await auditRows(app)).map((row) => row.action);
