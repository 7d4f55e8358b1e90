import { sql } from "drizzle-orm";
import type { Core, News } from "./core.ts";
import { newId } from "./ids.ts";
import type { RoomEvent, Somebody } from "./room-events.ts";

/** Who is in which room, on whichever node; everybody once, however many sockets they have. */
export interface Presence {
  start(): Promise<void>;
  /** Somebody on this node comes to the room. Resolves when it is known who is there on other nodes. */
  enter(roomId: number): Promise<void>;
  /** Nobody on this node is in the room any more, nor comes to it. */
  forget(roomId: number): void;
  /** The person's first socket on this node is in the room. */
  arrived(roomId: number, person: Somebody): void;
  /** And the last one has left. */
  left(roomId: number, person: Somebody): void;
  /** In the order of arrival, those on this node first. For a room that was entered. */
  peopleIn(roomId: number): Somebody[];
  /** The people in each room; only of one room, where one is given. */
  people(roomId: number | null): Promise<ReadonlyMap<number, ReadonlyMap<number, Somebody>>>;
  hear(news: News): void;
  /** Says good-bye; who leaves from now on is not told to other nodes. */
  stop(): Promise<void>;
}

type People = Map<number, Somebody>;

const BEAT_EVERY_MS = 5_000;
// Three beats: a node that is not seen for so long is dead, and nobody is connected to it.
const ALIVE_MS = 3 * BEAT_EVERY_MS;
const FORGOTTEN_AFTER_MS = 60_000;
const MAX_WRITTEN_AT_ONCE = 200;
const NOBODY: ReadonlyMap<number, Somebody> = new Map();

// The database's clock, since those of the nodes may differ.
const NOW = sql.raw("(unixepoch() * 1000)");

/**
 * On one node this is a map in memory. Where there can be several, each writes who has come to it and left it, tells
 * the others to look, and says so in the room when somebody is on no node before or after.
 */
export function createPresence(core: Core, announce: (roomId: number, event: RoomEvent) => void): Presence {
  const { isShared } = core.bus;
  const nodeId = newId();
  const here = new Map<number, People>();
  /** Of the rooms that were entered; null until it was read for the first time. */
  const elsewhere = new Map<number, People | null>();
  const unwritten = new Map<string, readonly [roomId: number, person: Somebody]>();
  const toRead = new Set<number>();
  let reading: Promise<void> = Promise.resolve();
  let nextReading: Promise<void> | null = null;
  let isWriting = false;
  let isBeating = false;
  let ticker: Timer | undefined;
  let stopped = false;

  const isHere = (roomId: number, userId: number) => here.get(roomId)?.has(userId) === true;
  const isElsewhere = (roomId: number, userId: number) => elsewhere.get(roomId)?.has(userId) === true;

  // --- what the others are to know

  function changed(roomId: number, person: Somebody): void {
    if (!isShared || stopped) return;
    unwritten.set(`${roomId}:${person.id}`, [roomId, person]);
    if (!isWriting) void write();
  }

  async function write(): Promise<void> {
    isWriting = true;
    try {
      while (unwritten.size > 0 && !stopped) {
        const changes = [...unwritten].slice(0, MAX_WRITTEN_AT_ONCE);
        for (const [key] of changes) unwritten.delete(key);
        await writeSome(changes.map(([, change]) => change)).catch((error: unknown) => {
          // As it is by then.
          for (const [key, change] of changes) unwritten.set(key, change);
          throw error;
        });
      }
    } catch (error) {
      // The next beat tries again.
      core.log.warn({ err: error }, "who is connected could not be stored");
    } finally {
      isWriting = false;
    }
  }

  async function writeSome(changes: readonly (readonly [number, Somebody])[]): Promise<void> {
    const [first, ...rest] = changes.map(([roomId, { id, username }]) =>
      isHere(roomId, id)
        ? core.db.run(sql`INSERT INTO presence (node_id, room_id, user_id, username)
            SELECT id, ${roomId}, ${id}, ${username} FROM nodes WHERE id = ${nodeId} ON CONFLICT DO NOTHING`)
        : core.db.run(sql`DELETE FROM presence
            WHERE node_id = ${nodeId} AND room_id = ${roomId} AND user_id = ${id}`),
    );
    if (first === undefined) return;
    await core.db.batch([first, ...rest]);
    tellOthers(new Set(changes.map(([roomId]) => roomId)));
  }

  function tellOthers(roomIds: Iterable<number>): void {
    for (const roomId of roomIds) core.bus.publish({ kind: "presence", roomId }, "others");
  }

  // --- what is to be known of the others

  /** One read at a time, so that an older state never comes after a newer one; those who ask meanwhile share the next. */
  function look(roomIds: Iterable<number>): Promise<void> {
    for (const roomId of roomIds) toRead.add(roomId);
    nextReading ??= reading
      .catch(() => {})
      .then(() => {
        nextReading = null;
        const rooms = [...toRead].filter((roomId) => elsewhere.has(roomId));
        toRead.clear();
        reading = readOthers(rooms);
        return reading;
      });
    return nextReading;
  }

  async function readOthers(roomIds: readonly number[]): Promise<void> {
    if (roomIds.length === 0) return;
    const asked = new Map(roomIds.map((roomId) => [roomId, elsewhere.get(roomId)]));
    const found = await others(roomIds);
    for (const [roomId, before] of asked) {
      // Forgotten meanwhile, and perhaps entered again: that one is read by itself.
      if (elsewhere.get(roomId) === before && before !== undefined) {
        replace(roomId, before, found.get(roomId) ?? new Map());
      }
    }
  }

  function replace(roomId: number, before: People | null, people: People): void {
    elsewhere.set(roomId, people);
    if (before === null) return;
    for (const person of people.values()) {
      if (!before.has(person.id) && !isHere(roomId, person.id)) announce(roomId, { kind: "joined", person });
    }
    for (const person of before.values()) {
      if (!people.has(person.id) && !isHere(roomId, person.id)) announce(roomId, { kind: "left", person });
    }
  }

  /** Who is on the other nodes that are alive, by room. */
  async function others(roomIds: readonly number[] | null): Promise<Map<number, People>> {
    const rows = await core.db.values<[roomId: number, userId: number, username: string]>(sql`
      SELECT room_id, user_id, username FROM presence JOIN nodes ON nodes.id = presence.node_id
      WHERE node_id <> ${nodeId} AND seen_at > ${NOW} - ${ALIVE_MS}
      ${roomIds === null ? sql`` : sql`AND room_id IN (SELECT value FROM json_each(${JSON.stringify(roomIds)}))`}`);
    const found = new Map<number, People>();
    for (const [roomId, userId, username] of rows) {
      const people = found.get(roomId) ?? new Map();
      found.set(roomId, people.set(userId, { id: userId, username }));
    }
    return found;
  }

  function lookSoon(roomIds: Iterable<number>): void {
    look(roomIds).catch((error: unknown) => {
      if (!stopped) core.log.warn({ err: error }, "who is connected elsewhere could not be read");
    });
  }

  /** Says that this node lives, and looks at the others. A node that was given up begins anew. */
  async function beat(): Promise<void> {
    const seen = await core.db.values(
      sql`UPDATE nodes SET seen_at = ${NOW} WHERE id = ${nodeId} RETURNING 1`,
    );
    if (stopped) return;
    if (seen.length === 0) {
      await core.db.run(
        sql`INSERT INTO nodes (id, seen_at) VALUES (${nodeId}, ${NOW}) ON CONFLICT DO NOTHING`,
      );
      for (const [roomId, people] of here) for (const person of people.values()) changed(roomId, person);
    }
    await core.db.run(sql`DELETE FROM nodes WHERE seen_at < ${NOW} - ${FORGOTTEN_AFTER_MS}`);
    if (!isWriting) void write();
    await look(elsewhere.keys());
  }

  async function beatAgain(): Promise<void> {
    if (isBeating) return;
    isBeating = true;
    try {
      await beat();
    } catch (error) {
      if (!stopped) core.log.warn({ err: error }, "this node could not say that it lives");
    } finally {
      isBeating = false;
    }
  }

  return {
    async start() {
      if (!isShared) return;
      await beat();
      ticker = setInterval(beatAgain, BEAT_EVERY_MS);
    },

    async enter(roomId) {
      if (!isShared) return;
      if (!elsewhere.has(roomId)) elsewhere.set(roomId, null);
      if (elsewhere.get(roomId) === null) await look([roomId]);
    },

    forget(roomId) {
      here.delete(roomId);
      elsewhere.delete(roomId);
    },

    arrived(roomId, person) {
      const people = here.get(roomId) ?? new Map();
      if (people.has(person.id)) return;
      here.set(roomId, people.set(person.id, person));
      changed(roomId, person);
      if (!isElsewhere(roomId, person.id)) announce(roomId, { kind: "joined", person });
    },

    left(roomId, person) {
      if (here.get(roomId)?.delete(person.id) !== true) return;
      changed(roomId, person);
      if (!isElsewhere(roomId, person.id)) announce(roomId, { kind: "left", person });
    },

    peopleIn(roomId) {
      return [...new Map([...(here.get(roomId) ?? NOBODY), ...(elsewhere.get(roomId) ?? NOBODY)]).values()];
    },

    async people(roomId) {
      const found = isShared ? await others(roomId === null ? null : [roomId]) : new Map<number, People>();
      for (const [id, people] of here) {
        if (roomId === null || id === roomId)
          found.set(id, new Map([...people, ...(found.get(id) ?? NOBODY)]));
      }
      return found;
    },

    hear(news) {
      if (!isShared) return;
      if (news.kind === "presence" && elsewhere.has(news.roomId)) lookSoon([news.roomId]);
      if (news.kind === "missed") lookSoon(elsewhere.keys());
    },

    async stop() {
      stopped = true;
      clearInterval(ticker);
      if (!isShared) return;
      const roomIds = [...here.keys()];
      try {
        await core.db.run(sql`DELETE FROM nodes WHERE id = ${nodeId}`);
        tellOthers(roomIds);
      } catch (error) {
        core.log.warn({ err: error }, "this node could not say good-bye");
      }
    },
  };
}
