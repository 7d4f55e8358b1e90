import { Database } from "bun:sqlite";
import { documentKey } from "../domain/tasks.ts";

/** What the database says of an object in the document store. */
export type NamedDocument = {
  readonly key: string;
  readonly bytes: number | null;
  /** Null of an avatar, whose bytes the database does not know. */
  readonly sha256: string | null;
};

export type Facts = {
  readonly migrations: readonly string[];
  readonly chatEpoch: string | null;
  /** Finished documents and uploaded avatars. */
  readonly documents: readonly NamedDocument[];
};

/**
 * One state of a database that others write to, into a new file. It holds a read transaction and no lock, so that
 * writers go on; only the write-ahead log grows meanwhile.
 */
export function takeSnapshot(source: string, target: string): void {
  const database = new Database(source, { readonly: true });
  try {
    database.run("PRAGMA busy_timeout = 5000");
    database.run("PRAGMA temp_store = MEMORY");
    database.run("VACUUM INTO ?", [target]);
  } finally {
    database.close();
  }
  foldLog(source);
}

/**
 * Copies what the log grew by into the database, here and not in the next commit of the server. PASSIVE waits for
 * nobody and nobody waits for it.
 */
function foldLog(source: string): void {
  const database = new Database(source, { readwrite: true, create: false });
  try {
    database.run("PRAGMA wal_checkpoint(PASSIVE)");
  } finally {
    database.close();
  }
}

/** What is wrong with a database file that nobody writes to, in sentences. */
export function problemsIn(path: string): string[] {
  return reading(path, (database) => {
    const [first] = database.query("PRAGMA integrity_check(1)").values();
    if (first?.[0] !== "ok") return [`The database is damaged: ${String(first?.[0])}.`];
    const dangling = database.query("PRAGMA foreign_key_check").values().length;
    return dangling === 0 ? [] : [`The database has ${dangling} rows whose parents are missing.`];
  });
}

export const factsOf = (path: string): Facts =>
  reading(path, (database) => ({
    migrations: column(
      database,
      "schema_migrations",
      "name",
      "SELECT name FROM schema_migrations ORDER BY id",
    ),
    chatEpoch: column(database, "chat_epoch", "epoch", "SELECT epoch FROM chat_epoch")[0] ?? null,
    documents: [...reports(database), ...avatars(database)],
  }));

function reports(database: Database): NamedDocument[] {
  if (!has(database, "report_tasks", "document_sha256")) return [];
  return database
    .query<{ id: string; bytes: number | null; sha256: string | null }, []>(
      "SELECT id, document_bytes AS bytes, document_sha256 AS sha256 FROM report_tasks WHERE status = 'DONE' ORDER BY id",
    )
    .all()
    .map(({ id, bytes, sha256 }) => ({ key: documentKey(id), bytes, sha256 }));
}

function avatars(database: Database): NamedDocument[] {
  return column(
    database,
    "accounts",
    "avatar_key",
    "SELECT DISTINCT avatar_key FROM accounts WHERE avatar_key IS NOT NULL ORDER BY avatar_key",
  ).map((key) => ({ key, bytes: null, sha256: null }));
}

function column(database: Database, table: string, name: string, sql: string): string[] {
  return has(database, table, name)
    ? database
        .query(sql)
        .values()
        .map(([value]) => String(value))
    : [];
}

/** A database from before some migration lacks what it brought. */
const has = (database: Database, table: string, column: string): boolean =>
  database.query("SELECT 1 FROM pragma_table_info(?) WHERE name = ?").get(table, column) !== null;

const MAPPED_BYTES = 2 ** 40;

function reading<T>(path: string, read: (database: Database) => T): T {
  const database = new Database(path, { readonly: true });
  try {
    // Nobody writes to it: half of the time that the check of its integrity takes through a cache.
    database.run(`PRAGMA mmap_size = ${MAPPED_BYTES}`);
    database.run("PRAGMA temp_store = MEMORY");
    return read(database);
  } finally {
    database.close();
  }
}
