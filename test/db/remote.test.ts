import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { type Db, migrate } from "../../db/open.ts";
import { accounts, roles } from "../../db/schema.ts";
import { eventually } from "../adapters/eventually.ts";
import type { HranaServer } from "../support/hrana-server.ts";
import {
  failureOf,
  insertAccount,
  TOKEN,
  thrownBy,
  usernames,
  type Workshop,
  workshop,
} from "./databases.ts";

const TIMEOUT_MS = 500;

let shop: Workshop;
let server: HranaServer;
let db: Db;

beforeEach(async () => {
  shop = await workshop();
  server = await shop.server();
  db = await shop.open(server.url, { authToken: TOKEN, limits: { remoteTimeoutMs: TIMEOUT_MS } });
  await migrate(db);
});

afterEach(() => shop.close());

const writes: Record<string, (name: string) => PromiseLike<unknown>> = {
  statement: (name) => insertAccount(db, name),
  batch: (name) => db.batch([insertAccount(db, name), insertAccount(db, `${name}2`)]),
};

describe.each(Object.entries(writes))("a written %s", (_name, write) => {
  test("that gets no answer in time has an unknown outcome", async () => {
    server.faults.delayMs = TIMEOUT_MS * 8;
    const began = performance.now();
    expect((await failureOf(write("slow"))).kind).toBe("unknownOutcome");
    expect(performance.now() - began).toBeLessThan(TIMEOUT_MS * 8);
    server.faults.delayMs = 0;
    await eventually(async () => (await usernames(db)).includes("slow"));
  });

  test.each(["before", "after"] as const)(
    "that is cut %s it ran has an unknown outcome, and is sent once",
    async (when) => {
      await db.check();
      const before = server.pipelines();
      server.faults.drop = { when, count: 1 };
      expect((await failureOf(write("cut"))).kind).toBe("unknownOutcome");
      await Bun.sleep(20);
      const names = await usernames(db);
      expect(names.includes("cut")).toBe(when === "after");
      expect(server.pipelines() - before).toBeLessThanOrEqual(when === "after" ? 3 : 2);
    },
  );

  test("that meets a broken gateway has an unknown outcome", async () => {
    server.faults.status = 502;
    expect((await failureOf(write("lost"))).kind).toBe("unknownOutcome");
  });

  test("that finds no server was not stored", async () => {
    await server.stop();
    expect((await failureOf(write("none"))).kind).toBe("unavailable");
    await server.start();
    expect(await usernames(db)).toEqual([]);
    await write("back");
    expect(await usernames(db)).toContain("back");
  });
});

describe("a read", () => {
  test("that is cut is tried again", async () => {
    server.faults.drop = { when: "after", count: 2 };
    expect(await usernames(db)).toEqual([]);
  });

  test("is tried a few times only", async () => {
    server.faults.drop = { when: "before", count: 100 };
    expect((await failureOf(usernames(db))).kind).toBe("unavailable");
    expect(server.faults.drop.count).toBeGreaterThan(90);
  });

  test("that gets no answer in time is unavailable", async () => {
    server.faults.delayMs = TIMEOUT_MS * 2;
    expect((await failureOf(usernames(db))).kind).toBe("unavailable");
    expect((await failureOf(db.check())).kind).toBe("unavailable");
  });

  test("outlives a restart of the server", async () => {
    await server.stop();
    const read = usernames(db);
    await Bun.sleep(20);
    await server.start();
    expect(await read).toEqual([]);
  });

  test("in a batch takes no write lock", async () => {
    const lock = shop.child([`${import.meta.dir}/child-lock.ts`, shop.path, "1000"]);
    await lock.stdout.getReader().read();
    const patient = await shop.open(server.url, { authToken: TOKEN });
    const reads = await patient.batch([patient.select().from(roles), patient.select().from(accounts)]);
    expect(reads).toHaveLength(2);
  });
});

test("a wrong token makes it unavailable and is not told", async () => {
  const stranger = await shop.open(server.url, { authToken: "a-wrong-token" });
  const failure = await failureOf(stranger.check());
  expect(failure.kind).toBe("unavailable");
  expect(failure.message).toBe("The database server refused the token.");
  expect((await failureOf(insertAccount(stranger, "Eve"))).kind).toBe("unavailable");
});

test("a lock that the server does not get is busy", async () => {
  const patient = await shop.open(server.url, { authToken: TOKEN });
  const lock = shop.child([`${import.meta.dir}/child-lock.ts`, shop.path, "1500"]);
  await lock.stdout.getReader().read();
  expect((await failureOf(insertAccount(patient, "Ada"))).kind).toBe("busy");
});

test("the test's server refuses a float without a fraction, which would hide a wrong binding", async () => {
  const pipeline = (value: number) =>
    fetch(`${server.url}/v2/pipeline`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}` },
      body: JSON.stringify({
        requests: [
          { type: "execute", stmt: { sql: "SELECT ?", args: [{ type: "float", value }] } },
          { type: "close" },
        ],
      }),
    }).then((response) => response.text());
  expect(await pipeline(7)).toContain("has no fraction");
  expect(await pipeline(7.5)).toContain('{"type":"float","value":7.5}');
});

test("requests beyond the limits are refused, early ones and late ones", async () => {
  const limits = { remoteTimeoutMs: TIMEOUT_MS, remoteRequests: 1, queuedUnits: 2 };
  const narrow = await shop.open(server.url, { authToken: TOKEN, limits });
  server.faults.delayMs = TIMEOUT_MS * 4;
  const began = performance.now();
  const elapsed = await Promise.all(
    ["a", "b", "c", "d"].map(async (name) => {
      const { kind } = await failureOf(insertAccount(narrow, name));
      return [kind, Math.round((performance.now() - began) / TIMEOUT_MS)];
    }),
  );
  expect(elapsed).toEqual([
    ["unknownOutcome", 1],
    ["unavailable", 1],
    ["unavailable", 1],
    ["unavailable", 0],
  ]);
});

test("nothing of the native addon is bundled", async () => {
  const entrypoints = [join(import.meta.dir, "../../db/open.ts")];
  const built = await Bun.build({ entrypoints, target: "bun", metafile: true });
  const inputs = Object.keys(built.metafile?.inputs ?? {});
  expect(inputs.some((path) => path.includes("@libsql/client"))).toBe(true);
  expect(
    inputs.filter((path) => /node_modules\/(libsql\/|@libsql\/(linux|darwin|win32))/.test(path)),
  ).toEqual([]);
  expect(inputs.filter((path) => path.endsWith("sqlite3.js"))).toEqual([]);
});

test("a statement with an unknown table is sent once, and its mistake is no failure of the database", async () => {
  const before = server.pipelines();
  expect(String(await thrownBy(db.run(sql`SELECT * FROM nowhere`)))).toContain("Failed query");
  expect(server.pipelines()).toBe(before + 1);
});
