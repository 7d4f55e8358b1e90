import { afterEach, beforeEach, expect, test } from "bun:test";
import type { Core } from "../src/domain/core.ts";
import { readTogether } from "../src/domain/read-together.ts";
import { startTestApp, type TestApp } from "./support/app.ts";

const MAX_RUNNING = 4;

type Read = { readonly keys: readonly string[] } & PromiseWithResolvers<ReadonlyMap<string, string>>;

let app: TestApp;
let core: Core;
/** What was asked of the database, in this order. */
let reads: Read[];
const find = readTogether<string>((_core, keys) => {
  const read = { keys, ...Promise.withResolvers<ReadonlyMap<string, string>>() };
  reads.push(read);
  return read.promise;
});

beforeEach(async () => {
  app = await startTestApp();
  ({ core } = app);
  reads = [];
});
afterEach(() => app.close());

const turn = () => new Promise((resolve) => setImmediate(resolve));
const answer = (read: Read | undefined, value: string) =>
  read?.resolve(new Map(read.keys.filter((key) => key !== "none").map((key) => [key, value])));

test("who asks in one turn shares a read, and each is told of its own row", async () => {
  const asked = [find(core, "a"), find(core, "b"), find(core, "a"), find(core, "none")];
  await turn();
  expect(reads.map(({ keys }) => keys)).toEqual([["a", "b", "none"]]);
  answer(reads[0], "row");
  expect(await Promise.all(asked)).toEqual(["row", "row", "row", null]);
});

test("who asks while a read is under way is not told what it finds, but what a later one does", async () => {
  const early = find(core, "a");
  await turn();
  const late = find(core, "a");
  await turn();
  expect(reads).toHaveLength(2);
  answer(reads[0], "before");
  answer(reads[1], "after");
  expect([await early, await late]).toEqual(["before", "after"]);
});

test("while so many reads are under way the others wait, and then share one", async () => {
  const asked: Promise<string | null>[] = [];
  for (let count = 0; count < MAX_RUNNING + 3; count++) {
    asked.push(find(core, `key ${count}`));
    await turn();
  }
  expect(reads).toHaveLength(MAX_RUNNING);
  answer(reads[0], "row");
  await asked[0];
  await turn();
  await turn();
  expect(reads.slice(MAX_RUNNING).map(({ keys }) => keys)).toEqual([["key 4", "key 5", "key 6"]]);
  for (const read of reads) answer(read, "row");
  expect(await Promise.all(asked)).toEqual(asked.map(() => "row"));
});

test("a read that fails fails for those who share it, and for nobody after them", async () => {
  const asked = [find(core, "a"), find(core, "b")].map((found) =>
    found.catch((error: Error) => error.message),
  );
  await turn();
  reads[0]?.reject(new Error("no database"));
  expect(await Promise.all(asked)).toEqual(["no database", "no database"]);
  const next = find(core, "a");
  await turn();
  answer(reads[1], "row");
  expect(await next).toBe("row");
});
