// What the chat API says; docs/chat.md has all of it.

export type RoomId = number | string;
export type OwnRoom = {
  readonly id: RoomId;
  readonly name: string;
  readonly unread: number;
  readonly members: number;
  readonly private: boolean;
  readonly you: "owner" | "moderator" | "member" | null;
};
/** One room as it is now. */
export type OneRoom = Pick<OwnRoom, "id" | "name" | "private" | "you"> & {
  readonly read_only: boolean;
  readonly slow_mode_seconds: number;
};
/** A mute or a ban; without an end `until` is null. */
export type Hold = { readonly until: string | null };
export type PersonOfRoom = ChatUser & {
  readonly role: "owner" | "moderator" | null;
  readonly member: boolean;
  readonly muted: Hold | null;
  readonly banned: Hold | null;
};
export type ChatMessage = {
  readonly content: string;
  readonly username: string;
  readonly id: number;
  readonly userId: number;
  readonly sentAt: string;
};
export type ChatUser = { readonly id: number; readonly username: string };

export type FrameError =
  | "too_fast"
  | "too_long"
  | "muted"
  | "read_only"
  | "slow_mode"
  | "bad_frame"
  | "unavailable";
export const MODERATION_ACTIONS = [
  "mute",
  "unmute",
  "ban",
  "unban",
  "kick",
  "moderator_added",
  "moderator_removed",
  "member_added",
  "member_removed",
  "room_changed",
] as const;
export type ModerationAction = (typeof MODERATION_ACTIONS)[number];
/** What a socket of `guildhall.v1` says. */
export type ServerFrame =
  | {
      readonly type: "welcome";
      readonly room: { readonly id: RoomId; readonly name: string };
      readonly you: ChatUser;
      readonly members: readonly ChatUser[];
      readonly history: readonly ChatMessage[];
      readonly epoch: string;
      readonly gap: boolean;
    }
  | ({ readonly type: "message"; readonly key?: string } & ChatMessage)
  | ({ readonly type: "joined" | "left" | "typing" } & ChatUser)
  | { readonly type: "deleted"; readonly id: number }
  | {
      readonly type: "moderated";
      /** One of MODERATION_ACTIONS, or what a newer server adds. */
      readonly action: string;
      readonly id: number;
      readonly reason?: string;
    }
  | { readonly type: "error"; readonly code: FrameError; readonly message: string; readonly key?: string };
