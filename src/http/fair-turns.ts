import { DomainError } from "../domain/errors.ts";

// Longer than 64 requests take that come at once over open connections.
const TURN_MS = 5;

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/**
 * Bun accepts, reads and answers new connections in a row while there are any: who connects as fast as we answer keeps
 * it from all connections that are open (4 s of a storm of 4 s). An answer in the next turn of the event loop ends the
 * row. Null for who may be answered at once; `now` is performance.now().
 */
export function createFairTurns(): (now: number) => Promise<void> | null {
  let turnBegan: number | null = null;
  return function takeTurn(now) {
    if (turnBegan === null) {
      turnBegan = now;
      setImmediate(() => {
        turnBegan = null;
      });
    }
    return now - turnBegan > TURN_MS ? nextTurn() : null;
  };
}

const MAX_WAITING = 10_000;

/**
 * Lets so many through in each turn of the event loop, in their order, so that all others have theirs in between. The
 * answer throws `overloaded` when too many wait.
 */
export function createTurnstile(perTurn: number): () => Promise<void> {
  const waiting: (() => void)[] = [];
  function letThrough(): void {
    for (const go of waiting.splice(0, perTurn)) go();
    if (waiting.length > 0) setImmediate(letThrough);
  }
  return function pass() {
    if (waiting.length >= MAX_WAITING) {
      throw new DomainError("overloaded", "Too many people come at once. Try again shortly.");
    }
    if (waiting.length === 0) setImmediate(letThrough);
    return new Promise<void>((resolve) => waiting.push(resolve));
  };
}
