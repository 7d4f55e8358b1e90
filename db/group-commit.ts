import type { Database, Statement } from "bun:sqlite";
import { SQLiteError } from "bun:sqlite";
import type { Method, Row } from "./connection.ts";
import { DatabaseError } from "./errors.ts";
import { isBusy, normalised } from "./sqlite-failure.ts";
import type { StatementCache } from "./statements.ts";
import type { Bindable } from "./values.ts";

export type Write = {
  readonly sql: string;
  readonly params: readonly Bindable[];
  readonly method: Method;
};

export type GroupLimits = {
  /** Units in one transaction: 256 take about 1.5 ms of the event loop. */
  readonly groupUnits: number;
  readonly queuedUnits: number;
  /** How long a unit may wait for another process's lock. */
  readonly busyDeadlineMs: number;
};

/** Told of each commit: how many write units shared it, and how long it took from its first statement on. */
export type OnCommit = (units: number, seconds: number) => void;

type Unit = {
  readonly queries: readonly Write[];
  readonly isBatch: boolean;
  readonly since: number;
  readonly resolve: (rows: Row[][]) => void;
  readonly reject: (error: unknown) => void;
  /** After a transaction was lost: tried again by itself, so that only the guilty unit fails. */
  alone: boolean;
  outcome: { readonly rows: Row[][] } | { readonly error: unknown } | null;
};

const FIRST_BUSY_DELAY_MS = 1;
const MAX_BUSY_DELAY_MS = 5;

/**
 * Runs the write units of one turn of the event loop in one synchronous transaction, so that they share its
 * commit. A unit is one statement or one batch; its promise settles after the COMMIT.
 */
export class GroupCommit {
  readonly #queue: Unit[] = [];
  readonly #begin: Statement;
  readonly #commit: Statement;
  readonly #rollback: Statement;
  readonly #savepoint: Statement;
  readonly #release: Statement;
  readonly #rollbackTo: Statement;
  #scheduled = false;
  #busyDelayMs = FIRST_BUSY_DELAY_MS;
  #commits = 0;
  #writes = 0;

  constructor(
    readonly database: Database,
    readonly statements: StatementCache,
    readonly limits: GroupLimits,
    readonly onCommit: OnCommit = () => {},
  ) {
    this.#begin = database.prepare("BEGIN IMMEDIATE");
    this.#commit = database.prepare("COMMIT");
    this.#rollback = database.prepare("ROLLBACK");
    this.#savepoint = database.prepare("SAVEPOINT unit");
    this.#release = database.prepare("RELEASE unit");
    this.#rollbackTo = database.prepare("ROLLBACK TO unit");
  }

  submit(queries: readonly Write[], isBatch: boolean): Promise<Row[][]> {
    if (this.#queue.length >= this.limits.queuedUnits) {
      return Promise.reject(new DatabaseError("unavailable", "Too many writes are waiting."));
    }
    return this.#enqueue(queries, isBatch);
  }

  counters() {
    return { writes: this.#writes, commits: this.#commits, queued: this.#queue.length };
  }

  /** Resolves when everything that was submitted before has settled. */
  async drain(): Promise<void> {
    if (this.#queue.length === 0) return;
    await this.#enqueue([], true).catch(() => undefined);
  }

  close(): void {
    const own = [this.#begin, this.#commit, this.#rollback, this.#savepoint, this.#release, this.#rollbackTo];
    for (const statement of own) statement.finalize();
  }

  #enqueue(queries: readonly Write[], isBatch: boolean): Promise<Row[][]> {
    return new Promise((resolve, reject) => {
      const since = performance.now();
      this.#queue.push({ queries, isBatch, since, resolve, reject, alone: false, outcome: null });
      this.#schedule();
    });
  }

  /**
   * setImmediate and not a microtask: it comes after all sockets that were readable have been handled, each of
   * which drains the microtasks.
   */
  #schedule(): void {
    if (this.#scheduled || this.#queue.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    const units = this.#take();
    try {
      this.#begin.run();
    } catch (error) {
      if (isBusy(error)) this.#postpone(units, error);
      else for (const unit of units) unit.reject(normalised(error));
      this.#schedule();
      return;
    }
    this.#busyDelayMs = FIRST_BUSY_DELAY_MS;
    this.#runGroup(units);
    this.#schedule();
  }

  #take(): Unit[] {
    if (this.#queue[0]?.alone) return this.#queue.splice(0, 1);
    return this.#queue.splice(0, this.limits.groupUnits);
  }

  #runGroup(units: Unit[]): void {
    const startedAt = performance.now();
    try {
      for (const unit of units) this.#run(unit);
      this.#commit.run();
    } catch (error) {
      if (this.database.inTransaction) this.#rollback.run();
      this.#afterLoss(units, error);
      return;
    }
    this.#commits++;
    this.#writes += units.length;
    const seconds = (performance.now() - startedAt) / 1000;
    for (const { outcome, resolve, reject } of units) {
      if (outcome === null) reject(new Error("A write was not run."));
      else if ("rows" in outcome) resolve(outcome.rows);
      else reject(normalised(outcome.error));
    }
    // What it throws is nothing to those whose writes are stored.
    this.onCommit(units.length, seconds);
  }

  /** Notes the unit's own failure; throws when the whole transaction is lost or must be undone. */
  #run(unit: Unit): void {
    try {
      unit.outcome = { rows: unit.isBatch ? this.#runBatch(unit) : this.#runQueries(unit) };
    } catch (error) {
      // SQLite undoes a statement that it refuses; what is thrown after it ran leaves its effect behind.
      const undone = unit.isBatch || error instanceof SQLiteError;
      if (!undone || !this.database.inTransaction) throw error;
      unit.outcome = { error };
    }
  }

  #runBatch(unit: Unit): Row[][] {
    this.#savepoint.run();
    try {
      return this.#runQueries(unit);
    } catch (error) {
      if (this.database.inTransaction) this.#rollbackTo.run();
      throw error;
    } finally {
      if (this.database.inTransaction) this.#release.run();
    }
  }

  #runQueries(unit: Unit): Row[][] {
    return unit.queries.map(({ sql, params, method }) => this.statements.get(sql).rows(params, method));
  }

  #afterLoss(units: Unit[], error: unknown): void {
    const [only] = units;
    if (units.length === 1 && only !== undefined) {
      only.reject(normalised(error));
      return;
    }
    for (const unit of units) unit.alone = true;
    this.#queue.unshift(...units);
  }

  /** Another process holds the lock. Waiting is done by timer: a busy timeout would stop the event loop. */
  #postpone(units: Unit[], error: unknown): void {
    const expired = performance.now() - this.limits.busyDeadlineMs;
    const [late, waiting] = [units.filter((u) => u.since <= expired), units.filter((u) => u.since > expired)];
    for (const unit of late) {
      unit.reject(
        new DatabaseError("unavailable", "Another process keeps the database locked.", { cause: error }),
      );
    }
    this.#queue.unshift(...waiting);
    if (this.#queue.length === 0) return;
    this.#scheduled = true;
    setTimeout(() => this.#flush(), this.#busyDelayMs);
    this.#busyDelayMs = Math.min(this.#busyDelayMs + 1, MAX_BUSY_DELAY_MS);
  }
}
