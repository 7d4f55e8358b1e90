import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { asDatabaseError, DatabaseError, openDatabase } from "../../db/open.ts";
import { thrownBy, type Workshop, workshop } from "./databases.ts";

let shop: Workshop;
beforeEach(async () => {
  shop = await workshop();
});
afterEach(() => shop.close());

const messageOf = async (url: string) => String(await thrownBy(openDatabase(url)));

test("every spelling of a file's URL names the file", async () => {
  const spaced = join(dirname(shop.path), "a b%.db");
  for (const url of [pathToFileURL(spaced).href, `file:${encodeURI(spaced)}`]) {
    await (await shop.open(url)).check();
  }
  expect(await Bun.file(spaced).exists()).toBe(true);
});

test.each([":memory:", "file::memory:"])("%s is a database of its own, without a file", async (url) => {
  const [one, other] = [await shop.open(url), await shop.open(url)];
  await one.run("CREATE TABLE mine (a)");
  expect(await other.values("SELECT count(*) FROM sqlite_schema")).toEqual([[0]]);
  expect(one.kind).toBe("local");
});

test.each(["libsql://example.org", "https://example.org/db", "http://127.0.0.1:1"])(
  "%s is remote",
  async (url) => {
    const db = await shop.open(url);
    expect([db.kind, db.dataVersion()]).toEqual(["remote", null]);
  },
);

const MISTAKES = [
  ["", "must begin with file:"],
  ["guildhall.db", "must begin with file:"],
  ["postgres://example.org", "must begin with file:"],
  ["file:", "names no file"],
  ["file:///", "names no file"],
  ["file:%zz", "names no file"],
  ["file:a.db?mode=ro", "a file has no options"],
  ["libsql://", "has no host"],
] as const;

test.each(MISTAKES)("%p is refused with a sentence", async (url, sentence) => {
  expect(await messageOf(url)).toContain(sentence);
});

test("a refused URL is not repeated, as it may hold a token", async () => {
  expect(await messageOf("libsqll://example.org?authToken=secret")).not.toContain("secret");
});

test("a file that cannot be opened is unavailable, and its name is told", async () => {
  const missing = `${dirname(shop.path)}/missing/test.db`;
  await mkdir(shop.path);
  for (const path of [missing, shop.path]) {
    const error = await thrownBy(openDatabase(`file:${path}`));
    expect(asDatabaseError(error)?.kind).toBe("unavailable");
    expect(String(error)).toContain(path);
  }
});

test("a file that is no database is unavailable", async () => {
  await Bun.write(shop.path, "this is a text and not a database".repeat(100));
  expect(asDatabaseError(await thrownBy(openDatabase(`file:${shop.path}`)))?.kind).toBe("unavailable");
});

test("a failure of the database is found behind whatever wraps it", () => {
  const failure = new DatabaseError("full", "The disk is full.");
  const wrapped = new Error("outer", { cause: new Error("inner", { cause: failure }) });
  expect(asDatabaseError(wrapped)).toBe(failure);
  for (const other of [null, undefined, "full", new Error("x"), { kind: "full" }]) {
    expect(asDatabaseError(other)).toBeNull();
  }
});
