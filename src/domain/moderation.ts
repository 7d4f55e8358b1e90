import { and, eq, sql } from "drizzle-orm";
import { accounts, messages, roomPeople, rooms } from "../../db/schema.ts";
import type { Account } from "./accounts.ts";
import * as audit from "./audit.ts";
import type { Core } from "./core.ts";
import { DomainError } from "./errors.ts";
import * as messageLog from "./messages.ts";
import * as permissions from "./permissions.ts";
import type { Access, Person, Room } from "./rooms.ts";
import * as chatRooms from "./rooms.ts";

/** An account that acts in a room, and from where. */
export type Moderator = Person & { readonly account: Account; readonly address: string };

/** What was done, as it is kept in the log and told to who is in the room. */
export type Act = {
  readonly action: Action;
  /** Whom it concerns; of a change of the room itself, who made it. */
  readonly id: number;
  /** When it ends by itself; absent: never. */
  readonly until?: number | undefined;
  readonly reason?: string | undefined;
};

type Action =
  | "mute"
  | "unmute"
  | "ban"
  | "unban"
  | "kick"
  | "moderator_added"
  | "moderator_removed"
  | "member_added"
  | "member_removed"
  | "room_changed"
  | "room_deleted";

const RECORDED = {
  mute: "room.muted",
  unmute: "room.unmuted",
  ban: "room.banned",
  unban: "room.unbanned",
  kick: "room.kicked",
  moderator_added: "room.moderator-added",
  moderator_removed: "room.moderator-removed",
  member_added: "room.member-added",
  member_removed: "room.member-removed",
  room_changed: "room.changed",
  room_deleted: "room.deleted",
} as const satisfies Record<Action, audit.AuditAction>;

/** The act that an entry of the log is. */
export const actOf = (entry: messageLog.LogEntry): Act => JSON.parse(entry.content) as Act;

export type Term = { readonly until?: number | undefined; readonly reason?: string | undefined };

export type RoomChanges = {
  readonly name?: string | undefined;
  readonly slowModeSeconds?: number | undefined;
  readonly isReadOnly?: boolean | undefined;
  readonly isPrivate?: boolean | undefined;
};

/** Who may act upon whom: upon those who rank lower. */
const RANK = { none: 0, moderator: 1, owner: 2, all: 3 } as const;
type Rank = (typeof RANK)[keyof typeof RANK];

async function rankOf(core: Core, access: Access, userId: number): Promise<Rank> {
  const held = userId > 0 ? await permissions.heldBy(core, { id: userId }) : new Set<string>();
  if (held.has("*") || held.has("chat.moderate")) return RANK.all;
  if (access.role === "owner") return RANK.owner;
  return access.role === "moderator" ? RANK.moderator : RANK.none;
}

/** Throws as `rooms.enter` does, and `forbidden` for who neither moderates this room nor all of chat. */
export async function requireModerator(
  core: Core,
  publicId: string,
  actor: Person,
): Promise<{ readonly room: Room; readonly rank: Rank }> {
  const access = await chatRooms.enter(core, publicId, actor);
  const rank = await rankOf(core, access, actor.id);
  if (rank === RANK.none) throw new DomainError("forbidden", "You do not moderate this room.");
  return { room: access.room, rank };
}

/**
 * A room whose moderator acts upon somebody. Throws `accountNotFound`, and `forbidden` when that one ranks as high:
 * who moderates a room cannot shut out its owner.
 */
async function requireAbove(
  core: Core,
  publicId: string,
  actor: Moderator,
  userId: number,
  self: "self too" | "others" = "others",
) {
  const { room, rank } = await requireModerator(core, publicId, actor);
  await requireKnown(core, userId);
  const target = await chatRooms.look(core, publicId, userId);
  const isAllowedSelf = self === "self too" && userId === actor.id;
  if (!isAllowedSelf && (await rankOf(core, target, userId)) >= rank) {
    throw new DomainError("forbidden", "You may not do this to somebody who ranks as high in this room.");
  }
  return { room, isOwner: target.role === "owner" };
}

/** A guest is known by being there. */
async function requireKnown(core: Core, userId: number): Promise<void> {
  if (userId < 0) return;
  const [found] = await core.db.select({ id: accounts.id }).from(accounts).where(eq(accounts.id, userId));
  if (found === undefined) throw new DomainError("accountNotFound", "There is no such user.");
}

/** What every act does besides: an entry in the log and one in the audit, in one batch with the change itself. */
const noted = (core: Core, room: Room, actor: Moderator, act: Act, changes: RoomChanges = {}) =>
  [
    core.db.insert(messages).values({
      roomId: room.id,
      kind: "moderation",
      userId: actor.id,
      username: actor.username,
      content: JSON.stringify(act),
      sentAt: core.clock(),
    }),
    audit.recording(core, {
      actorId: actor.id,
      action: RECORDED[act.action],
      target: `room:${room.publicId}`,
      address: actor.address,
      details: { userId: act.id, until: act.until, reason: act.reason, ...changes },
    }),
  ] as const;

type PersonChanges = Partial<typeof roomPeople.$inferInsert>;

const setting = (core: Core, room: Room, userId: number, changes: PersonChanges) =>
  core.db
    .insert(roomPeople)
    .values({ roomId: room.id, userId, ...changes })
    .onConflictDoUpdate({ target: [roomPeople.roomId, roomPeople.userId], set: changes });

async function actUpon(
  core: Core,
  room: Room,
  actor: Moderator,
  act: Act,
  changes: PersonChanges,
): Promise<void> {
  await core.db.batch([setting(core, room, act.id, changes), ...noted(core, room, actor, act)]);
  core.bus.publish({ kind: "messages" }, "all");
}

function requireFuture(core: Core, { until }: Term): void {
  if (until === undefined || until > core.clock()) return;
  throw new DomainError("fieldInvalid", "until must be a time to come.", { field: "until" });
}

/** `upon` and the other verbs throw `roomNotFound`, `forbidden`, `accountNotFound`; with a term also `fieldInvalid`. */
export async function mute(core: Core, actor: Moderator, publicId: string, userId: number, term: Term) {
  requireFuture(core, term);
  const { room } = await requireAbove(core, publicId, actor, userId);
  const act: Act = { action: "mute", id: userId, ...term };
  await actUpon(core, room, actor, act, { mutedUntil: term.until ?? chatRooms.FOREVER });
}

export async function unmute(core: Core, actor: Moderator, publicId: string, userId: number) {
  const { room } = await requireAbove(core, publicId, actor, userId);
  await actUpon(core, room, actor, { action: "unmute", id: userId }, { mutedUntil: null });
}

/** A banned person leaves at once and is let in again when the ban ends. A moderator is one no more, an owner is. */
export async function ban(core: Core, actor: Moderator, publicId: string, userId: number, term: Term) {
  requireFuture(core, term);
  const { room, isOwner } = await requireAbove(core, publicId, actor, userId);
  const act: Act = { action: "ban", id: userId, ...term };
  const bannedUntil = term.until ?? chatRooms.FOREVER;
  await actUpon(core, room, actor, act, { bannedUntil, ...(isOwner ? {} : { role: null }) });
}

export async function unban(core: Core, actor: Moderator, publicId: string, userId: number) {
  const { room } = await requireAbove(core, publicId, actor, userId);
  await actUpon(core, room, actor, { action: "unban", id: userId }, { bannedUntil: null });
}

/** Closes somebody's sockets in the room; they may come back. */
export async function kick(
  core: Core,
  actor: Moderator,
  publicId: string,
  userId: number,
  { reason }: Pick<Term, "reason">,
) {
  const { room } = await requireAbove(core, publicId, actor, userId);
  const act: Act = { action: "kick", id: userId, reason };
  await core.db.batch([...noted(core, room, actor, act)]);
  core.bus.publish({ kind: "messages" }, "all");
}

export async function addModerator(core: Core, actor: Moderator, publicId: string, userId: number) {
  const { room, isOwner } = await requireAbove(core, publicId, actor, requireAccount(userId));
  if (isOwner) throw ownerStays();
  await actUpon(core, room, actor, { action: "moderator_added", id: userId }, { role: "moderator" });
}

export async function removeModerator(core: Core, actor: Moderator, publicId: string, userId: number) {
  const { room, isOwner } = await requireAbove(core, publicId, actor, requireAccount(userId), "self too");
  if (isOwner) throw ownerStays();
  await actUpon(core, room, actor, { action: "moderator_removed", id: userId }, { role: null });
}

export async function addMember(core: Core, actor: Moderator, publicId: string, userId: number) {
  const { room } = await requireModerator(core, publicId, actor);
  await requireKnown(core, requireAccount(userId));
  await actUpon(core, room, actor, { action: "member_added", id: userId }, { isMember: true });
}

export async function removeMember(core: Core, actor: Moderator, publicId: string, userId: number) {
  const { room } = await requireAbove(core, publicId, actor, requireAccount(userId), "self too");
  await actUpon(core, room, actor, { action: "member_removed", id: userId }, { isMember: false });
}

const ownerStays = () => new DomainError("forbidden", "The owner of a room stays its owner.");

function requireAccount(userId: number): number {
  if (userId > 0) return userId;
  throw new DomainError("accountNotFound", "There is no such user.");
}

export async function change(core: Core, actor: Moderator, publicId: string, changes: RoomChanges) {
  const { room } = await requireModerator(core, publicId, actor);
  if (Object.values(changes).every((value) => value === undefined)) return;
  await core.db.batch([
    core.db.update(rooms).set(changes).where(eq(rooms.id, room.id)),
    ...noted(core, room, actor, { action: "room_changed", id: actor.id }, changes),
  ]);
  core.bus.publish({ kind: "messages" }, "all");
}

/** The id is free at once; the messages are purged in small batches. */
export async function remove(core: Core, actor: Moderator, publicId: string) {
  const { room } = await requireModerator(core, publicId, actor);
  await core.db.batch([
    core.db.update(rooms).set({ key: null }).where(eq(rooms.id, room.id)),
    ...noted(core, room, actor, { action: "room_deleted", id: actor.id }),
  ]);
  core.bus.publish({ kind: "messages" }, "all");
}

/** For its author and for moderators: the content is gone for good. Throws `messageNotFound`, `forbidden`. */
export async function removeMessage(
  core: Core,
  actor: Moderator,
  publicId: string,
  id: number,
  reason: string | undefined,
): Promise<void> {
  const access = await chatRooms.enter(core, publicId, actor);
  const { room } = access;
  const message = await messageLog.get(core, room.id, id);
  if (message.userId !== actor.id && (await rankOf(core, access, actor.id)) === RANK.none) {
    throw new DomainError("forbidden", "Only its author and the room's moderators may remove a message.");
  }
  const now = core.clock();
  const details = JSON.stringify({ messageId: id, userId: message.userId, reason });
  const [removed] = await core.db.batch([
    core.db
      .update(messages)
      .set({ kind: "removed", content: "" })
      .where(and(eq(messages.id, id), eq(messages.kind, "message")))
      .returning({ id: messages.id }),
    core.db.run(sql`INSERT INTO messages (room_id, kind, user_id, username, content, removed_id, sent_at)
      SELECT ${room.id}, 'deletion', ${actor.id}, ${actor.username}, '', ${id}, ${now} WHERE changes() > 0`),
    core.db.run(sql`INSERT INTO audit_entries (at, actor_id, action, target, address, details)
      SELECT ${now}, ${actor.id}, 'message.removed', ${`room:${room.publicId}`}, ${actor.address}, ${details}
      WHERE changes() > 0`),
  ]);
  if (removed.length === 0) throw messageLog.notFound();
  core.bus.publish({ kind: "messages" }, "all");
}
