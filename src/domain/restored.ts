import { type SQL, sql } from "drizzle-orm";
import type { Db } from "../../db/open.ts";
import type { AuditAction } from "./audit.ts";

export type Restored = { readonly name: string; readonly madeAt: string; readonly version: string };

const RESTORED: AuditAction = "backup.restored";

/**
 * Makes a database out of a backup fit to go on with: it takes up a history that others have seen go on without it.
 * It may be of an older program, so what it does not have yet is left out.
 *
 * - Chat gets another epoch: clients would go on from ids that now stand for other messages.
 * - Nobody is connected, and no worker holds a task.
 * - Sessions end, since what has been signed out meanwhile would be alive again. Accounts without a password keep
 *   theirs: they have nothing else to come back with.
 * - Mailed links for a new password and tickets may have been used meanwhile, so none of them is good.
 */
export async function settle(db: Db, backup: Restored, now: number): Promise<void> {
  const tables = new Set(
    (await db.values<[string]>(sql`SELECT name FROM sqlite_schema WHERE type = 'table'`)).map(
      ([name]) => name,
    ),
  );
  const settling = STATEMENTS.flatMap(([table, write]) =>
    tables.has(table) ? [db.run(write(backup, now))] : [],
  );
  const [first, ...others] = settling;
  if (first !== undefined) await db.batch([first, ...others]);
}

type Statement = readonly [table: string, write: (backup: Restored, now: number) => SQL];

const STATEMENTS: readonly Statement[] = [
  ["chat_epoch", () => sql`UPDATE chat_epoch SET epoch = lower(hex(randomblob(16)))`],
  ["presence", () => sql`DELETE FROM presence`],
  ["nodes", () => sql`DELETE FROM nodes`],
  [
    "report_tasks",
    (_backup, now) => sql`UPDATE report_tasks SET status = 'PENDING', lease_owner = NULL, due_at = ${now},
      attempts = max(attempts - 1, 0) WHERE status = 'PROCESSING'`,
  ],
  [
    "sessions",
    (_backup, now) => sql`UPDATE sessions SET revoked_at = ${now} WHERE revoked_at IS NULL
      AND account_id IN (SELECT id FROM accounts WHERE password_hash IS NOT NULL)`,
  ],
  ["socket_tickets", () => sql`DELETE FROM socket_tickets`],
  ["mailed_secrets", () => sql`DELETE FROM mailed_secrets WHERE purpose = 'reset'`],
  [
    "audit_entries",
    (backup, now) => sql`INSERT INTO audit_entries (at, action, details)
      VALUES (${now}, ${RESTORED}, ${JSON.stringify(backup)})`,
  ],
];
