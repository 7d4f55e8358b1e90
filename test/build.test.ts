import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { version as released } from "../package.json";
import { taggedVersion } from "../scripts/tagged-version.ts";
import { runtimeOf, TARGETS } from "../scripts/targets.ts";
import { temporaryFolder } from "./support/server.ts";
import { requireTool } from "./support/tools.ts";

let folder: ReturnType<typeof temporaryFolder>;
beforeAll(() => {
  folder = temporaryFolder();
});
afterAll(() => folder.remove());

function git(...args: string[]): void {
  const who = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"];
  const { exitCode, stderr } = Bun.spawnSync(["git", ...who, ...args], { cwd: folder.path });
  if (exitCode !== 0) throw new Error(stderr.toString());
}

test.skipIf(!requireTool("git"))(
  "the version is the tag's, and says how far from it the source is",
  async () => {
    expect(await taggedVersion(folder.path)).toBe(released);
    git("init", "--quiet");
    git("commit", "--quiet", "--allow-empty", "--message=first");
    git("tag", "nightly");
    expect(await taggedVersion(folder.path)).toBe(released);
    git("tag", "v0.6.0");
    expect(await taggedVersion(folder.path)).toBe("0.6.0");
    git("commit", "--quiet", "--allow-empty", "--message=second");
    expect(await taggedVersion(folder.path)).toMatch(/^0\.6\.0-1-g[0-9a-f]{7,}$/);
  },
);

test("there is a runtime of this Bun's version, with its checksum, for every target", async () => {
  const runtimes = join(import.meta.dir, "../scripts/runtimes");
  const { dependencies } = await Bun.file(join(runtimes, "package.json")).json();
  const lock = await Bun.file(join(runtimes, "bun.lock")).text();
  for (const target of TARGETS) {
    const [, name = ""] = /node_modules\/(@oven\/bun-[\w-]+)\/bin\//.exec(runtimeOf(target)) ?? [];
    expect([target, dependencies[name]]).toEqual([target, Bun.version]);
    expect(lock).toMatch(new RegExp(`"${name}@${Bun.version}".*"sha512-[A-Za-z0-9+/]{86}=="`));
  }
  expect(Object.keys(dependencies)).toHaveLength(TARGETS.length);
});
