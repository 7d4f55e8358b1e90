import { afterEach, beforeEach, expect, test } from "bun:test";
import { openApiDocument } from "../../src/openapi.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { player, statsUser } from "../support/people.ts";
import { badTokens } from "../support/token-failures.ts";
import { admin, member, must, PASSWORD, signIn, UUID } from "./people.ts";

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
  "DELETE /ws/rooms/{id}": null,
  "DELETE /ws/rooms/{id}/bans/{userId}": null,
  "DELETE /ws/rooms/{id}/members/{userId}": null,
  "DELETE /ws/rooms/{id}/messages/{messageId}": { reason: "reason" },
  "DELETE /ws/rooms/{id}/moderators/{userId}": null,
  "DELETE /ws/rooms/{id}/mutes/{userId}": null,
  "GET /account/me": null,
  "GET /api/admin/audit": null,
  "GET /api/admin/groups": null,
  "GET /api/admin/invitations": null,
  "GET /api/admin/roles": null,
  "GET /api/admin/tasks": null,
  "GET /api/admin/users/{id}": null,
  "GET /api/admin/users/{id}/groups": null,
  "GET /api/admin/users/{id}/roles": null,
  "GET /api/auth/sessions": null,
  "GET /api/stats/tasks/{id}": null,
  "GET /api/stats/tasks/{id}/events": null,
  "GET /api/users": null,
  "GET /api/users/logout": null,
  "GET /api/users/me": null,
  "GET /api/users/me/export": null,
  "GET /api/users/myself": null,
  "GET /api/users/{id}": null,
  "GET /users/{id}/games": null,
  "GET /users/{id}/pdf": null,
  "GET /users/{id}/stats": null,
  "GET /ws/get-clients": null,
  "GET /ws/get-clients/{roomId}": null,
  "GET /ws/get-rooms": null,
  "GET /ws/join-room/{roomId}": null,
  "GET /ws/rooms": null,
  "GET /ws/rooms/{id}": null,
  "GET /ws/rooms/{id}/messages": null,
  "GET /ws/rooms/{id}/people": null,
  "PATCH /users/{id}": {},
  "PATCH /users/{id}/stats": {},
  "PATCH /ws/rooms/{id}": { name: "room" },
  "POST /account/edit/avatar": null,
  "POST /account/edit/info": {},
  "POST /api/admin/groups": { name: "group", roles: [] },
  "POST /api/admin/invitations": { uses: 1 },
  "POST /api/admin/roles": { name: "role", permissions: [] },
  "POST /api/admin/tasks/{id}/retry": null,
  "POST /api/admin/users/{id}/activate": null,
  "POST /api/admin/users/{id}/erase": null,
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
  "POST /api/users/me/erase": { password: "" },
  "POST /users/{id}/games": { role: "role", result: "win", duration: 1 },
  "POST /users/{id}/pdf": null,
  "POST /ws/create-room": { name: "room" },
  "POST /ws/rooms/{id}/kick/{userId}": { reason: "reason" },
  "POST /ws/rooms/{id}/messages": { content: "content" },
  "POST /ws/ticket": null,
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
  "PUT /ws/rooms/{id}/bans/{userId}": { reason: "reason" },
  "PUT /ws/rooms/{id}/members/{userId}": null,
  "PUT /ws/rooms/{id}/moderators/{userId}": null,
  "PUT /ws/rooms/{id}/mutes/{userId}": { reason: "reason" },
};

type Operation = { readonly security?: readonly object[] };

const operations = (): [string, Operation][] =>
  Object.entries(openApiDocument().paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item as Record<string, Operation>).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  );

const protectedRoutes = operations()
  .filter(([, { security }]) => (security ?? []).length > 0)
  .map(([name]) => name)
  .sort();

/** With names that exist where the path wants one: the token is to be looked at before anything else. */
const filled = (path: string, id: string) =>
  path
    .replace("{username}", "good")
    .replace("{code}", "code")
    .replace(/\{(roomId|userId|messageId)\}/, "1")
    .replace("{id}", /^\/(users|ws)/.test(path) ? "1" : id);

test("every protected operation of the OpenAPI document has its line in the table, and no other", () => {
  expect(protectedRoutes).toEqual(Object.keys(BODIES).sort());
});

/** Good tokens of a kind, and one each whose session or account has ended. */
type Kind = { readonly good: string; readonly revoked: string; readonly deactivated: string };

async function accessTokens(): Promise<Kind> {
  // An administrator's, so that no permission is what refuses it.
  const boss = await admin(app);
  const revoked = await signIn(app, boss.email);
  must(await app.call("POST", "/api/auth/logout", { token: revoked.token }), 200);
  const gone = await player(app, "gone");
  must(await app.call("DELETE", `/users/${gone.id}`, { token: gone.token }), 204);
  return { good: boss.token, revoked: revoked.token, deactivated: gone.token };
}

async function statsRefreshTokens(): Promise<Kind> {
  const [good, revoked, gone] = [
    await statsUser(app, "living"),
    await statsUser(app, "revoked"),
    await statsUser(app, "gone"),
  ];
  must(await app.call("POST", "/api/auth/logout", { token: revoked.token }), 200);
  must(await app.call("DELETE", `/api/users/${gone.uuid}`, { token: gone.token }), 204);
  return { good: good.refreshToken, revoked: revoked.refreshToken, deactivated: gone.refreshToken };
}

const isChat = (path: string) => path.startsWith("/ws/") || path === "/api/users/logout";

/** A room, with a message in it. */
async function room(token: string): Promise<void> {
  must(await app.call("POST", "/ws/create-room", { token, body: { id: 1, name: "room" } }), 200);
  must(await app.call("POST", "/ws/rooms/1/messages", { token, body: { content: "content" } }), 201);
}

/** What an address wants besides the token, so that this is what is looked at. */
const handshakeOf = (path: string): Record<string, string> =>
  path.startsWith("/ws/join-room")
    ? {
        Connection: "Upgrade",
        Upgrade: "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
      }
    : {};

/** The API's error body for this code. */
function refusalBy(path: string, code: string): object {
  const message = expect.any(String);
  if (isChat(path)) return { error: message };
  if (path.startsWith("/api/")) return { error: { code, message } };
  return path.startsWith("/users") ? { success: false, message } : { errorMessage: message };
}

const ISSUING = "POST /api/auth/issue-access-token";

test.each(protectedRoutes)("%s refuses every bad token with 401, also with a valid body", async (name) => {
  const [method = "", path = ""] = name.split(" ");
  const body = BODIES[name];
  if (body === undefined) throw new Error("no body for it");
  const user = await member(app, "user");
  const { refreshToken: statsRefreshToken } = await statsUser(app, "good");
  const { good, ...ended } = await (name === ISSUING ? statsRefreshTokens() : accessTokens());
  if (isChat(path)) await room(good);
  const bad = (await badTokens(app, good, ended)).filter(
    // What is another purpose elsewhere is the right one there.
    (token) => name !== ISSUING || token.name !== "another purpose",
  );
  const otherKinds = [user.refreshToken, name === ISSUING ? user.token : statsRefreshToken];
  for (const token of otherKinds)
    bad.push({ name: "a good token of another kind", code: "INVALID_TOKEN", token });
  for (const { name: reason, code, token } of bad) {
    for (const scheme of token === undefined ? [null] : ["Bearer ", ""]) {
      const answer = await app.call(method, filled(path, user.id), {
        headers: { ...handshakeOf(path), ...(scheme === null ? {} : { Authorization: scheme + token }) },
        ...(body === null ? {} : { body }),
      });
      expect([reason, answer.status, answer.body]).toEqual([reason, 401, refusalBy(path, code)]);
      expect(answer.headers.get("WWW-Authenticate")).toBe("Bearer");
    }
  }
});

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
