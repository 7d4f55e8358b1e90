import type { Db } from "./open.ts";

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
