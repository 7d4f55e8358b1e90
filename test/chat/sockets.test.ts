import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { eventually } from "../adapters/eventually.ts";
import {
  type ChatSocket,
  type ChatUser,
  type Frame,
  handshake,
  joinPath,
  openSocket,
  PASSWORD,
  signIn,
  signUp,
  V1,
} from "../support/chat.ts";
import { type RunningServer, startServer, temporaryFolder } from "../support/server.ts";

const ROOT = join(import.meta.dir, "../..");
// So high that only what is said is limited.
const ONLY_MESSAGES = {
  RATE_LIMIT: "on",
  RATE_LIMIT_REGISTER: "1000000/1h",
  RATE_LIMIT_SIGN_IN: "1000000/1h",
  RATE_LIMIT_REQUESTS: "1000000/1h",
};

type House = { readonly server: RunningServer; readonly dataDir: string; close(): Promise<void> };

async function openHouse(env: Record<string, string> = {}): Promise<House> {
  const folder = temporaryFolder();
  const server = await startServer({ dataDir: folder.path, env, args: ["--no-worker"] });
  return {
    server,
    dataDir: folder.path,
    async close() {
      server.kill("SIGKILL");
      await server.exited;
      await folder.remove();
    },
  };
}

let house: House;
let server: RunningServer;
beforeAll(async () => {
  house = await openHouse();
  server = house.server;
});
afterAll(() => house.close());

let numbered = 0;
/** A name that nobody else in this file has. */
const named = (name: string) => `${name}${++numbered}`;

async function room(owner: ChatUser, id: number | string = named("room")): Promise<string> {
  const made = await owner.call("POST", "/ws/create-room", { id, name: `The ${id}` });
  expect(made.body).toEqual({ id, name: `The ${id}` });
  return String(id);
}

/** Three people, and a room that the first one owns. */
async function meeting(on = server) {
  const [ada, bob, eve] = await Promise.all(["ada", "bob", "eve"].map((name) => signUp(on, named(name))));
  if (ada === undefined || bob === undefined || eve === undefined) throw new Error("three people");
  return { ada, bob, eve, id: await room(ada) };
}

/** Joins by guildhall.v1 and waits for the welcome. */
async function joinV1(user: Pick<ChatUser, "join">, id: string, query: Record<string, string | number> = {}) {
  const socket = await user.join(id, { v1: true, query });
  const welcome = await socket.waitFor(({ type }) => type === "welcome");
  return { socket, welcome };
}

/** Joins by the plain protocol; its own notice is taken away when there is one. */
async function joinPlain(user: ChatUser, id: string): Promise<ChatSocket> {
  const socket = await user.join(id);
  await socket.waitFor(({ content, username }) => content === JOINED && username === user.username);
  socket.take();
  return socket;
}

const JOINED = "A new user has join the room";
const LEFT = "user left the chat";
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

const user = ({ id, username }: ChatUser) => ({ id, username });
const clients = async (asker: ChatUser, id?: string) =>
  (await asker.call("GET", `/ws/get-clients${id === undefined ? "" : `/${id}`}`)).body;

/** The code with which it was closed. Waits for less than a test may take: a test that is cut off takes the server along. */
const codeOf = async ({ closed }: ChatSocket, withinMs = 2_000) =>
  Promise.race([
    closed.then(({ code }) => code),
    Bun.sleep(withinMs).then(() => `open after ${withinMs} ms`),
  ]);

async function command(args: readonly string[], stdin = "") {
  const child = Bun.spawn(["bun", "src/main.ts", ...args], {
    cwd: ROOT,
    env: { PATH: process.env.PATH ?? "", DATA_DIR: house.dataDir },
    stdin: new TextEncoder().encode(stdin),
    stdout: "ignore",
    stderr: "inherit",
  });
  expect(await child.exited).toBe(0);
}

describe("the document, from top to bottom", () => {
  test("register, sign in, make a room, join it, see rooms and clients, sign out", async () => {
    const username = named("user");
    const email = `${username}@example.org`;
    const registered = await server.call("POST", "/api/users/signup", {
      body: { username, email, password: "rahasia" },
    });
    expect([registered.status, registered.body]).toEqual([200, { id: expect.any(Number), username, email }]);
    const { id } = registered.body;
    const signedIn = await server.call("POST", "/api/users/signin", { body: { email, password: "rahasia" } });
    expect(signedIn.body).toEqual({ id, username });
    expect(signedIn.headers.get("Set-Cookie")).toMatch(
      /^jwt=[^;]+; Max-Age=3600; Path=\/; HttpOnly; SameSite=Lax$/,
    );
    const user = await signIn(server, email, "rahasia");
    const rooms = [
      { id: 1, name: "room1" },
      { id: 2, name: "room2" },
    ];
    for (const one of rooms) expect((await user.call("POST", "/ws/create-room", one)).body).toEqual(one);
    const listed = await user.call("GET", "/ws/get-rooms");
    expect(listed.body.filter((one: Frame) => typeof one.id === "number")).toEqual(rooms);
    const socket = await user.join(1, { query: { userId: id, username } });
    await socket.waitFor(({ content }) => content === JOINED);
    expect(await clients(user, "1")).toEqual([{ id, username }]);
    expect(await clients(user)).toContainEqual({ id, username });
    const out = await user.call("GET", "/api/users/logout");
    expect(out.body).toEqual({ message: "logout successful" });
    expect(user.cookie).toBe("");
    expect(await codeOf(socket)).toBe(4001);
    expect((await user.call("GET", "/ws/get-rooms")).status).toBe(401);
  });
});

describe("the plain protocol", () => {
  test("everybody gets what is said, the sender included, and exactly two notices", async () => {
    const { ada, bob, id } = await meeting();
    const adas = await joinPlain(ada, id);
    const bobs = await bob.join(id);
    await adas.waitFor(({ username }) => username === bob.username);
    bobs.send('Hello, "World" ☃ 👋');
    const told = await adas.waitForMessage('Hello, "World" ☃ 👋');
    expect(told).toEqual({
      content: 'Hello, "World" ☃ 👋',
      roomId: id,
      username: bob.username,
      id: expect.any(Number),
      userId: bob.id,
      sentAt: TIME,
    });
    expect(Object.keys(told)).toEqual(["content", "roomId", "username", "id", "userId", "sentAt"]);
    await bobs.waitForMessage(told.content);
    await bobs.close();
    await adas.waitFor(({ content }) => content === LEFT);
    expect(adas.frames).toEqual([
      { content: "A new user has join the room", roomId: id, username: bob.username },
      told,
      { content: "user left the chat", roomId: id, username: bob.username },
    ]);
    expect(bobs.frames).toEqual([{ content: JOINED, roomId: id, username: bob.username }, told]);
  });

  test('a room\'s number and text come back as they were given, and 1 and "1" are one room', async () => {
    const { ada } = await meeting();
    const number = 700_000 + ++numbered;
    const ids = [number, `${number}x`, `-${number}`, -number - 1];
    for (const given of ids) {
      await room(ada, given);
      const socket = await joinPlain(ada, String(given));
      socket.send("hm");
      expect((await socket.waitForMessage("hm")).roomId).toBe(given);
      const { welcome } = await joinV1(ada, String(given));
      expect(welcome.room.id).toBe(given);
      expect(welcome.history[0].roomId).toBe(given);
    }
    const taken = await ada.call("POST", "/ws/create-room", { id: String(number), name: "the same" });
    expect(taken.status).toBe(409);
  });

  test("joining tells no history, and somebody with three tabs comes and goes once", async () => {
    const { ada, bob, id } = await meeting();
    const adas = await joinPlain(ada, id);
    adas.send("before");
    await adas.waitForMessage("before");
    adas.take();
    const tabs = [await bob.join(id), await bob.join(id), await bob.join(id)];
    await adas.waitFor(({ content }) => content === JOINED);
    await eventually(async () => (await clients(ada, id)).length === 2);
    for (const [at, tab] of tabs.entries()) {
      tab.send(`from ${at}`);
      await adas.waitForMessage(`from ${at}`);
    }
    for (const tab of tabs) {
      await tab.waitForMessage("from 2");
      await tab.close();
    }
    await adas.waitFor(({ content }) => content === LEFT);
    expect(adas.take().map(({ content }) => content)).toEqual([JOINED, "from 0", "from 1", "from 2", LEFT]);
    for (const { frames } of tabs) expect(frames.map(({ content }) => content)).not.toContain("before");
  });

  test("what cannot be said is answered to its sender alone, and the socket stays open", async () => {
    const { ada, bob, id } = await meeting();
    const [adas, bobs] = [await joinPlain(ada, id), await joinPlain(bob, id)];
    await adas.waitFor(({ username }) => username === bob.username);
    adas.take();
    for (const frame of ["", " \n ", "a\0b", "x".repeat(4_001), "👋".repeat(4_001), Buffer.from("bytes")]) {
      bobs.send(frame);
      expect(await bobs.waitFor(({ error }) => error !== undefined)).toEqual({ error: expect.any(String) });
      bobs.take();
    }
    bobs.send("👋".repeat(4_000));
    await adas.waitForMessage("👋".repeat(4_000));
    expect(adas.frames).toHaveLength(1);
  });
});

describe("guildhall.v1", () => {
  test("a welcome has the room, oneself, who is there, what was said, the epoch, and whether there is a gap", async () => {
    const { ada, bob, id } = await meeting();
    const adas = await joinV1(ada, id);
    expect(adas.socket.protocol).toBe(V1);
    adas.socket.send({ type: "message", content: "hello", key: "k" });
    const { type, key, ...message } = await adas.socket.waitForMessage("hello");
    expect([type, key]).toEqual(["message", "k"]);
    const bobs = await joinV1(bob, id);
    expect(bobs.welcome).toEqual({
      type: "welcome",
      room: { id, name: `The ${id}` },
      you: user(bob),
      members: [user(ada), user(bob)],
      history: [message],
      epoch: expect.stringMatching(/.{16}/),
      gap: false,
    });
    expect(message).toEqual({
      content: "hello",
      roomId: id,
      username: ada.username,
      id: expect.any(Number),
      userId: ada.id,
      sentAt: TIME,
    });
    await adas.socket.waitFor(({ type }) => type === "joined");
    bobs.socket.send({ type: "typing" });
    await adas.socket.waitFor(({ type }) => type === "typing");
    await bobs.socket.close();
    await adas.socket.waitFor(({ type }) => type === "left");
    expect(adas.socket.take().slice(2)).toEqual([
      { type: "joined", ...user(bob) },
      { type: "typing", ...user(bob) },
      { type: "left", ...user(bob) },
    ]);
  });

  test("both protocols speak side by side in one room", async () => {
    const { ada, bob, eve, id } = await meeting();
    const plain = await joinPlain(ada, id);
    const v1 = (await joinV1(bob, id)).socket;
    v1.take();
    v1.send({ type: "message", content: "from v1", key: "k" });
    plain.send("from plain");
    await plain.waitForMessage("from v1");
    await plain.waitForMessage("from plain");
    const eves = await joinPlain(eve, id);
    await eves.close();
    await Promise.all([
      plain.waitFor(({ content }) => content === LEFT),
      v1.waitFor(({ type }) => type === "left"),
    ]);
    const said = (frames: readonly Frame[], content: string) => frames.find((one) => one.content === content);
    const { type, key, ...message } = said(v1.frames, "from v1");
    expect([type, key]).toEqual(["message", "k"]);
    expect(said(plain.frames, "from v1")).toEqual(message);
    expect(said(v1.frames, "from plain")).toEqual({
      type: "message",
      ...said(plain.frames, "from plain"),
    });
    expect(v1.frames.slice(-2)).toEqual([
      { type: "joined", ...user(eve) },
      { type: "left", ...user(eve) },
    ]);
    expect(plain.frames.slice(-2).map(({ content }) => content)).toEqual([JOINED, LEFT]);
    // A frame of the other protocol is a text like any other.
    plain.send(JSON.stringify({ type: "typing" }));
    await v1.waitForMessage(`{"type":"typing"}`);
  });

  test("a message that is sent again is stored once and answered to its sender alone, over reconnects too", async () => {
    const { ada, bob, id } = await meeting();
    const adas = (await joinV1(ada, id)).socket;
    const first = (await joinV1(bob, id)).socket;
    first.send({ type: "message", content: "once", key: "k1" });
    const stored = await first.waitForMessage("once");
    first.take();
    first.send({ type: "message", content: "changed", key: "k1" });
    expect(await first.waitForMessage("once")).toEqual(stored);
    await first.close();
    const again = (await joinV1(bob, id)).socket;
    again.take();
    again.send({ type: "message", content: "once", key: "k1" });
    expect(await again.waitForMessage("once")).toEqual(stored);
    again.send({ type: "message", content: "end" });
    const end = await adas.waitForMessage("end");
    expect(end).not.toHaveProperty("key");
    expect(adas.frames.filter(({ type }) => type === "message")).toEqual([stored, end]);
    const over = await bob.call("POST", `/ws/rooms/${id}/messages`, { content: "once", key: "k1" });
    expect([over.status, over.body.id]).toEqual([201, stored.id]);
    // Another person's key is another key.
    adas.send({ type: "message", content: "ada's", key: "k1" });
    expect((await adas.waitForMessage("ada's")).id).toBeGreaterThan(end.id);
  });

  test("what was read is not unread any more", async () => {
    const { ada, bob, id } = await meeting();
    const bobs = (await joinV1(bob, id)).socket;
    const unread = async (of: ChatUser) =>
      (await of.call("GET", "/ws/rooms")).body.find((one: Frame) => one.id === id)?.unread;
    const ids: number[] = [];
    for (const content of ["one", "two", "three"]) {
      ids.push((await ada.call("POST", `/ws/rooms/${id}/messages`, { content })).body.id);
    }
    expect([await unread(ada), await unread(bob)]).toEqual([0, 3]);
    bobs.send({ type: "read", id: ids[1] });
    await eventually(async () => (await unread(bob)) === 1);
    // A mark never goes back, whatever another tab shows.
    const tab = (await joinV1(bob, id)).socket;
    tab.send({ type: "read", id: ids[0] });
    tab.send({ type: "message", content: "hm" });
    await tab.waitForMessage("hm");
    expect([await unread(ada), await unread(bob)]).toEqual([1, 1]);
    bobs.send({ type: "read", id: Number.MAX_SAFE_INTEGER });
    await eventually(async () => (await unread(bob)) === 0);
    await ada.call("POST", `/ws/rooms/${id}/messages`, { content: "four" });
    expect(await unread(bob)).toBe(1);
  });

  test("everybody is told what was removed and what was decided", async () => {
    const { ada, bob, eve, id } = await meeting();
    const bobs = (await joinV1(bob, id)).socket;
    bobs.send({ type: "message", content: "oops" });
    const { id: messageId } = await bobs.waitForMessage("oops");
    bobs.take();
    expect((await eve.call("DELETE", `/ws/rooms/${id}/messages/${messageId}`, {})).status).toBe(403);
    expect((await bob.call("DELETE", `/ws/rooms/${id}/messages/${messageId}`, {})).status).toBe(204);
    const until = "2090-01-01T00:00:00.000Z";
    const act = (method: string, path: string, body: object) =>
      ada.call(method, `/ws/rooms/${id}${path}`, body);
    expect((await act("PUT", `/mutes/${eve.id}`, { until, reason: "loud" })).status).toBe(204);
    expect((await act("DELETE", `/mutes/${eve.id}`, {})).status).toBe(204);
    expect((await act("PUT", `/moderators/${eve.id}`, {})).status).toBe(204);
    expect((await act("PATCH", "", { name: "Another name" })).status).toBe(204);
    await bobs.waitFor(({ action }) => action === "room_changed");
    expect(bobs.take()).toEqual([
      { type: "deleted", id: messageId },
      { type: "moderated", action: "mute", id: eve.id, until, reason: "loud" },
      { type: "moderated", action: "unmute", id: eve.id },
      { type: "moderated", action: "moderator_added", id: eve.id },
      { type: "moderated", action: "room_changed", id: ada.id },
    ]);
    const { welcome } = await joinV1(eve, id);
    expect([welcome.room.name, welcome.history]).toEqual(["Another name", []]);
  });

  test("frames that are none are told so, with their key, and cost nothing", async () => {
    const { ada, id } = await meeting();
    const { socket } = await joinV1(ada, id);
    const bad: unknown[] = [
      "hello",
      "[]",
      "null",
      "1",
      "{",
      "",
      {},
      { type: "shout" },
      { type: "message" },
      { type: "message", content: 1 },
      { type: "message", content: "x", key: 1 },
      { type: "message", content: "x", key: "" },
      { type: "message", content: "x", key: "k".repeat(65) },
      { type: "message", content: "\ud800" },
      { type: "read" },
      { type: "read", id: "1" },
      { type: "read", id: -1 },
      { type: "read", id: 1.5 },
      { type: "constructor" },
      Buffer.from(`{"type":"message","content":"bytes"}`),
    ];
    for (const frame of bad) {
      socket.take();
      socket.send(frame);
      const refused = await socket.waitFor(({ type }) => type === "error");
      expect(refused).toMatchObject({ type: "error", code: "bad_frame", message: expect.any(String) });
    }
    socket.take();
    socket.send({ type: "message", content: " ", key: "k" });
    expect(await socket.waitFor(({ type }) => type === "error")).toEqual({
      type: "error",
      code: "bad_frame",
      message: expect.any(String),
      key: "k",
    });
    socket.send({ type: "message", content: "x".repeat(4_001), key: "k2" });
    expect(await socket.waitFor(({ key }) => key === "k2")).toMatchObject({
      type: "error",
      code: "too_long",
    });
    socket.send({ type: "message", content: "still here" });
    await socket.waitForMessage("still here");
    expect((await ada.call("GET", `/ws/rooms/${id}/messages`)).body.messages).toHaveLength(1);
  });
});

describe("coming back", () => {
  const say = async (who: ChatUser, id: string, content: string): Promise<number> =>
    (await who.call("POST", `/ws/rooms/${id}/messages`, { content })).body.id;
  const contents = ({ history }: Frame) => history.map(({ content }: Frame) => content);

  test("what was said and removed meanwhile is replayed", async () => {
    const { ada, bob, id } = await meeting();
    const first = await joinV1(bob, id);
    const removed = await say(ada, id, "to be removed");
    const since = await say(ada, id, "seen");
    await first.socket.waitForMessage("seen");
    await first.socket.close();
    await say(ada, id, "missed 1");
    await ada.call("DELETE", `/ws/rooms/${id}/messages/${removed}`, {});
    await say(ada, id, "missed 2");
    const { epoch } = first.welcome;
    const { socket, welcome } = await joinV1(bob, id, { since, epoch });
    expect([contents(welcome), welcome.gap, welcome.epoch]).toEqual([["missed 1", "missed 2"], false, epoch]);
    expect(await socket.waitFor(({ type }) => type === "deleted")).toEqual({ type: "deleted", id: removed });
  });

  test("there is a gap after more than 300 messages, for another epoch, and for an id above the newest", async () => {
    const { ada, bob, id } = await meeting();
    const since = await say(ada, id, "seen");
    for (let n = 0; n < 300; n++) await say(ada, id, `missed ${n}`);
    const { welcome: all } = await joinV1(bob, id, { since });
    expect([all.gap, all.history.length]).toEqual([false, 300]);
    const newest = await say(ada, id, "one more");
    const { epoch } = all;
    for (const query of [{ since }, { since: newest, epoch: "other" }, { since: newest + 1, epoch }]) {
      const { socket, welcome } = await joinV1(bob, id, query);
      expect([welcome.gap, welcome.history.length, welcome.history.at(-1).id]).toEqual([true, 50, newest]);
      await socket.close();
    }
    const { welcome: nothing } = await joinV1(bob, id, { since: newest, epoch });
    expect([nothing.gap, nothing.history]).toEqual([false, []]);
    const page = await bob.call("GET", `/ws/rooms/${id}/messages?after=${since}&limit=300`);
    expect([page.body.epoch, page.body.messages]).toEqual([epoch, all.history]);
  });
});

describe("who may come in", () => {
  /** What the handshake is answered. */
  async function answer(path: string, headers: Record<string, string | null>, on = server) {
    const { status, body, socket } = await handshake(on.url, path, headers);
    socket?.destroy();
    if (status !== 101) expect(JSON.parse(body)).toEqual({ error: expect.any(String) });
    return status;
  }

  test("whom the document and the browser's headers allow", async () => {
    const { ada, bob, id } = await meeting();
    const { cookie } = ada;
    const Cookie = cookie;
    const path = joinPath(id);
    const own = { userId: ada.id, username: ada.username };
    const cases: readonly (readonly [
      string,
      number,
      path: string,
      headers: Record<string, string | null>,
    ])[] = [
      ["the cookie", 101, path, { Cookie }],
      ["a path that ends in a slash", 101, `${path}/`, { Cookie }],
      ["a bearer", 101, path, { Authorization: `Bearer ${cookie.slice(4)}` }],
      ["a bare token", 101, path, { Authorization: cookie.slice(4) }],
      ["one's own id and name", 101, joinPath(id, own), { Cookie }],
      ["our own origin", 101, path, { Cookie, Origin: server.url }],
      ["localhost", 101, path, { Cookie, Origin: server.url.replace("127.0.0.1", "localhost") }],
      ["the same site", 101, path, { Cookie, "Sec-Fetch-Site": "same-origin" }],
      ["one of several subprotocols", 101, path, { Cookie, "Sec-WebSocket-Protocol": `x, ${V1}` }],
      ["no token", 401, path, {}],
      ["a token that is none", 401, path, { Cookie: "jwt=x.y.z" }],
      ["a ticket that is none", 401, joinPath(id, { ticket: "x" }), { Cookie }],
      ["another's id", 403, joinPath(id, { userId: bob.id }), { Cookie }],
      ["another's name", 403, joinPath(id, { username: bob.username }), { Cookie }],
      ["another origin", 403, path, { Cookie, Origin: "https://evil.example" }],
      ["our host on another port", 403, path, { Cookie, Origin: "http://127.0.0.1:1" }],
      ["the null origin", 403, path, { Cookie, Origin: "null" }],
      ["another site", 403, path, { Cookie, "Sec-Fetch-Site": "cross-site" }],
      ["another host in Host", 403, path, { Cookie, Origin: "http://evil.example", Host: "evil.example" }],
      [
        "another origin with a bearer",
        403,
        path,
        { Authorization: cookie.slice(4), Origin: "http://x.example" },
      ],
      ["no such room", 404, joinPath("nowhere"), { Cookie }],
      ["what no room can be called", 404, joinPath("a%20b"), { Cookie }],
      ["a plain GET", 426, path, { Cookie, Upgrade: null, Connection: null }],
      ["no key", 426, path, { Cookie, "Sec-WebSocket-Key": null }],
      ["another subprotocol", 400, path, { Cookie, "Sec-WebSocket-Protocol": "guildhall.v2" }],
      ["since with no number", 400, joinPath(id, { since: "x" }), { Cookie }],
      ["a negative since", 400, joinPath(id, { since: -1 }), { Cookie }],
      ["too large a since", 400, joinPath(id, { since: "9".repeat(16) }), { Cookie }],
    ];
    const answers: [string, number][] = [];
    for (const [what, , asked, headers] of cases) answers.push([what, await answer(asked, headers)]);
    expect(answers).toEqual(cases.map(([what, status]) => [what, status]));
  });

  test("the handshake answers with the subprotocol that is spoken, the request's id, and no cookie", async () => {
    const { ada, id } = await meeting();
    const asked = { Cookie: ada.cookie, "X-Request-ID": "my-request" };
    const v1 = await handshake(server.url, joinPath(id), { ...asked, "Sec-WebSocket-Protocol": V1 });
    const plain = await handshake(server.url, joinPath(id), asked);
    expect([v1.status, v1.headers["sec-websocket-protocol"], v1.headers["x-request-id"]]).toEqual([
      101,
      V1,
      "my-request",
    ]);
    expect(v1.headers["sec-websocket-accept"]).toBe("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    expect([plain.status, plain.headers["sec-websocket-protocol"]]).toEqual([101, undefined]);
    expect(v1.headers).not.toHaveProperty("sec-websocket-extensions");
    for (const { socket } of [v1, plain]) socket?.destroy();
  });

  test("a ticket opens one socket, for whoever has it", async () => {
    const { ada, id } = await meeting();
    const made = await ada.call("POST", "/ws/ticket");
    expect([made.status, made.body]).toEqual([200, { ticket: expect.any(String), expires_in: 30 }]);
    const { ticket } = made.body;
    const socket = await openSocket(server.url, id, { v1: true, query: { ticket } });
    expect((await socket.waitFor(({ type }) => type === "welcome")).you).toEqual(user(ada));
    expect(await answer(joinPath(id, { ticket }), {})).toBe(401);
    const other = (await ada.call("POST", "/ws/ticket")).body.ticket;
    await ada.call("GET", "/api/users/logout");
    expect(await codeOf(socket)).toBe(4001);
    expect(await answer(joinPath(id, { ticket: other }), {})).toBe(401);
  });

  test("not who is banned, was not let in, or has five sockets already", async () => {
    const { ada, bob, eve, id } = await meeting();
    const asEve = { Cookie: eve.cookie };
    for (let n = 0; n < 5; n++) await eve.join(id);
    expect(await answer(joinPath(id), asEve)).toBe(429);
    expect((await ada.call("PUT", `/ws/rooms/${id}/bans/${bob.id}`, {})).status).toBe(204);
    expect(await answer(joinPath(id), { Cookie: bob.cookie })).toBe(403);
    const shut = await room(ada);
    await ada.call("PATCH", `/ws/rooms/${shut}`, { private: true });
    expect(await answer(joinPath(shut), asEve)).toBe(403);
    await ada.call("PUT", `/ws/rooms/${shut}/members/${eve.id}`, {});
    expect(await answer(joinPath(shut), asEve)).toBe(101);
  });
});

describe("with guests", () => {
  let guests: House;
  beforeAll(async () => {
    guests = await openHouse({ CHAT_GUESTS: "on", CORS_ORIGINS: "https://club.example" });
  });
  afterAll(() => guests.close());

  test("the chat can be used as its document shows, without signing in", async () => {
    const on = guests.server;
    const made = await on.call("POST", "/ws/create-room", { body: { id: 1, name: "room1" } });
    expect([made.status, made.body]).toEqual([200, { id: 1, name: "room1" }]);
    const socket = await openSocket(on.url, 1, { query: { userId: 1, username: "user" } });
    socket.send("hello");
    const said = await socket.waitForMessage("hello");
    expect(said).toMatchObject({ roomId: 1, username: "user" });
    expect(said.userId).toBeLessThan(0);
    expect((await on.call("GET", "/ws/get-clients/1")).body).toEqual([{ id: said.userId, username: "user" }]);
    const { socket: other } = await handshake(on.url, joinPath(1, { username: "other" }));
    await eventually(async () => (await on.call("GET", "/ws/get-clients")).body.length === 2);
    other?.destroy();
  });

  test("a guest cannot carry the name of somebody who is registered, in whichever form", async () => {
    const on = guests.server;
    const ada = await signUp(on, "Ada");
    const id = await room(ada, "lobby");
    const names = ["Ada", "ada", "ADA", "Ａｄａ", " Ada ", "a\u202eda", "@ada", ""];
    const statuses: number[] = [];
    for (const username of names) {
      const { status, socket } = await handshake(on.url, joinPath(id, { username }));
      socket?.destroy();
      statuses.push(status);
    }
    expect(statuses).toEqual([409, 409, 409, 409, 409, 400, 400, 101]);
    const own = await ada.join(id, { v1: true, query: { username: "ADA" } });
    expect((await own.waitFor(({ type }) => type === "welcome")).you).toEqual(user(ada));
  });

  test("a guest moderates nothing, has no tickets, and can be put out", async () => {
    const on = guests.server;
    const ada = await signUp(on, named("ada"));
    const id = await room(ada);
    const socket = await openSocket(on.url, id, { v1: true });
    const { you } = await socket.waitFor(({ type }) => type === "welcome");
    expect(you.username).toMatch(/^guest\d+$/);
    expect((await on.call("POST", "/ws/ticket")).status).toBe(401);
    expect((await on.call("PATCH", `/ws/rooms/${id}`, { body: { name: "mine" } })).status).toBe(401);
    await ada.call("PUT", `/ws/rooms/${id}/mutes/${you.id}`, {});
    await socket.waitFor(({ action }) => action === "mute");
    socket.send({ type: "message", content: "hm", key: "k" });
    expect(await socket.waitFor(({ key }) => key === "k")).toMatchObject({ code: "muted" });
    await ada.call("POST", `/ws/rooms/${id}/kick/${you.id}`, {});
    expect(await codeOf(socket)).toBe(4003);
  });

  test("a guest is named to moderators while there, and after it by what was said with a key", async () => {
    const on = guests.server;
    const ada = await signUp(on, named("ada"));
    const id = await room(ada);
    const names = { silent: named("silent"), keyed: named("keyed"), plain: named("plain") };
    const { socket: silent, welcome } = await joinV1(guest(names.silent), id);
    const { socket: keyed } = await joinV1(guest(names.keyed), id);
    const plain = await guest(names.plain).join(id);
    keyed.send({ type: "message", content: "with a key", key: "k" });
    plain.send("without");
    const [{ userId: keyedId }, { userId: plainId }] = [
      await keyed.waitForMessage("with a key"),
      await keyed.waitForMessage("without"),
    ];
    for (const userId of [keyedId, plainId]) await ada.call("PUT", `/ws/rooms/${id}/bans/${userId}`, {});
    await ada.call("PUT", `/ws/rooms/${id}/mutes/${welcome.you.id}`, {});
    await Promise.all([keyed.closed, plain.closed]);
    await eventually(async () => (await clients(ada, id)).length === 1);
    const told = (await ada.call("GET", `/ws/rooms/${id}/people`)).body.people;
    expect(Object.fromEntries(told.map((one: ChatUser) => [one.id, one.username]))).toEqual({
      [welcome.you.id]: names.silent,
      [keyedId]: names.keyed,
      [plainId]: `guest${-plainId}`,
      [ada.id]: ada.username,
    });
    await silent.close();

    function guest(username: string): Pick<ChatUser, "join"> {
      return {
        join: (roomId, options) => openSocket(on.url, roomId, { ...options, query: { username } }),
      };
    }
  });

  test("pages of another site are kept out, and those of an allowed one are not", async () => {
    const on = guests.server;
    const ada = await signUp(on, named("ada"));
    const path = joinPath(await room(ada));
    const asked = async (headers: Record<string, string>) => {
      const { status, socket } = await handshake(on.url, path, headers);
      socket?.destroy();
      return status;
    };
    expect(await asked({ Origin: "https://evil.example" })).toBe(403);
    expect(await asked({ Origin: "https://club.example", "Sec-Fetch-Site": "cross-site" })).toBe(101);
    expect(await asked({ Origin: "https://club.example.evil.example" })).toBe(403);
    const made = await on.call("POST", "/ws/create-room", {
      body: { name: "x" },
      headers: { Origin: "https://evil.example" },
    });
    expect(made.status).toBe(403);
  });
});

describe("with limits", () => {
  let limited: House;
  beforeAll(async () => {
    limited = await openHouse(ONLY_MESSAGES);
  });
  afterAll(() => limited.close());

  test("the twenty-first message at once is too fast, in all rooms and over HTTP too", async () => {
    const { ada, id } = await meeting(limited.server);
    const { socket } = await joinV1(ada, id);
    const plain = await ada.join(await room(ada));
    for (let n = 1; n <= 20; n++) socket.send({ type: "message", content: `no ${n}`, key: `k${n}` });
    await socket.waitForMessage("no 20");
    socket.send({ type: "message", content: "no 21", key: "k21" });
    expect(await socket.waitFor(({ key }) => key === "k21")).toEqual({
      type: "error",
      code: "too_fast",
      message: expect.any(String),
      key: "k21",
    });
    plain.send("hm");
    expect(await plain.waitFor(({ error }) => error !== undefined)).toEqual({ error: expect.any(String) });
    const posted = await ada.call("POST", `/ws/rooms/${id}/messages`, { content: "hm" });
    expect([posted.status, posted.body]).toEqual([429, { error: expect.any(String) }]);
    expect(Number(posted.headers.get("Retry-After"))).toBe(1);
    await Bun.sleep(1_100);
    socket.send({ type: "message", content: "a second later" });
    await socket.waitForMessage("a second later");
  });

  test("who may not speak is told why, with the key", async () => {
    const { ada, bob, id } = await meeting(limited.server);
    const bobs = (await joinV1(bob, id)).socket;
    let sent = 0;
    const refused = async () => {
      const key = `k${++sent}`;
      bobs.send({ type: "message", content: "hm", key });
      return (await bobs.waitFor((frame) => frame.key === key)).code ?? "said";
    };
    const change = async (body: object) => {
      bobs.take();
      expect((await ada.call("PATCH", `/ws/rooms/${id}`, body)).status).toBe(204);
      await bobs.waitFor(({ action }) => action === "room_changed");
    };
    const codes = [await refused()];
    await change({ slow_mode_seconds: 60 });
    codes.push(await refused(), await refused());
    await change({ slow_mode_seconds: 0, read_only: true });
    codes.push(await refused());
    await change({ read_only: false });
    await ada.call("PUT", `/ws/rooms/${id}/mutes/${bob.id}`, { until: "2090-01-01T00:00:00Z" });
    await bobs.waitFor(({ action }) => action === "mute");
    codes.push(await refused());
    await ada.call("DELETE", `/ws/rooms/${id}/mutes/${bob.id}`, {});
    await bobs.waitFor(({ action }) => action === "unmute");
    codes.push(await refused());
    expect(codes).toEqual(["said", "said", "slow_mode", "read_only", "muted", "said"]);
  });

  test("a flood is cut off, and nobody else notices", async () => {
    const { ada, bob, id } = await meeting(limited.server);
    const adas = (await joinV1(ada, id)).socket;
    const bobs = (await joinV1(bob, id)).socket;
    for (let n = 0; n < 250; n++) bobs.send({ type: "typing" });
    expect(await codeOf(bobs)).toBe(1008);
    await adas.waitFor(({ type }) => type === "left");
    adas.send({ type: "message", content: "calm" });
    await adas.waitForMessage("calm");
    expect(adas.frames.map(({ type }) => type)).toEqual(["welcome", "joined", "typing", "left", "message"]);
  });
});

describe("a socket ends", () => {
  test("with 4001 when its session does: signed out, revoked elsewhere, password changed", async () => {
    const { ada, bob, eve, id } = await meeting();
    const login = async ({ email }: ChatUser) =>
      (await server.call("POST", "/api/auth/login", { body: { email, password: PASSWORD } })).body
        .access_token;
    const stays = await ada.join(id);
    const [bobs, eves] = [await bob.join(id), (await joinV1(eve, id)).socket];
    const token = await login(bob);
    const kept = await openSocket(server.url, id, { headers: { Authorization: `Bearer ${token}` } });
    expect((await server.call("DELETE", "/api/auth/sessions", { token })).status).toBeLessThan(300);
    expect(await codeOf(bobs)).toBe(4001);
    const changed = await server.call("POST", "/api/auth/change-password", {
      token: await login(eve),
      body: { current_password: PASSWORD, password: "Another-456", confirm_password: "Another-456" },
    });
    expect(changed.status).toBe(200);
    expect(await codeOf(eves)).toBe(4001);
    expect([stays.isOpen, kept.isOpen]).toEqual([true, true]);
    await ada.call("GET", "/api/users/logout");
    expect(await codeOf(stays)).toBe(4001);
    expect((await signIn(server, eve.email, "Another-456")).id).toBe(eve.id);
  });

  test("with 4001 when an admin deactivates the account, or somebody in the shell does", async () => {
    const { ada, bob, eve, id } = await meeting();
    const email = `${named("admin")}@example.org`;
    await command(["user", "add", email, "--role", "admin", "--password-stdin"], `${PASSWORD}\n`);
    const admin = await signIn(server, email);
    const [adas, bobs, eves] = [await ada.join(id), await bob.join(id), await eve.join(id)];
    const { body } = await bob.call("GET", "/api/users/me");
    expect((await admin.call("DELETE", `/api/users/${body.data?.id ?? body.id}`)).status).toBe(204);
    expect(await codeOf(bobs)).toBe(4001);
    await command(["user", "disable", eve.email]);
    expect(await codeOf(eves)).toBe(4001);
    expect(adas.isOpen).toBe(true);
    const refused = await handshake(server.url, joinPath(id), { Cookie: eve.cookie });
    expect(refused.status).toBe(401);
  });

  test("with 4001 when somebody erases their account; what they said is removed in front of the others", async () => {
    const { ada, bob, id } = await meeting();
    const { socket: adas } = await joinV1(ada, id);
    const { socket: bobs } = await joinV1(bob, id);
    bobs.send({ type: "message", content: "of bob" });
    const { id: messageId } = await adas.waitForMessage("of bob");
    const erased = await bob.call("POST", "/api/users/me/erase", { password: PASSWORD });
    expect(erased.status).toBe(204);
    expect(await codeOf(bobs)).toBe(4001);
    const told = await adas.waitFor(({ type }) => type === "deleted", 8_000);
    expect(told).toEqual({ type: "deleted", id: messageId });
    const back = await joinV1(ada, id);
    expect(back.welcome.history).toEqual([]);
  }, 120_000);

  test("with 4003 when somebody is kicked or banned, with 4004 when the room is removed", async () => {
    const { ada, bob, eve, id } = await meeting();
    const [adas, bobs, eves] = [await ada.join(id), await bob.join(id), (await joinV1(eve, id)).socket];
    await ada.call("POST", `/ws/rooms/${id}/kick/${bob.id}`, {});
    expect(await codeOf(bobs)).toBe(4003);
    const back = (await joinV1(bob, id)).socket;
    await ada.call("PUT", `/ws/rooms/${id}/bans/${eve.id}`, { reason: "spam" });
    expect(await codeOf(eves)).toBe(4003);
    // Who is put out may still hear why.
    expect(eves.frames.at(-1)).toEqual({ type: "moderated", action: "ban", id: eve.id, reason: "spam" });
    expect((await ada.call("DELETE", `/ws/rooms/${id}`)).status).toBe(204);
    expect([await codeOf(adas), await codeOf(back)]).toEqual([4004, 4004]);
    expect((await ada.call("GET", `/ws/get-clients/${id}`)).status).toBe(404);
  });

  test("without a close frame too, and the others are told", async () => {
    const { ada, bob, id } = await meeting();
    const adas = await joinPlain(ada, id);
    const { socket } = await handshake(server.url, joinPath(id), { Cookie: bob.cookie });
    await adas.waitFor(({ content }) => content === JOINED);
    socket?.destroy();
    await adas.waitFor(({ content }) => content === LEFT);
    expect(await clients(ada, id)).toEqual([user(ada)]);
  });

  test("with 1001 when the server stops, which it does with code 0 although sockets are open", async () => {
    const other = await openHouse();
    try {
      const { ada, bob, eve, id } = await meeting(other.server);
      const sockets = [await ada.join(id), (await joinV1(bob, id)).socket];
      // One that never answers the close.
      const { socket: mute } = await handshake(other.server.url, joinPath(id), { Cookie: eve.cookie });
      mute?.pause();
      const startedAt = performance.now();
      expect(await other.server.stop()).toBe(0);
      expect(performance.now() - startedAt).toBeLessThan(10_000);
      // Ours says so; what the system cuts off has no reason.
      for (const { closed } of sockets) expect(await closed).toEqual({ code: 1001, reason: "going away" });
      mute?.destroy();
    } finally {
      await other.close();
    }
  }, 120_000);
});
