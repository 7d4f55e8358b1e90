import { afterEach, describe, expect, test } from "bun:test";
import { drizzle } from "drizzle-orm/sqlite-proxy";
import fc from "fast-check";
import { openLocal } from "../../db/local.ts";
import { asDatabaseError, DatabaseError, type Db, migrate } from "../../db/open.ts";
import * as schema from "../../db/schema.ts";
import { createListeners } from "../../src/adapters/bus/listeners.ts";
import * as accounts from "../../src/domain/accounts.ts";
import type { Bus, Core } from "../../src/domain/core.ts";
import * as credentials from "../../src/domain/credentials.ts";
import { DomainError } from "../../src/domain/errors.ts";
import { createHub, type Hub, type Seat } from "../../src/domain/hub.ts";
import { HISTORY_AT_JOIN, type LogEntry, MAX_REPLAYED, type Since } from "../../src/domain/messages.ts";
import * as moderation from "../../src/domain/moderation.ts";
import * as roles from "../../src/domain/roles.ts";
import type { Connection, Ending, RoomEvent, Welcome } from "../../src/domain/room-events.ts";
import type { Access, Person, Room } from "../../src/domain/rooms.ts";
import * as rooms from "../../src/domain/rooms.ts";
import * as sessions from "../../src/domain/sessions.ts";
import { eventually } from "../adapters/eventually.ts";
import { startTestApp, type TestApp, type TestAppOptions } from "../support/app.ts";

// --- a community of nodes over one database

type Somebody = moderation.Moderator;
type Told = { readonly kind: "welcome"; readonly welcome: Welcome } | RoomEvent;

/** A socket without a network: it notes what it is told. */
class FakeSocket implements Connection {
  readonly told: Told[] = [];
  readonly endings: Ending[] = [];
  followed: number | null = null;
  seat: Seat | null = null;

  constructor(
    readonly person: Person,
    readonly session: Connection["session"],
    readonly since: Since | null = null,
  ) {}

  get isOpen(): boolean {
    return this.endings.length === 0;
  }

  get welcomed(): Welcome {
    const [first] = this.told;
    if (first?.kind !== "welcome") throw new Error(`not welcomed: ${JSON.stringify(first)}`);
    return first.welcome;
  }

  welcome(welcome: Welcome): void {
    this.told.push({ kind: "welcome", welcome });
  }

  tell(_room: Room, event: RoomEvent): void {
    if (this.isOpen) this.told.push(event);
  }

  follow(room: Room): void {
    if (this.isOpen) this.followed = room.id;
  }

  close(ending: Ending): void {
    if (!this.isOpen) return;
    this.followed = null;
    this.endings.push(ending);
    this.seat?.leave();
  }

  /** The client goes away by itself. */
  leave(): void {
    this.followed = null;
    this.seat?.leave();
  }

  /** In short, without the welcome. */
  heard(): string[] {
    return this.told.flatMap((told) => {
      switch (told.kind) {
        case "welcome":
          return [];
        case "message":
          return `${told.message.username}: ${told.message.content}`;
        case "deleted":
          return `deleted ${told.messageId}`;
        case "moderated":
          return `${told.act.action} ${told.act.id}`;
        default:
          return `${told.kind} ${told.person.username}`;
      }
    });
  }
}

type JoinOptions = { readonly since?: Since; readonly session?: Connection["session"] };

type Node = {
  readonly core: Core;
  readonly hub: Hub;
  enter(person: Person, room: Room): Promise<Access>;
  sit(person: Person, access: Access, options?: JoinOptions): FakeSocket;
  /** Both, as the chat API does; throws what is refused. */
  join(person: Person, room: Room, options?: JoinOptions): Promise<FakeSocket>;
};

/** What happens between a statement and its answer; `stage` says on which side of the database. */
type Delay = (stage: "before" | "after") => Promise<void>;

type Weather = {
  delay: Delay | null;
  /** Statements fail while it is true. */
  isBroken: boolean;
  /** How nudges get to the other nodes. */
  carry: (deliver: () => void) => void;
  /** Statements that were asked for and not answered yet. */
  inFlight: number;
};

type World = {
  readonly app: TestApp;
  readonly core: Core;
  readonly nodes: readonly Node[];
  readonly node: Node;
  readonly weather: Weather;
  person(username: string): Promise<Somebody>;
  room(owner: Person, publicId?: number | string): Promise<Room>;
  /** Says something over HTTP; the id of the message. */
  post(person: Person, room: Room, content: string): Promise<number>;
  log(room: Room): Promise<LogEntry[]>;
  close(): Promise<void>;
};

type WorldOptions = TestAppOptions & { readonly nodes?: number; readonly kind?: Db["kind"] };

const worlds = new Set<World>();
afterEach(async () => {
  for (const world of worlds) await world.close();
});

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

async function startWorld(options: WorldOptions = {}): Promise<World> {
  const { nodes: count = 1, kind = "local" } = options;
  const app = await startTestApp(options);
  const weather: Weather = { delay: null, isBroken: false, carry: setImmediate, inFlight: 0 };
  const db = await slowDb(kind, weather);
  await migrate(db);
  const buses = connected(count, weather);
  const nodes = await Promise.all(buses.map((bus) => startNode({ ...app.core, db, bus })));
  const [node] = nodes;
  if (node === undefined) throw new Error("a world has a node");
  const { core } = node;
  let numbered = 0;
  const world: World = {
    app,
    core,
    nodes,
    node,
    weather,
    async person(username) {
      const email = `p${numbered++}@example.org`;
      const wanted = { username, email, password: "Secret-123", origin: "chat" } as const;
      const account = await accounts.register(core, wanted);
      return { id: account.id, username, account, address: "192.0.2.1" };
    },
    room: (owner, publicId = `room-${numbered++}`) =>
      rooms.create(core, owner, {
        publicId,
        name: `The ${publicId}`,
        isPrivate: false,
        address: "192.0.2.1",
      }),
    async post(person, room, content) {
      const access = await node.enter(person, room);
      return (await node.hub.say(access, person, content, null)).entry.id;
    },
    async log(room) {
      const entries = await core.db.select().from(schema.messages).orderBy(schema.messages.id);
      return entries.filter(({ roomId }) => roomId === room.id);
    },
    async close() {
      worlds.delete(world);
      Object.assign(weather, { delay: null, isBroken: false });
      for (const { hub } of nodes) await hub.stop();
      await settled(world);
      await db.close();
      await app.close();
    },
  };
  worlds.add(world);
  return world;
}

async function startNode(core: Core): Promise<Node> {
  const sockets = new Set<FakeSocket>();
  const hub = createHub(core, (room, event) => {
    for (const socket of sockets) if (socket.followed === room.id) socket.told.push(event);
  });
  await hub.start();
  const enter: Node["enter"] = (person, room) => rooms.enter(core, room.publicId, person);
  const sit: Node["sit"] = (person, access, { since = null, session = null } = {}) => {
    const socket = new FakeSocket(person, session, since);
    socket.seat = hub.join(socket, access, since);
    sockets.add(socket);
    return socket;
  };
  return {
    core,
    hub,
    enter,
    sit,
    join: async (person, room, options) => sit(person, await enter(person, room), options),
  };
}

/** A real database whose answers can be late, or fail. As a remote one it does not tell when it was written. */
async function slowDb(kind: Db["kind"], weather: Weather): Promise<Db> {
  const connection = await openLocal(":memory:", {});
  async function late<T>(run: () => Promise<T>): Promise<T> {
    weather.inFlight += 1;
    try {
      await weather.delay?.("before");
      if (weather.isBroken) throw new DatabaseError("unavailable", "The database does not answer.");
      const answer = await run();
      await weather.delay?.("after");
      return answer;
    } finally {
      weather.inFlight -= 1;
    }
  }
  const { query, batch, ...members } = connection;
  const slow = drizzle(
    (sql, params, method) => late(() => query(sql, params, method)),
    (queries) => late(() => batch(queries)),
    { schema },
  );
  const dataVersion = kind === "local" ? members.dataVersion : () => null;
  return Object.assign(slow, { ...members, kind, dataVersion });
}

/** The buses of so many nodes; with one there is nobody to share with. */
function connected(count: number, weather: Weather): Bus[] {
  const all = Array.from({ length: count }, () => createListeners());
  return all.map((own) => ({
    isShared: count > 1,
    publish(nudge, to) {
      if (to === "all") own.tell(nudge);
      for (const other of all) if (other !== own) weather.carry(() => other.tell(nudge));
    },
    subscribe: (listener) => own.add(listener),
    check: async () => {},
    close: async () => {},
  }));
}

/** Waits until no statement is running and nothing follows from those that were. */
async function settled(world: World): Promise<void> {
  for (let idle = 0; idle < 5; ) {
    await turn();
    idle = world.weather.inFlight === 0 ? idle + 1 : 0;
  }
}

const refusal = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "nothing was refused",
    (error: unknown) =>
      error instanceof DomainError ? error.code : (asDatabaseError(error)?.kind ?? String(error)),
  );

/** A room with three people, of whom the first owns it and is there. */
async function meeting(options: WorldOptions = {}) {
  const world = await startWorld(options);
  const [ada, bob, eve] = [await world.person("ada"), await world.person("bob"), await world.person("eve")];
  const room = await world.room(ada);
  const here = await world.node.join(ada, room);
  await settled(world);
  // Its own coming.
  here.told.splice(1);
  return { world, node: world.node, ada, bob, eve, room, id: String(room.publicId), here };
}

/**
 * Somebody sits down, and the answer to one of the statements that this takes is long on its way: the first one reads
 * the history, the second one what the room knows of them. What is returned lets the answer come.
 */
async function slowNewcomer(
  world: World,
  person: Person,
  room: Room,
  { node = world.node, heldStatement = 1 }: { readonly node?: Node; readonly heldStatement?: number } = {},
): Promise<() => FakeSocket> {
  const access = await node.enter(person, room);
  const held = Promise.withResolvers<void>();
  let answered = 0;
  world.weather.delay = async (stage) => {
    if (stage === "after" && ++answered === heldStatement) await held.promise;
  };
  const socket = node.sit(person, access);
  for (let n = 0; n < 5; n++) await turn();
  world.weather.delay = null;
  return function release() {
    held.resolve();
    return socket;
  };
}

// --- what everybody is told

describe("joining and leaving", () => {
  test("is said once per person and room, not per tab", async () => {
    const { world, node, bob, room, here } = await meeting();
    const tabs = [await node.join(bob, room), await node.join(bob, room), await node.join(bob, room)];
    await settled(world);
    expect(here.heard()).toEqual(["joined bob"]);
    tabs[0]?.leave();
    tabs[2]?.leave();
    tabs[2]?.leave();
    expect(here.heard()).toEqual(["joined bob"]);
    tabs[1]?.leave();
    expect(here.heard()).toEqual(["joined bob", "left bob"]);
    await node.join(bob, room);
    await settled(world);
    expect(here.heard()).toEqual(["joined bob", "left bob", "joined bob"]);
  });

  test("is said in each room by itself", async () => {
    const { world, node, ada, bob, room, here } = await meeting();
    const other = await world.room(ada);
    const there = await node.join(ada, other);
    await settled(world);
    const inRoom = await node.join(bob, room);
    await settled(world);
    await node.join(bob, other);
    await settled(world);
    inRoom.leave();
    expect(here.heard()).toEqual(["joined bob", "left bob"]);
    expect(there.heard()).toEqual(["joined ada", "joined bob"]);
    expect(await node.hub.people(null)).toEqual([
      { id: ada.id, username: "ada" },
      { id: bob.id, username: "bob" },
    ]);
    expect(await node.hub.people(room.id)).toEqual([{ id: ada.id, username: "ada" }]);
    expect(await node.hub.counts()).toEqual(
      new Map([
        [room.id, 1],
        [other.id, 2],
      ]),
    );
  });

  test("of somebody who goes before being welcomed is not said at all", async () => {
    const { world, node, bob, room, here } = await meeting();
    (await node.join(bob, room)).leave();
    await settled(world);
    expect(here.heard()).toEqual([]);
    expect(await node.hub.people(room.id)).toHaveLength(1);
  });
});

describe("a welcome", () => {
  test("tells the room, oneself, who is there, and the last messages in ascending order", async () => {
    const { world, node, ada, bob, room, here } = await meeting();
    for (let n = 1; n <= HISTORY_AT_JOIN + 5; n++) await here.seat?.say(`no ${n}`, null);
    const bobs = await node.join(bob, room);
    await settled(world);
    const { history, epoch, members, you, isGap } = bobs.welcomed;
    expect(bobs.welcomed.room).toEqual(room);
    expect({ you, members, isGap }).toEqual({
      you: { id: bob.id, username: "bob" },
      members: [
        { id: ada.id, username: "ada" },
        { id: bob.id, username: "bob" },
      ],
      isGap: false,
    });
    expect(epoch).not.toBe("");
    expect(history.map(({ content }) => content)).toEqual(
      Array.from({ length: HISTORY_AT_JOIN }, (_, n) => `no ${n + 6}`),
    );
    expect(bobs.heard()).toEqual(["joined bob"]);
  });

  test("replays what was said and removed since then, and nothing else", async () => {
    const { world, node, ada, bob, room, id } = await meeting();
    const first = await world.post(ada, room, "first");
    const last = await world.post(ada, room, "last that bob saw");
    await world.post(ada, room, "while bob was away");
    const gone = await world.post(ada, room, "never to be seen");
    await moderation.removeMessage(world.core, ada, id, first, undefined);
    await moderation.removeMessage(world.core, ada, id, gone, undefined);
    const bobs = await node.join(bob, room, { since: { id: last, epoch: null } });
    await settled(world);
    expect(bobs.welcomed.history.map(({ content }) => content)).toEqual(["while bob was away"]);
    expect(bobs.welcomed.isGap).toBe(false);
    expect(bobs.heard()).toEqual([`deleted ${first}`, `deleted ${gone}`, "joined bob"]);
  });

  test("tells a gap when more was said than is replayed, and never for the most that is", async () => {
    const { world, node, ada, bob, room, here } = await meeting();
    const since = { id: await world.post(ada, room, "first"), epoch: null };
    for (let n = 0; n < MAX_REPLAYED; n++) await here.seat?.say(`no ${n}`, null);
    const all = await node.join(bob, room, { since });
    await settled(world);
    expect([all.welcomed.isGap, all.welcomed.history.length]).toEqual([false, MAX_REPLAYED]);
    await here.seat?.say("one more", null);
    const some = await node.join(bob, room, { since });
    await settled(world);
    expect([some.welcomed.isGap, some.welcomed.history.length]).toEqual([true, HISTORY_AT_JOIN]);
    expect(some.welcomed.history.at(-1)?.content).toBe("one more");
  });

  test("tells a gap for another epoch and for an id that was never given", async () => {
    const { world, node, ada, bob, room, here } = await meeting();
    const id = await world.post(ada, room, "hello");
    const { epoch } = here.welcomed;
    const gapFor = async (since: Since) => {
      const socket = await node.join(bob, room, { since });
      await settled(world);
      socket.leave();
      return [socket.welcomed.isGap, socket.welcomed.history.length];
    };
    expect(await gapFor({ id, epoch })).toEqual([false, 0]);
    expect(await gapFor({ id: 0, epoch })).toEqual([false, 1]);
    expect(await gapFor({ id, epoch: "another" })).toEqual([true, 1]);
    expect(await gapFor({ id: id + 1, epoch })).toEqual([true, 1]);
    expect(await gapFor({ id: Number.MAX_SAFE_INTEGER, epoch: null })).toEqual([true, 1]);
  });
});

describe("a key", () => {
  test("is stored once however often it is sent, by its person and in its room", async () => {
    const { world, node, ada, bob, room, here } = await meeting();
    const bobs = await node.join(bob, room);
    const other = await node.join(ada, await world.room(ada));
    await settled(world);
    await Promise.all(["one", "two", "three"].map((text) => here.seat?.say(text, "k")));
    await bobs.seat?.say("bob's", "k");
    await other.seat?.say("elsewhere", "k");
    await settled(world);
    // Who sends again is told what is stored, and nobody else is.
    expect(here.heard()).toEqual(["joined bob", "ada: one", "ada: one", "ada: one", "bob: bob's"]);
    expect(bobs.heard()).toEqual(["joined bob", "ada: one", "bob: bob's"]);
    expect(other.heard()).toEqual(["joined ada", "ada: elsewhere"]);
    const [first] = await world.log(room);
    await moderation.removeMessage(world.core, ada, String(room.publicId), first?.id ?? 0, undefined);
    expect(await refusal(here.seat?.say("again", "k") ?? Promise.resolve())).toBe("messageNotFound");
  });
});

describe("typing", () => {
  test("is told at most every three seconds per person", async () => {
    const { world, node, bob, room, here } = await meeting();
    const [one, two] = [await node.join(bob, room), await node.join(bob, room)];
    await settled(world);
    const typed = () => here.heard().filter((line) => line === "typing bob").length;
    one.seat?.typing();
    one.seat?.typing();
    two.seat?.typing();
    expect(typed()).toBe(1);
    world.app.now += 2_999;
    one.seat?.typing();
    expect(typed()).toBe(1);
    world.app.now += 1;
    two.seat?.typing();
    one.seat?.typing();
    expect(typed()).toBe(2);
  });
});

describe("places", () => {
  test("somebody has five sockets in a room, and a freed one can be taken again", async () => {
    const { world, node, bob, room } = await meeting();
    const tabs: FakeSocket[] = [];
    for (let n = 0; n < 5; n++) tabs.push(await node.join(bob, room));
    expect(await refusal(node.join(bob, room))).toBe("tooManySockets");
    await settled(world);
    tabs[3]?.leave();
    const again = await node.join(bob, room);
    await settled(world);
    expect(again.welcomed.you.id).toBe(bob.id);
    expect(await refusal(node.join(bob, room))).toBe("tooManySockets");
  });

  test("somebody is in 128 rooms, with several tabs in each", async () => {
    const { world, node, bob, room } = await meeting();
    const sockets: FakeSocket[] = [];
    for (let n = 0; n < 128; n++) sockets.push(await node.join(bob, await world.room(bob)));
    expect(await refusal(node.join(bob, room))).toBe("tooManySockets");
    const [first] = sockets;
    await settled(world);
    await node.join(bob, first?.welcomed.room ?? room);
    sockets[1]?.leave();
    expect((await node.join(bob, room)).isOpen).toBe(true);
    expect(await refusal(node.join(bob, await world.room(bob)))).toBe("tooManySockets");
  });
});

// --- what is decided acts at once

describe("moderation", () => {
  test("a mute silences open sockets until it ends or is lifted", async () => {
    const { world, node, ada, bob, room, id, here } = await meeting();
    const bobs = await node.join(bob, room);
    await settled(world);
    const say = () => refusal(bobs.seat?.say("hm", null) ?? Promise.resolve());
    await moderation.mute(world.core, ada, id, bob.id, { until: world.app.now + 1_000, reason: "loud" });
    await settled(world);
    expect(await say()).toBe("muted");
    bobs.seat?.typing();
    world.app.now += 1_001;
    expect(await say()).toBe("nothing was refused");
    await moderation.mute(world.core, ada, id, bob.id, {});
    await settled(world);
    expect(await say()).toBe("muted");
    await moderation.unmute(world.core, ada, id, bob.id);
    await settled(world);
    expect(await say()).toBe("nothing was refused");
    const lines = [`mute ${bob.id}`, "bob: hm", `mute ${bob.id}`, `unmute ${bob.id}`, "bob: hm"];
    expect(here.heard()).toEqual(["joined bob", ...lines]);
    expect(bobs.heard()).toEqual(["joined bob", ...lines]);
    const act = here.told.find((told) => told.kind === "moderated");
    expect(act).toMatchObject({ act: { action: "mute", until: world.app.now - 1, reason: "loud" } });
  });

  test("a ban closes every tab and keeps them out until it ends", async () => {
    const { world, node, ada, bob, eve, room, id, here } = await meeting();
    const tabs = [await node.join(bob, room), await node.join(bob, room)];
    const eves = await node.join(eve, room);
    await settled(world);
    await moderation.ban(world.core, ada, id, bob.id, { until: world.app.now + 5_000 });
    await settled(world);
    expect(tabs.map(({ endings }) => endings)).toEqual([["removed"], ["removed"]]);
    expect([eves.isOpen, here.isOpen]).toEqual([true, true]);
    expect(here.heard().slice(2)).toEqual([`ban ${bob.id}`, "left bob"]);
    expect(await refusal(node.join(bob, room))).toBe("banned");
    world.app.now += 5_001;
    expect((await node.join(bob, room)).isOpen).toBe(true);
  });

  test("a kick closes every tab, and they may come back", async () => {
    const { world, node, ada, bob, room, id } = await meeting();
    const tabs = [await node.join(bob, room), await node.join(bob, room)];
    await settled(world);
    await moderation.kick(world.core, ada, id, bob.id, {});
    await settled(world);
    expect(tabs.map(({ endings }) => endings)).toEqual([["removed"], ["removed"]]);
    const back = await node.join(bob, room);
    await settled(world);
    expect([back.isOpen, back.heard()]).toEqual([true, ["joined bob"]]);
  });

  test("somebody who came back after a kick stays, although a newcomer hears of the kick late", async () => {
    const { world, node, ada, bob, eve, room, id, here } = await meeting();
    const bobs = await node.join(bob, room);
    await settled(world);
    const release = await slowNewcomer(world, eve, room);
    await moderation.kick(world.core, ada, id, bob.id, {});
    await eventually(() => bobs.endings.length > 0);
    const back = await node.join(bob, room);
    await eventually(() => back.told.length > 0);
    const eves = release();
    await settled(world);
    expect(eves.welcomed.history).toEqual([]);
    expect(here.heard().slice(-3)).toEqual(["left bob", "joined bob", "joined eve"]);
    expect(back.endings).toEqual([]);
  });

  test("a removed room closes everybody, and its id is free", async () => {
    const { world, node, ada, bob, room, id, here } = await meeting();
    const bobs = await node.join(bob, room);
    await settled(world);
    await moderation.remove(world.core, ada, id);
    await settled(world);
    expect([here.endings, bobs.endings]).toEqual([["roomGone"], ["roomGone"]]);
    expect(await refusal(node.join(bob, room))).toBe("roomNotFound");
    const again = await node.join(bob, await world.room(bob, room.publicId));
    await settled(world);
    expect(again.welcomed.history).toEqual([]);
  });

  test("a room that becomes private closes those who were not let in", async () => {
    const { world, node, ada, bob, eve, room, id, here } = await meeting();
    await moderation.addMember(world.core, ada, id, eve.id);
    const sockets = [here, await node.join(bob, room), await node.join(eve, room)];
    await settled(world);
    await moderation.change(world.core, ada, id, { isPrivate: true });
    await settled(world);
    expect(sockets.map(({ endings }) => endings)).toEqual([[], ["removed"], []]);
    expect(await refusal(node.join(bob, room))).toBe("forbidden");
    await moderation.removeMember(world.core, ada, id, eve.id);
    await settled(world);
    expect(sockets[2]?.endings).toEqual(["removed"]);
  });

  test("in a read-only room its moderators speak alone, from the moment they are made such", async () => {
    const { world, node, ada, bob, room, id, here } = await meeting();
    const bobs = await node.join(bob, room);
    await settled(world);
    const say = (socket: FakeSocket) => refusal(socket.seat?.say("hm", null) ?? Promise.resolve());
    await moderation.change(world.core, ada, id, { isReadOnly: true });
    await settled(world);
    expect([await say(bobs), await say(here)]).toEqual(["roomReadOnly", "nothing was refused"]);
    await moderation.addModerator(world.core, ada, id, bob.id);
    await settled(world);
    expect(await say(bobs)).toBe("nothing was refused");
    await moderation.removeModerator(world.core, ada, id, bob.id);
    await settled(world);
    expect(await say(bobs)).toBe("roomReadOnly");
  });

  test("in slow mode everybody but moderators waits, and a resend costs no turn", async () => {
    const { world, node, ada, bob, room, id, here } = await meeting();
    const bobs = await node.join(bob, room);
    await moderation.change(world.core, ada, id, { slowModeSeconds: 10 });
    await settled(world);
    const say = (socket: FakeSocket, key: string | null) =>
      refusal(socket.seat?.say("hm", key) ?? Promise.resolve());
    expect(await say(bobs, "k")).toBe("nothing was refused");
    expect(await say(bobs, null)).toBe("slowMode");
    expect(await say(bobs, "k")).toBe("nothing was refused");
    expect([await say(here, null), await say(here, null)]).toEqual(Array(2).fill("nothing was refused"));
    world.app.now += 10_000;
    expect(await say(bobs, null)).toBe("nothing was refused");
  });

  test("who moderates all of chat stays in a private room, and goes with the permission", async () => {
    const { world, node, ada, bob, room, id } = await meeting();
    await world.core.db.insert(schema.roles).values({ name: "steward", permissions: ["chat.moderate"] });
    const moderator = await world.person("mod");
    await roles.grant(world.core, moderator.account, "steward");
    const sockets = [await node.join(moderator, room), await node.join(bob, room)];
    await settled(world);
    await moderation.change(world.core, ada, id, { isPrivate: true });
    await settled(world);
    expect(sockets.map(({ endings }) => endings)).toEqual([[], ["removed"]]);
    await roles.revoke(world.core, moderator.account, "steward");
    await eventually(() => sockets[0]?.isOpen === false);
    expect(sockets[0]?.endings).toHaveLength(1);
  });

  test.each([1, 2])("what is decided while a newcomer waits for statement %i holds for them", async (nth) => {
    const { world, node, ada, bob, eve, room, id, here } = await meeting();
    await here.seat?.say("A room with a history is read in one statement.", null);
    here.told.splice(0);
    const bobs = await slowNewcomer(world, bob, room, { heldStatement: nth });
    await moderation.mute(world.core, ada, id, bob.id, {});
    for (let n = 0; n < 5; n++) await turn();
    const muted = bobs();
    await settled(world);
    expect(await refusal(muted.seat?.say("hm", null) ?? Promise.resolve())).toBe("muted");
    const eves = await slowNewcomer(world, eve, room, { heldStatement: nth });
    await moderation.ban(world.core, ada, id, eve.id, {});
    for (let n = 0; n < 5; n++) await turn();
    const banned = eves();
    await settled(world);
    expect(banned.endings).toEqual(["removed"]);
    expect(banned.heard()).toEqual(nth === 1 ? [] : [`ban ${eve.id}`]);
    expect(here.heard()).toEqual([`mute ${bob.id}`, "joined bob", `ban ${eve.id}`]);
    expect((await node.hub.people(room.id)).map(({ username }) => username)).toEqual(["ada", "bob"]);
  });
});

describe("sessions", () => {
  const sessionOf = async (world: World, person: Somebody) => {
    const { sessionId } = await credentials.signIn(
      world.core,
      { name: person.account.email, by: "email", password: "Secret-123", origin: "chat" },
      { address: "192.0.2.1", userAgent: null, browser: null },
    );
    const found = await sessions.findWithAccount(world.core, sessionId);
    if (found === null) throw new Error("no session");
    return found.session;
  };

  test("a socket ends with its session's time", async () => {
    const { world, node, bob, room, here } = await meeting();
    const session = await sessionOf(world, bob);
    const socket = await node.join(bob, room, { session });
    await settled(world);
    world.app.now = session.expiresAt - 1;
    await Bun.sleep(1_100);
    expect(socket.isOpen).toBe(true);
    world.app.now = session.expiresAt;
    await eventually(() => !socket.isOpen);
    expect(socket.endings).toEqual(["sessionEnded"]);
    expect(here.heard()).toEqual(["joined bob", "left bob"]);
  });

  test("revoking one closes its sockets in all rooms before it answers, and no others", async () => {
    const { world, node, ada, bob, room } = await meeting();
    const [one, two] = [await sessionOf(world, bob), await sessionOf(world, bob)];
    const other = await world.room(ada);
    const sockets = [
      await node.join(bob, room, { session: one }),
      await node.join(bob, other, { session: one }),
      await node.join(bob, room, { session: two }),
    ];
    await settled(world);
    await sessions.revoke(world.core, bob.account, one.id);
    await settled(world);
    expect(sockets.map(({ endings }) => endings)).toEqual([["sessionEnded"], ["sessionEnded"], []]);
  });

  test("a deactivated account has no open sockets, on whichever node", async () => {
    const { world, bob, room } = await meeting({ nodes: 2 });
    const session = await sessionOf(world, bob);
    const sockets = await Promise.all(world.nodes.map((node) => node.join(bob, room, { session })));
    await settled(world);
    await accounts.deactivate(world.core, null, bob.id);
    await settled(world);
    expect(sockets.map(({ endings }) => endings)).toEqual([["sessionEnded"], ["sessionEnded"]]);
  });

  test("one that was revoked while its socket was on its way in is found by the next look", async () => {
    const { world, node, bob, room } = await meeting({ kind: "remote" });
    const session = await sessionOf(world, bob);
    const access = await node.enter(bob, room);
    await sessions.revoke(world.core, bob.account, session.id);
    await settled(world);
    const socket = node.sit(bob, access, { session });
    await eventually(() => !socket.isOpen);
    expect(socket.endings).toEqual(["sessionEnded"]);
  });
});

describe("trouble", () => {
  test("who cannot be welcomed is asked to come again, and what cannot be stored is refused", async () => {
    const { world, node, bob, room, here } = await meeting();
    const access = await node.enter(bob, room);
    world.weather.isBroken = true;
    const socket = node.sit(bob, access);
    await settled(world);
    expect(socket.endings).toEqual(["unavailable"]);
    expect(await refusal(here.seat?.say("hm", null) ?? Promise.resolve())).toBe("unavailable");
    world.weather.isBroken = false;
    await here.seat?.say("again", null);
    await node.join(bob, room);
    await settled(world);
    expect(here.heard()).toEqual(["ada: again", "joined bob"]);
  });

  test("a stop closes everybody as `stopping`, and nobody gets a place any more", async () => {
    const { world, node, ada, bob, room, here } = await meeting();
    const sockets = [here, await node.join(bob, room), await node.join(ada, await world.room(ada))];
    await settled(world);
    const access = await node.enter(bob, room);
    await node.hub.stop();
    expect(sockets.map(({ endings }) => endings)).toEqual(Array(3).fill(["stopping"]));
    expect(() => node.sit(bob, access)).toThrow("stopping");
    expect(() => node.hub.requirePlace(bob, room)).toThrow("stopping");
    expect(await node.hub.people(null)).toEqual([]);
  });

  test("those who are closed together are not told of each other's leaving", async () => {
    const { world, node, ada, bob, eve, room, id, here } = await meeting();
    const gone = [here, await node.join(bob, room), await node.join(eve, room)];
    const other = await world.room(ada);
    const stopped = [await node.join(ada, other), await node.join(bob, other), await node.join(eve, other)];
    await settled(world);
    for (const socket of [...gone, ...stopped]) socket.told.splice(0);
    await moderation.remove(world.core, ada, id);
    await settled(world);
    await node.hub.stop();
    // Of a thousand it would be half a million frames, and everybody else would wait for them.
    expect(gone.map((socket) => socket.heard())).toEqual(Array(3).fill([`room_deleted ${ada.id}`]));
    expect(stopped.map((socket) => socket.heard())).toEqual([[], [], []]);
  });

  test("messages are limited by a bucket per person, in all rooms together", async () => {
    const { world, ada, here } = await meeting({ limitMessages: { points: 10, windowMs: 10_000 } });
    const other = await world.node.join(ada, await world.room(ada));
    await settled(world);
    const say = (socket: FakeSocket) => refusal(socket.seat?.say("hm", null) ?? Promise.resolve());
    for (let n = 0; n < 20; n++) expect(await say(n % 2 === 0 ? here : other)).toBe("nothing was refused");
    expect([await say(here), await say(other)]).toEqual(["rateLimited", "rateLimited"]);
    world.app.now += 1_000;
    expect([await say(here), await say(other)]).toEqual(["nothing was refused", "rateLimited"]);
  });
});

// --- several nodes

describe("two nodes over one database", () => {
  test("tell every message in the order of its id, once, whoever committed it", async () => {
    const { world, ada, bob, room } = await meeting({ nodes: 2, kind: "remote" });
    const [one, two] = world.nodes;
    if (one === undefined || two === undefined) throw new Error("two nodes");
    const sockets = [await one.join(ada, room), await two.join(bob, room)];
    const access = await one.enter(ada, room);
    await settled(world);
    let asked = 0;
    // Statements arrive in another order than they were sent in, and their answers in another one again.
    world.weather.delay = () => Bun.sleep((7 * asked++) % 5);
    const said: Promise<unknown>[] = [];
    for (let n = 0; n < 30; n++) {
      for (const { seat } of sockets) said.push(seat?.say(`no ${n}`, null) ?? Promise.reject());
      said.push(one.hub.say(access, ada, `over http ${n}`, null));
      await turn();
    }
    await Promise.all(said);
    await settled(world);
    const ids = (await world.log(room)).map(({ id }) => id);
    expect(ids).toHaveLength(90);
    for (const socket of sockets) {
      const heard = socket.told.flatMap((told) => (told.kind === "message" ? told.message : []));
      expect(heard.map(({ id }) => id)).toEqual(ids);
      const adas = heard.filter(({ userId, content }) => userId === ada.id && !content.includes("http"));
      expect(adas.map(({ content }) => content)).toEqual(Array.from({ length: 30 }, (_, n) => `no ${n}`));
    }
  });

  test("what another wrote is told although its nudge was lost", async () => {
    const { world, bob, room, here } = await meeting({ nodes: 2 });
    const socket = await world.nodes[1]?.join(bob, room);
    await settled(world);
    world.weather.carry = () => {};
    await socket?.seat?.say("do you hear me?", null);
    await settled(world);
    expect(here.heard()).toEqual(["joined bob"]);
    // It looks by itself every two seconds.
    await eventually(() => here.heard().length > 1);
    expect(here.heard()).toEqual(["joined bob", "bob: do you hear me?"]);
  });

  test("say who comes and goes once, wherever their tabs are", async () => {
    const { world, ada, bob, room, here } = await meeting({ nodes: 2 });
    const [one, two] = world.nodes;
    const there = await two?.join(bob, room);
    await settled(world);
    const tab = await one?.join(bob, room);
    await settled(world);
    expect(there?.welcomed.members).toEqual([
      { id: ada.id, username: "ada" },
      { id: bob.id, username: "bob" },
    ]);
    expect(tab?.welcomed.members).toEqual(there?.welcomed.members ?? []);
    there?.leave();
    await settled(world);
    expect(here.heard()).toEqual(["joined bob"]);
    for (const { hub } of world.nodes) {
      const people = (await hub.people(room.id)).map(({ username }) => username).sort();
      expect(people).toEqual(["ada", "bob"]);
      expect((await hub.counts()).get(room.id)).toBe(2);
    }
    tab?.leave();
    await settled(world);
    expect(here.heard()).toEqual(["joined bob", "left bob"]);
    expect(await two?.hub.people(null)).toEqual([{ id: ada.id, username: "ada" }]);
  });

  test("tell typing and moderation across", async () => {
    const { world, ada, bob, room, id, here } = await meeting({ nodes: 2 });
    const bobs = await world.nodes[1]?.join(bob, room);
    await settled(world);
    bobs?.seat?.typing();
    await settled(world);
    await moderation.kick(world.core, ada, id, bob.id, {});
    await settled(world);
    expect(here.heard()).toEqual(["joined bob", "typing bob", `kick ${bob.id}`, "left bob"]);
    expect(bobs?.endings).toEqual(["removed"]);
  });

  test("a node that died has nobody connected to it", async () => {
    const { world, bob, room, here } = await meeting({ nodes: 2 });
    await world.nodes[1]?.join(bob, room);
    await settled(world);
    // As if it had not been seen for three beats; the living one says so again at its next beat.
    await world.core.db.update(schema.nodes).set({ seenAt: Date.now() - 16_000 });
    world.core.bus.publish({ kind: "presence", roomId: room.id }, "others");
    world.weather.carry = () => {};
    await settled(world);
    expect((await world.node.hub.people(room.id)).map(({ username }) => username)).toEqual(["ada"]);
    expect(here.isOpen).toBe(true);
  });

  test("a node that stops says good-bye in every room", async () => {
    const { world, ada, bob, eve, room, here } = await meeting({ nodes: 2 });
    const [one, two] = world.nodes;
    const other = await world.room(ada);
    const there = await one?.join(ada, other);
    await two?.join(bob, room);
    await two?.join(eve, other);
    await settled(world);
    await two?.hub.stop();
    await settled(world);
    expect(here.heard()).toEqual(["joined bob", "left bob"]);
    expect(there?.heard()).toEqual(["joined ada", "joined eve", "left eve"]);
  });

  test("a newcomer is told who came to the other node while it was being welcomed", async () => {
    const { world, bob, eve, room } = await meeting({ nodes: 2 });
    const [one, two] = world.nodes;
    if (one === undefined || two === undefined) throw new Error("two nodes");
    const release = await slowNewcomer(world, bob, room, { node: two });
    await one.join(eve, room);
    await eventually(async () => (await one.hub.people(room.id)).length === 2);
    for (let n = 0; n < 20; n++) await turn();
    const bobs = release();
    await settled(world);
    expect(membersOf(bobs)).toEqual(["ada", "bob", "eve"]);
  });

  test("who is elsewhere is read anew after somebody went before being welcomed", async () => {
    const { world, bob, eve, room } = await meeting({ nodes: 2 });
    const [one, two] = world.nodes;
    if (one === undefined || two === undefined) throw new Error("two nodes");
    const release = await slowNewcomer(world, bob, room, { node: two });
    release().leave();
    await settled(world);
    await one.join(eve, room);
    await settled(world);
    const bobs = await two.join(bob, room);
    await settled(world);
    expect(membersOf(bobs)).toEqual(["ada", "bob", "eve"]);
  });
});

/** Who is there, as a client knows it that believes what it is told. */
function membersOf(socket: FakeSocket): string[] {
  const names = new Set(socket.welcomed.members.map(({ username }) => username));
  for (const told of socket.told) {
    if (told.kind === "joined") names.add(told.person.username);
    if (told.kind === "left") names.delete(told.person.username);
  }
  return [...names].sort();
}

// --- anything in any order

/** A client that believes what it is told: over all its connections it shall know what the room holds. */
class Client {
  readonly knows = new Map<number, string>();
  epoch: string | null = null;
  socket: FakeSocket | null = null;
  isJoining = false;
  #folded = 0;

  constructor(
    readonly person: Somebody,
    readonly node: Node,
  ) {}

  get since(): Since | null {
    const newest = Math.max(0, ...this.knows.keys());
    return newest === 0 ? null : { id: newest, epoch: this.epoch };
  }

  /** Takes in what its socket was told since the last time. */
  fold(): void {
    const told = this.socket?.told.slice(this.#folded) ?? [];
    this.#folded += told.length;
    for (const one of told) {
      if (one.kind === "deleted") this.knows.delete(one.messageId);
      if (one.kind === "message") this.knows.set(one.message.id, one.message.content);
      if (one.kind !== "welcome") continue;
      if (one.welcome.isGap) this.knows.clear();
      this.epoch = one.welcome.epoch;
      for (const { id, content } of one.welcome.history) this.knows.set(id, content);
    }
  }

  opened(socket: FakeSocket): void {
    this.socket = socket;
    this.#folded = 0;
    this.isJoining = false;
  }
}

type Action =
  | { readonly do: "say" | "post" | "join" | "leave" | "mute" | "kick"; readonly who: number }
  | { readonly do: "resend"; readonly who: number; readonly key: number }
  | { readonly do: "remove"; readonly nth: number }
  | { readonly do: "rename" };

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("say" as const), who: fc.nat(3) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("join" as const), who: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("leave" as const), who: fc.nat(3) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom("post" as const, "mute" as const, "kick" as const),
      who: fc.nat(3),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("resend" as const), who: fc.nat(3), key: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("remove" as const), nth: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.constant({ do: "rename" as const }) },
);

const steps = fc.array(fc.record({ action, released: fc.nat(4) }), { minLength: 5, maxLength: 40 });

type Outcome = {
  readonly clients: readonly Client[];
  /** Of all clients, also those that were closed. */
  readonly sockets: readonly FakeSocket[];
  readonly log: readonly LogEntry[];
  /** Whom each node names. */
  readonly present: readonly (readonly { readonly username: string }[])[];
};

/** Does all of it while statements and nudges take as long as the scheduler says; then everybody comes back. */
async function anything(
  scheduler: fc.Scheduler,
  wanted: readonly { readonly action: Action; readonly released: number }[],
  options: WorldOptions,
  check: (outcome: Outcome) => void,
): Promise<void> {
  const world = await startWorld(options);
  const ada = await world.person("ada");
  const room = await world.room(ada);
  const id = String(room.publicId);
  const people = [ada, await world.person("bob"), await world.person("eve"), await world.person("joe")];
  const clients = people.map(
    (person, at) => new Client(person, world.nodes[at % world.nodes.length] ?? world.node),
  );
  const sockets: FakeSocket[] = [];
  const running: Promise<unknown>[] = [];
  let marks = 0;
  world.weather.delay = () => scheduler.schedule(Promise.resolve());
  world.weather.carry = (deliver) => void scheduler.schedule(Promise.resolve()).then(deliver);

  async function join(client: Client): Promise<void> {
    if (client.isJoining || client.socket?.isOpen === true) return;
    client.fold();
    client.isJoining = true;
    const { since } = client;
    const socket = await client.node
      .join(client.person, room, since === null ? {} : { since })
      .finally(() => {
        client.isJoining = false;
      });
    client.opened(socket);
    sockets.push(socket);
  }

  async function act(one: Action): Promise<void> {
    if (one.do === "remove") {
      const said = await world.log(room);
      const target = said.filter(({ kind }) => kind === "message").at(-1 - one.nth);
      if (target !== undefined) await moderation.removeMessage(world.core, ada, id, target.id, undefined);
      return;
    }
    if (one.do === "rename") {
      await moderation.change(world.core, ada, id, { name: `name ${marks++}` });
      return;
    }
    const client = clients[one.who];
    if (client === undefined) return;
    const { person, node, socket } = client;
    const reason = `mark ${marks++}`;
    if (one.do === "say") await socket?.seat?.say(reason, null);
    if (one.do === "resend") await socket?.seat?.say(reason, `key ${one.key}`);
    if (one.do === "post") await node.hub.say(await node.enter(person, room), person, reason, null);
    if (one.do === "join") await join(client);
    if (one.do === "leave") {
      client.fold();
      socket?.leave();
      client.socket = null;
    }
    const until = world.app.now + 1;
    if (one.do === "mute") await moderation.mute(world.core, ada, id, person.id, { until, reason });
    if (one.do === "kick") await moderation.kick(world.core, ada, id, person.id, { reason });
  }

  async function release(count: number): Promise<void> {
    await turn();
    for (let n = 0; n < count && scheduler.count() > 0; n++) {
      await scheduler.waitNext(1);
      await turn();
    }
  }

  async function drain(): Promise<void> {
    for (let idle = 0; idle < 5; ) {
      idle = scheduler.count() === 0 && world.weather.inFlight === 0 ? idle + 1 : 0;
      await release(1);
    }
  }

  for (const { action: one, released } of wanted) {
    running.push(
      act(one).catch((error: unknown) => {
        if (!(error instanceof DomainError)) throw error;
      }),
    );
    await release(released);
  }
  await drain();
  await Promise.all(running);
  for (const client of clients) await Promise.all([join(client), drain()]);
  await drain();
  for (const client of clients) client.fold();
  world.weather.delay = null;
  const present = await Promise.all(world.nodes.map(({ hub }) => hub.people(room.id)));
  check({ clients, sockets, log: await world.log(room), present });
  await world.close();
}

/**
 * The ids in the log of what a socket was told after its welcome, in the order of the telling. A message with a key
 * that its sender was told before is the answer to sending it again.
 */
function toldIds(socket: FakeSocket, log: readonly LogEntry[]): number[] {
  let newestId = Math.max(socket.since?.id ?? 0, ...historyIds(socket));
  return socket.told.flatMap((told) => {
    if (told.kind === "message") {
      const { id, key, userId } = told.message;
      if (key !== null && userId === socket.person.id && id <= newestId) return [];
      newestId = Math.max(newestId, id);
      return id;
    }
    if (told.kind === "deleted") return log.find(({ removedId }) => removedId === told.messageId)?.id ?? -1;
    // A change of the room has nothing by which one is told from another.
    if (told.kind !== "moderated" || told.act.action === "room_changed") return [];
    return log.find(({ content }) => content === JSON.stringify(told.act))?.id ?? -1;
  });
}

const NODES = [
  ["one node", { nodes: 1 }],
  ["one node on a remote database", { nodes: 1, kind: "remote" }],
  ["two nodes on a remote database", { nodes: 2, kind: "remote" }],
] as const satisfies readonly (readonly [string, WorldOptions])[];

describe.each(NODES)("whatever happens in whatever order, on %s", (_, options) => {
  const RUNS = 60;
  const LIMIT_MS = 120_000;

  const holds = (check: (outcome: Outcome) => void) =>
    fc.assert(
      fc.asyncProperty(fc.scheduler(), steps, (scheduler, wanted) =>
        anything(scheduler, wanted, options, check),
      ),
      { numRuns: RUNS, interruptAfterTimeLimit: LIMIT_MS / 2 },
    );

  test(
    "every entry is told exactly once and in order, and welcome and live are the history",
    () =>
      holds(({ clients, sockets, log }) => {
        const held = log.flatMap(({ id, kind, content }) => (kind === "message" ? [[id, content]] : []));
        for (const { knows } of clients) expect([...knows].sort(byId)).toEqual(held as [number, string][]);
        for (const socket of sockets) {
          const ids = toldIds(socket, log);
          expect(ids).toEqual(ascending(ids));
          const messageIds = ids.filter((id) => log.some((entry) => entry.id === id && isSaid(entry)));
          const all = [...historyIds(socket), ...messageIds];
          expect(all).toEqual(ascending(all));
          if (
            !socket.isOpen ||
            socket.followed === null ||
            !clients.some((client) => client.socket === socket)
          )
            continue;
          // From the first message on that was told live, nothing is missing but what was removed meanwhile.
          const [firstId = Number.POSITIVE_INFINITY] = messageIds;
          const due = log.filter(({ id, kind }) => id >= firstId && kind !== "removed");
          const named = due.filter(({ content }) => !content.includes("room_changed"));
          expect(ids).toEqual(expect.arrayContaining(named.map(({ id }) => id)));
        }
      }),
    LIMIT_MS,
  );

  test(
    "everybody who is there knows who else is",
    () =>
      holds(({ clients, present }) => {
        const there = clients.filter(({ socket }) => socket?.isOpen === true);
        const names = there.map(({ person }) => person.username).sort();
        expect(names.length).toBeGreaterThan(0);
        for (const people of present) expect(people.map(({ username }) => username).sort()).toEqual(names);
        for (const { socket } of there) if (socket !== null) expect(membersOf(socket)).toEqual(names);
      }),
    LIMIT_MS,
  );
});

const isSaid = ({ kind }: LogEntry) => kind === "message" || kind === "removed";

const historyIds = ({ told: [first] }: FakeSocket) =>
  first?.kind === "welcome" ? first.welcome.history.map(({ id }) => id) : [];

const ascending = (ids: readonly number[]) => [...new Set(ids)].sort((one, other) => one - other);

const byId = ([one]: readonly [number, string], [other]: readonly [number, string]) => one - other;
