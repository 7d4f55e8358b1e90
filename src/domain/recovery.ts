import { and, eq, gt, isNotNull, isNull, sql } from "drizzle-orm";
import { accounts, mailedSecrets, sessions } from "../../db/schema.ts";
import { type Account, publicColumns } from "./accounts.ts";
import * as audit from "./audit.ts";
import type { Core } from "./core.ts";
import * as credentials from "./credentials.ts";
import { DomainError } from "./errors.ts";
import * as mails from "./mails.ts";
import { emailKey } from "./names.ts";
import * as secrets from "./secrets.ts";
import { tellEnded } from "./sessions.ts";

const RESET_TTL_MS = 30 * 60_000;
const VERIFY_TTL_MS = 7 * 24 * 60 * 60_000;
const RESET_EVERY_MS = 60_000;
const MAX_ACCOUNTS_MAILED = 5;

/**
 * The accounts that resets of this address concern: those with a password, by the address they have confirmed.
 * There may be several, since a changed address is free for others before the new one is confirmed.
 */
function findByAddress(core: Core, email: string): Promise<Account[]> {
  const key = emailKey(email);
  return (
    core.db
      .select(publicColumns)
      .from(accounts)
      .where(
        and(
          isNotNull(accounts.passwordHash),
          isNull(accounts.deactivatedAt),
          sql`((${accounts.emailKey} = ${key} AND ${accounts.confirmedEmail} IS NULL)
          OR ${accounts.confirmedEmail} = ${key} COLLATE NOCASE)`,
        ),
      )
      // Who shows the address now comes before who had it once: nobody can push its owner out of the few.
      .orderBy(
        sql`${accounts.confirmedEmail} IS NOT NULL`,
        sql`${accounts.emailVerifiedAt} IS NULL`,
        accounts.id,
      )
      .limit(MAX_ACCOUNTS_MAILED)
  );
}

/**
 * Mails a link that sets a new password. Says nothing about whether there is such an account, not by its time
 * either: the caller need not wait for it. At most one mail a minute per account.
 */
export async function requestReset(core: Core, email: string, address: string): Promise<void> {
  for (const account of await findByAddress(core, email)) await mailReset(core, account, address);
}

async function mailReset(core: Core, account: Account, address: string): Promise<void> {
  const now = core.clock();
  const secret = secrets.create();
  const to = account.confirmedEmail ?? account.email;
  const mailedLately = sql`EXISTS (SELECT 1 FROM mailed_secrets WHERE account_id = ${account.id}
    AND purpose = 'reset' AND created_at > ${now - RESET_EVERY_MS})`;
  const inserted = await core.db.all(sql`
    INSERT INTO mailed_secrets (hash, purpose, account_id, email, created_at, expires_at)
    SELECT ${secret.hash}, 'reset', ${account.id}, ${to}, ${now}, ${now + RESET_TTL_MS} WHERE NOT ${mailedLately}
    RETURNING hash`);
  if (inserted.length === 0) return;
  await core.db.batch([
    mails.queueing(core, {
      accountUuid: account.uuid,
      to,
      language: account.language,
      text: { kind: "reset", username: account.username, token: secret.token, expiresAt: now + RESET_TTL_MS },
    }),
    audit.recording(core, {
      actorId: null,
      action: "password.reset-requested",
      target: `account:${account.uuid}`,
      address,
    }),
  ]);
  core.nudgeMails();
}

/** Sets a new password by a mailed token and ends all sessions. Throws `mailedSecretInvalid`, `overloaded`. */
export async function reset(core: Core, token: string, password: string, address: string): Promise<void> {
  const hash = secrets.hashOf(token);
  const now = core.clock();
  const usable = and(
    eq(mailedSecrets.hash, hash),
    eq(mailedSecrets.purpose, "reset"),
    isNull(mailedSecrets.usedAt),
    gt(mailedSecrets.expiresAt, now),
  );
  const [found] = await core.db
    .select({ account: publicColumns })
    .from(mailedSecrets)
    .innerJoin(accounts, eq(accounts.id, mailedSecrets.accountId))
    .where(
      and(
        usable,
        isNull(accounts.deactivatedAt),
        // A link that went to an address which the account has left behind is worth nothing.
        sql`${mailedSecrets.email} = coalesce(${accounts.confirmedEmail}, ${accounts.email})`,
      ),
    );
  // Looked for before hashing, which costs; decided by the batch below.
  if (found === undefined) throw invalidSecret();
  const { account } = found;
  const password_ = await credentials.hashed(core, password);
  const mine = sql`EXISTS (SELECT 1 FROM mailed_secrets WHERE hash = ${hash} AND used_at = ${now})`;
  const [consumed] = await core.db.batch([
    core.db.update(mailedSecrets).set({ usedAt: now }).where(usable).returning({ hash: mailedSecrets.hash }),
    core.db
      .update(accounts)
      .set({
        ...password_,
        // Who could read this mail owns the address.
        emailVerifiedAt: sql`CASE WHEN ${accounts.confirmedEmail} IS NULL THEN coalesce(${accounts.emailVerifiedAt}, ${now}) ELSE ${accounts.emailVerifiedAt} END`,
        updatedAt: now,
      })
      .where(and(eq(accounts.id, account.id), sql`changes() > 0`)),
    core.db.run(sql`INSERT INTO audit_entries (at, actor_id, action, target, address)
      SELECT ${now}, ${account.id}, 'password.reset', ${`account:${account.uuid}`}, ${address} WHERE changes() > 0`),
    core.db
      .update(sessions)
      .set({ revokedAt: now })
      .where(and(eq(sessions.accountId, account.id), isNull(sessions.revokedAt), mine)),
    core.db
      .update(mailedSecrets)
      .set({ usedAt: now })
      .where(
        and(
          eq(mailedSecrets.accountId, account.id),
          eq(mailedSecrets.purpose, "reset"),
          isNull(mailedSecrets.usedAt),
          mine,
        ),
      ),
  ]);
  if (consumed.length === 0) throw invalidSecret();
  tellEnded(core);
  await mails.queueing(core, {
    accountUuid: account.uuid,
    to: account.confirmedEmail ?? account.email,
    language: account.language,
    text: { kind: "password-changed", username: account.username, address, at: now },
  });
  core.nudgeMails();
}

/** The statements that mail a link which confirms the account's address. */
export function askingToVerify(
  core: Core,
  account: Pick<Account, "uuid" | "username" | "language">,
  email: string,
) {
  const now = core.clock();
  const secret = secrets.create();
  return [
    core.db.insert(mailedSecrets).values({
      hash: secret.hash,
      purpose: "verify",
      accountId: sql<number>`(SELECT id FROM accounts WHERE uuid = ${account.uuid})`,
      email,
      createdAt: now,
      expiresAt: now + VERIFY_TTL_MS,
    }),
    mails.queueing(core, {
      accountUuid: account.uuid,
      to: email,
      language: account.language,
      text: {
        kind: "verify",
        username: account.username,
        token: secret.token,
        expiresAt: now + VERIFY_TTL_MS,
      },
    }),
  ] as const;
}

/** Confirms the address that the token was mailed to, if it still is the account's. Throws `mailedSecretInvalid`. */
export async function verifyEmail(core: Core, token: string, address: string): Promise<void> {
  const hash = secrets.hashOf(token);
  const now = core.clock();
  const mine = sql`EXISTS (SELECT 1 FROM mailed_secrets WHERE hash = ${hash} AND used_at = ${now}
    AND account_id = ${accounts.id} AND email = ${accounts.email})`;
  const [, verified] = await core.db.batch([
    core.db
      .update(mailedSecrets)
      .set({ usedAt: now })
      .where(
        and(
          eq(mailedSecrets.hash, hash),
          eq(mailedSecrets.purpose, "verify"),
          isNull(mailedSecrets.usedAt),
          gt(mailedSecrets.expiresAt, now),
        ),
      ),
    core.db
      .update(accounts)
      .set({ emailVerifiedAt: now, confirmedEmail: null, updatedAt: now })
      .where(and(mine, sql`changes() > 0`))
      .returning({ id: accounts.id, uuid: accounts.uuid }),
  ]);
  const [account] = verified;
  if (account === undefined) throw invalidSecret();
  await audit.recording(core, {
    actorId: account.id,
    action: "email.verified",
    target: `account:${account.uuid}`,
    address,
  });
}

const invalidSecret = () =>
  new DomainError("mailedSecretInvalid", "This link is wrong, has expired or was used before.", {
    field: "token",
  });
