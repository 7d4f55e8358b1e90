import { describe, expect, test } from "bun:test";
import { dirname, join, normalize, relative } from "node:path";

const ROOT = join(import.meta.dir, "..");
const files = [...new Bun.Glob("{db,src,worker}/**/*.{ts,tsx}").scanSync(ROOT)]
  .filter((file) => !file.endsWith(".d.ts"))
  .sort();

/** The files of ours that this one imports, types included, as paths from the root. */
async function importsOf(file: string): Promise<string[]> {
  const source = await Bun.file(join(ROOT, file)).text();
  const found = new Set<string>();
  for (const [, path = ""] of source.matchAll(/\b(?:from|import) "(\.[^"]+)"/g)) found.add(path);
  for (const [, path = ""] of source.matchAll(/\bimport\(\s*"(\.[^"]+)"/g)) found.add(path);
  return [...found].map((path) => relative(ROOT, normalize(join(ROOT, dirname(file), path))));
}

/** For each place, the places that it may import; its own folder is always allowed. First match counts. */
const RULES: readonly (readonly [place: RegExp, allowed: readonly RegExp[]])[] = [
  [/^db\//, [/^db\//]],
  [/^src\/domain\//, [/^src\/domain\//, /^db\/(open|prepare|schema)\.ts$/, /^src\/log\.ts$/]],
  // The browser app is bundled from its path: nothing of the server's imports it, nor it the server.
  [/^src\/web\//, [/^src\/web\//]],
  [/^src\/http\//, [/^src\/http\//, /^src\/domain\//, /^src\/log\.ts$/, /^db\/open\.ts$/]],
  [/^src\/adapters\/(queue|bus)\//, [/^src\/domain\//, /^src\/log\.ts$/, /^src\/adapters\/rabbitmq\//]],
  [/^src\/adapters\/(documents|mail)\//, [/^src\/domain\//, /^src\/log\.ts$/, /^src\/adapters\/folder\//]],
  [/^src\/adapters\/(\w+)\//, [/^src\/domain\//, /^src\/log\.ts$/]],
  [/^src\/apis\/[\w-]+\.ts$/, [/^src\/http\//, /^src\/domain\//, /^src\/log\.ts$/]],
  [/^src\/apis\/(\w+)\//, [/^src\/http\//, /^src\/domain\//, /^src\/log\.ts$/, /^src\/apis\/[\w-]+\.ts$/]],
  [/^src\/(app|openapi)\.ts$/, [/^src\//]],
  [/^src\/compose\.ts$/, [/^src\//, /^db\/open\.ts$/]],
  [/^src\/version\.ts$/, [/^package\.json$/]],
  [/^src\/config\.ts$/, [/^src\/http\/(address|rate-limit)\.ts$/, /^db\/url\.ts$/]],
  [/^src\/(log|run|own-program)\.ts$/, []],
  [/^src\/derived-keys\.ts$/, [/^src\/(config|data-dir|domain\/core)\.ts$/]],
  // The one folder that knows both what is stored and the files that it is stored in.
  [
    /^src\/backups\//,
    [/^src\/domain\//, /^src\/(data-dir|log|own-program|run|version)\.ts$/, /^db\/(open|url)\.ts$/],
  ],
  [/^src\/data-dir\.ts$/, [/^src\/backups\/swap\.ts$/]],
  [/^src\/(main\.ts|commands\/)/, [/^src\//, /^worker\//, /^NOTICE(-PACKAGES)?\.md$/]],
  [/^worker\/pdf\//, [/^worker\/pdf\//, /^src\/domain\/report\.ts$/]],
  [
    /^worker\/(main|run)\.ts$/,
    [/^worker\//, /^src\/(compose|config|data-dir|log|run)\.ts$/, /^src\/commands\/stop\.ts$/],
  ],
  [/^worker\/standing\.ts$/, [/^src\/(domain\/|run\.ts)/, /^src\/http\/(health|metrics)\.ts$/]],
  [/^worker\//, [/^worker\//, /^src\/domain\//, /^src\/(log|own-program)\.ts$/]],
];

/** The same folder of an API or a port: `src/apis/stats/` may not import `src/apis/players/`. */
const ownFolder = (file: string): string => `${dirname(file)}/`;

describe("who may import whom", () => {
  test.each(files)("%s", async (file) => {
    const rule = RULES.find(([place]) => place.test(file));
    if (rule === undefined) throw new Error(`no rule says what ${file} may import`);
    const forbidden = (await importsOf(file)).filter(
      (path) => !path.startsWith(ownFolder(file)) && !rule[1].some((allowed) => allowed.test(path)),
    );
    expect(forbidden).toEqual([]);
  });

  test("the test sees imports of values, of types, and those that are awaited", async () => {
    expect(await importsOf("src/compose.ts")).toContain("src/adapters/documents/s3.ts");
    expect(await importsOf("src/domain/core.ts")).toContain("db/open.ts");
    expect(await importsOf("src/domain/core.ts")).toContain("src/domain/tokens.ts");
  });
});

test("nothing of the server's imports the browser app", async () => {
  const importing = await Promise.all(
    files
      .filter((file) => !file.startsWith("src/web/"))
      .map(async (file) =>
        (await importsOf(file)).some((path) => path.startsWith("src/web/")) ? [file] : [],
      ),
  );
  expect(importing.flat()).toEqual([]);
});

describe("what is done in one place only", () => {
  async function filesWith(pattern: RegExp): Promise<string[]> {
    const matches = await Promise.all(
      files.map(async (file) => (pattern.test(await Bun.file(join(ROOT, file)).text()) ? [file] : [])),
    );
    return matches.flat();
  }

  test("the environment is read in config.ts alone", async () => {
    expect(await filesWith(/process\.env|Bun\.env|import\.meta\.env/)).toEqual(["src/config.ts"]);
  });

  test("the domain knows no HTTP", async () => {
    const files = await filesWith(/from "hono|\bResponse\b|\bHeaders\b|\bstatusCode\b/);
    expect(files.filter((file) => file.startsWith("src/domain/"))).toEqual([]);
  });

  test("adapters are chosen in compose.ts alone", async () => {
    const importing = await Promise.all(
      files.map(async (file) =>
        (await importsOf(file)).some((path) => path.startsWith("src/adapters/")) ? [file] : [],
      ),
    );
    expect(importing.flat().filter((file) => !file.startsWith("src/adapters/"))).toEqual(["src/compose.ts"]);
  });
});
