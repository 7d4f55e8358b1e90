import { type Channel, type ConfirmChannel, connect, type SocketOptions } from "amqplib";

/** One connection with all that lives on it. Whatever breaks, the whole session is dropped and made anew. */
export type Session = {
  readonly publisher: ConfirmChannel;
  /** Why the broker takes no publishes at the moment, or null. */
  blockedBecause(): string | null;
  openChannel(): Promise<Channel>;
  /** Closes a channel of `openChannel` while the session goes on. */
  closeChannel(channel: Channel): Promise<void>;
  /** Reports the session as lost, once, and cuts the connection. */
  fail(reason: Error): void;
  /** A polite good-bye of at most a second; the socket is gone afterwards. */
  close(): Promise<void>;
};

export type SessionOptions = {
  readonly url: string;
  readonly queue: string;
  readonly connectTimeoutMs: number;
  readonly onLost: (reason: Error) => void;
  /** Aborting cuts the connection, also while it is being made. */
  readonly abort: AbortController;
};

const SETUP_TIMEOUT_MS = 10_000;
const GOODBYE_TIMEOUT_MS = 1_000;
const KEEP_ALIVE_DELAY_MS = 10_000;
const HEARTBEAT_SECONDS = 15;
// What was malformed is kept for a look, not for ever.
const DEAD_LETTERS = 10_000;

/** Connects, declares the queue and its dead letters, and opens the channel for publishing. */
export async function openSession(options: SessionOptions): Promise<Session> {
  const { url, queue, connectTimeoutMs, onLost, abort } = options;
  let lost: Error | undefined;
  let opened = false;
  let blocked: string | null = null;
  const leaving = new WeakSet<Channel>();

  const socket: SocketOptions & { signal: AbortSignal } = {
    noDelay: true,
    keepAlive: true,
    keepAliveDelay: KEEP_ALIVE_DELAY_MS,
    timeout: connectTimeoutMs,
    // amqplib keeps its socket to itself, and only half-closes it when the peer is silent.
    signal: abort.signal,
    clientProperties: { connection_name: "guildhall" },
  };
  const connection = await connect(withHeartbeat(url), socket);

  function fail(reason: Error): void {
    if (lost !== undefined) return;
    lost = reason;
    abort.abort();
    if (opened) onLost(reason);
  }

  function watch<C extends Channel>(channel: C): C {
    channel.on("error", fail);
    channel.on("close", () => {
      // When the whole connection ends, its reason comes right after.
      if (!leaving.has(channel)) queueMicrotask(() => fail(new Error("the channel was closed")));
    });
    return channel;
  }

  connection.on("error", fail);
  connection.on("close", (reason) => fail(reason ?? new Error("the connection was closed")));
  connection.on("blocked", (reason) => {
    blocked = reason;
  });
  connection.on("unblocked", () => {
    blocked = null;
  });

  async function setUp(): Promise<ConfirmChannel> {
    const channel = watch(await connection.createConfirmChannel());
    await declare(channel, queue);
    return channel;
  }

  try {
    const publisher = await within(SETUP_TIMEOUT_MS, setUp());
    if (lost !== undefined) throw lost;
    opened = true;
    return {
      publisher,
      blockedBecause: () => blocked,
      openChannel: async () => watch(await connection.createChannel()),
      async closeChannel(channel) {
        leaving.add(channel);
        await channel.close();
      },
      fail,
      async close() {
        lost ??= new Error("closed by us");
        await within(GOODBYE_TIMEOUT_MS, connection.close()).catch(() => {});
        abort.abort();
      },
    };
  } catch (error) {
    abort.abort();
    throw lost ?? error;
  }
}

/** Rejects when `promise` has not settled within `milliseconds`. */
export async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${milliseconds} ms`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function declare(channel: ConfirmChannel, queue: string): Promise<void> {
  const dead = `${queue}.dead`;
  await channel.assertExchange(dead, "fanout", { durable: true });
  await channel.assertQueue(dead, {
    durable: true,
    arguments: { "x-queue-type": "quorum", "x-max-length": DEAD_LETTERS },
  });
  await channel.bindQueue(dead, dead, "");
  await channel.assertQueue(queue, {
    durable: true,
    arguments: { "x-queue-type": "quorum", "x-dead-letter-exchange": dead },
  });
}

function withHeartbeat(url: string): string {
  const target = new URL(url);
  if (!target.searchParams.has("heartbeat")) target.searchParams.set("heartbeat", String(HEARTBEAT_SECONDS));
  return target.href;
}
