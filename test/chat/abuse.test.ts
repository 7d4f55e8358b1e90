import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { eventually } from "../adapters/eventually.ts";
import {
  type ChatSocket,
  type ChatUser,
  handshake,
  joinPath,
  maskedFrame,
  OPCODE,
  type RawSocket,
  signUp,
  V1,
} from "../support/chat.ts";
import { type RunningServer, startServer, temporaryFolder } from "../support/server.ts";

const MIB = 1024 * 1024;
const MAX_FRAME_BYTES = 64 * 1024;
// What all the abuse of this file together may cost the server; it has some 100 MiB when it has started.
const MAX_GROWTH_BYTES = 256 * MIB;
const PACE_MS = 10;
const EXCHANGE_MS = 10_000;
const TEST_MS = 60_000;

const folder = temporaryFolder();
let server: RunningServer;
let startBytes = 0;
const raws = new Set<RawSocket>();

beforeAll(async () => {
  server = await startServer({
    dataDir: folder.path,
    args: ["--no-worker"],
    // Wide enough for the two who behave; a flood is twenty times as much.
    env: {
      RATE_LIMIT: "on",
      RATE_LIMIT_REGISTER: "1000000/1h",
      RATE_LIMIT_SIGN_IN: "1000000/1h",
      RATE_LIMIT_REQUESTS: "1000000/1h",
      RATE_LIMIT_MESSAGES: "100/1s",
      LOG_LEVEL: "warn",
    },
  });
  startBytes = residentBytes();
});
afterEach(() => {
  for (const raw of raws) raw.destroy();
  raws.clear();
});
afterAll(async () => {
  server.kill("SIGKILL");
  await server.exited;
  await folder.remove();
});

function residentBytes(): number {
  const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${server.pid}/status`, "utf8"))?.[1];
  return Number(kib) * 1024;
}

let numbered = 0;
const person = (name: string) => signUp(server, `${name}${++numbered}`);

type Calm = {
  readonly id: string;
  readonly ada: ChatUser;
  /** Sees everything that is told in the room. */
  readonly witness: ChatSocket;
};

/**
 * Two people talk in a room from before the abuse until after it, and a third one listens. Nothing may be lost,
 * doubled or told in another order, nobody of them may be closed, and the server may not swell.
 */
async function whileTwoTalk(what: string, abuse: (calm: Calm) => Promise<void>): Promise<void> {
  const [ada, bob, eve] = await Promise.all([person("ada"), person("bob"), person("eve")]);
  const id = `room-${++numbered}`;
  await ada.call("POST", "/ws/create-room", { id, name: id });
  const [adas, bobs, witness] = [
    await ada.join(id, { v1: true }),
    await bob.join(id),
    await eve.join(id, { v1: true }),
  ];
  const talk = { isOver: false, said: [] as string[], tookMs: [] as number[], peakBytes: 0 };
  const heard: Record<"ada" | "bob", string[]> = { ada: [], bob: [] };

  async function exchange(from: ChatSocket, isPlain: boolean): Promise<void> {
    const content = `calm ${talk.said.length}`;
    talk.said.push(content);
    const startedAt = performance.now();
    from.send(isPlain ? content : { type: "message", content, key: content });
    await from.waitForMessage(content, EXCHANGE_MS);
    talk.tookMs.push(performance.now() - startedAt);
    await (from === adas ? bobs : adas).waitForMessage(content, EXCHANGE_MS);
    for (const [name, socket] of [["ada", adas] as const, ["bob", bobs] as const]) {
      for (const frame of socket.take()) {
        if (/^calm /.test(frame.content ?? "")) heard[name].push(frame.content);
      }
    }
  }

  async function keepTalking(): Promise<void> {
    while (!talk.isOver) {
      await exchange(adas, false);
      await exchange(bobs, true);
      talk.peakBytes = Math.max(talk.peakBytes, residentBytes());
      await Bun.sleep(PACE_MS);
    }
  }

  const talking = keepTalking();
  try {
    await Promise.race([abuse({ id, ada, witness }), talking]);
    await Bun.sleep(10 * PACE_MS);
  } finally {
    talk.isOver = true;
  }
  await talking;
  await witness.waitForMessage(talk.said.at(-1) ?? "", EXCHANGE_MS);
  expect(heard).toEqual({ ada: talk.said, bob: talk.said });
  const witnessed = witness.frames.filter(({ content }) => /^calm /.test(content ?? ""));
  expect(witnessed.map(({ content }) => content)).toEqual(talk.said);
  expect([adas.isOpen, bobs.isOpen, witness.isOpen]).toEqual([true, true, true]);
  const { length } = talk.tookMs;
  const at = (share: number) =>
    (talk.tookMs.toSorted((one, other) => one - other)[Math.ceil(length * share) - 1] ?? 0).toFixed(1);
  console.log(
    `${what}: ${length} round trips, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, at most ${at(1)} ms; ` +
      `memory ${Math.round(startBytes / MIB)} -> ${Math.round(talk.peakBytes / MIB)} MiB`,
  );
  expect(talk.peakBytes - startBytes).toBeLessThan(MAX_GROWTH_BYTES);
  for (const socket of [adas, bobs, witness]) await socket.close();
}

async function raw(user: ChatUser, id: string, headers: Record<string, string> = {}): Promise<RawSocket> {
  const { status, body, socket } = await handshake(server.url, joinPath(id), {
    Cookie: user.cookie,
    ...headers,
  });
  if (socket === null) throw new Error(`${status} ${body}`);
  raws.add(socket);
  return socket;
}

/** How a connection ended. */
const endOf = (socket: RawSocket, withinMs = 10_000) =>
  Promise.race([socket.gone, Bun.sleep(withinMs).then(() => `open after ${withinMs} ms`)]);

const text = (length: number) => Buffer.alloc(length, "x");

describe("nobody else notices", () => {
  test(
    "a reader that stops reading, is cut off when it is too far behind, and comes back without a hole",
    async () => {
      const slow = await person("slow");
      const talkers = await Promise.all(Array.from({ length: 4 }, () => person("talker")));
      await whileTwoTalk("a reader that stops", async ({ id, witness }) => {
        const reader = await raw(slow, id, { "Sec-WebSocket-Protocol": V1 });
        await eventually(() => reader.texts.length > 0);
        reader.pause();
        // The machine's own buffers take some megabytes before ours do.
        const big = "☃".repeat(4_000);
        const MOST_BYTES = 48 * MIB;
        let bytes = 0;
        const isGone = () => witness.frames.some(({ type, id }) => type === "left" && id === slow.id);
        while (bytes < MOST_BYTES && !(isGone() && bytes > 9 * MIB)) {
          const posted = await Promise.all(
            talkers.map((talker) => talker.call("POST", `/ws/rooms/${id}/messages`, { content: big })),
          );
          for (const { status } of posted) if (status === 201) bytes += Buffer.byteLength(big);
          if (posted.some(({ status }) => status === 429)) await Bun.sleep(50);
        }
        expect(bytes).toBeGreaterThan(8 * MIB);
        await witness.waitFor(({ type, id }) => type === "left" && id === slow.id, EXCHANGE_MS);
        reader.resume();
        // Its machine still has what was sent before; the close frame may be behind what was never sent.
        expect([1013, null]).toContain((await endOf(reader)) as number | null);
        const ids = reader.texts
          .map((one) => JSON.parse(one))
          .flatMap(({ type, id }) => (type === "message" ? [id as number] : []));
        const all = witness.frames.flatMap(({ type, id }) => (type === "message" ? [id as number] : []));
        const from = all.indexOf(ids[0] ?? -1);
        expect(from).toBeGreaterThanOrEqual(0);
        expect(ids).toEqual(all.slice(from, from + ids.length));
        const back = await slow.join(id, { v1: true, query: { since: ids.at(-1) ?? 0 } });
        const { history, gap } = await back.waitFor(({ type }) => type === "welcome", EXCHANGE_MS);
        const missed = all.slice(from + ids.length);
        if (gap) expect(missed.length).toBeGreaterThan(300 - 50);
        else expect(history.map((one: { id: number }) => one.id).slice(0, missed.length)).toEqual(missed);
        await back.close();
      });
    },
    TEST_MS,
  );

  test(
    "a flood of ten thousand frames a second, of each kind",
    async () => {
      const flooder = await person("flooder");
      await whileTwoTalk("floods", async ({ id }) => {
        const frames = {
          messages: maskedFrame(OPCODE.text, Buffer.from(`{"type":"message","content":"spam"}`)),
          typing: maskedFrame(OPCODE.text, Buffer.from(`{"type":"typing"}`)),
          marks: maskedFrame(OPCODE.text, Buffer.from(`{"type":"read","id":1}`)),
          nonsense: maskedFrame(OPCODE.binary, Buffer.from([0])),
        };
        const ends: Record<string, unknown> = {};
        for (const [kind, frame] of Object.entries(frames)) {
          const socket = await raw(flooder, id, { "Sec-WebSocket-Protocol": V1 });
          await flood(socket, frame, 1_000);
          ends[kind] = await endOf(socket);
        }
        expect(ends).toEqual({ messages: 1008, typing: 1008, marks: 1008, nonsense: 1008 });
        const pinging = await raw(flooder, id);
        await flood(pinging, maskedFrame(OPCODE.ping, Buffer.from("ping")), 1_000);
        pinging.destroy();
      });
    },
    TEST_MS,
  );

  /** Ten thousand a second, in a hundred portions; ends early when the connection does. */
  async function flood(socket: RawSocket, frame: Buffer, forMs: number): Promise<void> {
    const PORTIONS = 100;
    const portion = Buffer.concat(Array(Math.round((10_000 * forMs) / 1_000 / PORTIONS)).fill(frame));
    for (let n = 0; n < PORTIONS && !socket.isGone; n++) {
      socket.sendBytes(portion);
      await Bun.sleep(forMs / PORTIONS);
    }
  }

  test(
    "frames that are too large, never end, or are none",
    async () => {
      const hostile = await person("hostile");
      await whileTwoTalk("broken frames", async ({ id }) => {
        const ends: Record<string, unknown> = {};
        const after = async (what: string, send: (socket: RawSocket) => void | Promise<void>) => {
          const socket = await raw(hostile, id);
          await send(socket);
          ends[what] = await endOf(socket, 3_000);
          socket.destroy();
        };
        await after("64 KiB + 1", (socket) => {
          socket.sendFrame(OPCODE.text, text(MAX_FRAME_BYTES + 1));
        });
        await after("a frame that says it has 8 EiB", (socket) => {
          const head = maskedFrame(OPCODE.text, text(MAX_FRAME_BYTES + 1)).subarray(0, 14);
          head.writeBigUInt64BE(2n ** 63n - 1n, 2);
          socket.sendBytes(head);
        });
        await after("fragments without an end", async (socket) => {
          socket.sendFrame(OPCODE.text, text(1_000), { isLast: false });
          for (let n = 0; n < 1_000 && !socket.isGone; n++) {
            socket.sendFrame(OPCODE.continuation, text(1_000), { isLast: false });
            if (n % 20 === 0) await Bun.sleep(1);
          }
        });
        await after("invalid UTF-8", (socket) => {
          socket.sendFrame(OPCODE.text, Uint8Array.of(0x68, 0xc3, 0x28));
        });
        await after("half a character", (socket) => {
          socket.sendFrame(OPCODE.text, Uint8Array.of(0xe2, 0x98));
        });
        expect(ends).toEqual({
          "64 KiB + 1": 1009,
          "a frame that says it has 8 EiB": 1009,
          "fragments without an end": 1009,
          "invalid UTF-8": 1007,
          "half a character": 1007,
        });
      });
    },
    TEST_MS,
  );

  test(
    "what breaks the protocol, or says nothing for ever",
    async () => {
      const hostile = await person("hostile");
      await whileTwoTalk("broken protocol", async ({ id }) => {
        const broken: readonly Uint8Array[] = [
          // Not masked, a reserved bit, a reserved opcode, a ping of 126 bytes, a continuation of nothing.
          Buffer.from([0x81, 0x02, 0x68, 0x69]),
          Buffer.from([0xf1, 0x80, 1, 2, 3, 4]),
          Buffer.from([0x83, 0x80, 1, 2, 3, 4]),
          maskedFrame(OPCODE.ping, text(126)),
          maskedFrame(OPCODE.continuation, text(1)),
        ];
        for (const bytes of broken) {
          const socket = await raw(hostile, id);
          socket.sendBytes(bytes);
          expect(await endOf(socket, 3_000)).not.toBeString();
        }
        // Empty fragments add up to nothing, so no limit of size ends them.
        const socket = await raw(hostile, id);
        socket.sendFrame(OPCODE.text, text(1), { isLast: false });
        const empty = maskedFrame(OPCODE.continuation, text(0), false);
        const portion = Buffer.concat(Array(1_000).fill(empty));
        for (let n = 0; n < 100 && !socket.isGone; n++) {
          socket.sendBytes(portion);
          await Bun.sleep(5);
        }
        // Half a frame, half a handshake.
        const half = await raw(hostile, id);
        half.sendBytes(maskedFrame(OPCODE.text, text(1_000)).subarray(0, 500));
        await Bun.sleep(100);
      });
    },
    TEST_MS,
  );

  test(
    "two thousand quick connects and disconnects",
    async () => {
      const restless = await Promise.all(Array.from({ length: 10 }, () => person("restless")));
      await whileTwoTalk("2,000 connects", async ({ id, ada, witness }) => {
        const CONNECTS = 2_000;
        const AT_ONCE = 20;
        const statuses = new Map<number, number>();
        let left = CONNECTS;
        async function connectAndGo(at: number): Promise<void> {
          while (left-- > 0) {
            const user = restless[at % restless.length] ?? ada;
            const { status, socket } = await handshake(server.url, joinPath(id), { Cookie: user.cookie });
            statuses.set(status, (statuses.get(status) ?? 0) + 1);
            if (left % 3 === 0) socket?.sendFrame(OPCODE.close, Uint8Array.of(0x03, 0xe8));
            socket?.destroy();
          }
        }
        await Promise.all(Array.from({ length: AT_ONCE }, (_, at) => connectAndGo(at)));
        // A place is free again only when the server has seen the end.
        expect([...statuses.keys()].filter((status) => status !== 101 && status !== 429)).toEqual([]);
        expect(statuses.get(101)).toBeGreaterThan(CONNECTS / 2);
        const listed = async () => (await ada.call("GET", `/ws/get-clients/${id}`)).body.length;
        await eventually(async () => (await listed()) === 3);
        const notices = () =>
          witness.frames.filter(
            ({ type, id }) =>
              (type === "joined" || type === "left") && restless.some((person) => person.id === id),
          );
        // They come on another connection than the list.
        await eventually(
          () => notices().filter(({ type }) => type === "joined").length * 2 === notices().length,
        );
        const balance = new Map<number, number>();
        for (const { type, id } of notices()) {
          const present = (balance.get(id) ?? 0) + (type === "joined" ? 1 : -1);
          // Nobody comes twice, and nobody goes who was not there.
          expect([0, 1]).toContain(present);
          balance.set(id, present);
        }
        for (const { id } of restless) expect(balance.get(id) ?? 0).toBe(0);
      });
    },
    TEST_MS,
  );
});
