import { and, eq, getTableColumns, sql } from "drizzle-orm";
import { prepared } from "../../db/prepare.ts";
import { accounts, EVERY_AUTHOR, POST_STATUSES, posts, postTotals } from "../../db/schema.ts";
import type { Account } from "./accounts.ts";
import * as audit from "./audit.ts";
import type { Core } from "./core.ts";
import { newId } from "./ids.ts";
import type { Page, Paged } from "./paging.ts";
import { type By, isVisible, moderates, postNotFound, requireAuthor } from "./post-access.ts";
import { excerptOf } from "./post-excerpt.ts";
import { type ListedPost, type PostSort, readPage } from "./post-pages.ts";
import { matching, type Searches } from "./post-search.ts";
import { untilCommit } from "./until-commit.ts";

export { POST_STATUSES };
export type Post = typeof posts.$inferSelect;
export type Status = Post["status"];
/** Shown also when the account is deactivated. */
export type Author = Pick<Account, "uuid" | "fullName" | "avatarUrl">;

export type PostQuery = Page & {
  readonly sort: PostSort;
  readonly status: Status;
  /** A uuid. */
  readonly author?: string | undefined;
  readonly search?: string | undefined;
};

const NOTHING = { rows: [], total: 0 };

/**
 * One page of published posts or of drafts: one's own, or everybody's for who moderates. Sorted by `createdAt` it
 * goes by the order of creation, so that new posts come after all others; upwards, no page shifts under a reader.
 */
export function list(
  core: Core,
  searches: Searches,
  viewer: Account | null,
  query: PostQuery,
): Promise<Paged<ListedPost>> {
  const read = () => readList(core, searches, viewer, query);
  // Published posts are the same for everybody.
  return query.status === "published" ? known(core, JSON.stringify(query), read) : read();
}

// With the largest pages about 10 MB.
const MAX_KNOWN = 200;
const known = untilCommit<Paged<ListedPost>>(MAX_KNOWN);

async function readList(
  core: Core,
  searches: Searches,
  viewer: Account | null,
  query: PostQuery,
): Promise<Paged<ListedPost>> {
  const { status } = query;
  const authorId = await authorOf(core, viewer, query);
  if (authorId === undefined) return NOTHING;
  const among = await totalOf(core.db).get({ authorId: authorId ?? EVERY_AUTHOR, status });
  if (among === undefined || among.total === 0) return NOTHING;
  if (query.search === undefined) {
    const source =
      authorId === null
        ? ({ of: "everybody", status } as const)
        : ({ of: "author", status, authorId } as const);
    return { rows: await readPage(core, source, query, among.total), total: among.total };
  }
  const match = matching(query.search, authorId);
  if (match === null) return NOTHING;
  const { total, head } = await searches.find(status, match, among.revision);
  return { rows: await readPage(core, { of: "search", status, match, head }, query, total), total };
}

/** Whose posts are wanted: null everybody's, undefined those of nobody. */
async function authorOf(core: Core, viewer: Account | null, { status, author }: PostQuery) {
  const wanted = author === undefined ? null : (await idOf(core.db).get({ uuid: author }))?.id;
  if (status === "published" || wanted === undefined) return wanted;
  if (viewer === null) return undefined;
  if (wanted === viewer.id || (await moderates(core, viewer))) return wanted;
  return wanted === null ? viewer.id : undefined;
}

const idOf = prepared((db) =>
  db
    .select({ id: accounts.id })
    .from(accounts)
    .where(eq(accounts.uuid, sql.placeholder("uuid")))
    .prepare(),
);

const totalOf = prepared((db) =>
  db
    .select({ total: postTotals.total, revision: postTotals.revision })
    .from(postTotals)
    .where(
      and(
        eq(postTotals.authorId, sql.placeholder("authorId")),
        eq(postTotals.status, sql.placeholder("status")),
      ),
    )
    .prepare(),
);

const byUuid = prepared((db) =>
  db
    .select({
      post: getTableColumns(posts),
      author: { uuid: accounts.uuid, fullName: accounts.fullName, avatarUrl: accounts.avatarUrl },
    })
    .from(posts)
    .innerJoin(accounts, eq(accounts.id, posts.authorId))
    .where(eq(posts.uuid, sql.placeholder("uuid")))
    .prepare(),
);

/** Throws `postNotFound`, also for drafts that the viewer may not see. */
export async function get(
  core: Core,
  viewer: Account | null,
  uuid: string,
): Promise<{ readonly post: Post; readonly author: Author }> {
  const found = await byUuid(core.db).get({ uuid: uuid.toLowerCase() });
  if (found === undefined || !(await isVisible(core, viewer, found.post))) throw postNotFound();
  return found;
}

export type NewPost = {
  readonly title: string;
  readonly content: string;
  /** Null: taken from the content. */
  readonly excerpt: string | null;
  readonly status: Status;
};

export async function create(core: Core, author: Account, input: NewPost): Promise<Post> {
  const now = core.clock();
  const [post] = await core.db
    .insert(posts)
    .values({
      uuid: newId(),
      authorId: author.id,
      ...input,
      excerpt: input.excerpt ?? excerptOf(input.content),
      excerptGiven: input.excerpt !== null,
      createdAt: now,
      updatedAt: now,
    })
    .returning();
  if (post === undefined) throw new Error("an INSERT ... RETURNING gave no row");
  return post;
}

/**
 * Changes only what is given; an excerpt of null is taken from the content again. For the author or who moderates.
 * Throws `postNotFound`, `forbidden`.
 */
export async function update(core: Core, by: By, uuid: string, changes: Partial<NewPost>): Promise<Post> {
  const { post } = await get(core, by.account, uuid);
  await requireAuthor(core, by.account, post.authorId);
  if (Object.keys(changes).length === 0) return post;
  const { excerpt, ...fields } = changes;
  const changing = core.db
    .update(posts)
    .set({ ...fields, ...changedExcerpt(excerpt, changes.content, post), updatedAt: core.clock() })
    .where(eq(posts.id, post.id))
    .returning();
  const details = { fields: Object.keys(changes) };
  const [changed] =
    by.account.id === post.authorId
      ? await changing
      : (await core.db.batch([changing, recording(core, by, "post.changed-by-moderator", post, details)]))[0];
  return changed ?? missing();
}

function changedExcerpt(excerpt: string | null | undefined, content: string | undefined, post: Post) {
  if (excerpt === null) return { excerpt: excerptOf(content ?? post.content), excerptGiven: false };
  if (excerpt !== undefined) return { excerpt, excerptGiven: true };
  if (content === undefined) return {};
  // Decided by the row as it is when it is written: another request may have given an excerpt meanwhile.
  return {
    excerpt: sql`CASE WHEN ${posts.excerptGiven} THEN ${posts.excerpt} ELSE ${excerptOf(content)} END`,
  };
}

/** With its comments. For the author or who moderates. Throws `postNotFound`, `forbidden`. */
export async function remove(core: Core, by: By, uuid: string): Promise<void> {
  const { post, author } = await get(core, by.account, uuid);
  await requireAuthor(core, by.account, post.authorId);
  const removing = core.db.delete(posts).where(eq(posts.id, post.id)).returning({ id: posts.id });
  // By the author it is found when that one's account is erased.
  const details = { title: post.title, author: author.uuid };
  const [removed] =
    by.account.id === post.authorId
      ? await removing
      : (await core.db.batch([removing, recording(core, by, "post.deleted", post, details)]))[0];
  if (removed === undefined) missing();
}

const recording = (
  core: Core,
  by: By,
  action: audit.AuditAction,
  post: Post,
  details: Readonly<Record<string, unknown>>,
) =>
  audit.recording(core, {
    actorId: by.account.id,
    action,
    target: `post:${post.uuid}`,
    address: by.address(),
    details,
  });

function missing(): never {
  throw postNotFound();
}
