import type { ConfirmChannel } from "amqplib";
import type { Log } from "../../log.ts";
import { reasonOf } from "./reason.ts";
import { openSession, type Session, type SetUp, within } from "./session.ts";
import { parseUrl } from "./url.ts";

/** Delays double from `firstMs` up to `maxMs`, each shortened by chance to as little as a half. */
export type Reconnect = { readonly firstMs: number; readonly maxMs: number };

export type LinkOptions = {
  readonly url: string;
  /** How operators see the connection at the broker. */
  readonly name: string;
  readonly log: Log;
  readonly reconnect?: Reconnect | undefined;
  readonly connectTimeoutMs?: number | undefined;
  readonly setUp: SetUp;
  readonly onUp: (session: Session) => void;
  /** The session of the last `onUp` is lost. Not called by `close`. */
  readonly onDown: () => void;
};

/** A session with the broker, made anew whenever it is lost. */
export type Link = {
  /** Resolves when messages get through and the broker answers what is asked for `subject`, else rejects with why. */
  check(subject: string, ask: (channel: ConfirmChannel) => Promise<unknown>): Promise<void>;
  /** Ends the session, which may wait so long for confirmations first. */
  close(drainMs: number): Promise<void>;
};

const CHECK_TIMEOUT_MS = 2_000;
// A session that ends sooner was no success: the delays go on growing.
const STABLE_MS = 10_000;

/**
 * Reconnection is our own: amqplib's recovery restores no channel and no consumer, and does nothing about a channel
 * that the broker closed. Here the connection and all on it live and fall together. Throws on a malformed address.
 */
export function openLink(options: LinkOptions): Link {
  const { name, log, connectTimeoutMs = 5_000, setUp, onUp, onDown } = options;
  const { firstMs, maxMs } = options.reconnect ?? { firstMs: 250, maxMs: 15_000 };
  const url = parseUrl(options.url);
  let live: { readonly session: Session; readonly since: number } | undefined;
  let abort = new AbortController();
  let down = "the first connection is being made";
  let failures = 0;
  let timer: Timer | undefined;
  let closed = false;

  async function connect(): Promise<void> {
    abort = new AbortController();
    try {
      const session = await openSession({ url, name, connectTimeoutMs, setUp, onLost: lose, abort });
      if (closed) return session.close(0);
      if (session.lost !== undefined) throw session.lost;
      live = { session, since: performance.now() };
      log.info("rabbitmq connected");
      onUp(session);
    } catch (error) {
      if (closed) return;
      down = reasonOf(error, url);
      log[failures === 0 ? "warn" : "debug"]({ reason: down }, "rabbitmq cannot be reached");
      retry();
    }
  }

  function lose(reason: Error): void {
    if (live === undefined) return;
    if (performance.now() - live.since > STABLE_MS) failures = 0;
    live = undefined;
    onDown();
    if (closed) return;
    down = reasonOf(reason, url);
    log.warn({ reason: down }, "rabbitmq connection lost");
    retry();
  }

  function retry(): void {
    const delay = Math.min(maxMs, firstMs * 2 ** Math.min(failures, 20));
    failures += 1;
    timer = setTimeout(connect, delay * (0.5 + Math.random() / 2));
  }

  void connect();

  return {
    async check(subject, ask) {
      if (live === undefined) throw new Error(`not connected to RabbitMQ: ${down}`);
      const complaint = live.session.complaint();
      if (complaint !== null) throw new Error(complaint);
      await within(CHECK_TIMEOUT_MS, ask(live.session.channel)).catch((error) => {
        throw new Error(`RabbitMQ does not answer for ${subject}: ${reasonOf(error, url)}`);
      });
    },

    async close(drainMs) {
      closed = true;
      clearTimeout(timer);
      await live?.session.close(drainMs);
      live = undefined;
      abort.abort();
    },
  };
}
