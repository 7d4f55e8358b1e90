import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { prepareDataDir } from "../../src/data-dir.ts";
import { eventually } from "../adapters/eventually.ts";
import { runCommand, spawnCommand } from "../support/command.ts";
import { type RunningServer, startServer, temporaryFolder } from "../support/server.ts";
import { createBackup } from "./club.ts";

// Each command and each backup is a process of its own.
setDefaultTimeout(30_000);

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

const OLD = ["documents", "guildhall.db", "guildhall.db-shm", "guildhall.db-wal", "secrets.json"];
const NEW = ["documents", "guildhall.db", "secrets.json"];

describe("a swap that is killed", () => {
  async function write(directory: string, names: readonly string[], content: string): Promise<void> {
    await mkdir(join(directory, "documents"), { recursive: true });
    for (const name of names) {
      await writeFile(join(directory, name === "documents" ? "documents/a.pdf" : name), content);
    }
  }
  async function contentsOf(directory: string, names: readonly string[]): Promise<string[]> {
    const paths = names.map((name) => (name === "documents" ? "documents/a.pdf" : name));
    return Promise.all(paths.map((path) => readFile(join(directory, path), "utf8")));
  }
  const secrets = (letter: string) =>
    JSON.stringify({ jwtSecret: letter.repeat(43), installationId: "01900000-0000-4000-8000-000000000000" });

  // The journal alone, then after each rename: five things aside, three in place.
  test.each([0, 1, 2, 3, 4, 5, 6, 7, 8])("after %i renames is finished by the next start", async (steps) => {
    const directory = join(folder.path, "data");
    const staged = join(directory, ".restoring-test");
    await write(directory, OLD, "old");
    await writeFile(join(directory, "secrets.json"), secrets("o"));
    await write(staged, NEW, "new");
    await writeFile(join(staged, "secrets.json"), secrets("n"));
    const child = Bun.spawn([
      process.execPath,
      join(import.meta.dir, "child-swap.ts"),
      directory,
      String(steps),
    ]);
    await child.exited;
    expect(child.signalCode).toBe("SIGKILL");

    // Several that start at once: one finishes it, and all see the same.
    const found = await Promise.all([1, 2, 3].map(() => prepareDataDir(directory)));
    expect(found.map(({ jwtSecret }) => jwtSecret[0])).toEqual(["n", "n", "n"]);
    expect(await contentsOf(directory, NEW)).toEqual(["new", "new", secrets("n")]);
    expect(await contentsOf(join(directory, "replaced-test"), OLD)).toEqual([
      "old",
      "old",
      "old",
      "old",
      secrets("o"),
    ]);
    expect((await readdir(directory)).toSorted()).toEqual(
      [".gitignore", ...NEW, "replaced-test", "restore.lock"].toSorted(),
    );
  });
});

test("a restore that is killed anywhere leaves the old or the new data, with which a server starts", async () => {
  const origin = join(folder.path, "origin");
  const send = async (server: RunningServer, name: string) => {
    const body = { username: name, email: `${name}@example.org`, password: "secret-1" };
    expect((await server.call("POST", "/users", { body })).status).toBe(201);
  };
  const first = await startServer({ dataDir: origin, args: ["--no-worker"] });
  await send(first, "kept");
  const { name } = await createBackup(origin);
  await send(first, "later");
  await first.stop();
  const usernames = (dataDir: string) => {
    const database = new Database(join(dataDir, "guildhall.db"), { readonly: true });
    try {
      return database.query("SELECT username FROM accounts ORDER BY id").values().flat();
    } finally {
      database.close();
    }
  };
  const [old, restored] = [["kept", "later"], ["kept"]];

  // When it is killed: as soon as one of these is there.
  const moments: readonly (readonly [moment: string, pattern: RegExp])[] = [
    ["the copy has begun", /^\.restoring-/],
    ["the database is copied", /^\.restoring-.*\/guildhall\.db$/],
    ["it is being settled", /^\.restoring-.*\/guildhall\.db-wal$/],
    ["the swap has begun", /^restoring\.json$/],
    ["something is aside", /^replaced-/],
    ["the database is aside", /^replaced-.*\/guildhall\.db$/],
  ];
  const left = new Set<string>();
  for (const [moment, pattern] of moments) {
    const dataDir = join(folder.path, moment.replaceAll(" ", "-"));
    await cp(origin, dataDir, { recursive: true });
    const child = spawnCommand(["backup", "restore", name, "--replace"], { dataDir });
    const deadline = performance.now() + 8_000;
    const seen = async () => (await readdir(dataDir, { recursive: true })).some((path) => pattern.test(path));
    while (!(await seen()) && child.exitCode === null && performance.now() < deadline);
    child.kill("SIGKILL");
    await child.exited;

    const server = await startServer({ dataDir, args: ["--no-worker"] });
    const isCutOff = server.output().includes(`The restore of ${name} was cut off, and is finished now:`);
    expect(await server.stop()).toBe(0);
    const found = usernames(dataDir);
    const [replaced] = (await readdir(dataDir)).filter((entry) => entry.startsWith("replaced-"));
    left.add(replaced === undefined ? "old" : "new");
    if (replaced === undefined) expect([moment, found, isCutOff]).toEqual([moment, old, false]);
    else expect([moment, found, usernames(join(dataDir, replaced))]).toEqual([moment, restored, old]);

    // What is left is no hindrance to another one.
    const again = await runCommand(["backup", "restore", name, "--replace"], { dataDir });
    expect([moment, again.code, again.err]).toEqual([moment, 0, ""]);
    expect(usernames(dataDir)).toEqual(restored);
    expect((await readdir(dataDir)).filter((entry) => entry.includes("restoring"))).toEqual([]);
  }
  expect([...left].toSorted()).toEqual(["new", "old"]);
});

test("another restore finishes first what was cut off, so that nothing is torn apart", async () => {
  const dataDir = join(folder.path, "data");
  const server = await startServer({ dataDir, args: ["--no-worker"] });
  const { name } = await createBackup(dataDir);
  await server.stop();
  const staged = join(dataDir, ".restoring-test");
  await cp(join(dataDir, "backups", name), staged, { recursive: true });
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "child-swap.ts"), dataDir, "2"]);
  await child.exited;
  const dry = await runCommand(["backup", "restore", name, "--replace", "--dry-run"], { dataDir });
  expect([dry.code, await readdir(staged)]).toEqual([0, expect.arrayContaining(["guildhall.db"])]);
  const again = await runCommand(["backup", "restore", name, "--replace"], { dataDir });
  expect([again.code, again.err]).toEqual([0, expect.stringContaining("was cut off, and is finished now:")]);
  const asides = (await readdir(dataDir)).filter((entry) => entry.startsWith("replaced-"));
  expect(asides).toHaveLength(2);
  for (const aside of asides) {
    expect(await readdir(join(dataDir, aside))).toEqual(
      expect.arrayContaining(["guildhall.db", "secrets.json"]),
    );
  }
});

test("a start while the swap goes on waits for it", async () => {
  const dataDir = join(folder.path, "data");
  await prepareDataDir(dataDir);
  await writeFile(
    join(dataDir, "restoring.json"),
    JSON.stringify({ backup: "x", staged: ".restoring-x", replaced: "replaced-x" }),
  );
  const lock = new Database(join(dataDir, "restore.lock"));
  lock.run("BEGIN EXCLUSIVE");
  let isReady = false;
  const start = prepareDataDir(dataDir).then(() => {
    isReady = true;
  });
  await Bun.sleep(120);
  expect(isReady).toBe(false);
  lock.close();
  await start;
  await eventually(async () => !(await readdir(dataDir)).includes("restoring.json"));
});
