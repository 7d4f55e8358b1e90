import { describe, expect, test } from "bun:test";
import { createOutbox, MAX_WAITING } from "../../src/adapters/bus/outbox.ts";
import { decode, encode } from "../../src/adapters/bus/wire.ts";
import type { News } from "../../src/domain/core.ts";

const typing = (roomId: number, userId: number, username = "ada"): News => ({
  kind: "typing",
  roomId,
  userId,
  username,
});
const presence = (roomId: number): News => ({ kind: "presence", roomId });

describe("the outbox", () => {
  test("keeps what says the same once, and is empty after it was taken", () => {
    const outbox = createOutbox();
    expect(outbox.isEmpty()).toBe(true);
    for (let round = 0; round < 3; round += 1) {
      outbox.add(typing(1, 1, `ada ${round}`));
      outbox.add(typing(1, 2));
      outbox.add(typing(2, 1));
      for (const roomId of [1, 2]) outbox.add(presence(roomId));
      for (const kind of ["sessions", "messages"] as const) outbox.add({ kind });
    }
    expect(outbox.isEmpty()).toBe(false);
    expect(outbox.take()).toEqual([
      { kind: "messages" },
      { kind: "sessions" },
      presence(1),
      presence(2),
      typing(1, 1, "ada 2"),
      typing(1, 2),
      typing(2, 1),
    ]);
    expect(outbox.isEmpty()).toBe(true);
    expect(outbox.take()).toEqual([]);
  });

  test.each([
    { kind: "messages" },
    { kind: "sessions" },
    { kind: "missed" },
    presence(1),
    typing(1, 1),
  ] as const)("is not empty with $kind alone", (news) => {
    const outbox = createOutbox();
    outbox.add(news);
    expect(outbox.isEmpty()).toBe(false);
    expect(outbox.take()).toEqual([news]);
  });

  test("says missed in place of all that it includes, but typing too", () => {
    const outbox = createOutbox();
    for (const kind of ["messages", "sessions", "missed"] as const) outbox.add({ kind });
    outbox.add(presence(1));
    outbox.add(typing(1, 1));
    expect(outbox.take()).toEqual([{ kind: "missed" }, typing(1, 1)]);
  });

  test("has room for so many, and takes no further typist", () => {
    const outbox = createOutbox();
    for (let user = 1; user <= MAX_WAITING + 10; user += 1) outbox.add(typing(1, user));
    outbox.add(typing(1, 1, "still renewed"));
    const taken = outbox.take();
    expect(taken).toHaveLength(MAX_WAITING);
    expect(taken[0]).toEqual(typing(1, 1, "still renewed"));
  });

  test("forgets typing when a room needs the place", () => {
    const outbox = createOutbox();
    for (let user = 1; user <= MAX_WAITING; user += 1) outbox.add(typing(1, user));
    outbox.add(presence(1));
    expect(outbox.take()).toEqual([presence(1)]);
  });

  test("says missed in place of too many rooms, and has room again", () => {
    const outbox = createOutbox();
    for (let room = 1; room <= MAX_WAITING; room += 1) outbox.add(presence(room));
    expect(outbox.take()).toHaveLength(MAX_WAITING);
    for (let room = 1; room <= 3 * MAX_WAITING; room += 1) outbox.add(presence(room));
    outbox.add(typing(1, 1));
    expect(outbox.take()).toEqual([{ kind: "missed" }, typing(1, 1)]);
  });
});

describe("what goes over the wire", () => {
  test("comes out as it went in, also when the outbox was full of the longest names", () => {
    const longest = "\u0001".repeat(64);
    const news: News[] = [{ kind: "messages" }, { kind: "sessions" }, { kind: "missed" }];
    const largest = Number.MAX_SAFE_INTEGER;
    for (let user = 0; user < MAX_WAITING; user += 1) news.push(typing(largest, largest - user, longest));
    expect(decode(encode(news))).toEqual({ news, ignored: 0 });
  });

  test.each([
    ["nothing", ""],
    ["no JSON", "x"],
    ["no list", "null"],
    ["news without a list", '{"kind":"messages"}'],
    ["more than any version sends", `[${" ".repeat(300_000)}{"kind":"messages"}]`],
  ])("is ignored when it is %s", (_case, body) => {
    expect(decode(Buffer.from(body))).toEqual({ news: [], ignored: 1 });
  });

  test.each([
    null,
    7,
    {},
    { kind: "later" },
    { kind: "presence" },
    { kind: "presence", roomId: "7" },
    { kind: "typing", roomId: 1, userId: 1 },
    { kind: "typing", roomId: 1, userId: 1.5, username: "ada" },
    { kind: "typing", roomId: 1, userId: 1, username: "" },
    { kind: "typing", roomId: 1, userId: 1, username: "a".repeat(257) },
  ])("is ignored for %j in it, and the rest is heard without what is not ours", (unknown) => {
    const body = JSON.stringify([{ kind: "presence", roomId: 1, and: "more" }, unknown]);
    expect(decode(Buffer.from(body))).toEqual({ news: [presence(1)], ignored: 1 });
  });
});
