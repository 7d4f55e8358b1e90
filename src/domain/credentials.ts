import { and, eq, isNotNull, sql } from "drizzle-orm";
import { accounts, sessions } from "../../db/schema.ts";
import { type Account, publicColumns } from "./accounts.ts";
import type { Core } from "./core.ts";
import { DomainError } from "./errors.ts";
import { emailKey, usernameKey } from "./names.ts";
import * as roles from "./roles.ts";
import { type Client, newSession } from "./sessions.ts";

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

/**
 * The columns of a password that replaces the current one. Throws `credentialsInvalid` when that one is wrong,
 * `passwordTooWeak` for holders of roles, and as `hashed` does.
 */
export async function changed(
  core: Core,
  accountId: number,
  { current, next }: { readonly current: string; readonly next: string },
) {
  const [found] = await core.db
    .select({ hash: accounts.passwordHash })
    .from(accounts)
    .where(eq(accounts.id, accountId));
  if (!(await core.passwords.verify(current, found?.hash ?? null))) {
    throw new DomainError("credentialsInvalid", "The current password is wrong.", {
      field: "current_password",
    });
  }
  if (!isStrong(next) && (await roles.namesOf(core, accountId)).length > 0) {
    throw new DomainError("passwordTooWeak", roles.STRONG_PASSWORD_RULE, { field: "password" });
  }
  return hashed(core, next);
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
): Promise<{ account: Account; sessionId: string }> {
  const named =
    by === "username"
      ? eq(accounts.usernameKey, usernameKey(name))
      : and(eq(accounts.emailKey, emailKey(name)), isNotNull(accounts.passwordHash));
  const [found] = await core.db
    .select({ account: publicColumns, hash: accounts.passwordHash })
    .from(accounts)
    .where(named);
  const usable = password.length <= MAX_PASSWORD_CHARACTERS;
  const matches = await core.passwords.verify(usable ? password : "", usable ? (found?.hash ?? null) : null);
  if (found === undefined || found.hash === null || !matches) {
    throw new DomainError("credentialsInvalid", "The name or the password is wrong.");
  }
  if (found.account.deactivatedAt !== null) {
    throw new DomainError("accountInactive", "This account is deactivated.");
  }
  const renewed = core.passwords.isOutdated(found.hash) ? await hashed(core, password) : {};
  const session = newSession(core, found.account.uuid, origin, client);
  await core.db.batch([
    core.db.insert(sessions).values(session),
    core.db
      .update(accounts)
      .set({ ...renewed, lastLoginAt: session.createdAt, loginCount: sql`${accounts.loginCount} + 1` })
      .where(eq(accounts.id, found.account.id)),
  ]);
  return { account: found.account, sessionId: session.id };
}
