import type { Socket } from "bun";
import { Durations } from "./quantiles.ts";
import { responseReader } from "./responses.ts";

export type LoadSpec = {
  readonly port: number;
  readonly connections: number;
  /** A whole HTTP/1.1 request; every connection sends it again when the answer is there. */
  readonly request: string;
  /** Not counted, at the beginning. */
  readonly warmUpMs: number;
  /** At most; `stop` may end it earlier. */
  readonly measureMs: number;
};

export type LoadResult = {
  /** Answers while it was measured. */
  readonly requests: number;
  /** Answers in all, those of the warm-up too. */
  readonly answers: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
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
    const [p50Ms, p99Ms] = [durations.quantile(0.5), durations.quantile(0.99)];
    resolve({ requests: count, answers, perSecond: count / seconds, p50Ms, p99Ms, failures });
  }

  function fail(error: unknown): void {
    if (ended) return;
    ended = true;
    clearTimeout(warmUp);
    clearTimeout(endTimer);
    for (const socket of sockets) socket.terminate();
    reject(error);
  }

  function connect(): void {
    let sentAt = 0;
    const send = (socket: Socket<undefined>) => {
      sentAt = performance.now();
      if (socket.write(request) !== request.length)
        fail(new Error("a request did not fit the socket's buffer"));
    };
    let current: Socket<undefined>;
    const read = responseReader((status) => {
      if (ended) return;
      const now = performance.now();
      answers += 1;
      if (sentAt >= measuredFrom) durations.add(now - sentAt);
      if (status < 200 || status > 299) failures[status] = (failures[status] ?? 0) + 1;
      send(current);
    });
    Bun.connect({
      hostname: "127.0.0.1",
      port: spec.port,
      socket: {
        open(socket) {
          current = socket;
          sockets.add(socket);
          send(socket);
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
  for (let index = 0; index < spec.connections; index++) connect();
  return { result: promise, stop: end };
}
