import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { and, eq } from "drizzle-orm";
import { auditEntries, messages as messagesTable } from "../../db/schema.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { type Chatter, refused, roomWithPeople, told, withPermission } from "./people.ts";

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

describe("who may do what to whom", () => {
  const LISTS: readonly (readonly [string, string])[] = [
    ["PUT", "mutes"],
    ["DELETE", "mutes"],
    ["PUT", "bans"],
    ["DELETE", "bans"],
    ["POST", "kick"],
    ["DELETE", "members"],
    ["DELETE", "moderators"],
    ["PUT", "moderators"],
  ];
  async function upon(actor: Chatter, target: Chatter): Promise<Record<string, number>> {
    const answers: Record<string, number> = {};
    for (const [method, list] of LISTS) {
      const { status } = await actor.call(method, `${ROOM}/${list}/${target.id}`);
      answers[`${method} ${list}`] = status;
    }
    return answers;
  }
  const all = (status: number) =>
    Object.fromEntries(LISTS.map(([method, list]) => [`${method} ${list}`, status]));

  test("a moderator upon who has no role", async () => {
    expect(await upon(helper, ann)).toEqual(all(204));
  });

  test("a moderator not upon another one, nor upon the owner", async () => {
    await owner.must(204, "PUT", `${ROOM}/moderators/${ben.id}`);
    expect(await upon(helper, ben)).toEqual(all(403));
    expect(await upon(helper, owner)).toEqual(all(403));
    expect([await roleOf(owner), await roleOf(ben)]).toEqual(["owner", "moderator"]);
  });

  test("the owner upon a moderator", async () => {
    expect(await upon(owner, helper)).toEqual(all(204));
  });

  test("who moderates all of chat upon everybody but their like, without a role in the room", async () => {
    const mod = await withPermission(app, "chat.moderate", "mod");
    for (const target of [ann, helper]) expect(await upon(mod, target)).toEqual(all(204));
    for (const list of ["mutes", "bans"]) {
      await mod.must(204, "PUT", `${ROOM}/${list}/${owner.id}`);
      expect((await say(owner)).status).toBe(403);
      await mod.must(204, "DELETE", `${ROOM}/${list}/${owner.id}`);
    }
    const other = await withPermission(app, "chat.moderate", "other");
    expect(await upon(mod, other)).toEqual(all(403));
    expect(await upon(owner, mod)).toEqual(all(403));
    await mod.must(204, "PATCH", ROOM, { name: "other" });
    await mod.must(204, "DELETE", ROOM);
  });

  test("nobody who has no role, whatever other permission they have", async () => {
    expect(await upon(ann, ben)).toEqual(all(403));
    expect(await upon(await withPermission(app, "blog.moderate", "blogger"), ben)).toEqual(all(403));
  });

  test("nobody gives a role to themselves, nor bans themselves; the owner stays the owner", async () => {
    const mod = await withPermission(app, "chat.moderate", "mod");
    for (const who of [owner, helper, mod, ann]) {
      expect([who.username, (await who.call("PUT", `${ROOM}/moderators/${who.id}`)).status]).toEqual([
        who.username,
        403,
      ]);
      expect((await who.call("PUT", `${ROOM}/bans/${who.id}`)).status).toBe(403);
    }
    expect((await owner.call("DELETE", `${ROOM}/moderators/${owner.id}`)).status).toBe(403);
    expect([await roleOf(owner), await roleOf(helper), await roleOf(mod)]).toEqual([
      "owner",
      "moderator",
      null,
    ]);
  });

  test.each([
    ["PUT", "moderators"],
    ["DELETE", "moderators"],
    ["PUT", "bans"],
  ])("the owner stays the owner after %s %s by who moderates all of chat", async (method, list) => {
    const mod = await withPermission(app, "chat.moderate", "mod");
    await mod.call(method, `${ROOM}/${list}/${owner.id}`);
    await mod.must(204, "DELETE", `${ROOM}/bans/${owner.id}`);
    expect(await roleOf(owner)).toBe("owner");
  });

  test("a moderator may give the role up", async () => {
    await helper.must(204, "DELETE", `${ROOM}/moderators/${helper.id}`);
    expect(await roleOf(helper)).toBeNull();
    expect((await helper.call("PATCH", ROOM, { name: "other" })).status).toBe(403);
  });

  test("a role counts in its own room", async () => {
    await ann.must(200, "POST", "/ws/create-room", { id: 2, name: "room2" });
    for (const who of [owner, helper]) {
      expect((await who.call("PATCH", "/ws/rooms/2", { name: "other" })).status).toBe(403);
      expect((await who.call("PUT", `/ws/rooms/2/mutes/${ann.id}`)).status).toBe(403);
    }
  });

  test("a member of a private room has no say in it", async () => {
    await owner.must(204, "PATCH", ROOM, { private: true });
    await owner.must(204, "PUT", `${ROOM}/members/${ann.id}`);
    expect(await roleOf(ann)).toBe("member");
    expect(await upon(ann, ben)).toEqual(all(403));
    expect((await ann.call("PUT", `${ROOM}/members/${ben.id}`)).status).toBe(403);
  });

  test("a moderator lets others in", async () => {
    await owner.must(204, "PATCH", ROOM, { private: true });
    await helper.must(204, "PUT", `${ROOM}/members/${ann.id}`);
    expect((await say(ann)).status).toBe(201);
  });
});

describe("removing a message", () => {
  const remove = (who: Chatter, id: number | string, room = "1") =>
    who.call("DELETE", `/ws/rooms/${room}/messages/${id}`);

  test("is for its author, the room's moderators and who moderates all of chat", async () => {
    const mod = await withPermission(app, "chat.moderate", "mod");
    for (const who of [ann, owner, helper, mod]) {
      const { id } = (await say(ann)).body;
      expect(told(await remove(ben, id))).toEqual(refused(403));
      expect(told(await remove(who, id))).toEqual([204, ""]);
      expect(told(await remove(who, id))).toEqual(refused(404));
      expect(await contents()).toEqual([]);
    }
    // A moderator also removes what the owner said.
    const { id } = (await say(owner)).body;
    expect((await remove(helper, id)).status).toBe(204);
  });

  test("the content is gone for good", async () => {
    const { id } = (await say(ann, "a secret")).body;
    await ann.must(204, "DELETE", `${ROOM}/messages/${id}`, { reason: "mistaken" });
    const [row] = await app.core.db
      .select()
      .from(messagesTable)
      .where(and(eq(messagesTable.id, id), eq(messagesTable.kind, "removed")));
    expect(row?.content).toBe("");
  });

  test("of many who try at once, one does", async () => {
    const { id } = (await say(ann)).body;
    const answers = await Promise.all([ann, owner, helper, ann].map((who) => remove(who, id)));
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 404, 404, 404]);
    const { db } = app.core;
    expect(await db.$count(auditEntries, eq(auditEntries.action, "message.removed"))).toBe(1);
    expect(await db.$count(messagesTable, eq(messagesTable.kind, "deletion"))).toBe(1);
  });

  test("what is no message of this room is not found", async () => {
    await owner.must(200, "POST", "/ws/create-room", { id: 2, name: "room2" });
    const { id } = (await say(ann)).body;
    expect(told(await remove(owner, id, "2"))).toEqual(refused(404));
    for (const other of [0, 999, "x", "-1", "1e0", "99999999999999999999"]) {
      expect(told(await remove(owner, other))).toEqual(refused(404));
    }
    // An act of moderation is none either.
    await owner.must(204, "PUT", `${ROOM}/mutes/${ben.id}`);
    const [act] = await app.core.db.select().from(messagesTable).where(eq(messagesTable.kind, "moderation"));
    expect(told(await remove(owner, act?.id ?? 0))).toEqual(refused(404));
    expect(await contents()).toEqual(["Hello"]);
  });
});

describe("deleting a room", () => {
  test("frees its id at once; what was said in it and who was what is not in the new one", async () => {
    await say(ann, "in the old room");
    await owner.must(204, "PUT", `${ROOM}/bans/${ben.id}`);
    await owner.must(204, "DELETE", ROOM);
    expect(told(await ann.call("GET", `${ROOM}/messages`))).toEqual(refused(404));
    expect(told(await owner.call("DELETE", ROOM))).toEqual(refused(404));
    expect((await ann.call("GET", "/ws/get-rooms")).body).toEqual([]);

    await ben.must(200, "POST", "/ws/create-room", { id: "1", name: "new" });
    expect(await contents(ann)).toEqual([]);
    expect([await roleOf(owner), await roleOf(helper)]).toEqual([undefined, undefined]);
    expect((await ben.call("GET", "/ws/rooms")).body).toEqual([
      { id: "1", name: "new", unread: 0, members: 0, private: false, you: "owner" },
    ]);
    expect((await owner.call("PATCH", ROOM, { name: "mine" })).status).toBe(403);
    const said = await say(ben, "in the new room");
    expect(said.body).toMatchObject({ roomId: "1", content: "in the new room" });
    expect(await contents(ann)).toEqual(["in the new room"]);
  });

  test("is for its moderators", async () => {
    expect((await ann.call("DELETE", ROOM)).status).toBe(403);
    expect((await helper.call("DELETE", ROOM)).status).toBe(204);
  });
});
