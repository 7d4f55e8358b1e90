import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { sql } from "drizzle-orm";
import { migrate, openDatabase } from "../../db/open.ts";
import type { Made, Place } from "../../src/backups/make.ts";
import { makeBackup } from "../../src/backups/maker.ts";
import * as shelf from "../../src/backups/shelf.ts";
import { verify } from "../../src/backups/verify.ts";
import { lockBackups, prepareDataDir } from "../../src/data-dir.ts";
import { eventually } from "../adapters/eventually.ts";
import { runCommand, spawnCommand } from "../support/command.ts";
import { childrenOf, temporaryFolder } from "../support/server.ts";

// Each command and each backup is a process of its own.
setDefaultTimeout(30_000);

const AT = Date.UTC(2026, 10, 21, 3, 50);

let folder: ReturnType<typeof temporaryFolder>;
let dataDir: string;
let place: Place;
const closing: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  folder = temporaryFolder();
  dataDir = join(folder.path, "data");
  place = { dataDir, database: join(dataDir, "guildhall.db"), s3: null, kept: { daily: 7 } };
  closing.push(() => folder.remove());
  await newData(dataDir);
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** A DATA_DIR with a database of so many megabytes, and nothing running. */
async function newData(directory: string, megabytes = 0): Promise<void> {
  await prepareDataDir(directory);
  const db = await openDatabase(pathToFileURL(join(directory, "guildhall.db")).href);
  await migrate(db);
  await db.close();
  if (megabytes === 0) return;
  const database = new Database(join(directory, "guildhall.db"));
  database.run(`INSERT INTO roles (name, permissions)
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${megabytes})
    SELECT 'filling' || hex(randomblob(8)), hex(randomblob(500000)) FROM n`);
  database.close();
}

const daily = (at: number): Promise<Made> => makeBackup(place, "daily", { at });
const entries = (): Promise<string[]> => readdir(join(dataDir, "backups"));
const pathOf = (name: string): string => join(dataDir, "backups", name);

function names(path: string): string[] {
  const database = new Database(path, { readonly: true });
  try {
    return database
      .query<{ name: string }, []>("SELECT name FROM roles WHERE name LIKE 'batch%'")
      .all()
      .map(({ name }) => name);
  } finally {
    database.close();
  }
}

describe("while others write", () => {
  test("each batch is in it whole or not at all, and all that was answered before it began is", async () => {
    const writer = Bun.spawn([process.execPath, join(import.meta.dir, "child-batches.ts"), place.database], {
      stdout: "pipe",
      stderr: "inherit",
    });
    closing.push(async () => {
      writer.kill("SIGKILL");
      await writer.exited;
    });
    let printed = "";
    const reading = (async () => {
      for await (const chunk of writer.stdout) printed += Buffer.from(chunk).toString();
    })();
    const answered = () => printed.split("\n").slice(0, -1);
    await eventually(() => answered().length > 500);
    for (let round = 0; round < 3; round++) {
      const before = answered();
      const { name } = await daily(AT + round * 1_000);
      const after = answered().length;
      expect(after).toBeGreaterThan(before.length);
      const found = names(join(pathOf(name), "guildhall.db"));
      const rowsOf = Map.groupBy(found, (row) => row.split("-")[0] ?? "");
      expect([...rowsOf.values()].filter((rows) => rows.length !== 10)).toEqual([]);
      expect(before.filter((batch) => !rowsOf.has(`batch${batch}`))).toEqual([]);
      expect((await verify(pathOf(name))).problems).toEqual([]);
    }
    writer.kill("SIGKILL");
    await reading;
  });
});

test("what the log grew by while somebody read is given back to the disk", async () => {
  const db = await openDatabase(pathToFileURL(place.database).href);
  const size = async () => (await stat(`${place.database}-wal`)).size;
  const write = () =>
    db.run(sql`INSERT INTO roles (name, permissions) VALUES (hex(randomblob(8)), zeroblob(4000000))`);
  const reader = new Database(place.database, { readonly: true });
  reader.run("BEGIN");
  reader.query("SELECT count(*) FROM roles").get();
  for (let row = 0; row < 8; row++) await write();
  expect(await size()).toBeGreaterThan(32_000_000);
  reader.close();
  await daily(AT);
  await write();
  await write();
  expect(await size()).toBeLessThan(17_000_000);
  await db.close();
});

describe("one at a time", () => {
  test("the second says so", async () => {
    const first = lockBackups(dataDir);
    const refused = await runCommand(["backup", "create"], { dataDir });
    expect([refused.code, refused.err]).toEqual([1, `Another backup of ${dataDir} is being made.\n`]);
    expect(existsSync(join(dataDir, "backups"))).toBe(false);
    const database = new Database(place.database, { readonly: true });
    expect(
      database.query("SELECT count(*) FROM audit_entries WHERE action = 'backup.failed'").values(),
    ).toEqual([[0]]);
    database.close();
    first?.release();
    expect((await runCommand(["backup", "create"], { dataDir })).code).toBe(0);
  });

  test("two in one second have two names", async () => {
    expect([(await daily(AT)).name, (await daily(AT)).name]).toEqual([
      "daily-20261121T035000Z",
      "daily-20261121T035001Z",
    ]);
  });
});

describe("a process that is killed", () => {
  test("leaves nothing that is listed, and what it left is removed by the next one", async () => {
    await newData(dataDir, 60);
    const before = await daily(AT);
    const child = spawnCommand(["backup", "create"], { dataDir });
    const temporary = async () => (await entries()).filter((name) => name.startsWith("."));
    await eventually(async () => (await temporary()).length > 0);
    const makers = await childrenOf(child.pid);
    for (const pid of [child.pid, ...makers]) process.kill(pid, "SIGKILL");
    await child.exited;
    expect(makers).toHaveLength(1);
    expect(await temporary()).toHaveLength(1);
    expect((await shelf.list(dataDir)).map(({ name, problem }) => [name, problem])).toEqual([
      [before.name, null],
    ]);
    const next = await daily(AT + 1_000);
    expect(await entries()).toEqual([before.name, next.name]);
    expect((await verify(pathOf(next.name))).problems).toEqual([]);
  });

  test("whose parent is killed ends by itself, and the lock is free again", async () => {
    await newData(dataDir, 60);
    const child = spawnCommand(["backup", "create"], { dataDir });
    await eventually(async () => (await entries().catch(() => [])).length > 0);
    const [maker = 0] = await childrenOf(child.pid);
    child.kill("SIGKILL");
    await eventually(() => !isAlive(maker), 10_000);
    expect((await shelf.list(dataDir)).filter(({ problem }) => problem !== null)).toEqual([]);
    await daily(AT);
    expect((await entries()).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("because it is broken off leaves nothing", async () => {
    await newData(dataDir, 60);
    const ending = new AbortController();
    const broken = makeBackup(place, "daily", { at: AT, signal: ending.signal });
    broken.catch(() => {});
    await eventually(async () => (await entries().catch(() => [])).length > 0);
    ending.abort();
    expect(broken).rejects.toThrow("The backup was broken off.");
    await broken.catch(() => {});
    expect(await entries()).toEqual([]);
  });

  test("because it takes too long leaves nothing", async () => {
    await newData(dataDir, 60);
    const slow = makeBackup(place, "daily", { at: AT, timeLimitMs: 150 });
    expect(slow).rejects.toThrow("The backup took longer than");
    await slow.catch(() => {});
    expect(await entries().catch(() => [])).toEqual([]);
  });
});

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe("documents", () => {
  const KEYS = ["stats-a.pdf", "stats-b.pdf", "stats-c.pdf"];
  beforeEach(async () => {
    const database = new Database(place.database);
    database.run(
      "INSERT INTO accounts (id, uuid, username, username_key, email, email_key, origin, created_at, updated_at) VALUES (1, 'u', 'u', 'u', 'u', 'u', 'stats', 0, 0)",
    );
    await mkdir(join(dataDir, "documents"));
    for (const key of KEYS) {
      await writeFile(join(dataDir, "documents", key), key);
      database.run(
        `INSERT INTO report_tasks (id, kind, subject_id, requested_by, status, due_at, document_bytes, document_sha256, created_at)
        VALUES (?, 'stats', 1, 1, 'DONE', 0, ?, ?, 0)`,
        [key.slice(6, 7), key.length, new Bun.CryptoHasher("sha256").update(key).digest("hex")],
      );
    }
    database.close();
    await writeFile(join(dataDir, "documents", "stats-of-nobody.pdf"), "left");
  });

  test("that are missing or other than known are told and do not stop it", async () => {
    await unlink(join(dataDir, "documents", "stats-a.pdf"));
    await writeFile(join(dataDir, "documents", "stats-b.pdf"), "other");
    const made = await daily(AT);
    expect(made).toMatchObject({ documents: 2, missing: ["stats-a.pdf"], altered: ["stats-b.pdf"] });
    expect(await readdir(join(pathOf(made.name), "documents"))).toEqual(["stats-b.pdf", "stats-c.pdf"]);
    expect(await verify(pathOf(made.name))).toMatchObject({
      problems: [],
      notes: [
        "Already missing when it was made: stats-a.pdf.",
        "Already other than recorded when it was made: stats-b.pdf.",
      ],
    });
  });

  test("that a backup lacks, though its database names them, are found", async () => {
    const made = await daily(AT);
    await rm(join(pathOf(made.name), "documents", "stats-c.pdf"));
    expect((await verify(pathOf(made.name))).problems).toEqual([
      expect.stringContaining("documents/stats-c.pdf cannot be read"),
    ]);
    const [listed] = await shelf.list(dataDir);
    expect(listed?.problem).toBe("documents/stats-c.pdf is missing.");
  });

  test("on another file system are copied once, and linked from the backup before", async () => {
    if (!(await mountTmpfs(join(dataDir, "documents"), "8m"))) return;
    for (const key of KEYS) await writeFile(join(dataDir, "documents", key), key);
    const inodes = async ({ name }: Made) => {
      const found = await Promise.all(KEYS.map((key) => stat(join(pathOf(name), "documents", key))));
      return found.map(({ ino, nlink }) => [ino, nlink]);
    };
    const first = await daily(AT);
    expect((await inodes(first)).map(([, links]) => links)).toEqual([1, 1, 1]);
    const second = await daily(AT + 1_000);
    expect(await inodes(second)).toEqual(await inodes(first));
    expect((await verify(pathOf(second.name))).problems).toEqual([]);

    // Damage is not handed on.
    await writeFile(join(pathOf(second.name), "documents", "stats-a.pdf"), "stats-A.pdf");
    const third = await daily(AT + 2_000);
    expect((await inodes(third)).map(([, links]) => links)).toEqual([1, 3, 3]);
    expect((await verify(pathOf(third.name))).problems).toEqual([]);
  });
});

/** False where we may not mount, which is said. */
async function mountTmpfs(path: string, size: string): Promise<boolean> {
  await mkdir(path, { recursive: true });
  const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", `size=${size},mode=700`, "tmpfs", path]);
  if (mounted.exitCode !== 0) {
    console.log("skipped: a test that mounts a small file system, which only root may do");
    return false;
  }
  closing.push(async () => Bun.spawnSync(["umount", "--lazy", path]));
  return true;
}

describe("a disk that is full", () => {
  test("is noticed before anything is written, or when it is; what was there stays", async () => {
    const small = join(folder.path, "small");
    if (!(await mountTmpfs(small, "64m"))) return;
    await newData(small, 12);
    const options = { dataDir: small };
    const [good, list] = [
      await runCommand(["backup", "create"], options),
      () => runCommand(["backup", "list"], options),
    ];
    expect([good.code, good.err]).toEqual([0, ""]);
    const before = await list();

    await newData(small, 12);
    const early = await runCommand(["backup", "create"], options);
    expect([early.code, early.err]).toEqual([
      1,
      expect.stringMatching(/^The disk of \S+ has [\d.]+ MB left, and [\d.]+ MB are needed\.\n$/),
    ]);
    expect(await list()).toEqual(before);

    // Nobody knows before whether documents can be linked. These are on another file system, and too large.
    await unlink(join(small, "guildhall.db"));
    await newData(small, 4);
    const database = new Database(join(small, "guildhall.db"));
    database.run(
      "INSERT INTO accounts (id, uuid, username, username_key, email, email_key, origin, created_at, updated_at, avatar_key) VALUES (1, 'u', 'u', 'u', 'u', 'u', 'stats', 0, 0, 'avatar-1.png')",
    );
    database.close();
    const documents = join(folder.path, "elsewhere");
    await mkdir(documents);
    await writeFile(join(documents, "avatar-1.png"), new Uint8Array(60_000_000));
    Bun.spawnSync(["ln", "-s", documents, join(small, "documents")]);
    const late = await runCommand(["backup", "create"], options);
    expect([late.code, late.err]).toEqual([
      1,
      `The backup could not be written: the disk of ${small} is full.\n`,
    ]);
    expect(await list()).toEqual(before);
    expect((await readdir(join(small, "backups"))).filter((name) => name.startsWith("."))).toEqual([]);
    expect((await runCommand(["backup", "verify", "--all"], options)).code).toBe(0);

    const name = before.out.split("\t")[0] ?? "";
    const data = await readFile(join(small, "guildhall.db"));
    await unlink(join(small, "documents"));
    await writeFile(join(small, "filling"), new Uint8Array(30_000_000));
    const restored = await runCommand(["backup", "restore", name, "--replace"], options);
    expect([restored.code, restored.err]).toEqual([1, expect.stringMatching(/^The disk of \S+ has /)]);
    expect(await readFile(join(small, "guildhall.db"))).toEqual(data);
    expect((await readdir(small)).filter((entry) => /restor|replaced/.test(entry)).sort()).toEqual([]);
  });
});
