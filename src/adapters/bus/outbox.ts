import type { News } from "../../domain/core.ts";

/** What waits to be said to the other nodes, the same thing once. */
export type Outbox = {
  add(news: News): void;
  isEmpty(): boolean;
  /** All of it, and forgets it. */
  take(): News[];
};

type Typing = Extract<News, { kind: "typing" }>;

/** Rooms and typists that can wait. With one more, typing is forgotten first; too many rooms become one `missed`. */
export const MAX_WAITING = 500;

const MESSAGES: News = { kind: "messages" };
const SESSIONS: News = { kind: "sessions" };
const MISSED: News = { kind: "missed" };

/** `add` is called for each chat message: it makes no object for those. */
export function createOutbox(): Outbox {
  let messages = false;
  let sessions = false;
  let missed = false;
  const rooms = new Set<number>();
  const typing = new Map<string, Typing>();

  function addRoom(roomId: number): void {
    // Who looks at everything looks at this room too.
    if (missed) return;
    rooms.add(roomId);
    if (rooms.size + typing.size <= MAX_WAITING) return;
    typing.clear();
    if (rooms.size <= MAX_WAITING) return;
    rooms.clear();
    missed = true;
  }

  function addTyping(news: Typing): void {
    const key = `${news.roomId} ${news.userId}`;
    if (typing.has(key) || rooms.size + typing.size < MAX_WAITING) typing.set(key, news);
  }

  return {
    add(news) {
      switch (news.kind) {
        case "messages":
          messages = true;
          return;
        case "sessions":
          sessions = true;
          return;
        case "presence":
          return addRoom(news.roomId);
        case "typing":
          return addTyping(news);
        case "missed":
          missed = true;
          return;
      }
    },

    isEmpty: () => !(messages || sessions || missed) && rooms.size === 0 && typing.size === 0,

    take() {
      const taken: News[] = [];
      if (missed) {
        taken.push(MISSED);
      } else {
        if (messages) taken.push(MESSAGES);
        if (sessions) taken.push(SESSIONS);
        for (const roomId of rooms) taken.push({ kind: "presence", roomId });
      }
      taken.push(...typing.values());
      messages = sessions = missed = false;
      rooms.clear();
      typing.clear();
      return taken;
    },
  };
}
