/**
 * What the program tells apart. `unavailable`: nothing was stored, trying again later is safe. `unknownOutcome`:
 * a remote write may or may not have been stored. `busy`: another writer holds a remote database.
 */
export type DatabaseErrorKind =
  | "unique"
  | "foreignKey"
  | "check"
  | "busy"
  | "full"
  | "unavailable"
  | "unknownOutcome";

export class DatabaseError extends Error {
  override readonly name = "DatabaseError";

  constructor(
    readonly kind: DatabaseErrorKind,
    message: string,
    options?: ErrorOptions & { readonly constraint?: string | undefined },
  ) {
    super(message, options);
    this.constraint = options?.constraint ?? null;
  }

  /** unique: the columns as "accounts.username_key", joined by ", "; check: its name; else null. */
  readonly constraint: string | null;
}

const MAX_CAUSES = 8;

/** The database's failure inside any thrown thing (Drizzle wraps it), null when it is something else. */
export function asDatabaseError(error: unknown): DatabaseError | null {
  let candidate = error;
  for (let depth = 0; depth < MAX_CAUSES && candidate instanceof Error; depth++) {
    if (candidate instanceof DatabaseError) return candidate;
    candidate = candidate.cause;
  }
  return null;
}

const CONSTRAINTS = { UNIQUE: "unique", "FOREIGN KEY": "foreignKey", CHECK: "check" } as const;
const CONSTRAINT = /(UNIQUE|FOREIGN KEY|CHECK) constraint failed(?:: (?:index '([^']+)'|([^'"()]+\w)))?/;
// The file or its disk fails, or another process has spoilt it: no statement can be blamed.
const UNAVAILABLE =
  /^SQLITE_(IOERR|CANTOPEN|READONLY|CORRUPT|NOTADB|PROTOCOL|NOMEM|LOCKED|INTERRUPT|PERM|AUTH)/;

/**
 * A driver's failure by SQLite's code and message; null for what is a mistake in a statement. The message is
 * looked at too, since a libSQL server reports every constraint as plain SQLITE_CONSTRAINT.
 */
export function fromSqlite(code: string, message: string, cause: unknown): DatabaseError | null {
  if (code.startsWith("SQLITE_CONSTRAINT")) {
    const [, what, index, columns] = CONSTRAINT.exec(message) ?? [];
    if (what === undefined) return null;
    const kind = CONSTRAINTS[what as keyof typeof CONSTRAINTS];
    return new DatabaseError(kind, `A ${what} constraint failed.`, { cause, constraint: index ?? columns });
  }
  if (code.startsWith("SQLITE_BUSY")) return new DatabaseError("busy", "The database is locked.", { cause });
  if (code === "SQLITE_FULL") return new DatabaseError("full", "The database's disk is full.", { cause });
  if (UNAVAILABLE.test(code)) {
    return new DatabaseError("unavailable", `The database failed with ${code}.`, { cause });
  }
  return null;
}
