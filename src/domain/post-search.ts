import { sql } from "drizzle-orm";
import { LRUCache } from "lru-cache";
import { prepared } from "../../db/prepare.ts";
import type { POST_STATUSES } from "../../db/schema.ts";
import type { Core } from "./core.ts";

type Status = (typeof POST_STATUSES)[number];

const MAX_TERMS = 16;
const MIN_PREFIX_CHARACTERS = 3;
// In the index an author is this character and a number, so it has to be none that can be searched for.
const AUTHOR_MARK = "\ue000";
const NOT_SEARCHED = new RegExp(`[\0${AUTHOR_MARK}]`, "g");
const SOMETHING = /[\p{L}\p{N}\p{Co}]/u;
const LAST_WORD = /[\p{L}\p{N}\p{M}\p{Co}-]+$/u;
// Scripts without letter case, Chinese among them, often say in one character what takes others a word.
const UNCASED = /\p{Lo}/u;

/**
 * Any text as an FTS5 expression: every term quoted, so that none is an operator, all of them wanted, the last one
 * as the beginning of a word. Null when nothing in it is a letter or a digit. Terms beyond the 16th do not count.
 */
export function matching(search: string, authorId: number | null): string | null {
  const searched = search.replace(NOT_SEARCHED, " ");
  const chunks = searched.split(/\s+/u);
  const last = LAST_WORD.exec(searched)?.[0] ?? "";
  const isBeginning = last.length >= MIN_PREFIX_CHARACTERS || UNCASED.test(last);
  const terms = [...new Set(chunks.filter((chunk) => SOMETHING.test(chunk)))].slice(0, MAX_TERMS);
  if (terms.length === 0) return null;
  const phrases = terms.map((term) => {
    const quoted = `"${term.replaceAll('"', '""')}"`;
    return isBeginning && term === chunks.at(-1) ? `${quoted}*` : quoted;
  });
  // The author is one more word of the index: its list of posts is walked beside those of the terms.
  return [...phrases, ...(authorId === null ? [] : [`"${AUTHOR_MARK}${authorId}"`])].join(" ");
}

export type Found = {
  readonly total: number;
  /** The ids of the newest; of all, if there are no more than HEAD. */
  readonly head: readonly number[];
};

const HEAD = 100;
const MAX_SEARCHES = 1_000;

/** The same search asked again, while no post has changed: until then a word of every second post costs 10 ms. */
export interface Searches {
  /** `revision` is of the posts that are searched; `match` is a result of `matching`. */
  find(status: Status, match: string, revision: number): Promise<Found>;
}

export function createSearches(core: Core): Searches {
  const known = new LRUCache<string, Found & { readonly revision: number }>({ max: MAX_SEARCHES });
  return {
    async find(status, match, revision) {
      const key = `${status} ${match}`;
      const before = known.get(key);
      if (before?.revision === revision) return before;
      const found = { revision, ...(await search(core, status, match)) };
      known.set(key, found);
      return found;
    },
  };
}

async function search(core: Core, status: Status, match: string): Promise<Found> {
  const head = (await HEADS[status](core.db).all({ match })).map(({ id }) => id);
  if (head.length < HEAD) return { total: head.length, head };
  const [counted] = await COUNTS[status](core.db).all({ match });
  return { total: counted?.total ?? 0, head };
}

export const FULL_TEXT = { published: "published_fts", draft: "draft_fts" } as const satisfies Record<
  Status,
  string
>;

// Either index has posts of its status only, so that no row of `posts` need be looked at.
const inIndex = (status: Status) => {
  const table = sql.raw(FULL_TEXT[status]);
  return sql`${table} WHERE ${table} MATCH ${sql.placeholder("match")}`;
};
const heads = (status: Status) =>
  prepared((db) =>
    db
      .select({ id: sql<number>`rowid` })
      .from(inIndex(status))
      .orderBy(sql`rowid DESC`)
      .limit(HEAD)
      .prepare(),
  );
const counts = (status: Status) =>
  prepared((db) => db.select({ total: sql<number>`count(*)` }).from(inIndex(status)).prepare());
const HEADS = { published: heads("published"), draft: heads("draft") };
const COUNTS = { published: counts("published"), draft: counts("draft") };
