import { expect, test } from "bun:test";
import { createFairTurns, createTurnstile } from "../src/http/fair-turns.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test("a turnstile lets so many through in each turn, in their order", async () => {
  const pass = createTurnstile(2);
  const through: number[] = [];
  for (let person = 1; person <= 5; person++) void pass().then(() => through.push(person));
  const seen: number[][] = [];
  for (let turns = 0; turns < 4; turns++) {
    await turn();
    seen.push([...through]);
  }
  expect(seen).toEqual([
    [1, 2],
    [1, 2, 3, 4],
    [1, 2, 3, 4, 5],
    [1, 2, 3, 4, 5],
  ]);
  await pass();
});

test("a turnstile refuses who would make too many wait", async () => {
  const pass = createTurnstile(10_000);
  const waiting = Array.from({ length: 10_000 }, pass);
  expect(pass).toThrow("Too many people come at once");
  await Promise.all(waiting);
  await pass();
});

test("who asks after 5 ms of a turn waits for the next one", async () => {
  const takeTurn = createFairTurns();
  // A whole number: of most fractions, now + 5 - now is a little more or less than 5.
  const now = 1_000;
  expect([takeTurn(now), takeTurn(now + 5)]).toEqual([null, null]);
  let hasWaited = false;
  const waiting = takeTurn(now + 5.1)?.then(() => {
    hasWaited = true;
  });
  expect(waiting).toBeInstanceOf(Promise);
  await Promise.resolve();
  expect(hasWaited).toBe(false);
  await waiting;
  expect(takeTurn(now + 5.1)).toBeNull();
});
