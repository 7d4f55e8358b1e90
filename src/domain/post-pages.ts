import { eq, type SQL, sql } from "drizzle-orm";
import { prepared } from "../../db/prepare.ts";
import { accounts, POST_STATUSES, posts } from "../../db/schema.ts";
import type { Core } from "./core.ts";

export const SORT_FIELDS = ["createdAt", "updatedAt", "title", "views"] as const;
type SortField = (typeof SORT_FIELDS)[number];
export type PostSort = { readonly field: SortField; readonly descending: boolean };

export type ListedPost = Awaited<ReturnType<typeof readPage>>[number];

export type PageQuery = {
  readonly page: number;
  readonly limit: number;
  readonly sort: PostSort;
  readonly status: (typeof POST_STATUSES)[number];
  /** Null: everybody's. */
  readonly authorId: number | null;
  /** An FTS5 expression, which then has the author in it. */
  readonly match: string | undefined;
};

/** One page of a list of `total` posts; beyond the last one nothing is asked. */
export async function readPage(core: Core, query: PageQuery, total: number) {
  const { sort, status, authorId, match, limit } = query;
  const offset = (query.page - 1) * limit;
  if (offset >= total) return [];
  const source = match !== undefined ? `${status} matches` : authorId !== null ? "one author" : "everybody";
  const read = PAGES[`${source}, ${sort.field} ${direction(sort.descending)}`];
  if (read === undefined) throw new Error("a list that was not prepared");
  return read(core.db).all({ status, authorId, match, limit, offset });
}

const direction = (descending: boolean) => (descending ? "DESC" : "ASC");

// `id` is the order of creation, which every index ends with and the full-text indexes are kept in.
const KEYS: Readonly<Record<SortField, readonly string[]>> = {
  createdAt: ["id"],
  updatedAt: ["updated_at", "id"],
  title: ["title COLLATE NOCASE", "id"],
  views: ["views", "id"],
};

const PAGES = Object.fromEntries(
  SORT_FIELDS.flatMap((field) =>
    [true, false].flatMap((descending) => {
      const order = KEYS[field].map((key) => `${key} ${direction(descending)}`).join(", ");
      const outer = KEYS[field].map((key) => `posts.${key} ${direction(descending)}`).join(", ");
      const name = `${field} ${direction(descending)}`;
      return [
        [`everybody, ${name}`, page(sql`SELECT id FROM posts WHERE status = ${STATUS}`, order, outer)],
        [
          `one author, ${name}`,
          page(
            sql`SELECT id FROM posts INDEXED BY posts_author WHERE author_id = ${AUTHOR} AND status = ${STATUS}`,
            order,
            outer,
          ),
        ],
        ...POST_STATUSES.map((status) => [
          `${status} matches, ${name}`,
          field === "createdAt"
            ? page(matches(status), `rowid ${direction(descending)}`, outer)
            : page(sql`SELECT id FROM posts WHERE id IN (${matches(status)})`, order, outer),
        ]),
      ] as const;
    }),
  ),
);
