import type { ChatMessage } from "../../chat/shapes.ts";
import type { Notice, Timeline } from "../../chat/timeline.ts";
import { date } from "../../format.ts";

// Messages of one person that follow so closely stand under one name.
const TOGETHER_MS = 5 * 60_000;

export type Entry =
  | { readonly kind: "day"; readonly key: string; readonly text: string }
  | { readonly kind: "notice"; readonly key: string; readonly notice: Notice }
  | { readonly kind: "message"; readonly message: ChatMessage; readonly isFirst: boolean };

/** What is shown line by line: messages with the days and notices between them. */
export function entriesOf({ messages, notices }: Timeline): Entry[] {
  const entries: Entry[] = [];
  const pending = [...notices];
  let last: ChatMessage | null = null;
  let day = "";
  const noticesUpTo = (id: number) => {
    for (let next = pending[0]; next !== undefined && next.after <= id; next = pending[0]) {
      entries.push({
        kind: "notice",
        key: `notice ${next.at} ${next.action} ${next.username}`,
        notice: next,
      });
      pending.shift();
      last = null;
    }
  };
  for (const message of messages) {
    noticesUpTo(message.id - 1);
    const today = date(message.sentAt);
    if (today !== day) entries.push({ kind: "day", key: `day ${message.id}`, text: today });
    const follows =
      today === day &&
      last !== null &&
      last.userId === message.userId &&
      last.username === message.username &&
      Date.parse(message.sentAt) - Date.parse(last.sentAt) < TOGETHER_MS;
    entries.push({ kind: "message", message, isFirst: !follows });
    last = message;
    day = today;
  }
  noticesUpTo(Number.POSITIVE_INFINITY);
  return entries;
}
