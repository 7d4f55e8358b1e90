import { and, asc, eq, inArray, ne, sql } from "drizzle-orm";
import { asDatabaseError } from "../../db/open.ts";
import { accountRoles, accounts, effectiveRoles, roles } from "../../db/schema.ts";
import type { Account } from "./accounts.ts";
import * as audit from "./audit.ts";
import type { Core } from "./core.ts";
import { DomainError } from "./errors.ts";
import type { Page, Paged } from "./paging.ts";
import * as permissions from "./permissions.ts";

export type Role = typeof roles.$inferSelect;
export type NewRole = Pick<Role, "name" | "permissions">;

export const STRONG_PASSWORD_RULE =
  "An account with a role needs a password of 8 to 128 characters with upper and lower case, a digit and a special character.";

// Giving and taking by the shell: who has the machine may do anything.

/** Gives a role; giving it twice changes nothing. Throws `unknownRole`, `passwordTooWeak`. */
export async function grant(core: Core, account: Account, roleName: string): Promise<void> {
  requireStrong(account);
  const role = await get(core, roleName);
  await core.db.batch([
    core.db.insert(accountRoles).values({ accountId: account.id, roleId: role.id }).onConflictDoNothing(),
    recordingAssigned(core, null, account, { granted: roleName }),
  ]);
}

/** Takes a role away; taking it twice changes nothing. Throws `unknownRole`, `lastAdmin`. */
export async function revoke(core: Core, account: Account, roleName: string): Promise<void> {
  const role = await get(core, roleName);
  await permissions.keepingAnAdmin(core, () =>
    core.db.batch([
      permissions.notingAdmins(core),
      core.db
        .delete(accountRoles)
        .where(and(eq(accountRoles.accountId, account.id), eq(accountRoles.roleId, role.id))),
      recordingAssigned(core, null, account, { revoked: roleName }),
      permissions.checkingAdmins(core),
    ]),
  );
}

/** The names of the roles of this account, through groups too; the role `user`, which everybody has, is not listed. */
export async function namesOf(core: Core, accountId: number): Promise<string[]> {
  const held = await core.db
    .select({ name: roles.name })
    .from(effectiveRoles)
    .innerJoin(roles, eq(roles.id, effectiveRoles.roleId))
    .where(eq(effectiveRoles.accountId, accountId))
    .orderBy(roles.name);
  return held.map((role) => role.name);
}

export async function hasAdmin(core: Core): Promise<boolean> {
  const [found] = await core.db
    .select({ id: accounts.id })
    .from(effectiveRoles)
    .innerJoin(roles, eq(roles.id, effectiveRoles.roleId))
    .innerJoin(accounts, eq(accounts.id, effectiveRoles.accountId))
    .where(and(eq(roles.name, permissions.ADMIN_ROLE), sql`${accounts.deactivatedAt} IS NULL`))
    .limit(1);
  return found !== undefined;
}

/** Throws `unknownRole`. */
export async function get(core: Core, name: string): Promise<Role> {
  const [role] = await core.db.select().from(roles).where(eq(roles.name, name));
  if (role === undefined) throw new DomainError("unknownRole", `There is no role "${name}".`);
  return role;
}

// What follows is for who has `roles.manage`; nobody gives more than they hold.

export async function list(core: Core, actor: Account, page: Page): Promise<Paged<Role>> {
  await permissions.require(core, actor, "roles.manage");
  const rows = await core.db
    .select()
    .from(roles)
    .orderBy(asc(roles.id))
    .limit(page.limit)
    .offset(page.offset);
  return { rows, total: await core.db.$count(roles) };
}

/** The roles that an account has directly. Throws `forbidden`. */
export async function listOf(core: Core, actor: Account, account: Account): Promise<Role[]> {
  await permissions.require(core, actor, "roles.manage");
  return core.db
    .select({ id: roles.id, name: roles.name, permissions: roles.permissions })
    .from(accountRoles)
    .innerJoin(roles, eq(roles.id, accountRoles.roleId))
    .where(eq(accountRoles.accountId, account.id))
    .orderBy(asc(roles.id));
}

/** Throws `forbidden`, `nameTaken` (`user`, which everybody has, is taken too). */
export async function create(core: Core, actor: Account, role: NewRole, address: string): Promise<Role> {
  await permissions.require(core, actor, "roles.manage");
  refuseEverybodysRole(role);
  await permissions.requireToHold(core, actor, role.permissions);
  const [[row]] = await refusingTaken(() =>
    core.db.batch([
      core.db.insert(roles).values(role).returning(),
      // Its number is known only once it is stored.
      core.db.run(sql`INSERT INTO audit_entries (at, actor_id, action, target, address, details)
        SELECT ${core.clock()}, ${actor.id}, 'role.created', 'role:' || id, ${address}, ${JSON.stringify(role)}
        FROM roles WHERE name = ${role.name}`),
    ]),
  );
  if (row === undefined) throw new Error("an INSERT ... RETURNING gave no row");
  return row;
}

/** Throws `forbidden` (the role `admin` stays as it is), `unknownRole`, `nameTaken`. */
export async function change(
  core: Core,
  actor: Account,
  id: number,
  role: NewRole,
  address: string,
): Promise<Role> {
  await permissions.require(core, actor, "roles.manage");
  const before = await getById(core, id);
  refuseAdminRole(before);
  refuseEverybodysRole(role);
  await permissions.requireToHold(core, actor, [...before.permissions, ...role.permissions]);
  const [[row]] = await refusingTaken(() =>
    core.db.batch([
      core.db.update(roles).set(role).where(eq(roles.id, id)).returning(),
      audit.recording(core, {
        actorId: actor.id,
        action: "role.changed",
        target: `role:${id}`,
        address,
        details: { before: { name: before.name, permissions: before.permissions }, after: role },
      }),
    ]),
  );
  permissions.tellTaken(core);
  return row ?? unknown();
}

/** Throws `forbidden` (the role `admin` stays), `unknownRole`. */
export async function remove(core: Core, actor: Account, id: number, address: string): Promise<void> {
  await permissions.require(core, actor, "roles.manage");
  const role = await getById(core, id);
  refuseAdminRole(role);
  await permissions.requireToHold(core, actor, role.permissions);
  await core.db.batch([
    core.db.delete(roles).where(and(eq(roles.id, id), ne(roles.name, permissions.ADMIN_ROLE))),
    audit.recording(core, {
      actorId: actor.id,
      action: "role.deleted",
      target: `role:${id}`,
      address,
      details: { name: role.name },
    }),
  ]);
  permissions.tellTaken(core);
}

/** Replaces the roles that an account has directly. Throws `forbidden`, `unknownRole`, `passwordTooWeak`, `lastAdmin`. */
export async function assign(
  core: Core,
  actor: Account,
  account: Account,
  ids: readonly number[],
  address: string,
): Promise<Role[]> {
  await permissions.require(core, actor, "roles.manage");
  if (ids.length > 0) requireStrong(account);
  const wanted = await getAll(core, ids);
  const current = await core.db
    .select({ permissions: roles.permissions })
    .from(accountRoles)
    .innerJoin(roles, eq(roles.id, accountRoles.roleId))
    .where(eq(accountRoles.accountId, account.id));
  await permissions.requireToHold(
    core,
    actor,
    [...wanted, ...current].flatMap((role) => role.permissions),
  );
  await permissions.keepingAnAdmin(core, () =>
    core.db.batch([
      permissions.notingAdmins(core),
      core.db.delete(accountRoles).where(eq(accountRoles.accountId, account.id)),
      ...wanted.map(({ id }) => core.db.insert(accountRoles).values({ accountId: account.id, roleId: id })),
      recordingAssigned(core, actor, account, { roles: wanted.map((role) => role.name) }, address),
      permissions.checkingAdmins(core),
    ]),
  );
  return wanted;
}

/** The roles with these numbers, each once. Throws `unknownRole`. */
export async function getAll(core: Core, ids: readonly number[]): Promise<Role[]> {
  const unique = [...new Set(ids)];
  if (unique.length === 0) return [];
  const found = await core.db.select().from(roles).where(inArray(roles.id, unique)).orderBy(asc(roles.id));
  return found.length === unique.length ? found : unknown();
}

/** Throws `passwordTooWeak`. */
export function requireStrong(account: Account): void {
  if (!account.passwordStrong) throw new DomainError("passwordTooWeak", STRONG_PASSWORD_RULE);
}

async function getById(core: Core, id: number): Promise<Role> {
  const [role] = await core.db.select().from(roles).where(eq(roles.id, id));
  return role ?? unknown();
}

function unknown(): never {
  throw new DomainError("unknownRole", "There is no such role.");
}

function refuseAdminRole(role: Role): void {
  if (role.name === permissions.ADMIN_ROLE) {
    throw new DomainError("forbidden", "The role admin can be neither changed nor deleted.");
  }
}

// Listed beside the stored ones, where a second one could not be told from it.
const EVERYBODYS_ROLE = "user";

function refuseEverybodysRole({ name }: NewRole): void {
  if (name === EVERYBODYS_ROLE) throw nameTaken();
}

const nameTaken = () => new DomainError("nameTaken", "This name is already taken.", { field: "name" });

const recordingAssigned = (
  core: Core,
  actor: Account | null,
  account: Account,
  details: Record<string, unknown>,
  address?: string,
) =>
  audit.recording(core, {
    actorId: actor?.id ?? null,
    action: "roles.assigned",
    target: `account:${account.uuid}`,
    details,
    ...(address === undefined ? {} : { address }),
  });

async function refusingTaken<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (asDatabaseError(error)?.kind !== "unique") throw error;
    throw nameTaken();
  }
}
