import { and, desc, eq, gt, isNull, sql } from "drizzle-orm";
import { accounts, auditEntries, effectiveRoles, roles } from "../../db/schema.ts";
import * as audit from "./audit.ts";
import type { Core } from "./core.ts";
import * as mails from "./mails.ts";
import * as permissions from "./permissions.ts";

export type MadeBackup = { readonly name: string; readonly bytes: number; readonly ms: number };

/** The statement that records a backup. */
export const recordingCreated = (core: Pick<Core, "db" | "clock">, { name, bytes, ms }: MadeBackup) =>
  audit.recording(core, { actorId: null, action: "backup.created", details: { name, bytes, ms } });

const MAILED_EVERY_MS = 24 * 60 * 60_000;

export type FailedBackup = {
  /** By the schedule, or by somebody's command. */
  readonly made: "daily" | "manual";
  readonly reason: string;
};

/** The statement that records that no backup was made, of which so many were told by mail. */
export const recordingFailed = (core: Pick<Core, "db" | "clock">, failed: FailedBackup, mailed = 0) =>
  audit.recording(core, { actorId: null, action: "backup.failed", details: { ...failed, mailed } });

/**
 * Records that no backup was made, and tells every active administrator, of each kind once a day while it goes on.
 * Then call `core.nudgeMails()`.
 */
export async function recordFailed(core: mails.Queueing, failed: FailedBackup): Promise<void> {
  const { made, reason } = failed;
  const administrators = (await wasMailed(core, made)) ? [] : await activeAdministrators(core);
  const at = core.clock();
  await core.db.batch([
    recordingFailed(core, failed, administrators.length),
    ...administrators.map(({ username, accountUuid, email, language }) =>
      mails.queueing(core, {
        to: email,
        accountUuid,
        language,
        text: { kind: "backup-failed", made, username, reason, at },
      }),
    ),
  ]);
}

async function wasMailed(core: mails.Queueing, made: FailedBackup["made"]): Promise<boolean> {
  const [found] = await core.db
    .select({ id: auditEntries.id })
    .from(auditEntries)
    .where(
      and(
        eq(auditEntries.action, "backup.failed"),
        gt(auditEntries.at, core.clock() - MAILED_EVERY_MS),
        sql`${auditEntries.details} ->> 'mailed' > 0 AND ${auditEntries.details} ->> 'made' = ${made}`,
      ),
    )
    .orderBy(desc(auditEntries.id))
    .limit(1);
  return found !== undefined;
}

const activeAdministrators = (core: mails.Queueing) =>
  core.db
    .selectDistinct({
      username: accounts.username,
      accountUuid: accounts.uuid,
      // A changed address is nobody's until it is confirmed.
      email: sql<string>`coalesce(${accounts.confirmedEmail}, ${accounts.email})`,
      language: accounts.language,
    })
    .from(effectiveRoles)
    .innerJoin(roles, eq(roles.id, effectiveRoles.roleId))
    .innerJoin(accounts, eq(accounts.id, effectiveRoles.accountId))
    .where(and(eq(roles.name, permissions.ADMIN_ROLE), isNull(accounts.deactivatedAt)));
