import { connect, type Socket } from "node:net";
import type { Answer } from "./app.ts";
import type { RunningServer } from "./server.ts";

export const V1 = "guildhall.v1";
export const PASSWORD = "Rahasia-123";
const WAIT_MS = 15_000;

/** Somebody who signed in through the chat API, as a browser does: what it knows is its cookie. */
export type ChatUser = {
  readonly id: number;
  readonly username: string;
  readonly email: string;
  /** `jwt=...`, until the server clears it. */
  readonly cookie: string;
  call(method: string, path: string, body?: unknown): Promise<Answer>;
  /** Opens a socket; rejects when the server refuses. */
  join(roomId: number | string, options?: JoinOptions): Promise<ChatSocket>;
};

export type JoinOptions = {
  /** `guildhall.v1` when true. */
  readonly v1?: boolean;
  readonly query?: Record<string, string | number>;
  readonly headers?: Record<string, string>;
};

/** Signs somebody up and in. */
export async function signUp(server: RunningServer, username: string): Promise<ChatUser> {
  const email = `${username.toLowerCase()}@example.org`;
  const registered = await server.call("POST", "/api/users/signup", {
    body: { username, email, password: PASSWORD },
  });
  if (registered.status !== 200) throw new Error(JSON.stringify(registered.body));
  return signIn(server, email);
}

export async function signIn(server: RunningServer, email: string, password = PASSWORD): Promise<ChatUser> {
  const jar = new Map<string, string>();
  const keep = (headers: Headers) => {
    for (const line of headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === "" || /max-age=0/i.test(line)) jar.delete(name);
      else jar.set(name, value);
    }
  };
  const cookie = () => [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
  const call: ChatUser["call"] = async (method, path, body) => {
    const headers = jar.size === 0 ? {} : { Cookie: cookie() };
    const answer = await server.call(method, path, { headers, ...(body === undefined ? {} : { body }) });
    keep(answer.headers);
    return answer;
  };
  const { status, body } = await call("POST", "/api/users/signin", { email, password });
  if (status !== 200) throw new Error(JSON.stringify(body));
  return {
    id: body.id,
    username: body.username,
    email,
    get cookie() {
      return cookie();
    },
    call,
    join: (roomId, options = {}) =>
      openSocket(server.url, roomId, { ...options, headers: { Cookie: cookie(), ...options.headers } }),
  };
}

// biome-ignore lint/suspicious/noExplicitAny: a frame of the server under test, compared whole or read by field
export type Frame = any;

export type ChatSocket = {
  /** What came so far, oldest first. */
  readonly frames: Frame[];
  /** Strings and bytes as they are, all else as JSON. */
  send(frame: unknown): void;
  /** The first frame that is as wanted, also of those that came before. */
  waitFor(isWanted: (frame: Frame) => boolean, timeoutMs?: number): Promise<Frame>;
  /** Waits until this content has come as a message; what came before it is complete by then. */
  waitForMessage(content: string, timeoutMs?: number): Promise<Frame>;
  /** The frames so far, which are then forgotten. */
  take(): Frame[];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  readonly isOpen: boolean;
  /** The subprotocol that the server chose. */
  readonly protocol: string;
  close(): Promise<void>;
};

export const joinPath = (roomId: number | string, query: JoinOptions["query"] = {}): string => {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) asked.set(name, String(value));
  return `/ws/join-room/${roomId}${asked.size === 0 ? "" : `?${asked}`}`;
};

/** A WebSocket as Bun's client makes it. Rejects when the server refuses. */
export async function openSocket(
  url: string,
  roomId: number | string,
  { v1 = false, query, headers = {} }: JoinOptions = {},
): Promise<ChatSocket> {
  const address = url.replace(/^http/, "ws") + joinPath(roomId, query);
  const ws = new WebSocket(address, { headers, ...(v1 ? { protocols: [V1] } : {}) });
  const frames: Frame[] = [];
  const watching = new Set<() => void>();
  const opened = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<{ code: number; reason: string }>();
  const tellAll = () => {
    for (const watch of [...watching]) watch();
  };
  ws.onopen = () => opened.resolve();
  ws.onerror = () => opened.reject(new Error(`no WebSocket at ${address}`));
  ws.onmessage = ({ data }) => {
    frames.push(JSON.parse(String(data)));
    tellAll();
  };
  ws.onclose = ({ code, reason }) => {
    opened.reject(new Error(`closed with ${code} ${reason}`));
    closed.resolve({ code, reason });
    tellAll();
  };
  await opened.promise;

  const waitFor: ChatSocket["waitFor"] = (isWanted, timeoutMs = WAIT_MS) => {
    const { promise, resolve, reject } = Promise.withResolvers<Frame>();
    const timer = setTimeout(() => reject(unmet("not in time")), timeoutMs);
    const unmet = (why: string) => new Error(`${why}: ${isWanted}\n${JSON.stringify(frames.slice(-20))}`);
    const watch = () => {
      const found = frames.find(isWanted);
      if (found !== undefined) resolve(found);
      else if (ws.readyState === WebSocket.CLOSED) reject(unmet("closed before"));
    };
    watching.add(watch);
    watch();
    return promise.finally(() => {
      clearTimeout(timer);
      watching.delete(watch);
    });
  };
  return {
    frames,
    send: (frame) =>
      ws.send(typeof frame === "string" || frame instanceof Uint8Array ? frame : JSON.stringify(frame)),
    waitFor,
    waitForMessage: (content, timeoutMs) =>
      waitFor((frame) => frame.content === content && frame.id !== undefined, timeoutMs),
    take: () => frames.splice(0),
    closed: closed.promise,
    get isOpen() {
      return ws.readyState === WebSocket.OPEN;
    },
    protocol: ws.protocol,
    async close() {
      ws.close(1000);
      await closed.promise;
    },
  };
}

export type Handshake = {
  readonly status: number;
  readonly headers: Record<string, string>;
  /** What the server answered instead of a WebSocket. */
  readonly body: string;
  /** With 101. */
  readonly socket: RawSocket | null;
};

const HANDSHAKE = {
  Connection: "Upgrade",
  Upgrade: "websocket",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
};

/** Asks for a WebSocket over TCP, with exactly these headers besides those of the handshake; null takes one away. */
export async function handshake(
  url: string,
  path: string,
  headers: Record<string, string | null> = {},
): Promise<Handshake> {
  const { hostname, port } = new URL(url);
  const tcp = connect({ host: hostname, port: Number(port), noDelay: true });
  const raw = new RawSocket(tcp);
  const asked = Object.entries({ Host: `${hostname}:${port}`, ...HANDSHAKE, ...headers });
  const lines = asked.flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}`]));
  tcp.write(`GET ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
  const head = (await raw.bytesUntil("\r\n\r\n")).split("\r\n");
  const status = Number(head[0]?.split(" ")[1]);
  const answered = Object.fromEntries(
    head.slice(1).flatMap((line) => {
      const colon = line.indexOf(":");
      return colon === -1 ? [] : [[line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]];
    }),
  );
  if (status === 101) {
    raw.begin();
    return { status, headers: answered, body: "", socket: raw };
  }
  const body = await raw.bytesOf(Number(answered["content-length"] ?? 0));
  tcp.destroy();
  return { status, headers: answered, body, socket: null };
}

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** A WebSocket whose every byte the test chooses. Pings are answered while it reads. */
export class RawSocket {
  readonly #tcp: Socket;
  #bytes: Buffer = Buffer.alloc(0);
  #isBegun = false;
  #watch: (() => void) | undefined;
  /** Texts that came. */
  readonly texts: string[] = [];
  /** The code of the close frame that came; 1005 for none in it, null for no such frame. */
  closeCode: number | null = null;
  /** Resolves when the connection is gone, with `closeCode`. */
  readonly gone: Promise<number | null>;
  isGone = false;

  constructor(tcp: Socket) {
    this.#tcp = tcp;
    const { promise, resolve } = Promise.withResolvers<number | null>();
    this.gone = promise;
    tcp.on("data", (chunk: Buffer) => {
      this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
      if (this.#isBegun) this.#parse();
      this.#watch?.();
    });
    // A reset ends it as well; `close` follows.
    tcp.on("error", () => {});
    tcp.on("close", () => {
      this.isGone = true;
      this.#watch?.();
      resolve(this.closeCode);
    });
  }

  async bytesUntil(end: string): Promise<string> {
    const at = await this.#until(() => this.#bytes.indexOf(end));
    return this.#cut(at, end.length);
  }

  async bytesOf(length: number): Promise<string> {
    await this.#until(() => (this.#bytes.length >= length ? length : -1));
    return this.#cut(length, 0);
  }

  begin(): void {
    this.#isBegun = true;
    this.#parse();
  }

  sendText(text: string): boolean {
    return this.sendFrame(OPCODE.text, Buffer.from(text));
  }

  /** False when the system's buffer is full. */
  sendFrame(opcode: number, payload: Uint8Array, { isLast = true } = {}): boolean {
    return this.sendBytes(maskedFrame(opcode, payload, isLast));
  }

  sendBytes(bytes: Uint8Array): boolean {
    return !this.isGone && this.#tcp.write(bytes);
  }

  /** Reads no more: the server's buffers fill up. */
  pause(): void {
    this.#tcp.pause();
  }

  resume(): void {
    this.#tcp.resume();
  }

  /** Ends the connection without a close frame, as a machine that is switched off does. */
  destroy(): void {
    this.#tcp.destroy();
  }

  async #until(found: () => number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const timer = setTimeout(() => reject(new Error("no answer to the handshake")), WAIT_MS);
    this.#watch = () => {
      const at = found();
      if (at !== -1) resolve(at);
      else if (this.isGone) reject(new Error("closed during the handshake"));
    };
    this.#watch();
    return promise.finally(() => {
      clearTimeout(timer);
      this.#watch = undefined;
    });
  }

  #cut(at: number, more: number): string {
    const text = this.#bytes.toString("utf8", 0, at);
    this.#bytes = this.#bytes.subarray(at + more);
    return text;
  }

  #parse(): void {
    for (;;) {
      const { length } = this.#bytes;
      if (length < 2) return;
      const short = this.#bytes.readUInt8(1) & 0x7f;
      const headBytes = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (length < headBytes) return;
      const bytes =
        short === 126
          ? this.#bytes.readUInt16BE(2)
          : short === 127
            ? Number(this.#bytes.readBigUInt64BE(2))
            : short;
      if (length < headBytes + bytes) return;
      const opcode = this.#bytes.readUInt8(0) & 0x0f;
      const payload = this.#bytes.subarray(headBytes, headBytes + bytes);
      this.#bytes = this.#bytes.subarray(headBytes + bytes);
      if (opcode === OPCODE.text) this.texts.push(payload.toString());
      if (opcode === OPCODE.ping) this.sendFrame(OPCODE.pong, payload);
      if (opcode === OPCODE.close) {
        this.closeCode = bytes >= 2 ? payload.readUInt16BE(0) : 1005;
        this.#tcp.end();
      }
    }
  }
}

const MASK = Uint8Array.of(0x12, 0x34, 0x56, 0x78);

/** A client's frame, masked as the protocol demands. */
export function maskedFrame(opcode: number, payload: Uint8Array, isLast = true): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head.writeUInt8((isLast ? 0x80 : 0) | opcode, 0);
  head.writeUInt8(0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127), 1);
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  const masked = Uint8Array.from(payload, (byte, at) => byte ^ (MASK[at % 4] ?? 0));
  return Buffer.concat([head, MASK, masked]);
}
