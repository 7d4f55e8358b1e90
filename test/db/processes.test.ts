import { afterEach, beforeEach, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { type Db, migrate } from "../../db/open.ts";
import { roles } from "../../db/schema.ts";
import { failureOf, insertAccount, usernames, type Workshop, workshop } from "./databases.ts";

const LOCK = `${import.meta.dir}/child-lock.ts`;
const WRITER = `${import.meta.dir}/child-writer.ts`;
const BUSY_DEADLINE_MS = 5_000;
const LOCK_MS = 1_000;
// Of a timer of 2 ms while a lock is held: far more than what comes between when the event loop stands still.
const TICKS = 10;

let shop: Workshop;
let db: Db;

beforeEach(async () => {
  shop = await workshop();
  db = await shop.open(undefined, { limits: { busyDeadlineMs: BUSY_DEADLINE_MS } });
  await migrate(db);
});

afterEach(() => shop.close());

/** Another process has the write lock from now on for so long. */
async function held(milliseconds: number) {
  const child = shop.child([LOCK, shop.path, String(milliseconds)]);
  await child.stdout.getReader().read();
  return child;
}

/** How often a timer came: the event loop did not stand still. */
function watchTicks(): () => number {
  let ticks = 0;
  const timer = setInterval(() => {
    ticks += 1;
  }, 2);
  return () => {
    clearInterval(timer);
    return ticks;
  };
}

test("a write waits for another process without holding up the event loop", async () => {
  const lock = await held(LOCK_MS);
  const ticks = watchTicks();
  const began = performance.now();
  await insertAccount(db, "Ada");
  expect(performance.now() - began).toBeGreaterThan(LOCK_MS / 4);
  expect(ticks()).toBeGreaterThan(TICKS);
  expect(await lock.exited).toBe(0);
  expect(await usernames(db)).toEqual(["Ada"]);
});

test("a lock held for too long makes writes unavailable, reads go on, and it works again afterwards", async () => {
  const lock = await held(60_000);
  const ticks = watchTicks();
  const began = performance.now();
  const writes = [insertAccount(db, "a"), insertAccount(db, "b"), db.batch([insertAccount(db, "c")])];
  const failures = Promise.all(writes.map((write) => failureOf(write)));
  expect(await usernames(db)).toEqual([]);
  expect((await failures).map((failure) => failure.kind)).toEqual([
    "unavailable",
    "unavailable",
    "unavailable",
  ]);
  expect(performance.now() - began).toBeGreaterThan(BUSY_DEADLINE_MS - 10);
  expect(ticks()).toBeGreaterThan(TICKS);
  lock.kill();
  await lock.exited;
  await insertAccount(db, "d");
  expect(await usernames(db)).toEqual(["d"]);
}, 120_000);

test("every write that was answered is there after SIGKILL", async () => {
  const writer = shop.child([WRITER, shop.path]);
  let printed = "";
  const decoder = new TextDecoder();
  for await (const chunk of writer.stdout) {
    printed += decoder.decode(chunk, { stream: true });
    if (printed.length > 20_000) writer.kill("SIGKILL");
  }
  expect(await writer.exited).not.toBe(0);
  const answered = printed.split("\n").slice(0, -1);
  expect(answered.length).toBeGreaterThan(1_000);
  const stored = new Set((await db.values<[string]>(sql`SELECT name FROM roles`)).map(([name]) => name));
  expect(answered.filter((name) => !stored.has(name))).toEqual([]);
  expect(await db.values(sql`PRAGMA integrity_check`)).toEqual([["ok"]]);
});

test("a batch of reads sees one state while another process writes", async () => {
  const writer = shop.child([WRITER, shop.path]);
  await writer.stdout.getReader().read();
  const count = db.select({ rows: sql<number>`count(*)` }).from(roles);
  const pause = sql`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT max(i) FROM n`;
  const [before, , after] = await db.batch([count, db.all(pause), count]);
  expect(after).toEqual(before);
  expect(await count).not.toEqual(before);
});
