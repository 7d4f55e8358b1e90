import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eq } from "drizzle-orm";
import { type Db, openDatabase } from "../../db/open.ts";
import { roomPeople } from "../../db/schema.ts";
import * as accounts from "../../src/domain/accounts.ts";
import { erasedName, eraseOther } from "../../src/domain/erasure.ts";
import * as messages from "../../src/domain/messages.ts";
import * as rooms from "../../src/domain/rooms.ts";
import { accountOf, admin } from "../accounts/people.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { startHranaServer } from "../support/hrana-server.ts";
import { type Chatter, chatter, refused, roomWithPeople, told, withPermission, withToken } from "./people.ts";

const ROOM = "/ws/rooms/1";
const PEOPLE = `${ROOM}/people`;
const LATER = "2026-04-14T11:00:00.000Z";
const LATER_MS = Date.parse(LATER);
const FOR_EVER = { until: null };

let app: TestApp;
let owner: Chatter;
let helper: Chatter;
let ann: Chatter;
let ben: Chatter;

beforeEach(async () => {
  app = await startTestApp();
  ({ owner, helper, ann, ben } = await roomWithPeople(app));
});
afterEach(() => app.close());

const people = async (query = ""): Promise<unknown[]> =>
  (await owner.must(200, "GET", PEOPLE + query)).body.people;
const ids = async (query = ""): Promise<unknown[]> =>
  ((await people(query)) as { id: number }[]).map(({ id }) => id);

/** Somebody as the list spells them. */
const entry = ({ id, username }: Pick<Chatter, "id" | "username">, known: object = {}) => ({
  id,
  username,
  role: null,
  member: false,
  muted: null,
  banned: null,
  ...known,
});
const always = () => [entry(owner, { role: "owner" }), entry(helper, { role: "moderator" })];

describe("one room", () => {
  const asPublic = () => ({
    id: 1,
    name: "room1",
    private: false,
    read_only: false,
    slow_mode_seconds: 0,
    created_at: new Date(app.now).toISOString(),
    you: null,
    muted: null,
  });

  test("is told as it is now, with what one is in it", async () => {
    for (const [who, you] of [
      [owner, "owner"],
      [helper, "moderator"],
      [ann, null],
    ] as const) {
      const answer = await who.must(200, "GET", ROOM);
      expect(answer.body).toEqual({ ...asPublic(), you });
      expect(answer.headers.get("Cache-Control")).toBe("no-store");
    }
    const changes = { name: "other", private: true, read_only: true, slow_mode_seconds: 7 };
    await owner.must(204, "PATCH", ROOM, changes);
    await owner.must(204, "PUT", `${ROOM}/members/${ann.id}`);
    expect((await ann.must(200, "GET", ROOM)).body).toEqual({ ...asPublic(), ...changes, you: "member" });
  });

  test("has its id as it was given", async () => {
    await ann.must(200, "POST", "/ws/create-room", { id: "7", name: "seven" });
    expect((await ben.must(200, "GET", "/ws/rooms/7")).body).toMatchObject({ id: "7", name: "seven" });
  });

  test("tells of one's own mute until it ends", async () => {
    await owner.must(204, "PUT", `${ROOM}/mutes/${ann.id}`);
    expect((await ann.must(200, "GET", ROOM)).body).toEqual({ ...asPublic(), muted: FOR_EVER });
    expect((await ben.must(200, "GET", ROOM)).body).toEqual(asPublic());
    await owner.must(204, "PUT", `${ROOM}/mutes/${ann.id}`, { until: LATER });
    app.now = LATER_MS - 1;
    expect((await ann.must(200, "GET", ROOM)).body.muted).toEqual({ until: LATER });
    app.now = LATER_MS;
    expect((await ann.must(200, "GET", ROOM)).body.muted).toBeNull();
  });

  test("is for who may enter it", async () => {
    expect(told(await app.call("GET", ROOM))).toEqual(refused(401));
    expect(told(await ann.call("GET", "/ws/rooms/2"))).toEqual(refused(404));
    await owner.must(204, "PUT", `${ROOM}/bans/${ben.id}`);
    expect(told(await ben.call("GET", ROOM))).toEqual([403, { error: "You are banned from this room." }]);
    await owner.must(204, "PATCH", ROOM, { private: true });
    expect(told(await ann.call("GET", ROOM))).toEqual(refused(403));
    const mod = await withPermission(app, "chat.moderate", "mod");
    expect((await mod.must(200, "GET", ROOM)).body).toMatchObject({ private: true, you: null });
  });
});

describe("the people of a room", () => {
  test("are shown to its owner, its moderators and who moderates all of chat", async () => {
    const mod = await withPermission(app, "chat.moderate", "mod");
    for (const who of [owner, helper, mod]) {
      const answer = await who.call("GET", PEOPLE);
      expect(told(answer)).toEqual([200, { people: always() }]);
      expect(answer.headers.get("Cache-Control")).toBe("no-store");
    }
  });

  test("are shown to nobody else", async () => {
    await owner.must(204, "PUT", `${ROOM}/members/${ann.id}`);
    await owner.must(204, "PATCH", ROOM, { private: true });
    const elsewhere = await chatter(app, "elsewhere");
    await elsewhere.must(200, "POST", "/ws/create-room", { id: 2, name: "room2" });
    for (const who of [ann, ben, elsewhere, await withPermission(app, "blog.moderate", "blogger")]) {
      expect([who.username, ...told(await who.call("GET", PEOPLE))]).toEqual([who.username, ...refused(403)]);
    }
    await owner.must(204, "PUT", `${ROOM}/bans/${helper.id}`);
    expect(told(await helper.call("GET", PEOPLE))).toEqual(refused(403));
    expect(told(await app.call("GET", PEOPLE))).toEqual(refused(401));
    expect(told(await owner.call("GET", "/ws/rooms/3/people"))).toEqual(refused(404));
  });

  test("are those of whom it knows something, each once, with all of it", async () => {
    await owner.must(204, "PUT", `${ROOM}/members/${ann.id}`);
    await owner.must(204, "PUT", `${ROOM}/mutes/${ann.id}`, { until: LATER, reason: "spam" });
    await owner.must(204, "PUT", `${ROOM}/bans/${ann.id}`);
    await owner.must(204, "PUT", `${ROOM}/mutes/${helper.id}`);
    expect(await people()).toEqual([
      entry(owner, { role: "owner" }),
      entry(helper, { role: "moderator", muted: FOR_EVER }),
      entry(ann, { member: true, muted: { until: LATER }, banned: FOR_EVER }),
    ]);
  });

  test("are not those who only read or talk, nor those of another room", async () => {
    await owner.must(204, "PATCH", ROOM, { slow_mode_seconds: 1 });
    await ann.must(201, "POST", `${ROOM}/messages`, { content: "Hello" });
    const { db } = app.core;
    // What slow mode keeps of her.
    expect(await db.$count(roomPeople, eq(roomPeople.userId, ann.id))).toBe(1);
    await ben.must(200, "POST", "/ws/create-room", { id: 2, name: "room2" });
    await ben.must(204, "PUT", `/ws/rooms/2/bans/${ann.id}`);
    expect(await people()).toEqual(always());
    expect((await ben.must(200, "GET", "/ws/rooms/2/people")).body.people).toEqual([
      entry(ann, { banned: FOR_EVER }),
      entry(ben, { role: "owner" }),
    ]);
  });

  test("are no more those whose mute or ban has ended", async () => {
    await owner.must(204, "PUT", `${ROOM}/mutes/${ann.id}`, { until: LATER });
    await owner.must(204, "PUT", `${ROOM}/bans/${ann.id}`, { until: "2026-04-14T13:01:00+02:00" });
    await owner.must(204, "PUT", `${ROOM}/bans/${ben.id}`, { until: LATER });
    const aMinuteLater = { until: "2026-04-14T11:01:00.000Z" };
    app.now = LATER_MS - 1;
    expect(await people()).toEqual([
      ...always(),
      entry(ann, { muted: { until: LATER }, banned: aMinuteLater }),
      entry(ben, { banned: { until: LATER } }),
    ]);
    app.now = LATER_MS;
    expect(await people()).toEqual([...always(), entry(ann, { banned: aMinuteLater })]);
    expect([await ids("?standing=muted"), await ids("?standing=banned")]).toEqual([[], [ann.id]]);
    app.now += 60_000;
    expect(await people()).toEqual(always());
  });

  test.each([
    ["mutes", { muted: FOR_EVER }],
    ["bans", { banned: FOR_EVER }],
    ["moderators", { role: "moderator" }],
    ["members", { member: true }],
  ])("what is taken back is gone from them: %s", async (list, known) => {
    await owner.must(204, "PUT", `${ROOM}/${list}/${ann.id}`);
    expect(await people()).toEqual([...always(), entry(ann, known)]);
    await owner.must(204, "DELETE", `${ROOM}/${list}/${ann.id}`);
    expect(await people()).toEqual(always());
  });

  test.each([
    ["owner", () => [owner]],
    ["moderator", () => [helper]],
    ["member", () => [ann]],
    ["muted", () => [helper, ben]],
    ["banned", () => [ann, ben]],
  ])("only each %s, where that is asked for", async (standing, expected) => {
    await owner.must(204, "PUT", `${ROOM}/members/${ann.id}`);
    for (const who of [helper, ben]) await owner.must(204, "PUT", `${ROOM}/mutes/${who.id}`);
    for (const who of [ann, ben]) await owner.must(204, "PUT", `${ROOM}/bans/${who.id}`, { until: LATER });
    expect(await ids(`?standing=${standing}`)).toEqual(expected().map(({ id }) => id));
  });

  test("come in pages, each exactly once", async () => {
    const guests = [-7, -300_000_000_000];
    for (const id of [...guests, ann.id, ben.id]) await owner.must(204, "PUT", `${ROOM}/bans/${id}`);
    const all = [...guests.reverse(), owner.id, helper.id, ann.id, ben.id];
    expect(await ids()).toEqual(all);
    for (const limit of [1, 2, 3, 6, 300]) {
      const found: unknown[] = [];
      for (let after = ""; ; after = `&after=${found.at(-1)}`) {
        const page = await ids(`?limit=${limit}${after}`);
        found.push(...page);
        if (page.length < limit) break;
      }
      expect([limit, found]).toEqual([limit, all]);
    }
    // What is asked for one person.
    expect(await people(`?after=${ann.id - 1}&limit=1`)).toEqual([entry(ann, { banned: FOR_EVER })]);
    expect(await ids(`?standing=banned&after=-7&limit=1`)).toEqual([ann.id]);
  });

  test("are fifty of a page unless a number up to 300 is asked for", async () => {
    for (let guest = 1; guest <= 60; guest++) await owner.must(204, "PUT", `${ROOM}/bans/-${guest}`);
    expect([(await ids()).length, (await ids("?limit=300")).length]).toEqual([50, 62]);
    for (const query of [
      "limit=0",
      "limit=301",
      "limit=-1",
      "limit=x",
      "after=x",
      "after=1.5",
      "after=--1",
      "after=9007199254740992",
      "standing=guest",
      "standing=",
    ]) {
      expect([query, ...told(await owner.call("GET", `${PEOPLE}?${query}`))]).toEqual([
        query,
        ...refused(400),
      ]);
    }
  });
});

describe("the names of the people", () => {
  test("are those of now", async () => {
    await owner.must(204, "PUT", `${ROOM}/bans/${ann.id}`);
    const account = await accountOf(app, { email: "ann@example.com" });
    await accounts.update(app.core, account, ann.id, { username: "anna" });
    expect(await people("?standing=banned")).toEqual([
      entry({ id: ann.id, username: "anna" }, { banned: FOR_EVER }),
    ]);
  });

  test("of a closed account stay: its ban is there to be lifted when it comes back", async () => {
    await owner.must(204, "PUT", `${ROOM}/bans/${ann.id}`);
    const boss = await accountOf(app, await admin(app));
    await accounts.deactivate(app.core, boss, ann.id, "192.0.2.1");
    expect(await people("?standing=banned")).toEqual([entry(ann, { banned: FOR_EVER })]);
  });

  test("of an erased account are gone at once, and so is the entry", async () => {
    for (const who of [ann, ben]) await owner.must(204, "PUT", `${ROOM}/bans/${who.id}`);
    const boss = await accountOf(app, await admin(app));
    await eraseOther(app.core, boss, ann.id, "192.0.2.1");
    // What else is of her goes later.
    expect(await app.core.db.$count(roomPeople, eq(roomPeople.userId, ann.id))).toBe(1);
    const answer = await owner.must(200, "GET", PEOPLE);
    expect(answer.body).toEqual({ people: [...always(), entry(ben, { banned: FOR_EVER })] });
    expect(JSON.stringify(answer.body)).not.toContain(erasedName(ann.id));
  });

  test("of guests are what they said something by, else what a guest without a name is called", async () => {
    const guest = { id: -5, username: "Wanderer", account: null };
    const access = await rooms.look(app.core, 1, guest.id);
    await messages.append(app.core, access, guest, "Hello", "k1", false);
    // Another room, and somebody else's name.
    await ann.must(200, "POST", "/ws/create-room", { id: 2, name: "room2" });
    const there = await rooms.look(app.core, 2, -6);
    await messages.append(app.core, there, { ...guest, id: -6 }, "Hello", "k1", false);
    for (const id of [-5, -6]) await owner.must(204, "PUT", `${ROOM}/bans/${id}`);
    expect(await people("?standing=banned")).toEqual([
      entry({ id: -6, username: "guest6" }, { banned: FOR_EVER }),
      entry({ id: -5, username: "Wanderer" }, { banned: FOR_EVER }),
    ]);
  });
});

describe("what another node has done is seen at once", () => {
  const TOKEN = "a token of the test";
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "guildhall-people-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function see(another: () => Promise<Db>): Promise<void> {
    const [here, there] = [
      await startTestApp({ db: await another() }),
      await startTestApp({ db: await another() }),
    ];
    try {
      const room = await roomWithPeople(here);
      const onOther = withToken(there, room.owner.id, room.owner.username, room.owner.token);
      const act = (method: string, path: string, body?: object) => onOther.must(204, method, path, body);
      const banned = async () => (await room.owner.must(200, "GET", `${PEOPLE}?standing=banned`)).body.people;
      const seenBy = async (who: Chatter) => (await who.must(200, "GET", ROOM)).body;
      // What was read before must not be what is answered after.
      for (let round = 1; round <= 3; round++) {
        await act("PUT", `${ROOM}/bans/${room.ann.id}`);
        expect(await banned()).toEqual([entry(room.ann, { banned: FOR_EVER })]);
        await act("DELETE", `${ROOM}/bans/${room.ann.id}`);
        expect(await banned()).toEqual([]);
        await act("PATCH", ROOM, { slow_mode_seconds: round });
        expect(await seenBy(room.ann)).toMatchObject({ slow_mode_seconds: round, muted: null });
        await act("PUT", `${ROOM}/mutes/${room.ben.id}`);
        expect((await seenBy(room.ben)).muted).toEqual(FOR_EVER);
        await act("DELETE", `${ROOM}/mutes/${room.ben.id}`);
        expect((await seenBy(room.ben)).muted).toBeNull();
      }
    } finally {
      await here.close();
      await there.close();
    }
  }

  test("in one file", () => see(() => openDatabase(`file:${join(folder, "shared.db")}`)));

  test("on a libSQL server", async () => {
    const server = await startHranaServer(join(folder, "remote.db"), TOKEN);
    try {
      await see(() => openDatabase(server.url, { authToken: TOKEN }));
    } finally {
      await server.close();
    }
  });
});
