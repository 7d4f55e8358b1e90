import { eq, sql } from "drizzle-orm";
import { prepared } from "../../db/prepare.ts";
import { effectiveRoles, roles } from "../../db/schema.ts";
import type { Account } from "./accounts.ts";
import type { Core } from "./core.ts";
import { DomainError } from "./errors.ts";
import * as guard from "./guard.ts";

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

/** Everything that this account may do; "*" is everything. */
export async function heldBy(core: Core, account: Pick<Account, "id">): Promise<ReadonlySet<string>> {
  const held = await rolesOf(core.db).all({ accountId: account.id });
  return new Set(held.flatMap((role) => role.permissions));
}

/** Whether this account may do everything. */
export async function isUnlimited(core: Core, account: Pick<Account, "id">): Promise<boolean> {
  return (await heldBy(core, account)).has(EVERYTHING);
}

/** The first of the wanted permissions that this account lacks; null when it holds all of them. */
export async function firstLacking(
  core: Core,
  account: Pick<Account, "id">,
  wanted: Iterable<string>,
): Promise<string | null> {
  const held = await heldBy(core, account);
  if (held.has(EVERYTHING)) return null;
  for (const permission of wanted) if (!held.has(permission)) return permission;
  return null;
}

/** Throws `forbidden` for who would give more than they hold themselves. */
export async function requireToHold(core: Core, actor: Account, wanted: Iterable<string>): Promise<void> {
  const lacking = await firstLacking(core, actor, wanted);
  if (lacking === null) return;
  throw new DomainError("forbidden", `You cannot give a permission that you do not have: ${lacking}.`);
}

/**
 * For the owner, and for who may write users and may do whatever that user may: a new e-mail address is a way into
 * the account. Throws `forbidden`.
 */
export async function requireToWrite(core: Core, actor: Account, accountId: number): Promise<void> {
  await requireSelfOr(core, actor, accountId, "users.write");
  if (actor.id === accountId) return;
  if ((await firstLacking(core, actor, await heldBy(core, { id: accountId }))) === null) return;
  throw new DomainError(
    "forbidden",
    "You may not do this to a user who has permissions that you do not have.",
  );
}

const ADMIN_EXISTS = sql`EXISTS (SELECT 1 FROM effective_roles held JOIN roles ON roles.id = held.role_id
  JOIN accounts ON accounts.id = held.account_id
  WHERE roles.name = ${ADMIN_ROLE} AND accounts.deactivated_at IS NULL)`;

/** The first statement of a batch that may take a role away. */
export const notingAdmins = (core: Core) => guard.noting(core, ADMIN_EXISTS);

/** The last statement of such a batch: ends it when it has removed the last administrator. */
export const checkingAdmins = (core: Core) => guard.checking(core, ADMIN_EXISTS);

/** Runs a batch between the two, and throws `lastAdmin` when it was ended. */
export async function keepingAnAdmin<T>(core: Core, batch: () => Promise<T>): Promise<T> {
  const done = await guard.guarded(
    batch,
    () => new DomainError("lastAdmin", "The last administrator cannot be removed."),
  );
  tellTaken(core);
  return done;
}

/** To be called after a commit that may have taken a permission away, for those who are connected by it. */
export const tellTaken = (core: Core) => core.bus.publish({ kind: "sessions" }, "all");
