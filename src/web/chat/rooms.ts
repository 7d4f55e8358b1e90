import { effect, signal, untracked } from "@preact/signals";
import { Failure, get } from "../api.ts";
import { path } from "../router.ts";
import { account, checkBy } from "../session.ts";
import { unread } from "../unread.ts";
import { forgetOutboxes } from "./outbox.ts";
import type { OwnRoom, RoomId } from "./shapes.ts";

/** The rooms that the account may see; null until they were read. */
export const rooms = signal<readonly OwnRoom[] | null>(null);
export const roomsFailure = signal<unknown>(null);
/** The room whose messages are on the screen, which are not unread then. */
export const openRoom = signal<string | null>(null);

// An answer that takes longer is none.
const ANSWER_MS = 10_000;
const REREAD_MS = 30_000;
const REREAD_SPREAD_MS = 30_000;
const SOON_MS = 2_000;

type Listener = (askedAt: number) => void;
const listeners = new Set<Listener>();
/** Calls back when the server turned out to be out of reach, until the function that it gives is called. */
export function onUnreachable(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

let dueAt = 0;
let asked = 0;
let heard = 0;
let soon: ReturnType<typeof setTimeout> | undefined;

export async function readRooms(): Promise<void> {
  const askedAt = Date.now();
  const turn = ++asked;
  dueAt = askedAt + REREAD_MS + Math.random() * REREAD_SPREAD_MS;
  try {
    const found = await get<OwnRoom[]>("/ws/rooms", AbortSignal.timeout(ANSWER_MS));
    // Two are often under way, and the older answer may come last: a room just made would vanish again.
    if (turn < heard) return;
    heard = turn;
    rooms.value = found.map((room) => (String(room.id) === openRoom.value ? { ...room, unread: 0 } : room));
    roomsFailure.value = null;
  } catch (error) {
    roomsFailure.value = error;
    if (error instanceof Failure && error.status === 0) for (const listener of listeners) listener(askedAt);
    throw error;
  }
}

/** At some moment, since all who are in a room hear of a change at once. */
export function readRoomsSoon(): void {
  if (soon !== undefined) return;
  soon = setTimeout(() => {
    soon = undefined;
    void readRooms().catch(() => {});
  }, Math.random() * SOON_MS);
}

/** What an open room knows better than the last look at all of them. */
export function amend(id: RoomId, known: Partial<Pick<OwnRoom, "unread" | "members">>): void {
  rooms.value =
    rooms.value?.map((room) => (String(room.id) === String(id) ? { ...room, ...known } : room)) ?? null;
}

/** The count in the frame follows; the regular look at the session reads the rooms. */
export function watchRooms(): void {
  checkBy(async () => {
    if (Date.now() >= dueAt) await readRooms();
    // A socket is told when its session ends.
    else if (listeners.size === 0) await get("/api/users/me", AbortSignal.timeout(ANSWER_MS));
  });
  effect(() => {
    unread.value = rooms.value?.reduce((sum, room) => sum + room.unread, 0) ?? 0;
  });
  let wasSignedIn = false;
  effect(() => {
    const isSignedIn = account.value !== null;
    if (account.value) void readRooms().catch(() => {});
    else rooms.value = null;
    if (wasSignedIn && !isSignedIn) forgetOutboxes();
    wasSignedIn = isSignedIn;
  });
  // Whoever looks elsewhere sees what is new there; the chat itself reads when it is shown.
  effect(() => {
    if (!path.value.startsWith("/chat") && account.peek()) untracked(() => void readRooms().catch(() => {}));
  });
}
