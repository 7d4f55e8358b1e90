import { Database } from "bun:sqlite";
import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";
import { eventually } from "../adapters/eventually.ts";
import { type ChatUser, signUp } from "../support/chat.ts";
import {
  type Follower,
  follow,
  historyBackwards,
  historyOf,
  insist,
  listen,
  type Told,
  type Visitor,
} from "../support/chat-history.ts";
import { randomFrom } from "../support/random.ts";
import { type RunningServer, startServer, temporaryFolder } from "../support/server.ts";

const ROUNDS = 20;
const ROOMS = [1, "lobby", "Room_3-x"];
// With so many under way per writer, less than 300 are missed while the server starts.
const MAX_UNANSWERED = 8;
const LONGEST_LIFE_MS = 700;

let folder: ReturnType<typeof temporaryFolder>;
let server: RunningServer | undefined;
const visitors: Visitor[] = [];
afterEach(async () => {
  await Promise.all(visitors.splice(0).map((visitor) => visitor.end()));
  server?.kill("SIGKILL");
  await server?.exited;
  await folder.remove();
});

/** What was said and heard in one room. */
type Scene = {
  readonly room: number | string;
  readonly followers: Follower[];
  readonly plain: Visitor[];
  /** Everything that was said, whether it arrived or not. */
  readonly said: Set<string>;
  /** What REST answered, by content. */
  readonly answered: Map<string, number>;
};

test("SIGKILL while people talk: whatever anybody was told is stored once, and who comes back has everything once", async () => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`chat-kill: SEED=${seed}`);
  const random = randomFrom(seed);
  folder = temporaryFolder();
  let port = "0";
  const outputs: (() => string)[] = [];
  const start = async () => {
    server = await startServer({ dataDir: folder.path, env: { PORT: port }, args: ["--no-worker"] });
    outputs.push(server.output);
    return server;
  };
  const first = await start();
  port = new URL(first.url).port;
  const [ada, bob, eve] = await Promise.all(["ada", "bob", "eve"].map((name) => signUp(first, name)));
  if (ada === undefined || bob === undefined || eve === undefined) throw new Error("nobody is here");
  for (const id of ROOMS) await ada.call("POST", "/ws/create-room", { id, name: String(id) });

  const at = (user: ChatUser, room: number | string) => ({ url: () => first.url, user, room });
  const scenes: Scene[] = ROOMS.map((room) => ({
    room,
    followers: [ada, bob, bob, eve].map((user) => follow(at(user, room))),
    plain: [ada, eve].map((user) => listen(at(user, room))),
    said: new Set(),
    answered: new Map(),
  }));
  visitors.push(...scenes.flatMap(({ followers, plain }) => [...followers, ...plain]));
  await eventually(() => visitors.every((visitor) => visitor.isHere));

  let isOver = false;
  const pause = () => Bun.sleep(2 + random() * 16);
  const talking = scenes.flatMap((scene, sceneNumber) => {
    let count = 0;
    const next = (who: string) => {
      count += 1;
      const content = `${sceneNumber} ${who} ${count}`;
      scene.said.add(content);
      return content;
    };
    async function talk(say: () => unknown): Promise<void> {
      while (!isOver) {
        await say();
        await pause();
      }
    }
    return [
      // The last one only listens.
      ...scene.followers.slice(0, -1).map((follower, index) =>
        talk(() => {
          if (follower.unanswered.size < MAX_UNANSWERED) follower.say(next(`v1-${index}`));
        }),
      ),
      ...scene.plain.map((visitor, index) =>
        talk(
          () =>
            visitor.isHere && visitor.unanswered.size < MAX_UNANSWERED && visitor.say(next(`plain-${index}`)),
        ),
      ),
      talk(async () => {
        const content = next("rest");
        scene.answered.set(content, (await insist(eve, scene.room, content)).id);
      }),
    ];
  });

  for (let round = 0; round < ROUNDS; round++) {
    // Often while people are still coming back.
    await Bun.sleep(LONGEST_LIFE_MS * random() ** 2);
    server?.kill("SIGKILL");
    await server?.exited;
    await start();
  }
  isOver = true;
  await Promise.all(talking);
  const followers = scenes.flatMap((scene) => scene.followers);
  await eventually(() => followers.every((follower) => follower.unanswered.size === 0), 10_000);
  for (const scene of scenes) scene.answered.set("the end", (await insist(ada, scene.room, "the end")).id);
  const hasEnded = ({ told }: Visitor) => [...told.values()].at(-1)?.content === "the end";
  await eventually(() => visitors.every(hasEnded), 10_000);

  let messages = 0;
  for (const scene of scenes) {
    const history = await historyOf(eve, scene.room);
    messages += history.length;
    expect(await historyBackwards(bob, scene.room)).toEqual(history);
    expectOneStory(scene, history);
  }
  const sum = (count: (follower: Follower) => number) =>
    followers.reduce((all, follower) => all + count(follower), 0);
  const figures = {
    messages,
    returns: sum(({ visits }) => visits.length - 1),
    replayed: sum(({ counts }) => counts.replayed),
    resent: sum(({ counts }) => counts.resent),
    foundStored: sum(({ counts }) => counts.foundStored),
  };
  console.log("chat-kill:", JSON.stringify(figures));
  // Else nothing was tested.
  expect(Math.min(figures.replayed, figures.resent)).toBeGreaterThan(0);

  await Promise.all(visitors.splice(0).map((visitor) => visitor.end()));
  expect(await server?.stop()).toBe(0);
  const database = new Database(join(folder.path, "guildhall.db"), { readonly: true });
  expect(database.query("PRAGMA integrity_check").values()).toEqual([["ok"]]);
  expect(database.query("PRAGMA foreign_key_check").values()).toEqual([]);
  // Without holes, which is how a server knows that it told all before.
  expect(database.query("SELECT count(*), max(id) FROM messages").values()).toEqual([[messages, messages]]);
  database.close();
  for (const output of outputs) expect(output()).not.toContain('"level":50');
}, 120_000);

function expectOneStory({ followers, plain, said, answered }: Scene, history: readonly Told[]): void {
  const ids = history.map(({ id }) => id);
  expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
  const stored = new Map(history.map(({ content, id }) => [content, id]));
  expect(stored.size).toBe(history.length);
  expect([...stored.keys()].filter((content) => content !== "the end" && !said.has(content))).toEqual([]);

  const contents = new Map(history.map(({ id, content }) => [id, content]));
  for (const { told, flaws } of [...followers, ...plain]) {
    expect(flaws).toEqual([]);
    for (const { id, content } of told.values()) expect(content).toBe(contents.get(id) ?? "is not stored");
  }
  for (const follower of followers) expect(follower.ids()).toEqual(ids);
  // Nothing is missing between the first and the last that one connection was told.
  for (const visit of plain.flatMap(({ visits }) => visits)) {
    const from = visit[0] === undefined ? 0 : ids.indexOf(visit[0]);
    expect(visit).toEqual(ids.slice(from, from + visit.length));
  }
  for (const [content, id] of [answered, ...followers.map((follower) => follower.answered)].flatMap((by) => [
    ...by,
  ])) {
    expect(stored.get(content)).toBe(id);
  }
  const withKey = [...said].filter((content) => !content.includes("plain"));
  expect(withKey.filter((content) => !stored.has(content))).toEqual([]);
}
