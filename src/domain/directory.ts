import { and, asc, desc, eq, isNotNull, isNull, or, type SQL, sql } from "drizzle-orm";
import { accounts } from "../../db/schema.ts";
import { type Account, publicColumns } from "./accounts.ts";
import type { Core } from "./core.ts";
import { DomainError } from "./errors.ts";
import { isUuid } from "./ids.ts";
import { usernameKey } from "./names.ts";
import type { Page, Paged } from "./paging.ts";
import * as permissions from "./permissions.ts";

const SORT_COLUMNS = {
  created_at: accounts.createdAt,
  updated_at: accounts.updatedAt,
  email: accounts.emailKey,
  username: accounts.usernameKey,
  full_name: accounts.fullName,
  last_login_at: accounts.lastLoginAt,
  login_count: accounts.loginCount,
} as const;

type UserSort = keyof typeof SORT_COLUMNS;
export const USER_SORTS = Object.keys(SORT_COLUMNS) as UserSort[];

export type UserFilter = {
  readonly search?: string | undefined;
  readonly isActive?: boolean | undefined;
  /** A name of USER_SORTS, with "-" before it for the largest first. */
  readonly sort: string;
};

/** For who has `users.read`; throws `forbidden`. */
export async function list(
  core: Core,
  actor: Account,
  filter: UserFilter,
  page: Page,
): Promise<Paged<Account>> {
  await permissions.require(core, actor, "users.read");
  const wanted = and(isNull(accounts.erasedAt), matching(filter.search), activity(filter.isActive));
  const descending = filter.sort.startsWith("-");
  const field = filter.sort.replace(/^-/, "");
  const column = SORT_COLUMNS[USER_SORTS.find((name) => name === field) ?? "created_at"];
  const direction = descending ? desc : asc;
  const rows = await core.db
    .select(publicColumns)
    .from(accounts)
    .where(wanted)
    .orderBy(direction(column), direction(accounts.id))
    .limit(page.limit)
    .offset(page.offset);
  return { rows, total: await core.db.$count(accounts, wanted) };
}

function matching(search: string | undefined): SQL | undefined {
  if (search === undefined || search.trim() === "") return undefined;
  const containing = (text: string) => `%${text.replace(/[\\%_]/g, "\\$&")}%`;
  const key = containing(usernameKey(search.trim()));
  return or(
    sql`${accounts.emailKey} LIKE ${key} ESCAPE '\\'`,
    sql`${accounts.usernameKey} LIKE ${key} ESCAPE '\\'`,
    ...spellings(search.trim()).map((text) => sql`${accounts.fullName} LIKE ${containing(text)} ESCAPE '\\'`),
  );
}

/** SQLite's LIKE knows the case of ASCII letters alone; these are the ways in which names are written. */
function spellings(text: string): string[] {
  const lower = text.toLowerCase();
  const title = lower.replace(/(?<![\p{L}\p{M}\p{N}])\p{L}/gu, (letter) => letter.toUpperCase());
  return [...new Set([text, lower, text.toUpperCase(), title])];
}

function activity(isActive: boolean | undefined): SQL | undefined {
  if (isActive === undefined) return undefined;
  return isActive ? isNull(accounts.deactivatedAt) : isNotNull(accounts.deactivatedAt);
}

/**
 * An account by its uuid, deactivated and erased ones too. Who may not have this permission gets their own alone: throws
 * `forbidden` for every other, so that nobody learns which exist; else `accountNotFound`.
 */
export async function getByUuid(
  core: Core,
  actor: Account,
  uuid: string,
  permission: permissions.Permission,
): Promise<Account> {
  if (uuid.toLowerCase() === actor.uuid) return actor;
  await permissions.require(core, actor, permission);
  const [account] = isUuid(uuid)
    ? await core.db.select(publicColumns).from(accounts).where(eq(accounts.uuid, uuid.toLowerCase()))
    : [];
  if (account === undefined) throw notFound();
  return account;
}

const notFound = () => new DomainError("accountNotFound", "There is no such user.");

/** The same of those who are listed: not of who was erased. */
export async function getListed(...asked: Parameters<typeof getByUuid>): Promise<Account> {
  const account = await getByUuid(...asked);
  if (account.erasedAt !== null) throw notFound();
  return account;
}
