import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BREAKS, brokenTree } from "../bench/soak/broken-tree.ts";
import type { Result } from "../bench/soak/caller.ts";
import { type SoakOptions, soak } from "../bench/soak/run.ts";
import { createWrites } from "../bench/soak/writes.ts";

const SHORT: SoakOptions = { form: "embedded", seconds: 7, kills: 4, seed: 7, mistake: null };

// Beyond what the soak itself waits for, so that it tells what was not in time.
const SOAK_LIMIT_MS = 300_000;

describe("a short soak of the embedded form", () => {
  test(
    "is green",
    async () => {
      const { failed, text } = await soak(SHORT);
      if (failed.length > 0) console.log(text);
      expect(failed).toEqual([]);
      expect(text).toContain("killed, stopped, frozen  4, 1, 1");
    },
    SOAK_LIMIT_MS,
  );

  // The mistakes are put into a copy of the source.
  test.each([
    [
      "a task is acknowledged before its document is stored",
      "ack-before-store",
      "a task that is DONE has its document",
    ],
    ["a message is told before it is stored", "publish-before-commit", "whatever anybody was told is stored"],
  ])(
    "is red when %s",
    async (_what, mistake, check) => {
      const { failed, evidence } = await soak({ ...SHORT, mistake });
      if (evidence !== null) await rm(evidence, { recursive: true });
      expect(failed).toContain(check);
    },
    SOAK_LIMIT_MS,
  );
});

test.each(Object.keys(BREAKS))("the text that is broken by %s is in the source", async (name) => {
  const folder = await mkdtemp(join(tmpdir(), "guildhall-broken-"));
  try {
    expect(await brokenTree(name, folder)).toBe(join(folder, "tree"));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

describe("what may be read of a place after writes to it", () => {
  const HOUR_MS = 60 * 60_000;
  const answered = (status: number) => (): Result => ({
    kind: "answered",
    status,
    body: null,
    headers: new Headers(),
    invokedAt: 0,
    endedAt: performance.now(),
  });
  const unknown = (agoMs: number) => (): Result => ({
    kind: "unknown",
    why: "ECONNRESET",
    invokedAt: 0,
    endedAt: performance.now() - agoMs,
  });

  test.each<
    [string, readonly (readonly [value: string, result: (() => Result) | null])[], readonly string[]]
  >([
    ["nothing was written", [], ["first"]],
    ["an answered write", [["a", answered(200)]], ["a"]],
    ["a refused one", [["a", answered(409)]], ["first"]],
    ["one on its way", [["a", null]], ["first", "a"]],
    ["an unknown one", [["a", unknown(0)]], ["first", "a"]],
    // Whoever held it may have stood still, and do it now.
    [
      "one answered soon after an unknown one",
      [
        ["a", unknown(0)],
        ["b", answered(200)],
      ],
      ["a", "b"],
    ],
    [
      "one answered long after an unknown one",
      [
        ["a", unknown(HOUR_MS)],
        ["b", answered(200)],
      ],
      ["b"],
    ],
    [
      "an unknown one after an answered one",
      [
        ["a", answered(200)],
        ["b", unknown(0)],
      ],
      ["a", "b"],
    ],
  ])("%s", (_, written, possible) => {
    const writes = createWrites("first");
    for (const [value, result] of written) {
      const settle = writes.begin(value);
      if (result !== null) settle(result());
      const until = performance.now();
      while (performance.now() === until);
    }
    expect(writes.possible()).toEqual([...possible]);
  });
});
