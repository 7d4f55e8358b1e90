import { drizzle, type SqliteRemoteDatabase } from "drizzle-orm/sqlite-proxy";
import type { Connection } from "./connection.ts";
import type { GroupLimits, OnCommit } from "./group-commit.ts";
import { openLocal } from "./local.ts";
import type { RemoteLimits } from "./remote.ts";
import * as schema from "./schema.ts";
import { parseDatabaseUrl } from "./url.ts";

export { asDatabaseError, DatabaseError } from "./errors.ts";
export { migrate, migrationState, newerThanThis } from "./migrate.ts";

/** The database. Several statements that belong together are one `batch`: there are no interactive transactions. */
export type Db = Omit<SqliteRemoteDatabase<typeof schema>, "transaction"> &
  Omit<Connection, "query" | "batch">;

export type OpenOptions = {
  /** For remote databases. */
  readonly authToken?: string | undefined;
  readonly limits?: Partial<GroupLimits & RemoteLimits>;
  readonly onCommit?: OnCommit;
};

/**
 * Opens `file:<path>`, `file::memory:`, `libsql://`, `http://` or `https://`; does not migrate. Throws for a URL
 * that it cannot use and for a file that cannot be opened; a remote server is first asked by the first statement.
 */
export async function openDatabase(url: string, options: OpenOptions = {}): Promise<Db> {
  const location = parseDatabaseUrl(url);
  const limits = options.limits ?? {};
  const connection =
    location.kind === "local"
      ? await openLocal(location.path, limits, options.onCommit)
      : // Loaded where it is used: its client is a good part of the start's time.
        (await import("./remote.ts")).openRemote(location.url, options.authToken, limits, options.onCommit);
  const { query, batch, ...members } = connection;
  return Object.assign(drizzle(query, batch, { schema }), members);
}
