import { batch, signal } from "@preact/signals";
import { get } from "../api.ts";
import { openLink } from "./link.ts";
import { createOutbox, type Waiting } from "./outbox.ts";
import { amend, readRooms } from "./rooms.ts";
import {
  type ChatMessage,
  type ChatUser,
  type FrameError,
  MODERATION_ACTIONS,
  type ServerFrame,
} from "./shapes.ts";
import {
  EMPTY,
  nameOf,
  type Timeline,
  trimmed,
  withMessages,
  withNotice,
  withoutMessage,
} from "./timeline.ts";

// A message is answered by its own broadcast; a socket that stays silent for so long is dead.
const ANSWER_MS = 10_000;
const FIRST_RESEND_MS = 1_500;
const MAX_RESEND_MS = 30_000;
const TYPING_SHOWN_MS = 5_000;
const TYPING_SENT_MS = 3_000;
const PAGE = 50;
/** Refusals that end by themselves. */
const RESENT: readonly FrameError[] = ["too_fast", "slow_mode", "unavailable"];

export type RoomConnection = ReturnType<typeof connectRoom>;

/** A room as one sees it: nothing of it is missed or said twice, however often the link breaks. */
export function connectRoom(id: string, own: ChatUser) {
  const outbox = createOutbox(own.id, id);
  const name = signal<string | null>(null);
  const members = signal<readonly ChatUser[]>([]);
  const timeline = signal<Timeline>(EMPTY);
  const waiting = signal<readonly Waiting[]>(outbox.read());
  const typing = signal<readonly ChatUser[]>([]);
  const hasEarlier = signal(false);

  let epoch: string | null = null;
  let answering: ReturnType<typeof setTimeout> | undefined;
  let inFlight: string | null = null;
  let refusals = 0;
  let resending: ReturnType<typeof setTimeout> | undefined;
  let typedAt = 0;
  let readId = 0;

  const link = openLink(id, {
    since: () => (epoch === null ? null : { id: timeline.value.messages.at(-1)?.id ?? 0, epoch }),
    hear,
    lost: answered,
  });

  function hear(frame: ServerFrame): void {
    switch (frame.type) {
      case "welcome":
        welcomed(frame);
        break;
      case "message":
        heard(frame, frame.key);
        break;
      case "deleted":
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
        if (frame.key !== undefined) notTaken(frame.key, frame.code, frame.message);
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
      timeline.value = withMessages(isNew ? EMPTY : timeline.value, frame.history);
    });
    sendNext();
  }

  function here(people: readonly ChatUser[]): void {
    members.value = people;
    amend(id, { members: people.length });
  }

  function heard(message: ChatMessage, key: string | undefined): void {
    batch(() => {
      const longer = withMessages(timeline.value, [message]);
      timeline.value = trimmed(longer);
      if (timeline.value !== longer) hasEarlier.value = true;
      typing.value = typing.value.filter((member) => member.id !== message.userId);
      if (key !== undefined && message.userId === own.id) waiting.value = outbox.remove(key);
    });
    if (key === undefined || key !== inFlight) return;
    refusals = 0;
    answered();
    sendNext();
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
    void readRooms().catch(() => {});
  }

  function notTaken(key: string, code: FrameError, message: string): void {
    if (key === inFlight) answered();
    if (RESENT.includes(code)) {
      clearTimeout(resending);
      resending = setTimeout(sendNext, Math.min(FIRST_RESEND_MS * 2 ** refusals, MAX_RESEND_MS));
      refusals += 1;
      return;
    }
    waiting.value = outbox.refuse(key, { code, message });
    sendNext();
  }

  function answered(): void {
    inFlight = null;
    clearTimeout(answering);
  }

  /** One after the other, so that they are stored in the order in which they were said. */
  function sendNext(): void {
    if (inFlight !== null) return;
    const next = outbox.read().find(({ refusal }) => refusal === null);
    if (next === undefined || !link.send({ type: "message", content: next.content, key: next.key })) return;
    inFlight = next.key;
    answering = setTimeout(link.drop, ANSWER_MS);
  }

  return {
    id,
    name,
    members,
    timeline,
    waiting,
    typing,
    hasEarlier,
    state: link.state,
    tryNow: link.tryNow,

    /** False when too much is waiting already. */
    say(content: string): boolean {
      if (outbox.isFull()) return false;
      waiting.value = outbox.add(content);
      typedAt = 0;
      sendNext();
      return true;
    },

    resend(key: string): void {
      waiting.value = outbox.refuse(key, null);
      sendNext();
    },

    discard(key: string): void {
      waiting.value = outbox.remove(key);
    },

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

    async readEarlier(): Promise<void> {
      const first = timeline.value.messages[0]?.id;
      const query = new URLSearchParams({
        limit: String(PAGE),
        ...(first === undefined ? {} : { before: String(first) }),
      });
      const path = `/ws/rooms/${encodeURIComponent(id)}/messages?${query}`;
      const { messages } = await get<{ messages: ChatMessage[] }>(path);
      batch(() => {
        hasEarlier.value = messages.length >= PAGE;
        timeline.value = withMessages(timeline.value, messages);
      });
    },

    close(): void {
      link.close();
      answered();
      clearTimeout(resending);
    },
  };
}

const personIn = ({ id, username }: ChatUser): ChatUser => ({ id, username });
