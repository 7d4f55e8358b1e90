import { once } from "node:events";
import { type Channel, type ConfirmChannel, connect, type Options, type SocketOptions } from "amqplib";

/** One connection with all that lives on it. Whatever breaks, the whole session is dropped and made anew. */
export type Session = {
  /** The channel that was set up, on which `send` publishes. */
  readonly channel: ConfirmChannel;
  /**
   * Publishes without waiting and never throws. `settled` hears null when the broker has the message; otherwise why
   * not, and the session is lost.
   */
  send(
    exchange: string,
    routingKey: string,
    message: Message,
    settled: (refused: Error | null) => void,
  ): void;
  /** How many messages the broker has not confirmed yet. */
  readonly unconfirmed: number;
  /** Why messages do not get through at the moment, or null. */
  complaint(): string | null;
  openChannel(): Promise<Channel>;
  /** Closes a channel of `openChannel` while the session goes on. */
  closeChannel(channel: Channel): Promise<void>;
  /** Reports the session as lost, once, and cuts the connection. */
  fail(reason: Error): void;
  /** Why it is lost, if it is. */
  readonly lost: Error | undefined;
  /** Waits so long for confirmations, then says a polite good-bye of at most a second; the socket is gone afterwards. */
  close(drainMs: number): Promise<void>;
};

export type Message = { readonly content: Buffer; readonly properties: Options.Publish };

/** Declares what the session needs; what it throws ends the session. `fail` is the session's. */
export type SetUp = (channel: ConfirmChannel, fail: Session["fail"]) => Promise<void>;

export type SessionOptions = {
  readonly url: string;
  /** How operators see the connection at the broker. */
  readonly name: string;
  readonly connectTimeoutMs: number;
  readonly setUp: SetUp;
  /** Called once, perhaps before the session is open. */
  readonly onLost: (reason: Error) => void;
  /** Aborting cuts the connection, also while it is being made. */
  readonly abort: AbortController;
};

const SETUP_TIMEOUT_MS = 10_000;
const CONFIRM_LATE_MS = 5_000;
const GOODBYE_TIMEOUT_MS = 1_000;
const KEEP_ALIVE_DELAY_MS = 10_000;
const HEARTBEAT_SECONDS = 15;

/** Connects, opens the channel and sets it up. */
export async function openSession(options: SessionOptions): Promise<Session> {
  const { url, name, connectTimeoutMs, setUp, onLost, abort } = options;
  let lost: Error | undefined;
  let blocked: string | null = null;
  let unconfirmed = 0;
  let progressAt = 0;
  let drained: (() => void) | undefined;
  const leaving = new WeakSet<Channel>();

  const socket: SocketOptions & { signal: AbortSignal } = {
    noDelay: true,
    keepAlive: true,
    keepAliveDelay: KEEP_ALIVE_DELAY_MS,
    timeout: connectTimeoutMs,
    // amqplib keeps its socket to itself, and only half-closes it when the peer is silent.
    signal: abort.signal,
    clientProperties: { connection_name: name },
  };
  const connection = await connect(withHeartbeat(url), socket);

  function fail(reason: Error): void {
    if (lost !== undefined) return;
    lost = reason;
    abort.abort();
    drained?.();
    onLost(reason);
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

  async function open(): Promise<ConfirmChannel> {
    const channel = watch(await connection.createConfirmChannel());
    await setUp(channel, fail);
    return channel;
  }

  try {
    const channel = await within(SETUP_TIMEOUT_MS, open());
    return {
      channel,

      send(exchange, routingKey, { content, properties }, settled) {
        function settle(refused: Error | null): void {
          unconfirmed -= 1;
          progressAt = performance.now();
          // In a microtask: when the connection ends, its channels complain first and its own reason comes right after.
          if (refused !== null) queueMicrotask(() => fail(refused));
          settled(refused);
          if (unconfirmed === 0) drained?.();
        }
        if (unconfirmed === 0) progressAt = performance.now();
        unconfirmed += 1;
        try {
          channel.publish(exchange, routingKey, content, properties, settle);
        } catch (error) {
          settle(error instanceof Error ? error : new Error(String(error)));
        }
      },

      get unconfirmed() {
        return unconfirmed;
      },

      complaint() {
        if (blocked !== null) return `RabbitMQ takes no messages: ${blocked}`;
        // A queue without a leader still answers for itself, but confirms nothing.
        const late = unconfirmed > 0 && performance.now() - progressAt > CONFIRM_LATE_MS;
        return late ? "RabbitMQ does not confirm messages" : null;
      },

      openChannel: async () => watch(await connection.createChannel()),

      async closeChannel(channel) {
        leaving.add(channel);
        // When the connection ends first, amqplib never settles what `close` returned.
        await Promise.race([channel.close(), once(channel, "close")]);
      },

      fail,

      get lost() {
        return lost;
      },

      async close(drainMs) {
        if (unconfirmed > 0 && lost === undefined) {
          const empty = Promise.withResolvers<void>();
          drained = empty.resolve;
          await within(drainMs, empty.promise).catch(() => {});
        }
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

function withHeartbeat(url: string): string {
  const target = new URL(url);
  if (!target.searchParams.has("heartbeat")) target.searchParams.set("heartbeat", String(HEARTBEAT_SECONDS));
  return target.href;
}
