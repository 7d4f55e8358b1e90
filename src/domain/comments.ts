import { and, eq, sql } from "drizzle-orm";
import { prepared } from "../../db/prepare.ts";
import { accounts, commentLikes, comments, posts } from "../../db/schema.ts";
import type { Account } from "./accounts.ts";
import * as audit from "./audit.ts";
import type { Core } from "./core.ts";
import { newId } from "./ids.ts";
import type { Page, Paged } from "./paging.ts";
import {
  type By,
  commentNotFound,
  isVisible,
  moderates,
  postNotFound,
  requireAuthor,
} from "./post-access.ts";

type Row = Pick<typeof comments.$inferSelect, "uuid" | "content" | "createdAt" | "likes">;
/** The author is shown also when the account is deactivated. */
export type Comment = Row & { readonly author: Pick<Account, "uuid" | "fullName"> };

const columns = {
  uuid: comments.uuid,
  content: comments.content,
  createdAt: comments.createdAt,
  likes: comments.likes,
};

const postByUuid = prepared((db) =>
  db
    .select({
      id: posts.id,
      authorId: posts.authorId,
      status: posts.status,
      commentsCount: posts.commentsCount,
    })
    .from(posts)
    .where(eq(posts.uuid, sql.placeholder("uuid")))
    .prepare(),
);

const page = prepared((db) =>
  db
    .select({ ...columns, author: { uuid: accounts.uuid, fullName: accounts.fullName } })
    .from(comments)
    .innerJoin(accounts, eq(accounts.id, comments.authorId))
    .where(
      sql`comments.id IN (SELECT id FROM comments WHERE post_id = ${sql.placeholder("postId")}
        ORDER BY id LIMIT ${sql.placeholder("limit")} OFFSET ${sql.placeholder("offset")})`,
    )
    .orderBy(comments.id)
    .prepare(),
);

/** Oldest first, so that new ones shift no page. Throws `postNotFound`, also for drafts of others. */
export async function list(
  core: Core,
  viewer: Account | null,
  postUuid: string,
  { limit, offset }: Page,
): Promise<Paged<Comment>> {
  const post = await postByUuid(core.db).get({ uuid: postUuid.toLowerCase() });
  if (post === undefined || !(await isVisible(core, viewer, post))) throw postNotFound();
  const total = post.commentsCount;
  if (offset >= total) return { rows: [], total };
  return { rows: await page(core.db).all({ postId: post.id, limit, offset }), total };
}

// One statement, so that it shares its commit without a savepoint; a trigger counts it at the post.
const inserting = prepared((db) =>
  db
    .insert(comments)
    .select(
      sql`SELECT NULL, ${sql.placeholder("uuid")}, id, ${sql.placeholder("authorId")}, ${sql.placeholder("content")},
        0, ${sql.placeholder("now")}, ${sql.placeholder("now")} FROM posts WHERE uuid = ${sql.placeholder("postUuid")}
        AND (status = 'published' OR author_id = ${sql.placeholder("authorId")} OR ${sql.placeholder("seesDrafts")})`,
    )
    .returning(columns)
    .prepare(),
);

/** Throws `postNotFound`, also for drafts of others. */
export async function create(
  core: Core,
  author: Account,
  postUuid: string,
  content: string,
): Promise<Comment> {
  const insert = (seesDrafts: 0 | 1) =>
    inserting(core.db).all({
      uuid: newId(),
      authorId: author.id,
      content,
      now: core.clock(),
      postUuid: postUuid.toLowerCase(),
      seesDrafts,
    });
  let [comment] = await insert(0);
  if (comment === undefined && (await moderates(core, author))) [comment] = await insert(1);
  if (comment === undefined) throw postNotFound();
  return { ...comment, author };
}

const byUuid = prepared((db) =>
  db
    .select({
      id: comments.id,
      uuid: comments.uuid,
      authorId: comments.authorId,
      author: { uuid: accounts.uuid, fullName: accounts.fullName },
      post: { authorId: posts.authorId, status: posts.status },
    })
    .from(comments)
    .innerJoin(accounts, eq(accounts.id, comments.authorId))
    .innerJoin(posts, eq(posts.id, comments.postId))
    .where(eq(comments.uuid, sql.placeholder("uuid")))
    .prepare(),
);

async function visible(core: Core, viewer: Account, uuid: string) {
  const comment = await byUuid(core.db).get({ uuid: uuid.toLowerCase() });
  if (comment === undefined || !(await isVisible(core, viewer, comment.post))) throw commentNotFound();
  return comment;
}

/** For its author or who moderates. Throws `commentNotFound`, `forbidden`. */
export async function update(core: Core, by: By, uuid: string, content: string): Promise<Comment> {
  const comment = await visible(core, by.account, uuid);
  await requireAuthor(core, by.account, comment.authorId);
  const changing = core.db
    .update(comments)
    .set({ content, updatedAt: core.clock() })
    .where(eq(comments.id, comment.id))
    .returning(columns);
  const [changed] =
    by.account.id === comment.authorId
      ? await changing
      : (
          await core.db.batch([changing, recording(core, by, "comment.changed-by-moderator", comment.uuid)])
        )[0];
  if (changed === undefined) throw commentNotFound();
  return { ...changed, author: comment.author };
}

/** For its author or who moderates. Throws `commentNotFound`, `forbidden`. */
export async function remove(core: Core, by: By, uuid: string): Promise<void> {
  const comment = await visible(core, by.account, uuid);
  await requireAuthor(core, by.account, comment.authorId);
  const removing = core.db.delete(comments).where(eq(comments.id, comment.id)).returning({ id: comments.id });
  const [removed] =
    by.account.id === comment.authorId
      ? await removing
      : (await core.db.batch([removing, recording(core, by, "comment.deleted", comment.uuid)]))[0];
  if (removed === undefined) throw commentNotFound();
}

const recording = (core: Core, by: By, action: audit.AuditAction, uuid: string) =>
  audit.recording(core, {
    actorId: by.account.id,
    action,
    target: `comment:${uuid}`,
    address: by.address(),
  });

/** A second like by the same account changes nothing; a trigger counts. Throws `commentNotFound`. */
export async function like(core: Core, actor: Account, uuid: string): Promise<void> {
  const { id } = await visible(core, actor, uuid);
  await core.db
    .insert(commentLikes)
    // Not the number itself: the comment may be gone by now.
    .select(sql`SELECT id, ${actor.id} FROM comments WHERE id = ${id}`)
    .onConflictDoNothing();
}

/** Throws `commentNotFound`. */
export async function unlike(core: Core, actor: Account, uuid: string): Promise<void> {
  const { id } = await visible(core, actor, uuid);
  await core.db
    .delete(commentLikes)
    .where(and(eq(commentLikes.commentId, id), eq(commentLikes.accountId, actor.id)));
}
