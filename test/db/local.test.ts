import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { type Db, migrate } from "../../db/open.ts";
import { accounts } from "../../db/schema.ts";
import {
  failureOf,
  insertAccount,
  newAccount,
  usernames,
  value,
  type Workshop,
  workshop,
} from "./databases.ts";
import { commitsIn } from "./write-ahead-log.ts";

let shop: Workshop;
let db: Db;

beforeEach(async () => {
  shop = await workshop();
  db = await shop.open();
  await migrate(db);
});

afterEach(() => shop.close());

const settled = (writes: readonly PromiseLike<unknown>[]) =>
  Promise.allSettled(writes).then((results) => results.map((result) => result.status));

const names = (count: number) => Array.from({ length: count }, (_, index) => `user${index}`);

describe("group commit", () => {
  test("gives the writes of one turn one commit", async () => {
    const before = { counted: db.counters(), logged: await commitsIn(shop.path) };
    await Promise.all(names(100).map((name) => insertAccount(db, name)));
    expect(await commitsIn(shop.path)).toBe(before.logged + 1);
    expect(db.counters()).toMatchObject({
      commits: before.counted.commits + 1,
      writes: before.counted.writes + 100,
    });
  });

  test("shares commits among HTTP requests", async () => {
    using server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: async (request) => Response.json(await insertAccount(db, await request.text())),
    });
    const before = db.counters().commits;
    await Promise.all(names(64).map((body) => fetch(server.url, { method: "POST", body })));
    expect(await value(db, sql`count(*) FROM accounts`)).toBe(64);
    expect(db.counters().commits - before).toBeLessThan(40);
  });

  test("makes groups no larger than the limit", async () => {
    const small = await shop.open(undefined, { limits: { groupUnits: 10 } });
    await Promise.all(names(25).map((name) => insertAccount(small, name)));
    expect(small.counters()).toMatchObject({ writes: 25, commits: 3 });
  });

  test("settles a write only when another connection sees it", async () => {
    using witness = new Database(shop.path, { readonly: true });
    const seen = await insertAccount(db, "Ada").then(() =>
      witness.query("SELECT username FROM accounts").values(),
    );
    expect(seen).toEqual([["Ada"]]);
  });

  test("shows no read what is not yet committed", async () => {
    const write = insertAccount(db, "Ada").execute();
    expect(await usernames(db)).toEqual([]);
    await write;
    expect(await usernames(db)).toEqual(["Ada"]);
  });

  test("fails only the unit that breaks a constraint, statement or batch", async () => {
    const before = db.counters().commits;
    const outcome = await settled([
      insertAccount(db, "a").execute(),
      insertAccount(db, "a").execute(),
      db.batch([insertAccount(db, "b"), insertAccount(db, "a")]),
      db.batch([insertAccount(db, "c"), insertAccount(db, "d")]),
      insertAccount(db, "e").execute(),
    ]);
    expect(outcome).toEqual(["fulfilled", "rejected", "rejected", "fulfilled", "fulfilled"]);
    expect(await usernames(db)).toEqual(["a", "c", "d", "e"]);
    expect(db.counters().commits).toBe(before + 1);
  });

  test("undoes a write that returns an integer beyond 2^53, and only that one", async () => {
    const outcome = await settled([
      insertAccount(db, "a"),
      db.values(
        sql`INSERT INTO roles (id, name, permissions) VALUES (9007199254740993, 'x', '[]') RETURNING id`,
      ),
      insertAccount(db, "b"),
    ]);
    expect(outcome).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(await usernames(db)).toEqual(["a", "b"]);
    expect(await value(db, sql`count(*) FROM roles`)).toBe(2);
  });
});

describe("a lost transaction", () => {
  test("of a full disk fails only the units that did not fit", async () => {
    const pages = Number(await value(db, sql`page_count FROM pragma_page_count`));
    await db.values(sql.raw(`PRAGMA max_page_count(${pages + 10})`));
    const large = { ...newAccount("large"), description: "x".repeat(1_000_000) };
    const before = db.counters().commits;
    const writes = [
      insertAccount(db, "a"),
      db.insert(accounts).values(large),
      db.batch([insertAccount(db, "b"), db.insert(accounts).values(large)]),
      insertAccount(db, "c"),
    ];
    const failures = [writes[1], writes[2]].map((write) => failureOf(write as PromiseLike<unknown>));
    expect(await settled([...writes.slice(0, 1), ...writes.slice(3)])).toEqual(["fulfilled", "fulfilled"]);
    expect((await Promise.all(failures)).map((failure) => failure.kind)).toEqual(["full", "full"]);
    expect(await usernames(db)).toEqual(["a", "c"]);
    expect(db.counters().commits).toBe(before + 2);
    await db.values(sql.raw(`PRAGMA max_page_count(${pages + 10_000})`));
    await db.insert(accounts).values(large);
    expect(await usernames(db)).toEqual(["a", "c", "large"]);
  });

  test("of a COMMIT that is refused fails only the guilty unit", async () => {
    await db.run(sql`CREATE TABLE parent (id integer PRIMARY KEY)`);
    await db.run(
      sql`CREATE TABLE child (parent_id integer REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)`,
    );
    const outcome = await settled([
      insertAccount(db, "a"),
      db.run(sql`INSERT INTO child VALUES (99)`),
      insertAccount(db, "b"),
    ]);
    expect(outcome).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect((await failureOf(db.run(sql`INSERT INTO child VALUES (99)`))).kind).toBe("foreignKey");
    expect(await usernames(db)).toEqual(["a", "b"]);
    expect(await value(db, sql`count(*) FROM child`)).toBe(0);
  });

  test("of OR ROLLBACK takes no other unit with it", async () => {
    const outcome = await settled([
      insertAccount(db, "a"),
      db.run(sql`INSERT OR ROLLBACK INTO roles (name, permissions) VALUES ('admin', '[]')`),
      insertAccount(db, "b"),
    ]);
    expect(outcome).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(await usernames(db)).toEqual(["a", "b"]);
  });
});

test("a full queue refuses at once and keeps what it holds", async () => {
  const small = await shop.open(undefined, { limits: { queuedUnits: 5 } });
  const outcome = await settled(names(7).map((name) => insertAccount(small, name)));
  expect<string[]>(outcome).toEqual([...names(5).map(() => "fulfilled"), "rejected", "rejected"]);
  const writes = names(7).map((name) => insertAccount(small, `again-${name}`).execute());
  expect((await failureOf(writes[6] as Promise<unknown>)).kind).toBe("unavailable");
  expect(await settled(writes)).toEqual(outcome);
});

test("more statements than the cache holds all work, and work again", async () => {
  for (let round = 0; round < 2; round++) {
    for (let index = 0; index < 600; index++) {
      expect(await value(db, sql.raw(`${index}`))).toBe(index);
    }
  }
});

test("the data version changes with another connection's writes", async () => {
  const before = db.dataVersion();
  await insertAccount(db, "Ada");
  expect(db.dataVersion()).toBe(before);
  const other = await shop.open();
  await insertAccount(other, "Bea");
  expect(db.dataVersion()).not.toBe(before);
});

test("a closed database leaves no write-ahead log", async () => {
  await insertAccount(db, "Ada");
  await db.close();
  expect(await Bun.file(`${shop.path}-wal`).exists()).toBe(false);
  expect(await usernames(await shop.open())).toEqual(["Ada"]);
});
