import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { asc, gt } from "drizzle-orm";
import { auditEntries, messages as messagesTable } from "../../db/schema.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { type Chatter, HANDSHAKE, refused, roomWithPeople, told, withPermission } from "./people.ts";

const ADDRESS = "192.0.2.1";
const LATER = "2026-04-14T11:00:00Z";
const LATER_MS = Date.UTC(2026, 3, 14, 11);
const ROOM = "/ws/rooms/1";

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

const say = (who: Chatter, content = "Hello") => who.call("POST", `${ROOM}/messages`, { content });
const contents = async (who = owner): Promise<string[]> =>
  (await who.must(200, "GET", `${ROOM}/messages`)).body.messages.map(
    ({ content }: { content: string }) => content,
  );
const roleOf = async (who: Chatter): Promise<unknown> =>
  (await who.must(200, "GET", "/ws/rooms")).body.find(({ id }: { id: unknown }) => id === 1)?.you;

const newestAudit = async () =>
  (await app.core.db.select({ id: auditEntries.id }).from(auditEntries).orderBy(asc(auditEntries.id))).at(-1)
    ?.id ?? 0;
const newestEntry = async () =>
  (await app.core.db.select({ id: messagesTable.id }).from(messagesTable).orderBy(asc(messagesTable.id))).at(
    -1,
  )?.id ?? 0;

/** Runs it, and answers what it added to the audit and to the log of the rooms. */
async function left(
  run: () => Promise<unknown>,
): Promise<{ readonly audit: readonly unknown[]; readonly log: readonly unknown[] }> {
  const [audit, log] = [await newestAudit(), await newestEntry()];
  await run();
  const entries = await app.core.db.select().from(messagesTable).where(gt(messagesTable.id, log));
  return {
    audit: await app.core.db.select().from(auditEntries).where(gt(auditEntries.id, audit)),
    log: entries.map(({ content, ...entry }) => ({
      ...entry,
      content: entry.kind === "moderation" ? JSON.parse(content) : content,
    })),
  };
}

const auditRow = (actor: Chatter, action: string, details: object, target = "room:1") => ({
  id: expect.any(Number),
  at: app.now,
  actorId: actor.id,
  action,
  target,
  address: ADDRESS,
  details,
});

const logRow = (actor: Chatter, more: object) => ({
  id: expect.any(Number),
  roomId: 1,
  kind: "moderation",
  userId: actor.id,
  username: actor.username,
  key: null,
  removedId: null,
  sentAt: app.now,
  ...more,
});

describe("each act is done, recorded and entered in the log", () => {
  type Act = readonly [
    method: string,
    list: string,
    body: object | undefined,
    recorded: string,
    told: { readonly action: string; readonly until?: number; readonly reason?: string },
  ];
  const ACTS: Act[] = [
    ["PUT", "mutes", undefined, "room.muted", { action: "mute" }],
    [
      "PUT",
      "mutes",
      { until: LATER, reason: "spam" },
      "room.muted",
      { action: "mute", until: LATER_MS, reason: "spam" },
    ],
    ["DELETE", "mutes", undefined, "room.unmuted", { action: "unmute" }],
    ["PUT", "bans", { reason: "spam" }, "room.banned", { action: "ban", reason: "spam" }],
    ["PUT", "bans", { until: LATER }, "room.banned", { action: "ban", until: LATER_MS }],
    ["DELETE", "bans", undefined, "room.unbanned", { action: "unban" }],
    ["POST", "kick", undefined, "room.kicked", { action: "kick" }],
    ["POST", "kick", { reason: "spam" }, "room.kicked", { action: "kick", reason: "spam" }],
    ["PUT", "moderators", undefined, "room.moderator-added", { action: "moderator_added" }],
    ["DELETE", "moderators", undefined, "room.moderator-removed", { action: "moderator_removed" }],
    ["PUT", "members", undefined, "room.member-added", { action: "member_added" }],
    ["DELETE", "members", undefined, "room.member-removed", { action: "member_removed" }],
  ];

  test.each(ACTS)("%s %s %p", async (method, list, body, recorded, { action, until, reason }) => {
    const { audit, log } = await left(async () => {
      const answer = await owner.call(method, `${ROOM}/${list}/${ann.id}`, body);
      expect(told(answer)).toEqual([204, ""]);
    });
    const term = { ...(until === undefined ? {} : { until }), ...(reason === undefined ? {} : { reason }) };
    expect(audit).toEqual([auditRow(owner, recorded, { userId: ann.id, ...term })]);
    expect(log).toEqual([logRow(owner, { content: { action, id: ann.id, ...term } })]);
  });

  test("PATCH", async () => {
    const { audit, log } = await left(() => owner.must(204, "PATCH", ROOM, { name: "other" }));
    expect(audit).toEqual([auditRow(owner, "room.changed", { userId: owner.id, name: "other" })]);
    expect(log).toEqual([logRow(owner, { content: { action: "room_changed", id: owner.id } })]);
  });

  test("PATCH of nothing leaves nothing", async () => {
    const { audit, log } = await left(() => owner.must(204, "PATCH", ROOM, {}));
    expect([audit, log]).toEqual([[], []]);
  });

  test("DELETE of the room", async () => {
    const { audit, log } = await left(() => helper.must(204, "DELETE", ROOM));
    expect(audit).toEqual([auditRow(helper, "room.deleted", { userId: helper.id })]);
    expect(log).toEqual([logRow(helper, { content: { action: "room_deleted", id: helper.id } })]);
  });

  test.each([undefined, "spam"])("DELETE of a message, with %p for a reason", async (reason) => {
    const { id } = (await say(ann)).body;
    const body = reason === undefined ? undefined : { reason };
    const { audit, log } = await left(() => helper.must(204, "DELETE", `${ROOM}/messages/${id}`, body));
    expect(audit).toEqual([
      auditRow(helper, "message.removed", {
        messageId: id,
        userId: ann.id,
        ...(reason === undefined ? {} : { reason }),
      }),
    ]);
    expect(log).toEqual([logRow(helper, { kind: "deletion", content: "", removedId: id })]);
  });

  test("what is refused leaves nothing", async () => {
    const { audit, log } = await left(async () => {
      for (const [method, list, body] of ACTS) {
        const answer = await ben.call(method, `${ROOM}/${list}/${ann.id}`, body);
        expect([method, list, ...told(answer)]).toEqual([method, list, ...refused(403)]);
      }
      expect(told(await ben.call("PATCH", ROOM, { name: "other" }))).toEqual(refused(403));
      expect(told(await ben.call("DELETE", ROOM))).toEqual(refused(403));
    });
    expect([audit, log]).toEqual([[], []]);
  });
});

describe("the input of an act", () => {
  test.each([
    "2026-04-14T10:30:00Z",
    "2026-04-14T10:29:59.999Z",
    "2000-01-01T00:00:00Z",
    "2030-01-01",
    "2030-01-01T00:00:00",
    "2030-13-01T00:00:00Z",
    "tomorrow",
    "",
    1_900_000_000_000,
    null,
  ])("until %p is refused for mutes and bans", async (until) => {
    for (const list of ["mutes", "bans"]) {
      const { audit, log } = await left(async () => {
        expect(told(await owner.call("PUT", `${ROOM}/${list}/${ann.id}`, { until }))).toEqual(refused(400));
      });
      expect([audit, log]).toEqual([[], []]);
    }
    expect((await say(ann)).status).toBe(201);
  });

  test.each(["2026-04-14T10:30:00.001Z", "2026-04-14T12:30:01+02:00"])(
    "until %p is to come",
    async (until) => {
      await owner.must(204, "PUT", `${ROOM}/mutes/${ann.id}`, { until });
      expect((await say(ann)).status).toBe(403);
    },
  );

  test.each([["x".repeat(501)], ["\0"], ["\ud800"], [5]])("the reason %p is refused", async (reason) => {
    const { id } = (await say(ann)).body;
    for (const [method, path] of [
      ["PUT", `mutes/${ann.id}`],
      ["PUT", `bans/${ann.id}`],
      ["POST", `kick/${ann.id}`],
      ["DELETE", `messages/${id}`],
    ] as const) {
      expect(told(await owner.call(method, `${ROOM}/${path}`, { reason }))).toEqual(refused(400));
    }
    expect(await contents()).toEqual(["Hello"]);
  });

  test.each(["0", "99", "x", "1.5", "01", "%20", "99999999999999999999"])("%s is nobody", async (userId) => {
    for (const [method, list] of [
      ["PUT", "mutes"],
      ["DELETE", "mutes"],
      ["PUT", "bans"],
      ["POST", "kick"],
      ["PUT", "moderators"],
      ["PUT", "members"],
      ["DELETE", "members"],
    ] as const) {
      expect(told(await owner.call(method, `${ROOM}/${list}/${userId}`))).toEqual(refused(404));
    }
  });

  test("a guest can be muted, banned and kicked, and gets no role", async () => {
    for (const [method, list, status] of [
      ["PUT", "mutes", 204],
      ["DELETE", "mutes", 204],
      ["PUT", "bans", 204],
      ["DELETE", "bans", 204],
      ["POST", "kick", 204],
      ["PUT", "moderators", 404],
      ["PUT", "members", 404],
    ] as const) {
      expect([list, (await owner.call(method, `${ROOM}/${list}/-5`)).status]).toEqual([list, status]);
    }
  });

  test.each([
    [{ name: "" }],
    [{ name: "x".repeat(101) }],
    [{ slow_mode_seconds: -1 }],
    [{ read_only: "yes" }],
    [{ read_only: 1 }],
    [{ private: null }],
  ])("PATCH %p is refused", async (body) => {
    expect(told(await owner.call("PATCH", ROOM, body))).toEqual(refused(400));
  });
});

describe("changing a room", () => {
  test("the name shows at once, the id stays", async () => {
    await helper.must(204, "PATCH", ROOM, { name: "The new name" });
    expect((await ann.call("GET", "/ws/get-rooms")).body).toEqual([{ id: 1, name: "The new name" }]);
  });

  test("what is not sent stays as it is", async () => {
    await owner.must(204, "PATCH", ROOM, { read_only: true, private: true, slow_mode_seconds: 10 });
    await owner.must(204, "PATCH", ROOM, { name: "other" });
    expect((await owner.call("GET", "/ws/rooms")).body).toMatchObject([{ name: "other", private: true }]);
    await owner.must(204, "PATCH", ROOM, { private: false });
    expect((await say(ann)).status).toBe(403);
    await owner.must(204, "PATCH", ROOM, { read_only: false });
    expect([(await say(ann)).status, (await say(ann)).status]).toEqual([201, 429]);
  });

  test("read-only: only its owner, its moderators and who moderates all of chat may write", async () => {
    await say(ann, "before");
    await owner.must(204, "PATCH", ROOM, { read_only: true });
    expect(told(await say(ann))).toEqual(refused(403));
    const mod = await withPermission(app, "chat.moderate", "mod");
    for (const who of [owner, helper, mod]) expect((await say(who, who.username)).status).toBe(201);
    expect(await contents(ann)).toEqual(["before", "owner", "helper", "mod"]);
    await owner.must(204, "PATCH", ROOM, { read_only: false });
    expect((await say(ann)).status).toBe(201);
  });
});

describe("a mute", () => {
  const mute = (body?: object) => owner.must(204, "PUT", `${ROOM}/mutes/${ann.id}`, body);

  test("ends when its time has come", async () => {
    await mute({ until: LATER });
    for (const now of [app.now, LATER_MS - 1]) {
      app.now = now;
      expect(told(await say(ann))).toEqual(refused(403));
    }
    app.now = LATER_MS;
    expect((await say(ann)).status).toBe(201);
  });

  test("has no end without one, until it is taken back", async () => {
    await mute();
    app.now += 50 * 60_000;
    expect((await say(ann)).status).toBe(403);
    await owner.must(204, "DELETE", `${ROOM}/mutes/${ann.id}`);
    expect((await say(ann)).status).toBe(201);
  });

  test("the later one counts", async () => {
    await mute();
    await mute({ until: LATER });
    app.now = LATER_MS;
    expect((await say(ann)).status).toBe(201);
  });

  test("silences in this room alone, and one may still read and remove what one said", async () => {
    const { id } = (await say(ann)).body;
    await ann.must(200, "POST", "/ws/create-room", { id: 2, name: "room2" });
    await mute();
    expect(await contents(ann)).toEqual(["Hello"]);
    await ann.must(204, "DELETE", `${ROOM}/messages/${id}`);
    await ann.must(201, "POST", "/ws/rooms/2/messages", { content: "Hello" });
    expect((await say(ben)).status).toBe(201);
  });

  test("silences a moderator, too", async () => {
    await owner.must(204, "PUT", `${ROOM}/mutes/${helper.id}`);
    expect(told(await say(helper))).toEqual(refused(403));
    expect(await roleOf(helper)).toBe("moderator");
  });
});

describe("a ban", () => {
  /** The status of everything that somebody may ask of the room; joining is 426 for an app in this process. */
  async function statuses(who: Chatter, messageId: number): Promise<number[]> {
    return [
      (await who.call("GET", ROOM)).status,
      (await who.call("GET", `${ROOM}/messages`)).status,
      (await say(who)).status,
      (await who.call("GET", "/ws/get-clients/1")).status,
      (await who.call("GET", "/ws/join-room/1", undefined, HANDSHAKE)).status,
      (await who.call("DELETE", `${ROOM}/messages/${messageId}`)).status,
    ];
  }
  const OUT = [403, 403, 403, 403, 403, 403];
  const IN = [200, 200, 201, 200, 426, 204];

  test("shuts everything of the room, and ends when its time has come", async () => {
    const { id } = (await say(ann)).body;
    await owner.must(204, "PUT", `${ROOM}/bans/${ann.id}`, { until: LATER });
    expect(await statuses(ann, id)).toEqual(OUT);
    expect(told(await say(ann))).toEqual([403, { error: "You are banned from this room." }]);
    app.now = LATER_MS - 1;
    expect(await statuses(ann, id)).toEqual(OUT);
    app.now = LATER_MS;
    expect(await statuses(ann, id)).toEqual(IN);
  });

  test("has no end without one, until it is taken back", async () => {
    const { id } = (await say(ann)).body;
    await owner.must(204, "PUT", `${ROOM}/bans/${ann.id}`);
    app.now += 50 * 60_000;
    expect(await statuses(ann, id)).toEqual(OUT);
    await owner.must(204, "DELETE", `${ROOM}/bans/${ann.id}`);
    expect(await statuses(ann, id)).toEqual(IN);
  });

  test("a moderator who is banned is none any more", async () => {
    await owner.must(204, "PUT", `${ROOM}/bans/${helper.id}`);
    for (const [method, path] of [
      ["PATCH", ROOM],
      ["DELETE", ROOM],
      ["DELETE", `${ROOM}/bans/${helper.id}`],
    ] as const) {
      expect(told(await helper.call(method, path, method === "PATCH" ? {} : undefined))).toEqual(
        refused(403),
      );
    }
    await owner.must(204, "DELETE", `${ROOM}/bans/${helper.id}`);
    expect(await roleOf(helper)).toBeNull();
  });

  test("is of this room alone, and hides nothing that one said", async () => {
    await say(ann);
    await ann.must(200, "POST", "/ws/create-room", { id: 2, name: "room2" });
    await owner.must(204, "PUT", `${ROOM}/bans/${ann.id}`);
    await ann.must(201, "POST", "/ws/rooms/2/messages", { content: "Hello" });
    expect(await contents()).toEqual(["Hello"]);
  });

  test("does not hold for who moderates all of chat", async () => {
    const mod = await withPermission(app, "users.read", "mod");
    await owner.must(204, "PUT", `${ROOM}/bans/${mod.id}`);
    expect((await say(mod)).status).toBe(403);
    const other = await withPermission(app, "chat.moderate", "other");
    expect(told(await owner.call("PUT", `${ROOM}/bans/${other.id}`))).toEqual(refused(403));
  });
});
