import { expect, test } from "bun:test";
import { join } from "node:path";
import { bundledPackages } from "../scripts/bundled.ts";

const ROOT = join(import.meta.dir, "..");

test("every package inside the executable has its licence in NOTICE-PACKAGES.md: else `bun run notices`", async () => {
  const notices = await Bun.file(join(ROOT, "NOTICE-PACKAGES.md")).text();
  const named = new Set([...notices.matchAll(/^## (.+)$/gm)].flatMap(([, names = ""]) => names.split(", ")));
  const packages = await bundledPackages();
  expect(packages.length).toBeGreaterThan(50);
  const wanted = [
    ...packages.map(({ name, version }) => `${name} ${version}`),
    `The runtime: Bun ${Bun.version}`,
  ];
  expect(wanted.filter((name) => !named.has(name))).toEqual([]);
});

test("what is bundled of the browser app's and of a package's own dependencies is seen too", async () => {
  const names = (await bundledPackages()).map(({ name }) => name);
  for (const name of [
    "preact",
    "dompurify",
    "marked",
    "zod",
    "wrappy",
    "swagger-ui-dist",
    "dejavu-fonts-ttf",
  ])
    expect(names).toContain(name);
});
