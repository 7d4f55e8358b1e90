import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as sessions from "../src/domain/sessions.ts";
import * as tasks from "../src/domain/tasks.ts";
import { grantRole } from "./support/admin.ts";
import { type Call, PUBLIC_URL, startTestApp, type TestApp } from "./support/app.ts";
import { player, statsUser } from "./support/people.ts";
import { badTokens } from "./support/token-failures.ts";

let app: TestApp;
beforeEach(async () => {
  app = await startTestApp();
});
afterEach(() => app.close());

const AVATAR = "https://www.hollywoodreporter.com/wp-content";
const JWT = expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/);
const UUID = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);

describe("the document's examples, from top to bottom", () => {
  test("registration answers a refresh token", async () => {
    const answer = await app.call("POST", "/api/auth/register", {
      body: {
        username: "random_user",
        email: "wowowow.gmail@gmail.com",
        avatar: "https://images.google.com/",
        sex: "male",
      },
    });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ result: { refresh_token: JWT } });
    expect(answer.headers.get("Cache-Control")).toBe("no-store");
  });

  test("the refresh token is exchanged for an access token, as often as one likes", async () => {
    const { refreshToken } = await statsUser(app, "random_user");
    for (let time = 0; time < 3; time++) {
      const answer = await app.call("POST", "/api/auth/issue-access-token", { token: refreshToken });
      expect(answer.status).toBe(200);
      expect(answer.body).toEqual({ result: { access_token: JWT } });
    }
  });

  test("one's own profile, without an avatar", async () => {
    const { token } = await statsUser(app, "xXx__WINNER__xXx", { email: "wowowow.gmail@gmail.com" });
    const answer = await app.call("GET", "/api/users/myself", { token });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      result: { id: UUID, username: "xXx__WINNER__xXx", sex: "male", email: "wowowow.gmail@gmail.com" },
    });
  });

  test("a profile is replaced; an absent avatar is removed", async () => {
    const { token, uuid } = await statsUser(app, "xXx__WINNER__xXx");
    const body = {
      username: "xXx_MAFIOZI_xXx",
      email: "soa.enjoyer@gmail.com",
      avatar: AVATAR,
      sex: "exmale",
    };
    const answer = await app.call("PUT", "/api/users/myself", { token, body });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ result: { id: uuid, ...body } });
    expect(Object.keys(answer.body.result)).toEqual(["id", "username", "avatar", "sex", "email"]);

    const { avatar: _avatar, ...without } = body;
    const removed = await app.call("PUT", "/api/users/myself", { token, body: without });
    expect(removed.body).toEqual({ result: { id: uuid, ...without } });
    expect((await app.call("GET", "/api/users/myself", { token })).body).toEqual(removed.body);
  });

  test("profiles by usernames; the two of the example share an e-mail address", async () => {
    const email = "wowowow.gmail@gmail.com";
    const winner = await statsUser(app, "xXx__WINNER__xXx", { email });
    const random = await statsUser(app, "random_user", { email });
    const path = "/api/users?usernames=random_user,xXx__WINNER__xXx";
    const answer = await app.call("GET", path, { token: random.token });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      result: {
        users: [
          { id: winner.uuid, username: "xXx__WINNER__xXx", sex: "male", email },
          { id: random.uuid, username: "random_user", sex: "male", email },
        ],
      },
    });
  });

  test("a stats task is made and its status read until there is a document", async () => {
    const { token } = await statsUser(app, "xXx__WINNER__xXx");
    const made = await app.call("POST", "/api/stats/xXx__WINNER__xXx", { token });
    expect(made.status).toBe(200);
    expect(made.body).toEqual({ result: { id: UUID } });
    const { id } = made.body.result;

    const path = `/api/stats/tasks/${id}`;
    expect((await app.call("GET", path, { token })).body).toEqual({ result: { id, status: "PENDING" } });
    const task = await tasks.claim(app.core, "a worker");
    if (task === null) throw new Error("nothing was due");
    expect((await app.call("GET", path, { token })).body).toEqual({ result: { id, status: "PROCESSING" } });
    await app.core.documents.put(tasks.documentKey(id), Buffer.from("%PDF-"), "application/pdf");
    await tasks.complete(app.core, task, "a worker", { bytes: 5, sha256: "" });

    const done = await app.call("GET", path, { token });
    expect(done.status).toBe(200);
    expect(done.body).toEqual({ result: { id, status: "DONE", document_url: expect.any(String) } });
    const url = new URL(done.body.result.document_url);
    expect(url.pathname.endsWith(`/stats-${id}.pdf`)).toBe(true);
    const document = await app.call("GET", url.pathname + url.search);
    expect([document.status, document.body]).toEqual([200, "%PDF-"]);
    expect(document.headers.get("Content-Type")).toBe("application/pdf");
    expect(document.headers.get("X-Content-Type-Options")).toBe("nosniff");
  });
});

describe("tasks", () => {
  async function doneTask() {
    const { token } = await statsUser(app, "subject");
    const { id } = (await app.call("POST", "/api/stats/subject", { token })).body.result;
    const task = await tasks.claim(app.core, "a worker");
    if (task === null) throw new Error("nothing was due");
    await app.core.documents.put(tasks.documentKey(id), Buffer.from("%PDF-"), "application/pdf");
    await tasks.complete(app.core, task, "a worker", { bytes: 5, sha256: "" });
    const read = async () =>
      (await app.call("GET", `/api/stats/tasks/${id}`, { token })).body.result.document_url;
    return { id, read };
  }

  test("each status call makes a fresh link, which ends after 15 minutes", async () => {
    const { read } = await doneTask();
    const first = await read();
    app.now += 10 * 60_000;
    const second = await read();
    expect(second).not.toBe(first);
    app.now += 6 * 60_000;
    expect((await app.call("GET", first.slice(PUBLIC_URL.length))).status).toBe(403);
    expect((await app.call("GET", second.slice(PUBLIC_URL.length))).status).toBe(200);
  });

  test("a link is good for its document only", async () => {
    const { id, read } = await doneTask();
    const url: string = (await read()).slice(PUBLIC_URL.length);
    const other = url.replace(id, "01900000-0000-7000-8000-000000000000");
    for (const bad of [
      other,
      url.slice(0, -2),
      url.replace(/expires=\d+/, "expires=9999999999"),
      url.split("?")[0],
    ]) {
      const answer = await app.call("GET", String(bad));
      expect(answer.status).toBe(403);
      expect(answer.body.error.code).toBe("FORBIDDEN");
    }
    for (const traversal of [
      "/documents/..%2f..%2fetc%2fpasswd",
      "/documents/../secrets.json",
      "/documents/",
    ]) {
      expect((await app.call("GET", traversal)).status).toBeOneOf([403, 404]);
    }
  });

  test("a failed task says why", async () => {
    const { token } = await statsUser(app, "subject");
    const { id } = (await app.call("POST", "/api/stats/subject", { token })).body.result;
    for (let attempt = 1; attempt <= tasks.MAX_ATTEMPTS; attempt++) {
      const task = await tasks.claim(app.core, "a worker");
      if (task === null) throw new Error("nothing was due");
      await tasks.fail(app.core, task, "a worker", "The document could not be rendered.", 0);
    }
    const answer = await app.call("GET", `/api/stats/tasks/${id}`, { token });
    expect(answer.body).toEqual({
      result: { id, status: "FAILED", error: "The document could not be rendered." },
    });
  });

  test("a task is visible to who asked, to its subject and to admins; to others it does not exist", async () => {
    const asker = await statsUser(app, "asker");
    const subject = await statsUser(app, "subject");
    const other = await statsUser(app, "other");
    const admin = await player(app, "admin");
    await grantRole(app, "admin", "admin");
    const { id } = (await app.call("POST", "/api/stats/subject", { token: asker.token })).body.result;
    for (const { token } of [asker, subject, admin]) {
      expect((await app.call("GET", `/api/stats/tasks/${id}`, { token })).status).toBe(200);
    }
    for (const path of [`/api/stats/tasks/${id}`, `/api/stats/tasks/${id}/events`]) {
      const answer = await app.call("GET", path, { token: other.token });
      expect(answer.status).toBe(404);
      expect(answer.body).toEqual({ error: { code: "TASK_NOT_FOUND", message: "There is no such task." } });
    }
  });

  test.each(["01900000-0000-7000-8000-000000000000", "junk", "%00", "a".repeat(500)])(
    "unknown task %p is 404",
    async (id) => {
      const { token } = await statsUser(app, "somebody");
      expect((await app.call("GET", `/api/stats/tasks/${id}`, { token })).status).toBe(404);
    },
  );

  test("an unknown subject is 404, a known one is found whatever the case of the name", async () => {
    const { token } = await statsUser(app, "Ünïcode Näme");
    const unknown = await app.call("POST", "/api/stats/nobody", { token });
    expect([unknown.status, unknown.body.error.code]).toEqual([404, "USER_NOT_FOUND"]);
    const path = `/api/stats/${encodeURIComponent("ÜNÏCODE NÄME")}`;
    expect((await app.call("POST", path, { token })).status).toBe(200);
  });

  test("events tell every state until the task ends", async () => {
    const { token } = await statsUser(app, "subject");
    const { id } = (await app.call("POST", "/api/stats/subject", { token })).body.result;
    const response = await app.fetch(
      new Request(`${PUBLIC_URL}/api/stats/tasks/${id}/events`, { headers: { Authorization: token } }),
    );
    expect(response.headers.get("Content-Type")).toStartWith("text/event-stream");
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    const next = async () => JSON.parse((await reader?.read())?.value?.replace("data: ", "") ?? "null");
    expect(await next()).toEqual({ result: { id, status: "PENDING" } });
    const task = await tasks.claim(app.core, "a worker");
    if (task === null) throw new Error("nothing was due");
    expect(await next()).toEqual({ result: { id, status: "PROCESSING" } });
    await tasks.complete(app.core, task, "a worker", { bytes: 5, sha256: "" });
    expect(await next()).toEqual({
      result: { id, status: "DONE", document_url: expect.stringContaining(id) },
    });
    expect(await reader?.read()).toEqual({ done: true, value: undefined });
  });

  test("events end with the session that watches", async () => {
    const { token, uuid } = await statsUser(app, "subject");
    const { id } = (await app.call("POST", "/api/stats/subject", { token })).body.result;
    const response = await app.fetch(
      new Request(`${PUBLIC_URL}/api/stats/tasks/${id}/events`, { headers: { Authorization: token } }),
    );
    const { account, session } = await sessions.authenticate(app.core, token);
    expect(account.uuid).toBe(uuid);
    await sessions.revoke(app.core, account, session.id);
    expect(await response.text()).toBe(`data: ${JSON.stringify({ result: { id, status: "PENDING" } })}\n\n`);
  });
});

describe("who sees an e-mail address", () => {
  test("that of an account of another API is empty, to others than itself and admins", async () => {
    await grantRole(app, "boss", "admin", { origin: "accounts" });
    const viewer = await statsUser(app, "viewer");
    const admin = await app.call("POST", "/login", { body: { username: "boss", password: "Secret-123" } });
    const path = "/api/users?usernames=boss,viewer";
    const seenBy = async (token: string) =>
      (await app.call("GET", path, { token })).body.result.users.map((user: { email: string }) => user.email);
    expect(await seenBy(viewer.token)).toEqual(["", "viewer@example.org"]);
    expect(await seenBy(admin.body.token)).toEqual(["boss@example.org", "viewer@example.org"]);
  });
});

const PROTECTED: readonly [method: string, path: string, call?: Call][] = [
  ["GET", "/api/users/myself"],
  ["PUT", "/api/users/myself", { body: { username: "a", email: "a@example.org", sex: "x" } }],
  ["GET", "/api/users?usernames=a"],
  ["POST", "/api/stats/good"],
  ["GET", "/api/stats/tasks/01900000-0000-7000-8000-000000000000"],
  ["GET", "/api/stats/tasks/01900000-0000-7000-8000-000000000000/events"],
];

describe("failures", () => {
  test("every protected route refuses every bad token, in the documented shape", async () => {
    const good = await statsUser(app, "good");
    const revoked = await statsUser(app, "revoked");
    const { account, session } = await sessions.authenticate(app.core, revoked.token);
    await sessions.revoke(app.core, account, session.id);
    const gone = await player(app, "gone");
    await app.call("DELETE", `/users/${gone.id}`, { token: gone.token });
    const tokens = await badTokens(app, good.token, { revoked: revoked.token, deactivated: gone.token });
    for (const [method, path, call] of PROTECTED) {
      for (const { name, code, token } of tokens) {
        const answer = await app.call(method, path, { ...call, ...(token === undefined ? {} : { token }) });
        const seen = { route: `${method} ${path}`, name, status: answer.status, body: answer.body };
        expect(seen).toEqual({
          route: `${method} ${path}`,
          name,
          status: 401,
          body: { error: { code, message: expect.any(String) } },
        });
        expect(answer.headers.get("WWW-Authenticate")).toBe("Bearer");
      }
    }
  });

  test("a token counts with and without Bearer, and from the cookie", async () => {
    const { token } = await statsUser(app, "good");
    for (const headers of [
      { Authorization: token },
      { Authorization: `bearer ${token}` },
      { Cookie: `other=1; jwt=${token}` },
    ]) {
      expect((await app.call("GET", "/api/users/myself", { headers })).status).toBe(200);
    }
  });

  test("a change by cookie must come from a page of ours", async () => {
    const { token } = await statsUser(app, "good");
    const change = async (headers: Record<string, string>) =>
      (await app.call("POST", "/api/stats/good", { headers: { Cookie: `jwt=${token}`, ...headers } })).status;
    expect(await change({})).toBe(200);
    expect(await change({ Origin: PUBLIC_URL })).toBe(200);
    expect(await change({ Origin: "http://localhost:8080" })).toBe(200);
    expect(await change({ Origin: "http://localhost:9999" })).toBe(403);
    expect(await change({ Origin: "null" })).toBe(403);
    expect(await change({ Origin: "https://evil.example" })).toBe(403);
    expect(await change({ "Sec-Fetch-Site": "cross-site" })).toBe(403);
    const byHeader = { token, headers: { Origin: "https://evil.example" } };
    expect((await app.call("POST", "/api/stats/good", byHeader)).status).toBe(200);
  });

  test("an access token is no refresh token and the other way round", async () => {
    const { token, refreshToken } = await statsUser(app, "good");
    const issue = await app.call("POST", "/api/auth/issue-access-token", { token });
    expect([issue.status, issue.body.error.code]).toEqual([401, "INVALID_TOKEN"]);
    const read = await app.call("GET", "/api/users/myself", { token: refreshToken });
    expect([read.status, read.body.error.code]).toEqual([401, "INVALID_TOKEN"]);
  });

  test("an access token ends after 24 hours, the refresh token does not", async () => {
    const { token, refreshToken } = await statsUser(app, "good");
    app.now += 24 * 60 * 60_000 - 1000;
    expect((await app.call("GET", "/api/users/myself", { token })).status).toBe(200);
    app.now += 1000;
    expect((await app.call("GET", "/api/users/myself", { token })).body.error.code).toBe("TOKEN_EXPIRED");
    app.now += 9 * 365 * 24 * 60 * 60_000;
    expect((await app.call("POST", "/api/auth/issue-access-token", { token: refreshToken })).status).toBe(
      200,
    );
  });

  const valid = { username: "new", email: "new@example.org", avatar: AVATAR, sex: "male" };
  const { username: _u, ...withoutUsername } = valid;
  const { email: _e, ...withoutEmail } = valid;
  const { sex: _s, ...withoutSex } = valid;
  test.each([
    ["no e-mail", withoutEmail, "MISSING_EMAIL", { field: "email" }],
    ["no sex", withoutSex, "MISSING_SEX", { field: "sex" }],
    [
      "a bad e-mail",
      { ...valid, email: "invalid-email" },
      "INVALID_EMAIL_FORMAT",
      { field: "email", value: "invalid-email" },
    ],
    [
      "an avatar of another scheme",
      { ...valid, avatar: "javascript:alert(1)" },
      "INVALID_AVATAR_FORMAT",
      { field: "avatar", value: "javascript:alert(1)" },
    ],
    [
      "a number for a name",
      { ...valid, username: 7 },
      "INVALID_USERNAME_FORMAT",
      { field: "username", value: 7 },
    ],
    [
      "an empty name",
      { ...valid, username: "" },
      "INVALID_USERNAME_FORMAT",
      { field: "username", value: "" },
    ],
    ["a comma in the name", { ...valid, username: "a,b" }, "INVALID_USERNAME_FORMAT", { field: "username" }],
    ["a slash in the name", { ...valid, username: "a/b" }, "INVALID_USERNAME_FORMAT", { field: "username" }],
    ["an @ in the name", { ...valid, username: "a@b" }, "INVALID_USERNAME_FORMAT", { field: "username" }],
    [
      "65 characters",
      { ...valid, username: "a".repeat(65) },
      "INVALID_USERNAME_FORMAT",
      { field: "username" },
    ],
    [
      "a control character",
      { ...valid, username: "a\u0007" },
      "INVALID_USERNAME_FORMAT",
      { field: "username" },
    ],
    [
      "an override of direction",
      { ...valid, username: "a\u202eb" },
      "INVALID_USERNAME_FORMAT",
      { field: "username" },
    ],
    ["blanks only", { ...valid, username: "   " }, "INVALID_USERNAME_FORMAT", { field: "username" }],
  ])("registration with %s is refused with its own code", async (_name, body, code, details) => {
    const answer = await app.call("POST", "/api/auth/register", { body });
    expect(answer.status).toBe(400);
    expect(answer.body).toEqual({ error: { code, message: expect.any(String), details } });
  });

  test("a replacement without a required field is refused", async () => {
    const { token } = await statsUser(app, "good");
    for (const [body, code] of [
      [withoutUsername, "MISSING_USERNAME"],
      [withoutEmail, "MISSING_EMAIL"],
      [withoutSex, "MISSING_SEX"],
    ] as const) {
      const answer = await app.call("PUT", "/api/users/myself", { token, body });
      expect([answer.status, answer.body.error.code]).toEqual([400, code]);
    }
  });

  test.each(["taken", "TAKEN", "ｔａｋｅｎ"])(
    "the name %p is taken after somebody took `taken`",
    async (username) => {
      await statsUser(app, "taken");
      const other = await statsUser(app, "other");
      const registering = await app.call("POST", "/api/auth/register", { body: { ...valid, username } });
      const replacing = await app.call("PUT", "/api/users/myself", {
        token: other.token,
        body: { ...valid, username },
      });
      for (const answer of [registering, replacing]) {
        expect(answer.status).toBe(409);
        expect(answer.body).toEqual({
          error: {
            code: "USERNAME_ALREADY_EXISTS",
            message: "This username is already taken.",
            details: { field: "username" },
          },
        });
      }
    },
  );

  test("a name is free again for its owner in another case", async () => {
    const { token } = await statsUser(app, "mine");
    const body = { username: "Mine", email: "m@example.org", sex: "x" };
    expect((await app.call("PUT", "/api/users/myself", { token, body })).status).toBe(200);
  });

  test("more than 100 usernames at a time are refused", async () => {
    const { token } = await statsUser(app, "good");
    const list = Array.from({ length: 101 }, (_, index) => `user${index}`).join(",");
    const answer = await app.call("GET", `/api/users?usernames=${list}`, { token });
    expect([answer.status, answer.body.error.code]).toEqual([400, "INVALID_USERNAMES_FORMAT"]);
  });

  const json = { "Content-Type": "application/json" };
  test.each<[string, Call, number, string]>([
    ["malformed JSON", { raw: "{", headers: json }, 400, "INVALID_JSON"],
    ["JSON that is no object", { raw: "[]", headers: json }, 400, "INVALID_BODY_FORMAT"],
    ["an empty body", { raw: "", headers: json }, 400, "INVALID_JSON"],
    [
      "a form",
      { raw: "username=a", headers: { "Content-Type": "application/x-www-form-urlencoded" } },
      415,
      "UNSUPPORTED_MEDIA_TYPE",
    ],
    ["a body over 64 KiB", { body: { ...valid, sex: "x".repeat(70_000) } }, 413, "BODY_TOO_LARGE"],
  ])("%s is refused", async (_name, call, status, code) => {
    const { token } = await statsUser(app, "good");
    const answer = await app.call("PUT", "/api/users/myself", { token, ...call });
    expect([answer.status, answer.body.error?.code]).toEqual([status, code]);
    expect(answer.body).toEqual({ error: expect.objectContaining({ code, message: expect.any(String) }) });
  });

  test("wrong methods are 405 with Allow, unknown paths 404, with and without a slash at the end", async () => {
    for (const slash of ["", "/"]) {
      const wrong = await app.call("DELETE", `/api/users/myself${slash}`);
      expect([wrong.status, wrong.headers.get("Allow")]).toEqual([405, "GET, HEAD, PUT"]);
      expect(wrong.body).toEqual({ error: { code: "METHOD_NOT_ALLOWED", message: expect.any(String) } });
      const unknown = await app.call("GET", `/api/stats/tasks/1/2/3${slash}`);
      expect(unknown.status).toBe(404);
      expect(unknown.body).toEqual({ error: { code: "NOT_FOUND", message: expect.any(String) } });
    }
    const { token } = await statsUser(app, "good");
    expect((await app.call("GET", "/api/users/myself/", { token })).status).toBe(200);
  });

  test("what nobody foresaw answers a fixed sentence with the request id, and is logged whole", async () => {
    const { token } = await statsUser(app, "good");
    const core = app.core as { tokens: unknown };
    core.tokens = {
      verify: () => {
        throw new Error("a cause with SELECT and /paths");
      },
    };
    const answer = await app.call("GET", "/api/users/myself", {
      token,
      headers: { "X-Request-ID": "my-id" },
    });
    expect(answer.status).toBe(500);
    expect(answer.body).toEqual({
      error: { code: "INTERNAL_ERROR", message: "Something went wrong. Please report request my-id." },
    });
    expect(answer.headers.get("X-Request-ID")).toBe("my-id");
    expect(app.logged.join("")).toContain("a cause with SELECT and /paths");
  });
});
