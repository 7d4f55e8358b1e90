import { and, asc, eq, gt, isNull, or, sql } from "drizzle-orm";
import { prepared } from "../../db/prepare.ts";
import { accounts, HAS_STANDING, messages, roomPeople } from "../../db/schema.ts";
import type { Core } from "./core.ts";
import type { Hub } from "./hub.ts";
import * as moderation from "./moderation.ts";
import { guestName } from "./names.ts";
import { type Hold, holdOf, type Person, type RoomRole } from "./rooms.ts";

/** Somebody of whom a room knows something that holds now. */
export type PersonOfRoom = {
  readonly id: number;
  readonly username: string;
  readonly role: RoomRole | null;
  readonly isMember: boolean;
  readonly muted: Hold | null;
  readonly banned: Hold | null;
};

/** What somebody can be in a room; each may be several. */
export const STANDINGS = ["owner", "moderator", "member", "muted", "banned"] as const;
export type Standing = (typeof STANDINGS)[number];

export type Wanted = {
  /** Exclusive; guests have negative ids, and so come first. */
  readonly after?: number | undefined;
  readonly limit: number;
  readonly standing?: Standing | undefined;
};

const placed = { now: sql.placeholder("now"), standing: sql.placeholder("standing") };

/** The name of a guest is kept with what was said alone, and found by the keys of messages. */
const knownName = sql<string | null>`coalesce(${accounts.username},
  (SELECT said.username FROM ${messages} AS said WHERE said.room_id = ${roomPeople.roomId}
    AND said.user_id = ${roomPeople.userId} AND said.key IS NOT NULL LIMIT 1))`;

const page = prepared((db) =>
  db
    .select({
      id: roomPeople.userId,
      username: knownName,
      role: roomPeople.role,
      isMember: roomPeople.isMember,
      mutedUntil: roomPeople.mutedUntil,
      bannedUntil: roomPeople.bannedUntil,
    })
    .from(roomPeople)
    .leftJoin(accounts, eq(accounts.id, roomPeople.userId))
    .where(
      and(
        eq(roomPeople.roomId, sql.placeholder("roomId")),
        gt(roomPeople.userId, sql.placeholder("after")),
        HAS_STANDING,
        sql`CASE ${placed.standing}
          WHEN 'owner' THEN ${roomPeople.role} = 'owner'
          WHEN 'moderator' THEN ${roomPeople.role} = 'moderator'
          WHEN 'member' THEN ${roomPeople.isMember}
          WHEN 'muted' THEN ${gt(roomPeople.mutedUntil, placed.now)}
          WHEN 'banned' THEN ${gt(roomPeople.bannedUntil, placed.now)}
          ELSE ${roomPeople.role} IS NOT NULL OR ${roomPeople.isMember}
            OR ${gt(roomPeople.mutedUntil, placed.now)} OR ${gt(roomPeople.bannedUntil, placed.now)} END`,
        // An erased account may still be known for some minutes.
        or(isNull(accounts.id), isNull(accounts.erasedAt)),
      ),
    )
    .orderBy(asc(roomPeople.userId))
    .limit(sql.placeholder("limit"))
    .prepare(),
);

/**
 * For who moderates the room: everybody who is something in it, in the order of their ids. Throws `roomNotFound`,
 * `banned`, `forbidden`.
 */
export async function list(
  core: Core,
  hub: Pick<Hub, "people">,
  publicId: string,
  actor: Person,
  { after = Number.MIN_SAFE_INTEGER, limit, standing }: Wanted,
): Promise<PersonOfRoom[]> {
  const { room } = await moderation.requireModerator(core, publicId, actor);
  const now = core.clock();
  const rows = await page(core.db).all({ roomId: room.id, after, limit, now, standing: standing ?? null });
  const nameOfGuest = rows.some(({ username }) => username === null)
    ? await namesOfWhoIsHere(hub, room.id)
    : guestName;
  return rows.map(({ id, username, role, isMember, mutedUntil, bannedUntil }) => ({
    id,
    username: username ?? nameOfGuest(id),
    role,
    isMember,
    muted: holdOf(mutedUntil, now),
    banned: holdOf(bannedUntil, now),
  }));
}

async function namesOfWhoIsHere(hub: Pick<Hub, "people">, roomId: number): Promise<(id: number) => string> {
  const here = new Map((await hub.people(roomId)).map(({ id, username }) => [id, username]));
  return (id) => here.get(id) ?? guestName(id);
}
