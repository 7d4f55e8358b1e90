import { asc, eq, lte, type SQL, sql } from "drizzle-orm";
import { doomedObjects } from "../../db/schema.ts";
import type { Core } from "./core.ts";

// Of what a process may still be storing by the time it is doomed: longer than a job and a call to a store may take.
export const MAY_BE_STORED_MS = 10 * 60_000;
const TRIED_AGAIN_AFTER_MS = 60 * 60_000;
const MAX_AT_ONCE = 100;
// A store that is down is not asked for each of its objects.
const MAX_FAILURES = 3;

/** The statement that dooms the objects that a SELECT names by `key` and `stored_until`; to be run in the batch that lets go of them. */
export const dooming = (core: Core, objects: SQL) =>
  core.db.run(sql`INSERT INTO doomed_objects (key, due_at, stored_until)
    SELECT key, ${core.clock()}, stored_until FROM (${objects}) WHERE true
    ON CONFLICT (key) DO UPDATE SET due_at = excluded.due_at,
      stored_until = max(doomed_objects.stored_until, excluded.stored_until)`);

/** Dooms an object that is about to be stored, unless it is spared by the batch that refers to it. */
export async function doomUnlessSpared(core: Core, key: string): Promise<void> {
  const dueAt = core.clock() + MAY_BE_STORED_MS;
  await core.db.insert(doomedObjects).values({ key, dueAt, storedUntil: dueAt });
}

/**
 * Deletes doomed objects from the store; answers how many. One that cannot be deleted is tried again in an hour; what
 * the store refuses is logged once. Any number of nodes may do so at once: deleting twice is no harm.
 */
export async function deleteDoomed(core: Core, signal?: AbortSignal): Promise<number> {
  let deleted = 0;
  let failures = 0;
  let reason: unknown;
  const isOver = () => signal?.aborted === true || failures >= MAX_FAILURES;
  while (!isOver()) {
    const now = core.clock();
    const due = await core.db
      .select()
      .from(doomedObjects)
      .where(lte(doomedObjects.dueAt, now))
      .orderBy(asc(doomedObjects.dueAt))
      .limit(MAX_AT_ONCE);
    for (const { key, storedUntil } of due) {
      if (isOver()) break;
      try {
        // A store that does not answer holds up no stop; what it does then is found out by the next sweep.
        if (!(await endedBefore(core.documents.delete(key), signal))) break;
        deleted += 1;
        if (storedUntil > now) await putOff(core, key, storedUntil);
        else await core.db.delete(doomedObjects).where(eq(doomedObjects.key, key));
      } catch (error) {
        failures += 1;
        reason = error;
        await putOff(core, key, now + TRIED_AGAIN_AFTER_MS);
      }
    }
    if (due.length < MAX_AT_ONCE) break;
  }
  if (failures > 0) core.log.warn({ err: reason, failures }, "stored objects could not be deleted");
  return deleted;
}

/** False when the signal comes first. */
async function endedBefore(deleting: Promise<void>, signal: AbortSignal | undefined): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<false>();
  const abort = () => resolve(false);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([deleting.then(() => true), promise]);
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

const putOff = (core: Core, key: string, dueAt: number) =>
  core.db.update(doomedObjects).set({ dueAt }).where(eq(doomedObjects.key, key));
