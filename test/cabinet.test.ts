import { afterEach, beforeEach, describe, expect, spyOn, test } from "bun:test";
import { eq } from "drizzle-orm";
import fc from "fast-check";
import { accountGroups, accounts as accountsTable, groupRoles, groups, roles } from "../db/schema.ts";
import * as accounts from "../src/domain/accounts.ts";
import { PERMISSIONS } from "../src/domain/permissions.ts";
import * as sessions from "../src/domain/sessions.ts";
import { grantRole } from "./support/admin.ts";
import { type Call, PUBLIC_URL, startTestApp, type TestApp } from "./support/app.ts";
import { player, statsUser } from "./support/people.ts";
import { badTokens } from "./support/token-failures.ts";

let app: TestApp;
beforeEach(async () => {
  app = await startTestApp();
});
afterEach(() => app.close());

const refusal = { errorMessage: expect.any(String) };
const JWT = expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/);
const DRAWN = expect.stringMatching(/^http:\/\/guildhall\.test\/avatars\/[0-9a-f-]{36}\.svg$/);

const form = {
  login: "danila_ginda",
  password: "Secret-123",
  email: "danila@example.org",
  first_name: "Данила",
  last_name: "Гинда",
  patronymic: "Алексеевич",
};
const danila = {
  id: 1,
  login: "danila_ginda",
  email: "danila@example.org",
  first_name: "Данила",
  last_name: "Гинда",
  created_at: "2026-04-14 10:30:00.000000",
  description: "",
  background_color: "#005CC9",
  birthday: "",
  patronymic: "Алексеевич",
  avatar: DRAWN,
  groups: [],
  roles: [],
};
const danilasProfile = { ...danila, permissions: [], token: JWT };
// The document's example, to the letter.
const example = {
  background_color: "#e209e5",
  first_name: "Данила",
  last_name: "Гинда",
  patronymic: "",
  birthday: "2005-04-07",
  description: "Backend Developer from Voskresensk",
};

const register = (body: object = form, call: Call = {}) =>
  app.call("POST", "/account/registration", { body, ...call });
const signIn = (body: object) => app.call("POST", "/account/login", { body });
const me = (token: string) => app.call("GET", "/account/me", { token });
const edit = (token: string, body: object) => app.call("POST", "/account/edit/info", { token, body });
const search = (key: string, token?: string) =>
  app.call("GET", `/info/users/search-${encodeURIComponent(key)}`, token === undefined ? {} : { token });

async function registered(more: object = {}): Promise<{ token: string; id: number }> {
  const answer = await register({ ...form, ...more });
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
  return answer.body;
}

describe("the document's examples, from top to bottom", () => {
  test("POST account/registration", async () => {
    const answer = await register();
    expect([answer.status, answer.body]).toEqual([200, danilasProfile]);
    expect(Object.keys(answer.body)).toEqual(Object.keys(danilasProfile));
    expect(answer.headers.get("Cache-Control")).toBe("no-store");
    expect((await me(answer.body.token)).status).toBe(200);
  });

  test.each([undefined, null, ""])(
    "POST account/registration with %p for a patronymic",
    async (patronymic) => {
      expect((await register({ ...form, patronymic })).body).toEqual({ ...danilasProfile, patronymic: "" });
    },
  );

  test.each([
    { login: "danila_ginda" },
    { login: "DANILA_Ginda" },
    { email: "danila@example.org" },
    { email: "Danila@Example.ORG", login: null },
    { email: "danila@example.org", login: "" },
    { login: "danila_ginda", email: "somebody@else.org" },
  ])("POST account/login with %j", async (name) => {
    await registered();
    const answer = await signIn({ ...name, password: form.password });
    expect([answer.status, answer.body]).toEqual([200, danilasProfile]);
    expect((await me(answer.body.token)).status).toBe(200);
  });

  test("groups, roles and permissions in POST account/login, GET account/me and GET info", async () => {
    const { token } = await registered();
    const { db } = app.core;
    await db.insert(roles).values({ id: 50, name: "редактор", permissions: ["users.read", "made.up"] });
    await db.insert(roles).values({ id: 51, name: "страж", permissions: ["chat.moderate", "users.read"] });
    await db.insert(groups).values({ id: 7, name: "Стража" });
    await db.insert(groupRoles).values({ groupId: 7, roleId: 51 });
    await db.insert(accountGroups).values({ accountId: 1, groupId: 7 });
    await grantRole(app, "danila_ginda", "редактор");
    const member = {
      ...danila,
      groups: [{ id: 7, name: "Стража" }],
      roles: [{ id: 50, name: "редактор" }],
    };
    const profile = { ...member, permissions: ["chat.moderate", "made.up", "users.read"], token: JWT };
    expect((await signIn({ login: form.login, password: form.password })).body).toEqual(profile);
    expect((await me(token)).body).toEqual(profile);
  });

  test("GET info shows groups and roles to the account itself and to who may read users", async () => {
    const { token, id } = await registered();
    await app.core.db.insert(groups).values({ id: 7, name: "Стража" });
    await app.core.db.insert(accountGroups).values({ accountId: id, groupId: 7 });
    await grantRole(app, "danila_ginda", "moderator");
    const other = await player(app, "other");
    await grantRole(app, "reader", "admin");
    const reader = (await signIn({ login: "reader", password: "Secret-123" })).body.token;
    const none = { groups: [], roles: [] };
    const all = {
      groups: [{ id: 7, name: "Стража" }],
      roles: [{ id: expect.any(Number), name: "moderator" }],
    };
    for (const [viewer, expected] of [
      [undefined, none],
      ["junk", none],
      [other.token, none],
      [token, all],
      [reader, all],
    ] as const) {
      const call = viewer === undefined ? {} : { token: viewer };
      const read = async (path: string) => (await app.call("GET", path, call)).body;
      const answers = [
        await read(`/info/users/search-${id}`),
        await read("/info/users/search-danila_ginda"),
        (await read("/info/users"))[0],
        (await read("/info/users?limit=1"))[0],
      ];
      for (const answer of answers) expect(answer).toMatchObject({ login: "danila_ginda", ...expected });
    }
    const others: { id: number; roles: unknown[] }[] = (await app.call("GET", "/info/users", { token })).body;
    expect(others.filter((user) => user.id !== id).flatMap((user) => user.roles)).toEqual([]);
  });

  test("an administrator's * is every permission by name", async () => {
    const { token } = await registered();
    await grantRole(app, "danila_ginda", "admin");
    expect((await me(token)).body.permissions).toEqual([...PERMISSIONS].sort());
  });

  test("GET account/login/check", async () => {
    const check = async (login: string) =>
      (await app.call("GET", `/account/login/check?login=${encodeURIComponent(login)}`)).body;
    expect(await check("danila_ginda")).toEqual({
      message: "This login is free.",
      is_login_available: true,
    });
    const { token } = await registered();
    const taken = { message: "This login is already taken.", is_login_available: false };
    expect(await check("danila_ginda")).toEqual(taken);
    const unusable = { message: expect.stringContaining("4 to 32"), is_login_available: false };
    for (const login of ["Danila_Ginda", "abc", "", "a".repeat(33), "имя_имя", "a b c d"]) {
      expect([login, await check(login)]).toEqual([login, unusable]);
    }
    const { account } = await sessions.authenticate(app.core, token);
    await accounts.deactivate(app.core, account, account.id);
    expect(await check("danila_ginda")).toEqual(taken);
    const missing = await app.call("GET", "/account/login/check");
    expect([missing.status, missing.body]).toEqual([400, refusal]);
  });

  test("GET account/me repeats the token of the header, however it is written, and not that of the cookie", async () => {
    const { token } = await registered();
    const headers: [Record<string, string>, string][] = [
      [{ Authorization: token }, token],
      [{ Authorization: `Bearer ${token}` }, token],
      [{ Authorization: `bearer  ${token}` }, token],
      [{ Cookie: `jwt=${token}` }, ""],
    ];
    for (const [header, repeated] of headers) {
      const answer = await app.call("GET", "/account/me", { headers: header });
      expect([answer.status, answer.body]).toEqual([200, { ...danilasProfile, token: repeated }]);
    }
  });

  test("POST account/edit/info", async () => {
    const { token } = await registered();
    const answer = await edit(token, example);
    expect([answer.status, answer.body]).toEqual([200, example]);
    expect((await me(token)).body).toEqual({ ...danilasProfile, ...example });
  });

  test("GET info/users/", async () => {
    await registered();
    await registered({ login: "anna_1", email: "anna@example.org", first_name: "Анна", patronymic: "" });
    const answer = await app.call("GET", "/info/users/");
    expect([answer.status, answer.body]).toEqual([
      200,
      [
        danila,
        { ...danila, id: 2, login: "anna_1", email: "anna@example.org", first_name: "Анна", patronymic: "" },
      ],
    ]);
    expect(Object.keys(answer.body[0])).toEqual(Object.keys(danila));
    expect((await app.call("GET", "/info/users")).body).toEqual(answer.body);
  });

  test.each(["danila_ginda", "DANILA_GINDA", "1"])("GET info/users/search-%s", async (key) => {
    await registered();
    const answer = await search(key);
    expect([answer.status, answer.body]).toEqual([200, danila]);
  });
});

describe("registration", () => {
  test.each([
    ["no login", { login: undefined }],
    ["3 characters of login", { login: "abc" }],
    ["33 characters of login", { login: "a".repeat(33) }],
    ["a capital in the login", { login: "Danila" }],
    ["a line's end in the login", { login: "danila\n" }],
    ["a login that is no text", { login: 7 }],
    ["no password", { password: undefined }],
    ["7 characters of password", { password: "Secret1" }],
    ["21 characters of password", { password: `Secret1${"x".repeat(14)}` }],
    ["no digit in the password", { password: "Secret-Secret" }],
    ["no capital in the password", { password: "secret-123" }],
    ["no small letter in the password", { password: "SECRET-123" }],
    ["a line's end in the password", { password: "Secret\n123" }],
    ["no e-mail address", { email: undefined }],
    ["no dot after the @", { email: "danila@example" }],
    ["no @", { email: "danila.example.org" }],
    ["nothing before the @", { email: "@example.org" }],
    ["a very long e-mail address", { email: `${"a".repeat(251)}@b.c` }],
    ["60,000 @s", { email: "@".repeat(60_000) }],
    ["two e-mail addresses", { email: "a@b.org, c@d.org" }],
    ["a line in the e-mail address", { email: "a@b.org\r\nBcc: c@d.org" }],
    ["no first name", { first_name: undefined }],
    ["a Latin first name", { first_name: "Danila" }],
    ["a first name of one letter", { first_name: "Д" }],
    ["two capitals", { first_name: "ДАнила" }],
    ["257 letters", { first_name: `Д${"а".repeat(256)}` }],
    ["no last name", { last_name: undefined }],
    ["a hyphen in the last name", { last_name: "Гинда-Петрова" }],
    ["a bad patronymic", { patronymic: "алексеевич" }],
    ["a patronymic that is no text", { patronymic: 7 }],
  ])("with %s is a form error", async (_name, more) => {
    const answer = await register({ ...form, ...more });
    expect([answer.status, answer.body]).toEqual([400, refusal]);
    expect(JSON.stringify(answer.body)).not.toMatch(/secret/i);
    expect((await app.call("GET", "/info/users")).body).toEqual([]);
  });

  test.each([
    ["login", { email: "other@example.org" }, "This username is already taken."],
    ["e-mail address", { login: "other_one", email: "DANILA@example.org" }, "already registered"],
  ])("with a %s that is taken is refused", async (_name, more, message) => {
    await registered();
    const answer = await register({ ...form, ...more });
    expect([answer.status, answer.body]).toEqual([403, { errorMessage: expect.stringContaining(message) }]);
  });

  test("of 20 who take one login at once, one gets it", async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => register({ ...form, email: `user${index}@example.org` })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 403)).toHaveLength(19);
  });

  test("names of the document's letters are taken as they are, all others refused", async () => {
    const letters = [..."абвгдеёжзийклмнопрстуфхцчшщъыьэюя"];
    const capital = fc.constantFrom(...letters.map((letter) => letter.toUpperCase()));
    const rest = fc.string({ unit: fc.constantFrom(...letters, " "), minLength: 1, maxLength: 255 });
    const { token } = await registered();
    await fc.assert(
      fc.asyncProperty(capital, rest, async (first, more) => {
        const answer = await edit(token, { first_name: first + more });
        expect([answer.status, answer.body.first_name]).toEqual([200, first + more]);
      }),
      { numRuns: 50 },
    );
    const current = (await me(token)).body.first_name;
    const isName = (text: string) => /^[А-ЯЁ][а-яё ]{1,255}$/.test(text.normalize("NFC"));
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: "binary", maxLength: 300 }).filter((text) => !isName(text) && text !== current),
        async (text) => {
          const answer = await edit(token, { first_name: text });
          expect([answer.status, answer.body]).toEqual([400, refusal]);
        },
      ),
      { numRuns: 100 },
    );
    expect((await me(token)).body.first_name).toBe(current);
  });

  test("letters that were composed of two characters are one letter", async () => {
    const answer = await register({ ...form, first_name: "Андрей".normalize("NFD") });
    expect([answer.status, answer.body.first_name]).toEqual([200, "Андрей"]);
  });

  test("the session keeps the browser header, and where there is none, nothing", async () => {
    await register(form, { headers: { browser: "Firefox 124.0", "User-Agent": "Mozilla" } });
    await signIn({ login: form.login, password: form.password });
    const rows = await app.core.db.query.sessions.findMany({
      columns: { browser: true, userAgent: true, address: true, origin: true },
    });
    expect(rows).toEqual([
      { browser: "Firefox 124.0", userAgent: "Mozilla", address: "192.0.2.1", origin: "cabinet" },
      { browser: null, userAgent: null, address: "192.0.2.1", origin: "cabinet" },
    ]);
  });

  test.each([
    ["closed", 403],
    ["invite", 403],
  ] as const)("that is %s is refused", async (registration, status) => {
    await app.close();
    app = await startTestApp({ registration });
    const answer = await register();
    expect([answer.status, answer.body]).toEqual([status, refusal]);
    expect((await register({ ...form, invitation: "made up" })).status).toBe(403);
  });
});

describe("signing in", () => {
  test.each([
    {},
    { login: form.login },
    { password: form.password },
    { login: "", email: "", password: form.password },
    { login: null, email: null, password: form.password },
    { login: 7, password: form.password },
    { login: form.login, password: 7 },
    { login: form.login, password: "" },
  ])("with %j is a form error", async (body) => {
    await registered();
    const answer = await signIn(body);
    expect([answer.status, answer.body]).toEqual([400, refusal]);
  });

  test("a wrong password and an unknown name are refused in the same words and cost the same", async () => {
    await registered();
    await statsUser(app, "passwordless");
    const verify = spyOn(app.core.passwords, "verify");
    const bodies = [
      { login: form.login, password: "Wrong-Horse-1" },
      { email: form.email, password: "Wrong-Horse-1" },
      { login: "nobody_here", password: form.password },
      { email: "nobody@example.org", password: form.password },
      { login: "passwordless", password: form.password },
      { email: "passwordless@example.org", password: form.password },
      { login: form.login, password: "x".repeat(1_000) },
    ];
    for (const [index, body] of bodies.entries()) {
      const answer = await signIn(body);
      expect([body, answer.status, answer.body]).toEqual([
        body,
        403,
        { errorMessage: "The name or the password is wrong." },
      ]);
      expect(verify).toHaveBeenCalledTimes(index + 1);
    }
    expect(app.logged.join("")).not.toContain("Horse");
  });

  test("a deactivated account is told so only after the right password", async () => {
    const { token } = await registered();
    const { account } = await sessions.authenticate(app.core, token);
    await accounts.deactivate(app.core, account, account.id);
    const right = await signIn({ login: form.login, password: form.password });
    expect([right.status, right.body]).toEqual([403, { errorMessage: "This account is deactivated." }]);
    const wrong = await signIn({ login: form.login, password: "wrong" });
    expect([wrong.status, wrong.body]).toEqual([403, { errorMessage: "The name or the password is wrong." }]);
  });

  test("one account works across the APIs, whatever patterns its name and password have", async () => {
    const { token } = await registered();
    const played = await app.call("POST", "/login", {
      body: { username: "danila_ginda", password: form.password },
    });
    expect([played.status, played.body.user]).toEqual([200, "users/1"]);
    expect((await me(played.body.token)).body.login).toBe("danila_ginda");
    expect((await app.call("GET", "/users/1/stats", { token })).status).toBe(200);

    const created = await player(app, "Player One", { password: "secret" });
    const answer = await signIn({ login: "Player One", password: "secret" });
    expect([answer.status, answer.body]).toEqual([
      200,
      {
        ...danilasProfile,
        id: created.id,
        login: "Player One",
        email: "PlayerOne@example.org",
        first_name: "",
        last_name: "",
        patronymic: "",
      },
    ]);
  });
});

describe("the editor", () => {
  test("changes only the fields that are sent and answers all six", async () => {
    const { token } = await registered();
    let now: object = {
      first_name: "Данила",
      last_name: "Гинда",
      patronymic: "Алексеевич",
      birthday: "",
      description: "",
      background_color: "#005CC9",
    };
    for (const change of [
      {},
      { first_name: "Ёлка" },
      { last_name: "Де ла круз" },
      { birthday: "2004-02-29" },
      { description: "х".repeat(2_000) },
      { background_color: "#ABCDEF" },
      { patronymic: "", birthday: "" },
      { description: "", unknown: 1, login: "another", email: "another@example.org" },
    ]) {
      const answer = await edit(token, change);
      now = Object.fromEntries(Object.entries({ ...now, ...change }).filter(([key]) => key in now));
      expect([change, answer.status, answer.body]).toEqual([change, 200, now]);
    }
    const { login, email, ...profile } = (await me(token)).body;
    expect([login, email]).toEqual([form.login, form.email]);
    expect(profile).toMatchObject(now);
    const row = await app.core.db.query.accounts.findFirst();
    expect([row?.patronymic, row?.birthday]).toEqual([null, null]);
  });

  test.each([
    { first_name: "" },
    { first_name: "Danila" },
    { first_name: null },
    { last_name: "" },
    { patronymic: "a" },
    { patronymic: null },
    { birthday: "2005-02-29" },
    { birthday: "2005-13-01" },
    { birthday: "2005-4-7" },
    { birthday: "07.04.2005" },
    { birthday: "2005-04-07T00:00:00Z" },
    { birthday: "2026-04-15" },
    { birthday: "9999-12-31" },
    { description: "x".repeat(2_001) },
    { description: "a\0b" },
    { description: "a\ud800" },
    { description: 7 },
    { background_color: "" },
    { background_color: "red" },
    { background_color: "#fff" },
    { background_color: "#e209e5;" },
    { background_color: "#e209e5\n" },
  ])("refuses %j and changes nothing, not what is right beside it either", async (body) => {
    const { token } = await registered();
    const answer = await edit(token, { description: "right", background_color: "#000000", ...body });
    expect([answer.status, answer.body]).toEqual([400, refusal]);
    expect((await me(token)).body).toEqual(danilasProfile);
  });

  test.each([[[]], ["text"], [null], [7]])("refuses a body that is %j", async (body) => {
    const { token } = await registered();
    const answer = await app.call("POST", "/account/edit/info", {
      token,
      raw: JSON.stringify(body),
      headers: { "Content-Type": "application/json" },
    });
    expect([answer.status, answer.body]).toEqual([400, refusal]);
  });

  test("a birthday may be today", async () => {
    const { token } = await registered();
    expect((await edit(token, { birthday: "2026-04-14" })).body.birthday).toBe("2026-04-14");
  });

  test("what is unchanged passes whatever it is, when another API made it", async () => {
    await accounts.register(app.core, {
      username: "John",
      email: "john@example.org",
      password: "Secret-123",
      origin: "accounts",
      profile: { fullName: "John Doe", description: "x".repeat(3_000) },
    });
    const { token } = (await signIn({ login: "john", password: "Secret-123" })).body;
    const john = {
      first_name: "John",
      last_name: "Doe",
      patronymic: "",
      birthday: "",
      description: "x".repeat(3_000),
      background_color: "#005CC9",
    };
    expect((await edit(token, { ...john, birthday: "2000-01-01" })).body).toEqual({
      ...john,
      birthday: "2000-01-01",
    });
    expect((await edit(token, { ...john, first_name: "Johnny" })).status).toBe(400);
    await player(app, "nameless");
    const nameless = (await signIn({ login: "nameless", password: "Secret-123" })).body.token;
    const sent = { first_name: "", last_name: "", description: "hello" };
    expect((await edit(nameless, sent)).body).toMatchObject(sent);
  });

  test("the full name follows the two", async () => {
    const fullNameOf = async (id: number) => (await accounts.get(app.core, id)).fullName;
    const { token, id } = await registered();
    expect(await fullNameOf(id)).toBe("Данила Гинда");
    await edit(token, { first_name: "Иван" });
    expect(await fullNameOf(id)).toBe("Иван Гинда");
  });
});

describe("info", () => {
  test("the list comes in pages, by number", async () => {
    for (let number = 1; number <= 5; number++) await player(app, `user${number}`);
    const names = async (query: string) =>
      (await app.call("GET", `/info/users/?${query}`)).body.map((user: { login: string }) => user.login);
    expect(await names("limit=2")).toEqual(["user1", "user2"]);
    expect(await names("limit=2&after=2")).toEqual(["user3", "user4"]);
    expect(await names("limit=2&after=4")).toEqual(["user5"]);
    expect(await names("after=5")).toEqual([]);
    for (const query of ["limit=0", "limit=1001", "limit=x", "after=-1", "limit="]) {
      const answer = await app.call("GET", `/info/users?${query}`);
      expect([query, answer.status, answer.body]).toEqual([query, 400, refusal]);
    }
  });

  test("nobody is an empty list", async () => {
    expect((await app.call("GET", "/info/users/")).body).toEqual([]);
  });

  test("the whole list is streamed in pieces, each account once, with its own groups", async () => {
    await grantRole(app, "reader", "admin");
    const { token } = (await signIn({ login: "reader", password: "Secret-123" })).body;
    const rows = Array.from({ length: 1_201 }, (_, index) => ({
      id: index + 2,
      uuid: Bun.randomUUIDv7(),
      username: `user${index}`,
      usernameKey: `user${index}`,
      email: "a@example.org",
      emailKey: "a@example.org",
      origin: "stats" as const,
      createdAt: 0,
      updatedAt: 0,
    }));
    for (let from = 0; from < rows.length; from += 300) {
      await app.core.db.insert(accountsTable).values(rows.slice(from, from + 300));
    }
    await app.core.db.insert(groups).values({ id: 7, name: "Стража" });
    await app.core.db.insert(accountGroups).values([
      { accountId: 500, groupId: 7 },
      { accountId: 501, groupId: 7 },
    ]);
    const headers = { Authorization: `Bearer ${token}` };
    const response = await app.fetch(new Request(`${PUBLIC_URL}/info/users/`, { headers }));
    expect(response.headers.get("Cache-Control")).toBe("no-store");
    const chunks: string[] = [];
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) chunks.push(chunk);
    expect(chunks.length).toBeGreaterThanOrEqual(3);
    const users: { id: number; login: string; groups: unknown[] }[] = JSON.parse(chunks.join(""));
    expect(users.map((user) => user.login)).toEqual(["reader", ...rows.map((row) => row.username)]);
    const members = users.filter((user) => user.groups.length > 0);
    expect(members.map(({ id, groups }) => [id, groups])).toEqual([
      [500, [{ id: 7, name: "Стража" }]],
      [501, [{ id: 7, name: "Стража" }]],
    ]);
  });

  test("digits are an id first, else a login", async () => {
    await player(app, "one");
    await player(app, "1");
    await player(app, "4711");
    await player(app, "01");
    const found = async (key: string) => {
      const { status, body } = await search(key);
      return status === 200 ? body.login : status;
    };
    expect(await found("1")).toBe("one");
    expect(await found("2")).toBe("1");
    expect(await found("4711")).toBe("4711");
    expect(await found("01")).toBe("01");
    expect(await found("001")).toBe(404);
  });

  test.each(["4711", "0", "-1", "1.5", "99999999999999999999", "nobody", "%", "a b", "'--", "../1"])(
    "search-%s finds nobody",
    async (key) => {
      await registered();
      const answer = await search(key);
      expect([answer.status, answer.body]).toEqual([404, refusal]);
    },
  );

  test("search-<n> finds the account of this number or of this login, whatever is asked for", async () => {
    await registered();
    for (const [index, login] of ["Привет мир", "a%b", "ИМЯ", "2", "search-1", "a+b", "?x=1#y"].entries()) {
      await player(app, login, { email: `user${index}@example.org` });
    }
    const known = (await app.call("GET", "/info/users")).body as { id: number; login: string }[];
    const key = fc.oneof(
      fc.integer({ min: -3, max: 12 }).map(String),
      fc.constantFrom(...known.map(({ login }) => login)),
      fc.string({ minLength: 1, maxLength: 40 }),
      fc.string({ unit: "binary", minLength: 1, maxLength: 20 }).filter((text) => text.isWellFormed()),
    );
    const keyOf = (text: string) => text.normalize("NFKC").toLowerCase();
    await fc.assert(
      fc.asyncProperty(key, async (text) => {
        const expected =
          known.find(({ id }) => String(id) === text) ??
          known.find(({ login }) => keyOf(login) === keyOf(text));
        const answer = await search(text);
        expect([text, answer.status, answer.body]).toEqual(
          expected === undefined ? [text, 404, refusal] : [text, 200, expected],
        );
      }),
      { numRuns: 200 },
    );
  });

  test("a deactivated account is not shown", async () => {
    const { token } = await registered();
    await player(app, "other");
    const { account } = await sessions.authenticate(app.core, token);
    await accounts.deactivate(app.core, account, account.id);
    expect((await app.call("GET", "/info/users/")).body).toHaveLength(1);
    expect((await app.call("GET", "/info/users?limit=10")).body).toHaveLength(1);
    expect((await search("1")).status).toBe(404);
    expect((await search("danila_ginda")).status).toBe(404);
  });

  test('e-mail address and birthday of another API\'s account are "" but to itself and admins', async () => {
    const hidden = await accounts.register(app.core, {
      username: "hidden",
      email: "hidden@example.org",
      password: "Secret-123",
      origin: "accounts",
      profile: { birthday: "2001-02-03" },
    });
    await grantRole(app, "boss", "admin");
    const tokenOf = async (login: string) => (await signIn({ login, password: "Secret-123" })).body.token;
    const seenBy = async (token?: string) => {
      const call = token === undefined ? {} : { token };
      const found = (await search("hidden", token)).body;
      const listed = (await app.call("GET", "/info/users", call)).body.find(
        (user: { id: number }) => user.id === hidden.id,
      );
      expect(listed).toEqual(found);
      return [found.email, found.birthday];
    };
    const shown = ["hidden@example.org", "2001-02-03"];
    expect(await seenBy()).toEqual(["", ""]);
    expect(await seenBy("junk")).toEqual(["", ""]);
    expect(await seenBy((await registered()).token)).toEqual(["", ""]);
    expect(await seenBy(await tokenOf("hidden"))).toEqual(shown);
    expect(await seenBy(await tokenOf("boss"))).toEqual(shown);
    expect((await me(await tokenOf("hidden"))).body.email).toBe("hidden@example.org");
    await app.core.db
      .update(accountsTable)
      .set({ emailVisible: true })
      .where(eq(accountsTable.id, hidden.id));
    expect(await seenBy()).toEqual(shown);
  });
});

const PROTECTED: readonly [method: string, path: string, call?: Call][] = [
  ["GET", "/account/me"],
  ["POST", "/account/edit/info", { body: example }],
  ["POST", "/account/edit/avatar"],
];

describe("failures", () => {
  test("every protected route refuses every bad token, in the document's shape", async () => {
    const good = await registered();
    const revoked = await registered({ login: "revoked", email: "revoked@example.org" });
    const { account, session } = await sessions.authenticate(app.core, revoked.token);
    await sessions.revoke(app.core, account, session.id);
    const gone = await registered({ login: "gone", email: "gone@example.org" });
    const { account: leaver } = await sessions.authenticate(app.core, gone.token);
    await accounts.deactivate(app.core, leaver, leaver.id);
    const tokens = await badTokens(app, good.token, { revoked: revoked.token, deactivated: gone.token });
    for (const [method, path, call] of PROTECTED) {
      for (const { name, token } of tokens) {
        const answer = await app.call(method, path, { ...call, ...(token === undefined ? {} : { token }) });
        expect([method, path, name, answer.status, answer.body]).toEqual([method, path, name, 401, refusal]);
      }
      const answer = await app.call(method, path, { ...call, token: good.token });
      expect([method, path, answer.status]).not.toEqual([method, path, 401]);
    }
  });

  test("a change that the cookie signs must come from a page of ours", async () => {
    const { token } = await registered();
    const post = (path: string, headers: Record<string, string>) =>
      app.call("POST", path, { body: example, headers: { Cookie: `jwt=${token}`, ...headers } });
    for (const path of ["/account/edit/info", "/account/edit/avatar"]) {
      for (const headers of [
        { Origin: "https://evil.test" },
        { Origin: "null" },
        { "Sec-Fetch-Site": "cross-site" },
      ]) {
        const answer = await post(path, headers);
        expect([path, headers, answer.status, answer.body]).toEqual([path, headers, 403, refusal]);
      }
    }
    expect((await me(token)).body.description).toBe("");
    expect((await post("/account/edit/info", { Origin: PUBLIC_URL })).status).toBe(200);
  });

  const json = { "Content-Type": "application/json" };
  test.each<[string, Call, number]>([
    ["malformed JSON", { raw: "{", headers: json }, 400],
    ["no body", {}, 400],
    ["a form", { raw: "login=a", headers: { "Content-Type": "application/x-www-form-urlencoded" } }, 415],
    ["a body over 64 KiB", { body: { ...form, description: "x".repeat(70_000) } }, 413],
    [
      "a body over 64 KiB of unknown length",
      { raw: endless(), headers: { ...json, "Transfer-Encoding": "chunked" } },
      413,
    ],
  ])("%s is refused", async (_name, call, status) => {
    const answer = await app.call("POST", "/account/registration", call);
    expect([answer.status, answer.body]).toEqual([status, refusal]);
  });

  test("wrong methods are 405 with Allow, unknown paths 404", async () => {
    for (const [method, path, allow] of [
      ["GET", "/account/registration", "POST"],
      ["GET", "/account/login/", "POST"],
      ["POST", "/account/login/check", "GET, HEAD"],
      ["DELETE", "/account/me", "GET, HEAD"],
      ["GET", "/account/edit/info", "POST"],
      ["GET", "/account/edit/avatar", "POST"],
      ["POST", "/info/users/", "GET, HEAD"],
      ["PUT", "/info/users/search-1", "GET, HEAD"],
    ] as const) {
      const answer = await app.call(method, path);
      expect([path, answer.status, answer.headers.get("Allow"), answer.body]).toEqual([
        path,
        405,
        allow,
        refusal,
      ]);
    }
    for (const path of ["/account", "/info", "/account/nothing", "/info/users/1", "/info/users/search-"]) {
      const answer = await app.call("GET", path);
      expect([path, answer.status, answer.body]).toEqual([path, 404, refusal]);
    }
  });

  test("a used up limit is 429, an upload's too", async () => {
    await app.close();
    const limit = { points: 1, windowMs: 60_000 };
    app = await startTestApp({
      limits: { register: limit, signIn: limit, forgotPassword: limit, requests: limit },
    });
    const answers = [
      ...[await register(), await register()],
      ...[await signIn({ login: "x", password: "x" }), await signIn({ login: "x", password: "x" })],
      ...[await app.call("GET", "/info/users/"), await app.call("POST", "/account/edit/avatar")],
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 429, 403, 429, 200, 429]);
    for (const { status, body, headers } of answers.filter((answer) => answer.status === 429)) {
      expect([status, body, headers.get("Retry-After")]).toEqual([429, refusal, "60"]);
    }
  });

  test("a failure that nobody foresaw is a fixed sentence; the cause is in the log", async () => {
    const { token } = await registered();
    spyOn(app.core.db, "select").mockImplementation(() => {
      throw new Error("SELECT secret FROM somewhere");
    });
    const answer = await app.call("GET", "/account/me", { token, headers: { "X-Request-ID": "req-1" } });
    expect([answer.status, answer.body]).toEqual([
      500,
      { errorMessage: "Something went wrong. Please report request req-1." },
    ]);
    expect(app.logged.join("")).toContain("SELECT secret FROM somewhere");
  });
});

function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(new Uint8Array(16_384).fill(0x20));
    },
  });
}
