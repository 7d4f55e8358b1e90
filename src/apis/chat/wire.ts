import type { LogEntry } from "../../domain/messages.ts";
import type { Act } from "../../domain/moderation.ts";
import type { RoomEvent, Somebody, Welcome } from "../../domain/room-events.ts";
import type { PersonOfRoom } from "../../domain/room-people.ts";
import type { Access, Hold, Room } from "../../domain/rooms.ts";
import type * as contract from "./contract.ts";

export const user = ({ id, username }: Somebody) => ({ id, username });

export const room = ({ publicId, name }: Room): contract.Room => ({ id: publicId, name });

export const ownRoom = ({ room, role, isMember }: Access, unread: number, members: number) => ({
  id: room.publicId,
  name: room.name,
  unread,
  members,
  private: room.isPrivate,
  you: standingOf({ role, isMember }),
});

const standingOf = ({ role, isMember }: Pick<Access, "role" | "isMember">) =>
  role ?? (isMember ? ("member" as const) : null);

export const oneRoom = (access: Access, muted: Hold | null) => ({
  id: access.room.publicId,
  name: access.room.name,
  private: access.room.isPrivate,
  read_only: access.room.isReadOnly,
  slow_mode_seconds: access.room.slowModeSeconds,
  created_at: new Date(access.room.createdAt).toISOString(),
  you: standingOf(access),
  muted: hold(muted),
});

export const personOfRoom = ({ id, username, role, isMember, muted, banned }: PersonOfRoom) => ({
  id,
  username,
  role,
  member: isMember,
  muted: hold(muted),
  banned: hold(banned),
});

const hold = (held: Hold | null) =>
  held === null ? null : { until: held.until === null ? null : new Date(held.until).toISOString() };

export const message = (entry: LogEntry, roomId: Room["publicId"]): contract.Message => ({
  content: entry.content,
  roomId,
  username: entry.username,
  id: entry.id,
  userId: entry.userId,
  sentAt: new Date(entry.sentAt).toISOString(),
});

// The spelling is the document's, which existing clients match.
const NOTICES = { joined: "A new user has join the room", left: "user left the chat" } as const;

/** A frame of the plain protocol; null for what it does not tell. */
export function plainFrame({ publicId }: Room, event: RoomEvent): string | null {
  if (event.kind === "message") return JSON.stringify(message(event.message, publicId));
  if (event.kind !== "joined" && event.kind !== "left") return null;
  return JSON.stringify({ content: NOTICES[event.kind], roomId: publicId, username: event.person.username });
}

/** A frame of `guildhall.v1`. */
export function frame({ publicId }: Room, event: RoomEvent): string {
  switch (event.kind) {
    case "message":
      return JSON.stringify({
        type: "message",
        ...message(event.message, publicId),
        ...keyOf(event.message),
      });
    case "joined":
    case "left":
    case "typing":
      return JSON.stringify({ type: event.kind, ...user(event.person) });
    case "deleted":
      return JSON.stringify({ type: "deleted", id: event.messageId });
    case "moderated":
      return JSON.stringify({ type: "moderated", ...act(event.act) });
  }
}

const keyOf = ({ key }: LogEntry) => (key === null ? {} : { key });

const act = ({ action, id, until, reason }: Act) => ({
  action,
  id,
  ...(until === undefined ? {} : { until: new Date(until).toISOString() }),
  ...(reason === undefined ? {} : { reason }),
});

export const welcomeFrame = ({ room, you, members, history, epoch, isGap }: Welcome): string =>
  JSON.stringify({
    type: "welcome",
    room: { id: room.publicId, name: room.name },
    you: user(you),
    members: members.map(user),
    history: history.map((entry) => message(entry, room.publicId)),
    epoch,
    gap: isGap,
  });

export type FrameError =
  | "too_fast"
  | "too_long"
  | "muted"
  | "read_only"
  | "slow_mode"
  | "bad_frame"
  | "unavailable";

export const errorFrame = (code: FrameError, text: string, key: string | null): string =>
  JSON.stringify({ type: "error", code, message: text, ...(key === null ? {} : { key }) });

export const plainErrorFrame = (text: string): string => JSON.stringify({ error: text });
