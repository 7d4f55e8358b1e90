import type { Comment } from "../../domain/comments.ts";
import type { ListedPost } from "../../domain/post-pages.ts";
import type { Author, Post } from "../../domain/posts.ts";
import { isoSeconds } from "../../http/dates.ts";

const author = ({ uuid, fullName }: Pick<Author, "uuid" | "fullName">) => ({ id: uuid, full_name: fullName });

/** `views` of these is the whole number, with those that are not stored yet. */
export const listedPost = (post: ListedPost, views: number) => ({
  id: post.uuid,
  title: post.title,
  excerpt: post.excerpt,
  author: author(post.author),
  status: post.status,
  created_at: isoSeconds(post.createdAt),
  views,
});

export const post = (row: Post, by: Author, views: number) => ({
  id: row.uuid,
  title: row.title,
  content: row.content,
  excerpt: row.excerpt,
  author: { ...author(by), avatar_url: by.avatarUrl },
  status: row.status,
  created_at: isoSeconds(row.createdAt),
  updated_at: isoSeconds(row.updatedAt),
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
  created_at: isoSeconds(row.createdAt),
});

export const changedPost = (row: Post) => ({
  id: row.uuid,
  title: row.title,
  content: row.content,
  status: row.status,
  updated_at: isoSeconds(row.updatedAt),
});

export const createdComment = (comment: Comment) => ({
  id: comment.uuid,
  content: comment.content,
  author: author(comment.author),
  created_at: isoSeconds(comment.createdAt),
});

export const comment = (row: Comment) => ({ ...createdComment(row), likes: row.likes });
