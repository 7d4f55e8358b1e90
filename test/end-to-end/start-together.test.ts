import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { join } from "node:path";
import { MIGRATIONS } from "../../db/migrate.ts";
import { migrate, openDatabase } from "../../db/open.ts";
import { eventually } from "../adapters/eventually.ts";
import { type HranaServer, startHranaServer } from "../support/hrana-server.ts";
import { type RunningServer, startServer, temporaryFolder } from "../support/server.ts";

const SECRET = "the same secret on every node, of 32 bytes or more";
const TOKEN = "database token";
const LOCK = join(import.meta.dir, "../db/child-lock.ts");
const NAMES = MIGRATIONS.map(({ name }) => name);

let folder: ReturnType<typeof temporaryFolder>;
let file: string;
let database: HranaServer;
const nodes: RunningServer[] = [];

beforeEach(async () => {
  folder = temporaryFolder();
  file = join(folder.path, "remote.db");
  database = await startHranaServer(file, TOKEN);
});
afterEach(async () => {
  for (const node of nodes) node.kill("SIGKILL");
  await Promise.all(nodes.splice(0).map((node) => node.exited));
  await database.close();
  await folder.remove();
});

async function startNode(name: string): Promise<RunningServer> {
  const env = { DATABASE_URL: database.url, DATABASE_AUTH_TOKEN: TOKEN, JWT_SECRET: SECRET };
  const node = await startServer({ dataDir: join(folder.path, name), env, args: ["--no-worker"] });
  nodes.push(node);
  return node;
}

/** What each node says that it applied. */
const applied = (): string[] =>
  nodes.flatMap((node) =>
    node
      .output()
      .split("\n")
      .flatMap((line) =>
        line.includes("brought up to date") ? (JSON.parse(line).migrations as string[]) : [],
      ),
  );

async function expectMigratedOnce(wanted: readonly string[]): Promise<void> {
  await eventually(() => applied().length >= wanted.length);
  expect(applied().sort()).toEqual([...wanted]);
  const stored = new Database(file, { readonly: true });
  const rows = stored.query("SELECT name FROM schema_migrations ORDER BY id").values().flat();
  stored.close();
  expect(rows).toEqual(NAMES);
  for (const node of nodes) expect((await node.call("GET", "/users?limit=1")).status).toBe(200);
}

const startFour = () => Promise.all(["a", "b", "c", "d"].map(startNode));

test("four nodes that start together on an empty database all come up, each migration applied once", async () => {
  await startFour();
  await expectMigratedOnce(NAMES);
}, 120_000);

test("so they do on a database that lacks the newest migration", async () => {
  const older = await openDatabase(`file:${file}`);
  await migrate(older, MIGRATIONS.slice(0, -1));
  await older.close();
  await startFour();
  await expectMigratedOnce(NAMES.slice(-1));
}, 120_000);

test("a node that starts while another changes the database waits for it, and says so", async () => {
  const older = await openDatabase(`file:${file}`);
  await migrate(older, MIGRATIONS.slice(0, -1));
  await older.close();
  const changing = Bun.spawn([process.execPath, LOCK, file, "3000"], { stdout: "pipe", stderr: "inherit" });
  await changing.stdout.getReader().read();
  let isChanged = false;
  void changing.exited.then(() => {
    isChanged = true;
  });
  const node = await startNode("late");
  expect(isChanged).toBe(true);
  expect(node.output()).toContain("waiting for whoever changes the database");
  await expectMigratedOnce(NAMES.slice(-1));
}, 120_000);
