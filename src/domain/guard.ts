import { type SQL, sql } from "drizzle-orm";
import { asDatabaseError } from "../../db/open.ts";
import type { Core } from "./core.ts";

// Two rows of one table, so that neither disturbs the other: what must not be lost, and what must hold.
const BEFORE_AND_AFTER = 1;
const CONDITION = 2;

/** The first statement of a batch: ends it, with nothing done, unless the condition holds at that moment. */
export const onlyIf = (core: Core, condition: SQL) =>
  core.db.run(sql`INSERT INTO batch_guard (id, had, has) VALUES (${CONDITION}, 1, ${condition})
    ON CONFLICT (id) DO UPDATE SET had = excluded.had, has = excluded.has`);

/** The first statement of a batch that must not make this condition, where it holds, untrue. */
export const noting = (core: Core, condition: SQL) =>
  core.db.run(sql`INSERT INTO batch_guard (id, had, has) VALUES (${BEFORE_AND_AFTER}, ${condition}, 1)
    ON CONFLICT (id) DO UPDATE SET had = excluded.had, has = 1`);

/** The last statement of such a batch: ends it when the condition held before and no longer does. */
export const checking = (core: Core, condition: SQL) =>
  core.db.run(sql`UPDATE batch_guard SET has = ${condition} WHERE id = ${BEFORE_AND_AFTER}`);

/** Runs a guarded batch and throws `refusal` when its guard ended it. */
export async function guarded<T>(batch: () => Promise<T>, refusal: () => Error): Promise<T> {
  try {
    return await batch();
  } catch (error) {
    if (asDatabaseError(error)?.constraint !== "batch_guard_holds") throw error;
    throw refusal();
  }
}
