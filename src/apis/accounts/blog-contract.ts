import { createRoute, z } from "@hono/zod-openapi";
import type { PostSort } from "../../domain/post-pages.ts";
import { POST_STATUSES } from "../../domain/posts.ts";
import { answer, body, failures, like, listOf, TOKEN } from "../../http/describe.ts";
import { MAX_BODY_BYTES, text } from "../../http/input.ts";
import { pageQuery } from "../../http/paging.ts";
import { ApiError } from "../api-errors.ts";

const MAX_TITLE_CHARACTERS = 200;
const MAX_EXCERPT_CHARACTERS = 500;
const MAX_COMMENT_CHARACTERS = 10_000;
const MAX_SEARCH_CHARACTERS = 200;
const tags = ["blog"];

const Uuid = z.uuid().openapi({ example: "660e8400-e29b-41d4-a716-446655440000" });
const Time = z.string().openapi({ format: "date-time", example: "2026-04-14T10:30:00Z" });
const Status = z.enum(POST_STATUSES).openapi({ example: "published" });
const Count = z.number().int().min(0).openapi({ example: 5 });
const Title = like("Getting Started with Rust");
const Content = like("# Introduction to Rust\n\nRust is...");
const Excerpt = like("Learn Rust basics...");
const Views = Count.openapi({ example: 1250 });

const Author = z
  .object({
    id: Uuid.openapi({ example: "550e8400-e29b-41d4-a716-446655440000" }),
    full_name: like("John Doe").nullable(),
  })
  .openapi("BlogAuthor");

const ListedPost = z
  .object({
    id: Uuid,
    title: Title,
    excerpt: Excerpt,
    author: Author,
    status: Status,
    created_at: Time,
    views: Views,
  })
  .openapi("ListedPost");

const Post = z
  .object({
    id: Uuid,
    title: Title,
    content: Content,
    excerpt: Excerpt,
    author: z.object({ ...Author.shape, avatar_url: like("https://cdn.example.com/avatar.jpg").nullable() }),
    status: Status,
    created_at: Time,
    updated_at: Time,
    views: Views,
    comments_count: Count,
  })
  .openapi("Post");

const CreatedPost = z
  .object({
    id: Uuid,
    title: Title,
    content: Content,
    excerpt: Excerpt,
    author: Author,
    status: Status,
    created_at: Time,
  })
  .openapi("CreatedPost");

const ChangedPost = z
  .object({ id: Uuid, title: Title, content: Content, status: Status, updated_at: Time })
  .openapi("ChangedPost");

const createdComment = {
  id: Uuid.openapi({ example: "770e8400-e29b-41d4-a716-446655440000" }),
  content: like("Great article! Really helpful."),
  author: Author,
  created_at: Time,
};
const CreatedComment = z.object(createdComment).openapi("CreatedComment");
const Comment = z.object({ ...createdComment, likes: Count }).openapi("Comment");

const visibly = (schema: z.ZodString) => schema.refine((value) => value.trim() !== "", "must not be blank");

const fields = {
  title: visibly(text(1, MAX_TITLE_CHARACTERS)).openapi({ example: "Getting Started with Rust" }),
  content: visibly(text(1, MAX_BODY_BYTES)).openapi({
    description: "Markdown",
    example: "# Introduction to Rust\n\nRust is...",
  }),
  excerpt: text(1, MAX_EXCERPT_CHARACTERS)
    .nullable()
    .optional()
    .openapi({ description: "Taken from the content when absent or null", example: "Learn Rust basics..." }),
  status: Status,
};

const NewPost = z.object({ ...fields, status: Status.default("draft") });
const PostChanges = z.object({
  title: fields.title.optional(),
  content: fields.content.optional(),
  excerpt: fields.excerpt.openapi({ description: "Null: taken from the content again" }),
  status: Status.optional(),
});
export type PostChanges = z.infer<typeof PostChanges>;
const CommentInput = z.object({
  content: visibly(text(1, MAX_COMMENT_CHARACTERS)).openapi({ example: "Great article! Really helpful." }),
});

const SORTS = {
  created_at: { field: "createdAt", descending: false },
  "-created_at": { field: "createdAt", descending: true },
  updated_at: { field: "updatedAt", descending: false },
  "-updated_at": { field: "updatedAt", descending: true },
  title: { field: "title", descending: false },
  "-title": { field: "title", descending: true },
  views: { field: "views", descending: false },
  "-views": { field: "views", descending: true },
} as const satisfies Record<string, PostSort>;
const SORT_NAMES = Object.keys(SORTS) as (keyof typeof SORTS)[];

const id = { params: z.object({ id: z.string().openapi({ format: "uuid" }) }) };

export const listPosts = createRoute({
  method: "get",
  path: "/api/blogs/posts",
  tags,
  summary: "List published posts; with status=draft one's own drafts, for who moderates everybody's",
  request: {
    query: z.object({
      ...pageQuery(10),
      author_id: Uuid.toLowerCase().optional(),
      search: z.string().max(MAX_SEARCH_CHARACTERS).optional().openapi({
        description: "Posts with all of these words in title or content; the last may be unfinished",
      }),
      status: Status.default("published"),
      sort: z
        .enum(SORT_NAMES)
        .default("-created_at")
        .transform((name): PostSort => SORTS[name])
        .openapi({ type: "string", enum: SORT_NAMES, default: "-created_at" }),
    }),
  },
  responses: {
    200: answer(listOf(ListedPost), "One page"),
    ...failures(ApiError, 400, 401, 503),
  },
});

export const getPost = createRoute({
  method: "get",
  path: "/api/blogs/posts/{id}",
  tags,
  summary: "Get a post; a draft is there for its author and for who moderates",
  request: id,
  responses: { 200: answer(Post, "The post"), ...failures(ApiError, 401, 404, 503) },
});

export const createPost = createRoute({
  method: "post",
  path: "/api/blogs/posts",
  tags,
  security: TOKEN,
  summary: "Create a post",
  request: body(NewPost),
  responses: { 201: answer(CreatedPost, "Created"), ...failures(ApiError, 400, 401, 413, 415, 503) },
});

export const updatePost = createRoute({
  method: "put",
  path: "/api/blogs/posts/{id}",
  tags,
  security: TOKEN,
  summary: "Change the fields that are sent; for the author and who moderates",
  request: { ...id, ...body(PostChanges) },
  responses: {
    200: answer(ChangedPost, "The changed post"),
    ...failures(ApiError, 400, 401, 403, 404, 413, 415, 503),
  },
});

export const deletePost = createRoute({
  method: "delete",
  path: "/api/blogs/posts/{id}",
  tags,
  security: TOKEN,
  summary: "Delete a post and its comments; for the author and who moderates",
  request: id,
  responses: { 204: { description: "Deleted" }, ...failures(ApiError, 401, 403, 404, 503) },
});

export const listComments = createRoute({
  method: "get",
  path: "/api/blogs/posts/{id}/comments",
  tags,
  summary: "List a post's comments, oldest first",
  request: { ...id, query: z.object(pageQuery(20)) },
  responses: {
    200: answer(listOf(Comment), "One page"),
    ...failures(ApiError, 400, 401, 404, 503),
  },
});

export const createComment = createRoute({
  method: "post",
  path: "/api/blogs/posts/{id}/comments",
  tags,
  security: TOKEN,
  summary: "Comment on a post",
  request: { ...id, ...body(CommentInput) },
  responses: { 201: answer(CreatedComment, "Created"), ...failures(ApiError, 400, 401, 404, 413, 415, 503) },
});

export const updateComment = createRoute({
  method: "put",
  path: "/api/blogs/comments/{id}",
  tags,
  security: TOKEN,
  summary: "Change a comment; for its author and who moderates",
  request: { ...id, ...body(CommentInput) },
  responses: {
    200: answer(Comment, "The changed comment"),
    ...failures(ApiError, 400, 401, 403, 404, 413, 415, 503),
  },
});

export const deleteComment = createRoute({
  method: "delete",
  path: "/api/blogs/comments/{id}",
  tags,
  security: TOKEN,
  summary: "Delete a comment; for its author and who moderates",
  request: id,
  responses: { 204: { description: "Deleted" }, ...failures(ApiError, 401, 403, 404, 503) },
});

const liking = (method: "post" | "delete", summary: string) =>
  createRoute({
    method,
    path: "/api/blogs/comments/{id}/like",
    tags,
    security: TOKEN,
    summary,
    request: id,
    responses: { 204: { description: "Done" }, ...failures(ApiError, 401, 404, 503) },
  });
export const likeComment = liking("post", "Like a comment; a second like changes nothing");
export const unlikeComment = liking("delete", "Take a like back");
