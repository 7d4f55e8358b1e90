import { and, eq, isNotNull, isNull, sql } from "drizzle-orm";
import { accounts, mailedSecrets, sessions } from "../../db/schema.ts";
import { type Account, publicColumns } from "./accounts.ts";
import * as audit from "./audit.ts";
import type { Core } from "./core.ts";
import { DomainError } from "./errors.ts";
import * as guard from "./guard.ts";
import * as mails from "./mails.ts";
import { emailKey, usernameKey } from "./names.ts";
import * as roles from "./roles.ts";
import { type Client, newSession, revokingOthers, tellEnded } from "./sessions.ts";
import * as signInFailures from "./sign-in-failures.ts";

// Refused before hashing: a longer one would only cost time (ASVS 6.2).
const MAX_PASSWORD_CHARACTERS = 128;

/** The accounts API's rule: 8 to 128 characters with upper, lower, digit and special. */
export const isStrong = (password: string): boolean =>
  password.length >= 8 &&
  password.length <= MAX_PASSWORD_CHARACTERS &&
  /\p{Lu}/u.test(password) &&
  /\p{Ll}/u.test(password) &&
  /\p{Nd}/u.test(password) &&
  /[^\p{L}\p{N}]/u.test(password);

/** The columns of a new password. Throws `passwordTooLong`, `overloaded`. */
export async function hashed(core: Core, password: string) {
  if (password.length > MAX_PASSWORD_CHARACTERS) {
    throw new DomainError(
      "passwordTooLong",
      `A password has at most ${MAX_PASSWORD_CHARACTERS} characters.`,
      {
        field: "password",
      },
    );
  }
  return { passwordHash: await core.passwords.hash(password), passwordStrong: isStrong(password) };
}

export type PasswordChange = {
  readonly current: string;
  readonly next: string;
  readonly keepSessionId: string;
  readonly address: string;
};

/**
 * The columns of a password that replaces the current one, and the condition under which they may be written: that
 * it still is the current one, and the session that changes it still lives. Throws `credentialsInvalid` when it is
 * wrong, `passwordTooWeak` for holders of roles, and as `hashed` does.
 */
export async function changed(
  core: Core,
  account: Account,
  { current, next, keepSessionId, address }: PasswordChange,
) {
  // Guessing counts here as at the sign-in: who has a session need not have the password.
  const failures = signInFailures.keyOf(account.id);
  await signInFailures.begin(core, failures);
  const [found] = await core.db
    .select({ hash: accounts.passwordHash })
    .from(accounts)
    .where(eq(accounts.id, account.id));
  const hash = found?.hash ?? null;
  if (!(await core.passwords.verify(current, hash))) {
    await recordingFailure(core, account, address, { reason: "current password" });
    throw new DomainError("credentialsInvalid", "The current password is wrong.", {
      field: "current_password",
    });
  }
  await signInFailures.succeeded(core, failures);
  if (!isStrong(next) && (await roles.namesOf(core, account.id)).length > 0) {
    throw new DomainError("passwordTooWeak", roles.STRONG_PASSWORD_RULE, { field: "password" });
  }
  const columns = await hashed(core, next);
  const condition = sql`EXISTS (SELECT 1 FROM accounts WHERE id = ${account.id} AND password_hash = ${hash}
    AND deactivated_at IS NULL)
    AND EXISTS (SELECT 1 FROM sessions WHERE id = ${keepSessionId} AND revoked_at IS NULL)`;
  return { columns, condition };
}

/** For a batch whose condition no longer holds: password or session ended while it was prepared. */
export const changedMeanwhile = () => new DomainError("unauthorized", "This session has ended.");

const recordingFailure = (
  core: Core,
  account: Account | null,
  address: string,
  details: Record<string, unknown>,
) =>
  audit.recording(core, {
    actorId: null,
    action: "sign-in.failed",
    // What was typed is not kept: it may be a password in the wrong field.
    ...(account === null ? {} : { target: `account:${account.uuid}` }),
    address,
    details,
  });

export async function hasPassword(core: Core, accountId: number): Promise<boolean> {
  const [found] = await core.db
    .select({ id: accounts.id })
    .from(accounts)
    .where(and(eq(accounts.id, accountId), isNotNull(accounts.passwordHash)));
  return found !== undefined;
}

/** The statements that go with a changed password: the other sessions and mailed links end, the owner is told. */
export function tellingChanged(
  core: Core,
  account: Account,
  { keepSessionId, address }: { readonly keepSessionId: string; readonly address: string },
) {
  return [
    revokingOthers(core, account.id, keepSessionId),
    endingResets(core, account.id),
    audit.recording(core, {
      actorId: account.id,
      action: "password.changed",
      target: `account:${account.uuid}`,
      address,
    }),
    mails.queueing(core, {
      to: account.confirmedEmail ?? account.email,
      language: account.language,
      text: { kind: "password-changed", username: account.username, address, at: core.clock() },
    }),
  ] as const;
}

/** The statement that ends the links for a new password which were mailed to an account. */
export const endingResets = (core: Core, accountId: number) =>
  core.db
    .update(mailedSecrets)
    .set({ usedAt: core.clock() })
    .where(
      and(
        eq(mailedSecrets.accountId, accountId),
        eq(mailedSecrets.purpose, "reset"),
        isNull(mailedSecrets.usedAt),
      ),
    );

/** Replaces the password and ends the other sessions. Throws as `changed` does, and `unauthorized`. */
export async function change(core: Core, account: Account, given: PasswordChange): Promise<void> {
  const { columns, condition } = await changed(core, account, given);
  await guard.guarded(
    () =>
      core.db.batch([
        guard.onlyIf(core, condition),
        core.db
          .update(accounts)
          .set({ ...columns, updatedAt: core.clock() })
          .where(eq(accounts.id, account.id)),
        ...tellingChanged(core, account, given),
      ]),
    changedMeanwhile,
  );
  tellEnded(core);
  core.nudgeMails();
}

export type SignIn = {
  /** A username, or an e-mail address when `by` says so. */
  readonly name: string;
  readonly by: "username" | "email";
  readonly password: string;
  readonly origin: Account["origin"];
};

/**
 * Makes a session for the right password. Throws `credentialsInvalid` (an unknown name takes as long as a wrong
 * password), `accountInactive` only after the right password, `overloaded`.
 */
export async function signIn(
  core: Core,
  { name, by, password, origin }: SignIn,
  client: Client,
): Promise<SignedIn> {
  const key = by === "username" ? usernameKey(name) : emailKey(name);
  const wanted =
    by === "username"
      ? eq(accounts.usernameKey, key)
      : and(eq(accounts.emailKey, key), isNotNull(accounts.passwordHash));
  const [known] = await core.db.select({ id: accounts.id }).from(accounts).where(wanted);
  const failures = known === undefined ? signInFailures.unknownKey(key) : signInFailures.keyOf(known.id);
  await signInFailures.begin(core, failures);
  // Read after the waiting, and its hash is looked at again when the session is made.
  const [found] = await core.db
    .select({ account: publicColumns, hash: accounts.passwordHash })
    .from(accounts)
    .where(wanted);
  const usable = password.length <= MAX_PASSWORD_CHARACTERS;
  const matches = await core.passwords.verify(usable ? password : "", usable ? (found?.hash ?? null) : null);
  if (found === undefined || found.hash === null || !matches) {
    core.metrics.count("signIns", "refused");
    await recordingFailure(core, found?.account ?? null, client.address, { origin });
    throw wrong();
  }
  const { account, hash } = found;
  if (account.deactivatedAt !== null) {
    core.metrics.count("signIns", "inactive");
    await recordingFailure(core, account, client.address, { origin, reason: "inactive" });
    throw new DomainError("accountInactive", "This account is deactivated.");
  }
  const renewed = core.passwords.isOutdated(hash) ? await hashed(core, password) : {};
  const session = newSession(core, account.uuid, origin, client);
  // A reset or a deactivation that came while the hash was made wins.
  const condition = sql`EXISTS (SELECT 1 FROM accounts WHERE id = ${account.id} AND password_hash = ${hash}
    AND deactivated_at IS NULL)`;
  await guard.guarded(
    () =>
      core.db.batch([
        guard.onlyIf(core, condition),
        core.db.insert(sessions).values(session),
        core.db
          .update(accounts)
          .set({ ...renewed, lastLoginAt: session.createdAt, loginCount: sql`${accounts.loginCount} + 1` })
          .where(eq(accounts.id, account.id)),
        audit.recording(core, {
          actorId: account.id,
          action: "sign-in",
          target: `session:${session.id}`,
          address: client.address,
          details: { origin },
        }),
      ]),
    wrong,
  );
  core.metrics.count("signIns", "done");
  await signInFailures.succeeded(core, failures);
  return { account, sessionId: session.id, session };
}

const wrong = () => new DomainError("credentialsInvalid", "The name or the password is wrong.");

export type SignedIn = {
  readonly account: Account;
  readonly sessionId: string;
  readonly session: ReturnType<typeof newSession>;
};
