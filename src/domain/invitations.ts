import { desc, eq, sql } from "drizzle-orm";
import { asDatabaseError } from "../../db/open.ts";
import { accountRoles, accounts, invitations, roles } from "../../db/schema.ts";
import type { Account, NewAccount } from "./accounts.ts";
import * as audit from "./audit.ts";
import type { Core } from "./core.ts";
import { isStrong } from "./credentials.ts";
import { DomainError } from "./errors.ts";
import * as permissions from "./permissions.ts";
import * as roleNames from "./roles.ts";
import * as secrets from "./secrets.ts";

export type Invitation = typeof invitations.$inferSelect;
export type NamedInvitation = Invitation & { readonly role: string | null };

export type NewInvitation = {
  readonly uses: number;
  /** Milliseconds since 1970; null: no end. */
  readonly expiresAt: number | null;
  /** The name of a role that who registers with it gets. Only for who may manage roles. */
  readonly role: string | null;
};

/**
 * For who may invite; to a role, for who may manage roles and holds all of it. Throws `forbidden`, `unknownRole`,
 * `fieldInvalid` for an end that has passed.
 */
export async function create(
  core: Core,
  actor: Account,
  { uses, expiresAt, role }: NewInvitation,
  address: string,
): Promise<NamedInvitation> {
  await permissions.require(core, actor, "invitations.create");
  const given = role === null ? null : await roleToGive(core, actor, role);
  const code = secrets.create().token;
  const now = core.clock();
  if (expiresAt !== null && expiresAt <= now) {
    throw new DomainError("fieldInvalid", "expires_at must be in the future.", { field: "expires_at" });
  }
  const [[row]] = await core.db.batch([
    core.db
      .insert(invitations)
      .values({
        code,
        createdBy: actor.id,
        roleId: given?.id ?? null,
        uses,
        usesLeft: uses,
        expiresAt,
        createdAt: now,
      })
      .returning(),
    audit.recording(core, {
      actorId: actor.id,
      action: "invitation.created",
      target: auditTarget(code),
      address,
      details: { uses, expiresAt, role },
    }),
  ]);
  if (row === undefined) throw new Error("an INSERT ... RETURNING gave no row");
  return { ...row, role };
}

// The code is a secret: its hash tells invitations apart and opens nothing.
const auditTarget = (code: string) => `invitation:${secrets.hashOf(code).slice(0, 12)}`;

async function roleToGive(core: Core, actor: Account, name: string): Promise<roleNames.Role> {
  await permissions.require(core, actor, "roles.manage");
  const role = await roleNames.get(core, name);
  await permissions.requireToHold(core, actor, role.permissions);
  return role;
}

/**
 * Newest first: one's own, and all for who may do everything, since a code is worth its role to whoever reads it.
 * Throws `forbidden` for who may not invite.
 */
export async function list(
  core: Core,
  actor: Account,
  page: { readonly limit: number; readonly offset: number },
): Promise<{ rows: NamedInvitation[]; total: number }> {
  await permissions.require(core, actor, "invitations.create");
  const all = await permissions.isUnlimited(core, actor);
  const mine = all ? undefined : eq(invitations.createdBy, actor.id);
  const rows = await core.db
    .select({ invitation: invitations, role: roles.name })
    .from(invitations)
    .leftJoin(roles, eq(roles.id, invitations.roleId))
    .where(mine)
    .orderBy(desc(invitations.createdAt), invitations.code)
    .limit(page.limit)
    .offset(page.offset);
  return {
    rows: rows.map(({ invitation, role }) => ({ ...invitation, role })),
    total: await core.db.$count(invitations, mine),
  };
}

/** For who made it, or may do everything. Throws `invitationNotFound`. */
export async function remove(core: Core, actor: Account, code: string, address: string): Promise<void> {
  await permissions.require(core, actor, "invitations.create");
  const all = await permissions.isUnlimited(core, actor);
  const wanted = sql`${invitations.code} = ${code} AND (${all ? 1 : 0} OR ${invitations.createdBy} = ${actor.id})`;
  const [, gone] = await core.db.batch([
    core.db.run(sql`INSERT INTO audit_entries (at, actor_id, action, target, address, details)
      SELECT ${core.clock()}, ${actor.id}, 'invitation.deleted', ${auditTarget(code)}, ${address},
        json_object('uses', ${invitations.uses}, 'role', ${roles.name})
      FROM ${invitations} LEFT JOIN ${roles} ON ${roles.id} = ${invitations.roleId} WHERE ${wanted}`),
    core.db.delete(invitations).where(wanted).returning({ uses: invitations.uses }),
  ]);
  if (gone.length === 0) throw new DomainError("invitationNotFound", "There is no such invitation.");
}

/** The invitation that this registration uses; null where it needs none. Throws as accounts.register does. */
export async function forRegistration(core: Core, input: NewAccount): Promise<NamedInvitation | null> {
  const { registration } = core.settings;
  if (input.origin === "shell") return null;
  if (registration === "closed") {
    throw new DomainError("registrationClosed", "Registration is closed.");
  }
  if (input.invitation === undefined) {
    if (registration === "open") return null;
    throw new DomainError("invitationInvalid", "Registration is by invitation only.", {
      field: "invitation",
    });
  }
  const [found] = await core.db
    .select({ invitation: invitations, role: roles, makerLeftAt: accounts.deactivatedAt })
    .from(invitations)
    .leftJoin(roles, eq(roles.id, invitations.roleId))
    .leftJoin(accounts, eq(accounts.id, invitations.createdBy))
    .where(eq(invitations.code, input.invitation));
  if (found === undefined) throw invalid();
  const { invitation, role, makerLeftAt } = found;
  const ended = (invitation.expiresAt ?? Number.POSITIVE_INFINITY) <= core.clock();
  if (ended || invitation.usesLeft < 1 || makerLeftAt !== null) throw invalid();
  // Who lost a permission has no more of it to give, by an old invitation either.
  const maker = { id: invitation.createdBy ?? 0 };
  const needed = ["invitations.create", ...(role === null ? [] : ["roles.manage", ...role.permissions])];
  if ((await permissions.firstLacking(core, maker, needed)) !== null) throw invalid();
  if (role === null) return { ...invitation, role: null };
  if (!isStrong(input.password ?? "")) {
    throw new DomainError("passwordTooWeak", roleNames.STRONG_PASSWORD_RULE, { field: "password" });
  }
  return { ...invitation, role: role.name };
}

/**
 * The statements of a registration that uses it. The table's CHECK ends the batch when it was used up meanwhile; a row
 * that is gone meanwhile is asked for with -1 uses left, which ends the batch too.
 */
export function using(core: Core, { code, roleId, role, createdBy }: NamedInvitation, accountUuid: string) {
  const used = core.db
    .insert(invitations)
    .values({
      code,
      uses: 0,
      usesLeft: sql`CASE WHEN EXISTS (SELECT 1 FROM invitations WHERE code = ${code}) THEN 0 ELSE -1 END`,
      createdAt: 0,
    })
    .onConflictDoUpdate({
      target: invitations.code,
      set: { usesLeft: sql`${invitations.usesLeft} - 1`, lastUsedAt: core.clock() },
    });
  if (roleId === null) return [used];
  return [
    used,
    core.db.insert(accountRoles).values({
      accountId: sql<number>`(SELECT id FROM accounts WHERE uuid = ${accountUuid})`,
      roleId,
    }),
    audit.recording(core, {
      actorId: createdBy,
      action: "roles.assigned",
      target: `account:${accountUuid}`,
      details: { granted: role, by: "invitation" },
    }),
  ];
}

/** Whether this failure is that of an invitation that was used up meanwhile. */
export const isUsedUp = (error: unknown): boolean =>
  asDatabaseError(error)?.constraint === "invitations_uses_left";

export const invalid = () =>
  new DomainError("invitationInvalid", "This invitation is wrong, used up or has expired.", {
    field: "invitation",
  });
