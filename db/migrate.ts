import { sql } from "drizzle-orm";
import { asDatabaseError } from "./errors.ts";
import first from "./migrations/0000_first.sql" with { type: "text" };
import accountsAndBlog from "./migrations/0001_accounts_and_blog.sql" with { type: "text" };
import chat from "./migrations/0002_chat.sql" with { type: "text" };
import operations from "./migrations/0003_operations.sql" with { type: "text" };
import type { Db } from "./open.ts";
import { isBusy } from "./sqlite-failure.ts";

export type Migration = { readonly name: string; readonly sql: string };

/** All migrations in their order. Imported as text, so that a compiled executable carries them. */
export const MIGRATIONS: readonly Migration[] = [
  { name: "0000_first", sql: first },
  { name: "0001_accounts_and_blog", sql: accountsAndBlog },
  { name: "0002_chat", sql: chat },
  { name: "0003_operations", sql: operations },
];

const TABLE = sql.raw("schema_migrations");

const LOOK_AGAIN_MS = 250;
// A migration of millions of rows takes minutes, and the others wait for the one who does it.
const PATIENCE_MS = 15 * 60_000;

/**
 * Brings the database to this program's schema and answers the names of what it applied. Each migration is one
 * transaction that begins with its own row, so of two processes that start together one applies it and the other
 * waits, and finds it applied. Refuses a database that a newer program has written. `onWait` is called once, when it
 * has to wait.
 */
export async function migrate(
  db: Db,
  migrations: readonly Migration[] = MIGRATIONS,
  onWait: () => void = () => {},
): Promise<string[]> {
  const applied: string[] = [];
  const end = performance.now() + PATIENCE_MS;
  let isWaiting = false;
  for (;;) {
    try {
      const names = await appliedNames(db);
      refuseUnknown(names, migrations);
      const next = migrations[names.length];
      if (next === undefined) return applied;
      if (await apply(db, names.length, next)) applied.push(next.name);
    } catch (error) {
      if (!mayPass(error) || performance.now() > end) throw error;
      if (!isWaiting) onWait();
      isWaiting = true;
      await Bun.sleep(LOOK_AGAIN_MS);
    }
  }
}

export type MigrationState = { readonly applied: readonly string[]; readonly missing: readonly string[] };

/** What a database has of this program's migrations and what it lacks. Refuses one that a newer program has written. */
export async function migrationState(db: Db): Promise<MigrationState> {
  const applied = await appliedNames(db);
  refuseUnknown(applied, MIGRATIONS);
  return { applied, missing: MIGRATIONS.slice(applied.length).map(({ name }) => name) };
}

/** Another process writes, or it is not known whether ours was written: the next look tells. */
function mayPass(error: unknown): boolean {
  const failure = asDatabaseError(error);
  return failure?.kind === "busy" || failure?.kind === "unknownOutcome" || isBusy(failure?.cause);
}

async function appliedNames(db: Db): Promise<string[]> {
  const found = await db.all(
    sql`SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'`,
  );
  if (found.length === 0) {
    await db.run(
      sql`CREATE TABLE IF NOT EXISTS ${TABLE} (id integer PRIMARY KEY, name text NOT NULL, applied_at integer NOT NULL)`,
    );
  }
  const rows = await db.values<[string]>(sql`SELECT name FROM ${TABLE} ORDER BY id`);
  return rows.map(([name]) => name);
}

function refuseUnknown(names: readonly string[], migrations: readonly Migration[]): void {
  const newer = newerThanThis(names, migrations);
  if (newer !== null) throw new Error(newer);
}

/** Why this program cannot use a database with these migrations; null when it can. */
export function newerThanThis(names: readonly string[], migrations = MIGRATIONS): string | null {
  const unknown = names.find((name, index) => migrations[index]?.name !== name);
  if (unknown === undefined) return null;
  return (
    `The database has the migration ${unknown}, which this program does not know: a newer version of Guildhall ` +
    "has written it. Start that version, or restore a backup made before it."
  );
}

/** False when another process was first. */
async function apply(db: Db, id: number, migration: Migration): Promise<boolean> {
  const statements = migration.sql.split("--> statement-breakpoint").map((text) => sql.raw(text.trim()));
  const mark = sql`INSERT INTO ${TABLE} (id, name, applied_at) VALUES (${id}, ${migration.name}, ${Date.now()})`;
  try {
    await db.batch([db.run(mark), ...statements.map((statement) => db.run(statement))]);
    return true;
  } catch (error) {
    const failure = asDatabaseError(error);
    if (failure?.kind === "unique" && failure.constraint === "schema_migrations.id") return false;
    throw error;
  }
}
