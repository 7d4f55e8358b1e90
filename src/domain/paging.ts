export type Page = { readonly limit: number; readonly offset: number };

/** One page and how many rows there are in all. */
export type Paged<Row> = { readonly rows: readonly Row[]; readonly total: number };
