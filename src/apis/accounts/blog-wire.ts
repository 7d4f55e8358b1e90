import type { Comment } from "../../domain/comments.ts";
import type { ListedPost } from "../../domain/post-pages.ts";
import type { Author, Post } from "../../domain/posts.ts";

/** "2026-04-14T10:30:00Z": in seconds, as the document has it. */
const date = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

const author = ({ uuid, fullName }: Pick<Author, "uuid" | "fullName">) => ({ id: uuid, full_name: fullName });

/** `views` of these is the whole number, with those that are not stored yet. */
export const listedPost = (post: ListedPost, views: number) => ({
  id: post.uuid,
  title: post.title,
  excerpt: post.excerpt,
  author: author(post.author),
  status: post.status,
  created_at: date(post.createdAt),
  views,
});

export const post = (row: Post, by: Author, views: number) => ({
  id: row.uuid,
  title: row.title,
  content: row.content,
  excerpt: row.excerpt,
  author: { ...author(by), avatar_url: by.avatarUrl },
  status: row.status,
  created_at: date(row.createdAt),
  updated_at: date(row.updatedAt),
  views,
  comments_count: row.commentsCount,
});

export const createdPost = (row: Post, by: Author) => ({
  id: row.uuid,
  title: row.title,
  content: row.content,
  excerpt: row.excerpt,
  author: author(by),
  status: row.status,
  created_at: date(row.createdAt),
});

export const changedPost = (row: Post) => ({
  id: row.uuid,
  title: row.title,
  content: row.content,
  status: row.status,
  updated_at: date(row.updatedAt),
});

export const createdComment = (comment: Comment) => ({
  id: comment.uuid,
  content: comment.content,
  author: author(comment.author),
  created_at: date(comment.createdAt),
});

export const comment = (row: Comment) => ({ ...createdComment(row), likes: row.likes });

export const pagination = (page: number, limit: number, total: number) => ({
  page,
  limit,
  total,
  pages: Math.ceil(total / limit),
});
