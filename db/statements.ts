import { Database, type Statement } from "bun:sqlite";
import type { Method, Row } from "./connection.ts";
import { withSteadyPlan } from "./steady-plans.ts";
import { type Bindable, mayBeRounded, withNumbers } from "./values.ts";

/**
 * Prepared statements by their SQL. bun:sqlite's own cache holds 20, and preparing anew costs eight times as much
 * as running.
 */
export class StatementCache {
  readonly #entries = new Map<string, CachedStatement>();

  constructor(
    readonly database: Database,
    readonly capacity: number,
  ) {}

  get(sql: string): CachedStatement {
    const known = this.#entries.get(sql);
    if (known !== undefined) {
      known.usedLately = true;
      return known;
    }
    refuseSetting(sql);
    const steady = withSteadyPlan(sql);
    const entry = new CachedStatement(this.database.prepare(steady), steady);
    if (this.#entries.size >= this.capacity) this.#evict();
    this.#entries.set(sql, entry);
    return entry;
  }

  close(): void {
    for (const entry of this.#entries.values()) entry.finalize();
    this.#entries.clear();
  }

  /** Second chance: cheaper on every hit than moving the entry to the end. */
  #evict(): void {
    for (const [sql, entry] of this.#entries) {
      this.#entries.delete(sql);
      if (!entry.usedLately) {
        entry.finalize();
        return;
      }
      entry.usedLately = false;
      this.#entries.set(sql, entry);
    }
  }
}

export class CachedStatement {
  readonly readonly: boolean;
  usedLately = false;
  readonly #statement: Statement;
  readonly #isExact: boolean;
  readonly #isSilent: boolean;

  constructor(statement: Statement, sql: string) {
    this.#statement = statement;
    this.readonly = statement.readonly;
    try {
      refuseControl(statement);
      refuseTail(statement, sql);
    } catch (error) {
      statement.finalize();
      throw error;
    }
    this.#isSilent = !this.readonly && statement.columnNames.length === 0;
    // What a write returns cannot be read a second time, so its integers come exact at once.
    this.#isExact = !this.readonly && statement.columnNames.length > 0;
    if (this.#isExact) statement.safeIntegers(true);
  }

  /** A "run" of a write that returns no columns gives the id of the row that was inserted last. */
  rows(parameters: readonly Bindable[], method: Method = "all"): Row[] {
    if (this.#isSilent) {
      const { lastInsertRowid } = this.#statement.run(...parameters);
      return method === "run" ? [[Number(lastInsertRowid)]] : [];
    }
    const rows = this.#statement.values(...parameters) as Row[];
    if (this.#isExact) return withNumbers(rows);
    return mayBeRounded(rows) ? this.#exactRows(parameters) : rows;
  }

  finalize(): void {
    this.#statement.finalize();
  }

  #exactRows(parameters: readonly Bindable[]): Row[] {
    this.#statement.safeIntegers(true);
    try {
      return withNumbers(this.#statement.values(...parameters));
    } finally {
      this.#statement.safeIntegers(false);
    }
  }
}

// SQLite calls these read-only, yet they would end or open a transaction, or change the one connection.
function refuseControl(statement: Statement): void {
  if (statement.readonly && statement.columnNames.length === 0) {
    throw new Error("Transactions and settings of the connection are not for statements: use a batch.");
  }
}

const PRAGMA_WITH_ARGUMENT = /^(?:\s|--[^\n]*\n|\/\*.*?\*\/|EXPLAIN|QUERY|PLAN)*(PRAGMA\b[^;]*[=(].*)$/is;

// "PRAGMA foreign_keys = OFF" takes effect when it is prepared, so a scratch database has to tell what it is.
function refuseSetting(sql: string): void {
  const [, pragma] = PRAGMA_WITH_ARGUMENT.exec(sql) ?? [];
  if (pragma === undefined) return;
  using scratch = new Database(":memory:");
  using statement = scratch.prepare(pragma);
  refuseControl(statement);
}

/** SQLite prepares the first statement only and says nothing about the others. */
function refuseTail(statement: Statement, sql: string): void {
  if (!/;\s*\S/.test(sql)) return;
  const firstLength = statement.toString().length - statement.paramsCount * ("NULL".length - "?".length);
  if (firstLength < sql.trimEnd().length) throw new Error("One statement at a time: the text has several.");
}
