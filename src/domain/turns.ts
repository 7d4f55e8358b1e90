import { LRUCache } from "lru-cache";
import type { Core } from "./core.ts";
import { DomainError } from "./errors.ts";
import type { Person } from "./rooms.ts";

/** How often a person may say something, in all rooms of this node together. */
export interface Turns {
  /** Throws `rateLimited` for who has none left. */
  take(person: Person): void;
}

// A bucket is some 100 bytes; the longest silent are forgotten first, and they would be full by then.
const MAX_BUCKETS = 50_000;
const BURST = 2;
const GUESTS_OF_A_NETWORK = 10;

/**
 * A token bucket each: it holds twice the points, and fills at their rate. Guests, who are somebody new each time
 * they connect, have one together besides, with ten times as much for each network.
 */
export function createTurns(core: Core): Turns {
  const { limitMessages } = core.settings;
  if (limitMessages === null) return { take: () => {} };
  const { points, windowMs } = limitMessages;
  const buckets = new LRUCache<number | string, { tokens: number; at: number }>({ max: MAX_BUCKETS });

  function takeFrom(key: number | string, most: number): void {
    const perMs = most / BURST / windowMs;
    const now = core.clock();
    const before = buckets.get(key) ?? { tokens: most, at: now };
    const tokens = Math.min(most, before.tokens + (now - before.at) * perMs);
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
    buckets.set(key, { tokens: tokens - 1, at: now });
  }

  return {
    take({ id, network }) {
      takeFrom(id, points * BURST);
      if (network !== undefined) takeFrom(network, points * BURST * GUESTS_OF_A_NETWORK);
    },
  };
}

const MAX_UNANSWERED = 32;

/** Lets each call wait for the one before. Throws `rateLimited` when too many wait. */
export function inOrder<Given extends unknown[], Answer>(
  act: (...given: Given) => Promise<Answer>,
): (...given: Given) => Promise<Answer> {
  let last: Promise<unknown> = Promise.resolve();
  let unanswered = 0;
  return async function actInOrder(...given) {
    if (unanswered >= MAX_UNANSWERED) {
      throw new DomainError("rateLimited", "Wait for the answers to what you have sent.", {
        retryAfterSeconds: 1,
      });
    }
    unanswered += 1;
    const acted = last
      .then(() => act(...given))
      .finally(() => {
        unanswered -= 1;
      });
    last = acted.catch(() => {});
    return acted;
  };
}
