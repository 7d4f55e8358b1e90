import { sql } from "drizzle-orm";
import { prepared } from "../../db/prepare.ts";
import { sessions } from "../../db/schema.ts";
import type { Account } from "./accounts.ts";
import * as audit from "./audit.ts";
import type { Core } from "./core.ts";
import { DomainError } from "./errors.ts";
import * as guard from "./guard.ts";
import { newId } from "./ids.ts";
import * as mails from "./mails.ts";
import { accessToken, findWithAccount, type Session, tellEnded } from "./sessions.ts";
import { type Claims, looksLikeJwt } from "./tokens.ts";

const REFRESH_TTL_SECONDS = 7 * 24 * 60 * 60;
// Two tabs, or an answer that was lost: the parent of the good token gives the same child for this long.
const GRACE_MS = 10_000;

export type TokenPair = { readonly accessToken: string; readonly refreshToken: string };

/** The tokens of a new session, whose row names this `refreshJti`. */
export function firstTokens(core: Core, accountUuid: string, session: NewSession): TokenPair {
  return pair(core, accountUuid, session.id, session.refreshJti, session.createdAt, session.expiresAt);
}

type NewSession = {
  readonly id: string;
  readonly refreshJti: string;
  readonly createdAt: number;
  readonly expiresAt: number;
};

/** Signed again with the same values the refresh token is the same one. It never outlives its session. */
function pair(
  core: Core,
  sub: string,
  sid: string,
  jti: string,
  issuedAt: number,
  sessionEndsAt: number,
): TokenPair {
  const leftSeconds = Math.floor((sessionEndsAt - issuedAt) / 1000);
  const claims = { sub, sid, jti, purpose: "refresh" } as const;
  return {
    accessToken: accessToken(core, sub, sid),
    refreshToken: core.tokens.sign(claims, issuedAt, Math.min(REFRESH_TTL_SECONDS, leftSeconds)),
  };
}

const exchange = prepared((db) =>
  db
    .update(sessions)
    .set({
      refreshJti: sql`${sql.placeholder("child")}`,
      refreshParentJti: sql`${sql.placeholder("parent")}`,
      refreshedAt: sql`${sql.placeholder("now")}`,
      lastUsedAt: sql`${sql.placeholder("now")}`,
    })
    .where(
      sql`id = ${sql.placeholder("id")} AND refresh_jti = ${sql.placeholder("parent")}
        AND revoked_at IS NULL AND expires_at > ${sql.placeholder("now")}
        AND EXISTS (SELECT 1 FROM accounts WHERE accounts.id = account_id
                    AND uuid = ${sql.placeholder("sub")} AND deactivated_at IS NULL)`,
    )
    .returning({ expiresAt: sessions.expiresAt })
    .prepare(),
);

/**
 * Exchanges a refresh token for its successor. The parent of the good one gives the same child within ten seconds;
 * later, or an older one, ends the session, which is stored although the request fails. Throws `tokenMalformed`
 * for what is no JWT, `tokenInvalid`, `tokenExpired`, `unauthorized`.
 */
export async function rotate(core: Core, token: string, address: () => string): Promise<TokenPair> {
  if (!looksLikeJwt(token)) throw new DomainError("tokenMalformed", "The refresh token is malformed.");
  const now = core.clock();
  const { jti: parent, sid: id, sub } = core.tokens.verify(token, "refresh", now);
  const child = newId();
  const [rotated] = await exchange(core.db).all({ id, parent, child, now, sub });
  if (rotated !== undefined) {
    core.metrics.count("refreshes", "fresh");
    return pair(core, sub, id, child, now, rotated.expiresAt);
  }
  return usedBefore(core, { jti: parent, sid: id, sub }, now, address());
}

async function usedBefore(
  core: Core,
  { jti, sid, sub }: Pick<Claims, "jti" | "sid" | "sub">,
  now: number,
  address: string,
): Promise<TokenPair> {
  const found = await findWithAccount(core, sid);
  const alive =
    found !== null &&
    found.account.uuid === sub &&
    found.account.deactivatedAt === null &&
    found.session.revokedAt === null &&
    found.session.expiresAt > now;
  if (!alive) {
    core.metrics.count("refreshes", "refused");
    throw new DomainError("unauthorized", "This session has ended.");
  }
  const { refreshJti, refreshParentJti, refreshedAt, expiresAt } = found.session;
  if (
    jti === refreshParentJti &&
    refreshJti !== null &&
    refreshedAt !== null &&
    now - refreshedAt <= GRACE_MS
  ) {
    core.metrics.count("refreshes", "grace");
    return pair(core, sub, sid, refreshJti, refreshedAt, expiresAt);
  }
  core.metrics.count("refreshes", "reuse");
  await endReused(core, found.account, found.session, address);
  throw new DomainError("unauthorized", "This refresh token was used before; its session has ended.");
}

/** Somebody has a copy: neither may go on. Of many at once one ends it, and the owner is told once. */
async function endReused(core: Core, account: Account, session: Session, address: string): Promise<void> {
  const now = core.clock();
  const alive = sql`EXISTS (SELECT 1 FROM sessions WHERE id = ${session.id} AND revoked_at IS NULL)`;
  const ended = () => new DomainError("unauthorized", "This session has ended.");
  await guard.guarded(
    () =>
      core.db.batch([
        guard.onlyIf(core, alive),
        core.db.update(sessions).set({ revokedAt: now }).where(sql`id = ${session.id}`),
        audit.recording(core, {
          actorId: account.id,
          action: "refresh.reused",
          target: `session:${session.id}`,
          address,
        }),
        mails.queueing(core, {
          to: account.confirmedEmail ?? account.email,
          language: account.language,
          text: { kind: "refresh-token-reused", username: account.username, address, at: now },
        }),
      ]),
    ended,
  );
  tellEnded(core);
  core.nudgeMails();
}
