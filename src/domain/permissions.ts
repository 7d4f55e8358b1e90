import { eq, type SQL, sql } from "drizzle-orm";
import { prepared } from "../../db/prepare.ts";
import { effectiveRoles, roles } from "../../db/schema.ts";
import type { Account } from "./accounts.ts";
import type { Core } from "./core.ts";
import { DomainError } from "./errors.ts";

export const PERMISSIONS = [
  "users.read",
  "users.write",
  "roles.manage",
  "invitations.create",
  "tasks.manage",
  "audit.read",
  "blog.moderate",
  "chat.moderate",
] as const;

export type Permission = (typeof PERMISSIONS)[number];

const EVERYTHING = "*";
export const ADMIN_ROLE = "admin";

const rolesOf = prepared((db) =>
  db
    .select({ name: roles.name, permissions: roles.permissions })
    .from(effectiveRoles)
    .innerJoin(roles, eq(roles.id, effectiveRoles.roleId))
    .where(eq(effectiveRoles.accountId, sql.placeholder("accountId")))
    .prepare(),
);

export async function isAllowed(core: Core, actor: Account, permission: Permission): Promise<boolean> {
  const held = await rolesOf(core.db).all({ accountId: actor.id });
  return held.some((role) => role.permissions.includes(permission) || role.permissions.includes(EVERYTHING));
}

/** Throws `forbidden` unless the actor has this permission. */
export async function require(core: Core, actor: Account, permission: Permission): Promise<void> {
  if (await isAllowed(core, actor, permission)) return;
  throw new DomainError("forbidden", "You do not have the permission for this.");
}

/** Throws `forbidden` unless the actor is that account or may do this to others. */
export async function requireSelfOr(
  core: Core,
  actor: Account,
  accountId: number,
  permission: Permission,
): Promise<void> {
  if (actor.id === accountId || (await isAllowed(core, actor, permission))) return;
  throw new DomainError("forbidden", "You may not do this to another user.");
}

/** A condition: this account is not the only active one that has the admin role. Decided where the write happens. */
export const notLastAdmin = (accountId: number | SQL): SQL => sql`NOT (
  EXISTS (SELECT 1 FROM effective_roles held JOIN roles ON roles.id = held.role_id
          WHERE held.account_id = ${accountId} AND roles.name = ${ADMIN_ROLE})
  AND NOT EXISTS (SELECT 1 FROM effective_roles held JOIN roles ON roles.id = held.role_id
                  JOIN accounts other ON other.id = held.account_id
                  WHERE roles.name = ${ADMIN_ROLE} AND held.account_id <> ${accountId}
                  AND other.deactivated_at IS NULL))`;

export const lastAdmin = () => new DomainError("lastAdmin", "The last administrator cannot be removed.");
