import { and, asc, eq, inArray, sql } from "drizzle-orm";
import { asDatabaseError } from "../../db/open.ts";
import { accountGroups, accounts, groupRoles, groups, roles } from "../../db/schema.ts";
import { type Account, publicColumns } from "./accounts.ts";
import * as audit from "./audit.ts";
import type { Core } from "./core.ts";
import { DomainError } from "./errors.ts";
import type { Page, Paged } from "./paging.ts";
import * as permissions from "./permissions.ts";
import { getAll, type Role, requireStrong } from "./roles.ts";

export type Group = { readonly id: number; readonly name: string; readonly roles: readonly Role[] };
/** With the numbers of its roles. */
export type NewGroup = { readonly name: string; readonly roles: readonly number[] };

// All of this is for who has `roles.manage`; nobody gives more than they hold.

export async function list(core: Core, actor: Account, page: Page): Promise<Paged<Group>> {
  await permissions.require(core, actor, "roles.manage");
  const rows = await core.db
    .select()
    .from(groups)
    .orderBy(asc(groups.id))
    .limit(page.limit)
    .offset(page.offset);
  return { rows: await withRoles(core, rows), total: await core.db.$count(groups) };
}

/** The groups of an account. Throws `forbidden`. */
export async function listOf(core: Core, actor: Account, account: Account): Promise<Group[]> {
  await permissions.require(core, actor, "roles.manage");
  const rows = await core.db
    .select({ id: groups.id, name: groups.name })
    .from(accountGroups)
    .innerJoin(groups, eq(groups.id, accountGroups.groupId))
    .where(eq(accountGroups.accountId, account.id))
    .orderBy(asc(groups.id));
  return withRoles(core, rows);
}

/** Throws `forbidden`, `unknownRole`, `nameTaken`. */
export async function create(core: Core, actor: Account, group: NewGroup, address: string): Promise<Group> {
  await permissions.require(core, actor, "roles.manage");
  const wanted = await getAll(core, group.roles);
  await requireToGive(core, actor, wanted);
  try {
    const [[row]] = await core.db.batch([
      core.db.insert(groups).values({ name: group.name }).returning(),
      ...wanted.map((role) =>
        core.db.insert(groupRoles).values({
          groupId: sql<number>`(SELECT id FROM groups WHERE name = ${group.name})`,
          roleId: role.id,
        }),
      ),
      // Its number is known only once it is stored.
      core.db.run(sql`INSERT INTO audit_entries (at, actor_id, action, target, address, details)
        SELECT ${core.clock()}, ${actor.id}, 'group.created', 'group:' || id, ${address}, ${JSON.stringify(group)}
        FROM groups WHERE name = ${group.name}`),
    ]);
    if (row === undefined) throw new Error("an INSERT ... RETURNING gave no row");
    return { ...row, roles: wanted };
  } catch (error) {
    return refuseTaken(error);
  }
}

/** Throws `forbidden`, `groupNotFound`, `unknownRole`, `nameTaken`, `passwordTooWeak`, `lastAdmin`. */
export async function change(
  core: Core,
  actor: Account,
  id: number,
  group: NewGroup,
  address: string,
): Promise<Group> {
  await permissions.require(core, actor, "roles.manage");
  const before = await get(core, id);
  const wanted = await getAll(core, group.roles);
  await requireToGive(core, actor, [...before.roles, ...wanted]);
  if (wanted.length > 0) await requireStrongMembers(core, id);
  try {
    await permissions.keepingAnAdmin(core, () =>
      core.db.batch([
        permissions.notingAdmins(core),
        core.db.update(groups).set({ name: group.name }).where(eq(groups.id, id)),
        core.db.delete(groupRoles).where(eq(groupRoles.groupId, id)),
        ...wanted.map((role) => core.db.insert(groupRoles).values({ groupId: id, roleId: role.id })),
        audit.recording(core, {
          actorId: actor.id,
          action: "group.changed",
          target: `group:${id}`,
          address,
          details: group,
        }),
        permissions.checkingAdmins(core),
      ]),
    );
    return { id, name: group.name, roles: wanted };
  } catch (error) {
    return refuseTaken(error);
  }
}

/** Throws `forbidden`, `groupNotFound`, `lastAdmin`. */
export async function remove(core: Core, actor: Account, id: number, address: string): Promise<void> {
  await permissions.require(core, actor, "roles.manage");
  const group = await get(core, id);
  await requireToGive(core, actor, group.roles);
  await permissions.keepingAnAdmin(core, () =>
    core.db.batch([
      permissions.notingAdmins(core),
      core.db.delete(groups).where(eq(groups.id, id)),
      audit.recording(core, {
        actorId: actor.id,
        action: "group.deleted",
        target: `group:${id}`,
        address,
        details: { name: group.name },
      }),
      permissions.checkingAdmins(core),
    ]),
  );
}

/** Replaces the groups of an account. Throws `forbidden`, `groupNotFound`, `passwordTooWeak`, `lastAdmin`. */
export async function assign(
  core: Core,
  actor: Account,
  account: Account,
  ids: readonly number[],
  address: string,
): Promise<Group[]> {
  await permissions.require(core, actor, "roles.manage");
  const wanted = await getGroups(core, ids);
  if (wanted.some((group) => group.roles.length > 0)) requireStrong(account);
  const current = await core.db
    .select({ id: accountGroups.groupId })
    .from(accountGroups)
    .where(eq(accountGroups.accountId, account.id));
  const before = await getGroups(
    core,
    current.map((group) => group.id),
  );
  await requireToGive(
    core,
    actor,
    [...before, ...wanted].flatMap((group) => group.roles),
  );
  await permissions.keepingAnAdmin(core, () =>
    core.db.batch([
      permissions.notingAdmins(core),
      core.db.delete(accountGroups).where(eq(accountGroups.accountId, account.id)),
      ...wanted.map(({ id }) => core.db.insert(accountGroups).values({ accountId: account.id, groupId: id })),
      audit.recording(core, {
        actorId: actor.id,
        action: "groups.assigned",
        target: `account:${account.uuid}`,
        address,
        details: { groups: wanted.map((group) => group.name) },
      }),
      permissions.checkingAdmins(core),
    ]),
  );
  return wanted;
}

/** Throws `passwordTooWeak` when somebody in the group may have no role. */
async function requireStrongMembers(core: Core, id: number): Promise<void> {
  const [weak] = await core.db
    .select(publicColumns)
    .from(accountGroups)
    .innerJoin(accounts, eq(accounts.id, accountGroups.accountId))
    .where(and(eq(accountGroups.groupId, id), eq(accounts.passwordStrong, false)))
    .limit(1);
  if (weak !== undefined) requireStrong(weak);
}

async function get(core: Core, id: number): Promise<Group> {
  const [group] = await getGroups(core, [id]);
  return group ?? notFound();
}

async function getGroups(core: Core, ids: readonly number[]): Promise<Group[]> {
  const unique = [...new Set(ids)];
  if (unique.length === 0) return [];
  const rows = await core.db.select().from(groups).where(inArray(groups.id, unique)).orderBy(asc(groups.id));
  return rows.length === unique.length ? withRoles(core, rows) : notFound();
}

async function withRoles(core: Core, rows: readonly { id: number; name: string }[]): Promise<Group[]> {
  if (rows.length === 0) return [];
  const held = await core.db
    .select({ groupId: groupRoles.groupId, role: roles })
    .from(groupRoles)
    .innerJoin(roles, eq(roles.id, groupRoles.roleId))
    .where(
      inArray(
        groupRoles.groupId,
        rows.map((row) => row.id),
      ),
    )
    .orderBy(asc(roles.id));
  return rows.map(({ id, name }) => ({
    id,
    name,
    roles: held.filter((row) => row.groupId === id).map((row) => row.role),
  }));
}

const requireToGive = (core: Core, actor: Account, given: readonly Role[]) =>
  permissions.requireToHold(
    core,
    actor,
    given.flatMap((role) => role.permissions),
  );

function notFound(): never {
  throw new DomainError("groupNotFound", "There is no such group.");
}

function refuseTaken(error: unknown): never {
  if (asDatabaseError(error)?.kind !== "unique") throw error;
  throw new DomainError("nameTaken", "This name is already taken.", { field: "name" });
}
