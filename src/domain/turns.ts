import { LRUCache } from "lru-cache";
import type { Core } from "./core.ts";
import { DomainError } from "./errors.ts";

/** How often a person may say something, in all rooms of this node together. */
export interface Turns {
  /** Throws `rateLimited` for who has none left. */
  take(personId: number): void;
}

// A bucket is some 100 bytes; the longest silent are forgotten first, and they would be full by then.
const MAX_BUCKETS = 50_000;
const BURST = 2;

/** A token bucket each: it holds twice the points, and fills at their rate. */
export function createTurns(core: Core): Turns {
  const { limitMessages } = core.settings;
  if (limitMessages === null) return { take: () => {} };
  const { points, windowMs } = limitMessages;
  const perMs = points / windowMs;
  const buckets = new LRUCache<number, { tokens: number; at: number }>({ max: MAX_BUCKETS });

  return {
    take(personId) {
      const now = core.clock();
      const before = buckets.get(personId) ?? { tokens: points * BURST, at: now };
      const tokens = Math.min(points * BURST, before.tokens + (now - before.at) * perMs);
      if (tokens < 1) {
        const retryAfterSeconds = Math.ceil((1 - tokens) / perMs / 1000);
        throw new DomainError(
          "rateLimited",
          `Slow down: you may write again in ${retryAfterSeconds} seconds.`,
          {
            retryAfterSeconds,
          },
        );
      }
      buckets.set(personId, { tokens: tokens - 1, at: now });
    },
  };
}
