import type { Core } from "./core.ts";
import { DomainError } from "./errors.ts";
import * as rateCounts from "./rate-counts.ts";
import * as secrets from "./secrets.ts";

const FREE = 10;
const WINDOW_MS = 15 * 60_000;
const MAX_DELAY_MS = 30_000;
// Who waits holds a connection: beyond so many at a time it is better said than waited.
const MAX_WAITING = 1_000;
const MAX_WAITING_PER_KEY = 100;
const RETRY_SECONDS = 30;

/** How long the next try of an account waits that had so many failures lately. */
export const delayAfter = (failures: number): number =>
  failures < FREE ? 0 : Math.min(1000 * 2 ** (failures - FREE), MAX_DELAY_MS);

type Waiting = { all: number; readonly byKey: Map<string, number> };
const waitingOf = new WeakMap<Core["db"], Waiting>();

/** By account, so that its name and its address do not count apart. */
export const keyOf = (accountId: number): string => `sign-in:${accountId}`;

/** By what was typed, of which nothing is kept: it may be long, or a password in the wrong field. */
export const unknownKey = (typed: string): string => `sign-in:unknown:${secrets.hashOf(typed)}`;

/**
 * Counts a try as if it had failed, and waits as the failures before it demand: tries at once do not get around
 * that. Never a lock-out: the owner with the right password still gets in, and gives the point back.
 */
export async function begin(core: Core, key: string): Promise<void> {
  if (!core.settings.limitSignIns) return;
  const { points } = await rateCounts.add(core, key, 1, WINDOW_MS);
  const delayMs = delayAfter(points - 1);
  if (delayMs > 0) await wait(core, key, delayMs);
}

/** The try that `begin` counted was right. */
export async function succeeded(core: Core, key: string): Promise<void> {
  if (core.settings.limitSignIns) await rateCounts.giveBack(core, key);
}

async function wait(core: Core, key: string, delayMs: number): Promise<void> {
  const waiting = waitingOf.get(core.db) ?? { all: 0, byKey: new Map<string, number>() };
  waitingOf.set(core.db, waiting);
  const ofKey = waiting.byKey.get(key) ?? 0;
  if (waiting.all >= MAX_WAITING || ofKey >= MAX_WAITING_PER_KEY) {
    throw new DomainError("overloaded", "Too many people are signing in. Try again in a moment.", {
      retryAfterSeconds: RETRY_SECONDS,
    });
  }
  waiting.all += 1;
  waiting.byKey.set(key, ofKey + 1);
  try {
    await core.sleep(delayMs);
  } finally {
    const left = (waiting.byKey.get(key) ?? 1) - 1;
    waiting.all -= 1;
    if (left === 0) waiting.byKey.delete(key);
    else waiting.byKey.set(key, left);
  }
}
