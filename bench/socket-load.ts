import type { Socket } from "bun";

export type SocketSpec = {
  readonly port: number;
  /** One socket each, opened in this order. */
  readonly paths: readonly string[];
  /** Which of them speak: each sends this text and keeps so many unanswered. None: the sockets are only held open. */
  readonly speakers: readonly number[];
  readonly text: string;
  readonly unanswered: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
};

export type SocketResult = {
  /** Frames with this text that arrived, at all sockets together, per second. */
  readonly deliveriesPerSecond: number;
  /** From asking for a socket to its first frame, in milliseconds; sockets are opened one by one. */
  readonly openedMs: readonly number[];
};

export type SocketLoad = { readonly result: Promise<SocketResult>; stop(): void };

const OPEN_AT_ONCE = 16;
const SETTLE_MS = 500;

/** Opens sockets, lets some of them speak, and counts what arrives. */
export function startSockets(spec: SocketSpec, onOpened: () => void): SocketLoad {
  const { promise, resolve, reject } = Promise.withResolvers<SocketResult>();
  const sockets: Socket<undefined>[] = [];
  const message = clientFrame(spec.text);
  const openedMs: number[] = [];
  let speaking = new Set<number>();
  let counting = false;
  let deliveries = 0;
  let startedAt = 0;
  let ended = false;

  function open(index: number): Promise<void> {
    const opened = Promise.withResolvers<void>();
    const askedAt = performance.now();
    let isUpgraded = false;
    const frames = frameCounter(Buffer.byteLength(spec.text));
    Bun.connect({
      hostname: "127.0.0.1",
      port: spec.port,
      socket: {
        open(socket) {
          sockets[index] = socket;
          socket.write(handshake(spec.paths[index] ?? "/"));
        },
        data(socket, received) {
          let bytes: Uint8Array = received;
          if (!isUpgraded) {
            const end = received.indexOf("\r\n\r\n", 0, "latin1");
            if (end === -1) return;
            if (!received.toString("latin1", 0, 12).endsWith(" 101")) {
              fail(new Error(received.toString("latin1", 0, 300)));
              return;
            }
            isUpgraded = true;
            bytes = received.subarray(end + 4);
            if (bytes.length === 0) return;
          }
          const { frames: count, messages } = frames(bytes);
          if (count > 0 && openedMs[index] === undefined) {
            openedMs[index] = performance.now() - askedAt;
            opened.resolve();
          }
          if (counting) deliveries += messages;
          if (!speaking.has(index)) return;
          for (let sent = 0; sent < messages; sent++) socket.write(message);
        },
        close: () => fail(new Error(`the server closed socket ${index}`)),
        error: (_socket, error) => fail(error),
      },
    }).catch(fail);
    return opened.promise;
  }

  function fail(error: unknown): void {
    if (ended) return;
    end();
    reject(error);
  }

  function end(): void {
    ended = true;
    for (const socket of sockets) socket?.terminate();
  }

  function stop(): void {
    if (ended) return;
    const seconds = (performance.now() - startedAt) / 1000;
    end();
    resolve({ deliveriesPerSecond: deliveries / seconds, openedMs });
  }

  async function run(): Promise<void> {
    for (let index = 0; index < spec.paths.length && !ended; index += OPEN_AT_ONCE) {
      const last = Math.min(index + OPEN_AT_ONCE, spec.paths.length);
      await Promise.all(Array.from({ length: last - index }, (_, step) => open(index + step)));
    }
    await Bun.sleep(SETTLE_MS);
    onOpened();
    if (spec.speakers.length === 0 || ended) return;
    speaking = new Set(spec.speakers);
    for (const index of speaking) {
      for (let sent = 0; sent < spec.unanswered; sent++) sockets[index]?.write(message);
    }
    await Bun.sleep(spec.warmUpMs);
    counting = true;
    startedAt = performance.now();
    await Bun.sleep(spec.measureMs);
    stop();
  }

  run().catch(fail);
  return { result: promise, stop };
}

const handshake = (path: string): string =>
  `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/** Masked with zeros, which leaves the text as it is. */
function clientFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const length =
    payload.length < 126 ? [0x80 | payload.length] : [0xfe, payload.length >> 8, payload.length & 0xff];
  return Buffer.concat([Buffer.from([0x81, ...length, 0, 0, 0, 0]), payload]);
}

/**
 * Counts whole frames in a stream, and among them the messages: text frames that are longer than what was sent, as
 * a notice of somebody's coming is not.
 */
function frameCounter(textBytes: number) {
  let rest: Uint8Array | null = null;
  return function count(received: Uint8Array): { frames: number; messages: number } {
    const bytes: Uint8Array = rest === null ? received : Buffer.concat([rest, received]);
    let at = 0;
    let frames = 0;
    let messages = 0;
    for (;;) {
      const left = bytes.length - at;
      if (left < 2) break;
      let length = (bytes[at + 1] ?? 0) & 0x7f;
      let header = 2;
      if (length === 126) {
        if (left < 4) break;
        length = ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
        header = 4;
      } else if (length === 127) {
        if (left < 10) break;
        length = Buffer.from(bytes.buffer, bytes.byteOffset + at + 6, 4).readUInt32BE();
        header = 10;
      }
      if (left < header + length) break;
      frames += 1;
      if (bytes[at] === 0x81 && length >= textBytes) messages += 1;
      at += header + length;
    }
    rest = at === bytes.length ? null : bytes.slice(at);
    return { frames, messages };
  };
}
