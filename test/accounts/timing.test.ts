import { afterEach, beforeEach, expect, test } from "bun:test";
import { argon2Passwords } from "../../src/adapters/passwords/argon2.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { member, PASSWORD } from "./people.ts";

// The real algorithm with less memory: 400 tries a round, and hashing still is nearly all of a request.
const MEMORY_KIB = 8_192;
const TRIES = 200;
const ROUNDS = 3;
const TOLERANCE = 0.05;
const LIMIT_MS = 120_000;

let app: TestApp;
beforeEach(async () => {
  app = await startTestApp();
  const core = app.core as { passwords: unknown };
  core.passwords = argon2Passwords({ memoryCost: MEMORY_KIB, timeCost: 2 });
});
afterEach(() => app.close());

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

async function timed(email: string): Promise<number> {
  const startedAt = performance.now();
  const body = { email, password: "Wrong-Password1" };
  const { status } = await app.call("POST", "/api/auth/login", { body });
  const ms = performance.now() - startedAt;
  expect(status).toBe(401);
  return ms;
}

/** How far apart the medians are, of the known address's. Interleaved, in turns who is first. */
async function difference(): Promise<number> {
  const known: number[] = [];
  const unknown: number[] = [];
  for (let time = 0; time < TRIES; time++) {
    const tries = [
      async () => known.push(await timed("known@example.com")),
      async () => unknown.push(await timed(`unknown${time}@example.com`)),
    ];
    for (const attempt of time % 2 === 0 ? tries : tries.reverse()) await attempt();
  }
  return Math.abs(median(known) - median(unknown)) / median(known);
}

test(
  "a sign-in takes as long for an unknown address as for a known one",
  async () => {
    await member(app, "known");
    await timed("known@example.com");
    await timed("unknown@example.com");
    let smallest = Number.POSITIVE_INFINITY;
    // A noisy machine gets another round; a real difference stays in all of them.
    for (let round = 0; round < ROUNDS && smallest > TOLERANCE; round++) {
      smallest = Math.min(smallest, await difference());
    }
    expect(smallest).toBeLessThanOrEqual(TOLERANCE);
  },
  LIMIT_MS,
);

test("an answer about a forgotten password waits for nothing that an unknown address does not need", async () => {
  await member(app, "known");
  const core = app.core as { nudgeMails: () => void };
  let mailed = 0;
  core.nudgeMails = () => {
    mailed += 1;
  };
  const gate = Promise.withResolvers<void>();
  const { batch } = app.core.db;
  const gated = async (...given: unknown[]) => {
    await gate.promise;
    return Reflect.apply(batch, app.core.db, given);
  };
  Object.assign(app.core.db, { batch: gated });
  const body = { email: "known@example.com" };
  const answer = await app.call("POST", "/api/auth/forgot-password", { body });
  expect([answer.status, mailed]).toEqual([200, 0]);
  gate.resolve();
  await Bun.sleep(30);
  expect(mailed).toBe(1);
});

test("the hash of nobody is compared with no password that is too long", async () => {
  await member(app, "known");
  const verified: (string | null)[] = [];
  const { passwords } = app.core;
  const { verify } = passwords;
  passwords.verify = (password, hash) => {
    verified.push(password);
    return verify(password, hash);
  };
  for (const password of ["x".repeat(129), PASSWORD]) {
    await app.call("POST", "/api/auth/login", { body: { email: "known@example.com", password } });
  }
  expect(verified).toEqual(["", PASSWORD]);
});
