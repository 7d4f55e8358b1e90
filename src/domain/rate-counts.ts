import { eq, sql } from "drizzle-orm";
import { prepared } from "../../db/prepare.ts";
import { rateLimits } from "../../db/schema.ts";
import type { Core } from "./core.ts";

export type Count = { readonly points: number; readonly expiresAt: number };

const increment = prepared((db) =>
  db
    .insert(rateLimits)
    .values({
      key: sql.placeholder("key"),
      points: sql.placeholder("points"),
      expiresAt: sql.placeholder("expiresAt"),
    })
    .onConflictDoUpdate({
      target: rateLimits.key,
      set: {
        points: sql`CASE WHEN ${rateLimits.expiresAt} <= ${sql.placeholder("now")} THEN excluded.points
          ELSE ${rateLimits.points} + excluded.points END`,
        expiresAt: sql`CASE WHEN ${rateLimits.expiresAt} <= ${sql.placeholder("now")} THEN excluded.expires_at
          ELSE ${rateLimits.expiresAt} END`,
      },
    })
    .returning({ points: rateLimits.points, expiresAt: rateLimits.expiresAt })
    .prepare(),
);

/** Counts in the database, so that it holds across restarts and nodes. The window begins with its first point. */
export async function add(core: Core, key: string, points: number, windowMs: number): Promise<Count> {
  const now = core.clock();
  const [count] = await increment(core.db).all({ key, points, expiresAt: now + windowMs, now });
  if (count === undefined) throw new Error("an INSERT ... RETURNING gave no row");
  return count;
}

const MAX_PURGED = 500;

/** Takes one point back. */
export async function giveBack(core: Core, key: string): Promise<void> {
  await core.db
    .update(rateLimits)
    .set({ points: sql`max(${rateLimits.points} - 1, 0)` })
    .where(eq(rateLimits.key, key));
}

/** Deletes some of the counters whose window has ended. */
export async function purge(core: Core): Promise<void> {
  await core.db.run(sql`DELETE FROM rate_limits WHERE key IN
    (SELECT key FROM rate_limits WHERE expires_at <= ${core.clock()} LIMIT ${MAX_PURGED})`);
}
