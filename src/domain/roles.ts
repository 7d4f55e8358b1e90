import { and, eq, sql } from "drizzle-orm";
import { accountRoles, accounts, roles } from "../../db/schema.ts";
import type { Account } from "./accounts.ts";
import type { Core } from "./core.ts";
import { DomainError } from "./errors.ts";
import { ADMIN_ROLE, lastAdmin, notLastAdmin } from "./permissions.ts";

export const STRONG_PASSWORD_RULE =
  "An account with a role needs a password of 8 to 128 characters with upper and lower case, a digit and a special character.";

/** Gives a role; giving it twice changes nothing. Throws `unknownRole`, `passwordTooWeak`. */
export async function grant(core: Core, account: Account, roleName: string): Promise<void> {
  if (!account.passwordStrong) {
    throw new DomainError("passwordTooWeak", STRONG_PASSWORD_RULE);
  }
  const role = await get(core, roleName);
  await core.db.insert(accountRoles).values({ accountId: account.id, roleId: role.id }).onConflictDoNothing();
}

/** Takes a role away; taking it twice changes nothing. Throws `unknownRole`, `lastAdmin`. */
export async function revoke(core: Core, account: Account, roleName: string): Promise<void> {
  const role = await get(core, roleName);
  const held = and(eq(accountRoles.accountId, account.id), eq(accountRoles.roleId, role.id));
  const guard = roleName === ADMIN_ROLE ? notLastAdmin(account.id) : undefined;
  const taken = await core.db
    .delete(accountRoles)
    .where(and(held, guard))
    .returning({ roleId: accountRoles.roleId });
  if (taken.length > 0) return;
  const [still] = await core.db.select({ roleId: accountRoles.roleId }).from(accountRoles).where(held);
  if (still !== undefined) throw lastAdmin();
}

/** The names of the roles that were given to this account; the role `user`, which everybody has, is not listed. */
export async function namesOf(core: Core, accountId: number): Promise<string[]> {
  const held = await core.db
    .select({ name: roles.name })
    .from(accountRoles)
    .innerJoin(roles, eq(roles.id, accountRoles.roleId))
    .where(eq(accountRoles.accountId, accountId))
    .orderBy(roles.name);
  return held.map((role) => role.name);
}

export async function hasAdmin(core: Core): Promise<boolean> {
  const [found] = await core.db
    .select({ one: sql<number>`1` })
    .from(accountRoles)
    .innerJoin(roles, eq(roles.id, accountRoles.roleId))
    .innerJoin(accounts, eq(accounts.id, accountRoles.accountId))
    .where(and(eq(roles.name, ADMIN_ROLE), sql`${accounts.deactivatedAt} IS NULL`))
    .limit(1);
  return found !== undefined;
}

/** Throws `unknownRole`. */
export async function get(core: Core, name: string) {
  const [role] = await core.db.select().from(roles).where(eq(roles.name, name));
  if (role === undefined) throw new DomainError("unknownRole", `There is no role "${name}".`);
  return role;
}
