import { Database, SQLiteError } from "bun:sqlite";
import { MIGRATIONS } from "./migrate.ts";
import { StatementCache } from "./statements.ts";

/**
 * Tells reads from writes for a remote database, whose protocol would need one more request for that: SQLite
 * itself answers, over an empty database with our tables.
 */
export class StatementKinds {
  readonly #database = new Database(":memory:");
  readonly #statements: StatementCache;

  constructor(capacity: number) {
    this.#statements = new StatementCache(this.#database, capacity);
    for (const migration of MIGRATIONS) this.#database.run(migration.sql);
  }

  /** False in doubt. Throws for what no database takes: transaction control, several statements. */
  isRead(sql: string): boolean {
    try {
      return this.#statements.get(sql).readonly;
    } catch (error) {
      if (error instanceof SQLiteError) return false;
      throw error;
    }
  }

  close(): void {
    this.#statements.close();
    this.#database.close();
  }
}
