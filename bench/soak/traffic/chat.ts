import { eventually } from "../../../test/adapters/eventually.ts";
import type { ChatUser } from "../../../test/support/chat.ts";
import { PASSWORD } from "../../../test/support/chat.ts";
import {
  type Follower,
  follow,
  listen,
  type Told,
  type Visitor,
} from "../../../test/support/chat-history.ts";
import { createWrites, type Writes } from "../writes.ts";
import { again, oneOf, type Traffic, type World } from "./traffic.ts";

const ROOMS = [1, "lobby", "Room_3-x"] as const;
const TALK_MS = 350;
const OVER_REST_MS = 500;
const DELETE_MS = 1_500;
const MODERATE_MS = 2_500;
const MUTED_MS = 1_000;
// A server that stands still must not find that the time is over.
const MUTED_UNTIL_MS = 60_000;
const RETURN_MS = 120;
const SAY_AGAIN_MS = 300;
const SETTLE_MS = 20_000;
// When something was found already, the rest is not waited for as long.
const SETTLE_WHEN_RED_MS = 2_000;
const PAGE = 300;
// Of one writer: with more under way a long outage brings more than 300, and then a gap is right.
const MAX_UNANSWERED = 6;
// The connection is lost; the server stops, cannot read, finds us too slow; somebody kicked us.
const RETURNING: ReadonlySet<number> = new Set([1001, 1006, 1012, 1013, 4003]);
const THE_END = "the end";

/** What was said and heard in one room. */
type Scene = {
  readonly room: (typeof ROOMS)[number];
  readonly followers: Follower[];
  readonly plain: Visitor[];
  /** What was said, with the visit in which it was sent for the first time; -1 where it was sent more than once. */
  readonly said: Map<string, number>;
  /** What was sent once and refused, so that it must not be there. */
  readonly refused: Set<string>;
  /** What REST answered, by content. */
  readonly answered: Map<string, Told>;
  /** Whether they were deleted, by id; of others nobody tried to. */
  readonly deleted: Map<number, Writes<boolean>>;
};

/** What the log of the database says of one room. */
export type StoredRoom = {
  readonly key: string;
  /** All messages by id, those that were removed without their content. */
  readonly messages: ReadonlyMap<number, { readonly content: string; readonly isRemoved: boolean }>;
};

export type ChatTraffic = Traffic & {
  /** After `check`, when the database can be looked at. */
  compare(stored: readonly StoredRoom[]): void;
  close(): Promise<void>;
  readonly text: () => string;
};

/** Rooms where people talk over sockets of both protocols and over REST, and a host who deletes, mutes and kicks. */
export function chat(world: World): ChatTraffic {
  const { caller, findings, random } = world;
  const counts = {
    said: 0,
    overRest: 0,
    refused: 0,
    returns: 0,
    replayed: 0,
    resent: 0,
    foundStored: 0,
    told: 0,
    deletions: 0,
    mutes: 0,
    kicks: 0,
  };
  const scenes: Scene[] = ROOMS.map((room) => ({
    room,
    followers: [],
    plain: [],
    said: new Map(),
    refused: new Set(),
    answered: new Map(),
    deleted: new Map(),
  }));
  const visitors: Visitor[] = [];
  let host: ChatUser | undefined;

  async function signUp(username: string): Promise<ChatUser> {
    const email = `${username}@example.org`;
    await caller.insist(username, "POST", "/api/users/signup", {
      body: { username, email, password: PASSWORD },
      expected: [200, 409],
    });
    const { body, headers } = await caller.insist(username, "POST", "/api/users/signin", {
      body: { email, password: PASSWORD },
      expected: [200],
    });
    const cookie = /^jwt=[^;]+/.exec(headers.getSetCookie()[0] ?? "")?.[0] ?? "";
    const nobody = () => Promise.reject(new Error("all requests go through the caller"));
    return { id: body.id, username, email, cookie, call: nobody, join: nobody };
  }

  const headersOf = ({ cookie }: ChatUser) => ({ Cookie: cookie });

  // --- talking

  function visit(scene: Scene, user: ChatUser): void {
    let follower: Follower | undefined;
    const place = {
      url: () => oneOf(random, world.nodes) ?? "",
      user,
      room: scene.room,
      returnMs: RETURN_MS,
      returning: RETURNING,
    };
    // biome-ignore lint/suspicious/noExplicitAny: a frame of the server under test, read by field
    const onFrame = (frame: any) => {
      if (frame.type !== "error" || follower === undefined) return;
      refusedOnSocket(scene, follower, frame);
    };
    follower = follow({ ...place, onFrame });
    scene.followers.push(follower);
  }

  function refusedOnSocket(
    scene: Scene,
    follower: Follower,
    { code, key, message }: { code: string; key?: string; message: string },
  ): void {
    if (key === undefined) {
      findings.add("every frame is one that can be", `an error without a key: ${code} ${message}`);
      return;
    }
    if (code === "unavailable") {
      setTimeout(() => follower.unanswered.has(key) && sayAgain(scene, follower, key), SAY_AGAIN_MS);
      return;
    }
    // `bad_frame` is the key of a message that was stored and then removed.
    if (code === "muted") {
      counts.refused += 1;
      if (scene.said.get(key) === follower.visits.length) scene.refused.add(key);
    } else if (code !== "bad_frame" || scene.deleted.size === 0) {
      findings.add("every frame is one that can be", `${code} for ${key}: ${message}`);
    }
    follower.drop(key);
  }

  function sayAgain(scene: Scene, follower: Follower, content: string): void {
    scene.said.set(content, -1);
    follower.say(content);
  }

  function next(scene: Scene, who: string, visit = -1): string {
    counts.said += 1;
    const content = `${who} ${counts.said}`;
    scene.said.set(content, visit);
    return content;
  }

  async function overRest(scene: Scene, user: ChatUser, content: string): Promise<void> {
    const { status, body } = await caller.insist(user.username, "POST", `/ws/rooms/${scene.room}/messages`, {
      headers: headersOf(user),
      body: { content, key: content },
      // Its answer was lost, and then it was deleted.
      expected: [201, 404],
    });
    counts.overRest += 1;
    if (status === 201) scene.answered.set(content, body);
    else if (scene.deleted.size === 0) findings.add("what is there is found", `404 for ${content}`);
  }

  // --- moderation

  async function removeSome(scene: Scene, user: ChatUser): Promise<void> {
    const told = [...(oneOf(random, scene.followers)?.told.values() ?? [])].slice(-40);
    const message = oneOf(random, told);
    if (message === undefined || scene.deleted.has(message.id)) return;
    const isDeleted = createWrites(false);
    scene.deleted.set(message.id, isDeleted);
    const settle = isDeleted.begin(true);
    const path = `/ws/rooms/${scene.room}/messages/${message.id}`;
    const request = { headers: headersOf(user), body: {}, expected: [204] };
    settle(await caller.call(user.username, "DELETE", path, request));
    counts.deletions += 1;
  }

  async function moderate(scene: Scene, user: ChatUser, others: readonly ChatUser[]): Promise<void> {
    const other = oneOf(random, others);
    if (other === undefined) return;
    const request = { headers: headersOf(user), expected: [204] };
    if (random() < 0.5) {
      await caller.call(user.username, "POST", `/ws/rooms/${scene.room}/kick/${other.id}`, {
        ...request,
        body: { reason: "soak" },
      });
      counts.kicks += 1;
      return;
    }
    const path = `/ws/rooms/${scene.room}/mutes/${other.id}`;
    const until = new Date(Date.now() + MUTED_UNTIL_MS).toISOString();
    await caller.call(user.username, "PUT", path, { ...request, body: { until } });
    counts.mutes += 1;
    await Bun.sleep(MUTED_MS);
    await caller.insist(user.username, "DELETE", path, { ...request, body: {} });
  }

  async function live(scene: Scene, owner: ChatUser, talkers: readonly ChatUser[], clerk: ChatUser) {
    const body = { id: scene.room, name: String(scene.room) };
    await caller.insist(owner.username, "POST", "/ws/create-room", {
      headers: headersOf(owner),
      body,
      expected: [200, 409],
    });
    for (const talker of talkers) visit(scene, talker);
    for (const user of [clerk, owner]) {
      const url = () => oneOf(random, world.nodes) ?? "";
      scene.plain.push(listen({ url, user, room: scene.room, returnMs: RETURN_MS, returning: RETURNING }));
    }
    visitors.push(...scene.followers, ...scene.plain);
    await Promise.all([
      // The last one only listens.
      ...scene.followers.slice(0, -1).map((follower, index) =>
        again(world, TALK_MS, async () => {
          if (follower.unanswered.size >= MAX_UNANSWERED) return;
          follower.say(next(scene, `v1-${index}`, follower.visits.length));
        }),
      ),
      again(world, OVER_REST_MS, () => overRest(scene, clerk, next(scene, "rest"))),
      again(world, DELETE_MS, () => removeSome(scene, owner)),
      again(world, MODERATE_MS, () => moderate(scene, owner, talkers)),
    ]);
  }

  // --- checking

  async function settle(scene: Scene, owner: ChatUser): Promise<void> {
    const within = (what: string, condition: () => boolean) =>
      eventually(condition, findings.checks().length > 0 ? SETTLE_WHEN_RED_MS : SETTLE_MS, 50).catch(() => {
        findings.add("everybody hears the end", `${what} in ${scene.room}`);
      });
    await within("something said was not answered", () =>
      scene.followers.every(({ unanswered }) => unanswered.size === 0),
    );
    scene.said.set(THE_END, -1);
    await overRest(scene, owner, THE_END);
    const hasEnded = ({ told }: Visitor) => [...told.values()].at(-1)?.content === THE_END;
    await within("somebody was not told the end", () => [...scene.followers, ...scene.plain].every(hasEnded));
  }

  async function historyOf(scene: Scene, user: ChatUser): Promise<Told[]> {
    const messages: Told[] = [];
    for (;;) {
      const path = `/ws/rooms/${scene.room}/messages?limit=${PAGE}&after=${messages.at(-1)?.id ?? 0}`;
      const { body } = await caller.insist(user.username, "GET", path, {
        headers: headersOf(user),
        expected: [200],
      });
      messages.push(...body.messages);
      if (body.messages.length < PAGE) return messages;
    }
  }

  const place = (scene: Scene, what: string) => `${what} in ${scene.room}`;

  function checkHistory(scene: Scene, history: readonly Told[]): void {
    const ids = history.map(({ id }) => id);
    if (
      !Bun.deepEquals(
        ids,
        [...new Set(ids)].sort((a, b) => a - b),
      )
    ) {
      findings.add("ids of messages are unique and grow", place(scene, "the history"));
    }
    const stored = new Map<string, number>();
    for (const { id, content } of history) {
      if (stored.has(content)) findings.add("a message is stored once", place(scene, content));
      stored.set(content, id);
      if (!scene.said.has(content)) findings.add("nothing is there that nobody wrote", place(scene, content));
      if (scene.deleted.get(id)?.possible().includes(false) === false) {
        findings.add("what was deleted is gone", place(scene, `${id} ${content}`));
      }
    }
    for (const content of scene.refused) {
      if (stored.has(content)) findings.add("what was refused is not stored", place(scene, content));
    }
    const contents = new Map(history.map(({ id, content }) => [id, content]));
    const mayBeGone = (id: number) => scene.deleted.get(id)?.possible().includes(true) === true;
    const expectStored = (who: string, id: number, content: string) => {
      const found = contents.get(id);
      if (found === content || (found === undefined && mayBeGone(id))) return;
      const instead = found === undefined ? "nothing" : `"${found}"`;
      findings.add(
        "whatever anybody was told is stored",
        place(scene, `${who}: ${id} "${content}", there is ${instead}`),
      );
    };
    for (const visitor of [...scene.followers, ...scene.plain]) {
      const who = visitor.user.username;
      for (const { id, content } of visitor.told.values()) expectStored(who, id, content);
      for (const flaw of visitor.flaws)
        findings.add("nobody hears a gap, a double or disorder", place(scene, `${who}: ${flaw}`));
    }
    for (const [content, { id }] of scene.answered) expectStored("the answer of REST", id, content);
    for (const follower of scene.followers) {
      const who = follower.user.username;
      for (const [content, id] of follower.answered) expectStored(`the answer to ${who}`, id, content);
      for (const id of ids) {
        if (!follower.told.has(id)) {
          findings.add("nobody hears a gap, a double or disorder", place(scene, `${who} never heard ${id}`));
        }
      }
    }
  }

  function compareScene(scene: Scene, { messages }: StoredRoom): void {
    const ids = [...messages.keys()].sort((a, b) => a - b);
    for (const follower of scene.followers) {
      const notices = new Set(follower.notices);
      for (const id of follower.told.keys()) {
        if (messages.get(id)?.isRemoved === true && !notices.has(`deleted ${id}`)) {
          findings.add(
            "everybody hears what was deleted",
            place(scene, `${follower.user.username} did not hear of ${id}`),
          );
        }
      }
    }
    for (const { visits, user } of scene.plain) {
      for (const visit of visits) {
        const from = visit[0] === undefined ? 0 : ids.indexOf(visit[0]);
        // Nothing is missing between the first and the last that one connection was told.
        if (!Bun.deepEquals(visit, ids.slice(from, from + visit.length))) {
          findings.add("nobody hears a gap, a double or disorder", place(scene, `${user.username}, plain`));
        }
      }
    }
  }

  return {
    async run() {
      const owner = await signUp("host");
      host = owner;
      const clerk = await signUp("clerk");
      const talkers = await Promise.all(["ada", "bob", "eve"].map(signUp));
      await Promise.all(scenes.map((scene) => live(scene, owner, talkers, clerk)));
    },
    async check() {
      const owner = host;
      if (owner === undefined) return;
      await Promise.all(scenes.map((scene) => settle(scene, owner)));
      for (const scene of scenes) checkHistory(scene, await historyOf(scene, owner));
    },
    compare(stored) {
      for (const scene of scenes) {
        const found = stored.find(({ key }) => key === String(scene.room));
        if (found === undefined)
          findings.add("whatever anybody was told is stored", `the room ${scene.room}`);
        else compareScene(scene, found);
      }
    },
    async close() {
      await Promise.all(visitors.splice(0).map((visitor) => visitor.end()));
    },
    figures() {
      const followers = scenes.flatMap((scene) => scene.followers);
      const all = scenes.flatMap((scene) => [...scene.followers, ...scene.plain]);
      const sum = <T>(of: readonly T[], count: (one: T) => number) =>
        of.reduce((total, one) => total + count(one), 0);
      return {
        ...counts,
        returns: sum(all, ({ visits }) => visits.length - 1),
        replayed: sum(followers, (one) => one.counts.replayed),
        resent: sum(followers, (one) => one.counts.resent),
        foundStored: sum(followers, (one) => one.counts.foundStored),
        told: sum(all, ({ told }) => told.size),
      };
    },
    text: () =>
      scenes
        .flatMap((scene) =>
          [...scene.followers, ...scene.plain].map(
            ({ user, visits, told }) =>
              `${scene.room} ${user.username}: ${visits.map((visit) => visit.map((id) => `${id} ${told.get(id)?.content}`).join(", ")).join(" | ")}`,
          ),
        )
        .join("\n"),
  };
}
