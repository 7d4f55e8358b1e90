import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { reportTasks } from "../../db/schema.ts";
import { newId } from "../../src/domain/ids.ts";
import * as roles from "../../src/domain/roles.ts";
import { PUBLIC_URL, startTestApp, type TestApp } from "../support/app.ts";
import { player } from "../support/people.ts";
import {
  accountOf,
  actions,
  admin,
  auditRows,
  delivered,
  forgot,
  type Member,
  me,
  member,
  must,
  NOW,
  PASSWORD,
  refusal,
  signIn,
  staff,
  tokenIn,
} from "./people.ts";

let app: TestApp;
beforeEach(async () => {
  app = await startTestApp();
});
afterEach(() => app.close());

const ADMIN_ID = 1;
const MODERATOR_ID = 2;
const UNKNOWN = "01900000-0000-7000-8000-000000000000";

const call = (who: Member, method: string, path: string, body?: unknown) =>
  app.call(method, `/api/admin${path}`, { token: who.token, ...(body === undefined ? {} : { body }) });
const makeRole = async (who: Member, name: string, permissions: readonly string[]): Promise<number> =>
  must(await call(who, "POST", "/roles", { name, permissions }), 201).body.id;
const makeGroup = async (who: Member, name: string, ids: readonly number[]): Promise<number> =>
  must(await call(who, "POST", "/groups", { name, roles: ids }), 201).body.id;
const giveRoles = (who: Member, to: Member, ids: readonly number[]) =>
  call(who, "PUT", `/users/${to.id}/roles`, { ids });
const giveGroups = (who: Member, to: Member, ids: readonly number[]) =>
  call(who, "PUT", `/users/${to.id}/groups`, { ids });
const rolesOf = async (who: Member): Promise<string[]> =>
  (await app.call("POST", "/api/auth/login", { body: { email: who.email, password: PASSWORD } })).body.user
    .roles;

describe("roles", () => {
  test("are listed, made, changed and deleted", async () => {
    const boss = await admin(app);
    const made = await call(boss, "POST", "/roles", { name: "editor", permissions: ["blog.moderate"] });
    expect([made.status, made.body]).toEqual([
      201,
      { id: 3, name: "editor", permissions: ["blog.moderate"] },
    ]);
    const changed = await call(boss, "PUT", "/roles/3", { name: "writer", permissions: [] });
    expect([changed.status, changed.body]).toEqual([200, { id: 3, name: "writer", permissions: [] }]);
    const listed = await call(boss, "GET", "/roles?limit=2&page=2");
    expect([listed.status, listed.body]).toEqual([
      200,
      { data: [changed.body], pagination: { page: 2, limit: 2, total: 3, pages: 2 } },
    ]);
    expect((await call(boss, "GET", "/roles")).body.data.slice(0, 2)).toEqual([
      { id: ADMIN_ID, name: "admin", permissions: ["*"] },
      { id: MODERATOR_ID, name: "moderator", permissions: ["blog.moderate", "chat.moderate"] },
    ]);
    const gone = await call(boss, "DELETE", "/roles/3");
    expect([gone.status, gone.body]).toEqual([204, ""]);
    expect((await call(boss, "DELETE", "/roles/3")).body).toEqual(refusal("NOT_FOUND"));
  });

  test("take effect with the next request: given, changed, taken and deleted", async () => {
    const boss = await admin(app);
    const user = await member(app, "user");
    const status = async () => (await call(user, "GET", "/audit")).status;
    const id = await makeRole(boss, "auditor", ["audit.read"]);
    expect(await status()).toBe(403);
    must(await giveRoles(boss, user, [id]), 200);
    expect(await status()).toBe(200);
    must(await call(boss, "PUT", `/roles/${id}`, { name: "auditor", permissions: [] }), 200);
    expect(await status()).toBe(403);
    must(await call(boss, "PUT", `/roles/${id}`, { name: "auditor", permissions: ["audit.read"] }), 200);
    expect(await status()).toBe(200);
    must(await giveRoles(boss, user, []), 200);
    expect(await status()).toBe(403);
    must(await giveRoles(boss, user, [id]), 200);
    must(await call(boss, "DELETE", `/roles/${id}`), 204);
    expect(await status()).toBe(403);
    expect(await rolesOf(user)).toEqual(["user"]);
  });

  test("replace each other whole; a doubled number counts once", async () => {
    const boss = await admin(app);
    const user = await member(app, "user");
    const id = await makeRole(boss, "editor", ["blog.moderate"]);
    const given = await giveRoles(boss, user, [id, MODERATOR_ID, id]);
    expect([given.status, given.body]).toEqual([
      200,
      {
        data: [
          { id: MODERATOR_ID, name: "moderator", permissions: ["blog.moderate", "chat.moderate"] },
          { id, name: "editor", permissions: ["blog.moderate"] },
        ],
      },
    ]);
    expect(await rolesOf(user)).toEqual(["user", "editor", "moderator"]);
    must(await giveRoles(boss, user, [id]), 200);
    expect(await rolesOf(user)).toEqual(["user", "editor"]);
    const unknown = await giveRoles(boss, user, [id, 999]);
    expect([unknown.status, unknown.body]).toEqual([404, refusal("NOT_FOUND")]);
    expect(await rolesOf(user)).toEqual(["user", "editor"]);
  });

  test("the role admin is neither changed nor deleted, by an administrator either", async () => {
    const boss = await admin(app);
    for (const answer of [
      await call(boss, "PUT", `/roles/${ADMIN_ID}`, { name: "boss", permissions: [] }),
      await call(boss, "PUT", `/roles/${ADMIN_ID}`, { name: "admin", permissions: ["*"] }),
      await call(boss, "DELETE", `/roles/${ADMIN_ID}`),
    ]) {
      expect([answer.status, answer.body]).toEqual([403, refusal("FORBIDDEN")]);
    }
  });

  test.each(["admin", "editor", "user"])(
    "the name %p is taken, for a new role and a renamed one",
    async (name) => {
      const boss = await admin(app);
      await makeRole(boss, "editor", []);
      const other = await makeRole(boss, "other", []);
      for (const answer of [
        await call(boss, "POST", "/roles", { name, permissions: [] }),
        await call(boss, "PUT", `/roles/${other}`, { name, permissions: [] }),
      ]) {
        expect([answer.status, answer.body]).toEqual([
          409,
          refusal("NAME_ALREADY_EXISTS", { field: "name" }),
        ]);
      }
    },
  );

  test.each<[unknown, string]>([
    [{ permissions: [] }, "MISSING_NAME"],
    [{ name: "", permissions: [] }, "INVALID_NAME_FORMAT"],
    [{ name: "x".repeat(65), permissions: [] }, "INVALID_NAME_FORMAT"],
    [{ name: ["editor"], permissions: [] }, "INVALID_NAME_FORMAT"],
    [{ name: "editor" }, "MISSING_PERMISSIONS"],
    [{ name: "editor", permissions: "audit.read" }, "INVALID_PERMISSIONS_FORMAT"],
    [{ name: "editor", permissions: { 0: "*" } }, "INVALID_PERMISSIONS_FORMAT"],
    [{ name: "editor", permissions: [7] }, "INVALID_PERMISSIONS_0_FORMAT"],
    [{ name: "editor", permissions: ["blog.*"] }, "INVALID_PERMISSIONS_0_FORMAT"],
    [{ name: "editor", permissions: ["Audit.Read"] }, "INVALID_PERMISSIONS_0_FORMAT"],
    [{ name: "editor", permissions: ["x".repeat(65)] }, "INVALID_PERMISSIONS_0_FORMAT"],
    [{ name: "editor", permissions: Array(101).fill("audit.read") }, "INVALID_PERMISSIONS_FORMAT"],
  ])("%j is refused", async (body, code) => {
    const boss = await admin(app);
    for (const [method, path] of [
      ["POST", "/roles"],
      ["PUT", `/roles/${MODERATOR_ID}`],
    ] as const) {
      const answer = await call(boss, method, path, body);
      expect([answer.status, answer.body.error.code]).toEqual([400, code]);
    }
    expect((await call(boss, "GET", "/roles")).body.pagination.total).toBe(2);
  });
});

describe("groups", () => {
  test("are listed, made, changed and deleted; their members have their roles", async () => {
    const boss = await admin(app);
    const user = await member(app, "user");
    const moderator = { id: MODERATOR_ID, name: "moderator" };
    const made = await call(boss, "POST", "/groups", { name: "staff", roles: [MODERATOR_ID] });
    const { id } = made.body;
    expect([made.status, made.body]).toEqual([201, { id, name: "staff", roles: [moderator] }]);
    const given = await giveGroups(boss, user, [id]);
    expect([given.status, given.body]).toEqual([200, { data: [made.body] }]);
    expect(await rolesOf(user)).toEqual(["user", "moderator"]);
    const editor = await makeRole(boss, "editor", ["audit.read"]);
    const changed = await call(boss, "PUT", `/groups/${id}`, { name: "crew", roles: [editor, MODERATOR_ID] });
    expect([changed.status, changed.body]).toEqual([
      200,
      { id, name: "crew", roles: [moderator, { id: editor, name: "editor" }] },
    ]);
    expect((await call(user, "GET", "/audit")).status).toBe(200);
    const listed = await call(boss, "GET", "/groups");
    expect([listed.status, listed.body]).toEqual([
      200,
      { data: [changed.body], pagination: { page: 1, limit: 20, total: 1, pages: 1 } },
    ]);
    const gone = await call(boss, "DELETE", `/groups/${id}`);
    expect([gone.status, gone.body]).toEqual([204, ""]);
    expect(await rolesOf(user)).toEqual(["user"]);
    for (const method of ["PUT", "DELETE"]) {
      const body = method === "PUT" ? { name: "x", roles: [] } : undefined;
      expect((await call(boss, method, `/groups/${id}`, body)).body).toEqual(refusal("NOT_FOUND"));
    }
    expect((await giveGroups(boss, user, [id])).status).toBe(404);
  });

  test("a taken name, unknown roles and what is no list of numbers are refused", async () => {
    const boss = await admin(app);
    await makeGroup(boss, "staff", []);
    const other = await makeGroup(boss, "other", []);
    for (const [method, path] of [
      ["POST", "/groups"],
      ["PUT", `/groups/${other}`],
    ] as const) {
      for (const [body, status, code] of [
        [{ name: "staff", roles: [] }, 409, "NAME_ALREADY_EXISTS"],
        [{ name: "new", roles: [999] }, 404, "NOT_FOUND"],
        [{ name: "new" }, 400, "MISSING_ROLES"],
        [{ name: "new", roles: [0] }, 400, "INVALID_ROLES_0_FORMAT"],
        [{ name: "new", roles: ["1"] }, 400, "INVALID_ROLES_0_FORMAT"],
        [{ name: "new", roles: [1.5] }, 400, "INVALID_ROLES_0_FORMAT"],
        [{ name: "new", roles: 1 }, 400, "INVALID_ROLES_FORMAT"],
        [{ name: "new", roles: Array(101).fill(1) }, 400, "INVALID_ROLES_FORMAT"],
      ] as const) {
        const answer = await call(boss, method, path, body);
        expect([body, answer.status, answer.body.error.code]).toEqual([body, status, code]);
      }
    }
    for (const id of ["0", "-1", "1.0", "abc", "9007199254740993", "1%20OR%201=1"]) {
      expect([id, (await call(boss, "DELETE", `/groups/${id}`)).status]).toEqual([id, 404]);
    }
    expect((await call(boss, "GET", "/groups")).body.pagination.total).toBe(2);
  });
});

test("what a user has directly is told: roles without those of their groups, groups with their roles", async () => {
  const boss = await admin(app);
  const user = await member(app, "user");
  const editor = await makeRole(boss, "editor", ["blog.moderate"]);
  const staffGroup = await makeGroup(boss, "staff", [MODERATOR_ID]);
  must(await giveRoles(boss, user, [editor]), 200);
  must(await giveGroups(boss, user, [staffGroup]), 200);
  const held = await call(boss, "GET", `/users/${user.id}/roles`);
  expect(held.body).toEqual({ data: [{ id: editor, name: "editor", permissions: ["blog.moderate"] }] });
  const groups = await call(boss, "GET", `/users/${user.id}/groups`);
  expect(groups.body).toEqual({
    data: [{ id: staffGroup, name: "staff", roles: [{ id: MODERATOR_ID, name: "moderator" }] }],
  });
  expect((await call(boss, "GET", `/users/${UNKNOWN}/roles`)).status).toBe(404);
});

describe("permissions", () => {
  const operations = [
    ["roles.manage", "GET", "/roles", undefined, 200],
    ["roles.manage", "POST", "/roles", { name: "new", permissions: [] }, 201],
    ["roles.manage", "PUT", "/roles/{role}", { name: "renamed", permissions: [] }, 200],
    ["roles.manage", "DELETE", "/roles/{role}", undefined, 204],
    ["roles.manage", "GET", "/groups", undefined, 200],
    ["roles.manage", "POST", "/groups", { name: "new", roles: [] }, 201],
    ["roles.manage", "PUT", "/groups/{group}", { name: "renamed", roles: [] }, 200],
    ["roles.manage", "DELETE", "/groups/{group}", undefined, 204],
    ["roles.manage", "GET", "/users/{user}/roles", undefined, 200],
    ["roles.manage", "GET", "/users/{user}/groups", undefined, 200],
    ["roles.manage", "PUT", "/users/{user}/roles", { ids: [] }, 200],
    ["roles.manage", "PUT", "/users/{user}/groups", { ids: [] }, 200],
    ["users.write", "POST", "/users/{user}/activate", undefined, 200],
    ["invitations.create", "GET", "/invitations", undefined, 200],
    ["invitations.create", "POST", "/invitations", { uses: 1 }, 201],
    ["invitations.create", "DELETE", "/invitations/{code}", undefined, 204],
    ["tasks.manage", "GET", "/tasks", undefined, 200],
    ["tasks.manage", "POST", "/tasks/{task}/retry", undefined, 200],
    ["audit.read", "GET", "/audit", undefined, 200],
  ] as const;

  test.each(operations)("%s is what %s %s needs", async (needed, method, path, body, status) => {
    const boss = await admin(app);
    const user = await member(app, "user");
    const holder = await staff(app, boss, "holder", [needed]);
    const all = [
      "users.read",
      "users.write",
      "roles.manage",
      "invitations.create",
      "tasks.manage",
      "audit.read",
    ];
    const others = all.filter((permission) => permission !== needed);
    const rest = await staff(app, boss, "rest", [...others, "blog.moderate", "chat.moderate"]);
    const { id: accountId } = await accountOf(app, user);
    const task = newId();
    await app.core.db.insert(reportTasks).values({
      id: task,
      kind: "stats",
      status: "FAILED",
      subjectId: accountId,
      requestedBy: accountId,
      dueAt: 0,
      createdAt: app.now,
    });
    const made =
      needed === "invitations.create" ? await call(holder, "POST", "/invitations", { uses: 1 }) : null;
    const real = path
      .replace("{role}", String(await makeRole(boss, "empty", [])))
      .replace("{group}", String(await makeGroup(boss, "empty", [])))
      .replace("{user}", user.id)
      .replace("{code}", made?.body.code ?? "none")
      .replace("{task}", task);

    const anonymous = await app.call(method, `/api/admin${real}`, body === undefined ? {} : { body });
    expect([anonymous.status, anonymous.body]).toEqual([401, refusal("UNAUTHORIZED")]);
    for (const who of [user, rest]) {
      const answer = await call(who, method, real, body);
      expect([answer.status, answer.body]).toEqual([403, refusal("FORBIDDEN")]);
    }
    const answer = await call(holder, method, real, body);
    expect(answer.status).toBe(status);
    if (status !== 204) expect(answer.headers.get("Cache-Control")).toBe("no-store");
  });

  test("nobody gives more than they hold, on any way", async () => {
    const boss = await admin(app);
    const manager = await staff(app, boss, "manager", ["roles.manage", "invitations.create", "users.write"]);
    const user = await member(app, "user");
    const own = await makeRole(manager, "invites", ["invitations.create"]);
    const adminGroup = await makeGroup(boss, "admins", [ADMIN_ID]);
    const empty = await makeGroup(manager, "empty", []);
    const other = await staff(app, boss, "other", ["audit.read"]);
    must(await giveGroups(boss, boss, [adminGroup]), 200);
    must(await giveRoles(manager, user, [own]), 200);
    must(await giveRoles(manager, user, []), 200);

    for (const [method, path, body] of [
      ["POST", "/roles", { name: "new", permissions: ["*"] }],
      ["POST", "/roles", { name: "new", permissions: ["invitations.create", "audit.read"] }],
      ["POST", "/roles", { name: "new", permissions: ["made.up"] }],
      ["PUT", `/roles/${own}`, { name: "invites", permissions: ["*"] }],
      ["PUT", `/roles/${MODERATOR_ID}`, { name: "moderator", permissions: [] }],
      ["DELETE", `/roles/${MODERATOR_ID}`, undefined],
      ["POST", "/groups", { name: "new", roles: [ADMIN_ID] }],
      ["PUT", `/groups/${empty}`, { name: "empty", roles: [MODERATOR_ID] }],
      ["PUT", `/groups/${adminGroup}`, { name: "admins", roles: [] }],
      ["DELETE", `/groups/${adminGroup}`, undefined],
      ["PUT", `/users/${user.id}/roles`, { ids: [ADMIN_ID] }],
      ["PUT", `/users/${manager.id}/roles`, { ids: [ADMIN_ID] }],
      ["PUT", `/users/${user.id}/groups`, { ids: [adminGroup] }],
      ["PUT", `/users/${manager.id}/groups`, { ids: [empty, adminGroup] }],
      ["PUT", `/users/${other.id}/roles`, { ids: [] }],
      ["PUT", `/users/${boss.id}/roles`, { ids: [] }],
      ["PUT", `/users/${boss.id}/groups`, { ids: [] }],
      ["POST", "/invitations", { uses: 1, role: "admin" }],
      ["POST", "/invitations", { uses: 1, role: "moderator" }],
    ] as const) {
      const answer = await call(manager, method, path, body);
      expect([method, path, answer.status, answer.body]).toEqual([method, path, 403, refusal("FORBIDDEN")]);
    }
    expect(await rolesOf(boss)).toEqual(["user", "admin"]);
    expect(await rolesOf(user)).toEqual(["user"]);
    expect(await rolesOf(manager)).toEqual(["user", "role of manager"]);
  });

  test("an invitation to a role needs the right to manage roles as well", async () => {
    const boss = await admin(app);
    const inviter = await staff(app, boss, "inviter", [
      "invitations.create",
      "blog.moderate",
      "chat.moderate",
    ]);
    expect((await call(inviter, "POST", "/invitations", { uses: 1, role: "moderator" })).status).toBe(403);
    expect((await call(boss, "POST", "/invitations", { uses: 1, role: "moderator" })).status).toBe(201);
    expect((await call(boss, "POST", "/invitations", { uses: 1, role: "nothing" })).status).toBe(404);
  });
});

describe("an account whose password does not meet the rule", () => {
  test("gets no role: not directly, by a group, nor by a group that gets one later", async () => {
    const boss = await admin(app);
    await player(app, "weak", { password: "secret", email: "weak@example.com" });
    const weak = await signIn(app, "weak@example.com", "secret");
    const tooWeak = [400, refusal("INVALID_PASSWORD_FORMAT")];
    const staffGroup = await makeGroup(boss, "staff", [MODERATOR_ID]);
    const empty = await makeGroup(boss, "empty", []);
    for (const answer of [
      await giveRoles(boss, weak, [MODERATOR_ID]),
      await giveGroups(boss, weak, [staffGroup]),
    ]) {
      expect([answer.status, answer.body]).toEqual(tooWeak);
    }
    must(await giveGroups(boss, weak, [empty]), 200);
    const later = await call(boss, "PUT", `/groups/${empty}`, { name: "empty", roles: [MODERATOR_ID] });
    expect([later.status, later.body]).toEqual(tooWeak);
    expect(await roles.namesOf(app.core, (await accountOf(app, weak)).id)).toEqual([]);
    must(await giveRoles(boss, weak, []), 200);
    must(await call(boss, "PUT", `/groups/${empty}`, { name: "renamed", roles: [] }), 200);
  });

  test("may get one after a reset, and with one keeps a strong password", async () => {
    const boss = await admin(app);
    const { id, token } = await player(app, "weak", { password: "secret", email: "weak@example.com" });
    await delivered(app);
    const strong = { password: PASSWORD, confirm_password: PASSWORD };
    const link = tokenIn((await forgot(app, "weak@example.com"))[0]);
    must(await app.call("POST", "/api/auth/reset-password", { body: { token: link, ...strong } }), 200);
    const now = await signIn(app, "weak@example.com");
    must(await giveRoles(boss, now, [MODERATOR_ID]), 200);
    const body = { password: "weaker", current_password: PASSWORD };
    const weaker = await app.call("PATCH", `/users/${id}`, { token: now.token, body });
    expect(weaker.status).toBe(400);
    expect((await me(app, token)).status).toBe(401);
    await signIn(app, "weak@example.com");
  });
});

describe("the last administrator stays", () => {
  const stays = [403, refusal("FORBIDDEN")];

  test("against a revoked role, an empty list, a deactivation by every API and by the shell", async () => {
    const boss = await admin(app);
    const account = await accountOf(app, boss);
    for (const answer of [
      await giveRoles(boss, boss, []),
      await giveRoles(boss, boss, [MODERATOR_ID]),
      await app.call("DELETE", `/api/users/${boss.id}`, { token: boss.token }),
    ]) {
      expect([answer.status, answer.body]).toEqual(stays);
    }
    expect((await app.call("DELETE", `/users/${account.id}`, { token: boss.token })).status).toBe(403);
    await expect(roles.revoke(app.core, account, "admin")).rejects.toMatchObject({ code: "lastAdmin" });
    expect(await rolesOf(boss)).toEqual(["user", "admin"]);
    expect((await me(app, boss.token)).body.is_active).toBe(true);
  });

  test("who is one by a group alone: against a changed group, a deleted one, and leaving it", async () => {
    const boss = await admin(app);
    const id = await makeGroup(boss, "admins", [ADMIN_ID]);
    must(await giveGroups(boss, boss, [id]), 200);
    must(await giveRoles(boss, boss, []), 200);
    for (const answer of [
      await call(boss, "PUT", `/groups/${id}`, { name: "admins", roles: [] }),
      await call(boss, "PUT", `/groups/${id}`, { name: "admins", roles: [MODERATOR_ID] }),
      await call(boss, "DELETE", `/groups/${id}`),
      await giveGroups(boss, boss, []),
      await app.call("DELETE", `/api/users/${boss.id}`, { token: boss.token }),
    ]) {
      expect([answer.status, answer.body]).toEqual(stays);
    }
    expect(await rolesOf(boss)).toEqual(["user", "admin"]);
    expect((await call(boss, "PUT", `/groups/${id}`, { name: "renamed", roles: [ADMIN_ID] })).status).toBe(
      200,
    );
  });

  test("a deactivated one does not count", async () => {
    const boss = await admin(app);
    const second = await admin(app, "second");
    must(await app.call("DELETE", `/api/users/${second.id}`, { token: second.token }), 204);
    expect((await giveRoles(boss, boss, [])).status).toBe(403);
    must(await call(boss, "POST", `/users/${second.id}/activate`), 200);
    expect((await giveRoles(boss, boss, [])).status).toBe(200);
  });

  const ways: Record<string, (who: Member) => Promise<{ status: number }>> = {
    "give up the role": (who) => giveRoles(who, who, []),
    "delete themselves": (who) => app.call("DELETE", `/api/users/${who.id}`, { token: who.token }),
  };
  test.each(Object.keys(ways))("when two %s at once, ten times over", async (way) => {
    let first = await admin(app, "first");
    let second = await admin(app, "second");
    for (let round = 0; round < 10; round++) {
      const leave = ways[way] ?? (() => Promise.reject(new Error("no such way")));
      const answers = await Promise.all([leave(first), leave(second)]);
      const statuses = answers.map((answer) => answer.status);
      expect(statuses.filter((status) => status === 403)).toHaveLength(1);
      const left = statuses[0] === 403 ? first : second;
      expect(await roles.hasAdmin(app.core)).toBe(true);
      first = left;
      second = await admin(app, `admin${round}`);
    }
  });

  test("when two remove each other at once", async () => {
    const first = await admin(app, "first");
    const second = await admin(app, "second");
    const answers = await Promise.all([giveRoles(first, second, []), giveRoles(second, first, [])]);
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, 403]);
    expect(await roles.hasAdmin(app.core)).toBe(true);
  });

  test("a refused removal leaves no trace: roles, sessions and audit as before", async () => {
    const boss = await admin(app);
    const before = await auditRows(app);
    must(await giveRoles(boss, boss, []), 403);
    must(await app.call("DELETE", `/api/users/${boss.id}`, { token: boss.token }), 403);
    expect(await auditRows(app)).toEqual(before);
    expect((await me(app, boss.token)).status).toBe(200);
  });
});

describe("a user", () => {
  test("is told with the username to who may read users and to themselves, until they are erased", async () => {
    const boss = await admin(app, "boss");
    const user = await member(app, "user", { username: "The User" });
    const reader = await staff(app, boss, "reader", ["users.read"]);
    const { status, body, headers } = await call(reader, "GET", `/users/${user.id}`);
    expect([status, body]).toEqual([
      200,
      {
        id: user.id,
        username: "The User",
        email: "user@example.com",
        full_name: "user Doe",
        is_active: true,
        created_at: NOW,
      },
    ]);
    expect(headers.get("Cache-Control")).toBe("no-store");
    const refused = await call(user, "GET", `/users/${reader.id}`);
    expect([refused.status, refused.body]).toEqual([403, refusal("FORBIDDEN")]);
    expect((await call(reader, "GET", `/users/${UNKNOWN}`)).status).toBe(404);
    must(await call(boss, "POST", `/users/${user.id}/erase`), 204);
    expect((await call(reader, "GET", `/users/${user.id}`)).status).toBe(404);
    expect((await call(reader, "GET", `/users/${reader.id}`)).status).toBe(200);
  });
});

describe("activation", () => {
  test("lets a deactivated account sign in again; its old tokens stay dead", async () => {
    const boss = await admin(app);
    const user = await member(app, "user");
    must(await app.call("DELETE", `/api/users/${user.id}`, { token: boss.token }), 204);
    const answer = await call(boss, "POST", `/users/${user.id}/activate`);
    expect([answer.status, answer.body]).toEqual([200, { id: user.id, is_active: true }]);
    expect((await me(app, user.token)).status).toBe(401);
    expect((await me(app, (await signIn(app, user.email)).token)).body.is_active).toBe(true);
  });

  test("of who is unknown is 404", async () => {
    const boss = await admin(app);
    for (const id of [UNKNOWN, "7", "%00"]) {
      const answer = await call(boss, "POST", `/users/${id}/activate`);
      expect([answer.status, answer.body]).toEqual([404, refusal("USER_NOT_FOUND")]);
    }
  });
});

describe("invitations", () => {
  test("are made with a link, listed newest first, and taken back", async () => {
    const boss = await admin(app);
    const expires_at = "2026-05-01T00:00:00Z";
    const made = await call(boss, "POST", "/invitations", { uses: 3, expires_at, role: "moderator" });
    expect(made.status).toBe(201);
    expect(made.body).toEqual({
      code: expect.stringMatching(/^[\w-]{43}$/),
      url: `${PUBLIC_URL}/login?invitation=${made.body.code}`,
      uses: 3,
      uses_left: 3,
      expires_at,
      role: "moderator",
      created_at: NOW,
    });
    app.now += 1_000;
    const plain = await call(boss, "POST", "/invitations", { uses: 1, expires_at: null, role: null });
    expect(plain.body).toMatchObject({ uses: 1, expires_at: null, role: null });
    const listed = await call(boss, "GET", "/invitations");
    expect([listed.status, listed.body]).toEqual([
      200,
      { data: [plain.body, made.body], pagination: { page: 1, limit: 20, total: 2, pages: 1 } },
    ]);
    expect((await call(boss, "DELETE", `/invitations/${made.body.code}`)).status).toBe(204);
    expect((await call(boss, "GET", "/invitations")).body.data).toEqual([plain.body]);
    const before = (await auditRows(app)).length;
    const again = await call(boss, "DELETE", `/invitations/${made.body.code}`);
    expect([again.status, again.body]).toEqual([404, refusal("NOT_FOUND")]);
    expect((await auditRows(app)).length).toBe(before);
  });

  test("whose code is a way to a role are shown to nobody but their maker and administrators", async () => {
    const boss = await admin(app);
    const inviter = await staff(app, boss, "inviter", ["invitations.create", "users.write", "users.read"]);
    const secret = must(await call(boss, "POST", "/invitations", { uses: 1, role: "admin" }), 201).body;
    const own = must(await call(inviter, "POST", "/invitations", { uses: 1 }), 201).body;
    expect((await call(inviter, "GET", "/invitations")).body).toMatchObject({
      data: [own],
      pagination: { total: 1 },
    });
    expect((await call(inviter, "DELETE", `/invitations/${secret.code}`)).status).toBe(404);
    expect((await call(boss, "GET", "/invitations")).body.pagination.total).toBe(2);
    expect((await call(boss, "DELETE", `/invitations/${own.code}`)).status).toBe(204);
  });

  test.each<[unknown, string]>([
    [{}, "MISSING_USES"],
    [{ uses: 0 }, "INVALID_USES_FORMAT"],
    [{ uses: 1_000_001 }, "INVALID_USES_FORMAT"],
    [{ uses: 1.5 }, "INVALID_USES_FORMAT"],
    [{ uses: "3" }, "INVALID_USES_FORMAT"],
    [{ uses: [3] }, "INVALID_USES_FORMAT"],
    [{ uses: 3, expires_at: "tomorrow" }, "INVALID_EXPIRES_AT_FORMAT"],
    [{ uses: 3, expires_at: "2026-05-01" }, "INVALID_EXPIRES_AT_FORMAT"],
    [{ uses: 3, expires_at: 1_800_000_000 }, "INVALID_EXPIRES_AT_FORMAT"],
    [{ uses: 3, role: ["admin"] }, "INVALID_ROLE_FORMAT"],
  ])("%j are refused", async (body, code) => {
    const boss = await admin(app);
    const answer = await call(boss, "POST", "/invitations", body);
    expect([answer.status, answer.body.error.code]).toEqual([400, code]);
  });
});

test.each(["2026-04-14T10:30:00Z", "2026-04-14T10:29:59Z", "1999-01-01T00:00:00Z"])(
  "an invitation that has ended before it is made is refused: %s",
  async (expires_at) => {
    const boss = await admin(app);
    const before = await auditRows(app);
    const answer = await call(boss, "POST", "/invitations", { uses: 1, expires_at });
    expect([answer.status, answer.body]).toEqual([400, refusal("VALIDATION_ERROR", { field: "expires_at" })]);
    expect((await call(boss, "GET", "/invitations")).body.data).toEqual([]);
    expect(await auditRows(app)).toEqual(before);
  },
);

describe("tasks", () => {
  async function twoTasks() {
    const boss = await admin(app);
    const user = await member(app, "user");
    const [mine, theirs] = [await accountOf(app, boss), await accountOf(app, user)];
    const rows = [
      { status: "FAILED" as const, error: "no fonts", finishedAt: app.now, attempts: 5 },
      { status: "PENDING" as const, error: null, finishedAt: null, attempts: 0 },
    ].map((more) => ({
      id: newId(),
      kind: "stats" as const,
      subjectId: theirs.id,
      requestedBy: mine.id,
      dueAt: app.now,
      createdAt: app.now,
      ...more,
    }));
    await app.core.db.insert(reportTasks).values(rows);
    return { boss, failed: rows[0]?.id ?? "", pending: rows[1]?.id ?? "" };
  }
  const spelled = {
    kind: "stats",
    subject: "user",
    requested_by: "admin",
    created_at: NOW,
  };

  test("are listed newest first, by status too, and a failed one is tried again once", async () => {
    const { boss, failed, pending } = await twoTasks();
    const failedTask = {
      id: failed,
      ...spelled,
      status: "FAILED",
      attempts: 5,
      error: "no fonts",
      finished_at: NOW,
    };
    const waiting = {
      id: pending,
      ...spelled,
      status: "PENDING",
      attempts: 0,
      error: null,
      finished_at: null,
    };
    const pagination = (total: number) => ({ page: 1, limit: 20, total, pages: 1 });
    const listed = await call(boss, "GET", "/tasks");
    expect(listed.body).toEqual({ data: [waiting, failedTask], pagination: pagination(2) });
    const filtered = await call(boss, "GET", "/tasks?status=FAILED");
    expect(filtered.body).toEqual({ data: [failedTask], pagination: pagination(1) });
    const retried = await call(boss, "POST", `/tasks/${failed}/retry`);
    expect([retried.status, retried.body]).toEqual([200, { ...waiting, id: failed }]);
    for (const id of [failed, pending]) {
      const answer = await call(boss, "POST", `/tasks/${id}/retry`);
      expect([answer.status, answer.body]).toEqual([409, refusal("TASK_NOT_FAILED")]);
    }
    const unknown = await call(boss, "POST", `/tasks/${UNKNOWN}/retry`);
    expect([unknown.status, unknown.body]).toEqual([404, refusal("TASK_NOT_FOUND")]);
    expect((await actions(app)).filter((action) => action === "task.retried")).toHaveLength(1);
    const bad = await call(boss, "GET", "/tasks?status=failed");
    expect([bad.status, bad.body.error.code]).toEqual([400, "INVALID_STATUS_FORMAT"]);
  });
});

describe("the audit log", () => {
  test("has an entry for every act, with who, what, to whom and from where", async () => {
    const boss = await admin(app);
    const user = await member(app, "user");
    const toRole = must(await call(boss, "POST", "/invitations", { uses: 1, role: "moderator" }), 201).body;
    const from = (await auditRows(app)).length;
    await app.call("POST", "/api/auth/login", { body: { email: user.email, password: "Wrong-Pass1" } });
    await app.call("POST", "/api/auth/login", {
      body: { email: "nobody@example.com", password: "Wrong-Pass1" },
    });
    await app.call("POST", "/login", { body: { username: "user", password: "Wrong-Pass1" } });
    const role = await makeRole(boss, "editor", ["blog.moderate"]);
    must(await call(boss, "PUT", `/roles/${role}`, { name: "writer", permissions: [] }), 200);
    const group = await makeGroup(boss, "staff", [role]);
    must(await call(boss, "PUT", `/groups/${group}`, { name: "crew", roles: [] }), 200);
    must(await giveRoles(boss, user, [role]), 200);
    must(await giveGroups(boss, user, [group]), 200);
    must(await call(boss, "DELETE", `/groups/${group}`), 204);
    must(await call(boss, "DELETE", `/roles/${role}`), 204);
    const { code } = must(await call(boss, "POST", "/invitations", { uses: 2 }), 201).body;
    const invited = `invitation:${createHash("sha256").update(code).digest("hex").slice(0, 12)}`;
    must(await call(boss, "DELETE", `/invitations/${code}`), 204);
    must(await call(boss, "DELETE", `/invitations/${toRole.code}`), 204);
    must(await app.call("DELETE", `/api/users/${user.id}`, { token: boss.token }), 204);
    must(await call(boss, "POST", `/users/${user.id}/activate`), 200);
    const rows = (await call(boss, "GET", "/audit?limit=100")).body.data.reverse().slice(from);
    const account = `account:${user.id}`;
    const entry = (action: string, actor: string | null, target: string | null, details: unknown) => ({
      id: expect.any(Number),
      at: NOW,
      actor,
      action,
      target,
      address: "192.0.2.1",
      details,
    });
    const by = boss.id;
    expect(rows).toEqual([
      entry("sign-in.failed", null, account, { origin: "accounts" }),
      entry("sign-in.failed", null, null, { origin: "accounts" }),
      entry("sign-in.failed", null, account, { origin: "players" }),
      entry("role.created", by, `role:${role}`, { name: "editor", permissions: ["blog.moderate"] }),
      entry("role.changed", by, `role:${role}`, {
        before: { name: "editor", permissions: ["blog.moderate"] },
        after: { name: "writer", permissions: [] },
      }),
      entry("group.created", by, `group:${group}`, { name: "staff", roles: [role] }),
      entry("group.changed", by, `group:${group}`, { name: "crew", roles: [] }),
      entry("roles.assigned", by, account, { roles: ["writer"] }),
      entry("groups.assigned", by, account, { groups: ["crew"] }),
      entry("group.deleted", by, `group:${group}`, { name: "crew" }),
      entry("role.deleted", by, `role:${role}`, { name: "writer" }),
      entry("invitation.created", by, invited, { uses: 2, expiresAt: null, role: null }),
      entry("invitation.deleted", by, invited, { uses: 2, role: null }),
      entry("invitation.deleted", by, expect.stringMatching(/^invitation:[0-9a-f]{12}$/), {
        uses: 1,
        role: "moderator",
      }),
      entry("account.deactivated", by, account, null),
      entry("account.activated", by, account, null),
    ]);
  });

  test("is filtered by actor and action, newest first, in pages", async () => {
    const boss = await admin(app);
    const user = await member(app, "user");
    const read = async (query: string) => must(await call(boss, "GET", `/audit?${query}`), 200).body;
    const mine = await read(`actor=${user.id}`);
    expect(mine.data.map((row: { action: string }) => row.action)).toEqual(["sign-in", "account.registered"]);
    const both = await read(`actor=${user.id}&action=sign-in`);
    expect(both.data).toEqual([mine.data[0]]);
    const { data, pagination } = await read("action=sign-in&limit=1&page=2");
    expect(data.map((row: { actor: string }) => row.actor)).toEqual([boss.id]);
    expect(pagination).toEqual({ page: 2, limit: 1, total: 2, pages: 2 });
    expect((await read("action=nothing")).data).toEqual([]);
    const unknown = await call(boss, "GET", `/audit?actor=${UNKNOWN}`);
    expect([unknown.status, unknown.body]).toEqual([404, refusal("USER_NOT_FOUND")]);
    for (const [query, code] of [
      ["page=0", "INVALID_PAGE_FORMAT"],
      ["limit=101", "INVALID_LIMIT_FORMAT"],
      [`action=${"x".repeat(65)}`, "INVALID_ACTION_FORMAT"],
    ] as const) {
      const answer = await call(boss, "GET", `/audit?${query}`);
      expect([answer.status, answer.body.error.code]).toEqual([400, code]);
    }
  });

  test("holds no password, token, code or secret, whatever was done", async () => {
    const boss = await admin(app);
    const user = await member(app, "user");
    await delivered(app);
    const secrets = [PASSWORD, "Typed-Wrong1", "Next-Password1", boss.token, user.token, user.refreshToken];
    await app.call("POST", "/api/auth/login", { body: { email: "Typed-Wrong1", password: "Typed-Wrong1" } });
    await app.call("POST", "/api/auth/login", { body: { username: user.token, password: user.token } });
    const invitation = must(
      await call(boss, "POST", "/invitations", { uses: 1, role: "moderator" }),
      201,
    ).body;
    secrets.push(invitation.code);
    await member(app, "invited", { invitation: invitation.code });
    await delivered(app);
    const link = tokenIn((await forgot(app, user.email))[0]);
    secrets.push(link);
    const next = { password: "Next-Password1", confirm_password: "Next-Password1" };
    must(await app.call("POST", "/api/auth/reset-password", { body: { token: link, ...next } }), 200);
    const { token, refreshToken } = await signIn(app, user.email, "Next-Password1");
    secrets.push(token, refreshToken);
    await app.call("DELETE", `/api/auth/sessions/${token}`, { token });
    await app.call("DELETE", `/api/admin/invitations/${invitation.code}`, { token: boss.token });
    const body = { current_password: "Next-Password1", password: PASSWORD, confirm_password: PASSWORD };
    must(await app.call("POST", "/api/auth/change-password", { token, body }), 200);
    must(await app.call("PUT", `/api/users/${user.id}`, { token, body: { email: "next@example.com" } }), 200);
    secrets.push(tokenIn((await delivered(app)).find((mail) => mail.to === "next@example.com")));
    must(await app.call("POST", "/api/auth/logout", { token }), 200);
    const rows = JSON.stringify(await auditRows(app));
    const counters = JSON.stringify(await app.core.db.query.rateLimits.findMany());
    for (const secret of secrets) {
      expect(rows).not.toContain(secret);
      expect(counters).not.toContain(secret);
    }
    expect(counters).not.toContain("typed-wrong1");
    expect(rows).toContain("roles.assigned");
  });
});
