import { join } from "node:path";
import { PASSWORD } from "./browser.ts";
import type { RunningServer } from "./server.ts";

export type Joined = { readonly token: string; readonly uuid: string; readonly id: number };

export type Community = {
  /** The player number of an administrator, ada@example.org. */
  readonly ada: number;
  /** The id of a post with comments. */
  readonly post: string;
  /** A room of ada's in which people have talked, and some are muted, banned, members and moderators. */
  readonly room: number;
  join(fullName: string, username: string): Promise<Joined>;
};

const PEOPLE = [
  ["Ada Lovelace", "ada"],
  ["Grace Hopper", "grace"],
  ["Alan Turing", "alan"],
  ["Katherine Johnson", "katherine"],
  ["Иван Петров", "ivan"],
  ["Edsger Dijkstra", "edsger"],
] as const;
const ROLES = ["medic", "sniper", "scout", "engineer"] as const;
const RESULTS = ["win", "win", "loss", "win", "draw", "win", "loss"] as const;
// More than one page of the history.
const CARDS = 60;
const DAY_MS = 24 * 60 * 60 * 1_000;

const POSTS = [
  ["Как мы собрали клуб", "Началось всё с одной комнаты и трёх человек."],
  ["Trajectories by hand", "Checking the machine's figures took a day and a half."],
  ["On computable numbers", "Some numbers cannot be computed. Here is why."],
  ["A bug in the relay", "We found a **moth** in relay 70.\n\nIt is taped into the log book."],
] as const;
const ENGINE = `## What it does

The engine **weaves algebraic patterns** just as the Jacquard loom weaves flowers and leaves.

- The *store* keeps the numbers
- The *mill* works on them

> It might act upon other things besides number.

\`\`\`js
for (const card of deck) mill.run(card);
\`\`\`

| Part | Role |
|---|---|
| Store | memory |
| Mill | arithmetic |
`;

/** A server with people in it, their games, posts and comments; everybody's password is PASSWORD. */
export async function community(server: RunningServer, dataDir: string): Promise<Community> {
  async function must(method: string, path: string, token?: string, body?: object) {
    const answer = await server.call(method, path, {
      ...(token === undefined ? {} : { token }),
      ...(body === undefined ? {} : { body }),
    });
    if (answer.status >= 400)
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }
  async function join(fullName: string, username: string): Promise<Joined> {
    const email = `${username}@example.org`;
    const { data } = await must("POST", "/api/auth/register", undefined, {
      email,
      username,
      password: PASSWORD,
      full_name: fullName,
    });
    const { access_token: token } = await must("POST", "/api/auth/login", undefined, {
      email,
      password: PASSWORD,
    });
    const { id } = await must("GET", "/account/me", token);
    return { token, uuid: data.id, id };
  }

  const joined: Joined[] = [];
  for (const [index, [fullName, username]] of PEOPLE.entries()) {
    const person = await join(fullName, username);
    joined.push(person);
    const games = 19 - 2 * index;
    for (let game = 0; game < games; game++) {
      await must("POST", `/users/${person.id}/games`, person.token, {
        role: ROLES[(game + index) % ROLES.length],
        result: RESULTS[(game * (index + 1)) % RESULTS.length],
        duration: 900 + ((game * 637) % 2_400),
        played_at: new Date(Date.now() - (games - game) * DAY_MS).toISOString(),
      });
    }
  }
  const [ada, grace, alan, katherine, ivan, edsger] = joined;
  if (ada === undefined || grace === undefined || alan === undefined) throw new Error("nobody joined");
  for (const [index, [title, content]] of POSTS.entries()) {
    await must("POST", "/api/blogs/posts", joined.at(-1 - index)?.token, {
      title,
      content,
      status: "published",
    });
  }
  const post = await must("POST", "/api/blogs/posts", ada.token, {
    title: "Notes on the Engine",
    excerpt: "What it is made of, and what it may be good for.",
    content: ENGINE,
    status: "published",
  });
  await must("POST", "/api/blogs/posts", ada.token, {
    title: "Unfinished thoughts",
    content: "To be written.",
  });
  for (const [who, content] of [
    [grace, "What a vision! The part about weaving is lovely."],
    [alan, "Could it play chess?"],
  ] as const) {
    const comment = await must("POST", `/api/blogs/posts/${post.id}/comments`, who.token, { content });
    await must("POST", `/api/blogs/comments/${comment.id}/like`, alan.token);
  }
  await must("POST", "/api/stats/ada", grace.token);
  await makeAdmin(dataDir, "ada@example.org");
  await must("POST", "/api/admin/groups", ada.token, { name: "staff", roles: [2] });
  await must("POST", "/api/admin/invitations", ada.token, { uses: 10 });
  const room = await must("POST", "/ws/create-room", ada.token, { name: "The Engine" });
  await must("POST", "/ws/create-room", grace.token, { name: "Off topic" });
  const committee = await must("POST", "/ws/create-room", ada.token, { name: "Committee" });
  await must("PATCH", `/ws/rooms/${committee.id}`, ada.token, { private: true });
  const term = { until: new Date(Date.now() + DAY_MS).toISOString(), reason: "spam" };
  for (const [place, who, body] of [
    ["moderators", katherine, undefined],
    ["members", edsger, undefined],
    ["mutes", edsger, undefined],
    ["bans", ivan, term],
  ] as const) {
    await must("PUT", `/ws/rooms/${room.id}/${place}/${who?.id}`, ada.token, body);
  }
  for (let card = 1; card <= CARDS; card++) {
    await must("POST", `/ws/rooms/${room.id}/messages`, alan.token, { content: `Card ${card} is punched.` });
  }
  for (const [who, content] of [
    [grace, "Good morning! Who is at the engine today?"],
    [ada, "I am, with Katherine. We run the Bernoulli numbers."],
    [alan, "Then I bring tea at four."],
    [grace, "Has anybody tried the new deck of cards?"],
    [grace, "The mill stops after the third one."],
    [alan, "Yes. Look at https://example.org/cards, step 4."],
    [ada, "The variable card is missing, I will punch it now."],
    [grace, "Thank you! Then let us try again tonight."],
  ] as const) {
    await must("POST", `/ws/rooms/${room.id}/messages`, who.token, { content });
  }
  return { ada: ada.id, post: post.id, room: room.id, join };
}

async function makeAdmin(dataDir: string, email: string): Promise<void> {
  const command = ["bun", "src/main.ts", "user", "grant", email, "admin", "--data-dir", dataDir];
  const granted = Bun.spawn(command, {
    cwd: join(import.meta.dir, "../.."),
    stdout: "ignore",
    stderr: "inherit",
  });
  if ((await granted.exited) !== 0) throw new Error("no administrator was made");
}
