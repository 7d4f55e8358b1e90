import type { Core } from "../../domain/core.ts";
import { DomainError } from "../../domain/errors.ts";
import { createHub, type Hub, type Seat } from "../../domain/hub.ts";
import type { Since } from "../../domain/messages.ts";
import * as messages from "../../domain/messages.ts";
import type { Broadcast, Connection, Ending } from "../../domain/room-events.ts";
import type { Access, Person, Room } from "../../domain/rooms.ts";
import { type ClientFrame, parseFrame } from "./frames.ts";
import * as wire from "./wire.ts";

/** The subprotocol of JSON frames; without one it is the plain protocol. */
export const V1 = "guildhall.v1";

/** What is known of a socket when it opens: everything was checked before. */
export type Admission = {
  readonly access: Access;
  readonly person: Person;
  readonly session: Connection["session"];
  readonly since: Since | null;
  readonly isPlain: boolean;
};

/** The part of Bun's server that tells many sockets at once. */
export type Topics = {
  publish(topic: string, text: string): unknown;
  subscriberCount(topic: string): number;
};

type Wire = Bun.ServerWebSocket<unknown>;
type Data = { readonly admission: Admission; socket: Socket | null };

/** What `dataOf` made: no other sockets are opened. */
const dataOf = (ws: Wire): Data => ws.data as Data;

export interface Sockets {
  readonly hub: Hub;
  open(ws: Wire): void;
  message(ws: Wire, frame: string | Buffer): void;
  close(ws: Wire, code: number): void;
  /** How many are open. */
  count(): number;
  /** What the socket is to carry. */
  dataOf(admission: Admission): unknown;
  start(): Promise<void>;
  /** Takes no more sockets, and closes those that are open, in slices over so long. */
  stop(withinMs: number): Promise<void>;
}

const MAX_FRAME_BYTES = 64 * 1024;
// Beyond it Bun cuts the connection; without that it would drop messages and say nothing.
const MAX_QUEUED_BYTES = 1024 * 1024;
// Who is this far behind for a whole tick is told so, and closed in order.
const SLOW_BYTES = MAX_QUEUED_BYTES / 2;
const SILENCE_SECONDS = 60;
/** What Bun's server is to be told of sockets. */
export const SOCKET_OPTIONS = {
  maxPayloadLength: MAX_FRAME_BYTES,
  backpressureLimit: MAX_QUEUED_BYTES,
  closeOnBackpressureLimit: true,
  idleTimeout: SILENCE_SECONDS,
  // Ours come sooner, for proxies that give up after a minute.
  sendPings: false,
  perMessageDeflate: false,
} as const;

const PING_EVERY_MS = 25_000;
const TICK_MS = 1_000;
const SLICE_MS = 50;
// A flood is so many times what may be said, all frames counted.
const FLOOD_FACTOR = 20;

/** 1001 and 1012 invite the client to come back; see docs/chat.md. */
const CLOSING: Readonly<Record<Ending, readonly [code: number, reason: string]>> = {
  stopping: [1001, "going away"],
  restarting: [1012, "restarting"],
  flooding: [1008, "too many frames"],
  unavailable: [1012, "try again shortly"],
  tooSlow: [1013, "too slow"],
  sessionEnded: [4001, "session ended"],
  removed: [4003, "kicked or banned"],
  roomGone: [4004, "room gone"],
};

const topicOf = (room: Room, isPlain: boolean): string => `${isPlain ? "p" : "v"}${room.id}`;

export function createSockets(core: Core, topics: Topics): Sockets {
  const all = new Set<Socket>();
  const hub = createHub(core, broadcastTo(topics));
  let ticker: Timer | undefined;

  return {
    hub,
    dataOf: (admission): Data => ({ admission, socket: null }),

    open(ws) {
      const data = dataOf(ws);
      const socket = new Socket(core, hub, ws, data.admission);
      data.socket = socket;
      all.add(socket);
      socket.enter();
    },

    message(ws, frame) {
      dataOf(ws).socket?.hear(frame);
    },

    count: () => all.size,

    close(ws, code) {
      core.metrics.socketClosed(code);
      const { socket } = dataOf(ws);
      if (socket === null) return;
      all.delete(socket);
      socket.gone();
    },

    async start() {
      await hub.start();
      ticker = setInterval(() => {
        const now = performance.now();
        for (const socket of all) socket.tick(now);
      }, TICK_MS);
    },

    async stop(withinMs) {
      hub.takeNoMore();
      // All at once they would come back all at once.
      for (let slices = Math.ceil(withinMs / SLICE_MS); slices > 0 && all.size > 0; slices--) {
        const share = Math.ceil(all.size / slices);
        for (const socket of [...all].slice(0, share)) socket.close("restarting");
        await core.sleep(SLICE_MS);
      }
      clearInterval(ticker);
      await hub.stop();
    },
  };
}

/** Each protocol is written once, and only where somebody speaks it. */
const broadcastTo =
  (topics: Topics): Broadcast =>
  (room, event) => {
    const [plain, v1] = [topicOf(room, true), topicOf(room, false)];
    if (topics.subscriberCount(v1) > 0) topics.publish(v1, wire.frame(room, event));
    if (topics.subscriberCount(plain) === 0) return;
    const text = wire.plainFrame(room, event);
    if (text !== null) topics.publish(plain, text);
  };

/** One open socket: frames in, frames out. */
class Socket implements Connection {
  readonly #core: Core;
  readonly #hub: Hub;
  readonly #ws: Wire;
  readonly #admission: Admission;
  readonly person: Person;
  readonly session: Connection["session"];
  #seat: Seat | null = null;
  #isClosed = false;
  #isSlow = false;
  #pingedAt = performance.now();
  #frames = 0;
  #countedSince = performance.now();
  #isMarking = false;
  #toMark = 0;

  constructor(core: Core, hub: Hub, ws: Wire, admission: Admission) {
    this.#core = core;
    this.#hub = hub;
    this.#ws = ws;
    this.#admission = admission;
    this.person = admission.person;
    this.session = admission.session;
  }

  get #isPlain(): boolean {
    return this.#admission.isPlain;
  }

  enter(): void {
    const { access, since } = this.#admission;
    try {
      this.#seat = this.#hub.join(this, access, since);
    } catch (error) {
      // The last free place was taken between the check and the opening.
      if (!(error instanceof DomainError)) throw error;
      this.#end(1008, error.message);
    }
  }

  // --- what the hub says

  welcome(welcome: Parameters<Connection["welcome"]>[0]): void {
    if (!this.#isPlain) this.#send(wire.welcomeFrame(welcome));
  }

  tell(...[room, event]: Parameters<Connection["tell"]>): void {
    if (this.#isPlain) {
      const text = wire.plainFrame(room, event);
      if (text !== null) this.#send(text);
      return;
    }
    // The welcome has told it.
    if (event.kind === "joined" && event.person.id === this.person.id) return;
    this.#send(wire.frame(room, event));
  }

  follow(room: Room): void {
    if (!this.#isClosed) this.#ws.subscribe(topicOf(room, this.#isPlain));
  }

  close(ending: Ending): void {
    this.#end(...CLOSING[ending]);
  }

  // --- what the client says

  hear(frame: string | Buffer): void {
    if (this.#isClosed || this.#isFlooding()) return;
    if (typeof frame !== "string") this.#refuse("bad_frame", "Frames are text.", null);
    else if (this.#isPlain) this.#say(frame, null);
    else this.#hearFrame(parseFrame(frame));
  }

  #hearFrame(said: ClientFrame | null): void {
    if (said === null) this.#refuse("bad_frame", "This is no frame of guildhall.v1.", null);
    else if (said.type === "message") this.#say(said.content, said.key);
    else if (said.type === "typing") this.#seat?.typing();
    else this.#mark(said.id);
  }

  #say(content: string, key: string | null): void {
    const flaw = messages.flawOf(content, key);
    if (flaw !== null) {
      this.#refuse(flaw.code === "tooLong" ? "too_long" : "bad_frame", flaw.why, key);
      return;
    }
    this.#seat?.say(content, key).catch((error: unknown) => this.#refused(error, key));
  }

  get #room(): Room {
    return this.#admission.access.room;
  }

  /** The newest mark wins: while one is written, later ones wait as one. */
  #mark(id: number): void {
    if (id <= this.#toMark || this.#seat === null) return;
    this.#toMark = id;
    if (!this.#isMarking) this.#writeMark(this.#seat);
  }

  #writeMark(seat: Seat): void {
    this.#isMarking = true;
    const marking = this.#toMark;
    seat.read(marking).then(
      () => {
        this.#isMarking = false;
        if (this.#toMark > marking && !this.#isClosed) this.#writeMark(seat);
      },
      (error: unknown) => {
        this.#isMarking = false;
        this.#refused(error, null);
      },
    );
  }

  #isFlooding(): boolean {
    const limit = this.#core.settings.limitMessages;
    if (limit === null) return false;
    const now = performance.now();
    if (now - this.#countedSince > limit.windowMs) {
      this.#countedSince = now;
      this.#frames = 0;
    }
    this.#frames += 1;
    if (this.#frames <= limit.points * FLOOD_FACTOR) return false;
    this.close("flooding");
    return true;
  }

  // --- the socket itself

  tick(now: number): void {
    if (now - this.#pingedAt >= PING_EVERY_MS) {
      this.#pingedAt = now;
      this.#ws.ping();
    }
    const isBehind = this.#ws.getBufferedAmount() > SLOW_BYTES;
    if (isBehind && this.#isSlow) this.close("tooSlow");
    this.#isSlow = isBehind;
  }

  gone(): void {
    this.#isClosed = true;
    this.#seat?.leave();
  }

  #end(code: number, reason: string): void {
    if (this.#isClosed) return;
    // Before the others are told: it is not to hear of its own leaving.
    this.#ws.unsubscribe(topicOf(this.#room, this.#isPlain));
    this.gone();
    this.#ws.close(code, reason);
  }

  #send(text: string): void {
    if (!this.#isClosed) this.#ws.send(text);
  }

  #refused(error: unknown, key: string | null): void {
    const code = error instanceof DomainError ? REFUSALS[error.code] : undefined;
    if (error instanceof DomainError && code !== undefined) {
      this.#refuse(code, error.message, key);
      return;
    }
    this.#core.log.error({ err: error }, "a message could not be stored");
    this.#refuse("unavailable", "This could not be stored. Send it again shortly.", key);
  }

  #refuse(code: wire.FrameError, why: string, key: string | null): void {
    this.#send(this.#isPlain ? wire.plainErrorFrame(why) : wire.errorFrame(code, why, key));
  }
}

const REFUSALS: Partial<Record<DomainError["code"], wire.FrameError>> = {
  rateLimited: "too_fast",
  muted: "muted",
  roomReadOnly: "read_only",
  slowMode: "slow_mode",
  messageNotFound: "bad_frame",
};
