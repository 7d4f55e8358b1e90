import { Database } from "bun:sqlite";
import type { StoredRoom } from "./traffic/chat.ts";

export type StoredTask = {
  readonly id: string;
  readonly kind: string;
  readonly status: string;
  readonly report: string | null;
  readonly sha256: string | null;
  readonly bytes: number | null;
  readonly lease: string | null;
  readonly error: string | null;
};

/** What the database file says, whoever wrote it. */
export interface Stored {
  tasks(): StoredTask[];
  /** Whether this query finds nothing but zero. */
  count(sql: string): number;
  rooms(): StoredRoom[];
  /** What SQLite finds wrong with the file, in words. */
  flaws(): string[];
}

/** Opens it for a look, in which nothing may be written. */
export function look<T>(file: string, see: (stored: Stored) => T): T {
  // Not read-only: after a SIGKILL the log may have to be recovered.
  const database = new Database(file);
  try {
    database.run("PRAGMA busy_timeout = 5000");
    database.run("PRAGMA query_only = ON");
    return see(storedIn(database));
  } finally {
    database.close();
  }
}

function storedIn(database: Database): Stored {
  return {
    tasks: () =>
      database
        .query<StoredTask, []>(
          `SELECT id, kind, status, report, document_sha256 AS sha256, document_bytes AS bytes,
             lease_owner AS lease, error FROM report_tasks ORDER BY id`,
        )
        .all(),
    count: (sql) => Number(database.query(sql).values()[0]?.[0]),
    rooms: () =>
      database
        .query<{ id: number; key: string }, []>("SELECT id, key FROM rooms WHERE key IS NOT NULL")
        .all()
        .map(({ id, key }) => ({
          key,
          messages: new Map(
            database
              .query<{ id: number; kind: string; content: string }, [number]>(
                "SELECT id, kind, content FROM messages WHERE room_id = ? AND kind IN ('message', 'removed')",
              )
              .all(id)
              .map((row) => [row.id, { content: row.content, isRemoved: row.kind === "removed" }]),
          ),
        })),
    flaws: () => [
      ...database
        .query("PRAGMA integrity_check")
        .values()
        .map(([flaw]) => String(flaw))
        .filter((flaw) => flaw !== "ok"),
      ...database
        .query("PRAGMA foreign_key_check")
        .values()
        .map((row) => `foreign key: ${row.join(" ")}`),
    ],
  };
}
