import type { ChatMessage, ChatUser, ModerationAction } from "./shapes.ts";

/** Something that was done in the room, told between the messages. */
export type Notice = {
  /** The id of the message that it stands after. */
  readonly after: number;
  readonly at: number;
  readonly action: ModerationAction;
  readonly username: string;
  readonly reason: string | null;
};

export type Timeline = { readonly messages: readonly ChatMessage[]; readonly notices: readonly Notice[] };

export const EMPTY: Timeline = { messages: [], notices: [] };
// Beyond it the oldest are forgotten; scrolling back reads them again.
export const MAX_MESSAGES = 1_000;
/** As far as one gets by scrolling back before new messages take the first ones away. */
export const MAX_MESSAGES_READ_BACK = 5_000;
const MAX_NOTICES = 50;

/** With these messages, each once and in the order of their ids. */
export function withMessages(timeline: Timeline, added: readonly ChatMessage[]): Timeline {
  const last = timeline.messages.at(-1);
  const [first] = added;
  if (first === undefined) return timeline;
  if (added.length === 1 && (last === undefined || last.id < first.id)) {
    return { ...timeline, messages: [...timeline.messages, first] };
  }
  const byId = new Map(timeline.messages.map((message) => [message.id, message]));
  for (const message of added) byId.set(message.id, message);
  return { ...timeline, messages: [...byId.values()].sort((one, other) => one.id - other.id) };
}

export const withoutMessage = (timeline: Timeline, id: number): Timeline => ({
  ...timeline,
  messages: timeline.messages.filter((message) => message.id !== id),
});

export const withNotice = (timeline: Timeline, notice: Omit<Notice, "after" | "at">): Timeline => ({
  ...timeline,
  notices: [
    ...timeline.notices.slice(1 - MAX_NOTICES),
    { ...notice, after: timeline.messages.at(-1)?.id ?? 0, at: Date.now() },
  ],
});

/** The newest ones only. */
export const trimmed = (timeline: Timeline, most: number): Timeline =>
  timeline.messages.length <= most ? timeline : { ...timeline, messages: timeline.messages.slice(-most) };

/** What somebody is called, by who is here or has said something. */
export const nameOf = (id: number, members: readonly ChatUser[], { messages }: Timeline): string =>
  members.find((member) => member.id === id)?.username ??
  messages.findLast((message) => message.userId === id)?.username ??
  `#${id}`;
