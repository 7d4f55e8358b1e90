import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { eventually } from "../adapters/eventually.ts";
import {
  type ChatSocket,
  type ChatUser,
  type Frame,
  handshake,
  joinPath,
  openSocket,
  signIn,
  signUp,
  V1,
} from "../support/chat.ts";
import {
  at,
  type Follower,
  follow,
  historyOf,
  insist,
  listen,
  startUnevenWay,
  type Visitor,
} from "../support/chat-history.ts";
import { startHranaServer } from "../support/hrana-server.ts";
import { available, type Broker, startBroker } from "../support/rabbitmq.ts";
import { type RunningServer, startServer, temporaryFolder } from "../support/server.ts";

const SECRET = "the same secret on every node, of 32 bytes or more";
const TOKEN = "database token";
// Each way, at the most: longer than what some requests take, so that they overtake each other.
const DATABASE_MS = 6;
const LOOK_EVERY_MS = 2_000;
const BEAT_EVERY_MS = 5_000;
// For a machine that does other things as well.
const SLACK_MS = 4_000;
/** A nudge takes far less, and a look twice as long on average. */
const NUDGED_MS = 500;

type Database = { readonly env: Record<string, string>; close(): Promise<void> };

const DATABASES: Record<string, (folder: string) => Promise<Database>> = {
  async "a libSQL server"(folder) {
    const database = await startHranaServer(join(folder, "remote.db"), TOKEN);
    const way = startUnevenWay(database.url, DATABASE_MS);
    return {
      env: { DATABASE_URL: way.url, DATABASE_AUTH_TOKEN: TOKEN },
      async close() {
        await way.close();
        await database.close();
      },
    };
  },
  "one SQLite file": async (folder) => ({
    env: { DATABASE_URL: `file:${join(folder, "shared.db")}` },
    close: async () => {},
  }),
};

const figure = (name: string, ms: readonly number[]) => {
  const sorted = [...ms].sort((a, b) => a - b);
  const shown = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)].map((value) => Math.round(value ?? 0));
  console.log(`chat-nodes: ${name}: ${shown.join(" / ")} ms (least, median, most of ${ms.length})`);
};

describe.skipIf(!available())("two nodes of one community", () => {
  let broker: Broker;
  beforeAll(async () => {
    broker = await startBroker();
  }, 120_000);
  afterAll(() => broker.close(), 120_000);

  for (const [name, open] of Object.entries(DATABASES)) {
    describe(`on ${name}`, () => {
      let folder: ReturnType<typeof temporaryFolder>;
      let database: Database;
      const nodes: RunningServer[] = [];
      let a: RunningServer;
      let b: RunningServer;
      let ann: ChatUser;
      let bob: ChatUser;
      let cat: ChatUser;
      let dan: ChatUser;
      let rooms = 0;
      const visitors: Visitor[] = [];
      const sockets: ChatSocket[] = [];

      async function startNode(dataDir: string, port = "0"): Promise<RunningServer> {
        const env = { ...database.env, JWT_SECRET: SECRET, AMQP_URL: broker.url, PORT: port };
        const node = await startServer({ dataDir: join(folder.path, dataDir), env, args: ["--no-worker"] });
        nodes.push(node);
        return node;
      }

      beforeAll(async () => {
        folder = temporaryFolder();
        database = await open(folder.path);
        a = await startNode("a");
        b = await startNode("b");
        [ann, bob, cat, dan] = [
          await signUp(a, "ann"),
          await signUp(b, "bob"),
          await signUp(a, "cat"),
          await signUp(b, "dan"),
        ];
        await areReady(a, b);
      }, 120_000);
      afterAll(async () => {
        for (const node of nodes) node.kill("SIGKILL");
        await Promise.all(nodes.map((node) => node.exited));
        await database.close();
        await folder.remove();
      }, 120_000);
      afterEach(async () => {
        await Promise.all(visitors.splice(0).map((visitor) => visitor.end()));
        await Promise.all(sockets.splice(0).map((socket) => (socket.isOpen ? socket.close() : undefined)));
      });

      /** A room that ann made and owns. */
      async function newRoom(): Promise<string> {
        rooms += 1;
        const { status } = await at(a, ann).call("POST", "/ws/create-room", {
          id: `r${rooms}`,
          name: "room",
        });
        expect(status).toBe(200);
        return `r${rooms}`;
      }

      function following(node: RunningServer, user: ChatUser, room: string): Follower {
        const follower = follow({ url: () => node.url, user, room });
        visitors.push(follower);
        return follower;
      }

      function listening(node: RunningServer, user: ChatUser, room: string): Visitor {
        const visitor = listen({ url: () => node.url, user, room });
        visitors.push(visitor);
        return visitor;
      }

      const areHere = (...wanted: Visitor[]) => eventually(() => wanted.every((visitor) => visitor.isHere));

      /** A socket of guildhall.v1, welcomed. */
      async function sits(node: RunningServer, user: ChatUser, room: string): Promise<ChatSocket> {
        const socket = await at(node, user).join(room, { v1: true });
        sockets.push(socket);
        await socket.waitFor(({ type }) => type === "welcome");
        return socket;
      }

      const clients = async (node: RunningServer, room?: string): Promise<string[]> => {
        const path = room === undefined ? "/ws/get-clients" : `/ws/get-clients/${room}`;
        const { body } = await at(node, ann).call("GET", path);
        return body.map(({ username }: { username: string }) => username).sort();
      };

      /** Waits until both nodes say that exactly these are in the room. */
      const areIn = (room: string, ...names: string[]) =>
        eventually(async () => {
          const lists = await Promise.all([clients(a, room), clients(b, room)]);
          return lists.every((list) => list.join() === names.join());
        }, BEAT_EVERY_MS + SLACK_MS);

      /** Says it at one node and waits until it is told at the other; the time in between. */
      async function cross(
        from: Follower,
        to: Visitor,
        content: string,
        timeoutMs?: number,
      ): Promise<number> {
        const said = performance.now();
        from.say(content);
        await eventually(() => [...to.told.values()].some((told) => told.content === content), timeoutMs, 1);
        return performance.now() - said;
      }

      /** Everybody has been told everything, once, in the order of the ids, and that is what is stored. */
      async function expectOneStory(room: string, followers: Follower[], plain: Visitor[] = []) {
        // What is still on its way would be stored after the end, and some be asked before they are told.
        await eventually(() => followers.every(({ unanswered }) => unanswered.size === 0), 8_000).catch(
          () => {},
        );
        const { id } = await insist(at(a, ann), room, "the end");
        const all = [...followers, ...plain];
        await eventually(() => all.every(({ told }) => told.has(id)), 8_000).catch(() => {});
        const history = await historyOf(at(b, ann), room);
        const ids = history.map((message) => message.id);
        expect(all.map(({ flaws }) => flaws)).toEqual(all.map(() => []));
        for (const follower of followers) expect(follower.ids()).toEqual(ids);
        for (const { visits } of plain) expect(visits).toEqual([ids]);
        const contents = new Map(history.map((message) => [message.id, message.content]));
        expect(new Set(contents.values()).size).toBe(ids.length);
        for (const { told } of all) {
          expect([...told.values()].map((message) => [message.id, message.content])).toEqual([...contents]);
        }
        for (const follower of followers) {
          for (const [content, id] of follower.answered) expect(contents.get(id)).toBe(content);
        }
        return history;
      }

      test("who writes on either node is heard on both, in one order, once", async () => {
        const room = await newRoom();
        const followers = [
          following(a, ann, room),
          following(b, ann, room),
          following(b, bob, room),
          following(a, cat, room),
          following(b, dan, room),
        ];
        const plain = [listening(a, dan, room), listening(b, cat, room)];
        // These are cut off all the time, and go on wherever they come to.
        const restless = [cat, bob].map((user) => {
          const url = () => (Math.random() < 0.5 ? a : b).url;
          const follower = follow({ url, user, room });
          visitors.push(follower);
          return follower;
        });
        await areHere(...followers, ...plain, ...restless);
        async function talk(say: (count: number) => unknown): Promise<void> {
          for (let count = 0; count < 50; count++) {
            await say(count);
            await Bun.sleep(Math.random() * 8);
          }
        }
        let isOver = false;
        const moving = restless.map(async (follower) => {
          while (!isOver) {
            await eventually(() => follower.isHere);
            await Bun.sleep(Math.random() * 120);
            follower.cut();
          }
        });
        await Promise.all([
          ...[...followers, ...plain, ...restless].map((visitor, who) =>
            talk(async (count) => {
              // Little enough to be answered before the next cut.
              const most = restless.some((follower) => follower === visitor) ? 3 : 20;
              await eventually(() => visitor.unanswered.size < most);
              visitor.say(`visitor ${who} ${count}`);
            }),
          ),
          ...[a, b].map((node, who) => talk((count) => insist(at(node, bob), room, `rest ${who} ${count}`))),
        ]);
        isOver = true;
        await Promise.all(moving);
        expect(await expectOneStory(room, [...followers, ...restless], plain)).toHaveLength(11 * 50 + 1);
        const returns = restless.map(({ visits, counts }) => [visits.length - 1, counts.replayed]);
        console.log(`chat-nodes: ${name}: returns and messages replayed: ${returns.join(", ")}`);

        const [here, , there] = followers as [Follower, Follower, Follower];
        const taken: number[] = [];
        for (let count = 0; count < 20; count++) taken.push(await cross(here, there, `cross ${count}`));
        figure(`${name}: a message from node to node`, taken);
        expect(taken.sort((x, y) => x - y)[10] ?? 0).toBeLessThan(NUDGED_MS);
      }, 120_000);

      test("one key said on both nodes at once is one message, and nobody hears a later one before it", async () => {
        const room = await newRoom();
        const others = [following(a, cat, room), following(b, dan, room)] as const;
        const twins = [following(a, bob, room), following(b, bob, room)] as const;
        await areHere(...others, ...twins);
        for (let count = 0; count < 40; count++) {
          for (const follower of others) follower.say(`${follower.user.username} ${count}`);
          for (const twin of twins) twin.say(`twin ${count}`);
          await Bun.sleep(Math.random() * 10);
          await eventually(() => [...others, ...twins].every(({ unanswered }) => unanswered.size < 10));
        }
        const everybody = [...others, ...twins];
        expect(await expectOneStory(room, everybody)).toHaveLength(3 * 40 + 1);
      }, 120_000);

      test("everybody is listed once, comes once and goes once, on however many nodes", async () => {
        const room = await newRoom();
        const [here, there] = [following(a, ann, room), following(b, dan, room)];
        const plain = [listening(a, dan, room)];
        await areHere(here, there, ...plain);
        await areIn(room, "ann", "dan");
        const members = (socket: ChatSocket): string[] =>
          socket.frames.find(({ type }) => type === "welcome").members.map(({ username }: Frame) => username);
        // The lists are read from the database, a welcome is what the node has been nudged to read.
        await eventually(async () => {
          const socket = await sits(b, cat, room);
          await socket.close();
          return members(socket).length === 3;
        });
        await areIn(room, "ann", "dan");

        const first = await sits(b, bob, room);
        expect(members(first).sort()).toEqual(["ann", "bob", "dan"]);
        const told = (visitor: Visitor, notice: string) =>
          visitor.notices.filter((text) => text === notice).length;
        await eventually(
          () => told(here, `joined ${bob.id}`) + told(there, `joined ${bob.id}`) === 2,
          SLACK_MS,
        );
        await areIn(room, "ann", "bob", "dan");
        expect(await clients(a)).toEqual(["ann", "bob", "dan"]);
        expect(await clients(b)).toEqual(["ann", "bob", "dan"]);

        // The same person on the other node, and in and out many times.
        const second = await sits(a, bob, room);
        expect(members(second).sort()).toEqual(["ann", "bob", "dan"]);
        for (let count = 0; count < 4; count++) await (await sits(b, bob, room)).close();
        await areIn(room, "ann", "bob", "dan");

        first.send({ type: "typing" });
        first.send({ type: "typing" });
        await eventually(
          () => told(here, `typing ${bob.id}`) === 1 && told(there, `typing ${bob.id}`) === 1,
          SLACK_MS,
        );

        await first.close();
        await Bun.sleep(500);
        await areIn(room, "ann", "bob", "dan");
        await second.close();
        await eventually(() => told(here, `left ${bob.id}`) + told(there, `left ${bob.id}`) === 2, SLACK_MS);
        await areIn(room, "ann", "dan");
        await Bun.sleep(500);
        const heardOfBob = [`joined ${bob.id}`, `typing ${bob.id}`, `left ${bob.id}`];
        for (const { notices } of [here, there])
          expect(notices.filter((notice) => notice.endsWith(` ${bob.id}`))).toEqual(heardOfBob);
      }, 120_000);

      test("who come to an empty room at the same moment on two nodes know of each other at once", async () => {
        const taken: number[] = [];
        for (let count = 0; count < 12; count++) {
          const room = await newRoom();
          const [here, there] = await Promise.all([
            at(a, ann).join(room, { v1: true }),
            at(b, bob).join(room, { v1: true }),
          ]);
          sockets.push(here, there);
          const from = performance.now();
          const seen = (socket: ChatSocket, id: number): number =>
            socket.frames.filter(
              (frame) =>
                (frame.type === "joined" && frame.id === id) ||
                (frame.type === "welcome" && frame.members.some((member: Frame) => member.id === id)),
            ).length;
          await eventually(() => seen(here, bob.id) > 0 && seen(there, ann.id) > 0, BEAT_EVERY_MS + SLACK_MS);
          taken.push(performance.now() - from);
          await Bun.sleep(50);
          expect([seen(here, bob.id), seen(there, ann.id)]).toEqual([1, 1]);
          expect([...here.frames, ...there.frames].filter(({ type }) => type === "left")).toEqual([]);
          await Promise.all([here.close(), there.close()]);
        }
        figure(`${name}: knowing of each other`, taken);
        expect(taken.sort((x, y) => x - y)[6] ?? 0).toBeLessThan(NUDGED_MS);
      }, 120_000);

      test("who comes and goes fast is not left behind in the room, and nobody is shown who is not there", async () => {
        const room = await newRoom();
        const here = following(a, ann, room);
        await areHere(here);
        for (let count = 0; count < 40; count++) {
          const socket = await at(b, bob).join(room, { v1: true });
          await Bun.sleep(Math.random() * 20);
          await socket.close();
          await Bun.sleep(Math.random() * 8);
        }
        await eventually(() => here.notices.at(-1) !== `joined ${bob.id}`, SLACK_MS);
        await Bun.sleep(1_000);
        expect(here.notices).toEqual(
          here.notices.map((_, index) => `${index % 2 === 0 ? "joined" : "left"} ${bob.id}`),
        );
        expect(here.notices.length % 2).toBe(0);
        expect(await clients(a, room)).toEqual(["ann"]);
      }, 120_000);

      test("a session that ends on one node ends its sockets on the other, and no others", async () => {
        const room = await newRoom();
        const stays = await sits(b, bob, room);
        const taken: number[] = [];
        for (let count = 0; count < 10; count++) {
          const again = await signIn(a, bob.email);
          const { cookie } = again;
          const [there, plain] = await Promise.all([
            sits(b, again, room),
            openSocket(b.url, room, { headers: { Cookie: cookie } }),
          ]);
          sockets.push(plain);
          const from = performance.now();
          expect((await again.call("GET", "/api/users/logout")).status).toBe(200);
          expect((await there.closed).code).toBe(4001);
          expect((await plain.closed).code).toBe(4001);
          taken.push(performance.now() - from);
          const { status } = await b.call("GET", "/ws/get-rooms", { headers: { Cookie: cookie } });
          expect(status).toBe(401);
        }
        figure(`${name}: logged out on one node, closed on the other`, taken);
        expect(Math.max(...taken)).toBeLessThan(LOOK_EVERY_MS + SLACK_MS);
        // By the nudge, and not by a look.
        expect(taken.sort((x, y) => x - y)[5] ?? 0).toBeLessThan(NUDGED_MS);
        expect(stays.isOpen).toBe(true);
      }, 120_000);

      test("what is moderated through one node acts on the sockets of the other", async () => {
        const room = await newRoom();
        const moderate = async (method: string, path: string, body?: unknown) => {
          const { status } = await at(a, ann).call(method, `/ws/rooms/${room}${path}`, body);
          expect(status).toBe(204);
        };
        const [owner, seat, other] = [
          await sits(b, ann, room),
          await sits(b, bob, room),
          await sits(b, dan, room),
        ];
        const moderated = (action: string) =>
          other.waitFor((frame) => frame.type === "moderated" && frame.action === action, SLACK_MS);
        const tries = async (socket: ChatSocket, key: string): Promise<string> => {
          socket.send({ type: "message", content: key, key });
          const answer = await socket.waitFor((frame) => frame.key === key);
          return answer.type === "error" ? answer.code : answer.type;
        };
        // Who hears of an act is told it before the node has read what it means for somebody.
        let tried = 0;
        const comesTo = (socket: ChatSocket, answer: string) =>
          eventually(async () => (await tries(socket, `try ${++tried}`)) === answer, SLACK_MS, 100);

        expect(await tries(seat, "one")).toBe("message");
        const { id } = await other.waitForMessage("one");
        await moderate("DELETE", `/messages/${id}`);
        await other.waitFor((frame) => frame.type === "deleted" && frame.id === id, SLACK_MS);

        await moderate("PUT", `/mutes/${bob.id}`, { reason: "noise" });
        expect(await moderated("mute")).toEqual({
          type: "moderated",
          action: "mute",
          id: bob.id,
          reason: "noise",
        });
        await comesTo(seat, "muted");
        await moderate("DELETE", `/mutes/${bob.id}`);
        await moderated("unmute");
        await comesTo(seat, "message");

        await moderate("PATCH", "", { read_only: true });
        await moderated("room_changed");
        await comesTo(seat, "read_only");
        expect(await tries(owner, "five")).toBe("message");

        const closes = async (socket: ChatSocket, act: () => Promise<unknown>): Promise<number> => {
          const from = performance.now();
          await act();
          const { code } = await socket.closed;
          expect(performance.now() - from).toBeLessThan(SLACK_MS);
          return code;
        };
        expect(await closes(seat, () => moderate("POST", `/kick/${bob.id}`))).toBe(4003);
        await moderated("kick");
        const back = await sits(b, bob, room);
        expect(await closes(back, () => moderate("PUT", `/bans/${bob.id}`))).toBe(4003);
        await moderated("ban");
        for (const node of [a, b]) expect(await refusal(node, room, { user: bob })).toBe(403);
        expect((await at(b, bob).call("GET", `/ws/rooms/${room}/messages`)).status).toBe(403);

        await moderate("PUT", `/members/${cat.id}`);
        const member = await sits(b, cat, room);
        expect(await closes(other, () => moderate("PATCH", "", { private: true }))).toBe(4003);
        expect([owner.isOpen, member.isOpen]).toEqual([true, true]);
        expect(await closes(member, () => moderate("DELETE", ""))).toBe(4004);
        expect((await owner.closed).code).toBe(4004);
        expect((await at(b, ann).call("GET", `/ws/rooms/${room}/messages`)).status).toBe(404);
      }, 120_000);

      test("a ticket from one node opens one socket on the other", async () => {
        const room = await newRoom();
        const { body } = await at(a, cat).call("POST", "/ws/ticket");
        const query = { ticket: body.ticket };
        const socket = await openSocket(b.url, room, { v1: true, query });
        sockets.push(socket);
        const { you } = await socket.waitFor(({ type }) => type === "welcome");
        expect(you).toEqual({ id: cat.id, username: "cat" });
        for (const node of [a, b]) expect(await refusal(node, room, { query })).toBe(401);
      });

      test("the broker is away for a while: what is done on one node reaches the other within its look", async () => {
        const [room, other] = [await newRoom(), await newRoom()];
        const here = following(a, ann, room);
        const there = following(b, bob, room);
        const talkers = [following(a, cat, room), following(b, dan, room)] as const;
        const plain = listening(b, cat, room);
        await areHere(here, there, ...talkers, plain);
        let isOver = false;
        let isQuiet = false;
        const talking = talkers.map(async (talker) => {
          for (let count = 0; !isOver; count++) {
            if (!isQuiet && talker.unanswered.size < 20) talker.say(`${talker.user.username} ${count}`);
            await Bun.sleep(20 + Math.random() * 30);
          }
        });

        await broker.stop();
        for (const node of [a, b]) {
          await eventually(async () => (await node.call("GET", "/readyz")).status === 503);
          const { checks } = (await node.call("GET", "/readyz")).body;
          expect([checks.bus.state, checks.queue.state, checks.database.state]).toEqual([
            "down",
            "down",
            "up",
          ]);
        }
        // What is committed on a node has it look at once, so that the others may not talk.
        isQuiet = true;
        await eventually(() => talkers.every(({ unanswered }) => unanswered.size === 0));
        const delivered: number[] = [];
        for (const [from, to] of [
          [here, there],
          [there, here],
          [here, there],
          [there, here],
        ] as const) {
          delivered.push(
            await cross(from, to, `without a broker ${delivered.length}`, LOOK_EVERY_MS + SLACK_MS),
          );
        }
        figure(`${name}: without the broker, a message from node to node`, delivered);
        expect(Math.max(...delivered)).toBeLessThan(LOOK_EVERY_MS + SLACK_MS);

        const revoked: number[] = [];
        for (let count = 0; count < 3; count++) {
          const again = await signIn(a, bob.email);
          const socket = await sits(b, again, other);
          const from = performance.now();
          await again.call("GET", "/api/users/logout");
          expect((await socket.closed).code).toBe(4001);
          revoked.push(performance.now() - from);
        }
        figure(`${name}: without the broker, logged out on one node, closed on the other`, revoked);
        expect(Math.max(...revoked)).toBeLessThan(LOOK_EVERY_MS + SLACK_MS);

        isQuiet = false;
        const kicked = await sits(b, dan, other);
        const from = performance.now();
        await at(a, ann).call("POST", `/ws/rooms/${other}/kick/${dan.id}`);
        expect((await kicked.closed).code).toBe(4003);
        expect(performance.now() - from).toBeLessThan(LOOK_EVERY_MS + SLACK_MS);
        const newcomer = await sits(b, bob, other);
        await areIn(other, "bob");
        await newcomer.close();

        await broker.start();
        await areReady(a, b);
        const after: number[] = [];
        for (let count = 0; count < 10; count++) after.push(await cross(here, there, `nudged ${count}`));
        figure(`${name}: with the broker back, a message from node to node`, after);
        expect(after.sort((x, y) => x - y)[5] ?? 0).toBeLessThan(NUDGED_MS);
        isOver = true;
        await Promise.all(talking);
        await expectOneStory(room, [here, there, ...talkers], [plain]);
      }, 120_000);

      test("of a killed node everybody is shown as left, except who came back in time", async () => {
        const c = await startNode("c");
        await areReady(c);
        const room = await newRoom();
        const here = following(a, ann, room);
        // Who was there before her is in her welcome, and in no notice.
        await areHere(here);
        // Of B, which stays down for longer, and of C, which is started at once.
        const [away, back, gone] = [
          following(b, bob, room),
          following(c, cat, room),
          listening(c, dan, room),
        ];
        await areHere(here, away, back, gone);
        await areIn(room, "ann", "bob", "cat", "dan");
        const about = (user: ChatUser) => here.notices.filter((notice) => notice.endsWith(` ${user.id}`));
        await gone.end();
        await eventually(() => about(dan).at(-1) === `left ${dan.id}`, SLACK_MS);
        const lost = await at(c, dan).join(room);
        await areIn(room, "ann", "bob", "cat", "dan");
        await eventually(() => about(dan).at(-1) === `joined ${dan.id}`, SLACK_MS);
        for (const user of [bob, cat]) expect(about(user)).toEqual([`joined ${user.id}`]);

        const killedAt = performance.now();
        for (const node of [b, c]) {
          node.kill("SIGKILL");
          await node.exited;
        }
        await lost.closed;
        await startNode("c", new URL(c.url).port);
        await eventually(() => back.isHere);
        for (let count = 0; count < 100; count++) {
          await eventually(() => here.unanswered.size < 20);
          here.say(`meanwhile ${count}`);
        }
        for (const user of [bob, dan]) {
          await eventually(() => about(user).at(-1) === `left ${user.id}`, 22_000);
          figure(`${name}: ${user.username} of a killed node has left`, [performance.now() - killedAt]);
        }
        expect(performance.now() - killedAt).toBeLessThan(20_000 + SLACK_MS);
        expect(await clients(a, room)).toEqual(["ann", "cat"]);

        b = await startNode("b", new URL(b.url).port);
        await eventually(() => away.isHere);
        await eventually(() => about(bob).at(-1) === `joined ${bob.id}`, BEAT_EVERY_MS + SLACK_MS);
        await areIn(room, "ann", "bob", "cat");
        expect(about(bob)).toEqual([`joined ${bob.id}`, `left ${bob.id}`, `joined ${bob.id}`]);
        expect(about(cat)).toEqual([`joined ${cat.id}`]);
        expect(about(dan)).toEqual(["joined", "left", "joined", "left"].map((what) => `${what} ${dan.id}`));
        away.say("I am back");
        expect(await expectOneStory(room, [here, away, back])).toHaveLength(102);
      }, 120_000);
    });
  }
});

/** The status of a handshake that is refused; over TCP, since Bun's client breaks its other sockets by one. */
async function refusal(
  node: RunningServer,
  room: string,
  { user, query }: { readonly user?: ChatUser; readonly query?: Record<string, string> },
): Promise<number> {
  const { status, socket } = await handshake(node.url, joinPath(room, query), {
    Cookie: user?.cookie ?? null,
    "Sec-WebSocket-Protocol": V1,
  });
  socket?.destroy();
  return status;
}

async function areReady(...nodes: readonly RunningServer[]): Promise<void> {
  for (const node of nodes) {
    await eventually(async () => (await node.call("GET", "/readyz")).status === 200, 30_000, 50);
  }
}
