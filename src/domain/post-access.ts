import type { Account } from "./accounts.ts";
import type { Core } from "./core.ts";
import { DomainError } from "./errors.ts";
import * as permissions from "./permissions.ts";

/** Who changes something, and from where: what moderators do is recorded. */
export type By = { readonly account: Account; address(): string };

export const moderates = (core: Core, account: Account): Promise<boolean> =>
  permissions.isAllowed(core, account, "blog.moderate");

/** Drafts are seen by their authors and by who moderates; null is somebody who is not signed in. */
export async function isVisible(
  core: Core,
  viewer: Account | null,
  post: { readonly status: string; readonly authorId: number },
): Promise<boolean> {
  if (post.status === "published") return true;
  return viewer !== null && (viewer.id === post.authorId || moderates(core, viewer));
}

/** Throws `forbidden` unless the account wrote it or moderates. */
export async function requireAuthor(core: Core, actor: Account, authorId: number): Promise<void> {
  await permissions.requireSelfOr(core, actor, authorId, "blog.moderate");
}

export const postNotFound = () => new DomainError("postNotFound", "There is no such post.");
export const commentNotFound = () => new DomainError("commentNotFound", "There is no such comment.");
