import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { sql } from "drizzle-orm";
import { MIGRATIONS, migrate } from "../../db/migrate.ts";
import { openDatabase } from "../../db/open.ts";
import * as shelf from "../../src/backups/shelf.ts";
import { prepareDataDir } from "../../src/data-dir.ts";
import { runCommand } from "../support/command.ts";
import { type RunningProcess, startServer, startWorker, temporaryFolder } from "../support/server.ts";

// Each command and each backup is a process of its own.
setDefaultTimeout(30_000);

const NAMES = MIGRATIONS.map(({ name }) => name);
const OLD = NAMES.slice(0, 2);

let folder: ReturnType<typeof temporaryFolder>;
let dataDir: string;

beforeEach(async () => {
  folder = temporaryFolder();
  dataDir = join(folder.path, "data");
  await prepareDataDir(dataDir);
});
afterEach(() => folder.remove());

/** As an older program left it. */
async function oldDatabase(): Promise<void> {
  const db = await openDatabase(pathToFileURL(join(dataDir, "guildhall.db")).href);
  await migrate(db, MIGRATIONS.slice(0, OLD.length));
  await db.run(sql`INSERT INTO roles (name, permissions) VALUES ('from before', '[]')`);
  await db.close();
}

const values = (statement: string): unknown[] => {
  const database = new Database(join(dataDir, "guildhall.db"), { readonly: true });
  try {
    return database.query(statement).values().flat();
  } finally {
    database.close();
  }
};
const applied = () => values("SELECT name FROM schema_migrations ORDER BY id");

test("whoever migrates a database with data makes a backup of it first, which can be restored and migrated", async () => {
  await oldDatabase();
  const done = await runCommand(["migrate"], { dataDir });
  expect([done.code, done.err]).toEqual([0, ""]);
  const [made, ...more] = await shelf.list(dataDir);
  expect(more).toEqual([]);
  expect(made).toMatchObject({ kind: "before-migration", problem: null, manifest: { migrations: OLD } });
  expect(applied()).toEqual(NAMES);
  expect(values("SELECT details ->> 'name' FROM audit_entries WHERE action = 'backup.created'")).toEqual([
    made?.name,
  ]);

  // Nothing to do the second time.
  expect((await runCommand(["migrate"], { dataDir })).code).toBe(0);
  expect(await shelf.list(dataDir)).toHaveLength(1);

  const back = await runCommand(["backup", "restore", made?.name ?? "", "--replace"], { dataDir });
  expect([back.code, back.err]).toEqual([0, ""]);
  expect(applied()).toEqual(OLD);
  expect(values("SELECT action FROM audit_entries")).toEqual(["backup.restored"]);
  const server = await startServer({ dataDir, args: ["--no-worker"] });
  expect(await server.stop()).toBe(0);
  expect(applied()).toEqual(NAMES);
  expect(values("SELECT name FROM roles WHERE name LIKE 'from%'")).toEqual(["from before"]);
});

test("where documents are in a bucket, that backup says so too", async () => {
  await oldDatabase();
  const env = { S3_BUCKET: "club", S3_ENDPOINT: "http://127.0.0.1:1", AMQP_URL: "amqp://127.0.0.1:1" };
  expect(await runCommand(["migrate"], { dataDir, env })).toMatchObject({ code: 0, err: "" });
  const [made] = await shelf.list(dataDir);
  expect(made?.manifest?.documents).toEqual({
    in: "s3",
    bucket: "club",
    endpoint: "http://127.0.0.1:1",
    objects: [],
  });
});

test("a new database has nothing to lose", async () => {
  expect((await runCommand(["migrate"], { dataDir })).code).toBe(0);
  expect(await shelf.list(dataDir)).toEqual([]);
});

test("a server and workers that start together make one backup, migrate once, and all come up", async () => {
  await oldDatabase();
  const options = { dataDir };
  const started: RunningProcess[] = await Promise.all([
    startServer({ ...options, args: ["--no-worker"] }),
    startWorker(options),
    startWorker(options),
  ]);
  for (const process of started) expect(await process.stop()).toBe(0);
  expect((await shelf.list(dataDir)).map(({ kind, problem }) => [kind, problem])).toEqual([
    ["before-migration", null],
  ]);
  expect(applied()).toEqual(NAMES);
  expect(values("SELECT count(*) FROM audit_entries WHERE action = 'backup.created'")).toEqual([1]);
});

test("when it cannot be made nothing is migrated, unless that is wanted", async () => {
  await oldDatabase();
  await writeFile(join(dataDir, "backups"), "in the way");
  for (const command of ["migrate", "serve", "worker"]) {
    const { code, err } = await runCommand([command], { dataDir, env: { PORT: "0" } });
    expect([command, code, err.split("\n").length]).toEqual([command, 1, 2]);
    expect(err).toStartWith(
      `The database is to be migrated (${NAMES.slice(OLD.length).join(", ")}), and no backup could be made before: `,
    );
    expect(err).toContain("BACKUP_BEFORE_MIGRATION=off");
  }
  expect(applied()).toEqual(OLD);
  const env = { BACKUP_BEFORE_MIGRATION: "off" };
  expect((await runCommand(["migrate"], { dataDir, env })).code).toBe(0);
  expect(applied()).toEqual(NAMES);
});

test("a migration that fails at each start does not push out what leads back", async () => {
  await oldDatabase();
  const database = new Database(join(dataDir, "guildhall.db"));
  database.run("CREATE TABLE task_totals (in_the_way integer)");
  database.close();
  for (let start = 0; start < 4; start++) expect((await runCommand(["migrate"], { dataDir })).code).toBe(1);
  const states = (await shelf.list(dataDir)).map(({ manifest }) => manifest?.migrations);
  expect(states).toEqual([OLD, NAMES.slice(0, 3)]);
});

test("the newest three are kept", async () => {
  const earlier = [1, 2, 3].map((day) => `before-migration-2025010${day}T000000Z`);
  for (const name of earlier) await mkdir(join(dataDir, "backups", name), { recursive: true });
  await oldDatabase();
  expect((await runCommand(["migrate"], { dataDir })).code).toBe(0);
  expect((await readdir(join(dataDir, "backups"))).toSorted()).toEqual([
    ...earlier.slice(1),
    expect.stringMatching(/^before-.*Z$/),
  ]);
});
