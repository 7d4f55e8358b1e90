import { Database, SQLiteError, type SQLQueryBindings, type Statement } from "bun:sqlite";

export type PipelineRequest = { readonly baton?: string | null; readonly requests: readonly StreamRequest[] };

type StreamRequest =
  | { readonly type: "execute"; readonly stmt: Stmt }
  | { readonly type: "batch"; readonly batch: { readonly steps: readonly Step[] } }
  | ({ readonly type: "sequence" | "describe" } & SqlText)
  | { readonly type: "store_sql"; readonly sql_id: number; readonly sql: string }
  | { readonly type: "close_sql"; readonly sql_id: number }
  | { readonly type: "close" | "get_autocommit" };

type SqlText = { readonly sql?: string | null; readonly sql_id?: number | null };
type Stmt = SqlText & { readonly args?: readonly Value[]; readonly want_rows?: boolean | null };
type Step = { readonly condition?: Condition | null; readonly stmt: Stmt };

type Condition =
  | { readonly type: "ok" | "error"; readonly step: number }
  | { readonly type: "not"; readonly cond: Condition }
  | { readonly type: "and" | "or"; readonly conds: readonly Condition[] }
  | { readonly type: "is_autocommit" };

type Value =
  | { readonly type: "null" }
  | { readonly type: "integer"; readonly value: string }
  | { readonly type: "float"; readonly value: number }
  | { readonly type: "text"; readonly value: string }
  | { readonly type: "blob"; readonly base64: string };

type Failure = { readonly message: string; readonly code: string };

const BUSY_TIMEOUT_MS = 500;

/** `isDurable`: an answered write survives a power cut, which tests do not need and figures do. */
export function connect(file: string, isDurable: boolean): Database {
  const database = new Database(file, { create: true, readwrite: true });
  database.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
  database.run("PRAGMA journal_mode = WAL");
  database.run(`PRAGMA synchronous = ${isDurable ? "FULL" : "OFF"}`);
  database.run("PRAGMA foreign_keys = ON");
  return database;
}

/** One Hrana stream: it has a connection for itself until it is closed, and then gives it back. */
export class HranaStream {
  readonly #database: Database;
  readonly #giveBack: (database: Database) => void;
  readonly #texts = new Map<number, string>();
  isClosed = false;

  constructor(database: Database, giveBack: (database: Database) => void) {
    this.#database = database;
    this.#giveBack = giveBack;
  }

  answer(request: StreamRequest) {
    try {
      return { type: "ok", response: { type: request.type, ...this.#respond(request) } };
    } catch (error) {
      return { type: "error", error: failure(error) };
    }
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.#database.inTransaction) this.#database.run("ROLLBACK");
    this.#giveBack(this.#database);
  }

  #respond(request: StreamRequest): Record<string, unknown> {
    switch (request.type) {
      case "execute":
        return { result: this.#execute(request.stmt) };
      case "batch":
        return { result: this.#batch(request.batch.steps) };
      case "sequence":
        this.#database.run(this.#text(request));
        return {};
      case "describe":
        return { result: this.#describe(this.#text(request)) };
      case "store_sql":
        this.#texts.set(request.sql_id, request.sql);
        return {};
      case "close_sql":
        this.#texts.delete(request.sql_id);
        return {};
      case "get_autocommit":
        return { is_autocommit: !this.#database.inTransaction };
      case "close":
        this.close();
        return {};
    }
  }

  #text({ sql, sql_id }: SqlText): string {
    const text = sql ?? this.#texts.get(sql_id ?? -1);
    if (text === undefined) throw new Error("neither sql nor a stored sql_id");
    return text;
  }

  #execute(stmt: Stmt) {
    using statement = this.#database.prepare(this.#text(stmt));
    statement.safeIntegers(true);
    const rows = statement.values(...(stmt.args ?? []).map(binding));
    const affected = statement.readonly ? 0n : this.#number("SELECT changes()");
    return {
      cols: columns(statement),
      rows: stmt.want_rows === false ? [] : rows.map((row) => row.map(encoded)),
      affected_row_count: Number(affected),
      last_insert_rowid: String(this.#number("SELECT last_insert_rowid()")),
    };
  }

  #number(sql: string): bigint {
    using statement = this.#database.prepare(sql);
    return BigInt(String(statement.values()[0]?.[0]));
  }

  #batch(steps: readonly Step[]) {
    const results: unknown[] = [];
    const errors: (Failure | null)[] = [];
    const holds = (condition: Condition): boolean => {
      switch (condition.type) {
        case "ok":
          return (results[condition.step] ?? null) !== null;
        case "error":
          return (errors[condition.step] ?? null) !== null;
        case "not":
          return !holds(condition.cond);
        case "and":
          return condition.conds.every(holds);
        case "or":
          return condition.conds.some(holds);
        case "is_autocommit":
          return !this.#database.inTransaction;
      }
    };
    for (const [index, { condition, stmt }] of steps.entries()) {
      results[index] = errors[index] = null;
      if (condition && !holds(condition)) continue;
      try {
        results[index] = this.#execute(stmt);
      } catch (error) {
        errors[index] = failure(error);
      }
    }
    return { step_results: results, step_errors: errors };
  }

  #describe(sql: string) {
    using statement = this.#database.prepare(sql);
    return {
      params: Array.from({ length: statement.paramsCount }, () => ({ name: null })),
      cols: columns(statement),
      is_explain: /^\s*explain\b/i.test(sql),
      is_readonly: statement.readonly,
    };
  }
}

const columns = (statement: Statement) => statement.columnNames.map((name) => ({ name, decltype: null }));

function binding(value: Value): SQLQueryBindings {
  switch (value.type) {
    case "null":
      return null;
    case "integer":
      return BigInt(value.value);
    case "float":
      if (Number.isInteger(value.value)) throw new Error(`the float ${value.value} has no fraction`);
      return value.value;
    case "text":
      return value.value;
    case "blob":
      return Uint8Array.fromBase64(value.base64);
  }
}

function encoded(value: unknown): Value {
  if (value === null) return { type: "null" };
  if (typeof value === "bigint") return { type: "integer", value: String(value) };
  if (typeof value === "number") return { type: "float", value };
  if (value instanceof Uint8Array) return { type: "blob", base64: value.toBase64({ omitPadding: true }) };
  return { type: "text", value: String(value) };
}

/** As a libSQL server says it: without the extended code. */
function failure(error: unknown): Failure {
  if (!(error instanceof SQLiteError)) return { message: String(error), code: "TEST_SERVER_REFUSES" };
  const code = (error.code ?? "SQLITE_ERROR").replace(/^(SQLITE_[A-Z]+)_.*$/, "$1");
  return { message: `SQLite error: ${error.message}`, code };
}
