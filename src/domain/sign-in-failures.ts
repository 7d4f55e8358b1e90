import { eq } from "drizzle-orm";
import { rateLimits } from "../../db/schema.ts";
import type { Core } from "./core.ts";
import { DomainError } from "./errors.ts";
import * as rateCounts from "./rate-counts.ts";
import * as secrets from "./secrets.ts";

const FREE = 10;
const WINDOW_MS = 15 * 60_000;
const MAX_DELAY_MS = 30_000;
// Who waits holds a connection: beyond so many at a time it is better said than waited.
const MAX_WAITING = 200;
const RETRY_SECONDS = 30;

/** How long the next try of an account waits that had so many failures lately. */
export const delayAfter = (failures: number): number =>
  failures < FREE ? 0 : Math.min(1000 * 2 ** (failures - FREE), MAX_DELAY_MS);

const waiting = new WeakMap<Core["db"], number>();

/** By account, so that its name and its address do not count apart. */
export const keyOf = (accountId: number): string => `sign-in:${accountId}`;

/** By what was typed, of which nothing is kept: it may be long, or a password in the wrong field. */
export const unknownKey = (typed: string): string => `sign-in:unknown:${secrets.hashOf(typed)}`;

/** Waits as the failures of this key demand; never a lock-out: the owner with the right password still gets in. */
export async function wait(core: Core, key: string): Promise<void> {
  if (!core.settings.limitSignIns) return;
  const now = core.clock();
  const [row] = await core.db.select().from(rateLimits).where(eq(rateLimits.key, key));
  const delayMs = row === undefined || row.expiresAt <= now ? 0 : delayAfter(row.points);
  if (delayMs === 0) return;
  const count = waiting.get(core.db) ?? 0;
  if (count >= MAX_WAITING) {
    throw new DomainError("overloaded", "Too many people are signing in. Try again in a moment.", {
      retryAfterSeconds: RETRY_SECONDS,
    });
  }
  waiting.set(core.db, count + 1);
  try {
    await core.sleep(delayMs);
  } finally {
    waiting.set(core.db, (waiting.get(core.db) ?? 1) - 1);
  }
}

/** Counts a failure; the window begins with the first one. */
export async function count(core: Core, key: string): Promise<void> {
  if (!core.settings.limitSignIns) return;
  await rateCounts.add(core, key, 1, WINDOW_MS);
}
