import { afterEach, beforeEach, expect, test } from "bun:test";
import { connect } from "node:net";
import { eventually } from "../adapters/eventually.ts";
import { type ChatUser, handshake, joinPath, signUp, V1 } from "../support/chat.ts";
import { type RunningServer, startServer, temporaryFolder } from "../support/server.ts";
import { ask, signUp as signUpPlayer } from "../support/walk.ts";

const DRAIN_MS = 2_000;
const SOCKETS = 20;

let folder: ReturnType<typeof temporaryFolder>;
let server: RunningServer;
let ann: ChatUser;

beforeEach(async () => {
  folder = temporaryFolder();
  server = await startServer({
    dataDir: folder.path,
    env: { DRAIN_SECONDS: String(DRAIN_MS / 1000) },
    args: ["--no-worker"],
  });
  ann = await signUp(server, "ann");
  await ann.call("POST", "/ws/create-room", { id: "r", name: "room" });
});
afterEach(async () => {
  server.kill("SIGKILL");
  await server.exited;
  await folder.remove();
});

test("for the drain's time a server is not ready, answers everything, and closes what it answers", async () => {
  expect((await server.call("GET", "/readyz/self")).body).toEqual({ status: "ready" });
  const end = server.stop();
  await eventually(async () => (await server.call("GET", "/readyz/self")).status === 503);
  expect((await server.call("GET", "/readyz/self")).body).toEqual({ status: "stopping" });
  const ready = await server.call("GET", "/readyz");
  expect([ready.status, ready.body.status]).toEqual([503, "stopping"]);
  let answered = 0;
  for (const from = performance.now(); performance.now() - from < DRAIN_MS * 0.75; answered++) {
    const { status, headers } = await ann.call("GET", "/ws/rooms");
    expect([status, headers.get("Connection")]).toEqual([200, "close"]);
  }
  expect((await ann.call("POST", "/ws/rooms/r/messages", { content: "stored" })).status).toBe(201);
  expect(answered).toBeGreaterThan(10);
  expect(await end).toBe(0);
  expect(server.output()).not.toContain('"level":50');
});

test("sockets go in slices in the drain's second half, with 1012; until then more are taken, and then none", async () => {
  const people = [ann, ...(await Promise.all(["bob", "cat", "dan"].map((name) => signUp(server, name))))];
  const sockets = await Promise.all(
    Array.from({ length: SOCKETS }, (_, at) => people[at % people.length]?.join("r", { v1: true })),
  );
  const from = performance.now();
  const end = server.stop();
  const closed = sockets.map(async (socket) => ({
    ...(await socket?.closed),
    at: performance.now() - from,
  }));
  await eventually(async () => (await server.call("GET", "/readyz/self")).status === 503);
  const late = await signUp(server, "eve").then((eve) => eve.join("r", { v1: true }));
  const first = await Promise.race(closed);
  expect(first.at).toBeGreaterThan(DRAIN_MS / 2 - 50);
  // Who is still there hears what is said.
  const [last] = sockets.slice(-1);
  expect((await ann.call("POST", "/ws/rooms/r/messages", { content: "to the rest" })).status).toBe(201);
  await last?.waitForMessage("to the rest");
  const refused = await handshake(server.url, joinPath("r"), {
    Cookie: ann.cookie,
    "Sec-WebSocket-Protocol": V1,
  });
  expect(refused.status).toBe(503);
  const ends = await Promise.all(closed);
  expect(ends.map(({ code, reason }) => [code, reason])).toEqual(ends.map(() => [1012, "restarting"]));
  expect((await late.closed).code).toBe(1012);
  // Never more than a slice of them in one moment.
  const moments = new Set(ends.map(({ at }) => Math.floor(at / 50)));
  expect(moments.size).toBeGreaterThanOrEqual(SOCKETS / 4);
  expect(await end).toBe(0);
});

test("a request that is being sent when the port closes is answered, and streams end in order", async () => {
  const token = await signUpPlayer(server, "player");
  const task = await ask(server, token, "player");
  const events = await fetch(`${server.url}/api/stats/tasks/${task}/events`, {
    headers: { Authorization: `Bearer ${token}` },
  });
  const streamed = events.text();

  const { hostname, port } = new URL(server.url);
  const body = JSON.stringify({ content: "slowly" });
  const slow = connect({ host: hostname, port: Number(port) });
  let answer = "";
  slow.on("data", (bytes) => {
    answer += bytes;
  });
  const over = new Promise((resolve) => slow.once("close", resolve));
  slow.write(
    `POST /ws/rooms/r/messages HTTP/1.1\r\nHost: ${hostname}\r\nCookie: ${ann.cookie}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 5)}`,
  );

  const end = server.stop();
  // A stream that is cut off rejects instead.
  expect(await streamed).toContain('"status":"PENDING"');
  const isShut = () =>
    fetch(`${server.url}/healthz`).then(
      () => false,
      () => true,
    );
  await eventually(isShut, DRAIN_MS + 2_000);
  slow.write(body.slice(5));
  await over;
  expect(answer).toStartWith("HTTP/1.1 201 ");
  expect(answer.toLowerCase()).toContain("connection: close");
  expect(await end).toBe(0);
});
