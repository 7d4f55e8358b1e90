import type { Core } from "./core.ts";

type Memory<Value> = {
  readonly dataVersion: number;
  readonly commits: number;
  readonly values: Map<string, Promise<Value>>;
};

/**
 * Keeps what was read until the next commit, here or in another process (the count of ours and SQLite's data version
 * tell), so it is never older than a new read would be. Remembers at most `most` values per database, and none of a
 * remote one, which does not tell when something was written.
 */
export function untilCommit<Value>(most: number) {
  const memories = new WeakMap<Core["db"], Memory<Value>>();

  return async function remembered(core: Core, key: string, read: () => Promise<Value>): Promise<Value> {
    const dataVersion = core.db.dataVersion();
    if (dataVersion === null) return read();
    const { commits } = core.db.counters();
    let memory = memories.get(core.db);
    if (memory === undefined || memory.dataVersion !== dataVersion || memory.commits !== commits) {
      memory = { dataVersion, commits, values: new Map() };
      memories.set(core.db, memory);
    }
    const known = memory.values.get(key);
    if (known !== undefined) return known;
    // The promise, so that those who ask at the same time share one read.
    const reading = read();
    const { values } = memory;
    if (values.size < most) {
      values.set(key, reading);
      reading.catch(() => values.delete(key));
    }
    return reading;
  };
}
