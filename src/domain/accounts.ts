import { and, asc, eq, getTableColumns, gt, isNull, sql } from "drizzle-orm";
import { asDatabaseError } from "../../db/open.ts";
import { prepared } from "../../db/prepare.ts";
import { accounts, sessions } from "../../db/schema.ts";
import * as audit from "./audit.ts";
import type { Core } from "./core.ts";
import * as credentials from "./credentials.ts";
import { DomainError } from "./errors.ts";
import * as guard from "./guard.ts";
import { newId } from "./ids.ts";
import * as invitations from "./invitations.ts";
import * as mails from "./mails.ts";
import {
  changedNames,
  cleanUsername,
  completeNames,
  emailKey,
  usernameFromEmail,
  usernameKey,
} from "./names.ts";
import * as permissions from "./permissions.ts";
import * as rateCounts from "./rate-counts.ts";
import * as recovery from "./recovery.ts";
import * as secrets from "./secrets.ts";
import { type Client, newSession, revokingAll, tellEnded } from "./sessions.ts";

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
    | "emailVisible"
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
  /** The code of an invitation; required where registration is by invitation. */
  readonly invitation?: string | undefined;
};

/**
 * Makes an account. Throws `usernameTaken`, `emailTaken`, `usernameInvalid`, `passwordTooLong`, `passwordTooWeak`,
 * `registrationClosed`, `invitationInvalid`, `overloaded`.
 */
export async function register(
  core: Core,
  input: NewAccount,
  address: string | null = null,
): Promise<Account> {
  const { account } = await insertNamed(core, input, address, null);
  return account;
}

/** Makes an account and its first session in one write: an account without a password is lost without one. */
export async function registerAndSignIn(
  core: Core,
  input: NewAccount,
  client: Client,
): Promise<{ account: Account; sessionId: string }> {
  const { account, sessionId } = await insertNamed(core, input, client.address, client);
  return { account, sessionId };
}

type NewRow = Awaited<ReturnType<typeof newAccount>>;
const MAX_NAMES_TRIED = 8;

/** A name that was asked for is taken or not; one that is made from the e-mail address is varied until it is free. */
async function insertNamed(core: Core, input: NewAccount, address: string | null, client: Client | null) {
  const invitation = await invitations.forRegistration(core, input);
  const row = await newAccount(core, input);
  for (let tried = 1; ; tried++) {
    try {
      return await refusingTaken(() => insert(core, row, invitation, address, client));
    } catch (error) {
      const taken = error instanceof DomainError && error.code === "usernameTaken";
      if (!taken || input.username !== null || tried >= MAX_NAMES_TRIED) throw error;
      Object.assign(row, named(usernameFromEmail(input.email, tried)));
    }
  }
}

async function insert(
  core: Core,
  row: NewRow,
  invitation: invitations.NamedInvitation | null,
  address: string | null,
  client: Client | null,
) {
  const session = newSession(
    core,
    row.uuid,
    row.origin,
    client ?? { address: address ?? "", userAgent: null },
  );
  const verifying =
    "passwordHash" in row && row.origin !== "shell"
      ? recovery.askingToVerify(
          core,
          { uuid: row.uuid, username: row.username, language: row.language ?? null },
          row.email,
        )
      : [];
  const [[account]] = await core.db.batch([
    core.db.insert(accounts).values(row).returning(publicColumns),
    ...(client === null ? [] : [core.db.insert(sessions).values(session)]),
    ...(invitation === null ? [] : invitations.using(core, invitation, row.uuid)),
    ...verifying,
    core.db.run(sql`INSERT INTO audit_entries (at, actor_id, action, target, address, details)
      SELECT ${row.createdAt}, id, 'account.registered', ${`account:${row.uuid}`}, ${address},
        ${JSON.stringify({ origin: row.origin })}
      FROM accounts WHERE uuid = ${row.uuid}`),
  ]);
  if (verifying.length > 0) core.nudgeMails();
  return { account: inserted(account), sessionId: session.id };
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
    if (invitations.isUsedUp(error)) throw invitations.invalid();
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

const idByUsernameKey = prepared((db) =>
  db
    .select({ id: accounts.id })
    .from(accounts)
    .where(and(eq(accounts.usernameKey, sql.placeholder("key")), isNull(accounts.deactivatedAt)))
    .prepare(),
);

/** As getActiveByUsername, where the number is enough. */
export async function getActiveIdByUsername(core: Core, username: string): Promise<number> {
  const found = await idByUsernameKey(core.db).get({ key: usernameKey(username) });
  return found === undefined ? notFound() : found.id;
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
    readonly address: string;
  };
};

/**
 * Changes only what is given; null clears. As permissions.requireToWrite. A changed e-mail address shows at
 * once, but resets go to the one before it until the new one is confirmed. Throws `forbidden`, `accountNotFound`,
 * `usernameTaken`, `emailTaken`, `usernameInvalid`, and as credentials.changed does.
 */
export async function update(
  core: Core,
  actor: Account,
  id: number,
  changes: Changes,
  address: string | null = null,
): Promise<Account> {
  await permissions.requireToWrite(core, actor, id);
  const { username, email, newPassword, ...profile } = changes;
  const before = await getActive(core, id);
  const names = username === undefined ? {} : named(cleanUsername(username));
  const renamed = changedNames(before, profile);
  const moved = email !== undefined && email.trim() !== before.email ? email.trim() : null;
  if (moved !== null) await limitMoves(core, id, moved);
  const password = newPassword === undefined ? null : await credentials.changed(core, before, newPassword);
  const now = core.clock();
  const changing = core.db
    .update(accounts)
    .set({
      ...profile,
      ...renamed,
      ...names,
      ...(moved === null ? {} : addressed(before, moved)),
      ...password?.columns,
      updatedAt: now,
    })
    .where(and(eq(accounts.id, id), isNull(accounts.deactivatedAt)))
    .returning(publicColumns);
  const hasPassword = await credentials.hasPassword(core, id);
  const write = () =>
    core.db.batch([
      guard.onlyIf(core, password?.condition ?? sql`1`),
      changing,
      ...(newPassword === undefined ? [] : credentials.tellingChanged(core, before, newPassword)),
      ...(actor.id === id ? [] : [recordingChanged(core, actor, before, changes, address)]),
      ...(moved === null ? [] : movingAddress(core, actor, before, moved, hasPassword, address)),
    ]);
  const [, [account]] = await refusingTaken(() => guard.guarded(write, credentials.changedMeanwhile));
  if (newPassword !== undefined) tellEnded(core);
  if (newPassword !== undefined || moved !== null) core.nudgeMails();
  return account ?? notFound();
}

const MOVES_PER_HOUR = 5;
const HOUR_MS = 60 * 60_000;

/** The name of the counter of an account's changes of its address. */
export const movesKeyOf = (id: number): string => `moves:${id}`;

/** Each change mails two addresses, one of which the caller chooses. Throws `rateLimited`. */
async function limitMoves(core: Core, id: number, email: string): Promise<void> {
  if (!core.settings.limitSignIns) return;
  for (const key of [movesKeyOf(id), `moves-to:${secrets.hashOf(emailKey(email))}`]) {
    const { points, expiresAt } = await rateCounts.add(core, key, 1, HOUR_MS);
    if (points <= MOVES_PER_HOUR) continue;
    const retryAfterSeconds = Math.max(Math.ceil((expiresAt - core.clock()) / 1000), 1);
    throw new DomainError(
      "rateLimited",
      `Too many changes of the address. Try again in ${retryAfterSeconds} seconds.`,
      {
        retryAfterSeconds,
      },
    );
  }
}

/** The first unconfirmed change keeps the old address for resets, further ones do not move it; going back ends it. */
function addressed({ confirmedEmail }: Account, email: string) {
  const isBack = confirmedEmail !== null && emailKey(confirmedEmail) === emailKey(email);
  return {
    email,
    emailKey: emailKey(email),
    confirmedEmail: isBack ? null : sql`coalesce(${accounts.confirmedEmail}, ${accounts.email})`,
    emailVerifiedAt: null,
  };
}

/** Asks the new address to be confirmed and tells the one before it. */
function movingAddress(
  core: Core,
  actor: Account,
  before: Account,
  email: string,
  hasPassword: boolean,
  address: string | null,
) {
  const recorded = audit.recording(core, {
    actorId: actor.id,
    action: "email.changed",
    target: `account:${before.uuid}`,
    ...(address === null ? {} : { address }),
  });
  if (!hasPassword) return [recorded];
  return [
    recorded,
    ...recovery.askingToVerify(core, before, email),
    mails.queueing(core, {
      accountUuid: before.uuid,
      to: before.confirmedEmail ?? before.email,
      language: before.language,
      text: { kind: "email-changed", username: before.username, newEmail: email, at: core.clock() },
    }),
  ];
}

/** What one does to oneself is not recorded, what one does to another is: the names of the fields. */
const recordingChanged = (
  core: Core,
  actor: Account,
  { uuid }: Account,
  changes: Changes,
  address: string | null,
) =>
  audit.recording(core, {
    actorId: actor.id,
    action: "account.changed",
    target: `account:${uuid}`,
    details: { fields: Object.keys(changes) },
    ...(address === null ? {} : { address }),
  });

const named = (username: string) => ({ username, usernameKey: usernameKey(username) });

/**
 * Soft delete: it can sign in no more, its sessions end, public look-ups do not show it. No actor is the shell. As
 * permissions.requireToWrite. Throws `forbidden`, `accountNotFound`, `lastAdmin`.
 */
export async function deactivate(
  core: Core,
  actor: Account | null,
  id: number,
  address?: string,
): Promise<void> {
  if (actor !== null) await permissions.requireToWrite(core, actor, id);
  const { uuid } = await getActive(core, id);
  const now = core.clock();
  await permissions.keepingAnAdmin(core, () =>
    core.db.batch([
      permissions.notingAdmins(core),
      core.db
        .update(accounts)
        .set({ deactivatedAt: now, updatedAt: now })
        .where(and(eq(accounts.id, id), isNull(accounts.deactivatedAt))),
      core.db.run(sql`INSERT INTO audit_entries (at, actor_id, action, target, address)
        SELECT ${now}, ${actor?.id ?? null}, 'account.deactivated', ${`account:${uuid}`}, ${address ?? null} WHERE changes() > 0`),
      revokingAll(core, id),
      permissions.checkingAdmins(core),
    ]),
  );
}

/** Undoes a deactivation, but no erasure; its sessions stay ended. For who may write users. Throws `forbidden`, `accountNotFound`. */
export async function activate(core: Core, actor: Account, id: number, address: string): Promise<Account> {
  await permissions.require(core, actor, "users.write");
  await permissions.requireToWrite(core, actor, id);
  const { uuid } = await get(core, id);
  const now = core.clock();
  const [[account]] = await core.db.batch([
    core.db
      .update(accounts)
      .set({ deactivatedAt: null, updatedAt: now })
      .where(and(eq(accounts.id, id), isNull(accounts.erasedAt)))
      .returning(publicColumns),
    core.db.run(sql`INSERT INTO audit_entries (at, actor_id, action, target, address)
      SELECT ${now}, ${actor.id}, 'account.activated', ${`account:${uuid}`}, ${address} WHERE changes() > 0`),
  ]);
  return account ?? notFound();
}
