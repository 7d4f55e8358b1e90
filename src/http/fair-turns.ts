// Longer than 64 requests take that come at once over open connections.
const TURN_MS = 5;

/** Resolves in the next turn of the event loop, when all that is ready has had its turn. */
export const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

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
