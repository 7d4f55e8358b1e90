import { eq, type SQL, sql } from "drizzle-orm";
import { prepared } from "../../db/prepare.ts";
import { accounts, POST_STATUSES, posts } from "../../db/schema.ts";
import type { Core } from "./core.ts";

export const SORT_FIELDS = ["createdAt", "updatedAt", "title", "views"] as const;
export type PostSort = { readonly field: (typeof SORT_FIELDS)[number]; readonly descending: boolean };

export type PageQuery = {
  /** From 1. */
  readonly page: number;
  readonly limit: number;
  readonly sort: PostSort;
  readonly status: (typeof POST_STATUSES)[number];
  /** Null: everybody's. */
  readonly authorId: number | null;
  /** An FTS5 expression, which has the author in it. */
  readonly match: string | undefined;
};

export type ListedPost = Awaited<ReturnType<typeof readPage>>[number];

/** One page of a list that has `total` posts; beyond the last one nothing is asked. */
export async function readPage(core: Core, query: PageQuery, total: number) {
  const { sort, status, authorId, match, limit } = query;
  const offset = (query.page - 1) * limit;
  if (offset >= total) return [];
  const source = match !== undefined ? status : authorId === null ? "everybody" : "author";
  return PAGES[source][sort.field][sort.descending ? "desc" : "asc"](core.db).all({
    status,
    authorId,
    match,
    limit,
    offset,
  });
}

/**
 * `keys` are the columns of the order. The numbers of the page are found first, since a join would read the
 * authors of everything that the offset skips.
 */
const page = (from: SQL, keys: readonly string[], direction: "ASC" | "DESC", idColumn = "id") => {
  const order = (columns: readonly string[]) =>
    sql.raw(columns.map((column) => `${column} ${direction}`).join(", "));
  const inner = order(keys.map((key) => (key === "id" ? idColumn : key)));
  const outer = order(keys.map((key) => `posts.${key}`));
  return prepared((db) =>
    db
      .select({
        id: posts.id,
        uuid: posts.uuid,
        title: posts.title,
        excerpt: posts.excerpt,
        status: posts.status,
        createdAt: posts.createdAt,
        views: posts.views,
        author: { uuid: accounts.uuid, fullName: accounts.fullName },
      })
      .from(posts)
      .innerJoin(accounts, eq(accounts.id, posts.authorId))
      .where(
        sql`posts.id IN (${from} ORDER BY ${inner} LIMIT ${sql.placeholder("limit")} OFFSET ${sql.placeholder("offset")})`,
      )
      .orderBy(outer)
      .prepare(),
  );
};

const STATUS = sql.placeholder("status");
const AUTHOR = sql.placeholder("authorId");
const MATCH = sql.placeholder("match");

// Every index ends with `id`, the order of creation, in which the full-text indexes are kept, too.
const KEYS = {
  createdAt: ["id"],
  updatedAt: ["updated_at", "id"],
  title: ["title COLLATE NOCASE", "id"],
  views: ["views", "id"],
} as const satisfies Record<PostSort["field"], readonly string[]>;

const everyField = <T>(make: (keys: readonly string[], direction: "ASC" | "DESC") => T) => {
  const both = (field: PostSort["field"]) => ({ asc: make(KEYS[field], "ASC"), desc: make(KEYS[field], "DESC") });
  return {
    createdAt: both("createdAt"),
    updatedAt: both("updatedAt"),
    title: both("title"),
    views: both("views"),
  };
};

const found = (table: "published_fts" | "draft_fts") => {
  const matches = sql`SELECT rowid FROM ${sql.raw(table)} WHERE ${sql.raw(table)} MATCH ${MATCH}`;
  const posts = sql`SELECT id FROM posts WHERE id IN (${matches})`;
  return everyField((keys, direction) =>
    keys[0] === "id" ? page(matches, keys, direction, "rowid") : page(posts, keys, direction),
  );
};

const PAGES = {
  everybody: everyField((keys, direction) =>
    page(sql`SELECT id FROM posts WHERE status = ${STATUS}`, keys, direction),
  ),
  author: everyField((keys, direction) =>
    // The plus keeps SQLite from walking everybody's posts in the wanted order instead of sorting the author's.
    page(sql`SELECT id FROM posts WHERE author_id = ${AUTHOR} AND status = ${STATUS}`, keys, direction),
  ),
  published: found("published_fts"),
  draft: found("draft_fts"),
};
