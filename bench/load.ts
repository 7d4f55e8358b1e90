import type { Socket } from "bun";
import { Durations } from "./quantiles.ts";
import { responseReader } from "./responses.ts";

export type LoadSpec = {
  readonly port: number;
  readonly connections: number;
  /**
   * A steady load instead of as much as there are answers: all connections together, each at times of its own. What
   * is sent late since the answer before was late counts from when it was due.
   */
  readonly requestsPerSecond?: number;
  /** A whole HTTP/1.1 request; every connection sends it again when the answer is there. */
  readonly request: string;
  /** Instead of the same again: each connection posts the value of this field of its last answer. */
  readonly rotating?: {
    readonly path: string;
    readonly field: string;
    /** One for each connection. */
    readonly first: readonly string[];
  };
  /** Not counted, at the beginning. */
  readonly warmUpMs: number;
  /** At most; `stop` may end it earlier. */
  readonly measureMs: number;
  /** End after so many answers. */
  readonly answers?: number;
};

export type LoadResult = {
  /** Answers while it was measured. */
  readonly requests: number;
  /** Answers in all, those of the warm-up too. */
  readonly answers: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Answers other than 2xx, by status; those of the warm-up too. */
  readonly failures: Readonly<Record<number, number>>;
};

export type Load = { readonly result: Promise<LoadResult>; stop(): void };

/** One request in flight per connection. The result rejects when a connection cannot be made or is lost. */
export function startLoad(spec: LoadSpec): Load {
  const request = Buffer.from(spec.request, "latin1");
  const durations = new Durations();
  const failures: Record<number, number> = {};
  const sockets = new Set<Socket<undefined>>();
  const { promise, resolve, reject } = Promise.withResolvers<LoadResult>();
  let measuredFrom = Number.POSITIVE_INFINITY;
  let answers = 0;
  let ended = false;
  let endTimer: Timer | undefined;

  function end(): void {
    if (ended) return;
    ended = true;
    const seconds = (performance.now() - measuredFrom) / 1000;
    clearTimeout(warmUp);
    clearTimeout(endTimer);
    for (const socket of sockets) socket.terminate();
    const { count } = durations;
    if (count === 0) {
      reject(new Error("no request was answered while it was measured"));
      return;
    }
    const [p50Ms, p99Ms, maxMs] = [durations.quantile(0.5), durations.quantile(0.99), durations.quantile(1)];
    resolve({ requests: count, answers, perSecond: count / seconds, p50Ms, p99Ms, maxMs, failures });
  }

  function fail(error: unknown): void {
    if (ended) return;
    ended = true;
    clearTimeout(warmUp);
    clearTimeout(endTimer);
    for (const socket of sockets) socket.terminate();
    reject(error);
  }

  function connect(index: number): void {
    let sentAt = 0;
    let next = spec.rotating === undefined ? request : posting(spec.rotating, spec.rotating.first[index]);
    const send = (socket: Socket<undefined>) => {
      sentAt = performance.now();
      if (socket.write(next) !== next.length) fail(new Error("a request did not fit the socket's buffer"));
    };
    let current: Socket<undefined>;
    let dueAt = 0;
    const sendWhenDue = (socket: Socket<undefined>) => {
      if (spec.requestsPerSecond === undefined) return send(socket);
      const everyMs = (spec.connections * 1000) / spec.requestsPerSecond;
      const now = performance.now();
      dueAt = dueAt === 0 ? now + (everyMs * index) / spec.connections : dueAt + everyMs;
      const sendDue = () => {
        if (ended) return;
        send(socket);
        // A timer may be early by a part of a millisecond.
        sentAt = Math.min(dueAt, sentAt);
      };
      if (dueAt > now) setTimeout(sendDue, dueAt - now);
      else sendDue();
    };
    const read = responseReader((status, response) => {
      if (ended) return;
      const now = performance.now();
      answers += 1;
      if (sentAt >= measuredFrom) durations.add(now - sentAt);
      if (answers === spec.answers) return end();
      if (status < 200 || status > 299) failures[status] = (failures[status] ?? 0) + 1;
      if (spec.rotating !== undefined) next = posting(spec.rotating, fieldOf(spec.rotating.field, response));
      sendWhenDue(current);
    });
    Bun.connect({
      hostname: "127.0.0.1",
      port: spec.port,
      socket: {
        open(socket) {
          current = socket;
          sockets.add(socket);
          sendWhenDue(socket);
        },
        data(_socket, received) {
          try {
            read(received);
          } catch (error) {
            fail(error);
          }
        },
        close: () => fail(new Error("the server closed a connection")),
        error: (_socket, error) => fail(error),
      },
    }).catch(fail);
  }

  const warmUp = setTimeout(() => {
    measuredFrom = performance.now();
    endTimer = setTimeout(end, spec.measureMs);
  }, spec.warmUpMs);
  for (let index = 0; index < spec.connections; index++) connect(index);
  return { result: promise, stop: end };
}

function posting(
  { path, field }: { readonly path: string; readonly field: string },
  value: string | undefined,
): Buffer {
  const body = JSON.stringify({ [field]: value });
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    "latin1",
  );
}

function fieldOf(field: string, response: Buffer): string | undefined {
  const name = `"${field}":"`;
  const start = response.indexOf(name, 0, "latin1") + name.length;
  return start < name.length
    ? undefined
    : response.toString("latin1", start, response.indexOf('"', start, "latin1"));
}
