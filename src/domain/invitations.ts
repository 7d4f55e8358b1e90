import { desc, eq, sql } from "drizzle-orm";
import { asDatabaseError } from "../../db/open.ts";
import { accountRoles, invitations, roles } from "../../db/schema.ts";
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

/** For who may invite. Throws `forbidden`, `unknownRole`. */
export async function create(
  core: Core,
  actor: Account,
  { uses, expiresAt, role }: NewInvitation,
  address: string,
): Promise<NamedInvitation> {
  await permissions.require(core, actor, "invitations.create");
  if (role !== null) await permissions.require(core, actor, "roles.manage");
  const roleId = role === null ? null : (await roleNames.get(core, role)).id;
  const code = secrets.create().token;
  const now = core.clock();
  const [[row]] = await core.db.batch([
    core.db
      .insert(invitations)
      .values({ code, createdBy: actor.id, roleId, uses, usesLeft: uses, expiresAt, createdAt: now })
      .returning(),
    audit.recording(core, {
      actorId: actor.id,
      action: "invitation.created",
      address,
      details: { uses, expiresAt, role },
    }),
  ]);
  if (row === undefined) throw new Error("an INSERT ... RETURNING gave no row");
  return { ...row, role };
}

/** Newest first: all for who may write users, else one's own. Throws `forbidden` for who may not invite. */
export async function list(
  core: Core,
  actor: Account,
  page: { readonly limit: number; readonly offset: number },
): Promise<{ rows: NamedInvitation[]; total: number }> {
  await permissions.require(core, actor, "invitations.create");
  const all = await permissions.isAllowed(core, actor, "users.write");
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

/** For who made it, or may write users. Throws `invitationNotFound`. */
export async function remove(core: Core, actor: Account, code: string, address: string): Promise<void> {
  await permissions.require(core, actor, "invitations.create");
  const all = await permissions.isAllowed(core, actor, "users.write");
  const [gone] = await core.db.batch([
    core.db
      .delete(invitations)
      .where(
        sql`${invitations.code} = ${code} AND (${all ? 1 : 0} OR ${invitations.createdBy} = ${actor.id})`,
      )
      .returning({ uses: invitations.uses }),
    audit.recording(core, { actorId: actor.id, action: "invitation.deleted", address }),
  ]);
  if (gone.length === 0) throw new DomainError("invitationNotFound", "There is no such invitation.");
}

/** The invitation that this registration uses; null where it needs none. Throws as accounts.register does. */
export async function forRegistration(core: Core, input: NewAccount): Promise<Invitation | null> {
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
  const [found] = await core.db.select().from(invitations).where(eq(invitations.code, input.invitation));
  const good =
    found !== undefined && found.usesLeft > 0 && (found.expiresAt ?? Number.POSITIVE_INFINITY) > core.clock();
  if (!good) throw invalid();
  if (found.roleId !== null && !isStrong(input.password ?? "")) {
    throw new DomainError("passwordTooWeak", roleNames.STRONG_PASSWORD_RULE, { field: "password" });
  }
  return found;
}

/** The statements of a registration that uses it. The table's CHECK ends the batch when it was used up meanwhile. */
export function using(core: Core, { code, roleId }: Invitation, accountUuid: string) {
  const used = core.db
    .update(invitations)
    .set({ usesLeft: sql`${invitations.usesLeft} - 1` })
    .where(eq(invitations.code, code));
  if (roleId === null) return [used];
  return [
    used,
    core.db.insert(accountRoles).values({
      accountId: sql<number>`(SELECT id FROM accounts WHERE uuid = ${accountUuid})`,
      roleId,
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
