import { and, eq, getTableColumns, isNull, ne, sql } from "drizzle-orm";
import { prepared } from "../../db/prepare.ts";
import { accounts, sessions } from "../../db/schema.ts";
import type { Account } from "./accounts.ts";
import { publicColumns } from "./accounts.ts";
import type { Core } from "./core.ts";
import { DomainError } from "./errors.ts";
import { newId } from "./ids.ts";
import type { Purpose } from "./tokens.ts";

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
// Accounts of the stats API have no password to come back with, so theirs lives until it is revoked.
const STATS_REFRESH_TTL_SECONDS = 10 * 365 * 24 * 60 * 60;
const TOUCH_EVERY_MS = 60_000;
const MAX_USER_AGENT_CHARACTERS = 256;

/** The row of a new session of the account with this uuid; to be inserted, in one batch with the account's. */
export function newSession(core: Core, accountUuid: string, origin: Session["origin"], client: Client) {
  const now = core.clock();
  const ttlSeconds = origin === "stats" ? STATS_REFRESH_TTL_SECONDS : ACCESS_TTL_SECONDS;
  return {
    id: newId(),
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

export function accessToken(core: Core, accountUuid: string, sessionId: string): string {
  return sign(core, accountUuid, sessionId, "access", ACCESS_TTL_SECONDS);
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

/**
 * Whose token this is. The row decides, on every request: a revoked session or a deactivated account is refused
 * at once. Throws `unauthorized`, `tokenInvalid` or `tokenExpired`.
 */
export async function authenticate(
  core: Core,
  token: string | null,
  purpose: Purpose = "access",
): Promise<Authenticated> {
  if (token === null) throw new DomainError("unauthorized", "A token is required.");
  const now = core.clock();
  const claims = core.tokens.verify(token, purpose, now);
  const found = await findSession(core.db).get({ id: claims.sid });
  if (found === undefined || found.account.uuid !== claims.sub) throw ended();
  const { account, session } = found;
  if (session.revokedAt !== null || session.expiresAt <= now || account.deactivatedAt !== null) throw ended();
  if (now - session.lastUsedAt > TOUCH_EVERY_MS) touch(core, session.id, now);
  return { account, session };
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

/** Ends one session of this account. False when there is none such that still lives. */
export async function revoke(core: Core, accountId: number, sessionId: string): Promise<boolean> {
  const ended = await core.db
    .update(sessions)
    .set({ revokedAt: core.clock() })
    .where(and(eq(sessions.id, sessionId), eq(sessions.accountId, accountId), isNull(sessions.revokedAt)))
    .returning({ id: sessions.id });
  return ended.length > 0;
}

/** The statement that ends the sessions of an account that the same batch has deactivated (or has not). */
export function revokingAllOfDeactivated(core: Core, accountId: number) {
  return core.db
    .update(sessions)
    .set({ revokedAt: core.clock() })
    .where(
      and(
        eq(sessions.accountId, accountId),
        isNull(sessions.revokedAt),
        sql`EXISTS (SELECT 1 FROM accounts WHERE id = ${accountId} AND deactivated_at IS NOT NULL)`,
      ),
    );
}

/** The statement that ends all sessions of an account but one; to be run in a batch with what made it needed. */
export function revokingOthers(core: Core, accountId: number, keepSessionId: string) {
  return core.db
    .update(sessions)
    .set({ revokedAt: core.clock() })
    .where(
      and(eq(sessions.accountId, accountId), ne(sessions.id, keepSessionId), isNull(sessions.revokedAt)),
    );
}
