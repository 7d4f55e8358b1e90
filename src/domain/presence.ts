import { sql } from "drizzle-orm";
import type { Core, News } from "./core.ts";
import { newId } from "./ids.ts";
import type { RoomEvent, Somebody } from "./room-events.ts";

/** Who is in which room, on whichever node; everybody once, however many sockets they have. */
export interface Presence {
  start(): Promise<void>;
  /** Resolves when it is known who is in the room on other nodes. */
  ready(roomId: number): Promise<void>;
  /** The person's first socket on this node is in the room. */
  arrived(roomId: number, person: Somebody): void;
  /** And the last one has left. */
  left(roomId: number, person: Somebody): void;
  /** Nobody on this node is interested in the room any more. */
  forget(roomId: number): void;
  /** In the order of arrival, those on this node first. For a room where somebody is on this node. */
  peopleIn(roomId: number): Somebody[];
  /** The people in each room; only of one room, where one is given. */
  people(roomId: number | null): Promise<ReadonlyMap<number, ReadonlyMap<number, Somebody>>>;
  hear(news: News): void;
  stop(): Promise<void>;
}

type People = Map<number, Somebody>;
type Row = { readonly roomId: number; readonly userId: number; readonly username: string };

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
  const elsewhere = new Map<number, People>();
  const unwritten = new Map<string, readonly [roomId: number, person: Somebody]>();
  let isWriting = false;
  let ticker: Timer | undefined;
  let stopped = false;

  const isIn = (where: Map<number, People>, roomId: number, userId: number) =>
    where.get(roomId)?.has(userId) === true;

  function changed(roomId: number, person: Somebody): void {
    if (!isShared) return;
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
      isIn(here, roomId, id)
        ? core.db.run(sql`INSERT INTO presence (node_id, room_id, user_id, username)
            SELECT id, ${roomId}, ${id}, ${username} FROM nodes WHERE id = ${nodeId} ON CONFLICT DO NOTHING`)
        : core.db.run(sql`DELETE FROM presence
            WHERE node_id = ${nodeId} AND room_id = ${roomId} AND user_id = ${id}`),
    );
    if (first === undefined) return;
    await core.db.batch([first, ...rest]);
    for (const roomId of new Set(changes.map(([roomId]) => roomId))) {
      core.bus.publish({ kind: "presence", roomId }, "others");
    }
  }

  /** Who is on the other nodes that are alive, by room. */
  async function readOthers(roomIds: readonly number[] | null): Promise<Map<number, People>> {
    const rows = await core.db.all<Row>(sql`
      SELECT room_id AS roomId, user_id AS userId, username FROM presence JOIN nodes ON nodes.id = presence.node_id
      WHERE node_id <> ${nodeId} AND seen_at > ${NOW} - ${ALIVE_MS}
      ${roomIds === null ? sql`` : sql`AND room_id IN (SELECT value FROM json_each(${JSON.stringify(roomIds)}))`}`);
    const found = new Map<number, People>();
    for (const { roomId, userId, username } of rows) {
      const people = found.get(roomId) ?? new Map();
      found.set(roomId, people.set(userId, { id: userId, username }));
    }
    return found;
  }

  async function lookAt(roomIds: readonly number[]): Promise<void> {
    if (roomIds.length === 0) return;
    const found = await readOthers(roomIds);
    for (const roomId of roomIds) if (here.has(roomId)) replace(roomId, found.get(roomId) ?? new Map());
  }

  function replace(roomId: number, people: People): void {
    const before = elsewhere.get(roomId) ?? NOBODY;
    elsewhere.set(roomId, people);
    for (const person of people.values()) {
      if (!before.has(person.id) && !isIn(here, roomId, person.id))
        announce(roomId, { kind: "joined", person });
    }
    for (const person of before.values()) {
      if (!people.has(person.id) && !isIn(here, roomId, person.id))
        announce(roomId, { kind: "left", person });
    }
  }

  function lookSoon(roomIds: readonly number[]): void {
    lookAt(roomIds).catch((error: unknown) => {
      if (!stopped) core.log.warn({ err: error }, "who is connected elsewhere could not be read");
    });
  }

  /** Says that this node lives, and looks at the others. A node that was given up begins anew. */
  async function beat(): Promise<void> {
    const seen = await core.db.all(sql`UPDATE nodes SET seen_at = ${NOW} WHERE id = ${nodeId} RETURNING 1`);
    if (seen.length === 0) {
      await core.db.run(
        sql`INSERT INTO nodes (id, seen_at) VALUES (${nodeId}, ${NOW}) ON CONFLICT DO NOTHING`,
      );
      for (const [roomId, people] of here) for (const person of people.values()) changed(roomId, person);
    }
    await core.db.run(sql`DELETE FROM nodes WHERE seen_at < ${NOW} - ${FORGOTTEN_AFTER_MS}`);
    if (!isWriting) void write();
    await lookAt([...here.keys()]);
  }

  return {
    async start() {
      if (!isShared) return;
      await beat();
      ticker = setInterval(() => {
        beat().catch((error: unknown) =>
          core.log.warn({ err: error }, "this node could not say that it lives"),
        );
      }, BEAT_EVERY_MS);
    },

    async ready(roomId) {
      if (!isShared || elsewhere.has(roomId)) return;
      const found = await readOthers([roomId]);
      if (!elsewhere.has(roomId)) elsewhere.set(roomId, found.get(roomId) ?? new Map());
    },

    arrived(roomId, person) {
      const people = here.get(roomId) ?? new Map();
      if (people.has(person.id)) return;
      here.set(roomId, people.set(person.id, person));
      changed(roomId, person);
      if (!isIn(elsewhere, roomId, person.id)) announce(roomId, { kind: "joined", person });
    },

    left(roomId, person) {
      const people = here.get(roomId);
      if (people?.delete(person.id) !== true) return;
      changed(roomId, person);
      if (!isIn(elsewhere, roomId, person.id)) announce(roomId, { kind: "left", person });
    },

    forget(roomId) {
      here.delete(roomId);
      elsewhere.delete(roomId);
    },

    peopleIn(roomId) {
      return [...new Map([...(here.get(roomId) ?? NOBODY), ...(elsewhere.get(roomId) ?? NOBODY)]).values()];
    },

    async people(roomId) {
      const found = isShared
        ? await readOthers(roomId === null ? null : [roomId])
        : new Map<number, People>();
      for (const [id, people] of here) {
        if (roomId === null || id === roomId)
          found.set(id, new Map([...people, ...(found.get(id) ?? NOBODY)]));
      }
      return found;
    },

    hear(news) {
      if (!isShared) return;
      if (news.kind === "presence" && here.has(news.roomId)) lookSoon([news.roomId]);
      if (news.kind === "missed") lookSoon([...here.keys()]);
    },

    async stop() {
      stopped = true;
      clearInterval(ticker);
      if (!isShared) return;
      const rooms = [...here.keys()];
      try {
        await core.db.run(sql`DELETE FROM nodes WHERE id = ${nodeId}`);
        for (const roomId of rooms) core.bus.publish({ kind: "presence", roomId }, "others");
      } catch (error) {
        core.log.warn({ err: error }, "this node could not say good-bye");
      }
    },
  };
}
