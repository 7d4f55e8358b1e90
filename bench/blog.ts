import { Database } from "bun:sqlite";
import { join } from "node:path";
import { insertsPerSecond, isMemory } from "./durable.ts";
import type { Lab, Server } from "./lab.ts";
import type { LoadResult } from "./load.ts";
import type { Measure } from "./measures/measure.ts";
import { newPlayer } from "./player.ts";
import { median } from "./quantiles.ts";
import type { Row } from "./row.ts";

const POSTS = 100_000;
const WORDS_PER_POST = 150;
const AUTHORS = 200;
const READERS = 32;
const WRITERS = 64;
const WARM_UP_MS = 500;
const MEASURE_MS = 3_000;
const LIMIT_MS = 1_500;
const FIRST_SEARCHES = 32;
const SEED = 42;

/** Lists and searches of 100,000 posts, and comments that are stored durably before they are answered. */
export const blog: Measure = async (lab) => {
  const dataDir = await lab.folder();
  const serve = () => lab.serve({ dataDir, args: ["--no-worker"], env: { RATE_LIMIT: "off" } });
  const first = await serve();
  const { token } = await newPlayer(first.url, "bench_blogger");
  await first.stop();
  const { postId, words } = fill(join(dataDir, "guildhall.db"));
  const server = await serve();

  const answer = await fetch(`${server.url}/api/blogs/posts`);
  const bare = await lab.serveBare((await answer.arrayBuffer()).byteLength);
  const limit = await reads(lab, bare, "/");
  const rows: Row[] = [];
  for (const [what, path, goal] of [
    ["posts, the newest", "/api/blogs/posts", { most: 5 }],
    ["posts, a page in the middle", `/api/blogs/posts?page=${POSTS / 20}`, null],
    ["posts by views", "/api/blogs/posts?sort=-views", { most: 5 }],
    ["search, a word of 0.1 % of the posts", search(words.rare), { most: 5 }],
    ["search, a word of 1 %", search(words.known), { most: 5 }],
    ["search, a word of every second post", search(words.common), { most: 5 }],
  ] as const) {
    const result = await reads(lab, server, path);
    const value = limit.p99Ms;
    const name = `${what}: p99 at ${READERS} connections, ${POSTS.toLocaleString("en-US")} posts`;
    rows.push(
      { name, unit: "ms", measured: result.p99Ms, limit: { what: "constant Bun.serve", value }, goal },
      { name: "  its rate", unit: "/s", measured: result.perSecond, limit: null, goal: null },
    );
  }
  rows.push(
    {
      name: "  a word of 1 %, asked for the first time, alone",
      unit: "ms",
      measured: await firstSearch(server, words.known),
      limit: null,
      goal: { most: 5 },
    },
    {
      name: "  a word of every second post, asked for the first time, alone",
      unit: "ms",
      measured: await firstSearch(server, words.common),
      limit: null,
      goal: null,
    },
  );
  const created = await comments(lab, server, token, postId);
  await server.stop();
  rows.push(
    {
      name: `durable comments, ${WRITERS} connections${isMemory(dataDir) ? " (in memory, NOT durable)" : ""}`,
      unit: "/s",
      measured: created.perSecond,
      limit: {
        what: `bare SQLite, groups of ${WRITERS}`,
        value: insertsPerSecond(dataDir, WRITERS, LIMIT_MS),
      },
      goal: { least: 15_000 },
    },
    { name: "  its 99th percentile", unit: "ms", measured: created.p99Ms, limit: null, goal: null },
  );
  return rows;
};

const search = (word: string): string => `/api/blogs/posts?search=${word}`;

const reads = (lab: Lab, { port }: Server, path: string): Promise<LoadResult> =>
  lab.load({
    port,
    connections: READERS,
    request: `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`,
    warmUpMs: WARM_UP_MS,
    measureMs: MEASURE_MS,
  }).result;

function comments(lab: Lab, { port }: Server, token: string, postId: string): Promise<LoadResult> {
  const body = JSON.stringify({ content: "Great article! Really helpful." });
  const head = `POST /api/blogs/posts/${postId}/comments HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}`;
  const request = `${head}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  return lab.load({ port, connections: WRITERS, request, warmUpMs: 1_000, measureMs: 4_000 }).result;
}

/** The median of searches that find the same and that the server has not counted yet: each is spelled differently. */
async function firstSearch(server: Server, word: string): Promise<number> {
  const times: number[] = [];
  for (let index = 1; index <= FIRST_SEARCHES; index++) {
    const spelled = [...word].map((letter, at) => ((index >> at) & 1 ? letter.toUpperCase() : letter));
    const startedAt = performance.now();
    const answer = await fetch(server.url + search(spelled.join("")));
    await answer.arrayBuffer();
    times.push(performance.now() - startedAt);
  }
  return median(times);
}

const LETTERS = "etaoinshrdlucmfwypvbgkjqxz";
const VOCABULARY = 20_000;

/** Posts straight into the file: words as frequent as in a language, one post in fifty a draft. */
function fill(path: string) {
  using database = new Database(path);
  database.run("PRAGMA foreign_keys = ON");
  const random = randoms(SEED);
  const words = Array.from({ length: VOCABULARY }, (_, index) => spelled(index));
  const shares: number[] = [];
  for (let rank = 1; rank <= VOCABULARY; rank++) shares.push((shares.at(-1) ?? 0) + 1 / rank);
  const word = () => words[firstAbove(shares, random() * (shares.at(-1) ?? 0))] ?? "";
  const account = database.prepare(
    `INSERT INTO accounts (uuid, username, username_key, email, email_key, origin, full_name, created_at, updated_at)
     VALUES (?1, ?2, ?2, ?2, ?2, 'shell', ?2, 0, 0) RETURNING id`,
  );
  const post = database.prepare(
    `INSERT INTO posts (uuid, author_id, title, excerpt, excerpt_given, status, views, created_at, updated_at, content)
     VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?, ?)`,
  );
  let postId = "";
  database.transaction(() => {
    const authors = Array.from({ length: AUTHORS }, (_, index) =>
      Number(account.values(Bun.randomUUIDv7(), `author ${index}`)[0]?.[0]),
    );
    for (let index = 0; index < POSTS; index++) {
      const content = Array.from({ length: WORDS_PER_POST }, word).join(" ");
      const [title, excerpt] = [content.slice(0, 40), content.slice(0, 160)];
      const status = index % 50 === 0 ? "draft" : "published";
      const at = Date.now() - (POSTS - index) * 60_000;
      postId = Bun.randomUUIDv7();
      const author = authors[index % AUTHORS] ?? 0;
      post.run(postId, author, title, excerpt, status, Math.floor(random() * 1_000), at, at, content);
    }
  })();
  const sharing = (share: number) => wordIn(database, POSTS * share);
  return { postId, words: { rare: sharing(0.001), known: sharing(0.01), common: sharing(0.5) } };
}

/** The word of at least six letters that is in about so many posts. */
function wordIn(database: Database, posts: number): string {
  database.run(
    "CREATE VIRTUAL TABLE IF NOT EXISTS temp.bench_words USING fts5vocab(main, published_fts, row)",
  );
  const found = database
    .prepare("SELECT term FROM temp.bench_words WHERE length(term) >= 6 ORDER BY abs(doc - ?) LIMIT 1")
    .values(posts);
  return String(found[0]?.[0]);
}

function spelled(index: number): string {
  let word = "";
  for (let rest = index; word.length < 6; rest = Math.floor(rest / 26)) word += LETTERS[rest % 26];
  return word;
}

function firstAbove(sums: readonly number[], wanted: number): number {
  let [low, high] = [0, sums.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sums[middle] ?? 0) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The same numbers in every run, so that runs can be compared. */
function randoms(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
