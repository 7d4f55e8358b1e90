import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { socketTickets } from "../../db/schema.ts";
import { DomainError } from "../../src/domain/errors.ts";
import * as tickets from "../../src/domain/socket-tickets.ts";
import { auditRows } from "../accounts/people.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { statsUser } from "../support/people.ts";
import { type Chatter, chatter, HANDSHAKE, must, refused, told, withPermission } from "./people.ts";

let app: TestApp;
let ann: Chatter;
let ben: Chatter;
beforeEach(() => start());
afterEach(() => app.close());

async function start(options: Parameters<typeof startTestApp>[0] = {}): Promise<void> {
  app = await startTestApp(options);
  ann = await chatter(app, "ann");
  ben = await chatter(app, "ben");
}

const create = (who: Chatter, body: object) => who.call("POST", "/ws/create-room", body);
const seenBy = async (who: Chatter): Promise<unknown[]> =>
  (await who.must(200, "GET", "/ws/get-rooms")).body.map(({ id }: { id: unknown }) => id);

describe("the ids of rooms", () => {
  test.each([1, 0, -5, 2 ** 53 - 1, "1", "01", "lobby", "A-Z_09", "-", "x".repeat(64)])(
    "%p is told as it came, everywhere",
    async (id) => {
      const room = { id, name: "room1" };
      expect(told(await create(ann, room))).toEqual([200, room]);
      expect((await ann.call("GET", "/ws/get-rooms")).body).toEqual([room]);
      expect((await ann.call("GET", "/ws/rooms")).body).toEqual([
        { ...room, unread: 0, members: 0, private: false, you: "owner" },
      ]);
      const said = await ann.must(201, "POST", `/ws/rooms/${id}/messages`, { content: "Hello" });
      expect(said.body.roomId).toBe(id);
      const { messages } = (await ann.must(200, "GET", `/ws/rooms/${id}/messages`)).body;
      expect(messages).toEqual([said.body]);
    },
  );

  test.each([
    "",
    "a b",
    "a/b",
    "a.b",
    "é",
    "王",
    "x".repeat(65),
    "a\0",
    "a\n",
    1.5,
    2 ** 53,
    -(2 ** 53),
    1e300,
    true,
    [[]],
    {},
  ])("%p is none", async (id) => {
    expect(told(await create(ann, { id, name: "room1" }))).toEqual(refused(400));
    expect(await seenBy(ann)).toEqual([]);
  });

  test.each([
    [1, "1"],
    ["1", 1],
    [7, 7],
    ["a", "a"],
  ])("%p and %p are one room", async (first, second) => {
    must(await create(ann, { id: first, name: "room1" }), 200);
    for (const who of [ann, ben]) {
      expect(told(await create(who, { id: second, name: "other" }))).toEqual(refused(409));
    }
    expect((await ben.call("GET", "/ws/get-rooms")).body).toEqual([{ id: first, name: "room1" }]);
  });

  test.each([
    ["1", "01"],
    ["a", "A"],
    [1, "1-"],
  ])("%p and %p are two", async (first, second) => {
    must(await create(ann, { id: first, name: "room1" }), 200);
    must(await create(ann, { id: second, name: "room1" }), 200);
    expect(await seenBy(ann)).toEqual([first, second]);
  });

  test.each([{}, { id: null }])("without one (%p) it is made, a number that nobody has", async (none) => {
    const made = await create(ann, { ...none, name: "room1" });
    expect(told(made)).toEqual([200, { id: 1, name: "room1" }]);
    // The next two numbers are taken, one as a text.
    must(await create(ann, { id: "3", name: "three" }), 200);
    must(await create(ann, { id: 4, name: "four" }), 200);
    const ids = [];
    for (let count = 0; count < 5; count++) {
      const { id } = must(await create(ben, { ...none, name: "room" }), 200).body;
      expect(Number.isSafeInteger(id) && id > 1).toBe(true);
      ids.push(String(id));
    }
    expect(new Set([...ids, "1", "3", "4"]).size).toBe(8);
  });

  test("of two who want the same one at once, one gets it", async () => {
    const answers = await Promise.all(
      [ann, ben, ann, ben].map((who, index) => create(who, { id: index % 2 ? 5 : "5", name: "room" })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409]);
  });
});

describe("the names of rooms", () => {
  test.each(["a", "x".repeat(100), "🎲".repeat(100), "Über 王 🎲", " a "])("%p is good", async (name) => {
    expect(told(await create(ann, { id: 1, name }))).toEqual([200, { id: 1, name }]);
  });

  test.each([
    "",
    " ",
    "\t",
    "\u00a0",
    "x".repeat(101),
    "🎲".repeat(101),
    "a\nb",
    "a\0b",
    "a\u0085b",
    "\ud800",
    5,
    null,
    undefined,
  ])("%p is none", async (name) => {
    expect(told(await create(ann, { id: 1, name }))).toEqual(refused(400));
    must(await create(ann, { id: 2, name: "room1" }), 200);
    const change = await ann.call("PATCH", "/ws/rooms/2", { name });
    // A change may leave it out.
    expect(change.status).toBe(name === undefined ? 204 : 400);
    expect((await ann.call("GET", "/ws/get-rooms")).body).toEqual([{ id: 2, name: "room1" }]);
  });

  test("may be the same for two rooms", async () => {
    for (const id of [1, 2]) must(await create(ann, { id, name: "room" }), 200);
  });
});

test("rooms are listed in the order of making", async () => {
  for (const id of [9, "b", 1, "a"]) must(await create(ann, { id, name: "room" }), 200);
  expect(await seenBy(ben)).toEqual([9, "b", 1, "a"]);
  await ann.must(204, "DELETE", "/ws/rooms/b");
  must(await create(ben, { id: "b", name: "room" }), 200);
  expect(await seenBy(ann)).toEqual([9, 1, "a", "b"]);
  expect(
    (await ben.call("GET", "/ws/rooms")).body.map(({ id, you }: { id: unknown; you: unknown }) => [id, you]),
  ).toEqual([
    [9, null],
    [1, null],
    ["a", null],
    ["b", "owner"],
  ]);
});

test("making a room leaves its audit row", async () => {
  must(await create(ann, { id: "lobby", name: "The lobby" }), 200);
  const [row] = (await auditRows(app)).slice(-1);
  expect(row).toEqual({
    id: expect.any(Number),
    at: app.now,
    actorId: ann.id,
    action: "room.created",
    target: "room:lobby",
    address: "192.0.2.1",
    details: { name: "The lobby" },
  });
});

describe("a room that is not there", () => {
  test.each(["nobody", "1", "%20", "a.b", "x".repeat(65), "%00"])(
    "%s is 404 for every method",
    async (id) => {
      const requests: [string, string, object?][] = [
        ["GET", `/ws/get-clients/${id}`],
        ["GET", `/ws/rooms/${id}`],
        ["GET", `/ws/rooms/${id}/people`],
        ["GET", `/ws/rooms/${id}/messages`],
        ["POST", `/ws/rooms/${id}/messages`, { content: "Hello" }],
        ["DELETE", `/ws/rooms/${id}/messages/1`],
        ["PATCH", `/ws/rooms/${id}`, { name: "room" }],
        ["DELETE", `/ws/rooms/${id}`],
        ["PUT", `/ws/rooms/${id}/mutes/2`],
        ["POST", `/ws/rooms/${id}/kick/2`],
      ];
      for (const [method, path, body] of requests) {
        expect([method, path, ...told(await ann.call(method, path, body))]).toEqual([
          method,
          path,
          ...refused(404),
        ]);
      }
      expect(told(await ann.call("GET", `/ws/join-room/${id}`, undefined, HANDSHAKE))).toEqual(refused(404));
    },
  );
});

describe("a private room", () => {
  beforeEach(async () => {
    must(await create(ann, { id: 1, name: "open" }), 200);
    must(await create(ann, { id: 2, name: "private" }), 200);
    await ann.must(204, "PATCH", "/ws/rooms/2", { private: true });
  });

  /** What somebody who may read the room is answered, by request; joining is 426 for an app in this process. */
  async function statuses(who: Chatter): Promise<number[]> {
    return [
      (await who.call("GET", "/ws/rooms/2")).status,
      (await who.call("GET", "/ws/rooms/2/messages")).status,
      (await who.call("POST", "/ws/rooms/2/messages", { content: "Hello" })).status,
      (await who.call("GET", "/ws/get-clients/2")).status,
      (await who.call("GET", "/ws/join-room/2", undefined, HANDSHAKE)).status,
    ];
  }
  const OUT = [403, 403, 403, 403, 403];
  const IN = [200, 200, 201, 200, 426];

  test("can be one from the beginning", async () => {
    const made = must(await create(ann, { id: 3, name: "private too", private: true }), 200);
    expect(made.body).toEqual({ id: 3, name: "private too" });
    expect([await seenBy(ann), await seenBy(ben)]).toEqual([[1, 2, 3], [1]]);
    expect((await ben.call("GET", "/ws/rooms/3/messages")).status).toBe(403);
  });

  test("is hidden from others, and shut", async () => {
    expect([await seenBy(ben), await statuses(ben)]).toEqual([[1], OUT]);
    expect((await ben.call("GET", "/ws/rooms")).body.map(({ id }: { id: number }) => id)).toEqual([1]);
    expect(told(await ben.call("GET", "/ws/rooms/2/messages"))).toEqual(refused(403));
    for (const [method, path, body] of [
      ["PATCH", "/ws/rooms/2", { private: false }],
      ["DELETE", "/ws/rooms/2"],
      ["PUT", `/ws/rooms/2/members/${ben.id}`],
      ["DELETE", "/ws/rooms/2/messages/1"],
    ] as const) {
      expect(told(await ben.call(method, path, body))).toEqual(refused(403));
    }
    // Its id is taken all the same.
    expect(told(await create(ben, { id: "2", name: "mine" }))).toEqual(refused(409));
  });

  test("is open to its owner, its moderators, its members and who moderates all of chat", async () => {
    expect([await seenBy(ann), await statuses(ann)]).toEqual([[1, 2], IN]);
    const mod = await withPermission(app, "chat.moderate", "mod");
    expect([await seenBy(mod), await statuses(mod)]).toEqual([[1, 2], IN]);
    for (const [list, you] of [
      ["members", "member"],
      ["moderators", "moderator"],
    ] as const) {
      await ann.must(204, "PUT", `/ws/rooms/2/${list}/${ben.id}`);
      expect([await seenBy(ben), await statuses(ben)]).toEqual([[1, 2], IN]);
      const [, mine] = (await ben.call("GET", "/ws/rooms")).body;
      expect(mine).toMatchObject({ id: 2, name: "private", private: true, you });
      await ann.must(204, "DELETE", `/ws/rooms/2/${list}/${ben.id}`);
      expect([await seenBy(ben), await statuses(ben)]).toEqual([[1], OUT]);
    }
  });

  test("is open to all when it is made public again", async () => {
    await ann.must(204, "PATCH", "/ws/rooms/2", { private: false });
    expect([await seenBy(ben), await statuses(ben)]).toEqual([[1, 2], IN]);
  });
});

describe("guests", () => {
  const guest = (method: string, path: string, body?: object, headers: Record<string, string> = {}) =>
    app.call(method, path, { headers, ...(body === undefined ? {} : { body }) });

  const SEEN: readonly (readonly [string, string, object?])[] = [
    ["GET", "/ws/get-rooms"],
    ["GET", "/ws/get-clients"],
    ["GET", "/ws/get-clients/1"],
    ["GET", "/ws/rooms/1"],
    ["GET", "/ws/rooms/1/messages"],
    ["POST", "/ws/create-room", { id: "of-a-guest", name: "room" }],
  ];
  const NEVER: readonly (readonly [string, string, object?])[] = [
    ["POST", "/ws/rooms/1/messages", { content: "Hello" }],
    ["DELETE", "/ws/rooms/1/messages/1"],
    ["GET", "/ws/rooms"],
    ["GET", "/ws/rooms/1/people"],
    ["POST", "/ws/ticket"],
    ["PATCH", "/ws/rooms/1", { name: "room" }],
    ["DELETE", "/ws/rooms/1"],
    ["PUT", "/ws/rooms/1/mutes/1"],
    ["DELETE", "/ws/rooms/1/mutes/1"],
    ["PUT", "/ws/rooms/1/bans/1"],
    ["DELETE", "/ws/rooms/1/bans/1"],
    ["POST", "/ws/rooms/1/kick/1"],
    ["PUT", "/ws/rooms/1/moderators/1"],
    ["DELETE", "/ws/rooms/1/moderators/1"],
    ["PUT", "/ws/rooms/1/members/1"],
    ["DELETE", "/ws/rooms/1/members/1"],
    ["GET", "/api/users/logout"],
  ];
  const room = () => create(ann, { id: 1, name: "room1" });

  test("are refused everywhere unless they are welcome", async () => {
    must(await room(), 200);
    for (const request of [...SEEN, ...NEVER]) {
      expect([request, ...told(await guest(...request))]).toEqual([request, ...refused(401)]);
    }
    const path = "/ws/join-room/1?username=guest";
    expect(told(await guest("GET", path, undefined, HANDSHAKE))).toEqual(refused(401));
  });

  describe("where they are welcome", () => {
    beforeEach(async () => {
      await app.close();
      await start({ chatGuests: true });
      must(await room(), 200);
    });

    test("see the rooms and what was said, and change nothing but by making a room", async () => {
      const said = await ann.must(201, "POST", "/ws/rooms/1/messages", { content: "Hello" });
      for (const request of SEEN) {
        expect([request, (await guest(...request)).status]).toEqual([request, 200]);
      }
      for (const request of NEVER) {
        expect([request, ...told(await guest(...request))]).toEqual([request, ...refused(401)]);
      }
      expect((await guest("GET", "/ws/get-rooms")).body).toEqual([
        { id: 1, name: "room1" },
        { id: "of-a-guest", name: "room" },
      ]);
      expect((await guest("GET", "/ws/rooms/1/messages")).body.messages).toEqual([said.body]);
    });

    test("a room that one made is nobody's", async () => {
      must(await guest("POST", "/ws/create-room", { id: 2, name: "room2" }), 200);
      const [, second] = (await ann.call("GET", "/ws/rooms")).body;
      expect(second).toEqual({ id: 2, name: "room2", unread: 0, members: 0, private: false, you: null });
      expect(told(await ann.call("DELETE", "/ws/rooms/2"))).toEqual(refused(403));
      const [row] = (await auditRows(app)).slice(-1);
      expect([row?.action, row?.actorId]).toEqual(["room.created", null]);
      const foreign = { Origin: "https://evil.example" };
      expect(told(await guest("POST", "/ws/create-room", { name: "room" }, foreign))).toEqual(refused(403));
    });

    test("make no private room: nobody could be let in", async () => {
      const answer = await guest("POST", "/ws/create-room", { name: "room", private: true });
      expect(told(answer)).toEqual(refused(403));
    });

    test("know nothing of private rooms", async () => {
      await ann.must(204, "PATCH", "/ws/rooms/1", { private: true });
      expect((await guest("GET", "/ws/get-rooms")).body).toEqual([]);
      for (const path of ["/ws/rooms/1/messages", "/ws/get-clients/1"]) {
        expect(told(await guest("GET", path))).toEqual(refused(403));
      }
      expect(told(await guest("GET", "/ws/join-room/1", undefined, HANDSHAKE))).toEqual(refused(403));
    });

    test("a token that is dead makes no guest of anybody", async () => {
      await ann.must(200, "GET", "/api/users/logout");
      expect(told(await ann.call("GET", "/ws/get-rooms"))).toEqual(refused(401));
      expect(told(await ann.call("POST", "/ws/create-room", { name: "room" }))).toEqual(refused(401));
    });

    test.each([
      ["the name of a registered user", "ann", 409],
      ["its capitals", "ANN", 409],
      ["its compatibility form", "ａｎｎ", 409],
      ["what is no name", "a,b", 400],
      ["a free name", "somebody", 426],
      ["no name", "", 426],
    ])("may join under a name of their own, not as %s", async (_why, username, status) => {
      const path = `/ws/join-room/1?username=${encodeURIComponent(username)}&userId=1`;
      expect(told(await guest("GET", path, undefined, HANDSHAKE))).toEqual(refused(status));
    });

    test("who is signed in is none, and owns the room", async () => {
      must(await create(ben, { id: 3, name: "room3" }), 200);
      expect((await ben.call("GET", "/ws/rooms")).body[1]).toMatchObject({ id: 3, you: "owner" });
      await ben.must(204, "DELETE", "/ws/rooms/3");
    });
  });
});

describe("joining, as far as it goes before the socket opens", () => {
  beforeEach(async () => {
    must(await create(ann, { id: 1, name: "room1" }), 200);
  });

  // An app in this process opens none: 426 is who was let in.
  test.each<[string, number, string, Record<string, string>]>([
    ["", 426, "is enough", {}],
    ["?userId=1&username=ann", 426, "is one's own", {}],
    ["?username=ANN", 426, "is one's own", {}],
    ["?userId=2", 403, "is somebody else's", {}],
    ["?userId=x", 403, "is nobody's", {}],
    ["?username=ben", 403, "is somebody else's", {}],
    ["?userId=1&username=ben", 403, "is half of it", {}],
    ["?since=5&epoch=x", 426, "is a history", {}],
    ["?since=-1", 400, "is no message", {}],
    ["?since=1e3", 400, "is no message", {}],
    ["?since=99999999999999999999", 400, "is no message", {}],
    ["?since=", 400, "is no message", {}],
    ["", 426, "in our protocol", { "Sec-WebSocket-Protocol": "guildhall.v1" }],
    ["", 426, "in our protocol among others", { "Sec-WebSocket-Protocol": "x, guildhall.v1" }],
    ["", 400, "in a protocol that we do not speak", { "Sec-WebSocket-Protocol": "x" }],
    ["", 403, "from another site", { Origin: "https://evil.example" }],
    ["", 403, "from no site", { Origin: "null" }],
    ["", 426, "from our own site", { Origin: "http://guildhall.test" }],
  ])("%s is %i: it %s %p", async (query, status, _why, headers) => {
    const answer = await ann.call("GET", `/ws/join-room/1${query}`, undefined, { ...HANDSHAKE, ...headers });
    expect(told(answer)).toEqual(refused(status));
    if (status === 426) expect(answer.headers.get("Upgrade")).toBe("websocket");
  });

  test("what asks for no WebSocket is told so before anything else", async () => {
    for (const path of ["/ws/join-room/1", "/ws/join-room/nobody"]) {
      const answer = await app.call("GET", path);
      expect([...told(answer), answer.headers.get("Upgrade")]).toEqual([...refused(426), "websocket"]);
    }
  });
});

describe("a ticket", () => {
  const ticketOf = async (who: Chatter): Promise<string> => {
    const { body, headers } = await who.must(200, "POST", "/ws/ticket");
    expect(body).toEqual({ ticket: expect.stringMatching(/^[\w-]{43}$/), expires_in: 30 });
    expect(headers.get("Cache-Control")).toBe("no-store");
    return body.ticket;
  };
  const use = async (ticket: string) => (await tickets.use(app.core, ticket)).account.id;
  const refusal = async (ticket: string): Promise<unknown> => {
    try {
      return await use(ticket);
    } catch (error) {
      return error instanceof DomainError ? error.code : error;
    }
  };

  test("tells whose it is, once", async () => {
    const [first, second] = [await ticketOf(ann), await ticketOf(ben)];
    expect([await use(first), await use(second)]).toEqual([ann.id, ben.id]);
    expect([await refusal(first), await refusal("unknown"), await refusal("")]).toEqual(
      Array(3).fill("unauthorized"),
    );
  });

  test("used twice at once it is good for one", async () => {
    const ticket = await ticketOf(ann);
    const results = await Promise.all([refusal(ticket), refusal(ticket), refusal(ticket)]);
    expect(results.filter((result) => result === ann.id)).toHaveLength(1);
  });

  test("is good for thirty seconds", async () => {
    const [early, late] = [await ticketOf(ann), await ticketOf(ann)];
    app.now += 29_999;
    expect(await use(early)).toBe(ann.id);
    app.now += 1;
    expect(await refusal(late)).toBe("unauthorized");
  });

  test("dies with its session, and with its account", async () => {
    const [first, second] = [await ticketOf(ann), await ticketOf(ben)];
    await ann.must(200, "GET", "/api/users/logout");
    await ben.must(204, "DELETE", `/users/${ben.id}`);
    expect([await refusal(first), await refusal(second)]).toEqual(["unauthorized", "unauthorized"]);
  });

  test("is stored as its hash alone", async () => {
    const ticket = await ticketOf(ann);
    const rows = await app.core.db.select().from(socketTickets);
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain(ticket);
  });

  test("opens a socket without a token, and is used up by it", async () => {
    must(await create(ann, { id: 1, name: "room1" }), 200);
    const join = async (query: string) =>
      (await app.call("GET", `/ws/join-room/1?${query}`, { headers: HANDSHAKE })).status;
    const ticket = await ticketOf(ann);
    expect([await join(`ticket=${ticket}`), await join(`ticket=${ticket}`)]).toEqual([426, 401]);
    expect(await join(`ticket=${await ticketOf(ann)}&userId=${ben.id}`)).toBe(403);
    // What is no request for a socket uses none up.
    const kept = await ticketOf(ann);
    expect((await app.call("GET", `/ws/join-room/1?ticket=${kept}`)).status).toBe(426);
    expect(await join(`ticket=${kept}`)).toBe(426);
  });

  test("is there for an account of every API, also one without a password", async () => {
    const { token } = await statsUser(app, "cat");
    const { body } = must(await app.call("POST", "/ws/ticket", { token }), 200);
    expect(await use(body.ticket)).toBe(3);
  });
});
