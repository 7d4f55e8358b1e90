import { account } from "./session.ts";
import { tabStorage } from "./storage.ts";

/**
 * What somebody is writing and has not saved, by account: a reload, another view and the end of the session leave it.
 * `name` says what it is about, among all that can be written.
 */
export function draftOf<Fields extends Readonly<Record<string, string>>>(name: string) {
  const key = `guildhall.draft.${account.peek()?.me.id ?? ""}.${name}`;
  return {
    /** Null when there is none of these fields. */
    read(like: Fields): Fields | null {
      try {
        const kept = JSON.parse(tabStorage.read(key) ?? "null") as Record<string, unknown> | null;
        if (kept === null) return null;
        return Object.keys(like).every((field) => typeof kept[field] === "string") ? (kept as Fields) : null;
      } catch {
        return null;
      }
    },
    keep: (fields: Fields) => tabStorage.write(key, JSON.stringify(fields)),
    drop: () => tabStorage.remove(key),
  };
}
