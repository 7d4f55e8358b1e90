import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { asc, eq } from "drizzle-orm";
import pino from "pino";
import { type Db, migrate, openDatabase } from "../../db/open.ts";
import { accounts as accountsTable, auditEntries, mails as waitingMails } from "../../db/schema.ts";
import { smtpMailer } from "../../src/adapters/mail/smtp.ts";
import type { Place } from "../../src/backups/make.ts";
import { createSchedule, lastDue, type Schedule } from "../../src/backups/schedule.ts";
import { prepareDataDir } from "../../src/data-dir.ts";
import * as accounts from "../../src/domain/accounts.ts";
import * as backups from "../../src/domain/backups.ts";
import * as mails from "../../src/domain/mails.ts";
import * as roles from "../../src/domain/roles.ts";
import { eventually } from "../adapters/eventually.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { runCommand } from "../support/command.ts";
import { startHranaServer } from "../support/hrana-server.ts";
import { startServer, temporaryFolder } from "../support/server.ts";
import { startSmtp } from "../support/smtp.ts";

// Each command and each backup is a process of its own.
setDefaultTimeout(30_000);

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const AT_MINUTE = 3 * 60 + 50;
const DUE = Date.UTC(2026, 10, 21, 3, 50);

test.each([
  ["03:49:59", "2026-11-20T03:50:00.000Z"],
  ["03:50:00", "2026-11-21T03:50:00.000Z"],
  ["23:59:59", "2026-11-21T03:50:00.000Z"],
])("at %s one was last due at %s", (time, due) => {
  expect(new Date(lastDue(Date.parse(`2026-11-21T${time}Z`), AT_MINUTE)).toISOString()).toBe(due);
});

describe("the schedule", () => {
  let app: TestApp;
  let db: Db;
  let folder: ReturnType<typeof temporaryFolder>;
  let place: Place;
  let core: TestApp["core"];
  let schedule: Schedule | undefined;
  let now: number;
  const logged: string[] = [];
  const closing: (() => Promise<unknown>)[] = [];

  beforeEach(async () => {
    folder = temporaryFolder();
    now = DUE - HOUR;
    logged.length = 0;
    app = await startTestApp();
    await prepareDataDir(folder.path);
    const database = join(folder.path, "guildhall.db");
    db = await openDatabase(pathToFileURL(database).href);
    await migrate(db);
    const log = pino({ level: "info" }, { write: (line: string) => void logged.push(line) });
    core = { ...app.core, db, log, clock: () => now };
    place = { dataDir: folder.path, database, s3: null, kept: { daily: 7, "before-migration": 3 } };
  });
  afterEach(async () => {
    await schedule?.stop();
    schedule = undefined;
    for (const close of closing.splice(0).toReversed()) await close();
    await db.close();
    await app.close();
    await folder.remove();
  });

  const shelf = async () => (await readdir(join(folder.path, "backups")).catch(() => [])).toSorted();
  const begin = (): void => {
    schedule = createSchedule({ core, place, atMinute: AT_MINUTE, lookEveryMs: 5 });
    schedule.start();
  };
  const noted = async (action: string) =>
    (await db.select().from(auditEntries).orderBy(asc(auditEntries.id))).filter(
      (entry) => entry.action === action,
    );
  const stamp = (at: number) =>
    `daily-${new Date(at).toISOString().slice(0, 10).replaceAll("-", "")}T035000Z`;

  test("makes one a day and keeps seven; others are not its affair", async () => {
    const others = [1, 2, 3, 4].map((day) => `before-migration-2025010${day}T000000Z`);
    for (const name of [...others, "manual-20200101T000000Z"]) {
      await mkdir(join(folder.path, "backups", name), { recursive: true });
    }
    now = DUE;
    begin();
    for (let day = 0; day < 9; day++) {
      await eventually(async () => (await noted("backup.created")).length === day + 1);
      now += DAY;
    }
    await schedule?.stop();
    expect(await shelf()).toEqual([
      ...others.slice(1),
      ...[2, 3, 4, 5, 6, 7, 8].map((day) => stamp(DUE + day * DAY)),
      "manual-20200101T000000Z",
    ]);
    const [first] = await noted("backup.created");
    expect(first?.details).toEqual({ name: stamp(DUE), bytes: expect.any(Number), ms: expect.any(Number) });
  });

  test("makes up for one that was missed, and makes none before the next is due", async () => {
    begin();
    await eventually(async () => (await noted("backup.created")).length === 1);
    now = DUE - 1;
    await Bun.sleep(60);
    expect(await shelf()).toHaveLength(1);
    now = DUE;
    await eventually(async () => (await noted("backup.created")).length === 2);
    await schedule?.stop();
    // Two days without a server, and back in the evening.
    now = DUE + 2 * DAY + 15 * HOUR;
    begin();
    await eventually(async () => (await noted("backup.created")).length === 3);
    await Bun.sleep(60);
    expect(await shelf()).toEqual([
      "daily-20261121T025000Z",
      "daily-20261121T035000Z",
      "daily-20261123T185000Z",
    ]);
  });

  test("one from the future, when the clock was wrong, keeps none from being made", async () => {
    await mkdir(join(folder.path, "backups", "daily-20991121T000000Z"), { recursive: true });
    begin();
    await eventually(async () => (await noted("backup.created")).length === 1);
  });

  test("a failure is logged, recorded and mailed to every active administrator, in their language, once a day", async () => {
    const admin = async (username: string, language: string) => {
      const account = await accounts.register(core, {
        username,
        email: `${username}@example.org`,
        password: "Secret-123",
        origin: "shell",
      });
      await db.update(accountsTable).set({ language }).where(eq(accountsTable.id, account.id));
      await roles.grant(core, account, "admin");
      return account;
    };
    await admin("ann", "en");
    await admin("ivan", "ru");
    const gone = await admin("gone", "en");
    await accounts.deactivate(core, null, gone.id);
    await accounts.register(core, {
      username: "member",
      email: "member@example.org",
      password: "Secret-123",
      origin: "shell",
    });
    await db.delete(waitingMails);
    const smtp = await startSmtp();
    const mailer = smtpMailer({ url: smtp.url, from: "club@guildhall.test" });
    closing.push(smtp.stop, mailer.close);
    const sender = mails.createMailSender({ ...core, mailer });
    sender.start();
    core = { ...core, nudgeMails: () => sender.nudge() };
    // A file where the folder should be: nothing can be written there.
    await writeFile(join(folder.path, "backups"), "");
    begin();
    await eventually(() => smtp.mails.length === 2);
    expect(smtp.mails.map(({ to, subject }) => [...to, subject]).toSorted()).toEqual([
      ["ann@example.org", "The daily Guildhall backup failed"],
      ["ivan@example.org", "Ежедневная резервная копия Guildhall не создана"],
    ]);
    expect(smtp.mails[0]?.text).toContain("ENOTDIR");

    // It is tried again each hour, and told again the next day, whatever was told of others meanwhile.
    const failures = async () => (await noted("backup.failed")).map(({ details }) => details?.mailed);
    expect(await failures()).toEqual([2]);
    now += HOUR - 1;
    await Bun.sleep(40);
    expect(await failures()).toEqual([2]);
    now += 1;
    await eventually(async () => (await failures()).length === 2);
    now += DAY;
    await backups.recordFailed(core, { made: "manual", reason: "Nobody knows why" });
    await eventually(async () => (await failures()).length === 4);
    expect(await failures()).toEqual([2, 0, 2, 2]);
    await eventually(() => smtp.mails.length === 6);
    expect(logged.filter((line) => line.includes("no backup could be made"))).toHaveLength(3);

    await rm(join(folder.path, "backups"));
    now += HOUR;
    await eventually(async () => (await noted("backup.created")).length === 1);
    await sender.stop(1_000);
  });

  test("a stop breaks off the one being made, and is not told as a failure", async () => {
    await db.run(
      "CREATE TABLE filling AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60) SELECT hex(randomblob(500000)) AS x FROM n",
    );
    begin();
    await eventually(async () => (await shelf()).some((name) => name.startsWith(".")));
    await schedule?.stop();
    expect(await shelf()).toEqual([]);
    expect(await noted("backup.failed")).toEqual([]);
    await Bun.sleep(40);
    expect(await shelf()).toEqual([]);
  });
});

describe("serve", () => {
  const folder = temporaryFolder();
  afterEach(() => folder.remove());

  test("keeps the schedule off where the database is another server's, and says so", async () => {
    const remote = await startHranaServer(join(folder.path, "remote.db"));
    const dataDir = join(folder.path, "data");
    const env = { DATABASE_URL: remote.url, JWT_SECRET: "a secret of the tests that has 32 bytes or more" };
    const server = await startServer({ dataDir, env, args: ["--no-worker"] });
    try {
      await eventually(() =>
        server.output().includes("no backups are made here: the database server's own are used"),
      );
    } finally {
      await server.stop();
      await remote.close();
    }
  });
});

describe("one by hand that fails", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let dataDir: string;
  const run = (...args: readonly string[]) => runCommand(args, { dataDir, stdin: "Correct-Horse-1" });
  beforeEach(async () => {
    folder = temporaryFolder();
    dataDir = join(folder.path, "data");
    await run("user", "add", "ann@example.org", "--role", "admin", "--password-stdin");
  });
  afterEach(() => folder.remove());

  test("is told there, and mailed to the administrators by the server, once a day", async () => {
    await writeFile(join(dataDir, "backups"), "");
    for (const _time of [1, 2]) {
      expect(await run("backup", "create")).toEqual({
        code: 1,
        out: "",
        err: expect.stringContaining("EEXIST"),
      });
    }
    const database = new Database(join(dataDir, "guildhall.db"), { readonly: true });
    const mailed =
      "SELECT details ->> 'mailed' FROM audit_entries WHERE action = 'backup.failed' ORDER BY id";
    expect(database.query(mailed).values()).toEqual([[1], [0]]);
    database.close();

    const server = await startServer({ dataDir, args: ["--no-worker"], env: { BACKUP_AT: "off" } });
    try {
      const outbox = join(dataDir, "outbox");
      const sent = async () => {
        const names = (await readdir(outbox).catch(() => [])).filter((name) => name.endsWith(".eml"));
        const mails = await Promise.all(names.map((name) => readFile(join(outbox, name), "utf8")));
        return mails.filter((mail) => mail.includes("Subject: A Guildhall backup by hand failed"));
      };
      await eventually(async () => (await sent()).length > 0, 20_000);
      const [mail, ...more] = await sent();
      expect(more).toEqual([]);
      expect(mail).toContain("To: ann@example.org");
      expect(mail).toContain("EEXIST");
    } finally {
      await server.stop();
    }
  });

  test("is noted also where mails are not known yet, as of an older program", async () => {
    await writeFile(join(dataDir, "backups"), "");
    const database = new Database(join(dataDir, "guildhall.db"));
    database.run("DROP TABLE mails");
    expect((await run("backup", "create")).code).toBe(1);
    const noted =
      "SELECT details ->> 'made', details ->> 'mailed' FROM audit_entries WHERE action = 'backup.failed'";
    expect(database.query(noted).values()).toEqual([["manual", 0]]);
    database.close();
  });

  test("is told also where nothing can be noted about it", async () => {
    await writeFile(join(dataDir, "guildhall.db"), "no database at all ".repeat(100));
    for (const name of ["guildhall.db-wal", "guildhall.db-shm"])
      await rm(join(dataDir, name), { force: true });
    const { code, out, err } = await run("backup", "create");
    expect([code, out]).toEqual([1, ""]);
    expect(err).toBe("The backup could not be written: file is not a database.\n");
  });
});
