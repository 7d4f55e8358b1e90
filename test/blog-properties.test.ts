import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import * as accounts from "../src/domain/accounts.ts";
import * as comments from "../src/domain/comments.ts";
import { excerptOf } from "../src/domain/post-excerpt.ts";
import * as posts from "../src/domain/posts.ts";
import { startTestApp, type TestApp } from "./support/app.ts";
import { player } from "./support/people.ts";

let app: TestApp;
let author: accounts.Account;
beforeEach(async () => {
  app = await startTestApp();
  author = await accounts.get(app.core, (await player(app, "john")).id);
});
afterEach(() => app.close());

const POSTS = "/api/blogs/posts";

const post = async (more: Partial<posts.NewPost> = {}): Promise<string> => {
  const input = { title: "A title", content: "Some content", excerpt: null, status: "published" } as const;
  return (await posts.create(app.core, author, { ...input, ...more })).uuid;
};

type Listed = { readonly ids: string[]; readonly pages: number; readonly total: number };

async function page(path: string, query: Readonly<Record<string, string>>): Promise<Listed> {
  const answer = await app.call("GET", `${path}?${new URLSearchParams(query)}`);
  if (answer.status !== 200) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`);
  const { pages, total } = answer.body.pagination;
  return { ids: answer.body.data.map((row: { id: string }) => row.id), pages, total };
}

const found = async (search: string) => (await page(POSTS, { search, limit: "100" })).ids;

describe("the search box", () => {
  const SYNTAX = [
    ..."\"'*()^+-:{}\\,;%_~|&<>[]\0\u{e000}\ufeff\u200d",
    ...["AND", "OR", "NOT", "NEAR(", "NEAR/2", "title", "content :", "author", "rank", "--", "/*", "MATCH"],
    ...["crab", "Some", "a1", " ", "  ", "é", "e\u0301", "中", "ß", "İ", "🦀", "\u{1e900}", "1", "١"],
  ];
  const anything = fc.oneof(
    fc.string({ unit: "binary", maxLength: 60 }),
    fc.string({ unit: "grapheme", maxLength: 30 }),
    fc.array(fc.constantFrom(...SYNTAX), { maxLength: 12 }).map((parts) => parts.join("").slice(0, 200)),
    fc.array(fc.constantFrom(...SYNTAX), { maxLength: 20 }).map((parts) => parts.join(" ").slice(0, 200)),
  );
  const wellFormed = anything.map((search) => search.toWellFormed());

  test("is broken by no input, with any sort, and by an author", async () => {
    await post({ title: "A crab", content: "Some crabs AND a lobster, NOT rank 1" });
    const sorts = fc.constantFrom("-created_at", "created_at", "title", "-views", "updated_at");
    await fc.assert(
      fc.asyncProperty(wellFormed, sorts, fc.boolean(), async (search, sort, ofAuthor) => {
        const more: Record<string, string> = ofAuthor ? { author_id: author.uuid } : {};
        const { ids, total } = await page(POSTS, { search, sort, ...more });
        expect(ids).toHaveLength(total);
      }),
      { numRuns: 600 },
    );
  });

  test("finds what it is given as it stands in the post, where it has a letter or a digit", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 60 }),
        async (content) => {
          fc.pre(/[a-z0-9]/i.test(content) && content.split(/\s+/).length <= 16);
          const id = await post({ content });
          expect(await found(content)).toContain(id);
        },
      ),
      { numRuns: 100, endOnFailure: true },
    );
  });

  // Letters whose upper and lower case are one character each.
  const LETTERS = "abcdefghijklmnopqrstuvwxyzäöüéñçøабвгдежзиклмнюяαβγδεζηθ0123456789";
  const word = fc.string({ unit: fc.constantFrom(...LETTERS), minLength: 4, maxLength: 12 });
  const noise = fc
    .string({ unit: "grapheme", maxLength: 40 })
    .map((text) => text.toWellFormed().replaceAll("\0", ""));

  test("finds the post with a unique word by it, whatever the case, and by its beginning", async () => {
    let number = 0;
    await fc.assert(
      fc.asyncProperty(word, noise, noise, fc.boolean(), async (letters, before, after, inTitle) => {
        const unique = `q${(number++).toString(36)}q${letters}`;
        const text = `${before} ${unique} ${after}`;
        const id = await post(inTitle ? { title: text } : { content: text });
        const beginning = unique.slice(0, -1);
        for (const search of [unique, unique.toUpperCase(), unique.toLowerCase(), beginning, `"${unique}`]) {
          expect([search, (await found(search)).includes(id)]).toEqual([search, true]);
        }
        for (const search of [`${unique}q`, `q${unique}`, `${unique} q${unique}`]) {
          expect([search, (await found(search)).includes(id)]).toEqual([search, false]);
        }
      }),
      { numRuns: 100, endOnFailure: true },
    );
  });
});

describe("walking all pages while others write", () => {
  type Walk = { readonly before: string[]; readonly seen: string[]; readonly made: string[] };

  /** Reads page after page; after each, `make` adds some. */
  async function walk(
    path: string,
    query: Readonly<Record<string, string>>,
    before: string[],
    additions: readonly number[],
    make: () => Promise<string>,
  ): Promise<Walk> {
    const [seen, made]: [string[], string[]] = [[], []];
    for (let number = 1; ; number++) {
      const { ids, pages, total } = await page(path, { ...query, page: String(number) });
      expect(total).toBe(before.length + made.length);
      seen.push(...ids);
      if (number >= pages) return { before, seen, made };
      for (let more = additions[number - 1] ?? 0; more > 0; more--) made.push(await make());
    }
  }

  async function several(count: number, make: () => Promise<string>): Promise<string[]> {
    const ids: string[] = [];
    for (let index = 0; index < count; index++) ids.push(await make());
    return ids;
  }

  const scenario = [
    fc.integer({ min: 0, max: 25 }),
    fc.integer({ min: 1, max: 7 }),
    fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 6 }),
  ] as const;

  async function inFreshApp(run: () => Promise<void>): Promise<void> {
    await app.close();
    app = await startTestApp();
    author = await accounts.get(app.core, (await player(app, "john")).id);
    await run();
  }

  test.each([
    ["all", {}],
    ["found", { search: "title" }],
    ["an author's", { author: "own" }],
  ])("%s posts by created_at: every one exactly once, in the order of their making", async (_which, more) => {
    await fc.assert(
      fc.asyncProperty(...scenario, (count, limit, additions) =>
        inFreshApp(async () => {
          const { author: own, ...rest } = { author: undefined, ...more };
          const query = { ...rest, ...(own ? { author_id: author.uuid } : {}), sort: "created_at" };
          const before = await several(count, post);
          const walked = await walk(POSTS, { ...query, limit: `${limit}` }, before, additions, post);
          expect(walked.seen).toEqual([...before, ...walked.made]);
        }),
      ),
      { numRuns: 25 },
    );
  });

  test("posts in the default order, the newest first: none that was there is missed, but some come twice", async () => {
    await fc.assert(
      fc.asyncProperty(...scenario, (count, limit, additions) =>
        inFreshApp(async () => {
          const before = await several(count, post);
          const { seen, made } = await walk(POSTS, { limit: `${limit}` }, before, additions, post);
          const old = seen.filter((id) => !made.includes(id));
          expect([...new Set(old)]).toEqual(before.toReversed());
        }),
      ),
      { numRuns: 40 },
    );
  });

  test("comments: every one exactly once", async () => {
    await fc.assert(
      fc.asyncProperty(...scenario, (count, limit, additions) =>
        inFreshApp(async () => {
          const id = await post();
          const make = async () => (await comments.create(app.core, author, id, "Great!")).uuid;
          const before = await several(count, make);
          const query = { limit: `${limit}` };
          const walked = await walk(`${POSTS}/${id}/comments`, query, before, additions, make);
          expect(walked.seen).toEqual([...before, ...walked.made]);
        }),
      ),
      { numRuns: 25 },
    );
  });
});

describe("excerpts", () => {
  const MARKDOWN = [..."#>*_~`[]()!<>\\-+=|.\n\t 1a🦀", "\ud83e", "\n\n", "```", "](", "<b>", "word "];
  const markdown = fc.array(fc.constantFrom(...MARKDOWN), { maxLength: 600 }).map((parts) => parts.join(""));

  test("of any text are one short line of whole characters", () => {
    fc.assert(
      fc.property(fc.oneof(markdown, fc.string({ unit: "binary", maxLength: 600 })), (text) => {
        const content = text.toWellFormed();
        const excerpt = excerptOf(content);
        expect(excerpt.length).toBeLessThanOrEqual(201);
        expect(excerpt.isWellFormed()).toBe(true);
        expect(excerpt).not.toMatch(/[\n\t]|^\s|\s$/);
      }),
      { numRuns: 500 },
    );
  });

  test("of plain words are the words, or their beginning", () => {
    const words = fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(words, (list) => {
        const content = list.join(" ");
        const excerpt = excerptOf(content);
        if (content.length <= 200) expect(excerpt).toBe(content);
        else expect(`${content} `.startsWith(`${excerpt.slice(0, -1)} `) && excerpt.endsWith("…")).toBe(true);
      }),
    );
  });
});
