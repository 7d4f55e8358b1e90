import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { reportTasks, TASK_STATUSES } from "../db/schema.ts";
import * as tasks from "../src/domain/tasks.ts";
import { admin, delivered, member, PASSWORD } from "./accounts/people.ts";
import { startTestApp, type TestApp, type TestAppOptions } from "./support/app.ts";
import { statsUser } from "./support/people.ts";

let app: TestApp;
beforeEach(() => begin());
afterEach(() => app.close());

async function begin(options: TestAppOptions = {}): Promise<void> {
  await app?.close();
  app = await startTestApp({ peerAddress: "127.0.0.1", ...options });
}

/** The series of the exposition by name and labels, without those of histograms' buckets. */
async function series(): Promise<Map<string, number>> {
  const { status, body } = await app.call("GET", "/metrics");
  expect(status).toBe(200);
  const lines = String(body)
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#") && !line.includes("_bucket{"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
  );
}

const oneOf = async (name: string) => (await series()).get(name);

describe("requests", () => {
  test("are counted by the API, the method, the route's pattern and the status", async () => {
    await member(app, "user");
    await app.call("GET", "/users/7");
    await app.call("GET", "/users/8/");
    await app.call("GET", "/account/me");
    await app.call("PATCH", "/ws/rooms/lobby", { body: {} });
    const found = await series();
    const count = (api: string, method: string, route: string, status: number) =>
      found.get(
        `guildhall_http_requests_total{api="${api}",method="${method}",route="${route}",status="${status}"}`,
      );
    expect(count("accounts", "POST", "/api/auth/register", 201)).toBe(1);
    expect(count("accounts", "POST", "/api/auth/login", 200)).toBe(1);
    expect(count("players", "GET", "/users/:id", 404)).toBe(2);
    expect(count("cabinet", "GET", "/account/me", 401)).toBe(1);
    expect(count("chat", "PATCH", "/ws/rooms/:id", 401)).toBe(1);
    const took =
      'guildhall_http_request_duration_seconds_count{api="players",method="GET",route="/users/:id"}';
    expect(found.get(took)).toBe(2);
  });

  test("of the same path are told apart by the API that answers", async () => {
    await statsUser(app, "subject");
    const route = 'method="POST",route="/api/auth/register",status="200"';
    expect(await oneOf(`guildhall_http_requests_total{api="stats",${route}}`)).toBe(1);
  });

  test("make no series out of what callers write", async () => {
    await series();
    const before = (await series()).size;
    for (let number = 0; number < 20; number++) {
      await app.call("GET", `/api/nothing-${number}`);
      await app.call("GET", `/nothing-${number}`);
      await app.call("GET", `/documents/stats-${number}.pdf`);
      await app.call("GET", `/avatars/${number}`);
      await app.call("GET", `/chat/room-${number}`);
      await app.call("GET", `/docs/file-${number}.js`);
    }
    const found = await series();
    expect(found.size - before).toBeLessThan(6 * 3 + 1);
    expect(
      found.get('guildhall_http_requests_total{api="accounts",method="GET",route="unmatched",status="404"}'),
    ).toBe(20);
    expect([...found.keys()].filter((name) => name.includes("-1"))).toEqual([]);
  });

  test("that a limit refuses are counted by the limit", async () => {
    const limit = { points: 2, windowMs: 60_000 };
    await begin({ limits: { register: limit, signIn: limit, forgotPassword: limit, requests: limit } });
    for (let time = 0; time < 4; time++) await app.call("GET", "/users");
    for (let time = 0; time < 3; time++) await app.call("POST", "/login", { body: {} });
    const found = await series();
    expect(found.get('guildhall_limited_total{kind="requests"}')).toBe(2);
    expect(found.get('guildhall_limited_total{kind="signIn"}')).toBe(1);
  });
});

describe("what people do", () => {
  test("sign-ins are counted by result", async () => {
    const user = await member(app, "user");
    await app.call("POST", "/api/auth/login", { body: { email: user.email, password: "wrong" } });
    await app.call("POST", "/login", { body: { username: "nobody", password: "wrong" } });
    const boss = await admin(app);
    await app.call("DELETE", `/api/users/${user.id}`, { token: boss.token });
    await app.call("POST", "/api/auth/login", { body: { email: user.email, password: PASSWORD } });
    const found = await series();
    const results = ["done", "refused", "inactive"].map((kind) =>
      found.get(`guildhall_sign_ins_total{kind="${kind}"}`),
    );
    expect(results).toEqual([2, 2, 1]);
  });

  test("refreshes are counted as fresh, as grace, as reuse, as refused", async () => {
    const { refreshToken } = await member(app, "user");
    const refresh = () => app.call("POST", "/api/auth/refresh", { body: { refresh_token: refreshToken } });
    await refresh();
    await refresh();
    app.now += 60_000;
    await refresh();
    await refresh();
    const found = await series();
    const kinds = ["fresh", "grace", "reuse", "refused"].map((kind) =>
      found.get(`guildhall_refreshes_total{kind="${kind}"}`),
    );
    expect(kinds).toEqual([1, 1, 1, 1]);
  });

  test("messages, tasks and mails", async () => {
    const { token } = await member(app, "user");
    const room = await app.call("POST", "/ws/create-room", { token, body: { name: "lobby" } });
    for (let time = 0; time < 2; time++) {
      await app.call("POST", `/ws/rooms/${room.body.id}/messages`, {
        token,
        body: { content: "a", key: "1" },
      });
    }
    const subject = await statsUser(app, "subject");
    await app.call("POST", "/api/stats/subject", { token: subject.token });
    app.now += 5_000;
    const waiting = await series();
    expect(waiting.get('guildhall_messages_total{kind="new"}')).toBe(1);
    expect(waiting.get('guildhall_messages_total{kind="repeated"}')).toBe(1);
    expect(waiting.get('guildhall_tasks{kind="PENDING"}')).toBe(1);
    expect(waiting.get('guildhall_tasks{kind="DONE"}')).toBe(0);
    expect(waiting.get("guildhall_queue_due_tasks")).toBe(1);
    expect(waiting.get("guildhall_queue_oldest_seconds")).toBe(5);
    expect(waiting.get("guildhall_mails_waiting")).toBeGreaterThan(0);
    const mails = (await delivered(app)).length;
    const found = await series();
    expect(found.get('guildhall_mails_total{kind="sent"}')).toBe(mails);
    expect(found.get("guildhall_mails_waiting")).toBe(0);
  });
});

test("tasks are counted as they are, whatever became of them", async () => {
  const { token } = await statsUser(app, "subject");
  for (let time = 0; time < 5; time++) await app.call("POST", "/api/stats/subject", { token });
  const claimed = [
    await tasks.claim(app.core, "w"),
    await tasks.claim(app.core, "w"),
    await tasks.claim(app.core, "w"),
  ];
  const [done, failed, back] = claimed.filter((task) => task !== null);
  if (done === undefined || failed === undefined || back === undefined) throw new Error("too few were due");
  await tasks.complete(app.core, done, "w", { bytes: 1, sha256: "x" });
  await tasks.fail(app.core, { ...failed, attempts: tasks.MAX_ATTEMPTS }, "w", "no fonts", 0);
  await tasks.release(app.core, back, "w");
  const counted = async () => {
    const found = await series();
    return Object.fromEntries(
      TASK_STATUSES.map((status) => [status, found.get(`guildhall_tasks{kind="${status}"}`)]),
    );
  };
  expect(await counted()).toEqual({ PENDING: 3, PROCESSING: 0, DONE: 1, FAILED: 1 });
  await app.core.db.delete(reportTasks).where(eq(reportTasks.status, "DONE"));
  expect(await counted()).toEqual({ PENDING: 3, PROCESSING: 0, DONE: 0, FAILED: 1 });
});

describe("who may read them", () => {
  const status = async (headers: Record<string, string> = {}) =>
    (await app.call("GET", "/metrics", { headers })).status;

  test("this machine alone, and nobody through a proxy that is not to be believed", async () => {
    expect(await status()).toBe(200);
    expect(await status({ "X-Forwarded-For": "127.0.0.1" })).toBe(403);
    expect(await status({ Forwarded: "for=127.0.0.1" })).toBe(403);
    expect(await status({ Via: "1.1 proxy" })).toBe(403);
    await begin({ peerAddress: "192.0.2.7" });
    expect(await status()).toBe(403);
    await begin({ trustProxy: ["127.0.0.1"] });
    expect(await status({ "X-Forwarded-For": "192.0.2.7" })).toBe(403);
  });

  test("with a token who has it, from wherever", async () => {
    await begin({ peerAddress: "192.0.2.7", metricsToken: "a token of the tests" });
    expect(await status()).toBe(401);
    expect(await status({ Authorization: "Bearer a token of the test" })).toBe(401);
    expect(await status({ Authorization: "Bearer a token of the tests" })).toBe(200);
    const refused = await app.call("GET", "/metrics");
    expect(refused.headers.get("WWW-Authenticate")).toBe("Bearer");
    expect(refused.body).toEqual({ error: { code: "UNAUTHORIZED", message: expect.any(String) } });
  });

  test("no other method is possible", async () => {
    expect((await app.call("POST", "/metrics", { body: {} })).status).toBe(405);
  });
});
