import { batch, signal } from "@preact/signals";
import { get } from "../api.ts";
import { openLink } from "./link.ts";
import { amend, readRoomsSoon } from "./rooms.ts";
import { startSending } from "./sending.ts";
import { type ChatMessage, type ChatUser, MODERATION_ACTIONS, type ServerFrame } from "./shapes.ts";
import {
  EMPTY,
  MAX_MESSAGES,
  MAX_MESSAGES_READ_BACK,
  nameOf,
  type Timeline,
  trimmed,
  withMessages,
  withNotice,
  withoutMessage,
} from "./timeline.ts";

const TYPING_SHOWN_MS = 5_000;
const TYPING_SENT_MS = 3_000;
const PAGE = 50;
const PAGE_MS = 15_000;

export type RoomConnection = ReturnType<typeof connectRoom>;

/** A room as one sees it: nothing of it is missed or said twice, however often the link breaks. */
export function connectRoom(id: string, own: ChatUser) {
  const name = signal<string | null>(null);
  const members = signal<readonly ChatUser[]>([]);
  const timeline = signal<Timeline>(EMPTY);
  const typing = signal<readonly ChatUser[]>([]);
  const hasEarlier = signal(false);
  /** Whether the reader is at the newest message. */
  const isAtEnd = signal(true);

  let epoch: string | null = null;
  let typedAt = 0;
  let readId = 0;
  /** What was removed while a page is on its way, which may hold it still. */
  let removed: Set<number> | null = null;

  const link = openLink(id, {
    since: () => (epoch === null ? null : { id: timeline.value.messages.at(-1)?.id ?? 0, epoch }),
    hear,
    lost: () => sending.lost(),
    barred: () => sending.clear(),
  });
  const sending = startSending(own.id, id, link);

  function hear(frame: ServerFrame): void {
    switch (frame.type) {
      case "welcome":
        welcomed(frame);
        break;
      case "message":
        heard(frame, frame.key);
        break;
      case "deleted":
        removed?.add(frame.id);
        timeline.value = withoutMessage(timeline.value, frame.id);
        break;
      case "joined":
        here([...members.value.filter((member) => member.id !== frame.id), personIn(frame)]);
        break;
      case "left":
        here(members.value.filter((member) => member.id !== frame.id));
        typing.value = typing.value.filter((member) => member.id !== frame.id);
        break;
      case "typing":
        types(personIn(frame));
        break;
      case "moderated":
        noticed(frame);
        break;
      case "error":
        if (frame.key !== undefined) sending.refused(frame.key, frame.code, frame.message);
    }
  }

  function welcomed(frame: Extract<ServerFrame, { type: "welcome" }>): void {
    batch(() => {
      const isNew = epoch === null || frame.gap;
      epoch = frame.epoch;
      name.value = frame.room.name;
      here(frame.members);
      // After a gap what was here would stand before a hole: it is read again by scrolling back.
      if (isNew) hasEarlier.value = frame.history.length >= PAGE;
      add(isNew ? EMPTY : timeline.value, frame.history);
    });
    sending.next();
  }

  function here(people: readonly ChatUser[]): void {
    members.value = people;
    amend(id, { members: people.length });
  }

  function heard(message: ChatMessage, key: string | undefined): void {
    batch(() => {
      add(timeline.value, [message]);
      typing.value = typing.value.filter((member) => member.id !== message.userId);
      if (key !== undefined && message.userId === own.id) sending.stored(key);
    });
  }

  function add(to: Timeline, messages: readonly ChatMessage[]): void {
    const longer = withMessages(to, messages);
    // Who reads far back keeps what is being read.
    timeline.value = trimmed(longer, isAtEnd.value ? MAX_MESSAGES : MAX_MESSAGES_READ_BACK);
    if (timeline.value !== longer) hasEarlier.value = true;
  }

  function types(person: ChatUser): void {
    if (person.id === own.id) return;
    typing.value = [...typing.value.filter((member) => member.id !== person.id), person];
    setTimeout(() => {
      typing.value = typing.value.filter((member) => member !== person);
    }, TYPING_SHOWN_MS);
  }

  function noticed({ id, action: done, reason }: Extract<ServerFrame, { type: "moderated" }>): void {
    const action = MODERATION_ACTIONS.find((known) => known === done);
    if (action === undefined) return;
    const username = nameOf(id, members.value, timeline.value);
    timeline.value = withNotice(timeline.value, { action, username, reason: reason ?? null });
    // One's own role, or the room's name, may be another now.
    readRoomsSoon();
  }

  return {
    id,
    name,
    members,
    timeline,
    waiting: sending.waiting,
    delay: sending.delay,
    hasVanished: sending.hasVanished,
    typing,
    hasEarlier,
    isAtEnd,
    state: link.state,
    tryNow: link.tryNow,

    /** False when too much is waiting already. */
    say(content: string): boolean {
      typedAt = 0;
      return sending.say(content);
    },

    resend: sending.resend,
    discard: sending.discard,

    isTyping(): void {
      if (Date.now() - typedAt >= TYPING_SENT_MS && link.send({ type: "typing" })) typedAt = Date.now();
    },

    /** Everything that is here has been seen. */
    read(): void {
      const last = timeline.value.messages.at(-1)?.id ?? 0;
      if (last <= readId || !link.send({ type: "read", id: last })) return;
      readId = last;
      amend(id, { unread: 0 });
    },

    /** The page before the first message; nothing when another is the first by the time that it is here. */
    async readEarlier(): Promise<void> {
      const asked = { first: timeline.value.messages[0]?.id, epoch };
      const query = new URLSearchParams({
        limit: String(PAGE),
        ...(asked.first === undefined ? {} : { before: String(asked.first) }),
      });
      const path = `/ws/rooms/${encodeURIComponent(id)}/messages?${query}`;
      const gone = new Set<number>();
      removed = gone;
      const page = await get<{ messages: ChatMessage[]; epoch: string }>(
        path,
        AbortSignal.timeout(PAGE_MS),
      ).finally(() => {
        removed = null;
      });
      if (epoch !== asked.epoch || page.epoch !== epoch || timeline.value.messages[0]?.id !== asked.first)
        return;
      batch(() => {
        hasEarlier.value = page.messages.length >= PAGE;
        timeline.value = withMessages(
          timeline.value,
          page.messages.filter((message) => !gone.has(message.id)),
        );
      });
    },

    close(): void {
      link.close();
      sending.close();
    },
  };
}

const personIn = ({ id, username }: ChatUser): ChatUser => ({ id, username });
