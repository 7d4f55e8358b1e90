import type { Db } from "./open.ts";

/** The id of the row that an INSERT without RETURNING has made; an older one, if it has made none. */
export function insertedId({ rows }: { readonly rows?: readonly unknown[] | undefined }): number {
  const [row] = rows ?? [];
  const id = Array.isArray(row) ? row[0] : undefined;
  if (typeof id !== "number") throw new Error("an INSERT told no id");
  return id;
}

/**
 * Builds a query once per database and keeps it: building the SQL costs several times as much as a point read.
 * `build` is to end in `.prepare()` and to take its values through `sql.placeholder`.
 */
export function prepared<Query>(build: (db: Db) => Query): (db: Db) => Query {
  const queries = new WeakMap<Db, { readonly query: Query }>();
  return function preparedQuery(db) {
    const known = queries.get(db);
    if (known !== undefined) return known.query;
    const query = build(db);
    queries.set(db, { query });
    return query;
  };
}
