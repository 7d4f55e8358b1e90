import { eq, type SQL, sql } from "drizzle-orm";
import { prepared } from "../../db/prepare.ts";
import { accounts, type POST_STATUSES, posts } from "../../db/schema.ts";
import type { Core } from "./core.ts";
import type { Page } from "./paging.ts";
import { FULL_TEXT } from "./post-search.ts";

export const SORT_FIELDS = ["createdAt", "updatedAt", "title", "views"] as const;
type Status = (typeof POST_STATUSES)[number];
export type PostSort = { readonly field: (typeof SORT_FIELDS)[number]; readonly descending: boolean };

/** Which posts. `head` are the ids of the newest that match, or of all. */
export type Source =
  | { readonly of: "everybody"; readonly status: Status }
  | { readonly of: "author"; readonly status: Status; readonly authorId: number }
  | {
      readonly of: "search";
      readonly status: Status;
      readonly match: string;
      readonly head: readonly number[];
    };

export type ListedPost = Awaited<ReturnType<typeof readPage>>[number];

/** One page of a list that has `total` posts; beyond the last one nothing is asked. */
export async function readPage(
  core: Core,
  source: Source,
  { limit, offset, sort }: Page & { readonly sort: PostSort },
  total: number,
) {
  if (offset >= total) return [];
  const { field } = sort;
  const direction = sort.descending ? "desc" : "asc";
  if (source.of !== "search")
    return PAGES[source.of][field][direction](core.db).all({ ...source, limit, offset });
  const { head, status, match } = source;
  if (head.length === total)
    return PAGES.numbered[field][direction](core.db).all({ ids: JSON.stringify(head), limit, offset });
  if (field === "createdAt" && sort.descending && offset + limit <= head.length) {
    const ids = JSON.stringify(head.slice(offset, offset + limit));
    return PAGES.numbered.createdAt.desc(core.db).all({ ids, limit, offset: 0 });
  }
  return PAGES[status][field][direction](core.db).all({ match, limit, offset });
}

type Direction = "ASC" | "DESC";

const ordered = (keys: readonly string[], direction: Direction) =>
  sql.raw(keys.map((key) => `${key} ${direction}`).join(", "));

/**
 * The numbers of the page are found first, since a join would read the authors of everything that the offset
 * skips. `innerKeys` are the columns of the order as `from` has them.
 */
const page = (from: SQL, direction: Direction, innerKeys: readonly string[], keys = innerKeys) =>
  prepared((db) =>
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
        sql`posts.id IN (${from} ORDER BY ${ordered(innerKeys, direction)}
          LIMIT ${sql.placeholder("limit")} OFFSET ${sql.placeholder("offset")})`,
      )
      .orderBy(
        ordered(
          keys.map((key) => `posts.${key}`),
          direction,
        ),
      )
      .prepare(),
  );

const STATUS = sql.placeholder("status");
const AUTHOR = sql.placeholder("authorId");
const MATCH = sql.placeholder("match");
const IDS = sql.placeholder("ids");

// Every index ends with `id`, the order of creation, in which the full-text indexes are kept, too.
const KEYS = {
  createdAt: ["id"],
  updatedAt: ["updated_at", "id"],
  title: ["title COLLATE NOCASE", "id"],
  views: ["views", "id"],
} as const satisfies Record<PostSort["field"], readonly string[]>;

const everyField = <T>(make: (keys: readonly string[], direction: Direction) => T) => {
  const both = (keys: readonly string[]) => ({ asc: make(keys, "ASC"), desc: make(keys, "DESC") });
  return {
    createdAt: both(KEYS.createdAt),
    updatedAt: both(KEYS.updatedAt),
    title: both(KEYS.title),
    views: both(KEYS.views),
  };
};

const found = (status: Status) => {
  const table = sql.raw(FULL_TEXT[status]);
  const rows = sql`SELECT rowid FROM ${table} WHERE ${table} MATCH ${MATCH}`;
  const sorted = sql`SELECT id FROM posts WHERE id IN (${rows})`;
  return everyField((keys, direction) =>
    keys[0] === "id" ? page(rows, direction, ["rowid"], keys) : page(sorted, direction, keys),
  );
};

const PAGES = {
  everybody: everyField((keys, direction) =>
    page(sql`SELECT id FROM posts WHERE status = ${STATUS}`, direction, keys),
  ),
  author: everyField((keys, direction) => {
    const theirs = sql`SELECT id FROM posts WHERE author_id = ${AUTHOR} AND status = ${STATUS}`;
    // Without the plus SQLite walks everybody's posts in the wanted order instead of sorting the author's.
    return page(theirs, direction, keys[0] === "id" ? keys : keys.map((key) => `+${key}`), keys);
  }),
  numbered: everyField((keys, direction) =>
    page(sql`SELECT id FROM posts WHERE id IN (SELECT value FROM json_each(${IDS}))`, direction, keys),
  ),
  published: found("published"),
  draft: found("draft"),
};
