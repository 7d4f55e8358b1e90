import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { accounts as accountsTable, mailedSecrets, mails, sessions } from "../../db/schema.ts";
import * as accounts from "../../src/domain/accounts.ts";
import { hashOf } from "../../src/domain/secrets.ts";
import { type Call, PUBLIC_URL, startTestApp, type TestApp } from "../support/app.ts";
import { player, statsUser } from "../support/people.ts";
import {
  accountOf,
  actions,
  delivered,
  forgot,
  JWT,
  me,
  member,
  must,
  NOW,
  PASSWORD,
  refusal,
  settled,
  signIn,
  tokenIn,
  UUID,
} from "./people.ts";

let app: TestApp;
beforeEach(async () => {
  app = await startTestApp();
});
afterEach(() => app.close());

const MINUTE_MS = 60_000;
const json = { "Content-Type": "application/json" };
const example = { email: "user@example.com", password: PASSWORD, full_name: "John Doe" };
const NEW_PASSWORD = "NewPassword123!";

const post = (path: string, body: unknown, call: Call = {}) => app.call("POST", path, { body, ...call });
const register = (body: unknown, call: Call = {}) => post("/api/auth/register", body, call);
const login = (body: unknown) => post("/api/auth/login", body);
const reset = (token: string, more: object = {}) =>
  post("/api/auth/reset-password", {
    token,
    password: NEW_PASSWORD,
    confirm_password: NEW_PASSWORD,
    ...more,
  });
const verify = (token: string) => post("/api/auth/verify-email", { token });

function payloadOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
}

describe("the document's examples", () => {
  test("register, login, refresh, logout", async () => {
    const registered = await register(example);
    expect(registered.status).toBe(201);
    expect(registered.body).toEqual({
      data: { id: UUID, email: "user@example.com", full_name: "John Doe", created_at: NOW },
      message: "User registered successfully",
    });

    const signedIn = await login({ email: example.email, password: PASSWORD });
    expect(signedIn.status).toBe(200);
    expect(signedIn.body).toEqual({
      access_token: JWT,
      refresh_token: JWT,
      token_type: "Bearer",
      expires_in: 86_400,
      user: { id: registered.body.data.id, email: example.email, full_name: "John Doe", roles: ["user"] },
    });
    expect(Object.keys(signedIn.body)).toEqual([
      "access_token",
      "refresh_token",
      "token_type",
      "expires_in",
      "user",
    ]);

    const refreshed = await post("/api/auth/refresh", { refresh_token: signedIn.body.refresh_token });
    expect(refreshed.status).toBe(200);
    expect(refreshed.body).toEqual({
      access_token: JWT,
      refresh_token: JWT,
      token_type: "Bearer",
      expires_in: 86_400,
    });

    const ended = await app.call("POST", "/api/auth/logout", { token: refreshed.body.access_token });
    expect(ended.status).toBe(200);
    expect(ended.body).toEqual({ message: "Logged out successfully" });
    for (const answer of [registered, signedIn, refreshed, ended]) {
      expect(answer.headers.get("Cache-Control")).toBe("no-store");
    }
  });

  test("forgot and reset", async () => {
    await register(example);
    await delivered(app);
    const asked = await post("/api/auth/forgot-password", { email: example.email });
    expect(asked.status).toBe(200);
    expect(asked.body).toEqual({ message: "Password reset email sent", email: example.email });
    await settled();
    const answer = await reset(tokenIn((await delivered(app))[0]));
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      message: "Password reset successfully",
      redirect: `${PUBLIC_URL}/login`,
    });
  });

  test("the tokens' claims: one session, two purposes, 24 hours and 7 days", async () => {
    const { id, token, refreshToken } = await member(app, "user");
    const now = app.now / 1000;
    const claims = { sub: id, sid: UUID, jti: UUID, iss: "guildhall", iat: now };
    const access = payloadOf(token);
    const refresh = payloadOf(refreshToken);
    expect(access).toEqual({ ...claims, purpose: "access", exp: now + 24 * 3600 });
    expect(refresh).toEqual({ ...claims, purpose: "refresh", exp: now + 7 * 24 * 3600 });
    expect(refresh.sid).toEqual(access.sid);
    expect(refresh.jti).not.toEqual(access.jti);
    expect(JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString()).alg).toBe("HS256");
  });
});

describe("registration refuses", () => {
  const { email: _e, ...noEmail } = example;
  const { password: _p, ...noPassword } = example;
  const { full_name: _f, ...noName } = example;
  const bad = (field: string, value: unknown) =>
    [
      `${field} ${JSON.stringify(value)?.slice(0, 40)}`,
      { ...example, [field]: value },
      `INVALID_${field.toUpperCase()}_FORMAT`,
      // Neither a password is told back nor what is long.
      field.includes("password") || (JSON.stringify(value)?.length ?? 0) > 202 ? { field } : { field, value },
    ] as const;

  test.each([
    ["no e-mail", noEmail, "MISSING_EMAIL", { field: "email" }],
    ["no password", noPassword, "MISSING_PASSWORD", { field: "password" }],
    ["no full name", noName, "MISSING_FULL_NAME", { field: "full_name" }],
    ["nothing at all", {}, "MISSING_EMAIL", { field: "email" }],
    bad("email", "invalid-email"),
    bad("email", ""),
    bad("email", null),
    bad("email", 7),
    bad("email", ["user@example.com"]),
    bad("email", { toString: "user@example.com" }),
    bad("email", " user@example.com"),
    bad("email", "user@example.com\n"),
    bad("email", "user@example.com\r\nBcc: other@example.com"),
    bad("email", "a@example.com,b@example.com"),
    bad("email", "ußer@example.com"),
    bad("email", "İ@example.com"),
    bad("email", `${"a".repeat(250)}@example.com`),
    bad("password", "Short1!"),
    bad("password", "lowercase123!"),
    bad("password", "UPPERCASE123!"),
    bad("password", "NoDigitsHere!"),
    bad("password", "NoSpecial123"),
    bad("password", `Aa1!${"x".repeat(125)}`),
    bad("password", ""),
    bad("password", null),
    bad("password", 12345678),
    bad("password", true),
    bad("password", [PASSWORD]),
    bad("password", { length: 20 }),
    bad("full_name", "J"),
    bad("full_name", "J".repeat(101)),
    bad("full_name", null),
    bad("full_name", ["John", "Doe"]),
    bad("full_name", "John\0Doe"),
    bad("username", null),
    bad("username", ""),
    bad("username", 7),
    bad("invitation", 7),
  ])("%s", async (_name, body, code, details) => {
    const answer = await register(body);
    expect(answer.status).toBe(400);
    expect(answer.body).toEqual(refusal(code, details));
    expect(await app.core.db.$count(accountsTable)).toBe(0);
  });

  test.each(["a@b", "a/b", "a,b", "a\u0007", "a\u202eb", "   ", "x".repeat(65)])(
    "the username %p",
    async (username) => {
      const answer = await register({ ...example, username });
      expect([answer.status, answer.body]).toEqual([
        400,
        refusal("INVALID_USERNAME_FORMAT", { field: "username" }),
      ]);
    },
  );

  test.each<[string, Call, number, string]>([
    ["half an object", { raw: "{", headers: json }, 400, "INVALID_JSON"],
    ["an empty body", { raw: "", headers: json }, 400, "INVALID_JSON"],
    ["an array", { raw: "[]", headers: json }, 400, "INVALID_BODY_FORMAT"],
    ["null", { raw: "null", headers: json }, 400, "INVALID_BODY_FORMAT"],
    ["text", { raw: '"text"', headers: json }, 400, "INVALID_BODY_FORMAT"],
    [
      "a form",
      { raw: "email=a", headers: { "Content-Type": "application/x-www-form-urlencoded" } },
      415,
      "UNSUPPORTED_MEDIA_TYPE",
    ],
    [
      "JSON as text, which a page may send anywhere",
      { raw: JSON.stringify(example), headers: { "Content-Type": "text/plain;charset=UTF-8" } },
      415,
      "UNSUPPORTED_MEDIA_TYPE",
    ],
    [
      "a type that begins like JSON",
      { raw: JSON.stringify(example), headers: { "Content-Type": "application/jsonx" } },
      415,
      "UNSUPPORTED_MEDIA_TYPE",
    ],
    ["a body over 64 KiB", { body: { ...example, full_name: "x".repeat(70_000) } }, 413, "BODY_TOO_LARGE"],
    ["100,000 nested arrays", { raw: "[".repeat(60_000), headers: json }, 400, "INVALID_JSON"],
  ])("%s", async (_name, call, status, code) => {
    const answer = await app.call("POST", "/api/auth/register", call);
    expect([answer.status, answer.body.error?.code]).toEqual([status, code]);
    expect(await app.core.db.$count(accountsTable)).toBe(0);
  });

  test.each(["user@example.com", "USER@EXAMPLE.COM", "User@Example.com"])(
    "the address %p after somebody has user@example.com",
    async (email) => {
      await register(example);
      const answer = await register({ ...example, email });
      expect(answer.status).toBe(409);
      expect(answer.body).toEqual({
        error: {
          code: "EMAIL_ALREADY_EXISTS",
          message: "This e-mail address is already registered.",
          details: { field: "email" },
        },
      });
    },
  );

  test.each(["taken", "TAKEN", "ｔａｋｅｎ"])(
    "the username %p after somebody took `taken`",
    async (username) => {
      await register({ ...example, username: "taken" });
      const answer = await register({ ...example, email: "other@example.com", username });
      expect(answer.status).toBe(409);
      expect(answer.body).toEqual(refusal("USERNAME_ALREADY_EXISTS", { field: "username" }));
    },
  );

  test("all but one of 10 that want the same address at once", async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => register(example)));
    expect(answers.map((answer) => answer.status).sort()).toEqual([201, ...Array(9).fill(409)]);
    expect(await app.core.db.$count(accountsTable)).toBe(1);
  });
});

describe("registration", () => {
  test("JSON with a charset is JSON, and a slash at the end changes nothing", async () => {
    const headers = { "Content-Type": "application/json; charset=utf-8" };
    const answer = await app.call("POST", "/api/auth/register/", { raw: JSON.stringify(example), headers });
    expect(answer.status).toBe(201);
  });

  test("what nobody asked for is not taken: id, roles, state, origin, prototype keys", async () => {
    const more = `"id":"01900000-0000-7000-8000-000000000000","roles":["admin"],"is_active":false,
      "email_verified":true,"origin":"shell","passwordHash":"x","__proto__":{"isAdmin":true,"username":"evil"},
      "constructor":{"prototype":{"isAdmin":true}}`;
    const raw = `${JSON.stringify(example).slice(0, -1)},${more}}`;
    must(await app.call("POST", "/api/auth/register", { raw, headers: json }), 201);
    const { body } = await login(example);
    expect(body.user.roles).toEqual(["user"]);
    expect(body.user.id).not.toBe("01900000-0000-7000-8000-000000000000");
    const account = await accountOf(app, example);
    expect([account.origin, account.username, account.emailVerifiedAt]).toEqual(["accounts", "user", null]);
    expect(Reflect.get({}, "isAdmin")).toBeUndefined();
  });

  test("of a doubled key the last counts, for the choice of the form and for the form", async () => {
    const raw = `{"email":"first@example.com","password":"weak","full_name":"X","username":"first",
      "email":"last@example.com","password":"${PASSWORD}","full_name":"Last One","username":"last"}`;
    const answer = must(await app.call("POST", "/api/auth/register", { raw, headers: json }), 201);
    expect(answer.body.data).toMatchObject({ email: "last@example.com", full_name: "Last One" });
    expect((await accountOf(app, { email: "last@example.com" })).username).toBe("last");
  });

  test("without a username it gets one from the address; the next of the same name another one", async () => {
    await register(example);
    await register({ ...example, email: "user@other.example.com" });
    const first = await accountOf(app, example);
    const second = await accountOf(app, { email: "user@other.example.com" });
    expect(first.username).toBe("user");
    expect(second.username).toMatch(/^user-\d{4,}$/);
  });

  test("asks for the address to be confirmed, and the link does so once", async () => {
    const { token } = await member(app, "user");
    expect((await me(app, token)).body.email_verified).toBe(false);
    const [mail, ...others] = await delivered(app);
    expect([mail?.to, mail?.subject, others]).toEqual([
      "user@example.com",
      "Confirm your e-mail address for Guildhall",
      [],
    ]);
    expect(mail?.text).toContain(`${PUBLIC_URL}/verify-email?token=`);
    const secret = tokenIn(mail);
    const verified = await verify(secret);
    expect([verified.status, verified.body]).toEqual([200, { message: "Email verified successfully" }]);
    expect((await me(app, token)).body.email_verified).toBe(true);
    const again = await verify(secret);
    expect([again.status, again.body]).toEqual([400, refusal("INVALID_RESET_TOKEN", { field: "token" })]);
  });

  test("the confirming link ends after 7 days", async () => {
    await member(app, "user");
    const secret = tokenIn((await delivered(app))[0]);
    app.now += 7 * 24 * 60 * MINUTE_MS;
    expect((await verify(secret)).status).toBe(400);
  });
});

describe("login", () => {
  test.each<[string, object]>([
    ["the address", { email: "user@example.com" }],
    ["the address in another case", { email: "USER@example.COM" }],
    ["the username", { username: "johnny" }],
    ["the username in another case and width", { username: "ＪOHNNY" }],
    ["the address, which goes before the username", { email: "user@example.com", username: "nobody" }],
  ])("by %s", async (_name, who) => {
    await register({ ...example, username: "johnny" });
    const answer = await login({ ...who, password: PASSWORD });
    expect([answer.status, answer.body.user?.email]).toEqual([200, "user@example.com"]);
  });

  test.each<[string, object]>([
    ["a wrong password", { email: example.email, password: "WrongPassword123!" }],
    ["the right one in another case", { email: example.email, password: PASSWORD.toUpperCase() }],
    ["the right one and a blank", { email: example.email, password: `${PASSWORD} ` }],
    ["an empty password", { email: example.email, password: "" }],
    ["a password of 60,000 characters", { email: example.email, password: "x".repeat(60_000) }],
    ["an unknown address", { email: "nobody@example.com", password: PASSWORD }],
    ["what is no address", { email: "nobody", password: PASSWORD }],
    ["an unknown username", { username: "nobody", password: PASSWORD }],
    ["an address as the username", { username: example.email, password: PASSWORD }],
    ["a pattern", { email: "%", password: PASSWORD }],
    ["SQL", { username: "' OR 1=1 --", password: PASSWORD }],
    ["a name of 60,000 characters", { username: "x".repeat(60_000), password: PASSWORD }],
    ["a prototype key", { username: "__proto__", password: PASSWORD }],
    ["NUL", { username: "user\0", password: PASSWORD }],
  ])("with %s is 401, with the same body each time", async (_name, body) => {
    await register(example);
    const answer = await login(body);
    expect(answer.status).toBe(401);
    expect(answer.body).toEqual({
      error: { code: "INVALID_CREDENTIALS", message: "The name or the password is wrong." },
    });
  });

  test.each<[string, unknown, string, object]>([
    ["no name", { password: PASSWORD }, "MISSING_EMAIL", { field: "email" }],
    ["no password", { email: example.email }, "MISSING_PASSWORD", { field: "password" }],
    [
      "an array for an address",
      { email: [example.email], password: PASSWORD },
      "INVALID_EMAIL_FORMAT",
      { field: "email", value: [example.email] },
    ],
    [
      "an object for a username",
      { username: { $ne: null }, password: PASSWORD },
      "INVALID_USERNAME_FORMAT",
      { field: "username", value: { $ne: null } },
    ],
    [
      "an array for a password",
      { email: example.email, password: [PASSWORD] },
      "INVALID_PASSWORD_FORMAT",
      { field: "password" },
    ],
    [
      "true for a password",
      { email: example.email, password: true },
      "INVALID_PASSWORD_FORMAT",
      { field: "password" },
    ],
  ])("with %s is 400", async (_name, body, code, details) => {
    await register(example);
    const answer = await login(body);
    expect([answer.status, answer.body]).toEqual([400, refusal(code, details)]);
  });

  test("an account without a password cannot sign in, whatever is sent", async () => {
    await statsUser(app, "winner", { email: "winner@example.com" });
    for (const password of ["", "null", PASSWORD]) {
      expect((await login({ username: "winner", password })).status).toBe(401);
      expect((await login({ email: "winner@example.com", password })).status).toBe(401);
    }
  });

  test("a stats account with the same contact address is not in the way", async () => {
    await statsUser(app, "winner", { email: example.email });
    await register(example);
    expect((await login(example)).status).toBe(200);
  });

  test("a deactivated account is 403 after the right password, 401 after a wrong one", async () => {
    const { id, token } = await member(app, "user");
    must(await app.call("DELETE", `/api/users/${id}`, { token }), 204);
    const right = await login(example);
    expect([right.status, right.body]).toEqual([403, refusal("ACCOUNT_INACTIVE")]);
    const wrong = await login({ ...example, password: "WrongPassword123!" });
    expect([wrong.status, wrong.body]).toEqual([401, refusal("INVALID_CREDENTIALS")]);
  });

  test("the password rule of this API does not apply to signing in", async () => {
    await player(app, "weak", { password: "secret", email: "weak@example.com" });
    expect((await login({ email: "weak@example.com", password: "secret" })).status).toBe(200);
  });

  test("counts the sign-ins and keeps the time of the last one", async () => {
    const { id } = await member(app, "user");
    app.now += MINUTE_MS;
    const { token } = await signIn(app, "user@example.com");
    const { body } = await app.call("GET", `/api/users/${id}`, { token });
    expect([body.last_login_at, body.login_count]).toEqual(["2026-04-14T10:31:00Z", 2]);
  });
});

describe("logout", () => {
  test("ends both tokens of the session at once, and no other session", async () => {
    const first = await member(app, "user");
    const second = await signIn(app, first.email);
    must(await app.call("POST", "/api/auth/logout", { token: first.token }), 200);
    const read = await me(app, first.token);
    expect([read.status, read.body]).toEqual([401, refusal("UNAUTHORIZED")]);
    const refresh = await post("/api/auth/refresh", { refresh_token: first.refreshToken });
    expect([refresh.status, refresh.body]).toEqual([401, refusal("UNAUTHORIZED")]);
    expect((await app.call("POST", "/api/auth/logout", { token: first.token })).status).toBe(401);
    expect((await me(app, second.token)).status).toBe(200);
  });

  test("by the cookie it must come from a page of ours", async () => {
    const { token } = await member(app, "user");
    const byCookie = (more: Record<string, string>) =>
      app.call("POST", "/api/auth/logout", { headers: { Cookie: `jwt=${token}`, ...more } });
    for (const headers of [
      { Origin: "https://evil.example" },
      { Origin: "null" },
      { Origin: `${PUBLIC_URL}.evil.example` },
      { "Sec-Fetch-Site": "cross-site" },
    ]) {
      const answer = await byCookie(headers as unknown as Record<string, string>);
      expect([answer.status, answer.body]).toEqual([403, refusal("FORBIDDEN")]);
    }
    expect((await me(app, token)).status).toBe(200);
    expect((await byCookie({ Origin: PUBLIC_URL })).status).toBe(200);
  });
});

describe("a forgotten password", () => {
  test("the mail's link sets a new one; the old one, every session and every other link end", async () => {
    const first = await member(app, "user");
    const second = await signIn(app, first.email);
    await delivered(app);
    const old = tokenIn((await forgot(app, first.email))[0]);
    app.now += MINUTE_MS;
    const [mail, ...others] = await forgot(app, "USER@example.com");
    expect([mail?.to, mail?.subject, others]).toEqual([first.email, "Set a new Guildhall password", []]);
    expect(mail?.text).toContain(`${PUBLIC_URL}/reset-password?token=`);
    must(await reset(tokenIn(mail)), 200);

    expect((await login({ ...example, password: PASSWORD })).status).toBe(401);
    expect((await login({ ...example, password: NEW_PASSWORD })).status).toBe(200);
    for (const { token, refreshToken } of [first, second]) {
      expect((await me(app, token)).status).toBe(401);
      expect((await post("/api/auth/refresh", { refresh_token: refreshToken })).status).toBe(401);
    }
    const dead = await reset(old);
    expect([dead.status, dead.body]).toEqual([400, refusal("INVALID_RESET_TOKEN", { field: "token" })]);
    const told = await delivered(app);
    expect(told.map(({ to, subject }) => [to, subject])).toEqual([
      [first.email, "Your Guildhall password was changed"],
    ]);
    expect((await actions(app)).filter((action) => action.startsWith("password."))).toEqual([
      "password.reset-requested",
      "password.reset-requested",
      "password.reset",
    ]);
  });

  test("the answer is the same for everybody; mails go only to who can use them", async () => {
    await member(app, "user");
    const gone = await member(app, "gone");
    must(await app.call("DELETE", `/api/users/${gone.id}`, { token: gone.token }), 204);
    await statsUser(app, "winner", { email: "winner@example.com" });
    await delivered(app);
    for (const [email, mailed] of [
      ["user@example.com", 1],
      ["nobody@example.com", 0],
      ["gone@example.com", 0],
      ["winner@example.com", 0],
      ["%@example.com", 0],
      ["ФОРМА@пример.рф", 0],
    ] as const) {
      const answer = await post("/api/auth/forgot-password", { email });
      expect([answer.status, answer.body]).toEqual([200, { message: "Password reset email sent", email }]);
      await settled();
      expect([email, (await delivered(app)).length]).toEqual([email, mailed]);
    }
  });

  test.each([
    ["none", {}, "MISSING_EMAIL", { field: "email" }],
    [
      "what is none",
      { email: "invalid-email" },
      "INVALID_EMAIL_FORMAT",
      { field: "email", value: "invalid-email" },
    ],
    [
      "two",
      { email: ["a@example.com", "b@example.com"] },
      "INVALID_EMAIL_FORMAT",
      { field: "email", value: ["a@example.com", "b@example.com"] },
    ],
  ])("for an address there must be one: %s", async (_name, body, code, details) => {
    const answer = await post("/api/auth/forgot-password", body);
    expect([answer.status, answer.body]).toEqual([400, refusal(code, details)]);
  });

  test("one mail a minute, also when asked ten times at once", async () => {
    await member(app, "user");
    await delivered(app);
    await Promise.all(
      Array.from({ length: 10 }, () => post("/api/auth/forgot-password", { email: example.email })),
    );
    await settled();
    expect(await delivered(app)).toHaveLength(1);
    app.now += MINUTE_MS - 1;
    expect(await forgot(app, example.email)).toHaveLength(0);
    app.now += 1;
    expect(await forgot(app, example.email)).toHaveLength(1);
  });

  test("the link works once, also when used ten times at once", async () => {
    await member(app, "user");
    await delivered(app);
    const token = tokenIn((await forgot(app, example.email))[0]);
    const answers = await Promise.all(Array.from({ length: 10 }, () => reset(token)));
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, ...Array(9).fill(400)]);
    expect((await reset(token)).status).toBe(400);
    expect((await actions(app)).filter((action) => action === "password.reset")).toHaveLength(1);
    expect(await delivered(app)).toHaveLength(1);
  });

  test.each([
    [30 * MINUTE_MS - 1, 200],
    [30 * MINUTE_MS, 400],
  ])("after %d ms the link answers %d", async (ms, status) => {
    await member(app, "user");
    await delivered(app);
    const token = tokenIn((await forgot(app, example.email))[0]);
    app.now += ms;
    expect((await reset(token)).status).toBe(status);
  });

  test("the secret has 256 bits and is stored as its hash alone", async () => {
    await member(app, "user");
    await delivered(app);
    await post("/api/auth/forgot-password", { email: example.email });
    await settled();
    const waiting = JSON.stringify(await app.core.db.select().from(mails));
    const token = tokenIn((await delivered(app))[0]);
    expect(Buffer.from(token, "base64url")).toHaveLength(32);
    const stored = await app.core.db.select().from(mailedSecrets).where(eq(mailedSecrets.purpose, "reset"));
    expect(stored.map((row) => row.hash)).toEqual([hashOf(token)]);
    for (const kept of [waiting, JSON.stringify(stored), app.logged.join("")]) {
      expect(kept).not.toContain(token);
    }
  });

  test.each<[string, object, number, string, object]>([
    [
      "passwords that differ",
      { confirm_password: "Other-Password1" },
      422,
      "VALIDATION_ERROR",
      { field: "confirm_password" },
    ],
    [
      "a weak one",
      { password: "weak", confirm_password: "weak" },
      400,
      "INVALID_PASSWORD_FORMAT",
      { field: "password" },
    ],
    [
      "no confirmation",
      { confirm_password: undefined },
      400,
      "MISSING_CONFIRM_PASSWORD",
      { field: "confirm_password" },
    ],
    [
      "a confirmation that is no text",
      { confirm_password: [NEW_PASSWORD] },
      400,
      "INVALID_CONFIRM_PASSWORD_FORMAT",
      { field: "confirm_password" },
    ],
    ["a token that is no text", { token: 7 }, 400, "INVALID_TOKEN_FORMAT", { field: "token" }],
    ["no token", { token: undefined }, 400, "MISSING_TOKEN", { field: "token" }],
    ["an empty token", { token: "" }, 400, "INVALID_RESET_TOKEN", { field: "token" }],
    ["a long token", { token: "x".repeat(60_000) }, 400, "INVALID_RESET_TOKEN", { field: "token" }],
  ])("%s are refused, and the link still works", async (_name, more, status, code, details) => {
    await member(app, "user");
    await delivered(app);
    const token = tokenIn((await forgot(app, example.email))[0]);
    const answer = await reset(token, more);
    expect([answer.status, answer.body]).toEqual([status, refusal(code, details)]);
    expect((await login(example)).status).toBe(200);
    expect((await reset(token)).status).toBe(200);
  });

  test("the stored hash is not the token, nor is a confirming token one for a reset", async () => {
    await member(app, "user");
    const confirming = tokenIn((await delivered(app))[0]);
    const token = tokenIn((await forgot(app, example.email))[0]);
    expect((await reset(hashOf(token))).status).toBe(400);
    expect((await reset(confirming)).status).toBe(400);
    expect((await verify(token)).status).toBe(400);
    expect((await reset(token)).status).toBe(200);
    expect((await verify(confirming)).status).toBe(200);
  });

  test("a link of an account that was deactivated meanwhile is dead", async () => {
    const { id, token } = await member(app, "user");
    await delivered(app);
    const secret = tokenIn((await forgot(app, example.email))[0]);
    must(await app.call("DELETE", `/api/users/${id}`, { token }), 204);
    expect((await reset(secret)).status).toBe(400);
  });

  test("a link that was mailed before the password was changed is dead", async () => {
    const { token } = await member(app, "user");
    await delivered(app);
    const secret = tokenIn((await forgot(app, example.email))[0]);
    const body = { current_password: PASSWORD, password: NEW_PASSWORD, confirm_password: NEW_PASSWORD };
    must(await post("/api/auth/change-password", body, { token }), 200);
    expect((await reset(secret)).status).toBe(400);
  });
});

describe("a changed e-mail address", () => {
  const NEXT = "next@example.com";
  const change = (who: { id: string; token: string }, email: string) =>
    app.call("PUT", `/api/users/${who.id}`, { token: who.token, body: { email } });

  test("shows at once; resets go to the old one until the new one is confirmed; the old one is told", async () => {
    const user = await member(app, "user");
    await delivered(app);
    expect((await change(user, NEXT)).body).toMatchObject({ email: NEXT });
    expect((await me(app, user.token)).body).toMatchObject({ email: NEXT, email_verified: false });
    const sent = await delivered(app);
    expect(sent.map(({ to, subject }) => [to, subject]).sort()).toEqual([
      [NEXT, "Confirm your e-mail address for Guildhall"],
      [user.email, "The e-mail address of your Guildhall account was changed"],
    ]);
    expect((await login({ email: NEXT, password: PASSWORD })).status).toBe(200);

    expect(await forgot(app, NEXT)).toEqual([]);
    expect((await forgot(app, user.email)).map((mail) => mail.to)).toEqual([user.email]);
    must(await verify(tokenIn(sent.find((mail) => mail.to === NEXT))), 200);
    expect((await me(app, user.token)).body).toMatchObject({ email: NEXT, email_verified: true });
    app.now += MINUTE_MS;
    expect(await forgot(app, user.email)).toEqual([]);
    expect((await forgot(app, NEXT)).map((mail) => mail.to)).toEqual([NEXT]);
  });

  test("a second unconfirmed change leaves resets where they were, and the first link confirms nothing", async () => {
    const user = await member(app, "user");
    await delivered(app);
    must(await change(user, "thief@example.com"), 200);
    const thief = (await delivered(app)).find((mail) => mail.to === "thief@example.com");
    must(await change(user, NEXT), 200);
    expect((await delivered(app)).map((mail) => mail.to).sort()).toEqual([NEXT, user.email]);
    expect((await verify(tokenIn(thief))).status).toBe(400);
    expect(await forgot(app, "thief@example.com")).toEqual([]);
    expect((await forgot(app, user.email)).map((mail) => mail.to)).toEqual([user.email]);
  });

  test("a link to the old address is dead once the new one is confirmed", async () => {
    const user = await member(app, "user");
    await delivered(app);
    const old = tokenIn((await forgot(app, user.email))[0]);
    must(await change(user, NEXT), 200);
    const confirming = (await delivered(app)).find((mail) => mail.to === NEXT);
    must(await verify(tokenIn(confirming)), 200);
    expect((await reset(old)).status).toBe(400);
  });

  test("a reset by the old address does not confirm the new one", async () => {
    const user = await member(app, "user");
    must(await change(user, NEXT), 200);
    await delivered(app);
    must(await reset(tokenIn((await forgot(app, user.email))[0])), 200);
    const account = await accounts.getByEmail(app.core, NEXT);
    expect([account.emailVerifiedAt, account.confirmedEmail]).toEqual([null, user.email]);
  });

  test("the address of another account is refused, whatever the case", async () => {
    const user = await member(app, "user");
    await member(app, "other");
    for (const email of ["other@example.com", "OTHER@example.com"]) {
      const answer = await change(user, email);
      expect([answer.status, answer.body]).toEqual([
        409,
        refusal("EMAIL_ALREADY_EXISTS", { field: "email" }),
      ]);
    }
    expect((await me(app, user.token)).body.email).toBe(user.email);
  });
});

describe("change-password", () => {
  const body = { current_password: PASSWORD, password: NEW_PASSWORD, confirm_password: NEW_PASSWORD };
  const change = (token: string, more: object = {}) =>
    post("/api/auth/change-password", { ...body, ...more }, { token });

  test("keeps this session, ends the others and tells the owner", async () => {
    const other = await member(app, "user");
    await delivered(app);
    const { token, refreshToken } = await signIn(app, other.email);
    const answer = await change(token);
    expect([answer.status, answer.body]).toEqual([200, { message: "Password changed successfully" }]);
    expect((await me(app, token)).status).toBe(200);
    expect((await post("/api/auth/refresh", { refresh_token: refreshToken })).status).toBe(200);
    expect((await me(app, other.token)).status).toBe(401);
    expect((await post("/api/auth/refresh", { refresh_token: other.refreshToken })).status).toBe(401);
    expect((await login({ ...example, password: PASSWORD })).status).toBe(401);
    expect((await login({ ...example, password: NEW_PASSWORD })).status).toBe(200);
    expect((await delivered(app)).map((mail) => mail.subject)).toEqual([
      "Your Guildhall password was changed",
    ]);
  });

  test.each<[string, object, number, string, object]>([
    [
      "a wrong current one",
      { current_password: "WrongPassword123!" },
      401,
      "INVALID_CREDENTIALS",
      { field: "current_password" },
    ],
    [
      "a current one that is too long",
      { current_password: "x".repeat(60_000) },
      401,
      "INVALID_CREDENTIALS",
      { field: "current_password" },
    ],
    [
      "no current one",
      { current_password: undefined },
      400,
      "MISSING_CURRENT_PASSWORD",
      { field: "current_password" },
    ],
    [
      "a weak new one",
      { password: "weak", confirm_password: "weak" },
      400,
      "INVALID_PASSWORD_FORMAT",
      { field: "password" },
    ],
    [
      "new ones that differ",
      { confirm_password: "Other-Password1" },
      422,
      "VALIDATION_ERROR",
      { field: "confirm_password" },
    ],
  ])("%s: refused, nothing ends", async (_name, more, status, code, details) => {
    const { token } = await member(app, "user");
    const second = await signIn(app, example.email);
    const answer = await change(token, more);
    expect([answer.status, answer.body]).toEqual([status, refusal(code, details)]);
    expect((await login(example)).status).toBe(200);
    expect((await me(app, second.token)).status).toBe(200);
  });

  test("guesses at the current password count as failed sign-ins do", async () => {
    const { token } = await member(app, "user");
    for (let guess = 0; guess < 10; guess++) await change(token, { current_password: `Guess-${guess}` });
    expect(app.slept).toEqual([]);
    await change(token, { current_password: "Guess-10" });
    expect(app.slept).toEqual([1_000]);
    expect((await change(token)).status).toBe(200);
  });

  test("an account without a password cannot get one this way", async () => {
    const { token } = await statsUser(app, "winner");
    for (const current_password of ["", "null", PASSWORD]) {
      expect((await change(token, { current_password })).status).toBe(401);
    }
  });
});

test("no answer and no log line holds a password or a token that was sent", async () => {
  const secret = "Hidden-Secret-1";
  const { token } = await member(app, "user");
  const wrapped = [secret, [secret], { a: secret }];
  for (const value of wrapped) {
    const answers = [
      await register({ ...example, password: value, full_name: "" }),
      await register({ ...example, email: "x", password: value }),
      await register({ email: "a@example.com", username: 7, password: value }),
      await login({ email: 7, password: value }),
      await login({ email: example.email, password: value }),
      await post("/api/auth/refresh", { refresh_token: value }),
      await reset(secret, { token: value, password: value, confirm_password: value }),
      await reset(secret, { password: value }),
      await verify(value as string),
      await post(
        "/api/auth/change-password",
        { current_password: value, password: value, confirm_password: value },
        { token },
      ),
      await app.call("GET", `/api/users/me?token=${secret}&password=${secret}`),
      await app.call("GET", "/api/users/me", { token: secret }),
    ];
    for (const answer of answers) {
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(JSON.stringify(answer.body)).not.toContain(secret);
    }
  }
  expect(app.logged.join("")).not.toContain(secret);
  const stored = await app.core.db.select().from(sessions);
  expect(JSON.stringify(stored)).not.toContain(secret);
});

// What is no object is told back whole.
test("a body that is no object is not told back", async () => {
  for (const body of ["Hidden-Secret-1", ["user@example.com", "Hidden-Secret-1"]]) {
    const answer = await login(body);
    expect([answer.status, answer.body]).toEqual([400, refusal("INVALID_BODY_FORMAT", { field: "body" })]);
  }
});
