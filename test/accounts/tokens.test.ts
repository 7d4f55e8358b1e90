import { afterEach, beforeEach, expect, test } from "bun:test";
import { openApiDocument } from "../../src/openapi.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { player, statsUser } from "../support/people.ts";
import { badTokens } from "../support/token-failures.ts";
import { admin, must, PASSWORD, signIn, UUID } from "./people.ts";

let app: TestApp;
beforeEach(async () => {
  app = await startTestApp();
});
afterEach(() => app.close());

/** A body that each protected operation takes; null where it takes none. What is missing here fails the test. */
const BODIES: Readonly<Record<string, object | null>> = {
  "DELETE /api/admin/groups/{id}": null,
  "DELETE /api/admin/invitations/{code}": null,
  "DELETE /api/admin/roles/{id}": null,
  "DELETE /api/auth/sessions": null,
  "DELETE /api/auth/sessions/{id}": null,
  "DELETE /api/blogs/comments/{id}": null,
  "DELETE /api/blogs/comments/{id}/like": null,
  "DELETE /api/blogs/posts/{id}": null,
  "DELETE /api/users/{id}": null,
  "DELETE /users/{id}": null,
  "GET /account/me": null,
  "GET /api/admin/audit": null,
  "GET /api/admin/groups": null,
  "GET /api/admin/invitations": null,
  "GET /api/admin/roles": null,
  "GET /api/admin/tasks": null,
  "GET /api/auth/sessions": null,
  "GET /api/stats/tasks/{id}": null,
  "GET /api/stats/tasks/{id}/events": null,
  "GET /api/users": null,
  "GET /api/users/me": null,
  "GET /api/users/me/export": null,
  "GET /api/users/myself": null,
  "GET /api/users/{id}": null,
  "GET /users/{id}/games": null,
  "GET /users/{id}/pdf": null,
  "GET /users/{id}/stats": null,
  "PATCH /users/{id}": {},
  "PATCH /users/{id}/stats": {},
  "POST /account/edit/avatar": null,
  "POST /account/edit/info": {},
  "POST /api/admin/groups": { name: "group", roles: [] },
  "POST /api/admin/invitations": { uses: 1 },
  "POST /api/admin/roles": { name: "role", permissions: [] },
  "POST /api/admin/tasks/{id}/retry": null,
  "POST /api/admin/users/{id}/activate": null,
  "POST /api/auth/change-password": {
    current_password: PASSWORD,
    password: PASSWORD,
    confirm_password: PASSWORD,
  },
  "POST /api/auth/issue-access-token": null,
  "POST /api/auth/logout": null,
  "POST /api/blogs/comments/{id}/like": null,
  "POST /api/blogs/posts": { title: "title", content: "content" },
  "POST /api/blogs/posts/{id}/comments": { content: "content" },
  "POST /api/stats/{username}": null,
  "POST /users/{id}/games": { role: "role", result: "win", duration: 1 },
  "POST /users/{id}/pdf": null,
  "PUT /api/admin/groups/{id}": { name: "group", roles: [] },
  "PUT /api/admin/roles/{id}": { name: "role", permissions: [] },
  "PUT /api/admin/users/{id}/groups": { ids: [] },
  "PUT /api/admin/users/{id}/roles": { ids: [] },
  "PUT /api/blogs/comments/{id}": { content: "content" },
  "PUT /api/blogs/posts/{id}": {},
  "PUT /api/users/myself": { username: "name", email: "name@example.org", sex: "x" },
  "PUT /api/users/{id}": {},
  "PUT /users/{id}": {},
  "PUT /users/{id}/stats": {},
};

/** Reads are for everybody, and what the document protects is only what a token adds. */
const OPTIONAL: ReadonlySet<string> = new Set();

type Operation = { readonly security?: readonly object[] };

const operations = (): [string, Operation][] =>
  Object.entries(openApiDocument().paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item as Record<string, Operation>).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  );

const protectedRoutes = operations()
  .filter(([name, { security }]) => (security ?? []).length > 0 && !OPTIONAL.has(name))
  .map(([name]) => name)
  .sort();

/** With names that exist where the path wants one: the token is to be looked at before anything else. */
const filled = (path: string, id: string) =>
  path
    .replace("{username}", "good")
    .replace("{code}", "code")
    .replace("{id}", /^\/users/.test(path) ? "1" : id);

test("every protected operation of the OpenAPI document has its line in the table, and no other", () => {
  expect(protectedRoutes).toEqual(Object.keys(BODIES).sort());
});

test.each(protectedRoutes)("%s refuses every bad token with 401, also with a valid body", async (name) => {
  const [method = "", path = ""] = name.split(" ");
  const body = BODIES[name];
  if (body === undefined) throw new Error("no body for it");
  const boss = await admin(app);
  const good = await statsUser(app, "good");
  const revoked = await signIn(app, boss.email);
  must(await app.call("POST", "/api/auth/logout", { token: revoked.token }), 200);
  const gone = await player(app, "gone");
  must(await app.call("DELETE", `/users/${gone.id}`, { token: gone.token }), 204);
  const issuing = path === "/api/auth/issue-access-token";
  // An administrator's, so that no permission is what refuses it.
  const bad = await badTokens(app, boss.token, { revoked: revoked.token, deactivated: gone.token });
  const others = [
    { name: "a refresh token", code: "INVALID_TOKEN", token: boss.refreshToken },
    ...(issuing
      ? [{ name: "an access token", code: "INVALID_TOKEN", token: boss.token }]
      : [{ name: "a stats refresh token", code: "INVALID_TOKEN", token: good.refreshToken }]),
  ];
  for (const { name: reason, code, token } of [...bad, ...others]) {
    for (const bare of [false, true]) {
      if (token === undefined && bare) continue;
      const answer = await app.call(method, filled(path, boss.id), {
        headers: token === undefined ? {} : { Authorization: bare ? token : `Bearer ${token}` },
        ...(body === null ? {} : { body }),
      });
      expect([reason, answer.status]).toEqual([reason, 401]);
      expect(answer.headers.get("WWW-Authenticate")).toBe("Bearer");
      const wanted = issuing && isForSomethingElse(code) ? "INVALID_TOKEN" : code;
      if (path.startsWith("/api/")) {
        expect(answer.body).toEqual({ error: { code: wanted, message: expect.any(String) } });
      } else if (path.startsWith("/users")) {
        expect(answer.body).toEqual({ success: false, message: expect.any(String) });
      } else {
        expect(answer.body).toEqual({ errorMessage: expect.any(String) });
      }
    }
  }
});

/** The bad ones were access tokens once: where another purpose is wanted that is what is said of the well-signed ones. */
const isForSomethingElse = (code: string): boolean =>
  code === "TOKEN_EXPIRED" || code === "UNAUTHORIZED_SESSION";

test("what needs no token in the document needs none: no other operation answers 401 for the lack of one", async () => {
  const open = operations()
    .map(([name]) => name)
    .filter((name) => !protectedRoutes.includes(name));
  expect(open.length).toBeGreaterThan(10);
  for (const name of open) {
    const [method = "", path = ""] = name.split(" ");
    const answer = await app.call(
      method,
      filled(path, crypto.randomUUID()),
      method === "GET" ? {} : { body: {} },
    );
    expect([name, answer.status === 401]).toEqual([name, false]);
  }
});

test("a good token works on every way that it may come", async () => {
  const boss = await admin(app);
  for (const headers of [
    { Authorization: `Bearer ${boss.token}` },
    { Authorization: `bearer   ${boss.token}` },
    { Authorization: boss.token },
    { Cookie: `jwt=${boss.token}` },
    { Cookie: `a=1; jwt=${boss.token}; b=2` },
  ] as Record<string, string>[]) {
    const answer = await app.call("GET", "/api/users/me", { headers });
    expect([answer.status, answer.body.id]).toEqual([200, UUID]);
  }
  const mixed = { Authorization: "Bearer junk", Cookie: `jwt=${boss.token}` };
  expect((await app.call("GET", "/api/users/me", { headers: mixed })).status).toBe(401);
  const query = await app.call("GET", `/api/users/me?token=${boss.token}&jwt=${boss.token}`);
  expect(query.status).toBe(401);
});
