import { account } from "./session.ts";
import { storage } from "./storage.ts";

// The API counts likes and does not tell whose they are, so this browser remembers what was liked in it.
const MAX_KEPT = 500;
const keyOf = () => `guildhall.likes.${account.peek()?.me.id ?? ""}`;

export function likedHere(): ReadonlySet<string> {
  try {
    const kept: unknown = JSON.parse(storage.read(keyOf()) ?? "[]");
    return new Set(Array.isArray(kept) ? kept.map(String) : []);
  } catch {
    return new Set();
  }
}

export function rememberLike(commentId: string, isLiked: boolean): void {
  const kept = [...likedHere()].filter((id) => id !== commentId);
  if (isLiked) kept.push(commentId);
  storage.write(keyOf(), JSON.stringify(kept.slice(-MAX_KEPT)));
}
