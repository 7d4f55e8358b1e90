import { sql } from "drizzle-orm";
import type { Core } from "./core.ts";
import { usernameKey } from "./names.ts";
import type { Person } from "./rooms.ts";

const ASKED_AT_ONCE = 500;

/**
 * Those whose name is no longer theirs: accounts that were renamed since they connected, and guests whose name
 * somebody has registered. Others could take them for somebody else.
 */
export async function misnamed(core: Core, connected: readonly Person[]): Promise<Set<number>> {
  const found = new Set<number>();
  for (let first = 0; first < connected.length; first += ASKED_AT_ONCE) {
    const some = connected.slice(first, first + ASKED_AT_ONCE);
    const wanted = JSON.stringify(
      some.map(({ id, username, account }) => [
        id,
        username,
        account === null ? usernameKey(username) : null,
      ]),
    );
    const rows = await core.db.values<[id: number]>(sql`SELECT value ->> 0 FROM json_each(${wanted})
      WHERE CASE WHEN value ->> 2 IS NULL
        THEN NOT EXISTS (SELECT 1 FROM accounts WHERE id = value ->> 0 AND username = value ->> 1)
        ELSE EXISTS (SELECT 1 FROM accounts WHERE username_key = value ->> 2) END`);
    for (const [id] of rows) found.add(id);
  }
  return found;
}
