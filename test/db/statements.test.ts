import { Database } from "bun:sqlite";
import { expect, spyOn, test } from "bun:test";
import { StatementCache } from "../../db/statements.ts";

function counted() {
  const database = new Database(":memory:");
  const prepare = spyOn(database, "prepare");
  return { cache: new StatementCache(database, 2), texts: () => prepare.mock.calls.map(([text]) => text) };
}

test("a full cache keeps what was used lately and finalizes the rest", () => {
  const { cache, texts } = counted();
  cache.get("SELECT 'a'");
  const idle = cache.get("SELECT 'b'");
  for (const name of ["a", "c", "a"]) expect(cache.get(`SELECT '${name}'`).rows([])).toEqual([[name]]);
  expect(texts()).toEqual(["SELECT 'a'", "SELECT 'b'", "SELECT 'c'"]);
  expect(() => idle.rows([])).toThrow("finalized");
  expect(cache.get("SELECT 'b'").rows([])).toEqual([["b"]]);
  expect(texts()).toHaveLength(4);
  cache.close();
});

test("a cache of which everything was used lately still gives way", () => {
  const { cache, texts } = counted();
  for (const name of ["a", "b", "a", "b", "c", "d", "e"]) cache.get(`SELECT '${name}'`);
  expect(cache.get("SELECT 'e'").rows([])).toEqual([["e"]]);
  cache.get("SELECT 'a'");
  expect(texts().at(-1)).toBe("SELECT 'a'");
  cache.close();
});
