import { Database } from "bun:sqlite";
import { closeSync, constants, fdatasyncSync, openSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";

const TMPFS = 0x01021994;

/** True where nothing outlives a power loss, which would flatter every durable figure. */
export const isMemory = (directory: string): boolean => statfsSync(directory).type === TMPFS;

/** Durable appends of 4 KiB per second: what a disk gives to who waits for each. */
export function syncsPerSecond(directory: string, ms: number): number {
  const file = openSync(join(directory, "syncs"), constants.O_CREAT | constants.O_WRONLY);
  const page = new Uint8Array(4_096);
  try {
    return perSecond(ms, () => {
      writeSync(file, page);
      fdatasyncSync(file);
      return 1;
    });
  } finally {
    closeSync(file);
  }
}

/** Durable rows per second of bare SQLite, `groupSize` in each transaction; shaped and indexed as tasks are. */
export function insertsPerSecond(directory: string, groupSize: number, ms: number): number {
  const database = new Database(join(directory, `inserts-${groupSize}.db`), { create: true });
  try {
    database.run("PRAGMA journal_mode = WAL");
    database.run("PRAGMA synchronous = FULL");
    database.run(
      "CREATE TABLE t (id TEXT PRIMARY KEY, kind TEXT, subject INTEGER, by INTEGER, status TEXT, due INTEGER)",
    );
    database.run("CREATE INDEX t_due ON t (due) WHERE status IN ('PENDING', 'PROCESSING')");
    database.run("CREATE INDEX t_subject ON t (subject, kind, id)");
    const insert = database.prepare("INSERT INTO t VALUES (?, 'stats', 1, 1, 'PENDING', ?)");
    const [begin, commit] = [database.prepare("BEGIN IMMEDIATE"), database.prepare("COMMIT")];
    return perSecond(ms, () => {
      begin.run();
      for (let index = 0; index < groupSize; index++) insert.run(Bun.randomUUIDv7(), Date.now());
      commit.run();
      return groupSize;
    });
  } finally {
    database.close();
  }
}

function perSecond(ms: number, step: () => number): number {
  const startedAt = performance.now();
  let done = 0;
  while (performance.now() - startedAt < ms) done += step();
  return (done * 1000) / (performance.now() - startedAt);
}
