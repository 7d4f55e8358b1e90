import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Account } from "../../domain/accounts.ts";
import * as comments from "../../domain/comments.ts";
import type { Core } from "../../domain/core.ts";
import { DomainError } from "../../domain/errors.ts";
import type { By } from "../../domain/post-access.ts";
import type { ListedPost } from "../../domain/post-pages.ts";
import { createSearches } from "../../domain/post-search.ts";
import { createPostViews, type PostViews } from "../../domain/post-views.ts";
import * as posts from "../../domain/posts.ts";
import type { ApiContext, Env } from "../../http/context.ts";
import type { Origins } from "../../http/origins.ts";
import { paged, pageOf } from "../../http/paging.ts";
import { authenticated, findToken } from "../../http/token.ts";
import * as contract from "./blog-contract.ts";
import * as wire from "./blog-wire.ts";

const NO_STORE = { "Cache-Control": "no-store" };

/** Posts and comments. `views` is closed by who gives it; one of its own is lost with what it has not stored. */
export function addBlogRoutes(
  app: OpenAPIHono<Env>,
  core: Core,
  origins: Origins,
  views: PostViews = createPostViews(core),
): void {
  const searches = createSearches(core);

  async function by(c: ApiContext): Promise<By> {
    const { account } = await authenticated(core, origins, c);
    return { account, address: () => c.env.address() };
  }

  /** What is public is read with any token; where more is asked for, one that does not work is told. */
  async function reading<T>(c: ApiContext, read: (viewer: Account | null) => Promise<T>): Promise<T> {
    if (findToken(c) === null) return read(null);
    const viewer = await authenticated(core, origins, c).catch(refusal);
    if (!(viewer instanceof DomainError)) return read(viewer.account);
    return read(null).catch((error: unknown) => {
      throw error instanceof DomainError ? viewer : error;
    });
  }

  app.openapi(contract.listPosts, async function listPosts(c) {
    const { sort, status, author_id, search = "", ...input } = c.req.valid("query");
    const query = {
      ...pageOf(input),
      sort,
      status,
      author: author_id,
      ...(search.trim() === "" ? {} : { search }),
    };
    // The answer to anybody is the same but for drafts.
    const viewer = status === "draft" ? (await authenticated(core, origins, c)).account : null;
    const found = await posts.list(core, searches, viewer, query);
    const spell = (row: ListedPost) => wire.listedPost(row, row.views + views.pending(row.id));
    return c.json(paged(found, input, spell), 200, NO_STORE);
  });

  app.openapi(contract.createPost, async function createPost(c) {
    const { account } = await authenticated(core, origins, c);
    const { title, content, excerpt = null, status } = c.req.valid("json");
    const post = await posts.create(core, account, { title, content, excerpt, status });
    return c.json(wire.createdPost(post, account), 201, NO_STORE);
  });

  app.openapi(contract.getPost, async function getPost(c) {
    const { id } = c.req.valid("param");
    const { post, author } = await reading(c, async (viewer) => {
      const found = await posts.get(core, viewer, id);
      if (found.post.status === "published") views.seen(found.post.id, viewer?.uuid ?? c.env.address());
      return found;
    });
    return c.json(wire.post(post, author, post.views + views.pending(post.id)), 200, NO_STORE);
  });

  app.openapi(contract.updatePost, async function updatePost(c) {
    const actor = await by(c);
    const post = await posts.update(core, actor, c.req.valid("param").id, changesOf(c.req.valid("json")));
    return c.json(wire.changedPost(post), 200, NO_STORE);
  });

  app.openapi(contract.deletePost, async function deletePost(c) {
    await posts.remove(core, await by(c), c.req.valid("param").id);
    return c.body(null, 204);
  });

  app.openapi(contract.listComments, async function listComments(c) {
    const input = c.req.valid("query");
    const { id } = c.req.valid("param");
    const found = await reading(c, (viewer) => comments.list(core, viewer, id, pageOf(input)));
    return c.json(paged(found, input, wire.comment), 200, NO_STORE);
  });

  app.openapi(contract.createComment, async function createComment(c) {
    const { account } = await authenticated(core, origins, c);
    const { content } = c.req.valid("json");
    const comment = await comments.create(core, account, c.req.valid("param").id, content);
    return c.json(wire.createdComment(comment), 201, NO_STORE);
  });

  app.openapi(contract.updateComment, async function updateComment(c) {
    const actor = await by(c);
    const { content } = c.req.valid("json");
    const comment = await comments.update(core, actor, c.req.valid("param").id, content);
    return c.json(wire.comment(comment), 200, NO_STORE);
  });

  app.openapi(contract.deleteComment, async function deleteComment(c) {
    await comments.remove(core, await by(c), c.req.valid("param").id);
    return c.body(null, 204);
  });

  app.openapi(contract.likeComment, async function likeComment(c) {
    const { account } = await authenticated(core, origins, c);
    await comments.like(core, account, c.req.valid("param").id);
    return c.body(null, 204);
  });

  app.openapi(contract.unlikeComment, async function unlikeComment(c) {
    const { account } = await authenticated(core, origins, c);
    await comments.unlike(core, account, c.req.valid("param").id);
    return c.body(null, 204);
  });
}

/** A refused token is an answer here; that the database is away is not. */
function refusal(error: unknown): DomainError {
  if (error instanceof DomainError) return error;
  throw error;
}

const changesOf = ({ title, content, excerpt, status }: contract.PostChanges): Partial<posts.NewPost> => ({
  ...(title === undefined ? {} : { title }),
  ...(content === undefined ? {} : { content }),
  ...(excerpt === undefined ? {} : { excerpt }),
  ...(status === undefined ? {} : { status }),
});
