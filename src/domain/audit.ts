import { and, desc, eq } from "drizzle-orm";
import { accounts, auditEntries } from "../../db/schema.ts";
import type { Account } from "./accounts.ts";
import type { Core } from "./core.ts";
import type { Page, Paged } from "./paging.ts";
import * as permissions from "./permissions.ts";

export type AuditEntry = typeof auditEntries.$inferSelect;

/** What is recorded. Add here what is new: the names are what administrators filter by. */
export type AuditAction =
  | "account.registered"
  | "account.changed"
  | "account.deactivated"
  | "account.activated"
  | "account.erased"
  | "sign-in"
  | "sign-in.failed"
  | "session.revoked"
  | "refresh.reused"
  | "password.changed"
  | "password.reset-requested"
  | "password.reset"
  | "email.changed"
  | "email.verified"
  | "role.created"
  | "role.changed"
  | "role.deleted"
  | "group.created"
  | "group.changed"
  | "group.deleted"
  | "roles.assigned"
  | "groups.assigned"
  | "invitation.created"
  | "invitation.deleted"
  | "task.retried"
  | "post.changed-by-moderator"
  | "post.deleted"
  | "comment.changed-by-moderator"
  | "comment.deleted"
  | "room.created"
  | "room.changed"
  | "room.deleted"
  | "room.moderator-added"
  | "room.moderator-removed"
  | "room.member-added"
  | "room.member-removed"
  | "room.muted"
  | "room.unmuted"
  | "room.banned"
  | "room.unbanned"
  | "room.kicked"
  | "message.removed"
  | "backup.created"
  | "backup.failed"
  | "backup.restored";

export type NewEntry = {
  /** The account that acts; null where nobody is signed in, or the shell acts. */
  readonly actorId: number | null;
  readonly action: AuditAction;
  /** Such as `account:<uuid>`, `role:3`. */
  readonly target?: string;
  readonly address?: string;
  /** Never a password, a token or a secret. */
  readonly details?: Readonly<Record<string, unknown>>;
};

/** The statement that records an act; to be run in one batch with the act. */
export function recording(
  core: Pick<Core, "db" | "clock">,
  { actorId, action, target, address, details }: NewEntry,
) {
  return core.db.insert(auditEntries).values({
    at: core.clock(),
    actorId,
    action,
    target: target ?? null,
    address: address ?? null,
    details: details ?? null,
  });
}

export type AuditFilter = {
  /** An account's number. */
  readonly actorId?: number;
  readonly action?: string;
};

/** Newest first, each with its actor's uuid. For who has `audit.read`; throws `forbidden`. */
export async function list(
  core: Core,
  actor: Account,
  { actorId, action }: AuditFilter,
  page: Page,
): Promise<Paged<{ readonly entry: AuditEntry; readonly actor: string | null }>> {
  await permissions.require(core, actor, "audit.read");
  const wanted = and(
    actorId === undefined ? undefined : eq(auditEntries.actorId, actorId),
    action === undefined ? undefined : eq(auditEntries.action, action),
  );
  const rows = await core.db
    .select({ entry: auditEntries, actor: accounts.uuid })
    .from(auditEntries)
    .leftJoin(accounts, eq(accounts.id, auditEntries.actorId))
    .where(wanted)
    .orderBy(desc(auditEntries.id))
    .limit(page.limit)
    .offset(page.offset);
  return { rows, total: await core.db.$count(auditEntries, wanted) };
}
