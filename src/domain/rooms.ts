import { and, asc, eq, isNotNull, type SQL, sql } from "drizzle-orm";
import { asDatabaseError } from "../../db/open.ts";
import { prepared } from "../../db/prepare.ts";
import { type ROOM_ROLES, roomPeople, rooms } from "../../db/schema.ts";
import type { Account } from "./accounts.ts";
import type { Core } from "./core.ts";
import { DomainError } from "./errors.ts";
import * as permissions from "./permissions.ts";
import { untilCommit } from "./until-commit.ts";

type Row = typeof rooms.$inferSelect;

/** A room that was not deleted. `id` is ours; `publicId` is what people call it, a number or a text. */
export type Room = Pick<Row, "id" | "name" | "isPrivate" | "isReadOnly" | "slowModeSeconds" | "createdAt"> & {
  readonly publicId: number | string;
};

export type RoomRole = (typeof ROOM_ROLES)[number];

/** Somebody in a chat room. A guest has a negative id and no account, and counts by where they come from. */
export type Person = {
  readonly id: number;
  readonly username: string;
  readonly account: Account | null;
  /** Of guests. */
  readonly network?: string;
};

/** A room, and what it knows of a person. The times are those until which something holds; 0: it does not. */
export type Access = {
  readonly room: Room;
  readonly role: RoomRole | null;
  readonly isMember: boolean;
  readonly mutedUntil: number;
  readonly bannedUntil: number;
  readonly readId: number;
};

/** Of a mute or a ban without an end. */
export const FOREVER = Number.MAX_SAFE_INTEGER;

/** A mute or a ban that holds; without an end `until` is null. */
export type Hold = { readonly until: number | null };

/** What is stored of a mute or a ban; null when there is none, or it has ended. */
export const holdOf = (until: number | null, now: number): Hold | null =>
  until === null || until <= now ? null : { until: until === FOREVER ? null : until };

const ID = /^[A-Za-z0-9_-]{1,64}$/;

/** What a public id is stored as: 1 and "1" are the same. Null for what no room can be called. */
export function keyOf(publicId: number | string): string | null {
  if (typeof publicId === "number" && !Number.isSafeInteger(publicId)) return null;
  const key = String(publicId);
  return ID.test(key) ? key : null;
}

export const notFound = () => new DomainError("roomNotFound", "There is no such room.");

export function roomOf(row: Row): Room {
  return {
    id: row.id,
    publicId: row.isNumber ? Number(row.key) : (row.key ?? ""),
    name: row.name,
    isPrivate: row.isPrivate,
    isReadOnly: row.isReadOnly,
    slowModeSeconds: row.slowModeSeconds,
    createdAt: row.createdAt,
  };
}

const accessTo = (condition: SQL | undefined) =>
  prepared((db) =>
    db
      .select({ room: rooms, person: roomPeople })
      .from(rooms)
      .leftJoin(
        roomPeople,
        and(eq(roomPeople.roomId, rooms.id), eq(roomPeople.userId, sql.placeholder("userId"))),
      )
      .where(condition)
      .prepare(),
  );

const accessByKey = accessTo(eq(rooms.key, sql.placeholder("key")));
const accessById = accessTo(and(eq(rooms.id, sql.placeholder("id")), isNotNull(rooms.key)));

type Found = Awaited<ReturnType<ReturnType<typeof accessByKey>["get"]>>;

function accessOf(found: Found): Access | null {
  if (found === undefined) return null;
  const { room, person } = found;
  return {
    room: roomOf(room),
    role: person?.role ?? null,
    isMember: person?.isMember ?? false,
    mutedUntil: person?.mutedUntil ?? 0,
    bannedUntil: person?.bannedUntil ?? 0,
    readId: person?.readId ?? 0,
  };
}

const MAX_KNOWN = 10_000;
const known = untilCommit<Access | null>(MAX_KNOWN);

/** What a room knows of a person, whether that may come in or not; `userId` 0 is nobody. Throws `roomNotFound`. */
export async function look(core: Core, publicId: number | string, userId: number): Promise<Access> {
  const key = keyOf(publicId);
  if (key === null) throw notFound();
  const access = await known(core, `${userId}:${key}`, async () =>
    accessOf(await accessByKey(core.db).get({ key, userId })),
  );
  if (access === null) throw notFound();
  return access;
}

/** The same by our own id; null when the room is gone. */
export async function lookAgain(core: Core, roomId: number, userId: number): Promise<Access | null> {
  return accessOf(await accessById(core.db).get({ id: roomId, userId }));
}

/**
 * For who may read the room: throws `roomNotFound`, `banned`, and `forbidden` for a private room into which they
 * were not let. Who moderates all of chat may always. `person` null is somebody who is not signed in.
 */
export async function enter(core: Core, publicId: number | string, person: Person | null): Promise<Access> {
  const access = await look(core, publicId, person?.id ?? 0);
  await requireEntry(core, access, person);
  return access;
}

/** Whether the room is open to this person by itself, without more permissions. */
export const isLetIn = ({ room, role, isMember }: Access): boolean =>
  !room.isPrivate || role !== null || isMember;

/** Throws `banned` and `forbidden` as `enter` does. */
export async function requireEntry(core: Core, access: Access, person: Person | null): Promise<void> {
  const isBanned = access.bannedUntil > core.clock();
  const isShut = !isLetIn(access);
  if ((!isBanned && !isShut) || (await moderatesAll(core, person))) return;
  throw isBanned
    ? new DomainError("banned", "You are banned from this room.")
    : new DomainError("forbidden", "This room is private: somebody has to let you in.");
}

export async function moderatesAll(core: Core, person: Person | null): Promise<boolean> {
  if (person === null || person.account === null) return false;
  return permissions.isAllowed(core, person.account, "chat.moderate");
}

/** All rooms that this person may see, in the order of making. */
export async function list(core: Core, person: Person | null): Promise<Room[]> {
  return (await listWithAccess(core, person)).map(({ room }) => room);
}

const listed = prepared((db) =>
  db
    .select({ room: rooms, person: roomPeople })
    .from(rooms)
    .leftJoin(
      roomPeople,
      and(eq(roomPeople.roomId, rooms.id), eq(roomPeople.userId, sql.placeholder("userId"))),
    )
    .where(
      and(
        isNotNull(rooms.key),
        sql`(${sql.placeholder("sees")} = 1 OR ${rooms.isPrivate} = 0 OR ${roomPeople.role} IS NOT NULL OR ${roomPeople.isMember} = 1)`,
      ),
    )
    .orderBy(asc(rooms.id))
    .prepare(),
);

/** The same, with what each knows of the person. */
export async function listWithAccess(core: Core, person: Person | null): Promise<Access[]> {
  const sees = (await moderatesAll(core, person)) ? 1 : 0;
  const rows = await listed(core.db).all({ userId: person?.id ?? 0, sees });
  return rows.flatMap((row) => accessOf(row) ?? []);
}

export type NewRoom = {
  readonly publicId: number | string | null;
  readonly name: string;
  readonly isPrivate: boolean;
  /** Of who makes it. */
  readonly address: string;
};

const MAX_IDS_TRIED = 8;
const MAX_ROOMS_OWNED = 1_000;
// They are listed whole: 10,000 take some 50 ms.
const MAX_ROOMS = 10_000;

/** Makes a room; the account that makes it owns it. Throws `roomTaken`, `fieldInvalid`, and `forbidden` when there are too many. */
export async function create(
  core: Core,
  person: Person | null,
  { publicId, name, isPrivate, address }: NewRoom,
): Promise<Room> {
  // Nobody could ever be let in.
  if (isPrivate && person?.account == null) {
    throw new DomainError("forbidden", "A private room needs an owner who is signed in.");
  }
  if (publicId !== null) {
    const key = keyOf(publicId);
    if (key === null) throw invalidId();
    return insert(core, person, {
      key: sql`${key}`,
      isNumber: typeof publicId === "number",
      name,
      isPrivate,
      address,
    });
  }
  for (let tried = 0; ; tried++) {
    // The next number, or one further on where somebody chose that for a room of their own.
    const step = tried === 0 ? 1 : 2 + Math.floor(Math.random() * 10 ** (tried + 2));
    const key = sql`CAST((SELECT coalesce(max(id), 0) FROM rooms) + ${step} AS TEXT)`;
    try {
      return await insert(core, person, { key, isNumber: true, name, isPrivate, address });
    } catch (error) {
      if (!(error instanceof DomainError) || tried >= MAX_IDS_TRIED) throw error;
    }
  }
}

const invalidId = () =>
  new DomainError("fieldInvalid", "A room's id is a whole number or 1 to 64 of A-Z, a-z, 0-9, _ and -.", {
    field: "id",
  });

async function insert(
  core: Core,
  person: Person | null,
  {
    key,
    isNumber,
    name,
    isPrivate,
    address,
  }: Omit<NewRoom, "publicId"> & {
    readonly key: SQL;
    readonly isNumber: boolean;
  },
): Promise<Room> {
  const now = core.clock();
  const owner = person !== null && person.account !== null ? person : null;
  await requireSpace(core, owner);
  try {
    const [[row]] = await core.db.batch([
      core.db.insert(rooms).values({ key, isNumber, name, isPrivate, createdAt: now }).returning(),
      ...(owner === null
        ? []
        : [
            core.db.run(sql`INSERT INTO room_people (room_id, user_id, role)
              SELECT max(id), ${owner.id}, 'owner' FROM rooms`),
          ]),
      core.db.run(sql`INSERT INTO audit_entries (at, actor_id, action, target, address, details)
        SELECT ${now}, ${owner?.id ?? null}, 'room.created', 'room:' || key, ${address}, json_object('name', name)
        FROM rooms ORDER BY id DESC LIMIT 1`),
    ]);
    if (row === undefined) throw new Error("an INSERT ... RETURNING gave no row");
    return roomOf(row);
  } catch (error) {
    if (asDatabaseError(error)?.constraint !== "rooms.key") throw error;
    throw new DomainError("roomTaken", "There is a room with this id already.", { field: "id" });
  }
}

async function requireSpace(core: Core, owner: Person | null): Promise<void> {
  const [all] = await core.db.values<[count: number]>(sql`SELECT count(*) FROM rooms WHERE key IS NOT NULL`);
  if ((all?.[0] ?? 0) >= MAX_ROOMS)
    throw new DomainError("forbidden", `There are ${MAX_ROOMS} rooms already.`);
  if (owner === null) return;
  const [owned] = await core.db.values<[count: number]>(
    sql`SELECT count(*) FROM room_people JOIN rooms ON rooms.id = room_id
      WHERE user_id = ${owner.id} AND role = 'owner' AND key IS NOT NULL`,
  );
  if ((owned?.[0] ?? 0) < MAX_ROOMS_OWNED) return;
  throw new DomainError("forbidden", `You own ${MAX_ROOMS_OWNED} rooms already.`);
}
