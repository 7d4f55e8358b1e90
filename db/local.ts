import { Database } from "bun:sqlite";
import { type Connection, type Method, type Query, type Result, type Row, shaped } from "./connection.ts";
import { DatabaseError } from "./errors.ts";
import { GroupCommit, type GroupLimits, type OnCommit, type Write } from "./group-commit.ts";
import { isBusy, normalised } from "./sqlite-failure.ts";
import { StatementCache } from "./statements.ts";
import { assertBindable } from "./values.ts";

const CACHED_STATEMENTS = 512;
const BUSY_RETRY_MS = 5;
// Nobody uses that number. Setting it rewrites the first page, whatever it was.
const PROBE = "PRAGMA user_version = 0";
const LOG_KEPT_BYTES = 16 * 1024 * 1024;
const DEFAULT_LIMITS: GroupLimits = { groupUnits: 256, queuedUnits: 20_000, busyDeadlineMs: 5_000 };

/**
 * One connection to a database file or to memory. Reads run at once; writes share commits and are durable when
 * their promise resolves. As no transaction outlives a turn of the event loop, no read sees uncommitted rows.
 */
export async function openLocal(
  path: string,
  options: Partial<GroupLimits>,
  onCommit?: OnCommit,
): Promise<Connection> {
  const limits = { ...DEFAULT_LIMITS, ...options };
  const database = await openFile(path, limits.busyDeadlineMs);
  const statements = new StatementCache(database, CACHED_STATEMENTS);
  const groups = new GroupCommit(database, statements, limits, onCommit);
  const readDataVersion = database.prepare("PRAGMA data_version");
  const begin = database.prepare("BEGIN");
  const end = database.prepare("COMMIT");
  let reads = 0;
  let closing: Promise<void> | null = null;

  /** Retries what another process's lock refused; everything else fails at once. */
  function attempt<T>(run: () => Promise<T>): Promise<T> {
    const runOpen = () => {
      if (closing !== null) throw new DatabaseError("unavailable", "The database is closed.");
      return run();
    };
    try {
      return runOpen();
    } catch (error) {
      return isBusy(error) ? later(runOpen, limits.busyDeadlineMs) : Promise.reject(normalised(error));
    }
  }

  function query(sql: string, params: readonly unknown[], method: Method): Promise<Result> {
    return attempt(() => {
      assertBindable(params);
      const statement = statements.get(sql);
      if (!statement.readonly) {
        return groups.submit([{ sql, params, method }], false).then(([rows = []]) => shaped(rows, method));
      }
      reads++;
      return Promise.resolve(shaped(statement.rows(params, method), method));
    });
  }

  function batch(queries: readonly Query[]) {
    return attempt<Result[]>(() => {
      const writes = queries.map(({ sql, params, method }) => {
        assertBindable(params);
        return { sql, params, method };
      });
      const shape = (all: Row[][]) => all.map((rows, index) => shaped(rows, queries[index]?.method ?? "all"));
      if (!queries.every(({ sql }) => isRead(sql))) return groups.submit(writes, true).then(shape);
      reads += queries.length;
      return Promise.resolve(shape(inSnapshot(writes)));
    });
  }

  /** Several reads of one state, whatever other processes commit meanwhile. */
  function inSnapshot(queries: readonly Write[]): Row[][] {
    begin.run();
    try {
      return queries.map(({ sql, params, method }) => statements.get(sql).rows(params, method));
    } finally {
      if (database.inTransaction) end.run();
    }
  }

  /** What cannot be prepared yet may need a table that the same batch makes, so it goes with the writes. */
  function isRead(sql: string): boolean {
    try {
      return statements.get(sql).readonly;
    } catch (error) {
      if (isBusy(error)) throw error;
      return false;
    }
  }

  let lastDataVersion = 0;
  let isFresh = false;
  /**
   * Looked up once in a turn of the event loop: it costs 6 µs while there is much to do, and every request asks. The
   * last one known when another process's lock forbids to look, so that a poller needs no care.
   */
  function dataVersion(): number {
    if (isFresh) return lastDataVersion;
    isFresh = true;
    setImmediate(() => {
      isFresh = false;
    });
    try {
      if (closing === null) lastDataVersion = Number(readDataVersion.values()[0]?.[0]);
    } catch (error) {
      if (!isBusy(error)) throw normalised(error);
    }
    return lastDataVersion;
  }

  async function closeOnce(): Promise<void> {
    await groups.drain();
    try {
      database.run("PRAGMA wal_checkpoint(TRUNCATE)");
    } finally {
      statements.close();
      groups.close();
      for (const statement of [readDataVersion, begin, end]) statement.finalize();
      database.close(true);
    }
  }

  return {
    kind: "local",
    query,
    batch,
    close: () => (closing ??= closeOnce()),
    // A write that changes nothing: a full disk can still be read.
    check: async () => {
      await attempt(() => groups.submit([{ sql: PROBE, params: [], method: "run" }], false));
    },
    dataVersion,
    counters: () => ({ reads, ...groups.counters() }),
  };
}

async function openFile(path: string, busyDeadlineMs: number): Promise<Database> {
  try {
    const database = new Database(path, { create: true, readwrite: true });
    try {
      await configure(database, path, busyDeadlineMs);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new DatabaseError("unavailable", `The database file ${path} cannot be opened: ${why}.`, { cause });
  }
}

async function configure(database: Database, path: string, busyDeadlineMs: number): Promise<void> {
  database.run("PRAGMA busy_timeout = 0");
  // Entering WAL takes an exclusive lock, which two processes that start together contend for.
  const mode = await later(
    async () => database.query("PRAGMA journal_mode = WAL").values()[0]?.[0],
    busyDeadlineMs,
  );
  if (mode !== "wal" && path !== ":memory:") throw new Error("its file system does not support WAL");
  database.run("PRAGMA synchronous = FULL");
  database.run("PRAGMA foreign_keys = ON");
  database.run("PRAGMA wal_autocheckpoint = 1000");
  // What the log grew by while something read for long, such as a backup, is given back.
  database.run(`PRAGMA journal_size_limit = ${LOG_KEPT_BYTES}`);
  // Where no folder for temporary files can be written to, as in a container, statements would fail.
  database.run("PRAGMA temp_store = MEMORY");
}

async function later<T>(run: () => Promise<T>, deadlineMs: number): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    try {
      return await run();
    } catch (error) {
      if (!isBusy(error)) throw normalised(error);
      if (performance.now() >= end) {
        throw new DatabaseError("unavailable", "Another process keeps the database locked.", {
          cause: error,
        });
      }
      await Bun.sleep(BUSY_RETRY_MS);
    }
  }
}
