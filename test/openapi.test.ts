import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { OpenAPIHono } from "@hono/zod-openapi";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { fullFormats } from "ajv-formats/dist/formats.js";
import { createAccountsApi } from "../src/apis/accounts/routes.ts";
import { createCabinetApi } from "../src/apis/cabinet/routes.ts";
import { createChatApi } from "../src/apis/chat/routes.ts";
import { createSockets } from "../src/apis/chat/sockets.ts";
import { createPlayersApi } from "../src/apis/players/routes.ts";
import { createStatsApi } from "../src/apis/stats/routes.ts";
import type { Core } from "../src/domain/core.ts";
import { createMailSender } from "../src/domain/mails.ts";
import { createPostViews } from "../src/domain/post-views.ts";
import * as tasks from "../src/domain/tasks.ts";
import type { Env } from "../src/http/context.ts";
import type { Answer as DescribedAnswer, Operation } from "../src/http/docs/merge.ts";
import { createOrigins, type Origins } from "../src/http/origins.ts";
import { describedRoutes, describe as documentOf, openApiDocument } from "../src/openapi.ts";
import { eventually } from "./adapters/eventually.ts";
import { grantRole } from "./support/admin.ts";
import { type Answer, type Call, NO_TOPICS, PUBLIC_URL, startTestApp, type TestApp } from "./support/app.ts";
import { player, statsUser } from "./support/people.ts";

const document = openApiDocument();

type Described = { readonly name: string; readonly path: string; readonly operation: Operation };
const operations: readonly Described[] = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({ name: `${method} ${path}`, path, operation })),
);
const names = operations.map(({ name }) => name);

type Schema = Readonly<Record<string, unknown>>;
const isSchema = (node: unknown): node is Schema => typeof node === "object" && node !== null;

/** What a reference within the document stands for. */
function at(reference: string): unknown {
  return reference
    .slice("#/".length)
    .split("/")
    .reduce<unknown>((node, key) => (isSchema(node) ? node[key] : undefined), document);
}

function answersOf({ operation }: Described): [status: string, DescribedAnswer & { $ref?: string }][] {
  return Object.entries(operation.responses).map(([status, given]) => {
    const reference = (given as { $ref?: string }).$ref;
    return [status, reference === undefined ? given : (at(reference) as DescribedAnswer)];
  });
}

describe("the document", () => {
  test("is valid OpenAPI 3.1", async () => {
    const validator = new Validator();
    const { valid, errors } = await validator.validate({ ...document });
    expect([valid, errors, validator.version]).toEqual([true, undefined, "3.1"]);
  });

  test("refers to nothing that is not in it", () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, to = ""]) => to);
    expect(references.length).toBeGreaterThan(100);
    expect(references.filter((reference) => !isSchema(at(reference)))).toEqual([]);
  });

  test("has one schema under each name", () => {
    const known = new Map<string, unknown>();
    const different = new Set<string>();
    for (const route of describedRoutes()) {
      for (const [name, schema] of Object.entries(documentOf([route]).components?.schemas ?? {})) {
        if (!Bun.deepEquals(known.get(name) ?? schema, schema)) different.add(name);
        known.set(name, schema);
      }
    }
    expect(known.size).toBeGreaterThan(30);
    expect([...different]).toEqual([]);
  });

  test("names every operation once, by its API and its verb", () => {
    const ids = operations.map(({ operation }) => operation.operationId ?? "");
    expect(ids.filter((id) => !/^[a-z]+[A-Z][A-Za-z]*$/.test(id))).toEqual([]);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
    expect(ids).toEqual(
      expect.arrayContaining(["accountsRegister", "statsCreateTask", "playersLogin", "cabinetFindUser"]),
    );
  });

  test("has a sentence for every tag and a summary for every operation", () => {
    const described = (document.tags ?? []).map((tag) => tag.name);
    const used = new Set(operations.flatMap(({ operation }) => operation.tags ?? []));
    expect([...used].sort()).toEqual([...described].sort());
    expect((document.tags ?? []).filter((tag) => !tag.description?.endsWith("."))).toEqual([]);
    expect(
      operations.filter(({ operation }) => !operation.summary || operation.summary.includes("undefined")),
    ).toEqual([]);
    expect(document.servers).toEqual([{ url: "/" }]);
  });

  test("tells the forms apart where two APIs share an address", () => {
    const shared = operations.filter(({ operation }) => (operation.tags?.length ?? 0) > 1);
    expect(shared.map(({ name }) => name).sort()).toEqual(["get /api/users", "post /api/auth/register"]);
    for (const { operation } of shared) expect(operation.description?.length).toBeGreaterThan(100);
    const [register] = shared.filter(({ name }) => name === "post /api/auth/register");
    expect(Object.keys(register?.operation.responses ?? {})).toEqual(expect.arrayContaining(["200", "201"]));
    expect(JSON.stringify(register?.operation.requestBody)).toMatch(/"anyOf":.*"accounts API".*"stats API"/);
  });

  test("gives every answer its headers and every operation a 429", () => {
    for (const described of operations) {
      const answers = answersOf(described);
      expect([described.name, ...answers.map(([status]) => status)]).toContain("429");
      for (const [status, { headers = {} }] of answers) {
        const expected = ["X-Request-ID", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"];
        expect([described.name, status, ...Object.keys(headers)]).toEqual(expect.arrayContaining(expected));
        if (status === "429" || status === "503") expect(Object.keys(headers)).toContain("Retry-After");
      }
    }
  });

  test("is what a running app answers and what the command prints", async () => {
    const app = await startTestApp();
    try {
      const served = await app.call("GET", "/openapi.json");
      expect([served.status, served.headers.get("Content-Type")]).toEqual([200, "application/json"]);
      const printing = Bun.spawn(["bun", "src/main.ts", "openapi"], {
        cwd: join(import.meta.dir, ".."),
        stdout: "pipe",
      });
      expect(await new Response(printing.stdout).json()).toEqual(served.body);
      expect(served.body).toEqual(JSON.parse(JSON.stringify(document)));
    } finally {
      await app.close();
    }
  });
});

describe("the examples", () => {
  const bodies = operations.flatMap((described) => [
    { where: `${described.name}: the request`, media: jsonOf(described.operation.requestBody) },
    ...answersOf(described).map(([status, given]) => ({
      where: `${described.name}: ${status}`,
      media: jsonOf(given),
    })),
  ]);

  function jsonOf(given: DescribedAnswer | Operation["requestBody"]): Schema | undefined {
    return given?.content?.["application/json"] as Schema | undefined;
  }

  const named = ({ $ref }: Schema): unknown => (typeof $ref === "string" ? at($ref) : undefined);
  const listed = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
  const fieldsOf = ({ properties }: Schema) => Object.entries(isSchema(properties) ? properties : {});

  /** Whether a value can be made of the examples: there is one of the whole, or of every part that must be there. */
  function isShown(schema: unknown): boolean {
    if (!isSchema(schema)) return false;
    if ("example" in schema || "const" in schema || schema.type === "null") return true;
    if (listed(schema.enum).length === 1) return true;
    if ("$ref" in schema) return isShown(named(schema));
    if ("anyOf" in schema) return listed(schema.anyOf).every(isShown);
    if ("allOf" in schema) {
      const parts = listed(schema.allOf).filter(isSchema);
      return parts.some((part) => !("$ref" in part) && "example" in part) || parts.every(isShown);
    }
    if (schema.type === "array") return isShown(schema.items);
    if (schema.type !== "object") return false;
    const required = listed(schema.required);
    const fields = fieldsOf(schema);
    return required.length === 0
      ? fields.some(([, field]) => isShown(field))
      : fields.every(([name, field]) => !required.includes(name) || isShown(field));
  }

  /** Every example within, with the schema that it is one of. */
  function examplesIn(schema: unknown): [schema: Schema, example: unknown][] {
    if (!isSchema(schema)) return [];
    const parts = listed(schema.allOf).filter(isSchema);
    return [
      ...[schema, ...parts].flatMap((holder): [Schema, unknown][] =>
        "example" in holder ? [[schema, holder.example]] : [],
      ),
      ...parts.flatMap(({ example: _ofTheWhole, ...part }) => examplesIn(part)),
      ...[named(schema), schema.items, ...listed(schema.anyOf)].flatMap(examplesIn),
      ...fieldsOf(schema).flatMap(([, field]) => examplesIn(field)),
    ];
  }

  test("are in every JSON body that is sent, and in every one that answers a success", () => {
    const needed = bodies.filter(({ where, media }) => media && /: (the request|2\d\d)$/.test(where));
    expect(needed.length).toBeGreaterThan(70);
    const without = needed.filter(({ media = {} }) => !("example" in media) && !isShown(media.schema));
    expect(without.map(({ where }) => where)).toEqual([]);
  });

  test("are as their own schemas say", () => {
    const wrong = new Set<string>();
    const found = bodies.flatMap(({ where, media = {} }) => [
      ...("example" in media ? [[where, media.schema, media.example] as const] : []),
      ...examplesIn(media.schema).map(([schema, example]) => [where, schema, example] as const),
    ]);
    expect(found.length).toBeGreaterThan(300);
    for (const [where, schema, example] of found) {
      const validate = ajv.compile(closed(schema) as Schema);
      if (!validate(example)) {
        wrong.add(`${where}: ${JSON.stringify(example)} ${ajv.errorsText(validate.errors)}`);
      }
    }
    expect([...wrong]).toEqual([]);
  });
});

describe("routes and descriptions", () => {
  const origins = createOrigins({ publicUrl: PUBLIC_URL, port: 8080, allowed: [] });
  const apis = [
    ["accounts", accounts, ["accounts", "blog", "administration"]],
    ["stats", createStatsApi, ["stats"]],
    ["players", createPlayersApi, ["players"]],
    ["cabinet", createCabinetApi, ["cabinet"]],
    ["chat", chat, ["chat"]],
  ] as const;

  function accounts(core: Core, own: Origins) {
    return createAccountsApi(core, own, createPostViews(core));
  }

  function chat(core: Core, own: Origins) {
    return createChatApi(core, own, createSockets(core, NO_TOPICS));
  }

  const isMiddleware = ({ path }: { readonly path: string }) => path === "/*";

  /** The route that answers first. */
  function answering(api: OpenAPIHono<Env>, { name, path }: Described): string | null {
    const method = name.slice(0, name.indexOf(" ")).toUpperCase();
    for (const [[, route]] of api.router.match(method, path.replace(/\{\w+\}/g, "1"))[0]) {
      if (!isMiddleware(route)) return `${route.method} ${route.path}`;
    }
    return null;
  }

  test.each(apis)(
    "%s: each route is described, and each description has its route",
    async (_name, create, tags) => {
      const app = await startTestApp();
      try {
        const api = create(app.core, origins);
        const registered = new Set(
          api.routes.filter((route) => !isMiddleware(route)).map(({ method, path }) => `${method} ${path}`),
        );
        const described = operations.filter(({ operation }) =>
          tags.some((tag) => operation.tags?.includes(tag)),
        );
        expect(described.filter((one) => answering(api, one) === null).map(({ name }) => name)).toEqual([]);
        const answered = described.map((one) => answering(api, one) ?? "");
        expect(answered.sort()).toEqual([...registered].sort());
      } finally {
        await app.close();
      }
    },
  );
});

const MANY = { points: 1_000_000, windowMs: 3_600_000 };
const NONE = { points: 0, windowMs: 3_600_000 };
const limitsOf = (limit: typeof MANY) => ({
  register: limit,
  signIn: limit,
  forgotPassword: limit,
  requests: limit,
});

describe("real answers", () => {
  let app: TestApp;
  /** Statuses that came, by operation. */
  const seen = new Map<string, Set<number>>();
  const mismatches = new Set<string>();
  const { send, ok } = walker(() => app, seen, mismatches);

  beforeAll(async () => {
    app = await startTestApp({ limits: limitsOf(MANY) });
  });
  afterAll(() => app.close());

  /** An account with a strong password, signed in through the accounts API. */
  async function signedUp(name: string): Promise<{ id: string; token: string; refreshToken: string }> {
    const form = {
      email: `${name}@example.org`,
      password: PASSWORD,
      full_name: `${name} Doe`,
      username: name,
    };
    const { body } = await send("post /api/auth/register", {}, { body: form });
    const login = await signIn(name);
    return { id: body.data.id, token: login.access_token, refreshToken: login.refresh_token };
  }

  async function signIn(username: string, password = PASSWORD) {
    return (await send("post /api/auth/login", {}, { body: { username, password } })).body;
  }

  async function admin(): Promise<string> {
    await grantRole(app, "root", "admin");
    return (await signIn("root", "Secret-123")).access_token;
  }

  async function mailed(pattern: RegExp): Promise<string> {
    let found: string | undefined;
    const sender = createMailSender(app.core);
    sender.start();
    await eventually(async () => {
      for (const { text } of app.mailed) found = pattern.exec(text)?.[1] ?? found;
      return found !== undefined;
    });
    await sender.stop(1_000);
    return found ?? "";
  }

  const finish = async (text: string): Promise<void> => {
    const task = await tasks.claim(app.core, "a worker");
    if (task === null) throw new Error("nothing was due");
    await app.core.documents.put(tasks.documentKey(task.id), Buffer.from(text), "application/pdf");
    await tasks.complete(app.core, task, "a worker", { bytes: text.length, sha256: "" });
  };

  test("accounts: sign-up, tokens, sessions", async () => {
    const form = { email: "ann@example.org", password: PASSWORD, full_name: "Ann Doe", username: "ann" };
    await ok("post /api/auth/register", {}, { body: form }, 201);
    const { body: login } = await ok(
      "post /api/auth/login",
      {},
      { body: { username: "ann", password: PASSWORD } },
    );
    const token: string = login.access_token;
    await ok("post /api/auth/refresh", {}, { body: { refresh_token: login.refresh_token } });
    await send("post /api/auth/login", {}, { body: { username: "ann", password: "wrong" } });
    await send("post /api/auth/register", {}, { body: form });
    await send("post /api/auth/refresh", {}, { body: { refresh_token: "a.b.c" } });
    await ok(
      "post /api/auth/verify-email",
      {},
      { body: { token: await mailed(/verify-email\?token=(\S+)/) } },
    );

    await signIn("ann");
    const { body: sessions } = await ok("get /api/auth/sessions", {}, { token });
    const other = sessions.data.find((session: { current: boolean }) => !session.current);
    await ok("delete /api/auth/sessions/{id}", { id: other.id }, { token }, 204);
    await ok("delete /api/auth/sessions", {}, { token }, 204);

    const change = { current_password: PASSWORD, password: NEXT_PASSWORD, confirm_password: NEXT_PASSWORD };
    await send("post /api/auth/change-password", {}, { token, body: { ...change, confirm_password: "x" } });
    await send("post /api/auth/change-password", {}, { token, body: { ...change, current_password: "x" } });
    await ok("post /api/auth/change-password", {}, { token, body: change });
    await ok("post /api/auth/logout", {}, { token });

    await ok("post /api/auth/forgot-password", {}, { body: { email: "ann@example.org" } });
    const reset = { token: await mailed(/reset-password\?token=(\S+)/), password: PASSWORD };
    await send("post /api/auth/reset-password", {}, { body: { ...reset, confirm_password: "x" } });
    await ok("post /api/auth/reset-password", {}, { body: { ...reset, confirm_password: PASSWORD } });
    await send("post /api/auth/reset-password", {}, { body: { ...reset, confirm_password: PASSWORD } });
  });

  test("accounts: users", async () => {
    const { id, token } = await signedUp("ben");
    const other = await signedUp("bob");
    const root = await admin();
    await ok("get /api/users/me", {}, { token });
    await ok("get /api/users/me/export", {}, { token });
    await ok("get /api/users/{id}", { id }, { token });
    await send("get /api/users/{id}", { id: other.id }, { token });
    await send("put /api/users/{id}", { id: other.id }, { token, body: { company: "C" } });
    await ok(
      "put /api/users/{id}",
      { id },
      { token, body: { company: "C", location: null, timezone: "Europe/Paris" } },
    );
    await send("put /api/users/{id}", { id }, { token, body: { username: "bob" } });
    await ok("get /api/users", {}, { token: root });
    await send("get /api/users", {}, { token });
    await ok("delete /api/users/{id}", { id: other.id }, { token: other.token }, 204);
    await send("post /api/auth/login", {}, { body: { username: "bob", password: PASSWORD } });
    await ok("post /api/admin/users/{id}/activate", { id: other.id }, { token: root });
    await ok("get /api/admin/users/{id}", { id: other.id }, { token: root });
    await send("get /api/admin/users/{id}", { id }, { token: other.token });
    await send("post /api/admin/users/{id}/erase", { id }, { token: other.token });
    await ok("post /api/admin/users/{id}/erase", { id: other.id }, { token: root }, 204);
    await send("post /api/admin/users/{id}/erase", { id: other.id }, { token: root });
    await send("post /api/users/me/erase", {}, { token, body: {} });
    await send("post /api/users/me/erase", {}, { token, body: { password: "wrong" } });
    await ok("post /api/users/me/erase", {}, { token, body: { password: PASSWORD } }, 204);
  });

  test("blog", async () => {
    const { token } = await signedUp("cat");
    const other = await signedUp("cid");
    const post = { title: "Getting Started", content: "# Rust is...", status: "published" };
    const { body: created } = await ok("post /api/blogs/posts", {}, { token, body: post }, 201);
    const { id } = created;
    await send("post /api/blogs/posts", {}, { token, body: { ...post, status: "draft" } });
    await ok("get /api/blogs/posts", {}, {});
    await send("get /api/blogs/posts", {}, {}, "?status=draft");
    await send("get /api/blogs/posts", {}, { token }, "?status=draft");
    await ok("get /api/blogs/posts/{id}", { id }, {});
    await ok("put /api/blogs/posts/{id}", { id }, { token, body: { title: "Other" } });
    await send("put /api/blogs/posts/{id}", { id }, { token: other.token, body: { title: "Other" } });
    const comment = { token: other.token, body: { content: "Great article!" } };
    const { body: commented } = await ok("post /api/blogs/posts/{id}/comments", { id }, comment, 201);
    const commentId = { id: commented.id };
    await ok("get /api/blogs/posts/{id}/comments", { id }, {});
    await ok("put /api/blogs/comments/{id}", commentId, comment);
    await send("put /api/blogs/comments/{id}", commentId, { ...comment, token });
    await ok("post /api/blogs/comments/{id}/like", commentId, { token }, 204);
    await ok("delete /api/blogs/comments/{id}/like", commentId, { token }, 204);
    await send("delete /api/blogs/comments/{id}", commentId, { token });
    await ok("delete /api/blogs/comments/{id}", commentId, { token: other.token }, 204);
    await send("delete /api/blogs/posts/{id}", { id }, { token: other.token });
    await ok("delete /api/blogs/posts/{id}", { id }, { token }, 204);
  });

  test("administration", async () => {
    const root = { token: await admin() };
    const { id, token } = await signedUp("dan");
    const role = { name: "editor", permissions: ["blog.moderate"] };
    const { body: made } = await ok("post /api/admin/roles", {}, { ...root, body: role }, 201);
    await send("post /api/admin/roles", {}, { ...root, body: role });
    await send("post /api/admin/roles", {}, { token, body: role });
    await ok("get /api/admin/roles", {}, root);
    const roleId = { id: String(made.id) };
    await ok("put /api/admin/roles/{id}", roleId, { ...root, body: { ...role, name: "author" } });
    const group = { name: "staff", roles: [made.id] };
    const { body: grouped } = await ok("post /api/admin/groups", {}, { ...root, body: group }, 201);
    const groupId = { id: String(grouped.id) };
    await ok("get /api/admin/groups", {}, root);
    await ok("put /api/admin/groups/{id}", groupId, { ...root, body: { ...group, name: "crew" } });
    await ok("put /api/admin/users/{id}/roles", { id }, { ...root, body: { ids: [made.id] } });
    await ok("put /api/admin/users/{id}/groups", { id }, { ...root, body: { ids: [grouped.id] } });
    for (const held of ["roles", "groups"]) {
      await ok(`get /api/admin/users/{id}/${held}`, { id }, root);
      await send(`get /api/admin/users/{id}/${held}`, { id: NOBODY }, root);
    }
    await send("put /api/admin/users/{id}/roles", { id }, { ...root, body: { ids: [999_999] } });
    await ok("delete /api/admin/groups/{id}", groupId, root, 204);
    await ok("delete /api/admin/roles/{id}", roleId, root, 204);
    await send("delete /api/admin/roles/{id}", { id: "1" }, root);

    const invitation = { uses: 2, expires_at: "2027-01-01T00:00:00Z", role: null };
    const { body: invited } = await ok("post /api/admin/invitations", {}, { ...root, body: invitation }, 201);
    await send("post /api/admin/invitations", {}, { ...root, body: { ...invitation, role: "nobody" } });
    await ok("get /api/admin/invitations", {}, root);
    await ok("delete /api/admin/invitations/{code}", { code: invited.code }, root, 204);

    await send("post /api/stats/{username}", { username: "dan" }, root);
    for (let attempt = 0; attempt < tasks.MAX_ATTEMPTS; attempt++) {
      const task = await tasks.claim(app.core, "a worker");
      if (task === null) throw new Error("nothing was due");
      await tasks.fail(app.core, task, "a worker", "It did not work.", 0);
    }
    const { body: failed } = await ok("get /api/admin/tasks", {}, root);
    const taskId = { id: failed.data[0].id };
    const { body: told } = await send("get /api/stats/tasks/{id}", taskId, root);
    expect(told.result.status).toBe("FAILED");
    await ok("post /api/admin/tasks/{id}/retry", taskId, root);
    await send("post /api/admin/tasks/{id}/retry", taskId, root);
    await finish("a document");
    await ok("get /api/admin/audit", {}, root);
    await send("get /api/admin/audit", {}, root, "?actor=01900000-0000-7000-8000-000000000000");
  });

  test("stats", async () => {
    const form = { username: "eve", email: "eve@example.org", sex: "female", avatar: "https://e.org/a.png" };
    const { body: registered } = await ok("post /api/auth/register", {}, { body: form }, 200);
    const { body: issued } = await ok(
      "post /api/auth/issue-access-token",
      {},
      {
        token: registered.result.refresh_token,
      },
    );
    const token: string = issued.result.access_token;
    await statsUser(app, "eva");
    await send("post /api/auth/register", {}, { body: form });
    await ok("get /api/users/myself", {}, { token });
    await send("get /api/users", {}, { token }, "?usernames=eve,nobody");
    await send("get /api/users", {}, {}, "?usernames=eve");
    await ok("put /api/users/myself", {}, { token, body: { ...form, avatar: undefined } });
    await send("put /api/users/myself", {}, { token, body: { ...form, username: "eva" } });
    const { body: asked } = await ok("post /api/stats/{username}", { username: "eve" }, { token });
    const task = { id: asked.result.id };
    await ok("get /api/stats/tasks/{id}", task, { token });
    await finish("a document");
    const { body: done } = await send("get /api/stats/tasks/{id}", task, { token });
    expect(done.result.status).toBe("DONE");
    await ok("get /api/stats/tasks/{id}/events", task, { token });
  });

  test("players", async () => {
    const body = { username: "fay", password: "Secret-123", email: "fay@example.org", gender: "female" };
    const { body: created } = await ok("post /users", {}, { body }, 201);
    const token: string = created.token;
    const id = { id: created.self.slice("/users/".length) };
    const other = await player(app, "fred");
    await send("post /users", {}, { body });
    await ok("get /users", {}, {});
    await send("get /users", {}, {}, "?limit=1");
    await ok("get /users/{id}", id, {});
    for (const method of ["put", "patch"]) {
      await ok(`${method} /users/{id}`, id, { token, body: { gender: null } });
      await send(`${method} /users/{id}`, id, { token, body: { username: "fred" } });
      await send(`${method} /users/{id}`, id, { token: other.token, body: { gender: null } });
      await ok(`${method} /users/{id}/stats`, id, { token, body: { victory_count: 3 } });
      await send(`${method} /users/{id}/stats`, id, { token: other.token, body: { victory_count: 3 } });
    }
    await ok("get /users/{id}/stats", id, { token });
    const game = { role: "sniper", result: "win", duration: 60 };
    await ok("post /users/{id}/games", id, { token, body: game }, 201);
    await send("post /users/{id}/games", id, { token: other.token, body: game });
    await ok("get /users/{id}/games", id, { token });
    await ok("get /users/leaderboard", {}, {});
    await send("get /users/{id}/pdf", id, { token });
    await ok("post /users/{id}/pdf", id, { token });
    await send("get /users/{id}/pdf", id, { token });
    await finish("a document");
    await ok("get /users/{id}/pdf", id, { token });
    await ok("post /login", {}, { body: { username: "fay", password: "Secret-123" } });
    await send("post /login", {}, { body: { username: "fay", password: "wrong" } });
    await send("delete /users/{id}", id, { token: other.token });
    await ok("delete /users/{id}", id, { token }, 204);
    await send("post /login", {}, { body: { username: "fay", password: "Secret-123" } });
  });

  test("cabinet", async () => {
    const body = {
      login: "gala_ivanova",
      password: "Secret-123",
      email: "gala@example.org",
      first_name: "Гала",
      last_name: "Иванова",
    };
    const { body: registered } = await ok("post /account/registration", {}, { body });
    const token: string = registered.token;
    await send("post /account/registration", {}, { body });
    await ok("post /account/login", {}, { body: { login: body.login, password: body.password } });
    await send("post /account/login", {}, { body: { login: body.login, password: "wrong" } });
    await ok("get /account/login/check", {}, {}, 200, "?login=gala_ivanova");
    await ok("get /account/me", {}, { token });
    await ok(
      "post /account/edit/info",
      {},
      { token, body: { description: "A player", birthday: "2005-04-07" } },
    );
    await send("post /account/edit/info", {}, { token, body: { birthday: "tomorrow" } });
    await ok("post /account/edit/avatar", {}, () => ({ token, ...picture() }));
    await send("post /account/edit/avatar", {}, { token, body: {} });
    await ok("get /info/users", {}, {});
    await send("get /info/users", {}, {}, "?limit=1");
    await ok("get /info/users/search-{key}", { key: "gala_ivanova" }, {});
  });

  /** Signs somebody up and in through the chat API; answers who they are and what the cookie holds. */
  async function chatter(name: string): Promise<{ id: string; token: string }> {
    const form = { username: name, email: `${name}@example.org`, password: "rahasia" };
    await ok("post /api/users/signup", {}, { body: form });
    const { headers, body } = await ok("post /api/users/signin", {}, { body: form });
    const token = /jwt=([^;]+)/.exec(headers.get("Set-Cookie") ?? "")?.[1] ?? "";
    return { id: String(body.id), token };
  }

  test("chat: sign-up, sign-in, tickets", async () => {
    const { token } = await chatter("hal");
    const form = { username: "hal", email: "hal@example.org", password: "rahasia" };
    await send("post /api/users/signup", {}, { body: form });
    await send("post /api/users/signin", {}, { body: { ...form, password: "wrong" } });
    await ok("post /ws/ticket", {}, { token });
    const foreign = { Origin: "https://evil.example" };
    expect((await send("get /api/users/logout", {}, { token, headers: foreign })).status).toBe(403);
    await ok("get /api/users/logout", {}, { token });
    const other = await signedUp("hope");
    await ok("delete /api/users/{id}", { id: other.id }, { token: other.token }, 204);
    const gone = { email: "hope@example.org", password: PASSWORD };
    expect((await send("post /api/users/signin", {}, { body: gone })).status).toBe(403);
  });

  test("chat: rooms and what is said in them", async () => {
    const { token } = await chatter("ida");
    const other = await chatter("ivo");
    await ok("post /ws/create-room", {}, { token, body: { id: 7, name: "room" } });
    await send("post /ws/create-room", {}, { token, body: { id: "7", name: "room" } });
    await ok("post /ws/create-room", {}, { token, body: { id: "a-text", name: "room" } });
    await ok("get /ws/get-rooms", {}, { token });
    await ok("get /ws/get-clients", {}, { token });
    await ok("get /ws/get-clients/{roomId}", { roomId: "7" }, { token });
    const room = { id: "7" };
    const said = { token, body: { content: "Hello", key: "one" } };
    const { body: message } = await ok("post /ws/rooms/{id}/messages", room, said, 201);
    await ok("get /ws/rooms/{id}/messages", room, { token });
    await ok("get /ws/rooms", {}, { token: other.token });
    await ok("get /ws/rooms/{id}", room, { token: other.token });
    await send("get /ws/rooms/{id}/people", room, { token: other.token });
    const inRoom = { ...room, messageId: String(message.id) };
    const reason = { body: { reason: "spam" } };
    const remove = "delete /ws/rooms/{id}/messages/{messageId}";
    await send(remove, inRoom, { token: other.token, ...reason });
    await ok(remove, inRoom, { token, ...reason }, 204);
    await send("post /ws/rooms/{id}/messages", room, said);
    const change = { name: "other", slow_mode_seconds: 10, read_only: true, private: true };
    await send("patch /ws/rooms/{id}", room, { token: other.token, body: change });
    await ok("patch /ws/rooms/{id}", room, { token, body: change }, 204);
    await send("get /ws/rooms/{id}", room, { token: other.token });
    await ok("get /ws/rooms/{id}", room, { token });
    for (const method of ["get", "post"]) {
      const sent = method === "get" ? {} : { body: { content: "Hello" } };
      const answer = await send(`${method} /ws/rooms/{id}/messages`, room, { token: other.token, ...sent });
      expect(answer.status).toBe(403);
    }
    await send("get /ws/get-clients/{roomId}", { roomId: "7" }, { token: other.token });
    await send("delete /ws/rooms/{id}", room, { token: other.token });
    await ok("delete /ws/rooms/{id}", room, { token }, 204);
  });

  test("chat: moderation", async () => {
    const { token } = await chatter("jan");
    const other = await chatter("joy");
    await ok("post /ws/create-room", {}, { token, body: { id: 9, name: "room" } });
    const person = { id: "9", userId: other.id };
    const term = { until: "2030-01-01T00:00:00Z", reason: "spam" };
    for (const name of ["put /ws/rooms/{id}/mutes/{userId}", "put /ws/rooms/{id}/bans/{userId}"]) {
      await ok(name, person, { token, body: term }, 204);
      await send(name, person, { token, body: { until: "2000-01-01T00:00:00Z" } });
      await send(name, { ...person, userId: "nobody" }, { token, body: term });
      await ok("get /ws/rooms/{id}/people", person, { token });
      await ok("get /ws/rooms/{id}", person, { token });
      await ok(name.replace("put ", "delete "), person, { token }, 204);
    }
    await ok("post /ws/rooms/{id}/kick/{userId}", person, { token, body: { reason: "spam" } }, 204);
    for (const kind of ["moderators", "members"]) {
      const name = `put /ws/rooms/{id}/${kind}/{userId}`;
      await send(name, person, { token: other.token });
      await ok(name, person, { token }, 204);
      await ok(name.replace("put ", "delete "), person, { token }, 204);
    }
  });

  test("chat: joining", async () => {
    const { token } = await chatter("kim");
    await ok("post /ws/create-room", {}, { token, body: { id: 11, name: "room" } });
    const headers = { Upgrade: "websocket", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==" };
    const join = async (roomId: string, call: Call, query = "") =>
      (await send("get /ws/join-room/{roomId}", { roomId }, call, query)).status;
    expect(await join("11", { token })).toBe(426);
    expect(await join("11", { headers })).toBe(401);
    expect(await join("11", { headers }, "?ticket=unknown")).toBe(401);
    expect(await join("12", { headers, token })).toBe(404);
    expect(await join("11", { headers, token }, "?userId=1000")).toBe(403);
    expect(await join("11", { headers, token }, "?since=x")).toBe(400);
  });

  test("are as described", () => {
    expect([...mismatches].sort()).toEqual([]);
  });

  // An app in this process opens no socket; the tests of the sockets see this one on a running server.
  const ELSEWHERE = ["get /ws/join-room/{roomId}: no 101"];

  test("came from every operation: each described success, and a failure", () => {
    const statuses = ({ name }: Described) => seen.get(name) ?? new Set<number>();
    const missing = operations.flatMap((described) => [
      ...answersOf(described)
        .map(([status]) => Number(status))
        .filter((status) => status < 300 && !statuses(described).has(status))
        .map((status) => `${described.name}: no ${status}`),
      ...([...statuses(described)].some((status) => status >= 400) ? [] : [`${described.name}: no failure`]),
    ]);
    expect(missing).toEqual(ELSEWHERE);
  });

  test.each(names)("%s answers 429 as described when the limit is used up", async (name) => {
    const limited = await startTestApp({ limits: limitsOf(NONE) });
    const wrong = new Set<string>();
    const { send } = walker(() => limited, new Map(), wrong);
    const params = { id: "1", username: "a", key: "a", code: "a", roomId: "1", userId: "1", messageId: "1" };
    const answer = await send(name, params, name.startsWith("post ") ? { body: {} } : {});
    await limited.close();
    expect([answer.status, ...wrong]).toEqual([429]);
  });

  test("an answer that is not as described would be seen", () => {
    const wrong = new Set<string>();
    const check = checker(new Map(), wrong);
    const headers = new Headers({ "Content-Type": "application/json" });
    const stats = { loss_count: 0, session_count: 0, total_time: 0, victory_count: 0 };
    check("get /users/{id}/stats", { status: 200, headers, body: stats });
    expect([...wrong]).toEqual([
      "get /users/{id}/stats 200: without X-Request-ID, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset",
    ]);
    wrong.clear();
    check("get /users/{id}/stats", { status: 200, headers, body: { ...stats, loss_count: "0", more: 1 } });
    check("get /users/{id}/stats", { status: 418, headers, body: {} });
    check("get /users/{id}/stats", { status: 200, headers: new Headers(), body: "text" });
    const said = [...wrong].join("\n");
    expect(said).toContain("/loss_count must be integer");
    expect(said).toContain("more");
    expect(said).toContain("418: is not described");
    expect(said).toContain("answers no type");
  });
});

const PASSWORD = "SecurePassword123!";
const NEXT_PASSWORD = "OtherPassword123!";
const NOBODY = "01900000-0000-7000-8000-000000000000";

function picture(): Call {
  const pixel =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
  const form = new FormData();
  form.set("avatar", new Blob([Buffer.from(pixel, "base64")]), "a.png");
  const response = new Response(form);
  // Asked for before the body: afterwards Bun has no such header.
  const type = response.headers.get("Content-Type") ?? "";
  return { raw: response.body ?? "", headers: { "Content-Type": type } };
}

type Params = Readonly<Record<string, string>>;

/** Sends requests by the names of their operations and notes what is not as described. */
function walker(app: () => TestApp, seen: Map<string, Set<number>>, mismatches: Set<string>) {
  const check = checker(seen, mismatches);

  async function send(name: string, params: Params, call: Call, query = ""): Promise<Answer> {
    const [method = "", template = ""] = name.split(" ");
    const path = template.replace(/\{(\w+)\}/g, (_, param) => encodeURIComponent(params[param] ?? ""));
    const answer = await app().call(method.toUpperCase(), path + query, call);
    check(name, answer);
    return answer;
  }

  /** Every way in which this request fails whatever the operation, and then the request itself. */
  async function ok(
    name: string,
    params: Params,
    given: Call | (() => Call),
    status = 200,
    query = "",
  ): Promise<Answer> {
    // A stream can be sent once only.
    const fresh = typeof given === "function" ? given : () => given;
    const call = fresh();
    const described = operations.find((one) => one.name === name);
    if (described === undefined) throw new Error(`${name} is not described`);
    const { security, parameters = [], requestBody } = described.operation;
    const refused: [why: string, expected: readonly number[], Answer][] = [];
    if (security !== undefined) {
      const { token: _token, ...unsigned } = fresh();
      refused.push(["no token", [401], await send(name, params, unsigned, query)]);
    }
    if (security !== undefined && !name.startsWith("get ")) {
      const { token = "", headers, ...unsigned } = fresh();
      const foreign = { ...headers, Cookie: `jwt=${token}`, Origin: "https://evil.example" };
      const answer = await send(name, params, { ...unsigned, headers: foreign }, query);
      refused.push(["another site", [403], answer]);
    }
    if (Object.keys(params).length > 0) {
      const nobody = Object.entries(params).map(([key, value]) => [
        key,
        /^\d+$/.test(value) ? "987654321" : NOBODY,
      ]);
      refused.push(["nobody's", [403, 404], await send(name, Object.fromEntries(nobody), call, query)]);
    }
    if (requestBody?.content?.["application/json"] !== undefined) {
      const { body: _body, ...bare } = call;
      const json = { "Content-Type": "application/json" };
      refused.push([
        "half a body",
        [400],
        await send(name, params, { ...bare, raw: "{", headers: json }, query),
      ]);
      refused.push(["a list", [400], await send(name, params, { ...bare, body: [] }, query)]);
      refused.push(["64 KiB", [413], await send(name, params, { ...bare, body: "x".repeat(70_000) }, query)]);
      const form = { "Content-Type": "application/x-www-form-urlencoded" };
      refused.push([
        "a form",
        [415],
        await send(name, params, { ...bare, raw: "a=b", headers: form }, query),
      ]);
    }
    for (const parameter of parameters) {
      if (parameter.in !== "query") continue;
      if (parameter.required) refused.push(["no query", [400], await send(name, params, call)]);
      const { type } = (parameter as { schema?: { type?: string } }).schema ?? {};
      if (type !== "integer") continue;
      refused.push([parameter.name, [400], await send(name, params, call, `?${parameter.name}=x`)]);
    }
    for (const [why, expected, answer] of refused) {
      if (!expected.includes(answer.status)) {
        mismatches.add(`${name}: ${why} is ${answer.status}, not ${expected.join(" or ")}`);
      }
    }
    const answer = await send(name, params, call, query);
    if (answer.status !== status) {
      throw new Error(`${name}: ${answer.status}, not ${status}: ${JSON.stringify(answer.body)}`);
    }
    return answer;
  }

  return { send, ok };
}

const ajv = new Ajv2020({ strict: false, allErrors: true, formats: { ...fullFormats, binary: true } });
ajv.addSchema({ $id: "guildhall", components: { schemas: closedComponents() } });

/** Notes the answer's status, and what of it is not as described. */
function checker(seen: Map<string, Set<number>>, mismatches: Set<string>) {
  const compiled = new Map<string, ValidateFunction>();

  return function check(name: string, { status, headers, body }: Answer): void {
    seen.set(name, (seen.get(name) ?? new Set()).add(status));
    const described = operations.find((one) => one.name === name);
    if (described === undefined) throw new Error(`${name} is not described`);
    const where = `${name} ${status}`;
    const answer = answersOf(described).find(([key]) => key === String(status))?.[1];
    if (answer === undefined) {
      mismatches.add(`${where}: is not described`);
      return;
    }
    const missing = Object.keys(answer.headers ?? {}).filter(
      (header) => !headers.has(header) && !(header === "Retry-After" && status === 503),
    );
    if (missing.length > 0) mismatches.add(`${where}: without ${missing.join(", ")}`);

    const [type = ""] = (headers.get("Content-Type") ?? "").split(";");
    const media = answer.content?.[type];
    if (answer.content === undefined ? body !== "" : media === undefined) {
      mismatches.add(`${where}: answers ${type || "no type"}, which is not described`);
      return;
    }
    if (type !== "application/json" || media?.schema === undefined) return;
    const validate = compiled.get(where) ?? ajv.compile(closed(media.schema) as Schema);
    compiled.set(where, validate);
    if (validate(body)) return;
    const [, ...more] = validate.errors ?? [];
    for (const { instancePath, message, params } of validate.errors ?? []) {
      const extra = params.additionalProperty ?? params.unevaluatedProperty ?? "";
      mismatches.add(`${where}: ${instancePath.replace(/\/\d+/g, "/*")} ${message} ${extra}`.trimEnd());
    }
    if (more.length > 50) throw new Error(`${where} has nothing to do with its description`);
  };
}

/** The schema without room for fields that it does not name; parts of a whole leave that to the whole. */
function closed(node: unknown, part = false): unknown {
  if (Array.isArray(node)) return node.map((item) => closed(item));
  if (!isSchema(node)) return node;
  const entries = Object.entries(node).map(([key, value]) => {
    if (key === "allOf" && Array.isArray(value)) return [key, value.map((item) => closed(item, true))];
    if (key === "$ref") return [key, `guildhall${value}${part ? "Part" : ""}`];
    return [key, closed(value)];
  });
  const end = part
    ? {}
    : "allOf" in node
      ? { unevaluatedProperties: false }
      : "properties" in node && !("additionalProperties" in node)
        ? { additionalProperties: false }
        : {};
  return { ...Object.fromEntries(entries), ...end };
}

function closedComponents(): Schema {
  const schemas = Object.entries(document.components?.schemas ?? {});
  return Object.fromEntries(
    schemas.flatMap(([name, schema]) => [
      [name, closed(schema)],
      [`${name}Part`, closed(schema, true)],
    ]),
  );
}
