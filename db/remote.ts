import { createClient, type InStatement, LibsqlError, type ResultSet } from "@libsql/client/http";
import { type Connection, type Query, type Result, type Row, shaped } from "./connection.ts";
import { asDatabaseError, DatabaseError, fromSqlite } from "./errors.ts";
import type { OnCommit } from "./group-commit.ts";
import { boundedFetch } from "./remote-fetch.ts";
import { Slots } from "./slots.ts";
import { StatementKinds } from "./statement-kinds.ts";
import { assertBindable, type Bindable } from "./values.ts";

export type RemoteLimits = {
  /** One HTTP request, and equally the wait for a free one. */
  readonly remoteTimeoutMs: number;
  readonly remoteRequests: number;
  readonly queuedUnits: number;
};

const DEFAULT_LIMITS: RemoteLimits = { remoteTimeoutMs: 10_000, remoteRequests: 64, queuedUnits: 20_000 };
const KNOWN_STATEMENTS = 512;
const READ_RETRY_DELAYS_MS = [50, 250];

/** A libSQL server over HTTP. One statement or batch is one request and one transaction. */
export function openRemote(
  url: string,
  authToken: string | undefined,
  options: Partial<RemoteLimits>,
  onCommit: OnCommit = () => {},
): Connection {
  const limits = { ...DEFAULT_LIMITS, ...options };
  const client = createClient({
    url,
    ...(authToken === undefined ? {} : { authToken }),
    intMode: "number",
    concurrency: limits.remoteRequests,
    fetch: boundedFetch(limits.remoteTimeoutMs),
  });
  const slots = new Slots(limits.remoteRequests, limits.queuedUnits, limits.remoteTimeoutMs);
  const kinds = new StatementKinds(KNOWN_STATEMENTS);
  const counts = { reads: 0, writes: 0, commits: 0 };
  let closing: Promise<void> | null = null;

  async function run<T>(queries: readonly Query[], send: (isRead: boolean) => Promise<T>): Promise<T> {
    if (closing !== null) throw new DatabaseError("unavailable", "The database is closed.");
    for (const { params } of queries) assertBindable(params);
    if (queries.every(({ sql }) => kinds.isRead(sql))) {
      counts.reads += queries.length;
      return await slots.run(() => retried(() => send(true), limits.remoteTimeoutMs));
    }
    counts.writes++;
    const startedAt = performance.now();
    const result = await slots.run(() => send(false)).catch(failed);
    counts.commits++;
    onCommit(1, (performance.now() - startedAt) / 1000);
    return result;
  }

  async function closeOnce(): Promise<void> {
    await slots.drain();
    client.close();
    kinds.close();
  }

  return {
    kind: "remote",
    query: (sql, params, method) => {
      const query = { sql, params, method };
      return run([query], async () => result(await client.execute(statement(query)), query));
    },
    batch: (queries) =>
      run(queries, async (isRead) => {
        const sets = await client.batch(queries.map(statement), isRead ? "deferred" : "write");
        return queries.map((query, index) => result(sets[index], query));
      }),
    close: () => {
      closing ??= closeOnce();
      return closing;
    },
    check: async () => {
      await run([CHECK], () => client.execute(CHECK.sql));
    },
    dataVersion: () => null,
    counters: () => ({ ...counts, queued: slots.waiting }),
  };
}

const CHECK: Query = { sql: "SELECT 1", params: [], method: "values" };

function statement({ sql, params }: Query): InStatement {
  return { sql, args: (params as readonly Bindable[]).map(argument) };
}

// The client sends every number as REAL: 7 in a TEXT column would become "7.0".
const argument = (value: Bindable): Bindable =>
  Number.isSafeInteger(value) ? BigInt(value as number) : value;

function result(set: ResultSet | undefined, { method }: Query): Result {
  const inserted = method === "run" && set?.columns.length === 0 ? set.lastInsertRowid : undefined;
  const rows = (set?.rows ?? []).map((row): Row => Array.from(row, bytesOf));
  return shaped(inserted === undefined ? rows : [[Number(inserted)]], method);
}

const bytesOf = (value: unknown): unknown => (value instanceof ArrayBuffer ? new Uint8Array(value) : value);

/** A read may be sent again. A request that has used up its time is not. */
async function retried<T>(send: () => Promise<T>, timeoutMs: number): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (const delayMs of READ_RETRY_DELAYS_MS) {
    try {
      return await send();
    } catch (error) {
      if (!isPassing(error) || performance.now() + delayMs >= end) return failedRead(error);
      await Bun.sleep(delayMs);
    }
  }
  return await send().catch(failedRead);
}

function isPassing(error: unknown): boolean {
  const failure = normalised(error);
  return failure instanceof DatabaseError && ["unknownOutcome", "unavailable", "busy"].includes(failure.kind);
}

function failedRead(error: unknown): never {
  const failure = normalised(error);
  if (failure instanceof DatabaseError && failure.kind === "unknownOutcome") {
    throw new DatabaseError("unavailable", failure.message, { cause: failure.cause });
  }
  throw failure;
}

function failed(error: unknown): never {
  throw normalised(error);
}

// What the protocol layer says of itself and not of a statement: the server may have done anything.
const TRANSPORT = /^(HRANA_|SERVER_ERROR|INTERNAL_ERROR|UNKNOWN$|PROTOCOL_)/;

function normalised(error: unknown): unknown {
  const known = asDatabaseError(error);
  if (known !== null) return known;
  if (error instanceof SyntaxError) return unknownOutcome(error);
  if (!(error instanceof LibsqlError)) return error;
  if (TRANSPORT.test(error.code)) return unknownOutcome(error);
  return fromSqlite(error.code, error.message, error) ?? error;
}

const unknownOutcome = (cause: unknown): DatabaseError =>
  new DatabaseError("unknownOutcome", "The database server's answer was not understood.", { cause });
