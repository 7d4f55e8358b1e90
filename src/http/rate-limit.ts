import { LRUCache } from "lru-cache";
import type { Core } from "../domain/core.ts";
import * as rateCounts from "../domain/rate-counts.ts";

export type Limit = { readonly points: number; readonly windowMs: number };

/** One bucket each over all APIs. All but `requests` are kept in the database. */
export type Limits = {
  readonly register: Limit;
  readonly signIn: Limit;
  readonly forgotPassword: Limit;
  readonly requests: Limit;
};

export type Verdict = {
  readonly limit: number;
  readonly remaining: number;
  /** Seconds since 1970. */
  readonly resetAt: number;
  /** Null: go on. */
  readonly retryAfterSeconds: number | null;
};

export interface RateLimiter {
  consume(bucket: keyof Limits, key: string): Promise<Verdict>;
}

type AddPoints = (
  key: string,
  points: number,
  windowMs: number,
) => rateCounts.Count | Promise<rateCounts.Count>;

// A counter is about 200 bytes: 10 MB at the most, whoever floods us from however many addresses. The ones that
// were silent the longest are forgotten first.
const MAX_COUNTERS = 50_000;
const PURGE_EVERY_MS = 60_000;
// A purge takes more than that, so that the table shrinks however many addresses there are.
const PURGE_EVERY_ADDED = 200;

/**
 * Windows of fixed length that begin with their first request. A library was tried: it keeps a timer per key in an
 * unbounded table, and lets no store of ours in.
 */
export function createRateLimiter(core: Core, limits: Limits): RateLimiter {
  const inMemory = countsInMemory(core.clock);
  const inDatabase = countsInDatabase(core);

  return {
    async consume(bucket, key) {
      const { points: limit, windowMs } = limits[bucket];
      const add = bucket === "requests" ? inMemory : inDatabase;
      const { points, expiresAt } = await add(`${bucket}:${key}`, 1, windowMs);
      const leftSeconds = Math.ceil((expiresAt - core.clock()) / 1000);
      return {
        limit,
        remaining: Math.max(limit - points, 0),
        resetAt: Math.ceil(expiresAt / 1000),
        retryAfterSeconds: points > limit ? Math.max(leftSeconds, 1) : null,
      };
    },
  };
}

function countsInMemory(clock: () => number): AddPoints {
  const counters = new LRUCache<string, { points: number; expiresAt: number }>({ max: MAX_COUNTERS });
  return function addInMemory(key, points, windowMs) {
    const now = clock();
    const found = counters.get(key);
    if (found !== undefined && found.expiresAt > now) {
      found.points += points;
      // Copies: the counter itself moves on before this request has read it.
      return { ...found };
    }
    const fresh = { points, expiresAt: now + windowMs };
    counters.set(key, fresh);
    return { ...fresh };
  };
}

function countsInDatabase(core: Core): AddPoints {
  let purgedAt = core.clock();
  let added = 0;
  return async function addInDatabase(key, points, windowMs) {
    added += 1;
    if (core.clock() - purgedAt > PURGE_EVERY_MS || added >= PURGE_EVERY_ADDED) {
      purgedAt = core.clock();
      added = 0;
      rateCounts
        .purge(core)
        .catch((error: unknown) => core.log.warn({ err: error }, "old counters were not purged"));
    }
    return rateCounts.add(core, `limit:${key}`, points, windowMs);
  };
}
