import type { Core, News } from "./core.ts";
import { DomainError } from "./errors.ts";
import { createMessageLog } from "./message-log.ts";
import type { LogEntry, Said, Since } from "./messages.ts";
import * as messages from "./messages.ts";
import { actOf } from "./moderation.ts";
import { createPresence } from "./presence.ts";
import type { Broadcast, Connection, Ending, RoomEvent, Somebody } from "./room-events.ts";
import type { Access, Person, Room } from "./rooms.ts";
import * as rooms from "./rooms.ts";
import { createSessionWatch } from "./session-watch.ts";
import { createTurns } from "./turns.ts";

/** One socket's place in a room. */
export interface Seat {
  /** Commits and tells a message; answers the stored one. Throws as `Hub.say` does. */
  say(content: string, key: string | null): Promise<Said>;
  typing(): void;
  /** Everything up to this message was read. */
  read(id: number): Promise<void>;
  /** The socket is gone, for whatever reason. May be called twice. */
  leave(): void;
}

export interface Hub {
  start(): Promise<void>;
  /**
   * Takes a place in a room for who may enter it. Throws `tooManySockets`. What the room has to tell comes to the
   * connection by itself; when it cannot be read the connection is closed as `unavailable`.
   */
  join(connection: Connection, access: Access, since: Since | null): Seat;
  /** Throws what `join` would, and `unavailable` once stopped, so that no socket is opened in vain. */
  requirePlace(person: Person, room: Room): void;
  /**
   * Commits a message, then tells it to everybody in the room. Throws `rateLimited`, `muted`, `roomReadOnly`,
   * `slowMode`, `messageNotFound` for a key whose message was removed, and what the database throws.
   */
  say(access: Access, person: Person, content: string, key: string | null): Promise<Said>;
  /** Who is connected: to this room, or anywhere; each once, on whichever node. */
  people(roomId: number | null): Promise<Somebody[]>;
  /** How many are connected to each of the rooms where somebody is. */
  counts(): Promise<ReadonlyMap<number, number>>;
  /** Closes all sockets and stops listening. */
  stop(): Promise<void>;
}

export const MAX_SOCKETS_PER_PERSON_AND_ROOM = 5;
export const MAX_ROOMS_PER_PERSON = 128;
// A welcome names no more; everybody can still be asked for.
const MAX_MEMBERS_TOLD = 1_000;
const TYPING_EVERY_MS = 3_000;
// While so many writes wait, nobody is told who types.
const BUSY_WRITES = 500;
// What a newcomer may have to be told while its history is read.
const MAX_KEPT = 2_000;
const TICK_MS = 1_000;
const MAX_UNANSWERED = 32;

/** A newcomer until it follows the room: `seenId` is the last entry it was told; null while its history is read. */
type Waiting = { seenId: number | null; readonly kept: LogEntry[] };

type Member = { readonly person: Person; access: Access; readonly sockets: Set<Connection>; typedAt: number };

type Place = {
  room: Room;
  readonly members: Map<number, Member>;
  readonly waiting: Map<Connection, Waiting>;
};

/** Who is where, and who is told what. Knows no transport: `broadcast` and the connections are given to it. */
export function createHub(core: Core, broadcast: Broadcast): Hub {
  const places = new Map<number, Place>();
  const roomsOf = new Map<number, number>();
  const turns = createTurns(core);
  const log = createMessageLog(core, heard);
  const presence = createPresence(core, announce);
  const watch = createSessionWatch(core, (ended) =>
    closeWhere(({ session }) => session !== null && ended.has(session.id), "sessionEnded"),
  );
  let unsubscribe = () => {};
  let ticker: Timer | undefined;
  let stopped = false;

  // --- telling

  function announce(roomId: number, event: RoomEvent): void {
    const place = places.get(roomId);
    if (place === undefined) return;
    broadcast(place.room, event);
    for (const [connection, { seenId }] of place.waiting) {
      if (seenId !== null) connection.tell(place.room, event);
    }
  }

  /** An entry of the log, in its order: first to who follows the room, then to newcomers who do not have it yet. */
  function heard(entry: LogEntry): void {
    const place = places.get(entry.roomId);
    if (place === undefined) return;
    const event = eventOf(entry);
    if (event !== null) broadcast(place.room, event);
    for (const [connection, waiting] of place.waiting) {
      if (waiting.seenId === null) keep(connection, waiting, entry);
      else if (entry.id >= waiting.seenId) {
        if (entry.id > waiting.seenId && event !== null) connection.tell(place.room, event);
        place.waiting.delete(connection);
        connection.follow(place.room);
      }
    }
    if (entry.kind === "moderation") void moderate(place, entry);
  }

  function keep(connection: Connection, { kept }: Waiting, entry: LogEntry): void {
    kept.push(entry);
    if (kept.length > MAX_KEPT) connection.close("tooSlow");
  }

  // --- joining and leaving

  function join(connection: Connection, access: Access, since: Since | null): Seat {
    const { person } = connection;
    requirePlace(person, access.room);
    const place = places.get(access.room.id) ?? opened(access.room);
    const member = place.members.get(person.id) ?? arrived(place, person, access);
    member.sockets.add(connection);
    const waiting: Waiting = { seenId: null, kept: [] };
    place.waiting.set(connection, waiting);
    welcome(place, member, connection, waiting, since).catch((error: unknown) => {
      core.log.warn({ err: error }, "somebody could not be welcomed");
      connection.close("unavailable");
    });
    return {
      say: inTurn((content, key) => say(member.access, person, content, key)),
      typing: () => typing(place, member),
      read: (id) => messages.markRead(core, place.room.id, person.id, id),
      leave: () => leave(place, member, connection),
    };
  }

  function requirePlace(person: Person, room: Room): void {
    if (stopped) throw new DomainError("unavailable", "The server is stopping. Connect again.");
    const member = places.get(room.id)?.members.get(person.id);
    if ((member?.sockets.size ?? 0) >= MAX_SOCKETS_PER_PERSON_AND_ROOM) {
      throw tooMany(`You have ${MAX_SOCKETS_PER_PERSON_AND_ROOM} connections to this room already.`);
    }
    if (member === undefined && (roomsOf.get(person.id) ?? 0) >= MAX_ROOMS_PER_PERSON) {
      throw tooMany(`You are in ${MAX_ROOMS_PER_PERSON} rooms already.`);
    }
  }

  function opened(room: Room): Place {
    const place: Place = { room, members: new Map(), waiting: new Map() };
    places.set(room.id, place);
    return place;
  }

  function arrived(place: Place, person: Person, access: Access): Member {
    const member: Member = { person, access, sockets: new Set(), typedAt: 0 };
    place.members.set(person.id, member);
    roomsOf.set(person.id, (roomsOf.get(person.id) ?? 0) + 1);
    return member;
  }

  /**
   * History and live messages meet without a gap or a double: what was told while the history was read is kept, and
   * of it what the history has is left out.
   */
  async function welcome(
    place: Place,
    member: Member,
    connection: Connection,
    waiting: Waiting,
    since: Since | null,
  ): Promise<void> {
    const { person } = member;
    const isGone = () => !member.sockets.has(connection);
    await presence.ready(place.room.id);
    const start = await messages.start(core, place.room.id, since);
    // Read after the history, so that it knows what that has of moderation; later entries are kept.
    const access = await rooms.lookAgain(core, place.room.id, person.id);
    if (isGone()) return;
    // It may have changed since the socket was let in.
    if (access === null) return connection.close("roomGone");
    const stays = await mayStay(access, person);
    if (isGone()) return;
    if (!stays) return connection.close("removed");
    member.access = access;
    place.room = access.room;
    const you = { id: person.id, username: person.username };
    const present = presence.peopleIn(place.room.id);
    const others = present.filter(({ id }) => id !== you.id).slice(0, MAX_MEMBERS_TOLD - 1);
    connection.welcome({ room: place.room, you, members: [...others, you], ...start });
    for (const messageId of start.removedIds) connection.tell(place.room, { kind: "deleted", messageId });
    let seenId = start.newestId;
    for (const entry of waiting.kept.splice(0)) {
      if (entry.id <= seenId) continue;
      seenId = entry.id;
      const event = eventOf(entry);
      if (event !== null) connection.tell(place.room, event);
      if (entry.kind === "moderation") void moderate(place, entry);
    }
    waiting.seenId = seenId;
    presence.arrived(place.room.id, you);
    if (log.toldId < seenId || isGone()) return;
    place.waiting.delete(connection);
    connection.follow(place.room);
  }

  function leave(place: Place, member: Member, connection: Connection): void {
    if (!member.sockets.delete(connection)) return;
    place.waiting.delete(connection);
    if (member.sockets.size > 0) return;
    const { person } = member;
    place.members.delete(person.id);
    const left = (roomsOf.get(person.id) ?? 1) - 1;
    if (left === 0) roomsOf.delete(person.id);
    else roomsOf.set(person.id, left);
    presence.left(place.room.id, { id: person.id, username: person.username });
    if (place.members.size > 0) return;
    places.delete(place.room.id);
    presence.forget(place.room.id);
  }

  // --- speaking

  type Say = Seat["say"];

  /** A remote database may answer two writes in either order: there each waits for the one before. */
  function inTurn(sayNow: Say): Say {
    if (core.db.kind === "local") return sayNow;
    let last: Promise<unknown> = Promise.resolve();
    let unanswered = 0;
    return async function sayInTurn(content, key) {
      if (unanswered >= MAX_UNANSWERED)
        throw new DomainError("rateLimited", "Wait for what you have said before.");
      unanswered += 1;
      const said = last
        .then(() => sayNow(content, key))
        .finally(() => {
          unanswered -= 1;
        });
      last = said.catch(() => {});
      return said;
    };
  }

  async function say(access: Access, person: Person, content: string, key: string | null): Promise<Said> {
    const { room, role, mutedUntil } = access;
    const isMuted = mutedUntil > core.clock();
    const isSilent = room.isReadOnly && role === null;
    if ((isMuted || isSilent) && !(await rooms.moderatesAll(core, person))) {
      if (isMuted) throw new DomainError("muted", "You are muted in this room.");
      throw new DomainError("roomReadOnly", "In this room only its moderators may write.");
    }
    turns.take(person.id);
    const said = await messages.append(core, access, person, content, key);
    if (said.isNew) {
      log.committed(said.entry);
      core.bus.publish(NEW_MESSAGES, "others");
    }
    return said;
  }

  function typing(place: Place, member: Member): void {
    const now = core.clock();
    if (now - member.typedAt < TYPING_EVERY_MS || member.access.mutedUntil > now) return;
    if (core.db.counters().queued > BUSY_WRITES) return;
    member.typedAt = now;
    const { id, username } = member.person;
    announce(place.room.id, { kind: "typing", person: { id, username } });
    core.bus.publish({ kind: "typing", roomId: place.room.id, userId: id, username }, "others");
  }

  // --- moderation

  async function mayStay(access: Access, person: Person): Promise<boolean> {
    try {
      await rooms.requireEntry(core, access, person);
      return true;
    } catch (error) {
      if (error instanceof DomainError) return false;
      throw error;
    }
  }

  /** What was decided acts at once on who is here. */
  async function moderate(place: Place, entry: LogEntry): Promise<void> {
    const { action, id } = actOf(entry);
    const concerned = action === "room_changed" ? [...place.members.values()] : [place.members.get(id)];
    if (action === "room_deleted") {
      for (const member of place.members.values()) closeAll(member, "roomGone");
      return;
    }
    for (const member of concerned) {
      if (member === undefined) continue;
      if (action === "kick" || action === "ban") closeAll(member, "removed");
      else await lookAgain(place, member);
    }
  }

  async function lookAgain(place: Place, member: Member): Promise<void> {
    try {
      const access = await rooms.lookAgain(core, place.room.id, member.person.id);
      if (access === null) return closeAll(member, "roomGone");
      member.access = access;
      place.room = access.room;
      if (!(await mayStay(access, member.person))) closeAll(member, "removed");
    } catch (error) {
      core.log.warn({ err: error }, "what was decided could not be read");
      // They are looked at anew when they come back.
      closeAll(member, "unavailable");
    }
  }

  function closeAll(member: Member, ending: Ending): void {
    for (const connection of [...member.sockets]) connection.close(ending);
  }

  function closeWhere(isMeant: (connection: Connection) => boolean, ending: Ending): void {
    for (const place of [...places.values()]) {
      for (const member of [...place.members.values()]) {
        for (const connection of [...member.sockets]) if (isMeant(connection)) connection.close(ending);
      }
    }
  }

  function closeExpired(): void {
    const now = core.clock();
    closeWhere(({ session }) => session !== null && session.expiresAt <= now, "sessionEnded");
  }

  function hear(news: News): void {
    if (news.kind === "messages" || news.kind === "missed") log.wake();
    if (news.kind === "typing") {
      announce(news.roomId, { kind: "typing", person: { id: news.userId, username: news.username } });
    }
    presence.hear(news);
    watch.hear(news);
  }

  return {
    async start() {
      await log.start();
      await presence.start();
      unsubscribe = core.bus.subscribe(hear);
      // What came between the two.
      hear({ kind: "missed" });
      watch.start();
      ticker = setInterval(closeExpired, TICK_MS);
    },

    join,
    requirePlace,
    say,

    async people(roomId) {
      const found = new Map<number, Somebody>();
      for (const people of (await presence.people(roomId)).values()) {
        for (const person of people.values()) found.set(person.id, person);
      }
      return [...found.values()];
    },

    async counts() {
      const people = await presence.people(null);
      return new Map([...people].map(([roomId, present]) => [roomId, present.size]));
    },

    async stop() {
      stopped = true;
      unsubscribe();
      clearInterval(ticker);
      watch.stop();
      log.stop();
      closeWhere(() => true, "stopping");
      await presence.stop();
    },
  };
}

const NEW_MESSAGES = { kind: "messages" } as const;

const tooMany = (message: string) => new DomainError("tooManySockets", message);

function eventOf(entry: LogEntry): RoomEvent | null {
  switch (entry.kind) {
    case "message":
      return { kind: "message", message: entry };
    case "deletion":
      return { kind: "deleted", messageId: entry.removedId ?? 0 };
    case "moderation":
      return { kind: "moderated", act: actOf(entry) };
    case "removed":
      return null;
  }
}
