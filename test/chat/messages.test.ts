import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { messages as messagesTable } from "../../db/schema.ts";
import * as messages from "../../src/domain/messages.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { type Chatter, chatter, refused, told } from "./people.ts";

let app: TestApp;
let ann: Chatter;
let ben: Chatter;
beforeEach(() => start());
afterEach(() => app.close());

async function start(options: Parameters<typeof startTestApp>[0] = {}): Promise<void> {
  app = await startTestApp(options);
  ann = await chatter(app, "ann");
  ben = await chatter(app, "ben");
  for (const id of [1, "two"]) await ann.must(200, "POST", "/ws/create-room", { id, name: `room ${id}` });
}

type Message = {
  readonly id: number;
  readonly content: string;
  readonly userId: number;
};

const say = (who: Chatter, body: object, room: number | string = 1) =>
  who.call("POST", `/ws/rooms/${room}/messages`, body);
const said = async (who: Chatter, content: string, room: number | string = 1): Promise<Message> =>
  (await who.must(201, "POST", `/ws/rooms/${room}/messages`, { content })).body;
const history = async (query = "", room: number | string = 1): Promise<Message[]> =>
  (await ben.must(200, "GET", `/ws/rooms/${room}/messages${query}`)).body.messages;
const contents = async (query = "", room: number | string = 1) =>
  (await history(query, room)).map(({ content }) => content);

describe("saying something", () => {
  test("answers the message as everybody gets it", async () => {
    const whole = {
      content: " Hello,\n<b>王</b> 🎲 ",
      roomId: 1,
      username: "ann",
      id: 1,
      userId: ann.id,
      sentAt: "2026-04-14T10:30:00.000Z",
    };
    expect(told(await say(ann, { content: whole.content }))).toEqual([201, whole]);
    app.now += 1_234;
    const second = {
      ...whole,
      content: "In another room",
      roomId: "two",
      username: "ben",
      id: 2,
      userId: ben.id,
      sentAt: "2026-04-14T10:30:01.234Z",
    };
    expect(told(await say(ben, { content: second.content, key: "k" }, "two"))).toEqual([201, second]);
    expect<unknown>(await history()).toEqual([whole]);
    expect<unknown>(await history("", "two")).toEqual([second]);
  });

  const PIECE = "🎲";
  test.each<[string, unknown, number]>([
    ["a letter", "a", 201],
    ["4,000 characters", "x".repeat(4_000), 201],
    ["4,000 characters of two units", PIECE.repeat(4_000), 201],
    ["4,001 characters", "x".repeat(4_001), 400],
    ["4,001 characters of two units", PIECE.repeat(4_001), 400],
    ["control characters", "a\u0001\u001b[31m", 201],
    ["nothing", undefined, 400],
    ["null", null, 400],
    ["a number", 5, 400],
    ["a list", ["a"], 400],
    ["an empty text", "", 400],
    ["blanks", " \t\n\u00a0\u3000", 400],
    ["a NUL", "a\0b", 400],
    ["half a character", "a\ud800b", 400],
    ["the other half", "a\udc00b", 400],
  ])("content: %s", async (_what, content, status) => {
    const answer = await say(ann, { content });
    if (status === 201) expect([answer.status, answer.body.content]).toEqual([201, content]);
    else expect(told(answer)).toEqual(refused(400));
    expect(await contents()).toEqual(status === 201 ? [String(content)] : []);
  });

  test.each<[string, unknown, number]>([
    ["a letter", "a", 201],
    ["64 characters", "k".repeat(64), 201],
    ["65 characters", "k".repeat(65), 400],
    ["an empty text", "", 400],
    ["a number", 1, 400],
    ["a NUL", "\0", 400],
    ["half a character", "\ud800", 400],
    ["any text", "🎲 '\"%", 201],
  ])("a key: %s", async (_what, key, status) => {
    const answer = await say(ann, { content: "Hello", key });
    if (status === 400) expect(told(answer)).toEqual(refused(400));
    else expect((await say(ann, { content: "again", key })).body).toEqual(answer.body);
    expect(await history()).toHaveLength(status === 201 ? 1 : 0);
  });

  test("what is sent again under its key is stored once, and answered as it was stored", async () => {
    const first = await say(ann, { content: "Hello", key: "k" });
    app.now += 60_000;
    for (const content of ["Hello", "something else"]) {
      expect(told(await say(ann, { content, key: "k" }))).toEqual([201, first.body]);
    }
    expect(await history()).toEqual([first.body]);
  });

  test("sent many times at once it is stored once", async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => say(ann, { content: "Hello", key: "k" })),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(201));
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect(await history()).toHaveLength(1);
  });

  test("a key is one's own, and the room's", async () => {
    const [mine, theirs, elsewhere] = [
      await say(ann, { content: "mine", key: "k" }),
      await say(ben, { content: "theirs", key: "k" }),
      await say(ann, { content: "elsewhere", key: "k" }, "two"),
    ];
    expect([mine.body.id, theirs.body.id, elsewhere.body.id]).toEqual([1, 2, 3]);
  });

  test("under the key of a message that was removed nothing comes back", async () => {
    const { id } = (await say(ann, { content: "Hello", key: "k" })).body;
    await ann.must(204, "DELETE", `/ws/rooms/1/messages/${id}`);
    expect(told(await say(ann, { content: "Hello", key: "k" }))).toEqual(refused(404));
    expect(await history()).toEqual([]);
  });
});

describe("how often one may say something", () => {
  const limited = async () => {
    await app.close();
    await start({ limitMessages: { points: 10, windowMs: 10_000 } });
  };
  const statuses = async (who: Chatter, times: number, room: number | string = 1): Promise<number[]> => {
    const answers: number[] = [];
    for (let time = 0; time < times; time++)
      answers.push((await say(who, { content: "Hello" }, room)).status);
    return answers;
  };
  const fill = (count: number, status: number) => Array<number>(count).fill(status);

  test("ten in ten seconds, twenty at once, in all rooms together", async () => {
    await limited();
    expect(await statuses(ann, 12)).toEqual(fill(12, 201));
    expect(await statuses(ann, 8, "two")).toEqual(fill(8, 201));
    for (const room of [1, "two"]) {
      const answer = await say(ann, { content: "Hello" }, room);
      expect([...told(answer), answer.headers.get("Retry-After")]).toEqual([...refused(429), "1"]);
    }
    // Others are not concerned.
    expect(await statuses(ben, 20)).toEqual(fill(20, 201));
    expect(await history("?limit=300")).toHaveLength(32);
  });

  test("what was taken comes back in time, and what was refused costs nothing", async () => {
    await limited();
    expect(await statuses(ann, 22)).toEqual([...fill(20, 201), 429, 429]);
    app.now += 999;
    expect(await statuses(ann, 1)).toEqual([429]);
    app.now += 1;
    expect(await statuses(ann, 2)).toEqual([201, 429]);
    app.now += 10_000;
    expect(await statuses(ann, 11)).toEqual([...fill(10, 201), 429]);
    // However long nothing was said, it is twenty at once.
    app.now += 30 * 60_000;
    expect(await statuses(ann, 21)).toEqual([...fill(20, 201), 429]);
  });

  test("what cannot be said takes no turn", async () => {
    await limited();
    for (let time = 0; time < 30; time++) await say(ann, { content: "" });
    expect(await statuses(ann, 21)).toEqual([...fill(20, 201), 429]);
  });

  test("as often as one likes, where limits are off", async () => {
    expect(await statuses(ann, 100)).toEqual(fill(100, 201));
  });
});

describe("slow mode", () => {
  const set = (seconds: unknown) => ann.call("PATCH", "/ws/rooms/1", { slow_mode_seconds: seconds });

  test("lets everybody say something every so many seconds, but for its owner", async () => {
    expect((await set(10)).status).toBe(204);
    const first = await say(ben, { content: "Hello", key: "k" });
    expect(first.status).toBe(201);
    const answer = await say(ben, { content: "Hello" });
    expect([...told(answer), answer.headers.get("Retry-After")]).toEqual([...refused(429), "10"]);
    // What is stored already takes no turn.
    expect(told(await say(ben, { content: "Hello", key: "k" }))).toEqual([201, first.body]);
    expect((await say(ben, { content: "Hello" }, "two")).status).toBe(201);
    for (let time = 0; time < 3; time++) expect((await say(ann, { content: "Hello" })).status).toBe(201);
    app.now += 9_999;
    expect((await say(ben, { content: "Hello" })).status).toBe(429);
    app.now += 1;
    expect((await say(ben, { content: "Hello" })).status).toBe(201);
    expect((await say(ben, { content: "Hello" })).status).toBe(429);
    expect((await set(0)).status).toBe(204);
    for (let time = 0; time < 3; time++) expect((await say(ben, { content: "Hello" })).status).toBe(201);
  });

  test("of many who are tried at once, one is stored", async () => {
    expect((await set(10)).status).toBe(204);
    const answers = await Promise.all(Array.from({ length: 8 }, () => say(ben, { content: "Hello" })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(429)]);
    expect(await history()).toHaveLength(1);
  });

  test.each([-1, 21_601, 1.5, "10", true])("cannot be %p", async (seconds) => {
    expect(told(await set(seconds))).toEqual(refused(400));
  });

  test("can be six hours", async () => {
    expect((await set(21_600)).status).toBe(204);
  });
});

describe("the history", () => {
  /** Messages of two rooms in turns; those of the first have the odd ids. */
  async function fill(count: number): Promise<void> {
    const roomIds = [1, 2];
    for (let from = 0; from < count; from += 200) {
      await app.core.db.insert(messagesTable).values(
        Array.from({ length: Math.min(200, count - from) }, (_, index) => ({
          roomId: roomIds[(from + index) % 2] ?? 1,
          kind: "message" as const,
          userId: ann.id,
          username: "ann",
          content: `${from + index + 1}`,
          sentAt: app.now,
        })),
      );
    }
  }
  const odd = (from: number, to: number) =>
    Array.from({ length: Math.max(0, (to - from) / 2 + 1) }, (_, index) => `${from + 2 * index}`);

  test("is the newest fifty, ascending, of this room alone", async () => {
    await fill(400);
    const { body, headers } = await ben.must(200, "GET", "/ws/rooms/1/messages");
    expect(Object.keys(body)).toEqual(["messages", "epoch"]);
    expect(body.epoch).toBe(await messages.epochOf(app.core));
    expect(body.epoch).toMatch(/^[0-9a-f]{32}$/);
    expect(headers.get("Cache-Control")).toBe("no-store");
    expect(body.messages.map(({ content }: Message) => content)).toEqual(odd(301, 399));
    expect(body.messages[0]).toEqual({
      content: "301",
      roomId: 1,
      username: "ann",
      id: 301,
      userId: ann.id,
      sentAt: "2026-04-14T10:30:00.000Z",
    });
  });

  test.each<[string, string[]]>([
    ["?limit=1", ["399"]],
    ["?limit=2", ["397", "399"]],
    ["?before=399&limit=2", ["395", "397"]],
    ["?before=400&limit=1", ["399"]],
    ["?before=3", ["1"]],
    ["?before=1", []],
    ["?before=0", []],
    ["?after=395", ["397", "399"]],
    ["?after=394&limit=2", ["395", "397"]],
    ["?after=399", []],
    ["?after=0&limit=3", ["1", "3", "5"]],
    ["?after=9007199254740991", []],
    ["?after=1&before=7", ["3", "5"]],
    ["?after=1&before=99&limit=2", ["3", "5"]],
    ["?after=7&before=1", []],
  ])("%s is %p: both ends are exclusive", async (query, expected) => {
    await fill(400);
    expect(await contents(query)).toEqual(expected);
  });

  test("is given in pages of up to 300, backwards and forwards", async () => {
    await fill(1_400);
    expect(await contents("?limit=300")).toEqual(odd(801, 1_399));
    expect(await contents("?limit=300&before=801")).toEqual(odd(201, 799));
    expect(await contents("?limit=300&after=0")).toEqual(odd(1, 599));
    expect(await contents("?limit=300&after=1199")).toEqual(odd(1_201, 1_399));
  });

  test.each([
    "limit=301",
    "limit=0",
    "limit=-1",
    "limit=x",
    "limit=",
    "limit=1.5",
    "before=-1",
    "before=x",
    "after=1e3",
  ])("?%s is refused", async (query) => {
    expect(told(await ben.call("GET", `/ws/rooms/1/messages?${query}`))).toEqual(refused(400));
  });

  test("has no acts of moderation and nothing that was removed", async () => {
    const first = await said(ann, "first");
    const second = await said(ben, "second");
    await ann.must(204, "PUT", `/ws/rooms/1/mutes/${ben.id}`, {});
    await ann.must(204, "DELETE", `/ws/rooms/1/messages/${first.id}`);
    const last = await said(ann, "last");
    expect(await history()).toEqual([second, last]);
    expect(await history("?after=1&limit=1")).toEqual([second]);
    const rows = await app.core.db.select().from(messagesTable);
    expect(JSON.stringify(rows)).not.toContain("first");
  });

  test("keeps the name that somebody had", async () => {
    const message = await said(ann, "Hello");
    await ann.must(200, "PUT", `/users/${ann.id}`, { username: "anna" });
    expect(await history()).toEqual([message]);
    expect((await say(ann, { content: "Hello" })).body.username).toBe("anna");
  });

  test("keeps what somebody said who has left", async () => {
    const message = await said(ann, "Hello");
    await ann.must(204, "DELETE", `/users/${ann.id}`);
    expect(await history()).toEqual([message]);
  });
});

describe("what is unread", () => {
  const unread = async (who: Chatter): Promise<number[]> =>
    (await who.must(200, "GET", "/ws/rooms")).body.map((room: { unread: number }) => room.unread);
  const read = (who: Chatter, id: number, roomId = 1) => messages.markRead(app.core, roomId, who.id, id);

  test("is what others said after the last message that was read, by room", async () => {
    await said(ann, "one");
    const two = await said(ann, "two");
    await said(ann, "three");
    await said(ben, "mine");
    await said(ann, "elsewhere", "two");
    expect([await unread(ann), await unread(ben)]).toEqual([
      [1, 0],
      [3, 1],
    ]);
    await read(ben, two.id);
    expect(await unread(ben)).toEqual([1, 1]);
    await read(ben, 5, 2);
    expect(await unread(ben)).toEqual([1, 0]);
  });

  test("does not come back when an older message is read", async () => {
    const [one, two] = [await said(ann, "one"), await said(ann, "two")];
    await read(ben, two.id);
    await read(ben, one.id);
    expect(await unread(ben)).toEqual([0, 0]);
  });

  test("a mark beyond the newest is one at the newest", async () => {
    await said(ann, "one");
    await read(ben, Number.MAX_SAFE_INTEGER);
    expect(await unread(ben)).toEqual([0, 0]);
    await said(ann, "two");
    expect(await unread(ben)).toEqual([1, 0]);
  });

  test("is not what was removed, nor what moderators did", async () => {
    const { id } = await said(ann, "one");
    await said(ann, "two");
    await ann.must(204, "DELETE", `/ws/rooms/1/messages/${id}`);
    await ann.must(204, "PATCH", "/ws/rooms/1", { name: "other" });
    expect(await unread(ben)).toEqual([1, 0]);
  });

  test("is counted up to a thousand", async () => {
    const row = {
      roomId: 1,
      kind: "message" as const,
      userId: ann.id,
      username: "ann",
      content: "x",
      sentAt: 0,
    };
    for (let page = 0; page < 3; page++) await app.core.db.insert(messagesTable).values(Array(350).fill(row));
    expect(await unread(ben)).toEqual([1_000, 0]);
  });
});

describe("whatever several people do at once", () => {
  type Act = {
    readonly who: number;
    /** Null: removes the message with this number among those that are there. */
    readonly key: string | null;
    readonly removes: number | null;
  };
  const act: fc.Arbitrary<Act> = fc.record({
    who: fc.nat({ max: 2 }),
    key: fc.option(fc.constantFrom("a", "b"), { nil: null }),
    removes: fc.option(fc.nat({ max: 30 }), { nil: null }),
  });
  const rounds = fc.array(fc.array(act, { minLength: 1, maxLength: 6 }), { maxLength: 8 });

  test("ids grow, and the history is what was said less what was removed", async () => {
    const people = [ann, ben, await chatter(app, "cat")];
    let rooms = 0;
    let newest = 0;
    await fc.assert(
      fc.asyncProperty(rounds, async (rounds) => {
        const room = `room-${rooms++}`;
        await ann.must(200, "POST", "/ws/create-room", { id: room, name: "room" });
        const model = new Map<number, Message>();
        /** By person and key: the id stays when the message is removed. */
        const keys = new Map<string, number>();
        for (const round of rounds) {
          const before = newest;
          const there = [...model.values()];
          const acts = round.map(({ who, key, removes }) => ({
            who: people[who] ?? ann,
            key,
            target:
              removes === null ? null : (there[removes % Math.max(there.length, 1)] ?? { id: 0, userId: 0 }),
          }));
          // The acts of a round run at once.
          const answers = await Promise.all(
            acts.map(({ who, key, target }, index) =>
              target === null
                ? say(who, { content: `${before}:${index}`, ...(key === null ? {} : { key }) }, room)
                : who.call("DELETE", `/ws/rooms/${room}/messages/${target.id}`),
            ),
          );
          for (const [index, { status, body }] of answers.entries()) {
            const { who, key, target } = acts[index] ?? { who: ann, key: null, target: null };
            if (target !== null) {
              const mayRemove = who === ann || target.userId === who.id;
              // Of those who remove one message at once, the first does.
              expect(target.id !== 0 && mayRemove ? [204, 404] : [403, 404]).toContain(status);
              if (status === 204) expect(model.delete(target.id)).toBe(true);
              continue;
            }
            const known = key === null ? undefined : keys.get(`${who.id}:${key}`);
            // One that was removed before, or in this very round, does not come back.
            if (known !== undefined && status === 404) continue;
            expect(status).toBe(201);
            if (known !== undefined) expect(body.id).toBe(known);
            else {
              expect(body.id).toBeGreaterThan(before);
              expect(model.has(body.id)).toBe(false);
              model.set(body.id, body);
              if (key !== null) keys.set(`${who.id}:${key}`, body.id);
              newest = Math.max(newest, body.id);
            }
          }
          for (const { who, target } of acts) {
            const mayRemove = target !== null && (who === ann || target.userId === who.id);
            if (mayRemove) expect(model.has(target.id)).toBe(false);
          }
          const expected = [...model.values()].sort((one, other) => one.id - other.id);
          expect(await history("?limit=300", room)).toEqual(expected);
        }
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});
