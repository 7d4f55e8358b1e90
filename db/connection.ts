export type Method = "run" | "all" | "values" | "get";

export type Row = unknown[];

/**
 * Rows as arrays of column values; for a "get" the one row itself. A "run" of a write that returns no columns gives
 * one row with the id that was inserted last: RETURNING would double the cost of a small INSERT.
 */
export type Result = { rows: unknown[] };

/** One statement as Drizzle gives it. */
export type Query = { readonly sql: string; readonly params: readonly unknown[]; readonly method: Method };

/** Counts since the database was opened; `queued` is the present length of the write queue. */
export type Counters = {
  readonly reads: number;
  readonly writes: number;
  readonly commits: number;
  readonly queued: number;
};

/** What a driver gives; Drizzle is built on `query` and `batch`. */
export interface Connection {
  readonly kind: "local" | "remote";
  query(sql: string, params: readonly unknown[], method: Method): Promise<Result>;
  /** All or nothing. */
  batch(queries: readonly Query[]): Promise<Result[]>;
  /** Finishes what was begun. Later calls fail with `unavailable`. */
  close(): Promise<void>;
  /** Resolves when the database answers, else rejects with the reason. */
  check(): Promise<void>;
  /** A number that changes when another process has written, as of this turn of the event loop; null for a remote database. */
  dataVersion(): number | null;
  counters(): Counters;
}

// Drizzle expects undefined for the row that a "get" did not find, which its type does not say.
const NO_ROW = { rows: undefined } as unknown as Result;

export function shaped(rows: Row[], method: Method): Result {
  if (method !== "get") return { rows };
  const [row] = rows;
  return row === undefined ? NO_ROW : { rows: row };
}
