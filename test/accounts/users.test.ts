import { afterEach, beforeEach, describe, expect, spyOn, test } from "bun:test";
import { eq } from "drizzle-orm";
import {
  accounts as accountsTable,
  auditEntries,
  games,
  mailedSecrets,
  reportTasks,
  sessions,
} from "../../db/schema.ts";
import * as accounts from "../../src/domain/accounts.ts";
import { newId } from "../../src/domain/ids.ts";
import { PUBLIC_URL, startTestApp, type TestApp } from "../support/app.ts";
import { player, statsUser } from "../support/people.ts";
import {
  accountOf,
  actions,
  admin,
  auditRows,
  type Member,
  me,
  member,
  must,
  NOW,
  PASSWORD,
  refusal,
  signIn,
  staff,
  UUID,
} from "./people.ts";

let app: TestApp;
beforeEach(async () => {
  app = await startTestApp();
});
afterEach(() => app.close());

const get = (path: string, token?: string) => app.call("GET", path, token === undefined ? {} : { token });
const put = (who: Member, id: string, body: unknown) =>
  app.call("PUT", `/api/users/${id}`, { token: who.token, body });
const emails = (answer: { body: { data: { email: string }[] } }) => answer.body.data.map((row) => row.email);

const example = {
  full_name: "Jane Doe",
  avatar_url: "https://cdn.example.com/new-avatar.jpg",
  location: "New York, USA",
  phone_number: "+1-555-0456",
  timezone: "America/New_York",
  language: "en",
  company: "New Corp",
};
const absent = {
  avatar_url: null,
  location: null,
  phone_number: null,
  timezone: null,
  language: null,
  company: null,
};

describe("the document's examples", () => {
  test("GET /users/me", async () => {
    const { token } = await member(app, "user");
    const answer = await get("/api/users/me", token);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      id: UUID,
      email: "user@example.com",
      full_name: "user Doe",
      ...absent,
      is_active: true,
      email_verified: false,
      created_at: NOW,
      updated_at: NOW,
    });
    expect(Object.keys(answer.body)).toEqual([
      "id",
      "email",
      "full_name",
      "avatar_url",
      "location",
      "phone_number",
      "timezone",
      "language",
      "company",
      "is_active",
      "email_verified",
      "created_at",
      "updated_at",
    ]);
    expect(answer.headers.get("Cache-Control")).toBe("no-store");
  });

  test("PUT /users/{id}, then GET: the fields that were sent, nothing else", async () => {
    const user = await member(app, "user");
    app.now += 75 * 60_000;
    const answer = await put(user, user.id, example);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      id: user.id,
      email: user.email,
      ...example,
      updated_at: "2026-04-14T11:45:00Z",
    });
    expect(Object.keys(answer.body)).toEqual(["id", "email", ...Object.keys(example), "updated_at"]);
    const read = await get(`/api/users/${user.id}`, user.token);
    expect(read.body).toEqual({
      id: user.id,
      email: user.email,
      ...example,
      is_active: true,
      email_verified: false,
      last_login_at: NOW,
      login_count: 1,
      created_at: NOW,
      updated_at: "2026-04-14T11:45:00Z",
    });

    const cleared = await put(user, user.id, { company: null, language: null });
    expect(cleared.body).toEqual({ ...answer.body, company: null, language: null });
    expect((await put(user, user.id, {})).body).toEqual(cleared.body);
  });

  test("GET /users/ for an administrator, with a page of its own", async () => {
    const boss = await admin(app);
    for (const name of ["john", "johnny", "jack"]) {
      app.now += 1_000;
      await member(app, name);
    }
    const answer = await get("/api/users/?page=1&limit=20&search=john", boss.token);
    expect(answer.status).toBe(200);
    const row = (name: string, created_at: string) => ({
      id: UUID,
      email: `${name}@example.com`,
      full_name: `${name} Doe`,
      is_active: true,
      created_at,
    });
    expect(answer.body).toEqual({
      data: [row("johnny", "2026-04-14T10:30:02Z"), row("john", "2026-04-14T10:30:01Z")],
      pagination: { page: 1, limit: 20, total: 2, pages: 1 },
    });
  });

  test("DELETE /users/{id} marks as inactive: tokens die, look-ups hide, administrators still see", async () => {
    const boss = await admin(app);
    const user = await member(app, "user");
    const answer = await app.call("DELETE", `/api/users/${user.id}`, { token: user.token });
    expect([answer.status, answer.body]).toEqual([204, ""]);
    expect((await me(app, user.token)).status).toBe(401);
    const seen = await get(`/api/users/${user.id}`, boss.token);
    expect([seen.status, seen.body.is_active, seen.body.email]).toEqual([200, false, user.email]);
    expect((await get("/api/users?usernames=user", boss.token)).body).toEqual({ result: { users: [] } });
    const twice = await app.call("DELETE", `/api/users/${user.id}`, { token: boss.token });
    expect([twice.status, twice.body]).toEqual([404, refusal("USER_NOT_FOUND")]);
    expect((await actions(app)).filter((action) => action === "account.deactivated")).toHaveLength(1);
  });
});

describe("who may", () => {
  const UNKNOWN = "01900000-0000-7000-8000-000000000000";
  const calls = [
    ["GET", "/api/users", undefined],
    ["GET", "/api/users/{id}", undefined],
    ["PUT", "/api/users/{id}", { company: "Other" }],
    ["DELETE", "/api/users/{id}", undefined],
  ] as const;
  const expected: Record<string, readonly number[]> = {
    // In the order of the calls above.
    nobody: [401, 401, 401, 401],
    self: [403, 200, 200, 204],
    other: [403, 403, 403, 403],
    reader: [200, 200, 403, 403],
    writer: [403, 403, 200, 204],
    admin: [200, 200, 200, 204],
  };

  test.each(Object.keys(expected))("%s", async (who) => {
    const boss = await admin(app);
    const self = await member(app, "self");
    const tokens: Record<string, string | undefined> = {
      nobody: undefined,
      self: self.token,
      other: (await member(app, "other")).token,
      reader: (await staff(app, boss, "reader", ["users.read"])).token,
      writer: (await staff(app, boss, "writer", ["users.write"])).token,
      admin: boss.token,
    };
    const token = tokens[who];
    const statuses: number[] = [];
    for (const [method, path, body] of calls) {
      const answer = await app.call(method, path.replace("{id}", self.id), {
        ...(token === undefined ? {} : { token }),
        ...(body === undefined ? {} : { body }),
      });
      statuses.push(answer.status);
      if (answer.status === 403) expect(answer.body).toEqual(refusal("FORBIDDEN"));
      if (answer.status === 401) expect(answer.body).toEqual(refusal("UNAUTHORIZED"));
    }
    expect(statuses).toEqual([...(expected[who] ?? [])]);
  });

  test("who may not read others learns not even which exist; who may gets 404", async () => {
    const boss = await admin(app);
    const user = await member(app, "user");
    for (const id of [boss.id, UNKNOWN, "1", "%25", "__proto__", "x".repeat(3_000)]) {
      for (const method of ["GET", "DELETE"]) {
        const answer = await app.call(method, `/api/users/${id}`, { token: user.token });
        expect([id, answer.status, answer.body]).toEqual([id, 403, refusal("FORBIDDEN")]);
      }
      if (id === boss.id) continue;
      const found = await get(`/api/users/${id}`, boss.token);
      expect([id, found.status, found.body]).toEqual([id, 404, refusal("USER_NOT_FOUND")]);
    }
  });

  test("who may write users touches nobody who holds more: an address is a way into the account", async () => {
    const boss = await admin(app);
    const writer = await staff(app, boss, "writer", ["users.write"]);
    const peer = await staff(app, boss, "peer", ["users.write"]);
    const more = await staff(app, boss, "more", ["users.write", "audit.read"]);
    for (const target of [boss, more]) {
      for (const [method, path, body] of [
        ["PUT", `/api/users/${target.id}`, { email: "thief@example.com" }],
        ["DELETE", `/api/users/${target.id}`, undefined],
        ["POST", `/api/admin/users/${target.id}/activate`, undefined],
      ] as const) {
        const answer = await app.call(method, path, {
          token: writer.token,
          ...(body === undefined ? {} : { body }),
        });
        expect([path, answer.status, answer.body]).toEqual([path, 403, refusal("FORBIDDEN")]);
      }
    }
    expect((await me(app, boss.token)).body.email).toBe(boss.email);
    expect((await put(writer, peer.id, { company: "Ours" })).status).toBe(200);
    expect((await put(boss, more.id, { company: "Ours" })).status).toBe(200);
  });

  test("what one changes of another is recorded, what of oneself is not", async () => {
    const boss = await admin(app);
    const user = await member(app, "user");
    must(await put(user, user.id, { company: "Mine" }), 200);
    const before = (await auditRows(app)).length;
    must(await put(boss, user.id, { company: "Ours", phone_number: "+1-555-0456" }), 200);
    const [entry, ...more] = (await auditRows(app)).slice(before);
    expect([entry?.action, entry?.target, entry?.address, entry?.details, more]).toEqual([
      "account.changed",
      `account:${user.id}`,
      "192.0.2.1",
      { fields: ["phoneNumber", "company"] },
      [],
    ]);
  });
});

describe("a change refuses", () => {
  const bad = (field: string, value: unknown) => [field, value] as const;
  test.each([
    bad("full_name", "J"),
    bad("full_name", "J".repeat(101)),
    bad("full_name", null),
    bad("full_name", ["Jane"]),
    bad("full_name", "a\0b"),
    bad("avatar_url", "javascript:alert(1)"),
    bad("avatar_url", "data:text/html,x"),
    bad("avatar_url", "/relative.png"),
    bad("avatar_url", `https://example.com/${"x".repeat(2_048)}`),
    bad("location", ""),
    bad("location", 7),
    bad("location", "x".repeat(201)),
    bad("phone_number", "call me"),
    bad("phone_number", "+-()"),
    bad("phone_number", "1".repeat(33)),
    bad("phone_number", 5550456),
    bad("timezone", "Mars/Olympus"),
    bad("timezone", "+05:00"),
    bad("timezone", "../../etc/passwd"),
    bad("language", "en_US"),
    bad("language", "no language"),
    bad("company", {}),
    bad("email", "invalid-email"),
    bad("email", null),
    bad("email", ["a@example.com"]),
    bad("username", ""),
    bad("email_visible", "true"),
  ])("%s %p", async (field, value) => {
    const user = await member(app, "user");
    const before = (await me(app, user.token)).body;
    const answer = await put(user, user.id, { company: "New Corp", [field]: value });
    expect(answer.status).toBe(400);
    const isLong = typeof value === "string" && value.length > 200;
    const details = isLong ? { field } : { field, value };
    expect(answer.body).toEqual(refusal(`INVALID_${field.toUpperCase()}_FORMAT`, details));
    expect((await me(app, user.token)).body).toEqual(before);
  });

  test("a username that is taken, whatever the case", async () => {
    await member(app, "other");
    const user = await member(app, "user");
    const answer = await put(user, user.id, { username: "OTHER" });
    expect([answer.status, answer.body]).toEqual([
      409,
      refusal("USERNAME_ALREADY_EXISTS", { field: "username" }),
    ]);
    expect((await put(user, user.id, { username: "USER" })).status).toBe(200);
  });

  test("to touch what is not a field: roles, state, counters, password, prototype keys", async () => {
    const user = await member(app, "user");
    const row = async () =>
      (await app.core.db.select().from(accountsTable).where(eq(accountsTable.uuid, user.id)))[0];
    const before = await row();
    const body = JSON.parse(`{"id":"x","uuid":"x","roles":["admin"],"is_active":false,"isActive":false,
      "deactivatedAt":1,"email_verified":true,"emailVerifiedAt":1,"login_count":9,"created_at":"x","createdAt":1,
      "password":"Other-Password1","newPassword":{"next":"x"},"passwordHash":"x","passwordStrong":true,
      "origin":"shell","confirmedEmail":"x@y.zz","__proto__":{"company":"evil"},"constructor":{"company":"evil"}}`);
    must(await put(user, user.id, body), 200);
    expect(await row()).toEqual({ ...before, updatedAt: app.now } as typeof before);
    expect(Reflect.get({}, "company")).toBeUndefined();
  });

  test("to change a deactivated account", async () => {
    const boss = await admin(app);
    const user = await member(app, "user");
    must(await app.call("DELETE", `/api/users/${user.id}`, { token: user.token }), 204);
    const answer = await put(boss, user.id, { company: "New Corp" });
    expect([answer.status, answer.body]).toEqual([404, refusal("USER_NOT_FOUND")]);
  });
});

describe("full, first and last name", () => {
  const names = async (user: Member) => {
    const { fullName, firstName, lastName } = await accountOf(app, user);
    return [fullName, firstName, lastName];
  };

  test.each([
    ["John Doe", "John", "Doe"],
    ["Johann  Sebastian Bach", "Johann", "Sebastian Bach"],
    ["Plato", "Plato", null],
  ])("%p is %p and %p", async (full_name, first, last) => {
    const user = await member(app, "user", { full_name });
    expect(await names(user)).toEqual([full_name, first, last]);
    must(await put(user, user.id, { full_name: "Other Name" }), 200);
    expect(await names(user)).toEqual(["Other Name", "Other", "Name"]);
    must(await put(user, user.id, { full_name }), 200);
    expect(await names(user)).toEqual([full_name, first, last]);
  });

  test("parts make the whole, and one changed part keeps the other", async () => {
    const user = await member(app, "user", { full_name: "John Doe" });
    const account = await accountOf(app, user);
    await accounts.update(app.core, account, account.id, { firstName: "Jane" });
    expect(await names(user)).toEqual(["Jane Doe", "Jane", "Doe"]);
    await accounts.update(app.core, account, account.id, { lastName: null });
    expect(await names(user)).toEqual(["Jane", "Jane", null]);
    const both = { fullName: "J. Doe", firstName: "Jane", lastName: "Doe" };
    await accounts.update(app.core, account, account.id, both);
    expect(await names(user)).toEqual(["J. Doe", "Jane", "Doe"]);
  });

  test("an account without a name has null", async () => {
    await player(app, "nameless");
    const { token } = await signIn(app, "nameless@example.org", "Secret-123");
    expect((await me(app, token)).body.full_name).toBeNull();
  });
});

describe("the list", () => {
  async function people() {
    const boss = await admin(app);
    for (const [name, full_name] of [
      ["b", "100% Bob"],
      ["c", "under_score"],
      ["d", "back\\slash"],
      ["a", "Anna Ångström"],
    ] as const) {
      app.now += 1_000;
      await member(app, name, { full_name });
    }
    return boss;
  }

  test.each([
    ["%25", ["b@example.com"]],
    ["0%25 b", ["b@example.com"]],
    ["_", ["c@example.com"]],
    ["%5C", ["d@example.com"]],
    ["%5C%25", []],
    ["ANNA", ["a@example.com"]],
    ["C@EXAMPLE", ["c@example.com"]],
    ["'", []],
    ["%27%20OR%201%3D1%20--", []],
    ["%20anna%20", ["a@example.com"]],
    ["b@example.com", ["b@example.com"]],
  ])("search=%s", async (search, found) => {
    const boss = await people();
    expect(emails(must(await get(`/api/users?search=${search}`, boss.token), 200))).toEqual(found);
  });

  test.each(["анна", "Анна", "АННА", "аННа", "каренина", "анна КАР", "нна", "римская-корс", "Д'АРК"])(
    "names beyond ASCII are found in every case: %s",
    async (search) => {
      const boss = await people();
      const names = {
        title: "Анна Каренина Римская-Корсакова Д'Арк",
        lower: "анна каренина римская-корсакова д'арк",
        upper: "АННА КАРЕНИНА РИМСКАЯ-КОРСАКОВА Д'АРК",
      };
      for (const [name, full_name] of Object.entries(names)) await member(app, name, { full_name });
      await member(app, "other", { full_name: "Иван Грозный" });
      const found = await get(`/api/users?sort=email&search=${encodeURIComponent(search)}`, boss.token);
      expect(emails(found)).toEqual(["lower@example.com", "title@example.com", "upper@example.com"]);
    },
  );

  test("an empty search finds all", async () => {
    const boss = await people();
    for (const search of ["", "%20"]) {
      expect((await get(`/api/users?search=${search}`, boss.token)).body.pagination.total).toBe(5);
    }
  });

  const oldestFirst = ["admin", "b", "c", "d", "a"];
  const byName = ["a", "admin", "b", "c", "d"];
  test.each([
    ["", [...oldestFirst].reverse()],
    ["?sort=-created_at", [...oldestFirst].reverse()],
    ["?sort=created_at", oldestFirst],
    ["?sort=email", byName],
    ["?sort=-email", [...byName].reverse()],
    ["?sort=username", byName],
    ["?sort=full_name", ["b", "a", "admin", "d", "c"]],
    ["?sort=-login_count", ["a", "d", "c", "b", "admin"]],
    ["?sort=email&limit=2&page=2", ["b", "c"]],
    ["?sort=email&limit=2&page=3", ["d"]],
    ["?page=4&limit=2", []],
    ["?page=1000000000&limit=100", []],
    ["?is_active=true&limit=1&sort=email", ["a"]],
    ["?is_active=false", []],
  ])("/api/users%s", async (query, found) => {
    const boss = await people();
    const answer = must(await get(`/api/users${query}`, boss.token), 200);
    expect(emails(answer)).toEqual(found.map((name) => `${name}@example.com`));
    expect(answer.headers.get("Cache-Control")).toBe("no-store");
  });

  test("pages are counted up", async () => {
    const boss = await people();
    const { pagination } = (await get("/api/users?limit=2", boss.token)).body;
    expect(pagination).toEqual({ page: 1, limit: 2, total: 5, pages: 3 });
    const none = (await get("/api/users?search=zzz", boss.token)).body;
    expect(none).toEqual({ data: [], pagination: { page: 1, limit: 20, total: 0, pages: 0 } });
  });

  test("is_active tells the deactivated from the others", async () => {
    const boss = await people();
    const gone = await signIn(app, "c@example.com");
    must(await app.call("DELETE", `/api/users/${gone.id}`, { token: gone.token }), 204);
    const inactive = await get("/api/users?is_active=false", boss.token);
    expect(inactive.body.data).toEqual([
      {
        id: gone.id,
        email: gone.email,
        full_name: "under_score",
        is_active: false,
        created_at: expect.any(String),
      },
    ]);
    expect((await get("/api/users?is_active=true", boss.token)).body.pagination.total).toBe(4);
    expect((await get("/api/users", boss.token)).body.pagination.total).toBe(5);
  });

  test.each([
    ["page=0", "INVALID_PAGE_FORMAT"],
    ["page=-1", "INVALID_PAGE_FORMAT"],
    ["page=1.5", "INVALID_PAGE_FORMAT"],
    ["page=1e3", "INVALID_PAGE_FORMAT"],
    ["page=", "INVALID_PAGE_FORMAT"],
    ["page=99999999999999999999", "INVALID_PAGE_FORMAT"],
    ["page=1&page=2", "INVALID_PAGE_FORMAT"],
    ["limit=0", "INVALID_LIMIT_FORMAT"],
    ["limit=101", "INVALID_LIMIT_FORMAT"],
    ["limit=ten", "INVALID_LIMIT_FORMAT"],
    ["limit[]=5&limit=x", "INVALID_LIMIT_FORMAT"],
    ["sort=password_hash", "INVALID_SORT_FORMAT"],
    ["sort=--email", "INVALID_SORT_FORMAT"],
    ["sort=", "INVALID_SORT_FORMAT"],
    ["sort=email;drop table accounts", "INVALID_SORT_FORMAT"],
    ["sort=__proto__", "INVALID_SORT_FORMAT"],
    ["sort=toString", "INVALID_SORT_FORMAT"],
    ["sort=email,username", "INVALID_SORT_FORMAT"],
    ["is_active=yes", "INVALID_IS_ACTIVE_FORMAT"],
    ["is_active=", "INVALID_IS_ACTIVE_FORMAT"],
    ["search=%00", "INVALID_SEARCH_FORMAT"],
    [`search=${"x".repeat(201)}`, "INVALID_SEARCH_FORMAT"],
  ])("?%s is refused, not clamped", async (query, code) => {
    const boss = await admin(app);
    const answer = await get(`/api/users?${query}`, boss.token);
    expect(answer.status).toBe(400);
    expect(answer.body).toEqual(refusal(code, expect.anything() as unknown as object));
  });
});

describe("the export of one's own data", () => {
  type Part = Record<string, unknown>;

  async function subject() {
    const boss = await admin(app);
    const user = await member(app, "user");
    const other = await member(app, "other");
    const account = await accountOf(app, user);
    const stranger = await accountOf(app, other);
    must(await put(user, user.id, example), 200);
    const post = { title: "A post", content: "Its content", status: "published" };
    const { id } = must(
      await app.call("POST", "/api/blogs/posts", { token: user.token, body: post }),
      201,
    ).body;
    const path = `/api/blogs/posts/${id}/comments`;
    const comment = must(
      await app.call("POST", path, { token: user.token, body: { content: "My words" } }),
      201,
    );
    must(await app.call("POST", path, { token: other.token, body: { content: "Words of another" } }), 201);
    must(await app.call("POST", `/api/blogs/comments/${comment.body.id}/like`, { token: user.token }), 204);
    const game = { role: "sniper", result: "win" as const, durationSeconds: 60, playedAt: app.now };
    await app.core.db.insert(games).values([
      { accountId: account.id, ...game },
      { accountId: stranger.id, ...game, role: "not mine" },
    ]);
    const task = {
      kind: "stats" as const,
      status: "DONE" as const,
      dueAt: 0,
      createdAt: app.now,
    };
    await app.core.db.insert(reportTasks).values([
      { id: newId(), subjectId: account.id, requestedBy: account.id, report: "my figures", ...task },
      { id: newId(), subjectId: account.id, requestedBy: stranger.id, report: "my figures", ...task },
      { id: newId(), subjectId: stranger.id, requestedBy: account.id, report: "foreign figures", ...task },
      { id: newId(), subjectId: stranger.id, requestedBy: stranger.id, report: "foreign figures", ...task },
    ]);
    const role = { name: "inviter", permissions: ["invitations.create"] };
    const made = must(
      await app.call("POST", "/api/admin/roles", { token: boss.token, body: role }),
      201,
    ).body;
    const group = { name: "hosts", roles: [made.id] };
    const host = must(
      await app.call("POST", "/api/admin/groups", { token: boss.token, body: group }),
      201,
    ).body;
    const groupsPath = `/api/admin/users/${user.id}/groups`;
    must(await app.call("PUT", groupsPath, { token: boss.token, body: { ids: [host.id] } }), 200);
    must(await app.call("POST", "/api/admin/invitations", { token: user.token, body: { uses: 3 } }), 201);
    for (const [token, id, content] of [
      [user.token, "mine", "What I said"],
      [other.token, "theirs", "What another said"],
    ] as const) {
      must(await app.call("POST", "/ws/create-room", { token, body: { id, name: "room" } }), 200);
      must(await app.call("POST", "/ws/rooms/mine/messages", { token, body: { content } }), 201);
    }
    return { boss, user, other, account, stranger };
  }

  test("tells what others did to it, not who and from where; and what was mailed, not the secret", async () => {
    const { boss, user, other, account } = await subject();
    must(await put(boss, user.id, { company: "Other Corp" }), 200);
    must(await put(boss, other.id, { company: "Other Corp" }), 200);
    await app.call("POST", "/api/auth/login", { body: { email: user.email, password: "Wrong-Pass1" } });
    const { body } = await get("/api/users/me/export", user.token);
    const target = `account:${user.id}`;
    const foreign = body.audit.filter((row: Part) => row.actorId !== account.id);
    const entry = (action: string, details: Part) => ({
      id: expect.any(Number),
      at: app.now,
      action,
      target,
      details,
    });
    expect(foreign).toEqual([
      entry("groups.assigned", { groups: ["hosts"] }),
      entry("account.changed", { fields: ["company"] }),
      entry("sign-in.failed", { origin: "accounts" }),
    ]);
    expect(body.audit.filter((row: Part) => row.action === "sign-in")).toMatchObject([
      { actorId: account.id, address: "192.0.2.1" },
    ]);
    expect(body.mailedSecrets).toEqual([
      {
        purpose: "verify",
        accountId: account.id,
        email: user.email,
        createdAt: app.now,
        expiresAt: expect.any(Number),
        usedAt: null,
      },
    ]);
    expect(JSON.stringify(body)).not.toContain(boss.id);
  });

  test("holds every section, of this account alone, and no secret", async () => {
    const { user, other, account, stranger } = await subject();
    const answer = await get("/api/users/me/export", user.token);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("Content-Disposition")).toBe('attachment; filename="guildhall-export.json"');
    expect(answer.headers.get("Cache-Control")).toBe("no-store");
    const { body } = answer;
    expect(Object.keys(body)).toEqual([
      "account",
      "roles",
      "groups",
      "counters",
      "messages",
      "sessions",
      "games",
      "documents",
      "posts",
      "comments",
      "likes",
      "rooms",
      "invitations",
      "mailedSecrets",
      "waitingMails",
      "audit",
    ]);
    expect(body.account).toMatchObject({ uuid: user.id, email: user.email, company: "New Corp" });
    expect([body.roles, body.groups]).toEqual([["inviter"], ["hosts"]]);
    expect(body.sessions).toMatchObject([
      { accountId: account.id, origin: "accounts", address: "192.0.2.1" },
    ]);
    expect(body.games.map((row: Part) => row.role)).toEqual(["sniper"]);
    expect(body.posts).toMatchObject([{ title: "A post", content: "Its content" }]);
    expect(body.comments).toMatchObject([{ content: "My words" }]);
    expect(body.likes).toHaveLength(1);
    expect(body.messages).toEqual([
      {
        id: 1,
        roomId: 1,
        kind: "message",
        userId: account.id,
        username: account.username,
        content: "What I said",
        key: null,
        removedId: null,
        sentAt: app.now,
      },
    ]);
    expect(body.rooms).toEqual([
      {
        roomId: 1,
        userId: account.id,
        role: "owner",
        isMember: false,
        mutedUntil: null,
        bannedUntil: null,
        readId: 0,
        saidAt: null,
      },
    ]);
    expect(body.invitations).toMatchObject([{ uses: 3 }]);
    expect(body.audit.map((row: Part) => row.action)).toContain("account.registered");
    expect(
      body.documents.map(({ report, subjectId, requestedBy }: Part) => [report, subjectId, requestedBy]),
    ).toEqual([
      ["my figures", account.id, account.id],
      ["my figures", account.id, undefined],
      [undefined, stranger.id, account.id],
    ]);

    const text = JSON.stringify(body);
    const [row] = await app.core.db.select().from(accountsTable).where(eq(accountsTable.uuid, user.id));
    const [session] = await app.core.db.select().from(sessions).where(eq(sessions.accountId, account.id));
    const [secret] = await app.core.db
      .select()
      .from(mailedSecrets)
      .where(eq(mailedSecrets.accountId, account.id));
    for (const hidden of [
      row?.passwordHash,
      "$argon2",
      "passwordHash",
      session?.refreshJti,
      "refreshJti",
      secret?.hash,
      user.token,
      user.refreshToken,
      other.email,
      other.id,
      "Words of another",
      "What another said",
      "not mine",
      "foreign figures",
    ]) {
      expect(typeof hidden).toBe("string");
      expect(text).not.toContain(String(hidden));
    }
  });

  test("comes whole however many rows there are: each once, in valid JSON", async () => {
    const user = await member(app, "user");
    const { id } = await accountOf(app, user);
    const many = Array.from({ length: 1_203 }, (_, index) => ({
      accountId: id,
      role: `role ${index}`,
      result: "win" as const,
      durationSeconds: 60,
      playedAt: index,
    }));
    for (let from = 0; from < many.length; from += 500) {
      await app.core.db.insert(games).values(many.slice(from, from + 500));
    }
    const { body } = await get("/api/users/me/export", user.token);
    expect(body.games.map((row: Part) => row.role)).toEqual(many.map((row) => row.role));
    for (const section of ["documents", "posts", "comments", "likes", "messages", "rooms", "invitations"]) {
      expect([section, body[section]]).toEqual([section, []]);
    }
  });

  test("is sent in pieces, and a reader who goes away ends the reading", async () => {
    const user = await member(app, "user");
    const { id } = await accountOf(app, user);
    const at = { at: app.now, actorId: id, action: "sign-in" };
    for (let page = 0; page < 10; page++) {
      await app.core.db.insert(auditEntries).values(Array.from({ length: 500 }, () => at));
    }
    const reads = spyOn(app.core.db, "select");
    const request = new Request(`${PUBLIC_URL}/api/users/me/export`, {
      headers: { Authorization: `Bearer ${user.token}` },
    });
    const response = await app.fetch(request);
    const reader = response.body?.getReader();
    const first = await reader?.read();
    const atFirst = reads.mock.calls.length;
    expect(new TextDecoder().decode(first?.value)).toStartWith('{"account":{');
    await reader?.cancel();
    await Bun.sleep(20);
    expect(reads.mock.calls.length - atFirst).toBeLessThan(4);
    expect(atFirst).toBeLessThan(6);
  });

  test("is there for an account of every API, and only for its owner", async () => {
    const stats = await statsUser(app, "winner");
    const { body } = await get("/api/users/me/export", stats.token);
    expect(body.account).toMatchObject({ uuid: stats.uuid, username: "winner", origin: "stats" });
    expect((await get("/api/users/me/export")).status).toBe(401);
  });
});

test("the password of nobody is in any row that is told", async () => {
  const boss = await admin(app);
  await member(app, "user");
  for (const path of ["/api/users", "/api/users/me", `/api/users/${boss.id}`, "/api/users/me/export"]) {
    const text = JSON.stringify((await get(path, boss.token)).body);
    expect(text).not.toContain("argon2");
    expect(text).not.toContain(PASSWORD);
  }
});
