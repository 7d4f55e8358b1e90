import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import * as accounts from "../src/domain/accounts.ts";
import { excerptOf } from "../src/domain/post-excerpt.ts";
import { createPostViews } from "../src/domain/post-views.ts";
import * as sessions from "../src/domain/sessions.ts";
import { grantRole } from "./support/admin.ts";
import { type Answer, startTestApp, type TestApp } from "./support/app.ts";
import { player } from "./support/people.ts";
import { badTokens } from "./support/token-failures.ts";

let app: TestApp;
beforeEach(async () => {
  app = await startTestApp();
});
afterEach(() => app.close());

const UUID = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
const NOW = "2026-04-14T10:30:00Z";
const HOUR_MS = 60 * 60 * 1000;
const NOBODY = "01900000-0000-7000-8000-000000000000";
const AVATAR = "https://cdn.example.com/avatar.jpg";
const POSTS = "/api/blogs/posts";
const CONTENT = "# Introduction to Rust\n\nRust is...";
const RUST = { title: "Getting Started with Rust", content: CONTENT, excerpt: "Learn Rust basics..." };

type Member = { readonly token: string; readonly id: number; readonly uuid: string };

async function member(username: string, fullName: string | null = null): Promise<Member> {
  const { token, id } = await player(app, username);
  const account = await accounts.get(app.core, id);
  if (fullName !== null) await accounts.update(app.core, account, id, { fullName, avatarUrl: AVATAR });
  return { token, id, uuid: account.uuid };
}

async function moderator(username: string, role: "moderator" | "admin" = "moderator"): Promise<Member> {
  await grantRole(app, username, role);
  const account = await accounts.getActiveByUsername(app.core, username);
  const signedIn = await app.call("POST", "/login", { body: { username, password: "Secret-123" } });
  return { token: signedIn.body.token, id: account.id, uuid: account.uuid };
}

const post = async (by: Member, more: object = {}): Promise<string> =>
  (await app.call("POST", POSTS, { ...by, body: { ...RUST, status: "published", ...more } })).body.id;

const comment = async (by: Member, postId: string, content = "Great!"): Promise<string> =>
  (await app.call("POST", `${POSTS}/${postId}/comments`, { ...by, body: { content } })).body.id;

const list = async (query = "", by?: Member): Promise<Answer> => app.call("GET", POSTS + query, by ?? {});
const titles = (answer: Answer): string[] => answer.body.data.map((row: { title: string }) => row.title);
const coded = ({ status, body }: Answer) => [status, body.error?.code];
const auditRows = () =>
  app.core.db.values(sql`SELECT actor_id, action, target, address FROM audit_entries WHERE action LIKE 'post.%'
    OR action LIKE 'comment.%' ORDER BY id`);

describe("the document's examples, from top to bottom", () => {
  test("list", async () => {
    const john = await member("john", "John Doe");
    const id = await post(john);
    const answer = await list(`/?page=1&limit=10&author_id=${john.uuid}`);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      data: [
        {
          id,
          title: "Getting Started with Rust",
          excerpt: "Learn Rust basics...",
          author: { id: john.uuid, full_name: "John Doe" },
          status: "published",
          created_at: NOW,
          views: 0,
        },
      ],
      pagination: { page: 1, limit: 10, total: 1, pages: 1 },
    });
    const keys = ["id", "title", "excerpt", "author", "status", "created_at", "views"];
    expect(Object.keys(answer.body.data[0])).toEqual(keys);
  });

  test("get", async () => {
    const john = await member("john", "John Doe");
    const id = await post(john);
    await comment(john, id);
    const answer = await app.call("GET", `${POSTS}/${id}`);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      id,
      ...RUST,
      author: { id: john.uuid, full_name: "John Doe", avatar_url: AVATAR },
      status: "published",
      created_at: NOW,
      updated_at: NOW,
      views: 1,
      comments_count: 1,
    });
  });

  test("create: a draft by default, an author without a name is null", async () => {
    const john = await member("john");
    const answer = await app.call("POST", `${POSTS}/`, { ...john, body: RUST });
    expect(answer.status).toBe(201);
    expect(answer.body).toEqual({
      id: UUID,
      ...RUST,
      author: { id: john.uuid, full_name: null },
      status: "draft",
      created_at: NOW,
    });
  });

  test("update changes what is sent", async () => {
    const john = await member("john");
    const id = await post(john, { status: "draft" });
    app.now += 75 * 60 * 1000;
    const body = { title: "Updated Title", content: "Updated content...", status: "published" };
    const answer = await app.call("PUT", `${POSTS}/${id}`, { ...john, body });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ id, ...body, updated_at: "2026-04-14T11:45:00Z" });
    const again = await app.call("PUT", `${POSTS}/${id}`, { ...john, body: { title: "Once more" } });
    expect(again.body).toEqual({ ...answer.body, title: "Once more" });
    const read = await app.call("GET", `${POSTS}/${id}`);
    expect([read.body.created_at, read.body.excerpt]).toEqual([NOW, RUST.excerpt]);
  });

  test("delete, with its comments", async () => {
    const john = await member("john");
    const id = await post(john);
    const commentId = await comment(john, id);
    const answer = await app.call("DELETE", `${POSTS}/${id}`, john);
    expect([answer.status, answer.body]).toEqual([204, ""]);
    expect(coded(await app.call("GET", `${POSTS}/${id}`))).toEqual([404, "POST_NOT_FOUND"]);
    const edit = { ...john, body: { content: "x" } };
    expect(coded(await app.call("PUT", `/api/blogs/comments/${commentId}`, edit))).toEqual([
      404,
      "COMMENT_NOT_FOUND",
    ]);
    expect((await list()).body.pagination.total).toBe(0);
  });

  test("comments are listed, oldest first, with their likes", async () => {
    const jane = await member("jane", "Jane Smith");
    const id = await post(jane);
    const content = "Great article! Really helpful.";
    const made = await app.call("POST", `${POSTS}/${id}/comments`, { ...jane, body: { content } });
    expect(made.status).toBe(201);
    expect(made.body).toEqual({
      id: UUID,
      content,
      author: { id: jane.uuid, full_name: "Jane Smith" },
      created_at: NOW,
    });
    await comment(jane, id, "A second one");
    await app.call("POST", `/api/blogs/comments/${made.body.id}/like`, jane);
    const answer = await app.call("GET", `${POSTS}/${id}/comments?page=1&limit=1`);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      data: [{ ...made.body, likes: 1 }],
      pagination: { page: 1, limit: 1, total: 2, pages: 2 },
    });
  });

  test("a changed comment is answered; a deleted one is gone and no longer counted", async () => {
    const jane = await member("jane", "Jane Smith");
    const id = await post(jane);
    const commentId = await comment(jane, id);
    const body = { content: "Updated comment content" };
    const changed = await app.call("PUT", `/api/blogs/comments/${commentId}`, { ...jane, body });
    expect(changed.status).toBe(200);
    expect(changed.body).toEqual({
      id: commentId,
      ...body,
      author: { id: jane.uuid, full_name: "Jane Smith" },
      created_at: NOW,
      likes: 0,
    });
    expect((await app.call("GET", `${POSTS}/${id}`)).body.comments_count).toBe(1);
    const deleted = await app.call("DELETE", `/api/blogs/comments/${commentId}`, jane);
    expect([deleted.status, deleted.body]).toEqual([204, ""]);
    expect((await app.call("GET", `${POSTS}/${id}`)).body.comments_count).toBe(0);
    expect((await app.call("GET", `${POSTS}/${id}/comments`)).body).toEqual({
      data: [],
      pagination: { page: 1, limit: 20, total: 0, pages: 0 },
    });
  });

  test("create and publish: the document's closing example", async () => {
    const john = await member("john");
    const body = { title: "Rust Tips", content: "# Useful Rust Tips...", status: "draft" };
    const { id } = (await app.call("POST", `${POSTS}/`, { ...john, body })).body;
    expect(coded(await app.call("GET", `${POSTS}/${id}`))).toEqual([404, "POST_NOT_FOUND"]);
    expect(titles(await list())).toEqual([]);
    await app.call("PUT", `${POSTS}/${id}`, { ...john, body: { status: "published" } });
    expect((await app.call("GET", `${POSTS}/${id}`)).status).toBe(200);
    expect(titles(await list())).toEqual(["Rust Tips"]);
  });
});

describe("what is refused", () => {
  const invalid: readonly (readonly [what: string, body: object, code: string])[] = [
    ["no title", { content: "x" }, "MISSING_TITLE"],
    ["an empty title", { title: "", content: "x" }, "INVALID_TITLE_FORMAT"],
    ["a blank title", { title: " \n", content: "x" }, "INVALID_TITLE_FORMAT"],
    ["a title of 201 characters", { title: "x".repeat(201), content: "x" }, "INVALID_TITLE_FORMAT"],
    ["a number for a title", { title: 7, content: "x" }, "INVALID_TITLE_FORMAT"],
    ["a NUL in the title", { title: "a\0b", content: "x" }, "INVALID_TITLE_FORMAT"],
    ["a lone surrogate", { title: "x", content: "\ud800" }, "INVALID_CONTENT_FORMAT"],
    ["no content", { title: "x" }, "MISSING_CONTENT"],
    ["an empty content", { title: "x", content: "" }, "INVALID_CONTENT_FORMAT"],
    ["an excerpt that is too long", { ...RUST, excerpt: "x".repeat(501) }, "INVALID_EXCERPT_FORMAT"],
    ["an unknown status", { ...RUST, status: "secret" }, "INVALID_STATUS_FORMAT"],
  ];

  test.each(invalid)("a new post with %s", async (_what, body, code) => {
    const john = await member("john");
    const answer = await app.call("POST", POSTS, { ...john, body });
    expect(coded(answer)).toEqual([400, code]);
    expect(answer.body.error.message).toBeString();
    const field = code.replace(/^(MISSING|INVALID)_|_FORMAT$/g, "").toLowerCase();
    expect(answer.body.error.details.field).toBe(field);
  });

  test.each(invalid.filter(([, , code]) => code.startsWith("INVALID")))(
    "a change to %s",
    async (_what, body, code) => {
      const john = await member("john");
      const id = await post(john);
      expect(coded(await app.call("PUT", `${POSTS}/${id}`, { ...john, body }))).toEqual([400, code]);
    },
  );

  test.each([
    ["no content", {}, "MISSING_CONTENT"],
    ["an empty one", { content: "" }, "INVALID_CONTENT_FORMAT"],
    ["10,001 characters", { content: "x".repeat(10_001) }, "INVALID_CONTENT_FORMAT"],
    ["a NUL", { content: "\0" }, "INVALID_CONTENT_FORMAT"],
  ])("a comment with %s, new or changed", async (_what, body, code) => {
    const john = await member("john");
    const id = await post(john);
    const commentId = await comment(john, id);
    expect(coded(await app.call("POST", `${POSTS}/${id}/comments`, { ...john, body }))).toEqual([400, code]);
    const changed = await app.call("PUT", `/api/blogs/comments/${commentId}`, { ...john, body });
    expect(coded(changed)).toEqual([400, code]);
  });

  test("the longest that is allowed is stored whole", async () => {
    const john = await member("john");
    const title = "é".repeat(200);
    const content = "x".repeat(60_000);
    const id = await post(john, { title, content });
    const stored = await app.call("GET", `${POSTS}/${id}`);
    expect([stored.body.title, stored.body.content]).toEqual([title, content]);
    const commentId = await comment(john, id, "y".repeat(10_000));
    expect(commentId).toEqual(UUID);
    const body = { title, content: "x".repeat(70_000) };
    expect(coded(await app.call("POST", POSTS, { ...john, body }))).toEqual([413, "BODY_TOO_LARGE"]);
  });

  test.each([
    ["page=0", "INVALID_PAGE_FORMAT"],
    ["page=-1", "INVALID_PAGE_FORMAT"],
    ["page=1.5", "INVALID_PAGE_FORMAT"],
    ["page=x", "INVALID_PAGE_FORMAT"],
    ["page=99999999999999999999", "INVALID_PAGE_FORMAT"],
    ["limit=0", "INVALID_LIMIT_FORMAT"],
    ["limit=101", "INVALID_LIMIT_FORMAT"],
    ["author_id=7", "INVALID_AUTHOR_ID_FORMAT"],
    ["status=deleted", "INVALID_STATUS_FORMAT"],
    ["sort=author", "INVALID_SORT_FORMAT"],
    ["sort=--title", "INVALID_SORT_FORMAT"],
    ["sort=constructor", "INVALID_SORT_FORMAT"],
    [`search=${"x".repeat(201)}`, "INVALID_SEARCH_FORMAT"],
  ])("a list with %s", async (query, code) => {
    expect(coded(await list(`?${query}`))).toEqual([400, code]);
  });

  test("the documented example of a refusal, whole", async () => {
    const answer = await list("?limit=1000");
    expect(answer.body).toEqual({
      error: {
        code: "INVALID_LIMIT_FORMAT",
        message: expect.any(String),
        details: { field: "limit", value: "1000" },
      },
    });
  });

  test.each(["x", "7", NOBODY, NOBODY.toUpperCase(), "%00", "'%20OR%201=1"])(
    "the id %s of nothing is 404 with the right code for every method",
    async (id) => {
      const john = await member("john");
      const body = { content: "x" };
      const ofPosts = [
        await app.call("GET", `${POSTS}/${id}`),
        await app.call("PUT", `${POSTS}/${id}`, { ...john, body }),
        await app.call("DELETE", `${POSTS}/${id}`, john),
        await app.call("GET", `${POSTS}/${id}/comments`),
        await app.call("POST", `${POSTS}/${id}/comments`, { ...john, body }),
      ];
      expect(ofPosts.map(coded)).toEqual(ofPosts.map(() => [404, "POST_NOT_FOUND"]));
      const ofComments = [
        await app.call("PUT", `/api/blogs/comments/${id}`, { ...john, body }),
        await app.call("DELETE", `/api/blogs/comments/${id}`, john),
        await app.call("POST", `/api/blogs/comments/${id}/like`, john),
        await app.call("DELETE", `/api/blogs/comments/${id}/like`, john),
      ];
      expect(ofComments.map(coded)).toEqual(ofComments.map(() => [404, "COMMENT_NOT_FOUND"]));
    },
  );

  test("changes and deletions by others are 403, and nothing happens", async () => {
    const [john, jane] = [await member("john"), await member("jane")];
    const id = await post(john);
    const commentId = await comment(john, id);
    const answers = [
      await app.call("PUT", `${POSTS}/${id}`, { ...jane, body: { title: "Mine" } }),
      await app.call("DELETE", `${POSTS}/${id}`, jane),
      await app.call("PUT", `/api/blogs/comments/${commentId}`, { ...jane, body: { content: "Mine" } }),
      await app.call("DELETE", `/api/blogs/comments/${commentId}`, jane),
    ];
    expect(answers.map(coded)).toEqual(answers.map(() => [403, "FORBIDDEN"]));
    expect((await app.call("GET", `${POSTS}/${id}`)).body.title).toBe(RUST.title);
    expect((await app.call("GET", `${POSTS}/${id}/comments`)).body.data[0].content).toBe("Great!");
  });
});

describe("tokens", () => {
  async function bad() {
    const [good, revoked, gone] = [await member("good"), await member("revoked"), await member("gone")];
    const id = await post(good);
    const commentId = await comment(good, id);
    const { session } = await sessions.authenticate(app.core, revoked.token);
    const account = await accounts.get(app.core, revoked.id);
    await sessions.revoke(app.core, account, session.id);
    await accounts.deactivate(app.core, await accounts.get(app.core, gone.id), gone.id);
    const tokens = await badTokens(app, good.token, { revoked: revoked.token, deactivated: gone.token });
    return { good, tokens, id, commentId };
  }

  test("every bad token is refused by every route that needs one", async () => {
    const { tokens, id, commentId } = await bad();
    const routes: readonly (readonly [string, string, object?])[] = [
      ["POST", POSTS, RUST],
      ["PUT", `${POSTS}/${id}`, { title: "x" }],
      ["DELETE", `${POSTS}/${id}`],
      ["POST", `${POSTS}/${id}/comments`, { content: "x" }],
      ["PUT", `/api/blogs/comments/${commentId}`, { content: "x" }],
      ["DELETE", `/api/blogs/comments/${commentId}`],
      ["POST", `/api/blogs/comments/${commentId}/like`],
      ["DELETE", `/api/blogs/comments/${commentId}/like`],
      ["GET", `${POSTS}?status=draft`],
    ];
    for (const [method, path, body] of routes) {
      for (const { name, code, token } of tokens) {
        const given = token === undefined ? {} : { token };
        const answer = await app.call(method, path, { ...given, ...(body === undefined ? {} : { body }) });
        expect([method, path, name, ...coded(answer)]).toEqual([method, path, name, 401, code]);
      }
    }
    expect((await app.call("GET", `${POSTS}/${id}`)).body.comments_count).toBe(1);
  });

  test("what is public is read with a bad token, too; what is not there then asks for a good one", async () => {
    const { good, tokens, id } = await bad();
    const draft = await post(good, { status: "draft" });
    for (const { name, code, token } of tokens.filter((one) => one.token !== undefined)) {
      const given = { token: token ?? "" };
      expect([name, (await app.call("GET", `${POSTS}/${id}`, given)).status]).toEqual([name, 200]);
      expect([name, (await app.call("GET", `${POSTS}/${id}/comments`, given)).status]).toEqual([name, 200]);
      expect((await app.call("GET", POSTS, given)).status).toBe(200);
      for (const hidden of [draft, NOBODY]) {
        expect(coded(await app.call("GET", `${POSTS}/${hidden}`, given))).toEqual([401, code]);
      }
    }
  });

  test("a change that is signed by the cookie must come from a page of ours", async () => {
    const john = await member("john");
    const headers = { Cookie: `jwt=${john.token}`, Origin: "https://evil.example" };
    expect(coded(await app.call("POST", POSTS, { headers, body: RUST }))).toEqual([403, "FORBIDDEN"]);
    expect((await list("?status=draft", john)).body.pagination.total).toBe(0);
  });
});

describe("drafts", () => {
  test("are 404 to others for every method, their comments too", async () => {
    const [john, jane] = [await member("john"), await member("jane")];
    const id = await post(john);
    const commentId = await comment(jane, id);
    await app.call("PUT", `${POSTS}/${id}`, { ...john, body: { status: "draft" } });
    const content = { body: { content: "x" } };
    for (const by of [jane, {}]) {
      for (const path of [`${POSTS}/${id}`, `${POSTS}/${id}/comments`]) {
        expect(coded(await app.call("GET", path, by))).toEqual([404, "POST_NOT_FOUND"]);
      }
    }
    const answers = [
      await app.call("PUT", `${POSTS}/${id}`, { ...jane, body: { title: "x" } }),
      await app.call("DELETE", `${POSTS}/${id}`, jane),
      await app.call("POST", `${POSTS}/${id}/comments`, { ...jane, ...content }),
      await app.call("PUT", `/api/blogs/comments/${commentId}`, { ...jane, ...content }),
      await app.call("DELETE", `/api/blogs/comments/${commentId}`, jane),
      await app.call("POST", `/api/blogs/comments/${commentId}/like`, jane),
      await app.call("DELETE", `/api/blogs/comments/${commentId}/like`, jane),
    ];
    const [ofPosts, ofComments] = ["POST_NOT_FOUND", "COMMENT_NOT_FOUND"];
    expect(answers.map(coded)).toEqual(
      [ofPosts, ofPosts, ofPosts, ofComments, ofComments, ofComments, ofComments].map((code) => [404, code]),
    );
  });

  test.each(["author", "moderator", "admin"] as const)("are all there for the %s", async (who) => {
    const john = await member("john");
    const by = who === "author" ? john : await moderator("mod", who);
    const id = await post(john, { status: "draft" });
    const commentId = await comment(by, id);
    expect(commentId).toEqual(UUID);
    expect((await app.call("GET", `${POSTS}/${id}`, by)).body.status).toBe("draft");
    expect((await app.call("GET", `${POSTS}/${id}/comments`, by)).body.pagination.total).toBe(1);
    expect((await app.call("POST", `/api/blogs/comments/${commentId}/like`, by)).status).toBe(204);
    expect((await app.call("PUT", `${POSTS}/${id}`, { ...by, body: { title: "New" } })).body.title).toBe(
      "New",
    );
    expect((await app.call("DELETE", `${POSTS}/${id}`, by)).status).toBe(204);
  });

  test("are listed for their author, all of them for who moderates, never among the published", async () => {
    const [john, jane, mod] = [await member("john"), await member("jane"), await moderator("mod")];
    await post(john, { title: "John's", status: "draft" });
    await post(jane, { title: "Jane's", status: "draft" });
    await post(jane, { title: "Public" });
    expect(titles(await list("?status=draft", john))).toEqual(["John's"]);
    expect(titles(await list("?status=draft", jane))).toEqual(["Jane's"]);
    expect(titles(await list("?status=draft", mod))).toEqual(["Jane's", "John's"]);
    expect(titles(await list(`?status=draft&author_id=${john.uuid}`, mod))).toEqual(["John's"]);
    expect(titles(await list(`?status=draft&author_id=${john.uuid}`, john))).toEqual(["John's"]);
    expect((await list(`?status=draft&author_id=${john.uuid}`, jane)).body).toEqual({
      data: [],
      pagination: { page: 1, limit: 10, total: 0, pages: 0 },
    });
    for (const by of [john, mod]) expect(titles(await list("", by))).toEqual(["Public"]);
    expect(titles(await list("?status=published", john))).toEqual(["Public"]);
  });

  test("are searched like they are listed, and published posts without them", async () => {
    const [john, jane, mod] = [await member("john"), await member("jane"), await moderator("mod")];
    await post(john, { title: "Secret John", status: "draft" });
    await post(jane, { title: "Secret Jane", status: "draft" });
    const published = await post(jane, { title: "Public secret" });
    expect(titles(await list("?search=secret", john))).toEqual(["Public secret"]);
    expect(titles(await list("?search=secret&status=draft", john))).toEqual(["Secret John"]);
    expect(titles(await list("?search=secret&status=draft", mod))).toEqual(["Secret Jane", "Secret John"]);
    await app.call("PUT", `${POSTS}/${published}`, { ...jane, body: { status: "draft" } });
    expect(titles(await list("?search=secret"))).toEqual([]);
    expect(titles(await list("?search=secret&status=draft", jane))).toEqual(["Public secret", "Secret Jane"]);
  });
});

describe("lists", () => {
  async function several(): Promise<{ john: Member; jane: Member }> {
    const [john, jane] = [await member("john"), await member("jane")];
    for (const [by, title] of [
      [john, "banana"],
      [jane, "Apple"],
      [john, "Cherry"],
    ] as const) {
      await post(by, { title });
      app.now += 1_000;
    }
    return { john, jane };
  }

  test.each([
    ["", ["Cherry", "Apple", "banana"]],
    ["sort=-created_at", ["Cherry", "Apple", "banana"]],
    ["sort=created_at", ["banana", "Apple", "Cherry"]],
    ["sort=title", ["Apple", "banana", "Cherry"]],
    ["sort=-title", ["Cherry", "banana", "Apple"]],
    ["sort=updated_at", ["Apple", "Cherry", "banana"]],
    ["sort=-updated_at", ["banana", "Cherry", "Apple"]],
    ["sort=views", ["banana", "Cherry", "Apple"]],
    ["sort=-views", ["Apple", "Cherry", "banana"]],
    ["limit=2", ["Cherry", "Apple"]],
    ["limit=2&page=2", ["banana"]],
    ["limit=2&page=3", []],
    ["limit=100&page=1000000000", []],
  ])("?%s", async (query, expected) => {
    await several();
    await app.core.db.run(sql`UPDATE posts SET views = 5 WHERE title = 'Apple'`);
    await app.core.db.run(sql`UPDATE posts SET updated_at = updated_at + 10000 WHERE title = 'banana'`);
    const answers = [await list(`?${query}`), await list(`?search=rust&${query}`)];
    // By views "banana" and "Cherry" are equal, where the order of creation decides.
    expect(answers.map(titles)).toEqual([expected, expected]);
    for (const { body } of answers) expect(body.pagination.total).toBe(3);
  });

  test("of one author, sorted and searched", async () => {
    const { john, jane } = await several();
    expect(titles(await list(`?author_id=${john.uuid}`))).toEqual(["Cherry", "banana"]);
    expect(titles(await list(`?author_id=${john.uuid.toUpperCase()}&sort=title`))).toEqual([
      "banana",
      "Cherry",
    ]);
    expect(titles(await list(`?author_id=${jane.uuid}&search=rust`))).toEqual(["Apple"]);
    expect(titles(await list(`?author_id=${john.uuid}&search=apple`))).toEqual([]);
    expect((await list(`?author_id=${NOBODY}`)).body.pagination).toEqual({
      page: 1,
      limit: 10,
      total: 0,
      pages: 0,
    });
  });

  test("show deactivated authors with their names", async () => {
    const john = await member("john", "John Doe");
    const id = await post(john);
    await comment(john, id);
    await accounts.deactivate(app.core, await accounts.get(app.core, john.id), john.id);
    const author = { id: john.uuid, full_name: "John Doe" };
    expect((await list()).body.data[0].author).toEqual(author);
    expect((await app.call("GET", `${POSTS}/${id}/comments`)).body.data[0].author).toEqual(author);
    expect((await app.call("GET", `${POSTS}/${id}`)).body.author).toEqual({ ...author, avatar_url: AVATAR });
  });

  test("totals follow whatever is done to posts, and are what a count gives", async () => {
    const { john } = await several();
    const id = await post(john, { status: "draft" });
    await app.call("PUT", `${POSTS}/${id}`, { ...john, body: { status: "published", title: "date" } });
    await app.call(
      "DELETE",
      `${POSTS}/${(await list("?search=apple")).body.data[0].id}`,
      await moderator("mod"),
    );
    expect(titles(await list("?sort=title"))).toEqual(["banana", "Cherry", "date"]);
    expect((await list()).body.pagination.total).toBe(3);
    const kept = await app.core.db.values(
      sql`SELECT author_id, status, total FROM post_totals WHERE total > 0 ORDER BY author_id`,
    );
    expect(kept).toEqual([
      [0, "published", 3],
      [john.id, "published", 3],
    ]);
  });
});

describe("search", () => {
  async function found(search: string): Promise<string[]> {
    const answer = await list(`?search=${encodeURIComponent(search)}`);
    expect([search, answer.status]).toEqual([search, 200]);
    return titles(answer);
  }

  test.each([
    ["rust", ["Memory safety in Rust"]],
    ["RUST memory", ["Memory safety in Rust"]],
    ["rust mem", ["Memory safety in Rust"]],
    ["rust me", []],
    ["mem rust", []],
    ["borrow-checker", ["Memory safety in Rust"]],
    ['"borrow checker"', ["Memory safety in Rust"]],
    ["checker-borrow", []],
    ["crème BRULEE", ["Crème brûlée"]],
    ["中", ["中文 title"]],
    ["rust OR brulee", []],
    ["rust AND memory", []],
    ["rust NOT memory", []],
    ["title:rust", []],
    ["NEAR(rust memory)", []],
    ["rust*", ["Memory safety in Rust"]],
    ["^rust", ["Memory safety in Rust"]],
    ["rust -memory", ["Memory safety in Rust"]],
    ["...", []],
    ['"', []],
    ["🦀", []],
    ["rust 🦀 !!!", ["Memory safety in Rust"]],
    ["\0", []],
    ["rust\0memory", ["Memory safety in Rust"]],
    ["1", []],
    ["\ue0001", []],
    ["  ", ["Crème brûlée", "中文 title", "Memory safety in Rust"]],
    ["", ["Crème brûlée", "中文 title", "Memory safety in Rust"]],
    ["rust ".repeat(40), ["Memory safety in Rust"]],
  ])("%j", async (search, expected) => {
    const john = await member("john");
    await post(john, { title: "Memory safety in Rust", content: "The borrow checker explained" });
    await post(john, { title: "中文 title", content: "…" });
    await post(john, { title: "Crème brûlée", content: "Dessert" });
    expect(await found(search)).toEqual(expected);
  });

  test("what was found before is found anew when a post is made, changed, hidden or deleted", async () => {
    const john = await member("john");
    const id = await post(john, { title: "First crab" });
    expect(await found("crab")).toEqual(["First crab"]);
    const second = await post(john, { title: "Second crab" });
    expect(await found("crab")).toEqual(["Second crab", "First crab"]);
    await app.call("PUT", `${POSTS}/${id}`, { ...john, body: { title: "First lobster" } });
    expect(await found("crab")).toEqual(["Second crab"]);
    await app.call("PUT", `${POSTS}/${second}`, { ...john, body: { status: "draft" } });
    expect(await found("crab")).toEqual([]);
    await app.call("PUT", `${POSTS}/${second}`, { ...john, body: { status: "published" } });
    expect(await found("crab")).toEqual(["Second crab"]);
    await app.call("DELETE", `${POSTS}/${second}`, john);
    expect(await found("crab")).toEqual([]);
    for (const table of ["published_fts", "draft_fts"]) {
      await app.core.db.run(sql.raw(`INSERT INTO ${table}(${table}, rank) VALUES ('integrity-check', 1)`));
    }
  });

  test("more posts than are remembered are counted, and paged in either direction", async () => {
    const john = await member("john");
    for (let index = 0; index < 120; index++) await post(john, { title: `crab ${index}` });
    for (const round of ["first", "again"]) {
      for (const [query, first, last] of [
        ["page=2", 69, 20],
        ["page=3", 19, 0],
        ["page=3&sort=created_at", 100, 119],
        ["page=3&sort=-views", 19, 0],
      ] as const) {
        const answer = await list(`?search=crab&limit=50&${query}`);
        const found = titles(answer);
        expect([round, query, found.at(0), found.at(-1)]).toEqual([
          round,
          query,
          `crab ${first}`,
          `crab ${last}`,
        ]);
        expect(answer.body.pagination).toMatchObject({ total: 120, pages: 3 });
      }
    }
  });
});

describe("excerpts", () => {
  const excerptsOf = async (id: string) => (await app.call("GET", `${POSTS}/${id}`)).body.excerpt;

  test("a missing one follows the content, a given one stays, null goes back", async () => {
    const john = await member("john");
    const id = await post(john, { excerpt: undefined, content: "# One\n\n**two**" });
    const change = (body: object) => app.call("PUT", `${POSTS}/${id}`, { ...john, body });
    expect(await excerptsOf(id)).toBe("One two");
    await change({ content: "three" });
    expect(await excerptsOf(id)).toBe("three");
    await change({ title: "Another" });
    expect(await excerptsOf(id)).toBe("three");
    await change({ excerpt: "Given" });
    await change({ content: "four" });
    expect(await excerptsOf(id)).toBe("Given");
    await change({ excerpt: null });
    expect(await excerptsOf(id)).toBe("four");
    await change({ excerpt: null, content: "five" });
    expect(await excerptsOf(id)).toBe("five");
  });

  test.each([
    ["# Introduction to Rust\n\nRust is...", "Introduction to Rust Rust is..."],
    [
      'A **bold**, _slanted_ and `code` [link](https://e.org "t") ![picture](a.png)',
      "A bold, slanted and code link picture",
    ],
    ["> quoted\n> text\n\n- one\n- two\n\n1. three", "quoted text one two three"],
    ["```ts\nlet snake_case = 5 * 3;\n```", "let snake_case = 5 * 3;"],
    ["Title\n=====\n\n---\n\ntext <b>fat</b><!-- note --> 1 < 2", "Title text fat 1 < 2"],
    ["\\*not slanted\\* ~~gone~~", "*not slanted* gone"],
    ["![](a.png)", ""],
  ])("of %j", (content, excerpt) => {
    expect(excerptOf(content)).toBe(excerpt);
  });

  test("are cut at a word, with an ellipsis, and never inside a character", () => {
    const words = excerptOf("lorem ipsum, ".repeat(50));
    expect(words).toMatch(/^(lorem ipsum, )+lorem( ipsum)?…$/);
    expect(words.length).toBeLessThanOrEqual(201);
    expect(excerptOf("x".repeat(200))).toBe("x".repeat(200));
    expect(excerptOf("x".repeat(201))).toBe(`${"x".repeat(200)}…`);
    expect(excerptOf(`x${"🦀".repeat(200)}`)).toBe(`x${"🦀".repeat(99)}…`);
    expect(excerptOf(`${"🦀".repeat(5_000)}`).isWellFormed()).toBe(true);
  });

  test("take no longer for a text that is made to", () => {
    for (const nasty of ["[", "![", "<a", "- ", "_", "> ", "`", "\\", "<!--", "[a](", "# "]) {
      const startedAt = performance.now();
      excerptOf(nasty.repeat(30_000));
      expect([nasty, performance.now() - startedAt < 100]).toEqual([nasty, true]);
    }
  });
});

describe("likes", () => {
  test("are idempotent, one for each account, and can be taken back", async () => {
    const [john, jane] = [await member("john"), await member("jane")];
    const id = await post(john);
    const path = `/api/blogs/comments/${await comment(john, id)}/like`;
    const likes = async () => (await app.call("GET", `${POSTS}/${id}/comments`)).body.data[0].likes;
    expect((await app.call("DELETE", path, john)).status).toBe(204);
    expect(await likes()).toBe(0);
    for (const by of [john, john, jane]) {
      const answer = await app.call("POST", path, by);
      expect([answer.status, answer.body]).toEqual([204, ""]);
    }
    expect(await likes()).toBe(2);
    for (const by of [john, john]) expect((await app.call("DELETE", path, by)).status).toBe(204);
    expect(await likes()).toBe(1);
  });

  test("stay exact when many come at once", async () => {
    const members = await Promise.all(Array.from({ length: 12 }, (_, index) => member(`member${index}`)));
    const [john = await member("john")] = members;
    const id = await post(john);
    const path = `/api/blogs/comments/${await comment(john, id)}/like`;
    await Promise.all(members.flatMap((by) => [1, 2, 3, 4].map(() => app.call("POST", path, by))));
    const likes = async () => (await app.call("GET", `${POSTS}/${id}/comments`)).body.data[0].likes;
    expect(await likes()).toBe(12);
    const mixed = members.flatMap((by, index) =>
      ["DELETE", "POST", index % 2 === 0 ? "DELETE" : "POST"].map((method) => [method, by] as const),
    );
    for (const [method, by] of mixed) void app.call(method, path, by);
    await Promise.all(members.map((by, index) => app.call(index % 2 === 0 ? "DELETE" : "POST", path, by)));
    const [[rows] = []] = await app.core.db.values<[number]>(sql`SELECT count(*) FROM comment_likes`);
    expect([rows, await likes()]).toEqual([6, 6]);
  });

  test("of a comment that is being deleted are 204 or 404, and leave nothing", async () => {
    const john = await member("john");
    const id = await post(john);
    const commentId = await comment(john, id);
    const answers = await Promise.all([
      app.call("POST", `/api/blogs/comments/${commentId}/like`, john),
      app.call("DELETE", `/api/blogs/comments/${commentId}`, john),
      app.call("POST", `/api/blogs/comments/${commentId}/like`, john),
    ]);
    for (const { status } of answers) expect([204, 404]).toContain(status);
    expect(await app.core.db.values(sql`SELECT * FROM comment_likes`)).toEqual([]);
  });
});

describe("comments_count", () => {
  test("is exact when many comments come and go at once", async () => {
    const john = await member("john");
    const id = await post(john);
    const ids = await Promise.all(Array.from({ length: 40 }, () => comment(john, id)));
    await Promise.all(
      ids
        .slice(0, 15)
        .flatMap((one) => [1, 2].map(() => app.call("DELETE", `/api/blogs/comments/${one}`, john))),
    );
    expect((await app.call("GET", `${POSTS}/${id}`)).body.comments_count).toBe(25);
    expect((await app.call("GET", `${POSTS}/${id}/comments?limit=100`)).body.data).toHaveLength(25);
  });
});

describe("views", () => {
  const viewsOf = async (id: string, call: object = {}) =>
    (await app.call("GET", `${POSTS}/${id}`, call)).body.views;

  test("count a reader once an hour: an account wherever it is, else an address", async () => {
    const [john, jane] = [await member("john"), await member("jane")];
    const id = await post(john);
    expect(await viewsOf(id)).toBe(1);
    expect(await viewsOf(id)).toBe(1);
    expect(await viewsOf(id, jane)).toBe(2);
    expect(await viewsOf(id, jane)).toBe(2);
    app.now += HOUR_MS - 1;
    expect(await viewsOf(id)).toBe(2);
    app.now += 1;
    expect(await viewsOf(id)).toBe(3);
    expect(await viewsOf(id, jane)).toBe(4);
    expect((await list()).body.data[0].views).toBe(4);
  });

  test("are not counted for drafts, lists and comments", async () => {
    const john = await member("john");
    const draft = await post(john, { status: "draft" });
    expect(await viewsOf(draft, john)).toBe(0);
    const id = await post(john);
    await list();
    await app.call("GET", `${POSTS}/${id}/comments`);
    expect((await list()).body.data[0].views).toBe(0);
  });

  test("are stored in batches and at the end, each once; updated_at stays", async () => {
    const john = await member("john");
    const [first, second] = [await post(john), await post(john)];
    const stored = () => app.core.db.values(sql`SELECT uuid, views, updated_at FROM posts ORDER BY id`);
    const { writes } = app.core.db.counters();
    const views = createPostViews(app.core, 5);
    for (const [postId, reader] of [
      [1, "a"],
      [1, "b"],
      [2, "a"],
      [1, "a"],
    ] as const) {
      views.seen(postId, reader);
    }
    expect([views.pending(1), views.pending(2)]).toEqual([2, 1]);
    expect(app.core.db.counters().writes).toBe(writes);
    await Bun.sleep(40);
    expect(await stored()).toEqual([
      [first, 2, app.now],
      [second, 1, app.now],
    ]);
    expect([views.pending(1), views.pending(2)]).toEqual([0, 0]);
    expect(app.core.db.counters().writes).toBe(writes + 1);
    views.seen(1, "c");
    await views.close();
    expect((await stored())[0]).toEqual([first, 3, app.now]);
    views.seen(1, "d");
    await views.close();
    expect((await stored())[0]).toEqual([first, 3, app.now]);
  });

  test("that are just being stored still show", async () => {
    await post(await member("john"));
    const stored = Promise.withResolvers<void>();
    const db = new Proxy(app.core.db, {
      get: (target, name) => (name === "run" ? () => stored.promise : Reflect.get(target, name)),
    });
    const views = createPostViews({ ...app.core, db }, 5);
    views.seen(1, "a");
    await Bun.sleep(20);
    views.seen(1, "b");
    expect(views.pending(1)).toBe(2);
    stored.resolve();
    await views.close();
    expect(views.pending(1)).toBe(0);
  });

  test("wait while the database is away, and are stored when it is back", async () => {
    await post(await member("john"));
    let fails = true;
    const db = new Proxy(app.core.db, {
      get: (target, name) =>
        name === "run" && fails ? () => Promise.reject(new Error("away")) : Reflect.get(target, name),
    });
    const views = createPostViews({ ...app.core, db }, 5);
    views.seen(1, "a");
    await Bun.sleep(20);
    expect(views.pending(1)).toBe(1);
    fails = false;
    await views.close();
    expect(await app.core.db.values(sql`SELECT views FROM posts`)).toEqual([[1]]);
  });
});

describe("what moderators do to others is recorded", () => {
  test("changes and deletions, with who, what and from where", async () => {
    const [john, mod] = [await member("john"), await moderator("mod")];
    const id = await post(john);
    const commentId = await comment(john, id);
    await app.call("PUT", `${POSTS}/${id}`, { ...mod, body: { title: "Moderated" } });
    await app.call("PUT", `/api/blogs/comments/${commentId}`, { ...mod, body: { content: "Moderated" } });
    await app.call("DELETE", `/api/blogs/comments/${commentId}`, mod);
    await app.call("DELETE", `${POSTS}/${id}`, mod);
    expect(await auditRows()).toEqual([
      [mod.id, "post.changed-by-moderator", `post:${id}`, "192.0.2.1"],
      [mod.id, "comment.changed-by-moderator", `comment:${commentId}`, "192.0.2.1"],
      [mod.id, "comment.deleted", `comment:${commentId}`, "192.0.2.1"],
      [mod.id, "post.deleted", `post:${id}`, "192.0.2.1"],
    ]);
  });

  test("what one does to one's own is not, nor what was refused", async () => {
    const [mod, jane] = [await moderator("mod"), await member("jane")];
    const id = await post(mod);
    const commentId = await comment(mod, id);
    await app.call("PUT", `${POSTS}/${id}`, { ...jane, body: { title: "Mine" } });
    await app.call("PUT", `${POSTS}/${id}`, { ...mod, body: { title: "Own" } });
    await app.call("PUT", `/api/blogs/comments/${commentId}`, { ...mod, body: { content: "Own" } });
    await app.call("DELETE", `/api/blogs/comments/${commentId}`, mod);
    await app.call("DELETE", `${POSTS}/${id}`, mod);
    expect(await auditRows()).toEqual([]);
  });
});

test("unknown methods are 405 with Allow", async () => {
  const answer = await app.call("PATCH", `${POSTS}/${NOBODY}`);
  expect(coded(answer)).toEqual([405, "METHOD_NOT_ALLOWED"]);
  expect(answer.headers.get("Allow")).toBe("DELETE, GET, HEAD, PUT");
});
