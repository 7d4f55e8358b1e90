import { and, asc, eq, getTableColumns, gt, isNull, sql } from "drizzle-orm";
import { asDatabaseError } from "../../db/open.ts";
import { prepared } from "../../db/prepare.ts";
import { accounts, sessions } from "../../db/schema.ts";
import type { Core } from "./core.ts";
import * as credentials from "./credentials.ts";
import { DomainError } from "./errors.ts";
import { newId } from "./ids.ts";
import { cleanUsername, completeNames, emailKey, usernameFromEmail, usernameKey } from "./names.ts";
import * as permissions from "./permissions.ts";
import { type Client, newSession, revokingAllOfDeactivated, revokingOthers } from "./sessions.ts";

const { passwordHash: _neverLeaves, ...columns } = getTableColumns(accounts);
/** Every column but the password's hash. */
export const publicColumns = columns;

export type Account = Omit<typeof accounts.$inferSelect, "passwordHash">;
type Origin = Account["origin"];

/** The fields of a profile that some API lets its owner write. */
export type Profile = Partial<
  Pick<
    Account,
    | "fullName"
    | "firstName"
    | "lastName"
    | "patronymic"
    | "sex"
    | "avatarUrl"
    | "birthday"
    | "description"
    | "backgroundColor"
    | "location"
    | "phoneNumber"
    | "timezone"
    | "language"
    | "company"
  >
>;

export type NewAccount = {
  /** Null: it gets one from its e-mail address. */
  readonly username: string | null;
  readonly email: string;
  /** Null: it lives by its refresh token alone. */
  readonly password: string | null;
  readonly origin: Origin;
  readonly profile?: Profile;
};

/** Makes an account. Throws `usernameTaken`, `emailTaken`, `usernameInvalid`, `passwordTooLong`, `overloaded`. */
export function register(core: Core, input: NewAccount): Promise<Account> {
  return insertNamed(core, input, async (row) => {
    const [account] = await core.db.insert(accounts).values(row).returning(publicColumns);
    return inserted(account);
  });
}

/** Makes an account and its first session in one write: an account without a password is lost without one. */
export function registerAndSignIn(
  core: Core,
  input: NewAccount,
  client: Client,
): Promise<{ account: Account; sessionId: string }> {
  return insertNamed(core, input, async (row) => {
    const session = newSession(core, row.uuid, input.origin, client);
    const [[account]] = await core.db.batch([
      core.db.insert(accounts).values(row).returning(publicColumns),
      core.db.insert(sessions).values(session),
    ]);
    return { account: inserted(account), sessionId: session.id };
  });
}

type NewRow = Awaited<ReturnType<typeof newAccount>>;
const MAX_NAMES_TRIED = 8;

/** A name that was asked for is taken or not; one that is made from the e-mail address is varied until it is free. */
async function insertNamed<T>(
  core: Core,
  input: NewAccount,
  insert: (row: NewRow) => Promise<T>,
): Promise<T> {
  const row = await newAccount(core, input);
  for (let tried = 1; ; tried++) {
    try {
      return await refusingTaken(() => insert(row));
    } catch (error) {
      const taken = error instanceof DomainError && error.code === "usernameTaken";
      if (!taken || input.username !== null || tried >= MAX_NAMES_TRIED) throw error;
      Object.assign(row, named(usernameFromEmail(input.email, tried)));
    }
  }
}

async function newAccount(core: Core, input: NewAccount) {
  const now = core.clock();
  return {
    uuid: newId(),
    ...named(input.username === null ? usernameFromEmail(input.email, 0) : cleanUsername(input.username)),
    email: input.email.trim(),
    emailKey: emailKey(input.email),
    origin: input.origin,
    ...input.profile,
    ...completeNames(input.profile ?? {}),
    ...(input.password === null ? {} : await credentials.hashed(core, input.password)),
    createdAt: now,
    updatedAt: now,
  };
}

function inserted(account: Account | undefined): Account {
  if (account === undefined) throw new Error("an INSERT ... RETURNING gave no row");
  return account;
}

/** Turns a broken unique constraint into the refusal that it stands for. */
async function refusingTaken<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    const failure = asDatabaseError(error);
    if (failure?.kind !== "unique") throw error;
    throw failure.constraint?.includes("email")
      ? new DomainError("emailTaken", "This e-mail address is already registered.", { field: "email" })
      : new DomainError("usernameTaken", "This username is already taken.", { field: "username" });
  }
}

const byId = prepared((db) =>
  db
    .select(publicColumns)
    .from(accounts)
    .where(eq(accounts.id, sql.placeholder("id")))
    .prepare(),
);

/** An account by its public number, active or not. Throws `accountNotFound`. */
export async function get(core: Core, id: number): Promise<Account> {
  return (await byId(core.db).get({ id })) ?? notFound();
}

/** An active account by its public number. Throws `accountNotFound`. */
export async function getActive(core: Core, id: number): Promise<Account> {
  const account = await get(core, id);
  return account.deactivatedAt === null ? account : notFound();
}

const byUsernameKey = prepared((db) =>
  db
    .select(publicColumns)
    .from(accounts)
    .where(eq(accounts.usernameKey, sql.placeholder("key")))
    .prepare(),
);

/** An active account by its username, whatever the case; throws `accountNotFound`. */
export async function getActiveByUsername(core: Core, username: string): Promise<Account> {
  const account = await byUsernameKey(core.db).get({ key: usernameKey(username) });
  return account === undefined || account.deactivatedAt !== null ? notFound() : account;
}

/** The account that signs in with this address, else the oldest that has it. Throws `accountNotFound`. */
export async function getByEmail(core: Core, email: string): Promise<Account> {
  const [account] = await core.db
    .select(publicColumns)
    .from(accounts)
    .where(eq(accounts.emailKey, emailKey(email)))
    .orderBy(sql`${accounts.passwordHash} IS NULL`, asc(accounts.id))
    .limit(1);
  return account ?? notFound();
}

function notFound(): never {
  throw new DomainError("accountNotFound", "There is no such user.");
}

/** Active accounts of these usernames, each once, in the order of their making. Unknown names are left out. */
export async function listByUsernames(core: Core, usernames: readonly string[]): Promise<Account[]> {
  const keys = JSON.stringify(usernames.map(usernameKey));
  return core.db
    .select(publicColumns)
    .from(accounts)
    .where(
      and(
        sql`${accounts.usernameKey} IN (SELECT value FROM json_each(${keys}))`,
        isNull(accounts.deactivatedAt),
      ),
    )
    .orderBy(asc(accounts.id));
}

const page = prepared((db) =>
  db
    .select(publicColumns)
    .from(accounts)
    .where(and(gt(accounts.id, sql.placeholder("after")), isNull(accounts.deactivatedAt)))
    .orderBy(asc(accounts.id))
    .limit(sql.placeholder("limit"))
    .prepare(),
);

/** Active accounts, oldest first, whose number is above `after`. */
export const listAfter = (core: Core, after: number, limit: number): Promise<Account[]> =>
  page(core.db).all({ after, limit });

const allPage = prepared((db) =>
  db
    .select(publicColumns)
    .from(accounts)
    .where(gt(accounts.id, sql.placeholder("after")))
    .orderBy(asc(accounts.id))
    .limit(sql.placeholder("limit"))
    .prepare(),
);

const STREAM_PAGE = 500;

/** Accounts in pages, oldest first, at constant memory; each page is a read of its own. */
export async function* stream(core: Core, which: "active" | "all"): AsyncGenerator<Account[]> {
  const read = which === "active" ? page : allPage;
  let after = 0;
  while (true) {
    const rows = await read(core.db).all({ after, limit: STREAM_PAGE });
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows;
    after = last.id;
  }
}

export type Changes = Profile & {
  readonly username?: string;
  readonly email?: string;
  /** Only with the current one; every other session of the account ends. */
  readonly newPassword?: {
    readonly current: string;
    readonly next: string;
    readonly keepSessionId: string;
  };
};

/**
 * Changes only what is given; null clears. For the owner or who may write users. Throws `forbidden`,
 * `accountNotFound`, `usernameTaken`, `emailTaken`, `usernameInvalid`, and as credentials.changed does.
 */
export async function update(core: Core, actor: Account, id: number, changes: Changes): Promise<Account> {
  await permissions.requireSelfOr(core, actor, id, "users.write");
  const { username, email, newPassword, ...profile } = changes;
  const names = username === undefined ? {} : named(cleanUsername(username));
  const address = email === undefined ? {} : { email: email.trim(), emailKey: emailKey(email) };
  const password = newPassword === undefined ? {} : await credentials.changed(core, id, newPassword);
  const changing = core.db
    .update(accounts)
    .set({ ...profile, ...names, ...address, ...password, updatedAt: core.clock() })
    .where(and(eq(accounts.id, id), isNull(accounts.deactivatedAt)))
    .returning(publicColumns);
  const [account] = await refusingTaken(async () =>
    newPassword === undefined
      ? changing
      : (await core.db.batch([changing, revokingOthers(core, id, newPassword.keepSessionId)]))[0],
  );
  return account ?? notFound();
}

const named = (username: string) => ({ username, usernameKey: usernameKey(username) });

/**
 * Soft delete: it can sign in no more, its sessions end, public look-ups do not show it. For the owner or who may
 * write users. Throws `forbidden`, `accountNotFound`, `lastAdmin`.
 */
export async function deactivate(core: Core, actor: Account, id: number): Promise<void> {
  await permissions.requireSelfOr(core, actor, id, "users.write");
  const now = core.clock();
  const [done] = await core.db.batch([
    core.db
      .update(accounts)
      .set({ deactivatedAt: now, updatedAt: now })
      .where(and(eq(accounts.id, id), isNull(accounts.deactivatedAt), permissions.notLastAdmin(id)))
      .returning({ id: accounts.id }),
    revokingAllOfDeactivated(core, id),
  ]);
  if (done.length > 0) return;
  await getActive(core, id);
  throw permissions.lastAdmin();
}
