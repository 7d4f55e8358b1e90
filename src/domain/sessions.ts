import { and, desc, eq, getTableColumns, gt, isNull, ne, sql } from "drizzle-orm";
import { prepared } from "../../db/prepare.ts";
import { accounts, sessions } from "../../db/schema.ts";
import type { Account } from "./accounts.ts";
import { publicColumns } from "./accounts.ts";
import * as audit from "./audit.ts";
import type { Core } from "./core.ts";
import { DomainError } from "./errors.ts";
import { newId } from "./ids.ts";
import { readTogether } from "./read-together.ts";
import type { Purpose } from "./tokens.ts";
import { untilCommit } from "./until-commit.ts";

export type Session = typeof sessions.$inferSelect;

/** From where and by what a session is made. */
export type Client = {
  readonly address: string;
  readonly userAgent: string | null;
  /** The cabinet API's optional header: "name version". */
  readonly browser?: string | null;
};

export type Authenticated = { readonly account: Account; readonly session: Session };

export const ACCESS_TTL_SECONDS = 24 * 60 * 60;
/** Of the chat API's cookie, its token and its session. */
export const CHAT_TTL_SECONDS = 60 * 60;
// Accounts of the stats API have no password to come back with, so theirs lives until it is revoked.
const STATS_REFRESH_TTL_SECONDS = 10 * 365 * 24 * 60 * 60;
const TOUCH_EVERY_MS = 60_000;
const MAX_USER_AGENT_CHARACTERS = 256;

const TTL_SECONDS: Readonly<Record<Session["origin"], number>> = {
  stats: STATS_REFRESH_TTL_SECONDS,
  // However often it is refreshed.
  accounts: 30 * 24 * 60 * 60,
  players: ACCESS_TTL_SECONDS,
  cabinet: ACCESS_TTL_SECONDS,
  chat: CHAT_TTL_SECONDS,
  shell: ACCESS_TTL_SECONDS,
};

/** The row of a new session of the account with this uuid; to be inserted, in one batch with the account's. */
export function newSession(core: Core, accountUuid: string, origin: Session["origin"], client: Client) {
  const now = core.clock();
  const ttlSeconds = TTL_SECONDS[origin];
  return {
    id: newId(),
    refreshJti: newId(),
    accountId: sql<number>`(SELECT id FROM accounts WHERE uuid = ${accountUuid})`,
    origin,
    address: client.address,
    userAgent: client.userAgent?.slice(0, MAX_USER_AGENT_CHARACTERS) ?? null,
    browser: client.browser?.slice(0, MAX_USER_AGENT_CHARACTERS) ?? null,
    createdAt: now,
    lastUsedAt: now,
    expiresAt: now + ttlSeconds * 1000,
  };
}

export function accessToken(
  core: Core,
  accountUuid: string,
  sessionId: string,
  ttlSeconds = ACCESS_TTL_SECONDS,
): string {
  return sign(core, accountUuid, sessionId, "access", ttlSeconds);
}

export function statsRefreshToken(core: Core, accountUuid: string, sessionId: string): string {
  return sign(core, accountUuid, sessionId, "stats-refresh", STATS_REFRESH_TTL_SECONDS);
}

const sign = (core: Core, sub: string, sid: string, purpose: Purpose, ttlSeconds: number) =>
  core.tokens.sign({ sub, sid, jti: newId(), purpose }, core.clock(), ttlSeconds);

const findSession = prepared((db) =>
  db
    .select({ session: getTableColumns(sessions), account: publicColumns })
    .from(sessions)
    .innerJoin(accounts, eq(accounts.id, sessions.accountId))
    .where(eq(sessions.id, sql.placeholder("id")))
    .prepare(),
);

export async function findWithAccount(core: Core, sessionId: string): Promise<Authenticated | null> {
  return (await findSession(core.db).get({ id: sessionId })) ?? null;
}

const findSessions = prepared((db) =>
  db
    .select({ session: getTableColumns(sessions), account: publicColumns })
    .from(sessions)
    .innerJoin(accounts, eq(accounts.id, sessions.accountId))
    .where(sql`${sessions.id} IN (SELECT value FROM json_each(${sql.placeholder("ids")}))`)
    .prepare(),
);

const findTogether = readTogether<Authenticated>(async (core, sessionIds) => {
  const found = await findSessions(core.db).all({ ids: JSON.stringify(sessionIds) });
  return new Map(found.map((one) => [one.session.id, one]));
});

const MAX_KNOWN = 10_000;
const known = untilCommit<Authenticated | null>(MAX_KNOWN);

/**
 * Whose token this is. The row decides, as it stands after the last commit: a revoked session or a deactivated
 * account is refused at once. Throws `unauthorized`, `tokenInvalid` or `tokenExpired`.
 */
export async function authenticate(
  core: Core,
  token: string | null,
  purpose: Purpose = "access",
): Promise<Authenticated> {
  if (token === null) throw new DomainError("unauthorized", "A token is required.");
  const now = core.clock();
  const claims = core.tokens.verify(token, purpose, now);
  const found = await (core.db.kind === "remote"
    ? findTogether(core, claims.sid)
    : known(core, claims.sid, () => findWithAccount(core, claims.sid)));
  if (found !== null && found.account.uuid !== claims.sub) throw ended();
  return living(core, found);
}

/** Of a session that was looked up. Throws `unauthorized` for one that has ended. */
export function living(core: Core, found: Authenticated | null): Authenticated {
  const now = core.clock();
  if (found === null) throw ended();
  const { account, session } = found;
  if (session.revokedAt !== null || session.expiresAt <= now || account.deactivatedAt !== null) throw ended();
  if (now - session.lastUsedAt > TOUCH_EVERY_MS) touch(core, session.id, now);
  return found;
}

const ended = () => new DomainError("unauthorized", "This session has ended.");

/** Nobody waits for it, and a lost one is made up for by the next request. */
function touch(core: Core, sessionId: string, now: number): void {
  core.db
    .update(sessions)
    .set({ lastUsedAt: now })
    .where(eq(sessions.id, sessionId))
    .catch((error: unknown) => core.log.warn({ err: error }, "a session's time of use was not stored"));
}

/** The living sessions of an account, the last used first. */
export async function list(core: Core, account: Account): Promise<Session[]> {
  return core.db
    .select()
    .from(sessions)
    .where(
      and(
        eq(sessions.accountId, account.id),
        isNull(sessions.revokedAt),
        gt(sessions.expiresAt, core.clock()),
      ),
    )
    .orderBy(desc(sessions.lastUsedAt), desc(sessions.id))
    .limit(MAX_LISTED);
}

const MAX_LISTED = 1_000;

/** Ends one session of the account, at once. Throws `sessionNotFound` when there is none such that still lives. */
export async function revoke(
  core: Core,
  account: Account,
  sessionId: string,
  address?: string,
): Promise<void> {
  const now = core.clock();
  const [ended] = await core.db.batch([
    core.db
      .update(sessions)
      .set({ revokedAt: now })
      .where(
        and(
          eq(sessions.id, sessionId),
          eq(sessions.accountId, account.id),
          isNull(sessions.revokedAt),
          gt(sessions.expiresAt, now),
        ),
      )
      .returning({ id: sessions.id }),
    core.db.run(sql`INSERT INTO audit_entries (at, actor_id, action, target, address)
      SELECT ${now}, ${account.id}, 'session.revoked', ${`session:${sessionId}`}, ${address ?? null} WHERE changes() > 0`),
  ]);
  if (ended.length === 0) throw new DomainError("sessionNotFound", "There is no such session.");
  tellEnded(core);
}

/** To be called after the commit that ended sessions, so that their sockets close at once, on every node. */
export const tellEnded = (core: Core) => core.bus.publish({ kind: "sessions" }, "all");

/** Ends all sessions of an account but one, at once. */
export async function revokeOthers(
  core: Core,
  account: Account,
  keepSessionId: string,
  address: string,
): Promise<void> {
  await core.db.batch([
    revokingOthers(core, account.id, keepSessionId),
    audit.recording(core, {
      actorId: account.id,
      action: "session.revoked",
      target: "session:all-others",
      address,
    }),
  ]);
  tellEnded(core);
}

/** The statement that ends all sessions of an account; `tellEnded` is to follow its commit. */
export const revokingAll = (core: Core, accountId: number) => revokingOthers(core, accountId, "");

/** The statement that ends all sessions of an account but one; to be run in a batch with what made it needed, and followed by `tellEnded`. */
export function revokingOthers(core: Core, accountId: number, keepSessionId: string) {
  return core.db
    .update(sessions)
    .set({ revokedAt: core.clock() })
    .where(
      and(eq(sessions.accountId, accountId), ne(sessions.id, keepSessionId), isNull(sessions.revokedAt)),
    );
}
