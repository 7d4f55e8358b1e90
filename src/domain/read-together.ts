import type { Core } from "./core.ts";
import { DomainError } from "./errors.ts";

type Asked<Value> = PromiseWithResolvers<Value | null>;
type Reading<Value> = { readonly waiting: Map<string, Asked<Value>>; running: number; comes: boolean };

// Of the requests that the database's server is sent at a time: others need theirs too.
const MAX_RUNNING = 8;
const MAX_TOGETHER = 256;
const MAX_WAITING = 20_000;
const RETRY_SECONDS = 1;

/**
 * Rows by their keys, where a round trip costs more than the rows that it brings: who asks in the same turn, or while
 * all round trips are under way, shares the next one. Every read begins after it was asked for, so it is never older
 * than one's own would be. Null: there is no such row.
 */
export function readTogether<Value>(
  readMany: (core: Core, keys: readonly string[]) => Promise<ReadonlyMap<string, Value>>,
) {
  const readings = new WeakMap<Core["db"], Reading<Value>>();

  function readSoon(core: Core, reading: Reading<Value>): void {
    if (reading.comes || reading.running === MAX_RUNNING || reading.waiting.size === 0) return;
    reading.comes = true;
    setImmediate(() => {
      reading.comes = false;
      void readSome(core, reading);
    });
  }

  async function readSome(core: Core, reading: Reading<Value>): Promise<void> {
    const taken = [...reading.waiting.entries().take(MAX_TOGETHER)];
    for (const [key] of taken) reading.waiting.delete(key);
    reading.running += 1;
    readSoon(core, reading);
    try {
      const keys = taken.map(([key]) => key);
      const found = await readMany(core, keys);
      for (const [key, { resolve }] of taken) resolve(found.get(key) ?? null);
    } catch (error) {
      for (const [, { reject }] of taken) reject(error);
    } finally {
      reading.running -= 1;
      readSoon(core, reading);
    }
  }

  /** Rejects with what the read failed with, and with `overloaded` while too many wait. */
  return function read(core: Core, key: string): Promise<Value | null> {
    const reading = readings.get(core.db) ?? { waiting: new Map(), running: 0, comes: false };
    readings.set(core.db, reading);
    const waiting = reading.waiting.get(key);
    if (waiting !== undefined) return waiting.promise;
    if (reading.waiting.size >= MAX_WAITING) {
      throw new DomainError("overloaded", "The database is too slow for what is asked of it.", {
        retryAfterSeconds: RETRY_SECONDS,
      });
    }
    const asked = Promise.withResolvers<Value | null>();
    reading.waiting.set(key, asked);
    readSoon(core, reading);
    return asked.promise;
  };
}
