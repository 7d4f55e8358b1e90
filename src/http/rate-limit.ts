import { LRUCache } from "lru-cache";
import { RateLimiterRes, RateLimiterStoreAbstract } from "rate-limiter-flexible";
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

type AddPoints = (key: string, points: number, windowMs: number) => Promise<rateCounts.Count>;

// A counter is about 200 bytes: 10 MB at the most, whoever floods us from however many addresses. The ones that
// were silent the longest are forgotten first.
const MAX_COUNTERS = 50_000;
const PURGE_EVERY_MS = 60_000;

/** rate-limiter-flexible decides; where the counts are kept is ours. */
export function createRateLimiter(core: Core, limits: Limits): RateLimiter {
  const { clock } = core;
  const inMemory = countsInMemory(clock);
  const inDatabase = countsInDatabase(core);
  const limiter = (bucket: keyof Limits, add: AddPoints) =>
    new CountingLimiter(bucket, limits[bucket], add, clock);
  const limiters = {
    register: limiter("register", inDatabase),
    signIn: limiter("signIn", inDatabase),
    forgotPassword: limiter("forgotPassword", inDatabase),
    requests: limiter("requests", inMemory),
  };

  return {
    async consume(bucket, key) {
      const verdict = (result: RateLimiterRes, refused: boolean): Verdict => ({
        limit: limits[bucket].points,
        remaining: Math.max(result.remainingPoints, 0),
        resetAt: Math.ceil((clock() + result.msBeforeNext) / 1000),
        retryAfterSeconds: refused ? Math.max(Math.ceil(result.msBeforeNext / 1000), 1) : null,
      });
      try {
        return verdict(await limiters[bucket].consume(key), false);
      } catch (refusal) {
        // The library rejects with its result when there is no point left, and with an Error when the store fails.
        if (refusal instanceof RateLimiterRes) return verdict(refusal, true);
        throw refusal;
      }
    },
  };
}

/** Only what `consume` needs of the library's store: its types leave these methods out. */
class CountingLimiter extends RateLimiterStoreAbstract {
  constructor(
    name: string,
    { points, windowMs }: Limit,
    private readonly add: AddPoints,
    private readonly clock: () => number,
  ) {
    super({ storeClient: {}, keyPrefix: name, points, duration: windowMs / 1000 });
  }

  _upsert(key: string, points: number, windowMs: number): Promise<rateCounts.Count> {
    return this.add(key, points, windowMs);
  }

  _getRateLimiterRes(_key: string, changedPoints: number, count: rateCounts.Count): RateLimiterRes {
    return new RateLimiterRes(
      Math.max(this.points - count.points, 0),
      Math.max(count.expiresAt - this.clock(), 0),
      count.points,
      count.points === changedPoints,
    );
  }
}

function countsInMemory(clock: () => number): AddPoints {
  const counters = new LRUCache<string, { points: number; expiresAt: number }>({ max: MAX_COUNTERS });
  return async function addInMemory(key, points, windowMs) {
    const now = clock();
    const found = counters.get(key);
    if (found !== undefined && found.expiresAt > now) {
      found.points += points;
      return found;
    }
    const fresh = { points, expiresAt: now + windowMs };
    counters.set(key, fresh);
    return fresh;
  };
}

function countsInDatabase(core: Core): AddPoints {
  let purgedAt = core.clock();
  return async function addInDatabase(key, points, windowMs) {
    if (core.clock() - purgedAt > PURGE_EVERY_MS) {
      purgedAt = core.clock();
      rateCounts
        .purge(core)
        .catch((error: unknown) => core.log.warn({ err: error }, "old counters were not purged"));
    }
    return rateCounts.add(core, `limit:${key}`, points, windowMs);
  };
}
