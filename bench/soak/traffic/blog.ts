import type { Result } from "../caller.ts";
import { createWrites, type Writes } from "../writes.ts";
import { joined, type Player } from "./players.ts";
import { again, forAll, oneOf, type Traffic, type World } from "./traffic.ts";

const AUTHORS = 3;
const PAUSE_MS = 150;
const PAGE = 100;
// So many are written to; the older ones stay as they are.
const RECENT = 30;

/** Null when it was deleted. */
type Content = Writes<string | null>;
type Post = {
  readonly id: string;
  readonly author: Player;
  readonly title: string;
  readonly content: Content;
};
type Comment = {
  readonly id: string;
  readonly post: Post;
  readonly author: Player;
  readonly content: Content;
  /** Whether these like it. */
  readonly likes: Map<Player, Writes<boolean>>;
};

/** Authors who write posts and comments, change and delete them, and like what others say. */
export function blog(world: World): Traffic {
  const { caller, findings, random } = world;
  const posts: Post[] = [];
  const comments: Comment[] = [];
  const authors: Player[] = [];
  /** Titles and comments whose answer did not come: there at most once. */
  const unknown = new Set<string>();
  const counts = { posts: 0, comments: 0, likes: 0, changes: 0, deletions: 0 };
  let serial = 0;

  const name = (what: string) => {
    serial += 1;
    return `${what} ${serial}`;
  };
  const isCertain = (content: Content) => !content.possible().includes(null);

  async function writePost(author: Player): Promise<void> {
    const [title, text] = [name("post"), name("text")];
    const { token, username } = author;
    const body = { title, content: text, status: "published" };
    const result = await caller.call(username, "POST", "/api/blogs/posts", { token, body, expected: [201] });
    if (result.kind === "unknown") return void unknown.add(title);
    posts.push({ id: result.body.id, author, title, content: createWrites<string | null>(text) });
    counts.posts += 1;
  }

  async function writeComment(author: Player, post: Post): Promise<void> {
    const text = name("comment");
    const { token, username } = author;
    const result = await caller.call(username, "POST", `/api/blogs/posts/${post.id}/comments`, {
      token,
      body: { content: text },
      expected: [201, 404],
    });
    if (result.kind === "unknown") return void unknown.add(text);
    expectGone(result, !isCertain(post.content), text);
    if (result.status !== 201) return;
    const content = createWrites<string | null>(text);
    comments.push({ id: result.body.id, post, author, content, likes: new Map() });
    counts.comments += 1;
  }

  /** Not found is what somebody may have deleted, and nothing else. */
  function expectGone(result: Result, maybeGone: boolean, what: string): void {
    if (result.kind === "answered" && result.status === 404 && !maybeGone) {
      findings.add("what is there is found", what);
    }
  }

  const mayBeGone = (comment: Comment) => !isCertain(comment.content) || !isCertain(comment.post.content);

  async function change(
    path: string,
    { username, token }: Player,
    content: Content,
    maybeGone: () => boolean,
  ) {
    const text = name("changed");
    const settle = content.begin(text);
    const result = await caller.call(username, "PUT", path, {
      token,
      body: { content: text },
      expected: [200, 404],
    });
    expectGone(result, maybeGone(), path);
    settle(result);
    counts.changes += 1;
  }

  async function remove(
    path: string,
    { username, token }: Player,
    content: Content,
    maybeGone: () => boolean,
  ) {
    const wasMaybeGone = maybeGone();
    const settle = content.begin(null);
    const result = await caller.call(username, "DELETE", path, { token, body: {}, expected: [204, 404] });
    expectGone(result, wasMaybeGone, path);
    // It is gone either way.
    settle(result, (status) => status === 204 || status === 404);
    counts.deletions += 1;
  }

  async function like(person: Player, comment: Comment): Promise<void> {
    const likes = comment.likes.get(person) ?? createWrites(false);
    comment.likes.set(person, likes);
    const isLiked = random() < 0.7;
    const settle = likes.begin(isLiked);
    const result = await caller.call(
      person.username,
      isLiked ? "POST" : "DELETE",
      `/api/blogs/comments/${comment.id}/like`,
      { token: person.token, body: {}, expected: [204, 404] },
    );
    expectGone(result, mayBeGone(comment), comment.id);
    settle(result);
    counts.likes += 1;
  }

  async function act(author: Player): Promise<void> {
    const kind = random();
    const post = oneOf(random, posts.slice(-RECENT));
    const comment = oneOf(random, comments.slice(-RECENT));
    const ownPost = oneOf(
      random,
      posts.slice(-RECENT).filter((one) => one.author === author),
    );
    const ownComment = oneOf(
      random,
      comments.slice(-RECENT).filter((one) => one.author === author),
    );
    if (kind < 0.3 || post === undefined) return writePost(author);
    if (kind < 0.6 || comment === undefined) return writeComment(author, post);
    if (kind < 0.8) return like(author, comment);
    if (kind < 0.9 && ownPost !== undefined) {
      const { content } = ownPost;
      return change(`/api/blogs/posts/${ownPost.id}`, author, content, () => !isCertain(content));
    }
    if (kind < 0.94 && ownComment !== undefined) {
      const { content } = ownComment;
      return change(`/api/blogs/comments/${ownComment.id}`, author, content, () => mayBeGone(ownComment));
    }
    if (kind < 0.97 && ownComment !== undefined) {
      return remove(`/api/blogs/comments/${ownComment.id}`, author, ownComment.content, () =>
        mayBeGone(ownComment),
      );
    }
    if (ownPost === undefined) return;
    return remove(
      `/api/blogs/posts/${ownPost.id}`,
      author,
      ownPost.content,
      () => !isCertain(ownPost.content),
    );
  }

  async function live(index: number): Promise<void> {
    const author = await joined(world, `author_${index}`);
    authors.push(author);
    await again(world, PAUSE_MS, () => act(author));
  }

  function expectPossible(check: string, what: string, value: unknown, possible: readonly unknown[]): void {
    if (possible.includes(value)) return;
    findings.add(check, `${what}: ${JSON.stringify(value)} instead of ${JSON.stringify(possible)}`);
  }

  async function checkPost(post: Post): Promise<void> {
    const { status, body } = await caller.insist("blog", "GET", `/api/blogs/posts/${post.id}`, {
      expected: [200, 404],
    });
    expectPossible(
      "a post is as it was answered",
      post.title,
      status === 404 ? null : body.content,
      post.content.possible(),
    );
    if (status === 404) return;
    const stored = await commentsOf(post);
    for (const comment of comments.filter((one) => one.post === post)) checkComment(comment, stored);
    for (const [id, { content }] of stored) {
      if (!comments.some((one) => one.id === id) && !unknown.has(content)) {
        findings.add("nothing is there that nobody wrote", `the comment ${content}`);
      }
    }
    const texts = [...stored.values()].map(({ content }) => content);
    if (new Set(texts).size < texts.length) findings.add("a comment is stored once", `below ${post.title}`);
    if (body.comments_count !== stored.size) {
      findings.add("a post counts its comments", `${post.title}: ${body.comments_count} of ${stored.size}`);
    }
  }

  type Stored = { readonly content: string; readonly likes: number };

  function checkComment({ id, content, likes }: Comment, all: ReadonlyMap<string, Stored>): void {
    const stored = all.get(id);
    expectPossible("a comment is as it was answered", id, stored?.content ?? null, content.possible());
    if (stored === undefined) return;
    const each = [...likes.values()].map((one) => one.possible());
    const least = each.filter((possible) => !possible.includes(false)).length;
    const most = each.filter((possible) => possible.includes(true)).length;
    if (stored.likes < least || stored.likes > most) {
      findings.add("likes are as they were answered", `${id}: ${stored.likes}, not ${least} to ${most}`);
    }
  }

  async function commentsOf(post: Post): Promise<Map<string, Stored>> {
    const stored = new Map<string, Stored>();
    for (let page = 1; ; page++) {
      const path = `/api/blogs/posts/${post.id}/comments?limit=${PAGE}&page=${page}`;
      const { body } = await caller.insist("blog", "GET", path, { expected: [200, 404] });
      for (const { id, content, likes } of body.data) stored.set(id, { content, likes });
      if (body.data.length < PAGE) return stored;
    }
  }

  /** What is listed is known: by its id, or by its title where the answer did not come. */
  async function checkLists(): Promise<void> {
    const ids = new Set(posts.map(({ id }) => id));
    const titles = new Set<string>();
    for (const { uuid } of authors) {
      for (let page = 1; ; page++) {
        const path = `/api/blogs/posts?author_id=${uuid}&sort=created_at&limit=${PAGE}&page=${page}`;
        const { body } = await caller.insist("blog", "GET", path, { expected: [200] });
        for (const { id, title } of body.data) {
          if (titles.has(title)) findings.add("a post is stored once", title);
          titles.add(title);
          if (!ids.has(id) && !unknown.has(title)) findings.add("nothing is there that nobody wrote", title);
        }
        if (body.data.length < PAGE) break;
      }
    }
  }

  return {
    run: async () => {
      await Promise.all(Array.from({ length: AUTHORS }, (_, index) => live(index)));
    },
    async check() {
      await forAll(posts, checkPost);
      await checkLists();
    },
    figures: () => counts,
  };
}
