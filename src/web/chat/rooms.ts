import { effect, signal } from "@preact/signals";
import { Failure, get } from "../api.ts";
import { account, checkBy } from "../session.ts";
import { unread } from "../unread.ts";
import type { OwnRoom, RoomId } from "./shapes.ts";

/** The rooms that the account may see; null until they were read. */
export const rooms = signal<readonly OwnRoom[] | null>(null);
export const roomsFailure = signal<unknown>(null);
/** The room whose messages are on the screen, which are not unread then. */
export const openRoom = signal<string | null>(null);

const listeners = new Set<() => void>();
/** Calls back when the server turned out to be out of reach, until the function that it gives is called. */
export function onUnreachable(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export async function readRooms(): Promise<void> {
  try {
    const found = await get<OwnRoom[]>("/ws/rooms");
    rooms.value = found.map((room) => (String(room.id) === openRoom.value ? { ...room, unread: 0 } : room));
    roomsFailure.value = null;
  } catch (error) {
    roomsFailure.value = error;
    if (error instanceof Failure && error.status === 0) for (const listener of listeners) listener();
    throw error;
  }
}

/** What an open room knows better than the last look at all of them. */
export function amend(id: RoomId, known: Partial<Pick<OwnRoom, "unread" | "members">>): void {
  rooms.value =
    rooms.value?.map((room) => (String(room.id) === String(id) ? { ...room, ...known } : room)) ?? null;
}

/** The count in the frame follows; the regular look at the session reads the rooms. */
export function watchRooms(): void {
  checkBy(readRooms);
  effect(() => {
    unread.value = rooms.value?.reduce((sum, room) => sum + room.unread, 0) ?? 0;
  });
  effect(() => {
    if (account.value) void readRooms().catch(() => {});
    else rooms.value = null;
  });
}
