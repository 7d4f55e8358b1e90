import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, cp, lstat, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { lockWorker } from "../../src/data-dir.ts";
import { version } from "../../src/version.ts";
import { signIn } from "../support/chat.ts";
import { S3_CREDENTIALS, startS3 } from "../support/s3.ts";
import { type RunningServer, startServer, temporaryFolder } from "../support/server.ts";
import { download } from "../support/walk.ts";
import { accessToken, backup, type Club, createBackup, startClub } from "./club.ts";

// Each command is a process of its own.
setDefaultTimeout(30_000);

/** Everything below a folder with what would show a change. */
async function traces(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true });
  return Promise.all(
    found.toSorted().map(async (path) => {
      const { ino, size, mtimeMs, mode } = await lstat(join(folder, path));
      return `${path} ${ino} ${size} ${mtimeMs} ${mode}`;
    }),
  );
}

/** Everything that the club had when the backup was made is there, byte for byte, and nothing of what came after. */
async function expectRestored(server: RunningServer, club: Club): Promise<void> {
  const avatar = await fetch(server.url + club.avatarPath);
  expect([avatar.status, await avatar.bytes()]).toEqual([200, club.avatar]);
  // Who has no password comes back by the refresh token.
  expect(await download(server, await accessToken(server, club.refreshToken), club.taskId)).toEqual(
    club.document,
  );
  // Who has a password signs in again.
  const stale = await server.call("GET", "/ws/rooms", { headers: { Cookie: club.ann.cookie } });
  expect(stale.status).toBe(401);
  const ann = await signIn(server, club.ann.email);
  const { messages, epoch } = (await ann.call("GET", "/ws/rooms/1/messages")).body;
  expect(messages.map(({ content }: { content: string }) => content)).toEqual(["before the backup"]);
  expect(epoch).not.toBe(club.epoch);
  for (const [given, gap] of [
    [club.epoch, true],
    [epoch, false],
  ]) {
    const socket = await ann.join(1, { v1: true, query: { since: club.messageId, epoch: given } });
    expect((await socket.waitFor((frame) => frame.type === "welcome")).gap).toBe(gap);
    await socket.close();
  }
}

function rows(dataDir: string, sql: string): unknown[] {
  const database = new Database(join(dataDir, "guildhall.db"), { readonly: true });
  try {
    return database.query(sql).all();
  } finally {
    database.close();
  }
}

describe("with documents as files", () => {
  const folder = temporaryFolder();
  const dataDir = join(folder.path, "data");
  const empty = join(folder.path, "empty");
  let club: Club;
  let made: Awaited<ReturnType<typeof createBackup>>;
  let running: RunningServer | undefined;

  beforeAll(async () => {
    club = await startClub(dataDir);
    running = club.server;
    made = await createBackup(dataDir);
    await club.ann.call("POST", "/ws/rooms/1/messages", { content: "after the backup" });
  });
  afterAll(async () => {
    running?.kill("SIGKILL");
    await running?.exited;
    await folder.remove();
  });

  test("beside a running server: a folder of its own, whose documents are links", async () => {
    expect(made.out).toMatch(/^manual-\d{8}T\d{6}Z: \d+ KB, 2 documents, in \d+\.\d s\.\n$/);
    const names = (await readdir(made.folder, { recursive: true })).toSorted();
    const pdf = `stats-${club.taskId}.pdf`;
    const png = club.avatarPath.replace("/avatars/", "");
    expect(names).toEqual(
      [
        "documents",
        `documents/${png}`,
        `documents/${pdf}`,
        "guildhall.db",
        "manifest.json",
        "manifest.sha256",
        "secrets.json",
      ].toSorted(),
    );
    for (const name of [...names, "."]) {
      const { mode } = await stat(join(made.folder, name));
      expect([name, mode & 0o077]).toEqual([name, 0]);
    }
    expect((await stat(join(made.folder, "documents", pdf))).ino).toBe(
      (await stat(join(dataDir, "documents", pdf))).ino,
    );
    expect(
      rows(
        dataDir,
        "SELECT action, details ->> 'name' AS name FROM audit_entries WHERE action LIKE 'backup%'",
      ),
    ).toEqual([{ action: "backup.created", name: made.name }]);
    const sums = Bun.spawnSync(["sha256sum", "-c", "manifest.sha256"], { cwd: made.folder });
    expect(sums.exitCode).toBe(0);
  });

  test("the list names it, and says of a broken one what is wrong", async () => {
    const line = (await backup(["list"], dataDir)).out;
    expect(line.split("\t")).toEqual([
      made.name,
      "manual",
      expect.stringMatching(/^\d{4}-.*Z$/),
      expect.stringMatching(/ KB$/),
      version,
      "ok\n",
    ]);
    const path = join(made.folder, "secrets.json");
    const secrets = await readFile(path);
    await writeFile(path, secrets.subarray(1));
    expect((await backup(["list"], dataDir)).out).toContain(
      "BROKEN: secrets.json has 124 bytes instead of 125.",
    );
    await writeFile(path, secrets);
    expect((await backup(["list"], dataDir)).out).toBe(line);
  });

  test("verifies, by name, by folder and all", async () => {
    for (const args of [[made.name], [made.folder], [], ["--all"]]) {
      const { code, out } = await backup(["verify", ...args], dataDir);
      expect([code, out]).toEqual([0, expect.stringContaining(`${made.name}: ok, `)]);
    }
    expect(await backup(["verify", "manual-20200101T000000Z"], dataDir)).toMatchObject({
      code: 1,
      err: expect.stringContaining("There is no backup manual-20200101T000000Z"),
    });
  });

  test("a restore is refused while the server runs, and changes nothing", async () => {
    const before = await traces(made.folder);
    for (const more of [[], ["--dry-run"]]) {
      const refused = await backup(["restore", made.name, "--replace", ...more], dataDir);
      expect(refused).toMatchObject({
        code: 1,
        out: "",
        err: `A server runs on ${dataDir}. Stop it first.\n`,
      });
    }
    expect(await traces(made.folder)).toEqual(before);
    expect((await club.server.call("GET", "/readyz")).status).toBe(200);
  });

  test("is restored into a folder that is not there, byte for byte", async () => {
    const { code, out, err } = await backup(["restore", made.folder], empty);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toContain(`${empty} has what ${made.name} holds.`);
    const server = await startServer({ dataDir: empty, args: ["--no-worker"] });
    try {
      await expectRestored(server, club);
      expect(rows(empty, "SELECT details FROM audit_entries WHERE action = 'backup.restored'")).toEqual([
        { details: expect.stringContaining(made.name) },
      ]);
      expect(await readFile(join(empty, "secrets.json"))).toEqual(
        await readFile(join(dataDir, "secrets.json")),
      );
    } finally {
      expect(await server.stop()).toBe(0);
    }
  });

  test("a folder with data is refused without --replace, and a dry run changes nothing", async () => {
    await club.server.stop();
    running = undefined;
    const before = await traces(dataDir);
    const refused = await backup(["restore", made.name], dataDir);
    expect([refused.code, refused.err]).toEqual([
      1,
      expect.stringContaining("With --replace it is moved aside"),
    ]);
    const dry = await backup(["restore", made.name, "--replace", "--dry-run"], dataDir);
    expect([dry.code, dry.err]).toEqual([0, ""]);
    for (const entry of ["documents", "secrets.json", "guildhall.db"]) {
      expect(dry.out).toMatch(new RegExp(`move ${entry} to replaced-\\w+/${entry}\n`));
    }
    expect(dry.out).toEndWith("Nothing was changed.\n");
    expect(await traces(dataDir)).toEqual(before);
  });

  test("so it is while a worker runs", async () => {
    const worker = lockWorker(dataDir);
    const refused = await backup(["restore", made.name, "--replace"], dataDir);
    worker.release();
    expect(refused).toMatchObject({ code: 1, err: `A worker runs on ${dataDir}. Stop it first.\n` });
  });

  test("a program that has the database open is noticed, whatever it is", async () => {
    const other = new Database(join(dataDir, "guildhall.db"), { readonly: true });
    try {
      other.query("SELECT count(*) FROM accounts").get();
      const refused = await backup(["restore", made.name, "--replace"], dataDir);
      expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("Another program has")]);
      expect((await readdir(dataDir)).filter((name) => /^(\.restoring|replaced)/.test(name))).toEqual([]);
    } finally {
      other.close();
    }
  });

  test("with --replace what was there is moved aside whole", async () => {
    const done = await backup(["restore", made.name, "--replace"], dataDir);
    expect([done.code, done.err]).toEqual([0, ""]);
    const [replaced = ""] = (await readdir(dataDir)).filter((name) => name.startsWith("replaced-"));
    expect(done.out).toContain(join(dataDir, replaced));
    expect(rows(join(dataDir, replaced), "SELECT content FROM messages")).toEqual([
      { content: "before the backup" },
      { content: "after the backup" },
    ]);
    const server = await startServer({ dataDir, args: ["--no-worker"] });
    try {
      await expectRestored(server, club);
    } finally {
      expect(await server.stop()).toBe(0);
    }
  });

  test("a copy that came without its modes is restored for its owner alone", async () => {
    const [copied, mine] = [join(folder.path, "copied"), join(folder.path, "mine")];
    await cp(made.folder, copied, { recursive: true });
    for (const name of ["guildhall.db", "secrets.json"]) await chmod(join(copied, name), 0o444);
    expect(await backup(["restore", copied], mine)).toMatchObject({ code: 0, err: "" });
    for (const name of ["guildhall.db", "secrets.json"]) {
      expect([name, (await stat(join(mine, name))).mode & 0o777]).toEqual([name, 0o600]);
    }
  });

  test("what is no file is told, whatever it leads to", async () => {
    const strange = join(folder.path, "strange");
    await cp(made.folder, strange, { recursive: true });
    const pdf = `documents/stats-${club.taskId}.pdf`;
    await rm(join(strange, pdf));
    await symlink("/dev/zero", join(strange, pdf));
    const { code, out } = await backup(["verify", strange], dataDir);
    expect([code, out]).toEqual([1, expect.stringContaining(`${pdf} is no file.`)]);
  });

  describe("a flipped byte", () => {
    const paths = () => [
      "manifest.json",
      "manifest.sha256",
      "guildhall.db",
      "secrets.json",
      `documents/stats-${club.taskId}.pdf`,
      `documents/${club.avatarPath.replace("/avatars/", "")}`,
    ];

    test("in any file is found, and refuses the restore", async () => {
      const untouched = join(folder.path, "untouched");
      for (const path of paths()) {
        const whole = await readFile(join(made.folder, path));
        const flipped = Buffer.from(whole);
        // Of the manifest a byte that leaves it JSON: a digit of the version.
        const at = path === "manifest.json" ? whole.indexOf(version) : Math.floor(whole.length / 2);
        flipped[at] = (flipped[at] ?? 0) ^ 1;
        await writeFile(join(made.folder, path), flipped);
        const verified = await backup(["verify", made.name], dataDir);
        expect([path, verified.code, verified.out]).toEqual([path, 1, expect.stringContaining(path)]);
        const restored = await backup(["restore", made.folder], untouched);
        expect([path, restored.code, restored.err]).toEqual([
          path,
          1,
          expect.stringContaining("cannot be restored"),
        ]);
        expect(await stat(untouched).catch(() => null)).toBeNull();
        await writeFile(join(made.folder, path), whole);
      }
      expect((await backup(["verify", made.name], dataDir)).code).toBe(0);
    });
  });
});

describe("with documents in S3", () => {
  const folder = temporaryFolder();
  const dataDir = join(folder.path, "data");
  const empty = join(folder.path, "empty");
  const closing: (() => Promise<unknown>)[] = [() => folder.remove()];
  let club: Club;
  let made: Awaited<ReturnType<typeof createBackup>>;
  let env: Record<string, string>;
  let bucket: Bun.S3Client;

  beforeAll(async () => {
    const s3 = await startS3(["club"]);
    closing.push(() => s3.close());
    env = {
      S3_BUCKET: "club",
      S3_ENDPOINT: s3.endpoint,
      AWS_ACCESS_KEY_ID: S3_CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: S3_CREDENTIALS.secretAccessKey,
    };
    bucket = new Bun.S3Client({ ...S3_CREDENTIALS, bucket: "club", endpoint: s3.endpoint });
    club = await startClub(dataDir, env);
    closing.push(async () => {
      club.server.kill("SIGKILL");
      await club.server.exited;
    });
    made = await createBackup(dataDir, env);
  });
  afterAll(async () => {
    for (const close of closing.toReversed()) await close();
  });

  test("names the objects, holds none of them, and no credentials", async () => {
    expect((await readdir(made.folder)).toSorted()).toEqual([
      "guildhall.db",
      "manifest.json",
      "manifest.sha256",
      "secrets.json",
    ]);
    const text = await readFile(join(made.folder, "manifest.json"), "utf8");
    expect(JSON.parse(text).documents).toEqual({
      in: "s3",
      bucket: "club",
      endpoint: env.S3_ENDPOINT,
      objects: [
        {
          key: `stats-${club.taskId}.pdf`,
          bytes: club.document.length,
          sha256: new Bun.CryptoHasher("sha256").update(club.document).digest("hex"),
        },
        {
          key: club.avatarPath.replace("/avatars/", ""),
          bytes: null,
          // The database does not know it.
          sha256: null,
        },
      ],
    });
    expect(text).not.toContain(S3_CREDENTIALS.secretAccessKey);
  });

  test("verify reads each object: a lost and a changed one are told", async () => {
    expect(await backup(["verify"], dataDir, env)).toMatchObject({
      code: 0,
      out: expect.stringContaining("2 documents in S3"),
    });
    for (const key of [`stats-${club.taskId}.pdf`, club.avatarPath.replace("/avatars/", "")]) {
      const whole = await bucket.file(key).bytes();
      if (key.endsWith(".pdf")) {
        await bucket.write(key, Buffer.concat([whole, Buffer.from("x")]));
        const changed = await backup(["verify"], dataDir, env);
        expect([changed.code, changed.out]).toEqual([
          1,
          expect.stringContaining(`In the bucket with other bytes: ${key}.`),
        ]);
      }
      await bucket.delete(key);
      const lost = await backup(["verify"], dataDir, env);
      expect([lost.code, lost.out]).toEqual([1, expect.stringContaining(`Missing in the bucket: ${key}.`)]);
      await bucket.write(key, whole);
    }
    const unseen = await backup(["verify"], dataDir);
    expect([unseen.code, unseen.out]).toEqual([1, expect.stringContaining("they could not be looked at")]);
    const elsewhere = await backup(["verify"], dataDir, { ...env, AWS_SECRET_ACCESS_KEY: "wrong" });
    expect([elsewhere.code, elsewhere.err]).toEqual([1, expect.stringContaining("refuses the credentials")]);
  });

  test("is restored without touching the bucket", async () => {
    await club.server.stop();
    await mkdir(join(dataDir, "documents"));
    const dry = await backup(["restore", made.name, "--replace", "--dry-run"], dataDir, env);
    expect(dry.out.match(/move \S+ to replaced/g)).toEqual([
      "move secrets.json to replaced",
      "move guildhall.db to replaced",
    ]);
    const done = await backup(["restore", made.folder], empty);
    expect([done.code, done.err]).toEqual([0, ""]);
    expect(done.out).toContain(
      `Its documents are in the S3 bucket club at ${env.S3_ENDPOINT}; the settings name none.`,
    );
    const server = await startServer({ dataDir: empty, env, args: ["--no-worker"] });
    try {
      await expectRestored(server, club);
    } finally {
      expect(await server.stop()).toBe(0);
    }
  });
});

describe("what is refused in one sentence", () => {
  const folder = temporaryFolder();
  const dataDir = join(folder.path, "data");
  beforeAll(async () => {
    const server = await startServer({ dataDir, args: ["--no-worker"] });
    await server.stop();
  });
  afterAll(() => folder.remove());

  const remote = {
    DATABASE_URL: "libsql://db.example.org",
    JWT_SECRET: "a secret of the tests that has 32 bytes",
  };
  test.each([
    [
      "a backup of a remote database",
      ["create"],
      remote,
      "The database is on a server of its own (DATABASE_URL)",
    ],
    [
      "a backup of nothing",
      ["create"],
      { DATA_DIR: "/nowhere" },
      "There is no database at /nowhere/guildhall.db.",
    ],
    [
      "a restore over a remote database",
      ["restore", "."],
      remote,
      "The database is on a server of its own (DATABASE_URL)",
    ],
    [
      "a restore beside a database elsewhere",
      ["restore", "."],
      { DATABASE_URL: "file:/srv/club.db" },
      "DATABASE_URL names another place",
    ],
    ["a folder that is no backup", ["restore", "src"], {}, "manifest.json cannot be read"],
    ["verifying where there is none", ["verify"], {}, "There are no backups in"],
  ])("%s", async (_name, args, env, sentence) => {
    const { code, out, err } = await backup(args, dataDir, env);
    expect([code, out, err]).toEqual([1, "", expect.stringContaining(sentence)]);
    expect(err).not.toMatch(/\n +at /);
  });

  test("a backup of a newer version, by its manifest and by its database", async () => {
    const made = await createBackup(dataDir);
    const newer = join(folder.path, "newer");
    await cp(made.folder, newer, { recursive: true });
    const manifest = JSON.parse(await readFile(join(newer, "manifest.json"), "utf8"));
    await writeFile(
      join(newer, "manifest.json"),
      JSON.stringify({ ...manifest, format: 2, version: "9.1.0" }),
    );
    const target = join(folder.path, "target");
    expect(await backup(["restore", newer], target)).toMatchObject({
      code: 1,
      err: expect.stringContaining("It was made by a newer Guildhall (9.1.0)"),
    });

    const database = new Database(join(dataDir, "guildhall.db"));
    database.run("INSERT INTO schema_migrations (id, name, applied_at) VALUES (99, '0099_later', 1)");
    database.close();
    const later = await createBackup(dataDir);
    const refused = await backup(["restore", later.folder], target);
    expect([refused.code, refused.err]).toEqual([
      1,
      expect.stringContaining("the migration 0099_later, which this program does not know: a newer version"),
    ]);
    expect(await stat(target).catch(() => null)).toBeNull();
  });
});
