import type { LogEntry } from "./messages.ts";
import type { Act } from "./moderation.ts";
import type { Person, Room } from "./rooms.ts";

export type Somebody = Pick<Person, "id" | "username">;

/** What everybody in a room is told. */
export type RoomEvent =
  | { readonly kind: "message"; readonly message: LogEntry }
  | { readonly kind: "joined" | "left" | "typing"; readonly person: Somebody }
  | { readonly kind: "deleted"; readonly messageId: number }
  | { readonly kind: "moderated"; readonly act: Act };

/** The first thing that somebody who joins is told. */
export type Welcome = {
  readonly room: Room;
  readonly you: Somebody;
  readonly members: readonly Somebody[];
  readonly history: readonly LogEntry[];
  readonly epoch: string;
  readonly isGap: boolean;
};

export type Ending =
  | "sessionEnded"
  | "removed"
  | "roomGone"
  | "tooSlow"
  | "flooding"
  | "stopping"
  | "restarting"
  | "unavailable";

/** One socket of somebody in one room, as the hub knows it. */
export interface Connection {
  readonly person: Person;
  /** Null: a guest's. */
  readonly session: { readonly id: string; readonly expiresAt: number } | null;
  welcome(welcome: Welcome): void;
  /** Tells this socket alone. */
  tell(room: Room, event: RoomEvent): void;
  /** From now on it hears what is told to everybody. */
  follow(room: Room): void;
  close(ending: Ending): void;
}

/** Tells everybody in the room who follows it. */
export type Broadcast = (room: Room, event: RoomEvent) => void;
