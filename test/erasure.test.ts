import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eq, sql } from "drizzle-orm";
import { type Db, openDatabase } from "../db/open.ts";
import { accounts } from "../db/schema.ts";
import { fileDocuments } from "../src/adapters/documents/files.ts";
import { s3Documents } from "../src/adapters/documents/s3.ts";
import * as people from "../src/domain/accounts.ts";
import type { Core, DocumentStore } from "../src/domain/core.ts";
import { deleteDoomed } from "../src/domain/doomed-objects.ts";
import { erasedName, eraseOther, eraseSelf } from "../src/domain/erasure.ts";
import { goOn } from "../src/domain/erasure-rest.ts";
import * as messages from "../src/domain/messages.ts";
import * as roles from "../src/domain/roles.ts";
import * as rooms from "../src/domain/rooms.ts";
import { admin, type Member, member, PASSWORD, staff } from "./accounts/people.ts";
import { setAwsCredentials } from "./adapters/aws-environment.ts";
import { JWT_SECRET, PUBLIC_URL, startTestApp, type TestApp } from "./support/app.ts";
import { startHranaServer } from "./support/hrana-server.ts";
import { statsUser } from "./support/people.ts";
import { S3_CREDENTIALS, startS3 } from "./support/s3.ts";
import { BEHIND_PROXY, MESSAGES, NEEDLES, type Other, wholeLife, type Zelda } from "./support/whole-life.ts";

const MINUTE = 60_000;

type Place = {
  readonly file: string;
  readonly db: Db;
  /** As another node has it. */
  another(): Promise<Db>;
  readonly documents: DocumentStore;
  close(): Promise<void>;
};

const TOKEN = "a-token-of-the-test";

async function place(kind: "local" | "scaled"): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), "guildhall-erasure-"));
  const file = join(folder, "test.db");
  if (kind === "local") {
    const directory = join(folder, "documents");
    const options = {
      directory,
      publicUrl: () => PUBLIC_URL,
      signingKeys: [JWT_SECRET] as const,
      clock: Date.now,
    };
    const another = () => openDatabase(`file:${file}`);
    return {
      file,
      db: await another(),
      another,
      documents: fileDocuments(options),
      close: () => rm(folder, { recursive: true, force: true }),
    };
  }
  const server = await startHranaServer(file, TOKEN);
  const restore = setAwsCredentials(S3_CREDENTIALS);
  const s3 = await startS3(["documents"]);
  const another = () => openDatabase(server.url, { authToken: TOKEN });
  return {
    file,
    db: await another(),
    another,
    documents: s3Documents({ bucket: "documents", endpoint: s3.endpoint }),
    async close() {
      restore();
      await s3.close();
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Of each table that may hold something of a person: how to find it. `stays`: the row stays, and names nobody. */
const PERSONAL: Readonly<
  Record<string, { readonly rows: string; readonly exportedAs: string | null; readonly stays?: true }>
> = {
  accounts: { rows: "id = :id", exportedAs: "account", stays: true },
  sessions: { rows: "account_id = :id", exportedAs: "sessions" },
  account_roles: { rows: "account_id = :id", exportedAs: "roles" },
  account_groups: { rows: "account_id = :id", exportedAs: "groups" },
  mailed_secrets: { rows: "account_id = :id", exportedAs: "mailedSecrets" },
  mails: { rows: "account_id = :id", exportedAs: "waitingMails" },
  audit_entries: { rows: "actor_id = :id OR target = 'account:' || :uuid", exportedAs: "audit", stays: true },
  invitations: { rows: "created_by = :id", exportedAs: "invitations" },
  posts: { rows: "author_id = :id", exportedAs: "posts" },
  comments: { rows: "author_id = :id", exportedAs: "comments" },
  comment_likes: { rows: "account_id = :id", exportedAs: "likes" },
  player_counters: { rows: "account_id = :id", exportedAs: "counters" },
  games: { rows: "account_id = :id", exportedAs: "games" },
  report_tasks: { rows: "subject_id = :id OR requested_by = :id", exportedAs: "documents" },
  room_people: { rows: "user_id = :id", exportedAs: "rooms" },
  messages: { rows: "user_id = :id", exportedAs: "messages", stays: true },
  // What counts tries and posts, opens a socket within 30 seconds, says who is connected now, or is on its way out.
  rate_limits: { rows: "key IN ('sign-in:' || :id, 'moves:' || :id)", exportedAs: null },
  post_totals: { rows: "author_id = :id", exportedAs: null },
  socket_tickets: {
    rows: "session_id IN (SELECT id FROM sessions WHERE account_id = :id)",
    exportedAs: null,
  },
  presence: { rows: "user_id = :id", exportedAs: null },
  doomed_objects: { rows: "key LIKE 'avatar-' || :uuid || '%'", exportedAs: null },
};

/** Tables in which nothing is anybody's. */
const OF_NOBODY = [
  "batch_guard",
  "task_totals",
  "chat_epoch",
  "erasures",
  "group_roles",
  "groups",
  "nodes",
  "roles",
  "rooms",
  "schema_migrations",
];

const INDEX = /^(published|draft)_fts/;

async function tablesOf(db: Db): Promise<string[]> {
  const rows = await db.values<[string]>(
    sql`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name`,
  );
  return rows.map(([name]) => name);
}

async function countOf(db: Db, table: string, who: Pick<Zelda, "id" | "uuid">): Promise<number> {
  const rows = PERSONAL[table]?.rows.replaceAll(":id", String(who.id)).replaceAll(":uuid", `'${who.uuid}'`);
  const [counted] = await db.values<[number]>(sql.raw(`SELECT count(*) FROM ${table} WHERE ${rows}`));
  return counted?.[0] ?? 0;
}

/** Where something that only zelda has said or is can still be read: `table.column needle`. */
async function foundIn(db: Db): Promise<string[]> {
  const found = new Set<string>();
  for (const table of await tablesOf(db)) {
    const columns = await db.values<[string]>(sql`SELECT name FROM pragma_table_info(${table})`);
    const hexed = columns.map(([name]) => `hex("${name}")`).join(", ");
    // A virtual table shows what its content table does.
    if (table === "published_fts" || table === "draft_fts") continue;
    for (const row of await db.values<string[]>(sql.raw(`SELECT ${hexed} FROM "${table}"`))) {
      row.forEach((hex, index) => {
        const text = Buffer.from(hex, "hex").toString("latin1").toLowerCase();
        for (const needle of needlesIn(text)) found.add(`${table}.${columns[index]?.[0]} ${needle}`);
      });
    }
  }
  return [...found].sort();
}

const needlesIn = (text: string) =>
  NEEDLES.filter((needle) => {
    // The first letters may be those that the term before it has.
    return text.includes(needle) || (needle.length > 8 && text.includes(needle.slice(3)));
  });

/** All that follows an erasure: the batches, again when all is settled, and the objects once more. */
async function settle(app: TestApp, core: Core = app.core): Promise<void> {
  await goOn(core);
  app.now += 2 * MINUTE;
  await goOn(core);
  app.now += 10 * MINUTE;
  await deleteDoomed(core);
}

describe.each(["local", "scaled"] as const)("on a %s community", (kind) => {
  let here: Place;
  let app: TestApp;
  let zelda: Zelda;
  let bob: Other;
  beforeEach(async () => {
    here = await place(kind);
    app = await startTestApp({ db: here.db, documents: here.documents, trustProxy: BEHIND_PROXY });
    ({ zelda, bob } = await wholeLife(app));
  });
  afterEach(async () => {
    await app.close();
    await here.close();
  });

  const erase = async () => {
    const answer = await zelda.call("POST", "/api/users/me/erase", { password: PASSWORD });
    expect([answer.status, answer.body]).toEqual([204, ""]);
  };
  const bobs = (method: string, path: string) => app.call(method, path, { token: bob.token });

  test("a person with something in every table is in no table any more", async () => {
    const tables = await tablesOf(app.core.db);
    // A new table has to be said to be personal, exported and erased, or nobody's.
    expect([...Object.keys(PERSONAL), ...OF_NOBODY].sort()).toEqual(
      tables.filter((name) => !INDEX.test(name)),
    );
    for (const table of Object.keys(PERSONAL)) {
      expect([table, await countOf(app.core.db, table, zelda)]).not.toEqual([table, 0]);
    }
    const before = await foundIn(app.core.db);
    expect(NEEDLES.filter((needle) => !before.some((place) => place.endsWith(needle)))).toEqual([]);
    expect(before).toContain("published_fts_data.block brimblegast");
    expect(before).toContain("draft_fts_data.block drablewonk");
    for (const key of zelda.keys) expect(await app.core.documents.get(key)).not.toBeNull();

    await erase();
    await settle(app);

    for (const [table, { stays }] of Object.entries(PERSONAL)) {
      if (stays !== true) expect([table, await countOf(app.core.db, table, zelda)]).toEqual([table, 0]);
    }
    expect(await foundIn(app.core.db)).toEqual([]);
    expect(await app.core.db.values(sql`SELECT * FROM erasures`)).toEqual([]);
    expect(await app.core.db.values(sql`SELECT * FROM doomed_objects`)).toEqual([]);
    for (const key of zelda.keys) expect(await app.core.documents.get(key)).toBeNull();
    expect(await app.core.db.values(sql`PRAGMA foreign_key_check`)).toEqual([]);
    for (const word of ["Kwyjiboing", "brimblegast"]) {
      const { body } = await bobs("GET", `/api/blogs/posts?search=${word}`);
      expect(body.pagination.total).toBe(0);
    }
    // Of the file, only the pages that SQLite has not used again may hold more: a copy of it does not.
    if (kind === "scaled") return;
    const copy = `${here.file}.copy`;
    const file = new Database(here.file);
    file.run("VACUUM INTO ?", [copy]);
    file.close();
    const bytes = Buffer.from(await Bun.file(copy).arrayBuffer())
      .toString("latin1")
      .toLowerCase();
    expect(needlesIn(bytes)).toEqual([]);
  });

  test("at once nothing tells who it was but what they said, and what was noted of it", async () => {
    await erase();
    const tables = new Set((await foundIn(app.core.db)).map((place) => place.split(".")[0] ?? ""));
    expect([...tables].filter((name) => !INDEX.test(name)).sort()).toEqual([
      "audit_entries",
      "comments",
      "games",
      "messages",
      "posts",
      "presence",
    ]);
    // The whole row: a column that is added has to be emptied, or said to name nobody.
    const [row] = await app.core.db.select().from(accounts).where(eq(accounts.id, zelda.id));
    const { id, uuid, username, origin, createdAt, updatedAt, deactivatedAt, erasedAt, ...rest } = row ?? {};
    expect({ id, uuid, username, origin }).toEqual({
      id: zelda.id,
      uuid: zelda.uuid,
      username: erasedName(zelda.id),
      origin: "accounts",
    });
    expect([createdAt, updatedAt, deactivatedAt, erasedAt]).toEqual(Array(4).fill(app.now));
    const values = Object.entries(rest).filter(
      ([, value]) => value !== null && value !== "" && value !== false,
    );
    expect(Object.fromEntries(values)).toEqual({
      usernameKey: erasedName(zelda.id),
      backgroundColor: "#005CC9",
      loginCount: 0,
    });
    for (const table of ["account_roles", "account_groups", "mailed_secrets", "mails", "invitations"]) {
      expect([table, await countOf(app.core.db, table, zelda)]).toEqual([table, 0]);
    }
    for (const table of ["socket_tickets", "rate_limits"]) {
      expect([table, await countOf(app.core.db, table, zelda)]).toEqual([table, 0]);
    }
  });

  test("the export tells of every table that has something", async () => {
    const { body } = await zelda.call("GET", "/api/users/me/export");
    for (const [table, { exportedAs }] of Object.entries(PERSONAL)) {
      if (exportedAs === null) continue;
      const section = body[exportedAs];
      expect([table, Array.isArray(section) ? section.length > 0 : section !== undefined]).toEqual([
        table,
        true,
      ]);
    }
    expect(body.messages.map(({ kind }: { kind: string }) => kind)).toContain("moderation");
    const acts = body.messages.filter((row: { content: string }) => row.content.includes("aboutherflumpt"));
    expect(acts).toHaveLength(1);
    expect(Object.keys(acts[0])).not.toContain("username");
  });

  test("what is others' stays as it is", async () => {
    const all = async () => (await bobs("GET", "/api/users/me/export")).body;
    const before = await all();
    await erase();
    await settle(app);
    const after = await all();
    for (const section of ["account", "roles", "groups", "counters", "games", "rooms"]) {
      expect([section, after[section]]).toEqual([section, before[section]]);
    }
    // Those about her, or for her, are gone; his own stays his, whoever asked for it.
    const own = ({ kind }: { kind: string }) => kind === "player";
    expect(after.documents).toEqual(
      before.documents.filter(own).map((task: object) => ({ ...task, requestedBy: bob.id })),
    );
    const ofBob = ({ userId }: { userId?: number }) => userId === bob.id;
    expect(after.messages.filter(ofBob).map(withoutReason)).toEqual(
      before.messages.filter(ofBob).map(withoutReason),
    );
    expect(after.posts).toEqual(before.posts.map((post: object) => ({ ...post, commentsCount: 1 })));
    expect(after.comments.map(({ content }: { content: string }) => content)).toEqual(["His own comment"]);
    expect(after.comments[0].likes).toBe(1);
    expect(after.likes).toHaveLength(1);
    expect((await bobs("GET", `/users/${bob.id}/pdf`)).status).toBe(200);
  });

  test("her documents and their links are dead at once", async () => {
    const [own = "", aboutBob = ""] = zelda.taskIds;
    const { document_url: link } = (await zelda.call("GET", `/api/stats/tasks/${own}`)).body.result;
    const open = () => (kind === "local" ? app.call("GET", link.slice(PUBLIC_URL.length)) : fetch(link));
    if (kind === "scaled") expect((await open()).status).toBe(200);
    await erase();
    await goOn(app.core);
    expect((await open()).status).toBe(404);
    for (const id of [own, aboutBob]) {
      expect((await bobs("GET", `/api/stats/tasks/${id}`)).status).toBe(404);
    }
    const { body } = await bobs("GET", "/api/admin/tasks");
    expect(body.data.map((task: { subject: string }) => task.subject)).toEqual(["bob"]);
  });

  test("killed after each batch it goes on, and ends with the same", async () => {
    await erase();
    const killedEachTime = async () => {
      for (let kills = 0; ; kills++) {
        const ending = new AbortController();
        const core = { ...app.core, sleep: async () => ending.abort() };
        await goOn(core, ending.signal);
        if (!ending.signal.aborted) return kills;
      }
    };
    const kills = await killedEachTime();
    // 430 messages by 200, 8 posts by 2, and the audit.
    expect(kills).toBeGreaterThanOrEqual(8);
    app.now += 2 * MINUTE;
    expect(await killedEachTime()).toBeGreaterThanOrEqual(1);
    expect(await app.core.db.values(sql`SELECT * FROM erasures`)).toEqual([]);
    await expectAllTold();
    expect(await foundIn(app.core.db)).toEqual([]);
  });

  test("several nodes may do it at once", async () => {
    await erase();
    const db = await here.another();
    const nodes = [app.core, { ...app.core, db }, app.core, { ...app.core, db }];
    await Promise.all(nodes.map((node) => goOn(node)));
    app.now += 2 * MINUTE;
    await Promise.all(nodes.map((node) => goOn(node)));
    await db.close();
    await settle(app);
    await expectAllTold();
    expect(await foundIn(app.core.db)).toEqual([]);
    const told = app.logged.filter((line) => line.includes("an account was erased with all that it left"));
    expect(told).toHaveLength(1);
  });

  /** Each message is removed, and its deletion told, once. */
  async function expectAllTold(): Promise<void> {
    const count = async (kind: string) =>
      (await app.core.db.values(sql`SELECT id FROM messages WHERE user_id = ${zelda.id} AND kind = ${kind}`))
        .length;
    expect([await count("message"), await count("removed")]).toEqual([0, MESSAGES]);
    const told = await app.core.db.values<[number]>(
      sql`SELECT removed_id FROM messages WHERE kind = 'deletion'`,
    );
    expect([told.length, new Set(told.flat()).size]).toEqual([MESSAGES, MESSAGES]);
  }

  const withoutReason = (entry: { kind: string; content: string }) => {
    if (entry.kind !== "moderation") return entry;
    const { reason, ...act } = JSON.parse(entry.content);
    return { ...entry, content: act };
  };
});

describe("erasing one's account", () => {
  let app: TestApp;
  let boss: Member;
  beforeEach(async () => {
    app = await startTestApp();
    boss = await admin(app, "boss");
  });
  afterEach(() => app.close());

  const eraseMe = (token: string, body: object) => app.call("POST", "/api/users/me/erase", { token, body });
  const eraseThem = (who: Member, id: string) =>
    app.call("POST", `/api/admin/users/${id}/erase`, { token: who.token });
  const idOf = async ({ id }: Member) =>
    (await app.core.db.values<[number]>(sql`SELECT id FROM accounts WHERE uuid = ${id}`))[0]?.[0] ?? 0;

  test("needs the password; tries are counted as sign-ins are", async () => {
    const ann = await member(app, "ann");
    const refusals = [
      [{}, 400, "VALIDATION_ERROR"],
      [{ confirm: "ann" }, 400, "VALIDATION_ERROR"],
      [{ password: "Wrong-Pass1", confirm: "ann" }, 401, "INVALID_CREDENTIALS"],
      [{ password: 7 }, 400, "INVALID_PASSWORD_FORMAT"],
    ] as const;
    for (const [body, status, code] of refusals) {
      const answer = await eraseMe(ann.token, body);
      expect([body, answer.status, answer.body.error?.code]).toEqual([body, status, code]);
    }
    for (let tried = 0; tried < 12; tried++) await eraseMe(ann.token, { password: "Wrong-Pass1" });
    expect(app.slept.filter((ms) => ms >= 1_000).length).toBeGreaterThan(0);
    expect((await app.call("GET", "/api/users/me", { token: ann.token })).status).toBe(200);
    expect((await eraseMe(ann.token, { password: PASSWORD })).status).toBe(204);
  });

  test("of an account without a password needs its username", async () => {
    const { token } = await statsUser(app, "Solo");
    for (const body of [{}, { password: PASSWORD }, { confirm: "solo" }, { confirm: "" }]) {
      expect([body, (await eraseMe(token, body)).status]).toEqual([body, 400]);
    }
    expect((await eraseMe(token, { confirm: "Solo" })).status).toBe(204);
    expect((await app.call("GET", "/api/users/myself", { token })).status).toBe(401);
  });

  test("every token of it is dead in all APIs, and nobody signs in", async () => {
    const ann = await member(app, "ann", { username: "ann" });
    const id = await idOf(ann);
    const { token } = ann;
    const paths = ["/api/users/me", "/api/users/myself", `/users/${id}/stats`, "/account/me", "/ws/rooms"];
    for (const path of paths)
      expect([path, (await app.call("GET", path, { token })).status]).toEqual([path, 200]);
    expect((await eraseMe(token, { password: PASSWORD })).status).toBe(204);
    for (const path of paths)
      expect([path, (await app.call("GET", path, { token })).status]).toEqual([path, 401]);
    const refresh = { body: { refresh_token: ann.refreshToken } };
    expect((await app.call("POST", "/api/auth/refresh", refresh)).status).toBe(401);
    const signIns = [
      ["/api/auth/login", { email: ann.email, password: PASSWORD }, 401],
      ["/api/auth/login", { username: "ann", password: PASSWORD }, 401],
      ["/api/auth/login", { username: erasedName(id), password: PASSWORD }, 401],
      ["/login", { username: "ann", password: PASSWORD }, 401],
      ["/api/users/signin", { email: ann.email, password: PASSWORD }, 401],
    ] as const;
    for (const [path, body, status] of signIns) {
      const answer = await app.call("POST", path, { body });
      expect([path, answer.status]).toEqual([path, status]);
    }
    for (const path of [`/users/${id}`, `/users/${id}/stats`, "/info/users/search-ann"]) {
      const answer = await app.call("GET", path, { token: boss.token });
      expect([path, answer.status]).toEqual([path, 404]);
    }
    expect((await eraseMe(token, { password: PASSWORD })).status).toBe(401);
  });

  test("its names are free at once; the one that it has now is nobody's to take", async () => {
    const ann = await member(app, "ann", { username: "Ann" });
    const id = await idOf(ann);
    expect((await eraseMe(ann.token, { password: PASSWORD })).status).toBe(204);
    const again = await member(app, "ann", { username: "ANN" });
    expect(again.id).not.toBe(ann.id);
    const taken = { email: "x@example.com", username: erasedName(id), password: PASSWORD, full_name: "X Y" };
    const answer = await app.call("POST", "/api/auth/register", { body: taken });
    expect([answer.status, answer.body.error.code]).toEqual([400, "INVALID_USERNAME_FORMAT"]);
    await goOn(app.core);
    expect((await app.call("GET", "/api/users/me", { token: again.token })).status).toBe(200);
  });

  test("the last administrator cannot, and nothing has happened then", async () => {
    const answer = await eraseMe(boss.token, { password: PASSWORD });
    expect([answer.status, answer.body.error.message]).toEqual([
      403,
      "The last administrator cannot be removed.",
    ]);
    expect(await app.core.db.values(sql`SELECT * FROM erasures`)).toEqual([]);
    expect((await app.call("GET", "/api/users/me", { token: boss.token })).body.email).toBe(boss.email);
    await admin(app, "second");
    expect((await eraseMe(boss.token, { password: PASSWORD })).status).toBe(204);
  });

  test("does nothing when the password or the session ended meanwhile", async () => {
    const { verify } = app.core.passwords;
    const ended = [
      sql`UPDATE sessions SET revoked_at = 1 WHERE account_id = (SELECT max(id) FROM accounts)`,
      sql`UPDATE accounts SET password_hash = 'other' WHERE id = (SELECT max(id) FROM accounts)`,
      sql`UPDATE accounts SET deactivated_at = 1 WHERE id = (SELECT max(id) FROM accounts)`,
    ];
    for (const [index, meanwhile] of ended.entries()) {
      const made = await member(app, `ann${index}`);
      const passwords = {
        ...app.core.passwords,
        async verify(password: string, hash: string | null) {
          await app.core.db.run(meanwhile);
          return verify(password, hash);
        },
      };
      const account = await people.getByEmail(app.core, made.email);
      const [session] = await app.core.db.values<[string]>(
        sql`SELECT id FROM sessions WHERE account_id = ${account.id}`,
      );
      const proof = { password: PASSWORD, sessionId: session?.[0] ?? "", address: "192.0.2.1" };
      await expect(eraseSelf({ ...app.core, passwords }, account, proof)).rejects.toThrow(
        "session has ended",
      );
      expect((await people.getByEmail(app.core, made.email)).erasedAt).toBeNull();
    }
    expect(
      await app.core.db.values(sql`SELECT 1 FROM audit_entries WHERE action = 'account.erased'`),
    ).toEqual([]);
    expect(await app.core.db.values(sql`SELECT 1 FROM erasures`)).toEqual([]);
  });

  test("is recorded, without where from", async () => {
    const ann = await member(app, "ann");
    const id = await idOf(ann);
    await eraseMe(ann.token, { password: PASSWORD });
    await goOn(app.core);
    const rows = await app.core.db.values(
      sql`SELECT actor_id, target, address FROM audit_entries WHERE action = 'account.erased'`,
    );
    expect(rows).toEqual([[id, `account:${ann.id}`, null]]);
    const listed = await app.call("GET", `/api/admin/audit?actor=${ann.id}`, { token: boss.token });
    expect(listed.body.data.map(({ address }: { address: string | null }) => address)).not.toContain(
      "192.0.2.1",
    );
    expect(listed.body.data.length).toBeGreaterThan(1);
  });

  describe("by an administrator", () => {
    test("follows the ranks of a deactivation", async () => {
      const user = await member(app, "user");
      const writer = await staff(app, boss, "writer", ["users.read", "users.write"]);
      const reader = await staff(app, boss, "reader", ["users.read"]);
      const inviter = await staff(app, boss, "inviter", ["invitations.create"]);
      expect((await eraseThem(user, boss.id)).status).toBe(403);
      expect((await eraseThem(reader, user.id)).status).toBe(403);
      expect((await eraseThem(writer, inviter.id)).status).toBe(403);
      expect((await eraseThem(writer, boss.id)).status).toBe(403);
      expect((await eraseThem(writer, writer.id)).status).toBe(403);
      expect((await eraseThem(boss, boss.id)).status).toBe(403);
      expect((await eraseThem(writer, crypto.randomUUID())).status).toBe(404);
      expect((await eraseThem(writer, user.id)).status).toBe(204);
      expect((await eraseThem(writer, user.id)).status).toBe(404);
      const rows = await app.core.db.values(
        sql`SELECT actor_id, target, address FROM audit_entries WHERE action = 'account.erased'`,
      );
      expect(rows).toEqual([[await idOf(writer), `account:${user.id}`, "192.0.2.1"]]);
    });

    test("also of a deactivated account, which nobody activates again and no list shows", async () => {
      const user = await member(app, "user");
      const path = `/api/users/${user.id}`;
      expect((await app.call("DELETE", path, { token: user.token })).status).toBe(204);
      expect((await eraseThem(boss, user.id)).status).toBe(204);
      const activated = await app.call("POST", `/api/admin/users/${user.id}/activate`, { token: boss.token });
      expect(activated.status).toBe(404);
      const { body } = await app.call("GET", "/api/users", { token: boss.token });
      expect(body.data.map(({ id }: { id: string }) => id)).toEqual([boss.id]);
      expect(
        await app.core.db.values(sql`SELECT 1 FROM audit_entries WHERE action = 'account.activated'`),
      ).toEqual([]);
    });

    test("two at once: one has done it", async () => {
      const user = await member(app, "user");
      const answers = await Promise.all([eraseThem(boss, user.id), eraseThem(boss, user.id)]);
      expect(answers.map(({ status }) => status).sort()).toEqual([204, 404]);
    });
  });

  test("what was under way at that moment is found when all is settled", async () => {
    const ann = await member(app, "ann", { username: "ann" });
    const account = await people.getByEmail(app.core, ann.email);
    await app.call("POST", "/ws/create-room", { token: ann.token, body: { id: "r", name: "room" } });
    await eraseMe(ann.token, { password: PASSWORD });
    await goOn(app.core);
    const access = await rooms.look(app.core, "r", account.id);
    const person = { id: account.id, username: "ann", account };
    await messages.append(app.core, access, person, "too late", null, false);
    await app.core.db.run(sql`INSERT INTO games (account_id, role, result, duration_seconds, played_at)
      VALUES (${account.id}, 'late', 'win', 1, 1)`);
    app.now += 2 * MINUTE - 1;
    await goOn(app.core);
    expect(await app.core.db.values(sql`SELECT account_id FROM erasures`)).toEqual([[account.id]]);
    app.now += 1;
    await goOn(app.core);
    expect(await app.core.db.values(sql`SELECT account_id FROM erasures`)).toEqual([]);
    expect(await app.core.db.values(sql`SELECT 1 FROM games`)).toEqual([]);
    expect(
      await app.core.db.values(sql`SELECT content, username FROM messages WHERE kind = 'removed'`),
    ).toEqual([["", erasedName(account.id)]]);
  });

  test("a client that comes back is told what was removed, and a room without owner goes on", async () => {
    const [ann, eve] = [await member(app, "ann"), await member(app, "eve")];
    const post = (path: string, token: string, body: object) => app.call("POST", path, { token, body });
    await post("/ws/create-room", ann.token, { id: "r", name: "room" });
    const said = [];
    for (const token of [ann.token, eve.token, ann.token]) {
      said.push((await post("/ws/rooms/r/messages", token, { content: "hello" })).body.id);
    }
    const since = { id: said[2], epoch: await messages.epochOf(app.core) };
    await eraseMe(ann.token, { password: PASSWORD });
    await goOn(app.core);
    const { removedIds, history, isGap } = await messages.start(app.core, 1, since);
    expect({ removedIds, history, isGap }).toEqual({
      removedIds: [said[0], said[2]],
      history: [],
      isGap: false,
    });
    const listed = await app.call("GET", "/ws/rooms/r/messages", { token: eve.token });
    expect(listed.body.messages.map(({ id }: { id: number }) => id)).toEqual([said[1]]);
    expect((await post("/ws/rooms/r/messages", eve.token, { content: "who is left?" })).status).toBe(201);
    const id = await idOf(eve);
    const moderator = (token: string) => app.call("PUT", `/ws/rooms/r/moderators/${id}`, { token });
    expect((await moderator(eve.token)).status).toBe(403);
    expect((await moderator(boss.token)).status).toBe(204);
  });

  test("in a room that was deleted nothing is told, and it is purged as ever", async () => {
    const ann = await member(app, "ann");
    await app.call("POST", "/ws/create-room", { token: ann.token, body: { id: "r", name: "room" } });
    await app.call("POST", "/ws/rooms/r/messages", { token: ann.token, body: { content: "hello" } });
    await app.call("DELETE", "/ws/rooms/r", { token: ann.token });
    await eraseMe(ann.token, { password: PASSWORD });
    await goOn(app.core);
    const kinds = await app.core.db.values(sql`SELECT kind FROM messages ORDER BY id`);
    expect(kinds).toEqual([["removed"], ["moderation"]]);
  });

  test("a role cannot be given to who is erased", async () => {
    const ann = await member(app, "ann");
    const account = await people.getByEmail(app.core, ann.email);
    await eraseOther(app.core, await people.getByEmail(app.core, boss.email), account.id, "192.0.2.1");
    await expect(roles.grant(app.core, await people.get(app.core, account.id), "admin")).rejects.toThrow();
  });
});
