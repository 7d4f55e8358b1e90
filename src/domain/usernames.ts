import { eq } from "drizzle-orm";
import { accounts } from "../../db/schema.ts";
import type { Core } from "./core.ts";
import { usernameKey } from "./names.ts";

/** Whether somebody could register under this name now; deactivated accounts keep theirs. */
export async function isFree(core: Core, username: string): Promise<boolean> {
  const [holder] = await core.db
    .select({ id: accounts.id })
    .from(accounts)
    .where(eq(accounts.usernameKey, usernameKey(username)));
  return holder === undefined;
}
