import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import { asDatabaseError, type Db, migrate } from "../../db/open.ts";
import { prepared } from "../../db/prepare.ts";
import { accounts, reportTasks, roles, sessions } from "../../db/schema.ts";
import {
  failureOf,
  insertAccount,
  newAccount,
  TOKEN,
  thrownBy,
  usernames,
  value,
  type Workshop,
  workshop,
} from "./databases.ts";

const DATABASES: Record<string, (shop: Workshop) => Promise<Db>> = {
  file: (shop) => shop.open(),
  memory: (shop) => shop.open("file::memory:"),
  remote: async (shop) => shop.open((await shop.server()).url, { authToken: TOKEN }),
};

describe.each(Object.entries(DATABASES))("a %s database", (_name, open) => {
  let shop: Workshop;
  let db: Db;

  beforeEach(async () => {
    shop = await workshop();
    db = await open(shop);
    await migrate(db);
  });

  afterEach(() => shop.close());

  const newSession = (id: string, accountId: number) =>
    ({ id, accountId, origin: "chat", address: "", createdAt: 1, lastUsedAt: 1, expiresAt: 2 }) as const;
  const newTask = (status: "DONE" | "PROCESSING") =>
    ({ id: "t", kind: "stats", subjectId: 1, requestedBy: 1, status, dueAt: 1, createdAt: 1 }) as const;

  describe("answers", () => {
    test("rows, one row, values, and nothing for what is not there", async () => {
      expect(await insertAccount(db, "Ada")).toEqual([{ id: 1 }]);
      const query = db.select({ id: accounts.id, name: accounts.username }).from(accounts);
      expect(await query.all()).toEqual([{ id: 1, name: "Ada" }]);
      expect(await query.get()).toEqual({ id: 1, name: "Ada" });
      expect(await query.values()).toEqual([[1, "Ada"]]);
      expect(await query.where(eq(accounts.id, 2)).get()).toBeUndefined();
    });

    test("what a prepared query found, built once", async () => {
      let built = 0;
      const find = prepared((on) => {
        built++;
        return on
          .select()
          .from(roles)
          .where(eq(roles.name, sql.placeholder("name")))
          .prepare();
      });
      expect((await find(db).get({ name: "moderator" }))?.permissions).toEqual([
        "blog.moderate",
        "chat.moderate",
      ]);
      expect((await find(db).all({ name: "admin" })).map((role) => role.permissions)).toEqual([["*"]]);
      expect(built).toBe(1);
    });

    test("a write that begins with WITH, and keeps it", async () => {
      await insertAccount(db, "Ada");
      const before = db.counters();
      const changed = await db.values(
        sql`WITH new AS (SELECT 'Rio' AS place) UPDATE accounts SET location = (SELECT place FROM new) RETURNING id, location`,
      );
      expect(changed).toEqual([[1, "Rio"]]);
      expect(db.counters()).toEqual({ ...before, writes: before.writes + 1, commits: before.commits + 1 });
      expect(await db.select({ location: accounts.location }).from(accounts)).toEqual([{ location: "Rio" }]);
    });

    test("many writes at once", async () => {
      const names = Array.from({ length: 300 }, (_, index) => `user${index}`);
      const ids = await Promise.all(names.map((name) => insertAccount(db, name)));
      expect(new Set(ids.map(([row]) => row?.id)).size).toBe(300);
      expect((await usernames(db)).toSorted()).toEqual(names.toSorted());
    });

    test("that it is there", async () => {
      expect(await db.check()).toBeUndefined();
    });
  });

  describe("keeps", () => {
    const exact = [null, "", "a\0b", "Ünïcode 🦉", 0, -1, 1.5, 1e-9, Number.MAX_SAFE_INTEGER, -(2 ** 53 - 1)];
    test.each(exact)("%p as it is", async (given) => {
      expect(await value(db, sql`${given}`)).toEqual(given);
    });

    test("bytes, and booleans as 0 and 1", async () => {
      expect(await value(db, sql`${new Uint8Array([0, 255])}`)).toEqual(new Uint8Array([0, 255]));
      expect(await db.values(sql`SELECT ${true}, ${false}, ${12n}`)).toEqual([[1, 0, 12]]);
    });

    test("an integer in a text column without a fraction", async () => {
      await insertAccount(db, "Ada");
      await db.run(sql`UPDATE accounts SET location = ${7}`);
      expect(await db.values(sql`SELECT location, typeof(location) FROM accounts`)).toEqual([["7", "text"]]);
    });

    const inexact = [new Date(0), undefined, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 2n ** 64n, {}];
    test.each(inexact)("nothing of %p, which it cannot give back", async (given) => {
      const failure = await thrownBy(
        db.run(sql`INSERT INTO roles (name, permissions) VALUES ('x', ${sql.param(given)})`),
      );
      expect(String((failure as Error).cause)).toContain("Parameter 1 cannot be stored exactly");
      expect(await value(db, sql`count(*) FROM roles`)).toBe(2);
    });

    test("no rounded integer", async () => {
      expect(await thrownBy(db.values(sql`SELECT 9007199254740993`))).toBeInstanceOf(Error);
      expect(await db.values(sql`SELECT 1e300, 9007199254740991`)).toEqual([[1e300, 9007199254740991]]);
    });
  });

  describe("refuses", () => {
    beforeEach(async () => {
      await insertAccount(db, "Ada");
    });

    test("a second of what is unique, and says which", async () => {
      const username = await failureOf(
        db.insert(accounts).values({ ...newAccount("Bea"), usernameKey: "ada" }),
      );
      expect([username.kind, username.constraint]).toEqual(["unique", "accounts.username_key"]);
      const email = await failureOf(
        db.insert(accounts).values({ ...newAccount("Bea"), emailKey: "ada@example.org" }),
      );
      expect([email.kind, email.constraint]).toEqual(["unique", "accounts.email_key"]);
      await db.insert(sessions).values(newSession("s", 1));
      const session = await failureOf(db.insert(sessions).values(newSession("s", 1)));
      expect([session.kind, session.constraint]).toEqual(["unique", "sessions.id"]);
    });

    test("no second e-mail address of accounts without a password", async () => {
      const guest = (name: string) => ({
        ...newAccount(name),
        emailKey: "ada@example.org",
        passwordHash: null,
      });
      await db.insert(accounts).values([guest("Bea"), guest("Cid")]);
      expect(await usernames(db)).toEqual(["Ada", "Bea", "Cid"]);
    });

    test("an orphan and a row that breaks a check", async () => {
      const orphan = await failureOf(db.insert(sessions).values(newSession("s", 99)));
      expect([orphan.kind, orphan.constraint]).toEqual(["foreignKey", null]);
      const unleased = await failureOf(db.insert(reportTasks).values(newTask("PROCESSING")));
      expect([unleased.kind, unleased.constraint]).toEqual(["check", "report_tasks_lease"]);
    });

    test("without repeating what was to be stored", async () => {
      const failure = await failureOf(insertAccount(db, "Ada"));
      expect(failure.message).not.toContain("Ada");
    });

    test("a mistake in a statement, which is no failure of the database", async () => {
      for (const mistake of [sql`SELECT * FROM nowhere`, sql`INSERT INTO roles (name) VALUES ('x')`]) {
        expect(asDatabaseError(await thrownBy(db.run(mistake)))).toBeNull();
      }
    });

    const control = [
      "BEGIN",
      "COMMIT",
      "ROLLBACK",
      "SAVEPOINT x",
      "PRAGMA foreign_keys = OFF",
      "/* no */ EXPLAIN PRAGMA foreign_keys(0)",
      "SELECT 1; SELECT 2",
    ];
    test.each(control)("%s", async (statement) => {
      await thrownBy(db.run(sql.raw(statement)));
      await insertAccount(db, "Bea");
      expect(await usernames(db)).toEqual(["Ada", "Bea"]);
      expect((await failureOf(db.insert(sessions).values(newSession("s", 99)))).kind).toBe("foreignKey");
    });
  });

  describe("runs a batch", () => {
    test("in its order, and answers each of its statements", async () => {
      const [inserted, all, one, counted] = await db.batch([
        insertAccount(db, "Ada"),
        db.select({ name: accounts.username }).from(accounts),
        db.query.accounts.findFirst({ columns: { id: true } }),
        db.run(sql`UPDATE accounts SET location = 'Rio' WHERE changes() > 0`),
      ]);
      expect([inserted, all, one, counted]).toEqual([
        [{ id: 1 }],
        [{ name: "Ada" }],
        { id: 1 },
        { rows: [[expect.any(Number)]] },
      ]);
    });

    test("of reads", async () => {
      const reads = await db.batch([db.select({ name: roles.name }).from(roles), db.select().from(accounts)]);
      expect(reads).toEqual([[{ name: "admin" }, { name: "moderator" }], []]);
    });

    test("whole or not at all", async () => {
      const failure = await failureOf(
        db.batch([insertAccount(db, "Ada"), insertAccount(db, "Bea"), insertAccount(db, "Ada")]),
      );
      expect(failure.kind).toBe("unique");
      expect(await usernames(db)).toEqual([]);
    });
  });

  describe("when closed", () => {
    test("has finished what was begun, and refuses what comes later", async () => {
      const writes = Promise.all(["a", "b", "c"].map((name) => insertAccount(db, name).execute()));
      const closed = Promise.all([db.close(), db.close()]);
      expect(await writes).toHaveLength(3);
      await closed;
      expect((await failureOf(insertAccount(db, "d"))).kind).toBe("unavailable");
      expect((await failureOf(db.select().from(accounts))).kind).toBe("unavailable");
      expect((await failureOf(db.batch([insertAccount(db, "e")]))).kind).toBe("unavailable");
      expect((await failureOf(db.check())).kind).toBe("unavailable");
    });
  });
});
