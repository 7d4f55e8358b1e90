import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { accounts as accountsTable } from "../../db/schema.ts";
import { createChatApi } from "../../src/apis/chat/routes.ts";
import { createSockets } from "../../src/apis/chat/sockets.ts";
import * as accounts from "../../src/domain/accounts.ts";
import * as roles from "../../src/domain/roles.ts";
import { createOrigins } from "../../src/http/origins.ts";
import {
  accountOf,
  JWT,
  member,
  signIn as memberSignIn,
  PASSWORD as STRONG_PASSWORD,
} from "../accounts/people.ts";
import { NO_TOPICS, startTestApp, type TestApp } from "../support/app.ts";
import { player, statsUser } from "../support/people.ts";
import { chatter, cookieOf, HANDSHAKE, must, PASSWORD, refused, signIn, signUp, told } from "./people.ts";

const HOUR = 60 * 60_000;
const COOKIE = ["HttpOnly", "Max-Age=3600", "Path=/", "SameSite=Lax"];
const CLEARED = ["HttpOnly", "Max-Age=0", "Path=/", "SameSite=Lax"];

let app: TestApp;
beforeEach(async () => {
  app = await startTestApp();
});
afterEach(() => app.close());

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  app.call("POST", path, { body, headers });

/** The attributes of the cookie that is set, in the order of the alphabet; empty where none is. */
const attributesOf = (headers: Headers): string[] =>
  headers
    .getSetCookie()
    .flatMap((line) => line.split("; ").slice(1))
    .sort();

test("the examples of the document, from the top to the bottom", async () => {
  const user = { username: "user", email: "user@example.com", password: "rahasia" };
  expect(told(await post("/api/users/signup", user))).toEqual([
    200,
    { id: 1, username: "user", email: "user@example.com" },
  ]);
  expect(told(await post("/api/users/signup", user))).toEqual(refused(409));

  const { email, password } = user;
  const signedIn = await post("/api/users/signin", { email, password });
  expect(told(signedIn)).toEqual([200, { id: 1, username: "user" }]);
  expect(signedIn.headers.getSetCookie()).toHaveLength(1);
  const headers = { Cookie: `jwt=${cookieOf(signedIn)}` };
  expect(told(await post("/api/users/signin", { email, password: "wrong" }))).toEqual(refused(401));

  const rooms = [1, 2, 3].map((id) => ({ id, name: `room${id}` }));
  for (const room of rooms) expect(told(await post("/ws/create-room", room, headers))).toEqual([200, room]);
  expect(told(await post("/ws/create-room", rooms[0], headers))).toEqual(refused(409));

  const path = "/ws/join-room/1?userId=1&username=user";
  expect(told(await app.call("GET", path, { headers }))).toEqual(refused(426));
  expect(told(await app.call("GET", path, { headers: HANDSHAKE }))).toEqual(refused(401));

  expect(told(await app.call("GET", "/ws/get-rooms", { headers }))).toEqual([200, rooms]);
  expect(told(await app.call("GET", "/ws/get-clients", { headers }))).toEqual([200, []]);

  const signedOut = await app.call("GET", "/api/users/logout", { headers });
  expect(told(signedOut)).toEqual([200, { message: "logout successful" }]);
  expect(signedOut.headers.getSetCookie()).toHaveLength(1);
  expect(told(await app.call("GET", "/api/users/logout", { headers }))).toEqual(refused(401));
});

describe("signing up", () => {
  const form = { username: "ann", email: "ann@example.com", password: PASSWORD };

  test.each<[string, object, number]>([
    ["the same name", { username: "ann", email: "other@example.com" }, 409],
    ["the same name in capitals", { username: "ANN", email: "other@example.com" }, 409],
    ["the same name in a compatibility form", { username: "ａｎｎ", email: "other@example.com" }, 409],
    ["the same address", { username: "other" }, 409],
    ["the same address in capitals", { username: "other", email: "ANN@Example.com" }, 409],
    ["a short password", { username: "other", email: "other@example.com", password: "12345" }, 400],
    ["no password", { username: "other", email: "other@example.com", password: undefined }, 400],
    ["no name", { username: undefined, email: "other@example.com" }, 400],
    ["an empty name", { username: "", email: "other@example.com" }, 400],
    ["a blank name", { username: " \t", email: "other@example.com" }, 400],
    ["a name with a comma", { username: "a,b", email: "other@example.com" }, 400],
    ["a name with a slash", { username: "a/b", email: "other@example.com" }, 400],
    ["a name with an @", { username: "a@b", email: "other@example.com" }, 400],
    ["a name of 65 characters", { username: "x".repeat(65), email: "other@example.com" }, 400],
    ["no address", { username: "other", email: undefined }, 400],
    ["what is no address", { username: "other", email: "other" }, 400],
    ["a number for a name", { username: 5, email: "other@example.com" }, 400],
  ])("%s is refused, and nothing is stored", async (_name, more, status) => {
    must(await post("/api/users/signup", form), 200);
    const answer = await post("/api/users/signup", { ...form, ...more });
    expect(told(answer)).toEqual(refused(status));
    expect(JSON.stringify(answer.body)).not.toMatch(/12345|rahasia/);
    expect(await app.core.db.$count(accountsTable)).toBe(1);
  });

  test.each(["123456", "x".repeat(128), "пароль", "with space"])(
    "the password %p is good",
    async (password) => {
      must(await post("/api/users/signup", { ...form, password }), 200);
      expect(told(await post("/api/users/signin", { email: form.email, password }))).toEqual([
        200,
        { id: 1, username: "ann" },
      ]);
    },
  );

  test.each(["x".repeat(64), "Ёжик", "王", "a b"])(
    "the name %p is good and is told as it is",
    async (username) => {
      const answer = await post("/api/users/signup", { ...form, username });
      expect(told(answer)).toEqual([200, { id: 1, username, email: form.email }]);
      expect(answer.headers.get("Cache-Control")).toBe("no-store");
      expect(answer.headers.getSetCookie()).toEqual([]);
    },
  );

  test("the limit is one bucket with the other APIs' registrations", async () => {
    const limit = { points: 2, windowMs: HOUR };
    const many = { points: 1_000, windowMs: HOUR };
    const limited = await startTestApp({
      limits: { register: limit, signIn: many, forgotPassword: many, requests: many },
    });
    try {
      must(await signUp(limited, "ann"), 200);
      await player(limited, "ben");
      const answer = await signUp(limited, "cat");
      expect(told(answer)).toEqual(refused(429));
      expect(answer.headers.get("Retry-After")).toBe("3600");
    } finally {
      await limited.close();
    }
  });
});

describe("where registration is not open", () => {
  async function start(registration: "invite" | "closed") {
    await app.close();
    app = await startTestApp({ registration });
    const email = "boss@example.com";
    const made = await accounts.register(app.core, {
      username: "boss",
      email,
      password: STRONG_PASSWORD,
      origin: "shell",
    });
    await roles.grant(app.core, made, "admin");
    const { token } = await memberSignIn(app, email);
    return async (): Promise<string> =>
      must(await app.call("POST", "/api/admin/invitations", { token, body: { uses: 1 } }), 201).body.code;
  }

  test("invite: an invitation lets one in, and only one", async () => {
    const invite = await start("invite");
    expect(told(await signUp(app, "ann"))).toEqual(refused(403));
    expect(told(await signUp(app, "ann", { invitation: "made-up" }))).toEqual(refused(403));
    const invitation = await invite();
    must(await signUp(app, "ann", { invitation }), 200);
    expect(told(await signUp(app, "ben", { invitation }))).toEqual(refused(403));
    must(await signIn(app, "ann"), 200);
  });

  test("closed: nobody is let in", async () => {
    const invite = await start("closed");
    expect(told(await signUp(app, "ann"))).toEqual(refused(403));
    expect(told(await signUp(app, "ann", { invitation: await invite() }))).toEqual(refused(403));
  });
});

describe("what is no request", () => {
  const json = { "Content-Type": "application/json" };

  test.each(["/api/users/signup", "/api/users/signin", "/ws/create-room", "/ws/rooms/1/messages"])(
    "POST %s: malformed, of another type, too large",
    async (path) => {
      const { token } = await chatter(app, "ann");
      const send = (raw: string, headers: Record<string, string>) =>
        app.call("POST", path, { token, raw, headers });
      expect(told(await send("{", json))).toEqual([400, { error: "The body is not valid JSON." }]);
      expect(told(await send("a=b", { "Content-Type": "application/x-www-form-urlencoded" }))).toEqual(
        refused(415),
      );
      expect(told(await send("{}", { "Content-Type": "text/plain" }))).toEqual(refused(415));
      expect(told(await send(JSON.stringify("x".repeat(65_536)), json))).toEqual(refused(413));
      expect(told(await send("[]", json))).toEqual(refused(400));
      expect(told(await send("null", json))).toEqual(refused(400));
      expect(told(await app.call("POST", path, { token }))).toEqual(refused(400));
    },
  );

  test.each([
    ["GET", "/ws"],
    ["GET", "/ws/nothing"],
    ["POST", "/ws/nothing"],
    ["GET", "/ws/join-room"],
    ["GET", "/ws/rooms/1/nothing"],
    ["PUT", "/ws/rooms/1/mutes"],
    ["GET", "/ws/get-rooms/1"],
  ])("%s %s: there is nothing", async (method, path) => {
    expect(told(await app.call(method, path))).toEqual(refused(404));
  });

  test.each([
    ["POST", "/ws/get-rooms", "GET, HEAD"],
    ["GET", "/ws/create-room", "POST"],
    ["POST", "/ws/join-room/1", "GET, HEAD"],
    ["PUT", "/ws/rooms/1/messages", "GET, HEAD, POST"],
    ["GET", "/ws/rooms/1/messages/1", "DELETE"],
    ["POST", "/ws/rooms/1", "DELETE, GET, HEAD, PATCH"],
    ["DELETE", "/ws/rooms/1/people", "GET, HEAD"],
    ["GET", "/ws/rooms/1/mutes/1", "DELETE, PUT"],
    ["POST", "/api/users/logout", "GET, HEAD"],
    ["GET", "/api/users/signup", "POST"],
    ["DELETE", "/api/users/signin", "POST"],
  ])("%s %s: only %s", async (method, path, allow) => {
    for (const slash of ["", "/"]) {
      const answer = await app.call(method, path + slash);
      expect([...told(answer), answer.headers.get("Allow")]).toEqual([...refused(405), allow]);
    }
  });

  test("with a slash at the end it is the same", async () => {
    must(await signUp(app, "ann"), 200);
    const signedIn = must(
      await post("/api/users/signin/", { email: "ann@example.com", password: PASSWORD }),
      200,
    );
    const token = cookieOf(signedIn);
    const call = async (method: string, path: string, body?: object) =>
      (await app.call(method, path, { token, ...(body === undefined ? {} : { body }) })).status;
    expect(await call("POST", "/ws/create-room/", { id: 1, name: "room1" })).toBe(200);
    for (const path of [
      "get-rooms",
      "get-clients",
      "get-clients/1",
      "rooms",
      "rooms/1",
      "rooms/1/people",
      "rooms/1/messages",
    ]) {
      expect([path, await call("GET", `/ws/${path}/`)]).toEqual([path, 200]);
    }
    expect(await call("GET", "/api/users/logout/")).toBe(200);
    expect(await call("GET", "/ws/rooms/")).toBe(401);
  });
});

describe("the cookie", () => {
  test("has exactly the attributes of the document, and SameSite", async () => {
    must(await signUp(app, "ann"), 200);
    const answer = await signIn(app, "ann");
    expect(attributesOf(answer.headers)).toEqual(COOKIE);
    expect(cookieOf(answer)).toEqual(JWT);
    expect(answer.headers.get("Cache-Control")).toBe("no-store");
  });

  test("is Secure where the public address is https, and so is the one that clears it", async () => {
    must(await signUp(app, "ann"), 200);
    const publicUrl = "https://club.example";
    const core = { ...app.core, settings: { ...app.core.settings, publicUrl: () => publicUrl } };
    const origins = createOrigins({ publicUrl, port: 8080, allowed: [] });
    const api = createChatApi(core, origins, createSockets(core, NO_TOPICS));
    const info = { id: "1", address: () => "192.0.2.1", upgrade: () => false, idleTimeout: () => {} };
    const ask = (method: string, path: string, init: RequestInit) =>
      api.fetch(new Request(publicUrl + path, { method, ...init }), info);
    const signedIn = await ask("POST", "/api/users/signin", {
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ email: "ann@example.com", password: PASSWORD }),
    });
    expect([signedIn.status, ...attributesOf(signedIn.headers)]).toEqual([
      200,
      ...COOKIE.slice(0, 3),
      "SameSite=Lax",
      "Secure",
    ]);
    const cookie = signedIn.headers.getSetCookie()[0]?.split(";")[0] ?? "";
    const signedOut = await ask("GET", "/api/users/logout", { headers: { Cookie: cookie } });
    expect(attributesOf(signedOut.headers)).toEqual([...CLEARED, "Secure"]);
  });

  test("is not set where sign-in fails", async () => {
    must(await signUp(app, "ann"), 200);
    for (const more of [{ password: "wrong-one" }, { email: "nobody@example.com" }]) {
      const answer = await signIn(app, "ann", more);
      expect(told(answer)).toEqual([401, { error: expect.any(String) }]);
      expect(answer.headers.getSetCookie()).toEqual([]);
    }
  });

  test("its token is good for an hour, however it is sent", async () => {
    const { token } = await chatter(app, "ann");
    const ways = [
      { Cookie: `jwt=${token}` },
      { Authorization: `Bearer ${token}` },
      { Authorization: token },
    ] as Record<string, string>[];
    app.now += HOUR - 1000;
    for (const headers of ways) expect((await app.call("GET", "/ws/rooms", { headers })).status).toBe(200);
    app.now += 1000;
    for (const headers of ways) {
      expect(told(await app.call("GET", "/ws/rooms", { headers }))).toEqual(refused(401));
    }
  });
});

describe("one account over all APIs", () => {
  test("made here it signs in elsewhere, and its token counts there", async () => {
    const { token, id } = await chatter(app, "ann_smith");
    const login = { username: "ann_smith", password: PASSWORD };
    expect((await post("/api/auth/login", login)).status).toBe(200);
    expect((await post("/login", login)).status).toBe(200);
    expect((await post("/account/login", { login: "ann_smith", password: PASSWORD })).status).toBe(200);
    const mine = must(await app.call("GET", "/api/users/me", { token }), 200);
    expect(mine.body).toMatchObject({ email: "ann_smith@example.com" });
    // Public look-ups show no address of who came through chat.
    expect((await app.call("GET", `/users/${id}`)).body).toMatchObject({
      username: "ann_smith",
      email: null,
    });
  });

  test("made elsewhere it signs in here, and its token counts here", async () => {
    const ben = await member(app, "ben");
    const answer = await post("/api/users/signin", { email: ben.email, password: STRONG_PASSWORD });
    const { id, username } = await accountOf(app, ben);
    expect(told(answer)).toEqual([200, { id, username }]);
    const stats = await statsUser(app, "cat");
    const dan = await player(app, "dan");
    for (const { token } of [ben, stats, dan]) {
      expect((await app.call("GET", "/ws/rooms", { token })).status).toBe(200);
    }
  });

  test("a deactivated one is told so after the right password, and its token is dead", async () => {
    const ann = await chatter(app, "ann");
    await ann.must(204, "DELETE", `/users/${ann.id}`);
    expect(told(await signIn(app, "ann"))).toEqual(refused(403));
    expect(told(await signIn(app, "ann", { password: "wrong-one" }))).toEqual(refused(401));
    expect(told(await ann.call("GET", "/ws/rooms"))).toEqual(refused(401));
  });
});

describe("logging out", () => {
  const logOut = (token: string, more: Record<string, string> = {}) =>
    app.call("GET", "/api/users/logout", { headers: { Cookie: `jwt=${token}`, ...more } });

  test("revokes this session, and clears the cookie", async () => {
    const ann = await chatter(app, "ann");
    const other = cookieOf(await signIn(app, "ann"));
    const answer = await logOut(ann.token);
    expect(told(answer)).toEqual([200, { message: "logout successful" }]);
    expect(answer.headers.getSetCookie()[0]).toStartWith("jwt=;");
    expect(attributesOf(answer.headers)).toEqual(CLEARED);
    expect(told(await ann.call("GET", "/ws/rooms"))).toEqual(refused(401));
    expect((await app.call("GET", "/ws/rooms", { token: other })).status).toBe(200);
  });

  test.each<Record<string, string>>([
    { Origin: "https://evil.example" },
    { Origin: "null" },
    { Origin: "http://guildhall.test:8081" },
    { "Sec-Fetch-Site": "cross-site" },
  ])("is refused to a page of another origin: %p", async (headers) => {
    const ann = await chatter(app, "ann");
    const answer = await logOut(ann.token, headers);
    expect(told(answer)).toEqual(refused(403));
    expect(answer.headers.getSetCookie()).toEqual([]);
    expect((await ann.call("GET", "/ws/rooms")).status).toBe(200);
  });

  test.each<Record<string, string>>([
    { Origin: "http://guildhall.test", "Sec-Fetch-Site": "same-origin" },
    { Origin: "http://localhost:8080" },
    { "Sec-Fetch-Site": "none" },
  ])("is done for our own pages: %p", async (headers) => {
    const ann = await chatter(app, "ann");
    expect((await logOut(ann.token, headers)).status).toBe(200);
  });

  test("without a living token is 401, and a dead cookie is cleared all the same", async () => {
    expect(told(await app.call("GET", "/api/users/logout"))).toEqual(refused(401));
    const ann = await chatter(app, "ann");
    must(await logOut(ann.token), 200);
    const answer = await logOut(ann.token);
    expect(told(answer)).toEqual(refused(401));
    expect(attributesOf(answer.headers)).toEqual(CLEARED);
  });
});

test("a change that is signed by the cookie must come from a page of ours", async () => {
  const ann = await chatter(app, "ann");
  await ann.must(200, "POST", "/ws/create-room", { id: 1, name: "room1" });
  const changes: [string, string, object | undefined][] = [
    ["POST", "/ws/create-room", { name: "room" }],
    ["POST", "/ws/ticket", undefined],
    ["POST", "/ws/rooms/1/messages", { content: "Hello" }],
    ["PATCH", "/ws/rooms/1", { name: "other" }],
    ["DELETE", "/ws/rooms/1", undefined],
    ["PUT", "/ws/rooms/1/mutes/2", {}],
  ];
  for (const [method, path, body] of changes) {
    for (const foreign of [
      { Origin: "https://evil.example" },
      { Origin: "null" },
      { "Sec-Fetch-Site": "cross-site" },
    ]) {
      const headers = { Cookie: `jwt=${ann.token}`, ...foreign } as Record<string, string>;
      const answer = await app.call(method, path, { headers, ...(body === undefined ? {} : { body }) });
      expect([method, path, ...told(answer)]).toEqual([method, path, ...refused(403)]);
    }
  }
  expect((await ann.call("GET", "/ws/get-rooms")).body).toEqual([{ id: 1, name: "room1" }]);
});
