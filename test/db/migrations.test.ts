import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { cp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { MIGRATIONS, migrate } from "../../db/migrate.ts";
import type { Db } from "../../db/open.ts";
import { roles } from "../../db/schema.ts";
import { TOKEN, thrownBy, type Workshop, workshop } from "./databases.ts";

const ROOT = join(import.meta.dir, "../..");
const LOCK = join(ROOT, "test/db/child-lock.ts");
const FOLDER = join(ROOT, "db/migrations");

let shop: Workshop;
beforeEach(async () => {
  shop = await workshop();
});
afterEach(() => shop.close());

test("every file of the folder is in the list, in its order and as it is", async () => {
  const files = (await readdir(FOLDER)).filter((name) => name.endsWith(".sql")).toSorted();
  expect(MIGRATIONS.map(({ name }) => `${name}.sql`)).toEqual(files);
  for (const { name, sql: text } of MIGRATIONS) {
    expect(text).toBe(await Bun.file(join(FOLDER, `${name}.sql`)).text());
  }
});

test("they make the tables of the schema: drizzle-kit has nothing to add", async () => {
  const out = join(shop.path, "../migrations");
  await cp(FOLDER, out, { recursive: true });
  const before = await readdir(out);
  const kit = ["--bun", "node_modules/.bin/drizzle-kit", "generate", "--dialect=sqlite"];
  const relative = join("../".repeat(ROOT.split("/").length - 1), out);
  const run = Bun.spawnSync([process.execPath, ...kit, "--schema=./db/schema.ts", `--out=${relative}`], {
    cwd: ROOT,
  });
  expect(run.stdout.toString() + run.stderr.toString()).toContain("No schema changes");
  expect(await readdir(out)).toEqual(before);
});

test("an executable carries them", async () => {
  const entry = join(shop.path, "../entry.ts");
  const executable = join(shop.path, "../program");
  await Bun.write(
    entry,
    `import { openDatabase, migrate } from ${JSON.stringify(join(ROOT, "db/open.ts"))};
     console.log(await migrate(await openDatabase(":memory:")));`,
  );
  const built = Bun.spawnSync([process.execPath, "build", "--compile", entry, "--outfile", executable], {
    cwd: ROOT,
  });
  expect(built.exitCode).toBe(0);
  const run = Bun.spawnSync([executable], { cwd: join(shop.path, "..") });
  expect(run.stdout.toString()).toContain(MIGRATIONS[0]?.name ?? "none");
});

const DATABASES: Record<string, () => Promise<() => Promise<Db>>> = {
  file: async () => () => shop.open(undefined, { limits: { busyDeadlineMs: 300 } }),
  remote: async () => {
    const { url } = await shop.server();
    return () => shop.open(url, { authToken: TOKEN });
  },
};

describe.each(Object.entries(DATABASES))("on a %s database", (_name, prepare) => {
  test("programs that start together apply each migration once", async () => {
    const open = await prepare();
    const programs = await Promise.all([open(), open(), open(), open()]);
    const applied = await Promise.all(programs.map((db) => migrate(db)));
    // Which of them applies which is up to chance.
    const names = MIGRATIONS.map(({ name }) => name);
    expect(applied.flat().toSorted()).toEqual(names);
    const [db] = programs;
    expect(await db?.values(sql`SELECT name FROM schema_migrations ORDER BY rowid`)).toEqual(
      names.map((name) => [name]),
    );
    expect((await db?.select().from(roles))?.map((role) => role.name)).toEqual(["admin", "moderator"]);
    expect(await migrate(await open())).toEqual([]);
  });

  test("a program that starts while another changes the database waits for it", async () => {
    const open = await prepare();
    const db = await open();
    await migrate(db, MIGRATIONS.slice(0, 1));
    const changing = shop.child([LOCK, shop.path, "1200"]);
    await changing.stdout.getReader().read();
    let waits = 0;
    expect(await migrate(db, MIGRATIONS, () => waits++)).toEqual(MIGRATIONS.slice(1).map(({ name }) => name));
    expect([waits, await changing.exited]).toEqual([1, 0]);
  });

  test("a migration that fails leaves nothing, and can be tried again", async () => {
    const db = await (await prepare())();
    const broken = { name: "0001_broken", sql: "CREATE TABLE half (a);--> statement-breakpoint\nNONSENSE" };
    await thrownBy(migrate(db, [...MIGRATIONS, broken]));
    expect(await db.all(sql`SELECT 1 FROM sqlite_schema WHERE name = 'half'`)).toEqual([]);
    const mended = {
      ...broken,
      sql: "CREATE TABLE half (a);--> statement-breakpoint\nCREATE TABLE other (b)",
    };
    expect(await migrate(db, [...MIGRATIONS, mended])).toEqual(["0001_broken"]);
  });

  test("a database of a newer program is refused with a sentence", async () => {
    const db = await (await prepare())();
    await migrate(db, [...MIGRATIONS, { name: "0001_later", sql: "CREATE TABLE later (a)" }]);
    expect(String(await thrownBy(migrate(db)))).toContain(
      "the migration 0001_later, which this program does not know",
    );
  });
});
