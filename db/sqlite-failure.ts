import { SQLiteError } from "bun:sqlite";
import { fromSqlite } from "./errors.ts";

export const isBusy = (error: unknown): boolean =>
  error instanceof SQLiteError && (error.code?.startsWith("SQLITE_BUSY") ?? false);

/** bun:sqlite's failure as a DatabaseError; anything else as it is. */
export function normalised(error: unknown): unknown {
  if (!(error instanceof SQLiteError)) return error;
  return fromSqlite(error.code ?? "", error.message, error) ?? error;
}
