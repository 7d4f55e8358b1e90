import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BREAKS, brokenTree } from "../bench/soak/broken-tree.ts";
import { type SoakOptions, soak } from "../bench/soak/run.ts";

const SHORT: SoakOptions = { form: "embedded", seconds: 7, kills: 4, seed: 7, mistake: null };

describe("a short soak of the embedded form", () => {
  test("is green", async () => {
    const { failed, text } = await soak(SHORT);
    if (failed.length > 0) console.log(text);
    expect(failed).toEqual([]);
    expect(text).toContain("killed, stopped, frozen  4, 1, 1");
  }, 60_000);

  // The mistake is put into a copy of the source.
  test("is red when a task is acknowledged before its document is stored", async () => {
    const { failed } = await soak({ ...SHORT, mistake: "ack-before-store" });
    expect(failed).toContain("a task that is DONE has its document");
  }, 60_000);
});

test.each(Object.keys(BREAKS))("the text that is broken by %s is in the source", async (name) => {
  const folder = await mkdtemp(join(tmpdir(), "guildhall-broken-"));
  try {
    expect(await brokenTree(name, folder)).toBe(join(folder, "tree"));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
