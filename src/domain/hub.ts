import type { Core, News } from "./core.ts";
import { DomainError } from "./errors.ts";
import { createMessageLog } from "./message-log.ts";
import type { LogEntry, Said, Since } from "./messages.ts";
import * as messages from "./messages.ts";
import { actOf } from "./moderation.ts";
import { misnamed } from "./name-watch.ts";
import { createPlaces, type Member, type Place, type Waiting } from "./places.ts";
import { createPresence } from "./presence.ts";
import type { Broadcast, Connection, Ending, RoomEvent, Somebody } from "./room-events.ts";
import { createRoomGuard } from "./room-guard.ts";
import type { Access, Person, Room } from "./rooms.ts";
import * as rooms from "./rooms.ts";
import { createSessionWatch } from "./session-watch.ts";
import { createTurns, inOrder } from "./turns.ts";

/** One socket's place in a room. */
export interface Seat {
  /**
   * Commits a message, and tells it to everybody in the room; one that was stored before is told to this socket
   * alone. Throws as `Hub.say` does, and `unavailable` when the socket is gone.
   */
  say(content: string, key: string | null): Promise<Said>;
  typing(): void;
  /** Everything up to this message was read. */
  read(id: number): Promise<void>;
  /** The socket is gone, for whatever reason. May be called twice. */
  leave(): void;
}

export interface Hub {
  /** To be awaited before anything else is asked. */
  start(): Promise<void>;
  /**
   * Takes a place in a room for who may enter it. Throws as `requirePlace` does. What the room has to tell comes to
   * the connection by itself; when it cannot be read the connection is closed as `unavailable`.
   */
  join(connection: Connection, access: Access, since: Since | null): Seat;
  /** Throws `tooManySockets`, `overloaded`, and `unavailable` when no more are taken, so that no socket is opened in vain. */
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
  /** From now on nobody joins; who is there is told everything as ever. */
  takeNoMore(): void;
  /** Closes all sockets and stops listening. */
  stop(): Promise<void>;
}

// A welcome names no more; everybody can still be asked for.
const MAX_MEMBERS_TOLD = 1_000;
const TYPING_EVERY_MS = 3_000;
// While so many writes wait, nobody is told who types.
const BUSY_WRITES = 500;
// What a newcomer may have to be told while its history is read.
const MAX_KEPT = 2_000;
const TICK_MS = 1_000;
const NAMES_EVERY_MS = 10_000;

/** Who is where, and who is told what. Knows no transport: `broadcast` and the connections are given to it. */
export function createHub(core: Core, broadcast: Broadcast): Hub {
  const places = createPlaces();
  const turns = createTurns(core);
  const guard = createRoomGuard(core);
  const log = createMessageLog(core, heard);
  const presence = createPresence(core, announce);
  const watch = createSessionWatch(core, async (ended) => {
    if (ended.size > 0) {
      closeWhere(({ session }) => session !== null && ended.has(session.id), "sessionEnded");
    }
    await guard.checkPrivileged(places.all());
  });
  let unsubscribe = () => {};
  const tickers: Timer[] = [];
  let takesMore = true;
  let stopped = false;

  // --- telling

  function announce(roomId: number, event: RoomEvent): void {
    const place = places.get(roomId);
    if (place === undefined || place.isClosing) return;
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
        follow(place, connection);
      }
    }
    if (entry.kind === "moderation") guard.act(place, entry);
  }

  function keep(connection: Connection, { kept }: Waiting, entry: LogEntry): void {
    kept.push(entry);
    if (kept.length > MAX_KEPT) connection.close("tooSlow");
  }

  function follow(place: Place, connection: Connection): void {
    place.waiting.delete(connection);
    connection.follow(place.room);
  }

  // --- joining and leaving

  function requirePlace(person: Person, room: Room): void {
    if (!takesMore) throw new DomainError("unavailable", "The server is stopping. Connect again.");
    places.requireFree(person, room);
  }

  function join(connection: Connection, access: Access, since: Since | null): Seat {
    const { person } = connection;
    requirePlace(person, access.room);
    const { place, member } = places.enter(connection, access);
    const waiting: Waiting = { seenId: null, kept: [], repeated: [] };
    place.waiting.set(connection, waiting);
    welcome(place, member, connection, waiting, since).catch((error: unknown) => {
      core.log.warn({ err: error }, "somebody could not be welcomed");
      connection.close("unavailable");
    });

    async function sayHere(content: string, key: string | null): Promise<Said> {
      // What waited for its turn when the socket was closed is not said any more.
      if (!member.sockets.has(connection)) throw new DomainError("unavailable", "The connection is closed.");
      const said = await say(member.access, person, content, key);
      if (!said.isNew) repeat(place, connection, said.entry);
      return said;
    }

    return {
      // A remote database may answer two writes in either order: there each waits for the one before.
      say: core.db.kind === "local" ? sayHere : inOrder(sayHere),
      typing: () => typing(place, member),
      async read(id) {
        // What a guest has read is asked for by nobody.
        if (person.account !== null) await messages.markRead(core, place.room.id, person.id, id);
      },
      leave: () => leave(place, member, connection),
    };
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
    await presence.enter(place.room.id);
    const start = await messages.start(core, place.room.id, since);
    if (since !== null) core.metrics.count("replays", start.isGap ? "gap" : "exact");
    // Read after the history: it may have changed since the socket was let in, and later entries are kept.
    const stays = await guard.lookAgain(place, member);
    if (!stays || !member.sockets.has(connection)) return;
    const you = { id: person.id, username: person.username };
    const others = presence.peopleIn(place.room.id).filter(({ id }) => id !== you.id);
    const members = [...others.slice(0, MAX_MEMBERS_TOLD - 1), you];
    connection.welcome({ room: place.room, you, members, ...start });
    for (const messageId of start.removedIds) connection.tell(place.room, { kind: "deleted", messageId });
    let seenId = start.newestId;
    for (const entry of waiting.kept.splice(0)) {
      if (entry.id <= seenId) continue;
      seenId = entry.id;
      const event = eventOf(entry);
      if (event !== null) connection.tell(place.room, event);
      if (entry.kind === "moderation" && !guard.actOn(place, member, connection, entry)) return;
    }
    waiting.seenId = seenId;
    member.sockets.set(connection, seenId);
    presence.arrived(place.room.id, you);
    for (const message of waiting.repeated.splice(0)) repeat(place, connection, message);
    if (log.toldId >= seenId && member.sockets.has(connection)) follow(place, connection);
  }

  function leave(place: Place, member: Member, connection: Connection): void {
    const ended = places.leave(place, member, connection);
    if (ended === null || ended === "socket") return;
    const { id, username } = member.person;
    presence.left(place.room.id, { id, username });
    if (ended === "place") presence.forget(place.room.id);
  }

  // --- speaking

  async function say(access: Access, person: Person, content: string, key: string | null): Promise<Said> {
    try {
      const isSlowed = await requireVoice(access, person);
      const said = await messages.append(core, access, person, content, key, isSlowed);
      core.metrics.count("messages", said.isNew ? "new" : "repeated");
      if (said.isNew) {
        log.committed(said.entry);
        core.bus.publish(NEW_MESSAGES, "others");
      }
      return said;
    } catch (error) {
      // What was stored before is answered, whatever has come in between.
      if (!(error instanceof DomainError) || key === null) throw error;
      const entry = await messages.storedUnder(core, access.room.id, person, key);
      if (entry === null) throw error;
      core.metrics.count("messages", "repeated");
      return { entry, isNew: false };
    }
  }

  /** Throws when this person may not speak now; else whether the room's slow mode holds for them. */
  async function requireVoice({ room, role, mutedUntil }: Access, person: Person): Promise<boolean> {
    const isMuted = mutedUntil > core.clock();
    const isSilent = room.isReadOnly && role === null;
    const isSlow = room.slowModeSeconds > 0 && role === null;
    if (!isMuted && !isSilent && !isSlow) {
      turns.take(person);
      return false;
    }
    const isFree = await rooms.moderatesAll(core, person);
    if (isMuted && !isFree) throw new DomainError("muted", "You are muted in this room.");
    if (isSilent && !isFree) {
      throw new DomainError("roomReadOnly", "In this room only its moderators may write.");
    }
    turns.take(person);
    return isSlow && !isFree;
  }

  /** A stored message as the answer to who sent it again, but not before what came before it. */
  function repeat(place: Place, connection: Connection, entry: LogEntry): void {
    const waiting = place.waiting.get(connection);
    if (waiting?.seenId === null) waiting.repeated.push(entry);
    // Another node has stored it, and it will be told to everybody here when its turn comes.
    else if (entry.id <= Math.max(log.toldId, waiting?.seenId ?? 0)) {
      connection.tell(place.room, { kind: "message", message: entry });
    }
  }

  function typing(place: Place, member: Member): void {
    const now = core.clock();
    const { room, role, mutedUntil } = member.access;
    if (now - member.typedAt < TYPING_EVERY_MS || mutedUntil > now) return;
    if ((room.isReadOnly && role === null) || core.db.counters().queued > BUSY_WRITES) return;
    member.typedAt = now;
    const { id, username } = member.person;
    announce(place.room.id, { kind: "typing", person: { id, username } });
    core.bus.publish({ kind: "typing", roomId: place.room.id, userId: id, username }, "others");
  }

  // --- closing

  function closeWhere(isMeant: (connection: Connection) => boolean, ending: Ending): void {
    for (const place of places.all()) {
      for (const member of [...place.members.values()]) {
        for (const connection of [...member.sockets.keys()]) {
          if (isMeant(connection)) connection.close(ending);
        }
      }
    }
  }

  function closeExpired(): void {
    const now = core.clock();
    closeWhere(({ session }) => session !== null && session.expiresAt <= now, "sessionEnded");
  }

  /** They come back under their new name, or are told that theirs is taken. */
  async function closeMisnamed(): Promise<void> {
    const people = new Map<number, Person>();
    for (const place of places.all()) {
      for (const { person } of place.members.values()) people.set(person.id, person);
    }
    if (people.size === 0) return;
    try {
      const found = await misnamed(core, [...people.values()]);
      // Not those who have come back meanwhile.
      closeWhere(({ person }) => found.has(person.id) && people.get(person.id) === person, "unavailable");
    } catch (error) {
      if (!stopped) core.log.warn({ err: error }, "the names of who is connected could not be read");
    }
  }

  function hear(news: News): void {
    if (news.kind === "messages" || news.kind === "missed") log.wake();
    if (news.kind === "missed") void guard.checkRooms(places.all());
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
      tickers.push(setInterval(closeExpired, TICK_MS), setInterval(closeMisnamed, NAMES_EVERY_MS));
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

    takeNoMore() {
      takesMore = false;
    },

    async stop() {
      takesMore = false;
      stopped = true;
      unsubscribe();
      for (const ticker of tickers) clearInterval(ticker);
      watch.stop();
      log.stop();
      const farewell = presence.stop();
      for (const place of places.all()) place.isClosing = true;
      closeWhere(() => true, "stopping");
      await farewell;
    },
  };
}

const NEW_MESSAGES = { kind: "messages" } as const;

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
