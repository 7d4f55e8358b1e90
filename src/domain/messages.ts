import { and, asc, desc, eq, gt, inArray, lt, sql } from "drizzle-orm";
import { asDatabaseError } from "../../db/open.ts";
import { insertedId, prepared } from "../../db/prepare.ts";
import { chatEpoch, messages } from "../../db/schema.ts";
import type { Core } from "./core.ts";
import { DomainError } from "./errors.ts";
import type { Access, Person } from "./rooms.ts";

/** An entry of the log: something that was said or done in a room. Their ids grow in the order of the commits. */
export type LogEntry = typeof messages.$inferSelect;

/** A stored message; not new, when its key had been used before. */
export type Said = { readonly entry: LogEntry; readonly isNew: boolean };

export const MAX_CHARACTERS = 4_000;
const MAX_KEY_CHARACTERS = 64;
/** What somebody who joins is given. */
export const HISTORY_AT_JOIN = 50;
/** The most that is replayed to who was away, and the longest page. */
export const MAX_REPLAYED = 300;

/** Why something cannot be said, in words; null when it can. */
export function flawOf(content: string, key: string | null): { code: "tooLong" | "bad"; why: string } | null {
  if (content.length > MAX_CHARACTERS && [...content].length > MAX_CHARACTERS) {
    return { code: "tooLong", why: `A message has at most ${MAX_CHARACTERS} characters.` };
  }
  if (content.trim() === "") return { code: "bad", why: "A message has some text." };
  if (!isStorable(content)) return { code: "bad", why: "A message holds no NUL and no half characters." };
  if (key === null || (key.length >= 1 && key.length <= MAX_KEY_CHARACTERS && isStorable(key))) return null;
  return { code: "bad", why: `A key has 1 to ${MAX_KEY_CHARACTERS} characters.` };
}

const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes("\0");

const inserting = prepared((db) =>
  db
    .insert(messages)
    .values({
      roomId: sql.placeholder("roomId"),
      kind: "message",
      userId: sql.placeholder("userId"),
      username: sql.placeholder("username"),
      content: sql.placeholder("content"),
      key: sql.placeholder("key"),
      sentAt: sql.placeholder("sentAt"),
    })
    .prepare(),
);

const byKey = prepared((db) =>
  db
    .select()
    .from(messages)
    .where(
      and(
        eq(messages.roomId, sql.placeholder("roomId")),
        eq(messages.userId, sql.placeholder("userId")),
        eq(messages.key, sql.placeholder("key")),
      ),
    )
    .prepare(),
);

/**
 * Commits a message. With a key that this person has used in this room it answers the one that is stored, and
 * `isNew` is false. Throws `messageNotFound` where the stored one was removed; `slowMode`, if the room's slow mode
 * holds for this person and it is not their turn.
 */
export async function append(
  core: Core,
  { room }: Access,
  person: Person,
  content: string,
  key: string | null,
  isSlowed: boolean,
): Promise<Said> {
  const sentAt = core.clock();
  const row = { roomId: room.id, userId: person.id, username: person.username, content, key, sentAt };
  try {
    const id = isSlowed
      ? await appendInTurn(core, row, room.slowModeSeconds)
      : insertedId(await inserting(core.db).run(row));
    return { entry: { id, kind: "message", removedId: null, ...row }, isNew: true };
  } catch (error) {
    if (key === null || asDatabaseError(error)?.kind !== "unique") throw error;
    const stored = await storedUnder(core, room.id, person, key);
    if (stored === null) throw error;
    return { entry: stored, isNew: false };
  }
}

/** The message that this person has stored under this key, if there is one. Throws `messageNotFound` when removed. */
export async function storedUnder(
  core: Core,
  roomId: number,
  person: Person,
  key: string,
): Promise<LogEntry | null> {
  const stored = await byKey(core.db).get({ roomId, userId: person.id, key });
  if (stored?.kind === "removed") throw notFound();
  return stored ?? null;
}

type NewMessage = Pick<LogEntry, "roomId" | "userId" | "username" | "content" | "key" | "sentAt">;

/** One message per person in so many seconds, on whichever node. The turn is taken with the message or not at all. */
async function appendInTurn(core: Core, row: NewMessage, seconds: number): Promise<number> {
  const { roomId, userId, username, content, key, sentAt } = row;
  const [, appended] = await core.db.batch([
    core.db.run(sql`INSERT INTO room_people (room_id, user_id, said_at) VALUES (${roomId}, ${userId}, ${sentAt})
      ON CONFLICT (room_id, user_id) DO UPDATE SET said_at = excluded.said_at
      WHERE said_at IS NULL OR said_at <= ${sentAt - seconds * 1000}`),
    core.db.values<
      [id: number]
    >(sql`INSERT INTO messages (room_id, kind, user_id, username, content, key, sent_at)
      SELECT ${roomId}, 'message', ${userId}, ${username}, ${content}, ${key}, ${sentAt} WHERE changes() > 0
      RETURNING id`),
  ]);
  const [id] = appended[0] ?? [];
  if (id !== undefined) return id;
  const [last] = await core.db.values<[saidAt: number | null]>(
    sql`SELECT said_at FROM room_people WHERE room_id = ${roomId} AND user_id = ${userId}`,
  );
  const leftMs = (last?.[0] ?? sentAt) + seconds * 1000 - sentAt;
  throw new DomainError("slowMode", `In this room everybody may say something every ${seconds} seconds.`, {
    retryAfterSeconds: Math.max(1, Math.ceil(leftMs / 1000)),
  });
}

export const notFound = () => new DomainError("messageNotFound", "There is no such message.");

export async function get(core: Core, roomId: number, id: number): Promise<LogEntry> {
  const [found] = await core.db
    .select()
    .from(messages)
    .where(and(eq(messages.id, id), eq(messages.roomId, roomId), eq(messages.kind, "message")));
  if (found === undefined) throw notFound();
  return found;
}

export type PageWanted = {
  readonly before?: number | undefined;
  readonly after?: number | undefined;
  readonly limit: number;
};

/** Ascending. Both ends are exclusive; without `after` it is the newest ones that are given. */
export async function page(
  core: Core,
  roomId: number,
  { before, after, limit }: PageWanted,
): Promise<LogEntry[]> {
  const rows = await core.db
    .select()
    .from(messages)
    .where(
      and(
        eq(messages.roomId, roomId),
        eq(messages.kind, "message"),
        before === undefined ? undefined : lt(messages.id, before),
        after === undefined ? undefined : gt(messages.id, after),
      ),
    )
    .orderBy(after === undefined ? desc(messages.id) : asc(messages.id))
    .limit(limit);
  return after === undefined ? rows.reverse() : rows;
}

const lastWithNewest = prepared((db) =>
  db
    .select({
      entry: messages,
      newestId: sql<number>`(SELECT max(id) FROM messages WHERE room_id = ${sql.placeholder("roomId")})`,
      epoch: sql<string>`(SELECT epoch FROM chat_epoch)`,
    })
    .from(messages)
    .where(and(eq(messages.roomId, sql.placeholder("roomId")), eq(messages.kind, "message")))
    .orderBy(desc(messages.id))
    .limit(HISTORY_AT_JOIN)
    .prepare(),
);

const newestOf = (core: Core, roomId: number) =>
  core.db
    .select({ id: messages.id })
    .from(messages)
    .where(eq(messages.roomId, roomId))
    .orderBy(desc(messages.id))
    .limit(1);

const lastMessages = (core: Core, roomId: number) =>
  core.db
    .select()
    .from(messages)
    .where(and(eq(messages.roomId, roomId), eq(messages.kind, "message")))
    .orderBy(desc(messages.id))
    .limit(HISTORY_AT_JOIN);

/** The last message that somebody has; without an epoch it is taken to be of this history. */
export type Since = { readonly id: number; readonly epoch: string | null };

export type Start = {
  /** Ascending: the last ones, or those after `since`. */
  readonly history: readonly LogEntry[];
  /** Of messages that were removed since then. */
  readonly removedIds: readonly number[];
  /** True: what came after `since` cannot be told, so there may be a hole before this history. */
  readonly isGap: boolean;
  readonly epoch: string;
  /** The id of the newest entry of this room that is in here; what comes live goes on after it. */
  readonly newestId: number;
};

// Of what a newcomer is sent at once: who reads slowly must be able to get through it.
const MAX_HISTORY_BYTES = 256 * 1024;
const BYTES_BESIDES_CONTENT = 256;

/** The newest of these that are not too much together. */
function fitting(entries: readonly LogEntry[]): readonly LogEntry[] {
  let bytes = 0;
  const last = entries.findLastIndex(({ content }) => {
    bytes += Buffer.byteLength(JSON.stringify(content)) + BYTES_BESIDES_CONTENT;
    return bytes > MAX_HISTORY_BYTES;
  });
  return entries.slice(last + 1);
}

/** What somebody who joins has to be told, as it stands at one moment. */
export async function start(core: Core, roomId: number, since: Since | null): Promise<Start> {
  if (since === null) {
    // One statement, built once: most who join have nothing yet, and in some room something was said.
    const rows = await lastWithNewest(core.db).all({ roomId });
    const [last] = rows;
    if (last !== undefined) {
      const history = fitting(rows.map(({ entry }) => entry).reverse());
      return { history, removedIds: [], isGap: false, epoch: last.epoch, newestId: last.newestId };
    }
  }
  const [newest, epochs, latest, missed] = await core.db.batch([
    newestOf(core, roomId),
    core.db.select({ epoch: chatEpoch.epoch }).from(chatEpoch),
    lastMessages(core, roomId),
    core.db
      .select()
      .from(messages)
      .where(
        and(
          eq(messages.roomId, roomId),
          gt(messages.id, since?.id ?? Number.MAX_SAFE_INTEGER),
          inArray(messages.kind, ["message", "deletion"]),
        ),
      )
      .orderBy(asc(messages.id))
      .limit(MAX_REPLAYED + 1),
  ]);
  const newestId = newest[0]?.id ?? 0;
  const epoch = epochs[0]?.epoch ?? "";
  const isOther = since !== null && since.epoch !== null && since.epoch !== epoch;
  const replayed = missed.filter((entry) => entry.kind === "message");
  const isTooMuch = missed.length > MAX_REPLAYED || fitting(replayed).length < replayed.length;
  const isGap = since !== null && (isOther || since.id > newestId || isTooMuch);
  if (since === null || isGap) {
    return { history: fitting(latest.reverse()), removedIds: [], isGap, epoch, newestId };
  }
  return {
    history: replayed,
    removedIds: missed.flatMap((entry) => entry.removedId ?? []),
    isGap,
    epoch,
    newestId,
  };
}

export async function epochOf(core: Core): Promise<string> {
  const [found] = await core.db.select().from(chatEpoch);
  return found?.epoch ?? "";
}

export const ENTRIES_AT_ONCE = 500;

const entriesAfter = prepared((db) =>
  db
    .select()
    .from(messages)
    .where(gt(messages.id, sql.placeholder("id")))
    .orderBy(asc(messages.id))
    .limit(ENTRIES_AT_ONCE)
    .prepare(),
);

/** The next entries of the log, of all rooms; fewer than there are. */
export const after = (core: Core, id: number): Promise<LogEntry[]> => entriesAfter(core.db).all({ id });

export async function newestId(core: Core): Promise<number> {
  const [found] = await core.db
    .select({ id: messages.id })
    .from(messages)
    .orderBy(desc(messages.id))
    .limit(1);
  return found?.id ?? 0;
}

const MAX_COUNTED = 1_000;
// Counted in one go, so that others come in between: some 10 ms at the most.
const ROOMS_AT_ONCE = 50;

/** How many messages of others each room has after what this person has read, among its 1,000 newest entries. */
export async function unread(
  core: Core,
  userId: number,
  of: readonly Access[],
): Promise<Map<number, number>> {
  const counted = new Map<number, number>();
  for (let first = 0; first < of.length; first += ROOMS_AT_ONCE) {
    if (first > 0) await core.sleep(0);
    const some = of.slice(first, first + ROOMS_AT_ONCE);
    for (const [roomId, count] of await unreadIn(core, userId, some)) counted.set(roomId, count);
  }
  return counted;
}

function unreadIn(core: Core, userId: number, of: readonly Access[]) {
  const wanted = JSON.stringify(of.map(({ room, readId }) => [room.id, readId]));
  return core.db.values<[roomId: number, unread: number]>(sql`
    SELECT value ->> 0, (SELECT count(*) FROM (SELECT kind, user_id FROM messages
      WHERE room_id = value ->> 0 AND id > value ->> 1 ORDER BY id DESC LIMIT ${MAX_COUNTED})
      WHERE kind = 'message' AND user_id <> ${userId}) FROM json_each(${wanted})`);
}

/** Notes that everything up to this message was read; a mark never goes back. */
export async function markRead(core: Core, roomId: number, userId: number, id: number): Promise<void> {
  await core.db.run(sql`INSERT INTO room_people (room_id, user_id, read_id)
    SELECT ${roomId}, ${userId}, min(${id}, (SELECT coalesce(max(id), 0) FROM messages WHERE room_id = ${roomId})) WHERE true
    ON CONFLICT (room_id, user_id) DO UPDATE SET read_id = excluded.read_id WHERE excluded.read_id > read_id`);
}
