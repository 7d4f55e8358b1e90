import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { asc, sql } from "drizzle-orm";
import {
  auditEntries,
  doomedObjects,
  invitations,
  mailedSecrets,
  messages,
  nodes,
  posts,
  presence,
  rateLimits,
  reportTasks,
  roomPeople,
  rooms,
  sessions,
  socketTickets,
} from "../db/schema.ts";
import * as avatars from "../src/domain/avatars.ts";
import { createHousekeeping, type Housekeeping, sweep } from "../src/domain/housekeeping.ts";
import { newId } from "../src/domain/ids.ts";
import * as tasks from "../src/domain/tasks.ts";
import { accountOf, admin, type Member, member, PASSWORD } from "./accounts/people.ts";
import { eventually } from "./adapters/eventually.ts";
import { type Answer, startTestApp, type TestApp } from "./support/app.ts";
import { PNG } from "./support/whole-life.ts";

const HOUR = 60 * 60_000;
const MINUTE = 60_000;
const NOTHING = {
  sessions: 0,
  mailedSecrets: 0,
  rateLimits: 0,
  socketTickets: 0,
  messages: 0,
  rooms: 0,
  nodes: 0,
  guests: 0,
  invitations: 0,
  auditEntries: 0,
  documents: 0,
  objects: 0,
};

let app: TestApp;
let ann: Member;
let accountId: number;
let living: string[];
let housekeeping: Housekeeping | undefined;

beforeEach(async () => {
  app = await startTestApp();
  ann = await member(app, "ann");
  accountId = (await accountOf(app, ann)).id;
  living = await sessionIds();
  await app.core.db.delete(mailedSecrets);
});
afterEach(async () => {
  await housekeeping?.stop();
  housekeeping = undefined;
  await app.close();
});

type Ends = { readonly expiresAt: number; readonly revokedAt?: number };

const sessionRow = (id: string, ends: Ends) => ({
  id,
  accountId,
  origin: "accounts" as const,
  address: "192.0.2.1",
  createdAt: 0,
  lastUsedAt: 0,
  ...ends,
});

const secretRow = (hash: string, expiresAt: number, usedAt: number | null = null) => ({
  hash,
  purpose: "reset" as const,
  accountId,
  email: ann.email,
  createdAt: 0,
  expiresAt,
  usedAt,
});

const sessionIds = async () =>
  (await app.core.db.select({ id: sessions.id }).from(sessions)).map(({ id }) => id);
const hashes = async () =>
  (await app.core.db.select({ hash: mailedSecrets.hash }).from(mailedSecrets)).map(({ hash }) => hash).sort();
const keys = async () =>
  (await app.core.db.select({ key: rateLimits.key }).from(rateLimits)).map(({ key }) => key).sort();
const others = async () => (await sessionIds()).filter((id) => !living.includes(id)).sort();

async function addExpired(rows: number): Promise<void> {
  const old = Array.from({ length: rows }, (_, index) => sessionRow(`old-${index}`, { expiresAt: 1 }));
  for (let from = 0; from < rows; from += 500) {
    await app.core.db.insert(sessions).values(old.slice(from, from + 500));
  }
}

function open(everyMs?: number, core = app.core): Housekeeping {
  housekeeping = createHousekeeping(core, everyMs);
  return housekeeping;
}

describe("a sweep", () => {
  test("deletes sessions that ended more than 72 hours ago, and no others", async () => {
    const limit = app.now - 72 * HOUR;
    const later = app.now + HOUR;
    await app.core.db
      .insert(sessions)
      .values([
        sessionRow("expired-before", { expiresAt: limit - 1 }),
        sessionRow("expired-then", { expiresAt: limit }),
        sessionRow("expired-just-now", { expiresAt: app.now }),
        sessionRow("revoked-before", { expiresAt: later, revokedAt: limit - 1 }),
        sessionRow("revoked-then", { expiresAt: later, revokedAt: limit }),
        sessionRow("revoked-before, expired-just-now", { expiresAt: app.now, revokedAt: limit - 1 }),
        sessionRow("expired-before, revoked-just-now", { expiresAt: limit - 1, revokedAt: app.now }),
        sessionRow("living", { expiresAt: app.now + 1 }),
      ]);
    expect(await sweep(app.core)).toEqual({ ...NOTHING, sessions: 4 });
    expect(await others()).toEqual(["expired-just-now", "expired-then", "living", "revoked-then"]);
    expect((await app.call("GET", "/api/auth/sessions", { token: ann.token })).status).toBe(200);
  });

  test("deletes a session only once its 72 hours have passed, and its token is refused before and after", async () => {
    const call = () => app.call("GET", "/api/auth/sessions", { token: ann.token });
    expect((await app.call("POST", "/api/auth/logout", { token: ann.token })).status).toBe(200);
    app.now += 72 * HOUR;
    expect((await sweep(app.core)).sessions).toBe(0);
    expect((await call()).status).toBe(401);
    app.now += 1;
    expect((await sweep(app.core)).sessions).toBe(1);
    expect(await sessionIds()).toEqual([]);
    expect((await call()).status).toBe(401);
  });

  test("deletes mailed secrets that expired or were used more than 24 hours ago", async () => {
    const limit = app.now - 24 * HOUR;
    await app.core.db
      .insert(mailedSecrets)
      .values([
        secretRow("before", limit - 1),
        secretRow("before, used", limit - 1, 1),
        secretRow("then", limit),
        secretRow("just now", app.now),
        secretRow("good", app.now + 1),
        secretRow("used before", app.now + 1, limit - 1),
        secretRow("used then", app.now + 1, limit),
      ]);
    expect(await sweep(app.core)).toEqual({ ...NOTHING, mailedSecrets: 3 });
    expect(await hashes()).toEqual(["good", "just now", "then", "used then"]);
  });

  test("deletes counters whose window has ended", async () => {
    await app.core.db.insert(rateLimits).values([
      { key: "before", points: 1, expiresAt: app.now - 1 },
      { key: "now", points: 1, expiresAt: app.now },
      { key: "still", points: 1, expiresAt: app.now + 1 },
    ]);
    const before = (await keys()).filter((key) => key !== "before" && key !== "now");
    expect(await sweep(app.core)).toEqual({ ...NOTHING, rateLimits: 2 });
    expect(await keys()).toEqual(before);
  });

  test("deletes tickets of sockets that have expired, and no others", async () => {
    const [sessionId = ""] = living;
    await app.core.db.insert(socketTickets).values([
      { hash: "before", sessionId, expiresAt: app.now - 1 },
      { hash: "now", sessionId, expiresAt: app.now },
      { hash: "still", sessionId, expiresAt: app.now + 1 },
    ]);
    expect(await sweep(app.core)).toEqual({ ...NOTHING, socketTickets: 2 });
    const left = await app.core.db.select({ hash: socketTickets.hash }).from(socketTickets);
    expect(left).toEqual([{ hash: "still" }]);
  });

  test("deletes what rooms knew of guests a day ago, but no mute or ban that holds", async () => {
    const [room] = await app.core.db
      .insert(rooms)
      .values({ key: "1", isNumber: true, name: "room", createdAt: app.now })
      .returning();
    const roomId = room?.id ?? 0;
    const guest = (userId: number, more: object) => ({ roomId, userId, ...more });
    await app.core.db
      .insert(roomPeople)
      .values([
        guest(-1, { saidAt: app.now - 24 * HOUR }),
        guest(-2, { saidAt: app.now - 24 * HOUR + 1 }),
        guest(-3, { mutedUntil: app.now }),
        guest(-4, { mutedUntil: app.now + 1 }),
        guest(-5, { bannedUntil: app.now + 1 }),
        guest(accountId, { saidAt: app.now - 48 * HOUR }),
      ]);
    expect(await sweep(app.core)).toEqual({ ...NOTHING, guests: 2 });
    const left = await app.core.db.select({ id: roomPeople.userId }).from(roomPeople);
    expect(left.map(({ id }) => id).sort()).toEqual([-2, -4, -5, accountId].sort());
  });

  test("deletes invitations that expired or were used up more than 24 hours ago", async () => {
    const limit = app.now - 24 * HOUR;
    const row = (code: string, more: object) => ({ code, uses: 1, usesLeft: 1, createdAt: 1, ...more });
    await app.core.db
      .insert(invitations)
      .values([
        row("expired before", { expiresAt: limit - 1 }),
        row("expired then", { expiresAt: limit }),
        row("used up before", { usesLeft: 0, lastUsedAt: limit - 1 }),
        row("used up then", { usesLeft: 0, lastUsedAt: limit }),
        row("used up before that was noted", { usesLeft: 0 }),
        row("used, not up", { lastUsedAt: 1 }),
        row("good for ever", {}),
      ]);
    expect(await sweep(app.core)).toEqual({ ...NOTHING, invitations: 3 });
    const left = await app.core.db.select({ code: invitations.code }).from(invitations);
    expect(left.map(({ code }) => code).sort()).toEqual([
      "expired then",
      "good for ever",
      "used up then",
      "used, not up",
    ]);
  });

  test("an invitation that was just used up is kept for a day", async () => {
    const boss = await admin(app, "boss");
    const made = await app.call("POST", "/api/admin/invitations", { token: boss.token, body: { uses: 1 } });
    app.now += 30 * 24 * HOUR;
    await member(app, "invited", { invitation: made.body.code });
    const used = async () => (await app.core.db.select().from(invitations)).map(({ usesLeft }) => usesLeft);
    app.now += 24 * HOUR;
    await sweep(app.core);
    expect(await used()).toEqual([0]);
    app.now += 1;
    await sweep(app.core);
    expect(await used()).toEqual([]);
  });

  test("deletes servers that died an hour ago, with who was connected to them", async () => {
    await app.core.db.insert(nodes).values([
      { id: "dead", seenAt: Date.now() - 2 * HOUR },
      { id: "alive", seenAt: Date.now() },
    ]);
    const there = { roomId: 1, userId: accountId, username: "ann" };
    await app.core.db.insert(presence).values([
      { ...there, nodeId: "dead" },
      { ...there, nodeId: "alive" },
    ]);
    expect(await sweep(app.core)).toEqual({ ...NOTHING, nodes: 1 });
    expect(await app.core.db.select({ id: presence.nodeId }).from(presence)).toEqual([{ id: "alive" }]);
  });

  describe("by age", () => {
    const DAY = 24 * HOUR;
    const kept = (audit: number | null, documents: number | null) => ({
      ...app.core,
      settings: { ...app.core.settings, keptMs: { audit, documents } },
    });
    const entryCount = () => app.core.db.$count(auditEntries);

    test("keeps everything for ever when that is off", async () => {
      await app.core.db.insert(auditEntries).values({ at: 1, action: "old" });
      await task("DONE", 1);
      expect(await sweep(app.core)).toEqual(NOTHING);
    });

    test.each([1, 500, 1_200])("deletes %i old audit entries, pausing after every 500", async (count) => {
      const before = await entryCount();
      await app.core.db.run(sql`UPDATE audit_entries SET at = ${app.now - 2 * DAY}`);
      const entry = (at: number) => ({ at, action: "test" });
      for (let from = before; from < count; from += 400) {
        const page = Array.from({ length: Math.min(400, count - from) }, () => entry(app.now - DAY - 1));
        await app.core.db.insert(auditEntries).values(page);
      }
      const old = Math.max(count, before);
      await app.core.db.insert(auditEntries).values([entry(app.now - DAY), entry(app.now)]);
      app.slept.length = 0;
      expect(await sweep(kept(DAY, null))).toEqual({ ...NOTHING, auditEntries: old });
      expect(app.slept).toHaveLength(Math.floor(old / 500));
      expect(await entryCount()).toBe(2);
    });

    async function task(status: "DONE" | "FAILED" | "PENDING", createdAt: number, finishedAt = createdAt) {
      const id = newId();
      const finished = status === "PENDING" ? {} : { finishedAt };
      const row = { id, kind: "player" as const, subjectId: accountId, requestedBy: accountId, dueAt: 0 };
      await app.core.db.insert(reportTasks).values({ ...row, status, createdAt, ...finished });
      if (status === "DONE") {
        await app.core.documents.put(tasks.documentKey(id), Buffer.from("%PDF-"), "application/pdf");
      }
      return id;
    }
    const objectOf = (id: string) => app.core.documents.get(tasks.documentKey(id));
    const taskIds = async () =>
      (await app.core.db.select({ id: reportTasks.id }).from(reportTasks)).map(({ id }) => id).sort();
    const statusOf = async (path: string) => (await app.call("GET", path, { token: ann.token })).status;

    test("deletes documents with their objects, and tells none whose object is gone", async () => {
      const limit = app.now - DAY;
      const old = await task("DONE", limit - 1);
      const failed = await task("FAILED", limit - 1);
      const open = await task("PENDING", limit - 1);
      const then = await task("DONE", limit);
      expect(await statusOf(`/api/stats/tasks/${old}`)).toBe(200);
      expect(await sweep(kept(null, DAY))).toEqual({ ...NOTHING, documents: 2, objects: 2 });
      expect(await taskIds()).toEqual([open, then].sort());
      expect([await objectOf(old), await objectOf(then)]).toEqual([
        null,
        new Uint8Array(Buffer.from("%PDF-")),
      ]);
      for (const id of [old, failed]) expect(await statusOf(`/api/stats/tasks/${id}`)).toBe(404);
      expect(await statusOf(`/users/${accountId}/pdf`)).toBe(200);
      expect(await sweep(kept(null, DAY))).toEqual(NOTHING);
    });

    test("a player without a document any more asks for a new one", async () => {
      await task("DONE", app.now - DAY - 1);
      await sweep(kept(null, DAY));
      expect(await statusOf(`/users/${accountId}/pdf`)).toBe(404);
      expect((await app.call("POST", `/users/${accountId}/pdf`, { token: ann.token })).status).toBe(200);
      expect(await statusOf(`/users/${accountId}/pdf`)).toBe(202);
    });

    test("a sweep that dies in between leaves the object to the next one", async () => {
      const id = await task("DONE", app.now - DAY - 1);
      const dying = { ...app.core.documents, delete: () => Promise.reject(new Error("killed")) };
      expect(await sweep({ ...kept(null, DAY), documents: dying })).toEqual({ ...NOTHING, documents: 1 });
      expect(await statusOf(`/api/stats/tasks/${id}`)).toBe(404);
      expect(await objectOf(id)).not.toBeNull();
      app.now += HOUR;
      expect((await sweep(kept(null, DAY))).objects).toBe(1);
      expect(await objectOf(id)).toBeNull();
      expect(await app.core.db.$count(doomedObjects)).toBe(0);
    });

    test("with the store down the sweep goes on with the rest, and says so once", async () => {
      for (let count = 0; count < 8; count++) await task("DONE", app.now - DAY - 1);
      await addExpired(1);
      let asked = 0;
      const down = {
        ...app.core.documents,
        delete: () => {
          asked += 1;
          return Promise.reject(new Error("the store is away"));
        },
      };
      const swept = await sweep({ ...kept(null, DAY), documents: down });
      expect([swept.sessions, swept.documents, swept.objects, asked]).toEqual([1, 8, 0, 3]);
      expect(app.logged.filter((line) => line.includes("the store is away"))).toHaveLength(1);
      // Others are tried meanwhile: one that cannot be deleted is in nobody's way.
      expect(await sweep(kept(null, DAY))).toEqual({ ...NOTHING, objects: 5 });
      app.now += HOUR;
      expect((await sweep(kept(null, DAY))).objects).toBe(3);
    });

    test("a store that does not answer holds up no stop", async () => {
      await task("DONE", app.now - DAY - 1);
      const ending = new AbortController();
      const asked = Promise.withResolvers<void>();
      const documents = {
        ...app.core.documents,
        delete: () => {
          asked.resolve();
          return new Promise<void>(() => {});
        },
      };
      const sweeping = sweep({ ...kept(null, DAY), documents }, ending.signal);
      await asked.promise;
      ending.abort();
      expect(await sweeping).toEqual({ ...NOTHING, documents: 1 });
      expect((await sweep(kept(null, DAY))).objects).toBe(1);
    });

    test("an object that a worker stored late is deleted again", async () => {
      const id = await task("DONE", app.now - DAY - 1, app.now - 1);
      expect((await sweep(kept(null, DAY))).objects).toBe(1);
      await app.core.documents.put(tasks.documentKey(id), Buffer.from("late"), "application/pdf");
      app.now += 10 * MINUTE;
      expect((await sweep(kept(null, DAY))).objects).toBe(1);
      expect(await objectOf(id)).toBeNull();
      expect(await app.core.db.$count(doomedObjects)).toBe(0);
    });

    test("several nodes at once delete each once", async () => {
      for (let count = 0; count < 30; count++) await task("DONE", app.now - DAY - 1);
      const swept = await Promise.all([1, 2, 3].map(() => sweep(kept(null, DAY))));
      expect(swept.reduce((sum, { documents }) => sum + documents, 0)).toBe(30);
      expect([await taskIds(), await app.core.db.$count(doomedObjects)]).toEqual([[], 0]);
    });
  });

  describe("of pictures", () => {
    const upload = async () =>
      (await avatars.upload(app.core, await accountOf(app, ann), PNG)).avatarKey ?? "";

    test("deletes those that were replaced, and no others", async () => {
      const first = await upload();
      expect(await sweep(app.core)).toEqual(NOTHING);
      const second = await upload();
      expect(await sweep(app.core)).toEqual({ ...NOTHING, objects: 1 });
      expect(await app.core.documents.get(first)).toBeNull();
      expect(await app.core.documents.get(second)).not.toBeNull();
      app.now += HOUR;
      expect((await sweep(app.core)).objects).toBe(0);
    });

    test("deletes one that was stored for an upload which died before it was anybody's", async () => {
      let stored = "";
      const account = await accountOf(app, ann);
      const documents = {
        ...app.core.documents,
        async put(key: string, bytes: Uint8Array, contentType: string) {
          stored = key;
          await app.core.documents.put(key, bytes, contentType);
          throw new Error("killed");
        },
      };
      await expect(avatars.upload({ ...app.core, documents }, account, PNG)).rejects.toThrow("killed");
      expect(await sweep(app.core)).toEqual(NOTHING);
      app.now += 10 * MINUTE;
      expect(await sweep(app.core)).toEqual({ ...NOTHING, objects: 1 });
      expect(await app.core.documents.get(stored)).toBeNull();
    });

    test("an upload that took too long is refused, and the picture before it stays", async () => {
      const first = await upload();
      const account = await accountOf(app, ann);
      const documents = {
        ...app.core.documents,
        async put(key: string, bytes: Uint8Array, contentType: string) {
          await app.core.documents.put(key, bytes, contentType);
          app.now += 11 * MINUTE;
          await sweep(app.core);
        },
      };
      await expect(avatars.upload({ ...app.core, documents }, account, PNG)).rejects.toThrow();
      await sweep(app.core);
      expect((await accountOf(app, ann)).avatarKey).toBe(first);
      expect(await app.core.documents.get(first)).not.toBeNull();
    });
  });

  describe("of deleted rooms", () => {
    const call = async (method: string, path: string, body?: object) =>
      must(await app.call(method, path, { token: ann.token, ...(body === undefined ? {} : { body }) }));
    const must = (answer: Answer) => {
      if (answer.status < 300) return answer;
      throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`);
    };
    const messageIds = async () =>
      (await app.core.db.select({ id: messages.id }).from(messages).orderBy(asc(messages.id))).map(
        ({ id }) => id,
      );
    const roomNames = async () =>
      (await app.core.db.select({ name: rooms.name }).from(rooms).orderBy(asc(rooms.id))).map(
        ({ name }) => name,
      );

    beforeEach(async () => {
      for (const id of ["gone", "kept"]) {
        await call("POST", "/ws/create-room", { id, name: id });
        await call("POST", `/ws/rooms/${id}/messages`, { content: `in ${id}` });
      }
    });

    test("deletes what was said there and what was known of people, ten minutes after the deletion", async () => {
      const kept = (await call("GET", "/ws/rooms/kept/messages")).body.messages[0].id;
      await call("DELETE", "/ws/rooms/gone");
      await call("POST", "/ws/rooms/kept/messages", { content: "later" });
      app.now += 10 * MINUTE;
      expect(await sweep(app.core)).toEqual(NOTHING);
      expect(await messageIds()).toHaveLength(4);
      app.now += 1;
      expect(await sweep(app.core)).toEqual({ ...NOTHING, messages: 2, rooms: 1 });
      expect([await messageIds(), await roomNames()]).toEqual([[kept, 4], ["kept"]]);
      expect(await app.core.db.select({ roomId: roomPeople.roomId }).from(roomPeople)).toEqual([
        { roomId: 2 },
      ]);
      expect(await sweep(app.core)).toEqual(NOTHING);
    });

    test("a new room under the same id is another one", async () => {
      await call("DELETE", "/ws/rooms/gone");
      await call("POST", "/ws/create-room", { id: "gone", name: "new" });
      await call("POST", "/ws/rooms/gone/messages", { content: "in the new one" });
      app.now += 11 * MINUTE;
      expect(await sweep(app.core)).toEqual({ ...NOTHING, messages: 2, rooms: 1 });
      expect(await roomNames()).toEqual(["kept", "new"]);
      const { body } = await call("GET", "/ws/rooms/gone/messages");
      expect(body.messages.map(({ content }: { content: string }) => content)).toEqual(["in the new one"]);
    });

    test("ids go on after them, and are not used again", async () => {
      await call("DELETE", "/ws/rooms/gone");
      const newest = (await messageIds()).at(-1) ?? 0;
      app.now += 11 * MINUTE;
      await sweep(app.core);
      expect((await messageIds()).at(-1)).toBeLessThan(newest);
      const said = await call("POST", "/ws/rooms/kept/messages", { content: "later" });
      expect(said.body.id).toBe(newest + 1);
    });

    test.each([498, 499, 1_200])("deletes %i messages, pausing after every 500", async (count) => {
      const row = { roomId: 1, kind: "message" as const, userId: accountId, username: "ann", content: "x" };
      for (let from = 0; from < count; from += 500) {
        const page = Array.from({ length: Math.min(500, count - from) }, () => ({ ...row, sentAt: app.now }));
        await app.core.db.insert(messages).values(page);
      }
      await call("DELETE", "/ws/rooms/gone");
      app.now += 11 * MINUTE;
      app.slept.length = 0;
      // With what was said before, and the deletion itself.
      expect(await sweep(app.core)).toEqual({ ...NOTHING, messages: count + 2, rooms: 1 });
      expect(app.slept).toHaveLength(Math.floor((count + 2) / 500));
      expect(await messageIds()).toEqual([2]);
    });

    test("an aborted sweep leaves the room until all of it is gone", async () => {
      const row = { roomId: 1, kind: "message" as const, userId: accountId, username: "ann", content: "x" };
      for (const _page of [1, 2]) {
        const page = Array.from({ length: 400 }, () => ({ ...row, sentAt: app.now }));
        await app.core.db.insert(messages).values(page);
      }
      await call("DELETE", "/ws/rooms/gone");
      app.now += 11 * MINUTE;
      const ending = new AbortController();
      const core = { ...app.core, sleep: async () => ending.abort() };
      expect(await sweep(core, ending.signal)).toEqual({ ...NOTHING, messages: 500 });
      expect(await roomNames()).toEqual(["gone", "kept"]);
      expect(await sweep(app.core)).toEqual({ ...NOTHING, messages: 302, rooms: 1 });
    });
  });

  test.each([499, 500, 501, 1_700])("deletes %i of each, pausing after every 500", async (rows) => {
    await addExpired(rows);
    for (let from = 0; from < rows; from += 500) {
      const names = Array.from({ length: Math.min(500, rows - from) }, (_, index) => `old-${from + index}`);
      await app.core.db.insert(mailedSecrets).values(names.map((name) => secretRow(name, 1)));
      await app.core.db.insert(rateLimits).values(names.map((key) => ({ key, points: 1, expiresAt: 1 })));
    }
    app.slept.length = 0;
    expect(await sweep(app.core)).toEqual({
      ...NOTHING,
      sessions: rows,
      mailedSecrets: rows,
      rateLimits: rows,
    });
    expect(app.slept).toHaveLength(3 * Math.floor(rows / 500));
    expect(await sessionIds()).toEqual(living);
    expect(await sweep(app.core)).toEqual(NOTHING);
  });

  test("ends after the running batch when it is aborted", async () => {
    await addExpired(1_200);
    await app.core.db.insert(rateLimits).values({ key: "old", points: 1, expiresAt: 1 });
    const ending = new AbortController();
    const core = { ...app.core, sleep: async () => ending.abort() };
    expect(await sweep(core, ending.signal)).toEqual({ ...NOTHING, sessions: 500 });
    expect(await others()).toHaveLength(700);
  });
});

describe("housekeeping", () => {
  test("sweeps again and again, and logs how much only when there was something", async () => {
    const seen = () =>
      app.logged.map((line) => JSON.parse(line)).filter(({ msg }) => msg === "old rows were deleted");
    open(10).start();
    for (const rows of [3, 4]) {
      await addExpired(rows);
      await eventually(async () => (await others()).length === 0);
    }
    await housekeeping?.stop();
    const total = seen().reduce((sum: number, line) => sum + line.sessions, 0);
    expect(total).toBe(7);
    expect(seen().every((line) => line.sessions > 0)).toBe(true);
  });

  test("does not sweep right at the start", async () => {
    await addExpired(1);
    const housekeeping = open();
    housekeeping.start();
    await Bun.sleep(50);
    expect(await others()).toHaveLength(1);
    await housekeeping.stop();
  });

  test("erases what erased accounts left, without waiting for a sweep; a failure is logged and tried again", async () => {
    await app.call("POST", "/api/blogs/posts", { token: ann.token, body: { title: "A", content: "b" } });
    await app.call("POST", "/api/users/me/erase", { token: ann.token, body: { password: PASSWORD } });
    let failures = 1;
    const db = new Proxy(app.core.db, {
      get(target, name) {
        if (name === "values" && failures > 0) {
          failures -= 1;
          throw new Error("the database is away");
        }
        return Reflect.get(target, name);
      },
    });
    housekeeping = createHousekeeping({ ...app.core, db }, HOUR, 5);
    housekeeping.start();
    await eventually(async () => (await app.core.db.$count(posts)) === 0);
    expect(failures).toBe(0);
    await housekeeping.stop();
    expect(app.logged.filter((line) => line.includes("could not be erased"))).toHaveLength(1);
  });

  test("a failure is logged, and the next sweep comes all the same", async () => {
    await addExpired(2);
    let failures = 2;
    const db = new Proxy(app.core.db, {
      get(target, name) {
        if (name === "all" && failures > 0) {
          failures -= 1;
          throw new Error("the database is away");
        }
        return Reflect.get(target, name);
      },
    });
    open(10, { ...app.core, db }).start();
    await eventually(async () => (await others()).length === 0);
    expect(app.logged.filter((line) => line.includes("old rows could not be deleted"))).toHaveLength(2);
  });

  test("stop waits for the running batch and lets no other begin", async () => {
    await addExpired(1_200);
    const gate = Promise.withResolvers<void>();
    let paused = 0;
    const core = {
      ...app.core,
      sleep: () => {
        paused += 1;
        return gate.promise;
      },
    };
    const housekeeping = open(10, core);
    housekeeping.start();
    housekeeping.start();
    await eventually(() => paused > 0);
    let stopped = false;
    const stopping = housekeeping.stop().then(() => {
      stopped = true;
    });
    await Bun.sleep(30);
    expect(stopped).toBe(false);
    gate.resolve();
    await stopping;
    await Bun.sleep(30);
    expect(paused).toBe(1);
    expect(await others()).toHaveLength(700);
  });

  test("does nothing once it was stopped, started or not", async () => {
    await addExpired(1);
    const housekeeping = open(5);
    await housekeeping.stop();
    housekeeping.start();
    await Bun.sleep(40);
    expect(await others()).toHaveLength(1);
  });

  test("keeps no process alive", async () => {
    const script = `
      const { createHousekeeping } = await import(${JSON.stringify(`${import.meta.dir}/../src/domain/housekeeping.ts`)});
      createHousekeeping({}).start();`;
    const child = Bun.spawn([process.execPath, "-e", script], { stdout: "ignore", stderr: "ignore" });
    const timer = setTimeout(() => child.kill(), 4_000);
    expect(await child.exited).toBe(0);
    clearTimeout(timer);
  });
});
