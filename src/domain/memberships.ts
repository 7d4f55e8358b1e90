import { asc, eq, sql } from "drizzle-orm";
import { accountGroups, accountRoles, groups, roles } from "../../db/schema.ts";
import type { Account } from "./accounts.ts";
import type { Core } from "./core.ts";
import * as permissions from "./permissions.ts";

type Named = { readonly id: number; readonly name: string };

/** What was given to an account itself: not the roles of its groups, nor `user`, which everybody has. */
export type Memberships = { readonly groups: readonly Named[]; readonly roles: readonly Named[] };

const NONE: Memberships = { groups: [], roles: [] };

/** The memberships of many accounts in two reads; ordered by number. */
export async function listOf(
  core: Core,
  accountIds: readonly number[],
): Promise<(accountId: number) => Memberships> {
  const ids = JSON.stringify(accountIds);
  const among = (column: typeof accountGroups.accountId | typeof accountRoles.accountId) =>
    sql`${column} IN (SELECT value FROM json_each(${ids}))`;
  const [inGroups, withRoles] = await Promise.all([
    core.db
      .select({ accountId: accountGroups.accountId, id: groups.id, name: groups.name })
      .from(accountGroups)
      .innerJoin(groups, eq(groups.id, accountGroups.groupId))
      .where(among(accountGroups.accountId))
      .orderBy(asc(groups.id)),
    core.db
      .select({ accountId: accountRoles.accountId, id: roles.id, name: roles.name })
      .from(accountRoles)
      .innerJoin(roles, eq(roles.id, accountRoles.roleId))
      .where(among(accountRoles.accountId))
      .orderBy(asc(roles.id)),
  ]);
  const found = new Map<number, { groups: Named[]; roles: Named[] }>();
  const of = (accountId: number) => {
    const known = found.get(accountId) ?? { groups: [], roles: [] };
    found.set(accountId, known);
    return known;
  };
  for (const { accountId, id, name } of inGroups) of(accountId).groups.push({ id, name });
  for (const { accountId, id, name } of withRoles) of(accountId).roles.push({ id, name });
  return (accountId) => found.get(accountId) ?? NONE;
}

const EVERYTHING = "*";

/** What an account may do by all its roles, those of its groups included: each name once, sorted. */
export async function permissionsOf(core: Core, account: Account): Promise<string[]> {
  const held = [...(await permissions.heldBy(core, account))];
  const spelled = held.flatMap((name) => (name === EVERYTHING ? permissions.PERMISSIONS : [name]));
  return [...new Set(spelled)].sort();
}
